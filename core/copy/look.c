/*
 * After an interruption: which tables are as an earlier copy left them (copied.h says why that can be told), and what else of it is in the way,
 * or need not be made again.
 */
#include <stdlib.h>
#include <string.h>

#include "copy/copy_in.h"

#define CHUNK 100 /* statements in one transaction */
#define NO_MEMBER(catalog, oid) "NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = '" catalog "'::regclass AND d.objid = " oid " AND d.deptype = 'e')"
#define USERS(schema) schema ".nspname !~ '^pg_' AND " schema ".nspname <> 'information_schema'"

/* ---- looking ---- */

/*
 * Rows, and those written by a transaction from xid on, as 32 bits tell it: age() counts back from the next one, up to 2^31. An old, frozen
 * number may look new after 2^32 transactions: that errs on the safe side.
 */
static void add_count(struct str *sql, const char *table, size_t i, int64_t xid, const struct part *p)
{
	str_addf(sql, "%sSELECT %zu, count(*), count(*) FILTER (WHERE age(xmin) BETWEEN 0 AND (SELECT age('%lld'::xid))) FROM ONLY %s",
		 sql->len ? " UNION ALL " : "", i, (long long)(xid & 0xffffffff), table);
	if (p->to > p->from)
		str_addf(sql, " WHERE ctid >= '(%lld,0)'", (long long)p->from);
	if (p->to > p->from && p->to != LIST_TO_END)
		str_addf(sql, " AND ctid < '(%lld,0)'", (long long)p->to);
}

static void not_kept(struct copy_job *j, size_t i)
{
	(void)pthread_mutex_lock(&j->lock);
	j->kept[i] = false;
	(void)pthread_mutex_unlock(&j->lock);
}

static bool still_kept(struct copy_job *j, size_t i)
{
	(void)pthread_mutex_lock(&j->lock);
	bool kept = j->kept[i];
	(void)pthread_mutex_unlock(&j->lock);
	return kept;
}

static void judge(struct copy_job *j, const PGresult *res, enum side side)
{
	(void)pthread_mutex_lock(&j->lock);
	for (int r = 0; r < PQntuples(res); r++) {
		size_t i = (size_t)cell_i64(res, r, 0);
		if (cell_i64(res, r, 2) > 0 || (side == SIDE_TARGET && cell_i64(res, r, 1) != j->had[i].rows))
			j->kept[i] = false;
		if (side == SIDE_SOURCE)
			j->rows_of[i] += cell_i64(res, r, 1); /* all parts of a table together: copy_task_done compares */
	}
	(void)pthread_mutex_unlock(&j->lock);
}

static enum err_code ask_source(struct worker *w, const struct part *p, PGresult **res, struct err *err)
{
	const struct copy_list *l = w->job->list;
	struct str sql = {0};

	for (size_t i = p->first; i < p->first + p->n; i++)
		add_count(&sql, l->tables[i].from, i, w->job->had_xid, p);
	enum err_code rc = copy_source(w, err);
	if (rc == ERR_OK)
		rc = session_exec(w->src, str_text(&sql), 0, NULL, 0, res, err);
	if (rc == ERR_OK)
		rc = session_run(w->src, COPY_LET_GO, err);
	str_fini(&sql);
	return rc;
}

/* Whole tables: where the rows of a range came to lie nobody knows. */
static enum err_code ask_target(struct worker *w, const struct part *p, PGresult **res, struct err *err)
{
	static const struct part whole;
	struct copy_job *j = w->job;
	struct str sql = {0};

	for (size_t i = p->first; i < p->first + p->n && p->from == 0; i++)
		if (still_kept(j, i))
			add_count(&sql, j->list->tables[i].into, i, j->had[i].xid, &whole);
	enum err_code rc = sql.len ? copy_target(w, err) : ERR_OK;
	if (rc == ERR_OK && sql.len)
		rc = session_exec(w->dst, str_text(&sql), 0, NULL, 0, res, err);
	str_fini(&sql);
	return rc;
}

/* What cannot be counted is copied again. */
static enum err_code look_at(struct worker *w, const struct part *p, enum side side, struct err *err)
{
	PGresult *res = NULL;
	enum err_code rc;

