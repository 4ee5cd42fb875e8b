/* Cutover, rollback, finalize and rehearsal: attempts of their own over what a run has made. Declared in attempt.h. */
#include <stdlib.h>

#include "attempt_in.h"
#include "cutover/cutover.h"
#include "cutover/hook.h"
#include "cutover/leftover.h"
#include "cutover/may.h"
#include "cutover/operator.h"
#include "cutover/rehearse.h"
#include "journal/standing.h"

/* What is begun, and how its end is told. */
struct move {
	const char *what;          /* stands in EV_BEGIN */
	const char *text, *hint;   /* of a good end */
	bool taking_back;
};

static void failed_hint(const struct move *v, enum cutover_outcome how, const struct err *why, struct event *e)
{
	const char *than = "";

	if (str_eq(v->what, FINALIZE_BEGIN)) {
		than = "pgusher finalize again goes on with it";
	} else if (v->taking_back) {
		than = why->code == ERR_BLOCKED ? "" : str_eq(v->what, ROLLBACK_BEGIN) ? "it is not taken back, or not all of it: pgusher rollback --abort again, as soon as both servers are there"
			: "it is not taken back, or not all of it: pgusher cutover --abort again, as soon as both servers are there";
	} else {
		switch (how) {
		case CUTOVER_NOBODY_WAITED: than = "nobody was made to wait: everything is as before"; break;
		case CUTOVER_TAKEN_BACK: than = "it was taken back: everything is as before"; break;
		case CUTOVER_OPENED: case CUTOVER_NOT_TAKEN_BACK: case CUTOVER_HANDED: break;
		}
	}
	event_text(&e->hint, "%s%s%s", why->hint, why->hint[0] && *than ? "; " : "", than);
}

/* Somebody was asked, and said no, or nobody was there to say yes. */
static bool not_begun(const struct run *r, enum err_code rc, enum cutover_outcome how)
{
	const struct model_list *said = &r->live->answers;

	return rc == ERR_BLOCKED && how == CUTOVER_NOBODY_WAITED && said->n > 0 && said->v[said->n - 1].last->state == ST_FAILED && r->seen && !model_unfinished(r->seen);
}

static void move_end(const struct run *r, struct event *e, enum err_code rc, enum cutover_outcome how, const struct move *v, const struct err *why)
{
	int open = (int)model_open(r->live);

	e->state = rc == ERR_OK ? ST_DONE : rc == ERR_CANCELLED ? ST_CANCELLED : ST_FAILED;
	if (rc == ERR_OK) {
		e->n = open > 0;
		if (open > 0)
			event_text(&e->text, "%s; %d thing%s to look at", v->text, open, open == 1 ? "" : "s");
		else
			event_text(&e->text, "%s", v->text);
		xreplace(&e->hint, v->hint);
	} else if (not_begun(r, rc, how)) { /* what had ended well before has ended well */
		e->state = ST_DONE;
		e->n = 3;
		event_text(&e->text, "not confirmed: no %s was begun, everything is as before", v->what);
		xreplace(&e->hint, why->hint);
	} else if (how == CUTOVER_HANDED) {
		e->state = ST_DONE; /* there is nothing to begin again, nor to take back */
		e->n = 1;
		event_text(&e->text, "the hand-over is done, but what follows failed: %s", why->msg);
		char *by_hand = operator_to_point(r), *again = xasprintf("; pgusher %s again does what is missing", v->what);
		event_text(&e->hint, "%s%snothing was taken back: the other side refuses writes%s",
			   why->code == ERR_BLOCKED ? "point the application to the new primary" : why->hint, why->hint[0] ? "; " : "", by_hand ? "" : again);
		free(again);
		free(by_hand);
	} else {
		e->n = rc == ERR_CANCELLED || rc == ERR_LOST ? 5 : 1;
		event_text(&e->text, "%s", why->msg);
		failed_hint(v, how, why, e);
	}
}

/* Whatever stopped it. */
static enum err_code midway(enum cutover_outcome how, const struct move *v, struct err *err)
{
	err->code = ERR_LOST;
	return err_hint(err, "NOT all of it could be taken back%s: pgusher %s --abort does the rest as soon as both servers are there",
			how == CUTOVER_OPENED ? ", but writes are taken again" : "", v->what);
}

