/* How the work is cut: parts of rows, groups of tables, which entry belongs to which group. Pure. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "copy/copy_in.h"

#define BATCH_TABLES 50
#define BATCH_LEAST 4
#define BATCHES_EACH 3
#define BATCH_BYTES (4 << 20)
#define SORTED_TIMES 3.0        /* as large as the index is what is sorted */
#define MERGE_BYTES (272 << 10) /* tuplesort.c: MERGE_BUFFER_SIZE and two blocks */
#define SORT_LEAST_MB 4
#define SORT_MOST_MB 64         /* two processes, from 11 on; what is larger than half of it would not be merged in less */

static struct part *add_part(struct copy_job *j, size_t first, size_t n, int64_t bytes)
{
	struct part *p = &j->parts[j->n_parts++];

	*p = (struct part){.first = first, .n = n, .bytes = bytes, .group = j->n_groups};
	return p;
}

static void add_group(struct copy_job *j, size_t first, size_t n, size_t parts, bool small)
{
	for (size_t i = first; i < first + n; i++)
		j->group_of[i] = j->n_groups;
	j->groups[j->n_groups++] = (struct group){.first = first, .n = n, .parts = parts, .parts_left = parts, .small = small};
}

/*
 * A table that is larger than a session's share would keep one of them busy long after the others. Ranges cost no more of the
 * servers' time, but the FREEZE of a whole table, and its sessions wait for each other when they extend it: a sixth more processor seconds
 * in all. So only what is large enough to be worth that, and such tables are vacuumed in the end.
 */
static size_t ranges_of(const struct copy_list *l, const struct copy_table *t, int jobs, int64_t least)
{
	int64_t share = l->bytes / (jobs > 0 ? jobs : 1);

	/* before 14 every range would read the whole table */
	if (l->version < 140000 || jobs < 2 || t->where || t->shared || least <= 0 || t->bytes < least || t->bytes <= share || t->blocks < COPY_MAX_JOBS)
		return 1;
	int64_t n = (t->bytes + share / 2) / (share > 0 ? share : 1);
	return n < 2 ? 2 : n > jobs ? (size_t)jobs : (size_t)n;
}

bool copy_in_ranges(const struct copy_list *l, const struct copy_table *t, int jobs, int64_t range_bytes)
{
	return ranges_of(l, t, jobs, range_bytes) > 1;
}

static void cut_large(struct copy_job *j, size_t i)
{
	const struct copy_table *t = &j->list->tables[i];
	size_t n = ranges_of(j->list, t, j->o.jobs, j->o.range_bytes);

	for (size_t k = 0; k < n; k++) {
		int64_t bytes = t->bytes / (int64_t)n;
		struct part *p = add_part(j, i, 1, k + 1 < n ? bytes : t->bytes - bytes * (int64_t)(n - 1));
		if (n == 1)
			continue;
		j->in_ranges[i] = true;
		p->from = t->blocks * (int64_t)k / (int64_t)n;
		p->to = k + 1 == n ? LIST_TO_END : t->blocks * (int64_t)(k + 1) / (int64_t)n;
	}
	add_group(j, i, 1, n, false);
}

/* No part of it is worked on: while looking what an earlier copy did not have, while copying what is kept. */
static bool left_out(const struct copy_job *j, size_t i, bool looking)
{
	return j->kept[i] != looking;
}

/* What is shared out evenly must not be cut too coarsely: every session is to have a few of them, with no more than `most` in one. */
size_t copy_batch(const struct copy_job *j, size_t n, size_t most)
{
	size_t share = n / ((size_t)j->o.jobs * BATCHES_EACH) + 1;

	return share < BATCH_LEAST ? BATCH_LEAST : share > most ? most : share;
}

static size_t cut_small(struct copy_job *j, size_t i, size_t most, bool looking)
{
	bool out = left_out(j, i, looking);
	size_t n = 0;
	int64_t bytes = 0;

	while (i + n < j->list->n_tables && n < most && (n == 0 || bytes + j->list->tables[i + n].bytes <= BATCH_BYTES) && left_out(j, i + n, looking) == out)
		bytes += j->list->tables[i + n++].bytes;
	if (!out)
		(void)add_part(j, i, n, bytes);
	add_group(j, i, n, !out, true);
	return n;
}

void copy_forget_parts(struct copy_job *j)
{
	for (size_t i = 0; i < j->n_groups; i++)
		free(j->groups[i].entries);
	free(j->parts);
	free(j->groups);
	free(j->group_of);
	free(j->in_ranges);
	j->parts = NULL;
	j->groups = NULL;
	j->group_of = NULL;
	j->in_ranges = NULL;
	j->n_parts = j->n_groups = j->next_part = 0;
}

