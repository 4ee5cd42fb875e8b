/* The subscription method through the screens, between two real servers: watched, rehearsed, aborted, cut over, given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "bed.h"

#define LONG_MS 60000

static void written_to(const struct bed *b, int side)
{
	bed_sql(b, side, b->db, "INSERT INTO note SELECT max(id) + 1, 'written' FROM note");
}

static bool refused(const struct bed *b)
{
	char *sql = xasprintf("SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase AND d.datname = '%s'"
			      " WHERE array_to_string(setconfig, ' ') LIKE '%%default_transaction_read_only=on%%'", b->db);
	bool yes = str_eq(bed_value(b, A, NULL, sql), "1");

	free(sql);
	return yes;
}

static void begin(struct term *t, const struct bed *b)
{
	term_key(t, "c");
	assert_true(term_wait_text(t, "type ", LONG_MS));
	term_expect(t, "Cut over now?");
	term_type(t, b->db);
	term_key(t, K_ENTER);
}

static void test_cut_over(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "");
	term_expect(t, "follows its source");
	term_expect(t, "✓ all tables ready");
	term_key(t, "v");
	term_expect(t, "The conditions of a cutover");
	term_expect(t, "3 of 3");
	term_key(t, K_ESC);
	written_to(b, A);
	begin(t, b);
	assert_true(term_wait_text(t, "cut over: the target is the primary now", LONG_MS));
	term_expect(t, "THE TARGET IS THE PRIMARY");
	term_expect(t, "███"); /* for how long */
	assert_true(term_has(t, "✓ done     hand over"));
	assert_true(refused(b));
	assert_string_equal(bed_value(b, B, b->db, "SELECT count(*) FROM note WHERE body = 'written'"), "1");
	assert_string_equal(bed_value(b, B, b->db, "SELECT last_value FROM customer_id_seq"), "200");
	written_to(b, B);
	term_key(t, K_UP);
	term_key(t, "s");
	term_expect(t, "any key closes");
	term_key(t, " ");
	term_key(t, K_ESC); /* the chosen step is let go */
	term_key(t, K_ESC);
	term_expect(t, "nobody talks to the old server any more");
	term_key(t, "c");
	term_expect(t, "it was cut over: the target is the primary");
	term_key(t, "q");
	assert_int_equal(term_end(t), 0);
	t = bed_open(b); /* straight back to it */
	term_expect(t, "b goes back");
	term_key(t, "b");
	assert_true(term_wait_text(t, "Roll back now?", LONG_MS));
	term_type(t, b->db);
	term_key(t, K_ENTER);
	assert_true(term_wait_text(t, "THE SOURCE IS THE PRIMARY", LONG_MS));
	assert_true(term_wait_text(t, "it has ended", LONG_MS));
	assert_false(term_has(t, "abort")); /* the keys are those of now */
	assert_true(term_has(t, "Esc back to the monitor"));
	assert_false(refused(b));
	assert_string_equal(bed_value(b, A, b->db, "SELECT count(*) FROM note WHERE body = 'written'"), "2");
	written_to(b, A);
	leave(t);
	(void)term_end(t);
}

/* For good. */
static void test_finalize(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "");
	term_expect(t, "✓ all tables ready");
	begin(t, b);
	assert_true(term_wait_text(t, "cut over: the target is the primary now", LONG_MS));
	assert_true(term_wait_text(t, "it has ended", LONG_MS)); /* its report is written then */
	term_key(t, K_ENTER);
	term_expect(t, "F finalizes");
	term_key(t, "x");
	term_expect(t, "it was cut over: F finalizes");
	term_key(t, "F");
	assert_true(term_wait_text(t, "Remove the links", LONG_MS));
	term_type(t, b->db);
	term_key(t, K_ENTER);
	assert_true(term_wait_text(t, "it has ended", LONG_MS));
	leave(t);
	(void)term_end(t);
	for (int side = A; side <= B; side++) {
		assert_string_equal(bed_value(b, side, NULL, "SELECT count(*) FROM pg_subscription WHERE subname LIKE 'pgusher_move%'"), "0");
		assert_string_equal(bed_value(b, side, NULL, "SELECT count(*) FROM pg_replication_slots WHERE database LIKE 'screens%'"), "0");
		assert_string_equal(bed_value(b, side, b->db, "SELECT count(*) FROM pg_publication"), "0");
	}
	assert_true(refused(b)); /* the old one stays closed */
	written_to(b, B);
}

