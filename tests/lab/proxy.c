/*
 * proxy - a TCP proxy that breaks on command.
 *
 *   proxy HOST:PORT RATE DIR     RATE in bytes a second and direction, 0: no limit
 *
 * Listens on 127.0.0.1, a port of the kernel's choice, written to DIR/port; its pid to DIR/pid.
 * DIR/ctl is a fifo that takes a command a line; DIR/stats has name=value lines, replaced when they
 * change (at most every 50 ms).
 *   freeze          nothing moves, connections stay open (SIGUSR1)
 *   thaw            goes on (SIGUSR2)
 *   cut             all connections end with a reset (SIGHUP)
 *   cut-after N     the same once N more bytes have come from the server
 *   freeze-after N  freezes at that point instead
 *   rate N          bytes a second from now on
 *   refuse, accept  stops listening (the port is closed), listens again
 * One thread, one poll loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PAIRS = 128, BUFFER_BYTES = 65536, TICK_MS = 50, BACKLOG = 64 };

/* One direction of a connection: bytes read and not yet written. */
struct flow {
	int from, to;
	size_t start, end;
	bool ended; /* `from` said end of file */
	bool shut;  /* and `to` was told */
	char *data;
};

struct pair {
	int client, server;     /* -1: free */
	bool connecting;
	struct flow up, down;   /* client -> server, server -> client */
};

static struct {
	const char *dir;
	struct sockaddr_in target, here;
	int listener, ctl;
	struct pair pair[MAX_PAIRS];
	bool frozen;
	int64_t rate, allowance_bytes, refilled_us;
	int64_t trip_bytes; /* bytes from the server until it trips; -1: never */
	bool trip_cuts;
	int64_t connections, cuts, up_bytes, down_bytes;
	bool changed;
} g = {.listener = -1, .ctl = -1, .trip_bytes = -1};

static volatile sig_atomic_t got_freeze, got_thaw, got_cut;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		got_freeze = 1;
	else if (sig == SIGUSR2)
		got_thaw = 1;
	else
		got_cut = 1;
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)fprintf(stderr, "proxy: ");
	(void)vfprintf(stderr, fmt, ap);
	(void)fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void file_write(const char *name, const char *text)
{
	char path[4096], tmp[4096 + 8];

	if ((size_t)snprintf(path, sizeof path, "%s/%s", g.dir, name) >= sizeof path)
		die("path too long");
	(void)snprintf(tmp, sizeof tmp, "%s.new", path);
	FILE *f = fopen(tmp, "we");
	if (!f || fputs(text, f) == EOF || fclose(f) || rename(tmp, path))
		die("cannot write %s: %s", path, strerror(errno));
}

static int open_count(void)
{
	int n = 0;
	for (int i = 0; i < MAX_PAIRS; i++)
		n += g.pair[i].client >= 0;
	return n;
}

static void stats_write(void)
{
	static int64_t last_us;
	char text[400];

	if (!g.changed || now_us() - last_us < TICK_MS * 1000)
		return;
	last_us = now_us();
	g.changed = false;
	(void)snprintf(text, sizeof text,
		"connections=%" PRId64 "\nopen=%d\ncuts=%" PRId64 "\nto_server_bytes=%" PRId64 "\nfrom_server_bytes=%" PRId64
		"\nfrozen=%d\nlistening=%d\nrate=%" PRId64 "\n",
		g.connections, open_count(), g.cuts, g.up_bytes, g.down_bytes, g.frozen, g.listener >= 0, g.rate);
	file_write("stats", text);
}

/* ---- connections ------------------------------------------------------------------------ */

static void pair_close(struct pair *p, bool reset)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};
	int fds[2] = {p->client, p->server};

	for (int i = 0; i < 2; i++) {
		if (fds[i] < 0)
			continue;
		if (reset) /* close then sends RST */
			(void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		(void)close(fds[i]);
	}
	free(p->up.data);
	free(p->down.data);
	*p = (struct pair){.client = -1, .server = -1};
	g.changed = true;
}

static void cut_all(void)
{
	for (int i = 0; i < MAX_PAIRS; i++) {
		if (g.pair[i].client >= 0) {
			pair_close(&g.pair[i], true);
			g.cuts++;
		}
	}
}

