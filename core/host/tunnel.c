#include "host/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/argv.h"
#include "base/clock.h"
#include "base/peer.h"
#include "host/process.h"

#define LOGIN_MS 20000
#define PORT_TRIES 3
#define END_MS 5000

struct tunnel {
	struct background *ssh;
	const struct endpoint *ep;
	char *ports;
	int64_t heard; /* how much of what ssh said has been judged */
};

/* ---- words ---- */

/* host, port and socket of the i-th server as the ssh host sees it: "db1:5432", "[::1]:5432", "/run/.s.PGSQL.5432". */
static char *far_end(const struct strv *hosts, const struct strv *ports, size_t i)
{
	const char *host = hosts->n ? hosts->v[i] : "localhost";
	const char *port = ports->n == 0 ? "5432" : ports->v[i < ports->n ? i : ports->n - 1];

	if (*host == '/')
		return xasprintf("%s/.s.PGSQL.%s", host, port);
	return xasprintf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static size_t host_count(const struct endpoint *ep)
{
	struct strv hosts = {0};

	strv_split(&hosts, ep->host ? ep->host : "", ",");
	size_t n = hosts.n ? hosts.n : 1;
	strv_fini(&hosts);
	return n;
}

static void common_words(struct strv *argv)
{
	static const char *const words[] = {
		"ssh", "-T", "-x", "-a", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ControlMaster=no", "-o", "ControlPath=none",
		"-o", "RemoteCommand=none", "-o", "PermitLocalCommand=no", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=4",
		"-o", "ServerAliveCountMax=3", "-o", "TCPKeepAlive=yes", "-o", "Compression=no", "-o", "LogLevel=INFO"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		strv_add(argv, words[i]);
}

/* What ssh does for ProxyJump itself, but the hosts on the way are still those of the user's configuration. */
static void jump_words(struct strv *argv, const char *hops)
{
	const char *last = strrchr(hops, ',');
	char *before = last ? xstrndup(hops, (size_t)(last - hops)) : NULL;

	last = last ? last + 1 : hops;
	strv_add(argv, "-o");
	strv_addf(argv, "ProxyCommand=ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10%s%s -W '[%%h]:%%p' -- %s%s",
		  before ? " -J " : "", before ? before : "", strstr(last, "://") ? "" : "ssh://", last);
	free(before);
}

/* Each line of ssh -G is an option; one path with a blank in it wants quotes. */
static void own_words(struct strv *argv, const char *config)
{
	static const char *const paths[] = {"identityfile", "certificatefile", "identityagent", "pkcs11provider", "securitykeyprovider"};
	struct strv lines = {0};

	strv_add(argv, "-F");
	strv_add(argv, "none");
	strv_split(&lines, config, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		const char *blank = strchr(lines.v[i], ' '), *value;
		bool quote = false;
		if (!blank)
			continue;
		int key = (int)(blank - lines.v[i]);
		value = blank + 1;
		if (str_starts(lines.v[i], "proxyjump ")) {
			jump_words(argv, value);
			continue;
		}
		for (size_t k = 0; k < sizeof paths / sizeof *paths; k++)
			quote |= strchr(value, ' ') && (int)strlen(paths[k]) == key && str_starts(lines.v[i], paths[k]);
		strv_add(argv, "-o");
		strv_addf(argv, quote ? "%.*s=\"%s\"" : "%.*s=%s", key, lines.v[i], value);
	}
	strv_fini(&lines);
}

/* ClearAllForwardings would take ours away as well. The first value of an option counts: ours come first. */
void tunnel_words(struct strv *argv, const struct endpoint *ep, const char *local)
{
	struct strv hosts = {0}, ports = {0}, locals = {0};

	strv_split(&hosts, ep->host ? ep->host : "", ",");
	strv_split(&ports, ep->port ? ep->port : "", ",");
	strv_split(&locals, local, ",");
	common_words(argv);
	strv_add(argv, "-N");
	strv_add(argv, "-o");
	strv_add(argv, "ExitOnForwardFailure=yes");
	if (ep->ssh_config)
		own_words(argv, ep->ssh_config);
	for (size_t i = 0; i < locals.n; i++) {
		char *far = far_end(&hosts, &ports, i);
		strv_add(argv, "-L");
		strv_addf(argv, "127.0.0.1:%s:%s", locals.v[i], far);
		free(far);
	}
	strv_add(argv, "--");
	strv_add(argv, ep->ssh);
	strv_fini(&hosts);
	strv_fini(&ports);
	strv_fini(&locals);
}

/* The remote shell splits them again. */
void tunnel_command(struct strv *argv, const struct endpoint *ep, const struct strv *words)
{
	common_words(argv);
	strv_add(argv, "-o");
	strv_add(argv, "ClearAllForwardings=yes");
	if (ep->ssh_config)
		own_words(argv, ep->ssh_config);
	strv_add(argv, "--");
	strv_add(argv, ep->ssh);
	char *line = argv_show(words);
	strv_take(argv, line);
}

/* ---- what ssh says ---- */

static const struct advice {
	const char *words;
	enum err_code code;
	const char *msg, *hint; /* %s: the ssh host */
} advice[] = {
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", ERR_AUTH, "the host key of %s has changed",
	 "somebody may be listening in, or the host was set up anew: ask its administrator; only then remove the old key with ssh-keygen -R"},
	{"Host key verification failed", ERR_HOSTKEY, "the host key of %s is not known here",
	 "compare its fingerprint with the administrator's, then accept it: the wizard shows it and asks"},
	{"Permission denied", ERR_AUTH, "%s refused the login",
	 "check the login name and which key is used; ssh-copy-id puts a key there, ssh-add unlocks one with a passphrase"},
	{"Too many authentication failures", ERR_AUTH, "%s refused the login: too many keys were offered", "name the right one: IdentityFile and IdentitiesOnly yes in ~/.ssh/config"},
	{"Could not resolve hostname", ERR_CONNECT, "the ssh host %s has no address", "check how the name is written, or give HostName in ~/.ssh/config"},
	{"stdio forwarding failed", ERR_CONNECT, "the host before it (ProxyJump) does not reach %s", "check address and port as that host sees it, and that it allows forwarding (AllowTcpForwarding)"},
	{"administratively prohibited", ERR_CONNECT, "the ssh server of %s forbids forwarding",
	 "its sshd_config needs AllowTcpForwarding yes (AllowStreamLocalForwarding for a socket) and a PermitOpen that names the database server"},
	{"Address already in use", ERR_CONNECT, "a local port of the tunnel is taken",
	 "leave local_port out, so that a free one is chosen"},
	{"Could not request local forwarding", ERR_CONNECT, "ssh could not listen on the local port", "leave local_port out, so that a free one is chosen"},
	{"open failed: connect failed: Connection refused", ERR_CONNECT, "the ssh host %s reaches the database server's address, but nothing answers on that port",
	 "check host and port as the ssh host sees them, and that PostgreSQL runs and listens there (listen_addresses)"},
	{"open failed: connect failed", ERR_CONNECT, "the ssh host %s cannot reach the database server", "check host and port as the ssh host sees them (localhost is the ssh host itself), and firewalls between the two"},
	{"No such file or directory", ERR_CONNECT, "%s: there is no such file", "check the socket's folder and port on the ssh host, or the key file here"},
	{"Bad configuration option", ERR_USAGE, "ssh does not understand its configuration for %s", "see the line that it names"},
	{"Bad owner or permissions", ERR_USAGE, "ssh refuses its configuration file for %s", "chmod 600 the file that it names"},
	{"UNPROTECTED PRIVATE KEY FILE", ERR_AUTH, "ssh refuses the private key for %s", "chmod 600 the key file that it names"},
	{"Connection refused", ERR_CONNECT, "%s does not take ssh connections", "check the address and the port (Port in ~/.ssh/config), and that sshd runs"},
	{"onnection timed out", ERR_TIMEOUT, "%s does not answer", "check the address and the port, and firewalls on the way"},
	{"No route to host", ERR_CONNECT, "there is no route to %s", "check the address and the network"},
	{"Network is unreachable", ERR_CONNECT, "there is no route to %s", "check the address and the network"},
	{"not responding", ERR_LOST, "%s no longer answers", "check the network; the tunnel is opened again as soon as it can be"},
	{"Connection reset", ERR_LOST, "%s closed the ssh connection", "look at the log of its sshd (MaxStartups, AllowUsers, fail2ban)"},
	{"Connection closed by", ERR_LOST, "%s closed the ssh connection", "look at the log of its sshd (MaxStartups, AllowUsers, fail2ban)"},
	{"closed by remote host", ERR_LOST, "%s closed the ssh connection", "look at the log of its sshd, or whether the host was restarted"},
};

/* The line with the words, without ssh's own prefix and line end. */
static char *line_with(const char *said, const char *at)
{
	const char *from = at;

	while (from > said && from[-1] != '\n')
		from--;
	return xstrndup(from, strcspn(from, "\r\n"));
}

enum err_code tunnel_explain(const char *said, const struct endpoint *ep, struct err *err)
{
	for (size_t i = 0; i < sizeof advice / sizeof *advice; i++) {
		const struct advice *a = &advice[i];
		const char *at = strstr(said, a->words);
		if (!at)
			continue;
		char *line = line_with(said, at);
		struct str msg = {0};
		const char *mark = strstr(a->msg, "%s");
		str_addn(&msg, a->msg, mark ? (size_t)(mark - a->msg) : strlen(a->msg));
		if (mark)
			str_addf(&msg, "%s%s", ep->ssh, mark + 2);
		err_set(err, a->code, "%s; ssh says: %s", str_text(&msg), line);
		(void)err_hint(err, "%s", a->hint);
		str_fini(&msg);
		free(line);
		return a->code;
	}
	return ERR_OK;
}

/* ---- the process ---- */

/* A foreign listener on the port would be taken for ours. */
static bool port_taken(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	bool taken = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, (struct sockaddr *)&a, sizeof a) < 0 &&
		     errno == EADDRINUSE;

	if (fd >= 0)
		(void)close(fd);
	return taken;
}

