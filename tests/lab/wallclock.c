/*
 * A wall clock that jumps, for one process and its children: a library for LD_PRELOAD. WALLCLOCK names a file; the seconds
 * that stand in it are added to what CLOCK_REALTIME says from then on. Other clocks are left alone, as they are when somebody
 * sets the time.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long jump(void)
{
	static char path[256];
	char text[24] = "";

	if (!path[0]) {
		const char *name = getenv("WALLCLOCK");
		for (size_t i = 0; name && name[i] && i < sizeof path - 1; i++)
			path[i] = name[i];
	}
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
	if (fd >= 0)
		(void)close(fd);
	return n > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, id, t);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += jump();
	return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	struct timespec s;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &s);
	t->tv_sec = s.tv_sec;
	t->tv_usec = s.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec s;

	(void)clock_gettime(CLOCK_REALTIME, &s);
	if (out)
		*out = s.tv_sec;
	return s.tv_sec;
}
