#include "method/subscription.h"

#include <stdlib.h>
#include <string.h>

#include "method/keys.h"
#include "method/replication.h"
#include "method/work.h"

/* ---- texts ---- */

const char *subscription_snapshot_word(const struct migration *m, int v)
{
	bool native = m->sub.copy == COPY_NATIVE;

	if (v >= 150000)
		return native ? "(SNAPSHOT 'nothing')" : "(SNAPSHOT 'export')";
	return native ? "NOEXPORT_SNAPSHOT" : "EXPORT_SNAPSHOT";
}

/* From 16 on rows are written as the table's owner, whom its own policies would stop for good; before, as the subscription's owner. */
static bool has_forced_security(const struct facts *src)
{
	for (size_t i = 0; src && i < src->n_objects; i++)
		if (str_eq(src->objects[i].kind, "forced row security"))
			return true;
	return false;
}

/*
 * Options by version. disable_on_error stays off: it would disable the subscription for good when the source restarts, and the
 * slot would then fill the source's disk. binary stays off: it fails across majors.
 */
char *subscription_sql(const struct migration *m, const struct link *l, const struct facts *src, const struct facts *dst, const char *conninfo)
{
	const struct subscription_options *o = &m->sub;
	int from = src ? src->version_num : 0, v = dst->version_num;
	bool native = o->copy == COPY_NATIVE && !l->back;
	const char *streaming = o->streaming ? o->streaming : v >= 160000 ? "parallel" : "on";
	struct str s = {0};

	str_add(&s, "CREATE SUBSCRIPTION ");
	sql_ident(&s, l->subscription);
	str_add(&s, " CONNECTION ");
	sql_literal(&s, conninfo);
	str_add(&s, " PUBLICATION ");
	sql_ident(&s, l->publication);
	str_addf(&s, "\n  WITH (slot_name = '%s', create_slot = false, copy_data = %s, enabled = false, synchronous_commit = '%s'",
		 l->slot, native ? "true" : "false", o->synchronous_commit && !l->back ? o->synchronous_commit : "off");
	if (v >= 140000)
		str_addf(&s, ", streaming = '%s'", v < 160000 && str_eq(streaming, "parallel") ? "on" : streaming);
	if (v >= 150000)
		str_add(&s, ", disable_on_error = false");
	if (v >= 160000 && !(native && from < 120000)) /* that would ask the source for a function that it does not have yet */
		str_add(&s, ", origin = 'none'");
	if (v >= 160000 && dst->super && has_forced_security(src))
		str_add(&s, ", run_as_owner = true");
	str_addc(&s, ')');
	return str_take(&s);
}

static const struct fact_table *root_of(const struct facts *src, const struct fact_table *t)
{
	for (const struct fact_table *up; (up = facts_table(src, t->parent)) != NULL;)
		t = up;
	return t;
}

enum seen { NEW, IN_PARTS, NAMED }; /* of a root: IN_PARTS when one of its partitions is left out */

/* The root of a partition once, when it is met first and is published as a whole. */
static const struct fact_table *published_as(const struct facts *src, const struct fact_table *t, enum seen *seen)
{
	const struct fact_table *root = root_of(src, t);

	if (root == t || seen[root - src->tables] == IN_PARTS)
		return t;
	if (seen[root - src->tables] == NAMED)
		return NULL;
	seen[root - src->tables] = NAMED;
	return root;
}

static void add_tables(struct str *s, const struct migration *m, const struct facts *src, bool via_root)
{
	enum seen *seen = xcalloc(src->n_tables + 1, sizeof *seen);
	bool schemas = subscription_by_schema(m, src);
	size_t n = 0;

	for (size_t i = 0; i < src->n_tables; i++)
		if (!via_root || src->tables[i].left_out)
			seen[root_of(src, &src->tables[i]) - src->tables] = IN_PARTS;
	for (size_t i = 0; i < src->n_tables; i++) {
		bool in = subscription_carries(m, &src->tables[i]) && !(schemas && strv_has(&m->sub.schemas, src->tables[i].schema));
		const struct fact_table *t = in ? published_as(src, &src->tables[i], seen) : NULL;
		if (!t)
			continue;
		str_add(s, n++ ? ", ONLY " : " FOR TABLE ONLY ");
		sql_qualified(s, t->schema, t->name);
	}
	for (size_t i = 0; i < m->sub.schemas.n && schemas; i++) {
		str_add(s, i ? ", " : n ? ", TABLES IN SCHEMA " : " FOR TABLES IN SCHEMA ");
		sql_ident(s, m->sub.schemas.v[i]);
	}
	free(seen);
}

/*
 * Tables by name, when nothing else is asked for: FOR ALL TABLES needs a superuser, and a table that is created later would stop the
 * target, which does not have it. Leaf partitions by themselves: so it works from version 10 on.
 */
