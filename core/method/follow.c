/* Catching up, and the removal of what replication needs. Declared in replication.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "method/patient.h"
#include "method/replication.h"
#include "pg/logical.h"
#include "pg/phase.h"
#include "pg/tables.h"
#include "watch/serverlog.h"
#include "watch/stays.h"
#include "watch/stuck.h"

#define HELD_MS 4000 /* between two looks at who holds the worker back */
#define LOOK_MS 300
#define GONE_MS 10000
#define LIST_MS 2000

static void wait_ms(struct run *r, int ms)
{
	struct pollfd fd = {.fd = r->cancel->fd, .events = POLLIN};

	(void)poll(&fd, 1, ms);
}

/* ---- catching up ---- */

struct follow {
	char *mark;       /* LSN of the source that must have arrived */
	int64_t ready, tables, behind;
	int64_t worker;   /* pid of the apply worker; 0: none */
	char origin[24];  /* of the subscription: pg_16396 */
	bool arrived;
	enum side asked;  /* last */
	struct stays stays;
	char held[300];      /* who holds a lock that its worker waits for; "" */
	int64_t held_due_us;
};

static enum err_code look(struct run *r, const struct link *l, struct follow *f, struct err *err)
{
	const char *params[] = {l->slot, f->mark}, *name[] = {l->subscription};
	struct session *s;
	PGresult *res;

	f->asked = l->from;
	enum err_code rc = run_session(r, l->from, NULL, &s, err);
	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT confirmed_flush_lsn >= $2::pg_lsn, $2::pg_lsn - confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1",
				  2, params, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	bool slot = PQntuples(res) > 0;
	f->arrived = slot && cell_bool(res, 0, 0);
	f->behind = slot ? cell_i64(res, 0, 1) : 0;
	PQclear(res);
	if (!slot)
		return err_set(err, ERR_BLOCKED, "the slot %s is gone", l->slot);
	f->asked = l->to;
	rc = run_session(r, l->to, NULL, &s, err);
	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT count(*) FILTER (WHERE l.srsubstate = 'r'), count(l.srsubid),"
			" coalesce((SELECT max(w.pid) FROM pg_stat_subscription w WHERE w.subid = s.oid), 0), s.subenabled, s.oid"
			" FROM pg_subscription s LEFT JOIN pg_subscription_rel l ON l.srsubid = s.oid WHERE s.subname = $1"
			" AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY s.oid, s.subenabled",
			1, name, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(res) == 0 || !cell_bool(res, 0, 3))
		rc = err_set(err, ERR_BLOCKED, "the subscription %s is %s", l->subscription, PQntuples(res) ? "disabled" : "gone");
	if (PQntuples(res) > 0) {
		f->ready = cell_i64(res, 0, 0);
		f->tables = cell_i64(res, 0, 1);
		f->worker = cell_i64(res, 0, 2);
		(void)snprintf(f->origin, sizeof f->origin, "pg_%s", cell(res, 0, 4));
	}
	PQclear(res);
	return rc;
}

static void say_how_far(struct run *r, struct follow *f)
{
	struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);
	char n[32], t[48];

	e->a = f->ready;
	e->b = f->tables;
	if (f->worker)
		event_text(&e->text, "%s behind, %lld of %s ready%s%s", fmt_bytes(n, sizeof n, (double)(f->behind > 0 ? f->behind : 0)),
			   (long long)f->ready, fmt_things(t, sizeof t, f->tables, "table"), *f->held ? "; its worker waits: " : "", f->held);
	else
		event_text(&e->text, "no apply worker runs: the log of the server that follows says why, when that lasts");
	run_emit(r, e);
}

/* The server's own copy takes long: each table, while somebody looks at them. */
static void list_tables(struct run *r, const struct link *l, int64_t *due_us)
{
	struct session *s;
	struct err ignored;
	char *text;

	if (l->to != SIDE_TARGET || !r->listing || !r->listing(r->arg) || clock_poll_ms(*due_us) > 0)
		return;
	*due_us = clock_deadline(LIST_MS);
	if (run_session(r, l->to, NULL, &s, &ignored) != ERR_OK || tables_of_subscription(s, l->subscription, &text, &ignored) != ERR_OK)
		return;
	struct event *e = event_new(EV_TABLES, side_name(l->to));
	e->text = text;
	run_emit(r, e);
}

