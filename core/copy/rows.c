/* Rows: one part in one transaction, again when a connection breaks; tables that would not take them; sequences. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy/copy_in.h"

#define SEQS_PER_STATEMENT 100 /* one UNION ALL of thousands runs into the server's stack depth */
#define CONSTRAINTS_MAX 8      /* of one table, set aside because rows violate them */

/* ---- progress ---- */

/* A part counts with its size on the source; what travels is smaller or larger. */
static void moved(void *arg, int64_t n)
{
	struct worker *w = arg;

	w->part_moved += n;
	int64_t now = w->part_moved < w->part_size ? w->part_moved : w->part_size;
	(void)atomic_fetch_add(&w->job->bytes, now - w->part_bytes);
	w->part_bytes = now;
	atomic_store(&w->job->doing[w->who].moved, now);
	atomic_store(&w->job->doing[w->who].rows, w->part_rows + w->relay.sent);
	copy_wake(w->job);
}

static void part_begin(struct worker *w, int64_t size)
{
	w->relay.moved = moved;
	w->relay.arg = w;
	w->part_size = size;
	w->part_moved = w->part_bytes = w->part_rows = 0;
}

static void part_end(struct worker *w, bool done)
{
	(void)atomic_fetch_add(&w->job->bytes, (done ? w->part_size : 0) - w->part_bytes);
	(void)atomic_fetch_add(&w->job->rows, done ? w->part_rows : 0);
	w->part_bytes = w->part_moved = w->part_size = 0;
}

/* ---- COPY ---- */

static enum err_code end_of(struct session *s, struct worker *w, struct err *err)
{
	PGresult *res;
	enum err_code rc;

	do {
		rc = relay_next(s, &w->job->cancel, &res, err);
		bool more = res != NULL;
		PQclear(res);
		if (!more)
			break;
	} while (rc == ERR_OK);
	return rc;
}

static enum err_code start(struct session *s, const char *sql, ExecStatusType want, struct err *err)
{
	PGresult *res;
	enum err_code rc = session_exec(s, sql, 0, NULL, 0, &res, err);

	if (rc == ERR_OK && PQresultStatus(res) != want)
		rc = err_set(err, ERR_SQL, "the server does not begin the COPY");
	PQclear(res);
	return rc;
}

/* The next COPY of the same string of statements. */
static enum err_code go_on(struct session *s, struct worker *w, ExecStatusType want, struct err *err)
{
	for (;;) {
		PGresult *res;
		enum err_code rc = relay_next(s, &w->job->cancel, &res, err);
		ExecStatusType st = res ? PQresultStatus(res) : PGRES_FATAL_ERROR;
		PQclear(res);
		if (rc != ERR_OK || st == want)
			return rc;
		if (st == PGRES_FATAL_ERROR)
			return err_set(err, ERR_SQL, "the server ended the statements too early");
	}
}

static enum err_code stream_one(struct worker *w, const struct copy_table *t, struct err *err)
{
	copy_say(w, "", t->id);
	enum err_code rc = relay_stream(&w->relay, err);
	if (rc == ERR_OK)
		w->part_rows += w->relay.rows;
	else if (w->relay.source_failed && !cancel_raised(&w->job->cancel))
		(void)err_prefix(err, "%s, on the source", t->id);
	return rc;
}

/* Should the answer to COMMIT be lost, its number tells whether the open transaction counted. */
static enum err_code remember(struct worker *w, const char *sql, struct err *err)
{
	char *xid = NULL;
	enum err_code rc = session_value(w->dst, sql, &xid, err);

	(void)snprintf(w->xid, sizeof w->xid, "%s", xid ? xid : "");
	free(xid);
	return rc;
}

/*
 * Several small tables: one string of statements each side, so that nobody waits for a round trip. Nothing is truncated when it is done
 * again: what was not committed is not there. What an earlier copy left may be.
 */
static enum err_code stream_batch(struct worker *w, const struct part *p, struct err *err)
{
	const struct copy_list *l = w->job->list;
	struct str out = {0}, in = {0}, begin = {0};

