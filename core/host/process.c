#include "host/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/argv.h"
#include "base/clock.h"

#define TERM_MS 3000        /* from SIGTERM to SIGKILL */
#define LINGER_MS 2000
#define LAST_LINES 6
#define LINE_MAX_BYTES 65536
#define PIPE_BYTES (1 << 20)

extern char **environ;

struct child {
	pid_t pid;
	bool reaped;
	int status;
	int fd[2];            /* standard output and error; -1 when closed */
	struct str part[2];   /* an unfinished line of each */
	char *last[LAST_LINES];
	size_t n_last;
};

struct run {
	struct child child[PROCESS_MAX];
	int n;
	int pump_from, pump_to; /* standard output of the first, input of the second; -1 when closed */
	int64_t moved;
	const struct process_hooks *hooks;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* libpq reads a password file only when it is a plain file of mode 0600; a memfd is one, and has no name. */
static int password_fd(const char *password)
{
	struct str s = {0};
	int fd = memfd_create("pgpass", 0);

	if (fd < 0)
		return -1;
	str_add(&s, "*:*:*:*:");
	for (const char *p = password; *p; p++) {
		if (*p == ':' || *p == '\\')
			str_addc(&s, '\\');
		str_addc(&s, *p);
	}
	str_addc(&s, '\n');
	bool ok = fchmod(fd, 0600) == 0 && write(fd, s.data, s.len) == (ssize_t)s.len;
	explicit_bzero(s.data, s.len);
	str_fini(&s);
	if (!ok)
		close_fd(&fd);
	return fd;
}

static bool env_overrides(const struct strv *env, const char *entry)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; env && i < env->n; i++)
		if (strncmp(env->v[i], entry, len + 1) == 0)
			return true;
	return false;
}

/* Only the array is ours; the strings belong to environ, env and passfile. */
static char **build_env(const struct strv *env, char *passfile)
{
	size_t n = 0, k = 0;

	while (environ[n])
		n++;
	char **out = xcalloc(n + (env ? env->n : 0) + 2, sizeof *out);
	for (size_t i = 0; i < n; i++) {
		bool pass = passfile && (str_starts(environ[i], "PGPASSFILE=") || str_starts(environ[i], "PGPASSWORD="));
		if (!pass && !env_overrides(env, environ[i]))
			out[k++] = environ[i];
	}
	for (size_t i = 0; env && i < env->n; i++)
		out[k++] = env->v[i];
	if (passfile)
		out[k++] = passfile;
	return out;
}

/* Between fork and exec: only what a signal handler may call, because other threads hold locks. */
static _Noreturn void child_main(const char *file, char *const *argv, char **env, const int fds[3], pid_t parent, int report)
{
	sigset_t none;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(127);
	(void)umask(077); /* a dump holds what the database protects */
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	environ = env;
	(void)execvp(file, argv);
	int e = errno;
	ssize_t w = write(report, &e, sizeof e);
	_exit(w < 0 ? 126 : 127);
}

