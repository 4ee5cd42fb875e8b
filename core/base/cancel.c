#include "base/cancel.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool cancel_init(struct cancel *c)
{
	atomic_init(&c->raised, false);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->fd >= 0;
}

void cancel_raise(struct cancel *c)
{
	uint64_t one = 1;

	atomic_store(&c->raised, true);
	/* Fails only when the counter is full: readable already. */
	(void)!write(c->fd, &one, sizeof one);
}

void cancel_reset(struct cancel *c)
{
	uint64_t n;

	(void)!read(c->fd, &n, sizeof n);
	atomic_store(&c->raised, false);
}

bool cancel_raised(const struct cancel *c)
{
	return c != NULL && atomic_load(&c->raised);
}

void cancel_fini(struct cancel *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}
