#include "tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pg/tables.h"
#include "widgets/picker.h"

#define FIELDS 5

static struct {
	bool on;
	struct picker picker;
	int64_t at_us;      /* of the list that is shown */
	char *text;         /* its copy, taken apart */
	struct pick *rows;
	char (*more)[96];
	size_t n[4];        /* ready, catching up, copying, waits */
} l;

bool tables_next(char **at, char **fields, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *end = strchr(*at, TABLES_FIELD[0]);
		if (!end)
			return false;
		*end = '\0';
		fields[i] = *at;
		*at = end + 1;
	}
	*at += **at == TABLES_ROW[0];
	return true;
}

bool tables_shown(void)
{
	return l.on;
}

static void forget(void)
{
	free(l.text);
	free(l.rows);
	free(l.more);
	picker_fini(&l.picker);
	memset(&l, 0, sizeof l);
}

void tables_show(struct wizard *w, bool on)
{
	struct command c = {.kind = CMD_ANSWER, .id = (char *)WATCH_TABLES, .text = (char *)(on ? "on" : "off")};

	if (on || l.on)
		engine_send(w->e, &c);
	forget();
	l.on = on;
}

static void columns(char out[96], char *const f[FIELDS])
{
	char copied[32] = "", size[32];
	long long bytes = atoll(f[3]);

	if (bytes >= 0)
		(void)snprintf(copied, sizeof copied, "%s copied, ", fmt_bytes(size, sizeof size, (double)bytes));
	(void)snprintf(out, 96, "%s%.20s rows  %9s  %-11.11s", copied, f[2], fmt_bytes(size, sizeof size, (double)atoll(f[4])), f[1]);
}

static void take(const struct event *e)
{
	size_t n = 0, cap = 0;
	char *f[FIELDS];

	free(l.text);
	l.text = xstrdup(e->text ? e->text : "");
	for (const char *p = l.text; (p = strchr(p, TABLES_ROW[0])) != NULL; p++)
		cap++;
	l.rows = xrealloc(l.rows, (cap + 1) * sizeof *l.rows);
	l.more = xrealloc(l.more, (cap + 1) * sizeof *l.more);
	memset(l.n, 0, sizeof l.n);
	for (char *at = l.text; n < cap && tables_next(&at, f, FIELDS); n++) {
		int state = f[1][0] == 'r' ? 0 : f[1][0] == 'w' ? 3 : f[1][1] == 'o' ? 2 : 1;
		l.n[state]++;
		columns(l.more[n], f);
		l.rows[n] = (struct pick){.name = f[0], .more = l.more[n], .role = state == 0 ? R_GOOD : state == 3 ? R_DIM : R_WARN};
	}
	picker_rows(&l.picker, l.rows, n);
	l.at_us = e->at_us;
}

void tables_draw(const struct wizard *w, const struct watch_sample *s, int y, int x, int h, int width)
{
	const struct event *e = w->model.tables[SIDE_TARGET];
	int end = y + h;
	char n[48];

	if (!e) {
		(void)put(y, x, width, R_DIM, "asking the target for its tables...");
		return;
	}
	if (e->at_us != l.at_us)
		take(e);
	(void)putf(y++, x, width, R_TITLE, "%s: %zu ready, %zu catching up, %zu copying, %zu wait", fmt_things(n, sizeof n, (int64_t)(l.n[0] + l.n[1] + l.n[2] + l.n[3]), "table"), l.n[0], l.n[1], l.n[2], l.n[3]);
	if (s && s->said[0]) {
		char *text = xasprintf("fails%s%s: %s%s%s", s->said_relation[0] ? " on " : "", s->said_relation, s->said, s->said_detail[0] ? "; " : "", s->said_detail);
		y += put_lines(y, x, 3, width, R_BAD, text);
		free(text);
	}
	picker_draw(&l.picker, y + 1, x, end - y - 1, width);
}

bool tables_key(struct wizard *w, int key, bool special)
{
	(void)w;
	return l.on && picker_key(&l.picker, key, special);
}