/* Ports that the kernel calls free; somebody may take one before ssh does, which is tried again. */
static char *free_ports(size_t n)
{
	struct str s = {0};
	int fds[16];
	size_t k = 0;

	for (; k < n && k < sizeof fds / sizeof *fds; k++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof a;
		fds[k] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[k] < 0 || bind(fds[k], (struct sockaddr *)&a, sizeof a) < 0 || getsockname(fds[k], (struct sockaddr *)&a, &len) < 0)
			break;
		str_addf(&s, "%s%u", k ? "," : "", (unsigned)ntohs(a.sin_port));
	}
	for (size_t i = 0; i <= k && i < n && i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	if (k < n)
		str_clear(&s);
	return str_take(&s);
}

static enum err_code dead(struct tunnel *t, struct err *err)
{
	int64_t from = 0;
	char *said = background_said(t->ssh, &from);
	enum err_code rc = tunnel_explain(said, t->ep, err);

	if (rc == ERR_OK) {
		char *end = said + strlen(said);
		while (end > said && strchr("\r\n", end[-1]))
			*--end = '\0';
		const char *last = strrchr(said, '\n');
		rc = err_set(err, ERR_CONNECT, "ssh to %s ended with status %d; %s", t->ep->ssh, background_status(t->ssh), *said ? last ? last + 1 : said : "it said nothing");
		(void)err_hint(err, "try the same by hand: ssh %s", t->ep->ssh);
	}
	free(said);
	return rc;
}

