/* A sample of a replication as a line, with its alarms below it. Declared in plain_in.h. */
#include <stdio.h>

#include "base/clock.h"
#include "plain_in.h"
#include "watch/sample.h"

#define BEGINS_US INT64_C(7000000)

/* What was not read yet is not known; what a side said before it went away is said with its age. */
static void say_side(const struct watch_sample *s, enum side side)
{
	int64_t seen_us = side == SIDE_SOURCE ? s->source_seen_us : s->target_seen_us;
	char t[32];

	if (seen_us != 0 && !(side == SIDE_SOURCE ? s->source_ok : s->target_ok))
		(void)printf(" (the %s's as of %s ago)", side_name(side), fmt_secs(t, sizeof t, (double)((s->at_us - seen_us) / 1000000)));
}

/* Of one look alone, and of a source that does not answer, none is known. */
static const char *rates(const struct watch_sample *s, char *out, size_t cap)
{
	char apply[32], wal[32];

	if (s->wal_rate < 0)
		(void)snprintf(out, cap, s->source_ok ? "rates not known yet" : "rates not known");
	else
		(void)snprintf(out, cap, "applies %s/s, source writes %s/s", fmt_bytes(apply, sizeof apply, s->apply_rate), fmt_bytes(wal, sizeof wal, s->wal_rate));
	return out;
}

static void say_pace(const struct watch_sample *s)
{
	char lag[48], age[32], pace[120], held[32], disk[32];

	(void)printf("%-9s ", watch_word(s));
	if (s->source_seen_us)
		(void)printf("%s behind, %s; %s; ", fmt_bytes(lag, sizeof lag, (double)s->lag_bytes),
			     s->lag_s < 0 ? "since when is not known yet" : fmt_secs(age, sizeof age, s->lag_s), rates(s, pace, sizeof pace));
	else
		(void)printf("how far it is behind is not known; ");
	if (s->target_seen_us)
		(void)printf("%lld of %s ready; ", (long long)s->ready, fmt_things(lag, sizeof lag, s->tables, "table"));
	else
		(void)printf("tables not known; ");
	if (s->source_seen_us)
		(void)printf("slot keeps %s, disk %s%s", fmt_bytes(held, sizeof held, (double)s->held_bytes),
			     s->disk_bytes < 0 ? "not known" : fmt_bytes(disk, sizeof disk, (double)s->disk_bytes), s->disk_bytes < 0 ? "" : " free");
	else
		(void)printf("slot not known");
	say_side(s, SIDE_SOURCE);
	say_side(s, SIDE_TARGET);
	(void)putchar('\n');
}

static void say_after(const struct watch_sample *s)
{
	char lag[32], age[32];

	(void)printf("%-9s the target is the primary%s; ", watch_word(s), s->back_fenced ? ", AND CLOSED TO WRITERS" : "");
	if (s->talkers < 0)
		(void)printf("who is on the old server is not known; ");
	else
		(void)printf("%lld session%s on the old server; ", (long long)s->talkers, s->talkers == 1 ? "" : "s");
	if (!s->target_seen_us)
		(void)printf("the way back is not known\n");
	else if (s->way_back)
		(void)printf("it is %s behind, %s\n", fmt_bytes(lag, sizeof lag, (double)s->lag_bytes), s->lag_s < 0 ? "since when is not known yet" : fmt_secs(age, sizeof age, s->lag_s));
	else
		(void)printf("no way back\n");
}

void plain_say_sample(const struct event *e)
{
	struct watch_sample s;
	struct watch_alarm a[WATCH_ALARMS];

	if (!watch_sample_from_text(&s, e->text))
		return;
	plain_stamp(s.at_us);
	if (s.finalized || s.rolled_back)
		(void)printf("%-9s %s\n", watch_word(&s), s.finalized ? "it was finalized: nothing of the migration is left, and neither server follows the other" :
			     "the source is the primary again, and nothing follows it; pgusher finalize removes what is left");
	else if (s.handed_over)
		say_after(&s);
	else
		say_pace(&s);
	plain_sub("busy", s.busy);
	plain_sub("writer", s.writer);
	for (size_t i = 0, n = watch_alarms(&s, a); i < n; i++) {
		plain_sub(a[i].verdict == VERDICT_BLOCK ? "ALARM" : "warn", a[i].text);
		plain_sub("  do", a[i].todo);
	}
	plain_sub("differ", s.drift_lines);
}

/* Before 16 a worker begins up to wal_retrieve_retry_interval (5 s) after another one: that alone is no trouble. Said is what one failed of. */
static bool may_begin(const struct watch_sample *s, int64_t since_us)
{
	return s->target_ok && s->sub_exists && s->enabled && !s->worker && !s->said[0] && s->at_us - since_us < BEGINS_US;
}

bool plain_sample_whole(const struct event *e, int64_t *since_us)
{
	struct watch_sample s;

	if (!watch_sample_from_text(&s, e->text))
		return true;
	if (*since_us == 0)
		*since_us = s.at_us;
	bool rates_known = s.wal_rate >= 0 || !s.source_ok || !s.slot_exists || s.handed_over || s.rolled_back || s.finalized; /* two readings, a second apart */
	return rates_known && (!watch_compares(&s) || ((s.drift_ms >= 0 || s.drift_not[0]) && !may_begin(&s, *since_us)));
}
