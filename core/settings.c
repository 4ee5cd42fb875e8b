#include "settings.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/argv.h"
#include "pg/choice.h"
#include "settings_in.h"

#define LINE_LIMIT 198 /* what inih keeps of a line */
#define FILE_LIMIT (1 << 20)

struct reading {
	struct migration *m;
	const char *name, *text; /* text: what is left to be read */
	struct strv *wrong;
	bool seen[SETTINGS_KEYS_MAX];
	bool skip;               /* within a section that is not known: its keys have been told of */
	char *line;
	int line_no;
};

static int column_of(const struct reading *r, const char *value)
{
	const char *eq = strpbrk(r->line ? r->line : "", "=:"), *at = eq ? eq + 1 : r->line;

	while (at && (*at == ' ' || *at == '\t'))
		at++;
	if (at && value && *value) {
		const char *p = strstr(at, value);
		at = p ? p : at;
	}
	return at ? (int)(at - r->line) + 1 : 1;
}

static int wrong(struct reading *r, int column, const char *what)
{
	if (r->wrong->n < SETTINGS_ERRORS)
		strv_addf(r->wrong, "%s:%d:%d: %s", r->name, r->line_no, column, what);
	return 1; /* go on: all of them are wanted */
}

static int wrongf(struct reading *r, int column, char *what)
{
	int rc = wrong(r, column, what);

	free(what);
	return rc;
}

static bool is_true(const char *v)
{
	return str_eq(v, "yes") || str_eq(v, "true") || str_eq(v, "on") || str_eq(v, "1");
}

static bool is_false(const char *v)
{
	return str_eq(v, "no") || str_eq(v, "false") || str_eq(v, "off") || str_eq(v, "0");
}

