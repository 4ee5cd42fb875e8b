/* How each screen looks: sizes, themes, alphabets, names of any kind. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "bed.h"

/* Called on each screen, when all of it is there. */
typedef void look_fn(const struct bed *b, struct term *t, const char *screen);

static void bad(struct term *t, const char *screen, const char *what)
{
	term_dump(t, what);
	fail_msg("%s: %s", screen, what);
}

/* From the first screen to the last, with a small database; the exit status. */
static int look_at_all(const struct bed *b, struct term *t, look_fn *look)
{
	term_expect(t, "Begin");
	look(b, t, "Welcome");
	term_key(t, K_ENTER);
	term_expect(t, "How shall the database travel?");
	look(b, t, "Method");
	term_key(t, K_ENTER);
	term_expect(t, "Where is the database now?");
	look(b, t, "Source");
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	look(b, t, "Source");
	term_key(t, K_ENTER);
	term_expect(t, "Where does it go?");
	look(b, t, "Target");
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Options: each has a default");
	look(b, t, "Options");
	term_key(t, K_ENTER);
	term_expect(t, " fine: ");
	look(b, t, "Preflight");
	term_key(t, "o");
	term_expect(t, "OK ");
	look(b, t, "Preflight");
	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	look(b, t, "Plan");
	term_key(t, K_ENTER);
	term_expect(t, "Done  8/8");
	term_expect(t, "report: ");
	look(b, t, "Done");
	term_key(t, "r");
	term_expect_gone(t, "report: ");
	look(b, t, "Done");
	term_key(t, K_ESC);
	term_expect(t, "report: ");
	term_key(t, K_F1);
	term_expect(t, "any key closes");
	look(b, t, "Done");
	term_key(t, K_ESC);
	term_expect_gone(t, "any key closes");
	leave(t);
	return term_end(t);
}

/* The frame stands where it should, the edges are free. */
static void look_at_edges(const struct bed *b, struct term *t, const char *screen)
{
	int rows = term_rows(t), cols = term_cols(t);

	(void)b;
	if (strstr(term_row(t, 0), "pgusher") == NULL)
		bad(t, screen, "no head");
	if (!str_ends(term_row(t, rows - 1), "F1 help"))
		bad(t, screen, "no foot");
	for (int i = 1; i < rows - 1; i++) {
		uint32_t first = term_cell(t, i, 0).ch, last = term_cell(t, i, cols - 1).ch;
		bool line = first == 0x2500 && last == 0x2500;
		if (!line && ((first != 0 && first != ' ') || (last != 0 && last != ' ')))
			bad(t, screen, "something stands at the edge");
	}
	if (strcmp(screen, "Welcome") != 0 && strstr(term_row(t, 0), screen) == NULL)
		bad(t, screen, "the head has another title");
}

/* And nothing ordinary is cut off. */
static void look_at_frame(const struct bed *b, struct term *t, const char *screen)
{
	look_at_edges(b, t, screen);
	for (int i = 1; i < term_rows(t) - 1; i++)
		if (strstr(term_row(t, i), "…"))
			bad(t, screen, "something is cut off");
}

static void test_every_screen_fits(void **state)
{
	struct bed *b = *state;
	static const struct { int rows, cols; } sizes[] = {{24, 80}, {30, 100}, {60, 220}};

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char *drop = xasprintf("DROP DATABASE IF EXISTS %s", b->db);
		(void)bed_fresh(state);
		bed_ini(b, NULL, NULL, NULL);
		bed_sql(b, B, NULL, drop);
		free(drop);
		assert_int_equal(look_at_all(b, bed_wizard(b, sizes[i].rows, sizes[i].cols, NULL, NULL), look_at_frame), 0);
	}
}

