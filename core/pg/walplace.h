#ifndef PGUSHER_PG_WALPLACE_H
#define PGUSHER_PG_WALPLACE_H
/*
 * walplace - where a server keeps its WAL, and whether that is a disk of this host: how much is free there no SQL says. PostgreSQL 10 to 18.
 * One thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct session;

struct wal_place {
	char dir[300];    /* data_directory; "": this role may not see it (pg_monitor may) */
	char file[32];    /* the WAL file that is written now: pg_wal/FILE proves the folder; "": in recovery */
	bool same_host;   /* the server is on the host from which it was connected to: by its own address, or over a socket */
	bool here;        /* our end of the connection leads to this host (with a tunnel: always, it means nothing then) */
	double wal_rate;  /* bytes/s written since the last checkpoint began, over half a minute at least; -1: not known */
};

enum err_code walplace_ask(struct session *s, int64_t timeout_ms, struct wal_place *out, struct err *err);

#endif
