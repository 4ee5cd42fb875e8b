/* Taking back what did not come to its hand-over, by what the servers say. Declared in cutover.h and cutover_in.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cutover/cutover_in.h"
#include "cutover/may.h"
#include "cutover/operator.h"
#include "method/replication.h"
#include "method/work.h"

#define AGAIN_MS 45000 /* a server that restarts, a cluster that chooses another leader */

static void keep_first(enum err_code *rc, struct err *err, enum err_code next, const struct err *why)
{
	if (*rc == ERR_OK && next != ERR_OK)
		*rc = (*err = *why).code;
}

/* ---- one side ---- */

/* They were told to end and did not: stopped, or deep in the kernel. The side's word stays, so that another --abort tells them again. */
static void say_stuck(struct run *r, const struct link *l)
{
	char *name = cutover_left_name(r->m, l);
	struct event *e = event_new(EV_LEFT, name);

	event_text(&e->title, "the %s takes writes again, but sessions that began while it was closed do not end, and can only read", side_name(l->from));
	xreplace(&e->text, side_name(l->from));
	xreplace(&e->sql, l->back ? "pgusher rollback --abort  -- ends them" : "pgusher cutover --abort  -- ends them");
	run_emit(r, e);
	free(name);
	if (r->cutover)
		r->cutover->stuck = true;
}

/* What was really run, and where: the plan knew neither what was set before, nor always the side. */
static void say_opened(struct run *r, const struct link *l, const char *before)
{
	struct str sql = {0};

	phase_setting_sql(&sql, r->m->end[l->from].dbname, before ? before : "");
	run_note(r, "opened again", "on the %s: %s", side_name(l->from), str_text(&sql));
	str_fini(&sql);
}

/* Opens a side again; sessions that began while it was closed do not know that it is open: they end, and the word goes when they have. */
static enum err_code thaw(struct run *r, const struct link *l, const struct phase_note *note, struct err *err)
{
	struct session *s;
	enum err_code rc = cutover_on(r, l->from, &s, err);

	if (rc == ERR_OK)
		rc = phase_write(s, r->m, l, PHASE_OPENED, note->before, err);
	if (rc != ERR_OK)
		return rc;
	say_opened(r, l, note->before);
	if (r->cutover)
		r->cutover->opened = true;
	rc = cutover_end_sessions(r, l->from, err);
	if (rc == ERR_TIMEOUT)
		say_stuck(r, l);
	if (rc == ERR_OK)
		rc = cutover_on(r, l->from, &s, err);
	if (rc == ERR_OK)
		rc = phase_write(s, r->m, l, PHASE_NONE, note->before, err);
	if (rc == ERR_OK)
		cutover_say_thawed(r, l);
	return rc;
}

/* What was written down before it was done, and was not done. */
static void say_not_closed(struct run *r, const struct link *l)
{
	char *name = cutover_left_name(r->m, l);
	const struct model_item *it = r->live ? model_find(&r->live->left, name) : NULL;

	if (!it && r->seen)
		it = model_find(&r->seen->left, name);
	if (it && !it->removed)
		cutover_say_thawed(r, l);
	free(name);
}

/* follows: the other side follows again, whatever else failed. */
static enum err_code take_back(struct run *r, const struct link *l, const struct phase_note *note, bool *follows, struct err *err)
{
	struct err why = {0};
	enum err_code rc = phase_unfinished(note->phase) ? thaw(r, l, note, err) : ERR_OK;

	if (note->phase == PHASE_NONE)
		say_not_closed(r, l);
	enum err_code woken = cutover_subscription(r, l, "ENABLE", &why);

	if (woken == ERR_OK)
		woken = cutover_hurry(r, l, false, &why);
	*follows = woken == ERR_OK;
	keep_first(&rc, err, woken, &why);
	return rc;
}

enum err_code cutover_take_back(struct run *r, const struct link *l, const struct phase_note *note, struct err *err)
{
	bool follows;

	return take_back(r, l, note, &follows, err);
}

