#include "cutover/rehearse.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cutover/carry.h"
#include "cutover/cutover_in.h"
#include "cutover/readiness.h"
#include "method/work.h"

#define MARKS 5
#define MARK_MS 30000
#define FENCES_US 60000          /* locks, ending sessions, putting the subscription to sleep: not done here */
#define COPY_BYTES_S (50.0 * (1 << 20)) /* of an unlogged table, when in doubt */
#define CHUNK 200

enum part { PART_MARK, PART_SEQUENCES, PART_OBJECTS, PART_UNLOGGED, PART_PROOF, PARTS };

struct rehearsal {
	int64_t us[PARTS];
	bool known[PARTS];
	int64_t sequences;
	int blocked; /* not ready: said, and the rest is timed all the same */
	struct err why;
};

static const char *const part_names[PARTS] = {"mark", "sequences", "large objects", "unlogged tables (by their size)", "proof"};

static void took(struct run *r, enum part part, int64_t us)
{
	r->rehearsal->us[part] = us;
	r->rehearsal->known[part] = true;
}

static enum err_code work_begin(struct run *r, const void *arg, struct err *err)
{
	free(r->rehearsal);
	r->rehearsal = xcalloc(1, sizeof *r->rehearsal);
	enum err_code rc = work_readiness(r, arg, err);
	if (rc == ERR_BLOCKED) {
		r->rehearsal->blocked = 1;
		r->rehearsal->why = *err;
		run_note(r, "rehearsal", "a cutover would be refused now: %s; the times are taken all the same", err->msg);
		rc = ERR_OK;
	}
	return rc;
}

/* ---- the mark ---- */

static enum err_code one_mark(struct run *r, struct session *s, int64_t *us, struct err *err)
{
	struct link l;
	char *mark = NULL;
	int64_t t0 = clock_mono_us(), end = clock_deadline(MARK_MS);
	bool there = false;

	link_forward(&l, r->m);
	enum err_code rc = session_value(s, "SELECT pg_logical_emit_message(true, 'pgusher', 'rehearsal')", &mark, err);

	while (rc == ERR_OK && !there) {
		const char *params[] = {r->m->sub.slot, mark};
		PGresult *res;
		rc = session_exec(s, "SELECT confirmed_flush_lsn >= $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1", 2, params, 0, &res, err);
		if (rc != ERR_OK)
			break;
		there = PQntuples(res) > 0 && cell_bool(res, 0, 0);
		PQclear(res);
		struct pollfd fd = {.fd = r->cancel->fd, .events = POLLIN};
		if (!there)
			rc = cutover_hasten(r, &l, s, err);
		if (!there)
			(void)poll(&fd, 1, 1);
		if (cancel_raised(r->cancel))
			rc = err_set(err, ERR_CANCELLED, "cancelled");
		else if (rc == ERR_OK && !there && clock_mono_us() > end)
			rc = err_set(err, ERR_TIMEOUT, "the target did not confirm a mark within %d s", MARK_MS / 1000);
	}
	*us = clock_mono_us() - t0;
	free(mark);
	return rc;
}

static enum err_code work_marks(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	int64_t us, best = INT64_MAX, worst = 0;
	enum err_code rc = run_session(r, SIDE_SOURCE, NULL, &s, err);

	(void)arg;
	for (int i = 0; i < MARKS && rc == ERR_OK; i++) {
		rc = one_mark(r, s, &us, err);
		best = us < best ? us : best;
		worst = us > worst ? us : worst;
	}
	if (rc != ERR_OK)
		return rc;
	took(r, PART_MARK, worst);
	run_note(r, "rehearsal: mark", "what the source writes is flushed on the target after %.1f to %.1f ms, with writers at work", (double)best / 1000, (double)worst / 1000);
	return ERR_OK;
}

/* ---- sequences ---- */

static enum err_code read_sequences(struct session *s, const PGresult *names, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (int i = 0; i < PQntuples(names) && rc == ERR_OK; i += CHUNK) {
		struct str sql = {0};
		for (int k = i; k < PQntuples(names) && k < i + CHUNK; k++)
			str_addf(&sql, "%sSELECT last_value, is_called FROM %s", k > i ? " UNION ALL " : "", cell(names, k, 0));
		rc = session_run(s, str_text(&sql), err);
		str_fini(&sql);
	}
	return rc;
}

/* Reading twice is about what reading there and setting here takes. */
static enum err_code work_count_sequences(struct run *r, const void *arg, struct err *err)
{
	static const char sql[] = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
		" WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' ORDER BY 1";
	struct session *s;
	PGresult *names = NULL;
	int64_t t0 = clock_mono_us();
	enum err_code rc = run_session(r, SIDE_SOURCE, NULL, &s, err);

	(void)arg;
	if (rc == ERR_OK)
		rc = session_exec(s, sql, 0, NULL, 0, &names, err);
	for (int i = 0; i < 2 && rc == ERR_OK; i++)
		rc = read_sequences(s, names, err);
	if (rc == ERR_OK) {
		took(r, PART_SEQUENCES, clock_mono_us() - t0);
		run_note(r, "rehearsal: sequences", "%d, about %.1f ms", PQntuples(names), (double)r->rehearsal->us[PART_SEQUENCES] / 1000);
	}
	PQclear(names);
	return rc;
}

/* ---- what replication does not carry ---- */

static enum err_code work_objects(struct run *r, const void *arg, struct err *err)
{
	int64_t n, t0 = clock_mono_us();
	enum err_code rc = carry_compare(r, SIDE_TARGET, &n, err);

