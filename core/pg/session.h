#ifndef PGUSHER_PG_SESSION_H
#define PGUSHER_PG_SESSION_H
/*
 * session - one connection to a server, driven asynchronously: every wait is a poll() on the
 * socket, the cancel descriptor and a deadline. A session belongs to one thread at a time.
 *
 * Every session of ours sets, through startup options: no statement, lock, idle or transaction
 * timeouts of the role (statement_timeout and friends = 0), default_transaction_read_only = off
 * (else a frozen database could not be thawed), client_encoding UTF8, search_path pg_catalog,
 * DateStyle ISO, and application_name "pgusher <migration>", so that our own sessions can be told apart.
 */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/err.h"
#include "migration.h"

struct session_options {
	const char *dbname;           /* NULL: the endpoint's own */
	const char *application_name; /* NULL: "pgusher" */
	bool read_write;              /* among several hosts choose one that takes writes (target) */
	bool replication;             /* replication=database */
	const char *options;          /* "-c name=value ..." for the server; NULL: none */
	bool raw;                     /* none of our startup options (connection test through a pooler) */
	int64_t timeout_ms;           /* for connecting; 0: 15 s */
	int64_t admit_ms;             /* how long the server may take to admit that a statement was cancelled, before it is given up as lost; 0: 5 s */
};

struct session;

/*
 * How long DDL and LOCK TABLE of ours wait: others queue behind us meanwhile. And less than deadlock_timeout (1s as a rule), after which the
 * server would end an application's transaction that waits for us as we for it.
 */
#define LOCK_BRIEFLY "500ms"

/*
 * Opens a connection. ERR_CONNECT, ERR_AUTH, ERR_SQL (unknown database: sqlstate 3D000), ERR_TIMEOUT,
 * ERR_CANCELLED. err->msg quotes libpq; err->hint names the next step (for pg_hba: the line to add).
 * PQconnectStart may block in getaddrinfo: RES_OPTIONS is set in main() for that.
 */
enum err_code session_open(struct session **out, const struct endpoint *ep,
			   const struct session_options *opt, struct cancel *cancel, struct err *err);
void session_close(struct session *s); /* NULL is fine */
/* Another cancel from here on (NULL: none): clean-up must run after the operator cancelled. */
void session_use_cancel(struct session *s, struct cancel *cancel);

/*
 * Runs one statement with text parameters ($1..); n = 0 allows several statements separated by ';'
 * (the last result is returned). timeout_ms 0: no deadline. On success *res (may be NULL when the
 * caller does not want it) must be PQclear'ed. On cancel or deadline the statement is cancelled on the
 * server, and reading goes on to its end, so that nothing keeps running behind our back.
 * ERR_SQL (sqlstate set), ERR_LOST, ERR_TIMEOUT, ERR_CANCELLED, ERR_NOSPACE (53100).
 */
enum err_code session_exec(struct session *s, const char *sql, int n, const char *const *params,
			   int64_t timeout_ms, PGresult **res, struct err *err);
/*
 * The same in two halves, to do something else meanwhile, or to read the result of each of several statements. After session_start
 * nothing else may run on the session until session_next has given *res = NULL, or an error (the rest is then read and forgotten).
 */
enum err_code session_start(struct session *s, const char *sql, int n, const char *const *params, struct err *err);
enum err_code session_next(struct session *s, int64_t timeout_ms, PGresult **res, struct err *err);
/* No parameters, no result wanted. */
enum err_code session_run(struct session *s, const char *sql, struct err *err);
/* First column of the first row as text, caller frees; NULL value or no row gives NULL. */
enum err_code session_value(struct session *s, const char *sql, char **value, struct err *err);

PGconn *session_conn(struct session *s); /* for PQescape*, COPY; stays owned by the session */
int session_version(const struct session *s); /* 140023 */
int session_backend_pid(const struct session *s);
bool session_alive(const struct session *s);
/* The password libpq used, from wherever it took it; NULL when none was needed. */
const char *session_password(const struct session *s);

/*
 * Waits until the socket is readable (or writable when `write`), cancel, or deadline.
 * For COPY loops. ERR_OK, ERR_TIMEOUT, ERR_CANCELLED, ERR_LOST.
 */
enum err_code session_wait(struct session *s, bool write, int64_t deadline_us, struct err *err);

/* Cells by row and column: "" for NULL where text is wanted. */
const char *cell(const PGresult *r, int row, int col);
int64_t cell_i64(const PGresult *r, int row, int col);
bool cell_bool(const PGresult *r, int row, int col);
char *cell_dup(const PGresult *r, int row, int col); /* NULL for NULL */

/* "quoted" identifier and 'quoted' literal, appended; valid for UTF-8 text, any server version (E'' never needed). */
void sql_ident(struct str *out, const char *name);
void sql_literal(struct str *out, const char *text);
/* {"a","b"}: an array of names or texts as the value of a parameter; caller frees. */
char *sql_array(const struct strv *v);
/* schema.name, both quoted. */
void sql_qualified(struct str *out, const char *schema, const char *name);

/*
 * The connection string for another tool, without a password: keyword='value' words. dbname NULL: the
 * endpoint's. Caller frees.
 */
char *endpoint_conninfo(const struct endpoint *ep, const char *dbname, bool read_write);
/* "host:port/dbname" for people. Caller frees. */
char *endpoint_label(const struct endpoint *ep);

#endif
