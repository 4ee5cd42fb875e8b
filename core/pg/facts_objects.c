/* Counts, and objects that have to be named because something is special about them. */
#include <stdlib.h>
#include <string.h>

#include "pg/facts_in.h"

#define USER_SCHEMA "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
#define QUALIFIED "quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
#define NOT_OF_EXTENSION(class, oid) \
	"NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = '" class "'::regclass AND d.objid = " oid " AND d.deptype = 'e')"

static enum err_code read_counts(struct facts *f, struct session *s, struct err *err)
{
	static const char sql[] =
		"SELECT"
		" (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " USER_SCHEMA " AND c.relkind <> 'i'"
		"   AND c.relkind <> 'I' AND c.relpersistence <> 't' AND " NOT_OF_EXTENSION("pg_class", "c.oid") ")"
		" + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE " USER_SCHEMA " AND " NOT_OF_EXTENSION("pg_proc", "p.oid") ")"
		" + (SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE " USER_SCHEMA
		"   AND t.typtype IN ('e', 'd', 'r') AND " NOT_OF_EXTENSION("pg_type", "t.oid") ")"
		" + (SELECT count(*) FROM pg_namespace n WHERE " USER_SCHEMA " AND n.nspname <> 'public' AND " NOT_OF_EXTENSION("pg_namespace", "n.oid") ")"
		" + (SELECT count(*) FROM pg_largeobject_metadata),"
		" (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " USER_SCHEMA " AND c.relkind = 'S'),"
		" (SELECT count(*) FROM pg_largeobject_metadata),"
		" (SELECT count(*) FROM pg_class WHERE relkind = 'f'),"
		" (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " USER_SCHEMA " AND c.relkind = 'i'),"
		" pg_table_size('pg_largeobject'),"
		" (SELECT " QUALIFIED " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " USER_SCHEMA
		"   AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.relpersistence <> 't' AND " NOT_OF_EXTENSION("pg_class", "c.oid")
		"   ORDER BY c.relkind <> 'r', c.oid LIMIT 1)";
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "number of objects", sql, 0, NULL, &r, err);

	if (!r)
		return rc;
	f->n_user_objects = cell_i64(r, 0, 0);
	f->n_sequences = cell_i64(r, 0, 1);
	f->n_large_objects = cell_i64(r, 0, 2);
	f->n_foreign = cell_i64(r, 0, 3);
	f->n_indexes = cell_i64(r, 0, 4);
	f->large_object_bytes = f->n_large_objects ? cell_i64(r, 0, 5) : 0;
	f->sample_object = cell_dup(r, 0, 6);
	PQclear(r);
	return ERR_OK;
}

/* One kind of special object: its query gives name, detail, bytes. */
struct special {
	const char *kind;
	int from, below; /* server versions it exists in; 0: no limit */
	const char *sql;
};

