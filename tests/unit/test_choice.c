/* Which tables are followed: names as they are typed, partitions with their parents, what is said of a name that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "method/subscription.h"
#include "pg/adopted.h"
#include "pg/choice.h"
#include "pg/logical.h"

static void names(void **state)
{
	static const char *const t[][2] = {{"public", "a"}, {"a.b", "c"}, {"a", "b\"c"}, {"we\"\"ird", "\xd0\xa2 x"}, {"a,b", "."}, {"S", "T_1$"}};
	static const char *const none[] = {"", ".", "a.", ".a", "a.b.c", "\"a", "\"a\"b", "\"\".a", "a.\"b\"c"};
	char *schema, *name;

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char *text = choice_text(t[i][0], t[i][1]);
		struct strv list = {0};
		assert_true(choice_split(text, &schema, &name));
		assert_string_equal(schema, t[i][0]);
		assert_string_equal(name, t[i][1]);
		free(schema);
		free(name);
		char *three = xasprintf(" x, %s ,y", text);
		choice_list(&list, three);
		assert_int_equal(list.n, 3);
		assert_string_equal(list.v[1], text);
		strv_fini(&list);
		free(three);
		free(text);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		if (choice_split(none[i], &schema, &name))
			fail_msg("'%s' is %s.%s", none[i], schema, name);
	assert_true(choice_split("alone", &schema, &name));
	assert_string_equal(schema, "public");
	free(schema);
	free(name);
}

/* p (1) has p1 (2) and sub (3), which has s1 (4) and s2 (5); a (6), b (7) are in other schemas. */
static struct fact_table tables[] = {
	{.oid = 1, .schema = "public", .name = "p", .kind = 'p', .persistence = 'p'},
	{.oid = 2, .parent = 1, .is_partition = true, .schema = "public", .name = "p1", .kind = 'r', .persistence = 'p'},
	{.oid = 3, .parent = 1, .is_partition = true, .schema = "public", .name = "sub", .kind = 'p', .persistence = 'p'},
	{.oid = 4, .parent = 3, .is_partition = true, .schema = "public", .name = "s1", .kind = 'r', .persistence = 'p'},
	{.oid = 5, .parent = 3, .is_partition = true, .schema = "public", .name = "s2", .kind = 'r', .persistence = 'p'},
	{.oid = 6, .schema = "crm", .name = "orders", .kind = 'r', .persistence = 'p'},
	{.oid = 7, .schema = "ops", .name = "audit", .kind = 'r', .persistence = 'p'},
};
#define N (sizeof tables / sizeof *tables)
static struct fact_table *by_oid[N];
static char *schemas[] = {"crm", "ops", "public"};
static struct facts src = {.version_num = 160000, .super = true, .tables = tables, .n_tables = N, .by_oid = by_oid, .schemas = {.v = schemas, .n = 3}};

/* What stays, as the publication says it. */
static char *published(const char *text)
{
	struct migration m;

	migration_init(&m);
	m.method = METHOD_SUBSCRIPTION;
	xreplace(&m.name, "x");
	choice_list(&m.sub.tables, text);
	for (size_t i = 0; i < N; i++) {
		by_oid[i] = &tables[i];
		tables[i].left_out = false;
	}
	migration_settle(&m);
	choice_mark(&m, &src, NULL);
	struct plan *p = plan_new("t");
	subscription_source(p, &m, &src, NULL);
	char *sql = xstrdup(p->owned.v[p->owned.n - 1]), *left_out = choice_left_out(&src), *both = xasprintf("%s %s", sql, left_out);
	plan_free(p);
	free(sql);
	free(left_out);
	migration_fini(&m);
	return both;
}

