/* Checks of what a dump needs on the source and a restore on the target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks/groups.h"
#include "pg/foreign.h"

#define SRC(s) ((s)->facts[SIDE_SOURCE])
#define DST(s) ((s)->facts[SIDE_TARGET])

static bool schema_in_scope(const struct dump_options *o, const char *schema)
{
	return (o->schemas.n == 0 || strv_has(&o->schemas, schema)) && !strv_has(&o->exclude_schemas, schema);
}

static bool in_scope(const struct survey *s, const struct fact_table *t)
{
	return !t->extension && !t->left_out && schema_in_scope(&s->m->dump, t->schema);
}

static void add_table(struct finding *f, const struct fact_table *t)
{
	struct str n = {0};

	sql_qualified(&n, t->schema, t->name);
	strv_take(&f->names, str_take(&n));
}

void check_tools(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "the client tools fit");
	finding_print(&f->found, "%s", s->tool_reason ? s->tool_reason : "");
	if (s->tool || (!SRC(s) && !DST(s)))
		return;
	finding_is(f, VERDICT_BLOCK, "no fitting pg_dump, pg_restore and vacuumdb");
	finding_print(&f->needed, "a version not older than the source, best the target's");
	finding_print(&f->fix, "install the package postgresql-client-%d, or name the folder of the tools in [tools] bindir",
		      DST(s) ? facts_major(DST(s)) : facts_major(SRC(s)));
}

void check_tools_newer(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "the tools are not newer than the target");
	if (!s->tool || !DST(s) || s->tool->version_num / 10000 <= facts_major(DST(s)))
		return;
	finding_is(f, VERDICT_INFO, "the tools are newer than the target: %s for %s", s->tool->version, DST(s)->version);
	finding_print(&f->why, "they may set parameters that the target does not know; such complaints are listed as harmless");
	finding_print(&f->fix, "install postgresql-client-%d to avoid them", facts_major(DST(s)));
}

void check_compress(const struct survey *s, struct finding *f)
{
	const char *c = s->m->dump.compress;

	finding_is(f, VERDICT_OK, "pg_dump can compress as asked");
	if (!c || !s->tool || str_eq(c, "none") || str_starts(c, "gzip") || (str_starts(c, "lz4") && s->tool->lz4) ||
	    (str_starts(c, "zstd") && s->tool->zstd))
		return;
	finding_is(f, VERDICT_BLOCK, "this pg_dump cannot compress with %s", c);
	finding_print(&f->found, "pg_dump %s", s->tool->version);
	finding_print(&f->fix, "choose gzip, or use a pg_dump 16 or newer that was built with it");
}

/*
 * Made by the interrupted attempt, even when it was let go already: the last step says that before the attempt ends. Nothing
 * is restored beside somebody else's work even so: the run looks again just before rows arrive.
 */
static bool ours(const struct survey *s, const char *kind)
{
	return model_left(s->unfinished, kind, s->m->end[SIDE_TARGET].dbname, DST(s)->system_identifier) != NULL;
}

/* By whatever address: the cluster's own number, and the name. */
static bool is_the_source(const struct survey *s)
{
	const struct facts *a = s->facts[SIDE_SOURCE], *b = DST(s);

	return a && b && a->system_identifier && str_eq(a->system_identifier, b->system_identifier) &&
	       str_eq(s->m->end[SIDE_SOURCE].dbname, s->m->end[SIDE_TARGET].dbname);
}

/* Not only ours when somebody else has a table there: the plan asks before it drops that. */
static void holds_ours(const struct survey *s, struct finding *f)
{
	char n[48];

	finding_is(f, VERDICT_INFO, "the target database holds what the interrupted attempt restored");
	finding_print(&f->found, "%s", fmt_things(n, sizeof n, DST(s)->n_user_objects, "object"));
	finding_print(&f->fix, "nothing to do: the plan says what becomes of it");
	foreign_names(SRC(s), DST(s), &f->names);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_WARN, "the target database holds more than the interrupted attempt restored");
	finding_print(&f->found, "%s, %zu of them not on the source, so somebody else's", n, f->names.n);
	finding_print(&f->why, "when the plan makes the database anew, they go with it, and are nowhere else");
	finding_print(&f->fix, "save what somebody needs first (pg_dump --table), or move it to another database; the database's name has to be typed before it is dropped");
}