	for (int try = 0;; try++) {
		rc = side == SIDE_SOURCE ? ask_source(w, p, &res, err) : ask_target(w, p, &res, err);
		if (rc == ERR_OK || rc == ERR_SQL || cancel_raised(&w->job->cancel))
			break;
		PQclear(res);
		res = NULL;
		copy_close(w);
		if (!copy_again(w, err, try))
			break;
	}
	if (rc == ERR_OK && res)
		judge(w->job, res, side);
	PQclear(res);
	if (cancel_raised(&w->job->cancel) || (rc != ERR_SQL && rc != ERR_CANCELLED))
		return rc;
	if (side == SIDE_TARGET && (str_eq(err->sqlstate, "42P01") || str_eq(err->sqlstate, "3F000"))) {
		(void)pthread_mutex_lock(&w->job->lock);
		w->job->missing = true;
		(void)pthread_mutex_unlock(&w->job->lock);
	}
	for (size_t i = p->first; i < p->first + p->n; i++)
		not_kept(w->job, i);
	copy_close(w); /* an error leaves the source's transaction behind */
	return ERR_OK;
}

enum err_code copy_look_part(struct worker *w, const struct part *p, struct err *err)
{
	struct copy_job *j = w->job;

	copy_say(w, "is it unchanged?", j->list->tables[p->first].id);
	enum err_code rc = look_at(w, p, SIDE_SOURCE, err);
	if (rc == ERR_OK)
		rc = look_at(w, p, SIDE_TARGET, err);
	(void)atomic_fetch_add(&j->looked, p->bytes);
	(void)atomic_fetch_add(&j->looked_tables, p->from > 0 ? 0 : p->n);
	return rc;
}

/* ---- clearing ---- */

/*
 * $1: tables that are copied again; $2: all keys and indexes go; $3: event triggers of the dump, others are somebody else's; $4: its NOT VALID
 * checks, others became so by rows that violated them, and have another chance. Triggers would fire, keys refuse rows or a TRUNCATE, indexes make
 * them slow. What is cheap goes altogether. A foreign key of a partitioned table, and an index of one, stand and fall with all partitions.
 */
static char *clear_sql(int version)
{
	const char *top = version >= 110000 ? " AND k.conparentid = 0" : "";

	return xasprintf(
		"WITH again AS (SELECT to_regclass(n)::oid AS oid FROM unnest($1::text[]) n)"
		" SELECT 1, format('DROP EVENT TRIGGER %%I', evtname) FROM pg_event_trigger e WHERE evtname = ANY ($3::text[]) AND " NO_MEMBER("pg_event_trigger", "e.oid")
		" UNION ALL SELECT 2, format('DROP TRIGGER %%I ON %%s', g.tgname, c.oid::regclass) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT g.tgisinternal%s AND " USERS("n") " AND " NO_MEMBER("pg_trigger", "g.oid")
		" UNION ALL SELECT 2, format('DROP RULE %%I ON %%s', r.rulename, c.oid::regclass) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND " USERS("n") " AND " NO_MEMBER("pg_class", "c.oid")
		" UNION ALL SELECT 2, format('DROP POLICY %%I ON %%s', p.polname, c.oid::regclass) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE " USERS("n") " AND " NO_MEMBER("pg_class", "c.oid")
		" UNION ALL SELECT 2, format('DROP STATISTICS %%I.%%I', n.nspname, x.stxname) FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace"
		" WHERE " USERS("n") " AND " NO_MEMBER("pg_class", "x.stxrelid")
		" UNION ALL SELECT 2, format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY', c.oid::regclass) FROM pg_class c JOIN again a ON a.oid = c.oid WHERE c.relrowsecurity"
		" UNION ALL SELECT 2, format('ALTER TABLE %%s REPLICA IDENTITY DEFAULT', c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE c.relreplident = 'i' AND $2::bool AND " USERS("n") " AND " NO_MEMBER("pg_class", "c.oid")
		" UNION ALL SELECT 3, format('ALTER TABLE %%s DROP CONSTRAINT %%I', k.conrelid::regclass, k.conname) FROM pg_constraint k"
		" JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE k.contype = 'f'%s AND " USERS("n") " AND ($2::bool OR NOT k.convalidated OR c.relkind = 'p' OR t.relkind = 'p'"
		"  OR k.conrelid IN (SELECT oid FROM again) OR k.confrelid IN (SELECT oid FROM again)) AND " NO_MEMBER("pg_class", "c.oid")
		" UNION ALL SELECT 4, format('ALTER TABLE %%s DROP CONSTRAINT %%I', k.conrelid::regclass, k.conname) FROM pg_constraint k"
		" JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE k.contype IN ('p', 'u', 'x')%s AND " USERS("n") " AND ($2::bool OR k.conrelid IN (SELECT oid FROM again)) AND " NO_MEMBER("pg_class", "c.oid")
		" UNION ALL SELECT 5, format('DROP INDEX %%s', x.indexrelid::regclass) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE " USERS("n") " AND c.relkind IN ('r', 'p', 'm') AND ($2::bool OR x.indrelid IN (SELECT oid FROM again)) AND " NO_MEMBER("pg_class", "c.oid")
		"  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))"
		"  AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = x.indexrelid)"
		" UNION ALL SELECT 6, format('TRUNCATE TABLE ONLY %%1$s; ALTER TABLE %%1$s VALIDATE CONSTRAINT %%2$I', c.oid::regclass, k.conname) FROM pg_constraint k"
		" JOIN pg_class c ON c.oid = k.conrelid JOIN again a ON a.oid = c.oid WHERE k.contype = 'c' AND NOT k.convalidated AND k.coninhcount = 0 AND c.relkind = 'r'"
		" AND NOT c.relname || ' ' || k.conname = ANY ($4::text[]) AND " NO_MEMBER("pg_class", "c.oid")
		" ORDER BY 1, 2", version >= 130000 ? " AND g.tgparentid = 0" : "", top, top);
}

