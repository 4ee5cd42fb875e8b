#include "verify/store.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/share.h"

#define FORMAT 1

static json_t *text(const char *s)
{
	json_t *j = s ? json_string(s) : NULL;

	return j ? j : json_null();
}

static json_t *names(const struct strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		(void)json_array_append_new(a, text(v->v[i]));
	return a;
}

static json_t *table_json(const struct verify_table *t)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:o,s:b,s:I,s:o,s:o,s:b}", "where", text(t->where), "schema", text(t->schema), "name", text(t->name),
			 "expr", text(t->expr), "key_expr", text(t->key_expr), "key_text", text(t->key_text), "why_not", text(t->why_not), "bytes", (json_int_t)t->bytes,
			 "changed", (json_int_t)t->changed_at_snapshot, "key", names(&t->key), "known", t->known[SIDE_SOURCE],
			 "rows", (json_int_t)t->rows[SIDE_SOURCE], "sum", text(t->sum[SIDE_SOURCE]),
			 "error", text(t->err[SIDE_SOURCE].code ? t->err[SIDE_SOURCE].msg : NULL), "whole", t->whole);
}

static json_t *seq_json(const struct verify_seq *s)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:I,s:b}", "schema", text(s->schema), "name", text(s->name), "value",
			 text(s->value[SIDE_SOURCE]), "later", text(s->later), "increment", (json_int_t)s->increment,
			 "known", s->known[SIDE_SOURCE]);
}

enum err_code verify_save(const struct verify_set *v, const char *path, struct err *err)
{
	json_t *tables = json_array(), *seqs = json_array();

	for (size_t i = 0; i < v->n_tables; i++)
		(void)json_array_append_new(tables, table_json(&v->tables[i]));
	for (size_t i = 0; i < v->n_seqs; i++)
		(void)json_array_append_new(seqs, seq_json(&v->seqs[i]));
	json_t *j = json_pack("{s:i,s:s,s:o,s:o,s:o,s:b,s:b,s:I,s:o,s:o,s:I,s:I,s:b,s:b,s:o,s:o}", "pgusher_proof", FORMAT, "mode", verify_mode_name(v->mode),
			      "tables", tables, "sequences", seqs, "not_verified", names(&v->not_verified), "large_objects",
			      v->has_large_objects, "lo_known", v->lo_known[SIDE_SOURCE], "lo_count",
			      (json_int_t)v->lo_count[SIDE_SOURCE], "lo_sum", text(v->lo_sum[SIDE_SOURCE]), "lo_error",
			      text(v->lo_err[SIDE_SOURCE].code ? v->lo_err[SIDE_SOURCE].msg : NULL), "lo_bytes",
			      (json_int_t)v->lo_bytes, "bytes", (json_int_t)v->bytes, "md5", v->md5, "old_floats", v->old_floats,
			      "schemas", names(&v->schemas), "exclude_schemas", names(&v->exclude_schemas));
	char *data = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
	json_decref(j);
	if (!data)
		return err_set(err, ERR_IO, "cannot write the proof's figures as JSON");
	enum err_code rc = share_replace(path, data, strlen(data), err);
	free(data);
	return rc;
}

static char *get_text(const json_t *o, const char *key)
{
	return xstrdup(json_string_value(json_object_get(o, key)));
}

static int64_t get_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void load_names(const json_t *a, struct strv *v)
{
	size_t i;
	json_t *o;

	json_array_foreach(a, i, o)
		if (json_string_value(o))
			strv_add(v, json_string_value(o));
}

static void load_table(const json_t *o, struct verify_table *t)
{
	char *error = get_text(o, "error");

	t->schema = get_text(o, "schema");
	t->name = get_text(o, "name");
	t->id = xasprintf("%s.%s", t->schema ? t->schema : "", t->name ? t->name : "");
	t->where = get_text(o, "where");
	t->expr = get_text(o, "expr");
	t->key_expr = get_text(o, "key_expr");
	t->key_text = get_text(o, "key_text");
	t->why_not = get_text(o, "why_not");
	t->whole = json_is_true(json_object_get(o, "whole"));
	t->bytes = get_int(o, "bytes");
	t->changed_at_snapshot = get_int(o, "changed");
	load_names(json_object_get(o, "key"), &t->key);
	t->known[SIDE_SOURCE] = json_is_true(json_object_get(o, "known"));
	t->rows[SIDE_SOURCE] = get_int(o, "rows");
	t->sum[SIDE_SOURCE] = get_text(o, "sum");
	if (error)
		(void)err_set(&t->err[SIDE_SOURCE], ERR_SQL, "%s", error);
	free(error);
}

