#include "term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>
#include <vterm.h>

#include "base/clock.h"
#include "base/str.h"

#define QUIET_MS 8

struct term {
	int fd, rows, cols;
	pid_t pid;
	VTerm *vt;
	VTermScreen *screen;
	bool alternate, cursor_shown, closed, ended;
	int status;
	struct str bytes;
	struct term *next;
};

static struct term *running; /* for term_sweep */

static int on_property(VTermProp prop, VTermValue *v, void *arg)
{
	struct term *t = arg;

	if (prop == VTERM_PROP_ALTSCREEN)
		t->alternate = v->boolean != 0;
	else if (prop == VTERM_PROP_CURSORVISIBLE)
		t->cursor_shown = v->boolean != 0;
	return 1;
}

static const VTermScreenCallbacks callbacks = {.settermprop = on_property};

static void set_env(const char *const *env)
{
	static const char *const gone[] = {"NO_COLOR", "PGPASSWORD", "PGPASSFILE", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "LANG",
						"LINES", "COLUMNS"};

	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
		(void)unsetenv(gone[i]);
	(void)setenv("TERM", "xterm-256color", 1);
	(void)setenv("LC_ALL", "C.UTF-8", 1);
	for (; env && *env; env++) {
		char *copy = xstrdup(*env), *eq = strchr(copy, '=');
		if (eq) {
			*eq = '\0';
			(void)setenv(copy, eq + 1, 1);
		} else {
			(void)unsetenv(copy);
		}
		free(copy);
	}
}

