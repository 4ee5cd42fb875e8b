/* The pool: threads with their sessions, the front for the engine. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "copy/copy_in.h"
#include "pg/patience.h"

#define ISSUES_MAX 5000
#define WAKE_US 50000 /* thousands of tables a second are not worth as many looks */

void copy_tell(const struct copy_job *j)
{
	uint64_t one = 1;

	(void)!write(j->wake_fd, &one, sizeof one); /* full is readable, too */
}

void copy_wake(struct copy_job *j)
{
	int64_t now = clock_mono_us(), last = atomic_load(&j->woke_us);

	if (now - last >= WAKE_US && atomic_compare_exchange_strong(&j->woke_us, &last, now))
		copy_tell(j);
}

void copy_quiet(const struct copy_job *j)
{
	uint64_t n;

	(void)!read(j->wake_fd, &n, sizeof n);
}

void copy_add_issue(struct copy_job *j, char *object, char *message, char *sql, char *hint, bool kept)
{
	struct copy_issue i = {.object = object, .message = message, .sql = sql, .hint = hint, .kept = kept};

	(void)pthread_mutex_lock(&j->lock);
	bool room = j->n_issues < ISSUES_MAX;
	if (room) {
		if ((j->n_issues & (j->n_issues - 1)) == 0)
			j->issues = xrealloc(j->issues, (j->n_issues ? j->n_issues * 2 : 1) * sizeof *j->issues);
		j->issues[j->n_issues++] = i;
	}
	(void)pthread_mutex_unlock(&j->lock);
	if (!room)
		copy_issue_fini(&i);
	copy_wake(j);
}

/* Ends the job: running statements are cancelled, nobody takes another task. */
static void job_fail(struct copy_job *j, const struct err *err)
{
	(void)pthread_mutex_lock(&j->lock);
	if (j->err.code == ERR_OK)
		j->err = *err;
	j->stop = true;
	(void)pthread_cond_broadcast(&j->moved);
	(void)pthread_mutex_unlock(&j->lock);
	cancel_raise(&j->cancel);
}

/* ---- sessions ---- */

static enum err_code open_on(struct worker *w, enum side side, struct session **s, struct err *err)
{
	struct session_options opt = {.application_name = w->job->application_name, .read_write = side == SIDE_TARGET};
	enum err_code rc = session_open(s, w->job->o.end[side], &opt, &w->job->cancel, err);

	return rc == ERR_OK ? rc : (err_prefix(err, "%s", side_name(side)), rc);
}

enum err_code copy_source(struct worker *w, struct err *err)
{
	struct str sql = {0};

	if (w->src && session_alive(w->src))
		return ERR_OK;
	session_close(w->src);
	w->src = NULL;
	enum err_code rc = open_on(w, SIDE_SOURCE, &w->src, err);
	if (rc != ERR_OK)
		return rc;
	str_add(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ");
	sql_literal(&sql, w->job->snapshot);
	str_add(&sql, "; SET intervalstyle = 'postgres'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C';"
		      "SET row_security = off; SET synchronize_seqscans = off; SET quote_all_identifiers = off;"
		      "SET lock_timeout = '5s'; SAVEPOINT part"); /* behind whom we hold up ourselves we would wait for ever */
	rc = session_run(w->src, str_text(&sql), err);
	str_fini(&sql);
	if (rc == ERR_SQL)
		(void)err_prefix(err, "cannot read in the snapshot");
	if (rc != ERR_OK) {
		session_close(w->src);
		w->src = NULL;
		return rc == ERR_SQL ? (err->code = ERR_LOST) : rc; /* not the trouble of a table */
	}
	w->relay.src = w->src;
	return ERR_OK;
}

enum err_code copy_target(struct worker *w, struct err *err)
{
	static const char pins[] = "SET check_function_bodies = false; SET xmloption = content;"
				   "SET lc_monetary = 'C'; SET intervalstyle = 'postgres'; SET row_security = off; SET search_path = '';";

