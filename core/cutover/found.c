#include "cutover/found.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "cutover/cutover_in.h"
#include "host/place.h"
#include "method/dump.h"

static void add(struct model *out, enum side side, char *id, const char *what, const char *sql)
{
	struct event *e = event_new(EV_LEFT, id);

	xreplace(&e->title, what);
	xreplace(&e->text, side_name(side));
	xreplace(&e->sql, sql);
	model_apply(out, e);
	free(id);
}

/* Each kind as cleanup knows it, with the command a person would give. $5: the database is not there, it may have been renamed. */
static const char on_side[] =
	"SELECT k, n, sql FROM ("
	" SELECT 1, 'role', rolname, format('DROP OWNED BY %1$I; DROP ROLE %1$I', rolname) FROM pg_roles WHERE rolname = $4"
	" UNION ALL SELECT 2, 'publication', pubname, format('DROP PUBLICATION %I', pubname) FROM pg_publication WHERE pubname = ANY ($1::text[])"
	" UNION ALL SELECT 3, 'slot', slot_name, format('SELECT pg_drop_replication_slot(%L)', slot_name) FROM pg_replication_slots"
	"  WHERE slot_name = $2 AND ($5::bool OR database = current_database())"
	" UNION ALL SELECT 4, 'subscription', subname, format('ALTER SUBSCRIPTION %1$I DISABLE; ALTER SUBSCRIPTION %1$I SET (slot_name = NONE);"
	" DROP SUBSCRIPTION %1$I', subname) FROM pg_subscription WHERE subname = $3"
	"  AND ($5::bool OR subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))) t (o, k, n, sql) ORDER BY o, array_position($1::text[], n::text)"; /* the first of several publications carries the word: it goes last */

static void maybe(struct model *out, enum side side, const char *back, const char *kind, const char *name)
{
	struct str sql = {0};

	link_undo_sql(&sql, kind, name);
	add(out, side, xasprintf("%s%s:%s", back, kind, name), LEFT_MAYBE, str_text(&sql));
	str_fini(&sql);
}

static void maybe_publications(const struct migration *m, enum side side, const struct link *from_here, struct model *out)
{
	struct strv publications = {0};

	link_publications(m, from_here, &publications);
	for (size_t i = 0; i < publications.n; i++)
		maybe(out, side, from_here->back ? "back-" : "", "publication", publications.v[i]);
	strv_fini(&publications);
}

static enum err_code ask(struct run *r, enum side side, const struct link *from_here, const struct link *to_here, bool *elsewhere, PGresult **res, struct err *err)
{
	char *publications = link_publications_array(r->m, from_here);
	const char *params[] = {publications, from_here->slot, to_here->subscription, from_here->own_role ? from_here->role : "", "f"};
	struct session *s;
	enum err_code rc = run_session(r, side, NULL, &s, err);

	*elsewhere = rc == ERR_SQL && strcmp(err->sqlstate, "3D000") == 0;
	if (*elsewhere) { /* a role may be there; a slot and a subscription are seen from every database */
		params[0] = "{}";
		params[4] = "t";
		*err = (struct err){0};
		rc = run_session(r, side, r->m->end[side].maintenance_db, &s, err);
	}
	if (rc == ERR_OK)
		rc = session_exec(s, on_side, 5, params, 0, res, err);
	free(publications);
	return rc;
}

/* from_here: the link that comes from the side; to_here: the one that goes there. */
static enum err_code look(struct run *r, enum side side, const struct link *from_here, const struct link *to_here, struct model *out, struct err *err)
{
	bool elsewhere;
	PGresult *res;
	enum err_code rc = ask(r, side, from_here, to_here, &elsewhere, &res, err);

	if (rc != ERR_OK)
		return rc;
	for (int i = 0; i < PQntuples(res); i++) {
		const char *kind = cell(res, i, 0);
		bool back = str_eq(kind, "subscription") ? to_here->back : from_here->back;
		const char *word = str_eq(kind, "role") && !back ? "replication-role" : kind;
		if (elsewhere && str_eq(kind, "slot")) /* so it was renamed, and took its publications along */
			maybe_publications(r->m, side, from_here, out);
		add(out, side, xasprintf("%s%s:%s", back ? "back-" : "", word, cell(res, i, 1)), LEFT_FOUND, cell(res, i, 2));
	}
	PQclear(res);
	return ERR_OK;
}

static enum err_code look_closed(struct run *r, const struct link *l, struct model *out, struct err *err)
{
	struct session *s;
	struct phase_note note = {0};
	struct str undo = {0};
	enum err_code rc = run_session(r, l->from, NULL, &s, err);

