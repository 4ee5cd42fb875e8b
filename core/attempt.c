#include "attempt_in.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "checks/gather.h"
#include "compared.h"
#include "copy/copied.h"
#include "cutover/abandon.h"
#include "cutover/cutover.h"
#include "journal/fixes.h"
#include "journal/report.h"
#include "journal/standing.h"
#include "method/dump.h"
#include "method/rewritten.h"
#include "method/run.h"
#include "method/subscription.h"
#include "method/takenup.h"
#include "method/work.h"
#include "pg/logical.h"
#include "pg/phase.h"
#include "watch/watch.h"

/* What goes on when the attempt has ended well, and holds WAL on the source. */
static bool replicates(const struct model *m)
{
	static const char *const kinds[] = {"subscription:", "slot:", "publication:", "replication-role:", "back-", ABANDON_COPY};

	for (size_t i = 0; i < m->left.n; i++)
		for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
			if (!m->left.v[i].removed && str_starts(m->left.v[i].last->id, kinds[k]))
				return true;
	return false;
}

/* left_too: one that ended well counts while something of it stands, as the replication of a subscription does. */
struct model *attempt_load(const struct migration *m, bool left_too)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir);
	struct model *seen = xcalloc(1, sizeof *seen);
	struct err err;

	model_init(seen);
	if (model_load(seen, path, &err) != ERR_OK || !(model_unfinished(seen) || (left_too && replicates(seen)))) {
		attempt_forget(seen);
		seen = NULL;
	}
	free(path);
	free(dir);
	return seen;
}

struct model *attempt_unfinished(const struct migration *m)
{
	return attempt_load(m, false);
}

enum err_code attempt_readable(const struct migration *m, struct err *err)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir);
	struct model seen;

	model_init(&seen);
	enum err_code rc = model_load(&seen, path, err);
	model_fini(&seen);
	free(path);
	free(dir);
	return rc;
}

void attempt_forget(struct model *m)
{
	if (!m)
		return;
	model_fini(m);
	free(m);
}

enum err_code attempt_plan(struct plan **out, const struct attempt *a, const struct model *seen, struct err *err)
{
	if (seen && seen->begin && (str_eq(seen->begin->sql, ROLLBACK_BEGIN) || str_eq(seen->begin->sql, FINALIZE_BEGIN))) {
		*out = NULL;
		err_set(err, ERR_BLOCKED, "a %s of this migration did not come to its end", seen->begin->sql);
		return err_hint(err, "pgusher %s begins it again", seen->begin->sql);
	}
	if (seen && seen->begin && str_eq(seen->begin->sql, CUTOVER_BEGIN)) {
		*out = NULL;
		err_set(err, ERR_BLOCKED, "a cutover of this migration did not come to its end");
		return err_hint(err, "pgusher cutover begins it again; pgusher cutover --abort opens the source and lets the target follow");
	}
	if (seen && a->m->method == METHOD_SUBSCRIPTION && standing_given_up(seen)) {
		*out = NULL;
		err_set(err, ERR_BLOCKED, "this migration is being given up, and not all of it is gone yet");
		return err_hint(err, "pgusher cleanup removes what is left; then it may begin anew");
	}
	if (a->m->method == METHOD_SUBSCRIPTION && a->m->sub.adopt)
		return subscription_adopt_plan(out, a->m);
	enum err_code rc = dump_plan(out, a->survey, seen, err);
	if (rc == ERR_OK && seen)
		takenup_notes(*out, seen);
	return rc;
}

char *attempt_new_id(void)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)gmtime_r(&now, &tm);
	(void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
	return xasprintf("%s-%04x", stamp, (unsigned)(clock_mono_us() & 0xffff));
}

/* Who begins something else after a copy was told to go, and did not, wants what is there: it is not to go behind their back. */
static enum err_code keep_copy(struct attempt *a, struct err *err)
{
	char *path = journal_path(a->sink->dir);
	struct model story;
	enum err_code rc;

	model_init(&story);
	rc = model_load(&story, path, err);
	for (size_t i = 0; i < story.left.n && rc == ERR_OK; i++)
		if (!story.left.v[i].removed && str_starts(story.left.v[i].last->id, ABANDON_COPY))
			rc = sink_emit(a->sink, event_new(EV_REMOVED, story.left.v[i].last->id), err);
	model_fini(&story);
	free(path);
	return rc;
}

enum err_code attempt_begin(struct attempt *a, const struct model *seen, char **id, struct err *err)
{
	struct event *e = event_new(seen ? EV_RESUME : EV_BEGIN, NULL);

