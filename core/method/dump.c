#include "method/dump.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/argv.h"
#include "host/tunnel.h"
#include "method/globals.h"
#include "method/keep.h"
#include "method/recreate.h"
#include "method/rows.h"
#include "method/subscription.h"
#include "method/work.h"

#define PLACE_DIR "/tmp" /* for dumps where the tools run elsewhere and no folder is named */
#define LOOK_EMPTY "SELECT relname FROM pg_class WHERE <made by a user> LIMIT 1;  -- there must be none"
#define LOOK_SAME "SELECT system_identifier, <timeline>, <database>;  -- on both, against what was written down"
#define LOOK_CHANGED "SELECT count(*), count(*) FILTER (WHERE <written since>) FROM ONLY <each table that was complete>;  -- on both\n" \
	"-- unchanged ones are kept; of the others the keys, indexes and triggers are dropped, and made again behind their rows"
#define MAKE_TABLES "CREATE TABLE ...;  -- as pg_dump wrote it, without indexes and keys; tables side by side\n"
#define COPY_ROWS "COPY <each table> TO STDOUT;  -- on the source, several sessions, in the snapshot; largest tables first\n" \
	"TRUNCATE ONLY <table>; COPY <table> FROM STDIN (FREEZE);  -- on the target, each table in one transaction\nSELECT setval(<each sequence>, ...);"
#define LOCK_WAIT "--lock-wait-timeout=3s" /* who waits longer stands behind somebody who waits for us: run.c begins again, for two minutes */

struct build {
	const struct survey *s;
	const struct migration *m;
	const struct dump_options *o;
	const struct tool_set *tool;
	const struct facts *src, *dst;
	const struct model *seen;
	struct plan *p;
	char *path;  /* of the dump; NULL in stream transfer */
	bool keep;   /* what an interrupted copy left in the target */
	char *proof; /* where the source's figures are kept */
};

char *dump_proof_path(const struct migration *m, const char *dump)
{
	if (m->tools_prefix.n == 0)
		return xasprintf("%s.proof.json", dump);
	/* the dump lies where the tools run; the proof is ours, and stays here */
	const char *slash = strrchr(dump, '/');
	char *dir = migration_state_dir(m), *path = xasprintf("%s/%s.proof.json", dir, slash ? slash + 1 : dump);
	free(dir);
	return path;
}

char *dump_path(const struct migration *m, const struct model *seen)
{
	if (m->dump.use_file)
		return xstrdup(m->dump.use_file);
	for (size_t i = 0; seen && i < seen->left.n; i++) {
		const struct model_item *it = &seen->left.v[i];
		if (!it->removed && it->last->id && str_starts(it->last->id, "dump:"))
			return xstrdup(it->last->id + strlen("dump:"));
	}
	char *base = m->dump.dir ? xstrdup(m->dump.dir) : m->tools_prefix.n ? xstrdup(PLACE_DIR) : migration_state_dir(m), stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	(void)gmtime_r(&now, &tm);
	(void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
	char *path = xasprintf("%s/%s-%s%s", base, m->name, stamp, m->dump.format == FORMAT_CUSTOM ? ".pgdump" : "");
	free(base);
	return path;
}

static void add_words(struct strv *v, const char *const *words)
{
	for (; *words; words++)
		strv_add(v, *words);
}

/* "schema" in double quotes is an exact name to pg_dump, whatever is in it. */
static void add_schemas(struct strv *v, const char *option, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		struct str s = {0};
		sql_ident(&s, names->v[i]);
		strv_addf(v, "%s=%s", option, str_text(&s));
		str_fini(&s);
	}
}

/* -Z takes a method's name from pg_dump 16 on. */
static void add_compress(struct strv *v, const char *how, int client)
{
	if (!how)
		return;
	if (str_eq(how, "none"))
		strv_add(v, "--compress=0");
	else if (client < 160000 && str_starts(how, "gzip"))
		strv_addf(v, "--compress=%s", how[4] == ':' ? how + 5 : "6");
	else
		strv_addf(v, "--compress=%s", how);
}

