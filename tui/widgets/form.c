#include "widgets/form.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "term.h"
#include "widgets/entry.h"

#define LABEL_W 18

struct row {
	struct field f;
	struct entry *entry; /* text, password, number */
	int value;           /* choice, bool */
};

struct form {
	struct row *rows;
	size_t n, focus;
	int y, x, w;
	char wrong[128];
};

static bool is_text(const struct field *f)
{
	return f->kind == F_TEXT || f->kind == F_PASSWORD || f->kind == F_NUMBER;
}

static struct entry *make_entry(const struct form *fm, size_t i)
{
	const struct field *f = &fm->rows[i].f;
	char number[16] = "";
	const char *text = "";

	if (f->kind == F_TEXT)
		text = *f->text ? *f->text : "";
	else if (f->kind == F_PASSWORD)
		text = secret_text(f->secret);
	else if (snprintf(number, sizeof number, "%d", *f->number) > 0)
		text = number;
	return entry_new(fm->y + (int)i, fm->x + LABEL_W, fm->w - LABEL_W, text, f->kind == F_PASSWORD);
}

struct form *form_new(const struct field *fields, size_t n, int y, int x, int w)
{
	struct form *fm = xcalloc(1, sizeof *fm);

	*fm = (struct form){.rows = xcalloc(n, sizeof *fm->rows), .n = n, .y = y, .x = x, .w = w};
	for (size_t i = 0; i < n; i++) {
		fm->rows[i].f = fields[i];
		if (is_text(&fields[i]))
			fm->rows[i].entry = make_entry(fm, i);
		else
			fm->rows[i].value = fields[i].kind == F_BOOL ? *fields[i].flag : *fields[i].number;
	}
	return fm;
}

void form_free(struct form *fm)
{
	if (!fm)
		return;
	for (size_t i = 0; i < fm->n; i++)
		entry_free(fm->rows[i].entry);
	free(fm->rows);
	free(fm);
}

void form_resize(struct form *fm, int w)
{
	char **texts = xcalloc(fm->n, sizeof *texts);

	fm->w = w;
	for (size_t i = 0; i < fm->n; i++)
		texts[i] = fm->rows[i].entry ? entry_text(fm->rows[i].entry) : NULL;
	for (size_t i = 0; i < fm->n; i++) { /* all of them first: the last one takes the screen with it */
		entry_free(fm->rows[i].entry);
		fm->rows[i].entry = NULL;
	}
	for (size_t i = 0; i < fm->n; i++) {
		if (!texts[i])
			continue;
		fm->rows[i].entry = entry_new(fm->y + (int)i, fm->x + LABEL_W, w - LABEL_W, texts[i], fm->rows[i].f.kind == F_PASSWORD);
		explicit_bzero(texts[i], strlen(texts[i]));
		free(texts[i]);
	}
	free(texts);
}

static int n_choices(const struct field *f)
{
	int n = 0;

	while (f->choices[n])
		n++;
	return n;
}

static bool turn(struct row *r, int by)
{
	if (r->f.kind == F_BOOL)
		r->value = !r->value;
	else if (r->f.kind == F_CHOICE)
		r->value = (r->value + by + n_choices(&r->f)) % n_choices(&r->f);
	else
		return false;
	return true;
}

enum form_said form_key(struct form *fm, int key, bool special)
{
	struct row *r = &fm->rows[fm->focus];

	fm->wrong[0] = '\0';
	if ((!special && (key == '\r' || key == '\n')) || (special && key == KEY_ENTER))
		return FORM_NEXT;
	if (!special && key == 27)
		return FORM_BACK;
	if ((special && key == KEY_DOWN) || (!special && key == '\t')) {
		fm->focus = (fm->focus + 1) % fm->n;
		return FORM_TAKEN;
	}
	if (special && (key == KEY_UP || key == KEY_BTAB)) {
		fm->focus = (fm->focus + fm->n - 1) % fm->n;
		return FORM_TAKEN;
	}
	if (r->entry)
		return entry_key(r->entry, key, special) ? FORM_TAKEN : FORM_IGNORED;
	if ((special && key == KEY_RIGHT) || (!special && key == ' '))
		return turn(r, 1) ? FORM_TAKEN : FORM_IGNORED;
	if (special && key == KEY_LEFT)
		return turn(r, -1) ? FORM_TAKEN : FORM_IGNORED;
	return FORM_IGNORED;
}

