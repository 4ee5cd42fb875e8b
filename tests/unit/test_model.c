/* model: the fold, event by event; what a new attempt forgets and what it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "journal/model.h"
#include "journal/standing.h"

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

static struct event *ev(enum event_kind kind, const char *id, enum state st)
{
	struct event *e = event_new(kind, id);

	e->state = st;
	return e;
}

static void apply(enum event_kind kind, const char *id, enum state st)
{
	model_apply(&m, ev(kind, id, st));
}

static void finding(const char *id, enum verdict v, const char *title)
{
	struct event *e = event_new(EV_FINDING, id);

	e->verdict = v;
	xreplace(&e->title, title);
	model_apply(&m, e);
}

static void ack(const char *id, const char *who)
{
	struct event *e = event_new(EV_ACK, id);

	xreplace(&e->text, who);
	model_apply(&m, e);
}

static void plan(const char *id, int64_t n)
{
	struct event *e = event_new(EV_PLAN, id);

	e->n = n;
	event_text(&e->title, "title of %s", id);
	event_text(&e->text, "why of %s", id);
	model_apply(&m, e);
}

static void progress(const char *id, int64_t n)
{
	struct event *e = event_new(EV_PROGRESS, id);

	e->n = n;
	model_apply(&m, e);
}

static void test_empty(void **state)
{
	(void)state;
	assert_false(model_unfinished(&m));
	assert_null(model_log(&m, 0));
	assert_null(model_find(&m.steps, "x"));
}

static void test_findings_count_and_replace(void **state)
{
	(void)state;
	finding("a", VERDICT_BLOCK, "x");
	finding("b", VERDICT_WARN, "y");
	finding("c", VERDICT_OK, "z");
	assert_int_equal(m.n_verdict[VERDICT_BLOCK], 1);
	assert_int_equal(m.n_unacked, 1);
	finding("a", VERDICT_OK, "x");
	assert_int_equal(m.findings.n, 3);
	assert_int_equal(m.n_verdict[VERDICT_BLOCK], 0);
	assert_int_equal(m.n_verdict[VERDICT_OK], 2);
	assert_string_equal(m.findings.v[0].last->id, "a"); /* the order on the screen stays */
}

static void test_accepted(void **state)
{
	(void)state;
	finding("w", VERDICT_WARN, "two tables");
	ack("w", "eve@host");
	ack("no such check", "eve@host");
	assert_int_equal(m.n_unacked, 0);
	assert_string_equal(m.findings.v[0].who, "eve@host");
	finding("w", VERDICT_WARN, "two tables"); /* looked at again: the same */
	assert_int_equal(m.n_unacked, 0);
	finding("w", VERDICT_WARN, "three tables"); /* that was not accepted */
	assert_int_equal(m.n_unacked, 1);
	assert_null(m.findings.v[0].who);
	ack("w", "eve@host");
	finding("w", VERDICT_BLOCK, "three tables");
	assert_false(m.findings.v[0].acked);
}

static void test_plan_then_steps(void **state)
{
	(void)state;
	plan("roles", 0);
	plan("copy", 1);
	assert_int_equal(m.steps.n, 2);
	assert_int_equal(m.steps.v[1].last->state, ST_WAITING);
	assert_string_equal(m.steps.v[1].why, "why of copy");
	struct event *e = ev(EV_STEP, "copy", ST_RUNNING);
	e->at_us = 1000;
	model_apply(&m, e);
	progress("copy", 5);
	progress("copy", 7);
	assert_int_equal(m.steps.v[1].progress->n, 7);
	assert_int_equal(m.steps.v[1].ended_us, 0);
	e = ev(EV_STEP, "copy", ST_DONE);
	e->at_us = 4000;
	model_apply(&m, e);
	assert_int_equal(m.steps.n, 2);
	assert_true(m.steps.v[1].began_us == 1000 && m.steps.v[1].ended_us == 4000);
	assert_string_equal(m.steps.v[1].title, "title of copy"); /* EV_STEP carries none */
	e = ev(EV_STEP, "copy", ST_RUNNING); /* tried again: begins anew */
	e->at_us = 9000;
	model_apply(&m, e);
	assert_true(m.steps.v[1].began_us == 9000 && m.steps.v[1].ended_us == 0);
	assert_null(m.steps.v[1].progress);
	apply(EV_STEP, "roles", ST_WAITING);
	assert_int_equal(m.steps.v[0].ended_us, 0); /* waiting is no end */
	plan("other", 0); /* another plan */
	assert_int_equal(m.steps.n, 1);
}

