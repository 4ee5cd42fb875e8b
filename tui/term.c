#include "term.h"

#include <curses.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/str.h"
#include "base/visible.h"
#include "theme.h"

static SCREEN *screen;
static WINDOW *keypad_window;
static bool unicode, colours;
static struct termios before;
static bool have_before;

/* A fatal signal: only what a handler may do. */
static void on_fatal(int sig)
{
	static const char restore[] = "\033[?1049l\033[?25h\033[0m\r\n";

	if (have_before) {
		ssize_t n = write(STDOUT_FILENO, restore, sizeof restore - 1);
		(void)n;
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	}
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

static void catch_fatal(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	struct sigaction sa = {.sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND};

	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		(void)sigaction(fatal[i], &sa, NULL);
}

enum err_code term_start(bool ascii, struct err *err)
{
	const char *no_color = getenv("NO_COLOR");

	have_before = tcgetattr(STDIN_FILENO, &before) == 0;
	(void)setenv("NCURSES_NO_UTF8_ACS", "1", 0);
	(void)setenv("ESCDELAY", "50", 0);
	screen = newterm(NULL, stdout, stdin);
	if (!screen || !tigetstr((char *)"cup") || tigetstr((char *)"cup") == (char *)-1) {
		term_stop();
		err_set(err, ERR_USAGE, "this terminal (TERM=%s) cannot be drawn on", getenv("TERM") ? getenv("TERM") : "");
		return err_hint(err, "pgusher run -c FILE does the same in plain lines");
	}
	(void)set_term(screen);
	catch_fatal();
	(void)raw(); /* Ctrl-C and Ctrl-Z are keys: they mean more here than to a shell */
	(void)noecho();
	(void)nonl();
	unicode = !ascii && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	colours = (!no_color || !*no_color) && has_colors();
	if (colours) {
		(void)start_color();
		(void)use_default_colors();
	}
	keypad_window = newpad(1, 1); /* keys come from a window that is never drawn: reading must not draw */
	(void)keypad(keypad_window, TRUE);
	(void)nodelay(keypad_window, TRUE);
	(void)curs_set(0);
	return ERR_OK;
}

void term_stop(void)
{
	if (!screen)
		return;
	if (keypad_window)
		(void)delwin(keypad_window);
	keypad_window = NULL;
	(void)curs_set(1);
	(void)endwin();
	delscreen(screen);
	screen = NULL;
}

int term_rows(void) { return LINES; }
int term_cols(void) { return COLS; }
bool term_unicode(void) { return unicode; }
bool term_colours(void) { return colours; }

void term_resized(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0 && ws.ws_col > 0)
		(void)resizeterm(ws.ws_row, ws.ws_col);
	(void)clearok(curscr, TRUE);
}

int term_key(bool *special)
{
	wint_t wc;
	int rc = wget_wch(keypad_window, &wc);

	*special = rc == KEY_CODE_YES;
	return rc == ERR ? -1 : (int)wc;
}

void term_flush(void)
{
	(void)wnoutrefresh(stdscr);
}

void term_clear(void)
{
	(void)bkgdset(' ' | (chtype)theme_attr(R_TEXT));
	(void)erase();
}

void term_cursor(int y, int x)
{
	(void)curs_set(y >= 0);
	if (y >= 0)
		(void)move(y, x);
}

void term_beep(void)
{
	(void)beep();
}

void term_copy(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct str s = {0};
	size_t n = strlen(text);

	str_add(&s, "\033]52;c;");
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)(unsigned char)text[i] << 16 | (i + 1 < n ? (unsigned)(unsigned char)text[i + 1] << 8 : 0) |
			     (i + 2 < n ? (unsigned)(unsigned char)text[i + 2] : 0);
		str_addc(&s, digits[v >> 18 & 63]);
		str_addc(&s, digits[v >> 12 & 63]);
		str_addc(&s, i + 1 < n ? digits[v >> 6 & 63] : '=');
		str_addc(&s, i + 2 < n ? digits[v & 63] : '=');
	}
	str_addc(&s, '\a');
	ssize_t w = write(STDOUT_FILENO, s.data, s.len);
	(void)w;
	str_fini(&s);
}

static void style(enum role role)
{
	(void)attrset(0);
	(void)attron((int)theme_attr(role));
}

/* The next character of UTF-8 text as one to draw; *p is moved on. 0 at the end. */
static wchar_t next_char(const char **p, int *width)
{
	mbstate_t st = {0};
	wchar_t wc;
	size_t n = mbrtowc(&wc, *p, MB_LEN_MAX, &st);

	if (n == 0)
		return 0;
	if (n == (size_t)-1 || n == (size_t)-2) {
		*p += 1;
		*width = 1;
		return L'?';
	}
	*p += n;
	*width = wcwidth(wc);
	if (!unicode && wc >= 0x80) {
		*width = 1;
		return L'?';
	}
	if (wc == L'\t' || *width < 0 || visible_hides((uint32_t)wc)) {
		*width = 1;
		return wc == L'\t' ? L' ' : L'?';
	}
	return wc;
}

