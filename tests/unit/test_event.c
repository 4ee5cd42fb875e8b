/* event: its record as JSON and back, with whatever bytes tools and servers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "event.h"

static struct event *from_text(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	struct event *e = j ? event_from_json(j) : NULL;

	json_decref(j);
	return e;
}

static struct event *there_and_back(const struct event *e)
{
	json_t *j = event_to_json(e);
	char *text = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	assert_non_null(text);
	assert_null(strchr(text, '\n')); /* one line each */
	struct event *back = from_text(text);
	free(text);
	return back;
}

static void fill(struct event *e)
{
	event_text(&e->title, "t %d", 1);
	event_text(&e->text, "two\nlines \"quoted\" \\ Таблица");
	event_text(&e->hint, "h");
	event_text(&e->sql, "SELECT '%s'", "x");
	event_text(&e->needed, "n");
	event_text(&e->why, "w");
	e->state = ST_FAILED;
	e->verdict = VERDICT_WARN;
	e->n = INT64_MAX;
	e->of = INT64_MIN;
	e->a = 3;
	e->b = -4;
	e->ms = 5;
}

static void same(const struct event *a, const struct event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->state, b->state);
	assert_true(a->at_us == b->at_us && a->n == b->n && a->of == b->of && a->a == b->a && a->b == b->b && a->ms == b->ms);
	assert_true(str_eq(a->id, b->id) && str_eq(a->title, b->title) && str_eq(a->text, b->text) && str_eq(a->hint, b->hint));
	assert_true(str_eq(a->sql, b->sql) && str_eq(a->needed, b->needed) && str_eq(a->why, b->why));
}

static void test_every_kind(void **state)
{
	(void)state;
	for (int k = 0; k < EV_KINDS; k++) {
		struct event *e = event_new((enum event_kind)k, "the id");
		fill(e);
		struct event *back = there_and_back(e);
		assert_non_null(back);
		same(e, back);
		if (k == EV_FINDING || k == EV_ISSUE)
			assert_int_equal(back->verdict, VERDICT_WARN);
		event_free(back);
		event_free(e);
	}
}

/* The names are in journals on disks: they may grow, not change. */
static void test_stable_names(void **state)
{
	(void)state;
	static const char *const kinds[] = {"begin", "resume", "facts", "finding", "ack", "fix", "plan", "step", "action", "left", "removed",
					    "issue", "proof", "note", "gate", "answer", "end", "test", "progress", "sample", "wait", "tables", "log", "busy", "again", "ready"};
	assert_int_equal(sizeof kinds / sizeof *kinds, EV_KINDS);
	for (int k = 0; k < EV_KINDS; k++)
		assert_string_equal(event_kind_name((enum event_kind)k), kinds[k]);
	struct event *e = from_text("{\"at_us\":7,\"kind\":\"finding\",\"id\":\"i\",\"verdict\":\"BLOCK\",\"state\":\"skipped\",\"title\":\"a\",\"text\":\"b\","
				    "\"hint\":\"c\",\"sql\":\"d\",\"needed\":\"e\",\"why\":\"f\",\"n\":1,\"of\":2,\"a\":3,\"b\":4,\"ms\":5}");
	assert_non_null(e);
	assert_true(e->at_us == 7 && e->verdict == VERDICT_BLOCK && e->state == ST_SKIPPED && e->n == 1 && e->of == 2 && e->a == 3 && e->b == 4 && e->ms == 5);
	assert_string_equal(e->why, "f");
	event_free(e);
}

static void test_nulls_are_left_out(void **state)
{
	(void)state;
	struct event *e = event_new(EV_NOTE, NULL);
	json_t *j = event_to_json(e);

	assert_null(json_object_get(j, "id"));
	assert_null(json_object_get(j, "sql"));
	assert_null(json_object_get(j, "verdict"));
	json_decref(j);
	struct event *back = there_and_back(e);
	assert_null(back->id);
	assert_null(back->text);
	event_free(back);
	event_free(e);
}

/* A field that a later version adds is no reason to refuse a journal; a wrong type is damage. */
static void test_unknown_and_wrong(void **state)
{
	(void)state;
	struct event *e = from_text("{\"kind\":\"note\",\"at_us\":1,\"text\":\"x\",\"colour\":{\"red\":[1,2]},\"weight\":null}");
	assert_non_null(e);
	assert_string_equal(e->text, "x");
	event_free(e);
	static const char *const wrong[] = {
		"[]", "{}", "{\"kind\":\"no such\"}", "{\"kind\":3}", "{\"kind\":\"note\",\"text\":3}", "{\"kind\":\"note\",\"n\":\"3\"}",
		"{\"kind\":\"note\",\"n\":1.5}", "{\"kind\":\"step\",\"state\":\"walking\"}", "{\"kind\":\"step\",\"state\":2}",
		"{\"kind\":\"finding\",\"verdict\":\"MAYBE\"}", "{\"kind\":\"note\",\"at_us\":\"now\"}"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if ((e = from_text(wrong[i])) != NULL)
			fail_msg("taken for an event: %s", wrong[i]);
}

static void test_bytes(void **state)
{
	(void)state;
	static const struct { const char *said, *kept; } v[] = {
		{"caf\xe9", "caf?"},                           /* latin-1 */
		{"\xff\xfe" "a", "??a"},
		{"cut \xd0", "cut ?"},                         /* half a character at the end */
		{"\xe2\x82", "??"},
		{"\xc0\xaf", "??"},                            /* overlong */
		{"\xed\xa0\x80", "???"},                       /* a surrogate */
		{"\xf4\x90\x80\x80", "????"},                  /* past the last character */
		{"Таблица \xf0\x9f\x98\x80", "Таблица \xf0\x9f\x98\x80"},
		{"tab\tbell\a", "tab\tbell\a"},
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct event *e = event_new(EV_LOG, v[i].said);
		struct event *back = there_and_back(e);
		assert_string_equal(back->id, v[i].kept);
		event_free(back);
		event_free(e);
	}
}

static void test_dup_owns_its_texts(void **state)
{
	(void)state;
	struct event *e = event_new(EV_STEP, "s");
	fill(e);
	struct event *d = event_dup(e);
	same(e, d);
	assert_ptr_not_equal(e->title, d->title);
	event_free(e);
	assert_string_equal(d->sql, "SELECT 'x'");
	event_free(d);
	event_free(NULL);
}

static void test_long_text(void **state)
{
	(void)state;
	struct event *e = event_new(EV_NOTE, NULL);
	char *big = xmalloc(100001);
	memset(big, 'x', 100000);
	big[100000] = '\0';
	event_text(&e->text, "<%s>", big);
	assert_int_equal(strlen(e->text), 100002);
	event_text(&e->text, "<%s>", e->text); /* its own old value as an argument */
	assert_int_equal(strlen(e->text), 100004);
	assert_int_equal(e->text[100003], '>');
	free(big);
	event_free(e);
}

static void test_durable(void **state)
{
	(void)state;
	for (int k = 0; k < EV_KINDS; k++) {
		struct event *e = event_new((enum event_kind)k, NULL);
		assert_int_equal(event_durable(e), k < EV_TEST);
		event_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind), cmocka_unit_test(test_stable_names), cmocka_unit_test(test_nulls_are_left_out),
		cmocka_unit_test(test_unknown_and_wrong), cmocka_unit_test(test_bytes), cmocka_unit_test(test_dup_owns_its_texts),
		cmocka_unit_test(test_long_text), cmocka_unit_test(test_durable),
	};
	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
