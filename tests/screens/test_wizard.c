/* The wizard between two real servers, from the first screen to the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "bed.h"

static void type_endpoint(const struct bed *b, struct term *t, int side, const char *password)
{
	fill(t, "Host", b->host[side]);
	fill(t, "Port", b->port[side]);
	fill(t, "Database", b->db);
	fill(t, "User", b->user[side]);
	fill(t, "Password", password);
}

/* Nothing is known at the beginning: everything is typed. */
static void test_typed_from_the_beginning(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	struct term *t = bed_open(b);
	term_expect(t, "Begin");
	term_key(t, K_ENTER);
	term_expect(t, "How shall the database travel?");
	term_key(t, K_ENTER);
	term_expect(t, "Where is the database now?");
	type_endpoint(b, t, A, b->password[A]);
	term_expect(t, "****");
	assert_false(term_has(t, b->password[A]));
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Where does it go?");
	type_endpoint(b, t, B, b->password[B]);
	term_key(t, K_ENTER);
	term_expect(t, "does not exist yet; it will be created");
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Options  4/8");
	fill(t, "Name", "typed-1");
	term_key(t, K_ENTER);
	term_expect(t, " fine: ");
	term_expect(t, "written to ");
	assert_true(term_has(t, "nothing blocks, no warnings"));
	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	term_key(t, K_ENTER);
	term_expect(t, "Done, and proven equal to the source's snapshot");
	term_expect(t, "0 different, 0 not proven");
	term_key(t, K_ENTER); /* one Enter too many does not take the result away */
	term_expect(t, "r reads the report");
	assert_false(term_has(t, "g go on")); /* it has ended */
	term_key(t, "r");
	term_expect(t, "pgusher: typed-1, dump");
	assert_false(term_has(t, "# pgusher"));
	assert_false(term_has(t, "|"));
	term_key(t, "r");
	term_expect(t, "report: ");
	leave(t);
	assert_int_equal(term_end(t), 0);
	bed_check_moved(b);
	char *ini = bed_read_file(b->ini);
	assert_non_null(strstr(ini, "typed-1"));
	assert_null(strstr(ini, b->password[A]));
	free(ini);
}

