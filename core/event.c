#include "event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

struct kind { const char *name; bool durable; };

static const struct kind kinds[EV_KINDS] = {
	[EV_BEGIN] = {"begin", true},   [EV_RESUME] = {"resume", true}, [EV_FACTS] = {"facts", true},
	[EV_FINDING] = {"finding", true}, [EV_ACK] = {"ack", true},     [EV_FIX] = {"fix", true},
	[EV_PLAN] = {"plan", true},     [EV_STEP] = {"step", true},     [EV_ACTION] = {"action", true},
	[EV_LEFT] = {"left", true},     [EV_REMOVED] = {"removed", true}, [EV_ISSUE] = {"issue", true},
	[EV_PROOF] = {"proof", true},   [EV_NOTE] = {"note", true},     [EV_GATE] = {"gate", true},
	[EV_ANSWER] = {"answer", true}, [EV_END] = {"end", true},       [EV_TEST] = {"test", false},
	[EV_PROGRESS] = {"progress", false}, [EV_SAMPLE] = {"sample", false}, [EV_LOG] = {"log", false}, [EV_BUSY] = {"busy", false},
	[EV_READY] = {"ready", false},  [EV_WAIT] = {"wait", false},
	[EV_TABLES] = {"tables", false},    [EV_AGAIN] = {"again", false},
};

static const char *const state_names[] = {"none", "waiting", "running", "done", "skipped", "failed", "cancelled"};
static const char *const verdict_names[] = {"OK", "INFO", "WARN", "BLOCK"};

/* The text and number fields under their names in the journal. */
struct text_field { const char *name; size_t at; };
#define TEXT(f) {#f, offsetof(struct event, f)}
static const struct text_field texts[] = {TEXT(id), TEXT(title), TEXT(text), TEXT(hint), TEXT(sql), TEXT(needed), TEXT(why)};
static const struct text_field numbers[] = {TEXT(n), TEXT(of), TEXT(a), TEXT(b), TEXT(ms)};
#define COUNT(t) (sizeof(t) / sizeof *(t))

static char **text_at(const struct event *e, size_t i)
{
	return (char **)((char *)e + texts[i].at);
}

static int64_t *number_at(const struct event *e, size_t i)
{
	return (int64_t *)((char *)e + numbers[i].at);
}

const char *event_kind_name(enum event_kind k)
{
	return kinds[k].name;
}

const char *state_name(enum state s)
{
	return state_names[s];
}

const char *verdict_name(enum verdict v)
{
	return verdict_names[v];
}

struct event *event_new(enum event_kind kind, const char *id)
{
	struct event *e = xcalloc(1, sizeof *e);

	e->kind = kind;
	e->at_us = clock_wall_us();
	e->id = xstrdup(id);
	return e;
}

void event_text(char **slot, const char *fmt, ...)
{
	struct str s = {0};
	char buf[2048];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof buf) { /* rare: a long list of names */
		char *big = xmalloc((size_t)n + 1);
		va_start(ap, fmt);
		(void)vsnprintf(big, (size_t)n + 1, fmt, ap);
		va_end(ap);
		str_add(&s, big);
		free(big);
	} else {
		str_add(&s, buf);
	}
	free(*slot);
	*slot = str_take(&s);
}

void event_free(struct event *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < COUNT(texts); i++)
		free(*text_at(e, i));
	free(e);
}

struct event *event_dup(const struct event *e)
{
	struct event *d = xcalloc(1, sizeof *d);

	*d = *e;
	for (size_t i = 0; i < COUNT(texts); i++)
		*text_at(d, i) = xstrdup(*text_at(e, i));
	return d;
}

struct event *event_again(const char *side, const char *why, int64_t left_s, int64_t which, int64_t of)
{
	struct event *e = event_new(EV_AGAIN, side);

	xreplace(&e->text, why);
	e->n = left_s;
	e->a = which;
	e->b = of;
	return e;
}

char *event_again_words(const struct event *e)
{
	return e->n > 0 ? xasprintf("does not answer: again in %lld s (%lld/%lld)", (long long)e->n, (long long)e->a, (long long)e->b)
			: xasprintf("is asked again (%lld/%lld)", (long long)e->a, (long long)e->b);
}

