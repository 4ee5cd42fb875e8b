#ifndef PGUSHER_METHOD_TAKENUP_H
#define PGUSHER_METHOD_TAKENUP_H
/* takenup - in words, what becomes of what an interrupted attempt left, when it is gone on with. Pure. */
#include "journal/model.h"
#include "plan/plan.h"

/* Adds remarks to the plan that goes on with `seen`: what is removed first, what is kept, which steps are done again. */
void takenup_notes(struct plan *p, const struct model *seen);

#endif
