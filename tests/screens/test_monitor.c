/* What the operator sees of a subscription, between two real servers: whom its slot waits for, how it goes, what is wrong. */
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
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

/* ---- lists of tables ---- */

static void test_tables_of_the_monitor(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "");
	term_expect(t, "follows its source");
	term_key(t, "t");
	term_expect(t, "3 tables: 3 ready, 0 catching up, 0 copying, 0 wait");
	term_expect(t, "public.customer");
	term_key(t, "/");
	term_type(t, "ORD"); /* case does not matter; 'q' and the like are no keys now */
	term_expect(t, "filter: ORD_   1 of 3");
	term_expect_gone(t, "public.customer");
	term_key(t, K_ENTER);
	term_expect(t, "filter: ORD   1 of 3");
	assert_true(term_has(t, "public.orders"));
	term_key(t, K_ESC);
	term_expect(t, "public.customer");
	term_key(t, K_ESC);
	term_expect(t, "follows its source");
	term_key(t, "q");
	(void)term_end(t);
}

/* The server's own copy of a table that takes its time: each table while the run waits for it. A domain's check is not set aside. */
static void test_tables_of_a_run(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_quick_source(b);
	bed_sql(b, A, b->db, "CREATE DOMAIN slowly AS int CHECK (public.slow(VALUE)); CREATE TABLE many (id slowly PRIMARY KEY)");
	bed_sql(b, A, b->db, "INSERT INTO many SELECT generate_series(1, 1000); CREATE OR REPLACE FUNCTION slow(int) RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(0.1) IS NOT NULL'");
	bed_ini_subscription(b, "[subscription]\ncopy = native\n");
	struct term *t = bed_open(b);
	walk_to(t, "Plan");
	term_key(t, K_ENTER);
	assert_true(term_wait_text(t, "3 of 4 tables ready", LONG_MS));
	term_expect(t, "t tables");
	term_key(t, "t");
	term_expect(t, "4 tables: 3 ready, 0 catching up, 1 copying, 0 wait");
	term_expect(t, "public.many");
	term_expect(t, "B copied, ");
	term_key(t, "/");
	term_type(t, "orders");
	term_expect_gone(t, "public.many");
	assert_true(term_has(t, "public.orders"));
	term_key(t, K_ESC);
	term_expect(t, "public.many");
	term_key(t, K_ESC);
	term_expect(t, "3 of 4 tables ready");
	term_key(t, K_ESC);
	say_yes(t, "Stop it");
	assert_true(term_wait_text(t, "in step 10 of 10", LONG_MS));
	leave(t);
	(void)term_end(t);
}

static void to_options(struct term *t)
{
	walk_to(t, "Options");
	term_expect(t, "F3 choose tables");
}

/* Chosen from what the source has, under any name; the settings say it, the list shows it again, and only that is followed. */
static void test_tables_are_chosen(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	bed_source(b);
	bed_sql(b, A, b->db, "CREATE SCHEMA \"Ein, Sch\"; CREATE TABLE \"Ein, Sch\".\"we\"\"ird Таблица\" (id int PRIMARY KEY); CREATE SCHEMA whole; CREATE TABLE whole.one (id int PRIMARY KEY)");
	bed_ini_subscription(b, "");
	struct term *t = bed_open(b);
	to_options(t);
	term_key(t, K_F3);
	term_expect(t, "None is chosen: all are followed");
	term_key(t, "/");
	term_type(t, "ТАБЛ");
	term_expect(t, "1 of 8");
	term_key(t, K_ENTER);
	term_key(t, " ");
	term_expect(t, "Chosen: 1 table, ");
	term_key(t, K_ESC);
	term_expect(t, "8 in all");
	term_key(t, "/");
	term_type(t, "schema whole");
	term_expect(t, "1 of 8");
	term_key(t, K_ENTER);
	term_key(t, " ");
	term_expect(t, "Chosen: 2 tables, ");
	term_key(t, K_ENTER);
	term_expect(t, "Follows only what was chosen: 1 by name, 1 by schema");
	term_key(t, K_F3);
	term_expect(t, "[x] \"Ein, Sch\".\"we\"\"ird Таблица\"");
	assert_true(term_has(t, "[x] schema whole"));
	assert_true(term_has(t, "[+] whole.one"));
	assert_true(term_has(t, "[ ] public.orders"));
	term_key(t, K_ESC);
	term_expect(t, "Options  4/8");
	term_key(t, K_ENTER);
	term_expect(t, " fine: ");
	term_key(t, "q");
	say_yes(t, "Leave");
	(void)term_end(t);
	char *ini = bed_read_file(b->ini);
	assert_non_null(strstr(ini, "tables = \"Ein, Sch\".\"we\"\"ird Таблица\"\n"));
	assert_non_null(strstr(ini, "schemas = whole\n"));
	free(ini);
	const char *argv[] = {getenv("PGUSHER_BIN") ? getenv("PGUSHER_BIN") : "./pgusher", "run", "-c", b->ini, "--yes", NULL};
	t = term_start(24, 80, argv, NULL);
	(void)term_end(t);
	assert_string_equal(bed_value(b, B, b->db, "SELECT string_agg(srrelid::regclass::text, ' ' ORDER BY srrelid::regclass::text COLLATE \"C\") FROM pg_subscription_rel"),
			    "\"Ein, Sch\".\"we\"\"ird Таблица\" whole.one");
}

