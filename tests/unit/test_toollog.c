/* toollog: lines as the real tools of several majors print them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "method/toollog.h"

static enum toollog_what feed(struct toollog *t, const char *line, const char *kind, const char *object)
{
	enum toollog_what w = toollog_feed(t, line);
	if (kind) {
		assert_string_equal(str_text(&t->kind), kind);
		assert_string_equal(str_text(&t->object), object);
	}
	return w;
}

static void test_objects(void **state)
{
	(void)state;
	struct toollog t;
	toollog_init(&t);
	assert_int_equal(feed(&t, "pg_dump: dumping contents of table \"public.big\"", "DATA", "public.big"), TOOLLOG_STARTED);
	assert_int_equal(feed(&t, "pg_restore: processing data for table \"s p.we\"ird Таблица\"", "DATA", "s p.we\"ird Таблица"), TOOLLOG_STARTED);
	assert_int_equal(feed(&t, "pg_restore: creating FK CONSTRAINT \"public.b b_a_fkey\"", "FK CONSTRAINT", "public.b b_a_fkey"), TOOLLOG_STARTED);
	assert_int_equal(feed(&t, "pg_restore: launching item 3347 TABLE DATA big", "DATA", "big"), TOOLLOG_STARTED);
	assert_int_equal(feed(&t, "pg_restore: finished item 3347 TABLE DATA BIG", "DATA", "BIG"), TOOLLOG_FINISHED);
	assert_int_equal(feed(&t, "pg_restore: connecting to database for restore", NULL, NULL), TOOLLOG_NOTHING);
	assert_int_equal(feed(&t, "", NULL, NULL), TOOLLOG_NOTHING);
	toollog_fini(&t);
}

static void test_issue(void **state)
{
	(void)state;
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	toollog_feed(&t, "pg_restore: while PROCESSING TOC:");
	toollog_feed(&t, "pg_restore: from TOC entry 3347; 2606 16401 FK CONSTRAINT b b_a_fkey app");
	toollog_feed(&t, "pg_restore: error: could not execute query: ERROR:  insert or update on table \"b\" violates foreign key constraint \"b_a_fkey\"");
	toollog_feed(&t, "DETAIL:  Key (a)=(9) is not present in table \"a\".");
	toollog_feed(&t, "Command was: ALTER TABLE ONLY public.b");
	toollog_feed(&t, "    ADD CONSTRAINT b_a_fkey FOREIGN KEY (a) REFERENCES public.a(id);");
	assert_false(toollog_issue(&t, false, &i));
	toollog_feed(&t, "pg_restore: warning: errors ignored on restore: 1");
	assert_true(toollog_issue(&t, false, &i));
	assert_string_equal(i.object, "FK CONSTRAINT b b_a_fkey app");
	assert_non_null(strstr(i.message, "DETAIL:  Key (a)=(9)"));
	assert_non_null(strstr(i.command, "REFERENCES public.a(id)"));
	assert_int_equal(i.verdict, VERDICT_WARN);
	assert_non_null(strstr(i.hint, "NOT VALID"));
	assert_int_equal(t.ignored, 1);
	toollog_issue_fini(&i);
	toollog_fini(&t);
}

/* Feeds all lines; returns the number of issues, the last one in *out. */
static int feed_all(struct toollog *t, const char *const *lines, struct toollog_issue *out)
{
	int n = 0;
	struct toollog_issue i;

	for (; *lines; lines++) {
		(void)toollog_feed(t, *lines);
		for (; toollog_issue(t, lines[1] == NULL, &i); n++) {
			if (n)
				toollog_issue_fini(out);
			*out = i;
		}
	}
	return n;
}

