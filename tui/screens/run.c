/* The plan while it runs: steps, how far, the command, the log. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "tables.h"
#include "waiting.h"
#include "wizard_in.h"

/* Rate from a short history, so that it neither jumps nor lags behind by minutes. */
#define SAMPLES 16
static struct { int64_t us, bytes; } samples[SAMPLES];
static int n_samples;
static char sample_step[64];

static void enter(struct wizard *w)
{
	w->began_us = clock_mono_us();
	w->show_log = false;
	n_samples = 0;
	waiting_begin();
}

static double rate_of(const struct event *p)
{
	int64_t now = clock_mono_us();

	if (strncmp(sample_step, p->id ? p->id : "", sizeof sample_step - 1) != 0) {
		n_samples = 0;
		(void)snprintf(sample_step, sizeof sample_step, "%s", p->id ? p->id : "");
	}
	if (n_samples == 0 || now - samples[n_samples - 1].us > 900000) {
		if (n_samples == SAMPLES)
			memmove(&samples[0], &samples[1], (size_t)(--n_samples) * sizeof *samples);
		samples[n_samples].us = now;
		samples[n_samples++].bytes = p->n;
	}
	int64_t us = samples[n_samples - 1].us - samples[0].us, bytes = samples[n_samples - 1].bytes - samples[0].bytes;
	return us > 0 && bytes > 0 ? (double)bytes * 1e6 / (double)us : 0;
}

static int draw_progress(const struct event *p, int y, int x, int width)
{
	char n[32], of[32], rate[32], left[32];

	if (p->of > 0) {
		double r = rate_of(p);
		int used = putf(y, x, width, R_TEXT, "%s of %s, %lld of %s", fmt_bytes(n, sizeof n, (double)p->n), fmt_bytes(of, sizeof of, (double)p->of),
				(long long)p->a, fmt_things(left, sizeof left, p->b, "table"));
		double secs = p->ms > 0 ? (double)p->ms / 1000 : r > 0 ? (double)(p->of - p->n) / r : 0;
		if (r > 0 && p->n < p->of)
			(void)putf(y, x + used, width - used, R_DIM, ", %s/s, %s", fmt_bytes(rate, sizeof rate, r), fmt_left(left, sizeof left, secs));
		int bar = width - 8;
		double share = (double)p->n / (double)p->of;
		put_bar(y + 1, x, bar, share > 1 ? 1 : share);
		(void)putf(y + 1, x + bar + 1, 7, R_TITLE, "%3.0f %%", share * 100);
		y += 2;
	}
	if (!str_empty(p->text))
		(void)put(y++, x, width, R_DIM, p->text);
	return y;
}

/* The target catches up, or its server copies: then each table has a state. Only who runs it can ask for that. */
static bool follows(const struct wizard *w)
{
	const struct model_item *it = model_find(&w->model.steps, "catch-up");

	return !w->held && it && it->last->state == ST_RUNNING;
}

static int draw_command(const struct wizard *w, int y, int x, int h, int width)
{
	const struct event *a = w->model.action;

	if (!a || str_empty(a->sql) || h < 1)
		return y;
	(void)put(y, x, 7, R_DIM, a->text ? a->text : "");
	return y + put_lines(y, x + 8, h, width - 8, R_TEXT, a->sql);
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	char t[32];
	int end = y + h;

	if (w->show_log) {
		log_draw(w, y, x, h, width);
		return;
	}
	if (tables_shown() && !follows(w))
		tables_show(w, false);
	if (tables_shown()) {
		tables_draw(w, NULL, y, x, h, width);
		return;
	}
	(void)putf(y, x, width, R_TITLE, w->busy ? "Running for %s" : "Ended after %s", fmt_secs(t, sizeof t, (double)(clock_mono_us() - w->began_us) / 1e6));
	y += 2;
	for (size_t i = 0; i < w->model.steps.n && y < end - 3; i++) {
		const struct model_item *it = &w->model.steps.v[i];
		y = step_draw(it, y, x, width, false);
		if (it->last->state == ST_RUNNING && waiting_shown(w))
			y = waiting_draw(w, y, x + 2, end - y, width - 2);
		else if (it->last->state == ST_RUNNING && it->progress)
			y = draw_progress(it->progress, y, x + 11, width - 12);
		if ((it->last->state == ST_FAILED || it->last->state == ST_CANCELLED) && it->last->text) {
			y += put_lines(y, x + 11, end - y < 3 ? end - y : 3, width - 12, R_BAD, it->last->text);
			y += put_lines(y, x + 11, end - y < 2 ? end - y : 2, width - 12, R_WARN, it->last->hint);
		}
	}
	if (y < end - 2)
		y = draw_command(w, y + 1, x, (end - y) / 2 > 4 ? 4 : (end - y) / 2, width);
	if (y < end - 2)
		log_draw(w, y, x, end - y, width);
}

