/*
 * verify between two servers: PGUSHER_TEST_A (source) and PGUSHER_TEST_B (target), as
 * "host=... port=... user=... password=... dbname=postgres" of a superuser. Skips when they are not set.
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
#include "verify/expr.h"
#include "verify/store.h"
#include "verify/verify.h"

#define APP "pgusher verifytest"

static struct migration m;
static struct session *db[2]; /* to our own databases */
static struct session *admin[2];
static char dbname[64];

static void must(enum err_code rc, const struct err *err, const char *what)
{
	if (rc != ERR_OK)
		fail_msg("%s (%.200s)", err->msg, what);
}

static void sql_on(int side, const char *sql)
{
	struct err err = {0};
	must(session_run(db[side], sql, &err), &err, sql);
}

static void sql_both(const char *sql)
{
	sql_on(0, sql);
	sql_on(1, sql);
}

static bool endpoint_from(struct endpoint *ep, const char *conninfo)
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

static int setup(void **state)
{
	(void)state;
	const char *env[2] = {getenv("PGUSHER_TEST_A"), getenv("PGUSHER_TEST_B")};
	struct err err = {0};
	if (!env[0] || !env[1]) {
		printf("skip test_verify_pg: PGUSHER_TEST_A and PGUSHER_TEST_B are not set\n");
		return 0;
	}
	migration_init(&m);
	(void)snprintf(dbname, sizeof dbname, "pgusher_verify_%d", (int)getpid());
	for (int i = 0; i < 2; i++) {
		struct session_options opt = {.dbname = "postgres"};
		char *sql = xasprintf("CREATE DATABASE %s%s TEMPLATE template0", dbname, i ? "_b" : "_a");
		if (!endpoint_from(&m.end[i], env[i]))
			return -1;
		m.end[i].dbname = xasprintf("%s%s", dbname, i ? "_b" : "_a");
		if (session_open(&admin[i], &m.end[i], &opt, NULL, &err) != ERR_OK || session_run(admin[i], sql, &err) != ERR_OK ||
		    session_open(&db[i], &m.end[i], NULL, NULL, &err) != ERR_OK) {
			printf("not ok setup: %s\n", err.msg);
			return -1;
		}
		free(sql);
		printf("%s is PostgreSQL %d\n", side_name((enum side)i), session_version(db[i]) / 10000);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct err err;
		session_close(db[i]);
		if (admin[i]) {
			char *sql = xasprintf("DROP DATABASE %s", m.end[i].dbname);
			if (session_run(admin[i], sql, &err) != ERR_OK)
				printf("left behind: %s: %s\n", m.end[i].dbname, err.msg);
			free(sql);
		}
		session_close(admin[i]);
	}
	migration_fini(&m);
	return 0;
}

/* A schema of its own for each test, gone before the next. */
static int fresh(void **state)
{
	(void)state;
	if (!db[0])
		return 0;
	sql_both("DROP SCHEMA IF EXISTS v CASCADE; CREATE SCHEMA v; SET search_path = v, pg_catalog");
	return 0;
}

#define NEED_SERVERS do { if (!db[0]) skip(); } while (0)

static struct verify_set *plan(enum verify_mode mode)
{
	struct facts *f[2];
	struct err err = {0};
	m.dump.verify = mode;
	for (int i = 0; i < 2; i++)
		must(facts_read(&f[i], db[i], (enum side)i, m.end[i].dbname, &err), &err, "facts_read");
	must(facts_read_columns(f[0], db[0], &err), &err, "facts_read_columns");
	struct verify_set *v = verify_plan(&m, f[0], f[1]);
	facts_free(f[0]);
	facts_free(f[1]);
	sql_both("SET search_path = v, pg_catalog");
	return v;
}

static void read_side(struct verify_set *v, int side, const char *snapshot, int jobs)
{
	struct verify_job *j;
	struct err err = {0};
	must(verify_start(&j, v, (enum side)side, &m.end[side], APP, snapshot, jobs, NULL, &err), &err, "verify_start");
	must(verify_finish(j, &err), &err, "verify_finish");
}

static struct verify_set *verify(enum verify_mode mode, int jobs)
{
	struct verify_set *v = plan(mode);
	read_side(v, 0, NULL, jobs);
	read_side(v, 1, NULL, jobs);
	return v;
}

static const struct verify_table *find(const struct verify_set *v, const char *name)
{
	for (size_t i = 0; i < v->n_tables; i++)
		if (str_eq(v->tables[i].schema, "v") && str_eq(v->tables[i].name, name))
			return &v->tables[i];
	fail_msg("table %s is not in the set", name);
	return NULL;
}

static void expect(const struct verify_set *v, const char *name, enum state want)
{
	const struct verify_table *t = find(v, name);
	char *detail;
	enum state got = verify_table_state(t, v->mode, &detail);
	if (got != want)
		fail_msg("table %s is %s, not %s: %s\n%s", name, state_name(got), state_name(want), detail, t->expr ? t->expr : "");
	free(detail);
}

