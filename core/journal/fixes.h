#ifndef PGUSHER_JOURNAL_FIXES_H
#define PGUSHER_JOURNAL_FIXES_H
/*
 * fixes - what the operator let the preflight change on a server, in <dir>/fixes.jsonl: it is done before there is a journal, by a process
 * that may never begin an attempt. One EV_FIX a line, before it runs and after; the two have the same at_us. Every attempt takes them into
 * its journal and its report. Engine thread.
 */
#include "journal/model.h"

/* Appends and syncs, made with its folder when it is not there. ERR_IO, ERR_NOSPACE: the fix must not be run. */
enum err_code fixes_write(const char *dir, const struct event *e, struct err *err);
/* Puts into m.fixes what is not there yet. ERR_IO: it cannot be read; no file is no error. */
enum err_code fixes_read(struct model *m, const char *dir, struct err *err);

#endif
