#include "cutover/readiness.h"

#include "cutover/cutover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cutover/smoke.h"
#include "method/keys.h"
#include "method/rewritten.h"
#include "method/same.h"
#include "pg/logical.h"
#include "watch/ready.h"
#include "watch/watch.h"

struct tally { struct run *r; int blocks; struct err first; };

static void say(struct tally *t, const char *id, const char *title, enum verdict v, const char *found, const char *fix)
{
	struct event *e = event_new(EV_FINDING, NULL);

	event_text(&e->id, "ready.%s", id);
	e->verdict = v;
	event_text(&e->title, "%s", title);
	xreplace(&e->text, found);
	xreplace(&e->hint, fix);
	run_emit(t->r, e);
	if (v == VERDICT_BLOCK && t->blocks++ == 0) {
		(void)err_set(&t->first, ERR_BLOCKED, "not ready: %s: %s", title, found);
		(void)err_hint(&t->first, "%s", fix);
	}
}

static void say_conditions(struct tally *t)
{
	struct ready_condition c[READY_MAX];
	struct watch_sample s;
	char *dir = migration_state_dir(t->r->m);
	struct watch *w = watch_new(t->r->m, dir, t->r->app, t->r->cancel);

	watch_take(w, &s);
	size_t n = ready_list(&s, t->r->m, c);
	for (size_t i = 0; i < n; i++)
		say(t, c[i].id, c[i].title, c[i].verdict, c[i].value, c[i].todo[0] ? c[i].todo : NULL);
	watch_free(w);
	free(dir);
}

/* What a row filter or a list of columns keeps back is on the source alone: the new primary would be without it. */
static void say_parts(struct tally *t)
{
	static const char title[] = "every row and column is sent", fix[] = "ALTER PUBLICATION ... SET TABLE without filters and lists of columns, and copy those tables again";
	const struct facts *f = t->r->facts[SIDE_SOURCE];
	struct strv publications = {0};
	struct str list = {0};
	struct link l;

	link_forward(&l, t->r->m);
	link_publications(t->r->m, &l, &publications);
	for (size_t i = 0; f && i < f->n_objects; i++)
		if (str_eq(f->objects[i].kind, "partly published") && strv_has(&publications, f->objects[i].name) && f->objects[i].bytes != 0)
			str_addf(&list, "%s%s", list.len ? ", " : "", f->objects[i].detail);
	if (list.len)
		say(t, "parts", title, VERDICT_BLOCK, str_text(&list), fix);
	else
		say(t, "parts", title, VERDICT_OK, "no row filter, no list of columns", NULL);
	strv_fini(&publications);
	str_fini(&list);
}

static bool can_run(const char *file)
{
	const char *path = getenv("PATH");
	struct strv dirs = {0};
	bool found = false;

	if (strchr(file, '/'))
		return access(file, X_OK) == 0;
	strv_split(&dirs, path ? path : "/usr/bin:/bin", ":");
	for (size_t i = 0; i < dirs.n && !found; i++) {
		char *whole = xasprintf("%s/%s", dirs.v[i], file);
		found = access(whole, X_OK) == 0;
		free(whole);
	}
	strv_fini(&dirs);
	return found;
}

static void say_commands(struct tally *t)
{
	struct str missing = {0};
	int n = 0;

	for (int i = 0; i < HOOK_N; i++) {
		const struct strv *argv = &t->r->m->hooks.argv[i];
		n += argv->n > 0;
		if (argv->n > 0 && !can_run(argv->v[0]))
			str_addf(&missing, "%s%s of %s is not there, or may not be run", missing.len ? "; " : "", argv->v[0], hook_moment_name((enum hook_moment)i));
	}
	if (missing.len)
		say(t, "commands", "the operator's commands can be run", VERDICT_BLOCK, str_text(&missing), "[hooks] wants the path of a program, or a name that PATH finds");
	else if (n > 0)
		say(t, "commands", "the operator's commands can be run", VERDICT_OK, "their programs are there", NULL);
	str_fini(&missing);
}

static const char *value_of(const struct strv *settings, const char *pair)
{
	size_t n = strcspn(pair, "=") + 1;

	for (size_t i = 0; i < settings->n; i++)
		if (strncmp(settings->v[i], pair, n) == 0)
			return settings->v[i];
	return NULL;
}

/* The last look before the hand-over refuses them (handover.c): writers would have waited for nothing. */
static void say_prepared(struct tally *t)
{
	static const char title[] = "no prepared transactions";
	struct session *s;
	struct err why = {0};
	char *names = NULL;

	if (run_session(t->r, SIDE_SOURCE, NULL, &s, &why) != ERR_OK || session_value(s, PREPARED_SQL, &names, &why) != ERR_OK)
		say(t, "prepared", title, VERDICT_BLOCK, why.msg, "the source must be asked: try again");
	else if (names)
		say(t, "prepared", title, VERDICT_BLOCK, names, "what they wrote is not on the target: COMMIT PREPARED or ROLLBACK PREPARED on the source");
	free(names);
}

