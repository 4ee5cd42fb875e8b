#include "method/cutover_in.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "method/operator.h"
#include "method/replication.h"
#include "method/work.h"

#define OVER_HINT "replication goes on; see which part took the time, and try again, or allow more with --max-outage"
#define AGAIN_MS 45000 /* a server that restarts, a cluster that chooses another leader */

/* ---- time ---- */

enum err_code cutover_in_time(struct run *r, struct err *err)
{
	const struct cutover *c = r->cutover;

	if (cancel_raised(r->cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	if (!c || c->began_us == 0 || c->handed || clock_mono_us() - c->began_us < c->max_us)
		return ERR_OK;
	err_set(err, ERR_TIMEOUT, "the write outage would have exceeded %d s", (int)(c->max_us / 1000000));
	return err_hint(err, OVER_HINT);
}

void cutover_clock(struct run *r, bool on)
{
	struct cutover *c = r->cutover;

	c->began_us = c->mark_us = on ? clock_mono_us() : 0;
	c->n_parts = 0;
	cancel_end_at(r->cancel, on ? c->began_us + c->max_us : 0);
}

enum err_code cutover_judge(struct run *r, enum err_code rc, struct err *err)
{
	struct err over;

	if (rc != ERR_TIMEOUT || !r->cutover || str_starts(err->msg, "the write outage") || cutover_in_time(r, &over) != ERR_TIMEOUT)
		return rc;
	(void)err_prefix(err, "%s", over.msg);
	return err_hint(err, OVER_HINT);
}

enum err_code cutover_pause(struct run *r, int ms, struct err *err)
{
	struct pollfd fd = {.fd = r->cancel->fd, .events = POLLIN};

	(void)poll(&fd, 1, ms);
	return cutover_in_time(r, err);
}

void cutover_part(struct run *r, const char *name)
{
	struct cutover *c = r->cutover;
	int64_t now = clock_mono_us(), us = now - c->mark_us;
	size_t i = 0;

	if (c->began_us == 0)
		return;
	c->mark_us = now;
	while (i < c->n_parts && !str_eq(c->parts[i].name, name))
		i++;
	if (i == CUTOVER_PARTS)
		return;
	if (i == c->n_parts)
		c->parts[c->n_parts++].name = name;
	else
		us += c->parts[i].us;
	c->parts[i].us = us;
}

/* ---- both sides ---- */

enum err_code cutover_on(struct run *r, enum side side, struct session **s, struct err *err)
{
	return run_session(r, side, NULL, s, err);
}

enum err_code cutover_subscription(struct run *r, const struct link *l, const char *what, struct err *err)
{
	struct session *s;
	struct str sql = {0};
	enum err_code rc = cutover_on(r, l->to, &s, err);

	str_add(&sql, "ALTER SUBSCRIPTION ");
	sql_ident(&sql, l->subscription);
	str_addf(&sql, " %s", what);
	if (rc == ERR_OK)
		rc = session_run(s, str_text(&sql), err);
	str_fini(&sql);
	return rc;
}

enum err_code cutover_stand(struct run *r, struct stand *out, struct err *err)
{
	struct link l[2];
	enum err_code rc = ERR_OK;

	*out = (struct stand){0};
	link_forward(&l[SIDE_SOURCE], r->m);
	link_back(&l[SIDE_TARGET], r->m);
	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		struct session *s;
		rc = cutover_on(r, (enum side)i, &s, err);
		if (rc == ERR_OK)
			rc = phase_read(s, l[i].publication, &out->at[i], err);
	}
	return rc;
}

void stand_fini(struct stand *s)
{
	phase_fini(&s->at[0]);
	phase_fini(&s->at[1]);
}

/* ---- taking back ---- */

char *cutover_left_name(const struct migration *m, const struct link *l)
{
	return xasprintf("%sfreeze:%s", l->back ? "back-" : "", m->end[l->from].dbname);
}

void cutover_say_thawed(struct run *r, const struct link *l)
{
	char *name = cutover_left_name(r->m, l);

	run_emit(r, event_new(EV_REMOVED, name));
	free(name);
}

enum err_code cutover_hurry(struct run *r, const struct link *l, bool on, struct err *err)
{
	const char *usual = l->back || !r->m->sub.synchronous_commit ? "off" : r->m->sub.synchronous_commit;
	char *what = xasprintf("SET (synchronous_commit = '%s')", on && str_eq(usual, "off") ? "on" : usual);
	enum err_code rc = cutover_subscription(r, l, what, err);

	if (r->cutover)
		r->cutover->hurried |= on;
	free(what);
	return rc;
}

/* Opens a side again; sessions that began while it was closed do not know that it is open: they end. */
static enum err_code thaw(struct run *r, const struct link *l, const struct phase_note *note, struct err *err)
{
	struct session *s;
	enum err_code rc = cutover_on(r, l->from, &s, err);

