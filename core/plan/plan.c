#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/argv.h"
#include "host/place.h"
#include "event.h"

static const char *const where_names[] = {"source", "target", "here"};

const char *where_name(enum where w)
{
	return where_names[w];
}

struct plan *plan_new(const char *title)
{
	struct plan *p = xcalloc(1, sizeof *p);

	p->title = xstrdup(title);
	return p;
}

static void action_fini(struct action *a)
{
	char *all[] = {a->title, a->dbname, a->sql, a->confirm, a->also, a->tolerate, a->left_name, a->left_what, a->left_undo, a->removes};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	strv_fini(&a->argv);
	strv_fini(&a->pipe_to);
	strv_fini(&a->env);
	strv_fini(&a->pipe_env);
	strv_fini(&a->prefix);
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		struct step *s = &p->steps[i];
		for (size_t k = 0; k < s->n; k++)
			action_fini(&s->actions[k]);
		free(s->actions);
		free(s->id);
		free(s->title);
		free(s->why);
		free(s->skip);
	}
	for (size_t i = 0; i < p->n_secrets; i++) {
		free(p->secrets[i].key);
		secret_fini(&p->secrets[i].value);
	}
	free(p->steps);
	free(p->secrets);
	free(p->title);
	strv_fini(&p->notes);
	strv_fini(&p->tunnels);
	free(p->forward[0]);
	free(p->forward[1]);
	strv_fini(&p->owned);
	free(p);
}

struct step *plan_step(struct plan *p, const char *id, const char *title, const char *why)
{
	p->steps = xrealloc(p->steps, (p->n + 1) * sizeof *p->steps);
	struct step *s = &p->steps[p->n++];
	*s = (struct step){.id = xstrdup(id), .title = xstrdup(title), .why = xstrdup(why)};
	return s;
}

static struct action *add(struct step *s, enum action_kind kind, enum where where)
{
	s->actions = xrealloc(s->actions, (s->n + 1) * sizeof *s->actions);
	struct action *a = &s->actions[s->n++];
	*a = (struct action){.kind = kind, .where = where, .login = HERE, .pipe_login = HERE};
	return a;
}

struct action *step_sql(struct step *s, enum where where, const char *dbname, const char *sql)
{
	struct action *a = add(s, ACT_SQL, where);

	a->dbname = xstrdup(dbname);
	a->sql = xstrdup(sql);
	return a;
}

struct action *step_command(struct step *s, const char *const *words)
{
	struct action *a = add(s, ACT_COMMAND, HERE);

	for (; *words; words++)
		strv_add(&a->argv, *words);
	return a;
}

struct action *step_work(struct step *s, enum where where, const char *title, work_fn *fn, const void *arg, const char *explain)
{
	struct action *a = add(s, ACT_WORK, where);

	a->title = xstrdup(title);
	a->work = fn;
	a->arg = arg;
	a->sql = xstrdup(explain);
	return a;
}

struct action *step_hold(struct step *s, const char *question, const char *explain, const char *confirm)
{
	struct action *a = add(s, ACT_HOLD, HERE);

	a->title = xstrdup(question);
	a->sql = xstrdup(explain);
	a->confirm = xstrdup(confirm);
	return a;
}

char *plan_secret(struct plan *p, const char *key, const char *value)
{
	p->secrets = xrealloc(p->secrets, (p->n_secrets + 1) * sizeof *p->secrets);
	struct plan_secret *s = &p->secrets[p->n_secrets++];
	/* a brace, a quote or a line end in a role's name would end the placeholder, or the literal of a script */
	*s = (struct plan_secret){.key = key[strcspn(key, "{}'\"\\\n")] ? xasprintf("secret %zu", p->n_secrets) : xstrdup(key)};
	secret_set(&s->value, value);
	return xasprintf("${secret:%s}", s->key);
}

const struct step *plan_find(const struct plan *p, const char *id)
{
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->steps[i].id, id))
			return &p->steps[i];
	return NULL;
}

/* A secret goes into SQL as a literal; hashes hold no quote, others are doubled. false: there is no such. */
static bool add_secret(const struct plan *p, const char *key, size_t len, struct str *out)
{
	for (size_t i = 0; i < p->n_secrets; i++) {
		const struct plan_secret *s = &p->secrets[i];
		if (strlen(s->key) != len || strncmp(s->key, key, len) != 0)
			continue;
		str_addc(out, '\'');
		for (const char *q = secret_text(&s->value); *q; q++) {
			if (*q == '\'')
				str_addc(out, '\'');
			str_addc(out, *q);
		}
		str_addc(out, '\'');
		return true;
	}
	return false;
}

char *plan_fill(const struct plan *p, const char *text, const char *snapshot)
{
	static const char snap[] = "${snapshot}", sec[] = "${secret:";
	struct str out = {0};

	while (*text) {
		const char *d = strstr(text, "${");
		if (!d)
			break;
		str_addn(&out, text, (size_t)(d - text));
		const char *end = strchr(d, '}');
		if (str_starts(d, snap) && snapshot) {
			str_add(&out, snapshot);
			text = d + sizeof snap - 1;
		} else if (str_starts(d, sec) && end && add_secret(p, d + sizeof sec - 1, (size_t)(end - d) - (sizeof sec - 1), &out)) {
			text = end + 1;
		} else { /* somebody's own text */
			str_add(&out, "${");
			text = d + 2;
		}
	}
	str_add(&out, text);
	return str_take(&out);
}