bool event_durable(const struct event *e)
{
	return kinds[e->kind].durable;
}

/* Length of the valid UTF-8 character at p, 0 when it is none. */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
		   : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((n == 3 && p[0] == 0xe0 && p[1] < 0xa0) || (n == 3 && p[0] == 0xed && p[1] > 0x9f) ||
	    (n == 4 && p[0] == 0xf0 && p[1] < 0x90) || (n == 4 && p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

/* A tool may say anything; the journal holds text. */
json_t *event_string(const char *s)
{
	json_t *j = json_string(s);
	struct str clean = {0};

	if (j)
		return j;
	for (const char *p = s; *p;) {
		size_t n = utf8_len((const unsigned char *)p);
		if (n == 0)
			str_add(&clean, "?");
		else
			str_addn(&clean, p, n);
		p += n ? n : 1;
	}
	j = json_string(str_text(&clean));
	str_fini(&clean);
	return j ? j : json_null();
}

json_t *event_to_json(const struct event *e)
{
	json_t *j = json_object();
	char at[40];

	(void)json_object_set_new(j, "at", json_string(clock_iso(at, sizeof at, e->at_us)));
	(void)json_object_set_new(j, "at_us", json_integer(e->at_us));
	(void)json_object_set_new(j, "kind", json_string(kinds[e->kind].name));
	if (e->state != ST_NONE)
		(void)json_object_set_new(j, "state", json_string(state_names[e->state]));
	if (e->kind == EV_FINDING || e->kind == EV_ISSUE)
		(void)json_object_set_new(j, "verdict", json_string(verdict_names[e->verdict]));
	for (size_t i = 0; i < COUNT(texts); i++)
		if (*text_at(e, i))
			(void)json_object_set_new(j, texts[i].name, event_string(*text_at(e, i)));
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (*number_at(e, i) != 0)
			(void)json_object_set_new(j, numbers[i].name, json_integer(*number_at(e, i)));
	return j;
}

static int name_in(const char *const *names, size_t n, const json_t *j)
{
	const char *s = json_string_value(j);

	for (size_t i = 0; s && i < n; i++)
		if (strcmp(names[i], s) == 0)
			return (int)i;
	return -1;
}

static int kind_of(const json_t *j)
{
	const char *s = json_string_value(json_object_get(j, "kind"));

	for (int i = 0; s && i < EV_KINDS; i++)
		if (strcmp(kinds[i].name, s) == 0)
			return i;
	return -1;
}

/* false: a field is there, but not of its type */
static bool read_fields(const json_t *j, struct event *e)
{
	const json_t *v;

	if ((v = json_object_get(j, "at_us")) != NULL && !json_is_integer(v))
		return false;
	e->at_us = json_integer_value(v);
	if ((v = json_object_get(j, "state")) != NULL) {
		int i = name_in(state_names, COUNT(state_names), v);
		if (i < 0)
			return false;
		e->state = (enum state)i;
	}
	if ((v = json_object_get(j, "verdict")) != NULL) {
		int i = name_in(verdict_names, COUNT(verdict_names), v);
		if (i < 0)
			return false;
		e->verdict = (enum verdict)i;
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		v = json_object_get(j, texts[i].name);
		if (v && !json_is_string(v) && !json_is_null(v))
			return false;
		*text_at(e, i) = xstrdup(json_string_value(v));
	}
	for (size_t i = 0; i < COUNT(numbers); i++) {
		v = json_object_get(j, numbers[i].name);
		if (v && !json_is_integer(v))
			return false;
		*number_at(e, i) = json_integer_value(v);
	}
	return true;
}

struct event *event_from_json(const json_t *j)
{
	int kind = json_is_object(j) ? kind_of(j) : -1;

	if (kind < 0)
		return NULL;
	struct event *e = xcalloc(1, sizeof *e);
	e->kind = (enum event_kind)kind;
	if (read_fields(j, e))
		return e;
	event_free(e);
	return NULL;
}
