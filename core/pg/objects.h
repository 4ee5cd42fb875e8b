#ifndef PGUSHER_PG_OBJECTS_H
#define PGUSHER_PG_OBJECTS_H
/*
 * objects - are two databases made of the same objects? Each object is (kind, name, definition), made by catalogue queries of which there
 * are as many for one table as for 10,000: first a count and a sum of hashes of each kind; names and hashes of those kinds only that
 * differ; definitions of those objects only.
 *
 * Majors word the same thing in different ways, and what is restored from a dump is worded anew: an expression or view whose words differ
 * is given to the target's server, as a view of its own that is rolled back, and what that makes of both is compared. What a major does
 * not know, or what initdb made otherwise, is left out on both sides: NOT NULL as constraints (18), MAINTAIN (17), the owner of the
 * schema public and its CREATE for PUBLIC (15), versions of extensions and collations.
 *
 * Not looked at: publications, subscriptions, large objects, passwords of user mappings, tablespaces, and on the source invalid indexes,
 * which no dump carries. PostgreSQL 10 to 18; needs no right but to connect (and TEMP on the target for differing words). Blocks; one thread.
 */
#include <stdbool.h>

#include "pg/session.h"

enum object_kind {
	OBJ_SCHEMA, OBJ_EXTENSION, OBJ_TYPE, OBJ_TABLE, OBJ_COLUMN, OBJ_CONSTRAINT, OBJ_INDEX, OBJ_STATISTICS, OBJ_SEQUENCE, OBJ_VIEW, OBJ_MATVIEW, OBJ_FUNCTION,
	OBJ_TRIGGER, OBJ_RULE, OBJ_POLICY, OBJ_EVENT_TRIGGER, OBJ_OTHER, OBJ_GRANT, OBJ_COMMENT, OBJ_KINDS
};
#define OBJ_ALL ((1U << OBJ_KINDS) - 1)

/* Which objects of one side. Arrays as text, "{}": none; their strings are the caller's. */
struct object_scope {
	const char *schemas, *without;  /* these schemas (none: all), without these: then only what lies in a schema is looked at */
	const char *left_out;           /* tables that do not count, named as objects are: see object_name */
	const char *tables;             /* a condition on pg_class c with $4, of the tables that count; NULL: all. Then only what belongs to them */
	const char *of;                 /* $4 */
};

struct object_diff {
	enum object_kind kind;
	char *name;     /* "public.t.v", "public.f(integer)"; with its kind it is unique */
	char *def[2];   /* by side, lines; NULL: not there */
	bool unsure;    /* only the words differ, and the target's server could not be asked whether they mean the same */
};

struct objects {
	size_t same[OBJ_KINDS], n_same;
	struct object_diff *diffs;   /* by kind and name */
	size_t n_diffs, unread;      /* unread: more differ than were read */
};

enum object_flags {
	OBJECTS_FILLED = 1,    /* materialized views must be filled where the source's are */
	OBJECTS_NO_OWNERS = 4, /* owners and grants do not count */
	OBJECTS_ASK = 2,       /* the target may be asked about words, in a transaction that is rolled back; else they count as the same */
};

/*
 * timeout_ms: of each statement, 0: none. Sessions with search_path = pg_catalog, idle. ERR_SQL and what sessions give. out is
 * objects_fini's in any case.
 */
enum err_code objects_compare(struct session *src, struct session *dst, const struct object_scope scope[2], unsigned kinds, unsigned flags, int timeout_ms,
			      struct objects *out, struct err *err);
void objects_fini(struct objects *o);

const char *object_word(enum object_kind k); /* "index", "grants on"; "": the name says it */
/* Of a definition: the first line in which b (NULL: nothing) is not as it; at most 160 bytes. Caller frees. */
char *object_line(const char *a, const char *b);
/* What a column, constraint, index, trigger, rule or policy belongs to: "public.t.v" -> "public.t" and *own v. Caller frees. */
char *object_parent(const char *name, const char **own);
/* schema.name as these names are made: quoted where anything but small letters, digits, _ and $ is in it. Caller frees. */
char *object_name(const char *schema, const char *name);
/* "57 tables, 310 columns, ...": of the counts that are not 0. Appends. */
void objects_counts(struct str *out, const size_t n[OBJ_KINDS]);

/* ---- for objects*.c ---- */

enum object_phase { OBJ_SUMS, OBJ_HASHES, OBJ_DEFS };
/* The statement: $1 schemas, $2 without, $3 left_out, $4 of, OBJ_DEFS: $5 "kind name" as an array. Rows by kind and name. Caller frees. */
char *objects_sql(enum object_phase phase, enum side side, const int version[2], const struct object_scope *scope, unsigned kinds, unsigned flags);
/*
 * Pairs whose definitions differ: whether they mean the same to the target's server. Each as it came: definition, its expressions with
 * \x1f between them, and what they are about (objects_sql.c). worded: the target's in the source's words where these mean the same; the
 * caller frees it. ERR_OK also when the server cannot say.
 */
enum object_same { OBJECT_DIFFERS, OBJECT_SAME, OBJECT_UNSURE };
struct object_words { const char *def[2], *exprs[2], *about; enum object_same same; char *worded; };
enum err_code objects_ask(struct session *dst, struct object_words *w, size_t n, bool may_ask, int timeout_ms, struct err *err);

#endif
