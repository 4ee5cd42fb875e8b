/* The splitter of words against any bytes: what it gives, quoted and split again, is the same. */
#include <stdlib.h>
#include <string.h>

#include "base/argv.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void same(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		abort();
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			abort();
}

/* ssh joins its words, and the shell at the other end splits them again: there they are what they were here. */
static void through_ssh(const struct strv *words)
{
	struct strv prefix = {0}, sent = {0}, there = {0};
	struct err err;

	strv_add(&prefix, "/usr/bin/ssh");
	argv_prefixed(&sent, &prefix, words);
	char *joined = strv_join(&sent, " ");
	if (argv_split(&there, joined, &err) != ERR_OK || there.n != words->n + 1)
		abort();
	free(there.v[0]);
	memmove(there.v, there.v + 1, --there.n * sizeof *there.v);
	same(words, &there);
	free(joined);
	strv_fini(&prefix);
	strv_fini(&sent);
	strv_fini(&there);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct strv words = {0}, again = {0};
	struct err err = {0};
	char *text = xstrndup((const char *)data, size);
	enum err_code rc = argv_split(&words, text, &err);

	if (rc == ERR_OK) {
		char *shown = argv_show(&words);
		if (argv_split(&again, shown, &err) != ERR_OK)
			abort();
		same(&words, &again);
		through_ssh(&words);
		free(shown);
	} else if (rc != ERR_USAGE || !err.msg[0]) {
		abort();
	}
	strv_fini(&words);
	strv_fini(&again);
	free(text);
	return 0;
}
