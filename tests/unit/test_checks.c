/* Checks over made-up facts: those that no lab can provoke, and what the table promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checks/checks.h"

struct world {
	struct migration m;
	struct facts side[2];
	struct survey s;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);

	migration_init(&w->m);
	xreplace(&w->m.end[SIDE_SOURCE].dbname, "shop");
	xreplace(&w->m.end[SIDE_TARGET].dbname, "shop");
	w->side[SIDE_SOURCE] = (struct facts){.side = SIDE_SOURCE, .version_num = 110022, .version = (char *)"11.22", .super = true,
					      .max_connections = 100, .db_exists = true};
	w->side[SIDE_TARGET] = (struct facts){.side = SIDE_TARGET, .version_num = 160014, .version = (char *)"16.14", .super = true,
					      .max_connections = 100, .role = (char *)"postgres"};
	w->s = (struct survey){.m = &w->m, .facts = {&w->side[0], &w->side[1]}, .dump_dir_free = -1};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	migration_fini(&w->m);
	free(w);
	return 0;
}

static struct finding run(const struct world *w, const char *id)
{
	size_t n;
	const struct check *all = checks_all(&n);
	struct finding f = {0};

	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].id, id) == 0)
			check_run(&all[i], &w->s, &f);
	assert_string_equal(f.id, id);
	return f;
}

static void expect(const struct world *w, const char *id, enum verdict v, const char *fix)
{
	struct finding f = run(w, id);

	if (f.verdict != v || (fix && !(f.fix && strstr(f.fix, fix))))
		fail_msg("%s: %s: %s; fix: %s", id, verdict_name(f.verdict), f.title, f.fix ? f.fix : "none");
	finding_fini(&f);
}

static void clocks_that_differ(void **state)
{
	struct world *w = *state;

	w->side[SIDE_SOURCE].clock_skew_us = -4000000;
	expect(w, "clock.skew", VERDICT_OK, NULL);
	w->side[SIDE_TARGET].clock_skew_us = 1000001;
	expect(w, "clock.skew", VERDICT_INFO, "NTP");
	w->side[SIDE_SOURCE].clock_skew_us = 7000000;
	expect(w, "clock.skew", VERDICT_INFO, "NTP");
	w->s.facts[SIDE_TARGET] = NULL;
	expect(w, "clock.skew", VERDICT_OK, NULL);
}

static void what_newer_versions_removed(void **state)
{
	struct world *w = *state;
	struct fact_object o = {.kind = (char *)"table with oids", .name = (char *)"public.old"};

	w->side[SIDE_SOURCE].objects = &o;
	w->side[SIDE_SOURCE].n_objects = 1;
	expect(w, "source.removed", VERDICT_WARN, "SET WITHOUT OIDS");
	o.kind = (char *)"removed type";
	expect(w, "source.removed", VERDICT_BLOCK, "timestamptz");
	o.kind = (char *)"postfix operator";
	expect(w, "source.removed", VERDICT_BLOCK, "prefix");
	w->side[SIDE_TARGET].version_num = 130004; /* still knows them */
	expect(w, "source.removed", VERDICT_OK, NULL);
	w->side[SIDE_TARGET].version_num = 110004;
	o.kind = (char *)"table with oids";
	expect(w, "source.removed", VERDICT_OK, NULL);
}

static void the_database_s_collation(void **state)
{
	struct world *w = *state;

	w->side[SIDE_SOURCE].collversion = (char *)"2.31";
	w->side[SIDE_SOURCE].collversion_actual = (char *)"2.31";
	expect(w, "source.collations", VERDICT_OK, NULL);
	w->side[SIDE_SOURCE].collversion_actual = (char *)"2.36";
	expect(w, "source.collations", VERDICT_WARN, "ALTER DATABASE ... REFRESH VERSION");
}

static void locale_providers(void **state)
{
	struct world *w = *state;
	struct facts *a = &w->side[SIDE_SOURCE], *b = &w->side[SIDE_TARGET];

	b->db_exists = true;
	a->encoding = b->encoding = (char *)"UTF8";
	a->collate = a->ctype = b->collate = b->ctype = (char *)"C.UTF-8";
	b->locale_provider = (char *)"c"; /* 11 does not name it */
	expect(w, "target.locale", VERDICT_OK, NULL);
	b->locale_provider = (char *)"i";
	b->icu_locale = (char *)"de";
	expect(w, "target.locale", VERDICT_WARN, "drop the empty");
	a->locale_provider = (char *)"i";
	a->icu_locale = (char *)"de";
	expect(w, "target.locale", VERDICT_OK, NULL);
	b->icu_rules = (char *)"&a < b";
	expect(w, "target.locale", VERDICT_WARN, "drop the empty");
	b->icu_rules = NULL;
	b->encoding = (char *)"SQL_ASCII";
	expect(w, "target.locale", VERDICT_BLOCK, "drop the empty");
}

static void read_only_target(void **state)
{
	struct world *w = *state;

	w->side[SIDE_TARGET].read_only = true;
	expect(w, "target.leader", VERDICT_BLOCK, "default_transaction_read_only = off");
}

