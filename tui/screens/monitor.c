/* A replication that runs: how far behind, how fast, what is wrong and what to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "closed.h"
#include "tables.h"
#include "watch/crossing.h"
#include "watch/ready.h"
#include "watch/sample.h"
#include "wizard_in.h"

#define LABEL 10
#define STALE_S 5.0

static struct crossing rung; /* the bell rings once for each trouble */
static int64_t heard_us;     /* of the newest sample that it has heard of */
static bool all;     /* every condition of a cutover, instead of the gauges */

static void enter(struct wizard *w)
{
	rung = (struct crossing){0};
	heard_us = 0;
	login_begin();
	all = w->show_log = false;
	if (w->model.end) /* leaving is not giving up */
		w->exit_code = (int)w->model.end->n;
	wizard_send(w, CMD_WATCH, NULL, NULL);
}

static void leave(struct wizard *w)
{
	tables_show(w, false);
	engine_cancel(w->e);
}

/* The newest at the right; scaled to the largest that is shown. */
static void put_spark(const struct model *m, bool rate, int y, int x, int w)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, *const ascii[] = {" ", ".", ".", ":", "-", "=", "+", "*", "#"};
	int n = m->past_n < (size_t)w ? (int)m->past_n : w;
	int64_t max = 1;
	struct str s = {0};

	for (int pass = 0; pass < 2; pass++)
		for (int i = n - 1; i >= 0; i--) {
			size_t at = (m->past_head + 2 * MODEL_SAMPLES - 1 - (size_t)i) % MODEL_SAMPLES;
			int64_t v = rate ? m->past[at].rate : m->past[at].behind;
			v = v < 0 ? 0 : v;
			if (pass == 0)
				max = v > max ? v : max;
			else
				str_add(&s, (term_unicode() ? blocks : ascii)[v == 0 ? 0 : 1 + (int)((double)v * 7 / (double)max)]);
		}
	(void)put(y, x + w - n, n, R_GAUGE, str_text(&s));
	str_fini(&s);
}

/* Of a side that does not answer: how old is what is shown of it. */
static const char *seen_ago(const struct watch_sample *s, enum side side, char *out, size_t cap)
{
	int64_t at = side == SIDE_SOURCE ? s->source_seen_us : s->target_seen_us;
	bool ok = side == SIDE_SOURCE ? s->source_ok : s->target_ok;
	char t[32];

	*out = '\0';
	if (!ok && at != 0)
		(void)snprintf(out, cap, " (%s ago)", fmt_secs(t, sizeof t, (double)((s->at_us - at) / 1000000)));
	return out;
}

/* Nothing was read of it yet: then nothing is said of it. */
static bool unknown(int64_t seen_us, const char *label, int y, int x, int width)
{
	if (seen_us == 0) {
		(void)put(y, x, LABEL, R_DIM, label);
		(void)put(y, x + LABEL, width - LABEL, R_DIM, "not known");
	}
	return seen_us == 0;
}

static int draw_tables(const struct watch_sample *s, int y, int x, int width)
{
	int bar = width - LABEL - 24;

	if (unknown(s->target_seen_us, "tables", y, x, width))
		return y + 1;
	(void)put(y, x, LABEL, R_DIM, "tables");
	put_bar(y, x + LABEL, bar, s->tables > 0 ? (double)s->ready / (double)s->tables : 0);
	(void)putf(y++, x + LABEL + bar + 1, 23, R_TEXT, "%lld of %lld ready", (long long)s->ready, (long long)s->tables);
	if (s->busy[0])
		(void)put(y++, x + LABEL, width - LABEL, R_DIM, s->busy);
	return y;
}

static void trend(const struct watch_sample *s, char *out, size_t cap)
{
	char t[32];

	if (s->lag_bytes == 0)
		(void)snprintf(out, cap, "level");
	else if (s->wal_rate < 0)
		*out = '\0';
	else if (s->level_s >= 0)
		(void)snprintf(out, cap, "falling, level in %s", fmt_secs(t, sizeof t, s->level_s));
	else
		(void)snprintf(out, cap, s->wal_rate > s->apply_rate * 1.05 ? "rising" : "steady");
}

