#include "journal/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void model_init(struct model *m)
{
	*m = (struct model){0};
	m->log = xcalloc(MODEL_LOG, sizeof *m->log);
}

static void item_fini(struct model_item *it)
{
	event_free(it->last);
	event_free(it->progress);
	free(it->why);
	free(it->title);
	free(it->sql);
	free(it->who);
}

static void list_clear(struct model_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		item_fini(&l->v[i]);
	free(l->v);
	free(l->slot);
	*l = (struct model_list){0};
}

static void replace(struct event **slot, struct event *e)
{
	event_free(*slot);
	*slot = e;
}

void model_fini(struct model *m)
{
	struct model_list *lists[] = {&m->findings, &m->steps, &m->actions, &m->left, &m->issues, &m->proofs, &m->notes, &m->fixes, &m->tests,
				      &m->answers, &m->attempts};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		list_clear(lists[i]);
	struct event *all[] = {m->begin, m->end, m->facts[0], m->facts[1], m->again[0], m->again[1], m->gate, m->busy, m->action, m->sample, m->wait, m->tables[0], m->tables[1]};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		event_free(all[i]);
	for (size_t i = 0; i < m->log_n; i++)
		event_free(m->log[i]);
	free(m->log);
	*m = (struct model){0};
}

/* Where the id is, or the free place where it would go; FNV-1a, linear probing, at most half full. */
static size_t *slot_of(const struct model_list *l, const char *id)
{
	uint64_t h = 14695981039346656037u;

	for (const char *p = id; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (size_t i = (size_t)(h ^ h >> 32) & (l->slots - 1);; i = (i + 1) & (l->slots - 1))
		if (l->slot[i] == 0 || strcmp(l->v[l->slot[i] - 1].last->id, id) == 0)
			return &l->slot[i];
}

struct model_item *model_find(const struct model_list *l, const char *id)
{
	size_t at = id && l->slots ? *slot_of(l, id) : 0;

	return at ? &l->v[at - 1] : NULL;
}

static void reindex(struct model_list *l)
{
	free(l->slot);
	l->slots = l->cap * 2;
	l->slot = l->slots ? xcalloc(l->slots, sizeof *l->slot) : NULL;
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].last->id)
			*slot_of(l, l->v[i].last->id) = i + 1;
}

static void grow(struct model_list *l)
{
	l->cap = l->cap ? l->cap * 2 : 16;
	l->v = xrealloc(l->v, l->cap * sizeof *l->v);
	reindex(l);
}

static struct model_item *list_add(struct model_list *l, struct event *e)
{
	if (l->n == l->cap)
		grow(l);
	struct model_item *it = &l->v[l->n++];
	*it = (struct model_item){.last = e};
	if (e->id)
		*slot_of(l, e->id) = l->n;
	return it;
}

const struct model_item *model_left(const struct model *m, const char *kind, const char *name, const char *system)
{
	char *id = xasprintf("%s:%s", kind, name);
	const struct model_item *it = m ? model_find(&m->left, id) : NULL;

	free(id);
	return it && (!system || !it->last->needed || str_eq(it->last->needed, system)) ? it : NULL;
}

/* The item of the event's id, made when it is new. */
static struct model_item *list_put(struct model_list *l, struct event *e)
{
	struct model_item *it = e->id ? model_find(l, e->id) : NULL;

	if (!it)
		return list_add(l, e);
	event_free(it->last);
	it->last = e;
	return it;
}

static void log_add(struct model *m, struct event *e)
{
	m->log_total++;
	m->log_dropped += e->kind == EV_LOG ? e->seq : 0;
	if (m->log_n < MODEL_LOG) {
		m->log[m->log_n++] = e;
		m->log_head = m->log_n % MODEL_LOG;
		return;
	}
	event_free(m->log[m->log_head]);
	m->log[m->log_head] = e;
	m->log_head = (m->log_head + 1) % MODEL_LOG;
}

