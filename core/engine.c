#include "engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "base/clock.h"
#include "checks/gather.h"
#include "endpoint_test.h"
#include "fix.h"
#include "host/password.h"
#include "journal/journal.h"
#include "names.h"
#include "pg/session.h"
#include "queue.h"
#include "route.h"
#include "sink.h"
#include "pg/tables.h"

struct kept_plan { struct kept_plan *next; struct plan *p; };

struct engine {
	pthread_t thread;
	struct queue *q;
	struct cancel cancel;
	atomic_bool stopping;
	struct sink sink;
	struct migration m;
	struct route route;
	struct survey_box box;
	bool surveyed;
	struct finding *findings;
	size_t n_findings;
	struct plan *plan;        /* newest; NULL: none since the facts changed */
	char *plan_for;           /* the unfinished attempt that it goes on with; NULL: a new one */
	struct kept_plan *plans;  /* the front end may still look at older ones */
};

static void post(struct engine *e, struct event *ev)
{
	struct err ignored;

	(void)sink_emit(&e->sink, ev, &ignored);
}

static void ready(struct engine *e, const char *id, enum err_code rc, const struct err *err)
{
	struct event *ev = event_new(EV_READY, id);

	ev->state = rc == ERR_OK ? ST_DONE : rc == ERR_CANCELLED ? ST_CANCELLED : ST_FAILED;
	ev->n = rc;
	if (rc != ERR_OK) {
		xreplace(&ev->text, err->msg);
		xreplace(&ev->hint, err_next(err));
	}
	if (str_eq(id, "plan") && rc == ERR_OK)
		ev->shared = e->plan;
	post(e, ev);
}

static void busy(struct engine *e, const char *what, bool on)
{
	struct event *ev = event_new(EV_BUSY, NULL);

	ev->state = on ? ST_RUNNING : ST_DONE;
	xreplace(&ev->title, what);
	post(e, ev);
}

static void forget_findings(struct engine *e)
{
	for (size_t i = 0; i < e->n_findings; i++)
		finding_fini(&e->findings[i]);
	free(e->findings);
	e->findings = NULL;
	e->n_findings = 0;
}

static void forget_survey(struct engine *e)
{
	survey_box_fini(&e->box);
	survey_box_init(&e->box, &e->m);
	forget_findings(e);
	e->surveyed = false;
	e->plan = NULL;
}

static enum err_code ask_passwords(struct engine *e, struct err *err)
{
	enum err_code rc = password_ask(&e->m.end[SIDE_SOURCE], SIDE_SOURCE, &e->cancel, err);

	return rc == ERR_OK ? password_ask(&e->m.end[SIDE_TARGET], SIDE_TARGET, &e->cancel, err) : rc;
}

static void on_facts(void *arg, enum side side, const struct facts *f)
{
	struct engine *e = arg;
	struct event *ev = event_new(EV_FACTS, side_name(side));
	char size[32], tables[48];

	ev->title = endpoint_label(&e->m.end[side]);
	event_text(&ev->text, "PostgreSQL %s", f->version);
	ev->n = f->db_bytes;
	ev->of = (int64_t)f->n_tables;
	if (f->db_exists)
		event_text(&ev->hint, "%s, %s, as %s%s", fmt_bytes(size, sizeof size, (double)f->db_bytes), fmt_things(tables, sizeof tables, (int64_t)f->n_tables, "table"),
			   f->role, f->super ? " (superuser)" : "");
	else
		event_text(&ev->hint, "the database does not exist yet, as %s%s", f->role, f->super ? " (superuser)" : "");
	post(e, ev);
}

static void on_finding(void *arg, struct finding *f)
{
	struct engine *e = arg;

	e->findings = xrealloc(e->findings, (e->n_findings + 1) * sizeof *e->findings);
	e->findings[e->n_findings++] = *f;
	post(e, finding_event(f));
	*f = (struct finding){0};
}

static int blocking(const struct engine *e)
{
	int n = 0;

	for (size_t i = 0; i < e->n_findings; i++)
		n += e->findings[i].verdict == VERDICT_BLOCK;
	return n;
}

/* What another pgusher is changing right now cannot be looked at. */
static enum err_code not_held(const struct engine *e, struct err *err)
{
	char *dir = migration_state_dir(&e->m);
	struct journal_holder h;
	bool held = journal_held(dir, &h);

