#include "watch/logformat.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Of csvlog; more came with 13 and 14, behind these. */
enum { PID = 3, SEVERITY = 11, MESSAGE = 13, DETAIL = 14, CONTEXT = 18, FIELDS = 23 };

static void add(struct str *out, const char *pid, const char *level, const char *text)
{
	if (!*text || !*level || strpbrk(level, "\t\n")) /* a level is a word, in the server's language */
		return;
	str_addf(out, "[%s] %s:  ", pid, level);
	for (; *text; text++) {
		str_addc(out, *text);
		if (*text == '\n')
			str_addc(out, '\t');
	}
	str_addc(out, '\n');
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

	return n >= FIELDS && *pid && strspn(pid, "0123456789") == strlen(pid);
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

char *logformat_from_csv(const char *text)
{
	struct str out = {0}, field[FIELDS] = {{0}};

	for (const char *p = next_stamp(text); p;) {
		size_t n;
		for (size_t i = 0; i < FIELDS; i++)
			str_clear(&field[i]);
		const char *end = read_record(p, field, &n);
		bool good = end && is_record(field, n);
		if (good) {
			const char *pid = str_text(&field[PID]);
			add(&out, pid, str_text(&field[SEVERITY]), str_text(&field[MESSAGE]));
			add(&out, pid, "DETAIL", str_text(&field[DETAIL]));
			add(&out, pid, "CONTEXT", str_text(&field[CONTEXT]));
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

static void add_object(struct str *out, const char *line, size_t n)
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
		add(out, pid, text_of(j, "error_severity"), text_of(j, "message"));
		add(out, pid, "DETAIL", text_of(j, "detail"));
		add(out, pid, "CONTEXT", text_of(j, "context"));
	}
	json_decref(j);
}

char *logformat_from_json(const char *text)
{
	struct str out = {0};

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		if (*p == '{')
			add_object(&out, p, n);
		p += n + (p[n] == '\n');
	}
	return str_take(&out);
}
