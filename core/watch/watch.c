#include "watch/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "pg/logical.h"
#include "pg/phase.h"
#include "pg/session.h"
#include "pg/tables.h"
#include "watch/ends.h"
#include "watch/failing.h"
#include "watch/flow.h"
#include "watch/guard.h"
#include "watch/minute.h"
#include "watch/reverse.h"
#include "watch/stuck.h"
#include "watch/talkers.h"
#include "watch/word.h"

#define ASK_MS ENDS_ASK_MS
#define MINUTE_US INT64_C(60000000)
#define SOONER_US INT64_C(30000000) /* what could not be compared is looked at again */
#define AT_ONCE_MS 300
#define INTRUDER_US INT64_C(15000000)

struct watch {
	const struct migration *m;
	char *app, *path;      /* path: of what is remembered */
	struct ends ends;
	struct watch_sample s; /* the last one: what is not read anew stays */
	struct watch_pace pace;
	struct guard guard;
	int64_t origin_local, origin_remote;
	char system[24];
	bool goes_on;
	struct minute *minute; /* a look that is under way; NULL */
	int64_t minute_us;
	int64_t confirmed, moved_us; /* the slot's, and when it came there or was level, monotonic */
	int64_t intruder_us;         /* when somebody else was seen to write on the target, monotonic */
	struct failing failing;
	int64_t received, sent; /* by the worker, by its walsender */
	struct flow flow;
	char origin[24];       /* of the subscription: pg_16396 */
	int64_t commits;       /* of the target's database, as last seen */
	int64_t disk_free, disk_held; /* free where the source keeps its WAL, and what the slot kept when that was read; -1: not known */
	bool reversed;         /* the pace is the reverse link's */
};

struct watch *watch_new(const struct migration *m, const char *state_dir, const char *app, struct cancel *cancel)
{
	struct watch *w = xcalloc(1, sizeof *w);

	*w = (struct watch){.m = m, .app = xstrdup(app), .path = xasprintf("%s/watch.json", state_dir)};
	(void)snprintf(w->s.subscription, sizeof w->s.subscription, "%s", m->sub.name);
	(void)snprintf(w->s.slot, sizeof w->s.slot, "%s", m->sub.slot);
	guard_load(&w->guard, w->path);
	w->s.standbys = w->s.sync_standbys = w->s.safe_bytes = w->s.unsent_bytes = w->s.apply_errors = w->s.sync_errors = w->s.conflicts = -1;
	w->disk_free = w->s.disk_bytes = -1;
	w->s.sequences_behind = w->s.talkers = w->s.drift_ms = -1;
	w->s.heard_s = -1;
	ends_init(&w->ends, m, w->app, cancel);
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	minute_end(w->minute, NULL);
	ends_close(&w->ends);
	free(w->app);
	free(w->path);
	free(w);
}

void watch_goes_on(struct watch *w)
{
	w->goes_on = true;
}

void watch_finalized(struct watch *w)
{
	w->s.finalized = 1;
}

void watch_forget(const char *state_dir)
{
	char *path = xasprintf("%s/watch.json", state_dir);

	(void)unlink(path); /* mostly there is none */
	free(path);
}

/* ---- asking ---- */

void watch_no_way(struct watch *w, enum side side, const struct err *why)
{
	w->ends.no_way[side] = why ? *why : (struct err){0};
}

void watch_password(struct watch *w, enum side side)
{
	ends_anew(&w->ends, side);
}

/* More of an end that answered a moment ago: it is not connected to anew within one sample. */
static enum err_code ask(struct watch *w, enum side side, const char *sql, const char *param, PGresult **res, struct err *err)
{
	const char *params[] = {param};
	struct session *s = w->ends.session[side];

	*res = NULL;
	return s ? session_exec(s, sql, param ? 1 : 0, params, ASK_MS, res, err) : err_set(err, ERR_LOST, "the connection broke");
}

