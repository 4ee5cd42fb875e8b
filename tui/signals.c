#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

static int ends[2] = {-1, -1};

static void on_signal(int sig)
{
	unsigned char b = (unsigned char)sig;
	int keep = errno;
	ssize_t n = write(ends[1], &b, 1); /* a full pipe already says enough */

	(void)n;
	errno = keep;
}

bool signals_init(void)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		(void)sigaction(caught[i], &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return true;
}

int signals_fd(void)
{
	return ends[0];
}

int signals_take(void)
{
	unsigned char b;

	return read(ends[0], &b, 1) == 1 ? b : 0;
}
