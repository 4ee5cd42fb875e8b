#include "watch/flow.h"

#include <stdio.h>

#include "base/str.h"
#include "watch/sample.h"

#define SENT_US INT64_C(1000000) /* a second is long for the way of a message */
#define IDLE "Activity/LogicalApplyMain"
#define PASSED "Activity/WalSenderMain" /* before 13 it rests so behind WAL that it passed over, and has not said that it did */

/* It has sent all, or the network takes no more. */
static bool rests(const char *sender)
{
	return str_starts(sender, "Activity/") || str_starts(sender, "Client/");
}

double flow_silent_s(struct flow *f, const struct flow_reading *now, int64_t now_us)
{
	if (f->mark_us == 0 || now->received >= f->mark) {
		f->mark = str_eq(now->sender, PASSED) ? f->mark : now->sent;
		f->mark_us = now_us;
	}
	bool missing = now->received < f->mark && now_us - f->mark_us >= SENT_US;
	return missing && now->heard_s > 0 && str_eq(now->worker, IDLE) && rests(now->sender) ? now->heard_s : 0;
}

void flow_why(const struct watch_sample *s, char *why, size_t why_cap, const char **todo)
{
	static const struct { const char *wait, *why, *todo; } kinds[] = {
		{"IPC/SyncRep", "its worker waits for a synchronous standby of the target", "look at the target's standbys; it goes on when one of them answers"},
		{"IO/", "its worker waits for the target's disk", "look at the target's disk: it is slow, or busy with something else (a checkpoint, a backup)"},
		{"LWLock/WAL", "its worker waits for the target's disk", "look at the target's disk: it is slow, or busy with something else (a checkpoint, a backup)"},
		{"IPC/", "its worker waits for another process of the target", "pg_stat_activity of the target shows which; a large transaction that several workers apply is well"},
	};
	const char *at = s->worker_wait;

	*todo = "a large transaction, or an UPDATE or DELETE of a table without an index for it: let it end; pg_stat_activity of the target shows the worker at work";
	(void)snprintf(why, why_cap, "its worker is at work on a transaction");
	if (str_eq(at, IDLE)) { /* what is there to be applied is not there yet */
		bool full = str_eq(s->sender_wait, "Client/WalSenderWriteData"), both = !full && rests(s->sender_wait);
		*todo = full ? "look at the network between target and source: it is slow, or a firewall holds it up" : "a large transaction on the source is sent when it is read to its end: let it; pg_stat_activity of the source shows the walsender at work";
		*todo = both ? "see wal_receiver_status_interval on the target (0: it confirms only when it is asked), and whether something keeps the slot back; the worker has what the source sends" : *todo;
		(void)snprintf(why, why_cap, full ? "the network takes no more from the source" : both ? "its worker and the walsender both wait" : "the source's walsender is at work, and its worker waits for it");
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (str_starts(at, kinds[i].wait)) {
			(void)snprintf(why, why_cap, "%s (%.40s)", kinds[i].why, at);
			*todo = kinds[i].todo;
			return;
		}
}
