/* What logical replication needs or is hindered by. */
#include <stdlib.h>

#include "pg/facts_in.h"

#define USER_SCHEMA "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
#define QUALIFIED "quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
#define QUOTED "'\"' || replace(n.nspname, '\"', '\"\"') || '\".\"' || replace(c.relname, '\"', '\"\"') || '\"'" /* also where it need not be: as we write it ourselves */
/* Ordinary tables that a publication of ours could hold. */
#define PUBLISHABLE                                                                                                      \
	"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND " \
	USER_SCHEMA " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"

struct kind {
	const char *kind;
	bool in_database; /* needs the database itself */
	const char *sql;  /* name, detail, number, and the table's own if there is one */
};

static const struct kind kinds[] = {
	/* the index that could be the identity stands beside it: unique, immediate, whole, of columns that are never null */
	{"no replica identity", true, "SELECT " QUOTED ", (SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
		"  WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL"
		"  AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)"
		"  ORDER BY i.indnatts, x.relname LIMIT 1), 0, c.oid " PUBLISHABLE
		" AND c.relreplident <> 'f' AND pg_get_replica_identity_index(c.oid) IS NULL"},
	{"full without equality", true, "SELECT " QUALIFIED ", string_agg(quote_ident(a.attname) || ' ' || t.typname, ', '), 0, c.oid"
		" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid"
		" WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'f' AND " USER_SCHEMA " AND a.attnum > 0 AND NOT a.attisdropped"
		" AND t.typtype = 'b' AND t.typelem = 0 AND NOT EXISTS (SELECT 1 FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod"
		"  WHERE m.amname IN ('btree', 'hash') AND o.opcdefault AND (o.opcintype = t.oid OR EXISTS (SELECT 1 FROM pg_cast k"
		"  WHERE k.castsource = t.oid AND k.casttarget = o.opcintype AND k.castmethod = 'b' AND k.castcontext = 'i'))) GROUP BY n.nspname, c.relname, c.oid"},
	{"forced row security", true, "SELECT " QUALIFIED ", pg_get_userbyid(c.relowner), 0, c.oid " PUBLISHABLE " AND c.relrowsecurity AND c.relforcerowsecurity"},
	{"foreign owner", true, "SELECT " QUALIFIED ", pg_get_userbyid(c.relowner), 0, c.oid " PUBLISHABLE " AND NOT pg_has_role(c.relowner, 'USAGE')"},
	{"always trigger", true, "SELECT quote_ident(t.tgname) || ' on ' || " QUALIFIED ", NULL, 0, c.oid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal AND " USER_SCHEMA},
	{"key from unlogged", true, "SELECT quote_ident(k.conname) || ' on ' || " QUALIFIED ", k.confrelid::regclass::text, 0, k.confrelid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype = 'f' AND c.relpersistence = 'u'"},
	{"client here", true, "SELECT 'pid ' || pid, usename || coalesce(' ' || nullif(application_name, ''), '') || coalesce(' from ' || host(client_addr), ''), 0 FROM pg_stat_activity"
		" WHERE datname = current_database() AND backend_type = 'client backend' AND application_name NOT LIKE 'pgusher%' ORDER BY pid"},
	{"writing transaction", false, "SELECT 'pid ' || pid, usename || ' in ' || datname || ', ' || state || ', for '"
		" || extract(epoch FROM now() - xact_start)::bigint || ' s', extract(epoch FROM now() - xact_start)::bigint"
		" FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND datname IS NOT NULL ORDER BY xact_start"},
	{"prepared anywhere", false, "SELECT quote_literal(gid), 'in ' || database || ', since ' || prepared::text, 0 FROM pg_prepared_xacts"},
	{"slot", false, "SELECT slot_name, CASE WHEN active THEN 'active' ELSE 'inactive' END,"
		" CASE WHEN pg_is_in_recovery() THEN 0 ELSE (pg_current_wal_lsn() - restart_lsn)::bigint END FROM pg_replication_slots"},
	{"standby", false, "SELECT application_name, sync_state, 0 FROM pg_stat_replication r WHERE NOT EXISTS (SELECT 1 FROM pg_replication_slots s"
		" WHERE s.active_pid = r.pid AND s.slot_type = 'logical')"},
	{"subscription here", true, "SELECT subname, (ARRAY[coalesce(subslotname, '')::text] || subpublications)::text, subenabled::int FROM pg_subscription"
		" WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"},
	{"slot here", true, "SELECT slot_name, NULL, 0 FROM pg_replication_slots WHERE database = current_database()"},
	{"publication here", true, "SELECT pubname, obj_description(oid, 'pg_publication'), 0 FROM pg_publication"},
	/* row filters and column lists came with 15, truncate with 11 */
	{"partly published", true, "SELECT p.pubname, " QUALIFIED " || CASE WHEN to_jsonb(r) ->> 'prqual' IS NULL THEN ' (a list of columns)'"
		"  WHEN to_jsonb(r) ->> 'prattrs' IS NULL THEN ' (a row filter)' ELSE ' (a row filter and a list of columns)' END, 1, c.oid FROM pg_publication_rel r"
		" JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL"},
	{"partly published", true, "SELECT p.pubname, 'no ' || concat_ws(', no ', CASE WHEN NOT pubinsert THEN 'INSERT' END, CASE WHEN NOT pubupdate THEN 'UPDATE' END,"
		" CASE WHEN NOT pubdelete THEN 'DELETE' END, CASE WHEN to_jsonb(p) ->> 'pubtruncate' = 'false' THEN 'TRUNCATE' END), 0 FROM pg_publication p"
		" WHERE NOT (pubinsert AND pubupdate AND pubdelete) OR to_jsonb(p) ->> 'pubtruncate' = 'false'"},
	{"followed", true, "SELECT " QUOTED ", s.subname, 0, c.oid FROM pg_subscription_rel l"
		" JOIN pg_subscription s ON s.oid = l.srsubid JOIN pg_class c ON c.oid = l.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"},
	{"subscription anywhere", false, "SELECT s.subname, d.datname, 0 FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"},
};

