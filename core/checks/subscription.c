/* Checks of what logical replication needs on both sides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks/groups.h"
#include "checks/probes.h"
#include "pg/choice.h"
#include "pg/logical.h"

#define SRC(s) ((s)->facts[SIDE_SOURCE])
#define DST(s) ((s)->facts[SIDE_TARGET])
#define UNLOGGED_SHOWN 6
#define LONG_S 10     /* a transaction that has written for so long is worth a word */
#define KEEP_MB 4096  /* less WAL kept than this is soon used up by a copy that takes a while */

static int64_t setting(const struct facts *f, const char *name, int64_t otherwise)
{
	const struct fact_setting *s = facts_setting(f, name);

	return s ? atoll(s->value) : otherwise;
}

static const char *setting_text(const struct facts *f, const char *name)
{
	const struct fact_setting *s = facts_setting(f, name);

	return s ? s->value : "";
}

/* Left by an attempt of ours that can be taken up again. */
static bool ours(const struct survey *s, const char *kind, const char *name)
{
	char *id = xasprintf("%s:%s", kind, name);
	const struct model_item *it = s->unfinished ? model_find(&s->unfinished->left, id) : NULL;

	free(id);
	return it != NULL;
}

void check_wal_level(const struct survey *s, struct finding *f)
{
	const struct fact_setting *w = SRC(s) ? facts_setting(SRC(s), "wal_level") : NULL;

	finding_is(f, VERDICT_OK, "the source writes what logical replication needs");
	if (!w || str_eq(w->value, "logical"))
		return;
	finding_is(f, VERDICT_BLOCK, "the source's wal_level is %s", w->value);
	finding_print(&f->found, "wal_level = %s%s", w->value, w->pending_restart ? "; another value waits for a restart" : "");
	finding_print(&f->needed, "logical");
	finding_print(&f->why, "without it the WAL does not hold whole rows; a reload does not change it");
	if (w->pending_restart) {
		finding_print(&f->fix, "restart the source, then check again");
		return;
	}
	finding_print(&f->fix, "set it (the configuration is read again at once), then restart the source, which interrupts its sessions (Patroni: patronictl edit-config, then restart); and check again");
	f->fix_sql = xstrdup("ALTER SYSTEM SET wal_level = 'logical'");
	f->fix_side = SIDE_SOURCE;
}

static void room(struct finding *f, const char *what, const char *name, int used, int64_t of, int want)
{
	finding_is(f, VERDICT_OK, "%s are free on the source", what);
	finding_print(&f->found, "%d of %lld in use", used, (long long)of);
	if (of - used >= want)
		return;
	finding_is(f, VERDICT_BLOCK, "too few %s are free on the source", what);
	finding_print(&f->needed, "%d more", want);
	finding_print(&f->why, "the subscription takes one%s", want > 1 ? ", and the server's own copy some more" : "");
	finding_print(&f->fix, "raise %s and restart the source, or remove what nobody uses (an inactive slot holds WAL, too)", name);
}

static int streams(const struct survey *s)
{
	return s->m->sub.copy == COPY_NATIVE && DST(s) ? 1 + (int)setting(DST(s), "max_sync_workers_per_subscription", 2) : 1;
}

void check_slots(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);
	int have = s->unfinished && ours(s, "slot", s->m->sub.slot) ? 1 : 0;

	if (a)
		room(f, "replication slots", "max_replication_slots", a->slots - have, setting(a, "max_replication_slots", 10), streams(s));
}

void check_senders(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	if (a)
		room(f, "WAL senders", "max_wal_senders", a->walsenders, setting(a, "max_wal_senders", 10), streams(s) + 1);
}

/* Of what was to be tried that says nothing. */
static void was_cut(struct finding *f, const char *title, const struct err *why)
{
	bool cut = why->code == ERR_LOST || why->code == ERR_TIMEOUT;

	finding_is(f, VERDICT_BLOCK, "%s", title);
	finding_print(&f->found, "%s%s", cut ? "the probe itself was cut: " : "the probe could not be made: ", why->msg);
	finding_print(&f->why, "the probe goes over a session of pgusher's own; when that breaks, nothing is known of what it was to try");
	finding_print(&f->fix, "%s; then ask again: r in the wizard, or pgusher check", err_next(why));
}

