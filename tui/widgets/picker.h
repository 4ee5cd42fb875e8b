#ifndef PGUSHER_WIDGETS_PICKER_H
#define PGUSHER_WIDGETS_PICKER_H
/*
 * picker - a long list with a filter that is typed, each row with columns at its right and, where wanted, a check mark. Ten thousand
 * rows are normal. Rows are the caller's. Main thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "term.h"

struct pick {
	const char *name, *more; /* more: at the right, "" */
	enum role role;          /* of `more` */
	char mark;               /* ' ' not chosen, 'x' chosen, '+' chosen by something else; '\0': the list has no marks */
};

struct picker {
	const struct pick *rows;
	size_t n;
	char filter[128];        /* UTF-8, without regard to case; "": all */
	bool typing;             /* keys go to the filter */
	size_t *shown, n_shown;  /* rows that pass it */
	int sel, top, page;
};

void picker_fini(struct picker *p);
/* Other rows, or as many with other columns: filter and place stay. */
void picker_rows(struct picker *p, const struct pick *rows, size_t n);
/* The arrows, and "/": what is typed then is the filter; Enter ends typing, Esc takes the filter away. False: not for it. */
bool picker_key(struct picker *p, int key, bool special);
void picker_draw(struct picker *p, int y, int x, int h, int width);
/* Index into rows; -1: none is shown. */
long picker_chosen(const struct picker *p);

#endif
