#include "widgets/cdk_text.h"

#include <curses.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"
#include "term.h"

#define PAGE 0x80

static wchar_t table[PAGE];
static size_t used;

int __real_waddch(WINDOW *w, chtype ch);
int __wrap_waddch(WINDOW *w, chtype ch);
int __wrap_wrefresh(WINDOW *w);

void cdk_text_reset(void)
{
	used = 0;
}

unsigned char cdk_cell(wchar_t c)
{
	if (c >= 0x20 && c < 0x7f)
		return (unsigned char)c;
	if (wcwidth(c) != 1)
		return '?';
	for (size_t i = 0; i < used; i++)
		if (table[i] == c)
			return (unsigned char)(PAGE + i);
	if (used == PAGE)
		return '?';
	table[used] = c;
	return (unsigned char)(PAGE + used++);
}

char *cdk_encode(const char *utf8)
{
	struct str s = {0};
	mbstate_t st = {0};

	for (size_t left = strlen(utf8); left > 0;) {
		wchar_t c;
		size_t n = mbrtowc(&c, utf8, left, &st);
		if (n == (size_t)-1 || n == (size_t)-2) {
			st = (mbstate_t){0};
			c = L'?';
			n = 1;
		}
		str_addc(&s, (char)cdk_cell(c));
		utf8 += n;
		left -= n;
	}
	return str_take(&s);
}

char *cdk_decode(const char *cells)
{
	struct str s = {0};
	mbstate_t st = {0};
	char buf[MB_LEN_MAX];

	for (; *cells; cells++) {
		unsigned char b = (unsigned char)*cells;
		size_t n = wcrtomb(buf, b < PAGE ? (wchar_t)b : table[b - PAGE], &st);
		if (n == (size_t)-1)
			str_addc(&s, '?');
		else
			str_addn(&s, buf, n);
	}
	return str_take(&s);
}

int __wrap_waddch(WINDOW *w, chtype ch)
{
	chtype b = ch & A_CHARTEXT;

	if (b < PAGE || (ch & A_ALTCHARSET) || b - PAGE >= used)
		return __real_waddch(w, ch);
	if (!term_unicode())
		return __real_waddch(w, '?' | (ch & ~A_CHARTEXT));
	wchar_t text[2] = {table[b - PAGE], L'\0'};
	cchar_t cell;
	(void)setcchar(&cell, text, ch & A_ATTRIBUTES & ~A_COLOR, (short)PAIR_NUMBER(ch), NULL);
	return wadd_wch(w, &cell);
}

int __wrap_wrefresh(WINDOW *w)
{
	return wnoutrefresh(w);
}