void check_walsender(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "a replication connection to the source can be had");
	if (!s->probed || s->walsender.code == ERR_OK)
		return;
	if (s->walsender.code == ERR_LOST || s->walsender.code == ERR_TIMEOUT) {
		was_cut(f, "whether a replication connection to the source can be had is not known", &s->walsender);
		return;
	}
	finding_is(f, VERDICT_BLOCK, "no replication connection to the source");
	finding_print(&f->found, "%s", s->walsender.msg);
	finding_print(&f->needed, "REPLICATION or superuser for %s, and a line of pg_hba.conf for the database (not the word replication)", SRC(s)->role);
	finding_print(&f->why, "the slot is created over such a connection, because only so it exports its snapshot");
	if (!SRC(s)->super && !SRC(s)->replication) {
		struct str sql = {0};
		str_add(&sql, "ALTER ROLE ");
		sql_ident(&sql, SRC(s)->role);
		str_add(&sql, " REPLICATION");
		finding_print(&f->fix, "as a superuser of the source: %s", str_text(&sql));
		str_fini(&sql);
	} else {
		finding_print(&f->fix, "%s", s->walsender.hint[0] ? s->walsender.hint : "look at pg_hba.conf of the source; a pooler cannot pass such a connection on");
	}
}

void check_from_target(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "the target reaches the source");
	if (s->probed && DST(s)->may_subscribe)
		finding_print(&f->found, "tried from the target's present leader%s; other nodes of it were not tried", s->m->sub.role ? "" :
			      ", with our login (the subscription's own role does not exist yet)");
	if (!s->probed || s->from_target.code == ERR_OK)
		return;
	const char *host = s->m->sub.source_host ? s->m->sub.source_host : s->m->end[SIDE_SOURCE].host;
	if (probe_cut(&s->from_target)) {
		was_cut(f, "whether the target reaches the source could not be tried", &s->from_target);
		return;
	}
	finding_is(f, VERDICT_BLOCK, "the target does not reach the source");
	finding_print(&f->found, "%s", s->from_target.msg);
	finding_print(&f->needed, "the target itself logs in to the source, at %s", host ? host : "[subscription] source_host");
	finding_print(&f->why, "the subscription's connection is made by the target server, not by this host");
	finding_print(&f->fix, "name the address that the target knows in [subscription] source_host; on the source allow it (listen_addresses, firewall, pg_hba.conf: "
		      "host %s %s <address of each node of the target>/32 scram-sha-256)", s->m->end[SIDE_SOURCE].dbname, s->m->sub.role ? s->m->sub.role : s->m->sub.name);
}

void check_may_subscribe(const struct survey *s, struct finding *f)
{
	const struct facts *t = DST(s);

	finding_is(f, VERDICT_OK, "our role may create a subscription on the target");
	if (!t || t->super || t->may_subscribe)
		return;
	finding_is(f, VERDICT_BLOCK, "our role may not create a subscription on the target");
	finding_print(&f->needed, t->version_num >= 160000 ? "pg_create_subscription and CREATE on the database, or superuser" : "superuser");
	if (t->version_num >= 160000)
		finding_print(&f->fix, "as a superuser of the target: GRANT pg_create_subscription TO \"%s\"", t->role);
	else
		finding_print(&f->fix, "log in to the target as a superuser");
}

void check_workers(const struct survey *s, struct finding *f)
{
	const struct facts *t = DST(s);
	char w[48], o[48];

	finding_is(f, VERDICT_OK, "workers and origins are free on the target");
	if (!t)
		return;
	const char *name = t->version_num >= 180000 ? "max_active_replication_origins" : "max_replication_slots";
	int64_t workers = setting(t, "max_logical_replication_workers", 4) - t->logical_workers, origins = setting(t, name, 10) - t->origins;
	int want = streams(s), have = ours(s, "subscription", s->m->sub.name) ? want : 0;
	finding_print(&f->found, "%s, %s", fmt_things(w, sizeof w, workers, "worker"), fmt_things(o, sizeof o, origins, "origin"));
	if (workers + have >= want && origins + have >= want)
		return;
	finding_is(f, VERDICT_BLOCK, "too few %s are free on the target", workers + have < want ? "replication workers" : "replication origins");
	finding_print(&f->needed, "%d", want);
	finding_print(&f->why, "without a worker the subscription stands still, without an error");
	finding_print(&f->fix, "raise %s and restart the target", workers + have < want ? "max_logical_replication_workers" : name);
}

