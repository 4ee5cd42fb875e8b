#ifndef PGUSHER_METHOD_ROWS_H
#define PGUSHER_METHOD_ROWS_H
/* rows - our own copy (copy/copy.h) as pieces of work of a plan. Engine thread. */
#include "method/run.h"

/* Lists what has rows in the snapshot and locks it against being rewritten; part of opening the snapshot. */
enum err_code rows_list(struct run *r, struct err *err);
/*
 * Looks that the target is empty, then lets the threads open their sessions, beside the command that follows. arg: SQL with the
 * settings of the target's.
 */
enum err_code work_rows_open(struct run *r, const void *arg, struct err *err);
/* The same, with what an interrupted attempt left in the target: that it is the one, and the source the one it came from. arg: as above */
enum err_code work_rows_take_up(struct run *r, const void *arg, struct err *err);
/* Looks which of its tables may be kept, by what the last command said (the objects as SQL). arg: NULL */
enum err_code work_rows_look(struct run *r, const void *arg, struct err *err);
/* Gives them what the last command said (the objects as SQL), and waits until the tables are there. arg: NULL */
enum err_code work_rows_begin(struct run *r, const void *arg, struct err *err);
/* Waits for the end. arg: NULL */
enum err_code work_rows_end(struct run *r, const void *arg, struct err *err);
/* Progress and issues so far, while another command runs. */
void rows_progress(struct run *r);
/* Stops and forgets; after an error or cancel. */
void rows_release(struct run *r);

#endif
