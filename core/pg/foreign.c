#include "pg/foreign.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pg/facts_in.h"
#include "pg/session.h"

#define NAMES_SHOWN 12

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum err_code foreign_read(struct facts *f, struct session *s, struct err *err)
{
	static const char sql[] =
		"SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
		" AND c.relpersistence <> 't' AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
		" AND d.objid = c.oid AND d.deptype = 'e')";
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "names of tables, views and sequences", sql, 0, NULL, &r, err);

	f->relations_unread = !r;
	if (!r)
		return rc;
	for (int i = 0; i < PQntuples(r); i++) {
		struct str name = {0};
		sql_qualified(&name, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1));
		strv_take(&f->relations, str_take(&name));
	}
	PQclear(r);
	if (f->relations.n > 0) /* here, not there: the two servers may sort differently */
		qsort(f->relations.v, f->relations.n, sizeof *f->relations.v, by_name);
	return ERR_OK;
}

void foreign_names(const struct facts *src, const struct facts *dst, struct strv *out)
{
	if (!src || !dst)
		return;
	if (dst->relations_unread)
		strv_add(out, "what could not be listed");
	for (size_t i = 0, k = 0; i < dst->relations.n; i++) {
		while (k < src->relations.n && strcmp(src->relations.v[k], dst->relations.v[i]) < 0)
			k++;
		if (k == src->relations.n || strcmp(src->relations.v[k], dst->relations.v[i]) != 0)
			strv_add(out, dst->relations.v[i]);
	}
}

void foreign_list(const struct strv *names, struct str *out)
{
	for (size_t i = 0; i < names->n && i < NAMES_SHOWN; i++)
		str_addf(out, "%s%s", i ? ", " : "", names->v[i]);
	if (names->n > NAMES_SHOWN)
		str_addf(out, " and %zu more", names->n - NAMES_SHOWN);
}