static void keep(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%.*s", (int)size - 1, text);
}

/* The worker is not one of those that apply a large transaction beside it (16 and newer). */
static enum err_code ask_target(struct watch *w, struct err *err)
{
	static const char sql[] =
		"SELECT s.subenabled, coalesce(s.subslotname, ''), coalesce(t.pid, 0),"
		" (SELECT count(*) FROM pg_subscription_rel r WHERE r.srsubid = s.oid),"
		" (SELECT count(*) FROM pg_subscription_rel r WHERE r.srsubid = s.oid AND r.srsubstate = 'r'),"
		" (SELECT string_agg(x, ', ') FROM (SELECT r.srrelid::regclass || CASE r.srsubstate WHEN 'i' THEN ' waits' WHEN 'd' THEN ' copying' ELSE ' catching up' END AS x"
		"  FROM pg_subscription_rel r WHERE r.srsubid = s.oid AND r.srsubstate <> 'r' ORDER BY r.srsubstate LIMIT 6) b),"
		" (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), s.oid, t.received_lsn - '0/0',"
		" CASE WHEN isfinite(t.last_msg_receipt_time) THEN extract(epoch FROM clock_timestamp() - t.last_msg_receipt_time) ELSE -1 END, a.wait_event_type || '/' || a.wait_event"
		" FROM pg_subscription s LEFT JOIN pg_stat_subscription t ON t.subid = s.oid AND t.relid IS NULL AND to_jsonb(t) ->> 'leader_pid' IS NULL"
		" LEFT JOIN pg_stat_activity a ON a.pid = t.pid"
		" WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";

	return ends_begin(&w->ends, SIDE_TARGET, sql, w->m->sub.name, err);
}

static enum err_code look_at_target(struct watch *w, int64_t *commits, struct err *err)
{
	struct watch_sample *s = &w->s;
	PGresult *r;
	enum err_code rc = ends_answer(&w->ends, SIDE_TARGET, &r, err);

	if (rc != ERR_OK)
		return rc;
	s->sub_exists = PQntuples(r) > 0;
	if (s->sub_exists) {
		s->enabled = cell_bool(r, 0, 0);
		if (*cell(r, 0, 1))
			keep(s->slot, sizeof s->slot, cell(r, 0, 1));
		s->worker = cell_i64(r, 0, 2);
		s->tables = cell_i64(r, 0, 3);
		s->ready = cell_i64(r, 0, 4);
		keep(s->busy, sizeof s->busy, cell(r, 0, 5));
		*commits = cell_i64(r, 0, 6);
		(void)snprintf(w->origin, sizeof w->origin, "pg_%s", cell(r, 0, 7));
		w->received = cell_i64(r, 0, 8);
		s->heard_s = strtod(cell(r, 0, 9), NULL);
		keep(s->worker_wait, sizeof s->worker_wait, cell(r, 0, 10));
		failing_count(&w->failing, s);
	} else {
		s->enabled = s->worker = 0;
	}
	PQclear(r);
	return ERR_OK;
}

/*
 * Which server it is, what it has applied, and who has it, too. The timeline from a WAL file's name: a new leader knows it at once,
 * its control file only after a checkpoint. Standbys are walsenders without a logical slot.
 */
