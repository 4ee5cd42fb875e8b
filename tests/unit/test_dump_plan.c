/* The dump method's plan from made-up facts: order of steps, what a resume repeats, names of any kind, roles with and without rights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "copy/copied.h"
#include "journal/journal.h"
#include "method/dump.h"
#include "method/takenup.h"

#define S(text) ((char *)(text))
#define HASH "SCRAM-SHA-256$4096:c2FsdA==$stored:server"

struct world {
	struct migration m;
	struct tool_set tool;
	struct facts src, dst;
	struct fact_role roles[8], there[8];
	struct fact_membership members[4];
	struct fact_extension extensions[4], available[4];
	struct fact_setting mem;
	struct model seen;
	struct survey s;
	struct plan *p;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);

	migration_init(&w->m);
	for (int i = 0; i < 2; i++) {
		struct endpoint *e = &w->m.end[i];
		xreplace(&e->host, i ? "new" : "old");
		xreplace(&e->dbname, "shop");
		xreplace(&e->user, "me");
		xreplace(&e->maintenance_db, "postgres");
	}
	xreplace(&w->m.name, "shop");
	xreplace(&w->m.state_dir, "/state");
	w->tool = (struct tool_set){.version_num = 160004, .version = S("16.4"), .pg_dump = S("pg_dump"), .pg_restore = S("pg_restore"),
				    .vacuumdb = S("vacuumdb")};
	w->src = (struct facts){.side = SIDE_SOURCE, .version_num = 140023, .version = S("14.23"), .super = true, .db_exists = true,
				.hashes_readable = true, .role = S("me"), .db_owner = S("app"), .encoding = S("UTF8"), .collate = S("C.UTF-8"),
				.ctype = S("C.UTF-8"), .db_connlimit = -1, .roles = w->roles, .members = w->members, .extensions = w->extensions,
				.db_tablespace = S("pg_default")};
	w->mem = (struct fact_setting){.name = S("maintenance_work_mem"), .value = S("65536")};
	w->dst = (struct facts){.side = SIDE_TARGET, .version_num = 160014, .version = S("16.14"), .super = true, .role = S("me"), .roles = w->there,
				.extensions = w->available, .settings = &w->mem, .n_settings = 1, .db_connlimit = -1};
	w->roles[0] = (struct fact_role){.name = S("app"), .inherit = true, .login = true, .connlimit = -1, .hash = S(HASH), .needed = true};
	w->src.n_roles = 1;
	model_init(&w->seen);
	w->s = (struct survey){.m = &w->m, .facts = {&w->src, &w->dst}, .tool = &w->tool, .tool_reason = "16.4 fits"};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	plan_free(w->p);
	strv_fini(&w->dst.tablespaces);
	strv_fini(&w->dst.db_settings);
	strv_fini(&w->src.db_settings);
	for (size_t i = 0; i < 8; i++) {
		strv_fini(&w->roles[i].settings);
		strv_fini(&w->roles[i].db_settings);
	}
	model_fini(&w->seen);
	migration_fini(&w->m);
	free(w);
	return 0;
}

static const struct plan *build(struct world *w, bool resumed)
{
	struct err err = {0};

	plan_free(w->p);
	w->p = NULL;
	if (dump_plan(&w->p, &w->s, resumed ? &w->seen : NULL, &err) != ERR_OK)
		fail_msg("no plan: %s", err.msg);
	return w->p;
}

static void order(struct world *w, bool resumed, const char *want)
{
	const struct plan *p = build(w, resumed);
	struct str got = {0};

	for (size_t i = 0; i < p->n; i++)
		str_addf(&got, i ? " %s" : "%s", p->steps[i].id);
	assert_string_equal(str_text(&got), want);
	str_fini(&got);
}

/* All actions of a step as they are shown, one per line; caller frees. */
static char *step_text(const struct plan *p, const char *id)
{
	const struct step *st = plan_find(p, id);
	struct str s = {0};

	for (size_t i = 0; st && i < st->n; i++) {
		char *a = action_show(&st->actions[i]);
		str_addf(&s, "%s\n", a);
		free(a);
	}
	return str_take(&s);
}

