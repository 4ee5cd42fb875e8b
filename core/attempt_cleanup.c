/* The clean-up of an attempt: by its journal, or, without one, by what the servers say. Declared in attempt.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"
#include "attempt_in.h"
#include "base/str.h"
#include "copy/copied.h"
#include "cutover/abandon.h"
#include "cutover/cleanup.h"
#include "cutover/found.h"
#include "journal/standing.h"
#include "method/run.h"
#include "method/work.h"

#define EXCEPT "cleaned up, except for " /* and what: said again as long as it is there */

/* What could not be removed, or may not be, is said. */
static struct event *cleaned_up(const struct migration *m, const struct model *live, bool copy_stays, const char *id)
{
	struct event *e = event_new(EV_END, id);
	struct str stays = {0};
	bool content = false, more = false;

	for (size_t i = 0; i < live->left.n; i++) {
		const char *what = live->left.v[i].last->id;
		if (live->left.v[i].removed || str_starts(what, "closed:"))
			continue;
		str_addf(&stays, "%s%s", stays.len ? ", " : "", what);
		content |= str_starts(what, "content:");
		more |= !str_starts(what, "content:");
	}
	e->state = ST_DONE;
	e->n = stays.len > 0;
	if (stays.len > 0) {
		char *how = cleanup_by_hand(m);
		event_text(&e->text, EXCEPT "%s", str_text(&stays));
		event_text(&e->hint, "%s%s%s%s", content ? "the target database was there before the attempt, and is not dropped, nor what was copied into it; " : "", content ? how : "",
			   content && more ? "; " : "", more ? "a role may be in use: look at it, and remove it by hand" : "");
		free(how);
	} else if (copy_stays) {
		char *how = cleanup_by_hand(m);
		event_text(&e->text, "cleaned up: nothing follows the source any more; the target's database %s stays, with its copy", m->end[SIDE_TARGET].dbname);
		xreplace(&e->hint, how);
		free(how);
	} else {
		event_text(&e->text, "cleaned up: nothing of the attempt is left");
	}
	str_fini(&stays);
	return e;
}

/* What could not be removed, with the command that does it: a slot that is forgotten fills a disk. Returns the error to end with. */
static enum err_code say_what_stays(struct attempt *a, enum err_code rc, struct err *err)
{
	const struct model *live = &a->sink->live;
	size_t n = 0;

	for (size_t i = 0; i < live->left.n; i++) {
		const struct event *l = live->left.v[i].last;
		if (live->left.v[i].removed || str_starts(l->id, "content:") || str_starts(l->id, "closed:"))
			continue;
		struct event *e = event_new(EV_NOTE, NULL);
		struct err ignored;
		xreplace(&e->title, "still there");
		event_text(&e->text, "%s. By hand, on the %s: %s", l->id, str_eq(l->text, "source") ? "source" : "target", l->sql ? l->sql : l->title ? l->title : l->id);
		n += sink_emit(a->sink, e, &ignored) == ERR_OK;
	}
	if (n == 0 || rc == ERR_CANCELLED || rc == ERR_BLOCKED)
		return rc;
	err->code = rc == ERR_CONNECT || rc == ERR_TIMEOUT ? ERR_LOST : rc;
	return err_hint(err, "start pgusher cleanup again when both sides are there, or give the commands above; a slot that stays keeps WAL until the source's disk is full");
}

/* Whether there is a journal at all: then what is on the disk is in it, or is kept on purpose. */
static bool journal_there(const struct migration *m)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir);
	bool there = access(path, F_OK) == 0;

	free(path);
	free(dir);
	return there;
}

/* Nothing is written down here: the servers and the disk are asked. *out NULL: they know of nothing. */
static enum err_code find_left(struct attempt *a, struct model **out, struct err *err)
{
	struct plan *none = plan_new("look for what was left");
	struct model *found = xcalloc(1, sizeof *found);
	struct run r;
	char *id = attempt_new_id();
	struct err away[2];
	enum err_code rc = ERR_OK;

	model_init(found);
	attempt_init_run(&r, a, none, NULL, id);
	if (a->m->method == METHOD_SUBSCRIPTION)
		rc = found_on_servers(&r, found, away, err);
	if (rc == ERR_OK && !journal_there(a->m) && !a->m->dump.keep)
		found_on_disk(&r, found);
	run_release(&r, rc == ERR_CANCELLED);
	plan_free(none);
	free(id);
	if (rc != ERR_OK || found->left.n == 0) {
		attempt_forget(found);
		found = NULL;
	}
	*out = found;
	return rc;
}

