/* The fences and the proof of drain. Declared in cutover_in.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cutover/carry.h"
#include "cutover/cutover_in.h"

#define LOCK_TRIES 10
#define QUIET_MS 10000 /* for sessions to end that were told to */

/* ---- soft fence ---- */

/* No slot shows what is written to a table that is not logged: those are locked, too. */
static enum err_code lock_sql(struct run *r, const char *publications, struct str *sql, struct err *err)
{
	struct session *s = r->cutover->fence;
	struct str names = {0};
	const char *params[] = {publications};
	PGresult *res;
	enum err_code rc = session_exec(s, "SELECT DISTINCT p.schemaname, p.tablename, c.relkind FROM pg_publication_tables p"
		" JOIN pg_namespace n ON n.nspname = p.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename WHERE p.pubname = ANY ($1::text[]) ORDER BY 1, 2", 1, params, 0, &res, err);

	if (rc != ERR_OK)
		return rc;
	for (int i = 0; i < PQntuples(res); i++) {
		str_add(&names, i ? ", " : "");
		if (*cell(res, i, 2) != 'p') /* published by its root: the rows are in its partitions */
			str_add(&names, "ONLY ");
		sql_qualified(&names, cell(res, i, 0), cell(res, i, 1));
	}
	carry_names(r, &names);
	if (names.len)
		str_addf(sql, "LOCK TABLE %s IN SHARE MODE", str_text(&names));
	PQclear(res);
	str_fini(&names);
	return ERR_OK;
}

enum err_code cutover_prepare_fence(struct run *r, struct err *err)
{
	struct session_options opt = {.application_name = r->app};
	struct cutover *c = r->cutover;
	char *publications = link_publications_array(r->m, &c->link);
	struct str sql = {0};

	session_close(c->fence);
	c->fence = NULL;
	c->locked = false;
	enum err_code rc = r->reach(r->arg, c->link.from, err);
	if (rc == ERR_OK)
		rc = session_open(&c->fence, &r->m->end[c->link.from], &opt, r->cancel, err);
	if (rc == ERR_OK)
		rc = lock_sql(r, publications, &sql, err);
	free(publications);
	free(c->lock_sql);
	c->lock_sql = str_take(&sql);
	return rc;
}

static void say_writers(struct run *r)
{
	static const char sql[] =
		/* a prepared transaction has no process: the lock on its own number leads to its name */
		"SELECT DISTINCT CASE WHEN a.pid IS NOT NULL THEN format('pid %s (%s %s, for %s s)', a.pid, a.usename, a.application_name, age)"
		"  ELSE format('the prepared transaction %L (%s, for %s s; COMMIT PREPARED or ROLLBACK PREPARED ends it)', p.gid, p.owner, age) END, age"
		" FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
		" LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction"
		" LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid,"
		" LATERAL (SELECT extract(epoch FROM now() - coalesce(a.xact_start, p.prepared))::bigint) t (age)"
		" WHERE l.locktype = 'relation' AND l.granted AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
		" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND a.pid IS DISTINCT FROM pg_backend_pid()"
		" AND (a.pid IS NOT NULL OR p.gid IS NOT NULL) ORDER BY 2 DESC NULLS LAST LIMIT 5";
	struct session *s;
	struct str line = {0};
	struct err err;
	PGresult *res;

	if (cutover_on(r, r->cutover->link.from, &s, &err) != ERR_OK || session_exec(s, sql, 0, NULL, 5000, &res, &err) != ERR_OK)
		return;
	for (int i = 0; i < PQntuples(res); i++)
		str_addf(&line, "%s%s", i ? ", " : "", cell(res, i, 0));
	PQclear(res);
	if (line.len)
		run_note(r, "who writes", "%s", str_text(&line));
	str_fini(&line);
}

/* The locks go with their session, also when nobody is there any more to close it. */
static enum err_code take_locks(struct cutover *c, struct err *err)
{
	struct err ignored;
	char *begin = xasprintf("SET idle_in_transaction_session_timeout = %lld; SET lock_timeout = '" LOCK_BRIEFLY "'; BEGIN", (long long)c->max_us / 1000 + 5000);
	enum err_code rc = session_run(c->fence, begin, err);

	free(begin);
	if (rc == ERR_OK && *c->lock_sql)
		rc = session_run(c->fence, c->lock_sql, err);
	if (rc != ERR_OK)
		(void)session_run(c->fence, "ROLLBACK", &ignored);
	c->locked = rc == ERR_OK;
	return rc;
}