/* Smaller than it can be, larger, and back: the same screen as before. */
static void look_resized(const struct bed *b, struct term *t, const char *screen)
{
	struct str before = {0}, after = {0};

	(void)b;
	for (int i = 1; i < 24; i++)
		str_addf(&before, "%s\n", term_row(t, i));
	term_resize(t, 20, 60);
	term_expect(t, "pgusher needs 80x24; this is 60x20");
	term_key(t, K_ENTER); /* is not for a screen that nobody sees */
	term_resize(t, 30, 100);
	term_expect(t, "F1 help");
	look_at_frame(b, t, screen);
	term_resize(t, 24, 80);
	term_expect_gone(t, "needs 80x24");
	term_expect(t, "F1 help");
	assert_int_equal(term_find(t, "F1 help", NULL), 23);
	for (int i = 1; i < 24; i++)
		str_addf(&after, "%s\n", term_row(t, i));
	if (!str_eq(str_text(&before), str_text(&after))) {
		(void)printf("before:\n%s", str_text(&before));
		bad(t, screen, "not the same screen after a change of the size");
	}
	str_fini(&before);
	str_fini(&after);
}

static void test_sizes_change_on_every_screen(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	assert_int_equal(look_at_all(b, bed_open(b), look_resized), 0);
}

/* While it copies: steps, the command, the log, the help, at any size. */
static void test_run_screen(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_slow_source(b, 400);
	struct term *t = walk_to_slow_copy(b);
	term_expect(t, "▶ running");
	term_expect(t, "✓ done");
	term_expect(t, "· waits");
	term_expect(t, "pg_dump");
	look_at_edges(b, t, "Run");
	term_resize(t, 20, 60);
	term_expect(t, "what runs goes on meanwhile");
	term_key(t, K_F10); /* not a way out that nobody sees */
	term_resize(t, 30, 100);
	term_expect(t, "▶ running");
	assert_int_equal(term_find(t, "F1 help", NULL), 29);
	look_at_edges(b, t, "Run");
	term_resize(t, 24, 80);
	term_expect(t, "▶ running");
	term_expect_gone(t, "meanwhile");
	term_key(t, "?");
	term_expect(t, "Each step is written to the journal");
	term_key(t, K_ESC);
	term_expect_gone(t, "Each step is written");
	term_key(t, "l");
	term_expect_gone(t, "▶ running");
	term_expect(t, " log, ");
	look_at_edges(b, t, "Run");
	term_key(t, K_UP);
	term_key(t, K_ESC); /* back to the steps, not yet the question */
	term_expect(t, "▶ running");
	term_key(t, K_ESC);
	say_yes(t, "Stop it");
	term_expect(t, "Done  8/8");
	look_at_edges(b, t, "Done");
	leave(t);
	assert_int_equal(term_end(t), 5);
}

