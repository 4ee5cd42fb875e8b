/*
 * load - writers with proof: what was acknowledged is known, so what a database must hold is known.
 *
 *   load run DIR [--clients N] [--rate TX/S] [--payload BYTES] [--stubborn] [--also FILE]  until SIGTERM; then prints a report
 *   load check DIR CONNINFO [--prefix [--since EPOCH_US]]        0: right, 1: wrong, 2: cannot be read
 *   both: --schema NAME instead of lab_load, for loads beside each other
 *
 * DIR/conninfo is read at every connect: rewrite it and the writers move when they reconnect. They do so when a server refuses
 * them as read-only, as a pool does. --stubborn: they write in spite of default_transaction_read_only.
 * --also FILE: lines "N SQL"; each N-th transaction of a client runs that SQL, too, with {c} for the client and {n} for the transaction.
 * DIR/acks gets a line "client seq kind epoch_us" per happening: S about to be sent, A acknowledged,
 * R found committed after a lost connection, X known not to have happened.
 * DIR/errors: "epoch_us text" for each error that a client saw.
 * DIR/status is replaced five times a second with numbers of the run.
 *
 * Transaction n of a client inserts row n, with n % 3 == 0 it updates row n - 2, with n % 5 == 0 it
 * deletes row n - 4, and it sets the client's progress to n. So the rows after k transactions follow
 * from k alone. `check` wants every acknowledged transaction (and at most the one in doubt more);
 * with --prefix it takes the k that the database has, if no more than what was sent is there and, with
 * --since, no less than what had been acknowledged by then: a copy taken at one moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CLIENTS = 64, MAX_PAYLOAD = 100000, MAX_SAID = 20, MAX_ALSO = 64 };

/* One line of the file that --also names. */
struct also {
	int64_t every;
	char *sql;
};

struct client {
	int id;
	int64_t seq;         /* the last transaction known to be committed */
	bool known;          /* seq was compared with the database once */
	bool doubt;          /* seq + 1 was sent and never answered */
	int64_t last_ack_us; /* monotonic; 0: none yet */
	PGconn *conn;
};

static struct {
	const char *dir, *schema;
	bool stubborn;
	struct also also[MAX_ALSO];
	int clients, payload, alsos;
	size_t also_room; /* what all of it may take in one transaction */
	double rate;
	int acks_fd, errors_fd;
	pthread_mutex_t lock; /* guards what follows */
	int64_t commits, errors, reconnects, resolved;
	int64_t gap_us, silence_us, last_any_us;
	char last_error[300];
	int running;
	bool lost;
} g = {.schema = "lab_load", .clients = 4, .payload = 100, .acks_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};

static volatile sig_atomic_t stopping;

static void on_stop(int sig)
{
	(void)sig;
	stopping = 1;
}

static int64_t now_us(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void nap_us(int64_t us)
{
	struct timespec t = {us / 1000000, us % 1000000 * 1000};
	(void)nanosleep(&t, NULL);
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)fprintf(stderr, "load: ");
	(void)vfprintf(stderr, fmt, ap);
	(void)fprintf(stderr, "\n");
	va_end(ap);
	exit(2);
}

static const char *path_in(char *buf, size_t cap, const char *name)
{
	if ((size_t)snprintf(buf, cap, "%s/%s", g.dir, name) >= cap)
		die("the path of %s is too long", g.dir);
	return buf;
}

/* What row (client, seq) holds in a version; buf takes payload + 1 bytes. */
static const char *body_of(char *buf, int payload, int client, int64_t seq, int version)
{
	uint64_t x = (uint64_t)client * 0x9E3779B97F4A7C15u ^ (uint64_t)seq * 0xC2B2AE3D27D4EB4Fu ^ (uint64_t)version;
	for (int i = 0; i < payload; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		buf[i] = "0123456789abcdef"[x >> 60];
	}
	buf[payload] = '\0';
	return buf;
}

/* ---- the acks file ---------------------------------------------------------------------- */

/* One write() with O_APPEND: lines of several threads do not mix. */
static void acks_add(const struct client *c, int64_t seq, char kind)
{
	char line[96];
	int n = snprintf(line, sizeof line, "%d %" PRId64 " %c %" PRId64 "\n", c->id, seq, kind, now_us(CLOCK_REALTIME));
	if (write(g.acks_fd, line, (size_t)n) != n)
		die("cannot write the acks: %s", strerror(errno));
}

