/* Which tables and schemas the subscription follows: chosen from a list of what the source has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pg/choice.h"
#include "pg/tables.h"
#include "tables.h"
#include "widgets/picker.h"
#include "wizard_in.h"

#define FIELDS 4

struct one {
	char *schema, *table;   /* table NULL: the whole schema. Into text */
	char *shown;            /* as [subscription] tables writes it; owned */
	char more[64];
	int64_t bytes;
	bool on;
};

static struct {
	struct picker picker;
	char *text, *failed;
	struct one *v;
	struct pick *rows;
	size_t n;
	bool changed;
} l;

static void forget(void)
{
	for (size_t i = 0; i < l.n; i++)
		free(l.v[i].shown);
	free(l.v);
	free(l.rows);
	free(l.text);
	free(l.failed);
	picker_fini(&l.picker);
	memset(&l, 0, sizeof l);
}

static void enter(struct wizard *w)
{
	forget();
	wizard_setup(w);
	wizard_send(w, CMD_LIST, NULL, NULL);
}

static void leave(struct wizard *w)
{
	if (w->busy)
		engine_cancel(w->e);
	forget();
}

/* ---- the list ---- */

static struct one *add(const struct migration *m, char *schema, char *table, int64_t bytes, const char *rows)
{
	struct one *o = &l.v[l.n++];
	char size[32];

	*o = (struct one){.schema = schema, .table = table, .bytes = bytes};
	o->shown = table ? choice_text(schema, table) : xasprintf("schema %s", schema);
	o->on = strv_has(table ? &m->sub.tables : &m->sub.schemas, table ? o->shown : schema);
	if (table && str_eq(schema, "public")) /* may be written without it */
		o->on |= strv_has(&m->sub.tables, table);
	(void)snprintf(o->more, sizeof o->more, "%.20s  %9s", rows, fmt_bytes(size, sizeof size, (double)bytes));
	return o;
}

static void total(struct one *o, size_t tables)
{
	char size[32];

	(void)snprintf(o->more, sizeof o->more, "%zu table%s  %9s", tables, tables == 1 ? "" : "s", fmt_bytes(size, sizeof size, (double)o->bytes));
}

static const struct one *schema_of(const struct one *t)
{
	for (const struct one *o = t; o >= l.v; o--)
		if (!o->table)
			return o;
	return NULL;
}

static void marks(void)
{
	for (size_t i = 0; i < l.n; i++) {
		const struct one *o = &l.v[i], *up = schema_of(o);
		l.rows[i].mark = o->on ? 'x' : up && up->on ? '+' : ' ';
	}
}

/* Schemas stand before their tables, which come in their order. */
static void take(const struct wizard *w, const struct event *e)
{
	char *f[FIELDS], rows[32];
	size_t cap = 0, tables = 0;
	struct one *schema = NULL;

	l.text = xstrdup(e->text ? e->text : "");
	for (const char *p = l.text; (p = strchr(p, TABLES_ROW[0])) != NULL; p++)
		cap += 2;
	l.v = xcalloc(cap + 1, sizeof *l.v);
	l.rows = xcalloc(cap + 1, sizeof *l.rows);
	for (char *at = l.text; l.n + 2 <= cap && tables_next(&at, f, FIELDS);) {
		if (!schema || !str_eq(schema->schema, f[0])) {
			schema = add(w->m, f[0], NULL, 0, "");
			tables = 0;
		}
		rows[0] = '\0';
		if (f[3][0] != '-') /* analysed once */
			(void)snprintf(rows, sizeof rows, "about %.14s rows", f[3]);
		(void)add(w->m, f[0], f[1], atoll(f[2]), rows);
		schema->bytes += atoll(f[2]);
		total(schema, ++tables);
	}
	for (size_t i = 0; i < l.n; i++)
		l.rows[i] = (struct pick){.name = l.v[i].shown, .more = l.v[i].more, .role = R_DIM, .mark = ' '};
	marks();
	picker_rows(&l.picker, l.rows, l.n);
}

static void ready(struct wizard *w, const struct event *e)
{
	if (!str_eq(e->id, "list"))
		return;
	if (e->state == ST_DONE && w->model.tables[SIDE_SOURCE])
		take(w, w->model.tables[SIDE_SOURCE]);
	else
		xreplace(&l.failed, e->text ? e->text : "stopped");
}