	*id = seen && seen->begin && seen->begin->id ? xstrdup(seen->begin->id) : attempt_new_id();
	xreplace(&e->id, *id);
	xreplace(&e->title, a->m->name);
	e->text = sink_who();
	e->n = getpid();
	xreplace(&e->hint, PGUSHER_VERSION);
	xreplace(&e->sql, a->what ? a->what : method_name(a->m->method));
	enum err_code rc = sink_emit(a->sink, e, err);
	return rc == ERR_OK && !seen ? keep_copy(a, err) : rc;
}

/*
 * What earlier processes did and found is a part of the attempt: of its end, its report, and of what it leaves. Read again
 * now that nobody else can write: what the plan was made from must still be so. seen: NULL for a new attempt.
 */
enum err_code attempt_take_story(struct attempt *a, const struct model *seen, struct err *err)
{
	struct model story;
	char *path = journal_path(a->sink->dir);

	model_init(&story);
	enum err_code rc = model_load(&story, path, err);
	bool same = seen ? story.resumes == seen->resumes && !story.end == !seen->end : !model_unfinished(&story);
	if (rc == ERR_OK && !same) {
		err_set(err, ERR_BLOCKED, "the migration has moved on since the plan was made");
		rc = err_hint(err, "somebody ran it meanwhile: look again, and make a new plan");
	}
	if (rc == ERR_OK && seen)
		model_take_story(&a->sink->live, &story);
	model_fini(&story);
	free(path);
	return rc;
}

/* What was seen and accepted before the attempt was opened belongs to its story. */
/* EV_BEGIN leaves findings and facts of the fold alone, so that they are still there. */
enum err_code attempt_journal_preflight(struct attempt *a, const struct model *before, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (int i = 0; i < 2 && rc == ERR_OK; i++)
		if (before->facts[i])
			rc = sink_journal(a->sink, before->facts[i], err);
	for (size_t i = 0; i < before->findings.n && rc == ERR_OK; i++) {
		const struct model_item *it = &before->findings.v[i];
		rc = sink_journal(a->sink, it->last, err);
		if (rc == ERR_OK && it->acked) {
			struct event *e = event_new(EV_ACK, it->last->id);
			e->text = sink_who();
			rc = sink_journal(a->sink, e, err);
			event_free(e);
		}
	}
	if (rc == ERR_OK) /* those of a process that began no attempt, too */
		rc = fixes_read(&a->sink->live, a->sink->dir, err);
	for (size_t i = 0; i < before->fixes.n && rc == ERR_OK; i++)
		rc = sink_journal(a->sink, before->fixes.v[i].last, err);
	return rc;
}

enum err_code attempt_announce(struct attempt *a, const struct plan *p, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < p->n && rc == ERR_OK; i++) {
		struct event *e = event_new(EV_PLAN, p->steps[i].id);
		xreplace(&e->title, p->steps[i].title);
		xreplace(&e->text, p->steps[i].why);
		e->sql = step_show(&p->steps[i]);
		e->n = (int64_t)i;
		e->of = (int64_t)p->n;
		rc = sink_emit(a->sink, e, err);
	}
	for (size_t i = 0; i < p->notes.n && rc == ERR_OK; i++) {
		struct event *e = event_new(EV_NOTE, NULL);
		xreplace(&e->title, "plan");
		xreplace(&e->text, p->notes.v[i]);
		rc = sink_emit(a->sink, e, err);
	}
	return rc;
}

static enum err_code emit_for_run(void *arg, struct event *e, struct err *err)
{
	return sink_emit(((struct attempt *)arg)->sink, e, err);
}

static enum err_code ask(void *arg, const char *id, const struct action *act, struct err *err)
{
	struct attempt *a = arg;

	return sink_ask(a->sink, a->cancel, id, act->title, act->sql, act->confirm, act->also, err);
}

static enum err_code reach(void *arg, enum side side, struct err *err)
{
	return route_open(((struct attempt *)arg)->route, side, err);
}

static bool login(void *arg, enum side side, const struct err *why)
{
	return route_login(((struct attempt *)arg)->route, side, why);
}

static enum err_code blame(void *arg, enum side side, struct err *err)
{
	return route_blame(((struct attempt *)arg)->route, side, err);
}

static char *told(void *arg, const char *id)
{
	struct command c = {0};

	if (!queue_told(((struct attempt *)arg)->sink->q, id, &c))
		return NULL;
	char *text = xstrdup(c.text);
	command_fini(&c);
	struct event *e = event_new(EV_ANSWER, id);
	struct err ignored;
	e->state = ST_DONE;
	xreplace(&e->title, text);
	e->text = sink_who();
	(void)sink_emit(((struct attempt *)arg)->sink, e, &ignored);
	return text;
}