/* Whoever starts it again may not know that it ended well, and that the target is in use since. */
static void is_done(const struct survey *s, struct finding *f)
{
	char n[48];

	finding_is(f, VERDICT_BLOCK, "this migration is done: the target database %s may be in use", s->m->end[SIDE_TARGET].dbname);
	finding_print(&f->found, "%s; %s in it", s->done, fmt_things(n, sizeof n, DST(s)->n_user_objects, "object"));
	finding_print(&f->needed, "nothing, when it is as it should be: pgusher verify compares both sides again");
	finding_print(&f->why, "what was written to the target since is nowhere else");
	finding_print(&f->fix, "only to migrate anew: choose another target; or drop this one with everything in it, which asks for its name");
}

void check_target_empty(const struct survey *s, struct finding *f)
{
	const struct facts *t = DST(s);
	const char *db = s->m->end[SIDE_TARGET].dbname;
	struct str sql = {0};
	char n[48];

	finding_is(f, VERDICT_OK, t && t->db_exists ? "the target database is empty" : "the target database does not exist yet");
	if (!t || !t->db_exists || t->n_user_objects == 0)
		return;
	if (ours(s, "content") || ours(s, "database")) {
		holds_ours(s, f);
		return;
	}
	finding_is(f, VERDICT_BLOCK, "the target database %s is not empty", db);
	finding_print(&f->found, "%s, among them %s", fmt_things(n, sizeof n, t->n_user_objects, "object"), t->sample_object ? t->sample_object : "functions or types");
	finding_print(&f->needed, "an empty database, or none");
	finding_print(&f->why, "a restore into it would mix two databases");
	if (is_the_source(s)) { /* no key may drop what is to be moved */
		finding_print(&f->fix, "choose another target: this one is the source itself");
		return;
	}
	if (s->connect[SIDE_SOURCE].code != ERR_OK) {
		finding_print(&f->fix, "choose another target; or let the source be reached first: whether the target was cut over to is for it to say");
		return;
	}
	if (moved_back(s)) {
		finding_print(&f->fix, "it was rolled back, and has what the source had then: pgusher finalize first; then this check offers to drop it");
		return;
	}
	if (moved_already(s)) {
		finding_print(&f->fix, "the source refuses writes, or says that it was cut over: the target may be the primary, and its rows may be nowhere else. Choose another target");
		return;
	}
	finding_print(&f->fix, "choose another target; or drop it with everything in it, which asks for its name");
	if (s->done)
		is_done(s, f);
	str_add(&sql, "DROP DATABASE ");
	sql_ident(&sql, db);
	if (t->version_num >= 130000)
		str_add(&sql, " WITH (FORCE)");
	f->fix_sql = str_take(&sql);
	f->fix_side = SIDE_TARGET;
	f->fix_maintenance = true;
	xreplace(&f->fix_confirm, db);
}

void check_createdb(const struct survey *s, struct finding *f)
{
	const struct facts *t = DST(s);

	finding_is(f, VERDICT_OK, "our role may create the target database");
	if (!t || t->db_exists || t->super || t->createdb)
		return;
	finding_is(f, VERDICT_BLOCK, "our role may not create the target database");
	finding_print(&f->found, "%s has no CREATEDB", t->role);
	finding_print(&f->fix, "as a superuser of the target: ALTER ROLE ... CREATEDB, or create the database there from template0");
}

/* Before 15 a database had libc only. */
static const char *provider(const struct facts *f)
{
	return str_eq(f->locale_provider, "i") ? "icu" : str_eq(f->locale_provider, "b") ? "builtin" : "libc";
}

static bool same_provider(const struct facts *a, const struct facts *b)
{
	return provider(a) == provider(b) && str_eq(a->icu_locale ? a->icu_locale : "", b->icu_locale ? b->icu_locale : "") &&
	       str_eq(a->icu_rules ? a->icu_rules : "", b->icu_rules ? b->icu_rules : "");
}

