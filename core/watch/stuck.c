#include "watch/stuck.h"

#include <stdio.h>

enum err_code stuck_ask(struct session *target, const char *subscription, int64_t timeout_ms, char *text, size_t cap, int64_t *pid, struct err *err)
{
	static const char sql[] =
		"SELECT a.pid, coalesce((SELECT string_agg(DISTINCT l.relation::regclass::text, ', ') FROM pg_locks l WHERE l.pid = w.pid AND NOT l.granted AND l.relation IS NOT NULL), 'a row'),"
		" coalesce(a.usename, a.backend_type, '?'), coalesce(a.application_name, ''), coalesce(host(a.client_addr), 'the server itself'), coalesce(a.state, ''),"
		" extract(epoch FROM clock_timestamp() - a.xact_start)::bigint"
		" FROM (SELECT pid, unnest(pg_blocking_pids(pid)) AS holder FROM pg_stat_subscription WHERE subname = $1 AND pid IS NOT NULL) w"
		" JOIN pg_stat_activity a ON a.pid = w.holder ORDER BY a.xact_start, a.pid LIMIT 1";
	const char *params[] = {subscription};
	char age[32];
	PGresult *r;
	enum err_code rc = session_exec(target, sql, 1, params, timeout_ms, &r, err);

	*text = '\0';
	*pid = 0;
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(r) > 0) {
		const char *app = cell(r, 0, 3), *state = cell(r, 0, 5);
		bool age_known = !PQgetisnull(r, 0, 6);
		*pid = cell_i64(r, 0, 0);
		(void)snprintf(text, cap, "%s is held by pid %lld (%s%s%s from %s%s%s%s%s)", cell(r, 0, 1), (long long)*pid, cell(r, 0, 2), *app ? " with " : "", app, cell(r, 0, 4), *state ? ", " : "", state,
			       age_known ? ", for " : "", age_known ? fmt_secs(age, sizeof age, (double)cell_i64(r, 0, 6)) : "");
	}
	PQclear(r);
	return ERR_OK;
}
