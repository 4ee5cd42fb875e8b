#ifndef PGUSHER_BASE_STR_H
#define PGUSHER_BASE_STR_H
/*
 * str - a growable string, and the allocators. Out of memory is fatal: the x functions
 * print one line to standard error and abort. Any thread; a struct str belongs to one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Replaces *slot by a copy of s (either may be NULL). */
void xreplace(char **slot, const char *s);

/* data is NULL until the first byte; otherwise NUL-terminated. Zero-initialise to start. */
struct str {
	char *data;
	size_t len, cap;
};

void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const char *bytes, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_clear(struct str *s); /* keeps the memory */
void str_fini(struct str *s);
const char *str_text(const struct str *s); /* never NULL */
char *str_take(struct str *s);             /* caller frees; s is empty after it; never NULL */

/* A list of owned strings. */
struct strv {
	char **v;
	size_t n, cap;
};

void strv_add(struct strv *v, const char *s);
void strv_addf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_take(struct strv *v, char *s); /* takes ownership */
bool strv_has(const struct strv *v, const char *s);
void strv_copy(struct strv *to, const struct strv *from); /* appends */
void strv_fini(struct strv *v);
/* Splits at any of the characters in seps; empty parts are left out; blanks around parts are cut. */
void strv_split(struct strv *v, const char *text, const char *seps);
char *strv_join(const struct strv *v, const char *sep); /* caller frees */

/* NULL starts and ends with nothing. */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_eq(const char *a, const char *b); /* NULL equals NULL only */
bool str_empty(const char *s);             /* NULL or "" */
/* Letters to change, add or leave out to make one of the other; 64 when b is too long to be looked at. */
size_t str_distance(const char *a, const char *b);
/* Decimal integer, whole text, within [lo, hi]. */
bool str_to_i64(const char *s, int64_t lo, int64_t hi, int64_t *out);

/* "12.3 MB" (powers of 1024, units as PostgreSQL writes them), "1,234,567", "1 table" / "1,234 tables", "0:04:05" / "4.2 s". */
const char *fmt_bytes(char *buf, size_t cap, double bytes);
const char *fmt_count(char *buf, size_t cap, int64_t n);
const char *fmt_things(char *buf, size_t cap, int64_t n, const char *one);
const char *fmt_secs(char *buf, size_t cap, double seconds);
/* An estimate, no finer than one can be: "less than 10 s left", "about 25 s left", "about 7 min left", "about 2 h 40 min left". */
const char *fmt_left(char *buf, size_t cap, double seconds);

#endif
