#ifndef PGUSHER_CUTOVER_CUTOVER_H
#define PGUSHER_CUTOVER_CUTOVER_H
/*
 * cutover - the source's last moment, as a plan: writers wait behind locks, what they wrote is proven to have arrived, the source is
 * closed to them, what replication does not carry is brought over, both sides are compared, and the target is the primary.
 *
 * Until the hand-over everything is taken back when something fails, takes too long or is cancelled: the subscription goes
 * on, the source is written to again. The locks go with their session, also when pgusher is killed; what outlives it (the source's
 * default_transaction_read_only) is journaled before it is set, and noted in the publication's comment on the source itself.
 * Engine thread. Tried on 14 -> 16, 10 -> 18 and 15 -> 17.
 */
#include "cutover/may.h"
#include "method/run.h"

/* what EV_BEGIN says in place of the method */
#define CUTOVER_BEGIN "cutover"
#define ROLLBACK_BEGIN "rollback"
#define FINALIZE_BEGIN "finalize"

/* Their names, or NULL: with one there is no hand-over. */
#define PREPARED_SQL "SELECT string_agg(quote_literal(gid), ', ') FROM pg_prepared_xacts WHERE database = current_database()"

/*
 * max_outage_s: for how long writers may wait or be refused before it lets go by itself. over: the servers say that it came to its
 * hand-over already: only what follows that is done again, and nobody is asked whether to begin.
 */
enum err_code cutover_plan(struct plan **out, const struct migration *m, const struct facts *src, const struct facts *dst, int max_outage_s,
			   bool over, struct err *err);
/* The same with the sides exchanged, over the reverse link; the old source is opened again as it was, the target stays closed. */
enum err_code rollback_plan(struct plan **out, const struct migration *m, const struct facts *src, const struct facts *dst, int max_outage_s, bool over, struct err *err);
/* Removes all that the migration made on both sides, after a cutover or a rollback. open_old: the server that is no longer in use takes writes. readers: of leftover_readers. */
enum err_code finalize_plan(struct plan **out, const struct migration *m, const struct whereabouts *w, bool open_old, const char *readers);
/* Only takes back what an interrupted cutover left. */
enum err_code cutover_abort_plan(struct plan **out, const struct migration *m, const struct whereabouts *w, bool rollback, struct err *err);
/* What an action's time running out means while writers wait; anything else is returned as it is. */
enum err_code cutover_judge(struct run *r, enum err_code rc, struct err *err);

enum cutover_outcome {
	CUTOVER_NOBODY_WAITED, /* it did not come to its fence */
	CUTOVER_TAKEN_BACK,
	CUTOVER_OPENED,        /* the closed side takes writes again, but something else is not as before; said */
	CUTOVER_NOT_TAKEN_BACK,
	CUTOVER_HANDED,        /* the servers say that the other side is the primary */
};
/*
 * After the plan: when it did not come to the hand-over, everything is taken back; servers that are away are asked again for a while.
 * Safe to call when no cutover ran, and twice.
 */
enum cutover_outcome cutover_settle(struct run *r);

/* For a clean-up: a side that a cutover or rollback closed and did not come to its hand-over is opened again, as its publication says. arg: not looked at */
enum err_code work_thaw(struct run *r, const void *arg, struct err *err);
enum err_code work_thaw_back(struct run *r, const void *arg, struct err *err);

#endif
