/* The plans of cutover, rollback, finalize, and of taking one back. Declared in cutover.h. */
#include <stdlib.h>

#include "cutover/after.h"
#include "cutover/carry.h"
#include "cutover/cutover_in.h"
#include "cutover/hook.h"
#include "cutover/operator.h"
#include "cutover/readiness.h"
#include "cutover/smoke.h"
#include "method/replication.h"
#include "method/subscription.h"
#include "pg/session.h"

static void plan_locks(struct plan *p, enum where from)
{
	struct step *st = plan_step(p, "soft-fence", "let the writers wait", "Locks hold them back without an error; whatever goes wrong from here on, they go on.");

	(void)step_work(st, from, "lock the published tables", work_soft_fence, NULL,
		"SET lock_timeout = '" LOCK_BRIEFLY "'; SET idle_in_transaction_session_timeout = ...;  -- the locks go when pgusher does\n"
		"BEGIN; LOCK TABLE <each published table, each unlogged one that comes along> IN SHARE MODE;  -- until the hand-over");
}

static void plan_fences(struct plan *p, const struct migration *m, const struct link *l)
{
	enum where from = (enum where)l->from;
	struct str undo = {0}, freeze = {0};

	if (m->cut.fence == FENCE_HOOK)
		operator_fence_plan(p, m, l);
	else
		plan_locks(p, from);
	struct step *st = plan_step(p, "drain", "prove that all of it has arrived", "A mark behind the last commit must be flushed on the other side.");
	(void)step_work(st, from, "wait for the mark", work_drain, NULL,
		"SELECT pg_logical_emit_message(true, 'pgusher', ...);\nSELECT confirmed_flush_lsn >= '<the mark>' FROM pg_replication_slots ...;");
	char *title = xasprintf("close the %s to writers", side_name(l->from)), *what = xasprintf("the %s refuses writes", side_name(l->from));
	st = plan_step(p, "hard-fence", title, "New sessions can only read; those that waited are ended, and their writes do not happen.");
	phase_setting_sql(&undo, m->end[l->from].dbname, "");
	phase_setting_sql(&freeze, m->end[l->from].dbname, "on");
	str_add(&freeze, ";\nSELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE <older than that>;");
	struct action *a = step_work(st, from, "make it read-only, end the sessions", work_hard_fence, NULL, str_text(&freeze));
	a->left_name = cutover_left_name(m, l);
	a->left_what = what;
	a->left_undo = xstrdup(str_text(&undo));
	free(title);
	str_fini(&undo);
	str_fini(&freeze);
}

static void plan_turn(struct plan *p, const struct migration *m)
{
	struct step *st = plan_step(p, "turn", m->cut.reverse ? "let the old source follow" : "end the old subscription", "The forward subscription is never enabled again: what came back would come twice.");
	struct str sql = {0};
	struct link f, b;

	link_forward(&f, m);
	link_back(&b, m);
	if (m->cut.reverse) {
		str_add(&sql, "ALTER SUBSCRIPTION ");
		sql_ident(&sql, b.subscription);
		str_add(&sql, " ENABLE;  -- on the source\n");
	}
	link_undo_sql(&sql, "subscription", f.subscription);
	str_add(&sql, ";  -- on the target");
	(void)step_work(st, ON_SOURCE, m->cut.reverse ? "wake the reverse link, drop the forward subscription" : "drop the forward subscription", work_back_run, NULL, str_text(&sql));
	str_fini(&sql);
}

