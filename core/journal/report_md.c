#include "journal/report_md.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/visible.h"
#include "journal/standing.h"

/* ---- words ---- */

/* A cell of a table or a line of a list: no line ends; what Markdown would take for its own is quoted. */
static void cell_of(struct str *s, const char *text)
{
	for (const char *p = text ? text : ""; *p; p++) {
		if (strchr("|`*<>[]\\", *p))
			str_addc(s, '\\');
		str_addc(s, *p == '\n' || *p == '\r' ? ' ' : *p);
	}
}

/* | name | value |, when there is one */
static void row(struct str *s, const char *name, const char *value)
{
	if (str_empty(value))
		return;
	str_addf(s, "| %s | ", name);
	cell_of(s, value);
	str_add(s, " |\n");
}

/* "title: text" of an event */
static void says(struct str *s, const char *title, const char *text)
{
	cell_of(s, title);
	str_add(s, ": ");
	cell_of(s, text);
	str_addc(s, '\n');
}

static void code(struct str *s, const char *text)
{
	str_add(s, "\n        ");
	for (const char *p = text; *p; p++) {
		str_addc(s, *p);
		if (*p == '\n' && p[1])
			str_add(s, "        ");
	}
	str_add(s, "\n");
}

const struct event *report_note(const struct model *m, const char *title)
{
	for (size_t i = m->notes.n; i-- > 0;)
		if (str_eq(m->notes.v[i].last->title, title))
			return m->notes.v[i].last;
	return NULL;
}

bool report_of_objects(const struct event *e)
{
	return str_eq(e->title, PROOF_OBJECT) || str_starts(e->id, PROOF_OBJECTS);
}

void report_count(const struct model *m, size_t n[3], int64_t *rows)
{
	n[0] = n[1] = n[2] = 0;
	*rows = 0;
	for (size_t i = 0; i < m->proofs.n; i++) {
		const struct event *e = m->proofs.v[i].last;
		if (report_of_objects(e))
			continue;
		n[e->state == ST_DONE ? 0 : e->state == ST_FAILED ? 1 : 2]++;
		*rows += e->state == ST_DONE && !str_eq(e->id, "sequences") ? e->n : 0;
	}
}

bool report_count_objects(const struct model *m, size_t n[3])
{
	bool any = false;

	n[0] = n[1] = n[2] = 0;
	for (size_t i = 0; i < m->proofs.n; i++) {
		const struct event *e = m->proofs.v[i].last;
		if (!report_of_objects(e))
			continue;
		any = true;
		if (e->state == ST_DONE)
			n[0] += (size_t)e->n;
		else
			n[e->state == ST_FAILED ? 1 : 2] += e->n > 1 ? (size_t)e->n : 1;
	}
	return any;
}

/* ---- who, when, what ---- */

static void cell_ended(struct str *s, const struct event *end)
{
	char *text = standing_ended(end);

	cell_of(s, text);
	free(text);
}

static void head(const struct model *m, struct str *s)
{
	const struct event *b = m->begin;
	char at[40], took[32];

	str_add(s, "# pgusher: ");
	cell_of(s, b && b->title ? b->title : "migration");
	str_addf(s, ", %s\n\n**", b && b->sql ? b->sql : "nothing begun");
	if (m->end)
		cell_ended(s, m->end);
	str_add(s, m->end ? "**\n\n" : "not ended**\n\n");
	if (m->end && !str_empty(m->end->hint)) {
		str_add(s, "Next: ");
		cell_of(s, m->end->hint);
		str_add(s, "\n\n");
	}
	str_add(s, "| | |\n|---|---|\n");
	if (b) {
		row(s, "attempt", b->id);
		row(s, "begun", clock_iso(at, sizeof at, b->at_us));
	}
	if (m->end)
		row(s, "ended", clock_iso(at, sizeof at, m->end->at_us));
	if (b && m->end)
		row(s, "took", fmt_secs(took, sizeof took, (double)(m->end->at_us - b->at_us) / 1e6));
	if (b) {
		row(s, "by", b->text);
		row(s, "pgusher", b->hint);
	}
	if (m->resumes)
		str_addf(s, "| taken up again | %d time%s |\n", m->resumes, m->resumes == 1 ? "" : "s");
	for (int i = 0; i < 2; i++)
		if (m->facts[i]) {
			const struct event *e = m->facts[i];
			char *all = xasprintf("%s, %s, %s", e->title ? e->title : "", e->text ? e->text : "", e->hint ? e->hint : "");
			row(s, side_name((enum side)i), all);
			free(all);
		}
}