/* ALTER DATABASE ... SET is replicated by nothing; somebody may have changed it since the copy, on purpose or not. */
static void say_settings(struct tally *t)
{
	const struct facts *a = t->r->facts[SIDE_SOURCE], *b = t->r->facts[SIDE_TARGET];
	struct str list = {0};

	for (size_t i = 0; a && b && i < a->db_settings.n; i++) {
		const char *mine = a->db_settings.v[i], *theirs = value_of(&b->db_settings, mine);
		if (!str_starts(mine, "default_transaction_read_only=") && !str_eq(mine, theirs))
			str_addf(&list, "%s%s (on the target %s)", list.len ? ", " : "", mine, theirs ? strchr(theirs, '=') + 1 : "not set");
	}
	if (list.len)
		say(t, "settings", "the database's settings", VERDICT_WARN, str_text(&list), "ALTER DATABASE ... SET on the target, unless that is meant");
	else
		say(t, "settings", "the database's settings", VERDICT_OK, "the same on both sides", NULL);
	str_fini(&list);
}

/* They were set aside for the server's own copy: a run that was stopped too early has not brought them back. */
static void say_keys(struct tally *t)
{
	static const char title[] = "the target has the source's constraints";
	bool now = t->r->cutover != NULL; /* it has just tried: what is missing still was refused */
	struct str names = {0}, unproven = {0};
	struct err why = {0};

	if (t->r->m->sub.copy != COPY_NATIVE || t->r->m->sub.adopt)
		return;
	if (keys_absent(t->r, &names, &unproven, &why) != ERR_OK) {
		say(t, "keys", title, VERDICT_BLOCK, why.msg, "both servers must be asked: try again");
	} else if (names.len) {
		str_add(&names, ": not on the target");
		say(t, "keys", title, now ? VERDICT_BLOCK : VERDICT_WARN, str_text(&names),
		    now ? "the target refused to add them: do what it asks for, or add them by hand, then cut over" : "the cutover brings them back before it closes anything");
	} else if (unproven.len) {
		str_add(&unproven, ": NOT VALID on the target");
		say(t, "keys", title, VERDICT_WARN, str_text(&unproven), "ALTER TABLE ... VALIDATE CONSTRAINT ... on the target; what fails there has rows that violate it");
	} else {
		say(t, "keys", title, VERDICT_OK, "all of them", NULL);
	}
	str_fini(&names);
	str_fini(&unproven);
}

/* Their rows may be missing, and only a comparison of every row would show it. */
static void say_rewritten(struct tally *t)
{
	const struct migration *m = t->r->m;
	bool compared = migration_cut_verify(m) == VERIFY_CHECKSUM && m->cut.verify_budget_s == 0;

	if (rewritten_unproven(m))
		say(t, "rewritten", "tables rewritten during the copy", compared ? VERDICT_INFO : VERDICT_BLOCK, compared ? "the cutover compares every table" : "not compared yet: rows may be missing",
		    compared ? NULL : "compare both sides by pgusher verify, or let the cutover do it: [cutover] verify = checksum, no verify_budget");
}

static void say_address(struct tally *t)
{
	static const char title[] = "the application's address";
	struct err why = {0};
	bool answers;

	if (str_empty(t->r->m->cut.app.host))
		say(t, "app", title, VERDICT_INFO, "not known: no smoke query after the hand-over", "[cutover] app_host, app_port, app_user");
	else if (smoke_before(t->r, &answers, &why) == ERR_OK)
		say(t, "app", title, VERDICT_OK, "answers, and lets the application's role in", NULL);
	else
		say(t, "app", title, answers ? VERDICT_BLOCK : VERDICT_WARN, why.msg, answers ? why.hint : "it must answer when the application is pointed to it");
}

/* What follows is compared for what stops it (watch/ready.h); this is about all that the new primary would have, or lack. */
static void say_objects(struct tally *t, enum side from)
{
	static const char title[] = "the same objects", *const fix[] = {
		[SIDE_SOURCE] = "make them alike now, or after the cutover: the target has what it has (pgusher verify says how each differs)",
		[SIDE_TARGET] = "make the source as the target is: after the rollback, or now, in a session with SET default_transaction_read_only = off",
	};
	struct same o;
	struct err err = {0};
	struct str s = {0};

	if (same_look(t->r, from, &o, &err) == ERR_OK) {
		same_words(&s, t->r, &o);
		say(t, "objects", title, same_differ(t->r, &o) ? VERDICT_WARN : VERDICT_OK, str_text(&s), same_differ(t->r, &o) ? fix[from] : NULL);
		if (!t->r->rehearsal)
			same_say(t->r, &o);
	} else {
		str_addf(&s, "could not be compared: %s", err.msg);
		say(t, "objects", title, VERDICT_WARN, str_text(&s), err_next(&err));
	}
	objects_fini(&o.o);
	str_fini(&s);
}

enum err_code work_readiness(struct run *r, const void *arg, struct err *err)
{
	struct tally t = {.r = r};

	if (r->handed) /* only what follows the hand-over is done */
		return ERR_OK;
	(void)arg;
	say_conditions(&t);
	say_parts(&t);
	say_prepared(&t);
	say_commands(&t);
	say_settings(&t);
	say_keys(&t);
	say_rewritten(&t);
	say_objects(&t, SIDE_SOURCE);
	say_address(&t);
	if (cancel_raised(r->cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	return t.blocks ? (*err = t.first).code : ERR_OK;
}

enum err_code work_back_objects(struct run *r, const void *arg, struct err *err)
{
	struct tally t = {.r = r};

	(void)arg;
	if (!r->handed)
		say_objects(&t, SIDE_TARGET);
	return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : ERR_OK;
}