const struct event *model_log(const struct model *m, size_t i)
{
	if (i >= m->log_n)
		return NULL;
	return m->log[(m->log_head + m->log_n - 1 - i) % m->log_n];
}

/* Whether a cutover could begin then. */
static bool is_condition(const struct model_item *it, const char *id)
{
	(void)id;
	return it->last->id && str_starts(it->last->id, "ready.");
}

static void count_findings(struct model *m)
{
	memset(m->n_verdict, 0, sizeof m->n_verdict);
	m->n_unacked = 0;
	for (size_t i = 0; i < m->findings.n; i++) {
		const struct model_item *it = &m->findings.v[i];
		m->n_verdict[it->last->verdict]++;
		m->n_unacked += it->last->verdict == VERDICT_WARN && !it->acked && !is_condition(it, NULL); /* nobody accepts those beforehand */
	}
}

/* The same finding seen again stays accepted; one that says something else does not. */
static void put_finding(struct model *m, struct event *e)
{
	struct model_item *old = model_find(&m->findings, e->id);
	bool same = old && old->last->verdict == e->verdict && str_eq(old->last->title, e->title);
	struct model_item *it = list_put(&m->findings, e);

	it->acked = it->acked && same;
	if (!it->acked)
		xreplace(&it->who, NULL);
	count_findings(m);
}

static void ack(struct model *m, struct event *e)
{
	struct model_item *it = model_find(&m->findings, e->id);

	if (it) {
		it->acked = true;
		xreplace(&it->who, e->text);
	}
	event_free(e);
	count_findings(m);
}

/* The same one again: its end, or told by another attempt. */
static void put_fix(struct model *m, struct event *e)
{
	for (size_t i = 0; i < m->fixes.n; i++) {
		struct event **old = &m->fixes.v[i].last;
		if ((*old)->at_us != e->at_us || !str_eq((*old)->id, e->id))
			continue;
		if (e->state == ST_RUNNING)
			event_free(e);
		else
			replace(old, e);
		return;
	}
	(void)list_add(&m->fixes, e);
}

static void put_timed(struct model_list *l, struct event *e)
{
	struct model_item *it = list_put(l, e);

	if (e->state == ST_RUNNING) {
		it->began_us = e->at_us;
		it->began_mono_us = clock_mono_of(e->at_us);
		it->ended_us = 0;
		replace(&it->progress, NULL);
	} else if (e->state > ST_RUNNING) {
		it->ended_us = e->at_us;
	}
}

static void put_plan(struct model *m, struct event *e)
{
	if (e->n == 0) /* a plan begins: the former one is history */
		list_clear(&m->steps);
	struct model_item *it = list_put(&m->steps, e);
	xreplace(&it->title, e->title);
	xreplace(&it->why, e->text);
	xreplace(&it->sql, e->sql);
	e->state = ST_WAITING;
}

static void put_progress(struct model *m, struct event *e)
{
	struct model_item *it = e->id ? model_find(&m->steps, e->id) : NULL;

	if (!it) /* verify outside an attempt has no steps */
		it = m->steps.n ? NULL : list_add(&m->steps, event_dup(e));
	if (it)
		replace(&it->progress, e);
	else
		event_free(e);
}

/* Leaves out the items of which `out` says so. */
static void drop(struct model_list *l, bool (*out)(const struct model_item *it, const char *id), const char *id)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (out(&l->v[i], id))
			item_fini(&l->v[i]);
		else
			l->v[kept++] = l->v[i];
	if (kept != l->n) {
		l->n = kept;
		reindex(l);
	}
}

/* What is gone is history. */
static bool is_removed(const struct model_item *it, const char *id)
{
	(void)id;
	return it->removed;
}

