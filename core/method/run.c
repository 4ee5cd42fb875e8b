#include "method/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "host/place.h"
#include "method/gauge.h"
#include "method/patient.h"
#include "method/rows.h"

#define LOCK_TRIES 40 /* new beginnings because of locks */
#define SWEEP_MS 4000

void run_emit(struct run *r, struct event *e)
{
	struct err err;

	if (r->emit(r->arg, e, &err) != ERR_OK && !r->undoing)
		cancel_raise(r->cancel); /* a fact that cannot be written down must not be followed by another */
}

void run_note(struct run *r, const char *title, const char *fmt, ...)
{
	struct event *e = event_new(EV_NOTE, NULL);
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	xreplace(&e->title, title);
	xreplace(&e->text, buf);
	run_emit(r, e);
}

void run_keep(struct run *r, bool (*product)(const char *left_id))
{
	const struct model *const both[] = {r->seen, r->live};

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; both[k] && i < both[k]->left.n; i++) {
			const struct model_item *it = &both[k]->left.v[i];
			if (!it->removed && product(it->last->id))
				run_emit(r, event_new(EV_REMOVED, it->last->id));
		}
}

void run_log(struct run *r, const char *tool, const char *text)
{
	struct event *e = event_new(EV_LOG, NULL);

	xreplace(&e->title, tool);
	xreplace(&e->text, text);
	run_emit(r, e);
}

enum err_code run_session(struct run *r, enum side side, const char *dbname, struct session **out, struct err *err)
{
	const struct endpoint *ep = &r->m->end[side];
	const char *db = dbname ? dbname : ep->dbname;
	struct session_options opt = {.dbname = db, .application_name = r->app, .read_write = side == SIDE_TARGET};

	if (r->control[side] && (!session_alive(r->control[side]) || !str_eq(r->control_db[side], db))) {
		session_close(r->control[side]);
		r->control[side] = NULL;
	}
	if (!r->control[side]) {
		enum err_code rc = patient_open(r, side, ep, &opt, &r->control[side], err);
		if (rc != ERR_OK) {
			(void)err_prefix(err, "%s", side_name(side));
			return rc;
		}
		xreplace(&r->control_db[side], db);
	}
	*out = r->control[side];
	return ERR_OK;
}

enum err_code run_glance(struct run *r, enum side side, struct session **out, struct err *err)
{
	bool before = r->glancing;

	r->glancing = true;
	enum err_code rc = run_session(r, side, NULL, out, err);
	r->glancing = before;
	return rc;
}

const char *run_password(struct run *r, enum where where)
{
	struct session *s;
	struct err err;

	if (where == HERE)
		return NULL;
	if (r->control[where] && session_alive(r->control[where]))
		return session_password(r->control[where]);
	/* any database will do: the password is libpq's, wherever it found it */
	if (run_session(r, (enum side)where, NULL, &s, &err) != ERR_OK &&
	    run_session(r, (enum side)where, r->m->end[where].maintenance_db, &s, &err) != ERR_OK)
		return NULL;
	return session_password(s);
}

static bool tolerated(const struct action *a, const struct err *err)
{
	return a->tolerate && err->sqlstate[0] && strstr(a->tolerate, err->sqlstate) != NULL;
}

static enum err_code sql_once(struct run *r, const struct action *a, int64_t *rows, struct err *err)
{
	struct session *s;
	PGresult *res = NULL;
	enum err_code rc = run_session(r, (enum side)a->where, a->dbname, &s, err);

	if (rc != ERR_OK)
		return rc;
	char *sql = plan_fill(r->plan, a->sql, r->snapshot_name);
	rc = session_exec(s, sql, 0, NULL, 0, &res, err);
	explicit_bzero(sql, strlen(sql));
	free(sql);
	if (rc == ERR_OK && res) {
		const char *n = PQcmdTuples(res);
		*rows = *n ? atoll(n) : -1;
	}
	PQclear(res);
	return rc;
}

