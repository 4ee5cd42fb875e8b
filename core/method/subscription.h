#ifndef PGUSHER_METHOD_SUBSCRIPTION_H
#define PGUSHER_METHOD_SUBSCRIPTION_H
/*
 * subscription - what the subscription method adds to the plan of dump.c, before the copy, in place of its snapshot, and after its
 * proof. Pure. The migration is settled (migration_settle).
 */
#include "journal/model.h"
#include "pg/logical.h"
#include "plan/plan.h"

/* Role and publication on the source. */
void subscription_source(struct plan *p, const struct migration *m, const struct facts *src, const struct model *seen);
/* The slot, whose snapshot is the copy's. The step is in scope "snapshot". */
void subscription_slot(struct plan *p, const struct migration *m, const struct facts *src);
/* For the server's own copy: an action behind the making of the tables. */
void subscription_keys_aside(struct step *st);
/* And one that brings them back, when every table is ready; nothing for another copy. */
void subscription_keys_back(struct step *st, const struct migration *m);
/* The subscription itself, until it has caught up. */
void subscription_target(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst);
/* A subscription that somebody made by hand is written down as ours to watch, and to end some day. */
enum err_code subscription_adopt_plan(struct plan **out, const struct migration *m);
/* Words for pg_dump: the tables that were not chosen, with their sequences and the views that read them. */
void subscription_leave_out(const struct facts *src, struct strv *argv);

/* What the walsender is told about the slot's snapshot. */
const char *subscription_snapshot_word(const struct migration *m, int source_version);
/* from may be NULL: not read */
char *subscription_sql(const struct migration *m, const struct link *l, const struct facts *from, const struct facts *to, const char *conninfo);

#endif
