/* copied.jsonl of any bytes: what is read of it can be looked up and written again. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "copy/copied.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char folder[] = "/dev/shm/pgusher-fuzz.XXXXXX", path[64];

static void tidy(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct err err;

	if (!*path) {
		if (!mkdtemp(folder) || atexit(tidy) != 0)
			abort();
		(void)snprintf(path, sizeof path, "%s/copied.jsonl", folder);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
		abort();
	struct copied *c = copied_read(folder);
	for (size_t i = 0; c && i < c->n; i++)
		if (copied_find(c, c->tables[i].oid, c->tables[i].id) != &c->tables[i])
			abort();
	if (c)
		free(copied_why_not(c, c->at));
	if (c && copied_write(c, folder, &err) != ERR_OK)
		abort();
	copied_free(c);
	return 0;
}
