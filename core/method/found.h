#ifndef PGUSHER_METHOD_FOUND_H
#define PGUSHER_METHOD_FOUND_H
/*
 * found - what a subscription of this name left on the servers, for when no journal says it: by the names of the migration, and for a
 * closed side by the comment on its publication. Engine thread.
 */
#include "journal/model.h"
#include "method/run.h"

/* Fills `left` of the model with events, the last to be removed first. Both sides must be there. */
enum err_code found_on_servers(struct run *r, struct model *out, struct err *err);

#endif
