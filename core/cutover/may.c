#include "cutover/may.h"


static const struct fact_object *find(const struct facts *f, const char *kind, const char *name)
{
	for (size_t i = 0; f && i < f->n_objects; i++)
		if (str_eq(f->objects[i].kind, kind) && str_eq(f->objects[i].name, name))
			return &f->objects[i];
	return NULL;
}

void may_look(struct whereabouts *w, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	const struct facts *f[2] = {src, dst};
	struct link l[2];

	link_forward(&l[SIDE_SOURCE], m);
	link_back(&l[SIDE_TARGET], m);
	*w = (struct whereabouts){.source = phase_in(src, l[SIDE_SOURCE].publication), .target = phase_in(dst, l[SIDE_TARGET].publication)};
	w->follows = find(dst, "subscription here", l[SIDE_SOURCE].subscription) != NULL;
	w->way_back = find(src, "subscription here", l[SIDE_TARGET].subscription) != NULL;
	for (int i = 0; i < 2; i++) {
		const struct link *other = &l[i == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE];
		w->known[i] = f[i] != NULL;
		w->there[i] = f[i] && f[i]->db_exists;
		w->left[i] = find(f[i], "publication here", l[i].publication) || find(f[i], "slot", l[i].slot) || find(f[i], "subscription here", other->subscription);
	}
	w->nameless = m->sub.adopt && src && dst && m->sub.publications.n == 0;
}

static enum err_code no_name(struct err *err)
{
	err_set(err, ERR_BLOCKED, "the subscription that was taken over is not on the target, and nothing on either server names it: it was finalized, or cleaned up, or never there");
	return err_hint(err, "look at the source: SELECT pubname, obj_description(oid, 'pg_publication') FROM pg_publication; when one says 'cut over', "
			"the target is the primary: never open the source while that is in use");
}

static enum err_code closed_by_a_killed_one(struct err *err)
{
	err_set(err, ERR_BLOCKED, "a cutover was interrupted, and the source refuses writes");
	return err_hint(err, "pgusher cutover --abort opens it again; pgusher cutover takes it back and begins anew");
}

static enum err_code rolled_back(struct err *err)
{
	err_set(err, ERR_BLOCKED, "it was rolled back: the source is the primary, and the target does not follow it any more");
	return err_hint(err, "pgusher finalize removes what is left; then begin anew");
}

static enum err_code nobody_follows(struct err *err)
{
	err_set(err, ERR_BLOCKED, "nothing follows the source: there is no subscription of this migration on the target");
	return err_hint(err, "pgusher run begins one; a cutover ends it");
}

enum err_code may_cut_over(const struct whereabouts *w, struct err *err)
{
	if (w->nameless)
		return no_name(err);
	switch (w->source) {
	case PHASE_ROLLED_BACK:
		return rolled_back(err);
	case PHASE_CUT_OVER:
	case PHASE_FENCED:
	case PHASE_OPENED:
		return ERR_OK;
	case PHASE_NONE:
		break;
	}
	return w->known[SIDE_TARGET] && !w->follows ? nobody_follows(err) : ERR_OK;
}

enum err_code may_rehearse(const struct whereabouts *w, struct err *err)
{
	if (w->nameless)
		return no_name(err);
	switch (w->source) {
	case PHASE_ROLLED_BACK:
		return rolled_back(err);
	case PHASE_CUT_OVER:
		err_set(err, ERR_BLOCKED, "it was cut over already: the target is the primary");
		return err_hint(err, "pgusher rollback goes back, pgusher finalize removes what is left");
	case PHASE_FENCED:
		return closed_by_a_killed_one(err);
	case PHASE_OPENED:
	case PHASE_NONE:
		break;
	}
	return w->known[SIDE_TARGET] && !w->follows ? nobody_follows(err) : ERR_OK;
}

enum err_code may_roll_back(const struct whereabouts *w, struct err *err)
{
	if (w->nameless)
		return no_name(err);
	switch (w->source) {
	case PHASE_NONE:
	case PHASE_OPENED:
		err_set(err, ERR_BLOCKED, "there is nothing to roll back: it was not cut over, the source is the primary");
		return err_hint(err, "pgusher status says what has been done");
	case PHASE_FENCED:
		return closed_by_a_killed_one(err);
	case PHASE_ROLLED_BACK:
		return ERR_OK;
	case PHASE_CUT_OVER:
		break;
	}
	if (!w->known[SIDE_SOURCE] || w->way_back)
		return ERR_OK;
	err_set(err, ERR_BLOCKED, "there is no reverse link: what was written on the target since the cutover is on the target alone");
	return err_hint(err, "a migration the other way, with source and target exchanged, brings it back");
}

enum err_code may_finalize(const struct whereabouts *w, struct err *err)
{
	if (w->nameless)
		return no_name(err);
	if (w->source == PHASE_CUT_OVER || w->source == PHASE_ROLLED_BACK || (!w->left[0] && !w->left[1] && w->there[0] && w->there[1]))
		return ERR_OK;
	if (w->source == PHASE_FENCED)
		return closed_by_a_killed_one(err);
	err_set(err, ERR_BLOCKED, "there is nothing to finalize: it was not cut over");
	return err_hint(err, "pgusher cleanup ends a subscription; pgusher cutover makes the target the primary");
}

enum err_code may_too_late(enum phase source, struct err *err)
{
	if (source == PHASE_CUT_OVER) {
		err_set(err, ERR_BLOCKED, "nothing can be taken back: the cutover came to its hand-over, the target is the primary");
		return err_hint(err, "pgusher rollback makes the source the primary again; never open it while the target is in use");
	}
	err_set(err, ERR_BLOCKED, "nothing can be taken back: the rollback came to its hand-over, the source is the primary");
	return err_hint(err, "pgusher rollback does what is missing of it, pgusher finalize removes what is left");
}

enum side may_taken_back(const struct whereabouts *w, bool rollback)
{
	if (w->known[SIDE_SOURCE] && w->source != PHASE_NONE)
		return w->source == PHASE_CUT_OVER ? SIDE_TARGET : SIDE_SOURCE;
	return rollback && !w->known[SIDE_SOURCE] ? SIDE_TARGET : SIDE_SOURCE;
}

static enum err_code nothing_begun(struct err *err)
{
	err_set(err, ERR_BLOCKED, "nothing to take back: the target is the primary, the source stays closed");
	return err_hint(err, "no rollback has closed or changed anything; pgusher rollback makes the source the primary again; never open it while the target is in use");
}

enum err_code may_take_back(const struct whereabouts *w, bool rollback, bool touched, struct err *err)
{
	bool both = w->known[SIDE_SOURCE] && w->known[SIDE_TARGET];

	if (w->nameless)
		return no_name(err);
	if (!both) /* a closed side is to be opened, whatever has become of the other */
		return ERR_OK;
	switch (w->source) {
	case PHASE_OPENED:
	case PHASE_FENCED:
		return ERR_OK;
	case PHASE_NONE:
		if (rollback)
			err_set(err, ERR_BLOCKED, "there is no rollback to take back: it was not cut over, the source is the primary");
		else if (!w->follows && !w->way_back)
			err_set(err, ERR_BLOCKED, "there is no cutover to take back: the source takes writes, and nobody follows it");
		else
			return ERR_OK;
		return err_hint(err, "pgusher status says what has been done");
	case PHASE_CUT_OVER:
		if (phase_unfinished(w->target) || (rollback && w->way_back && touched))
			return ERR_OK;
		return rollback ? nothing_begun(err) : may_too_late(w->source, err);
	case PHASE_ROLLED_BACK:
		break;
	}
	return may_too_late(w->source, err);
}