static void look_who_leads(struct watch *w)
{
	static const char sql[] =
		"SELECT ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::bigint, coalesce(host(inet_server_addr()) || ':' || inet_server_port(), ''),"
		" s.subsynccommit, o.remote_lsn, o.remote_lsn - '0/0', least(o.local_lsn, pg_current_wal_flush_lsn()) - '0/0', c.system_identifier, r.standbys, r.sync"
		" FROM pg_subscription s LEFT JOIN pg_replication_origin_status o ON o.external_id = 'pg_' || s.oid, pg_control_system() c,"
		" (SELECT count(*) AS standbys, count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) AS sync FROM pg_stat_replication r WHERE r.state = 'streaming'"
		"  AND NOT EXISTS (SELECT 1 FROM pg_replication_slots l WHERE l.active_pid = r.pid AND l.slot_type = 'logical')) r"
		" WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
	struct watch_sample *s = &w->s;
	struct err err;
	PGresult *r;

	if (ask(w, SIDE_TARGET, sql, w->m->sub.name, &r, &err) != ERR_OK)
		return;
	if (PQntuples(r) > 0) {
		s->timeline = cell_i64(r, 0, 0);
		keep(s->address, sizeof s->address, cell(r, 0, 1));
		keep(s->sync_commit, sizeof s->sync_commit, cell(r, 0, 2));
		keep(s->origin_lsn, sizeof s->origin_lsn, cell(r, 0, 3));
		w->origin_remote = cell_i64(r, 0, 4);
		w->origin_local = cell_i64(r, 0, 5);
		keep(w->system, sizeof w->system, cell(r, 0, 6));
		s->standbys = cell_i64(r, 0, 7);
		s->sync_standbys = cell_i64(r, 0, 8);
	}
	PQclear(r);
}

/* Where the timeline that we know ends on the new leader: only a superuser may read that, and members of pg_read_server_files. */
static int64_t look_for_fork(struct watch *w)
{
	char path[64];
	struct err err;
	PGresult *r;
	int64_t at = -1;

	(void)snprintf(path, sizeof path, "pg_wal/%08llX.history", (unsigned long long)w->s.timeline);
	if (ask(w, SIDE_TARGET, "SELECT pg_read_file($1)", path, &r, &err) == ERR_OK) {
		at = guard_fork(cell(r, 0, 0), w->guard.timeline);
		PQclear(r);
	}
	return at;
}

static void look_at_failover(struct watch *w, int64_t confirmed)
{
	struct watch_sample *s = &w->s;
	bool moved = w->guard.timeline != 0 && s->timeline != 0 && s->timeline != w->guard.timeline;
	struct guard_reading now = {.timeline = s->timeline, .system = w->system, .local = w->origin_local, .remote = w->origin_remote, .confirmed = confirmed,
				    .safe = watch_is_safe(s),
				    .fork = moved ? look_for_fork(w) : -1};

	guard_look(&w->guard, &now);
	(void)guard_save(&w->guard, w->path);
	s->failed_over = w->guard.word;
	keep(s->failover, sizeof s->failover, w->guard.say);
}

/* Counters that came with 15 and 18. A conflict that stops the worker is an error of its own; what it passes over makes both sides differ. */
static void look_closer_at_target(struct watch *w)
{
	int v = session_version(w->ends.session[SIDE_TARGET]);
	struct watch_sample *s = &w->s;
	struct err err;
	PGresult *r;

	char *sql = xasprintf("SELECT t.apply_error_count, t.sync_error_count, %s FROM pg_stat_subscription_stats t JOIN pg_subscription s ON s.oid = t.subid"
			      " WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
			      v >= 180000 ? "t.confl_update_origin_differs + t.confl_update_missing + t.confl_delete_origin_differs + t.confl_delete_missing" : "-1");
	if (v >= 150000 && ask(w, SIDE_TARGET, sql, w->m->sub.name, &r, &err) == ERR_OK) {
		if (PQntuples(r) > 0) {
			s->apply_errors = cell_i64(r, 0, 0);
			s->sync_errors = cell_i64(r, 0, 1);
			s->conflicts = cell_i64(r, 0, 2);
		}
		PQclear(r);
	}
	free(sql);
	s->target_version = v;
	look_who_leads(w);
	failing_look(&w->failing, w->ends.session[SIDE_TARGET], w->origin, s);
}

static enum err_code ask_source(struct watch *w, struct err *err)
{
	enum err_code rc = ends_connect(&w->ends, SIDE_SOURCE, err);