/* Two values of each type that must not be taken for each other, and one more pair where a hash function of the server does. */
static const struct { const char *type, *a, *b; int since; } values[] = {
	{"int2", "1", "2", 0}, {"int4", "0", "-1", 0}, {"int4", "0", "NULL", 0}, {"int8", "0", "4294967297", 0},
	{"int8", "5", "NULL", 0}, {"int8", "0", "NULL", 0}, {"int8", "-1", "1", 0}, {"oid", "1", "4294967295", 0}, {"bool", "true", "false", 0},
	{"bool", "false", "NULL", 0}, {"float4", "0.1", "0.10000001", 0}, {"float8", "0.1", "0.1000000000000000055511151231257827e0 + 1e-17", 0},
	{"float8", "0", "'-0'", 0}, {"float8", "0", "NULL", 0}, {"float8", "'NaN'", "NULL", 0}, {"float8", "'NaN'", "1", 0},
	{"float8", "'NaN'", "'Infinity'", 0}, {"float8", "'Infinity'", "'-Infinity'", 0}, {"float8", "0", "1", 0}, {"float4", "0", "'-0'", 0},
	{"numeric", "1.0", "1.00", 0}, {"numeric", "5", "-5", 0}, {"numeric", "'NaN'", "0", 0}, {"numeric", "1e100", "1e100 + 1", 0},
	{"numeric", "'Infinity'", "'-Infinity'", 14}, {"numeric(20,5)", "1", "1.00001", 0}, {"text", "''", "NULL", 0}, {"text", "'a'", "'A'", 0},
	{"text", "'a'", "'a '", 0}, {"text", "'NULL'", "NULL", 0}, {"varchar(9)", "'x'", "''", 0}, {"bpchar", "'x'", "'x  '", 0},
	{"char(7)", "'x'", "'y'", 0}, {"\"char\"", "'x'", "'y'", 0}, {"\"char\"", "(-56)::int4::\"char\"", "'y'", 0}, {"name", "'n'", "'m'", 0},
	{"bytea", "'\\x00'", "'\\x0000'", 0}, {"bytea", "''", "NULL", 0}, {"uuid", "'00000000-0000-0000-0000-000000000000'", "NULL", 0},
	{"uuid", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'", 0},
	{"date", "'2020-01-01'", "'2020-01-02'", 0}, {"date", "'infinity'", "'-infinity'", 0}, {"date", "'infinity'", "NULL", 0},
	{"date", "'2000-01-01'", "NULL", 0}, {"date", "'4713-01-01 BC'", "'5874897-12-31'", 0},
	{"time", "'24:00'", "'00:00'", 0}, {"timetz", "'12:00+00'", "'13:00+01'", 0}, {"timestamp", "'epoch'", "'1970-01-01 00:00:00.000001'", 0},
	{"timestamp", "'2000-01-01'", "'2000-01-01'::timestamp + interval '4294.967297 s'", 0}, {"timestamp", "'infinity'", "'-infinity'", 0},
	{"timestamptz", "'2000-01-01 00:00+00'", "'2000-01-01 00:00+01'", 0}, {"timestamptz", "'294276-12-31 23:59:59.999999+00'", "'0044-03-15 BC'", 0},
	{"interval", "'1 month'", "'30 days'", 0}, {"interval", "'1 day'", "'24 hours'", 0}, {"money", "'1.00'", "'1.01'", 0},
	{"inet", "'1.2.3.4/24'", "'1.2.3.4/25'", 0}, {"inet", "'0.0.0.0'", "NULL", 0}, {"cidr", "'10.0.0.0/8'", "'10.0.0.0/9'", 0},
	{"macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'", 0}, {"macaddr8", "'08:00:2b:01:02:03:04:05'", "'08:00:2b:01:02:03:04:06'", 0},
	{"json", "'{\"a\":1}'", "'{\"a\": 1}'", 0}, {"jsonb", "'{\"a\":1.0}'", "'{\"a\":1.00}'", 0}, {"jsonb", "'null'", "NULL", 0},
	{"xml", "'<a/>'", "'<a></a>'", 0}, {"bit(5)", "B'10101'", "B'10100'", 0}, {"varbit", "B'0'", "B'00'", 0},
	{"int4[]", "'{1,NULL}'", "'{NULL,1}'", 0}, {"int4[]", "'{1,2,3}'", "'[0:2]={1,2,3}'", 0}, {"text[]", "'{}'", "'{\"\"}'", 0},
	{"float8[]", "'{0.1}'", "'{0.10000000000000001e0,0}'", 0}, {"float8[]", "'{0.1}'", "ARRAY[0.1::float8 + 1.4e-17]", 0}, {"point", "'(0.1,0)'", "'(0.1,-0)'", 0}, {"box", "'(1,1),(0,0)'", "'(1,1),(0,0.5)'", 0},
	{"path", "'((0,0),(1,1))'", "'[(0,0),(1,1)]'", 0}, {"circle", "'<(0,0),5>'", "'<(0,0),5.000000000000001>'", 0}, {"line", "'{1,2,3}'", "'{1,2,4}'", 0},
	{"lseg", "'[(0,0),(1,1)]'", "'[(0,0),(1,2)]'", 0}, {"polygon", "'((0,0),(1,1),(2,0))'", "'((0,0),(1,1),(2,1))'", 0},
	{"int4range", "'[1,5)'", "'[1,6)'", 0}, {"int4range", "'empty'", "NULL", 0}, {"numrange", "'[1.0,2]'", "'[1.00,2]'", 0}, {"tstzrange", "'[2020-01-01,)'", "'(2020-01-01,)'", 0},
	{"int4multirange", "'{[1,3)}'", "'{[1,4)}'", 14}, {"tsvector", "'a:1'", "'a:2'", 0}, {"tsquery", "'a & b'", "'a | b'", 0},
	{"pg_lsn", "'0/1'", "'1/0'", 0}, {"xid", "'1'", "'2'", 0}, {"tid", "'(0,1)'", "'(1,0)'", 0}, {"txid_snapshot", "'1:2:'", "'1:3:'", 0},
	{"regclass", "'pg_class'", "'pg_type'", 0}, {"regtype", "'int4'", "'int8'", 0}, {"regproc", "'now'", "'pg_backend_pid'", 0},
	{"regclass", "'v.ref'", "'pg_class'", 0}, {"regconfig", "'simple'", "'english'", 0}, {"regnamespace", "'v'", "'pg_catalog'", 0}, {"jsonpath", "'$.a'", "'$.b'", 12},
	{"v.mood", "'sad'", "'ok'", 0}, {"v.mood", "'sad'", "NULL", 0}, {"v.pair", "'(1,)'", "'(1,\"\")'", 0}, {"v.pair", "'(,)'", "NULL", 0},
	{"v.mood[]", "'{sad}'", "'{ok}'", 0}, {"v.dom", "'x'", "'y'", 0}, {"v.dom", "'x'", "NULL", 0}, {"v.dom2", "1", "2", 0}, {"v.frange", "'[1.5,2]'", "'[1.5,3]'", 0},
};
#define N_VALUES (sizeof values / sizeof *values)

static bool here(size_t i)
{
	int lo = session_version(db[0]) < session_version(db[1]) ? session_version(db[0]) : session_version(db[1]);
	return values[i].since * 10000 <= lo;
}

static const char types[] =
	"CREATE TYPE v.mood AS ENUM ('sad', 'ok'); CREATE TYPE v.pair AS (n int, t text); CREATE TABLE v.ref ();"
	"CREATE DOMAIN v.dom AS varchar(9) CHECK (VALUE <> ''); CREATE DOMAIN v.dom1 AS int CHECK (VALUE > 0);"
	"CREATE DOMAIN v.dom2 AS v.dom1 CHECK (VALUE < 9); CREATE TYPE v.frange AS RANGE (subtype = float8);";

/* same_N is equal on both sides, diff_N has the other value on the target in one row of three. */
static void make_values(void)
{
	sql_on(1, "CREATE TYPE v.shift AS ENUM ('other', 'oids'); CREATE TABLE v.shift2 (); DROP TYPE v.shift; DROP TABLE v.shift2");
	sql_both(types);
	for (int side = 0; side < 2; side++) {
		struct str sql = {0};
		for (size_t i = 0; i < N_VALUES; i++) {
			if (!here(i))
				continue;
			const char *t = values[i].type, *a = values[i].a, *b = values[i].b;
			str_addf(&sql, "CREATE TABLE v.same_%zu (id int, c %s); INSERT INTO v.same_%zu VALUES (1, %s), (2, %s), (3, NULL);", i, t, i, a, b);
			str_addf(&sql, "CREATE TABLE v.diff_%zu (id int, c %s); INSERT INTO v.diff_%zu VALUES (1, %s), (2, %s), (3, NULL);", i, t, i,
				 side ? b : a, b);
		}
		sql_on(side, str_text(&sql));
		str_fini(&sql);
	}
}

static void test_every_type(void **state)
{
	(void)state;
	NEED_SERVERS;
	make_values();
	struct verify_set *v = verify(VERIFY_CHECKSUM, 2);
	for (size_t i = 0; i < N_VALUES; i++) {
		char name[32];
		if (!here(i))
			continue;
		(void)snprintf(name, sizeof name, "same_%zu", i);
		expect(v, name, ST_DONE);
		(void)snprintf(name, sizeof name, "diff_%zu", i);
		const struct verify_table *t = find(v, name);
		if (str_eq(t->sum[0], t->sum[1]))
			fail_msg("%s: %s and %s are the same to %s", values[i].type, values[i].a, values[i].b, t->expr);
		expect(v, name, ST_FAILED);
	}
	verify_free(v);
}

/* The same values within one wide row of text (more columns than are chained). */
static void test_wide(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct str sql = {0};
	str_add(&sql, "CREATE TABLE v.wide (id int PRIMARY KEY");
	for (int i = 0; i < 250; i++)
		str_addf(&sql, ", c%d %s", i, i % 3 == 0 ? "float8" : i % 3 == 1 ? "text" : "\"char\"");
	str_add(&sql, "); INSERT INTO v.wide (id, c0, c1, c2) VALUES (1, 0.1, '', (-56)::int4::\"char\"), (2, 'NaN', NULL, NULL);"
		      "CREATE TABLE v.wide2 AS SELECT * FROM v.wide; CREATE TABLE v.wide3 AS SELECT * FROM v.wide; CREATE TABLE v.wide4 AS SELECT * FROM v.wide");
	sql_both(str_text(&sql));
	sql_on(1, "UPDATE v.wide2 SET c1 = NULL WHERE id = 1; UPDATE v.wide3 SET c4 = '' WHERE id = 2; UPDATE v.wide4 SET c0 = c0 + 1.4e-17 WHERE id = 1");
	str_fini(&sql);
	struct verify_set *v = verify(VERIFY_CHECKSUM, 1);
	expect(v, "wide", ST_DONE);
	expect(v, "wide2", ST_FAILED);
	expect(v, "wide3", ST_FAILED);
	expect(v, "wide4", ST_FAILED);
	verify_free(v);
}

/* What a sum of hashes could miss: swapped columns, values swapped between rows, pairs of duplicates. */
static const struct { const char *columns, *a, *b; } shapes[] = {
	{"a text, b text", "('x', NULL)", "(NULL, 'x')"},
	{"a text, b text", "('x', '')", "('', 'x')"},
	{"a text, b text", "('ab', 'c')", "('a', 'bc')"},
	{"a float8, b float8", "(0, 5)", "(5, 0)"},
	{"a float8, b float8", "(1, 0), (2, '-0')", "(1, '-0'), (2, 0)"},
	{"a int8, b int8", "(5, 7)", "(7, 5)"},
	{"a int8, b int8", "(5, 7), (1, 2)", "(5, 2), (1, 7)"},
	{"a bool, b bool", "(true, false)", "(false, true)"},
	{"a bool, b bool", "(true, NULL), (false, true)", "(false, NULL), (true, true)"},
	{"a int, b int", "(1, 1), (1, 1), (2, 2)", "(1, 1), (2, 2), (2, 2)"},
	{"a int, b int", "(1, 1), (1, 1)", "(2, 2), (2, 2)"},
	{"a int, b int", "(NULL, 0)", "(0, NULL)"},
	{"a timestamptz, b timestamptz", "('epoch', NULL)", "(NULL, 'epoch')"},
	{"a timestamp, b timestamp", "('epoch', 'infinity'), ('infinity', 'epoch')", "('epoch', 'epoch'), ('infinity', 'infinity')"},
	{"a bytea, b bytea", "('a', 'b'), ('c', 'd')", "('a', 'd'), ('c', 'b')"},
	{"a date, b int", "(NULL, 1), ('epoch', NULL)", "(NULL, NULL), ('epoch', 1)"},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static void test_shapes(void **state)
{
	(void)state;
	NEED_SERVERS;
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < N_SHAPES; i++) {
			char *sql = xasprintf("CREATE TABLE v.s_%zu (%s); INSERT INTO v.s_%zu VALUES %s", i, shapes[i].columns, i, side ? shapes[i].b : shapes[i].a);
			sql_on(side, sql);
			free(sql);
		}
	struct verify_set *v = verify(VERIFY_CHECKSUM, 2);
	for (size_t i = 0; i < N_SHAPES; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "s_%zu", i);
		expect(v, name, ST_FAILED);
	}
	verify_free(v);
}

