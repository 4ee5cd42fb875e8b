#include "method/rows.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "method/keep.h"
#include "method/rewritten.h"
#include "method/toollog.h"
#include "method/work.h"
#include "pg/choice.h"

#define ASK_US 1000000
#define ASK_MS 3000
#define SILENT_US 40000000

/* The plan moves large objects when there were some: it must not go on without those that came since. */
static enum err_code no_new_large_objects(struct run *r, struct err *err)
{
	const struct facts *src = r->facts[SIDE_SOURCE];
	char *any = NULL;

	if (!src || src->n_large_objects > 0 || r->m->dump.schemas.n > 0)
		return ERR_OK;
	enum err_code rc = session_value(r->snapshot, "SELECT 1 FROM pg_largeobject_metadata LIMIT 1", &any, err);
	if (rc == ERR_OK && any) {
		err_set(err, ERR_BLOCKED, "the source has large objects now, and had none when the plan was made");
		rc = err_hint(err, "look again, and make a new plan: it will move them");
	}
	free(any);
	return rc;
}

enum err_code rows_list(struct run *r, struct err *err)
{
	const struct dump_options *o = &r->m->dump;
	const struct facts *dst = r->facts[SIDE_TARGET];

	copy_list_free(r->rows);
	r->rows = NULL;
	char *left_out = choice_left_out(r->facts[SIDE_SOURCE]);
	enum err_code rc = copy_list_read(&r->rows, r->snapshot, &o->schemas, &o->exclude_schemas, left_out, dst ? dst->version_num : 0, err);
	free(left_out);
	rc = rc == ERR_OK ? no_new_large_objects(r, err) : rc;
	rc = rc == ERR_OK ? keep_source(r, err) : rc;
	return rc == ERR_OK ? copy_list_lock(r->rows, r->snapshot, rewritten_is_followed(r) ? o->jobs : 0, (int64_t)o->split_mb << 20, err) : rc;
}

static void emit_issues(struct run *r)
{
	struct copy_issue i;

	while (copy_take_issue(r->copy, &i)) {
		struct event *e = event_new(EV_ISSUE, NULL);
		const char *hint = NULL;
		e->verdict = i.kept ? VERDICT_WARN : toollog_judge(i.object, i.message, &hint);
		const char *more = strstr(i.message, "; ");
		if (e->verdict == VERDICT_INFO && more) { /* harmless only by its own words: rows and names stand in the details */
			char *head = xstrndup(i.message, (size_t)(more - i.message));
			e->verdict = toollog_judge(i.object, head, &hint);
			free(head);
		}
		if (e->verdict == VERDICT_BLOCK) /* the copy goes on without this object: somebody has to look at it */
			e->verdict = VERDICT_WARN;
		xreplace(&e->why, r->step ? r->step->id : NULL); /* found anew when the step is done again */
		xreplace(&e->title, i.object);
		xreplace(&e->text, i.message);
		xreplace(&e->sql, i.sql);
		xreplace(&e->hint, i.kept || !hint ? i.hint : hint);
		if (e->verdict == VERDICT_WARN)
			r->attention++;
		run_emit(r, e);
		copy_issue_fini(&i);
	}
}

/* Once a second: on a session of the engine's, because those of the copy are busy. */
static void ask_indexes(struct run *r)
{
	struct session *s;
	struct err ignored = {0};
	int64_t now = clock_mono_us();

	if (now - r->asked_us < ASK_US || cancel_raised(r->cancel))
		return;
	r->asked_us = now;
	if (run_glance(r, SIDE_TARGET, &s, &ignored) == ERR_OK)
		copy_ask_indexes(r->copy, s, ASK_MS);
}

/* One look makes copy_fd quiet: whoever waits for the end goes by *p, for which no second call comes. */
static void look(struct run *r, struct copy_progress *p)
{
	struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);

	ask_indexes(r);
	copy_peek(r->copy, p);
	e->n = p->work;
	e->of = p->of_work;
	e->ms = p->left_ms;
	e->a = (int64_t)p->tables;
	e->b = (int64_t)p->of_tables;
	xreplace(&e->text, p->current);
	run_emit(r, e);
	emit_issues(r);
	keep_note(r, false);
}

void rows_progress(struct run *r)
{
	struct copy_progress p;

	look(r, &p);
}

/* What is known of both servers while only threads talk to them. */
struct pulse { int64_t asked_us, heard_us[2], last; };

/* A network that swallows everything breaks no connection: each server is asked now and then, unless something moves. */
static enum err_code feel_pulse(struct run *r, struct pulse *pulse, const struct copy_progress *p, struct err *err)
{
	int64_t now = clock_mono_us(), sum = p->rows + p->bytes + (int64_t)p->objects;

