/* Who does what next. Everything under the job's lock. */
#include <stdlib.h>

#include "copy/copy_in.h"

#define TABLES_AT_ONCE 30

static bool is_key(const struct copy_job *j, const struct group *g, size_t k)
{
	const struct post_entry *p = &j->post.v[g->entries[k]];

	return p->kind == POST_CONSTRAINT && !p->index_sql;
}

/*
 * Of a large table: keys that lock it one by one, then its indexes side by side, then statistics. True: *t is
 * something to do now.
 */
static bool next_of_group(struct copy_job *j, struct group *g, struct task *t)
{
	if (g->key_running)
		return false;
	for (int keys = 1; keys >= 0; keys--) {
		size_t *next = keys ? &g->next_key : &g->next_index;
		while (*next < g->n_entries && (is_key(j, g, *next) != (keys == 1) || j->state[g->entries[*next]] != ENTRY_WAITS))
			(*next)++;
		if (*next == g->n_entries)
			continue;
		*t = (struct task){.kind = TASK_ENTRY, .group = g, .entry = (size_t)g->entries[(*next)++]};
		g->key_running = keys;
		g->running++;
		return true;
	}
	if (g->running > 0)
		return false;
	g->finished = true;
	*t = (struct task){.kind = TASK_ANALYZE, .group = g};
	return true;
}

static bool next_ready(struct copy_job *j, struct task *t)
{
	for (size_t i = 0; i < j->n_groups; i++) {
		struct group *g = &j->groups[i];
		if (g->finished || g->parts_left > 0)
			continue;
		if (g->small) {
			g->finished = true;
			*t = (struct task){.kind = TASK_GROUP, .group = g};
			return true;
		}
		if (next_of_group(j, g, t))
			return true;
	}
	return false;
}

/* Tables side by side, a few dozen in a transaction; everything else in the dump's order, when all before it is done. */
static bool next_tables(struct copy_job *j, struct task *t, bool *over)
{
	const struct post_entry *v = j->post.v;
	size_t from = j->next_table, to = from, most = copy_batch(j, j->list->n_tables, TABLES_AT_ONCE);

	if (from < j->post.rows && v[from].kind == POST_TABLE) {
		while (to < j->post.rows && v[to].kind == POST_TABLE &&
		       (to - from < most || !(str_eq(v[to].type, "TABLE") || str_eq(v[to].type, "DEFAULT"))))
			to++;
		j->next_table = to;
		*t = (struct task){.kind = TASK_TABLES, .entry = from, .to = to};
		return true;
	}
	if (j->busy > 0 || j->tables_sure == j->post.rows) {
		*over = j->busy == 0;
		return false;
	}
	while (to < j->post.rows && v[to].kind != POST_TABLE)
		to++;
	*t = (struct task){.kind = TASK_ORDERED, .entry = j->tables_sure, .to = to};
	j->next_table = j->tables_sure = to;
	return true;
}

static bool next_rows(struct copy_job *j, struct task *t, bool *over)
{
	if (!j->seqs_taken && j->list->n_seqs > 0) {
		j->seqs_taken = true;
		*t = (struct task){.kind = TASK_SEQUENCES};
		return true;
	}
	if (next_ready(j, t))
		return true;
	if (j->next_part < j->n_parts) {
		*t = (struct task){.kind = TASK_PART, .part = &j->parts[j->next_part++]};
		return true;
	}
	*over = j->busy == 0;
	return false;
}

/* One worker does it; the others wait for the next phase. */
static bool once(struct copy_job *j, bool *taken, struct task t, struct task *out, bool *over)
{
	if (!*taken) {
		*taken = true;
		*out = t;
		return true;
	}
	*over = j->busy == 0;
	return false;
}

