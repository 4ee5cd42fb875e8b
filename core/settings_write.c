#include "settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/argv.h"
#include "settings_in.h"

/* In the largest unit that says it exactly. */
static char *bytes_text(int64_t n)
{
	static const char *const units[] = {"", "kB", "MB", "GB", "TB"};
	size_t u = 0;

	while (n && n % 1024 == 0 && u + 1 < sizeof units / sizeof *units) {
		n /= 1024;
		u++;
	}
	return xasprintf("%lld%s", (long long)n, units[u]);
}

char *setting_text(const struct migration *m, const struct migration *def, const struct setting *k)
{
	const void *at = (const char *)m + k->at, *d = (const char *)def + k->at;

	switch (k->type) {
	case T_TEXT:
	case T_PLAIN:
	case T_PORT:
	case T_NAME:
	case T_COMPRESS:
	case T_SLOT:
	case T_STREAMING:
	case T_SYNC:
	case T_CUT_VERIFY:
		return str_eq(*(char *const *)at, *(char *const *)d) ? NULL : xstrdup(*(char *const *)at);
	case T_INT:
		return *(const int *)at == *(const int *)d ? NULL : xasprintf("%d", *(const int *)at);
	case T_BYTES:
		return *(const int64_t *)at == *(const int64_t *)d ? NULL : bytes_text(*(const int64_t *)at);
	case T_BOOL:
		return *(const bool *)at == *(const bool *)d ? NULL : xstrdup(*(const bool *)at ? "yes" : "no");
	case T_LIST:
	case T_TABLES:
		return ((const struct strv *)at)->n ? strv_join(at, ", ") : NULL;
	case T_ARGV:
		return ((const struct strv *)at)->n ? argv_show(at) : NULL;
	case T_METHOD:
		return xstrdup(method_name(*(const enum method *)at));
	case T_TRANSFER:
		return xstrdup(transfer_name(*(const enum transfer *)at));
	case T_FORMAT:
		return xstrdup(dump_format_name(*(const enum dump_format *)at));
	case T_COPY:
		return *(const enum sub_copy *)at == *(const enum sub_copy *)d ? NULL : xstrdup(sub_copy_name(*(const enum sub_copy *)at));
	case T_FENCE:
		return *(const enum fence *)at == *(const enum fence *)d ? NULL : xstrdup(fence_name(*(const enum fence *)at));
	case T_VERIFY:
		return xstrdup(verify_mode_name(*(const enum verify_mode *)at));
	}
	return NULL;
}

static void add_section(struct str *s, const char *section)
{
	const char *help = settings_section_help(section);

	str_addf(s, "\n[%s]", section);
	str_addf(s, help ? "  ; %s\n" : "%s\n", help ? help : "");
}

static void add_values(struct str *s, const struct migration *m, const struct migration *def)
{
	const char *section = "";
	size_t n;
	const struct setting *keys = settings_keys(&n);

	for (size_t i = 0; i < n; i++) {
		char *v = setting_text(m, def, &keys[i]);
		if (v && strcmp(section, keys[i].section) != 0) {
			section = keys[i].section;
			add_section(s, section);
		}
		const struct strv *names = (const void *)((const char *)m + keys[i].at);
		if (v)
			str_addf(s, "; %s\n", keys[i].help);
		for (size_t k = 0; v && keys[i].type == T_TABLES && k < names->n; k++) /* together they may be longer than a line */
			str_addf(s, "%s = %s\n", keys[i].name, names->v[k]);
		if (v && keys[i].type != T_TABLES)
			str_addf(s, "%s = %s\n", keys[i].name, v);
		free(v);
	}
}

