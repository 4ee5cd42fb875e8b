#include "bed.h"

#include <errno.h>
#include <ftw.h>
#include <libpq-fe.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static const char *conninfo(int side)
{
	return getenv(side == A ? "PGUSHER_TEST_A" : "PGUSHER_TEST_B");
}

static void take_conninfo(struct bed *b, int side)
{
	PQconninfoOption *o = PQconninfoParse(conninfo(side), NULL);
	const struct { const char *name; char **slot; } parts[] = {
		{"host", &b->host[side]}, {"port", &b->port[side]}, {"user", &b->user[side]}, {"password", &b->password[side]}};

	for (PQconninfoOption *p = o; p && p->keyword; p++)
		for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
			if (str_eq(p->keyword, parts[i].name))
				xreplace(parts[i].slot, p->val);
	PQconninfoFree(o);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fchmod(fileno(f), 0600) < 0 || fclose(f) != 0)
		fail_msg("%s: %s", path, strerror(errno));
}

static void write_passfile(const struct bed *b)
{
	char *path = xasprintf("%s/passfile", b->dir);
	char *text = xasprintf("%s:%s:*:%s:%s\n%s:%s:*:%s:%s\n", b->host[A], b->port[A], b->user[A], b->password[A], b->host[B], b->port[B],
			       b->user[B], b->password[B]);

	write_file(path, text);
	free(path);
	free(text);
}

