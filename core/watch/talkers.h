#ifndef PGUSHER_WATCH_TALKERS_H
#define PGUSHER_WATCH_TALKERS_H
/* talkers - who still has sessions on a database that is not the primary any more. One thread. */
#include "pg/session.h"

/*
 * Client sessions of the session's database, without pgusher's own: how many in *n, and "2 of app (billing) from 10.0.0.7, last active
 * 3 s ago; ..." in out, most sessions first, cut where it does not fit. Without pg_monitor others' last words are not seen.
 */
enum err_code talkers_ask(struct session *s, int64_t timeout_ms, int64_t *n, char *out, size_t cap, struct err *err);

#endif