	if (sum != pulse->last || !pulse->asked_us)
		pulse->heard_us[0] = pulse->heard_us[1] = pulse->asked_us = now;
	pulse->last = sum;
	if (now - pulse->asked_us < ASK_US || cancel_raised(r->cancel))
		return ERR_OK;
	for (int i = 0; i < 2; i++) {
		struct session *s;
		struct err why = {0};
		enum err_code rc = run_glance(r, (enum side)i, &s, &why);
		if (rc == ERR_OK)
			rc = session_exec(s, "SELECT", 0, NULL, ASK_MS, NULL, &why);
		pulse->asked_us = now = clock_mono_us();
		if (rc == ERR_OK || why.sqlstate[0]) /* an answer, whatever it says */
			pulse->heard_us[i] = now;
		if (now - pulse->heard_us[i] < SILENT_US)
			continue;
		err_set(err, ERR_LOST, "the %s has answered nothing for %d s", side_name((enum side)i), (int)((now - pulse->heard_us[i]) / 1000000));
		return err_hint(err, "check that the server runs and that the network holds, then go on");
	}
	return ERR_OK;
}

enum until { UNTIL_LOOKED, UNTIL_TABLES, UNTIL_END };

static enum err_code wait_for(struct run *r, enum until until, struct err *err)
{
	struct pulse pulse = {0};

	for (;;) {
		struct copy_progress p;
		struct pollfd fd[2] = {{.fd = copy_fd(r->copy), .events = POLLIN}, {.fd = r->cancel->fd, .events = POLLIN}};
		look(r, &p);
		if (p.finished || (until == UNTIL_TABLES && p.tables_made) || (until == UNTIL_LOOKED && !p.looking) || cancel_raised(r->cancel))
			return ERR_OK;
		enum err_code rc = feel_pulse(r, &pulse, &p, err);
		if (rc != ERR_OK)
			return rc;
		if (poll(fd, 2, 500) < 0 && errno != EINTR)
			return err_errno(err, "poll");
	}
}

static enum err_code open_copy(struct run *r, const char *settings, struct err *err)
{
	struct copy_options o = {
		.end = {&r->m->end[SIDE_SOURCE], &r->m->end[SIDE_TARGET]}, .application_name = r->app, .snapshot = r->snapshot_name,
		.jobs = r->m->dump.jobs, .range_bytes = (int64_t)r->m->dump.split_mb << 20, .settings = settings, .memory_given = r->m->dump.maintenance_work_mem != NULL, .cancel = r->cancel,
	};
	return copy_start(&r->copy, r->rows, NULL, &o, err);
}

enum err_code work_rows_open(struct run *r, const void *arg, struct err *err)
{
	enum err_code rc = work_target_empty(r, NULL, err);

	if (rc == ERR_OK)
		rc = keep_target(r, false, err);
	return rc == ERR_OK ? open_copy(r, arg, err) : rc;
}

enum err_code work_rows_take_up(struct run *r, const void *arg, struct err *err)
{
	enum err_code rc = keep_target(r, true, err);

	return rc == ERR_OK ? open_copy(r, arg, err) : rc;
}

enum err_code work_rows_look(struct run *r, const void *arg, struct err *err)
{
	(void)arg;
	enum err_code rc = keep_look(r, str_text(&r->kept), err);
	if (rc == ERR_OK)
		rc = wait_for(r, UNTIL_LOOKED, err);
	return rc == ERR_OK ? keep_judge(r, err) : rc;
}

enum err_code work_rows_begin(struct run *r, const void *arg, struct err *err)
{
	(void)arg;
	const char *sql = str_text(&r->kept);
	enum err_code rc = keep_begin(r, sql, err);

	if (rc == ERR_OK)
		rc = copy_go(r->copy, sql, err);
	if (rc == ERR_OK)
		keep_say_again(r);
	str_fini(&r->kept);
	if (rc == ERR_OK)
		rc = wait_for(r, UNTIL_TABLES, err);
	return rc == ERR_OK && !cancel_raised(r->cancel) ? keep_cleared(r, err) : rc;
}

enum err_code work_rows_end(struct run *r, const void *arg, struct err *err)
{
	struct copy_progress p;
	char n[48], t[48], o[48], b[32];

	(void)arg;
	enum err_code rc = wait_for(r, UNTIL_END, err);
	if (rc != ERR_OK)
		return rc;
	copy_peek(r->copy, &p);
	keep_note(r, true);
	rc = copy_finish(r->copy, err);
	r->copy = NULL;
	if (rc == ERR_OK)
		run_note(r, "rows", "%s of %s copied (%s on the source%s), %s made from the dump",
			 fmt_things(n, sizeof n, p.rows, "row"), fmt_things(t, sizeof t, (int64_t)(p.tables - p.kept), "table"), fmt_bytes(b, sizeof b, (double)(p.of_bytes - p.kept_bytes)),
			 p.kept ? "; the rest was kept" : "", fmt_things(o, sizeof o, (int64_t)(p.objects - p.kept_objects), "object"));
	if (rc == ERR_OK && p.broken > 0)
		run_note(r, "connections", "connections broke %d time%s during the copy; what was under way was done again", p.broken, p.broken == 1 ? "" : "s");
	copy_list_free(r->rows);
	r->rows = NULL;
	return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : rc;
}

void rows_release(struct run *r)
{
	struct err ignored;

	if (r->copy) {
		copy_stop(r->copy);
		(void)copy_finish(r->copy, &ignored);
	}
	r->copy = NULL;
	keep_release(r);
	copy_list_free(r->rows);
	r->rows = NULL;
	str_fini(&r->kept);
}
