#include "pg/session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/peer.h"
#include "pg/explain.h"

#define CONNECT_MS 15000
#define HOST_MS 6000       /* one of several hosts must not eat the whole time */
#define AFTER_CANCEL_MS 5000 /* see admit_ms */
#define AFTER_END_MS 1000    /* the same when all the time there was is over */

struct session {
	PGconn *conn;
	struct cancel *cancel;
	bool lost;
	int64_t admit_ms;
};

struct keyword { const char *name, *value; };

static void ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

/*
 * One try at one host. libpq's poll loop takes every address of a name in turn, but knows no time limit for
 * one of them, therefore hosts of a list are tried one by one, by session_open. named: its port in the settings, for messages.
 */
static enum err_code connect_one(PGconn **out, const struct keyword *kw, size_t n, const struct endpoint *ep, const char *named,
				 struct cancel *cancel, int64_t deadline_us, struct err *err)
{
	pid_t group = ep->forward ? ep->forward_group : 0;
	const char *names[40], *values[40];
	size_t k = 0;

	deadline_us = cancel_sooner(cancel, deadline_us);
	for (size_t i = 0; i < n && k < 39; i++)
		if (!str_empty(kw[i].value)) {
			names[k] = kw[i].name;
			values[k++] = kw[i].value;
		}
	names[k] = values[k] = NULL;
	PGconn *conn = PQconnectStartParams(names, values, 0);
	if (!conn)
		return err_set(err, ERR_CONNECT, "libpq is out of memory");
	(void)PQsetNoticeReceiver(conn, ignore_notice, NULL); /* libpq's own writes on the screen */
	/* verbose: the only way to see the SQLSTATE of a refused connection, whatever the language */
	(void)PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
	PostgresPollingStatusType st = PQstatus(conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
	while (st != PGRES_POLLING_OK && st != PGRES_POLLING_FAILED) {
		struct pollfd p[2] = {
			{.fd = PQsocket(conn), .events = st == PGRES_POLLING_READING ? POLLIN : POLLOUT},
			{.fd = cancel ? cancel->fd : -1, .events = POLLIN},
		};
		int rc = poll(p, 2, clock_poll_ms(deadline_us));
		if (rc < 0 && errno == EINTR)
			continue;
		if (cancel_raised(cancel)) {
			PQfinish(conn);
			return err_set(err, ERR_CANCELLED, "cancelled while connecting");
		}
		if (rc == 0) {
			const char *host = PQhost(conn), *port = PQport(conn);
			err_set(err, ERR_TIMEOUT, "no answer from %s port %s", host ? host : "?", port ? port : "?");
			err_hint(err, "check the address and the port, and that no firewall drops packets on the way");
			PQfinish(conn);
			return ERR_TIMEOUT;
		}
		/* who has said something has accepted us; nothing but names was sent yet */
		if (group && st == PGRES_POLLING_READING && peer_of(PQsocket(conn), group) == PEER_FOREIGN) {
			err_set(err, ERR_CONNECT, "the tunnel's port %s on this host is held by another process than our ssh", PQport(conn));
			err_hint(err, "no password was sent; see who listens there: ss -ltnp");
			PQfinish(conn);
			return ERR_CONNECT;
		}
		st = PQconnectPoll(conn);
	}
	if (st == PGRES_POLLING_FAILED) {
		(void)explain_connect(conn, err);
		(void)explain_password(conn, ep, named, err);
		PQfinish(conn);
		return err->code;
	}
	(void)PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
	*out = conn;
	return ERR_OK;
}

static const char *nth(const struct strv *v, size_t i)
{
	return v->n == 0 ? NULL : v->v[i < v->n ? i : v->n - 1];
}

/* A leader that a cutover has fenced must still be taken for one: read-only by default is no standby. */
static const char *writable(void)
{
	return PQlibVersion() >= 140000 ? "primary" : "read-write";
}

/* Settings of the role or the database that would hurt us; one round trip. */
static enum err_code session_pin(struct session *s, struct err *err)
{
	int v = session_version(s);
	struct str sql = {0};

