#ifndef PGUSHER_METHOD_RECREATE_H
#define PGUSHER_METHOD_RECREATE_H
/* recreate - the step that removes a half-restored target database, which is then made anew. Pure; facts in, a step out. */
#include "migration.h"
#include "pg/facts.h"
#include "plan/plan.h"

/*
 * ours: the attempt made the database. Even then its name has to be typed when it holds what the source does not have
 * (pg/foreign.h); src may be NULL.
 */
void recreate_plan(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst, bool ours);

#endif