static enum err_code move(struct attempt *a, struct plan *p, const struct model *seen, const struct move *v, struct err *err)
{
	struct run r = {0};
	struct err ignored;
	char *id = NULL;

	a->what = v->what;
	a->sink->dir = migration_state_dir(a->m);
	enum err_code rc = journal_open(&a->sink->j, a->sink->dir, err);
	if (rc == ERR_OK)
		rc = attempt_begin(a, NULL, &id, err);
	if (rc == ERR_OK)
		rc = attempt_journal_preflight(a, &a->sink->live, err);
	if (rc == ERR_OK)
		rc = attempt_announce(a, p, err);
	if (rc == ERR_OK) {
		attempt_init_run(&r, a, p, seen, id);
		r.judge = cutover_judge;
		rc = run_plan(&r, err);
		if (rc != ERR_OK && a->sink->broken.code != ERR_OK)
			rc = (*err = a->sink->broken).code;
		enum cutover_outcome how = cutover_settle(&r);
		if (how == CUTOVER_OPENED || how == CUTOVER_NOT_TAKEN_BACK)
			rc = midway(how, v, err);
		struct event *e = event_new(EV_END, id);
		move_end(&r, e, rc, how, v, err);
		run_release(&r, rc != ERR_OK);
		(void)sink_emit(a->sink, e, &ignored);
		attempt_write_report(a, &a->sink->live);
	}
	free(id);
	plan_free(p);
	attempt_close(a);
	return rc;
}

static const struct facts *facts_of(const struct attempt *a, enum side side)
{
	return a->survey->facts[side];
}

static void look(const struct attempt *a, struct whereabouts *w)
{
	may_look(w, a->m, facts_of(a, SIDE_SOURCE), facts_of(a, SIDE_TARGET));
}

static enum err_code written_down(const struct attempt *a, const struct model *seen, struct err *err)
{
	for (size_t i = 0; seen && i < seen->left.n; i++)
		if (!seen->left.v[i].removed && (str_starts(seen->left.v[i].last->id, "subscription:") || str_starts(seen->left.v[i].last->id, "publication:")))
			return ERR_OK;
	err_set(err, ERR_BLOCKED, "no subscription of %s is written down here", a->m->name);
	return err_hint(err, "pgusher run begins one; a cutover ends it");
}

/* How a good end is told, by what the servers said before: not every one that is taken back had closed something. */
static const char *taken_back(const struct whereabouts *w, bool rollback)
{
	if (!w->known[SIDE_SOURCE] || !w->known[SIDE_TARGET])
		return "taken back: what was closed is written to again, and the other side follows it";
	if (may_taken_back(w, rollback) == SIDE_SOURCE)
		return phase_unfinished(w->source) ? "taken back: the source is written to again, and the target follows it"
			: "taken back: the source had not been closed; the target follows it";
	return phase_unfinished(w->target) ? "taken back: the target is the primary and is written to again; the old source stays closed, and follows it"
		: "taken back: the target had not been closed, and is the primary; the old source stays closed, and follows it";
}

static enum err_code take_back(struct attempt *a, bool rollback, struct err *err)
{
	struct move v = {rollback ? ROLLBACK_BEGIN : CUTOVER_BEGIN, NULL, NULL, true};
	struct whereabouts w;
	struct model *seen = attempt_load(a->m, true);
	struct plan *p = NULL;

	look(a, &w);
	v.text = taken_back(&w, rollback);
	bool touched = !seen || (seen->begin && str_eq(seen->begin->sql, ROLLBACK_BEGIN) && standing_touched(seen));
	enum err_code rc = may_take_back(&w, rollback, touched, err);
	if (rc == ERR_OK)
		rc = cutover_abort_plan(&p, a->m, &w, rollback, err);
	if (rc == ERR_OK)
		rc = move(a, p, seen, &v, err);
	attempt_forget(seen);
	return rc;
}

enum err_code attempt_cutover(struct attempt *a, int max_outage_s, struct err *err)
{
	bool points = hook_there(a->m, HOOK_HAND_OVER);
	struct whereabouts w;
	struct plan *p = NULL;

