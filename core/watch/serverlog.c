#include "watch/serverlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "pg/session.h"
#include "watch/logformat.h"

#define TAIL "65536" /* bytes */
#define ASK_MS 2500
#define LINES_BACK 12 /* an error has its details right before its context */

/* ---- finding ---- */

struct line { const char *at; size_t n; };

static const char *in(struct line l, const char *what)
{
	return memmem(l.at, l.n, what, strlen(what));
}

static struct line *split(const char *log, size_t *n)
{
	struct line *v = NULL;
	size_t cap = 0;

	*n = 0;
	for (const char *p = log, *end; *p; p = *end ? end + 1 : end) {
		end = p + strcspn(p, "\n");
		if (*n == cap)
			v = xrealloc(v, (cap = cap ? cap * 2 : 256) * sizeof *v);
		v[(*n)++] = (struct line){p, (size_t)(end - p)};
	}
	return v;
}

/* What stands behind a mark, with the lines that go on with a tab. */
static void take(const struct line *v, size_t n, size_t i, const char *mark, char *out, size_t cap)
{
	const char *p = in(v[i], mark);
	struct str s = {0};

	p += strlen(mark);
	while (p < v[i].at + v[i].n && *p == ' ')
		p++;
	str_addn(&s, p, (size_t)(v[i].at + v[i].n - p));
	for (i++; i < n && v[i].n > 0 && v[i].at[0] == '\t'; i++) {
		str_addc(&s, ' ');
		str_addn(&s, v[i].at + 1, v[i].n - 1);
	}
	(void)snprintf(out, cap, "%.*s", (int)cap - 1, str_text(&s));
	str_fini(&s);
}

/* From behind `before` to the first of the ends that comes; names hold anything, quotes too. */
static void between(const char *text, const char *before, const char *const *ends, char *out, size_t cap)
{
	const char *p = strstr(text, before), *end = NULL;

	out[0] = '\0';
	if (!p)
		return;
	p += strlen(before);
	for (; *ends; ends++) {
		const char *q = strstr(p, *ends);
		end = q && (!end || q < end) ? q : end;
	}
	if (end && (size_t)(end - p) < cap)
		(void)snprintf(out, cap, "%.*s", (int)(end - p), p);
}

static const char *const after_relation[] = {"\" in transaction", "\" column \"", NULL};
static const char *const after_column[] = {")=(", NULL};
static const char *const after_value[] = {") already exists", "); existing ", "); remote ", "); replica ", NULL};

/* The error of which line i is the context, or the error itself; what stands between both belongs to it. */
static bool take_error(const struct line *v, size_t n, size_t i, struct server_words *out)
{
	size_t at = i, stop = i > LINES_BACK ? i - LINES_BACK : 0;
	char context[600] = "";

	while (!in(v[at], "ERROR:  ") && !in(v[at], "FATAL:  "))
		if (at-- == stop || in(v[at], "LOG:  "))
			return false;
	take(v, n, at, in(v[at], "ERROR:  ") ? "ERROR:  " : "FATAL:  ", out->message, sizeof out->message);
	out->detail[0] = '\0';
	for (size_t k = at + 1; k < n && k <= at + LINES_BACK; k++) {
		if (in(v[k], "ERROR:  ") || in(v[k], "LOG:  "))
			break;
		if (in(v[k], "DETAIL:  "))
			take(v, n, k, "DETAIL:  ", out->detail, sizeof out->detail);
		if (in(v[k], "CONTEXT:  "))
			take(v, n, k, "CONTEXT:  ", context, sizeof context);
	}
	between(context, "replication target relation \"", after_relation, out->relation, sizeof out->relation);
	const char *lsn = strstr(context, "finished at ");
	(void)snprintf(out->lsn, sizeof out->lsn, "%.*s", lsn ? (int)strspn(lsn + strlen("finished at "), "0123456789ABCDEF/") : 0, lsn ? lsn + strlen("finished at ") : "");
	return true;
}