static void has(const struct world *w, const char *id, const char *part)
{
	char *t = step_text(w->p, id);

	if (!strstr(t, part))
		fail_msg("step %s has no '%s': %s", id, part, t);
	free(t);
}

static void lacks(const struct world *w, const char *id, const char *part)
{
	char *t = step_text(w->p, id);

	if (strstr(t, part))
		fail_msg("step %s has '%s': %s", id, part, t);
	free(t);
}

static void noted(const struct world *w, const char *part)
{
	char *all = strv_join(&w->p->notes, "\n");

	if (!strstr(all, part))
		fail_msg("no note '%s' in: %s", part, all);
	free(all);
}

/* ---- order ---- */

static void steps_in_order(void **state)
{
	struct world *w = *state;
	const char *file = "roles database extensions snapshot dump source-proof restore analyze proof finish";

	order(w, false, "roles database extensions snapshot copy source-proof proof finish");
	w->m.dump.verify = VERIFY_COUNT;
	order(w, false, "roles database extensions snapshot copy source-proof proof finish");
	w->m.dump.verify = VERIFY_OFF;
	order(w, false, "roles database extensions snapshot copy source-proof finish");
	w->m.dump.transfer = TRANSFER_FILE;
	order(w, false, "roles database extensions snapshot dump source-proof restore analyze finish");
	w->m.dump.verify = VERIFY_CHECKSUM;
	order(w, false, file);
	w->m.dump.format = FORMAT_CUSTOM;
	order(w, false, file);
	w->m.dump.dump_only = true;
	w->s.facts[SIDE_TARGET] = NULL;
	order(w, false, "snapshot dump source-proof finish");
	w->m.dump.verify = VERIFY_OFF;
	order(w, false, "snapshot dump source-proof finish");
	w->m.dump.verify = VERIFY_CHECKSUM;
	w->m.dump.dump_only = false;
	w->s.facts[SIDE_TARGET] = &w->dst;
	w->s.facts[SIDE_SOURCE] = NULL;
	xreplace(&w->m.dump.use_file, "/dumps/shop");
	order(w, false, "database restore analyze proof finish");
}

static void scopes_and_trust(void **state)
{
	struct world *w = *state;

	(void)build(w, false);
	assert_string_equal(plan_find(w->p, "snapshot")->scope, "snapshot");
	assert_string_equal(plan_find(w->p, "copy")->scope, "snapshot");
	assert_string_equal(plan_find(w->p, "source-proof")->scope, "snapshot");
	assert_null(plan_find(w->p, "proof")->scope);
	assert_false(plan_find(w->p, "snapshot")->trust_journal); /* it is gone with its session */
	assert_true(plan_find(w->p, "copy")->trust_journal);
	assert_true(plan_find(w->p, "proof")->trust_journal);
	for (size_t i = 0; i < w->p->n; i++)
		assert_true(w->p->steps[i].title && w->p->steps[i].why && (w->p->steps[i].n > 0 || w->p->steps[i].skip));
}

static enum err_code refused(struct world *w, const char *says)
{
	struct err err = {0};
	struct plan *p;
	enum err_code rc = dump_plan(&p, &w->s, NULL, &err);

	assert_null(p);
	if (!strstr(err.msg, says))
		fail_msg("says: %s", err.msg);
	return rc;
}

static void no_plan_without(void **state)
{
	struct world *w = *state;

	w->s.facts[SIDE_SOURCE] = NULL;
	assert_int_equal(refused(w, "source has not been read"), ERR_BLOCKED);
	w->s.facts[SIDE_SOURCE] = &w->src;
	w->s.facts[SIDE_TARGET] = NULL;
	assert_int_equal(refused(w, "target has not been read"), ERR_BLOCKED);
	w->s.facts[SIDE_TARGET] = &w->dst;
	w->s.tool = NULL;
	w->s.tool_reason = "none here";
	assert_int_equal(refused(w, "none here"), ERR_BLOCKED);
}

