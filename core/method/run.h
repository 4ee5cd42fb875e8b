#ifndef PGUSHER_METHOD_RUN_H
#define PGUSHER_METHOD_RUN_H
/*
 * run - executes a plan: the only place where actions become statements, processes and work.
 * Engine thread only. Facts go out as events through `emit`, durable ones before they are acted on.
 */
#include "base/cancel.h"
#include "copy/copy.h"
#include "event.h"
#include "host/process.h"
#include "journal/model.h"
#include "pg/facts.h"
#include "pg/session.h"
#include "plan/plan.h"
#include "verify/verify.h"

struct cutover;
struct gauge;
struct keep;
struct rehearsal;

struct run {
	/* given by the engine */
	const struct migration *m;
	const struct plan *plan;
	const struct facts *facts[2]; /* NULL: this side is not part of it */
	const struct model *seen;     /* what the journal said when this process took the attempt up; NULL: a new one */
	const struct model *live;     /* the fold as it is now */
	const char *state_dir;        /* of this migration */
	char *app;                    /* application_name of every session and tool of this attempt */
	struct cancel *cancel;
	/* Takes ownership. ERR_* when the journal could not take it: then nothing further may be done. */
	enum err_code (*emit)(void *arg, struct event *e, struct err *err);
	/* Asks the operator: ERR_OK confirmed, ERR_BLOCKED refused, ERR_CANCELLED. */
	enum err_code (*hold)(void *arg, const char *id, const struct action *a, struct err *err);
	/* Makes sure that a side can be connected to (a tunnel is opened again). */
	enum err_code (*reach)(void *arg, enum side side, struct err *err);
	/* Something to do with a side failed: says what the tunnel knows of it. Returns err->code. */
	enum err_code (*blame)(void *arg, enum side side, struct err *err);
	/* A login failed for its password: true when the operator gave another one. */
	bool (*login)(void *arg, enum side side, const struct err *why);
	/* What the operator said meanwhile to a wait of this name, journaled with who said it; NULL: nothing. Caller frees. */
	char *(*told)(void *arg, const char *id);
	/* Whether somebody looks at the list of the subscription's tables just now (EV_TABLES). */
	bool (*listing)(void *arg);
	/* An action failed while a cutover is on: whether that is for its time; NULL: none is. Returns err->code. */
	enum err_code (*judge)(struct run *r, enum err_code rc, struct err *err);
	void *arg;

	/* its own */
	struct session *control[2];
	char *control_db[2];
	struct session *snapshot;
	char *snapshot_name;
	struct verify_set *verify;
	struct verify_job *job;
	struct copy_list *rows;  /* what is copied, as the snapshot has it */
	struct copy_job *copy;   /* while rows are travelling */
	struct keep *keep;       /* what is complete of that (keep.h) */
	bool begin_again;        /* what an interrupted copy left cannot be kept: the attempt goes on with another plan */
	int64_t asked_us;        /* the target about its indexes, monotonic */
	struct str kept;         /* standard output of the last command that keeps it */
	struct secret replication_password; /* of the role that the subscription logs in as; only here and in the target's catalogue */
	struct gauge *gauge;
	struct cutover *cutover; /* while one is on (core/cutover); NULL */
	bool handed;            /* a cutover or rollback came to its hand-over: nothing of it is taken back, nothing before it is done again */
	bool undoing;            /* something is being put right: a journal that cannot be written must not stop that */
	struct rehearsal *rehearsal; /* while one is on; one block of memory, or NULL */
	bool in_vain[2];        /* a side was waited for, and did not come back: not waited for again (patient.h) */
	bool glancing;          /* nobody depends on the answer: nothing is waited for */
	bool one_dumper;        /* pg_dump's sessions got in each other's way: one of them locks all tables before it reads */
	const struct step *step;
	int attention;          /* issues that need somebody's attention, found by this process */
	int unequal;            /* tables */
	bool moved_on;          /* the source was written to after the snapshot */
};

/* Runs the plan from where `seen` says it stands. After an error or cancel everything held is let go. */
enum err_code run_plan(struct run *r, struct err *err);
/* Cancels and frees all that is held (a cutover is settled before: cutover/cutover.h); sessions of this attempt still on a server are ended. */
void run_release(struct run *r, bool sweep);

/* Ends the sessions of an application_name on a server, and waits until they are gone. False: it could not be asked. */
bool run_sweep(const struct endpoint *ep, enum side side, const char *app, struct err *err);
/* A session to one side and database (NULL: the endpoint's), kept for the next caller. Waits for a side that does not answer for a moment (patient.h). */
enum err_code run_session(struct run *r, enum side side, const char *dbname, struct session **out, struct err *err);
/* The same for what is only shown, and can do without: whoever does not answer is not waited for. */
enum err_code run_glance(struct run *r, enum side side, struct session **out, struct err *err);
/* Shorthands for emitting; a failing journal raises the cancel, so that callers may ignore it. */
void run_note(struct run *r, const char *title, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void run_log(struct run *r, const char *tool, const char *text);
void run_emit(struct run *r, struct event *e);
/* What an attempt left, in this process or in those before it, and is the product from now on: not to be removed. */
void run_keep(struct run *r, bool (*product)(const char *left_id));
/* The password for a tool that logs in to this side; NULL when none is needed. */
const char *run_password(struct run *r, enum where where);

#endif
