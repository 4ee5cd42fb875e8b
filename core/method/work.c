#include "method/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/place.h"
#include "method/dump.h"
#include "method/patient.h"
#include "method/replication.h"
#include "method/rewritten.h"
#include "method/rows.h"
#include "method/same.h"
#include "pg/choice.h"
#include "verify/store.h"

#define NARROW_KEYS 20   /* of one unequal table */
#define NARROW_TABLES 5  /* more would take long and say no more */
#define CHANGED_SHOWN 10
#define RETRY_TRIES 7   /* of the proof: after 1, 2, 4 ... 32 s */
#define RETRY_LAST_S 32

static enum err_code open_snapshot(struct run *r, struct err *err)
{
	struct session_options opt = {.application_name = r->app};
	enum err_code rc = patient_open(r, SIDE_SOURCE, &r->m->end[SIDE_SOURCE], &opt, &r->snapshot, err);

	if (rc == ERR_OK)
		rc = session_run(r->snapshot, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
	if (rc == ERR_OK)
		rc = session_value(r->snapshot, "SELECT pg_export_snapshot()", &r->snapshot_name, err);
	if (rc != ERR_OK)
		(void)err_prefix(err, "cannot open a snapshot on the source");
	return rc;
}

/* n_tup_* of every table, a partitioned one with all below it, by "schema.name": what moves from here on is what the copy does not have. */
static enum err_code read_changed(struct session *s, PGresult **res, struct err *err)
{
	return session_exec(s,
		"WITH RECURSIVE below(root, leaf) AS (SELECT p.partrelid, i.inhrelid FROM pg_partitioned_table p JOIN pg_inherits i ON i.inhparent = p.partrelid"
		"  UNION ALL SELECT b.root, i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.leaf)"
		" SELECT n.nspname, c.relname, sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::bigint"
		" FROM (SELECT oid AS root, oid AS leaf FROM pg_class UNION ALL SELECT root, leaf FROM below) b JOIN pg_stat_user_tables s ON s.relid = b.leaf"
		" JOIN pg_class c ON c.oid = b.root JOIN pg_namespace n ON n.oid = c.relnamespace GROUP BY n.nspname, c.relname"
		" ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"", 0, NULL, 0, res, err);
}

static int64_t changed_of(const PGresult *res, const char *schema, const char *name)
{
	int lo = 0, hi = PQntuples(res) - 1;

	while (lo <= hi) {
		int mid = (lo + hi) / 2, c = strcmp(cell(res, mid, 0), schema);
		if (c == 0)
			c = strcmp(cell(res, mid, 1), name);
		if (c == 0)
			return cell_i64(res, mid, 2);
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid - 1;
	}
	return 0;
}

static enum err_code note_changed(struct run *r, struct err *err)
{
	struct session *s;
	PGresult *res;
	enum err_code rc = run_session(r, SIDE_SOURCE, NULL, &s, err);

	if (rc == ERR_OK)
		rc = read_changed(s, &res, err);
	if (rc != ERR_OK)
		return rc;
	for (size_t i = 0; i < r->verify->n_tables; i++) {
		struct verify_table *t = &r->verify->tables[i];
		t->changed_at_snapshot = changed_of(res, t->schema, t->name);
	}
	PQclear(res);
	return ERR_OK;
}

enum err_code work_snapshot(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	struct facts *now = NULL;
	enum err_code rc = arg ? replication_snapshot(r, err) : open_snapshot(r, err);

	if (rc == ERR_OK && !r->snapshot) /* the server's own copy needs none */
		return ERR_OK;
	if (rc == ERR_OK && r->m->dump.transfer == TRANSFER_STREAM && !r->m->dump.dump_only)
		rc = rows_list(r, err);
	if (rc != ERR_OK || r->m->dump.verify == VERIFY_OFF)
		return rc;
	/* the preflight may be hours old: what is proven is what the snapshot holds, as the dump */
	rc = run_session(r, SIDE_SOURCE, NULL, &s, err);
	if (rc == ERR_OK)
		rc = facts_read_content(&now, s, r->snapshot_name, err);
	if (rc != ERR_OK)
		return rc;
	choice_mark(r->m, now, r->facts[SIDE_TARGET]);
	r->verify = verify_plan(r->m, now, r->facts[SIDE_TARGET]);
	facts_free(now);
	rc = note_changed(r, err);
	if (rc == ERR_OK)
		rc = verify_start(&r->job, r->verify, SIDE_SOURCE, &r->m->end[SIDE_SOURCE], r->app, r->snapshot_name,
				  r->m->dump.jobs > 2 ? r->m->dump.jobs / 2 : 1, r->cancel, err);
	return rc;
}

static void emit_verify_progress(struct run *r)
{
	struct verify_progress p;
	struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);

