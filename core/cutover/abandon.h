#ifndef PGUSHER_CUTOVER_ABANDON_H
#define PGUSHER_CUTOVER_ABANDON_H
/*
 * abandon - a replication is given up, and the operator wants the target's copy gone, too: whether it may go, and what goes with it.
 * Engine thread.
 */
#include "journal/model.h"
#include "method/run.h"

#define ABANDON_COPY "copy:" /* and the database: the leftover's name. It is removed after all that works in it. */

/* It was told to go before, and is there still: what is so now is looked at again before it goes. */
bool abandon_begun(const struct model *seen);
/* It stays, for the reason why: in seen it is not left any more, and the operator is told. */
void abandon_not(struct model *seen, struct strv *beside, const struct err *why);
/*
 * Adds the target's database to what is left (seen), with DROP DATABASE as its end, unless that goes anyway; beside: what the
 * operator should know before the name is typed, a line each. ERR_BLOCKED: no subscription of ours, or none any more,
 * or the target is or was the primary, or the source is closed; another error: the source cannot say that it is not.
 */
enum err_code abandon_copy(struct run *r, struct model *seen, struct strv *beside, struct err *err);
/* A piece of work, arg NULL: once more, when the name was typed; it may have taken hours, and a cutover from another host. Errors as above. */
enum err_code work_never_led(struct run *r, const void *arg, struct err *err);

#endif
