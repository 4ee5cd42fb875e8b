#include "base/visible.h"

#include <string.h>

bool visible_hides(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return c != '\n' && c != '\t';
	return c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void let_go(struct visible *v, struct str *out)
{
	str_addn(out, (const char *)v->held, v->n);
	v->n = 0;
}

/* Only characters that begin with C2, E2 80 and E2 81 are hidden, beside the bytes below 0x80. */
static void take(struct visible *v, struct str *out, unsigned char c)
{
	uint32_t whole = v->n == 1 && v->held[0] == 0xc2 ? (uint32_t)(c & 0x3f) | 0x80
		       : v->n == 2 ? 0x2000 | (uint32_t)(v->held[1] & 0x3f) << 6 | (c & 0x3f) : c;
	bool follows = v->n > 0 && (c & 0xc0) == 0x80;

	if (v->n == 1 && v->held[0] == 0xe2 && (c == 0x80 || c == 0x81)) {
		v->held[v->n++] = c;
		return;
	}
	if (follows && (v->n == 2 || v->held[0] == 0xc2) && visible_hides(whole)) {
		v->n = 0;
		str_addc(out, '?');
		return;
	}
	let_go(v, out);
	if (c == 0xc2 || c == 0xe2)
		v->held[v->n++] = c;
	else
		str_addc(out, c < 0x80 && visible_hides(c) ? '?' : (char)c);
}

void visible_add(struct visible *v, struct str *out, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take(v, out, (unsigned char)bytes[i]);
}

char *visible_text(const char *text)
{
	struct visible v = {0};
	struct str s = {0};

	visible_add(&v, &s, text, strlen(text));
	let_go(&v, &s);
	return str_take(&s);
}
