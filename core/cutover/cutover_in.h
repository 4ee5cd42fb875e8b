#ifndef PGUSHER_CUTOVER_CUTOVER_IN_H
#define PGUSHER_CUTOVER_CUTOVER_IN_H
/*
 * cutover_in - shared by cutover.c (ready), cutplan.c (the plans), fence.c (soft fence, drain, hard fence), handover.c (what comes behind
 * the fence), takeback.c, back.c, alike.c, finalize.c, sequences.c, and what stands beside them in this folder; for nobody else. All of it works on a link: from its one side, which is closed, to the other, which is the
 * primary afterwards. A rollback is the cutover of the reverse link.
 */
#include "cutover/cutover.h"
#include "pg/phase.h"

#define CUTOVER_PARTS 16

/* How far it has come, as the servers say: by side, the word on the publication of the link that comes from there. */
struct stand {
	struct phase_note at[2];
};

struct cutover {
	struct link link;      /* what is cut over */
	struct session *fence; /* on link.from: holds the locks */
	struct session *aside; /* on the target: moves the reverse link's slot while other things run; NULL: nothing to move */
	char *lock_sql;        /* "": nothing is published */
	char *before;          /* default_transaction_read_only of link.from before the hard fence */
	char *source_before;   /* a rollback: what the source had before the cutover */
	int64_t began_us, max_us, mark_us;
	struct { const char *name; int64_t us; } parts[CUTOVER_PARTS]; /* what the outage was made of */
	size_t n_parts;
	bool hard, asleep;
	bool locked;           /* fence holds its locks, as far as we know */
	bool hurried;          /* the follower was told to confirm at once */
	bool opened, stuck;    /* taking back: the side takes writes again, whatever else failed; sessions on it do not end */
	bool back;             /* the reverse link was made, and is to be taken away again when it does not come to the hand-over */
	int trips;
	size_t sequences;
	struct seqs *primed;   /* what the sequences were when they were brought over before; NULL: not yet */
};

/* The arg of work_ready. */
struct cutover_arg {
	struct link link;
	int max_outage_s;
};

/* ERR_CANCELLED; ERR_TIMEOUT when the outage is over its time. */
enum err_code cutover_in_time(struct run *r, struct err *err);
/* Writers wait from now on; nothing that is asked of the servers may take longer than they may wait. Off: they do not. */
void cutover_clock(struct run *r, bool on);
enum err_code cutover_pause(struct run *r, int ms, struct err *err);
/* The time since the last part, or since the fence, went into `name` (static). */
void cutover_part(struct run *r, const char *name);
/* ALTER SUBSCRIPTION of the link, on its `to` side. */
enum err_code cutover_subscription(struct run *r, const struct link *l, const char *what, struct err *err);
/*
 * All WAL written so far is on that server's disk. Before a slot is peeked at: reading and checkpoints write WAL that nobody flushes, and a
 * peek waits where the flushed part ends within a record, until the background writer comes by 15 s later (LOG_SNAPSHOT_INTERVAL_MS).
 */
enum err_code cutover_flush(struct session *s, struct err *err);
/* Makes the follower flush what it has applied, and say so; from: a session there. */
enum err_code cutover_hasten(struct run *r, const struct link *l, struct session *from, struct err *err);
/* Ends the client sessions on a side that began before now, ours aside; waits until they are gone. */
enum err_code cutover_end_sessions(struct run *r, enum side side, struct err *err);
void cutover_say_thawed(struct run *r, const struct link *l);
/* "freeze:shop": the name in the journal of a side's being closed for the link. Caller frees. */
char *cutover_left_name(const struct migration *m, const struct link *l);
/* A side that was cut over stays closed, on purpose: what remains says so. for_good: after finalize, when it is nobody's business any more. */
void cutover_say_stays_closed(struct run *r, enum side side, bool for_good);
void cutover_say_open(struct run *r, enum side side);
/* A session to a side of the link, kept for the next caller. */
enum err_code cutover_on(struct run *r, enum side side, struct session **s, struct err *err);
enum err_code cutover_stand(struct run *r, struct stand *out, struct err *err);
void stand_fini(struct stand *s);
/* Opens the session that will hold the locks, and writes down which. */
enum err_code cutover_prepare_fence(struct run *r, struct err *err);

