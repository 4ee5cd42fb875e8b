#include "wizard.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "clean.h"
#include "journal/journal.h"
#include "journal/standing.h"
#include "settings.h"
#include "signals.h"
#include "theme.h"
#include "wizard_in.h"

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_BLOCKED, EXIT_QUIT, EXIT_STOPPED };

const struct screen *const screens[AT_COUNT] = {
	[AT_WELCOME] = &screen_welcome, [AT_METHOD] = &screen_method, [AT_SOURCE] = &screen_source, [AT_TARGET] = &screen_target,
	[AT_OPTIONS] = &screen_options, [AT_PREFLIGHT] = &screen_preflight, [AT_PLAN] = &screen_plan, [AT_RUN] = &screen_run,
	[AT_DONE] = &screen_done, [AT_MONITOR] = &screen_monitor, [AT_CUTOVER] = &screen_cutover, [AT_CHOOSE] = &screen_choose,
};

void wizard_say(struct wizard *w, enum role role, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	xreplace(&w->said, buf[0] ? buf : NULL);
	w->said_role = role;
}

void wizard_go(struct wizard *w, enum place to)
{
	if (screens[w->at]->leave)
		screens[w->at]->leave(w);
	form_free(w->form);
	w->form = NULL;
	free(w->text);
	w->text = NULL;
	w->sel = w->top = w->scroll = 0;
	wizard_say(w, R_TEXT, "%s", "");
	w->at = to;
	if (screens[to]->enter)
		screens[to]->enter(w);
}

static bool too_small(void)
{
	return term_rows() < TERM_ROWS || term_cols() < TERM_COLS;
}

/* The widgets lie where the terminal's size puts them. Where there is no room they wait until there is. */
static void resized(struct wizard *w)
{
	bool unseen = too_small();

	term_resized();
	if (w->headless || too_small())
		return;
	if (unseen)
		(void)flushinp(); /* keys that were pressed while nothing could be seen */
	dialog_resized();
	if (w->form)
		form_resize(w->form, term_cols() - 8);
}

void wizard_send(struct wizard *w, enum command_kind kind, const char *id, const char *text)
{
	wizard_command(w, &(struct command){.kind = kind, .id = (char *)id, .text = (char *)text});
}

void wizard_command(struct wizard *w, const struct command *c)
{
	w->busy += c->kind != CMD_ACK && c->kind != CMD_ANSWER;
	engine_send(w->e, c);
}

void wizard_setup(struct wizard *w)
{
	struct command c = {.kind = CMD_SETUP, .migration = w->m};

	engine_send(w->e, &c);
	model_forget_findings(&w->model);
	w->plan = NULL;
}

/* A file that is there already may be another migration's: it was not named on the command line. */
static char *free_path(const char *name)
{
	char *path = xasprintf("%s.ini", name);

	for (int i = 2; i < 100 && access(path, F_OK) == 0; i++) {
		free(path);
		path = xasprintf("%s-%d.ini", name, i);
	}
	return path;
}

void wizard_save(struct wizard *w)
{
	struct err err;

	if (!w->m->ini_path)
		w->m->ini_path = free_path(w->m->name);
	w->saved = settings_write(w->m, w->m->ini_path, &err) == ERR_OK;
	if (w->saved)
		wizard_say(w, R_DIM, "written to %s", w->m->ini_path);
	else
		wizard_say(w, R_WARN, "%s", err.msg);
}

static bool runs(const struct wizard *w)
{
	return w->busy && (w->at == AT_RUN || w->at == AT_CUTOVER);
}

static void on_quit(struct wizard *w, bool yes)
{
	if (!yes)
		return;
	engine_cancel(w->e);
	w->quit = true;
	w->exit_code = runs(w) ? EXIT_STOPPED : w->exit_code;
}

static void ask_to_leave(struct wizard *w)
{
	char *text = w->saved ? xasprintf("Nothing is being copied. The settings are in %s; pgusher -c with this file comes back here.",
					  w->m->ini_path)
			      : xstrdup("Nothing is being copied. What you typed since the start is not written to a file: that "
					"happens when you go on from the options.");

	dialog_ask("Leave pgusher?", text, "Leave", on_quit);
	free(text);
}

