#include "verify/verify.h"

#include <stdlib.h>
#include <string.h>

#include "pg/choice.h"
#include "verify/expr.h"

static bool schema_wanted(const struct migration *m, const char *schema)
{
	if (m->dump.schemas.n && !strv_has(&m->dump.schemas, schema))
		return false;
	return !strv_has(&m->dump.exclude_schemas, schema);
}

/* The topmost table above this partition that places rows by a hash which is another on every server; NULL: none. */
static const struct fact_table *scattered_by(const struct facts *src, const struct fact_table *f)
{
	const struct fact_table *top = NULL;

	for (f = facts_table(src, f->parent); f; f = facts_table(src, f->parent))
		if (f->scattered)
			top = f;
	return top;
}

static bool table_wanted(const struct migration *m, const struct fact_table *f)
{
	return f->kind == 'r' && f->persistence != 't' && (!f->extension || f->config) && schema_wanted(m, f->schema) && !f->left_out;
}

static void plan_table(struct verify_set *v, const struct fact_table *f, bool unread, struct expr_sides sides)
{
	struct verify_table *t = &v->tables[v->n_tables++];

	*t = (struct verify_table){
		.schema = xstrdup(f->schema), .name = xstrdup(f->name), .id = xasprintf("%s.%s", f->schema, f->name),
		.where = str_empty(f->condition) ? NULL : xstrdup(f->condition), .bytes = f->heap_bytes, .changed_at_snapshot = f->changed, .old_floats = sides.old_floats,
	};
	v->bytes += t->bytes;
	if (v->mode != VERIFY_CHECKSUM)
		return;
	if (unread || (f->n_columns > 0 && !f->columns)) {
		t->why_not = xstrdup("its columns could not be read from the catalogue");
		return;
	}
	strv_copy(&t->key, &f->key);
	t->expr = expr_row(f, sides);
	t->key_expr = expr_key(f, sides);
	t->key_text = expr_key_text(f, sides);
}

/* What its partitions weigh, and how often they changed; they are not read by themselves. */
struct whole { bool any, in_parts; int64_t bytes, changed; };

static struct whole *plan_wholes(const struct migration *m, const struct facts *src)
{
	struct whole *all = xcalloc(src->n_tables + 1, sizeof *all);

	for (size_t i = 0; i < src->n_tables; i++) {
		const struct fact_table *f = &src->tables[i], *top = f->kind == 'r' ? scattered_by(src, f) : NULL;
		if (!top)
			continue;
		struct whole *w = &all[top - src->tables];
		w->any = true;
		w->in_parts |= !table_wanted(m, f) || !schema_wanted(m, top->schema) || top->left_out; /* not all of it is moved */
		w->bytes += f->heap_bytes;
		w->changed += f->changed;
	}
	return all;
}

static void plan_tables(struct verify_set *v, const struct migration *m, const struct facts *src, struct expr_sides sides)
{
	struct whole *wholes = plan_wholes(m, src);

	for (size_t i = 0; i < src->n_tables; i++) {
		struct fact_table f = src->tables[i]; /* only looked at */
		const struct fact_table *top = scattered_by(src, &f);
		bool whole = wholes[i].any && !wholes[i].in_parts;
		if (whole) {
			f.heap_bytes = wholes[i].bytes;
			f.changed = wholes[i].changed;
		} else if (!table_wanted(m, &f) || (top && !wholes[top - src->tables].in_parts)) {
			continue;
		}
		plan_table(v, &f, src->columns_unread, sides);
		v->tables[v->n_tables - 1].whole = whole;
	}
	free(wholes);
}

static int larger_first(const void *a, const void *b)
{
	const struct verify_table *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->id, y->id);
}

/* Objects with rows that no checksum is made of: the report names them. */
static void plan_unverified(struct verify_set *v, const struct migration *m, const struct facts *src)
{
	for (size_t i = 0; i < src->n_tables; i++) {
		const struct fact_table *f = &src->tables[i];
		if (f->kind == 'm' && !f->extension && schema_wanted(m, f->schema))
			strv_addf(&v->not_verified, "materialized view %s.%s: it is computed from tables on each side",
				  f->schema, f->name);
	}
	for (size_t i = 0; i < src->n_objects; i++)
		if (str_eq(src->objects[i].kind, "foreign table"))
			strv_addf(&v->not_verified, "foreign table %s: its rows live on another server", src->objects[i].name);
}