/* What a good end left to stay: nobody's to take up, nor to clean away. Replication is: it goes on until it is removed. */
static bool is_product(const struct model_item *it, const char *id)
{
	static const char *const kinds[] = {"dump:", "content:", "database:", "role:", "kept-closed:"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (str_starts(it->last->id, kinds[i]))
			return true;
	return is_removed(it, id);
}

/* A comparison outside of an attempt belongs to no step, and is older than what any step finds. */
static bool is_of_step(const struct model_item *it, const char *step)
{
	return str_eq(it->last->why, step) || (it->last->kind == EV_PROOF && !it->last->why);
}

static const char *note_of(const struct model *m, const char *title)
{
	const char *text = NULL;

	for (size_t i = 0; i < m->notes.n; i++)
		if (str_eq(m->notes.v[i].last->title, title))
			text = m->notes.v[i].last->text;
	return text;
}

/* What the former attempt was, in one line; taken up or cleaned up later, it is still the same one. */
static void keep_attempt(struct model *m)
{
	if (!m->begin || !m->begin->id)
		return;
	struct event *e = m->end ? event_dup(m->end) : event_new(EV_END, NULL);
	char at[40];
	xreplace(&e->id, m->begin->id);
	xreplace(&e->title, m->begin->sql);
	struct model_item *it = list_put(&m->attempts, e);
	it->began_us = m->begin->at_us;
	it->ended_us = m->end ? m->end->at_us : 0;
	xreplace(&it->who, m->begin->text);
	xreplace(&it->why, note_of(m, "outage"));
	const struct event *closed = it->why ? NULL : model_closed(m); /* killed behind its fence: it could not say how long */
	if (closed) {
		free(it->why);
		it->why = xasprintf(MODEL_HELD_SINCE "%s, and still when it was killed", clock_iso(at, sizeof at, closed->at_us));
	}
}

static void answer(struct model *m, struct event *e)
{
	if (e->id && str_starts(e->id, LOGIN_GATE)) { /* no part of the story */
		replace(&m->gate, NULL);
		event_free(e);
		return;
	}
	if (m->gate && !e->title) { /* what was asked; one that nobody had to ask says it itself */
		xreplace(&e->title, m->gate->title);
		xreplace(&e->sql, m->gate->sql);
	}
	(void)list_add(&m->answers, e);
	replace(&m->gate, NULL);
}

static void begin(struct model *m, struct event *e)
{
	struct model_list *lists[] = {&m->steps, &m->actions, &m->issues, &m->proofs, &m->notes, &m->answers};

	keep_attempt(m);

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		list_clear(lists[i]);
	drop(&m->left, m->end && m->end->state == ST_DONE ? is_product : is_removed, NULL);
	drop(&m->findings, is_condition, NULL);
	count_findings(m);
	replace(&m->begin, e);
	m->begin_mono_us = clock_mono_of(e->at_us);
	replace(&m->end, NULL);
	replace(&m->gate, NULL);
	replace(&m->action, NULL);
	m->resumes = 0;
}

static void resume(struct model *m, struct event *e)
{
	m->resumes++;
	replace(&m->end, NULL);
	replace(&m->gate, NULL);
	event_free(e);
}

/* A step that is done again finds anew what is wrong; what steps found that are not, still holds. */
static void put_step(struct model *m, struct event *e)
{
	if (e->state == ST_RUNNING) {
		drop(&m->issues, is_of_step, e->id);
		drop(&m->proofs, is_of_step, e->id);
	}
	replace(&m->wait, NULL);
	put_timed(&m->steps, e);
}

static void removed(struct model *m, struct event *e)
{
	struct model_item *it = model_find(&m->left, e->id);

	if (it)
		it->removed = true;
	event_free(e);
}

static void put_left(struct model *m, struct event *e)
{
	list_put(&m->left, e)->removed = false;
}

static void busy(struct model *m, struct event *e)
{
	if (e->state != ST_RUNNING) {
		replace(&m->busy, NULL);
		event_free(e);
		return;
	}
	if (str_eq(e->title, "test"))
		list_clear(&m->tests);
	if (str_eq(e->title, "verify"))
		list_clear(&m->proofs);
	replace(&m->busy, e);
}

static void put_test(struct model *m, struct event *e)
{
	for (size_t i = 0; i < m->tests.n; i++) {
		struct event *old = m->tests.v[i].last;
		if (str_eq(old->id, e->id) && str_eq(old->title, e->title)) {
			m->tests.v[i].last = e;
			event_free(old);
			return;
		}
	}
	(void)list_add(&m->tests, e);
}

static enum side side_of(const struct event *e)
{
	return str_eq(e->id, side_name(SIDE_TARGET)) ? SIDE_TARGET : SIDE_SOURCE;
}

static void facts(struct model *m, struct event *e)
{
	replace(&m->again[side_of(e)], NULL);
	replace(&m->facts[side_of(e)], e);
}

/* What is asked right now has been answered when the next thing happens. */
static void answered(struct model *m, bool all)
{
	for (int i = 0; i < 2; i++)
		if (m->again[i] && (all || m->again[i]->n == 0))
			replace(&m->again[i], NULL);
}

static void end(struct model *m, struct event *e)
{
	replace(&m->wait, NULL);
	replace(&m->gate, NULL);
	m->end_mono_us = clock_mono_of(e->at_us);
	replace(&m->end, e);
}

static void sample(struct model *m, struct event *e)
{
	m->past[m->past_head].behind = e->n;
	m->past[m->past_head].rate = e->a;
	m->past_head = (m->past_head + 1) % MODEL_SAMPLES;
	m->past_n += m->past_n < MODEL_SAMPLES;
	replace(&m->sample, e);
}

static void put_wait(struct model *m, struct event *e)
{
	replace(&m->wait, e->state == ST_RUNNING ? e : NULL);
	if (!m->wait)
		event_free(e);
}

void model_apply(struct model *m, struct event *e)
{
	switch (e->kind) {
	case EV_BEGIN: begin(m, e); break;
	case EV_RESUME: resume(m, e); break;
	case EV_FACTS: facts(m, e); break;
	case EV_FINDING: answered(m, false); put_finding(m, e); break;
	case EV_ACK: ack(m, e); break;
	case EV_FIX: put_fix(m, e); break;
	case EV_PLAN: put_plan(m, e); break;
	case EV_STEP: answered(m, true); put_step(m, e); break;
	case EV_ACTION: answered(m, true); replace(&m->action, event_dup(e)); put_timed(&m->actions, e); break;
	case EV_LEFT: put_left(m, e); break;
	case EV_REMOVED: removed(m, e); break;
	case EV_ISSUE: log_add(m, event_dup(e)); (void)list_add(&m->issues, e); break;
	case EV_PROOF: (void)list_put(&m->proofs, e); break;
	case EV_NOTE: (void)list_add(&m->notes, e); break;
	case EV_GATE: replace(&m->gate, e); break;
	case EV_ANSWER: answer(m, e); break;
	case EV_END: end(m, e); break;
	case EV_TEST: put_test(m, e); break;
	case EV_PROGRESS: answered(m, false); put_progress(m, e); break;
	case EV_SAMPLE: sample(m, e); break;
	case EV_WAIT: put_wait(m, e); break;
	case EV_TABLES: replace(&m->tables[str_eq(e->id, side_name(SIDE_TARGET)) ? SIDE_TARGET : SIDE_SOURCE], e); break;
	case EV_LOG: log_add(m, e); break;
	case EV_BUSY: answered(m, true); busy(m, e); break;
	case EV_AGAIN: replace(&m->again[side_of(e)], e); break;
	case EV_READY: case EV_KINDS: event_free(e); break;
	}
}

void model_take_story(struct model *m, struct model *from)
{
	struct model_list *to[] = {&m->steps, &m->actions, &m->left, &m->issues, &m->proofs, &m->notes, &m->answers, &m->attempts};
	struct model_list *of[] = {&from->steps, &from->actions, &from->left, &from->issues, &from->proofs, &from->notes, &from->answers, &from->attempts};

	for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
		list_clear(to[i]);
		*to[i] = *of[i];
		*of[i] = (struct model_list){0};
	}
	replace(&m->begin, from->begin);
	replace(&m->end, from->end);
	replace(&m->action, from->action);
	m->begin_mono_us = from->begin_mono_us;
	m->end_mono_us = from->end_mono_us;
	from->begin = from->end = from->action = NULL;
	m->resumes = from->resumes;
}

