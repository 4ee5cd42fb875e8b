/* journal and live: what is on the disk after good writes, crashes, a full disk, and with two processes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "journal/journal.h"
#include "journal/live.h"
#include "journal/model.h"

static char *top; /* of this test */

static int setup(void **state)
{
	char name[] = "/tmp/test_journal.XXXXXX";

	(void)state;
	top = xstrdup(mkdtemp(name));
	return top ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	static const char *const names[] = {"a/b/journal.jsonl", "a/b/lock", "a/b/live.json", "a/b", "a", "file", ""};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *p = xasprintf("%s/%s", top, names[i]);
		(void)remove(p);
		free(p);
	}
	int left = access(top, F_OK); /* nothing else was made */
	free(top);
	return left == 0 ? -1 : 0;
}

static char *dir(void)
{
	return xasprintf("%s/a/b", top);
}

static struct journal *open_it(void)
{
	struct journal *j = NULL;
	struct err err = {0};
	char *d = dir();

	if (journal_open(&j, d, &err) != ERR_OK)
		fail_msg("%s", err.msg);
	free(d);
	return j;
}

static enum err_code put(struct journal *j, const char *text)
{
	struct event *e = event_new(EV_NOTE, NULL);
	struct err err = {0};

	xreplace(&e->text, text);
	enum err_code rc = journal_write(j, e, &err);
	event_free(e);
	if (rc != ERR_OK)
		assert_true(err.msg[0] && err.hint[0]);
	return rc;
}

static char *path(void)
{
	char *d = dir(), *p = journal_path(d);

	free(d);
	return p;
}

static void append(const char *bytes, size_t n)
{
	char *p = path();
	FILE *f = fopen(p, "a");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	free(p);
}

/* The notes on the disk, one after the other. */
static char *notes(void)
{
	struct model m;
	struct err err = {0};
	struct str s = {0};
	char *p = path();

	model_init(&m);
	if (model_load(&m, p, &err) != ERR_OK)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < m.notes.n; i++)
		str_addf(&s, "%s%s", i ? "," : "", m.notes.v[i].last->text);
	model_fini(&m);
	free(p);
	return str_take(&s);
}

static void has_notes(const char *want)
{
	char *is = notes();

	assert_string_equal(is, want);
	free(is);
}

static mode_t mode_of(const char *name)
{
	char *p = xasprintf("%s/%s", top, name);
	struct stat st;

	assert_int_equal(stat(p, &st), 0);
	free(p);
	return st.st_mode & 07777;
}

static void test_modes(void **state)
{
	(void)state;
	mode_t old = umask(0);
	journal_close(open_it());
	(void)umask(old);
	assert_int_equal(mode_of("a"), 0700);
	assert_int_equal(mode_of("a/b"), 0700);
	assert_int_equal(mode_of("a/b/journal.jsonl"), 0600);
	assert_int_equal(mode_of("a/b/lock"), 0600);
}

static void test_written_and_read(void **state)
{
	(void)state;
	struct journal *j = open_it();
	assert_int_equal(put(j, "one"), ERR_OK);
	assert_int_equal(put(j, "bad \xff byte"), ERR_OK);
	has_notes("one,bad ? byte"); /* there before it is closed */
	journal_close(j);
	j = open_it();
	assert_int_equal(put(j, "three"), ERR_OK);
	journal_close(j);
	has_notes("one,bad ? byte,three");
}

/* What a crash tears off has never been acted on. */
static void test_torn(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, 30, 4095, 4096, 4097, 20000};
	struct journal *j = open_it();
	assert_int_equal(put(j, "whole"), ERR_OK);
	journal_close(j);
	char *half = xmalloc(20000);
	memset(half, 'x', 20000);
	(void)snprintf(half, 20000, "{\"kind\":\"note\",\"text\":\"");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		append(half, sizes[i]);
		has_notes("whole"); /* for somebody who only looks */
		journal_close(open_it());
		has_notes("whole");
	}
	static const char complete[] = "{\"kind\":\"note\",\"at_us\":1,\"text\":\"no line end\"}";
	append(complete, sizeof complete - 1);
	has_notes("whole"); /* what opening cuts off was not seen before either */
	j = open_it();
	assert_int_equal(put(j, "next"), ERR_OK);
	journal_close(j);
	has_notes("whole,next");
	free(half);
}