/* A session on that server that was forgotten in its transaction looks like a slow network. */
static void ask_who_holds(struct run *r, const struct link *l, struct follow *f)
{
	struct session *s;
	struct err ignored;
	int64_t pid;

	if (clock_poll_ms(f->held_due_us) > 0)
		return;
	f->held_due_us = clock_deadline(HELD_MS);
	if (run_session(r, l->to, NULL, &s, &ignored) == ERR_OK)
		(void)stuck_ask(s, l->subscription, HELD_MS, f->held, sizeof f->held, &pid, &ignored);
}

static bool stuck(struct follow *f)
{
	return !stays_look(&f->stays, clock_mono_us(), f->worker, (f->behind > 0 ? f->behind : 0) + f->tables - f->ready);
}

/* In the words of that server, when its log can be read from here. */
static enum err_code give_up(struct run *r, const struct link *l, const struct follow *f, struct err *err)
{
	struct server_words words = {{0}, {0}, {0}, {0}, {0}};
	struct session *s;
	struct err ignored;

	if (run_session(r, l->to, NULL, &s, &ignored) == ERR_OK)
		(void)serverlog_look(s, f->origin, l->subscription, &words, &ignored);
	err_set(err, ERR_TIMEOUT, "no apply worker has stayed on the %s for a minute, and nothing moved%s%.150s", side_name(l->to), words.message[0] ? ": " : "", words.message);
	if (words.message[0])
		return err_hint(err, "put that right on the %s and start again: it goes on from here", side_name(l->to));
	return err_hint(err, "the log of that server says why, and it cannot be read from here; put it right there and start again: it goes on from here");
}

/* From now on the target is the product: only what makes it follow is still to be removed some day. */
static bool is_product(const char *left_id)
{
	return str_starts(left_id, "content:") || str_starts(left_id, "database:") || str_starts(left_id, "role:") || str_starts(left_id, "dump:");
}

enum err_code work_catch_up(struct run *r, const void *arg, struct err *err)
{
	struct follow f = {0};
	struct session *s;
	struct link l;
	int64_t list_us = 0;

	link_forward(&l, r->m);
	if (arg)
		l = *(const struct link *)arg;
	enum err_code rc = run_session(r, l.from, NULL, &s, err);
	if (rc == ERR_OK)
		rc = session_value(s, "SELECT pg_logical_emit_message(true, 'pgusher', 'caught up until here?')", &f.mark, err);
	while (rc == ERR_OK) {
		struct patience p = PATIENCE;
		rc = look(r, &l, &f, err);
		while (rc == ERR_LOST && !r->cutover && patient_again(r, f.asked, &p, "how far it is behind", err))
			rc = look(r, &l, &f, err);
		rc = rc == ERR_OK ? rc : err->code;
		if (rc != ERR_OK || (f.arrived && f.ready == f.tables))
			break;
		ask_who_holds(r, &l, &f);
		say_how_far(r, &f);
		list_tables(r, &l, &list_us);
		if (stuck(&f)) {
			rc = give_up(r, &l, &f, err);
			break;
		}
		wait_ms(r, LOOK_MS);
		if (cancel_raised(r->cancel))
			rc = err_set(err, ERR_CANCELLED, "cancelled");
	}
	free(f.mark);
	if (rc == ERR_OK)
		run_keep(r, is_product);
	return rc;
}

/* ---- removal ---- */

static enum err_code exec1(struct session *s, const char *sql, const char *param, PGresult **res, struct err *err)
{
	const char *params[] = {param};

	return session_exec(s, sql, 1, params, 0, res, err);
}

static enum err_code with_name(struct session *s, const char *before, const char *name, const char *after, struct err *err)
{
	struct str sql = {0};

