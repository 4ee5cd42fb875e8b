#include "copy/copied.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/share.h"

#define FORMAT 1
#define XIDS_MOST (INT64_C(1) << 30) /* between the two snapshots: half of what age() can tell apart */

static char *path_of(const char *dir)
{
	return xasprintf("%s/copied.jsonl", dir);
}

/* ---- one line ---- */

static json_t *text(const char *s)
{
	json_t *j = s ? json_string(s) : NULL;

	return j ? j : json_null();
}

static json_t *place_json(const struct copied_place *p)
{
	return json_pack("{s:o,s:o,s:I,s:I,s:I}", "system", text(p->system), "timeline", text(p->timeline), "database", (json_int_t)p->database,
			 "xid", (json_int_t)p->xid, "lsn", (json_int_t)p->lsn);
}

static void add_line(struct str *out, json_t *j)
{
	char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	if (line)
		str_addf(out, "%s\n", line);
	free(line);
}

static void add_head(struct str *out, const struct copied *c)
{
	add_line(out, json_pack("{s:i,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I}", "pgusher_copied", FORMAT, "run", text(c->run), "never", text(c->never),
				"source", place_json(&c->at[0]), "target", place_json(&c->at[1]), "before", (json_int_t)c->before_rows,
				"behind", (json_int_t)c->behind_rows, "columns", (json_int_t)c->columns, "tables", (json_int_t)c->of_tables));
}

/* A name that is no UTF-8 is none here: its table is copied again. */
static void add_tables(struct str *out, const struct copied *c, size_t from)
{
	for (size_t i = from; i < c->n; i++) {
		const struct copied_table *t = &c->tables[i];
		add_line(out, json_pack("{s:I,s:s,s:I,s:I,s:I}", "oid", (json_int_t)t->oid, "id", t->id, "rows", (json_int_t)t->rows,
					"bytes", (json_int_t)t->bytes, "xid", (json_int_t)t->xid));
	}
}

static char *get_text(const json_t *o, const char *key)
{
	return xstrdup(json_string_value(json_object_get(o, key)));
}

/* Less than nothing is nothing. */
static int64_t get_int(const json_t *o, const char *key)
{
	int64_t n = json_integer_value(json_object_get(o, key));

	return n < 0 ? 0 : n;
}

static void get_place(const json_t *o, struct copied_place *p)
{
	*p = (struct copied_place){.system = get_text(o, "system"), .timeline = get_text(o, "timeline"), .database = get_int(o, "database"),
				   .xid = get_int(o, "xid"), .lsn = get_int(o, "lsn")};
}

static struct copied *get_head(const json_t *o)
{
	if (get_int(o, "pgusher_copied") != FORMAT)
		return NULL;
	struct copied *c = xcalloc(1, sizeof *c);
	c->run = get_text(o, "run");
	c->never = get_text(o, "never");
	get_place(json_object_get(o, "source"), &c->at[0]);
	get_place(json_object_get(o, "target"), &c->at[1]);
	c->before_rows = json_integer_value(json_object_get(o, "before"));
	c->behind_rows = json_integer_value(json_object_get(o, "behind"));
	c->columns = json_is_integer(json_object_get(o, "columns")) ? get_int(o, "columns") : -1;
	c->of_tables = (size_t)get_int(o, "tables");
	return c;
}

/* False: not such a line. */
static bool get_table(struct copied *c, const json_t *o)
{
	const json_t *oid = json_object_get(o, "oid"), *rows = json_object_get(o, "rows");
	const char *id = json_string_value(json_object_get(o, "id"));

	if (!id || !json_is_integer(oid) || !json_is_integer(rows) || json_integer_value(oid) <= 0 || json_integer_value(oid) > UINT32_MAX ||
	    json_integer_value(rows) < 0)
		return false;
	int64_t bytes = get_int(o, "bytes");
	copied_add(c, (uint32_t)json_integer_value(oid), id, json_integer_value(rows), bytes > INT64_MAX / 1000000 ? 0 : bytes, get_int(o, "xid"));
	return true;
}

/* ---- all of it ---- */

static int by_oid(const void *a, const void *b)
{
	const struct copied_table *x = a, *y = b;

	return x->oid < y->oid ? -1 : x->oid > y->oid;
}

void copied_add(struct copied *c, uint32_t oid, const char *id, int64_t rows, int64_t bytes, int64_t xid)
{
	if ((c->n & (c->n - 1)) == 0)
		c->tables = xrealloc(c->tables, (c->n ? c->n * 2 : 1) * sizeof *c->tables);
	c->tables[c->n++] = (struct copied_table){.oid = oid, .id = xstrdup(id), .rows = rows, .bytes = bytes, .xid = xid};
	c->bytes += bytes;
}

