/* verify without a server: expressions, the cut into items, sums, verdicts, the plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "verify/cut.h"
#include "verify/expr.h"

static struct fact_column column(const char *name, const char *type, bool nullable)
{
	return (struct fact_column){.name = xstrdup(name), .type = xstrdup(type), .base_type = xstrdup(type), .kind = 'b',
				    .nullable = nullable};
}

static struct fact_table table(const struct fact_column *c, int n, const char *key)
{
	struct fact_table t = {.schema = xstrdup("s"), .name = xstrdup("t"), .kind = 'r', .persistence = 'p', .n_columns = n, .columns = c};
	if (key)
		strv_add(&t.key, key);
	return t;
}

static void columns_free(struct fact_column *c, int n)
{
	for (int i = 0; i < n; i++) {
		free(c[i].name);
		free(c[i].type);
		free(c[i].base_type);
	}
}

static void table_free(struct fact_table *t)
{
	free(t->schema);
	free(t->name);
	strv_fini(&t->key);
}

static void test_sides(void **state)
{
	(void)state;
	struct expr_sides s = expr_sides(140023, 160014);
	assert_false(s.md5 || s.old_floats || s.any_null);
	s = expr_sides(180004, 110022);
	assert_true(!s.md5 && s.old_floats && s.any_null);
	s = expr_sides(100023, 140000);
	assert_true(s.md5 && s.old_floats && !s.any_null);
}

static void test_row_expression(void **state)
{
	(void)state;
	struct fact_column c[2] = {column("id", "int4", false), column("a \"b", "text", false)};
	struct fact_table t = table(c, 2, "id");
	char *e = expr_row(&t, expr_sides(140000, 160000));
	assert_string_equal(e, "hashtextextended(t.\"a \"\"b\" COLLATE \"C\", hashint4extended(t.\"id\", 1))");
	free(e);
	/* nullable: a stand-in for the value, and the seed says that it is one */
	c[1].nullable = true;
	e = expr_row(&t, expr_sides(140000, 160000));
	assert_non_null(strstr(e, "coalesce(t.\"a \"\"b\", '') COLLATE \"C\", int8xor(hashint4extended(t.\"id\", 1), CASE WHEN t.\"a \"\"b\" IS NULL THEN "));
	free(e);
	/* 18 has NOT NULL that is not validated: only a key is trusted */
	c[1].nullable = false;
	e = expr_row(&t, expr_sides(140000, 180000));
	assert_non_null(strstr(e, "coalesce(t.\"a \"\"b\""));
	assert_null(strstr(e, "coalesce(t.\"id\""));
	free(e);
	e = expr_key(&t, expr_sides(140000, 180000));
	assert_string_equal(e, "hashint4extended(t.\"id\", 1)");
	free(e);
	e = expr_key_text(&t, expr_sides(140000, 180000));
	assert_string_equal(e, "ROW(t.\"id\")::text");
	free(e);
	columns_free(c, 2);
	table_free(&t);
}

static void test_odd_rows(void **state)
{
	(void)state;
	struct fact_column c[201];
	for (int i = 0; i < 201; i++)
		c[i] = column("c", i ? "float8" : "\"char\"", true);
	struct fact_table t = table(c, 0, NULL);
	char *e = expr_row(&t, expr_sides(140000, 160000));
	assert_string_equal(e, "0::bigint");
	free(e);
	assert_null(expr_key(&t, expr_sides(140000, 160000)));
	assert_null(expr_key_text(&t, expr_sides(140000, 160000)));
	/* 200 are chained, 201 are one text */
	t.n_columns = 200;
	e = expr_row(&t, expr_sides(140000, 160000));
	assert_null(strstr(e, "ROW("));
	free(e);
	t.n_columns = 201;
	e = expr_row(&t, expr_sides(140000, 160000));
	assert_true(str_starts(e, "hashtextextended(ROW(t.\"c\", t.\"c\""));
	free(e);
	/* 10 has md5 only, and no more than 15 digits in the text of a float */
	t.n_columns = 2;
	e = expr_row(&t, expr_sides(100000, 160000));
	assert_true(str_starts(e, "('x' || substr(md5(ROW("));
	assert_non_null(strstr(e, "float8send("));
	free(e);
	columns_free(c, 201);
	table_free(&t);
}

