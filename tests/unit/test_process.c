/* process: statuses, pipes, lines, cancel, passwords, commands that are not there. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>

#include <cmocka.h>

#include "base/clock.h"
#include "host/process.h"

struct seen {
	struct str out, errs;
	int64_t moved;
};

static void on_line(void *arg, int which, bool is_err, const char *text)
{
	struct seen *s = arg;
	str_addf(is_err ? &s->errs : &s->out, "%d:%s|", which, text);
}

static bool on_tick(void *arg, int64_t moved)
{
	((struct seen *)arg)->moved = moved;
	return true;
}

static struct strv sh(const char *script)
{
	struct strv v = {0};
	strv_add(&v, "sh");
	strv_add(&v, "-c");
	strv_add(&v, script);
	return v;
}

static enum err_code run(const char *a, const char *b, struct cancel *c, int64_t timeout, struct seen *seen,
			 struct process_result *res, struct err *err)
{
	struct strv v[2] = {sh(a), sh(b ? b : "")};
	struct process_spec spec[2] = {{.argv = &v[0]}, {.argv = &v[1]}};
	struct process_hooks hooks = {.line = on_line, .tick = on_tick, .arg = seen, .tick_ms = 20};
	enum err_code rc = process_run(spec, b ? 2 : 1, &hooks, timeout, c, res, err);
	strv_fini(&v[0]);
	strv_fini(&v[1]);
	return rc;
}

static void forget(struct seen *s)
{
	str_fini(&s->out);
	str_fini(&s->errs);
}

static void test_lines(void **state)
{
	(void)state;
	struct seen s = {0};
	struct err err = {0};
	assert_int_equal(run("printf 'a\\nb'; echo c >&2", NULL, NULL, 0, &s, NULL, &err), ERR_OK);
	assert_string_equal(str_text(&s.out), "0:a|0:b|");
	assert_string_equal(str_text(&s.errs), "0:c|");
	forget(&s);
}

static void test_status(void **state)
{
	(void)state;
	struct seen s = {0};
	struct err err = {0};
	struct process_result r;
	assert_int_equal(run("echo no space >&2; exit 3", NULL, NULL, 0, &s, &r, &err), ERR_CHILD);
	assert_int_equal(r.status[0], 3);
	assert_non_null(strstr(err.msg, "status 3"));
	assert_non_null(strstr(err.msg, "no space"));
	process_result_fini(&r);
	assert_int_equal(run("kill -9 $$", NULL, NULL, 0, &s, &r, &err), ERR_CHILD);
	assert_int_equal(r.status[0], 128 + 9);
	process_result_fini(&r);
	forget(&s);
}

static void test_pipe(void **state)
{
	(void)state;
	struct seen s = {0};
	struct err err = {0};
	struct process_result r;
	assert_int_equal(run("head -c 50000000 /dev/zero", "wc -c", NULL, 0, &s, &r, &err), ERR_OK);
	assert_string_equal(str_text(&s.out), "1:50000000|");
	assert_int_equal(r.moved_bytes, 50000000);
	process_result_fini(&r);
	forget(&s);
}

/* The reader fails: it is the one that is named, not the writer whom the broken pipe killed. */
static void test_pipe_reader_fails(void **state)
{
	(void)state;
	struct seen s = {0};
	struct err err = {0};
	assert_int_equal(run("exec head -c 50000000 /dev/zero", "echo full >&2; exit 7", NULL, 0, &s, NULL, &err), ERR_CHILD);
	assert_non_null(strstr(err.msg, "status 7"));
	forget(&s);
}

static void test_missing(void **state)
{
	(void)state;
	struct strv v = {0};
	struct err err = {0};
	strv_add(&v, "/no/such/tool");
	struct process_spec spec = {.argv = &v};
	assert_int_equal(process_run(&spec, 1, NULL, 0, NULL, NULL, &err), ERR_IO);
	assert_non_null(strstr(err.msg, "/no/such/tool"));
	strv_fini(&v);
}

static void test_timeout_kills_group(void **state)
{
	(void)state;
	struct seen s = {0};
	struct err err = {0};
	/* the grandchild ignores SIGTERM; its pid comes out first */
	assert_int_equal(run("trap '' TERM; sleep 600 & echo $!; wait; wait", NULL, NULL, 300, &s, NULL, &err), ERR_TIMEOUT);
	int pid = atoi(str_text(&s.out) + 2);
	assert_true(pid > 1);
	int64_t end = clock_deadline(5000);
	while (kill(pid, 0) == 0 && clock_mono_us() < end)
		usleep(1000);
	assert_int_equal(kill(pid, 0), -1);
	forget(&s);
}

static void *raise_soon(void *arg)
{
	usleep(100000);
	cancel_raise(arg);
	return NULL;
}

static void test_cancel(void **state)
{
	(void)state;
	struct seen s = {0};
	struct err err = {0};
	struct cancel c;
	pthread_t t;
	assert_true(cancel_init(&c));
	assert_int_equal(pthread_create(&t, NULL, raise_soon, &c), 0);
	assert_int_equal(run("cat /dev/zero", "sleep 600", &c, 0, &s, NULL, &err), ERR_CANCELLED);
	(void)pthread_join(t, NULL);
	cancel_fini(&c);
	forget(&s);
}

static void test_password(void **state)
{
	(void)state;
	struct seen s = {0};
	struct err err = {0};
	struct strv v = sh("cat \"$PGPASSFILE\"; stat -L -c %a \"$PGPASSFILE\"; tr '\\0' ' ' </proc/$$/environ | grep -c s3cr || true"), env = {0};
	strv_add(&env, "PGAPPNAME=x");
	struct process_spec spec = {.argv = &v, .env = &env, .password = "s3cr:et\\"};
	struct process_hooks hooks = {.line = on_line, .arg = &s};
	assert_int_equal(process_run(&spec, 1, &hooks, 0, NULL, NULL, &err), ERR_OK);
	assert_string_equal(str_text(&s.out), "0:*:*:*:*:s3cr\\:et\\\\|0:600|0:0|");
	strv_fini(&v);
	strv_fini(&env);
	forget(&s);
}

static void test_output(void **state)
{
	(void)state;
	struct strv v = sh("echo one; echo two");
	struct err err = {0};
	char *out = NULL;
	assert_int_equal(process_output(&v, 5000, NULL, &out, &err), ERR_OK);
	assert_string_equal(out, "one\ntwo\n");
	free(out);
	strv_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_status), cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_pipe_reader_fails), cmocka_unit_test(test_missing),
		cmocka_unit_test(test_timeout_kills_group), cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_password), cmocka_unit_test(test_output),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
