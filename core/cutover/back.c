/*
 * The reverse link: what is written on the target after the cutover flows back to the old source, which stays closed to applications.
 * Made before the outage, asleep; its slot is moved to the end of the target's WAL while nobody writes anywhere; woken after the
 * hand-over, from when on it has all that applications write on the target, and nothing that came from the source. Declared in
 * cutover_in.h.
 */
#include <stdlib.h>
#include <string.h>

#include "cutover/cutover_in.h"
#include "method/replication.h"
#include "watch/unfollowed.h"

#define SLOT_MS 60000 /* for the transactions to end that wrote on the target before the slot */

static enum err_code exec1(struct session *s, const char *sql, const char *param, int64_t timeout_ms, PGresult **res, struct err *err)
{
	const char *params[] = {param};

	return session_exec(s, sql, 1, params, timeout_ms, res, err);
}

/* ---- making it ---- */

enum err_code work_back_role(struct run *r, const void *arg, struct err *err)
{
	struct link l;

	(void)arg;
	if (r->handed)
		return ERR_OK;
	link_back(&l, r->m);
	r->cutover->back = true;
	return replication_role(r, &l, err);
}

/* The same tables that come from the source, by name; of several publications each once. */
enum err_code work_back_publication(struct run *r, const void *arg, struct err *err)
{
	char *array = link_publications_array(r->m, &r->cutover->link);
	struct link l;
	struct session *s;
	struct str sql = {0};
	PGresult *res;

	(void)arg;
	link_back(&l, r->m);
	enum err_code rc = r->handed ? ERR_OK : cutover_on(r, r->cutover->link.from, &s, err);
	if (rc == ERR_OK && !r->handed)
		rc = exec1(s, "SELECT t.schemaname, t.tablename, bool_or(coalesce(to_jsonb(p) ->> 'pubviaroot', 'false') = 'true') FROM pg_publication_tables t"
			" JOIN pg_publication p USING (pubname) WHERE pubname = ANY ($1::text[]) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2", array, 0, &res, err);
	free(array);
	if (rc != ERR_OK || r->handed)
		return rc;
	str_add(&sql, "CREATE PUBLICATION ");
	sql_ident(&sql, l.publication);
	for (int i = 0; i < PQntuples(res); i++) {
		str_add(&sql, i ? ", ONLY " : " FOR TABLE ONLY ");
		sql_qualified(&sql, cell(res, i, 0), cell(res, i, 1));
	}
	if (PQntuples(res) && cell_bool(res, 0, 2)) /* one of several is enough: it is about roots, and what has none in it goes by itself */
		str_add(&sql, " WITH (publish_via_partition_root = true)");
	PQclear(res);
	phase_way_back_sql(&sql, r->m, &l);
	rc = replication_publication(r, &l, str_text(&sql), err);
	str_fini(&sql);
	return rc;
}

static void say_blockers(struct run *r, enum side side)
{
	struct session *s;
	struct err err;
	char *who = NULL;

	if (cutover_on(r, side, &s, &err) == ERR_OK)
		(void)session_value(s, "SELECT string_agg(who, ', ' ORDER BY since) FROM (SELECT format('pid %s (%s in %s, for %s s)', pid, usename, datname, extract(epoch FROM now() - xact_start)::bigint), xact_start"
			" FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND datname IS NOT NULL"
			" UNION ALL SELECT format('the prepared transaction %L (in %s, for %s s)', gid, database, extract(epoch FROM now() - prepared)::bigint), prepared"
			" FROM pg_prepared_xacts) t (who, since)", &who, &err);
	if (who)
		run_note(r, "who writes", "on the %s, before the slot: %s", side_name(side), who);
	free(who);
}

enum err_code work_back_slot(struct run *r, const void *arg, struct err *err)
{
	struct link l;
	struct session *s;

	(void)arg;
	if (r->handed)
		return ERR_OK;
	link_back(&l, r->m);
	enum err_code rc = replication_drop_slot(r, l.from, l.slot, err); /* of one that was interrupted */
	if (rc == ERR_OK)
		rc = cutover_on(r, l.from, &s, err);
	if (rc == ERR_OK)
		rc = exec1(s, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", l.slot, SLOT_MS, NULL, err);
	if (rc == ERR_TIMEOUT) {
		say_blockers(r, l.from);
		err_set(err, ERR_TIMEOUT, "the slot %s waited %d s for transactions that write on the %s", l.slot, SLOT_MS / 1000, side_name(l.from));
		rc = err_hint(err, "end them (see who writes), or do without a reverse link: [cutover] reverse = no");
	}
	return rc;
}

enum err_code work_back_subscription(struct run *r, const void *arg, struct err *err)
{
	struct link l;