static void options_of_the_tools(void **state)
{
	struct world *w = *state;
	struct fact_object space = {.kind = S("tablespace"), .name = S("Fast Disk")};
	struct fact_table huge = {.schema = S("s"), .name = S("huge"), .kind = 'r', .heap_bytes = INT64_C(9) << 30};

	(void)build(w, false);
	has(w, "copy", "--section=pre-data --section=post-data --format=plain");
	lacks(w, "copy", "--blobs"); /* there are none */
	has(w, "copy", "'--snapshot=${snapshot}'");
	lacks(w, "copy", "--jobs");
	lacks(w, "copy", "maintenance_work_mem"); /* the server's: more does not sort faster */
	lacks(w, "copy", "--no-tablespaces");
	w->src.tables = &huge;
	w->src.n_tables = 1;
	w->src.n_large_objects = 3;
	(void)build(w, false);
	has(w, "copy", "SET maintenance_work_mem = '256MB'");
	has(w, "copy", "--section=data --blobs '--exclude-table=*.*'");
	has(w, "copy", "pg_restore");
	strv_add(&w->m.dump.schemas, "one"); /* then pg_dump leaves them out, too */
	(void)build(w, false);
	lacks(w, "copy", "--blobs");
	strv_fini(&w->m.dump.schemas);
	w->mem.value = S("1048576"); /* kB: more than ours */
	w->m.dump.transfer = TRANSFER_FILE;
	w->m.dump.jobs = 7;
	xreplace(&w->m.dump.compress, "zstd:3");
	(void)build(w, false);
	has(w, "dump", "--format=directory --jobs=7 --compress=zstd:3");
	has(w, "restore", "--jobs=7");
	has(w, "analyze", "--jobs=7");
	lacks(w, "restore", "maintenance_work_mem");
	lacks(w, "restore", "--no-tablespaces");
	w->tool.version_num = 150004; /* knows levels only */
	xreplace(&w->m.dump.compress, "gzip:3");
	(void)build(w, false);
	has(w, "dump", "--compress=3");
	xreplace(&w->m.dump.compress, "none");
	w->m.dump.format = FORMAT_CUSTOM;
	xreplace(&w->m.dump.maintenance_work_mem, "1GB");
	w->src.objects = &space;
	w->src.n_objects = 1;
	(void)build(w, false);
	has(w, "dump", "--format=custom --compress=0");
	lacks(w, "dump", "--jobs"); /* one file, one writer */
	has(w, "restore", "maintenance_work_mem=1GB");
	has(w, "restore", "--no-tablespaces");
	strv_add(&w->dst.tablespaces, "Fast Disk");
	(void)build(w, false);
	lacks(w, "restore", "--no-tablespaces");
}

static void the_dump_file_goes_or_stays(void **state)
{
	struct world *w = *state;

	w->m.dump.transfer = TRANSFER_FILE;
	xreplace(&w->m.dump.dir, "/my dumps");
	(void)build(w, false);
	has(w, "dump", "--file=/my dumps/shop-20");
	has(w, "finish", "keep = yes");
	const struct action *a = &plan_find(w->p, "dump")->actions[1];
	assert_true(str_starts(a->left_name, "dump:/my dumps/shop-20"));
	assert_true(str_starts(a->left_undo, "rm -r '/my dumps/shop-20"));
	w->m.dump.keep = true;
	(void)build(w, false);
	lacks(w, "finish", "keep = yes");
	w->m.dump.keep = false;
	xreplace(&w->m.dump.use_file, "/given");
	(void)build(w, false);
	lacks(w, "finish", "keep = yes"); /* it was not ours */
	has(w, "restore", "/given");
}

/* ---- resume ---- */

static void left(struct world *w, const char *name)
{
	struct event *e = event_new(EV_LEFT, name);

	xreplace(&e->title, "content");
	model_apply(&w->seen, e);
}

static void step_ended(struct world *w, const char *id, enum state st)
{
	struct event *e = event_new(EV_STEP, id);

	e->state = st;
	model_apply(&w->seen, e);
}

static bool recreates(struct world *w)
{
	return plan_find(build(w, true), "recreate") != NULL;
}