/* ---- one that is there already ---- */

static void subscribe_by_hand(const struct bed *b)
{
	char *db = xasprintf("CREATE DATABASE %s", b->db), *sub = xasprintf("CREATE SUBSCRIPTION \"pgusher by hand, move\" CONNECTION 'host=%s port=%s user=%s password=%s dbname=%s'"
		" PUBLICATION \"by hand\" WITH (slot_name = screens_by_hand)", b->host[A], b->port[A], b->user[A], b->password[A], b->db);

	bed_sql(b, A, b->db, "CREATE PUBLICATION \"by hand\" FOR TABLE note");
	bed_sql(b, B, NULL, db);
	bed_sql(b, B, b->db, "CREATE TABLE note (id int PRIMARY KEY, body text)");
	bed_sql(b, B, b->db, sub);
	free(db);
	free(sub);
}

/* A subscription that somebody made from this source is offered by the preflight, and taken over when one says so. */
static void test_adopt_is_offered(void **state)
{
	struct bed *b = *state;
	static const char chosen[] = "▸WARN   the subscription pgusher by hand, move reads from this source already";

	NEED_SERVERS(b);
	bed_source(b);
	bed_ini_subscription(b, "");
	subscribe_by_hand(b);
	struct term *t = bed_open(b);
	walk_to(t, "Preflight");
	for (int i = 0; i < 20 && !term_wait_text(t, chosen, 300); i++)
		term_key(t, K_DOWN);
	term_expect(t, chosen);
	term_expect(t, "[subscription] adopt = pgusher by hand, move");
	term_key(t, "f");
	term_expect(t, "Take this subscription over?");
	term_key(t, K_ENTER); /* the default leaves it */
	term_expect_gone(t, "Take this subscription over?");
	term_key(t, "f");
	say_yes(t, "Take it over");
	term_expect(t, "the subscription pgusher by hand, move was made by somebody else");
	assert_false(term_has(t, "reads from this source already"));
	term_key(t, "q");
	say_yes(t, "Leave");
	(void)term_end(t);
	char *ini = bed_read_file(b->ini);
	assert_non_null(strstr(ini, "adopt = pgusher by hand, move\n"));
	free(ini);
}

/* ---- a cutover that was killed ---- */

/* What servers and journal say when pgusher was killed behind its fence (method/phase.h). */
static void killed_behind_the_fence(const struct bed *b)
{
	static const char fence[] = "COMMENT ON PUBLICATION pgusher_move IS 'pgusher fenced this database for a moment; before: '";
	char at[48], *path = xasprintf("%s/state/move/journal.jsonl", b->dir);

	struct term *t = bed_follows(b, "");
	term_expect(t, "follows its source");
	assert_false(term_has(t, "CLOSED TO WRITERS"));
	term_key(t, "q");
	(void)term_end(t);
	bed_sql(b, A, b->db, fence);
	char *sql = xasprintf("ALTER DATABASE %s SET default_transaction_read_only = on", b->db);
	bed_sql(b, A, NULL, sql);
	free(sql);
	FILE *f = fopen(path, "ae");
	(void)snprintf(at, sizeof at, "%lld", (long long)clock_wall_us());
	assert_true(f && fprintf(f, "{\"at_us\":%s,\"kind\":\"begin\",\"id\":\"killed\",\"title\":\"move\",\"text\":\"me@here\",\"n\":1,\"sql\":\"cutover\"}\n"
			"{\"at_us\":%s,\"kind\":\"left\",\"id\":\"freeze:%s\",\"title\":\"the source refuses writes\",\"text\":\"source\"}\n", at, at, b->db) > 0 && fclose(f) == 0);
	free(path);
}

