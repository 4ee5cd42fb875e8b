/* A theme of any bytes: colours that a terminal has, attributes that curses has, a name; a file that names nothing changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "tui/theme_file.c" /* tui is no library */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static const attr_t known = A_BOLD | A_DIM | A_UNDERLINE | A_REVERSE | A_BLINK;
	struct theme t = {.name = xstrdup("before")};
	char *text = xstrndup((const char *)data, size);

	for (int r = 0; r < R_COUNT; r++)
		theme_style(&t, r, "bold,white,blue");
	theme_parse(&t, text);
	if (!t.name)
		abort();
	for (int r = 0; r < R_COUNT; r++)
		if (t.fg[r] < -1 || t.fg[r] > 255 || t.bg[r] < -1 || t.bg[r] > 255 || (t.attr[r] & ~known))
			abort();
	if (!strstr(text, "roles") && (t.fg[R_TEXT] != 7 || t.bg[R_TEXT] != 4 || t.attr[R_TEXT] != A_BOLD))
		abort();
	free(t.name);
	free(text);
	return 0;
}
