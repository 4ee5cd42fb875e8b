#ifndef PGUSHER_WATCH_LOGFORMAT_H
#define PGUSHER_WATCH_LOGFORMAT_H
/*
 * logformat - a server's log in csvlog (10 to 18) or jsonlog (15 to 18) as the lines that its ordinary format would have, "[pid] ERROR:  ...",
 * "[pid] DETAIL:  ...", "[pid] CONTEXT:  ...", further lines of a text behind a tab. A piece of a file: it may begin and end in the midst of a
 * record; what is none is left out. Pure; any thread. Caller frees.
 *
 * The severity is told by the SQLSTATE where it is no English word. When the server speaks another language (lc_messages), the error of a
 * subscription's worker is known by the kind of process that said it (13 and newer), and what its context names (origin, table, LSN) stands there
 * in the English form. An error without a context may be of any subscription of that server: it counts where there is one.
 */
enum logformat_tongue { LOGFORMAT_ENGLISH, LOGFORMAT_FOREIGN, LOGFORMAT_FOREIGN_ONE }; /* ONE: and there is but one subscription */
char *logformat_from_csv(const char *text, enum logformat_tongue tongue);
char *logformat_from_json(const char *text, enum logformat_tongue tongue);
/* The quotation marks of other languages become "; what stands between them keeps no blank at its ends. Caller frees. */
char *logformat_plain_quotes(const char *text);

#endif
