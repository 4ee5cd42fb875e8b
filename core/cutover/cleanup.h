#ifndef PGUSHER_CUTOVER_CLEANUP_H
#define PGUSHER_CUTOVER_CLEANUP_H
/* cleanup - a plan that removes what an unfinished attempt left, newest first, after one question. Pure. */
#include "cutover/leftover.h"
#include "journal/model.h"
#include "pg/facts.h"
#include "plan/plan.h"

/*
 * l: what more is to be told of it; NULL: nothing. theirs: application_name of the attempt, what still runs of it is ended first; NULL: not
 * known. ERR_BLOCKED: nothing is left.
 */
enum err_code cleanup_plan(struct plan **out, const struct migration *m, const struct model *seen, const struct leftover *l, const char *theirs, struct err *err);

/* A whole copy that followed the source stays, with nothing of the replication. */
bool cleanup_keeps_copy(const struct model *seen);
/*
 * In words and SQL, how the content of a target database is removed that was there before the attempt: the clean-up does not. Caller
 * frees.
 */
char *cleanup_by_hand(const struct migration *m);

#endif
