#include "watch/stuck.h"

#include <stdio.h>

enum err_code stuck_ask(struct session *target, const char *subscription, int64_t timeout_ms, char *text, size_t cap, int64_t *pid, struct err *err)
{
	/* a prepared transaction has no process (0): the lock on its own number leads to its name */
	static const char sql[] =
		"SELECT w.holder, coalesce((SELECT string_agg(DISTINCT l.relation::regclass::text, ', ') FROM pg_locks l WHERE l.pid = w.pid AND NOT l.granted AND l.relation IS NOT NULL), 'a row'),"
		" CASE WHEN w.holder = 0 THEN coalesce(format('the prepared transaction %L (', p.gid) || p.owner, 'a prepared transaction (?') ELSE format('pid %s (', w.holder) || coalesce(a.usename, a.backend_type, '?') END,"
		" coalesce(a.application_name, ''), CASE WHEN w.holder > 0 THEN coalesce(host(a.client_addr), 'the server itself') END, coalesce(a.state, ''),"
		" extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::bigint"
		" FROM (SELECT w.pid, unnest(pg_blocking_pids(w.pid)) AS holder FROM pg_stat_subscription w JOIN pg_subscription s ON s.oid = w.subid"
		"  WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND w.pid IS NOT NULL) w"
		" LEFT JOIN pg_stat_activity a ON w.holder > 0 AND a.pid = w.holder"
		" LEFT JOIN LATERAL (SELECT q.gid, q.owner, q.prepared FROM pg_locks l, pg_locks h, pg_locks x, pg_prepared_xacts q"
		"  WHERE w.holder = 0 AND l.pid = w.pid AND NOT l.granted AND h.pid IS NULL AND h.granted AND h.locktype = l.locktype AND h.database IS NOT DISTINCT FROM l.database"
		"  AND h.relation IS NOT DISTINCT FROM l.relation AND h.transactionid IS NOT DISTINCT FROM l.transactionid AND x.pid IS NULL AND x.locktype = 'transactionid'"
		"  AND x.virtualtransaction = h.virtualtransaction AND q.transaction = x.transactionid ORDER BY q.prepared LIMIT 1) p ON true"
		" WHERE w.holder = 0 OR a.pid IS NOT NULL ORDER BY coalesce(a.xact_start, p.prepared), w.holder LIMIT 1";
	const char *params[] = {subscription};
	char age[32];
	PGresult *r;
	enum err_code rc = session_exec(target, sql, 1, params, timeout_ms, &r, err);

	*text = '\0';
	*pid = 0;
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(r) > 0) {
		const char *app = cell(r, 0, 3), *from = cell(r, 0, 4), *state = cell(r, 0, 5);
		bool age_known = !PQgetisnull(r, 0, 6);
		*pid = cell_i64(r, 0, 0);
		(void)snprintf(text, cap, "%s is held by %s%s%s%s%s%s%s%s%s)", cell(r, 0, 1), cell(r, 0, 2), *app ? " with " : "", app, *from ? " from " : "", from, *state ? ", " : "", state,
			       age_known ? ", for " : "", age_known ? fmt_secs(age, sizeof age, (double)cell_i64(r, 0, 6)) : "");
	}
	PQclear(r);
	return ERR_OK;
}

void stuck_end(int64_t pid, char *to, size_t cap)
{
	if (pid > 0)
		(void)snprintf(to, cap, "SELECT pg_terminate_backend(%lld)", (long long)pid);
	else
		(void)snprintf(to, cap, "COMMIT PREPARED or ROLLBACK PREPARED");
}
