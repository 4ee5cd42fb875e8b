#include "host/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/argv.h"
#include "host/place.h"
#include "host/process.h"

#define ASK_MS 10000
#define NEWEST 30 /* majors to look for; a folder that is not there costs nothing */
#define OLDEST 10

static bool runs(const char *path)
{
	return access(path, X_OK) == 0;
}

/* "pg_dump (PostgreSQL) 16.14 (Debian ...)", "17beta1", "18rc1" */
static int parse_version(const char *out, char **version)
{
	const char *p = strstr(out, ") ");
	char *end;

	if (!p)
		return 0;
	p += 2;
	long major = strtol(p, &end, 10), minor = 0;
	if (end == p || major < 8)
		return 0;
	if (*end == '.')
		minor = strtol(end + 1, &end, 10);
	size_t len = strcspn(p, " \n");
	*version = xstrndup(p, len);
	return (int)(major * 10000 + minor);
}

/* Since 16 methods are named; which of them were compiled in only a real try tells: pg_dump checks before it connects. */
static bool can_compress(const struct migration *m, const char *pg_dump, const char *method, struct cancel *cancel)
{
	struct strv words = {0}, argv = {0};
	struct process_result res = {0};
	struct process_spec spec = {.argv = &argv};
	struct err err;

	strv_add(&words, pg_dump);
	strv_addf(&words, "--compress=%s", method);
	strv_add(&words, "--dbname=host=/nonexistent-folder port=1 connect_timeout=1");
	argv_prefixed(&argv, &m->tools_prefix, &words);
	(void)process_run(&spec, 1, NULL, ASK_MS, cancel, &res, &err);
	bool no = res.last[0] && (strstr(res.last[0], "not supported") || strstr(res.last[0], "compression") || strstr(res.last[0], "not compiled"));
	process_result_fini(&res);
	strv_fini(&words);
	strv_fini(&argv);
	return !no;
}

static enum err_code ask_version(const struct migration *m, const char *pg_dump, struct cancel *cancel, char **out)
{
	struct strv words = {0}, argv = {0};
	struct err err;

	strv_add(&words, pg_dump);
	strv_add(&words, "--version");
	argv_prefixed(&argv, &m->tools_prefix, &words);
	enum err_code rc = process_output(&argv, ASK_MS, cancel, out, &err);
	strv_fini(&words);
	strv_fini(&argv);
	return rc;
}

static void add_set(struct tools *t, const struct migration *m, const char *bindir, struct cancel *cancel)
{
	struct tool_set s = {.bindir = xstrdup(bindir)};
	const char *sep = *bindir ? "/" : "";
	char *out = NULL;

	s.pg_dump = xasprintf("%s%spg_dump", bindir, sep);
	s.pg_restore = xasprintf("%s%spg_restore", bindir, sep);
	s.vacuumdb = xasprintf("%s%svacuumdb", bindir, sep);
	if (ask_version(m, s.pg_dump, cancel, &out) == ERR_OK)
		s.version_num = parse_version(out, &s.version);
	free(out);
	bool known = s.version_num == 0;
	for (size_t i = 0; i < t->n; i++) /* a link from PATH to a folder already seen */
		known |= t->v[i].version_num == s.version_num;
	if (known) {
		free(s.bindir);
		free(s.version);
		free(s.pg_dump);
		free(s.pg_restore);
		free(s.vacuumdb);
		return;
	}
	s.gzip = true;
	if (s.version_num >= 160000) {
		s.lz4 = can_compress(m, s.pg_dump, "lz4", cancel);
		s.zstd = can_compress(m, s.pg_dump, "zstd", cancel);
	}
	t->v = xrealloc(t->v, (t->n + 1) * sizeof *t->v);
	t->v[t->n++] = s;
}

/* A folder counts when all three tools are in it. On Debian PATH leads to pg_wrapper, which takes the version it likes:
 * folders are looked at first, PATH last. */
static void look(struct tools *t, const struct migration *m, const char *bindir, struct cancel *cancel)
{
	static const char *const names[] = {"pg_dump", "pg_restore", "vacuumdb"};

	if (strv_has(&t->seen, bindir))
		return;
	strv_add(&t->seen, bindir);
	for (size_t i = 0; i < 3; i++) {
		char *path = xasprintf("%s/%s", bindir, names[i]);
		bool there = runs(path);
		free(path);
		if (!there)
			return;
	}
	add_set(t, m, bindir, cancel);
}

