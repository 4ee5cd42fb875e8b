#include "pg/choice.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pg/logical.h"

/* ---- names ---- */

static bool plain(const char *part)
{
	return *part && strspn(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$") == strlen(part);
}

char *choice_text(const char *schema, const char *name)
{
	const char *parts[] = {schema, name};
	struct str s = {0};

	for (size_t i = 0; i < 2; i++) {
		if (i)
			str_addc(&s, '.');
		if (plain(parts[i]))
			str_add(&s, parts[i]);
		else
			sql_ident(&s, parts[i]);
	}
	return str_take(&s);
}

/* One part, quoted or not; NULL: there is none. */
static char *take_part(const char **at)
{
	struct str s = {0};
	const char *p = *at;

	if (*p == '"') {
		for (p++; *p && !(*p == '"' && p[1] != '"'); p++) {
			p += *p == '"';
			str_addc(&s, *p);
		}
		if (*p++ != '"') {
			str_fini(&s);
			return NULL;
		}
	} else {
		str_addn(&s, p, strcspn(p, ".\""));
		p += s.len;
	}
	*at = p;
	if (s.len == 0) {
		str_fini(&s);
		return NULL;
	}
	return str_take(&s);
}

bool choice_split(const char *text, char **schema, char **name)
{
	const char *p = text;
	char *first = take_part(&p), *second = NULL;

	*schema = *name = NULL;
	if (first && *p == '.') {
		p++;
		second = take_part(&p);
		if (!second)
			p = "?";
	}
	if (!first || *p) {
		free(first);
		free(second);
		return false;
	}
	*schema = second ? first : xstrdup("public");
	*name = second ? second : first;
	return true;
}

void choice_list(struct strv *out, const char *text)
{
	bool quoted = false;
	struct str item = {0};

	for (const char *p = text;; p++) {
		quoted ^= *p == '"';
		if (*p && (quoted || *p != ',')) {
			if (item.len > 0 || (*p != ' ' && *p != '\t'))
				str_addc(&item, *p);
			continue;
		}
		while (item.len > 0 && strchr(" \t", item.data[item.len - 1]))
			item.data[--item.len] = '\0';
		if (item.len > 0)
			strv_add(out, str_text(&item));
		str_clear(&item);
		if (!*p)
			break;
	}
	str_fini(&item);
}

/* ---- marks ---- */

bool choice_made(const struct migration *m)
{
	return m->method == METHOD_SUBSCRIPTION && (m->sub.adopt || m->sub.tables.n > 0 || m->sub.schemas.n > 0);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *key_of(const char *schema, const char *name)
{
	struct str s = {0};

	sql_qualified(&s, schema, name);
	return str_take(&s);
}

static void add_keys(struct strv *keys, const struct facts *f, const char *kind, const char *of)
{
	for (size_t i = 0; f && i < f->n_objects; i++)
		if (str_eq(f->objects[i].kind, kind) && str_eq(f->objects[i].detail, of))
			strv_add(keys, f->objects[i].name);
}

/*
 * What was taken over follows what its subscription has; after the cutover, which drops it, what the reverse link has on the source; and
 * without one, what the publications send.
 */
static void adopted_keys(const struct migration *m, const struct facts *src, const struct facts *dst, struct strv *keys)
{
	struct link back;

	link_back(&back, m);
	add_keys(keys, dst, "followed", m->sub.adopt);
	if (keys->n == 0)
		add_keys(keys, src, "followed", back.subscription);
	for (size_t i = 0; keys->n == 0 && i < m->sub.publications.n; i++)
		add_keys(keys, src, "published", m->sub.publications.v[i]);
}

/* The chosen names as SQL has them, sorted. */
static void wanted_keys(const struct migration *m, const struct facts *src, const struct facts *dst, struct strv *keys)
{
	for (size_t i = 0; i < m->sub.tables.n && !m->sub.adopt; i++) {
		char *schema, *name;
		if (!choice_split(m->sub.tables.v[i], &schema, &name))
			continue;
		strv_take(keys, key_of(schema, name));
		free(schema);
		free(name);
	}
	if (m->sub.adopt)
		adopted_keys(m, src, dst, keys);
	if (keys->n > 1)
		qsort(keys->v, keys->n, sizeof *keys->v, by_text);
}

static bool named(const struct migration *m, const struct strv *keys, const struct fact_table *t)
{
	char *key = key_of(t->schema, t->name);
	bool found = keys->n > 0 && bsearch(&key, keys->v, keys->n, sizeof *keys->v, by_text) != NULL;

	free(key);
	return found || (!m->sub.adopt && strv_has(&m->sub.schemas, t->schema));
}

void choice_mark(const struct migration *m, struct facts *src, const struct facts *dst)
{
	struct strv keys = {0};

	if (!choice_made(m))
		return;
	wanted_keys(m, src, dst, &keys);
	for (size_t i = 0; i < src->n_tables; i++)
		src->tables[i].left_out = src->tables[i].kind != 'm' && !named(m, &keys, &src->tables[i]);
	strv_fini(&keys);
	/* down: what is below a chosen one; a table's line of parents is short */
	bool *chosen = xcalloc(src->n_tables + 1, sizeof *chosen);
	for (size_t i = 0; i < src->n_tables; i++) {
		const struct fact_table *t = &src->tables[i];
		for (; t && !chosen[i]; t = facts_table(src, t->parent))
			chosen[i] = !t->left_out;
	}
	/* up: a chosen one needs its parents to be attached to */
	for (size_t i = 0; i < src->n_tables; i++)
		if (chosen[i])
			for (struct fact_table *t = &src->tables[i]; t; t = (struct fact_table *)facts_table(src, t->parent))
				chosen[t - src->tables] = true;
	for (size_t i = 0; i < src->n_tables; i++)
		src->tables[i].left_out = !chosen[i];
	free(chosen);
}

char *choice_left_out(const struct facts *src)
{
	struct str s = {0};

	str_addc(&s, '{');
	for (size_t i = 0; src && i < src->n_tables; i++)
		if (src->tables[i].left_out)
			str_addf(&s, "%s%u", s.len > 1 ? "," : "", src->tables[i].oid);
	str_addc(&s, '}');
	return str_take(&s);
}

/* ---- unknown names ---- */

static const char *nearest_schema(const struct facts *src, const char *name)
{
	const char *best = NULL;

	for (size_t i = 0; i < src->schemas.n; i++)
		if (!best || str_distance(src->schemas.v[i], name) < str_distance(best, name))
			best = src->schemas.v[i];
	return best;
}

/* By the whole name, or the same one in another schema. */
static char *nearest_table(const struct facts *src, const char *text, const char *name)
{
	char *best = NULL;
	size_t least = 0;

	for (size_t i = 0; i < src->n_tables; i++) {
		if (src->tables[i].kind == 'm')
			continue;
		char *have = choice_text(src->tables[i].schema, src->tables[i].name);
		size_t d = str_distance(have, text), other = str_distance(src->tables[i].name, name ? name : text) + 1;
		d = other < d ? other : d;
		if (best && d >= least) {
			free(have);
			continue;
		}
		free(best);
		best = have;
		least = d;
	}
	return best;
}

static bool has_table(const struct facts *src, const char *schema, const char *name)
{
	for (size_t i = 0; i < src->n_tables; i++)
		if (src->tables[i].kind != 'm' && str_eq(src->tables[i].schema, schema) && str_eq(src->tables[i].name, name))
			return true;
	return false;
}

void choice_unknown(const struct migration *m, const struct facts *src, struct strv *out)
{
	for (size_t i = 0; i < m->sub.schemas.n; i++) {
		const char *near = nearest_schema(src, m->sub.schemas.v[i]);
		if (!strv_has(&src->schemas, m->sub.schemas.v[i]))
			strv_addf(out, near ? "schema %s (did you mean %s?)" : "schema %s", m->sub.schemas.v[i], near);
	}
	for (size_t i = 0; i < m->sub.tables.n; i++) {
		char *schema = NULL, *name = NULL;
		bool good = choice_split(m->sub.tables.v[i], &schema, &name);
		if (!good || !has_table(src, schema, name)) {
			char *full = good ? choice_text(schema, name) : xstrdup(m->sub.tables.v[i]), *near = nearest_table(src, full, name);
			strv_addf(out, near ? "table %s (did you mean %s?)" : "table %s", m->sub.tables.v[i], near);
			free(full);
			free(near);
		}
		free(schema);
		free(name);
	}
}
