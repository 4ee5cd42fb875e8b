#ifndef PGUSHER_WATCH_GUARD_H
#define PGUSHER_WATCH_GUARD_H
/*
 * guard - whether the target still has what it once confirmed, after another server took it over.
 *
 * The apply worker confirms what is on its own server's disk; the source's slot then forgets it. When a standby takes over
 * that had not received it, those rows are gone, the subscription goes on, and no log says so. What tells it: the target's
 * WAL position of the last confirmed commit (pg_replication_origin_status.local_lsn, 10 and newer) lies behind the point where
 * the new leader's timeline leaves the old one (its history file). Remembered in a file, so that a failover is seen that
 * happened while nobody watched. The judgement is pure; one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum guard_word {
	GUARD_KEPT,     /* nothing that was confirmed is missing, as far as is known: a worker whose postmaster was killed before it confirms
			   without its synchronous standby (10 to 18, SyncRepWaitForLSN), and only a comparison shows that */
	GUARD_UNPROVEN, /* another leader; what was confirmed in the last moment before may be missing */
	GUARD_LOST,     /* it is missing */
	GUARD_OTHER,    /* another cluster answers */
};

/* One look at both ends; LSNs as numbers, 0: not known. */
struct guard_reading {
	int64_t timeline;
	const char *system;    /* the target's system identifier, "": not readable */
	int64_t local, remote; /* of the origin: the commit's position in the target's WAL, and in the source's */
	int64_t confirmed;     /* the slot's confirmed_flush_lsn */
	bool safe;             /* a synchronous standby has what is confirmed */
	int64_t fork;          /* where the remembered timeline ends in the target's WAL; -1: not readable. Only read when it is another */
};

struct guard {
	int64_t timeline;
	char system[24];
	int64_t local, remote;             /* newest commit that is known to be confirmed */
	int64_t next_local, next_remote;   /* newest commit seen; takes their place once it is confirmed */
	bool safe;
	enum guard_word word;              /* stays until both sides were compared */
	char say[320];                     /* what happened; "" */
};

/* Nothing known: the first reading is taken as good. */
void guard_look(struct guard *g, const struct guard_reading *now);
/* The position at which timeline `line` ends, from a history file's text (PostgreSQL 10 to 18: "1<tab>0/3000060<tab>reason"); -1: not in it. */
int64_t guard_fork(const char *history, int64_t line);

/* Zeroed when there is no such file, or it is of no use. */
void guard_load(struct guard *g, const char *path);
/* false: it cannot be written; this process still knows. */
bool guard_save(const struct guard *g, const char *path);

#endif
