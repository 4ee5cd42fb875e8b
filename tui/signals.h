#ifndef PGUSHER_TUI_SIGNALS_H
#define PGUSHER_TUI_SIGNALS_H
/* signals - SIGINT, SIGTERM, SIGHUP and SIGWINCH as bytes in a pipe; SIGPIPE ignored. Main thread. */
#include <signal.h>
#include <stdbool.h>

bool signals_init(void);  /* false: no pipe */
int signals_fd(void);     /* readable while one waits */
int signals_take(void);   /* the next signal, 0: none */

#endif
