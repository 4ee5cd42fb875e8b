/* The pure part of copy: a dump of objects as SQL, cut into entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "copy/copy_in.h"

#define END "-- PostgreSQL database dump complete\n"
#define ENTRY(name, type, sql) "--\n-- Name: " name "; Type: " type "; Schema: s; Owner: o\n--\n\n" sql "\n\n\n"

static struct post_list l;

static int fini(void **state)
{
	(void)state;
	post_fini(&l);
	return 0;
}

static void parse(const char *sql)
{
	struct err err = {0};

	post_fini(&l);
	if (post_parse(&l, sql, &err) != ERR_OK)
		fail_msg("%s", err.msg);
}

static void test_sections(void **state)
{
	(void)state;
	parse("SET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\\restrict abc\n"
	      ENTRY("s", "SCHEMA", "CREATE SCHEMA s;")
	      "SET default_tablespace = fast;\nSET default_table_access_method = heap;\n"
	      ENTRY("t", "TABLE", "CREATE TABLE s.t (\n    id integer\n);")
	      ENTRY("TABLE t", "COMMENT", "COMMENT ON TABLE s.t IS 'x';\nALTER TABLE s.t OWNER TO o;")
	      ENTRY("c", "TABLE", "CREATE TABLE s.c (\n)\nINHERITS (s.t);")
	      "SET default_tablespace = '';\n"
	      ENTRY("t t_pkey", "CONSTRAINT", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);")
	      ENTRY("t_ix", "INDEX", "CREATE UNIQUE INDEX t_ix ON s.t USING btree (id);")
	      ENTRY("p_ix", "INDEX", "CREATE INDEX p_ix ON ONLY s.t USING btree (id);")
	      ENTRY("t_cl", "INDEX", "CREATE INDEX t_cl ON s.t USING btree (id);\n\nALTER TABLE s.t CLUSTER ON t_cl;")
	      ENTRY("t fk", "FK CONSTRAINT", "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT \"f\"\"k\" FOREIGN KEY (a) REFERENCES \"S 2\".\"u.v\"(id) ON DELETE CASCADE;")
	      ENTRY("t old", "FK CONSTRAINT", "ALTER TABLE s.t\n    ADD CONSTRAINT old FOREIGN KEY (a) REFERENCES s.u(id) NOT VALID;")
	      ENTRY("m", "MATERIALIZED VIEW DATA", "REFRESH MATERIALIZED VIEW s.m;")
	      ENTRY("TABLE t", "ACL", "GRANT SELECT ON TABLE s.t TO o;") END);
	static const enum post_kind kinds[] = {POST_SERIAL, POST_TABLE, POST_TABLE, POST_SERIAL, POST_CONSTRAINT, POST_INDEX, POST_SERIAL,
					       POST_CONSTRAINT, POST_FK, POST_FK, POST_LAST, POST_SERIAL};
	assert_int_equal(l.n, 12);
	assert_int_equal(l.rows, 4);
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].kind != kinds[i])
			fail_msg("%s %s is %d", l.v[i].type, l.v[i].name, l.v[i].kind);
	assert_string_equal(l.v[1].sets, "SET default_tablespace = fast;\nSET default_table_access_method = heap;\n");
	assert_string_equal(l.v[4].sets, "SET default_tablespace = '';\nSET default_table_access_method = heap;\n");
	assert_string_equal(l.v[0].sets, "SET default_tablespace = '';\n"); /* sessions are used for many */
	assert_string_equal(l.v[2].sql, "COMMENT ON TABLE s.t IS 'x';\nALTER TABLE s.t OWNER TO o;");
	assert_string_equal(l.v[8].constraint, "f\"k");
	assert_string_equal(l.v[8].to_schema, "S 2");
	assert_string_equal(l.v[8].to_table, "u.v");
	assert_false(l.v[8].as_is);
	assert_true(l.v[9].as_is);
	assert_string_equal(l.v[5].table, "t");
}

