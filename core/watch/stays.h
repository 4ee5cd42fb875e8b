#ifndef PGUSHER_WATCH_STAYS_H
#define PGUSHER_WATCH_STAYS_H
/*
 * stays - whether waiting for a follower makes sense: an apply worker that fails is started again every few seconds (wal_retrieve_retry_interval,
 * 5 s by default) and is seen now and then, but it stays for none of them. Pure; times in microseconds of one monotonic clock.
 */
#include <stdbool.h>
#include <stdint.h>

#define STAYS_GIVE_UP_US INT64_C(60000000) /* no worker that stays, and no progress, for so long: nothing will happen by itself */
#define STAYS_US INT64_C(10000000)         /* it stays that is there for so long */

struct stays { int64_t pid, seen_us, best, moved_us; }; /* begins as zeros */

/* pid: of the apply worker, 0: none runs. left: what is still to be done, less is progress. False: give up. */
bool stays_look(struct stays *k, int64_t now_us, int64_t pid, int64_t left);

#endif
