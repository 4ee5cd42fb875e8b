/* Findings as they land, worst first, with what to do about the chosen one. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "checks/checks.h"
#include "wizard_in.h"

static const struct model_item *items[512];
static int n_items;

static int worst_first(const void *a, const void *b)
{
	const struct model_item *x = *(const struct model_item *const *)a, *y = *(const struct model_item *const *)b;

	if (x->last->verdict != y->last->verdict)
		return (int)y->last->verdict - (int)x->last->verdict;
	return x < y ? -1 : x > y;
}

static void collect(const struct wizard *w)
{
	n_items = 0;
	for (size_t i = 0; i < w->model.findings.n && n_items < 512; i++)
		if (w->show_ok || w->model.findings.v[i].last->verdict != VERDICT_OK)
			items[n_items++] = &w->model.findings.v[i];
	qsort(items, (size_t)n_items, sizeof *items, worst_first);
}

static void look(struct wizard *w)
{
	if (w->busy)
		return;
	wizard_say(w, R_TEXT, "%s", "");
	wizard_setup(w);
	wizard_send(w, CMD_CHECK, NULL, NULL);
}

static void enter(struct wizard *w)
{
	look(w);
}

static enum role verdict_role(enum verdict v)
{
	return v == VERDICT_BLOCK ? R_BAD : v == VERDICT_WARN ? R_WARN : v == VERDICT_OK ? R_GOOD : R_DIM;
}

/* Returns the rows used. */
static int draw_endpoint(const struct wizard *w, enum side side, int y, int x, int width)
{
	const struct event *f = w->model.facts[side];

	(void)put(y, x, 8, R_DIM, side == SIDE_SOURCE ? "Source" : "Target");
	const struct event *again = w->model.again[side];
	char *text = f ? xasprintf("%s, %s", f->text, f->hint ? f->hint : "") : again ? event_again_words(again) : xstrdup(w->busy ? "asking..." : "not reached");
	int rows = put_lines(y, x + 8, 2, width - 8, f ? R_TEXT : R_DIM, text);
	free(text);
	return rows;
}

/* Where all of it does not fit, the longest part is cut first: the names of many tables must not hide what is to be done. */
static void draw_detail(const struct model_item *it, int y, int x, int h, int width)
{
	const struct event *e = it->last;
	const struct { const char *label, *text; enum role role; } part[] = {
		{"found", e->text, R_TEXT}, {"needed", e->needed, R_TEXT}, {"why", e->why, R_TEXT}, {"fix", e->hint, R_TITLE},
		{str_starts(e->sql ? e->sql : "", ADOPT_SETTING) ? "f sets" : "f runs", e->sql, R_WARN},
	};
	enum { PARTS = sizeof part / sizeof *part };
	int rows[PARTS], all = 0;

	put_line(y, x - 1, width + 2, R_DIM);
	(void)putf(y++, x + 1, width - 2, R_TITLE, " %s ", e->title);
	for (int i = 0; i < PARTS; i++)
		all += rows[i] = str_empty(part[i].text) ? 0 : put_wrapped(y, x + 8, 0, width - 8, part[i].role, part[i].text, 0);
	for (; all > h - 1 && all > 0; all--) {
		int longest = PARTS - 1;
		for (int i = PARTS - 1; i >= 0; i--)
			longest = rows[i] > rows[longest] ? i : longest;
		rows[longest]--;
	}
	for (int i = 0; i < PARTS; i++) {
		if (rows[i] == 0)
			continue;
		(void)put(y, x, 8, R_DIM, part[i].label);
		y += put_lines(y, x + 8, rows[i], width - 8, part[i].role, part[i].text);
	}
}

