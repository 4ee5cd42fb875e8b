#include "method/takenup.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* A half-restored content is removed by a step of its own, before anything else is made (dump.c). */
static bool removed_first(const struct plan *p, const char *id)
{
	const struct step *st = plan_find(p, "recreate");

	for (size_t i = 0; st && i < st->n; i++)
		if (str_eq(st->actions[i].removes, id))
			return true;
	return false;
}

static void add(struct str *list, const struct event *e)
{
	const char *name = strchr(e->id, ':');

	str_addf(list, "%s%s %s", list->len ? ", " : "", e->title ? e->title : "", name ? name + 1 : e->id);
}

static bool was_begun(const struct model *seen, const struct step *st)
{
	const struct model_item *it = model_find(&seen->steps, st->id);

	return it && it->last->kind == EV_STEP && it->last->state != ST_WAITING && it->last->state != ST_NONE && it->last->state != ST_SKIPPED;
}

static bool stays_done(const struct model *seen, const struct step *st)
{
	const struct model_item *it = model_find(&seen->steps, st->id);

	return st->skip || (st->trust_journal && it && it->last->kind == EV_STEP && it->last->state == ST_DONE);
}

static void say(struct plan *p, const char *what, struct str *list)
{
	if (list->len)
		strv_addf(&p->notes, "taken up again; %s: %s", what, str_text(list));
	str_fini(list);
}

void takenup_notes(struct plan *p, const struct model *seen)
{
	struct str kept = {0}, removed = {0}, again = {0};

	for (size_t i = 0; i < seen->left.n; i++) {
		const struct model_item *it = &seen->left.v[i];
		if (it->removed || !it->last->id || (plan_find(p, "recreate") && str_starts(it->last->id, "database:"))) /* that goes with its content */
			continue;
		add(removed_first(p, it->last->id) ? &removed : &kept, it->last);
	}
	for (size_t i = 0; i < p->n; i++)
		if (was_begun(seen, &p->steps[i]) && !stays_done(seen, &p->steps[i]))
			str_addf(&again, "%s%s", again.len ? ", " : "", p->steps[i].title);
	if (removed.len)
		str_addf(&removed, ", and the database, which is made anew: %s",
			 plan_find(p, "restore") ? "a restore cannot be continued"
						 : "the snapshot of the source ended with that attempt");
	say(p, "removed first", &removed);
	say(p, "kept", &kept);
	say(p, "done again", &again);
}
