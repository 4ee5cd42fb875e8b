#ifndef PGUSHER_TUI_CLEAN_H
#define PGUSHER_TUI_CLEAN_H
/*
 * clean - names and messages of a server are printed, and a server may name a table what it likes: from clean_begin on nothing
 * that stdout and stderr print commands the terminal (base/visible.h). Not beside curses.
 */
#include <stdbool.h>

/* exact: what goes to a file or a program must stay as it is (JSON, a script); a terminal is spared all the same. */
void clean_begin(bool exact);

#endif
