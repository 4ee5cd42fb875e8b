#include "plain_in.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "clean.h"
#include "engine.h"
#include "journal/journal.h"
#include "journal/model.h"
#include "journal/report_md.h"
#include "journal/standing.h"
#include "plan/plan.h"
#include "signals.h"
#include "watch/sample.h"

#define PROGRESS_US 2000000

struct plain {
	const struct args *a;
	const struct migration *m;
	struct engine *e;
	struct model model;
	int64_t progress_us;
	int64_t again[2];      /* by side: which try was said last */
	bool waiting;          /* for the EV_READY of `command` */
	const char *command;
	enum err_code result;
	char *text, *hint;     /* of the result */
	const struct plan *plan;
	bool stopped;          /* by a signal */
	enum verdict alarm;    /* worst of the newest sample */
	int64_t first_us;      /* of the watch: its first sample */
	bool offered[2];       /* by side: the watch's password was asked for */
};

void plain_stamp(int64_t at_us)
{
	time_t t = (time_t)(at_us / 1000000);
	struct tm tm;

	(void)localtime_r(&t, &tm);
	(void)printf("%02d:%02d:%02d ", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void say(const struct event *e, const char *what, const char *text, const char *more)
{
	plain_stamp(e->at_us);
	(void)printf("%-8s %s%s%s\n", what, text ? text : "", !str_empty(more) ? ": " : "", !str_empty(more) ? more : "");
}

void plain_sub(const char *label, const char *text)
{
	if (str_empty(text))
		return;
	(void)printf("                  %-7s", label);
	for (const char *p = text; *p; p++) {
		(void)putchar(*p);
		if (*p == '\n')
			(void)fputs("                         ", stdout);
	}
	(void)putchar('\n');
}

static void say_finding(const struct event *e)
{
	if (e->verdict == VERDICT_OK) { /* of a preflight there are dozens; the conditions of a cutover are few, and each has its value */
		if (e->id && str_starts(e->id, "ready."))
			say(e, verdict_name(e->verdict), e->title, e->text);
		return;
	}
	say(e, verdict_name(e->verdict), e->title, NULL);
	plain_sub("found", e->text);
	plain_sub("needed", e->needed);
	plain_sub("why", e->why);
	plain_sub("fix", e->hint);
	plain_sub(e->sql && e->sql[0] == '[' ? "set" : "sql", e->sql);
}

static void say_step(const struct plain *p, const struct event *e)
{
	char buf[32];
	const struct model_item *it = model_find(&p->model.steps, e->id);
	const char *title = e->title ? e->title : it && it->title ? it->title : e->id;

	switch (e->state) {
	case ST_RUNNING:
		say(e, "step", title, NULL);
		break;
	case ST_DONE:
		plain_stamp(e->at_us);
		(void)printf("%-8s %s, %s%s%s\n", "done", title, fmt_secs(buf, sizeof buf, (double)e->ms / 1000), str_empty(e->text) ? "" : ", ", e->text ? e->text : "");
		break;
	case ST_SKIPPED:
		say(e, "skipped", title, e->text);
		break;
	case ST_FAILED:
	case ST_CANCELLED:
		say(e, state_name(e->state), title, str_eq(e->text, state_name(e->state)) ? NULL : e->text);
		plain_sub("next", e->hint);
		break;
	case ST_NONE:
	case ST_WAITING:
		break;
	}
}

static void say_progress(struct plain *p, const struct event *e)
{
	char n[32], of[48];
	int64_t now = clock_mono_us();

	if (now - p->progress_us < PROGRESS_US)
		return;
	p->progress_us = now;
	plain_stamp(e->at_us);
	(void)printf("%-8s ", "");
	if (e->of > 0)
		(void)printf("%s of %s, ", fmt_bytes(n, sizeof n, (double)e->n), fmt_bytes(of, sizeof of, (double)e->of));
	if (e->b > 0)
		(void)printf("%lld of %s  ", (long long)e->a, fmt_things(of, sizeof of, e->b, "table"));
	if (e->ms > 0)
		(void)printf("%s  ", fmt_left(n, sizeof n, (double)e->ms / 1000));
	(void)printf("%s\n", e->text ? e->text : "");
}

/* Once for each wait; the seconds that go by are for screens. */
static void say_again(struct plain *p, const struct event *e)
{
	int64_t *said = &p->again[str_eq(e->id, side_name(SIDE_TARGET))];

	if (e->n == 0 || *said == e->a)
		return;
	*said = e->a;
	char *text = event_again_words(e);
	say(e, e->id, text, e->text);
	free(text);
}

static void say_proof(const struct event *e)
{
	if (e->state != ST_DONE || str_eq(e->id, PROOF_OBJECTS))
		say(e, e->state == ST_DONE ? "equal" : e->state == ST_FAILED ? "DIFFERS" : "unproven", e->id, e->text);
	if (str_eq(e->title, PROOF_OBJECT))
		plain_sub("fix", e->sql);
}

static void say_end(const struct event *e)
{
	char *text = standing_ended(e);

	say(e, "end", text, NULL);
	plain_sub("next", e->hint);
	free(text);
}

static void say_event(struct plain *p, const struct event *e)
{
	switch (e->kind) {
	case EV_BEGIN: say(e, "begin", e->id, e->text); break;
	case EV_RESUME: say(e, "resume", e->id, e->text); break;
	case EV_AGAIN: say_again(p, e); break;
	case EV_FACTS: p->again[0] = p->again[1] = 0; say(e, e->id, e->title, e->text); plain_sub("", e->hint); break;
	case EV_FINDING: say_finding(e); break;
	case EV_ACK: say(e, "accepted", e->id, e->text); break;
	case EV_STEP: p->again[0] = p->again[1] = 0; say_step(p, e); break;
	case EV_ACTION: if (e->state == ST_RUNNING) plain_sub(e->text ? e->text : "", e->sql); break;
	case EV_ISSUE: say(e, e->verdict == VERDICT_INFO ? "harmless" : "ATTENTION", e->title, e->text); plain_sub("hint", e->hint); plain_sub("sql", e->sql); break;
	case EV_PROOF: say_proof(e); break;
	case EV_NOTE: say(e, "note", e->title, e->text); break;
	case EV_GATE: say(e, "QUESTION", e->title, NULL); plain_sub("", e->text); break;
	case EV_ANSWER: say(e, "answer", e->state == ST_DONE ? "confirmed" : "refused", e->text); break;
	case EV_END: say_end(e); break;
	case EV_PROGRESS: say_progress(p, e); break;
	case EV_SAMPLE: plain_say_sample(e); break;
	case EV_FIX: case EV_PLAN: case EV_LEFT: case EV_REMOVED: case EV_TEST: case EV_LOG: case EV_BUSY: case EV_WAIT: case EV_TABLES: case EV_READY: case EV_KINDS: break;
	}
	(void)fflush(stdout);
}

static void json_line(const struct event *e)
{
	json_t *j = event_to_json(e);

	(void)json_dumpf(j, stdout, JSON_COMPACT);
	(void)putchar('\n');
	(void)fflush(stdout);
	json_decref(j);
}

static void answer(struct plain *p, const struct event *e)
{
	if (str_starts(e->id, LOGIN_GATE)) {
		(void)plain_login(p->e, e->id, e->title, e->text, &p->stopped);
		return;
	}
	/* an unknown host key is nothing that --yes may cover: its fingerprint must be named */
	const char *key = str_starts(e->id, "hostkey ") ? strstr(e->id, "SHA256:") : NULL;
	size_t n = key ? strcspn(key, " ") : 0;
	bool yes = key	    ? p->a->confirm && strlen(p->a->confirm) == n && strncmp(p->a->confirm, key, n) == 0
		   : e->sql ? str_eq(p->a->confirm, e->sql) && (!e->needed || str_eq(p->a->also_drop, e->needed))
			    : p->a->yes;
	struct command c = {.kind = CMD_ANSWER, .id = e->id, .yes = yes, .text = (char *)p->a->confirm};

	if (!yes && !p->a->json)
		plain_refused(p->a, e, key != NULL);
	engine_send(p->e, &c);
}

static void ready(struct plain *p, const struct event *e)
{
	if (!str_eq(e->id, p->command))
		return;
	p->waiting = false;
	p->result = (enum err_code)e->n;
	xreplace(&p->text, e->text);
	xreplace(&p->hint, e->hint);
	if (e->shared)
		p->plan = e->shared;
}

/*
 * One look is enough for --once: its sample ends the command. After a cutover without a way back it ends when nobody is left on the old
 * server; with one it goes on, since a rollback depends on it.
 */
static void judge(struct plain *p, const struct event *e)
{
	struct watch_sample s;
	struct watch_alarm a[WATCH_ALARMS];

	if (!watch_sample_from_text(&s, e->text))
		s = (struct watch_sample){0};
	if (s.at_us && plain_login_to_watch(p->e, &s, p->offered, &p->stopped))
		return; /* the next one counts */
	p->alarm = s.at_us && watch_alarms(&s, a) > 0 ? a[0].verdict : VERDICT_OK;
	if (p->a->once || s.finalized || s.rolled_back || (s.handed_over && s.source_ok && s.talkers == 0 && !s.way_back))
		engine_cancel(p->e);
}

static void take_events(struct plain *p, bool show)
{
	for (struct event *e; (e = engine_next(p->e)) != NULL;) {
		if (p->a->once && e->kind == EV_SAMPLE && !plain_sample_whole(e, &p->first_us)) {
			event_free(e);
			continue;
		}
		if (p->a->json && e->kind == EV_SAMPLE && !str_empty(e->text)) {
			(void)puts(e->text);
			(void)fflush(stdout);
		}
		bool password = (e->kind == EV_GATE || e->kind == EV_ANSWER) && str_starts(e->id, LOGIN_GATE); /* the terminal's matter */
		if (p->a->json && show && !password && e->kind != EV_SAMPLE && e->kind != EV_READY && e->kind != EV_BUSY)
			json_line(e);
		if (e->kind == EV_READY)
			ready(p, e);
		struct event *d = event_dup(e);
		model_apply(&p->model, e);
		if (!p->a->json && show && !password)
			say_event(p, d);
		if (d->kind == EV_GATE)
			answer(p, d);
		if (d->kind == EV_SAMPLE)
			judge(p, d);
		event_free(d);
	}
}

/* Sends one command and shows events until it has ended. */
static enum err_code drive_command(struct plain *p, const struct command *c, const char *name, bool show)
{
	if (p->stopped) { /* as the command before this one came to its end */
		xreplace(&p->text, "stopped");
		return p->result = ERR_CANCELLED;
	}
	p->command = name;
	p->waiting = true;
	engine_send(p->e, c);
	while (p->waiting) {
		struct pollfd fd[2] = {{.fd = engine_wake_fd(p->e), .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
		if (poll(fd, 2, -1) < 0 && errno != EINTR)
			return ERR_IO;
		int sig = signals_take();
		if (sig == SIGINT || sig == SIGTERM) {
			p->stopped = true;
			engine_cancel(p->e);
		}
		take_events(p, show);
	}
	return p->result;
}

static enum err_code drive(struct plain *p, enum command_kind kind, const char *name, bool show)
{
	struct command c = {.kind = kind};

	return drive_command(p, &c, name, show);
}

static void accept_warnings(struct plain *p)
{
	for (size_t i = 0; i < p->model.findings.n; i++) {
		const struct model_item *it = &p->model.findings.v[i];
		struct command c = {.kind = CMD_ACK, .id = it->last->id, .text = (char *)"--yes"};
		if (it->last->verdict == VERDICT_WARN && !it->acked)
			engine_send(p->e, &c);
	}
}

static int code(struct plain *p, enum err_code rc)
{
	if (rc != ERR_OK && p->a->json) {
		json_t *j = json_pack("{s:s,s:s,s:o,s:o}", "kind", "error", "error", err_code_name(rc), "text", event_string(p->text ? p->text : ""),
				      "hint", event_string(p->hint ? p->hint : ""));
		(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)putchar('\n');
		json_decref(j);
	}
	if (rc != ERR_OK && !p->a->json) {
		(void)fprintf(stderr, "pgusher: %s\n", p->text ? p->text : err_code_name(rc));
		if (!str_empty(p->hint))
			(void)fprintf(stderr, "         %s\n", p->hint);
	}
	switch (rc) {
	case ERR_OK: return p->model.end && p->model.end->state == ST_DONE ? (int)p->model.end->n : EXIT_DONE;
	case ERR_BLOCKED: return EXIT_BLOCKED;
	case ERR_USAGE: return EXIT_USAGE;
	case ERR_CANCELLED: case ERR_LOST: return EXIT_STOPPED;
	case ERR_CONNECT: case ERR_AUTH: case ERR_SQL: case ERR_TIMEOUT: case ERR_IO: case ERR_NOSPACE: case ERR_CHILD:
	case ERR_DIFFERS: case ERR_BUSY: case ERR_HOSTKEY: return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

static int do_check(struct plain *p)
{
	enum err_code rc = drive(p, CMD_CHECK, "check", true);
	char *words = model_verdicts(&p->model);

	if (!p->a->json)
		(void)printf("%s\n", words);
	free(words);
	return code(p, rc);
}

static int do_plan(struct plain *p)
{
	enum err_code rc = drive(p, CMD_PLAN, "plan", false);
	char *text = NULL;

	if (rc != ERR_OK || !p->plan)
		return code(p, rc);
	if (p->a->json) {
		json_t *j = plan_json(p->plan);
		text = json_dumps(j, JSON_INDENT(1));
		json_decref(j);
	} else if (p->a->shell && !plan_scriptable(p->plan)) {
		xreplace(&p->text, "streaming copies the rows by itself, which no script does");
		xreplace(&p->hint, "set transfer = file in [dump] for a script of pg_dump and pg_restore; plan without --shell shows every action");
		return code(p, ERR_USAGE);
	} else {
		text = p->a->shell ? plan_shell(p->plan, p->m) : plan_text(p->plan);
	}
	(void)printf("%s%s", text ? text : "", p->a->json ? "\n" : "");
	free(text);
	return EXIT_DONE;
}

static int do_run(struct plain *p)
{
	enum err_code rc = drive(p, CMD_CHECK, "check", true);

	if (rc == ERR_OK && p->a->yes)
		accept_warnings(p);
	if (rc == ERR_OK)
		rc = drive(p, CMD_RUN, "run", true);
	if (rc == ERR_BLOCKED && p->model.n_unacked > 0 && p->model.n_verdict[VERDICT_BLOCK] == 0)
		xreplace(&p->hint, "put right what WARN names above, or start again with --yes: it accepts them, and that is written down");
	if (rc == ERR_OK && !p->a->json) {
		char *dir = migration_state_dir(p->m);
		(void)printf("report: %s/report.md\n", dir);
		free(dir);
	}
	return code(p, rc);
}

/* The preflight's findings are those of a first run: a target that is not empty is what a cutover wants. */
static int do_cutover(struct plain *p)
{
	struct command c = {.kind = p->a->rehearse ? CMD_REHEARSE : CMD_CUTOVER, .text = (char *)(p->a->abort ? "0" : p->a->max_outage)};

	return code(p, drive_command(p, &c, p->a->rehearse ? "rehearse" : "cutover", true));
}

static int do_rollback(struct plain *p)
{
	struct command c = {.kind = CMD_ROLLBACK, .text = (char *)(p->a->abort ? "0" : p->a->max_outage)};

	return code(p, drive_command(p, &c, "rollback", true));
}

static int do_finalize(struct plain *p)
{
	struct command c = {.kind = CMD_FINALIZE, .yes = p->a->thaw};

	return code(p, drive_command(p, &c, "finalize", true));
}

static int do_verify(struct plain *p)
{
	enum err_code rc = drive(p, CMD_VERIFY, "verify", true);
	int64_t rows;
	size_t n[3], o[3];

	report_count(&p->model, n, &rows);
	bool objects = report_count_objects(&p->model, o);
	if (!p->a->json && p->model.proofs.n > 0)
		(void)printf("%zu equal, %zu different, %zu not proven\n", n[0], n[1], n[2]);
	if (!p->a->json && objects)
		(void)printf("objects: %zu the same, %zu different, %zu not proven\n", o[0], o[1], o[2]);
	return rc == ERR_OK && n[2] + o[1] + o[2] > 0 ? EXIT_FAILED : code(p, rc);
}

static int do_watch(struct plain *p)
{
	enum err_code rc = drive(p, CMD_WATCH, "watch", true);

	return rc != ERR_OK ? code(p, rc) : p->alarm == VERDICT_BLOCK ? EXIT_FAILED : EXIT_DONE;
}

static int do_report(struct plain *p)
{
	struct err err;

	bool readable = plain_load(&p->model, p->m, &err);
	if (!readable || !p->model.begin) {
		char *dir = migration_state_dir(p->m);
		if (!readable)
			(void)fprintf(stderr, "pgusher: %s\n         %s\n", err.msg, err_next(&err));
		else
			(void)fprintf(stderr, "pgusher: no attempt of %s is written down here\n         looked in %s; pgusher run begins one\n", p->m->name, dir);
		free(dir);
		return EXIT_FAILED;
	}
	if (p->a->json) {
		json_t *j = report_json(&p->model);
		(void)json_dumpf(j, stdout, JSON_INDENT(1));
		(void)putchar('\n');
		json_decref(j);
	} else {
		char *md = report_markdown(&p->model);
		(void)fputs(md, stdout);
		free(md);
	}
	return EXIT_DONE;
}

static int with_engine(struct plain *p)
{
	struct err err;
	int rc = EXIT_FAILED;

	if (engine_start(&p->e, p->m, &err) != ERR_OK) {
		(void)fprintf(stderr, "pgusher: %s\n         %s\n", err.msg, err_next(&err));
		return EXIT_FAILED;
	}
	switch (p->a->verb) {
	case VERB_CHECK: rc = do_check(p); break;
	case VERB_PLAN: rc = do_plan(p); break;
	case VERB_RUN: rc = do_run(p); break;
	case VERB_VERIFY: rc = do_verify(p); break;
	case VERB_WATCH: rc = do_watch(p); break;
	case VERB_CUTOVER: rc = do_cutover(p); break;
	case VERB_ROLLBACK: rc = do_rollback(p); break;
	case VERB_FINALIZE: rc = do_finalize(p); break;
	case VERB_CLEANUP: rc = code(p, drive_command(p, &(struct command){.kind = CMD_CLEANUP, .yes = p->a->drop_copy}, "cleanup", true)); break;
	case VERB_WIZARD: case VERB_STATUS: case VERB_REPORT: break;
	}
	engine_stop(p->e);
	return rc;
}

int plain_main(const struct args *a, const struct migration *m)
{
	struct plain p = {.a = a, .m = m};
	int rc;

	clean_begin(a->json || a->shell);
	model_init(&p.model);
	if (a->verb == VERB_STATUS)
		rc = plain_status(a, m, &p.model);
	else if (a->verb == VERB_REPORT)
		rc = do_report(&p);
	else
		rc = with_engine(&p);
	model_fini(&p.model);
	free(p.text);
	free(p.hint);
	return rc;
}
