#ifndef PGUSHER_METHOD_SLOTWAIT_H
#define PGUSHER_METHOD_SLOTWAIT_H
/*
 * slotwait - while the creation of a slot waits for transactions that wrote before it: says whom it waits for (EV_WAIT for screens, a
 * note with the statement that ends each for the journal), and does what the operator answers: an answer to the gate SLOTWAIT with
 * "cancel PID" or "terminate PID". What is done is journaled before it is done. Engine thread.
 */
#include "method/run.h"

#define SLOTWAIT "slot-wait"

/* One look, on the source's control session. waiter: the walsender's pid; said: what was noted last, kept between looks by the caller. */
void slotwait_look(struct run *r, int waiter, struct str *said);
/* Nobody is waited for any more. */
void slotwait_over(struct run *r);
/* Does what was answered since the last look; false when nothing was. */
bool slotwait_answer(struct run *r, int waiter);

#endif
