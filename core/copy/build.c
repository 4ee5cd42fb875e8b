/* What comes after the rows: keys, indexes, statistics, and the rest of the dump's post-data. */
#include <stdlib.h>
#include <string.h>

#include "copy/copy_in.h"

#define CHUNK 100 /* statements in one transaction */

static bool failed_table(struct copy_job *j, size_t i)
{
	(void)pthread_mutex_lock(&j->lock);
	bool failed = j->failed[i];
	(void)pthread_mutex_unlock(&j->lock);
	return failed;
}

void copy_set_done(struct copy_job *j, size_t e)
{
	(void)pthread_mutex_lock(&j->lock);
	j->state[e] = ENTRY_DONE;
	(void)pthread_mutex_unlock(&j->lock);
	(void)atomic_fetch_add(&j->objects, 1);
	copy_wake(j);
}

/* After a connection broke the statement may have been done: then the object is there. */
static bool is_there(const struct err *err)
{
	static const char *const states[] = {"42P07", "42710", "42P16", "42723"};

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (str_eq(err->sqlstate, states[i]))
			return true;
	return false;
}

/* One statement, again when the connection breaks. */
static enum err_code insist(struct worker *w, const char *sql, int n, const char *const *params, PGresult **res, struct err *err)
{
	for (int try = 0;; try++) {
		enum err_code rc = copy_target(w, err);
		if (rc == ERR_OK)
			rc = session_exec(w->dst, sql, n, params, 0, res, err);
		if (rc == ERR_SQL && try > 0 && !res && is_there(err))
			return ERR_OK;
		if (rc == ERR_CANCELLED && !cancel_raised(&w->job->cancel))
			return ERR_SQL; /* by somebody else: this one statement */
		if (rc == ERR_OK || rc == ERR_SQL)
			return rc;
		copy_close(w);
		if (!copy_again(w, err, try))
			return rc;
	}
}

enum err_code copy_run(struct worker *w, const char *sql, struct err *err)
{
	return insist(w, sql, 0, NULL, NULL, err);
}

enum err_code copy_ask(struct worker *w, const char *sql, int n, const char *const *params, PGresult **res, struct err *err)
{
	*res = NULL;
	return insist(w, sql, n, params, res, err);
}

static void add_sql(struct str *out, const struct post_entry *p, const char **sets)
{
	if (!str_eq(*sets, p->sets))
		str_add(out, p->sets);
	*sets = p->sets;
	str_addf(out, "%s\n", p->sql);
}

enum err_code copy_run_entry(struct worker *w, const struct post_entry *p, const char *sql, struct err *err)
{
	int mb = w->job->o.memory_given ? 0 : copy_sort_mb(p);
	char *memory = mb ? xasprintf("SET LOCAL maintenance_work_mem = '%dMB';\n", mb) : NULL;
	char *all = xasprintf("%s%s%s", p->sets, memory ? memory : "", sql);
	enum err_code rc = copy_run(w, all, err);

	free(memory);
	free(all);
	return rc;
}

char *copy_object_of(const struct post_entry *p)
{
	if (str_eq(p->type, "INDEX") && p->schema)
		return xasprintf("INDEX %s.%s", p->schema, p->name);
	return xasprintf("%s %s", p->type, p->name);
}

/* The statement of a foreign key, the key itself is wanted even if rows violate it. */
char *copy_not_valid(const char *sql)
{
	size_t n = strlen(sql);

	while (n > 0 && (sql[n - 1] == ';' || sql[n - 1] == '\n' || sql[n - 1] == ' '))
		n--;
	return xasprintf("%.*s NOT VALID;", (int)n, sql);
}