/* A key column that was not read gives no key, never a part of one. */
static void test_key_unknown(void **state)
{
	(void)state;
	struct fact_column c[1] = {column("id", "int4", false)};
	struct fact_table t = table(c, 1, "id");
	strv_add(&t.key, "elsewhere");
	assert_null(expr_key(&t, expr_sides(140000, 160000)));
	columns_free(c, 1);
	table_free(&t);
}

static struct verify_set *set_of(size_t n)
{
	struct verify_set *v = verify_new();
	v->tables = xcalloc(n, sizeof *v->tables);
	v->n_tables = n;
	for (size_t i = 0; i < n; i++)
		v->tables[i].bytes = 1000;
	return v;
}

static void test_cut(void **state)
{
	(void)state;
	struct verify_set *v = set_of(103);
	struct read_size size[103];
	size_t parts[103];
	struct item_list l = {0};
	for (size_t i = 0; i < 103; i++)
		size[i] = (struct read_size){.exists = true, .blocks = 1, .block_bytes = 8192};
	size[0].blocks = 100003;
	size[1].blocks = 6000; /* 47 MB: larger than a batch, smaller than a range */
	size[50].exists = false;
	int64_t range = cut_range_bytes(v, size, 4);
	assert_true(range == 32 << 20);
	range = 64 << 20;
	cut_items(&l, v, size, range, parts);
	/* the ranges of the first table meet, begin at 0 and have no end; every other table that is there is in one item */
	int64_t at = 0, bytes = 0;
	size_t seen[103] = {0}, ranges = 0;
	for (size_t i = 0; i < l.n; i++) {
		const struct item *it = &l.v[i];
		bytes += it->bytes;
		for (size_t k = it->first; k < it->first + it->n; k++)
			seen[k]++;
		if (it->kind != ITEM_RANGE)
			continue;
		assert_int_equal(it->first, 0);
		assert_true(it->from == at && it->to > it->from);
		at = it->to;
		ranges++;
	}
	assert_true(at == READ_TO_END);
	assert_int_equal(ranges, 13);
	assert_int_equal(parts[0], 13);
	assert_int_equal(seen[0], 13);
	for (size_t i = 1; i < 103; i++) {
		assert_int_equal(seen[i], i == 50 ? 0 : 1);
		assert_int_equal(parts[i], seen[i]);
	}
	assert_true(bytes == 102 * 1000);
	assert_true(l.n < 20); /* batches */
	free(l.v);
	verify_free(v);
}

static void check_sum(const char *a, const char *b, const char *expected)
{
	__int128 sum = 0;
	cut_sum_add(&sum, a);
	cut_sum_add(&sum, b);
	char *text = cut_sum_text(sum);
	assert_string_equal(text, expected);
	free(text);
}

static void test_sums(void **state)
{
	(void)state;
	check_sum("0", "", "0");
	check_sum("9223372036854775807", "9223372036854775807", "18446744073709551614");
	check_sum("-9223372036854775808", "-9223372036854775808", "-18446744073709551616");
	check_sum("99999999999999999999999999999", "-100000000000000000000000000000", "-1");
}

static struct verify_table both(int64_t a, int64_t b, const char *sum_a, const char *sum_b)
{
	return (struct verify_table){.known = {true, true}, .rows = {a, b}, .sum = {(char *)(uintptr_t)sum_a, (char *)(uintptr_t)sum_b}};
}

static void expect(struct verify_table t, enum verify_mode mode, enum state want, const char *words)
{
	char *detail;
	assert_int_equal(verify_table_state(&t, mode, &detail), want);
	assert_non_null(detail);
	if (!strstr(detail, words))
		fail_msg("'%s' is not in '%s'", words, detail);
	free(detail);
}

