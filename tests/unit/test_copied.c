/* What an interrupted copy had complete: the file, and whether it still holds. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "copy/copied.h"

static char dir[] = "/tmp/pgusher-copied.XXXXXX", path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof path, "%s/copied.jsonl", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	copied_remove(dir);
	return rmdir(dir); /* nothing else lies there */
}

static struct copied *some(void)
{
	struct copied *c = xcalloc(1, sizeof *c);
	c->run = xstrdup("20260101-000000-abcd");
	for (int i = 0; i < 2; i++)
		c->at[i] = (struct copied_place){.system = xstrdup(i ? "2" : "1"), .timeline = xstrdup("00000001"), .database = 5 + i,
						 .xid = (INT64_C(3) << 32) + 7, .lsn = 1000};
	c->before_rows = -5;
	c->behind_rows = 6;
	c->columns = 77;
	c->of_tables = 9;
	copied_add(c, 4000000000u, "s.b", 0, 10, 8);
	copied_add(c, 16384, "s.a \"\\", 12, 20, 9);
	return c;
}

static void append(const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
}

static void test_file(void **state)
{
	(void)state;
	struct copied *c = some(), *r;
	struct err err = {0};

	copied_remove(dir);
	assert_null(copied_read(dir));
	assert_int_equal(copied_write(c, dir, &err), ERR_OK);
	copied_add(c, 7, "s.c", 3, 30, 11);
	assert_int_equal(copied_append(c, 2, dir, &err), ERR_OK);
	r = copied_read(dir);
	assert_non_null(r);
	assert_string_equal(r->run, c->run);
	assert_null(r->never);
	assert_string_equal(r->at[1].system, "2");
	assert_string_equal(r->at[0].timeline, "00000001");
	assert_true(r->at[0].xid == (INT64_C(3) << 32) + 7 && r->at[1].database == 6 && r->at[0].lsn == 1000);
	assert_true(r->before_rows == -5 && r->behind_rows == 6 && r->columns == 77 && r->of_tables == 9);
	assert_int_equal(r->n, 3);
	assert_int_equal(r->bytes, 60);
	assert_int_equal(copied_find(r, 16384, "s.a \"\\")->rows, 12);
	assert_int_equal(copied_find(r, 4000000000u, "s.b")->xid, 8);
	assert_int_equal(copied_find(r, 7, "s.c")->bytes, 30);
	assert_null(copied_find(r, 8, "s.c"));
	assert_null(copied_find(r, 7, "s.b")); /* it has another's name now */
	copied_free(r);
	/* written anew: nothing of the former stays */
	c->n = 1;
	assert_int_equal(copied_write(c, dir, &err), ERR_OK);
	c->n = 3;
	r = copied_read(dir);
	assert_int_equal(r->n, 1);
	copied_free(r);
	copied_free(c);
}

static void test_torn(void **state)
{
	(void)state;
	static const struct { const char *more; size_t n; } lines[] = {
		{"{\"oid\":9,\"id\":\"s.d\",\"rows\":1}", 2},              /* no end */
		{"{\"oid\":9,\"id\":\"s.d\",\"rows\":1}\n", 3},
		{"{\"oid\":9,\"id\":\"s.d\",\"ro{\"oid\":10,\"id\":\"s.e\",\"rows\":1}\n{\"oid\":9,\"id\":\"s.d\",\"rows\":1}\n", 2}, /* nothing behind a bad one counts */
		{"{\"oid\":16384,\"id\":\"s.a\",\"rows\":1}\n", 1},        /* two that say something else: neither */
		{"{\"oid\":-1,\"id\":\"s.d\",\"rows\":1}\n", 2}, {"{\"oid\":9,\"id\":\"s.d\",\"rows\":-1}\n", 2}, {"{\"oid\":9,\"rows\":1}\n", 2},
		{"{\"oid\":9,\"id\":\"s.d\",\"rows\":\"1\"}\n", 2}, {"[]\n", 2},
	};
	struct copied *c = some();
	struct err err = {0};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		assert_int_equal(copied_write(c, dir, &err), ERR_OK);
		append(lines[i].more);
		struct copied *r = copied_read(dir);
		if (!r || r->n != lines[i].n)
			fail_msg("%zu tables: %s", r ? r->n : 0, lines[i].more);
		copied_free(r);
	}
	copied_free(c);
	copied_remove(dir);
	assert_null(copied_read(dir));
}

/* why NULL: it may be kept. */
static void is(const struct copied *then, const struct copied *now, const char *why)
{
	char *got = copied_why_not(then, now->at);

	if (why ? !got || !strstr(got, why) : got != NULL)
		fail_msg("%s, not %s", got ? got : "may be kept", why ? why : "may be kept");
	free(got);
}

static void test_why_not(void **state)
{
	(void)state;
	struct copied *then = some(), *now = some();
	is(then, now, NULL);
	now->at[0].lsn += 50;
	now->at[0].xid += (INT64_C(1) << 30) - 1;
	is(then, now, NULL);
	now->at[0].xid++;
	is(then, now, "too many transactions");
	now->at[0].xid = then->at[0].xid - 1;
	is(then, now, "was set back");
	now->at[0].xid = then->at[0].xid;
	now->at[0].lsn = 999;
	is(then, now, "was set back");
	now->at[0].lsn = 1000;
	now->at[1].lsn = 0; /* only the source's counts */
	is(then, now, NULL);
	xreplace(&now->at[1].timeline, "00000002");
	is(then, now, "the target has been restored or failed over");
	now->at[1].database++;
	is(then, now, "the target's database was dropped and made anew");
	xreplace(&now->at[0].timeline, "00000002");
	is(then, now, "the source has been restored or failed over");
	/* before the servers were asked */
	xreplace(&now->at[0].timeline, NULL);
	xreplace(&now->at[1].timeline, NULL);
	is(then, now, NULL);
	xreplace(&now->at[1].system, "3");
	is(then, now, "the target is another server");
	xreplace(&now->at[0].system, NULL);
	is(then, now, "whether the source is still the same server cannot be told");
	xreplace(&then->never, "a standby");
	is(then, now, "a standby");
	copied_free(then);
	copied_free(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_file), cmocka_unit_test(test_torn), cmocka_unit_test(test_why_not)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