static enum err_code note_of(struct run *r, const struct link *l, struct phase_note *note, struct err *err)
{
	struct session *s;
	enum err_code rc = cutover_on(r, l->from, &s, err);

	*note = (struct phase_note){0};
	return rc == ERR_OK ? phase_read(s, l->publication, note, err) : rc;
}

/* ---- whatever was interrupted ---- */

/* The source is the primary, and nothing was handed over. */
static enum err_code take_back_cutover(struct run *r, const struct link *f, const struct phase_note *source, struct err *err)
{
	struct err why = {0};
	bool follows;
	enum err_code rc = take_back(r, f, source, &follows, err);

	if (follows) /* its slot would keep WAL for nobody */
		keep_first(&rc, err, back_remove(r, true, &why), &why);
	if (rc == ERR_OK && source->phase == PHASE_NONE && !r->cutover)
		run_note(r, "taken back", "the source had not been closed; the target follows it");
	return rc;
}

/* By what the servers say; the target need not be there for the source to be opened. */
static enum err_code take_back_any(struct run *r, bool rollback, struct err *err)
{
	struct phase_note source, target = {0};
	struct link f, b;
	bool way_back = false;

	link_forward(&f, r->m);
	link_back(&b, r->m);
	enum err_code rc = note_of(r, &f, &source, err);
	if (rc == ERR_OK && source.phase <= PHASE_FENCED) {
		rc = take_back_cutover(r, &f, &source, err);
	} else if (rc == ERR_OK) {
		rc = note_of(r, &b, &target, err);
		if (rc == ERR_OK)
			rc = back_exists(r, &way_back, err);
		if (rc == ERR_OK && source.phase == PHASE_CUT_OVER && (phase_unfinished(target.phase) || (rollback && way_back)))
			rc = cutover_take_back(r, &b, &target, err);
		else if (rc == ERR_OK)
			rc = may_too_late(source.phase, err);
	}
	phase_fini(&source);
	phase_fini(&target);
	return rc;
}

enum err_code work_take_back(struct run *r, const void *arg, struct err *err)
{
	struct link l;

	if (arg)
		link_back(&l, r->m);
	else
		link_forward(&l, r->m);
	enum err_code rc = take_back_any(r, arg != NULL, err);
	if (rc == ERR_OK)
		operator_unfence(r, &l);
	return rc;
}

/* ---- for a clean-up ---- */

enum err_code work_thaw(struct run *r, const void *arg, struct err *err)
{
	struct phase_note note;
	struct link f;

	(void)arg;
	link_forward(&f, r->m);
	enum err_code rc = note_of(r, &f, &note, err);
	if (rc == ERR_OK && phase_unfinished(note.phase))
		rc = thaw(r, &f, &note, err);
	else if (rc == ERR_OK && note.phase == PHASE_CUT_OVER)
		run_note(r, "the old source", "stays closed: it was cut over");
	phase_fini(&note);
	return rc;
}

enum err_code work_thaw_back(struct run *r, const void *arg, struct err *err)
{
	struct phase_note source, target = {0};
	struct link f, b;

	(void)arg;
	link_forward(&f, r->m);
	link_back(&b, r->m);
	enum err_code rc = note_of(r, &f, &source, err);
	if (rc == ERR_OK)
		rc = note_of(r, &b, &target, err);
	if (rc == ERR_OK && phase_unfinished(target.phase) && source.phase != PHASE_ROLLED_BACK)
		rc = thaw(r, &b, &target, err);
	phase_fini(&source);
	phase_fini(&target);
	return rc;
}

/* ---- at the end of a cutover ---- */

static void drop_sessions(struct run *r)
{
	for (int i = 0; i < 2; i++) {
		session_close(r->control[i]);
		r->control[i] = NULL;
	}
}

/* A session that broke may go on to its COMMIT, and close the side behind our back: it ends before anybody looks. The other side is not waited for. */
static void end_strays(struct run *r)
{
	enum side from = r->cutover->link.from;
	bool broke = r->cutover->hard && r->control[from] && !session_alive(r->control[from]);
	struct err ignored;

	drop_sessions(r);
	if (broke && r->reach(r->arg, from, &ignored) == ERR_OK) /* one that is away is found so below */
		(void)run_sweep(&r->m->end[from], from, r->app, &ignored);
}