static enum err_code do_sql(struct run *r, const struct action *a, int64_t *rows, struct err *err)
{
	enum err_code rc = sql_once(r, a, rows, err);

	return rc == ERR_LOST && a->may_repeat && !cancel_raised(r->cancel) ? sql_once(r, a, rows, err) : rc;
}

static void fill_words(const struct run *r, const struct strv *from, struct strv *to)
{
	static const struct plan no_secrets; /* everybody can read an argument list */
	bool one = r->one_dumper && from->n > 0 && strstr(from->v[0], "pg_dump");

	for (size_t i = 0; i < from->n; i++)
		strv_take(to, plan_fill(&no_secrets, one && str_starts(from->v[i], "--jobs=") ? "--jobs=1" : from->v[i], r->snapshot_name));
}

static void add_env(const struct run *r, const struct strv *from, struct strv *to)
{
	strv_copy(to, from);
	strv_addf(to, "PGAPPNAME=%s", r->app);
	strv_add(to, "PGCONNECT_TIMEOUT=15");
	strv_add(to, "LC_MESSAGES=C"); /* their words are read by toollog */
	strv_add(to, "PGCLIENTENCODING=UTF8");
}

static enum err_code do_command(struct run *r, const struct action *a, struct err *err)
{
	struct strv argv[2] = {{0}, {0}}, env[2] = {{0}, {0}};
	int n = a->pipe_to.n ? 2 : 1;

	const enum where logins[] = {a->login, a->pipe_login};
	const struct strv *const words[] = {&a->argv, &a->pipe_to}, *const more[] = {&a->env, &a->pipe_env};
	struct process_spec spec[2] = {{0}, {0}};
	char *lines[2] = {NULL, NULL};
	for (int i = 0; i < n; i++)
		if (logins[i] != HERE && patient_reach(r, (enum side)logins[i], err) != ERR_OK)
			return err->code;
	for (int i = 0; i < n; i++) {
		struct strv filled = {0};
		const char *password = run_password(r, logins[i]);
		fill_words(r, words[i], &filled);
		add_env(r, more[i], &env[i]);
		spec[i].argv = &argv[i];
		if (a->prefix.n) {
			place_words(&argv[i], &a->prefix, &env[i], &filled, password != NULL);
			spec[i].input = lines[i] = password ? xasprintf("%s\n", password) : NULL;
		} else {
			strv_copy(&argv[i], &filled);
			spec[i].env = &env[i];
			spec[i].password = password;
		}
		strv_fini(&filled);
	}
	gauge_begin(&r->gauge, r, a);
	struct process_hooks hooks = {.line = gauge_line, .tick = gauge_tick, .arg = r->gauge, .output = a->keep_output ? gauge_keep : NULL};
	if (a->keep_output)
		str_clear(&r->kept);
	struct process_result res = {0};
	enum err_code rc = process_run(spec, n, &hooks, 0, r->cancel, &res, err);
	rc = gauge_end(r->gauge, rc, &res, err);
	process_result_fini(&res);
	for (int i = 0; i < 2; i++) {
		strv_fini(&argv[i]);
		strv_fini(&env[i]);
		if (lines[i])
			explicit_bzero(lines[i], strlen(lines[i]));
		free(lines[i]);
	}
	return rc;
}

static enum err_code do_action(struct run *r, const struct step *s, size_t i, int64_t *rows, struct err *err)
{
	const struct action *a = &s->actions[i];
	char id[96];

	switch (a->kind) {
	case ACT_SQL:
		return do_sql(r, a, rows, err);
	case ACT_COMMAND:
		return do_command(r, a, err);
	case ACT_WORK:
		return a->work(r, a->arg, err);
	case ACT_HOLD:
		(void)snprintf(id, sizeof id, "%s/%zu", s->id, i + 1);
		return r->hold(r->arg, id, a, err);
	}
	return ERR_OK;
}