/* A remark of the resumed plan has these parts. */
static void says(struct world *w, const char *a, const char *b, const char *c)
{
	bool found = false;

	takenup_notes(w->p, &w->seen);
	for (size_t i = 0; i < w->p->notes.n; i++)
		found |= strstr(w->p->notes.v[i], a) && strstr(w->p->notes.v[i], b) && strstr(w->p->notes.v[i], c);
	assert_true(found);
}

static void a_stream_is_begun_anew(void **state)
{
	struct world *w = *state;

	w->dst.db_exists = true;
	w->dst.db_owner = S("app");
	w->dst.n_user_objects = 4;
	assert_false(recreates(w));
	left(w, "database:shop");
	left(w, "content:shop");
	step_ended(w, "copy", ST_FAILED);
	order(w, true, "recreate roles database extensions snapshot copy source-proof proof finish");
	has(w, "recreate", "DROP DATABASE IF EXISTS \"shop\" WITH (FORCE)");
	has(w, "database", "CREATE DATABASE \"shop\"");
	assert_int_equal(w->p->steps[0].n, 1);
	assert_int_equal(w->p->steps[0].actions[0].kind, ACT_SQL); /* this attempt made it: no question */
	assert_string_equal(w->p->steps[0].actions[0].removes, "content:shop");
	assert_string_equal(w->p->steps[0].actions[0].dbname, "postgres");
	says(w, "removed first: ", "content", " shop, and the database, which is made anew: the snapshot of the source ended with that attempt");
	says(w, "done again: copy the source into the target", "", "");
	for (size_t i = 0; i < w->p->notes.n; i++)
		assert_null(strstr(w->p->notes.v[i], "kept"));
	step_ended(w, "copy", ST_DONE); /* but its snapshot was lost before the figures were there */
	assert_true(recreates(w));
	step_ended(w, "source-proof", ST_DONE);
	assert_false(recreates(w));
	lacks(w, "database", "CREATE DATABASE");
}

static void a_copy_without_proof_counts_alone(void **state)
{
	struct world *w = *state;

	w->dst.db_exists = true;
	w->dst.n_user_objects = 4;
	left(w, "content:shop");
	step_ended(w, "copy", ST_DONE);
	assert_true(recreates(w));
	w->m.dump.verify = VERIFY_OFF;
	assert_false(recreates(w));
}

static void a_database_that_was_there_before(void **state)
{
	struct world *w = *state;

	w->dst.db_exists = true;
	w->dst.n_user_objects = 4;
	w->dst.version_num = 120022;
	left(w, "content:shop");
	assert_true(recreates(w));
	assert_int_equal(w->p->steps[0].actions[0].kind, ACT_HOLD);
	assert_string_equal(w->p->steps[0].actions[0].confirm, "shop");
	lacks(w, "recreate", "FORCE"); /* 12 has none */
	w->dst.n_user_objects = 0; /* nothing came: nothing to remove */
	assert_false(recreates(w));
	w->dst.n_user_objects = 4;
	model_apply(&w->seen, event_new(EV_REMOVED, "content:shop"));
	assert_false(recreates(w));
}

static void somebody_elses_table_in_it(void **state)
{
	struct world *w = *state;

	w->dst.db_exists = true;
	w->dst.n_user_objects = 4;
	strv_add(&w->src.relations, "\"public\".\"a\"");
	strv_add(&w->src.relations, "\"public\".\"c\"");
	strv_copy(&w->dst.relations, &w->src.relations);
	left(w, "database:shop");
	left(w, "content:shop");
	assert_true(recreates(w));
	assert_int_equal(w->p->steps[0].actions[0].kind, ACT_SQL); /* the source has them all */
	strv_fini(&w->dst.relations);
	strv_add(&w->dst.relations, "\"other\".\"a\"");
	strv_add(&w->dst.relations, "\"public\".\"b\"");
	strv_add(&w->dst.relations, "\"public\".\"c\"");
	assert_true(recreates(w));
	assert_int_equal(w->p->steps[0].actions[0].kind, ACT_HOLD);
	assert_string_equal(w->p->steps[0].actions[0].confirm, "shop");
	assert_non_null(strstr(w->p->steps[0].actions[0].sql, "\"other\".\"a\", \"public\".\"b\". They go"));
	strv_fini(&w->dst.relations);
	w->dst.relations_unread = true; /* there may be any */
	assert_true(recreates(w));
	assert_int_equal(w->p->steps[0].actions[0].kind, ACT_HOLD);
	strv_fini(&w->src.relations);
}

