/* Checks of what makes a running replication stop, or go apart unseen. */
#include <stdlib.h>
#include <string.h>

#include "checks/groups.h"
#include "pg/logical.h"

#define SRC(s) ((s)->facts[SIDE_SOURCE])

/* An unlogged table is not published; on the target it refers to one that is, and is then in the way of its TRUNCATE. */
static size_t keys_from_outside(const struct survey *s, struct finding *f)
{
	size_t n = 0;

	for (size_t i = 0; i < SRC(s)->n_objects; i++) {
		const struct fact_object *o = &SRC(s)->objects[i];
		const struct fact_table *t = str_eq(o->kind, "key from unlogged") ? facts_table(SRC(s), o->oid) : NULL;
		if (!t || !subscription_carries(s->m, t))
			continue;
		strv_addf(&f->names, "%s (%s)", o->name, o->detail);
		n++;
	}
	return n;
}

void check_truncate(const struct survey *s, struct finding *f)
{
	finding_is(f, VERDICT_OK, "the source's TRUNCATE arrives on the target");
	if (!SRC(s))
		return;
	if (SRC(s)->version_num < 110000) {
		finding_is(f, VERDICT_WARN, "PostgreSQL 10 does not replicate TRUNCATE");
		finding_print(&f->found, "source %s", SRC(s)->version);
		finding_print(&f->why, "the rows of a table that is truncated from now on stay on the target, unseen until both sides are compared; a cutover compares them, and refuses");
		finding_print(&f->fix, "see to it that nobody truncates until the cutover (DELETE is replicated), and accept");
	} else if (keys_from_outside(s, f) > 0) {
		finding_is(f, VERDICT_WARN, "foreign keys of unlogged tables would stop a TRUNCATE on the target");
		finding_print(&f->why, "TRUNCATE ... CASCADE empties both on the source, but only the one that is replicated on the target: it refuses, and replication stands still there");
		finding_print(&f->fix, "drop the key on the target until the cutover, or accept when nobody truncates these tables");
	}
}

/* Before the copy its database is empty, and nobody has business there; later they would write what the source does not know. */
void check_target_others(const struct survey *s, struct finding *f)
{
	const struct facts *t = s->facts[SIDE_TARGET];

	finding_is(f, VERDICT_OK, "nobody else is in the target database");
	if (!t || finding_objects(f, t, "client here") == 0)
		return;
	finding_is(f, VERDICT_WARN, "%zu other session%s in the target database", f->names.n, f->names.n == 1 ? " is" : "s are");
	finding_print(&f->why, "what they write is not on the source: it stops replication at the first row that is there already, or makes the two sides differ unseen");
	finding_print(&f->fix, "keep applications away until the cutover (REVOKE CONNECT, pg_hba.conf), or accept when they only read");
}

/* The setting is a list of names, some in double quotes: "a, b" in them is one name, and no library. */
static void plugins(const char *list, struct strv *names)
{
	struct str name = {0};
	bool quoted = false;

	for (const char *p = list;; p++) {
		if (*p == '"') {
			quoted = !quoted;
		} else if (*p == '\0' || (*p == ',' && !quoted)) {
			if (name.len > 0)
				strv_add(names, str_text(&name));
			str_clear(&name);
		} else if (quoted || *p != ' ') {
			str_addc(&name, *p);
		}
		if (*p == '\0')
			break;
	}
	str_fini(&name);
}

/* output_plugin_libraries came with 14.24, 15.19, 16.15, 17.11 and 18.6. */
void check_plugin(const struct survey *s, struct finding *f)
{
	const struct fact_setting *p = SRC(s) ? facts_setting(SRC(s), "output_plugin_libraries") : NULL;
	struct strv names = {0};
	struct str sql = {0};

	finding_is(f, VERDICT_OK, "the source allows its own output plugin");
	plugins(p ? p->value : "*", &names);
	if (!strv_has(&names, "pgoutput") && !strv_has(&names, "$libdir/pgoutput") && !strv_has(&names, "*")) {
		finding_is(f, VERDICT_BLOCK, "the source does not allow the plugin pgoutput");
		finding_print(&f->found, "output_plugin_libraries = %s", p->value);
		finding_print(&f->why, "every subscription reads through it: the slot cannot be made");
		finding_print(&f->fix, "add pgoutput to the list (each name in quotes of its own), and reload");
		str_add(&sql, "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput'");
		for (size_t i = 0; i < names.n; i++) {
			str_add(&sql, ", ");
			sql_literal(&sql, names.v[i]);
		}
		f->fix_sql = str_take(&sql);
		f->fix_side = SIDE_SOURCE;
	}
	str_fini(&sql);
	strv_fini(&names);
}