static int draw_pace(const struct model *m, const struct watch_sample *s, int y, int x, int width)
{
	char b[32], t[32], how[64], r[32], v[32], u[32], ago[48];
	int spark = width / 3;

	if (unknown(s->source_seen_us, "behind", y, x, width) && unknown(s->source_seen_us, "applies", y + 1, x, width))
		return y + 2;
	trend(s, how, sizeof how);
	(void)put(y, x, LABEL, R_DIM, "behind");
	put_spark(m, false, y, x + LABEL, spark);
	(void)putf(y++, x + LABEL + spark + 2, width - LABEL - spark - 2, R_TITLE, "%s  %s  %s%s", fmt_bytes(b, sizeof b, (double)s->lag_bytes),
		   s->lag_s < 0 ? "?" : fmt_secs(t, sizeof t, s->lag_s), s->source_ok ? how : "", seen_ago(s, SIDE_SOURCE, ago, sizeof ago));
	if (s->unsent_bytes >= 0)
		(void)putf(y++, x + LABEL, width - LABEL, R_DIM, "of it not sent yet %s; source at %s, confirmed %s", fmt_bytes(u, sizeof u, (double)s->unsent_bytes),
			   s->current_lsn, s->confirmed_lsn);
	(void)put(y, x, LABEL, R_DIM, "applies");
	put_spark(m, true, y, x + LABEL, spark);
	char tx[32] = ""; /* all that the database commits; where nothing is applied these are only those who look at it, us too */
	if (s->apply_rate > 0 && s->commits >= 0)
		(void)snprintf(tx, sizeof tx, ", %.0f tx/s", s->commits);
	if (s->wal_rate < 0)
		(void)put(y++, x + LABEL + spark + 2, width - LABEL - spark - 2, R_DIM, s->source_ok ? "not known yet" : "not known");
	else
		(void)putf(y++, x + LABEL + spark + 2, width - LABEL - spark - 2, R_TEXT, "%s/s%s; source %s/s", fmt_bytes(r, sizeof r, s->apply_rate), tx, fmt_bytes(v, sizeof v, s->wal_rate));
	return y;
}

/* What a slot that nobody reads from fills. */
static int draw_disk(const struct watch_sample *s, int y, int x, int width)
{
	char b[32], t[32], full[64] = "";

	(void)put(y, x, LABEL, R_DIM, "disk");
	if (s->disk_bytes < 0) {
		char text[sizeof s->disk_where + 16];
		(void)snprintf(text, sizeof text, s->disk_where[0] ? "not known: %s" : "looking...%s", s->disk_where);
		return y + put_lines(y, x + LABEL, 3, width - LABEL, R_DIM, text);
	}
	if (s->disk_full_s >= 0)
		(void)snprintf(full, sizeof full, ", at this rate full in %s", fmt_secs(t, sizeof t, s->disk_full_s));
	int used = putf(y, x + LABEL, width - LABEL, s->disk_full_s >= 0 && s->disk_full_s < 600 ? R_BAD : s->disk_full_s >= 0 && s->disk_full_s < 3600 ? R_WARN : R_TEXT,
			"%s free%s", fmt_bytes(b, sizeof b, (double)s->disk_bytes), full);
	(void)putf(y, x + LABEL + used, width - LABEL - used, R_DIM, "; %s", s->disk_where);
	return y + 1;
}

