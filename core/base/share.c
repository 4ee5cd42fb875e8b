#include "base/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

static bool in_team_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = !slash ? xstrdup(".") : slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	struct stat st;
	bool team = stat(dir, &st) == 0 && (st.st_mode & S_IWGRP) && !(st.st_mode & S_IWOTH);

	free(dir);
	return team;
}

int share_open(const char *path, int flags)
{
	/* a link that somebody laid in a shared folder must not lead our writing elsewhere */
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	/* what a colleague made already has its mode, and only its owner may change that */
	if (fd >= 0 && (flags & O_CREAT) && in_team_folder(path) && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600)
		(void)fchmod(fd, 0660);
	return fd;
}

int share_mkdir(const char *path)
{
	bool team = in_team_folder(path);

	if (mkdir(path, team ? 0770 : 0700) < 0)
		return -1;
	struct stat st;
	if (team && stat(path, &st) == 0) /* the umask took the group's right to write */
		(void)chmod(path, (st.st_mode & 07000) | 0770);
	return 0;
}

enum err_code share_write(int fd, const char *data, size_t len, const char *path, struct err *err)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot write %s", path);
		data += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}

enum err_code share_replace(const char *path, const char *data, size_t len, struct err *err)
{
	char *tmp = xasprintf("%s.new", path);
	int fd = share_open(tmp, O_WRONLY | O_CREAT | O_TRUNC);
	enum err_code rc = fd < 0 ? err_errno(err, "cannot write %s", tmp) : share_write(fd, data, len, tmp, err);

	if (rc == ERR_OK && fsync(fd) < 0)
		rc = err_errno(err, "cannot write %s", tmp);
	if (fd >= 0 && close(fd) < 0 && rc == ERR_OK)
		rc = err_errno(err, "cannot write %s", tmp);
	if (rc == ERR_OK && rename(tmp, path) < 0)
		rc = err_errno(err, "cannot write %s", path);
	if (rc != ERR_OK)
		(void)unlink(tmp);
	free(tmp);
	return rc;
}
