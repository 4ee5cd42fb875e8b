/* What every task costs, how far those are that run, and which of what is left must be done one after the other. Under the lock. */
#include "base/clock.h"
#include "copy/copy_in.h"

#define SAMPLE_PAGES 30000 /* ANALYZE reads so many rows, each from another page as long as there are that many */
#define SAMPLE_BYTES 3e6   /* about where a table begins to have so many rows */
#define TEXT_TIMES 1.4     /* as long to sort as numbers */
#define SHARE_MOST 0.95    /* of something that has not ended, whatever the clock says */

static double heap_of(const struct copy_table *t)
{
	return (double)(t->blocks * t->block_bytes);
}

static double analyze_price(const struct copy_table *t)
{
	double most = (double)SAMPLE_PAGES * (double)t->block_bytes, heap = heap_of(t);

	return estimate_price(WORK_ANALYZE, heap < most ? heap : most, heap < SAMPLE_BYTES ? heap / SAMPLE_BYTES : 1);
}

double copy_vacuum_price(const struct copy_table *t)
{
	return estimate_price(WORK_TEND, (double)t->bytes, 1);
}

double copy_entry_price(const struct copy_job *j, size_t e)
{
	const struct post_entry *p = &j->post.v[e];

	return estimate_price(p->kind == POST_FK ? WORK_KEY : WORK_INDEX, (double)p->index_bytes * (p->text ? TEXT_TIMES : 1), 1);
}

/* What one session does in the order of the dump: tables go another way before the rows, indexes and keys behind them. */
static double ordered(const struct copy_job *j, size_t from, size_t to)
{
	double n = 0;

	for (size_t e = from; e < to; e++) {
		enum post_kind kind = j->post.v[e].kind;
		n += kind == POST_SERIAL || kind == POST_LAST;
	}
	return n;
}

/* The price of a task, and of which kind. False: nothing that counts. */
static bool weigh(const struct copy_job *j, const struct task *t, enum work *kind, double *price)
{
	const struct group *g = t->kind == TASK_PART ? &j->groups[t->part->group] : t->group;

	switch (t->kind) {
	case TASK_TABLES:
		*kind = WORK_MAKE;
		*price = estimate_price(*kind, 0, (double)(t->to - t->entry));
		return true;
	case TASK_ORDERED:
		*kind = t->entry < j->post.rows ? WORK_MAKE : WORK_REST;
		*price = estimate_price(*kind, 0, ordered(j, t->entry, t->to));
		return true;
	case TASK_PART:
		*kind = g->small ? WORK_SMALL : WORK_ROWS;
		*price = estimate_price(*kind, (double)t->part->bytes, (double)t->part->n);
		return true;
	case TASK_GROUP:
		*kind = WORK_SMALL;
		*price = estimate_price(*kind, 0, (double)(g->n_entries + g->n));
		return true;
	case TASK_ENTRY:
		*kind = g ? WORK_INDEX : WORK_KEY;
		*price = copy_entry_price(j, t->entry);
		return true;
	case TASK_ANALYZE:
		*kind = WORK_ANALYZE;
		*price = analyze_price(&j->list->tables[g->first]);
		return true;
	case TASK_LATE:
		*kind = WORK_TEND;
		*price = t->entry < j->late.n ? j->late_price[t->entry] : 0;
		return t->entry != SIZE_MAX;
	case TASK_LOOK: case TASK_CLEAR: case TASK_SEQUENCES: case TASK_AGAIN: case TASK_PREPARE:
		break;
	}
	return false;
}

static void plan_task(struct copy_job *j, const struct task *t)
{
	enum work kind;
	double price;

	if (weigh(j, t, &kind, &price))
		j->estimate.kind[kind].of += price;
}

void copy_weigh_all(struct copy_job *j)
{
	const struct task make = {.kind = TASK_TABLES, .to = j->post.rows}, serial = {.kind = TASK_ORDERED, .entry = j->post.rows, .to = j->post.n};

	plan_task(j, &make);
	plan_task(j, &serial);
	for (size_t i = 0; i < j->n_parts; i++)
		plan_task(j, &(struct task){.kind = TASK_PART, .part = &j->parts[i]});
	for (size_t i = 0; i < j->n_groups; i++) {
		struct group *g = &j->groups[i];
		plan_task(j, &(struct task){.kind = g->small ? TASK_GROUP : TASK_ANALYZE, .group = g});
		for (size_t k = 0; !g->small && k < g->n_entries; k++) {
			plan_task(j, &(struct task){.kind = TASK_ENTRY, .group = g, .entry = (size_t)g->entries[k]});
			j->index_bytes += j->post.v[g->entries[k]].index_bytes;
		}
	}
	for (size_t k = 0; k < j->n_keys; k++) {
		plan_task(j, &(struct task){.kind = TASK_ENTRY, .entry = j->keys[k]});
		j->key_bytes += j->post.v[j->keys[k]].bytes;
	}
	for (size_t i = 0; i < j->list->n_tables; i++)
		j->estimate.kind[WORK_TEND].of += copy_wants_vacuum(j, i) ? copy_vacuum_price(&j->list->tables[i]) : 0;
}

static double took_s(const struct doing *d)
{
	return (double)(clock_mono_us() - d->began_us) / 1e6;
}

void copy_task_begins(struct copy_job *j, int who, const struct task *t)
{
	struct doing *d = &j->doing[who];

	d->task = *t;
	d->on = true;
	d->began_us = clock_mono_us();
	d->heard_us = 0;
	d->share = 0;
	d->text[0] = '\0';
	atomic_store(&d->moved, 0);
	atomic_store(&d->rows, 0);
}