static int draw_slot(const struct watch_sample *s, int y, int x, int width)
{
	char b[32], t[32], ago[48];

	if (unknown(s->source_seen_us, "slot", y, x, width))
		return y + 1;
	(void)put(y, x, LABEL, R_DIM, "slot");
	if (!s->slot_exists) {
		(void)putf(y, x + LABEL, width - LABEL, R_BAD, "there is none of the name %s%s", s->slot, seen_ago(s, SIDE_SOURCE, ago, sizeof ago));
		return y + 1;
	}
	int used = putf(y, x + LABEL, width - LABEL, R_TEXT, "%s%s%s, keeps %s of WAL%s; ", s->slot, s->wal_status[0] ? ", " : "", s->wal_status,
			fmt_bytes(b, sizeof b, (double)s->held_bytes), seen_ago(s, SIDE_SOURCE, ago, sizeof ago));
	if (s->safe_bytes < 0)
		(void)put(y, x + LABEL + used, width - LABEL - used, R_DIM, "no limit but the disk");
	else if (s->full_s < 0)
		(void)putf(y, x + LABEL + used, width - LABEL - used, R_TEXT, "%s to its limit", fmt_bytes(t, sizeof t, (double)s->safe_bytes));
	else
		(void)putf(y, x + LABEL + used, width - LABEL - used, s->full_s < 86400 ? R_WARN : R_TEXT, "at this rate full in %s", fmt_secs(t, sizeof t, s->full_s));
	return draw_disk(s, y + 1, x, width);
}

static int draw_target(const struct watch_sample *s, int y, int x, int width)
{
	char worker[32] = "no worker", ago[48];

	if (unknown(s->target_seen_us, "target", y, x, width))
		return y + 1;
	if (s->worker)
		(void)snprintf(worker, sizeof worker, "worker %lld", (long long)s->worker);
	(void)put(y, x, LABEL, R_DIM, "target");
	int used = s->timeline > 0 ? putf(y, x + LABEL, width - LABEL, R_TEXT, "%s, timeline %lld%s%s", worker, (long long)s->timeline, s->origin_lsn[0] ? ", has all up to " : "",
					  str_eq(s->origin_lsn, "0/0") ? "its copy" : s->origin_lsn)
		: putf(y, x + LABEL, width - LABEL, R_TEXT, s->sub_exists ? "%s; this role may not see more" : "there is no subscription%.0s", worker);
	if (s->apply_errors >= 0)
		used += putf(y, x + LABEL + used, width - LABEL - used, s->apply_errors > 0 ? R_WARN : R_DIM, "; errors so far: %lld", (long long)s->apply_errors);
	(void)put(y, x + LABEL + used, width - LABEL - used, R_DIM, seen_ago(s, SIDE_TARGET, ago, sizeof ago));
	return y + 1;
}

static int draw_facts(const struct watch_sample *s, int y, int x, int width)
{
	y = draw_slot(s, y, x, width);
	y = draw_target(s, y, x, width);
	if (s->sequences_behind > 0)
		(void)putf(y++, x + LABEL, width - LABEL, R_DIM, s->sequences_behind == 1 ? "%lld sequence is behind: replication does not carry it" : "%lld sequences are behind: replication does not carry them",
			   (long long)s->sequences_behind);
	if (s->writer[0] && s->source_ok) {
		(void)put(y, x, LABEL, R_DIM, "writes");
		(void)put(y++, x + LABEL, width - LABEL, R_WARN, s->writer);
	}
	return y;
}

/* Whatever part of the screen is shown. */
static void ring(struct wizard *w, const struct watch_sample *s)
{
	struct watch_alarm a[WATCH_ALARMS];

	if (s->at_us == heard_us)
		return;
	heard_us = s->at_us;
	login_watch(w, false);
	if (crossing_take(&rung, a, watch_alarms(s, a), clock_mono_us()) > 0)
		term_beep();
}