static struct event *action_event(const struct step *s, size_t i, enum state st)
{
	const struct action *a = &s->actions[i];
	struct event *e = event_new(EV_ACTION, NULL);

	event_text(&e->id, "%s/%zu", s->id, i + 1);
	e->state = st;
	e->n = -1;
	xreplace(&e->title, a->title);
	xreplace(&e->text, where_name(a->where));
	e->sql = action_show(a);
	return e;
}

static void emit_left(struct run *r, const struct action *a)
{
	if (!a->left_name)
		return;
	struct event *e = event_new(EV_LEFT, a->left_name);
	xreplace(&e->title, a->left_what);
	xreplace(&e->text, where_name(a->where));
	xreplace(&e->sql, a->left_undo);
	if (a->where == ON_TARGET && r->facts[SIDE_TARGET]) /* a database of that name may be on another server, too */
		xreplace(&e->needed, r->facts[SIDE_TARGET]->system_identifier);
	run_emit(r, e);
}

static void emit_issue(struct run *r, const struct action *a, const struct err *err)
{
	struct event *e = event_new(EV_ISSUE, NULL);

	e->verdict = VERDICT_WARN;
	xreplace(&e->title, a->title ? a->title : where_name(a->where));
	xreplace(&e->text, err->msg);
	xreplace(&e->hint, err->hint);
	xreplace(&e->sql, a->sql);
	xreplace(&e->why, r->step ? r->step->id : NULL);
	r->attention++;
	run_emit(r, e);
}

static enum err_code run_action(struct run *r, const struct step *s, size_t i, struct err *err)
{
	const struct action *a = &s->actions[i];
	int64_t rows = -1, t0 = clock_mono_us();
	struct event *e = action_event(s, i, ST_RUNNING);

	emit_left(r, a);
	enum err_code rc = r->emit(r->arg, e, err);
	if (rc != ERR_OK)
		return rc;
	rc = do_action(r, s, i, &rows, err);
	if (r->judge)
		rc = r->judge(r, rc, err);
	for (int side = 0; side < 2 && rc != ERR_OK && rc != ERR_CANCELLED && rc != ERR_DIFFERS && rc != ERR_BLOCKED; side++)
		if (r->facts[side])
			rc = r->blame(r->arg, (enum side)side, err);
	e = action_event(s, i, rc == ERR_OK ? ST_DONE : rc == ERR_CANCELLED ? ST_CANCELLED : ST_FAILED);
	e->ms = (clock_mono_us() - t0) / 1000;
	e->n = rows;
	if (rc != ERR_OK)
		event_text(&e->hint, "%s", err->msg);
	/* what the server refused to make, because it is there or for any other reason, is not ours to remove */
	bool is_so = rc == ERR_OK || (rc == ERR_SQL && tolerated(a, err)), refused = rc == ERR_SQL && a->kind == ACT_SQL && a->left_name && !a->removes;
	if (rc == ERR_SQL && tolerated(a, err)) {
		e->state = ST_SKIPPED;
		rc = ERR_OK;
	} else if (a->on_error_note && (rc == ERR_SQL || rc == ERR_CHILD || rc == ERR_TIMEOUT || rc == ERR_IO)) {
		emit_issue(r, a, err);
		rc = ERR_OK;
	}
	struct err ignored;
	(void)r->emit(r->arg, e, &ignored);
	if (refused)
		run_emit(r, event_new(EV_REMOVED, a->left_name));
	if (is_so && a->removes)
		run_emit(r, event_new(EV_REMOVED, a->removes));
	return rc;
}

static void emit_step(struct run *r, const struct step *s, enum state st, int64_t t0, const char *text, const char *hint)
{
	struct event *e = event_new(EV_STEP, s->id);

	e->state = st;
	e->ms = t0 ? (clock_mono_us() - t0) / 1000 : 0;
	xreplace(&e->title, s->title);
	xreplace(&e->text, text);
	xreplace(&e->hint, hint);
	run_emit(r, e);
}

