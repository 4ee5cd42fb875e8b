/* A subscription that somebody made by hand and that reads from this very source: it can be taken over, instead of a second copy. */
#include <stdlib.h>

#include "checks/groups.h"

static bool has(const struct facts *f, const char *kind, const char *name)
{
	for (size_t i = 0; i < f->n_objects; i++)
		if (str_eq(f->objects[i].kind, kind) && str_eq(f->objects[i].name, name))
			return true;
	return false;
}

/* Its connection is a superuser's to read; that the slot and all publications are in the source's database says the same. */
static bool reads_from(const struct facts *src, const struct fact_object *sub)
{
	struct strv words = {0}; /* slot, publications */
	bool all;

	facts_array(&words, sub->detail);
	all = words.n > 1 && has(src, "slot here", words.v[0]);
	for (size_t i = 1; i < words.n && all; i++)
		all = has(src, "publication here", words.v[i]);
	strv_fini(&words);
	return all;
}

static bool left_by_us(const struct survey *s, const char *name)
{
	char *id = xasprintf("subscription:%s", name);
	bool ours = str_eq(name, s->m->sub.name) || (s->unfinished && model_find(&s->unfinished->left, id));

	free(id);
	return ours;
}

void check_adopt_offer(const struct survey *s, struct finding *f)
{
	const struct facts *src = s->facts[SIDE_SOURCE], *dst = s->facts[SIDE_TARGET];

	finding_is(f, VERDICT_OK, "no other subscription of the target reads from this source");
	for (size_t i = 0; src && dst && i < dst->n_objects; i++) {
		const struct fact_object *o = &dst->objects[i];
		if (!str_eq(o->kind, "subscription here") || left_by_us(s, o->name) || !reads_from(src, o))
			continue;
		finding_is(f, VERDICT_WARN, "the subscription %s reads from this source already", o->name);
		finding_print(&f->found, "%s in the target's database, %s; its slot and publication are in the source's", o->name, o->bytes ? "enabled" : "DISABLED");
		finding_print(&f->why, "somebody made it by hand; it can be taken over: looked at, compared, watched and cut over, and nothing is copied again");
		finding_print(&f->fix, "take it over; or accept, and a second one is made beside it");
		finding_print(&f->fix_sql, ADOPT_SETTING "%s", o->name);
		return;
	}
}
