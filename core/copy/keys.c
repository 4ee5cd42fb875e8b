/* Foreign keys: what makes it possible to check several at once, and which ones can be. */
#include <stdlib.h>

#include "copy/copy_in.h"

#define CHUNK 100 /* keys in one transaction */

struct ranked { size_t entry; int64_t bytes; };

static int by_bytes(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->entry < y->entry ? -1 : 1;
}

void copy_plan_keys(struct copy_job *j)
{
	struct ranked *r = xcalloc(j->post.n - j->first_key + 1, sizeof *r);

	j->not_valid = xcalloc(j->post.n + 1, sizeof *j->not_valid);
	j->keys = xcalloc(j->post.n - j->first_key + 1, sizeof *j->keys);
	for (size_t e = j->first_key; e < j->post.n; e++)
		if (j->post.v[e].kind == POST_FK)
			r[j->n_keys++] = (struct ranked){.entry = e, .bytes = j->post.v[e].bytes};
	qsort(r, j->n_keys, sizeof *r, by_bytes);
	for (size_t i = 0; i < j->n_keys; i++)
		j->keys[i] = r[i].entry;
	free(r);
}

/* ---- made, not validated ---- */

/* Alone a key is checked where it is made: two statements cost more than one. */
static bool wants_two(const struct copy_job *j, const struct post_entry *p)
{
	return j->o.jobs > 1 && j->n_keys > 1 && p->plain && p->constraint && !p->as_is && p->bytes >= COPY_SMALL;
}

static enum err_code make(struct worker *w, const size_t *entries, size_t n, struct err *err)
{
	struct copy_job *j = w->job;
	struct str sql = {0};

	for (size_t i = 0; i < n; i++) {
		const struct post_entry *p = &j->post.v[entries[i]];
		char *one = copy_not_valid(p->sql);
		str_addf(&sql, "%s%s\n", p->sets, one);
		free(one);
	}
	enum err_code rc = copy_run(w, str_text(&sql), err);
	str_fini(&sql);
	for (size_t i = 0; rc == ERR_OK && i < n; i++)
		j->not_valid[entries[i]] = true;
	return rc;
}

/* One that cannot be made like that is made as pg_dump wrote it, and says then what is wrong. */
enum err_code copy_prepare_keys(struct worker *w, struct err *err)
{
	struct copy_job *j = w->job;
	size_t chunk[CHUNK], n = 0;
	enum err_code rc = ERR_OK;

	copy_say(w, "foreign keys", "");
	for (size_t i = 0; i < j->n_keys && rc == ERR_OK; i++) {
		if (wants_two(j, &j->post.v[j->keys[i]]))
			chunk[n++] = j->keys[i];
		if (n == 0 || (n < CHUNK && i + 1 < j->n_keys))
			continue;
		rc = make(w, chunk, n, err);
		for (size_t k = 0; rc == ERR_SQL && n > 1 && k < n; k++) {
			enum err_code one = make(w, &chunk[k], 1, err);
			rc = one == ERR_OK ? ERR_SQL : one;
		}
		rc = rc == ERR_SQL ? ERR_OK : rc;
		n = 0;
	}
	return rc;
}

/* Rows that violate it: it stays NOT VALID, so that new rows are checked, and somebody is told which ones are wrong. */
enum err_code copy_validate_key(struct worker *w, size_t e, struct err *err)
{
	const struct post_entry *p = &w->job->post.v[e];
	struct str sql = {0};

	str_add(&sql, "ALTER TABLE ONLY ");
	sql_qualified(&sql, p->schema, p->table);
	str_add(&sql, " VALIDATE CONSTRAINT ");
	sql_ident(&sql, p->constraint);
	enum err_code rc = copy_run(w, str_text(&sql), err);
	if (rc == ERR_SQL) {
		bool rows = str_eq(err->sqlstate, "23503");
		copy_add_issue(w->job, copy_object_of(p), xstrdup(err->msg), rows ? copy_find_orphans(w, p) : xstrdup(str_text(&sql)),
			       xstrdup(rows ? "the key is there, but NOT VALID: find the rows with the query, correct them, then ALTER TABLE ... VALIDATE CONSTRAINT"
					    : "the key is there, but NOT VALID: validate it by hand"), true);
		rc = ERR_OK;
	}
	str_fini(&sql);
	if (rc == ERR_OK)
		copy_set_done(w->job, e);
	return rc;
}

/* ---- side by side ---- */

static bool same(const char *schema, const char *name, const char *schema2, const char *name2)
{
	return str_eq(schema, schema2) && str_eq(name, name2);
}

/* Two statements of which one would wait for the other's locks. */
static bool collides(const struct copy_job *j, size_t x, size_t y)
{
	const struct post_entry *a = &j->post.v[x], *b = &j->post.v[y];

	if (same(a->schema, a->table, b->schema, b->table))
		return true;
	if (!j->not_valid[y] && same(a->schema, a->table, b->to_schema, b->to_table))
		return true;
	if (!j->not_valid[x] && same(a->to_schema, a->to_table, b->schema, b->table))
		return true;
	return !j->not_valid[x] && !j->not_valid[y] && same(a->to_schema, a->to_table, b->to_schema, b->to_table);
}

bool copy_next_key(struct copy_job *j, struct task *t, bool *over)
{
	size_t running[COPY_MAX_JOBS], n = 0;

	for (int i = 0; i < j->n_threads; i++)
		if (j->doing[i].on && j->doing[i].task.kind == TASK_ENTRY && !j->doing[i].task.group)
			running[n++] = j->doing[i].task.entry;
	while (j->keys_begun < j->n_keys && j->state[j->keys[j->keys_begun]] != ENTRY_WAITS)
		j->keys_begun++;
	for (size_t i = j->keys_begun; i < j->n_keys; i++) {
		size_t e = j->keys[i];
		bool wait = j->state[e] != ENTRY_WAITS;
		for (size_t k = 0; k < n && !wait; k++)
			wait = collides(j, running[k], e);
		if (wait)
			continue;
		j->state[e] = ENTRY_TAKEN;
		*t = (struct task){.kind = TASK_ENTRY, .entry = e};
		return true;
	}
	*over = n == 0;
	return false;
}