static void taken_back(const struct bed *b)
{
	char *sql = xasprintf("SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase AND d.datname = '%s'", b->db);
	assert_string_equal(bed_value(b, A, NULL, sql), "0");
	free(sql);
	char *text = journal(b);
	assert_non_null(strstr(text, "taken back"));
	free(text);
}

static void test_killed_cutover_is_said_first(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	killed_behind_the_fence(b);
	struct term *t;
	t = bed_open(b);
	term_expect(t, "THE SOURCE IS CLOSED TO WRITERS: a cutover was interrupted");
	assert_int_equal(term_find(t, "THE SOURCE IS CLOSED", NULL), 2); /* first of all */
	assert_true(term_has(t, "B take it back"));
	term_key(t, "B");
	assert_true(term_wait_text(t, "it has ended", LONG_MS));
	term_key(t, K_ENTER);
	term_expect(t, "follows its source");
	term_expect_gone(t, "CLOSED TO WRITERS");
	term_expect_gone(t, "B take it back");
	term_key(t, "q");
	(void)term_end(t);
	taken_back(b);
}

/* The target's own word: nothing of a rollback stands in the journal here, as on another machine. */
static void test_killed_rollback_is_said_first(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, "");
	term_expect(t, "follows its source");
	bed_sql(b, A, b->db, "COMMENT ON PUBLICATION pgusher_move IS 'pgusher cut over: another server is the primary; before: '");
	term_expect(t, "is over: the target is the primary");
	assert_false(term_has(t, "CLOSED TO WRITERS"));
	assert_false(term_has(t, "B take it back"));
	bed_sql(b, B, b->db, "CREATE PUBLICATION pgusher_move_back");
	bed_sql(b, B, b->db, "COMMENT ON PUBLICATION pgusher_move_back IS 'pgusher fenced this database for a moment; before: '");
	term_expect(t, "THE TARGET IS CLOSED TO WRITERS: a rollback was interrupted");
	assert_int_equal(term_find(t, "THE TARGET IS CLOSED", NULL), 2); /* first of all */
	assert_true(term_has(t, "pgusher rollback --abort"));
	assert_true(term_has(t, "B take it back"));
	assert_false(term_has(t, "ALTER SUBSCRIPTION"));
	bed_sql(b, B, b->db, "COMMENT ON PUBLICATION pgusher_move_back IS NULL");
	term_expect_gone(t, "CLOSED TO WRITERS");
	term_key(t, "q");
	(void)term_end(t);
}

/* A password that was only typed died with the process: what is closed stays on the screen, and the password is asked for where it is needed. */
static void test_killed_cutover_and_no_password(void **state)
{
	struct bed *b = *state;
	static const char *const wants[] = {"The source wants a password", "The target wants a password"};

	NEED_SERVERS(b);
	killed_behind_the_fence(b);
	char *file = xasprintf("%s/passfile", b->dir), *away = xasprintf("%s/passfile.away", b->dir);
	assert_int_equal(rename(file, away), 0);
	struct term *t = bed_open(b);
	for (int side = 0; side < 2; side++) { /* the watch's, which goes on without */
		term_expect(t, wants[side]);
		term_key(t, K_ESC);
		term_expect_gone(t, wants[side]);
	}
	term_expect(t, "A CUTOVER WAS INTERRUPTED");
	term_expect(t, "slot      not known");
	assert_true(term_has(t, "p password..."));
	term_key(t, "B");
	for (int side = 0; side < 2; side++) {
		assert_true(term_wait_text(t, wants[side], LONG_MS));
		term_type(t, b->password[side]);
		term_expect(t, "******");
		assert_false(term_has(t, b->password[side]));
		term_key(t, K_ENTER);
	}
	assert_true(term_wait_text(t, "it has ended", LONG_MS));
	term_expect(t, "taken back");
	term_key(t, K_ENTER);
	term_expect(t, "follows its source");
	assert_false(term_has(t, "wants a password"));
	term_key(t, "q");
	(void)term_end(t);
	assert_int_equal(rename(away, file), 0);
	free(file);
	free(away);
	taken_back(b);
}

