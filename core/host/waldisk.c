#include "host/waldisk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/argv.h"
#include "base/clock.h"
#include "host/process.h"
#include "host/tunnel.h"

#define LOOK_MS 15000 /* a hung disk or host */
#define MOST_BYTES (INT64_C(1) << 60) /* more is as good as that, and sums of it still fit */

struct waldisk {
	const struct migration *m;
	struct background *df;
	int64_t end_us;
	bool own_command, news;
	struct wal_place place;
	struct waldisk_reading last;
};

/* ---- what df prints ---- */

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 16;
}

static int64_t bytes_of(uint64_t blocks, uint64_t unit)
{
	uint64_t n;

	return __builtin_mul_overflow(blocks, unit, &n) || n > MOST_BYTES ? MOST_BYTES : (int64_t)n;
}

/* "1024-blocks", "512-blocks", "1K-blocks" in the heading. */
static int64_t unit_of(const char *said)
{
	const char *p = strstr(said, "-blocks");
	int64_t n = 0;

	if (!p)
		return 1024;
	int64_t times = p > said && strchr("KkMm", p[-1]) ? p[-1] == 'K' || p[-1] == 'k' ? 1024 : 1024 * 1024 : 1;
	for (p -= times > 1; p > said && p[-1] >= '0' && p[-1] <= '9'; p--)
		;
	for (; *p >= '0' && *p <= '9' && n < 1 << 20; p++)
		n = n * 10 + *p - '0';
	return n > 0 && n <= 1 << 20 ? n * times : 1024;
}

/* Size, used, available and a share, one after the other; names before and behind them may hold blanks. -1: no such row. */
static int64_t blocks_free(const char *line)
{
	struct strv w = {0};
	int64_t n = -1;

	strv_split(&w, line, " \t\r");
	for (size_t i = 1; i + 3 < w.n && n < 0; i++)
		if (is_number(w.v[i]) && is_number(w.v[i + 1]) && is_number(w.v[i + 2]) && str_ends(w.v[i + 3], "%"))
			(void)str_to_i64(w.v[i + 2], 0, INT64_MAX, &n);
	strv_fini(&w);
	return n;
}

int64_t waldisk_parse(const char *said, size_t *rows)
{
	struct strv lines = {0};
	int64_t first = -1;

	*rows = 0;
	strv_split(&lines, said, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		int64_t n = blocks_free(lines.v[i]);
		first = n >= 0 && *rows == 0 ? n : first;
		*rows += n >= 0;
	}
	strv_fini(&lines);
	return first < 0 ? -1 : bytes_of((uint64_t)first, (uint64_t)unit_of(said));
}

/* ---- a look ---- */

struct waldisk *waldisk_new(const struct migration *m)
{
	struct waldisk *d = xcalloc(1, sizeof *d);

	d->m = m;
	return d;
}

void waldisk_free(struct waldisk *d)
{
	if (!d)
		return;
	background_end(d->df);
	free(d);
}

static const char *ssh_of(const struct waldisk *d)
{
	return str_empty(d->m->end[SIDE_SOURCE].ssh) ? NULL : d->m->end[SIDE_SOURCE].ssh;
}

/* sudo: "", or what the command to be named begins with. */
static void not_known(struct waldisk *d, const char *why, const char *sudo)
{
	const char *dir = *d->place.dir ? d->place.dir : "DATA_DIRECTORY";

	d->news = true;
	d->last.free_bytes = -1;
	if (d->own_command)
		(void)snprintf(d->last.where, sizeof d->last.where, "the command in [source] wal_disk %s", why);
	else
		(void)snprintf(d->last.where, sizeof d->last.where, "%.160s. To make it known, name a command: [source] wal_disk = ssh LOGIN@ITS_HOST %sdf -P %.140s/pg_wal", why, sudo, dir);
}

/* The folder of the data was seen, but not the file that is written now: pg_wal may be a link to another disk, and only who may look into it knows. */
static void not_into(struct waldisk *d)
{
	not_known(d, ssh_of(d) ? "the ssh login may not look into the source's data folder, where pg_wal may be a link to another disk" :
		  "our user may not look into the source's data folder, where pg_wal may be a link to another disk", "sudo ");
}