/* Whether the copy may go, when it is to; how old, how large it all is, and what still runs. */
static enum err_code look_closer(struct attempt *a, struct model *seen, bool drop_copy, const char *theirs, struct leftover *l, struct err *err)
{
	struct plan *none = plan_new("look at what was left");
	struct strv beside = {0};
	struct run r;
	char *id = attempt_new_id();

	attempt_init_run(&r, a, none, NULL, id);
	enum err_code rc = drop_copy || abandon_begun(seen) ? abandon_copy(&r, seen, &beside, err) : ERR_OK;
	if (rc != ERR_OK && rc != ERR_CANCELLED && !drop_copy) { /* the rest goes all the same */
		abandon_not(seen, &beside, err);
		*err = (struct err){0};
		rc = ERR_OK;
	}
	if (rc == ERR_OK)
		leftover_look(&r, seen, theirs, l);
	for (size_t i = 0; i < beside.n; i++)
		strv_add(&l->beside, beside.v[i]);
	strv_fini(&beside);
	run_release(&r, rc == ERR_CANCELLED);
	plan_free(none);
	free(id);
	return rc == ERR_OK && cancel_raised(a->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : rc;
}

/* What was found becomes the story of an attempt that begins with it; the copy does when it is confirmed that it goes. */
static enum err_code write_found(struct attempt *a, const struct model *found, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < found->left.n && rc == ERR_OK; i++)
		if (!str_starts(found->left.v[i].last->id, ABANDON_COPY))
			rc = sink_emit(a->sink, event_dup(found->left.v[i].last), err);
	return rc;
}

/* Whether the target has something, as work_target_empty says; 3D000 in err: no such database. */
static enum err_code ask_target(struct attempt *a, struct err *err)
{
	struct plan *none = plan_new("look for what was left");
	char *id = attempt_new_id();
	struct run r;

	attempt_init_run(&r, a, none, NULL, id);
	enum err_code rc = work_target_empty(&r, NULL, err);
	run_release(&r, rc == ERR_CANCELLED);
	plan_free(none);
	free(id);
	return rc;
}

/* A copy that was to go is there, or may be, and nothing of the replication that would say that it is only a copy. Then err says so. */
static bool database_stays(struct attempt *a, struct err *err)
{
	const char *db = a->m->end[SIDE_TARGET].dbname;
	struct err look = {0};
	enum err_code rc = ask_target(a, &look);

	if (rc != ERR_OK && strcmp(look.sqlstate, "3D000") == 0)
		return false;
	if (rc == ERR_OK || rc == ERR_BLOCKED) {
		char *how = cleanup_by_hand(a->m);
		err_set(err, ERR_BLOCKED, "nothing of the replication is left on both servers; the target's database %s is there, and is not dropped: nothing tells any more whether it is a copy or the primary", db);
		(void)err_hint(err, "see where the applications write; %s", how);
		free(how);
	} else {
		err_set(err, rc, "nothing of the replication is left; whether the target's database %s is still there is not known: %s", db, look.msg);
	}
	return true;
}

/* The last clean-up said that the content of the target stays. ERR_DIFFERS: it is there still; what cannot be asked is no reason to say that it is gone. */
static enum err_code content_stays(struct attempt *a, struct err *err)
{
	char *dir = migration_state_dir(a->m), *path = journal_path(dir);
	struct err look = {0};
	struct model seen;

	model_init(&seen);
	bool read = model_load(&seen, path, &look) == ERR_OK;
	const char *last = read && seen.end ? seen.end->text : NULL;
	bool said = last && str_starts(last, EXCEPT) && strstr(last, "content:");
	if (said) {
		char *how = cleanup_by_hand(a->m);
		look = (struct err){0};
		enum err_code rc = ask_target(a, &look);
		if (rc == ERR_BLOCKED)
			err_set(err, ERR_DIFFERS, "what was copied into the target database %s is still there", a->m->end[SIDE_TARGET].dbname);
		else if (rc != ERR_OK && strcmp(look.sqlstate, "3D000") != 0) /* no such database: gone */
			err_set(err, rc, "whether what was copied into the target is still there is not known: %s", look.msg);
		if (err->code != ERR_OK)
			(void)err_hint(err, "%s", how);
		free(how);
	}
	model_fini(&seen);
	free(path);
	free(dir);
	return err->code;
}

/* Of a subscription both sides have answered, or what may be there would have been named. */
static enum err_code nothing_there(struct attempt *a, bool drop_copy, struct err *err)
{
	char *dir = migration_state_dir(a->m);
	enum err_code rc = ERR_BLOCKED;