char *copy_find_orphans(struct worker *w, const struct post_entry *p)
{
	static const char sql[] =
		"SELECT format('SELECT c.* FROM %s c LEFT JOIN %s p ON %s WHERE %s AND p.%I IS NULL', con.conrelid::regclass, con.confrelid::regclass,"
		" string_agg(format('p.%I = c.%I', fa.attname, ca.attname), ' AND ' ORDER BY k.i),"
		" string_agg(format('c.%I IS NOT NULL', ca.attname), ' AND ' ORDER BY k.i), min(fa.attname))"
		" FROM pg_constraint con, LATERAL unnest(con.conkey, con.confkey) WITH ORDINALITY k(c, f, i), pg_attribute ca, pg_attribute fa"
		" WHERE con.conrelid = $1::regclass AND con.conname = $2 AND con.contype = 'f' AND ca.attrelid = con.conrelid AND ca.attnum = k.c"
		" AND fa.attrelid = con.confrelid AND fa.attnum = k.f GROUP BY con.conrelid, con.confrelid";
	struct str table = {0};
	struct err ignored;
	PGresult *res;
	char *query = NULL;

	sql_qualified(&table, p->schema, p->table);
	const char *params[] = {str_text(&table), p->constraint};
	if (copy_ask(w, sql, 2, params, &res, &ignored) == ERR_OK) {
		query = PQntuples(res) > 0 ? cell_dup(res, 0, 0) : NULL;
		PQclear(res);
	}
	str_fini(&table);
	return query;
}

/* A foreign key that rows violate: it is made so that new rows are checked, and somebody is told which ones are wrong. */
static enum err_code keep_unproven(struct worker *w, const struct post_entry *p, struct err *err)
{
	struct err why = *err;
	char *sql = copy_not_valid(p->sql);
	enum err_code rc = copy_run_entry(w, p, sql, err);

	free(sql);
	if (rc == ERR_OK) {
		copy_add_issue(w->job, copy_object_of(p), xstrdup(why.msg), copy_find_orphans(w, p),
			       xstrdup("the key is there, but NOT VALID: find the rows with the query, correct them, then ALTER TABLE ... VALIDATE CONSTRAINT"),
			       true);
	} else if (rc == ERR_SQL) { /* partitioned tables take no such key */
		*err = why;
	}
	return rc;
}

/*
 * An owner that may not be given must not cost the object: as pg_restore does, it is made all the same, and the owner's statement
 * (the last line of its entry) is what somebody has to look at. ERR_SQL: that was not the reason.
 */
static enum err_code without_owner(struct worker *w, const struct post_entry *p, struct err *err)
{
	const char *at = NULL;

	for (const char *q = p->sql; (q = strstr(q, "\nALTER ")) != NULL; q++)
		at = q;
	if (!at || !strstr(at, " OWNER TO "))
		return ERR_SQL;
	struct err why = *err, other = {0};
	char *head = xstrndup(p->sql, (size_t)(at - p->sql));
	enum err_code rc = copy_run_entry(w, p, head, &other);
	if (rc == ERR_OK)
		copy_add_issue(w->job, copy_object_of(p), xstrdup(why.msg), xstrdup(at + 1), *why.hint ? xstrdup(why.hint) : NULL, false);
	else if (rc != ERR_SQL)
		*err = other;
	free(head);
	return rc;
}

enum err_code copy_build_entry(struct worker *w, size_t e, bool last_try, struct err *err)
{
	struct copy_job *j = w->job;
	const struct post_entry *p = &j->post.v[e];

