#include "watch/logformat.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Of csvlog; BACKEND came with 13, more with 14, behind these. */
enum { PID = 3, SEVERITY = 11, STATE = 12, MESSAGE = 13, DETAIL = 14, CONTEXT = 18, BACKEND = 23, LEAST = 23, FIELDS = 24 };

struct record { const char *pid, *level, *state, *message, *detail, *context, *backend; };

static void add(struct str *out, const char *pid, const char *level, const char *text)
{
	if (!*text || !*level || strpbrk(level, "\t\n"))
		return;
	str_addf(out, "[%s] %s:  ", pid, level);
	for (; *text; text++) {
		str_addc(out, *text);
		if (*text == '\n')
			str_addc(out, '\t');
	}
	str_addc(out, '\n');
}

/* csvlog has it in the server's language; which of them an error is no matter here. */
static const char *level_of(const struct record *r)
{
	static const char *const english[] = {"LOG", "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "DEBUG"};

	for (size_t i = 0; i < sizeof english / sizeof *english; i++)
		if (str_eq(r->level, english[i]))
			return r->level;
	return strlen(r->state) != 5 ? r->level : str_starts(r->state, "00") ? "LOG" : str_starts(r->state, "01") ? "WARNING" : "ERROR";
}

char *logformat_plain_quotes(const char *text)
{
	static const char *const marks[] = {"\xc2\xab", "\xc2\xbb", "\xe2\x80\x9c", "\xe2\x80\x9d", "\xe2\x80\x9e", "\xe3\x80\x8c", "\xe3\x80\x8d"};
	struct str s = {0};
	bool within = false;

	while (*text) {
		size_t len = *text == '"' ? 1 : 0;
		for (size_t i = 0; i < sizeof marks / sizeof *marks && !len; i++)
			len = str_starts(text, marks[i]) ? strlen(marks[i]) : 0;
		if (!len) {
			str_addc(&s, *text++);
			continue;
		}
		within = !within;
		if (!within)
			while (s.len > 0 && s.data[s.len - 1] == ' ')
				s.data[--s.len] = '\0';
		str_addc(&s, '"');
		for (text += len; within && *text == ' ';)
			text++;
	}
	return str_take(&s);
}

/* A name that stands in quotation marks: of an origin, or of a table with its schema. false: none. */
static bool quoted(const char *plain, bool origin, char *out, size_t cap)
{
	for (const char *p = strchr(plain, '"'), *end; p && (end = strchr(p + 1, '"')) != NULL; p = strchr(end + 1, '"')) {
		size_t n = (size_t)(end - p - 1);
		bool is_origin = strncmp(p + 1, "pg_", 3) == 0 && n > 3 && strspn(p + 4, "0123456789") == n - 3;
		if (n >= cap || (origin ? !is_origin : is_origin || !memchr(p + 1, '.', n)))
			continue;
		(void)snprintf(out, cap, "%.*s", (int)n, p + 1);
		return true;
	}
	return false;
}

/* "... origin »pg_16396« ... »public.t« ... 0/1793020", around it words of any language. */
static void add_context(struct str *out, const struct record *r)
{
	static const char hex[] = "0123456789ABCDEF";
	char *plain = logformat_plain_quotes(r->context), name[160];
	struct str s = {0};

	str_add(&s, "processing remote data");
	if (quoted(plain, true, name, sizeof name))
		str_addf(&s, " for replication origin \"%s\"", name);
	if (quoted(plain, false, name, sizeof name))
		str_addf(&s, " for replication target relation \"%s\" in transaction", name);
	const char *slash = strrchr(plain, '/'), *from = slash;
	while (from && from > plain && strchr(hex, from[-1]))
		from--;
	if (slash && from < slash && strspn(slash + 1, hex) > 0)
		str_addf(&s, " finished at %.*s", (int)(slash + 1 - from) + (int)strspn(slash + 1, hex), from);
	add(out, r->pid, "CONTEXT", str_text(&s));
	str_fini(&s);
	free(plain);
}

static void add_record(struct str *out, const struct record *r, enum logformat_tongue tongue)
{
	const char *level = level_of(r);
	bool failed = str_eq(level, "ERROR") || str_eq(level, "FATAL") || str_eq(level, "PANIC");

	add(out, r->pid, level, r->message);
	add(out, r->pid, "DETAIL", r->detail);
	bool known = *r->context ? tongue != LOGFORMAT_ENGLISH : tongue == LOGFORMAT_FOREIGN_ONE;
	if (known && failed && str_starts(r->backend, "logical replication") && !str_starts(r->context, "processing remote data"))
		add_context(out, r);
	else
		add(out, r->pid, "CONTEXT", r->context);
}

/* ---- csvlog ---- */

/* "2026-01-31 12:00:00.123 UTC": a record begins. */
static bool is_stamp(const char *p)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd.";

	for (const char *f = form; *f; f++, p++)
		if (*f == 'd' ? !isdigit((unsigned char)*p) : *p != *f)
			return false;
	return true;
}