	free(dir);
	if (!held) /* nor what cannot be read: an attempt in it would be taken for none */
		return attempt_readable(&e->m, err);
	err_set(err, ERR_BUSY, "another pgusher works on this migration: process %ld of %s on %s, since %s", (long)h.pid, h.user, h.host, h.since);
	return err_hint(err, "watch it with pgusher status -c FILE; come back when it has ended");
}

static const char *attempt_id(const struct model *m)
{
	return m && m->begin ? m->begin->id : NULL;
}

static void on_blame(void *arg, enum side side, struct err *err)
{
	(void)route_blame(&((struct engine *)arg)->route, side, err);
}

static void on_again(void *arg, enum side side, const struct patience *p, int left_s, const struct err *why)
{
	post(arg, event_again(side_name(side), why->msg, left_s, p->tries + 1, p->of));
}

static void on_both(void *arg, const struct facts *src, const struct facts *dst)
{
	names_settle(&((struct engine *)arg)->m, src, dst);
}

static bool on_login(void *arg, enum side side, const struct err *why)
{
	struct engine *e = arg;
	bool given = route_login(&e->route, side, why);

	if (given)
		attempt_quiet(&e->route, e->box.s.unfinished); /* which could not be done without it */
	return given;
}

static enum err_code on_reach(void *arg, enum side side, struct err *err)
{
	return route_open(&((struct engine *)arg)->route, side, err);
}

/* A tunnel that does not come up is a finding, not the end of the survey. */
static enum err_code open_routes(struct engine *e, struct err *err)
{
	unsigned sides = migration_sides(&e->m);

	for (int i = 0; i < 2; i++) {
		struct survey *s = &e->box.s;
		if (!(sides & (1u << i)) || str_empty(e->m.end[i].ssh))
			continue;
		s->hop_where[i] = tunnel_resolve(&e->m.end[i], &e->cancel);
		if (route_open_patiently(&e->route, (enum side)i, &s->hop[i]) == ERR_OK)
			s->hop[i] = (struct err){0};
		if (s->hop[i].code == ERR_CANCELLED)
			return (*err = s->hop[i]).code;
	}
	return ERR_OK;
}

/* The findings are those of a first run: once the target is full they would only mislead. */
static void no_finding(void *arg, struct finding *f)
{
	(void)arg;
	(void)f;
}

static enum err_code survey(struct engine *e, bool findings, struct err *err)
{
	enum err_code free_rc = not_held(e, err);

	const struct gather_hooks hooks = {.login = on_login, .facts = on_facts, .finding = findings ? on_finding : no_finding, .both = on_both, .blame = on_blame, .again = on_again, .reach = on_reach, .arg = e};
	char *app = xasprintf("pgusher %.32s", e->m.name);

	forget_survey(e);
	struct model *seen = attempt_unfinished(&e->m);
	e->box.s.unfinished = seen;
	enum err_code rc = free_rc == ERR_OK ? ask_passwords(e, err) : free_rc;
	if (rc == ERR_OK)
		rc = open_routes(e, err);
	if (rc == ERR_OK)
		attempt_quiet(&e->route, seen);
	if (rc == ERR_OK)
		rc = gather(&e->box, app, &e->cancel, &hooks, err);
	e->box.s.unfinished = NULL;
	attempt_forget(seen);
	free(app);
	e->surveyed = rc == ERR_OK;
	return rc;
}

static enum err_code check(struct engine *e, struct err *err)
{
	enum err_code rc = survey(e, true, err);
	int n = blocking(e);

	if (rc == ERR_OK && n > 0) {
		err_set(err, ERR_BLOCKED, "%d finding%s must be put right first", n, n == 1 ? "" : "s");
		rc = err_hint(err, "each says what to do; then check again");
	}
	return rc;
}

static enum err_code setup(struct engine *e, const struct command *c)
{
	if (c->migration) {
		route_adopt(&e->route, c->migration);
		migration_copy(&e->m, c->migration);
		migration_settle(&e->m);
		forget_survey(e);
		model_forget_findings(&e->sink.live);
	}
	return ERR_OK;
}