	copy_say(w, p->type, p->name);
	if (j->not_valid[e])
		return copy_validate_key(w, e, err);
	if (p->index_sql && !last_try)
		return copy_build_unique(w, e, err);
	enum err_code rc = p->index_sql ? copy_clear_key(w, p, err) : ERR_OK;
	if (rc == ERR_OK)
		rc = copy_run_entry(w, p, p->sql, err);
	if (rc == ERR_SQL && p->kind == POST_FK && !p->as_is && p->constraint && str_eq(err->sqlstate, "23503"))
		rc = keep_unproven(w, p, err);
	if (rc == ERR_SQL && last_try && j->had && is_there(err))
		rc = ERR_OK; /* made by the earlier copy; the proof compares it */
	if (rc == ERR_SQL && last_try)
		rc = without_owner(w, p, err);
	if (rc == ERR_SQL && !last_try)
		return ERR_OK; /* later, in its place in the dump */
	if (rc == ERR_SQL) {
		copy_add_issue(j, copy_object_of(p), xstrdup(err->msg), xstrdup(p->sql), *err->hint ? xstrdup(err->hint) : NULL, false);
		rc = ERR_OK;
	}
	if (rc == ERR_OK)
		copy_set_done(j, e);
	return rc;
}

enum err_code copy_tend(struct worker *w, const char *sql, struct err *err)
{
	copy_say(w, "", sql);
	enum err_code rc = copy_run(w, sql, err);
	if (rc == ERR_SQL) {
		copy_add_issue(w->job, xstrdup(sql), xstrdup(err->msg), xstrdup(sql), NULL, false);
		return ERR_OK;
	}
	return rc;
}

enum err_code copy_analyze(struct worker *w, size_t table, struct err *err)
{
	char *sql = xasprintf("ANALYZE %s", w->job->list->tables[table].from);
	enum err_code rc = copy_tend(w, sql, err);

	free(sql);
	return rc;
}

/* Entries first .. last - 1 of the list as one transaction; else one by one. */
static enum err_code run_chunk(struct worker *w, const long *entries, size_t n, bool last_try, struct err *err)
{
	struct copy_job *j = w->job;
	struct str sql = {0};
	enum err_code rc = ERR_SQL;

	if (n > 1) {
		const char *sets = NULL;
		for (size_t i = 0; i < n; i++)
			add_sql(&sql, &j->post.v[entries[i]], &sets);
		copy_say(w, j->post.v[entries[0]].type, j->post.v[entries[0]].name);
		rc = copy_run(w, str_text(&sql), err);
		str_fini(&sql);
	}
	if (rc == ERR_OK)
		for (size_t i = 0; i < n; i++)
			copy_set_done(j, (size_t)entries[i]);
	if (rc != ERR_SQL)
		return rc;
	rc = ERR_OK;
	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		rc = copy_build_entry(w, (size_t)entries[i], last_try, err);
	return rc;
}

static enum err_code analyze_group(struct worker *w, const struct group *g, struct err *err)
{
	struct copy_job *j = w->job;
	struct str sql = {0};
	size_t n = 0;

	for (size_t i = g->first; i < g->first + g->n; i++)
		if (!failed_table(j, i))
			str_addf(&sql, "%s %s", n++ ? "," : "ANALYZE", j->list->tables[i].from);
	enum err_code rc = n ? copy_run(w, str_text(&sql), err) : ERR_OK;
	str_fini(&sql);
	for (size_t i = g->first; rc == ERR_SQL && i < g->first + g->n; i++) {
		rc = failed_table(j, i) ? ERR_SQL : copy_analyze(w, i, err);
		rc = rc == ERR_OK ? ERR_SQL : rc;
	}
	return rc == ERR_SQL ? ERR_OK : rc;
}

enum err_code copy_build_group(struct worker *w, struct group *g, struct err *err)
{
	struct copy_job *j = w->job;
	long chunk[CHUNK];
	enum err_code rc = ERR_OK;
	size_t n = 0;

	for (size_t i = 0; i < g->n_entries && rc == ERR_OK; i++) {
		const struct post_entry *p = &j->post.v[g->entries[i]];
		bool skip = j->state[g->entries[i]] != ENTRY_WAITS;
		for (size_t t = g->first; t < g->first + g->n && !skip; t++)
			skip = j->failed[t] && str_eq(j->list->tables[t].name, p->table) && str_eq(j->list->tables[t].schema, p->schema);
		if (!skip)
			chunk[n++] = g->entries[i];
		if (n == CHUNK) {
			rc = run_chunk(w, chunk, n, false, err);
			n = 0;
		}
	}
	if (rc == ERR_OK && n > 0)
		rc = run_chunk(w, chunk, n, false, err);
	return rc == ERR_OK ? analyze_group(w, g, err) : rc;
}