static void test_tables(void **state)
{
	(void)state;
	NEED_SERVERS;
	sql_both("CREATE TABLE v.none (); INSERT INTO v.none SELECT FROM generate_series(1, 7); CREATE TABLE v.empty (a int);"
		 "CREATE TABLE v.parent (a int); CREATE TABLE v.child (b int) INHERITS (v.parent); INSERT INTO v.child VALUES (1, 2);"
		 "CREATE TABLE v.parted (a int) PARTITION BY LIST (a); CREATE TABLE v.parted_1 PARTITION OF v.parted FOR VALUES IN (1);"
		 "INSERT INTO v.parted VALUES (1); CREATE TABLE v.\"Таблица \"\"q\"\" ; --\" (\"select\" int, \"a\nb\" text, \"x$C\" text);"
		 "INSERT INTO v.\"Таблица \"\"q\"\" ; --\" VALUES (1, E'\\n', '$S'); CREATE UNLOGGED TABLE v.unlogged AS SELECT 1 AS a;"
		 "CREATE MATERIALIZED VIEW v.mv AS SELECT 1 AS a; CREATE TABLE v.reordered (a int, b text); CREATE TABLE v.gone (a int); CREATE TABLE v.retyped (a int);"
		 "INSERT INTO v.reordered VALUES (1, 'x')");
	/* the same rows with the columns in another order, as an attached partition or an inherited table may have them */
	sql_on(1, "DROP TABLE v.reordered; CREATE TABLE v.reordered (b text, a int); INSERT INTO v.reordered VALUES ('x', 1); DROP TABLE v.gone;"
		  "ALTER TABLE v.retyped ALTER a TYPE text; DELETE FROM v.none WHERE ctid = '(0,1)'");
	struct verify_set *v = verify(VERIFY_CHECKSUM, 3);
	expect(v, "none", ST_FAILED);
	expect(v, "empty", ST_DONE);
	expect(v, "parent", ST_DONE);
	assert_true(find(v, "parent")->rows[0] == 0); /* ONLY */
	expect(v, "child", ST_DONE);
	expect(v, "parted_1", ST_DONE);
	expect(v, "Таблица \"q\" ; --", ST_DONE);
	expect(v, "unlogged", ST_DONE);
	expect(v, "reordered", ST_DONE);
	expect(v, "gone", ST_FAILED);
	if (session_version(db[0]) >= 110000 && session_version(db[1]) >= 110000)
		expect(v, "retyped", ST_FAILED); /* md5 compares text, whatever the type */
	assert_int_equal(v->not_verified.n, 1);
	for (size_t i = 0; i < v->n_tables; i++)
		assert_string_not_equal(v->tables[i].name, "parted");
	verify_free(v);
	v = verify(VERIFY_COUNT, 3);
	expect(v, "none", ST_FAILED);
	expect(v, "child", ST_DONE);
	expect(v, "retyped", ST_DONE); /* counted only, and says so */
	verify_free(v);
}