void copy_plan_parts(struct copy_job *j, bool looking)
{
	const struct copy_list *l = j->list;

	j->parts = xcalloc(l->n_tables * 2 + (size_t)j->o.jobs * (size_t)j->o.jobs * 2 + 1, sizeof *j->parts);
	j->groups = xcalloc(l->n_tables + 1, sizeof *j->groups);
	j->group_of = xcalloc(l->n_tables + 1, sizeof *j->group_of);
	j->in_ranges = xcalloc(l->n_tables + 1, sizeof *j->in_ranges);
	size_t i = 0, most;
	for (; i < l->n_tables && l->tables[i].bytes >= COPY_SMALL; i++)
		if (left_out(j, i, looking)) {
			j->in_ranges[i] = ranges_of(l, &l->tables[i], j->o.jobs, j->o.range_bytes) > 1; /* it still wants its VACUUM */
			add_group(j, i, 1, 0, false);
		} else {
			cut_large(j, i);
		}
	most = copy_batch(j, l->n_tables - i, BATCH_TABLES);
	while (i < l->n_tables)
		i += cut_small(j, i, most, looking);
}

bool copy_wants_vacuum(const struct copy_job *j, size_t table)
{
	const struct copy_table *t = &j->list->tables[table];

	return !t->shared && !t->where && (j->in_ranges[table] || t->bytes - t->blocks * t->block_bytes >= COPY_SMALL);
}

/*
 * A B-tree is sorted fastest in runs that the processor's caches hold, as long as they can be merged at once: a run takes about the
 * memory, a run that is merged 272 kB of it. Text took a third less of a processor's time with 8MB than with 64MB, and not longer than
 * with two processes, of which each wants 32MB.
 */
int copy_sort_mb(const struct post_entry *p)
{
	bool btree = p->kind == POST_INDEX ? strstr(p->sql, " USING btree ") != NULL : !strstr(p->sql, " EXCLUDE USING ");

	if (!btree || p->bytes <= 0 || p->bytes >= COPY_MERGED_AT_ONCE)
		return 0;
	double least = sqrt(SORTED_TIMES * (double)p->index_bytes * MERGE_BYTES) / (1 << 20);
	return p->index_bytes <= 0 || least > SORT_MOST_MB / 2.0 ? SORT_MOST_MB : least < SORT_LEAST_MB ? SORT_LEAST_MB : (int)least + 1;
}

struct name { const char *schema, *name; size_t i; };

static int by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : strcmp(x->schema, y->schema);
}

static const struct name *find_name(const struct name *names, size_t n, const char *schema, const char *name)
{
	const struct name key = {.schema = schema, .name = name};

	return schema && name ? bsearch(&key, names, n, sizeof *names, by_name) : NULL;
}

static void add_entry(struct group *g, size_t e)
{
	if ((g->n_entries & (g->n_entries + 1)) == 0 || g->n_entries == 0)
		g->entries = xrealloc(g->entries, (g->n_entries * 2 + 2) * sizeof *g->entries);
	g->entries[g->n_entries++] = (long)e;
}

/* Of one group: the largest first, so that the last ones are short. The dump's order among equals. */
static void sort_entries(const struct copy_job *j, struct group *g)
{
	for (size_t i = 1; i < g->n_entries && !g->small; i++) {
		long e = g->entries[i];
		size_t k = i;
		for (; k > 0 && copy_entry_price(j, (size_t)g->entries[k - 1]) < copy_entry_price(j, (size_t)e); k--)
			g->entries[k] = g->entries[k - 1];
		g->entries[k] = e;
	}
}

void copy_plan_entries(struct copy_job *j)
{
	const struct copy_list *l = j->list;
	struct name *names = xcalloc(l->n_tables + 1, sizeof *names);

	for (size_t i = 0; i < l->n_tables; i++)
		names[i] = (struct name){.schema = l->tables[i].schema, .name = l->tables[i].name, .i = i};
	qsort(names, l->n_tables, sizeof *names, by_name);
	j->state = xcalloc(j->post.n + 1, 1);
	j->first_key = j->post.n;
	for (size_t e = j->post.rows; e < j->post.n; e++) {
		struct post_entry *p = &j->post.v[e];
		if (p->kind == POST_FK && j->first_key == j->post.n)
			j->first_key = e;
		if (p->kind != POST_INDEX && p->kind != POST_CONSTRAINT && p->kind != POST_FK)
			continue;
		const struct name *found = find_name(names, l->n_tables, p->schema, p->table);
		if (!found) /* of a partitioned table or a materialized view: in the dump's order */
			continue;
		p->bytes = l->tables[found->i].bytes;
		const struct name *to = p->kind == POST_FK ? find_name(names, l->n_tables, p->to_schema, p->to_table) : NULL;
		p->plain = to != NULL;
		if (p->kind == POST_FK) {
			p->index_bytes = l->tables[found->i].blocks * l->tables[found->i].block_bytes + (to ? l->tables[to->i].blocks * l->tables[to->i].block_bytes : 0);
			continue;
		}
		const struct copy_index *x = list_index(l, p->schema, p->constraint ? p->constraint : p->name);
		p->index_bytes = x ? x->bytes : 0;
		p->text = x && x->text;
		add_entry(&j->groups[j->group_of[found->i]], e);
	}
	free(names);
	for (size_t g = 0; g < j->n_groups; g++)
		sort_entries(j, &j->groups[g]);
	copy_plan_keys(j);
}