/* From 15 on the context names the origin; before, any subscription's error looks the same. */
static bool is_ours(struct line l, const char *origin)
{
	char want[80];

	(void)snprintf(want, sizeof want, "replication origin \"%s\"", origin);
	return in(l, "CONTEXT:  processing remote data") && (!in(l, "replication origin \"") || in(l, want));
}

/* The process that such a line is about began as a worker of this subscription. */
static bool began_as_ours(const struct line *v, size_t i, const char *pid, const char *subscription)
{
	char want[160];

	(void)snprintf(want, sizeof want, "for subscription \"%s\"", subscription);
	while (i-- > 0)
		if (in(v[i], " has started") && in(v[i], pid))
			return in(v[i], want) != NULL;
	return false;
}

/* Such as a source that cannot be reached, or a slot that is gone: there is no context. */
static bool take_exit(const struct line *v, size_t n, size_t i, const char *subscription, struct server_words *out)
{
	char pid[24] = "[";

	if (!in(v[i], "background worker \"logical replication") || !in(v[i], "exited with exit code 1"))
		return false;
	const char *p = in(v[i], "(PID ");
	for (size_t k = 1; p && k + 2 < sizeof pid && p[4 + k] >= '0' && p[4 + k] <= '9'; k++)
		(void)snprintf(pid + k, sizeof pid - k, "%c]", p[4 + k]);
	if (!began_as_ours(v, i, pid, subscription))
		return false;
	while (i-- > 0)
		if (in(v[i], pid) && (in(v[i], "ERROR:  ") || in(v[i], "FATAL:  ")))
			return take_error(v, n, i, out);
	return false;
}

bool serverlog_find(const char *log, const char *origin, const char *subscription, struct server_words *out)
{
	size_t n;
	struct line *v = split(log, &n);
	bool found = false;
	int started = 0;
	char again[160];

	(void)snprintf(again, sizeof again, "logical replication apply worker for subscription \"%s\" has started", subscription);
	for (size_t i = n; i-- > 0 && !found && started < 2; started += in(v[i], again) != NULL)
		found = is_ours(v[i], origin) ? take_error(v, n, i, out) : take_exit(v, n, i, subscription, out);
	free(v);
	return found;
}

/* ---- reading ---- */

static char *unhex(const char *text)
{
	struct str s = {0};

	text += str_starts(text, "\\x") ? 2 : 0;
	for (unsigned c; text[0] && text[1] && sscanf(text, "%2x", &c) == 1; text += 2)
		str_addc(&s, c ? (char)c : ' ');
	return str_take(&s);
}

static void no_file(const PGresult *r, struct server_words *out)
{
	const char *destination = cell(r, 0, 1);

	if (!str_eq(cell(r, 0, 0), "on"))
		(void)snprintf(out->where, sizeof out->where, "the log of the target's server, which its logging_collector does not write (log_destination is %s): look where its service writes to, as "
			       "journalctl -u postgresql or /var/log/postgresql on its host", *destination ? destination : "not readable");
	else
		(void)snprintf(out->where, sizeof out->where, "the newest file in %s on the target's host; to read it from here the role needs pg_monitor and EXECUTE on pg_read_binary_file",
			       *cell(r, 0, 2) ? cell(r, 0, 2) : "log_directory");
}

/* English is what the server's own messages are in when it knows no other language. */
static bool is_foreign(const char *lc_messages)
{
	return *lc_messages && !str_starts(lc_messages, "en") && !str_starts(lc_messages, "C.") && !str_eq(lc_messages, "C") && !str_eq(lc_messages, "POSIX");
}

enum err_code serverlog_look(struct session *s, const char *origin, const char *subscription, struct server_words *out, struct err *err)
{
	static const char settings[] = "SELECT (SELECT setting FROM pg_settings WHERE name = 'logging_collector'), (SELECT setting FROM pg_settings WHERE name = 'log_destination'),"
		" (SELECT CASE WHEN l.setting LIKE '/%' THEN l.setting ELSE coalesce(d.setting || '/', '') || l.setting END FROM pg_settings l LEFT JOIN pg_settings d ON d.name = 'data_directory'"
		"  WHERE l.name = 'log_directory'), current_setting('lc_messages'), (SELECT count(*) FROM pg_subscription)";
	static const char tail[] = "SELECT $1 || '/' || f.name, pg_read_binary_file($1 || '/' || f.name, greatest(0, f.size - $2::bigint), $2::bigint) FROM pg_ls_logdir() f"
		" WHERE coalesce(substring(f.name FROM '\\.(csv|json)$'), '') = $3 ORDER BY f.modification DESC, f.name DESC LIMIT 1";
	PGresult *set, *r;

