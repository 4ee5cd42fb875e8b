#include "method/gauge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "method/rows.h"
#include "method/run.h"
#include "method/toollog.h"

#define ASK_US 1000000
#define ASK_MS 3000
#define SILENT_US 40000000 /* a server that answers nothing for so long is gone, or the way to it is */
#define ISSUES_MAX 5000 /* of one command: a broken restore of 10,000 tables must not fill the disk with its echo */

struct seen_table { const char *schema, *name; char *label; int64_t bytes; bool started; };

struct gauge {
	struct run *r;
	const struct action *a;
	struct toollog log[PROCESS_MAX];
	struct seen_table *tables; /* by label, sorted */
	size_t n_tables, n_started;
	int64_t total, started_bytes;
	int64_t flying;            /* bytes of tables begun but not ended, that the server does not count as done */
	int64_t rest;              /* objects after the data */
	char *current;
	int64_t asked_us, heard_us; /* the server, monotonic */
	int issues;
	struct err fatal;          /* something that makes the whole restore incomplete; code ERR_OK: nothing */
};

static int by_label(const void *a, const void *b)
{
	return strcmp(((const struct seen_table *)a)->label, ((const struct seen_table *)b)->label);
}

static void load_tables(struct gauge *g)
{
	const struct facts *f = g->r->facts[SIDE_SOURCE];

	if (!f)
		return;
	const struct dump_options *o = &g->r->m->dump;
	g->tables = xcalloc(f->n_tables + 1, sizeof *g->tables);
	for (size_t i = 0; i < f->n_tables; i++) {
		const struct fact_table *t = &f->tables[i];
		bool in = (o->schemas.n == 0 || strv_has(&o->schemas, t->schema)) && !strv_has(&o->exclude_schemas, t->schema);
		if (t->kind != 'r' || t->extension || t->left_out || !in)
			continue;
		g->tables[g->n_tables++] = (struct seen_table){.schema = t->schema, .name = t->name, .bytes = t->heap_bytes,
							       .label = xasprintf("%s.%s", t->schema, t->name)};
		g->total += t->heap_bytes;
	}
	qsort(g->tables, g->n_tables, sizeof *g->tables, by_label);
}

static void gauge_clear(struct gauge *g)
{
	for (size_t i = 0; i < g->n_tables; i++)
		free(g->tables[i].label);
	free(g->tables);
	free(g->current);
	for (int i = 0; i < PROCESS_MAX; i++)
		toollog_fini(&g->log[i]);
	*g = (struct gauge){0};
}

void gauge_begin(struct gauge **slot, struct run *r, const struct action *a)
{
	if (!*slot)
		*slot = xcalloc(1, sizeof **slot);
	struct gauge *g = *slot;
	gauge_clear(g);
	g->r = r;
	g->a = a;
	g->heard_us = clock_mono_us();
	for (int i = 0; i < PROCESS_MAX; i++)
		toollog_init(&g->log[i]);
	if (a->parser != PARSE_VACUUM) /* it goes through all of them three times, and moves no bytes */
		load_tables(g);
}

void gauge_free(struct gauge *g)
{
	if (!g)
		return;
	gauge_clear(g);
	free(g);
}

static void emit_progress(struct gauge *g)
{
	struct event *e = event_new(EV_PROGRESS, g->r->step->id);
	int64_t n = g->started_bytes - g->flying;

	e->of = g->total;
	e->n = n < 0 ? 0 : n > g->total ? g->total : n;
	e->a = (int64_t)g->n_started;
	e->b = (int64_t)g->n_tables;
	xreplace(&e->text, g->current);
	run_emit(g->r, e);
}

static void start_table(struct gauge *g, const char *label)
{
	struct seen_table key = {.label = (char *)label}, *t;

	t = bsearch(&key, g->tables, g->n_tables, sizeof *g->tables, by_label);
	if (!t || t->started)
		return;
	t->started = true;
	g->n_started++;
	g->started_bytes += t->bytes;
}

