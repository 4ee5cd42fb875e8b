#include "widgets/digits.h"

#include <string.h>

#include "base/str.h"

/* Three pixels a row, the left one is 4. */
static const struct { char c; int w; unsigned char rows[DIGITS_ROWS]; } font[] = {
	{'0', 3, {7, 5, 5, 5, 7}}, {'1', 3, {2, 6, 2, 2, 7}}, {'2', 3, {7, 1, 7, 4, 7}}, {'3', 3, {7, 1, 7, 1, 7}}, {'4', 3, {5, 5, 7, 1, 1}},
	{'5', 3, {7, 4, 7, 1, 7}}, {'6', 3, {7, 4, 7, 5, 7}}, {'7', 3, {7, 1, 1, 2, 2}}, {'8', 3, {7, 5, 7, 5, 7}}, {'9', 3, {7, 5, 7, 1, 7}},
	{':', 1, {0, 4, 0, 4, 0}}, {'.', 1, {0, 0, 0, 0, 4}}, {'-', 3, {0, 0, 7, 0, 0}},
};

static int put_one(int y, int x, enum role role, size_t f)
{
	for (int row = 0; row < DIGITS_ROWS; row++)
		for (int i = 0; i < font[f].w; i++)
			if (font[f].rows[row] & (4 >> i))
				(void)put(y + row, x + 2 * i, 2, role, term_unicode() ? "██" : "##");
	return 2 * font[f].w + 1;
}

int put_digits(int y, int x, enum role role, const char *text)
{
	int at = x;

	for (const char *p = text; *p; p++)
		for (size_t f = 0; f < sizeof font / sizeof *font; f++)
			if (font[f].c == *p)
				at += put_one(y, at, role, f);
	return at - x;
}
