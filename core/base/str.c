#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *fatal_oom(void)
{
	(void)fputs("pgusher: out of memory\n", stderr);
	abort();
}

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);
	return p ? p : fatal_oom();
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);
	return p ? p : fatal_oom();
}

void *xrealloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	return q ? q : fatal_oom();
}

char *xstrdup(const char *s)
{
	return s ? xstrndup(s, strlen(s)) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	char *p = xmalloc(n + 1);
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

void xreplace(char **slot, const char *s)
{
	char *copy = xstrdup(s);
	free(*slot);
	*slot = copy;
}

static void str_room(struct str *s, size_t more)
{
	size_t need = s->len + more + 1;

	if (need <= s->cap)
		return;
	size_t cap = s->cap ? s->cap * 2 : 64;
	while (cap < need)
		cap *= 2;
	s->data = xrealloc(s->data, cap);
	s->cap = cap;
}

void str_addn(struct str *s, const char *bytes, size_t n)
{
	str_room(s, n);
	memcpy(s->data + s->len, bytes, n);
	s->len += n;
	s->data[s->len] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

static void str_addv(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return;
	str_room(s, (size_t)n);
	(void)vsnprintf(s->data + s->len, (size_t)n + 1, fmt, ap);
	s->len += (size_t)n;
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_addv(s, fmt, ap);
	va_end(ap);
}

char *xasprintf(const char *fmt, ...)
{
	struct str s = {0};
	va_list ap;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	return str_take(&s);
}

void str_clear(struct str *s)
{
	s->len = 0;
	if (s->data)
		s->data[0] = '\0';
}

void str_fini(struct str *s)
{
	free(s->data);
	*s = (struct str){0};
}

const char *str_text(const struct str *s)
{
	return s->data ? s->data : "";
}

char *str_take(struct str *s)
{
	char *p = s->data ? s->data : xstrdup("");
	*s = (struct str){0};
	return p;
}

void strv_take(struct strv *v, char *s)
{
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 8;
		v->v = xrealloc(v->v, v->cap * sizeof *v->v);
	}
	v->v[v->n++] = s;
}

void strv_add(struct strv *v, const char *s)
{
	strv_take(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	struct str s = {0};
	va_list ap;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	strv_take(v, str_take(&s));
}

bool strv_has(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i], s) == 0)
			return true;
	return false;
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

void strv_fini(struct strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->v[i]);
	free(v->v);
	*v = (struct strv){0};
}

void strv_split(struct strv *v, const char *text, const char *seps)
{
	while (*text) {
		size_t n = strcspn(text, seps);
		const char *a = text, *b = text + n;
		while (a < b && (*a == ' ' || *a == '\t'))
			a++;
		while (b > a && (b[-1] == ' ' || b[-1] == '\t'))
			b--;
		if (b > a)
			strv_take(v, xstrndup(a, (size_t)(b - a)));
		text += n;
		if (*text)
			text++;
	}
}

char *strv_join(const struct strv *v, const char *sep)
{
	struct str s = {0};
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			str_add(&s, sep);
		str_add(&s, v->v[i]);
	}
	return str_take(&s);
}

bool str_starts(const char *s, const char *prefix)
{
	return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t a = s ? strlen(s) : 0, b = strlen(suffix);
	return s && a >= b && strcmp(s + a - b, suffix) == 0;
}

bool str_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_empty(const char *s)
{
	return s == NULL || *s == '\0';
}

bool str_to_i64(const char *s, int64_t lo, int64_t hi, int64_t *out)
{
	char *end;

	if (str_empty(s) || !strchr("-0123456789", *s)) /* strtoll would skip blanks and take a plus */
		return false;
	errno = 0;
	long long n = strtoll(s, &end, 10);
	if (errno || *end || n < lo || n > hi)
		return false;
	*out = n;
	return true;
}

const char *fmt_bytes(char *buf, size_t cap, double bytes)
{
	static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t u = 0;

	while (bytes >= 1024 && u + 1 < sizeof unit / sizeof *unit) {
		bytes /= 1024;
		u++;
	}
	(void)snprintf(buf, cap, u == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, unit[u]);
	return buf;
}

const char *fmt_count(char *buf, size_t cap, int64_t n)
{
	char plain[32];
	size_t len, o = 0;
	int k = snprintf(plain, sizeof plain, "%" PRId64, n);

	len = k > 0 ? (size_t)k : 0;
	for (size_t i = 0; i < len && o + 2 < cap; i++) {
		buf[o++] = plain[i];
		if (i + 1 < len && plain[i] != '-' && (len - i - 1) % 3 == 0)
			buf[o++] = ',';
	}
	buf[o < cap ? o : cap - 1] = '\0';
	return buf;
}

const char *fmt_things(char *buf, size_t cap, int64_t n, const char *one)
{
	char count[32];

	(void)snprintf(buf, cap, "%s %s%s", fmt_count(count, sizeof count, n), one, n == 1 ? "" : "s");
	return buf;
}

const char *fmt_secs(char *buf, size_t cap, double seconds)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 0.9995)
		(void)snprintf(buf, cap, "%.0f ms", seconds * 1000);
	else if (seconds < 60)
		(void)snprintf(buf, cap, "%.1f s", seconds);
	else {
		int64_t t = (int64_t)floor(seconds);
		(void)snprintf(buf, cap, "%" PRId64 ":%02d:%02d", t / 3600, (int)(t / 60 % 60), (int)(t % 60));
	}
	return buf;
}

const char *fmt_left(char *buf, size_t cap, double seconds)
{
	int64_t fives = (int64_t)ceil(seconds / 5) * 5, minutes = (int64_t)ceil(seconds / 60), tens = (minutes + 9) / 10 * 10;

	if (seconds < 10)
		(void)snprintf(buf, cap, "less than 10 s left");
	else if (seconds <= 60)
		(void)snprintf(buf, cap, "about %" PRId64 " s left", fives);
	else if (minutes < 60)
		(void)snprintf(buf, cap, "about %" PRId64 " min left", minutes);
	else
		(void)snprintf(buf, cap, "about %" PRId64 " h %" PRId64 " min left", tens / 60, tens % 60);
	return buf;
}

size_t str_distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[64];

	if (n >= 64)
		return 64;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diag = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diag + (a[i - 1] != b[j - 1]);
			diag = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[n];
}
