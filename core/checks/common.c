/* Checks of the connections, who is at the other end, and whether it is the right one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks/groups.h"

#define SKEW_US INT64_C(5000000)
#define ROOM 2 /* sessions beside the jobs: control and snapshot */

void finding_is(struct finding *f, enum verdict v, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	f->verdict = v;
	xreplace(&f->title, buf);
}

size_t finding_objects(struct finding *f, const struct facts *facts, const char *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < facts->n_objects; i++) {
		const struct fact_object *o = &facts->objects[i];
		if (strcmp(o->kind, kind) != 0)
			continue;
		n++;
		strv_addf(&f->names, str_empty(o->detail) ? "%s" : "%s (%s)", o->name, o->detail ? o->detail : "");
	}
	return n;
}

static void connect_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct facts *facts = s->facts[side];
	const struct err *err = &s->connect[side];

	if (facts) {
		finding_is(f, VERDICT_OK, "%s answers: PostgreSQL %s", side_name(side), facts->version);
		finding_print(&f->found, "as %s%s, %s", facts->role, facts->super ? " (superuser)" : "",
			      facts->ssl ? facts->ssl_version ? facts->ssl_version : "TLS" : "no TLS");
	} else if (s->hop[side].code != ERR_OK) {
		finding_is(f, VERDICT_OK, "the %s waits for its tunnel", side_name(side));
	} else if (err->code != ERR_OK) {
		finding_is(f, VERDICT_BLOCK, "the %s cannot be reached", side_name(side));
		finding_print(&f->found, "%s", err->msg);
		finding_print(&f->fix, "%s", err->hint);
	} else {
		finding_is(f, VERDICT_OK, "the %s takes no part in this", side_name(side));
	}
}

void check_source_connect(const struct survey *s, struct finding *f)
{
	connect_check(s, SIDE_SOURCE, f);
}

void check_target_connect(const struct survey *s, struct finding *f)
{
	connect_check(s, SIDE_TARGET, f);
}

void check_same_cluster(const struct survey *s, struct finding *f)
{
	const struct facts *a = s->facts[SIDE_SOURCE], *b = s->facts[SIDE_TARGET];
	const char *da = s->m->end[SIDE_SOURCE].dbname, *db = s->m->end[SIDE_TARGET].dbname;

	finding_is(f, VERDICT_OK, "source and target are two servers");
	if (!a || !b || !a->system_identifier || !str_eq(a->system_identifier, b->system_identifier))
		return;
	/* a standby has its primary's identifier: whatever the addresses say, it is the same cluster */
	if (str_eq(da, db)) {
		finding_is(f, VERDICT_BLOCK, "source and target are the same database");
		finding_print(&f->found, "both have the system identifier %s, and the database %s", a->system_identifier, da);
		finding_print(&f->why, "a proxy or a virtual address may lead to the same server by two names");
		finding_print(&f->fix, "correct the target's host and port, or choose another database name");
	} else {
		finding_is(f, VERDICT_WARN, "source and target are databases of the same server");
		finding_print(&f->found, "both have the system identifier %s", a->system_identifier);
		finding_print(&f->why, "this copies %s to %s beside it: roles are shared, disk and load too", da, db);
		finding_print(&f->fix, "accept it when that is what you want");
	}
}

void check_direction(const struct survey *s, struct finding *f)
{
	const struct facts *a = s->facts[SIDE_SOURCE], *b = s->facts[SIDE_TARGET];

	finding_is(f, VERDICT_OK, "from an older to a newer version, or the same");
	if (!a || !b || facts_major(b) >= facts_major(a))
		return;
	finding_is(f, VERDICT_WARN, "the target is older than the source: %s to %s", a->version, b->version);
	finding_print(&f->why, "pg_dump writes for its own version or newer; objects of features that the target lacks will fail to restore, and are listed then");
	finding_print(&f->fix, "use a target of major version %d or newer; or accept it, and look at the list after the restore", facts_major(a));
}

void check_target_leader(const struct survey *s, struct finding *f)
{
	const struct facts *t = s->facts[SIDE_TARGET];

	finding_is(f, VERDICT_OK, "the target takes writes");
	if (!t || (!t->in_recovery && !t->read_only))
		return;
	finding_is(f, VERDICT_BLOCK, t->in_recovery ? "the target is a standby" : "the target is read-only");
	finding_print(&f->found, "pg_is_in_recovery() = %s, transaction_read_only = %s", t->in_recovery ? "true" : "false", t->read_only ? "on" : "off");
	finding_print(&f->why, "nothing can be created on it");
	finding_print(&f->fix, t->in_recovery ? "give the leader's address; behind HAProxy the port of the primary; or list all nodes as host = a,b,c"
					      : "set default_transaction_read_only = off for the target, or use another");
}

