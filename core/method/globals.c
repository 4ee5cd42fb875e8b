#include "method/globals.h"

#include <stdlib.h>
#include <string.h>

#define EXISTS "42710"    /* duplicate_object: somebody made it meanwhile, or an earlier attempt did */
#define DB_EXISTS "42P04"

static void note(struct plan *p, const char *fmt, const char *a, const char *b)
{
	char *t = xasprintf("%s%s%s", a, fmt, b);

	strv_take(&p->notes, t);
}

/* Settings as catalogues hold them, "name=value". Lists of names (GUC_LIST_QUOTE) are no single literal: add_list. */
static bool is_list(const char *name)
{
	static const char *const lists[] = {"search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries",
					    "shared_preload_libraries", "unix_socket_directories", NULL};

	for (const char *const *l = lists; *l; l++)
		if (strcmp(*l, name) == 0)
			return true;
	return false;
}

/* The next name of a list, quoted or not, into item; returns where it ends. */
static const char *list_item(const char *p, struct str *item)
{
	if (*p != '"') {
		size_t n = strcspn(p, ", \t\n\r\f\v");
		str_addn(item, p, n);
		return p + n;
	}
	for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
		str_addc(item, *p);
		p += *p == '"';
	}
	return p + (*p == '"');
}

/*
 * As catalogues hold it: "$user", public. Mostly the server wrote the quotes, but FROM CURRENT keeps what set_config() was
 * given: nothing of it is a statement here. Each name becomes a literal.
 */
static void add_list(struct str *sql, const char *p)
{
	static const char blank[] = " \t\n\r\f\v";
	size_t n = 0;

	for (p += strspn(p, blank); *p; p += strspn(p, blank)) {
		struct str item = {0};
		p = list_item(p, &item);
		str_add(sql, n++ ? ", " : "");
		sql_literal(sql, str_text(&item));
		str_fini(&item);
		p += strspn(p, blank);
		p += *p == ',';
	}
	if (n == 0)
		str_add(sql, "''");
}

/* "name" = 'value': an extension's setting has a dot, and each part is an identifier of its own. */
static void add_setting(struct str *sql, const char *setting)
{
	const char *eq = strchr(setting, '=');
	struct strv parts = {0};

	if (!eq)
		return;
	char *name = xstrndup(setting, (size_t)(eq - setting));
	strv_split(&parts, name, ".");
	for (size_t i = 0; i < parts.n; i++) {
		if (i)
			str_addc(sql, '.');
		sql_ident(sql, parts.v[i]);
	}
	str_add(sql, " TO ");
	if (is_list(name))
		add_list(sql, eq + 1);
	else
		sql_literal(sql, eq + 1);
	strv_fini(&parts);
	free(name);
}

static bool setting_named(const char *setting, const char *name)
{
	size_t n = strlen(name);

	return strncmp(setting, name, n) == 0 && setting[n] == '=';
}

/* ---- roles ---- */

static bool may_give(const struct facts *dst, bool attribute_of_ours)
{
	return dst->super || (attribute_of_ours && dst->version_num >= 160000);
}

static void role_attributes(struct plan *p, const struct facts *dst, const struct fact_role *r, struct str *sql)
{
	struct str lost = {0};
	struct { bool has, may; const char *word; } t[] = {
		{r->super, dst->super, "SUPERUSER"},
		{r->createrole, dst->super || dst->createrole, "CREATEROLE"},
		{r->createdb, may_give(dst, dst->createdb) || (dst->createrole && dst->version_num < 160000), "CREATEDB"},
		{r->replication, may_give(dst, dst->replication), "REPLICATION"},
		{r->bypassrls, may_give(dst, dst->bypassrls), "BYPASSRLS"},
	};

	str_add(sql, r->login ? " LOGIN" : " NOLOGIN");
	if (!r->inherit)
		str_add(sql, " NOINHERIT");
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		if (t[i].has && t[i].may)
			str_addf(sql, " %s", t[i].word);
		else if (t[i].has)
			str_addf(&lost, " %s", t[i].word);
	}
	if (r->connlimit >= 0)
		str_addf(sql, " CONNECTION LIMIT %d", r->connlimit);
	if (r->valid_until) {
		str_add(sql, " VALID UNTIL ");
		sql_literal(sql, r->valid_until);
	}
	if (lost.len)
		note(p, " is created without", r->name, str_text(&lost));
	str_fini(&lost);
}

