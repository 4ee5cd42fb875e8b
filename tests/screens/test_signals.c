/* What the wizard does when something from outside comes between: signals, a terminal that goes away, one that changes its size. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "bed.h"

static void expect_restored(struct term *t)
{
	size_t n;
	const char *bytes = term_bytes(t, &n), *out = NULL;

	for (const char *p = bytes; (p = strstr(p, "\033[?1049l")) != NULL; p++)
		out = p;
	assert_non_null(out);                      /* the alternate screen was left ... */
	assert_null(strstr(out, "\033[?1049h"));   /* ... and not entered again */
	assert_false(term_alternate(t));
	assert_true(term_cursor_shown(t));
	assert_true(term_cooked(t));
}

static struct term *open_at_method(const struct bed *b)
{
	struct term *t = bed_open(b);

	term_expect(t, "moves to another server");
	assert_true(term_alternate(t));
	term_key(t, K_ENTER);
	term_expect(t, "How shall the database travel?");
	return t;
}

static void test_ends_by_signal(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct term *t = open_at_method(*state);
		term_signal(t, signals[i]);
		assert_int_equal(term_wait_end(t), 4);
		expect_restored(t);
		(void)term_end(t);
	}
}

static void test_crash_gives_the_terminal_back(void **state)
{
	static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		struct term *t = open_at_method(*state);
		term_signal(t, signals[i]);
		assert_int_equal(term_wait_end(t), 128 + signals[i]);
		expect_restored(t);
		(void)term_end(t);
	}
}

static void test_term_in_a_run(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_slow_source(b, 400);
	struct term *t = walk_to_slow_copy(b);
	term_signal(t, SIGTERM);
	assert_int_equal(term_wait_end(t), 5);
	expect_restored(t);
	(void)term_end(t);
	bed_expect_no_statements(b);
	t = bed_open(b);
	term_expect(t, "Go on with it");
	term_key(t, "q");
	assert_int_equal(term_end(t), 4);
}

/* ssh is cut in the middle: the copy goes on without a terminal, and the next start tells how it ended. */
static void test_hang_up_in_a_run(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_slow_source(b, 15);
	struct term *t = walk_to_slow_copy(b);
	term_hang_up(t);
	assert_int_equal(term_end(t), 0);
	bed_check_moved(b);
	t = bed_open(b);
	term_expect(t, "one, and proven equal");
	term_expect(t, "Look at the report of the last attempt");
	term_key(t, "q");
	assert_int_equal(term_end(t), 4);
}

/* A question is open and the one who was asked is gone: nothing is destroyed, and nothing waits for ever. */
static void test_hang_up_before_an_answer(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_slow_source(b, 400);
	struct term *t = walk_to_slow_copy(b);
	term_key(t, "q");
	say_yes(t, "Stop and leave");
	assert_int_equal(term_end(t), 5);
	t = bed_open(b);
	term_expect(t, "Clean up what it left");
	term_key(t, K_DOWN);
	term_expect(t, "▸ Clean up what it left");
	term_key(t, K_ENTER);
	term_expect(t, "Remove all of this?");
	term_hang_up(t);
	assert_int_equal(term_end(t), 4);
	assert_string_equal(bed_value(b, B, NULL, "SELECT count(*) FROM pg_database WHERE datname LIKE 'screens%'"), "1");
	t = bed_open(b); /* and it can still be taken up */
	term_expect(t, "Clean up what it left");
	assert_false(term_has(t, "Another pgusher"));
	term_key(t, "q");
	assert_int_equal(term_end(t), 4);
}

static void test_hang_up_at_rest(void **state)
{
	struct term *t = open_at_method(*state);

	term_hang_up(t);
	assert_int_equal(term_end(t), 4);
}

static void test_storm_of_sizes(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Source");
	fill(t, "Host", "192.0.2.17");
	term_expect(t, "192.0.2.17"); /* keys that come while nothing can be seen are not taken */
	for (int i = 0; i < 300; i++) {
		static const int rows[] = {24, 3, 50, 1, 24, 30}, cols[] = {80, 200, 20, 5, 79, 100};
		term_resize(t, rows[i % 6], cols[i % 6]);
		if (i % 5 == 0)
			term_key(t, K_TAB);
		term_signal(t, SIGWINCH);
	}
	term_resize(t, 30, 100);
	term_expect(t, "Where is the database now?");
	term_expect(t, "192.0.2.17");
	term_expect(t, "F1 help");
	assert_int_equal(term_find(t, "F1 help", NULL), 29);
	term_resize(t, 24, 80);
	term_expect(t, "192.0.2.17");
	assert_int_equal(term_find(t, "F1 help", NULL), 23);
	term_key(t, K_CTRL_C);
	say_yes(t, "Leave");
	assert_int_equal(term_wait_end(t), 4);
	expect_restored(t);
	(void)term_end(t);
}

