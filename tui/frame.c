/* frame - what is around every screen: head, key line, the word that it is too small, help; declared in wizard_in.h. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/str.h"
#include "theme.h"
#include "wizard_in.h"

const struct key *screen_keys(const struct wizard *w)
{
	const struct screen *s = screens[w->at];

	return s->keys_now ? s->keys_now(w) : s->keys;
}

/* Only the footer leaves out what means nothing now: the key itself says why. */
bool key_valid(const struct wizard *w, const struct key *k)
{
	return !screens[w->at]->valid || k->special || screens[w->at]->valid(w, k->code);
}

void frame_head(const struct wizard *w)
{
	char now[16], right[96];
	time_t t = time(NULL);
	struct tm tm;

	(void)localtime_r(&t, &tm);
	(void)strftime(now, sizeof now, "%H:%M:%S", &tm);
	put_blank(0, 0, 1, term_cols(), R_HEAD);
	(void)putf(0, 1, term_cols() / 2, R_HEAD, "pgusher %s %s", glyph(G_DOT), w->m->name);
	if (w->at == AT_WELCOME)
		(void)snprintf(right, sizeof right, "%s", now);
	else if (w->at > AT_DONE)
		(void)snprintf(right, sizeof right, "%s   %s", w->at == AT_CUTOVER ? cutover_title(w) : screens[w->at]->title, now);
	else
		(void)snprintf(right, sizeof right, "%s  %d/%d   %s", screens[w->at]->title, (int)w->at, AT_DONE, now);
	int width = text_width(right);
	(void)put(0, term_cols() - width - 1, width, R_HEAD, right);
}

/* Above the keys, over what the screen has there. */
static void say_at(int y, enum role role, const char *text)
{
	int lines = text_width(text) > term_cols() - 2 ? 2 : 1;

	put_blank(y - lines, 1, lines, term_cols() - 2, R_TEXT);
	(void)put_lines(y - lines, 1, lines, term_cols() - 2, role, text);
}

/* Who does not answer, and when it is asked again; NULL: everybody does. Caller frees. */
static char *again(const struct wizard *w)
{
	struct str s = {0};

	for (int i = 0; i < 2; i++) {
		const struct event *e = w->busy ? w->model.again[i] : NULL;
		if (!e)
			continue;
		char *words = event_again_words(e);
		str_addf(&s, "%s%s %s, Esc stops it: %s", s.len ? "; " : "", side_name((enum side)i), words, e->text ? e->text : "");
		free(words);
	}
	return s.len > 0 ? str_take(&s) : NULL;
}

void frame_foot(const struct wizard *w)
{
	int x = 1, y = term_rows() - 1;

	put_blank(y, 0, 1, term_cols(), R_FOOT);
	for (const struct key *k = screen_keys(w); k->shown; k++) {
		if (!*k->shown || !key_valid(w, k) || x + text_width(k->shown) + text_width(k->text) + 3 > term_cols() - 8)
			continue;
		x += put(y, x, term_cols() - x, R_KEY, k->shown);
		x += 1 + put(y, x + 1, term_cols() - x, R_FOOT, k->text) + 2;
	}
	(void)put(y, term_cols() - 8, 2, R_KEY, "F1");
	(void)put(y, term_cols() - 5, 4, R_FOOT, "help");
	char *wait = again(w);
	if (wait)
		say_at(y, R_WARN, wait);
	else if (w->said)
		say_at(y, w->said_role, w->said);
	free(wait);
}

void frame_too_small(const struct wizard *w)
{
	char *text = xasprintf("pgusher needs %dx%d; this is %dx%d. Make the terminal larger%s.", TERM_COLS, TERM_ROWS, term_cols(), term_rows(),
			       w->busy ? ": what runs goes on meanwhile" : ", or leave with F10");

	(void)put_wrapped(0, 0, term_rows(), term_cols(), R_TEXT, text, 0);
	free(text);
}

void frame_help(const struct wizard *w)
{
	struct str s = {0};

	str_add(&s, screens[w->at]->help);
	str_add(&s, "\n\n");
	for (const struct key *k = screen_keys(w); k->shown; k++)
		if (*k->shown)
			str_addf(&s, "%-13s %s\n", k->shown, k->text);
	str_addf(&s, "%-13s this\n%-13s another theme (now: %s)\n%-13s quit\n%-13s draw the screen again",
		 w->form ? "F1" : "F1 or ?", "F2", theme_name(), "F10", "Ctrl-L");
	if (w->form)
		form_explain(w->form, &s);
	dialog_say(screens[w->at]->title, str_text(&s));
	str_fini(&s);
}