struct verify_set *verify_new(void)
{
	struct verify_set *v = xcalloc(1, sizeof *v);

	(void)pthread_mutex_init(&v->lock, NULL);
	return v;
}

struct verify_set *verify_plan(const struct migration *m, const struct facts *src, const struct facts *dst)
{
	struct expr_sides sides = expr_sides(src->version_num, dst ? dst->version_num : src->version_num); /* a dump only: for a target like the source */
	struct verify_set *v = verify_new();

	v->mode = m->dump.verify;
	v->md5 = sides.md5;
	v->old_floats = sides.old_floats;
	strv_copy(&v->schemas, &m->dump.schemas);
	strv_copy(&v->exclude_schemas, &m->dump.exclude_schemas);
	v->left_out = choice_left_out(src);
	if (v->mode == VERIFY_OFF)
		return v;
	v->tables = xcalloc(src->n_tables + 1, sizeof *v->tables);
	plan_tables(v, m, src, sides);
	qsort(v->tables, v->n_tables, sizeof *v->tables, larger_first);
	/* pg_dump leaves large objects out as soon as schemas are chosen */
	v->has_large_objects = src->n_large_objects > 0 && m->dump.schemas.n == 0 && !m->sub.adopt;
	v->lo_bytes = v->has_large_objects ? src->large_object_bytes : 0;
	v->bytes += v->lo_bytes;
	plan_unverified(v, m, src);
	return v;
}

static void table_fini(struct verify_table *t)
{
	free(t->schema);
	free(t->name);
	free(t->id);
	free(t->where);
	free(t->expr);
	free(t->why_not);
	strv_fini(&t->key);
	free(t->key_expr);
	free(t->key_text);
	free(t->sum[0]);
	free(t->sum[1]);
}

static void seq_fini(struct verify_seq *s)
{
	free(s->schema);
	free(s->name);
	free(s->id);
	free(s->value[0]);
	free(s->value[1]);
	free(s->later);
}

void verify_forget(struct verify_set *v, enum side side)
{
	for (size_t i = 0; i < v->n_tables; i++) {
		struct verify_table *t = &v->tables[i];
		t->known[side] = false;
		t->err[side] = (struct err){0};
		xreplace(&t->sum[side], NULL);
	}
	for (size_t i = 0; i < v->n_seqs; i++) {
		v->seqs[i].known[side] = v->seqs[i].unread[side] = false;
		xreplace(&v->seqs[i].value[side], NULL);
	}
	v->seq_err[side] = v->lo_err[side] = (struct err){0};
	v->lo_known[side] = false;
	xreplace(&v->lo_sum[side], NULL);
}

void verify_free(struct verify_set *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_tables; i++)
		table_fini(&v->tables[i]);
	for (size_t i = 0; i < v->n_seqs; i++)
		seq_fini(&v->seqs[i]);
	free(v->tables);
	free(v->seqs);
	free(v->lo_sum[0]);
	free(v->lo_sum[1]);
	strv_fini(&v->not_verified);
	strv_fini(&v->schemas);
	strv_fini(&v->exclude_schemas);
	free(v->left_out);
	(void)pthread_mutex_destroy(&v->lock);
	free(v);
}

static enum state skipped(char **detail, char *why)
{
	*detail = why;
	return ST_SKIPPED;
}

static enum state failed(char **detail, char *what)
{
	*detail = what;
	return ST_FAILED;
}

static enum state done(char **detail, char *what)
{
	*detail = what;
	return ST_DONE;
}

/* A table, column or schema that is not on the target, or has another type there, is a difference and no accident. */
static bool is_missing(const struct err *e)
{
	static const char *const states[] = {"42P01", "3F000", "42703", "42883", "42804", "42846"};

	for (size_t i = 0; e->code == ERR_SQL && i < sizeof states / sizeof *states; i++)
		if (str_eq(e->sqlstate, states[i]))
			return true;
	return false;
}

enum state verify_table_state(const struct verify_table *t, enum verify_mode mode, char **detail)
{
	char a[48], b[32];