/* The line before names the object better than the list does, unless it was another job's. */
static void test_object_of_issue(void **state)
{
	(void)state;
	static const char *const same[] = {"pg_restore: processing data for table \"s.t\"", "pg_restore: from TOC entry 9; 0 7 TABLE DATA t my owner",
		"pg_restore: error: COPY failed for table \"t\": ERROR:  relation \"rates\" does not exist", "CONTEXT:  COPY t, line 1", NULL};
	static const char *const other[] = {"pg_restore: creating INDEX \"s.t2\"", "pg_restore: from TOC entry 9; 0 7 INDEX t my owner",
		"pg_restore: creating TABLE \"s.x\"", "pg_restore: error: could not execute query: ERROR:  nonsense", "Command was: CREATE INDEX t;", "", "", NULL};
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	assert_int_equal(feed_all(&t, same, &i), 1);
	assert_string_equal(i.object, "TABLE DATA s.t");
	assert_non_null(strstr(i.message, "CONTEXT:  COPY t, line 1"));
	assert_non_null(strstr(i.hint, "rows of this table are missing"));
	toollog_issue_fini(&i);
	assert_int_equal(feed_all(&t, other, &i), 1);
	assert_string_equal(i.object, "INDEX t my owner");
	assert_string_equal(i.command, "CREATE INDEX t;");
	toollog_issue_fini(&i);
	toollog_fini(&t);
}

/* pg_restore names an entry once for all errors of it. */
static void test_second_error_of_entry(void **state)
{
	(void)state;
	static const char *const lines[] = {"pg_restore: from TOC entry 9; 0 7 ACL SCHEMA s app",
		"pg_restore: error: could not execute query: ERROR:  role \"a\" does not exist", "Command was: GRANT 1", "",
		"pg_restore: error: could not execute query: ERROR:  role \"b\" does not exist", "Command was: GRANT 2", NULL};
	static const char *const next[] = {"pg_restore: creating INDEX \"public.i\"", "pg_restore: error: something else", NULL};
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	assert_int_equal(feed_all(&t, lines, &i), 2);
	assert_string_equal(i.object, "ACL SCHEMA s app");
	assert_string_equal(i.command, "GRANT 2");
	toollog_issue_fini(&i);
	assert_int_equal(feed_all(&t, next, &i), 1);
	assert_string_equal(i.object, "");
	toollog_issue_fini(&i);
	toollog_fini(&t);
}

/* As pg_restore -j2 of 15 really wrote it: two workers, one standard error, lines in pieces. */
static void test_torn(void **state)
{
	(void)state;
	static const char *const lines[] = {"pg_restore: pg_restore:from TOC entry 4881; 0 0 ACL TABLE v_simple postgres",
		" pg_restore: from TOC entry 4874; 0 0 ACL FOREIGN SERVER nowhere postgres",
		"error: pg_restore:could not execute query: ERROR:  role \"x\" does not exist", "Command was: GRANT 1", "", "",
		" error: could not execute query: ERROR:  role \"x\" does not exist", "Command was: GRANT 2", "",
		"pg_restore: from TOC entry 4884; 0 0 ACL TABLE t app",
		"pg_restore: pg_restore:error:  could not execute query: ERROR:  role \"x\" does not exist", "Command was: GRANT 3", "",
		"from TOC entry 4890; 0 0 ACL LARGE OBJECT 7700003 app", "pg_restore: error: pg_restore: finished item 4884 ACL TABLE t",
		"could not execute query: ERROR:  role \"x\" does not exist", "Command was: GRANT 4", NULL};
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	assert_int_equal(feed_all(&t, lines, &i), 4);
	assert_string_equal(i.object, "ACL LARGE OBJECT 7700003 app");
	assert_string_equal(i.command, "GRANT 4");
	toollog_issue_fini(&i);
	toollog_fini(&t);
}

