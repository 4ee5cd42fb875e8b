#include "pg/logical.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *subscription_role(const struct migration *m)
{
	return xstrdup(m->sub.role ? m->sub.role : m->sub.name);
}

bool subscription_carries(const struct migration *m, const struct fact_table *t)
{
	const struct dump_options *o = &m->dump;

	return !t->left_out && t->kind == 'r' && t->persistence == 'p' && !t->extension && (o->schemas.n == 0 || strv_has(&o->schemas, t->schema)) &&
	       !strv_has(&o->exclude_schemas, t->schema);
}

static bool below_scattered(const struct facts *src, const struct fact_table *t)
{
	for (t = facts_table(src, t->parent); t; t = facts_table(src, t->parent))
		if (t->scattered)
			return true;
	return false;
}

bool subscription_via_root(const struct migration *m, const struct facts *src)
{
	bool needed = m->sub.via_root;

	for (size_t i = 0; src && i < src->n_tables && !needed; i++)
		needed = src->tables[i].is_partition && subscription_carries(m, &src->tables[i]) && below_scattered(src, &src->tables[i]);
	return needed;
}

bool subscription_by_schema(const struct migration *m, const struct facts *src)
{
	if (m->sub.schemas.n == 0 || m->dump.exclude_schemas.n > 0 || !src || src->version_num < 150000 || !src->super)
		return false;
	for (size_t i = 0; i < src->n_tables; i++)
		if (src->tables[i].extension && strv_has(&m->sub.schemas, src->tables[i].schema))
			return false;
	return true;
}

/* A name of at most 63 bytes with `tail` behind it; a character is not cut in two. */
static void name_with(char out[64], const char *name, const char *tail)
{
	size_t n = strlen(name), room = 63 - strlen(tail);

	if (n > room)
		for (n = room; n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80;)
			n--;
	(void)snprintf(out, 64, "%.*s%s", (int)n, name, tail);
}

static void link_named(struct link *l, const struct migration *m, const char *tail)
{
	name_with(l->publication, m->sub.publication, tail);
	name_with(l->slot, m->sub.slot, tail);
	name_with(l->subscription, m->sub.name, tail);
	l->own_role = !m->sub.role;
	if (l->own_role)
		name_with(l->role, m->sub.name, tail);
	else
		name_with(l->role, m->sub.role, "");
}

void link_forward(struct link *l, const struct migration *m)
{
	*l = (struct link){.from = SIDE_SOURCE, .to = SIDE_TARGET};
	link_named(l, m, "");
	l->own_role = l->own_role && !m->sub.adopt; /* what somebody else's subscription logs in as */
}

void link_back(struct link *l, const struct migration *m)
{
	*l = (struct link){.from = SIDE_TARGET, .to = SIDE_SOURCE, .back = true};
	link_named(l, m, "_back");
}

void link_publications(const struct migration *m, const struct link *l, struct strv *out)
{
	if (!l->back && m->sub.adopt && m->sub.publications.n > 0)
		strv_copy(out, &m->sub.publications);
	else
		strv_add(out, l->publication);
}

char *link_publications_sql(const struct migration *m, const struct link *l)
{
	struct strv all = {0};
	struct str s = {0};

	link_publications(m, l, &all);
	for (size_t i = 0; i < all.n; i++) {
		if (i)
			str_add(&s, ", ");
		sql_ident(&s, all.v[i]);
	}
	strv_fini(&all);
	return str_take(&s);
}

char *link_publications_array(const struct migration *m, const struct link *l)
{
	struct strv all = {0};

	link_publications(m, l, &all);
	char *text = sql_array(&all);
	strv_fini(&all);
	return text;
}

void link_undo_sql(struct str *sql, const char *kind, const char *name)
{
	static const struct { const char *kind, *before[4]; } words[] = {
		{"subscription", {"ALTER SUBSCRIPTION ", " DISABLE; ALTER SUBSCRIPTION ", " SET (slot_name = NONE); DROP SUBSCRIPTION "}},
		{"publication", {"DROP PUBLICATION "}},
		{"role", {"DROP OWNED BY ", "; DROP ROLE "}},
	};

	if (str_eq(kind, "slot")) {
		str_add(sql, "SELECT pg_drop_replication_slot(");
		sql_literal(sql, name);
		str_addc(sql, ')');
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		for (size_t k = 0; str_eq(words[i].kind, kind) && words[i].before[k]; k++) {
			str_add(sql, words[i].before[k]);
			sql_ident(sql, name);
		}
}

/*
 * What the publisher's walsender writes values with. A worker before 15 leaves that to the publisher's database and role (and 10 and 11 have
 * extra_float_digits 0): floats would lose their last digits, dates and intervals could be read as others.
 */
#define WALSENDER_WRITES "-c extra_float_digits=3 -c datestyle=ISO -c intervalstyle=postgres"

static char *conninfo(struct endpoint e, const char *host, const char *port, const char *role, const char *password, bool leader)
{
	struct str s = {0};

	/* a server connects, not this host: neither tunnels nor files of ours are there */
	e.host = host ? (char *)host : e.host;
	e.port = port ? (char *)port : e.port;
	e.user = (char *)role;
	e.forward = e.ssh_config = e.service = e.sslcert = e.sslkey = NULL;
	if (!e.sslmode || !str_starts(e.sslmode, "verify"))
		e.sslrootcert = NULL;
	bool several = leader && e.host && strchr(e.host, ',');
	char *base = endpoint_conninfo(&e, NULL, several);
	str_add(&s, base);
	/* libpq must not take the leader for a standby while it is fenced */
	str_addf(&s, " options='" WALSENDER_WRITES "%s'", several ? " -c default_transaction_read_only=off" : "");
	str_add(&s, " connect_timeout=10 password='");
	for (const char *p = password ? password : "..."; *p; p++) {
		if (*p == '\'' || *p == '\\')
			str_addc(&s, '\\');
		str_addc(&s, *p);
	}
	str_addc(&s, '\'');
	free(base);
	return str_take(&s);
}

char *link_conninfo(const struct migration *m, const struct link *l, const char *password)
{
	return l->back ? conninfo(m->end[SIDE_TARGET], m->sub.target_host, m->sub.target_port, l->role, password, true)
		       : conninfo(m->end[SIDE_SOURCE], m->sub.source_host, m->sub.source_port, l->role, password, false);
}

char *subscription_conninfo(const struct migration *m, const char *role, const char *password)
{
	return conninfo(m->end[SIDE_SOURCE], m->sub.source_host, m->sub.source_port, role, password, false);
}

void subscription_hush(struct session *s)
{
	static const char *const quiet[] = {
		"SET log_statement = 'none'", "SET log_min_duration_statement = -1", "SET log_min_error_statement = 'panic'",
		"SET pg_stat_statements.track_utility = off"};
	struct err err;

	for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
		(void)session_run(s, quiet[i], &err);
}
