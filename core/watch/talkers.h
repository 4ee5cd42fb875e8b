#ifndef PGUSHER_WATCH_TALKERS_H
#define PGUSHER_WATCH_TALKERS_H
/* talkers - who still has sessions on a database that is not the primary any more. One thread. */
#include "pg/session.h"

/*
 * Client sessions of the session's database, without pgusher's own: how many in *n, and "2 of app (billing) from 10.0.0.7, last active
 * 3 s ago; ..." in out, most sessions first, cut where it does not fit. Without pg_monitor others' last words are not seen.
 */
enum err_code talkers_ask(struct session *s, int64_t timeout_ms, int64_t *n, char *out, size_t cap, struct err *err);

/*
 * Client sessions of the session's database, without pgusher's own, that have written in the transaction they are in, the longest first:
 * "pid 4711 of app (billing) from 10.0.0.7, since 3 s", cut where it does not fit; "": nobody just now. Who has not pg_monitor sees only
 * sessions of the own role.
 */
enum err_code writers_ask(struct session *s, int64_t timeout_ms, char *out, size_t cap, struct err *err);

#endif