/* One statement each, whatever it holds. */
static void test_statements(void **state)
{
	(void)state;
	static const char *const whole[] = {
		"COMMENT ON TABLE s.t IS 'a;b''c;\\';", "COMMENT ON TABLE s.t IS E'a\\';b';", "COMMENT ON TABLE s.t IS e'\\\\';",
		"CREATE TABLE s.\"a;b\"\"c;\" (x int);", "CREATE FUNCTION f() AS $$ a; b; $$;", "CREATE FUNCTION f() AS $_1$ a; $$ ; $_1$;",
		"CREATE FUNCTION f(a int) AS 'SELECT $1;';", "CREATE RULE r AS ON INSERT TO s.t DO ( DELETE FROM a; DELETE FROM b; );",
		"CREATE FUNCTION f() RETURNS int\n    BEGIN ATOMIC\n SELECT 1;\n SELECT CASE WHEN a THEN 1 ELSE CASE b WHEN 1 THEN 2 END END;\nEND;",
		"CREATE PROCEDURE begin_it() LANGUAGE sql AS 'x';", "CREATE VIEW s.v AS SELECT 1 AS \"begin\", x -- ; not here\n FROM end_of;",
		"CREATE VIEW s.v AS SELECT CASE WHEN a THEN 1 END AS b;", "CREATE TABLE s.begin (a int DEFAULT 5);", "CREATE VIEW v AS SELECT N'x;', U&'\\0441;', B'1';",
	};
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
		char *sql = xasprintf(ENTRY("a", "RULE", "%s") ENTRY("b", "RULE", "SELECT 1;") END, whole[i]);
		parse(sql);
		free(sql);
		if (l.n != 2 || strcmp(l.v[0].sql, whole[i]) != 0)
			fail_msg("%zu entries, the first: %s", l.n, l.v[0].sql);
	}
}

static void test_names(void **state)
{
	(void)state;
	parse(ENTRY("odd; Type: TABLE; Schema: x", "INDEX", "CREATE INDEX \"odd; Type: TABLE; Schema: x\" ON s.t USING btree (a);") END);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].type, "INDEX");
	parse(ENTRY("public", "SCHEMA", "-- *not* creating schema, since initdb creates it") ENTRY("x", "TYPE", "CREATE TYPE s.x AS ENUM ();") END);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.v[0].name, "x");
	assert_int_equal(l.rows, 1); /* nothing is behind the rows */
}

static void test_not_whole(void **state)
{
	(void)state;
	static const char *const cut[] = {"", ENTRY("a", "TABLE", "CREATE TABLE s.a ();"), ENTRY("a", "TABLE", "CREATE TABLE s.a (") END,
					  ENTRY("a", "RULE", "COMMENT ON x IS 'abc") END, ENTRY("a", "RULE", "CREATE FUNCTION f() AS $a$ x; $b$;") END};
	for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
		struct err err = {0};
		post_fini(&l);
		if (post_parse(&l, cut[i], &err) != ERR_USAGE)
			fail_msg("taken as whole: %s", cut[i]);
	}
}

/* A key in two steps, or as it is. */
/* Only what is taken away and made anew may differ between an interrupted copy and the one that goes on with it. */
static void test_fingerprint(void **state)
{
	(void)state;
	static const char head[] = "-- PostgreSQL database dump complete\n-- Name: t; Type: TABLE; Schema: s; Owner: o\nCREATE TABLE s.t (i int);\n";
	static const struct { const char *sql; bool stands, made; } more[] = { /* is it a part of which? */
		{"-- Name: t_i; Type: INDEX; Schema: s; Owner: o\nCREATE INDEX t_i ON s.t USING btree (i);\n", false, true},
		{"-- Name: INDEX t_i; Type: COMMENT; Schema: s; Owner: o\nCOMMENT ON INDEX s.t_i IS 'x';\n", true, false}, /* no index before it: not behind the rows */
		{"-- Name: t p; Type: POLICY; Schema: s; Owner: o\nCREATE POLICY p ON s.t;\n", false, true},
		{"-- Name: t; Type: ROW SECURITY; Schema: s; Owner: o\nALTER TABLE s.t ENABLE ROW LEVEL SECURITY;\n", true, false},
		{"-- Name: t c; Type: CHECK CONSTRAINT; Schema: s; Owner: o\nALTER TABLE s.t ADD CONSTRAINT c CHECK (i > 0) NOT VALID;\n", true, false},
		{"-- Name: e; Type: EVENT TRIGGER; Schema: -; Owner: o\nCREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION s.f();\n", true, false},
		{"-- Name: TABLE t; Type: ACL; Schema: s; Owner: o\nGRANT SELECT ON TABLE s.t TO r;\n", true, false},
		{"-- Name: 7; Type: BLOB; Schema: -; Owner: o\nSELECT pg_catalog.lo_create('7');\n", false, false},
	};
	int64_t stands, made, s, m;
	struct err err = {0};

	assert_int_equal(post_fingerprint(head, &stands, &made, &err), ERR_OK);
	for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
		char *sql = xasprintf("%s%s", head, more[i].sql);
		assert_int_equal(post_fingerprint(sql, &s, &m, &err), ERR_OK);
		free(sql);
		assert_true((s != stands) == more[i].stands && (m != made) == more[i].made);
	}
}