/* What the file says of each client: committed, in doubt, and committed before `since_us`. */
struct acked {
	bool seen, doubt;
	int64_t seq, since_seq;
};

static int acks_read(struct acked *out, int64_t since_us)
{
	char path[4096], kind;
	int client, highest = -1;
	int64_t seq, us;
	FILE *f = fopen(path_in(path, sizeof path, "acks"), "re");

	if (!f)
		return -1;
	while (fscanf(f, "%d %" SCNd64 " %c %" SCNd64, &client, &seq, &kind, &us) == 4) {
		if (client < 0 || client >= MAX_CLIENTS)
			die("the acks name client %d", client);
		struct acked *a = &out[client];
		a->seen = true;
		a->doubt = kind == 'S';
		if (kind == 'A' || kind == 'R') {
			a->seq = seq;
			if (us <= since_us)
				a->since_seq = seq;
		}
		if (client > highest)
			highest = client;
	}
	(void)fclose(f);
	return highest + 1;
}

/* ---- run -------------------------------------------------------------------------------- */

static void note_error(const char *text)
{
	(void)pthread_mutex_lock(&g.lock);
	g.errors++;
	(void)snprintf(g.last_error, sizeof g.last_error, "%.*s", (int)strcspn(text, "\n"), text);
	if (dprintf(g.errors_fd, "%" PRId64 " %s\n", now_us(CLOCK_REALTIME), g.last_error) < 0)
		die("cannot write the errors: %s", strerror(errno));
	(void)pthread_mutex_unlock(&g.lock);
}

static void note_commit(struct client *c, bool resolved)
{
	int64_t now = now_us(CLOCK_MONOTONIC);
	int64_t gap = c->last_ack_us ? now - c->last_ack_us : 0;

	(void)pthread_mutex_lock(&g.lock);
	g.commits++;
	g.resolved += resolved;
	if (gap > g.gap_us)
		g.gap_us = gap;
	if (g.last_any_us && now - g.last_any_us > g.silence_us)
		g.silence_us = now - g.last_any_us;
	g.last_any_us = now;
	(void)pthread_mutex_unlock(&g.lock);
	c->last_ack_us = now;
}

static bool read_conninfo(char *buf, size_t cap)
{
	char path[4096];
	FILE *f = fopen(path_in(path, sizeof path, "conninfo"), "re");
	bool ok = f && fgets(buf, (int)cap, f);

	if (f)
		(void)fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

/* The client's progress in the database; -1: cannot be read. */
static int64_t progress_read(struct client *c)
{
	char sql[128];
	int64_t seq = -1;

	(void)snprintf(sql, sizeof sql, "SELECT seq FROM %s.progress WHERE client = %d", g.schema, c->id);
	PGresult *r = PQexec(c->conn, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK)
		note_error(PQresultErrorMessage(r));
	else if (PQntuples(r) == 1)
		seq = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	else
		note_error("the client has no row in the table progress");
	PQclear(r);
	return seq;
}

/* After a connect: what became of the transaction in doubt, and is all that was acknowledged there? */
static bool settle(struct client *c)
{
	int64_t there = progress_read(c);

	if (there < 0)
		return false;
	if (!c->known && c->seq == 0)
		c->seq = there;
	c->known = true;
	if (there == c->seq + 1 && c->doubt) {
		c->seq++;
		acks_add(c, c->seq, 'R');
		note_commit(c, true);
	} else if (there == c->seq) {
		if (c->doubt)
			acks_add(c, c->seq + 1, 'X');
	} else {
		char text[200];
		(void)snprintf(text, sizeof text, "LOST: client %d was acknowledged %" PRId64 ", the database has %" PRId64,
			c->id, c->seq, there);
		note_error(text);
		g.lost = true;
		stopping = 1;
		return false;
	}
	c->doubt = false;
	return true;
}

static bool client_connect(struct client *c)
{
	char conninfo[2048];

	if (PQstatus(c->conn) == CONNECTION_OK)
		return true;
	PQfinish(c->conn);
	c->conn = NULL;
	if (!read_conninfo(conninfo, sizeof conninfo)) {
		note_error("cannot read the conninfo file");
		return false;
	}
	if (g.stubborn) {
		size_t n = strlen(conninfo);
		(void)snprintf(conninfo + n, sizeof conninfo - n, " options='-c default_transaction_read_only=off'");
	}
	c->conn = PQconnectdb(conninfo);
	if (PQstatus(c->conn) != CONNECTION_OK) {
		note_error(PQerrorMessage(c->conn));
		return false;
	}
	(void)pthread_mutex_lock(&g.lock);
	g.reconnects++;
	(void)pthread_mutex_unlock(&g.lock);
	return settle(c);
}

static void also_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *sql;
	size_t cap = 0;

	if (!f)
		die("cannot read %s: %s", path, strerror(errno));
	for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) {
		if (*line == '#' || *line == '\n')
			continue;
		int64_t every = strtoll(line, &sql, 10);
		if (every < 1 || *sql != ' ' || g.alsos == MAX_ALSO)
			die("%s: a line is a number, a blank and SQL, and there are %d at most: %s", path, MAX_ALSO, line);
		g.also[g.alsos++] = (struct also){.every = every, .sql = strdup(sql)};
		g.also_room += 8 * (size_t)n; /* {n} may become 20 digits */
	}
	free(line);
	(void)fclose(f);
}

