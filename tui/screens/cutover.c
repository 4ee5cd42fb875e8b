/* A cutover, its rehearsal, and what takes it back, while it runs: for how long writes are held back, step by step, who is in the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "widgets/digits.h"
#include "wizard_in.h"

struct change {
	enum command_kind command;
	const char *ready, *text;  /* of the command */
	const char *title, *about; /* about: instead of the clock, where nothing is held back */
};

static const struct change changes[CHANGE_N] = {
	[CHANGE_CUTOVER] = {CMD_CUTOVER, "cutover", NULL, "Cutover", NULL},
	[CHANGE_REHEARSE] = {CMD_REHEARSE, "rehearse", NULL, "Rehearsal", "A rehearsal: everything is timed, nobody is held back, nothing is changed."},
	[CHANGE_ROLLBACK] = {CMD_ROLLBACK, "rollback", NULL, "Rollback", NULL},
	[CHANGE_FINALIZE] = {CMD_FINALIZE, "finalize", NULL, "Finalize", "All that the migration made is removed on both sides; after it there is no way back."},
	[CHANGE_TAKE_BACK_ROLLBACK] = {CMD_ROLLBACK, "rollback", "0", "Take back", "An interrupted rollback is taken back: the target is written to again, the old source follows it."},
	[CHANGE_TAKE_BACK] = {CMD_CUTOVER, "cutover", "0", "Take back", "An interrupted cutover is taken back: the source is written to again, the target follows it."},
};

#define TAIL 4   /* rows below the steps while it runs */
#define RESULT 8 /* and when it has ended */

static bool chosen;         /* the operator moved to a step; until then the one that runs is */
static bool asked_too_late; /* the open question was asked after the hand-over */

void cutover_begin(struct wizard *w, enum change_kind kind)
{
	w->change = &changes[kind];
	w->changed_us = clock_wall_us();
	wizard_go(w, AT_CUTOVER);
}

const char *cutover_title(const struct wizard *w)
{
	return w->change ? w->change->title : "Cutover";
}

static void enter(struct wizard *w)
{
	chosen = w->show_log = false;
	wizard_send(w, w->change->command, NULL, w->change->text);
}

/* A rehearsal is no attempt: its steps are forgotten, those of the attempt are back. */
static void leave(struct wizard *w)
{
	if (w->change->command == CMD_REHEARSE)
		wizard_reload(w);
}

/* ---- what is so ---- */

static bool is_ours(const struct wizard *w)
{
	return w->model.begin && w->model.begin->at_us >= w->changed_us;
}

static const struct event *end_of(const struct wizard *w)
{
	return is_ours(w) ? w->model.end : NULL;
}

static bool handed(const struct wizard *w)
{
	const struct model_item *it = is_ours(w) ? model_find(&w->model.actions, "hand-over/1") : NULL;

	return it && it->last->state == ST_DONE;
}

static bool broke(const struct wizard *w)
{
	for (size_t i = 0; i < w->model.steps.n; i++)
		if (w->model.steps.v[i].last->state >= ST_FAILED)
			return true;
	return false;
}

/* From the first lock to the hand-over, or until it was taken back. Locks that were not had were let go: it begins again. */
static bool outage(const struct wizard *w, int64_t *us)
{
	const struct model_item *soft = is_ours(w) ? model_find(&w->model.steps, "soft-fence") : NULL;
	const struct model_item *over = handed(w) ? model_find(&w->model.actions, "hand-over/1") : NULL;
	const struct event *end = end_of(w);
	int64_t from, to;

	if (!soft || !soft->began_us)
		return false;
	from = soft->began_us;
	for (size_t i = 0; i < w->model.notes.n; i++)
		if (str_eq(w->model.notes.v[i].last->title, "who writes") && w->model.notes.v[i].last->at_us > from)
			from = w->model.notes.v[i].last->at_us;
	to = over ? over->ended_us : soft->last->state >= ST_FAILED ? soft->ended_us : end ? end->at_us : 0;
	*us = to ? to - from : clock_mono_us() - soft->began_mono_us - (from - soft->began_us);
	return true;
}

/* ---- drawing ---- */

