#include "widgets/markdown.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "term.h"

#define COLS_MAX 12
#define GAP 2
#define COL_MIN 6 /* columns are not made narrower, whatever that costs */

struct piece { int row, x; enum role role; char *text; }; /* in the order of their rows */

struct markdown {
	struct piece *v;
	size_t n, cap;
	int rows, width;
	bool blank; /* the last row is empty: no second one */
	const char *wide;
};

struct table {
	struct strv cells; /* row by row, the head first */
	size_t cols;
	bool used[COLS_MAX], right[COLS_MAX];
	int w[COLS_MAX];
};

/* ---- pieces ---- */

static void add(struct markdown *md, int row, int x, enum role role, const char *text, size_t n)
{
	if (n == 0)
		return;
	if (md->n == md->cap) {
		md->cap = md->cap ? md->cap * 2 : 256;
		md->v = xrealloc(md->v, md->cap * sizeof *md->v);
	}
	md->v[md->n++] = (struct piece){.row = row, .x = x, .role = role, .text = xstrndup(text, n)};
	md->blank = false;
}

static void skip_row(struct markdown *md)
{
	md->rows += !md->blank;
	md->blank = true;
}

/* Wrapped; further lines hang. */
static void paragraph(struct markdown *md, int indent, int hang, enum role role, const char *text)
{
	const char *next;

	for (int in = indent; *text; text = next, in = indent + hang) {
		const char *end = text_break(text, md->width - in > 1 ? md->width - in : 1, &next);
		add(md, md->rows++, in, role, text, (size_t)(end - text));
	}
}

/* What quotes and marks is taken away: \| ** ` */
static char *plain_text(const char *text)
{
	struct str s = {0};

	for (const char *p = text; *p; p++) {
		if (*p == '\\' && p[1])
			str_addc(&s, *++p);
		else if (*p != '`' && *p != '*')
			str_addc(&s, *p);
	}
	return str_take(&s);
}

/* ---- tables ---- */

static enum role role_of(const char *cell)
{
	static const struct { const char *word; enum role role; } words[] = {
		{"equal", R_GOOD}, {"OK", R_GOOD}, {"done", R_GOOD}, {"different", R_BAD}, {"BLOCK", R_BAD}, {"failed", R_BAD},
		{"not proven", R_WARN}, {"WARN", R_WARN}, {"WARN, accepted", R_WARN}, {"stopped", R_WARN}, {"skipped", R_DIM}};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (str_eq(cell, words[i].word))
			return words[i].role;
	return R_TEXT;
}

/* "| a | b |" into its cells; \| is no border. */
static size_t split_row(struct strv *to, const char *line, const char *end)
{
	struct str s = {0};
	size_t n = 0;

	for (const char *p = line + 1; p < end && n < COLS_MAX; p++) {
		if (*p == '\\' && p + 1 < end) {
			str_addc(&s, *p++);
			str_addc(&s, *p);
		} else if (*p == '|') {
			const char *cell = str_text(&s) + strspn(str_text(&s), " ");
			char *text = plain_text(cell);
			size_t len = strlen(text);
			while (len > 0 && text[len - 1] == ' ')
				text[--len] = '\0';
			strv_take(to, text);
			str_clear(&s);
			n++;
		} else {
			str_addc(&s, *p);
		}
	}
	str_fini(&s);
	return n;
}

static const char *cell_at(const struct table *t, size_t row, size_t col)
{
	return t->cells.v[row * t->cols + col];
}

static size_t n_rows(const struct table *t)
{
	return t->cols ? t->cells.n / t->cols : 0;
}

static int longest_word(const char *text)
{
	struct strv words = {0};
	int w = 0;

	strv_split(&words, text, " ");
	for (size_t i = 0; i < words.n; i++)
		w = text_width(words.v[i]) > w ? text_width(words.v[i]) : w;
	strv_fini(&words);
	return w;
}

/* As wide as its cells; an empty column is left out, and so is what there is no room for. The sum with the gaps. */
static int measure(struct table *t, const char *leave_out)
{
	int sum = 0;

	for (size_t c = 0; c < t->cols; c++) {
		t->w[c] = 0;
		for (size_t r = 1; r < n_rows(t); r++)
			t->w[c] = text_width(cell_at(t, r, c)) > t->w[c] ? text_width(cell_at(t, r, c)) : t->w[c];
		t->used[c] = t->w[c] > 0 && !(leave_out && str_starts(cell_at(t, 0, c), leave_out));
		int head = longest_word(cell_at(t, 0, c));
		t->w[c] = head > t->w[c] ? head : t->w[c];
		sum += t->used[c] ? t->w[c] + GAP : 0;
	}
	return sum - GAP;
}

static void shrink(struct table *t, int over)
{
	for (; over > 0; over--) {
		size_t widest = 0;
		for (size_t c = 1; c < t->cols; c++)
			if (t->used[c] && (!t->used[widest] || t->w[c] > t->w[widest]))
				widest = c;
		if (t->w[widest] <= COL_MIN)
			return;
		t->w[widest]--;
	}
}