/* " ;", a line end, a comma within a schema's name: what would be read back as something else. NULL: nothing. */
static const struct setting *unreadable(const struct migration *m, const struct migration *def, const char *text)
{
	struct migration back;
	struct strv wrong_lines = {0};
	const struct setting *bad = NULL;
	size_t n;
	const struct setting *keys = settings_keys(&n);

	migration_init(&back);
	(void)settings_parse(&back, text, "", &wrong_lines);
	for (size_t i = 0; i < n && !bad; i++) {
		char *a = setting_text(m, def, &keys[i]), *b = setting_text(&back, def, &keys[i]);
		const void *la = (const char *)m + keys[i].at, *lb = (const char *)&back + keys[i].at;
		if (!str_eq(a, b) || ((keys[i].type == T_LIST || keys[i].type == T_TABLES) && ((const struct strv *)la)->n != ((const struct strv *)lb)->n))
			bad = &keys[i];
		free(a);
		free(b);
	}
	strv_fini(&wrong_lines);
	migration_fini(&back);
	return bad;
}

/* Beside it first, so that there is the old one or the new one, never half of it. */
static enum err_code replace_file(const char *name, const struct str *s, struct err *err)
{
	char *real = realpath(name, NULL); /* a link stays one */
	const char *path = real ? real : name;
	char *tmp = xasprintf("%s.new", path);
	enum err_code rc = ERR_OK;

	(void)unlink(tmp); /* one left by a crash may have another mode */
	struct stat old;
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	/* a team's file, which others cannot read, stays the team's */
	if (fd >= 0 && stat(path, &old) == 0 && S_ISREG(old.st_mode) && !(old.st_mode & 0007) && (old.st_gid == getegid() || fchown(fd, (uid_t)-1, old.st_gid) == 0))
		(void)fchmod(fd, old.st_mode & 0660);
	if (fd < 0 || write(fd, s->data, s->len) != (ssize_t)s->len || fsync(fd) < 0)
		rc = err_errno(err, "cannot write %s", tmp);
	if (fd >= 0 && close(fd) < 0 && rc == ERR_OK)
		rc = err_errno(err, "cannot write %s", tmp);
	if (rc == ERR_OK && rename(tmp, path) < 0)
		rc = err_errno(err, "cannot write %s", path);
	if (rc != ERR_OK && fd >= 0)
		(void)unlink(tmp);
	free(tmp);
	free(real);
	return rc;
}

/* What stands there already, changed; NULL: nothing that could be kept. */
static char *kept_text(const struct migration *m, const struct migration *def, const char *path)
{
	struct err ignored;
	char *old = NULL, *text = NULL;

	if (settings_file(path, &old, &ignored) == ERR_OK && !str_empty(old))
		text = settings_keep(old, m, def);
	if (text && unreadable(m, def, text)) {
		free(text);
		text = NULL;
	}
	free(old);
	return text;
}

enum err_code settings_write(const struct migration *m, const char *path, struct err *err)
{
	struct migration def;
	struct str s = {0};
	enum err_code rc;

	migration_init(&def);
	char *kept = kept_text(m, &def, path);
	if (kept) {
		str_add(&s, kept);
	} else {
		str_add(&s, "; written by pgusher; passwords are never in here\n");
		add_values(&s, m, &def);
	}
	free(kept);
	const struct setting *bad = unreadable(m, &def, str_text(&s));
	if (bad) {
		(void)err_set(err, ERR_USAGE, "[%s] %s cannot be written to a settings file as it is", bad->section, bad->name);
		rc = err_hint(err, "a value holds no \" ;\", no line end, no blank at its ends, no comma within a name, and at most 150 bytes");
	} else {
		rc = replace_file(path, &s, err);
	}
	migration_fini(&def);
	str_fini(&s);
	return rc;
}

char *settings_sample(void)
{
	struct str s = {0};
	const char *section = "";
	size_t n;
	const struct setting *keys = settings_keys(&n);

	str_add(&s, "; Settings of pgusher. Only host, dbname and user of both sides are needed; the wizard writes such a file.\n"
		    "; A value ends at \" ;\". Passwords do not belong here.\n");
	for (size_t i = 0; i < n; i++) {
		const struct setting *k = &keys[i];
		if (strcmp(section, k->section) != 0) {
			section = k->section;
			add_section(&s, section);
		}
		str_addf(&s, "; %s\n", k->help);
		str_addf(&s, k->sample ? "%s = %s\n" : "; %s =%s\n", k->name, k->sample ? k->sample : "");
	}
	return str_take(&s);
}
