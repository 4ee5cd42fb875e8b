/* Checks of a migration that has gone further than its copy, or is of a part only. */
#include <stdlib.h>

#include "checks/groups.h"
#include "pg/phase.h"

#define SRC(s) ((s)->facts[SIDE_SOURCE])
#define DST(s) ((s)->facts[SIDE_TARGET])

/* By the first publication, which carries the word; of a subscription that is taken over its names have been found (pg/adopted.h). */
static enum phase phase_of(const struct survey *s)
{
	bool follows = s->m->method == METHOD_SUBSCRIPTION && s->m->sub.publication;

	return follows && SRC(s) ? phase_in(SRC(s), s->m->sub.publication) : PHASE_NONE;
}

/* The target may be in use: whoever drops it must not be led there. */
bool moved_already(const struct survey *s)
{
	return phase_of(s) != PHASE_NONE || (SRC(s) && strv_has(&SRC(s)->db_settings, "default_transaction_read_only=on"));
}

bool moved_back(const struct survey *s)
{
	return phase_of(s) == PHASE_ROLLED_BACK;
}

void check_moved(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "it was not cut over before");
	switch (phase_of(s)) {
	case PHASE_NONE:
		break;
	case PHASE_OPENED:
	case PHASE_FENCED:
		finding_is(f, VERDICT_BLOCK, "a cutover of this migration was interrupted");
		finding_print(&f->found, "the source says that pgusher closed it for a moment");
		finding_print(&f->fix, "pgusher cutover --abort opens it again, or pgusher cutover begins it anew");
		break;
	case PHASE_CUT_OVER:
		finding_is(f, VERDICT_BLOCK, "it was cut over: the target is the primary");
		finding_print(&f->found, "the source says so, and refuses writes");
		finding_print(&f->why, "the target has what was written since; to copy again would throw that away");
		finding_print(&f->fix, "pgusher rollback goes back with all of it, pgusher finalize removes what is left of the migration");
		break;
	case PHASE_ROLLED_BACK:
		finding_is(f, VERDICT_BLOCK, "it was cut over and rolled back: the source is the primary");
		finding_print(&f->found, "the target is closed to writers, and does not follow any more");
		finding_print(&f->fix, "pgusher finalize removes what is left; then a migration may begin anew, into an empty target");
		break;
	}
}

/* A filter keeps rows back, a list columns: what is not sent is on the source alone, and stays there. */
void check_partly(const struct survey *s, struct finding *f)
{
	struct strv publications = {0}, partly = {0};
	bool rows = false;

	finding_is(f, VERDICT_OK, "the publication sends every row and column");
	strv_copy(&publications, &s->m->sub.publications); /* of what is taken over: nothing else is looked at by this check */
	for (size_t i = 0; SRC(s) && i < SRC(s)->n_objects; i++) {
		const struct fact_object *o = &SRC(s)->objects[i];
		if (!str_eq(o->kind, "partly published") || !strv_has(&publications, o->name))
			continue;
		if (!strv_has(&partly, o->name))
			strv_add(&partly, o->name);
		strv_add(&f->names, o->detail);
		rows |= o->bytes != 0;
	}
	char *which = strv_join(&partly, ", ");
	if (f->names.n > 0)
		finding_is(f, VERDICT_WARN, "the publication %s sends a part only", which);
	free(which);
	strv_fini(&partly);
	strv_fini(&publications);
	if (f->names.n == 0)
		return;
	finding_print(&f->needed, "all rows, all columns, and INSERT, UPDATE, DELETE and TRUNCATE");
	finding_print(&f->why, rows ? "what a row filter or a list of columns keeps back is on the source alone: a cutover would leave it behind, and is refused. The way back would send "
		"every row and column of the target" : "what is not sent differs on the target; a cutover compares every row, and is taken back then");
	finding_print(&f->fix, rows ? "to follow it as it is, accept; for a cutover: ALTER PUBLICATION ... SET TABLE without filters and lists, and copy those tables again"
		: "ALTER PUBLICATION ... SET (publish = 'insert, update, delete, truncate')");
}
