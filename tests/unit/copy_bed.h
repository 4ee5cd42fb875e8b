#ifndef TESTS_UNIT_COPY_BED_H
#define TESTS_UNIT_COPY_BED_H
/*
 * Two servers for the tests of copy: PGUSHER_TEST_A (source) and PGUSHER_TEST_B (target), as "host=... port=... user=...
 * password=... dbname=postgres" of a superuser; skipped when they are not set. A database of the test's own on each.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "copy/copy.h"

#define APP "pgusher copytest"
#define END "-- PostgreSQL database dump complete\n"

static struct endpoint end[2];
static struct session *db[2], *admin[2], *holder;
static char *snapshot;
static struct copy_issue issues[16];
static size_t n_issues;

static inline void must(enum err_code rc, const struct err *err, const char *what)
{
	if (rc != ERR_OK)
		fail_msg("%s (%.200s)", err->msg, what);
}

static inline void sql_on(int side, const char *sql)
{
	struct err err = {0};
	must(session_run(db[side], sql, &err), &err, sql);
}

static inline void sql_both(const char *sql)
{
	sql_on(0, sql);
	sql_on(1, sql);
}

static inline char *value(int side, const char *sql)
{
	struct err err = {0};
	char *v;
	must(session_value(db[side], sql, &v, &err), &err, sql);
	return v ? v : xstrdup("(null)");
}

static inline void is(int side, const char *sql, const char *want)
{
	char *v = value(side, sql);
	if (strcmp(v, want) != 0)
		fail_msg("%s: %s, not %s", sql, v, want);
	free(v);
}

static inline bool endpoint_from(struct endpoint *ep, const char *conninfo)
{
	PQconninfoOption *o = conninfo ? PQconninfoParse(conninfo, NULL) : NULL;
	for (PQconninfoOption *p = o; p && p->keyword; p++) {
		if (str_eq(p->keyword, "host"))
			ep->host = xstrdup(p->val);
		else if (str_eq(p->keyword, "port"))
			ep->port = xstrdup(p->val);
		else if (str_eq(p->keyword, "user"))
			ep->user = xstrdup(p->val);
		else if (str_eq(p->keyword, "password"))
			secret_set(&ep->password, p->val);
	}
	PQconninfoFree(o);
	return o != NULL;
}

static inline int setup(void **state)
{
	(void)state;
	const char *env[2] = {getenv("PGUSHER_TEST_A"), getenv("PGUSHER_TEST_B")};
	struct err err = {0};
	if (!env[0] || !env[1]) {
		printf("skip: PGUSHER_TEST_A and PGUSHER_TEST_B are not set\n");
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		struct session_options opt = {.dbname = "postgres"};
		if (!endpoint_from(&end[i], env[i]))
			return -1;
		end[i].dbname = xasprintf("pgusher_copy_%d_%c", (int)getpid(), i ? 'b' : 'a');
		char *sql = xasprintf("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", end[i].dbname);
		if (session_open(&admin[i], &end[i], &opt, NULL, &err) != ERR_OK || session_run(admin[i], sql, &err) != ERR_OK ||
		    session_open(&db[i], &end[i], NULL, NULL, &err) != ERR_OK) {
			printf("not ok setup: %s\n", err.msg);
			return -1;
		}
		free(sql);
		printf("%s is PostgreSQL %d\n", side_name((enum side)i), session_version(db[i]) / 10000);
	}
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct err err;
		session_close(db[i]);
		if (admin[i]) {
			char *sql = xasprintf("DROP DATABASE %s", end[i].dbname);
			if (session_run(admin[i], sql, &err) != ERR_OK)
				printf("left behind: %s: %s\n", end[i].dbname, err.msg);
			free(sql);
		}
		session_close(admin[i]);
		free(end[i].host);
		free(end[i].port);
		free(end[i].user);
		free(end[i].dbname);
		secret_fini(&end[i].password);
	}
	return 0;
}

static inline int fresh(void **state)
{
	(void)state;
	if (db[0])
		sql_both("DROP SCHEMA IF EXISTS c CASCADE; CREATE SCHEMA c; SET search_path = c, pg_catalog; SET extra_float_digits = 1; SET lc_monetary = 'C'");
	return 0;
}

static inline int forget(void **state)
{
	(void)state;
	session_close(holder);
	holder = NULL;
	free(snapshot);
	snapshot = NULL;
	while (n_issues > 0)
		copy_issue_fini(&issues[--n_issues]);
	return 0;
}

#define NEED_SERVERS do { if (!db[0]) skip(); } while (0)

/* ---- running a copy ---- */

