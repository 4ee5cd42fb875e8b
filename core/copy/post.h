#ifndef PGUSHER_COPY_POST_H
#define PGUSHER_COPY_POST_H
/*
 * post - a dump without rows as pg_dump prints it (plain SQL), cut into its entries, so that they can be run by several
 * sessions: the statements stay pg_dump's own, only their order is ours.
 * Pure; any thread. Clients of PostgreSQL 10 to 18.
 */
#include "base/err.h"
#include "base/str.h"

enum post_kind {
	POST_INDEX,      /* CREATE INDEX of a table: beside others of the same table */
	POST_CONSTRAINT, /* primary key, unique, exclusion; or an index that also alters its table: alone on its table */
	POST_FK,
	POST_SERIAL,     /* everything else, in the order of the dump */
	POST_TABLE,      /* before the rows: a table, or what belongs to the one before it: beside others */
	POST_LAST,       /* event triggers, refreshing of materialized views: after all that */
};

struct post_entry {
	enum post_kind kind;
	char *type, *name; /* as the dump calls it: "INDEX", "x_idx"; for people */
	char *schema, *table; /* of INDEX, CONSTRAINT and FK; else NULL */
	char *to_schema, *to_table; /* FK: the table it points to */
	char *constraint;  /* FK, CONSTRAINT: its name, not quoted; else NULL */
	char *sets;        /* SET statements that must be in force */
	char *sql;
	char *index_sql, *attach_sql; /* CONSTRAINT that is built in two steps: its index, the key of it; filled in by the caller, else NULL */
	int64_t bytes; /* INDEX, CONSTRAINT, FK: of the table on the source, filled in by the caller; 0: unknown */
	int64_t index_bytes; /* INDEX, CONSTRAINT: of itself; FK: what its check reads, both tables without TOAST; as above */
	bool text;         /* INDEX, CONSTRAINT: sorted by the words of a language; filled in by the caller */
	bool plain;        /* FK: both tables have rows of their own, neither is partitioned; filled in by the caller */
	bool as_is;        /* FK: not to be validated: NOT VALID or NOT ENFORCED on the source */
};

struct post_list {
	struct post_entry *v;
	size_t n, cap;
	size_t rows;       /* the first entry that belongs behind the rows; n: none does */
};

/* Appends the entries of text to *out. ERR_USAGE: it ends within a statement, so that it is not complete. */
enum err_code post_parse(struct post_list *out, const char *text, struct err *err);
/* A large object, its owner's statement, its grants: as many as there are rows in a table, and as short-lived. */
bool post_is_large_object(const struct post_entry *e);
/*
 * Numbers for two kinds of objects: those that nobody takes away from a target once they are there (tables, views, grants, ...), and those behind
 * the rows that can be dropped and made anew (indexes, keys, triggers, ...). The same as long as pg_dump writes the same, but for large objects.
 * ERR_USAGE as post_parse.
 */
enum err_code post_fingerprint(const char *text, int64_t *stands, int64_t *made, struct err *err);
void post_fini(struct post_list *l);

#endif
