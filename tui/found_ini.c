/* found_ini - for a start without --config: the settings that lie in this folder. Declared in wizard_in.h. */
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"
#include "settings.h"
#include "wizard_in.h"

#define LOOK_MAX 100 /* files */

static int64_t changed_us(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mtim.tv_sec * INT64_C(1000000) + st.st_mtim.tv_nsec / 1000 : 0;
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = changed_us(*(char *const *)a), y = changed_us(*(char *const *)b);

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Ours, right, and complete: any other ini is somebody else's. */
static bool usable(const char *path)
{
	struct migration m;
	struct strv wrong = {0};
	struct err err;

	migration_init(&m);
	bool good = settings_read(&m, path, &wrong, &err) == ERR_OK && settings_complete(&m, &wrong);
	migration_fini(&m);
	strv_fini(&wrong);
	return good;
}

void found_ini(struct strv *paths)
{
	glob_t all;

	if (glob("*.ini", 0, NULL, &all) != 0)
		return;
	qsort(all.gl_pathv, all.gl_pathc, sizeof *all.gl_pathv, newest_first);
	for (size_t i = 0; i < all.gl_pathc && i < LOOK_MAX; i++)
		if (!str_eq(all.gl_pathv[i], "sample.ini") && usable(all.gl_pathv[i]))
			strv_add(paths, all.gl_pathv[i]);
	globfree(&all);
}
