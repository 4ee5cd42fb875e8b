#include "endpoint_test.h"

#include <stdlib.h>
#include <string.h>

#include "checks/gather.h"
#include "event.h"
#include "host/password.h"
#include "pg/session.h"

static void hop(struct route *r, enum side side, const char *title, enum state st, const char *text, const char *hint)
{
	struct event *ev = event_new(EV_TEST, side_name(side));
	struct err ignored; /* not durable */

	ev->state = st;
	xreplace(&ev->title, title);
	xreplace(&ev->text, text);
	xreplace(&ev->hint, hint);
	(void)sink_emit(r->sink, ev, &ignored);
}

static void hops_failed(struct route *r, enum side side, const struct err *err)
{
	bool login = err->code == ERR_AUTH && !strstr(err->msg, "ssh says"), database = err->code == ERR_SQL;

	hop(r, side, "server answers", login || database ? ST_DONE : ST_FAILED, login || database ? "yes" : err->msg,
	    login || database ? NULL : err->hint);
	if (login || database)
		hop(r, side, "login", database ? ST_DONE : ST_FAILED, database ? "yes" : err->msg, database ? NULL : err->hint);
	if (database)
		hop(r, side, "database", ST_FAILED, err->msg, err->hint);
}

static enum err_code test_tunnel(struct route *r, enum side side, struct err *err)
{
	const struct endpoint *ep = &r->m->end[side];

	if (str_empty(ep->ssh))
		return ERR_OK;
	char *where = tunnel_resolve(ep, r->cancel);
	hop(r, side, "ssh login", ST_RUNNING, where, NULL);
	enum err_code rc = route_open(r, side, err);
	if (rc == ERR_OK)
		hop(r, side, "ssh login", ST_DONE, where ? where : ep->ssh, NULL);
	else if (rc != ERR_CANCELLED)
		hop(r, side, "ssh login", ST_FAILED, err->msg, err->hint);
	free(where);
	return rc;
}

enum err_code endpoint_test(struct route *r, enum side side, struct err *err)
{
	const struct endpoint *ep = &r->m->end[side];
	struct session *s = NULL;
	PGresult *res = NULL;
	bool exists = true;

	enum err_code rc = password_ask(&r->m->end[side], side, r->cancel, err);
	if (rc == ERR_OK)
		rc = test_tunnel(r, side, err);
	if (rc != ERR_OK)
		return rc;
	hop(r, side, "server answers", ST_RUNNING, NULL, NULL);
	rc = gather_connect(ep, side, "pgusher", r->cancel, &s, &exists, err);
	if (rc != ERR_OK)
		rc = route_blame(r, side, err);
	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT current_setting('server_version'), current_user, pg_is_in_recovery(), current_database(),"
				     " pg_size_pretty(pg_database_size(current_database()))", 0, NULL, 10000, &res, err);
	if (rc != ERR_OK) {
		if (rc != ERR_CANCELLED)
			hops_failed(r, side, err);
		session_close(s);
		return rc;
	}
	char *text = xasprintf("PostgreSQL %s%s", cell(res, 0, 0), cell_bool(res, 0, 2) ? ", in recovery (a standby)" : "");
	hop(r, side, "server answers", ST_DONE, text, NULL);
	free(text);
	hop(r, side, "login", ST_DONE, cell(res, 0, 1), NULL);
	if (exists)
		text = xasprintf("%s, %s%s", cell(res, 0, 3), cell(res, 0, 4), side == SIDE_TARGET ? "; there is one already: it must be empty" : "");
	else
		text = xasprintf("%s does not exist yet; it will be created", ep->dbname);
	hop(r, side, "database", ST_DONE, text, NULL);
	free(text);
	PQclear(res);
	session_close(s);
	return ERR_OK;
}