	str_add(&sql, "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
		      "SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed';"
		      "SET default_transaction_deferrable = off; SET standard_conforming_strings = on;"
		      "SET client_min_messages = warning; SET client_encoding = 'UTF8'; SET datestyle = 'ISO';"
		      "SET search_path = pg_catalog;");
	if (v >= 140000)
		str_add(&sql, "SET idle_session_timeout = 0;");
	if (v >= 170000)
		str_add(&sql, "SET transaction_timeout = 0;");
	enum err_code rc = session_run(s, str_text(&sql), err);
	str_fini(&sql);
	return rc;
}

enum err_code session_open(struct session **out, const struct endpoint *ep, const struct session_options *opt,
			   struct cancel *cancel, struct err *err)
{
	static const struct session_options none;
	struct strv hosts = {0}, ports = {0}, named = {0};
	struct err local = {0}, first = {0}, before;
	enum err_code rc = ERR_OK;
	PGconn *conn = NULL;

	*out = NULL;
	opt = opt ? opt : &none;
	err = err ? err : &local;
	before = *err;
	strv_split(&hosts, ep->host ? ep->host : "", ",");
	strv_split(&ports, ep->forward ? ep->forward : ep->port ? ep->port : "", ",");
	strv_split(&named, ep->port ? ep->port : "", ",");
	size_t n = hosts.n ? hosts.n : 1;
	int64_t total = opt->timeout_ms ? opt->timeout_ms : CONNECT_MS;
	for (size_t i = 0; i < n && !conn; i++) {
		const struct keyword kw[] = {
			{"service", ep->service}, {"host", nth(&hosts, i)},
			{"hostaddr", ep->forward ? "127.0.0.1" : NULL}, {"port", nth(&ports, i)},
			{"dbname", opt->dbname ? opt->dbname : ep->dbname}, {"user", ep->user},
			{"password", secret_known(&ep->password) ? secret_text(&ep->password) : NULL},
			{"passfile", ep->passfile}, {"sslmode", ep->sslmode}, {"sslrootcert", ep->sslrootcert},
			{"sslcert", ep->sslcert}, {"sslkey", ep->sslkey},
			{"application_name", opt->application_name ? opt->application_name : "pgusher"},
			{"target_session_attrs", opt->read_write && n > 1 ? writable() : NULL},
			{"replication", opt->replication ? "database" : NULL}, {"options", opt->options},
			{"client_encoding", opt->raw ? NULL : "UTF8"},
			{"keepalives_idle", "10"}, {"keepalives_interval", "5"}, {"keepalives_count", "3"},
			{"tcp_user_timeout", "30000"},
		};
		rc = connect_one(&conn, kw, sizeof kw / sizeof *kw, ep, nth(&named, i), cancel,
				 clock_deadline(n > 1 && total > HOST_MS ? HOST_MS : total), err);
		if (rc != ERR_OK && (first.code == ERR_OK || (!first.sqlstate[0] && err->sqlstate[0])))
			first = *err;
		if (rc == ERR_CANCELLED)
			break;
	}
	if (!conn && rc != ERR_CANCELLED && n > 1) { /* the first answer of a server, else what is about the host named first */
		*err = first;
		rc = err_prefix(err, "none of %zu hosts takes the connection; the first", n);
	}
	strv_fini(&hosts);
	strv_fini(&ports);
	strv_fini(&named);
	if (!conn)
		return rc;
	*err = before; /* that a host before this one refused is no error */
	struct session *s = xcalloc(1, sizeof *s);
	s->conn = conn;
	s->cancel = cancel;
	s->admit_ms = opt->admit_ms ? opt->admit_ms : AFTER_CANCEL_MS;
	(void)PQsetnonblocking(conn, 1);
	rc = opt->raw ? ERR_OK : session_pin(s, err);
	if (rc != ERR_OK) {
		session_close(s);
		return rc;
	}
	*out = s;
	return ERR_OK;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	PQfinish(s->conn);
	free(s);
}

void session_use_cancel(struct session *s, struct cancel *cancel)
{
	s->cancel = cancel;
}

static enum err_code session_gone(struct session *s, struct err *err)
{
	s->lost = true;
	(void)explain_result(s->conn, NULL, err);
	if (err)
		err->code = ERR_LOST;
	(void)err_hint(err, "check that the server runs and that the network holds, then go on");
	(void)err_prefix(err, "the connection broke");
	return ERR_LOST;
}

enum err_code session_wait(struct session *s, bool write, int64_t deadline_us, struct err *err)
{
	deadline_us = cancel_sooner(s->cancel, deadline_us);
	for (;;) {
		int fd = PQsocket(s->conn);
		if (fd < 0)
			return session_gone(s, err);
		struct pollfd p[2] = {
			{.fd = fd, .events = (short)(POLLIN | (write ? POLLOUT : 0))},
			{.fd = s->cancel ? s->cancel->fd : -1, .events = POLLIN},
		};
		if (cancel_raised(s->cancel))
			return err_set(err, ERR_CANCELLED, "cancelled");
		int rc = poll(p, 2, clock_poll_ms(deadline_us));
		if (rc < 0 && errno != EINTR)
			return err_errno(err, "poll");
		if (rc > 0 && p[0].revents)
			return ERR_OK;
		if (rc == 0 && clock_mono_us() >= deadline_us)
			return err_set(err, ERR_TIMEOUT, "%s port %s did not answer in time", PQhost(s->conn), PQport(s->conn));
	}
}

static void *cancel_thread(void *arg)
{
	char buf[256];

	(void)PQcancel(arg, buf, sizeof buf);
	PQfreeCancel(arg);
	return NULL;
}

/* PQcancel opens a connection and blocks as long as the network likes: not on our thread. */
static void cancel_on_server(struct session *s)
{
	PGcancel *c = PQgetCancel(s->conn);
	pthread_t t;

	if (!c)
		return;
	if (pthread_create(&t, NULL, cancel_thread, c) != 0) {
		PQfreeCancel(c);
		return;
	}
	(void)pthread_detach(t);
}

/* Reads until the statement has ended, throwing away what comes; then the session can be used again. */
static void drain(struct session *s)
{
	struct cancel *keep = s->cancel;
	struct err ignored;
	int64_t deadline = clock_deadline(clock_mono_us() < cancel_sooner(keep, CLOCK_NEVER) ? s->admit_ms : AFTER_END_MS);

	s->cancel = NULL;
	for (;;) {
		while (PQisBusy(s->conn)) {
			if (session_wait(s, false, deadline, &ignored) != ERR_OK || !PQconsumeInput(s->conn)) {
				s->lost = true;
				s->cancel = keep;
				return;
			}
		}
		PGresult *r = PQgetResult(s->conn);
		if (!r)
			break;
		ExecStatusType st = PQresultStatus(r);
		PQclear(r);
		if (st == PGRES_COPY_IN || st == PGRES_COPY_BOTH)
			(void)PQputCopyEnd(s->conn, "cancelled");
		if (st == PGRES_COPY_OUT) {
			char *buf;
			while (PQgetCopyData(s->conn, &buf, 0) > 0)
				PQfreemem(buf);
		}
	}
	s->cancel = keep;
}

static enum err_code interrupted(struct session *s, enum err_code why)
{
	if (why == ERR_CANCELLED || why == ERR_TIMEOUT) {
		cancel_on_server(s);
		drain(s);
	}
	return why;
}

static enum err_code send(struct session *s, const char *sql, int n, const char *const *params, int64_t deadline,
			  struct err *err)
{
	int sent = n > 0 ? PQsendQueryParams(s->conn, sql, n, NULL, params, NULL, NULL, 0)
			 : PQsendQuery(s->conn, sql);
	if (!sent) {
		if (PQstatus(s->conn) == CONNECTION_BAD)
			return session_gone(s, err);
		return err_set(err, ERR_SQL, "%s", PQerrorMessage(s->conn));
	}
	for (int left; (left = PQflush(s->conn)) != 0;) {
		if (left < 0)
			return session_gone(s, err);
		enum err_code rc = session_wait(s, true, deadline, err);
		if (rc != ERR_OK)
			return interrupted(s, rc);
		if (!PQconsumeInput(s->conn))
			return session_gone(s, err);
	}
	return ERR_OK;
}

static bool is_bad(const PGresult *r)
{
	ExecStatusType st = PQresultStatus(r);

	return st == PGRES_FATAL_ERROR || st == PGRES_BAD_RESPONSE;
}

enum err_code session_exec(struct session *s, const char *sql, int n, const char *const *params,
			   int64_t timeout_ms, PGresult **res, struct err *err)
{
	struct err local = {0};
	int64_t deadline = timeout_ms > 0 ? clock_deadline(timeout_ms) : CLOCK_NEVER;
	PGresult *last = NULL;

	err = err ? err : &local;
	if (res)
		*res = NULL;
	if (s->lost)
		return err_set(err, ERR_LOST, "the connection is gone");
	enum err_code rc = send(s, sql, n, params, deadline, err);
	if (rc != ERR_OK)
		return rc;
	for (;;) {
		while (PQisBusy(s->conn)) {
			rc = session_wait(s, false, deadline, err);
			if (rc != ERR_OK) {
				PQclear(last);
				return interrupted(s, rc);
			}
			if (!PQconsumeInput(s->conn)) {
				PQclear(last);
				return session_gone(s, err);
			}
		}
		PGresult *r = PQgetResult(s->conn);
		if (!r)
			break;
		if (last && is_bad(last)) {
			PQclear(r); /* the first error is the one that matters */
			continue;
		}
		PQclear(last);
		last = r;
		ExecStatusType st = PQresultStatus(r);
		if (st == PGRES_COPY_IN || st == PGRES_COPY_OUT || st == PGRES_COPY_BOTH)
			break;
	}
	if (!last || is_bad(last)) {
		if (PQstatus(s->conn) == CONNECTION_BAD)
			s->lost = true;
		rc = explain_result(s->conn, last, err);
		if (rc == ERR_LOST)
			s->lost = true;
		PQclear(last);
		return rc;
	}
	if (res)
		*res = last;
	else
		PQclear(last);
	return ERR_OK;
}

enum err_code session_start(struct session *s, const char *sql, int n, const char *const *params, struct err *err)
{
	if (s->lost)
		return err_set(err, ERR_LOST, "the connection is gone");
	return send(s, sql, n, params, CLOCK_NEVER, err);
}

enum err_code session_next(struct session *s, int64_t timeout_ms, PGresult **res, struct err *err)
{
	int64_t deadline = timeout_ms > 0 ? clock_deadline(timeout_ms) : CLOCK_NEVER;

