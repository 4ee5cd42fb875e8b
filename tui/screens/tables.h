#ifndef PGUSHER_TUI_TABLES_H
#define PGUSHER_TUI_TABLES_H
/* tables - the list of tables of the monitor, and of a run that waits for them: how far each is, with a filter. Main thread. */
#include "watch/sample.h"
#include "wizard_in.h"

bool tables_shown(void);
void tables_show(struct wizard *w, bool on); /* asks the watcher for them, or no longer */
/* s NULL: nothing is known beside them. */
void tables_draw(const struct wizard *w, const struct watch_sample *s, int y, int x, int h, int width);
bool tables_key(struct wizard *w, int key, bool special);
/* A list of tables in its text form (pg/tables.h), taken apart: fields of the row at `at`, which moves on; false: no further row. */
bool tables_next(char **at, char **fields, size_t n);

#endif
