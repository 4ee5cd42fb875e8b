/* What the operator sees of a subscription, between two real servers: whom its slot waits for, how it goes, what is wrong. */
#include <libpq-fe.h>
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

/* ---- whom the slot waits for ---- */

/* A session of an application that has written, and does something else now; not waited for. */
static PGconn *writes(const struct bed *b, const char *app, const char *then)
{
	char *info = xasprintf("%s dbname=%s application_name=%s", getenv("PGUSHER_TEST_A"), b->db, app);
	PGconn *c = PQconnectdb(info);
	PGresult *r = PQexec(c, "BEGIN; INSERT INTO note VALUES (99, 'uncommitted')");

	assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	assert_true(!then || PQsendQuery(c, then));
	free(info);
	return c;
}

/* The preflight has seen nobody: the transaction begins behind it. */
static struct term *waits(const struct bed *b, const char *app, const char *then, PGconn **c)
{
	struct term *t = bed_open(b);

	walk_to(t, "Plan");
	*c = writes(b, app, then);
	term_key(t, K_ENTER);
	term_expect(t, "It waits for a transaction");
	return t;
}

static bool lives(const struct bed *b, const char *app)
{
	char *sql = xasprintf("SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'", app);
	bool yes = str_eq(bed_value(b, A, NULL, sql), "1");

	free(sql);
	return yes;
}

static char *journal(const struct bed *b)
{
	char *path = xasprintf("%s/state/move/journal.jsonl", b->dir), *text = bed_read_file(path);

	free(path);
	return text;
}

static void test_slot_wait_terminate(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini_subscription(b, "");
	PGconn *c;
	struct term *t = waits(b, "billing", NULL, &c);
	term_expect(t, "billing), idle in transaction");
	term_expect(t, "ends it: SELECT pg_terminate_backend(");
	term_expect(t, "it runs no statement that could be cancelled");
	assert_false(term_has(t, "c cancel its statement")); /* a session that sleeps */
	term_key(t, "w");
	term_expect_gone(t, "It waits for a transaction");
	term_key(t, "w");
	term_expect(t, "It waits for a transaction");
	term_key(t, "t");
	term_expect(t, "End this session?");
	term_key(t, K_ENTER); /* the default leaves it alone */
	term_expect_gone(t, "End this session?");
	assert_true(lives(b, "billing"));
	term_key(t, "t");
	say_yes(t, "End it");
	assert_true(term_wait_text(t, "follows its source", LONG_MS));
	assert_false(lives(b, "billing"));
	term_key(t, "q");
	(void)term_end(t);
	PQfinish(c);
	char *text = journal(b);
	assert_non_null(strstr(text, "\"title\":\"terminate "));
	assert_non_null(strstr(text, "SELECT pg_terminate_backend("));
	assert_non_null(strstr(text, "end the session that the slot waits for: pid "));
	free(text);
}

static void test_slot_wait_cancel(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini_subscription(b, "");
	PGconn *c;
	struct term *t = waits(b, "nightly", "SELECT pg_sleep(600)", &c);
	term_expect(t, "nightly), active");
	term_expect(t, "SELECT pg_sleep(600)");
	term_key(t, "c");
	assert_true(term_wait_text(t, "follows its source", LONG_MS));
	PGresult *r = PQgetResult(c);
	assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "57014"); /* cancelled, and still connected */
	PQclear(r);
	PQfinish(c);
	term_key(t, "q");
	(void)term_end(t);
	char *text = journal(b);
	assert_non_null(strstr(text, "SELECT pg_cancel_backend("));
	free(text);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_fresh, bed_clear_replication)
	const struct CMUnitTest tests[] = {T(test_slot_wait_terminate), T(test_slot_wait_cancel)};

	return cmocka_run_group_tests(tests, bed_start, bed_stop);
}
