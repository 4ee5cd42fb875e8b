#ifndef PGUSHER_WATCH_REVERSE_H
#define PGUSHER_WATCH_REVERSE_H
/*
 * reverse - how the reverse link goes after a cutover: a rollback loses nothing only as long as the old server follows. One thread.
 */
#include "pg/logical.h"
#include "pg/session.h"
#include "watch/sample.h"

struct reverse_reading { int64_t current, confirmed, held; }; /* of the target's WAL and the slot there, as numbers */

/*
 * Fills what the sample has of the reverse link, lag_bytes too: that is now how far the old server is behind. ERR_*: an end could not be
 * asked; then nothing is changed.
 */
enum err_code reverse_ask(struct session *source, struct session *target, const struct link *back, int64_t timeout_ms, struct watch_sample *s,
			  struct reverse_reading *out, struct err *err);

#endif
