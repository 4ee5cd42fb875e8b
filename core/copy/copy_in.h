#ifndef PGUSHER_COPY_COPY_IN_H
#define PGUSHER_COPY_COPY_IN_H
/* Shared by the files of copy; not for others. */
#include <pthread.h>
#include <stdatomic.h>

#include "copy/copy.h"
#include "copy/estimate.h"
#include "copy/post.h"
#include "copy/relay.h"

#define COPY_MAX_JOBS 64
#define COPY_SMALL (1 << 20)      /* tables below travel together, and are not worth a TRUNCATE that makes FREEZE possible */
/* On the source: a table that was read is locked no longer, so that its TRUNCATE need not wait for the rest of the copy. */
#define COPY_LET_GO "ROLLBACK TO SAVEPOINT part"
#define COPY_TRIES 4              /* of one part, when connections break */

/* Rows that travel in one transaction: one table, a range of one, or several small ones. */
struct part { size_t first, n; int64_t from, to, bytes; size_t group; };

/* Tables whose indexes are built together: one large table, or the small ones of one part. */
struct group {
	size_t first, n;
	size_t parts, parts_left; /* their rows are not all there yet */
	bool small;
	bool key_running;         /* a constraint of this table is being built: nothing else beside it */
	size_t running;           /* entries being built */
	long *entries; size_t n_entries, next_key, next_index;
	bool finished;            /* everything of it was given out */
};

enum entry_state { ENTRY_WAITS, ENTRY_TAKEN, ENTRY_BUILT, ENTRY_DONE }; /* built: the index that becomes a key */

enum phase { PHASE_LOOK, PHASE_OPEN, PHASE_TABLES, PHASE_CLEAR, PHASE_ROWS, PHASE_AGAIN, PHASE_SERIAL, PHASE_PREPARE, PHASE_KEYS, PHASE_REST, PHASE_ANALYZE, PHASE_END };

enum task_kind { TASK_LOOK, TASK_CLEAR, TASK_TABLES, TASK_SEQUENCES, TASK_PART, TASK_GROUP, TASK_ENTRY, TASK_ANALYZE, TASK_AGAIN, TASK_ORDERED, TASK_PREPARE, TASK_LATE };

struct task {
	enum task_kind kind;
	const struct part *part;
	struct group *group;
	size_t entry;             /* TASK_ENTRY; TASK_TABLES, TASK_ORDERED: first; TASK_LATE: of the list, SIZE_MAX makes the list */
	size_t to;                /* TASK_TABLES, TASK_ORDERED: before this */
};

/* What a session is at. */
struct doing {
	struct task task;
	bool on;
	int pid;                  /* of its target session's server */
	int64_t began_us;
	int64_t heard_us; double share; /* as the server said then; 0: it has not */
	char text[96];
	atomic_llong moved, rows; /* of a part */
};

struct copy_job {
	const struct copy_list *list;
	struct copy_options o;
	char *application_name, *snapshot, *settings;
	int wake_fd, quit_fd;

	pthread_mutex_t lock;     /* everything down to issues */
	pthread_cond_t moved;
	bool stop;
	enum phase phase;
	struct err err;           /* the first one counts */
	int busy, working;        /* threads with a task; threads alive */
	struct part *parts; size_t n_parts, next_part;
	struct group *groups; size_t n_groups;
	size_t *group_of;         /* by table */
	bool *failed;             /* by table: its rows would not go in */
	struct copy_had *had;     /* by table: what an earlier copy brought; NULL: there was none */
	int64_t had_xid;          /* of the source, its snapshot's xmin */
	bool same_keys, missing, clear_taken;
	bool *kept;               /* by table: as it was then, on both sides */
	int64_t *rows_of;         /* by table: seen while looking, then copied */
	size_t *complete, n_complete, next_complete; /* tables, as they come */
	int64_t look_bytes, kept_bytes;
	size_t look_tables;
	size_t n_kept;            /* when copying begins */
	bool *in_ranges;          /* by table: its rows come in several transactions, so that none is frozen */
	bool seqs_taken, again_taken, serial_taken, prepare_taken, rest_taken, late_taken, late_listed;
	struct post_list post;
	size_t next_table, tables_sure; /* entries before the rows: given out; known to be done or hopeless */
	unsigned char *state;     /* enum entry_state, by entry */
	size_t first_key;         /* the first foreign key; n when there is none */
	size_t *keys; size_t n_keys, keys_begun; /* foreign keys, largest first; all before keys_begun are taken */
	bool *not_valid;          /* by entry: a foreign key that is there, but not validated yet */
	struct strv late;         /* what is analysed or vacuumed at the end: statements */
	double *late_price; /* each, seconds */
	size_t next_late;
	struct copy_issue *issues; size_t n_issues, next_issue;
	struct doing doing[COPY_MAX_JOBS];
	struct estimate estimate; /* what has ended */
	int64_t index_bytes, key_bytes; /* of large tables' indexes; of the tables that foreign keys are checked in */

