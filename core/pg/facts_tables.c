/* Tables with their sizes, columns and keys. */
#include <stdlib.h>
#include <string.h>

#include "pg/facts_in.h"

/* User schemas: not the system's, not other sessions' temporary ones. */
#define USER_SCHEMA "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

/*
 * The main files alone: pg_table_size looks for a dozen files of each table, which at 10,000 tables takes longer than all else together.
 * A size takes a lock that a long ALTER TABLE holds back: then pages as last analysed have to do.
 */
static char *tables_sql(bool exact)
{
	return xasprintf(
		"SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition, row_security_active(c.oid),"
		" EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), c.relispopulated, e.extname,"
		" %s, c.reltuples,"
		" coalesce(pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid), 0),"
		" pg_get_userbyid(c.relowner), has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),"
		" x.oid IS NOT NULL, x.condition, CASE WHEN c.relispartition THEN i.inhparent END,"
		" EXISTS (SELECT 1 FROM pg_partitioned_table p JOIN pg_opclass o ON o.oid = ANY (p.partclass) WHERE p.partrelid = c.oid AND p.partstrat = 'h' AND o.opcname = 'enum_ops')"
		" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'"
		" LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition"
		" LEFT JOIN pg_extension e ON e.oid = d.refobjid"
		" LEFT JOIN (SELECT u.oid, u.condition FROM pg_extension, unnest(extconfig, extcondition) u (oid, condition)) x ON x.oid = c.oid"
		" WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND " USER_SCHEMA
		" ORDER BY 11 DESC, 2, 3",
		exact ? "coalesce(pg_relation_size(c.oid), 0) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)"
		      : "c.relpages::bigint * 8192");
}

static void keep_table(struct facts *f, const PGresult *r, int i)
{
	struct fact_table *t = &f->tables[i];

	*t = (struct fact_table){
		.oid = (uint32_t)cell_i64(r, i, 0), .schema = cell_dup(r, i, 1), .name = cell_dup(r, i, 2), .kind = cell(r, i, 3)[0],
		.persistence = cell(r, i, 4)[0], .is_partition = cell_bool(r, i, 5), .rowsecurity = cell_bool(r, i, 6),
		.has_pk = cell_bool(r, i, 7), .populated = cell_bool(r, i, 8), .extension = cell_dup(r, i, 9), .heap_bytes = cell_i64(r, i, 10),
		.rows = strtod(cell(r, i, 11), NULL), .changed = cell_i64(r, i, 12), .owner = cell_dup(r, i, 13),
		.selectable = cell_bool(r, i, 14), .config = cell_bool(r, i, 15), .condition = cell_dup(r, i, 16),
		.parent = (uint32_t)cell_i64(r, i, 17), .scattered = cell_bool(r, i, 18)};
	f->tables_bytes += t->heap_bytes;
}

static int by_oid(const void *a, const void *b)
{
	const struct fact_table *x = *(struct fact_table *const *)a, *y = *(struct fact_table *const *)b;

	return x->oid < y->oid ? -1 : x->oid > y->oid;
}

static void index_tables(struct facts *f)
{
	f->by_oid = xcalloc(f->n_tables + 1, sizeof(struct fact_table *));
	for (size_t i = 0; i < f->n_tables; i++)
		f->by_oid[i] = &f->tables[i];
	qsort(f->by_oid, f->n_tables, sizeof(struct fact_table *), by_oid);
}

const struct fact_table *facts_table(const struct facts *f, uint32_t oid)
{
	struct fact_table key = {.oid = oid}, *k = &key, **found = NULL;

	if (oid != 0 && f->by_oid)
		found = bsearch(&k, f->by_oid, f->n_tables, sizeof(struct fact_table *), by_oid);
	return found ? *found : NULL;
}

static enum err_code read_schemas(struct facts *f, struct session *s, struct err *err)
{
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "schemas", "SELECT n.nspname FROM pg_namespace n WHERE " USER_SCHEMA " ORDER BY 1", 0, NULL, &r, err);

	for (int i = 0; r && i < PQntuples(r); i++)
		strv_add(&f->schemas, cell(r, i, 0));
	PQclear(r);
	return rc;
}

