#ifndef PGUSHER_BASE_VISIBLE_H
#define PGUSHER_BASE_VISIBLE_H
/*
 * visible - text of a server, a tool or a file as it may reach a terminal: what would command it (ESC, C1, a carriage return) or
 * turn the direction of reading becomes "?". Line ends and tabs stay, so do all letters. Any thread; a struct belongs to one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* A character (Unicode) that commands a terminal, or changes how what follows is read. */
bool visible_hides(uint32_t c);
/* Bytes of UTF-8 as they come; a character may be torn between two calls. Zero-initialise. */
struct visible { unsigned char held[2]; size_t n; };
void visible_add(struct visible *v, struct str *out, const char *bytes, size_t n);
/* The whole of a text; caller frees. */
char *visible_text(const char *text);

#endif