static void test_progress_of_nothing(void **state)
{
	(void)state;
	plan("a", 0);
	progress("gone", 1);
	progress(NULL, 1);
	assert_int_equal(m.steps.n, 1);
	assert_null(m.steps.v[0].progress);
}

static void test_progress_without_a_plan(void **state)
{
	(void)state;
	progress("verify", 1);
	progress("verify", 2);
	assert_int_equal(m.steps.n, 1);
	assert_int_equal(m.steps.v[0].progress->n, 2);
}

static void whole_attempt(void)
{
	apply(EV_BEGIN, "run 1", ST_NONE);
	plan("copy", 0);
	apply(EV_LEFT, "database:x", ST_NONE);
	apply(EV_LEFT, "dump:y", ST_NONE);
	apply(EV_STEP, "copy", ST_RUNNING);
	apply(EV_ACTION, "copy/1", ST_RUNNING);
	apply(EV_ISSUE, NULL, ST_NONE);
	apply(EV_PROOF, "public.t", ST_FAILED);
	apply(EV_NOTE, NULL, ST_NONE);
	apply(EV_GATE, "sure", ST_NONE);
}

static void test_begin_forgets_the_attempt_only(void **state)
{
	(void)state;
	finding("w", VERDICT_WARN, "t");
	ack("w", "me");
	apply(EV_FACTS, "source", ST_NONE);
	whole_attempt();
	apply(EV_REMOVED, "dump:y", ST_NONE);
	apply(EV_END, "run 1", ST_FAILED);
	assert_null(m.gate); /* nobody waits for an answer any more */
	apply(EV_BEGIN, "run 2", ST_NONE);
	assert_int_equal(m.steps.n + m.actions.n + m.issues.n + m.proofs.n + m.notes.n, 0);
	assert_null(m.end);
	assert_null(m.action);
	assert_int_equal(m.findings.n, 1);
	assert_true(m.findings.v[0].acked);
	assert_non_null(m.facts[SIDE_SOURCE]);
	assert_int_equal(m.left.n, 1); /* what nobody removed is still there */
	assert_string_equal(m.left.v[0].last->id, "database:x");
	assert_string_equal(m.begin->id, "run 2");
}

static void test_a_good_end_leaves_nothing_to_clean(void **state)
{
	(void)state;
	apply(EV_BEGIN, "run 1", ST_NONE);
	apply(EV_LEFT, "dump:kept", ST_NONE);
	apply(EV_LEFT, "slot:s", ST_NONE);
	apply(EV_END, "run 1", ST_DONE);
	assert_int_equal(m.left.n, 2); /* its report still says where it is */
	apply(EV_BEGIN, "run 2", ST_NONE);
	assert_int_equal(m.left.n, 1); /* a later attempt neither restores nor removes it */
	assert_string_equal(m.left.v[0].last->id, "slot:s"); /* this one fills the source's disk */
}

static void test_story_is_taken(void **state)
{
	struct model story;

	(void)state;
	model_init(&story);
	finding("w", VERDICT_WARN, "t");
	model_apply(&story, ev(EV_BEGIN, "run 1", ST_NONE));
	model_apply(&story, ev(EV_LEFT, "database:x", ST_NONE));
	struct event *e = event_new(EV_ISSUE, NULL);
	e->verdict = VERDICT_WARN;
	model_apply(&story, e);
	apply(EV_BEGIN, "older", ST_NONE);
	apply(EV_LEFT, "dump:older", ST_NONE);
	model_take_story(&m, &story);
	model_fini(&story);
	assert_string_equal(m.begin->id, "run 1");
	assert_int_equal(m.left.n, 1);
	assert_non_null(model_find(&m.left, "database:x"));
	assert_int_equal(model_open(&m), 1);
	assert_int_equal(m.findings.n, 1); /* the survey is this process's own */
}

static void test_resume_keeps_the_attempt(void **state)
{
	(void)state;
	whole_attempt();
	apply(EV_END, "run 1", ST_CANCELLED);
	assert_true(model_unfinished(&m));
	apply(EV_RESUME, "run 1", ST_NONE);
	assert_int_equal(m.resumes, 1);
	assert_null(m.end);
	assert_int_equal(m.left.n, 2);
	struct event *proof = event_new(EV_PROOF, "public.u");
	event_text(&proof->why, "proof");
	model_apply(&m, proof);
	size_t before = m.issues.n + m.proofs.n;
	assert_true(before > 0); /* what was found still holds */
	struct event *e = event_new(EV_ISSUE, NULL);
	e->verdict = VERDICT_WARN;
	event_text(&e->why, "restore");
	model_apply(&m, e);
	assert_int_equal(m.issues.n + m.proofs.n, before + 1);
	apply(EV_STEP, "restore", ST_RUNNING); /* done again: found anew */
	assert_int_equal(m.issues.n, 1);
	assert_int_equal(m.proofs.n, 1); /* a comparison that belongs to no step is older than what this one finds */
	assert_string_equal(m.proofs.v[0].last->id, "public.u");
	assert_string_equal(m.begin->id, "run 1");
}

