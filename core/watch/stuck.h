#ifndef PGUSHER_WATCH_STUCK_H
#define PGUSHER_WATCH_STUCK_H
/*
 * stuck - who on the target holds a lock that a worker of the subscription waits for: a session that was forgotten in its transaction
 * stops the replication without an error, and looks like a slow network. PostgreSQL 10 to 18 (pg_blocking_pids). Blocks.
 */
#include <stddef.h>
#include <stdint.h>

#include "pg/session.h"

/*
 * text: "public.t is held by pid 7 (app with psql from 10.0.0.5, idle in transaction, for 40 s)"; "" when no worker waits. pid: of the first
 * one; 0: a prepared transaction. What another role does is known to a superuser or pg_monitor only; the pid always is.
 */
enum err_code stuck_ask(struct session *target, const char *subscription, int64_t timeout_ms, char *text, size_t cap, int64_t *pid, struct err *err);
/* The statement that ends it. */
void stuck_end(int64_t pid, char *to, size_t cap);

#endif
