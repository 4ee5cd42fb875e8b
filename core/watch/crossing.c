#include "watch/crossing.h"

#include "base/str.h"

#define SEEN_MAX (sizeof ((struct crossing *)0)->seen / sizeof *((struct crossing *)0)->seen)

/* False: it is known already, and has not been away for long. */
static bool is_new(struct crossing *c, const struct watch_alarm *a, int64_t now_us)
{
	size_t i = 0;

	while (i < c->n && !str_eq(c->seen[i].id, a->id))
		i++;
	if (i == SEEN_MAX) /* there are not so many */
		return false;
	bool known = i < c->n && now_us - c->seen[i].at_us < CROSSING_QUIET_US && a->verdict <= c->seen[i].verdict;
	enum verdict was = known ? c->seen[i].verdict : a->verdict; /* what was worse a moment ago is no news when it is so again */
	c->n += i == c->n;
	c->seen[i].id = a->id;
	c->seen[i].verdict = was;
	c->seen[i].at_us = now_us;
	return !known;
}

size_t crossing_take(struct crossing *c, struct watch_alarm *a, size_t n, int64_t now_us)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_new(c, &a[i], now_us))
			continue;
		struct watch_alarm t = a[found];
		a[found++] = a[i];
		a[i] = t;
	}
	return found;
}