/* Whether an object is about a table that will be published. */
static bool carried(const struct survey *s, const struct fact_object *o)
{
	const struct fact_table *t = facts_table(SRC(s), o->oid);

	return t && subscription_carries(s->m, t);
}

/* finding_objects, for those of them. */
static size_t carried_objects(const struct survey *s, struct finding *f, const char *kind)
{
	size_t n = 0;

	for (size_t i = 0; i < SRC(s)->n_objects; i++) {
		const struct fact_object *o = &SRC(s)->objects[i];
		if (!str_eq(o->kind, kind) || !carried(s, o))
			continue;
		n++;
		strv_addf(&f->names, str_empty(o->detail) ? "%s" : "%s (%s)", o->name, o->detail ? o->detail : "");
	}
	return n;
}

void check_identity(const struct survey *s, struct finding *f)
{
	struct str sql = {0}, undo = {0};
	size_t n = 0, full = 0;

	finding_is(f, VERDICT_OK, "every table has a replica identity");
	if (!SRC(s))
		return;
	for (size_t i = 0; i < SRC(s)->n_objects; i++) {
		const struct fact_object *o = &SRC(s)->objects[i];
		if (!str_eq(o->kind, "no replica identity") || !carried(s, o))
			continue;
		strv_add(&f->names, o->name);
		str_addf(&sql, "%sALTER TABLE %s REPLICA IDENTITY ", n++ ? ";\n" : "SET lock_timeout = '" LOCK_BRIEFLY "';\n", o->name);
		str_addf(&sql, o->detail ? "USING INDEX %s" : "FULL", o->detail ? o->detail : "");
		str_addf(&undo, "%sALTER TABLE %s REPLICA IDENTITY DEFAULT", n > 1 ? ";\n" : "", o->name);
		full += !o->detail;
	}
	if (n == 0)
		return;
	finding_is(f, VERDICT_BLOCK, "%zu table%s no replica identity", n, n == 1 ? " has" : "s have");
	finding_print(&f->why, "once published, every UPDATE and DELETE on them fails on the source: your application's, at once");
	finding_print(&f->needed, "a primary key that is not deferrable, a unique index of columns that are NOT NULL, or FULL");
	finding_print(&f->fix, "give them one; nobody waits longer than " LOCK_BRIEFLY " behind a table's lock%s", full == 0 ? "" :
		      "; those without a fitting index get FULL: each UPDATE and DELETE then sends the whole old row, and the target searches for it");
	f->fix_sql = str_take(&sql);
	f->fix_undo = str_take(&undo);
	f->fix_side = SIDE_SOURCE;
}

void check_equality(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "rows can be found again on the target");
	if (!SRC(s) || carried_objects(s, f, "full without equality") == 0)
		return;
	finding_is(f, VERDICT_BLOCK, "tables with REPLICA IDENTITY FULL have columns that cannot be compared");
	finding_print(&f->why, "the target finds a row by comparing all columns; for these types there is no equality, and its first UPDATE or DELETE stops replication");
	finding_print(&f->fix, "give them a primary key, or a unique index with REPLICA IDENTITY USING INDEX; or change json to jsonb");
}

void check_writers(const struct survey *s, struct finding *f)
{
	int64_t longest = 0;

	finding_is(f, VERDICT_OK, "no transaction has been writing for long");
	for (size_t i = 0; SRC(s) && i < SRC(s)->n_objects; i++)
		if (str_eq(SRC(s)->objects[i].kind, "writing transaction") && SRC(s)->objects[i].bytes > longest)
			longest = SRC(s)->objects[i].bytes;
	if (longest < LONG_S)
		return;
	(void)finding_objects(f, SRC(s), "writing transaction");
	finding_is(f, VERDICT_WARN, "a transaction on the source has been writing for %lld s", (long long)longest);
	finding_print(&f->why, "the slot can only be made when every transaction that writes now, in any database of the server, has ended");
	finding_print(&f->fix, "wait for it, or end it (pg_terminate_backend), or accept: the run waits, and says for whom");
}

