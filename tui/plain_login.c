/* Questions in plain mode that are answered beforehand, or by a password. Declared in plain_in.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/argv.h"
#include "plain_in.h"
#include "prompt.h"

bool plain_login(struct engine *e, const char *id, const char *title, const char *text, bool *stopped)
{
	struct secret typed = {0};
	enum prompted how = prompt_password(title, text ? text : "", &typed);
	struct command c = {.kind = CMD_ANSWER, .id = (char *)id, .yes = how == PROMPT_TYPED, .text = (char *)secret_text(&typed)};

	if (how == PROMPT_STOPPED) {
		*stopped = true;
		engine_cancel(e);
	}
	engine_send(e, &c);
	secret_fini(&typed);
	return how == PROMPT_TYPED;
}

bool plain_login_to_watch(struct engine *e, const struct watch_sample *s, bool offered[2], bool *stopped)
{
	static const char *const ids[] = {LOGIN_GATE "source", LOGIN_GATE "target"}, *const titles[] = {"The source wants a password", "The target wants a password"};
	const char *const why[] = {s->source_error, s->target_error};
	bool given = false;

	for (int i = 0; i < 2; i++) {
		bool wants = (i == SIDE_SOURCE ? s->source_away : s->target_away) == AWAY_PASSWORD;
		if (wants && !offered[i])
			given |= plain_login(e, ids[i], titles[i], why[i], stopped);
		offered[i] = wants;
	}
	return given;
}

void plain_refused(const struct args *a, const struct event *e, bool key)
{
	const char *mark = key ? strstr(e->id, "SHA256:") : NULL, *given = a->confirm;
	char *more = mark ? xasprintf("--confirm %.*s", (int)strcspn(mark, " "), mark) : xstrdup("--yes");

	if (!key && e->sql) {
		struct str s = {0};
		str_add(&s, "--confirm ");
		argv_quote(&s, e->sql);
		if (e->needed)
			str_addf(&s, " --also-drop %s", e->needed);
		xreplace(&more, str_text(&s));
		str_fini(&s);
	}
	const char *why = key			    ? "not accepted; when it is the right one"
			  : e->needed && str_eq(given, e->sql) ? "what is nowhere else is not dropped by the database's name alone; when it may go"
			  : e->sql && given	    ? "that is not the target's database; when it may be done"
			  : e->sql && a->yes	    ? "--yes is not enough for this; when it may be done"
			  : e->sql		    ? "the target's database has to be named; when it may be done"
						    : "not confirmed; when it may be done";
	char *again = args_again(a, more), *text = xasprintf("%s: %s", why, again);
	plain_sub("next", text);
	free(text);
	free(again);
	free(more);
}
