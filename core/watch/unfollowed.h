#ifndef PGUSHER_WATCH_UNFOLLOWED_H
#define PGUSHER_WATCH_UNFOLLOWED_H
/*
 * unfollowed - tables of the source that no publication of ours has, although all of them are to move: somebody made them after the
 * start. What is written to them stays on the source, and no LSN shows it. Left out are temporary and unlogged tables, those of an
 * extension, and what the operator did not choose. One query, whatever the number of tables. PostgreSQL 10 to 18. Blocks.
 */
#include "migration.h"
#include "pg/logical.h"
#include "watch/drift.h"

/* What to do about s->drift of a sample: by hand, as pgusher does not change what is followed while it runs. Static. */
const char *unfollowed_todo(const char *drift);
/* Puts them before all else that differs, with the statements that have them followed. publications: their names, a text[]. Session with search_path = pg_catalog. */
enum err_code unfollowed_look(struct session *src, const struct migration *m, const char *publications, int timeout_ms, struct drift *d, struct err *err);

/*
 * The same for one link, on the side that it comes from, at a cutover or rollback: the conditions were looked at before the operator was
 * asked, and that may be long ago. ERR_BLOCKED.
 */
enum err_code unfollowed_none(struct session *s, const struct migration *m, const struct link *l, int timeout_ms, struct err *err);

#endif
