#ifndef PGUSHER_JOURNAL_MODEL_H
#define PGUSHER_JOURNAL_MODEL_H
/*
 * model - the fold over events; the only thing that screens, status and report read.
 * Owned by one thread (the front end's, or whoever folds a journal).
 */
#include <stddef.h>

#include "base/err.h"
#include "event.h"
#include "migration.h"

/* One check, one step, one table, one thing left: the newest event about an id, and when it began. */
struct model_item {
	struct event *last;  /* owned */
	int64_t began_us;    /* wall clock of its first ST_RUNNING */
	int64_t began_mono_us; /* the same, monotonic in this process */
	int64_t ended_us;    /* wall clock of its end; 0 while it runs */
	bool acked;          /* findings: accepted by the operator */
	char *who;           /* findings: by whom, as EV_ACK says; NULL: not accepted. Attempts: by whom */
	bool removed;        /* left: gone again */
	char *why;           /* steps: from EV_PLAN. Attempts: what it says about its outage; NULL: there was none */
	char *title, *sql;   /* steps: from EV_PLAN */
	struct event *progress; /* steps: newest EV_PROGRESS, or NULL; owned */
};

struct model_list {
	struct model_item *v;
	size_t n, cap;
	size_t *slot, slots; /* private: hash of id to 1 + index in v, newest item of that id; ten thousand tables are normal */
};

#define MODEL_SAMPLES 240

struct model {
	struct event *begin;       /* EV_BEGIN of the current attempt, or NULL */
	struct event *end;         /* EV_END of it, or NULL */
	int64_t begin_mono_us, end_mono_us; /* of the two, monotonic in this process */
	struct event *facts[2];    /* by side */
	struct event *gate;        /* open gate, or NULL */
	struct event *again[2];    /* by side: it does not answer, and is asked again; NULL: it does */
	struct event *busy;        /* what the engine is working on, or NULL */
	struct event *action;      /* newest EV_ACTION */
	struct event *tables[2];   /* newest EV_TABLES by side, or NULL */
	struct event *wait;        /* EV_WAIT, while the running step waits for others; or NULL */
	struct model_list findings, steps, actions, left, issues, proofs, notes, fixes, tests;
	struct model_list answers;  /* gates of the current attempt: EV_ANSWER with the question as its title and the word to type as its sql */
	struct model_list attempts; /* before the current one, oldest first: id, title method, state, text and hint of its end; state ST_NONE: it did not end */
	int n_verdict[4];          /* findings by verdict */
	int n_unacked;             /* WARN findings not accepted yet */
	struct event *sample;      /* newest EV_SAMPLE, or NULL */
	struct { int64_t behind, rate; } past[MODEL_SAMPLES]; /* ring of samples */
	size_t past_n, past_head;
	struct event **log;        /* ring of the newest EV_LOG, EV_ISSUE and errors; MODEL_LOG entries */
	size_t log_n, log_head;
	uint64_t log_total, log_dropped;
	int resumes;
};

#define MODEL_LOG 2000

void model_init(struct model *m);
void model_fini(struct model *m);
/*
 * Folds one event; takes ownership of it. EV_BEGIN forgets the former attempt, but not the preflight before it, nor
 * what is still left behind when that attempt did not end well.
 */
void model_apply(struct model *m, struct event *e);
/* Folds a journal file; a torn last line is ignored, anything else wrong is an error with its line number.
 * A missing file gives an empty model and ERR_OK. */
enum err_code model_load(struct model *m, const char *journal_path, struct err *err);

/* The endpoints changed: findings, fixes and facts are about others. */
void model_forget_findings(struct model *m);
struct model_item *model_find(const struct model_list *l, const char *id); /* NULL: none */
/*
 * What an attempt left on the target: its id is kind:name. system: of the cluster that is the target now; where both are known and differ, it is
 * not the one that was left something. NULL: none.
 */
const struct model_item *model_left(const struct model *m, const char *kind, const char *name, const char *system);
/* i-th newest log line, 0 is the newest; NULL past the end. */
const struct event *model_log(const struct model *m, size_t i);
/* The attempt as `from` tells it takes the place of m's; findings, facts and log stay m's. from loses it. */
void model_take_story(struct model *m, struct model *from);
/* An attempt has begun and not ended well: there is something to resume or clean up. */
bool model_unfinished(const struct model *m);
/* Of an EV_END, which may be NULL: nobody agreed to it, nothing was done; what was before it still holds. */
bool model_not_begun(const struct event *end);
/* How many issues need somebody's attention, and tables are not proven. */
size_t model_open(const struct model *m);
#define MODEL_HELD_SINCE "refused since " /* how `why` of an attempt begins that was killed behind its fence */
/* The side that an interrupted cutover ("freeze:...") or rollback ("back-freeze:...") left closed to writers; NULL: none. */
const struct event *model_closed(const struct model *m);
/* The same as a sentence, with the command that opens it; NULL: none. Caller frees. */
char *model_closed_says(const struct model *m);
/* What the preflight found, in words: "nothing blocks, no warnings, 2 remarks, 41 fine". Caller frees. */
char *model_verdicts(const struct model *m);

#endif
