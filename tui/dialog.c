/* dialog - message, question, typed word; declared in wizard_in.h. The default of a question is to leave things as they are. */
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "widgets/entry.h"
#include "wizard_in.h"

static struct {
	bool open, yes, hidden; /* hidden: what is typed is a password */
	bool shown; /* a key that was on its way before the question could be read is no answer to it */
	char *title, *text, *word, *yes_text, *wrong, *typed; /* typed: to be put into the next entry */
	struct entry *entry;
	void (*ask)(struct wizard *, bool);
	void (*type)(struct wizard *, const char *);
	int scroll, lines, page;
} d;

bool dialog_open(void)
{
	return d.open;
}

void dialog_close(void)
{
	char *all[] = {d.title, d.text, d.word, d.yes_text, d.wrong, d.typed};

	if (d.typed)
		explicit_bzero(d.typed, strlen(d.typed));
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	entry_free(d.entry);
	memset(&d, 0, sizeof d);
}

/* The entry is made anew by the next drawing, where there is room for it. */
void dialog_resized(void)
{
	if (!d.entry)
		return;
	if (d.typed)
		explicit_bzero(d.typed, strlen(d.typed));
	free(d.typed);
	d.typed = entry_text(d.entry);
	entry_free(d.entry);
	d.entry = NULL;
}

static void begin(const char *title, const char *text)
{
	dialog_close();
	d.open = true;
	d.title = xstrdup(title);
	d.text = xstrdup(text);
}

void dialog_failed(const char *title, const struct event *e)
{
	char *text = xasprintf("%s%s%s", e->text ? e->text : "", str_empty(e->hint) ? "" : "\n\n", e->hint ? e->hint : "");

	dialog_say(title, text);
	free(text);
}

void dialog_say(const char *title, const char *text)
{
	begin(title, text);
}

void dialog_ask(const char *title, const char *text, const char *yes, void (*fn)(struct wizard *, bool))
{
	begin(title, text);
	d.ask = fn;
	d.yes_text = xstrdup(yes);
}

void dialog_type(const char *title, const char *text, const char *word, void (*fn)(struct wizard *, const char *))
{
	begin(title, text);
	d.type = fn;
	d.word = xstrdup(word);
}

void dialog_password(const char *title, const char *text, void (*fn)(struct wizard *, const char *))
{
	begin(title, text);
	d.type = fn;
	d.hidden = true;
}

static void finish_ask(struct wizard *w, bool yes)
{
	void (*fn)(struct wizard *, bool) = d.ask;

	dialog_close();
	if (fn)
		fn(w, yes);
}

static void finish_type(struct wizard *w, bool confirmed)
{
	void (*fn)(struct wizard *, const char *) = d.type;
	char *typed = confirmed && d.entry ? entry_text(d.entry) : NULL;

	if (d.hidden && typed && !*typed) { /* nothing was typed: it stays open */
		free(typed);
		return;
	}
	if (typed && !d.hidden && !str_eq(typed, d.word)) {
		char *wrong = xasprintf("that is not %s; nothing was done. Type it, or Esc", d.word);
		xreplace(&d.wrong, wrong);
		free(wrong);
		free(typed);
		return;
	}
	dialog_close();
	if (fn)
		fn(w, typed);
	if (typed)
		explicit_bzero(typed, strlen(typed));
	free(typed);
}

void dialog_key(struct wizard *w, int key, bool special)
{
	bool enter = (!special && (key == '\r' || key == '\n')) || (special && key == KEY_ENTER), esc = !special && key == 27;

	if (!d.shown)
		return;
	if (wizard_scroll(&d.scroll, d.lines, d.page, special && (key == KEY_UP || key == KEY_DOWN || key == KEY_NPAGE || key == KEY_PPAGE) ? key : 0, special))
		return;
	if (d.type) {
		if (esc)
			finish_type(w, false);
		else if (enter)
			finish_type(w, true);
		else if (d.entry)
			(void)entry_key(d.entry, key, special);
	} else if (d.ask) {
		if (esc || (!special && key == 'n'))
			finish_ask(w, false);
		else if (!special && key == 'y')
			finish_ask(w, true);
		else if (enter)
			finish_ask(w, d.yes);
		else if ((!special && key == '\t') || (special && (key == KEY_LEFT || key == KEY_RIGHT)))
			d.yes = !d.yes;
	} else {
		dialog_close();
	}
}

static void buttons(int y, int x, int w)
{
	if (d.ask) {
		int at = x + putf(y, x, w, d.yes ? R_TEXT : R_SELECT, "[ No ]") + 2;
		(void)putf(y, at, w - 8, d.yes ? R_SELECT : R_TEXT, "[ %s ]", d.yes_text);
		(void)put(y, x + w - 22, 22, R_DIM, "y / n, Tab and Enter");
	} else if (d.type) {
		(void)put(y, x, w, R_DIM, d.hidden ? "Enter logs in, Esc goes on without" : "Enter confirms, Esc leaves it as it is");
	} else {
		(void)put(y, x, w, R_DIM, d.lines > d.page ? "arrows and PgDn scroll; any other key closes" : "any key closes");
	}
}

void dialog_draw(void)
{
	int w = term_cols() - 8 > 84 ? 84 : term_cols() - 8, extra = d.type ? 6 : 4;

	d.lines = put_wrapped(0, 0, 0, w - 4, R_TEXT, d.text, 0);
	d.page = d.lines < term_rows() - 4 - extra ? d.lines : term_rows() - 4 - extra;
	d.scroll = d.scroll > d.lines - d.page ? d.lines - d.page : d.scroll;
	int h = d.page + extra, y = (term_rows() - h) / 2, x = (term_cols() - w) / 2;
	put_box(y, x, h, w, d.title, R_TITLE);
	(void)put_wrapped(y + 1, x + 2, d.page, w - 4, R_TEXT, d.text, d.scroll);
	if (d.lines > d.page)
		(void)putf(y, x + w - 14, 12, R_DIM, " %d of %d ", d.scroll + d.page, d.lines);
	if (d.type) {
		if (d.hidden)
			(void)put(y + d.page + 2, x + 2, w - 4, R_TITLE, "its password, kept in memory only:");
		else
			(void)putf(y + d.page + 2, x + 2, w - 4, d.wrong ? R_BAD : R_TITLE, d.wrong ? "%s" : "type %s to go on:", d.wrong ? d.wrong : d.word);
		if (!d.entry)
			d.entry = entry_new(y + d.page + 3, x + 2, w - 6, d.typed ? d.typed : "", d.hidden);
	}
	buttons(y + h - 2, x + 2, w - 4);
	d.shown = true;
	term_flush();
	if (d.entry) {
		entry_draw(d.entry, true, NULL);
		entry_cursor(d.entry);
	}
}
