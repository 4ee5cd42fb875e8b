#ifndef PGUSHER_TUI_PLAIN_IN_H
#define PGUSHER_TUI_PLAIN_IN_H
/* plain_in - shared by plain.c and plain_watch.c; for nobody else. */
#include "event.h"
#include "plain.h"

/* "14:03:11 ", as every line begins; wall clock. */
void plain_stamp(int64_t at_us);
/* A line that belongs to the one before; nothing when the text is empty. */
void plain_sub(const char *label, const char *text);
void plain_say_sample(const struct event *e);
/* Of very many tables what differs is known a few samples later: --once waits for that. */
bool plain_sample_whole(const struct event *e);

#endif