/* A NOT NULL that is not validated (18) must not hide a whole row. */
static void test_unproven_not_null(void **state)
{
	(void)state;
	NEED_SERVERS;
	if (session_version(db[0]) < 180000 || session_version(db[1]) < 180000)
		skip();
	sql_both("CREATE TABLE v.nn (a int, b text); INSERT INTO v.nn VALUES (NULL, 'x'); ALTER TABLE v.nn ADD CONSTRAINT nn NOT NULL a NOT VALID");
	sql_on(1, "ALTER TABLE v.nn DROP CONSTRAINT nn; UPDATE v.nn SET b = 'y'; ALTER TABLE v.nn ADD CONSTRAINT nn NOT NULL a NOT VALID");
	struct verify_set *v = verify(VERIFY_CHECKSUM, 1);
	expect(v, "nn", ST_FAILED);
	verify_free(v);
}

/* Large enough for several ranges: the parts add up to what one statement gives, and one damaged row is seen and named. */
static void test_ranges(void **state)
{
	(void)state;
	NEED_SERVERS;
	sql_both("CREATE TABLE v.big (id int PRIMARY KEY, v text); INSERT INTO v.big SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 90000) g;"
		 "DELETE FROM v.big WHERE id % 7 = 0; CREATE TABLE v.small AS SELECT 1 AS a");
	struct verify_set *one = verify(VERIFY_CHECKSUM, 1), *v = verify(VERIFY_CHECKSUM, 3);
	expect(v, "big", ST_DONE);
	assert_true(find(one, "big")->rows[0] == find(v, "big")->rows[0] && find(v, "big")->rows[1] == 90000 - 12857);
	assert_string_equal(find(one, "big")->sum[0], find(v, "big")->sum[0]);
	assert_string_equal(find(one, "big")->sum[1], find(v, "big")->sum[1]);
	verify_free(one);
	verify_free(v);
	sql_on(1, "UPDATE v.big SET v = overlay(v placing '!' from 500) WHERE id = 60000; DELETE FROM v.big WHERE id = 2; INSERT INTO v.big VALUES (-1, '')");
	v = verify(VERIFY_CHECKSUM, 3);
	expect(v, "big", ST_FAILED);
	struct strv keys = {0};
	struct err err = {0};
	must(verify_narrow(find(v, "big"), db[0], NULL, db[1], 10, &keys, &err), &err, "verify_narrow");
	assert_int_equal(keys.n, 3);
	assert_true(strv_has(&keys, "differs (id)=(60000)"));
	assert_true(strv_has(&keys, "only on source (id)=(2)"));
	assert_true(strv_has(&keys, "only on target (id)=(-1)"));
	strv_fini(&keys);
	keys = (struct strv){0};
	must(verify_narrow(find(v, "big"), db[0], NULL, db[1], 2, &keys, &err), &err, "verify_narrow");
	assert_int_equal(keys.n, 2);
	strv_fini(&keys);
	assert_int_equal(verify_narrow(find(v, "small"), db[0], NULL, db[1], 2, &keys, &err), ERR_USAGE);
	verify_free(v);
}

