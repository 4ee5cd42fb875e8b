/* What watch reads from others, against any bytes: a sample as text, a server's log, a timeline's history, the guard's file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/waldisk.h"
#include "migration.h"
#include "watch/guard.h"
#include "watch/logformat.h"
#include "watch/ready.h"
#include "watch/sample.h"
#include "watch/serverlog.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool ended(const char *text, size_t cap)
{
	return memchr(text, '\0', cap) != NULL;
}

/* What was read is judged, and read again from its own text as the same. */
static void sample(const char *text)
{
	static struct watch_alarm alarms[WATCH_ALARMS];
	static struct ready_condition conditions[READY_MAX];
	struct watch_sample s, back;
	struct migration m;

	if (!watch_sample_from_text(&s, text))
		return;
	migration_init(&m);
	size_t n = watch_alarms(&s, alarms), k = ready_list(&s, &m, conditions);
	if (n > WATCH_ALARMS || k > READY_MAX || !*watch_word(&s))
		abort();
	for (size_t i = 0; i < n; i++)
		if (!ended(alarms[i].text, sizeof alarms[i].text) || !ended(alarms[i].todo, sizeof alarms[i].todo) || (i > 0 && alarms[i].verdict > alarms[i - 1].verdict))
			abort();
	(void)ready_verdict(conditions, k);
	json_t *j = watch_sample_json(&s);
	char *again = json_dumps(j, JSON_COMPACT);
	if (again && !watch_sample_from_text(&back, again))
		abort();
	free(again);
	json_decref(j);
	migration_fini(&m);
}

static void log_of(const char *text)
{
	struct server_words w = {0};

	if (!serverlog_find(text, "pg_16396", "pgusher_shop", &w))
		return;
	char row[512];
	serverlog_row(&w, "SELECT *", row, sizeof row);
	if (!ended(w.message, sizeof w.message) || !ended(w.detail, sizeof w.detail) || !ended(w.relation, sizeof w.relation) || !ended(w.lsn, sizeof w.lsn) || !ended(row, sizeof row))
		abort();
}

/* Whatever is in it, each line is of a process, or goes on with the one before. */
static void other_log(char *(*lines_of)(const char *text, enum logformat_tongue tongue), const char *text, enum logformat_tongue tongue)
{
	char *lines = lines_of(text, tongue);

	for (const char *p = lines; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if ((*p != '[' || p[1] == ']') && (*p != '\t' || p == lines))
			abort();
	log_of(lines);
	free(lines);
}

static void disk(const char *text)
{
	size_t rows;
	int64_t n = waldisk_parse(text, &rows);

	if ((n < 0) != (rows == 0))
		abort();
}

static void guard(const unsigned char *data, size_t size)
{
	static int fd = -1;
	char path[64];
	struct guard g;

	if (fd < 0)
		fd = memfd_create("guard", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	memset(&g, 0, sizeof g);
	guard_load(&g, path);
	if (!ended(g.system, sizeof g.system) || !ended(g.say, sizeof g.say))
		abort();
	struct guard_reading now = {.timeline = 2, .system = "7", .local = 100, .remote = 200, .confirmed = 300, .fork = 50};
	guard_look(&g, &now);
	if (!ended(g.say, sizeof g.say))
		abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);

	sample(text);
	log_of(text);
	for (int i = 0; i < 2; i++) {
		other_log(logformat_from_csv, text, i ? LOGFORMAT_FOREIGN_ONE : LOGFORMAT_ENGLISH);
		other_log(logformat_from_json, text, i ? LOGFORMAT_FOREIGN_ONE : LOGFORMAT_ENGLISH);
	}
	disk(text);
	(void)guard_fork(text, 1);
	guard(data, size);
	free(text);
	return 0;
}