static enum err_code run_step(struct run *r, const struct step *s, struct err *err)
{
	int64_t t0 = clock_mono_us();
	int before = r->attention;
	enum err_code rc = ERR_OK;

	r->step = s;
	emit_step(r, s, ST_RUNNING, 0, NULL, NULL);
	struct err first = {0};
	for (size_t i = 0; i < s->n && rc == ERR_OK; i++) {
		rc = cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : run_action(r, s, i, err);
		if (rc == ERR_OK || rc == ERR_CANCELLED || !s->try_all || s->actions[i].first || s->actions[i].kind == ACT_HOLD)
			continue;
		first = first.code ? first : *err;
		rc = ERR_OK;
	}
	if (rc == ERR_OK && first.code)
		rc = (*err = first).code;
	char text[128] = "";
	if (rc == ERR_OK && r->attention > before)
		(void)snprintf(text, sizeof text, "%d remark%s to look at", r->attention - before, r->attention - before == 1 ? "" : "s");
	emit_step(r, s, rc == ERR_OK ? ST_DONE : rc == ERR_CANCELLED ? ST_CANCELLED : ST_FAILED, t0,
		  rc == ERR_OK ? text : err->msg, rc == ERR_OK ? NULL : err->hint);
	return rc;
}

static bool done_before(const struct run *r, const struct step *s)
{
	const struct model_item *it = r->seen && s->trust_journal ? model_find(&r->seen->steps, s->id) : NULL;

	return it && it->last && it->last->kind == EV_STEP && (it->last->state == ST_DONE || it->last->state == ST_SKIPPED);
}

/* A scope starts again at its head unless everything in it that the journal can vouch for is done. */
static bool scope_done(const struct run *r, const char *scope)
{
	bool any = false;

	for (size_t i = 0; i < r->plan->n; i++) {
		const struct step *s = &r->plan->steps[i];
		if (!s->scope || strcmp(s->scope, scope) != 0 || !s->trust_journal || s->skip)
			continue;
		if (!done_before(r, s))
			return false;
		any = true;
	}
	return any;
}

static const char *why_skip(const struct run *r, const struct step *s)
{
	if (s->skip)
		return s->skip;
	if (s->scope ? scope_done(r, s->scope) : done_before(r, s))
		return "done before the interruption";
	return s->n == 0 ? "nothing to do" : NULL;
}

/*
 * Somebody's TRUNCATE or ALTER TABLE came between two locks of ours: it waits for the first, the second waits for it. Only letting go
 * of all of them helps; a table that was rewritten cannot be read in the old snapshot either.
 */
static bool lock_lost(const struct run *r, const struct step *s, enum err_code rc, const struct err *err)
{
	bool timed_out = strcmp(err->sqlstate, "57014") == 0 || strcmp(err->sqlstate, "55P03") == 0; /* of our own sessions; pg_dump has only words for it */

	return rc != ERR_OK && s->scope && !cancel_raised(r->cancel) &&
	       (timed_out || strstr(err->msg, "statement timeout") || strstr(err->msg, "lock timeout") || strstr(err->msg, "could not obtain lock"));
}

static void let_go(struct run *r)
{
	struct err ignored;

	if (r->job) {
		verify_stop(r->job);
		(void)verify_finish(r->job, &ignored);
		r->job = NULL;
	}
	rows_release(r);
	session_close(r->snapshot);
	r->snapshot = NULL;
	xreplace(&r->snapshot_name, NULL);
	verify_free(r->verify);
	r->verify = NULL;
}

/* The first step of the scope. */
static size_t head_of(const struct plan *p, size_t i)
{
	while (i > 0 && p->steps[i - 1].scope && strcmp(p->steps[i - 1].scope, p->steps[i].scope) == 0)
		i--;
	return i;
}

