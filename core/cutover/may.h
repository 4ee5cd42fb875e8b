#ifndef PGUSHER_CUTOVER_MAY_H
#define PGUSHER_CUTOVER_MAY_H
/*
 * may - what of cutover, rollback and finalize may be begun, by what was just read from both servers: before anybody is asked and
 * before anything is journaled, so that a command that is refused leaves no trace over the story of one that is not. The work looks
 * again, at the servers. Pure functions; any thread.
 */
#include "pg/facts.h"
#include "pg/phase.h"

struct whereabouts {
	enum phase source, target;  /* by the words on the publications of the forward and of the reverse link */
	bool known[2], there[2];    /* by side: it was read; the database is there */
	bool follows, way_back;     /* the subscriptions of the two links are there */
	bool left[2];               /* by side: anything of ours */
	bool nameless;              /* taken over, and neither server nor journal knows any more what it consisted of (pg/adopted.h) */
};

/* src, dst: NULL for a side that could not be read. */
void may_look(struct whereabouts *w, const struct migration *m, const struct facts *src, const struct facts *dst);
/* Each: ERR_OK or ERR_BLOCKED, with what to do instead. */
enum err_code may_cut_over(const struct whereabouts *w, struct err *err);   /* ERR_OK after the hand-over, too: what follows it */
enum err_code may_rehearse(const struct whereabouts *w, struct err *err);
enum err_code may_roll_back(const struct whereabouts *w, struct err *err);  /* the same */
enum err_code may_finalize(const struct whereabouts *w, struct err *err);   /* ERR_OK when nothing is left at all */
/* touched: by the journal a rollback may have changed something before it closed the target (journal/standing.h), or there is no journal. */
enum err_code may_take_back(const struct whereabouts *w, bool rollback, bool touched, struct err *err);
/* The side that a taking back opens when it is closed: which may be the target's after `cutover --abort`, too. */
enum side may_taken_back(const struct whereabouts *w, bool rollback);
/* For whoever finds so on the servers: the hand-over was over. */
enum err_code may_too_late(enum phase source, struct err *err);

#endif
