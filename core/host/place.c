#include "host/place.h"

#include <stdlib.h>

#include "base/argv.h"
#include "host/process.h"

#define ASK_MS 20000

void place_show(struct strv *out, const struct strv *prefix, const struct strv *env, const struct strv *words)
{
	struct strv all = {0};

	if (env && env->n) {
		strv_add(&all, "env");
		strv_copy(&all, env);
	}
	strv_copy(&all, words);
	argv_prefixed(out, prefix, &all);
	strv_fini(&all);
}

void place_words(struct strv *out, const struct strv *prefix, const struct strv *env, const struct strv *words, bool password)
{
	struct strv all = {0};

	if (password) {
		strv_add(&all, "sh");
		strv_add(&all, "-c");
		strv_add(&all, "IFS= read -r PGPASSWORD; export PGPASSWORD; exec \"$@\"");
		strv_add(&all, "sh");
	}
	if (env && env->n) {
		strv_add(&all, "env");
		strv_copy(&all, env);
	}
	strv_copy(&all, words);
	argv_prefixed(out, prefix, &all);
	strv_fini(&all);
}

enum err_code place_output(const struct strv *prefix, const char *const *words, struct cancel *cancel, char **out, struct err *err)
{
	struct strv list = {0}, argv = {0};

	for (; *words; words++)
		strv_add(&list, *words);
	argv_prefixed(&argv, prefix, &list);
	enum err_code rc = process_output(&argv, ASK_MS, cancel, out, err);
	strv_fini(&list);
	strv_fini(&argv);
	return rc;
}