static void command(const struct bed *b, const char *what, const char *yes, const char *word)
{
	const char *argv[] = {getenv("PGUSHER_BIN") ? getenv("PGUSHER_BIN") : "./pgusher", what, "-c", b->ini, yes, word, NULL};

	assert_int_equal(term_end(term_start(24, 80, argv, NULL)), 0);
}

/* What a wizard changed on a server that was left before any run: the report of another process says who, where and how to undo it, and so does finalize. */
static void test_fix_is_told(void **state)
{
	static const char fix[] = "ALTER TABLE \"public\".\"keyless\" REPLICA IDENTITY FULL", undo[] = "ALTER TABLE \"public\".\"keyless\" REPLICA IDENTITY DEFAULT";
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_sql(b, A, b->db, "CREATE TABLE keyless (a int)");
	bed_ini_subscription(b, "");
	struct term *t = bed_open(b);
	walk_to(t, "Preflight");
	term_expect(t, "1 table has no replica identity");
	term_key(t, "f");
	term_expect(t, "Run this?");
	char *where = xasprintf("On the source, %s:%s/", b->host[A], b->port[A]);
	term_expect(t, where);
	say_yes(t, "Run it");
	term_expect(t, "every table has a replica identity");
	leave(t);
	(void)term_end(t);
	assert_string_equal(bed_value(b, A, b->db, "SELECT relreplident FROM pg_class WHERE relname = 'keyless'"), "f");
	command(b, "run", "--yes", NULL);
	command(b, "cutover", "--confirm", b->db);
	command(b, "finalize", "--confirm", b->db);
	char *path = xasprintf("%s/state/move/report.md", b->dir), *text = bed_read_file(path);
	char *host = xasprintf("%s:%s", b->host[A], b->port[A]);
	const char *told = strstr(text, "- fix of "), *next = told ? strstr(told + 1, "- fix of ") : NULL, *left = strstr(text, "a fix of the preflight stays");
	if (!told || !strstr(told, " applied by ") || !strstr(told, host) || !strstr(told, fix) || !strstr(told, "To undo it:") || !strstr(told, undo) || next)
		fail_msg("not told, or twice: %s", told ? told : text);
	if (!left || !strstr(left, host) || !strstr(left, undo))
		fail_msg("finalize does not say that it stays: %s", text);
	free(host);
	free(text);
	free(path);
	free(where);
}

/* The names of many tables leave room, on 80x24, for why that is bad and what to do. */
static void test_long_finding(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_sql(b, A, b->db, "DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('CREATE TABLE a_table_without_a_key_%s (a int)', i); END LOOP; END $$");
	bed_ini_subscription(b, "");
	struct term *t = bed_open(b);
	walk_to(t, "Preflight");
	term_expect(t, "40 tables have no replica identity");
	static const char *const shown[] = {"a_table_without_a_key_1\"", "a primary key that is not deferrable", "once published, every UPDATE", "give them one; nobody waits longer", "f runs"};
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		term_expect(t, shown[i]);
	leave(t);
	(void)term_end(t);
}

/* A transaction that keeps the soft fence waiting, in a psql. */
static struct term *hold(const struct bed *b)
{
	char dsn[512];

	(void)snprintf(dsn, sizeof dsn, "host=%s port=%s user=%s password=%s dbname=%s", b->host[A], b->port[A], b->user[A], b->password[A], b->db);
	const char *const argv[] = {"psql", "-X", dsn, NULL};
	struct term *t = term_start(24, 80, argv, NULL);
	term_type(t, "BEGIN; UPDATE note SET body = 'held' WHERE id = 1;\r");
	term_expect(t, "UPDATE 1");
	return t;
}