static char *publication_sql(const struct migration *m, const struct facts *src)
{
	bool via_root = src && src->version_num >= 130000 && subscription_via_root(m, src);
	struct str s = {0};

	str_add(&s, "CREATE PUBLICATION ");
	sql_ident(&s, m->sub.publication);
	if (m->sub.all_tables)
		str_add(&s, " FOR ALL TABLES");
	else if (src)
		add_tables(&s, m, src, via_root);
	if (via_root)
		str_add(&s, " WITH (publish_via_partition_root = true)");
	return str_take(&s);
}

void subscription_leave_out(const struct facts *src, struct strv *argv)
{
	for (size_t i = 0; src && i < src->n_tables; i++) {
		const struct fact_table *t = &src->tables[i];
		struct str s = {0};
		if (!t->left_out || t->extension)
			continue;
		sql_qualified(&s, t->schema, t->name);
		strv_addf(argv, "--exclude-table=%s", str_text(&s));
		str_fini(&s);
	}
	for (size_t i = 0; src && i < src->n_objects; i++)
		if (str_eq(src->objects[i].kind, "view of left out") || str_eq(src->objects[i].kind, "sequence of left out"))
			strv_addf(argv, "--exclude-table=%s", src->objects[i].name);
}

/* ---- plan ---- */

static void left(struct action *a, const char *kind, const char *what, const char *name, const char *undo)
{
	a->left_name = xasprintf("%s:%s", kind, name);
	a->left_what = xstrdup(what);
	a->left_undo = xstrdup(undo);
}

static char *fill(const char *fmt_before, const char *name, const char *after)
{
	struct str s = {0};

	str_add(&s, fmt_before);
	sql_ident(&s, name);
	str_add(&s, after);
	return str_take(&s);
}

static bool done(const struct model *seen, const char *id)
{
	const struct model_item *it = seen ? model_find(&seen->steps, id) : NULL;

	return it && it->last->kind == EV_STEP && (it->last->state == ST_DONE || it->last->state == ST_SKIPPED);
}

static void plan_role(struct plan *p, const struct migration *m, const struct model *seen)
{
	struct step *st = plan_step(p, "replication-role", "a role for the subscription",
		"The target logs in to the source with it, and its password stands in the target's catalogue: so it is not one of yours.");
	char *role = subscription_role(m), *explain;

	if (done(seen, "subscribe"))
		st->skip = xstrdup("the subscription has it already");
	if (m->sub.role) {
		explain = fill("-- the role ", role, " is yours: only its password is looked up");
		(void)step_work(st, ON_SOURCE, "look up the role's password", work_replication_role, NULL, explain);
	} else {
		char *undo = fill("DROP OWNED BY ", role, "; DROP ROLE "), *all = fill(undo, role, "");
		explain = fill("CREATE ROLE ", role, " LOGIN REPLICATION PASSWORD '...';  -- generated; nobody sees it\nGRANT CONNECT ON DATABASE ...;  -- if it needs that");
		struct action *a = step_work(st, ON_SOURCE, "create the role", work_replication_role, NULL, explain);
		left(a, "replication-role", "role of the subscription, on the source", role, all);
		free(undo);
		free(all);
	}
	free(explain);
	free(role);
}

void subscription_source(struct plan *p, const struct migration *m, const struct facts *src, const struct model *seen)
{
	plan_role(p, m, seen);
	struct step *st = plan_step(p, "publication", "publish the tables",
		"Says which tables' changes are sent. It comes before the slot, or the slot would not know it.");
	char *sql = publication_sql(m, src), *undo = fill("DROP PUBLICATION ", m->sub.publication, "");

	st->trust_journal = true;
	strv_take(&p->owned, sql);
	char *shown = xasprintf("SET LOCAL lock_timeout = '" LOCK_BRIEFLY "';  -- and again: nobody must queue behind us\n%s", sql);
	left(step_work(st, ON_SOURCE, "create the publication", work_publication, sql, shown), "publication", "publication on the source",
	     m->sub.publication, undo);
	free(shown);
	free(undo);
}

void subscription_slot(struct plan *p, const struct migration *m, const struct facts *src)
{
	bool native = m->sub.copy == COPY_NATIVE, proof = m->dump.verify != VERIFY_OFF;
	struct step *st = plan_step(p, "slot", native ? "reserve the changes from here on" : "reserve the changes from here on, open one snapshot",
		native ? "A slot makes the source keep its changes until the target has them; while it exists, it holds WAL on the source's disk."
		       : "A slot keeps every change from this instant; copy and proof read the same instant. So nothing is lost, nothing comes twice.");
	char *sql = xasprintf("CREATE_REPLICATION_SLOT \"%s\" LOGICAL pgoutput %s;  -- waits for transactions that write now\n%s", m->sub.slot,
			      subscription_snapshot_word(m, src ? src->version_num : 0),
			      native ? "" : "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '...';\n"
			      "SELECT pg_export_snapshot();  -- this session stays open until the copy and the proof have read");
	char *undo = xasprintf("SELECT pg_drop_replication_slot('%s')", m->sub.slot);

	st->scope = "snapshot";
	struct action *a = step_work(st, ON_SOURCE, proof && !native ? "create the slot, open its snapshot, start reading for the proof"
			      : "create the slot", work_snapshot, m->sub.slot, sql);
	left(a, "slot", "replication slot on the source: it keeps WAL there", m->sub.slot, undo);
	free(sql);
	free(undo);
}

