#include "cutover/smoke.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "host/password.h"

#define ASK_MS 5000
#define TRIES_MS 15000 /* a balancer looks at its servers every few seconds */
#define PAUSE_MS 250

static const enum side sides[] = {SIDE_SOURCE, SIDE_TARGET};

/* A statement that writes no row is refused where writing is, and asks for the right to write. */
#define WRITABLE                                                                                                             \
	"SELECT format('INSERT INTO %I.%I (%I) SELECT %I FROM %I.%I WHERE false', n.nspname, c.relname, a.attname, a.attname, n.nspname, c.relname)" \
	" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped" \
	" AND a.attidentity = '' WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT c.relhastriggers" \
	" AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'SELECT')"        \
	" AND (SELECT count(*) FROM information_schema.columns i WHERE i.table_schema = n.nspname AND i.table_name = c.relname AND i.column_name = a.attname" \
	"  AND i.is_generated = 'NEVER') = 1 ORDER BY c.relpages, 1 LIMIT 1"

static enum err_code open_app(struct run *r, struct session **s, struct err *err)
{
	struct session_options opt = {.application_name = r->app, .raw = true, .timeout_ms = ASK_MS};
	struct endpoint app;

	migration_app(r->m, &app);
	enum err_code rc = password_ask(&app, SIDE_TARGET, r->cancel, err);
	if (rc == ERR_OK)
		rc = session_open(s, &app, &opt, r->cancel, err);
	if (rc != ERR_OK) {
		char *label = endpoint_label(&app);
		(void)err_prefix(err, "as %s through %s", app.user ? app.user : "the default role", label);
		free(label);
	}
	endpoint_fini(&app);
	return rc;
}

enum err_code smoke_before(struct run *r, bool *answers, struct err *err)
{
	struct session *s = NULL;
	enum err_code rc = open_app(r, &s, err);

	session_close(s);
	*answers = rc != ERR_CONNECT && rc != ERR_TIMEOUT && rc != ERR_LOST;
	if (rc != ERR_OK && *answers)
		(void)err_hint(err, "the application could not log in after the cutover: see [cutover] app_user and app_passfile, and pg_hba.conf and the role on the target");
	return rc;
}

/* Seen through the application's address, the lock that we hold on the new primary says that it leads there. */
static enum err_code leads_there(struct session *app, int64_t key, bool *there, struct err *err)
{
	char high[24], low[24];
	const char *params[] = {high, low};
	PGresult *res;

	(void)snprintf(high, sizeof high, "%lld", (long long)(key >> 32));
	(void)snprintf(low, sizeof low, "%lld", (long long)(key & 0xffffffff));
	enum err_code rc = session_exec(app, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND classid = $1::oid AND objid = $2::oid",
					2, params, ASK_MS, &res, err);
	if (rc == ERR_OK) {
		*there = cell_bool(res, 0, 0);
		PQclear(res);
	}
	return rc;
}

static enum err_code hold_key(struct run *r, enum side to, struct session **s, int64_t *key, struct err *err)
{
	*key = (clock_wall_us() ^ (INT64_C(0x5047) << 46)) & INT64_MAX;
	char *sql = xasprintf("SELECT pg_advisory_lock(%lld)", (long long)*key);
	struct session_options opt = {.application_name = r->app, .read_write = true};
	enum err_code rc = session_open(s, &r->m->end[to], &opt, r->cancel, err);

	if (rc == ERR_OK)
		rc = session_run(*s, sql, err);
	free(sql);
	return rc;
}

/* Until it leads to the new primary, or for as long as a balancer may take. */
static enum err_code find_way(struct run *r, int64_t key, struct session **app, struct err *err)
{
	int64_t end = clock_deadline(TRIES_MS);

	for (;;) {
		bool there = false;
		enum err_code rc = open_app(r, app, err);
		if (rc == ERR_OK)
			rc = leads_there(*app, key, &there, err);
		if (rc == ERR_OK && there)
			return ERR_OK;
		session_close(*app);
		*app = NULL;
		if (rc == ERR_OK)
			err_set(err, ERR_DIFFERS, "the application's address leads to another server than the new primary");
		if (rc == ERR_AUTH || cancel_raised(r->cancel) || clock_mono_us() > end)
			return err->code;
		struct pollfd fd = {.fd = r->cancel->fd, .events = POLLIN};
		(void)poll(&fd, 1, PAUSE_MS);
	}
}

