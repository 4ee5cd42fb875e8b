#ifndef PGUSHER_WATCH_WATCH_H
#define PGUSHER_WATCH_WATCH_H
/*
 * watch - looks at both ends of a replication, again and again, on sessions of its own. Works with pg_monitor on both sides; what
 * it may not see is left empty. An end that does not answer is part of the sample, not an error. One thread.
 */
#include "base/cancel.h"
#include "base/err.h"
#include "migration.h"
#include "pg/walplace.h"
#include "watch/sample.h"

struct watch;

/* m is settled and outlives it. state_dir: where the target's timeline is remembered; app: application_name. */
struct watch *watch_new(const struct migration *m, const char *state_dir, const char *app, struct cancel *cancel);
void watch_free(struct watch *w);
/* Many samples will be taken: none of them waits for what is looked at once a minute (minute.h; drift_ms -1 until then). */
void watch_goes_on(struct watch *w);
/* One look; takes a few milliseconds, or seconds when an end does not answer. */
void watch_take(struct watch *w, struct watch_sample *out);
/* Where the source keeps its WAL, for who looks how much is free there (host/waldisk.h). */
enum err_code watch_wal_place(struct watch *w, struct wal_place *out, struct err *err);
/* What was found there: free_bytes -1, and in words why not. Samples reckon on from it. */
void watch_disk(struct watch *w, int64_t free_bytes, const char *where);
/* The way to an end is not there (an ssh tunnel): it is not asked, why is said. NULL: it is there again. */
void watch_no_way(struct watch *w, enum side side, const struct err *why);
/* The migration has another password for that end: it is asked now. */
void watch_password(struct watch *w, enum side side);
/* The subscription's tables as they are now (pg/tables.h); caller frees *text. */
enum err_code watch_tables(struct watch *w, char **text, struct err *err);
/* The migration was ended: what is not there any more is no trouble. */
void watch_finalized(struct watch *w);
/* The target was compared: its present timeline is the one to be on. */
void watch_forget(const char *state_dir);

/* The arithmetic, over readings of LSNs as numbers; for watch.c and its test. */
struct watch_pace {
	struct { int64_t at_us, current, confirmed, held, commits; } ring[600]; /* ten minutes of seconds */
	size_t n, head;
};
void watch_pace_add(struct watch_pace *p, int64_t at_us, int64_t current, int64_t confirmed, int64_t held, int64_t commits);
/* Fills lag_s, the rates, level_s, full_s and disk_full_s; s has lag_bytes, safe_bytes and disk_bytes. */
void watch_pace_tell(const struct watch_pace *p, struct watch_sample *s);
/* Seconds since it was last further behind than that; 0 when it is now. */
double watch_pace_within(const struct watch_pace *p, int64_t max_lag_bytes);

#endif
