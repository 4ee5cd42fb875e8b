#ifndef PGUSHER_TUI_MARKDOWN_H
#define PGUSHER_TUI_MARKDOWN_H
/*
 * markdown - a report as it is to be read on a screen: headings, lists, code, and tables as columns that wrap inside their own.
 * Knows what our report uses, no more. Main thread; widths in columns.
 */
#include <stddef.h>

struct markdown;

/*
 * Laid out once, for this width. wide: columns whose head begins with it are left out of a table that has no room for them,
 * and a line says so; NULL: none. text is not kept.
 */
struct markdown *markdown_new(const char *text, int width, const char *wide);
void markdown_free(struct markdown *md);
int markdown_rows(const struct markdown *md);
int markdown_width(const struct markdown *md); /* it was laid out for */
/* h rows from its row `skip` on. */
void markdown_draw(const struct markdown *md, int y, int x, int h, int skip);

#endif