	str_add(&sql, before);
	sql_ident(&sql, name);
	str_add(&sql, after);
	enum err_code rc = session_run(s, str_text(&sql), err);
	str_fini(&sql);
	return rc;
}

static const char slot_sql[] = "SELECT database FROM pg_replication_slots WHERE slot_name = $1",
	subscription_sql[] = "SELECT (SELECT datname FROM pg_database d WHERE d.oid = subdbid) FROM pg_subscription WHERE subname = $1";

/*
 * A side whose database is not there has nothing in it either; but one that was renamed took it along, and a slot goes on holding WAL: both are
 * seen from every database of the server. sql: in which one it is, by $1; NULL: that cannot be seen.
 */
static enum err_code reach_database(struct run *r, enum side side, const char *sql, const char *name, struct session **s, bool *there, struct err *err)
{
	enum err_code rc = run_session(r, side, NULL, s, err);
	PGresult *res;

	*there = rc == ERR_OK;
	if (rc != ERR_SQL || strcmp(err->sqlstate, "3D000") != 0)
		return rc;
	if (!sql)
		return ERR_OK;
	rc = run_session(r, side, r->m->end[side].maintenance_db, s, err);
	if (rc == ERR_OK)
		rc = exec1(*s, sql, name, &res, err);
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(res) > 0) {
		err_set(err, ERR_SQL, "there is no database %s on the %s, but %s is in the database %s", r->m->end[side].dbname, side_name(side), name, cell(res, 0, 0));
		rc = err_hint(err, "it was renamed: give dbname its new name in the settings, and clean up again");
	}
	PQclear(res);
	return rc;
}

/* The walsender of a subscription that was just disabled needs a moment to see it. */
static enum err_code drop_slots(struct run *r, struct session *s, const char *where, const char *param, struct err *err)
{
	char *look_sql = xasprintf("SELECT slot_name, active_pid FROM pg_replication_slots WHERE %s", where);
	int64_t deadline = clock_deadline(GONE_MS);
	enum err_code rc = ERR_OK;

	for (;;) {
		PGresult *res;
		rc = exec1(s, look_sql, param, &res, err);
		if (rc != ERR_OK)
			break;
		int n = PQntuples(res);
		struct err why = {0};
		for (int i = 0; i < n; i++) {
			if (!PQgetisnull(res, i, 1))
				(void)exec1(s, "SELECT pg_terminate_backend($1::int)", cell(res, i, 1), NULL, &why);
			(void)exec1(s, "SELECT pg_drop_replication_slot($1)", cell(res, i, 0), NULL, &why);
		}
		PQclear(res);
		if (n == 0)
			break;
		if (clock_mono_us() > deadline) {
			rc = err_set(err, why.code ? why.code : ERR_TIMEOUT, "the slot cannot be dropped: %s", why.msg);
			break;
		}
		wait_ms(r, 50);
		if (cancel_raised(r->cancel)) {
			rc = err_set(err, ERR_CANCELLED, "cancelled");
			break;
		}
	}
	free(look_sql);
	return rc;
}

enum err_code replication_drop_slot(struct run *r, enum side side, const char *name, struct err *err)
{
	struct session *s;
	bool there;
	enum err_code rc = reach_database(r, side, slot_sql, name, &s, &there, err);

	return there ? drop_slots(r, s, "slot_name = $1 AND database = current_database()", name, err) : rc;
}

/* Those that the server's own copy of a table made, and left when the source was away at the wrong moment. */
static void drop_sync_slots(struct run *r, enum side side, const char *suboid, const char *system)
{
	char *pattern = xasprintf("pg\\_%s\\_sync\\_%%\\_%s", suboid, system);
	struct session *s;
	struct err err;

	if (run_session(r, side, NULL, &s, &err) != ERR_OK || drop_slots(r, s, "slot_name LIKE $1", pattern, &err) != ERR_OK)
		run_note(r, "slots", "slots like pg_%s_sync_..._%s may be left on the %s: %s", suboid, system, side_name(side), err.msg);
	free(pattern);
}