	*detail = NULL;
	for (int side = 0; side < 2; side++) {
		if (t->known[side])
			continue;
		const struct err *e = &t->err[side];
		if (side == SIDE_TARGET && is_missing(e))
			return failed(detail, xasprintf("not the same table on the target: %s", e->msg));
		return skipped(detail, xasprintf("%s not read%s%s", side_name((enum side)side),
						 e->code ? ": " : "", e->code ? e->msg : ""));
	}
	fmt_things(a, sizeof a, t->rows[0], "row");
	fmt_count(b, sizeof b, t->rows[1]);
	if (t->rows[0] != t->rows[1])
		return failed(detail, xasprintf("%s on the source, %s on the target", a, b));
	if (mode == VERIFY_COUNT)
		return done(detail, xasprintf("%s on both sides, content not compared", a));
	if (!t->sum[0] || !t->sum[1])
		return skipped(detail, xasprintf("%s on both sides, content not compared: %s", a,
						 t->why_not ? t->why_not : "no checksum was made"));
	if (!str_eq(t->sum[0], t->sum[1]))
		return failed(detail, xasprintf("%s on both sides, but their content differs", a));
	return done(detail, xasprintf("%s, checksums equal", a));
}

static bool seq_parse(const char *value, int64_t *last)
{
	const char *comma = value ? strchr(value, ',') : NULL;
	char *number = comma ? xstrndup(value, (size_t)(comma - value)) : NULL;
	bool ok = number && str_to_i64(number, INT64_MIN, INT64_MAX, last);

	free(number);
	return ok;
}

/* Is b at or behind a in the direction of the sequence? */
static bool seq_reached(int64_t a, int64_t b, int64_t increment)
{
	return increment >= 0 ? b >= a : b <= a;
}

enum state verify_seq_state(const struct verify_seq *s, char **detail)
{
	int64_t from, to, got;

	*detail = NULL;
	if (!s->known[SIDE_SOURCE])
		return skipped(detail, xstrdup("not on the source, or not read there"));
	if (!s->known[SIDE_TARGET] && s->unread[SIDE_TARGET])
		return skipped(detail, xstrdup("the target's sequences could not be read"));
	if (!s->known[SIDE_TARGET])
		return failed(detail, xstrdup("missing on the target"));
	if (!s->value[0] || !s->value[1])
		return skipped(detail, xasprintf("no right to read it on the %s", s->value[0] ? "target" : "source"));
	if (str_eq(s->value[0], s->value[1]))
		return done(detail, xasprintf("equal: %s", s->value[0]));
	if (s->later && str_eq(s->later, s->value[1]))
		return done(detail, xasprintf("equal to the source after the copy: %s", s->later));
	/* pg_dump reads a sequence when it comes to it: between our first look and our second one */
	if (s->later && seq_parse(s->value[0], &from) && seq_parse(s->later, &to) && seq_parse(s->value[1], &got) &&
	    !str_eq(s->later, s->value[0]) && seq_reached(from, got, s->increment) && seq_reached(got, to, s->increment))
		return done(detail, xasprintf("the source moved from %s to %s during the copy, the target is at %s",
					      s->value[0], s->later, s->value[1]));
	return failed(detail, xasprintf("%s on the source, %s on the target (last value, was it called)",
					s->later ? s->later : s->value[0], s->value[1]));
}

enum state verify_lo_state(const struct verify_set *v, char **detail)
{
	char a[32], b[32];

	*detail = NULL;
	if (!v->has_large_objects)
		return ST_DONE;
	for (int side = 0; side < 2; side++)
		if (!v->lo_known[side])
			return skipped(detail, xasprintf("%s not read%s%s", side_name((enum side)side),
							 v->lo_err[side].code ? ": " : "", v->lo_err[side].msg));
	fmt_count(a, sizeof a, v->lo_count[0]);
	fmt_count(b, sizeof b, v->lo_count[1]);
	if (v->lo_count[0] != v->lo_count[1])
		return failed(detail, xasprintf("%s large objects on the source, %s on the target", a, b));
	if (v->mode == VERIFY_COUNT)
		return done(detail, xasprintf("%s large objects on both sides, content not compared", a));
	if (!v->lo_sum[0] || !v->lo_sum[1])
		return skipped(detail, xasprintf("%s large objects on both sides, content not compared", a));
	if (!str_eq(v->lo_sum[0], v->lo_sum[1]))
		return failed(detail, xasprintf("%s large objects on both sides, but their content differs", a));
	return done(detail, xasprintf("%s large objects, checksums equal", a));
}