enum err_code run_plan(struct run *r, struct err *err)
{
	enum err_code rc = ERR_OK;
	int again = 0, attention = r->attention;

	for (size_t i = 0; i < r->plan->n && rc == ERR_OK; i++) {
		const struct step *s = &r->plan->steps[i];
		const char *skip = why_skip(r, s);
		if (skip)
			emit_step(r, s, ST_SKIPPED, 0, skip, NULL);
		else
			rc = run_step(r, s, err);
		if (again < LOCK_TRIES && lock_lost(r, s, rc, err)) {
			run_note(r, "again", "somebody's TRUNCATE or ALTER TABLE waits for our locks, and we for it (%s): all of ours are let go, and it begins with a new snapshot", err->msg);
			if (strstr(err->msg, "could not obtain lock") && !r->one_dumper) {
				run_note(r, "jobs", "pg_dump with --jobs=1 from now on: one session locks all tables before it reads, several cannot while somebody waits to truncate one");
				r->one_dumper = true;
			}
			let_go(r);
			again++;
			r->attention = attention;
			rc = ERR_OK;
			i = head_of(r->plan, i) - 1; /* may wrap: the loop adds one */
		}
		if (!s->scope)
			attention = r->attention;
	}
	if (r->begin_again)
		let_go(r);
	return rc;
}

/* Somebody of ours is asked to end, and is waited for; false: the server could not be asked. */
bool run_sweep(const struct endpoint *ep, enum side side, const char *app, struct err *err)
{
	static const char sql[] =
		"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) AS told, count(*) AS n"
		" FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()";
	struct session_options opt = {.dbname = ep->maintenance_db, .application_name = "pgusher", .read_write = side == SIDE_TARGET,
				      .timeout_ms = 3000};
	struct session *s;
	char name[64];

	(void)snprintf(name, sizeof name, "%s", app); /* as the server keeps it */
	if (session_open(&s, ep, &opt, NULL, err) != ERR_OK) {
		opt.dbname = NULL;
		if (session_open(&s, ep, &opt, NULL, err) != ERR_OK)
			return false;
	}
	const char *params[] = {name};
	for (int64_t end = clock_deadline(SWEEP_MS); clock_mono_us() < end;) {
		PGresult *res;
		if (session_exec(s, sql, 1, params, SWEEP_MS, &res, err) != ERR_OK)
			break;
		int64_t n = cell_i64(res, 0, 1);
		PQclear(res);
		if (n == 0)
			break;
		(void)session_exec(s, "SELECT pg_sleep(0.05)", 0, NULL, 1000, NULL, err);
	}
	session_close(s);
	return true;
}

static void sweep_side(struct run *r, enum side side)
{
	struct err err;

	if (!run_sweep(&r->m->end[side], side, r->app, &err))
		run_note(r, "sessions", "the %s could not be asked whether sessions of this run are left: %s", side_name(side), err.msg);
}

void run_release(struct run *r, bool sweep)
{
	struct err err;

	if (r->job) {
		if (sweep)
			cancel_raise(r->cancel);
		(void)verify_finish(r->job, &err);
		r->job = NULL;
	}
	rows_release(r);
	session_close(r->snapshot);
	r->snapshot = NULL;
	xreplace(&r->snapshot_name, NULL);
	for (int i = 0; i < 2; i++) {
		session_close(r->control[i]);
		r->control[i] = NULL;
		xreplace(&r->control_db[i], NULL);
	}
	if (sweep)
		for (int i = 0; i < 2; i++)
			if (r->facts[i])
				sweep_side(r, (enum side)i);
	verify_free(r->verify);
	r->verify = NULL;
	gauge_free(r->gauge);
	r->gauge = NULL;
	free(r->rehearsal);
	r->rehearsal = NULL;
	secret_fini(&r->replication_password);
	xreplace(&r->app, NULL);
}
