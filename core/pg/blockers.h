#ifndef PGUSHER_PG_BLOCKERS_H
#define PGUSHER_PG_BLOCKERS_H
/*
 * blockers - whom a session waits for (pg_blocking_pids, 9.6 and newer), as it can be told to people and acted on. Plain values; the
 * text form is for screens. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct session;

#define BLOCKERS_MAX 8

struct blocker {
	int64_t pid;        /* 0: a prepared transaction, which has no session */
	int64_t seconds;    /* since its transaction began */
	char who[200];      /* "pid 4711 (billing in shop, psql)" */
	char state[48];     /* as pg_stat_activity: "idle in transaction"; "prepared" */
	char what[240];     /* its newest statement on one line; what others may see of it */
	char end[320];      /* the statement that ends it */
};

/* Which of both can be told to a blocker at all: who sleeps has no statement that could be cancelled. */
bool blocker_may_cancel(const struct blocker *b);
bool blocker_may_terminate(const struct blocker *b);

/* Whom the server process `pid` waits for, longest first; at most BLOCKERS_MAX. */
enum err_code blockers_ask(struct session *s, int pid, struct blocker out[BLOCKERS_MAX], size_t *n, struct err *err);
/*
 * pg_cancel_backend or pg_terminate_backend, but only while `pid` still waits for that one: a number may be another's by then.
 * *told false: it waits no longer for it.
 */
enum err_code blockers_tell(struct session *s, int pid, int64_t blocker, bool terminate, bool *told, struct err *err);

/* A JSON array; caller frees. */
char *blockers_text(const struct blocker *b, size_t n);
size_t blockers_from_text(struct blocker out[BLOCKERS_MAX], const char *text); /* how many */

#endif