/* Ctrl-Z gives the shell its terminal; fg draws the screen again. */
static void test_stop_and_go_on(void **state)
{
	struct term *t = open_at_method(*state);
	int status = 0;

	term_key(t, "\032");
	assert_int_equal(waitpid(term_pid(t), &status, WUNTRACED), term_pid(t));
	assert_true(WIFSTOPPED(status));
	while (term_alternate(t) && term_read(t, 1000))
		;
	assert_false(term_alternate(t));
	term_resize(t, 30, 100); /* while it was away */
	term_signal(t, SIGCONT);
	term_expect(t, "How shall the database travel?");
	assert_true(term_alternate(t));
	assert_int_equal(term_find(t, "F1 help", NULL), 29);
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

static struct term *check_without_passfile(const struct bed *b)
{
	char *home = xasprintf("HOME=%s", b->dir);
	const char *const argv[] = {getenv("PGUSHER_BIN") ? getenv("PGUSHER_BIN") : "./pgusher", "check", "-c", b->ini, NULL}, *const env[] = {home, NULL};
	struct term *t = term_start(24, 80, argv, env);

	free(home);
	assert_true(term_wait_text(t, "wants a password", 4 * TERM_MS));
	assert_true(term_wait_text(t, "password (not shown; empty: without):", TERM_MS));
	assert_false(term_cooked(t));
	return t;
}

/* Without the wizard: asked for without echo; whatever ends the question, the terminal is as it was. */
static void test_prompt(void **state)
{
	struct bed *b = *state;
	static const int signals[] = {SIGTERM, SIGINT};
	size_t n;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	char *file = xasprintf("%s/passfile", b->dir), *away = xasprintf("%s/passfile.away", b->dir);
	assert_int_equal(rename(file, away), 0);
	for (size_t i = 0; i < 2; i++) {
		struct term *t = check_without_passfile(b);
		term_type(t, "half of i");
		term_signal(t, signals[i]);
		assert_int_equal(term_wait_end(t), 5);
		assert_true(term_cooked(t));
		assert_false(term_has(t, "half of i"));
		(void)term_end(t);
	}
	struct term *t = check_without_passfile(b); /* an empty line: as where nobody can be asked */
	term_key(t, K_ENTER);
	while (!(term_has(t, "The source wants a password") && term_has(t, "The target wants a password")) && term_read(t, TERM_MS))
		;
	term_key(t, K_ENTER);
	assert_int_equal(term_wait_end(t), 3);
	assert_true(term_has(t, "cannot be reached"));
	(void)term_end(t);
	t = check_without_passfile(b);
	int first = term_has(t, "The source wants a password") ? A : B; /* their threads are started together */
	term_type(t, b->password[first]);
	term_key(t, K_ENTER);
	while (!(term_has(t, "The source wants a password") && term_has(t, "The target wants a password")) && term_read(t, TERM_MS))
		;
	term_type(t, b->password[!first]);
	term_key(t, K_ENTER);
	assert_int_equal(term_wait_end(t), 0);
	assert_true(term_cooked(t));
	const char *bytes = term_bytes(t, &n);
	assert_null(strstr(bytes, b->password[A]));
	assert_null(strstr(bytes, b->password[B]));
	(void)term_end(t);
	assert_int_equal(rename(away, file), 0);
	free(file);
	free(away);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_fresh, bed_clear)
	const struct CMUnitTest tests[] = {
		T(test_ends_by_signal), T(test_crash_gives_the_terminal_back), T(test_term_in_a_run), T(test_hang_up_in_a_run),
		T(test_hang_up_before_an_answer), T(test_hang_up_at_rest), T(test_storm_of_sizes), T(test_stop_and_go_on), T(test_prompt),
	};

	return cmocka_run_group_tests(tests, bed_start, bed_stop);
}
