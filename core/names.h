#ifndef PGUSHER_NAMES_H
#define PGUSHER_NAMES_H
/*
 * names - of slot and publications of a subscription that [subscription] adopt takes over: by what is on the servers (pg/adopted.h), and
 * when that says nothing, by what the journal says was taken over. Nothing is done when none is. Engine thread.
 */
#include "pg/facts.h"
#include "route.h"

/* src, dst: NULL for a side that was not read. */
void names_settle(struct migration *m, const struct facts *src, const struct facts *dst);
/*
 * The same for who has not read the servers: asks what is needed of both. A side that does not answer is no error, unless `must`: then it
 * is one when the names are not known without it (what is removed under wrong names is nobody's). ERR_CANCELLED.
 */
enum err_code names_ask(struct migration *m, struct route *route, struct cancel *cancel, bool must, struct err *err);

#endif