static void test_unfinished(void **state)
{
	(void)state;
	apply(EV_BEGIN, "r", ST_NONE);
	assert_true(model_unfinished(&m));
	apply(EV_END, "r", ST_FAILED);
	assert_true(model_unfinished(&m));
	apply(EV_END, "r", ST_DONE);
	assert_false(model_unfinished(&m));
}

static void test_left(void **state)
{
	(void)state;
	apply(EV_LEFT, "role:a", ST_NONE);
	apply(EV_REMOVED, "role:a", ST_NONE);
	apply(EV_REMOVED, "role:b", ST_NONE);
	assert_true(m.left.v[0].removed);
	apply(EV_LEFT, "role:a", ST_NONE); /* made again */
	assert_int_equal(m.left.n, 1);
	assert_false(m.left.v[0].removed);
}

static void test_gate(void **state)
{
	(void)state;
	apply(EV_GATE, "sure", ST_NONE);
	assert_string_equal(m.gate->id, "sure");
	apply(EV_ANSWER, "sure", ST_DONE);
	assert_null(m.gate);
}

static void test_busy(void **state)
{
	(void)state;
	struct event *e = ev(EV_BUSY, NULL, ST_RUNNING);
	apply(EV_PROOF, "t", ST_DONE);
	xreplace(&e->title, "verify");
	model_apply(&m, e);
	assert_string_equal(m.busy->title, "verify");
	assert_int_equal(m.proofs.n, 0); /* a new comparison */
	apply(EV_BUSY, NULL, ST_DONE);
	assert_null(m.busy);
}

static void test_hops(void **state)
{
	(void)state;
	static const char *const title[] = {"server answers", "login", "server answers"};
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < 3; i++) {
			struct event *e = ev(EV_TEST, side_name((enum side)side), i < 2 ? ST_RUNNING : ST_DONE);
			xreplace(&e->title, title[i]);
			model_apply(&m, e);
		}
	assert_int_equal(m.tests.n, 4);
	assert_int_equal(m.tests.v[0].last->state, ST_DONE);
	assert_int_equal(m.tests.v[1].last->state, ST_RUNNING);
}

static void test_log_ring(void **state)
{
	(void)state;
	for (int i = 0; i < MODEL_LOG + 10; i++) {
		struct event *e = event_new(EV_LOG, NULL);
		e->n = i;
		e->seq = i % 100 == 0 ? 3 : 0;
		model_apply(&m, e);
		assert_int_equal(model_log(&m, 0)->n, i);
	}
	assert_int_equal(m.log_n, MODEL_LOG);
	assert_int_equal(m.log_total, MODEL_LOG + 10);
	assert_int_equal(m.log_dropped, 3 * (MODEL_LOG / 100 + 1));
	assert_int_equal(model_log(&m, MODEL_LOG - 1)->n, 10);
	assert_null(model_log(&m, MODEL_LOG));
}

static void test_forget_findings(void **state)
{
	(void)state;
	finding("w", VERDICT_WARN, "t");
	apply(EV_FACTS, "source", ST_NONE);
	apply(EV_FACTS, "target", ST_NONE);
	apply(EV_FIX, "w", ST_DONE);
	plan("p", 0);
	model_forget_findings(&m);
	assert_int_equal(m.findings.n + m.fixes.n, 0);
	assert_int_equal(m.n_unacked + m.n_verdict[VERDICT_WARN], 0);
	assert_null(m.facts[0]);
	assert_null(m.facts[1]);
	assert_int_equal(m.steps.n, 1);
}

/* Every kind, with everything missing: a journal may be damaged, the fold must stand. */
static void test_nothing_set(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++)
		for (int k = 0; k < EV_KINDS; k++)
			apply((enum event_kind)k, NULL, (enum state)(round * 2));
	assert_non_null(m.begin);
}