static int draw_alarms(const struct watch_sample *s, int y, int x, int end, int width)
{
	struct watch_alarm a[WATCH_ALARMS];
	size_t n = watch_alarms(s, a);

	for (size_t i = 0; i < n && y < end; i++) {
		if (str_eq(a[i].id, "fenced")) /* closed.c has said it */
			continue;
		bool bad = a[i].verdict == VERDICT_BLOCK;
		(void)putf(y, x, LABEL, bad ? R_BAD : R_WARN, "%s %s", glyph(G_FAIL), bad ? "ALARM" : "warn");
		y += put_lines(y, x + LABEL, end - y < 4 ? end - y : 4, width - LABEL, bad ? R_BAD : R_WARN, a[i].text);
		if (y < end)
			y += put_lines(y, x + LABEL, end - y < 6 ? end - y : 6, width - LABEL, R_TEXT, a[i].todo);
	}
	if (n == 0 && y < end)
		(void)putf(y++, x, width, R_GOOD, "%s nothing is wrong", glyph(G_DONE));
	return y;
}

static enum role role_of(enum verdict v)
{
	return v == VERDICT_BLOCK ? R_BAD : v == VERDICT_WARN ? R_WARN : v == VERDICT_OK ? R_GOOD : R_DIM;
}

static const char *sign_of(enum verdict v)
{
	return glyph(v == VERDICT_BLOCK ? G_FAIL : v == VERDICT_OK ? G_DONE : G_SKIP);
}

/* Whether a cutover may begin, and the conditions one after the other; what is not well with its value. */
static void draw_ready(const struct wizard *w, const struct watch_sample *s, int y, int x, int end, int width)
{
	struct ready_condition c[READY_MAX];
	size_t n = ready_list(s, w->m, c);
	enum verdict worst = ready_verdict(c, n);
	int at = LABEL;

	if (y >= end)
		return;
	(void)put(y, x, LABEL, R_DIM, "cutover");
	(void)put(y++, x + LABEL, width - LABEL, role_of(worst == VERDICT_INFO ? VERDICT_OK : worst), worst == VERDICT_BLOCK ? "not now; v shows what hinders" :
		  worst == VERDICT_WARN ? "may begin; v shows what to know first" : "may begin: c");
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n; i++) {
			bool well = c[i].verdict <= VERDICT_INFO;
			char text[160];
			if (well != (pass == 1))
				continue;
			(void)snprintf(text, sizeof text, "%s %s%s%s", sign_of(c[i].verdict), c[i].title, well ? "" : ": ", well ? "" : c[i].value);
			if (at > LABEL && at + text_width(text) > width) {
				at = LABEL;
				y++;
			}
			if (y >= end)
				return;
			at += put(y, x + at, width - at, role_of(c[i].verdict), text) + 2;
		}
}

static void draw_conditions(const struct wizard *w, const struct watch_sample *s, int y, int x, int end, int width)
{
	struct ready_condition c[READY_MAX];
	size_t n = ready_list(s, w->m, c);

	(void)put(y, x, width, R_TITLE, "The conditions of a cutover, as they are now");
	y += 2;
	for (size_t i = 0; i < n && y < end; i++) {
		(void)putf(y, x, 30, role_of(c[i].verdict), "%s %s", sign_of(c[i].verdict), c[i].title);
		y += put_lines(y, x + 30, 2, width - 30, c[i].verdict == VERDICT_OK ? R_TEXT : role_of(c[i].verdict), c[i].value);
		if (c[i].todo[0] && y < end)
			y += put_lines(y, x + 30, 2, width - 30, R_DIM, c[i].todo);
	}
}

/* How far the old server is behind: a rollback waits for that, and is not possible without. */
static int draw_way_back(const struct model *m, const struct watch_sample *s, int y, int x, int width)
{
	char b[32], t[32], how[64];
	int spark = width / 3;

	if (unknown(s->target_seen_us, "way back", y, x, width))
		return y + 1;
	(void)put(y, x, LABEL, R_DIM, "way back");
	if (!s->way_back) {
		(void)put(y++, x + LABEL, width - LABEL, R_DIM, "none: what is written from now on is on the target alone");
		return y;
	}
	trend(s, how, sizeof how);
	put_spark(m, false, y, x + LABEL, spark);
	(void)putf(y++, x + LABEL + spark + 2, width - LABEL - spark - 2, R_TITLE, "%s  %s  %s", fmt_bytes(b, sizeof b, (double)s->lag_bytes),
		   s->lag_s < 0 ? "?" : fmt_secs(t, sizeof t, s->lag_s), how);
	(void)putf(y++, x + LABEL, width - LABEL, R_DIM, "that far the old server is behind; the slot on the target keeps %s", fmt_bytes(b, sizeof b, (double)s->back_held_bytes));
	return y;
}

