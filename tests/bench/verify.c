/*
 * What the proof costs: the tables of one database are read by the same threads as counts only, with our row
 * hashes, with hashtextextended(t::text) and with md5(t::text), in one run; then both databases are compared.
 *	verify SOURCE TARGET JOBS	conninfo "host=... port=... user=... password=... dbname=..."
 * Exit 1 when the databases differ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "verify/verify.h"

#define ROUNDS 3

static struct migration m;
static struct facts *facts[2];
static int jobs;

static void check(enum err_code rc, const struct err *err)
{
	if (rc == ERR_OK)
		return;
	fprintf(stderr, "%s: %s\n", err_code_name(rc), err->msg);
	exit(2);
}

static void endpoint_from(struct endpoint *ep, const char *conninfo)
{
	PQconninfoOption *o = PQconninfoParse(conninfo, NULL);
	const struct { const char *key; char **slot; } slots[] = {
		{"host", &ep->host}, {"port", &ep->port}, {"user", &ep->user}, {"dbname", &ep->dbname}};

	for (PQconninfoOption *p = o; p && p->keyword; p++) {
		for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
			if (str_eq(p->keyword, slots[i].key))
				*slots[i].slot = xstrdup(p->val);
		if (str_eq(p->keyword, "password"))
			secret_set(&ep->password, p->val);
	}
	PQconninfoFree(o);
}

static void read_facts(int side)
{
	struct session *s;
	struct err err = {0};

	check(session_open(&s, &m.end[side], NULL, NULL, &err), &err);
	check(facts_read(&facts[side], s, (enum side)side, m.end[side].dbname, &err), &err);
	check(facts_read_columns(facts[side], s, &err), &err);
	session_close(s);
}

static double read_side(struct verify_set *v, int side)
{
	struct verify_job *j;
	struct err err = {0};
	int64_t start = clock_mono_us();

	check(verify_start(&j, v, (enum side)side, &m.end[side], "pgusher bench", NULL, jobs, NULL, &err), &err);
	check(verify_finish(j, &err), &err);
	return (double)(clock_mono_us() - start) / 1e6;
}

/* The best of some rounds: the first one also warms the caches. expr NULL: our own. */
static double best(enum verify_mode mode, const char *expr, int64_t *bytes)
{
	double least = 1e9;

	m.dump.verify = mode;
	for (int round = 0; round < ROUNDS; round++) {
		struct verify_set *v = verify_plan(&m, facts[0], facts[1]);
		for (size_t i = 0; expr && i < v->n_tables; i++)
			xreplace(&v->tables[i].expr, expr);
		double s = read_side(v, 0);
		least = s < least ? s : least;
		*bytes = v->bytes;
		verify_free(v);
	}
	return least;
}

static void compare_speed(void)
{
	static const struct { const char *title; enum verify_mode mode; const char *expr; } ways[] = {
		{"count(*)", VERIFY_COUNT, NULL},
		{"ours: count and checksum", VERIFY_CHECKSUM, NULL},
		{"hashtextextended(t::text)", VERIFY_CHECKSUM, "hashtextextended(t::text, 0)"},
		{"md5(t::text)", VERIFY_CHECKSUM, "('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint"},
	};
	double s[4];
	int64_t bytes = 0;

	for (int i = 0; i < 4; i++)
		s[i] = best(ways[i].mode, ways[i].expr, &bytes);
	for (int i = 0; i < 4; i++)
		printf("%-28s %7.2f s %8.0f MB/s   %5.2f x ours\n", ways[i].title, s[i], (double)bytes / 1e6 / s[i], s[i] / s[1]);
}

static int compare_sides(void)
{
	int bad = 0;

	m.dump.verify = VERIFY_CHECKSUM;
	struct verify_set *v = verify_plan(&m, facts[0], facts[1]);
	double s0 = read_side(v, 0), s1 = read_side(v, 1);
	for (size_t i = 0; i < v->n_tables; i++) {
		char *detail;
		if (verify_table_state(&v->tables[i], v->mode, &detail) != ST_DONE && ++bad)
			printf("table %s: %s\n", v->tables[i].id, detail);
		free(detail);
	}
	for (size_t i = 0; i < v->n_seqs; i++) {
		char *detail;
		if (verify_seq_state(&v->seqs[i], &detail) != ST_DONE && ++bad)
			printf("sequence %s: %s\n", v->seqs[i].id, detail);
		free(detail);
	}
	char *detail;
	if (verify_lo_state(v, &detail) != ST_DONE && ++bad)
		printf("large objects: %s\n", detail);
	free(detail);
	printf("%zu tables, %zu sequences, %lld large objects: source %.2f s, target %.2f s, %d not equal\n", v->n_tables, v->n_seqs,
	       (long long)v->lo_count[0], s0, s1, bad);
	verify_free(v);
	return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 4 || (jobs = atoi(argv[3])) < 1) {
		fprintf(stderr, "verify SOURCE TARGET JOBS\n");
		return 2;
	}
	migration_init(&m);
	for (int i = 0; i < 2; i++) {
		endpoint_from(&m.end[i], argv[i + 1]);
		read_facts(i);
	}
	printf("PostgreSQL %s -> %s, %d jobs\n", facts[0]->version, facts[1]->version, jobs);
	compare_speed();
	int rc = compare_sides();
	facts_free(facts[0]);
	facts_free(facts[1]);
	migration_fini(&m);
	return rc;
}