static void test_load(void **state)
{
	(void)state;
	char name[] = "/tmp/test_model.XXXXXX";
	struct err err = {0};
	int fd = mkstemp(name);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	for (int i = 0; i < 3; i++) {
		struct event *e = event_new(i == 0 ? EV_BEGIN : i == 1 ? EV_NOTE : EV_END, "r");
		e->state = ST_DONE;
		json_t *j = event_to_json(e);
		assert_int_equal(json_dumpf(j, f, JSON_COMPACT), 0);
		(void)fputc('\n', f);
		json_decref(j);
		event_free(e);
	}
	assert_int_equal(fclose(f), 0);
	assert_int_equal(model_load(&m, name, &err), ERR_OK);
	(void)unlink(name);
	assert_int_equal(m.notes.n, 1);
	assert_false(model_unfinished(&m));
	assert_int_equal(model_load(&m, name, &err), ERR_OK); /* gone: nothing was ever run */
	assert_int_equal(model_load(&m, "/", &err), ERR_IO);
}

static void test_many_proofs(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 10000; i++) {
			char id[64];
			(void)snprintf(id, sizeof id, "public.some_longer_table_name_%d", i);
			apply(EV_PROOF, id, ST_DONE);
		}
	assert_int_equal(m.proofs.n, 10000);
	for (int i = 0; i < 10000; i += 777) {
		char id[64];
		(void)snprintf(id, sizeof id, "public.some_longer_table_name_%d", i);
		const struct model_item *it = model_find(&m.proofs, id);
		assert_non_null(it);
		assert_string_equal(it->last->id, id);
	}
	assert_null(model_find(&m.proofs, "public.some_longer_table_name_10000"));
}

static void says(char *text, const char *part)
{
	assert_non_null(text);
	if (!strstr(text, part))
		fail_msg("no '%s': %s", part, text);
	free(text);
}

static void lacks(char *text, const char *part)
{
	assert_non_null(text);
	if (strstr(text, part))
		fail_msg("'%s': %s", part, text);
	free(text);
}

static void begins(const char *what)
{
	struct event *e = event_new(EV_BEGIN, "x");

	xreplace(&e->sql, what);
	model_apply(&m, e);
}

