#include "waiting.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "pg/blockers.h"

#define ROWS 3 /* of one: who, what it does, what ends it */

static int64_t chosen;           /* pid */
static char on[BLOCKERS_MAX * 24]; /* those that the operator waits on for */

void waiting_begin(void)
{
	chosen = 0;
	on[0] = '\0';
}

static size_t blockers(const struct wizard *w, struct blocker b[BLOCKERS_MAX])
{
	b[0] = (struct blocker){0};
	return w->model.wait ? blockers_from_text(b, w->model.wait->text) : 0;
}

static void names(const struct blocker *b, size_t n, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && at < cap; i++)
		at += (size_t)snprintf(out + at, cap - at, "%lld,", (long long)b[i].pid);
}

/* Where the chosen one is now; the first, when it is gone. */
static size_t choice(const struct blocker *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (b[i].pid == chosen)
			return i;
	return 0;
}

bool waiting_any(const struct wizard *w)
{
	struct blocker b[BLOCKERS_MAX];

	return blockers(w, b) > 0;
}

bool waiting_may_cancel(const struct wizard *w)
{
	struct blocker b[BLOCKERS_MAX];
	size_t n = blockers(w, b);

	return n > 0 && blocker_may_cancel(&b[choice(b, n)]);
}

bool waiting_shown(const struct wizard *w)
{
	struct blocker b[BLOCKERS_MAX];
	char now[sizeof on];
	size_t n = blockers(w, b);

	names(b, n, now, sizeof now);
	return n > 0 && !str_eq(now, on);
}

static int draw_one(const struct blocker *b, bool sel, int y, int x, int width)
{
	char t[32];

	put_blank(y, x, 1, width, sel ? R_SELECT : R_TEXT);
	(void)putf(y++, x, width, sel ? R_SELECT : R_TITLE, "%s %s, %s, for %s", sel ? glyph(G_SELECT) : " ", b->who, b->state, fmt_secs(t, sizeof t, (double)b->seconds));
	if (sel && b->what[0])
		(void)putf(y++, x + 4, width - 4, R_TEXT, "%s", b->what);
	if (sel)
		(void)putf(y++, x + 4, width - 4, R_DIM, "ends it: %s", b->end);
	return y;
}

int waiting_draw(const struct wizard *w, int y, int x, int h, int width)
{
	struct blocker b[BLOCKERS_MAX];
	size_t n = blockers(w, b), sel = choice(b, n);
	int end = y + h;

	(void)putf(y++, x, width, R_WARN, n == 1 ? "It waits for a transaction that wrote before it, and goes on when that ends:" :
		   "It waits for %zu transactions that wrote before it, and goes on when they end:", n);
	for (size_t i = sel > 1 ? sel - 1 : 0; i < n && y + ROWS < end; i++)
		y = draw_one(&b[i], i == sel, y, x, width);
	const char *what = b[sel].pid == 0 ? "only its name ends it, in its database: decide which of both, y copies the statement" : blocker_may_cancel(&b[sel]) ?
		"c cancels its statement, t ends its session, w waits on" : "it runs no statement that could be cancelled: t ends its session, w waits on";
	return y < end ? y + put_lines(y, x, 2, width, R_TEXT, what) + 1 : y;
}

bool waiting_key(struct wizard *w, int key, bool special)
{
	struct blocker b[BLOCKERS_MAX];
	size_t n = blockers(w, b), sel = choice(b, n);

	if (!special || !waiting_shown(w) || (key != KEY_UP && key != KEY_DOWN))
		return false;
	if (key == KEY_UP && sel > 0)
		chosen = b[sel - 1].pid;
	if (key == KEY_DOWN && sel + 1 < n)
		chosen = b[sel + 1].pid;
	return true;
}

bool waiting_copy(struct wizard *w)
{
	struct blocker b[BLOCKERS_MAX];
	size_t n = blockers(w, b), sel = choice(b, n);

	if (!waiting_shown(w))
		return false;
	term_copy(b[sel].end);
	wizard_say(w, R_TEXT, "copied: %s", b[sel].end);
	return true;
}

static void answer(struct wizard *w, const char *verb, int64_t pid)
{
	char text[48];

	(void)snprintf(text, sizeof text, "%s %lld", verb, (long long)pid);
	wizard_send(w, CMD_ANSWER, w->model.wait->id, text);
	wizard_say(w, R_TEXT, str_eq(verb, "cancel") ? "its statement is cancelled; the application sees an error" : "its session is ended; the application sees a lost connection");
}

void waiting_cancel(struct wizard *w)
{
	struct blocker b[BLOCKERS_MAX];
	size_t n = blockers(w, b), sel = choice(b, n);

	if (n == 0)
		return;
	if (blocker_may_cancel(&b[sel]))
		answer(w, "cancel", b[sel].pid);
	else
		wizard_say(w, R_WARN, b[sel].pid > 0 ? "it runs no statement that could be cancelled; t ends its session" : "it has no session; y copies the statement that ends it");
}

static int64_t asked; /* about whom the open question is */

static void on_terminate(struct wizard *w, bool yes)
{
	if (yes && w->model.wait)
		answer(w, "terminate", asked);
}

void waiting_terminate(struct wizard *w)
{
	struct blocker b[BLOCKERS_MAX];
	size_t n = blockers(w, b), sel = choice(b, n);

	if (n == 0)
		return;
	if (!blocker_may_terminate(&b[sel])) {
		wizard_say(w, R_WARN, "it has no session; y copies the statement that ends it");
		return;
	}
	asked = chosen = b[sel].pid;
	char *text = xasprintf("%s\n%s\n\nWhat it has done in its transaction is rolled back, and the application behind it loses its connection. It is ended only if the slot still waits for it.",
			       b[sel].who, b[sel].what);
	dialog_ask("End this session?", text, "End it", on_terminate);
	free(text);
}

void waiting_on(struct wizard *w)
{
	struct blocker b[BLOCKERS_MAX];

	if (!waiting_shown(w)) {
		on[0] = '\0';
		return;
	}
	names(b, blockers(w, b), on, sizeof on);
	wizard_say(w, R_TEXT, "waiting on; w shows the list again, and it comes back when somebody else is waited for");
}