	if (rc == ERR_OK)
		rc = phase_write(s, r->m->end[l->from].dbname, l->publication, PHASE_NONE, note->before, err);
	if (rc == ERR_OK)
		cutover_say_thawed(r, l);
	return rc == ERR_OK ? cutover_end_sessions(r, l->from, err) : rc;
}

/* The side is written to again, whatever has become of the other; then the other follows it again. */
static enum err_code take_back(struct run *r, const struct link *l, const struct phase_note *note, struct err *err)
{
	enum err_code rc = note->phase == PHASE_FENCED ? thaw(r, l, note, err) : ERR_OK;

	if (rc == ERR_OK)
		rc = cutover_subscription(r, l, "ENABLE", err);
	return rc == ERR_OK ? cutover_hurry(r, l, false, err) : rc;
}

static enum err_code note_of(struct run *r, const struct link *l, struct phase_note *note, struct err *err)
{
	struct session *s;
	enum err_code rc = cutover_on(r, l->from, &s, err);

	*note = (struct phase_note){0};
	return rc == ERR_OK ? phase_read(s, l->publication, note, err) : rc;
}

/* Whatever was interrupted before its hand-over, by what the servers say; the target need not be there for the source to be opened. */
static enum err_code take_back_any(struct run *r, bool rollback, struct err *err)
{
	struct phase_note source, target = {0};
	struct link f, b;

	link_forward(&f, r->m);
	link_back(&b, r->m);
	enum err_code rc = note_of(r, &f, &source, err);
	if (rc == ERR_OK && source.phase <= PHASE_FENCED) {
		rc = take_back(r, &f, &source, err);
		if (rc == ERR_OK) /* its slot would keep WAL for nobody */
			rc = back_remove(r, true, err);
	} else if (rc == ERR_OK) {
		bool way_back = false;
		rc = note_of(r, &b, &target, err);
		if (rc == ERR_OK)
			rc = back_exists(r, &way_back, err);
		if (rc == ERR_OK && source.phase == PHASE_CUT_OVER && (target.phase == PHASE_FENCED || (rollback && way_back))) {
			rc = take_back(r, &b, &target, err);
		} else if (rc == ERR_OK) {
			err_set(err, ERR_BLOCKED, source.phase == PHASE_CUT_OVER ? "nothing can be taken back: the cutover came to its hand-over, the target is the primary"
				: "nothing can be taken back: the rollback came to its hand-over, the source is the primary");
			rc = err_hint(err, source.phase == PHASE_CUT_OVER ? "pgusher rollback makes the source the primary again; never open it while the target is in use"
				: "pgusher rollback does what is missing of it, pgusher finalize removes what is left");
		}
	}
	phase_fini(&source);
	phase_fini(&target);
	return rc;
}

enum err_code work_thaw(struct run *r, const void *arg, struct err *err)
{
	struct phase_note note;
	struct link f;

	(void)arg;
	link_forward(&f, r->m);
	enum err_code rc = note_of(r, &f, &note, err);
	if (rc == ERR_OK && note.phase == PHASE_FENCED)
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
	if (rc == ERR_OK && target.phase == PHASE_FENCED && source.phase != PHASE_ROLLED_BACK)
		rc = thaw(r, &b, &target, err);
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

static void let_sessions_go(struct run *r)
{
	for (int i = 0; i < 2; i++) {
		session_close(r->control[i]);
		r->control[i] = NULL;
	}
}

/* The word of the hand-over may have been given although its answer did not come: then the way is forward. */
static enum err_code take_back_unless_handed(struct run *r, struct err *err)
{
	struct cutover *c = r->cutover;
	struct phase_note source;
	struct link f;

	link_forward(&f, r->m);
	enum err_code rc = note_of(r, &f, &source, err);
	c->handed = rc == ERR_OK && source.phase == (c->link.back ? PHASE_ROLLED_BACK : PHASE_CUT_OVER);
	phase_fini(&source);
	if (c->handed) {
		run_note(r, "hand-over", "it had been done when its answer was lost: the %s is the primary", side_name(c->link.to));
		cutover_say_thawed(r, &c->link);
	}
	return rc != ERR_OK || c->handed ? rc : take_back_any(r, c->link.back, err);
}

/* A server that restarts comes back, a cluster finds a leader. */
static enum err_code take_back_again(struct run *r, struct err *err)
{
	int64_t end = clock_deadline(AGAIN_MS);

