#include "method/keys.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 90 /* of a lock that the apply worker holds */

#define LOCKED_HINT "somebody holds the table on the target for long (pg_locks, pg_stat_activity): end that, then the same again brings the rest back"

/* A key to the table itself hinders no TRUNCATE. What is inherited goes and comes with the parent's; what is of an extension is its own. */
#define WHICH "(k.contype = 'f' AND k.confrelid <> k.conrelid OR k.contype IN ('c', 'n') AND NOT k.convalidated AND k.coninhcount = 0)" \
	" AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'" \
	" AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"

/* One that another one brings along (of a partition, 11 and newer) goes and comes with that one. */
static const char *of_its_own(const struct session *s)
{
	return session_version(s) >= 110000 ? " AND k.conparentid = 0" : "";
}

enum err_code work_keys_aside(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	PGresult *res;
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);

	(void)arg;
	if (rc != ERR_OK)
		return rc;
	char *sql = xasprintf("SELECT format('ALTER TABLE %%I.%%I DROP CONSTRAINT %%I', n.nspname, c.relname, k.conname) FROM pg_constraint k"
			      " JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
			      " WHERE " WHICH "%s ORDER BY 1", of_its_own(s));
	rc = session_exec(s, sql, 0, NULL, 0, &res, err);
	free(sql);
	if (rc != ERR_OK)
		return rc;
	for (int i = 0; i < PQntuples(res) && rc == ERR_OK; i++)
		rc = session_run(s, cell(res, i, 0), err);
	PQclear(res);
	return rc;
}

/* How each is made: at first without a look at the rows, but where a partitioned table does not allow that. */
static char *keys_sql(const struct session *s)
{
	return xasprintf(
		"SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, k.conname, o.nspname, p.relname, format('ALTER TABLE %%I.%%I ADD CONSTRAINT %%I %%s%%s', n.nspname, c.relname,"
		" k.conname, pg_get_constraintdef(k.oid), CASE WHEN k.contype = 'f' AND k.convalidated AND c.relkind = 'r' THEN ' NOT VALID' ELSE '' END)"
		" || coalesce(format('; COMMENT ON CONSTRAINT %%I ON %%I.%%I IS %%L', k.conname, n.nspname, c.relname, obj_description(k.oid, 'pg_constraint')), ''),"
		" CASE WHEN k.contype = 'f' AND k.convalidated AND c.relkind = 'r' THEN format('ALTER TABLE %%I.%%I VALIDATE CONSTRAINT %%I', n.nspname, c.relname, k.conname) END)), '[]')"
		" FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" LEFT JOIN pg_class p ON p.oid = k.confrelid LEFT JOIN pg_namespace o ON o.oid = p.relnamespace WHERE " WHICH "%s", of_its_own(s));
}

/* Those that the target lacks, and those that nobody has looked at yet; where one of the tables is not there, neither can the key be. */
static const char lacking_sql[] =
	"SELECT CASE WHEN h.oid IS NULL THEN w.k ->> 5 END, w.k ->> 6, format('%s.%s %s', w.k ->> 0, w.k ->> 1, w.k ->> 2) FROM json_array_elements($1::json) w(k)"
	" JOIN pg_namespace n ON n.nspname = w.k ->> 0 JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.k ->> 1"
	" LEFT JOIN pg_constraint h ON h.conrelid = c.oid AND h.conname = w.k ->> 2"
	" WHERE (w.k ->> 4 IS NULL OR EXISTS (SELECT 1 FROM pg_namespace o JOIN pg_class p ON p.relnamespace = o.oid WHERE o.nspname = w.k ->> 3 AND p.relname = w.k ->> 4))"
	" AND (h.oid IS NULL OR NOT h.convalidated AND w.k ->> 6 IS NOT NULL) ORDER BY 3";

static bool locked(const struct err *err)
{
	return str_eq(err->sqlstate, "55P03") || str_eq(err->sqlstate, "40P01");
}

/* The apply worker holds locks of its own, and is not to wait for us for long: 55P03 and 40P01 are tried again. */
static enum err_code patiently(struct run *r, struct session *s, const char *statement, struct err *err)
{
	char *sql = xasprintf("BEGIN; SET LOCAL lock_timeout = '" LOCK_BRIEFLY "'; %s; COMMIT", statement);
	enum err_code rc = ERR_OK;

	for (int i = 0; i < TRIES; i++) {
		struct err ignored;
		struct pollfd fd = {.fd = r->cancel->fd, .events = POLLIN};
		rc = session_run(s, sql, err);
		if (rc == ERR_OK || !session_alive(s))
			break;
		(void)session_run(s, "ROLLBACK", &ignored);
		if (!locked(err))
			break;
		(void)err_hint(err, LOCKED_HINT);
		(void)poll(&fd, 1, 200);
		if (cancel_raised(r->cancel))
			break;
	}
	free(sql);
	return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : rc;
}

static void emit_issue(struct run *r, const char *name, const char *sql, const struct err *err)
{
	struct event *e = event_new(EV_ISSUE, NULL);

	e->verdict = VERDICT_WARN;
	event_text(&e->title, "CONSTRAINT %s", name);
	xreplace(&e->text, err->msg);
	xreplace(&e->sql, sql);
	xreplace(&e->hint, "rows of the source violate it, or a table has changed: put that right, then run the statement again");
	xreplace(&e->why, r->step ? r->step->id : NULL);
	r->attention++;
	run_emit(r, e);
}

/* Both statements of one key; what the server refuses is said, and the others go on. A lock is another matter: it can be had later. */
static enum err_code bring_back(struct run *r, struct session *s, const PGresult *res, int i, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (int k = 0; k < 2 && rc == ERR_OK; k++) {
		if (PQgetisnull(res, i, k))
			continue;
		struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);
		e->a = i;
		e->b = PQntuples(res);
		event_text(&e->text, "%s %s", k ? "looking whether all rows fit" : "adding", cell(res, i, 2));
		run_emit(r, e);
		rc = patiently(r, s, cell(res, i, k), err);
		if (rc != ERR_SQL || locked(err))
			continue;
		emit_issue(r, cell(res, i, 2), cell(res, i, k), err);
		return ERR_OK;
	}
	return rc;
}

