/* ends: the sessions of a watch with a server that refuses, has no such database, wants another password. */
#include "copy_bed.h"
#include "watch/ends.h"

static struct migration m;
static struct ends e;
static struct endpoint own; /* what m began with */

static void watch_ends(const char *dbname)
{
	migration_init(&m);
	own = m.end[1];
	m.end[1] = end[1]; /* looked at only */
	m.end[1].dbname = (char *)dbname;
	ends_init(&e, &m, APP, NULL);
}

static void over(void)
{
	ends_close(&e);
	m.end[1] = own;
	migration_fini(&m);
}

static void is_said(const struct err *err, const char *want)
{
	char text[200];
	ends_say(&e, SIDE_TARGET, err, text, sizeof text);
	if (!strstr(text, want))
		fail_msg("%s, not %s", text, want);
}

static void test_put_right(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct err err = {0};
	char *name = xasprintf("%s_late", end[1].dbname), *create = xasprintf("CREATE DATABASE %s TEMPLATE template0", name), *drop = xasprintf("DROP DATABASE IF EXISTS %s", name);
	char *close = xasprintf("ALTER DATABASE %s ALLOW_CONNECTIONS false", name), *reopen = xasprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true", name);
	watch_ends(name);
	assert_int_equal(ends_connect(&e, SIDE_TARGET, &err), ERR_SQL);
	assert_int_equal(ends_kind(&e, SIDE_TARGET, &err), AWAY_REFUSED);
	is_said(&err, "again in 60 s (try 2): ");
	must(session_run(admin[1], create, &err), &err, create);
	must(session_run(admin[1], close, &err), &err, close);
	assert_int_equal(ends_connect(&e, SIDE_TARGET, &err), ERR_SQL); /* not asked: it is not due */
	e.patience[1].next_us = 0;
	assert_int_equal(ends_connect(&e, SIDE_TARGET, &err), ERR_CONNECT);
	assert_string_equal(err.sqlstate, "55000");
	assert_int_equal(ends_kind(&e, SIDE_TARGET, &err), AWAY_REFUSED);
	must(session_run(admin[1], reopen, &err), &err, reopen);
	e.patience[1].next_us = 0;
	must(ends_connect(&e, SIDE_TARGET, &err), &err, "connect");
	assert_int_equal(e.patience[1].tries, 0);
	over();
	must(session_run(admin[1], drop, &err), &err, drop);
	free(name);
	free(create);
	free(drop);
	free(close);
	free(reopen);
}

static void test_password(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct err err = {0};
	watch_ends(end[1].dbname);
	m.end[1].password = (struct secret){0};
	secret_set(&m.end[1].password, "not it");
	assert_int_equal(ends_connect(&e, SIDE_TARGET, &err), ERR_AUTH);
	assert_int_equal(ends_kind(&e, SIDE_TARGET, &err), AWAY_PASSWORD);
	is_said(&err, "password authentication failed");
	secret_fini(&m.end[1].password);
	m.end[1].password = end[1].password;
	e.patience[1].next_us = 0;
	assert_int_equal(ends_connect(&e, SIDE_TARGET, &err), ERR_AUTH); /* never by itself */
	ends_anew(&e, SIDE_TARGET);
	must(ends_connect(&e, SIDE_TARGET, &err), &err, "connect");
	over();
}

static void test_no_way(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct err err = {0};
	watch_ends(end[1].dbname);
	(void)err_set(&e.no_way[1], ERR_AUTH, "jump refused the login");
	assert_int_equal(ends_connect(&e, SIDE_TARGET, &err), ERR_AUTH);
	assert_null(e.session[1]); /* it would have been taken */
	assert_int_equal(ends_kind(&e, SIDE_TARGET, &err), AWAY_SILENT);
	e.no_way[1] = (struct err){0};
	must(ends_connect(&e, SIDE_TARGET, &err), &err, "connect");
	over();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_put_right), cmocka_unit_test(test_password), cmocka_unit_test(test_no_way)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
