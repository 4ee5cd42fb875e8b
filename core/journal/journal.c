#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/share.h"
#include "base/str.h"

#define LAZY_US 100000 /* 10,000 tables are 10,000 proofs: a sync for each is half a minute */

struct journal {
	int fd, lock_fd;
	off_t size; /* of the whole lines */
	bool unsynced;     /* lines were written that are not synced yet */
	int64_t synced_us; /* monotonic */
	char *path;
};

char *journal_path(const char *dir)
{
	return xasprintf("%s/journal.jsonl", dir);
}

enum err_code journal_make_dir(const char *dir, struct err *err)
{
	char *path = xstrdup(dir);
	enum err_code rc = ERR_OK;

	for (char *p = path + 1; rc == ERR_OK; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char keep = *p;
		*p = '\0';
		if (share_mkdir(path) < 0 && errno != EEXIST)
			rc = err_errno(err, "cannot make the folder %s", path);
		*p = keep;
		if (!keep)
			break;
	}
	free(path);
	return rc;
}

/*
 * Locks of the open file description, not flock: they can be asked about without being taken for a moment (which would
 * make somebody's start fail), and they work on the network file systems that a team shares.
 */
static bool take_lock(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

static bool lock_taken(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

static void write_holder(int fd)
{
	char user[64] = "?", host[128] = "?", since[40], buf[1024];
	struct passwd pw, *p = NULL;

	if (getpwuid_r(getuid(), &pw, buf, sizeof buf, &p) == 0 && p)
		(void)snprintf(user, sizeof user, "%s", p->pw_name);
	(void)gethostname(host, sizeof host - 1);
	int n = snprintf(buf, sizeof buf, "%ld %s %s %s\n", (long)getpid(), user, host, clock_iso(since, sizeof since, clock_wall_us()));
	/* only for people to read: the lock itself is the kernel's */
	if (ftruncate(fd, 0) == 0 && n > 0) {
		ssize_t w = pwrite(fd, buf, (size_t)n, 0);
		(void)w;
	}
}

static bool read_holder(int fd, struct journal_holder *h)
{
	char buf[512];
	long pid = 0;
	ssize_t n = pread(fd, buf, sizeof buf - 1, 0);

	*h = (struct journal_holder){0};
	if (n <= 0)
		return false;
	buf[n] = '\0';
	if (sscanf(buf, "%ld %63s %127s %39s", &pid, h->user, h->host, h->since) != 4)
		return false;
	h->pid = (pid_t)pid;
	return true;
}

static enum err_code busy(int fd, struct err *err)
{
	struct journal_holder h;

	if (read_holder(fd, &h))
		err_set(err, ERR_BUSY, "another pgusher works on this migration: process %ld of %s on %s, since %s", (long)h.pid, h.user, h.host, h.since);
	else
		err_set(err, ERR_BUSY, "another pgusher works on this migration");
	return err_hint(err, "watch it with pgusher status -c FILE; come back when it has ended");
}

bool journal_held(const char *dir, struct journal_holder *h)
{
	char *path = xasprintf("%s/lock", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool held = false;

	free(path);
	*h = (struct journal_holder){0};
	if (fd < 0)
		return false;
	held = lock_taken(fd);
	if (held)
		(void)read_holder(fd, h);
	(void)close(fd);
	return held;
}

/* The end of the last whole line. What cannot be read is not cut. */
static off_t whole_lines(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END), at = size;
	char buf[4096];

	while (at > 0) {
		off_t from = at > (off_t)sizeof buf ? at - (off_t)sizeof buf : 0;
		ssize_t n = pread(fd, buf, (size_t)(at - from), from);
		if (n <= 0)
			return size;
		for (ssize_t i = n; i > 0; i--)
			if (buf[i - 1] == '\n')
				return from + i;
		at = from;
	}
	return 0;
}

static enum err_code sync_dir(const char *dir, struct err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok)
		(void)err_errno(err, "cannot sync %s", dir);
	if (fd >= 0)
		(void)close(fd);
	return ok ? ERR_OK : err->code;
}

/* On failure the file is closed as it was: the words in it are the holder's. */
static enum err_code hold(struct journal *j, const char *dir, struct err *err)
{
	char *path = xasprintf("%s/lock", dir);
	int fd = share_open(path, O_RDWR | O_CREAT);
	enum err_code rc = ERR_OK;

	if (fd < 0)
		rc = err_errno(err, "cannot open %s", path);
	else if (!take_lock(fd))
		rc = errno == EAGAIN || errno == EACCES ? busy(fd, err) : err_errno(err, "cannot lock %s", path);
	free(path);
	if (rc == ERR_OK) {
		j->lock_fd = fd;
		write_holder(fd);
	} else if (fd >= 0) {
		(void)close(fd);
	}
	return rc;
}

static enum err_code open_lines(struct journal *j, struct err *err)
{
	j->fd = share_open(j->path, O_RDWR | O_CREAT);
	if (j->fd < 0)
		return err_errno(err, "cannot open %s", j->path);
	j->size = whole_lines(j->fd);
	if (ftruncate(j->fd, j->size) < 0)
		return err_errno(err, "cannot write %s", j->path);
	return ERR_OK;
}

enum err_code journal_open(struct journal **out, const char *dir, struct err *err)
{
	struct journal *j = xcalloc(1, sizeof *j);

	*out = NULL;
	j->fd = j->lock_fd = -1;
	j->path = journal_path(dir);
	enum err_code rc = journal_make_dir(dir, err);
	if (rc == ERR_OK)
		rc = hold(j, dir, err);
	if (rc == ERR_OK)
		rc = open_lines(j, err);
	if (rc == ERR_OK)
		rc = sync_dir(dir, err);
	if (rc == ERR_OK)
		*out = j;
	else
		journal_close(j);
	if (rc == ERR_IO && !err->hint[0])
		(void)err_hint(err, "state_dir must be a folder of yours or of your team; what lies in it are plain files");
	return rc;
}

/*
 * What is about to be done, asked, or was left must be on the disk before anything follows from it. What was only found out, or has ended,
 * allows nothing by itself: the next intent syncs it, too. (A kill loses neither; this is about the power.)
 */
static bool may_wait(const struct journal *j, const struct event *e)
{
	bool after = e->kind == EV_PROOF || e->kind == EV_ISSUE || e->kind == EV_NOTE || e->kind == EV_PLAN || e->kind == EV_STEP ||
		     e->kind == EV_REMOVED || (e->kind == EV_ACTION && e->state != ST_RUNNING);

	return after && clock_mono_us() - j->synced_us < LAZY_US;
}

static enum err_code sync_lines(struct journal *j, struct err *err)
{
	j->unsynced = true;
	if (fdatasync(j->fd) < 0)
		return err_errno(err, "cannot sync the journal %s", j->path);
	j->unsynced = false;
	j->synced_us = clock_mono_us();
	return ERR_OK;
}

enum err_code journal_write(struct journal *j, const struct event *e, struct err *err)
{
	json_t *o = event_to_json(e);
	char *text = json_dumps(o, JSON_COMPACT);
	enum err_code rc = ERR_OK;

	json_decref(o);
	if (!text)
		return err_set(err, ERR_IO, "an event cannot be written as JSON");
	size_t len = strlen(text), done = 0;
	text[len] = '\n'; /* over the NUL: written by length */
	while (done < len + 1 && rc == ERR_OK) {
		ssize_t n = pwrite(j->fd, text + done, len + 1 - done, j->size + (off_t)done);
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			rc = err_errno(err, "cannot write the journal %s", j->path);
	}
	if (rc == ERR_OK && may_wait(j, e))
		j->unsynced = true;
	else if (rc == ERR_OK)
		rc = sync_lines(j, err);
	free(text);
	if (rc == ERR_OK) {
		j->size += (off_t)done;
	} else {
		if (ftruncate(j->fd, j->size) < 0)
			return rc; /* the next opening cuts the torn line off */
		(void)err_hint(err, "free disk space, or set state_dir to another disk; then start again: what was done so far is written down");
	}
	return rc;
}

void journal_close(struct journal *j)
{
	struct err ignored; /* nothing follows that the lines would allow */

	if (!j)
		return;
	if (j->unsynced)
		(void)sync_lines(j, &ignored);
	if (j->fd >= 0)
		(void)close(j->fd);
	if (j->lock_fd >= 0) {
		/* nobody holds it any more: an empty file says so; the file stays, because removing it would race */
		if (ftruncate(j->lock_fd, 0) < 0)
			(void)0;
		(void)close(j->lock_fd);
	}
	free(j->path);
	free(j);
}
