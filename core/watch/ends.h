#ifndef PGUSHER_WATCH_ENDS_H
#define PGUSHER_WATCH_ENDS_H
/*
 * ends - the sessions of a watch, one to each side: opened when somebody asks, and when that fails again later and later (pg/patience.h):
 * after seconds what may pass by itself, once a minute what somebody must put right (pg_hba.conf, the database), never a wrong password.
 * Nothing waits in here but a connection. One thread.
 */
#include "base/cancel.h"
#include "base/err.h"
#include "migration.h"
#include "pg/patience.h"
#include "pg/session.h"
#include "watch/sample.h"

#define ENDS_MS 2500     /* for a connection */
#define ENDS_ASK_MS 1650 /* an end that takes longer does not answer: with a sample each second, that is seen within three */

struct ends {
	const struct migration *m;
	const char *app;             /* application_name */
	struct cancel *cancel;
	struct session *session[2];  /* NULL: there is none now */
	struct patience patience[2];
	struct err away[2];          /* why there is none; ERR_OK: not asked yet, or it is there */
	int64_t due_us[2];           /* for ends_answer, monotonic */
	struct err no_way[2];        /* the same of the ssh tunnel to it: without that nobody is asked, another server may stand behind the name */
};

/* All that is given outlives it. */
void ends_init(struct ends *e, const struct migration *m, const char *app, struct cancel *cancel);
void ends_close(struct ends *e);
/* session[side] is there, or *err says why not: the last try's word, when the next is not due yet. */
enum err_code ends_connect(struct ends *e, enum side side, struct err *err);
/*
 * One statement with one parameter, in two halves: the first question of a sample goes to both ends at once, so that one that is silent does
 * not keep the other's word back. Nothing else may run on that session in between. *res is there, or *err says why not.
 */
enum err_code ends_begin(struct ends *e, enum side side, const char *sql, const char *param, struct err *err);
enum err_code ends_answer(struct ends *e, enum side side, PGresult **res, struct err *err);
/* It is asked now, whatever was before. */
void ends_anew(struct ends *e, enum side side);
/* What kind of an end why is, and its words with the moment when it is asked again. */
enum watch_away ends_kind(const struct ends *e, enum side side, const struct err *why);
void ends_say(const struct ends *e, enum side side, const struct err *why, char *to, size_t size);

#endif