static int newest_first(const void *a, const void *b)
{
	return ((const struct tool_set *)b)->version_num - ((const struct tool_set *)a)->version_num;
}

/* Folders of that place, and its PATH; a prefix that does not work says so in its own words. */
static void look_behind(struct tools *t, const struct migration *m, struct cancel *cancel)
{
	static const char *const ask[] = {"sh", "-c", "for d in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do [ ! -x \"$d/pg_dump\" ] || echo \"$d\"; done", NULL};
	struct strv dirs = {0};
	struct err err;
	char *out = NULL;

	strv_add(&t->seen, "where the prefix leads");
	if (m->tools_bindir)
		strv_add(&dirs, m->tools_bindir);
	else if (place_output(&m->tools_prefix, ask, cancel, &out, &err) == ERR_OK)
		strv_split(&dirs, out, "\n");
	else
		t->trouble = xstrdup(err.msg);
	for (size_t i = 0; i < dirs.n; i++)
		add_set(t, m, dirs.v[i], cancel);
	if (!t->trouble && t->n == 0)
		add_set(t, m, "", cancel);
	if (t->n > 1)
		qsort(t->v, t->n, sizeof *t->v, newest_first);
	strv_fini(&dirs);
	free(out);
}

void tools_find(struct tools *t, const struct migration *m, struct cancel *cancel)
{
	tools_fini(t);
	if (m->tools_prefix.n > 0) {
		look_behind(t, m, cancel);
		return;
	}
	if (m->tools_bindir) {
		look(t, m, m->tools_bindir, cancel);
		return;
	}
	for (int major = NEWEST; major >= OLDEST; major--) {
		char dir[64];
		(void)snprintf(dir, sizeof dir, "/usr/lib/postgresql/%d/bin", major);
		look(t, m, dir, cancel);
		(void)snprintf(dir, sizeof dir, "/usr/pgsql-%d/bin", major);
		look(t, m, dir, cancel);
	}
	struct strv path = {0};
	const char *env = getenv("PATH");
	strv_split(&path, env ? env : "/usr/local/bin:/usr/bin:/bin", ":");
	for (size_t i = 0; i < path.n; i++)
		look(t, m, path.v[i], cancel);
	strv_fini(&path);
	if (t->n > 1)
		qsort(t->v, t->n, sizeof *t->v, newest_first);
}

void tools_fini(struct tools *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct tool_set *s = &t->v[i];
		free(s->bindir);
		free(s->version);
		free(s->pg_dump);
		free(s->pg_restore);
		free(s->vacuumdb);
	}
	free(t->v);
	strv_fini(&t->seen);
	free(t->trouble);
	*t = (struct tools){0};
}

const struct tool_set *tools_choose(const struct tools *t, int source_version, int target_version, char **reason)
{
	int from = source_version / 10000, to = target_version / 10000;
	const struct tool_set *same = NULL, *between = NULL, *newer = NULL;

	*reason = NULL;
	for (size_t i = 0; i < t->n; i++) { /* newest first */
		const struct tool_set *s = &t->v[i];
		int major = s->version_num / 10000;
		if (major < from)
			continue;
		if (major == to && !same)
			same = s;
		else if (major < to && !between)
			between = s;
		else if (major > to)
			newer = s; /* the last one is the nearest */
	}
	const struct tool_set *s = same ? same : between ? between : newer;
	if (!s) {
		char *where = strv_join(&t->seen, ", ");
		*reason = t->trouble ? xasprintf("the prefix does not work: %s", t->trouble)
			  : t->n ? xasprintf("the newest pg_dump here is %s, but it must not be older than the source (%d)", t->v[0].version, from)
			       : xasprintf("no pg_dump, pg_restore and vacuumdb found in %s", where);
		free(where);
		return NULL;
	}
	const char *why = same ? "the target's major version" : between ? "the newest here that is not newer than the target"
			: "newer than the target: it may set parameters that the target does not know";
	*reason = xasprintf("pg_dump, pg_restore and vacuumdb %s from %s: %s", s->version, *s->bindir ? s->bindir : "its PATH", why);
	return s;
}
