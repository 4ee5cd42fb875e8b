#include "cutover/cleanup.h"

#include <stdlib.h>
#include <string.h>

#include "cutover/abandon.h"
#include "cutover/cutover.h"
#include "cutover/found.h"
#include "cutover/hook.h"
#include "cutover/operator.h"
#include "method/replication.h"
#include "method/work.h"
#include "pg/session.h"

static bool has_left(const struct model *seen, const char *prefix, const char *name)
{
	char *id = xasprintf("%s%s", prefix, name);
	const struct model_item *it = model_find(&seen->left, id);

	free(id);
	return it && !it->removed;
}

static const char *after(const char *id, const char *prefix)
{
	return str_starts(id, prefix) ? id + strlen(prefix) : NULL;
}

/* A part of a subscription, by work that looks first. name outlives the plan. NULL: it is not one. */
static struct action *remove_part(struct step *st, const char *left_id, const char *name)
{
	static const struct { const char *prefix, *title; enum where where; work_fn *fn; } kinds[] = {
		{"freeze:", "open the source again, unless it was cut over", ON_SOURCE, work_thaw},
		{"back-freeze:", "open the target again, unless it was rolled back", ON_TARGET, work_thaw_back},
		{"subscription:", "remove the subscription", ON_TARGET, work_drop_subscription},
		{"slot:", "remove the slot", ON_SOURCE, work_drop_slot},
		{"publication:", "remove the publication", ON_SOURCE, work_drop_publication},
		{"replication-role:", "remove the subscription's role", ON_SOURCE, work_drop_replication_role},
		{"back-subscription:", "remove the reverse link's subscription", ON_SOURCE, work_drop_back_subscription},
		{"back-slot:", "remove the reverse link's slot", ON_TARGET, work_drop_back_slot},
		{"back-publication:", "remove the reverse link's publication", ON_TARGET, work_drop_back_publication},
		{"back-role:", "remove the reverse link's role", ON_TARGET, work_drop_back_role},
	};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (str_starts(left_id, kinds[i].prefix))
			return step_work(st, kinds[i].where, kinds[i].title, kinds[i].fn, name, NULL);
	return NULL;
}

__attribute__((nonnull)) static bool remove_replication(struct plan *p, struct step *st, const struct event *left, struct action **a)
{
	const char *id = left->id ? left->id : "", *colon = strchr(id, ':');
	char *own = xstrdup(colon ? colon + 1 : id);

	strv_take(&p->owned, own);
	*a = remove_part(st, left->id, own);
	if (*a)
		xreplace(&(*a)->sql, left->sql);
	return *a != NULL;
}

/* A side that a cutover closed stays so: what is in use there is on the other. */
static bool to_go(const struct model_item *it)
{
	return !it->removed && !str_starts(it->last->id, "closed:") && !str_starts(it->last->id, "kept-closed:");
}

/* The database was there before the attempt: neither it nor what came into it is removed by a clean-up. */
static bool to_stay(const struct model *seen, const struct event *left)
{
	const char *content = after(left->id, "content:");

	return content && !has_left(seen, "database:", content) && !has_left(seen, ABANDON_COPY, content);
}

char *cleanup_by_hand(const struct migration *m)
{
	struct str s = {0};

	str_add(&s, "by hand, when nothing in it is needed: DROP DATABASE ");
	sql_ident(&s, m->end[SIDE_TARGET].dbname);
	str_add(&s, "; pgusher run makes it anew, or CREATE DATABASE");
	return str_take(&s);
}

/* One leftover as actions of the step. */
static void remove_left(struct plan *p, struct step *st, const struct migration *m, const struct model *seen, const struct event *left)
{
	const char *path = after(left->id, "dump:"), *content = after(left->id, "content:");
	struct action *a = NULL;

	if (path) {
		char *own = xstrdup(path);
		strv_take(&p->owned, own);
		a = step_work(st, HERE, "remove the dump file", work_clear_path, own, left->sql ? left->sql : "");
	} else if (content && !to_stay(seen, left)) {
		a = step_sql(st, ON_TARGET, m->end[SIDE_TARGET].maintenance_db, "SELECT 1 -- goes with its database");
	} else if (str_eq(left->id, OPERATOR_FENCE)) {
		a = hook_add(st, m, HOOK_UNFENCE, SIDE_SOURCE);
	} else if (str_eq(left->id, OPERATOR_POINT)) {
		a = hook_add(st, m, HOOK_HAND_OVER, SIDE_TARGET);
	} else if (remove_replication(p, st, left, &a)) {
		/* by work that looks first */
	} else if (left->sql) {
		bool source = str_eq(left->text, "source");
		a = step_sql(st, source ? ON_SOURCE : ON_TARGET, m->end[source ? SIDE_SOURCE : SIDE_TARGET].maintenance_db, left->sql);
		a->own_transaction = true;
		a->on_error_note = after(left->id, "role:") != NULL; /* others may use it by now: then it stays */
		if (str_starts(left->id, ABANDON_COPY)) { /* from the answer on it is to go, whatever happens */
			a->left_name = xstrdup(left->id);
			a->left_what = xstrdup(left->title);
			a->left_undo = xstrdup(left->sql);
		}
	}
	if (a)
		a->removes = xstrdup(left->id);
}

/*
 * It was cut over, and can be rolled back. A side that does not answer may have anything: then what the other one has of the way back
 * counts, where nothing is written down; an interrupted cutover writes its parts down before anything is over.
 */