/* The source is written on while it is read in a snapshot: what counts is the snapshot. */
static void test_snapshot(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct session *holder;
	struct err err = {0};
	char *name;
	sql_both("CREATE TABLE v.t AS SELECT g AS id, 'x'::text AS v FROM generate_series(1, 1000) g; CREATE SEQUENCE v.moves; SELECT nextval('v.moves')");
	struct verify_set *v = plan(VERIFY_CHECKSUM);
	must(session_open(&holder, &m.end[0], NULL, NULL, &err), &err, "open");
	must(session_run(holder, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &err), &err, "begin");
	must(session_value(holder, "SELECT pg_export_snapshot()", &name, &err), &err, "export");
	sql_on(0, "INSERT INTO v.t VALUES (0, 'later'); UPDATE v.t SET v = 'y' WHERE id < 50; DELETE FROM v.t WHERE id > 900");
	read_side(v, 0, name, 2);
	read_side(v, 1, NULL, 2);
	expect(v, "t", ST_DONE);
	sql_on(0, "SELECT nextval('v.moves'), nextval('v.moves')");
	must(verify_reread_sequences(v, db[0], &err), &err, "reread");
	sql_on(1, "SELECT nextval('v.moves')");
	verify_free(v);
	/* a snapshot that is gone is an error of the job, with a hint */
	session_close(holder);
	v = plan(VERIFY_CHECKSUM);
	struct verify_job *j;
	int64_t deadline = clock_deadline(10000);
	do {
		must(verify_start(&j, v, SIDE_SOURCE, &m.end[0], APP, name, 2, NULL, &err), &err, "start");
	} while (verify_finish(j, &err) == ERR_OK && clock_mono_us() < deadline); /* the server takes a moment to see that the holder left */
	assert_int_equal(err.code, ERR_SQL);
	assert_true(err.hint[0]);
	verify_free(v);
	free(name);
}

