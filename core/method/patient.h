#ifndef PGUSHER_METHOD_PATIENT_H
#define PGUSHER_METHOD_PATIENT_H
/*
 * patient - a run waits for a server, or an ssh host, that does not answer for a moment (pg/patience.h), and says when it asks again: EV_AGAIN.
 * Only a connection is made again and what merely reads is read again; no statement that writes is ever sent twice by this.
 *
 * Not waited for is: a side that the preflight did not reach, or that was waited for in vain already; anybody while a cutover is on, because
 * writers wait for it (it is taken back instead), or while something is put right. A password that is missing or wrong is asked for. Engine thread.
 */
#include "method/run.h"
#include "pg/patience.h"

/* A tunnel to that side, when it has one. */
enum err_code patient_reach(struct run *r, enum side side, struct err *err);
/* The same, and a session through it. ep: the side's own, or another login to it. */
enum err_code patient_open(struct run *r, enum side side, const struct endpoint *ep, const struct session_options *opt, struct session **out, struct err *err);
/*
 * A read failed: true: it may be read again now, after a wait. False: it is the end; *err says why (ERR_CANCELLED when that came meanwhile).
 * what: for the note, "the target's proof". Whether somebody waits for it is the caller's to know.
 */
bool patient_again(struct run *r, enum side side, struct patience *p, const char *what, struct err *err);

#endif