static enum err_code wait_listening(struct tunnel *t, struct cancel *cancel, struct err *err)
{
	struct strv ports = {0};
	int64_t end = clock_deadline(LOGIN_MS);
	enum err_code rc = ERR_TIMEOUT;

	strv_split(&ports, t->ports, ",");
	/* ssh takes its ports in their order, after the login; that it is ssh who listens there, and nobody else, is seen */
	while (rc == ERR_TIMEOUT && clock_mono_us() < end) {
		struct pollfd p = {.fd = cancel ? cancel->fd : -1, .events = POLLIN};
		if (cancel_raised(cancel))
			rc = err_set(err, ERR_CANCELLED, "cancelled while ssh logs in");
		else if (!background_alive(t->ssh))
			rc = dead(t, err);
		else if (peer_listens(atoi(ports.v[ports.n - 1]), background_group(t->ssh)))
			rc = ERR_OK;
		else
			(void)poll(&p, 1, 30);
	}
	strv_fini(&ports);
	if (rc == ERR_TIMEOUT) {
		err_set(err, ERR_TIMEOUT, "ssh to %s did not come to a login within %d s", t->ep->ssh, LOGIN_MS / 1000);
		(void)err_hint(err, "try the same by hand: ssh %s", t->ep->ssh);
	}
	return rc;
}

