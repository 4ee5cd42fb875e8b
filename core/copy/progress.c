/* What every session is doing, and what that makes of the whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "copy/copy_in.h"

/* ---- what the target's server says ---- */

/* Rows are read and sorted in runs, the runs are merged, and what comes out of that is written. */
double copy_index_share(const char *phase, double blocks, double of_blocks, double tuples, double of_tuples)
{
	if (strstr(phase, "scanning table"))
		return of_blocks > 0 ? 0.65 * blocks / of_blocks : 0;
	if (strstr(phase, "sorting"))
		return 0.7;
	if (strstr(phase, "loading tuples"))
		return of_tuples > 0 ? 0.75 + 0.25 * tuples / of_tuples : 0.75;
	return of_blocks > 0 ? blocks / of_blocks : 0; /* other kinds of index */
}

void copy_ask_indexes(struct copy_job *j, struct session *target, int64_t timeout_ms)
{
	static const char sql[] = "SELECT pid, phase, blocks_done, blocks_total, tuples_done, tuples_total FROM pg_stat_progress_create_index"
				  " WHERE datname = current_database()";
	struct err ignored;
	PGresult *res;

	if (session_version(target) < 120000 || session_exec(target, sql, 0, NULL, timeout_ms, &res, &ignored) != ERR_OK)
		return;
	(void)pthread_mutex_lock(&j->lock);
	for (int r = 0; r < PQntuples(res); r++)
		for (int i = 0; i < j->n_threads; i++) {
			if (j->doing[i].pid != cell_i64(res, r, 0) || !j->doing[i].on)
				continue;
			double share = copy_index_share(cell(res, r, 1), (double)cell_i64(res, r, 2), (double)cell_i64(res, r, 3),
							(double)cell_i64(res, r, 4), (double)cell_i64(res, r, 5));
			j->doing[i].share = share > j->doing[i].share ? share : j->doing[i].share;
			j->doing[i].heard_us = clock_mono_us();
		}
	(void)pthread_mutex_unlock(&j->lock);
	PQclear(res);
}

/* ---- the whole ---- */

static double share(const struct estimate *e, enum work kind)
{
	return e->kind[kind].of > 0 ? e->kind[kind].done / e->kind[kind].of : 0;
}

/* Bytes of rows, indexes and keys: what a bar shows. Small tables count with their rows. */
static void sum_up(const struct copy_job *j, const struct estimate *e, struct copy_progress *p)
{
	if (j->phase <= (j->had ? PHASE_CLEAR : PHASE_OPEN)) /* what there is to build is not read yet: any total would be too small, or too large */
		return;
	double index = share(e, WORK_INDEX) * (double)j->index_bytes, key = share(e, WORK_KEY) * (double)j->key_bytes;

	p->of_work = p->of_bytes + j->index_bytes + j->key_bytes;
	p->work = p->finished && j->err.code == ERR_OK ? p->of_work : p->bytes + (int64_t)(index + key);
	if (p->work >= p->of_work && !p->finished && p->of_work > 0)
		p->work = p->of_work - 1;
	double left = estimate_left(e);
	p->left_ms = p->finished || left < 0 ? 0 : (int64_t)(left * 1000) + 1;
}

static void say_doing(const struct copy_job *j, const struct doing *d, char *out, size_t cap)
{
	char n[32], of[32], rows[48];

	if (d->task.kind == TASK_PART && !j->groups[d->task.part->group].small)
		(void)snprintf(out, cap, "%s %s of %s, %s", d->text, fmt_bytes(n, sizeof n, (double)atomic_load(&d->moved)),
			       fmt_bytes(of, sizeof of, (double)d->task.part->bytes), fmt_things(rows, sizeof rows, atomic_load(&d->rows), "row"));
	else if (d->task.kind == TASK_ENTRY && d->heard_us)
		(void)snprintf(out, cap, "%s %.0f %%", d->text, d->share * 100);
	else
		(void)snprintf(out, cap, "%s", d->text);
}

static void say_all(const struct copy_job *j, char *out, size_t cap)
{
	size_t used = 0;

	for (int i = 0; i < j->n_threads && used + 1 < cap; i++) {
		char one[160];
		if (!j->doing[i].on || !j->doing[i].text[0])
			continue;
		say_doing(j, &j->doing[i], one, sizeof one);
		int n = snprintf(out + used, cap - used, "%s%s", used ? "; " : "", one);
		used += n > 0 ? (size_t)n : 0;
	}
}

void copy_say(struct worker *w, const char *kind, const char *name)
{
	struct doing *d = &w->job->doing[w->who];

	(void)pthread_mutex_lock(&w->job->lock);
	(void)snprintf(d->text, sizeof d->text, "%s%s%s", kind, *kind && *name ? " " : "", name);
	(void)pthread_mutex_unlock(&w->job->lock);
	copy_wake(w->job);
}

void copy_peek(struct copy_job *j, struct copy_progress *p)
{
	copy_quiet(j);
	*p = (struct copy_progress){.of_bytes = j->list->bytes, .of_tables = j->list->n_tables, .finished = atomic_load(&j->finished)};
	p->bytes = atomic_load(&j->bytes);
	p->rows = atomic_load(&j->rows);
	p->broken = atomic_load(&j->broken);
	p->tables = atomic_load(&j->tables);
	p->objects = atomic_load(&j->objects);
	p->of_objects = j->post.n;
	p->kept_objects = atomic_load(&j->kept_objects);
	p->tables_made = atomic_load(&j->tables_made);
	(void)pthread_mutex_lock(&j->lock);
	struct estimate e = copy_estimate(j);
	sum_up(j, &e, p);
	p->kept = j->n_kept;
	p->kept_bytes = j->kept_bytes;
	p->looking = j->phase == PHASE_LOOK;
	if (p->looking) {
		p->work = atomic_load(&j->looked);
		p->of_work = j->look_bytes;
		p->tables = atomic_load(&j->looked_tables);
		p->of_tables = j->look_tables;
	}
	say_all(j, p->current, sizeof p->current);
	(void)pthread_mutex_unlock(&j->lock);
}
