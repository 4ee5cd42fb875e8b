#include "base/cancel.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool cancel_init(struct cancel *c)
{
	atomic_init(&c->raised, false);
	atomic_init(&c->end_us, 0);
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
	atomic_store(&c->end_us, 0);
}

bool cancel_raised(const struct cancel *c)
{
	return c != NULL && atomic_load(&c->raised);
}

void cancel_end_at(struct cancel *c, int64_t mono_us)
{
	atomic_store(&c->end_us, mono_us);
}

int64_t cancel_sooner(const struct cancel *c, int64_t deadline_us)
{
	int64_t end = c ? atomic_load(&c->end_us) : 0;

	return end && end < deadline_us ? end : deadline_us;
}

void cancel_fini(struct cancel *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}
