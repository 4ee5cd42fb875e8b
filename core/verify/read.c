#include "verify/read.h"

#include <stdlib.h>
#include <string.h>

#include "verify/expr.h"

#define SEQS_PER_STATEMENT 100 /* one UNION ALL of thousands runs into the server's stack depth */

/* An index may be damaged where the heap is not, or hide what the heap lost: the heap is what is proven. */
static const char pins[] =
	"SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC';"
	"SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C'; SET LOCAL search_path = pg_catalog;"
	"SET LOCAL row_security = off; SET LOCAL max_parallel_workers_per_gather = 0;"
	"SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off;"
	"SET LOCAL enable_seqscan = on; SET LOCAL enable_tidscan = on;";

enum err_code read_begin(struct session *s, const char *snapshot, bool old_floats, struct err *err)
{
	struct str sql = {0};

	str_add(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;");
	if (snapshot) {
		str_add(&sql, "SET TRANSACTION SNAPSHOT ");
		sql_literal(&sql, snapshot);
		str_add(&sql, ";SET LOCAL lock_timeout = '10s';"); /* who waits for the locks of the copy keeps us out as long as it lasts */
	}
	str_add(&sql, pins);
	str_addf(&sql, "SET LOCAL extra_float_digits = %d;", old_floats ? 0 : 1);
	if (session_version(s) >= 110000)
		str_add(&sql, "SET LOCAL jit = off;");
	enum err_code rc = session_run(s, str_text(&sql), err);
	str_fini(&sql);
	if (rc == ERR_SQL && snapshot) {
		err_prefix(err, "cannot read in snapshot %s", snapshot);
		err_hint(err, "the session that exported it must stay in its transaction; start again with a new snapshot");
	}
	return rc;
}

enum err_code read_probe(struct session *s, struct err *err)
{
	char *value;

	if (session_version(s) < 110000)
		return ERR_OK;
	enum err_code rc = session_value(s, EXPR_PROBE, &value, err);
	if (rc != ERR_OK)
		return rc;
	if (!str_eq(value, EXPR_PROBE_VALUE)) {
		err_set(err, ERR_SQL, "the hash functions of this server give other values than elsewhere (a big-endian machine?)");
		rc = err_hint(err, "checksums cannot be compared: use verify = count");
	}
	free(value);
	return rc;
}

/* {"a","b"}: an array of text as a parameter. */
static void array_add(struct str *out, const char *text)
{
	str_add(out, out->len ? ",\"" : "{\"");
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			str_addc(out, '\\');
		str_addc(out, *p);
	}
	str_addc(out, '"');
}

enum err_code read_sizes(struct session *s, const struct verify_set *v, struct read_size *sizes, struct err *err)
{
	struct str schemas = {0}, names = {0};
	PGresult *r;

	if (v->n_tables == 0)
		return ERR_OK;
	for (size_t i = 0; i < v->n_tables; i++) {
		array_add(&schemas, v->tables[i].schema);
		array_add(&names, v->tables[i].name);
	}
	str_addc(&schemas, '}');
	str_addc(&names, '}');
	const char *params[] = {str_text(&schemas), str_text(&names)};
	enum err_code rc = session_exec(s,
		"SELECT c.oid IS NOT NULL, coalesce(pg_relation_size(c.oid), 0), current_setting('block_size')::int8, coalesce(pg_relation_filenode(c.oid), 0) "
		"FROM unnest($1::text[], $2::text[]) WITH ORDINALITY u (schema, name, i) "
		"LEFT JOIN pg_namespace n ON n.nspname = u.schema::name "
		"LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = u.name::name ORDER BY u.i",
		2, params, 0, &r, err);
	str_fini(&schemas);
	str_fini(&names);
	if (rc != ERR_OK)
		return rc;
	for (int i = 0; i < PQntuples(r) && (size_t)i < v->n_tables; i++) {
		int64_t block = cell_i64(r, i, 2);
		sizes[i] = (struct read_size){.exists = cell_bool(r, i, 0), .block_bytes = block, .filenode = cell_i64(r, i, 3),
					      .blocks = cell_i64(r, i, 1) / (block > 0 ? block : 8192)};
	}
	PQclear(r);
	return ERR_OK;
}

void read_rows_of(struct str *sql, const struct verify_table *t)
{
	str_add(sql, t->where ? "(SELECT * FROM " : "");
	str_add(sql, t->whole ? "" : "ONLY ");
	sql_qualified(sql, t->schema, t->name);
	if (t->where)
		str_addf(sql, " %s)", t->where);
	str_add(sql, " t");
}