static void draw_counts(const struct wizard *w, int y, int x, int width)
{
	const int *n = w->model.n_verdict;
	const char *what = n[VERDICT_BLOCK] ? "what blocks comes first" : w->model.n_unacked ? "accept them with a" : "Enter goes on";
	char *words = model_verdicts(&w->model);

	(void)putf(y, x, width, R_DIM, "%s%s%s", words, w->busy ? "  ...looking" : ": ", w->busy ? "" : what);
	free(words);
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	int head = draw_endpoint(w, SIDE_SOURCE, y, x, width);

	head += draw_endpoint(w, SIDE_TARGET, y + head, x, width) + 1;
	int list = h / 2 + 1 - head;
	collect(w);
	list = n_items + 1 < list ? n_items + 1 : list; /* a short one leaves its room to the finding */
	if (w->sel >= n_items)
		w->sel = n_items ? n_items - 1 : 0;
	w->page = list;
	w->top = w->sel < w->top ? w->sel : w->sel >= w->top + list ? w->sel - list + 1 : w->top;
	for (int i = 0; i < list && w->top + i < n_items; i++) {
		const struct model_item *it = items[w->top + i];
		bool on = w->top + i == w->sel;
		int row = y + head + i;
		put_blank(row, x, 1, width, on ? R_SELECT : R_TEXT);
		(void)putf(row, x, 9, on ? R_SELECT : verdict_role(it->last->verdict), "%s%-5s", on ? glyph(G_SELECT) : " ", verdict_name(it->last->verdict));
		(void)putf(row, x + 8, width - 8, on ? R_SELECT : R_TEXT, "%s%s", it->last->title, it->acked ? "  (accepted)" : "");
	}
	if (n_items == 0 && !w->busy)
		(void)put(y + head, x, width, R_GOOD, "Nothing stands in the way, and nothing needs to be known.");
	draw_counts(w, y + head + list, x, width);
	if (n_items > 0)
		draw_detail(items[w->sel], y + head + list + 1, x, h - head - list - 1, width);
}

/* The first line of a statement that says what is done, as far as there is room beside what it did. */
static char *begin_of(const char *sql)
{
	while (str_starts(sql, "SET ") && strchr(sql, '\n'))
		sql = strchr(sql, '\n') + 1;
	const char *next, *end = text_break(sql, 60, &next);

	return xasprintf("%.*s%s", (int)(end - sql), sql, next && *next ? " ..." : "");
}

/* A fix was run: what it was, and what the check that wanted it says now. */
static void fixed(struct wizard *w, const struct event *ready)
{
	const struct event *fix = w->model.fixes.n ? w->model.fixes.v[w->model.fixes.n - 1].last : NULL;
	const struct model_item *it = fix ? model_find(&w->model.findings, fix->id) : NULL;

	if (!fix || fix->state != ST_DONE) {
		dialog_failed("The fix did not work", ready);
		return;
	}
	char *sql = begin_of(fix->sql ? fix->sql : "");
	if (ready->state != ST_DONE)
		wizard_say(w, R_WARN, "done: %s. Whether it helped is not known: %s; r looks again", sql, ready->text ? ready->text : "");
	else if (!it || it->last->verdict == VERDICT_OK || it->last->verdict == VERDICT_INFO)
		wizard_say(w, R_GOOD, "done: %s. The check is OK now: %s", sql, it ? it->last->title : "");
	else
		wizard_say(w, R_WARN, "done: %s. The check is not OK yet: %s; its fix says what is next", sql, it->last->title);
	free(sql);
}

static void ready(struct wizard *w, const struct event *e)
{
	if (str_eq(e->id, "fix"))
		fixed(w, e);
	else if (str_eq(e->id, "check") && e->state == ST_FAILED && e->n != ERR_BLOCKED)
		wizard_say(w, R_BAD, "%s", e->text ? e->text : "");
	else if (e->state == ST_CANCELLED)
		wizard_say(w, R_WARN, "stopped; r looks again");
}

static void next(struct wizard *w)
{
	const struct model *m = &w->model;

	if (w->busy)
		return;
	if (m->findings.n == 0 || m->n_verdict[VERDICT_BLOCK] > 0)
		wizard_say(w, R_BAD, m->findings.n ? "something blocks: put it right, then r looks again" : "nothing was looked at yet: r looks");
	else if (m->n_unacked > 0)
		wizard_say(w, R_WARN, "accept each warning with a first: it is written down that you did");
	else
		wizard_go(w, AT_PLAN);
}

static void do_fix(struct wizard *w, bool yes)
{
	if (yes && w->sel < n_items)
		wizard_send(w, CMD_FIX, items[w->sel]->last->id, NULL);
}

static void do_fix_typed(struct wizard *w, const char *typed)
{
	if (typed && w->sel < n_items)
		wizard_send(w, CMD_FIX, items[w->sel]->last->id, typed);
}

/* A setting of ours instead of a statement: both sides are looked at again with it. */
static void do_adopt(struct wizard *w, bool yes)
{
	const struct event *e = yes && w->sel < n_items ? items[w->sel]->last : NULL;

	if (!e || w->busy || !str_starts(e->sql ? e->sql : "", ADOPT_SETTING))
		return;
	xreplace(&w->m->sub.adopt, e->sql + strlen(ADOPT_SETTING));
	look(w);
	wizard_save(w);
}

