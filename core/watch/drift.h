#ifndef PGUSHER_WATCH_DRIFT_H
#define PGUSHER_WATCH_DRIFT_H
/*
 * drift - what differs between the tables that the source publishes and those that the subscription knows: tables, columns, constraints and
 * indexes (pg/objects.h). A table that the subscription does not know is passed over by replication without a word; a column that the
 * target lacks stops it.
 *
 * One query per side while nothing differs, at most three; the target is not asked about words: those count as the same. PostgreSQL 10 to
 * 18. Blocks.
 */
#include <stdbool.h>

#include "pg/session.h"

struct drift {
	char tables[400];  /* what stops replication, or is passed over: "public.t (columns differ), ..."; "": none */
	char lesser[400];  /* what does not: "public.t (index t_v_idx)"; "" */
	char lines[2000];  /* object by object, a line each: "public.t: column w integer is not on the target"; "" */
};

/* publications: their names, a text[]. filling: the server's own copy runs, and constraints are set aside meanwhile. Sessions with search_path = pg_catalog. */
enum err_code drift_look(struct session *src, struct session *dst, const char *publications, const char *subscription, bool filling, int timeout_ms,
			 struct drift *out, struct err *err);

#endif
