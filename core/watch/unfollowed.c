#include "watch/unfollowed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pg/logical.h"

#define SHOWN 6
#define WORD "not published"

/* A partition is followed when it or a table that it is a part of is: which of them the publication names depends on its options. */
static const char sql[] =
	"WITH RECURSIVE up (oid, leaf) AS ("
	" SELECT c.oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	"  WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
	"   AND ($2 = '{}' OR n.nspname = ANY ($2::text[])) AND NOT n.nspname = ANY ($3::text[])"
	"   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')"
	" UNION ALL SELECT p.oid, up.leaf FROM up JOIN pg_inherits i ON i.inhrelid = up.oid JOIN pg_class p ON p.oid = i.inhparent AND p.relkind = 'p'),"
	" followed AS (SELECT g.relid FROM pg_publication p, LATERAL pg_get_publication_tables(p.pubname) g WHERE p.pubname = ANY ($1::text[]))"
	" SELECT (quote_ident(n.nspname) || '.' || quote_ident(c.relname))::text COLLATE \"C\" AS name, quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" WHERE c.oid IN (SELECT leaf FROM up EXCEPT SELECT up.leaf FROM up JOIN followed f ON f.relid = up.oid) ORDER BY 1";

const char *unfollowed_todo(const char *drift)
{
	return strstr(drift, "(" WORD ")") ?
		"make the new table on the target, too; on the source GRANT USAGE on its schema and SELECT on it to the subscription's role, ALTER PUBLICATION ... ADD TABLE; "
		"then on the target ALTER SUBSCRIPTION ... REFRESH PUBLICATION" :
		"make the same change on the target, the source's wider types and new columns there first";
}

/* Statements for all that is shown. */
static void to_follow(struct str *s, const struct migration *m, const PGresult *r)
{
	struct link l;

	link_forward(&l, m);
	str_add(s, "\nto follow them: make them on the target; source> ");
	for (int i = 0; i < PQntuples(r) && i < SHOWN; i++) {
		str_addf(s, "GRANT USAGE ON SCHEMA %s TO ", cell(r, i, 1));
		sql_ident(s, l.role);
		str_addf(s, "; GRANT SELECT ON %s TO ", cell(r, i, 0));
		sql_ident(s, l.role);
		str_add(s, "; ");
	}
	str_add(s, "ALTER PUBLICATION ");
	sql_ident(s, l.publication);
	str_add(s, " ADD TABLE ");
	for (int i = 0; i < PQntuples(r) && i < SHOWN; i++)
		str_addf(s, "%s%s", i ? ", " : "", cell(r, i, 0));
	str_add(s, "; target> ALTER SUBSCRIPTION ");
	sql_ident(s, l.subscription);
	str_add(s, " REFRESH PUBLICATION;");
}

static void put_before(char *text, size_t size, const struct str *first, const char *between)
{
	char *whole = xasprintf("%s%s%s", str_text(first), *text ? between : "", text);

	(void)snprintf(text, size, "%s", whole);
	free(whole);
}

static enum err_code ask(struct session *s, const struct migration *m, const char *publications, int timeout_ms, PGresult **res, struct err *err)
{
	*res = NULL;
	if (m->sub.adopt || (m->sub.tables.n > 0 && m->sub.schemas.n == 0)) /* a list by name: what is new was not chosen */
		return ERR_OK;
	char *in = sql_array(m->sub.schemas.n ? &m->sub.schemas : &m->dump.schemas), *not_in = sql_array(&m->dump.exclude_schemas);
	const char *params[] = {publications, in, not_in};
	enum err_code rc = session_exec(s, sql, 3, params, timeout_ms, res, err);
	free(in);
	free(not_in);
	return rc;
}

enum err_code unfollowed_none(struct session *s, const struct migration *m, const struct link *l, int timeout_ms, struct err *err)
{
	char *publications = link_publications_array(m, l);
	PGresult *res;
	enum err_code rc = ask(s, m, publications, timeout_ms, &res, err);
	int n = rc == ERR_OK && res ? PQntuples(res) : 0;

	free(publications);
	if (n > 0) {
		struct str names = {0};
		for (int i = 0; i < n && i < SHOWN; i++)
			str_addf(&names, "%s%s", i ? ", " : "", cell(res, i, 0));
		err_set(err, ERR_BLOCKED, "on the %s there is a table that the %s does not follow: %s%s", side_name(l->from), side_name(l->to), str_text(&names), n > SHOWN ? ", and more" : "");
		rc = err_hint(err, "it was made after the conditions were looked at; start again, and they say what to do about it");
		str_fini(&names);
	}
	PQclear(res);
	return rc;
}

enum err_code unfollowed_look(struct session *src, const struct migration *m, const char *publications, int timeout_ms, struct drift *d, struct err *err)
{
	struct str names = {0}, lines = {0};
	PGresult *res;
	enum err_code rc = ask(src, m, publications, timeout_ms, &res, err);
	if (rc != ERR_OK || !res)
		return rc;
	for (int i = 0; i < PQntuples(res) && i < SHOWN; i++) {
		str_addf(&names, "%s%s (" WORD ")", i ? ", " : "", cell(res, i, 0));
		str_addf(&lines, "%s%s: on the source, and not published: what is written to it does not travel", i ? "\n" : "", cell(res, i, 0));
	}
	if (PQntuples(res) > SHOWN)
		str_addf(&names, " and %d more", PQntuples(res) - SHOWN);
	if (names.len > 0) {
		to_follow(&lines, m, res);
		put_before(d->tables, sizeof d->tables, &names, ", ");
		put_before(d->lines, sizeof d->lines, &lines, "\n");
	}
	PQclear(res);
	str_fini(&names);
	str_fini(&lines);
	return rc;
}
