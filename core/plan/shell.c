/* The plan as a script for /bin/sh; declared in plan.h. */
#include <stdlib.h>
#include <string.h>

#include "base/argv.h"
#include "host/place.h"
#include "pg/session.h"
#include "plan/plan.h"

#define MARK "END_OF_SQL_OF_PGUSHER"

static void comment(struct str *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		str_addf(out, "# %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static bool needs_us(const char *word)
{
	return strstr(word, "${snapshot}") != NULL;
}

/* A script can hold no snapshot: the words that name one are left out. */
static void words(struct str *out, const struct strv *prefix, const struct strv *argv, const struct strv *env)
{
	struct strv kept = {0}, all = {0};

	for (size_t i = 0; i < env->n && prefix->n == 0; i++) {
		const char *eq = strchr(env->v[i], '=');
		if (!eq)
			continue;
		str_addn(out, env->v[i], (size_t)(eq - env->v[i] + 1));
		argv_quote(out, eq + 1);
		str_addc(out, ' ');
	}
	for (size_t i = 0; i < argv->n; i++)
		if (!needs_us(argv->v[i]))
			strv_add(&kept, argv->v[i]);
	place_show(&all, prefix, prefix->n ? env : NULL, &kept);
	char *shown = argv_show(&all);
	str_add(out, shown);
	free(shown);
	strv_fini(&kept);
	strv_fini(&all);
}

/* A line of the SQL must not end it early: it may hold a comment that somebody wrote. Caller frees. */
static char *mark_for(const char *text)
{
	char *mark = xstrdup(MARK);

	for (int i = 2; strstr(text, mark); i++) {
		free(mark);
		mark = xasprintf(MARK "_%d", i);
	}
	return mark;
}

static void sql(struct str *out, const struct action *a, const struct plan *p, const struct migration *m)
{
	enum side side = a->where == ON_SOURCE ? SIDE_SOURCE : SIDE_TARGET;
	struct endpoint ep = m->end[side];

	ep.forward = p->forward[side];
	char *conninfo = endpoint_conninfo(&ep, a->dbname, side == SIDE_TARGET), *mark = mark_for(a->sql);

	if (strstr(a->sql, "${secret:"))
		str_add(out, "# a password hash stands here as NULL: the script holds no secrets; set it with \\password\n");
	str_add(out, "psql -X -q -v ON_ERROR_STOP=1 -d ");
	argv_quote(out, conninfo);
	str_addf(out, " <<'%s'\n", mark);
	for (const char *at = a->sql; *at;) {
		const char *s = strstr(at, "${secret:"), *end = s ? strchr(s, '}') : NULL;
		if (!end) {
			str_add(out, at);
			break;
		}
		str_addn(out, at, (size_t)(s - at));
		str_add(out, "NULL");
		at = end + 1;
	}
	size_t len = strlen(a->sql);
	str_addf(out, "%s\n%s\n", len && strchr(";\n", a->sql[len - 1]) ? "" : ";", mark);
	free(mark);
	free(conninfo);
}

static void action(struct str *out, const struct action *a, const struct plan *p, const struct migration *m)
{
	if (a->title && a->kind != ACT_HOLD)
		comment(out, a->title);
	switch (a->kind) {
	case ACT_SQL:
		sql(out, a, p, m);
		break;
	case ACT_COMMAND:
		words(out, &a->prefix, &a->argv, &a->env);
		if (a->pipe_to.n) {
			str_add(out, " |\n  ");
			words(out, &a->prefix, &a->pipe_to, &a->pipe_env);
		}
		str_addc(out, '\n');
		break;
	case ACT_WORK:
		comment(out, a->sql);
		break;
	case ACT_HOLD:
		comment(out, a->sql);
		str_add(out, "printf '%s ' ");
		argv_quote(out, a->title);
		str_add(out, "; read -r answer; [ \"$answer\" = ");
		argv_quote(out, a->confirm ? a->confirm : "yes");
		str_add(out, " ]\n");
		break;
	}
}

static void tunnels(struct str *out, const struct plan *p)
{
	if (p->tunnels.n == 0)
		return;
	str_add(out, "\n# The tunnels stand while this script runs.\ntrap 'kill $tunnels' EXIT\ntunnels=\n");
	for (size_t i = 0; i < p->tunnels.n; i++)
		str_addf(out, "%s &\ntunnels=\"$tunnels $!\"\n", p->tunnels.v[i]);
	for (int side = 0; side < 2; side++)
		if (p->forward[side])
			str_addf(out, "until pg_isready -q -h 127.0.0.1 -p %.*s; do sleep 1; done\n", (int)strcspn(p->forward[side], ","), p->forward[side]);
}

/* Output that is kept is kept for work of ours, which has no command. */
bool plan_scriptable(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->steps[i].n; k++)
			if (p->steps[i].actions[k].keep_output && !p->steps[i].skip)
				return false;
	return true;
}

char *plan_shell(const struct plan *p, const struct migration *m)
{
	struct str s = {0};

	str_add(&s, "#!/bin/sh\n# The same commands by hand. Passwords come from PGPASSFILE or ~/.pgpass.\n"
		    "# What pgusher does beyond them: one snapshot for the dump and the proof (stop the writers instead),\n"
		    "# checksums of every table, judged restore errors, and a journal to resume from.\nset -eu\n");
	comment(&s, p->title);
	for (size_t i = 0; i < p->notes.n; i++)
		comment(&s, p->notes.v[i]);
	if (!plan_scriptable(p))
		str_add(&s, "\n# Streaming copies the rows by itself: a script without that would leave the tables empty.\n"
			    "echo 'this plan has no script: set transfer = file in [dump], and plan again' >&2\nexit 2\n");
	tunnels(&s, p);
	for (size_t i = 0; i < p->n; i++) {
		const struct step *st = &p->steps[i];
		str_addf(&s, "\n# %zu. %s\n", i + 1, st->title);
		comment(&s, st->why);
		for (size_t k = 0; k < st->n && !st->skip; k++)
			action(&s, &st->actions[k], p, m);
	}
	return str_take(&s);
}
