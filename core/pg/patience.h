#ifndef PGUSHER_PG_PATIENCE_H
#define PGUSHER_PG_PATIENCE_H
/*
 * patience - reading harms nobody: a server that does not answer is asked again, later and later, and the next try is seen
 * coming. What writes is never asked twice by this. A plain value of the thread that reads; nothing here knows a session.
 *
 *     struct patience p = PATIENCE;
 *     while (read(..., &err) != ERR_OK && patience_more(&p, &err) && patience_wait(&p, cancel, tell, arg))
 *             ;
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/err.h"

struct patience {
	/* given */
	int of;         /* tries, the first one counted; 0: for ever */
	int most_s;     /* the longest wait of 1, 2, 4 ... */
	int64_t for_ms; /* nothing is begun again later than this after the first failure; 0: no such limit */
	int refused_s;  /* the wait after a refusal that somebody must put right first (no pg_hba.conf line, no such database); 0: it is the end */
	bool several;   /* hosts: another of them may take the password that this one refused */
	/* its own, zero at first */
	bool over;      /* not tried again */
	int tries;      /* that failed */
	int64_t began_us, next_us; /* monotonic */
};

/* For somebody who waits before a screen: 1, 2, 4, 4 s. Each try may take a time limit of its own, therefore the limit of all. */
#define PATIENCE {.of = 5, .most_s = 4, .for_ms = 30000}

/*
 * Whether the same may go well a moment later: no answer, a broken connection, a server that starts (57P03) or has no free slot (53300).
 * Not a wrong password, a missing pg_hba.conf line, a name that does not exist, a certificate that does not fit.
 */
bool patience_may_pass(const struct err *why);
/* The role's password is missing or wrong: never sent again by itself, servers lock a role for that. (ssh's key, too.) */
bool patience_password(const struct err *why);
/* A try failed: when is the next? False: never, it may not pass or was tried often enough. With refused_s refusals are tried again, but those of a password. */
bool patience_more(struct patience *p, const struct err *why);
int patience_left_s(const struct patience *p); /* until the next try, rounded up; 0: now */
/*
 * Waits for it; tell (may be NULL) hears each second how long it still takes, and 0 at the end. False: cancelled, or the
 * cancel's own end (cancel_end_at) comes sooner than the next try, at once. The caller's *err then still says why the try failed.
 */
bool patience_wait(const struct patience *p, struct cancel *cancel, void (*tell)(void *arg, const struct patience *p, int left_s), void *arg);

#endif
