#include "pg/objects.h"

#include <stdlib.h>
#include <string.h>

#define READ_AT_MOST 500 /* of those that differ */
#define LINE 160

/* As one is named, as one is counted, as many are. */
static const struct { const char *one, *counted, *many; } words[OBJ_KINDS] = {
	[OBJ_SCHEMA] = {"schema", "schema", "schemas"}, [OBJ_EXTENSION] = {"extension", "extension", "extensions"}, [OBJ_TYPE] = {"type", "type", "types"},
	[OBJ_TABLE] = {"table", "table", "tables"}, [OBJ_COLUMN] = {"column", "column", "columns"}, [OBJ_CONSTRAINT] = {"constraint", "constraint", "constraints"},
	[OBJ_INDEX] = {"index", "index", "indexes"}, [OBJ_STATISTICS] = {"statistics", "statistics", "statistics"}, [OBJ_SEQUENCE] = {"sequence", "sequence", "sequences"},
	[OBJ_VIEW] = {"view", "view", "views"}, [OBJ_MATVIEW] = {"materialized view", "materialized view", "materialized views"},
	[OBJ_FUNCTION] = {"function", "function", "functions"}, [OBJ_TRIGGER] = {"trigger", "trigger", "triggers"}, [OBJ_RULE] = {"rule", "rule", "rules"},
	[OBJ_POLICY] = {"policy", "policy", "policies"}, [OBJ_EVENT_TRIGGER] = {"event trigger", "event trigger", "event triggers"}, [OBJ_OTHER] = {"", "other", "others"},
	[OBJ_GRANT] = {"grants on", "grant", "grants"}, [OBJ_COMMENT] = {"comment on", "comment", "comments"},
};

const char *object_word(enum object_kind k)
{
	return words[k].one;
}

void objects_counts(struct str *out, const size_t n[OBJ_KINDS])
{
	char count[32];
	bool first = true;

	for (int k = 0; k < OBJ_KINDS; k++) {
		if (n[k] == 0)
			continue;
		str_addf(out, "%s%s %s", first ? "" : ", ", fmt_count(count, sizeof count, (int64_t)n[k]), n[k] == 1 ? words[k].counted : words[k].many);
		first = false;
	}
}

static void name_part(struct str *s, const char *part)
{
	static const char small[] = "abcdefghijklmnopqrstuvwxyz_";

	if (*part && strchr(small, *part) && strspn(part, "abcdefghijklmnopqrstuvwxyz_0123456789$") == strlen(part))
		str_add(s, part);
	else
		sql_ident(s, part);
}

char *object_name(const char *schema, const char *name)
{
	struct str s = {0};

	name_part(&s, schema);
	str_addc(&s, '.');
	name_part(&s, name);
	return str_take(&s);
}

char *object_line(const char *a, const char *b)
{
	const char *line = a;

	for (size_t i = 0; b && a[i] && a[i] == b[i]; i++)
		if (a[i] == '\n')
			line = a + i + 1;
	line += strspn(line, " ");
	size_t len = strcspn(line, "\n");
	return len > LINE ? xasprintf("%.*s...", LINE, line) : len ? xstrndup(line, len) : xstrdup("nothing");
}

/* The last part is behind a dot, or behind ": "; not inside of quotes. */
char *object_parent(const char *name, const char **own)
{
	const char *cut = NULL;
	bool quoted = false;

	for (const char *p = name; *p; p++) {
		quoted ^= *p == '"';
		if (!quoted && (*p == '.' || *p == ':'))
			cut = p;
	}
	*own = cut ? cut + 1 + (cut[1] == ' ') : name;
	return xstrndup(name, cut ? (size_t)(cut - name) : strlen(name));
}

/* ---- asking ---- */

struct asking {
	struct session *end[2];
	const struct object_scope *scope;
	unsigned flags;
	int version[2], timeout_ms;
};