/* What is complete stands in a file beside the journal: a plan that keeps it removes nothing; one that does not says why. */
static void a_stream_is_taken_up(void **state)
{
	struct world *w = *state;
	char dir[] = "/tmp/pgusher-plan.XXXXXX", *sub;
	struct copied c = {.run = S("run-1"), .of_tables = 3, .at = {{.system = S("1"), .timeline = S("00000001")}, {.system = S("2"), .timeline = S("00000001")}}};
	struct err err = {0};

	assert_non_null(mkdtemp(dir));
	xreplace(&w->m.state_dir, dir);
	sub = migration_state_dir(&w->m);
	assert_int_equal(journal_make_dir(sub, &err), ERR_OK);
	model_apply(&w->seen, event_new(EV_BEGIN, "run-1"));
	w->src.system_identifier = S("1");
	w->dst.system_identifier = S("2");
	w->dst.db_exists = true;
	w->dst.db_owner = S("app");
	w->dst.n_user_objects = 4;
	left(w, "content:shop"); /* it was there before: yet nothing is dropped, so that nobody is asked */
	assert_true(recreates(w));
	says(w, "taken up again, from the start: no table that is complete is written down", "", "");
	assert_int_equal(copied_write(&c, sub, &err), ERR_OK);
	assert_true(recreates(w));
	copied_add(&c, 5, "s.a", 10, 3 << 20, 9);
	assert_int_equal(copied_write(&c, sub, &err), ERR_OK);
	order(w, true, "roles database extensions snapshot copy source-proof proof finish");
	says(w, "taken up again: 1 of 3 tables (3.0 MB) are on the target already; those that have not changed", "", "");
	has(w, "copy", "<written since>");
	lacks(w, "copy", "still empty");
	lacks(w, "copy", "lo_unlink");
	w->dst.n_large_objects = 2;
	(void)build(w, true);
	has(w, "copy", "lo_unlink");
	strv_add(&w->dst.relations, "\"other\".\"a\""); /* somebody else's: asked about, as ever */
	assert_true(recreates(w));
	says(w, "from the start: the target holds what the source does not have", "", "");
	strv_fini(&w->dst.relations);
	w->dst.system_identifier = S("3");
	assert_true(recreates(w));
	says(w, "from the start: the target is another server now", "", "");
	w->dst.system_identifier = S("2");
	xreplace(&w->seen.begin->id, "run-2"); /* another attempt's */
	assert_true(recreates(w));
	xreplace(&w->seen.begin->id, "run-1");
	step_ended(w, "copy", ST_DONE);
	assert_false(recreates(w)); /* what its proof was to be made of is lost: looked at once more */
	has(w, "copy", "<written since>");
	w->m.dump.transfer = TRANSFER_FILE;
	assert_true(recreates(w));
	copied_remove(sub);
	assert_int_equal(rmdir(sub), 0);
	free(sub);
	assert_int_equal(rmdir(dir), 0);
	free(c.tables[0].id);
	free(c.tables);
}

static void a_restored_file(void **state)
{
	struct world *w = *state;

	w->m.dump.transfer = TRANSFER_FILE;
	w->dst.db_exists = true;
	w->dst.n_user_objects = 4;
	left(w, "dump:/state/shop/shop-1");
	left(w, "database:shop");
	left(w, "content:shop");
	step_ended(w, "dump", ST_DONE);
	assert_true(recreates(w));
	has(w, "dump", "--file=/state/shop/shop-1");
	has(w, "restore", "/state/shop/shop-1"); /* the same dump, not a new one */
	says(w, "removed first: ", "content", "made anew: a restore cannot be continued");
	step_ended(w, "restore", ST_FAILED);
	assert_true(recreates(w));
	step_ended(w, "restore", ST_DONE);
	assert_false(recreates(w));
}

