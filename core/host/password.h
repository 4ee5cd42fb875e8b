#ifndef PGUSHER_HOST_PASSWORD_H
#define PGUSHER_HOST_PASSWORD_H
/* password - what password_command says: asked once per set-up, its first line is the password; its words go to no log. Engine thread. */
#include "base/cancel.h"
#include "base/err.h"
#include "migration.h"

/* Nothing to do without a command, or when the password is known. ERR_USAGE, ERR_CHILD, ERR_TIMEOUT, ERR_CANCELLED. */
enum err_code password_ask(struct endpoint *ep, enum side side, struct cancel *cancel, struct err *err);

#endif