static void emit_issue(struct gauge *g, const char *tool, const struct toollog_issue *i)
{
	if (g->issues++ >= ISSUES_MAX)
		return;
	struct event *e = event_new(EV_ISSUE, NULL);
	e->verdict = i->verdict == VERDICT_BLOCK ? VERDICT_WARN : i->verdict;
	if (i->verdict == VERDICT_BLOCK && g->fatal.code == ERR_OK) {
		static const char *const lost[] = {"connection", "data from server", "data to server", "canceling statement", NULL};
		enum err_code code = strstr(i->message, "No space left") ? ERR_NOSPACE : ERR_CHILD;
		for (size_t k = 0; lost[k]; k++)
			code = strstr(i->message, lost[k]) ? ERR_LOST : code;
		err_set(&g->fatal, code, "%s did not get to its end: %s", tool, i->message);
		(void)err_hint(&g->fatal, "%s", i->hint);
	}
	xreplace(&e->title, *i->object ? i->object : tool);
	xreplace(&e->text, i->message);
	xreplace(&e->sql, i->command);
	xreplace(&e->hint, i->hint);
	xreplace(&e->why, g->r->step ? g->r->step->id : NULL);
	if (i->verdict != VERDICT_INFO)
		g->r->attention++;
	run_emit(g->r, e);
}

static const char *tool_name(const struct gauge *g, int which)
{
	const struct strv *v = which == 0 ? &g->a->argv : &g->a->pipe_to;

	for (size_t i = 0; i < v->n; i++) {
		const char *base = strrchr(v->v[i], '/');
		base = base ? base + 1 : v->v[i];
		if (str_starts(base, "pg_") || str_starts(base, "vacuumdb"))
			return base;
	}
	return v->n ? v->v[0] : "";
}

static void take_issues(struct gauge *g, int which, bool at_end)
{
	struct toollog_issue i;

	while (toollog_issue(&g->log[which], at_end, &i)) {
		emit_issue(g, tool_name(g, which), &i);
		toollog_issue_fini(&i);
	}
}

/* Rows count where they are written: with two commands, on the restoring one. */
static bool counts(const struct gauge *g, int which)
{
	return g->a->pipe_to.n == 0 || which == 1;
}

void gauge_line(void *arg, int which, bool is_err, const char *text)
{
	struct gauge *g = arg;
	struct toollog *t = &g->log[which];

	if (is_err) {
		enum toollog_what what = toollog_feed(t, text);
		take_issues(g, which, false);
		if (what == TOOLLOG_STARTED && counts(g, which)) {
			if (str_eq(str_text(&t->kind), "DATA"))
				start_table(g, str_text(&t->object));
			free(g->current);
			g->current = xasprintf("%s %s", str_text(&t->kind), str_text(&t->object));
		}
	}
	run_log(g->r, tool_name(g, which), is_err && t->hide ? "(not shown: it may hold a password)" : text);
}

void gauge_keep(void *arg, int which, const char *bytes, size_t n)
{
	struct gauge *g = arg;

	(void)which;
	str_addn(&g->r->kept, bytes, n);
}

/* The side whose server is asked how far it is. */
static enum side watched(const struct gauge *g)
{
	return g->a->pipe_to.n || g->a->parser != PARSE_DUMP ? SIDE_TARGET : SIDE_SOURCE;
}

