#include "widgets/entry.h"

#include <cdk.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "term.h"
#include "theme.h"
#include "widgets/cdk_text.h"

#define TEXT_MAX 512

struct entry {
	CDKENTRY *cdk;
	char *kept; /* what it holds, when the cells cannot say it; NULL: the cells say it */
};

/* One for all entries, for as long as there are any. */
static CDKSCREEN *screen;
static int n_entries;

static char *keep(const char *text, const char *cells)
{
	char *back = cdk_decode(cells);
	bool same = str_empty(text) || (str_eq(text, back) && strlen(cells) <= TEXT_MAX);

	explicit_bzero(back, strlen(back));
	free(back);
	return same ? NULL : xstrdup(text);
}

static void forget_kept(struct entry *e)
{
	if (e->kept)
		explicit_bzero(e->kept, strlen(e->kept));
	free(e->kept);
	e->kept = NULL;
}

struct entry *entry_new(int y, int x, int w, const char *text, bool hidden)
{
	if (!screen) {
		screen = initCDKScreen(stdscr);
		(void)setlocale(LC_NUMERIC, "C"); /* initCDKScreen sets the whole locale ... */
		(void)raw();                      /* ... and cbreak: Ctrl-C would be a signal again, and leave without a question */
	}
	if (!screen)
		return NULL;
	CDKENTRY *c = newCDKEntry(screen, x, y, NULL, NULL, A_NORMAL, ' ', hidden ? vHMIXED : vMIXED, w, 0, TEXT_MAX, FALSE, FALSE);
	if (!c)
		return NULL;
	struct entry *e = xcalloc(1, sizeof *e);
	char *cells = cdk_encode(text ? text : "");
	e->cdk = c;
	e->kept = keep(text, cells);
	if (hidden)
		setCDKEntryHiddenChar(c, '*');
	setCDKEntryValue(c, cells);
	explicit_bzero(cells, strlen(cells));
	free(cells);
	n_entries++;
	return e;
}

void entry_free(struct entry *e)
{
	if (!e)
		return;
	explicit_bzero(e->cdk->info, strlen(e->cdk->info));
	destroyCDKEntry(e->cdk);
	forget_kept(e);
	free(e);
	if (--n_entries == 0) {
		destroyCDKScreen(screen);
		screen = NULL;
		cdk_text_reset();
	}
}

bool entry_key(struct entry *e, int key, bool special)
{
	chtype k;

	if (special && (key == KEY_LEFT || key == KEY_RIGHT || key == KEY_HOME || key == KEY_END || key == KEY_DC || key == KEY_BACKSPACE))
		k = (chtype)key;
	else if (!special && (key == 127 || key == 8))
		k = KEY_BACKSPACE;
	else if (!special && (key == 1 || key == 5)) /* Ctrl-A, Ctrl-E */
		k = key == 1 ? KEY_HOME : KEY_END;
	else if (!special && key == 21) { /* Ctrl-U */
		setCDKEntryValue(e->cdk, (char *)"");
		forget_kept(e);
		return true;
	} else if (!special && key >= 0x20)
		k = cdk_cell((wchar_t)key);
	else
		return false; /* not CDK's ^X ^Y ^V: they pass a password through a global buffer */
	bool moves = k == KEY_LEFT || k == KEY_RIGHT || k == KEY_HOME || k == KEY_END;
	if ((e->kept && !moves) || (k == '?' && key != '?'))
		term_beep(); /* a '?' in its place would be another database, and nobody would see why */
	else
		(void)injectCDKEntry(e->cdk, k);
	return true;
}

/* Where the text goes on to the left or to the right of what is seen. */
static void draw_marks(CDKENTRY *c)
{
	if (c->leftChar > 0)
		(void)mvwaddch(c->fieldWin, 0, 0, '<' | c->fieldAttr);
	if ((int)strlen(c->info) - c->leftChar > c->fieldWidth)
		(void)mvwaddch(c->fieldWin, 0, c->fieldWidth - 1, '>' | c->fieldAttr);
}

/* In the field, but dimmer: nothing was typed. */
static void draw_hint(CDKENTRY *c, const char *hint, bool focused)
{
	if (str_empty(hint) || c->info[0])
		return;
	(void)wattrset(c->fieldWin, (int)(focused ? theme_attr(R_FOCUS) : theme_attr(R_DIM)));
	(void)mvwaddnstr(c->fieldWin, 0, 0, hint, c->fieldWidth);
	(void)wattrset(c->fieldWin, A_NORMAL);
}

void entry_draw(struct entry *e, bool focused, const char *hint)
{
	CDKENTRY *c = e->cdk;

	c->fieldAttr = (chtype)theme_attr(focused ? R_FOCUS : R_FIELD);
	(void)wbkgdset(c->fieldWin, ' ' | c->fieldAttr);
	drawCDKEntry(c, FALSE);
	draw_marks(c);
	draw_hint(c, e->kept ? NULL : hint, focused);
	(void)touchwin(c->fieldWin);
	(void)wnoutrefresh(c->fieldWin);
}

void entry_cursor(struct entry *e)
{
	(void)curs_set(1);
	(void)wmove(e->cdk->fieldWin, 0, e->cdk->screenCol);
	(void)wnoutrefresh(e->cdk->fieldWin);
}

char *entry_text(const struct entry *e)
{
	return e->kept ? xstrdup(e->kept) : cdk_decode(e->cdk->info);
}