/* It is over, one way or the other. */
static void draw_over(const struct watch_sample *s, int y, int x, int end, int width)
{
	(void)put(y, x, LABEL, R_DIM, "primary");
	y += put_lines(y, x + LABEL, 3, width - LABEL, R_TEXT, s->finalized ? "each server stands for itself: the migration was finalized, and nothing of it is left"
		       : "the source, as before the cutover; the target refuses writes, and nothing follows any more");
	y = draw_alarms(s, y + 1, x, end, width) + 1;
	if (y < end && !s->finalized)
		(void)put(y, x, LABEL, R_DIM, "next");
	if (y < end && !s->finalized)
		(void)put_lines(y, x + LABEL, end - y, width - LABEL, R_TEXT, "F finalizes: everything that the migration made is removed");
}

/* The target is the primary: who still talks to the old one, and what is kept for a way back. */
static void draw_after(const struct model *m, const struct watch_sample *s, int y, int x, int end, int width)
{
	char b[32];

	(void)put(y, x, LABEL, R_DIM, "primary");
	(void)put(y++, x + LABEL, width - LABEL, R_TEXT, "the target; the old source refuses writes, and stays so");
	(void)put(y, x, LABEL, R_DIM, "still on");
	if (s->talkers > 0)
		y += put_lines(y, x + LABEL, 4, width - LABEL, R_WARN, s->who_talks);
	else
		(void)put(y++, x + LABEL, width - LABEL, s->talkers == 0 ? R_GOOD : R_DIM, s->talkers == 0 ? "nobody talks to the old server any more" : "who talks to the old server is not known");
	y = draw_way_back(m, s, y, x, width);
	(void)put(y, x, LABEL, R_DIM, "slot");
	(void)putf(y++, x + LABEL, width - LABEL, R_TEXT, s->slot_exists ? "%s keeps %s of WAL on the old server; F removes it" : "%s is gone", s->slot,
		   fmt_bytes(b, sizeof b, (double)s->held_bytes));
	y = draw_alarms(s, y + 1, x, end, width) + 1;
	if (y < end)
		(void)put(y, x, LABEL, R_DIM, "next");
	if (y < end)
		(void)put_lines(y, x + LABEL, end - y, width - LABEL, R_TEXT, "b goes back: the old source is the primary again, with all that was written meanwhile, when there is a way back\n"
			  "F finalizes: everything that the migration made is removed; after that there is no way back");
}

