#ifndef PGUSHER_TUI_THEME_H
#define PGUSHER_TUI_THEME_H
/*
 * theme - what a role looks like. Themes are ini files in a themes folder ([meta] name; [roles] title = bold,white,blue);
 * "default" and "mono" are built in, so that a lone binary works. Main thread, after term_start.
 */
#include "term.h"

/* NULL or unknown: default (mono without colours). false: there is no such theme. */
bool theme_use(const char *name);
const char *theme_next(void); /* takes the next one and says its name */
const char *theme_name(void);
unsigned long theme_attr(enum role r);
void theme_fini(void);

#endif
