/* Every action before anything is run. */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "wizard_in.h"

static void enter(struct wizard *w)
{
	w->plan = NULL;
	wizard_send(w, CMD_PLAN, NULL, NULL);
}

static const char *position(const struct wizard *w, int lines, char *buf, size_t cap)
{
	int last = w->scroll + w->page < lines ? w->scroll + w->page : lines;

	(void)snprintf(buf, cap, "lines %d-%d of %d", w->scroll + 1, last, lines);
	return buf;
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	(void)put(y, x, width, R_TITLE, w->text ? "This is what will run, in this order. Enter starts it." : "Making the plan...");
	w->page = h - 2;
	if (!w->text)
		return;
	char at[64];
	int lines = put_wrapped(y + 2, x, h - 2, width, R_TEXT, w->text, w->scroll);
	w->top = lines;
	if (lines > w->page)
		(void)putf(y, x + width - 22, 22, R_DIM, "%22s", position(w, lines, at, sizeof at));
}

static void ready(struct wizard *w, const struct event *e)
{
	if (!str_eq(e->id, "plan"))
		return;
	if (e->state != ST_DONE || !e->shared) {
		wizard_go(w, AT_PREFLIGHT);
		dialog_failed("There is no plan yet", e);
		return;
	}
	w->plan = e->shared;
	free(w->text);
	w->text = plan_text(w->plan);
}

static void start(struct wizard *w)
{
	if (!w->plan || w->busy)
		return;
	wizard_go(w, AT_RUN);
	wizard_send(w, CMD_RUN, NULL, NULL);
}

static void copy(struct wizard *w)
{
	if (!w->plan)
		return;
	char *script = plan_shell(w->plan, w->m);
	term_copy(script);
	free(script);
	wizard_say(w, R_TEXT, plan_scriptable(w->plan) ? "copied, as a shell script" : "copied, to be read: only with transfer = file it is a script that runs");
}

static bool key(struct wizard *w, int k, bool special)
{
	return wizard_scroll(&w->scroll, w->top, w->page, k, special);
}

static const struct key keys[] = {
	{'\r', false, "Enter", "start", start}, {0, false, "arrows, PgDn", "read", NULL}, {'y', false, "y", "copy it", copy},
	{27, false, "Esc", "back", wizard_back}, {'q', false, "q", "quit", wizard_quit}, {0, false, NULL, NULL, NULL},
};

const struct screen screen_plan = {
	.title = "Plan", .keys = keys, .enter = enter, .draw = draw, .key = key, .ready = ready,
	.help = "The plan shown is the plan that runs: the same list of statements and commands is walked by this screen, by the script that y copies, and by the "
		"engine. Passwords and password hashes are never shown; ${snapshot} becomes the name of the exported snapshot.",
};
