/*
 * The pool of threads that reads one side. Worker 0 opens the transaction, exports its snapshot when none was given, and cuts
 * the work into items; the others join that snapshot. All of them stay in their transactions until the last item is done:
 * the snapshot lives as long. Locks do not: nobody who wants to truncate or alter a table waits for more than the statement that reads it.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "verify/cut.h"

#define MAX_JOBS 64
#define LOCKED_MS 10000 /* a table that somebody keeps locked for so long is not read */

/* What the ranges of a table gave so far. */
struct sum_so_far {
	__int128 sum;
	int64_t rows, us;
	size_t left;          /* items of this table not yet done */
	bool counted_only;
};

struct verify_job {
	struct verify_set *set;
	enum side side;
	const struct endpoint *ep;
	char *application_name, *snapshot;
	int wake_fd, quit_fd;

	pthread_mutex_t lock; /* everything down to err */
	pthread_cond_t moved;
	int lock_ms;          /* half of the server's deadlock_timeout */
	bool ready, stop;     /* items can be taken / nobody takes any more */
	struct item_list items;
	size_t next;
	struct sum_so_far *sums;
	int working;          /* threads that may still read */
	struct err err;       /* the first one counts */

	struct cancel cancel; /* ours: the operator's cancel and our own errors both raise it */
	struct cancel *outer;
	pthread_t threads[MAX_JOBS], watcher;
	int n_threads;
	bool watching;

	atomic_llong bytes;
	atomic_size_t tables;
	const char *_Atomic current;
	atomic_bool finished;
};

struct worker { struct verify_job *job; struct session *session; int index; };

static void wake(const struct verify_job *j)
{
	uint64_t one = 1;

	(void)!write(j->wake_fd, &one, sizeof one); /* full is readable, too */
}

/* Ends the job: running statements are cancelled, nobody takes another item. */
static void job_fail(struct verify_job *j, const struct err *err)
{
	(void)pthread_mutex_lock(&j->lock);
	if (j->err.code == ERR_OK)
		j->err = *err;
	j->stop = true;
	(void)pthread_cond_broadcast(&j->moved);
	(void)pthread_mutex_unlock(&j->lock);
	cancel_raise(&j->cancel);
}

/* ---- cutting the work ---- */

/* Tables of the set that this side has not are settled here. */
static void note_missing(struct verify_job *j, size_t i)
{
	struct err *e = &j->set->tables[i].err[j->side];

	(void)err_set(e, ERR_SQL, "there is no table %s", j->set->tables[i].id);
	memcpy(e->sqlstate, "42P01", sizeof e->sqlstate);
	(void)atomic_fetch_add(&j->tables, 1);
}

static enum err_code cut_work(struct verify_job *j, struct session *s, struct err *err)
{
	struct verify_set *v = j->set;
	struct read_size *sizes = xcalloc(v->n_tables + 1, sizeof *sizes);
	size_t *parts = xcalloc(v->n_tables + 1, sizeof *parts);
	enum err_code rc = read_sizes(s, v, sizes, err);

	if (rc == ERR_OK) {
		bool ranges = j->n_threads > 1 && session_version(s) >= 140000; /* before, a range would read the whole table */
		(void)pthread_mutex_lock(&j->lock);
		cut_items(&j->items, v, sizes, ranges ? cut_range_bytes(v, sizes, j->n_threads) : 0, parts);
		for (size_t i = 0; i < v->n_tables; i++) {
			j->sums[i].left = parts[i];
			if (parts[i] == 0)
				note_missing(j, i);
		}
		(void)pthread_mutex_unlock(&j->lock);
	}
	free(sizes);
	free(parts);
	return rc;
}

/* ---- results ---- */

static void add_progress(struct verify_job *j, int64_t bytes)
{
	(void)atomic_fetch_add(&j->bytes, bytes);
	wake(j);
}