	if (rc != ERR_OK)
		return rc;
	bool v13 = session_version(w->ends.session[SIDE_SOURCE]) >= 130000;
	char *sql = xasprintf(
		"SELECT c.lsn, c.lsn - '0/0', p.slot_name IS NOT NULL, p.active, p.confirmed_flush_lsn, p.confirmed_flush_lsn - '0/0', c.lsn - p.confirmed_flush_lsn,"
		" c.lsn - p.restart_lsn, age(p.catalog_xmin), %s, (SELECT c.lsn - a.sent_lsn FROM pg_stat_replication a WHERE a.pid = p.active_pid),"
		" (SELECT format('pid %%s (%%s in %%s, %%s, for %%s s)', a.pid, a.usename, a.datname, a.state, extract(epoch FROM now() - a.xact_start)::bigint)"
		"  FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND now() - a.xact_start > interval '10 s' ORDER BY a.xact_start LIMIT 1),"
		" (SELECT a.wait_event_type || '/' || a.wait_event FROM pg_stat_activity a WHERE a.pid = p.active_pid)"
		" FROM (SELECT pg_current_wal_flush_lsn() AS lsn) c LEFT JOIN pg_replication_slots p ON p.slot_name = $1",
		v13 ? "coalesce(p.wal_status, ''), coalesce(p.safe_wal_size, -1)" : "'', -1");
	rc = ends_begin(&w->ends, SIDE_SOURCE, sql, w->s.slot, err);
	free(sql);
	return rc;
}

static enum err_code look_at_source(struct watch *w, int64_t *current, int64_t *confirmed, struct err *err)
{
	struct watch_sample *s = &w->s;
	PGresult *r;
	enum err_code rc = ends_answer(&w->ends, SIDE_SOURCE, &r, err);

	if (rc != ERR_OK)
		return rc;
	keep(s->current_lsn, sizeof s->current_lsn, cell(r, 0, 0));
	*current = cell_i64(r, 0, 1);
	s->slot_exists = cell_bool(r, 0, 2);
	s->slot_active = cell_bool(r, 0, 3);
	*confirmed = cell_i64(r, 0, 5);
	if (s->slot_exists)
		keep(s->confirmed_lsn, sizeof s->confirmed_lsn, cell(r, 0, 4));
	int64_t lag = cell_i64(r, 0, 6);
	s->lag_bytes = lag > 0 ? lag : 0;
	s->held_bytes = cell_i64(r, 0, 7);
	s->xmin_age = cell_i64(r, 0, 8);
	keep(s->wal_status, sizeof s->wal_status, cell(r, 0, 9));
	s->safe_bytes = cell_i64(r, 0, 10);
	s->unsent_bytes = PQgetisnull(r, 0, 11) ? -1 : cell_i64(r, 0, 11) > 0 ? cell_i64(r, 0, 11) : 0;
	keep(s->writer, sizeof s->writer, cell(r, 0, 12));
	keep(s->sender_wait, sizeof s->sender_wait, cell(r, 0, 13));
	w->sent = *current - (s->unsent_bytes > 0 ? s->unsent_bytes : 0);
	PQclear(r);
	return ERR_OK;
}

/* ---- after a cutover: who has not noticed? ---- */

/* The source's own word (pg/phase.h writes it). */
static void look_who_is_left(struct watch *w)
{
	struct watch_sample *s = &w->s;
	struct err err;
	enum phase phase;

	if (word_ask(w->ends.session[SIDE_SOURCE], w->m, SIDE_SOURCE, ASK_MS, &phase, &err) != ERR_OK)
		return;
	s->handed_over = phase == PHASE_CUT_OVER;
	s->rolled_back = phase == PHASE_ROLLED_BACK;
	s->fenced = phase == PHASE_FENCED;
	s->talkers = -1;
	s->who_talks[0] = '\0';
	if (s->handed_over)
		(void)talkers_ask(w->ends.session[SIDE_SOURCE], ASK_MS, &s->talkers, s->who_talks, sizeof s->who_talks, &err);
}