void read_table_sql(struct str *sql, const struct verify_table *t, size_t number, int64_t from, int64_t to)
{
	str_addf(sql, "SELECT %zu, count(*), %s%s%s", number, t->expr ? "coalesce(sum(" : "NULL::numeric",
		 t->expr ? t->expr : "", t->expr ? "), 0)" : "");
	if (to > from) {
		struct str name = {0};
		sql_qualified(&name, t->schema, t->name);
		str_add(sql, ", pg_relation_filenode(");
		sql_literal(sql, str_text(&name));
		str_add(sql, "::regclass)");
		str_fini(&name);
	}
	str_add(sql, " FROM ");
	read_rows_of(sql, t);
	if (to <= from)
		return;
	str_addf(sql, " WHERE t.ctid >= '(%lld,0)'::tid", (long long)from);
	if (to != READ_TO_END)
		str_addf(sql, " AND t.ctid < '(%lld,0)'::tid", (long long)to);
}

static bool schema_wanted(const struct verify_set *v, const char *schema)
{
	if (v->schemas.n && !strv_has(&v->schemas, schema))
		return false;
	return !strv_has(&v->exclude_schemas, schema);
}

/* pg_sequence_last_value is fast for thousands, but says NULL for "never called": those are read one by one, in a few statements. */
static enum err_code read_never_called(struct session *s, struct verify_seq **seqs, size_t n, enum side side, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t first = 0; first < n && rc == ERR_OK; first += SEQS_PER_STATEMENT) {
		struct str sql = {0};
		PGresult *r;
		for (size_t i = first; i < n && i < first + SEQS_PER_STATEMENT; i++) {
			str_addf(&sql, "%sSELECT %zu, concat(last_value, ',', is_called) FROM ", i > first ? " UNION ALL " : "", i);
			sql_qualified(&sql, seqs[i]->schema, seqs[i]->name);
		}
		rc = session_exec(s, str_text(&sql), 0, NULL, 0, &r, err);
		str_fini(&sql);
		if (rc != ERR_OK)
			break;
		for (int row = 0; row < PQntuples(r); row++) {
			size_t i = (size_t)cell_i64(r, row, 0);
			if (i < n)
				xreplace(&seqs[i]->value[side], cell(r, row, 1));
		}
		PQclear(r);
	}
	return rc;
}

static void seq_list_free(struct verify_seq *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].schema);
		free(list[i].name);
		free(list[i].id);
		free(list[i].value[0]);
		free(list[i].value[1]);
	}
	free(list);
}

enum err_code read_sequences(struct session *s, const struct verify_set *v, enum side side, struct verify_seq **out,
			     size_t *n, struct err *err)
{
	PGresult *r;

	*out = NULL;
	*n = 0;
	const char *params[] = {side == SIDE_SOURCE && v->left_out ? v->left_out : "{}"};
	enum err_code rc = session_exec(s,
		"SELECT n.nspname, c.relname, s.seqincrement, a.can, CASE WHEN a.can THEN pg_sequence_last_value(c.oid) END "
		"FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace, "
		"LATERAL (SELECT has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT') AS can) a "
		"WHERE c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' "
		"AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid "
		"AND (d.deptype = 'e' OR (d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1::oid[])))) "
		"ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"",
		1, params, 0, &r, err);
	if (rc != ERR_OK)
		return rc;
	size_t rows = (size_t)PQntuples(r), n_never = 0, k = 0;
	struct verify_seq *list = xcalloc(rows + 1, sizeof *list);
	struct verify_seq **never = xcalloc(rows + 1, sizeof *never);
	for (int i = 0; (size_t)i < rows; i++) {
		if (!schema_wanted(v, cell(r, i, 0)))
			continue;
		struct verify_seq *q = &list[k++];
		q->schema = cell_dup(r, i, 0);
		q->name = cell_dup(r, i, 1);
		q->id = xasprintf("%s.%s", q->schema, q->name);
		q->increment = cell_i64(r, i, 2);
		q->known[side] = true;
		if (!PQgetisnull(r, i, 4))
			q->value[side] = xasprintf("%s,t", cell(r, i, 4));
		else if (cell_bool(r, i, 3))
			never[n_never++] = q;
	}
	PQclear(r);
	rc = read_never_called(s, never, n_never, side, err);
	free(never);
	if (rc != ERR_OK) {
		seq_list_free(list, k);
		return rc;
	}
	*out = list;
	*n = k;
	return ERR_OK;
}

