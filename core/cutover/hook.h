#ifndef PGUSHER_CUTOVER_HOOK_H
#define PGUSHER_CUTOVER_HOOK_H
/*
 * hook - the operator's commands at named moments ([hooks]): what pgusher cannot know how to do (pause a pooler, point it to another
 * server). Argument lists, no shell, at most [hooks] timeout seconds; what they print goes to the log, their exit status decides.
 *
 * They are told by the environment: PGUSHER_MOMENT, PGUSHER_MIGRATION, PGUSHER_HOST, PGUSHER_PORT, PGUSHER_DBNAME (of the server that is
 * or becomes the primary), PGUSHER_OLD_HOST, PGUSHER_OLD_PORT, PGUSHER_OLD_DBNAME, PGUSHER_REASON (taking back, alarms). Never a password:
 * one that stands in our own environment is hidden from them. Engine thread.
 */
#include "method/run.h"

/* Adds the moment's command to a step, as work whose explanation is the command; NULL: the operator has none there. to: the new primary. */
struct action *hook_add(struct step *st, const struct migration *m, enum hook_moment moment, enum side to);
/* What such an action does; arg: its own. */
enum err_code work_hook(struct run *r, const void *arg, struct err *err);
bool hook_there(const struct migration *m, enum hook_moment moment);
/* The command with its environment, as it could be pasted; caller frees. */
char *hook_show(const struct migration *m, enum hook_moment moment, enum side to);
/*
 * Runs it outside of the plan, journaled as an action of its own; cancel may be NULL: what takes back is not to be cancelled.
 * reason may be NULL. ERR_OK when there is none; ERR_CHILD, ERR_TIMEOUT, ERR_CANCELLED, ERR_IO: it could not be started.
 */
enum err_code hook_run(struct run *r, enum hook_moment moment, enum side to, const char *reason, struct cancel *cancel, struct err *err);

#endif