static void known(struct waldisk *d, int64_t free_bytes)
{
	const char *ssh = ssh_of(d);

	d->news = true;
	d->last.free_bytes = free_bytes;
	if (d->own_command)
		(void)snprintf(d->last.where, sizeof d->last.where, "by the command in [source] wal_disk");
	else
		(void)snprintf(d->last.where, sizeof d->last.where, "%.200s/pg_wal%s%.60s", d->place.dir, ssh ? ", by ssh " : ", on this host", ssh ? ssh : "");
}

static char *wal_file(const struct wal_place *p)
{
	return xasprintf("%s/pg_wal/%s", p->dir, p->file);
}

static void look_here(struct waldisk *d)
{
	char *file = wal_file(&d->place);
	struct statvfs v;

	if (statvfs(file, &v) == 0)
		known(d, bytes_of(v.f_bavail, v.f_frsize));
	else if (errno == EACCES)
		not_into(d);
	else
		not_known(d, "the source is on this host, but its folder is not to be seen from here (a container?)", "");
	free(file);
}

static void start(struct waldisk *d, const struct strv *argv)
{
	struct err err;

	d->end_us = clock_deadline(LOOK_MS);
	if (background_start(&d->df, argv, &err) != ERR_OK)
		not_known(d, err.msg, "");
}

static void look_by_ssh(struct waldisk *d)
{
	struct strv words = {0}, argv = {0};

	strv_add(&words, "df");
	strv_add(&words, "-P");
	strv_add(&words, "-k");
	strv_take(&words, wal_file(&d->place));
	strv_add(&words, d->place.dir);
	tunnel_command(&argv, &d->m->end[SIDE_SOURCE], &words);
	start(d, &argv);
	strv_fini(&words);
	strv_fini(&argv);
}

void waldisk_ask(struct waldisk *d, const struct wal_place *place)
{
	if (d->df)
		return;
	d->place = *place;
	d->own_command = d->m->wal_disk.n > 0;
	if (d->own_command)
		start(d, &d->m->wal_disk);
	else if (!place->same_host || (!place->here && !ssh_of(d)))
		not_known(d, ssh_of(d) ? "the ssh host is not the one that the source runs on" : "the source runs on another host", "");
	else if (*place->dir != '/' || !*place->file)
		not_known(d, "our role may not see the source's data_directory (pg_monitor may)", "");
	else if (ssh_of(d))
		look_by_ssh(d);
	else
		look_here(d);
}

static void judge(struct waldisk *d)
{
	int64_t from = 0;
	size_t rows;
	char *said = background_said(d->df, &from), why[200];
	int64_t free_bytes = waldisk_parse(said, &rows);

	if (free_bytes >= 0 && (d->own_command || rows > 1)) {
		known(d, free_bytes);
	} else if (free_bytes >= 0) {
		not_into(d);
	} else {
		size_t len = strcspn(said, "\r\n");
		(void)snprintf(why, sizeof why, "%ssays nothing of a disk (status %d)%s%.*s", d->own_command ? "" : "df by ssh ", background_status(d->df), len ? ": " : "", len < 120 ? (int)len : 120, said);
		not_known(d, why, "");
	}
	free(said);
}

bool waldisk_take(struct waldisk *d, struct waldisk_reading *out)
{
	if (d->df && !background_alive(d->df))
		judge(d);
	else if (d->df && clock_mono_us() > d->end_us)
		not_known(d, d->own_command ? "does not answer in time" : "df by ssh does not answer in time", "");
	if (d->df && d->news) {
		background_end(d->df);
		d->df = NULL;
	}
	bool news = d->news;
	d->news = false;
	if (news)
		*out = d->last;
	return news;
}

void waldisk_wait(const struct migration *m, const struct wal_place *place, struct cancel *cancel, struct waldisk_reading *out)
{
	struct waldisk *d = waldisk_new(m);
	struct pollfd p = {.fd = cancel ? cancel->fd : -1, .events = POLLIN};

	*out = (struct waldisk_reading){.free_bytes = -1};
	waldisk_ask(d, place);
	while (!waldisk_take(d, out) && !cancel_raised(cancel))
		(void)poll(&p, 1, 20);
	waldisk_free(d);
}
