#include "watch/ready.h"
#include "watch/unfollowed.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "watch/guard.h"
#include "watch/stuck.h"

struct list { struct ready_condition *v; size_t n; };

/* todo is for when it is not OK. */
static void __attribute__((format(printf, 6, 7))) add(struct list *l, const char *id, const char *title, enum verdict v, const char *todo, const char *fmt, ...)
{
	struct ready_condition *c = &l->v[l->n++];
	va_list ap;

	*c = (struct ready_condition){.id = id, .title = title, .verdict = v};
	va_start(ap, fmt);
	(void)vsnprintf(c->value, sizeof c->value, fmt, ap);
	va_end(ap);
	(void)snprintf(c->todo, sizeof c->todo, "%s", v == VERDICT_OK ? "" : todo);
}

static const char not_known[] = "not known";

/* Nothing was read of a side yet: nothing is said of it. True: it was said so. */
static bool unseen(struct list *l, const char *id, const char *title, bool seen)
{
	if (!seen)
		add(l, id, title, VERDICT_INFO, "wait until both servers were seen", not_known);
	return !seen;
}

/* What a failover may have lost shows in the comparison of every table; without that one nothing would show it. */
static void of_leader(const struct watch_sample *s, const struct migration *m, struct list *l)
{
	bool blind = migration_cut_verify(m) != VERIFY_CHECKSUM;

	if (unseen(l, "leader", "same leader on the target", s->target_seen_us))
		return;
	if (!s->timeline)
		add(l, "leader", "same leader on the target", VERDICT_INFO, "the target is older than 10, or is no leader", "not readable");
	else if (s->failed_over == GUARD_KEPT && !(*s->failover && blind)) /* that a standby was synchronous is the servers' word, and up to a second old */
		add(l, "leader", "same leader on the target", VERDICT_OK, "", "timeline %lld%s%s%s", (long long)s->timeline, *s->address ? " at " : "", s->address,
		    *s->failover ? "; failed over, nothing known to be lost" : "");
	else if (s->failed_over <= GUARD_UNPROVEN)
		add(l, "leader", "same leader on the target", blind ? VERDICT_BLOCK : VERDICT_WARN,
		    blind ? "compare both sides by pgusher verify, or let the cutover do it: [cutover] verify = checksum" : "the cutover compares every table; pgusher verify does it now", "%s", s->failover);
	else
		add(l, "leader", "same leader on the target", VERDICT_BLOCK, "compare both sides by pgusher verify, or copy again: rows are missing", "%s", s->failover);
}

static void of_ends(const struct watch_sample *s, const struct migration *m, struct list *l)
{
	bool both = s->source_ok && s->target_ok;
	const char *why = !s->sub_exists ? "the subscription is not on the target" : !s->enabled ? "the subscription is disabled" : !s->worker ? "no apply worker runs" :
			  !s->slot_active ? "the worker has no connection to the source" : s->silent_s > WATCH_SILENT_S ? "nothing comes through the network to it" : "";

	add(l, "ends", "both servers answer", both ? VERDICT_OK : VERDICT_BLOCK, "wait until both are there", "%s",
	    both ? "yes" : !s->source_ok ? "the source does not" : "the target does not");
	if (!*why && s->stuck[0]) {
		char todo[80], end[48];
		stuck_end(s->stuck_pid, end, sizeof end);
		(void)snprintf(todo, sizeof todo, "end it on the target: %s", end);
		add(l, "follows", "the target follows", VERDICT_BLOCK, todo, "its worker waits for a lock: %s", s->stuck);
	} else if (!unseen(l, "follows", "the target follows", s->target_seen_us && s->source_seen_us)) {
		add(l, "follows", "the target follows", *why ? VERDICT_BLOCK : VERDICT_OK, "see the alarm and what it says to do", "%s", *why ? why : "subscription enabled, worker connected");
	}
	of_leader(s, m, l);
}

static void of_slot(const struct watch_sample *s, struct list *l)
{
	bool lost = strcmp(s->wal_status, "lost") == 0, risk = strcmp(s->wal_status, "unreserved") == 0;
	char t[32];

	if (unseen(l, "slot", "slot has its WAL", s->source_seen_us))
		return;
	add(l, "slot", "slot has its WAL", !s->slot_exists || lost ? VERDICT_BLOCK : risk ? VERDICT_WARN : VERDICT_OK,
	    risk ? "raise max_slot_wal_keep_size on the source and reload, now" : "clean up, and start again from the copy", "%s",
	    !s->slot_exists ? "the slot is gone" : lost ? "thrown away by the source" : risk ? "the next checkpoint may throw it away"
	    : fmt_bytes(t, sizeof t, (double)s->held_bytes));
}

