#ifndef PGUSHER_METHOD_GAUGE_H
#define PGUSHER_METHOD_GAUGE_H
/*
 * gauge - follows a running command: its lines become log, progress and issues; how far the tables being copied are is asked
 * from the servers (pg_stat_progress_copy, 14+) once a second. Engine thread.
 */
#include "host/process.h"
#include "plan/plan.h"

struct gauge;
struct run;

/* Prepares for one command of a plan; makes *g when it is NULL. */
void gauge_begin(struct gauge **g, struct run *r, const struct action *a);
/* Hooks for process_run; arg is the struct gauge. */
void gauge_line(void *arg, int which, bool is_err, const char *text);
void gauge_keep(void *arg, int which, const char *bytes, size_t n);
bool gauge_tick(void *arg, int64_t moved); /* false: the server has been silent for too long */
/*
 * The command ended with rc. pg_restore's status 1 with nothing but listed errors is success with issues; everything else
 * stays as it is.
 */
enum err_code gauge_end(struct gauge *g, enum err_code rc, const struct process_result *res, struct err *err);
void gauge_free(struct gauge *g);

#endif