void wizard_quit(struct wizard *w)
{
	if (w->at == AT_RUN && w->busy)
		dialog_ask("Stop and leave?", "The copy is running. Leaving stops it: nothing of it goes on in the servers, what was done so far is written down, "
			   "and starting pgusher again offers to go on or to clean up.", "Stop and leave", on_quit);
	else if (w->at == AT_CUTOVER && w->busy)
		cutover_quit(w);
	else if (w->at == AT_WELCOME || w->at >= AT_DONE)
		w->quit = true;
	else
		ask_to_leave(w);
}

void wizard_back(struct wizard *w)
{
	if (w->busy) {
		engine_cancel(w->e);
		return;
	}
	if (w->at == AT_WELCOME)
		dialog_ask("Leave pgusher?", "Nothing runs here that would be stopped by it.", "Leave", on_quit);
	else if (w->at <= AT_PLAN)
		wizard_go(w, (enum place)(w->at - 1));
}

/* The last attempt was none of copying: a cutover, a rollback ... */
static bool was_change(const struct model *m)
{
	static const char *const names[] = {"cutover", "rollback", "finalize"};

	for (size_t i = 0; m->begin && i < sizeof names / sizeof *names; i++)
		if (str_eq(m->begin->sql, names[i]))
			return true;
	return false;
}

/* A cutover that did not come to its end was taken back, or stands: both are watched. */
bool wizard_follows(const struct wizard *w)
{
	const struct model *m = &w->model;

	for (size_t i = 0; i < m->left.n && !standing_given_up(m); i++)
		if (!m->left.v[i].removed && !str_starts(m->left.v[i].last->id, "kept-closed:") && (was_change(m) || str_starts(m->left.v[i].last->id, "subscription:")))
			return m->end && (m->end->state == ST_DONE || was_change(m)) && w->m->method == METHOD_SUBSCRIPTION;
	return false;
}

/* One that was to be taken back and could not be has an end, and a side that is closed. */
bool wizard_half_way(const struct wizard *w)
{
	return (was_change(&w->model) && !w->model.end) || model_closed(&w->model);
}

bool wizard_scroll(int *at, int rows, int page, int key, bool special)
{
	int max = rows > page ? rows - page : 0, to = *at;

	if (special && key == KEY_UP)
		to--;
	else if (special && key == KEY_DOWN)
		to++;
	else if (special && key == KEY_NPAGE)
		to += page;
	else if (special && key == KEY_PPAGE)
		to -= page;
	else if (special && key == KEY_HOME)
		to = 0;
	else if (special && key == KEY_END)
		to = max;
	else
		return false;
	*at = to < 0 ? 0 : to > max ? max : to;
	return true;
}

bool wizard_select(struct wizard *w, int rows, int key, bool special)
{
	int page = w->page > 0 ? w->page : 1;

	if (!wizard_scroll(&w->sel, rows, 1, key, special))
		return false;
	if (special && (key == KEY_NPAGE || key == KEY_PPAGE)) {
		w->sel += key == KEY_NPAGE ? page - 1 : 1 - page;
		w->sel = w->sel < 0 ? 0 : w->sel >= rows ? rows ? rows - 1 : 0 : w->sel;
	}
	return true;
}

/* ---- drawing ---- */

static void draw(struct wizard *w)
{
	const struct screen *s = screens[w->at];

	term_clear();
	term_cursor(-1, 0);
	if (too_small()) {
		frame_too_small(w);
		term_flush();
	} else {
		frame_head(w);
		s->draw(w, 2, 1, term_rows() - 5, term_cols() - 2);
		frame_foot(w);
		term_flush();
		if (dialog_open())
			dialog_draw();
		else if (s->cursor)
			s->cursor(w);
	}
	(void)doupdate();
}

/* ---- events ---- */

static void on_gate_type(struct wizard *w, const char *typed)
{
	struct command c = {.kind = CMD_ANSWER, .yes = typed != NULL, .text = (char *)typed};

	w->gate_open = false;
	if (!w->model.gate)
		return;
	c.id = w->model.gate->id;
	engine_send(w->e, &c);
}

static void on_gate_ask(struct wizard *w, bool yes)
{
	on_gate_type(w, yes ? "yes" : NULL);
}

/* The terminal is gone: what runs goes on without it. Nobody can be asked: the attempt ends there, and can be taken up again. */
static void go_headless(struct wizard *w)
{
	w->headless = true;
	w->quit |= !w->busy || w->at == AT_MONITOR;
	if (w->model.gate)
		on_gate_type(w, NULL);
}

