/* copy between two servers: what breaks meanwhile, and who writes. */
#include "copy_bed.h"

static void big_table(void)
{
	sql_both("CREATE TABLE c.big (id int, t text); CREATE TABLE c.big2 (id int, t text)");
	sql_on(0, "INSERT INTO c.big SELECT g, repeat(md5(g::text), 4) FROM generate_series(1, 400000) g; INSERT INTO c.big2 SELECT * FROM c.big LIMIT 50000");
}

static int sessions(int side)
{
	char *n = value(side, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '" APP "'");
	int k = atoi(n);
	free(n);
	return k;
}

static void lose(int side, int64_t range_bytes)
{
	struct copy_progress p;
	struct err err = {0};
	big_table();
	struct copy_list *l = list();
	struct copy_job *j = begin(l, END, 3, range_bytes, NULL);
	for (int part = 1; part <= 2; part++) { /* in the middle of ranges, and once more in what was begun again */
		do {
			struct pollfd fd = {.fd = copy_fd(j), .events = POLLIN};
			(void)poll(&fd, 1, 20);
			copy_peek(j, &p);
		} while (p.bytes < p.of_bytes * part / 5 && !p.finished);
		char *n = value(side, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '" APP "'");
		free(n);
	}
	wait_end(j, &p);
	take_issues(j);
	must(copy_finish(j, &err), &err, "copy_finish");
	no_issue();
	if (p.broken == 0)
		print_message("the copy was faster than its end\n");
	copy_list_free(l);
	equal("c.big");
	equal("c.big2");
	assert_true(p.bytes == p.of_bytes && p.work == p.of_work && p.left_ms == 0);
	assert_int_equal(p.rows, 450000);
	assert_int_equal(p.tables, p.of_tables);
}

static void test_lost_target(void **state)
{
	(void)state;
	NEED_SERVERS;
	lose(1, 0);
}

static void test_lost_target_ranges(void **state)
{
	(void)state;
	NEED_SERVERS;
	lose(1, 1 << 20);
}

static void test_lost_source(void **state)
{
	(void)state;
	NEED_SERVERS;
	lose(0, 1 << 20);
}

#define CUT "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '" APP "'"

/* A session that breaks while it is opened is opened again: three cuts for eight workers, each of which has four tries. */
static void test_lost_at_first(void **state)
{
	(void)state;
	NEED_SERVERS;
	for (int round = 0; round < 6; round++) {
		int side = round % 2, cuts = 0;
		struct copy_progress p = {0};
		struct err err = {0};
		struct copy_list *l = list();
		struct copy_job *j;
		struct copy_options o = {.end = {&end[0], &end[1]}, .application_name = APP, .snapshot = snapshot, .jobs = 8};
		must(copy_start(&j, l, NULL, &o, &err), &err, "copy_start");
		for (int64_t deadline = clock_deadline(30000); cuts < 3 && !p.finished && clock_mono_us() < deadline;) {
			char *n = value(side, CUT);
			cuts += atoi(n) > 0;
			free(n);
			copy_peek(j, &p);
		}
		must(copy_go(j, END, &err), &err, "copy_go");
		must(copy_finish(j, &err), &err, "copy_finish");
		assert_true(cuts > 0);
		copy_list_free(l);
		(void)forget(state);
	}
}

/* Committed, and the answer is lost (a server that waits for its standby is told to end): the rows are there once, and counted. */
static void unheard(int64_t range_bytes, int64_t rows)
{
	static const char waiting[] = " FROM pg_stat_activity WHERE application_name = '" APP "' AND wait_event = 'SyncRep'";
	struct copy_progress p = {0};
	struct err err = {0};
	int cut = 0;

	struct copy_list *l = list();
	sql_on(1, "SET synchronous_commit = local");
	sql_on(1, "ALTER SYSTEM SET synchronous_standby_names = 'pgusher_nobody'");
	sql_on(1, "SELECT pg_reload_conf()");
	struct copy_job *j = begin(l, END, 3, range_bytes, NULL);
	for (int64_t deadline = clock_deadline(30000); cut == 0 && !p.finished && clock_mono_us() < deadline;) {
		char *sql = xasprintf("SELECT count(pg_terminate_backend(pid))%s", waiting), *n = value(1, sql);
		cut = atoi(n);
		free(n);
		free(sql);
		copy_peek(j, &p);
	}
	sql_on(1, "ALTER SYSTEM RESET synchronous_standby_names");
	sql_on(1, "SELECT pg_reload_conf()");
	wait_end(j, &p);
	take_issues(j);
	must(copy_finish(j, &err), &err, "copy_finish");
	no_issue();
	copy_list_free(l);
	assert_true(cut > 0 && p.broken > 0);
	assert_int_equal(p.rows, rows);
}

static void test_commit_unheard(void **state)
{
	(void)state;
	NEED_SERVERS;
	big_table();
	unheard(1 << 20, 450000);
	equal("c.big");
	equal("c.big2");
}

/* Several small tables in one transaction, of which some go into one and the same: those cannot be truncated before it is done again. */
static void test_commit_unheard_of_several(void **state)
{
	(void)state;
	NEED_SERVERS;
	sql_both("CREATE TYPE c.e AS ENUM ('a', 'b', 'c', 'd'); CREATE TABLE c.h (v c.e, n int) PARTITION BY HASH (v);"
		 "CREATE TABLE c.h0 PARTITION OF c.h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE c.h1 PARTITION OF c.h FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
		 "CREATE TABLE c.s1 (n int); CREATE TABLE c.s2 (n int)");
	sql_on(0, "INSERT INTO c.h SELECT (enum_range(NULL::c.e))[1 + g % 4], g FROM generate_series(1, 400) g; INSERT INTO c.s1 VALUES (1); INSERT INTO c.s2 VALUES (2)");
	unheard(0, 402);
	is(1, "SELECT count(*) || ' ' || count(DISTINCT n) FROM c.h", "400 400");
	equal("c.s1");
	equal("c.s2");
}

static void test_snapshot_gone(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct err err = {0};
	struct copy_list *l = list();
	session_close(holder);
	holder = NULL;
	for (int64_t deadline = clock_deadline(5000); clock_mono_us() < deadline && sessions(0) > 0;)
		(void)usleep(10000);
	struct copy_job *j = begin(l, END, 2, 0, NULL);
	assert_int_equal(copy_finish(j, &err), ERR_LOST);
	assert_non_null(strstr(err.msg, "snapshot"));
	copy_list_free(l);
}

static void test_cancel(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct cancel cancel;
	struct copy_progress p;
	struct err err = {0};
	big_table();
	assert_true(cancel_init(&cancel));
	struct copy_list *l = list();
	struct copy_job *j = begin(l, END, 2, 0, &cancel);
	do {
		copy_peek(j, &p);
		(void)usleep(1000);
	} while (p.bytes == 0 && !p.finished);
	cancel_raise(&cancel);
	assert_int_equal(copy_finish(j, &err), ERR_CANCELLED);
	for (int64_t deadline = clock_deadline(30000); (sessions(0) || sessions(1)) && clock_mono_us() < deadline;)
		(void)usleep(10000);
	if (sessions(0) || sessions(1))
		fail_msg("a session of ours was left");
	cancel_fini(&cancel);
	copy_list_free(l);
}

static void test_no_connection(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct err err = {0};
	struct copy_list *l = list();
	char *keep = end[1].port;
	end[1].port = "1";
	struct copy_job *j = begin(l, END, 2, 0, NULL);
	assert_int_equal(copy_finish(j, &err), ERR_CONNECT);
	end[1].port = keep;
	copy_list_free(l);
}

/* Rows that wander while they are copied: what the snapshot held arrives, once, whichever range they are in now. */
static void test_moved_rows(void **state)
{
	(void)state;
	NEED_SERVERS;
	static const char sum[] = "SELECT count(*) || ' ' || md5(string_agg(h, '' ORDER BY h)) FROM (SELECT md5(t::text) AS h FROM c.moving t) x";
	struct copy_progress p = {0};
	struct err err = {0};
	char *want, *sql;
	int round = 0;

	sql_both("CREATE TABLE c.moving (id int, n int, t text)");
	sql_on(0, "INSERT INTO c.moving SELECT CASE g % 4 WHEN 0 THEN -1 WHEN 1 THEN NULL ELSE g END, g, repeat(md5(g::text), 3) FROM generate_series(1, 60000) g");
	sql_on(0, "UPDATE c.moving SET t = t || 'before' WHERE n % 5 = 0; DELETE FROM c.moving WHERE n % 11 = 0");
	struct copy_list *l = list();
	must(session_value(holder, sum, &want, &err), &err, "sum");
	sql_on(0, "UPDATE c.moving SET t = t || 'after' WHERE n % 3 = 0; DELETE FROM c.moving WHERE n % 7 = 0");
	struct copy_job *j = begin(l, END, 4, 1 << 20, NULL);
	do {
		round++;
		sql = xasprintf("UPDATE c.moving SET t = 'round %d' WHERE n %% 20 = %d; DELETE FROM c.moving WHERE n %% 20 = %d;"
				"INSERT INTO c.moving SELECT -1, g, 'new' FROM generate_series(1, 500) g", round, round % 20, (round + 7) % 20);
		sql_on(0, sql);
		free(sql);
		copy_peek(j, &p);
	} while (!p.finished && round < 1000);
	wait_end(j, &p);
	take_issues(j);
	must(copy_finish(j, &err), &err, "copy_finish");
	no_issue();
	is(1, sum, want);
	assert_int_equal(p.rows, atoi(want));
	free(want);
	copy_list_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_commit_unheard_of_several), T(test_lost_target), T(test_lost_target_ranges), T(test_lost_source), T(test_lost_at_first), T(test_commit_unheard),
		T(test_snapshot_gone), T(test_cancel), T(test_no_connection),
		T(test_moved_rows),
	};
	cmocka_set_test_filter(getenv("ONLY")); /* by name, with * and ?; all without it */
	return cmocka_run_group_tests(tests, setup, teardown);
}
