#include "cutover/abandon.h"

#include <stdlib.h>
#include <string.h>

#include "pg/logical.h"
#include "pg/phase.h"

#define ASK_MS 10000

/* The word stands on the publication and goes with it; that the source is closed outlives both, and the way back. */
static enum err_code source_is_open(struct session *s, struct err *err)
{
	char *closed = NULL;
	enum err_code rc = phase_setting(s, &closed, err);

	if (rc == ERR_OK && !str_empty(closed) && !str_eq(closed, "off")) {
		rc = err_set(err, ERR_BLOCKED, "the source refuses writes: the target may be the primary, and its database is not dropped");
		(void)err_hint(err, "see where the applications write; a target that is not needed is dropped by hand");
	}
	free(closed);
	return rc;
}

/* The source's word counts; one that cannot be asked may have been handed over. */
static enum err_code target_never_led(struct run *r, const struct link *f, struct err *err)
{
	struct phase_note note = {0};
	struct session *s;
	enum err_code rc = run_session(r, f->from, NULL, &s, err);

	if (rc == ERR_OK)
		rc = phase_read(s, f->publication, &note, err);
	if (rc == ERR_OK && note.phase == PHASE_NONE)
		rc = source_is_open(s, err);
	if (rc != ERR_OK && rc != ERR_BLOCKED) {
		phase_fini(&note);
		(void)err_prefix(err, "whether the target has become the primary is not known, therefore its database is not dropped");
		return err_hint(err, "begin again when the source answers, or without --drop-copy: then the copy stays");
	}
	if (note.phase == PHASE_CUT_OVER || note.phase == PHASE_ROLLED_BACK || note.phase == PHASE_FENCED) {
		rc = err_set(err, ERR_BLOCKED, note.phase == PHASE_FENCED ? "a cutover is not at its end: the target's database is not dropped"
				       : "the target %s the primary: its database is not dropped", note.phase == PHASE_CUT_OVER ? "is" : "was");
		(void)err_hint(err, note.phase == PHASE_FENCED ? "pgusher cutover --abort takes it back, then begin again" : "pgusher finalize ends the migration; the database stays");
	}
	phase_fini(&note);
	return rc;
}

enum err_code work_never_led(struct run *r, const void *arg, struct err *err)
{
	struct link f;

	(void)arg;
	link_forward(&f, r->m);
	return target_never_led(r, &f, err);
}

/* Somebody who is in it stops the DROP; what of it is nowhere else is looked for with the rest (leftover.h). */
static enum err_code look_into(struct run *r, struct strv *beside, struct err *err)
{
	static const char sql[] = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND coalesce(application_name, '') NOT LIKE 'pgusher%'";
	struct session *s;
	PGresult *res = NULL;
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);

	if (rc == ERR_SQL && strcmp(err->sqlstate, "3D000") == 0) { /* dropped by hand meanwhile: nobody is in it */
		*err = (struct err){0};
		return ERR_OK;
	}
	if (rc == ERR_OK)
		rc = session_exec(s, sql, 0, NULL, ASK_MS, &res, err);
	if (rc == ERR_OK && cell_i64(res, 0, 0) > 0)
		strv_addf(beside, "%s session(s) of others are in the database: it is dropped only when they have ended (pg_stat_activity of the target shows them)", cell(res, 0, 0));
	PQclear(res);
	return rc;
}

static void add(const struct migration *m, struct model *seen)
{
	const char *db = m->end[SIDE_TARGET].dbname;
	char *made = xasprintf("database:%s", db), *id = xasprintf(ABANDON_COPY "%s", db);
	const struct model_item *it = model_find(&seen->left, made);

	if (!it || it->removed) { /* one that an unfinished attempt made goes anyway */
		struct event *e = event_new(EV_LEFT, id);
		struct str sql = {0};
		str_add(&sql, "DROP DATABASE IF EXISTS ");
		sql_ident(&sql, db);
		xreplace(&e->title, "the target's copy");
		xreplace(&e->text, side_name(SIDE_TARGET));
		xreplace(&e->sql, str_text(&sql));
		str_fini(&sql);
		model_apply(seen, e);
	}
	free(made);
	free(id);
}

/* What is given up: a part of a replication, or a copy that was to go before. Of one that is over, the database may be in use. */
static enum err_code there_is_one(const struct model *seen, struct err *err)
{
	static const char *const kinds[] = {"subscription:", "slot:", "publication:", "database:", ABANDON_COPY};

	for (size_t i = 0; i < seen->left.n; i++)
		for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
			if (!seen->left.v[i].removed && str_starts(seen->left.v[i].last->id, kinds[k]))
				return ERR_OK;
	err_set(err, ERR_BLOCKED, "no replication is there to be given up: the target may be the primary, and its database is not dropped");
	return err_hint(err, "pgusher cleanup without --drop-copy removes what is left; a database that is not needed is dropped by hand");
}

bool abandon_begun(const struct model *seen)
{
	for (size_t i = 0; i < seen->left.n; i++)
		if (!seen->left.v[i].removed && str_starts(seen->left.v[i].last->id, ABANDON_COPY))
			return true;
	return false;
}

void abandon_not(struct model *seen, struct strv *beside, const struct err *why)
{
	for (size_t i = 0; i < seen->left.n; i++)
		if (!seen->left.v[i].removed && str_starts(seen->left.v[i].last->id, ABANDON_COPY))
			model_apply(seen, event_new(EV_REMOVED, seen->left.v[i].last->id));
	strv_addf(beside, "NOT removed: the target's copy, which was to go: %s", why->msg);
}

enum err_code abandon_copy(struct run *r, struct model *seen, struct strv *beside, struct err *err)
{
	const struct migration *m = r->m;
	struct link f;

	if (m->method != METHOD_SUBSCRIPTION || m->sub.adopt) {
		err_set(err, ERR_BLOCKED, m->method != METHOD_SUBSCRIPTION ? "--drop-copy is for a subscription" : "the target's database was made by hand, and is not dropped");
		return err_hint(err, m->method != METHOD_SUBSCRIPTION ? "what an interrupted copy made is removed by pgusher cleanup anyway" : "pgusher cleanup without --drop-copy ends the replication; what then stays can be dropped by hand");
	}
	link_forward(&f, m);
	enum err_code rc = there_is_one(seen, err);
	if (rc == ERR_OK)
		rc = target_never_led(r, &f, err);
	if (rc == ERR_OK)
		rc = look_into(r, beside, err);
	if (rc == ERR_OK && !abandon_begun(seen))
		add(m, seen);
	return rc;
}
