#ifndef PGUSHER_WIDGETS_CDK_TEXT_H
#define PGUSHER_WIDGETS_CDK_TEXT_H
/*
 * cdk_text - lets CDK, which keeps one byte per cell, show a UTF-8 terminal's text. Its strings live in a page of our own:
 * bytes from 0x80 index a table of up to 128 characters. Two functions of ncurses are wrapped by the linker (Makefile):
 * waddch writes the character behind such a byte; wrefresh only stages, so that a frame goes out once. Main thread.
 */
#include <stddef.h>
#include <wchar.h>

void cdk_text_reset(void);                    /* forgets the table: with a new set of widgets */
unsigned char cdk_cell(wchar_t c);            /* '?' for what is not one column wide, or when the table is full */
char *cdk_encode(const char *utf8);           /* caller frees */
char *cdk_decode(const char *cells);          /* caller frees */

#endif