static enum err_code try_locks(struct run *r, struct err *err)
{
	cutover_clock(r, true);
	enum err_code rc = take_locks(r->cutover, err);
	if (rc != ERR_OK)
		cutover_clock(r, false);
	return rc;
}

/* Who waits for a lock makes others wait behind it: briefly, and again. */
enum err_code work_soft_fence(struct run *r, const void *arg, struct err *err)
{
	enum err_code rc = r->cutover->fence || r->handed ? ERR_OK : cutover_prepare_fence(r, err);

	(void)arg;
	if (r->handed)
		return ERR_OK;
	for (int i = 0; rc == ERR_OK; i++) {
		rc = try_locks(r, err);
		if (rc == ERR_OK || (strcmp(err->sqlstate, "55P03") != 0 && strcmp(err->sqlstate, "40P01") != 0))
			break;
		say_writers(r);
		if (i + 1 == LOCK_TRIES) {
			(void)err_hint(err, "somebody holds a table in a long transaction: see who writes; end it, then start again");
			break;
		}
		rc = cutover_pause(r, 1000, err);
	}
	if (rc == ERR_OK)
		cutover_part(r, "locks");
	return rc;
}

/* ---- proof of drain ---- */

enum err_code cutover_flush(struct session *s, struct err *err)
{
	return session_run(s, "SET LOCAL synchronous_commit = local; SELECT pg_logical_emit_message(true, 'pgusher', 'flush')", err);
}

/*
 * A subscription that does not wait for its disk says "flushed" only when the follower's WAL writer has come by, up to 0.4 s later: our
 * commit there flushes what is before it, and the next one here makes the worker speak.
 */
enum err_code cutover_hasten(struct run *r, const struct link *l, struct session *from, struct err *err)
{
	struct session *to;
	enum err_code rc = cutover_on(r, l->to, &to, err);

	if (rc == ERR_OK)
		rc = cutover_flush(to, err);
	return rc == ERR_OK ? cutover_flush(from, err) : rc;
}

/* A mark behind the last commit must have been flushed by the follower: confirmed_flush_lsn is the only word that means it. */
enum err_code work_drain(struct run *r, const void *arg, struct err *err)
{
	const struct link *l = &r->cutover->link;
	struct session *s;
	char *mark = NULL;
	enum err_code rc = cutover_on(r, l->from, &s, err);

	(void)arg;
	if (r->handed)
		return ERR_OK;
	if (rc == ERR_OK)
		rc = session_value(s, "SELECT pg_logical_emit_message(true, 'pgusher', 'drained until here')", &mark, err);
	while (rc == ERR_OK) {
		const char *params[] = {l->slot, mark};
		PGresult *res;
		rc = session_exec(s, "SELECT confirmed_flush_lsn >= $2::pg_lsn, confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1", 2, params, 0, &res, err);
		if (rc != ERR_OK)
			break;
		bool there = PQntuples(res) > 0, drained = there && cell_bool(res, 0, 0);
		if (drained)
			run_note(r, "proof of drain", "the mark at %s of the %s; the %s has flushed all up to %s", mark, side_name(l->from), side_name(l->to), cell(res, 0, 1));
		PQclear(res);
		if (!there)
			rc = err_set(err, ERR_BLOCKED, "the slot %s is gone", l->slot);
		if (drained)
			break;
		if (rc == ERR_OK)
			rc = cutover_hasten(r, l, s, err);
		if (rc == ERR_OK)
			rc = cutover_pause(r, 1, err);
	}
	free(mark);
	cutover_part(r, "drain");
	return rc;
}

/* ---- hard fence ---- */

enum err_code cutover_end_sessions(struct run *r, enum side side, struct err *err)
{
	static const char sql[] =
		"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)), count(*), left(string_agg(format('pid %s (%s)', pid, concat_ws(' ', usename, nullif(application_name, ''))), ', '), 200)"
		" FROM pg_stat_activity WHERE datname = current_database()"
		" AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> $1 AND backend_start < $2::timestamptz";
	char app[64], *now = NULL;
	struct session *s;
	int64_t deadline = clock_deadline(QUIET_MS), told = 0;
	enum err_code rc = cutover_on(r, side, &s, err);