/* from: facts of the side that is closed. */
static void plan_behind_fence(struct plan *p, const struct migration *m, const struct facts *from, const struct link *l)
{
	enum where to = (enum where)l->to;
	struct step *st = plan_step(p, "tripwire", "look that nobody slipped through", "The slot must be empty; what came past the fence is brought over, and looked at again.");
	char *sql = xasprintf("ALTER SUBSCRIPTION ... DISABLE;  -- on the %s\nSELECT count(*) FROM pg_logical_slot_peek_binary_changes(...);  -- on the %s: 0", side_name(l->to), side_name(l->from));

	(void)step_work(st, to, "put the subscription to sleep, look into its slot", work_tripwire, NULL, sql);
	free(sql);
	st = plan_step(p, "sequences", "bring the sequences over", "Replication does not carry them; every one gets the last value of the side that is closed.");
	(void)step_work(st, to, "set every sequence", work_sequences, NULL, "SELECT setval(<each>, last_value, is_called);");
	carry_plan(p, m, from, l->to);
	if (migration_cut_verify(m) != VERIFY_OFF) {
		st = plan_step(p, "cut-proof", "prove that both sides are equal", "Nobody writes now: every table is read on both sides and compared.");
		(void)step_work(st, to, "read both sides, compare every table", work_cut_proof, NULL,
			"SELECT count(*), sum(<hash of the row>) FROM ONLY <each table>;  -- on both");
	}
}

/* over: the word stands already. */
static void plan_rest(struct plan *p, const struct migration *m, const struct facts *from, const struct link *l, bool over)
{
	char *title = xasprintf("From here on the %s is the primary.", side_name(l->to));

	if (!over)
		plan_behind_fence(p, m, from, l);
	if (!over || m->cut.hold || hook_there(m, HOOK_HAND_OVER)) {
		struct step *st = plan_step(p, "hand-over", "hand over", title);
		if (!over)
			(void)step_work(st, (enum where)SIDE_SOURCE, "stop the clock", work_hand_over, NULL,
				"SELECT count(*) FROM pg_logical_slot_peek_binary_changes(...);  -- once more, with the locks still there: 0\n"
				"COMMENT ON PUBLICATION ... IS 'pgusher cut over ...';  -- nothing is taken back after this");
		operator_point_plan(st, m, l);
		if (!over)
			(void)step_work(st, (enum where)l->from, "let the locks go, look for late writers", work_let_go, NULL,
				"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE <it waits for them>;\nROLLBACK;  -- the locks\nSELECT count(*) FROM pg_logical_slot_peek_binary_changes(...);  -- what came past the fence");
		operator_hold_plan(st, m, l);
	}
	if (!l->back)
		plan_turn(p, m);
	smoke_plan(p, m, l->to);
	after_plan(p, m, from, l->to);
	free(title);
}

static void left(struct action *a, const char *kind, const char *name, const char *what)
{
	struct str undo = {0};

	a->left_name = xasprintf("back-%s:%s", kind, name);
	a->left_what = xstrdup(what);
	link_undo_sql(&undo, kind, name);
	a->left_undo = str_take(&undo);
}

static void plan_reverse(struct plan *p, const struct migration *m)
{
	struct step *st = plan_step(p, "reverse", "make the way back, still asleep",
		"After the cutover the old source follows the target over it, so that a rollback loses nothing. Its slot waits for transactions that write on the target now.");
	struct link l;

	link_back(&l, m);
	struct action *a = step_work(st, ON_TARGET, "a role for it", work_back_role, NULL, "CREATE ROLE ... LOGIN REPLICATION PASSWORD '...';  -- generated; nobody sees it");
	if (l.own_role)
		left(a, "role", l.role, "role of the reverse link, on the target");
	left(step_work(st, ON_TARGET, "publish the same tables", work_back_publication, NULL, "CREATE PUBLICATION ... FOR TABLE ONLY <each published table>;"),
	     "publication", l.publication, "publication of the reverse link, on the target");
	left(step_work(st, ON_TARGET, "its slot", work_back_slot, NULL, "SELECT pg_create_logical_replication_slot(...);"),
	     "slot", l.slot, "replication slot on the target: it keeps WAL there");
	left(step_work(st, ON_SOURCE, "its subscription, asleep", work_back_subscription, NULL,
		"CREATE SUBSCRIPTION ... WITH (create_slot = false, copy_data = false, enabled = false, origin = 'none');  -- origin from 16 on"),
	     "subscription", l.subscription, "subscription of the reverse link, on the source");
}