static void dump_common(const struct build *b, struct strv *v)
{
	char *conninfo = endpoint_conninfo(&b->m->end[SIDE_SOURCE], NULL, false);
	const char *const common[] = {"--verbose", "--no-publications", "--no-subscriptions", LOCK_WAIT,
				      "--snapshot=${snapshot}", NULL};

	strv_add(v, b->tool->pg_dump);
	strv_addf(v, "--dbname=%s", conninfo);
	add_words(v, common);
	add_schemas(v, "--schema", &b->o->schemas);
	add_schemas(v, "--exclude-schema", &b->o->exclude_schemas);
	subscription_leave_out(b->src, v);
	free(conninfo);
}

static void dump_words(const struct build *b, struct strv *v)
{
	dump_common(b, v);
	strv_addf(v, "--format=%s", dump_format_name(b->o->format));
	if (b->o->format == FORMAT_DIRECTORY)
		strv_addf(v, "--jobs=%d", b->o->jobs);
	add_compress(v, b->o->compress, b->tool->version_num);
	strv_addf(v, "--file=%s", b->path);
}

/* Only those that the database uses: its server may have others. */
static bool tablespace_missing(const struct build *b)
{
	for (size_t i = 0; b->src && i < b->src->n_objects; i++)
		if (str_eq(b->src->objects[i].kind, "tablespace") && !strv_has(&b->dst->tablespaces, b->src->objects[i].name))
			return true;
	return false;
}

static void restore_words(const struct build *b, struct strv *v, bool stream)
{
	char *conninfo = endpoint_conninfo(&b->m->end[SIDE_TARGET], NULL, true);

	strv_add(v, b->tool->pg_restore);
	strv_addf(v, "--dbname=%s", conninfo);
	add_words(v, (const char *const[]){"--verbose", "--no-publications", "--no-subscriptions", NULL});
	if (tablespace_missing(b))
		strv_add(v, "--no-tablespaces");
	if (!stream) {
		strv_addf(v, "--jobs=%d", b->o->jobs);
		strv_add(v, b->path);
	}
	free(conninfo);
}

/* maintenance_work_mem for the restoring sessions: less sorts faster, as long as it can merge its runs. NULL: as the server has it. */
static const char *restore_memory(const struct build *b)
{
	const struct fact_setting *mem = facts_setting(b->dst, "maintenance_work_mem");
	bool large = false;
	for (size_t i = 0; b->src && i < b->src->n_tables && !large; i++)
		large = b->src->tables[i].heap_bytes > COPY_MERGED_AT_ONCE;
	return b->o->maintenance_work_mem ? b->o->maintenance_work_mem : large && (mem ? atoll(mem->value) : 0) < 262144 ? "256MB" : NULL;
}

/* Only for the restoring sessions, and gone with them. */
static void restore_env(const struct build *b, struct strv *env)
{
	struct str s = {0};

	str_add(&s, "PGOPTIONS=-c synchronous_commit=off");
	if (restore_memory(b))
		str_addf(&s, " -c maintenance_work_mem=%s", restore_memory(b));
	if (b->dst->super)
		str_add(&s, " -c lc_messages=C");
	str_add(&s, " -c default_transaction_read_only=off");
	strv_take(env, str_take(&s));
}

/* The same for our own sessions. */
static const char *copy_settings(struct build *b)
{
	struct str s = {0};

	str_add(&s, "SET synchronous_commit = off;");
	if (restore_memory(b)) {
		str_add(&s, " SET maintenance_work_mem = ");
		sql_literal(&s, restore_memory(b));
		str_add(&s, ";");
	}
	if (b->dst->super)
		str_add(&s, " SET lc_messages = 'C';");
	strv_take(&b->p->owned, str_take(&s));
	return b->p->owned.v[b->p->owned.n - 1];
}

static void put_scope(struct step *st, bool trust)
{
	st->scope = "snapshot";
	st->trust_journal = trust;
}

static void plan_snapshot(struct build *b)
{
	bool proof = b->o->verify != VERIFY_OFF;
	struct step *st = plan_step(b->p, "snapshot", "open one snapshot of the source",
		"The dump and the proof read the same instant, so that they can be compared exactly while others go on writing.");
	put_scope(st, false);
	(void)step_work(st, ON_SOURCE, proof ? "open the snapshot, start reading for the proof" : "open the snapshot", work_snapshot, NULL,
		"BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;\n"
		"SELECT pg_export_snapshot();  -- this session stays open until the dump and the proof have read");
}

