#include "copy/list.h"

#include <stdlib.h>
#include <string.h>

#define LOCK_CHUNK 200

/*
 * Types whose binary form means something else on another server, or is refused there: object numbers (reg*), what has no
 * binary form, what an extension made up and nobody has tried. Everything that contains one is unsafe, too.
 * $1: an array's or a composite's own numbers of user types are refused (before 14).
 */
#define UNSAFE_TYPES                                                                                                             \
	"part(whole, inner_type) AS ("                                                                                           \
	" SELECT oid, typelem FROM pg_type WHERE typelem <> 0 AND typtype = 'b'"                                                 \
	" UNION ALL SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'"                                                    \
	" UNION ALL SELECT t.oid, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid"                      \
	"  WHERE t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped"                                                        \
	" UNION ALL SELECT rngtypid, rngsubtype FROM pg_range%s),"                                                               \
	"unsafe(oid) AS ("                                                                                                       \
	" SELECT oid FROM pg_type t WHERE (typnamespace = 'pg_catalog'::regnamespace AND (typname ~ '^_?reg' OR typname ~ '^_?aclitem$'))" \
	"  OR (typtype <> 'd' AND (typsend = 0 OR typreceive = 0))"                                                             \
	"  OR (typtype = 'b' AND typnamespace <> 'pg_catalog'::regnamespace AND typcategory <> 'A'"                              \
	"   AND NOT (typname IN ('hstore', 'citext', 'ltree', 'lquery', 'ltxtquery', 'cube')"                                    \
	"    AND EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')))" \
	"  OR ($1::bool AND (typtype = 'c' OR (typcategory = 'A' AND typelem >= 16384)))"                                        \
	" UNION SELECT p.whole FROM unsafe u JOIN part p ON p.inner_type = u.oid),"

/* A hash over an enum is a hash over numbers that differ on every server: such rows look for their partition again. */
#define UNSAFE_PARTITIONS                                                                                                        \
	"below(leaf, root, depth) AS ("                                                                                          \
	" SELECT i.inhrelid, p.partrelid, 1 FROM pg_partitioned_table p JOIN pg_inherits i ON i.inhparent = p.partrelid"         \
	"  WHERE p.partstrat = 'h' AND EXISTS (SELECT 1 FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod"                   \
	"   WHERE o.opcname = 'enum_ops' AND m.amname = 'hash' AND o.oid = ANY (p.partclass))"                                   \
	" UNION ALL SELECT i.inhrelid, b.root, b.depth + 1 FROM below b JOIN pg_inherits i ON i.inhparent = b.leaf),"            \
	"root(leaf, root) AS (SELECT DISTINCT ON (leaf) leaf, root FROM below ORDER BY leaf, depth DESC),"

/* What an extension registered as the user's: its rows are copied, the table itself comes with the extension. */
#define CONFIG                                                                                                                   \
	"config(oid, condition) AS (SELECT u.o, u.c FROM pg_extension e, LATERAL unnest(e.extconfig, e.extcondition) u(o, c)),"   \
	"member(oid) AS (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e')"

#define WANTED                                                                                                                   \
	"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'"                                  \
	" AND (cardinality($2::text[]) = 0 OR n.nspname = ANY ($2::text[])) AND n.nspname <> ALL ($3::text[])"                   \
	" AND NOT c.oid = ANY ($4::oid[]) AND (config.oid IS NOT NULL OR NOT EXISTS (SELECT 1 FROM member WHERE member.oid = c.oid))"

static char *tables_sql(int version)
{
	return xasprintf(
		"WITH RECURSIVE " UNSAFE_TYPES UNSAFE_PARTITIONS CONFIG
		" SELECT c.oid, n.nspname, c.relname, k.names, coalesce(k.safe, true), coalesce(pg_table_size(c.oid), 0),"
		" coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int8, current_setting('block_size'),"
		" config.condition, config.oid IS NOT NULL, rn.nspname, rc.relname, c.relpersistence = 'p'%s"
		" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN config ON config.oid = c.oid"
		" LEFT JOIN root ON root.leaf = c.oid LEFT JOIN pg_class rc ON rc.oid = root.root"
		" LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace"
		" LEFT JOIN LATERAL (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS names,"
		"  bool_and(a.atttypid NOT IN (SELECT oid FROM unsafe)) AS safe FROM pg_attribute a"
		"  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped%s) k ON true"
		" WHERE c.relkind = 'r' AND " WANTED " ORDER BY 6 DESC, 2, 3",
		version >= 140000 ? " UNION ALL SELECT rngmultitypid, rngtypid FROM pg_range" : "",
		version >= 120000 ? " AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap')" : "",
		version >= 120000 ? " AND a.attgenerated = ''" : "");
}

