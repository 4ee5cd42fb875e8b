#ifndef PGUSHER_TUI_TERM_H
#define PGUSHER_TUI_TERM_H
/*
 * term - the terminal: started, given back on every way out, and drawn to by display columns. Main thread.
 * Everything drawn is clipped, and what is cut off ends with a mark; text is UTF-8 and shows '?' for what the terminal cannot.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define TERM_ROWS 24
#define TERM_COLS 80

/* ascii: no line-drawing or block characters. ERR_USAGE: this terminal cannot be drawn on. */
enum err_code term_start(bool ascii, struct err *err);
void term_stop(void);
int term_rows(void);
int term_cols(void);
bool term_unicode(void);
bool term_colours(void);
/* After SIGWINCH. */
void term_resized(void);
/* The next key, -1: none waits. A character, or a curses KEY_ code with *special set. */
int term_key(bool *special);
/* Takes what a frame drew to the terminal. */
void term_flush(void);
void term_clear(void);
void term_cursor(int y, int x); /* y < 0: hidden */
void term_beep(void);
/* Copies to the clipboard of the operator's terminal (OSC 52). */
void term_copy(const char *text);

/* Style by role of the theme in use. */
enum role { R_TEXT, R_DIM, R_TITLE, R_HEAD, R_FOOT, R_SELECT, R_GOOD, R_WARN, R_BAD, R_GAUGE, R_FIELD, R_FOCUS, R_KEY, R_COUNT };

/* Text at y, x, at most w columns; returns the columns used. pad: fill up to w with blanks. */
int put(int y, int x, int w, enum role role, const char *text);
int put_pad(int y, int x, int w, enum role role, const char *text);
int putf(int y, int x, int w, enum role role, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void put_line(int y, int x, int w, enum role role); /* horizontal line */
void put_blank(int y, int x, int h, int w, enum role role);
/*
 * Wrapped text in a box of h rows, beginning at its line `skip`. Returns the number of lines the text has. h 0 only counts.
 */
int put_wrapped(int y, int x, int h, int w, enum role role, const char *text, int skip);
/* The same from its first line, at most h of them; a mark says that there are more. Returns the rows used. */
int put_lines(int y, int x, int h, int w, enum role role, const char *text);
/* A bar of w columns; share 0..1. */
void put_bar(int y, int x, int w, double share);
void put_box(int y, int x, int h, int w, const char *title, enum role role);
int text_width(const char *text);
/* One line of at most w columns: where it ends; *next: where the next one begins. Breaks at blanks where there are some. */
const char *text_break(const char *text, int w, const char **next);

enum glyph { G_DONE, G_RUN, G_WAIT, G_FAIL, G_SKIP, G_SELECT, G_DOT, G_UP, G_DOWN };
const char *glyph(enum glyph g);

#endif