enum err_code replication_drop_subscription(struct run *r, enum side side, const char *name, struct err *err)
{
	struct session *s;
	bool there;
	PGresult *res;
	enum err_code rc = reach_database(r, side, subscription_sql, name, &s, &there, err);

	if (!there)
		return rc;
	rc = exec1(s, "SELECT oid, (SELECT system_identifier FROM pg_control_system()) FROM pg_subscription WHERE subname = $1"
		   " AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())", name, &res, err);
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(res) > 0) {
		rc = with_name(s, "ALTER SUBSCRIPTION ", name, " DISABLE", err);
		if (rc == ERR_OK)
			rc = with_name(s, "ALTER SUBSCRIPTION ", name, " SET (slot_name = NONE)", err);
		if (rc == ERR_OK)
			rc = with_name(s, "DROP SUBSCRIPTION ", name, "", err);
		if (rc == ERR_OK)
			drop_sync_slots(r, side == SIDE_TARGET ? SIDE_SOURCE : SIDE_TARGET, cell(res, 0, 0), cell(res, 0, 1));
	}
	PQclear(res);
	return rc;
}

/*
 * Its database is not there under its name: a publication goes with one that is dropped, and with one that is renamed, and from another
 * database neither can be seen. Only where there is no other one it cannot be anywhere.
 */
static enum err_code publication_maybe(struct run *r, enum side side, const char *name, struct err *err)
{
	static const char others[] = "SELECT string_agg(quote_ident(datname), ', ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate AND datname <> current_database()";
	const char *db = r->m->end[side].dbname;
	char *id = xasprintf("%spublication:%s", side == SIDE_SOURCE ? "" : "back-", name), *list = NULL;
	struct str undo = {0};
	struct session *s;
	enum err_code rc = run_session(r, side, r->m->end[side].maintenance_db, &s, err);

	if (rc == ERR_OK)
		rc = session_value(s, others, &list, err);
	if (rc == ERR_OK && list) {
		struct event *e = event_new(EV_LEFT, id);
		link_undo_sql(&undo, "publication", name);
		str_addf(&undo, "  -- if the database %s was renamed (one of %.200s), in it; dropped, it took this with it", db, list);
		xreplace(&e->title, LEFT_MAYBE);
		xreplace(&e->text, side_name(side));
		e->sql = str_take(&undo);
		run_emit(r, e);
		err_set(err, ERR_SQL, "there is no database %s on the %s: whether its publication %s went with it cannot be seen", db, side_name(side), name);
		rc = err_hint(err, "if it was renamed, give dbname its new name in the settings, and clean up again; if it was dropped, nothing is to be done");
	}
	free(list);
	free(id);
	return rc;
}

enum err_code replication_drop_publication(struct run *r, enum side side, const char *name, struct err *err)
{
	struct session *s;
	bool there;
	struct phase_note note = {0};
	enum err_code rc = reach_database(r, side, NULL, name, &s, &there, err);

	if (rc == ERR_OK && !there)
		return publication_maybe(r, side, name, err);
	if (rc == ERR_OK && side == SIDE_SOURCE) /* after a rollback the target's word may stand as it likes: finalize has read the source's */
		rc = phase_read(s, name, &note, err);
	if (rc == ERR_OK && phase_unfinished(note.phase)) {
		err_set(err, ERR_BLOCKED, "a cutover was interrupted: how the source is opened again stands on its publication %s", name);
		rc = err_hint(err, "pgusher cutover --abort opens it; then clean up again");
	}
	phase_fini(&note);
	if (rc != ERR_OK)
		return rc;
	return with_name(s, "SET lock_timeout = '5s'; DROP PUBLICATION IF EXISTS ", name, "; RESET lock_timeout", err);
}

enum err_code replication_drop_role(struct run *r, enum side side, const char *name, struct err *err)
{
	struct session *s;
	bool there;
	PGresult *res;
	enum err_code rc = reach_database(r, side, NULL, name, &s, &there, err);

