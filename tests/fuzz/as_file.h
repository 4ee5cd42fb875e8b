/* What a fuzzer gives, as a file of a folder of its own, for what reads files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char folder[] = "/dev/shm/pgusher-fuzz.XXXXXX", path[64];

static void tidy(void)
{
	(void)unlink(path);
	(void)rmdir(folder);
}

static void as_file(const char *name, const unsigned char *data, size_t size)
{
	if (!*path) {
		if (!mkdtemp(folder) || atexit(tidy) != 0)
			abort();
		(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
		abort();
}