/* Appends what transaction n runs beside its own. */
static size_t also_add(char *sql, size_t len, const struct client *c, int64_t n)
{
	for (int i = 0; i < g.alsos; i++) {
		if (n % g.also[i].every != 0)
			continue;
		for (const char *s = g.also[i].sql; *s; s++) {
			bool number = strncmp(s, "{n}", 3) == 0, client = strncmp(s, "{c}", 3) == 0;
			if (number || client) {
				len += (size_t)sprintf(sql + len, "%" PRId64, number ? n : (int64_t)c->id);
				s += 2;
			} else {
				sql[len++] = *s;
			}
		}
		sql[len++] = ';';
	}
	sql[len] = '\0';
	return len;
}

/* The SQL of transaction n; returned memory is the caller's. */
static char *transaction_sql(const struct client *c, int64_t n)
{
	const size_t room = 2 * MAX_PAYLOAD + 2048 + g.also_room;
	char *sql = malloc(room), *body = malloc((size_t)g.payload + 1);

	if (!sql || !body)
		die("out of memory");
	int len = snprintf(sql, room, "BEGIN; INSERT INTO %s.item (client, seq, version, body) VALUES (%d, %" PRId64 ", 0, '%s');",
		g.schema, c->id, n, body_of(body, g.payload, c->id, n, 0));
	if (n % 3 == 0)
		len += snprintf(sql + len, room - (size_t)len,
			"UPDATE %s.item SET version = 1, body = '%s' WHERE client = %d AND seq = %" PRId64 ";",
			g.schema, body_of(body, g.payload, c->id, n - 2, 1), c->id, n - 2);
	if (n % 5 == 0)
		len += snprintf(sql + len, room - (size_t)len, "DELETE FROM %s.item WHERE client = %d AND seq = %" PRId64 ";",
			g.schema, c->id, n - 4);
	len = (int)also_add(sql, (size_t)len, c, n);
	(void)snprintf(sql + len, room - (size_t)len,
		"UPDATE %s.progress SET seq = %" PRId64 " WHERE client = %d AND seq = %" PRId64 "; COMMIT;", g.schema, n, c->id, n - 1);
	free(body);
	return sql;
}

/* Reads all results; true: committed. Waits as long as the server makes it wait, unless we stop. */
static bool results_read(struct client *c, bool *read_only)
{
	bool committed = false, failed = false;
	int64_t stop_us = 0;

	for (;;) {
		struct pollfd p = {.fd = PQsocket(c->conn), .events = POLLIN};
		while (PQisBusy(c->conn)) {
			if (stopping && !stop_us)
				stop_us = now_us(CLOCK_MONOTONIC) + 2000000;
			if (stop_us && now_us(CLOCK_MONOTONIC) > stop_us)
				return false; /* in doubt it stays */
			(void)poll(&p, 1, 200);
			if (p.revents && !PQconsumeInput(c->conn)) {
				note_error(PQerrorMessage(c->conn));
				return false;
			}
		}
		PGresult *r = PQgetResult(c->conn);
		if (!r)
			break;
		if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
			const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
			failed = true;
			*read_only |= state && strcmp(state, "25006") == 0;
			note_error(PQresultErrorMessage(r));
		}
		committed = strcmp(PQcmdStatus(r), "COMMIT") == 0;
		PQclear(r);
	}
	return committed && !failed;
}

