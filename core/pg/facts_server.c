/* The server, our role, the database itself, settings, extensions. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pg/facts_in.h"

static enum err_code read_identity(struct facts *f, struct session *s, struct err *err)
{
	static const char sql[] =
		"SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
		" host(inet_server_addr()), coalesce(inet_server_port(), 0), host(inet_client_addr()), pg_postmaster_start_time(),"
		" pg_backend_pid(), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
		" current_user, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil,"
		" (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL), current_setting('max_connections'),"
		" current_setting('superuser_reserved_connections')"
		" FROM pg_roles r WHERE r.rolname = current_user";
	PGresult *r;
	int64_t before = clock_wall_us();
	enum err_code rc = session_exec(s, sql, 0, NULL, FACTS_MS, &r, err);

	if (rc != ERR_OK)
		return rc;
	f->version_num = session_version(s);
	f->version = cell_dup(r, 0, 0);
	if (f->version)
		f->version[strcspn(f->version, " ")] = '\0';
	f->in_recovery = cell_bool(r, 0, 1);
	f->read_only = cell_bool(r, 0, 2);
	f->server_addr = cell_dup(r, 0, 3);
	f->server_port = (int)cell_i64(r, 0, 4);
	f->client_addr = cell_dup(r, 0, 5);
	f->postmaster_start = cell_dup(r, 0, 6);
	f->backend_pid = (int)cell_i64(r, 0, 7);
	f->pooler = f->backend_pid != session_backend_pid(s); /* a pooler makes up the pid that it tells its clients */
	f->clock_skew_us = cell_i64(r, 0, 8) - (before + clock_wall_us()) / 2;
	f->role = cell_dup(r, 0, 9);
	f->super = cell_bool(r, 0, 10);
	f->createrole = cell_bool(r, 0, 11);
	f->createdb = cell_bool(r, 0, 12);
	f->replication = cell_bool(r, 0, 13);
	f->bypassrls = cell_bool(r, 0, 14);
	f->role_connlimit = (int)cell_i64(r, 0, 15);
	f->role_valid_until = cell_dup(r, 0, 16);
	f->connections = (int)cell_i64(r, 0, 17);
	f->max_connections = (int)cell_i64(r, 0, 18);
	f->reserved_connections = (int)cell_i64(r, 0, 19);
	f->ssl = PQsslInUse(session_conn(s)) != 0;
	f->password_asked = PQconnectionUsedPassword(session_conn(s)) != 0;
	f->ssl_version = xstrdup(PQsslAttribute(session_conn(s), "protocol"));
	PQclear(r);
	return ERR_OK;
}

static enum err_code read_rights(struct facts *f, struct session *s, struct err *err)
{
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "memberships of this role",
		"SELECT rolname, pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname IN ('pg_monitor', 'pg_signal_backend', 'pg_read_all_data')",
		0, NULL, &r, err);

	for (int i = 0; r && i < PQntuples(r); i++) {
		bool has = cell_bool(r, i, 1);
		f->monitor |= has && str_eq(cell(r, i, 0), "pg_monitor");
		f->signal_backend |= has && str_eq(cell(r, i, 0), "pg_signal_backend");
		f->read_all_data |= has && str_eq(cell(r, i, 0), "pg_read_all_data");
	}
	PQclear(r);
	if (rc != ERR_OK)
		return rc;
	rc = facts_ask(f, s, "system identifier", "SELECT system_identifier FROM pg_control_system()", 0, NULL, &r, err);
	if (r && PQntuples(r) > 0)
		f->system_identifier = cell_dup(r, 0, 0);
	PQclear(r);
	return rc;
}

static enum err_code read_settings(struct facts *f, struct session *s, struct err *err)
{
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "settings", "SELECT name, setting, unit, context, pending_restart FROM pg_settings", 0, NULL, &r, err);

	if (!r)
		return rc;
	f->n_settings = (size_t)PQntuples(r);
	f->settings = xcalloc(f->n_settings + 1, sizeof *f->settings);
	for (size_t i = 0; i < f->n_settings; i++)
		f->settings[i] = (struct fact_setting){.name = cell_dup(r, (int)i, 0), .value = cell_dup(r, (int)i, 1), .unit = cell_dup(r, (int)i, 2),
						       .context = cell_dup(r, (int)i, 3), .pending_restart = cell_bool(r, (int)i, 4)};
	PQclear(r);
	return ERR_OK;
}

static enum err_code read_names(struct facts *f, struct session *s, const char *what, const char *sql, struct strv *out, struct err *err)
{
	PGresult *r;
	enum err_code rc = facts_ask(f, s, what, sql, 0, NULL, &r, err);

	for (int i = 0; r && i < PQntuples(r); i++)
		strv_add(out, cell(r, i, 0));
	PQclear(r);
	return rc;
}

/* Column names moved: daticulocale came with 15, datlocale replaced it in 17, daticurules came with 16. */
static char *database_sql(int v)
{
	return xasprintf("SELECT pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, %s, %s, %s, %s, %s,"
			 " shobj_description(d.oid, 'pg_database'), t.spcname, d.datconnlimit, d.datallowconn,"
			 " CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) ELSE -1 END, d.datacl IS NOT NULL"
			 " FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1",
			 v >= 150000 ? "d.datlocprovider" : "NULL", v >= 170000 ? "d.datlocale" : v >= 150000 ? "d.daticulocale" : "NULL",
			 v >= 160000 ? "d.daticurules" : "NULL", v >= 150000 ? "d.datcollversion" : "NULL",
			 v >= 150000 ? "pg_database_collation_actual_version(d.oid)" : "NULL");
}

