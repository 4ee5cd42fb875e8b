/* login - asking for a password that a server wants, hidden and kept in memory only; declared in wizard_in.h. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "watch/sample.h"
#include "wizard_in.h"

static bool offered[2];
static int64_t began_us; /* wall clock: a sample from before is another watch's */
static enum side asked_for;

/* Ours too, so that the engine is told of it again with the next settings. */
static void answer(struct wizard *w, enum side side, const char *typed)
{
	char *id = xasprintf(LOGIN_GATE "%s", side_name(side));
	struct command c = {.kind = CMD_ANSWER, .id = id, .yes = typed != NULL, .text = (char *)typed};

	if (typed)
		secret_set(&w->m->end[side].password, typed);
	engine_send(w->e, &c);
	free(id);
}

static void on_gate(struct wizard *w, const char *typed)
{
	w->gate_open = false;
	answer(w, asked_for, typed);
}

void login_gate(const struct event *gate)
{
	asked_for = str_eq(gate->id, LOGIN_GATE "target") ? SIDE_TARGET : SIDE_SOURCE;
	dialog_password(gate->title, gate->text ? gate->text : "", on_gate);
}

static void on_watch(struct wizard *w, const char *typed)
{
	if (typed)
		answer(w, asked_for, typed);
}

static bool newest(const struct wizard *w, struct watch_sample *s)
{
	return w->model.sample && watch_sample_from_text(s, w->model.sample->text) && s->at_us >= began_us;
}

bool login_wanted(const struct wizard *w)
{
	struct watch_sample s;

	return newest(w, &s) && (s.source_away == AWAY_PASSWORD || s.target_away == AWAY_PASSWORD);
}

void login_begin(void)
{
	offered[0] = offered[1] = false;
	began_us = clock_wall_us();
}

void login_watch(struct wizard *w, bool asked)
{
	struct watch_sample s;

	if (dialog_open() || !newest(w, &s))
		return;
	for (int i = 0; i < 2; i++) {
		bool wants = (i == SIDE_SOURCE ? s.source_away : s.target_away) == AWAY_PASSWORD;
		if (!wants || (offered[i] && !asked)) {
			offered[i] &= wants;
			continue;
		}
		char *title = xasprintf("The %s wants a password", side_name((enum side)i));
		offered[i] = true;
		asked_for = (enum side)i;
		dialog_password(title, i == SIDE_SOURCE ? s.source_error : s.target_error, on_watch); /* it names role, address and database */
		free(title);
		return;
	}
}
