#ifndef PGUSHER_JOURNAL_STANDING_H
#define PGUSHER_JOURNAL_STANDING_H
/* standing - how an attempt ended or stands, and which commands go on with it, in words. By its journal alone. Any thread. */
#include "journal/model.h"

#define STANDING_INTERRUPTED "interrupted" /* how a text begins that says itself that there was no end */
/* It was agreed that what the attempt made goes, and not all of it went: cleanup finishes that, nothing else goes on. */
bool standing_given_up(const struct model *m);
/* Of an EV_END or the like: its state and what it says, no word twice: "done, and proven ..." says itself that it is done. Caller frees. */
char *standing_ended(const struct event *end);
/* In one or two words: "not begun", "interrupted", "follows", "cut over", "finished" ... *attention: somebody should look at it. */
const char *standing_word(const struct model *m, bool *attention);
/* Of an attempt without an end: "interrupted: ...", and who is the primary when its hand-over was done. Caller frees. */
char *standing_interrupted(const struct model *m);
/*
 * A cutover or rollback left something that its --abort has to look at: a side closed, writers held, or it ended not well and behind its
 * first step, which only looks. An attempt that was refused there has begun nothing.
 */
bool standing_touched(const struct model *m);
/* The commands that go on with it or end it, each with " -c file" (file NULL: without); NULL: it ended well, or there is none. Caller frees. */
char *standing_next(const struct model *m, const char *file);
/* Who is the primary and whether the other one follows, as far as the journal knows, and of when that is; NULL: nothing was run. Caller frees. */
char *standing_primary(const struct model *m);
/* Like standing_next, of one that ended well, too: there is always something to say. Caller frees. */
char *standing_then(const struct model *m, const char *file);

#endif
