#ifndef PGUSHER_TEST_BED_H
#define PGUSHER_TEST_BED_H
/*
 * bed - what the tests of the screens stand on: two servers (PGUSHER_TEST_A and _B, as "host=... port=... user=... password=...
 * dbname=postgres" of a superuser), databases of our own on them, a folder for settings and state, and the wizard opened on them.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "migration.h"
#include "term.h"

enum { A, B };

struct bed {
	char *dir;          /* settings, state, HOME */
	char *ini, *db;     /* "<dir>/move.ini"; the database's name, the same on both sides */
	char *host[2], *port[2], *user[2], *password[2];
	bool servers;       /* false: there are none, and the test skips */
};

/* For cmocka: state is a struct bed *. bed_start once, bed_fresh and bed_clear around each test. */
int bed_start(void **state);
int bed_stop(void **state);
int bed_fresh(void **state);
int bed_clear(void **state);

/* A statement, or the test has failed. db NULL: postgres. */
void bed_sql(const struct bed *b, int side, const char *db, const char *sql);
/* The first value; "" when there is none. Good until the next call. */
const char *bed_value(const struct bed *b, int side, const char *db, const char *sql);
/* On A, with a small content: three tables, a sequence, an index. */
void bed_source(const struct bed *b);
bool bed_wait_value(const struct bed *b, int side, const char *db, const char *sql, const char *want, int ms);
/* The same, with a table of n rows of which each takes a tenth of a second on the target; and how it goes fast again. */
void bed_slow_source(const struct bed *b, int n);
void bed_quick_source(const struct bed *b);
/* What bed_source made is on B, with its sequence. */
void bed_check_moved(const struct bed *b);
/* Neither server works for us any more. */
void bed_expect_no_statements(const struct bed *b);
/* All of it, caller frees; "" when there is none. */
char *bed_read_file(const char *path);
/* Writes b->ini; more: further lines, such as "[dump]\njobs = 1\n", or NULL. source_db, target_db NULL: b->db. */
void bed_ini(const struct bed *b, const char *source_db, const char *target_db, const char *more);

/* The same for the method subscription, with bed_source's database. */
void bed_ini_subscription(const struct bed *b, const char *more);

/* ./pgusher, or PGUSHER_BIN, with -c b->ini and further arguments and settings of the environment (NULL: none). */
struct term *bed_wizard(const struct bed *b, int rows, int cols, const char *const *more, const char *const *env);
struct term *bed_open(const struct bed *b); /* 24 x 80 */
/* A target that follows its source, bed_source's, and the wizard on its monitor. Instead of bed_clear: bed_clear_replication. */
struct term *bed_follows(const struct bed *b, const char *more);
int bed_clear_replication(void **state);
/* From the first screen by Enter to this one. The preflight is waited for. */
void walk_to(struct term *t, const char *title);
/* A wizard whose run is in the middle of the slow table. */
struct term *walk_to_slow_copy(const struct bed *b);
/* q, and the question answered where one comes. */
void leave(struct term *t);
/* Replaces the text of the field with this label. */
void fill(struct term *t, const char *label, const char *text);
/* A dialog: Tab to its yes, Enter. */
void say_yes(struct term *t, const char *yes);

/* What has to happen within two seconds; sanitizers and busy machines take more. */
#define SOON_MS (getenv("PGUSHER_BIN") ? 8000 : 2000)

#define NEED_SERVERS(b) do { if (!(b)->servers) skip(); } while (0)

#endif