static void test_table_states(void **state)
{
	(void)state;
	expect(both(5, 5, "7", "7"), VERIFY_CHECKSUM, ST_DONE, "5 rows, checksums equal");
	expect(both(1, 1, "7", "7"), VERIFY_CHECKSUM, ST_DONE, "1 row, checksums equal");
	expect(both(5, 5, "7", "8"), VERIFY_CHECKSUM, ST_FAILED, "content differs");
	expect(both(5, 4, "7", "7"), VERIFY_CHECKSUM, ST_FAILED, "5 rows on the source, 4 on the target");
	expect(both(5, 5, NULL, NULL), VERIFY_COUNT, ST_DONE, "not compared");
	expect(both(5, 4, NULL, NULL), VERIFY_COUNT, ST_FAILED, "4 on the target");
	/* a checksum was asked for and there is none: that is no proof */
	expect(both(5, 5, NULL, NULL), VERIFY_CHECKSUM, ST_SKIPPED, "content not compared");
	expect(both(5, 5, "7", NULL), VERIFY_CHECKSUM, ST_SKIPPED, "content not compared");
	struct verify_table t = both(5, 5, "7", "7");
	t.known[0] = false;
	expect(t, VERIFY_CHECKSUM, ST_SKIPPED, "source not read");
	t = both(5, 0, "7", NULL);
	t.known[1] = false;
	(void)err_set(&t.err[1], ERR_SQL, "permission denied for table t");
	memcpy(t.err[1].sqlstate, "42501", 6);
	expect(t, VERIFY_CHECKSUM, ST_SKIPPED, "target not read: permission denied");
	memcpy(t.err[1].sqlstate, "42P01", 6);
	expect(t, VERIFY_CHECKSUM, ST_FAILED, "not the same table on the target");
}

static void expect_seq(const char *first, const char *later, const char *target, int64_t increment, enum state want)
{
	struct verify_seq s = {.known = {true, target != NULL}, .increment = increment,
			       .value = {(char *)(uintptr_t)first, (char *)(uintptr_t)target}, .later = (char *)(uintptr_t)later};
	char *detail;
	enum state got = verify_seq_state(&s, &detail);
	if (got != want)
		fail_msg("%s .. %s against %s: %s (%s)", first, later, target ? target : "none", state_name(got), detail);
	free(detail);
}

static void test_seq_states(void **state)
{
	(void)state;
	expect_seq("5,t", NULL, "5,t", 1, ST_DONE);
	expect_seq("5,t", "5,t", "5,t", 1, ST_DONE);
	expect_seq("5,t", "5,t", "5,f", 1, ST_FAILED);
	expect_seq("5,t", "5,t", "6,t", 1, ST_FAILED);
	expect_seq("5,t", "9,t", "7,t", 1, ST_DONE);
	expect_seq("5,t", "9,t", "10,t", 1, ST_FAILED);
	expect_seq("5,t", "9,t", "4,t", 1, ST_FAILED);
	expect_seq("-5,t", "-9,t", "-7,t", -1, ST_DONE);
	expect_seq("-5,t", "-9,t", "-4,t", -1, ST_FAILED);
	expect_seq("1,f", "3,t", "1,t", 1, ST_DONE);
	expect_seq("5,t", NULL, NULL, 1, ST_FAILED);
	expect_seq(NULL, NULL, "5,t", 1, ST_SKIPPED);
	expect_seq("9223372036854775807,t", NULL, "9223372036854775806,t", 1, ST_FAILED);
}