/* A server that restarts comes back, a cluster finds a leader; sessions that do not end, or a hand-over that happened, stay so. */
static enum err_code take_back_again(struct run *r, struct err *err)
{
	int64_t end = clock_deadline(AGAIN_MS);

	for (bool said = false;; said = true) {
		end_strays(r);
		enum err_code rc = take_back_any(r, r->cutover->link.back, err);
		if (rc == ERR_OK || rc == ERR_BLOCKED || r->cutover->stuck || clock_mono_us() > end)
			return rc;
		if (!said)
			run_note(r, "taking back", "%s; it is tried again for %d s", err->msg, AGAIN_MS / 1000);
		(void)poll(NULL, 0, 300);
	}
}

/* What was cancelled must not be what takes it back: other sessions, another cancel. */
static enum err_code take_back_quietly(struct run *r, struct err *err)
{
	struct cancel quiet, *cancelled = r->cancel;

	if (!cancel_init(&quiet))
		return err_errno(err, "no descriptor is left");
	r->cancel = &quiet;
	enum err_code rc = take_back_again(r, err);
	drop_sessions(r);
	r->cancel = cancelled;
	cancel_fini(&quiet);
	return rc;
}

static enum cutover_outcome take_it_back(struct run *r)
{
	struct cutover *c = r->cutover;
	const char *verb = c->link.back ? "rollback" : "cutover", *from = side_name(c->link.from);
	struct err err = {0};

	if (!c->hard && !c->asleep && !c->back && !c->hurried)
		return c->began_us ? CUTOVER_TAKEN_BACK : CUTOVER_NOBODY_WAITED;
	enum err_code rc = take_back_quietly(r, &err);
	if (rc == ERR_OK)
		return c->began_us ? CUTOVER_TAKEN_BACK : CUTOVER_NOBODY_WAITED;
	if (rc == ERR_BLOCKED) {
		run_note(r, "hand-over", "it had been done when its answer was lost: the %s is the primary; pgusher %s again does what is missing", side_name(c->link.to), verb);
		cutover_say_thawed(r, &c->link);
		cutover_say_stays_closed(r, c->link.from, false);
		return CUTOVER_HANDED;
	}
	if (c->opened || !c->hard) {
		run_note(r, "NOT TAKEN BACK", "the %s is written to, but the rest was not put back: %s; start pgusher %s --abort to try that again", from, err.msg, verb);
		return CUTOVER_OPENED;
	}
	run_note(r, "NOT TAKEN BACK", "the %s may still refuse writes: %s; start pgusher %s --abort as soon as both servers are there", from, err.msg, verb);
	return CUTOVER_NOT_TAKEN_BACK;
}

static void say_outage(struct run *r, enum cutover_outcome how)
{
	char text[32];

	if (r->cutover->began_us)
		run_note(r, "outage", "writers waited or were refused for %s; %s", fmt_secs(text, sizeof text, (double)(clock_mono_us() - r->cutover->began_us) / 1e6),
			 how == CUTOVER_TAKEN_BACK ? "then it was taken back, and replication goes on" : "see above");
}

enum cutover_outcome cutover_settle(struct run *r)
{
	struct cutover *c = r->cutover;
	enum cutover_outcome how = CUTOVER_HANDED;

	if (!c)
		return CUTOVER_NOBODY_WAITED;
	r->undoing = true;
	cancel_end_at(r->cancel, 0);
	session_close(c->fence); /* its locks end here */
	session_close(c->aside);
	c->fence = c->aside = NULL;
	if (!r->handed) {
		how = take_it_back(r);
		if (how != CUTOVER_NOT_TAKEN_BACK && how != CUTOVER_HANDED)
			operator_unfence(r, &c->link);
		say_outage(r, how);
	}
	r->undoing = false;
	cutover_forget_sequences(c);
	free(c->lock_sql);
	free(c->before);
	free(c->source_before);
	free(c);
	r->cutover = NULL;
	return how;
}
