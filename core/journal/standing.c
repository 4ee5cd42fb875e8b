#include "journal/standing.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* What the attempt was, as its begin says (cutover/cutover.h): a cutover, a rollback and a finalize are attempts of their own. */
static bool is(const struct model *m, const char *what)
{
	return m->begin && str_eq(m->begin->sql, what);
}

/* A side is written down as closed on purpose only when the other one is the primary: nothing takes that back but a rollback. */
static const char *handed_to(const struct model *m)
{
	const char *closed = is(m, "cutover") ? "closed:source" : is(m, "rollback") ? "closed:target" : NULL;
	const struct model_item *it = closed ? model_find(&m->left, closed) : NULL;

	return !it || it->removed ? NULL : is(m, "cutover") ? "target" : "source";
}

/* What was told to go and is there still, in words, each once. Caller frees. */
static char *still_left(const struct model *m)
{
	struct strv words = {0};

	for (size_t i = 0; i < m->left.n; i++) {
		const char *id = m->left.v[i].last->id, *colon = strchr(id, ':');
		if (m->left.v[i].removed || str_starts(id, "closed:") || str_starts(id, "kept-closed:"))
			continue;
		char *word = str_starts(id, "replication-role:") ? xstrdup("role") : xasprintf("%.*s", (int)(colon ? colon - id : (ptrdiff_t)strlen(id)), id);
		if (strv_has(&words, word))
			free(word);
		else
			strv_take(&words, word);
	}
	char *list = strv_join(&words, ", ");
	strv_fini(&words);
	return list;
}

bool standing_given_up(const struct model *m)
{
	bool agreed = false;

	for (size_t i = 0; i < m->answers.n; i++)
		agreed |= str_starts(m->answers.v[i].last->id, "cleanup/") && m->answers.v[i].last->state == ST_DONE;
	return agreed && model_unfinished(m) && model_find(&m->steps, "cleanup");
}

char *standing_ended(const struct event *end)
{
	const char *text = end->text ? end->text : "", *state = state_name(end->state);

	return str_empty(text) ? xstrdup(state) : str_starts(text, state) || str_starts(text, STANDING_INTERRUPTED) ? xstrdup(text) : xasprintf("%s: %s", state, text);
}

char *standing_interrupted(const struct model *m)
{
	const char *primary = handed_to(m);

	if (standing_given_up(m)) {
		char *left = still_left(m), *text = xasprintf(STANDING_INTERRUPTED " while being given up; left: %s; next: pgusher cleanup", left);
		free(left);
		return text;
	}
	if (primary)
		return xasprintf("interrupted after its hand-over: the %s is the primary; pgusher %s again finishes what follows", primary, m->begin->sql);
	if (is(m, "cutover") || is(m, "rollback") || is(m, "finalize"))
		return xasprintf("interrupted during a %s", m->begin->sql);
	return xstrdup("interrupted: it can be taken up again, or cleaned up");
}

static bool has_left(const struct model *m, const char *kind)
{
	for (size_t i = 0; i < m->left.n; i++)
		if (!m->left.v[i].removed && str_starts(m->left.v[i].last->id, kind))
			return true;
	return false;
}

const char *standing_word(const struct model *m, bool *attention)
{
	bool move = is(m, "cutover") || is(m, "rollback") || is(m, "finalize"), done = m->end && m->end->state == ST_DONE;

	*attention = m->begin && (!m->end || model_closed(m) || standing_given_up(m));
	if (!m->begin || *attention)
		return m->begin ? "interrupted" : "not begun";
	if (done && move)
		return is(m, "cutover") ? "cut over" : is(m, "rollback") ? "rolled back" : "finalized";
	if (has_left(m, "back-subscription:")) /* a rollback was not confirmed, or taken back */
		return "cut over";
	if (has_left(m, "subscription:") && (done || move))
		return "follows";
	*attention = !done || m->end->n != 0;
	return done ? m->end->n == 0 ? "finished" : "finished, look at it" : m->end->state == ST_CANCELLED ? "stopped" : "failed";
}

bool standing_touched(const struct model *m)
{
	const struct model_item *held = model_find(&m->left, "fence:command"); /* cutover/operator.h */

	if (model_closed(m) || (held && !held->removed))
		return true;
	for (size_t i = 0; model_unfinished(m) && i < m->steps.n; i++)
		if (!str_eq(m->steps.v[i].last->id, "ready") && m->steps.v[i].last->state > ST_WAITING)
			return true;
	return false;
}

char *standing_next(const struct model *m, const char *file)
{
	const char *c = file ? " -c " : "", *f = file ? file : "";

	if (!model_unfinished(m))
		return NULL;
	if (standing_given_up(m))
		return xasprintf("pgusher cleanup%s%s removes what is left", c, f);
	if (is(m, "finalize") || handed_to(m))
		return xasprintf("pgusher %s%s%s finishes it", m->begin->sql, c, f);
	if ((is(m, "cutover") || is(m, "rollback")) && !standing_touched(m))
		return xasprintf("pgusher %s%s%s begins it again; nothing was closed or changed", m->begin->sql, c, f);
	if (is(m, "cutover") || is(m, "rollback"))
		return xasprintf("pgusher %s%s%s begins it again; pgusher %s --abort%s%s makes everything as it was before it", m->begin->sql, c, f, m->begin->sql, c, f);
	return xasprintf("pgusher run%s%s goes on; pgusher cleanup%s%s removes what it left", c, f, c, f);
}