static void open_gate(struct wizard *w)
{
	const struct event *g = w->model.gate;

	if (!g || w->gate_open)
		return;
	if (w->headless) {
		on_gate_type(w, NULL);
		return;
	}
	w->gate_open = true;
	if (str_starts(g->id, LOGIN_GATE)) {
		login_gate(g);
		return;
	}
	char *warn = w->at == AT_CUTOVER && g->sql ? cutover_warnings(w) : xstrdup("");
	char *text = xasprintf("%s%s", g->text ? g->text : "", warn);
	if (g->sql)
		dialog_type(g->title, text, g->sql, on_gate_type);
	else
		dialog_ask(g->title, text, "Yes", on_gate_ask);
	free(warn);
	free(text);
}

static void take_event(struct wizard *w, struct event *e)
{
	struct event *r = e->kind == EV_READY ? event_dup(e) : NULL;

	model_apply(&w->model, e);
	open_gate(w);
	if (!r)
		return;
	w->busy -= w->busy > 0;
	if (w->gate_open) { /* nobody waits for the answer any more */
		dialog_close();
		w->gate_open = false;
	}
	if (screens[w->at]->ready)
		screens[w->at]->ready(w, r);
	event_free(r);
}

#define EVENTS_MAX 512

/* Not more than a queue of logs at once: the keys wait behind it. */
static void take_events(struct wizard *w)
{
	struct event *e;

	for (int n = 0; n < EVENTS_MAX && (e = engine_next(w->e)) != NULL; n++)
		take_event(w, e);
}

/* ---- keys ---- */

static void stop_and_suspend(struct wizard *w)
{
	(void)endwin();
	(void)raise(SIGSTOP); /* the whole process stops, the engine too; fg goes on */
	resized(w);
}

static void global_or_screen(struct wizard *w, int key, bool special)
{
	const struct screen *s = screens[w->at];

	if (s->first && s->first(w, key, special))
		return;
	for (const struct key *k = screen_keys(w); k->shown; k++)
		if (k->fn && k->code == key && k->special == special) {
			k->fn(w);
			return;
		}
	if (s->key)
		(void)s->key(w, key, special);
}

static void take_key(struct wizard *w, int key, bool special)
{
	if (special && key == KEY_RESIZE)
		return;
	if (special && key == KEY_ENTER) {
		special = false;
		key = '\r';
	}
	if (!special && key == 12) {
		(void)clearok(curscr, TRUE);
	} else if (too_small()) {
		w->quit |= !w->busy && ((special && key == KEY_F(10)) || (!special && key == 3));
	} else if (!special && key == 26) {
		stop_and_suspend(w);
	} else if (special && key == KEY_F(2)) {
		wizard_say(w, R_TEXT, "theme: %s", theme_next());
		xreplace(&w->m->theme, theme_name());
	} else if (dialog_open()) {
		dialog_key(w, key, special);
	} else if ((special && key == KEY_F(1)) || (!special && key == '?' && !(w->form && form_takes_text(w->form)))) {
		frame_help(w);
	} else if ((special && key == KEY_F(10)) || (!special && key == 3)) {
		wizard_quit(w);
	} else {
		wizard_say(w, R_TEXT, "%s", ""); /* it was about the key before */
		global_or_screen(w, key, special);
	}
}

static void take_keys(struct wizard *w)
{
	bool special;

	for (int key; (key = term_key(&special)) >= 0;)
		take_key(w, key, special);
}

static bool take_signals(struct wizard *w)
{
	bool any = false;

	for (int sig; (sig = signals_take()) != 0; any = true) {
		if (sig == SIGWINCH) {
			resized(w);
		} else if (sig == SIGHUP) {
			go_headless(w);
		} else {
			engine_cancel(w->e);
			w->quit = true;
			w->exit_code = runs(w) ? EXIT_STOPPED : EXIT_QUIT;
		}
	}
	return any;
}

/* What a key or a signal did is drawn at once; what the engine tells, this often: 2,000 lines a second would fill a slow line. */
#define FRAME_US 40000

static void loop(struct wizard *w)
{
	int64_t frame_us = 0; /* when the next one is due */

	while (!w->quit) {
		if (w->at == AT_WELCOME && clock_mono_us() - w->looked_us >= 1000000)
			wizard_look(w);
		int wait = 1000, early = clock_poll_ms(frame_us);
		if (!w->headless && early > 0) {
			wait = early;
		} else if (!w->headless) {
			draw(w);
			frame_us = clock_mono_us() + FRAME_US;
		}
		struct pollfd p[3] = {{.fd = w->headless ? -1 : STDIN_FILENO, .events = POLLIN},
				      {.fd = engine_wake_fd(w->e), .events = POLLIN}, {.fd = signals_fd(), .events = POLLIN}};
		if (poll(p, 3, wait) < 0 && errno != EINTR)
			break;
		if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			go_headless(w);
		if (take_signals(w) || p[0].revents) /* a signal also interrupts poll, which then says nothing */
			frame_us = 0;
		take_events(w);
		if (!w->headless)
			take_keys(w);
		else if (!w->busy)
			w->quit = true;
	}
}

