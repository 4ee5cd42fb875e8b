#ifndef PGUSHER_JOURNAL_LIVE_H
#define PGUSHER_JOURNAL_LIVE_H
/*
 * live - what is going on right now, for other terminals: <dir>/live.json, replaced atomically about once a second, not
 * synced. The journal says what happened; this only adds how far the current step is.
 */
#include "base/err.h"
#include "journal/model.h"

struct live { int64_t at_us; char *step; int64_t n, of, a, b; char *text; };

enum err_code live_write(const char *dir, const struct model *m, struct err *err);
/* false: none, or unreadable. The caller frees with live_fini. */
bool live_read(const char *dir, struct live *l);
void live_fini(struct live *l);

#endif