/* One that cannot be taken away (a view needs a key) stays: it makes the rows slower, or its table says what is wrong. */
static enum err_code run_all(struct worker *w, const struct strv *v, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < v->n && rc == ERR_OK; i += CHUNK) {
		size_t to = i + CHUNK < v->n ? i + CHUNK : v->n;
		struct str sql = {0};
		for (size_t k = i; k < to; k++)
			str_addf(&sql, "%s;\n", v->v[k]);
		rc = copy_run(w, str_text(&sql), err);
		for (size_t k = i; rc == ERR_SQL && k < to; k++) {
			enum err_code one = copy_run(w, v->v[k], err);
			rc = one == ERR_OK ? ERR_SQL : one;
		}
		rc = rc == ERR_SQL ? ERR_OK : rc;
		str_fini(&sql);
	}
	return rc;
}

/* Rows that come in several transactions, or beside others, are not preceded by a TRUNCATE of their own. */
static void add_emptying(const struct copy_job *j, struct strv *v)
{
	for (size_t i = 0; i < j->list->n_tables; i++) {
		const struct copy_table *t = &j->list->tables[i];
		bool own = str_eq(t->from, t->into);
		if (j->kept[i])
			continue;
		if (t->shared && own) /* an extension's: what it brought itself is none of those */
			strv_addf(v, "DELETE FROM ONLY %s %s", t->into, t->where ? t->where : "");
		else if (t->shared || j->in_ranges[i])
			strv_addf(v, "TRUNCATE TABLE %s%s", own ? "ONLY " : "", t->into);
	}
}

struct there { const char *schema, *table, *name; }; /* table "": an index */

static int by_names(const void *a, const void *b)
{
	const struct there *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	c = c ? c : strcmp(x->table, y->table);
	return c ? c : strcmp(x->schema, y->schema);
}

static bool has(const struct there *v, size_t n, const char *schema, const char *table, const char *name)
{
	const struct there key = {.schema = schema, .table = table, .name = name};

	return schema && table && name && n > 0 && bsearch(&key, v, n, sizeof *v, by_names) != NULL;
}

/* A key whose index is there already only has to be made of it. */
static enum err_code mark_one(struct worker *w, size_t e, const struct there *v, size_t n, struct err *err)
{
	struct copy_job *j = w->job;
	const struct post_entry *p = &j->post.v[e];
	bool index = str_eq(p->type, "INDEX"), key = !index && p->kind == POST_CONSTRAINT;

	if (index ? has(v, n, p->schema, "", p->name) : has(v, n, p->schema, p->table, p->constraint)) {
		(void)pthread_mutex_lock(&j->lock);
		j->estimate.kind[p->kind == POST_FK ? WORK_KEY : WORK_INDEX].of -= p->bytes > 0 ? copy_entry_price(j, e) : 0;
		j->index_bytes -= p->kind == POST_FK ? 0 : p->index_bytes;
		j->key_bytes -= p->kind == POST_FK ? p->bytes : 0;
		(void)pthread_mutex_unlock(&j->lock);
		copy_set_done(j, e);
		(void)atomic_fetch_add(&j->kept_objects, 1);
		return ERR_OK;
	}
	if (!key || !has(v, n, p->schema, "", p->constraint))
		return ERR_OK;
	if (!p->index_sql)
		return copy_clear_key(w, p, err);
	(void)pthread_mutex_lock(&j->lock);
	j->state[e] = ENTRY_BUILT;
	(void)pthread_mutex_unlock(&j->lock);
	return ERR_OK;
}