struct term *term_start(int rows, int cols, const char *const *argv, const char *const *env)
{
	struct term *t = xcalloc(1, sizeof *t);
	struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	t->rows = rows;
	t->cols = cols;
	t->pid = forkpty(&t->fd, NULL, NULL, &ws);
	if (t->pid < 0)
		fail_msg("no pseudo-terminal: %s", strerror(errno));
	if (t->pid == 0) {
		set_env(env);
		(void)execvp(argv[0], (char *const *)argv);
		(void)fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	(void)fcntl(t->fd, F_SETFD, FD_CLOEXEC);
	t->vt = vterm_new(rows, cols);
	vterm_set_utf8(t->vt, 1);
	t->screen = vterm_obtain_screen(t->vt);
	vterm_screen_set_callbacks(t->screen, &callbacks, t);
	vterm_screen_enable_altscreen(t->screen, 1);
	vterm_screen_reset(t->screen, 1);
	t->next = running;
	running = t;
	return t;
}

static void send_bytes(struct term *t, const char *p, size_t n)
{
	while (n > 0 && !t->closed) {
		ssize_t w = write(t->fd, p, n);
		if (w < 0 && errno != EINTR && errno != EAGAIN)
			break;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
}

void term_key(struct term *t, const char *key)
{
	send_bytes(t, key, strlen(key));
}

void term_type(struct term *t, const char *text)
{
	send_bytes(t, text, strlen(text));
}

bool term_read(struct term *t, int ms)
{
	struct pollfd p = {.fd = t->fd, .events = POLLIN};
	char b[16384];

	if (t->closed)
		return false;
	if (poll(&p, 1, ms) <= 0)
		return !t->ended;
	ssize_t n = read(t->fd, b, sizeof b);
	if (n <= 0) {
		t->closed = n == 0 || errno != EINTR;
		return !t->closed;
	}
	str_addn(&t->bytes, b, (size_t)n);
	(void)vterm_input_write(t->vt, b, (size_t)n);
	size_t answer = vterm_output_read(t->vt, b, sizeof b);
	send_bytes(t, b, answer);
	return true;
}

const char *term_row(struct term *t, int row)
{
	static char ring[8][4096];
	static unsigned at;
	char *out = ring[at++ % 8];
	VTermRect r = {.start_row = row, .end_row = row + 1, .start_col = 0, .end_col = t->cols};
	size_t n = row >= 0 && row < t->rows ? vterm_screen_get_text(t->screen, out, sizeof ring[0] - 1, r) : 0;

	while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\n'))
		n--;
	out[n] = '\0';
	return out;
}

int term_find(struct term *t, const char *text, int *col)
{
	for (int i = 0; i < t->rows; i++) {
		const char *row = term_row(t, i), *p = strstr(row, text);
		if (!p)
			continue;
		if (col) {
			*col = 0;
			for (; row < p; row++) /* columns, not bytes: every character here is one wide */
				*col += ((unsigned char)*row & 0xc0) != 0x80;
		}
		return i;
	}
	return -1;
}

bool term_has(struct term *t, const char *text)
{
	return term_find(t, text, NULL) >= 0;
}

/* Reads until nothing more comes for a moment: a frame goes out in several writes, and half of one is no screen. */
static void settle(struct term *t)
{
	struct pollfd p = {.fd = t->fd, .events = POLLIN};

	while (!t->closed && poll(&p, 1, QUIET_MS) > 0 && term_read(t, 0))
		;
}

static bool wait_for(struct term *t, const char *text, bool there, int ms)
{
	int64_t end = clock_deadline(ms);

	for (;;) {
		settle(t);
		if (term_has(t, text) == there)
			return true;
		int left = clock_poll_ms(end);
		if (left == 0 || !term_read(t, left))
			return term_has(t, text) == there;
	}
}

bool term_wait_text(struct term *t, const char *text, int ms)
{
	return wait_for(t, text, true, ms);
}

bool term_wait_gone(struct term *t, const char *text, int ms)
{
	return wait_for(t, text, false, ms);
}

static void expect(struct term *t, const char *text, bool there)
{
	char why[256];

	if (wait_for(t, text, there, TERM_MS))
		return;
	(void)snprintf(why, sizeof why, "%s: %.180s", there ? "never came" : "never went", text);
	term_dump(t, why);
	fail_msg("%s", why);
}

void term_expect(struct term *t, const char *text)
{
	expect(t, text, true);
}

void term_expect_gone(struct term *t, const char *text)
{
	expect(t, text, false);
}

void term_resize(struct term *t, int rows, int cols)
{
	struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	settle(t);
	t->rows = rows;
	t->cols = cols;
	vterm_set_size(t->vt, rows, cols);
	if (ioctl(t->fd, TIOCSWINSZ, &ws) < 0)
		fail_msg("the terminal's size: %s", strerror(errno));
}

void term_signal(struct term *t, int sig)
{
	(void)kill(t->pid, sig);
}

pid_t term_pid(const struct term *t)
{
	return t->pid;
}

int term_cols(const struct term *t)
{
	return t->cols;
}

int term_rows(const struct term *t)
{
	return t->rows;
}

struct cell term_cell(struct term *t, int row, int col)
{
	VTermScreenCell v = {0};
	VTermPos at = {.row = row, .col = col};

	(void)vterm_screen_get_cell(t->screen, at, &v);
	struct cell c = {.ch = v.chars[0], .bold = v.attrs.bold, .underline = v.attrs.underline != 0, .reverse = v.attrs.reverse,
			 .fg_default = VTERM_COLOR_IS_DEFAULT_FG(&v.fg), .bg_default = VTERM_COLOR_IS_DEFAULT_BG(&v.bg)};
	vterm_screen_convert_color_to_rgb(t->screen, &v.fg);
	vterm_screen_convert_color_to_rgb(t->screen, &v.bg);
	memcpy(c.fg, (uint8_t[]){v.fg.rgb.red, v.fg.rgb.green, v.fg.rgb.blue}, 3);
	memcpy(c.bg, (uint8_t[]){v.bg.rgb.red, v.bg.rgb.green, v.bg.rgb.blue}, 3);
	return c;
}

const char *term_bytes(const struct term *t, size_t *n)
{
	*n = t->bytes.len;
	return str_text(&t->bytes);
}

bool term_alternate(const struct term *t)
{
	return t->alternate;
}

bool term_cursor_shown(const struct term *t)
{
	return t->cursor_shown;
}

bool term_cooked(const struct term *t)
{
	struct termios tio;

	return tcgetattr(t->fd, &tio) == 0 && (tio.c_lflag & ICANON) && (tio.c_lflag & ECHO) && (tio.c_oflag & OPOST);
}

void term_hang_up(struct term *t)
{
	if (!t->closed)
		(void)close(t->fd);
	t->fd = -1;
	t->closed = true;
}

static void forget(struct term *t)
{
	for (struct term **p = &running; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	if (t->fd >= 0)
		(void)close(t->fd);
	vterm_free(t->vt);
	str_fini(&t->bytes);
	free(t);
}

static int reap(struct term *t, int ms)
{
	int64_t end = clock_deadline(ms);
	int status;

	for (;;) {
		pid_t p = waitpid(t->pid, &status, WNOHANG);
		if (p == t->pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (p < 0 || clock_poll_ms(end) == 0)
			return -1;
		/* reading is also what lets it write its last bytes; closed: nothing to poll but the time */
		if (!term_read(t, 20))
			(void)poll(NULL, 0, 5);
	}
}

int term_wait_end(struct term *t)
{
	if (t->ended)
		return t->status;
	t->status = reap(t, TERM_MS);
	if (t->status < 0) {
		term_dump(t, "it does not end");
		(void)kill(t->pid, SIGKILL);
		(void)waitpid(t->pid, NULL, 0);
	}
	t->ended = true;
	while (term_read(t, 100)) /* its last words; then the terminal is closed */
		;
	return t->status;
}

int term_end(struct term *t)
{
	int status = term_wait_end(t);

	forget(t);
	return status;
}

void term_dump(struct term *t, const char *why)
{
	(void)printf("---- %s (%dx%d, process %ld%s)\n", why, t->cols, t->rows, (long)t->pid, t->closed ? ", terminal closed" : "");
	for (int i = 0; i < t->rows; i++)
		(void)printf("%2d|%s\n", i, term_row(t, i));
	if (t->closed && t->bytes.len > 0) /* what it said after the alternate screen: a sanitizer, an error */
		(void)printf("last bytes: %.3000s\n", t->bytes.data + (t->bytes.len > 3000 ? t->bytes.len - 3000 : 0));
	(void)printf("----\n");
	(void)fflush(stdout);
}

void term_sweep(void)
{
	while (running) {
		if (!running->ended) {
			(void)kill(running->pid, SIGKILL);
			(void)waitpid(running->pid, NULL, 0);
		}
		forget(running);
	}
}
