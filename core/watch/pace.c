/* How fast and how far behind, from a ring of readings. Declared in watch.h. */
#include "watch/watch.h"

#define RING (sizeof ((struct watch_pace *)0)->ring / sizeof ((struct watch_pace *)0)->ring[0])
#define RATE_LEAST_S 0.9 /* and over less than that they say nothing */
#define RATE_US INT64_C(15000000) /* rates over so long: they neither jump nor lag behind by minutes */

void watch_pace_add(struct watch_pace *p, int64_t at_us, int64_t current, int64_t confirmed, int64_t held, int64_t commits)
{
	size_t i = p->head;

	p->ring[i].at_us = at_us;
	p->ring[i].current = current;
	p->ring[i].confirmed = confirmed;
	p->ring[i].held = held;
	p->ring[i].commits = commits;
	p->head = (p->head + 1) % RING;
	p->n += p->n < RING;
}

#define KEPT_US INT64_C(60000000)
#define KEPT_LEAST_US INT64_C(20000000)

/* k-th newest. */
static size_t nth(const struct watch_pace *p, size_t k)
{
	return (p->head + 2 * RING - 1 - k) % RING;
}

/* When did the source stand at what is confirmed now? -1: not known yet; before the oldest reading: at least that. */
static double lag_seconds(const struct watch_pace *p)
{
	size_t now = nth(p, 0);

	if (p->ring[now].confirmed >= p->ring[now].current)
		return 0;
	for (size_t k = 1; k < p->n; k++) {
		size_t before = nth(p, k), after = nth(p, k - 1);
		if (p->ring[before].current > p->ring[now].confirmed)
			continue;
		/* between these two readings the source went past it, evenly as far as we know */
		double share = (double)(p->ring[now].confirmed - p->ring[before].current) / (double)(p->ring[after].current - p->ring[before].current);
		double at = (double)p->ring[before].at_us + share * (double)(p->ring[after].at_us - p->ring[before].at_us);
		return ((double)p->ring[now].at_us - at) / 1e6;
	}
	return p->n > 1 ? (double)(p->ring[now].at_us - p->ring[nth(p, p->n - 1)].at_us) / 1e6 : -1;
}

/*
 * Bytes a second that more WAL is kept. A slot's restart_lsn moves in leaps, about every 15 s: over less than that, a replication that keeps
 * up seems to fill the disk.
 */
static double kept_more(const struct watch_pace *p)
{
	size_t now = nth(p, 0), then = now;

	for (size_t k = 1; k < p->n && p->ring[now].at_us - p->ring[nth(p, k)].at_us <= KEPT_US; k++)
		then = nth(p, k);
	int64_t us = p->ring[now].at_us - p->ring[then].at_us;
	return us >= KEPT_LEAST_US ? (double)(p->ring[now].held - p->ring[then].held) * 1e6 / (double)us : 0;
}

void watch_pace_tell(const struct watch_pace *p, struct watch_sample *s)
{
	size_t now, then;
	double seconds, growth;

	s->lag_s = s->level_s = s->full_s = s->disk_full_s = -1;
	s->apply_rate = s->wal_rate = s->commits = -1;
	if (p->n == 0)
		return;
	now = then = nth(p, 0);
	for (size_t k = 1; k < p->n && p->ring[now].at_us - p->ring[nth(p, k)].at_us <= RATE_US; k++)
		then = nth(p, k);
	s->lag_s = lag_seconds(p);
	seconds = (double)(p->ring[now].at_us - p->ring[then].at_us) / 1e6;
	if (seconds < RATE_LEAST_S)
		return;
	s->apply_rate = (double)(p->ring[now].confirmed - p->ring[then].confirmed) / seconds;
	s->wal_rate = (double)(p->ring[now].current - p->ring[then].current) / seconds;
	s->commits = (double)(p->ring[now].commits - p->ring[then].commits) / seconds;
	if (s->lag_bytes <= 0)
		s->level_s = 0;
	else if (s->apply_rate > s->wal_rate)
		s->level_s = (double)s->lag_bytes / (s->apply_rate - s->wal_rate);
	growth = kept_more(p);
	if (s->safe_bytes >= 0 && growth > 0)
		s->full_s = (double)s->safe_bytes / growth;
	if (s->disk_bytes >= 0 && growth > 0)
		s->disk_full_s = (double)s->disk_bytes / growth;
}

double watch_pace_within(const struct watch_pace *p, int64_t max_lag_bytes)
{
	double seconds = 0;

	for (size_t k = 0; k < p->n; k++) {
		size_t i = nth(p, k);
		if (p->ring[i].current - p->ring[i].confirmed > max_lag_bytes)
			break;
		seconds = (double)(p->ring[nth(p, 0)].at_us - p->ring[i].at_us) / 1e6;
	}
	return seconds;
}