/* Both servers work at the same time. */
static enum err_code ask(const struct asking *a, enum object_phase phase, unsigned kinds, const char *names, PGresult *res[2], struct err *err)
{
	enum err_code rc = ERR_OK;
	bool started[2] = {false, false};

	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		const struct object_scope *sc = &a->scope[i];
		const char *params[] = {sc->schemas, sc->without, sc->left_out, sc->of, names};
		char *sql = objects_sql(phase, (enum side)i, a->version, sc, kinds, a->flags);
		rc = session_start(a->end[i], sql, phase == OBJ_DEFS ? 5 : 4, params, err);
		started[i] = rc == ERR_OK;
		free(sql);
	}
	for (int i = 0; i < 2; i++) {
		struct err why = {0};
		PGresult *rest = NULL;
		if (!started[i])
			continue;
		enum err_code one = session_next(a->end[i], a->timeout_ms, &res[i], &why);
		if (one == ERR_OK && res[i])
			one = session_next(a->end[i], a->timeout_ms, &rest, &why);
		PQclear(rest);
		if (one != ERR_OK && rc == ERR_OK) {
			*err = why;
			rc = err_prefix(err, "the objects of the %s", side_name((enum side)i));
		}
	}
	return rc;
}

static void clear(PGresult *res[2])
{
	PQclear(res[0]);
	PQclear(res[1]);
	res[0] = res[1] = NULL;
}

/* ---- walking through two sorted results ---- */

/* By kind and name; those of the same name in their order. */
static int order(const PGresult *a, int i, const PGresult *b, int k)
{
	if (i >= PQntuples(a) || k >= PQntuples(b))
		return i >= PQntuples(a) ? 1 : -1;
	int64_t x = cell_i64(a, i, 0), y = cell_i64(b, k, 0);
	return x != y ? x < y ? -1 : 1 : strcmp(cell(a, i, 1), cell(b, k, 1));
}

struct walk { PGresult *const *res; int at[2], c; };

/* False: the end. c < 0: only the source has it, c > 0: only the target. */
static bool step(struct walk *w, int row[2])
{
	if (w->at[0] >= PQntuples(w->res[0]) && w->at[1] >= PQntuples(w->res[1]))
		return false;
	w->c = order(w->res[0], w->at[0], w->res[1], w->at[1]);
	row[0] = w->c <= 0 ? w->at[0]++ : -1;
	row[1] = w->c >= 0 ? w->at[1]++ : -1;
	return true;
}

/* ---- the three steps ---- */

static int row_of(const PGresult *r, int kind)
{
	for (int i = 0; i < PQntuples(r); i++)
		if (cell_i64(r, i, 0) == kind)
			return i;
	return -1;
}

/* Which kinds differ; those that do not are counted. */
static unsigned compare_sums(PGresult *const res[2], unsigned kinds, struct objects *o)
{
	unsigned differ = 0;

	for (int k = 0; k < OBJ_KINDS; k++) {
		int i = row_of(res[0], k), j = row_of(res[1], k);
		if (!(kinds & 1U << k) || (i < 0 && j < 0))
			continue;
		if (i >= 0 && j >= 0 && str_eq(cell(res[0], i, 1), cell(res[1], j, 1)) && str_eq(cell(res[0], i, 2), cell(res[1], j, 2)))
			o->same[k] = (size_t)cell_i64(res[0], i, 1);
		else
			differ |= 1U << k;
	}
	return differ;
}

/* Which objects of them differ, as an array. */
static size_t compare_hashes(PGresult *const res[2], struct objects *o, struct strv *names)
{
	struct walk w = {.res = res};
	size_t n = 0;
	int row[2];

	while (step(&w, row)) {
		const PGresult *r = res[w.c > 0];
		int at = row[w.c > 0];
		if (w.c == 0 && str_eq(cell(res[0], row[0], 2), cell(res[1], row[1], 2)))
			o->same[cell_i64(r, at, 0)]++;
		else if (n++ < READ_AT_MOST)
			strv_addf(names, "%s %s", cell(r, at, 0), cell(r, at, 1));
		else
			o->unread++;
	}
	return n;
}

static void keep(struct objects *o, PGresult *const res[2], const struct walk *w, const int row[2], const struct object_words *pair)
{
	const PGresult *r = res[w->c > 0];
	int at = row[w->c > 0];

	o->diffs = xrealloc(o->diffs, (o->n_diffs + 1) * sizeof *o->diffs);
	struct object_diff *d = &o->diffs[o->n_diffs++];
	*d = (struct object_diff){.kind = (enum object_kind)cell_i64(r, at, 0), .name = cell_dup(r, at, 1), .unsure = pair && pair->same == OBJECT_UNSURE};
	for (int i = 0; i < 2; i++)
		d->def[i] = row[i] < 0 ? NULL : xstrdup(i == SIDE_TARGET && pair && pair->worded && !d->unsure ? pair->worded : cell(res[i], row[i], 2));
}

