#ifndef PGUSHER_TUI_PLAIN_H
#define PGUSHER_TUI_PLAIN_H
/* plain - the same engine without a screen: one line per event, or one JSON object. */
#include "args.h"
#include "migration.h"

/* Returns the exit code. */
int plain_main(const struct args *a, const struct migration *m);

#endif