/* One of the table's items is done: row 'row' of r has its numbers, or err says why not. Called with the lock held. */
static void table_part(struct verify_job *j, size_t i, const PGresult *r, int row, int64_t us, const struct err *err)
{
	struct verify_table *t = &j->set->tables[i];
	struct sum_so_far *so = &j->sums[i];

	if (err && t->err[j->side].code == ERR_OK)
		t->err[j->side] = *err;
	if (!err) {
		so->rows += cell_i64(r, row, 1);
		so->counted_only = PQgetisnull(r, row, 2);
		cut_sum_add(&so->sum, cell(r, row, 2));
	}
	so->us += us;
	if (--so->left > 0)
		return;
	t->us[j->side] = so->us;
	(void)atomic_fetch_add(&j->tables, 1);
	if (t->err[j->side].code != ERR_OK)
		return;
	t->known[j->side] = true;
	t->rows[j->side] = so->rows;
	t->sum[j->side] = so->counted_only ? NULL : cut_sum_text(so->sum);
}

/* An error of the tables at hand, or one that ends the job? */
static bool ends_job(const struct verify_job *j, const struct session *s, enum err_code rc)
{
	if (cancel_raised(&j->cancel) || !session_alive(s))
		return true;
	return rc != ERR_SQL && rc != ERR_NOSPACE && rc != ERR_CANCELLED; /* cancelled by somebody else: one statement of many */
}

/*
 * Reads tables first .. first + n - 1 in one statement. ROLLBACK TO comes first: it clears what an error left, and lets
 * go of the locks of tables read before, so that 10,000 tables with their indexes do not fill the lock table. Somebody's TRUNCATE of
 * several tables may wait for one that is locked here, and hold the next one: the wait ends before the server would call that a deadlock,
 * and perhaps fail theirs.
 */
static enum err_code read_tables(struct worker *w, const struct item *it, size_t first, size_t n, struct err *err)
{
	struct verify_job *j = w->job;
	int64_t start = clock_mono_us();
	struct str sql = {0};
	PGresult *r;

	str_addf(&sql, "ROLLBACK TO SAVEPOINT item; SET LOCAL lock_timeout = %d; ", j->lock_ms);
	for (size_t i = first; i < first + n; i++) {
		str_add(&sql, i > first ? " UNION ALL " : "");
		read_table_sql(&sql, &j->set->tables[i], i, it->from, it->to);
	}
	enum err_code rc = session_exec(w->session, str_text(&sql), 0, NULL, 0, &r, err);
	str_fini(&sql);
	if (rc != ERR_OK)
		return rc;
	if (it->kind == ITEM_RANGE && cell_i64(r, 0, 3) != it->filenode) {
		PQclear(r);
		return err_set(err, ERR_SQL, "truncated or rewritten since the snapshot");
	}
	int64_t us = (clock_mono_us() - start) / (int64_t)n;
	(void)pthread_mutex_lock(&j->lock);
	for (int row = 0; row < PQntuples(r); row++) {
		size_t i = (size_t)cell_i64(r, row, 0);
		if (i >= first && i < first + n)
			table_part(j, i, r, row, us, NULL);
	}
	(void)pthread_mutex_unlock(&j->lock);
	PQclear(r);
	return ERR_OK;
}

static void tables_failed(struct verify_job *j, size_t first, size_t n, const struct err *err)
{
	(void)pthread_mutex_lock(&j->lock);
	for (size_t i = first; i < first + n; i++)
		table_part(j, i, NULL, 0, 0, err);
	(void)pthread_mutex_unlock(&j->lock);
}

static bool is_locked(enum err_code rc, const struct err *err)
{
	return rc == ERR_SQL && strcmp(err->sqlstate, "55P03") == 0;
}

/* By itself, and as often as somebody keeps it locked. */
static enum err_code read_table(struct worker *w, const struct item *it, size_t i, struct err *err)
{
	int64_t end_us = clock_deadline(LOCKED_MS);
	enum err_code rc;

	do
		rc = read_tables(w, it, i, 1, err);
	while (is_locked(rc, err) && clock_poll_ms(end_us) > 0 && !cancel_raised(&w->job->cancel));
	return rc;
}

