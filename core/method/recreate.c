#include "method/recreate.h"

#include <stdlib.h>

#include "base/str.h"
#include "pg/foreign.h"
#include "pg/session.h"

/* Somebody else's work first: it is nowhere else. */
static void add_foreign(struct str *text, const struct strv *names)
{
	str_addf(text, "It holds %zu that the source does not have, which no restore of ours made: ", names->n);
	foreign_list(names, text);
	str_add(text, ". They go with the database, and are nowhere else: save what somebody needs first (pg_dump --table), or move it to another database.");
}

static void ask(struct step *st, const struct migration *m, const struct strv *names, bool ours)
{
	struct str text = {0};

	if (names->n > 0)
		add_foreign(&text, names);
	if (!ours)
		str_addf(&text, "%sIt was empty when this migration began; everything %s came from the interrupted restore, unless somebody else wrote to it since.",
			 text.len ? "\n" : "", names->n > 0 ? "else" : "in it");
	struct action *hold = step_hold(st, names->n > 0 ? "Drop the database, and what somebody else has in it?"
					 : "The target database was there before; drop it with its half-restored content?",
			str_text(&text), m->end[SIDE_TARGET].dbname);
	hold->also = names->n > 0 ? xasprintf("%zu", names->n) : NULL;
	str_fini(&text);
}

void recreate_plan(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst, bool ours)
{
	const char *db = m->end[SIDE_TARGET].dbname;
	struct step *st = plan_step(p, "recreate", "remove the half-restored database",
		"The interrupted attempt left part of the content in it; a restore begins with an empty database.");
	struct strv names = {0};
	struct str sql = {0};

	foreign_names(src, dst, &names);
	if (!ours || names.n > 0)
		ask(st, m, &names, ours);
	str_add(&sql, "DROP DATABASE IF EXISTS ");
	sql_ident(&sql, db);
	if (dst->version_num >= 130000)
		str_add(&sql, " WITH (FORCE)");
	struct action *a = step_sql(st, ON_TARGET, m->end[SIDE_TARGET].maintenance_db, str_text(&sql));
	a->own_transaction = true;
	a->removes = xasprintf("content:%s", db);
	str_fini(&sql);
	strv_fini(&names);
}
