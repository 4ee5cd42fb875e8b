#ifndef PGUSHER_CUTOVER_CARRY_H
#define PGUSHER_CUTOVER_CARRY_H
/*
 * carry - what replication does not carry and has rows of its own: unlogged tables and large objects, brought over while nobody
 * writes, or named as not carried. Both ways: a rollback brings them back. Engine thread.
 */
#include "method/run.h"

/* The step "carry" towards a side, from the facts of the other; what the operator leaves out is a note of the plan, with its size. */
void carry_plan(struct plan *p, const struct migration *m, const struct facts *from, enum side to);
/* The unlogged tables that come along, as "ONLY a.b, ONLY c.d"; nothing when they are left out. Appends. */
void carry_names(const struct run *r, struct str *list);
/* How many large objects differ between both sides now; only looks. ERR_SQL 42501: this role may not read them. */
enum err_code carry_compare(struct run *r, enum side to, int64_t *differ, struct err *err);

#endif
