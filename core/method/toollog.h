#ifndef PGUSHER_METHOD_TOOLLOG_H
#define PGUSHER_METHOD_TOOLLOG_H
/*
 * toollog - understands what pg_dump, pg_restore and vacuumdb (10 to 18, --verbose, LC_MESSAGES=C) say on standard
 * error, line by line: what is being worked on, and what went wrong, judged. Pure; one toollog belongs to one command's
 * output. Feed a line, then take the issue that may have become complete; one line completes one issue at most.
 */
#include <stdbool.h>

#include "base/str.h"
#include "event.h"

enum toollog_what { TOOLLOG_NOTHING, TOOLLOG_STARTED, TOOLLOG_FINISHED };

struct toollog_issue {
	char *object;   /* "INDEX public.x_idx"; "INDEX x x_idx owner" when only pg_restore's list names it; or "" */
	char *message;  /* the server's or the tool's words, with DETAIL, HINT and CONTEXT */
	char *command;  /* the statement without what it holds of passwords, or NULL */
	const char *hint; /* static; NULL: none */
	enum verdict verdict; /* INFO: harmless; WARN: needs attention; BLOCK: connection, disk or memory gave out, what came after is missing */
};

struct toollog {
	/* of the last line that TOOLLOG_STARTED or _FINISHED was returned for; valid until the next feed */
	struct str kind;   /* "DATA" for rows, "ANALYZE", else as pg_restore says: "INDEX", "CONSTRAINT", "FK CONSTRAINT" ... */
	struct str object; /* "public.x" as the tool prints it, not quoted */
	int64_t ignored;   /* "errors ignored on restore: N"; -1 not said */
	bool hide;         /* the line just fed is part of a statement that holds a password: do not log it */
	/* private */
	struct str toc, message, command, where;
	size_t head;       /* of the message: its first line, before details */
	bool open, in_command, secret, toc_used;
	int unnamed;
	struct toollog_issue done;
	bool has_done;
};

void toollog_init(struct toollog *t);
void toollog_fini(struct toollog *t);
enum toollog_what toollog_feed(struct toollog *t, const char *line);
/* The next complete issue; at_end: also the one that might still go on. The caller frees with toollog_issue_fini. */
bool toollog_issue(struct toollog *t, bool at_end, struct toollog_issue *out);
void toollog_issue_fini(struct toollog_issue *i);
/* The judgement alone: object as "INDEX public.x" or "", message as the server says it. */
enum verdict toollog_judge(const char *object, const char *message, const char **hint);

#endif