static void test_split_key(void **state)
{
	(void)state;
	static const struct { const char *name, *def, *cols, *kind; } keys[] = {
		{"a", "a PRIMARY KEY (id)", "(id)", "PRIMARY KEY"},
		{"A \"b", "\"A \"\"b\" UNIQUE (\"X)\", y$1, \"U;\") INCLUDE (z) WITH (fillfactor='70')", "(\"X)\", y$1, \"U;\") INCLUDE (z) WITH (fillfactor='70')", "UNIQUE"},
		{"a", "a UNIQUE (id) DEFERRABLE", NULL, NULL}, {"a", "a UNIQUE NULLS NOT DISTINCT (id)", NULL, NULL}, {"a", "a EXCLUDE USING btree (id WITH =)", NULL, NULL},
		{"a", "a PRIMARY KEY (id, at WITHOUT OVERLAPS)", NULL, NULL}, {"a", "a CHECK (id)", NULL, NULL}, {"b", "a UNIQUE (id)", NULL, NULL},
		{"a", "a UNIQUE (id);\n\nALTER TABLE ONLY s.\"t (\" REPLICA IDENTITY USING INDEX a", NULL, NULL}, {"a", "a UNIQUE (id", NULL, NULL},
		{"a", "a PRIMARY KEY USING INDEX b", NULL, NULL},
	};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		char *sql = xasprintf("ALTER TABLE ONLY s.\"t (\"\n    ADD CONSTRAINT %s;", keys[i].def), *index = NULL, *attach = NULL;
		bool split = copy_split_key(sql, keys[i].name, &index, &attach);
		if (split != (keys[i].cols != NULL))
			fail_msg("%s: %s", sql, index ? index : "not split");
		struct str name = {0};
		sql_ident(&name, keys[i].name);
		if (split) {
			char *want = xasprintf("CREATE UNIQUE INDEX %s ON s.\"t (\" USING btree %s;", str_text(&name), keys[i].cols);
			char *then = xasprintf("ALTER TABLE ONLY s.\"t (\" ADD CONSTRAINT %s %s USING INDEX %s;", str_text(&name), keys[i].kind, str_text(&name));
			assert_string_equal(index, want);
			assert_string_equal(attach, then);
			free(want);
			free(then);
		}
		str_fini(&name);
		free(sql);
		free(index);
		free(attach);
	}
}

static void near(double got, double want)
{
	if (got < want * 0.999 - 1e-9 || got > want * 1.001 + 1e-9)
		fail_msg("%f, not %f", got, want);
}

