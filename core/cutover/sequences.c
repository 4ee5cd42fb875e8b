/*
 * Sequences, which replication does not carry: every one gets the last value and is_called of the side that is closed. Declared in
 * cutover_in.h. pg_sequence_last_value answers for all at once, except for those that were never called; these are asked in groups,
 * many in one message. Values travel as the server wrote them. Behind the fence both sides are read at the same time, and only those are
 * set that changed since the first time, on either side.
 */
#include <stdlib.h>
#include <string.h>

#include "cutover/cutover_in.h"
#include "pg/choice.h"

#define GROUP 20         /* sequences in one statement: planning more together takes longer, as does planning them one by one */
#define READ_CHUNK 500   /* sequences in one message */
#define WRITE_CHUNK 2000 /* rows in one statement */

struct seq { char *name, *value; bool called; };
struct seqs { struct seq *v; size_t n; };

static void seqs_fini(struct seqs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].value);
	}
	free(l->v);
	*l = (struct seqs){0};
}

/* Asked here, answered in take_called: meanwhile the other side may be asked, too. */
static enum err_code ask_called(struct run *r, struct session *s, bool chosen, struct err *err)
{
	static const char sql[] =
		"SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), pg_sequence_last_value(c.oid) FROM pg_class c"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'"
		" AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND (d.deptype = 'e'"
		"  OR (d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($3::oid[]))))"
		" AND (cardinality($1::name[]) = 0 OR n.nspname = ANY ($1)) AND NOT n.nspname = ANY ($2) ORDER BY (quote_ident(n.nspname) || '.' || quote_ident(c.relname)) COLLATE \"C\"";
	char *in = sql_array(&r->m->dump.schemas), *out = sql_array(&r->m->dump.exclude_schemas);
	char *left_out = chosen ? choice_left_out(r->facts[SIDE_SOURCE]) : xstrdup("{}");
	const char *params[] = {in, out, left_out};
	enum err_code rc = session_start(s, sql, 3, params, err);

	free(in);
	free(out);
	free(left_out);
	return rc;
}

static enum err_code take_called(struct session *s, struct seqs *l, struct err *err)
{
	PGresult *res = NULL, *more = NULL;
	enum err_code rc = session_next(s, 0, &res, err);

	if (rc == ERR_OK)
		rc = session_next(s, 0, &more, err);
	PQclear(more);
	if (rc != ERR_OK) {
		PQclear(res);
		return rc;
	}
	l->n = (size_t)PQntuples(res);
	l->v = xcalloc(l->n + 1, sizeof *l->v);
	for (size_t i = 0; i < l->n; i++)
		l->v[i] = (struct seq){.name = cell_dup(res, (int)i, 0), .value = cell_dup(res, (int)i, 1), .called = !PQgetisnull(res, (int)i, 1)};
	PQclear(res);
	return ERR_OK;
}

static void add_to_message(struct str *sql, size_t n, size_t at, const char *name)
{
	str_add(sql, n == 0 ? "" : n % GROUP == 0 ? ";" : " UNION ALL ");
	str_addf(sql, "SELECT %zu, last_value, is_called FROM %s", at, name);
}

/* One message for at most READ_CHUNK of those without a value, from *next on; each answer says whose it is. */
static enum err_code read_some(struct session *from, struct seqs *l, size_t *next, struct err *err)
{
	struct str sql = {0};
	size_t n = 0;

	for (; *next < l->n && n < READ_CHUNK; (*next)++)
		if (!l->v[*next].value)
			add_to_message(&sql, n++, *next, l->v[*next].name);
	enum err_code rc = n ? session_start(from, str_text(&sql), 0, NULL, err) : ERR_OK;
	str_fini(&sql);
	for (PGresult *res = NULL; rc == ERR_OK && n > 0;) {
		rc = session_next(from, 0, &res, err);
		if (rc != ERR_OK || !res)
			break;
		for (int i = 0; i < PQntuples(res); i++) {
			struct seq *q = &l->v[cell_i64(res, i, 0)];
			q->value = cell_dup(res, i, 1);
			q->called = cell_bool(res, i, 2);
		}
		PQclear(res);
	}
	return rc;
}

static int by_name(const void *key, const void *seq)
{
	return strcmp(key, ((const struct seq *)seq)->name);
}

static const struct seq *find(const struct seqs *l, const char *name)
{
	return l && l->n ? bsearch(name, l->v, l->n, sizeof *l->v, by_name) : NULL;
}

/* Leaves those that are to be set: neither changed since they were set before, nor was the other side's number taken meanwhile. */
static struct seqs changed(const struct seqs *now, const struct seqs *before, const struct seqs *there)
{
	struct seqs out = {.v = xcalloc(now->n + 1, sizeof *out.v)};