/* Without a proof, too: a held snapshot keeps the source from cleaning up behind its writers. */
static void plan_source_proof(struct build *b)
{
	bool proof = b->o->verify != VERIFY_OFF;
	struct step *st = plan_step(b->p, "source-proof", proof ? "finish the source's figures" : "let the snapshot go",
		proof ? "Rows and checksums of every table, as they are in the snapshot; kept beside the dump for the comparison."
		      : "All that was to be read is read; the source need not keep old rows any longer.");
	put_scope(st, true);
	(void)step_work(st, ON_SOURCE, proof ? "wait for the figures, keep them, close the snapshot" : "close the snapshot", work_source_proof, b->proof,
		proof ? "SELECT count(*), sum(<hash of the row>) FROM ONLY <each table>;  -- several sessions, in the snapshot\n"
			"ROLLBACK;  -- the snapshot is let go" : "ROLLBACK;");
}

static void plan_dump(struct build *b)
{
	struct step *st = plan_step(b->p, "dump", "dump the source into a file",
		"A complete copy of the database's objects and rows, as they are in the snapshot.");
	struct str undo = {0};

	put_scope(st, true);
	(void)step_work(st, HERE, "clear what an interrupted dump left", work_clear_path, b->path, "-- only if it is there, and only this path");
	str_add(&undo, "rm -r ");
	argv_quote(&undo, b->path);
	struct action *a = step_command(st, (const char *const[]){NULL});
	dump_words(b, &a->argv);
	a->login = ON_SOURCE;
	a->parser = PARSE_DUMP;
	a->left_name = xasprintf("dump:%s", b->path);
	a->left_what = xstrdup("dump file");
	a->left_undo = str_take(&undo);
}

static void look_empty(struct step *st)
{
	(void)step_work(st, ON_TARGET, "look that the target is still empty", work_target_empty, NULL, LOOK_EMPTY);
}

/* Plain SQL of all objects, kept for us. */
static void dump_objects(const struct build *b, struct step *st)
{
	struct action *a = step_command(st, (const char *const[]){NULL});

	dump_common(b, &a->argv);
	add_words(&a->argv, (const char *const[]){"--section=pre-data", "--section=post-data", "--format=plain", NULL});
	if (tablespace_missing(b))
		strv_add(&a->argv, "--no-tablespaces");
	a->login = ON_SOURCE;
	a->parser = PARSE_DUMP;
	a->keep_output = true;
}

/* Only they: no rows of tables. pg_dump leaves them out itself when schemas are chosen. */
static void copy_large_objects(const struct build *b, struct step *st)
{
	if (!b->src || b->src->n_large_objects == 0 || b->o->schemas.n > 0)
		return;
	struct action *a = step_command(st, (const char *const[]){NULL});
	dump_common(b, &a->argv);
	add_words(&a->argv, (const char *const[]){"--format=custom", "--compress=0", "--section=data", "--blobs", "--exclude-table=*.*", NULL});
	restore_words(b, &a->pipe_to, true);
	restore_env(b, &a->pipe_env);
	a->login = ON_SOURCE;
	a->pipe_login = ON_TARGET;
	a->parser = PARSE_DUMP;
	a->pipe_parser = PARSE_RESTORE;
}

static void plan_stream(struct build *b)
{
	struct step *st = plan_step(b->p, "copy", "copy the source into the target",
		"Tables are made empty, their rows go from server to server in the one snapshot, then indexes, keys and the rest follow.");

	put_scope(st, true);
	const char *settings = copy_settings(b);
	char *explain = xasprintf("%s\n%s  -- in the sessions that copy, and gone with them", b->keep ? LOOK_SAME : LOOK_EMPTY, settings);
	(void)step_work(st, ON_TARGET, b->keep ? "look that both servers are the same, open sessions" : "look that the target is still empty, open sessions",
			b->keep ? work_rows_take_up : work_rows_open, settings, explain);
	free(explain);
	dump_objects(b, st);
	if (b->keep)
		(void)step_work(st, ON_TARGET, "look which tables have not changed since", work_rows_look, NULL, LOOK_CHANGED);
	if (b->keep && b->dst->n_large_objects > 0)
		(void)step_work(st, ON_TARGET, "remove the large objects of the interrupted copy", work_clear_large_objects, NULL, "SELECT lo_unlink(<each>);");
	struct action *a = step_work(st, ON_TARGET, b->keep ? "begin to copy the others' rows" : "make the tables, begin to copy rows", work_rows_begin, NULL,
				     b->keep ? COPY_ROWS : MAKE_TABLES COPY_ROWS);
	a->left_name = xasprintf("content:%s", b->m->end[SIDE_TARGET].dbname);
	a->left_what = xstrdup("unfinished content of the target database");
	copy_large_objects(b, st);
	(void)step_work(st, ON_TARGET, "copy the rows to their end, build indexes and keys, collect statistics", work_rows_end, NULL,
		"ALTER TABLE <table> ADD CONSTRAINT ...; CREATE INDEX ...; ANALYZE <table>;  -- as soon as a table has its rows\n"
		"-- then, as pg_dump wrote them: triggers, foreign keys (several to a table: NOT VALID, then VALIDATE), policies, materialized views ...\n"
		"CREATE UNIQUE INDEX ...; ALTER TABLE <table> ADD CONSTRAINT ... USING INDEX ...;  -- keys of a large table, beside its other indexes");
	work_on_disk(st);
}

