#include "cutover/carry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "copy/list.h"
#include "copy/relay.h"
#include "cutover/cutover_in.h"

#define CHUNK "1048576" /* of a large object, in one round trip */

static const enum side sides[] = {SIDE_SOURCE, SIDE_TARGET};

static enum side other(enum side s)
{
	return s == SIDE_TARGET ? SIDE_SOURCE : SIDE_TARGET;
}

/* The outage ends in time also when a single statement does not; 0 outside of one. */
static enum err_code limit(struct run *r, struct session *s, struct err *err)
{
	const struct cutover *c = r->cutover;
	int64_t left = c && c->began_us ? (c->began_us + c->max_us - clock_mono_us()) / 1000 : 0;
	char *sql = xasprintf("SET statement_timeout = %lld", (long long)(c && c->began_us && left < 1 ? 1 : left));
	enum err_code rc = session_run(s, sql, err);

	free(sql);
	return rc;
}

static enum err_code in_time(struct run *r, struct err *err)
{
	return r->cutover && r->cutover->began_us ? cutover_in_time(r, err) : cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : ERR_OK;
}

/* A statement that ran into the limit is the outage's end, and nothing else. */
static enum err_code explain(struct run *r, enum err_code rc, struct err *err)
{
	struct err late;

	if (rc == ERR_SQL && strcmp(err->sqlstate, "57014") == 0 && in_time(r, &late) != ERR_OK)
		return (*err = late).code;
	return rc;
}

/* ---- unlogged tables ---- */

/* By the source's facts, whichever way they go. */
static bool is_carried(const struct migration *m, const struct fact_table *t)
{
	return t->kind == 'r' && t->persistence == 'u' && !t->left_out && !t->extension && (m->dump.schemas.n == 0 || strv_has(&m->dump.schemas, t->schema)) &&
	       !strv_has(&m->dump.exclude_schemas, t->schema);
}

void carry_names(const struct run *r, struct str *list)
{
	const struct facts *f = r->facts[SIDE_SOURCE];

	for (size_t i = 0; r->m->cut.unlogged && f && i < f->n_tables; i++)
		if (is_carried(r->m, &f->tables[i])) {
			str_add(list, list->len ? ", ONLY " : "ONLY ");
			sql_qualified(list, f->tables[i].schema, f->tables[i].name);
		}
}

static void carried_ids(const struct run *r, struct strv *ids)
{
	const struct facts *f = r->facts[SIDE_SOURCE];

	for (size_t i = 0; f && i < f->n_tables; i++)
		if (is_carried(r->m, &f->tables[i]))
			strv_addf(ids, "%s.%s", f->tables[i].schema, f->tables[i].name);
}

static enum err_code begin_copy(struct session *s, const char *sql, ExecStatusType want, struct err *err)
{
	PGresult *res;
	enum err_code rc = session_exec(s, sql, 0, NULL, 0, &res, err);

	if (rc == ERR_OK && PQresultStatus(res) != want)
		rc = err_set(err, ERR_SQL, "the server does not begin the COPY");
	PQclear(res);
	return rc;
}

static enum err_code end_copy(struct session *s, struct cancel *cancel, struct err *err)
{
	PGresult *res = NULL;
	enum err_code rc;

	do {
		PQclear(res);
		rc = relay_next(s, cancel, &res, err);
	} while (rc == ERR_OK && res);
	PQclear(res);
	return rc;
}

static enum err_code copy_one(struct relay *relay, const struct copy_list *l, const struct copy_table *t, struct err *err)
{
	struct str out = {0}, in = {0};

	list_copy_out(&out, l, t, 0, 0);
	list_copy_in(&in, l, t, false);
	enum err_code rc = begin_copy(relay->src, str_text(&out), PGRES_COPY_OUT, err);
	if (rc == ERR_OK)
		rc = begin_copy(relay->dst, str_text(&in), PGRES_COPY_IN, err);
	if (rc == ERR_OK)
		rc = relay_stream(relay, err);
	if (rc == ERR_OK)
		rc = end_copy(relay->src, relay->cancel, err);
	if (rc == ERR_OK)
		rc = end_copy(relay->dst, relay->cancel, err);
	str_fini(&out);
	str_fini(&in);
	return rc == ERR_OK ? rc : err_prefix(err, "%s", t->id);
}

static enum err_code copy_unlogged(struct run *r, struct relay *relay, const struct copy_list *l, const struct strv *ids, struct err *err)
{
	struct str empty = {0};
	int64_t rows = 0;
	size_t n = 0;
	char count[32];

