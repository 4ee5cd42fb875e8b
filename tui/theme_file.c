#include "theme_file.h"

#include <ini.h>

#include "base/str.h"

#define NOT_SAID (-2)

static const char *const role_names[R_COUNT] = {
	"text", "dim", "title", "head", "foot", "select", "good", "warn", "bad", "gauge", "field", "focus", "key",
};

void theme_style(struct theme *t, int role, const char *text)
{
	static const char *const colour_names[] = {"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"};
	static const struct { const char *name; attr_t attr; } attrs[] = {
		{"bold", A_BOLD}, {"dim", A_DIM}, {"underline", A_UNDERLINE}, {"reverse", A_REVERSE}, {"blink", A_BLINK}};
	struct strv words = {0};
	int n_colours = 0;

	t->attr[role] = 0;
	t->fg[role] = t->bg[role] = -1;
	strv_split(&words, text, ",");
	for (size_t i = 0; i < words.n; i++) {
		short c = -1;
		int64_t number;
		bool is_attr = false;
		for (size_t k = 0; k < sizeof attrs / sizeof *attrs; k++)
			if (str_eq(words.v[i], attrs[k].name)) {
				t->attr[role] |= attrs[k].attr;
				is_attr = true;
			}
		for (short k = 0; k < 8; k++)
			if (str_eq(words.v[i], colour_names[k]))
				c = k;
		if (str_to_i64(words.v[i], 0, 255, &number))
			c = (short)number;
		if (is_attr)
			continue;
		if (n_colours++ == 0)
			t->fg[role] = c;
		else
			t->bg[role] = c;
	}
	strv_fini(&words);
}

static int on_theme_value(void *arg, const char *section, const char *name, const char *value)
{
	struct theme *t = arg;

	if (str_eq(section, "meta") && str_eq(name, "name"))
		xreplace(&t->name, value);
	for (int r = 0; r < R_COUNT && str_eq(section, "roles"); r++)
		if (str_eq(name, role_names[r]))
			theme_style(t, r, value);
	return 1;
}

/* Keys stand in the foot's line: in a theme that does not name them they have its colours. */
static void key_as_foot(struct theme *t)
{
	t->attr[R_KEY] = t->attr[R_FOOT] | A_BOLD;
	t->fg[R_KEY] = t->fg[R_FOOT];
	t->bg[R_KEY] = t->bg[R_FOOT];
}

void theme_read(struct theme *t, const char *path)
{
	t->fg[R_KEY] = NOT_SAID;
	(void)ini_parse(path, on_theme_value, t); /* a bad line leaves the default's role */
	if (t->fg[R_KEY] == NOT_SAID)
		key_as_foot(t);
}

void theme_parse(struct theme *t, const char *text)
{
	t->fg[R_KEY] = NOT_SAID;
	(void)ini_parse_string(text, on_theme_value, t);
	if (t->fg[R_KEY] == NOT_SAID)
		key_as_foot(t);
}