void subscription_keys_aside(struct step *st)
{
	(void)step_work(st, ON_TARGET, "set constraints aside until every table is ready", work_keys_aside, NULL,
		"ALTER TABLE ... DROP CONSTRAINT ...;  -- each foreign key, and what is NOT VALID: with them a TRUNCATE of the source, or an old row,\n"
		"-- would stop the server's own copy for ever");
}

void subscription_keys_back(struct step *st, const struct migration *m)
{
	if (m->sub.copy == COPY_NATIVE && !m->sub.adopt)
		(void)step_work(st, ON_TARGET, "bring foreign keys and other constraints back", work_keys_back, NULL,
			"ALTER TABLE ... ADD CONSTRAINT ... NOT VALID;  -- those that the source has and the target has not\n"
			"ALTER TABLE ... VALIDATE CONSTRAINT ...;  -- others go on writing meanwhile");
}

static void plan_subscribe(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	struct step *st = plan_step(p, "subscribe", "create the subscription, still asleep",
		"It will receive from exactly where the copy ends; so far nothing moves.");
	struct link l;
	link_forward(&l, m);
	char *conninfo = link_conninfo(m, &l, NULL), *sql = subscription_sql(m, &l, src, dst, conninfo);
	char *a1 = fill("ALTER SUBSCRIPTION ", m->sub.name, " DISABLE; "), *a2 = fill("ALTER SUBSCRIPTION ", m->sub.name, " SET (slot_name = NONE); ");
	char *a3 = fill("DROP SUBSCRIPTION ", m->sub.name, ""), *undo = xasprintf("%s%s%s", a1, a2, a3);

	st->trust_journal = true;
	if (m->sub.copy == COPY_NATIVE && !m->sub.role)
		(void)step_work(st, ON_SOURCE, "let the role read the tables", work_may_read, NULL,
			"GRANT pg_read_all_data TO ...;  -- before 14: USAGE and SELECT where it lacks them");
	left(step_work(st, ON_TARGET, "create the subscription", work_subscribe, NULL, sql), "subscription", "subscription on the target", m->sub.name, undo);
	free(conninfo);
	free(sql);
	free(a1);
	free(a2);
	free(a3);
	free(undo);
}

static bool has_synchronous_standby(const struct facts *dst)
{
	for (size_t i = 0; dst && i < dst->n_objects; i++)
		if (str_eq(dst->objects[i].kind, "standby") && (str_eq(dst->objects[i].detail, "sync") || str_eq(dst->objects[i].detail, "quorum")))
			return true;
	return false;
}

void subscription_target(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst)
{
	plan_subscribe(p, m, src, dst);
	struct step *st = plan_step(p, "enable", "let it run", "From now on the target follows the source.");
	char *sql = fill("SELECT confirmed_flush_lsn FROM pg_replication_slots ...;  -- still where the copy began\nALTER SUBSCRIPTION ", m->sub.name, " ENABLE");

	(void)step_work(st, ON_TARGET, "look at the slot, enable the subscription", work_enable, NULL, sql);
	free(sql);
	st = plan_step(p, "catch-up", "wait until the target has caught up",
		"Every table must be ready, and everything written until now must have arrived. The source may go on writing.");
	(void)step_work(st, ON_SOURCE, "wait for the changes", work_catch_up, NULL,
		"SELECT pg_logical_emit_message(true, 'pgusher', ...);  -- a mark in its WAL\n"
		"SELECT confirmed_flush_lsn >= '<the mark>' FROM pg_replication_slots ...;\n"
		"SELECT srsubstate, count(*) FROM pg_subscription_rel GROUP BY 1;  -- on the target: all 'r'");
	subscription_keys_back(st, m);
	if (!m->sub.synchronous_commit && has_synchronous_standby(dst)) {
		sql = fill("ALTER SUBSCRIPTION ", m->sub.name, " SET (synchronous_commit = 'on')");
		strv_take(&p->owned, sql);
		(void)step_work(st, ON_TARGET, "from now on confirm only what the synchronous standby has", work_land, sql, sql);
	}
	(void)step_work(st, ON_TARGET, "remember the leader", work_remember, NULL,
		"SELECT pg_walfile_name(pg_current_wal_flush_lsn()), remote_lsn, local_lsn FROM pg_replication_origin_status ...;  -- to see later whether a failover lost something");
}

enum err_code subscription_adopt_plan(struct plan **out, const struct migration *m)
{
	char *title = xasprintf("%s: take over the subscription %s", m->name, m->sub.adopt);
	struct plan *p = plan_new(title);
	struct step *st = plan_step(p, "adopt", "write down what belongs to it", "Nothing is changed: from now on it can be watched, and be ended on both sides.");

	free(title);
	(void)step_work(st, ON_TARGET, "look at the subscription", work_adopt, NULL,
		"SELECT subslotname, subpublications FROM pg_subscription WHERE subname = ...");
	*out = p;
	return ERR_OK;
}