	if (drop_copy && a->m->method == METHOD_SUBSCRIPTION && database_stays(a, err)) {
		rc = err->code;
	} else if (a->m->method == METHOD_SUBSCRIPTION) {
		struct event *e = event_new(EV_NOTE, NULL);
		xreplace(&e->title, "cleanup");
		event_text(&e->text, "nothing is left: looked in %s, and on both servers", dir);
		rc = sink_emit(a->sink, e, err);
	} else {
		err_set(err, ERR_BLOCKED, "nothing of %s that could be removed is written down here", a->m->name);
		(void)err_hint(err, "looked in %s; an attempt that another host or login ran is in its state_dir", dir);
	}
	free(dir);
	return rc;
}

/* Whether anything that was there before is gone. */
static bool took_away(const struct model *seen, const struct model *live)
{
	for (size_t i = 0; i < seen->left.n; i++) {
		const struct model_item *now = model_find(&live->left, seen->left.v[i].last->id);
		if (!seen->left.v[i].removed && now && now->removed)
			return true;
	}
	return false;
}

/* The last word of one that did not remove all: what had ended well still has, when nothing was taken from it. */
static struct event *not_cleaned_up(const struct model *seen, const struct model *live, const char *id, const struct err *why)
{
	if (seen->end && seen->end->state == ST_DONE && !took_away(seen, live))
		return event_dup(seen->end);
	if (!standing_given_up(live))
		return NULL;
	struct event *e = event_new(EV_END, id);
	e->state = ST_CANCELLED;
	e->n = 5;
	e->text = standing_interrupted(live);
	xreplace(&e->hint, err_next(why));
	return e;
}

/* From the question to the last word; the journal is open. */
static enum err_code remove_all(struct attempt *a, const struct model *seen, bool found, const struct leftover *l, const char *theirs, char **id, struct err *err)
{
	struct plan *p = NULL;
	struct run r = {0};
	struct err ignored;

	if (cleanup_plan(&p, a->m, seen, l, theirs, &ignored) != ERR_OK)
		return ERR_OK;
	enum err_code rc = attempt_begin(a, found ? NULL : seen, id, err);
	if (rc == ERR_OK && found)
		rc = write_found(a, seen, err);
	if (rc == ERR_OK)
		rc = attempt_announce(a, p, err);
	if (rc == ERR_OK) {
		attempt_init_run(&r, a, p, NULL, *id);
		rc = run_plan(&r, err);
		run_release(&r, rc == ERR_CANCELLED);
	}
	plan_free(p);
	return rc;
}

enum err_code attempt_cleanup(struct attempt *a, bool drop_copy, struct err *err)
{
	struct model *seen = attempt_load(a->m, true);
	struct err ignored;
	struct leftover l = {0};
	bool found = !seen;
	char *id = NULL;

	enum err_code rc = found ? find_left(a, &seen, err) : ERR_OK;
	if (rc != ERR_OK)
		return rc;
	if (!seen) {
		*err = (struct err){0};
		return content_stays(a, err) == ERR_OK ? nothing_there(a, drop_copy, err) : err->code;
	}
	char *theirs = !found && seen->begin && seen->begin->id ? attempt_app_name(a->m, seen->begin->id) : NULL;
	a->sink->dir = migration_state_dir(a->m);
	rc = journal_open(&a->sink->j, a->sink->dir, err);
	if (rc == ERR_OK)
		rc = attempt_take_story(a, found ? NULL : seen, err);
	bool opened = rc == ERR_OK;
	if (rc == ERR_OK)
		rc = look_closer(a, seen, drop_copy, theirs, &l, err);
	bool copy_stays = rc == ERR_OK && cleanup_keeps_copy(seen);
	if (rc == ERR_OK)
		rc = remove_all(a, seen, found, &l, theirs, &id, err);
	if (opened && rc != ERR_OK && id)
		rc = say_what_stays(a, rc, err);
	if (opened && rc == ERR_OK) {
		copied_remove(a->sink->dir);
		rc = sink_emit(a->sink, cleaned_up(a->m, &a->sink->live, copy_stays, id), err);
	} else if (opened && id) {
		struct event *e = not_cleaned_up(seen, &a->sink->live, id, err);
		if (e)
			(void)sink_emit(a->sink, e, &ignored);
	}
	leftover_fini(&l);
	free(theirs);
	free(id);
	attempt_forget(seen);
	attempt_close(a);
	return rc;
}