static const char *what_is_so(const struct wizard *w, enum role *role)
{
	bool ours = is_ours(w); /* until it begins, the model holds the one before */
	const struct model_item *hard = ours ? model_find(&w->model.steps, "hard-fence") : NULL, *soft = ours ? model_find(&w->model.steps, "soft-fence") : NULL;
	const struct event *end = end_of(w);

	*role = R_TITLE;
	if (handed(w)) {
		*role = end && end->state != ST_DONE ? R_WARN : R_GOOD;
		return end && end->state != ST_DONE ? "IT STOPPED: see below" : w->change->command == CMD_ROLLBACK ? "THE SOURCE IS THE PRIMARY" : "THE TARGET IS THE PRIMARY";
	}
	if (end) {
		bool stuck = false;
		for (size_t i = 0; i < w->model.notes.n; i++)
			stuck |= str_eq(w->model.notes.v[i].last->title, "NOT TAKEN BACK");
		*role = stuck ? R_BAD : R_WARN;
		return stuck ? "NOT ALL OF IT WAS TAKEN BACK: see below" : model_not_begun(end) ? "NOT BEGUN: all is as it was" : "TAKEN BACK: as before";
	}
	if (ours && broke(w))
		return "TAKING IT BACK...";
	*role = R_WARN;
	if (hard && hard->began_us)
		return "WRITES ARE REFUSED";
	if (soft && soft->began_us)
		return "WRITERS WAIT";
	*role = R_GOOD;
	return "nobody is held back yet";
}

static void draw_clock(const struct wizard *w, int y, int x, int width)
{
	int64_t us = 0;
	bool on = outage(w, &us), over = handed(w) || end_of(w);
	double s = (double)us / 1e6;
	enum role role;
	char text[32];

	if (s >= 60)
		(void)snprintf(text, sizeof text, "%d:%04.1f", (int)(s / 60), s - 60 * (int)(s / 60));
	else
		(void)snprintf(text, sizeof text, over && on ? "%.3f" : "%.1f", s < 0 ? 0 : s);
	const char *so = what_is_so(w, &role);
	int at = put_digits(y, x + 1, on ? (over ? R_TITLE : R_WARN) : R_DIM, text) + 3 + x, room = x + width - at;
	(void)put(y, at, room, role, so);
	(void)put(y + 1, at, room, R_TEXT, s >= 60 ? "min:s without writes" : "s without writes");
	if (over)
		return;
	(void)putf(y + 3, at, room, R_DIM, "after %d s it lets go by itself", w->m->cut.max_outage_s);
	put_bar(y + 4, at, room > 30 ? 30 : room, on && w->m->cut.max_outage_s > 0 ? s / w->m->cut.max_outage_s : 0);
}

static int draw_steps(struct wizard *w, int y, int x, int h, int width)
{
	int n = (int)w->model.steps.n;

	for (int i = 0; !chosen && i < n; i++) /* the one that runs, or the last that did */
		if (w->model.steps.v[i].last->state == ST_RUNNING || w->model.steps.v[i].last->state >= ST_DONE)
			w->sel = i;
	w->sel = w->sel >= n ? n ? n - 1 : 0 : w->sel;
	w->page = h;
	int ahead = chosen ? 0 : 2, want = w->sel + ahead >= n ? n - 1 : w->sel + ahead;
	w->top = want >= w->top + h ? want - h + 1 : w->top;
	w->top = w->sel < w->top ? w->sel : w->top;
	w->top = w->top + h > n ? n > h ? n - h : 0 : w->top;
	for (int i = w->top; i < n && i < w->top + h; i++)
		y = step_draw(&w->model.steps.v[i], y, x, width, chosen && i == w->sel);
	return y;
}

static int put_said(int y, int x, int end, int width, enum role role, const char *title, const char *text)
{
	if (y >= end || str_empty(text))
		return y;
	char *s = str_empty(title) ? xstrdup(text) : xasprintf("%s: %s", title, text);
	y += put_lines(y, x, end - y < 3 ? end - y : 3, width, role, s);
	free(s);
	return y;
}

/*
 * What was said since it began: before all what is to be done now, and how long writes were held back, or would be; then the newest first, as there is not room for
 * all. A rehearsal is a list of parts, in their order.
 */
static int draw_notes(const struct wizard *w, int y, int x, int end, int width)
{
	bool rehearsal = w->change->command == CMD_REHEARSE;
	size_t n = w->model.notes.n;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n && y < end; i++) {
			const struct event *e = w->model.notes.v[rehearsal ? i : n - 1 - i].last;
			bool sum = str_eq(e->title, rehearsal ? "rehearsal" : "outage") || str_eq(e->title, "NOW");
			bool loud = sum || str_eq(e->title, "who writes") || (e->title && e->title[0] >= 'A' && e->title[0] <= 'Z');
			if (e->at_us >= w->changed_us && !str_eq(e->title, "plan") && sum == (pass == 0))
				y = put_said(y, x, end, width, loud ? R_WARN : R_TEXT, e->title, e->text);
		}
	return y;
}