void check_slot_prepared(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "no prepared transaction is in the slot's way");
	if (!SRC(s) || finding_objects(f, SRC(s), "prepared anywhere") == 0)
		return;
	finding_is(f, VERDICT_BLOCK, "prepared transactions are open on the source's server");
	finding_print(&f->why, "the slot waits for them, in whatever database they are, and nobody ends them by accident");
	finding_print(&f->fix, "COMMIT PREPARED or ROLLBACK PREPARED each of them");
}

void check_wal_kept(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "the source keeps WAL for the slot as long as it takes");
	if (!a)
		return;
	int64_t keep = setting(a, "max_slot_wal_keep_size", -1), idle = setting(a, "idle_replication_slot_timeout", 0);
	if (idle > 0) {
		finding_is(f, VERDICT_BLOCK, "the source drops slots that are idle");
		finding_print(&f->found, "idle_replication_slot_timeout = %lld s", (long long)idle);
		finding_print(&f->why, "while the copy runs nobody reads from the slot");
		finding_print(&f->fix, "set it to 0 until the migration is over (a reload does)");
		f->fix_sql = xstrdup("ALTER SYSTEM SET idle_replication_slot_timeout = 0");
		f->fix_side = SIDE_SOURCE;
	} else if (keep >= 0 && keep < KEEP_MB) {
		finding_is(f, VERDICT_WARN, "the source keeps only %lld MB of WAL for a slot", (long long)keep);
		finding_print(&f->found, "max_slot_wal_keep_size = %lldMB", (long long)keep);
		finding_print(&f->why, "when more is written during the copy the slot is lost, and everything begins anew");
		finding_print(&f->fix, "raise it, with an eye on the disk (a reload does); -1 has no limit");
	}
}

void check_sync_names(const struct survey *s, struct finding *f)
{
	const char *names = SRC(s) ? setting_text(SRC(s), "synchronous_standby_names") : "";

	finding_is(f, VERDICT_OK, "the subscription is no synchronous standby of the source");
	if (!strchr(names, '*'))
		return;
	finding_is(f, VERDICT_BLOCK, "any client of the source's WAL counts as a synchronous standby");
	finding_print(&f->found, "synchronous_standby_names = %s", names);
	finding_print(&f->why, "the subscription would be one: commits of the application would wait for the target");
	finding_print(&f->fix, "name the standbys one by one");
}

void check_publish_rights(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "our role may publish the tables");
	if (!a || a->super)
		return;
	if (s->m->sub.all_tables) {
		finding_is(f, VERDICT_BLOCK, "only a superuser may publish all tables");
		finding_print(&f->fix, "log in to the source as a superuser, or leave [subscription] all_tables out: then all that there are now are published by name");
	} else if (!a->db_may_create) {
		finding_is(f, VERDICT_BLOCK, "our role may not create a publication");
		finding_print(&f->needed, "CREATE on the database");
		finding_print(&f->fix, "as its owner: GRANT CREATE ON DATABASE \"%s\" TO \"%s\"", s->m->end[SIDE_SOURCE].dbname, a->role);
	} else if (carried_objects(s, f, "foreign owner") > 0) {
		finding_is(f, VERDICT_BLOCK, "our role does not own all tables");
		finding_print(&f->why, "only a table's owner may publish it");
		finding_print(&f->fix, "log in as the owner, or as a superuser; or make our role a member of the owners");
	}
}

void check_sub_role(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);

	finding_is(f, VERDICT_OK, "the subscription has a role to log in with");
	if (!a)
		return;
	if (!s->m->sub.role) {
		if (a->super || (a->createrole && a->replication && a->version_num >= 160000))
			return;
		finding_is(f, VERDICT_BLOCK, "our role may not make one for the subscription");
		finding_print(&f->needed, a->version_num >= 160000 ? "superuser, or CREATEROLE together with REPLICATION" : "superuser");
		finding_print(&f->fix, "let somebody make one with LOGIN and REPLICATION, and name it in [subscription] role");
		return;
	}
	const struct fact_role *r = facts_role(a, s->m->sub.role);
	if (r && r->login && (r->replication || r->super))
		return;
	struct str sql = {0};
	str_add(&sql, "ALTER ROLE ");
	sql_ident(&sql, s->m->sub.role);
	str_add(&sql, " LOGIN REPLICATION");
	finding_is(f, VERDICT_BLOCK, r ? "the role %s cannot replicate" : "there is no role %s on the source", s->m->sub.role);
	finding_print(&f->needed, "LOGIN and REPLICATION, or superuser: CONNECT and SELECT alone are not enough");
	finding_print(&f->fix, r ? "give it both" : "create it, or leave [subscription] role out");
	if (r)
		f->fix_sql = xstrdup(str_text(&sql));
	f->fix_side = SIDE_SOURCE;
	str_fini(&sql);
}

