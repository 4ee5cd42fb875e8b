/* What every session is doing, and what that makes of the whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "copy/copy_in.h"

#define SAMPLE_BYTES (INT64_C(4) << 20)
#define SHARE_MOST 0.95 /* of something that has not ended, whatever the clock says */

static bool is_large(const struct copy_job *j, const struct part *p)
{
	return !j->groups[p->group].small;
}

/* ANALYZE reads 30,000 rows, however large a table is. */
static double sample_of(const struct copy_job *j, size_t table)
{
	int64_t bytes = j->list->tables[table].bytes;

	return (double)(bytes < SAMPLE_BYTES ? bytes : SAMPLE_BYTES);
}

/* How much of what a task is. False: nothing that counts. */
static bool weigh(const struct copy_job *j, const struct task *t, enum work *kind, double *units)
{
	switch (t->kind) {
	case TASK_TABLES:
		*kind = WORK_MAKE;
		*units = (double)(t->to - t->entry);
		return true;
	case TASK_PART:
		*kind = is_large(j, t->part) ? WORK_ROWS : WORK_SMALL;
		*units = is_large(j, t->part) ? (double)t->part->bytes : (double)t->part->n;
		return true;
	case TASK_GROUP:
		*kind = WORK_SMALL;
		*units = (double)t->group->n;
		return true;
	case TASK_ENTRY:
		*kind = t->group ? WORK_INDEX : WORK_KEY;
		*units = (double)(t->group ? j->post.v[t->entry].index_bytes : j->post.v[t->entry].bytes);
		return true;
	case TASK_LATE:
		*kind = WORK_TEND;
		*units = j->late.n ? j->estimate.kind[WORK_TEND].of / (double)j->late.n : 0;
		return t->entry != SIZE_MAX;
	case TASK_ANALYZE:
		*kind = WORK_ANALYZE;
		*units = sample_of(j, t->group->first);
		return true;
	case TASK_SEQUENCES: case TASK_AGAIN: case TASK_ORDERED: case TASK_PREPARE:
		break;
	}
	return false;
}

void copy_weigh_all(struct copy_job *j)
{
	struct estimate *e = &j->estimate;

	e->jobs = j->o.jobs;
	e->kind[WORK_MAKE].of = (double)j->post.rows;
	for (size_t i = 0; i < j->n_parts; i++)
		e->kind[is_large(j, &j->parts[i]) ? WORK_ROWS : WORK_SMALL].of += is_large(j, &j->parts[i]) ? (double)j->parts[i].bytes : (double)j->parts[i].n * 2;
	for (size_t i = 0; i < j->n_groups; i++)
		e->kind[WORK_ANALYZE].of += j->groups[i].small ? 0 : sample_of(j, j->groups[i].first);
	for (size_t i = 0; i < j->n_groups; i++)
		for (size_t k = 0; !j->groups[i].small && k < j->groups[i].n_entries; k++)
			e->kind[WORK_INDEX].of += (double)j->post.v[j->groups[i].entries[k]].index_bytes;
	for (size_t k = j->first_key; k < j->post.n; k++)
		e->kind[WORK_KEY].of += j->post.v[k].kind == POST_FK ? (double)j->post.v[k].bytes : 0;
	for (size_t i = 0; i < j->list->n_tables; i++)
		e->kind[WORK_TEND].of += copy_wants_vacuum(j, i) ? (double)j->list->tables[i].bytes : 0;
}

void copy_task_begins(struct copy_job *j, int who, const struct task *t)
{
	struct doing *d = &j->doing[who];

	d->task = *t;
	d->on = true;
	d->began_us = clock_mono_us();
	d->heard = false;
	d->share = 0;
	d->text[0] = '\0';
	atomic_store(&d->moved, 0);
	atomic_store(&d->rows, 0);
}

void copy_task_ends(struct copy_job *j, int who)
{
	struct doing *d = &j->doing[who];
	enum work kind;
	double units;

	d->on = false;
	d->text[0] = '\0';
	if (!weigh(j, &d->task, &kind, &units))
		return;
	j->estimate.kind[kind].done += units;
	j->estimate.kind[kind].busy_s += (double)(clock_mono_us() - d->began_us) / 1e6;
}

/* ---- what the target's server says ---- */

/* Rows are read and sorted in runs, the runs are merged, and what comes out of that is written. */
double copy_index_share(const char *phase, double blocks, double of_blocks, double tuples, double of_tuples)
{
	if (strstr(phase, "scanning table"))
		return of_blocks > 0 ? 0.6 * blocks / of_blocks : 0;
	if (strstr(phase, "sorting"))
		return 0.6;
	if (strstr(phase, "loading tuples"))
		return of_tuples > 0 ? 0.65 + 0.35 * tuples / of_tuples : 0.65;
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
			j->doing[i].heard = true;
		}
	(void)pthread_mutex_unlock(&j->lock);
	PQclear(res);
}

/* ---- the whole ---- */

/* Of a task that runs: by what has moved, by what the server says, else by the clock. */
static double share_of(const struct copy_job *j, const struct doing *d, enum work kind, double units)
{
	double took = (double)(clock_mono_us() - d->began_us) / 1e6, cost = units * estimate_cost(&j->estimate, kind);
	double share = kind == WORK_ROWS ? (double)atomic_load(&d->moved) / (units > 0 ? units : 1) : d->heard ? d->share : cost > 0 ? took / cost : 0;

	return share > SHARE_MOST ? SHARE_MOST : share;
}