static const char sequences_sql[] =
	"WITH " CONFIG " SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" LEFT JOIN config ON config.oid = c.oid WHERE c.relkind = 'S' AND $1::bool IS NOT NULL AND " WANTED
	" AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')"
	"  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($4::oid[])) ORDER BY 1, 2";

static char *qualified(const char *schema, const char *name)
{
	struct str s = {0};

	sql_qualified(&s, schema, name);
	return str_take(&s);
}

static void keep_table(struct copy_list *l, const PGresult *r, int i, bool utf8)
{
	struct copy_table *t = &l->tables[i];
	bool config = cell_bool(r, i, 9), rooted = !PQgetisnull(r, i, 11);

	*t = (struct copy_table){
		.oid = (uint32_t)cell_i64(r, i, 0), .schema = cell_dup(r, i, 1), .name = cell_dup(r, i, 2),
		.id = xasprintf("%s.%s", cell(r, i, 1), cell(r, i, 2)), .from = qualified(cell(r, i, 1), cell(r, i, 2)),
		.columns = xstrdup(cell(r, i, 3)), .binary = cell_bool(r, i, 4) && utf8, .bytes = cell_i64(r, i, 5),
		.blocks = cell_i64(r, i, 6), .block_bytes = cell_i64(r, i, 7), .shared = config || rooted, .dated = cell_bool(r, i, 12) && !config && !rooted};
	t->where = *cell(r, i, 8) ? cell_dup(r, i, 8) : NULL;
	t->into = rooted ? qualified(cell(r, i, 10), cell(r, i, 11)) : xstrdup(t->from);
	l->bytes += t->bytes;
}

static enum err_code read_tables(struct copy_list *l, struct session *s, const char *const *params, struct err *err)
{
	char *sql = tables_sql(session_version(s));
	PGresult *r;
	enum err_code rc = session_exec(s, sql, 4, params, 0, &r, err);

	free(sql);
	if (rc != ERR_OK)
		return rc;
	bool utf8 = str_eq(l->encoding, "UTF8"); /* binary text follows the session's encoding, which is UTF8: no detour for others */
	l->n_tables = (size_t)PQntuples(r);
	l->tables = xcalloc(l->n_tables + 1, sizeof *l->tables);
	for (int i = 0; i < (int)l->n_tables; i++)
		keep_table(l, r, i, utf8);
	PQclear(r);
	return ERR_OK;
}

static enum err_code read_sequences(struct copy_list *l, struct session *s, const char *const *params, struct err *err)
{
	PGresult *r;
	enum err_code rc = session_exec(s, sequences_sql, 4, params, 0, &r, err);

	if (rc != ERR_OK)
		return rc;
	l->n_seqs = (size_t)PQntuples(r);
	l->seqs = xcalloc(l->n_seqs + 1, sizeof *l->seqs);
	for (int i = 0; i < (int)l->n_seqs; i++)
		l->seqs[i] = (struct copy_seq){.schema = cell_dup(r, i, 0), .name = cell_dup(r, i, 1)};
	PQclear(r);
	return ERR_OK;
}

static enum err_code read_indexes(struct copy_list *l, struct session *s, struct err *err)
{
	static const char sql[] =
		"SELECT n.nspname, c.relname, pg_relation_size(c.oid), o.collname IS NOT NULL AND coalesce(nullif(o.collcollate, ''), d.datcollate) NOT IN ('C', 'POSIX')"
		" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid"
		" JOIN pg_database d ON d.datname = current_database() LEFT JOIN pg_collation o ON o.oid = i.indcollation[0]"
		" WHERE c.relkind = 'i' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
		" ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"";
	PGresult *r;
	enum err_code rc = session_exec(s, sql, 0, NULL, 0, &r, err);

	if (rc != ERR_OK)
		return rc;
	l->n_indexes = (size_t)PQntuples(r);
	l->indexes = xcalloc(l->n_indexes + 1, sizeof *l->indexes);
	for (int i = 0; i < (int)l->n_indexes; i++)
		l->indexes[i] = (struct copy_index){.schema = cell_dup(r, i, 0), .name = cell_dup(r, i, 1), .bytes = cell_i64(r, i, 2), .text = cell_bool(r, i, 3)};
	PQclear(r);
	return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
	const struct copy_index *x = a, *y = b;
	int c = strcmp(x->schema, y->schema);

	return c ? c : strcmp(x->name, y->name);
}

const struct copy_index *list_index(const struct copy_list *l, const char *schema, const char *name)
{
	const struct copy_index key = {.schema = (char *)schema, .name = (char *)name};

	return schema && name ? bsearch(&key, l->indexes, l->n_indexes, sizeof key, by_name) : NULL;
}

