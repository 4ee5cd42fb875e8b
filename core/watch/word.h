#ifndef PGUSHER_WATCH_WORD_H
#define PGUSHER_WATCH_WORD_H
/*
 * word - what a side says of itself: the word on the publication of the link that comes from there (pg/phase.h). One query, PostgreSQL 10
 * to 18. Blocks for timeout_ms at most. Any thread that owns the session.
 */
#include "migration.h"
#include "pg/phase.h"

/* PHASE_NONE: it says nothing. ERR_*: it could not be asked. */
enum err_code word_ask(struct session *s, const struct migration *m, enum side side, int64_t timeout_ms, enum phase *out, struct err *err);

#endif
