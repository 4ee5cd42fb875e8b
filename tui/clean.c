#include "clean.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/visible.h"

struct way { int fd; struct visible seen; };

static ssize_t put(void *cookie, const char *bytes, size_t n)
{
	struct way *w = cookie;
	struct str s = {0};
	size_t done = 0;

	visible_add(&w->seen, &s, bytes, n);
	while (done < s.len) {
		ssize_t k = write(w->fd, s.data + done, s.len - done);
		if (k < 0 && errno != EINTR)
			break;
		done += k > 0 ? (size_t)k : 0;
	}
	bool all = done == s.len;
	str_fini(&s);
	return all ? (ssize_t)n : 0; /* the terminal may be gone, which ends nothing */
}

/* The stream in the place of one of the C library's, which allows that (glibc, "Standard Streams"). */
static FILE *instead(FILE *f, struct way *w)
{
	FILE *other = fopencookie(w, "w", (cookie_io_functions_t){.write = put});

	if (!other)
		return f;
	(void)fflush(f);
	(void)setvbuf(other, NULL, f == stderr ? _IONBF : isatty(w->fd) ? _IOLBF : _IOFBF, BUFSIZ);
	return other;
}

void clean_begin(bool exact)
{
	static struct way out = {.fd = STDOUT_FILENO}, err = {.fd = STDERR_FILENO};

	if (!exact || isatty(STDOUT_FILENO))
		stdout = instead(stdout, &out);
	stderr = instead(stderr, &err);
}