	for (bool said = false;; said = true) {
		let_sessions_go(r);
		enum err_code rc = take_back_unless_handed(r, err);
		if (rc == ERR_OK || rc == ERR_BLOCKED || clock_mono_us() > end)
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
	let_sessions_go(r);
	r->cancel = cancelled;
	cancel_fini(&quiet);
	return rc;
}

static void say_not_taken_back(struct run *r, const struct err *why)
{
	const struct link *l = &r->cutover->link;
	char *name = cutover_left_name(r->m, l);
	const struct model_item *freeze = model_find(&r->live->left, name);
	bool closed = freeze && !freeze->removed;

	run_note(r, "NOT TAKEN BACK", "the %s %s: %s; start pgusher %s --abort as soon as both servers are there", side_name(l->from),
		 closed ? "may still refuse writes" : "is written to, but the rest was not put back", why->msg, l->back ? "rollback" : "cutover");
	free(name);
}

bool cutover_handed(const struct run *r)
{
	return r->cutover && r->cutover->handed;
}

static void say_waited(struct run *r)
{
	const struct cutover *c = r->cutover;
	char text[32];

	run_note(r, "outage", "writers waited or were refused for %s; %s", fmt_secs(text, sizeof text, (double)(clock_mono_us() - c->began_us) / 1e6),
		 r->outcome == CUT_TAKEN_BACK ? "then it was taken back, and replication goes on" : "see above");
}

void cutover_release(struct run *r)
{
	struct cutover *c = r->cutover;
	struct err err = {0};
	enum err_code rc = ERR_OK;

	if (!c)
		return;
	r->undoing = true;
	cancel_end_at(r->cancel, 0);
	session_close(c->fence); /* its locks end here */
	session_close(c->aside);
	c->fence = c->aside = NULL;
	if (!c->handed && (c->hard || c->asleep || c->back || c->hurried))
		rc = take_back_quietly(r, &err);
	r->outcome = c->handed ? CUT_HANDED : rc == ERR_OK ? CUT_TAKEN_BACK : CUT_STUCK;
	if (r->outcome == CUT_STUCK)
		say_not_taken_back(r, &err);
	if (r->outcome == CUT_TAKEN_BACK)
		operator_unfence(r, &c->link);
	if (!c->handed && c->began_us)
		say_waited(r);
	r->undoing = false;
	cutover_forget_sequences(c);
	free(c->lock_sql);
	free(c->before);
	free(c->source_before);
	free(c);
	r->cutover = NULL;
}

/* ---- ready ---- */

static enum err_code published_is_followed(struct run *r, const struct link *l, struct err *err)
{
	const char *pub[] = {l->publication}, *sub[] = {l->subscription};
	struct session *from, *to;
	PGresult *a = NULL, *b = NULL;
	enum err_code rc = cutover_on(r, l->from, &from, err);

	if (rc == ERR_OK)
		rc = cutover_on(r, l->to, &to, err);
	if (rc == ERR_OK)
		rc = session_exec(from, "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = $1"
			" ORDER BY (schemaname || '.' || tablename) COLLATE \"C\"", 1, pub, 0, &a, err);
	if (rc == ERR_OK)
		rc = session_exec(to, "SELECT n.nspname || '.' || c.relname, l.srsubstate = 'r' FROM pg_subscription_rel l"
			" JOIN pg_subscription s ON s.oid = l.srsubid AND s.subname = $1 JOIN pg_class c ON c.oid = l.srrelid"
			" JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY (n.nspname || '.' || c.relname) COLLATE \"C\"", 1, sub, 0, &b, err);
	for (int i = 0; rc == ERR_OK && i < PQntuples(a); i++)
		if (i >= PQntuples(b) || strcmp(cell(a, i, 0), cell(b, i, 0)) != 0) {
			err_set(err, ERR_BLOCKED, "the %s publishes %s, but the %s does not follow it", side_name(l->from), cell(a, i, 0), side_name(l->to));
			rc = err_hint(err, "ALTER SUBSCRIPTION ... REFRESH PUBLICATION on the %s, and wait until it is ready", side_name(l->to));
		}
	for (int i = 0; rc == ERR_OK && i < PQntuples(b); i++)
		if (!cell_bool(b, i, 1)) {
			err_set(err, ERR_BLOCKED, "%s is not ready on the %s yet", cell(b, i, 0), side_name(l->to));
			rc = err_hint(err, "wait until every table is; pgusher run goes on waiting");
		}
	PQclear(a);
	PQclear(b);
	return rc;
}

static enum err_code be_awake(struct run *r, const struct link *l, struct err *err)
{
	const char *params[] = {l->subscription};
	struct session *s;
	PGresult *res;
	enum err_code rc = cutover_on(r, l->to, &s, err);

	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT subenabled FROM pg_subscription WHERE subname = $1", 1, params, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	bool there = PQntuples(res) > 0, awake = there && cell_bool(res, 0, 0);
	PQclear(res);
	if (!there)
		return err_set(err, ERR_BLOCKED, "there is no subscription %s on the %s", l->subscription, side_name(l->to));
	if (awake)
		return ERR_OK;
	run_note(r, "cutover", "the subscription was asleep; it is woken");
	return cutover_subscription(r, l, "ENABLE", err);
}

static enum err_code already_over(struct run *r, struct err *err)
{
	char *point = operator_to_point(r);
	enum err_code rc = ERR_OK;

