#ifndef PGUSHER_QUEUE_H
#define PGUSHER_QUEUE_H
/*
 * queue - commands in, events out: two bounded lists with a mutex each, and a descriptor that wakes the front end.
 * Facts are never dropped; progress replaces the progress of the same step that still waits; log lines beyond
 * QUEUE_LOGS waiting ones are dropped and counted (event.seq of the next one).
 */
#include <stdbool.h>

#include "base/cancel.h"
#include "engine.h"

#define QUEUE_LOGS 512

struct queue;

struct queue *queue_new(void); /* NULL: no descriptor */
void queue_free(struct queue *q);

/* Front end. */
void queue_send(struct queue *q, const struct command *c); /* copies */
struct event *queue_next(struct queue *q);                  /* NULL: none waits */
int queue_fd(const struct queue *q);
/* Raises the cancel, for what is worked on now and for the commands that wait: those sent later are not meant. */
void queue_cancel(struct queue *q, struct cancel *cancel);
void queue_close(struct queue *q); /* queue_take returns false from now on, when the commands before are taken or not */

/* Engine. */
/* Waits; the caller frees with command_fini. In the same breath the cancel is reset: what was raised before was about others. */
bool queue_take(struct queue *q, struct cancel *cancel, struct command *c);
/* Waits for an answer to gate `id`, past other commands. False: closed, or cancelled. */
bool queue_answer(struct queue *q, const char *id, struct cancel *cancel, struct command *c);
/* The same without waiting. False: there is none. */
bool queue_told(struct queue *q, const char *id, struct command *c);
void queue_post(struct queue *q, struct event *e); /* takes ownership */
void command_fini(struct command *c);

#endif
