/* The look of each minute beside the samples: it goes on by itself, is broken off at once, and leaves nothing in the servers. Two servers. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "watch/minute.h"

#define LONG_MS 60000

struct bed { struct migration m; struct session *s[2]; };

/* "host=... port=... user=... password=... dbname=..." */
static void take_address(struct endpoint *ep, const char *conninfo)
{
	PQconninfoOption *o = PQconninfoParse(conninfo, NULL);

	assert_non_null(o);
	for (PQconninfoOption *p = o; p->keyword; p++) {
		char **slot = strcmp(p->keyword, "host") == 0 ? &ep->host : strcmp(p->keyword, "port") == 0 ? &ep->port : strcmp(p->keyword, "user") == 0 ? &ep->user
			      : strcmp(p->keyword, "dbname") == 0 ? &ep->dbname : NULL;
		if (slot)
			xreplace(slot, p->val);
		else if (p->val && strcmp(p->keyword, "password") == 0)
			secret_set(&ep->password, p->val);
	}
	PQconninfoFree(o);
}

static int setup(void **state)
{
	const char *a = getenv("PGUSHER_TEST_A"), *b = getenv("PGUSHER_TEST_B");
	struct session_options opt = {.application_name = "the test"};
	struct err err;

	*state = NULL;
	if (!a || !b)
		return 0;
	struct bed *bed = calloc(1, sizeof *bed);
	migration_init(&bed->m);
	take_address(&bed->m.end[SIDE_SOURCE], a);
	take_address(&bed->m.end[SIDE_TARGET], b);
	bed->m.method = METHOD_SUBSCRIPTION;
	migration_settle(&bed->m);
	for (int i = 0; i < 2; i++)
		assert_int_equal(session_open(&bed->s[i], &bed->m.end[i], &opt, NULL, &err), ERR_OK);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	for (int i = 0; bed && i < 2; i++)
		session_close(bed->s[i]);
	if (bed)
		migration_fini(&bed->m);
	free(bed);
	return 0;
}

static bool becomes(struct session *s, const char *sql, const char *want)
{
	bool is = false;

	for (int64_t end = clock_deadline(LONG_MS); !is && clock_mono_us() < end; (void)poll(NULL, 0, 20)) {
		struct err err;
		char *v = NULL;
		assert_int_equal(session_value(s, sql, &v, &err), ERR_OK);
		is = str_eq(v, want);
		free(v);
	}
	return is;
}

#define BLOCKED "SELECT count(*) FROM pg_locks WHERE relation = 'pg_sequence'::regclass AND NOT granted"

static void goes_on_beside(void **state)
{
	struct bed *b = *state;
	struct minute_found found;
	struct err err;

	if (!b)
		skip();
	assert_int_equal(session_run(b->s[SIDE_SOURCE], "CREATE SEQUENCE public.minute_one; CREATE SEQUENCE public.minute_two; BEGIN; LOCK TABLE pg_sequence IN ACCESS EXCLUSIVE MODE", &err), ERR_OK);
	assert_int_equal(session_run(b->s[SIDE_TARGET], "CREATE SEQUENCE public.minute_one; CREATE SEQUENCE public.minute_two; SELECT nextval('public.minute_two')", &err), ERR_OK);
	struct minute *k = minute_begin(&b->m, "pgusher minute", false, false);
	assert_non_null(k);
	assert_true(becomes(b->s[SIDE_SOURCE], BLOCKED, "1"));
	assert_false(minute_ended(k));
	int64_t began = clock_mono_us();
	minute_end(k, NULL); /* not before the lock goes, if it waited */
	assert_true(clock_mono_us() - began < LONG_MS * INT64_C(1000));
	assert_true(becomes(b->s[SIDE_SOURCE], BLOCKED, "0"));
	k = minute_begin(&b->m, "pgusher minute", false, false);
	assert_non_null(k);
	assert_true(becomes(b->s[SIDE_SOURCE], BLOCKED, "1"));
	xreplace(&b->m.end[SIDE_TARGET].host, "changed meanwhile"); /* as a tunnel that is opened anew does to forward */
	assert_int_equal(session_run(b->s[SIDE_SOURCE], "COMMIT", &err), ERR_OK);
	for (int64_t end = clock_deadline(LONG_MS); !minute_ended(k) && clock_mono_us() < end; (void)poll(NULL, 0, 20))
		;
	assert_true(minute_ended(k));
	minute_end(k, &found);
	assert_int_equal(found.sequences_behind, 1);
	assert_int_equal(found.drift_ms, -1);
	assert_string_equal(found.drift_not, "the subscription is not there any more");
	for (int i = 0; i < 2; i++)
		assert_int_equal(session_run(b->s[i], "DROP SEQUENCE public.minute_one, public.minute_two", &err), ERR_OK);
}

static void an_end_that_is_away(void **state)
{
	struct bed *b = *state;
	struct minute_found found;

	if (!b)
		skip();
	xreplace(&b->m.end[SIDE_SOURCE].host, "127.0.0.1");
	xreplace(&b->m.end[SIDE_SOURCE].port, "1");
	struct minute *k = minute_begin(&b->m, "pgusher minute", false, false);
	assert_non_null(k);
	minute_end(k, &found);
	assert_int_equal(found.drift_ms, -1);
	assert_true(found.drift_not[0] != '\0');
	assert_int_equal(found.sequences_behind, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(goes_on_beside, setup, teardown), cmocka_unit_test_setup_teardown(an_end_that_is_away, setup, teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
