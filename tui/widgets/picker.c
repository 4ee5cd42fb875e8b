#include "picker.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "base/str.h"

void picker_fini(struct picker *p)
{
	free(p->shown);
	*p = (struct picker){0};
}

/* The next character in lower case; a byte that is none stands for itself. */
static wchar_t next(const char **s)
{
	wchar_t c;
	mbstate_t st = {0};
	size_t n = mbrtowc(&c, *s, strlen(*s), &st);

	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		c = (unsigned char)**s;
		n = 1;
	}
	*s += n;
	return (wchar_t)towlower((wint_t)c);
}

static bool begins(const char *text, const char *with)
{
	while (*with) {
		if (!*text || next(&text) != next(&with))
			return false;
	}
	return true;
}

static bool passes(const char *text, const char *filter)
{
	for (; *text; (void)next(&text))
		if (begins(text, filter))
			return true;
	return *filter == '\0';
}

static void narrow(struct picker *p)
{
	p->shown = xrealloc(p->shown, (p->n + 1) * sizeof *p->shown);
	p->n_shown = 0;
	for (size_t i = 0; i < p->n; i++)
		if (!p->filter[0] || passes(p->rows[i].name, p->filter) || passes(p->rows[i].more, p->filter))
			p->shown[p->n_shown++] = i;
	if (p->sel >= (int)p->n_shown)
		p->sel = p->n_shown ? (int)p->n_shown - 1 : 0;
}

void picker_rows(struct picker *p, const struct pick *rows, size_t n)
{
	p->rows = rows;
	p->n = n;
	narrow(p);
}

long picker_chosen(const struct picker *p)
{
	return p->n_shown ? (long)p->shown[p->sel] : -1;
}

static void type(struct picker *p, int key)
{
	char mb[8] = "";
	mbstate_t st = {0};
	size_t len = strlen(p->filter), n = key >= 0x20 ? wcrtomb(mb, (wchar_t)key, &st) : (size_t)-1;

	if (key == 21) { /* Ctrl-U */
		p->filter[0] = '\0';
	} else if (key == 127 || key == 8) {
		while (len > 0 && ((unsigned char)p->filter[len - 1] & 0xC0) == 0x80)
			len--;
		p->filter[len > 0 ? len - 1 : 0] = '\0';
	} else if (n != (size_t)-1 && len + n < sizeof p->filter) {
		memcpy(p->filter + len, mb, n);
		p->filter[len + n] = '\0';
	}
	narrow(p);
}

static bool step(struct picker *p, int key)
{
	int page = p->page > 1 ? p->page - 1 : 1, n = (int)p->n_shown, to = p->sel;

	switch (key) {
	case KEY_UP: to--; break;
	case KEY_DOWN: to++; break;
	case KEY_PPAGE: to -= page; break;
	case KEY_NPAGE: to += page; break;
	case KEY_HOME: to = 0; break;
	case KEY_END: to = n - 1; break;
	default: return false;
	}
	p->sel = to >= n ? n ? n - 1 : 0 : to < 0 ? 0 : to;
	return true;
}

bool picker_key(struct picker *p, int key, bool special)
{
	if (special && p->typing && key == KEY_BACKSPACE) {
		type(p, 8);
		return true;
	}
	if (special)
		return step(p, key);
	if (!p->typing && key == '/') {
		p->typing = true;
		return true;
	}
	if (key == 27 && (p->typing || p->filter[0])) {
		p->typing = false;
		type(p, 21);
		return true;
	}
	if (!p->typing)
		return false;
	if (key == '\r')
		p->typing = false;
	else
		type(p, key);
	return true;
}

static void draw_row(const struct pick *r, bool on, int y, int x, int width)
{
	int right = text_width(r->more), at = r->mark ? 4 : 1, room = width - right - at - 2;

	put_blank(y, x, 1, width, on ? R_SELECT : R_TEXT);
	if (r->mark)
		(void)putf(y, x, 4, on ? R_SELECT : r->mark == ' ' ? R_TEXT : R_GOOD, "[%c]", r->mark);
	(void)put(y, x + at, room, on ? R_SELECT : R_TEXT, r->name);
	(void)put(y, x + width - right - 1, right, on ? R_SELECT : r->role, r->more);
}

void picker_draw(struct picker *p, int y, int x, int h, int width)
{
	p->page = h - 1;
	if (p->typing || p->filter[0])
		(void)putf(y, x, width, p->typing ? R_FOCUS : R_TITLE, "filter: %s%s   %zu of %zu", p->filter, p->typing ? "_" : "", p->n_shown, p->n);
	else
		(void)putf(y, x, width, R_DIM, "%zu in all; / and text shows only some", p->n);
	p->top = p->sel < p->top ? p->sel : p->sel >= p->top + p->page ? p->sel - p->page + 1 : p->top;
	for (int i = 0; i < p->page && p->top + i < (int)p->n_shown; i++)
		draw_row(&p->rows[p->shown[p->top + i]], p->top + i == p->sel, y + 1 + i, x, width);
}