void copy_task_ends(struct copy_job *j, int who)
{
	struct doing *d = &j->doing[who];
	enum work kind;
	double price;

	d->on = false;
	d->text[0] = '\0';
	if (!weigh(j, &d->task, &kind, &price))
		return;
	j->estimate.kind[kind].done += price;
	j->estimate.kind[kind].busy_s += took_s(d);
}

/* Of a task that runs: by what has moved, by what the server has said and the time since, else by the clock. */
static double share_of(const struct copy_job *j, const struct doing *d, enum work kind, double price)
{
	double took = took_s(d), cost = price * estimate_factor(&j->estimate, kind), share = cost > 0 ? took / cost : 0;

	if (kind == WORK_ROWS)
		share = (double)atomic_load(&d->moved) / (double)(d->task.part->bytes > 0 ? d->task.part->bytes : 1);
	else if (d->heard_us > d->began_us && d->share > 0)
		share = d->share * took / ((double)(d->heard_us - d->began_us) / 1e6);
	return share > SHARE_MOST ? SHARE_MOST : share;
}

/* A guess by the clock proves nothing, until it was too low. */
static void add_running(const struct copy_job *j, struct estimate *e)
{
	for (int i = 0; i < j->n_threads; i++) {
		const struct doing *d = &j->doing[i];
		enum work kind;
		double price;
		if (!d->on || !weigh(j, &d->task, &kind, &price) || price <= 0)
			continue;
		double share = share_of(j, d, kind, price), guessed = price * share * estimate_factor(&j->estimate, kind), took = took_s(d);
		bool seen = kind == WORK_ROWS || d->heard_us || took > guessed;
		e->kind[kind].done += price * share;
		e->kind[kind].busy_s += seen ? took : guessed;
	}
}

/* Seconds of a statement that are left. */
static double entry_left(const struct copy_job *j, size_t entry, const struct estimate *e)
{
	enum work kind = j->post.v[entry].kind == POST_FK ? WORK_KEY : WORK_INDEX;
	double price = copy_entry_price(j, entry), left = price;

	for (int i = 0; i < j->n_threads; i++) {
		const struct doing *d = &j->doing[i];
		if (d->on && d->task.kind == TASK_ENTRY && d->task.entry == entry)
			left = price * (1 - share_of(j, d, kind, price));
	}
	return left * estimate_factor(e, kind);
}

/* Of a table's rows: the largest part, or what the largest has left when all that are missing run. */
static double rows_left(const struct copy_job *j, const struct group *g, const struct estimate *e)
{
	double part = (double)j->list->tables[g->first].bytes / (double)g->parts, most = 0;
	size_t running = 0;

	for (int i = 0; i < j->n_threads; i++) {
		const struct doing *d = &j->doing[i];
		if (!d->on || d->task.kind != TASK_PART || &j->groups[d->task.part->group] != g)
			continue;
		double left = (double)d->task.part->bytes - (double)atomic_load(&d->moved);
		most = left > most ? left : most;
		running++;
	}
	return estimate_price(WORK_ROWS, running < g->parts_left ? part : most, 0) * estimate_factor(e, WORK_ROWS);
}

/* One table: its rows (the ranges side by side), what locks it one by one, its indexes (the largest, or a session's share of all), statistics. */
static double chain_of(const struct copy_job *j, const struct group *g, const struct estimate *e)
{
	double chain = g->parts_left > 0 ? rows_left(j, g, e) : 0, index = 0, all = 0;

	for (size_t k = 0; k < g->n_entries; k++) {
		size_t at = (size_t)g->entries[k];
		const struct post_entry *p = &j->post.v[at];
		if (j->state[at] >= ENTRY_BUILT)
			continue;
		double left = entry_left(j, at, e);
		if (p->kind == POST_CONSTRAINT && !p->index_sql)
			chain += left;
		else {
			index = left > index ? left : index;
			all += left / (e->sessions > 0 ? e->sessions : 1);
		}
	}
	return chain + (all > index ? all : index) + analyze_price(&j->list->tables[g->first]) * estimate_factor(e, WORK_ANALYZE);
}

static void find_chains(const struct copy_job *j, struct estimate *e)
{
	double tend = 0;

	for (size_t i = 0; i < j->n_groups && j->phase <= PHASE_ROWS; i++) {
		const struct group *g = &j->groups[i];
		double s = g->small || g->finished ? 0 : chain_of(j, g, e);
		e->chain_s = s > e->chain_s ? s : e->chain_s;
	}
	for (size_t k = 0; k < j->n_keys && j->phase <= PHASE_KEYS; k++) {
		double left = j->state[j->keys[k]] == ENTRY_DONE ? 0 : entry_left(j, j->keys[k], e);
		e->key_chain_s = left > e->key_chain_s ? left : e->key_chain_s;
	}
	for (size_t i = 0; i < j->list->n_tables && !j->late_listed; i++) {
		double price = copy_wants_vacuum(j, i) ? copy_vacuum_price(&j->list->tables[i]) : 0;
		tend = price > tend ? price : tend;
	}
	for (size_t i = j->next_late; i < j->late.n && j->late_listed; i++)
		tend = j->late_price[i] > tend ? j->late_price[i] : tend;
	e->tend_chain_s = tend * estimate_factor(e, WORK_TEND);
}

struct estimate copy_estimate(const struct copy_job *j)
{
	struct estimate e = j->estimate;

	e.sessions = j->working > 0 ? j->working : j->o.jobs;
	if (j->phase <= PHASE_OPEN) /* nothing is planned yet */
		return e;
	add_running(j, &e);
	find_chains(j, &e);
	return e;
}