static void test_only_torn(void **state)
{
	(void)state;
	journal_close(open_it());
	append("{\"kind\"", 7);
	struct journal *j = open_it();
	assert_int_equal(put(j, "first"), ERR_OK);
	journal_close(j);
	has_notes("first");
}

static void test_damage_is_told(void **state)
{
	(void)state;
	struct model m;
	struct err err = {0};
	struct journal *j = open_it();
	assert_int_equal(put(j, "one"), ERR_OK);
	journal_close(j);
	append("rubbish\n", 8);
	append("{\"kind\":\"note\",\"at_us\":1}\n", 26);
	char *p = path();
	model_init(&m);
	assert_int_equal(model_load(&m, p, &err), ERR_IO);
	assert_non_null(strstr(err.msg, ":2 "));
	assert_true(err.hint[0]);
	model_fini(&m);
	free(p);
}

/* The limit of a file's size makes the kernel write a part and then refuse, as a full disk does. */
static void test_no_room(void **state)
{
	(void)state;
	struct rlimit old, small;
	struct journal *j = open_it();
	assert_int_equal(put(j, "one"), ERR_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	small = old;
	small.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	char big[4000];
	memset(big, 'b', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	assert_int_equal(put(j, big), ERR_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	has_notes("one");
	char *p = path();
	struct stat st;
	assert_int_equal(stat(p, &st), 0);
	assert_true(st.st_size < 200); /* the half that was written is gone again */
	free(p);
	assert_int_equal(put(j, "two"), ERR_OK);
	journal_close(j);
	has_notes("one,two");
}

static void test_where_no_folder_can_be(void **state)
{
	(void)state;
	char *file = xasprintf("%s/file", top), *d = xasprintf("%s/file/x", top);
	struct journal *j = NULL;
	struct err err = {0};
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(journal_open(&j, d, &err), ERR_IO);
	assert_null(j);
	assert_non_null(strstr(err.msg, "/file"));
	free(file);
	free(d);
}

static void test_second_is_refused(void **state)
{
	(void)state;
	struct journal *first = open_it(), *second = NULL;
	struct journal_holder h;
	struct err err = {0};
	char *d = dir(), pid[32];

	(void)snprintf(pid, sizeof pid, "process %ld of ", (long)getpid());
	for (int i = 0; i < 2; i++) { /* being refused does not wipe the holder's name */
		assert_int_equal(journal_open(&second, d, &err), ERR_BUSY);
		assert_null(second);
		assert_non_null(strstr(err.msg, pid));
		assert_non_null(strstr(err.msg, ", since 2"));
		assert_non_null(strstr(err.hint, "pgusher status"));
	}
	assert_true(journal_held(d, &h));
	assert_int_equal(h.pid, getpid());
	assert_true(h.user[0] && h.host[0] && h.since[0]);
	assert_int_equal(put(first, "goes on"), ERR_OK);
	journal_close(first);
	assert_false(journal_held(d, &h));
	journal_close(open_it());
	free(d);
}

static void test_nobody_there(void **state)
{
	(void)state;
	struct journal_holder h;
	char *d = dir();

	assert_false(journal_held(d, &h));
	journal_close(NULL);
	free(d);
}

/* A child that holds the journal and has said so; killed with -9 by the caller. */
static pid_t holder(void)
{
	int up[2];
	char c;

	assert_int_equal(pipe(up), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct journal *j = NULL;
		struct err err;
		char *d = dir();
		if (journal_open(&j, d, &err) != ERR_OK || write(up[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(up[1]);
	assert_int_equal(read(up[0], &c, 1), 1);
	(void)close(up[0]);
	return pid;
}

static void test_killed_holder_holds_nothing(void **state)
{
	(void)state;
	struct journal_holder h;
	char *d = dir();
	pid_t pid = holder();

	assert_true(journal_held(d, &h));
	assert_int_equal(h.pid, pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(journal_held(d, &h)); /* though its name is still in the file */
	journal_close(open_it());
	free(d);
}

/* Somebody's `pgusher status` in a loop must not make a start fail. */
static void test_asking_takes_nothing(void **state)
{
	(void)state;
	journal_close(open_it());
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct journal_holder h;
		char *d = dir();
		for (;;)
			(void)journal_held(d, &h);
	}
	char *d = dir();
	int refused = 0;
	for (int i = 0; i < 300; i++) {
		struct journal *j = NULL;
		struct err err;
		refused += journal_open(&j, d, &err) != ERR_OK;
		journal_close(j);
	}
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(refused, 0);
	free(d);
}

static void test_make_dir(void **state)
{
	(void)state;
	struct err err = {0};
	char *d = xasprintf("%s/a//b/", top), *now = getcwd(NULL, 0);

	assert_int_equal(journal_make_dir(d, &err), ERR_OK);
	assert_int_equal(journal_make_dir(d, &err), ERR_OK);
	assert_int_equal(chdir(top), 0);
	assert_int_equal(journal_make_dir("a/b", &err), ERR_OK); /* relative */
	assert_int_equal(chdir(now), 0);
	free(now);
	free(d);
}

static struct event *step(enum event_kind kind, enum state st, int64_t n)
{
	struct event *e = event_new(kind, "copy");

	e->state = st;
	e->n = n;
	return e;
}

static void test_live(void **state)
{
	(void)state;
	struct model m;
	struct live l;
	struct err err = {0};
	char *d = dir();

	assert_false(live_read(d, &l));
	assert_int_equal(live_write(d, (model_init(&m), &m), &err), ERR_IO); /* no such folder yet */
	journal_close(open_it());
	assert_int_equal(live_write(d, &m, &err), ERR_OK);
	assert_true(live_read(d, &l));
	assert_null(l.step);
	live_fini(&l);
	model_apply(&m, step(EV_PLAN, ST_NONE, 0));
	model_apply(&m, step(EV_STEP, ST_RUNNING, 0));
	struct event *e = step(EV_PROGRESS, ST_NONE, 5000000000);
	e->of = 6000000000;
	e->a = 3;
	e->b = 4;
	xreplace(&e->text, "public.\"b\xff" "d\"");
	model_apply(&m, e);
	assert_int_equal(live_write(d, &m, &err), ERR_OK);
	assert_true(live_read(d, &l));
	assert_string_equal(l.step, "copy");
	assert_true(l.n == 5000000000 && l.of == 6000000000 && l.a == 3 && l.b == 4 && l.at_us > 0);
	assert_string_equal(l.text, "public.\"b?d\"");
	live_fini(&l);
	model_apply(&m, step(EV_STEP, ST_DONE, 0));
	assert_int_equal(live_write(d, &m, &err), ERR_OK);
	assert_true(live_read(d, &l));
	assert_null(l.step);
	live_fini(&l);
	model_fini(&m);
	free(d);
}

/* In a folder of a team somebody may have laid a link to a file of ours. */
static void test_links_lead_nowhere(void **state)
{
	static const char *const names[] = {"journal.jsonl", "lock", "live.json.new"};
	char *d = dir(), *file = xasprintf("%s/file", top);
	struct model m;

	(void)state;
	model_init(&m);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct err err = {0};
		struct journal *j = NULL;
		struct stat st;
		char *link = xasprintf("%s/%s", d, names[i]);
		FILE *f = fopen(file, "we");
		assert_non_null(f);
		assert_true(fputs("precious, and no line end", f) >= 0 && fclose(f) == 0);
		assert_int_equal(journal_make_dir(d, &err), ERR_OK);
		(void)unlink(link);
		assert_int_equal(symlink(file, link), 0);
		assert_int_equal(i < 2 ? journal_open(&j, d, &err) : live_write(d, &m, &err), ERR_IO);
		assert_true(err.hint[0] || i == 2);
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(st.st_size, 25);
		assert_int_equal(unlink(link), 0);
		free(link);
	}
	model_fini(&m);
	free(file);
	free(d);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_modes), TEST(test_written_and_read), TEST(test_torn), TEST(test_only_torn), TEST(test_damage_is_told),
		TEST(test_no_room), TEST(test_where_no_folder_can_be), TEST(test_second_is_refused), TEST(test_nobody_there),
		TEST(test_killed_holder_holds_nothing), TEST(test_asking_takes_nothing), TEST(test_make_dir), TEST(test_live), TEST(test_links_lead_nowhere),
	};
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