/* One bad table fails its whole batch: then each is read by itself. */
static enum err_code run_tables(struct worker *w, const struct item *it, struct err *err)
{
	struct verify_job *j = w->job;
	enum err_code rc = it->n == 1 ? read_table(w, it, it->first, err) : read_tables(w, it, it->first, it->n, err);

	if (rc == ERR_OK)
		return ERR_OK;
	if (it->n == 1 || ends_job(j, w->session, rc)) {
		tables_failed(j, it->first, it->n, err);
		return rc;
	}
	for (size_t i = it->first; i < it->first + it->n; i++) {
		rc = read_table(w, it, i, err);
		if (rc == ERR_OK)
			continue;
		bool over = ends_job(j, w->session, rc);
		tables_failed(j, i, over ? it->first + it->n - i : 1, err);
		if (over)
			return rc;
	}
	return ERR_OK;
}

/* Outside of the transaction, see read_sequences. In somebody's way it lets go, as with tables. */
static enum err_code run_sequences(struct worker *w, struct err *err)
{
	int64_t end_us = clock_deadline(LOCKED_MS);
	struct verify_set *v = w->job->set;
	enum side side = w->job->side;
	struct verify_seq *list;
	size_t n;

	char *limit = xasprintf("SET lock_timeout = %d", w->job->lock_ms);
	enum err_code rc = session_run(w->session, limit, err);
	free(limit);
	if (rc == ERR_OK)
		do
			rc = read_sequences(w->session, v, side, &list, &n, err);
		while (is_locked(rc, err) && clock_poll_ms(end_us) > 0 && !cancel_raised(&w->job->cancel));
	if (rc == ERR_OK)
		read_merge_sequences(v, side, list, n);
	else
		v->seq_err[side] = *err;
	return rc == ERR_OK || !ends_job(w->job, w->session, rc) ? session_run(w->session, "SET lock_timeout = 0", err) : rc;
}

static enum err_code run_large_objects(struct worker *w, struct err *err)
{
	struct verify_set *v = w->job->set;
	enum side side = w->job->side;

	enum err_code rc = session_run(w->session, "ROLLBACK TO SAVEPOINT item", err);
	rc = rc == ERR_OK ? read_large_objects(w->session, v, &v->lo_count[side], &v->lo_sum[side], err) : rc;
	if (rc == ERR_OK)
		v->lo_known[side] = true;
	else
		v->lo_err[side] = *err;
	return rc;
}

static enum err_code run_item(struct worker *w, const struct item *it, struct err *err)
{
	switch (it->kind) {
	case ITEM_LARGE_OBJECTS:
		atomic_store(&w->job->current, "large objects");
		return run_large_objects(w, err);
	case ITEM_TABLES:
	case ITEM_RANGE:
		atomic_store(&w->job->current, w->job->set->tables[it->first].id);
		return run_tables(w, it, err);
	}
	return ERR_OK;
}

/* ---- threads ---- */

static bool take_item(struct verify_job *j, struct item *it)
{
	(void)pthread_mutex_lock(&j->lock);
	bool got = !j->stop && j->next < j->items.n;
	if (got)
		*it = j->items.v[j->next++];
	(void)pthread_mutex_unlock(&j->lock);
	return got;
}

static enum err_code worker_open(struct worker *w, struct err *err)
{
	struct verify_job *j = w->job;
	struct session_options opt = {.application_name = j->application_name, .read_write = j->side == SIDE_TARGET};

	return session_open(&w->session, j->ep, &opt, &j->cancel, err);
}

static enum err_code ask_patience(struct verify_job *j, struct session *s, struct err *err)
{
	char *half;
	enum err_code rc = session_value(s, "SELECT greatest(setting::int / 2, 1) FROM pg_settings WHERE name = 'deadlock_timeout'", &half, err);

	if (rc != ERR_OK)
		return rc;
	j->lock_ms = atoi(half); /* nobody else reads it before we are ready */
	free(half);
	return ERR_OK;
}