	verify_peek(r->job, &p);
	e->n = p.bytes;
	e->of = p.of_bytes;
	e->a = (int64_t)p.tables;
	e->b = (int64_t)p.of_tables;
	xreplace(&e->text, p.current);
	run_emit(r, e);
}

static enum err_code wait_verify(struct run *r, struct err *err)
{
	for (;;) {
		struct verify_progress p;
		struct pollfd fd[2] = {{.fd = verify_fd(r->job), .events = POLLIN}, {.fd = r->cancel->fd, .events = POLLIN}};
		verify_peek(r->job, &p);
		emit_verify_progress(r);
		if (p.finished || cancel_raised(r->cancel))
			break;
		if (poll(fd, 2, 500) < 0 && errno != EINTR)
			return err_errno(err, "poll");
	}
	enum err_code rc = verify_finish(r->job, err);
	r->job = NULL;
	if (cancel_raised(r->cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	return rc;
}

enum err_code work_source_proof(struct run *r, const void *arg, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (r->job)
		rc = wait_verify(r, err);
	if (rc == ERR_OK)
		rc = rewritten_look(r, err);
	if (rc == ERR_OK && r->verify) {
		struct session *s;
		rc = run_session(r, SIDE_SOURCE, NULL, &s, err);
		if (rc == ERR_OK)
			rc = verify_reread_sequences(r->verify, s, err);
		if (rc == ERR_OK)
			rc = verify_save(r->verify, arg, err);
	}
	session_close(r->snapshot);
	r->snapshot = NULL;
	xreplace(&r->snapshot_name, NULL);
	return rc;
}

void work_on_disk(struct step *st)
{
	step_sql(st, ON_TARGET, NULL,
		 "SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'pgusher', 'all of it is on disk')")->may_repeat = true;
}

static enum err_code remove_in(int dirfd, const char *name, struct err *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return ERR_OK;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(err, "cannot remove %s", name);
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d)
		return err_errno(err, "cannot remove %s", name);
	enum err_code rc = ERR_OK;
	for (struct dirent *e; rc == ERR_OK && (e = readdir(d)) != NULL;)
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") && unlinkat(fd, e->d_name, 0) < 0)
			rc = err_errno(err, "cannot remove %s/%s", name, e->d_name);
	(void)closedir(d);
	if (rc == ERR_OK && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		rc = err_errno(err, "cannot remove %s", name);
	return rc;
}

/* A dump in directory format has no folders inside, so that this cannot walk into anything else. */
enum err_code work_clear_path(struct run *r, const void *arg, struct err *err)
{
	const struct strv *prefix = &r->m->tools_prefix;
	char *proof = dump_proof_path(r->m, arg), *out = NULL;
	enum err_code rc;
	if (prefix->n)
		rc = place_output(prefix, (const char *const[]){"rm", "-rf", "--", arg, NULL}, r->cancel, &out, err);
	else
		rc = remove_in(AT_FDCWD, arg, err);
	free(out);
	if (rc == ERR_OK)
		rc = remove_in(AT_FDCWD, proof, err);
	free(proof);
	return rc;
}

enum err_code work_target_empty(struct run *r, const void *arg, struct err *err)
{
	static const char sql[] =
		"SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"
		" AND c.relpersistence <> 't' AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
		" AND d.objid = c.oid AND d.deptype = 'e') LIMIT 1";
	struct session *s;
	char *name = NULL;

	(void)arg;
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);
	if (rc == ERR_OK)
		rc = session_value(s, sql, &name, err);
	if (rc == ERR_OK && name) {
		rc = err_set(err, ERR_BLOCKED, "the target database is no longer empty: it has %s", name);
		(void)err_hint(err, "somebody filled it since the preflight; look again, and choose another database or empty it");
	}
	free(name);
	return rc;
}

/* sums: of source and target; NULL: there are none. */
static void emit_proof(struct run *r, const char *id, enum state st, int64_t n, int64_t of, const char *detail, char *const sums[2])
{
	struct event *e = event_new(EV_PROOF, id);

	if (sums) {
		xreplace(&e->needed, sums[SIDE_SOURCE]);
		xreplace(&e->hint, sums[SIDE_TARGET]);
	}
	e->state = st;
	e->n = n;
	e->of = of;
	xreplace(&e->text, detail);
	xreplace(&e->why, r->step ? r->step->id : NULL);
	run_emit(r, e);
	r->unequal += st == ST_FAILED;
}

/* The rows that differ, by key: from the source as it is now, which is said. */
static void narrow(struct run *r, const struct verify_table *t)
{
	struct session *src, *dst;
	struct strv keys = {0};
	struct err err;

	if (run_glance(r, SIDE_SOURCE, &src, &err) != ERR_OK || run_glance(r, SIDE_TARGET, &dst, &err) != ERR_OK)
		return;
	if (verify_narrow(t, src, NULL, dst, NARROW_KEYS, &keys, &err) != ERR_OK) {
		run_note(r, "rows that differ", "%s.%s cannot be narrowed to rows: %s", t->schema, t->name, err.msg);
	} else {
		char *list = strv_join(&keys, "; ");
		run_note(r, "rows that differ", "%s.%s, target against the source as it is now: %s", t->schema, t->name,
			 *list ? list : "none (the source has changed since)");
		free(list);
	}
	strv_fini(&keys);
}

static void emit_tables(struct run *r)
{
	int narrowed = 0;

	for (size_t i = 0; i < r->verify->n_tables; i++) {
		const struct verify_table *t = &r->verify->tables[i];
		char *detail = NULL, *id = xasprintf("%s.%s", t->schema, t->name);
		enum state st = verify_table_state(t, r->verify->mode, &detail);
		emit_proof(r, id, st, t->rows[SIDE_SOURCE], t->rows[SIDE_TARGET], detail, t->sum);
		if (st == ST_FAILED && r->facts[SIDE_SOURCE] && narrowed++ < NARROW_TABLES)
			narrow(r, t);
		free(detail);
		free(id);
	}
}

/* Sequences: one line for all that are well, one for each that is not. */
static void emit_rest(struct run *r)
{
	bool follows = r->m->method == METHOD_SUBSCRIPTION && !r->cutover; /* replication does not carry them */
	size_t good = 0, behind = 0;
	char *detail = NULL;

	for (size_t i = 0; i < r->verify->n_seqs; i++) {
		const struct verify_seq *s = &r->verify->seqs[i];
		enum state st = verify_seq_state(s, &detail);
		if (st == ST_DONE) {
			good++;
		} else if (st == ST_FAILED && follows && s->known[SIDE_TARGET]) {
			behind++;
		} else {
			char *id = xasprintf("sequence %s.%s", s->schema, s->name);
			emit_proof(r, id, st, 0, 0, detail, NULL);
			free(id);
		}
		free(detail);
		detail = NULL;
	}
	if (good > 0)
		emit_proof(r, "sequences", ST_DONE, (int64_t)good, (int64_t)good, "each stands where it stood, or moved on during the copy", NULL);
	if (behind > 0)
		run_note(r, "sequences", "%zu moved on since the copy: replication does not carry them, the cutover brings them over", behind);
	if (r->verify->has_large_objects) {
		enum state st = verify_lo_state(r->verify, &detail);
		emit_proof(r, "large objects", st, r->verify->lo_count[SIDE_SOURCE], r->verify->lo_count[SIDE_TARGET], detail, r->verify->lo_sum);
		free(detail);
	}
	for (size_t i = 0; i < r->verify->not_verified.n; i++)
		run_note(r, "not verified", "%s", r->verify->not_verified.v[i]);
}

static enum err_code read_target(struct run *r, struct err *err)
{
	enum err_code rc = r->reach(r->arg, SIDE_TARGET, err);

