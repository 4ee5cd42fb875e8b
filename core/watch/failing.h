#ifndef PGUSHER_WATCH_FAILING_H
#define PGUSHER_WATCH_FAILING_H
/*
 * failing - why the apply worker fails, while it does: the server's own words (serverlog.h), the row that is in the way, and what mends it.
 * Looked for at most every few seconds for one worker. One thread.
 */
#include "pg/session.h"
#include "watch/sample.h"

#define FAILING_STARTS 8

struct failing {
	int64_t worker, started[FAILING_STARTS]; /* the last one that was seen, and when new ones were, monotonic, a ring */
	int64_t before, replaced_us;             /* of the sample before, 0: none ran; when one came in another's place between two samples */
	size_t n_started;
	int64_t log_us, log_worker;              /* the last look into the log, monotonic, and which worker it was about */
};

/* A worker that fails is started again every few seconds, as another process: fills restarts and replaced. */
void failing_count(struct failing *f, struct watch_sample *s);

/* origin: the subscription's, pg_16396. Fills said*, log_where; empties them when nothing fails any more. */
void failing_look(struct failing *f, struct session *target, const char *origin, struct watch_sample *s);
/* What to do about it: with the row and the position, where the server says them. Pure. */
void failing_todo(const struct watch_sample *s, char *out, size_t cap);

#endif