static void plan_prime(struct plan *p, const struct link *l)
{
	struct step *st = plan_step(p, "prime", "do once what will be done again", "Sessions are open and everything has been asked before writers wait; so they wait for less.");

	(void)step_work(st, (enum where)l->to, "open the sessions, bring the sequences over a first time", work_prime, NULL,
		"ALTER SUBSCRIPTION ... SET (synchronous_commit = 'on');\nSELECT setval(<each>, last_value, is_called);\nSELECT pg_replication_slot_advance(...);  -- of the way back, on the target");
}

static struct cutover_arg *new_how(int max_outage_s)
{
	struct cutover_arg *how = xcalloc(1, sizeof *how);

	how->max_outage_s = max_outage_s;
	return how;
}

/* Both links, side by side; everything is there or not, by then. */
static void links_undo_sql(struct str *sql, const struct migration *m, bool publications)
{
	struct link l[2];

	link_forward(&l[SIDE_SOURCE], m);
	link_back(&l[SIDE_TARGET], m);
	for (int i = 0; i < 2; i++) {
		const struct link *from = &l[i], *to = &l[i == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE];
		str_addf(sql, "%s-- on the %s, what is there of:\n", i ? "\n" : "", side_name((enum side)i));
		link_undo_sql(sql, "subscription", to->subscription);
		str_add(sql, ";\n");
		link_undo_sql(sql, "slot", from->slot);
		str_addc(sql, ';');
		if (from->own_role) {
			str_addc(sql, '\n');
			link_undo_sql(sql, "role", from->role);
			str_addc(sql, ';');
		}
		struct strv all = {0};
		link_publications(m, from, &all);
		for (size_t k = 0; publications && k < all.n; k++) {
			str_addc(sql, '\n');
			link_undo_sql(sql, "publication", all.v[k]);
			str_addc(sql, ';');
		}
		strv_fini(&all);
	}
}

static enum err_code need_both(const struct facts *src, const struct facts *dst, const char *what, struct err *err)
{
	if (src && dst && src->db_exists && dst->db_exists)
		return ERR_OK;
	return err_set(err, ERR_BLOCKED, "both databases must be there to %s", what);
}

/* Which server is closed and which one opened stands in the question: the name that is typed may be that of both databases. */
static void hold_move(struct step *st, const struct migration *m, const struct link *l, const char *question, const char *becomes)
{
	char *from = endpoint_label(&m->end[l->from]), *to = endpoint_label(&m->end[l->to]);
	char *text = xasprintf("%s (the %s): its writers wait, then are refused.\n%s (the %s) %s.", from, side_name(l->from), to, side_name(l->to), becomes);

	(void)step_hold(st, question, text, m->end[SIDE_TARGET].dbname);
	free(text);
	free(from);
	free(to);
}

/* What was over before is looked at, and nobody is asked. */
static struct plan *begin_over(const struct migration *m, const struct link *l, struct cutover_arg *how)
{
	char *title = xasprintf("%s: do what is missing after the hand-over", m->name);
	struct plan *p = plan_new(title);
	struct step *st = plan_step(p, "ready", "look how far it came", "The hand-over is done: only what follows it is done again.");

	strv_take(&p->owned, (char *)how);
	(void)step_work(st, ON_SOURCE, l->back ? "read the word of the rollback" : "read the word of the cutover", work_ready, how,
		"SELECT obj_description(oid, 'pg_publication') FROM pg_publication ...;");
	free(title);
	return p;
}

static struct plan *begin_rollback(const struct migration *m, struct cutover_arg *how)
{
	char *title = xasprintf("%s: roll back, at most %d s without writes", m->name, how->max_outage_s);
	struct plan *p = plan_new(title);
	struct step *st = plan_step(p, "ready", "look that everything is ready", "What is not equal or not caught up now would cost time when writers wait.");