static bool took_back(const struct event *e)
{
	return e && str_starts(e->text ? e->text : "", "taken back");
}

/* What became of an attempt that was killed: the next one that took something back, or went on from there, says it. */
static const char *after_death(const struct model *m, size_t i)
{
	const char *what = m->attempts.v[i].last->title;

	for (size_t k = i + 1; k <= m->attempts.n; k++) {
		const struct event *e = k < m->attempts.n ? m->attempts.v[k].last : m->end;
		const char *as = k < m->attempts.n ? e->title : m->begin ? m->begin->sql : NULL;
		if (took_back(e) && e->state == ST_DONE)
			return "did not end; it was taken back";
		if (e && e->state == ST_DONE && str_eq(as, what))
			return "did not end; it was begun again";
	}
	return "did not end";
}

static void history(const struct model *m, struct str *s)
{
	char at[40];
	size_t n = 0;

	for (size_t i = 0; i < m->attempts.n; i++) {
		const struct model_item *it = &m->attempts.v[i];
		if (model_not_begun(it->last))
			continue;
		if (n++ == 0)
			str_add(s, "\n## What was done before\n\n| begun | what | by | result | writes held | report |\n|---|---|---|---|---|---|\n");
		bool ended = it->ended_us != 0;
		str_addf(s, "| %s | %s | ", clock_iso(at, sizeof at, it->began_us), it->last->title ? it->last->title : "");
		cell_of(s, it->who);
		str_addf(s, " | %s", ended ? "" : after_death(m, i));
		if (ended)
			cell_ended(s, it->last);
		str_add(s, " | ");
		cell_of(s, it->why);
		if (ended) /* one that was killed wrote none */
			str_addf(s, " | report-%s.md |\n", it->last->id);
		else
			str_add(s, " | |\n");
	}
}

/* ---- the outage ---- */

static void outage(const struct model *m, struct str *s)
{
	static const char *const proofs[] = {"proof of drain", "somebody wrote", "tripwire", "pointed", "smoke query", "still on the old server"};
	const struct event *e = report_note(m, "outage");
	json_t *parts = e && e->sql ? json_loads(e->sql, 0, NULL) : NULL;
	const char *name;
	json_t *ms;

	if (!e)
		return;
	if (parts)
		str_addf(s, "\n## Write outage: %lld ms\n\n", (long long)e->n);
	else
		str_add(s, "\n## Write outage, taken back\n\n");
	cell_of(s, e->text);
	str_add(s, ".\n");
	const char *before = m->attempts.n ? m->attempts.v[m->attempts.n - 1].why : NULL;
	if (before && str_starts(before, MODEL_HELD_SINCE))
		str_addf(s, "\nNot in that: the attempt before was killed with the same side closed; its writes were %s, until this one opened it and began anew.\n", before);
	if (parts)
		str_add(s, "\n| part | ms |\n|---|---:|\n");
	json_object_foreach(parts, name, ms)
		str_addf(s, "| %s | %.1f |\n", name, json_number_value(ms));
	str_addc(s, '\n');
	for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++)
		if (report_note(m, proofs[i])) {
			str_add(s, "- ");
			says(s, proofs[i], report_note(m, proofs[i])->text);
		}
	json_decref(parts);
}