	struct cancel cancel;
	pthread_t threads[COPY_MAX_JOBS], watcher;
	int n_threads;
	bool watching;
	atomic_llong bytes, rows, looked;
	_Atomic int64_t woke_us;
	atomic_int broken;
	atomic_size_t tables, objects, kept_objects, looked_tables;
	atomic_bool finished, tables_made;
};

struct worker {
	struct copy_job *job;
	int who;                  /* of doing */
	struct session *src, *dst;
	struct relay relay;
	int64_t part_bytes;       /* progress counted for the part at hand, taken back when it must be done again */
	int64_t part_size, part_moved;
	int64_t part_rows;
	const char *before, *behind; /* statements around the rows in their transaction; NULL: none */
	char xid[32];             /* of the transaction that is about to commit */
	int64_t xid_rows;         /* and what it brings */
};

/* job.c */
/* copy_fd becomes readable: for progress, now and then; for what somebody waits for, at once. */
void copy_wake(struct copy_job *j);
void copy_tell(const struct copy_job *j);
void copy_quiet(const struct copy_job *j);
/* Takes ownership of the strings. */
void copy_add_issue(struct copy_job *j, char *object, char *message, char *sql, char *hint, bool kept);
/* Sessions as they should be; opened when they are not there. */
enum err_code copy_source(struct worker *w, struct err *err);
enum err_code copy_target(struct worker *w, struct err *err);
void copy_close(struct worker *w);
/* A broken connection that is worth another try (and has waited for it), or the end? */
bool copy_again(struct worker *w, const struct err *why, int try);

/* plan.c: pure */
/* looking: parts of what copy_look asks about; else of all that is not kept. */
void copy_plan_parts(struct copy_job *j, bool looking);
void copy_forget_parts(struct copy_job *j);
void copy_plan_entries(struct copy_job *j);
/* How many of n small things travel together. */
size_t copy_batch(const struct copy_job *j, size_t n, size_t most);
/* maintenance_work_mem for building it, MB; 0: as the server has it. */
int copy_sort_mb(const struct post_entry *p);
/*
 * FREEZE leaves out what is stored beside a table, and rows that came in ranges have none: without a VACUUM the first readers
 * would write all that once more. True for such tables.
 */
bool copy_wants_vacuum(const struct copy_job *j, size_t table);

/*
 * keys.c. ADD CONSTRAINT locks both its tables against the same on them (SHARE ROW EXCLUSIVE), so that keys to one table would
 * be checked one after the other. VALIDATE CONSTRAINT locks the referencing one alone like that (SHARE UPDATE EXCLUSIVE; ROW
 * SHARE on the other, 9.4 and newer). So keys of large tables are made NOT VALID first, which reads no rows, then validated.
 * Not where one of the two is partitioned: NOT VALID is refused there before 18, or the partitions' own keys would stay so.
 */
void copy_plan_keys(struct copy_job *j);
enum err_code copy_prepare_keys(struct worker *w, struct err *err);
enum err_code copy_validate_key(struct worker *w, size_t entry, struct err *err);
/* Under the lock. *over: all are done. */
bool copy_next_key(struct copy_job *j, struct task *t, bool *over);