/* Another way to travel has a field more, and says which hop fails. */
static void test_tunnel_screen(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Method");
	term_key(t, K_DOWN);
	term_expect(t, "▸ Dump through a file");
	look_at_frame(b, t, "Method");
	term_key(t, K_DOWN);
	term_expect(t, "▸ Through ssh");
	look_at_frame(b, t, "Method");
	term_key(t, K_ENTER);
	term_expect(t, "Source  2/8");
	look_at_frame(b, t, "Source");
	fill(t, "SSH host", "nobody@nosuchhost.invalid");
	term_key(t, K_ENTER);
	term_expect(t, "✗ ssh login");
	look_at_frame(b, t, "Source");
	assert_false(term_has(t, "server answers"));
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

static void test_begins_too_small(void **state)
{
	struct bed *b = *state;
	struct term *t = bed_wizard(b, 20, 60, NULL, NULL);

	term_expect(t, "pgusher needs 80x24; this is 60x20");
	term_key(t, K_ENTER);
	term_resize(t, 24, 80);
	term_expect(t, "moves to another server");
	assert_true(term_has(t, "Begin")); /* Enter was not taken blindly */
	term_resize(t, 4, 10);
	term_expect(t, "needs");
	term_key(t, K_F10);
	assert_int_equal(term_end(t), 4);
}

static void test_typed_text_survives_a_new_size(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Options");
	fill(t, "Only schemas", "public, bil");
	term_resize(t, 30, 100);
	term_expect(t, "public, bil");
	term_type(t, "ling"); /* the focus stayed too */
	term_expect(t, "public, billing");
	assert_false(term_cell(t, term_find(t, "public, billing", NULL), 90).bg_default); /* the field uses the room there is */
	term_resize(t, 10, 10);
	term_expect(t, "needs");
	term_resize(t, 24, 80);
	term_expect(t, "public, billing");
	term_key(t, K_F10);
	term_expect(t, "[ Leave ]");
	term_resize(t, 30, 100); /* a dialog moves with it */
	term_expect(t, "F1 help");
	assert_int_equal(term_find(t, "F1 help", NULL), 29);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

/* It says what to use instead, and no byte of a screen is sent. */
static void test_terminal_that_cannot_draw(void **state)
{
	struct bed *b = *state;
	static const char *const dumb[] = {"TERM=dumb", NULL};
	size_t n;

	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_wizard(b, 24, 80, NULL, dumb);
	term_expect(t, "this terminal (TERM=dumb) cannot be drawn on");
	term_expect(t, "pgusher run -c FILE");
	assert_int_equal(term_wait_end(t), 2);
	assert_null(strstr(term_bytes(t, &n), "\033["));
	(void)term_end(t);
}

static bool coloured(const char *bytes)
{
	for (const char *p = bytes; (p = strstr(p, "\033[")) != NULL;) {
		p += 2;
		size_t n = strspn(p, "0123456789;");
		if (p[n] != 'm')
			continue;
		for (const char *q = p; q < p + n;) {
			char *end;
			long v = strtol(q, &end, 10);
			if ((v >= 30 && v <= 38) || (v >= 40 && v <= 48) || v >= 90)
				return true;
			q = end < p + n ? end + 1 : p + n;
		}
	}
	return false;
}

static void look_without_colour(const struct bed *b, struct term *t, const char *screen)
{
	size_t n;

	(void)b;
	if (coloured(term_bytes(t, &n)))
		bad(t, screen, "a colour was asked for");
	if (!term_cell(t, 0, 1).reverse || !term_cell(t, 23, 1).reverse)
		bad(t, screen, "the frame cannot be told from the text");
}

static void test_without_colour(void **state)
{
	struct bed *b = *state;
	static const char *const no_color[] = {"NO_COLOR=1", NULL}, *const vt100[] = {"TERM=vt100", NULL};
	static const char *const mono[] = {"--theme", "mono", NULL};

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	assert_int_equal(look_at_all(b, bed_wizard(b, 24, 80, NULL, no_color), look_without_colour), 0);
	for (int i = 0; i < 2; i++) {
		struct term *t = bed_wizard(b, 24, 80, i ? NULL : mono, i ? vt100 : NULL);
		term_expect(t, "moves to another server");
		look_without_colour(b, t, "Welcome");
		term_key(t, "q");
		assert_int_equal(term_end(t), 4);
	}
	struct term *t = bed_open(b); /* and the default has colours, or this proves nothing */
	size_t n;
	term_expect(t, "moves to another server");
	assert_true(coloured(term_bytes(t, &n)));
	term_key(t, "q");
	assert_int_equal(term_end(t), 4);
}

/* Every character differs from its ground. */
static void look_readable(const struct bed *b, struct term *t, const char *screen)
{
	(void)b;
	for (int y = 0; y < term_rows(t); y++)
		for (int x = 0; x < term_cols(t); x++) {
			struct cell c = term_cell(t, y, x);
			int d = 0;
			for (int i = 0; i < 3; i++)
				d += abs((int)c.fg[i] - (int)c.bg[i]);
			if (c.ch > ' ' && d < 96)
				bad(t, screen, "text in the colour of its ground");
		}
}

static void test_themes(void **state)
{
	struct bed *b = *state;
	glob_t g;

	bed_ini(b, NULL, NULL, NULL);
	assert_int_equal(glob("themes/*.ini", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *name = strrchr(g.gl_pathv[i], '/') + 1;
		char *theme = xstrndup(name, strlen(name) - 4);
		const char *const more[] = {"--theme", theme, NULL};
		struct term *t = bed_wizard(b, 24, 80, more, NULL);
		term_expect(t, "moves to another server");
		assert_false(term_has(t, "there is no theme"));
		look_readable(b, t, theme);
		term_key(t, K_ENTER);
		term_expect(t, "Method  1/8");
		look_readable(b, t, theme);
		term_key(t, K_ENTER);
		term_expect(t, "Source  2/8");
		look_readable(b, t, theme);
		term_key(t, K_F1);
		term_expect(t, "another theme (now: ");
		assert_true(term_has(t, theme));
		look_readable(b, t, theme);
		term_key(t, K_ESC);
		term_expect_gone(t, "another theme");
		term_key(t, K_F10);
		say_yes(t, "Leave");
		assert_int_equal(term_end(t), 4);
		free(theme);
	}
	globfree(&g);
	static const char *const none[] = {"--theme", "nosuch", NULL};
	struct term *t = bed_wizard(b, 24, 80, none, NULL);
	term_expect(t, "there is no theme nosuch");
	term_key(t, K_F2);
	term_expect(t, "theme: mono");
	term_key(t, "q");
	assert_int_equal(term_end(t), 4);
}

static void look_ascii(const struct bed *b, struct term *t, const char *screen)
{
	size_t n;
	const char *bytes = term_bytes(t, &n);

	(void)b;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)bytes[i] >= 0x80 || bytes[i] == 0x0e) /* nor the alternate character set */
			bad(t, screen, "a byte that is not ASCII");
}

static void odd_source(const struct bed *b, char **name)
{
	*name = xasprintf("%s Склад \"x\" d'été", b->db);
	char *sql = xasprintf("CREATE DATABASE \"%s Склад \"\"x\"\" d'été\" TEMPLATE template0", b->db);
	bed_sql(b, A, NULL, sql);
	bed_sql(b, A, *name, "CREATE TABLE \"Товар\" (\"наименование \"\"п\"\"\" text); INSERT INTO \"Товар\" VALUES ('ёж'), ('O''Neil')");
	free(sql);
	bed_ini(b, *name, *name, NULL);
}

static void test_only_ascii(void **state)
{
	struct bed *b = *state;
	static const char *const ascii[] = {"--ascii", NULL}, *const c_locale[] = {"LC_ALL=C", NULL};
	char *name;

	NEED_SERVERS(b);
	odd_source(b, &name);
	assert_int_equal(look_at_all(b, bed_wizard(b, 24, 80, ascii, NULL), look_ascii), 0);
	assert_string_equal(bed_value(b, B, name, "SELECT count(*) FROM \"Товар\""), "2");
	char *written = bed_read_file(b->ini); /* it was for that terminal */
	assert_null(strstr(written, "ascii"));
	free(written);
	/* what cannot be shown is still what was meant */
	bed_sql(b, B, name, "DROP TABLE \"Товар\"");
	(void)bed_fresh(state);
	bed_ini(b, name, name, NULL);
	assert_int_equal(look_at_all(b, bed_wizard(b, 24, 80, NULL, c_locale), look_ascii), 0);
	assert_string_equal(bed_value(b, B, name, "SELECT count(*) FROM \"Товар\""), "2");
	free(name);
}

static void look_odd_name(const struct bed *b, struct term *t, const char *screen)
{
	char *name = xasprintf("%s Склад \"x\" d'été", b->db);

	if ((strcmp(screen, "Source") == 0 || strcmp(screen, "Target") == 0) && !term_has(t, name))
		bad(t, screen, "the database's name is not there");
	free(name);
}

static void test_names_of_any_alphabet(void **state)
{
	struct bed *b = *state;
	char *name;

	NEED_SERVERS(b);
	odd_source(b, &name);
	assert_int_equal(look_at_all(b, bed_open(b), look_odd_name), 0);
	assert_string_equal(bed_value(b, B, name, "SELECT string_agg(t.*::text, '|') FROM \"Товар\" t"), "(ёж)|(O'Neil)");
	/* and typed */
	struct term *t = bed_open(b);
	term_expect(t, "Begin again");
	term_key(t, K_DOWN);
	term_expect(t, "▸ Begin again");
	term_key(t, K_ENTER);
	term_expect(t, "Method  1/8");
	term_key(t, K_ENTER);
	term_expect(t, "Source  2/8");
	fill(t, "Database", "elsewhere");
	term_expect(t, "elsewhere");
	fill(t, "Database", name);
	term_expect(t, name);
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
	free(name);
}

/* A character the terminal cannot show is not taken as a question mark. */
static void test_what_cannot_be_shown_is_not_typed(void **state)
{
	struct bed *b = *state;
	static const char *const c_locale[] = {"LC_ALL=C", NULL};

	bed_ini(b, "Склад", "other", NULL);
	struct term *t = bed_wizard(b, 24, 80, NULL, c_locale);
	term_expect(t, "moves to another server");
	term_key(t, K_ENTER);
	term_expect(t, "Method  1/8");
	term_key(t, K_ENTER);
	term_expect(t, "> Host");
	term_key(t, K_CTRL_U);
	term_type(t, "aжb");
	term_expect(t, "ab");
	term_key(t, K_DOWN);
	term_expect(t, "> Port");
	term_key(t, K_DOWN);
	term_expect(t, "> Database          ??????????");
	term_type(t, "x"); /* would be an edit of what is not seen */
	term_key(t, K_CTRL_U);
	term_type(t, "seen");
	term_expect(t, "> Database          seen");
	assert_false(term_has(t, "xseen"));
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

static void test_long_values_are_marked(void **state)
{
	struct bed *b = *state;
	char host[201], name[49];

	memset(host, 'h', sizeof host - 1);
	memset(name, 'n', sizeof name - 1);
	host[sizeof host - 1] = name[sizeof name - 1] = '\0';
	char *ini = xasprintf("[migration]\nname = %s\nstate_dir = %s/state\n", name, b->dir);
	FILE *f = fopen(b->ini, "we");
	assert_non_null(f);
	assert_true(fputs(ini, f) >= 0 && fclose(f) == 0);
	free(ini);
	struct term *t = bed_open(b);
	term_expect(t, "moves to another server");
	assert_non_null(strstr(term_row(t, 0), "…"));
	term_key(t, K_ENTER);
	term_expect(t, "Method  1/8");
	term_key(t, K_ENTER);
	term_expect(t, "Source  2/8");
	fill(t, "Host", host);
	fill(t, "Database", "d");
	fill(t, "User", "u");
	term_expect(t, "hhhhhhhhhhhhhhhh");
	term_key(t, K_ENTER);
	term_expect(t, "✗ server answers");
	term_expect(t, "Host              <hhhhhhh"); /* a field says that it holds more than is seen */
	term_expect(t, "hhhhhhh…");                     /* and so does a message */
	term_expect(t, "check how the host's name is spelt");   /* which leaves room for what to do */
	assert_true(str_ends(term_row(t, 23), "F1 help"));
	fill(t, "Host", "h");
	fill(t, "Host", host);
	term_key(t, "\001"); /* to its beginning */
	term_expect(t, "hhhhhhh>");
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_fresh, bed_clear)
	const struct CMUnitTest tests[] = {
		T(test_every_screen_fits), T(test_sizes_change_on_every_screen), T(test_run_screen), T(test_tunnel_screen), T(test_begins_too_small),
		T(test_typed_text_survives_a_new_size), T(test_terminal_that_cannot_draw), T(test_without_colour),
		T(test_themes), T(test_only_ascii), T(test_names_of_any_alphabet),
		T(test_what_cannot_be_shown_is_not_typed), T(test_long_values_are_marked),
	};

	return cmocka_run_group_tests(tests, bed_start, bed_stop);
}