static enum err_code try_to_write(struct session *app, char **how, struct err *err)
{
	char *ro = NULL, *sql = NULL;
	enum err_code rc = session_value(app, "SELECT current_setting('transaction_read_only')", &ro, err);

	if (rc == ERR_OK && str_eq(ro, "on"))
		rc = err_set(err, ERR_DIFFERS, "it may only read there (transaction_read_only is on)");
	if (rc == ERR_OK)
		rc = session_value(app, WRITABLE, &sql, err);
	if (rc == ERR_OK && sql)
		rc = session_run(app, sql, err);
	if (rc == ERR_OK)
		*how = sql ? xasprintf("and may write: %s", sql) : xstrdup("but has no table to write to that this could be tried with");
	free(ro);
	free(sql);
	return rc;
}

static enum err_code ask(struct run *r, struct session *app, char **how, struct err *err)
{
	const char *smoke = r->m->cut.smoke;
	struct err ignored;
	enum err_code rc = session_run(app, "BEGIN", err);

	if (rc == ERR_OK)
		rc = session_exec(app, smoke ? smoke : "SELECT 1", 0, NULL, ASK_MS, NULL, err);
	if (rc == ERR_OK && PQtransactionStatus(session_conn(app)) != PQTRANS_INTRANS)
		rc = err_set(err, ERR_USAGE, "[cutover] smoke ended its transaction by itself: what it wrote stays");
	if (rc == ERR_OK && !smoke)
		rc = try_to_write(app, how, err);
	(void)session_run(app, "ROLLBACK", &ignored);
	return rc;
}

static void is_issue(struct run *r, const struct err *err)
{
	struct event *e = event_new(EV_ISSUE, NULL);

	e->verdict = VERDICT_WARN;
	xreplace(&e->title, "smoke query");
	xreplace(&e->text, err->msg);
	event_text(&e->hint, "%s%sthe new primary is in use, nothing was taken back: put it right, or go back with pgusher rollback", err->hint, err->hint[0] ? "; " : "");
	xreplace(&e->why, r->step ? r->step->id : NULL);
	r->attention++;
	run_emit(r, e);
}

static enum err_code work_smoke(struct run *r, const void *arg, struct err *err)
{
	enum side to = *(const enum side *)arg;
	struct session *key_holder = NULL, *app = NULL;
	struct err why = {0};
	char *how = NULL;
	int64_t key, t0 = clock_mono_us();
	enum err_code rc = hold_key(r, to, &key_holder, &key, &why);

	if (rc == ERR_OK)
		rc = find_way(r, key, &app, &why);
	if (rc == ERR_OK)
		rc = ask(r, app, &how, &why);
	session_close(app);
	session_close(key_holder);
	if (rc == ERR_CANCELLED)
		return (*err = why).code;
	if (rc != ERR_OK)
		is_issue(r, &why);
	else
		run_note(r, "smoke query", "the application's role reaches the new primary through its address, reads%s%s (%lld ms)", how ? " " : "; [cutover] smoke ran, and was rolled back",
			 how ? how : "", (long long)(clock_mono_us() - t0) / 1000);
	free(how);
	return ERR_OK;
}

void smoke_plan(struct plan *p, const struct migration *m, enum side to)
{
	struct endpoint app;

	if (str_empty(m->cut.app.host))
		return;
	migration_app(m, &app);
	char *label = endpoint_label(&app), *title = xasprintf("as %s through %s", app.user ? app.user : "the default role", label);
	char *sql = xasprintf("-- an advisory lock held on the new primary must be seen through this address\nBEGIN;\n%s;\n%sROLLBACK;", m->cut.smoke ? m->cut.smoke : "SELECT 1",
			      m->cut.smoke ? "" : "INSERT INTO <a table it may write to> ... WHERE false;\n");
	struct step *st = plan_step(p, "smoke", "ask as the application", "Whoever is pointed to the address now must reach the new primary, and may write there.");
	(void)step_work(st, HERE, title, work_smoke, &sides[to], sql);
	free(sql);
	free(title);
	free(label);
	endpoint_fini(&app);
}