/* unique.c. Pure: pg_dump's ADD CONSTRAINT as CREATE UNIQUE INDEX and what makes a key of that. False: it is no plain one. Caller frees both. */
bool copy_split_key(const char *sql, const char *constraint, char **index, char **attach);
/* Which keys are built like that; behind copy_plan_entries. Pure. */
void copy_plan_unique(struct copy_job *j);
enum err_code copy_build_unique(struct worker *w, size_t entry, struct err *err);
/* The index makes room for the constraint as pg_dump wrote it: one that could not be made a key, or that a broken connection left. */
enum err_code copy_clear_key(struct worker *w, const struct post_entry *p, struct err *err);
/* All that are built, of a table on which nothing else runs. */
enum err_code copy_attach_keys(struct worker *w, const struct group *g, struct err *err);

/* schedule.c: the next task, or false at the end. Waits. */
bool copy_next_task(struct copy_job *j, int who, struct task *t);
void copy_task_done(struct copy_job *j, int who, const struct task *t);

/* weigh.c. Under the lock, or before there are threads. */
void copy_weigh_all(struct copy_job *j);
void copy_task_begins(struct copy_job *j, int who, const struct task *t);
void copy_task_ends(struct copy_job *j, int who);
/* With what runs, as far as it is. */
struct estimate copy_estimate(const struct copy_job *j);
double copy_vacuum_price(const struct copy_table *t);
/* Of an index or a key. */
double copy_entry_price(const struct copy_job *j, size_t entry);

/* look.c: after an interruption. An error ends the job. */
enum err_code copy_look_part(struct worker *w, const struct part *p, struct err *err);
/* Takes away what is in the way, and finds what need not be made again. */
enum err_code copy_clear(struct worker *w, struct err *err);

/* progress.c */
void copy_say(struct worker *w, const char *kind, const char *name);
/* How far an index is, by what pg_stat_progress_create_index says. Pure. */
double copy_index_share(const char *phase, double blocks, double of_blocks, double tuples, double of_tuples);

/* rows.c. An error ends the job. */
enum err_code copy_part(struct worker *w, const struct part *p, struct err *err);
enum err_code copy_failed_tables(struct worker *w, struct err *err);
enum err_code copy_sequences(struct worker *w, struct err *err);

/*
 * build.c. One statement on the target, again when its connection breaks. ERR_SQL is the statement's own, everything else
 * ends the job.
 */
enum err_code copy_run(struct worker *w, const char *sql, struct err *err);
/* An entry's statement, or one that stands for it, with the settings it needs. */
enum err_code copy_run_entry(struct worker *w, const struct post_entry *p, const char *sql, struct err *err);
enum err_code copy_ask(struct worker *w, const char *sql, int n, const char *const *params, PGresult **res, struct err *err);
/* An error ends the job. What fails before its place in the dump's order is tried again there. */
enum err_code copy_build_group(struct worker *w, struct group *g, struct err *err);
enum err_code copy_build_entry(struct worker *w, size_t entry, bool last_try, struct err *err);
enum err_code copy_build_tables(struct worker *w, size_t from, size_t to, struct err *err);
enum err_code copy_build_ordered(struct worker *w, size_t from, size_t to, struct err *err);
enum err_code copy_analyze(struct worker *w, size_t table, struct err *err);
/* ANALYZE or VACUUM: what goes wrong is an issue, and no more. */
enum err_code copy_tend(struct worker *w, const char *sql, struct err *err);
/* pg_dump's statement of a key, NOT VALID. Caller frees. */
char *copy_not_valid(const char *sql);
/* The query that finds the rows which violate a foreign key of the target; NULL: none could be made. */
char *copy_find_orphans(struct worker *w, const struct post_entry *p);
char *copy_object_of(const struct post_entry *p);
void copy_set_done(struct copy_job *j, size_t entry);
enum err_code copy_list_late(struct worker *w, struct err *err);

#endif
