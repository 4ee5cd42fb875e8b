#ifndef PGUSHER_HOST_TOOLS_H
#define PGUSHER_HOST_TOOLS_H
/*
 * tools - which pg_dump, pg_restore and vacuumdb are there, and which are taken.
 * Forks: engine thread only. A const struct tools may be read by any thread.
 */
#include "base/cancel.h"
#include "base/err.h"
#include "base/str.h"
#include "migration.h"

struct tool_set { /* one folder with all three tools in it */
	char *bindir;     /* "" : found by PATH at a remote prefix */
	int version_num;  /* 160014 of pg_dump; minor is 0 for beta */
	char *version;    /* "16.14" */
	bool gzip, lz4, zstd; /* what its pg_dump can compress with */
	char *pg_dump, *pg_restore, *vacuumdb; /* paths */
};

struct tools {
	struct tool_set *v; /* newest first */
	size_t n;
	struct strv seen;   /* folders that were looked at */
	char *trouble;      /* why the prefix does not work, in its own words; NULL */
};

/* Looks in [tools] bindir, /usr/lib/postgresql/<major>/bin, /usr/pgsql-<major>/bin and PATH. Never fails: n may be 0. */
void tools_find(struct tools *t, const struct migration *m, struct cancel *cancel);
void tools_fini(struct tools *t);
/*
 * The one to use between these two servers: the target's major if it is there (and not older than the source),
 * else the newest that is not older than the source and not newer than the target, else the nearest newer one.
 * NULL: none fits. *reason (caller frees) says what was chosen and why, or what is missing.
 */
const struct tool_set *tools_choose(const struct tools *t, int source_version, int target_version, char **reason);

#endif