static void role_create(struct plan *p, struct step *st, const char *db, const struct facts *src, const struct facts *dst, const struct fact_role *r)
{
	struct str sql = {0};
	char *key = xasprintf("role %s", r->name), *hold = NULL;

	str_add(&sql, "CREATE ROLE ");
	sql_ident(&sql, r->name);
	role_attributes(p, dst, r, &sql);
	if (r->hash) {
		hold = plan_secret(p, key, r->hash);
		str_addf(&sql, " PASSWORD %s", hold);
	} else if (r->login && !src->hashes_readable) {
		note(p, " cannot log in on the target until its password is set there (\\password): "
			"its hash cannot be read on the source by this role", r->name, "");
	}
	struct action *a = step_sql(st, ON_TARGET, db, str_text(&sql));
	a->tolerate = xstrdup(EXISTS);
	a->left_name = xasprintf("role:%s", r->name);
	a->left_what = xstrdup("role");
	str_clear(&sql);
	str_add(&sql, "DROP ROLE IF EXISTS ");
	sql_ident(&sql, r->name);
	a->left_undo = str_take(&sql);
	if (r->comment) {
		str_add(&sql, "COMMENT ON ROLE ");
		sql_ident(&sql, r->name);
		str_add(&sql, " IS ");
		sql_literal(&sql, r->comment);
		step_sql(st, ON_TARGET, db, str_text(&sql))->on_error_note = true;
		str_clear(&sql);
	}
	for (size_t i = 0; i < r->settings.n; i++) {
		str_add(&sql, "ALTER ROLE ");
		sql_ident(&sql, r->name);
		str_add(&sql, " SET ");
		add_setting(&sql, r->settings.v[i]);
		step_sql(st, ON_TARGET, db, str_text(&sql))->on_error_note = true;
		str_clear(&sql);
	}
	str_fini(&sql);
	free(key);
	free(hold);
}

static bool has_member(const struct facts *f, const char *role, const char *member)
{
	for (size_t i = 0; i < f->n_members; i++)
		if (str_eq(f->members[i].role, role) && str_eq(f->members[i].member, member))
			return true;
	return false;
}

static bool needed(const struct facts *src, const char *name)
{
	const struct fact_role *r = facts_role(src, name);

	return r ? r->needed : str_starts(name, "pg_");
}

static void memberships(struct step *st, const char *db, const struct facts *src, const struct facts *dst)
{
	for (size_t i = 0; i < src->n_members; i++) {
		const struct fact_membership *g = &src->members[i];
		struct str sql = {0};
		if (!needed(src, g->role) || !needed(src, g->member) || has_member(dst, g->role, g->member) ||
		    str_eq(g->member, dst->role))
			continue;
		str_add(&sql, "GRANT ");
		sql_ident(&sql, g->role);
		str_add(&sql, " TO ");
		sql_ident(&sql, g->member);
		if (dst->version_num >= 160000 && (!g->inherit_option || !g->set_option))
			str_addf(&sql, " WITH ADMIN %s, INHERIT %s, SET %s", g->admin ? "TRUE" : "FALSE", g->inherit_option ? "TRUE" : "FALSE",
				 g->set_option ? "TRUE" : "FALSE");
		else if (g->admin)
			str_add(&sql, " WITH ADMIN OPTION");
		step_sql(st, ON_TARGET, db, str_text(&sql))->on_error_note = true;
		str_fini(&sql);
	}
}

/* Without superuser rights, objects can only be given to roles that we are a member of (SET, 16+). */
static void own_memberships(struct step *st, const char *db, const struct facts *src, const struct facts *dst)
{
	for (size_t i = 0; i < src->n_roles && !dst->super; i++) {
		const struct fact_role *r = &src->roles[i];
		struct str sql = {0};
		if (!r->needed || str_eq(r->name, dst->role) || has_member(dst, r->name, dst->role))
			continue;
		str_add(&sql, "GRANT ");
		sql_ident(&sql, r->name);
		str_add(&sql, " TO ");
		sql_ident(&sql, dst->role);
		step_sql(st, ON_TARGET, db, str_text(&sql))->on_error_note = true;
		str_fini(&sql);
	}
}

void globals_roles(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	const char *db = m->end[SIDE_TARGET].maintenance_db;
	struct step *st = plan_step(p, "roles", "roles that own or may use something",
		"Owners and grantees live outside the database: without them the restore would lose owners and grants.");
	size_t have = 0;

	for (size_t i = 0; i < src->n_roles; i++) {
		const struct fact_role *r = &src->roles[i];
		if (!r->needed)
			continue;
		if (facts_role(dst, r->name))
			have++;
		else
			role_create(p, st, db, src, dst, r);
	}
	memberships(st, db, src, dst);
	own_memberships(st, db, src, dst);
	if (st->n == 0)
		st->skip = have == 0 ? xstrdup("none is needed") :
			   have == 1 ? xstrdup("the one there is, is on the target already, and is left as it is") :
			   xasprintf("all %zu are on the target already, and are left as they are", have);
}