/* ---- names ---- */

static void awkward_names(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		xreplace(&w->m.end[i].dbname, "we\"ird 'db' \\");
		xreplace(&w->m.end[i].user, "o'hara");
	}
	w->src.db_owner = w->roles[0].name = S("a\"; DROP ROLE me; --");
	w->roles[0].comment = S("it's");
	w->src.db_comment = S("a'b\\c");
	strv_add(&w->m.dump.schemas, "My \"schema\"");
	strv_add(&w->m.dump.exclude_schemas, "a*b");
	strv_add(&w->src.db_settings, "search_path=\"My schema\", public");
	strv_add(&w->src.db_settings, "my.Setting=it's");
	strv_add(&w->src.db_settings, "default_transaction_read_only=on");
	(void)build(w, false);
	has(w, "database", "CREATE DATABASE \"we\"\"ird 'db' \\\" OWNER \"a\"\"; DROP ROLE me; --\" TEMPLATE template0 ENCODING 'UTF8'");
	has(w, "database", "COMMENT ON DATABASE \"we\"\"ird 'db' \\\" IS 'a''b\\c'");
	strv_add(&w->src.db_settings, "temp_tablespaces=a;DROP/**/ROLE/**/me,b \"c\"\"d\",");
	(void)build(w, false);
	has(w, "database", "SET \"temp_tablespaces\" TO 'a;DROP/**/ROLE/**/me', 'b', 'c\"d'\n");
	has(w, "database", "SET \"search_path\" TO 'My schema', 'public'\n");
	has(w, "database", "SET \"my\".\"Setting\" TO 'it''s'\n");
	lacks(w, "database", "read_only"); /* a frozen source freezes no target */
	has(w, "roles", "CREATE ROLE \"a\"\"; DROP ROLE me; --\" LOGIN PASSWORD ${secret:");
	has(w, "roles", "COMMENT ON ROLE \"a\"\"; DROP ROLE me; --\" IS 'it''s'");
	const struct action *a = NULL;
	for (size_t i = 0; i < plan_find(w->p, "copy")->n; i++)
		if (plan_find(w->p, "copy")->actions[i].kind == ACT_COMMAND)
			a = &plan_find(w->p, "copy")->actions[i];
	assert_non_null(a);
	assert_true(strv_has(&a->argv, "--dbname=host=old user='o\\'hara' dbname='we\"ird \\'db\\' \\\\'"));
	assert_true(strv_has(&a->argv, "--schema=\"My \"\"schema\"\"\""));
	assert_true(strv_has(&a->argv, "--exclude-schema=\"a*b\"")); /* a name, no pattern */
	w->m.dump.transfer = TRANSFER_FILE;
	const struct step *restore = plan_find(build(w, false), "restore");
	bool named = false;
	for (size_t i = 0; i < restore->n; i++)
		named |= strv_has(&restore->actions[i].argv, "--dbname=host=new user='o\\'hara' dbname='we\"ird \\'db\\' \\\\'");
	assert_true(named);
}

/* ---- roles ---- */

