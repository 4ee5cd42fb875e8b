#include "method/replication.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "method/patient.h"
#include "method/slotwait.h"
#include "method/subscription.h"

#define LOCK_TRIES 120
#define LOOK_MS 500       /* between looks at what a wait waits for */

static const struct facts *source(const struct run *r)
{
	return r->facts[SIDE_SOURCE];
}

static void say(struct run *r, const char *fmt, const char *text)
{
	struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);

	event_text(&e->text, fmt, text);
	run_emit(r, e);
}

static void pause_ms(struct run *r, int ms)
{
	struct pollfd fd = {.fd = r->cancel->fd, .events = POLLIN};

	(void)poll(&fd, 1, ms);
}

static enum err_code cancelled(struct err *err)
{
	return err_set(err, ERR_CANCELLED, "cancelled");
}

/* ---- role ---- */

static void new_password(struct secret *out)
{
	unsigned char raw[20];
	char hex[2 * sizeof raw + 1];

	while (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
		;
	for (size_t i = 0; i < sizeof raw; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	secret_set(out, hex);
	explicit_bzero(hex, sizeof hex);
	explicit_bzero(raw, sizeof raw);
}

/* What libpq finds for a role of the operator's: PGPASSWORD, a password file, or what we log in with ourselves. */
static enum err_code look_up_password(struct run *r, const struct link *l, struct err *err)
{
	struct endpoint ep = r->m->end[l->from];
	struct session_options opt = {.application_name = r->app};
	struct session *s;

	if (!str_eq(ep.user, l->role)) {
		ep.password = (struct secret){0};
		ep.user = (char *)l->role;
	}
	enum err_code rc = patient_open(r, l->from, &ep, &opt, &s, err);
	if (rc != ERR_OK) {
		(void)err_prefix(err, "the role %s of [subscription], on the %s", l->role, side_name(l->from));
		return rc;
	}
	secret_set(&r->replication_password, session_password(s));
	session_close(s);
	return ERR_OK;
}

/* Where the server copies by itself, the role reads the tables: what it may not yet is granted. */
static enum err_code grant_reading(struct session *s, const char *role, bool super, struct err *err)
{
	static const char list[] =
		"SELECT string_agg(x, ';') FROM (SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, $1::name) AS x FROM pg_namespace n"
		"  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT has_schema_privilege($1::name, n.oid, 'USAGE')"
		" UNION ALL SELECT format('GRANT SELECT ON %I.%I TO %I', n.nspname, c.relname, $1::name) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		"  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'"
		"  AND NOT has_table_privilege($1::name, c.oid, 'SELECT')) l";
	const char *params[] = {role};
	struct str all = {0};
	PGresult *res;
	enum err_code rc;

	if (super && session_version(s) >= 140000) {
		str_add(&all, "GRANT pg_read_all_data TO ");
		sql_ident(&all, role);
		rc = session_run(s, str_text(&all), err);
		str_fini(&all);
		return rc;
	}
	rc = session_exec(s, list, 1, params, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	if (!PQgetisnull(res, 0, 0))
		rc = session_run(s, cell(res, 0, 0), err);
	PQclear(res);
	return rc;
}

static void role_sql(const struct run *r, const struct link *l, bool exists, const char *hash, struct str *sql)
{
	bool native = r->m->sub.copy == COPY_NATIVE && !l->back;
	const char *role = l->role;

	str_add(sql, exists ? "ALTER ROLE " : "CREATE ROLE ");
	sql_ident(sql, role);
	/* row security would hide rows from the server's own copy, or stop it */
	str_add(sql, r->facts[l->from]->super && native ? " LOGIN REPLICATION BYPASSRLS PASSWORD " : " LOGIN REPLICATION PASSWORD ");
	sql_literal(sql, hash);
	str_add(sql, "; COMMENT ON ROLE ");
	sql_ident(sql, role);
	str_add(sql, " IS 'pgusher: of a subscription'");
}

static enum err_code may_connect(struct session *s, const char *role, const char *db, struct err *err)
{
	const char *params[] = {role, db};
	struct str sql = {0};
	PGresult *res;
	enum err_code rc = session_exec(s, "SELECT has_database_privilege($1, $2, 'CONNECT')", 2, params, 0, &res, err);

	if (rc != ERR_OK)
		return rc;
	str_add(&sql, "GRANT CONNECT ON DATABASE ");
	sql_ident(&sql, db);
	str_add(&sql, " TO ");
	sql_ident(&sql, role);
	if (!cell_bool(res, 0, 0))
		rc = session_run(s, str_text(&sql), err);
	str_fini(&sql);
	PQclear(res);
	return rc;
}

static enum err_code make_role(struct run *r, const struct link *l, struct session *s, struct err *err)
{
	const struct fact_setting *enc = facts_setting(r->facts[l->from], "password_encryption");
	const char *algorithm = enc && str_eq(enc->value, "scram-sha-256") ? "scram-sha-256" : "md5", *params[] = {l->role};
	struct str sql = {0};
	PGresult *res;

	new_password(&r->replication_password);
	char *hash = PQencryptPasswordConn(session_conn(s), secret_text(&r->replication_password), l->role, algorithm);
	if (!hash)
		return err_set(err, ERR_SQL, "libpq cannot encrypt a password: %s", PQerrorMessage(session_conn(s)));
	enum err_code rc = session_exec(s, "SELECT 1 FROM pg_roles WHERE rolname = $1", 1, params, 0, &res, err);
	if (rc == ERR_OK) {
		role_sql(r, l, PQntuples(res) > 0, hash, &sql);
		PQclear(res);
		rc = session_run(s, str_text(&sql), err);
		explicit_bzero(sql.data, sql.len);
	}
	if (rc == ERR_OK)
		rc = may_connect(s, l->role, r->m->end[l->from].dbname, err);
	str_fini(&sql);
	PQfreemem(hash);
	return rc;
}

enum err_code replication_role(struct run *r, const struct link *l, struct err *err)
{
	struct session *s;

	if (!l->own_role)
		return look_up_password(r, l, err);
	enum err_code rc = run_session(r, l->from, NULL, &s, err);
	return rc == ERR_OK ? make_role(r, l, s, err) : rc;
}

enum err_code work_replication_role(struct run *r, const void *arg, struct err *err)
{
	struct link l;

	(void)arg;
	link_forward(&l, r->m);
	return replication_role(r, &l, err);
}

/* ---- publication ---- */

enum err_code replication_publication(struct run *r, const struct link *l, const char *create, struct err *err)
{
	struct session *s;
	struct str sql = {0};
	enum err_code rc = run_session(r, l->from, NULL, &s, err);

	str_add(&sql, "BEGIN; SET LOCAL lock_timeout = '" LOCK_BRIEFLY "'; DROP PUBLICATION IF EXISTS ");
	sql_ident(&sql, l->publication);
	str_addf(&sql, "; %s; COMMIT", create);
	for (int i = 0; rc == ERR_OK && i < LOCK_TRIES; i++) {
		struct err ignored;
		rc = session_run(s, str_text(&sql), err);
		if (rc == ERR_OK)
			break;
		(void)session_run(s, "ROLLBACK", &ignored);
		if ((strcmp(err->sqlstate, "55P03") != 0 && strcmp(err->sqlstate, "40P01") != 0) || i + 1 == LOCK_TRIES)
			break;
		say(r, "%s: trying again, so that nobody has to queue behind us", err->msg);
		pause_ms(r, 1000);
		rc = cancel_raised(r->cancel) ? cancelled(err) : ERR_OK;
	}
	str_fini(&sql);
	return rc;
}

enum err_code work_publication(struct run *r, const void *arg, struct err *err)
{
	struct link l;

	link_forward(&l, r->m);
	return replication_publication(r, &l, arg, err);
}

/* ---- slot and snapshot ---- */

/* One command on the walsender; while it waits, the screen says for whom. */
static enum err_code walsender_exec(struct run *r, struct session *w, const char *command, PGresult **res, struct err *err)
{
	PGconn *c = session_conn(w);
	enum err_code rc = ERR_OK;
	int64_t next = clock_deadline(LOOK_MS);
	struct str said = {0};

	*res = NULL;
	if (!PQsendQuery(c, command) || PQflush(c) < 0)
		return err_set(err, ERR_LOST, "the replication connection: %s", PQerrorMessage(c));
	while (PQisBusy(c)) {
		rc = session_wait(w, false, next, err);
		if (rc == ERR_TIMEOUT) {
			(void)slotwait_answer(r, session_backend_pid(w));
			slotwait_look(r, session_backend_pid(w), &said);
			next = clock_deadline(LOOK_MS);
			rc = ERR_OK;
		} else if (rc == ERR_OK && !PQconsumeInput(c)) {
			rc = err_set(err, ERR_LOST, "the replication connection broke: %s", PQerrorMessage(c));
		}
		if (rc != ERR_OK)
			break;
	}
	if (said.len > 0)
		slotwait_over(r);
	str_fini(&said);
	if (rc != ERR_OK)
		return rc;
	PGresult *first = PQgetResult(c);
	for (PGresult *more; (more = PQgetResult(c)) != NULL;)
		PQclear(more);
	if (PQresultStatus(first) != PGRES_TUPLES_OK) {
		const char *state = PQresultErrorField(first, PG_DIAG_SQLSTATE), *msg = PQresultErrorField(first, PG_DIAG_MESSAGE_PRIMARY);
		err_set(err, ERR_SQL, "%s", msg ? msg : PQerrorMessage(c));
		(void)snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state ? state : "");
		PQclear(first);
		return ERR_SQL;
	}
	*res = first;
	return ERR_OK;
}

static enum err_code open_walsender(struct run *r, struct session **out, struct err *err)
{
	int v = source(r)->version_num;
	char *options = xasprintf("-c statement_timeout=0 -c idle_in_transaction_session_timeout=0%s%s",
				  v >= 140000 ? " -c idle_session_timeout=0" : "", v >= 170000 ? " -c transaction_timeout=0" : "");
	struct session_options opt = {.application_name = r->app, .replication = true, .raw = true, .options = options};
	enum err_code rc = patient_open(r, SIDE_SOURCE, &r->m->end[SIDE_SOURCE], &opt, out, err);

	free(options);
	if (rc != ERR_OK)
		(void)err_prefix(err, "a replication connection to the source");
	return rc;
}

/* The walsender's snapshot dies with its next command, and it cannot be asked whether it lives: an ordinary session takes it over. */
static enum err_code take_over(struct run *r, const char *exported, struct err *err)
{
	struct session_options opt = {.application_name = r->app};
	struct str sql = {0};
	enum err_code rc = patient_open(r, SIDE_SOURCE, &r->m->end[SIDE_SOURCE], &opt, &r->snapshot, err);

	str_add(&sql, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ");
	sql_literal(&sql, exported);
	if (rc == ERR_OK)
		rc = session_run(r->snapshot, str_text(&sql), err);
	if (rc == ERR_OK)
		rc = session_value(r->snapshot, "SELECT pg_export_snapshot()", &r->snapshot_name, err);
	str_fini(&sql);
	return rc;
}

enum err_code replication_snapshot(struct run *r, struct err *err)
{
	bool native = r->m->sub.copy == COPY_NATIVE;
	const char *how = subscription_snapshot_word(r->m, source(r)->version_num);
	struct session *w = NULL;
	PGresult *res = NULL;

	enum err_code rc = work_drop_slot(r, r->m->sub.slot, err); /* an interrupted attempt's: its snapshot is gone */
	if (rc == ERR_OK)
		rc = open_walsender(r, &w, err);
	if (rc == ERR_OK) {
		char *command = xasprintf("CREATE_REPLICATION_SLOT \"%s\" LOGICAL pgoutput %s", r->m->sub.slot, how);
		rc = walsender_exec(r, w, command, &res, err);
		free(command);
	}
	if (rc == ERR_OK) {
		run_note(r, "consistent point", "%s", cell(res, 0, 1));
		if (!native)
			rc = take_over(r, cell(res, 0, 2), err);
	}
	PQclear(res);
	session_close(w);
	if (rc != ERR_OK)
		(void)err_prefix(err, "the slot %s", r->m->sub.slot);
	return rc;
}

/* ---- subscription ---- */

/* The connection string must not come to stand in the server's log, nor in its statistics; where it may not be kept out, it is said. */
static void hush(struct run *r, enum side side, struct session *s)
{
	if (!r->facts[side]->super) {
		run_note(r, "password", "this role may not turn the %s's statement log off for a moment: where it logs DDL, the password of the "
			 "subscription's role stands in it", side_name(side));
		return;
	}
	subscription_hush(s);
}

static enum err_code subscription_exists(struct session *s, const char *name, bool *exists, bool *enabled, struct err *err)
{
	const char *params[] = {name};
	PGresult *res;
	enum err_code rc = session_exec(s, "SELECT subenabled FROM pg_subscription WHERE subname = $1"
		" AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())", 1, params, 0, &res, err);

	if (rc != ERR_OK)
		return rc;
	*exists = PQntuples(res) > 0;
	*enabled = *exists && cell_bool(res, 0, 0);
	PQclear(res);
	return ERR_OK;
}

enum err_code work_may_read(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	enum err_code rc = run_session(r, SIDE_SOURCE, NULL, &s, err);

	(void)arg;
	return rc == ERR_OK ? grant_reading(s, r->m->sub.name, source(r)->super, err) : rc;
}

enum err_code replication_subscribe(struct run *r, const struct link *l, struct err *err)
{
	struct session *s;
	bool exists = false, enabled;
	struct str sql = {0};
	enum err_code rc = run_session(r, l->to, NULL, &s, err);

	if (rc == ERR_OK)
		rc = subscription_exists(s, l->subscription, &exists, &enabled, err);
	if (rc != ERR_OK)
		return rc;
	char *conninfo = link_conninfo(r->m, l, secret_text(&r->replication_password));
	if (exists) { /* made just before an interruption: the role has a new password since */
		str_add(&sql, "ALTER SUBSCRIPTION ");
		sql_ident(&sql, l->subscription);
		str_add(&sql, " CONNECTION ");
		sql_literal(&sql, conninfo);
	} else {
		char *create = subscription_sql(r->m, l, r->facts[l->from], r->facts[l->to], conninfo);
		str_add(&sql, create);
		explicit_bzero(create, strlen(create));
		free(create);
	}
	hush(r, l->to, s);
	rc = session_run(s, str_text(&sql), err);
	explicit_bzero(sql.data, sql.len);
	explicit_bzero(conninfo, strlen(conninfo));
	str_fini(&sql);
	free(conninfo);
	session_close(r->control[l->to]); /* its settings are not for others */
	r->control[l->to] = NULL;
	if (rc != ERR_OK && !err->hint[0])
		(void)err_hint(err, "the %s itself connects to the %s: look at its route, pg_hba.conf of the %s, and [subscription] %s_host", side_name(l->to),
			       side_name(l->from), side_name(l->from), side_name(l->from));
	return rc;
}

enum err_code work_subscribe(struct run *r, const void *arg, struct err *err)
{
	struct link l;

	(void)arg;
	link_forward(&l, r->m);
	return replication_subscribe(r, &l, err);
}

/* Said by this process, or by the one before the interruption. */
static const char *consistent_point(const struct run *r)
{
	const struct model *const both[] = {r->seen, r->live};
	const char *found = NULL;

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; both[k] && i < both[k]->notes.n; i++)
			if (str_eq(both[k]->notes.v[i].last->title, "consistent point"))
				found = both[k]->notes.v[i].last->text;
	return found;
}

static enum err_code look_at_slot(struct run *r, struct err *err)
{
	char *sql = xasprintf("SELECT confirmed_flush_lsn, %s FROM pg_replication_slots WHERE slot_name = $1",
			      source(r)->version_num >= 130000 ? "wal_status" : "NULL");
	const char *params[] = {r->m->sub.slot}, *point = consistent_point(r);
	struct session *s;
	PGresult *res = NULL;
	enum err_code rc = run_session(r, SIDE_SOURCE, NULL, &s, err);

	if (rc == ERR_OK)
		rc = session_exec(s, sql, 1, params, 0, &res, err);
	free(sql);
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(res) == 0)
		rc = err_set(err, ERR_BLOCKED, "the slot %s is gone: changes since the copy are lost", r->m->sub.slot);
	else if (str_eq(cell(res, 0, 1), "lost"))
		rc = err_set(err, ERR_BLOCKED, "the source threw WAL away that the slot %s needs (max_slot_wal_keep_size)", r->m->sub.slot);
	else if (point && !str_eq(cell(res, 0, 0), point))
		rc = err_set(err, ERR_BLOCKED, "the slot %s stands at %s, the copy began at %s: somebody read from it", r->m->sub.slot, cell(res, 0, 0), point);
	PQclear(res);
	return rc == ERR_OK ? ERR_OK : err_hint(err, "clean up, and start again from the copy");
}

enum err_code work_enable(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	bool exists = false, enabled = false;
	struct str sql = {0};
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);

	(void)arg;
	if (rc == ERR_OK)
		rc = subscription_exists(s, r->m->sub.name, &exists, &enabled, err);
	if (rc == ERR_OK && !exists)
		rc = err_set(err, ERR_BLOCKED, "the subscription %s is gone", r->m->sub.name);
	if (rc != ERR_OK || enabled)
		return rc;
	rc = look_at_slot(r, err);
	str_add(&sql, "ALTER SUBSCRIPTION ");
	sql_ident(&sql, r->m->sub.name);
	str_add(&sql, " ENABLE");
	if (rc == ERR_OK)
		rc = session_run(s, str_text(&sql), err);
	str_fini(&sql);
	return rc;
}