/* ---- database ---- */

static void locale_words(const struct facts *src, const struct facts *dst, struct str *sql)
{
	const char *provider = src->locale_provider ? src->locale_provider : "c";
	bool icu = str_eq(provider, "i"), builtin = str_eq(provider, "b");

	str_add(sql, " ENCODING ");
	sql_literal(sql, src->encoding);
	if (src->collate) {
		str_add(sql, " LC_COLLATE ");
		sql_literal(sql, src->collate);
	}
	if (src->ctype) {
		str_add(sql, " LC_CTYPE ");
		sql_literal(sql, src->ctype);
	}
	if (dst->version_num < 150000 || !src->locale_provider)
		return;
	/* a template of another provider lies under it: the provider is always said */
	str_addf(sql, " LOCALE_PROVIDER %s", icu ? "icu" : builtin ? "builtin" : "libc");
	if ((icu || builtin) && src->icu_locale) {
		str_add(sql, icu ? " ICU_LOCALE " : " BUILTIN_LOCALE ");
		sql_literal(sql, src->icu_locale);
	}
	if (icu && src->icu_rules && dst->version_num >= 160000) {
		str_add(sql, " ICU_RULES ");
		sql_literal(sql, src->icu_rules);
	}
}

static void database_create(struct step *st, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	const char *db = m->end[SIDE_TARGET].dbname;
	struct str sql = {0};

	str_add(&sql, "CREATE DATABASE ");
	sql_ident(&sql, db);
	if (src) {
		str_add(&sql, " OWNER ");
		sql_ident(&sql, src->db_owner);
	}
	str_add(&sql, " TEMPLATE template0");
	if (src)
		locale_words(src, dst, &sql);
	if (src && src->db_tablespace && !str_eq(src->db_tablespace, "pg_default") && strv_has(&dst->tablespaces, src->db_tablespace)) {
		str_add(&sql, " TABLESPACE ");
		sql_ident(&sql, src->db_tablespace);
	}
	if (src && src->db_connlimit >= 0)
		str_addf(&sql, " CONNECTION LIMIT %d", src->db_connlimit);
	struct action *a = step_sql(st, ON_TARGET, m->end[SIDE_TARGET].maintenance_db, str_text(&sql));
	a->own_transaction = true;
	a->tolerate = xstrdup(DB_EXISTS);
	a->left_name = xasprintf("database:%s", db);
	a->left_what = xstrdup("target database");
	str_clear(&sql);
	str_add(&sql, "DROP DATABASE IF EXISTS ");
	sql_ident(&sql, db);
	a->left_undo = str_take(&sql);
}

static void alter_db(struct step *st, const char *db, struct str *sql)
{
	step_sql(st, ON_TARGET, db, str_text(sql))->on_error_note = true;
	str_clear(sql);
}

static void database_settings(struct step *st, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	const char *db = m->end[SIDE_TARGET].dbname, *mdb = m->end[SIDE_TARGET].maintenance_db;
	struct str sql = {0};

	for (size_t i = 0; i < src->db_settings.n; i++) {
		const char *s = src->db_settings.v[i];
		/* a source frozen for the move must not freeze the target */
		if (setting_named(s, "default_transaction_read_only") || (dst->db_exists && strv_has(&dst->db_settings, s)))
			continue;
		str_add(&sql, "ALTER DATABASE ");
		sql_ident(&sql, db);
		str_add(&sql, " SET ");
		add_setting(&sql, s);
		alter_db(st, mdb, &sql);
	}
	for (size_t i = 0; i < src->n_roles; i++) {
		const struct fact_role *r = &src->roles[i], *there = facts_role(dst, r->name);
		for (size_t k = 0; k < r->db_settings.n; k++) {
			if ((!r->needed && !there) || (dst->db_exists && there && strv_has(&there->db_settings, r->db_settings.v[k])))
				continue;
			str_add(&sql, "ALTER ROLE ");
			sql_ident(&sql, r->name);
			str_add(&sql, " IN DATABASE ");
			sql_ident(&sql, db);
			str_add(&sql, " SET ");
			add_setting(&sql, r->db_settings.v[k]);
			alter_db(st, mdb, &sql);
		}
	}
	str_fini(&sql);
}

static bool has_grant(const struct facts *f, const struct fact_acl *g)
{
	for (size_t i = 0; i < f->n_db_acl; i++)
		if (str_eq(f->db_acl[i].grantee, g->grantee) && str_eq(f->db_acl[i].privilege, g->privilege) &&
		    (f->db_acl[i].grantable || !g->grantable))
			return true;
	return false;
}