/* 10 and 11 say the same in other words. */
static void test_old_tools(void **state)
{
	(void)state;
	static const char *const restore[] = {"pg_restore: [archiver (db)] Error while PROCESSING TOC:",
		"pg_restore: [archiver (db)] Error from TOC entry 3347; 2606 16401 FK CONSTRAINT b b_a_fkey app",
		"pg_restore: [archiver (db)] could not execute query: ERROR:  insert or update on table \"b\" violates foreign key constraint \"b_a_fkey\"",
		"DETAIL:  Key (a)=(9) is not present in table \"a\".", "    Command was: ALTER TABLE ONLY b", "    ADD CONSTRAINT b_a_fkey;", "", "",
		"WARNING: errors ignored on restore: 1", NULL};
	static const char *const dump[] = {"pg_dump: Dumping the contents of table \"t\" failed: PQgetResult() failed.",
		"pg_dump: Error message from server: ERROR:  permission denied for table t", "pg_dump: The command was: COPY public.t TO stdout;", NULL};
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	assert_int_equal(feed_all(&t, restore, &i), 1);
	assert_string_equal(i.object, "FK CONSTRAINT b b_a_fkey app");
	assert_string_equal(i.command, "ALTER TABLE ONLY b\n    ADD CONSTRAINT b_a_fkey;");
	assert_int_equal(t.ignored, 1);
	toollog_issue_fini(&i);
	toollog_fini(&t);
	toollog_init(&t);
	assert_int_equal(feed_all(&t, dump, &i), 1);
	assert_non_null(strstr(i.message, "permission denied for table t"));
	assert_string_equal(i.command, "COPY public.t TO stdout;");
	toollog_issue_fini(&i);
	toollog_fini(&t);
}

static void test_password_is_not_kept(void **state)
{
	(void)state;
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	toollog_feed(&t, "pg_restore: from TOC entry 7; 0 0 USER MAPPING USER MAPPING app SERVER n postgres");
	toollog_feed(&t, "pg_restore: error: could not execute query: ERROR:  role \"app\" does not exist");
	toollog_feed(&t, "Command was: CREATE USER MAPPING FOR app SERVER n OPTIONS (");
	assert_false(t.hide);
	toollog_feed(&t, "    password 'p''w',");
	assert_true(t.hide);
	toollog_feed(&t, ");");
	toollog_feed(&t, "pg_restore: creating TABLE \"public.x\"");
	assert_false(t.hide);
	assert_true(toollog_issue(&t, false, &i));
	assert_string_equal(i.command, "CREATE USER MAPPING FOR app SERVER n OPTIONS ...");
	toollog_issue_fini(&i);
	toollog_feed(&t, "pg_restore: error: could not execute query: ERROR:  x");
	toollog_feed(&t, "Command was: CREATE SUBSCRIPTION s CONNECTION 'host=h password=pw' PUBLICATION p");
	assert_true(t.hide);
	assert_true(toollog_issue(&t, true, &i));
	assert_null(strstr(i.command, "pw"));
	toollog_issue_fini(&i);
	toollog_fini(&t);
}

static void test_vacuum(void **state)
{
	(void)state;
	static const char *const quiet[] = {"WARNING:  skipping \"pg_authid\" --- only superuser can analyze it",
		"WARNING:  permission denied to analyze \"pg_database\", skipping it", "INFO:  \"t\": scanned 1 of 1 pages", NULL};
	static const char *const loud[] = {"WARNING:  permission denied to analyze \"orders\", skipping it", NULL};
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	assert_int_equal(feed(&t, "INFO:  analyzing \"public.big\" inheritance tree", "ANALYZE", "public.big"), TOOLLOG_STARTED);
	assert_int_equal(feed_all(&t, quiet, &i), 0);
	assert_int_equal(feed_all(&t, loud, &i), 1);
	assert_int_equal(i.verdict, VERDICT_WARN);
	toollog_issue_fini(&i);
	toollog_fini(&t);
}