void check_locale(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s), *b = DST(s);

	finding_is(f, VERDICT_OK, "encoding and locale of the target database are the source's");
	if (!a || !b || !b->db_exists)
		return;
	if (!str_eq(a->encoding, b->encoding)) {
		bool sure = str_eq(b->encoding, "UTF8") && !str_eq(a->encoding, "SQL_ASCII");
		finding_is(f, sure ? VERDICT_WARN : VERDICT_BLOCK, "encodings differ: %s and %s", a->encoding, b->encoding);
		finding_print(&f->why, sure ? "text will be converted; checksums are taken after it, and still compare" : "not every character has a place in the target's encoding");
		finding_print(&f->fix, "drop the empty target database: it is then created with the source's encoding");
	} else if (!same_provider(a, b)) {
		finding_is(f, VERDICT_WARN, "locale providers differ: %s %s and %s %s", provider(a), a->icu_locale ? a->icu_locale : a->collate,
			   provider(b), b->icu_locale ? b->icu_locale : b->collate);
		finding_print(&f->why, "text sorts differently: ORDER BY, ranges, and unique indexes over case conversions may behave differently");
		finding_print(&f->fix, "drop the empty target database: it is then created with the source's locale; or accept it");
	} else if (!str_eq(a->collate, b->collate) || !str_eq(a->ctype, b->ctype)) {
		finding_is(f, VERDICT_WARN, "locales differ: %s/%s and %s/%s", a->collate, a->ctype, b->collate, b->ctype);
		finding_print(&f->why, "text sorts differently: ORDER BY, ranges, and unique indexes over case conversions may behave differently");
		finding_print(&f->fix, "drop the empty target database: it is then created with the source's locale; or accept it");
	}
}

void check_roles(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s), *b = DST(s);
	size_t hashless = 0;

	finding_is(f, VERDICT_OK, "all roles are there");
	if (!a || !b)
		return;
	for (size_t i = 0; i < a->n_roles; i++) {
		const struct fact_role *r = &a->roles[i];
		if (!r->needed || facts_role(b, r->name))
			continue;
		strv_add(&f->names, r->name);
		hashless += r->login && !a->hashes_readable;
	}
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_INFO, "%zu role%s will be created on the target", f->names.n, f->names.n == 1 ? "" : "s");
	if (!b->super && !b->createrole) {
		finding_is(f, VERDICT_BLOCK, "our role may not create roles on the target");
		finding_print(&f->found, "%s has no CREATEROLE; missing", b->role);
		finding_print(&f->why, "owners and grants of these roles would be lost");
		finding_print(&f->fix, "as a superuser of the target: ALTER ROLE ... CREATEROLE, or create these roles there");
	} else if (hashless > 0) {
		finding_is(f, VERDICT_WARN, "%zu login role%s will come without a password", hashless, hashless == 1 ? "" : "s");
		finding_print(&f->found, "%s may not read password hashes on the source", a->role);
		finding_print(&f->why, "applications cannot log in on the target until the passwords are set there");
		finding_print(&f->fix, "connect to the source as a superuser, or set the passwords on the target afterwards (\\password)");
	}
}

void check_extensions(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s), *b = DST(s);
	size_t missing = 0, refused = 0;

	finding_is(f, VERDICT_OK, "all extensions are available on the target");
	if (!a || !b)
		return;
	for (size_t i = 0; i < a->n_extensions; i++) {
		const struct fact_extension *e = &a->extensions[i], *t = facts_extension(b, e->name);
		if (!e->installed || str_eq(e->name, "plpgsql"))
			continue;
		bool gone = !t || (!t->available && !t->installed), no = !gone && !b->super && !t->trusted && !t->installed;
		missing += gone;
		refused += no;
		if (gone || no)
			strv_addf(&f->names, "%s %s%s", e->name, e->version, gone ? "" : " (needs a superuser)");
	}
	if (missing + refused == 0)
		return;
	finding_is(f, VERDICT_BLOCK, missing ? "extensions are missing on the target" : "extensions need a superuser on the target");
	finding_print(&f->found, "%s", missing ? "not available" : "not allowed to our role");
	finding_print(&f->why, "tables, columns and functions that use them could not be created");
	finding_print(&f->fix, missing ? "install their packages on the target server (on every node of a cluster)"
				       : "as a superuser of the target, create them in the target database beforehand");
}

