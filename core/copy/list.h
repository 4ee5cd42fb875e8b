#ifndef PGUSHER_COPY_LIST_H
#define PGUSHER_COPY_LIST_H
/*
 * list - what has rows to be copied, as the source's catalogue says it inside the snapshot: tables with the columns and the
 * format their rows travel in, sequences. Made by the session that holds the snapshot, then const.
 */
#include "migration.h"
#include "pg/session.h"

struct copy_table {
	uint32_t oid;             /* on the source */
	char *schema, *name, *id; /* id: schema.name as people read it */
	char *from, *into;        /* quoted and qualified; into differs where rows must find their partition anew */
	char *columns;            /* quoted, comma separated, without generated ones; "" when there are none */
	char *where;              /* "WHERE ..." of an extension's table; NULL: all rows */
	bool binary;              /* every column means the same in both servers' binary format */
	bool dated;               /* each row says which transaction wrote it, and a crash does not empty it */
	bool shared;              /* others put rows into the same table, or some are in it before: never to be truncated */
	int64_t bytes;            /* with TOAST */
	int64_t blocks;           /* of the heap alone */
	int64_t block_bytes;
};

struct copy_seq { char *schema, *name; };
struct copy_index { char *schema, *name; int64_t bytes; bool text; }; /* text: by words of a language, which takes longer to sort */

struct copy_list {
	struct copy_table *tables; size_t n_tables; /* largest first */
	struct copy_seq *seqs; size_t n_seqs;
	struct copy_index *indexes; size_t n_indexes; /* by schema and name, as bytes compare */
	int64_t bytes;
	char *encoding;           /* of the source's database */
	int version;              /* of the source: 140023 */
};

/*
 * Everything that pg_dump would copy rows of, with the same schemas. left_out: an array of the numbers of
 * tables that are not wanted. target_version decides about formats.
 * s is in the transaction of the snapshot.
 */
enum err_code copy_list_read(struct copy_list **out, struct session *s, const struct strv *schemas, const struct strv *exclude,
			     const char *left_out, int target_version, struct err *err);
/* Whether a table's rows travel in several transactions, when that many sessions copy; range_bytes as in copy_options. Pure; plan.c. */
bool copy_in_ranges(const struct copy_list *l, const struct copy_table *t, int jobs, int64_t range_bytes);
/*
 * Locks the tables against being truncated, rewritten or dropped until the transaction ends: an older snapshot would see
 * them empty. Reading and writing go on. jobs > 0: only those that so many sessions copy in ranges of blocks, whose rows would
 * change places. ERR_SQL 55P03 after two minutes.
 */
enum err_code copy_list_lock(const struct copy_list *l, struct session *s, int jobs, int64_t range_bytes, struct err *err);
void copy_list_free(struct copy_list *l); /* NULL is fine */

/* NULL: there is none. */
const struct copy_index *list_index(const struct copy_list *l, const char *schema, const char *name);

/* ---- statements ---- */

/* COPY ... TO STDOUT; blocks from up to before to when to > from (LIST_TO_END: open end). */
#define LIST_TO_END INT64_MAX
void list_copy_out(struct str *sql, const struct copy_list *l, const struct copy_table *t, int64_t from, int64_t to);
void list_copy_in(struct str *sql, const struct copy_list *l, const struct copy_table *t, bool freeze);

#endif
