#include "method/keep.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "copy/copied.h"
#include "copy/post.h"
#include "pg/foreign.h"

#define NOTE_US 1000000
#define ASK_MS 3000
#define NAMES_BYTES 800
#define COPY_STEP "copy"
#define UNLINK_AT_ONCE "500" /* each takes a lock until its transaction ends */

struct keep {
	struct copied *now;     /* of this copy */
	struct copied *before;  /* of the interrupted one; NULL: nothing is taken up */
	size_t written;         /* tables of now that stand in the file */
	int64_t wrote_us;       /* monotonic */
	bool begun, safe, broken; /* safe: the source cannot lose what its snapshot saw, whatever becomes of it */
};

/* ---- the plan ---- */

static char *on_target(const struct copied *c)
{
	char n[32], of[48], b[32];

	return xasprintf("%s of %s (%s) are on the target already", fmt_count(n, sizeof n, (int64_t)c->n), fmt_things(of, sizeof of, (int64_t)c->of_tables, "table"),
			 fmt_bytes(b, sizeof b, (double)c->bytes));
}

static char *why_not(const struct copied *c, const struct facts *src, const struct facts *dst, const struct model *seen)
{
	struct copied_place now[2] = {{.system = src ? src->system_identifier : NULL}, {.system = dst->system_identifier}};
	struct strv foreign = {0};

	if (!c || !seen->begin || !str_eq(c->run, seen->begin->id) || (c->n == 0 && !c->never))
		return xstrdup("no table that is complete is written down");
	foreign_names(src, dst, &foreign);
	bool others = foreign.n > 0;
	strv_fini(&foreign);
	return others ? xstrdup("the target holds what the source does not have") : copied_why_not(c, now);
}

bool keep_may(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst, const struct model *seen)
{
	char *dir = migration_state_dir(m);
	struct copied *c = copied_read(dir);
	char *why = why_not(c, src, dst, seen);

	if (why) {
		strv_addf(&p->notes, "taken up again, from the start: %s", why);
	} else {
		char *what = on_target(c);
		strv_addf(&p->notes, "taken up again: %s; those that have not changed on the source since are kept, the rest is copied again", what);
		free(what);
	}
	bool may = !why;
	free(why);
	free(dir);
	copied_free(c);
	return may;
}

/* ---- both servers ---- */

/* Read in a snapshot, the xmin is the snapshot's. No function that a standby refuses is called on one. */
static enum err_code read_place(struct session *s, const char *system, struct copied_place *out, struct err *err)
{
	static const char sql[] =
		"SELECT txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot()),"
		" CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END,"
		" CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() - '0/0'::pg_lsn END,"
		" (SELECT oid FROM pg_database WHERE datname = current_database())";
	PGresult *r;
	enum err_code rc = session_exec(s, sql, 0, NULL, 0, &r, err);

	if (rc != ERR_OK)
		return rc;
	copied_place_fini(out);
	*out = (struct copied_place){.system = xstrdup(system), .timeline = cell_dup(r, 0, 2), .database = cell_i64(r, 0, 4), .xid = cell_i64(r, 0, 0), .lsn = cell_i64(r, 0, 3)};
	PQclear(r);
	return ERR_OK;
}

/* Those that were never dropped stand in pg_dump's words. A table has at most 1,600, dropped ones too. */
static enum err_code read_columns(struct session *s, int64_t *columns, struct err *err)
{
	static const char sql[] =
		"SELECT coalesce(sum(c.oid::int8 * 2000 + c.relnatts), 0)::int8 FROM pg_class c WHERE c.relkind IN ('r', 'p', 'c') AND c.relpersistence <> 't'"
		" AND c.oid IN (SELECT attrelid FROM pg_attribute WHERE attisdropped)";
	PGresult *r;
	enum err_code rc = session_exec(s, sql, 0, NULL, 0, &r, err);

	if (rc != ERR_OK)
		return rc;
	*columns = cell_i64(r, 0, 0);
	PQclear(r);
	return ERR_OK;
}

static const char *system_of(const struct run *r, enum side side)
{
	return r->facts[side] ? r->facts[side]->system_identifier : NULL;
}

static void never(struct copied *c, const char *why)
{
	if (!c->never)
		c->never = xstrdup(why);
}

enum err_code keep_source(struct run *r, struct err *err)
{
	keep_release(r);
	r->keep = xcalloc(1, sizeof *r->keep);
	r->keep->now = xcalloc(1, sizeof *r->keep->now);
	struct copied *c = r->keep->now;
	c->run = xstrdup(r->live->begin ? r->live->begin->id : NULL);
	c->of_tables = r->rows->n_tables;
	enum err_code rc = read_place(r->snapshot, system_of(r, SIDE_SOURCE), &c->at[SIDE_SOURCE], err);
	if (rc == ERR_OK)
		rc = read_columns(r->snapshot, &c->columns, err);
	if (rc == ERR_OK && !c->at[SIDE_SOURCE].timeline)
		never(c, "the source was a standby, whose snapshots do not say enough to tell new rows from old ones");
	return rc;
}

