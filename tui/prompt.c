#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/str.h"
#include "base/visible.h"
#include "signals.h"

/* What servers say goes through the same sieve as everywhere. */
static void say(int fd, const char *title, const char *text)
{
	struct visible seen = {0};
	struct str s = {0};
	char *line = xasprintf("%s: %s\npassword (not shown; empty: without): ", title, text);
	ssize_t n;

	visible_add(&seen, &s, line, strlen(line));
	n = write(fd, s.data, s.len); /* it can be typed all the same */
	(void)n;
	str_fini(&s);
	free(line);
}

/* One line; the terminal hands it over when it is whole. */
static enum prompted read_line(int fd, char *buf, size_t size)
{
	for (;;) {
		struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return PROMPT_NONE;
		int sig = signals_take();
		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP)
			return PROMPT_STOPPED;
		if (!p[0].revents)
			continue;
		ssize_t n = read(fd, buf, size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		buf[n > 0 ? n : 0] = '\0';
		buf[strcspn(buf, "\r\n")] = '\0';
		return *buf ? PROMPT_TYPED : PROMPT_NONE;
	}
}

enum prompted prompt_password(const char *title, const char *text, struct secret *out)
{
	struct termios before, quiet;
	enum prompted how = PROMPT_NONE;
	char buf[1024];
	int fd = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;

	if (fd < 0)
		return PROMPT_NONE;
	if (tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &before) < 0) { /* in the background it would be stopped, the engine with it */
		(void)close(fd);
		return PROMPT_NONE;
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ICANON | ECHONL;
	quiet.c_cc[VSUSP] = quiet.c_cc[VQUIT] = _POSIX_VDISABLE; /* stopped or killed it would leave a terminal without echo */
	(void)fflush(stdout);
	if (tcsetattr(fd, TCSAFLUSH, &quiet) == 0) {
		say(fd, title, text);
		how = read_line(fd, buf, sizeof buf);
		(void)tcsetattr(fd, TCSAFLUSH, &before);
	}
	if (how == PROMPT_TYPED)
		secret_set(out, buf);
	explicit_bzero(buf, sizeof buf);
	(void)close(fd);
	return how;
}
