#ifndef PGUSHER_CUTOVER_READINESS_H
#define PGUSHER_CUTOVER_READINESS_H
/*
 * readiness - the conditions of a cutover (watch/ready.h) as findings of the attempt, and what else can be known before it: the
 * operator's commands can be run, the application's role may log in, settings are the same. Engine thread.
 */
#include "method/run.h"

/* Looks once and says all of it. arg: NULL. ERR_BLOCKED names the first that hinders. */
enum err_code work_readiness(struct run *r, const void *arg, struct err *err);
/* Before a rollback: says which objects the old source lacks, or has otherwise than the target; it is no reason not to go back. arg: NULL */
enum err_code work_back_objects(struct run *r, const void *arg, struct err *err);

#endif
