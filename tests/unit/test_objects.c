/* objects: names, first differences, counts, and statements for each major. The comparison itself: tests/flows/objects.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pg/objects.h"

static void test_names(void **state)
{
	static const struct { const char *schema, *name, *out; } cases[] = {
		{"public", "t", "public.t"}, {"a_1", "$x", "a_1.\"$x\""}, {"S", "we\"ird", "\"S\".\"we\"\"ird\""}, {"s", "a.b", "s.\"a.b\""}, {"s", "1", "s.\"1\""}, {"s", "", "s.\"\""}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *name = object_name(cases[i].schema, cases[i].name);
		assert_string_equal(name, cases[i].out);
		free(name);
	}
}

static void test_parents(void **state)
{
	static const struct { const char *name, *parent, *own; } cases[] = {
		{"public.t.v", "public.t", "v"}, {"public.t: t_v_idx", "public.t", "t_v_idx"}, {"s.\"a.b\".\"c.d: e\"", "s.\"a.b\"", "\"c.d: e\""}, {"s.\"a\"\".b\".c", "s.\"a\"\".b\"", "c"},
		{"alone", "alone", "alone"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *own;
		char *parent = object_parent(cases[i].name, &own);
		assert_string_equal(parent, cases[i].parent);
		assert_string_equal(own, cases[i].own);
		free(parent);
	}
}

static void test_first_difference(void **state)
{
	static const struct { const char *a, *b, *line; } cases[] = {
		{"one\ntwo\nthree", "one\n2\nthree", "two"}, {"one", "two", "one"}, {"one\n  two", NULL, "one"}, {"one\n  two", "one\n  three", "two"}, {"one\n", "one\nx", "nothing"}, {"", "x", "nothing"}};
	char lengthy[1000];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *line = object_line(cases[i].a, cases[i].b);
		assert_string_equal(line, cases[i].line);
		free(line);
	}
	memset(lengthy, 'x', sizeof lengthy - 1);
	lengthy[sizeof lengthy - 1] = '\0';
	char *line = object_line(lengthy, NULL);
	assert_int_equal(strlen(line), 163);
	free(line);
}

static void test_counts(void **state)
{
	size_t n[OBJ_KINDS] = {[OBJ_TABLE] = 1, [OBJ_COLUMN] = 1234, [OBJ_INDEX] = 2, [OBJ_GRANT] = 1, [OBJ_OTHER] = 1};
	struct str s = {0};

	(void)state;
	objects_counts(&s, n);
	assert_string_equal(str_text(&s), "1 table, 1,234 columns, 2 indexes, 1 other, 1 grant");
	str_fini(&s);
}

/* No mark of another major is left, and nothing of one that this server is not. */
static void test_statements(void **state)
{
	static const int majors[] = {100000, 110000, 120000, 130000, 140000, 150000, 160000, 170000, 180000};
	const struct object_scope scope = {.schemas = "{}", .without = "{}", .left_out = "{}"}, part = {.schemas = "{a}", .without = "{}", .left_out = "{}", .tables = "c.oid = $4::oid", .of = "1"};

	(void)state;
	for (size_t i = 0; i < sizeof majors / sizeof *majors; i++) {
		int version[2] = {majors[i], 180000};
		for (unsigned flags = 0; flags < 8; flags++)
			for (int phase = OBJ_SUMS; phase <= OBJ_DEFS; phase++) {
				char *sql = objects_sql((enum object_phase)phase, SIDE_SOURCE, version, flags & 1 ? &part : &scope, OBJ_ALL, flags);
				assert_null(strstr(sql, "[["));
				assert_null(strstr(sql, "]]"));
				assert_int_equal(strstr(sql, "prosqlbody") != NULL, majors[i] >= 140000);
				assert_int_equal(strstr(sql, "attgenerated") != NULL, majors[i] >= 120000);
				assert_int_equal(strstr(sql, "proisagg") != NULL, majors[i] < 110000);
				assert_int_equal(strstr(sql, "pg_user_mappings") != NULL, !(flags & 1));
				assert_int_equal(strstr(sql, "c.oid = $4::oid") != NULL, (flags & 1) != 0);
				free(sql);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_parents), cmocka_unit_test(test_first_difference), cmocka_unit_test(test_counts), cmocka_unit_test(test_statements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
