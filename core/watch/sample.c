#include "watch/sample.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "watch/drift.h"
#include "watch/failing.h"
#include "watch/flow.h"
#include "watch/guard.h"
#include "watch/stuck.h"
#include "watch/unfollowed.h"

#define BEHIND_BYTES (64 << 20)
#define BEHIND_S 60
#define HELD_BYTES (INT64_C(20) << 30)
#define SOON_S 3600.0
#define DAY_S 86400.0
#define DISK_BAD_S 600.0
#define STILL_S 2.5
#define HEARD_S 32.0
#define STATUS_S 10.0
#define STUCK_S 30     /* a lock that is held for so long was forgotten */
#define STILL_BYTES (1 << 20)
#define XMIN_AGE 100000000

enum type { INT, REAL, TEXT };
struct column { const char *name; enum type type; size_t at, size; };
#define COL(t, f) {#f, t, offsetof(struct watch_sample, f), sizeof(((struct watch_sample *)0)->f)}

static const struct column columns[] = {
	COL(INT, at_us), COL(INT, source_ok), COL(INT, target_ok), COL(TEXT, source_error), COL(TEXT, target_error), COL(INT, source_away), COL(INT, target_away),
	COL(INT, source_seen_us), COL(INT, target_seen_us), COL(INT, sub_exists),
	COL(INT, enabled), COL(INT, worker), COL(TEXT, subscription), COL(TEXT, slot), COL(INT, tables), COL(INT, ready), COL(TEXT, busy),
	COL(INT, apply_errors), COL(INT, sync_errors), COL(INT, conflicts), COL(INT, restarts), COL(INT, replaced), COL(TEXT, said), COL(TEXT, said_detail),
	COL(TEXT, said_relation), COL(TEXT, said_lsn), COL(TEXT, said_look), COL(TEXT, said_remove), COL(TEXT, log_where), COL(INT, target_version), COL(INT, timeline),
	COL(TEXT, address), COL(INT, failed_over), COL(TEXT, failover), COL(INT, standbys), COL(INT, sync_standbys), COL(TEXT, sync_commit),
	COL(TEXT, origin_lsn), COL(TEXT, intruder), COL(INT, slot_exists), COL(INT, slot_active), COL(TEXT, wal_status), COL(TEXT, current_lsn),
	COL(TEXT, confirmed_lsn), COL(INT, lag_bytes), COL(INT, unsent_bytes), COL(INT, held_bytes), COL(INT, safe_bytes), COL(TEXT, worker_wait), COL(TEXT, sender_wait), COL(REAL, heard_s), COL(REAL, silent_s), COL(REAL, still_s), COL(TEXT, stuck), COL(INT, stuck_pid), COL(INT, xmin_age),
	COL(TEXT, writer), COL(REAL, lag_s), COL(REAL, apply_rate), COL(REAL, wal_rate), COL(REAL, commits), COL(REAL, level_s),
	COL(REAL, full_s), COL(INT, disk_bytes), COL(TEXT, disk_where), COL(REAL, disk_full_s), COL(REAL, within_s), COL(INT, handed_over), COL(INT, fenced), COL(INT, back_fenced), COL(INT, rolled_back), COL(INT, finalized), COL(INT, way_back),
	COL(INT, back_down), COL(INT, back_held_bytes), COL(INT, back_lacks), COL(INT, talkers), COL(TEXT, who_talks), COL(INT, sequences_behind), COL(TEXT, drift), COL(TEXT, drift_less),
	COL(TEXT, drift_lines), COL(INT, drift_ms), COL(TEXT, drift_not), COL(TEXT, reverse_not),
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

/* ---- what it means ---- */

struct list { struct watch_alarm *v; size_t n; };

static void __attribute__((format(printf, 5, 6))) add(struct list *l, const char *id, enum verdict v, const char *todo, const char *fmt, ...)
{
	va_list ap;

	if (l->n == WATCH_ALARMS)
		return;
	struct watch_alarm *a = &l->v[l->n++];
	a->id = id;
	a->verdict = v;
	va_start(ap, fmt);
	(void)vsnprintf(a->text, sizeof a->text, fmt, ap);
	va_end(ap);
	(void)snprintf(a->todo, sizeof a->todo, "%s", todo);
}

/* Replication goes on whether pgusher may look or not. */
static void of_end(struct list *l, const char *who, int64_t away, const char *why, const char *silent_todo)
{
	if (away == AWAY_PASSWORD)
		add(l, who, VERDICT_BLOCK, "type it (p in the wizard), or put it into the password file and start the watch again; the replication goes on whether pgusher sees it or not", "no login to the %s: %s", who, why);
	else if (away == AWAY_REFUSED)
		add(l, who, VERDICT_BLOCK, "put that right there: it is asked again each minute, and the replication goes on whether pgusher sees it or not", "the %s refuses pgusher: %s", who, why);
	else
		add(l, who, VERDICT_BLOCK, silent_todo, "the %s does not answer: %s", who, why);
}

/* Behind a rollback's hand-over the target's word may stand as it likes. */
static bool is_back_fenced(const struct watch_sample *s)
{
	return s->back_fenced && !s->rolled_back && !s->finalized;
}

/* A connection that stands says that the server lives: it is written to at least each half minute (wal_sender_timeout). */
static const char *heard_of_source(const struct watch_sample *s, char *out, size_t cap)
{
	char t[32];

	if (s->target_ok && s->worker && s->heard_s >= 0 && s->heard_s < HEARD_S)
		(void)snprintf(out, cap, "the target heard from it %s ago: it may be that only pgusher does not reach the source, and the replication goes on. Look at the network between this host and it; it is asked again by itself",
			       fmt_secs(t, sizeof t, s->heard_s));
	else
		(void)snprintf(out, cap, "the subscription goes on by itself when the source is back; until then its slot keeps what is not sent");
	return out;
}

static void of_ends(const struct watch_sample *s, struct list *l)
{
	char todo[sizeof l->v->todo];

	if (s->fenced)
		add(l, "fenced", VERDICT_BLOCK, "if none is on: pgusher cutover --abort opens it again", "the source is closed to writers: a cutover is on, or was interrupted");
	if (is_back_fenced(s))
		add(l, "fenced", VERDICT_BLOCK, "if none is on: pgusher rollback --abort opens it again (the old server follows it again, by itself), or the same rollback again goes on to its end",
		    "THE TARGET, WHICH IS THE PRIMARY, IS CLOSED TO WRITERS: a rollback is on, or was interrupted");
	if (!s->source_ok)
		of_end(l, "source", s->source_away, s->source_error, heard_of_source(s, todo, sizeof todo));
	if (!s->target_ok && s->source_ok && !s->slot_exists && !s->fenced && !s->handed_over && !s->rolled_back && !s->finalized)
		add(l, "none", VERDICT_BLOCK, "pgusher run begins; pgusher status says what was done here", "nothing follows: there is no slot on the source, and the target says: %s", s->target_error);
	else if (!s->target_ok)
		of_end(l, "target", s->target_away, s->target_error, s->source_ok && s->slot_active
		       ? "the source has a connection to it still: it may be that only pgusher does not reach the target. Look at the network between this host and it; it is asked again by itself"
		       : "while the target is away the slot keeps WAL on the source's disk; it is asked again by itself");
	if (s->failed_over == GUARD_LOST)
		add(l, "lost", VERDICT_BLOCK, "rows are missing on the target: pgusher cleanup, then copy again; or find them with pgusher verify, when the writers pause, and bring them over by hand",
		    "%s", s->failover);
	else if (s->failed_over == GUARD_OTHER)
		add(l, "other", VERDICT_BLOCK, "look where [target] host leads to", "%s", s->failover);
	else if (s->failed_over == GUARD_UNPROVEN)
		add(l, "unproven", VERDICT_WARN, "the cutover compares every table anyway; to know it earlier: pgusher verify, when the writers pause", "%s", s->failover);
}

/* A full disk stops the source's server, and with it the application: the slot is worth less than that. */
static void of_disk(const struct watch_sample *s, struct list *l)
{
	char t[32], b[32], k[32], todo[sizeof l->v->todo];

	if (s->disk_full_s >= 0 && s->disk_full_s < SOON_S) {
		add(l, "disk", s->disk_full_s < DISK_BAD_S ? VERDICT_BLOCK : VERDICT_WARN,
		    "the source stops when it is full. When the target cannot catch up in time: x in the monitor (pgusher cleanup) gives the replication up and sets the WAL free, the target's copy stays; "
		    "or make room there; or set max_slot_wal_keep_size and reload: then the slot goes before the server",
		    "at this rate the source's disk is full in %s: %s free, the slot keeps %s", fmt_secs(t, sizeof t, s->disk_full_s), fmt_bytes(b, sizeof b, (double)s->disk_bytes),
		    fmt_bytes(k, sizeof k, (double)s->held_bytes));
	} else if (s->held_bytes > HELD_BYTES) {
		(void)snprintf(todo, sizeof todo, "%s%s%s%smax_slot_wal_keep_size puts a limit to it; x in the monitor, else pgusher cleanup, ends the replication and sets it free", s->disk_bytes >= 0 ? fmt_bytes(b, sizeof b, (double)s->disk_bytes) : "",
			       s->disk_bytes >= 0 ? " are free there; " : "", s->disk_bytes < 0 ? s->disk_where : "", s->disk_bytes < 0 && s->disk_where[0] ? "; " : "");
		add(l, "held", VERDICT_WARN, todo, "the slot keeps %s of WAL on the source's disk%s", fmt_bytes(k, sizeof k, (double)s->held_bytes), s->disk_bytes < 0 ? ", and how much is free there is not known" : "");
	}
}

static void of_slot(const struct watch_sample *s, struct list *l)
{
	char t[32];

	if (s->source_ok && !s->slot_exists && s->target_ok && s->sub_exists)
		add(l, "slot gone", VERDICT_BLOCK, "pgusher cleanup, then start again from the copy: no slot made later can bring back what it had",
		    "the slot %s is gone from the source: changes are lost", s->slot);
	if (strcmp(s->wal_status, "lost") == 0)
		add(l, "wal lost", VERDICT_BLOCK, "pgusher cleanup, then start again from the copy, with a larger max_slot_wal_keep_size",
		    "the source has thrown away WAL that the slot needs");
	else if (strcmp(s->wal_status, "unreserved") == 0)
		add(l, "wal", VERDICT_BLOCK, "raise max_slot_wal_keep_size on the source and reload, now", "the next checkpoint of the source may throw away WAL that the slot needs");
	else if (s->full_s >= 0 && s->full_s < DAY_S)
		add(l, "slot full", s->full_s < SOON_S ? VERDICT_BLOCK : VERDICT_WARN, "raise max_slot_wal_keep_size on the source and reload, or find out why the target does not keep up",
		    "at this rate the slot is lost in %s", fmt_secs(t, sizeof t, s->full_s));
	of_disk(s, l);
	if (s->xmin_age > XMIN_AGE)
		add(l, "xmin", VERDICT_WARN, "it goes on when the target catches up", "the slot holds back vacuum of the source's catalogue by %s", fmt_things(t, sizeof t, s->xmin_age, "transaction"));
}

static void of_worker(const struct watch_sample *s, struct list *l)
{
	char todo[sizeof l->v->todo], enable[160];

	failing_todo(s, todo, sizeof todo);
	(void)snprintf(enable, sizeof enable, "ALTER SUBSCRIPTION %.60s ENABLE on the target; meanwhile the slot keeps WAL on the source", s->subscription);
	if (!s->target_ok)
		return;
	if (!s->sub_exists && s->source_ok && !s->slot_exists) {
		add(l, "none", VERDICT_BLOCK, "pgusher run begins one; pgusher status says what was done here", "there is no subscription, nor a slot for one");
	} else if (!s->sub_exists) {
		add(l, "subscription", VERDICT_BLOCK, "pgusher run goes on with what was begun (pgusher status says how far it came), or pgusher cleanup removes it: until then nobody reads from the slot, and it fills the source's disk", "the subscription %s is not on the target", s->subscription);
	} else if (!s->enabled && s->fenced && !s->said[0]) {
		/* a cutover's doing: what takes that back wakes it */
	} else if (!s->enabled) {
		add(l, "disabled", VERDICT_BLOCK, s->said[0] ? todo : enable, "the subscription %s is disabled%s%s%s%s", s->subscription,
		    s->said[0] ? ": " : "", s->said, s->said_detail[0] ? "; " : "", s->said_detail);
	} else if (!s->worker) {
		add(l, "worker", VERDICT_BLOCK, todo, s->said[0] ? "no apply worker runs on the target: it fails%s%s: %s%s%s" : "no apply worker runs on the target%s",
		    !s->said[0] ? s->apply_errors > 0 || s->restarts > 1 ? ": it fails again and again" : " (its server starts one again after wal_retrieve_retry_interval, 5 s by default)" : s->said_relation[0] ? " on " : "", s->said_relation, s->said,
		    s->said_detail[0] ? "; " : "", s->said_detail);
	} else if (s->source_ok && s->slot_exists && !s->slot_active) {
		add(l, "connection", VERDICT_WARN, "it tries again by itself; when that lasts: can the target still reach the source?", "the worker has no connection to the source");
	}
	if (s->worker && s->restarts > 2)
		add(l, "worker", VERDICT_WARN, todo, "the apply worker was started %lld times within 20 s%s%s%s%s", (long long)s->restarts, s->said[0] ? ": " : "", s->said,
		    s->said_detail[0] ? "; " : "", s->said_detail);
	else if (s->worker && s->enabled && s->replaced)
		add(l, "restarted", VERDICT_WARN, "it goes on by itself; the logs of both servers say why, when nobody ended it on purpose", "the apply worker ended and was started anew: its connection broke, or somebody ended it");
	if (s->sync_errors > 0 && s->ready < s->tables)
		add(l, "sync", VERDICT_WARN, "the target's log says why; it is tried again by itself", "failed copies of a table: %lld", (long long)s->sync_errors);
	if (s->intruder[0] && !s->stuck[0])
		add(l, "intruder", VERDICT_WARN, "what is written there is not on the source: a row with the same key stops the replication, any other makes the two sides differ. Find out who that is and end it; until the "
		    "cutover REVOKE CONNECT ON DATABASE, or pg_hba.conf, keeps applications away; pgusher verify, when the writers pause, says what differs by now", "somebody writes on the target: %s", s->intruder);
	if (s->conflicts > 0)
		add(l, "conflicts", VERDICT_WARN, "somebody writes to the target: its log names the rows; compare with pgusher verify", "%lld conflict%s on the target", (long long)s->conflicts, s->conflicts == 1 ? "" : "s");
}

static void of_pace(const struct watch_sample *s, struct list *l)
{
	char b[32], t[32];

	if (s->target_ok && s->worker && s->stuck[0]) {
		char todo[200], end[48];
		stuck_end(s->stuck_pid, end, sizeof end);
		(void)snprintf(todo, sizeof todo, "ask whoever it is to end the transaction, or end it on the target: %s", end);
		add(l, "stuck", s->still_s > STUCK_S ? VERDICT_BLOCK : VERDICT_WARN, todo, "the target's worker waits for a lock, for %s: %s", fmt_secs(t, sizeof t, s->still_s), s->stuck);
	} else if (s->source_ok && s->target_ok && s->worker && s->slot_active && s->silent_s > WATCH_SILENT_S) {
		add(l, "network", s->silent_s > STUCK_S ? VERDICT_BLOCK : VERDICT_WARN, "look at the network between target and source, and at its firewalls: it goes on by itself when something comes through. "
		    "When that lasts, both servers end the connection and try a new one (wal_receiver_timeout, wal_sender_timeout)",
		    "nothing comes through the network from the source to the target, for %s: %s behind", fmt_secs(t, sizeof t, s->silent_s), fmt_bytes(b, sizeof b, (double)s->lag_bytes));
	} else if (s->source_ok && s->target_ok && s->worker && s->slot_active && (s->still_s > 3 * STATUS_S / 2 || (s->still_s > STILL_S && s->lag_bytes > STILL_BYTES))) {
		/* a little may wait for the next status of the target, every 10 s */
		char why[160];
		const char *todo;
		flow_why(s, why, sizeof why, &todo);
		add(l, "still", VERDICT_WARN, todo, "the target has confirmed nothing for %s, %s behind: %s", fmt_secs(t, sizeof t, s->still_s), fmt_bytes(b, sizeof b, (double)s->lag_bytes), why);
	}
	if (s->drift_not[0] && s->source_ok && s->target_ok)
		add(l, "not compared", VERDICT_WARN, "see what holds a lock on the catalogues of either side (pg_locks), and whether this role may read them; it is tried again each half minute",
		    "whether both sides have the same tables and columns is not known: they could not be compared: %s", s->drift_not);
	if (s->drift[0])
		add(l, "drift", VERDICT_BLOCK, unfollowed_todo(s->drift), "tables differ between source and target: %s", s->drift);
	if (s->drift_less[0])
		add(l, "drift_less", VERDICT_WARN, "make them alike before the cutover: after it, the target has what it has", "objects differ between source and target: %.240s", s->drift_less);
	if (s->source_ok && s->target_ok && s->worker && s->lag_bytes > BEHIND_BYTES && s->lag_s > BEHIND_S && s->level_s < 0)
		add(l, "behind", VERDICT_WARN, "the source writes faster than the target applies: look at the target's disk and CPU, and at long transactions on the source",
		    "the target falls behind: %s, %s", fmt_bytes(b, sizeof b, (double)s->lag_bytes), fmt_secs(t, sizeof t, s->lag_s));
}

#define DOWN_LOOKS 5 /* a worker that was just started, or starts again, is not seen for a moment */

/* An ordinary deploy on the new primary does it: the old server stops at the next row of that table. */
static void of_way_back_drift(const struct watch_sample *s, struct list *l)
{
	char lines[240];
	size_t n = 0;

	for (const char *p = s->drift_lines; *p && n + 3 < sizeof lines; p++) {
		if (*p == '\n')
			lines[n++] = ';';
		lines[n++] = *p == '\n' ? ' ' : *p;
	}
	lines[n] = '\0';
	add(l, "back drift", VERDICT_BLOCK, DRIFT_BACK_TODO "; until then a rollback is refused, and what is written to such a table does not flow back",
	    "%s: tables differ between the new primary and the old source: %.120s: %s", s->back_down ? "the old server does not follow" : "the way back is about to break", s->drift, lines);
}

/* A rollback depends on it. */
static void of_way_back(const struct watch_sample *s, struct list *l)
{
	char b[32], t[32];

	if (s->back_lacks == BACK_DISABLED && s->back_fenced)
		; /* a rollback's doing: what takes that back wakes it, and by hand it would not open the target */
	else if (s->back_lacks == BACK_DISABLED)
		add(l, "way back", VERDICT_BLOCK, "ALTER SUBSCRIPTION ... ENABLE on the old server: it goes on where it stopped; until then its slot keeps WAL on the new primary",
		    "the old server does not follow: its subscription is disabled, and a rollback would wait for it");
	else if (s->back_lacks != BACK_WHOLE)
		add(l, "way back", VERDICT_BLOCK, "a rollback is not possible any more: what is written now is on the new primary alone, and a migration the other way would bring it back. "
		    "pgusher finalize removes what is left", "the old server does not follow any more: %s is gone", s->back_lacks == BACK_NO_SLOT ? "the slot on the new primary" : "its subscription");
	else if (s->drift[0])
		of_way_back_drift(s, l);
	else if (s->back_down)
		add(l, "way back", s->back_down >= DOWN_LOOKS ? VERDICT_BLOCK : VERDICT_WARN, "the old server's log says why: can it reach the new primary? A rollback waits for it, and its slot keeps WAL there; "
		    "pgusher finalize gives the way back up", "the old server does not follow: no worker of the reverse link is connected");
	else if (s->way_back && s->lag_bytes > BEHIND_BYTES && s->lag_s > BEHIND_S && s->level_s < 0)
		add(l, "way back", VERDICT_WARN, "a rollback would have to wait for it: look at the old server's disk and CPU", "the old server falls behind: %s, %s",
		    fmt_bytes(b, sizeof b, (double)s->lag_bytes), fmt_secs(t, sizeof t, s->lag_s));
	if (s->back_held_bytes > HELD_BYTES)
		add(l, "back held", VERDICT_WARN, "let the old server catch up, or give the way back up by pgusher finalize", "the reverse link's slot keeps %s of WAL on the new primary's disk",
		    fmt_bytes(b, sizeof b, (double)s->back_held_bytes));
}

/* Nothing is to follow any more; who has not noticed? */
static void of_rest(const struct watch_sample *s, struct list *l)
{
	char t[32];

	if (s->held_bytes > HELD_BYTES)
		add(l, "held", VERDICT_WARN, "pgusher cleanup sets it free", "the slot keeps %s of WAL on the old server's disk", fmt_bytes(t, sizeof t, (double)s->held_bytes));
	if (s->talkers > 0)
		add(l, "talkers", VERDICT_WARN, "point them to the new primary; on the old one they can only read", "%lld session%s still on the old server: %.240s", (long long)s->talkers,
		    s->talkers == 1 ? " is" : "s are", s->who_talks);
}

bool watch_compares(const struct watch_sample *s)
{
	return s->source_ok && s->target_ok && (s->handed_over ? s->way_back && s->back_lacks == BACK_WHOLE : s->sub_exists);
}

bool watch_is_safe(const struct watch_sample *s)
{
	return s->sync_standbys > 0 && (str_eq(s->sync_commit, "on") || str_starts(s->sync_commit, "remote_"));
}

bool watch_is_filling(const struct watch_sample *s)
{
	return (s->disk_full_s >= 0 && s->disk_full_s < SOON_S) || (s->full_s >= 0 && s->full_s < SOON_S) || str_eq(s->wal_status, "unreserved") || str_eq(s->wal_status, "lost");
}

static int worse(const void *a, const void *b)
{
	const struct watch_alarm *x = a, *y = b;

	if (x->verdict != y->verdict)
		return (int)y->verdict - (int)x->verdict;
	return x < y ? -1 : x > y;
}

size_t watch_alarms(const struct watch_sample *s, struct watch_alarm out[WATCH_ALARMS])
{
	struct list l = {.v = out};

	of_ends(s, &l);
	if (s->rolled_back || s->finalized) {
		/* nothing follows, on purpose */
	} else if (s->handed_over) {
		of_way_back(s, &l);
		of_rest(s, &l);
	} else {
		of_slot(s, &l);
		of_worker(s, &l);
		of_pace(s, &l);
	}
	qsort(out, l.n, sizeof *out, worse); /* few: that equal ones may change places is no matter */
	return l.n;
}

const char *watch_word(const struct watch_sample *s)
{
	struct watch_alarm a[WATCH_ALARMS] = {{0}};

	if (watch_alarms(s, a) > 0 && a[0].verdict == VERDICT_BLOCK)
		return "trouble";
	if (s->finalized)
		return "finalized";
	if (s->rolled_back)
		return "rolled back";
	if (s->handed_over)
		return "cut over";
	if (s->ready < s->tables)
		return "copying";
	return s->lag_s > 5 ? "behind" : "streaming";
}

/* ---- as text ---- */

static json_t *value(const struct watch_sample *s, const struct column *c)
{
	const char *at = (const char *)s + c->at;

	switch (c->type) {
	case INT:
		return json_integer(*(const int64_t *)(const void *)at);
	case REAL:
		return json_real(*(const double *)(const void *)at);
	case TEXT:
		return event_string(at);
	}
	return NULL;
}

json_t *watch_sample_json(const struct watch_sample *s)
{
	struct watch_alarm a[WATCH_ALARMS] = {{0}};
	size_t n = watch_alarms(s, a);
	json_t *j = json_object(), *list = json_array();
	char at[40];

	(void)json_object_set_new(j, "at", json_string(clock_iso(at, sizeof at, s->at_us)));
	(void)json_object_set_new(j, "kind", json_string("sample"));
	(void)json_object_set_new(j, "word", json_string(watch_word(s)));
	for (size_t i = 0; i < N_COLUMNS; i++)
		(void)json_object_set_new(j, columns[i].name, value(s, &columns[i]));
	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();
		(void)json_object_set_new(o, "verdict", json_string(verdict_name(a[i].verdict)));
		(void)json_object_set_new(o, "text", event_string(a[i].text));
		(void)json_object_set_new(o, "todo", event_string(a[i].todo));
		(void)json_object_set_new(o, "id", json_string(a[i].id));
		(void)json_array_append_new(list, o);
	}
	(void)json_object_set_new(j, "alarms", list);
	return j;
}

bool watch_sample_from_text(struct watch_sample *s, const char *text)
{
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;
	bool good = j != NULL;

	*s = (struct watch_sample){0};
	for (size_t i = 0; i < N_COLUMNS && good; i++) {
		const json_t *v = json_object_get(j, columns[i].name);
		char *at = (char *)s + columns[i].at;
		if (columns[i].type == INT && json_is_integer(v))
			*(int64_t *)(void *)at = json_integer_value(v);
		else if (columns[i].type == REAL && json_is_number(v))
			*(double *)(void *)at = json_number_value(v);
		else if (columns[i].type == TEXT && json_is_string(v))
			(void)snprintf(at, columns[i].size, "%s", json_string_value(v));
		else
			good = false;
	}
	json_decref(j);
	return good;
}
