#ifndef PGUSHER_CUTOVER_AFTER_H
#define PGUSHER_CUTOVER_AFTER_H
/*
 * after - when the new primary is in use: materialized views, statistics, the operator's command, who still talks to the old server.
 * Nothing here is worth taking a cutover back: what fails is an issue. Engine thread.
 */
#include "method/run.h"

/* The steps "after" and "talkers". to: the new primary. */
void after_plan(struct plan *p, const struct migration *m, const struct facts *from, enum side to);

#endif
