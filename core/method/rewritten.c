#include "method/rewritten.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/share.h"

#define NAMES_SHOWN 10

bool rewritten_is_followed(const struct run *r)
{
	return r->m->method == METHOD_SUBSCRIPTION && r->facts[SIDE_SOURCE]->version_num >= 110000;
}

#define COLUMNS "(SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ',' ORDER BY a.attnum) FROM pg_attribute a" \
	" WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)"

static const char in_snapshot[] =
	"SELECT c.oid, n.nspname, c.relname, " COLUMNS " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	" WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relfilenode <> 0 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
	" AND pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode ORDER BY c.oid";
static const char now[] = "SELECT c.oid, " COLUMNS " FROM pg_class c WHERE c.oid = ANY ($1::oid[]) ORDER BY c.oid";

static void not_proven(struct run *r, const char *schema, const char *name)
{
	for (size_t i = 0; r->verify && i < r->verify->n_tables; i++) {
		struct verify_table *t = &r->verify->tables[i];
		if (!str_eq(t->schema, schema) || !str_eq(t->name, name))
			continue;
		t->known[SIDE_SOURCE] = false;
		(void)err_set(&t->err[SIDE_SOURCE], ERR_SQL, "truncated or rewritten since the snapshot");
	}
}

/* -1: dropped. There are few of them. */
static int row_of(const PGresult *current, const char *oid)
{
	for (int i = 0; i < PQntuples(current); i++)
		if (str_eq(cell(current, i, 0), oid))
			return i;
	return -1;
}

/* ---- until they were compared ---- */

static char *path_of(const struct migration *m)
{
	char *dir = migration_state_dir(m), *path = xasprintf("%s/rewritten", dir);

	free(dir);
	return path;
}

void rewritten_forget(const struct migration *m)
{
	char *path = path_of(m);

	(void)unlink(path); /* mostly there is none */
	free(path);
}

bool rewritten_unproven(const struct migration *m)
{
	char *path = path_of(m);
	bool there = access(path, F_OK) == 0 || errno != ENOENT;

	free(path);
	return there;
}

static enum err_code remember(const struct run *r, const char *names, struct err *err)
{
	char *path = path_of(r->m);
	size_t n = strlen(names);
	int fd = share_open(path, O_WRONLY | O_CREAT | O_TRUNC);
	bool ok = fd >= 0 && write(fd, names, n) == (ssize_t)n && fsync(fd) == 0;

	if (fd >= 0 && close(fd) < 0)
		ok = false;
	enum err_code rc = ok ? ERR_OK : err_errno(err, "cannot write %s", path);
	free(path);
	return rc;
}

static enum err_code judge(struct run *r, const PGresult *then, const PGresult *current, struct err *err)
{
	struct str names = {0}, altered = {0};

	for (int i = 0; i < PQntuples(then); i++) {
		int k = row_of(current, cell(then, i, 0));
		if (k < 0) /* the stream has nothing of it any more, and the publication neither */
			continue;
		if (!str_eq(cell(then, i, 3), cell(current, k, 1)))
			str_addf(&altered, "%s%s.%s", altered.len ? ", " : "", cell(then, i, 1), cell(then, i, 2));
		if (i < NAMES_SHOWN)
			str_addf(&names, "%s%s.%s", names.len ? ", " : "", cell(then, i, 1), cell(then, i, 2));
		not_proven(r, cell(then, i, 1), cell(then, i, 2));
	}
	if (names.len > 0 && altered.len == 0)
		run_note(r, "truncated meanwhile", "%s%s: emptied or rewritten on the source while the copy was read. A TRUNCATE comes with the stream; an ALTER TABLE "
			 "that writes the rows anew (TYPE ... USING, SET LOGGED) does not, and they would be missing. So they are not proven yet: the cutover compares them, or pgusher verify when the writers pause",
			 str_text(&names), PQntuples(then) > NAMES_SHOWN ? " and more" : "");
	enum err_code rc = ERR_OK;
	if (names.len > 0 && altered.len == 0)
		rc = remember(r, str_text(&names), err);
	if (altered.len > 0) {
		rc = err_set(err, ERR_BLOCKED, "tables were altered on the source while they were copied: %s", str_text(&altered));
		(void)err_hint(err, "their rows cannot be read in the older snapshot, and are in no stream: start again, it begins with a new one");
	}
	str_fini(&names);
	str_fini(&altered);
	return rc;
}

static void add_oids(struct str *s, const PGresult *res)
{
	for (int i = 0; i < PQntuples(res); i++)
		str_addf(s, "%s%s", i ? "," : "{", cell(res, i, 0));
	str_addc(s, '}');
}

enum err_code rewritten_look(struct run *r, struct err *err)
{
	struct session *s;
	PGresult *then = NULL, *current = NULL;
	struct str oids = {0};

	if (!r->snapshot || !rewritten_is_followed(r))
		return ERR_OK;
	rewritten_forget(r->m); /* of an earlier copy */
	enum err_code rc = session_exec(r->snapshot, in_snapshot, 0, NULL, 0, &then, err);
	if (rc == ERR_OK && PQntuples(then) > 0) {
		add_oids(&oids, then);
		const char *params[] = {str_text(&oids)};
		rc = run_session(r, SIDE_SOURCE, NULL, &s, err);
		if (rc == ERR_OK)
			rc = session_exec(s, now, 1, params, 0, &current, err);
		if (rc == ERR_OK)
			rc = judge(r, then, current, err);
	}
	str_fini(&oids);
	PQclear(then);
	PQclear(current);
	return rc;
}
