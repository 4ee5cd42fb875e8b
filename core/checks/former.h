#ifndef PGUSHER_CHECKS_FORMER_H
#define PGUSHER_CHECKS_FORMER_H
/* former - what the journal says of this migration's last attempt, when it filled the target and ended well. Reads a file; any thread. */
#include "migration.h"

/*
 * "2026-11-26T03:10:11Z: done, and proven equal to the source's snapshot", or NULL: no such attempt, it was into another target, or
 * the journal cannot be read. Caller frees.
 */
char *former_done(const struct migration *m);

#endif