static void roles_for_a_superuser(void **state)
{
	struct world *w = *state;

	w->roles[1] = (struct fact_role){.name = S("boss"), .super = true, .createdb = true, .replication = true, .bypassrls = true, .connlimit = 5,
					 .valid_until = S("2030-01-01 00:00:00+00"), .needed = true};
	w->roles[2] = (struct fact_role){.name = S("stranger"), .login = true, .connlimit = -1, .hash = S(HASH)};
	strv_add(&w->roles[1].settings, "work_mem=1GB");
	w->src.n_roles = 3;
	(void)build(w, false);
	has(w, "roles", "CREATE ROLE \"app\" LOGIN PASSWORD ${secret:role app}\n");
	has(w, "roles", "CREATE ROLE \"boss\" NOLOGIN NOINHERIT SUPERUSER CREATEDB REPLICATION BYPASSRLS CONNECTION LIMIT 5"
			" VALID UNTIL '2030-01-01 00:00:00+00'\n");
	has(w, "roles", "ALTER ROLE \"boss\" SET \"work_mem\" TO '1GB'");
	lacks(w, "roles", "stranger"); /* not needed by this database */
	lacks(w, "roles", HASH);
	const struct action *a = &plan_find(w->p, "roles")->actions[0];
	assert_string_equal(a->left_name, "role:app");
	assert_string_equal(a->left_undo, "DROP ROLE IF EXISTS \"app\"");
	assert_string_equal(a->tolerate, "42710");
	char *sql = plan_fill(w->p, a->sql, NULL), *text = plan_text(w->p), *script = plan_shell(w->p, &w->m);
	assert_string_equal(sql, "CREATE ROLE \"app\" LOGIN PASSWORD '" HASH "'");
	assert_null(strstr(text, HASH));
	assert_null(strstr(script, HASH));
	free(sql);
	free(text);
	free(script);
	w->there[0] = w->roles[0];
	w->there[1] = w->roles[1];
	w->dst.n_roles = 2;
	(void)build(w, false);
	assert_int_equal(plan_find(w->p, "roles")->n, 0);
	assert_string_equal(plan_find(w->p, "roles")->skip, "all 2 are on the target already, and are left as they are");
}

static void roles_without_a_superuser(void **state)
{
	struct world *w = *state;

	w->dst.super = false;
	w->dst.createrole = w->dst.createdb = true;
	w->roles[0].super = w->roles[0].createdb = w->roles[0].replication = true;
	w->roles[0].hash = NULL;
	w->src.hashes_readable = false;
	(void)build(w, false);
	has(w, "roles", "CREATE ROLE \"app\" LOGIN CREATEDB\n"); /* 16: what we have ourselves may be given */
	noted(w, "app is created without SUPERUSER REPLICATION");
	noted(w, "app cannot log in on the target until its password is set there");
	has(w, "roles", "GRANT \"app\" TO \"me\"\n"); /* to give it its tables */
	w->dst.version_num = 150004;
	(void)build(w, false);
	has(w, "roles", "CREATE ROLE \"app\" LOGIN CREATEDB\n");
	w->dst.createdb = false; /* 15 asks for CREATEROLE only, 16 for the attribute itself */
	(void)build(w, false);
	has(w, "roles", "CREATE ROLE \"app\" LOGIN CREATEDB\n");
	w->dst.version_num = 160004;
	(void)build(w, false);
	has(w, "roles", "CREATE ROLE \"app\" LOGIN\n");
}

static void memberships(void **state)
{
	struct world *w = *state;

	w->roles[1] = (struct fact_role){.name = S("grp"), .inherit = true, .connlimit = -1, .needed = true};
	w->src.n_roles = 2;
	w->members[0] = (struct fact_membership){.role = S("grp"), .member = S("app"), .inherit_option = true, .set_option = true};
	w->members[1] = (struct fact_membership){.role = S("pg_monitor"), .member = S("app"), .admin = true, .inherit_option = true, .set_option = true};
	w->members[2] = (struct fact_membership){.role = S("grp"), .member = S("stranger"), .inherit_option = true, .set_option = true};
	w->src.n_members = 3;
	(void)build(w, false);
	has(w, "roles", "GRANT \"grp\" TO \"app\"\n");
	has(w, "roles", "GRANT \"pg_monitor\" TO \"app\" WITH ADMIN OPTION\n");
	lacks(w, "roles", "stranger");
	w->members[0].inherit_option = false;
	w->members[0].admin = true;
	(void)build(w, false);
	has(w, "roles", "GRANT \"grp\" TO \"app\" WITH ADMIN TRUE, INHERIT FALSE, SET TRUE\n");
	w->dst.version_num = 150004; /* has one kind of membership */
	(void)build(w, false);
	has(w, "roles", "GRANT \"grp\" TO \"app\" WITH ADMIN OPTION\n");
	w->dst.members = &w->members[0];
	w->dst.n_members = 1;
	(void)build(w, false);
	lacks(w, "roles", "GRANT \"grp\"");
}

