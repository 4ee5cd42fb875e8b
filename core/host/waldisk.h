#ifndef PGUSHER_HOST_WALDISK_H
#define PGUSHER_HOST_WALDISK_H
/*
 * waldisk - how much is free where the source keeps its WAL: a slot that nobody reads from fills it. By the operator's command ([source]
 * wal_disk); else by `df` through our ssh when that leads to the source's own host, or by a look on this host when the source is here.
 * Never blocks: a child is started, and asked later whether it has ended. Forks: engine thread only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "migration.h"
#include "pg/walplace.h"

#define WALDISK_WHERE 400

struct waldisk_reading {
	int64_t free_bytes;        /* for who is not root; -1: not known */
	char where[WALDISK_WHERE]; /* whose disk it is; or why it is not known, and how to make it so */
};

struct waldisk;
struct waldisk *waldisk_new(const struct migration *m); /* m outlives it */
void waldisk_free(struct waldisk *d);                   /* NULL is fine; ends a child that still runs */
/* Begins a look, unless one is under way. */
void waldisk_ask(struct waldisk *d, const struct wal_place *place);
/* True: a look has ended since the last call. */
bool waldisk_take(struct waldisk *d, struct waldisk_reading *out);
/* Both in one, for who can wait (at most about 15 s). */
void waldisk_wait(const struct migration *m, const struct wal_place *place, struct cancel *cancel, struct waldisk_reading *out);

/* Free bytes by the first row of what df -P prints, GNU's, busybox's or BSD's, among other lines; -1: there is none. *rows: how many. Pure. */
int64_t waldisk_parse(const char *said, size_t *rows);

#endif