/* The target's: a rollback closes it, and no journal is needed to see that it did not come to its end. */
static void look_at_targets_word(struct watch *w)
{
	struct err ignored; /* the end that does not answer is in the sample */
	enum phase phase;

	if (word_ask(w->ends.session[SIDE_TARGET], w->m, SIDE_TARGET, ASK_MS, &phase, &ignored) == ERR_OK)
		w->s.back_fenced = phase == PHASE_FENCED;
}

/* An application, or a test of one, that was pointed to the target too early. A transaction is seen only while it lasts: it stays shown for a while. */
static void look_for_intruders(struct watch *w)
{
	struct watch_sample *s = &w->s;
	char now[sizeof s->intruder] = "";
	struct err ignored; /* the end that does not answer is in the sample */

	if (!s->fenced && !s->handed_over && !s->rolled_back)
		(void)writers_ask(w->ends.session[SIDE_TARGET], ASK_MS, now, sizeof now, &ignored);
	if (now[0])
		w->intruder_us = clock_mono_us();
	if (now[0] || clock_mono_us() - w->intruder_us > INTRUDER_US)
		keep(s->intruder, sizeof s->intruder, now);
}

/* ---- each minute: do both sides still have the same columns, and how far are sequences? ---- */

static void take_minute(struct watch_sample *s, const struct minute_found *f)
{
	keep(s->drift, sizeof s->drift, f->drift.tables);
	keep(s->drift_less, sizeof s->drift_less, f->drift.lesser);
	keep(s->drift_lines, sizeof s->drift_lines, f->drift.lines);
	s->drift_ms = f->drift_ms;
	keep(s->drift_not, sizeof s->drift_not, f->drift_not);
	s->sequences_behind = f->sequences_behind;
	keep(s->reverse_not, sizeof s->reverse_not, f->reverse_not);
}

/* What was found is over, and so is a look that is under way. */
static void forget_minute(struct watch *w)
{
	static const struct minute_found none = {.drift_ms = -1, .sequences_behind = -1};

	minute_end(w->minute, NULL);
	w->minute = NULL;
	w->minute_us = 0;
	take_minute(&w->s, &none);
}

/* From the hand-over on it is the old server that follows. True: there is a reading. */
static bool look_at_way_back(struct watch *w, struct reverse_reading *now)
{
	struct watch_sample *s = &w->s;
	int64_t down = s->back_down;
	struct link back;
	struct err err;

	link_back(&back, w->m);
	if (!s->handed_over || !s->source_ok || !s->target_ok ||
	    reverse_ask(w->ends.session[SIDE_SOURCE], w->ends.session[SIDE_TARGET], &back, ASK_MS, s, now, &err) != ERR_OK)
		return false;
	if (s->back_down)
		s->back_down = down + 1;
	if (!w->reversed) { /* what was read before is of the other way */
		w->pace = (struct watch_pace){.n = 0};
		forget_minute(w);
	}
	w->reversed = true;
	return s->way_back && s->back_lacks == BACK_WHOLE;
}

static void minute_over(struct watch *w)
{
	struct minute_found found;

	if (!w->minute || !minute_ended(w->minute))
		return;
	minute_end(w->minute, &found);
	w->minute = NULL;
	take_minute(&w->s, &found);
}