	free(title);
	strv_take(&p->owned, (char *)how);
	(void)step_work(st, ON_TARGET, "compare tables, publication and subscription of the reverse link, catch up", work_ready, how,
		"SELECT ... FROM pg_publication_tables;  -- equal to the source's pg_subscription_rel, all ready");
	(void)step_work(st, ON_SOURCE, "compare the objects of both sides", work_back_objects, NULL, "-- has the source every index, view, function, grant ... of the target, as it is there");
	hold_move(st, m, &how->link, "Roll back now?", "becomes the primary again, with all that was written there.\n"
		  "This ends the migration: nothing follows any more, and no cutover is possible again. What is next is pgusher finalize; then it may begin anew, with a new copy");
	(void)hook_add(st, m, HOOK_BEFORE_FENCE, how->link.to);
	plan_prime(p, &how->link);
	plan_fences(p, m, &how->link);
	return p;
}

static void plan_unlink(struct plan *p, const struct migration *m)
{
	struct step *st = plan_step(p, "unlink", "take the links away", "Neither side follows the other any more; pgusher finalize removes the rest.");
	struct str sql = {0};

	links_undo_sql(&sql, m, false);
	(void)step_work(st, ON_TARGET, "remove subscriptions, slots and roles", work_unlink, NULL, str_text(&sql));
	str_fini(&sql);
}

enum err_code rollback_plan(struct plan **out, const struct migration *m, const struct facts *src, const struct facts *dst, int max_outage_s, bool over, struct err *err)
{
	*out = NULL;
	if (need_both(src, dst, "roll back", err) != ERR_OK)
		return err->code;
	struct cutover_arg *how = new_how(max_outage_s);
	link_back(&how->link, m);
	struct plan *p = over ? begin_over(m, &how->link, how) : begin_rollback(m, how);
	plan_rest(p, m, dst, &how->link, over);
	plan_unlink(p, m);
	*out = p;
	return ERR_OK;
}

/* What was made by hand may be read by others, whom no catalogue names. */
static char *what_goes(const struct migration *m, const char *readers)
{
	static const char all[] = "Subscriptions, slots, publications and roles of this migration, on both sides.";
	if (!m->sub.adopt || m->sub.publications.n == 0)
		return xstrdup(all);
	char *made = strv_join(&m->sub.publications, ", ");
	char *text = xasprintf("%s Of what was made by hand, on the source: the slot %s and the publication%s %s. Another subscription that reads them, too, would stop; %s",
			       all, m->sub.slot, m->sub.publications.n > 1 ? "s" : "", made, *readers ? readers : "no other slot of that database could be one's.");

	free(made);
	return text;
}

enum err_code finalize_plan(struct plan **out, const struct migration *m, const struct whereabouts *w, bool open_old, const char *readers)
{
	char *title = xasprintf("%s: finalize", m->name);
	struct plan *p = plan_new(title);
	bool left = w->left[SIDE_SOURCE] || w->left[SIDE_TARGET];
	const char *closed = w->source == PHASE_ROLLED_BACK ? "target" : "old source";
	struct step *st = left ? plan_step(p, "finalize", "remove all that the migration made", "There is no way back after this: the two servers go their own ways.")
			       : plan_step(p, "finalize", "look that nothing is left", "Neither server has anything of this migration.");
	char *flag = open_old ? xstrdup("open") : NULL, *ask = xasprintf(open_old ? "Remove the links, and open the %s to writers?" : "Remove the links, and leave the %s closed?", closed);
	struct str sql = {0};

	if (flag)
		strv_take(&p->owned, flag);
	char *what = what_goes(m, readers);
	if (left) /* else there is nothing to ask for */
		(void)step_hold(st, ask, what, m->end[SIDE_TARGET].dbname);
	free(what);
	if (left)
		links_undo_sql(&sql, m, true);
	(void)step_work(st, ON_SOURCE, left ? "remove them, look that nothing is left" : "look that nothing is left", work_finalize, flag,
		left ? str_text(&sql) : "SELECT ... FROM pg_subscription, pg_replication_slots, pg_publication, pg_roles;  -- none of ours, on both sides");
	str_fini(&sql);
	free(ask);
	free(title);
	*out = p;
	return ERR_OK;
}