	if (w->dst && session_alive(w->dst))
		return ERR_OK;
	session_close(w->dst);
	w->dst = NULL;
	enum err_code rc = open_on(w, SIDE_TARGET, &w->dst, err);
	if (rc == ERR_OK)
		rc = session_run(w->dst, pins, err);
	if (rc == ERR_OK && !str_empty(w->job->settings))
		rc = session_run(w->dst, w->job->settings, err);
	if (rc != ERR_OK) {
		session_close(w->dst);
		w->dst = NULL;
		return rc;
	}
	w->relay.dst = w->dst;
	(void)pthread_mutex_lock(&w->job->lock);
	w->job->doing[w->who].pid = PQbackendPID(session_conn(w->dst));
	(void)pthread_mutex_unlock(&w->job->lock);
	return ERR_OK;
}

void copy_close(struct worker *w)
{
	session_close(w->src);
	session_close(w->dst);
	w->src = w->dst = w->relay.src = w->relay.dst = NULL;
}

bool copy_again(struct worker *w, const struct err *why, int try)
{
	struct pollfd p = {.fd = w->job->cancel.fd, .events = POLLIN};

	if (!patience_may_pass(why) && !(try > 0 && why->code == ERR_CONNECT)) /* it was there a moment ago */
		return false;
	if (try + 1 >= COPY_TRIES)
		return false;
	(void)poll(&p, 1, 200 << try);
	if (cancel_raised(&w->job->cancel))
		return false;
	(void)atomic_fetch_add(&w->job->broken, why->code == ERR_LOST);
	return true;
}

/* For the first time; what breaks while they are opened is no more than what breaks later. */
static enum err_code open_both(struct worker *w, struct err *err)
{
	for (int try = 0;; try++) {
		enum err_code rc = copy_source(w, err);
		if (rc == ERR_OK)
			rc = copy_target(w, err);
		if (rc == ERR_OK)
			return rc;
		copy_close(w);
		if (!copy_again(w, err, try))
			return rc;
	}
}

/* ---- threads ---- */

/* A large table has all its indexes. */
static enum err_code finish_group(struct worker *w, const struct group *g, struct err *err)
{
	enum err_code rc = copy_attach_keys(w, g, err);

	return rc == ERR_OK ? copy_analyze(w, g->first, err) : rc;
}

static enum err_code run_task(struct worker *w, const struct task *t, struct err *err)
{
	struct copy_job *j = w->job;

	switch (t->kind) {
	case TASK_LOOK:
		return copy_look_part(w, t->part, err);
	case TASK_CLEAR:
		return copy_clear(w, err);
	case TASK_TABLES:
		return copy_build_tables(w, t->entry, t->to, err);
	case TASK_SEQUENCES:
		return copy_sequences(w, err);
	case TASK_PART:
		return copy_part(w, t->part, err);
	case TASK_GROUP:
		return copy_build_group(w, t->group, err);
	case TASK_ENTRY:
		return t->group && j->failed[t->group->first] ? ERR_OK : copy_build_entry(w, t->entry, t->group == NULL, err);
	case TASK_ANALYZE:
		return j->failed[t->group->first] ? ERR_OK : finish_group(w, t->group, err);
	case TASK_AGAIN:
		return copy_failed_tables(w, err);
	case TASK_ORDERED:
		return copy_build_ordered(w, t->entry, t->to, err);
	case TASK_PREPARE:
		return copy_prepare_keys(w, err);
	case TASK_LATE:
		return t->entry == SIZE_MAX ? copy_list_late(w, err) : copy_tend(w, j->late.v[t->entry], err);
	}
	return ERR_OK;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct copy_job *j = w->job;
	struct err err = {0};
	struct task t;