void check_target_route(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "every connection reaches the same target");
	if (!s->facts[SIDE_TARGET] || !s->target_unstable)
		return;
	strv_copy(&f->names, &s->target_addrs);
	finding_is(f, VERDICT_WARN, "connections to the target reach different servers");
	finding_print(&f->found, "seen");
	finding_print(&f->why, "a balancer that knows no leader sends some sessions to a standby, and the restore breaks midway");
	finding_print(&f->fix, "use the balancer's port for the primary (its health check must ask for the leader), or list all nodes as host = a,b,c");
}

static void pooler_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct facts *t = s->facts[side];

	finding_is(f, VERDICT_OK, "nothing between us and the %s", side_name(side));
	if (!t || !t->pooler)
		return;
	finding_is(f, side == SIDE_SOURCE ? VERDICT_BLOCK : VERDICT_WARN, "a connection pooler stands before the %s", side_name(side));
	finding_print(&f->found, "the server's process is %d, the connection was told another", t->backend_pid);
	finding_print(&f->why, "a snapshot and a session's settings need a session of their own; a pooler gives it to others");
	finding_print(&f->fix, "connect to the server itself, not to the pooler's port");
}

void check_source_pooler(const struct survey *s, struct finding *f)
{
	pooler_check(s, SIDE_SOURCE, f);
}

void check_target_pooler(const struct survey *s, struct finding *f)
{
	pooler_check(s, SIDE_TARGET, f);
}

static void connections_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct facts *t = s->facts[side];
	int jobs = s->m->dump.jobs, want = side == SIDE_SOURCE ? jobs + jobs / 2 + 1 + ROOM : jobs + 1 + ROOM;

	finding_is(f, VERDICT_OK, "enough connections are free on the %s", side_name(side));
	if (!t)
		return;
	int free_slots = t->max_connections - t->connections - (t->super ? 0 : t->reserved_connections);
	bool by_role = t->role_connlimit >= 0 && !t->super && t->role_connlimit < free_slots;
	if (by_role)
		free_slots = t->role_connlimit;
	finding_print(&f->found, "about %d free", free_slots);
	if (free_slots >= want)
		return;
	finding_is(f, free_slots < 1 + ROOM ? VERDICT_BLOCK : VERDICT_WARN, "few connections are free on the %s", side_name(side));
	finding_print(&f->needed, "%d for %d job%s and the proof", want, jobs, jobs == 1 ? "" : "s");
	finding_print(&f->why, "the copy would fail with \"too many clients\", or take them from the application");
	finding_print(&f->fix, by_role ? "raise the role's CONNECTION LIMIT, or use fewer jobs" : "use fewer jobs, close idle sessions, or raise max_connections");
}

void check_source_connections(const struct survey *s, struct finding *f)
{
	connections_check(s, SIDE_SOURCE, f);
}

void check_target_connections(const struct survey *s, struct finding *f)
{
	connections_check(s, SIDE_TARGET, f);
}

static void expiry_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct facts *t = s->facts[side];

	finding_is(f, VERDICT_OK, "the password of our role on the %s does not expire", side_name(side));
	if (!t || str_empty(t->role_valid_until) || str_eq(t->role_valid_until, "infinity"))
		return;
	finding_is(f, VERDICT_INFO, "the password of %s on the %s has an end", t->role, side_name(side));
	finding_print(&f->found, "valid until %s", t->role_valid_until);
	finding_print(&f->why, "after it, no new session can be opened, in the middle of a copy too");
	finding_print(&f->fix, "ALTER ROLE ... VALID UNTIL, when that is within the migration");
}

void check_source_expiry(const struct survey *s, struct finding *f)
{
	expiry_check(s, SIDE_SOURCE, f);
}

void check_target_expiry(const struct survey *s, struct finding *f)
{
	expiry_check(s, SIDE_TARGET, f);
}

void check_skew(const struct survey *s, struct finding *f)
{
	const struct facts *a = s->facts[SIDE_SOURCE], *b = s->facts[SIDE_TARGET];
	int64_t d = a && b ? a->clock_skew_us - b->clock_skew_us : 0;

	finding_is(f, VERDICT_OK, "the clocks agree");
	if (d < SKEW_US && d > -SKEW_US)
		return;
	finding_is(f, VERDICT_INFO, "the clocks of source and target differ by %.1f s", (double)(d < 0 ? -d : d) / 1e6);
	finding_print(&f->why, "times in both logs cannot be compared directly");
	finding_print(&f->fix, "check NTP on both");
}

void check_source_unseen(const struct survey *s, struct finding *f)
{
	const struct facts *a = s->facts[SIDE_SOURCE];

	finding_is(f, VERDICT_OK, "the catalogue could be read in full");
	if (!a || a->unseen.n == 0)
		return;
	strv_copy(&f->names, &a->unseen);
	finding_is(f, VERDICT_INFO, "parts of the source's catalogue could not be read");
	finding_print(&f->why, "checks that need them could not look");
	finding_print(&f->fix, "use a role with more rights (pg_monitor, or a superuser) if they matter");
}