/* Worker 0: snapshot, items; then the others may go. */
static enum err_code lead(struct worker *w, struct err *err)
{
	struct verify_job *j = w->job;
	char *exported = NULL;
	enum err_code rc = worker_open(w, err);

	if (rc == ERR_OK)
		rc = ask_patience(j, w->session, err);
	atomic_store(&j->current, "sequences"); /* first: they move on, and the dump reads them soon */
	if (rc == ERR_OK)
		rc = run_sequences(w, err);
	if (rc == ERR_OK)
		rc = read_begin(w->session, j->snapshot, j->set->old_floats, err);
	if (rc == ERR_OK && !j->snapshot)
		rc = session_value(w->session, "SELECT pg_export_snapshot()", &exported, err);
	if (rc == ERR_OK && j->set->mode == VERIFY_CHECKSUM && !j->set->md5)
		rc = read_probe(w->session, err);
	if (rc == ERR_OK)
		rc = cut_work(j, w->session, err);
	if (rc == ERR_OK)
		rc = session_run(w->session, "SAVEPOINT item", err);
	(void)pthread_mutex_lock(&j->lock);
	if (exported)
		j->snapshot = exported;
	j->ready = rc == ERR_OK;
	(void)pthread_cond_broadcast(&j->moved);
	(void)pthread_mutex_unlock(&j->lock);
	return rc;
}

/* The others connect meanwhile. One that finds no free slot leaves its work to the rest. */
static enum err_code follow(struct worker *w, bool *useless, struct err *err)
{
	struct verify_job *j = w->job;
	enum err_code rc = worker_open(w, err);

	*useless = rc == ERR_CONNECT;
	if (rc != ERR_OK)
		return rc;
	(void)pthread_mutex_lock(&j->lock);
	while (!j->ready && !j->stop)
		(void)pthread_cond_wait(&j->moved, &j->lock);
	bool stop = j->stop;
	(void)pthread_mutex_unlock(&j->lock);
	*useless = stop;
	if (stop)
		return ERR_CANCELLED;
	rc = read_begin(w->session, j->snapshot, j->set->old_floats, err);
	return rc == ERR_OK ? session_run(w->session, "SAVEPOINT item", err) : rc;
}