static void draw_choice(const struct form *fm, size_t i, bool focus)
{
	const struct row *r = &fm->rows[i];
	static const char *const yes_no[] = {"no", "yes", NULL};
	const char *const *c = r->f.kind == F_BOOL ? yes_no : r->f.choices;
	int x = fm->x + LABEL_W;

	for (int k = 0; c[k]; k++) {
		bool on = k == r->value;
		x += putf(fm->y + (int)i, x, fm->x + fm->w - x, on ? focus ? R_FOCUS : R_TITLE : R_DIM, on ? "(%s)" : " %s ", c[k]);
		x++;
	}
}

void form_draw(struct form *fm)
{
	for (size_t i = 0; i < fm->n; i++) {
		struct row *r = &fm->rows[i];
		bool focus = i == fm->focus;
		(void)putf(fm->y + (int)i, fm->x - 2, LABEL_W, focus ? R_TITLE : R_TEXT, "%s %s", focus ? glyph(G_SELECT) : " ", r->f.label);
		if (!r->entry)
			draw_choice(fm, i, focus);
	}
	const struct field *f = &fm->rows[fm->focus].f;
	int y = fm->y + (int)fm->n + 1;
	if (fm->wrong[0])
		y += put_lines(y, fm->x, 2, fm->w, R_BAD, fm->wrong);
	(void)put_lines(y, fm->x, 3, fm->w, R_DIM, f->help);
}

void form_cursor(struct form *fm)
{
	for (size_t i = 0; i < fm->n; i++)
		if (fm->rows[i].entry)
			entry_draw(fm->rows[i].entry, i == fm->focus, fm->rows[i].f.placeholder);
	if (fm->rows[fm->focus].entry)
		entry_cursor(fm->rows[fm->focus].entry);
}

static bool store(struct form *fm, size_t i)
{
	struct row *r = &fm->rows[i];
	char *t = r->entry ? entry_text(r->entry) : NULL;
	bool good = true;
	int64_t v;

	switch (r->f.kind) {
	case F_TEXT:
		xreplace(r->f.text, str_empty(t) ? NULL : t);
		break;
	case F_PASSWORD:
		secret_set(r->f.secret, str_empty(t) ? NULL : t);
		explicit_bzero(t, strlen(t));
		break;
	case F_NUMBER:
		good = str_to_i64(t, r->f.lo, r->f.hi, &v);
		if (good)
			*r->f.number = (int)v;
		else
			(void)snprintf(fm->wrong, sizeof fm->wrong, "%s is a number from %d to %d", r->f.label, r->f.lo, r->f.hi);
		break;
	case F_CHOICE:
		*r->f.number = r->value;
		break;
	case F_BOOL:
		*r->f.flag = r->value != 0;
		break;
	}
	free(t);
	return good;
}

bool form_store(struct form *fm, const char **wrong)
{
	bool good = true;

	for (size_t i = 0; i < fm->n; i++)
		if (!store(fm, i)) {
			good = false;
			fm->focus = i;
		}
	*wrong = good ? NULL : fm->wrong;
	return good;
}

void form_focus(struct form *fm, const char *label)
{
	for (size_t i = 0; i < fm->n; i++)
		if (str_eq(fm->rows[i].f.label, label))
			fm->focus = i;
}

bool form_takes_text(const struct form *fm)
{
	return fm->rows[fm->focus].entry != NULL;
}

void form_explain(const struct form *fm, struct str *s)
{
	str_addc(s, '\n');
	for (size_t i = 0; i < fm->n; i++)
		str_addf(s, "\n%s: %s", fm->rows[i].f.label, fm->rows[i].f.help);
}

int form_rows(const struct form *fm)
{
	return (int)fm->n;
}