/* Without -c the name chooses the file: one that is there already may be another migration's. */
static void test_no_file_is_written_over(void **state)
{
	struct bed *b = *state;
	char *old = xasprintf("%s/%s.ini", b->dir, b->db), *new = xasprintf("%s/%s-2.ini", b->dir, b->db), *says = xasprintf("written to %s-2.ini", b->db);
	char *home = xasprintf("HOME=%s", b->dir), *states = xasprintf("XDG_STATE_HOME=%s/state", b->dir);
	char *bin = realpath(getenv("PGUSHER_BIN") ? getenv("PGUSHER_BIN") : "./pgusher", NULL);
	const char *const argv[] = {"env", "-C", b->dir, bin, NULL}, *const env[] = {home, states, NULL};
	FILE *f = fopen(old, "we");

	assert_true(f && fputs("; somebody else's\n", f) >= 0 && fclose(f) == 0);
	if (b->servers) {
		bed_source(b);
		struct term *t = term_start(24, 80, argv, env);
		term_expect(t, "Begin");
		term_key(t, K_ENTER);
		term_expect(t, "Method  1/8");
		term_key(t, K_ENTER);
		term_expect(t, "Source  2/8");
		type_endpoint(b, t, A, b->password[A]);
		term_key(t, K_ENTER);
		term_expect(t, "Enter goes on.");
		term_key(t, K_ENTER);
		term_expect(t, "Where does it go?");
		type_endpoint(b, t, B, b->password[B]);
		term_key(t, K_ENTER);
		term_expect(t, "it will be created");
		term_expect(t, "Enter goes on.");
		term_key(t, K_ENTER);
		term_expect(t, "Options  4/8");
		term_key(t, K_ENTER);
		term_expect(t, says);
		term_expect(t, " fine: ");
		leave(t);
		term_expect(t, "to come back to this migration: pgusher -c ");
		assert_int_equal(term_end(t), 4);
		t = term_start(24, 80, argv, env); /* the one that is right is offered, the other one is not ours */
		term_expect(t, "Go on with ");
		term_expect(t, "Begin a new one");
		assert_true(term_has(t, "-2.ini"));
		term_key(t, K_ENTER);
		term_expect(t, "settings: ");
		walk_to(t, "Source");
		assert_true(term_has(t, b->port[A]));
		term_key(t, K_F10);
		say_yes(t, "Leave");
		assert_int_equal(term_end(t), 4);
		char *kept = bed_read_file(old), *written = bed_read_file(new);
		assert_string_equal(kept, "; somebody else's\n");
		assert_non_null(strstr(written, b->db));
		free(kept);
		free(written);
	}
	(void)unlink(old);
	(void)unlink(new);
	char *all[] = {old, new, says, home, states, bin};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static void test_wrong_password(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Source");
	fill(t, "Password file", "/dev/null");
	fill(t, "Password", "wrong");
	term_key(t, K_ENTER);
	term_expect(t, "password authentication failed");
	term_expect(t, "✗ login");
	assert_true(term_has(t, "✓ server answers")); /* the hop that works is said too */
	term_expect(t, "is the one that was typed");
	/* what to do about it */
	term_expect(t, "check the role and its password");
	assert_false(term_has(t, "Enter goes on."));
	fill(t, "Password", b->password[A]);
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	assert_false(term_has(t, "authentication failed"));
	term_key(t, K_ENTER);
	term_expect(t, "Where does it go?");
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

/* What somebody has at hand is a whole address. */
static void test_pasted_address(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	struct term *t = bed_open(b);
	char *uri = xasprintf("  postgresql://%s:%s@%s:%s/%s?connect_timeout=9", b->user[A], b->password[A], b->host[A], b->port[A], b->db);
	walk_to(t, "Method");
	term_key(t, K_ENTER);
	term_expect(t, "Where is the database now?");
	fill(t, "Host", "postgresql://me:s3cr3t@[::1");
	term_key(t, K_ENTER);
	term_expect(t, "cannot be read, and is not kept");
	assert_false(term_has(t, "s3cr3t"));
	fill(t, "Host", uri);
	term_key(t, K_ENTER);
	term_expect(t, "not used: connect_timeout");
	term_expect(t, "****");
	assert_false(term_has(t, "@"));
	assert_false(term_has(t, b->password[A]));
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Where does it go?");
	fill(t, "Host", b->host[A]);
	fill(t, "Port", b->port[A]);
	term_key(t, K_ENTER); /* user and database are those of the source */
	term_expect(t, "that is the source itself");
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
	free(uri);
}

static void test_no_server_there(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Source");
	fill(t, "Port", "1");
	term_key(t, K_ENTER);
	term_expect(t, "✗ server answers");
	term_expect(t, "onnection refused");
	fill(t, "Host", "");
	term_key(t, K_ENTER);
	term_expect(t, "Host is empty: host, database and user are needed");
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

static void test_back_keeps_what_was_typed(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Source");
	fill(t, "Host", "elsewhere.example.org");
	fill(t, "TLS mode", "require");
	term_key(t, K_ESC);
	term_expect(t, "Method  1/8");
	term_key(t, K_ENTER);
	term_expect(t, "elsewhere.example.org");
	assert_true(term_has(t, "require"));
	fill(t, "Host", b->host[A]);
	fill(t, "TLS mode", "");
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Target  3/8");
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Options  4/8");
	fill(t, "Only schemas", "public, billing");
	fill(t, "Parallel jobs", "7");
	term_key(t, K_ESC);
	term_expect(t, "Target  3/8");
	term_key(t, K_ENTER); /* tested already: goes on at once */
	term_expect(t, "Options  4/8");
	term_expect(t, "public, billing");
	assert_true(term_has(t, "Parallel jobs     7"));
	fill(t, "Parallel jobs", "99");
	term_key(t, K_ENTER);
	term_expect(t, "Parallel jobs is a number from 1 to 64");
	fill(t, "Parallel jobs", "2");
	fill(t, "Name", "not/a name");
	term_key(t, K_ENTER);
	term_expect(t, "Name is: letters, digits");
	assert_true(term_has(t, "Options  4/8"));
	term_key(t, K_F10);
	say_yes(t, "Leave");
	assert_int_equal(term_end(t), 4);
}

/* Settings of more migrations than there are rows: each says how it stands, the newest first, and all can be reached. */
static void test_many_settings(void **state)
{
	struct bed *b = *state;
	enum { MANY = 14 };
	char *home = xasprintf("HOME=%s", b->dir), *states = xasprintf("XDG_STATE_HOME=%s/state", b->dir), *path[MANY];
	char *bin = realpath(getenv("PGUSHER_BIN") ? getenv("PGUSHER_BIN") : "./pgusher", NULL);
	const char *const argv[] = {"env", "-C", b->dir, bin, NULL}, *const env[] = {home, states, NULL};

	for (int i = 0; i < MANY; i++) {
		path[i] = xasprintf("%s/m%02d.ini", b->dir, i);
		FILE *f = fopen(path[i], "we");
		assert_true(f && fprintf(f, "[migration]\nname = m%d\n[source]\nhost = h\ndbname = d\nuser = u\n[target]\nhost = i\ndbname = d\nuser = u\n", i) > 0 && fclose(f) == 0);
		const struct timespec at[2] = {{.tv_sec = 1000000 + i}, {.tv_sec = 1000000 + i}};
		assert_int_equal(utimensat(AT_FDCWD, path[i], at, 0), 0);
	}
	struct term *t = term_start(24, 80, argv, env);
	term_expect(t, "▸ Go on with m13.ini   not begun");
	assert_true(term_has(t, "0 above, 6 below"));
	assert_false(term_has(t, "m00.ini"));
	term_key(t, K_END);
	term_expect(t, "▸ Begin a new one");
	term_key(t, K_UP);
	term_expect(t, "▸ Go on with m00.ini");
	term_expect(t, "Nothing has been run with these settings yet.");
	leave(t);
	(void)term_end(t);
	for (int i = 0; i < MANY; i++) {
		(void)unlink(path[i]);
		free(path[i]);
	}
	free(bin);
	free(states);
	free(home);
}

static void look_at_help(struct term *t, const char *key, const char *says)
{
	term_key(t, key);
	term_expect(t, "key closes"); /* "any", or "any other" where there is more to scroll to */
	term_expect(t, says);
	term_key(t, K_ESC);
	term_expect_gone(t, "key closes");
}

static void test_help_on_each_screen(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	term_expect(t, "moves to another server");
	term_key(t, K_ESC); /* leaves, but not without a word */
	term_expect(t, "Leave pgusher?");
	term_key(t, K_ENTER);
	term_expect_gone(t, "Leave pgusher?");
	look_at_help(t, "?", "pgusher keeps a journal of every attempt");
	term_key(t, K_ENTER);
	term_expect(t, "Method  1/8");
	look_at_help(t, "?", "All of them read one snapshot");
	term_key(t, K_ENTER);
	term_expect(t, "Source  2/8");
	look_at_help(t, K_F1, "Enter tries the connection");
	fill(t, "Database", "what?"); /* a question mark is text here */
	term_expect(t, "what?");
	fill(t, "Database", b->db);
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Target  3/8");
	look_at_help(t, K_F1, "Enter tries the connection");
	term_key(t, K_ENTER);
	term_expect(t, "Enter goes on.");
	term_key(t, K_ENTER);
	term_expect(t, "Options  4/8");
	look_at_help(t, K_F1, "written to a settings file");
	term_key(t, K_DOWN);
	term_key(t, K_DOWN);
	look_at_help(t, "?", "written to a settings file"); /* a choice is no text */
	term_key(t, K_ENTER);
	term_expect(t, " fine: ");
	look_at_help(t, "?", "BLOCK must be put right");
	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	look_at_help(t, K_F1, "The plan shown is the plan that runs");
	term_key(t, K_ENTER);
	term_expect(t, "proven equal");
	look_at_help(t, "?", "Not proven means exactly that");
	leave(t);
	assert_int_equal(term_end(t), 0);
}

static void test_quitting_asks(void **state)
{
	struct bed *b = *state;
	static const char *const keys[] = {"q", K_F10, K_CTRL_C};

	NEED_SERVERS(b);
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Method");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		term_key(t, keys[i]);
		term_expect(t, "[ Leave ]");
		term_key(t, K_ENTER); /* the default is to stay */
		term_expect_gone(t, "[ Leave ]");
		term_expect(t, "Method  1/8");
	}
	term_key(t, "q");
	term_expect(t, "[ Leave ]");
	term_key(t, K_TAB);
	term_key(t, K_ENTER);
	assert_int_equal(term_end(t), 4);
	t = bed_open(b); /* on the first screen there is nothing to lose */
	term_expect(t, "moves to another server");
	term_key(t, "q");
	assert_int_equal(term_end(t), 4);
}

static void test_cancel_and_go_on(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_slow_source(b, 400);
	struct term *t = walk_to_slow_copy(b);
	term_key(t, K_ESC);
	term_expect(t, "[ Stop it ]");
	term_key(t, K_ENTER); /* the default: it goes on */
	term_expect_gone(t, "[ Stop it ]");
	term_key(t, K_ESC);
	term_expect(t, "[ Stop it ]");
	int64_t asked = clock_mono_us();
	term_key(t, "y");
	term_expect(t, "Done  8/8");
	int64_t ms = (clock_mono_us() - asked) / 1000;
	(void)printf("cancelled after %lld ms\n", (long long)ms);
	assert_true(ms < SOON_MS);
	term_expect(t, "Left");
	term_expect(t, b->db);
	bed_expect_no_statements(b);
	leave(t);
	assert_int_equal(term_end(t), 5);
	bed_quick_source(b);
	t = bed_open(b);
	term_expect(t, "Go on with it");
	term_key(t, K_ENTER);
	term_expect(t, " fine: ");
	assert_true(term_has(t, "nothing blocks, no warnings"));
	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	term_key(t, K_ENTER);
	term_expect(t, "proven equal");
	leave(t);
	assert_int_equal(term_end(t), 0);
	bed_check_moved(b);
	assert_string_equal(bed_value(b, B, b->db, "SELECT count(*) FROM many"), "400");
}

/* The same without leaving in between. */
static void test_go_on_at_once(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_slow_source(b, 400);
	struct term *t = walk_to_slow_copy(b);
	term_key(t, K_ESC);
	say_yes(t, "Stop it");
	term_expect(t, "Done  8/8");
	term_expect(t, "Stopped   in step ");
	bed_quick_source(b);
	term_key(t, "g");
	term_expect(t, " fine: ");
	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	term_key(t, K_ENTER);
	term_expect(t, "proven equal");
	assert_false(term_has(t, "Stopped"));
	leave(t);
	assert_int_equal(term_end(t), 0);
	bed_check_moved(b);
}

static void test_leave_and_clean_up(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_slow_source(b, 400);
	struct term *t = walk_to_slow_copy(b);
	term_key(t, "q");
	say_yes(t, "Stop and leave");
	assert_int_equal(term_end(t), 5);
	bed_sql(b, B, b->db, "CREATE TABLE precious (id int)");
	t = bed_open(b);
	term_expect(t, "Clean up what it left");
	term_key(t, K_DOWN);
	term_expect(t, "▸ Clean up what it left");
	term_key(t, K_ENTER);
	term_expect(t, "Remove all of this?");
	term_expect(t, "THE SOURCE DOES NOT HAVE");
	term_expect(t, "precious");
	term_type(t, "something else");
	term_key(t, K_ENTER);
	term_expect(t, "nothing was done. Type it, or Esc");
	term_key(t, K_CTRL_U);
	term_type(t, b->db);
	term_key(t, K_ENTER);
	term_expect(t, "nothing of the attempt is left");
	term_key(t, K_ESC);
	term_expect(t, "Begin again");
	leave(t);
	(void)term_end(t);
	assert_string_equal(bed_value(b, B, NULL, "SELECT count(*) FROM pg_database WHERE datname LIKE 'screens%'"), "0");
}

/* A second terminal sees who works on it, follows, and is offered what comes next. */
static void test_another_is_at_it(void **state)
{
	struct bed *b = *state;
	char who[64];

	NEED_SERVERS(b);
	bed_slow_source(b, 400);
	struct term *first = walk_to_slow_copy(b), *second = bed_open(b);
	(void)snprintf(who, sizeof who, "process %ld of", (long)term_pid(first));
	term_expect(second, "Another pgusher works on this migration");
	term_expect(second, who);
	term_expect(second, "▶ running");
	assert_false(term_has(second, "Go on with it"));
	assert_false(term_has(second, "interrupted"));
	term_key(second, K_ENTER);
	term_expect(second, "Watch");
	term_key(first, "q");
	say_yes(first, "Stop and leave");
	assert_int_equal(term_end(first), 5);
	term_expect(second, "Go on with it");
	assert_false(term_has(second, "Another pgusher"));
	term_key(second, "q");
	assert_int_equal(term_end(second), 4);
}

static void test_block_and_typed_confirmation(void **state)
{
	struct bed *b = *state;
	char *sql;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini(b, NULL, NULL, NULL);
	sql = xasprintf("CREATE DATABASE %s", b->db);
	bed_sql(b, B, NULL, sql);
	free(sql);
	bed_sql(b, B, b->db, "CREATE TABLE precious (id int)");
	struct term *t = bed_open(b);
	walk_to(t, "Preflight");
	term_expect(t, "▸BLOCK");
	assert_true(term_has(t, "not empty"));
	term_key(t, K_ENTER);
	term_expect(t, "something blocks");
	term_key(t, "a");
	term_expect(t, "what blocks cannot be accepted");
	term_key(t, K_DOWN);
	term_expect_gone(t, "what blocks cannot be accepted"); /* it was about the key before */
	term_key(t, K_UP);
	assert_true(term_has(t, "Preflight  5/8"));
	term_key(t, "f");
	term_expect(t, "This cannot be undone");
	term_key(t, K_ENTER); /* nothing typed */
	term_expect(t, "nothing was done. Type it, or Esc");
	assert_string_equal(bed_value(b, B, b->db, "SELECT count(*) FROM pg_tables WHERE tablename = 'precious'"), "1");
	term_type(t, b->db);
	term_key(t, K_ENTER);
	term_expect(t, "nothing blocks");
	term_expect(t, "done: DROP DATABASE ");
	assert_true(term_has(t, "The check is OK now"));
	term_expect(t, " fine: ");
	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	term_key(t, K_ENTER);
	term_expect(t, "proven equal");
	leave(t);
	assert_int_equal(term_end(t), 0);
	bed_check_moved(b);
}

/* Publications are not copied: that wants to be accepted, and it is written down that it was. */
static void test_warning_must_be_accepted(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_sql(b, A, b->db, "CREATE PUBLICATION everything FOR ALL TABLES");
	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Preflight");
	term_expect(t, "▸WARN");
	term_key(t, K_ENTER);
	term_expect(t, "accept each warning with a first");
	assert_true(term_has(t, "Preflight  5/8"));
	for (int i = 0; i < 5 && !term_has(t, "Enter goes on"); i++) {
		term_key(t, "a");
		(void)term_wait_text(t, "Enter goes on", 500);
	}
	term_expect(t, "(accepted)");
	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	term_key(t, K_ENTER);
	term_expect(t, "Done  8/8");
	leave(t);
	(void)term_end(t);
	char *path = xasprintf("%s/state/move/journal.jsonl", b->dir), *journal = bed_read_file(path);
	assert_non_null(strstr(journal, "\"ack\""));
	free(journal);
	free(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_fresh, bed_clear)
	const struct CMUnitTest tests[] = {
		T(test_typed_from_the_beginning), T(test_no_file_is_written_over), T(test_many_settings), T(test_pasted_address), T(test_wrong_password),
		T(test_no_server_there), T(test_back_keeps_what_was_typed), T(test_help_on_each_screen),
		T(test_quitting_asks), T(test_cancel_and_go_on), T(test_go_on_at_once),
		T(test_leave_and_clean_up), T(test_another_is_at_it), T(test_block_and_typed_confirmation),
		T(test_warning_must_be_accepted),
	};

	return cmocka_run_group_tests(tests, bed_start, bed_stop);
}
