#include "pg/blockers.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "event.h"
#include "pg/session.h"

#define ASK_MS 5000

/* A session that sleeps in its transaction has nothing to cancel; a prepared transaction has no session: only its name ends it. */
static const char sql[] =
	"SELECT b.pid, coalesce(extract(epoch FROM now() - coalesce(a.xact_start, p.prepared))::bigint, 0),"
	" CASE WHEN b.pid > 0 THEN format('pid %s (%s in %s%s)', b.pid, a.usename, a.datname, CASE WHEN a.application_name <> '' THEN ', ' || a.application_name ELSE '' END)"
	"  ELSE format('the prepared transaction %L in %s', p.gid, p.database) END,"
	" CASE WHEN b.pid > 0 THEN coalesce(a.state, '') ELSE 'prepared' END, left(regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 200),"
	" CASE WHEN b.pid = 0 THEN format('ROLLBACK PREPARED %L, or COMMIT PREPARED (in the database %I)', p.gid, p.database)"
	"  WHEN a.state LIKE 'idle%' THEN format('SELECT pg_terminate_backend(%s)', b.pid)"
	"  ELSE format('SELECT pg_cancel_backend(%s)', b.pid) END"
	" FROM (SELECT DISTINCT unnest(pg_blocking_pids($1::int)) AS pid) b LEFT JOIN pg_stat_activity a ON b.pid > 0 AND a.pid = b.pid"
	" LEFT JOIN pg_locks l ON b.pid = 0 AND l.pid = $1::int AND NOT l.granted AND l.locktype = 'transactionid'"
	" LEFT JOIN pg_prepared_xacts p ON p.transaction = l.transactionid"
	" WHERE a.pid IS NOT NULL OR p.gid IS NOT NULL ORDER BY a.xact_start";

bool blocker_may_cancel(const struct blocker *b)
{
	return b->pid > 0 && !str_starts(b->state, "idle");
}

bool blocker_may_terminate(const struct blocker *b)
{
	return b->pid > 0;
}

static void keep(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%.*s", (int)size - 1, text ? text : "");
}

enum err_code blockers_ask(struct session *s, int pid, struct blocker out[BLOCKERS_MAX], size_t *n, struct err *err)
{
	char text[16];
	const char *params[] = {text};
	PGresult *r;

	*n = 0;
	(void)snprintf(text, sizeof text, "%d", pid);
	enum err_code rc = session_exec(s, sql, 1, params, ASK_MS, &r, err);
	if (rc != ERR_OK)
		return rc;
	for (int i = 0; i < PQntuples(r) && *n < BLOCKERS_MAX; i++) {
		struct blocker *b = &out[(*n)++];
		*b = (struct blocker){.pid = cell_i64(r, i, 0), .seconds = cell_i64(r, i, 1)};
		keep(b->who, sizeof b->who, cell(r, i, 2));
		keep(b->state, sizeof b->state, cell(r, i, 3));
		keep(b->what, sizeof b->what, cell(r, i, 4));
		keep(b->end, sizeof b->end, cell(r, i, 5));
	}
	PQclear(r);
	return ERR_OK;
}

enum err_code blockers_tell(struct session *s, int pid, int64_t blocker, bool terminate, bool *told, struct err *err)
{
	char a[24], b[16];
	const char *params[] = {a, b};
	PGresult *r;

	*told = false;
	(void)snprintf(a, sizeof a, "%lld", (long long)blocker);
	(void)snprintf(b, sizeof b, "%d", pid);
	enum err_code rc = session_exec(s, terminate ? "SELECT pg_terminate_backend($1::int) WHERE $1::int = ANY (pg_blocking_pids($2::int))"
					: "SELECT pg_cancel_backend($1::int) WHERE $1::int = ANY (pg_blocking_pids($2::int))", 2, params, ASK_MS, &r, err);
	if (rc != ERR_OK)
		return rc;
	*told = PQntuples(r) > 0 && cell_bool(r, 0, 0);
	PQclear(r);
	return ERR_OK;
}

/* ---- for screens ---- */

char *blockers_text(const struct blocker *b, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();
		(void)json_object_set_new(o, "pid", json_integer(b[i].pid));
		(void)json_object_set_new(o, "seconds", json_integer(b[i].seconds));
		(void)json_object_set_new(o, "who", event_string(b[i].who));
		(void)json_object_set_new(o, "state", event_string(b[i].state));
		(void)json_object_set_new(o, "what", event_string(b[i].what));
		(void)json_object_set_new(o, "end", event_string(b[i].end));
		(void)json_array_append_new(list, o);
	}
	char *text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

size_t blockers_from_text(struct blocker out[BLOCKERS_MAX], const char *text)
{
	json_t *list = text ? json_loads(text, 0, NULL) : NULL;
	size_t n = 0;

	for (; n < BLOCKERS_MAX && n < json_array_size(list); n++) {
		const json_t *o = json_array_get(list, n);
		struct blocker *b = &out[n];
		*b = (struct blocker){.pid = json_integer_value(json_object_get(o, "pid")), .seconds = json_integer_value(json_object_get(o, "seconds"))};
		keep(b->who, sizeof b->who, json_string_value(json_object_get(o, "who")));
		keep(b->state, sizeof b->state, json_string_value(json_object_get(o, "state")));
		keep(b->what, sizeof b->what, json_string_value(json_object_get(o, "what")));
		keep(b->end, sizeof b->end, json_string_value(json_object_get(o, "end")));
	}
	json_decref(list);
	return n;
}