static bool good_name(const char *v)
{
	return *v && strlen(v) <= 48 && strspn(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == strlen(v);
}

static bool good_compress(const char *v)
{
	static const struct { const char *name; int64_t lo, hi; } methods[] = {{"none", 1, 0}, {"gzip", 0, 9}, {"lz4", 0, 12}, {"zstd", 1, 22}};
	size_t n = strcspn(v, ":");
	int64_t level;

	for (size_t i = 0; i < 4; i++)
		if (strlen(methods[i].name) == n && strncmp(v, methods[i].name, n) == 0)
			return v[n] == '\0' || str_to_i64(v + n + 1, methods[i].lo, methods[i].hi, &level);
	return false;
}

static bool bytes_from(const char *v, int64_t lo, int64_t hi, int64_t *out)
{
	static const struct { const char *name; int shift; } units[] = {{"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}};
	int shift = 0;
	int64_t n;

	for (size_t i = 0; i < sizeof units / sizeof *units && shift == 0; i++)
		if (str_ends(v, units[i].name))
			shift = units[i].shift;
	char *digits = xstrndup(v, strlen(v) - (shift ? 2 : 0));
	size_t len = strlen(digits);
	while (shift && len && digits[len - 1] == ' ')
		digits[--len] = '\0';
	bool good = str_to_i64(digits, 0, hi >> shift, &n) && n << shift >= lo;
	if (good)
		*out = n << shift;
	free(digits);
	return good;
}

/* NULL: it is one of the words, and taken; else they are what would be right. */
static char *one_of(char **at, const char *v, const char *words)
{
	struct strv list = {0};

	strv_split(&list, words, " ");
	bool good = !*v || strv_has(&list, v);
	if (good)
		xreplace(at, *v ? v : NULL);
	char *right = good ? NULL : strv_join(&list, ", ");
	strv_fini(&list);
	return right;
}

/* Adds to those of the lines before. */
static char *take_tables(struct strv *at, const char *v)
{
	struct strv names = {0};
	bool good = true;

	choice_list(&names, v);
	for (size_t i = 0; i < names.n && good; i++) {
		char *schema, *name;
		good = choice_split(names.v[i], &schema, &name);
		free(schema);
		free(name);
	}
	if (good)
		strv_copy(at, &names);
	strv_fini(&names);
	return good ? NULL : xstrdup("schema.table, separated by commas; double quotes around a part with other signs than letters, digits and _");
}

/* One, or a list for several hosts, as libpq takes it. */
static bool good_ports(const char *v)
{
	struct strv list = {0};
	size_t commas = 0;
	int64_t n;

	for (const char *p = v; *p; p++)
		commas += *p == ',';
	strv_split(&list, v, ",");
	bool good = *v == '\0' || list.n == commas + 1; /* none is left out: the next would be taken for it */
	for (size_t i = 0; i < list.n && good; i++)
		good = str_to_i64(list.v[i], 1, 65535, &n);
	strv_fini(&list);
	return good;
}

/* NULL: taken; else what would be right. Caller frees. */
static char *set_value(struct migration *m, const struct setting *k, const char *v)
{
	void *at = (char *)m + k->at;
	struct err err;
	int64_t n;

	switch (k->type) {
	case T_PLAIN:
	case T_TEXT:
		xreplace(at, *v ? v : NULL);
		return NULL;
	case T_PORT:
		if (!good_ports(v))
			return xstrdup("a number from 1 to 65535, or several separated by commas");
		xreplace(at, *v ? v : NULL);
		return NULL;
	case T_NAME:
		if (!good_name(v))
			return xstrdup("letters, digits, - and _, at most 48");
		xreplace(at, v);
		return NULL;
	case T_COMPRESS:
		if (!good_compress(v))
			return xstrdup("none, gzip:0..9, lz4:0..12 or zstd:1..22");
		xreplace(at, v);
		return NULL;
	case T_INT:
		if (!str_to_i64(v, k->lo, k->hi, &n))
			return xasprintf("a number from %lld to %lld", (long long)k->lo, (long long)k->hi);
		*(int *)at = (int)n;
		return NULL;
	case T_BYTES:
		if (!bytes_from(v, k->lo, k->hi, at))
			return xstrdup("a number of bytes, or one with kB, MB, GB or TB");
		return NULL;
	case T_BOOL:
		if (!is_true(v) && !is_false(v))
			return xstrdup("yes or no");
		*(bool *)at = is_true(v);
		return NULL;
	case T_LIST:
		strv_fini(at);
		*(struct strv *)at = (struct strv){0};
		strv_split(at, v, ",");
		return NULL;
	case T_TABLES:
		return take_tables(at, v);
	case T_ARGV:
		strv_fini(at);
		*(struct strv *)at = (struct strv){0};
		return argv_split(at, v, &err) == ERR_OK ? NULL : xstrdup("words as a shell would split them; a quote is open");
	case T_METHOD:
		return method_from_name(v, at) ? NULL : xstrdup("dump, tunnel or subscription");
	case T_TRANSFER:
		return transfer_from_name(v, at) ? NULL : xstrdup("stream or file");
	case T_FORMAT:
		return dump_format_from_name(v, at) ? NULL : xstrdup("directory or custom");
	case T_FENCE:
		return fence_from_name(v, at) ? NULL : xstrdup("own or hook");
	case T_CUT_VERIFY:
		return one_of(at, v, "checksum count off");
	case T_VERIFY:
		return verify_mode_from_name(v, at) ? NULL : xstrdup("checksum, count or off");
	case T_COPY:
		return sub_copy_from_name(v, at) ? NULL : xstrdup("snapshot, native or dump");
	case T_SLOT:
		if (strlen(v) > 63 || strspn(v, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(v))
			return xstrdup("lower-case letters, digits and _, at most 63");
		xreplace(at, *v ? v : NULL);
		return NULL;
	case T_STREAMING:
		return one_of(at, v, "on off parallel");
	case T_SYNC:
		return one_of(at, v, "off local on remote_write remote_apply");
	}
	return NULL;
}

char *settings_wrong(const char *section, const char *name, const char *value)
{
	struct migration scratch;
	char *right = NULL;
	size_t n;
	const struct setting *keys = settings_keys(&n);

	migration_init(&scratch);
	for (size_t i = 0; i < n && !right; i++)
		if (str_eq(keys[i].section, section) && str_eq(keys[i].name, name))
			right = set_value(&scratch, &keys[i], value ? value : "");
	migration_fini(&scratch);
	return right;
}

/* "[dump]", or "[source], [target]": where the key is at home. NULL: nowhere. Caller frees. */
static char *home_of(const char *name)
{
	struct strv list = {0};
	size_t n;
	const struct setting *keys = settings_keys(&n);

	for (size_t i = 0; i < n; i++)
		if (str_eq(keys[i].name, name))
			strv_addf(&list, "[%s]", keys[i].section);
	char *text = list.n ? strv_join(&list, ", ") : NULL;
	strv_fini(&list);
	return text;
}

static int unknown(struct reading *r, const char *section, const char *name)
{
	const struct setting *best = NULL;
	size_t n;
	const struct setting *keys = settings_keys(&n);

	if (strstr(name, "passw")) /* and never repeat its value */
		return wrong(r, 1, "passwords do not belong here: use passfile, password_command or PGPASSWORD, or type it");
	if (!*section)
		return wrongf(r, 1, xasprintf("'%s' stands before the first [section]", name));
	char *home = home_of(name);
	if (home) {
		char *what = xasprintf("[%s] has no key '%s'; it belongs to %s", section, name, home);
		free(home);
		return wrongf(r, 1, what);
	}
	for (size_t i = 0; i < n; i++)
		if (str_eq(keys[i].section, section) && (!best || str_distance(name, keys[i].name) < str_distance(name, best->name)))
			best = &keys[i];
	if (best && str_distance(name, best->name) <= (strlen(name) < 4 ? 1 : strlen(name) < 6 ? 2 : 3))
		return wrongf(r, 1, xasprintf("[%s] has no key '%s'; did you mean '%s'?", section, name, best->name));
	return wrongf(r, 1, xasprintf("[%s] has no key '%s'", section, name));
}

static bool section_known(const char *section)
{
	size_t n;
	const struct setting *keys = settings_keys(&n);

	for (size_t i = 0; i < n; i++)
		if (str_eq(keys[i].section, section))
			return true;
	return false;
}

/* Told once, where it begins, and not for each of its keys. */
static void unknown_section(struct reading *r, int column, const char *section)
{
	const char *best = NULL;
	size_t n;
	const struct setting *keys = settings_keys(&n);

	for (size_t i = 0; i < n; i++)
		if (!best || str_distance(section, keys[i].section) < str_distance(section, best))
			best = keys[i].section;
	if (best && str_distance(section, best) <= 2)
		(void)wrongf(r, column, xasprintf("there is no section [%s]; did you mean [%s]?", section, best));
	else
		(void)wrongf(r, column, xasprintf("there is no section [%s]; there are migration, source, target, tools, dump, subscription, cutover, hooks, ui", section));
}

/* Or "host=... password=..."; but a = alone may be meant. */
static bool is_address(const char *v)
{
	return str_starts(v, "postgres://") || str_starts(v, "postgresql://") || (strchr(v, '=') && strstr(v, "password"));
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	const char *v = value ? value : "";
	size_t n;
	const struct setting *keys = settings_keys(&n);

	if (r->skip)
		return 1;
	for (size_t i = 0; i < n; i++) {
		const struct setting *k = &keys[i];
		if (!str_eq(k->section, section) || !str_eq(k->name, name))
			continue;
		if (r->seen[i] && k->type != T_TABLES) /* a line holds only some names */
			return wrongf(r, 1, xasprintf("[%s] %s is there twice", section, name));
		r->seen[i] = true;
		if (k->type == T_PLAIN && is_address(v)) /* it may hold a password: not repeated */
			return wrongf(r, column_of(r, v), xasprintf("[%s] %s takes no whole address: give host, port, dbname and user each", section, name));
		char *right = set_value(r->m, k, v);
		if (!right)
			return 1;
		char *what = xasprintf("'%s' is not a value of [%s] %s: %s", v, section, name, right);
		free(right);
		return wrongf(r, column_of(r, v), what);
	}
	return unknown(r, section, name);
}

/* Up to a comment: inih ends a line at a semicolon behind a blank. */
static size_t before_comment(const char *line)
{
	size_t n = 0;

	while (line[n] && !(line[n] == ';' && n > 0 && strchr(" \t", line[n - 1])))
		n++;
	return n;
}

/* inih tells only of the first line that it cannot read, and not of sections; false: keep the line from it. */
static bool look_at_line(struct reading *r)
{
	const char *line = r->line + (r->line_no == 1 && str_starts(r->line, "\xEF\xBB\xBF") ? 3 : 0);
	size_t n = before_comment(line);
	const char *end = memchr(line, ']', n);

	if (strlen(r->line) > LINE_LIMIT) {
		(void)wrong(r, LINE_LIMIT, "the line is too long (198 bytes)");
		return false;
	}
	if (line[strspn(line, " \t\r")] == '\0' || strchr(";#", *line))
		return true;
	if (*line == ' ' || *line == '\t') {
		(void)wrong(r, 1, "a line must not begin with a blank: it would be taken as part of the one before");
		return false;
	}
	if (*line == '[' && end) {
		char *section = xstrndup(line + 1, (size_t)(end - line - 1));
		r->skip = !section_known(section);
		if (r->skip)
			unknown_section(r, (int)(line - r->line) + 2, section);
		free(section);
		return true;
	}
	if (*line != '[' && (memchr(line, '=', n) || memchr(line, ':', n)))
		return true;
	(void)wrong(r, 1, *line == '[' ? "the ] of the section is missing" : "neither [section] nor key = value");
	return false;
}

/* Hands inih one line at a time, so that we know which one it is at. */
static char *next_line(char *buf, int size, void *user)
{
	struct reading *r = user;

	if (!*r->text)
		return NULL;
	size_t n = strcspn(r->text, "\n"), full = n + (r->text[n] == '\n');
	free(r->line);
	r->line = xstrndup(r->text, n);
	r->line_no++;
	r->text += full;
	if (!look_at_line(r) || (int)n + 2 > size)
		n = 0;
	memcpy(buf, r->line, n);
	buf[n] = '\n';
	buf[n + 1] = '\0';
	return buf;
}

enum err_code settings_parse(struct migration *m, const char *text, const char *name, struct strv *bad)
{
	struct reading r = {.m = m, .name = name, .text = text, .wrong = bad};
	int line = ini_parse_stream(next_line, &r, on_value, &r);

	if (line != 0 && bad->n == 0) { /* we look at every line before inih does; what it minds beyond that is not to be lost */
		r.line_no = line > 0 ? line : r.line_no;
		(void)wrong(&r, 1, "neither [section] nor key = value");
	}
	free(r.line);
	return bad->n ? ERR_USAGE : ERR_OK;
}

enum err_code settings_file(const char *path, char **text, struct err *err)
{
	FILE *f = fopen(path, "re");
	struct str s = {0};
	char buf[8192];
	size_t n;

	*text = NULL;
	if (!f)
		return err_errno(err, "cannot read %s", path);
	while (s.len <= FILE_LIMIT && (n = fread(buf, 1, sizeof buf, f)) > 0)
		str_addn(&s, buf, n);
	enum err_code rc = ferror(f) ? err_errno(err, "cannot read %s", path) : ERR_OK;
	(void)fclose(f);
	if (rc == ERR_OK && (s.len > FILE_LIMIT || (s.len > 0 && memchr(s.data, '\0', s.len))))
		rc = err_set(err, ERR_IO, "%s is not a settings file: it is binary, or longer than 1 MB", path);
	*text = str_take(&s);
	return rc;
}

enum err_code settings_read(struct migration *m, const char *path, struct strv *bad, struct err *err)
{
	char *text;
	enum err_code rc = settings_file(path, &text, err);

	if (rc == ERR_OK) {
		rc = settings_parse(m, text, path, bad);
		if (rc != ERR_OK)
			err_set(err, rc, "%s", bad->v[0]);
	}
	free(text);
	xreplace(&m->ini_path, path);
	return rc;
}

static size_t parts(const char *list)
{
	size_t n = str_empty(list) ? 0 : 1;

	for (; n && *list; list++)
		n += *list == ',';
	return n;
}

static void subscription_complete(const struct migration *m, struct strv *bad)
{
	const struct endpoint *e = &m->end[SIDE_SOURCE];
	const char *host = m->sub.source_host ? m->sub.source_host : e->host;

	if (m->dump.use_file)
		strv_add(bad, "[dump] use_file: a dump that no slot waited for cannot be caught up with: what was written since would be lost, unseen");
	if (m->dump.dump_only)
		strv_add(bad, "[dump] dump_only makes no subscription");
	if (m->sub.all_tables && (m->sub.tables.n + m->sub.schemas.n + m->dump.schemas.n + m->dump.exclude_schemas.n > 0 || m->sub.adopt))
		strv_add(bad, "[subscription] all_tables leaves no choice of tables or schemas");
	if (str_empty(host) || *host == '/')
		strv_add(bad, "[subscription] source_host is missing: the target must reach the source over the network");
}

static void cutover_complete(const struct migration *m, struct strv *bad)
{
	const struct endpoint *app = &m->cut.app;

	static const struct { enum hook_moment moment; const char *what; } needs[] = {
		{HOOK_FENCE, "stops the application's writes"}, {HOOK_UNFENCE, "lets them go on the old server, when it is taken back"},
		{HOOK_HAND_OVER, "lets them go on the new server"},
	};

	for (size_t i = 0; i < sizeof needs / sizeof *needs && m->cut.fence == FENCE_HOOK; i++)
		if (m->hooks.argv[needs[i].moment].n == 0)
			strv_addf(bad, "[hooks] %s is missing: [cutover] fence = hook needs the command that %s", hook_moment_name(needs[i].moment), needs[i].what);
	if (!app->host && (app->port || app->user || app->passfile || app->password_command || m->cut.smoke))
		strv_add(bad, "[cutover] app_host is missing: the address that the smoke query goes to");
}

bool settings_complete(const struct migration *m, struct strv *bad)
{
	size_t before = bad->n;

	for (int i = 0; i < 2; i++) {
		const struct endpoint *e = &m->end[i];
		bool unused = i == SIDE_SOURCE ? m->dump.use_file && str_empty(e->host) && str_empty(e->service) : m->dump.dump_only;
		if (unused)
			continue;
		if (str_empty(e->host) && str_empty(e->service))
			strv_addf(bad, "[%s] host is missing", side_name((enum side)i));
		if (str_empty(e->dbname) && str_empty(e->service))
			strv_addf(bad, "[%s] dbname is missing", side_name((enum side)i));
		if (str_empty(e->user) && str_empty(e->service))
			strv_addf(bad, "[%s] user is missing", side_name((enum side)i));
		if (parts(e->port) > 1 && parts(e->port) != parts(e->host))
			strv_addf(bad, "[%s] port: %zu ports for %zu hosts; give one, or one for each", side_name((enum side)i), parts(e->port), parts(e->host));
	}
	for (int i = 0; i < 2 && m->method == METHOD_DUMP; i++)
		if (!str_empty(m->end[i].ssh))
			strv_addf(bad, "[%s] ssh: method dump goes straight to the server; say method = tunnel", side_name((enum side)i));
	if (m->method == METHOD_TUNNEL && str_empty(m->end[SIDE_SOURCE].ssh) && str_empty(m->end[SIDE_TARGET].ssh))
		strv_add(bad, "[source] ssh is missing: method tunnel needs an ssh host for the source, the target, or both");
	if (m->method == METHOD_SUBSCRIPTION)
		subscription_complete(m, bad);
	cutover_complete(m, bad);
	if (m->dump.use_file && m->dump.dump_only)
		strv_add(bad, "[dump] use_file restores a dump, dump_only makes one: give one of them");
	return bad->n == before;
}