	for (size_t i = 0; i < l->n_tables; i++)
		if (strv_has(ids, l->tables[i].id))
			str_addf(&empty, "%sONLY %s", empty.len ? ", " : "TRUNCATE TABLE ", l->tables[i].into);
	enum err_code rc = empty.len ? session_run(relay->dst, str_text(&empty), err) : ERR_OK;
	for (size_t i = 0; i < l->n_tables && rc == ERR_OK; i++) {
		if (!strv_has(ids, l->tables[i].id))
			continue;
		rc = copy_one(relay, l, &l->tables[i], err);
		rows += relay->rows;
		n++;
		if (rc == ERR_OK)
			rc = in_time(r, err);
	}
	if (rc == ERR_OK)
		rc = session_run(relay->dst, "COMMIT", err);
	if (rc == ERR_OK && n > 0)
		run_note(r, "unlogged tables", "%zu brought over, %s rows", n, fmt_count(count, sizeof count, rows));
	str_fini(&empty);
	return rc;
}

static enum err_code open_for_copy(struct run *r, enum side side, bool read, struct session **s, struct err *err)
{
	struct session_options opt = {.application_name = r->app, .read_write = side == SIDE_TARGET};
	enum err_code rc = r->reach(r->arg, side, err);

	if (rc == ERR_OK)
		rc = session_open(s, &r->m->end[side], &opt, r->cancel, err);
	if (rc == ERR_OK)
		rc = limit(r, *s, err);
	if (rc == ERR_OK)
		rc = session_run(*s, read ? "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN; SET LOCAL session_replication_role = replica", err);
	return rc;
}

static enum err_code work_unlogged(struct run *r, const void *arg, struct err *err)
{
	enum side to = *(const enum side *)arg, from = other(to);
	struct relay relay = {.cancel = r->cancel, .patient = true};
	struct copy_list *list = NULL;
	struct strv ids = {0};
	enum err_code rc = open_for_copy(r, from, true, &relay.src, err);

	if (rc == ERR_OK)
		rc = open_for_copy(r, to, false, &relay.dst, err);
	carried_ids(r, &ids);
	if (rc == ERR_OK)
		rc = copy_list_read(&list, relay.src, &r->m->dump.schemas, &r->m->dump.exclude_schemas, "{}", session_version(relay.dst), err);
	if (rc == ERR_OK)
		rc = copy_unlogged(r, &relay, list, &ids, err);
	strv_fini(&ids);
	copy_list_free(list);
	session_close(relay.src);
	session_close(relay.dst);
	relay_fini(&relay);
	if (r->cutover)
		cutover_part(r, "unlogged tables");
	return explain(r, rc, err);
}

/* ---- large objects ---- */

/* Both sides at the same time. */
static enum err_code list_both(struct run *r, struct session *s[2], PGresult *res[2], struct err *err)
{
	static const char sql[] =
		"SELECT m.oid, pg_get_userbyid(m.lomowner), coalesce(h.hash, '') FROM pg_largeobject_metadata m LEFT JOIN"
		" (SELECT loid, md5(string_agg(pageno || ':' || md5(data), ',' ORDER BY pageno)) AS hash FROM pg_largeobject GROUP BY loid) h ON h.loid = m.oid ORDER BY m.oid";
	enum err_code rc = ERR_OK;

	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		rc = limit(r, s[i], err);
		if (rc == ERR_OK && !PQsendQuery(session_conn(s[i]), sql))
			rc = err_set(err, ERR_LOST, "the %s cannot be asked: %s", side_name((enum side)i), PQerrorMessage(session_conn(s[i])));
	}
	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		rc = relay_next(s[i], r->cancel, &res[i], err);
		if (rc == ERR_OK)
			rc = end_copy(s[i], r->cancel, err);
	}
	for (int i = 0; i < 2 && rc != ERR_OK; i++) { /* in the middle of an answer: not for the next caller */
		session_close(r->control[i]);
		r->control[i] = NULL;
	}
	return explain(r, rc, err);
}

enum change { CHANGE_NONE, CHANGE_NEW, CHANGE_CONTENT, CHANGE_GONE };

/* The next pair of two sorted lists; i and k move on. */
static enum change next_change(const PGresult *from, int *i, const PGresult *to, int *k, const char **oid)
{
	bool a = *i < PQntuples(from), b = *k < PQntuples(to);
	int64_t x = a ? cell_i64(from, *i, 0) : INT64_MAX, y = b ? cell_i64(to, *k, 0) : INT64_MAX;
	enum change c = x < y ? CHANGE_NEW : x > y ? CHANGE_GONE : str_eq(cell(from, *i, 2), cell(to, *k, 2)) ? CHANGE_NONE : CHANGE_CONTENT;

	*oid = c == CHANGE_GONE ? cell(to, *k, 0) : cell(from, *i, 0);
	*i += c != CHANGE_GONE;
	*k += c != CHANGE_NEW;
	return c;
}

