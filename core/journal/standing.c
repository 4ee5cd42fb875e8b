#include "journal/standing.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
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

/* A side that was closed for good says who the primary is; after a finalize that opened it again it was still so. */
static bool closed_side(const struct model *m, const char *side)
{
	char *closed = xasprintf("closed:%s", side), *kept = xasprintf("kept-closed:%s", side);
	const struct model_item *c = model_find(&m->left, closed), *k = model_find(&m->left, kept);

	free(closed);
	free(kept);
	return (c && (!c->removed || is(m, "finalize"))) || (k && !k->removed);
}

/* The subscription is there, and its copy was whole once: a cutover and a rollback come after that. */
static bool follows(const struct model *m)
{
	bool move = is(m, "cutover") || is(m, "rollback") || is(m, "finalize"), done = m->end && m->end->state == ST_DONE;

	return (done || move) && !standing_given_up(m) && has_left(m, "subscription:");
}

enum standing_at { AT_COPY, AT_FOLLOWS, AT_CUT_OVER, AT_CUT_OVER_ALONE, AT_ROLLED_BACK };

static enum standing_at where(const struct model *m)
{
	if (closed_side(m, "target"))
		return AT_ROLLED_BACK;
	if (closed_side(m, "source"))
		return has_left(m, "back-subscription:") ? AT_CUT_OVER : AT_CUT_OVER_ALONE;
	return follows(m) ? AT_FOLLOWS : AT_COPY;
}

char *standing_primary(const struct model *m)
{
	static const char *const says[] = {
		[AT_COPY] = "the source", [AT_FOLLOWS] = "the source; the target follows", [AT_CUT_OVER] = "the target; the source, closed to writers, follows",
		[AT_CUT_OVER_ALONE] = "the target; nothing follows it", [AT_ROLLED_BACK] = "the source, as before the cutover; nothing follows it"};
	int64_t at = m->begin ? m->begin->at_us : 0;
	const struct event *later[] = {m->action, m->end};
	char iso[40];

	if (!m->begin)
		return NULL;
	for (size_t i = 0; i < sizeof later / sizeof *later; i++)
		at = later[i] && later[i]->at_us > at ? later[i]->at_us : at;
	(void)clock_iso(iso, sizeof iso, at);
	return xasprintf("%s (from the journal of %.10s %.5s UTC; the servers were not asked%s)", says[where(m)], iso, iso + 11,
			 is(m, "dump") || is(m, "tunnel") ? "" : ": pgusher watch --once does");
}

char *standing_then(const struct model *m, const char *file)
{
	const char *c = file ? " -c " : "", *f = file ? file : "";
	char *next = standing_next(m, file);

	if (next)
		return next;
	switch (where(m)) {
	case AT_FOLLOWS:
		return xasprintf("pgusher watch%s%s shows how it goes; pgusher cutover makes the target the primary; pgusher cleanup ends it", c, f);
	case AT_CUT_OVER:
		return xasprintf("pgusher watch%s%s shows how it goes; pgusher rollback goes back with all that was written since, and ends the migration; pgusher finalize ends it here", c, f);
	case AT_CUT_OVER_ALONE: case AT_ROLLED_BACK:
		if (!is(m, "finalize"))
			return xasprintf("pgusher finalize%s%s removes what is left%s", c, f, where(m) == AT_ROLLED_BACK ? "; then it may begin anew" : "");
		break;
	case AT_COPY:
		if (!m->begin)
			return xasprintf("pgusher run%s%s begins", c, f);
		if (m->end && !is(m, "finalize") && !str_empty(m->end->hint))
			return xstrdup(m->end->hint);
		break;
	}
	return xasprintf("nothing is left to do; pgusher report%s%s has all of it", c, f);
}