/* On which server it runs stands above the statement: of two addresses that look alike one is in use. */
static void ask_fix(struct wizard *w, const struct event *e)
{
	enum side side = e->n == 1 + SIDE_TARGET ? SIDE_TARGET : SIDE_SOURCE;
	char *label = endpoint_label(&w->m->end[side]), *text = xasprintf("On the %s, %s:\n\n%s", side_name(side), label, e->sql);

	/* what destroys something wants its name typed: so far only dropping the target's database does */
	if (strncmp(e->sql, "DROP DATABASE", 13) == 0)
		dialog_type("This cannot be undone", text, w->m->end[SIDE_TARGET].dbname, do_fix_typed);
	else
		dialog_ask("Run this?", text, "Run it", do_fix);
	free(text);
	free(label);
}

static void fix(struct wizard *w)
{
	const struct event *e = w->sel < n_items ? items[w->sel]->last : NULL;

	if (w->busy || !e)
		return;
	if (str_empty(e->sql)) {
		wizard_say(w, R_TEXT, "pgusher cannot do this for you: the fix says what to do, then r looks again");
		return;
	}
	if (str_starts(e->sql, ADOPT_SETTING)) {
		char *text = xasprintf("%s\n\nNothing is copied and nothing is changed: the subscription is looked at, compared and watched, and cut over when you say so. It is written to the "
				       "settings; to have a copy of ours after all, empty Adopt on the options.", e->sql);
		dialog_ask("Take this subscription over?", text, "Take it over", do_adopt);
		free(text);
		return;
	}
	ask_fix(w, e);
}

static void ack(struct wizard *w)
{
	const struct model_item *it = w->sel < n_items ? items[w->sel] : NULL;

	if (!it)
		return;
	if (it->last->verdict != VERDICT_WARN)
		wizard_say(w, R_TEXT, it->last->verdict == VERDICT_BLOCK ? "what blocks cannot be accepted" : "only warnings need to be accepted");
	else
		wizard_send(w, CMD_ACK, it->last->id, "in the wizard");
	if (it->last->verdict == VERDICT_WARN && w->sel + 1 < n_items)
		w->sel++;
}

static void toggle_ok(struct wizard *w)
{
	w->show_ok = !w->show_ok;
}

static void copy(struct wizard *w)
{
	const struct event *e = w->sel < n_items ? items[w->sel]->last : NULL;
	const char *text = !e ? NULL : !str_empty(e->sql) ? e->sql : e->hint;

	if (!text)
		return;
	term_copy(text);
	wizard_say(w, R_TEXT, "copied: %s", text);
}

static bool key(struct wizard *w, int k, bool special)
{
	return wizard_select(w, n_items, k, special);
}

static bool valid(const struct wizard *w, int code)
{
	collect(w); /* the findings may have moved since they were drawn */
	const struct model_item *it = w->sel < n_items ? items[w->sel] : NULL;

	switch (code) {
	case '\r': return !w->busy && w->model.findings.n > 0 && w->model.n_verdict[VERDICT_BLOCK] == 0 && w->model.n_unacked == 0;
	case 'f': return !w->busy && it && !str_empty(it->last->sql);
	case 'a': return it && it->last->verdict == VERDICT_WARN && !it->acked;
	case 'y': return it && (!str_empty(it->last->sql) || !str_empty(it->last->hint));
	default: return true;
	}
}

static const struct key keys[] = {
	{'\r', false, "Enter", "next", next}, {'f', false, "f", "fix", fix}, {'a', false, "a", "accept", ack}, {'r', false, "r", "look again", look},
	{'o', false, "o", "all", toggle_ok}, {27, false, "Esc", "back", wizard_back}, {'y', false, "y", "copy fix", copy},
	{'q', false, "q", "quit", wizard_quit}, {0, false, "arrows", "move", NULL},
	{0, false, NULL, NULL, NULL},
};

const struct screen screen_preflight = {
	.title = "Preflight", .keys = keys, .enter = enter, .draw = draw, .key = key, .ready = ready, .valid = valid,
	.help = "Both servers are read and asked everything that has spoilt somebody's night before. BLOCK must be put right; WARN wants to be accepted, and that is "
		"written to the journal; INFO is good to know. Each finding says what was found, what is needed, why, and what to do. "
		"f runs a fix after showing its SQL; what destroys something asks for a name to be typed.",
};