static void test_judgement(void **state)
{
	(void)state;
	static const struct { const char *object, *message; enum verdict v; const char *hint; } t[] = {
		{"SCHEMA public pg_database_owner", "could not execute query: ERROR:  schema \"public\" already exists", VERDICT_INFO, "was there before"},
		{"COMMENT EXTENSION pg_trgm", "could not execute query: ERROR:  must be owner of extension pg_trgm", VERDICT_INFO, "comment"},
		{"", "could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"", VERDICT_INFO, "newer client"},
		{"FUNCTION f() app", "could not execute query: ERROR:  unrecognized configuration parameter \"a.b\"", VERDICT_WARN, "setting"},
		{"VIEW v app", "could not execute query: ERROR:  relation \"roles\" does not exist", VERDICT_WARN, "depends on"},
		{"TABLE t app", "could not execute query: ERROR:  role \"app\" does not exist", VERDICT_WARN, "create the role"},
		{"TABLE t app", "could not execute query: ERROR:  relation \"t\" already exists", VERDICT_WARN, "compare"},
		{"EXTENSION postgis ", "could not execute query: ERROR:  extension \"postgis\" is not available", VERDICT_WARN, "package"},
		{"INDEX i app", "could not execute query: ERROR:  could not extend file: No space left on device", VERDICT_BLOCK, "disk"},
		{"TABLE DATA t app", "COPY failed for table \"t\": server closed the connection unexpectedly", VERDICT_BLOCK, "log"},
		{"ACL TABLE t app", "WARNING:  no privileges were granted for \"t\"", VERDICT_WARN, "owner"},
		{"", "WARNING:  database \"x\" has a collation version mismatch", VERDICT_INFO, "remark"},
		{"", "there are circular foreign-key constraints on this table:; egg", VERDICT_INFO, "without the schema"},
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		const char *hint;
		assert_int_equal(toollog_judge(t[i].object, t[i].message, &hint), t[i].v);
		assert_non_null(strstr(hint, t[i].hint));
	}
}

/* A statement of any size is cut at a whole character. */
static void test_long(void **state)
{
	(void)state;
	struct toollog t;
	struct toollog_issue i;
	struct str s = {0};
	toollog_init(&t);
	for (int k = 0; k < 6000; k++)
		str_add(&s, "я");
	toollog_feed(&t, "pg_restore: error: could not execute query: ERROR:  x");
	toollog_feed(&t, "Command was: a");
	toollog_feed(&t, str_text(&s));
	assert_true(toollog_issue(&t, true, &i));
	size_t n = strlen(i.command);
	assert_in_range(n, 8190, 8192);
	assert_int_equal((n - 2) % 2, 0);
	toollog_issue_fini(&i);
	str_fini(&s);
	toollog_fini(&t);
}

static void test_harmless_and_last(void **state)
{
	(void)state;
	struct toollog t;
	struct toollog_issue i;
	toollog_init(&t);
	toollog_feed(&t, "pg_restore: error: could not execute query: ERROR:  schema \"public\" already exists");
	toollog_feed(&t, "Command was: CREATE SCHEMA public;");
	toollog_feed(&t, "pg_restore: error: could not execute query: ERROR:  permission denied for schema x");
	assert_true(toollog_issue(&t, false, &i));
	assert_int_equal(i.verdict, VERDICT_INFO);
	toollog_issue_fini(&i);
	assert_false(toollog_issue(&t, false, &i));
	assert_true(toollog_issue(&t, true, &i));
	assert_int_equal(i.verdict, VERDICT_WARN);
	assert_null(i.command);
	toollog_issue_fini(&i);
	assert_false(toollog_issue(&t, true, &i));
	toollog_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects), cmocka_unit_test(test_issue), cmocka_unit_test(test_object_of_issue),
		cmocka_unit_test(test_second_error_of_entry), cmocka_unit_test(test_torn), cmocka_unit_test(test_old_tools),
		cmocka_unit_test(test_password_is_not_kept), cmocka_unit_test(test_vacuum), cmocka_unit_test(test_judgement),
		cmocka_unit_test(test_long), cmocka_unit_test(test_harmless_and_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