void check_superuser_objects(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "nothing in it needs a superuser on the target");
	if (!SRC(s) || !DST(s) || DST(s)->super)
		return;
	size_t n = finding_objects(f, SRC(s), "untrusted language") + finding_objects(f, SRC(s), "event trigger");
	if (n == 0)
		return;
	finding_is(f, VERDICT_WARN, "objects that only a superuser may create");
	finding_print(&f->found, "%s is no superuser on the target", DST(s)->role);
	finding_print(&f->fix, "connect to the target as a superuser; or accept it: they will be listed after the restore");
}

void check_tablespaces(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "no tablespace is missing");
	if (!SRC(s) || !DST(s))
		return;
	for (size_t i = 0; i < SRC(s)->n_objects; i++) {
		const struct fact_object *o = &SRC(s)->objects[i];
		if (str_eq(o->kind, "tablespace") && !strv_has(&DST(s)->tablespaces, o->name))
			strv_addf(&f->names, "%s (%s)", o->name, o->detail ? o->detail : "");
	}
	const char *own = SRC(s)->db_tablespace;
	if (!str_empty(own) && !str_eq(own, "pg_default") && !strv_has(&DST(s)->tablespaces, own))
		strv_addf(&f->names, "%s (the database itself)", own);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_WARN, "tablespaces are missing on the target");
	finding_print(&f->why, "everything goes to the target's default tablespace then");
	finding_print(&f->fix, "create them there first (CREATE TABLESPACE ... LOCATION ...); or accept it");
}

void check_target_settings(const struct survey *s, struct finding *f)
{
	const struct facts *t = DST(s);
	const struct fact_setting *wal = t ? facts_setting(t, "max_wal_size") : NULL;

	finding_is(f, VERDICT_OK, "the target's settings suit a restore");
	if (!wal || atoll(wal->value) >= 1024) /* MB */
		return;
	finding_is(f, VERDICT_INFO, "max_wal_size of the target is small: %s MB", wal->value);
	finding_print(&f->why, "the restore will force checkpoints and take longer");
	finding_print(&f->fix, "for the time of the restore: ALTER SYSTEM SET max_wal_size = '4GB', then SELECT pg_reload_conf()");
}

/* pg_dump reads sequences and, when no schemas are chosen, large objects too. */
static void add_unreadable(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);
	const struct dump_options *o = &s->m->dump;

	for (size_t i = 0; i < a->n_objects; i++) {
		const struct fact_object *x = &a->objects[i];
		if (str_eq(x->kind, "unreadable sequence") && schema_in_scope(o, x->detail))
			strv_addf(&f->names, "sequence %s", x->name);
		if (str_eq(x->kind, "unreadable large objects") && o->schemas.n == 0)
			strv_add(&f->names, x->name);
	}
}

void check_readable(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "our role may read every table");
	if (!a || a->super)
		return;
	for (size_t i = 0; i < a->n_tables; i++)
		if (in_scope(s, &a->tables[i]) && !a->tables[i].selectable && a->tables[i].kind != 'm')
			add_table(f, &a->tables[i]);
	size_t tables = f->names.n;
	add_unreadable(s, f);
	if (f->names.n == 0)
		return;
	if (tables > 0)
		finding_is(f, VERDICT_BLOCK, "our role may not read %zu table%s", tables, tables == 1 ? "" : "s");
	else
		finding_is(f, VERDICT_BLOCK, "our role may not read everything that is dumped");
	finding_print(&f->found, "no SELECT for %s on", a->role);
	finding_print(&f->why, "pg_dump stops at the first object that it may not read");
	finding_print(&f->fix, a->version_num >= 140000 ? "as a superuser of the source: GRANT pg_read_all_data TO our role (large objects: GRANT SELECT ON LARGE OBJECT); or connect as the owner"
							: "as a superuser of the source: GRANT SELECT ON ALL TABLES (and SEQUENCES) IN SCHEMA ... TO our role; or connect as the owner");
}