static bool has_way_back(const struct model *seen)
{
	bool there = false;

	for (size_t i = 0; i < seen->left.n; i++) {
		const struct event *e = seen->left.v[i].last;
		bool part = str_starts(e->id, "back-slot:") || str_starts(e->id, "back-publication:");
		if (!seen->left.v[i].removed)
			there |= (str_starts(e->id, "back-subscription:") && !str_eq(e->title, LEFT_MAYBE)) || (part && str_eq(e->title, LEFT_FOUND));
	}
	return there;
}

/* What there is to give up is a copy that is whole. */
static bool follows(const struct model *seen)
{
	bool there = false;

	for (size_t i = 0; i < seen->left.n; i++)
		there |= !seen->left.v[i].removed && str_starts(seen->left.v[i].last->id, "subscription:");
	return there;
}

bool cleanup_keeps_copy(const struct model *seen)
{
	for (size_t i = 0; i < seen->left.n; i++) {
		const char *id = seen->left.v[i].last->id;
		if (to_go(&seen->left.v[i]) && (str_starts(id, "database:") || str_starts(id, "content:") || str_starts(id, ABANDON_COPY)))
			return false;
	}
	return follows(seen) && !has_way_back(seen);
}

enum err_code cleanup_plan(struct plan **out, const struct migration *m, const struct model *seen, const struct leftover *l, const char *theirs, struct err *err)
{
	struct str list = {0}, stays = {0};
	const char *database = NULL;
	size_t n = 0, kept = 0;

	*out = NULL;
	for (size_t i = 0; i < seen->left.n; i++) {
		const struct event *e = seen->left.v[i].last;
		if (!to_go(&seen->left.v[i]))
			continue;
		const char *const goes[] = {after(e->id, "database:"), after(e->id, "content:"), after(e->id, ABANDON_COPY)};
		for (size_t k = 0; k < sizeof goes / sizeof *goes; k++)
			database = goes[k] ? goes[k] : database;
		const char *about = l ? l->about.v[i] : "";
		if (to_stay(seen, e)) {
			char *how = cleanup_by_hand(m);
			str_addf(&stays, "%sNOT removed: %s %s%s%s%s; the database was there before the attempt. %c%s", kept++ ? "\n" : "", e->title ? e->title : "content", after(e->id, "content:"),
				 *about ? " (" : "", about, *about ? ")" : "", how[0] - 'a' + 'A', how + 1);
			free(how);
			continue;
		}
		str_addf(&list, "%s%s%s%s%s%s: %s", n++ ? "\n" : "", str_eq(e->title, LEFT_FOUND) || str_eq(e->title, LEFT_MAYBE) || !e->title ? e->id : e->title, *about ? " (" : "", about, *about ? ")" : "",
			 str_starts(e->id, "dump:") || (e->title && strstr(e->title, " on the ")) ? "" : str_eq(e->text, "source") ? " on the source" : " on the target", e->sql ? e->sql : e->id);
	}
	if (n + kept == 0 && !(theirs && l && l->running > 0)) {
		str_fini(&list);
		str_fini(&stays);
		return err_set(err, ERR_BLOCKED, "the attempt left nothing behind");
	}
	if (l && l->loss) { /* first: it is nowhere else */
		char *rest = xstrdup(str_text(&list));
		str_fini(&list);
		str_addf(&list, "%s%s%s", l->loss, *rest ? "\n" : "", rest);
		free(rest);
	}
	for (size_t i = 0; l && i < l->beside.n; i++)
		str_addf(&list, "\n%s", l->beside.v[i]);
	if (kept > 0)
		str_addf(&list, "%s%s", list.len ? "\n" : "", str_text(&stays));
	str_fini(&stays);
	bool way_back = has_way_back(seen);
	char *title = xasprintf("%s: clean up", m->name);
	struct plan *p = plan_new(title);
	struct step *st = plan_step(p, "cleanup", "remove what the attempt left",
				    "Everything that the interrupted attempt made was written down before it was made; nothing else is touched.");
	free(title);
	st->try_all = true; /* one side may be down */
	if (way_back) { /* it was cut over */
		str_add(&list, "\nThis is the way back: without it no rollback is possible, and the old source stays closed to writers. pgusher finalize removes it in good order.");
		database = m->end[SIDE_TARGET].dbname;
	}
	if (cleanup_keeps_copy(seen))
		str_add(&list, "\nThe target's database stays, with the copy that it has, and follows no longer; to have it dropped with the rest, say No and start pgusher cleanup --drop-copy.");
	struct action *hold = step_hold(st, way_back ? "Give up the way back, and remove all of this?"
				     : kept > 0 ? "Remove all of this, except what is NOT removed?" : "Remove all of this?", str_text(&list), database);
	hold->also = l && l->loss ? xstrdup(l->loss_word) : NULL;
	if (theirs) { /* what still writes would make anew what is removed */
		char *own = xstrdup(theirs), *sql = xasprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '%s';\n-- and kill what was started here with it in its environment", theirs);
		strv_take(&p->owned, own);
		step_work(st, HERE, "end what still runs of the attempt", leftover_end, own, sql)->first = true;
		free(sql);
	}
	if (abandon_begun(seen)) /* before the word goes with its publication */
		step_work(st, ON_SOURCE, "look once more who is the primary", work_never_led, NULL, "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = ...")->first = true;
	for (int copy = 0; copy < 2; copy++)
		for (size_t i = seen->left.n; i-- > 0;)
			if (to_go(&seen->left.v[i]) && str_starts(seen->left.v[i].last->id, ABANDON_COPY) == (copy == 1))
				remove_left(p, st, m, seen, seen->left.v[i].last);
	str_fini(&list);
	*out = p;
	return ERR_OK;
}