/* What is left, from what was seen; of what was not seen yet, from how the rest went. */
static void test_estimate(void **state)
{
	(void)state;
	struct estimate e = {.sessions = 2};
	e.kind[WORK_ROWS].of = 10;
	e.kind[WORK_INDEX].of = 4;
	assert_true(estimate_left(&e) < 0); /* nothing seen: nothing said */
	e.kind[WORK_ROWS].done = 4;
	e.kind[WORK_ROWS].busy_s = 8;
	double all = (8 + 0.1) / (4 + 0.1), rows = (8 + 1 * all) / (4 + 1); /* a tenth of the kind weighs as much as what was expected of it */
	near(estimate_factor(&e, WORK_ROWS), rows);
	near(estimate_factor(&e, WORK_INDEX), all);
	near(estimate_left(&e), (6 * rows + 4 * all) / 2); /* two sessions */
	e.kind[WORK_INDEX].done = 3.6;
	e.kind[WORK_INDEX].busy_s = 3.6;
	double index = estimate_factor(&e, WORK_INDEX);
	assert_true(index > 1 && index < 1.1);
	e.chain_s = 30; /* one session has to do that alone */
	near(estimate_left(&e), 30);
	e.kind[WORK_KEY].of = 8; /* only then, two at a time */
	near(estimate_left(&e), 30 + 4 * estimate_factor(&e, WORK_KEY));
	e.key_chain_s = 20;
	e.kind[WORK_REST].of = 2; /* one after the other */
	e.kind[WORK_TEND].of = 2;
	e.tend_chain_s = 7;
	near(estimate_left(&e), 30 + 20 + 2 * estimate_factor(&e, WORK_REST) + 7);
	for (int k = 0; k < WORK_KINDS; k++)
		e.kind[k].done = e.kind[k].of;
	e.chain_s = e.key_chain_s = e.tend_chain_s = 0;
	near(estimate_left(&e), 0);
	struct estimate slow = {.sessions = 1}; /* a hundred times slower at one kind is no reason to expect that of another */
	slow.kind[WORK_MAKE].of = slow.kind[WORK_MAKE].done = 1;
	slow.kind[WORK_MAKE].busy_s = 100;
	near(estimate_factor(&slow, WORK_SMALL), 2);
	near(estimate_factor(&slow, WORK_INDEX), 2);
	near(estimate_price(WORK_ROWS, 1e9, 2), 10.01);
	assert_true(estimate_price(WORK_INDEX, 1e9, 1) > estimate_price(WORK_ROWS, 1e9, 1) && estimate_price(WORK_KEY, 1e9, 1) < estimate_price(WORK_ROWS, 1e9, 1));
}

/* Memory for an index: so little that its runs can just be merged at once. */
static void test_sort_memory(void **state)
{
	(void)state;
	struct post_entry p = {.kind = POST_INDEX, .sql = (char *)"CREATE INDEX x ON s.t USING btree (a)", .bytes = INT64_C(400) << 20};
	static const struct { int64_t index_bytes; int mb; } want[] = {
		{0, 64}, {1 << 20, 4}, {INT64_C(160) << 20, 12}, {INT64_C(1000) << 20, 29}, {INT64_C(1400) << 20, 64}, {INT64_C(5000) << 20, 64}};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		p.index_bytes = want[i].index_bytes;
		assert_int_equal(copy_sort_mb(&p), want[i].mb);
	}
	p.bytes = COPY_MERGED_AT_ONCE;
	assert_int_equal(copy_sort_mb(&p), 0);
	p.bytes = 1;
	p.sql = (char *)"CREATE INDEX x ON s.t USING gin (a)";
	assert_int_equal(copy_sort_mb(&p), 0);
	p.kind = POST_CONSTRAINT;
	p.sql = (char *)"ALTER TABLE ONLY s.t ADD CONSTRAINT x PRIMARY KEY (a)";
	assert_int_equal(copy_sort_mb(&p), 64);
}

static void test_index_share(void **state)
{
	(void)state;
	near(copy_index_share("building index: scanning table", 50, 100, 0, 0), 0.325);
	near(copy_index_share("building index: sorting live tuples", 100, 100, 0, 0), 0.7);
	near(copy_index_share("building index: loading tuples in tree", 0, 0, 0, 0), 0.75);
	near(copy_index_share("building index: loading tuples in tree", 0, 0, 5, 5), 1);
	near(copy_index_share("building index", 1, 4, 0, 0), 0.25);
	near(copy_index_share("initializing", 0, 0, 0, 0), 0);
}

static void test_left(void **state)
{
	(void)state;
	static const struct { double s; const char *says; } t[] = {
		{0, "less than 10 s left"}, {9.9, "less than 10 s left"}, {11, "about 15 s left"}, {60, "about 60 s left"}, {61, "about 2 min left"}, {3540, "about 59 min left"},
		{3541, "about 1 h 0 min left"}, {9000, "about 2 h 30 min left"}, {9060, "about 2 h 40 min left"},
	};
	char buf[48];

	for (size_t i = 0; i < sizeof t / sizeof *t; i++)
		assert_string_equal(fmt_left(buf, sizeof buf, t[i].s), t[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_sections, fini), cmocka_unit_test_teardown(test_statements, fini),
		cmocka_unit_test_teardown(test_names, fini), cmocka_unit_test_teardown(test_not_whole, fini),
		cmocka_unit_test(test_split_key), cmocka_unit_test(test_fingerprint), cmocka_unit_test(test_sort_memory), cmocka_unit_test(test_estimate), cmocka_unit_test(test_index_share), cmocka_unit_test(test_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
