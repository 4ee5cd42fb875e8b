/* What came of it: the end, the proof, what needs attention, what is left, what to do next. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "journal/report_md.h"
#include "journal/standing.h"
#include "widgets/markdown.h"
#include "wizard_in.h"

static void enter(struct wizard *w)
{
	free(w->text);
	w->text = NULL;
	w->show_log = false;
}

/* How many, and by kind when there is nothing else to say; those that differ come below. */
static int draw_objects(const struct wizard *w, int y, int x, int end, int width)
{
	const struct model_item *same = model_find(&w->model.proofs, PROOF_OBJECTS);
	const char *kinds = same && same->last->text ? same->last->text : "";
	size_t n[3];
	char a[32];

	if (!report_count_objects(&w->model, n) || y >= end)
		return y;
	bool good = n[1] + n[2] == 0;
	(void)put(y, x, 10, R_DIM, "Objects");
	char *text = good ? xasprintf("%s %s", glyph(G_DONE), kinds)
			  : xasprintf("%s %s the same, %zu different, %zu not proven", glyph(n[1] ? G_FAIL : G_DONE), fmt_count(a, sizeof a, (int64_t)n[0]), n[1], n[2]);
	y += put_lines(y, x + 10, end - y > 3 ? 3 : end - y, width - 10, n[1] ? R_BAD : n[2] ? R_WARN : R_GOOD, text);
	free(text);
	return y;
}

static int draw_unequal(const struct wizard *w, bool objects, int y, int x, int end, int width)
{
	for (size_t i = 0; i < w->model.proofs.n && y < end; i++) {
		const struct event *e = w->model.proofs.v[i].last;
		if (e->state != ST_DONE && report_of_objects(e) == objects)
			(void)putf(y++, x + 10, width - 10, e->state == ST_FAILED ? R_BAD : R_WARN, "%s: %s", e->id, e->text ? e->text : state_name(e->state));
	}
	return y;
}

static int draw_proofs(const struct wizard *w, int y, int x, int end, int width)
{
	size_t n[3];
	int64_t rows;
	char buf[48];

	if (w->model.proofs.n == 0)
		return y;
	report_count(&w->model, n, &rows);
	if (n[0] + n[1] + n[2] > 0) { /* with verify = off a cutover looks at objects only */
		(void)put(y, x, 10, R_DIM, "Proof");
		(void)putf(y++, x + 10, width - 10, n[1] ? R_BAD : n[2] ? R_WARN : R_GOOD, "%s %zu equal (%s), %zu different, %zu not proven",
			   glyph(n[1] ? G_FAIL : G_DONE), n[0], fmt_things(buf, sizeof buf, rows, "row"), n[1], n[2]);
	}
	y = draw_unequal(w, false, y, x, end, width);
	y = draw_objects(w, y, x, end, width);
	return draw_unequal(w, true, y, x, end, width);
}

static int draw_issues(const struct wizard *w, int y, int x, int end, int width)
{
	int n = 0;

	for (size_t i = 0; i < w->model.issues.n; i++)
		n += w->model.issues.v[i].last->verdict == VERDICT_WARN;
	if (n == 0)
		return y;
	(void)put(y, x, 10, R_DIM, "Attention");
	(void)putf(y++, x + 10, width - 10, R_WARN, "%d complaint%s; the report has each, with what to do", n, n == 1 ? "" : "s");
	for (size_t i = 0; i < w->model.issues.n && y < end; i++) {
		const struct event *e = w->model.issues.v[i].last;
		if (e->verdict == VERDICT_WARN)
			(void)putf(y++, x + 10, width - 10, R_TEXT, "%s: %s", e->title, e->text ? e->text : "");
	}
	return y;
}

static int draw_notes(const struct wizard *w, int y, int x, int end, int width)
{
	for (size_t i = 0; i < w->model.notes.n && y < end; i++) {
		const struct event *e = w->model.notes.v[i].last;
		if (str_eq(e->title, "plan"))
			continue;
		(void)put(y, x, 10, R_DIM, "Note");
		int room = end - y > 3 ? 3 : end - y;
		char *t = xasprintf("%s: %s", e->title ? e->title : "", e->text ? e->text : "");
		y += put_lines(y, x + 10, room, width - 10, R_TEXT, t);
		free(t);
	}
	return y;
}

