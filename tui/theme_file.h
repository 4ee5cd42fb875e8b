#ifndef PGUSHER_TUI_THEME_FILE_H
#define PGUSHER_TUI_THEME_FILE_H
/*
 * theme_file - what a theme's ini file says ([meta] name; [roles] title = bold,white,blue), as attributes and colours of curses. A word
 * that is unknown is passed over, a role that is not named keeps what it had. Knows no terminal. Any thread.
 */
#include <curses.h>

#include "term.h"

struct theme {
	char *name; /* owned */
	attr_t attr[R_COUNT];
	short fg[R_COUNT], bg[R_COUNT]; /* 0..255; -1: the terminal's own */
};

/* One style: attributes, then the colour, then the background, separated by commas. */
void theme_style(struct theme *t, int role, const char *text);
/* Over what t has; a role of keys that is not named gets the foot's colours. From a file, or from the text of one. */
void theme_read(struct theme *t, const char *path);
void theme_parse(struct theme *t, const char *text);

#endif
