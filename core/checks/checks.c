#include "checks/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks/groups.h"

#define NAMES_SHOWN 12

#define COPIES (1u << METHOD_DUMP | 1u << METHOD_TUNNEL)
#define FOLLOWS (1u << METHOD_SUBSCRIPTION)
#define ADOPTED 3 /* no method: a subscription that is there already wants other checks than one that is to be made */
#define DUMPS (COPIES | FOLLOWS)

static const struct check all[] = {
	{"source.ssh", NEEDS_SOURCE, ~0u, check_source_ssh},
	{"target.ssh", NEEDS_TARGET, ~0u, check_target_ssh},
	{"source.open", NEEDS_SOURCE, ~0u, check_source_open},
	{"target.open", NEEDS_TARGET, ~0u, check_target_open},
	{"source.connect", NEEDS_SOURCE, ~0u, check_source_connect},
	{"target.connect", NEEDS_TARGET, ~0u, check_target_connect},
	{"same.cluster", NEEDS_SOURCE | NEEDS_TARGET, ~0u, check_same_cluster},
	{"version.direction", NEEDS_SOURCE | NEEDS_TARGET, ~0u, check_direction},
	{"target.leader", NEEDS_TARGET, ~0u, check_target_leader},
	{"target.route", NEEDS_ROUTE, ~0u, check_target_route},
	{"source.pooler", NEEDS_SOURCE, ~0u, check_source_pooler},
	{"target.pooler", NEEDS_TARGET, ~0u, check_target_pooler},
	{"source.slots", NEEDS_SOURCE, ~0u, check_source_connections},
	{"target.slots", NEEDS_TARGET, ~0u, check_target_connections},
	{"source.locks", NEEDS_SOURCE, ~0u, check_source_locks},
	{"target.locks", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS | 1u << ADOPTED, check_target_locks},
	{"source.expiry", NEEDS_SOURCE, ~0u, check_source_expiry},
	{"target.expiry", NEEDS_TARGET, ~0u, check_target_expiry},
	{"clock.skew", NEEDS_SOURCE | NEEDS_TARGET, ~0u, check_skew},
	{"source.unseen", NEEDS_SOURCE, ~0u, check_source_unseen},
	{"tools", NEEDS_TOOLS, DUMPS, check_tools},
	{"source.tools", NEEDS_TOOLS, DUMPS, check_source_reach},
	{"target.tools", NEEDS_TOOLS, DUMPS, check_target_reach},
	{"tools.newer", NEEDS_TOOLS, DUMPS, check_tools_newer},
	{"compress", NEEDS_TOOLS, DUMPS, check_compress},
	{"moved", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS | 1u << ADOPTED, check_moved},
	{"source.partly", NEEDS_SOURCE | NEEDS_TARGET, 1u << ADOPTED, check_partly},
	{"target.empty", NEEDS_SOURCE | NEEDS_TARGET, DUMPS, check_target_empty},
	{"target.createdb", NEEDS_TARGET, DUMPS, check_createdb},
	{"target.locale", NEEDS_SOURCE | NEEDS_TARGET, DUMPS, check_locale},
	{"target.roles", NEEDS_SOURCE | NEEDS_TARGET, DUMPS, check_roles},
	{"target.extensions", NEEDS_SOURCE | NEEDS_TARGET, DUMPS, check_extensions},
	{"target.languages", NEEDS_SOURCE | NEEDS_TARGET, DUMPS, check_superuser_objects},
	{"target.tablespaces", NEEDS_SOURCE | NEEDS_TARGET, DUMPS, check_tablespaces},
	{"target.settings", NEEDS_TARGET, DUMPS, check_target_settings},
	{"source.readable", NEEDS_SOURCE, DUMPS, check_readable},
	{"source.rowsecurity", NEEDS_SOURCE, DUMPS, check_row_security},
	{"source.standby", NEEDS_SOURCE, COPIES, check_source_standby},
	{"source.invalid", NEEDS_SOURCE, DUMPS, check_invalid},
	{"source.removed", NEEDS_SOURCE | NEEDS_TARGET, DUMPS, check_removed},
	{"source.prepared", NEEDS_SOURCE, COPIES, check_prepared},
	{"source.foreign", NEEDS_SOURCE, DUMPS, check_foreign},
	{"source.replication", NEEDS_SOURCE, COPIES, check_publications},
	{"source.collations", NEEDS_SOURCE, DUMPS, check_collations},
	{"source.matviews", NEEDS_SOURCE, DUMPS, check_matviews},
	{"dump.disk", NEEDS_SOURCE | NEEDS_DISK, DUMPS, check_disk},
	{"schemas", NEEDS_SOURCE, DUMPS, check_schemas},
	{"adopt", NEEDS_SOURCE | NEEDS_TARGET, 1u << ADOPTED, check_adopt},
	{"adopt.offer", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS, check_adopt_offer},
	{"source.primary", NEEDS_SOURCE, FOLLOWS, check_primary},
	{"names", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS, check_names_free},
	{"source.chosen", NEEDS_SOURCE, FOLLOWS, check_chosen},
	{"source.leftout", NEEDS_SOURCE, FOLLOWS, check_left_out},
	{"source.partitions", NEEDS_SOURCE, FOLLOWS, check_partitions},
	{"source.wal_level", NEEDS_SOURCE, FOLLOWS, check_wal_level},
	{"source.replslots", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS, check_slots},
	{"source.senders", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS, check_senders},
	{"source.walsender", NEEDS_TOOLS, FOLLOWS, check_walsender},
	{"source.subrole", NEEDS_SOURCE, FOLLOWS, check_sub_role},
	{"source.publish", NEEDS_SOURCE, FOLLOWS, check_publish_rights},
	{"source.identity", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS | 1u << ADOPTED, check_identity},
	{"source.equality", NEEDS_SOURCE | NEEDS_TARGET, FOLLOWS | 1u << ADOPTED, check_equality},
	{"source.writers", NEEDS_SOURCE, FOLLOWS, check_writers},
	{"slot.prepared", NEEDS_SOURCE, FOLLOWS, check_slot_prepared},
	{"slot.kept", NEEDS_SOURCE, FOLLOWS | 1u << ADOPTED, check_wal_kept},
	{"slot.disk", NEEDS_TOOLS, FOLLOWS | 1u << ADOPTED, check_wal_disk},
	{"source.syncnames", NEEDS_SOURCE, FOLLOWS, check_sync_names},
	{"source.plugin", NEEDS_SOURCE, FOLLOWS, check_plugin},
	{"source.uncarried", NEEDS_SOURCE, FOLLOWS, check_not_carried},
	{"source.triggers", NEEDS_SOURCE, FOLLOWS, check_triggers},
	{"source.truncate", NEEDS_SOURCE, FOLLOWS | 1u << ADOPTED, check_truncate},
	{"target.others", NEEDS_TARGET, FOLLOWS | 1u << ADOPTED, check_target_others},
	{"target.subscribe", NEEDS_TARGET, FOLLOWS, check_may_subscribe},
	{"target.workers", NEEDS_TARGET, FOLLOWS, check_workers},
	{"target.reaches", NEEDS_TOOLS, FOLLOWS, check_from_target},
	{"target.wayback", NEEDS_TOOLS, FOLLOWS | 1u << ADOPTED, check_way_back},
	{"target.failover", NEEDS_TARGET, FOLLOWS | 1u << ADOPTED, check_failover},
};