/* For the server's own copy: tables with everything, and no rows. */
static void plan_schema(struct build *b)
{
	struct step *st = plan_step(b->p, "copy", "make the tables, without rows",
		"Every object is created as it is on the source; the subscription brings the rows.");

	put_scope(st, true);
	look_empty(st);
	struct action *a = step_command(st, (const char *const[]){NULL});
	char *conninfo = endpoint_conninfo(&b->m->end[SIDE_SOURCE], NULL, false);
	strv_add(&a->argv, b->tool->pg_dump);
	strv_addf(&a->argv, "--dbname=%s", conninfo);
	add_words(&a->argv, (const char *const[]){"--verbose", "--schema-only", "--no-publications", "--no-subscriptions", LOCK_WAIT, "--format=custom", NULL});
	add_schemas(&a->argv, "--schema", &b->o->schemas);
	add_schemas(&a->argv, "--exclude-schema", &b->o->exclude_schemas);
	subscription_leave_out(b->src, &a->argv);
	restore_words(b, &a->pipe_to, true);
	restore_env(b, &a->pipe_env);
	a->login = ON_SOURCE;
	a->pipe_login = ON_TARGET;
	a->parser = PARSE_DUMP;
	a->pipe_parser = PARSE_RESTORE;
	a->left_name = xasprintf("content:%s", b->m->end[SIDE_TARGET].dbname);
	a->left_what = xstrdup("unfinished content of the target database");
	subscription_keys_aside(st);
	work_on_disk(st);
	free(conninfo);
}

static void plan_restore(struct build *b)
{
	struct step *st = plan_step(b->p, "restore", "restore into the target",
		"Objects and rows are created from the dump; what cannot be is listed and judged, not only counted.");
	look_empty(st);
	struct action *a = step_command(st, (const char *const[]){NULL});
	st->trust_journal = true;
	restore_words(b, &a->argv, false);
	restore_env(b, &a->env);
	a->login = ON_TARGET;
	a->parser = PARSE_RESTORE;
	a->left_name = xasprintf("content:%s", b->m->end[SIDE_TARGET].dbname);
	a->left_what = xstrdup("unfinished content of the target database");
	work_on_disk(st);
}

/* vacuumdb leaves partitioned parents out before 18; their statistics serve joins. */
static void analyze_parents(const struct build *b, struct step *st)
{
	struct str s = {0};

	for (size_t i = 0; b->src && i < b->src->n_tables; i++) {
		const struct fact_table *t = &b->src->tables[i];
		bool in = (b->o->schemas.n == 0 || strv_has(&b->o->schemas, t->schema)) &&
			  !strv_has(&b->o->exclude_schemas, t->schema);
		if (t->kind != 'p' || t->is_partition || t->extension || t->left_out || !in)
			continue;
		str_add(&s, "ANALYZE ");
		sql_qualified(&s, t->schema, t->name);
		str_add(&s, ";\n");
	}
	if (s.len > 0)
		step_sql(st, ON_TARGET, NULL, str_text(&s))->on_error_note = true;
	str_fini(&s);
}

static void plan_analyze(struct build *b)
{
	struct step *st = plan_step(b->p, "analyze", "collect statistics",
		"A restored database has none, and plans badly until it has; the first, coarse ones are there within moments.");
	char *conninfo = endpoint_conninfo(&b->m->end[SIDE_TARGET], NULL, true);
	char *db = xasprintf("--dbname=%s", conninfo), *jobs = xasprintf("--jobs=%d", b->o->jobs);
	struct action *a = step_command(st, (const char *const[]){b->tool->vacuumdb, "--analyze-in-stages", "--verbose", jobs, db, NULL});

	a->login = ON_TARGET;
	a->parser = PARSE_VACUUM;
	analyze_parents(b, st);
	free(db);
	free(jobs);
	free(conninfo);
}