/* Nobody writes to the tables from here on, whatever settings it minds: the locks are still there, or are taken (again). ERR_BLOCKED: somebody does write. */
enum err_code cutover_hold_still(struct run *r, struct err *err);
/*
 * After the hand-over, and after the command that points the applications to the new primary, who wait for that: who waits for the locks is
 * ended, they go, and the slot is looked into once more. Takes at most some 20 s.
 */
void cutover_let_go(struct run *r);
/* Until then the locks stay for so long, although nothing is asked of their session. */
void cutover_hold_on(struct run *r, int seconds);

/* ALTER SUBSCRIPTION ... SET (synchronous_commit): the follower confirms what is on its disk, at once, or later and faster. */
enum err_code cutover_hurry(struct run *r, const struct link *l, bool on, struct err *err);
void cutover_forget_sequences(struct cutover *c);
/* Changes on link.from that stand in its slot, and that no reverse link brought. Takes at most some seconds. */
enum err_code cutover_written(struct run *r, const struct link *l, int64_t *changes, struct err *err);
/* Late writers of a side that was closed: changes in a link's slot that no reverse link brought. Said; nothing when it cannot be read in time. */
void cutover_say_late(struct run *r, const struct link *l);

/* ---- taking back (takeback.c) ---- */
/* The side takes writes again, and the other follows it; each is tried whatever becomes of the other. ERR_TIMEOUT: sessions do not end. */
enum err_code cutover_take_back(struct run *r, const struct link *l, const struct phase_note *note, struct err *err);

/* ---- the reverse link (back.c) ---- */
/* Its tables and columns on both sides (alike.c). ERR_BLOCKED: they differ, and how is said in a finding. */
enum err_code back_is_alike(struct run *r, const struct link *l, struct err *err);
/* Whether all of it is there. */
enum err_code back_exists(struct run *r, bool *there, struct err *err);
/* Moves its slot up to where the target's WAL ends: what is there so far came from the source. begin/end: meanwhile something else may run. */
enum err_code back_advance_begin(struct run *r, struct err *err);
enum err_code back_advance_end(struct run *r, struct err *err);
/* What follows the hand-over of a rollback; again when it was killed there. */
void rollback_settle(struct run *r);
/* Takes all of it away; publications stay when their words do: `words_too` takes them as well. */
enum err_code back_remove(struct run *r, bool words_too, struct err *err);

/* Pieces of work; arg NULL. */
enum err_code work_back_role(struct run *r, const void *arg, struct err *err);
enum err_code work_back_publication(struct run *r, const void *arg, struct err *err);
enum err_code work_back_slot(struct run *r, const void *arg, struct err *err);
enum err_code work_back_subscription(struct run *r, const void *arg, struct err *err);
enum err_code work_back_run(struct run *r, const void *arg, struct err *err);
enum err_code work_prime(struct run *r, const void *arg, struct err *err);
enum err_code work_finalize(struct run *r, const void *arg, struct err *err); /* arg: non-NULL: the old server is opened */
enum err_code work_unlink(struct run *r, const void *arg, struct err *err);
enum err_code work_ready(struct run *r, const void *arg, struct err *err); /* arg: struct cutover_arg */
enum err_code work_take_back(struct run *r, const void *arg, struct err *err); /* arg: non-NULL: of a rollback */
enum err_code work_soft_fence(struct run *r, const void *arg, struct err *err);
enum err_code work_drain(struct run *r, const void *arg, struct err *err);
enum err_code work_hard_fence(struct run *r, const void *arg, struct err *err);
enum err_code work_tripwire(struct run *r, const void *arg, struct err *err);
enum err_code work_sequences(struct run *r, const void *arg, struct err *err);
enum err_code work_cut_proof(struct run *r, const void *arg, struct err *err);
enum err_code work_hand_over(struct run *r, const void *arg, struct err *err);
enum err_code work_let_go(struct run *r, const void *arg, struct err *err);

#endif
