#ifndef PGUSHER_METHOD_WORK_H
#define PGUSHER_METHOD_WORK_H
/* work - the built-in pieces of work that plans name. Engine thread; `arg` is documented at each. */
#include "method/run.h"

/* Opens the snapshot session on the source, exports its snapshot, and starts the proof's reading in it. arg: NULL, or the slot to be made with it */
enum err_code work_snapshot(struct run *r, const void *arg, struct err *err);
/* Waits until the source is read, keeps the figures in a file (arg: its path), lets the snapshot go. */
enum err_code work_source_proof(struct run *r, const void *arg, struct err *err);
/*
 * Adds the end of a step that restores: its sessions did not wait for the disk. This commit does, and with it all that came
 * before it is there, whatever becomes of the target's power a moment later.
 */
void work_on_disk(struct step *st);
/* Removes what an interrupted dump left at a path (arg), if it is there. */
enum err_code work_clear_path(struct run *r, const void *arg, struct err *err);
/* Looks once more, just before rows arrive, that nothing of anybody is in the target database. arg: NULL. ERR_BLOCKED. */
enum err_code work_target_empty(struct run *r, const void *arg, struct err *err);
/* Reads the target and compares with the source's figures (arg: path of the file). ERR_DIFFERS. */
enum err_code work_proof(struct run *r, const void *arg, struct err *err);
/* Reads and compares both sides as they are now. arg: NULL. ERR_DIFFERS. */
enum err_code work_recheck(struct run *r, const void *arg, struct err *err);
/*
 * The parts of it: reads both sides at the same time into r->verify, at most until the deadline (monotonic, 0: none; *late: what was not
 * reached is not known; *who, may be NULL: whose error it is), and says what was found. ERR_DIFFERS.
 */
enum err_code work_read_both(struct run *r, enum verify_mode mode, int64_t deadline_us, bool *late, enum side *who, struct err *err);
enum err_code work_say_both(struct run *r, struct err *err);
/* Says what changed on the source since the snapshot; what this attempt left is the product now. arg: NULL */
enum err_code work_finish(struct run *r, const void *arg, struct err *err);

#endif