	if (rc == ERR_OK && !there) /* roles are of the whole server */
		rc = run_session(r, side, r->m->end[side].maintenance_db, &s, err);
	if (rc != ERR_OK)
		return rc;
	rc = exec1(s, "SELECT 1 FROM pg_roles WHERE rolname = $1", name, &res, err);
	if (rc != ERR_OK)
		return rc;
	bool exists = PQntuples(res) > 0;
	PQclear(res);
	if (exists && with_name(s, "DROP OWNED BY ", name, "", err) != ERR_OK && there) { /* only for those who are members of it: 16 and newer, no superuser */
		char *db = xstrdup(r->m->end[side].dbname);
		struct str sql = {0};
		str_add(&sql, "REVOKE ALL ON DATABASE ");
		sql_ident(&sql, db);
		str_add(&sql, " FROM ");
		rc = with_name(s, str_text(&sql), name, "", err);
		str_fini(&sql);
		free(db);
	}
	return exists && rc == ERR_OK ? with_name(s, "DROP ROLE ", name, "", err) : rc;
}

#define WORK_DROP(name, of, side)                                                                                      \
	enum err_code work_drop_##name(struct run *r, const void *arg, struct err *err)                                  \
	{                                                                                                                \
		return replication_drop_##of(r, side, arg, err);                                                         \
	}
WORK_DROP(subscription, subscription, SIDE_TARGET)
WORK_DROP(slot, slot, SIDE_SOURCE)
WORK_DROP(publication, publication, SIDE_SOURCE)
WORK_DROP(replication_role, role, SIDE_SOURCE)
WORK_DROP(back_subscription, subscription, SIDE_SOURCE)
WORK_DROP(back_slot, slot, SIDE_TARGET)
WORK_DROP(back_publication, publication, SIDE_TARGET)
WORK_DROP(back_role, role, SIDE_TARGET)

/* ---- one that somebody made by hand ---- */

/* why: of which it is a part (names.h) */
static void write_down(struct run *r, const char *kind, const char *what, const char *name)
{
	char *id = xasprintf("%s:%s", kind, name);
	struct event *e = event_new(EV_LEFT, id);
	struct str undo = {0};

	xreplace(&e->title, what);
	xreplace(&e->text, str_eq(kind, "subscription") ? "target" : "source");
	xreplace(&e->why, r->m->sub.adopt);
	link_undo_sql(&undo, kind, name);
	e->sql = str_take(&undo);
	run_emit(r, e);
	free(id);
}

/* Somebody changed its list of publications since the plan was made from it. */
static bool same_publications(const struct run *r, const PGresult *res)
{
	const struct strv *known = &r->m->sub.publications;
	bool same = (size_t)PQntuples(res) == known->n;

	for (int i = 0; i < PQntuples(res) && same; i++)
		same = strv_has(known, cell(res, i, 1));
	return same;
}

enum err_code work_adopt(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	PGresult *res;

	if (r->handed) /* it is gone, on purpose */
		return ERR_OK;
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);
	if (rc == ERR_OK)
		rc = exec1(s, "SELECT coalesce(s.subslotname, ''), p FROM pg_subscription s, unnest(s.subpublications) p WHERE s.subname = $1"
			" AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())", r->m->sub.adopt, &res, err);
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(res) == 0) {
		rc = err_set(err, ERR_BLOCKED, "there is no subscription %s in the target database", r->m->sub.adopt);
	} else if (arg && !same_publications(r, res)) {
		err_set(err, ERR_BLOCKED, "the publications of the subscription %s were changed just now", r->m->sub.adopt);
		rc = err_hint(err, "look who does that; then start again");
	} else {
		for (int i = 0; i < PQntuples(res); i++)
			write_down(r, "publication", "publication on the source", cell(res, i, 1));
		if (*cell(res, 0, 0))
			write_down(r, "slot", "replication slot on the source: it keeps WAL there", cell(res, 0, 0));
		write_down(r, "subscription", "subscription on the target", r->m->sub.adopt);
		if (!arg)
			run_note(r, "not proven", "what the subscription had lost before it was taken over cannot be seen in any LSN: compare with pgusher verify");
	}
	PQclear(res);
	return rc;
}