/* What the tables now being copied still have to do, by the server's own count. */
static void ask_flying(struct gauge *g)
{
	static const char sql[] =
		"SELECT n.nspname || '.' || c.relname, p.bytes_processed FROM pg_stat_progress_copy p"
		" JOIN pg_stat_activity a ON a.pid = p.pid AND a.application_name = $1"
		" JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE p.datname = current_database()";
	enum side side = watched(g);
	char app[64];
	struct session *s;
	PGresult *res;
	struct err err = {0};

	(void)snprintf(app, sizeof app, "%s", g->r->app); /* as the server cuts it */
	const char *params[] = {app};
	enum err_code rc = run_glance(g->r, side, &s, &err);
	bool counts = rc == ERR_OK && session_version(s) >= 140000;
	if (rc == ERR_OK)
		rc = session_exec(s, counts ? sql : "SELECT", counts ? 1 : 0, params, ASK_MS, &res, &err);
	if (rc == ERR_OK || err.sqlstate[0]) /* an answer, whatever it says */
		g->heard_us = clock_mono_us();
	if (rc != ERR_OK)
		return;
	if (!counts) {
		PQclear(res);
		return;
	}
	g->flying = 0;
	for (int i = 0; i < PQntuples(res); i++) {
		struct seen_table key = {.label = (char *)cell(res, i, 0)};
		const struct seen_table *t = bsearch(&key, g->tables, g->n_tables, sizeof *g->tables, by_label);
		int64_t left = t && t->started ? t->bytes - cell_i64(res, i, 1) : 0;
		g->flying += left > 0 ? left : 0;
	}
	PQclear(res);
}

bool gauge_tick(void *arg, int64_t moved)
{
	struct gauge *g = arg;
	int64_t now = clock_mono_us();

	(void)moved;
	if (g->r->copy) /* rows travel beside this command: they are what is to be seen */
		rows_progress(g->r);
	if (now - g->asked_us < ASK_US || cancel_raised(g->r->cancel))
		return true;
	g->asked_us = now;
	ask_flying(g);
	if (!g->r->copy)
		emit_progress(g);
	now = clock_mono_us();
	if (now - g->heard_us < SILENT_US)
		return true;
	err_set(&g->fatal, ERR_LOST, "the %s has answered nothing for %d s", side_name(watched(g)), (int)((now - g->heard_us) / 1000000));
	(void)err_hint(&g->fatal, "check that the server runs and that the network holds, then go on");
	return false;
}

enum err_code gauge_end(struct gauge *g, enum err_code rc, const struct process_result *res, struct err *err)
{
	int last = res->n - 1;
	enum parser p = g->a->pipe_to.n ? g->a->pipe_parser : g->a->parser;

	for (int i = 0; i < res->n; i++)
		take_issues(g, i, true);
	/* what was not understood is no reason to call it harmless */
	if (g->log[last].ignored > g->issues) {
		struct toollog_issue i = {.object = (char *)"", .verdict = VERDICT_WARN, .hint = "look at what it said in the log, and compare the objects of both sides",
					  .message = xasprintf("its count of errors is %lld, of which only %d could be told apart", (long long)g->log[last].ignored, g->issues)};
		emit_issue(g, tool_name(g, last), &i);
		free(i.message);
	}
	if (g->issues > ISSUES_MAX)
		run_note(g->r, "remarks", "%d more of %s are not listed", g->issues - ISSUES_MAX, tool_name(g, last));
	/* pg_restore goes on after an error in a statement, counts them at its end and returns 1: they have been judged one by one */
	bool counted = p == PARSE_RESTORE && rc == ERR_CHILD && res->status[last] == 1 && g->log[last].ignored >= 0 &&
		       (res->n == 1 || res->status[0] == 0);
	if (counted)
		rc = ERR_OK;
	if ((rc == ERR_OK || rc == ERR_CHILD || rc == ERR_TIMEOUT) && g->fatal.code != ERR_OK)
		rc = (*err = g->fatal).code;
	if (rc == ERR_OK && !g->r->copy) {
		g->flying = 0;
		emit_progress(g);
	} else if (rc == ERR_CHILD && (strstr(err->msg, "No space left") || strstr(err->msg, "could not write"))) {
		err->code = rc = ERR_NOSPACE;
		(void)err_hint(err, "free disk space, then start again");
	}
	return rc;
}
