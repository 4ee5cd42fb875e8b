#ifndef PGUSHER_BASE_PEER_H
#define PGUSHER_BASE_PEER_H
/*
 * peer - whose process is at the other end of 127.0.0.1: a port of ours may be taken by another user of this host the moment
 * that our ssh dies, and would then be told a password. Read from /proc, by the socket's inode. Any thread.
 */
#include <stdbool.h>
#include <sys/types.h>

/* Whether a process of this process group listens on the port, on 127.0.0.1. */
bool peer_listens(int port, pid_t group);

enum peer {
	PEER_OURS,
	PEER_FOREIGN, /* a process outside the group holds it, or nobody can be seen to */
	PEER_GONE,    /* nobody holds it: not yet accepted, or closed */
};
/* Who holds the other end of a connected loopback socket of ours. */
enum peer peer_of(int fd, pid_t group);

#endif
