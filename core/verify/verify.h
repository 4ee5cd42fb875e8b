#ifndef PGUSHER_VERIFY_VERIFY_H
#define PGUSHER_VERIFY_VERIFY_H
/*
 * verify - per-table counts and checksums of both sides, each at one consistent point.
 *
 * The source is read in an exported snapshot by parallel sessions on threads of their own (verify_start
 * returns at once); the target is read afterwards the same way, or at the same time when nobody writes;
 * verify_table_state and friends give the verdicts. The checksum is order-independent: the sum of 64-bit row
 * hashes (expr.h), as numeric, beside the number of rows. Rendering is pinned on both sides. Heaps are read, not
 * indexes. Tables are read largest first; from PostgreSQL 14 on large ones in ranges of blocks by several sessions.
 *
 * The set belongs to the engine thread. While a job reads a side, the fields of that side are the job's;
 * verify_finish gives them back. Two jobs of different sides may run at once.
 */
#include <pthread.h>

#include "event.h"
#include "migration.h"
#include "pg/facts.h"

struct verify_table {
	char *schema, *name;
	char *id;          /* schema.name as people read it, not quoted */
	char *where;       /* "WHERE ...": only these rows are moved; NULL: all */
	char *expr;        /* row hash over alias t, bigint; NULL: count only */
	char *why_not;     /* why it is not (fully) verified; NULL */
	bool whole;        /* a partitioned table, read with all that is below it: its rows lie in other partitions on the target */
	int64_t bytes;     /* heap with TOAST, on the source */
	int64_t changed_at_snapshot; /* pg_stat n_tup_* sum when the facts were read: to say later what moved on */
	struct strv key;   /* primary key; empty: none, then verify_narrow cannot help */
	char *key_expr, *key_text; /* hash of the key, and the key as text; NULL without one */
	bool old_floats;   /* see verify_begin */
	/* per side */
	bool known[2];
	int64_t rows[2];
	char *sum[2];      /* numeric text; NULL when only counted */
	struct err err[2]; /* why it is not known */
	int64_t us[2];     /* server time, added up over ranges; a small table's share of its batch */
};

struct verify_seq {
	char *schema, *name, *id;
	bool known[2];     /* false: not there, or unread */
	bool unread[2];    /* the side's sequences could not be read at all: see seq_err */
	char *value[2];    /* "last_value,is_called"; NULL: no right to read it */
	char *later;       /* source, read again after the copy; NULL: not read again */
	int64_t increment; /* source's; 0 until known */
};

struct verify_set {
	enum verify_mode mode;
	struct verify_table *tables; size_t n_tables; /* largest first */
	struct verify_seq *seqs; size_t n_seqs;       /* by schema and name; found by the jobs, not by verify_plan */
	struct err seq_err[2];    /* the sequences of a side could not be read at all */
	bool has_large_objects;
	int64_t lo_bytes;
	bool lo_known[2];
	int64_t lo_count[2]; char *lo_sum[2]; struct err lo_err[2];
	struct strv not_verified; /* "materialized view s.v: it is computed from tables" ...: said in the report */
	int64_t bytes;            /* of the tables and large objects */
	/* for the jobs */
	bool md5, old_floats;
	struct strv schemas, exclude_schemas;
	char *left_out;           /* tables of the source whose sequences do not count, as an array; NULL: none */
	pthread_mutex_t lock;     /* seqs, while jobs run */
};

/*
 * Chooses the tables (ordinary tables and leaf partitions inside the schemas filter; tables of extensions,
 * partitioned parents and temporary tables out; unlogged in) and their expressions. src has its columns
 * read; of dst only the version counts, it may be empty still. mode off gives an empty set.
 */
struct verify_set *verify_plan(const struct migration *m, const struct facts *src, const struct facts *dst);
struct verify_set *verify_new(void); /* an empty one, to be filled by hand (store.c) */
void verify_free(struct verify_set *v); /* NULL is fine */

struct verify_job; /* a pool of threads reading one side */
struct verify_progress {
	int64_t bytes, of_bytes; /* of is the source's estimate; bytes never exceeds it */
	size_t tables, of_tables;
	const char *current;     /* id of a table being read, "large objects", or NULL; lives as long as the set */
	bool finished;           /* verify_finish will not wait */
};
/*
 * Starts `jobs` threads, each with its own session to ep, which must live until verify_finish as the set must. snapshot: exported snapshot name to use; its
 * exporter must hold its transaction until the job is finished. NULL: a snapshot of its own (one session exports, the others import it).
 * Results land in v by side. cancel stops all statements in less than a second.
 * ERR_IO when descriptors or threads cannot be had; connection errors come from verify_finish.
 */
enum err_code verify_start(struct verify_job **out, struct verify_set *v, enum side side, const struct endpoint *ep,
			   const char *application_name, const char *snapshot, int jobs, struct cancel *cancel, struct err *err);
/* Any time, any thread, until verify_finish. */
void verify_peek(struct verify_job *j, struct verify_progress *p);
/* A descriptor that becomes readable on progress and at the end; verify_peek makes it quiet again. */
int verify_fd(const struct verify_job *j);
/* Ends it early: running statements are cancelled, nobody takes another piece. verify_finish then says ERR_CANCELLED. Any thread. */
void verify_stop(struct verify_job *j);
/*
 * Waits for the threads, frees the job. A table that could not be read has its err set and does not fail the job. The
 * function's own error is for the job as a whole: ERR_CANCELLED, ERR_CONNECT, ERR_AUTH, ERR_LOST, ERR_SQL (the snapshot is
 * gone; hash functions that cannot be compared): then tables that were not read have known = false.
 */
enum err_code verify_finish(struct verify_job *j, struct err *err);

/* What was read of a side is forgotten, so that it can be read again. Not while a job runs. */
void verify_forget(struct verify_set *v, enum side side);

/* Source sequences once more, after the copy: what moved in between is allowed to differ. Not while a job runs. */
enum err_code verify_reread_sequences(struct verify_set *v, struct session *source, struct err *err);

/* ST_DONE equal, ST_FAILED differs, ST_SKIPPED not verified. *detail says what or why in all cases; caller frees. */
enum state verify_table_state(const struct verify_table *t, enum verify_mode mode, char **detail);
enum state verify_seq_state(const struct verify_seq *s, char **detail);
enum state verify_lo_state(const struct verify_set *v, char **detail); /* ST_DONE with NULL when there are none */

/*
 * Narrows one unequal table to keys: both sides are bucketed by a hash of the key, then differing buckets are read. At most `limit`
 * keys, each as "only on source (id)=(7)" / "only on target ..." / "differs ...". Needs a primary key: else ERR_USAGE.
 * Both sessions are idle and outside a transaction; they are again afterwards.
 */
enum err_code verify_narrow(const struct verify_table *t, struct session *src, const char *src_snapshot_or_null,
			    struct session *dst, size_t limit, struct strv *out, struct err *err);

#endif