static void listen_open(void)
{
	int on = 1;
	socklen_t len = sizeof g.here;

	if (g.listener >= 0)
		return;
	g.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(g.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (g.listener < 0 || bind(g.listener, (struct sockaddr *)&g.here, sizeof g.here) || listen(g.listener, BACKLOG) ||
	    getsockname(g.listener, (struct sockaddr *)&g.here, &len))
		die("cannot listen: %s", strerror(errno));
	g.changed = true;
}

static void listen_close(void)
{
	if (g.listener >= 0)
		(void)close(g.listener);
	g.listener = -1;
	g.changed = true;
}

static void flow_init(struct flow *f, int from, int to)
{
	*f = (struct flow){.from = from, .to = to, .data = malloc(BUFFER_BYTES)};
	if (!f->data)
		die("out of memory");
}

static void accept_one(void)
{
	int on = 1, fd = accept4(g.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct pair *p = NULL;

	if (fd < 0)
		return;
	for (int i = 0; i < MAX_PAIRS && !p; i++)
		if (g.pair[i].client < 0)
			p = &g.pair[i];
	if (!p) {
		(void)close(fd);
		return;
	}
	p->client = fd;
	p->server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->server < 0 || (connect(p->server, (struct sockaddr *)&g.target, sizeof g.target) && errno != EINPROGRESS)) {
		pair_close(p, true);
		return;
	}
	p->connecting = true;
	(void)setsockopt(p->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(p->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	flow_init(&p->up, p->client, p->server);
	flow_init(&p->down, p->server, p->client);
	g.connections++;
	g.changed = true;
}

/* ---- bytes ------------------------------------------------------------------------------ */

/* How many bytes may be read now. */
static size_t allowed(const struct flow *f)
{
	int64_t n = (int64_t)(BUFFER_BYTES - f->end);
	if (g.rate > 0 && n > g.allowance_bytes)
		n = g.allowance_bytes;
	return n > 0 ? (size_t)n : 0;
}

static void refill(void)
{
	int64_t now = now_us(), most = g.rate / 10 + 1; /* a burst of a tenth of a second */

	g.allowance_bytes += g.rate * (now - g.refilled_us) / 1000000;
	if (g.allowance_bytes > most)
		g.allowance_bytes = most;
	g.refilled_us = now;
}

static void count(size_t n, bool down)
{
	if (down)
		g.down_bytes += (int64_t)n;
	else
		g.up_bytes += (int64_t)n;
	if (g.rate > 0)
		g.allowance_bytes -= (int64_t)n;
	g.changed = true;
}

/* Bytes from the server bring the trip nearer; true: it has just happened. */
static bool trip(size_t n)
{
	if (g.trip_bytes < 0)
		return false;
	g.trip_bytes -= (int64_t)n;
	if (g.trip_bytes > 0)
		return false;
	g.trip_bytes = -1;
	if (g.trip_cuts)
		cut_all();
	else
		g.frozen = true;
	return true;
}

/* Moves what can be moved; false: the connection is broken. `*tripped` ends the round. */
static bool flow_move(struct flow *f, bool down, bool *tripped)
{
	size_t room = f->ended ? 0 : allowed(f);

	if (room > 0) {
		ssize_t n = read(f->from, f->data + f->end, room);
		if (n > 0) {
			f->end += (size_t)n;
			count((size_t)n, down);
			if (down && trip((size_t)n)) {
				*tripped = true;
				return true;
			}
		} else if (n == 0) {
			f->ended = true;
		} else if (errno != EAGAIN && errno != EINTR) {
			return false;
		}
	}
	if (f->start < f->end) {
		ssize_t n = send(f->to, f->data + f->start, f->end - f->start, MSG_NOSIGNAL);
		if (n > 0)
			f->start += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return false;
	}
	if (f->start == f->end)
		f->start = f->end = 0;
	if (f->ended && f->end == 0 && !f->shut) {
		(void)shutdown(f->to, SHUT_WR);
		f->shut = true;
	}
	return true;
}

static void pair_move(struct pair *p, bool *tripped)
{
	if (p->connecting) {
		int e = 0;
		socklen_t len = sizeof e;
		(void)getsockopt(p->server, SOL_SOCKET, SO_ERROR, &e, &len);
		if (e) {
			pair_close(p, true);
			return;
		}
		p->connecting = false;
	}
	bool ok = flow_move(&p->up, false, tripped);
	if (ok && !*tripped)
		ok = flow_move(&p->down, true, tripped);
	if (*tripped)
		return; /* the pair may be gone */
	if (!ok)
		pair_close(p, true);
	else if (p->up.shut && p->down.shut)
		pair_close(p, false);
}

/* ---- commands --------------------------------------------------------------------------- */

static void command(char *line)
{
	char *arg = strchr(line, ' ');
	int64_t n = 0;

	if (arg) {
		*arg++ = '\0';
		n = strtoll(arg, NULL, 10);
	}
	g.changed = true;
	if (strcmp(line, "freeze") == 0)
		g.frozen = true;
	else if (strcmp(line, "thaw") == 0)
		g.frozen = false;
	else if (strcmp(line, "cut") == 0)
		cut_all();
	else if (strcmp(line, "refuse") == 0)
		listen_close();
	else if (strcmp(line, "accept") == 0)
		listen_open();
	else if (strcmp(line, "rate") == 0)
		g.rate = n;
	else if (strcmp(line, "cut-after") == 0 || strcmp(line, "freeze-after") == 0) {
		g.trip_bytes = n;
		g.trip_cuts = line[0] == 'c';
	} else
		(void)fprintf(stderr, "proxy: no command '%s'\n", line);
}

static void commands_read(void)
{
	static char buf[1024];
	static size_t have;
	ssize_t n = read(g.ctl, buf + have, sizeof buf - 1 - have);
	char *end;

	if (n <= 0)
		return;
	have += (size_t)n;
	buf[have] = '\0';
	while ((end = strchr(buf, '\n')) != NULL) {
		*end = '\0';
		command(buf);
		have -= (size_t)(end + 1 - buf);
		memmove(buf, end + 1, have + 1);
	}
	if (have == sizeof buf - 1)
		have = 0;
}

static void signals_take(void)
{
	if (got_freeze || got_thaw || got_cut)
		g.changed = true;
	if (got_freeze)
		g.frozen = true;
	if (got_thaw)
		g.frozen = false;
	if (got_cut)
		cut_all();
	got_freeze = got_thaw = got_cut = 0;
}

/* ---- the loop --------------------------------------------------------------------------- */

/* Room to read and something to write are what is waited for; a limit that is used up waits for a tick. */
static short events_of(const struct flow *reads, const struct flow *writes)
{
	short e = 0;
	if (!reads->ended && allowed(reads) > 0)
		e |= POLLIN;
	if (writes->start < writes->end)
		e |= POLLOUT;
	return e;
}

static void round_once(void)
{
	struct pollfd p[2 + 2 * MAX_PAIRS];
	struct pair *owner[2 + 2 * MAX_PAIRS] = {0};
	nfds_t n = 0;
	bool tripped = false;

	p[n++] = (struct pollfd){.fd = g.ctl, .events = POLLIN};
	p[n++] = (struct pollfd){.fd = g.frozen ? -1 : g.listener, .events = POLLIN};
	for (int i = 0; i < MAX_PAIRS && !g.frozen; i++) {
		struct pair *q = &g.pair[i];
		if (q->client < 0)
			continue;
		/* a side that waits for nothing is left out: a hang-up there would spin */
		short ce = events_of(&q->up, &q->down), se = q->connecting ? POLLOUT : events_of(&q->down, &q->up);
		owner[n] = q;
		p[n++] = (struct pollfd){.fd = ce && !q->connecting ? q->client : -1, .events = ce};
		owner[n] = q;
		p[n++] = (struct pollfd){.fd = se ? q->server : -1, .events = se};
	}
	if (poll(p, n, TICK_MS) < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
	refill();
	signals_take();
	if (p[0].revents & POLLIN)
		commands_read();
	if (!g.frozen && g.listener >= 0 && (p[1].revents & POLLIN))
		accept_one();
	for (nfds_t i = 2; i < n && !g.frozen && !tripped; i++)
		if (p[i].revents && owner[i]->client >= 0)
			pair_move(owner[i], &tripped);
	stats_write();
}

static void target_resolve(char *where)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *ai;
	char *colon = strrchr(where, ':');

	if (!colon)
		die("'%s' is not HOST:PORT", where);
	*colon = '\0';
	int e = getaddrinfo(where, colon + 1, &hints, &ai);
	if (e)
		die("%s: %s", where, gai_strerror(e));
	memcpy(&g.target, ai->ai_addr, sizeof g.target);
	freeaddrinfo(ai);
}

int main(int argc, char **argv)
{
	char path[4096], text[32];
	struct sigaction sa = {.sa_handler = on_signal};

	if (argc != 4)
		die("usage: proxy HOST:PORT RATE DIR");
	g.dir = argv[3];
	g.rate = strtoll(argv[2], NULL, 10);
	g.refilled_us = now_us();
	target_resolve(argv[1]);
	for (int i = 0; i < MAX_PAIRS; i++)
		g.pair[i].client = g.pair[i].server = -1;
	(void)sigaction(SIGUSR1, &sa, NULL);
	(void)sigaction(SIGUSR2, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
	(void)snprintf(path, sizeof path, "%s/ctl", g.dir);
	g.ctl = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* RDWR: no end of file between two writers */
	if (g.ctl < 0)
		die("cannot open %s: %s", path, strerror(errno));
	g.here = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listen_open();
	(void)snprintf(text, sizeof text, "%d\n", (int)getpid());
	file_write("pid", text);
	stats_write();
	(void)snprintf(text, sizeof text, "%d\n", ntohs(g.here.sin_port));
	file_write("port", text);
	for (;;)
		round_once();
}
