#ifndef PGUSHER_CUTOVER_REHEARSE_H
#define PGUSHER_CUTOVER_REHEARSE_H
/*
 * rehearse - a cutover without its fences: readiness, and every part of the outage that can be timed while writers write. Nobody waits
 * for it, nothing is changed but marks in the WAL of both sides. Says how long writes would wait, and of what that is made. Engine thread.
 */
#include "method/run.h"

enum err_code rehearse_plan(struct plan **out, const struct migration *m, const struct facts *src, const struct facts *dst, int max_outage_s, struct err *err);

#endif