static int draw_left(const struct wizard *w, int y, int x, int end, int width)
{
	for (size_t i = 0; i < w->model.left.n && y < end; i++) {
		const struct event *e = w->model.left.v[i].last;
		if (w->model.left.v[i].removed)
			continue;
		(void)put(y, x, 10, R_DIM, "Left");
		const char *name = strchr(e->id, ':');
		if (!str_empty(e->sql))
			(void)putf(y++, x + 10, width - 10, R_WARN, "%s; to %s it: %s", e->title ? e->title : e->id, strstr(e->id, "closed:") ? "open" : "remove", e->sql);
		else
			(void)putf(y++, x + 10, width - 10, R_WARN, "%s: %s", e->title ? e->title : "", name ? name + 1 : e->id);
	}
	return y;
}

/* Between which servers, how long, and where it stopped. */
static int draw_story(const struct wizard *w, int y, int x, int width)
{
	const struct model *m = &w->model;
	char took[32];

	for (int i = 0; i < 2; i++) {
		const struct event *f = m->facts[i];
		if (!f || !f->title)
			continue;
		(void)put(y, x, 10, R_DIM, i == SIDE_SOURCE ? "From" : "To");
		(void)putf(y++, x + 10, width - 10, R_TEXT, "%s, %s", f->title, f->text ? f->text : "");
	}
	if (m->begin && m->end) {
		(void)put(y, x, 10, R_DIM, "Took");
		(void)put(y++, x + 10, width - 10, R_TEXT, fmt_secs(took, sizeof took, (double)(m->end_mono_us - m->begin_mono_us) / 1e6));
	}
	for (size_t i = 0; i < m->steps.n; i++) {
		const struct model_item *it = &m->steps.v[i];
		if (it->last->state != ST_FAILED && it->last->state != ST_CANCELLED)
			continue;
		(void)put(y, x, 10, R_DIM, "Stopped");
		(void)putf(y++, x + 10, width - 10, R_TEXT, "in step %zu of %zu: %s", i + 1, m->steps.n, it->title ? it->title : it->last->id);
	}
	return y;
}

static void draw_summary(struct wizard *w, int y, int x, int h, int width)
{
	const struct event *end = w->model.end;
	int bottom = y + h - 1;
	bool good = end && end->state == ST_DONE && end->n == 0;

	size_t n[3], o[3];
	int64_t rows;
	char differs[120] = "", of[48];
	report_count(&w->model, n, &rows);
	(void)report_count_objects(&w->model, o);
	if (good && n[1] + n[2] + o[1] + o[2] > 0) { /* it ended well, and was compared again since */
		(void)snprintf(differs, sizeof differs, "Compared again: %zu equal, %zu different, %zu not proven%s%s%s", n[0], n[1], n[2], o[1] ? "; " : "",
			       o[1] ? fmt_things(of, sizeof of, (int64_t)o[1], "object") : "", o[1] ? " not the same" : "");
		good = false;
	}
	const char *what = *differs ? differs : end ? end->text : w->held ? "It is running: this is how far it came when you looked." : w->model.begin ? "The attempt has not ended." : "Nothing has been run.";
	char *line = xstrdup(what ? what : "");
	line[0] = (char)toupper((unsigned char)line[0]);
	y += put_lines(y, x, 3, width, good ? R_GOOD : *differs && n[1] + o[1] ? R_BAD : end ? R_WARN : R_TEXT, line);
	free(line);
	if (end && !str_empty(end->hint)) { /* before all that may have no room */
		(void)put(++y, x, 10, R_DIM, "Next");
		y += put_lines(y, x + 10, 3, width - 10, R_TITLE, *differs && n[1] + n[2] == 0 ? "make them alike: the report (r) says how" : *differs ? "they differ where the source was written since its snapshot, or somebody wrote to the target: "
				"to move without losing it, stop the writers first, then migrate again" : end->hint);
	}
	y = draw_story(w, y + 1, x, width);
	y = draw_proofs(w, y, x, bottom - 4, width);
	y = draw_issues(w, y, x, bottom - 3, width);
	y = draw_notes(w, y, x, bottom - 2, width);
	(void)draw_left(w, y, x, bottom - 1, width);
	char *dir = migration_state_dir(w->m);
	(void)putf(bottom, x, width, R_DIM, "report: %s/report.md", dir);
	free(dir);
}

/* The report as it is read on a screen; laid out anew for another width. */
static struct markdown *page;

static void close_page(struct wizard *w)
{
	markdown_free(page);
	page = NULL;
	free(w->text);
	w->text = NULL;
}

