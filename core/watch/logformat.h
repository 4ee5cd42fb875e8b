#ifndef PGUSHER_WATCH_LOGFORMAT_H
#define PGUSHER_WATCH_LOGFORMAT_H
/*
 * logformat - a server's log in csvlog (10 to 18) or jsonlog (15 to 18) as the lines that its ordinary format would have, "[pid] ERROR:  ...",
 * "[pid] DETAIL:  ...", "[pid] CONTEXT:  ...", further lines of a text behind a tab. A piece of a file: it may begin and end in the midst of a
 * record; what is none is left out. Pure; any thread. Caller frees.
 */
char *logformat_from_csv(const char *text);
char *logformat_from_json(const char *text);

#endif
