#ifndef PGUSHER_COPY_COPY_H
#define PGUSHER_COPY_COPY_H
/*
 * copy - one database into another, empty one, by a pool of threads. Each has a session in the source's exported snapshot and
 * one on the target; nothing is kept in between. The objects are made by pg_dump's own SQL (post.h), the rows go by COPY.
 *
 *   look      after an interruption: which tables are still as an earlier copy left them
 *   tables    what stands in the dump before the rows: tables side by side, the rest in the dump's order
 *   clear     after an interruption: what is in the way of rows that come again
 *   rows      tables, largest first; a table is copied in one transaction, so that a lost connection costs that table and
 *             not the run; very large ones in ranges of blocks. As soon as a table has its rows, its keys and indexes are
 *             built and it is analysed, beside the copying of others.
 *   again     tables that would not take their rows are tried once more, now that all others have theirs
 *   serial    what else stands in the dump before its first foreign key, in the dump's order
 *   keys      foreign keys, at the same time; those of large tables are made NOT VALID first, then validated (keys.c)
 *   rest      what is left, in the dump's order: triggers' comments, policies, event triggers, materialized views
 *   analyze   what got its statistics objects or its rows only now
 *
 * A statement that fails when it is run before its place in the dump (it needs another one first) is tried again there.
 *
 * Engine thread for all functions; nothing here forks.
 */
#include "copy/list.h"

#define COPY_MERGED_AT_ONCE (INT64_C(8) << 30) /* bytes of a table whose sorts of 64MB a run, or less, are merged in one go */

struct copy_options {
	const struct endpoint *end[2];  /* by enum side; live until copy_finish */
	const char *application_name;
	const char *snapshot;           /* its exporter stays in its transaction until copy_finish */
	int jobs;
	const char *settings;           /* "SET ...; SET ..." for the target's sessions; may be NULL */
	bool memory_given;              /* maintenance_work_mem in settings is the operator's: not to be changed for single indexes */
	int64_t range_bytes;            /* tables from here on may be copied in ranges; 0: none */
	struct cancel *cancel;
};

struct copy_job;

/*
 * Starts the threads; list lives until copy_finish. sql: the sections pre-data and post-data as pg_dump prints them; NULL: the
 * sessions are opened, and wait for copy_go.
 * ERR_USAGE: they are not whole, to the last line; ERR_IO: no thread, no descriptor. Connection errors come from copy_finish.
 */
enum err_code copy_start(struct copy_job **out, const struct copy_list *list, const char *sql, const struct copy_options *o,
			 struct err *err);

/* What copy_start had no sql for. ERR_USAGE as there: then copy_stop and copy_finish are what is left to do. */
enum err_code copy_go(struct copy_job *j, const char *sql, struct err *err);

/* What an earlier copy brought over of one table (copied.h). */
struct copy_had { int64_t rows; int64_t xid; }; /* rows -1: not all of it; xid: of the target */
/*
 * Between copy_start without sql and copy_go: the target holds what an earlier copy left. Looks at every table it had all of, on both sides;
 * copy_peek says when it is over. had: by table, copied. source_xid: the xmin of the snapshot it was copied in. same_keys: what stands behind
 * the rows in the dump is the same as then; else all indexes and keys are made anew.
 */
void copy_look(struct copy_job *j, const struct copy_had *had, int64_t source_xid, bool same_keys);
/* Once it is over: nobody has changed it, on neither side; copy_go leaves it as it is. */
bool copy_keeps(const struct copy_job *j, size_t table);
/* A table that the earlier copy had made is not there. */
bool copy_misses(const struct copy_job *j);
/* Whether an issue of that object would not be found again, because copy_go does not make it anew. Behind copy_go. */
bool copy_keeps_object(struct copy_job *j, const char *object);
/* The next table that is complete on the target, with its rows; false: none. */
bool copy_take_table(struct copy_job *j, size_t *table, int64_t *rows);
/* Ends it as a cancel does; copy_finish waits for that. */
void copy_stop(struct copy_job *j);

struct copy_progress {
	int64_t bytes, of_bytes;  /* of the source's tables */
	size_t tables, of_tables;
	size_t objects, of_objects; /* tables, indexes, keys and the rest */
	size_t kept, kept_objects; int64_t kept_bytes; /* of those: there already, by an earlier copy */
	int64_t rows;
	int broken;               /* connections that were lost and made anew */
	char current[256];        /* what every session is working on; "" */
	int64_t work, of_work;    /* the same with indexes and the foreign keys' tables: what is left of it takes left_ms. of_work 0: not known yet; it does not change later */
	int64_t left_ms;          /* 0: not known yet, or finished */
	bool looking;     /* copy_look is not over: work and tables are what was looked at */
	bool tables_made; /* what stands before the rows is there */
	bool finished;
};
void copy_peek(struct copy_job *j, struct copy_progress *p);
/* Asks the target's server how far its indexes are, for what copy_peek says. The session is the caller's. */
void copy_ask_indexes(struct copy_job *j, struct session *target, int64_t timeout_ms);
/* Readable on progress (20 times a second, and the last bit of it may be missed), when the tables are made, and at the end; copy_peek makes it quiet. */
int copy_fd(const struct copy_job *j);

struct copy_issue {
	char *object;   /* "FK CONSTRAINT child child_parent_fkey", "public.t" */
	char *message;
	char *sql;      /* the statement, or the query that finds the rows; NULL */
	char *hint;     /* NULL: none of ours */
	bool kept;      /* the object is there, but NOT VALID: a matter for a person, whatever the message says */
};
/* The next thing that did not go as it should, while it runs or before copy_finish; false: none. Free with copy_issue_fini. */
bool copy_take_issue(struct copy_job *j, struct copy_issue *out);
void copy_issue_fini(struct copy_issue *i);

/*
 * Waits for the end, frees the job. An error of one table or object is an issue, not an error
 * here; ERR_LOST, ERR_CONNECT, ERR_NOSPACE, ERR_CANCELLED, ERR_SQL (the snapshot is gone).
 */
enum err_code copy_finish(struct copy_job *j, struct err *err);

#endif