	if (max_outage_s == 0)
		return take_back(a, false, err);
	look(a, &w);
	bool over = w.source == PHASE_CUT_OVER;
	struct move v = {CUTOVER_BEGIN, over ? "already cut over: the target is the primary, and what follows the hand-over is done" : "cut over: the target is the primary now",
		points ? "see that the applications use it; then pgusher rollback goes back, pgusher finalize removes what is left" :
		"point the applications to it; then pgusher rollback goes back, pgusher finalize removes what is left", false};
	struct model *seen = attempt_load(a->m, true);
	enum err_code rc = may_cut_over(&w, err);
	if (rc == ERR_OK)
		rc = written_down(a, seen, err);
	if (rc == ERR_OK)
		rc = cutover_plan(&p, a->m, facts_of(a, SIDE_SOURCE), facts_of(a, SIDE_TARGET), max_outage_s, over, err);
	if (rc == ERR_OK)
		rc = move(a, p, seen, &v, err);
	attempt_forget(seen);
	return rc;
}

enum err_code attempt_rollback(struct attempt *a, int max_outage_s, struct err *err)
{
	struct whereabouts w;
	struct plan *p = NULL;

	if (max_outage_s == 0)
		return take_back(a, true, err);
	look(a, &w);
	bool over = w.source == PHASE_ROLLED_BACK;
	const struct move v = {ROLLBACK_BEGIN, over ? "already rolled back: the source is the primary, and the target stays closed to writers" :
		"rolled back: the old source is the primary again; the target stays closed to writers", "point the applications to it; pgusher finalize removes what is left", false};
	struct model *seen = attempt_load(a->m, true);
	enum err_code rc = may_roll_back(&w, err);
	if (rc == ERR_OK)
		rc = rollback_plan(&p, a->m, facts_of(a, SIDE_SOURCE), facts_of(a, SIDE_TARGET), max_outage_s, over, err);
	if (rc == ERR_OK)
		rc = move(a, p, seen, &v, err);
	attempt_forget(seen);
	return rc;
}

/* Of publications that were made by hand. */
static void who_else_reads(struct attempt *a, struct str *readers)
{
	struct plan *none = plan_new("look who else reads");
	char *id = attempt_new_id();
	struct run r;

	attempt_init_run(&r, a, none, NULL, id);
	leftover_readers(&r, readers);
	run_release(&r, false);
	plan_free(none);
	free(id);
}

enum err_code attempt_finalize(struct attempt *a, bool open_old, struct err *err)
{
	static const struct move v = {FINALIZE_BEGIN, "finalized: nothing of the migration is left on either side", NULL, false};
	struct model *seen = attempt_load(a->m, true);
	struct whereabouts w;
	struct plan *p = NULL;

	look(a, &w);
	enum err_code rc = may_finalize(&w, err);
	struct str readers = {0};
	if (rc == ERR_OK && a->m->sub.adopt)
		who_else_reads(a, &readers);
	if (rc == ERR_OK)
		rc = finalize_plan(&p, a->m, &w, open_old, str_text(&readers));
	str_fini(&readers);
	if (rc == ERR_OK)
		rc = move(a, p, seen, &v, err);
	attempt_forget(seen);
	return rc;
}

enum err_code attempt_rehearse(struct attempt *a, int max_outage_s, struct err *err)
{
	struct plan *p = NULL;
	struct run r;
	struct whereabouts w;
	char *id = attempt_new_id();

	look(a, &w);
	enum err_code rc = may_rehearse(&w, err);
	if (rc == ERR_OK)
		rc = rehearse_plan(&p, a->m, facts_of(a, SIDE_SOURCE), facts_of(a, SIDE_TARGET), max_outage_s, err);
	if (rc == ERR_OK)
		rc = attempt_announce(a, p, err);
	if (rc == ERR_OK) {
		attempt_init_run(&r, a, p, NULL, id);
		rc = run_plan(&r, err);
		run_release(&r, rc == ERR_CANCELLED);
	}
	plan_free(p);
	free(id);
	return rc;
}