static void each_minute(struct watch *w)
{
	struct watch_sample *s = &w->s;
	struct minute_found found;
	bool first = w->minute_us == 0;

	if (s->rolled_back || s->finalized)
		forget_minute(w);
	minute_over(w);
	bool soon = s->drift_not[0] || (s->handed_over && (s->drift[0] || s->back_down));
	if (w->minute || !watch_compares(s) || (!first && clock_mono_us() - w->minute_us <= (soon ? SOONER_US : MINUTE_US)))
		return;
	w->minute_us = clock_mono_us();
	w->minute = w->goes_on ? minute_begin(w->m, w->app, !s->handed_over && s->ready < s->tables, s->handed_over) : NULL;
	if (!w->minute) {
		minute_look(w->ends.session, w->m, !s->handed_over && s->ready < s->tables, s->handed_over, &found);
		take_minute(s, &found);
	}
	/* of a few tables it is known at once */
	for (int64_t end = clock_deadline(AT_ONCE_MS); first && w->minute && clock_mono_us() < end && !minute_ended(w->minute); (void)poll(NULL, 0, 2))
		;
	minute_over(w);
}

enum err_code watch_tables(struct watch *w, char **text, struct err *err)
{
	enum err_code rc = ends_connect(&w->ends, SIDE_TARGET, err);

	*text = NULL;
	return rc == ERR_OK ? tables_of_subscription(w->ends.session[SIDE_TARGET], w->m->sub.name, text, err) : rc;
}

enum err_code watch_wal_place(struct watch *w, struct wal_place *out, struct err *err)
{
	enum err_code rc = ends_connect(&w->ends, SIDE_SOURCE, err);

	return rc == ERR_OK ? walplace_ask(w->ends.session[SIDE_SOURCE], ASK_MS, out, err) : rc;
}

void watch_disk(struct watch *w, int64_t free_bytes, const char *where)
{
	w->disk_free = free_bytes;
	w->disk_held = w->s.held_bytes;
	keep(w->s.disk_where, sizeof w->s.disk_where, where);
}

/* It was read a while ago; what is kept since then is gone from it. */
static void reckon_disk(struct watch *w)
{
	struct watch_sample *s = &w->s;
	w->disk_held = w->disk_held ? w->disk_held : s->held_bytes;
	int64_t more = s->held_bytes > w->disk_held ? s->held_bytes - w->disk_held : 0;

	if (s->handed_over || s->rolled_back || s->finalized) {
		w->disk_free = -1;
		s->disk_where[0] = '\0';
	}
	s->disk_bytes = w->disk_free < 0 ? -1 : w->disk_free > more ? w->disk_free - more : 0;
}

/* A slot that does not move although something waits: since when. */
static void stands_still(struct watch *w, int64_t confirmed)
{
	int64_t now = clock_mono_us();

	if (!w->s.source_ok || w->s.lag_bytes == 0 || confirmed != w->confirmed || w->moved_us == 0) {
		w->confirmed = confirmed;
		w->moved_us = now;
	}
	w->s.still_s = (double)(now - w->moved_us) / 1e6;
}

static void look_at_flow(struct watch *w)
{
	struct watch_sample *s = &w->s;
	struct flow_reading now = {.sent = w->sent, .received = w->received, .heard_s = s->heard_s, .worker = s->worker_wait, .sender = s->sender_wait};

	s->silent_s = 0;
	if (s->source_ok && s->target_ok && s->worker && s->slot_active && s->unsent_bytes >= 0)
		s->silent_s = flow_silent_s(&w->flow, &now, clock_mono_us());
	else
		w->flow = (struct flow){0};
}

/* Of a side that does not answer no rate is known; where nobody reads from the slot nothing is confirmed. */
static void forget_rates(struct watch_sample *s, bool reverse)
{
	if (!s->target_ok)
		s->commits = -1;
	if (!s->source_ok || (s->handed_over && !reverse)) {
		s->apply_rate = s->wal_rate = s->level_s = -1;
	} else if (!reverse && !s->slot_active && s->wal_rate >= 0) {
		s->apply_rate = 0;
		s->level_s = s->lag_bytes > 0 ? -1 : 0;
	}
}

#define HELD_S 1.5 /* less is a lock that somebody needs for a moment */