static bool next_late(struct copy_job *j, struct task *t, bool *over)
{
	if (!j->late_taken) {
		j->late_taken = true;
		*t = (struct task){.kind = TASK_LATE, .entry = SIZE_MAX};
		return true;
	}
	if (j->late_listed && j->next_late < j->late.n) {
		*t = (struct task){.kind = TASK_LATE, .entry = j->next_late++};
		return true;
	}
	*over = j->late_listed && j->busy == 0;
	return false;
}

static bool next_look(struct copy_job *j, struct task *t, bool *over)
{
	if (j->next_part < j->n_parts) {
		*t = (struct task){.kind = TASK_LOOK, .part = &j->parts[j->next_part++]};
		return true;
	}
	*over = j->busy == 0;
	return false;
}

static bool next_in_phase(struct copy_job *j, struct task *t, bool *over)
{
	const struct task serial = {.kind = TASK_ORDERED, .entry = j->post.rows, .to = j->first_key};
	const struct task rest = {.kind = TASK_ORDERED, .entry = j->first_key, .to = j->post.n};

	switch (j->phase) {
	case PHASE_LOOK:
		return next_look(j, t, over);
	case PHASE_OPEN: /* copy_go ends it */
		return false;
	case PHASE_TABLES:
		return next_tables(j, t, over);
	case PHASE_CLEAR:
		if (j->had)
			return once(j, &j->clear_taken, (struct task){.kind = TASK_CLEAR}, t, over);
		*over = j->busy == 0;
		return false;
	case PHASE_ROWS:
		return next_rows(j, t, over);
	case PHASE_AGAIN:
		return once(j, &j->again_taken, (struct task){.kind = TASK_AGAIN}, t, over);
	case PHASE_SERIAL:
		return once(j, &j->serial_taken, serial, t, over);
	case PHASE_PREPARE:
		return once(j, &j->prepare_taken, (struct task){.kind = TASK_PREPARE}, t, over);
	case PHASE_KEYS:
		return copy_next_key(j, t, over);
	case PHASE_REST:
		return once(j, &j->rest_taken, rest, t, over);
	case PHASE_ANALYZE:
		return next_late(j, t, over);
	case PHASE_END:
		break;
	}
	return false;
}

bool copy_next_task(struct copy_job *j, int who, struct task *t)
{
	bool got = false;

	(void)pthread_mutex_lock(&j->lock);
	while (!j->stop && j->phase != PHASE_END) {
		bool over = false;
		got = next_in_phase(j, t, &over);
		if (got) {
			j->busy++;
			copy_task_begins(j, who, t);
			break;
		}
		if (over) {
			j->phase++;
			atomic_store(&j->tables_made, j->phase > PHASE_CLEAR); /* large objects, too */
			copy_tell(j);
			(void)pthread_cond_broadcast(&j->moved);
		} else {
			(void)pthread_cond_wait(&j->moved, &j->lock);
		}
	}
	(void)pthread_mutex_unlock(&j->lock);
	return got;
}

/* The last part of a group ended. */
static void group_complete(struct copy_job *j, const struct group *g, bool looked)
{
	for (size_t i = g->first; i < g->first + g->n; i++)
		if (looked)
			j->kept[i] = j->kept[i] && j->rows_of[i] == j->had[i].rows;
		else if (!j->failed[i])
			j->complete[j->n_complete++] = i;
}

void copy_task_done(struct copy_job *j, int who, const struct task *t)
{
	(void)pthread_mutex_lock(&j->lock);
	j->busy--;
	copy_task_ends(j, who);
	if ((t->kind == TASK_PART || t->kind == TASK_LOOK) && --j->groups[t->part->group].parts_left == 0 && !j->stop)
		group_complete(j, &j->groups[t->part->group], t->kind == TASK_LOOK);
	if (t->kind == TASK_ENTRY && t->group) {
		t->group->running--;
		t->group->key_running = false;
	}
	(void)pthread_cond_broadcast(&j->moved);
	(void)pthread_mutex_unlock(&j->lock);
	copy_wake(j);
}