static bool listing(void *arg)
{
	struct attempt *a = arg;

	for (struct command c; queue_told(a->sink->q, WATCH_TABLES, &c); command_fini(&c))
		a->listing = str_eq(c.text, "on");
	return a->listing;
}

char *attempt_app_name(const struct migration *m, const char *id)
{
	/* the server keeps 63 bytes: the run's id must survive */
	return xasprintf("pgusher %.32s %s", m->name, id);
}

void attempt_quiet(struct route *route, const struct model *seen)
{
	const struct migration *m = route->m;
	unsigned sides = migration_sides(m);
	struct err err;

	if (!seen || !seen->begin || !seen->begin->id)
		return;
	char *app = attempt_app_name(m, seen->begin->id);
	for (int i = 0; i < 2; i++) /* one that cannot be reached is found so by whoever needs it */
		if ((sides & (1u << i)) && route_open(route, (enum side)i, &err) == ERR_OK)
			(void)run_sweep(&m->end[i], (enum side)i, app, &err);
	free(app);
}

void attempt_init_run(struct run *r, struct attempt *a, const struct plan *p, const struct model *seen, const char *id)
{
	*r = (struct run){.m = a->m, .plan = p, .seen = seen, .live = &a->sink->live, .state_dir = a->sink->dir,
			  .cancel = a->cancel, .emit = emit_for_run, .hold = ask, .reach = reach, .blame = blame, .login = login, .told = told, .listing = listing, .arg = a};
	r->facts[SIDE_SOURCE] = a->survey->facts[SIDE_SOURCE];
	r->facts[SIDE_TARGET] = a->survey->facts[SIDE_TARGET];
	r->app = attempt_app_name(a->m, id);
}

static bool follows(const struct migration *m)
{
	return m->method == METHOD_SUBSCRIPTION;
}

static const char *good_end(const struct migration *m)
{
	if (m->dump.dump_only)
		return "the dump is complete";
	if (follows(m))
		return m->sub.copy == COPY_NATIVE || m->sub.adopt || m->dump.verify == VERIFY_OFF ? "the target follows the source; nothing was proven yet"
			: "the target follows the source; its copy was proven equal to the slot's snapshot";
	return m->dump.verify == VERIFY_OFF ? "done; nothing was proven, verify is off" : "done, and proven equal to the source's snapshot";
}

static void finish_texts(const struct run *r, enum err_code rc, const struct err *why, struct event *e)
{
	int open = (int)model_open(r->live);

	e->state = rc == ERR_OK ? ST_DONE : rc == ERR_CANCELLED ? ST_CANCELLED : ST_FAILED;
	if (rc == ERR_OK && open == 0) {
		e->n = 0;
		event_text(&e->text, "%s", good_end(r->m));
		event_text(&e->hint, "%s", r->m->dump.dump_only ? "restore it with use_file" : follows(r->m) ?
			   "watch it with pgusher watch; pgusher cutover makes the target the primary, pgusher cleanup ends it and removes all of it" :
			   r->moved_on ? "the target lacks what was written since the snapshot: to move without losing it, stop the writers first, then migrate again" :
			   "point the applications to the target; nothing may write to the source any more");
	} else if (rc == ERR_OK) {
		e->n = 1;
		event_text(&e->text, "done, with %d thing%s to look at", open, open == 1 ? "" : "s");
		event_text(&e->hint, "see what needs attention and what is not proven before the target is used");
	} else {
		e->n = rc == ERR_CANCELLED || rc == ERR_LOST ? 5 : 1;
		event_text(&e->text, "%s", why->msg);
		event_text(&e->hint, "%s%s%s", why->hint, why->hint[0] ? "; " : "",
			   follows(r->m) ? "start pgusher again to go on, or clean up: a slot left alone fills the source's disk" :
			   rc == ERR_DIFFERS ? "the source is untouched" : "start pgusher again to go on or to clean up; the source is untouched");
	}
}

/* From the journal, as pgusher report does: what earlier attempts found is a part of it. */
void attempt_write_report(struct attempt *a, const struct model *live)
{
	char *path = journal_path(a->sink->dir);
	struct model whole;
	struct err err;

	model_init(&whole);
	bool readable = model_load(&whole, path, &err) == ERR_OK && whole.begin;
	enum err_code rc = report_write(readable ? &whole : live, a->sink->dir, &err);
	model_fini(&whole);
	free(path);
	if (rc == ERR_OK)
		return;
	struct event *e = event_new(EV_NOTE, NULL);
	xreplace(&e->title, "report");
	event_text(&e->text, "could not be written: %s", err.msg);
	(void)sink_emit(a->sink, e, &err);
}

void attempt_close(struct attempt *a)
{
	journal_close(a->sink->j);
	a->sink->j = NULL;
	xreplace(&a->sink->dir, NULL);
	a->sink->broken = (struct err){0};
}

