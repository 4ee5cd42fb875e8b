#include "pg/facts.h"

#include <stdlib.h>
#include <string.h>

#include "pg/facts_in.h"
#include "pg/foreign.h"

#define LOCK_WAIT "3s"

enum err_code facts_ask(struct facts *f, struct session *s, const char *what, const char *sql, int n, const char *const *params,
			PGresult **res, struct err *err)
{
	enum err_code rc = session_exec(s, sql, n, params, FACTS_MS, res, err);

	if (rc != ERR_SQL && rc != ERR_TIMEOUT)
		return rc;
	strv_addf(&f->unseen, "%s: %s", what, err->msg);
	*res = NULL;
	/* inside a transaction the next question needs a way back */
	if (PQtransactionStatus(session_conn(s)) == PQTRANS_INERROR)
		return session_run(s, "ROLLBACK TO SAVEPOINT facts", err);
	return ERR_OK;
}

void facts_array(struct strv *out, const char *p)
{
	struct str item = {0};

	if (*p == '{')
		p++;
	while (*p && *p != '}') {
		bool quoted = *p == '"';
		p += quoted;
		while (*p && (quoted ? *p != '"' : *p != ',' && *p != '}')) {
			if (*p == '\\' && p[1])
				p++;
			str_addc(&item, *p++);
		}
		p += quoted && *p;
		p += *p == ',';
		strv_add(out, str_text(&item));
		str_clear(&item);
	}
	str_fini(&item);
}

enum err_code facts_read(struct facts **out, struct session *s, enum side side, const char *dbname, struct err *err)
{
	struct facts *f = xcalloc(1, sizeof *f);

	*out = NULL;
	f->side = side;
	f->large_object_bytes = -1;
	f->db_exists = str_eq(dbname, PQdb(session_conn(s)));
	/* an ALTER TABLE, or a session forgotten in its transaction, may hold what is asked for: then that is unseen, the rest is not */
	enum err_code rc = session_run(s, "SET lock_timeout = '" LOCK_WAIT "'", err);
	if (rc == ERR_OK)
		rc = facts_read_server(f, s, dbname, err);
	if (rc == ERR_OK)
		rc = facts_read_roles(f, s, dbname, err);
	if (rc == ERR_OK)
		rc = facts_read_replication(f, s, err);
	if (rc == ERR_OK && f->db_exists)
		rc = facts_read_tables(f, s, err);
	if (rc == ERR_OK && f->db_exists)
		rc = facts_read_objects(f, s, err);
	if (rc == ERR_OK && f->db_exists)
		rc = foreign_read(f, s, err);
	if (rc == ERR_OK)
		rc = session_run(s, "SET lock_timeout = 0", err);
	if (rc != ERR_OK)
		facts_free(f);
	else
		*out = f;
	return rc;
}

static enum err_code read_content(struct facts *f, struct session *s, struct err *err)
{
	enum err_code rc = facts_read_tables(f, s, err);
	bool tables = f->tables != NULL;

	if (rc == ERR_OK)
		rc = facts_read_columns(f, s, err);
	if (rc == ERR_OK && (!tables || f->columns_unread))
		return err_set(err, ERR_SQL, "the catalogue cannot be read; %s", f->unseen.n ? f->unseen.v[f->unseen.n - 1] : "no tables");
	if (rc == ERR_OK)
		rc = facts_read_objects(f, s, err);
	if (rc == ERR_OK && f->large_object_bytes < 0)
		return err_set(err, ERR_SQL, "the catalogue cannot be read; %s", f->unseen.n ? f->unseen.v[0] : "no large objects");
	return rc;
}

enum err_code facts_read_content(struct facts **out, struct session *s, const char *snapshot, struct err *err)
{
	struct facts *f = xcalloc(1, sizeof *f);
	struct str sql = {0};
	struct err ignored;