/* Waits until nobody reads any more: our transaction holds the snapshot. */
static void wait_for_others(struct verify_job *j)
{
	(void)pthread_mutex_lock(&j->lock);
	if (--j->working == 0) {
		atomic_store(&j->finished, true);
		wake(j);
	}
	(void)pthread_cond_broadcast(&j->moved);
	while (j->working > 0 && !j->stop)
		(void)pthread_cond_wait(&j->moved, &j->lock);
	(void)pthread_mutex_unlock(&j->lock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct verify_job *j = w->job;
	struct err err = {0};
	struct item it;
	bool useless = false;

	(void)pthread_mutex_lock(&j->lock); /* start_threads holds it until it knows how many we are */
	(void)pthread_mutex_unlock(&j->lock);
	enum err_code rc = w->index == 0 ? lead(w, &err) : follow(w, &useless, &err);

	if (rc != ERR_OK && !useless)
		job_fail(j, &err);
	while (rc == ERR_OK && take_item(j, &it)) {
		err = (struct err){0};
		enum err_code item_rc = run_item(w, &it, &err);
		add_progress(j, it.bytes);
		if (item_rc != ERR_OK && ends_job(j, w->session, item_rc)) {
			job_fail(j, &err);
			break;
		}
	}
	wait_for_others(j);
	session_close(w->session);
	free(w);
	return NULL;
}

void verify_stop(struct verify_job *j)
{
	struct err err = {0};

	(void)err_set(&err, ERR_CANCELLED, "cancelled");
	job_fail(j, &err);
}

/* Hands the operator's cancel on to ours. */
static void *watcher_main(void *arg)
{
	struct verify_job *j = arg;
	struct pollfd p[2] = {{.fd = j->outer->fd, .events = POLLIN}, {.fd = j->quit_fd, .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (cancel_raised(j->outer))
		verify_stop(j);
	return NULL;
}

static void job_free(struct verify_job *j)
{
	if (j->wake_fd >= 0)
		(void)close(j->wake_fd);
	if (j->quit_fd >= 0)
		(void)close(j->quit_fd);
	cancel_fini(&j->cancel);
	(void)pthread_cond_destroy(&j->moved);
	(void)pthread_mutex_destroy(&j->lock);
	free(j->application_name);
	free(j->snapshot);
	free(j->items.v);
	free(j->sums);
	free(j);
}

static void start_threads(struct verify_job *j, int jobs)
{
	(void)pthread_mutex_lock(&j->lock); /* the threads wait for it: n_threads is settled then */
	for (int i = 0; i < jobs; i++) {
		struct worker *w = xcalloc(1, sizeof *w);
		w->job = j;
		w->index = i;
		if (pthread_create(&j->threads[i], NULL, worker_main, w) != 0) {
			free(w);
			break;
		}
		j->working = ++j->n_threads;
	}
	(void)pthread_mutex_unlock(&j->lock);
}

enum err_code verify_start(struct verify_job **out, struct verify_set *v, enum side side, const struct endpoint *ep,
			   const char *application_name, const char *snapshot, int jobs, struct cancel *cancel, struct err *err)
{
	struct verify_job *j = xcalloc(1, sizeof *j);
	enum err_code rc = ERR_OK;

	*out = NULL;
	j->set = v;
	j->side = side;
	j->ep = ep;
	j->outer = cancel;
	j->application_name = xstrdup(application_name);
	j->snapshot = xstrdup(snapshot);
	j->sums = xcalloc(v->n_tables + 1, sizeof *j->sums);
	(void)pthread_mutex_init(&j->lock, NULL);
	(void)pthread_cond_init(&j->moved, NULL);
	j->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	j->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!cancel_init(&j->cancel) || j->wake_fd < 0 || j->quit_fd < 0)
		rc = err_errno(err, "no descriptor for reading the %s", side_name(side));
	if (rc == ERR_OK) {
		start_threads(j, jobs < 1 ? 1 : jobs > MAX_JOBS ? MAX_JOBS : jobs);
		if (j->n_threads == 0)
			rc = err_set(err, ERR_IO, "no thread could be started to read the %s", side_name(side));
	}
	if (rc != ERR_OK) {
		job_free(j);
		return rc;
	}
	j->watching = cancel && pthread_create(&j->watcher, NULL, watcher_main, j) == 0;
	*out = j;
	return ERR_OK;
}

void verify_peek(struct verify_job *j, struct verify_progress *p)
{
	uint64_t n;

	(void)!read(j->wake_fd, &n, sizeof n);
	p->finished = atomic_load(&j->finished);
	p->of_bytes = j->set->bytes;
	p->of_tables = j->set->n_tables;
	p->tables = atomic_load(&j->tables);
	p->bytes = atomic_load(&j->bytes);
	p->current = p->finished ? NULL : atomic_load(&j->current);
	if (p->bytes > p->of_bytes)
		p->bytes = p->of_bytes;
}

int verify_fd(const struct verify_job *j)
{
	return j->wake_fd;
}

enum err_code verify_finish(struct verify_job *j, struct err *err)
{
	uint64_t one = 1;

	for (int i = 0; i < j->n_threads; i++)
		(void)pthread_join(j->threads[i], NULL);
	(void)!write(j->quit_fd, &one, sizeof one);
	if (j->watching)
		(void)pthread_join(j->watcher, NULL);
	(void)pthread_mutex_lock(&j->set->lock); /* the other side's job may be adding its own */
	for (size_t i = 0; j->set->seq_err[j->side].code != ERR_OK && i < j->set->n_seqs; i++)
		j->set->seqs[i].unread[j->side] = true;
	(void)pthread_mutex_unlock(&j->set->lock);
	enum err_code rc = j->err.code;
	if (rc != ERR_OK && err)
		*err = j->err;
	job_free(j);
	return rc;
}