/* ---- who agreed to what ---- */

static void agreed(const struct model *m, struct str *s)
{
	size_t n = 0;
	char at[40];

	for (size_t i = 0; i < m->answers.n; i++) {
		const struct event *e = m->answers.v[i].last;
		str_addf(s, "%s- %s ", n++ ? "" : "\n## Confirmed and accepted\n\n", clock_iso(at, sizeof at, e->at_us));
		cell_of(s, e->title);
		str_addf(s, " %s by ", e->state == ST_DONE ? "confirmed" : "refused");
		cell_of(s, e->text);
		if (e->sql && e->state == ST_DONE) {
			str_add(s, ", who typed ");
			cell_of(s, e->sql);
		}
		str_addc(s, '\n');
	}
	for (size_t i = 0; i < m->findings.n; i++) {
		const struct model_item *it = &m->findings.v[i];
		if (!it->acked)
			continue;
		str_addf(s, "%s- warning accepted by ", n++ ? "" : "\n## Confirmed and accepted\n\n");
		cell_of(s, it->who ? it->who : "the operator");
		str_add(s, ": ");
		cell_of(s, it->last->title);
		str_addc(s, '\n');
	}
	for (size_t i = 0; i < m->fixes.n; i++) {
		const struct event *e = m->fixes.v[i].last;
		char when[48];
		str_addf(s, "%s- fix of %s %s", n++ ? "" : "\n## Confirmed and accepted\n\n", e->id ? e->id : "",
			 e->state == ST_DONE ? "applied" : e->state == ST_RUNNING ? "begun, and whether it was done is not known" : "failed");
		str_addf(s, " by %s, %s, on ", e->needed ? e->needed : "the operator", clock_iso(when, sizeof when, e->at_us));
		cell_of(s, e->title ? e->title : "a server");
		str_add(s, e->state == ST_FAILED ? ": " : ":");
		cell_of(s, e->state == ST_FAILED ? e->text : NULL);
		code(s, e->sql ? e->sql : "");
		if (e->state != ST_FAILED && e->hint) {
			str_add(s, "  To undo it:");
			code(s, e->hint);
		}
	}
}

/* ---- the proof ---- */

static void proof_row(const struct event *e, struct str *s)
{
	const char *word = e->state == ST_DONE ? "equal" : e->state == ST_FAILED ? "different" : "not proven";

	str_add(s, "| ");
	cell_of(s, e->id);
	str_addf(s, " | %s | %lld | %lld | ", word, (long long)e->n, (long long)e->of);
	cell_of(s, e->needed);
	str_add(s, " | ");
	cell_of(s, e->hint);
	str_add(s, " | ");
	cell_of(s, e->text);
	str_add(s, " |\n");
}

static void proof_table(const struct model *m, bool equal, struct str *s)
{
	str_add(s, "\n| what | | rows of the source | rows of the target | checksum of the source | checksum of the target | |\n|---|---|---:|---:|---|---|---|\n");
	for (size_t i = 0; i < m->proofs.n; i++)
		if ((m->proofs.v[i].last->state == ST_DONE) == equal && !report_of_objects(m->proofs.v[i].last))
			proof_row(m->proofs.v[i].last, s);
}

static void definition(const char *side, const char *text, struct str *s)
{
	if (text)
		str_addf(s, "\n    %s:\n", side);
	if (text)
		code(s, text);
}

static void objects(const struct model *m, struct str *s)
{
	const struct model_item *same = model_find(&m->proofs, PROOF_OBJECTS);
	size_t n[3];

	if (!report_count_objects(m, n))
		return;
	str_addf(s, "\nObjects: %zu different, %zu not proven; ", n[1], n[2]);
	cell_of(s, same ? same->last->text : "none the same");
	str_add(s, ".\n");
	for (size_t i = 0; i < m->proofs.n; i++) {
		const struct event *e = m->proofs.v[i].last;
		if (!report_of_objects(e) || e->state == ST_DONE || str_eq(e->id, PROOF_OBJECTS))
			continue;
		str_add(s, "\n- ");
		says(s, e->id, e->text);
		definition("what to do", e->sql, s);
		definition("on the source", e->needed, s);
		definition("on the target", e->hint, s);
	}
}

