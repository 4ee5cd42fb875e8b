#ifndef PGUSHER_BASE_SECRET_H
#define PGUSHER_BASE_SECRET_H
/*
 * secret - a password in memory: never printed, wiped when it goes.
 * Owned by whoever declares it; secret_fini wipes with explicit_bzero.
 */
#include <stdbool.h>
#include <stddef.h>

struct secret {
	char *text; /* NULL: not known; "" is a known empty password */
	size_t cap;
};

void secret_set(struct secret *s, const char *text); /* copies; NULL forgets */
void secret_copy(struct secret *to, const struct secret *from);
bool secret_known(const struct secret *s);
const char *secret_text(const struct secret *s); /* "" when not known; do not keep the pointer */
void secret_fini(struct secret *s);

#endif
