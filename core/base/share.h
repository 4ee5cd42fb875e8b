#ifndef PGUSHER_BASE_SHARE_H
#define PGUSHER_BASE_SHARE_H
/*
 * share - files for this user only (0600, 0700), unless the folder above is a team's: one that its group may write and
 * others may not, as with `install -d -m 2770 -g dba`. Then the group may read and write them too, so that a colleague can
 * watch a run and take it up. Any thread.
 */
#include <stddef.h>

#include "base/err.h"

int share_open(const char *path, int flags); /* open(2) with the right mode; O_CLOEXEC is added, and O_NOFOLLOW: a symbolic link is ELOOP */
int share_mkdir(const char *path);           /* mkdir(2) likewise */

/* All len bytes; path is for the message. */
enum err_code share_write(int fd, const char *data, size_t len, const char *path, struct err *err);
/* A file in the place of what was there, by way of path.new, synced: whoever reads it reads all of the old one or all of this one. One writer. */
enum err_code share_replace(const char *path, const char *data, size_t len, struct err *err);

#endif