/* Nothing of it can be kept. */
static enum err_code over(struct run *r, const char *why, struct err *err)
{
	run_note(r, "from the start", "what was copied before cannot be kept, and is removed first: %s", why);
	copied_remove(r->state_dir);
	r->begin_again = true;
	return err_set(err, ERR_BLOCKED, "what was copied before cannot be kept: %s", why);
}

enum err_code keep_target(struct run *r, bool taken_up, struct err *err)
{
	struct keep *k = r->keep;
	struct session *s;
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);

	if (rc == ERR_OK)
		rc = read_place(s, system_of(r, SIDE_TARGET), &k->now->at[SIDE_TARGET], err);
	if (rc != ERR_OK || !taken_up)
		return rc;
	k->before = copied_read(r->state_dir);
	char *why = !k->before || !str_eq(k->before->run, k->now->run) ? xstrdup("what was complete is not written down any more")
		    : k->now->never ? xstrdup(k->now->never) : copied_why_not(k->before, k->now->at);
	if (why && k->before && k->before->at[SIDE_TARGET].database != k->now->at[SIDE_TARGET].database) { /* not the one that the attempt made */
		char *left = xasprintf("database:%s", r->m->end[SIDE_TARGET].dbname);
		run_emit(r, event_new(EV_REMOVED, left));
		free(left);
	}
	if (why)
		rc = over(r, why, err);
	free(why);
	return rc;
}

/* ---- before rows travel ---- */

enum err_code keep_look(struct run *r, const char *sql, struct err *err)
{
	struct keep *k = r->keep;
	enum err_code rc = post_fingerprint(sql, &k->now->before_rows, &k->now->behind_rows, err);

	if (rc != ERR_OK)
		return rc;
	if (k->now->before_rows != k->before->before_rows)
		return over(r, "the source's tables, types, functions or grants have been altered since", err);
	if (k->now->columns != k->before->columns)
		return over(r, "columns of the source have been dropped and made anew since", err);
	struct copy_had *had = xcalloc(r->rows->n_tables + 1, sizeof *had);
	for (size_t i = 0; i < r->rows->n_tables; i++) {
		const struct copied_table *t = copied_find(k->before, r->rows->tables[i].oid, r->rows->tables[i].id);
		had[i] = t && r->rows->tables[i].dated ? (struct copy_had){.rows = t->rows, .xid = t->xid} : (struct copy_had){.rows = -1};
	}
	copy_look(r->copy, had, k->before->at[SIDE_SOURCE].xid, k->now->behind_rows == k->before->behind_rows);
	free(had);
	return ERR_OK;
}

static void add_name(struct str *s, const char *name, size_t *left_out)
{
	if (s->len + strlen(name) < NAMES_BYTES)
		str_addf(s, "%s%s", s->len ? ", " : "", name);
	else
		(*left_out)++;
}

static void note_names(struct run *r, const char *title, struct str *names, size_t left_out)
{
	if (left_out > 0)
		str_addf(names, " and %zu more", left_out);
	if (names->len > 0)
		run_note(r, title, "%s", str_text(names));
	str_fini(names);
}

enum err_code keep_judge(struct run *r, struct err *err)
{
	const struct keep *k = r->keep;
	struct str kept = {0}, changed = {0};
	size_t n = 0, more_kept = 0, more_changed = 0;
	int64_t bytes = 0;
	char b[32], c[32];