static enum err_code mark_there(struct worker *w, struct err *err)
{
	static const char sql[] =
		"SELECT n.nspname, '', c.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE x.indisvalid AND " USERS("n")
		" UNION ALL SELECT n.nspname, c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
		" JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype IN ('p', 'u', 'x', 'f') AND " USERS("n");
	struct copy_job *j = w->job;
	PGresult *res;
	enum err_code rc = copy_ask(w, sql, 0, NULL, &res, err);

	if (rc != ERR_OK)
		return rc;
	size_t n = (size_t)PQntuples(res);
	struct there *v = xcalloc(n + 1, sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct there){.schema = cell(res, (int)i, 0), .table = cell(res, (int)i, 1), .name = cell(res, (int)i, 2)};
	qsort(v, n, sizeof *v, by_names);
	for (size_t e = j->post.rows; e < j->post.n && rc == ERR_OK; e++)
		if (j->post.v[e].kind == POST_INDEX || j->post.v[e].kind == POST_CONSTRAINT || j->post.v[e].kind == POST_FK)
			rc = mark_one(w, e, v, n, err);
	free(v);
	PQclear(res);
	return rc;
}

enum err_code copy_clear(struct worker *w, struct err *err)
{
	struct copy_job *j = w->job;
	struct strv again = {0}, event = {0}, check = {0}, todo = {0};
	PGresult *res = NULL;

	copy_say(w, "what is in the way", "");
	for (size_t i = 0; i < j->list->n_tables; i++)
		if (!j->kept[i])
			strv_add(&again, j->list->tables[i].into);
	enum err_code rc = copy_target(w, err);
	for (size_t e = j->post.rows; e < j->post.n; e++)
		if (str_eq(j->post.v[e].type, "EVENT TRIGGER"))
			strv_add(&event, j->post.v[e].name);
		else if (str_eq(j->post.v[e].type, "CHECK CONSTRAINT"))
			strv_add(&check, j->post.v[e].name);
	char *names = sql_array(&again), *events = sql_array(&event), *checks = sql_array(&check), *sql = clear_sql(rc == ERR_OK ? session_version(w->dst) : 0);
	const char *params[] = {names, j->same_keys ? "f" : "t", events, checks};
	if (rc == ERR_OK)
		rc = copy_ask(w, sql, 4, params, &res, err);
	for (int i = 0; rc == ERR_OK && i < PQntuples(res); i++)
		strv_add(&todo, cell(res, i, 1));
	if (rc == ERR_OK)
		add_emptying(j, &todo);
	if (rc == ERR_OK)
		rc = run_all(w, &todo, err);
	if (rc == ERR_OK)
		rc = mark_there(w, err);
	if (rc == ERR_OK) /* large objects: all else that stands before the rows is there */
		rc = copy_build_ordered(w, 0, j->post.rows, err);
	PQclear(res);
	free(names);
	free(events);
	free(checks);
	free(sql);
	strv_fini(&again);
	strv_fini(&event);
	strv_fini(&check);
	strv_fini(&todo);
	return rc;
}

/* ---- what need not be said again ---- */

bool copy_keeps_object(struct copy_job *j, const char *object)
{
	static const char check[] = "CHECK CONSTRAINT ";

	for (size_t e = 0; j->had && e < j->post.rows; e++) {
		const struct post_entry *p = &j->post.v[e];
		size_t n = strlen(p->type);
		if (!post_is_large_object(p) && strncmp(object, p->type, n) == 0 && object[n] == ' ' && str_eq(object + n + 1, p->name))
			return true;
	}
	for (size_t i = 0; str_starts(object, check) && i < j->list->n_tables; i++) {
		const char *id = j->list->tables[i].id;
		if (j->kept[i] && str_starts(object + strlen(check), id) && object[strlen(check) + strlen(id)] == ' ')
			return true;
	}
	return false;
}
