#ifndef PGUSHER_TUI_WIZARD_H
#define PGUSHER_TUI_WIZARD_H
/* wizard - the screens over the engine. Main thread. */
#include "migration.h"

/*
 * m is edited by the operator; loaded: it came from a file. theme (NULL: that of m) and ascii are of this terminal, for this time: they
 * are not written into the settings. Returns the exit code.
 */
int wizard_run(struct migration *m, bool loaded, const char *theme, bool ascii);

#endif