static inline struct copy_list *list(void)
{
	struct strv none = {0};
	struct copy_list *l;
	struct err err = {0};
	must(session_open(&holder, &end[0], NULL, NULL, &err), &err, "session");
	must(session_run(holder, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &err), &err, "begin");
	must(session_value(holder, "SELECT pg_export_snapshot()", &snapshot, &err), &err, "snapshot");
	must(copy_list_read(&l, holder, &none, &none, "{}", session_version(db[1]), &err), &err, "list");
	must(copy_list_lock(l, holder, 0, 0, &err), &err, "lock");
	return l;
}

static inline struct copy_job *begin(const struct copy_list *l, const char *sql, int jobs, int64_t range_bytes, struct cancel *cancel)
{
	struct copy_options o = {.end = {&end[0], &end[1]}, .application_name = APP, .snapshot = snapshot, .jobs = jobs,
				 .range_bytes = range_bytes, .cancel = cancel};
	struct copy_job *j;
	struct err err = {0};
	bool apart = jobs > 2; /* sessions first, the objects later, as the methods do */
	must(copy_start(&j, l, apart ? NULL : sql, &o, &err), &err, "copy_start");
	if (apart)
		must(copy_go(j, sql, &err), &err, "copy_go");
	return j;
}

static inline void take_issues(struct copy_job *j)
{
	while (n_issues < 16 && copy_take_issue(j, &issues[n_issues]))
		n_issues++;
}

static inline void wait_end(struct copy_job *j, struct copy_progress *p)
{
	for (int64_t deadline = clock_deadline(300000); clock_mono_us() < deadline;) {
		struct pollfd fd = {.fd = copy_fd(j), .events = POLLIN};
		copy_peek(j, p);
		if (p->finished)
			return;
		(void)poll(&fd, 1, 100);
	}
	fail_msg("the copy does not end");
}

static inline void run(const char *sql, int jobs, int64_t range_bytes, struct copy_progress *p)
{
	struct copy_progress own;
	struct err err = {0};
	struct copy_list *l = list();
	struct copy_job *j = begin(l, sql, jobs, range_bytes, NULL);
	wait_end(j, p ? p : &own);
	take_issues(j);
	must(copy_finish(j, &err), &err, "copy_finish");
	copy_list_free(l);
}

static inline void no_issue(void)
{
	if (n_issues)
		fail_msg("%s: %s", issues[0].object, issues[0].message);
}

/* Before 12 the digits of floats are others; their bits are compared where this matters. */
static inline bool old_floats(void)
{
	return session_version(db[0]) < 120000 || session_version(db[1]) < 120000;
}

static inline void equal(const char *table)
{
	if (old_floats())
		sql_both("SET extra_float_digits = 0");
	char *sql = xasprintf("SELECT count(*) || ' ' || coalesce(md5(string_agg(h, '' ORDER BY h)), '') FROM (SELECT md5(t::text) AS h FROM ONLY %s t) x", table);
	char *a = value(0, sql), *b = value(1, sql);
	if (strcmp(a, b) != 0)
		fail_msg("%s: %s on the source, %s on the target", table, a, b);
	free(sql);
	free(a);
	free(b);
}

/* A test with a schema c of its own on both sides. */
#define T(f) cmocka_unit_test_setup_teardown(f, fresh, forget)

#endif