static const struct finding *find_finding(const struct engine *e, const char *id)
{
	for (size_t i = 0; i < e->n_findings; i++)
		if (str_eq(e->findings[i].id, id))
			return &e->findings[i];
	return NULL;
}

static enum err_code fix(struct engine *e, const struct command *c, struct err *err)
{
	const struct finding *f = find_finding(e, c->id);
	enum err_code rc = f ? fix_run(f, c->text, &e->m, &e->route, &e->sink, &e->cancel, err)
			     : err_set(err, ERR_USAGE, "%s has no fix that pgusher can apply", c->id ? c->id : "this finding");

	return rc == ERR_OK ? survey(e, true, err) : rc;
}

static enum err_code need_survey(struct engine *e, struct err *err)
{
	enum err_code rc = e->surveyed ? ERR_OK : survey(e, true, err);
	int n = blocking(e);

	if (rc == ERR_OK && n > 0) {
		err_set(err, ERR_BLOCKED, "%d finding%s of the preflight must be put right first", n, n == 1 ? "" : "s");
		rc = err_hint(err, "run the check: each finding says what to do");
	}
	return rc;
}

static struct attempt attempt_of(struct engine *e)
{
	return (struct attempt){.m = &e->m, .survey = &e->box.s, .sink = &e->sink, .route = &e->route, .cancel = &e->cancel};
}

static enum err_code make_plan(struct engine *e, struct err *err)
{
	struct attempt a = attempt_of(e);
	enum err_code rc = need_survey(e, err);

	if (rc != ERR_OK)
		return rc;
	struct model *seen = attempt_unfinished(&e->m);
	struct plan *p = NULL;
	rc = attempt_plan(&p, &a, seen, err);
	xreplace(&e->plan_for, attempt_id(seen));
	attempt_forget(seen);
	if (rc != ERR_OK)
		return rc;
	struct kept_plan *k = xcalloc(1, sizeof *k);
	*k = (struct kept_plan){.next = e->plans, .p = p};
	e->plans = k;
	e->plan = p;
	return ERR_OK;
}

static enum err_code run(struct engine *e, struct err *err)
{
	struct attempt a = attempt_of(e);
	enum err_code rc = e->plan ? ERR_OK : make_plan(e, err);

	if (rc == ERR_OK && e->sink.live.n_unacked > 0) {
		err_set(err, ERR_BLOCKED, "%d warning%s not accepted yet", e->sink.live.n_unacked, e->sink.live.n_unacked == 1 ? " is" : "s are");
		rc = err_hint(err, "accept each in the preflight, or put it right");
	}
	if (rc != ERR_OK)
		return rc;
	struct model *seen = attempt_unfinished(&e->m);
	if (str_eq(e->plan_for, attempt_id(seen))) {
		rc = attempt_run(&a, e->plan, seen, err);
	} else {
		err_set(err, ERR_BLOCKED, "the migration has moved on since the plan was made");
		rc = err_hint(err, "somebody ran it meanwhile: look again, and make a new plan");
	}
	attempt_forget(seen);
	forget_survey(e); /* the servers are no longer what they were */
	return rc;
}

/* Both were read, and both databases are there. */
static enum err_code both_there(const struct engine *e, struct err *err)
{
	for (int i = 0; i < 2; i++) {
		const struct facts *f = e->box.s.facts[i];
		if (!f && e->box.s.connect[i].code != ERR_OK)
			return (*err = e->box.s.connect[i]).code;
		if (f && f->db_exists)
			continue;
		err_set(err, ERR_BLOCKED, "the %s database %s does not exist", side_name((enum side)i), e->m.end[i].dbname);
		return err_hint(err, i == SIDE_TARGET ? "pgusher run makes and fills it; or correct [target] dbname" : "correct [source] dbname; psql -l on the server lists them");
	}
	return ERR_OK;
}

static enum err_code verify(struct engine *e, struct err *err)
{
	struct attempt a = attempt_of(e);
	enum err_code rc = e->surveyed ? ERR_OK : survey(e, false, err);

	if (rc == ERR_OK)
		rc = both_there(e, err);
	return rc == ERR_OK ? attempt_verify(&a, err) : rc;
}