static enum state seq_state(const struct verify_set *v, const char *name)
{
	for (size_t i = 0; i < v->n_seqs; i++)
		if (str_eq(v->seqs[i].schema, "v") && str_eq(v->seqs[i].name, name)) {
			char *detail;
			enum state st = verify_seq_state(&v->seqs[i], &detail);
			free(detail);
			return st;
		}
	return ST_NONE;
}

static void test_sequences(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct err err = {0};
	sql_both("CREATE SEQUENCE v.never START 100; CREATE SEQUENCE v.down INCREMENT -3 MAXVALUE 10 START 7; SELECT nextval('v.down'); CREATE SEQUENCE v.moves;"
		 "SELECT setval('v.moves', 10); CREATE SEQUENCE v.uncalled; SELECT setval('v.uncalled', 500, false); CREATE SEQUENCE v.\"Seq \"\"q\"; CREATE SEQUENCE v.differs;"
		 "CREATE SEQUENCE v.flag; SELECT setval('v.flag', 5); CREATE TABLE v.ids (a serial); CREATE SEQUENCE v.gone");
	sql_on(1, "SELECT nextval('v.differs'); SELECT setval('v.flag', 5, false); DROP SEQUENCE v.gone; CREATE SEQUENCE v.only_here; SELECT setval('v.moves', 12)");
	struct verify_set *v = plan(VERIFY_CHECKSUM);
	struct verify_job *j[2];
	/* both sides at once, as a later check of two quiet databases does it */
	for (int i = 0; i < 2; i++)
		must(verify_start(&j[i], v, (enum side)i, &m.end[i], APP, NULL, 2, NULL, &err), &err, "start");
	for (int i = 0; i < 2; i++)
		must(verify_finish(j[i], &err), &err, "finish");
	assert_int_equal(seq_state(v, "never"), ST_DONE);
	assert_int_equal(seq_state(v, "down"), ST_DONE);
	assert_int_equal(seq_state(v, "uncalled"), ST_DONE);
	assert_int_equal(seq_state(v, "Seq \"q"), ST_DONE);
	assert_int_equal(seq_state(v, "ids_a_seq"), ST_DONE);
	assert_int_equal(seq_state(v, "differs"), ST_FAILED);
	assert_int_equal(seq_state(v, "flag"), ST_FAILED);
	assert_int_equal(seq_state(v, "gone"), ST_FAILED);
	assert_int_equal(seq_state(v, "only_here"), ST_SKIPPED);
	assert_int_equal(seq_state(v, "moves"), ST_FAILED);
	sql_on(0, "SELECT setval('v.moves', 15)");
	must(verify_reread_sequences(v, db[0], &err), &err, "reread");
	assert_int_equal(seq_state(v, "moves"), ST_DONE);
	verify_free(v);
}

static void lo_expect(enum state want)
{
	struct verify_set *v = verify(VERIFY_CHECKSUM, 2);
	char *detail;
	enum state got = verify_lo_state(v, &detail);
	if (got != want)
		fail_msg("large objects are %s: %s", state_name(got), detail);
	free(detail);
	verify_free(v);
}

