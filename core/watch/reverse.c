#include "watch/reverse.h"

#include <stdio.h>

struct follower { bool there, enabled, worker; char slot[64]; };

static enum err_code ask_follower(struct session *source, const struct link *back, int64_t timeout_ms, struct follower *f, struct err *err)
{
	const char *params[] = {back->subscription};
	PGresult *r;
	enum err_code rc = session_exec(source, "SELECT s.subenabled, EXISTS (SELECT 1 FROM pg_stat_subscription t WHERE t.subid = s.oid AND t.relid IS NULL AND t.pid IS NOT NULL),"
		" s.subslotname FROM pg_subscription s WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())", 1, params, timeout_ms, &r, err);

	if (rc != ERR_OK)
		return rc;
	*f = (struct follower){.there = PQntuples(r) > 0};
	(void)snprintf(f->slot, sizeof f->slot, "%s", back->slot);
	if (f->there) { /* of one that was taken over only it knows its slot */
		if (*cell(r, 0, 2))
			(void)snprintf(f->slot, sizeof f->slot, "%s", cell(r, 0, 2));
		f->enabled = cell_bool(r, 0, 0);
		f->worker = cell_bool(r, 0, 1);
	}
	PQclear(r);
	return ERR_OK;
}

static void judge(struct watch_sample *s, const struct follower *f, bool slot, bool active)
{
	s->way_back = f->there || slot;
	s->back_lacks = !s->way_back ? BACK_WHOLE : !f->there ? BACK_NO_SUBSCRIPTION : !slot ? BACK_NO_SLOT : !f->enabled ? BACK_DISABLED : BACK_WHOLE;
	s->back_down = s->way_back && s->back_lacks == BACK_WHOLE && (!f->worker || !active);
}

enum err_code reverse_ask(struct session *source, struct session *target, const struct link *back, int64_t timeout_ms, struct watch_sample *s,
			  struct reverse_reading *out, struct err *err)
{
	struct follower f;
	const char *params[] = {f.slot};
	PGresult *r;
	enum err_code rc = ask_follower(source, back, timeout_ms, &f, err);

	if (rc == ERR_OK)
		rc = session_exec(target, "SELECT p.slot_name IS NOT NULL, p.active, c.lsn - '0/0', p.confirmed_flush_lsn - '0/0', c.lsn - p.confirmed_flush_lsn, c.lsn - p.restart_lsn"
			" FROM (SELECT pg_current_wal_flush_lsn() AS lsn) c LEFT JOIN pg_replication_slots p ON p.slot_name = $1", 1, params, timeout_ms, &r, err);
	if (rc != ERR_OK)
		return rc;
	bool slot = cell_bool(r, 0, 0);
	judge(s, &f, slot, cell_bool(r, 0, 1));
	*out = (struct reverse_reading){.current = cell_i64(r, 0, 2), .confirmed = cell_i64(r, 0, 3), .held = cell_i64(r, 0, 5)};
	s->lag_bytes = slot && cell_i64(r, 0, 4) > 0 ? cell_i64(r, 0, 4) : 0;
	s->back_held_bytes = slot ? out->held : 0;
	PQclear(r);
	return ERR_OK;
}