static void test_how_it_stands(void **state)
{
	(void)state;
	assert_null(standing_next(&m, NULL));
	begins("dump");
	says(standing_interrupted(&m), "can be taken up again");
	says(standing_next(&m, "a.ini"), "pgusher run -c a.ini goes on; pgusher cleanup -c a.ini removes");
	begins("cutover");
	says(standing_interrupted(&m), "interrupted during a cutover");
	apply(EV_STEP, "ready", ST_FAILED); /* refused: nothing was closed, nothing is to be taken back */
	lacks(standing_next(&m, NULL), "--abort");
	apply(EV_STEP, "prime", ST_RUNNING);
	says(standing_next(&m, NULL), "pgusher cutover --abort makes");
	apply(EV_LEFT, "closed:source", ST_NONE);
	says(standing_interrupted(&m), "the target is the primary; pgusher cutover again finishes");
	says(standing_next(&m, NULL), "pgusher cutover finishes it");
	begins("rollback"); /* the old source is closed until its own hand-over */
	apply(EV_LEFT, "closed:source", ST_NONE);
	says(standing_interrupted(&m), "interrupted during a rollback");
	apply(EV_LEFT, "closed:target", ST_NONE);
	says(standing_interrupted(&m), "the source is the primary; pgusher rollback again finishes");
	apply(EV_END, "x", ST_DONE);
	assert_null(standing_next(&m, NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void word_is(const char *word, bool attention)
{
	bool got;

	assert_string_equal(standing_word(&m, &got), word);
	assert_int_equal(got, attention);
}

/* A replication whose clean-up was agreed to and did not come to its end does not follow, whatever is left of it. */
static void test_given_up(void **state)
{
	(void)state;
	begins("subscription");
	apply(EV_LEFT, "replication-role:x", ST_NONE);
	apply(EV_LEFT, "slot:x", ST_NONE);
	apply(EV_LEFT, "back-subscription:x", ST_NONE);
	apply(EV_END, "x", ST_DONE);
	apply(EV_RESUME, "x", ST_NONE);
	apply(EV_PLAN, "cleanup", ST_NONE);
	apply(EV_ANSWER, "cleanup/1", ST_FAILED);
	assert_false(standing_given_up(&m));
	apply(EV_ANSWER, "cleanup/1", ST_DONE);
	apply(EV_REMOVED, "back-subscription:x", ST_NONE);
	assert_true(standing_given_up(&m));
	says(standing_interrupted(&m), "interrupted while being given up; left: role, slot; next: pgusher cleanup");
	says(standing_next(&m, "a.ini"), "pgusher cleanup -c a.ini removes what is left");
	apply(EV_END, "x", ST_CANCELLED);
	apply(EV_LEFT, "subscription:x", ST_NONE);
	word_is("interrupted", true);
	apply(EV_END, "x", ST_DONE); /* cleaned up */
	assert_false(standing_given_up(&m));
}

static void test_primary(void **state)
{
	(void)state;
	assert_null(standing_primary(&m));
	says(standing_then(&m, "a.ini"), "pgusher run -c a.ini begins");
	begins("subscription");
	apply(EV_LEFT, "subscription:x", ST_NONE);
	says(standing_primary(&m), "the source (from the journal of ");
	apply(EV_END, "x", ST_DONE);
	says(standing_primary(&m), "the source; the target follows (from the journal of ");
	says(standing_then(&m, "a.ini"), "pgusher watch -c a.ini shows how it goes; pgusher cutover");
	begins("cutover");
	apply(EV_END, "x", ST_FAILED); /* given up: it still follows */
	says(standing_primary(&m), "the source; the target follows (");
	begins("cutover");
	apply(EV_LEFT, "back-subscription:x", ST_NONE);
	apply(EV_LEFT, "closed:source", ST_NONE);
	apply(EV_REMOVED, "subscription:x", ST_NONE);
	apply(EV_END, "x", ST_DONE);
	says(standing_primary(&m), "the target; the source, closed to writers, follows (");
	says(standing_then(&m, NULL), "pgusher rollback goes back");
	begins("rollback");
	apply(EV_END, "x", ST_FAILED); /* refused */
	says(standing_primary(&m), "the target; the source, closed to writers, follows (");
	begins("rollback");
	apply(EV_REMOVED, "closed:source", ST_NONE);
	apply(EV_REMOVED, "back-subscription:x", ST_NONE);
	apply(EV_LEFT, "closed:target", ST_NONE);
	apply(EV_END, "x", ST_DONE);
	says(standing_primary(&m), "the source, as before the cutover; nothing follows it (");
	says(standing_then(&m, "a.ini"), "pgusher finalize -c a.ini removes what is left; then it may begin anew");
	begins("finalize");
	apply(EV_REMOVED, "closed:target", ST_NONE); /* opened again */
	apply(EV_END, "x", ST_DONE);
	says(standing_primary(&m), "the source, as before the cutover; nothing follows it (");
	says(standing_then(&m, NULL), "nothing is left to do");
}

static void test_in_a_word(void **state)
{
	(void)state;
	word_is("not begun", false);
	struct event *e = ev(EV_BEGIN, "a", ST_NONE);
	xreplace(&e->sql, "subscription");
	model_apply(&m, e);
	word_is("interrupted", true);
	apply(EV_END, "a", ST_FAILED);
	word_is("failed", true);
	apply(EV_LEFT, "subscription:x", ST_NONE);
	apply(EV_END, "a", ST_DONE);
	word_is("follows", false);
	e = ev(EV_BEGIN, "b", ST_NONE);
	xreplace(&e->sql, "cutover");
	model_apply(&m, e);
	word_is("interrupted", true);
	apply(EV_END, "b", ST_FAILED); /* taken back */
	word_is("follows", false);
	apply(EV_END, "b", ST_DONE);
	word_is("cut over", false);
}

static void test_no_word_twice(void **state)
{
	(void)state;
	static const struct { enum state st; const char *text, *says; } t[] = {
		{ST_CANCELLED, "cancelled", "cancelled"}, {ST_DONE, "done, and proven equal", "done, and proven equal"}, {ST_FAILED, "no room", "failed: no room"}, {ST_FAILED, NULL, "failed"},
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct event *e = ev(EV_END, NULL, t[i].st);
		xreplace(&e->text, t[i].text);
		char *text = standing_ended(e);
		assert_string_equal(text, t[i].says);
		free(text);
		event_free(e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty), TEST(test_findings_count_and_replace), TEST(test_accepted), TEST(test_plan_then_steps),
		TEST(test_progress_of_nothing), TEST(test_progress_without_a_plan), TEST(test_begin_forgets_the_attempt_only),
		TEST(test_resume_keeps_the_attempt), TEST(test_a_good_end_leaves_nothing_to_clean), TEST(test_story_is_taken),
		TEST(test_unfinished), TEST(test_left), TEST(test_gate), TEST(test_busy), TEST(test_hops),
		TEST(test_log_ring), TEST(test_forget_findings), TEST(test_nothing_set), TEST(test_load), TEST(test_many_proofs), TEST(test_how_it_stands), TEST(test_no_word_twice), TEST(test_given_up), TEST(test_primary), TEST(test_in_a_word),
	};
	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
