#include "watch/drift.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 6
#define READ_CLOSELY 40  /* of the tables that differ */

/* The tables in question, by side; $1 is publications or subscription. */
static const char *const which[2] = {
	[SIDE_SOURCE] = "EXISTS (SELECT 1 FROM pg_publication_tables p WHERE p.pubname = ANY ($1::text[]) AND p.schemaname = n.nspname AND p.tablename = c.relname)",
	[SIDE_TARGET] = "c.oid IN (SELECT r.srrelid FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE s.subname = $1)",
};

/* Each object of them as (table, kind, name, what it is). $2: without constraints. */
static char *objects_sql(enum side side, int version, const char *tail)
{
	return xasprintf(
		"WITH t AS MATERIALIZED (SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE %s),"
		" a AS (SELECT t.name, a.* FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped),"
		" o(tab, kind, name, def) AS (SELECT name, 'table', '', '' FROM t"
		"  UNION ALL SELECT name, 'column', attname::text, format_type(atttypid, atttypmod)%s FROM a"
		"  UNION ALL SELECT name, 'not null', attname::text, '' FROM a WHERE attnotnull"
		"  UNION ALL SELECT t.name, 'index', x.relname::text, m.amname || CASE WHEN i.indisunique THEN ' unique' ELSE '' END || ' (' || coalesce((SELECT string_agg(coalesce(b.attname, 'expression'), ', ' ORDER BY k.n)"
		"    FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(num, n) LEFT JOIN pg_attribute b ON b.attrelid = i.indrelid AND b.attnum = k.num AND k.num > 0), '') || ')'"
		"    || CASE WHEN i.indpred IS NULL THEN '' ELSE ' where' END || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END"
		"   FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam"
		"  UNION ALL SELECT t.name, CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'check' END, k.conname::text, CASE k.contype WHEN 'f' THEN 'to ' || k.confrelid::regclass::text ELSE '' END"
		"   FROM t JOIN pg_constraint k ON k.conrelid = t.oid WHERE k.contype IN ('f', 'c') AND NOT $2::bool) %s",
		which[side], version >= 120000 ? " || CASE WHEN attgenerated = '' THEN '' ELSE ' generated' END" : "", tail);
}

static enum err_code ask(struct session *s, enum side side, const char *tail, const char *of, bool filling, const char *names, int timeout_ms, PGresult **res,
			 struct err *err)
{
	char *sql = objects_sql(side, session_version(s), tail);
	const char *old = session_version(s) < 120000 ? strstr(sql, " MATERIALIZED") : NULL, *params[] = {of, filling ? "t" : "f", names};

	if (old) /* before 12 it always is */
		memset(sql + (old - sql), ' ', strlen(" MATERIALIZED"));
	enum err_code rc = session_exec(s, sql, names ? 3 : 2, params, timeout_ms, res, err);
	free(sql);
	return rc;
}

/* ---- which tables differ ---- */

struct names { char *buf; size_t size; int n; };

static void __attribute__((format(printf, 2, 3))) add(struct names *l, const char *fmt, ...)
{
	size_t len = strlen(l->buf);
	va_list ap;

	if (l->n++ >= NAMES_SHOWN)
		return;
	if (len > 0 && len + 2 < l->size)
		len += (size_t)snprintf(l->buf + len, l->size - len, ", ");
	va_start(ap, fmt);
	(void)vsnprintf(l->buf + len, l->size - len, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 3))) add_line(struct drift *d, const char *fmt, ...)
{
	size_t len = strlen(d->lines), room = sizeof d->lines - len;
	char line[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (strlen(line) + 2 < room) /* a line is whole, or not there */
		(void)snprintf(d->lines + len, room, "%s%s", len ? "\n" : "", line);
}

static void array_add(struct str *s, const char *name)
{
	str_add(s, s->len ? ",\"" : "{\"");
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			str_addc(s, '\\');
		str_addc(s, *name);
	}
	str_addc(s, '"');
}

/* Both are sorted. What is on one side only is said; what is on both and differs goes into an array. */
static int compare_tables(const PGresult *a, const PGresult *b, struct drift *d, struct names *bad, struct str *differ)
{
	int n = 0;

	for (int i = 0, k = 0; i < PQntuples(a) || k < PQntuples(b);) {
		int c = i >= PQntuples(a) ? 1 : k >= PQntuples(b) ? -1 : strcmp(cell(a, i, 0), cell(b, k, 0));
		const char *name = c <= 0 ? cell(a, i, 0) : cell(b, k, 0);
		if (c != 0) {
			add(bad, "%s (%s)", name, c < 0 ? "only published" : "not published any more");
			add_line(d, "%s: %s", name, c < 0 ? "published, and unknown to the subscription" : "not published any more");
		} else if (!str_eq(cell(a, i, 1), cell(b, k, 1)) && n++ < READ_CLOSELY) {
			array_add(differ, name);
		}
		i += c <= 0;
		k += c >= 0;
	}
	if (n > 0)
		str_addc(differ, '}');
	return n;
}