int bed_start(void **state)
{
	struct bed *b = xcalloc(1, sizeof *b);
	char dir[] = "/tmp/pgusher-screens.XXXXXX";

	if (!mkdtemp(dir))
		return -1;
	b->dir = xstrdup(dir);
	b->ini = xasprintf("%s/move.ini", dir);
	b->db = xasprintf("screens_%ld", (long)getpid());
	b->servers = conninfo(A) && conninfo(B);
	if (b->servers) {
		take_conninfo(b, A);
		take_conninfo(b, B);
		write_passfile(b);
	} else {
		(void)printf("skip screens: PGUSHER_TEST_A and PGUSHER_TEST_B are not set\n");
	}
	*state = b;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void remove_folder(const char *dir)
{
	if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		(void)printf("left behind: %s: %s\n", dir, strerror(errno));
}

int bed_stop(void **state)
{
	struct bed *b = *state;

	remove_folder(b->dir);
	for (int i = 0; i < 2; i++) {
		char *all[] = {b->host[i], b->port[i], b->user[i], b->password[i]};
		for (size_t k = 0; k < sizeof all / sizeof *all; k++)
			free(all[k]);
	}
	free(b->dir);
	free(b->ini);
	free(b->db);
	free(b);
	return 0;
}

static PGconn *connect_to(int side, const char *db)
{
	const char *const keys[] = {"dbname", "dbname", "connect_timeout", NULL};
	const char *const values[] = {conninfo(side), db ? db : "postgres", "10", NULL};
	PGconn *c = PQconnectdbParams(keys, values, 1);

	if (PQstatus(c) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(c));
	return c;
}

const char *bed_value(const struct bed *b, int side, const char *db, const char *sql)
{
	static char value[512];
	PGconn *c = connect_to(side, db);
	PGresult *r = PQexec(c, sql);
	ExecStatusType st = PQresultStatus(r);

	(void)b;
	if (st != PGRES_TUPLES_OK && st != PGRES_COMMAND_OK)
		fail_msg("%s (%.200s)", PQerrorMessage(c), sql);
	(void)snprintf(value, sizeof value, "%s", st == PGRES_TUPLES_OK && PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	PQfinish(c);
	return value;
}

void bed_sql(const struct bed *b, int side, const char *db, const char *sql)
{
	(void)bed_value(b, side, db, sql);
}

bool bed_wait_value(const struct bed *b, int side, const char *db, const char *sql, const char *want, int ms)
{
	int64_t end = clock_deadline(ms);

	while (!str_eq(bed_value(b, side, db, sql), want)) {
		if (clock_poll_ms(end) == 0)
			return false;
		(void)poll(NULL, 0, 20);
	}
	return true;
}

/* All databases of this process, whatever a test called them. */
static void drop_databases(const struct bed *b, int side)
{
	char *list = xasprintf("SELECT coalesce(string_agg(format('%%I', datname), '/'), '') FROM pg_database WHERE datname LIKE '%s%%'", b->db);
	struct strv names = {0};

	strv_split(&names, bed_value(b, side, NULL, list), "/");
	for (size_t i = 0; i < names.n; i++) {
		char *sql = xasprintf("DROP DATABASE %s (FORCE)", names.v[i]);
		bed_sql(b, side, NULL, sql);
		free(sql);
	}
	strv_fini(&names);
	free(list);
}

int bed_fresh(void **state)
{
	struct bed *b = *state;
	char *path = xasprintf("%s/state", b->dir);

	remove_folder(path);
	free(path);
	(void)unlink(b->ini);
	return 0;
}

int bed_clear(void **state)
{
	struct bed *b = *state;

	term_sweep();
	if (b->servers) {
		drop_databases(b, A);
		drop_databases(b, B);
	}
	return 0;
}

void bed_source(const struct bed *b)
{
	char *sql = xasprintf("CREATE DATABASE %s TEMPLATE template0", b->db);

	bed_sql(b, A, NULL, sql);
	bed_sql(b, A, b->db,
		"CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL);"
		"CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customer, total numeric(10,2));"
		"CREATE TABLE note (id int PRIMARY KEY, body text);"
		"INSERT INTO customer (name) SELECT 'Kundin ' || i FROM generate_series(1, 200) i;"
		"INSERT INTO orders SELECT i, 1 + i % 200, i * 1.5 FROM generate_series(1, 1000) i;"
		"INSERT INTO note VALUES (1, 'Привет'), (2, NULL);"
		"CREATE INDEX ON orders (customer)");
	free(sql);
}

void bed_slow_source(const struct bed *b, int n)
{
	char *sql = xasprintf("INSERT INTO many SELECT generate_series(1, %d)", n);

	bed_source(b);
	bed_quick_source(b);
	bed_sql(b, A, b->db, "CREATE TABLE many (id int CHECK (public.slow(id)))");
	bed_sql(b, A, b->db, sql);
	bed_sql(b, A, b->db, "CREATE OR REPLACE FUNCTION slow(int) RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(0.1) IS NOT NULL'");
	free(sql);
}

void bed_quick_source(const struct bed *b)
{
	bed_sql(b, A, b->db, "CREATE OR REPLACE FUNCTION slow(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'");
}

void bed_check_moved(const struct bed *b)
{
	assert_string_equal(bed_value(b, B, b->db, "SELECT count(*) FROM customer"), "200");
	assert_string_equal(bed_value(b, B, b->db, "SELECT count(*) || ' ' || sum(total) FROM orders"), "1000 750750.00");
	assert_string_equal(bed_value(b, B, b->db, "SELECT body FROM note WHERE id = 1"), "Привет");
	assert_string_equal(bed_value(b, B, b->db, "SELECT nextval('customer_id_seq')"), "201");
}

void bed_expect_no_statements(const struct bed *b)
{
	char *sql = xasprintf("SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '%s%%' AND pid <> pg_backend_pid()", b->db);

	assert_true(bed_wait_value(b, A, NULL, sql, "0", SOON_MS));
	assert_true(bed_wait_value(b, B, NULL, sql, "0", SOON_MS));
	free(sql);
}

char *bed_read_file(const char *path)
{
	struct str s = {0};
	char buf[4096];
	FILE *f = fopen(path, "re");

	for (size_t n; f && (n = fread(buf, 1, sizeof buf, f)) > 0;)
		str_addn(&s, buf, n);
	if (f)
		(void)fclose(f);
	return str_take(&s);
}

static void add_endpoint(struct str *s, const struct bed *b, int side, const char *db)
{
	str_addf(s, "[%s]\nhost = %s\nport = %s\ndbname = %s\nuser = %s\npassfile = %s/passfile\nsslmode = disable\n",
		 side == A ? "source" : "target", b->host[side], b->port[side], db ? db : b->db, b->user[side], b->dir);
}

void bed_ini(const struct bed *b, const char *source_db, const char *target_db, const char *more)
{
	struct str s = {0};

	str_addf(&s, "[migration]\nname = move\nstate_dir = %s/state\n", b->dir);
	add_endpoint(&s, b, A, source_db);
	add_endpoint(&s, b, B, target_db);
	str_add(&s, more ? more : "[dump]\njobs = 2\n");
	write_file(b->ini, str_text(&s));
	str_fini(&s);
}

struct term *bed_wizard(const struct bed *b, int rows, int cols, const char *const *more, const char *const *env)
{
	const char *argv[16] = {getenv("PGUSHER_BIN") ? getenv("PGUSHER_BIN") : "./pgusher", "-c", b->ini}, *all[16];
	char *home = xasprintf("HOME=%s", b->dir), *states = xasprintf("XDG_STATE_HOME=%s/state", b->dir);
	int n = 0;

	for (int i = 0; more && more[i] && i < 12; i++)
		argv[3 + i] = more[i];
	all[n++] = home;
	all[n++] = states;
	for (int i = 0; env && env[i] && i < 12; i++)
		all[n++] = env[i];
	all[n] = NULL;
	struct term *t = term_start(rows, cols, argv, all);
	free(home);
	free(states);
	return t;
}

struct term *bed_open(const struct bed *b)
{
	return bed_wizard(b, 24, 80, NULL, NULL);
}

static bool at(struct term *t, const char *title)
{
	char want[32];

	(void)snprintf(want, sizeof want, "%s  ", title);
	return strstr(term_row(t, 0), want) != NULL;
}

/* Waits for this title in the head. */
static void arrive(struct term *t, const char *title, int number)
{
	char want[32];

	(void)snprintf(want, sizeof want, "%s  %d/8", title, number);
	term_expect(t, want);
}

void walk_to(struct term *t, const char *title)
{
	static const char *const titles[] = {"Method", "Source", "Target", "Options", "Preflight", "Plan", "Run"};

	term_expect(t, "moves to another server");
	for (int i = 0; i < 7; i++) {
		term_key(t, K_ENTER);
		if (i == 2 || i == 3) { /* the first Enter tests the connection */
			term_expect(t, "Enter goes on.");
			term_key(t, K_ENTER);
		}
		arrive(t, titles[i], i + 1);
		if (i == 2)
			term_expect_gone(t, "Enter goes on."); /* of the source */
		if (i == 4)
			term_expect(t, " fine: ");
		if (i == 5)
			term_expect(t, "Enter starts it");
		if (at(t, title))
			return;
	}
	fail_msg("there is no screen %s", title);
}

/* The row of a form's field; labels begin in the same column, one under the other. */
static int field_row(struct term *t, const char *label)
{
	for (int i = 3; i < term_rows(t); i++) {
		const char *row = term_row(t, i);
		size_t n = strlen(label);
		row += str_starts(row, " ▸ ") ? strlen(" ▸ ") : str_starts(row, "   ") ? 3 : 0;
		if (strncmp(row, label, n) == 0 && (row[n] == '\0' || str_starts(row + n, "  ")))
			return i;
	}
	return -1;
}

static bool has_focus(struct term *t, const char *label)
{
	int row = field_row(t, label);

	return row >= 0 && str_starts(term_row(t, row), " ▸ ");
}

void fill(struct term *t, const char *label, const char *text)
{
	int64_t end = clock_deadline(TERM_MS);

	for (int64_t again = 0; !has_focus(t, label);) {
		int from = term_find(t, " ▸ ", NULL), to = field_row(t, label);
		if (clock_poll_ms(end) == 0) {
			term_dump(t, label);
			fail_msg("no way to the field %s", label);
		}
		if (again == 0 || clock_poll_ms(again) == 0) {
			again = clock_deadline(1000);
			for (; from >= 0 && to >= 0 && from != to; from += from < to ? 1 : -1)
				term_key(t, from < to ? K_DOWN : K_UP);
		}
		(void)term_read(t, 20);
	}
	term_key(t, K_CTRL_U);
	term_type(t, text);
}

void say_yes(struct term *t, const char *yes)
{
	char button[64];

	(void)snprintf(button, sizeof button, "[ %s ]", yes);
	term_expect(t, button);
	term_key(t, "y");
	term_expect_gone(t, button);
}

struct term *walk_to_slow_copy(const struct bed *b)
{
	static const char copying[] = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%COPY %many%FROM STDIN%' AND pid <> pg_backend_pid()";
	int64_t end = clock_deadline(TERM_MS);

	bed_ini(b, NULL, NULL, NULL);
	struct term *t = bed_open(b);
	walk_to(t, "Run");
	while (str_eq(bed_value(b, B, NULL, copying), "0")) {
		if (clock_poll_ms(end) == 0) {
			term_dump(t, "no slow copy");
			fail_msg("the copy did not get to the slow table");
		}
		(void)term_read(t, 50);
	}
	return t;
}

void leave(struct term *t)
{
	term_key(t, "q");
	if (term_wait_text(t, "[ Leave ]", 300))
		term_key(t, "y");
}

void bed_ini_subscription(const struct bed *b, const char *more)
{
	char *ini = xasprintf("[dump]\njobs = 2\n%s", more);

	bed_ini(b, NULL, NULL, ini);
	free(ini);
	char *text = bed_read_file(b->ini), *with = xasprintf("[migration]\nmethod = subscription\n%s", text + strlen("[migration]\n"));
	write_file(b->ini, with);
	free(text);
	free(with);
}

struct term *bed_follows(const struct bed *b, const char *more)
{
	static const char *const run[] = {"run", "--yes", NULL};

	bed_source(b);
	bed_ini_subscription(b, more);
	const char *argv[] = {getenv("PGUSHER_BIN") ? getenv("PGUSHER_BIN") : "./pgusher", run[0], "-c", b->ini, run[1], NULL};
	struct term *t = term_start(24, 80, argv, NULL);
	assert_int_equal(term_end(t), 0);
	return bed_open(b);
}

static void drop_subscription(const struct bed *b, int side)
{
	char *name = xstrdup(bed_value(b, side, NULL, "SELECT quote_ident(subname) FROM pg_subscription WHERE subname LIKE 'pgusher%move%'"));

	for (int i = 0; *name && i < 3; i++) {
		char *sql = i == 0 ? xasprintf("ALTER SUBSCRIPTION %s DISABLE", name) : i == 1 ? xasprintf("ALTER SUBSCRIPTION %s SET (slot_name = NONE)", name)
			    : xasprintf("DROP SUBSCRIPTION %s", name);
		bed_sql(b, side, b->db, sql);
		free(sql);
	}
	free(name);
}

/* What hangs on the databases would keep them. */
int bed_clear_replication(void **state)
{
	struct bed *b = *state;

	term_sweep();
	char *there = xasprintf("SELECT 1 FROM pg_database WHERE datname = '%s'", b->db), *open = xasprintf("ALTER DATABASE %s RESET ALL", b->db);
	for (int side = A; b->servers && side <= B; side++) {
		if (*bed_value(b, side, NULL, there))
			bed_sql(b, side, NULL, open);
		drop_subscription(b, side);
	}
	free(there);
	free(open);
	for (int side = A; b->servers && side <= B; side++) {
		static const char ends[] = "SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots WHERE active AND database LIKE 'screens%'";
		(void)bed_value(b, side, NULL, ends);
		(void)bed_wait_value(b, side, NULL, "SELECT count(*) FROM pg_replication_slots WHERE active AND database LIKE 'screens%'", "0", TERM_MS);
		(void)bed_value(b, side, NULL, "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE database LIKE 'screens%'");
	}
	int rc = bed_clear(state);
	for (int side = A; b->servers && side <= B; side++)
		bed_sql(b, side, NULL, side == A ? "DROP ROLE IF EXISTS pgusher_move" : "DROP ROLE IF EXISTS pgusher_move_back");
	return rc;
}
