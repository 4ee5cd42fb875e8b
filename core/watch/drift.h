#ifndef PGUSHER_WATCH_DRIFT_H
#define PGUSHER_WATCH_DRIFT_H
/*
 * drift - what differs between the tables that one side publishes and those that the other side's subscription knows: tables, columns, constraints and
 * indexes (pg/objects.h). A table that the subscription does not know is passed over by replication without a word; a column that the
 * subscription's side lacks stops it. Of a reverse link it is the target that publishes, and the source that has the subscription.
 *
 * One query per side while nothing differs, at most three; the target is not asked about words: those count as the same. PostgreSQL 10 to
 * 18. Blocks.
 */
#include <stdbool.h>

#include "pg/session.h"

/* What to do when it is the reverse link's tables that differ. */
#define DRIFT_BACK_TODO "make the same change on the old source, in a session with SET default_transaction_read_only = off (a column that is missing there: ALTER TABLE ... ADD COLUMN)"

struct drift {
	char tables[400];  /* what stops replication, or is passed over: "public.t (columns differ), ..."; "": none */
	char lesser[400];  /* what does not: "public.t (index t_v_idx)"; "" */
	char lines[2000];  /* object by object, a line each: "public.t: column w integer is not on the target"; "" */
};

/* from: the side that publishes. publications: their names, a text[]. filling: the server's own copy runs, and constraints are set aside meanwhile. Sessions with search_path = pg_catalog. */
enum err_code drift_look(struct session *src, struct session *dst, enum side from, const char *publications, const char *subscription, bool filling, int timeout_ms,
			 struct drift *out, struct err *err);

#endif