int text_width(const char *text)
{
	int w = 0, k;

	while (next_char(&text, &k))
		w += k;
	return w;
}

/* Draws n bytes of text, clipped. */
static int put_n(int y, int x, int w, enum role role, const char *text, const char *end)
{
	int used = 0, k;

	if (y < 0 || y >= LINES || x < 0 || x >= COLS)
		return 0;
	w = w > COLS - x ? COLS - x : w;
	style(role);
	(void)move(y, x);
	while (text < end) {
		const char *at = text;
		wchar_t wc = next_char(&at, &k);
		if (!wc || used + k > w)
			break;
		(void)addnwstr(&wc, 1);
		used += k;
		text = at;
	}
	return used;
}

static const char *cut_mark(void)
{
	return unicode ? "…" : ">";
}

int put(int y, int x, int w, enum role role, const char *text)
{
	if (!text)
		return 0;
	w = w > COLS - x ? COLS - x : w;
	if (w < 2 || text_width(text) <= w)
		return put_n(y, x, w, role, text, text + strlen(text));
	int used = put_n(y, x, w - 1, role, text, text + strlen(text));
	return used + put_n(y, x + used, 1, role, cut_mark(), cut_mark() + strlen(cut_mark()));
}

void put_blank(int y, int x, int h, int w, enum role role)
{
	style(role);
	for (int i = 0; i < h; i++)
		for (int k = 0; k < w && x + k < COLS && y + i < LINES; k++)
			(void)mvaddch(y + i, x + k, ' ');
}

int put_pad(int y, int x, int w, enum role role, const char *text)
{
	put_blank(y, x, 1, w, role);
	return put(y, x, w, role, text);
}

int putf(int y, int x, int w, enum role role, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	return put(y, x, w, role, buf);
}

void put_line(int y, int x, int w, enum role role)
{
	for (int i = 0; i < w; i++)
		(void)put(y, x + i, 1, role, unicode ? "─" : "-");
}

const char *text_break(const char *text, int w, const char **next)
{
	const char *p = text, *blank = NULL;
	int used = 0, k;

	for (;;) {
		const char *at = p;
		if (*p == '\n' || *p == '\0') {
			*next = *p ? p + 1 : p;
			return p;
		}
		(void)next_char(&at, &k);
		if (used + k > w)
			break;
		if (*p == ' ')
			blank = p;
		used += k;
		p = at;
	}
	if (*p == ' ')
		blank = p;
	if (blank && blank > text) {
		*next = blank + 1;
		return blank;
	}
	*next = p > text ? p : p + 1;
	return p;
}

/* A line that goes on keeps the indentation it began with. */
int put_wrapped(int y, int x, int h, int w, enum role role, const char *text, int skip)
{
	int line = 0, indent = 0;
	bool begins = true;

	if (!text || w < 2)
		return 0;
	while (*text) {
		int in = begins ? 0 : indent;
		const char *next, *end = text_break(text, w - in, &next);
		if (begins)
			indent = (int)strspn(text, " ") < w / 2 ? (int)strspn(text, " ") : 0;
		if (line >= skip && line - skip < h)
			(void)put_n(y + line - skip, x + in, w - in, role, text, end);
		line++;
		begins = next > text && next[-1] == '\n';
		text = next;
	}
	return line;
}

int put_lines(int y, int x, int h, int w, enum role role, const char *text)
{
	int n = put_wrapped(y, x, h, w, role, text, 0);

	if (n > h && h > 0)
		(void)put(y + h - 1, x + w - 1, 1, role, cut_mark());
	return n > h ? h > 0 ? h : 0 : n;
}

void put_bar(int y, int x, int w, double share)
{
	int full = (int)(share * w + 0.5);

	for (int i = 0; i < w; i++)
		(void)put(y, x + i, 1, i < full ? R_GAUGE : R_DIM, i < full ? unicode ? "█" : "#" : unicode ? "░" : ".");
}

void put_box(int y, int x, int h, int w, const char *title, enum role role)
{
	put_blank(y, x, h, w, R_TEXT);
	put_line(y, x, w, role);
	put_line(y + h - 1, x, w, role);
	for (int i = 1; i < h - 1; i++) {
		(void)put(y + i, x, 1, role, unicode ? "│" : "|");
		(void)put(y + i, x + w - 1, 1, role, unicode ? "│" : "|");
	}
	(void)put(y, x, 1, role, unicode ? "┌" : "+");
	(void)put(y, x + w - 1, 1, role, unicode ? "┐" : "+");
	(void)put(y + h - 1, x, 1, role, unicode ? "└" : "+");
	(void)put(y + h - 1, x + w - 1, 1, role, unicode ? "┘" : "+");
	if (title)
		(void)putf(y, x + 2, w - 4, role, " %s ", title);
}

const char *glyph(enum glyph g)
{
	static const char *const wide[] = {"✓", "▶", "·", "✗", "–", "▸", "·", "↑", "↓"};
	static const char *const narrow[] = {"+", ">", ".", "x", "-", ">", "-", "^", "v"};

	return unicode ? wide[g] : narrow[g];
}
