#include "method/found.h"

#include <stdlib.h>

#include "method/cutover_in.h"

static void add(struct model *out, enum side side, char *id, const char *what, const char *sql)
{
	struct event *e = event_new(EV_LEFT, id);

	xreplace(&e->title, what);
	xreplace(&e->text, side_name(side));
	xreplace(&e->sql, sql);
	model_apply(out, e);
	free(id);
}

/* Each kind as cleanup knows it, with the command a person would give. */
static const char on_side[] =
	"SELECT k, n, sql FROM ("
	" SELECT 1, 'role', rolname, format('DROP OWNED BY %1$I; DROP ROLE %1$I', rolname) FROM pg_roles WHERE rolname = $4"
	" UNION ALL SELECT 2, 'publication', pubname, format('DROP PUBLICATION %I', pubname) FROM pg_publication WHERE pubname = $1"
	" UNION ALL SELECT 3, 'slot', slot_name, format('SELECT pg_drop_replication_slot(%L)', slot_name) FROM pg_replication_slots"
	"  WHERE slot_name = $2 AND database = current_database()"
	" UNION ALL SELECT 4, 'subscription', subname, format('ALTER SUBSCRIPTION %1$I DISABLE; ALTER SUBSCRIPTION %1$I SET (slot_name = NONE);"
	" DROP SUBSCRIPTION %1$I', subname) FROM pg_subscription WHERE subname = $3"
	"  AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())) t (o, k, n, sql) ORDER BY o";

/* from_here: the link that comes from the side; to_here: the one that goes there. */
static enum err_code look(struct run *r, enum side side, const struct link *from_here, const struct link *to_here, struct model *out, struct err *err)
{
	const char *params[] = {from_here->publication, from_here->slot, to_here->subscription,
				from_here->own_role && !r->m->sub.adopt ? from_here->role : ""};
	struct session *s;
	PGresult *res;
	enum err_code rc = run_session(r, side, NULL, &s, err);

	if (rc == ERR_OK)
		rc = session_exec(s, on_side, 4, params, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	for (int i = 0; i < PQntuples(res); i++) {
		const char *kind = cell(res, i, 0);
		bool back = str_eq(kind, "subscription") ? to_here->back : from_here->back;
		const char *word = str_eq(kind, "role") && !back ? "replication-role" : kind;
		add(out, side, xasprintf("%s%s:%s", back ? "back-" : "", word, cell(res, i, 1)), "found on the server", cell(res, i, 2));
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

enum err_code found_on_servers(struct run *r, struct model *out, struct err *err)
{
	struct link f, b;

	link_forward(&f, r->m);
	link_back(&b, r->m);
	enum err_code rc = look(r, SIDE_SOURCE, &f, &b, out, err);
	if (rc == ERR_OK)
		rc = look(r, SIDE_TARGET, &b, &f, out, err);
	if (rc == ERR_OK)
		rc = look_closed(r, &f, out, err);
	if (rc == ERR_OK) /* opened first */
		rc = look_closed(r, &b, out, err);
	return rc;
}
