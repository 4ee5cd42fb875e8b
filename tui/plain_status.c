/* status: how it stands, by the journal alone. */
#include "plain_in.h"

#include <stdlib.h>

#include "compared.h"
#include "journal/journal.h"
#include "journal/live.h"
#include "journal/report.h"
#include "journal/standing.h"

bool plain_load(struct model *story, const struct migration *m, struct err *err)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir);
	enum err_code rc = model_load(story, path, err);

	free(path);
	free(dir);
	return rc == ERR_OK;
}

static void say_live(const char *dir)
{
	struct live l;
	char n[32], of[32], t[48];

	if (!live_read(dir, &l))
		return;
	if (l.step && l.of > 0)
		(void)printf("now: %s, %s of %s, %lld of %s %s\n", l.step, fmt_bytes(n, sizeof n, (double)l.n),
			     fmt_bytes(of, sizeof of, (double)l.of), (long long)l.a, fmt_things(t, sizeof t, l.b, "table"), l.text ? l.text : "");
	else if (l.step)
		(void)printf("now: %s %s\n", l.step, l.text ? l.text : "");
	live_fini(&l);
}

/* How it stands, in one line: what was not confirmed changed nothing. */
static void say_state(const struct migration *mig, const struct model *m)
{
	const char *text = m->end && m->end->text ? m->end->text : "";
	bool follows = false;

	for (size_t i = 0; i < m->left.n; i++)
		follows |= !m->left.v[i].removed && str_starts(m->left.v[i].last->id, "subscription:");
	char *how = m->end ? standing_ended(m->end) : standing_interrupted(m);
	if (model_not_begun(m->end))
		(void)printf("%s: %s%s\n", mig->name, follows ? "the target follows the source; the last try was " : "", text);
	else
		(void)printf("%s: %s\n", mig->name, how);
	free(how);
}

int plain_status(const struct args *a, const struct migration *m, struct model *story)
{
	struct journal_holder h;
	struct err err;

	if (!plain_load(story, m, &err)) {
		(void)fprintf(stderr, "pgusher: %s\n         %s\n", err.msg, err_next(&err));
		return EXIT_FAILED;
	}
	char *dir = migration_state_dir(m);
	bool held = journal_held(dir, &h);
	if (a->json) {
		json_t *j = report_json(story);
		char *primary = standing_primary(story), *next = held ? NULL : standing_then(story, m->ini_path);
		(void)json_object_set_new(j, "running", json_boolean(held));
		(void)json_object_set_new(j, "primary", primary ? event_string(primary) : json_null());
		(void)json_object_set_new(j, "next", next ? event_string(next) : json_null());
		free(primary);
		free(next);
		(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)putchar('\n');
		json_decref(j);
	} else if (!story->begin) {
		(void)printf("%s: nothing has been run (looked in %s)\n", m->name, dir);
		char *next = standing_then(story, m->ini_path);
		(void)printf("  next       %s\n", next);
		free(next);
	} else {
		char *primary = standing_primary(story);
		(void)printf("primary: %s\n", primary);
		free(primary);
		if (held)
			(void)printf("%s runs: process %ld of %s on %s since %s\n", m->name, (long)h.pid, h.user, h.host, h.since);
		else
			say_state(m, story);
		char *closed = held ? NULL : model_closed_says(story); /* before all else: production stands still */
		if (closed)
			(void)printf("%s\n", closed);
		free(closed);
		for (size_t i = 0; i < story->steps.n && !model_not_begun(story->end); i++)
			(void)printf("  %-10s %s\n", state_name(story->steps.v[i].last->state), story->steps.v[i].title ? story->steps.v[i].title : story->steps.v[i].last->id);
		for (size_t i = story->notes.n; i-- > 0;)
			if (str_eq(story->notes.v[i].last->title, COMPARED_NOTE)) {
				(void)printf("  " COMPARED_NOTE " %s\n", story->notes.v[i].last->text);
				break;
			}
		if (held)
			say_live(dir);
		for (size_t i = 0; i < story->left.n; i++)
			if (!story->left.v[i].removed) {
				const struct event *left = story->left.v[i].last;
				(void)printf("  %s %s%s%s\n", held ? "made so far" : "left      ", left->id, left->title ? ": " : "", left->title ? left->title : "");
			}
		char *next = held ? xasprintf("pgusher%s%s in a terminal follows it", m->ini_path ? " -c " : "", m->ini_path ? m->ini_path : "")
				  : standing_then(story, m->ini_path);
		(void)printf("  next       %s\n", next);
		free(next);
	}
	free(dir);
	return held ? EXIT_DONE : model_unfinished(story) ? EXIT_STOPPED : EXIT_DONE;
}