/* *out: statement to add it (NULL: it is there), to validate it (NULL: need not be), name; to be cleared also after an error. */
static enum err_code lacking(struct run *r, struct session **dst, PGresult **out, struct err *err)
{
	struct session *src;
	char *all = NULL;
	enum err_code rc = run_session(r, SIDE_SOURCE, NULL, &src, err);

	*out = NULL;
	if (rc == ERR_OK) {
		char *sql = keys_sql(src);
		rc = session_value(src, sql, &all, err);
		free(sql);
	}
	if (rc == ERR_OK)
		rc = run_session(r, SIDE_TARGET, NULL, dst, err);
	const char *params[] = {all};
	if (rc == ERR_OK)
		rc = session_exec(*dst, lacking_sql, 1, params, 0, out, err);
	free(all);
	return rc;
}

enum err_code keys_absent(struct run *r, struct str *names, struct str *unproven, struct err *err)
{
	struct session *dst;
	PGresult *res = NULL;
	enum err_code rc = lacking(r, &dst, &res, err);

	for (int i = 0; rc == ERR_OK && i < PQntuples(res); i++) {
		struct str *to = PQgetisnull(res, i, 0) ? unproven : names;
		str_addf(to, "%s%s", to->len ? ", " : "", cell(res, i, 2));
	}
	PQclear(res);
	return rc;
}

enum err_code work_keys_back(struct run *r, const void *arg, struct err *err)
{
	struct session *dst = NULL;
	PGresult *res = NULL;

	(void)arg;
	if (r->handed)
		return ERR_OK;
	enum err_code rc = lacking(r, &dst, &res, err);
	for (int i = 0; rc == ERR_OK && i < PQntuples(res); i++)
		rc = bring_back(r, dst, res, i, err);
	PQclear(res);
	return rc;
}
