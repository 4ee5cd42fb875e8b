#ifndef PGUSHER_CHECKS_GROUPS_H
#define PGUSHER_CHECKS_GROUPS_H
/* The checks, by file: way.c (ssh, tools elsewhere), common.c (connections, identity), dump.c (what a dump and its restore need), subscription.c (what replication needs), back.c (the way back), offer.c (one that is there already), follow.c (what stops or spoils it later), disk.c (the disk of the source's WAL), locks.c (a lock on every table), moved.c (what was cut over, or is a part only). Pure. */
#include "checks/checks.h"

typedef void check_fn(const struct survey *s, struct finding *f);

check_fn check_source_ssh, check_target_ssh, check_source_open, check_target_open, check_source_reach, check_target_reach;
check_fn check_source_connect, check_target_connect, check_same_cluster, check_direction, check_target_leader, check_target_route,
	check_source_pooler, check_target_pooler, check_source_connections, check_target_connections, check_source_expiry,
	check_target_expiry, check_skew, check_source_unseen;
check_fn check_tools, check_tools_newer, check_compress, check_target_empty, check_createdb, check_locale, check_roles, check_extensions,
	check_superuser_objects, check_tablespaces, check_target_settings, check_readable, check_row_security, check_source_standby,
	check_invalid, check_removed, check_prepared, check_foreign, check_publications, check_collations, check_matviews, check_disk,
	check_schemas;
check_fn check_wal_level, check_slots, check_senders, check_walsender, check_from_target, check_may_subscribe, check_workers, check_identity,
	check_equality, check_writers, check_slot_prepared, check_wal_kept, check_sync_names, check_publish_rights, check_sub_role,
	check_not_carried, check_failover, check_triggers, check_plugin, check_primary, check_names_free, check_adopt, check_moved, check_partly, check_chosen, check_left_out, check_partitions,
	check_way_back, check_adopt_offer, check_wal_disk;
check_fn check_truncate, check_target_others;
check_fn check_source_locks, check_target_locks;

/* The servers say that a cutover has begun or is over (moved.c): the target may be in use. */
bool moved_already(const struct survey *s);
bool moved_back(const struct survey *s); /* it was cut over and rolled back: the source is the primary, finalize is next */
/* Sets verdict and title at once. */
void finding_is(struct finding *f, enum verdict v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Objects of a kind go into f->names ("name (detail)"); how many. */
size_t finding_objects(struct finding *f, const struct facts *facts, const char *kind);

#endif
