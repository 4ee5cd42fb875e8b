#include "method/same.h"

#include <stdlib.h>
#include <string.h>

#include "method/patient.h"
#include "pg/choice.h"

#define LOOK_MS 120000
#define SAID 100       /* objects that are said one by one */
#define NAMED 3        /* in one line */

/* ---- looking ---- */

/* Tables that were not chosen, and what hangs on them. */
static char *left_out(const struct facts *src)
{
	struct strv names = {0};

	for (size_t i = 0; src && i < src->n_tables; i++) {
		char *name = src->tables[i].left_out ? object_name(src->tables[i].schema, src->tables[i].name) : NULL;
		if (name)
			strv_take(&names, name);
	}
	for (size_t i = 0; src && i < src->n_objects; i++) {
		const struct fact_object *o = &src->objects[i];
		char *schema, *part;
		if (!str_eq(o->kind, "view of left out") && !str_eq(o->kind, "sequence of left out"))
			continue;
		if (choice_split(o->name, &schema, &part))
			strv_take(&names, object_name(schema, part));
		free(schema);
		free(part);
	}
	char *list = sql_array(&names);
	strv_fini(&names);
	return list;
}

/* A view is read only when its tables can be: whoever holds one keeps nobody waiting for long. */
static enum err_code wait_for_locks(struct session *const s[2], const char *how_long, struct err *err)
{
	char *sql = xasprintf("SET lock_timeout = '%s'", how_long);
	enum err_code rc = session_run(s[0], sql, err);

	if (rc == ERR_OK)
		rc = session_run(s[1], sql, err);
	free(sql);
	return rc;
}

enum err_code same_look(struct run *r, enum side from, struct same *out, struct err *err)
{
	const struct migration *m = r->m;
	struct session *s[2] = {NULL, NULL};
	enum err_code rc = ERR_OK;

	*out = (struct same){.from = from};
	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		rc = r->reach(r->arg, (enum side)i, err);
		if (rc == ERR_OK)
			rc = run_session(r, (enum side)i, NULL, &s[i], err);
	}
	if (rc != ERR_OK)
		return rc;
	char *in = sql_array(&m->dump.schemas), *without = sql_array(&m->dump.exclude_schemas), *out_of = left_out(r->facts[SIDE_SOURCE]);
	struct object_scope one = {.schemas = in, .without = without, .left_out = out_of};
	const struct object_scope scope[2] = {one, one};
	/* what follows the source is filled at the cutover; what was made by hand was made for whom its maker chose */
	unsigned flags = OBJECTS_ASK | (m->method == METHOD_SUBSCRIPTION ? 0 : OBJECTS_FILLED) | (m->sub.adopt ? OBJECTS_NO_OWNERS : 0);
	rc = wait_for_locks(s, "5s", err);
	if (rc == ERR_OK)
		rc = objects_compare(s[SIDE_SOURCE], s[SIDE_TARGET], scope, OBJ_ALL, flags, LOOK_MS, &out->o, err);
	struct err why;
	if (session_alive(s[0]) && session_alive(s[1]) && wait_for_locks(s, "0", &why) != ERR_OK && rc == ERR_OK)
		rc = (*err = why).code;
	if (str_eq(err->sqlstate, "55P03") && rc != ERR_OK)
		(void)err_hint(err, "somebody holds a table for long (pg_locks, pg_stat_activity): end that, or wait; then compare again");
	free(in);
	free(without);
	free(out_of);
	return rc;
}

/* A target that was there before a subscription, or is used after it, may have more, and so may the old source: that is said, and no difference. */
static bool is_more(const struct run *r, const struct same *o, const struct object_diff *d)
{
	return r->m->method == METHOD_SUBSCRIPTION && !d->def[o->from];
}