static void plan_proof(struct build *b)
{
	if (b->o->verify == VERIFY_OFF)
		return;
	struct step *st = plan_step(b->p, "proof", "prove that nothing was lost",
		"Every table of the target is read and compared with the source's figures from the snapshot; every object with the source's.");
	st->trust_journal = true; /* the figures may be gone already when only the last step was interrupted */
	(void)step_work(st, ON_TARGET, "read the target, compare every table and every object", work_proof, b->proof,
		"SELECT count(*), sum(<hash of the row>) FROM ONLY <each table>;  -- the same expression as on the source\nSELECT <kind, name, definition> FROM pg_class, pg_proc ...;  -- on both");
}

static void plan_finish(struct build *b)
{
	struct step *st = plan_step(b->p, "finish", "finish",
		"Says what changed on the source since the snapshot, and tidies up.");

	(void)step_work(st, ON_SOURCE, "look at what changed since", work_finish, NULL,
		"SELECT schemaname, relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables;");
	if (b->path && !b->o->keep && !b->o->dump_only && !b->o->use_file) {
		struct action *a = step_work(st, HERE, "remove the dump file", work_clear_path, b->path, "-- keep = yes in [dump] keeps it");
		a->removes = xasprintf("dump:%s", b->path);
	}
}

/* Of this database: the settings may name another one by now, or another server, which is somebody else's. */
static bool left_item(const struct build *b, const char *kind)
{
	const struct model_item *it = model_left(b->seen, kind, b->m->end[SIDE_TARGET].dbname, b->dst->system_identifier);

	return it && !it->removed;
}

static bool step_done(const struct model *seen, const char *id)
{
	const struct model_item *it = seen ? model_find(&seen->steps, id) : NULL;

	return it && it->last->kind == EV_STEP && it->last->state == ST_DONE;
}

/* The server copies the rows itself, when the subscription begins. */
static bool native(const struct build *b)
{
	return b->m->method == METHOD_SUBSCRIPTION && b->m->sub.copy == COPY_NATIVE;
}

/* Rows are in the target for good: a stream's copy counts only together with the figures of its snapshot (one scope). */
static bool filled(const struct build *b)
{
	if (b->path)
		return step_done(b->seen, "restore");
	return step_done(b->seen, "copy") && (b->o->verify == VERIFY_OFF || native(b) || step_done(b->seen, "source-proof"));
}

/*
 * A restore that did not end cannot be continued: the database is made anew. One that this attempt created goes
 * without a question; one that was there before (empty, as preflight proved), or holds somebody else's work, only when the
 * operator types its name.
 */
static bool must_recreate(const struct build *b)
{
	return left_item(b, "content") && !filled(b) && b->dst->db_exists && b->dst->n_user_objects > 0;
}

static void plan_recreate(struct build *b, struct facts *as_if)
{
	recreate_plan(b->p, b->m, b->src, b->dst, left_item(b, "database"));
	*as_if = *b->dst;
	as_if->db_exists = false;
	b->dst = as_if;
}

static void plan_target(struct build *b, struct facts *as_if)
{
	bool half = must_recreate(b);
	b->keep = half && !b->path && !native(b) && keep_may(b->p, b->m, b->src, b->dst, b->seen);
	if (half && !b->keep)
		plan_recreate(b, as_if);
	if (b->src)
		globals_roles(b->p, b->m, b->src, b->dst);
	globals_database(b->p, b->m, b->src, b->dst);
	if (b->src)
		globals_extensions(b->p, b->m, b->src, b->dst);
}

static char *plan_title(const struct build *b)
{
	char *from = endpoint_label(&b->m->end[SIDE_SOURCE]), *to = endpoint_label(&b->m->end[SIDE_TARGET]);
	char *t = b->o->dump_only ? xasprintf("%s: dump of %s into a file", b->m->name, from)
		  : b->o->use_file ? xasprintf("%s: %s restored into %s", b->m->name, b->o->use_file, to)
				   : xasprintf("%s: %s to %s, %s", b->m->name, from, to,
					       b->path ? "through a dump file" : "streamed");

	free(from);
	free(to);
	return t;
}

