/* toollog against any bytes: no crash, every issue complete, no line longer kept than promised. */
#include <stdlib.h>
#include <string.h>

#include "method/toollog.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void take(struct toollog *t, bool at_end)
{
	struct toollog_issue i;

	while (toollog_issue(t, at_end, &i)) {
		if (!i.object || !i.message || !i.hint || strlen(i.message) > 8192 + 16 || (i.command && strlen(i.command) > 8192 + 16))
			abort();
		toollog_issue_fini(&i);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct toollog t;
	char *text = xstrndup((const char *)data, size), *next = text;

	toollog_init(&t);
	for (char *line; (line = strsep(&next, "\n"));) {
		enum toollog_what what = toollog_feed(&t, line);
		if (what != TOOLLOG_NOTHING && t.kind.len + t.object.len > strlen(line))
			abort();
		take(&t, false);
	}
	take(&t, true);
	toollog_fini(&t);
	free(text);
	return 0;
}