static void transaction_run(struct client *c)
{
	int64_t n = c->seq + 1;
	char *sql = transaction_sql(c, n);

	bool read_only = false;
	acks_add(c, n, 'S');
	c->doubt = true;
	bool sent = PQsendQuery(c->conn, sql) == 1;
	free(sql);
	if (!sent)
		note_error(PQerrorMessage(c->conn));
	if (sent && results_read(c, &read_only)) {
		c->doubt = false;
		c->seq = n;
		acks_add(c, n, 'A');
		note_commit(c, false);
	} else if (PQstatus(c->conn) == CONNECTION_OK && PQtransactionStatus(c->conn) != PQTRANS_ACTIVE) {
		/* the server answered: it did not happen */
		if (read_only) {
			PQfinish(c->conn);
			c->conn = NULL;
		} else {
			PQclear(PQexec(c->conn, "ROLLBACK"));
		}
		c->doubt = false;
		acks_add(c, n, 'X');
		nap_us(20000);
	}
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	int64_t pause_us = g.rate > 0 ? (int64_t)(1e6 * g.clients / g.rate) : 0;
	int64_t next_us = now_us(CLOCK_MONOTONIC) + (pause_us ? pause_us * c->id / g.clients : 0);

	while (!stopping) {
		int64_t now = now_us(CLOCK_MONOTONIC);
		if (next_us > now) {
			nap_us(next_us - now < 100000 ? next_us - now : 100000);
			continue;
		}
		next_us = (now - next_us > 1000000 ? now : next_us) + pause_us; /* no burst after an outage */
		if (client_connect(c))
			transaction_run(c);
		else
			nap_us(50000);
	}
	PQfinish(c->conn);
	(void)pthread_mutex_lock(&g.lock);
	g.running--;
	(void)pthread_mutex_unlock(&g.lock);
	return NULL;
}

/* Numbers as name=value lines; returns how many clients run. */
static int status_print(FILE *f)
{
	(void)pthread_mutex_lock(&g.lock);
	int64_t silence = g.last_any_us && g.running ? now_us(CLOCK_MONOTONIC) - g.last_any_us : 0;
	(void)fprintf(f, "commits=%" PRId64 "\nerrors=%" PRId64 "\nconnects=%" PRId64 "\nresolved=%" PRId64 "\nlost=%d\n",
		g.commits, g.errors, g.reconnects, g.resolved, g.lost);
	(void)fprintf(f, "longest_gap_ms=%" PRId64 "\nlongest_silence_ms=%" PRId64 "\nlast_error=%s\n", g.gap_us / 1000,
		(silence > g.silence_us ? silence : g.silence_us) / 1000, g.last_error);
	int running = g.running;
	(void)pthread_mutex_unlock(&g.lock);
	return running;
}

static int status_write(void)
{
	char path[4096], tmp[4096];
	FILE *f = fopen(path_in(tmp, sizeof tmp, "status.new"), "we");

	if (!f)
		die("cannot write %s: %s", tmp, strerror(errno));
	int running = status_print(f);
	if (fclose(f) || rename(tmp, path_in(path, sizeof path, "status")))
		die("cannot write the status: %s", strerror(errno));
	return running;
}