void check_chosen(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, choice_made(s->m) ? "the chosen tables exist" : "all tables are followed");
	if (!SRC(s))
		return;
	choice_unknown(s->m, SRC(s), &f->names);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_BLOCK, "what was chosen does not exist on the source");
	finding_print(&f->fix, "correct [subscription] tables and schemas; names are exact, upper and lower case matter");
}

void check_left_out(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "nothing that is followed hangs on a table that is not");
	if (!SRC(s))
		return;
	size_t keys = carried_objects(s, f, "key to left out"), views = finding_objects(f, SRC(s), "view of left out");
	if (keys + views == 0)
		return;
	finding_is(f, VERDICT_WARN, "%zu foreign key%s and %zu view%s need tables that were not chosen", keys, keys == 1 ? "" : "s", views, views == 1 ? "" : "s");
	finding_print(&f->why, "they cannot be made on the target, where those tables are not");
	finding_print(&f->fix, "choose these tables as well, or accept%s", keys ? ": the keys are named again when the rest has been made" : "");
}

/* A partitioned table whose rows lie elsewhere on the target can only be followed through its parent. */
void check_partitions(const struct survey *s, struct finding *f)
{
	struct migration plain;

	finding_is(f, VERDICT_OK, "rows find their partitions on the target");
	if (!SRC(s) || SRC(s)->version_num >= 130000 || !subscription_via_root(s->m, SRC(s)))
		return;
	plain = *s->m; /* only looked at */
	plain.sub.via_root = false;
	bool needed = subscription_via_root(&plain, SRC(s));
	for (size_t i = 0; i < SRC(s)->n_tables && needed; i++)
		if (SRC(s)->tables[i].scattered && !SRC(s)->tables[i].left_out)
			strv_addf(&f->names, "%s.%s", SRC(s)->tables[i].schema, SRC(s)->tables[i].name);
	finding_is(f, VERDICT_BLOCK, needed ? "tables are partitioned by the hash of an enum" : "the source cannot send partitions as their parent");
	finding_print(&f->why, needed ? "that hash is another on every server, and before 13 changes can only be sent for the partition they were made in: the target refuses them there" :
		      "publish_via_partition_root came with 13");
	finding_print(&f->fix, needed ? "leave these tables out and copy them when the writers have stopped, or use the dump method" : "leave [subscription] via_root out");
}

/* "2 unlogged tables, 8.0 kB: public.a, public.b" */
static size_t name_unlogged(const struct facts *a, struct finding *f)
{
	struct str names = {0};
	int64_t bytes = 0;
	size_t n = 0;
	char size[32];

	for (size_t i = 0; i < a->n_tables; i++) {
		const struct fact_table *t = &a->tables[i];
		if (t->kind != 'r' || t->persistence != 'u' || t->left_out)
			continue;
		if (n++ < UNLOGGED_SHOWN)
			str_addf(&names, "%s%s.%s", n > 1 ? ", " : "", t->schema, t->name);
		bytes += t->heap_bytes;
	}
	if (n > 0)
		strv_addf(&f->names, "%zu unlogged table%s, %s: %s%s", n, n == 1 ? "" : "s", fmt_bytes(size, sizeof size, (double)bytes), str_text(&names), n > UNLOGGED_SHOWN ? " ..." : "");
	str_fini(&names);
	return n;
}

