#ifndef PGUSHER_TUI_PLAIN_IN_H
#define PGUSHER_TUI_PLAIN_IN_H
/* plain_in - shared by plain.c, plain_status.c, plain_watch.c and plain_login.c; for nobody else. */
#include "engine.h"
#include "event.h"
#include "journal/model.h"
#include "plain.h"
#include "watch/sample.h"

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_BLOCKED, EXIT_QUIT, EXIT_STOPPED };

/* "14:03:11 ", as every line begins; wall clock. */
void plain_stamp(int64_t at_us);
/* A line that belongs to the one before; nothing when the text is empty. */
void plain_sub(const char *label, const char *text);
void plain_say_sample(const struct event *e);
/*
 * --once waits for what is known a few samples later: of very many tables what differs, and for a worker that its server starts again. since_us:
 * wall clock of the first sample, 0 before it; set here.
 */
bool plain_sample_whole(const struct event *e, int64_t *since_us);

/* What is written down of the migration; false: it cannot be read. */
bool plain_load(struct model *story, const struct migration *m, struct err *err);
/* Prints how the migration stands, for people or as JSON; fills story. Returns the exit status. */
int plain_status(const struct args *a, const struct migration *m, struct model *story);

/* A question was answered by no, because nothing on the command line answers it: what to start it again with, so that it goes on. */
void plain_refused(const struct args *a, const struct event *e, bool key);

/* A server wants a password (LOGIN_GATE id): asked for where somebody can be asked. False: none was given. *stopped: by a signal instead. */
bool plain_login(struct engine *e, const char *id, const char *title, const char *text, bool *stopped);
/* A watch goes on without it: asked for when it is first missed. offered: by side, what the sample before has led to. */
bool plain_login_to_watch(struct engine *e, const struct watch_sample *s, bool offered[2], bool *stopped);

#endif