static int draw_conditions(const struct wizard *w, int y, int x, int end, int width)
{
	for (size_t i = 0; i < w->model.findings.n; i++) {
		const struct event *e = w->model.findings.v[i].last;
		if (!str_starts(e->id, "ready.") || e->verdict < VERDICT_WARN)
			continue;
		y = put_said(y, x, end, width, e->verdict == VERDICT_BLOCK ? R_BAD : R_WARN, e->title, e->text);
	}
	return y;
}

static void draw_detail(struct wizard *w, int y, int x, int end, int width)
{
	const struct model_item *it = w->sel < (int)w->model.steps.n ? &w->model.steps.v[w->sel] : NULL;
	const struct event *e = end_of(w);

	put_line(y, x - 1, width + 2, R_DIM);
	if (it)
		(void)putf(y, x + 1, width, R_TITLE, " %s ", it->title ? it->title : it->last->id);
	y++;
	if (e && !chosen) {
		y = put_said(y, x, end, width, e->state == ST_DONE && e->n == 0 ? R_GOOD : R_WARN, NULL, e->text);
		y = draw_notes(w, y, x, end - 2, width);
		(void)put_said(y, x, end, width, R_TITLE, "next", e->hint);
		return;
	}
	if (it && it->last->state >= ST_FAILED) {
		y = put_said(y, x, end, width, R_BAD, NULL, it->last->text);
		y = put_said(y, x, end, width, R_WARN, NULL, it->last->hint);
	} else if (it) {
		y = put_said(y, x, end, width, R_DIM, NULL, it->why);
	}
	if (it && it->progress && it->last->state == ST_RUNNING)
		y = put_said(y, x, end, width, R_TEXT, "now", it->progress->text);
	y = draw_notes(w, y, x, end, width);
	(void)draw_conditions(w, y, x, end, width);
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	int end = y + h, n = (int)w->model.steps.n;

	if (w->show_log) {
		log_draw(w, y, x, h, width);
		return;
	}
	if (w->change->about) {
		y += put_lines(y, x, 2, width, R_TITLE, w->change->about) + 1;
	} else {
		draw_clock(w, y, x, width);
		y += DIGITS_ROWS + (n + DIGITS_ROWS + TAIL < h);
	}
	if (!is_ours(w) && w->change->command != CMD_REHEARSE) {
		(void)put(y, x, width, R_DIM, "looking at both servers...");
		return;
	}
	int rows = end - y - (w->busy ? TAIL : RESULT);
	y = draw_steps(w, y, x, n < rows ? n : rows, width);
	draw_detail(w, y, x, end, width);
}

/* ---- keys ---- */

static void on_stop(struct wizard *w, bool yes)
{
	if (!yes || !w->busy)
		return;
	if (handed(w) && !asked_too_late)
		wizard_say(w, R_WARN, "too late: it was handed over meanwhile, nothing was stopped");
	else
		engine_cancel(w->e);
}

static void to_monitor(struct wizard *w)
{
	if (!w->busy)
		wizard_go(w, wizard_follows(w) ? AT_MONITOR : AT_DONE);
}

static void stop(struct wizard *w)
{
	if (w->show_log) {
		w->show_log = false;
	} else if (chosen) {
		chosen = false;
	} else if (!w->busy) {
		to_monitor(w);
	} else if (w->change->about) {
		engine_cancel(w->e);
	} else if (handed(w)) {
		asked_too_late = true;
		dialog_ask("It was handed over", "The other side is the primary: nothing is taken back any more. What still runs makes it whole and looks whether it answers. Stop that?",
			   "Stop the rest", on_stop);
	} else {
		asked_too_late = false;
		dialog_ask("Abort it?", "Locks and fences are let go, those who wait go on writing where they wrote before, and replication goes on. How long they waited is said.",
			   "Abort", on_stop);
	}
}

static void on_leave(struct wizard *w, bool yes)
{
	if (!yes)
		return;
	w->quit = true;
	w->exit_code = w->busy ? 5 : w->exit_code;
	engine_cancel(w->e);
}

void cutover_quit(struct wizard *w)
{
	dialog_ask(handed(w) ? "Leave?" : "Abort and leave?", handed(w) ? "The other side is the primary, and stays it. What still runs makes it whole; leaving stops that."
		   : "Leaving takes it back: those who wait go on writing where they wrote before, and replication goes on.", handed(w) ? "Leave" : "Abort and leave", on_leave);
}

static const struct model_item *shown(const struct wizard *w)
{
	return w->sel < (int)w->model.steps.n ? &w->model.steps.v[w->sel] : NULL;
}

static void show_sql(struct wizard *w)
{
	const struct model_item *it = shown(w);

	if (!it)
		return;
	char *text = xasprintf("%s\n\n%s", it->why ? it->why : "", str_empty(it->sql) ? "no statement of its own" : it->sql);
	dialog_say(it->title ? it->title : it->last->id, text);
	free(text);
}