	(void)arg;
	if (r->handed)
		return ERR_OK;
	link_back(&l, r->m);
	enum err_code rc = replication_drop_subscription(r, l.to, l.subscription, err); /* its list of tables may be an old one */
	return rc == ERR_OK ? replication_subscribe(r, &l, err) : rc;
}

enum err_code back_exists(struct run *r, bool *there, struct err *err)
{
	struct link l;
	struct session *s;
	PGresult *res;

	link_back(&l, r->m);
	*there = false;
	enum err_code rc = cutover_on(r, l.to, &s, err);
	if (rc == ERR_OK)
		rc = exec1(s, "SELECT 1 FROM pg_subscription WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
			   l.subscription, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	bool sub = PQntuples(res) > 0;
	PQclear(res);
	rc = cutover_on(r, l.from, &s, err);
	if (rc == ERR_OK)
		rc = exec1(s, "SELECT 1 FROM pg_replication_slots WHERE slot_name = $1", l.slot, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	*there = sub && PQntuples(res) > 0;
	PQclear(res);
	return ERR_OK;
}

/* ---- its slot ---- */

/* pg_replication_slot_advance came with 11; before, reading does it. */
enum err_code back_advance_begin(struct run *r, struct err *err)
{
	struct cutover *c = r->cutover;
	struct link l;
	struct str name = {0};

	if (!c->aside)
		return ERR_OK;
	link_back(&l, r->m);
	sql_ident(&name, l.publication);
	const char *params[] = {l.slot, str_text(&name)};
	bool old = session_version(c->aside) < 110000;
	enum err_code rc = session_start(c->aside, old ? "SELECT count(*) FROM pg_logical_slot_get_binary_changes($1, pg_current_wal_flush_lsn(), NULL,"
		" 'proto_version', '1', 'publication_names', $2)" : "SELECT pg_replication_slot_advance($1, pg_current_wal_flush_lsn())", old ? 2 : 1, params, err);
	str_fini(&name);
	return rc;
}

enum err_code back_advance_end(struct run *r, struct err *err)
{
	struct cutover *c = r->cutover;
	PGresult *res = NULL;
	enum err_code rc = ERR_OK;

	if (!c->aside)
		return ERR_OK;
	do {
		PQclear(res);
		rc = session_next(c->aside, 0, &res, err);
	} while (rc == ERR_OK && res);
	if (rc != ERR_OK)
		(void)err_prefix(err, "the reverse link's slot cannot be moved");
	return rc;
}

/* ---- running, and taking it away ---- */

static void issue(struct run *r, const char *title, const struct err *err, const char *sql)
{
	struct event *e = event_new(EV_ISSUE, NULL);

	e->verdict = VERDICT_WARN;
	xreplace(&e->title, title);
	xreplace(&e->text, err->msg);
	xreplace(&e->sql, sql);
	xreplace(&e->why, r->step ? r->step->id : NULL);
	r->attention++;
	run_emit(r, e);
}

static void removed(struct run *r, const char *kind, const char *name)
{
	char *id = xasprintf("%s:%s", kind, name);

	run_emit(r, event_new(EV_REMOVED, id));
	free(id);
}

/* The hand-over is over: what fails here is said, and done again by rollback or finalize. */
enum err_code work_back_run(struct run *r, const void *arg, struct err *err)
{
	struct link f, b;
	bool there = false;
	struct err why;

	(void)arg;
	(void)err;
	link_forward(&f, r->m);
	link_back(&b, r->m);
	if (back_exists(r, &there, &why) != ERR_OK || (there && cutover_subscription(r, &b, "ENABLE", &why) != ERR_OK))
		issue(r, "the reverse link does not run", &why, "ALTER SUBSCRIPTION ... ENABLE  -- on the source, before the target's slot fills its disk");
	/* never to be enabled again: what came back over the reverse link would come twice */
	if (replication_drop_subscription(r, f.to, f.subscription, &why) != ERR_OK)
		issue(r, "the old subscription still stands on the target", &why, "ALTER SUBSCRIPTION ... DISABLE, SET (slot_name = NONE); DROP SUBSCRIPTION ...  -- never enable it again");
	else
		removed(r, "subscription", f.subscription);
	if (there)
		run_note(r, "the way back", "what is written on the target flows back to the old source, which stays closed: pgusher rollback makes it the primary again,"
			 " and nothing is lost. Until pgusher rollback or finalize, slots keep WAL: %s on the target (when the source does not fetch it),"
			 " %s on the source", b.slot, f.slot);
	else
		run_note(r, "no way back", "there is no reverse link: what is written on the target from now on is on the target alone");
	return ERR_OK;
}

enum err_code back_remove(struct run *r, bool words_too, struct err *err)
{
	struct link l;

	link_back(&l, r->m);
	enum err_code rc = replication_drop_subscription(r, l.to, l.subscription, err);
	if (rc == ERR_OK) {
		removed(r, "back-subscription", l.subscription);
		rc = replication_drop_slot(r, l.from, l.slot, err);
	}
	if (rc == ERR_OK) {
		removed(r, "back-slot", l.slot);
		rc = l.own_role ? replication_drop_role(r, l.from, l.role, err) : ERR_OK;
	}
	if (rc == ERR_OK) {
		removed(r, "back-role", l.role);
		rc = words_too ? replication_drop_publication(r, l.from, l.publication, err) : ERR_OK;
	}
	if (rc == ERR_OK && words_too)
		removed(r, "back-publication", l.publication);
	return rc;
}

/* After a rollback: what made either side follow goes; the publications stay, their words with them, until finalize. */
enum err_code work_unlink(struct run *r, const void *arg, struct err *err)
{
	struct link f;

	(void)arg;
	link_forward(&f, r->m);
	enum err_code rc = replication_drop_subscription(r, f.to, f.subscription, err);
	if (rc == ERR_OK) {
		removed(r, "subscription", f.subscription);
		rc = back_remove(r, false, err);
	}
	if (rc == ERR_OK)
		rc = replication_drop_slot(r, f.from, f.slot, err);
	if (rc == ERR_OK) {
		removed(r, "slot", f.slot);
		rc = f.own_role ? replication_drop_role(r, f.from, f.role, err) : ERR_OK;
	}
	if (rc == ERR_OK)
		removed(r, "replication-role", f.role);
	return rc;
}

/* All that would be slow the first time is done once before anybody waits, and what can be brought over already is. */
enum err_code work_prime(struct run *r, const void *arg, struct err *err)
{
	struct cutover *c = r->cutover;
	struct session_options opt = {.application_name = r->app, .read_write = true};

	(void)arg;
	if (r->handed)
		return ERR_OK;
	struct session *from;
	enum err_code rc = cutover_on(r, c->link.from, &from, err);
	if (rc == ERR_OK) /* the operator was asked, and took their time */
		rc = unfollowed_none(from, r->m, &c->link, 0, err);
	if (rc == ERR_OK)
		rc = cutover_prepare_fence(r, err);
	if (rc == ERR_OK)
		rc = cutover_hurry(r, &c->link, true, err);
	if (rc == ERR_OK && c->back)
		rc = session_open(&c->aside, &r->m->end[SIDE_TARGET], &opt, r->cancel, err);
	if (rc == ERR_OK)
		rc = back_advance_begin(r, err);
	if (rc == ERR_OK)
		rc = work_sequences(r, NULL, err);
	if (rc == ERR_OK)
		rc = back_advance_end(r, err);
	return rc == ERR_OK ? work_drain(r, NULL, err) : rc;
}

/* Somebody must look at them: they are on one side only. */
static void say_lost(struct run *r, const struct link *l, int64_t changes)
{
	struct event *e = event_new(EV_ISSUE, NULL);
	char n[48];

	e->verdict = VERDICT_WARN;
	xreplace(&e->title, "late writers");
	event_text(&e->text, "%s on the %s since it was closed, past default_transaction_read_only: the other side does not have what they wrote", fmt_things(n, sizeof n, changes, "change"), side_name(l->from));
	event_text(&e->hint, "the slot %s keeps them until pgusher finalize: find who sets default_transaction_read_only off for itself, stop it, and bring over by hand what it wrote (pgusher verify names the rows)", l->slot);
	run_emit(r, e);
}

enum err_code cutover_written(struct run *r, const struct link *l, int64_t *changes, struct err *err)
{
	/* transactions that a reverse link brought have an origin message */
	static const char sql[] =
		"SELECT count(*) FROM (SELECT k, bool_or(k = 'O') OVER (PARTITION BY xid::text) AS brought FROM (SELECT xid, chr(get_byte(data, 0)) AS k"
		" FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)) m) t"
		" WHERE NOT brought AND k IN ('I', 'U', 'D', 'T')";
	struct session *s;
	char *names = link_publications_sql(r->m, l);
	PGresult *res = NULL;
	const char *params[] = {l->slot, names};
	enum err_code rc = cutover_on(r, l->from, &s, err);

	if (rc == ERR_OK)
		rc = cutover_flush(s, err);
	if (rc == ERR_OK)
		rc = session_exec(s, sql, 2, params, 10000, &res, err);
	*changes = rc == ERR_OK ? cell_i64(res, 0, 0) : 0;
	PQclear(res);
	free(names);
	return rc;
}

void cutover_say_late(struct run *r, const struct link *l)
{
	int64_t changes;
	struct err err = {0};

	if (cutover_written(r, l, &changes, &err) != ERR_OK)
		run_note(r, "late writers", "the slot %s could not be read to see whether somebody wrote on the %s since it was closed: %s", l->slot, side_name(l->from), err.msg);
	else if (changes > 0)
		say_lost(r, l, changes);
}