static void note_tunnels(struct build *b)
{
	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = &b->m->end[i];
		struct strv words = {0};
		if (!ep->forward)
			continue;
		tunnel_words(&words, ep, ep->forward);
		strv_take(&b->p->tunnels, argv_show(&words));
		b->p->forward[i] = xstrdup(ep->forward);
		strv_fini(&words);
	}
}

/* The tools may run elsewhere, all of them at the same place. */
static void place_commands(struct build *b)
{
	if (b->m->tools_prefix.n == 0)
		return;
	strv_add(&b->p->notes, "the tools run behind the prefix; passwords reach them over standard input, dump files lie there");
	for (size_t i = 0; i < b->p->n; i++)
		for (size_t k = 0; k < b->p->steps[i].n; k++)
			if (b->p->steps[i].actions[k].kind == ACT_COMMAND)
				strv_copy(&b->p->steps[i].actions[k].prefix, &b->m->tools_prefix);
}

static enum err_code refuse(const struct build *b, struct err *err)
{
	if (!b->tool) {
		err_set(err, ERR_BLOCKED, "no fitting pg_dump, pg_restore and vacuumdb: %s", b->s->tool_reason ? b->s->tool_reason : "none found");
		return err_hint(err, "install the client package of the target's major version, or name its folder in [tools] bindir");
	}
	if (!b->src && !b->o->use_file)
		return err_set(err, ERR_BLOCKED, "the source has not been read");
	if (!b->dst && !b->o->dump_only)
		return err_set(err, ERR_BLOCKED, "the target has not been read");
	return ERR_OK;
}

static void plan_rows(struct build *b)
{
	if (b->path)
		plan_dump(b);
	else
		plan_stream(b);
	plan_source_proof(b);
}

static void plan_filling(struct build *b)
{
	if (b->path) {
		plan_restore(b);
		plan_analyze(b); /* our own copy does it on its way */
	}
	plan_proof(b);
}

static void plan_copy(struct build *b)
{
	if (!b->o->use_file) {
		plan_snapshot(b);
		plan_rows(b);
	}
	if (!b->o->dump_only)
		plan_filling(b);
	plan_finish(b);
}

/* The same copy, from the snapshot of a slot; what comes after it, the subscription brings. */
static void plan_followed_copy(struct build *b)
{
	subscription_source(b->p, b->m, b->src, b->seen);
	subscription_slot(b->p, b->m, b->src);
	if (native(b)) {
		plan_schema(b);
	} else {
		plan_rows(b);
		plan_filling(b);
	}
	subscription_target(b->p, b->m, b->src, b->dst);
}

enum err_code dump_plan(struct plan **out, const struct survey *s, const struct model *seen, struct err *err)
{
	struct facts as_if;
	struct build b = {.s = s, .m = s->m, .o = &s->m->dump, .tool = s->tool, .src = s->facts[SIDE_SOURCE],
			  .dst = s->facts[SIDE_TARGET], .seen = seen};
	enum err_code rc = refuse(&b, err);

	*out = NULL;
	if (rc != ERR_OK)
		return rc;
	bool file = b.o->transfer == TRANSFER_FILE || b.o->dump_only || b.o->use_file;
	char *dir = migration_state_dir(b.m);
	b.path = file ? dump_path(b.m, seen) : NULL;
	b.proof = b.path ? dump_proof_path(b.m, b.path) : xasprintf("%s/proof.json", dir);
	free(dir);
	char *title = plan_title(&b);
	b.p = plan_new(title);
	free(title);
	if (b.path)
		strv_take(&b.p->owned, b.path);
	strv_take(&b.p->owned, b.proof);
	if (s->tool_reason)
		strv_add(&b.p->notes, s->tool_reason);
	if (!b.src)
		strv_add(&b.p->notes, "no source: the dump does not say the database's owner, settings and grants, nor the roles; see to them yourself");
	note_tunnels(&b);
	b.p->bytes = b.src ? b.src->tables_bytes : 0;
	if (!b.o->dump_only)
		plan_target(&b, &as_if);
	if (b.m->method == METHOD_SUBSCRIPTION)
		plan_followed_copy(&b);
	else
		plan_copy(&b);
	place_commands(&b);
	*out = b.p;
	return ERR_OK;
}