/* Pairs whose definitions differ, for the question what their words mean. */
static size_t pairs_of(PGresult *const res[2], struct object_words *pairs)
{
	struct walk w = {.res = res};
	size_t n = 0;
	int row[2];

	while (step(&w, row)) {
		if (w.c != 0 || str_eq(cell(res[0], row[0], 2), cell(res[1], row[1], 2)))
			continue;
		struct object_words *p = &pairs[n++];
		for (int i = 0; i < 2; i++) {
			p->def[i] = cell(res[i], row[i], 2);
			p->exprs[i] = cell(res[i], row[i], 3);
		}
		p->about = PQgetisnull(res[0], row[0], 4) ? NULL : cell(res[0], row[0], 4);
	}
	return n;
}

static void keep_diffs(PGresult *const res[2], const struct object_words *pairs, bool asked, struct objects *o)
{
	struct walk w = {.res = res};
	int row[2];

	while (step(&w, row)) {
		bool pair = w.c == 0 && !str_eq(cell(res[0], row[0], 2), cell(res[1], row[1], 2));
		const struct object_words *p = pair ? pairs++ : NULL;
		if (w.c == 0 && (!p || p->same == OBJECT_SAME || (p->same == OBJECT_UNSURE && !asked)))
			o->same[cell_i64(res[0], row[0], 0)]++;
		else
			keep(o, res, &w, row, p);
	}
}

static enum err_code compare_defs(const struct asking *a, PGresult *const res[2], struct objects *o, struct err *err)
{
	struct object_words *pairs = xcalloc((size_t)PQntuples(res[0]) + 1, sizeof *pairs);
	bool may = a->flags & OBJECTS_ASK;
	size_t n = pairs_of(res, pairs);
	enum err_code rc = objects_ask(a->end[SIDE_TARGET], pairs, n, may, a->timeout_ms, err);

	if (rc == ERR_OK)
		keep_diffs(res, pairs, may, o);
	for (size_t i = 0; i < n; i++)
		free(pairs[i].worded);
	free(pairs);
	return rc;
}

enum err_code objects_compare(struct session *src, struct session *dst, const struct object_scope scope[2], unsigned kinds, unsigned flags, int timeout_ms,
			      struct objects *out, struct err *err)
{
	struct asking a = {.end = {src, dst}, .scope = scope, .flags = flags, .version = {session_version(src), session_version(dst)}, .timeout_ms = timeout_ms};
	PGresult *res[2] = {NULL, NULL};
	struct strv names = {0};

	*out = (struct objects){.n_same = 0};
	kinds &= flags & OBJECTS_NO_OWNERS ? ~(1U << OBJ_GRANT) : OBJ_ALL;
	enum err_code rc = ask(&a, OBJ_SUMS, kinds, NULL, res, err);
	unsigned differ = rc == ERR_OK ? compare_sums(res, kinds, out) : 0;
	clear(res);
	if (differ)
		rc = ask(&a, OBJ_HASHES, differ, NULL, res, err);
	size_t n = differ && rc == ERR_OK ? compare_hashes(res, out, &names) : 0;
	clear(res);
	char *list = sql_array(&names);
	if (n > 0)
		rc = ask(&a, OBJ_DEFS, differ, list, res, err);
	if (n > 0 && rc == ERR_OK)
		rc = compare_defs(&a, res, out, err);
	clear(res);
	free(list);
	strv_fini(&names);
	for (int k = 0; k < OBJ_KINDS; k++)
		out->n_same += out->same[k];
	return rc;
}

void objects_fini(struct objects *o)
{
	for (size_t i = 0; i < o->n_diffs; i++) {
		free(o->diffs[i].name);
		free(o->diffs[i].def[0]);
		free(o->diffs[i].def[1]);
	}
	free(o->diffs);
	*o = (struct objects){.n_same = 0};
}
