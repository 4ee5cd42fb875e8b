#ifndef PGUSHER_METHOD_DUMP_H
#define PGUSHER_METHOD_DUMP_H
/*
 * dump - the dump method as a plan: roles, database, extensions, one snapshot that both the dump and the proof
 * read, restore, statistics, proof. Pure: facts in, plan out; any thread.
 *
 * What pg_dump -C would bring (settings, grants and comment of the database) is done by our own steps, because
 * -C would also bring a frozen source's read-only setting, and the database must be checked before it is filled.
 */
#include "checks/checks.h"
#include "journal/model.h"
#include "plan/plan.h"

/*
 * seen: the unfinished attempt, or NULL. Facts of the source may be missing when an existing dump file is restored, those of
 * the target when only a dump is made. ERR_BLOCKED: no fitting tools, or nothing to build a plan from.
 */
enum err_code dump_plan(struct plan **out, const struct survey *s, const struct model *seen, struct err *err);

/* The dump's path of an unfinished attempt, or a new one; caller frees. */
char *dump_path(const struct migration *m, const struct model *seen);
/* Where the source's figures for the proof of a dump are kept, on this host; caller frees. */
char *dump_proof_path(const struct migration *m, const char *dump);

#endif
