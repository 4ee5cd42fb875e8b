#include "watch/talkers.h"

#include <stdio.h>

enum err_code talkers_ask(struct session *s, int64_t timeout_ms, int64_t *n, char *out, size_t cap, struct err *err)
{
	static const char sql[] =
		"SELECT count(*), coalesce(usename, '?'), coalesce(application_name, ''), coalesce(host(client_addr), 'the server itself'),"
		" min(extract(epoch FROM clock_timestamp() - state_change))::bigint FROM pg_stat_activity WHERE datname = current_database()"
		" AND pid <> pg_backend_pid() AND (backend_type = 'client backend' OR backend_type IS NULL) AND coalesce(application_name, '') NOT LIKE 'pgusher%'"
		" GROUP BY 2, 3, 4 ORDER BY 1 DESC, 2, 3, 4";
	struct str list = {0};
	char age[32];
	PGresult *r;
	enum err_code rc = session_exec(s, sql, 0, NULL, timeout_ms, &r, err);

	if (rc != ERR_OK)
		return rc;
	*n = 0;
	for (int i = 0; i < PQntuples(r); i++) {
		const char *app = cell(r, i, 2);
		*n += cell_i64(r, i, 0);
		str_addf(&list, "%s%s of %s%s%s%s from %s", i ? "; " : "", cell(r, i, 0), cell(r, i, 1), *app ? " (" : "", app, *app ? ")" : "", cell(r, i, 3));
		if (!PQgetisnull(r, i, 4))
			str_addf(&list, ", last active %s ago", fmt_secs(age, sizeof age, (double)cell_i64(r, i, 4)));
	}
	PQclear(r);
	(void)snprintf(out, cap, "%s", str_text(&list));
	str_fini(&list);
	return ERR_OK;
}

enum err_code writers_ask(struct session *s, int64_t timeout_ms, char *out, size_t cap, struct err *err)
{
	static const char sql[] =
		"SELECT string_agg(format('pid %s of %s%s from %s, since %s s', pid, coalesce(usename, '?'), coalesce(' (' || nullif(application_name, '') || ')', ''),"
		" coalesce(host(client_addr), 'the server itself'), extract(epoch FROM clock_timestamp() - xact_start)::bigint), '; ' ORDER BY xact_start)"
		" FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL AND backend_type = 'client backend'"
		" AND coalesce(application_name, '') NOT LIKE 'pgusher%'";
	PGresult *r;
	enum err_code rc = session_exec(s, sql, 0, NULL, timeout_ms, &r, err);

	if (rc != ERR_OK)
		return rc;
	(void)snprintf(out, cap, "%.*s", (int)cap - 1, cell(r, 0, 0));
	PQclear(r);
	return ERR_OK;
}
