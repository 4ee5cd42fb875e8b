#include "base/peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

#define LISTEN_STATE 0x0A /* of /proc/net/tcp */
#define LINE_MAX_BYTES 512

/* The inode of the socket on 127.0.0.1:port, connected to remote_port there, or listening when that is 0. 0: nobody's; -1: there is none. */
static long long socket_inode(int port, int remote_port)
{
	char line[LINE_MAX_BYTES];
	long long found = -1;
	FILE *f = fopen("/proc/self/net/tcp", "re");

	while (f && found < 0 && fgets(line, sizeof line, f)) {
		unsigned addr, from, to_addr, to, state;
		long long inode;
		if (sscanf(line, " %*d: %8X:%4X %8X:%4X %2X %*s %*s %*s %*s %*s %lld", &addr, &from, &to_addr, &to, &state, &inode) != 6)
			continue;
		if (addr == htonl(INADDR_LOOPBACK) && from == (unsigned)port && to == (unsigned)remote_port &&
		    (remote_port == 0) == (state == LISTEN_STATE))
			found = inode;
	}
	if (f)
		(void)fclose(f);
	return found;
}

static bool holds(long pid, const char *link)
{
	char dir[32], target[64];
	struct dirent *e;
	bool found = false;

	(void)snprintf(dir, sizeof dir, "/proc/%ld/fd", pid);
	DIR *d = opendir(dir);
	while (d && !found && (e = readdir(d)) != NULL) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
		target[n > 0 ? n : 0] = '\0';
		found = str_eq(target, link);
	}
	if (d)
		(void)closedir(d);
	return found;
}

/* ssh may be a script of the user's that starts the real one: the whole group counts. */
static bool group_holds(pid_t group, long long inode)
{
	char link[40];
	struct dirent *e;
	bool found = false;

	(void)snprintf(link, sizeof link, "socket:[%lld]", inode);
	if (holds(group, link))
		return true;
	DIR *d = opendir("/proc");
	while (d && !found && (e = readdir(d)) != NULL) {
		int64_t pid;
		found = str_to_i64(e->d_name, 1, INT32_MAX, &pid) && getpgid((pid_t)pid) == group && holds((long)pid, link);
	}
	if (d)
		(void)closedir(d);
	return found;
}

bool peer_listens(int port, pid_t group)
{
	long long inode = socket_inode(port, 0);

	return inode > 0 && group_holds(group, inode);
}

enum peer peer_of(int fd, pid_t group)
{
	struct sockaddr_in here = {0}, there = {0};
	socklen_t n = sizeof here, m = sizeof there;

	if (getsockname(fd, (struct sockaddr *)&here, &n) < 0 || getpeername(fd, (struct sockaddr *)&there, &m) < 0)
		return PEER_GONE;
	long long inode = socket_inode(ntohs(there.sin_port), ntohs(here.sin_port));
	if (inode <= 0)
		return PEER_GONE;
	return group_holds(group, inode) ? PEER_OURS : PEER_FOREIGN;
}
