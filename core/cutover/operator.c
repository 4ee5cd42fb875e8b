#include "cutover/operator.h"

#include <stdlib.h>

#include "base/clock.h"
#include "cutover/cutover_in.h"
#include "cutover/hook.h"
#include "watch/talkers.h"

#define ASK_MS 5000
#define HELD "the application's writers are held by the operator's command"

/* ---- their fence ---- */

static enum err_code work_fence(struct run *r, const void *arg, struct err *err)
{
	if (r->handed) /* the application writes on the new primary already */
		return ERR_OK;
	cutover_clock(r, true);
	enum err_code rc = work_hook(r, arg, err);
	cutover_part(r, "fence command");
	return rc == ERR_OK ? cutover_in_time(r, err) : rc;
}

void operator_fence_plan(struct plan *p, const struct migration *m, const struct link *l)
{
	struct step *st = plan_step(p, "soft-fence", "let the writers wait", "The operator's command holds them back; the proofs look whether it does.");
	struct action *a = hook_add(st, m, HOOK_FENCE, l->to);

	if (!a)
		return;
	a->work = work_fence;
	a->left_name = xstrdup(OPERATOR_FENCE);
	a->left_what = xstrdup(HELD);
	a->left_undo = hook_show(m, HOOK_UNFENCE, l->from);
}

static const struct event *left_in(const struct model *m, const char *id)
{
	const struct model_item *it = m ? model_find(&m->left, id) : NULL;

	return it && !it->removed ? it->last : NULL;
}

/* As the journal knew it when we began, or as it is now, which counts. */
static const struct event *left(const struct run *r, const char *id)
{
	if (r->live && model_find(&r->live->left, id))
		return left_in(r->live, id);
	return left_in(r->seen, id);
}

static void say_left(struct run *r, const char *id, const char *what, enum hook_moment undo, enum side to)
{
	struct event *e = event_new(EV_LEFT, id);

	xreplace(&e->title, what);
	xreplace(&e->text, where_name(HERE));
	e->sql = hook_show(r->m, undo, to);
	run_emit(r, e);
}

static void say_gone(struct run *r, const char *id)
{
	if (left(r, id))
		run_emit(r, event_new(EV_REMOVED, id));
}

char *operator_to_point(const struct run *r)
{
	const struct event *e = left(r, OPERATOR_POINT);

	return e ? xstrdup(e->sql) : NULL;
}

void operator_unfence(struct run *r, const struct link *l)
{
	struct err err = {0};

	if (!left(r, OPERATOR_FENCE))
		return;
	if (hook_run(r, HOOK_UNFENCE, l->from, "taken back", NULL, &err) == ERR_OK)
		say_gone(r, OPERATOR_FENCE);
	else
		run_note(r, "NOT LET GO", "the application may still be held: %s; run it by hand, or start pgusher %s --abort", err.msg, l->back ? "rollback" : "cutover");
}

/* ---- their hand-over ---- */

/* Takes a number that the server gives to whoever writes, in any of its databases: when the next one follows, nobody wrote in between. 0: not known. */
static int64_t take_number(struct run *r, struct err *err)
{
	struct session *to;
	char *text = NULL;
	int64_t n = 0;

	if (cutover_on(r, SIDE_TARGET, &to, err) == ERR_OK && session_value(to, "SELECT txid_current()", &text, err) == ERR_OK)
		(void)str_to_i64(text, 0, INT64_MAX, &n);
	free(text);
	return n;
}

/*
 * A command that failed midway may have pointed a part of the application there: what that wrote would be on the target alone. True: proven
 * that nothing was written; else what is known goes into `known`. before: the number taken when the command began.
 */
static bool unwritten(struct run *r, int64_t before, struct str *known)
{
	struct session *to;
	struct link b;
	struct err err = {0};
	char who[200] = "", text[48];
	int64_t changes = 0, now = take_number(r, &err);

	link_back(&b, r->m);
	if (before > 0 && now == before + 1)
		return true;
	if (now > 0 && before > 0 && !r->cutover->back) {
		str_addf(known, "%s wrote on the target's server since the hand-over, and without a reverse link nobody can tell what", fmt_things(text, sizeof text, now - before - 1, "transaction"));
		return false;
	}
	enum err_code rc = err.code == ERR_OK ? cutover_on(r, SIDE_TARGET, &to, &err) : err.code;
	if (rc == ERR_OK && !r->cutover->back)
		rc = err_set(&err, ERR_LOST, "it was not asked before the command began");
	if (rc == ERR_OK) /* who has not come to an end stands in no slot */
		rc = writers_ask(to, ASK_MS, who, sizeof who, &err);
	if (rc == ERR_OK && !*who)
		rc = cutover_written(r, &b, &changes, &err);
	if (rc != ERR_OK)
		str_addf(known, "whether the target was written to since the hand-over could not be seen (%.100s)", err.msg);
	else if (*who)
		str_addf(known, "somebody writes on the target: %.100s", who);
	else if (changes > 0)
		str_addf(known, "the target has taken %s since the hand-over", fmt_things(text, sizeof text, changes, "change"));
	return known->len == 0;
}