void check_row_security(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "row security hides nothing from us");
	for (size_t i = 0; a && i < a->n_tables; i++)
		if (in_scope(s, &a->tables[i]) && a->tables[i].rowsecurity)
			add_table(f, &a->tables[i]);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_BLOCK, "row security would hide rows from our role");
	finding_print(&f->found, "policies are active on");
	finding_print(&f->why, "pg_dump refuses to read a part of the rows as if it were all");
	finding_print(&f->fix, "as a superuser of the source: ALTER ROLE ... BYPASSRLS, or connect as a superuser");
}

void check_source_standby(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "the source is a primary");
	if (!a || !a->in_recovery)
		return;
	finding_is(f, VERDICT_WARN, "the source is a standby");
	finding_print(&f->why, "it may cancel a long dump because of replay conflicts, and it may lag behind its primary");
	finding_print(&f->fix, "use the primary; or accept it, with hot_standby_feedback = on or a large max_standby_streaming_delay");
}

void check_invalid(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "indexes and constraints are valid");
	if (!SRC(s))
		return;
	size_t indexes = finding_objects(f, SRC(s), "invalid index"), constraints = finding_objects(f, SRC(s), "not valid constraint");
	if (indexes + constraints == 0)
		return;
	finding_is(f, VERDICT_INFO, "invalid indexes or constraints that are not validated");
	finding_print(&f->found, "%zu, %zu", indexes, constraints);
	finding_print(&f->why, "pg_dump leaves invalid indexes out; constraints NOT VALID stay so");
	finding_print(&f->fix, "REINDEX or drop the indexes, VALIDATE CONSTRAINT, when they matter");
}

void check_removed(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "no feature is used that newer versions removed");
	if (!SRC(s) || !DST(s))
		return;
	size_t bad = 0;
	if (facts_major(DST(s)) >= 12)
		bad += finding_objects(f, SRC(s), "removed type");
	if (facts_major(DST(s)) >= 14)
		bad += finding_objects(f, SRC(s), "postfix operator");
	if (bad > 0) {
		finding_is(f, VERDICT_BLOCK, "the target's version no longer knows these");
		finding_print(&f->found, "removed types or operators");
		finding_print(&f->fix, "change the columns to timestamptz or interval, the operators to prefix ones or functions, on the source first");
	} else if (facts_major(DST(s)) >= 12 && finding_objects(f, SRC(s), "table with oids") > 0) {
		finding_is(f, VERDICT_WARN, "tables WITH OIDS lose their oid column");
		finding_print(&f->why, "the target's version has no such column; an application that reads it breaks");
		finding_print(&f->fix, "ALTER TABLE ... SET WITHOUT OIDS on the source when nothing reads it; or accept it");
	}
}

void check_prepared(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "no prepared transaction is open");
	if (!SRC(s) || finding_objects(f, SRC(s), "prepared transaction") == 0)
		return;
	finding_is(f, VERDICT_WARN, "prepared transactions are open on the source");
	finding_print(&f->why, "what they hold is not in the dump, and is lost when they commit on the source later");
	finding_print(&f->fix, "COMMIT PREPARED or ROLLBACK PREPARED each of them; or accept it");
}

void check_foreign(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "no foreign tables");
	if (!SRC(s) || finding_objects(f, SRC(s), "foreign table") == 0)
		return;
	finding_is(f, VERDICT_INFO, "foreign tables come without their rows");
	finding_print(&f->why, "their rows lie elsewhere; the target must be able to reach that server, and is not compared");
	finding_print(&f->fix, "check that the target reaches the foreign servers; user mappings with passwords come along only for a superuser");
}

