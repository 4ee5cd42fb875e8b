#include "cutover/after.h"

#include <stdlib.h>

#include "base/clock.h"
#include "cutover/hook.h"
#include "watch/talkers.h"

#define LOCK_WAIT "10s" /* a refresh waits for readers, and makes others wait behind it */
#define ASK_MS 5000

static const enum side sides[] = {SIDE_SOURCE, SIDE_TARGET};

/* ---- materialized views ---- */

/* Each after those that it reads, also through ordinary views; without keeping readers out where an index allows that. */
static enum err_code list_views(struct session *s, PGresult **res, struct err *err)
{
	static const char sql[] =
		"WITH RECURSIVE needs AS (SELECT w.ev_class AS view, d.refobjid AS on_view FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass"
		"  AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('v', 'm')),"
		" depth(view, n) AS (SELECT oid, 0 FROM pg_class WHERE relkind IN ('v', 'm') UNION SELECT n.view, d.n + 1 FROM depth d JOIN needs n ON n.on_view = d.view WHERE d.n < 200)"
		" SELECT quote_ident(s.nspname) || '.' || quote_ident(c.relname), EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid"
		"  AND i.indpred IS NULL AND i.indexprs IS NULL) FROM depth d JOIN pg_class c ON c.oid = d.view JOIN pg_namespace s ON s.oid = c.relnamespace"
		" WHERE c.relkind = 'm' AND c.relispopulated AND s.nspname !~ '^pg_' GROUP BY c.oid, s.nspname, c.relname ORDER BY max(d.n), 1";

	return session_exec(s, sql, 0, NULL, 0, res, err);
}

static void is_issue(struct run *r, const char *object, const char *sql, const struct err *why)
{
	struct event *e = event_new(EV_ISSUE, NULL);

	e->verdict = VERDICT_WARN;
	xreplace(&e->title, object);
	xreplace(&e->text, why->msg);
	xreplace(&e->sql, sql);
	xreplace(&e->hint, "run it on the new primary");
	xreplace(&e->why, r->step ? r->step->id : NULL);
	r->attention++;
	run_emit(r, e);
}

static enum err_code refresh_one(struct run *r, struct session *s, const char *name, bool beside, struct err *err)
{
	char *sql = xasprintf("REFRESH MATERIALIZED VIEW %s%s", beside ? "CONCURRENTLY " : "", name);
	struct err why = {0};
	int64_t t0 = clock_mono_us();
	enum err_code rc = session_run(s, sql, &why);
	char took[32];

	if (rc == ERR_OK)
		run_note(r, "refreshed", "%s in %s", name, fmt_secs(took, sizeof took, (double)(clock_mono_us() - t0) / 1e6));
	if (rc == ERR_SQL) {
		is_issue(r, name, sql, &why);
		rc = ERR_OK;
	}
	if (rc != ERR_OK)
		*err = why;
	free(sql);
	return rc;
}

static enum err_code work_refresh(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	PGresult *views = NULL;
	struct err ignored;
	enum err_code rc = run_session(r, *(const enum side *)arg, NULL, &s, err);

	if (rc == ERR_OK)
		rc = list_views(s, &views, err);
	if (rc == ERR_OK)
		rc = session_run(s, "SET lock_timeout = '" LOCK_WAIT "'", err);
	int before = r->attention;
	for (int i = 0; rc == ERR_OK && i < PQntuples(views); i++) {
		struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);
		e->a = i;
		e->b = PQntuples(views);
		xreplace(&e->text, cell(views, i, 0));
		run_emit(r, e);
		rc = refresh_one(r, s, cell(views, i, 0), cell_bool(views, i, 1), err);
	}
	if (rc == ERR_OK)
		run_note(r, "materialized views", "%d refreshed, %d not", PQntuples(views) - (r->attention - before), r->attention - before);
	PQclear(views);
	if (rc == ERR_OK)
		(void)session_run(s, "SET lock_timeout = 0", &ignored);
	return rc;
}

/* ---- who is left ---- */

static enum err_code work_talkers(struct run *r, const void *arg, struct err *err)
{
	enum side old = *(const enum side *)arg == SIDE_TARGET ? SIDE_SOURCE : SIDE_TARGET;
	struct session *s;
	struct err why = {0};
	char who[800];
	int64_t n = 0;
	enum err_code rc = run_session(r, old, NULL, &s, &why);

	(void)err;
	if (rc == ERR_OK)
		rc = talkers_ask(s, ASK_MS, &n, who, sizeof who, &why);
	if (rc == ERR_OK && n > 0)
		run_note(r, "still on the old server", "%lld session%s, which can only read there: %s; pgusher watch shows it until nobody is left", (long long)n, n == 1 ? "" : "s", who);
	else if (rc == ERR_OK)
		run_note(r, "still on the old server", "nobody");
	else
		run_note(r, "still on the old server", "not known: %s", why.msg);
	return ERR_OK;
}

/* ---- plan ---- */

static size_t populated_views(const struct facts *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_tables; i++)
		n += f->tables[i].kind == 'm' && f->tables[i].populated;
	return n;
}

void after_plan(struct plan *p, const struct migration *m, const struct facts *from, enum side to)
{
	size_t views = populated_views(from);
	struct step *st = plan_step(p, "after", "make the new primary whole", "It is in use already; what fails here is said, and nothing is taken back.");

	(void)hook_add(st, m, to == SIDE_TARGET ? HOOK_AFTER_HAND_OVER : HOOK_AFTER_ROLLBACK, to);
	for (size_t i = 0; i < st->n; i++)
		st->actions[i].on_error_note = true;
	if (views > 0 && m->cut.refresh_matviews) {
		char *title = xasprintf("refresh %zu materialized view%s", views, views == 1 ? "" : "s");
		(void)step_work(st, (enum where)to, title, work_refresh, &sides[to],
			"SET lock_timeout = '" LOCK_WAIT "';\nREFRESH MATERIALIZED VIEW <each, after those that it reads>;  -- CONCURRENTLY where a unique index allows it");
		free(title);
	} else if (views > 0) {
		strv_addf(&p->notes, "%zu materialized view%s not refreshed ([cutover] refresh_matviews = no)", views, views == 1 ? " is" : "s are");
	}
	if (m->cut.analyze) {
		struct action *a = step_sql(st, (enum where)to, NULL, "ANALYZE");
		a->may_repeat = a->on_error_note = true;
	}
	(void)step_work(st, (enum where)(to == SIDE_TARGET ? SIDE_SOURCE : SIDE_TARGET), "who still talks to the old server", work_talkers, &sides[to],
		"SELECT client_addr, application_name, usename, count(*) FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1, 2, 3;");
}
