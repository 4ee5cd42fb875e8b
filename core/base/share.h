#ifndef PGUSHER_BASE_SHARE_H
#define PGUSHER_BASE_SHARE_H
/*
 * share - files for this user only (0600, 0700), unless the folder above is a team's: one that its group may write and
 * others may not, as with `install -d -m 2770 -g dba`. Then the group may read and write them too, so that a colleague can
 * watch a run and take it up. Any thread.
 */
int share_open(const char *path, int flags); /* open(2) with the right mode; O_CLOEXEC is added, and O_NOFOLLOW: a symbolic link is ELOOP */
int share_mkdir(const char *path);           /* mkdir(2) likewise */

#endif
