#include "fix.h"

#include <stdlib.h>

#include "base/str.h"
#include "journal/fixes.h"
#include "pg/session.h"

static enum err_code apply(const struct finding *f, const struct endpoint *ep, struct route *route, struct cancel *cancel, struct err *err)
{
	struct session_options opt = {.dbname = f->fix_maintenance ? ep->maintenance_db : NULL, .application_name = "pgusher",
				      .read_write = f->fix_side == SIDE_TARGET};
	struct session *s = NULL;
	enum err_code rc = route_open(route, f->fix_side, err);

	if (rc == ERR_OK)
		rc = session_open(&s, ep, &opt, cancel, err);
	if (rc == ERR_OK)
		rc = session_run(s, f->fix_sql, err);
	if (rc == ERR_OK && str_starts(f->fix_sql, "ALTER SYSTEM ")) /* it runs in no transaction, so that it stands alone */
		rc = session_run(s, "SELECT pg_reload_conf()", err);
	session_close(s);
	return rc;
}

enum err_code fix_run(const struct finding *f, const char *typed, const struct migration *m, struct route *route, struct sink *sink, struct cancel *cancel, struct err *err)
{
	const struct endpoint *ep = &m->end[f->fix_side];
	struct err ignored;

	if (!f->fix_sql || str_starts(f->fix_sql, ADOPT_SETTING))
		return err_set(err, ERR_USAGE, "%s has no fix that pgusher can apply", f->id);
	if (f->fix_confirm && !str_eq(f->fix_confirm, typed))
		return err_set(err, ERR_BLOCKED, "not confirmed: type %s to go on", f->fix_confirm);
	char *dir = migration_state_dir(m), *label = endpoint_label(ep);
	struct event *e = event_new(EV_FIX, f->id);
	e->state = ST_RUNNING;
	event_text(&e->title, "the %s, %s", side_name(f->fix_side), label);
	e->needed = sink_who();
	xreplace(&e->sql, f->fix_sql);
	xreplace(&e->hint, f->fix_undo);
	enum err_code rc = fixes_write(dir, e, err);
	if (rc == ERR_OK) {
		rc = apply(f, ep, route, cancel, err);
		e->state = rc == ERR_OK ? ST_DONE : ST_FAILED;
		xreplace(&e->text, rc == ERR_OK ? NULL : err->msg);
		(void)fixes_write(dir, e, &ignored); /* that it began is written down */
	} else {
		e->state = ST_FAILED;
		xreplace(&e->text, err->msg);
	}
	(void)sink_emit(sink, e, &ignored);
	free(label);
	free(dir);
	return rc;
}
