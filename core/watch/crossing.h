#ifndef PGUSHER_WATCH_CROSSING_H
#define PGUSHER_WATCH_CROSSING_H
/*
 * crossing - which alarms are new: the bell and the operator's command ring once when something goes wrong, not with every sample that
 * still says so. A worker that fails is away and back every few seconds: an alarm rings again only after it was quiet for
 * CROSSING_QUIET_US. Pure; one thread.
 */
#include "watch/sample.h"

#define CROSSING_QUIET_US INT64_C(15000000)

struct crossing {
	struct { const char *id; enum verdict verdict; int64_t at_us; } seen[32]; /* ids are constants of sample.c */
	size_t n;
};

/* Takes a sample's alarms; those that are new, or have become worse, are moved to the front. Returns how many. now_us: monotonic. */
size_t crossing_take(struct crossing *c, struct watch_alarm *a, size_t n, int64_t now_us);

#endif