	for (size_t i = 0; i < now->n; i++) {
		const struct seq *q = &now->v[i], *was = find(before, q->name), *is = find(there, q->name);
		bool same = was && is && was->called == q->called && str_eq(was->value, q->value) &&
			    (q->called ? is->called && str_eq(is->value, q->value) : !is->called);
		if (!same)
			out.v[out.n++] = *q; /* only looked at */
	}
	return out;
}

void cutover_forget_sequences(struct cutover *c)
{
	if (c->primed)
		seqs_fini(c->primed);
	free(c->primed);
	c->primed = NULL;
}

static enum err_code write_some(struct session *to, const struct seqs *l, size_t first, struct err *err)
{
	struct str sql = {0};

	str_add(&sql, "SELECT count(pg_catalog.setval(n::regclass, v, c)) FROM (VALUES ");
	for (size_t i = first; i < l->n && i < first + WRITE_CHUNK; i++) {
		str_add(&sql, i > first ? ", (" : "(");
		sql_literal(&sql, l->v[i].name);
		str_addf(&sql, ", bigint '%s', %s)", l->v[i].value, l->v[i].called ? "true" : "false");
	}
	str_add(&sql, ") t (n, v, c)");
	enum err_code rc = session_run(to, str_text(&sql), err);
	str_fini(&sql);
	return rc;
}

/* Both sides work at the same time. */
static enum err_code read_both(struct run *r, struct session *from, struct session *to, struct seqs *l, struct seqs *there, struct err *err)
{
	enum err_code rc = ask_called(r, to, false, err);

	if (rc == ERR_OK)
		rc = ask_called(r, from, r->cutover->link.from == SIDE_SOURCE, err);
	if (rc == ERR_OK)
		rc = take_called(from, l, err);
	for (size_t next = 0; rc == ERR_OK && next < l->n;)
		rc = read_some(from, l, &next, err);
	if (rc == ERR_OK)
		rc = take_called(to, there, err);
	if (rc != ERR_OK) { /* in the middle of an answer, perhaps: not for the next caller */
		session_close(r->control[r->cutover->link.to]);
		r->control[r->cutover->link.to] = NULL;
	}
	return rc;
}

#define MISSING_SHOWN 6

/* Before anybody waits: they were made after the copy. */
static enum err_code all_there(const struct run *r, const struct seqs *l, const struct seqs *there, struct err *err)
{
	const struct link *way = &r->cutover->link;
	struct str names = {0};
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!find(there, l->v[i].name) && n++ < MISSING_SHOWN)
			str_addf(&names, "%s%s", names.len ? ", " : "", l->v[i].name);
	if (n > MISSING_SHOWN)
		str_addf(&names, " and %zu more", n - MISSING_SHOWN);
	if (n > 0) {
		err_set(err, ERR_BLOCKED, "the %s has sequences that the %s does not: %s", side_name(way->from), side_name(way->to), str_text(&names));
		(void)err_hint(err, "make them on the %s, too (CREATE SEQUENCE, or the table they belong to%s), then start again", side_name(way->to),
			       way->back ? "; it is closed, so SET default_transaction_read_only = off first" : "");
	}
	str_fini(&names);
	return n > 0 ? err->code : ERR_OK;
}

enum err_code work_sequences(struct run *r, const void *arg, struct err *err)
{
	struct session *from, *to;
	struct seqs l = {0}, there = {0}, todo = {0};
	enum err_code rc = cutover_on(r, r->cutover->link.from, &from, err);

	(void)arg;
	if (r->handed)
		return ERR_OK;
	if (rc == ERR_OK)
		rc = cutover_on(r, r->cutover->link.to, &to, err);
	if (rc == ERR_OK)
		rc = read_both(r, from, to, &l, &there, err);
	if (rc == ERR_OK)
		rc = all_there(r, &l, &there, err);
	todo = changed(&l, r->cutover->primed, &there);
	for (size_t i = 0; rc == ERR_OK && i < todo.n; i += WRITE_CHUNK) {
		rc = write_some(to, &todo, i, err);
		if (rc == ERR_OK)
			rc = cutover_in_time(r, err);
	}
	r->cutover->sequences = l.n;
	cutover_part(r, "sequences");
	cutover_forget_sequences(r->cutover);
	if (rc == ERR_OK) {
		r->cutover->primed = xcalloc(1, sizeof *r->cutover->primed);
		*r->cutover->primed = l;
		l = (struct seqs){0};
	}
	free(todo.v);
	seqs_fini(&there);
	seqs_fini(&l);
	return rc;
}