enum err_code copy_list_read(struct copy_list **out, struct session *s, const struct strv *schemas, const struct strv *exclude,
			     const char *left_out, int target_version, struct err *err)
{
	struct copy_list *l = xcalloc(1, sizeof *l);

	l->version = session_version(s);
	enum err_code rc = session_run(s, "SET LOCAL lock_timeout = '120s'", err);
	if (rc == ERR_OK && l->version >= 110000) /* compiling takes longer than the query */
		rc = session_run(s, "SET LOCAL jit = off", err);
	char *in = sql_array(schemas), *ex = sql_array(exclude);
	const char *params[] = {target_version < 140000 ? "t" : "f", in, ex, left_out};
	if (rc == ERR_OK)
		rc = session_value(s, "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()", &l->encoding, err);
	if (rc == ERR_OK)
		rc = read_tables(l, s, params, err);
	if (rc == ERR_OK)
		rc = read_sequences(l, s, params, err);
	if (rc == ERR_OK)
		rc = read_indexes(l, s, err);
	free(in);
	free(ex);
	if (rc != ERR_OK) {
		copy_list_free(l);
		l = NULL;
		(void)err_prefix(err, "cannot list the source's tables");
	}
	*out = l;
	return rc;
}

enum err_code copy_list_lock(const struct copy_list *l, struct session *s, int jobs, int64_t range_bytes, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct str sql = {0};

	for (size_t i = 0; i < l->n_tables && rc == ERR_OK;) {
		size_t n = 0;
		str_clear(&sql);
		for (; n < LOCK_CHUNK && i < l->n_tables; i++)
			if (jobs <= 0 || copy_in_ranges(l, &l->tables[i], jobs, range_bytes))
				str_addf(&sql, "%s ONLY %s", n++ ? "," : "LOCK TABLE", l->tables[i].from);
		str_add(&sql, " IN ACCESS SHARE MODE");
		if (n > 0)
			rc = session_run(s, str_text(&sql), err);
	}
	str_fini(&sql);
	if (rc == ERR_OK)
		rc = session_run(s, "SET LOCAL lock_timeout = 0", err);
	if (rc != ERR_OK)
		(void)err_prefix(err, "cannot keep the source's tables from being rewritten during the copy");
	return rc;
}

void copy_list_free(struct copy_list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_tables; i++) {
		struct copy_table *t = &l->tables[i];
		char *all[] = {t->schema, t->name, t->id, t->from, t->into, t->columns, t->where};
		for (size_t k = 0; k < sizeof all / sizeof *all; k++)
			free(all[k]);
	}
	for (size_t i = 0; i < l->n_seqs; i++) {
		free(l->seqs[i].schema);
		free(l->seqs[i].name);
	}
	for (size_t i = 0; i < l->n_indexes; i++) {
		free(l->indexes[i].schema);
		free(l->indexes[i].name);
	}
	free(l->tables);
	free(l->seqs);
	free(l->indexes);
	free(l->encoding);
	free(l);
}

/* ---- statements ---- */

static void options(struct str *sql, const struct copy_list *l, const struct copy_table *t, bool freeze)
{
	str_add(sql, t->binary ? " (FORMAT binary" : " (FORMAT text");
	if (!t->binary) {
		str_add(sql, ", ENCODING ");
		sql_literal(sql, l->encoding);
	}
	str_add(sql, freeze ? ", FREEZE)" : ")");
}

void list_copy_out(struct str *sql, const struct copy_list *l, const struct copy_table *t, int64_t from, int64_t to)
{
	if (!t->where && to <= from) {
		str_addf(sql, "COPY %s%s%s%s TO STDOUT", t->from, *t->columns ? " (" : "", t->columns, *t->columns ? ")" : "");
	} else {
		str_addf(sql, "COPY (SELECT %s FROM ONLY %s", t->columns, t->from);
		if (t->where)
			str_addf(sql, " %s", t->where);
		else
			str_addf(sql, " WHERE ctid >= '(%lld,0)'", (long long)from);
		if (!t->where && to != LIST_TO_END)
			str_addf(sql, " AND ctid < '(%lld,0)'", (long long)to);
		str_add(sql, ") TO STDOUT");
	}
	options(sql, l, t, false);
}

void list_copy_in(struct str *sql, const struct copy_list *l, const struct copy_table *t, bool freeze)
{
	str_addf(sql, "COPY %s%s%s%s FROM STDIN", t->into, *t->columns ? " (" : "", t->columns, *t->columns ? ")" : "");
	options(sql, l, t, freeze);
}