/* ssh is cut while writers wait: it goes on to its end without a terminal. Cut while it asks, nothing begins. */
static void test_hang_up(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "");
	term_expect(t, "✓ all tables ready");
	term_key(t, "c");
	assert_true(term_wait_text(t, "type ", LONG_MS));
	term_hang_up(t);
	assert_int_equal(term_end(t), 3);
	assert_false(refused(b));
	written_to(b, A);
	t = bed_open(b);
	term_expect(t, "✓ all tables ready");
	struct term *holder = hold(b);
	begin(t, b);
	term_expect(t, "who writes: pid ");
	term_hang_up(t);
	term_type(holder, "COMMIT;\r");
	term_expect(holder, "COMMIT");
	term_type(holder, "\\q\r");
	(void)term_end(holder);
	assert_int_equal(term_end(t), 0);
	assert_true(refused(b));
	assert_string_equal(bed_value(b, B, b->db, "SELECT count(*) FROM note WHERE body IN ('written', 'held')"), "2");
	written_to(b, B);
	t = bed_open(b);
	term_expect(t, "b goes back");
	term_key(t, "q");
	assert_int_equal(term_end(t), 0);
}

/* Somebody holds a table: writers wait behind us, the screen says who it is; Esc lets them go. */
static void test_abort(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "");
	term_expect(t, "✓ all tables ready");
	struct term *holder = hold(b);
	begin(t, b);
	term_expect(t, "WRITERS WAIT");
	term_expect(t, "who writes: pid ");
	term_key(t, K_ESC);
	term_expect(t, "Abort it?");
	term_key(t, K_ENTER); /* the default: it goes on */
	term_expect_gone(t, "Abort it?");
	term_key(t, K_ESC);
	say_yes(t, "Abort");
	term_expect(t, "TAKEN BACK");
	assert_true(term_has(t, "stopped"));
	assert_false(refused(b));
	term_type(holder, "COMMIT;\r");
	term_expect(holder, "COMMIT");
	written_to(b, A);
	assert_true(bed_wait_value(b, B, b->db, "SELECT count(*) FROM note WHERE body IN ('written', 'held')", "2", TERM_MS));
	term_key(t, K_ENTER);
	term_expect(t, "follows its source");
	term_key(t, "q");
	(void)term_end(t);
	term_type(holder, "\\q\r");
	(void)term_end(holder);
	t = bed_open(b); /* an attempt that was taken back hinders nothing */
	term_expect(t, "follows its source");
	term_key(t, "q");
	(void)term_end(t);
}

/* Not the name: nothing begins. No to the question at the hand-over: what is done stays, and is said. */
static void test_gates(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "[cutover]\nhold = yes\n");
	term_expect(t, "✓ all tables ready");
	term_key(t, "c");
	assert_true(term_wait_text(t, "type ", LONG_MS));
	term_type(t, "something else");
	term_key(t, K_ENTER);
	term_expect(t, "nothing was done. Type it, or Esc");
	term_key(t, K_ESC);
	term_expect(t, "NOT BEGUN: all is as it was");
	assert_false(refused(b));
	term_key(t, K_ESC);
	term_expect(t, "follows its source");
	begin(t, b);
	assert_true(term_wait_text(t, "Does the application point to the new primary?", LONG_MS));
	assert_true(term_has(t, "The new primary: "));
	assert_true(term_has(t, b->port[B]));
	term_key(t, "y");
	assert_true(term_wait_text(t, "cut over: the target is the primary now", LONG_MS));
	assert_true(refused(b));
	term_key(t, "q");
	(void)term_end(t);
}

static void test_rehearse(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "");
	term_expect(t, "✓ all tables ready");
	term_key(t, "R");
	assert_true(term_wait_text(t, "a cutover may begin", LONG_MS));
	assert_true(term_has(t, "writes would wait or be refused for about"));
	assert_false(refused(b));
	written_to(b, A);
	term_key(t, K_ESC);
	term_expect(t, "follows its source");
	term_key(t, "r"); /* the attempt is what it was */
	term_expect(t, "target follows the source");
	term_key(t, "q");
	(void)term_end(t);
}