/* What only a subscription has. */
static enum err_code follows(const struct engine *e, const char *what, struct err *err)
{
	if (e->m.method == METHOD_SUBSCRIPTION)
		return ERR_OK;
	err_set(err, ERR_USAGE, "there is nothing to %s: the method is %s", what, method_name(e->m.method));
	return err_hint(err, "only a subscription follows its source, and is watched, cut over, rolled back and finalized; a %s has ended when pgusher run has", method_name(e->m.method));
}

static enum err_code list_tables(struct engine *e, struct err *err)
{
	struct session *s = NULL;
	struct event *ev = event_new(EV_TABLES, side_name(SIDE_SOURCE));
	bool exists = true;
	enum err_code rc = password_ask(&e->m.end[SIDE_SOURCE], SIDE_SOURCE, &e->cancel, err);

	if (rc == ERR_OK)
		rc = route_open_patiently(&e->route, SIDE_SOURCE, err);
	while (rc == ERR_OK && (rc = gather_connect(&e->m.end[SIDE_SOURCE], SIDE_SOURCE, "pgusher", &e->cancel, &s, &exists, err)) != ERR_OK && route_login(&e->route, SIDE_SOURCE, err))
		rc = ERR_OK;
	if (rc == ERR_OK && !exists)
		rc = err_set(err, ERR_BLOCKED, "the source's database does not exist");
	if (rc == ERR_OK)
		rc = tables_of_source(s, &ev->text, err);
	session_close(s);
	if (rc == ERR_OK)
		post(e, ev);
	else
		event_free(ev);
	return rc;
}

static enum err_code watch(struct engine *e, struct err *err)
{
	struct attempt a = attempt_of(e);
	enum err_code rc = follows(e, "watch", err);

	if (rc == ERR_OK)
		rc = ask_passwords(e, err);
	if (rc == ERR_OK)
		rc = names_ask(&e->m, &e->route, &e->cancel, false, err);
	return rc == ERR_OK ? attempt_watch(&a, err) : rc;
}

static const char *command_word(enum command_kind k)
{
	return k == CMD_ROLLBACK ? "roll back" : k == CMD_FINALIZE ? "finalize" : k == CMD_REHEARSE ? "rehearse" : "cut over";
}

static enum err_code cutover(struct engine *e, const struct command *c, struct err *err)
{
	struct attempt a = attempt_of(e);
	bool rehearse = c->kind == CMD_REHEARSE;
	int64_t seconds = e->m.cut.max_outage_s;

	if (c->text && !str_to_i64(c->text, rehearse, 86400, &seconds))
		return err_set(err, ERR_USAGE, "an outage is 1 to 86400 seconds");
	enum err_code rc = follows(e, command_word(c->kind), err);
	if (rc == ERR_OK)
		rc = not_held(e, err);
	if (rc == ERR_OK)
		rc = survey(e, false, err);
	if (rc == ERR_OK && c->kind != CMD_FINALIZE && seconds > 0) /* taking back and ending it go on with one side */
		rc = both_there(e, err);
	if (rc == ERR_OK)
		rc = rehearse ? attempt_rehearse(&a, (int)seconds, err) : c->kind == CMD_CUTOVER ? attempt_cutover(&a, (int)seconds, err)
			: c->kind == CMD_ROLLBACK ? attempt_rollback(&a, (int)seconds, err) : attempt_finalize(&a, c->yes, err);
	forget_survey(e);
	return rc;
}

static enum err_code cleanup(struct engine *e, bool drop_copy, struct err *err)
{
	struct attempt a = attempt_of(e);
	enum err_code rc = not_held(e, err);

	if (rc == ERR_OK)
		rc = ask_passwords(e, err);
	if (rc == ERR_OK)
		rc = names_ask(&e->m, &e->route, &e->cancel, true, err);
	if (rc == ERR_OK)
		rc = attempt_cleanup(&a, drop_copy, err);
	forget_survey(e);
	return rc;
}

static void ack(struct engine *e, const struct command *c)
{
	struct event *ev = event_new(EV_ACK, c->id);

	xreplace(&ev->text, c->text);
	post(e, ev);
}