/* What the interrupted attempt had copied turned out to be of no use: the plan that removes it first takes the place of the one that kept it. */
static enum err_code begin_again(struct attempt *a, struct run *r, const struct model *seen, const char *id, struct plan **again, struct err *err)
{
	run_release(r, false);
	enum err_code rc = attempt_plan(again, a, &a->sink->live, err);
	if (rc == ERR_OK)
		rc = attempt_announce(a, *again, err);
	attempt_init_run(r, a, *again, seen, id);
	return rc == ERR_OK ? run_plan(r, err) : rc;
}

enum err_code attempt_run(struct attempt *a, const struct plan *p, const struct model *seen, struct err *err)
{
	struct run r = {0};
	struct err ignored;
	struct plan *again = NULL;
	char *id = NULL;

	a->sink->dir = migration_state_dir(a->m);
	enum err_code rc = journal_open(&a->sink->j, a->sink->dir, err);
	if (rc != ERR_OK) {
		attempt_close(a);
		return rc;
	}
	rc = attempt_take_story(a, seen, err);
	if (rc == ERR_OK)
		rc = attempt_begin(a, seen, &id, err);
	if (rc == ERR_OK)
		rc = attempt_journal_preflight(a, &a->sink->live, err);
	if (rc == ERR_OK)
		rc = attempt_announce(a, p, err);
	if (rc == ERR_OK) {
		attempt_init_run(&r, a, p, seen, id);
		rc = run_plan(&r, err);
		if (r.begin_again)
			rc = begin_again(a, &r, seen, id, &again, err);
		if (rc == ERR_OK) /* and proven: nothing has to be taken up any more */
			copied_remove(a->sink->dir);
		if (rc == ERR_CONNECT || rc == ERR_TIMEOUT) /* the preflight reached it: it went away since */
			rc = err->code = ERR_LOST;
		if (a->sink->broken.code != ERR_OK)
			rc = (*err = a->sink->broken).code;
		struct event *e = event_new(EV_END, id);
		bool sweep = rc != ERR_OK && rc != ERR_DIFFERS && rc != ERR_BLOCKED;
		finish_texts(&r, rc, err, e);
		run_release(&r, sweep);
		(void)sink_emit(a->sink, e, &ignored);
		attempt_write_report(a, &a->sink->live);
	}
	plan_free(again);
	free(id);
	attempt_close(a);
	return rc;
}

/* Which way changes travel now; false: nothing follows. */
static bool link_now(const struct attempt *a, struct link *l)
{
	const struct facts *src = a->survey->facts[SIDE_SOURCE];
	bool back = src && a->m->sub.publication && phase_in(src, a->m->sub.publication) == PHASE_CUT_OVER;

	if (!follows(a->m))
		return false;
	(back ? link_back : link_forward)(l, a->m);
	const struct facts *to = a->survey->facts[l->to];
	char *quoted = xasprintf("\"%s\"", l->subscription); /* facts have it as SQL wants it */
	bool there = false;
	for (size_t i = 0; to && i < to->n_objects; i++)
		there |= str_eq(to->objects[i].kind, "subscription") && (str_eq(to->objects[i].name, l->subscription) || str_eq(to->objects[i].name, quoted));
	free(quoted);
	return there;
}

/* Two servers are read at two moments: what is on its way between them is no loss. */
static void say_lag(const struct attempt *a, struct err *err)
{
	struct link l;

	if (link_now(a, &l))
		(void)err_hint(err, "the %s follows the %s: what was written meanwhile is on its way, and differs by nature. What differs while nobody writes is a real difference: pgusher watch says how far behind it is, pgusher %s compares behind its fence",
			       side_name(l.to), side_name(l.from), l.back ? "rollback" : "cutover");
}

enum err_code attempt_verify(struct attempt *a, struct err *err)
{
	struct plan *p = plan_new("verify");
	struct run r;
	char *id = attempt_new_id();

	attempt_init_run(&r, a, p, NULL, id);
	enum err_code rc = work_recheck(&r, NULL, err);
	if (rc == ERR_OK) { /* compared: whatever leader the target has now, nothing was lost */
		char *dir = migration_state_dir(a->m);
		watch_forget(dir);
		if (a->m->dump.verify != VERIFY_COUNT)
			rewritten_forget(a->m);
		free(dir);
	}
	run_release(&r, rc == ERR_CANCELLED);
	if (rc == ERR_DIFFERS)
		say_lag(a, err);
	if (rc == ERR_OK || rc == ERR_DIFFERS)
		compared_write(a->m, &a->sink->live.proofs);
	plan_free(p);
	free(id);
	return rc;
}
