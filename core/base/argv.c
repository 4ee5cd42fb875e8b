#include "base/argv.h"

#include <stdlib.h>
#include <string.h>

/* Reads one quoted or bare piece into *word; returns the position after it, NULL for an open quote. */
static const char *piece(struct str *word, const char *p)
{
	if (*p == '\'') {
		const char *end = strchr(p + 1, '\'');
		if (!end)
			return NULL;
		str_addn(word, p + 1, (size_t)(end - p - 1));
		return end + 1;
	}
	if (*p == '"') {
		for (p++; *p && *p != '"'; p++) {
			if (*p == '\\' && (p[1] == '"' || p[1] == '\\' || p[1] == '$' || p[1] == '`'))
				p++;
			str_addc(word, *p);
		}
		return *p == '"' ? p + 1 : NULL;
	}
	if (*p == '\\') {
		if (!p[1])
			return NULL;
		str_addc(word, p[1]);
		return p + 2;
	}
	str_addc(word, *p);
	return p + 1;
}

enum err_code argv_split(struct strv *out, const char *text, struct err *err)
{
	const char *p = text;

	for (;;) {
		struct str word = {0};
		p += strspn(p, " \t\n");
		if (!*p)
			return ERR_OK;
		str_addn(&word, "", 0);
		while (p && *p && !strchr(" \t\n", *p))
			p = piece(&word, p);
		if (!p) {
			str_fini(&word);
			return err_set(err, ERR_USAGE, "a quote or a backslash is left open in: %s", text);
		}
		strv_take(out, str_take(&word));
	}
}

void argv_quote(struct str *s, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-+=./:,@%^";

	if (*word && strspn(word, plain) == strlen(word)) {
		str_add(s, word);
		return;
	}
	str_addc(s, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			str_add(s, "'\\''");
		else
			str_addc(s, *word);
	}
	str_addc(s, '\'');
}

char *argv_show(const struct strv *argv)
{
	struct str s = {0};

	for (size_t i = 0; i < argv->n; i++) {
		if (i)
			str_addc(&s, ' ');
		argv_quote(&s, argv->v[i]);
	}
	return str_take(&s);
}

void argv_prefixed(struct strv *out, const struct strv *prefix, const struct strv *words)
{
	bool ssh = false;

	if (prefix->n) {
		const char *slash = strrchr(prefix->v[0], '/');
		ssh = strcmp(slash ? slash + 1 : prefix->v[0], "ssh") == 0;
	}
	strv_copy(out, prefix);
	for (size_t i = 0; i < words->n; i++) {
		struct str q = {0};
		if (ssh)
			argv_quote(&q, words->v[i]);
		else
			str_add(&q, words->v[i]);
		strv_take(out, str_take(&q));
	}
}