static int load_run(void)
{
	static struct client clients[MAX_CLIENTS];
	static struct acked acked[MAX_CLIENTS];
	char path[4096];
	struct sigaction sa = {.sa_handler = on_stop};
	pthread_t t;

	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)acks_read(acked, 0); /* a run that goes on where an earlier one stopped */
	g.acks_fd = open(path_in(path, sizeof path, "acks"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	char said[4096];
	g.errors_fd = open(path_in(said, sizeof said, "errors"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (g.acks_fd < 0 || g.errors_fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
	g.running = g.clients;
	for (int i = 0; i < g.clients; i++) {
		clients[i] = (struct client){.id = i, .seq = acked[i].seq, .doubt = acked[i].doubt};
		if (pthread_create(&t, NULL, client_main, &clients[i]))
			die("cannot start a thread");
		(void)pthread_detach(t);
	}
	int64_t stop_us = 0;
	while (status_write() > 0) {
		if (stopping && !stop_us)
			stop_us = now_us(CLOCK_MONOTONIC) + 6000000;
		if (stop_us && now_us(CLOCK_MONOTONIC) > stop_us)
			break; /* a client hangs in a connect: its doubt stands in the acks */
		nap_us(stopping ? 20000 : 200000);
	}
	(void)status_print(stdout);
	(void)fflush(stdout);
	_exit(g.lost ? 1 : 0);
}

/* ---- check ------------------------------------------------------------------------------ */

static int wrongs;

__attribute__((format(printf, 1, 2))) static void wrong(const char *fmt, ...)
{
	va_list ap;

	if (wrongs++ >= MAX_SAID)
		return;
	va_start(ap, fmt);
	(void)printf("WRONG  ");
	(void)vprintf(fmt, ap);
	(void)printf("\n");
	va_end(ap);
}

static PGresult *query(PGconn *conn, const char *sql)
{
	PGresult *r = PQexec(conn, sql);
	if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
		die("%s", PQresultErrorMessage(r));
	return r;
}

/* The k of a client: how many of its transactions the database must hold. */
static int64_t wanted(int client, const struct acked *a, int64_t there, bool prefix)
{
	int64_t most = a->seq + a->doubt;

	if (there > most)
		wrong("client %d: %" PRId64 " transactions, only %" PRId64 " were ever sent", client, there, most);
	else if (!prefix && there < a->seq)
		wrong("client %d: %" PRId64 " transactions, %" PRId64 " were acknowledged", client, there, a->seq);
	else if (prefix && there < a->since_seq)
		wrong("client %d: %" PRId64 " transactions, %" PRId64 " had been acknowledged by then", client, there, a->since_seq);
	return there;
}

static bool row_lives(int64_t s, int64_t k)
{
	return s <= k && !(s % 5 == 1 && s + 4 <= k);
}

/* Walks the rows of all clients beside what must be there. */
struct walk {
	const int64_t *k;
	int clients, client;
	int64_t seq, rows; /* seq: the last one that was passed */
};

static bool walk_next(struct walk *w)
{
	for (; w->client < w->clients; w->client++, w->seq = 0) {
		while (++w->seq <= w->k[w->client])
			if (row_lives(w->seq, w->k[w->client]))
				return true;
	}
	return false;
}

static void check_row(struct walk *w, PGresult *r)
{
	static char body[MAX_PAYLOAD + 1];
	int client = atoi(PQgetvalue(r, 0, 0)), version = atoi(PQgetvalue(r, 0, 2));
	int64_t seq = strtoll(PQgetvalue(r, 0, 1), NULL, 10);
	int len = PQgetlength(r, 0, 3);

	w->rows++;
	while (walk_next(w) && (w->client < client || (w->client == client && w->seq < seq)))
		wrong("client %d: row %" PRId64 " is missing", w->client, w->seq);
	if (w->client != client || w->seq != seq) {
		wrong("client %d: row %" PRId64 " must not be there", client, seq);
		w->seq--; /* the same one again for the next row */
		return;
	}
	bool updated = seq % 3 == 1 && seq + 2 <= w->k[client];
	if (version != updated)
		wrong("client %d: row %" PRId64 " has version %d, not %d", client, seq, version, updated);
	else if (len > MAX_PAYLOAD || strcmp(PQgetvalue(r, 0, 3), body_of(body, len, client, seq, version)) != 0)
		wrong("client %d: the text of row %" PRId64 " is not what was written", client, seq);
}

static int64_t check_rows(PGconn *conn, const int64_t *k, int clients)
{
	struct walk w = {.k = k, .clients = clients};

	char sql[160];

	(void)snprintf(sql, sizeof sql, "SELECT client, seq, version, body FROM %s.item ORDER BY client, seq", g.schema);
	if (!PQsendQuery(conn, sql) || !PQsetSingleRowMode(conn))
		die("%s", PQerrorMessage(conn));
	for (PGresult *r; (r = PQgetResult(conn)) != NULL; PQclear(r)) {
		if (PQresultStatus(r) == PGRES_SINGLE_TUPLE)
			check_row(&w, r);
		else if (PQresultStatus(r) != PGRES_TUPLES_OK)
			die("%s", PQresultErrorMessage(r));
	}
	while (walk_next(&w))
		wrong("client %d: row %" PRId64 " is missing", w.client, w.seq);
	return w.rows;
}

static int load_check(const char *conninfo, bool prefix, int64_t since_us)
{
	static struct acked acked[MAX_CLIENTS];
	int64_t k[MAX_CLIENTS] = {0}, total = 0, sum = 0;
	int clients = acks_read(acked, since_us);
	PGconn *conn = PQconnectdb(conninfo);

	if (clients < 0)
		die("there is no acks file in %s", g.dir);
	if (PQstatus(conn) != CONNECTION_OK)
		die("%s", PQerrorMessage(conn));
	PQclear(query(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
	char sql[160];
	(void)snprintf(sql, sizeof sql, "SELECT client, seq FROM %s.progress ORDER BY client", g.schema);
	PGresult *r = query(conn, sql);
	for (int i = 0; i < PQntuples(r); i++) {
		int c = atoi(PQgetvalue(r, i, 0));
		if (c >= 0 && c < clients)
			k[c] = strtoll(PQgetvalue(r, i, 1), NULL, 10);
	}
	PQclear(r);
	for (int c = 0; c < clients; c++) {
		sum += wanted(c, &acked[c], k[c], prefix);
		total += acked[c].seq;
	}
	int64_t rows = check_rows(conn, k, clients);
	PQfinish(conn);
	(void)printf("%s  %d clients, %" PRId64 " transactions there, %" PRId64 " acknowledged, %" PRId64 " rows, %d wrong\n",
		wrongs ? "WRONG" : "right", clients, sum, total, rows, wrongs);
	return wrongs ? 1 : 0;
}

/* ---- arguments -------------------------------------------------------------------------- */

static double number(const char *s, double lo, double hi)
{
	char *end;
	double v = s ? strtod(s, &end) : 0;
	if (!s || end == s || *end || v < lo || v > hi)
		die("'%s' is not a number from %g to %g", s ? s : "", lo, hi);
	return v;
}

int main(int argc, char **argv)
{
	bool check = argc >= 4 && strcmp(argv[1], "check") == 0, prefix = false;
	int64_t since_us = 0;

	if (!check && !(argc >= 3 && strcmp(argv[1], "run") == 0))
		die("usage: load run DIR [--clients N] [--rate TX/S] [--payload BYTES] [--also FILE] | load check DIR CONNINFO [--prefix [--since US]] [--schema NAME]");
	g.dir = argv[2];
	for (int i = check ? 4 : 3; i < argc; i++) {
		if (check && strcmp(argv[i], "--prefix") == 0)
			prefix = true;
		else if (check && strcmp(argv[i], "--since") == 0)
			since_us = (int64_t)number(argv[++i], 0, 9e18);
		else if (strcmp(argv[i], "--schema") == 0 && argv[i + 1])
			g.schema = argv[++i];
		else if (!check && strcmp(argv[i], "--stubborn") == 0)
			g.stubborn = true;
		else if (!check && strcmp(argv[i], "--also") == 0 && argv[i + 1])
			also_read(argv[++i]);
		else if (!check && strcmp(argv[i], "--clients") == 0)
			g.clients = (int)number(argv[++i], 1, MAX_CLIENTS);
		else if (!check && strcmp(argv[i], "--rate") == 0)
			g.rate = number(argv[++i], 0, 1e6);
		else if (!check && strcmp(argv[i], "--payload") == 0)
			g.payload = (int)number(argv[++i], 1, MAX_PAYLOAD);
		else
			die("'%s' is not an option here", argv[i]);
	}
	return check ? load_check(argv[3], prefix, since_us) : load_run();
}