static void load_journal(struct wizard *w, const char *dir)
{
	char *path = journal_path(dir);
	struct err err;

	model_fini(&w->model);
	model_init(&w->model);
	if (model_load(&w->model, path, &err) != ERR_OK)
		wizard_say(w, R_WARN, "%s", err.msg);
	free(path);
}

void wizard_reload(struct wizard *w)
{
	char *dir = migration_state_dir(w->m);

	load_journal(w, dir);
	free(dir);
}

/* While another one works on it, its journal grows; when it has ended, the journal says how. */
void wizard_look(struct wizard *w)
{
	char *dir = migration_state_dir(w->m);
	bool before = w->held, other = !str_eq(w->looked_name, w->m->name);

	w->held = journal_held(dir, &w->holder);
	w->looked_us = clock_mono_us();
	live_fini(&w->live);
	if (w->held)
		(void)live_read(dir, &w->live);
	if (w->held || before || other)
		load_journal(w, dir);
	xreplace(&w->looked_name, w->m->name);
	if (w->held != before)
		w->sel = 0;
	free(dir);
}

bool wizard_open(struct wizard *w, const char *path)
{
	struct migration m;
	struct strv wrong = {0};
	struct err err;

	migration_init(&m);
	if (settings_read(&m, path, &wrong, &err) != ERR_OK) {
		wizard_say(w, R_WARN, "%s", wrong.n ? wrong.v[0] : err.msg);
		migration_fini(&m);
		strv_fini(&wrong);
		return false;
	}
	migration_fini(w->m);
	*w->m = m;
	w->loaded = true;
	if (w->m->theme)
		(void)theme_use(w->m->theme);
	wizard_look(w);
	strv_fini(&wrong);
	return true;
}

int wizard_run(struct migration *m, bool loaded, const char *theme, bool ascii)
{
	struct wizard w = {.m = m, .exit_code = EXIT_QUIT, .loaded = loaded};
	struct err err;

	if (term_start(ascii || m->ascii, &err) != ERR_OK || engine_start(&w.e, m, &err) != ERR_OK) {
		term_stop();
		(void)fprintf(stderr, "pgusher: %s\n         %s\n", err.msg, err.hint);
		return EXIT_USAGE;
	}
	if (!theme_use(theme ? theme : m->theme))
		wizard_say(&w, R_WARN, "there is no theme %s", theme ? theme : m->theme);
	model_init(&w.model);
	wizard_look(&w);
	screens[AT_WELCOME]->enter(&w);
	if (loaded && (wizard_follows(&w) || (wizard_half_way(&w) && !w.held && !str_eq(w.model.begin->sql, "finalize"))))
		wizard_go(&w, AT_MONITOR);
	loop(&w);
	dialog_close();
	form_free(w.form);
	engine_stop(w.e);
	term_stop();
	clean_begin(false);
	char *closed = w.held || w.headless ? NULL : model_closed_says(&w.model);
	if (closed)
		(void)printf("%s\n", closed);
	if (w.model.end && !w.headless) { /* what stands on the alternate screen is gone with it */
		char *dir = migration_state_dir(m);
		(void)printf("%s: %s\nreport: %s/report.md\n", m->name, w.model.end->text ? w.model.end->text : "", dir);
		if (wizard_follows(&w) && !closed) /* leaving is not ending it */
			(void)printf("The servers go on without pgusher; to come back: pgusher%s%s\n", m->ini_path ? " -c " : "", m->ini_path ? m->ini_path : "");
		free(dir);
	}
	if (!w.headless && w.saved && !(w.model.end && wizard_follows(&w) && !closed))
		(void)printf("to come back to this migration: pgusher -c %s\n", m->ini_path);
	free(closed);
	theme_fini();
	model_fini(&w.model);
	live_fini(&w.live);
	free(w.text);
	free(w.said);
	free(w.looked_name);
	free(w.opt_schemas);
	free(w.opt_exclude);
	free(w.opt_prefix);
	return w.exit_code;
}
