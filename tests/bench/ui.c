/*
 * What the wizard costs whoever sits before it, on a pseudo-terminal: the start, a key while a run delivers its log, doing nothing,
 * and the preflight of many tables.
 *	ui TABLES_DB SMALL_DB IDLE_SECONDS KEY_SECONDS	databases on PGUSHER_TEST_A; PGUSHER_TEST_B takes the copy
 * Prints lines "figure<TAB>value<TAB>unit<TAB>target<TAB>remark"; a target of "-" is a figure without one.
 */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "tests/screens/bed.h"

#define STARTS 15
#define KEYS_MAX 4000
#define LONG_MS 180000

static struct bed *bed;
static const char *tables_db, *small_db;
static int idle_s, key_s;

static void figure(const char *name, double value, const char *unit, const char *target, const char *fmt, ...)
{
	char remark[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(remark, sizeof remark, fmt, ap);
	va_end(ap);
	(void)printf("%s\t%.*f\t%s\t%s\t%s\n", name, value < 10 ? 2 : value < 100 ? 1 : 0, value, unit, target, remark);
	(void)fflush(stdout);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double share_of(double *v, int n, double share)
{
	qsort(v, (size_t)n, sizeof *v, by_size);
	int at = (int)(share * n);
	return n == 0 ? 0 : v[at < n ? at : n - 1];
}

/* Megabytes: "VmRSS:" now, "VmHWM:" the most there was. */
static double memory_mb(pid_t pid, const char *what)
{
	char path[64], line[256];
	double kb = 0;

	(void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (str_starts(line, what))
			kb = strtod(line + strlen(what), NULL);
	if (f)
		(void)fclose(f);
	return kb / 1024;
}

/* Seconds on a processor, all threads that are alive. */
static double cpu_s(pid_t pid)
{
	char path[300];
	double ns = 0;

	(void)snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		double on = 0;
		(void)snprintf(path, sizeof path, "/proc/%ld/task/%.20s/schedstat", (long)pid, e->d_name);
		FILE *f = e->d_name[0] != '.' ? fopen(path, "re") : NULL;
		if (f && fscanf(f, "%lf", &on) == 1)
			ns += on;
		if (f)
			(void)fclose(f);
	}
	if (d)
		(void)closedir(d);
	return ns / 1e9;
}

static void wait_long(struct term *t, const char *text)
{
	if (term_wait_text(t, text, LONG_MS))
		return;
	term_dump(t, text);
	exit(1);
}

static double ms_since(int64_t us)
{
	return (double)(clock_mono_us() - us) / 1e3;
}

/* ---- the start ---- */

static void measure_start(void)
{
	double ms[STARTS];

	bed_ini(bed, small_db, "ui_copy", NULL);
	for (int i = 0; i < STARTS; i++) {
		int64_t from = clock_mono_us();
		struct term *t = bed_open(bed);
		while (!(term_has(t, "moves to another server") && term_has(t, "F1 help")) && term_read(t, 1000))
			;
		ms[i] = ms_since(from);
		leave(t);
		(void)term_end(t);
	}
	double median = share_of(ms, STARTS, 0.5);
	figure("start to first screen", median, "ms", "< 100", "median of %d, slowest %.0f", STARTS, share_of(ms, STARTS, 1));
}

/* ---- doing nothing ---- */

static void measure_idle(struct term *t, const char *where, int seconds)
{
	size_t bytes_before, bytes;
	int64_t end = clock_deadline(seconds * 1000);
	char name[80];

	while (term_read(t, 300) && clock_poll_ms(end) > seconds * 1000 - 1000) /* what is still being drawn */
		;
	int64_t from = clock_mono_us();
	double cpu = cpu_s(term_pid(t));
	(void)term_bytes(t, &bytes_before);
	while (clock_mono_us() - from < (int64_t)seconds * 1000000)
		(void)term_read(t, 200);
	double s = ms_since(from) / 1e3;
	(void)term_bytes(t, &bytes);
	(void)snprintf(name, sizeof name, "idle on %s: processor", where);
	figure(name, (cpu_s(term_pid(t)) - cpu) / s * 100, "%", "< 1", "over %.0f s", s);
	(void)snprintf(name, sizeof name, "idle on %s: to the terminal", where);
	figure(name, (double)(bytes - bytes_before) / s, "B/s", "< 1000", "over %.0f s", s);
}

static void measure_rest(void)
{
	bed_ini(bed, small_db, "ui_copy", NULL);
	struct term *t = bed_open(bed);

	term_expect(t, "moves to another server");
	measure_idle(t, "the first screen", idle_s);
	figure("memory on the first screen", memory_mb(term_pid(t), "VmRSS:"), "MB", "< 30", "resident");
	walk_to(t, "Plan");
	figure("memory before a small run", memory_mb(term_pid(t), "VmHWM:"), "MB", "< 30", "resident, the most there was");
	leave(t);
	(void)term_end(t);
}

/* ---- many tables ---- */

static struct term *open_many(void)
{
	bed_ini(bed, tables_db, "ui_copy", "[dump]\njobs = 2\ntransfer = file\nverify = off\n");
	struct term *t = bed_open(bed);
	walk_to(t, "Options");
	return t;
}

static double one_preflight(struct term *t, const char *key)
{
	int64_t from = clock_mono_us();

	term_key(t, key);
	if (str_eq(key, K_ENTER))
		wait_long(t, "Preflight  5/8");
	else
		(void)term_wait_gone(t, " well: ", 1000);
	wait_long(t, " well: ");
	return ms_since(from) / 1e3;
}

static void measure_preflight(struct term *t)
{
	double s[3];

	s[0] = one_preflight(t, K_ENTER);
	double first = s[0];
	for (int i = 1; i < 3; i++)
		s[i] = one_preflight(t, "r");
	const char *n = bed_value(bed, A, tables_db, "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'many'::regnamespace");
	figure("preflight of many tables", share_of(s, 3, 0.5), "s", "< 3", "%s tables, median of 3, the first %.2f", n, first);
	measure_idle(t, "their preflight", idle_s / 2 > 1 ? idle_s / 2 : 1);
	figure("memory after their preflight", memory_mb(term_pid(t), "VmHWM:"), "MB", "-", "resident, the most there was");
}

/* ---- keys while it runs ---- */

static bool shows_log(struct term *t)
{
	return strstr(term_row(t, 2), " log, ") != NULL;
}

static long log_lines(struct term *t)
{
	int row = term_find(t, " log, ", NULL);
	const char *p = row >= 0 ? strstr(term_row(t, row), " log, ") : NULL;

	return p ? strtol(p + 6, NULL, 10) : -1;
}

/* What the log said when it was seen first and last. */
static struct { long first, last; int64_t first_us, last_us; } seen;

static void see_log(struct term *t)
{
	long n = shows_log(t) && strstr(term_row(t, 0), "Run  7/8") ? log_lines(t) : -1;

	if (n < 0)
		return;
	seen.last = n;
	seen.last_us = clock_mono_us();
	if (seen.first_us == 0) {
		seen.first = n;
		seen.first_us = seen.last_us;
	}
}

/* l goes to the log and back: how long until the other one stands there. */
static double press(struct term *t)
{
	bool before = shows_log(t);
	int64_t from = clock_mono_us(), end = clock_deadline(2000);

	term_key(t, "l");
	while (shows_log(t) == before && clock_poll_ms(end) > 0 && term_read(t, 2000))
		;
	return ms_since(from);
}

/* Ended by the time, or by the run. */
static int press_keys(struct term *t, double *ms)
{
	int64_t end = clock_deadline(key_s * 1000);
	int n = 0;

	while (n < KEYS_MAX && clock_poll_ms(end) > 0 && strstr(term_row(t, 0), "Run  7/8")) {
		int64_t next = clock_deadline(17 + n % 13); /* not in step with anything */
		ms[n++] = press(t);
		see_log(t);
		for (int left; (left = clock_poll_ms(next)) > 0;)
			(void)term_read(t, left);
	}
	return n;
}

/* Bytes per second to somebody who looks at the steps, or at the log, and presses nothing. */
static double watch_run(struct term *t, bool log)
{
	size_t before, after;

	if (shows_log(t) != log)
		(void)press(t);
	int64_t from = clock_mono_us(), end = clock_deadline(3000);
	(void)term_bytes(t, &before);
	for (int left; (left = clock_poll_ms(end)) > 0;)
		(void)term_read(t, left);
	(void)term_bytes(t, &after);
	return (double)(after - before) / ms_since(from) * 1e3;
}

static void stop_run(struct term *t)
{
	if (strstr(term_row(t, 0), "Run  7/8")) {
		if (shows_log(t))
			(void)press(t);
		term_key(t, K_ESC);
		say_yes(t, "Stop it");
		wait_long(t, "Done  ");
	}
	leave(t);
	(void)term_end(t);
}

static void measure_keys(struct term *t)
{
	static double ms[KEYS_MAX];
	static const char restoring[] = "SELECT count(*) > 0 FROM pg_class WHERE relkind = 'r' AND relname LIKE 't%' AND relnamespace > 16000";
	size_t before, bytes;

	term_key(t, K_ENTER);
	term_expect(t, "Enter starts it");
	term_key(t, K_ENTER);
	wait_long(t, "restore into the target");
	while (!bed_wait_value(bed, B, "postgres", "SELECT count(*) FROM pg_database WHERE datname = 'ui_copy'", "1", 10) ||
	       !bed_wait_value(bed, B, "ui_copy", restoring, "t", 10))
		(void)term_read(t, 50);
	if (!shows_log(t))
		(void)press(t);
	int64_t from = clock_mono_us();
	double cpu = cpu_s(term_pid(t));
	(void)term_bytes(t, &before);
	int n = press_keys(t, ms);
	double s = ms_since(from) / 1e3;
	cpu = (cpu_s(term_pid(t)) - cpu) / s * 100;
	(void)term_bytes(t, &bytes);
	double steps = watch_run(t, false), log = watch_run(t, true);
	double all = (double)(seen.last_us - seen.first_us) / 1e6, rate = all > 0 ? (double)(seen.last - seen.first) / all : 0;
	figure("log lines while keys were pressed", rate, "per s", "-", "as the run gave them, over %.0f s; 1000 were wanted", all);
	figure("key to screen, p50", share_of(ms, n, 0.5), "ms", "-", "%d keys", n);
	figure("key to screen, p99", share_of(ms, n, 0.99), "ms", "< 16", "slowest %.1f", share_of(ms, n, 1));
	figure("processor while it ran", cpu, "%", "-", "of one, both threads");
	figure("to the terminal, pressing keys", (double)(bytes - before) / s / 1024, "kB/s", "-", "each key draws a screen");
	figure("to the terminal, looking at the steps", steps / 1024, "kB/s", "-", "without a key");
	figure("to the terminal, looking at the log", log / 1024, "kB/s", "-", "without a key");
	figure("memory while it ran", memory_mb(term_pid(t), "VmHWM:"), "MB", "-", "resident, the most there was");
	stop_run(t);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		(void)fprintf(stderr, "ui TABLES_DB SMALL_DB IDLE_SECONDS KEY_SECONDS\n");
		return 2;
	}
	tables_db = argv[1];
	small_db = argv[2];
	idle_s = atoi(argv[3]);
	key_s = atoi(argv[4]);
	if (bed_start((void **)&bed) != 0 || !bed->servers)
		return 2;
	measure_start();
	measure_rest();
	struct term *t = open_many();
	measure_preflight(t);
	measure_keys(t);
	term_sweep();
	return bed_stop((void **)&bed);
}
