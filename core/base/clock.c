#include "base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

int64_t clock_mono_of(int64_t wall_us)
{
	return clock_mono_us() - (clock_wall_us() - wall_us);
}

int64_t clock_deadline(int64_t ms)
{
	return ms < 0 ? CLOCK_NEVER : clock_mono_us() + ms * 1000;
}

int clock_poll_ms(int64_t deadline_us)
{
	if (deadline_us == CLOCK_NEVER)
		return -1;
	int64_t left = deadline_us - clock_mono_us();
	if (left <= 0)
		return 0;
	left = (left + 999) / 1000;
	return left > INT_MAX ? INT_MAX : (int)left;
}

const char *clock_iso(char *buf, size_t cap, int64_t wall_us)
{
	time_t s = (time_t)(wall_us / 1000000);
	struct tm tm;
	char day[32];

	(void)gmtime_r(&s, &tm);
	(void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf, cap, "%s.%03dZ", day, (int)(wall_us / 1000 % 1000));
	return buf;
}
