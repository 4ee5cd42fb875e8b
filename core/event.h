#ifndef PGUSHER_EVENT_H
#define PGUSHER_EVENT_H
/*
 * event - one fact. Made by the engine, journaled when durable, folded by model.
 *
 * One flat record for all kinds: which fields mean something stands beside the kind. Strings are
 * owned by the event and may be NULL. An event is made, filled, and then const.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum event_kind {
	/* durable: written to the journal and synced before it is acted on */
	EV_BEGIN,   /* a new attempt. id run id, title migration name, text who@host, n pid, hint version, sql method */
	EV_RESUME,  /* the same attempt goes on in another process. text who@host, n pid */
	EV_FACTS,   /* what an endpoint is. id source|target, title label, text "PostgreSQL 14.23", n bytes, of tables, hint details */
	EV_FINDING, /* check result. id check id, verdict, title, text found, needed, why, hint fix in words, sql fix, n where that runs: 1 + enum side */
	EV_ACK,     /* operator accepted a warning. id check id, text who */
	EV_FIX,     /* operator applied a fix. id check id, sql what was run, state running (begun, its end is not known) | done | failed, text error, title which server, needed who, hint how to undo it */
	EV_PLAN,    /* the plan that will run. one per step: id step id, title, text why, sql what it will do, n index, of count */
	EV_STEP,    /* id step id, state, text detail or error, hint next step, ms duration */
	EV_ACTION,  /* id "step/2", state, title, where (text), sql command or statement, ms, n rows */
	EV_LEFT,    /* something will exist from now on. id name, title what, text where, sql how to remove it, why the subscription it is a part of when that was taken over */
	EV_REMOVED, /* and is gone again. id name */
	EV_ISSUE,   /* a tool or server complaint. verdict INFO harmless / WARN needs attention, title object, text message, sql, hint, why step id */
	EV_PROOF,   /* one table's proof. id "schema.table", state done equal | failed differs | skipped, n source rows, of target rows, text detail, needed and hint the checksums of source and target, why step id.
	               One object's that differs: title PROOF_OBJECT, needed and hint its definitions, sql what to do. All those that are the same: id PROOF_OBJECTS, n how many */
	EV_NOTE,    /* honest remark for the report. title, text; "outage": n ms, sql {"part": ms, ...} */
	EV_GATE,    /* operator is needed. id gate id, title question, text explanation, sql word to type or NULL, needed --also-drop's or NULL */
	EV_ANSWER,  /* id gate id, state done confirmed | failed refused, text who */
	EV_END,     /* the attempt ended. state done | failed | cancelled, n exit code, text summary, hint next step */
	/* not durable: screens only */
	EV_TEST,    /* connection test, one hop. id source|target, title hop, state, text, hint */
	EV_PROGRESS,/* coalesced. id step id, n done bytes, of total bytes, a done items, b total items, text current object, ms estimated to be left (0: unknown) */
	EV_SAMPLE,  /* coalesced. of a running replication: n bytes behind, a applied bytes/s, text JSON (watch/sample.h) */
	EV_WAIT,    /* coalesced. id the wait, state running: text whom for, as JSON (pg/blockers.h); done: for nobody any more */
	EV_TABLES,  /* coalesced. id source|target: text a list of tables (pg/tables.h) */
	EV_LOG,     /* may be dropped. title tool, text line */
	EV_BUSY,    /* state running|done: a command of the operator is being worked on. title what */
	EV_AGAIN,   /* coalesced. a read got no answer and is tried again. id source|target, text why, n seconds until then (0: now, or no more), a which try it will be, b of how many */
	EV_READY,   /* a command ended: id command name, state done|failed, text error, hint */
	EV_KINDS
};

#define PROOF_OBJECT "object"
#define PROOF_OBJECTS "objects"

enum state { ST_NONE, ST_WAITING, ST_RUNNING, ST_DONE, ST_SKIPPED, ST_FAILED, ST_CANCELLED };
enum verdict { VERDICT_OK, VERDICT_INFO, VERDICT_WARN, VERDICT_BLOCK };

/* The gate that asks for a role's password: "password source", "password target"; answered by CMD_ANSWER with it as text. Never journaled. */
#define LOGIN_GATE "password "

struct event {
	enum event_kind kind;
	enum state state;
	enum verdict verdict;
	int64_t at_us; /* wall clock */
	char *id, *title, *text, *hint, *sql, *needed, *why;
	int64_t n, of, a, b, ms;
	const void *shared; /* EV_READY of plan: const struct plan *; else NULL. Never journaled, never freed by events. */
	uint64_t seq;       /* EV_LOG and EV_PROGRESS: how many were dropped before it */
};

/* at_us is set to now. Strings are copied by event_text. */
struct event *event_new(enum event_kind kind, const char *id);
void event_text(char **slot, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void event_free(struct event *e);
struct event *event_dup(const struct event *e);
bool event_durable(const struct event *e);

struct event *event_again(const char *side, const char *why, int64_t left_s, int64_t which, int64_t of);
/* The same in words: "does not answer: again in 4 s (3/5)". Caller frees. */
char *event_again_words(const struct event *e);
/* A JSON string of any bytes: those that are not UTF-8 become "?". New reference. */
json_t *event_string(const char *s);
json_t *event_to_json(const struct event *e); /* new reference */
/* NULL: not an event (unknown kind, wrong types). */
struct event *event_from_json(const json_t *j);

const char *event_kind_name(enum event_kind k);
const char *state_name(enum state s);
const char *verdict_name(enum verdict v); /* "OK" "INFO" "WARN" "BLOCK" */

#endif