	*res = NULL;
	while (PQisBusy(s->conn)) {
		enum err_code rc = session_wait(s, false, deadline, err);
		if (rc != ERR_OK)
			return interrupted(s, rc);
		if (!PQconsumeInput(s->conn))
			return session_gone(s, err);
	}
	PGresult *r = PQgetResult(s->conn);
	if (r && is_bad(r)) {
		enum err_code rc = explain_result(s->conn, r, err);
		PQclear(r);
		s->lost |= rc == ERR_LOST || PQstatus(s->conn) == CONNECTION_BAD;
		if (!s->lost)
			drain(s);
		return rc;
	}
	*res = r;
	return ERR_OK;
}

enum err_code session_run(struct session *s, const char *sql, struct err *err)
{
	return session_exec(s, sql, 0, NULL, 0, NULL, err);
}

enum err_code session_value(struct session *s, const char *sql, char **value, struct err *err)
{
	PGresult *r;

	*value = NULL;
	enum err_code rc = session_exec(s, sql, 0, NULL, 0, &r, err);
	if (rc != ERR_OK)
		return rc;
	if (PQntuples(r) > 0 && PQnfields(r) > 0)
		*value = cell_dup(r, 0, 0);
	PQclear(r);
	return ERR_OK;
}

PGconn *session_conn(struct session *s)
{
	return s->conn;
}

int session_version(const struct session *s)
{
	return PQserverVersion(s->conn);
}

int session_backend_pid(const struct session *s)
{
	return PQbackendPID(s->conn);
}

bool session_alive(const struct session *s)
{
	return !s->lost && PQstatus(s->conn) == CONNECTION_OK;
}

const char *session_password(const struct session *s)
{
	const char *p = PQpass(s->conn);

	return str_empty(p) ? NULL : p;
}

const char *cell(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col); /* libpq gives "" for NULL */
}

int64_t cell_i64(const PGresult *r, int row, int col)
{
	return strtoll(PQgetvalue(r, row, col), NULL, 10);
}

bool cell_bool(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col)[0] == 't';
}

char *cell_dup(const PGresult *r, int row, int col)
{
	return PQgetisnull(r, row, col) ? NULL : xstrdup(PQgetvalue(r, row, col));
}