static void of_tables(const struct watch_sample *s, struct list *l)
{
	if (!unseen(l, "tables", "all tables ready", s->target_seen_us))
		add(l, "tables", "all tables ready", s->tables == 0 || s->ready < s->tables ? VERDICT_BLOCK : VERDICT_OK, s->tables ? "wait until they are" : "the subscription has no tables: refresh it",
	    "%lld of %lld%s%s", (long long)s->ready, (long long)s->tables, s->busy[0] ? ": " : "", s->busy);
	if (s->drift_ms < 0 && !s->drift_not[0] && s->sequences_behind < 0)
		add(l, "same", "same tables and columns", VERDICT_INFO, "wait a moment", "not compared yet");
	else if (s->drift_ms < 0)
		add(l, "same", "same tables and columns", VERDICT_BLOCK, "see what holds a lock on the catalogues of either side (pg_locks), then look again", "could not be compared%s%s", s->drift_not[0] ? ": " : "", s->drift_not);
	else
		add(l, "same", "same tables and columns", s->drift[0] ? VERDICT_BLOCK : s->drift_less[0] ? VERDICT_WARN : VERDICT_OK,
		    unfollowed_todo(s->drift), "%s", s->drift[0] ? s->drift : s->drift_less[0] ? s->drift_less : "yes");
}

static void of_lag(const struct watch_sample *s, const struct migration *m, struct list *l)
{
	char b[32], t[32], w[32], max[32];
	bool over = s->lag_bytes > m->cut.max_lag_bytes;

	if (unseen(l, "lag", "little behind", s->source_seen_us))
		return;
	(void)fmt_bytes(max, sizeof max, (double)m->cut.max_lag_bytes);
	if (over)
		add(l, "lag", "little behind", VERDICT_BLOCK, "wait: writers would wait for as long as the target needs to come level", "%s, more than %s%s%s",
		    fmt_bytes(b, sizeof b, (double)s->lag_bytes), max, s->level_s >= 0 ? "; level in " : "", s->level_s >= 0 ? fmt_secs(t, sizeof t, s->level_s) : "");
	else
		add(l, "lag", "little behind", VERDICT_OK, "", "%s%s%s, within %s for %s", fmt_bytes(b, sizeof b, (double)s->lag_bytes), s->lag_s < 0 ? "" : ", ",
		    s->lag_s < 0 ? "" : fmt_secs(t, sizeof t, s->lag_s), max, fmt_secs(w, sizeof w, s->within_s));
}

static void of_trouble(const struct watch_sample *s, struct list *l)
{
	bool fails = s->restarts > 2, counted = s->apply_errors > 0;

	if (!unseen(l, "errors", "no apply errors", s->target_seen_us))
		add(l, "errors", "no apply errors", fails ? VERDICT_BLOCK : counted || s->conflicts > 0 ? VERDICT_WARN : VERDICT_OK,
	    fails ? "the target's log says why; put it right there" : "they may be old: look into the target's log", fails ? "the worker was started %lld times within 20 s" :
	    s->conflicts > 0 ? s->conflicts == 1 ? "%lld conflict counted" : "%lld conflicts counted" : counted ? "%lld counted since the subscription began" : "none",
	    (long long)(fails ? s->restarts : s->conflicts > 0 ? s->conflicts : s->apply_errors));
	if (!unseen(l, "writers", "no long transactions", s->source_seen_us))
		add(l, "writers", "no long transactions", s->writer[0] ? VERDICT_WARN : VERDICT_OK, "the locks would wait for it: let it end, or end it", "%s", s->writer[0] ? s->writer : "none over 10 s");
	if (s->sequences_behind < 0)
		add(l, "sequences", "sequences", VERDICT_INFO, "wait a moment", "not looked at yet");
	else
		add(l, "sequences", "sequences", VERDICT_OK, "", "%lld behind; the cutover brings them over", (long long)s->sequences_behind);
}

static void of_reverse(const struct watch_sample *s, const struct migration *m, struct list *l)
{
	if (!m->cut.reverse)
		add(l, "reverse", "way back", VERDICT_WARN, "[cutover] reverse = yes", "none: a rollback would lose what is written on the target");
	else if (s->sequences_behind < 0)
		add(l, "reverse", "way back", VERDICT_INFO, "wait a moment", "not looked at yet");
	else
		add(l, "reverse", "way back", s->reverse_not[0] ? VERDICT_BLOCK : VERDICT_OK, "put it right on the target, or say [cutover] reverse = no", "%s",
		    s->reverse_not[0] ? s->reverse_not : "a reverse link can be made");
}

size_t ready_list(const struct watch_sample *s, const struct migration *m, struct ready_condition out[READY_MAX])
{
	struct list l = {.v = out};

	of_ends(s, m, &l);
	of_slot(s, &l);
	of_tables(s, &l);
	of_lag(s, m, &l);
	of_trouble(s, &l);
	of_reverse(s, m, &l);
	return l.n;
}

enum verdict ready_verdict(const struct ready_condition *c, size_t n)
{
	enum verdict worst = VERDICT_OK;

	for (size_t i = 0; i < n; i++)
		worst = c[i].verdict > worst ? c[i].verdict : worst;
	return worst;
}
