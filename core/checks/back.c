/* Whether a reverse link could be made at the cutover: said before the copy, when there is time to do something about it. */
#include <stdlib.h>

#include "checks/groups.h"
#include "checks/probes.h"

static int64_t setting(const struct facts *f, const char *name, int64_t otherwise)
{
	const struct fact_setting *s = facts_setting(f, name);

	return s ? atoll(s->value) : otherwise;
}

/* As the next one to be written to, the target must be able to send. */
static void target_lacks(const struct survey *s, const struct facts *t, struct strv *names)
{
	const struct fact_setting *w = facts_setting(t, "wal_level");
	const char *role = s->m->sub.role;
	const struct fact_role *r = role ? facts_role(t, role) : NULL;

	if (w && !str_eq(w->value, "logical"))
		strv_addf(names, "wal_level of the target is %s, not logical%s", w->value, w->pending_restart ? " (another value waits for a restart)" : "");
	if (setting(t, "max_replication_slots", 10) - t->slots < 1)
		strv_addf(names, "no replication slot is free on the target (max_replication_slots)");
	if (setting(t, "max_wal_senders", 10) - t->walsenders < 1)
		strv_addf(names, "no WAL sender is free on the target (max_wal_senders)");
	if (role && !(r && r->login && (r->replication || r->super)))
		strv_addf(names, "the role %s ([subscription] role) is not on the target with LOGIN and REPLICATION", role);
	if (!role && !t->super && !(t->createrole && t->replication && t->version_num >= 160000))
		strv_addf(names, "our role may not make one with REPLICATION on the target");
}

static void source_lacks(const struct survey *s, const struct facts *a, struct strv *names)
{
	const char *origins = a->version_num >= 180000 ? "max_active_replication_origins" : "max_replication_slots";

	if (!a->may_subscribe)
		strv_addf(names, "our role may not create a subscription on the source");
	if (setting(a, "max_logical_replication_workers", 4) - a->logical_workers < 1)
		strv_addf(names, "no replication worker is free on the source (max_logical_replication_workers)");
	if (setting(a, origins, 10) - a->origins < 1)
		strv_addf(names, "no replication origin is free on the source (%s)", origins);
	if (s->probed && probe_cut(&s->from_source))
		strv_addf(names, "whether the source reaches the target could not be tried: the probe itself was cut: %s; ask again: r in the wizard, or pgusher check", s->from_source.msg);
	else if (s->probed && s->from_source.code != ERR_OK)
		strv_addf(names, "the source does not reach the target: %s", s->from_source.msg);
}

void check_way_back(const struct survey *s, struct finding *f)
{
	const struct facts *a = s->facts[SIDE_SOURCE], *t = s->facts[SIDE_TARGET];

	if (!s->m->cut.reverse) {
		finding_is(f, VERDICT_OK, "no reverse link is asked for");
		return;
	}
	finding_is(f, VERDICT_OK, "a reverse link can be made at the cutover");
	if (!a || !t)
		return;
	target_lacks(s, t, &f->names);
	source_lacks(s, a, &f->names);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_WARN, "no reverse link could be made at the cutover");
	finding_print(&f->needed, "what is named, until the cutover: the old source then follows the target");
	finding_print(&f->why, "without it there is no way back that loses nothing: what is written on the target after the cutover is on the target alone. A cutover would stop before anybody waits");
	finding_print(&f->fix, "mend what is named (wal_level, slots and senders want a restart of the target: now, while nobody uses it; the address of the target as the source knows it is "
		      "[subscription] target_host and target_port), or do without: [cutover] reverse = no");
}