static void lay_row(struct markdown *md, const struct table *t, size_t r, bool label)
{
	const char *rest[COLS_MAX];
	bool more = true;

	for (size_t c = 0; c < t->cols; c++)
		rest[c] = cell_at(t, r, c);
	for (; more; md->rows++) {
		int x = 0;
		more = false;
		for (size_t c = 0; c < t->cols; c++) {
			if (!t->used[c])
				continue;
			enum role role = r == 0 || (label && c == 0) ? R_DIM : role_of(cell_at(t, r, c));
			const char *next = rest[c], *end = *rest[c] ? text_break(rest[c], t->w[c], &next) : rest[c];
			char *cut = xstrndup(rest[c], (size_t)(end - rest[c]));
			add(md, md->rows, x + (t->right[c] && r > 0 ? t->w[c] - text_width(cut) : 0), role, cut, strlen(cut));
			free(cut);
			rest[c] = next;
			more |= *next != '\0';
			x += t->w[c] + GAP;
		}
	}
}

static void lay_table(struct markdown *md, struct table *t)
{
	bool label = true, left_out = false;

	for (size_t c = 0; c < t->cols; c++)
		label &= str_empty(cell_at(t, 0, c));
	int sum = measure(t, NULL);
	if (sum > md->width && md->wide) {
		int narrower = measure(t, md->wide);
		left_out = narrower < sum;
		sum = narrower;
	}
	shrink(t, sum - md->width);
	if (left_out)
		paragraph(md, 0, 0, R_DIM, "(a wider terminal, and the file of the report, show the checksums, too)");
	for (size_t r = label; r < n_rows(t); r++)
		lay_row(md, t, r, label);
}

/* The lines from text on that begin with '|'; returns what is behind them. */
static const char *table(struct markdown *md, const char *text)
{
	struct table t = {0};

	for (size_t line = 0; *text == '|'; line++) {
		const char *end = strchrnul(text, '\n');
		struct strv row = {0};
		size_t n = split_row(&row, text, end);
		t.cols = line == 0 ? n : t.cols;
		for (size_t c = 0; line == 1 && c < n; c++)
			t.right[c] = str_ends(row.v[c], ":");
		for (size_t c = 0; line != 1 && c < t.cols; c++)
			strv_add(&t.cells, c < n ? row.v[c] : "");
		strv_fini(&row);
		text = *end ? end + 1 : end;
	}
	if (t.cols > 0)
		lay_table(md, &t);
	strv_fini(&t.cells);
	return text;
}

/* ---- lines ---- */

static void plain_line(struct markdown *md, const char *line)
{
	size_t blanks = strspn(line, " ");
	bool item = blanks < 4 && (str_starts(line + blanks, "- ") || (line[blanks] >= '0' && line[blanks] <= '9' && strstr(line, ". ")));
	char *text = plain_text(line + blanks);

	paragraph(md, (int)blanks, item ? 2 : 0, str_starts(line, "**") ? R_TITLE : R_TEXT, text);
	free(text);
}

static void heading(struct markdown *md, const char *text)
{
	char *plain = plain_text(text);

	skip_row(md);
	paragraph(md, 0, 0, R_TITLE, plain);
	skip_row(md);
	free(plain);
}

static void line_of(struct markdown *md, const char *line)
{
	static const char summary[] = "<details><summary>";

	if (*line == '#') {
		heading(md, line + strspn(line, "# "));
	} else if (str_starts(line, summary)) {
		char *text = xstrndup(line + sizeof summary - 1, strcspn(line + sizeof summary - 1, "<"));
		heading(md, text);
		free(text);
	} else if (str_starts(line, "    ")) {
		paragraph(md, 4, 2, R_TEXT, line + strspn(line, " ")); /* code: as it stands */
	} else if (str_empty(line)) {
		skip_row(md);
	} else if (!str_starts(line, "</details>")) {
		plain_line(md, line);
	}
}

struct markdown *markdown_new(const char *text, int width, const char *wide)
{
	struct markdown *md = xcalloc(1, sizeof *md);

	*md = (struct markdown){.width = width, .blank = true, .wide = wide};
	while (*text) {
		if (*text == '|') {
			text = table(md, text);
			continue;
		}
		const char *end = strchrnul(text, '\n');
		char *line = xstrndup(text, (size_t)(end - text));
		line_of(md, line);
		free(line);
		text = *end ? end + 1 : end;
	}
	return md;
}

void markdown_free(struct markdown *md)
{
	for (size_t i = 0; md && i < md->n; i++)
		free(md->v[i].text);
	if (md)
		free(md->v);
	free(md);
}

int markdown_rows(const struct markdown *md) { return md->rows; }
int markdown_width(const struct markdown *md) { return md->width; }

void markdown_draw(const struct markdown *md, int y, int x, int h, int skip)
{
	size_t lo = 0, hi = md->n;

	while (lo < hi) { /* the first piece that is seen */
		size_t mid = lo + (hi - lo) / 2;
		if (md->v[mid].row < skip)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < md->n && md->v[lo].row < skip + h; lo++)
		(void)put(y + md->v[lo].row - skip, x + md->v[lo].x, md->width - md->v[lo].x, md->v[lo].role, md->v[lo].text);
}