static bool input_pipe(const char *input, int *fd)
{
	int p[2];

	if (!input) {
		*fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return *fd >= 0;
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		return false;
	size_t len = strlen(input);
	bool ok = len <= 65536 && write(p[1], input, len) == (ssize_t)len; /* fits the pipe: never blocks */
	close_fd(&p[1]);
	*fd = p[0];
	return ok;
}

/* in/out: descriptors for the child, or -1: input from spec, output read by us. */
static enum err_code spawn(struct child *c, const struct process_spec *spec, int in, int out, struct err *err)
{
	int o[2] = {-1, -1}, e[2] = {-1, -1}, rep[2] = {-1, -1}, own_in = -1, pass = -1;
	char passfile[64];
	enum err_code rc = ERR_OK;
	const char *file = spec->argv->v[0];

	c->fd[0] = c->fd[1] = -1;
	if (in < 0 && !input_pipe(spec->input, &own_in))
		rc = err_errno(err, "cannot give %s its input", file);
	if (rc == ERR_OK && spec->password && (pass = password_fd(spec->password)) < 0)
		rc = err_errno(err, "cannot hand over the password");
	if (rc == ERR_OK && ((out < 0 && pipe2(o, O_CLOEXEC) < 0) || pipe2(e, O_CLOEXEC) < 0 || pipe2(rep, O_CLOEXEC) < 0))
		rc = err_errno(err, "cannot make a pipe");
	if (rc == ERR_OK) {
		(void)snprintf(passfile, sizeof passfile, "PGPASSFILE=/proc/self/fd/%d", pass);
		char **env = build_env(spec->env, spec->password ? passfile : NULL);
		char **argv = xcalloc(spec->argv->n + 1, sizeof *argv);
		memcpy(argv, spec->argv->v, spec->argv->n * sizeof *argv);
		const int fds[3] = {in >= 0 ? in : own_in, out >= 0 ? out : o[1], e[1]};
		pid_t parent = getpid();
		c->pid = fork();
		if (c->pid == 0)
			child_main(file, argv, env, fds, parent, rep[1]);
		if (c->pid < 0)
			rc = err_errno(err, "cannot start %s", file);
		free(env);
		free(argv);
	}
	close_fd(&own_in);
	close_fd(&pass);
	close_fd(&o[1]);
	close_fd(&e[1]);
	close_fd(&rep[1]);
	int why = 0;
	if (rc == ERR_OK && read(rep[0], &why, sizeof why) == (ssize_t)sizeof why) {
		(void)waitpid(c->pid, NULL, 0);
		errno = why;
		rc = err_errno(err, "cannot run %s", file);
	}
	close_fd(&rep[0]);
	if (rc != ERR_OK) {
		c->pid = 0;
		close_fd(&o[0]);
		close_fd(&e[0]);
		return rc;
	}
	c->fd[0] = o[0];
	c->fd[1] = e[0];
	return ERR_OK;
}

static void remember(struct child *c, const char *text)
{
	if (c->n_last == LAST_LINES) {
		free(c->last[0]);
		memmove(&c->last[0], &c->last[1], (LAST_LINES - 1) * sizeof c->last[0]);
		c->n_last--;
	}
	c->last[c->n_last++] = xstrdup(text);
}

static void deliver(struct run *r, int which, int stream)
{
	struct child *c = &r->child[which];
	struct str *s = &c->part[stream];

	if (s->len == 0)
		return;
	if (stream == 1)
		remember(c, s->data);
	if (r->hooks && r->hooks->line)
		r->hooks->line(r->hooks->arg, which, stream == 1, s->data);
	str_clear(s);
}

static void read_lines(struct run *r, int which, int stream)
{
	struct child *c = &r->child[which];
	char buf[16384];
	ssize_t n = read(c->fd[stream], buf, sizeof buf);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		deliver(r, which, stream);
		close_fd(&c->fd[stream]);
		return;
	}
	if (stream == 0 && r->hooks && r->hooks->output) {
		r->hooks->output(r->hooks->arg, which, buf, (size_t)n);
		return;
	}
	for (ssize_t i = 0, from = 0; i <= n; i++) {
		bool end = i < n && buf[i] == '\n';
		if (!end && i < n)
			continue;
		str_addn(&c->part[stream], buf + from, (size_t)(i - from));
		from = i + 1;
		if (end || c->part[stream].len > LINE_MAX_BYTES)
			deliver(r, which, stream);
	}
}

/* Moves what is there without copying it through us. */
static void pump(struct run *r)
{
	ssize_t n = splice(r->pump_from, NULL, r->pump_to, NULL, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n > 0)
		r->moved += n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close_fd(&r->pump_from); /* the writer has ended, or the reader is gone: each learns it from its pipe */
		close_fd(&r->pump_to);
	}
}

static void reap(struct run *r)
{
	for (int i = 0; i < r->n; i++) {
		struct child *c = &r->child[i];
		int st;
		if (c->pid > 0 && !c->reaped && waitpid(c->pid, &st, WNOHANG) == c->pid) {
			c->reaped = true;
			c->status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
		}
	}
}

static bool all_reaped(const struct run *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->child[i].pid > 0 && !r->child[i].reaped)
			return false;
	return true;
}

static void signal_all(const struct run *r, int sig)
{
	for (int i = 0; i < r->n; i++)
		if (r->child[i].pid > 0 && (!r->child[i].reaped || sig == SIGKILL))
			(void)kill(-r->child[i].pid, sig);
}