static void test_large_objects(void **state)
{
	(void)state;
	NEED_SERVERS;
	sql_both("SELECT lo_from_bytea(7001, decode(repeat('00ff10', 5000), 'hex')), lo_from_bytea(7002, ''), lo_from_bytea(4000000000, 'high')");
	/* the same bytes: with a hole on one side, with the zeros of the hole written on the other, as a dump does it */
	sql_on(0, "SELECT lo_from_bytea(7003, 'begin'); SELECT lo_put(7003, 9000, 'end')");
	sql_on(1, "SELECT lo_from_bytea(7003, 'begin'::bytea || decode(repeat('00', 8995), 'hex') || 'end'::bytea)");
	lo_expect(ST_DONE);
	sql_on(1, "SELECT lo_put(7001, 4000, 'x')");
	lo_expect(ST_FAILED);
	sql_on(1, "SELECT lo_put(7001, 4000, '\\xff')");
	sql_on(0, "SELECT lo_put(7001, 4000, '\\xff')");
	lo_expect(ST_DONE);
	sql_on(1, "SELECT lo_put(7002, 0, '\\x00')"); /* a zero more is a difference, too */
	lo_expect(ST_FAILED);
	sql_on(1, "SELECT lo_unlink(7002), lo_create(7004)");
	lo_expect(ST_FAILED);
	sql_both("SELECT lo_unlink(oid) FROM pg_largeobject_metadata");
}

/* A role that may not read one table, nor the large objects: said for those, and the rest is proven. */
static void test_rights(void **state)
{
	(void)state;
	NEED_SERVERS;
	char *role = xasprintf("verify_%d", (int)getpid());
	char *make = xasprintf("CREATE ROLE %s LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA v TO %s; CREATE TABLE v.yes AS SELECT 1 AS a; CREATE TABLE v.no AS SELECT 1 AS a;"
			       "CREATE TABLE v.rls AS SELECT 1 AS a; ALTER TABLE v.rls ENABLE ROW LEVEL SECURITY; GRANT SELECT ON v.yes, v.rls TO %s; CREATE SEQUENCE v.hidden", role, role, role);
	char *drop = xasprintf("DROP OWNED BY %s; DROP ROLE %s; SELECT lo_unlink(7001)", role, role);
	sql_on(0, make);
	sql_both("SELECT lo_from_bytea(7001, 'x')");
	sql_on(1, "CREATE TABLE v.yes AS SELECT 1 AS a; CREATE TABLE v.no AS SELECT 1 AS a; CREATE TABLE v.rls AS SELECT 1 AS a; CREATE SEQUENCE v.hidden");
	struct verify_set *v = plan(VERIFY_CHECKSUM);
	struct endpoint ep = m.end[0];
	struct verify_job *j;
	struct err err = {0};
	char *detail;
	ep.user = role;
	ep.password = (struct secret){0};
	secret_set(&ep.password, "pw");
	must(verify_start(&j, v, SIDE_SOURCE, &ep, APP, NULL, 2, NULL, &err), &err, "start");
	must(verify_finish(j, &err), &err, "finish");
	read_side(v, 1, NULL, 2);
	expect(v, "yes", ST_DONE);
	expect(v, "no", ST_SKIPPED);
	expect(v, "rls", ST_SKIPPED);
	assert_int_equal(verify_lo_state(v, &detail), ST_SKIPPED);
	free(detail);
	assert_int_equal(seq_state(v, "hidden"), ST_SKIPPED);
	verify_free(v);
	sql_on(0, drop);
	sql_on(1, "SELECT lo_unlink(7001)");
	secret_fini(&ep.password);
	free(role);
	free(make);
	free(drop);
}

static char *ask(int side, const char *sql)
{
	struct err err = {0};
	char *value;
	must(session_value(admin[side], sql, &value, &err), &err, sql);
	return value;
}

/* Waits for a condition on the server with a deadline. */
static void wait_for(int side, const char *sql, const char *want)
{
	int64_t deadline = clock_deadline(10000);
	for (;;) {
		char *got = ask(side, sql);
		bool ok = str_eq(got, want);
		if (!ok && clock_mono_us() > deadline)
			fail_msg("%s: %s, not %s", sql, got ? got : "NULL", want);
		free(got);
		if (ok)
			return;
		(void)poll(NULL, 0, 5);
	}
}

static const char ours_active[] = "SELECT count(*) FROM pg_stat_activity WHERE application_name = '" APP "' AND state = 'active'";
static const char ours[] = "SELECT count(*) FROM pg_stat_activity WHERE application_name = '" APP "'";

/* Two sessions in the middle of long statements, and a table that comes after them. */
static struct verify_job *start_slow(struct verify_set **v, struct cancel *cancel)
{
	struct verify_job *j;
	struct err err = {0};
	sql_on(0, "CREATE TABLE v.slow1 AS SELECT g AS id, repeat('x', 1900) FROM generate_series(1, 3000) g; CREATE TABLE v.slow2 AS TABLE v.slow1;"
		  "CREATE TABLE v.after AS SELECT 1 AS a");
	*v = plan(VERIFY_CHECKSUM);
	for (size_t i = 0; i < (*v)->n_tables; i++)
		if (str_starts((*v)->tables[i].name, "slow"))
			xreplace(&(*v)->tables[i].expr, "(SELECT 1 FROM pg_sleep(0.02 + 0 * t.id))::bigint");
	must(verify_start(&j, *v, SIDE_SOURCE, &m.end[0], APP, NULL, 2, cancel, &err), &err, "start");
	wait_for(0, ours_active, "2");
	return j;
}