static struct plan *begin_cutover(const struct migration *m, struct cutover_arg *how)
{
	char *title = xasprintf("%s: cut over, at most %d s without writes", m->name, how->max_outage_s);
	struct plan *p = plan_new(title);
	struct step *st = plan_step(p, "ready", "look that everything is ready", "What is not equal or not caught up now would cost time when writers wait.");

	free(title);
	strv_take(&p->owned, (char *)how);
	(void)step_work(st, ON_SOURCE, "compare publication and subscription, catch up", work_ready, how,
		"SELECT ... FROM pg_publication_tables;  -- equal to the target's pg_subscription_rel, all ready");
	if (m->sub.adopt) /* the list may be longer than it was */
		(void)step_work(st, ON_TARGET, "write down what belongs to the subscription now", work_adopt, how, "SELECT subslotname, subpublications FROM pg_subscription WHERE subname = ...");
	subscription_keys_back(st, m); /* a run that was stopped has not: the target would be the primary without them */
	(void)step_work(st, ON_TARGET, "look at every condition", work_readiness, NULL, "-- what pgusher watch asks; has the target every object of the source, can the operator's commands be run, may the application's role log in");
	hold_move(st, m, &how->link, "Cut over now?", "becomes the primary. Until the hand-over it is taken back when anything fails");
	(void)hook_add(st, m, HOOK_BEFORE_FENCE, how->link.to);
	if (m->cut.reverse)
		plan_reverse(p, m);
	plan_prime(p, &how->link);
	plan_fences(p, m, &how->link);
	return p;
}

enum err_code cutover_plan(struct plan **out, const struct migration *m, const struct facts *src, const struct facts *dst, int max_outage_s,
			   bool over, struct err *err)
{
	*out = NULL;
	if (need_both(src, dst, "cut over", err) != ERR_OK)
		return err->code;
	if (m->sub.adopt && migration_cut_verify(m) != VERIFY_CHECKSUM) {
		err_set(err, ERR_BLOCKED, "what the subscription %s had lost before it was taken over cannot be seen in any LSN", m->sub.adopt);
		return err_hint(err, "let every row be compared: [cutover] verify = checksum");
	}
	struct cutover_arg *how = new_how(max_outage_s);
	link_forward(&how->link, m);
	struct plan *p = over ? begin_over(m, &how->link, how) : begin_cutover(m, how);
	plan_rest(p, m, src, &how->link, over);
	*out = p;
	return ERR_OK;
}

enum err_code cutover_abort_plan(struct plan **out, const struct migration *m, const struct whereabouts *w, bool rollback, struct err *err)
{
	struct plan *p = plan_new(rollback ? "take back an interrupted rollback" : "take back an interrupted cutover");
	char *which = rollback ? xstrdup("rollback") : NULL;
	struct str sql = {0};
	struct link l;

	(void)err;
	if (may_taken_back(w, rollback) == SIDE_TARGET)
		link_back(&l, m);
	else
		link_forward(&l, m);
	bool open = w->known[l.from] && !phase_unfinished(l.back ? w->target : w->source);
	struct step *st = plan_step(p, "take-back", "take it back", open ? "The other side follows again." : "The side that was closed is written to again, and the other follows it.");
	str_add(&sql, "ALTER SUBSCRIPTION ");
	sql_ident(&sql, l.subscription);
	str_addf(&sql, " ENABLE;  -- on the %s", side_name(l.to));
	if (!open) {
		str_addc(&sql, '\n');
		phase_setting_sql(&sql, m->end[l.from].dbname, "");
		str_addf(&sql, ";  -- on the %s, or what it was before", side_name(l.from));
	}
	if (which)
		strv_take(&p->owned, which);
	(void)step_work(st, (enum where)l.from, open ? "wake the subscription" : "wake the subscription, open the closed side", work_take_back, which, str_text(&sql));
	str_fini(&sql);
	*out = p;
	return ERR_OK;
}