	w->xid[0] = '\0';
	for (size_t i = p->first; i < p->first + p->n; i++) {
		list_copy_out(&out, l, &l->tables[i], 0, 0);
		list_copy_in(&in, l, &l->tables[i], false);
		str_add(&out, "; ");
		str_add(&in, "; ");
	}
	str_add(&out, COPY_LET_GO);
	str_add(&in, "COMMIT");
	str_add(&begin, "BEGIN; ");
	for (size_t i = p->first; w->job->had && i < p->first + p->n; i++)
		if (!l->tables[i].shared)
			str_addf(&begin, "TRUNCATE TABLE ONLY %s; ", l->tables[i].into);
	str_add(&begin, "SELECT txid_current()");
	enum err_code rc = remember(w, str_text(&begin), err);
	if (rc == ERR_OK)
		rc = start(w->src, str_text(&out), PGRES_COPY_OUT, err);
	if (rc == ERR_OK)
		rc = start(w->dst, str_text(&in), PGRES_COPY_IN, err);
	for (size_t i = p->first; i < p->first + p->n && rc == ERR_OK; i++) {
		if (i > p->first)
			rc = go_on(w->src, w, PGRES_COPY_OUT, err);
		if (i > p->first && rc == ERR_OK)
			rc = go_on(w->dst, w, PGRES_COPY_IN, err);
		if (rc == ERR_OK)
			rc = stream_one(w, &l->tables[i], err);
		if (rc == ERR_OK)
			w->job->rows_of[i] = w->relay.rows;
	}
	w->xid_rows = w->part_rows;
	if (rc == ERR_OK)
		rc = end_of(w->src, w, err);
	if (rc == ERR_OK)
		rc = end_of(w->dst, w, err);
	str_fini(&out);
	str_fini(&in);
	str_fini(&begin);
	return rc;
}

/* An empty table that is truncated in the same transaction takes its rows frozen: no VACUUM has to write them again. */
static enum err_code begin_target(struct worker *w, const struct copy_table *t, bool clear, bool *freeze, struct err *err)
{
	/* VACUUM calls no row seen by all whose commit is not on the disk yet */
	const char *sync = copy_wants_vacuum(w->job, (size_t)(t - w->job->list->tables)) ? "; SET LOCAL synchronous_commit = on" : "";
	char *sql = xasprintf("BEGIN%s%s%s%s%s", sync, w->before ? "; " : "", w->before ? w->before : "", clear ? "; TRUNCATE TABLE ONLY " : "", clear ? t->into : "");
	enum err_code rc = session_run(w->dst, sql, err);

	free(sql);
	*freeze = clear && rc == ERR_OK;
	if (rc == ERR_SQL && clear && str_eq(err->sqlstate, "42501")) { /* may write, but not truncate */
		rc = session_run(w->dst, "ROLLBACK", err);
		char *instead = xasprintf("BEGIN; DELETE FROM ONLY %s", t->into); /* of an earlier copy */
		if (rc == ERR_OK)
			rc = session_run(w->dst, w->job->had ? instead : "BEGIN", err);
		free(instead);
	}
	return rc;
}

static enum err_code stream_single(struct worker *w, const struct part *p, bool clear, struct err *err)
{
	const struct copy_list *l = w->job->list;
	const struct copy_table *t = &l->tables[p->first];
	bool whole = p->to <= p->from, freeze = false;
	struct str out = {0}, in = {0};

	w->xid[0] = '\0';
	clear = whole && !t->shared && (clear || t->bytes >= COPY_SMALL);
	enum err_code rc = begin_target(w, t, clear, &freeze, err);
	clear = freeze; /* not where truncating was refused: then a second time would bring the rows twice */
	list_copy_out(&out, l, t, p->from, p->to);
	str_add(&out, "; " COPY_LET_GO);
	list_copy_in(&in, l, t, freeze);
	if (rc == ERR_OK)
		rc = start(w->src, str_text(&out), PGRES_COPY_OUT, err);
	if (rc == ERR_OK)
		rc = start(w->dst, str_text(&in), PGRES_COPY_IN, err);
	if (rc == ERR_OK)
		rc = stream_one(w, t, err);
	str_fini(&out);
	str_fini(&in);
	if (rc == ERR_OK)
		rc = end_of(w->src, w, err);
	if (rc == ERR_OK)
		rc = end_of(w->dst, w, err);
	if (rc == ERR_OK && !clear) {
		w->xid_rows = w->part_rows;
		rc = remember(w, "SELECT txid_current()", err);
	}
	if (rc == ERR_OK && w->behind)
		rc = session_run(w->dst, w->behind, err);
	return rc == ERR_OK ? session_run(w->dst, "COMMIT", err) : rc;
}

