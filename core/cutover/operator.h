#ifndef PGUSHER_CUTOVER_OPERATOR_H
#define PGUSHER_CUTOVER_OPERATOR_H
/*
 * operator - the operator's own part in a cutover or rollback: a fence of theirs in place of our locks, the command that points the
 * application to the new primary, and the hold until they say that it does. Engine thread.
 *
 * Whoever fences by a command is let go by one: what the fence command held is journaled before it runs, and the command unfence takes
 * it back when the cutover is taken back, also by the next start after a kill. A hand_over command that says no (exit status) takes the
 * cutover back when it is proven that nothing was written on the target since it began: by the reverse link's slot, or because no transaction
 * took a number there. Else nothing is taken back, nor after one that did not end: the application may be there already.
 */
#include "method/run.h"
#include "pg/logical.h"

/* The step "soft-fence" with the operator's command in place of locks. */
void operator_fence_plan(struct plan *p, const struct migration *m, const struct link *l);
/* The command hand_over, as soon as the other side is the primary; and the hold. */
void operator_point_plan(struct step *st, const struct migration *m, const struct link *l);
void operator_hold_plan(struct step *st, const struct migration *m, const struct link *l);
/* What the command fence held, in this process or one before it, is let go; nothing when it held nothing. Cannot be cancelled. */
void operator_unfence(struct run *r, const struct link *l);
/* Names in the journal: what the command fence holds; that the command hand_over has begun and not ended well. */
#define OPERATOR_FENCE "fence:command"
#define OPERATOR_POINT "hand-over:command"
/* The command hand_over of an attempt before this one did not end well: what to run by hand. Caller frees; NULL: it did, or there was none. */
char *operator_to_point(const struct run *r);

#endif