void check_not_carried(const struct survey *s, struct finding *f)
{
	const struct facts *a = SRC(s);
	const struct cutover_options *cut = &s->m->cut;
	size_t views = 0, left_out = 0;
	char size[32], n[48];

	finding_is(f, VERDICT_OK, "everything in the source is carried by replication");
	if (!a)
		return;
	for (size_t i = 0; i < a->n_tables; i++) {
		left_out += a->tables[i].kind == 'r' && !a->tables[i].extension && a->tables[i].left_out;
		views += a->tables[i].kind == 'm';
	}
	if (a->n_sequences > 0)
		strv_add(&f->names, fmt_things(n, sizeof n, a->n_sequences, "sequence"));
	if (a->n_large_objects > 0)
		strv_addf(&f->names, "%s, %s", fmt_things(n, sizeof n, a->n_large_objects, "large object"), fmt_bytes(size, sizeof size, a->large_object_bytes > 0 ? (double)a->large_object_bytes : 0));
	size_t unlogged = name_unlogged(a, f);
	if (left_out > 0)
		strv_addf(&f->names, "%s not chosen, and not made on the target", fmt_things(n, sizeof n, (int64_t)left_out, "table"));
	if (views > 0)
		strv_add(&f->names, fmt_things(n, sizeof n, (int64_t)views, "materialized view"));
	if (f->names.n == 0)
		return;
	finding_is(f, a->n_large_objects > 0 ? VERDICT_WARN : VERDICT_INFO, "not everything is carried by replication");
	finding_print(&f->why, "until the cutover they stay on the target as the copy brought them%s", s->m->sub.copy == COPY_NATIVE ? ", and the server's own copy brings none of their contents" : "");
	finding_print(&f->fix, "the cutover brings over sequences%s%s, while nobody writes%s", a->n_large_objects > 0 && cut->large_objects ? ", large objects" : "",
		      unlogged > 0 && cut->unlogged ? ", rows of unlogged tables" : "",
		      (a->n_large_objects > 0 && !cut->large_objects) || (unlogged > 0 && !cut->unlogged) ? "; what [cutover] leaves out is old on the new primary" :
		      views > 0 && cut->refresh_matviews ? "; views are refreshed after it" : "");
}

void check_failover(const struct survey *s, struct finding *f)
{
	const struct facts *t = DST(s);
	bool standby = false, sync = false;

	finding_is(f, VERDICT_OK, "a failover of the target loses nothing");
	for (size_t i = 0; t && i < t->n_objects; i++) {
		const struct fact_object *o = &t->objects[i];
		standby |= str_eq(o->kind, "standby");
		sync |= str_eq(o->kind, "standby") && (str_eq(o->detail, "sync") || str_eq(o->detail, "quorum"));
	}
	const char *set = s->m->sub.synchronous_commit; /* NULL: turned on by us once the target is level */
	if (!standby || (sync && (!set || (!str_eq(set, "off") && !str_eq(set, "local")))))
		return;
	(void)finding_objects(f, t, "standby");
	finding_is(f, VERDICT_WARN, "a failover of the target can lose rows, unseen");
	finding_print(&f->found, sync ? "[subscription] synchronous_commit = %s" : "standbys, and none is synchronous", set ? set : "");
	finding_print(&f->why, "the target confirms what its standby does not have yet; when that one takes over, the source has thrown those changes away. The watch would see it, not prevent it");
	finding_print(&f->fix, sync ? "leave [subscription] synchronous_commit out: it is turned on once the target is level"
			     : "make one synchronous before the copy: patronictl edit-config --set synchronous_mode=true, else synchronous_standby_names");
}

void check_triggers(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "no trigger fires twice");
	if (!SRC(s) || carried_objects(s, f, "always trigger") == 0)
		return;
	finding_is(f, VERDICT_WARN, "triggers fire on the target as well");
	finding_print(&f->why, "ENABLE ALWAYS and ENABLE REPLICA triggers fire when changes are applied: what they write comes twice, or does harm");
	finding_print(&f->fix, "disable them on the target until the cutover, or accept it when they do no harm twice");
}

void check_primary(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "the source takes writes");
	if (!SRC(s) || !SRC(s)->in_recovery)
		return;
	finding_is(f, VERDICT_BLOCK, "the source is a standby");
	finding_print(&f->why, "publication and role cannot be made on it");
	finding_print(&f->fix, "give the address of the primary");
}

static bool has(const struct facts *f, const char *kind, const char *name)
{
	for (size_t i = 0; f && i < f->n_objects; i++)
		if (str_eq(f->objects[i].kind, kind) && str_eq(f->objects[i].name, name))
			return true;
	return false;
}