/* By command; NULL: nothing to say when it ends. */
static const char *const command_names[] = {
	[CMD_SETUP] = NULL, [CMD_TEST] = "test", [CMD_CHECK] = "check", [CMD_FIX] = "fix", [CMD_ACK] = NULL,
	[CMD_PLAN] = "plan", [CMD_RUN] = "run", [CMD_VERIFY] = "verify", [CMD_WATCH] = "watch", [CMD_LIST] = "list", [CMD_CUTOVER] = "cutover", [CMD_ROLLBACK] = "rollback", [CMD_FINALIZE] = "finalize",
	[CMD_REHEARSE] = "rehearse", 	[CMD_CLEANUP] = "cleanup", [CMD_ANSWER] = NULL,
};

static enum err_code dispatch(struct engine *e, const struct command *c, struct err *err)
{
	switch (c->kind) {
	case CMD_SETUP: return setup(e, c);
	case CMD_TEST:
		return endpoint_test(&e->route, c->side, err);
	case CMD_CHECK: return check(e, err);
	case CMD_FIX:
		return fix(e, c, err);
	case CMD_ACK: ack(e, c); return ERR_OK;
	case CMD_PLAN:
		return make_plan(e, err);
	case CMD_RUN:
		return run(e, err);
	case CMD_VERIFY:
		return verify(e, err);
	case CMD_WATCH:
		return watch(e, err);
	case CMD_LIST:
		return list_tables(e, err);
	case CMD_CUTOVER:
	case CMD_ROLLBACK:
	case CMD_FINALIZE:
	case CMD_REHEARSE:
		return cutover(e, c, err);
	case CMD_CLEANUP:
		return cleanup(e, c->yes, err);
	case CMD_ANSWER: /* to a gate that is no longer open */
		return ERR_OK;
	}
	return ERR_OK;
}

static void *engine_main(void *arg)
{
	struct engine *e = arg;
	struct command c;

	while (queue_take(e->q, &e->cancel, &c)) {
		struct err err = {0};
		const char *name = command_names[c.kind];
		e->route.no_password[0] = e->route.no_password[1] = false;
		if (atomic_load(&e->stopping))
			cancel_raise(&e->cancel); /* the reset must not swallow the last word */
		if (name)
			busy(e, name, true);
		enum err_code rc = c.cancelled && name ? err_set(&err, ERR_CANCELLED, "cancelled before it began") : dispatch(e, &c, &err);
		if (name) {
			busy(e, name, false);
			ready(e, name, rc, &err);
		}
		command_fini(&c);
	}
	route_close(&e->route); /* by the thread that started them */
	return NULL;
}

enum err_code engine_start(struct engine **out, const struct migration *m, struct err *err)
{
	struct engine *e = xcalloc(1, sizeof *e);

	*out = NULL;
	migration_copy(&e->m, m);
	migration_settle(&e->m);
	survey_box_init(&e->box, &e->m);
	e->q = queue_new();
	sink_init(&e->sink, e->q);
	e->route = (struct route){.m = &e->m, .sink = &e->sink, .cancel = &e->cancel};
	if (!e->q || !cancel_init(&e->cancel) || pthread_create(&e->thread, NULL, engine_main, e) != 0) {
		(void)err_errno(err, "cannot start the engine");
		queue_free(e->q);
		migration_fini(&e->m);
		free(e);
		return ERR_IO;
	}
	*out = e;
	return ERR_OK;
}

void engine_send(struct engine *e, const struct command *c)
{
	queue_send(e->q, c);
}

void engine_cancel(struct engine *e)
{
	queue_cancel(e->q, &e->cancel);
}

int engine_wake_fd(const struct engine *e)
{
	return queue_fd(e->q);
}

struct event *engine_next(struct engine *e)
{
	return queue_next(e->q);
}

void engine_stop(struct engine *e)
{
	if (!e)
		return;
	atomic_store(&e->stopping, true);
	queue_close(e->q);
	cancel_raise(&e->cancel);
	(void)pthread_join(e->thread, NULL);
	sink_fini(&e->sink);
	forget_findings(e);
	survey_box_fini(&e->box);
	for (struct kept_plan *k = e->plans; k;) {
		struct kept_plan *next = k->next;
		plan_free(k->p);
		free(k);
		k = next;
	}
	queue_free(e->q);
	free(e->plan_for);
	cancel_fini(&e->cancel);
	migration_fini(&e->m);
	free(e);
}
