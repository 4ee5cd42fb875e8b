#include "watch/drift.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/objects.h"

#define NAMES_SHOWN 6

/* The tables in question, where they are published and where they are subscribed to; $4 is publications or subscription. */
static const char published[] =
		"c.oid IN (SELECT x.oid FROM pg_publication_tables p JOIN pg_namespace m ON m.nspname = p.schemaname JOIN pg_class x ON x.relnamespace = m.oid AND x.relname = p.tablename"
			" WHERE p.pubname = ANY ($4::text[]))";
static const char subscribed[] =
		"c.oid IN (SELECT r.srrelid FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE s.subname = $4)";

/* ---- words ---- */

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

static void and_more(struct names *l)
{
	size_t len = strlen(l->buf);

	if (l->n > NAMES_SHOWN)
		(void)snprintf(l->buf + len, l->size - len, " and %d more", l->n - NAMES_SHOWN);
}

/* ---- what it means ---- */

static bool has_line(const char *def, const char *line)
{
	const char *p = def ? strstr(def, line) : NULL;

	return p && p > def && p[-1] == '\n' && (p[strlen(line)] == '\n' || !p[strlen(line)]);
}

/* Another type, or a column of one side only. A NOT NULL of the subscription's side alone refuses rows; all else only makes one side another than the other. */
static bool stops(const struct object_diff *d, enum side from)
{
	const char *a = d->def[from], *b = d->def[from == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE];

	if (d->kind != OBJ_COLUMN)
		return false;
	size_t len = a ? strcspn(a, "\n") : 0;
	return !a || !b || len != strcspn(b, "\n") || strncmp(a, b, len) != 0 || (has_line(b, "not null") && !has_line(a, "not null"));
}

static void say(struct drift *out, const struct object_diff *d, const char *table, const char *own)
{
	const char *a = d->def[SIDE_SOURCE], *b = d->def[SIDE_TARGET], *word = object_word(d->kind);
	char *first = object_line(a ? a : b, a && b ? b : NULL), *second = a && b ? object_line(b, a) : NULL;
	const char *brief = d->kind == OBJ_INDEX ? strstr(first, " USING ") : NULL;

	if (second)
		add_line(out, "%s: %s %s is %s on the source, %s on the target", table, word, own, first, second);
	else
		add_line(out, "%s: %s %s %s is %s", table, word, own, brief ? brief + strlen(" USING ") : first, a ? "not on the target" : "on the target only");
	free(first);
	free(second);
}

/* What a table of one side only has is of one side only, too. How a table is made otherwise is of no matter to its rows. */
static void judge(struct drift *out, const struct objects *o, enum side from, struct names *bad, struct names *less)
{
	struct strv alone = {0};
	char last[300] = "";

	for (size_t i = 0; i < o->n_diffs; i++) {
		const struct object_diff *d = &o->diffs[i];
		const char *own = d->name;
		char *table = d->kind == OBJ_TABLE ? xstrdup(d->name) : object_parent(d->name, &own);
		bool one_side = d->kind == OBJ_TABLE && (!d->def[0] || !d->def[1]);
		if (one_side) {
			add(bad, "%s (%s)", table, d->def[from] ? "only published" : "not published any more");
			add_line(out, "%s: %s", table, d->def[from] ? "published, and unknown to the subscription" : "not published any more");
			strv_add(&alone, table);
		} else if (d->kind != OBJ_TABLE && !strv_has(&alone, table)) {
			say(out, d, table, own);
			if (!stops(d, from))
				add(less, "%s (%s %s)", table, object_word(d->kind), own);
			else if (!str_eq(last, table))
				add(bad, "%s (columns differ)", table);
			if (stops(d, from))
				(void)snprintf(last, sizeof last, "%s", table);
		}
		free(table);
	}
	strv_fini(&alone);
}

enum err_code drift_look(struct session *src, struct session *dst, enum side from, const char *publications, const char *subscription, bool filling, int timeout_ms,
			 struct drift *out, struct err *err)
{
	static const struct object_scope all = {.schemas = "{}", .without = "{}", .left_out = "{}"};
	struct object_scope scope[2] = {all, all};
	unsigned kinds = 1U << OBJ_TABLE | 1U << OBJ_COLUMN | 1U << OBJ_INDEX | (filling ? 0 : 1U << OBJ_CONSTRAINT);
	struct objects o;

	*out = (struct drift){{0}, {0}, {0}};
	struct names bad = {out->tables, sizeof out->tables, 0}, less = {out->lesser, sizeof out->lesser, 0};
	for (int i = 0; i < 2; i++) {
		scope[i].tables = i == (int)from ? published : subscribed;
		scope[i].of = i == (int)from ? publications : subscription;
	}
	enum err_code rc = objects_compare(src, dst, scope, kinds, OBJECTS_NO_OWNERS, timeout_ms, &o, err);
	if (rc == ERR_OK)
		judge(out, &o, from, &bad, &less);
	if (rc == ERR_OK && o.unread > 0)
		add(&bad, "%zu more objects that were not looked at closely", o.unread);
	and_more(&bad);
	and_more(&less);
	objects_fini(&o);
	return rc;
}
