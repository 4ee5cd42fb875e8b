#include "method/slotwait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pg/blockers.h"

#define NAMED 3 /* in one line */

static void say(struct run *r, const char *who)
{
	struct event *e = event_new(EV_PROGRESS, r->step ? r->step->id : NULL);

	event_text(&e->text, "the slot waits for transactions that wrote before it: %s. They may end by themselves; Esc stops waiting", who);
	run_emit(r, e);
}

static void show(struct run *r, enum state st, const char *text, const char *hint)
{
	struct event *e = event_new(EV_WAIT, SLOTWAIT);

	e->state = st;
	xreplace(&e->text, text);
	xreplace(&e->hint, hint);
	run_emit(r, e);
}

/* How to end them is noted once for each of them, which the report keeps. */
static void note(struct run *r, const struct blocker *b, size_t n, struct str *said)
{
	struct str line = {0}, end = {0};

	for (size_t i = 0; i < n && i < NAMED; i++) {
		str_addf(&line, "%s%s, %s, for %lld s", i ? "; " : "", b[i].who, b[i].state, (long long)b[i].seconds);
		str_addf(&end, "%s%s", i ? "; " : "", b[i].end);
	}
	say(r, str_text(&line));
	if (!str_eq(str_text(&end), str_text(said))) {
		run_note(r, "the slot waits", "for %s. To end what it waits for, on the source: %s", str_text(&line), str_text(&end));
		str_fini(said);
		str_add(said, str_text(&end));
	}
	str_fini(&line);
	str_fini(&end);
}

void slotwait_look(struct run *r, int waiter, struct str *said)
{
	struct blocker b[BLOCKERS_MAX];
	struct session *s;
	struct err err;
	size_t n;

	if (run_glance(r, SIDE_SOURCE, &s, &err) != ERR_OK || blockers_ask(s, waiter, b, &n, &err) != ERR_OK)
		return;
	if (n == 0) {
		slotwait_over(r);
		return;
	}
	char *text = blockers_text(b, n);
	show(r, ST_RUNNING, text, NULL);
	free(text);
	note(r, b, n, said);
}

void slotwait_over(struct run *r)
{
	show(r, ST_DONE, NULL, NULL);
}

/* ---- what the operator says ---- */

static struct event *action(const char *verb, const struct blocker *b, enum state st)
{
	bool terminate = str_eq(verb, "terminate");
	struct event *e = event_new(EV_ACTION, NULL);

	event_text(&e->id, "%s/%s %lld", SLOTWAIT, verb, (long long)b->pid);
	e->state = st;
	e->n = -1;
	event_text(&e->title, terminate ? "end the session that the slot waits for: %s" : "cancel the statement that the slot waits for: %s", b->who);
	xreplace(&e->text, "source");
	event_text(&e->sql, terminate ? "SELECT pg_terminate_backend(%lld)" : "SELECT pg_cancel_backend(%lld)", (long long)b->pid);
	return e;
}

static void act(struct run *r, struct session *s, int waiter, const char *verb, const struct blocker *b)
{
	int64_t t0 = clock_mono_us();
	bool told = false;
	struct err err = {0};

	run_emit(r, action(verb, b, ST_RUNNING));
	if (cancel_raised(r->cancel)) /* such as a journal that cannot take it */
		return;
	enum err_code rc = blockers_tell(s, waiter, b->pid, str_eq(verb, "terminate"), &told, &err);
	struct event *e = action(verb, b, rc == ERR_OK && told ? ST_DONE : ST_FAILED);
	e->ms = (clock_mono_us() - t0) / 1000;
	if (rc != ERR_OK)
		event_text(&e->hint, "%s", err.msg);
	else if (!told)
		event_text(&e->hint, "it is not waited for any more");
	if (e->hint)
		run_note(r, "the slot waits", "%s did not work on %s: %s", verb, b->who, e->hint);
	run_emit(r, e);
}

/* The blocker of that pid, as it is now: only what is still waited for is told anything. */
static bool find(struct session *s, int waiter, int64_t pid, struct blocker *out)
{
	struct blocker b[BLOCKERS_MAX];
	struct err err;
	size_t n;

	if (blockers_ask(s, waiter, b, &n, &err) != ERR_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if (b[i].pid == pid && pid > 0) {
			*out = b[i];
			return true;
		}
	return false;
}

bool slotwait_answer(struct run *r, int waiter)
{
	char *text = r->told(r->arg, SLOTWAIT);
	const char *pid = text ? strchr(text, ' ') : NULL;
	struct session *s;
	struct blocker b;
	struct err err;
	int64_t n;

	if (!text)
		return false;
	if (!pid || !str_to_i64(pid + 1, 1, INT32_MAX, &n) || run_glance(r, SIDE_SOURCE, &s, &err) != ERR_OK || !find(s, waiter, n, &b))
		;  /* it ended by itself meanwhile */
	else if (str_starts(text, "terminate "))
		act(r, s, waiter, "terminate", &b);
	else if (str_starts(text, "cancel ") && blocker_may_cancel(&b))
		act(r, s, waiter, "cancel", &b);
	free(text);
	return true;
}
