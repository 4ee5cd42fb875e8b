/* live.json of any bytes, as another process may have left it: read whole, or not at all. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "journal/live.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char folder[] = "/dev/shm/pgusher-fuzz.XXXXXX", path[64];

static void tidy(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct live l;

	if (!*path) {
		if (!mkdtemp(folder) || atexit(tidy) != 0)
			abort();
		(void)snprintf(path, sizeof path, "%s/live.json", folder);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
		abort();
	if (!live_read(folder, &l) && (l.step || l.text || l.n || l.of))
		abort();
	live_fini(&l);
	return 0;
}