static int seq_order(const struct verify_seq *a, const struct verify_seq *b)
{
	int c = strcmp(a->schema, b->schema);

	return c ? c : strcmp(a->name, b->name);
}

/* Moves what b knows of its side into a, the same sequence. */
static void seq_join(struct verify_seq *a, struct verify_seq *b, enum side side)
{
	a->known[side] = true;
	free(a->value[side]);
	a->value[side] = b->value[side];
	if (side == SIDE_SOURCE)
		a->increment = b->increment;
	free(b->schema);
	free(b->name);
	free(b->id);
}

void read_merge_sequences(struct verify_set *v, enum side side, struct verify_seq *list, size_t n)
{
	(void)pthread_mutex_lock(&v->lock);
	struct verify_seq *all = xcalloc(v->n_seqs + n + 1, sizeof *all);
	size_t i = 0, j = 0, k = 0;
	while (i < v->n_seqs || j < n) {
		int c = i == v->n_seqs ? 1 : j == n ? -1 : seq_order(&v->seqs[i], &list[j]);
		all[k++] = c <= 0 ? v->seqs[i++] : list[j++];
		if (c == 0)
			seq_join(&all[k - 1], &list[j++], side);
	}
	free(v->seqs);
	free(list);
	v->seqs = all;
	v->n_seqs = k;
	(void)pthread_mutex_unlock(&v->lock);
}

enum err_code verify_reread_sequences(struct verify_set *v, struct session *source, struct err *err)
{
	struct verify_seq *list;
	size_t n, j = 0;
	enum err_code rc = read_sequences(source, v, SIDE_SOURCE, &list, &n, err);

	if (rc != ERR_OK)
		return rc;
	for (size_t i = 0; i < v->n_seqs; i++) {
		while (j < n && seq_order(&list[j], &v->seqs[i]) < 0)
			j++;
		if (j < n && seq_order(&list[j], &v->seqs[i]) == 0)
			xreplace(&v->seqs[i].later, list[j].value[SIDE_SOURCE]);
	}
	seq_list_free(list, n);
	return ERR_OK;
}

enum err_code read_large_objects(struct session *s, const struct verify_set *v, int64_t *count, char **sum, struct err *err)
{
	/*
	 * Pages that were never written are not stored, and a page may be shorter than it could be: a copy has zeros there.
	 * So pages are filled up, those of zeros only do not count, and the size is hashed with the object.
	 */
	static const char frame[] =
		"WITH p AS (SELECT current_setting('block_size')::int / 4 AS size, "
		"decode(repeat('00', current_setting('block_size')::int / 4), 'hex') AS zeros), "
		"o AS (SELECT l.loid, max(l.pageno::int8 * p.size + octet_length(l.data)) AS bytes, "
		"sum(CASE WHEN f.page <> p.zeros THEN %s ELSE 0 END) AS pages FROM pg_largeobject l, p, "
		"LATERAL (SELECT l.data || substring(p.zeros FROM 1 FOR p.size - octet_length(l.data)) AS page) f GROUP BY l.loid) "
		"SELECT count(*), coalesce(sum(coalesce(o.pages, 0) + %s), 0) "
		"FROM pg_largeobject_metadata m LEFT JOIN o ON o.loid = m.oid";
	static const char page_hash[] = "hash_array_extended(ARRAY[f.page], hashoidextended(l.loid, l.pageno))";
	static const char object_hash[] = "hashint8extended(coalesce(o.bytes, 0), hashoidextended(m.oid, -1))";
	static const char page_md5[] =
		"('x' || substr(md5(concat(l.loid, '/', l.pageno, '/', encode(f.page, 'hex'))), 1, 16))::bit(64)::int8";
	static const char object_md5[] =
		"('x' || substr(md5(concat(m.oid, '/', coalesce(o.bytes, 0))), 1, 16))::bit(64)::int8";
	PGresult *r;

	char *sql = v->mode == VERIFY_COUNT ? xstrdup("SELECT count(*), NULL FROM pg_largeobject_metadata")
					    : xasprintf(frame, v->md5 ? page_md5 : page_hash, v->md5 ? object_md5 : object_hash);
	enum err_code rc = session_exec(s, sql, 0, NULL, 0, &r, err);
	free(sql);
	if (rc != ERR_OK) {
		if (str_eq(err->sqlstate, "42501"))
			err_hint(err, "only a superuser, or a role with SELECT on pg_largeobject, reads the content of all large objects");
		return rc;
	}
	*count = cell_i64(r, 0, 0);
	*sum = cell_dup(r, 0, 1);
	PQclear(r);
	return ERR_OK;
}
