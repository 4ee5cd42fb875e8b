#include "cutover/hook.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/argv.h"
#include "base/clock.h"
#include "host/process.h"

struct call { enum hook_moment moment; enum side to; };

bool hook_there(const struct migration *m, enum hook_moment moment)
{
	return m->hooks.argv[moment].n > 0;
}

static void add_env(struct strv *env, const char *name, const char *value)
{
	if (!str_empty(value))
		strv_addf(env, "%s=%s", name, value);
}

static void environment(struct strv *env, const struct migration *m, enum hook_moment moment, enum side to, const char *reason)
{
	const struct endpoint *now = &m->end[to], *old = &m->end[to == SIDE_TARGET ? SIDE_SOURCE : SIDE_TARGET];

	add_env(env, "PGUSHER_MOMENT", hook_moment_name(moment));
	add_env(env, "PGUSHER_MIGRATION", m->name);
	add_env(env, "PGUSHER_HOST", now->host);
	add_env(env, "PGUSHER_PORT", now->port);
	add_env(env, "PGUSHER_DBNAME", now->dbname);
	add_env(env, "PGUSHER_OLD_HOST", old->host);
	add_env(env, "PGUSHER_OLD_PORT", old->port);
	add_env(env, "PGUSHER_OLD_DBNAME", old->dbname);
	add_env(env, "PGUSHER_REASON", reason);
}

char *hook_show(const struct migration *m, enum hook_moment moment, enum side to)
{
	struct strv env = {0};
	struct str s = {0};

	environment(&env, m, moment, to, NULL);
	for (size_t i = 0; i < env.n; i++) {
		const char *eq = env.v[i];
		while (*eq && *eq != '=')
			eq++;
		str_addn(&s, env.v[i], (size_t)(eq - env.v[i]) + 1);
		argv_quote(&s, *eq ? eq + 1 : eq);
		str_addc(&s, ' ');
	}
	char *words = argv_show(&m->hooks.argv[moment]);
	str_add(&s, words);
	free(words);
	strv_fini(&env);
	return str_take(&s);
}

struct told { struct run *r; const char *tool; };

static void line(void *arg, int which, bool is_err, const char *text)
{
	const struct told *t = arg;

	(void)which;
	(void)is_err;
	run_log(t->r, t->tool, text);
}

static int64_t time_ms(const struct migration *m, enum hook_moment moment)
{
	int s = m->hooks.timeout_s;

	if (moment == HOOK_FENCE && m->cut.max_outage_s < s) /* the writers wait from here on */
		s = m->cut.max_outage_s;
	return s * INT64_C(1000);
}

static enum err_code execute(struct run *r, enum hook_moment moment, enum side to, const char *reason, struct cancel *cancel, struct err *err)
{
	struct strv env = {0};
	struct told told = {r, hook_moment_name(moment)};
	struct process_hooks hooks = {.line = line, .arg = &told};
	struct process_spec spec = {.argv = &r->m->hooks.argv[moment], .env = &env};
	int64_t ms = time_ms(r->m, moment);

	environment(&env, r->m, moment, to, reason);
	strv_add(&env, "PGPASSWORD="); /* ours, if it came that way, is for our sessions alone */
	enum err_code rc = process_run(&spec, 1, &hooks, ms, cancel, NULL, err);
	strv_fini(&env);
	if (rc == ERR_TIMEOUT)
		err_set(err, rc, "it did not end within %lld s, and was stopped", (long long)ms / 1000);
	if (rc != ERR_OK && rc != ERR_CANCELLED) {
		(void)err_prefix(err, "the command %s of [hooks]", hook_moment_name(moment));
		(void)err_hint(err, "run it by hand to see what is wrong with it; it is called without a shell, with the environment that the plan shows");
	}
	return rc;
}

enum err_code work_hook(struct run *r, const void *arg, struct err *err)
{
	const struct call *c = arg;

	return execute(r, c->moment, c->to, NULL, r->cancel, err);
}

struct action *hook_add(struct step *st, const struct migration *m, enum hook_moment moment, enum side to)
{
#define BOTH(moment) {{moment, SIDE_SOURCE}, {moment, SIDE_TARGET}}
	static const struct call calls[HOOK_N][2] = {BOTH(HOOK_BEFORE_FENCE), BOTH(HOOK_FENCE), BOTH(HOOK_UNFENCE), BOTH(HOOK_HAND_OVER),
						     BOTH(HOOK_AFTER_HAND_OVER), BOTH(HOOK_AFTER_ROLLBACK), BOTH(HOOK_ALARM)};

	if (!hook_there(m, moment))
		return NULL;
	char *shown = hook_show(m, moment, to), *title = xasprintf("run the operator's command %s", hook_moment_name(moment));
	struct action *a = step_work(st, HERE, title, work_hook, &calls[moment][to], shown);
	free(title);
	free(shown);
	return a;
}

static struct event *action_event(const struct run *r, enum hook_moment moment, enum side to, enum state st)
{
	struct event *e = event_new(EV_ACTION, NULL);

	event_text(&e->id, "hook/%s", hook_moment_name(moment));
	e->state = st;
	e->n = -1;
	event_text(&e->title, "run the operator's command %s", hook_moment_name(moment));
	xreplace(&e->text, where_name(HERE));
	e->sql = hook_show(r->m, moment, to);
	return e;
}

enum err_code hook_run(struct run *r, enum hook_moment moment, enum side to, const char *reason, struct cancel *cancel, struct err *err)
{
	if (!hook_there(r->m, moment))
		return ERR_OK;
	int64_t t0 = clock_mono_us();
	run_emit(r, action_event(r, moment, to, ST_RUNNING));
	enum err_code rc = execute(r, moment, to, reason, cancel, err);
	struct event *e = action_event(r, moment, to, rc == ERR_OK ? ST_DONE : rc == ERR_CANCELLED ? ST_CANCELLED : ST_FAILED);
	e->ms = (clock_mono_us() - t0) / 1000;
	if (rc != ERR_OK)
		event_text(&e->hint, "%s", err->msg);
	run_emit(r, e);
	return rc;
}