bool model_unfinished(const struct model *m)
{
	return m->begin && (!m->end || m->end->state != ST_DONE);
}

void model_forget_findings(struct model *m)
{
	list_clear(&m->findings);
	list_clear(&m->fixes);
	replace(&m->facts[0], NULL);
	replace(&m->facts[1], NULL);
	count_findings(m);
}

static enum err_code bad_line(const char *path, int line, struct err *err)
{
	err_set(err, ERR_IO, "%s:%d is not a journal line", path, line);
	return err_hint(err, "the file was damaged after it was written; move it away to begin anew");
}

enum err_code model_load(struct model *m, const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	enum err_code rc = ERR_OK;

	if (!f)
		return errno == ENOENT ? ERR_OK : err_errno(err, "cannot read %s", path);
	for (int no = 1; rc == ERR_OK && (n = getline(&line, &cap, f)) > 0; no++) {
		if (line[n - 1] != '\n') /* being written, or torn by a crash: never acted on */
			break;
		json_t *j = json_loadb(line, (size_t)n, 0, NULL);
		struct event *e = j ? event_from_json(j) : NULL;
		json_decref(j);
		if (e)
			model_apply(m, e);
		else
			rc = bad_line(path, no, err);
	}
	if (rc == ERR_OK && ferror(f))
		rc = err_errno(err, "cannot read %s", path);
	free(line);
	(void)fclose(f);
	return rc;
}