/* ---- what differs in them ---- */

static int by_object(const PGresult *a, int i, const PGresult *b, int k)
{
	int c = 0;

	if (i >= PQntuples(a) || k >= PQntuples(b))
		return i >= PQntuples(a) ? 1 : -1;
	for (int f = 0; f < 3 && c == 0; f++)
		c = strcmp(cell(a, i, f), cell(b, k, f));
	return c;
}

/* A NOT NULL of the target alone refuses rows; an index or a key that is missing only makes the target another one than the source. */
static bool stops(const char *kind, int c)
{
	return str_eq(kind, "column") || (str_eq(kind, "not null") && c > 0);
}

static void compare_objects(const PGresult *a, const PGresult *b, struct drift *d, struct names *bad, struct names *less)
{
	char last[300] = "";

	for (int i = 0, k = 0; i < PQntuples(a) || k < PQntuples(b);) {
		int c = by_object(a, i, b, k);
		const PGresult *r = c <= 0 ? a : b;
		int at = c <= 0 ? i : k;
		const char *table = cell(r, at, 0), *kind = cell(r, at, 1), *name = cell(r, at, 2);
		bool same = c == 0 && str_eq(cell(a, i, 3), cell(b, k, 3));
		if (!same) {
			char what[200];
			(void)snprintf(what, sizeof what, "%s %s", kind, name);
			if (c == 0)
				add_line(d, "%s: %s is %s on the source, %s on the target", table, what, cell(a, i, 3), cell(b, k, 3));
			else
				add_line(d, "%s: %s%s%s is %s", table, what, *cell(r, at, 3) ? " " : "", cell(r, at, 3), c < 0 ? "not on the target" : "on the target only");
			if (!stops(kind, c))
				add(less, "%s (%s)", table, what);
			else if (!str_eq(last, table))
				add(bad, "%s (columns differ)", table);
			if (stops(kind, c))
				(void)snprintf(last, sizeof last, "%s", table);
		}
		i += c <= 0;
		k += c >= 0;
	}
}

static void and_more(struct names *l)
{
	size_t len = strlen(l->buf);

	if (l->n > NAMES_SHOWN)
		(void)snprintf(l->buf + len, l->size - len, " and %d more", l->n - NAMES_SHOWN);
}

enum err_code drift_look(struct session *src, struct session *dst, const char *publications, const char *subscription, bool filling, int timeout_ms,
			 struct drift *out, struct err *err)
{
	static const char prints[] = "SELECT tab, md5(string_agg(kind || ' ' || name || ' ' || def, ',' ORDER BY kind::text COLLATE \"C\", name::text COLLATE \"C\")) FROM o GROUP BY tab ORDER BY tab COLLATE \"C\"";
	static const char closely[] = "SELECT tab, kind, name, def FROM o WHERE tab = ANY ($3::text[]) ORDER BY tab COLLATE \"C\", kind COLLATE \"C\", name COLLATE \"C\"";
	struct session *const end[2] = {src, dst};
	const char *const of[2] = {publications, subscription};
	PGresult *r[2] = {NULL, NULL}, *o[2] = {NULL, NULL};
	struct str differ = {0};
	enum err_code rc = ERR_OK;

	*out = (struct drift){{0}, {0}, {0}};
	struct names bad = {out->tables, sizeof out->tables, 0}, less = {out->lesser, sizeof out->lesser, 0};
	for (int i = 0; i < 2 && rc == ERR_OK; i++)
		rc = ask(end[i], (enum side)i, prints, of[i], filling, NULL, timeout_ms, &r[i], err);
	int n = rc == ERR_OK ? compare_tables(r[0], r[1], out, &bad, &differ) : 0;
	for (int i = 0; i < 2 && rc == ERR_OK && n > 0; i++)
		rc = ask(end[i], (enum side)i, closely, of[i], filling, str_text(&differ), timeout_ms, &o[i], err);
	if (rc == ERR_OK && n > 0)
		compare_objects(o[0], o[1], out, &bad, &less);
	if (n > READ_CLOSELY)
		add(&bad, "and %d tables that were not looked at closely", n - READ_CLOSELY);
	and_more(&bad);
	and_more(&less);
	for (int i = 0; i < 2; i++) {
		PQclear(r[i]);
		PQclear(o[i]);
	}
	str_fini(&differ);
	return rc;
}
