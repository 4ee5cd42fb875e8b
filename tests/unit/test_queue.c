/* queue: order, what is dropped and what never is, and that a cancel hits what was sent before it, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "base/str.h"
#include "queue.h"

struct bed { struct queue *q; struct cancel cancel; };

static void begin(struct bed *b)
{
	b->q = queue_new();
	assert_non_null(b->q);
	assert_true(cancel_init(&b->cancel));
}

static void end(struct bed *b)
{
	queue_free(b->q);
	cancel_fini(&b->cancel);
}

static void send(struct bed *b, enum command_kind kind)
{
	const struct command c = {.kind = kind};

	queue_send(b->q, &c);
}

static struct command take(struct bed *b)
{
	struct command c;

	assert_true(queue_take(b->q, &b->cancel, &c));
	command_fini(&(struct command){.id = c.id, .text = c.text, .migration = c.migration});
	return c;
}

static void test_cancel_before_it_is_taken(void **state)
{
	struct bed b;

	(void)state;
	begin(&b);
	send(&b, CMD_CHECK);
	queue_cancel(b.q, &b.cancel); /* the engine has not woken up yet */
	send(&b, CMD_RUN);
	struct command c = take(&b);
	assert_int_equal(c.kind, CMD_CHECK);
	assert_true(c.cancelled);
	c = take(&b);
	assert_int_equal(c.kind, CMD_RUN);
	assert_false(c.cancelled);
	assert_false(cancel_raised(&b.cancel));
	end(&b);
}

static void test_cancel_while_it_runs(void **state)
{
	struct bed b;

	(void)state;
	begin(&b);
	send(&b, CMD_RUN);
	struct command c = take(&b);
	queue_cancel(b.q, &b.cancel);
	assert_false(c.cancelled);
	assert_true(cancel_raised(&b.cancel));
	end(&b);
}

/* A cancel that races with the taking is in one of the two places, whichever comes first. */
static void *canceller(void *arg)
{
	struct bed *b = arg;

	queue_cancel(b->q, &b->cancel);
	return NULL;
}

static void test_a_cancel_is_never_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct bed b;
		pthread_t t;
		begin(&b);
		send(&b, CMD_RUN);
		assert_int_equal(pthread_create(&t, NULL, canceller, &b), 0);
		struct command c = take(&b);
		assert_int_equal(pthread_join(t, NULL), 0);
		assert_true(c.cancelled || cancel_raised(&b.cancel));
		end(&b);
	}
}

static struct event *made(enum event_kind kind, const char *id, int64_t n)
{
	struct event *e = event_new(kind, id);

	e->n = n;
	return e;
}

static void test_events(void **state)
{
	struct bed b;
	struct event *e;
	int logs = 0;

	(void)state;
	begin(&b);
	struct pollfd p = {.fd = queue_fd(b.q), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
	queue_post(b.q, made(EV_PROGRESS, "copy", 1));
	queue_post(b.q, made(EV_AGAIN, "source", 4));
	queue_post(b.q, made(EV_STEP, "copy", 0));
	queue_post(b.q, made(EV_PROGRESS, "copy", 2));
	queue_post(b.q, made(EV_AGAIN, "source", 3));
	for (int i = 0; i < QUEUE_LOGS + 5; i++)
		queue_post(b.q, made(EV_LOG, NULL, 0));
	assert_int_equal(poll(&p, 1, 0), 1);
	e = queue_next(b.q);
	assert_true(e->kind == EV_PROGRESS && e->n == 2); /* the newest, in the oldest's place */
	event_free(e);
	e = queue_next(b.q);
	assert_true(e->kind == EV_AGAIN && e->n == 3);
	event_free(e);
	e = queue_next(b.q);
	assert_int_equal(e->kind, EV_STEP);
	event_free(e);
	for (; (e = queue_next(b.q)) != NULL; logs++)
		event_free(e);
	assert_int_equal(logs, QUEUE_LOGS);
	queue_post(b.q, made(EV_LOG, NULL, 0));
	e = queue_next(b.q);
	assert_int_equal(e->seq, 5); /* dropped before it */
	event_free(e);
	assert_null(queue_next(b.q));
	assert_int_equal(poll(&p, 1, 0), 0);
	end(&b);
}

static void test_answers_pass_the_rest(void **state)
{
	struct bed b;
	struct command c, answer = {.kind = CMD_ANSWER, .id = (char *)"gate", .yes = true};

	(void)state;
	begin(&b);
	send(&b, CMD_CHECK);
	queue_send(b.q, &answer);
	assert_true(queue_answer(b.q, "gate", &b.cancel, &c));
	assert_true(c.yes);
	command_fini(&c);
	queue_cancel(b.q, &b.cancel);
	assert_false(queue_answer(b.q, "gate", &b.cancel, &c)); /* nobody will answer: it does not wait */
	queue_close(b.q);
	assert_false(queue_take(b.q, &b.cancel, &c));
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel_before_it_is_taken), cmocka_unit_test(test_cancel_while_it_runs),
		cmocka_unit_test(test_a_cancel_is_never_lost),    cmocka_unit_test(test_events),
		cmocka_unit_test(test_answers_pass_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
