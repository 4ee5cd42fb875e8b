#include "sink.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/live.h"

#define LIVE_US 1000000

void sink_init(struct sink *s, struct queue *q)
{
	*s = (struct sink){.q = q};
	model_init(&s->live);
}

void sink_fini(struct sink *s)
{
	journal_close(s->j);
	model_fini(&s->live);
	free(s->dir);
	*s = (struct sink){0};
}

enum err_code sink_journal(struct sink *s, const struct event *e, struct err *err)
{
	if (!s->j || !event_durable(e))
		return ERR_OK;
	if (s->broken.code == ERR_OK)
		(void)journal_write(s->j, e, &s->broken);
	if (s->broken.code != ERR_OK && err)
		*err = s->broken;
	return s->broken.code;
}

enum err_code sink_emit(struct sink *s, struct event *e, struct err *err)
{
	enum err_code rc = sink_journal(s, e, err);
	int64_t now = clock_mono_us();

	model_apply(&s->live, event_dup(e));
	if (s->j && (now - s->live_us >= LIVE_US || e->kind == EV_END)) {
		struct err ignored; /* other terminals only look; the journal is what counts */
		(void)live_write(s->dir, &s->live, &ignored);
		s->live_us = now;
	}
	queue_post(s->q, e);
	return rc;
}

char *sink_who(void)
{
	char host[128] = "?", user[128] = "?", buf[1024];
	struct passwd pw, *p = NULL;

	(void)gethostname(host, sizeof host - 1);
	if (getpwuid_r(getuid(), &pw, buf, sizeof buf, &p) == 0 && p)
		(void)snprintf(user, sizeof user, "%s", p->pw_name);
	return xasprintf("%s@%s", user, host);
}

enum err_code sink_ask(struct sink *s, struct cancel *cancel, const char *id, const char *title, const char *text, const char *confirm, const char *also,
		       struct err *err)
{
	struct event *e = event_new(EV_GATE, id);
	struct command c = {0};

	xreplace(&e->title, title);
	xreplace(&e->text, text);
	xreplace(&e->sql, confirm);
	xreplace(&e->needed, also);
	enum err_code rc = sink_emit(s, e, err);
	if (rc != ERR_OK)
		return rc;
	if (!queue_answer(s->q, id, cancel, &c))
		return err_set(err, ERR_CANCELLED, "cancelled");
	bool yes = c.yes && (!confirm || str_eq(confirm, c.text));
	command_fini(&c);
	e = event_new(EV_ANSWER, id);
	e->state = yes ? ST_DONE : ST_FAILED;
	e->text = sink_who();
	rc = sink_emit(s, e, err);
	if (rc == ERR_OK && !yes) {
		err_set(err, ERR_BLOCKED, "not confirmed: %s", title);
		if (str_starts(id, "hostkey "))
			rc = err_hint(err, "start again when it is the right one; without a terminal it is accepted by --confirm and the fingerprint");
		else
			rc = err_hint(err, "start again when it may be done; without a terminal it is confirmed by %s%s%s%s", confirm ? "--confirm " : "--yes", confirm ? confirm : "", also ? " --also-drop " : "", also ? also : "");
	}
	return rc;
}
