#include "checks/probes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/logical.h"
#include "pg/session.h"

#define PROBE_MS 20000

static enum err_code probe_walsender(const struct probing *p, struct err *err)
{
	struct session_options opt = {.application_name = p->app, .replication = true, .raw = true};
	struct session *s;
	enum err_code rc = session_open(&s, &p->m->end[SIDE_SOURCE], &opt, p->cancel, err);

	if (rc == ERR_OK)
		rc = session_exec(s, "IDENTIFY_SYSTEM", 0, NULL, PROBE_MS, NULL, err);
	session_close(s);
	return rc;
}

/*
 * That this server does not reach the other is its answer (class 08, too), not a connection of ours that broke. When time is up and it still
 * answers us, it is the other one that is silent.
 */
static enum err_code try_subscription(struct session *s, const char *sql, struct err *err)
{
	subscription_hush(s);
	enum err_code rc = session_exec(s, sql, 0, NULL, PROBE_MS, NULL, err);

	if (rc == ERR_TIMEOUT && session_alive(s))
		return err_set(err, ERR_SQL, "it got no answer within %d s: a firewall that drops packets looks like that", PROBE_MS / 1000);
	return rc == ERR_LOST && PQstatus(session_conn(s)) == CONNECTION_OK ? (err->code = ERR_SQL) : rc;
}

/*
 * The target connects for real, and the rollback leaves nothing: it finds what is wrong with route, pg_hba.conf and password. As
 * the role that the subscription will have, or, before that one is made, as ours.
 */
static enum err_code probe_from_target(const struct probing *p, struct err *err)
{
	const struct migration *m = p->m;
	const struct endpoint *dst = &m->end[SIDE_TARGET];
	struct endpoint src = m->end[SIDE_SOURCE];
	struct session_options opt = {.application_name = p->app, .dbname = p->target_exists ? NULL : dst->maintenance_db, .read_write = true};
	struct session *s = NULL, *as = NULL;
	struct str sql = {0};
	const char *user = m->sub.role ? m->sub.role : p->facts[SIDE_SOURCE]->role, *password = secret_text(p->password[SIDE_SOURCE]);

	if (m->sub.role && !str_eq(m->sub.role, src.user)) { /* its password is where libpq finds it */
		struct session_options as_role = {.application_name = p->app};
		src.user = m->sub.role;
		src.password = (struct secret){0};
		if (session_open(&as, &src, &as_role, p->cancel, err) != ERR_OK)
			return err_prefix(err, "as %s", m->sub.role);
		password = session_password(as) ? session_password(as) : "";
	}
	char *conninfo = subscription_conninfo(m, user, password);
	str_add(&sql, "BEGIN; CREATE SUBSCRIPTION pgusher_probe CONNECTION ");
	sql_literal(&sql, conninfo);
	str_add(&sql, " PUBLICATION pgusher_probe WITH (slot_name = NONE, create_slot = false, enabled = false, copy_data = false); ROLLBACK");
	enum err_code rc = session_open(&s, dst, &opt, p->cancel, err);
	if (rc == ERR_OK)
		rc = try_subscription(s, str_text(&sql), err);
	session_close(s);
	session_close(as);
	explicit_bzero(sql.data, sql.len);
	explicit_bzero(conninfo, strlen(conninfo));
	free(conninfo);
	str_fini(&sql);
	return rc;
}

/* The same the other way, as a reverse link will be; our login, and the maintenance database while the target's does not exist. */
static enum err_code probe_from_source(const struct probing *p, struct err *err)
{
	const struct migration *m = p->m;
	struct session_options opt = {.application_name = p->app, .read_write = true};
	struct migration there = *m; /* only looked at */
	struct session *s = NULL;
	struct str sql = {0};
	struct link l;

	link_back(&l, m);
	(void)snprintf(l.role, sizeof l.role, "%s", p->facts[SIDE_TARGET]->role);
	if (!p->target_exists)
		there.end[SIDE_TARGET].dbname = there.end[SIDE_TARGET].maintenance_db;
	char *conninfo = link_conninfo(&there, &l, secret_text(p->password[SIDE_TARGET]));
	str_add(&sql, "BEGIN; CREATE SUBSCRIPTION pgusher_probe CONNECTION ");
	sql_literal(&sql, conninfo);
	str_add(&sql, " PUBLICATION pgusher_probe WITH (slot_name = NONE, create_slot = false, enabled = false, copy_data = false); ROLLBACK");
	enum err_code rc = session_open(&s, &m->end[SIDE_SOURCE], &opt, p->cancel, err);
	if (rc == ERR_OK)
		rc = try_subscription(s, str_text(&sql), err);
	session_close(s);
	explicit_bzero(sql.data, sql.len);
	explicit_bzero(conninfo, strlen(conninfo));
	free(conninfo);
	str_fini(&sql);
	return rc;
}

bool probe_cut(const struct err *why)
{
	return why->code != ERR_OK && why->code != ERR_SQL;
}

struct asking { const struct probing *p; enum side side; const struct err *why; };

static void tell_asking(void *arg, const struct patience *p, int left_s)
{
	const struct asking *a = arg;

	if (a->p->hooks->again)
		a->p->hooks->again(a->p->hooks->arg, a->side, p, left_s, a->why);
}

static void patiently(const struct probing *p, enum side side, enum err_code (*ask)(const struct probing *p, struct err *err), struct err *err)
{
	struct patience patience = PATIENCE;
	struct asking a = {.p = p, .side = side, .why = err};

	while (ask(p, err) != ERR_OK && patience_more(&patience, err) && patience_wait(&patience, p->cancel, tell_asking, &a))
		*err = (struct err){0};
}

void probes_ask(const struct probing *p, struct survey *s)
{
	patiently(p, SIDE_SOURCE, probe_walsender, &s->walsender);
	if (p->facts[SIDE_TARGET]->may_subscribe)
		patiently(p, SIDE_TARGET, probe_from_target, &s->from_target);
	if (p->m->cut.reverse && p->facts[SIDE_SOURCE]->may_subscribe && !p->facts[SIDE_SOURCE]->in_recovery)
		patiently(p, SIDE_SOURCE, probe_from_source, &s->from_source);
}