static enum err_code check_settings(const struct endpoint *ep, const char *ports, struct err *err)
{
	struct strv v = {0};
	enum err_code rc = ERR_OK;

	if (ep->service && str_empty(ep->host)) {
		err_set(err, ERR_USAGE, "with ssh the host must be named; a service entry does not tell it to ssh");
		rc = err_hint(err, "give host, port, dbname and user beside ssh");
	}
	if (*ep->ssh == '-')
		rc = err_set(err, ERR_USAGE, "ssh takes login@host or a Host of ~/.ssh/config, not '%s'", ep->ssh);
	strv_split(&v, ports ? ports : "", ",");
	if (rc == ERR_OK && ports && v.n != host_count(ep))
		rc = err_set(err, ERR_USAGE, "local_port names %zu ports for %zu hosts", v.n, host_count(ep));
	strv_fini(&v);
	return rc;
}

static enum err_code open_once(struct tunnel **out, const struct endpoint *ep, const char *ports, struct cancel *cancel, struct err *err)
{
	struct tunnel *t = xcalloc(1, sizeof *t);
	struct strv argv = {0};
	enum err_code rc = ERR_OK;

	t->ep = ep;
	t->ports = ports ? xstrdup(ports) : free_ports(host_count(ep));
	if (str_empty(t->ports))
		rc = err_set(err, ERR_IO, "no free local port for the tunnel");
	struct strv each = {0};
	strv_split(&each, t->ports ? t->ports : "", ",");
	for (size_t i = 0; i < each.n && rc == ERR_OK; i++)
		if (port_taken(each.v[i])) {
			err_set(err, ERR_CONNECT, "a local port of the tunnel is taken: %s", each.v[i]);
			rc = err_hint(err, "leave local_port out, so that a free one is chosen");
		}
	strv_fini(&each);
	if (rc == ERR_OK) {
		tunnel_words(&argv, ep, t->ports);
		rc = background_start(&t->ssh, &argv, err);
		if (rc != ERR_OK)
			(void)err_hint(err, "install the OpenSSH client");
	}
	if (rc == ERR_OK)
		rc = wait_listening(t, cancel, err);
	strv_fini(&argv);
	if (rc != ERR_OK) {
		tunnel_close(t);
		return rc;
	}
	*out = t;
	return ERR_OK;
}

enum err_code tunnel_open(struct tunnel **out, const struct endpoint *ep, const char *ports, struct cancel *cancel, struct err *err)
{
	*out = NULL;
	enum err_code rc = check_settings(ep, ports, err);
	for (int i = 0; rc == ERR_OK && !*out; i++) {
		rc = open_once(out, ep, ports, cancel, err);
		if (rc == ERR_CONNECT && !ports && i < PORT_TRIES && strstr(err->msg, "a local port of the tunnel is taken"))
			rc = ERR_OK;
	}
	return rc;
}

pid_t tunnel_group(const struct tunnel *t)
{
	return background_group(t->ssh);
}

const char *tunnel_ports(const struct tunnel *t)
{
	return t->ports;
}

bool tunnel_alive(struct tunnel *t)
{
	return background_alive(t->ssh);
}

/* The kernel closes what a killed process held a while before its parent may hear of the end. */
static bool ended(struct tunnel *t)
{
	for (int64_t end = clock_deadline(END_MS); background_alive(t->ssh); (void)poll(NULL, 0, 10))
		if (peer_listens(atoi(t->ports), background_group(t->ssh)) || clock_mono_us() > end)
			return false;
	return true;
}

enum err_code tunnel_blame(struct tunnel *t, struct err *err)
{
	struct err why = {0};

	if (ended(t)) {
		(void)dead(t, &why);
		why.code = ERR_LOST;
		(void)err_prefix(&why, "the ssh tunnel broke");
		*err = why;
		return err->code;
	}
	/* ssh tells of a refused channel a moment before libpq sees the connection close, or after */
	(void)poll(NULL, 0, 50);
	char *said = background_said(t->ssh, &t->heard);
	if (tunnel_explain(said, t->ep, &why) != ERR_OK) {
		if (why.code == ERR_LOST) /* it has said its last word, and ends in a moment */
			(void)err_prefix(&why, "the ssh tunnel broke");
		*err = why;
	}
	free(said);
	return err->code;
}

void tunnel_close(struct tunnel *t)
{
	if (!t)
		return;
	background_end(t->ssh);
	free(t->ports);
	free(t);
}
