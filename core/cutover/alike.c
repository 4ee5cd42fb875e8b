/*
 * Before a rollback waits for anything: are the tables of the reverse link still alike? An ordinary deploy on the new primary (a new
 * column) stops the old server at the next row of that table, and waiting for it would be for nothing. Declared in cutover_in.h.
 */
#include <stdlib.h>

#include "cutover/cutover_in.h"
#include "watch/drift.h"

#define COMPARE_MS 60000

static void say(struct run *r, const struct drift *d)
{
	struct event *e = event_new(EV_FINDING, NULL);
	struct strv lines = {0};

	strv_split(&lines, d->lines, "\n");
	event_text(&e->id, "ready.same");
	e->verdict = VERDICT_BLOCK;
	event_text(&e->title, "same tables and columns");
	e->text = strv_join(&lines, "; ");
	event_text(&e->hint, DRIFT_BACK_TODO);
	run_emit(r, e);
	strv_fini(&lines);
}

enum err_code back_is_alike(struct run *r, const struct link *l, struct err *err)
{
	struct session *s[2];
	struct drift d;
	char *publications = link_publications_array(r->m, l);
	enum err_code rc = cutover_on(r, SIDE_SOURCE, &s[SIDE_SOURCE], err);

	if (rc == ERR_OK)
		rc = cutover_on(r, SIDE_TARGET, &s[SIDE_TARGET], err);
	if (rc == ERR_OK)
		rc = drift_look(s[SIDE_SOURCE], s[SIDE_TARGET], l->from, publications, l->subscription, false, COMPARE_MS, &d, err);
	free(publications);
	if (rc == ERR_OK && d.tables[0]) {
		say(r, &d);
		err_set(err, ERR_BLOCKED, "the old source cannot follow: tables differ from the new primary's: %.180s", d.tables);
		rc = err_hint(err, DRIFT_BACK_TODO "; then roll back");
	}
	return rc;
}