static enum err_code copy_content(struct run *r, struct session *from, struct session *to, const char *oid, struct err *err)
{
	char at[32] = "0";
	enum err_code rc = ERR_OK;

	for (int64_t pos = 0; rc == ERR_OK;) {
		const char *read[] = {oid, at};
		PGresult *res;
		rc = session_exec(from, "SELECT lo_get($1::oid, $2::int8, " CHUNK ")", 2, read, 0, &res, err);
		if (rc != ERR_OK)
			break;
		int64_t n = ((int64_t)strlen(cell(res, 0, 0)) - 2) / 2; /* \x and two digits each */
		const char *write[] = {oid, at, cell(res, 0, 0)};
		if (n > 0)
			rc = session_exec(to, "SELECT lo_put($1::oid, $2::int8, $3::bytea)", 3, write, 0, NULL, err);
		PQclear(res);
		if (n < atoll(CHUNK))
			break;
		pos += n;
		(void)snprintf(at, sizeof at, "%lld", (long long)pos);
		if (rc == ERR_OK)
			rc = in_time(r, err);
	}
	return rc;
}

/* Owner and grants as they are there. */
static enum err_code copy_rights(struct session *from, struct session *to, const char *oid, const char *owner, struct err *err)
{
	static const char sql[] =
		"SELECT string_agg(format('GRANT %s ON LARGE OBJECT %s TO %s%s', x.privilege_type, m.oid,"
		" CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '; ')"
		" FROM pg_largeobject_metadata m, aclexplode(m.lomacl) x WHERE m.oid = $1::oid AND x.grantee <> m.lomowner";
	struct str give = {0};
	PGresult *res;
	enum err_code rc = session_exec(from, sql, 1, &oid, 0, &res, err);

	if (rc != ERR_OK)
		return rc;
	str_addf(&give, "ALTER LARGE OBJECT %s OWNER TO ", oid);
	sql_ident(&give, owner);
	str_addf(&give, "; %s", cell(res, 0, 0));
	PQclear(res);
	rc = session_run(to, str_text(&give), err);
	str_fini(&give);
	return rc;
}

static enum err_code make_equal(struct run *r, struct session *s[2], enum side to, PGresult *const res[2], size_t n[4], struct err *err)
{
	enum side from = other(to);
	enum err_code rc = session_run(s[to], "BEGIN", err);
	const char *oid;

	for (int i = 0, k = 0; rc == ERR_OK && (i < PQntuples(res[from]) || k < PQntuples(res[to]));) {
		int row = i;
		enum change c = next_change(res[from], &i, res[to], &k, &oid);
		n[c]++;
		if (c == CHANGE_GONE)
			rc = session_exec(s[to], "SELECT lo_unlink($1::oid)", 1, &oid, 0, NULL, err);
		else if (c == CHANGE_CONTENT) /* 131072: for writing */
			rc = session_exec(s[to], "SELECT lo_truncate64(lo_open($1::oid, 131072), 0)", 1, &oid, 0, NULL, err);
		else if (c == CHANGE_NEW)
			rc = session_exec(s[to], "SELECT lo_create($1::oid)", 1, &oid, 0, NULL, err);
		if (rc == ERR_OK && (c == CHANGE_NEW || c == CHANGE_CONTENT))
			rc = copy_content(r, s[from], s[to], oid, err);
		if (rc == ERR_OK && c == CHANGE_NEW)
			rc = copy_rights(s[from], s[to], oid, cell(res[from], row, 1), err);
		if (rc == ERR_OK && c != CHANGE_NONE)
			rc = in_time(r, err);
	}
	struct err ignored;
	if (rc == ERR_OK)
		rc = session_run(s[to], "COMMIT", err);
	else
		(void)session_run(s[to], "ROLLBACK", &ignored);
	return rc;
}

static enum err_code both_sessions(struct run *r, struct session *s[2], struct err *err)
{
	enum err_code rc = run_session(r, SIDE_SOURCE, NULL, &s[SIDE_SOURCE], err);

	return rc == ERR_OK ? run_session(r, SIDE_TARGET, NULL, &s[SIDE_TARGET], err) : rc;
}

static void no_limit(struct run *r)
{
	struct err ignored;

	for (int i = 0; i < 2; i++)
		if (r->control[i])
			(void)session_run(r->control[i], "SET statement_timeout = 0", &ignored);
}

static enum err_code work_large_objects(struct run *r, const void *arg, struct err *err)
{
	enum side to = *(const enum side *)arg;
	struct session *s[2];
	PGresult *res[2] = {NULL, NULL};
	size_t n[4] = {0};
	enum err_code rc = both_sessions(r, s, err);

