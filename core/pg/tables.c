#include "pg/tables.h"

#include <stdlib.h>

#include "base/str.h"
#include "pg/session.h"

#define SOURCE_MS 30000
#define TARGET_MS 5000 /* it is asked again */

/* The main files alone, as the facts of the preflight. */
#define SIZE(t) "pg_relation_size(" t ".oid) + CASE WHEN " t ".reltoastrelid <> 0 THEN pg_relation_size(" t ".reltoastrelid) ELSE 0 END"

static enum err_code list(struct session *s, const char *sql, const char *param, int64_t ms, char **text, struct err *err)
{
	const char *params[] = {param};
	struct str out = {0};
	PGresult *r;
	enum err_code rc = session_exec(s, sql, param ? 1 : 0, params, ms, &r, err);

	*text = NULL;
	if (rc != ERR_OK)
		return rc;
	for (int i = 0; i < PQntuples(r); i++) {
		for (int k = 0; k < PQnfields(r); k++) {
			str_add(&out, cell(r, i, k));
			str_add(&out, TABLES_FIELD);
		}
		str_add(&out, TABLES_ROW);
	}
	PQclear(r);
	*text = str_take(&out);
	if (!*text)
		*text = xstrdup("");
	return ERR_OK;
}

enum err_code tables_of_source(struct session *s, char **text, struct err *err)
{
	static const char sql[] =
		"WITH RECURSIVE t AS (SELECT c.oid AS root, c.oid, c.reltoastrelid, c.reltuples, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		"  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
		"  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
		" UNION ALL SELECT t.root, c.oid, c.reltoastrelid, c.reltuples, c.relkind FROM t JOIN pg_inherits i ON i.inhparent = t.oid JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition)"
		" SELECT n.nspname, c.relname, s.bytes, s.rows FROM (SELECT t.root, sum(" SIZE("t") ")::bigint AS bytes, CASE WHEN min(t.reltuples) FILTER (WHERE t.relkind = 'r') < 0 THEN -1"
		"  ELSE coalesce(sum(t.reltuples) FILTER (WHERE t.relkind = 'r'), 0)::bigint END AS rows FROM t GROUP BY t.root) s"
		" JOIN pg_class c ON c.oid = s.root JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY n.nspname, c.relname";

	return list(s, sql, NULL, SOURCE_MS, text, err);
}

enum err_code tables_of_subscription(struct session *s, const char *subscription, char **text, struct err *err)
{
	bool progress = session_version(s) >= 140000;
	char *sql = xasprintf(
		"SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), CASE r.srsubstate WHEN 'i' THEN 'waits' WHEN 'd' THEN 'copying' WHEN 'r' THEN 'ready' ELSE 'catching up' END,"
		" %s, %s, " SIZE("c") " AS bytes"
		" FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace%s"
		" WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
		" ORDER BY r.srsubstate = 'r', bytes DESC, n.nspname, c.relname",
		progress ? "coalesce(p.tuples_processed, pg_stat_get_live_tuples(c.oid))" : "pg_stat_get_live_tuples(c.oid)", progress ? "coalesce(p.bytes_processed, -1)" : "-1",
		progress ? " LEFT JOIN pg_stat_progress_copy p ON p.relid = c.oid AND p.datname = current_database() AND r.srsubstate = 'd'" : "");

	enum err_code rc = list(s, sql, subscription, TARGET_MS, text, err);
	free(sql);
	return rc;
}