static void copy_sql(struct wizard *w)
{
	const struct model_item *it = shown(w);

	if (!it || str_empty(it->sql))
		return;
	term_copy(it->sql);
	wizard_say(w, R_TEXT, "copied: %s", it->title ? it->title : it->last->id);
}

static void report(struct wizard *w)
{
	if (!w->busy)
		wizard_go(w, AT_DONE);
}

static bool key(struct wizard *w, int k, bool special)
{
	if (w->show_log)
		return log_key(w, k, special);
	if (!wizard_select(w, (int)w->model.steps.n, k, special))
		return false;
	return chosen = true;
}

/* ---- its end ---- */

static void ready(struct wizard *w, const struct event *e)
{
	if (!str_eq(e->id, w->change->ready))
		return;
	dialog_close();
	chosen = false;
	w->exit_code = end_of(w) ? (int)end_of(w)->n : e->state == ST_DONE ? 0 : 1;
	if (w->change->command == CMD_REHEARSE && e->state == ST_DONE) {
		wizard_say(w, R_GOOD, "a cutover may begin; Esc goes back");
	} else if (w->change->command == CMD_REHEARSE) {
		wizard_say(w, R_WARN, "%s", e->text ? e->text : "stopped");
	} else if (!is_ours(w)) {
		char *text = xasprintf("%s%s%s", e->text ? e->text : "", str_empty(e->hint) ? "" : "\n\n", e->hint ? e->hint : "");
		wizard_go(w, wizard_follows(w) ? AT_MONITOR : AT_WELCOME);
		dialog_say("It did not start", text);
		free(text);
	} else {
		term_beep();
		wizard_say(w, R_DIM, "it has ended: Esc goes %s, r reads the report", wizard_follows(w) ? "back to the monitor" : "to its result");
	}
}

char *cutover_warnings(const struct wizard *w)
{
	struct str s = {0};

	for (size_t i = 0; i < w->model.findings.n; i++) {
		const struct event *e = w->model.findings.v[i].last;
		if (str_starts(e->id, "ready.") && e->verdict >= VERDICT_WARN)
			str_addf(&s, "%s%s: %s", s.len ? "\n" : "\n\nKnow this first:\n", e->title, e->text ? e->text : "");
	}
	return str_take(&s);
}

#define LOOK \
	{'s', false, "s", "SQL behind it", show_sql}, {'y', false, "y", "copy it", copy_sql}, {'l', false, "l", "log", log_toggle}
#define MORE \
	{'q', false, "q", "quit", wizard_quit}, {'\r', false, "", "", to_monitor}, {0, false, "arrows", "look at a step", NULL}, {0, false, NULL, NULL, NULL}

static const struct key keys_running[] = {{27, false, "Esc", "abort...", stop}, LOOK, MORE};
static const struct key keys_handed[] = {{27, false, "Esc", "stop the rest...", stop}, LOOK, MORE};
static const struct key keys_about[] = {{27, false, "Esc", "stop it", stop}, LOOK, MORE}; /* what holds nobody back stops without a question */
static const struct key keys_ended[] = {{27, false, "Esc", "back to the monitor", stop}, {'r', false, "r", "report", report}, LOOK, MORE};
static const struct key keys_over[] = {{27, false, "Esc", "result", stop}, {'r', false, "r", "report", report}, LOOK, MORE};
static const struct key keys_chosen[] = {{27, false, "Esc", "the present step", stop}, LOOK, MORE};
static const struct key keys_log[] = {
	{27, false, "Esc", "close the log", stop}, {'l', false, "", "", log_toggle}, {0, false, "arrows, PgUp", "older lines", NULL}, {'q', false, "q", "quit", wizard_quit},
	{0, false, NULL, NULL, NULL},
};

/* What Esc does now is said. */
static const struct key *keys_now(const struct wizard *w)
{
	if (w->show_log)
		return keys_log;
	if (chosen)
		return keys_chosen;
	if (!w->busy)
		return wizard_follows(w) ? keys_ended : keys_over;
	return w->change->about ? keys_about : handed(w) ? keys_handed : keys_running;
}

const struct screen screen_cutover = {
	.title = "Cutover", .keys_now = keys_now, .enter = enter, .leave = leave, .draw = draw, .key = key, .ready = ready,
	.help = "The clock runs from the first lock on the source until the target is the primary. Esc aborts at any point before the hand-over: everything is taken back, "
		"the source is written to as before. If pgusher, its terminal or its host goes away, the locks go with it; the next start takes back the rest. "
		"Arrows choose a step, s shows what is sent to the servers for it.",
};