enum err_code copy_build_tables(struct worker *w, size_t from, size_t to, struct err *err)
{
	long *entries = xcalloc(to - from + 1, sizeof *entries);

	for (size_t e = from; e < to; e++)
		entries[e - from] = (long)e;
	enum err_code rc = run_chunk(w, entries, to - from, false, err);
	free(entries);
	return rc;
}

enum err_code copy_build_ordered(struct worker *w, size_t from, size_t to, struct err *err)
{
	struct copy_job *j = w->job;
	long chunk[CHUNK];
	size_t n = 0;
	enum err_code rc = ERR_OK;

	for (size_t e = from; e < to && rc == ERR_OK; e++) {
		const struct post_entry *p = &j->post.v[e];
		if (j->state[e] == ENTRY_DONE || p->kind == POST_FK)
			continue;
		bool alone = p->kind != POST_SERIAL && p->kind != POST_TABLE;
		if (n == CHUNK || (alone && n > 0)) {
			rc = run_chunk(w, chunk, n, true, err);
			n = 0;
		}
		chunk[n++] = (long)e;
		if (alone && rc == ERR_OK) {
			rc = run_chunk(w, chunk, n, true, err);
			n = 0;
		}
	}
	return rc == ERR_OK && n > 0 ? run_chunk(w, chunk, n, true, err) : rc;
}

static void price_late(struct copy_job *j, double price)
{
	j->late_price[j->late.n - 1] = price;
	j->estimate.kind[WORK_TEND].of += price;
}

/* At the end, because nothing counts as seen by all while an older transaction runs. */
static void list_vacuum(struct copy_job *j, int version)
{
	for (size_t i = 0; i < j->list->n_tables; i++) {
		const char *how = version >= 120000 ? "(INDEX_CLEANUP off, TRUNCATE off) " : "";
		if (j->failed[i] || !copy_wants_vacuum(j, i))
			continue;
		strv_addf(&j->late, "VACUUM %s%s", how, j->list->tables[i].from);
		price_late(j, copy_vacuum_price(&j->list->tables[i]));
	}
}

/* What could not be analysed with its rows: parents of partitions, views that are filled now, statistics objects. */
enum err_code copy_list_late(struct worker *w, struct err *err)
{
	static const char sql[] =
		"SELECT DISTINCT 'ANALYZE ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" LEFT JOIN pg_statistic_ext x ON x.stxrelid = c.oid WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
		" AND c.relpersistence <> 't' AND (c.relkind = 'p' OR (c.relkind = 'm' AND c.relispopulated) OR (x.oid IS NOT NULL AND c.relkind = 'r'))"
		" ORDER BY 1";
	struct copy_job *j = w->job;
	PGresult *res;
	enum err_code rc = copy_ask(w, sql, 0, NULL, &res, err);

	if (rc != ERR_OK)
		return rc;
	(void)pthread_mutex_lock(&j->lock);
	j->late_price = xcalloc(j->list->n_tables + (size_t)PQntuples(res) + 1, sizeof *j->late_price);
	j->estimate.kind[WORK_TEND].of = 0;
	list_vacuum(j, session_version(w->dst));
	for (int i = 0; i < PQntuples(res); i++) {
		strv_add(&j->late, cell(res, i, 0));
		price_late(j, estimate_price(WORK_ANALYZE, 0, 1));
	}
	j->late_listed = true;
	(void)pthread_cond_broadcast(&j->moved);
	(void)pthread_mutex_unlock(&j->lock);
	PQclear(res);
	return ERR_OK;
}