	if (rc == ERR_OK)
		rc = session_value(s, "SELECT clock_timestamp()", &now, err);
	(void)snprintf(app, sizeof app, "%s", r->app);
	while (rc == ERR_OK) {
		const char *params[] = {app, now};
		PGresult *res;
		rc = session_exec(s, sql, 2, params, 0, &res, err);
		if (rc != ERR_OK)
			break;
		int64_t n = cell_i64(res, 0, 1);
		told = told > n ? told : n;
		if (n > 0 && clock_mono_us() > deadline) {
			err_set(err, ERR_TIMEOUT, "%lld session%s on the %s %s told to end and did not within %d s: %s", (long long)n, n == 1 ? "" : "s", side_name(side),
				n == 1 ? "was" : "were", QUIET_MS / 1000, cell(res, 0, 2));
			rc = err_hint(err, "look at that process on its server: it is stopped, or waits for a disk or for the network");
		}
		PQclear(res);
		if (n == 0)
			break;
		if (rc == ERR_OK)
			rc = cutover_pause(r, 2, err);
	}
	free(now);
	if (rc == ERR_OK && told)
		run_note(r, "sessions ended", "%lld on the %s: they would not have known what holds for new ones", (long long)told, side_name(side));
	return rc;
}

/* Sessions that began before the freeze do not know of it: they end, also those that wait for our locks, which stay until the hand-over. */
enum err_code work_hard_fence(struct run *r, const void *arg, struct err *err)
{
	struct cutover *c = r->cutover;
	struct session *s;
	enum err_code rc = cutover_on(r, c->link.from, &s, err);

	(void)arg;
	if (r->handed)
		return ERR_OK;
	free(c->before);
	c->before = NULL;
	if (rc == ERR_OK)
		rc = phase_setting(s, &c->before, err);
	c->hard = true;
	if (rc == ERR_OK)
		rc = phase_write(s, r->m, &c->link, PHASE_FENCED, c->before, err);
	if (rc == ERR_OK)
		rc = cutover_end_sessions(r, c->link.from, err);
	cutover_part(r, "fence");
	return rc;
}

/* ---- around the hand-over ---- */

enum err_code cutover_hold_still(struct run *r, struct err *err)
{
	struct cutover *c = r->cutover;
	struct err why = {0};

	if (c->locked && session_run(c->fence, "SELECT 1", &why) == ERR_OK)
		return ERR_OK;
	enum err_code rc = cutover_prepare_fence(r, err);
	if (rc == ERR_OK)
		rc = take_locks(c, err);
	if (rc == ERR_OK || (strcmp(err->sqlstate, "55P03") != 0 && strcmp(err->sqlstate, "40P01") != 0))
		return rc;
	say_writers(r);
	err_set(err, ERR_BLOCKED, "somebody writes on the %s in spite of the fence", side_name(c->link.from));
	return err_hint(err, "see who writes; find who sets default_transaction_read_only off for itself (a role's setting, PGOPTIONS), stop it, then start again");
}

/* Those who wait for the locks, and would write as soon as these are gone. */
static enum err_code end_waiting(struct run *r, int64_t *n, char **who, struct err *err)
{
	char pid[16];
	const char *params[] = {pid};
	struct session *s;
	PGresult *res;
	enum err_code rc = cutover_on(r, r->cutover->link.from, &s, err);

	(void)snprintf(pid, sizeof pid, "%d", session_backend_pid(r->cutover->fence));
	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)), left(string_agg(format('pid %s (%s)', pid, concat_ws(' ', usename, nullif(application_name, ''))), ', '), 200)"
			" FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND $1::int = ANY (pg_blocking_pids(pid))", 1, params, QUIET_MS, &res, err);
	if (rc != ERR_OK)
		return rc;
	*n = cell_i64(res, 0, 0);
	if (*n > 0)
		xreplace(who, cell(res, 0, 1));
	PQclear(res);
	return ERR_OK;
}

void cutover_hold_on(struct run *r, int seconds)
{
	char *sql = xasprintf("SET idle_in_transaction_session_timeout = %lld", seconds * 1000LL);
	struct err ignored;

	if (r->cutover->locked)
		(void)session_run(r->cutover->fence, sql, &ignored);
	free(sql);
}

void cutover_let_go(struct run *r)
{
	struct cutover *c = r->cutover;
	int64_t n = 1, deadline = clock_deadline(QUIET_MS);
	struct err why = {0};
	char *who = NULL;

	while (c->locked && n > 0 && end_waiting(r, &n, &who, &why) == ERR_OK && clock_mono_us() < deadline)
		if (n > 0)
			(void)poll(NULL, 0, 2);
	if (who)
		run_note(r, "writers held", "they waited for the locks until the hand-over, and were ended; what they wanted to write is nowhere: %s", who);
	free(who);
	session_close(c->fence); /* its locks end here */
	c->fence = NULL;
	c->locked = false;
	cutover_say_late(r, &c->link);
}