/* What belongs to a table that one side lacks goes without saying. */
static bool goes_with_table(const struct same *c, const struct object_diff *d)
{
	static const unsigned parts = 1U << OBJ_COLUMN | 1U << OBJ_CONSTRAINT | 1U << OBJ_INDEX | 1U << OBJ_TRIGGER | 1U << OBJ_RULE | 1U << OBJ_POLICY;
	const struct objects *o = &c->o;
	const char *own;
	bool found = false;

	if (!(parts & 1U << d->kind) || (d->def[0] && d->def[1]))
		return false;
	char *table = object_parent(d->name, &own);
	for (size_t i = 0; i < o->n_diffs && !found; i++)
		found = o->diffs[i].kind == OBJ_TABLE && !o->diffs[i].def[0] == !d->def[0] && !o->diffs[i].def[1] == !d->def[1] && str_eq(o->diffs[i].name, table);
	free(table);
	return found;
}

static bool counts(const struct run *r, const struct same *o, const struct object_diff *d)
{
	return !is_more(r, o, d) && !goes_with_table(o, d);
}

size_t same_differ(const struct run *r, const struct same *o)
{
	size_t n = o->o.unread;

	for (size_t i = 0; i < o->o.n_diffs; i++)
		n += counts(r, o, &o->o.diffs[i]);
	return n;
}

/* ---- words ---- */

static char *id_of(const struct object_diff *d)
{
	const char *word = object_word(d->kind);

	return xasprintf("%s%s%s", word, *word ? " " : "", d->name);
}

static char *how(const struct object_diff *d)
{
	const char *a = d->def[SIDE_SOURCE], *b = d->def[SIDE_TARGET];
	char *first = object_line(a ? a : b, a && b ? b : NULL), *second = a && b ? object_line(b, a) : NULL, *text;
	size_t all = a ? strlen(a) : 0;

	if (a && b && str_starts(b, a) && b[all] == '\n')
		text = xasprintf("on the target also: %s", b + all + 1);
	else if (a && b && str_starts(a, b) && a[strlen(b)] == '\n')
		text = xasprintf("on the target without: %s", a + strlen(b) + 1);
	else if (!b)
		text = xasprintf("not on the target: %s", first);
	else if (!a)
		text = xasprintf("on the target only: %s", first);
	else
		text = xasprintf(d->unsure ? "in other words, which could not be compared: on the source %s; on the target %s" : "on the source %s; on the target %s", first, second);
	free(first);
	free(second);
	return text;
}

static const char *after(const char *def, const char *word)
{
	const char *p = def ? strstr(def, word) : NULL;

	return p ? p + strlen(word) : NULL;
}

static char *do_trigger(const struct object_diff *d, enum side from, const char *table, const char *own)
{
	const char *state = strchr(d->def[from], '\n');
	size_t len = strcspn(d->def[from], "\n");
	bool there = d->def[!from] && strncmp(d->def[from], d->def[!from], len) == 0;
	char *turn = xasprintf("ALTER TABLE %s %s TRIGGER %s;", table, !state ? "ENABLE" : str_ends(state, "disabled") ? "DISABLE" : str_ends(state, "always") ? "ENABLE ALWAYS" : "ENABLE REPLICA", own);

	if (there)
		return turn;
	char *text = xasprintf("%.*s;%s%s", (int)len, d->def[from], state ? " " : "", state ? turn : "");
	free(turn);
	return text;
}

static char *do_column(const struct object_diff *d, enum side from, const char *table, const char *own)
{
	const char *a = after(d->def[from], "\ndefault "), *b = after(d->def[!from], "\ndefault ");
	bool one_type = d->def[!from] && strcspn(d->def[0], "\n") == strcspn(d->def[1], "\n") && strncmp(d->def[0], d->def[1], strcspn(d->def[0], "\n")) == 0;

	if (one_type && a && (!b || strcspn(a, "\n") != strcspn(b, "\n") || strncmp(a, b, strcspn(a, "\n")) != 0))
		return xasprintf("ALTER TABLE %s ALTER %s SET DEFAULT %.*s;", table, own, (int)strcspn(a, "\n"), a);
	if (one_type && !a && b)
		return xasprintf("ALTER TABLE %s ALTER %s DROP DEFAULT;", table, own);
	return NULL;
}

