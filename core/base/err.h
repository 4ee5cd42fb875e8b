#ifndef PGUSHER_BASE_ERR_H
#define PGUSHER_BASE_ERR_H
/*
 * err - how a function of core says that it failed.
 *
 * Functions return `enum err_code` and fill `*err`; they never print and never exit.
 * `msg` says what failed, in lower case with no full stop, quoting the server's own words.
 * `hint` is one sentence with the next thing to do, or empty.
 * Any thread; a struct err is a plain value.
 */
#include <stdbool.h>

enum err_code {
	ERR_OK = 0,
	ERR_USAGE,      /* the command line or a setting is wrong */
	ERR_CONNECT,    /* no connection: route, port, TLS, server starting */
	ERR_AUTH,       /* the server answered and refused this role */
	ERR_LOST,       /* an established connection broke */
	ERR_SQL,        /* the server refused a statement; sqlstate is set */
	ERR_TIMEOUT,    /* a deadline of ours passed */
	ERR_CANCELLED,  /* the operator cancelled */
	ERR_IO,         /* a file operation failed */
	ERR_NOSPACE,    /* a disk is full, here or on a server */
	ERR_CHILD,      /* a child process failed */
	ERR_BLOCKED,    /* a check blocks, or a gate was not confirmed */
	ERR_DIFFERS,    /* the proof failed: the two sides are not equal */
	ERR_BUSY,       /* another pgusher holds this migration */
	ERR_HOSTKEY,    /* the ssh host shows a key that is not known here */
};

struct err {
	enum err_code code;
	char sqlstate[6];
	char msg[512];
	char hint[384];
};

/* Fills *err (which may be NULL) and returns code, so that callers can `return err_set(...)`. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Sets the hint; returns err->code for chaining. */
enum err_code err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "what: " in front of err->msg; returns err->code. */
enum err_code err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts this behind err->msg, as far as there is room; returns err->code. */
enum err_code err_suffix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* errno -> ERR_NOSPACE or ERR_IO with strerror text behind the message. */
enum err_code err_errno(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *err_code_name(enum err_code code);
/* The next thing to do: the hint, or, when nobody knew better, what goes for the code. Never empty, but for ERR_OK. */
const char *err_next(const struct err *err);

#endif
