#include "theme.h"

#include <curses.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "theme_file.h"

#ifndef PGUSHER_SHARE
#define PGUSHER_SHARE "/usr/local/share/pgusher"
#endif

/* The default theme as its file would say it. */
static const char *const builtin_default[R_COUNT] = {
	"default", "cyan", "bold", "bold,white,blue", "white,blue", "black,cyan", "bold,green", "bold,yellow", "bold,red", "cyan",
	"underline", "black,cyan", "bold,yellow,blue",
};
static const char *const builtin_mono[R_COUNT] = {
	"default", "dim", "bold", "reverse", "reverse", "reverse", "bold", "bold,underline", "bold,reverse", "bold", "underline", "reverse", "bold,reverse",
};

static struct theme *themes;
static size_t n_themes, current;
static unsigned long ready[R_COUNT];

static struct theme *add_theme(const char *name)
{
	themes = xrealloc(themes, (n_themes + 1) * sizeof *themes);
	struct theme *t = &themes[n_themes++];
	*t = (struct theme){.name = xstrdup(name)};
	return t;
}

static void add_builtin(const char *name, const char *const *styles)
{
	struct theme *t = add_theme(name);

	for (int r = 0; r < R_COUNT; r++)
		theme_style(t, r, styles[r]);
}

static bool have(const char *name)
{
	for (size_t i = 0; i < n_themes; i++)
		if (str_eq(themes[i].name, name))
			return true;
	return false;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_dir(const char *dir)
{
	struct dirent **list = NULL;
	int n = scandir(dir, &list, NULL, by_name);

	for (int i = 0; i < n; i++) {
		if (str_ends(list[i]->d_name, ".ini")) {
			char *path = xasprintf("%s/%s", dir, list[i]->d_name), *name = xstrndup(list[i]->d_name, strlen(list[i]->d_name) - 4);
			if (!have(name)) {
				struct theme *t = add_theme(name);
				for (int r = 0; r < R_COUNT; r++)
					theme_style(t, r, builtin_default[r]);
				theme_read(t, path);
			}
			free(name);
			free(path);
		}
		free(list[i]);
	}
	free(list);
}

static void load_all(void)
{
	char exe[512];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	if (n_themes)
		return;
	add_builtin("default", builtin_default);
	add_builtin("mono", builtin_mono);
	load_dir("themes");
	for (int up = 0; n > 0 && up < 3; up++) { /* build/release/pgusher, and bin/pgusher beside share/ */
		exe[n] = '\0';
		char *slash = strrchr(exe, '/');
		if (!slash)
			break;
		*slash = '\0';
		n = (ssize_t)strlen(exe);
		char *dir = xasprintf("%s/themes", exe), *share = xasprintf("%s/share/pgusher/themes", exe);
		load_dir(dir);
		load_dir(share);
		free(dir);
		free(share);
	}
	load_dir(PGUSHER_SHARE "/themes");
}

/* The nearest of the eight: the parts of a colour that are strong in it. 16..231: a cube of 6; 232..255: greys. */
static short of_eight(short c)
{
	int rgb[3], max = 0, out = 0;

	if (c < 16)
		return (short)(c & 7);
	for (int i = 0; i < 3; i++) {
		int step = c >= 232 ? 0 : (c - 16) / (i == 0 ? 36 : i == 1 ? 6 : 1) % 6;
		rgb[i] = c >= 232 ? 8 + 10 * (c - 232) : step ? 55 + 40 * step : 0;
		max = rgb[i] > max ? rgb[i] : max;
	}
	for (int i = 0; i < 3; i++)
		out |= (max >= 60 && rgb[i] * 10 >= max * 6) << i;
	return (short)out;
}

static void apply(void)
{
	const struct theme *t = &themes[current];

	for (int r = 0; r < R_COUNT; r++) {
		ready[r] = t->attr[r];
		if (!term_colours())
			continue;
		short fg = t->fg[r] < COLORS ? t->fg[r] : of_eight(t->fg[r]), bg = t->bg[r] < COLORS ? t->bg[r] : of_eight(t->bg[r]);
		(void)init_pair((short)(r + 1), fg, bg);
		ready[r] |= (unsigned long)COLOR_PAIR(r + 1);
	}
	for (int r = 0; r < R_COUNT && !term_colours(); r++) { /* without colours only the mono theme keeps roles apart */
		struct theme mono = {0};
		theme_style(&mono, r, builtin_mono[r]);
		ready[r] = mono.attr[r];
	}
}

bool theme_use(const char *name)
{
	bool found = false;

	load_all();
	current = 0;
	for (size_t i = 0; i < n_themes; i++)
		if (str_eq(themes[i].name, name)) {
			current = i;
			found = true;
		}
	apply();
	return found || !name;
}

const char *theme_next(void)
{
	current = (current + 1) % n_themes;
	apply();
	return themes[current].name;
}

const char *theme_name(void)
{
	return themes[current].name;
}

unsigned long theme_attr(enum role r)
{
	return ready[r];
}

void theme_fini(void)
{
	for (size_t i = 0; i < n_themes; i++)
		free(themes[i].name);
	free(themes);
	themes = NULL;
	n_themes = 0;
}
