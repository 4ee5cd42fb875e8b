/* patience: what is tried again, when, how often, and that a cancel ends the wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "journal/model.h"
#include "pg/patience.h"

static struct err failed(enum err_code code, const char *sqlstate, const char *msg)
{
	struct err e = {.code = code};

	(void)snprintf(e.sqlstate, sizeof e.sqlstate, "%s", sqlstate);
	(void)snprintf(e.msg, sizeof e.msg, "%s", msg);
	return e;
}

static void test_may_pass(void **state)
{
	static const struct { enum err_code code; const char *sqlstate, *msg; bool may; } cases[] = {
		{ERR_CONNECT, "", "Connection refused", true},	    {ERR_TIMEOUT, "", "no answer", true},
		{ERR_LOST, "57P01", "terminated", true},	    {ERR_CONNECT, "57P03", "starting up", true},
		{ERR_CONNECT, "53300", "too many clients", true},   {ERR_CONNECT, "", "Temporary failure in name resolution", true},
		{ERR_CONNECT, "", "Name or service not known", false}, {ERR_CONNECT, "", "certificate verify failed", false},
		{ERR_CONNECT, "", "server does not support SSL, but SSL was required", false}, {ERR_CONNECT, "55000", "not accepting", false},
		{ERR_CONNECT, "", "the tunnel's port 1 on this host is held by another process than our ssh", false},
		{ERR_AUTH, "28P01", "password", false},		    {ERR_AUTH, "28000", "no pg_hba.conf entry", false},
		{ERR_SQL, "3D000", "no database", false},	    {ERR_CANCELLED, "", "", false}, {ERR_OK, "", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err e = failed(cases[i].code, cases[i].sqlstate, cases[i].msg);
		assert_int_equal(patience_may_pass(&e), cases[i].may);
	}
}

static void test_waits(void **state)
{
	static const int waits[] = {1, 2, 4, 4};
	struct err refused = failed(ERR_CONNECT, "", "refused"), password = failed(ERR_AUTH, "28P01", "wrong");
	struct patience p = PATIENCE, q = PATIENCE, late = PATIENCE;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		int64_t before = clock_mono_us() + waits[i] * INT64_C(1000000);
		assert_true(patience_more(&p, &refused));
		assert_int_equal(p.tries, i + 1);
		assert_true(p.next_us >= before && p.next_us <= clock_mono_us() + waits[i] * INT64_C(1000000));
		assert_true(patience_left_s(&p) <= waits[i]);
	}
	assert_false(patience_more(&p, &refused)); /* the fifth try was the last */
	assert_false(patience_more(&q, &password));
	assert_int_equal(q.tries, 0);
	assert_true(patience_more(&late, &refused));
	late.began_us -= 40 * INT64_C(1000000); /* each try took its time */
	assert_false(patience_more(&late, &refused));
	struct patience ever = {.most_s = 8};
	for (int i = 0; i < 40; i++)
		assert_true(patience_more(&ever, &refused));
	assert_true(patience_left_s(&ever) <= 8 && ever.next_us - clock_mono_us() <= 8 * INT64_C(1000000));
}

/* A watch that lasts asks again where somebody may have put it right meanwhile; a wrong password is never sent again by itself. */
static void test_refusals(void **state)
{
	static const struct { enum err_code code; const char *sqlstate, *msg; bool again; } cases[] = {
		{ERR_AUTH, "28000", "no pg_hba.conf entry", true}, {ERR_SQL, "3D000", "no database", true}, {ERR_CONNECT, "55000", "not accepting", true},
		{ERR_CONNECT, "", "Name or service not known", true}, {ERR_AUTH, "28P01", "password", false}, {ERR_AUTH, "", "the server wants a password for this role", false},
		{ERR_AUTH, "08P01", "SASL authentication failed", false}, {ERR_HOSTKEY, "", "not known here", false}, {ERR_USAGE, "", "no", false},
	};
	struct err refused = failed(ERR_CONNECT, "", "refused"), password = failed(ERR_AUTH, "28P01", "wrong");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct patience p = {.most_s = 8, .refused_s = 60};
		struct err e = failed(cases[i].code, cases[i].sqlstate, cases[i].msg);
		assert_int_equal(patience_more(&p, &e), cases[i].again);
		assert_int_equal(p.over, !cases[i].again);
		assert_int_equal(p.tries, cases[i].again);
		assert_true(!cases[i].again || (patience_left_s(&p) >= 59 && patience_left_s(&p) <= 60));
		assert_true(!cases[i].again || (patience_more(&p, &refused) && patience_left_s(&p) <= 8)); /* it is there, and starts: soon */
	}
	struct patience some = {.most_s = 8, .refused_s = 60, .several = true};
	assert_true(patience_more(&some, &password));
}

/* Where nothing may be begun after a moment, nobody waits beyond it. */
static void test_end_comes_first(void **state)
{
	struct err refused = failed(ERR_CONNECT, "", "refused");
	struct patience p = {.most_s = 3600};
	struct cancel c;

	(void)state;
	assert_true(cancel_init(&c));
	for (int i = 0; i < 14; i++)
		assert_true(patience_more(&p, &refused));
	cancel_end_at(&c, clock_mono_us() + INT64_C(3600000000) / 2);
	assert_false(patience_wait(&p, &c, NULL, NULL));
	assert_false(cancel_raised(&c));
	cancel_fini(&c);
}

static int told;

static void tell(void *arg, const struct patience *p, int left_s)
{
	(void)p;
	told = left_s;
	if (arg)
		cancel_raise(arg);
}

static void test_cancel_ends_it(void **state)
{
	struct err refused = failed(ERR_CONNECT, "", "refused");
	struct patience p = {.most_s = 3600};
	struct cancel c;

	(void)state;
	assert_true(cancel_init(&c));
	for (int i = 0; i < 14; i++)
		assert_true(patience_more(&p, &refused));
	assert_true(patience_left_s(&p) > 3000);
	assert_false(patience_wait(&p, &c, tell, &c)); /* would take an hour */
	assert_int_equal(told, 0);
	p.next_us = clock_mono_us();
	cancel_reset(&c);
	assert_true(patience_wait(&p, &c, tell, NULL));
	cancel_fini(&c);
}

/* What screens see of it: until something else is heard of that side. */
static void test_fold(void **state)
{
	struct model m;

	(void)state;
	model_init(&m);
	model_apply(&m, event_again("target", "refused", 4, 3, 5));
	assert_null(m.again[SIDE_SOURCE]);
	char *words = event_again_words(m.again[SIDE_TARGET]);
	assert_string_equal(words, "does not answer: again in 4 s (3/5)");
	free(words);
	model_apply(&m, event_new(EV_FINDING, "source.connect")); /* the other side's */
	assert_non_null(m.again[SIDE_TARGET]);
	model_apply(&m, event_again("target", "refused", 0, 3, 5));
	words = event_again_words(m.again[SIDE_TARGET]);
	assert_string_equal(words, "is asked again (3/5)");
	free(words);
	model_apply(&m, event_new(EV_FINDING, "target.connect"));
	assert_null(m.again[SIDE_TARGET]);
	model_apply(&m, event_again("source", "refused", 1, 2, 5));
	model_apply(&m, event_new(EV_FACTS, "source"));
	assert_null(m.again[SIDE_SOURCE]);
	model_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_may_pass),
		cmocka_unit_test(test_waits), cmocka_unit_test(test_refusals), cmocka_unit_test(test_end_comes_first),
		cmocka_unit_test(test_cancel_ends_it),
		cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
