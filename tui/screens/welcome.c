/* The first screen: begin, or what to do with an attempt that did not end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "journal/journal.h"
#include "journal/standing.h"
#include "settings.h"
#include "screens/closed.h"
#include "wizard_in.h"

struct choice { const char *text, *more; void (*fn)(struct wizard *w); };
#define MORE_H 3 /* rows: a blank one, and what the chosen one does */

static void begin(struct wizard *w)
{
	wizard_go(w, AT_METHOD);
}

static void resume(struct wizard *w)
{
	wizard_setup(w);
	wizard_go(w, AT_PREFLIGHT);
}

static void cleanup(struct wizard *w)
{
	wizard_go(w, AT_RUN);
	wizard_setup(w);
	wizard_send(w, CMD_CLEANUP, NULL, NULL);
}

static void report(struct wizard *w)
{
	wizard_go(w, AT_DONE);
}

static void monitor(struct wizard *w)
{
	wizard_setup(w);
	wizard_go(w, AT_MONITOR);
}

static const struct choice fresh[] = {
	{"Begin", "Choose a method, name both servers, look before anything happens.", begin},
};

/* Started without --config, where settings lie: one choice for each, then a new one. */
#define FOUND_MAX 100
static struct strv found;
static char *found_text[FOUND_MAX], *found_more[FOUND_MAX];
static const char *found_word[FOUND_MAX]; /* NULL: its journal was not looked at yet */
static bool found_attention[FOUND_MAX];
static struct choice found_choices[FOUND_MAX + 1];

static void open_found(struct wizard *w)
{
	if (w->sel < (int)found.n && wizard_open(w, found.v[w->sel])) {
		wizard_say(w, R_DIM, "settings: %s", w->m->ini_path);
		w->sel = 0;
		if (wizard_follows(w) || wizard_half_way(w))
			monitor(w);
	}
}

static char *interrupted(const struct model *story)
{
	char *how = standing_interrupted(story), *text = xasprintf("It was %s.", how);

	free(how);
	return text;
}

/* How far the migration of these settings came, as its journal here says. Caller frees. */
static char *how_it_stands(const char *path, const char **word, bool *attention)
{
	struct migration m;
	struct strv wrong = {0};
	struct model story;
	struct journal_holder h;
	struct err err;
	char *text = NULL;

	*word = "?";
	*attention = true;
	migration_init(&m);
	model_init(&story);
	if (settings_read(&m, path, &wrong, &err) != ERR_OK) {
		text = xasprintf("These settings are not right: %s", wrong.n ? wrong.v[0] : err.msg);
	} else {
		char *dir = migration_state_dir(&m), *journal = journal_path(dir);
		if (model_load(&story, journal, &err) != ERR_OK)
			text = xasprintf("Its journal cannot be read: %s", err.msg);
		else if (journal_held(dir, &h))
			text = xasprintf("It runs: process %ld of %s on %s.", (long)h.pid, h.user, h.host), *word = "runs", *attention = false;
		else if (*word = standing_word(&story, attention), !story.begin)
			text = xstrdup("Nothing has been run with these settings yet.");
		else if (!(text = model_closed_says(&story)))
			text = story.end ? xasprintf("The last attempt: %s", story.end->text ? story.end->text : state_name(story.end->state)) :
			       interrupted(&story);
		free(journal);
		free(dir);
	}
	model_fini(&story);
	migration_fini(&m);
	strv_fini(&wrong);
	return text;
}

/* When it is seen for the first time. */
static void look_at_file(size_t i)
{
	if (i >= found.n || i >= FOUND_MAX || found_word[i])
		return;
	found_more[i] = how_it_stands(found.v[i], &found_word[i], &found_attention[i]);
	found_choices[i].more = found_more[i];
}

static void forget_files(void)
{
	for (size_t i = 0; i < FOUND_MAX; i++) {
		xreplace(&found_text[i], NULL);
		xreplace(&found_more[i], NULL);
		found_word[i] = NULL;
	}
	strv_fini(&found);
	found = (struct strv){0};
}

static void look_for_files(const struct wizard *w)
{
	forget_files();
	if (w->loaded || w->m->ini_path)
		return;
	found_ini(&found);
	for (size_t i = 0; i < found.n && i < FOUND_MAX; i++) {
		found_text[i] = xasprintf("Go on with %s", found.v[i]);
		found_choices[i] = (struct choice){found_text[i], NULL, open_found};
	}
	found_choices[found.n] = (struct choice){"Begin a new one", "Choose a method, name both servers, look before anything happens.", begin};
}

static const struct choice after_end[] = {
	{"Look at the report of the last attempt", "What was moved, and the proof.", report},
	{"Begin again", "With the same settings, which can be changed on the way.", begin},
};
static void take_back(struct wizard *w)
{
	wizard_setup(w);
	cutover_begin(w, closed_by_rollback(w) ? CHANGE_TAKE_BACK_ROLLBACK : CHANGE_TAKE_BACK);
}