static bool table_there(const struct model *m, bool equal)
{
	for (size_t i = 0; i < m->proofs.n; i++)
		if ((m->proofs.v[i].last->state == ST_DONE) == equal && !report_of_objects(m->proofs.v[i].last))
			return true;
	return false;
}

static void proof(const struct model *m, struct str *s)
{
	size_t n[3];
	int64_t rows;
	char buf[48];

	report_count(m, n, &rows);
	str_add(s, "\n## Proof\n\n");
	if (m->proofs.n == 0) {
		str_add(s, m->attempts.n ? "Nothing was compared in this attempt. What was compared before is in the reports that the table \"What was done before\" names, beside this one.\n" : "Nothing was compared.\n");
		return;
	}
	str_addf(s, "%zu equal (%s), %zu different, %zu not proven.\n", n[0], fmt_things(buf, sizeof buf, rows, "row"), n[1], n[2]);
	objects(m, s);
	if (table_there(m, false))
		proof_table(m, false, s);
	if (table_there(m, true)) {
		str_add(s, "\n<details><summary>equal</summary>\n");
		proof_table(m, true, s);
		str_add(s, "\n</details>\n");
	}
}

static void not_verified(const struct model *m, struct str *s)
{
	size_t n = 0;

	for (size_t i = 0; i < m->notes.n; i++) {
		const struct event *e = m->notes.v[i].last;
		if (!str_eq(e->title, "not verified"))
			continue;
		str_addf(s, "%s- ", n++ ? "" : "\n## Not verified\n\n");
		cell_of(s, e->text);
		str_addc(s, '\n');
	}
}

/* ---- what was said ---- */

static void issues(const struct model *m, struct str *s, enum verdict v, const char *title)
{
	size_t n = 0;

	for (size_t i = 0; i < m->issues.n; i++) {
		const struct event *e = m->issues.v[i].last;
		if (e->verdict != v)
			continue;
		if (n++ == 0)
			str_addf(s, "\n## %s\n\n", title);
		str_addf(s, "%zu. ", n);
		says(s, e->title, e->text);
		if (!str_empty(e->hint)) {
			str_add(s, "   - ");
			cell_of(s, e->hint);
			str_addc(s, '\n');
		}
		if (!str_empty(e->sql))
			code(s, e->sql);
	}
}

static void notes(const struct model *m, struct str *s)
{
	size_t n = 0;

	for (size_t i = 0; i < m->notes.n; i++) {
		const struct event *e = m->notes.v[i].last;
		if (str_eq(e->title, "not verified"))
			continue;
		str_add(s, n++ ? "- " : "\n## Remarks, as they came\n\n- ");
		says(s, e->title, e->text);
	}
}

static void left(const struct model *m, struct str *s)
{
	size_t n = 0, removable = 0;

	for (size_t i = 0; i < m->left.n; i++) {
		const struct event *e = m->left.v[i].last;
		if (m->left.v[i].removed)
			continue;
		str_add(s, n++ ? "- " : "\n## What remains, and how it is removed\n\n- ");
		cell_of(s, e->title);
		str_add(s, " (");
		cell_of(s, e->id);
		str_add(s, ")");
		if (!str_empty(e->text)) {
			str_add(s, ", on ");
			cell_of(s, e->text);
		}
		bool closed = str_starts(e->id, "closed:") || str_starts(e->id, "kept-closed:");
		str_add(s, str_empty(e->sql) ? "\n" : closed ? ", opened, when it is not needed closed any more, by\n" : ", removed by\n");
		removable += !closed;
		if (!str_empty(e->sql))
			code(s, e->sql);
	}
	if (removable > 0)
		str_add(s, "\n`pgusher cleanup -c FILE` removes what is listed here, after it has asked.\n");
}