/* Fields up to FIELDS, the rest is passed over; NULL: the text ends before the record does. */
static const char *read_record(const char *p, struct str *field, size_t *n)
{
	bool quoted = false;

	for (*n = 1; *p; p++) {
		struct str *to = *n <= FIELDS ? &field[*n - 1] : NULL;
		if (*p == '"' && quoted && p[1] == '"') {
			if (to)
				str_addc(to, '"');
			p++;
		} else if (*p == '"') {
			quoted = !quoted;
		} else if (*p == ',' && !quoted) {
			++*n;
		} else if (*p == '\n' && !quoted) {
			return p + 1;
		} else if (to) {
			str_addc(to, *p);
		}
	}
	return NULL;
}

static bool is_record(const struct str *field, size_t n)
{
	const char *pid = str_text(&field[PID]);

	return n >= LEAST && *pid && strspn(pid, "0123456789") == strlen(pid);
}

/* From the next record on; where the text was cut in the midst of a quoted text, a line of that may look like one, and is passed over. */
static const char *next_stamp(const char *p)
{
	while (p && !is_stamp(p)) {
		const char *end = strchr(p, '\n');
		p = end ? end + 1 : NULL;
	}
	return p;
}

char *logformat_from_csv(const char *text, enum logformat_tongue tongue)
{
	struct str out = {0}, field[FIELDS] = {{0}};

	for (const char *p = next_stamp(text); p;) {
		size_t n;
		for (size_t i = 0; i < FIELDS; i++)
			str_clear(&field[i]);
		const char *end = read_record(p, field, &n);
		bool good = end && is_record(field, n);
		if (good) {
			struct record r = {str_text(&field[PID]), str_text(&field[SEVERITY]), str_text(&field[STATE]), str_text(&field[MESSAGE]),
					   str_text(&field[DETAIL]), str_text(&field[CONTEXT]), str_text(&field[BACKEND])};
			add_record(&out, &r, tongue);
		}
		p = next_stamp(good ? end : p + 1);
	}
	for (size_t i = 0; i < FIELDS; i++)
		str_fini(&field[i]);
	return str_take(&out);
}

/* ---- jsonlog: an object on a line ---- */

static const char *text_of(const json_t *j, const char *key)
{
	const char *v = json_string_value(json_object_get(j, key));

	return v ? v : "";
}

static void add_object(struct str *out, const char *line, size_t n, enum logformat_tongue tongue)
{
	json_t *j = json_loadb(line, n, 0, NULL);
	char pid[24];

	if (!j) { /* a server in another encoding than UTF-8 */
		char *plain = xstrndup(line, n);
		for (char *p = plain; *p; p++)
			*p = (unsigned char)*p >= 0x80 ? '?' : *p;
		j = json_loads(plain, 0, NULL);
		free(plain);
	}
	if (json_is_integer(json_object_get(j, "pid"))) {
		(void)snprintf(pid, sizeof pid, "%lld", (long long)json_integer_value(json_object_get(j, "pid")));
		struct record r = {pid, text_of(j, "error_severity"), text_of(j, "state_code"), text_of(j, "message"),
				   text_of(j, "detail"), text_of(j, "context"), text_of(j, "backend_type")};
		add_record(out, &r, tongue);
	}
	json_decref(j);
}

char *logformat_from_json(const char *text, enum logformat_tongue tongue)
{
	struct str out = {0};

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		if (*p == '{')
			add_object(&out, p, n, tongue);
		p += n + (p[n] == '\n');
	}
	return str_take(&out);
}
