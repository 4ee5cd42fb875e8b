/* The end of a migration: nothing of ours stays on either side. Declared in cutover_in.h. */
#include <stdlib.h>

#include "cutover/cutover_in.h"
#include "method/replication.h"

static void removed(struct run *r, const char *kind, const char *name)
{
	char *id = xasprintf("%s:%s", kind, name);

	run_emit(r, event_new(EV_REMOVED, id));
	free(id);
}

/* Names of ours that are on a side; "" none. Caller frees. */
static enum err_code left_on(struct run *r, enum side side, const struct link *f, const struct link *b, char **names, struct err *err)
{
	static const char sql[] =
		"SELECT coalesce(string_agg(n, ', '), '') FROM (SELECT 'subscription ' || subname FROM pg_subscription WHERE subname IN ($1, $2)"
		"  AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
		" UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE slot_name IN ($3, $4) AND database = current_database()"
		" UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname = ANY ($5::text[]) OR pubname = $6"
		" UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname = $7) t (n)";
	const struct link *own = side == SIDE_SOURCE ? f : b;
	char *publications = link_publications_array(r->m, f);
	const char *params[] = {f->subscription, b->subscription, f->slot, b->slot, publications, b->publication,
				own->own_role ? own->role : ""};
	struct session *s;
	PGresult *res;
	enum err_code rc = cutover_on(r, side, &s, err);

	*names = NULL;
	if (rc == ERR_OK)
		rc = session_exec(s, sql, 7, params, 0, &res, err);
	free(publications);
	if (rc != ERR_OK)
		return rc;
	*names = xstrdup(cell(res, 0, 0));
	PQclear(res);
	return ERR_OK;
}

static enum err_code nothing_left(struct run *r, const struct link *f, const struct link *b, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		char *names;
		rc = left_on(r, (enum side)i, f, b, &names, err);
		if (rc == ERR_OK && *names)
			rc = err_set(err, ERR_BLOCKED, "still on the %s: %s", side_name((enum side)i), names);
		free(names);
	}
	return rc;
}

/* The old server is opened, or stays closed; its word goes with the publication, last, so that one that was killed in between is done again. */
static enum err_code settle_old(struct run *r, const struct link *l, const struct phase_note *note, bool open, struct err *err)
{
	struct session *s;
	struct str sql = {0};
	enum err_code rc = cutover_on(r, l->from, &s, err);

	phase_setting_sql(&sql, r->m->end[l->from].dbname, note->before);
	if (rc == ERR_OK && open && (note->phase == PHASE_CUT_OVER || note->phase == PHASE_FENCED)) {
		rc = session_run(s, str_text(&sql), err);
		if (rc == ERR_OK)
			rc = cutover_end_sessions(r, l->from, err);
	}
	if (rc == ERR_OK)
		cutover_say_open(r, l->from);
	if (rc == ERR_OK && !open)
		cutover_say_stays_closed(r, l->from, true);
	if (rc == ERR_OK && open)
		run_note(r, "the old server", "the %s is written to again, and nobody follows it", side_name(l->from));
	else if (rc == ERR_OK)
		run_note(r, "the old server", "the %s stays closed to writers; to open it: %s", side_name(l->from), str_text(&sql));
	str_fini(&sql);
	return rc;
}

/* Asked to open the old server, when nothing on it says any more that it was us who closed it. */
static enum err_code closed_by_nobody(struct run *r, struct err *err)
{
	struct str sql = {0};
	struct session *s;
	char *value = NULL;
	enum err_code rc = cutover_on(r, SIDE_SOURCE, &s, err);

	if (rc == ERR_OK)
		rc = phase_setting(s, &value, err);
	if (rc == ERR_OK && str_eq(value, "on")) {
		phase_setting_sql(&sql, r->m->end[SIDE_SOURCE].dbname, "");
		err_set(err, ERR_BLOCKED, "the source refuses writes, and nothing on it says any more what was before");
		rc = err_hint(err, "if it is to be written to: %s", str_text(&sql));
	}
	str_fini(&sql);
	free(value);
	return rc;
}

/* The first of several last, because it says how far this has come. */
static enum err_code drop_publications(struct run *r, const struct link *l, struct err *err)
{
	struct strv all = {0};
	enum err_code rc = ERR_OK;

	link_publications(r->m, l, &all);
	for (size_t i = all.n; i-- > 0 && rc == ERR_OK;) {
		rc = replication_drop_publication(r, l->from, all.v[i], err);
		if (rc == ERR_OK)
			removed(r, l->back ? "back-publication" : "publication", all.v[i]);
	}
	strv_fini(&all);
	return rc;
}

/* Not ours to take back: the application may rely on them by now. */
static void say_fixes(struct run *r)
{
	for (size_t i = 0; i < r->live->fixes.n; i++) {
		const struct event *e = r->live->fixes.v[i].last;
		if (e->state != ST_FAILED)
			run_note(r, "a fix of the preflight stays", "on %s, by %s: %s; to undo it: %s", e->title ? e->title : "a server", e->needed ? e->needed : "the operator",
				 e->sql ? e->sql : "", e->hint ? e->hint : "what was before is not known");
	}
}

enum err_code work_finalize(struct run *r, const void *arg, struct err *err)
{
	struct stand st;
	struct link f, b;

	link_forward(&f, r->m);
	link_back(&b, r->m);
	enum err_code rc = cutover_stand(r, &st, err);
	enum phase source = st.at[SIDE_SOURCE].phase;
	if (rc == ERR_OK && source != PHASE_CUT_OVER && source != PHASE_ROLLED_BACK) {
		rc = nothing_left(r, &f, &b, err);
		if (rc == ERR_BLOCKED) {
			err_set(err, ERR_BLOCKED, "there is nothing to finalize: it was not cut over");
			rc = err_hint(err, "pgusher cleanup ends a subscription; pgusher cutover makes the target the primary");
		}
		if (rc == ERR_OK && arg)
			rc = closed_by_nobody(r, err);
		stand_fini(&st);
		return rc;
	}
	if (rc == ERR_OK && source == PHASE_CUT_OVER)
		cutover_say_late(r, &f);
	if (rc == ERR_OK)
		rc = work_unlink(r, NULL, err);
	if (rc == ERR_OK)
		rc = source == PHASE_CUT_OVER ? settle_old(r, &f, &st.at[SIDE_SOURCE], arg != NULL, err) : settle_old(r, &b, &st.at[SIDE_TARGET], arg != NULL, err);
	if (rc == ERR_OK)
		rc = drop_publications(r, &b, err);
	if (rc == ERR_OK)
		rc = drop_publications(r, &f, err);
	if (rc == ERR_OK) {
		cutover_say_thawed(r, &f);
		cutover_say_thawed(r, &b);
		rc = nothing_left(r, &f, &b, err);
	}
	say_fixes(r);
	stand_fini(&st);
	return rc;
}
