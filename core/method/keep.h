#ifndef PGUSHER_METHOD_KEEP_H
#define PGUSHER_METHOD_KEEP_H
/*
 * keep - an interrupted copy is taken up table by table: what of it may stay, and why it may not. What is complete is written to a file as
 * the copy goes (copy/copied.h); the copy itself looks whether it still holds (copy_look). Engine thread.
 */
#include "method/run.h"

/*
 * For the plan that goes on with `seen`, whose copy did not come to its end: whether it begins with what is on the target. Adds a remark to the
 * plan, either way. What only the servers can tell is found out by the run: then it is begun_again with another plan.
 */
bool keep_may(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst, const struct model *seen);

/* Where the source stands, in its snapshot; before anything is copied. */
enum err_code keep_source(struct run *r, struct err *err);
/* The same of the target. taken_up: what the file says is to be kept; ERR_BLOCKED with r->begin_again when it cannot be. */
enum err_code keep_target(struct run *r, bool taken_up, struct err *err);
/* Taken up: begins copy_look. sql: the objects, as pg_dump prints them. ERR_BLOCKED as above. */
enum err_code keep_look(struct run *r, const char *sql, struct err *err);
/* copy_look is over: says what is kept. ERR_BLOCKED as above. */
enum err_code keep_judge(struct run *r, struct err *err);
/* Before the first table is touched: from here on the file is about this copy. */
enum err_code keep_begin(struct run *r, const char *sql, struct err *err);
/* The old indexes and keys are gone from the target, where they had to go: should this copy break, too, those that stand there are its own. */
enum err_code keep_cleared(struct run *r, struct err *err);
/* What earlier processes had to say about what is not made again. */
void keep_say_again(struct run *r);
/* Writes down what is complete, once a second at most; now: all of it. */
void keep_note(struct run *r, bool now);
void keep_release(struct run *r);

/* Removes the large objects that an interrupted copy brought: they come again, all of them. arg: NULL */
enum err_code work_clear_large_objects(struct run *r, const void *arg, struct err *err);

#endif