/* Did the transaction whose end we did not hear of come to a good one? */
static enum err_code committed(struct worker *w, bool *yes, struct err *err)
{
	char *state = NULL, *sql = xasprintf("SELECT txid_status(%s)", w->xid);
	enum err_code rc = copy_target(w, err);

	for (int i = 0; rc == ERR_OK && i < 100; i++) {
		free(state);
		state = NULL;
		rc = session_value(w->dst, sql, &state, err);
		if (rc != ERR_OK || !str_eq(state, "in progress"))
			break;
		rc = session_run(w->dst, "SELECT pg_sleep(0.1)", err);
	}
	*yes = rc == ERR_OK && str_eq(state, "committed");
	if (*yes)
		w->part_rows = w->xid_rows;
	else if (rc == ERR_OK && str_eq(state, "in progress"))
		rc = err_set(err, ERR_LOST, "the target does not say yet whether transaction %s was committed", w->xid);
	free(state);
	free(sql);
	return rc;
}

static enum err_code try_part(struct worker *w, const struct part *p, int try, struct err *err)
{
	enum err_code rc = ERR_OK;
	bool done = false;

	w->relay.patient = try > 0;
	if (try > 0 && w->xid[0])
		rc = committed(w, &done, err);
	if (rc == ERR_OK && !done)
		rc = copy_source(w, err);
	if (rc == ERR_OK && !done)
		rc = copy_target(w, err);
	if (rc != ERR_OK || done)
		return rc;
	return p->n > 1 ? stream_batch(w, p, err) : stream_single(w, p, try > 0 || w->job->had, err);
}

/* One part, as often as connections break. */
static enum err_code insist(struct worker *w, const struct part *p, int64_t size, struct err *err)
{
	enum err_code rc;
	int try = 0;

	w->xid[0] = '\0';
	for (;;) {
		part_begin(w, size);
		rc = try_part(w, p, try, err);
		part_end(w, rc == ERR_OK);
		if (rc == ERR_OK)
			return rc;
		copy_close(w);
		bool spoke = w->relay.interrupted && try == 0;
		w->relay.interrupted = false;
		if (!spoke && !copy_again(w, err, try))
			return rc;
		try++; /* xid stays until the target has said what became of it */
	}
}

/* What a table's own trouble is, and what ends everything. */
static bool table_trouble(const struct worker *w, enum err_code rc)
{
	return !cancel_raised(&w->job->cancel) && (rc == ERR_SQL || rc == ERR_CANCELLED || rc == ERR_DIFFERS);
}

static void mark_failed(struct copy_job *j, size_t i)
{
	(void)pthread_mutex_lock(&j->lock);
	j->failed[i] = true;
	(void)pthread_mutex_unlock(&j->lock);
}

static void count_rows(struct worker *w, const struct part *p)
{
	struct copy_job *j = w->job;

	(void)pthread_mutex_lock(&j->lock);
	j->rows_of[p->first] = w->part_rows + (p->to > p->from ? j->rows_of[p->first] : 0);
	(void)pthread_mutex_unlock(&j->lock);
}

enum err_code copy_part(struct worker *w, const struct part *p, struct err *err)
{
	struct copy_job *j = w->job;
	enum err_code rc = insist(w, p, p->bytes, err);

	if (rc == ERR_OK) {
		(void)atomic_fetch_add(&j->tables, p->to > p->from ? (p->to == LIST_TO_END) : p->n);
		if (p->n == 1)
			count_rows(w, p);
		return rc;
	}
	if (rc == ERR_SQL && strcmp(err->sqlstate, "55P03") == 0) {
		err_set(err, ERR_BLOCKED, "somebody wants to truncate or alter a table of %s, and waits for us as we would wait for them: all our locks are let go",
			p->n == 1 ? j->list->tables[p->first].id : "the source");
		return err_hint(err, "let that be done first, then start again: it begins with a new snapshot");
	}
	if (!table_trouble(w, rc))
		return rc;
	if (p->n == 1) {
		mark_failed(j, p->first);
		return ERR_OK;
	}
	for (size_t i = p->first; i < p->first + p->n; i++) { /* one of them is bad: each by itself */
		struct part one = {.first = i, .n = 1, .bytes = j->list->tables[i].bytes};
		rc = copy_part(w, &one, err);
		if (rc != ERR_OK)
			return rc;
	}
	return ERR_OK;
}