	if (point) {
		err_set(err, ERR_BLOCKED, "it was cut over already: the target is the primary");
		rc = err_hint(err, "the command hand_over did not end well: run it by hand: %s", point);
	} else {
		run_note(r, "cutover", "it came to its hand-over already: only what follows is done");
		r->cutover->handed = true;
		cutover_say_thawed(r, &r->cutover->link);
	}
	free(point);
	return rc;
}

static enum err_code may_roll_back(struct run *r, const struct stand *st, struct err *err)
{
	bool there = false;

	xreplace(&r->cutover->source_before, st->at[SIDE_SOURCE].before ? st->at[SIDE_SOURCE].before : "");
	switch (st->at[SIDE_SOURCE].phase) {
	case PHASE_NONE:
	case PHASE_FENCED:
		err_set(err, ERR_BLOCKED, "there is nothing to roll back: it was not cut over");
		return err_hint(err, "pgusher cutover --abort takes an interrupted cutover back");
	case PHASE_ROLLED_BACK:
		run_note(r, "rollback", "it came to its hand-over already: only what follows is done");
		r->cutover->handed = true;
		cutover_say_thawed(r, &r->cutover->link);
		xreplace(&r->cutover->before, st->at[SIDE_TARGET].before);
		if (st->at[SIDE_TARGET].phase == PHASE_FENCED)
			rollback_settle(r);
		return ERR_OK;
	case PHASE_CUT_OVER:
		break;
	}
	enum err_code rc = back_exists(r, &there, err);
	if (rc == ERR_OK && !there) {
		err_set(err, ERR_BLOCKED, "there is no reverse link: what was written on the target since the cutover is on the target alone");
		rc = err_hint(err, "a migration the other way, with source and target exchanged, brings it back");
	}
	return rc;
}

/* What an interrupted one left is taken back: it begins from where it began. */
static enum err_code may_begin(struct run *r, const struct link *l, struct err *err)
{
	struct stand st;
	enum err_code rc = cutover_stand(r, &st, err);
	const struct phase_note *note = &st.at[l->from];

	if (rc == ERR_OK && l->back)
		rc = may_roll_back(r, &st, err);
	else if (rc == ERR_OK && note->phase == PHASE_CUT_OVER)
		rc = already_over(r, err);
	else if (rc == ERR_OK && note->phase == PHASE_ROLLED_BACK)
		rc = err_set(err, ERR_BLOCKED, "it was rolled back: pgusher finalize removes what is left, then begin anew");
	if (rc == ERR_OK && !r->cutover->handed && note->phase == PHASE_FENCED) {
		run_note(r, "cutover", "an interrupted one is taken back first");
		rc = take_back(r, l, note, err);
	}
	stand_fini(&st);
	if (rc == ERR_OK && !r->cutover->handed)
		operator_unfence(r, l);
	return rc;
}

/* A table that was made on the target since the cutover is on the target alone. */
static enum err_code all_is_published(struct run *r, struct err *err)
{
	const struct facts *t = r->facts[SIDE_TARGET], *src = r->facts[SIDE_SOURCE];

	for (size_t i = 0; i < t->n_tables; i++) {
		bool there = !subscription_carries(r->m, &t->tables[i]);
		for (size_t k = 0; k < src->n_tables && !there; k++)
			there = str_eq(src->tables[k].schema, t->tables[i].schema) && str_eq(src->tables[k].name, t->tables[i].name);
		if (!there) {
			err_set(err, ERR_BLOCKED, "the table %s.%s is on the target alone: it was made after the cutover", t->tables[i].schema, t->tables[i].name);
			return err_hint(err, "create it on the source too and copy its rows, or drop it; then roll back");
		}
	}
	return ERR_OK;
}

enum err_code work_ready(struct run *r, const void *arg, struct err *err)
{
	const struct cutover_arg *how = arg;

	if (!r->cutover)
		r->cutover = xcalloc(1, sizeof *r->cutover);
	struct cutover *c = r->cutover;
	c->link = how->link;
	c->max_us = how->max_outage_s * INT64_C(1000000);
	enum err_code rc = may_begin(r, &c->link, err);
	if (rc != ERR_OK || c->handed)
		return rc;
	if (c->link.back)
		rc = all_is_published(r, err);
	if (rc == ERR_OK)
		rc = be_awake(r, &c->link, err);
	if (rc == ERR_OK)
		rc = published_is_followed(r, &c->link, err);
	if (rc == ERR_OK) /* what is behind now would have to be waited for while writers wait */
		rc = work_catch_up(r, &c->link, err);
	return rc;
}