	if (cancel_raised(r->cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	if (copy_misses(r->copy))
		return over(r, "a table that was made is not on the target any more", err);
	for (size_t i = 0; i < r->rows->n_tables; i++) {
		const struct copy_table *t = &r->rows->tables[i];
		const struct copied_table *had = copied_find(k->before, t->oid, t->id);
		if (!copy_keeps(r->copy, i)) {
			if (had)
				add_name(&changed, t->id, &more_changed);
			continue;
		}
		copied_add(k->now, t->oid, t->id, had->rows, t->bytes, had->xid);
		add_name(&kept, t->id, &more_kept);
		bytes += t->bytes;
		n++;
	}
	char *what = on_target(k->before);
	run_note(r, "taken up again", "%s; %s of them (%s) have not changed since on either side and are kept, the rest is copied again", what,
		 fmt_count(c, sizeof c, (int64_t)n), fmt_bytes(b, sizeof b, (double)bytes));
	free(what);
	note_names(r, "kept, not copied again", &kept, more_kept);
	note_names(r, "changed since, copied again", &changed, more_changed);
	return ERR_OK;
}

/* same_keys: what stands on the target behind the rows is of this dump. n: tables that are said. */
static enum err_code write_head(struct keep *k, bool same_keys, size_t n, const char *dir, struct err *err)
{
	size_t all = k->now->n;
	int64_t behind = k->now->behind_rows;

	k->now->n = n;
	k->now->behind_rows = same_keys ? behind : ~behind;
	enum err_code rc = copied_write(k->now, dir, err);
	k->now->n = all;
	k->now->behind_rows = behind;
	return rc;
}

enum err_code keep_begin(struct run *r, const char *sql, struct err *err)
{
	struct keep *k = r->keep;
	enum err_code rc = post_fingerprint(sql, &k->now->before_rows, &k->now->behind_rows, err);

	if (rc == ERR_OK)
		rc = write_head(k, !k->before || k->before->behind_rows == k->now->behind_rows, k->now->n, r->state_dir, err);
	k->begun = rc == ERR_OK;
	k->written = k->now->n;
	return rc;
}

enum err_code keep_cleared(struct run *r, struct err *err)
{
	struct keep *k = r->keep;

	if (!k->before || k->broken || k->before->behind_rows == k->now->behind_rows)
		return ERR_OK;
	return write_head(k, true, k->written, r->state_dir, err);
}

/* Those of the same step are forgotten when it begins again, because they are found anew: these are not. */
void keep_say_again(struct run *r)
{
	for (size_t i = 0; r->keep->before && r->seen && i < r->seen->issues.n; i++) {
		const struct event *e = r->seen->issues.v[i].last;
		if (!str_eq(e->why, COPY_STEP) || str_empty(e->title) || !copy_keeps_object(r->copy, e->title))
			continue;
		r->attention += e->verdict == VERDICT_WARN;
		run_emit(r, event_dup(e));
	}
}

/* ---- while they do ---- */

/*
 * A source that crashes may lose what it has committed without waiting for its disk, and give the same numbers to other transactions: once WAL
 * is there up to where the snapshot was taken, all transactions that it saw ended keep theirs.
 */
static bool source_is_safe(struct run *r)
{
	char *sql = xasprintf("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn >= %lld", (long long)r->keep->now->at[SIDE_SOURCE].lsn), *yes = NULL;
	struct session *s;
	struct err ignored;

	if (run_glance(r, SIDE_SOURCE, &s, &ignored) == ERR_OK)
		(void)session_value(s, sql, &yes, &ignored);
	bool safe = str_eq(yes, "t");
	free(sql);
	free(yes);
	return safe;
}

/* The rows' transactions did not wait for the target's disk: this one does, and all before it is there then. -1: it cannot be had. */
static int64_t target_on_disk(struct run *r)
{
	static const char sql[] = "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'pgusher', 'tables are complete');"
				  " SELECT txid_snapshot_xmax(txid_current_snapshot())";
	struct session *s;
	struct err ignored;
	PGresult *res = NULL;
	int64_t xid = -1;

	if (run_glance(r, SIDE_TARGET, &s, &ignored) == ERR_OK && session_exec(s, sql, 0, NULL, ASK_MS, &res, &ignored) == ERR_OK)
		xid = cell_i64(res, 0, 0);
	PQclear(res);
	return xid;
}

void keep_note(struct run *r, bool now)
{
	struct keep *k = r->keep;
	int64_t at = clock_mono_us();
	size_t table;
	struct err ignored;

	if (!k || !k->begun || k->broken || k->now->never || cancel_raised(r->cancel) || (!now && at - k->wrote_us < NOTE_US))
		return;
	for (int64_t rows; copy_take_table(r->copy, &table, &rows);) {
		const struct copy_table *t = &r->rows->tables[table];
		if (t->dated)
			copied_add(k->now, t->oid, t->id, rows, t->bytes, 0);
	}
	if (k->written == k->now->n)
		return;
	k->wrote_us = at;
	k->safe = k->safe || source_is_safe(r);
	int64_t xid = k->safe ? target_on_disk(r) : -1;
	if (xid < 0) /* next time */
		return;
	for (size_t i = k->written; i < k->now->n; i++)
		k->now->tables[i].xid = xid;
	k->broken = copied_append(k->now, k->written, r->state_dir, &ignored) != ERR_OK; /* then those are copied again */
	k->written = k->now->n;
}

void keep_release(struct run *r)
{
	if (!r->keep)
		return;
	copied_free(r->keep->now);
	copied_free(r->keep->before);
	free(r->keep);
	r->keep = NULL;
}

enum err_code work_clear_large_objects(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);

	(void)arg;
	for (bool more = true; rc == ERR_OK && more && !cancel_raised(r->cancel);) {
		char *n = NULL;
		rc = session_value(s, "SELECT nullif(count(lo_unlink(oid)), 0) FROM (SELECT oid FROM pg_largeobject_metadata LIMIT " UNLINK_AT_ONCE ") l", &n, err);
		more = n != NULL;
		free(n);
	}
	return rc;
}
