#ifndef PGUSHER_COPY_RELAY_H
#define PGUSHER_COPY_RELAY_H
/*
 * relay - rows of one COPY TO into one COPY FROM, as they come: bytes are neither looked at nor kept. One thread.
 *
 * Memory: one batch of RELAY_BATCH bytes, what libpq buffers (about as much on either side), and the largest row.
 * Back-pressure: nothing is read from the source while the target has not taken what was read before.
 */
#include "pg/session.h"

#define RELAY_BATCH (128 * 1024)

struct relay {
	struct session *src, *dst;
	struct cancel *cancel;
	bool patient;     /* the target may say something (a warning) during the COPY: go on to the end */
	void (*moved)(void *arg, int64_t bytes); /* now and then; may be NULL */
	void *arg;
	/* results */
	int64_t rows, bytes;
	int64_t sent;     /* rows so far; may be off by what frames them */
	bool source_failed; /* the error is the source's */
	bool interrupted; /* the target spoke, we stopped, and it had no error: again with `patient` */
	char constraint[256]; /* after an error of the target: the constraint it names, or "" */
	/* private */
	char *batch;
	size_t n;
};

/*
 * Both sessions have just answered PGRES_COPY_OUT and PGRES_COPY_IN. Afterwards both have ended this COPY, having counted
 * the same rows; what follows in the same string of statements is read by relay_next. After an error both sessions are
 * in the middle of something: close them. ERR_SQL, ERR_LOST, ERR_CANCELLED, ERR_NOSPACE.
 */
enum err_code relay_stream(struct relay *r, struct err *err);
/*
 * The next result of several statements sent at once: *res, or NULL at the end (then the session is idle). A failed
 * statement is an error.
 */
enum err_code relay_next(struct session *s, struct cancel *cancel, PGresult **res, struct err *err);
void relay_fini(struct relay *r); /* the batch; not the sessions */

#endif