static bool open_outputs(const struct run *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->child[i].fd[0] >= 0 || r->child[i].fd[1] >= 0)
			return true;
	return r->pump_from >= 0;
}

/*
 * Pipe ends alternate: with data waiting, the writable end decides, else the readable one, so that a full or an
 * empty pipe never spins.
 */
static size_t watch(const struct run *r, struct pollfd *p, bool pump_full)
{
	size_t k = 0;

	for (int i = 0; i < r->n; i++)
		for (int s = 0; s < 2; s++)
			p[k++] = (struct pollfd){.fd = r->child[i].fd[s], .events = POLLIN};
	p[k++] = (struct pollfd){.fd = pump_full ? r->pump_to : r->pump_from, .events = pump_full ? POLLOUT : POLLIN};
	return k;
}

/* Until all ended or `deadline_us`; with `cancel` NULL nothing else interrupts. */
static enum err_code work(struct run *r, struct cancel *cancel, int64_t deadline_us, struct err *err)
{
	int64_t tick_us = (r->hooks && r->hooks->tick_ms ? r->hooks->tick_ms : 250) * INT64_C(1000);
	int64_t next_tick = clock_mono_us() + tick_us;
	bool pump_full = false;
	int64_t leave = CLOCK_NEVER; /* a grandchild may keep our pipes open for ever */

	for (;;) {
		struct pollfd p[2 * PROCESS_MAX + 2];
		size_t k = watch(r, p, pump_full);
		p[k] = (struct pollfd){.fd = cancel ? cancel->fd : -1, .events = POLLIN};
		int64_t now = clock_mono_us();
		/* children are waited for without SIGCHLD (libraries and tests own it): poll their end shortly */
		int64_t until = open_outputs(r) ? next_tick : now + 5000;
		until = until < deadline_us ? until : deadline_us;
		if (poll(p, k + 1, clock_poll_ms(until)) < 0 && errno != EINTR)
			return err_errno(err, "poll");
		if (cancel_raised(cancel))
			return err_set(err, ERR_CANCELLED, "cancelled");
		for (int i = 0; i < r->n; i++)
			for (int s = 0; s < 2; s++)
				if (p[2 * i + s].fd >= 0 && p[2 * i + s].revents)
					read_lines(r, i, s);
		if (r->pump_from >= 0) {
			struct pollfd *q = &p[k - 1];
			if (q->revents && !pump_full)
				pump_full = true; /* there is something (or the end): now wait for room */
			else if (q->revents) {
				pump(r);
				pump_full = false;
			}
		}
		now = clock_mono_us();
		if (now >= next_tick) {
			if (r->hooks && r->hooks->tick && !r->hooks->tick(r->hooks->arg, r->moved))
				return err_set(err, ERR_TIMEOUT, "stopped");
			next_tick = now + tick_us;
		}
		reap(r);
		if (all_reaped(r) && leave == CLOCK_NEVER)
			leave = clock_deadline(LINGER_MS);
		if (all_reaped(r) && (!open_outputs(r) || now >= leave))
			return ERR_OK;
		if (now >= deadline_us)
			return err_set(err, ERR_TIMEOUT, "the command did not end in time");
	}
}

static void stop(struct run *r)
{
	struct err ignored;

	close_fd(&r->pump_from);
	close_fd(&r->pump_to);
	signal_all(r, SIGTERM);
	if (work(r, NULL, clock_deadline(TERM_MS), &ignored) != ERR_OK)
		signal_all(r, SIGKILL);
	for (int i = 0; i < r->n; i++) {
		struct child *c = &r->child[i];
		int st;
		if (c->pid > 0 && !c->reaped && waitpid(c->pid, &st, 0) == c->pid) {
			c->reaped = true;
			c->status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
		}
	}
}

static char *last_words(const struct child *c)
{
	struct str s = {0};

	for (size_t i = 0; i < c->n_last; i++)
		str_addf(&s, "%s%s", i ? "\n" : "", c->last[i]);
	return str_take(&s);
}

/* Of two, the one that failed by itself is named: a SIGPIPE (141) is only the other's shadow. */
static enum err_code judge(const struct run *r, const struct process_spec *specs, struct err *err)
{
	int bad = -1;