	if (rc == ERR_OK)
		rc = verify_start(&r->job, r->verify, SIDE_TARGET, &r->m->end[SIDE_TARGET], r->app, NULL, r->m->dump.jobs, r->cancel, err);
	if (rc == ERR_OK)
		rc = wait_verify(r, err);
	return rc;
}

static enum err_code read_target_patiently(struct run *r, struct err *err)
{
	struct patience p = {.of = RETRY_TRIES, .most_s = RETRY_LAST_S};
	enum err_code rc = read_target(r, err);

	while (rc != ERR_OK && patient_again(r, SIDE_TARGET, &p, "the target's proof", err)) {
		verify_forget(r->verify, SIDE_TARGET);
		rc = read_target(r, err);
	}
	return rc == ERR_OK ? ERR_OK : err->code;
}

enum err_code work_proof(struct run *r, const void *arg, struct err *err)
{
	struct err lerr;
	char n[48];
	enum err_code rc = ERR_OK;

	if (!r->verify) { /* another process read the source: its figures are in the file */
		rc = verify_load(&r->verify, arg, &lerr);
		if (rc != ERR_OK) {
			char *why = xasprintf("%s; %s", lerr.msg, lerr.hint);
			emit_proof(r, "the whole database", ST_SKIPPED, 0, 0, why, NULL);
			free(why);
			return ERR_OK;
		}
	}
	rc = read_target_patiently(r, err);
	if (rc != ERR_OK)
		return rc;
	emit_tables(r);
	emit_rest(r);
	if (r->facts[SIDE_SOURCE] && same_prove(r, err) != ERR_OK)
		return err->code;
	if (r->unequal > 0) {
		err_set(err, ERR_DIFFERS, r->unequal == 1 ? "%d of %s differs from the source's snapshot" : "%d of %s differ from the source's snapshot", r->unequal,
			fmt_things(n, sizeof n, (int64_t)r->verify->n_tables, "table"));
		return err_hint(err, "see the proof for the tables and rows; do not use the target before it is understood");
	}
	return ERR_OK;
}

/* Both at the same time, until the end, the deadline (0: none), or cancel. *late: not all was read. */
static enum err_code wait_both(struct run *r, struct verify_job *const jobs[2], struct cancel *stop, int64_t deadline_us, bool *late)
{
	for (;;) {
		struct verify_progress p[2] = {{.finished = true}, {.finished = true}};
		struct pollfd fd[3] = {{.fd = r->cancel->fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
		struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);
		for (int i = 0; i < 2; i++)
			if (jobs[i]) {
				verify_peek(jobs[i], &p[i]);
				fd[i + 1].fd = p[i].finished ? -1 : verify_fd(jobs[i]);
				e->n += p[i].bytes;
				e->of += p[i].of_bytes;
				e->a += (int64_t)p[i].tables;
				e->b += (int64_t)p[i].of_tables;
				if (!e->text)
					xreplace(&e->text, p[i].current);
			}
		run_emit(r, e);
		*late = deadline_us && clock_mono_us() > deadline_us;
		if (*late || cancel_raised(r->cancel))
			cancel_raise(stop); /* the readers listen to nothing else */
		if (*late || cancel_raised(r->cancel) || (p[0].finished && p[1].finished))
			return ERR_OK;
		if (poll(fd, 3, deadline_us ? 50 : 500) < 0 && errno != EINTR)
			return ERR_IO;
	}
}

/* Equal in nothing is no proof: whoever follows a source that has tables, and none of them, compares the wrong ones. */
static enum err_code something_to_compare(const struct run *r, const struct facts *src, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < src->n_tables; i++)
		n += src->tables[i].kind == 'r' && !src->tables[i].extension;
	if (r->m->method != METHOD_SUBSCRIPTION || r->verify->n_tables > 0 || n == 0)
		return ERR_OK;
	err_set(err, ERR_BLOCKED, "nothing would be compared: none of the %zu tables of the source is known to be followed", n);
	return err_hint(err, "see that [subscription] names what the target follows, and that its publication is on the source: SELECT * FROM pg_publication_tables");
}

enum err_code work_read_both(struct run *r, enum verify_mode mode, int64_t deadline_us, bool *late, enum side *who, struct err *err)
{
	const struct facts *src = r->facts[SIDE_SOURCE];
	struct verify_job *jobs[2] = {NULL, NULL};
	enum side anybody = SIDE_SOURCE;
	struct cancel stop;

