#ifndef PGUSHER_FIX_H
#define PGUSHER_FIX_H
/* fix - applies the fix of a preflight finding, written down before and after (journal/fixes.h). Engine thread. */
#include "checks/checks.h"
#include "route.h"
#include "sink.h"

/*
 * EV_FIX says how it went. typed: what the operator typed, when the fix wants a word. ERR_USAGE: it has none that pgusher may run;
 * ERR_BLOCKED: not confirmed; ERR_IO, ERR_NOSPACE: it cannot be written down, and was not run; else what the server said.
 */
enum err_code fix_run(const struct finding *f, const char *typed, const struct migration *m, struct route *route, struct sink *sink, struct cancel *cancel, struct err *err);

#endif