	*out = (struct server_words){0};
	enum err_code rc = session_exec(s, settings, 0, NULL, ASK_MS, &set, err);
	if (rc != ERR_OK)
		return rc;
	no_file(set, out);
	char *dir = cell_dup(set, 0, 2);
	const char *destination = cell(set, 0, 1), *kind = strstr(destination, "jsonlog") ? "json" : strstr(destination, "csvlog") ? "csv" : "", *params[] = {dir, TAIL, kind};
	if (dir && str_eq(cell(set, 0, 0), "on")) {
		rc = session_exec(s, tail, 3, params, ASK_MS, &r, err);
		if (rc == ERR_OK && PQntuples(r) > 0) {
			char *text = unhex(cell(r, 0, 1));
			bool foreign = is_foreign(cell(set, 0, 3));
			enum logformat_tongue tongue = !foreign ? LOGFORMAT_ENGLISH : cell_i64(set, 0, 4) == 1 ? LOGFORMAT_FOREIGN_ONE : LOGFORMAT_FOREIGN;
			char *lines = *kind == 'j' ? logformat_from_json(text, tongue) : *kind == 'c' ? logformat_from_csv(text, tongue) : xstrdup(text);
			bool found = serverlog_find(lines, origin, subscription, out);
			free(lines);
			int n = snprintf(out->where, sizeof out->where, "%.160s on the target's host", cell(r, 0, 0));
			if (foreign && !found)
				(void)snprintf(out->where + n, sizeof out->where - (size_t)n, " (not in English, lc_messages is %.40s: pgusher understands that in csvlog and jsonlog, from 13 on)", cell(set, 0, 3));
			free(text);
		}
		if (rc == ERR_OK)
			PQclear(r);
	}
	free(dir);
	PQclear(set);
	return rc == ERR_SQL || rc == ERR_TIMEOUT ? ERR_OK : rc;
}

/* "»(id)=(5000)«" in another language: only what can be read in one way. */
static void key_of(const char *detail, char *column, size_t column_cap, char *value, size_t value_cap)
{
	const char *mid = strstr(detail, ")=("), *from = mid, *to = mid ? strchr(mid + 3, ')') : NULL;

	while (from && from > detail && from[-1] != '(')
		from--;
	if (!to || from == detail || strpbrk(to + 1, "()"))
		return;
	(void)snprintf(column, column_cap, "%.*s", (int)(mid - from), from);
	(void)snprintf(value, value_cap, "%.*s", (int)(to - mid - 3), mid + 3);
}

void serverlog_row(const struct server_words *w, const char *verb, char *out, size_t cap)
{
	char column[80], value[120], schema[70] = "";
	const char *dot = strchr(w->relation, '.');
	struct str s = {0};

	out[0] = '\0';
	between(w->detail, "Key (", after_column, column, sizeof column);
	between(w->detail, ")=(", after_value, value, sizeof value);
	if (!column[0])
		key_of(w->detail, column, sizeof column, value, sizeof value);
	if (!dot || !column[0] || strchr(column, ',') || strchr(column, '(') || (size_t)(dot - w->relation) >= sizeof schema)
		return;
	(void)snprintf(schema, sizeof schema, "%.*s", (int)(dot - w->relation), w->relation);
	str_addf(&s, "%s ", verb);
	sql_qualified(&s, schema, dot + 1);
	str_addf(&s, " WHERE %s = ", column); /* as an index is defined: quoted where it must be */
	sql_literal(&s, value);
	(void)snprintf(out, cap, "%s", s.len < cap ? str_text(&s) : "");
	str_fini(&s);
}
