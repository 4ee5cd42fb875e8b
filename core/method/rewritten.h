#ifndef PGUSHER_METHOD_REWRITTEN_H
#define PGUSHER_METHOD_REWRITTEN_H
/*
 * rewritten - tables of the source that got a new file since the snapshot of a slot: truncated, or rewritten. Engine thread.
 *
 * A copy that is followed does not lock the tables, so that the application's TRUNCATE does not wait for its end. An older snapshot sees
 * such a table empty, and that is right as long as its TRUNCATE comes with the stream (11 and newer). The catalogue inside
 * the snapshot tells: pg_class has the file of then, pg_relation_filenode() the one of now (PostgreSQL 10 to 18).
 */
#include "method/run.h"

/* Whether the copy may do without locks: changes follow it, and TRUNCATE is one of them. */
bool rewritten_is_followed(const struct run *r);
/*
 * While the snapshot is still held, when all is read: such tables are named, and are not proven by the figures of the snapshot.
 * ERR_BLOCKED when the columns of one are others now: its rows are in no stream.
 */
enum err_code rewritten_look(struct run *r, struct err *err);
/* Such tables are remembered in a file of the state directory until a comparison of every row went well, or another copy is made. */
bool rewritten_unproven(const struct migration *m);
void rewritten_forget(const struct migration *m);

#endif