	who = who ? who : &anybody;
	*who = SIDE_SOURCE;
	*late = false;
	if (!src->tables || src->columns_unread) {
		err_set(err, ERR_SQL, "the source's catalogue could not be read; %s", src->unseen.n ? src->unseen.v[0] : "no tables");
		return err_hint(err, "use a role with more rights, or try again when no long lock is held");
	}
	if (!cancel_init(&stop))
		return err_errno(err, "no descriptor is left");
	struct migration m = *r->m; /* only looked at */
	m.dump.verify = mode;
	verify_free(r->verify);
	r->verify = verify_plan(&m, src, r->facts[SIDE_TARGET]);
	enum err_code rc = something_to_compare(r, src, err);
	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		*who = (enum side)i;
		rc = r->reach(r->arg, (enum side)i, err);
		if (rc == ERR_OK)
			rc = verify_start(&jobs[i], r->verify, (enum side)i, &r->m->end[i], r->app, NULL, r->m->dump.jobs, &stop, err);
	}
	if (rc == ERR_OK && wait_both(r, jobs, &stop, deadline_us, late) != ERR_OK)
		rc = err_errno(err, "poll");
	if (rc != ERR_OK)
		cancel_raise(&stop);
	for (int i = 0; i < 2; i++) {
		struct err why = {0};
		enum err_code one = jobs[i] ? verify_finish(jobs[i], &why) : ERR_OK;
		if (rc == ERR_OK && one != ERR_OK && !(*late && one == ERR_CANCELLED)) {
			rc = (*err = why).code;
			*who = (enum side)i;
		}
	}
	cancel_fini(&stop);
	return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : rc;
}

enum err_code work_say_both(struct run *r, struct err *err)
{
	char n[48];

