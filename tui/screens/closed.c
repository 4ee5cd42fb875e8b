#include "closed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"

#define LOOK_US 1000000

static struct journal_holder holder;
static bool held;
static int64_t looked_us; /* monotonic */

/* Whether a cutover is on in another process; asked now and then. */
static bool another_is_at_it(const struct wizard *w)
{
	if (looked_us != 0 && clock_mono_us() - looked_us < LOOK_US)
		return held;
	char *dir = migration_state_dir(w->m);
	held = journal_held(dir, &holder);
	looked_us = clock_mono_us();
	free(dir);
	return held;
}

/* What the servers said when they were last seen. */
static bool is_fenced(const struct wizard *w, bool back)
{
	struct watch_sample s;

	return w->model.sample && watch_sample_from_text(&s, w->model.sample->text) && (back ? s.back_fenced && !s.rolled_back && !s.finalized : s.fenced);
}

static bool was(const struct wizard *w, const char *what)
{
	const struct event *closed = model_closed(&w->model);

	return closed ? str_starts(closed->id, "back-") == str_eq(what, "rollback") : wizard_half_way(w) && str_eq(w->model.begin->sql, what);
}

bool closed_by_rollback(const struct wizard *w)
{
	return (was(w, "rollback") || is_fenced(w, true)) && !is_fenced(w, false);
}

bool closed_shown(const struct wizard *w)
{
	return (was(w, "cutover") || was(w, "rollback") || is_fenced(w, false) || is_fenced(w, true)) && !another_is_at_it(w);
}

void closed_take_back(struct wizard *w)
{
	if (closed_shown(w))
		cutover_begin(w, closed_by_rollback(w) ? CHANGE_TAKE_BACK_ROLLBACK : CHANGE_TAKE_BACK);
}

static int say(int y, int x, int width, enum role role, const char *head, const char *todo)
{
	y += put_lines(y, x, 2, width, role, head);
	y += put_lines(y, x, 3, width, R_TEXT, todo);
	put_line(y, x, width, R_DIM);
	return y + 1;
}

static int say_who(const char *side, int y, int x, int width)
{
	char *text = xasprintf("The %s is closed to writers for a moment: process %ld of %s on %s changes who the primary is, since %s.", side, (long)holder.pid, holder.user,
			       holder.host, holder.since);

	y = say(y, x, width, R_WARN, text, "Wait for its end; it opens that server again by itself when it fails.");
	free(text);
	return y;
}

int closed_draw(const struct wizard *w, const struct watch_sample *s, int y, int x, int width)
{
	bool fenced = s && s->fenced, back = s && s->back_fenced && !s->rolled_back && !s->finalized;

	if (!was(w, "cutover") && !was(w, "rollback") && !fenced && !back)
		return y;
	if (another_is_at_it(w))
		return fenced || back ? say_who(fenced ? "source" : "target", y, x, width) : y;
	if (back && !fenced)
		return say(y, x, width, R_BAD, "THE TARGET IS CLOSED TO WRITERS: a rollback was interrupted, and no application can write",
			   "B takes it back: the target is written to again, and nothing is lost. b begins it anew. Without this screen: pgusher rollback --abort");
	if (was(w, "rollback") && !fenced)
		return say(y, x, width, R_BAD, "A ROLLBACK WAS INTERRUPTED, AND THE TARGET MAY BE CLOSED TO WRITERS",
			   "B takes it back: the target stays the primary and is written to again. b begins it anew. Without this screen: pgusher rollback --abort");
	if (!s || !s->source_ok)
		return say(y, x, width, R_BAD, "A CUTOVER WAS INTERRUPTED, AND THE SOURCE MAY BE CLOSED TO WRITERS", s ? "It does not answer now. B takes the cutover back as soon as it does." :
			   "The servers are being asked. B takes it back: the source is written to again.");
	if (s->fenced)
		return say(y, x, width, R_BAD, "THE SOURCE IS CLOSED TO WRITERS: a cutover was interrupted", "Until then no application can write. B opens the source again, the target goes on "
			   "following it, nothing is lost. c does the same first, and then cuts over anew. Without this screen: pgusher cutover --abort");
	if (s->handed_over)
		return say(y, x, width, R_WARN, "The cutover was interrupted behind its hand-over: the target is the primary", "The old source is closed, and has to stay so. c does what was left to do; "
			   "b goes back, without losing what was written meanwhile.");
	return say(y, x, width, R_WARN, "A cutover was interrupted; the source is open to writers", "B takes back what is left of it; c begins it anew.");
}
