/* Roles, memberships, settings of roles, and which roles the database needs. */
#include <stdlib.h>
#include <string.h>

#include "pg/facts_in.h"

/*
 * Needed: whoever owns something in the database or is named by a grant, policy, default privilege or user mapping of it
 * (pg_shdepend says all of that; the bootstrap superuser is pinned and not in it), whoever logs in through
 * membership in one of those, and the groups that all of these belong to.
 */
#define NEEDED_SQL                                                                                                              \
	"WITH RECURSIVE db AS (SELECT oid, datdba FROM pg_database WHERE datname = $1),"                                         \
	" direct(oid) AS ("                                                                                                     \
	"  SELECT refobjid FROM pg_shdepend, db WHERE refclassid = 'pg_authid'::regclass AND deptype <> 'p'"                     \
	"   AND (dbid = db.oid OR (classid = 'pg_database'::regclass AND objid = db.oid))"                                       \
	"  UNION SELECT datdba FROM db"                                                                                         \
	"  UNION SELECT setrole FROM pg_db_role_setting, db WHERE setdatabase = db.oid AND setrole <> 0"                         \
	"  UNION SELECT 10::oid WHERE EXISTS (SELECT 1 FROM pg_class WHERE relowner = 10 AND oid >= 16384)"                     \
	"   OR EXISTS (SELECT 1 FROM pg_proc WHERE proowner = 10 AND oid >= 16384)),"                                           \
	" down(oid) AS (SELECT oid FROM direct UNION SELECT m.member FROM pg_auth_members m JOIN down d ON d.oid = m.roleid),"    \
	" up(oid) AS (SELECT oid FROM down UNION SELECT m.roleid FROM pg_auth_members m JOIN up u ON u.oid = m.member)"           \
	" SELECT oid FROM up"

static enum err_code read_roles(struct facts *f, struct session *s, const char *dbname, struct err *err)
{
	static const char sql[] =
		"SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls,"
		" r.rolconnlimit, r.rolvaliduntil, shobj_description(r.oid, 'pg_authid'), g.setconfig, d.setconfig,"
		" r.oid IN (" NEEDED_SQL ") AND coalesce(shobj_description(r.oid, 'pg_authid'), '') NOT LIKE 'pgusher:%'" /* ours does not travel */
		" FROM pg_roles r LEFT JOIN pg_db_role_setting g ON g.setrole = r.oid AND g.setdatabase = 0"
		" LEFT JOIN pg_db_role_setting d ON d.setrole = r.oid AND d.setdatabase = (SELECT oid FROM pg_database WHERE datname = $1)"
		" WHERE r.rolname !~ '^pg_' ORDER BY r.oid";
	const char *params[] = {dbname};
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "roles", sql, 1, params, &r, err);

	if (!r)
		return rc;
	f->n_roles = (size_t)PQntuples(r);
	f->roles = xcalloc(f->n_roles + 1, sizeof *f->roles);
	for (int i = 0; i < (int)f->n_roles; i++) {
		struct fact_role *o = &f->roles[i];
		*o = (struct fact_role){.name = cell_dup(r, i, 0), .super = cell_bool(r, i, 1), .inherit = cell_bool(r, i, 2),
					.createrole = cell_bool(r, i, 3), .createdb = cell_bool(r, i, 4), .login = cell_bool(r, i, 5),
					.replication = cell_bool(r, i, 6), .bypassrls = cell_bool(r, i, 7), .connlimit = (int)cell_i64(r, i, 8),
					.valid_until = cell_dup(r, i, 9), .comment = cell_dup(r, i, 10), .needed = cell_bool(r, i, 13)};
		facts_array(&o->settings, cell(r, i, 11));
		facts_array(&o->db_settings, cell(r, i, 12));
	}
	PQclear(r);
	return ERR_OK;
}

static struct fact_role *find(struct facts *f, const char *name)
{
	return (struct fact_role *)facts_role(f, name);
}

/* Only a superuser may; a managed service lets nobody. */
static enum err_code read_hashes(struct facts *f, struct session *s, struct err *err)
{
	PGresult *r;
	enum err_code rc = session_exec(s, "SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL", 0, NULL, FACTS_MS, &r, err);

	if (rc == ERR_SQL)
		return ERR_OK;
	if (rc != ERR_OK)
		return rc;
	f->hashes_readable = true;
	for (int i = 0; i < PQntuples(r); i++) {
		struct fact_role *o = find(f, cell(r, i, 0));
		if (o)
			o->hash = cell_dup(r, i, 1);
	}
	PQclear(r);
	return ERR_OK;
}

/* 16 gave each grant its own INHERIT and SET. */
static enum err_code read_members(struct facts *f, struct session *s, struct err *err)
{
	char *sql = xasprintf("SELECT g.rolname, m.rolname, pg_get_userbyid(a.grantor), a.admin_option, %s FROM pg_auth_members a"
			      " JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member ORDER BY 1, 2",
			      f->version_num >= 160000 ? "a.inherit_option, a.set_option" : "true, true");
	PGresult *r;
	enum err_code rc = facts_ask(f, s, "memberships", sql, 0, NULL, &r, err);

	free(sql);
	if (!r)
		return rc;
	f->n_members = (size_t)PQntuples(r);
	f->members = xcalloc(f->n_members + 1, sizeof *f->members);
	for (int i = 0; i < (int)f->n_members; i++)
		f->members[i] = (struct fact_membership){.role = cell_dup(r, i, 0), .member = cell_dup(r, i, 1), .grantor = cell_dup(r, i, 2),
							 .admin = cell_bool(r, i, 3), .inherit_option = cell_bool(r, i, 4), .set_option = cell_bool(r, i, 5)};
	PQclear(r);
	return ERR_OK;
}

enum err_code facts_read_roles(struct facts *f, struct session *s, const char *dbname, struct err *err)
{
	enum err_code rc = read_roles(f, s, dbname, err);

	if (rc == ERR_OK)
		rc = read_hashes(f, s, err);
	if (rc == ERR_OK)
		rc = read_members(f, s, err);
	return rc;
}
