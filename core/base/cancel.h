#ifndef PGUSHER_BASE_CANCEL_H
#define PGUSHER_BASE_CANCEL_H
/*
 * cancel - one "stop now" that every wait in core watches, beside its deadline.
 * The descriptor is level-triggered: it stays readable until cancel_reset, so that any
 * number of threads see it. cancel_raise may be called from any thread.
 * It may also carry a moment that no statement and no connection outlasts, whatever its own deadline is.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cancel {
	int fd;
	atomic_bool raised;
	_Atomic int64_t end_us; /* monotonic; 0: none */
};

bool cancel_init(struct cancel *c); /* false: no descriptor (errno) */
void cancel_raise(struct cancel *c);
void cancel_reset(struct cancel *c);
bool cancel_raised(const struct cancel *c); /* c may be NULL: never */
/* Waits that begin or go on after this have no more time than until then; 0: as much as they like. */
void cancel_end_at(struct cancel *c, int64_t mono_us);
/* The sooner of the two; c may be NULL. */
int64_t cancel_sooner(const struct cancel *c, int64_t deadline_us);
void cancel_fini(struct cancel *c);

#endif