/* ---- alarms ---- */

static int bells(const struct term *t)
{
	size_t n;
	const char *p = term_bytes(t, &n);
	int found = 0;

	for (size_t i = 0; i < n; i++)
		found += p[i] == '\a';
	return found;
}

/* Until the clock in the head has moved on so often: of samples there are more. */
static void pass_seconds(struct term *t, int n)
{
	int64_t end = clock_deadline(LONG_MS);

	for (char last[16] = ""; n >= 0 && clock_poll_ms(end) > 0; (void)term_read(t, 50)) {
		const char *row = term_row(t, 0), *now = row + strlen(row) - 8;
		if (!str_eq(now, last)) {
			(void)snprintf(last, sizeof last, "%s", now);
			n--;
		}
	}
	assert_true(n < 0);
}

/* The bell, and the operator's command: once, however many samples still say so. */
static void test_alarm_rings_once(void **state)
{
	struct bed *b = *state;
	char *rung = xasprintf("%s/rung", b->dir), *more = xasprintf("[hooks]\nalarm = sh -c 'echo \"$PGUSHER_REASON\" >>%s'\n[ui]\nrefresh = 100\n", rung);

	NEED_SERVERS(b);
	struct term *t = bed_follows(b, more);
	term_expect(t, "nothing is wrong");
	int before = bells(t);
	bed_sql(b, B, b->db, "ALTER SUBSCRIPTION pgusher_move DISABLE");
	term_expect(t, "ALARM");
	term_expect(t, "is disabled");
	pass_seconds(t, 3);
	assert_int_equal(bells(t) - before, 1);
	char *text = bed_read_file(rung);
	assert_string_equal(text, "ALARM: the subscription pgusher_move is disabled\n");
	free(text);
	bed_sql(b, B, b->db, "ALTER SUBSCRIPTION pgusher_move ENABLE");
	term_expect(t, "nothing is wrong");
	term_key(t, "q");
	(void)term_end(t);
	free(rung);
	free(more);
}

/* The server's password is another one from now on: typed into the watch that runs, wrong and right. */
static void test_another_password(void **state)
{
	struct bed *b = *state;

	NEED_SERVERS(b);
	char *file = xasprintf("%s/passfile", b->dir), *away = xasprintf("%s/passfile.away", b->dir);
	struct term *t = bed_follows(b, "");
	term_expect(t, "nothing is wrong");
	assert_false(term_has(t, "p password..."));
	assert_int_equal(rename(file, away), 0);
	bed_sql(b, B, NULL, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgusher watch%'");
	term_expect(t, "The target wants a password");
	term_type(t, "not it");
	term_key(t, K_ENTER);
	term_expect_gone(t, "The target wants a password");
	term_expect(t, "no login to the target: password authentication failed");
	term_key(t, "p");
	term_expect(t, "The target wants a password");
	term_type(t, b->password[B]);
	assert_false(term_has(t, b->password[B]));
	term_key(t, K_ENTER);
	term_expect(t, "nothing is wrong");
	assert_false(term_has(t, "p password..."));
	assert_int_equal(rename(away, file), 0);
	term_key(t, "q");
	(void)term_end(t);
	free(file);
	free(away);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_fresh, bed_clear_replication)
	const struct CMUnitTest tests[] = {T(test_slot_wait_terminate), T(test_slot_wait_cancel), T(test_tables_of_the_monitor), T(test_tables_of_a_run), T(test_tables_are_chosen), T(test_adopt_is_offered),
		T(test_killed_cutover_is_said_first), T(test_killed_rollback_is_said_first), T(test_killed_cutover_and_no_password), T(test_alarm_rings_once), T(test_another_password)};

	return cmocka_run_group_tests(tests, bed_start, bed_stop);
}