/* ---- what is chosen ---- */

static void draw_sum(int y, int x, int width)
{
	size_t tables = 0, schemas = 0;
	int64_t bytes = 0;
	char size[32];

	for (size_t i = 0; i < l.n; i++) {
		schemas += !l.v[i].table && l.v[i].on;
		tables += l.v[i].table && l.rows[i].mark != ' ';
		bytes += l.v[i].table && l.rows[i].mark != ' ' ? l.v[i].bytes : 0;
	}
	if (tables + schemas == 0)
		(void)put(y, x, width, R_TITLE, "None is chosen: all are followed");
	else
		(void)putf(y, x, width, R_TITLE, "Chosen: %zu table%s, %s%s", tables, tables == 1 ? "" : "s", fmt_bytes(size, sizeof size, (double)bytes),
			   schemas ? "; what is in a chosen schema (+) with it" : "");
}

static void draw(struct wizard *w, int y, int x, int h, int width)
{
	if (!l.v) {
		(void)put_lines(y, x, 4, width, l.failed ? R_BAD : R_DIM, l.failed ? l.failed : w->busy ? "asking the source for its tables..." : "");
		return;
	}
	draw_sum(y, x, width);
	picker_draw(&l.picker, y + 2, x, h - 2, width);
}

static void toggle(struct wizard *w)
{
	long at = picker_chosen(&l.picker);

	if (at < 0)
		return;
	struct one *o = &l.v[at];
	const struct one *up = schema_of(o);
	if (o->table && up && up->on && !o->on) {
		wizard_say(w, R_WARN, "its schema %s is chosen, with all that is in it", up->schema);
		return;
	}
	o->on = !o->on;
	l.changed = true;
	marks();
}

/* All that are shown, or none of them when all are chosen already. */
static void toggle_shown(struct wizard *w)
{
	bool all = true;

	(void)w;
	for (size_t i = 0; i < l.picker.n_shown; i++)
		all &= !l.v[l.picker.shown[i]].table || l.v[l.picker.shown[i]].on;
	for (size_t i = 0; i < l.picker.n_shown; i++)
		if (l.v[l.picker.shown[i]].table)
			l.v[l.picker.shown[i]].on = !all;
	l.changed = true;
	marks();
}

static void accept(struct wizard *w)
{
	if (l.v && l.changed) { /* what the source does not have stays out: the preflight would block it */
		strv_fini(&w->m->sub.tables);
		strv_fini(&w->m->sub.schemas);
		w->m->sub.tables = w->m->sub.schemas = (struct strv){0};
		for (size_t i = 0; i < l.n; i++)
			if (l.v[i].on)
				strv_add(l.v[i].table ? &w->m->sub.tables : &w->m->sub.schemas, l.v[i].table ? l.v[i].shown : l.v[i].schema);
	}
	wizard_go(w, AT_OPTIONS);
}

static void back(struct wizard *w)
{
	wizard_go(w, AT_OPTIONS);
}

static bool key(struct wizard *w, int k, bool special)
{
	if (!l.v || picker_key(&l.picker, k, special))
		return true;
	if (special)
		return false;
	if (k == ' ')
		toggle(w);
	else if (k == 'a')
		toggle_shown(w);
	else if (k == '\r')
		accept(w);
	else if (k == 27)
		back(w);
	else if (k == 'q')
		wizard_quit(w);
	return true;
}

/* What is typed into the filter must not be taken for keys: all of them are looked at by key(). */
static const struct key keys[] = {
	{0, false, "Enter", "take it", NULL}, {0, false, "Space", "choose", NULL}, {0, false, "a", "all shown", NULL}, {0, false, "/", "filter", NULL},
	{0, false, "Esc", "leave as it was", NULL}, {0, false, "arrows", "move", NULL}, {0, false, NULL, NULL, NULL},
};

const struct screen screen_choose = {
	.title = "Tables", .keys = keys, .enter = enter, .leave = leave, .draw = draw, .key = key, .ready = ready,
	.help = "The tables of the source by schema, with rows (about) and size; a partitioned table stands for its partitions. Choose tables, or whole schemas, whose tables made later are "
		"followed, too, where the server can do that (15 and newer). Nothing chosen means all. / and text narrows the list; a chooses all that are shown.",
};
