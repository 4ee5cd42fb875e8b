#ifndef PGUSHER_METHOD_CLEANUP_H
#define PGUSHER_METHOD_CLEANUP_H
/* cleanup - a plan that removes what an unfinished attempt left, newest first, after one question. Pure. */
#include "journal/model.h"
#include "pg/facts.h"
#include "plan/plan.h"

/* ERR_BLOCKED: nothing is left. */
enum err_code cleanup_plan(struct plan **out, const struct migration *m, const struct model *seen, struct err *err);

#endif
