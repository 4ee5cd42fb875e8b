#include "pg/walplace.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pg/session.h"

/* Over a socket file, or to an address of our own: then both ends have the same one. */
static bool leads_here(int fd)
{
	struct sockaddr_storage ours = {0}, theirs = {0};
	socklen_t a = sizeof ours, b = sizeof theirs;

	if (fd < 0 || getsockname(fd, (struct sockaddr *)&ours, &a) < 0 || getpeername(fd, (struct sockaddr *)&theirs, &b) < 0 || ours.ss_family != theirs.ss_family)
		return false;
	if (ours.ss_family == AF_INET)
		return ((struct sockaddr_in *)&ours)->sin_addr.s_addr == ((struct sockaddr_in *)&theirs)->sin_addr.s_addr;
	if (ours.ss_family == AF_INET6)
		return memcmp(&((struct sockaddr_in6 *)&ours)->sin6_addr, &((struct sockaddr_in6 *)&theirs)->sin6_addr, sizeof(struct in6_addr)) == 0;
	return ours.ss_family == AF_UNIX;
}

enum err_code walplace_ask(struct session *s, int64_t timeout_ms, struct wal_place *out, struct err *err)
{
	static const char sql[] =
		"SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory'), inet_server_addr() IS NOT DISTINCT FROM inet_client_addr(),"
		" CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END,"
		" CASE WHEN NOT pg_is_in_recovery() THEN (SELECT (pg_current_wal_lsn() - c.redo_lsn) / greatest(30, extract(epoch FROM now() - c.checkpoint_time)::numeric) FROM pg_control_checkpoint() c) END";
	PGresult *r;
	enum err_code rc = session_exec(s, sql, 0, NULL, timeout_ms, &r, err);

	*out = (struct wal_place){.wal_rate = -1};
	if (rc != ERR_OK)
		return rc;
	(void)snprintf(out->dir, sizeof out->dir, "%s", strlen(cell(r, 0, 0)) < sizeof out->dir ? cell(r, 0, 0) : "");
	(void)snprintf(out->file, sizeof out->file, "%s", cell(r, 0, 2));
	out->same_host = cell_bool(r, 0, 1);
	out->here = leads_here(PQsocket(session_conn(s)));
	if (*cell(r, 0, 3))
		out->wal_rate = atof(cell(r, 0, 3));
	PQclear(r);
	return ERR_OK;
}