	(void)pthread_mutex_lock(&j->lock); /* copy_start holds it until it knows how many we are */
	bool first = pthread_equal(j->threads[0], pthread_self());
	(void)pthread_mutex_unlock(&j->lock);
	w->relay.cancel = &j->cancel;
	enum err_code rc = open_both(w, &err);
	if (rc != ERR_OK && (first || rc != ERR_CONNECT)) /* one that finds no free slot leaves its work to the rest */
		job_fail(j, &err);
	while (rc == ERR_OK && copy_next_task(j, w->who, &t)) {
		err = (struct err){0};
		rc = run_task(w, &t, &err);
		if (rc != ERR_OK)
			job_fail(j, &err);
		copy_task_done(j, w->who, &t);
	}
	copy_close(w);
	relay_fini(&w->relay);
	free(w);
	(void)pthread_mutex_lock(&j->lock);
	if (--j->working == 0)
		atomic_store(&j->finished, true);
	(void)pthread_mutex_unlock(&j->lock);
	copy_tell(j);
	return NULL;
}

void copy_stop(struct copy_job *j)
{
	struct err err = {0};

	(void)err_set(&err, ERR_CANCELLED, "cancelled");
	job_fail(j, &err);
}

/* Hands the operator's cancel on to ours. */
static void *watcher_main(void *arg)
{
	struct copy_job *j = arg;
	struct pollfd p[2] = {{.fd = j->o.cancel->fd, .events = POLLIN}, {.fd = j->quit_fd, .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (cancel_raised(j->o.cancel))
		copy_stop(j);
	return NULL;
}

static void job_free(struct copy_job *j)
{
	if (j->wake_fd >= 0)
		(void)close(j->wake_fd);
	if (j->quit_fd >= 0)
		(void)close(j->quit_fd);
	cancel_fini(&j->cancel);
	(void)pthread_cond_destroy(&j->moved);
	(void)pthread_mutex_destroy(&j->lock);
	copy_forget_parts(j);
	for (size_t i = j->next_issue; i < j->n_issues; i++)
		copy_issue_fini(&j->issues[i]);
	post_fini(&j->post);
	strv_fini(&j->late);
	void *all[] = {j->application_name, j->late_price, j->snapshot, j->settings, j->failed, j->had, j->kept, j->rows_of, j->complete, j->state, j->keys, j->not_valid,
		       j->issues, j};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static void start_threads(struct copy_job *j)
{
	(void)pthread_mutex_lock(&j->lock); /* the threads wait for it */
	for (int i = 0; i < j->o.jobs; i++) {
		struct worker *w = xcalloc(1, sizeof *w);
		w->job = j;
		w->who = i;
		if (pthread_create(&j->threads[i], NULL, worker_main, w) != 0) {
			free(w);
			break;
		}
		j->working = ++j->n_threads;
	}
	(void)pthread_mutex_unlock(&j->lock);
}

/* Under the lock, or before there are threads. */
static enum err_code plan_all(struct copy_job *j, const char *sql, struct err *err)
{
	enum err_code rc = post_parse(&j->post, sql, err);

	if (rc != ERR_OK)
		return rc;
	copy_forget_parts(j); /* of looking */
	copy_plan_parts(j, false);
	copy_plan_entries(j);
	copy_plan_unique(j);
	copy_weigh_all(j);
	j->phase = PHASE_TABLES;
	size_t made = 0;
	for (size_t e = 0; j->had && e < j->post.rows; e++)
		if (!post_is_large_object(&j->post.v[e])) {
			j->state[e] = ENTRY_DONE;
			made++;
		}
	for (size_t i = 0; j->had && i < j->list->n_tables; i++) {
		j->rows_of[i] = 0;
		j->n_kept += j->kept[i];
		j->kept_bytes += j->kept[i] ? j->list->tables[i].bytes : 0;
	}
	if (!j->had)
		return ERR_OK;
	j->next_table = j->tables_sure = j->post.rows;
	(void)atomic_fetch_add(&j->bytes, j->kept_bytes);
	(void)atomic_fetch_add(&j->tables, j->n_kept);
	(void)atomic_fetch_add(&j->objects, made);
	(void)atomic_fetch_add(&j->kept_objects, made);
	return ERR_OK;
}

void copy_look(struct copy_job *j, const struct copy_had *had, int64_t source_xid, bool same_keys)
{
	size_t n = j->list->n_tables;

	(void)pthread_mutex_lock(&j->lock);
	j->had = xcalloc(n + 1, sizeof *j->had);
	memcpy(j->had, had, n * sizeof *had);
	j->had_xid = source_xid;
	j->same_keys = same_keys;
	for (size_t i = 0; i < n; i++) {
		j->kept[i] = had[i].rows >= 0;
		j->look_tables += had[i].rows >= 0;
		j->look_bytes += had[i].rows >= 0 ? j->list->tables[i].bytes : 0;
	}
	copy_plan_parts(j, true);
	j->phase = PHASE_LOOK;
	(void)pthread_cond_broadcast(&j->moved);
	(void)pthread_mutex_unlock(&j->lock);
}

bool copy_keeps(const struct copy_job *j, size_t table)
{
	return j->kept[table];
}

bool copy_misses(const struct copy_job *j)
{
	return j->missing;
}

bool copy_take_table(struct copy_job *j, size_t *table, int64_t *rows)
{
	(void)pthread_mutex_lock(&j->lock);
	bool got = j->next_complete < j->n_complete;
	if (got) {
		*table = j->complete[j->next_complete++];
		*rows = j->rows_of[*table];
	}
	(void)pthread_mutex_unlock(&j->lock);
	return got;
}

enum err_code copy_go(struct copy_job *j, const char *sql, struct err *err)
{
	(void)pthread_mutex_lock(&j->lock);
	enum err_code rc = plan_all(j, sql, err);
	(void)pthread_cond_broadcast(&j->moved);
	(void)pthread_mutex_unlock(&j->lock);
	return rc;
}

enum err_code copy_start(struct copy_job **out, const struct copy_list *list, const char *sql, const struct copy_options *o,
			 struct err *err)
{
	struct copy_job *j = xcalloc(1, sizeof *j);
	enum err_code rc = ERR_OK;

	*out = NULL;
	j->list = list;
	j->o = *o;
	j->o.jobs = o->jobs < 1 ? 1 : o->jobs > COPY_MAX_JOBS ? COPY_MAX_JOBS : o->jobs;
	j->application_name = xstrdup(o->application_name);
	j->snapshot = xstrdup(o->snapshot);
	j->settings = xstrdup(o->settings);
	j->phase = PHASE_OPEN;
	j->failed = xcalloc(list->n_tables + 1, sizeof *j->failed);
	j->kept = xcalloc(list->n_tables + 1, sizeof *j->kept);
	j->rows_of = xcalloc(list->n_tables + 1, sizeof *j->rows_of);
	j->complete = xcalloc(list->n_tables + 1, sizeof *j->complete);
	(void)pthread_mutex_init(&j->lock, NULL);
	(void)pthread_cond_init(&j->moved, NULL);
	j->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	j->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!cancel_init(&j->cancel) || j->wake_fd < 0 || j->quit_fd < 0)
		rc = err_errno(err, "no descriptor for the copy");
	if (rc == ERR_OK && sql)
		rc = plan_all(j, sql, err);
	if (rc == ERR_OK) {
		start_threads(j);
		if (j->n_threads == 0)
			rc = err_set(err, ERR_IO, "no thread could be started for the copy");
	}
	if (rc != ERR_OK) {
		job_free(j);
		return rc;
	}
	j->watching = o->cancel && pthread_create(&j->watcher, NULL, watcher_main, j) == 0;
	*out = j;
	return ERR_OK;
}

int copy_fd(const struct copy_job *j)
{
	return j->wake_fd;
}

bool copy_take_issue(struct copy_job *j, struct copy_issue *out)
{
	(void)pthread_mutex_lock(&j->lock);
	bool got = j->next_issue < j->n_issues;
	if (got)
		*out = j->issues[j->next_issue++];
	(void)pthread_mutex_unlock(&j->lock);
	return got;
}

void copy_issue_fini(struct copy_issue *i)
{
	free(i->object);
	free(i->message);
	free(i->sql);
	free(i->hint);
	*i = (struct copy_issue){0};
}

enum err_code copy_finish(struct copy_job *j, struct err *err)
{
	uint64_t one = 1;

	for (int i = 0; i < j->n_threads; i++)
		(void)pthread_join(j->threads[i], NULL);
	(void)!write(j->quit_fd, &one, sizeof one);
	if (j->watching)
		(void)pthread_join(j->watcher, NULL);
	enum err_code rc = j->err.code;
	if (rc != ERR_OK && err)
		*err = j->err;
	job_free(j);
	return rc;
}
