#ifndef PGUSHER_VERIFY_READ_H
#define PGUSHER_VERIFY_READ_H
/*
 * read - the statements of verify, on one session. Used by the job's threads and by narrow; one thread per session.
 * Works on PostgreSQL 10 to 18.
 */
#include "pg/session.h"
#include "verify/verify.h"

/*
 * Opens the read-only transaction that everything is read in, and pins all that changes how values are written:
 * float digits, dates, intervals, time zone, bytea, money; plans that read the heap in this process;
 * errors instead of rows hidden by row security. snapshot may be NULL. old_floats: 15 digits, since before 12 more digits
 * are written in another way. The pins end with the transaction.
 */
enum err_code read_begin(struct session *s, const char *snapshot, bool old_floats, struct err *err);
/* ERR_SQL when this server's hash functions give other values than elsewhere. Nothing to ask on 10. */
enum err_code read_probe(struct session *s, struct err *err);

struct read_size { bool exists; int64_t blocks, block_bytes, filenode; };
/* Of all tables of the set as this side has them, in one statement; sizes has n_tables entries. */
enum err_code read_sizes(struct session *s, const struct verify_set *v, struct read_size *sizes, struct err *err);

/* Appends what stands behind FROM: the table's rows that are moved, as t. */
void read_rows_of(struct str *sql, const struct verify_table *t);
/*
 * Appends the SELECT that gives (number, count, sum) of one table; sum is NULL when only counted. Of the blocks from up to
 * before to, when to > from; to = READ_TO_END leaves the end open, and a fourth column has the table's filenode: another one than when the
 * ranges were cut means that it was truncated or rewritten, and its rows are in other blocks, or gone.
 */
#define READ_TO_END INT64_MAX
void read_table_sql(struct str *sql, const struct verify_table *t, size_t number, int64_t from, int64_t to);

/*
 * All sequences that the set wants, by schema and name; in no transaction: until the end of one pg_sequence_last_value keeps a lock on each
 * that it looked at, on which somebody's TRUNCATE ... RESTART IDENTITY waits. *out and its texts are the
 * caller's. value[side] and known[side] are set.
 */
enum err_code read_sequences(struct session *s, const struct verify_set *v, enum side side, struct verify_seq **out,
			     size_t *n, struct err *err);
/* Puts one side's list into the set, under its lock. Takes list over. */
void read_merge_sequences(struct verify_set *v, enum side side, struct verify_seq *list, size_t n);
/* Count and sum over large objects: holes count as zeros. Needs the right to read pg_largeobject, as a rule a superuser's. */
enum err_code read_large_objects(struct session *s, const struct verify_set *v, int64_t *count, char **sum, struct err *err);

#endif