static const struct special specials[] = {
	{"foreign table", 0, 0, "SELECT " QUALIFIED ", s.srvname, 0 FROM pg_foreign_table ft JOIN pg_class c ON c.oid = ft.ftrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_foreign_server s ON s.oid = ft.ftserver"},
	{"invalid index", 0, 0, "SELECT " QUALIFIED ", i.indrelid::regclass::text, 0 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND c.relkind = 'i' AND " USER_SCHEMA},
	{"not valid constraint", 0, 0, "SELECT quote_ident(k.conname) || ' on ' || k.conrelid::regclass::text, pg_get_constraintdef(k.oid), 0"
		" FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE NOT k.convalidated AND k.conrelid <> 0 AND " USER_SCHEMA},
	{"unlogged table", 0, 0, "SELECT " QUALIFIED ", NULL, 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND " USER_SCHEMA},
	{"event trigger", 0, 0, "SELECT quote_ident(evtname), evtevent, 0 FROM pg_event_trigger WHERE evtenabled <> 'D'"},
	{"publication", 100000, 0, "SELECT quote_ident(pubname), NULL, 0 FROM pg_publication"},
	{"subscription", 100000, 0, "SELECT quote_ident(subname), NULL, 0 FROM pg_subscription"
		" WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"},
	{"prepared transaction", 0, 0, "SELECT quote_literal(gid), 'since ' || prepared::text || ' by ' || owner, 0 FROM pg_prepared_xacts"
		" WHERE database = current_database()"},
	{"tablespace", 0, 0, "SELECT t.spcname, count(*) || ' objects', 0 FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace"
		" WHERE t.spcname NOT IN ('pg_default', 'pg_global') GROUP BY 1"},
	{"untrusted language", 0, 0, "SELECT quote_ident(l.lanname), count(p.oid) || ' functions', 0 FROM pg_language l"
		" LEFT JOIN pg_proc p ON p.prolang = l.oid AND p.oid >= 16384 WHERE NOT l.lanpltrusted AND l.lanname NOT IN ('internal', 'c') GROUP BY 1"},
	{"unreadable sequence", 0, 0, "SELECT " QUALIFIED ", n.nspname, 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND " USER_SCHEMA " AND " NOT_OF_EXTENSION("pg_class", "c.oid")
		" AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT'))"},
	{"unreadable large objects", 0, 0, "SELECT count(*) || ' large object' || CASE count(*) WHEN 1 THEN '' ELSE 's' END, NULL, 0"
		" FROM pg_largeobject_metadata m WHERE NOT pg_has_role(m.lomowner, 'USAGE') AND NOT EXISTS (SELECT 1 FROM aclexplode(m.lomacl) x"
		" WHERE x.privilege_type = 'SELECT' AND CASE x.grantee WHEN 0 THEN true ELSE pg_has_role(x.grantee, 'USAGE') END) HAVING count(*) > 0"},
	{"removed type", 0, 120000, "SELECT " QUALIFIED " || '.' || quote_ident(a.attname), t.typname, 0 FROM pg_attribute a"
		" JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid"
		" WHERE t.typname IN ('abstime', 'reltime', 'tinterval') AND t.typnamespace = 'pg_catalog'::regnamespace AND a.attnum > 0 AND " USER_SCHEMA},
	{"table with oids", 0, 120000, "SELECT " QUALIFIED ", NULL, 0 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE c.relhasoids AND c.relkind = 'r' AND " USER_SCHEMA},
	{"postfix operator", 0, 140000, "SELECT quote_ident(n.nspname) || '.' || o.oprname, NULL, 0 FROM pg_operator o"
		" JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE o.oprkind = 'r' AND " USER_SCHEMA},
	{"collation version", 100000, 0, "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname),"
		" 'recorded ' || c.collversion || ', now ' || pg_collation_actual_version(c.oid), 0 FROM pg_collation c"
		" JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.collversion <> pg_collation_actual_version(c.oid)"
		" AND EXISTS (SELECT 1 FROM pg_depend d WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid)"},
};

static enum err_code read_special(struct facts *f, struct session *s, const struct special *sp, struct err *err)
{
	PGresult *r;

	if ((sp->from && f->version_num < sp->from) || (sp->below && f->version_num >= sp->below))
		return ERR_OK;
	enum err_code rc = facts_ask(f, s, sp->kind, sp->sql, 0, NULL, &r, err);
	if (!r)
		return rc;
	int n = PQntuples(r);
	f->objects = xrealloc(f->objects, (f->n_objects + (size_t)n + 1) * sizeof *f->objects);
	for (int i = 0; i < n; i++)
		f->objects[f->n_objects++] = (struct fact_object){.kind = xstrdup(sp->kind), .name = cell_dup(r, i, 0),
								  .detail = cell_dup(r, i, 1), .bytes = cell_i64(r, i, 2)};
	PQclear(r);
	return ERR_OK;
}

enum err_code facts_read_objects(struct facts *f, struct session *s, struct err *err)
{
	enum err_code rc = read_counts(f, s, err);

	for (size_t i = 0; i < sizeof specials / sizeof *specials && rc == ERR_OK; i++)
		rc = read_special(f, s, &specials[i], err);
	return rc;
}
