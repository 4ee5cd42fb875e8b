#include "journal/fixes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/share.h"
#include "base/str.h"
#include "journal/journal.h"

static char *path_in(const char *dir)
{
	return xasprintf("%s/fixes.jsonl", dir);
}

/* In one write: what another process appends does not come in between. A line torn before it must not spoil this one: the line feed is in front, too. */
static enum err_code append(int fd, const char *path, const char *line, struct err *err)
{
	size_t len = strlen(line);
	ssize_t n;

	do
		n = write(fd, line, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, "cannot write %s", path);
	if ((size_t)n != len)
		return err_set(err, ERR_NOSPACE, "cannot write all of a line to %s: is the disk full?", path);
	return fdatasync(fd) < 0 ? err_errno(err, "cannot sync %s", path) : ERR_OK;
}

enum err_code fixes_write(const char *dir, const struct event *e, struct err *err)
{
	json_t *o = event_to_json(e);
	char *text = json_dumps(o, JSON_COMPACT), *path = path_in(dir), *line = xasprintf("\n%s\n", text ? text : "");
	enum err_code rc = text ? journal_make_dir(dir, err) : err_set(err, ERR_IO, "an event cannot be written as JSON");
	int fd = -1;

	json_decref(o);
	if (rc == ERR_OK) {
		fd = share_open(path, O_WRONLY | O_CREAT | O_APPEND);
		rc = fd < 0 ? err_errno(err, "cannot open %s", path) : append(fd, path, line, err);
	}
	if (fd >= 0 && close(fd) < 0 && rc == ERR_OK)
		rc = err_errno(err, "cannot write %s", path);
	free(line);
	free(path);
	free(text);
	return rc;
}

enum err_code fixes_read(struct model *m, const char *dir, struct err *err)
{
	char *path = path_in(dir), *line = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "re");
	enum err_code rc = f || errno == ENOENT ? ERR_OK : err_errno(err, "cannot read %s", path);

	while (f && getline(&line, &size, f) > 0) {
		json_t *o = json_loads(line, 0, NULL);
		struct event *e = o ? event_from_json(o) : NULL; /* a torn line: the fix was not run */
		json_decref(o);
		if (e && e->kind == EV_FIX)
			model_apply(m, e);
		else
			event_free(e);
	}
	if (f && ferror(f))
		rc = err_errno(err, "cannot read %s", path);
	if (f)
		(void)fclose(f);
	free(line);
	free(path);
	return rc;
}
