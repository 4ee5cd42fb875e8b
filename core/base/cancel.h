#ifndef PGUSHER_BASE_CANCEL_H
#define PGUSHER_BASE_CANCEL_H
/*
 * cancel - one "stop now" that every wait in core watches, beside its deadline.
 * The descriptor is level-triggered: it stays readable until cancel_reset, so that any
 * number of threads see it. cancel_raise may be called from any thread.
 */
#include <stdatomic.h>
#include <stdbool.h>

struct cancel {
	int fd;
	atomic_bool raised;
};

bool cancel_init(struct cancel *c); /* false: no descriptor (errno) */
void cancel_raise(struct cancel *c);
void cancel_reset(struct cancel *c);
bool cancel_raised(const struct cancel *c); /* c may be NULL: never */
void cancel_fini(struct cancel *c);

#endif