static void draw_page(struct wizard *w, int y, int x, int h, int width)
{
	char at[64];

	if (!page || markdown_width(page) != width) {
		markdown_free(page);
		page = markdown_new(w->text, width, "checksum");
	}
	w->page = h - 1;
	w->top = markdown_rows(page);
	w->scroll = w->scroll > w->top - w->page ? w->top > w->page ? w->top - w->page : 0 : w->scroll;
	markdown_draw(page, y, x, w->page, w->scroll);
	(void)snprintf(at, sizeof at, "lines %d-%d of %d", w->scroll + 1, w->scroll + w->page < w->top ? w->scroll + w->page : w->top, w->top);
	(void)put(y + h, x, width, R_DIM, at);
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	if (w->text)
		draw_page(w, y, x, h, width);
	else
		draw_summary(w, y, x, h, width);
}

static void report(struct wizard *w)
{
	if (w->text) {
		close_page(w);
		return;
	}
	wizard_say(w, R_TEXT, "%s", "");
	w->text = report_markdown(&w->model);
	w->scroll = 0;
}

static void leave(struct wizard *w)
{
	close_page(w);
}

static void verify(struct wizard *w)
{
	wizard_go(w, AT_RUN);
	wizard_send(w, CMD_VERIFY, NULL, NULL);
}

static bool unfinished(const struct wizard *w)
{
	return !w->held && model_unfinished(&w->model);
}

static void resume(struct wizard *w)
{
	wizard_go(w, AT_PREFLIGHT);
}

static void cleanup(struct wizard *w)
{
	wizard_setup(w);
	wizard_go(w, AT_RUN);
	wizard_send(w, CMD_CLEANUP, NULL, NULL);
}

/* One Enter too many shall not take the result away. */
static void what_next(struct wizard *w)
{
	if (!w->text)
		wizard_say(w, R_TITLE, unfinished(w) ? "g goes on with it, r reads the report, Esc is the start screen, q leaves"
						     : w->held ? "r reads the report so far, Esc is the start screen, which follows it" : "it has ended: r reads the report, Esc is the start screen, q leaves");
}

static void back(struct wizard *w)
{
	if (w->text)
		report(w);
	else
		wizard_go(w, AT_WELCOME);
}

static bool key(struct wizard *w, int k, bool special)
{
	return w->text && wizard_scroll(&w->scroll, w->top, w->page, k, special);
}

#define VERIFY {'v', false, "v", "compare again", verify}
#define ENTER {'\r', false, "", "", what_next}
#define QUIT {'q', false, "q", "quit", wizard_quit}

static const struct key keys_ended[] = {
	{'r', false, "r", "read the report", report}, VERIFY, {27, false, "Esc", "start screen", back}, QUIT, ENTER, {0, false, NULL, NULL, NULL},
};
static const struct key keys_unfinished[] = {
	{'g', false, "g", "go on with it", resume}, {'r', false, "r", "read the report", report}, {27, false, "Esc", "start screen", back}, QUIT, ENTER,
	{0, false, NULL, NULL, NULL},
};
static const struct key keys_given_up[] = {
	{'g', false, "g", "finish the clean-up", cleanup}, {'r', false, "r", "read the report", report}, {27, false, "Esc", "start screen", back}, QUIT, ENTER,
	{0, false, NULL, NULL, NULL},
};
static const struct key keys_held[] = { /* another pgusher is at it */
	{'r', false, "r", "read the report", report}, {27, false, "Esc", "start screen", back}, QUIT, ENTER, {0, false, NULL, NULL, NULL},
};
static const struct key keys_page[] = {
	{0, false, "arrows, PgDn", "read", NULL}, {'r', false, "r", "summary", report}, {27, false, "Esc", "summary", back}, QUIT, {0, false, NULL, NULL, NULL},
};

static const struct key *keys_now(const struct wizard *w)
{
	return w->text ? keys_page : w->held ? keys_held : standing_given_up(&w->model) ? keys_given_up : unfinished(w) ? keys_unfinished : keys_ended;
}

const struct screen screen_done = {
	.title = "Done", .keys_now = keys_now, .enter = enter, .leave = leave, .draw = draw, .key = key,
	.help = "Equal means: as many rows, and the same sum of hashes over all rows, as in the source's snapshot. Not proven means exactly that; it is never counted as "
		"equal. Objects are tables, columns, indexes, functions, grants and all else: what two versions only word differently is the same; the report has both definitions "
		"of each that differs, and what to do. v compares both sides as they are now, which differ where the source was written meanwhile.",
};