static void add_running(const struct copy_job *j, struct estimate *e)
{
	for (int i = 0; i < j->n_threads; i++) {
		const struct doing *d = &j->doing[i];
		enum work kind;
		double units;
		if (!d->on || !weigh(j, &d->task, &kind, &units) || units <= 0)
			continue;
		double share = share_of(j, d, kind, units);
		e->kind[kind].done += units * share;
		e->kind[kind].busy_s += kind == WORK_ROWS || d->heard ? (double)(clock_mono_us() - d->began_us) / 1e6
								      : units * share * estimate_cost(&j->estimate, kind); /* a guess proves nothing */
	}
}

/* A running statement's part that is left, of so many units. */
static double left_of(const struct copy_job *j, size_t entry, double units)
{
	for (int i = 0; i < j->n_threads; i++) {
		const struct doing *d = &j->doing[i];
		if (d->on && d->task.kind == TASK_ENTRY && d->task.entry == entry)
			return units * (1 - share_of(j, d, d->task.group ? WORK_INDEX : WORK_KEY, units));
	}
	return units;
}

/* One table: its rows (the ranges side by side), its keys one by one, the largest of its indexes. */
static double chain_of(const struct copy_job *j, const struct group *g, const struct estimate *e)
{
	double rows = 0, keys = 0, index = 0;

	if (g->parts_left > 0) {
		rows = (double)j->list->tables[g->first].bytes / (double)g->parts;
		for (int i = 0; i < j->n_threads; i++) {
			const struct doing *d = &j->doing[i];
			if (d->on && d->task.kind == TASK_PART && d->task.part->group == (size_t)(g - j->groups) && g->parts_left <= (size_t)j->n_threads)
				rows = rows < (double)d->task.part->bytes - (double)atomic_load(&d->moved) ? rows : (double)d->task.part->bytes - (double)atomic_load(&d->moved);
		}
	}
	for (size_t k = 0; k < g->n_entries; k++) {
		size_t at = (size_t)g->entries[k];
		const struct post_entry *p = &j->post.v[at];
		if (j->state[at] >= ENTRY_BUILT)
			continue;
		double left = left_of(j, at, (double)p->index_bytes);
		if (p->kind == POST_CONSTRAINT && !p->index_sql)
			keys += left;
		else
			index = left > index ? left : index;
	}
	return rows * estimate_cost(e, WORK_ROWS) + (keys + index) * estimate_cost(e, WORK_INDEX);
}

static double longest_chain(const struct copy_job *j, const struct estimate *e)
{
	double longest = 0;

	for (size_t i = 0; i < j->n_groups && j->phase <= PHASE_ROWS; i++) {
		const struct group *g = &j->groups[i];
		double s = g->small || g->finished ? 0 : chain_of(j, g, e);
		longest = s > longest ? s : longest;
	}
	return longest;
}

static double longest_key(const struct copy_job *j, const struct estimate *e)
{
	double longest = 0;

	for (size_t k = j->first_key; k < j->post.n && j->phase <= PHASE_KEYS; k++) {
		if (j->post.v[k].kind != POST_FK || j->state[k] == ENTRY_DONE)
			continue;
		double left = left_of(j, k, (double)j->post.v[k].bytes);
		longest = left > longest ? left : longest;
	}
	return longest * estimate_cost(e, WORK_KEY);
}

/* Bytes of rows, indexes and keys: what a bar shows. Small tables count with their rows. */
static void sum_up(const struct copy_job *j, const struct estimate *e, struct copy_progress *p)
{
	double index = e->kind[WORK_INDEX].done, key = e->kind[WORK_KEY].done;

	p->of_work = p->of_bytes + (int64_t)(e->kind[WORK_INDEX].of + e->kind[WORK_KEY].of);
	p->work = p->finished && j->err.code == ERR_OK ? p->of_work : p->bytes + (int64_t)(index + key);
	if (p->work >= p->of_work && !p->finished && p->of_work > 0)
		p->work = p->of_work - 1;
	double left = estimate_left(e);
	p->left_ms = p->finished || left < 0 ? 0 : (int64_t)(left * 1000) + 1;
}

static void say_doing(const struct copy_job *j, const struct doing *d, char *out, size_t cap)
{
	char n[32], of[32], rows[48];

	if (d->task.kind == TASK_PART && is_large(j, d->task.part))
		(void)snprintf(out, cap, "%s %s of %s, %s", d->text, fmt_bytes(n, sizeof n, (double)atomic_load(&d->moved)),
			       fmt_bytes(of, sizeof of, (double)d->task.part->bytes), fmt_things(rows, sizeof rows, atomic_load(&d->rows), "row"));
	else if (d->task.kind == TASK_ENTRY && d->heard)
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
	p->tables_made = atomic_load(&j->tables_made);
	(void)pthread_mutex_lock(&j->lock);
	struct estimate e = j->estimate;
	add_running(j, &e);
	e.chain_s = longest_chain(j, &e);
	e.key_chain_s = longest_key(j, &e);
	sum_up(j, &e, p);
	say_all(j, p->current, sizeof p->current);
	(void)pthread_mutex_unlock(&j->lock);
}
