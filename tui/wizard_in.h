#ifndef PGUSHER_TUI_WIZARD_IN_H
#define PGUSHER_TUI_WIZARD_IN_H
/* Shared by the wizard and its screens; not for others. Screens read the model and the wizard's migration, and send commands. */
#include "engine.h"
#include "journal/journal.h"
#include "journal/live.h"
#include "journal/model.h"
#include "migration.h"
#include "plan/plan.h"
#include "term.h"
#include "widgets/form.h"

struct wizard;

/* One key of a screen: the footer, the help and the dispatch come from the same table. shown NULL ends it. */
struct key {
	int code;
	bool special;
	const char *shown, *text;
	void (*fn)(struct wizard *w);
};

struct screen {
	const char *title;
	const char *help;
	const struct key *keys;
	const struct key *(*keys_now)(const struct wizard *w); /* instead of keys, where they depend on what is shown; may be NULL */
	void (*enter)(struct wizard *w);
	void (*leave)(struct wizard *w);
	void (*draw)(struct wizard *w, int y, int x, int h, int width);
	bool (*key)(struct wizard *w, int key, bool special); /* what the table does not know; may be NULL */
	bool (*first)(struct wizard *w, int key, bool special); /* takes a key before the table does; may be NULL */
	void (*ready)(struct wizard *w, const struct event *e); /* a command ended; may be NULL */
	void (*cursor)(struct wizard *w);                       /* may be NULL */
	bool (*valid)(const struct wizard *w, int code);        /* whether a key of the table means anything now; NULL: all do */
};

enum place { AT_WELCOME, AT_METHOD, AT_SOURCE, AT_TARGET, AT_OPTIONS, AT_PREFLIGHT, AT_PLAN, AT_RUN, AT_DONE, AT_MONITOR, AT_CUTOVER, AT_CHOOSE, AT_COUNT };
extern const struct screen screen_welcome, screen_method, screen_source, screen_target, screen_options, screen_preflight, screen_plan,
	screen_run, screen_done, screen_monitor, screen_cutover, screen_choose;

extern const struct screen *const screens[AT_COUNT];

struct wizard {
	struct migration *m;
	struct engine *e;
	struct model model;
	enum place at;
	struct form *form;
	int sel, top, scroll, page; /* of the list or text of the present screen; page: rows that were visible */
	const struct plan *plan;
	char *text;                 /* what a scrolled screen shows */
	char *said;                 /* one line above the footer; NULL: none */
	enum role said_role;
	int busy;                   /* commands of ours whose EV_READY has not come: a screen that was left may still have one */
	bool tested[2];             /* the endpoint as typed answered */
	bool show_ok, show_log;     /* preflight: findings that are well too; run: the log instead of the steps */
	bool gate_open;
	int64_t began_us;           /* of the present run, monotonic */
	const struct change *change; /* what the cutover's screen is doing */
	int64_t changed_us;         /* when it began, wall clock */
	bool quit, headless;
	bool loaded;                /* the settings were read from a file */
	bool saved;                 /* the settings as they are stand in the ini */
	bool held;                  /* another pgusher works on this migration: holder, live */
	struct journal_holder holder;
	struct live live;
	int64_t looked_us;          /* when it was asked last, monotonic */
	char *looked_name;          /* whose journal the model began with */
	int exit_code;
	char *opt_schemas, *opt_exclude, *opt_prefix; /* lists as one line each while they are edited */
};

void wizard_go(struct wizard *w, enum place to);
void wizard_say(struct wizard *w, enum role role, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void wizard_send(struct wizard *w, enum command_kind kind, const char *id, const char *text);
void wizard_command(struct wizard *w, const struct command *c); /* the same, whole */
void wizard_setup(struct wizard *w); /* sends the migration as it is now */
void wizard_save(struct wizard *w);  /* writes the ini */
void wizard_quit(struct wizard *w);  /* asks when something runs */
void wizard_back(struct wizard *w);
bool wizard_follows(const struct wizard *w); /* the last attempt's replication goes on, or was cut over */
bool wizard_half_way(const struct wizard *w); /* a cutover began and nothing says how it ended, or a side is still closed */
void wizard_reload(struct wizard *w);  /* the model, from the journal */
bool wizard_open(struct wizard *w, const char *path); /* the settings of that file instead of these; false: says why not */
void wizard_look(struct wizard *w);    /* at the journal, and who holds it */
/* Scrolling of text and lists by the usual keys; rows: how many there are. */
bool wizard_scroll(int *at, int rows, int page, int key, bool special);
bool wizard_select(struct wizard *w, int rows, int key, bool special);

/* Several screens show them (screens/parts.c). While w->show_log the log has the whole screen, and its keys. */
void log_draw(struct wizard *w, int y, int x, int h, int width);
void log_toggle(struct wizard *w);
bool log_key(struct wizard *w, int key, bool special);
int step_draw(const struct model_item *it, int y, int x, int width, bool on); /* the next row */

/* What makes the other side the primary, or back, in screens/cutover.c: goes there and begins it. */
enum change_kind { CHANGE_CUTOVER, CHANGE_REHEARSE, CHANGE_TAKE_BACK, CHANGE_TAKE_BACK_ROLLBACK, CHANGE_ROLLBACK, CHANGE_FINALIZE, CHANGE_N };
void cutover_begin(struct wizard *w, enum change_kind kind);
const char *cutover_title(const struct wizard *w);
void cutover_quit(struct wizard *w); /* asks, while it runs */
/* What the operator should know before the word is typed; "" when nothing. Caller frees. */
char *cutover_warnings(const struct wizard *w);

/* Settings files in this folder that a migration could go on with, the newest first (found_ini.c). */
void found_ini(struct strv *paths);

/* Passwords that a server asks for (login.c). */
void login_gate(const struct event *gate);        /* the engine waits for it */
void login_watch(struct wizard *w, bool asked);   /* the watch goes on without it: offered once by itself, and whenever asked */
bool login_wanted(const struct wizard *w);        /* the newest sample says so */
void login_begin(void);                           /* a watch begins: nothing was offered yet */

/* What is around a screen (frame.c). */
const struct key *screen_keys(const struct wizard *w); /* of the present one, as it is now */
bool key_valid(const struct wizard *w, const struct key *k); /* it means something now */
void frame_head(const struct wizard *w);
void frame_foot(const struct wizard *w);
void frame_too_small(const struct wizard *w);
void frame_help(const struct wizard *w);

/* Dialogs (dialog.c): one at a time, over the screen. */
void dialog_say(const char *title, const char *text);
void dialog_failed(const char *title, const struct event *e); /* what a command said when it ended, and what to do next */
void dialog_ask(const char *title, const char *text, const char *yes, void (*fn)(struct wizard *, bool));
void dialog_type(const char *title, const char *text, const char *word, void (*fn)(struct wizard *, const char *));
/* A password: hidden while it is typed; NULL to fn: none was given. What fn gets is wiped when it returns. */
void dialog_password(const char *title, const char *text, void (*fn)(struct wizard *, const char *));
bool dialog_open(void);
void dialog_key(struct wizard *w, int key, bool special);
void dialog_draw(void);
void dialog_close(void);
void dialog_resized(void);

#endif