/* About tables that are left out: $1, their numbers. */
static const struct kind beside[] = {
	{"key to left out", true, "SELECT quote_ident(k.conname) || ' on ' || " QUALIFIED ", k.confrelid::regclass::text, 0, c.oid FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype = 'f' AND k.confrelid = ANY ($1::oid[]) AND NOT c.oid = ANY ($1::oid[]) AND NOT c.relispartition"},
	/* views of such views, too */
	{"view of left out", true, "WITH RECURSIVE hang(oid) AS (SELECT unnest($1::oid[]) UNION SELECT w.ev_class FROM hang h JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass"
		"  AND d.refobjid = h.oid AND d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite w ON w.oid = d.objid)"
		" SELECT " QUOTED ", NULL, 0 FROM hang h JOIN pg_class c ON c.oid = h.oid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm')"},
	{"sequence of left out", true, "SELECT " QUOTED ", NULL, 0 FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE d.classid = 'pg_class'::regclass AND c.relkind = 'S' AND d.deptype = 'a' AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1::oid[])"},
};

static enum err_code read_kind(struct facts *f, struct session *s, const struct kind *k, const char *param, struct err *err)
{
	const char *params[] = {param};
	PGresult *r;

	if (k->in_database && !f->db_exists)
		return ERR_OK;
	enum err_code rc = facts_ask(f, s, k->kind, k->sql, param ? 1 : 0, params, &r, err);
	if (!r)
		return rc;
	int n = PQntuples(r);
	f->objects = xrealloc(f->objects, (f->n_objects + (size_t)n + 1) * sizeof *f->objects);
	for (int i = 0; i < n; i++)
		f->objects[f->n_objects++] = (struct fact_object){.kind = xstrdup(k->kind), .name = cell_dup(r, i, 0),
								  .detail = cell_dup(r, i, 1), .bytes = cell_i64(r, i, 2), .oid = PQnfields(r) > 3 ? (uint32_t)cell_i64(r, i, 3) : 0};
	PQclear(r);
	return ERR_OK;
}

enum err_code facts_read_replication(struct facts *f, struct session *s, struct err *err)
{
	static const char sql[] =
		"SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'),"
		" (SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%worker'), (SELECT count(*) FROM pg_replication_origin),"
		" coalesce((SELECT pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = 'pg_create_subscription'), false),"
		" has_database_privilege(current_database(), 'CREATE')";
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "replication", sql, 0, NULL, &r, err);

	if (r) {
		f->slots = (int)cell_i64(r, 0, 0);
		f->walsenders = (int)cell_i64(r, 0, 1);
		f->logical_workers = (int)cell_i64(r, 0, 2);
		f->origins = (int)cell_i64(r, 0, 3);
		f->may_subscribe = f->super || cell_bool(r, 0, 4);
		f->db_may_create = cell_bool(r, 0, 5);
	}
	PQclear(r);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rc == ERR_OK; i++)
		rc = read_kind(f, s, &kinds[i], NULL, err);
	return rc;
}

enum err_code facts_read_left_out(struct facts *f, struct session *s, const char *left_out, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < sizeof beside / sizeof *beside && rc == ERR_OK; i++)
		rc = read_kind(f, s, &beside[i], left_out, err);
	return rc;
}

enum err_code facts_read_links(struct facts *f, struct session *s, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rc == ERR_OK; i++)
		if (str_eq(kinds[i].kind, "subscription here") || str_eq(kinds[i].kind, "publication here"))
			rc = read_kind(f, s, &kinds[i], NULL, err);
	return rc;
}

enum err_code facts_read_published(struct facts *f, struct session *s, struct err *err)
{
	static const struct kind published = {"published", true, "SELECT " QUOTED ", p.pubname, 0, c.oid FROM pg_publication_tables p"
		" JOIN pg_namespace n ON n.nspname = p.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename"};

	return read_kind(f, s, &published, NULL, err);
}