/* ---- what was done ---- */

static void steps(const struct model *m, struct str *s)
{
	char buf[32];

	str_add(s, "\n## Steps\n\n| step | state | time | |\n|---|---|---|---|\n");
	for (size_t i = 0; i < m->steps.n; i++) {
		const struct model_item *it = &m->steps.v[i];
		bool timed = it->last->ms > 0;
		str_add(s, "| ");
		cell_of(s, it->title ? it->title : it->last->id);
		str_addf(s, " | %s | %s | ", state_name(it->last->state), timed ? fmt_secs(buf, sizeof buf, (double)it->last->ms / 1000) : "");
		if (it->last->kind == EV_STEP)
			cell_of(s, it->last->text);
		str_add(s, " |\n");
	}
}

/* The conditions of a cutover belong to it; what the preflight looked at, it looked at before the copy. */
static void checks(const struct model *m, struct str *s, bool ready, const char *title)
{
	size_t n = 0;

	for (int v = VERDICT_BLOCK; v >= VERDICT_OK; v--)
		for (size_t i = 0; i < m->findings.n; i++) {
			const struct model_item *it = &m->findings.v[i];
			if (it->last->verdict != (enum verdict)v || str_starts(it->last->id ? it->last->id : "", "ready.") != ready)
				continue;
			if (n++ == 0)
				str_addf(s, "\n## %s\n\n| | check | found | needed |\n|---|---|---|---|\n", title);
			str_addf(s, "| %s%s | ", verdict_name(it->last->verdict), it->acked ? ", accepted" : "");
			cell_of(s, it->last->title ? it->last->title : it->last->id);
			str_add(s, " | ");
			cell_of(s, it->last->text);
			str_add(s, " | ");
			cell_of(s, it->last->needed);
			str_add(s, " |\n");
		}
}

static void commands(const struct model *m, struct str *s)
{
	char at[40], took[32];

	str_add(s, "\n## What was run\n");
	for (size_t i = 0; i < m->actions.n; i++) {
		const struct model_item *it = &m->actions.v[i];
		const struct event *e = it->last;
		str_addf(s, "\n%s, %s, %s%s: %s", it->began_us ? clock_iso(at, sizeof at, it->began_us) : "", e->id ? e->id : "", str_eq(e->text, "here") ? "" : "on the ",
			 e->text ? e->text : "", state_name(e->state));
		if (it->ended_us)
			str_addf(s, " after %s", fmt_secs(took, sizeof took, (double)e->ms / 1000));
		if (e->n > 0)
			str_addf(s, ", %lld row%s", (long long)e->n, e->n == 1 ? "" : "s");
		str_add(s, e->title ? ", " : "");
		cell_of(s, e->title);
		if (e->state == ST_FAILED) {
			str_add(s, ": ");
			cell_of(s, e->hint);
		}
		str_addc(s, '\n');
		code(s, e->sql ? e->sql : "");
	}
}

char *report_markdown(const struct model *m)
{
	struct str s = {0};

	head(m, &s);
	issues(m, &s, VERDICT_WARN, "Needs attention");
	outage(m, &s);
	proof(m, &s);
	not_verified(m, &s);
	left(m, &s);
	agreed(m, &s);
	history(m, &s);
	notes(m, &s);
	steps(m, &s);
	checks(m, &s, true, "Conditions of the cutover");
	checks(m, &s, false, "Preflight");
	issues(m, &s, VERDICT_INFO, "Harmless complaints of the tools");
	commands(m, &s);
	char *clean = visible_text(str_text(&s)); /* somebody reads it with cat */
	str_fini(&s);
	return clean;
}