static enum err_code read_database(struct facts *f, struct session *s, const char *dbname, struct err *err)
{
	const char *params[] = {dbname};
	char *sql = database_sql(f->version_num);
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "database", sql, 1, params, &r, err);

	free(sql);
	if (!r)
		return rc;
	f->db_exists = PQntuples(r) > 0;
	if (f->db_exists) {
		char **slots[] = {&f->db_owner, &f->encoding, &f->collate, &f->ctype, &f->locale_provider, &f->icu_locale, &f->icu_rules,
				  &f->collversion, &f->collversion_actual, &f->db_comment, &f->db_tablespace};
		for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
			*slots[i] = cell_dup(r, 0, (int)i);
		f->db_connlimit = (int)cell_i64(r, 0, 11);
		f->db_allow_conn = cell_bool(r, 0, 12);
		f->db_bytes = cell_i64(r, 0, 13);
		f->db_has_acl = cell_bool(r, 0, 14);
	}
	PQclear(r);
	return ERR_OK;
}

static enum err_code read_database_acl(struct facts *f, struct session *s, const char *dbname, struct err *err)
{
	const char *params[] = {dbname};
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "grants on the database",
		"SELECT CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, pg_get_userbyid(a.grantor), a.is_grantable"
		" FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = $1", 1, params, &r, err);

	if (!r)
		return rc;
	f->n_db_acl = (size_t)PQntuples(r);
	f->db_acl = xcalloc(f->n_db_acl + 1, sizeof *f->db_acl);
	for (size_t i = 0; i < f->n_db_acl; i++)
		f->db_acl[i] = (struct fact_acl){.grantee = xstrdup(cell(r, (int)i, 0)), .privilege = cell_dup(r, (int)i, 1),
						 .grantor = cell_dup(r, (int)i, 2), .grantable = cell_bool(r, (int)i, 3)};
	PQclear(r);
	rc = facts_ask(f, s, "settings of the database",
		"SELECT x FROM pg_db_role_setting s, unnest(s.setconfig) x WHERE s.setrole = 0"
		" AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = $1)", 1, params, &r, err);
	for (int i = 0; r && i < PQntuples(r); i++)
		strv_add(&f->db_settings, cell(r, i, 0));
	PQclear(r);
	return rc;
}

/* Of the source what is installed; of the target everything it could install. trusted came with 13. */
static enum err_code read_extensions(struct facts *f, struct session *s, struct err *err)
{
	char *sql = xasprintf("SELECT coalesce(e.extname, a.name), coalesce(e.extversion, a.default_version), n.nspname, e.extname IS NOT NULL,"
			      " a.name IS NOT NULL, %s, ARRAY(SELECT v.version FROM pg_available_extension_versions v WHERE v.name = a.name)"
			      " FROM pg_available_extensions a FULL JOIN pg_extension e ON e.extname = a.name"
			      " LEFT JOIN pg_namespace n ON n.oid = e.extnamespace WHERE $1 OR e.extname IS NOT NULL ORDER BY e.oid NULLS LAST, 1",
			      f->version_num >= 130000 ? "coalesce((SELECT bool_or(v.trusted) FROM pg_available_extension_versions v"
							 " WHERE v.name = a.name AND v.version = a.default_version), false)" : "false");
	const char *params[] = {f->side == SIDE_TARGET ? "t" : "f"};
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "extensions", sql, 1, params, &r, err);

	free(sql);
	if (!r)
		return rc;
	f->n_extensions = (size_t)PQntuples(r);
	f->extensions = xcalloc(f->n_extensions + 1, sizeof *f->extensions);
	for (size_t i = 0; i < f->n_extensions; i++) {
		struct fact_extension *e = &f->extensions[i];
		*e = (struct fact_extension){.name = cell_dup(r, (int)i, 0), .version = cell_dup(r, (int)i, 1), .schema = cell_dup(r, (int)i, 2),
					     .installed = cell_bool(r, (int)i, 3), .available = cell_bool(r, (int)i, 4), .trusted = cell_bool(r, (int)i, 5)};
		facts_array(&e->versions, cell(r, (int)i, 6));
	}
	PQclear(r);
	return ERR_OK;
}

enum err_code facts_read_server(struct facts *f, struct session *s, const char *dbname, struct err *err)
{
	enum err_code rc = read_identity(f, s, err);

	if (rc == ERR_OK)
		rc = read_rights(f, s, err);
	if (rc == ERR_OK)
		rc = read_settings(f, s, err);
	if (rc == ERR_OK)
		rc = read_names(f, s, "databases", "SELECT datname FROM pg_database", &f->databases, err);
	if (rc == ERR_OK)
		rc = read_names(f, s, "tablespaces", "SELECT spcname FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')", &f->tablespaces, err);
	if (rc == ERR_OK)
		rc = read_database(f, s, dbname, err);
	if (rc == ERR_OK && f->db_exists)
		rc = read_database_acl(f, s, dbname, err);
	if (rc == ERR_OK)
		rc = read_extensions(f, s, err);
	return rc;
}