	for (int i = 0; i < r->n; i++)
		if (r->child[i].status != 0 && (bad < 0 || r->child[bad].status == 141))
			bad = i;
	if (bad < 0)
		return ERR_OK;
	const struct child *c = &r->child[bad];
	const char *base = strrchr(specs[bad].argv->v[0], '/');
	base = base ? base + 1 : specs[bad].argv->v[0];
	const char *last = c->n_last ? c->last[c->n_last - 1] : "it said nothing";
	if (c->status > 128 && c->status <= 128 + 64) /* 255 is what ssh says by itself */
		return err_set(err, ERR_CHILD, "%s was killed by signal %d; last words: %s", base, c->status - 128, last);
	return err_set(err, ERR_CHILD, "%s ended with status %d; last words: %s", base, c->status, last);
}

static enum err_code start_all(struct run *r, const struct process_spec *specs, struct err *err)
{
	int a[2] = {-1, -1}, b[2] = {-1, -1};
	enum err_code rc = ERR_OK;

	if (r->n == 1)
		return spawn(&r->child[0], &specs[0], -1, -1, err);
	if (pipe2(a, O_CLOEXEC) < 0 || pipe2(b, O_CLOEXEC) < 0)
		rc = err_errno(err, "cannot make a pipe");
	(void)fcntl(a[0], F_SETPIPE_SZ, PIPE_BYTES); /* smaller is slower, not wrong */
	(void)fcntl(b[0], F_SETPIPE_SZ, PIPE_BYTES);
	if (rc == ERR_OK)
		rc = spawn(&r->child[0], &specs[0], -1, a[1], err);
	if (rc == ERR_OK)
		rc = spawn(&r->child[1], &specs[1], b[0], -1, err);
	close_fd(&a[1]);
	close_fd(&b[0]);
	r->pump_from = a[0];
	r->pump_to = b[1];
	size_t len = specs[1].input ? strlen(specs[1].input) : 0;
	if (rc == ERR_OK && len > 0 && write(b[1], specs[1].input, len) != (ssize_t)len) /* fits the pipe */
		rc = err_errno(err, "cannot give %s its input", specs[1].argv->v[0]);
	return rc;
}

enum err_code process_run(const struct process_spec *specs, int n, const struct process_hooks *hooks, int64_t timeout_ms,
			  struct cancel *cancel, struct process_result *result, struct err *err)
{
	struct run r = {.n = n, .pump_from = -1, .pump_to = -1, .hooks = hooks};
	struct err local = {0};

	err = err ? err : &local;
	for (int i = 0; i < PROCESS_MAX; i++)
		r.child[i].fd[0] = r.child[i].fd[1] = -1;
	enum err_code rc = start_all(&r, specs, err);
	if (rc == ERR_OK)
		rc = work(&r, cancel, timeout_ms > 0 ? clock_deadline(timeout_ms) : CLOCK_NEVER, err);
	if (rc != ERR_OK)
		stop(&r);
	else
		rc = judge(&r, specs, err);
	if (result)
		*result = (struct process_result){.n = n, .moved_bytes = r.moved};
	for (int i = 0; i < n; i++) {
		struct child *c = &r.child[i];
		if (result) {
			result->status[i] = c->status;
			result->last[i] = last_words(c);
		}
		for (int s = 0; s < 2; s++) {
			close_fd(&c->fd[s]);
			str_fini(&c->part[s]);
		}
		for (size_t k = 0; k < c->n_last; k++)
			free(c->last[k]);
	}
	return rc;
}

void process_result_fini(struct process_result *r)
{
	for (int i = 0; i < r->n; i++)
		free(r->last[i]);
	*r = (struct process_result){0};
}

static void collect(void *arg, int which, bool is_err, const char *text)
{
	struct str *s = arg;

	(void)which;
	if (is_err || s->len > (1 << 20))
		return;
	str_add(s, text);
	str_addc(s, '\n');
}

enum err_code process_output(const struct strv *argv, int64_t timeout_ms, struct cancel *cancel, char **out, struct err *err)
{
	struct str s = {0};
	struct process_hooks hooks = {.line = collect, .arg = &s};
	struct process_spec spec = {.argv = argv};
	enum err_code rc = process_run(&spec, 1, &hooks, timeout_ms, cancel, NULL, err);

	if (rc == ERR_OK)
		*out = str_take(&s);
	else
		*out = NULL;
	str_fini(&s);
	return rc;
}
