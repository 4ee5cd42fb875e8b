#ifndef PGUSHER_WATCH_MINUTE_H
#define PGUSHER_WATCH_MINUTE_H
/*
 * minute - what is looked at once a minute: what differs between both sides (drift.h, unfollowed.h), how far sequences are, whether the
 * target could feed a reverse link; after a cutover what differs for the reverse link, and nothing else. With ten thousand tables that takes seconds: it goes on in a thread of its own, with sessions of its own,
 * while samples are taken. One owner.
 */
#include "migration.h"
#include "pg/session.h"
#include "watch/drift.h"

struct minute_found {
	struct drift drift;
	int64_t drift_ms;         /* how long it took to look; -1: they could not be compared */
	char drift_not[200];      /* why not; "" */
	int64_t sequences_behind; /* on the source further than on the target; -1: not seen */
	char reverse_not[160];    /* why the target cannot feed a reverse link; "": it can, or that is not known */
};

/* Here and now, on sessions of the caller's. filling: the server's own copy runs. back: of the reverse link. */
void minute_look(struct session *const end[2], const struct migration *m, bool filling, bool back, struct minute_found *out);

struct minute;
/* Begins such a look beside the caller; m may change meanwhile. NULL: no thread can be had. */
struct minute *minute_begin(const struct migration *m, const char *app, bool filling, bool back);
bool minute_ended(struct minute *k);
/* Waits for it, which is not long when it has ended; out NULL: it is broken off. */
void minute_end(struct minute *k, struct minute_found *out);

#endif
