#ifndef PGUSHER_METHOD_REPLICATION_H
#define PGUSHER_METHOD_REPLICATION_H
/*
 * replication - the subscription method's pieces of work: role, publication, slot with its snapshot, subscription; and how each
 * is removed again. Engine thread. All of them may run again after an interruption: they look at the servers first.
 */
#include "method/run.h"
#include "pg/logical.h"

/* The parts of a link, whichever way it goes; in this order. The role is the operator's: its password is looked up. */
enum err_code replication_role(struct run *r, const struct link *l, struct err *err);
/* Drops one of that name first. */
enum err_code replication_publication(struct run *r, const struct link *l, const char *create, struct err *err);
enum err_code replication_subscribe(struct run *r, const struct link *l, struct err *err);
/* And their removal; what is not there is removed already. */
enum err_code replication_drop_subscription(struct run *r, enum side side, const char *name, struct err *err);
enum err_code replication_drop_slot(struct run *r, enum side side, const char *name, struct err *err);
enum err_code replication_drop_publication(struct run *r, enum side side, const char *name, struct err *err);
enum err_code replication_drop_role(struct run *r, enum side side, const char *name, struct err *err);

/* Makes the role that the subscription logs in as, or gives it a new password; one of the operator's is only looked up. arg: NULL */
enum err_code work_replication_role(struct run *r, const void *arg, struct err *err);
/* Makes the publication anew; waits briefly and again for locks, so that nobody queues behind us. arg: its SQL */
enum err_code work_publication(struct run *r, const void *arg, struct err *err);
/*
 * Creates the slot and takes over the snapshot from exactly there: r->snapshot and r->snapshot_name, as if it had been opened in the
 * ordinary way (for the server's own copy: only the slot). A slot of the same name from an interrupted attempt is dropped. Says whom the server waits for.
 */
enum err_code replication_snapshot(struct run *r, struct err *err);
/* The role may read what the server copies by itself; after the objects were dumped, or the grants would travel too. arg: NULL */
enum err_code work_may_read(struct run *r, const void *arg, struct err *err);
/* Creates the subscription, or gives an existing one the role's new password. arg: NULL */
enum err_code work_subscribe(struct run *r, const void *arg, struct err *err);
/* Looks that the slot still stands where the copy began, then lets the subscription run. arg: NULL. ERR_BLOCKED. */
enum err_code work_enable(struct run *r, const void *arg, struct err *err);
/* Waits until every table is ready and all that was written when the wait began has been applied. arg: a struct link; NULL: the forward one */
enum err_code work_catch_up(struct run *r, const void *arg, struct err *err);

/* Makes the apply worker wait for the target's synchronous standbys, and waits until they have all that it applied before. arg: the SQL */
enum err_code work_land(struct run *r, const void *arg, struct err *err);
/* Remembers which server leads the target and how far it is, for whoever watches later (watch/guard.h). arg: NULL */
enum err_code work_remember(struct run *r, const void *arg, struct err *err);

/*
 * Writes down the parts of the subscription [subscription] adopt, those that were added to it by hand since, too. arg: non-NULL: for a
 * cutover, whose plan knows them: they must still be the same. ERR_BLOCKED.
 */
enum err_code work_adopt(struct run *r, const void *arg, struct err *err);

/* What is written down of a removal that could not look: title of its EV_LEFT. */
#define LEFT_MAYBE "not asked, may be there"
/* Removal, by name (arg); what is not there is removed already. */
enum err_code work_drop_subscription(struct run *r, const void *arg, struct err *err);
enum err_code work_drop_slot(struct run *r, const void *arg, struct err *err);
enum err_code work_drop_publication(struct run *r, const void *arg, struct err *err);
enum err_code work_drop_replication_role(struct run *r, const void *arg, struct err *err);
/* The same of the reverse link. */
enum err_code work_drop_back_subscription(struct run *r, const void *arg, struct err *err);
enum err_code work_drop_back_slot(struct run *r, const void *arg, struct err *err);
enum err_code work_drop_back_publication(struct run *r, const void *arg, struct err *err);
enum err_code work_drop_back_role(struct run *r, const void *arg, struct err *err);

#endif