static void draw_head_line(const struct watch_sample *s, int y, int x, int width)
{
	double old = (double)(clock_wall_us() - s->at_us) / 1e6;
	const char *word = watch_word(s);
	int at = x + (text_width(word) < LABEL ? LABEL : text_width(word) + 1), room = x + width - at;
	char age[32];

	(void)putf(y, x, width, str_eq(word, "trouble") ? R_BAD : str_eq(word, "behind") ? R_WARN : R_GOOD, "%s", word);
	if (old > STALE_S)
		(void)putf(y, at, room, R_WARN, "STALE: this is %s old", fmt_secs(age, sizeof age, old));
	else if (s->finalized || s->rolled_back)
		(void)put(y, at, room, R_DIM, s->finalized ? "nothing is left of the migration" : "the source is the primary again");
	else if (s->handed_over)
		(void)putf(y, at, room, R_DIM, s->back_fenced ? "the target is the primary, AND CLOSED TO WRITERS" : "%s is over: the target is the primary", s->subscription);
	else
		(void)putf(y, at, room, R_DIM, str_eq(word, "trouble") ? "%s: what is wrong stands below" : "%s follows its source", s->subscription);
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	struct watch_sample s;
	int end = y + h;

	bool seen = w->model.sample && watch_sample_from_text(&s, w->model.sample->text);
	if (seen)
		ring(w, &s);
	if (w->show_log) {
		log_draw(w, y, x, h, width);
		return;
	}
	y = closed_draw(w, seen ? &s : NULL, y, x, width);
	if (!seen) {
		(void)put(y, x, width, R_DIM, w->busy ? "looking at both servers..." : "nothing is watched");
		return;
	}
	if (tables_shown()) {
		tables_draw(w, &s, y, x, end - y, width);
		return;
	}
	if (all) {
		draw_conditions(w, &s, y, x, end, width);
		return;
	}
	draw_head_line(&s, y, x, width);
	if (s.rolled_back || s.finalized) {
		draw_over(&s, y + 2, x, end, width);
		return;
	}
	if (s.handed_over) {
		draw_after(&w->model, &s, y + 2, x, end, width);
		return;
	}
	bool roomy = h > 22;
	y = draw_tables(&s, y + 1 + roomy, x, width);
	y = draw_pace(&w->model, &s, y + roomy, x, width);
	y = draw_facts(&s, y + roomy, x, width);
	y = draw_alarms(&s, y + 1, x, end, width);
	draw_ready(w, &s, y + roomy, x, end, width);
}

static void ready(struct wizard *w, const struct event *e)
{
	if (!str_eq(e->id, "watch") || e->state == ST_DONE || w->busy) /* one that was left, and this screen came to anew */
		return;
	wizard_go(w, AT_WELCOME);
	dialog_failed("It cannot be watched", e);
}

static void report(struct wizard *w)
{
	wizard_go(w, AT_DONE);
}

static bool handed_over(const struct wizard *w)
{
	struct watch_sample s;

	return w->model.sample && watch_sample_from_text(&s, w->model.sample->text) && s.handed_over;
}

static bool rolled_back(const struct wizard *w)
{
	struct watch_sample s;

	return w->model.sample && watch_sample_from_text(&s, w->model.sample->text) && s.rolled_back;
}

static void on_copy(struct wizard *w, bool drop)
{
	wizard_go(w, AT_RUN);
	wizard_command(w, &(struct command){.kind = CMD_CLEANUP, .yes = drop});
}

static void on_abandon(struct wizard *w, const char *typed)
{
	(void)w;
	if (typed)
		dialog_ask("And the copy on the target?", "No: the target's database stays as it is, with all that it has up to now.\n\nDrop it, too: the whole database goes, after all else; what it holds is shown before, and its "
			   "name is asked for. A database that has become the primary is never dropped.", "Drop it, too", on_copy);
}

static void abandon(struct wizard *w)
{
	if (handed_over(w) || rolled_back(w)) {
		wizard_say(w, R_TEXT, "it was cut over: F finalizes, which removes all that is left of it");
		return;
	}
	dialog_type("Abandon the replication?", "Subscription, slot, publication and the role made for them are removed on both sides, so that nothing keeps WAL on the source any "
		    "more. The target follows no longer: to move after all means to copy again. Whether it keeps the data that it has is asked next; what is removed is shown before.",
		    w->m->end[SIDE_TARGET].dbname, on_abandon);
}

static void cut_over(struct wizard *w)
{
	if (rolled_back(w))
		wizard_say(w, R_TEXT, "it was rolled back: F finalizes, then begin anew");
	else if (handed_over(w) && !wizard_half_way(w))
		wizard_say(w, R_TEXT, "it was cut over: the target is the primary");
	else
		cutover_begin(w, CHANGE_CUTOVER);
}