enum err_code facts_read_tables(struct facts *f, struct session *s, struct err *err)
{
	PGresult *r = NULL;
	enum err_code rc = read_schemas(f, s, err);

	for (int exact = 1; exact >= 0 && !r && rc == ERR_OK; exact--) {
		char *sql = tables_sql(exact);
		rc = facts_ask(f, s, exact ? "exact sizes of tables (a lock is held on one)" : "tables", sql, 0, NULL, &r, err);
		free(sql);
	}
	if (!r)
		return rc;
	f->n_tables = (size_t)PQntuples(r);
	f->tables = xcalloc(f->n_tables + 1, sizeof *f->tables);
	for (int i = 0; i < (int)f->n_tables; i++)
		keep_table(f, r, i);
	index_tables(f);
	PQclear(r);
	return ERR_OK;
}

/* A domain over a domain over int4 is int4 to us. */
#define COLUMNS_SQL                                                                                                             \
	"WITH RECURSIVE base(oid, to_oid) AS ("                                                                                  \
	"  SELECT oid, typbasetype FROM pg_type WHERE typtype = 'd'"                                                             \
	"  UNION ALL SELECT b.oid, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.to_oid AND t.typtype = 'd')"            \
	" SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod),"                                                   \
	"  CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname END, t.typtype, NOT a.attnotnull, %s,"           \
	"  a.attidentity <> '', coalesce(array_position(i.indkey::int2[], a.attnum), -1)"                                        \
	" FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"               \
	" JOIN pg_type t ON t.oid = coalesce((SELECT b.to_oid FROM base b JOIN pg_type x ON x.oid = b.to_oid AND x.typtype <> 'd'" \
	"   WHERE b.oid = a.atttypid), a.atttypid)"                                                                              \
	" LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary"                                                    \
	" WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'"                 \
	" AND " USER_SCHEMA " ORDER BY a.attrelid, a.attnum"

static void keep_columns(struct fact_table *t, const PGresult *r, int from, int n)
{
	struct fact_column *c = xcalloc((size_t)n + 1, sizeof *c);
	const char *key[32] = {NULL};

	for (int i = 0; i < n; i++) {
		int row = from + i, pos = (int)cell_i64(r, row, 8); /* int2vector counts from 0 */
		c[i] = (struct fact_column){.name = cell_dup(r, row, 1), .type = cell_dup(r, row, 2), .base_type = cell_dup(r, row, 3),
					    .kind = cell(r, row, 4)[0], .nullable = cell_bool(r, row, 5), .generated = cell_bool(r, row, 6),
					    .identity = cell_bool(r, row, 7)};
		if (pos >= 0 && pos < 32)
			key[pos] = c[i].name;
	}
	for (int i = 0; i < 32; i++)
		if (key[i])
			strv_add(&t->key, key[i]);
	t->columns = c;
	t->n_columns = n;
}

enum err_code facts_read_columns(struct facts *f, struct session *s, struct err *err)
{
	char *sql = xasprintf(COLUMNS_SQL, f->version_num >= 120000 ? "a.attgenerated <> ''" : "false");
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "columns", sql, 0, NULL, &r, err);

	free(sql);
	f->columns_unread = !r;
	if (!r)
		return rc;
	size_t k = 0;
	for (int i = 0, rows = PQntuples(r); i < rows;) {
		uint32_t oid = (uint32_t)cell_i64(r, i, 0);
		int n = 1;
		while (i + n < rows && (uint32_t)cell_i64(r, i + n, 0) == oid)
			n++;
		while (k < f->n_tables && f->by_oid[k]->oid < oid)
			k++;
		if (k < f->n_tables && f->by_oid[k]->oid == oid)
			keep_columns(f->by_oid[k], r, i, n);
		i += n;
	}
	PQclear(r);
	return ERR_OK;
}
