/* The report: what a reader who was not there must find, whatever stands in the events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "journal/report.h"

static struct model m;

static int setup(void **state)
{
	(void)state;
	model_init(&m);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_fini(&m);
	return 0;
}

static struct event *make(enum event_kind kind, const char *id, enum state st, const char *title, const char *text)
{
	struct event *e = event_new(kind, id);

	e->state = st;
	xreplace(&e->title, title);
	xreplace(&e->text, text);
	return e;
}

static void apply(enum event_kind kind, const char *id, enum state st, const char *title, const char *text)
{
	model_apply(&m, make(kind, id, st, title, text));
}

static void begin(const char *id, const char *what)
{
	struct event *e = make(EV_BEGIN, id, ST_NONE, "shop", "me@jump");

	xreplace(&e->sql, what);
	xreplace(&e->hint, "0.1.0");
	model_apply(&m, e);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

static void story(void)
{
	begin("r-1", "subscription");
	apply(EV_END, "r-1", ST_DONE, NULL, "the target follows the source");
	begin("r-2", "cutover");
	apply(EV_FINDING, "ready.app", ST_NONE, "the application's address", "refused");
	apply(EV_NOTE, NULL, ST_NONE, "outage", "writers waited for 1.5 s; then it was taken back");
	apply(EV_END, "r-2", ST_FAILED, NULL, "no | luck");
	begin("r-3", "cutover"); /* killed */
	begin("r-4", "cutover");
	struct event *gate = make(EV_GATE, "ready/1", ST_NONE, "Cut over now?", "..."), *e = make(EV_NOTE, NULL, ST_NONE, "outage", "writers waited for 78 ms");
	xreplace(&gate->sql, "shop");
	model_apply(&m, gate);
	apply(EV_ANSWER, "ready/1", ST_DONE, NULL, "me@jump");
	e->n = 78;
	xreplace(&e->sql, "{\"locks\":4.1,\"drain\":73.9}");
	model_apply(&m, e);
	apply(EV_NOTE, NULL, ST_NONE, "not verified", "view public.\"a|b\": computed");
	e = make(EV_PROOF, "public.t", ST_DONE, NULL, "3 rows, checksums equal");
	e->n = e->of = 3;
	xreplace(&e->needed, "-77");
	xreplace(&e->hint, "-77");
	model_apply(&m, e);
	e = make(EV_LEFT, "slot:s", ST_NONE, "replication slot", "source");
	xreplace(&e->sql, "SELECT pg_drop_replication_slot('s')");
	model_apply(&m, e);
	apply(EV_END, "r-4", ST_DONE, NULL, "cut over");
}

static void a_reader_finds_it(void **state)
{
	static const char *const parts[] = {
		"# pgusher: shop, cutover\n\n**done: cut over**", "| by | me@jump |", "| pgusher | 0.1.0 |", "## Write outage: 78 ms", "| locks | 4.1 |", "| drain | 73.9 |",
		"| public.t | equal | 3 | 3 | -77 | -77 |", "1 equal (3 rows), 0 different, 0 not proven", "view public.\"a\\|b\": computed", "SELECT pg_drop_replication_slot('s')",
		"Cut over now? confirmed by me@jump, who typed shop", "failed: no \\| luck", "| writers waited for 1.5 s; then it was taken back |", "| did not end; it was begun again |",
		"subscription | me@jump | done: the target follows the source |",
	};

	(void)state;
	story();
	char *md = report_markdown(&m);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		has(md, parts[i]);
	assert_null(strstr(md, "the application's address")); /* a condition of an attempt before this one */
	free(md);
}

static void a_program_finds_it(void **state)
{
	(void)state;
	story();
	json_t *j = report_json(&m), *outage = json_object_get(j, "outage"), *before = json_object_get(j, "earlier_attempts");
	assert_int_equal(json_integer_value(json_object_get(outage, "ms")), 78);
	assert_true(json_real_value(json_object_get(json_object_get(outage, "parts"), "drain")) > 73);
	assert_int_equal(json_array_size(before), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(before, 1), "state")), "failed");
	assert_int_equal(json_array_size(json_object_get(j, "answers")), 1);
	json_decref(j);
}

static void taken_back_is_no_outage_with_parts(void **state)
{
	(void)state;
	begin("r-1", "cutover");
	apply(EV_NOTE, NULL, ST_NONE, "outage", "writers waited for 1.5 s; then it was taken back");
	apply(EV_END, "r-1", ST_FAILED, NULL, "too long");
	char *md = report_markdown(&m);
	has(md, "## Write outage, taken back");
	free(md);
	json_t *j = report_json(&m);
	assert_true(json_is_null(json_object_get(j, "outage")));
	json_decref(j);
}

static void nothing_at_all(void **state)
{
	(void)state;
	char *md = report_markdown(&m);
	has(md, "not ended");
	has(md, "Nothing was compared");
	free(md);
	apply(EV_FINDING, NULL, ST_NONE, NULL, NULL);
	apply(EV_ANSWER, NULL, ST_NONE, NULL, NULL);
	apply(EV_PROOF, NULL, ST_FAILED, NULL, NULL);
	apply(EV_NOTE, NULL, ST_NONE, "outage", NULL);
	apply(EV_ACTION, NULL, ST_FAILED, NULL, NULL);
	apply(EV_LEFT, "x", ST_NONE, NULL, NULL);
	begin(NULL, NULL);
	free(report_markdown(&m));
}

/* Killed with the target closed, and begun again: its own clock does not have the time before that. */
static void writes_that_were_refused_before(void **state)
{
	(void)state;
	begin("20261126-000000-1", "rollback");
	apply(EV_LEFT, "back-freeze:shop", ST_NONE, "the target refuses writes", "target");
	begin("20261126-000500-2", "rollback");
	apply(EV_REMOVED, "back-freeze:shop", ST_NONE, NULL, NULL);
	struct event *e = make(EV_NOTE, NULL, ST_NONE, "outage", "writers waited 140 ms");
	e->n = 140;
	xreplace(&e->sql, "{\"fence\":140.0}");
	model_apply(&m, e);
	char *md = report_markdown(&m);
	has(md, "refused since ");
	has(md, "Not in that: the attempt before was killed");
	free(md);
	begin("20261126-001000-3", "finalize"); /* whose story this is no part of */
	md = report_markdown(&m);
	assert_null(strstr(md, "Not in that"));
	free(md);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_reader_finds_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_program_finds_it, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_back_is_no_outage_with_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(writes_that_were_refused_before, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_at_all, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