/* ---- once more, when all other tables have their rows ---- */

static char *value_of(struct worker *w, const char *sql, const char *a, const char *b, struct err *err)
{
	const char *params[] = {a, b};
	PGresult *res;
	char *value = NULL;

	if (copy_ask(w, sql, 2, params, &res, err) != ERR_OK)
		return NULL;
	if (PQntuples(res) > 0)
		value = cell_dup(res, 0, 0);
	PQclear(res);
	return value;
}

/*
 * A CHECK that rows violate goes and comes back, NOT VALID, in the transaction that brings the rows: whatever happens, it is there. Adds both
 * statements; false: it cannot be.
 */
static bool set_aside(struct worker *w, const struct copy_table *t, const char *constraint, struct strv *drop, struct strv *back)
{
	static const char def[] =
		"SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', $1::text, conname, regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', ''))"
		" || coalesce(format('; COMMENT ON CONSTRAINT %I ON %s IS %L', conname, $1::text, obj_description(oid, 'pg_constraint')), '')"
		" FROM pg_constraint WHERE conrelid = $1::text::regclass AND conname = $2 AND contype = 'c' AND coninhcount = 0";
	struct err why = {0};
	struct str sql = {0};
	char *again = value_of(w, def, t->into, constraint, &why);

	if (!again)
		return false;
	strv_take(back, again);
	str_addf(&sql, "ALTER TABLE %s DROP CONSTRAINT ", t->into);
	sql_ident(&sql, constraint);
	strv_take(drop, str_take(&sql));
	return true;
}

static void say_not_valid(struct worker *w, const struct copy_table *t, const char *name)
{
	static const char find[] =
		"SELECT format('SELECT * FROM %s WHERE NOT %s', $1::text, substr(pg_get_constraintdef(oid), 7)) FROM pg_constraint"
		" WHERE conrelid = $1::text::regclass AND conname = $2";
	struct err err = {0};
	char *query = value_of(w, find, t->into, name, &err);

	if (query && strstr(query, " NOT VALID"))
		*strstr(query, " NOT VALID") = '\0';
	copy_add_issue(w->job, xasprintf("CHECK CONSTRAINT %s %s", t->id, name), xstrdup("rows of the source violate this constraint: it is there, but NOT VALID"), query,
		       xstrdup("find the rows with the query, correct them, then ALTER TABLE ... VALIDATE CONSTRAINT"), true);
}

static enum err_code with_aside(struct worker *w, const struct part *p, const struct strv *drop, const struct strv *back, struct err *err)
{
	char *before = strv_join(drop, "; "), *behind = strv_join(back, "; ");

	w->relay.constraint[0] = '\0';
	w->before = drop->n ? before : NULL;
	w->behind = back->n ? behind : NULL;
	enum err_code rc = insist(w, p, p->bytes, err);
	w->before = w->behind = NULL;
	free(before);
	free(behind);
	return rc;
}

static enum err_code once_more(struct worker *w, size_t i, struct err *err)
{
	const struct copy_table *t = &w->job->list->tables[i];
	struct part p = {.first = i, .n = 1, .bytes = t->bytes};
	struct strv drop = {0}, back = {0}, names = {0};
	enum err_code rc;

	for (;;) {
		rc = with_aside(w, &p, &drop, &back, err);
		if (rc != ERR_SQL || !str_eq(err->sqlstate, "23514") || !w->relay.constraint[0] || back.n == CONSTRAINTS_MAX)
			break;
		strv_add(&names, w->relay.constraint);
		if (!set_aside(w, t, names.v[names.n - 1], &drop, &back))
			break;
	}
	for (size_t k = 0; rc == ERR_OK && k < back.n; k++)
		say_not_valid(w, t, names.v[k]);
	strv_fini(&drop);
	strv_fini(&back);
	strv_fini(&names);
	return rc;
}