static void again(struct wizard *w)
{
	wizard_setup(w);
	cutover_begin(w, CHANGE_CUTOVER);
}

static const struct choice half_way[] = {
	{"Take it back", "Who was the primary before is written to again, the other one follows it.", take_back},
	{"Begin it again", "What is half done is taken back first, then it begins anew.", again},
	{"Look at its report", "What was done, what failed, what is left.", report},
	{"Walk through the screens", "With the same settings; a password that is missing is typed there. Esc comes back here.", begin},
};
static const struct choice follows[] = {
	{"Watch", "How far behind, how fast, what is wrong; cutover, rollback and the end begin there.", monitor},
	{"Look at the report of the last attempt", "What was moved, and the proof.", report},
	{"End the replication", "Removes subscription, slot, publication and role, after showing and asking.", cleanup},
	{"Walk through the screens", "With the same settings.", begin},
};
static const struct choice unfinished[] = {
	{"Go on with it", "What is done stays done; what was interrupted is looked at on the servers and done again. The plan says which, before anything runs.", resume},
	{"Clean up what it left", "Removes what the attempt made, after showing and asking.", cleanup},
	{"Look at its report", "What was done, what failed, what is left.", report},
	{"Change the settings first", "Walk through the screens again.", begin},
};
static const struct choice given_up[] = {
	{"Finish the clean-up", "Removes what is left, after showing and asking. Both servers must be there.", cleanup},
	{"Look at its report", "What was done, what failed, what is left.", report},
	{"Walk through the screens", "With the same settings; nothing can be run before the clean-up is finished.", begin},
};

static void look(struct wizard *w)
{
	wizard_look(w);
}

static const struct choice running[] = {
	{"Watch", "This screen follows it, and offers what is next when it has ended.", look},
	{"Look at its report so far", "What was done, what is proven already.", report},
	{"Walk through the screens", "Nothing can be run under this name until it has ended.", begin},
};

static const struct choice *choices(const struct wizard *w, int *n)
{
	if (w->held) {
		*n = 3;
		return running;
	}
	if (found.n > 0 && !w->loaded) {
		*n = (int)found.n + 1;
		return found_choices;
	}
	if (wizard_half_way(w)) {
		*n = 4;
		return half_way;
	}
	if (wizard_follows(w)) {
		*n = 4;
		return follows;
	}
	if (standing_given_up(&w->model)) {
		*n = 3;
		return given_up;
	}
	if (model_unfinished(&w->model)) {
		*n = 4;
		return unfinished;
	}
	*n = w->model.begin ? 2 : 1;
	return w->model.begin ? after_end : fresh;
}

static void enter(struct wizard *w)
{
	w->sel = 0;
	look_for_files(w);
}

static void leave(struct wizard *w)
{
	(void)w;
	forget_files();
}

/* Another pgusher is at it: who, since when, how far. */
static int draw_holder(const struct wizard *w, int y, int x, int width)
{
	const struct journal_holder *h = &w->holder;
	char since[40], n[32], of[32], age[32], *text;
	double old = (double)(clock_wall_us() - w->live.at_us) / 1e6;

	(void)snprintf(since, sizeof since, "%.10s %.8s UTC", h->since, strlen(h->since) > 11 ? h->since + 11 : "");
	text = !h->pid ? xstrdup("Another pgusher works on this migration.")
		       : xasprintf("Another pgusher works on this migration: process %ld of %s on %s, since %s.", (long)h->pid, h->user,
				   h->host, since);
	y += put_lines(y, x, 3, width, R_WARN, text);
	free(text);
	if (w->live.of <= 0)
		return y;
	double share = (double)w->live.n / (double)w->live.of;
	int used = putf(y, x + 2, width - 2, R_TEXT, "%s: %s of %s", w->live.step ? w->live.step : "now",
			fmt_bytes(n, sizeof n, (double)w->live.n), fmt_bytes(of, sizeof of, (double)w->live.of));
	if (old > 5)
		(void)putf(y, x + 4 + used, width - 4 - used, R_WARN, "STALE, %s old", fmt_secs(age, sizeof age, old));
	y++;
	put_bar(y++, x + 2, width - 10, share > 1 ? 1 : share);
	return y;
}

static int draw_end(const struct event *end, int y, int x, int width)
{
	char *text = xasprintf("The last attempt: %s.", end->text ? end->text : state_name(end->state));
	int rows = put_lines(y, x, 3, width, end->state == ST_DONE && end->n == 0 ? R_GOOD : R_WARN, text);

	free(text);
	return rows;
}

