#ifndef PGUSHER_TUI_CLOSED_H
#define PGUSHER_TUI_CLOSED_H
/*
 * closed - the first thing that the monitor says after a cutover or a rollback that was killed: whether the source, or the target, is
 * closed to writers, as that server itself says, and what opens it again. Main thread.
 */
#include "watch/sample.h"
#include "wizard_in.h"

/* s NULL: nobody has looked yet. Returns the next row; y when there is nothing to say. */
int closed_draw(const struct wizard *w, const struct watch_sample *s, int y, int x, int width);
/* There is something to be taken back, and nobody else is at it. */
bool closed_shown(const struct wizard *w);
bool closed_by_rollback(const struct wizard *w); /* by the story that was read; the source's own word goes before it */
void closed_take_back(struct wizard *w);

#endif