enum err_code copy_failed_tables(struct worker *w, struct err *err)
{
	struct copy_job *j = w->job;

	for (size_t i = 0; i < j->list->n_tables; i++) {
		if (!j->failed[i])
			continue;
		enum err_code rc = once_more(w, i, err);
		if (rc == ERR_OK) {
			(void)atomic_fetch_add(&j->tables, 1);
			(void)pthread_mutex_lock(&j->lock);
			j->failed[i] = false;
			j->rows_of[i] = w->part_rows;
			j->complete[j->n_complete++] = i;
			(void)pthread_mutex_unlock(&j->lock);
			continue;
		}
		if (!table_trouble(w, rc))
			return rc;
		copy_add_issue(j, xasprintf("TABLE DATA %s", j->list->tables[i].id), xstrdup(err->msg), NULL,
			       xstrdup(*err->hint ? err->hint : "this table is empty on the target: remove the cause and copy it by hand"), true);
	}
	return ERR_OK;
}

/* ---- sequences ---- */

/* As pg_dump does: where they stand now, not in the snapshot, because sequences know of none. */
static enum err_code read_some(struct worker *w, size_t from, size_t to, struct str *set, struct err *err)
{
	const struct copy_list *l = w->job->list;
	struct str sql = {0};
	PGresult *res;

	for (size_t i = from; i < to; i++) {
		str_addf(&sql, "%sSELECT %zu, last_value, is_called FROM ", i > from ? " UNION ALL " : "", i);
		sql_qualified(&sql, l->seqs[i].schema, l->seqs[i].name);
	}
	enum err_code rc = session_exec(w->src, str_text(&sql), 0, NULL, 0, &res, err);
	str_fini(&sql);
	if (rc != ERR_OK)
		return rc;
	for (int r = 0; r < PQntuples(res); r++) {
		const struct copy_seq *q = &l->seqs[cell_i64(res, r, 0)];
		struct str name = {0};
		sql_qualified(&name, q->schema, q->name);
		str_addf(set, "%s(", r ? ", " : "SELECT count(setval(n::regclass, v, c)) FROM (VALUES ");
		sql_literal(set, str_text(&name));
		str_addf(set, ", %s::int8, %s)", cell(res, r, 1), cell_bool(res, r, 2) ? "true" : "false");
		str_fini(&name);
	}
	str_add(set, ") t (n, v, c)");
	PQclear(res);
	return ERR_OK;
}

static enum err_code some_sequences(struct worker *w, size_t from, size_t to, struct err *err)
{
	enum err_code rc;

	for (int try = 0;; try++) {
		struct str set = {0};
		rc = copy_source(w, err);
		if (rc == ERR_OK)
			rc = copy_target(w, err);
		if (rc == ERR_OK)
			rc = read_some(w, from, to, &set, err);
		if (rc == ERR_OK)
			rc = session_run(w->src, COPY_LET_GO, err);
		if (rc == ERR_OK)
			rc = session_run(w->dst, str_text(&set), err);
		str_fini(&set);
		if (rc == ERR_OK)
			return rc;
		copy_close(w); /* an error leaves the source's transaction behind */
		if (!copy_again(w, err, try))
			return rc;
	}
}

enum err_code copy_sequences(struct worker *w, struct err *err)
{
	const struct copy_list *l = w->job->list;

	for (size_t i = 0; i < l->n_seqs; i += SEQS_PER_STATEMENT) {
		size_t to = i + SEQS_PER_STATEMENT < l->n_seqs ? i + SEQS_PER_STATEMENT : l->n_seqs;
		copy_say(w, "sequences", "");
		enum err_code rc = some_sequences(w, i, to, err);
		for (size_t k = i; rc == ERR_SQL && k < to; k++) { /* one of them is bad */
			enum err_code one = some_sequences(w, k, k + 1, err);
			if (one == ERR_SQL)
				copy_add_issue(w->job, xasprintf("SEQUENCE %s.%s", l->seqs[k].schema, l->seqs[k].name), xstrdup(err->msg), NULL,
					       xstrdup("set it by hand with setval()"), true);
			else if (one != ERR_OK)
				return one;
		}
		if (rc != ERR_OK && rc != ERR_SQL)
			return rc;
	}
	return ERR_OK;
}
