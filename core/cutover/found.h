#ifndef PGUSHER_CUTOVER_FOUND_H
#define PGUSHER_CUTOVER_FOUND_H
/*
 * found - what a subscription of this name left on the servers, for when no journal says it: by the names of the migration, and for a
 * closed side by the comment on its publication. Engine thread.
 */
#include "journal/model.h"
#include "method/replication.h"

#define LEFT_FOUND "found, not written down"

/*
 * Fills `left` of the model with events, the last to be removed first. Of a side that does not answer it is all that may be there, so that
 * a later clean-up comes back to it (LEFT_MAYBE); away[side] then says why. An error when neither side answers.
 */
enum err_code found_on_servers(struct run *r, struct model *out, struct err away[2], struct err *err);
/* Dumps of the migration where they would be written, by their names: name-DATE-TIME. What is kept on purpose looks the same. */
void found_on_disk(struct run *r, struct model *out);

#endif
