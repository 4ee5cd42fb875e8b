#ifndef PGUSHER_BASE_CLOCK_H
#define PGUSHER_BASE_CLOCK_H
/* clock - durations from CLOCK_MONOTONIC, time stamps from CLOCK_REALTIME. Any thread. */
#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_us(void);
int64_t clock_wall_us(void);
/* A wall time as it would be on the monotonic clock: fixed here, so that the wall clock may jump afterwards. */
int64_t clock_mono_of(int64_t wall_us);
/* A deadline `ms` from now in clock_mono_us() terms; ms < 0 gives CLOCK_NEVER. */
#define CLOCK_NEVER INT64_MAX
int64_t clock_deadline(int64_t ms);
/* Milliseconds left for poll(): 0 when passed, -1 for CLOCK_NEVER, rounded up. */
int clock_poll_ms(int64_t deadline_us);
/* "2026-01-31T12:00:00.123Z" */
const char *clock_iso(char *buf, size_t cap, int64_t wall_us);

#endif