/* A table that stands there twice is one about which nothing is known. */
static void drop_doubles(struct copied *c)
{
	size_t kept = 0;

	if (c->n > 0)
		qsort(c->tables, c->n, sizeof *c->tables, by_oid);
	for (size_t i = 0; i < c->n;) {
		size_t k = i + 1;
		while (k < c->n && c->tables[k].oid == c->tables[i].oid)
			k++;
		if (k == i + 1) {
			c->tables[kept++] = c->tables[i++];
			continue;
		}
		for (; i < k; i++) {
			c->bytes -= c->tables[i].bytes;
			free(c->tables[i].id);
		}
	}
	c->n = kept;
}

struct copied *copied_read(const char *dir)
{
	char *path = path_of(dir), *line = NULL;
	FILE *f = fopen(path, "re");
	struct copied *c = NULL;
	size_t cap = 0;
	ssize_t n;

	free(path);
	if (!f)
		return NULL;
	while ((n = getline(&line, &cap, f)) > 0 && line[n - 1] == '\n') {
		json_t *o = json_loadb(line, (size_t)n, 0, NULL);
		bool good = o && (c ? get_table(c, o) : (c = get_head(o)) != NULL);
		json_decref(o);
		if (!good) /* what follows is not to be relied on */
			break;
	}
	free(line);
	(void)fclose(f);
	if (c)
		drop_doubles(c);
	return c;
}

void copied_place_fini(struct copied_place *p)
{
	free(p->system);
	free(p->timeline);
	*p = (struct copied_place){0};
}

void copied_free(struct copied *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->tables[i].id);
	free(c->tables);
	free(c->run);
	free(c->never);
	for (int i = 0; i < 2; i++)
		copied_place_fini(&c->at[i]);
	free(c);
}

const struct copied_table *copied_find(const struct copied *c, uint32_t oid, const char *id)
{
	const struct copied_table key = {.oid = oid}, *t = c && c->n ? bsearch(&key, c->tables, c->n, sizeof key, by_oid) : NULL;

	return t && str_eq(t->id, id) ? t : NULL; /* tables may have changed their names with each other */
}

/* ---- the file ---- */

enum err_code copied_write(const struct copied *c, const char *dir, struct err *err)
{
	char *path = path_of(dir);
	struct str s = {0};

	add_head(&s, c);
	add_tables(&s, c, 0);
	enum err_code rc = share_replace(path, str_text(&s), s.len, err);
	str_fini(&s);
	free(path);
	return rc;
}

enum err_code copied_append(const struct copied *c, size_t from, const char *dir, struct err *err)
{
	char *path = path_of(dir);
	struct str s = {0};

	add_tables(&s, c, from);
	int fd = share_open(path, O_WRONLY | O_APPEND);
	enum err_code rc = fd < 0 ? err_errno(err, "cannot write %s", path) : share_write(fd, str_text(&s), s.len, path, err);
	if (fd >= 0 && close(fd) < 0 && rc == ERR_OK)
		rc = err_errno(err, "cannot write %s", path);
	str_fini(&s);
	free(path);
	return rc;
}

void copied_remove(const char *dir)
{
	char *path = path_of(dir), *tmp = xasprintf("%s.new", path);

	(void)unlink(path); /* mostly there is none */
	(void)unlink(tmp);
	free(tmp);
	free(path);
}

/* ---- may it be kept? ---- */

static char *other_place(const struct copied_place *a, const struct copied_place *b, const char *side)
{
	if (!a->system || !b->system)
		return xasprintf("whether the %s is still the same server cannot be told: this role may not call pg_control_system()", side);
	if (!str_eq(a->system, b->system))
		return xasprintf("the %s is another server now", side);
	if (!b->timeline) /* not asked yet */
		return NULL;
	if (a->database != b->database)
		return xasprintf("the %s's database was dropped and made anew since", side);
	if (!str_eq(a->timeline, b->timeline))
		return xasprintf("the %s has been restored or failed over since (timeline %s, now %s)", side, a->timeline ? a->timeline : "unknown", b->timeline);
	return NULL;
}

char *copied_why_not(const struct copied *then, const struct copied_place now[2])
{
	if (then->never)
		return xstrdup(then->never);
	char *why = other_place(&then->at[0], &now[0], "source");
	why = why ? why : other_place(&then->at[1], &now[1], "target");
	if (why || !now[0].timeline)
		return why;
	if (now[0].lsn < then->at[0].lsn || now[0].xid < then->at[0].xid)
		return xstrdup("the source stands before the point where it was copied: it was set back since");
	if (now[0].xid - then->at[0].xid >= XIDS_MOST)
		return xstrdup("too many transactions have passed on the source since to tell new rows from old ones");
	return NULL;
}