static void show_command(const struct strv *prefix, const struct strv *argv, const struct strv *env, struct str *out)
{
	if (prefix->n) {
		struct strv all = {0};
		place_show(&all, prefix, env, argv);
		char *shown = argv_show(&all);
		str_add(out, shown);
		free(shown);
		strv_fini(&all);
		return;
	}
	for (size_t i = 0; i < env->n; i++) {
		const char *eq = strchr(env->v[i], '=');
		str_addn(out, env->v[i], eq ? (size_t)(eq - env->v[i] + 1) : 0);
		argv_quote(out, eq ? eq + 1 : env->v[i]);
		str_addc(out, ' ');
	}
	char *words = argv_show(argv);
	str_add(out, words);
	free(words);
}

char *action_show(const struct action *a)
{
	struct str s = {0};

	switch (a->kind) {
	case ACT_SQL:
	case ACT_WORK:
		str_add(&s, a->sql);
		break;
	case ACT_COMMAND:
		show_command(&a->prefix, &a->argv, &a->env, &s);
		if (a->pipe_to.n) {
			str_add(&s, " | ");
			show_command(&a->prefix, &a->pipe_to, &a->pipe_env, &s);
		}
		break;
	case ACT_HOLD:
		str_addf(&s, "wait for the operator: %s", a->title);
		if (a->confirm)
			str_addf(&s, " (type %s)", a->confirm);
		break;
	}
	return str_take(&s);
}

static void indent(struct str *out, const char *text, const char *first, const char *next)
{
	const char *pre = first;

	while (*text) {
		size_t n = strcspn(text, "\n");
		str_addf(out, "%s%.*s\n", pre, (int)n, text);
		text += n + (text[n] == '\n');
		pre = next;
	}
}

static void action_text(const struct action *a, struct str *out)
{
	char *shown = action_show(a), *first;

	switch (a->kind) {
	case ACT_SQL:
		first = xasprintf("     %s%s%s> ", where_name(a->where), a->dbname ? "/" : "", a->dbname ? a->dbname : "");
		indent(out, shown, first, "             ");
		free(first);
		break;
	case ACT_COMMAND:
		indent(out, shown, "     $ ", "       ");
		break;
	case ACT_WORK:
		str_addf(out, "     %s: %s\n", where_name(a->where), a->title);
		indent(out, shown, "             ", "             ");
		break;
	case ACT_HOLD:
		indent(out, shown, "     ", "     ");
		break;
	}
	free(shown);
}

char *step_show(const struct step *st)
{
	struct str s = {0};

	for (size_t k = 0; k < st->n; k++) {
		char *one = action_show(&st->actions[k]);
		str_addf(&s, "%s%s", k ? "\n" : "", one);
		free(one);
	}
	return str_take(&s);
}

char *plan_text(const struct plan *p)
{
	struct str s = {0};

	str_addf(&s, "%s\n", p->title);
	for (size_t i = 0; i < p->notes.n; i++)
		str_addf(&s, "  note: %s\n", p->notes.v[i]);
	for (size_t i = 0; i < p->tunnels.n; i++)
		str_addf(&s, "  while it runs: $ %s\n", p->tunnels.v[i]);
	for (size_t i = 0; i < p->n; i++) {
		const struct step *st = &p->steps[i];
		str_addf(&s, "\n%2zu. %s\n     (%s)\n", i + 1, st->title, st->why);
		if (st->skip || st->n == 0)
			str_addf(&s, "     nothing to do%s%s\n", st->skip ? ": " : "", st->skip ? st->skip : "");
		for (size_t k = 0; k < st->n; k++)
			action_text(&st->actions[k], &s);
	}
	return str_take(&s);
}

static json_t *text_or_null(const char *s)
{
	return s ? event_string(s) : json_null(); /* names of any bytes */
}

static json_t *action_json(const struct action *a)
{
	static const char *const kinds[] = {"sql", "command", "work", "hold"};
	json_t *j = json_object();
	char *shown = action_show(a);

	(void)json_object_set_new(j, "kind", json_string(kinds[a->kind]));
	(void)json_object_set_new(j, "where", json_string(where_name(a->where)));
	if (a->title)
		(void)json_object_set_new(j, "title", text_or_null(a->title));
	if (a->dbname)
		(void)json_object_set_new(j, "database", text_or_null(a->dbname));
	(void)json_object_set_new(j, a->kind == ACT_COMMAND ? "command" : "sql", text_or_null(shown));
	if (a->confirm)
		(void)json_object_set_new(j, "confirm", text_or_null(a->confirm));
	if (a->left_name)
		(void)json_object_set_new(j, "leaves", text_or_null(a->left_name));
	free(shown);
	return j;
}

json_t *plan_json(const struct plan *p)
{
	json_t *steps = json_array(), *notes = json_array(), *tunnels = json_array();

	for (size_t i = 0; i < p->notes.n; i++)
		(void)json_array_append_new(notes, text_or_null(p->notes.v[i]));
	for (size_t i = 0; i < p->tunnels.n; i++)
		(void)json_array_append_new(tunnels, text_or_null(p->tunnels.v[i]));
	for (size_t i = 0; i < p->n; i++) {
		const struct step *st = &p->steps[i];
		json_t *actions = json_array();
		for (size_t k = 0; k < st->n; k++)
			(void)json_array_append_new(actions, action_json(&st->actions[k]));
		json_t *o = json_pack("{s:s,s:o,s:o,s:o}", "id", st->id, "title", text_or_null(st->title), "why", text_or_null(st->why),
				      "actions", actions);
		if (st->skip && o)
			(void)json_object_set_new(o, "nothing_to_do", text_or_null(st->skip));
		(void)json_array_append_new(steps, o);
	}
	return json_pack("{s:o,s:o,s:o,s:o,s:I}", "title", text_or_null(p->title), "notes", notes, "tunnels", tunnels, "steps", steps, "bytes", (json_int_t)p->bytes);
}
