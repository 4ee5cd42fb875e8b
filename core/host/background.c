/* A command that goes on beside us; declared in process.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/process.h"

#define END_MS 2000
#define SAID_MAX 8192

struct background {
	pid_t pid;
	bool reaped;
	int status;
	int said; /* memfd of its standard output and error */
};

/* Between fork and exec: only what a signal handler may call. */
static _Noreturn void child(const char *file, char *const *argv, int null, int said, pid_t parent, int report)
{
	static const int defaults[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
	sigset_t none;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent || dup2(null, 0) < 0 || dup2(said, 1) < 0 || dup2(said, 2) < 0)
		_exit(127);
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		(void)signal(defaults[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execvp(file, argv);
	int e = errno;
	ssize_t w = write(report, &e, sizeof e);
	_exit(w < 0 ? 126 : 127);
}

static enum err_code start(struct background *b, const struct strv *argv, struct err *err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), rep[2] = {-1, -1}, why = 0;
	enum err_code rc = ERR_OK;

	b->said = memfd_create("said", MFD_CLOEXEC);
	if (null < 0 || b->said < 0 || fcntl(b->said, F_SETFL, O_APPEND) < 0 || pipe2(rep, O_CLOEXEC) < 0)
		rc = err_errno(err, "cannot start %s", argv->v[0]);
	if (rc == ERR_OK) {
		char **words = xcalloc(argv->n + 1, sizeof *words);
		memcpy(words, argv->v, argv->n * sizeof *words);
		pid_t parent = getpid();
		b->pid = fork();
		if (b->pid == 0)
			child(argv->v[0], words, null, b->said, parent, rep[1]);
		if (b->pid < 0)
			rc = err_errno(err, "cannot start %s", argv->v[0]);
		free(words);
		(void)close(rep[1]);
		if (rc == ERR_OK && read(rep[0], &why, sizeof why) == (ssize_t)sizeof why) {
			(void)waitpid(b->pid, NULL, 0);
			b->reaped = true;
			errno = why;
			rc = err_errno(err, "cannot run %s", argv->v[0]);
		}
		(void)close(rep[0]);
	}
	if (null >= 0)
		(void)close(null);
	return rc;
}

enum err_code background_start(struct background **out, const struct strv *argv, struct err *err)
{
	struct background *b = xcalloc(1, sizeof *b);
	enum err_code rc = start(b, argv, err);

	*out = b;
	if (rc != ERR_OK) {
		background_end(b);
		*out = NULL;
	}
	return rc;
}

bool background_alive(struct background *b)
{
	int st;

	if (!b->reaped && waitpid(b->pid, &st, WNOHANG) == b->pid) {
		b->reaped = true;
		b->status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
	}
	return !b->reaped;
}

pid_t background_group(const struct background *b)
{
	return b->pid;
}

int background_status(const struct background *b)
{
	return b->status;
}

char *background_said(const struct background *b, int64_t *from)
{
	struct stat st;
	int64_t end = fstat(b->said, &st) == 0 ? (int64_t)st.st_size : 0;
	int64_t at = *from > end - SAID_MAX ? *from : end - SAID_MAX;
	char *text = xcalloc(1, (size_t)(end > at ? end - at : 0) + 1);

	if (end > at) {
		ssize_t n = pread(b->said, text, (size_t)(end - at), (off_t)at);
		text[n > 0 ? n : 0] = '\0';
	}
	*from = end;
	return text;
}

void background_end(struct background *b)
{
	if (!b)
		return;
	if (b->pid > 0 && background_alive(b)) {
		int64_t end = clock_deadline(END_MS);
		(void)kill(-b->pid, SIGTERM);
		while (background_alive(b) && clock_mono_us() < end)
			(void)poll(NULL, 0, 10);
		if (background_alive(b)) {
			(void)kill(-b->pid, SIGKILL);
			(void)waitpid(b->pid, NULL, 0);
		}
	}
	if (b->said >= 0)
		(void)close(b->said);
	free(b);
}
