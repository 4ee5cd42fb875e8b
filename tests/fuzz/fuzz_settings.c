/* Settings of any bytes: every complaint says where; what is taken is written, or refused, and never read back as something else. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settings.h"
#include "settings_in.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char folder[] = "/dev/shm/pgusher-fuzz.XXXXXX", path[64], again[64];

static void tidy(void)
{
	(void)unlink(path);
	(void)unlink(again);
	(void)rmdir(folder);
}

static void prepare(void)
{
	if (*path)
		return;
	if (!mkdtemp(folder) || atexit(tidy) != 0)
		abort();
	(void)snprintf(path, sizeof path, "%s/a", folder);
	(void)snprintf(again, sizeof again, "%s/b", folder);
}

static void check_messages(const struct strv *wrong)
{
	int line, column;

	if (wrong->n > SETTINGS_ERRORS)
		abort();
	for (size_t i = 0; i < wrong->n; i++)
		if (sscanf(wrong->v[i], "f:%d:%d: ", &line, &column) != 2 || line < 1 || column < 1)
			abort();
}

static size_t slurp(const char *name, char *buf, size_t cap)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, cap);

	if (n < 0 || close(fd) < 0)
		abort();
	return (size_t)n;
}

/* Written, read and written once more: the same bytes. */
static void round_trip(const struct migration *m)
{
	static char a[1 << 18], b[1 << 18];
	struct migration back;
	struct strv wrong = {0};
	struct err err = {0};
	enum err_code rc = settings_write(m, path, &err);

	if (rc == ERR_USAGE)
		return;
	migration_init(&back);
	if (rc != ERR_OK || settings_read(&back, path, &wrong, &err) != ERR_OK || settings_write(&back, again, &err) != ERR_OK)
		abort();
	size_t n = slurp(path, a, sizeof a);
	if (n != slurp(again, b, sizeof b) || memcmp(a, b, n) != 0)
		abort();
	migration_fini(&back);
	strv_fini(&wrong);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct migration m, copy = {0};
	struct strv wrong = {0}, missing = {0};
	char *text = xstrndup((const char *)data, size);

	prepare();
	migration_init(&m);
	enum err_code rc = settings_parse(&m, text, "f", &wrong);
	if ((rc == ERR_OK) != (wrong.n == 0))
		abort();
	check_messages(&wrong);
	if (settings_complete(&m, &missing) != (missing.n == 0))
		abort();
	if (m.dump.jobs < 1 || m.dump.jobs > 64 || m.refresh_ms < 100 || m.refresh_ms > 60000)
		abort();
	migration_copy(&copy, &m);
	if (rc == ERR_OK)
		round_trip(&copy);
	migration_fini(&copy);
	migration_fini(&m);
	strv_fini(&wrong);
	strv_fini(&missing);
	free(text);
	return 0;
}
