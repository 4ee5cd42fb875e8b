/* What several screens show: the log, the line of a step. Declared in wizard_in.h. */
#include "base/clock.h"
#include "base/str.h"
#include "wizard_in.h"

void log_draw(struct wizard *w, int y, int x, int h, int width)
{
	char n[48];

	put_line(y, x - 1, width + 2, R_DIM);
	(void)putf(y, x + 1, width, R_DIM, " log, %s%s ", fmt_things(n, sizeof n, (int64_t)w->model.log_total, "line"), w->scroll ? ", older" : "");
	w->page = w->show_log ? h - 1 : w->page;
	for (int i = 0; i < h - 1; i++) {
		const struct event *e = model_log(&w->model, (size_t)(h - 2 - i + w->scroll));
		if (!e)
			continue;
		bool issue = e->kind == EV_ISSUE;
		(void)putf(y + 1 + i, x, width, issue && e->verdict == VERDICT_WARN ? R_WARN : R_DIM, "%s%s%s", issue ? e->title : "", issue ? ": " : "", e->text ? e->text : "");
	}
}

void log_toggle(struct wizard *w)
{
	w->show_log = !w->show_log;
	w->scroll = 0;
}

bool log_key(struct wizard *w, int key, bool special)
{
	/* the newest line is at the bottom: up goes back in time */
	int rows = (int)w->model.log_n, at = rows - w->page - w->scroll;

	if (!w->show_log)
		return false;
	if (at < 0)
		at = 0;
	if (!wizard_scroll(&at, rows, w->page, key, special))
		return false;
	w->scroll = rows - w->page - at < 0 ? 0 : rows - w->page - at;
	return true;
}

int step_draw(const struct model_item *it, int y, int x, int width, bool on)
{
	static const struct { enum glyph g; enum role role; const char *word; } looks[] = {
		[ST_NONE] = {G_WAIT, R_DIM, ""},          [ST_WAITING] = {G_WAIT, R_DIM, "waits"},  [ST_RUNNING] = {G_RUN, R_TITLE, "running"},
		[ST_DONE] = {G_DONE, R_GOOD, "done"},     [ST_SKIPPED] = {G_SKIP, R_DIM, "skipped"}, [ST_FAILED] = {G_FAIL, R_BAD, "failed"},
		[ST_CANCELLED] = {G_FAIL, R_WARN, "stopped"}};
	enum state st = it->last->state;
	char t[32] = "";
	double secs = st == ST_RUNNING ? (double)(clock_mono_us() - it->began_mono_us) / 1e6 : (double)it->last->ms / 1000;

	if (on)
		put_blank(y, x, 1, width, R_SELECT);
	(void)putf(y, x, 12, on ? R_SELECT : looks[st].role, "%s %s", glyph(looks[st].g), looks[st].word);
	(void)put(y, x + 11, width - 22, on ? R_SELECT : st == ST_RUNNING ? R_TITLE : st == ST_WAITING ? R_DIM : R_TEXT, it->title ? it->title : it->last->title);
	if (st == ST_RUNNING || st == ST_DONE || st == ST_FAILED)
		(void)putf(y, x + width - 10, 10, on ? R_SELECT : R_DIM, "%10s", fmt_secs(t, sizeof t, secs));
	return y + 1;
}