void check_names_free(const struct survey *s, struct finding *f)
{
	const struct subscription_options *o = &s->m->sub;

	finding_is(f, VERDICT_OK, "the names of slot, publication and subscription are free");
	if (has(SRC(s), "slot", o->slot) && !ours(s, "slot", o->slot))
		strv_addf(&f->names, "slot %s on the source", o->slot);
	if (has(SRC(s), "publication", o->publication) && !ours(s, "publication", o->publication))
		strv_addf(&f->names, "publication %s on the source", o->publication);
	if (has(DST(s), "subscription anywhere", o->name) && !ours(s, "subscription", o->name))
		strv_addf(&f->names, "subscription %s on the target", o->name);
	if (f->names.n == 0)
		return;
	finding_is(f, VERDICT_BLOCK, "names of this migration are in use");
	finding_print(&f->why, moved_back(s) ? "they are what the rollback left of this migration" : "a subscription of this migration runs already, or somebody else's has these names");
	finding_print(&f->fix, moved_back(s) ? "pgusher finalize removes them; then a migration may begin anew" : "pgusher watch shows how it goes, pgusher cleanup ends it; for another one give other names in [subscription]");
}

/* slot and publications of a subscription that is to be taken over; false: there is no such one */
static bool adopted(const struct survey *s, struct strv *words, bool *enabled)
{
	for (size_t i = 0; DST(s) && i < DST(s)->n_objects; i++) {
		const struct fact_object *o = &DST(s)->objects[i];
		if (!str_eq(o->kind, "subscription here") || !str_eq(o->name, s->m->sub.adopt))
			continue;
		facts_array(words, o->detail);
		*enabled = o->bytes != 0;
		return true;
	}
	return false;
}

static void not_followed(const struct survey *s, struct strv *names)
{
	for (size_t i = 0; i < SRC(s)->n_tables; i++) {
		struct fact_table t = SRC(s)->tables[i]; /* only looked at */
		bool out = t.left_out;
		t.left_out = false;
		if (out && subscription_carries(s->m, &t))
			strv_take(names, choice_text(t.schema, t.name));
	}
}

void check_adopt(const struct survey *s, struct finding *f)
{
	struct strv words = {0};
	bool enabled = false;

	finding_is(f, VERDICT_OK, "the subscription %s is complete", s->m->sub.adopt ? s->m->sub.adopt : "");
	if (!SRC(s) || !DST(s) || !s->m->sub.adopt)
		return;
	if (!adopted(s, &words, &enabled)) {
		(void)finding_objects(f, DST(s), "subscription here");
		finding_is(f, VERDICT_BLOCK, "there is no subscription %s in the target database", s->m->sub.adopt);
		finding_print(&f->found, f->names.n ? "these (slot, publications)" : "none at all");
		finding_print(&f->fix, "correct [subscription] adopt, or the target's dbname");
		return;
	}
	for (size_t i = 0; i < words.n; i++)
		if (!has(SRC(s), i == 0 ? "slot" : "publication here", words.v[i]))
			strv_addf(&f->names, i == 0 ? "slot %s" : "publication %s", words.v[i]);
	if (f->names.n > 0) {
		finding_is(f, VERDICT_BLOCK, "parts of the subscription %s are not on the source", s->m->sub.adopt);
		finding_print(&f->why, "without its slot changes are lost; a publication that is not there is only warned of, and replicates nothing");
		finding_print(&f->fix, "is this the source that the subscription reads from? Else begin again from a copy");
	} else {
		struct strv publications = {0};
		for (size_t i = 1; i < words.n; i++)
			strv_add(&publications, words.v[i]);
		char *list = strv_join(&publications, ", ");
		not_followed(s, &f->names);
		finding_is(f, VERDICT_WARN, "the subscription %s was made by somebody else", s->m->sub.adopt);
		finding_print(&f->found, "slot %s, publication%s %s%s%s", words.n ? words.v[0] : "", words.n > 2 ? "s" : "", list, enabled ? "" : "; it is DISABLED, and its slot fills the source's disk meanwhile",
			      f->names.n ? "; tables of the source that it does not have" : "");
		finding_print(&f->why, "when it was made with copy_data = false on a dump that no slot waited for, rows are missing, and no LSN can tell");
		finding_print(&f->fix, "accept, watch it, and compare with pgusher verify when the writers pause, before anybody relies on the target; a cutover compares every row, and refuses without");
		free(list);
		strv_fini(&publications);
	}
	strv_fini(&words);
}