unsigned checks_bit(const struct migration *m)
{
	return 1u << (m->method == METHOD_SUBSCRIPTION && m->sub.adopt ? ADOPTED : (int)m->method);
}

const struct check *checks_all(size_t *n)
{
	*n = sizeof all / sizeof *all;
	return all;
}

void finding_print(char **slot, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	xreplace(slot, buf);
}

/* A check may leave its title out when all is well: the id's words do. */
void check_run(const struct check *c, const struct survey *s, struct finding *f)
{
	*f = (struct finding){.verdict = VERDICT_OK};
	(void)snprintf(f->id, sizeof f->id, "%s", c->id);
	c->run(s, f);
	if (!f->title)
		finding_print(&f->title, "%s", c->id);
}

void finding_fini(struct finding *f)
{
	char *text[] = {f->title, f->found, f->needed, f->why, f->fix, f->fix_sql, f->fix_undo, f->fix_confirm};

	for (size_t i = 0; i < sizeof text / sizeof *text; i++)
		free(text[i]);
	strv_fini(&f->names);
	*f = (struct finding){0};
}

struct event *finding_event(const struct finding *f)
{
	struct event *e = event_new(EV_FINDING, f->id);
	struct str s = {0};

	e->verdict = f->verdict;
	xreplace(&e->title, f->title);
	str_add(&s, f->found ? f->found : "");
	for (size_t i = 0; i < f->names.n && i < NAMES_SHOWN; i++)
		str_addf(&s, "%s%s", i ? ", " : s.len ? ": " : "", f->names.v[i]);
	if (f->names.n > NAMES_SHOWN)
		str_addf(&s, " and %zu more", f->names.n - NAMES_SHOWN);
	if (s.len)
		e->text = str_take(&s);
	str_fini(&s);
	xreplace(&e->needed, f->needed);
	xreplace(&e->why, f->why);
	xreplace(&e->hint, f->fix);
	xreplace(&e->sql, f->fix_sql);
	e->n = f->fix_sql ? 1 + (int)f->fix_side : 0;
	return e;
}