bool model_not_begun(const struct event *end)
{
	return end && end->state == ST_DONE && end->n == 3;
}

const struct event *model_closed(const struct model *m)
{
	for (size_t i = 0; i < m->left.n; i++)
		if (!m->left.v[i].removed && (str_starts(m->left.v[i].last->id, "freeze:") || str_starts(m->left.v[i].last->id, "back-freeze:")))
			return m->left.v[i].last;
	return NULL;
}

char *model_closed_says(const struct model *m)
{
	const struct event *e = model_closed(m);
	bool back = e && str_starts(e->id, "back-");

	return !e ? NULL : xasprintf("A %s WAS INTERRUPTED, AND %s: pgusher %s --abort opens it again", back ? "ROLLBACK" : "CUTOVER", e->title ? e->title : "writes are refused",
				     back ? "rollback" : "cutover");
}

size_t model_open(const struct model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->issues.n; i++)
		n += m->issues.v[i].last->verdict >= VERDICT_WARN;
	for (size_t i = 0; i < m->proofs.n; i++)
		n += m->proofs.v[i].last->state != ST_DONE;
	return n;
}

char *model_verdicts(const struct model *m)
{
	const int *n = m->n_verdict;
	char blocks[48], warns[48], knows[48];

	return xasprintf("%s%s, %s, %s, %d fine", n[VERDICT_BLOCK] ? fmt_things(blocks, sizeof blocks, n[VERDICT_BLOCK], "thing") : "nothing",
			 n[VERDICT_BLOCK] > 1 ? " block" : " blocks", n[VERDICT_WARN] ? fmt_things(warns, sizeof warns, n[VERDICT_WARN], "warning") : "no warnings",
			 n[VERDICT_INFO] ? fmt_things(knows, sizeof knows, n[VERDICT_INFO], "remark") : "no remarks", n[VERDICT_OK]);
}
