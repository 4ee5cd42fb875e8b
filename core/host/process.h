#ifndef PGUSHER_HOST_PROCESS_H
#define PGUSHER_HOST_PROCESS_H
/*
 * process - runs one command, or two with a pipe between them, and reads what they say line by line.
 * No shell. Every child is the leader of its own process group, gets SIGTERM when pgusher dies, and is
 * gone (or killed) when process_run returns. Engine thread only: PR_SET_PDEATHSIG belongs to the thread
 * that forked.
 */
#include <stdint.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/str.h"

struct process_spec {
	const struct strv *argv;
	const struct strv *env;  /* "NAME=value" on top of our own; may be NULL */
	const char *password;    /* reaches the child as a password file that exists in memory only; NULL: none */
	const char *input;       /* standard input, at most 64 kB, of the second command in front of what the first says; NULL: none */
};

#define PROCESS_MAX 2

struct process_hooks {
	/* One line of output, without its end. which: 0 or 1 (command), is_err: standard error. May be NULL. */
	void (*line)(void *arg, int which, bool is_err, const char *text);
	/* Standard output as it comes, instead of line by line: it may be long, and its lines, too. May be NULL. */
	void (*output)(void *arg, int which, const char *bytes, size_t n);
	/* About every tick_ms while the commands run; moved: bytes through the pipe so far. False: stop them, ERR_TIMEOUT. May be NULL. */
	bool (*tick)(void *arg, int64_t moved);
	void *arg;
	int tick_ms; /* 0: 250 */
};

struct process_result {
	int n;
	int status[PROCESS_MAX];   /* exit status, or 128 + signal */
	char *last[PROCESS_MAX];   /* last lines of its standard error, joined; owned */
	int64_t moved_bytes;
};

/*
 * Runs specs[0], or specs[0] | specs[1]. ERR_OK when all ended with 0; ERR_CHILD (message: which, status, its last
 * words); ERR_CANCELLED; ERR_TIMEOUT; ERR_IO when a command could not be started. timeout_ms 0: none.
 * result may be NULL; otherwise free it with process_result_fini also after an error.
 */
enum err_code process_run(const struct process_spec *specs, int n, const struct process_hooks *hooks, int64_t timeout_ms,
			  struct cancel *cancel, struct process_result *result, struct err *err);
void process_result_fini(struct process_result *r);

/* Runs one command and returns its whole standard output (at most 1 MB); caller frees. */
enum err_code process_output(const struct strv *argv, int64_t timeout_ms, struct cancel *cancel, char **out, struct err *err);

/*
 * A command that goes on beside us: ssh with a forwarding. What it says goes to a file in memory, so that nobody has to
 * read it for it to go on. It gets SIGTERM when the engine thread ends, however that happens. Engine thread only.
 */
struct background;
enum err_code background_start(struct background **out, const struct strv *argv, struct err *err);
bool background_alive(struct background *b);
pid_t background_group(const struct background *b);
int background_status(const struct background *b); /* once it has ended: exit status, or 128 + signal */
/* What it said from byte *from on, which moves to the end; at most the last 8 kB. Caller frees. */
char *background_said(const struct background *b, int64_t *from);
void background_end(struct background *b); /* SIGTERM, then SIGKILL; gone when this returns. NULL is fine */

#endif