void check_publications(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "no publications or subscriptions");
	if (!SRC(s))
		return;
	size_t n = finding_objects(f, SRC(s), "publication") + finding_objects(f, SRC(s), "subscription");
	if (n == 0)
		return;
	finding_is(f, VERDICT_WARN, "publications and subscriptions are left out");
	finding_print(&f->why, "on the target they would feed or follow others at once; who replicates from the source has to be moved by hand");
	finding_print(&f->fix, "create them on the target when the applications have moved");
}

void check_collations(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "the source's collations are as its indexes were built");
	if (!a)
		return;
	bool db = a->collversion && a->collversion_actual && !str_eq(a->collversion, a->collversion_actual);
	if (finding_objects(f, a, "collation version") == 0 && !db)
		return;
	finding_is(f, VERDICT_WARN, "the source's collations have changed under its indexes");
	finding_print(&f->found, db ? "the database was made with version %s, the system now has %s" : "recorded and present versions differ",
		      db ? a->collversion : "", db ? a->collversion_actual : "");
	finding_print(&f->why, "unique indexes may have let duplicates in; these fail to restore, and are listed then");
	finding_print(&f->fix, "REINDEX on the source finds them beforehand, ALTER %s ... REFRESH VERSION says that it was done; or accept it",
		      db ? "DATABASE" : "COLLATION");
}

void check_matviews(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "materialized views are refreshed by the restore");
	for (size_t i = 0; a && i < a->n_tables; i++)
		if (in_scope(s, &a->tables[i]) && a->tables[i].kind == 'm')
			add_table(f, &a->tables[i]);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_INFO, "%zu materialized view%s will be filled anew", f->names.n, f->names.n == 1 ? "" : "s");
	finding_print(&f->why, "their content is computed from the copied tables, and is not compared");
}

void check_disk(const struct survey *s, struct finding *f)
{
	char need[32], have[32];
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, s->dump_dir ? "the dump file has room" : "no dump file is written");
	if (s->use_file_wrong) {
		finding_is(f, VERDICT_BLOCK, "the dump cannot be restored: %s", s->use_file_wrong);
		finding_print(&f->found, "%s", s->m->dump.use_file);
		finding_print(&f->fix, "name a file or folder that pg_dump wrote in custom or directory format (use_file)");
	}
	if (!a || !s->dump_dir)
		return;
	if (!s->dump_dir_writable) {
		finding_is(f, VERDICT_BLOCK, "the folder for the dump cannot be written");
		finding_print(&f->found, "%s", s->dump_dir);
		finding_print(&f->fix, "choose another folder (dir), or change its rights");
		return;
	}
	int64_t want = a->tables_bytes + (a->large_object_bytes > 0 ? a->large_object_bytes : 0);
	finding_print(&f->found, "%s free in %s", fmt_bytes(have, sizeof have, (double)s->dump_dir_free), s->dump_dir);
	finding_print(&f->needed, "up to %s without compression", fmt_bytes(need, sizeof need, (double)want));
	if (s->dump_dir_free < 0 || s->dump_dir_free > want)
		return;
	bool hopeless = s->dump_dir_free < want / 10;
	finding_is(f, hopeless ? VERDICT_BLOCK : VERDICT_WARN, hopeless ? "the dump file has no room" : "the dump file may not have room");
	finding_print(&f->why, "a compressed dump is often a fifth of the tables, sometimes as large");
	finding_print(&f->fix, "choose another folder (dir), free space, or use transfer = stream, which needs none");
}

void check_schemas(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);
	const struct strv *lists[] = {&s->m->dump.schemas, &s->m->dump.exclude_schemas};

	finding_is(f, VERDICT_OK, s->m->dump.schemas.n + s->m->dump.exclude_schemas.n ? "the chosen schemas exist" : "all schemas are moved");
	for (int k = 0; a && k < 2; k++)
		for (size_t i = 0; i < lists[k]->n; i++)
			if (!strv_has(&a->schemas, lists[k]->v[i]))
				strv_add(&f->names, lists[k]->v[i]);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_BLOCK, "schemas that do not exist on the source");
	finding_print(&f->fix, "correct schemas and exclude_schemas; names are exact, upper and lower case matter");
}
