#ifndef PGUSHER_PROMPT_H
#define PGUSHER_PROMPT_H
/*
 * prompt - asks for a password on the terminal, without echo. The terminal is as it was when this returns, whatever ends it. Main thread,
 * after signals_init: SIGINT, SIGTERM and SIGHUP end the question. Nothing is asked where standard input is no terminal.
 */
#include "base/secret.h"

enum prompted { PROMPT_NONE, PROMPT_TYPED, PROMPT_STOPPED }; /* NONE: no terminal, in the background, or an empty line; STOPPED: by a signal */

enum prompted prompt_password(const char *title, const char *text, struct secret *out);

#endif