static bool public_may(const struct facts *f, const char *privilege)
{
	const struct fact_acl g = {.grantee = (char *)"", .privilege = (char *)privilege};

	return !f->db_has_acl || has_grant(f, &g);
}

static void database_grants(struct step *st, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	static const char *const of_public[] = {"CONNECT", "TEMPORARY"};
	const char *db = m->end[SIDE_TARGET].dbname, *mdb = m->end[SIDE_TARGET].maintenance_db;
	static const struct facts fresh;
	const struct facts *now = dst->db_exists ? dst : &fresh;
	struct str sql = {0};

	for (size_t i = 0; i < 2; i++) {
		if (public_may(src, of_public[i]) || !public_may(now, of_public[i]))
			continue;
		str_addf(&sql, "REVOKE %s ON DATABASE ", of_public[i]);
		sql_ident(&sql, db);
		str_add(&sql, " FROM PUBLIC");
		alter_db(st, mdb, &sql);
	}
	for (size_t i = 0; i < src->n_db_acl; i++) {
		const struct fact_acl *g = &src->db_acl[i];
		bool default_public = str_empty(g->grantee) && !now->db_has_acl && !str_eq(g->privilege, "CREATE");
		if (str_eq(g->grantee, src->db_owner) || default_public || has_grant(now, g) ||
		    (!str_empty(g->grantee) && !needed(src, g->grantee)))
			continue;
		str_addf(&sql, "GRANT %s ON DATABASE ", g->privilege);
		sql_ident(&sql, db);
		str_add(&sql, " TO ");
		if (str_empty(g->grantee))
			str_add(&sql, "PUBLIC");
		else
			sql_ident(&sql, g->grantee);
		if (g->grantable)
			str_add(&sql, " WITH GRANT OPTION");
		alter_db(st, mdb, &sql);
	}
	str_fini(&sql);
}

static void database_rest(struct step *st, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	const char *db = m->end[SIDE_TARGET].dbname, *mdb = m->end[SIDE_TARGET].maintenance_db;
	struct str sql = {0};

	if (src->db_comment && !(dst->db_exists && str_eq(src->db_comment, dst->db_comment))) {
		str_add(&sql, "COMMENT ON DATABASE ");
		sql_ident(&sql, db);
		str_add(&sql, " IS ");
		sql_literal(&sql, src->db_comment);
		alter_db(st, mdb, &sql);
	}
	if (dst->db_exists && !str_eq(src->db_owner, dst->db_owner)) {
		str_add(&sql, "ALTER DATABASE ");
		sql_ident(&sql, db);
		str_add(&sql, " OWNER TO ");
		sql_ident(&sql, src->db_owner);
		alter_db(st, mdb, &sql);
	}
	str_fini(&sql);
}

void globals_database(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	struct step *st = plan_step(p, "database", "the target database",
		"Owner, encoding, locale, settings and grants of the source's database; made from template0, so that nothing foreign is in it.");

	if (!dst->db_exists)
		database_create(st, m, src, dst);
	if (src) {
		database_rest(st, m, src, dst);
		database_settings(st, m, src, dst);
		database_grants(st, m, src, dst);
	}
	if (st->n == 0)
		st->skip = xstrdup("it is there and as the source's");
}

/* ---- extensions ---- */

void globals_extensions(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	struct step *st = plan_step(p, "extensions", "extensions",
		"Created before the restore, so that one that is missing or not allowed is seen now.");

	(void)m;
	for (size_t i = 0; i < src->n_extensions; i++) {
		const struct fact_extension *e = &src->extensions[i], *there = facts_extension(dst, e->name);
		struct str sql = {0};
		if (!e->installed || str_eq(e->name, "plpgsql") || (there && there->installed && dst->db_exists) ||
		    (!str_eq(e->schema, "public") && !str_eq(e->schema, "pg_catalog")))
			continue;
		if (there && there->version && !str_eq(there->version, e->version)) {
			char *t = xasprintf("extension %s: %s on the source, %s on the target", e->name, e->version, there->version);
			strv_take(&p->notes, t);
		}
		str_add(&sql, "CREATE EXTENSION IF NOT EXISTS ");
		sql_ident(&sql, e->name);
		str_add(&sql, " SCHEMA ");
		sql_ident(&sql, e->schema);
		str_add(&sql, " CASCADE");
		step_sql(st, ON_TARGET, NULL, str_text(&sql))->on_error_note = true;
		str_fini(&sql);
	}
	if (st->n == 0)
		st->skip = xstrdup("none that has to be made beforehand");
}