static int draw_attempt(const struct wizard *w, int y, int end, int x, int width)
{
	const struct model *m = &w->model;

	if (w->held)
		y = draw_holder(w, y, x, width);
	if (!m->begin)
		return w->held ? y + 1 : y;
	char *closed = w->held ? NULL : model_closed_says(m);
	if (closed)
		y += put_lines(y, x, 3, width, R_BAD, closed);
	if (m->end && !w->held)
		y += draw_end(m->end, y, x, width);
	else if (!w->held && !closed && standing_given_up(m)) {
		char *text = interrupted(m);
		y += put_lines(y, x, 3, width, R_WARN, text);
		free(text);
	} else if (!w->held && !closed)
		y += put_lines(y, x, 3, width, R_WARN, wizard_half_way(w) ?
			"A cutover was interrupted: pgusher or its host went away while it ran. The source may refuse writes until it is taken back."
			: "An attempt was interrupted: pgusher, its host or its terminal went away while it ran.");
	free(closed);
	int room = end - y - 1; /* the newest are worth more */
	size_t from = m->steps.n > (size_t)(room > 1 ? room : 1) ? m->steps.n - (size_t)(room > 1 ? room : 1) + 1 : 0;
	if (from > 0)
		(void)putf(y++, x + 2, width - 2, R_DIM, "%zu steps before these", from);
	for (size_t i = from; i < m->steps.n; i++) {
		const struct model_item *it = &m->steps.v[i];
		enum state st = it->last->state;
		enum glyph g = st == ST_DONE ? G_DONE : st == ST_SKIPPED ? G_SKIP : st == ST_FAILED || st == ST_CANCELLED ? G_FAIL : st == ST_RUNNING ? G_RUN : G_WAIT;
		bool on = st == ST_RUNNING && w->held;
		(void)putf(y++, x + 2, width - 2, on ? R_TITLE : st == ST_DONE ? R_TEXT : R_DIM, "%s %-12s %s", glyph(g),
			   st == ST_RUNNING && !on ? "interrupted" : state_name(st), it->title ? it->title : it->last->id);
	}
	return y + 1;
}

/* Where a list of settings begins to say how each stands. */
static int word_column(int width)
{
	int most = 0;

	for (size_t i = 0; i < found.n && i < FOUND_MAX; i++)
		most = text_width(found_text[i]) > most ? text_width(found_text[i]) : most;
	return most + 6 < width - 22 ? most + 6 : width - 22;
}

/* Of more than there is room for, those around the chosen one. Returns the next row. */
static int draw_choices(struct wizard *w, const struct choice *c, int n, int y, int end, int x, int width)
{
	int rows = n > end - y && end - y > 1 ? end - y - 1 : n, below;

	w->page = rows;
	w->top = w->sel < w->top ? w->sel : w->sel >= w->top + rows ? w->sel - rows + 1 : w->top;
	for (int i = w->top; i < n && i < w->top + rows; i++, y++) {
		enum role role = i == w->sel ? R_SELECT : R_TEXT;
		put_blank(y, x, 1, width, role);
		(void)putf(y, x, width, role, " %s %s ", i == w->sel ? glyph(G_SELECT) : " ", c[i].text);
		if (c != found_choices || i >= (int)found.n)
			continue;
		look_at_file((size_t)i);
		(void)put(y, x + word_column(width), width - word_column(width), i == w->sel ? R_SELECT : found_attention[i] ? R_WARN : R_DIM, found_word[i]);
	}
	below = n - w->top - rows;
	if (rows < n)
		(void)putf(y++, x + 3, width - 3, R_DIM, "%d above, %d below; the newest is first, End: begin a new one", w->top, below);
	return y;
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	int n, end = y + h;
	const struct choice *c = choices(w, &n);

	(void)put(y++, x, width, R_TITLE, "A PostgreSQL database moves to another server, and nothing is lost.");
	y++;
	if (!w->model.begin && !w->held) {
		y += put_lines(y, x, 8, width, R_TEXT,
			"You will be asked for the method, the source, the target and options. Then both servers are looked at, and you see every command "
			"before anything is done. Nothing is changed anywhere until you start it on the plan screen.");
		y++;
	} else {
		y = draw_attempt(w, y, end - MORE_H - n, x, width);
	}
	y = draw_choices(w, c, n, y, end - MORE_H, x, width);
	if (w->sel < n && y < end) /* what the chosen one does */
		(void)put_lines(y + (y + 1 < end), x + 3, 2, width - 3, R_DIM, c[w->sel].more);
}

static void choose(struct wizard *w)
{
	int n;
	const struct choice *c = choices(w, &n);

	if (w->sel < n)
		c[w->sel].fn(w);
}

static bool key(struct wizard *w, int k, bool special)
{
	int n;

	(void)choices(w, &n);
	return wizard_select(w, n, k, special);
}

static const struct key keys[] = {
	{'\r', false, "Enter", "choose", choose}, {0, false, "arrows", "move", NULL}, {'q', false, "q", "quit", wizard_quit}, {27, false, "", "", wizard_back}, {0, false, NULL, NULL, NULL},
};

const struct screen screen_welcome = {
	.title = "Welcome", .keys = keys, .enter = enter, .leave = leave, .draw = draw, .key = key,
	.help = "pgusher keeps a journal of every attempt. When one did not end, this screen says how far it came, and offers to go on with it or to remove "
		"what it left. Both look at the servers first: they are the truth, not the journal.",
};