static void test_lo_states(void **state)
{
	(void)state;
	struct verify_set *v = verify_new();
	char *detail;
	assert_int_equal(verify_lo_state(v, &detail), ST_DONE);
	assert_null(detail);
	v->has_large_objects = true;
	assert_int_equal(verify_lo_state(v, &detail), ST_SKIPPED);
	free(detail);
	v->lo_known[0] = v->lo_known[1] = true;
	v->lo_count[0] = v->lo_count[1] = 2;
	v->lo_sum[0] = xstrdup("1");
	v->lo_sum[1] = xstrdup("2");
	assert_int_equal(verify_lo_state(v, &detail), ST_FAILED);
	free(detail);
	xreplace(&v->lo_sum[1], "1");
	assert_int_equal(verify_lo_state(v, &detail), ST_DONE);
	free(detail);
	v->lo_count[1] = 3;
	assert_int_equal(verify_lo_state(v, &detail), ST_FAILED);
	free(detail);
	verify_free(v);
}

static void test_plan(void **state)
{
	(void)state;
	char s[] = "s", other[] = "other", a[] = "a", b[] = "b", ext[] = "hstore", foreign[] = "foreign table", far[] = "s.far", cond[] = "WHERE own";
	struct fact_table t[] = {
		{.schema = s, .name = a, .kind = 'r', .persistence = 'p', .heap_bytes = 10},
		{.schema = s, .name = b, .kind = 'r', .persistence = 'u', .heap_bytes = 20},
		{.schema = s, .name = other, .kind = 'p', .persistence = 'p'},
		{.schema = s, .name = ext, .kind = 'r', .persistence = 'p', .extension = ext},
		{.schema = other, .name = a, .kind = 'r', .persistence = 'p', .heap_bytes = 5},
		{.schema = s, .name = foreign, .kind = 'm', .persistence = 'p'},
	};
	struct fact_object o[] = {{.kind = foreign, .name = far}};
	struct facts src = {.version_num = 140000, .tables = t, .n_tables = 6, .objects = o, .n_objects = 1,
			    .n_large_objects = 2, .large_object_bytes = 100}, dst = {.version_num = 160000};
	struct migration m = {.dump.verify = VERIFY_CHECKSUM};
	struct verify_set *v = verify_plan(&m, &src, &dst);
	assert_int_equal(v->n_tables, 3);
	assert_string_equal(v->tables[0].id, "s.b");
	assert_string_equal(v->tables[2].id, "other.a");
	assert_true(v->has_large_objects && v->bytes == 135);
	assert_int_equal(v->not_verified.n, 2);
	verify_free(v);
	strv_add(&m.dump.schemas, "s");
	v = verify_plan(&m, &src, &dst);
	assert_int_equal(v->n_tables, 2);
	assert_false(v->has_large_objects);
	verify_free(v);
	strv_fini(&m.dump.schemas);
	m.dump.schemas = (struct strv){0};
	strv_add(&m.dump.exclude_schemas, "s");
	v = verify_plan(&m, &src, &dst);
	assert_int_equal(v->n_tables, 1);
	assert_int_equal(v->not_verified.n, 1);
	verify_free(v);
	strv_fini(&m.dump.exclude_schemas);
	m.dump.exclude_schemas = (struct strv){0};
	t[3].config = true; /* rows of an extension's table that are the user's */
	t[3].condition = cond;
	src.columns_unread = true; /* without columns every row would hash to the same */
	v = verify_plan(&m, &src, &dst);
	assert_int_equal(v->n_tables, 4);
	assert_string_equal(v->tables[3].where, cond);
	for (size_t i = 0; i < v->n_tables; i++) {
		assert_null(v->tables[i].expr);
		assert_non_null(v->tables[i].why_not);
	}
	verify_free(v);
	m.dump.verify = VERIFY_OFF;
	v = verify_plan(&m, &src, &dst);
	assert_int_equal(v->n_tables, 0);
	verify_free(v);
	strv_fini(&m.dump.exclude_schemas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sides), cmocka_unit_test(test_row_expression), cmocka_unit_test(test_odd_rows),
		cmocka_unit_test(test_key_unknown), cmocka_unit_test(test_cut), cmocka_unit_test(test_sums),
		cmocka_unit_test(test_table_states), cmocka_unit_test(test_seq_states), cmocka_unit_test(test_lo_states),
		cmocka_unit_test(test_plan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