static void choices(void **state)
{
	static const struct { const char *text, *sql; } t[] = {
		{"crm.orders", "CREATE PUBLICATION \"pgusher_x\" FOR TABLE ONLY \"crm\".\"orders\" {1,2,3,4,5,7}"},
		{"p", "CREATE PUBLICATION \"pgusher_x\" FOR TABLE ONLY \"public\".\"p1\", ONLY \"public\".\"s1\", ONLY \"public\".\"s2\" {6,7}"},
		{"public.s2, ops.audit", "CREATE PUBLICATION \"pgusher_x\" FOR TABLE ONLY \"public\".\"s2\", ONLY \"ops\".\"audit\" {2,4,6}"},
		{"sub", "CREATE PUBLICATION \"pgusher_x\" FOR TABLE ONLY \"public\".\"s1\", ONLY \"public\".\"s2\" {2,6,7}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		char *sql = published(t[i].text);
		assert_string_equal(sql, t[i].sql);
		free(sql);
	}
	tables[0].scattered = true; /* its partitions are found by another hash over there: sent by the root, or by leaf when one is left out */
	char *sql = published("p, crm.orders");
	assert_string_equal(sql, "CREATE PUBLICATION \"pgusher_x\" FOR TABLE ONLY \"public\".\"p\", ONLY \"crm\".\"orders\" WITH (publish_via_partition_root = true) {7}");
	free(sql);
	tables[0].scattered = false;
}

static void nearest(void **state)
{
	struct migration m;
	struct strv out = {0};

	(void)state;
	migration_init(&m);
	m.method = METHOD_SUBSCRIPTION;
	choice_list(&m.sub.tables, "crm.order, p1, orders");
	strv_add(&m.sub.schemas, "Ops");
	choice_unknown(&m, &src, &out);
	char *all = strv_join(&out, "; ");
	assert_string_equal(all, "schema Ops (did you mean ops?); table crm.order (did you mean crm.orders?); table orders (did you mean crm.orders?)");
	free(all);
	strv_fini(&out);
	migration_fini(&m);
}

static struct fact_object object(const char *kind, const char *name, const char *detail)
{
	return (struct fact_object){.kind = (char *)kind, .name = (char *)name, .detail = (char *)detail};
}

/* Which tables are left out, by what is known of the subscription "by hand" on both sides. */
static char *adopted(struct migration *m, struct fact_object *on_src, size_t n, struct fact_object *on_dst, size_t k)
{
	struct facts dst = {.objects = on_dst, .n_objects = k};

	src.objects = on_src;
	src.n_objects = n;
	(void)adopted_names(m, &src, &dst);
	choice_mark(m, &src, &dst);
	src.objects = NULL;
	src.n_objects = 0;
	return choice_left_out(&src);
}

/* What was taken over is known by the subscription, and after the cutover by a comment; never is every table left out for want of it. */
static void taken_over(void **state)
{
	struct migration m;
	struct str note = {0};
	static const char *const awkward[] = {"by, \"hand\" \\", "{two}"};

	(void)state;
	migration_init(&m);
	m.method = METHOD_SUBSCRIPTION;
	xreplace(&m.name, "x");
	xreplace(&m.sub.adopt, "it's \"here\"");
	migration_settle(&m);
	for (size_t i = 0; i < N; i++)
		by_oid[i] = &tables[i];
	struct fact_object there[] = {object("subscription here", "other", "{no,pub}"), object("subscription here", m.sub.adopt, "{sl,\"by, \\\"hand\\\" \\\\\",\"{two}\"}"),
				      object("followed", "\"crm\".\"orders\"", m.sub.adopt), object("followed", "\"ops\".\"audit\"", "other")};
	char *out = adopted(&m, NULL, 0, there, 4);
	assert_string_equal(out, "{1,2,3,4,5,7}");
	free(out);
	assert_string_equal(m.sub.slot, "sl");
	assert_int_equal(m.sub.publications.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(m.sub.publications.v[i], awkward[i]);
	adopted_note(&m, &note);
	char *mark = adopted_mark(&m);
	assert_ptr_equal(strstr(str_text(&note), mark), str_text(&note));
	free(mark);

	/* it is gone: the comment on the source names all of it again, another one's does not */
	char *comment = xasprintf("pgusher cut over: another server is the primary; before: on%s", str_text(&note));
	struct link back;
	link_back(&back, &m);
	char *way_back = xstrdup(back.subscription);
	struct fact_object after[] = {object("publication here", "zzz", "pgusher cut over: another; before: \nof {\"other\",\"s\",\"p\"}"), object("publication here", "by", comment),
				      object("followed", "\"ops\".\"audit\"", way_back), object("published", "\"crm\".\"orders\"", "{two}"), object("published", "\"public\".\"p1\"", "zzz")};
	strv_fini(&m.sub.publications);
	xreplace(&m.sub.slot, "wrong");
	xreplace(&m.sub.publication, "wrong");
	out = adopted(&m, after, 5, NULL, 0);
	assert_string_equal(out, "{1,2,3,4,5,6}"); /* what goes the way back */
	free(out);
	assert_string_equal(m.sub.slot, "sl");
	assert_string_equal(m.sub.publication, awkward[0]);
	after[2].detail = (char *)"nobody";
	out = adopted(&m, after, 5, NULL, 0);
	assert_string_equal(out, "{1,2,3,4,5,7}"); /* without one: what is published */
	free(out);
	assert_false(adopted_names(&m, NULL, NULL));
	free(way_back);
	free(comment);
	str_fini(&note);
	migration_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(choices), cmocka_unit_test(nearest), cmocka_unit_test(taken_over)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