static void load_seq(const json_t *o, struct verify_seq *s)
{
	s->schema = get_text(o, "schema");
	s->name = get_text(o, "name");
	s->id = xasprintf("%s.%s", s->schema ? s->schema : "", s->name ? s->name : "");
	s->value[SIDE_SOURCE] = get_text(o, "value");
	s->later = get_text(o, "later");
	s->increment = get_int(o, "increment");
	s->known[SIDE_SOURCE] = json_is_true(json_object_get(o, "known"));
}

static bool complete(const struct verify_set *v)
{
	for (size_t i = 0; i < v->n_tables; i++)
		if (!v->tables[i].schema || !v->tables[i].name)
			return false;
	for (size_t i = 0; i < v->n_seqs; i++)
		if (!v->seqs[i].schema || !v->seqs[i].name)
			return false;
	return true;
}

static struct verify_set *from_json(const json_t *j)
{
	struct verify_set *v = verify_new();
	const json_t *tables = json_object_get(j, "tables"), *seqs = json_object_get(j, "sequences");
	const char *mode = json_string_value(json_object_get(j, "mode"));
	char *lo_error = get_text(j, "lo_error");
	size_t i;
	json_t *o;

	if (!mode || !verify_mode_from_name(mode, &v->mode))
		v->mode = VERIFY_COUNT;
	v->tables = xcalloc(json_array_size(tables) + 1, sizeof *v->tables);
	v->seqs = xcalloc(json_array_size(seqs) + 1, sizeof *v->seqs);
	v->md5 = json_is_true(json_object_get(j, "md5"));
	v->old_floats = json_is_true(json_object_get(j, "old_floats"));
	json_array_foreach(tables, i, o) {
		load_table(o, &v->tables[v->n_tables]);
		v->tables[v->n_tables++].old_floats = v->old_floats;
	}
	json_array_foreach(seqs, i, o)
		load_seq(o, &v->seqs[v->n_seqs++]);
	load_names(json_object_get(j, "not_verified"), &v->not_verified);
	load_names(json_object_get(j, "schemas"), &v->schemas);
	load_names(json_object_get(j, "exclude_schemas"), &v->exclude_schemas);
	v->has_large_objects = json_is_true(json_object_get(j, "large_objects"));
	v->lo_count[SIDE_SOURCE] = get_int(j, "lo_count");
	v->lo_sum[SIDE_SOURCE] = get_text(j, "lo_sum");
	v->lo_known[SIDE_SOURCE] = json_is_true(json_object_get(j, "lo_known"));
	v->lo_bytes = get_int(j, "lo_bytes");
	if (lo_error)
		(void)err_set(&v->lo_err[SIDE_SOURCE], ERR_SQL, "%s", lo_error);
	free(lo_error);
	v->bytes = get_int(j, "bytes");
	return v;
}

enum err_code verify_load(struct verify_set **out, const char *path, struct err *err)
{
	json_error_t je;
	json_t *j = json_load_file(path, 0, &je);

	*out = NULL;
	if (!j) {
		err_set(err, ERR_IO, "cannot read the proof's figures from %s: %s", path, je.text);
		return err_hint(err, "without them the copy cannot be compared with the snapshot; pgusher verify compares both sides as they are now");
	}
	struct verify_set *v = get_int(j, "pgusher_proof") == FORMAT ? from_json(j) : NULL;
	json_decref(j);
	if (!v || !complete(v)) {
		verify_free(v);
		return err_set(err, ERR_IO, "%s is not a file of proof figures that this version reads", path);
	}
	*out = v;
	return ERR_OK;
}
