#include "compared.h"

#include <stdlib.h>

#include "base/clock.h"
#include "journal/journal.h"
#include "journal/report.h"

#define SHOWN 5

static struct event *summary(const struct model_list *proofs)
{
	struct event *e = event_new(EV_NOTE, NULL);
	size_t n[3] = {0}, shown = 0;
	struct str which = {0};
	char at[40];

	for (size_t i = 0; i < proofs->n; i++) {
		const struct event *p = proofs->v[i].last;
		n[p->state == ST_DONE ? 0 : p->state == ST_FAILED ? 1 : 2] += p->state != ST_DONE || !str_eq(p->id, PROOF_OBJECTS);
		if (p->state != ST_DONE && shown++ < SHOWN)
			str_addf(&which, "%s%s", which.len ? ", " : ": ", p->id);
	}
	xreplace(&e->title, COMPARED_NOTE);
	event_text(&e->text, "%s: %zu equal, %zu different, %zu not proven%s%s", clock_iso(at, sizeof at, e->at_us), n[0], n[1], n[2], str_text(&which),
		   n[1] + n[2] > SHOWN ? " ..." : "");
	str_fini(&which);
	return e;
}

/* The comparison was said to the operator in any case: a journal that cannot be written makes it no worse. */
void compared_write(const struct migration *m, const struct model_list *proofs)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir);
	struct journal *j = NULL;
	struct model story;
	struct err err;

	model_init(&story);
	if (model_load(&story, path, &err) == ERR_OK && story.begin && journal_open(&j, dir, &err) == ERR_OK) {
		struct event *e = summary(proofs);
		if (journal_write(j, e, &err) == ERR_OK) {
			model_apply(&story, event_dup(e));
			(void)report_write(&story, dir, &err);
		}
		event_free(e);
	}
	journal_close(j);
	model_fini(&story);
	free(path);
	free(dir);
}
