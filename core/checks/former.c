#include "checks/former.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "journal/journal.h"
#include "journal/model.h"
#include "pg/session.h"

/* A clean-up ends well, too, and a cutover is an attempt of its own: neither filled the target. */
static bool filled(const struct migration *m, const struct model *seen)
{
	const struct event *to = seen->facts[SIDE_TARGET];
	char *label = endpoint_label(&m->end[SIDE_TARGET]);
	bool same = !to || !to->title || str_eq(to->title, label);

	free(label);
	return same && seen->begin && str_eq(seen->begin->sql, method_name(m->method)) && seen->end && seen->end->state == ST_DONE && seen->end->text &&
	       (str_starts(seen->end->text, "done") || str_starts(seen->end->text, "the target follows"));
}

char *former_done(const struct migration *m)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir), *words = NULL;
	struct model seen;
	struct err err;
	char at[40];

	model_init(&seen);
	if (!m->dump.dump_only && model_load(&seen, path, &err) == ERR_OK && filled(m, &seen))
		words = xasprintf("%s: %s", clock_iso(at, sizeof at, seen.end->at_us), seen.end->text);
	model_fini(&seen);
	free(path);
	free(dir);
	return words;
}