static void ready(struct wizard *w, const struct event *e)
{
	if (str_eq(e->id, "cleanup")) {
		wizard_go(w, AT_WELCOME);
		const struct event *end = e->state == ST_DONE ? w->model.end : e; /* of one that is done, how what stays is removed */
		char *text = xasprintf("%s%s%s", end && end->text ? end->text : e->state == ST_DONE ? "Done: nothing of the attempt is left." : "stopped", end && end->hint ? "\n" : "",
				       end && end->hint ? end->hint : "");
		dialog_say("Clean up", text);
		free(text);
		return;
	}
	if (!str_eq(e->id, "run") && !str_eq(e->id, "verify"))
		return;
	w->exit_code = w->model.end ? (int)w->model.end->n : e->state == ST_DONE ? 0 : 1;
	bool refused = e->state != ST_DONE && !w->model.end;
	dialog_close(); /* such as the question whether to stop it */
	wizard_go(w, str_eq(e->id, "run") && wizard_follows(w) ? AT_MONITOR : AT_DONE);
	if (refused)
		dialog_failed("It did not start", e);
	w->began_us = 0;
}

static void do_cancel(struct wizard *w, bool yes)
{
	if (yes && w->busy)
		engine_cancel(w->e);
}

static void cancel(struct wizard *w)
{
	if (w->show_log || tables_shown()) {
		w->show_log = false;
		tables_show(w, false);
		return;
	}
	if (!w->busy) {
		wizard_go(w, AT_DONE);
		return;
	}
	dialog_ask("Stop it?", "Everything that runs for this migration is stopped, here and in both servers, within a second or so. What was done is written down; "
		   "you can go on or clean up afterwards.", "Stop it", do_cancel);
}

static void copy(struct wizard *w)
{
	if (waiting_copy(w))
		return;
	if (!w->model.action || str_empty(w->model.action->sql))
		return;
	term_copy(w->model.action->sql);
	wizard_say(w, R_TEXT, "copied what runs now");
}

static void toggle_tables(struct wizard *w)
{
	w->show_log = false;
	tables_show(w, !tables_shown());
}

/* What is typed into the list's filter is nothing else. */
static bool first_key(struct wizard *w, int k, bool special)
{
	return tables_shown() && !w->show_log && tables_key(w, k, special);
}

static void leave(struct wizard *w)
{
	tables_show(w, false);
}

static bool key(struct wizard *w, int k, bool special)
{
	return w->show_log ? log_key(w, k, special) : waiting_key(w, k, special);
}

static bool valid(const struct wizard *w, int code)
{
	return code == 'c' ? waiting_shown(w) && waiting_may_cancel(w) : code == 't' ? waiting_shown(w) || follows(w) : code != 'w' || waiting_any(w);
}

#define WAITING \
	{'c', false, "c", "cancel its statement", waiting_cancel}, {'t', false, "t", "terminate...", waiting_terminate}, {'w', false, "w", "wait on", waiting_on}
#define QUIT {'q', false, "q", "stop and leave...", wizard_quit}

static const struct key keys[] = {
	WAITING, {27, false, "Esc", "stop...", cancel}, {'l', false, "l", "log", log_toggle}, {'y', false, "y", "copy the command", copy}, QUIT,
	{0, false, NULL, NULL, NULL},
};
static const struct key keys_follow[] = {
	{27, false, "Esc", "stop...", cancel}, {'t', false, "t", "tables", toggle_tables}, {'l', false, "l", "log", log_toggle}, {'y', false, "y", "copy the command", copy}, QUIT,
	{0, false, NULL, NULL, NULL},
};
static const struct key keys_tables[] = {
	{'t', false, "t", "steps", toggle_tables}, {27, false, "Esc", "steps", cancel}, {0, false, "/", "filter", NULL}, {'l', false, "l", "log", log_toggle}, QUIT, {0, false, NULL, NULL, NULL},
};
static const struct key keys_log[] = {
	{'l', false, "l", "steps", log_toggle}, {27, false, "Esc", "steps", cancel}, {0, false, "arrows, PgUp", "older lines", NULL}, QUIT, {0, false, NULL, NULL, NULL},
};

static const struct key *keys_now(const struct wizard *w)
{
	return w->show_log ? keys_log : tables_shown() ? keys_tables : follows(w) ? keys_follow : keys;
}

const struct screen screen_run = {
	.title = "Run", .keys_now = keys_now, .enter = enter, .leave = leave, .draw = draw, .key = key, .first = first_key, .ready = ready, .valid = valid,
	.help = "Each step is written to the journal before it begins and when it ends, so that whatever happens to this terminal or this host, pgusher knows afterwards "
		"where it stood. If the terminal goes away the copy goes on without it. Bytes are those of the tables on the source; rows on the target are a little smaller. While the target catches up, t lists its tables, how far each is, and what its server has copied of it. While "
		"the creation of the slot waits for transactions that write, they are listed: c cancels the statement of the chosen one, t ends its session, after asking, w waits on.",
};
