#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/model.h"
#include "pg/adopted.h"
#include "pg/logical.h"

#define ASK_MS 5000

/* ---- the journal ---- */

static bool has(const struct model *seen, const char *kind, const char *name)
{
	char *id = xasprintf("%s:%s", kind, name);
	bool there = model_find(&seen->left, id) != NULL;

	free(id);
	return there;
}

/* What it says of this one; what an older pgusher wrote down does not say of which it is a part. */
static bool is_of(const struct model *seen, const struct migration *m, const struct event *e)
{
	struct link back;

	link_back(&back, m);
	return e->why ? str_eq(e->why, m->sub.adopt) : has(seen, "subscription", m->sub.adopt) || has(seen, "back-subscription", back.subscription);
}

static bool names_written(struct migration *m)
{
	char *dir = migration_state_dir(m), *path = journal_path(dir);
	struct model seen;
	struct strv words = {0}, publications = {0};
	struct err err;
	const char *slot = "";

	model_init(&seen);
	if (model_load(&seen, path, &err) == ERR_OK)
		for (size_t i = 0; i < seen.left.n; i++) {
			const struct event *e = seen.left.v[i].last;
			const char *name = e->id && strchr(e->id, ':') ? strchr(e->id, ':') + 1 : "";
			if (e->id && str_starts(e->id, "publication:") && is_of(&seen, m, e))
				strv_add(&publications, name);
			if (e->id && str_starts(e->id, "slot:") && is_of(&seen, m, e))
				slot = name;
		}
	bool found = publications.n > 0;
	strv_add(&words, slot);
	strv_copy(&words, &publications);
	if (found)
		adopted_is(m, &words);
	model_fini(&seen);
	strv_fini(&words);
	strv_fini(&publications);
	free(path);
	free(dir);
	return found;
}

void names_settle(struct migration *m, const struct facts *src, const struct facts *dst)
{
	if (m->method != METHOD_SUBSCRIPTION || !m->sub.adopt || adopted_names(m, src, dst) || names_written(m))
		return;
	strv_fini(&m->sub.publications); /* what was known once may be about something else by now */
}

/* ---- the servers ---- */

static enum err_code read_side(struct migration *m, struct route *route, struct cancel *cancel, enum side side, struct facts **out, struct err *err)
{
	struct session_options opt = {.application_name = "pgusher", .read_write = side == SIDE_TARGET, .timeout_ms = ASK_MS};
	struct session *s = NULL;
	enum err_code rc = route_open(route, side, err);

	*out = NULL;
	if (rc == ERR_OK)
		rc = session_open(&s, &m->end[side], &opt, cancel, err);
	if (rc == ERR_OK)
		rc = adopted_read(out, s, err);
	session_close(s);
	if (rc != ERR_OK)
		(void)route_blame(route, side, err);
	return rc;
}

enum err_code names_ask(struct migration *m, struct route *route, struct cancel *cancel, bool must, struct err *err)
{
	struct facts *f[2] = {NULL, NULL};
	struct err why = {0};
	enum side away = SIDE_SOURCE;

	if (m->method != METHOD_SUBSCRIPTION || !m->sub.adopt)
		return ERR_OK;
	for (int i = 0; i < 2; i++) {
		struct err one = {0};
		if (read_side(m, route, cancel, (enum side)i, &f[i], &one) == ERR_OK || strcmp(one.sqlstate, "3D000") == 0) /* no database: nothing in it */
			continue;
		why = one;
		away = (enum side)i;
	}
	names_settle(m, f[SIDE_SOURCE], f[SIDE_TARGET]);
	facts_free(f[0]);
	facts_free(f[1]);
	if (cancel_raised(cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	if (!must || why.code == ERR_OK || m->sub.publications.n > 0)
		return ERR_OK;
	*err = why;
	(void)err_prefix(err, "what the subscription %s consists of is written on the %s alone, which does not answer", m->sub.adopt, side_name(away));
	return err_hint(err, "clean up when it is back; by hand, on the source: SELECT slot_name, active FROM pg_replication_slots; SELECT pg_drop_replication_slot(...)");
}
