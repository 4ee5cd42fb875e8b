#include "cutover/cutover_in.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cutover/operator.h"
#include "method/replication.h"
#include "method/work.h"

#define SHOWN 6
#define OVER_HINT "replication goes on; see which part took the time, and try again, or allow more with --max-outage"

/* ---- time ---- */

enum err_code cutover_in_time(struct run *r, struct err *err)
{
	const struct cutover *c = r->cutover;

	if (cancel_raised(r->cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	if (!c || c->began_us == 0 || r->handed || r->undoing || clock_mono_us() - c->began_us < c->max_us)
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

void cutover_say_stays_closed(struct run *r, enum side side, bool for_good)
{
	char *id = xasprintf("%s:%s", for_good ? "kept-closed" : "closed", side_name(side));
	struct event *e = event_new(EV_LEFT, id);
	struct str sql = {0};

	phase_setting_sql(&sql, r->m->end[side].dbname, "");
	event_text(&e->title, "the %s refuses writes, on purpose: the other server is the primary", side == SIDE_SOURCE ? "old source" : "target");
	xreplace(&e->text, side_name(side));
	e->sql = str_take(&sql);
	run_emit(r, e);
	free(id);
}

void cutover_say_open(struct run *r, enum side side)
{
	char *id = xasprintf("closed:%s", side_name(side));

	run_emit(r, event_new(EV_REMOVED, id));
	free(id);
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

/* ---- ready ---- */

/* The server of one that is not there would only warn, and replicate nothing. */
static enum err_code publications_there(const struct link *l, struct session *from, const char *array, struct err *err)
{
	static const char sql[] = "SELECT coalesce(string_agg(x, ', '), '') FROM unnest($1::text[]) x WHERE NOT EXISTS (SELECT 1 FROM pg_publication WHERE pubname = x)";
	PGresult *res;
	enum err_code rc = session_exec(from, sql, 1, &array, 0, &res, err);

	if (rc != ERR_OK)
		return rc;
	if (*cell(res, 0, 0)) {
		err_set(err, ERR_BLOCKED, "the subscription %s reads a publication that is not on the %s: %s", l->subscription, side_name(l->from), cell(res, 0, 0));
		rc = err_hint(err, "ALTER SUBSCRIPTION ... SET PUBLICATION on the %s with those that are there, or create it", side_name(l->to));
	}
	PQclear(res);
	return rc;
}

/* What is published (a) and what is followed (b), both in the same order. */
static enum err_code same_tables(const struct link *l, const PGresult *a, const PGresult *b, struct err *err)
{
	if (PQntuples(a) == 0)
		return err_set(err, ERR_BLOCKED, "the %s publishes no table for the subscription %s", side_name(l->from), l->subscription);
	for (int i = 0, k = 0; i < PQntuples(a) || k < PQntuples(b); i++, k++) {
		int c = i >= PQntuples(a) ? 1 : k >= PQntuples(b) ? -1 : strcmp(cell(a, i, 0), cell(b, k, 0));
		if (c == 0)
			continue;
		if (c < 0)
			err_set(err, ERR_BLOCKED, "the %s publishes %s, but the %s does not follow it", side_name(l->from), cell(a, i, 0), side_name(l->to));
		else
			err_set(err, ERR_BLOCKED, "the %s follows %s, but the %s does not publish it any more", side_name(l->to), cell(b, k, 0), side_name(l->from));
		return err_hint(err, "ALTER SUBSCRIPTION ... REFRESH PUBLICATION on the %s, and wait until it is ready", side_name(l->to));
	}
	for (int i = 0; i < PQntuples(b); i++)
		if (!cell_bool(b, i, 1)) {
			err_set(err, ERR_BLOCKED, "%s is not ready on the %s yet", cell(b, i, 0), side_name(l->to));
			return err_hint(err, "wait until every table is; pgusher run goes on waiting");
		}
	return ERR_OK;
}

static enum err_code published_is_followed(struct run *r, const struct link *l, struct err *err)
{
	char *array = link_publications_array(r->m, l);
	const char *pub[] = {array}, *sub[] = {l->subscription};
	struct session *from, *to;
	PGresult *a = NULL, *b = NULL;
	enum err_code rc = cutover_on(r, l->from, &from, err);

	if (rc == ERR_OK)
		rc = cutover_on(r, l->to, &to, err);
	if (rc == ERR_OK)
		rc = publications_there(l, from, array, err);
	if (rc == ERR_OK)
		rc = session_exec(from, "SELECT t FROM (SELECT DISTINCT schemaname || '.' || tablename AS t FROM pg_publication_tables WHERE pubname = ANY ($1::text[])) p"
			" ORDER BY t COLLATE \"C\"", 1, pub, 0, &a, err);
	if (rc == ERR_OK)
		rc = session_exec(to, "SELECT n.nspname || '.' || c.relname, l.srsubstate = 'r' FROM pg_subscription_rel l"
			" JOIN pg_subscription s ON s.oid = l.srsubid AND s.subname = $1 JOIN pg_class c ON c.oid = l.srrelid"
			" JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY (n.nspname || '.' || c.relname) COLLATE \"C\"", 1, sub, 0, &b, err);
	if (rc == ERR_OK)
		rc = same_tables(l, a, b, err);
	PQclear(a);
	PQclear(b);
	free(array);
	return rc;
}

static enum err_code be_awake(struct run *r, const struct link *l, struct err *err)
{
	const char *params[] = {l->subscription};
	struct session *s;
	PGresult *res;
	enum err_code rc = cutover_on(r, l->to, &s, err);

	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT subenabled FROM pg_subscription WHERE subname = $1"
			" AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())", 1, params, 0, &res, err);
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
		r->handed = true;
		cutover_say_thawed(r, &r->cutover->link);
		cutover_say_stays_closed(r, r->cutover->link.from, false);
	}
	free(point);
	return rc;
}

static enum err_code how_far_back(struct run *r, const struct stand *st, struct err *err)
{
	bool there = false;

	xreplace(&r->cutover->source_before, st->at[SIDE_SOURCE].before ? st->at[SIDE_SOURCE].before : "");
	switch (st->at[SIDE_SOURCE].phase) {
	case PHASE_NONE:
	case PHASE_OPENED:
	case PHASE_FENCED:
		err_set(err, ERR_BLOCKED, "there is nothing to roll back: it was not cut over");
		return err_hint(err, "pgusher cutover --abort takes an interrupted cutover back");
	case PHASE_ROLLED_BACK:
		run_note(r, "rollback", "it came to its hand-over already: only what follows is done");
		r->handed = true;
		cutover_say_thawed(r, &r->cutover->link);
		cutover_say_stays_closed(r, SIDE_TARGET, false);
		cutover_say_open(r, SIDE_SOURCE);
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
		rc = how_far_back(r, &st, err);
	else if (rc == ERR_OK && note->phase == PHASE_CUT_OVER)
		rc = already_over(r, err);
	else if (rc == ERR_OK && note->phase == PHASE_ROLLED_BACK)
		rc = err_set(err, ERR_BLOCKED, "it was rolled back: pgusher finalize removes what is left, then begin anew");
	if (rc == ERR_OK && !r->handed && phase_unfinished(note->phase)) {
		run_note(r, "cutover", "an interrupted one is taken back first");
		rc = cutover_take_back(r, l, note, err);
	}
	stand_fini(&st);
	if (rc == ERR_OK && !r->handed)
		operator_unfence(r, l);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct fact_table *const *x = a, *const *y = b;
	int c = strcmp((*x)->schema, (*y)->schema);

	return c ? c : strcmp((*x)->name, (*y)->name);
}

/*
 * A table that was made on the target since the cutover is on the target alone. By name, and not by what is published (watch/unfollowed.h):
 * of a link that was made by hand, or of chosen tables, others may be on both sides and follow nothing.
 */
static enum err_code no_table_alone(struct run *r, struct err *err)
{
	const struct facts *t = r->facts[SIDE_TARGET], *src = r->facts[SIDE_SOURCE];
	const struct fact_table **there = xcalloc(src->n_tables + 1, sizeof(struct fact_table *));
	struct str names = {0};
	char count[48];
	int64_t n = 0;

	for (size_t i = 0; i < src->n_tables; i++)
		there[i] = &src->tables[i];
	qsort(there, src->n_tables, sizeof(struct fact_table *), by_name);
	for (size_t i = 0; i < t->n_tables; i++) {
		const struct fact_table *own = &t->tables[i];
		if (!subscription_carries(r->m, own) || bsearch(&own, there, src->n_tables, sizeof(struct fact_table *), by_name))
			continue;
		if (n++ < SHOWN)
			str_addf(&names, "%s%s.%s", names.len ? ", " : "", own->schema, own->name);
	}
	free(there);
	if (n > 0) {
		err_set(err, ERR_BLOCKED, "%s on the target alone, made after the cutover: %.150s%s", fmt_things(count, sizeof count, n, "table"), str_text(&names), n > SHOWN ? ", and more" : "");
		(void)err_hint(err, "create %s on the source too and copy the rows, or drop %s; then roll back", n == 1 ? "it" : "them", n == 1 ? "it" : "them");
	}
	str_fini(&names);
	return n > 0 ? ERR_BLOCKED : ERR_OK;
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
	if (rc != ERR_OK || r->handed)
		return rc;
	if (c->link.back)
		rc = no_table_alone(r, err);
	if (rc == ERR_OK && c->link.back)
		rc = back_is_alike(r, &c->link, err);
	if (rc == ERR_OK)
		rc = be_awake(r, &c->link, err);
	if (rc == ERR_OK)
		rc = published_is_followed(r, &c->link, err);
	if (rc == ERR_OK) /* what is behind now would have to be waited for while writers wait */
		rc = work_catch_up(r, &c->link, err);
	return rc;
}