static char *do_constraint(const struct object_diff *d, enum side from, const char *table, const char *own)
{
	const char *a = d->def[from], *b = d->def[!from];

	if (!b)
		return xasprintf("ALTER TABLE %s ADD CONSTRAINT %s %s;", table, own, a);
	if (str_starts(b, a) && str_eq(b + strlen(a), " NOT VALID"))
		return xasprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s;", table, own);
	return xasprintf("ALTER TABLE %s DROP CONSTRAINT %s; ALTER TABLE %s ADD CONSTRAINT %s %s;", table, own, table, own, a);
}

static char *do_view(const struct object_diff *d, enum side from)
{
	const char *a = d->def[from], *end = strstr(a, ";\n");
	int len = (int)(end ? end - a : (long)strlen(a));

	if (d->kind == OBJ_VIEW)
		return xasprintf("CREATE OR REPLACE VIEW %s AS%.*s;", d->name, len, a);
	return d->def[!from] ? NULL : xasprintf("CREATE MATERIALIZED VIEW %s AS%.*s;", d->name, len, a);
}

/* What makes the other side as this one is. */
static char *what_to_do(const struct object_diff *d, enum side from)
{
	const char *as = side_name(from), *to = side_name(from == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE);
	char *text = NULL, *id;

	if (!d->def[from]) {
		id = id_of(d);
		text = xasprintf("-- nothing, if the %s is wanted on the %s; else drop it there", id, to);
		free(id);
		return text;
	}
	const char *own;
	char *parent = object_parent(d->name, &own);
	switch (d->kind) {
	case OBJ_TRIGGER: text = do_trigger(d, from, parent, own); break;
	case OBJ_COLUMN: text = do_column(d, from, parent, own); break;
	case OBJ_CONSTRAINT: text = do_constraint(d, from, parent, own); break;
	case OBJ_INDEX: text = xasprintf("%s%.*s;", d->def[!from] ? "-- drop the other one first\n" : "", (int)strcspn(d->def[from], "\n"), d->def[from]); break;
	case OBJ_VIEW: case OBJ_MATVIEW: text = do_view(d, from); break;
	case OBJ_FUNCTION: text = str_starts(d->def[from], "aggregate") ? NULL : xasprintf("-- run on the %s what this says on the %s:\nSELECT pg_get_functiondef('%s'::regprocedure);", to, as, d->name); break;
	case OBJ_EXTENSION: text = d->def[!from] ? NULL : xasprintf("CREATE EXTENSION %s;", d->name); break;
	case OBJ_GRANT: text = xasprintf("-- GRANT or REVOKE on %s, until it is:\n%s", d->name, d->def[from]); break;
	case OBJ_COMMENT: text = xasprintf("-- COMMENT ON %s, as on the %s", d->name, as); break;
	default: break;
	}
	free(parent);
	id = id_of(d);
	if (!text)
		text = xasprintf("-- %s the %s as on the %s (pg_dump -s prints it)", d->def[!from] ? "change" : "create", id, as);
	free(id);
	return text;
}

void same_words(struct str *s, const struct run *r, const struct same *c)
{
	const struct objects *o = &c->o;
	size_t differ = same_differ(r, c), n = 0;
	char a[48];

	str_addf(s, "%s the same", fmt_count(a, sizeof a, (int64_t)o->n_same));
	if (differ > 0)
		str_addf(s, ", %s not: ", fmt_count(a, sizeof a, (int64_t)differ));
	for (size_t i = 0; i < o->n_diffs && n < NAMED; i++) {
		if (!counts(r, c, &o->diffs[i]))
			continue;
		char *id = id_of(&o->diffs[i]);
		str_addf(s, "%s%s", n++ ? ", " : "", id);
		free(id);
	}
	if (differ > n)
		str_addf(s, " and %zu more", differ - n);
}