/* The copy stays unless that is wanted otherwise. */
static void abandon(struct bed *b, bool drop)
{
	struct term *t = bed_follows(b, "");
	term_expect(t, "✓ all tables ready");
	term_key(t, "x");
	term_expect(t, "Abandon the replication?");
	term_key(t, K_ENTER); /* nothing typed */
	term_expect(t, "nothing was done. Type it, or Esc");
	term_type(t, b->db);
	term_key(t, K_ENTER);
	term_expect(t, "And the copy on the target?");
	term_key(t, drop ? "y" : K_ENTER);
	assert_true(term_wait_text(t, "Remove all of this?", LONG_MS));
	if (drop) {
		term_expect(t, "the target's copy (");
		term_type(t, b->db);
		term_key(t, K_ENTER);
	} else {
		term_expect(t, "stays, with the copy that it has");
		say_yes(t, "Yes");
	}
	assert_true(term_wait_text(t, "any key closes", LONG_MS));
	term_key(t, " ");
	term_key(t, "q");
	(void)term_end(t);
	assert_string_equal(bed_value(b, B, NULL, "SELECT count(*) FROM pg_subscription WHERE subname LIKE 'pgusher_move%'"), "0");
	assert_string_equal(bed_value(b, A, NULL, "SELECT count(*) FROM pg_replication_slots WHERE database LIKE 'screens%'"), "0");
	assert_string_equal(bed_value(b, A, b->db, "SELECT count(*) FROM pg_publication"), "0");
	char *there = xasprintf("SELECT count(*) FROM pg_database WHERE datname = '%s'", b->db);
	assert_string_equal(bed_value(b, B, NULL, there), drop ? "0" : "1");
	free(there);
}

static void test_abandon(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	abandon(b, false);
}

static void test_abandon_copy(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	abandon(b, true);
}

/* A slot is about to fill the source's disk: the key that gives it up is among the first ones, and what it does is said. */
static void test_disk(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	char *df = xasprintf("%s/df", b->dir), *more = xasprintf("[source]\nwal_disk = cat %s\n", df);
	FILE *f = fopen(df, "we");
	assert_non_null(f);
	assert_true(fputs("Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 9000 8000 1000 90% /wal\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	struct term *t = bed_follows(b, more);
	term_expect(t, "kB free; by the command in [source] wal_disk");
	assert_false(term_has(t, "x abandon"));
	char *sql = xasprintf("ALTER SUBSCRIPTION %s DISABLE", bed_value(b, B, NULL, "SELECT quote_ident(subname) FROM pg_subscription WHERE subname LIKE 'pgusher%move%'"));
	bed_sql(b, B, b->db, sql);
	for (int i = 0; i < LONG_MS / 1000 && !term_wait_text(t, "x abandon...", 1000); i++)
		bed_sql(b, A, b->db, "SELECT pg_logical_emit_message(false, 'x', repeat('y', 20000)), pg_switch_wal()");
	term_expect(t, "x abandon...");
	term_expect(t, "the source's disk is full in");
	term_expect(t, "gives the replication up");
	term_key(t, "x");
	term_expect(t, "Abandon the replication?");
	term_key(t, K_ESC);
	term_key(t, "q");
	(void)term_end(t);
	free(sql);
	free(more);
	free(df);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_fresh, bed_clear_replication)
	cmocka_set_test_filter(getenv("ONLY")); /* by name, with * and ?; all without it */
	const struct CMUnitTest tests[] = {T(test_cut_over), T(test_finalize), T(test_fix_is_told), T(test_long_finding), T(test_abort), T(test_hang_up), T(test_gates), T(test_rehearse), T(test_abandon), T(test_abandon_copy), T(test_disk)};

	return cmocka_run_group_tests(tests, bed_start, bed_stop);
}
