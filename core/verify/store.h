#ifndef PGUSHER_VERIFY_STORE_H
#define PGUSHER_VERIFY_STORE_H
/*
 * store - the source's figures in a file, so that a proof outlives the process that read them, and a dump file can
 * be proven on whatever server it is restored to. JSON; replaced atomically, synced. Any thread.
 */
#include "verify/verify.h"

enum err_code verify_save(const struct verify_set *v, const char *path, struct err *err);
/* ERR_IO: not there or not readable as what verify_save wrote (hint says what to do). Caller frees with verify_free. */
enum err_code verify_load(struct verify_set **out, const char *path, struct err *err);

#endif
