#ifndef PGUSHER_WATCH_FLOW_H
#define PGUSHER_WATCH_FLOW_H
/*
 * flow - where changes stand that the target has not confirmed: with the source's walsender, in the network, or with the target's apply
 * worker. What the two processes wait for tells them apart (wait_event of pg_stat_activity, PostgreSQL 10 to 18). Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch_sample;

struct flow { int64_t mark, mark_us; }; /* what the source had sent when the worker last had all that it had been sent, and when that was seen */

struct flow_reading {
	int64_t sent, received;         /* by the walsender (pg_stat_replication), and by the worker (pg_stat_subscription); as numbers */
	double heard_s;                 /* since the worker's last message, by the target's own clock; -1: not known */
	const char *worker, *sender;    /* "Activity/LogicalApplyMain"; "": it computes, or that may not be seen */
};

/*
 * For so long nothing has come to the worker, which waits for it, of what the source had sent at least a second ago; 0: nothing is
 * missing, or one of the two is at work, and it may be that. A walsender that passes over changes nobody wants sends nothing for long.
 */
double flow_silent_s(struct flow *f, const struct flow_reading *now, int64_t now_us);
/* Why nothing was confirmed for a while, and what to do; s is a sample of which that is so. */
void flow_why(const struct watch_sample *s, char *why, size_t why_cap, const char **todo);

#endif