	*out = NULL;
	f->version_num = session_version(s);
	f->large_object_bytes = -1;
	f->db_exists = true;
	str_add(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ");
	sql_literal(&sql, snapshot);
	str_add(&sql, "; SET LOCAL lock_timeout = '" LOCK_WAIT "'; SAVEPOINT facts"); /* sizes can do without */
	enum err_code rc = session_run(s, str_text(&sql), err);
	str_fini(&sql);
	if (rc == ERR_OK)
		rc = read_content(f, s, err);
	if (session_alive(s))
		(void)session_run(s, "ROLLBACK", &ignored);
	if (rc == ERR_OK)
		*out = f;
	else
		facts_free(f);
	return rc;
}

static void roles_free(struct facts *f)
{
	for (size_t i = 0; i < f->n_roles; i++) {
		struct fact_role *r = &f->roles[i];
		free(r->name);
		free(r->valid_until);
		if (r->hash)
			explicit_bzero(r->hash, strlen(r->hash));
		free(r->hash);
		free(r->comment);
		strv_fini(&r->settings);
		strv_fini(&r->db_settings);
	}
	for (size_t i = 0; i < f->n_members; i++) {
		free(f->members[i].role);
		free(f->members[i].member);
		free(f->members[i].grantor);
	}
	free(f->roles);
	free(f->members);
}

static void tables_free(struct facts *f)
{
	for (size_t i = 0; i < f->n_tables; i++) {
		struct fact_table *t = &f->tables[i];
		for (int k = 0; k < t->n_columns; k++) {
			struct fact_column *c = (struct fact_column *)&t->columns[k];
			free(c->name);
			free(c->type);
			free(c->base_type);
		}
		free((void *)t->columns);
		free(t->schema);
		free(t->name);
		free(t->extension);
		free(t->condition);
		free(t->owner);
		strv_fini(&t->key);
	}
	free(f->tables);
	free(f->by_oid);
}

void facts_free(struct facts *f)
{
	if (!f)
		return;
	char *all[] = {f->version, f->system_identifier, f->server_addr, f->client_addr, f->ssl_version, f->postmaster_start, f->role,
		       f->role_valid_until, f->db_owner, f->encoding, f->collate, f->ctype, f->locale_provider, f->icu_locale, f->icu_rules,
		       f->collversion, f->collversion_actual, f->db_comment, f->db_tablespace, f->sample_object};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	for (size_t i = 0; i < f->n_settings; i++) {
		free(f->settings[i].name);
		free(f->settings[i].value);
		free(f->settings[i].unit);
		free(f->settings[i].context);
	}
	for (size_t i = 0; i < f->n_db_acl; i++) {
		free(f->db_acl[i].grantee);
		free(f->db_acl[i].privilege);
		free(f->db_acl[i].grantor);
	}
	for (size_t i = 0; i < f->n_extensions; i++) {
		free(f->extensions[i].name);
		free(f->extensions[i].version);
		free(f->extensions[i].schema);
		strv_fini(&f->extensions[i].versions);
	}
	for (size_t i = 0; i < f->n_objects; i++) {
		free(f->objects[i].kind);
		free(f->objects[i].name);
		free(f->objects[i].detail);
	}
	free(f->settings);
	free(f->db_acl);
	free(f->extensions);
	free(f->objects);
	roles_free(f);
	tables_free(f);
	struct strv *lists[] = {&f->db_settings, &f->databases, &f->tablespaces, &f->schemas, &f->relations, &f->unseen};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		strv_fini(lists[i]);
	free(f);
}

const struct fact_setting *facts_setting(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_settings; i++)
		if (strcmp(f->settings[i].name, name) == 0)
			return &f->settings[i];
	return NULL;
}

const struct fact_role *facts_role(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_roles; i++)
		if (str_eq(f->roles[i].name, name))
			return &f->roles[i];
	return NULL;
}

const struct fact_extension *facts_extension(const struct facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_extensions; i++)
		if (str_eq(f->extensions[i].name, name))
			return &f->extensions[i];
	return NULL;
}

int facts_major(const struct facts *f)
{
	return f->version_num / 10000;
}