/* ---- the database and its extensions ---- */

static void locales(void **state)
{
	struct world *w = *state;

	(void)build(w, false);
	has(w, "database", "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'\n");
	w->src.version_num = 160001;
	w->src.locale_provider = S("i");
	w->src.icu_locale = S("de");
	w->src.icu_rules = S("&a < b");
	(void)build(w, false);
	has(w, "database", "LOCALE_PROVIDER icu ICU_LOCALE 'de' ICU_RULES '&a < b'\n");
	w->src.locale_provider = S("c");
	(void)build(w, false);
	has(w, "database", "LOCALE_PROVIDER libc\n");
	w->dst.version_num = 140004;
	(void)build(w, false);
	lacks(w, "database", "LOCALE_PROVIDER");
}

static void a_database_that_is_there(void **state)
{
	struct world *w = *state;
	struct fact_acl acl[] = {{.grantee = S("app"), .privilege = S("CONNECT")}, {.grantee = S("reader"), .privilege = S("CONNECT"), .grantable = true}};

	w->roles[1] = (struct fact_role){.name = S("reader"), .inherit = true, .connlimit = -1, .needed = true};
	w->src.n_roles = 2;
	w->src.db_acl = acl;
	w->src.n_db_acl = 2;
	w->src.db_has_acl = true;
	w->dst.db_exists = true;
	w->dst.db_owner = S("me");
	(void)build(w, false);
	lacks(w, "database", "CREATE DATABASE");
	has(w, "database", "ALTER DATABASE \"shop\" OWNER TO \"app\"\n");
	has(w, "database", "REVOKE CONNECT ON DATABASE \"shop\" FROM PUBLIC\n");
	has(w, "database", "REVOKE TEMPORARY ON DATABASE \"shop\" FROM PUBLIC\n");
	has(w, "database", "GRANT CONNECT ON DATABASE \"shop\" TO \"reader\" WITH GRANT OPTION\n");
	lacks(w, "database", "TO \"app\" WITH"); /* owners have it */
	w->src.db_has_acl = false;
	w->src.n_db_acl = 0;
	w->dst.db_owner = S("app");
	(void)build(w, false);
	assert_string_equal(plan_find(w->p, "database")->skip, "it is there and as the source's");
}

static void extensions(void **state)
{
	struct world *w = *state;

	w->extensions[0] = (struct fact_extension){.name = S("plpgsql"), .version = S("1.0"), .schema = S("pg_catalog"), .installed = true};
	w->extensions[1] = (struct fact_extension){.name = S("uuid-ossp"), .version = S("1.0"), .schema = S("public"), .installed = true};
	w->extensions[2] = (struct fact_extension){.name = S("hstore"), .version = S("1.8"), .schema = S("elsewhere"), .installed = true};
	w->src.n_extensions = 3;
	w->available[0] = (struct fact_extension){.name = S("uuid-ossp"), .version = S("1.1"), .available = true};
	w->dst.n_extensions = 1;
	(void)build(w, false);
	has(w, "extensions", "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" SCHEMA \"public\" CASCADE\n");
	lacks(w, "extensions", "plpgsql");
	lacks(w, "extensions", "hstore"); /* its schema comes with the dump */
	noted(w, "extension uuid-ossp: 1.0 on the source, 1.1 on the target");
	w->src.n_extensions = 1;
	(void)build(w, false);
	assert_non_null(plan_find(w->p, "extensions")->skip);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(steps_in_order), T(scopes_and_trust), T(no_plan_without), T(options_of_the_tools), T(the_dump_file_goes_or_stays),
		T(a_stream_is_begun_anew), T(a_copy_without_proof_counts_alone), T(a_database_that_was_there_before), T(somebody_elses_table_in_it), T(a_stream_is_taken_up), T(a_restored_file),
		T(awkward_names), T(roles_for_a_superuser), T(roles_without_a_superuser), T(memberships), T(locales), T(a_database_that_is_there),
		T(extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