static void test_cancel(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct cancel cancel;
	struct verify_set *v;
	struct err err = {0};
	assert_true(cancel_init(&cancel));
	struct verify_job *j = start_slow(&v, &cancel);
	int64_t start = clock_mono_us();
	cancel_raise(&cancel);
	assert_int_equal(verify_finish(j, &err), ERR_CANCELLED);
	int64_t ms = (clock_mono_us() - start) / 1000;
	printf("cancelled after %d ms\n", (int)ms);
	assert_true(ms < 1000);
	wait_for(0, ours, "0");
	cancel_fini(&cancel);
	verify_free(v);
}

static void test_lost(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct verify_set *v;
	struct err err = {0};
	struct verify_job *j = start_slow(&v, NULL);
	/* one of two: the other is told to stop, too */
	free(ask(0, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '" APP "' AND state = 'active' LIMIT 1"));
	int64_t start = clock_mono_us();
	assert_int_equal(verify_finish(j, &err), ERR_LOST);
	int64_t ms = (clock_mono_us() - start) / 1000;
	printf("lost after %d ms: %s\n", (int)ms, err.msg);
	assert_true(ms < 5000);
	size_t known = 0, with_err = 0;
	for (size_t i = 0; i < v->n_tables; i++) {
		known += v->tables[i].known[0];
		with_err += v->tables[i].err[0].code == ERR_LOST;
	}
	assert_true(with_err > 0 && known < v->n_tables);
	wait_for(0, ours, "0");
	verify_free(v);
}

static void test_no_connection(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct verify_set *v = plan(VERIFY_CHECKSUM);
	struct verify_job *j;
	struct err err = {0};
	struct endpoint ep = m.end[0];
	char port[] = "1";
	ep.port = port;
	must(verify_start(&j, v, SIDE_SOURCE, &ep, APP, NULL, 3, NULL, &err), &err, "start");
	assert_int_equal(verify_finish(j, &err), ERR_CONNECT);
	verify_free(v);
}

/* The descriptor tells progress and the end; bytes never run over. */
static void test_progress(void **state)
{
	(void)state;
	NEED_SERVERS;
	sql_both("CREATE TABLE v.a AS SELECT g FROM generate_series(1, 1000) g; CREATE TABLE v.b AS SELECT g FROM generate_series(1, 1000) g");
	struct verify_set *v = plan(VERIFY_CHECKSUM);
	struct verify_job *j;
	struct verify_progress p = {0};
	struct err err = {0};
	int64_t last = 0, deadline = clock_deadline(20000);
	must(verify_start(&j, v, SIDE_SOURCE, &m.end[0], APP, NULL, 2, NULL, &err), &err, "start");
	while (!p.finished && clock_mono_us() < deadline) {
		struct pollfd fd = {.fd = verify_fd(j), .events = POLLIN};
		assert_int_equal(poll(&fd, 1, 10000), 1);
		verify_peek(j, &p);
		assert_true(p.bytes >= last && p.bytes <= p.of_bytes);
		last = p.bytes;
	}
	assert_true(p.finished && p.bytes == p.of_bytes && p.tables == p.of_tables);
	must(verify_finish(j, &err), &err, "finish");
	verify_free(v);
}

/* What is read on the source outlives the process in a file. */
static void test_store(void **state)
{
	(void)state;
	NEED_SERVERS;
	struct err err = {0};
	struct verify_set *v, *loaded;
	char path[] = "/tmp/test_verify.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && close(fd) == 0);
	sql_both("CREATE TABLE v.t (id int PRIMARY KEY, v text); INSERT INTO v.t VALUES (1, 'x'); CREATE SEQUENCE v.s; SELECT lo_from_bytea(7001, 'x')");
	sql_on(1, "UPDATE v.t SET v = 'y'");
	v = plan(VERIFY_CHECKSUM);
	read_side(v, 0, NULL, 1);
	must(verify_save(v, path, &err), &err, "save");
	verify_free(v);
	must(verify_load(&loaded, path, &err), &err, "load");
	read_side(loaded, 1, NULL, 2);
	expect(loaded, "t", ST_FAILED);
	assert_int_equal(seq_state(loaded, "s"), ST_DONE);
	char *detail;
	assert_int_equal(verify_lo_state(loaded, &detail), ST_DONE);
	free(detail);
	struct strv keys = {0};
	must(verify_narrow(find(loaded, "t"), db[0], NULL, db[1], 5, &keys, &err), &err, "narrow");
	assert_int_equal(keys.n, 1);
	strv_fini(&keys);
	verify_free(loaded);
	assert_int_equal(unlink(path), 0);
	sql_both("SELECT lo_unlink(7001)");
}

#define T(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_every_type), T(test_wide), T(test_shapes), T(test_tables), T(test_unproven_not_null), T(test_ranges), T(test_snapshot),
		T(test_sequences), T(test_large_objects), T(test_rights), T(test_cancel), T(test_lost), T(test_no_connection),
		T(test_progress), T(test_store),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