/* Whoever the command has pointed there before it failed would write there, behind the back of the source. */
static void say_who_is_there(struct run *r)
{
	struct session *to;
	struct err ignored;
	char who[600], count[48];
	int64_t n = 0;

	if (cutover_on(r, SIDE_TARGET, &to, &ignored) == ERR_OK && talkers_ask(to, ASK_MS, &n, who, sizeof who, &ignored) == ERR_OK && n > 0)
		run_note(r, "still on the target", "%s: see that none of them is of an application that the command pointed there: %s", fmt_things(count, sizeof count, n, "session"), who);
}

static void say_closed_for_now(struct run *r)
{
	const struct cutover *c = r->cutover;
	char *name = cutover_left_name(r->m, &c->link);
	struct event *e = event_new(EV_LEFT, name);
	struct str undo = {0};

	cutover_say_open(r, c->link.from);
	event_text(&e->title, "the %s refuses writes", side_name(c->link.from));
	xreplace(&e->text, side_name(c->link.from));
	phase_setting_sql(&undo, r->m->end[c->link.from].dbname, c->before);
	e->sql = str_take(&undo);
	run_emit(r, e);
	free(name);
}

/* The application is not there, the command says: the word is taken back, so that everything else is, too. */
static enum err_code back_to_fenced(struct run *r, int64_t before, struct err *why)
{
	struct cutover *c = r->cutover;
	struct session *s;
	struct str known = {0};
	struct err err;

	bool safe = unwritten(r, before, &known);
	if (!safe)
		(void)err_hint(why, "%s, so that nothing was taken back: see that all of the application points to the target%s", str_text(&known),
			       c->back ? ", or go back with pgusher rollback" : "; there is no way back ([cutover] reverse = no)");
	str_fini(&known);
	if (!safe)
		return why->code;
	enum err_code rc = cutover_on(r, SIDE_SOURCE, &s, &err);
	if (rc == ERR_OK)
		rc = phase_write(s, r->m, &c->link, PHASE_FENCED, c->before, &err);
	if (rc != ERR_OK) {
		run_note(r, "hand-over", "not taken back: %s", err.msg);
		return why->code;
	}
	r->handed = false;
	say_closed_for_now(r); /* until the rest is taken back */
	say_gone(r, OPERATOR_POINT);
	if (r->m->cut.fence == FENCE_HOOK) /* it does, still */
		say_left(r, OPERATOR_FENCE, HELD, HOOK_UNFENCE, c->link.from);
	say_who_is_there(r);
	return err_hint(why, "all was taken back; put the command right, try it by hand, then cut over again");
}

static enum err_code work_point(struct run *r, const void *arg, struct err *err)
{
	bool just_now = r->cutover->began_us != 0; /* not of a hand-over that an earlier run did */
	int64_t t0 = just_now ? r->cutover->mark_us : clock_mono_us(), before = 0;
	struct err ignored;

	if (!r->cutover->link.back && just_now)
		before = take_number(r, &ignored);
	cutover_hold_on(r, r->m->hooks.timeout_s + 60);
	say_gone(r, OPERATOR_FENCE); /* from here on the way is forward */
	say_left(r, OPERATOR_POINT, "the application may not point to the new primary yet: its command did not end well", HOOK_HAND_OVER, r->cutover->link.to);
	enum err_code rc = work_hook(r, arg, err);
	if (rc == ERR_OK) {
		say_gone(r, OPERATOR_POINT);
		run_note(r, "pointed", "the application was pointed to the new primary within %lld ms of the hand-over, which the outage does not count", (long long)(clock_mono_us() - t0) / 1000);
		return rc;
	}
	/* Only the forward way has its word on the side that is closed; a command that was stopped may have done its work. */
	if ((rc == ERR_CHILD || rc == ERR_IO) && !r->cutover->link.back && just_now)
		rc = back_to_fenced(r, before, err);
	else
		(void)err_hint(err, "whether the application points to the new primary is not known, so that nothing was taken back: look, and run the command by hand%s",
			       !r->cutover->link.back && r->m->cut.reverse ? ", or go back with pgusher rollback" : "; there is no way back");
	if (r->handed)
		cutover_let_go(r);
	return rc;
}

static void hold_text(const struct migration *m, const struct link *l, struct str *s)
{
	char *conninfo = endpoint_conninfo(&m->end[l->to], NULL, true);
	struct endpoint app;

	str_addf(s, "The new primary: %s\n", conninfo);
	free(conninfo);
	if (!str_empty(m->cut.app.host)) {
		migration_app(m, &app);
		conninfo = endpoint_conninfo(&app, NULL, false);
		str_addf(s, "The application's address, which must lead to it: %s\n", conninfo);
		free(conninfo);
		endpoint_fini(&app);
	}
	str_add(s, "The old one refuses writes. No ends it here: nothing is taken back, pgusher rollback would go back.");
}

void operator_point_plan(struct step *st, const struct migration *m, const struct link *l)
{
	struct action *a = hook_add(st, m, HOOK_HAND_OVER, l->to);

	if (a)
		a->work = work_point;
}

void operator_hold_plan(struct step *st, const struct migration *m, const struct link *l)
{
	if (m->cut.hold) {
		struct str text = {0};
		hold_text(m, l, &text);
		(void)step_hold(st, "Does the application point to the new primary?", str_text(&text), NULL);
		str_fini(&text);
	}
}
