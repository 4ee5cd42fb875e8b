#ifndef PGUSHER_JOURNAL_STANDING_H
#define PGUSHER_JOURNAL_STANDING_H
/* standing - of an attempt that did not end well: how it stands, and which commands go on with it, in words. By its journal alone. Any thread. */
#include "journal/model.h"

/* Of an attempt without an end: "interrupted: ...", and who is the primary when its hand-over was done. Caller frees. */
char *standing_interrupted(const struct model *m);
/* The commands that go on with it or end it, each with " -c file" (file NULL: without); NULL: it ended well, or there is none. Caller frees. */
char *standing_next(const struct model *m, const char *file);

#endif
