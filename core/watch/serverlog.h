#ifndef PGUSHER_WATCH_SERVERLOG_H
#define PGUSHER_WATCH_SERVERLOG_H
/*
 * serverlog - what the target's own log says of a subscription's worker that fails. No catalogue view has its message (10 to 18: only
 * counters, from 15 on): it can be read through pg_ls_logdir and pg_read_binary_file, where the server's logging_collector writes files
 * and the role may (in the ordinary format, csvlog or jsonlog; a superuser; or pg_monitor with EXECUTE on pg_read_binary_file). Else it is said where to look. One thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct session;

struct server_words {
	char message[240];  /* the ERROR; "" when nothing was found */
	char detail[240];   /* "Key (id)=(5000) already exists." */
	char relation[140]; /* public.kept; "" when the server does not say */
	char lsn[24];       /* end of the transaction that cannot be applied, for SKIP; "" before 15 */
	char where[320];    /* the file; or where it may be, and why it is not read from here */
};

/*
 * The last thing that went wrong, in a piece of a log in the server's ordinary format. origin: "pg_16396", of the subscription; an error
 * without a word of it counts when its process had begun as a worker of `subscription` (log_line_prefix has %p). What lies before the last
 * two starts of the worker is over. Pure. False: nothing.
 */
bool serverlog_find(const char *log, const char *origin, const char *subscription, struct server_words *out);
/* Reads the newest log file's last part. What cannot be read is said in `where`; only a lost session is an error. */
enum err_code serverlog_look(struct session *s, const char *origin, const char *subscription, struct server_words *out, struct err *err);
/* The statement that shows the row in the way, "" when the detail names none: SELECT * FROM public.kept WHERE id = '5000' */
void serverlog_row(const struct server_words *w, const char *verb, char *out, size_t cap);

#endif