/* ---- saying ---- */

static void emit(struct run *r, const char *id, enum state st, size_t n, const char *text, const struct object_diff *d, enum side from)
{
	struct event *e = event_new(EV_PROOF, id);

	e->state = st;
	e->n = e->of = (int64_t)n;
	xreplace(&e->text, text);
	xreplace(&e->why, r->step ? r->step->id : NULL);
	if (d) {
		xreplace(&e->title, PROOF_OBJECT);
		xreplace(&e->needed, d->def[SIDE_SOURCE]);
		xreplace(&e->hint, d->def[SIDE_TARGET]);
		e->sql = what_to_do(d, from);
	}
	run_emit(r, e);
}

static void say_more(struct run *r, const struct same *c)
{
	const struct objects *o = &c->o;
	struct str s = {0};
	size_t n = 0;

	for (size_t i = 0; i < o->n_diffs; i++) {
		char *id = is_more(r, c, &o->diffs[i]) && !goes_with_table(c, &o->diffs[i]) ? id_of(&o->diffs[i]) : NULL;
		if (id && n++ < NAMED * 2)
			str_addf(&s, "%s%s", s.len ? ", " : "", id);
		free(id);
	}
	if (n > NAMED * 2)
		str_addf(&s, " and %zu more", n - NAMED * 2);
	if (n > 0)
		run_note(r, c->from == SIDE_SOURCE ? "on the target only" : "on the source only", "%s", str_text(&s));
	str_fini(&s);
}

void same_say(struct run *r, const struct same *c)
{
	const struct objects *o = &c->o;
	size_t said = 0, differ = same_differ(r, c);
	struct str s = {0};
	char n[32];

	if (o->n_same > 0) {
		str_addf(&s, "%s the same: ", fmt_count(n, sizeof n, (int64_t)o->n_same));
		objects_counts(&s, o->same);
		emit(r, PROOF_OBJECTS, ST_DONE, o->n_same, str_text(&s), NULL, c->from);
	}
	for (size_t i = 0; i < o->n_diffs && said < SAID; i++) {
		const struct object_diff *d = &o->diffs[i];
		if (!counts(r, c, d))
			continue;
		char *id = id_of(d), *text = how(d);
		emit(r, id, d->unsure ? ST_SKIPPED : ST_FAILED, 0, text, d, c->from);
		free(id);
		free(text);
		said++;
	}
	if (differ > said) {
		char *text = xasprintf("%zu more objects differ", differ - said);
		emit(r, PROOF_OBJECTS " not listed", ST_FAILED, differ - said, text, NULL, c->from);
		free(text);
	}
	say_more(r, c);
	if (r->m->sub.adopt)
		run_note(r, "not compared", "owners and grants of a target that was made by hand");
	str_fini(&s);
}

enum err_code same_prove(struct run *r, struct err *err)
{
	struct same o;
	struct err why = {0};
	struct patience p = PATIENCE;
	enum err_code rc = same_look(r, SIDE_SOURCE, &o, &why);

	while (rc == ERR_LOST && !r->cutover) { /* a session that was idle meanwhile, and whose connection broke unseen */
		bool source = r->control[SIDE_SOURCE] && !session_alive(r->control[SIDE_SOURCE]);
		if (!patient_again(r, source ? SIDE_SOURCE : SIDE_TARGET, &p, "what the objects are like", &why))
			break;
		objects_fini(&o.o);
		rc = same_look(r, SIDE_SOURCE, &o, &why);
	}
	if (rc == ERR_OK) {
		same_say(r, &o);
	} else {
		char *text = xasprintf("not compared: %s%s%s", why.msg, why.hint[0] ? "; " : "", why.hint);
		emit(r, PROOF_OBJECTS, ST_SKIPPED, 0, text, NULL, SIDE_SOURCE);
		free(text);
	}
	objects_fini(&o.o);
	return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : ERR_OK;
}
