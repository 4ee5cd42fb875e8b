#ifndef PGUSHER_TUI_WAITING_H
#define PGUSHER_TUI_WAITING_H
/*
 * waiting - whom the running step waits for (EV_WAIT), with keys that end the wait: a part of the run's screen. Main thread.
 */
#include "wizard_in.h"

void waiting_begin(void);
/* There is somebody to be shown: nobody is when the operator said to wait on, until somebody else is waited for. */
bool waiting_any(const struct wizard *w);
bool waiting_shown(const struct wizard *w);
bool waiting_may_cancel(const struct wizard *w); /* the chosen one */
int waiting_draw(const struct wizard *w, int y, int x, int h, int width); /* the next row */
bool waiting_key(struct wizard *w, int key, bool special);                /* the arrows choose */
bool waiting_copy(struct wizard *w); /* the statement that ends the chosen one; false: nobody is shown */
void waiting_cancel(struct wizard *w);
void waiting_terminate(struct wizard *w);
void waiting_on(struct wizard *w);

#endif
