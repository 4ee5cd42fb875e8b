#ifndef PGUSHER_CUTOVER_SMOKE_H
#define PGUSHER_CUTOVER_SMOKE_H
/*
 * smoke - asks as the application will: as its role, through its address ([cutover] app_*). Whether that address leads to the new
 * primary is proven by an advisory lock of ours that must be seen through it. Engine thread.
 */
#include "method/run.h"

/*
 * Before the fence: can the application's role log in through its address at all? *answers is false when nobody is there (ERR_CONNECT and
 * the like): the hand_over command may be what opens it. There is an address.
 */
enum err_code smoke_before(struct run *r, bool *answers, struct err *err);
/* After the hand-over, a step of its own: what does not work is an issue, nothing is taken back. to: the new primary. */
void smoke_plan(struct plan *p, const struct migration *m, enum side to);

#endif