	if (rc == ERR_OK)
		rc = list_both(r, s, res, err);
	if (rc == ERR_OK)
		rc = explain(r, make_equal(r, s, to, res, n, err), err);
	no_limit(r);
	PQclear(res[0]);
	PQclear(res[1]);
	if (r->cutover)
		cutover_part(r, "large objects");
	if (rc == ERR_SQL && strcmp(err->sqlstate, "42501") == 0)
		(void)err_hint(err, "use a superuser, GRANT SELECT ON pg_largeobject to this role on both sides, or leave them out with [cutover] large_objects = no");
	if (rc == ERR_OK)
		run_note(r, "large objects", "%zu were equal, %zu changed, %zu new and %zu gone; now all are equal", n[CHANGE_NONE], n[CHANGE_CONTENT], n[CHANGE_NEW], n[CHANGE_GONE]);
	return rc;
}

enum err_code carry_compare(struct run *r, enum side to, int64_t *differ, struct err *err)
{
	struct session *s[2];
	PGresult *res[2] = {NULL, NULL};
	const char *oid;
	enum err_code rc = both_sessions(r, s, err);

	*differ = 0;
	if (rc == ERR_OK)
		rc = list_both(r, s, res, err);
	for (int i = 0, k = 0; rc == ERR_OK && (i < PQntuples(res[other(to)]) || k < PQntuples(res[to]));)
		*differ += next_change(res[other(to)], &i, res[to], &k, &oid) != CHANGE_NONE;
	no_limit(r);
	PQclear(res[0]);
	PQclear(res[1]);
	return rc;
}

/* ---- plan ---- */

#define NAMES_SHOWN 8

static size_t unlogged_names(const struct migration *m, const struct facts *f, struct str *names, int64_t *bytes)
{
	size_t n = 0;

	*bytes = 0;
	for (size_t i = 0; i < f->n_tables; i++) {
		const struct fact_table *t = &f->tables[i];
		if (!is_carried(m, t))
			continue;
		if (n++ < NAMES_SHOWN)
			str_addf(names, "%s%s.%s", names->len ? ", " : "", t->schema, t->name);
		*bytes += t->heap_bytes;
	}
	if (n > NAMES_SHOWN)
		str_addf(names, " and %zu more", n - NAMES_SHOWN);
	return n;
}

/* Who took over a subscription made by hand did not let us make the copy: what the target has of these is not ours to replace. */
static const char *why_not(const struct migration *m, const char *setting)
{
	return m->sub.adopt ? "the subscription was taken over" : str_eq(setting, "unlogged") ? "[cutover] unlogged = no" : "[cutover] large_objects = no";
}

void carry_plan(struct plan *p, const struct migration *m, const struct facts *from, enum side to)
{
	struct str names = {0};
	int64_t bytes;
	char size[32];
	size_t unlogged = unlogged_names(m, from, &names, &bytes);
	bool objects = from->n_large_objects > 0 && m->dump.schemas.n == 0;
	bool rows_too = m->cut.unlogged && !m->sub.adopt, objects_too = m->cut.large_objects && !m->sub.adopt;
	struct step *st = NULL;

	(void)fmt_bytes(size, sizeof size, (double)bytes);
	if (unlogged > 0 && !rows_too)
		strv_addf(&p->notes, "unlogged tables are not carried (%s): %s, %s; they stay as the copy brought them", why_not(m, "unlogged"), str_text(&names), size);
	if ((unlogged > 0 && rows_too) || (objects && objects_too))
		st = plan_step(p, "carry", "bring over what replication does not carry", "Unlogged tables and large objects are not part of any publication; nobody writes to them now.");
	if (unlogged > 0 && rows_too) {
		char *sql = xasprintf("-- %s: %s\nTRUNCATE TABLE ONLY <each>;\nCOPY <each> FROM STDIN;  -- what the other side sends by COPY TO STDOUT", str_text(&names), size);
		(void)step_work(st, (enum where)to, "copy the unlogged tables", work_unlogged, &sides[to], sql);
		free(sql);
	}
	(void)fmt_bytes(size, sizeof size, (double)(from->large_object_bytes > 0 ? from->large_object_bytes : 0));
	if (objects && !objects_too)
		strv_addf(&p->notes, "large objects are not carried (%s): %lld, %s; those that changed since the copy are old on the new primary", why_not(m, "large_objects"),
			  (long long)from->n_large_objects, size);
	if (objects && objects_too) {
		char *sql = xasprintf("-- %lld, %s\nSELECT loid, md5(<its pages>) FROM pg_largeobject GROUP BY loid;  -- on both sides\n"
				      "SELECT lo_create(<new>), lo_put(<changed>, ...), lo_unlink(<gone>);", (long long)from->n_large_objects, size);
		(void)step_work(st, (enum where)to, "make the large objects equal", work_large_objects, &sides[to], sql);
		free(sql);
	}
	str_fini(&names);
}
