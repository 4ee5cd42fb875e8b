#ifndef PGUSHER_ENGINE_H
#define PGUSHER_ENGINE_H
/*
 * engine - the door between the front ends and core.
 *
 * One engine thread works on commands in order; the front end sends commands, polls the wake
 * descriptor and takes events. Nothing here blocks the caller except engine_stop.
 */
#include <stdbool.h>

#include "base/err.h"
#include "event.h"
#include "migration.h"

enum command_kind {
	CMD_SETUP,   /* take over `migration` (a copy of it); forgets findings and plan when an endpoint changed */
	CMD_TEST,    /* connection test of `side`: EV_TEST per hop, then EV_READY "test" */
	CMD_CHECK,   /* preflight: EV_FACTS, EV_FINDING ..., EV_READY "check" (failed when something blocks) */
	CMD_FIX,     /* apply the fix of finding `id` (its SQL was shown): EV_FIX, then the check's EV_FINDING again, EV_READY "fix" */
	CMD_ACK,     /* accept the warning `id`: EV_ACK */
	CMD_PLAN,    /* build the plan: EV_READY "plan" with shared = const struct plan * (lives as long as the engine) */
	CMD_RUN,     /* run the plan (resumes an unfinished attempt): EV_PLAN, EV_STEP, ..., EV_END, EV_READY "run" */
	CMD_VERIFY,  /* counts and checksums of both sides as they are now: EV_PROOF ..., EV_READY "verify" */
	CMD_WATCH,   /* look at a running replication each m.refresh_ms until engine_cancel: EV_SAMPLE ..., EV_READY "watch" */
	CMD_LIST,    /* the source's tables, to choose from: EV_TABLES "source", EV_READY "list" */
	CMD_CUTOVER, /* the target becomes the primary; text: seconds that writes may be held for (NULL: [cutover] max_outage), "0" takes an interrupted one back. EV_READY "cutover" */
	CMD_REHEARSE, /* the same without its fences, nothing is journaled; text as above: EV_STEP, EV_FINDING "ready.*", EV_NOTE ..., EV_READY "rehearse" (failed: not ready, or it would take too long) */
	CMD_ROLLBACK, /* and the source again; text as for CMD_CUTOVER. EV_READY "rollback" */
	CMD_FINALIZE, /* removes all that the migration made; yes: opens the server that is no longer in use. EV_READY "finalize" */
	CMD_CLEANUP, /* remove what an unfinished attempt left; yes: the target's copy, too: EV_REMOVED ..., EV_READY "cleanup" */
	CMD_ANSWER,  /* answer the open gate `id`: `yes`, and `text` as typed; or say something to what waits or watches: "slot-wait" (slotwait.h),
		      * WATCH_TABLES: "on" for EV_TABLES "target" every few seconds, of a watch or of a run that waits for the target, "off"; LOGIN_GATE and the
		      * side: a watch's password */
};

#define WATCH_TABLES "watch.tables"

struct command {
	enum command_kind kind;
	enum side side;
	bool yes;
	char *id, *text;             /* owned by the command */
	struct migration *migration; /* CMD_SETUP: owned by the command */
	bool cancelled;              /* the engine's: engine_cancel came while it waited */
};

struct engine;

/* Starts the thread. m is copied. ERR_IO when a descriptor or the thread cannot be had. */
enum err_code engine_start(struct engine **out, const struct migration *m, struct err *err);
/* Sends a command; its strings are copied (NULL is fine), a migration too. */
void engine_send(struct engine *e, const struct command *c);
/* Cancels what is being worked on now (a run, a check, a test), and the work that was sent and has not begun; what is sent later is not meant. */
void engine_cancel(struct engine *e);
/* A descriptor that polls readable while events wait. */
int engine_wake_fd(const struct engine *e);
/* The next event, or NULL. The caller frees it with event_free. */
struct event *engine_next(struct engine *e);
/* Events of a former, unfinished attempt (for the wizard's first screen): the journal is folded into a
 * fresh model by model_load(); the engine itself does the same when CMD_RUN comes. */
/* Cancels, waits for the thread, frees everything; e may be NULL. */
void engine_stop(struct engine *e);

#endif
