#include "copy/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/explain.h"

static enum err_code lost(struct session *s, const char *who, struct err *err)
{
	err_set(err, ERR_LOST, "the connection to the %s broke: %s", who, PQerrorMessage(session_conn(s)));
	return err_hint(err, "check that the server runs and that the network holds, then go on");
}

/* Waits for one session and cancel. *readable tells whether the server said something. */
static enum err_code wait_for(struct session *s, struct cancel *cancel, bool write, bool *readable, struct err *err)
{
	for (;;) {
		struct pollfd p[2] = {
			{.fd = PQsocket(session_conn(s)), .events = (short)(POLLIN | (write ? POLLOUT : 0))},
			{.fd = cancel ? cancel->fd : -1, .events = POLLIN},
		};
		if (p[0].fd < 0)
			return err_set(err, ERR_LOST, "the connection broke");
		int rc = poll(p, 2, -1);
		if (cancel_raised(cancel))
			return err_set(err, ERR_CANCELLED, "cancelled");
		if (rc < 0 && errno != EINTR)
			return err_errno(err, "poll");
		if (rc > 0 && p[0].revents) {
			*readable = (p[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
			return ERR_OK;
		}
	}
}

static enum err_code next_result(struct session *s, struct cancel *cancel, PGresult **res, char *constraint, size_t cap, struct err *err)
{
	PGconn *c = session_conn(s);
	bool readable = false;

	*res = NULL;
	for (int left; (left = PQflush(c)) != 0;) {
		if (left < 0)
			return lost(s, "server", err);
		enum err_code rc = wait_for(s, cancel, true, &readable, err);
		if (rc != ERR_OK)
			return rc;
		if (readable && !PQconsumeInput(c))
			return lost(s, "server", err);
	}
	while (PQisBusy(c)) {
		enum err_code rc = wait_for(s, cancel, false, &readable, err);
		if (rc != ERR_OK)
			return rc;
		if (!PQconsumeInput(c))
			return lost(s, "server", err);
	}
	*res = PQgetResult(c);
	ExecStatusType st = *res ? PQresultStatus(*res) : PGRES_COMMAND_OK;
	if (st != PGRES_FATAL_ERROR && st != PGRES_BAD_RESPONSE)
		return ERR_OK;
	const char *name = *res ? PQresultErrorField(*res, PG_DIAG_CONSTRAINT_NAME) : NULL;
	if (name && constraint)
		(void)snprintf(constraint, cap, "%s", name);
	enum err_code rc = explain_result(c, *res, err);
	PQclear(*res);
	*res = NULL;
	return rc;
}

enum err_code relay_next(struct session *s, struct cancel *cancel, PGresult **res, struct err *err)
{
	return next_result(s, cancel, res, NULL, 0, err);
}

/* Hands n bytes to the target and waits until the kernel has taken them. */
static enum err_code put(struct relay *r, const char *bytes, size_t n, struct err *err)
{
	PGconn *c = session_conn(r->dst);
	bool readable = false;
	int rc;

	while ((rc = PQputCopyData(c, bytes, (int)n)) == 0) {
		enum err_code w = wait_for(r->dst, r->cancel, true, &readable, err);
		if (w != ERR_OK)
			return w;
		if (PQflush(c) < 0)
			return lost(r->dst, "target", err);
	}
	if (rc < 0)
		return lost(r->dst, "target", err);
	while ((rc = PQflush(c)) > 0) {
		enum err_code w = wait_for(r->dst, r->cancel, true, &readable, err);
		if (w != ERR_OK)
			return w;
		if (readable && !PQconsumeInput(c))
			return lost(r->dst, "target", err);
		/* libpq does not tell what it is until the COPY ends: as a rule an error, and the rest would be sent in vain */
		if (readable && !r->patient) {
			r->interrupted = true;
			return ERR_OK;
		}
	}
	if (rc < 0)
		return lost(r->dst, "target", err);
	r->bytes += (int64_t)n;
	if (r->moved)
		r->moved(r->arg, (int64_t)n);
	return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : ERR_OK;
}

static enum err_code put_batch(struct relay *r, struct err *err)
{
	size_t n = r->n;

	r->n = 0;
	return n > 0 ? put(r, r->batch, n, err) : ERR_OK;
}

static enum err_code add_row(struct relay *r, const char *row, size_t n, struct err *err)
{
	if (r->n + n > RELAY_BATCH) {
		enum err_code rc = put_batch(r, err);
		if (rc != ERR_OK || r->interrupted)
			return rc;
	}
	if (n > RELAY_BATCH)
		return put(r, row, n, err);
	memcpy(r->batch + r->n, row, n);
	r->n += n;
	return ERR_OK;
}

/* Everything that the source sends, until it has no more. */
static enum err_code pump(struct relay *r, struct err *err)
{
	PGconn *c = session_conn(r->src);
	enum err_code rc = ERR_OK;
	bool readable;
	char *row;

	while (rc == ERR_OK && !r->interrupted) {
		int n = PQgetCopyData(c, &row, 1);
		if (n > 0) {
			r->sent++;
			rc = add_row(r, row, (size_t)n, err);
			PQfreemem(row);
		} else if (n == 0) {
			rc = wait_for(r->src, r->cancel, false, &readable, err);
			if (rc == ERR_OK && !PQconsumeInput(c)) {
				r->source_failed = true;
				return lost(r->src, "source", err);
			}
		} else {
			break;
		}
	}
	return rc == ERR_OK && !r->interrupted ? put_batch(r, err) : rc;
}

/* The tag of the COPY that has just ended: "COPY 123". */
static enum err_code copied(struct relay *r, struct session *s, int64_t *rows, struct err *err)
{
	PGresult *res;
	enum err_code rc = next_result(s, r->cancel, &res, r->constraint, sizeof r->constraint, err);

	*rows = -1;
	if (rc == ERR_OK && res && PQresultStatus(res) == PGRES_COMMAND_OK)
		*rows = strtoll(PQcmdTuples(res), NULL, 10);
	else if (rc == ERR_OK)
		rc = err_set(err, ERR_SQL, "the server did not end the COPY as it should");
	PQclear(res);
	return rc;
}

/* We stopped because the target spoke: now it says what it was. */
static enum err_code hear(struct relay *r, struct err *err)
{
	int64_t rows;

	if (PQputCopyEnd(session_conn(r->dst), "pgusher stops") < 0)
		return lost(r->dst, "target", err);
	enum err_code rc = copied(r, r->dst, &rows, err);
	r->interrupted = rc == ERR_CANCELLED || (rc == ERR_SQL && strstr(err->msg, "pgusher stops"));
	if (cancel_raised(r->cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	return rc == ERR_OK ? err_set(err, ERR_SQL, "the target ended the COPY too early") : rc;
}

enum err_code relay_stream(struct relay *r, struct err *err)
{
	int64_t sent, taken;

	if (!r->batch)
		r->batch = xmalloc(RELAY_BATCH);
	r->n = 0;
	r->rows = r->bytes = r->sent = 0;
	r->source_failed = r->interrupted = false;
	r->constraint[0] = '\0';
	enum err_code rc = pump(r, err);
	if (rc == ERR_OK && r->interrupted)
		return hear(r, err);
	if (rc != ERR_OK)
		return rc;
	/* only a source that says "all of it" may end the target's COPY well */
	rc = copied(r, r->src, &sent, err);
	if (rc != ERR_OK) {
		r->source_failed = true;
		return rc;
	}
	if (PQputCopyEnd(session_conn(r->dst), NULL) < 0)
		return lost(r->dst, "target", err);
	rc = copied(r, r->dst, &taken, err);
	if (rc != ERR_OK)
		return rc;
	r->rows = taken;
	if (sent != taken)
		return err_set(err, ERR_DIFFERS, "rows: the source sent %lld, the target took %lld", (long long)sent, (long long)taken);
	return ERR_OK;
}

void relay_fini(struct relay *r)
{
	free(r->batch);
	r->batch = NULL;
}
