#ifndef PGUSHER_METHOD_KEYS_H
#define PGUSHER_METHOD_KEYS_H
/*
 * keys - constraints of the target that are in the way of the server's own copy. Engine thread.
 *
 * The apply worker leaves out of a TRUNCATE the tables whose copy is not ready yet, and the server then refuses to empty one that a key
 * of those refers to: the worker fails at the same place again and again, and the copies wait for it for ever (seen on 14 to 18). So the
 * foreign keys are taken away before the subscription begins, and come back when every table is ready; with them the checks that are NOT
 * VALID, because COPY looks at rows that were there before such a check: their table would be copied anew for ever. What they are the source says, then as
 * now: nothing of it has to be remembered. Between tables that are all ready, TRUNCATE ... CASCADE names all of them.
 */
#include "method/run.h"

/* Takes away every foreign key between two tables, and what is NOT VALID. arg: NULL */
enum err_code work_keys_aside(struct run *r, const void *arg, struct err *err);
/*
 * Adds those that the source has and the target has not; without a look at the rows first, then they are looked at while others go on
 * writing; also one that an interrupted run added and did not look at. One that its rows violate stays NOT VALID, and is an issue.
 * ERR_SQL when a lock is not to be had in about a minute: again brings the rest. arg: NULL
 */
enum err_code work_keys_back(struct run *r, const void *arg, struct err *err);
/* Adds the names of those that the target lacks, and of those that are there and were never looked at. */
enum err_code keys_absent(struct run *r, struct str *names, struct str *unproven, struct err *err);

#endif