	if (rc == ERR_OK)
		rc = phase_read(s, l->publication, &note, err);
	phase_setting_sql(&undo, r->m->end[l->from].dbname, note.before);
	if (rc == ERR_OK && phase_unfinished(note.phase))
		add(out, l->from, cutover_left_name(r->m, l), l->back ? "the target refuses writes" : "the source refuses writes", str_text(&undo));
	else if (rc == ERR_OK && note.phase == PHASE_CUT_OVER)
		run_note(r, "closed", "the %s was closed for good, and stays so: the %s is the primary; to open it: %s", side_name(l->from), side_name(l->to), str_text(&undo));
	str_fini(&undo);
	phase_fini(&note);
	return rc;
}

/* It did not answer: all that may be there. What removes it looks first, so that what is not does no harm. */
static void may_be(struct run *r, enum side side, const struct link *from_here, const struct link *to_here, struct model *out)
{
	const char *back = from_here->back ? "back-" : "";

	if (from_here->own_role)
		maybe(out, side, from_here->back ? back : "replication-", "role", from_here->role);
	maybe_publications(r->m, side, from_here, out);
	maybe(out, side, back, "slot", from_here->slot);
	maybe(out, side, to_here->back ? "back-" : "", "subscription", to_here->subscription);
	/* last, so that it is looked at first: the publication says what was before. No statement to give: closed by a cutover that was done, it stays so. */
	add(out, side, cutover_left_name(r->m, from_here), LEFT_MAYBE,
	    from_here->back ? "pgusher rollback --abort  -- if it refuses writes, and no rollback was done" : "pgusher cutover --abort  -- if it refuses writes, and no cutover was done");
}

enum err_code found_on_servers(struct run *r, struct model *out, struct err away[2], struct err *err)
{
	struct link f, b;

	link_forward(&f, r->m);
	link_back(&b, r->m);
	away[SIDE_SOURCE] = away[SIDE_TARGET] = (struct err){0};
	(void)look(r, SIDE_SOURCE, &f, &b, out, &away[SIDE_SOURCE]);
	(void)look(r, SIDE_TARGET, &b, &f, out, &away[SIDE_TARGET]);
	if (away[SIDE_SOURCE].code != ERR_OK && away[SIDE_TARGET].code != ERR_OK)
		return (*err = away[SIDE_SOURCE]).code;
	if (away[SIDE_SOURCE].code != ERR_OK)
		may_be(r, SIDE_SOURCE, &f, &b, out);
	if (away[SIDE_TARGET].code != ERR_OK)
		may_be(r, SIDE_TARGET, &b, &f, out);
	if (away[f.from].code == ERR_OK) /* opened first */
		(void)look_closed(r, &f, out, &away[f.from]);
	if (away[b.from].code == ERR_OK)
		(void)look_closed(r, &b, out, &away[b.from]);
	return ERR_OK;
}

/* NAME-20260131-120000, or with .pgdump behind it: the words of dump_path */
static bool is_dump(const char *name, const char *migration)
{
	size_t n = strlen(migration);
	const char *p = name + n;

	if (strncmp(name, migration, n) != 0 || *p++ != '-')
		return false;
	for (const char *like = "dddddddd-dddddd"; *like; like++, p++)
		if (*like == 'd' ? *p < '0' || *p > '9' : *p != *like)
			return false;
	return *p == '\0' || str_eq(p, ".pgdump");
}

void found_on_disk(struct run *r, struct model *out)
{
	char *path = dump_path(r->m, NULL), *slash = strrchr(path, '/'), *list = NULL;
	struct strv names = {0};
	struct err err;

	*(slash ? slash : path) = '\0';
	if (r->m->tools_prefix.n) {
		if (place_output(&r->m->tools_prefix, (const char *const[]){"ls", "-1", "--", path, NULL}, r->cancel, &list, &err) == ERR_OK)
			strv_split(&names, list, "\n");
	} else {
		DIR *d = opendir(path);
		for (struct dirent *e; d && (e = readdir(d)) != NULL;)
			strv_add(&names, e->d_name);
		if (d)
			(void)closedir(d);
	}
	for (size_t i = 0; i < names.n && !r->m->dump.use_file; i++) {
		char *sql = xasprintf("rm -rf %s/%s", path, names.v[i]);
		if (is_dump(names.v[i], r->m->name))
			add(out, SIDE_SOURCE, xasprintf("dump:%s/%s", path, names.v[i]), LEFT_FOUND, sql);
		free(sql);
	}
	strv_fini(&names);
	free(list);
	free(path);
}