	(void)arg;
	if (rc != ERR_OK)
		return rc;
	took(r, PART_OBJECTS, clock_mono_us() - t0);
	run_note(r, "rehearsal: large objects", "compared in %.0f ms; %lld differ now and would be brought over", (double)r->rehearsal->us[PART_OBJECTS] / 1000, (long long)n);
	return ERR_OK;
}

static int64_t unlogged_bytes(const struct facts *f)
{
	int64_t n = 0;

	for (size_t i = 0; i < f->n_tables; i++)
		n += f->tables[i].kind == 'r' && f->tables[i].persistence == 'u' ? f->tables[i].heap_bytes : 0;
	return n;
}

/* ---- the proof ---- */

static enum err_code work_time_proof(struct run *r, const void *arg, struct err *err)
{
	bool late;
	char n[48];
	int64_t t0 = clock_mono_us(), budget = r->m->cut.verify_budget_s ? clock_deadline(r->m->cut.verify_budget_s * INT64_C(1000)) : 0;
	enum err_code rc = work_read_both(r, migration_cut_verify(r->m), budget, &late, NULL, err);

	(void)arg;
	if (rc != ERR_OK)
		return rc;
	took(r, PART_PROOF, clock_mono_us() - t0);
	run_note(r, "rehearsal: proof", "%s read on both sides in %.0f ms, while writers wrote: differences mean nothing and were not looked at%s", fmt_things(n, sizeof n, (int64_t)r->verify->n_tables, "table"),
		 (double)r->rehearsal->us[PART_PROOF] / 1000, late ? "; the budget did not reach all of them" : "");
	return ERR_OK;
}

/* ---- the sum ---- */

static enum err_code work_sum(struct run *r, const void *arg, struct err *err)
{
	const struct rehearsal *h = r->rehearsal;
	int64_t us = FENCES_US, max_us = *(const int *)arg * INT64_C(1000000);
	struct str parts = {0};
	char total[32];

	if (r->facts[SIDE_SOURCE] && r->m->cut.unlogged && unlogged_bytes(r->facts[SIDE_SOURCE]) > 0)
		took(r, PART_UNLOGGED, (int64_t)((double)unlogged_bytes(r->facts[SIDE_SOURCE]) / COPY_BYTES_S * 1e6));
	for (int i = 0; i < PARTS; i++)
		if (h->known[i]) {
			us += h->us[i];
			str_addf(&parts, "%s %.0f, ", part_names[i], (double)h->us[i] / 1000);
		}
	run_note(r, "rehearsal", "writes would wait or be refused for about %s (in ms: %sthe fences about %d)", fmt_secs(total, sizeof total, (double)us / 1e6), str_text(&parts),
		 FENCES_US / 1000);
	str_fini(&parts);
	if (h->blocked)
		return (*err = h->why).code;
	if (us <= max_us)
		return ERR_OK;
	err_set(err, ERR_TIMEOUT, "writes would wait for about %s, more than the %d s that are allowed", total, *(const int *)arg);
	return err_hint(err, "a cutover would let go by itself: allow more ([cutover] max_outage), or compare less ([cutover] verify, verify_budget)");
}

enum err_code rehearse_plan(struct plan **out, const struct migration *m, const struct facts *src, const struct facts *dst, int max_outage_s, struct err *err)
{
	*out = NULL;
	if (!src || !dst || !src->db_exists || !dst->db_exists)
		return err_set(err, ERR_BLOCKED, "both databases must be there to rehearse a cutover");
	char *title = xasprintf("%s: rehearse the cutover", m->name);
	struct plan *p = plan_new(title);
	int *max = xcalloc(1, sizeof *max);
	*max = max_outage_s;
	strv_take(&p->owned, (char *)max);
	struct step *st = plan_step(p, "ready", "look that everything is ready", "The conditions of a cutover, each with its value.");
	(void)step_work(st, ON_TARGET, "look at both sides once", work_begin, NULL, "-- what pgusher watch asks; has the target every object of the source");
	st = plan_step(p, "mark", "time the proof of drain", "A mark in the source's WAL must be flushed on the target; writers go on.");
	(void)step_work(st, ON_SOURCE, "wait for marks", work_marks, NULL, "SELECT pg_logical_emit_message(true, 'pgusher', 'rehearsal');\nSELECT confirmed_flush_lsn >= '<the mark>' ...;");
	st = plan_step(p, "count", "time what replication does not carry", "Sequences and large objects are only read.");
	(void)step_work(st, ON_SOURCE, "read every sequence", work_count_sequences, NULL, "SELECT last_value, is_called FROM <each>;");
	if (src->n_large_objects > 0 && m->cut.large_objects && m->dump.schemas.n == 0)
		(void)step_work(st, ON_SOURCE, "compare the large objects", work_objects, NULL, "SELECT loid, md5(<its pages>) FROM pg_largeobject GROUP BY loid;  -- on both sides");
	if (migration_cut_verify(m) != VERIFY_OFF) {
		st = plan_step(p, "time-proof", "time the proof", "Every table is read on both sides, as in the cutover.");
		(void)step_work(st, ON_TARGET, "read both sides", work_time_proof, NULL, "SELECT count(*), sum(<hash of the row>) FROM ONLY <each table>;  -- on both");
	}
	st = plan_step(p, "sum", "add it up", "For how long writes would wait.");
	(void)step_work(st, HERE, "say what it would take", work_sum, max, "-- nothing was fenced, nothing was changed");
	free(title);
	*out = p;
	return ERR_OK;
}
