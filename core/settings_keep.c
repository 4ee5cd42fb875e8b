/* A file that somebody wrote is changed where values changed, and nowhere else. Declared in settings_in.h. */
#include <stdlib.h>
#include <string.h>

#include "settings.h"
#include "settings_in.h"

#define BLANKS " \t\r\n"

struct keep {
	const struct setting *keys;
	size_t n;
	char **now;    /* by key: the new value; NULL: the default's */
	bool *changed, *there, *done;
	const struct migration *m;
	struct str out;
	size_t mark;   /* where new keys of the present section go: behind its last line that says something */
	char section[64];
};

static void add_value(struct str *s, const struct keep *k, size_t i, const char *comment)
{
	const struct strv *names = (const void *)((const char *)k->m + k->keys[i].at);

	if (!k->now[i])
		return;
	if (k->keys[i].type != T_TABLES)
		str_addf(s, "%s = %s%s\n", k->keys[i].name, k->now[i], comment);
	for (size_t t = 0; k->keys[i].type == T_TABLES && t < names->n; t++)
		str_addf(s, "%s = %s%s\n", k->keys[i].name, names->v[t], t ? "" : comment);
}

/* A line of an assignment, as the key it is of; n: none. */
static size_t key_of(const struct keep *k, const char *section, const char *line)
{
	const char *name = line + strspn(line, BLANKS);
	size_t len = strcspn(name, "=:"), i = 0;

	if (!name[len] || *name == ';' || *name == '#' || *name == '[')
		return k->n;
	while (len && strchr(BLANKS, name[len - 1]))
		len--;
	while (i < k->n && (strcmp(k->keys[i].section, section) != 0 || strlen(k->keys[i].name) != len || strncmp(k->keys[i].name, name, len) != 0))
		i++;
	return i;
}

/* false: it is no header */
static bool header(const char *line, char section[64])
{
	const char *p = line + strspn(line, BLANKS), *end = strchr(p, ']');

	if (*p != '[' || !end || end - p > 63)
		return false;
	memcpy(section, p + 1, (size_t)(end - p - 1));
	section[end - p - 1] = '\0';
	return true;
}

static const char *comment_of(const char *line)
{
	for (const char *p = line; *p; p++)
		if ((*p == ' ' || *p == '\t') && p[1] == ';')
			return p;
	return "";
}

/* What this section, or all that have not come, should say and does not. */
static void add_new(struct keep *k, const char *section)
{
	struct str more = {0};
	char *rest = xstrdup(str_text(&k->out) + k->mark);

	for (size_t i = 0; i < k->n; i++)
		if (k->changed[i] && !k->there[i] && !k->done[i] && strcmp(k->keys[i].section, section) == 0) {
			add_value(&more, k, i, "");
			k->done[i] = true;
		}
	char *head = xasprintf("%.*s", (int)k->mark, str_text(&k->out));
	str_clear(&k->out);
	str_addf(&k->out, "%s%s%s", head, str_text(&more), rest);
	k->mark += more.len;
	free(head);
	free(rest);
	str_fini(&more);
}

static void take_line(struct keep *k, const char *line)
{
	char section[64];
	size_t i = key_of(k, k->section, line);
	bool says = line[strspn(line, BLANKS)] != '\0' && line[strspn(line, BLANKS)] != ';' && line[strspn(line, BLANKS)] != '#';

	if (header(line, section)) {
		add_new(k, k->section);
		(void)memcpy(k->section, section, sizeof section);
	}
	if (i < k->n && k->changed[i]) {
		if (!k->done[i])
			add_value(&k->out, k, i, comment_of(line));
		k->done[i] = true;
	} else {
		str_addf(&k->out, "%s\n", line);
	}
	if (says)
		k->mark = k->out.len;
}

static void each_line(struct keep *k, const char *text, void (*fn)(struct keep *, const char *))
{
	k->section[0] = '\0';
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = xasprintf("%.*s", (int)len, text);
		fn(k, line);
		free(line);
		text += len + (text[len] == '\n');
	}
}

static void find_line(struct keep *k, const char *line)
{
	if (header(line, k->section))
		return;
	size_t i = key_of(k, k->section, line);
	if (i < k->n)
		k->there[i] = true;
}

static void compare(struct keep *k, const struct migration *was, const struct migration *def)
{
	for (size_t i = 0; i < k->n; i++) {
		char *before = setting_text(was, def, &k->keys[i]);
		k->now[i] = setting_text(k->m, def, &k->keys[i]);
		k->changed[i] = !str_eq(before, k->now[i]);
		free(before);
	}
}

char *settings_keep(const char *old, const struct migration *m, const struct migration *def)
{
	struct keep k = {.m = m};
	struct migration was;
	struct strv wrong = {0};
	char *text = NULL;

	k.keys = settings_keys(&k.n);
	k.now = xcalloc(k.n, sizeof *k.now);
	k.changed = xcalloc(3 * k.n, sizeof *k.changed);
	k.there = k.changed + k.n;
	k.done = k.there + k.n;
	migration_init(&was);
	if (settings_parse(&was, old, "", &wrong) == ERR_OK) {
		compare(&k, &was, def);
		each_line(&k, old, find_line);
		each_line(&k, old, take_line);
		add_new(&k, k.section);
		for (size_t i = 0; i < k.n; i++) {
			if (!k.changed[i] || k.there[i] || k.done[i] || !k.now[i])
				continue;
			str_addf(&k.out, "\n[%s]\n", k.keys[i].section);
			k.mark = k.out.len;
			add_new(&k, k.keys[i].section);
		}
		text = str_take(&k.out);
	}
	for (size_t i = 0; i < k.n; i++)
		free(k.now[i]);
	free(k.now);
	free(k.changed);
	str_fini(&k.out);
	strv_fini(&wrong);
	migration_fini(&was);
	return text;
}