static void rehearse(struct wizard *w)
{
	if (handed_over(w) || rolled_back(w))
		wizard_say(w, R_TEXT, "it was cut over: there is nothing to rehearse");
	else
		cutover_begin(w, CHANGE_REHEARSE);
}

static void roll_back(struct wizard *w)
{
	if (handed_over(w))
		cutover_begin(w, CHANGE_ROLLBACK);
	else
		wizard_say(w, R_TEXT, "nothing was cut over: there is nothing to go back from");
}

static void finalize(struct wizard *w)
{
	if (handed_over(w) || rolled_back(w))
		cutover_begin(w, CHANGE_FINALIZE);
	else
		wizard_say(w, R_TEXT, "nothing was cut over yet; x gives the replication up");
}

static void toggle_tables(struct wizard *w)
{
	all = w->show_log = false;
	tables_show(w, !tables_shown());
}

static void toggle_all(struct wizard *w)
{
	w->show_log = false;
	tables_show(w, false);
	all = !all;
}

static void back(struct wizard *w)
{
	if (w->show_log || all || tables_shown()) {
		w->show_log = all = false;
		tables_show(w, false);
	} else {
		wizard_go(w, AT_WELCOME);
	}
}

static bool valid(const struct wizard *w, int code)
{
	bool over = handed_over(w), back = rolled_back(w);

	switch (code) {
	case 'B': return closed_shown(w);
	case 'b': return over;
	case 'p': return login_wanted(w);
	case 'F': return over || back;
	case 'c': return !back && (!over || wizard_half_way(w));
	case 'R': case 'x': return !over && !back;
	default: return true;
	}
}

/* While the list of tables is shown: what is typed into its filter is nothing else. */
static bool first_key(struct wizard *w, int k, bool special)
{
	return tables_shown() && !w->show_log && tables_key(w, k, special);
}

static void password(struct wizard *w)
{
	login_watch(w, true);
}

#define LEAVE {'p', false, "p", "password...", password}, {'B', false, "B", "take it back", closed_take_back}, {'q', false, "q", "leave it", wizard_quit}
#define MOVE {'c', false, "c", "cut over...", cut_over}, {'R', false, "R", "rehearse", rehearse}
#define LOOK {'v', false, "v", "conditions", toggle_all}, {'t', false, "t", "tables", toggle_tables}
#define ABANDON {'x', false, "x", "abandon...", abandon}
#define REST {'b', false, "b", "roll back...", roll_back}, {'F', false, "F", "finalize...", finalize}, {'l', false, "l", "log", log_toggle}, {'r', false, "r", "report", report}, \
	{27, false, "Esc", "back", back}, {0, false, NULL, NULL, NULL}

static const struct key keys[] = {LEAVE, MOVE, LOOK, ABANDON, REST};
/* The last line holds only the first few. */
static const struct key keys_filling[] = {LEAVE, LOOK, ABANDON, MOVE, REST};

static const struct key *keys_now(const struct wizard *w)
{
	struct watch_sample s;

	return w->model.sample && watch_sample_from_text(&s, w->model.sample->text) && watch_is_filling(&s) ? keys_filling : keys;
}

const struct screen screen_monitor = {
	.title = "Monitor", .keys_now = keys_now, .enter = enter, .leave = leave, .draw = draw, .key = log_key, .first = first_key, .ready = ready, .valid = valid,
	.help = "The target follows the source whether pgusher looks or not: leaving changes nothing, and starting it again with the same settings comes back here. Behind is "
		"what the target has not confirmed, in bytes of WAL, and the age of the newest change it has. The slot keeps WAL on the source until the target has it: when the "
		"target is away for long, that fills the source's disk: how much is free there is read each minute, on this host, by ssh, or by the command in [source] wal_disk. c makes the target the primary, after a look and the database's name; R says beforehand how long writes would "
		"wait. p types the password of a server that wants another one. x gives it up: the replication ends on both sides, after showing what is removed and asking; the target's data stay, unless you say that they go, too.",
};