	emit_tables(r);
	emit_rest(r);
	if (r->unequal > 0)
		return err_set(err, ERR_DIFFERS, r->unequal == 1 ? "%d of %s differs" : "%d of %s differ", r->unequal, fmt_things(n, sizeof n, (int64_t)r->verify->n_tables, "table"));
	return ERR_OK;
}

/* The figures of both sides as they are now; each at one instant of its own. */
enum err_code work_recheck(struct run *r, const void *arg, struct err *err)
{
	enum verify_mode mode = r->m->dump.verify == VERIFY_OFF ? VERIFY_CHECKSUM : r->m->dump.verify; /* off is about a run; here somebody asks for it */
	struct patience p = PATIENCE;
	enum side who;
	bool late;
	enum err_code rc;

	(void)arg;
	do
		rc = work_read_both(r, mode, 0, &late, &who, err);
	while (rc != ERR_OK && patient_again(r, who, &p, who == SIDE_SOURCE ? "the source's proof" : "the target's proof", err));
	if (rc != ERR_OK)
		return err->code;
	rc = work_say_both(r, err);
	struct err why;
	return same_prove(r, &why) == ERR_OK ? rc : (*err = why).code;
}

static void say_changed(struct run *r, const PGresult *res)
{
	struct str s = {0};
	size_t n = 0;

	for (size_t i = 0; i < r->verify->n_tables; i++) {
		const struct verify_table *t = &r->verify->tables[i];
		int64_t d = changed_of(res, t->schema, t->name) - t->changed_at_snapshot;
		if (d <= 0)
			continue;
		if (n++ < CHANGED_SHOWN)
			str_addf(&s, "%s%s.%s (%lld)", s.len ? ", " : "", t->schema, t->name, (long long)d);
	}
	if (n > CHANGED_SHOWN)
		str_addf(&s, " and %zu more", n - CHANGED_SHOWN);
	r->moved_on = n > 0;
	if (n > 0)
		run_note(r, "changed on the source since the snapshot",
			 "the target does not have these changes: %s (rows written, as the source's statistics count them)", str_text(&s));
	else
		run_note(r, "changed on the source since the snapshot", "nothing, as far as the source's statistics tell");
	str_fini(&s);
}

static bool no_dump(const char *left_id)
{
	return !str_starts(left_id, "dump:");
}

enum err_code work_finish(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	PGresult *res;
	struct err ignored;

	(void)arg;
	(void)err;
	/* the content is the product now, not a leftover */
	run_keep(r, no_dump);
	if (!r->verify || !r->facts[SIDE_SOURCE] || r->m->dump.use_file)
		return ERR_OK;
	/* a source that is gone by now does not make the copy worse */
	if (run_glance(r, SIDE_SOURCE, &s, &ignored) != ERR_OK || read_changed(s, &res, &ignored) != ERR_OK) {
		run_note(r, "changed on the source since the snapshot", "unknown: %s", ignored.msg);
		return ERR_OK;
	}
	say_changed(r, res);
	PQclear(res);
	return ERR_OK;
}
