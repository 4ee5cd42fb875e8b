#ifndef PGUSHER_PG_PHASE_H
#define PGUSHER_PG_PHASE_H
/*
 * phase - how far a cutover or rollback has come, as it stands on the servers themselves: in the COMMENT of a link's publication, on
 * the side that the link comes from. It is written in one transaction with default_transaction_read_only of the database, so that a
 * fenced database always says who fenced it, why, and what was set before: nobody needs a journal to open it again.
 *
 * The source's word is the one that counts: until it says "cut over" a cutover is taken back, until it says "rolled back" a rollback is.
 */
#include "pg/adopted.h"
#include "pg/logical.h"
#include "pg/session.h"

enum phase {
	PHASE_NONE,        /* nothing of ours: the side is written to */
	PHASE_OPENED,      /* open again, but sessions that began while it was closed may not know it yet: they are to be ended */
	PHASE_FENCED,      /* closed for a cutover or rollback that has not come to its hand-over: to be opened again */
	PHASE_CUT_OVER,    /* closed for good: the other side is the primary */
	PHASE_ROLLED_BACK, /* open again: a rollback came to its hand-over */
};

/* A cutover or rollback that did not come to its hand-over left something to do on the side. */
static inline bool phase_unfinished(enum phase p)
{
	return p == PHASE_OPENED || p == PHASE_FENCED;
}

struct phase_note {
	enum phase phase;
	char *before;  /* default_transaction_read_only of the database before it was fenced; "" when none was set */
};

/* ERR_OK and PHASE_NONE when there is no such publication. *out is freed with phase_fini. */
enum err_code phase_read(struct session *s, const char *publication, struct phase_note *out, struct err *err);
void phase_fini(struct phase_note *n);
/* The same of a publication's comment that was read elsewhere; NULL is fine. */
enum phase phase_of_comment(const char *text);
/* By what was read of a side. */
enum phase phase_in(const struct facts *f, const char *publication);
/*
 * In one transaction, on the side that the link comes from: PHASE_FENCED and PHASE_CUT_OVER close the database, the others set it back to
 * what it was before. What was taken over is named below the word (adopted.h), and
 * a comment that somebody had given to a publication made by hand is kept there until it is given back.
 */
enum err_code phase_write(struct session *s, const struct migration *m, const struct link *l, enum phase phase, const char *before, struct err *err);
/* COMMENT ON PUBLICATION of a reverse link that was just made; nothing when nothing was taken over. */
void phase_way_back_sql(struct str *sql, const struct migration *m, const struct link *back);
/* What default_transaction_read_only of the session's database is set to; "" when it is not. Caller frees. */
enum err_code phase_setting(struct session *s, char **value, struct err *err);
/* ALTER DATABASE ... SET (or RESET, with an empty value) default_transaction_read_only. */
void phase_setting_sql(struct str *sql, const char *db, const char *value);

#endif