static void an_old_target_drops_without_force(void **state)
{
	struct world *w = *state;

	xreplace(&w->m.end[SIDE_TARGET].dbname, "My \"shop\"");
	w->side[SIDE_TARGET].db_exists = true;
	w->side[SIDE_TARGET].n_user_objects = 3;
	w->side[SIDE_TARGET].version_num = 120022;
	struct finding f = run(w, "target.empty");
	assert_int_equal(f.verdict, VERDICT_BLOCK);
	assert_string_equal(f.fix_sql, "DROP DATABASE \"My \"\"shop\"\"\"");
	assert_string_equal(f.fix_confirm, "My \"shop\"");
	assert_true(f.fix_maintenance);
	assert_int_equal(f.fix_side, SIDE_TARGET);
	finding_fini(&f);
	w->side[SIDE_TARGET].version_num = 130000;
	f = run(w, "target.empty");
	assert_string_equal(f.fix_sql, "DROP DATABASE \"My \"\"shop\"\"\" WITH (FORCE)");
	finding_fini(&f);
}

/* What an interrupted attempt left is ours: no question, and no DROP offered. */
static void content_of_our_own(void **state)
{
	struct world *w = *state;
	struct model seen;
	struct event *e = event_new(EV_LEFT, "content:shop");

	model_init(&seen);
	model_apply(&seen, e);
	w->side[SIDE_TARGET].db_exists = true;
	w->side[SIDE_TARGET].n_user_objects = 3;
	w->s.unfinished = &seen;
	struct finding f = run(w, "target.empty");
	assert_int_equal(f.verdict, VERDICT_INFO);
	assert_null(f.fix_sql);
	finding_fini(&f);
	model_apply(&seen, event_new(EV_REMOVED, "content:shop")); /* the attempt has not ended: still its work */
	expect(w, "target.empty", VERDICT_INFO, NULL);
	w->s.unfinished = NULL;
	expect(w, "target.empty", VERDICT_BLOCK, NULL);
	model_fini(&seen);
}

static void schemas_not_asked_for(void **state)
{
	struct world *w = *state;
	struct fact_object o[] = {{.kind = (char *)"unreadable sequence", .name = (char *)"x.s", .detail = (char *)"x"},
				  {.kind = (char *)"unreadable large objects", .name = (char *)"2 large objects"}};

	w->side[SIDE_SOURCE].super = false;
	w->side[SIDE_SOURCE].role = (char *)"walker";
	w->side[SIDE_SOURCE].objects = o;
	w->side[SIDE_SOURCE].n_objects = 2;
	struct finding f = run(w, "source.readable");
	assert_int_equal(f.verdict, VERDICT_BLOCK);
	assert_int_equal(f.names.n, 2);
	finding_fini(&f);
	strv_add(&w->m.dump.exclude_schemas, "x");
	f = run(w, "source.readable");
	assert_int_equal(f.names.n, 1);
	finding_fini(&f);
	strv_add(&w->m.dump.schemas, "y"); /* pg_dump leaves large objects out then */
	expect(w, "source.readable", VERDICT_OK, NULL);
}

/* Any part of the survey may be missing: never a crash, never a BLOCK made of nothing, always a title. */
static void nothing_read_yet(void **state)
{
	struct world *w = *state;
	size_t n;
	const struct check *all = checks_all(&n);

	for (unsigned have = 0; have < 4; have++) {
		w->s.facts[0] = have & 1 ? &w->side[0] : NULL;
		w->s.facts[1] = have & 2 ? &w->side[1] : NULL;
		for (size_t i = 0; i < n; i++) {
			struct finding f;
			check_run(&all[i], &w->s, &f);
			assert_non_null(f.title);
			if (f.verdict == VERDICT_BLOCK && strcmp(f.id, "tools") != 0)
				fail_msg("%s blocks with facts %u: %s", f.id, have, f.title);
			struct event *e = finding_event(&f);
			assert_string_equal(e->id, all[i].id);
			event_free(e);
			finding_fini(&f);
		}
	}
}

static void the_table(void **state)
{
	size_t n;
	const struct check *all = checks_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_non_null(all[i].run);
		assert_true(all[i].needs != 0 && all[i].methods != 0);
		assert_true(strlen(all[i].id) < sizeof ((struct finding *)0)->id);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(all[i].id, all[k].id);
	}
}

/* At most a screenful of names, and how many more. */
static void many_names(void **state)
{
	struct finding f = {.verdict = VERDICT_WARN};

	(void)state;
	finding_print(&f.title, "t");
	finding_print(&f.found, "seen");
	for (int i = 0; i < 10000; i++)
		strv_addf(&f.names, "n%d", i);
	struct event *e = finding_event(&f);
	assert_non_null(strstr(e->text, "seen: n0, n1, "));
	assert_non_null(strstr(e->text, "n11 and 9988 more"));
	event_free(e);
	finding_fini(&f);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(clocks_that_differ), T(what_newer_versions_removed), T(the_database_s_collation), T(locale_providers), T(read_only_target),
		T(an_old_target_drops_without_force), T(content_of_our_own), T(schemas_not_asked_for), T(nothing_read_yet), T(the_table), T(many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