static void look_who_holds(struct watch *w)
{
	struct watch_sample *s = &w->s;
	struct err err;

	s->stuck[0] = '\0';
	if (s->target_ok && s->worker && (s->still_s > HELD_S || w->minute_us == 0)) /* one look is all that a cutover takes */
		(void)stuck_ask(w->ends.session[SIDE_TARGET], w->m->sub.name, ASK_MS, s->stuck, sizeof s->stuck, &s->stuck_pid, &err);
}

/* Each end's first answer; the session may still break before the last. */
static void take_answers(struct watch *w, int64_t *current, int64_t *confirmed, struct err err[2])
{
	struct watch_sample *s = &w->s;
	char slot[sizeof s->slot];

	keep(slot, sizeof slot, s->slot);
	bool target = ask_target(w, &err[SIDE_TARGET]) == ERR_OK, source = ask_source(w, &err[SIDE_SOURCE]) == ERR_OK;
	s->target_ok = target && look_at_target(w, &w->commits, &err[SIDE_TARGET]) == ERR_OK;
	s->source_ok = source && look_at_source(w, current, confirmed, &err[SIDE_SOURCE]) == ERR_OK;
	if (s->source_ok && !str_eq(slot, s->slot)) /* the target knows its name better */
		s->source_ok = ask_source(w, &err[SIDE_SOURCE]) == ERR_OK && look_at_source(w, current, confirmed, &err[SIDE_SOURCE]) == ERR_OK;
}

/* What of it answers, and why not; a session that broke in the middle of the sample counts. */
static void say_end(struct watch *w, enum side side, struct err *err, int64_t *ok, int64_t *away, int64_t *seen_us, char *text, size_t cap)
{
	if (*ok && !(w->ends.session[side] && session_alive(w->ends.session[side]))) {
		err_set(err, ERR_LOST, "the connection broke, or did not answer in time");
		*ok = 0;
	}
	*text = '\0';
	*away = *ok ? AWAY_NOT : ends_kind(&w->ends, side, err);
	if (*ok)
		*seen_us = clock_wall_us();
	else
		ends_say(&w->ends, side, err, text, cap);
}

static void say_ends(struct watch *w, struct err err[2])
{
	struct watch_sample *s = &w->s;

	say_end(w, SIDE_TARGET, &err[SIDE_TARGET], &s->target_ok, &s->target_away, &s->target_seen_us, s->target_error, sizeof s->target_error);
	say_end(w, SIDE_SOURCE, &err[SIDE_SOURCE], &s->source_ok, &s->source_away, &s->source_seen_us, s->source_error, sizeof s->source_error);
}

void watch_take(struct watch *w, struct watch_sample *out)
{
	int64_t current = 0, confirmed = 0;
	struct watch_sample *s = &w->s;
	struct err err[2] = {{0}};
	struct reverse_reading back;

	take_answers(w, &current, &confirmed, err);
	if (s->target_ok) {
		look_closer_at_target(w);
		look_at_targets_word(w);
	}
	if (s->source_ok)
		look_who_is_left(w);
	say_ends(w, err);
	if (s->source_ok && s->target_ok && s->sub_exists) {
		look_at_failover(w, confirmed);
		look_for_intruders(w);
	}
	bool reverse = look_at_way_back(w, &back);
	stands_still(w, confirmed);
	look_at_flow(w);
	look_who_holds(w);
	say_ends(w, err); /* one that broke since: the next sample begins with a new connection, which may take long */
	s->at_us = clock_wall_us();
	if (reverse)
		watch_pace_add(&w->pace, s->at_us, back.current, back.confirmed, back.held, w->commits);
	else if (s->source_ok && s->slot_exists && !s->handed_over) /* the target may be away: the disk fills all the same */
		watch_pace_add(&w->pace, s->at_us, current, confirmed, s->held_bytes, w->commits);
	reckon_disk(w);
	watch_pace_tell(&w->pace, s);
	forget_rates(s, reverse);
	s->within_s = watch_pace_within(&w->pace, w->m->cut.max_lag_bytes);
	each_minute(w);
	*out = *s;
}
