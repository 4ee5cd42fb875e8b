#ifndef PGUSHER_PLAN_PLAN_H
#define PGUSHER_PLAN_PLAN_H
/*
 * plan - what will be done: steps, each a list of actions. The plan screen, the exported script and the
 * executor (run.h) walk the same list; no command is spelled in a second place. Built by method/ and cutover/ from facts, then
 * const: any thread may read it.
 *
 * Two kinds of placeholders may stand in sql and argv; they are filled when the action runs and never shown or
 * journaled filled: ${snapshot} (the exported snapshot's name) and ${secret:KEY} (a password hash, see plan_secret).
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/secret.h"
#include "base/str.h"
#include "migration.h"

enum action_kind {
	ACT_SQL,     /* one or more statements on `where` in dbname */
	ACT_COMMAND, /* argv, or argv | pipe_to, on the host where the tools are */
	ACT_WORK,    /* a named built-in; sql explains it (real statements where there are some, else -- comments) */
	ACT_HOLD,    /* waits for the operator: title is the question, sql the explanation, confirm the word to type: one and the same everywhere, the target's database */
};
enum where { ON_SOURCE, ON_TARGET, HERE }; /* the first two equal enum side */
enum parser { PARSE_NONE, PARSE_DUMP, PARSE_RESTORE, PARSE_VACUUM }; /* who reads the command's lines */

struct run; /* run.h */
typedef enum err_code work_fn(struct run *r, const void *arg, struct err *err);

struct action {
	enum action_kind kind;
	enum where where;
	char *title;            /* NULL: the SQL or command speaks for itself */
	char *dbname;           /* SQL: NULL is the endpoint's database */
	char *sql;
	struct strv argv, pipe_to;
	struct strv env, pipe_env; /* "NAME=value" */
	struct strv prefix;     /* both run behind it: place.h; empty: here */
	enum where login, pipe_login; /* whose password the command gets */
	enum parser parser, pipe_parser;
	work_fn *work;
	const void *arg;        /* for work; outlives the plan or is NULL */
	char *confirm;          /* HOLD: the word to type; NULL: yes is enough */
	char *also;             /* HOLD, with confirm: a second word that is wanted where the first may have been given before the question was seen; NULL: none */
	char *tolerate;         /* SQLSTATEs, blank separated, that mean "already so": "42710 42P07"; NULL: none */
	char *left_name, *left_what, *left_undo; /* journaled before it runs: what exists from now on; NULL: nothing */
	char *removes;          /* left_name that is gone after this action; NULL */
	bool own_transaction;   /* SQL that may not run in a transaction block (CREATE DATABASE): told apart in scripts */
	bool keep_output;       /* a command's standard output is kept for the next work (run.h), not logged */
	bool may_repeat;        /* SQL that does no harm when it runs twice: after a lost connection it does, once, on a new one */
	bool first;             /* when it fails, a step that tries all tries no more */
	bool on_error_note;     /* a failure is an EV_ISSUE that needs attention, and the run goes on */
};

struct step {
	char *id;               /* "restore": stable, names the step in the journal */
	char *title;            /* "restore into the target" */
	char *why;              /* one sentence for somebody who sees it for the first time */
	struct action *actions;
	size_t n;
	const char *scope;      /* steps of the same scope need a held resource ("snapshot"); NULL: none */
	bool trust_journal;     /* done in the journal is done: it is not repeated on resume (dump, restore) */
	bool try_all;           /* an action that fails does not keep the others from being tried; the step fails at its end */
	char *skip;             /* why there is nothing to do; NULL: there is */
};

struct plan_secret { char *key; struct secret value; };

struct plan {
	char *title;            /* "netbox: db1:5432/netbox -> db2:5432/netbox, dump, streamed" */
	struct step *steps;
	size_t n;
	struct plan_secret *secrets;
	size_t n_secrets;
	struct strv tunnels;    /* ssh commands that stand while it runs; shown, and started by the script */
	char *forward[2];       /* by side: their local ports; NULL: straight */
	struct strv notes;      /* remarks shown above the steps: the choice of tools and why ... */
	int64_t bytes;          /* about what has to travel */
	struct strv owned;      /* strings that arguments of work point to */
};

struct plan *plan_new(const char *title);
void plan_free(struct plan *p);
/* The returned pointers live until the next plan_step / step_action on the same list. */
struct step *plan_step(struct plan *p, const char *id, const char *title, const char *why);
struct action *step_sql(struct step *s, enum where where, const char *dbname, const char *sql);
struct action *step_command(struct step *s, const char *const *words); /* NULL-terminated */
struct action *step_work(struct step *s, enum where where, const char *title, work_fn *fn, const void *arg, const char *explain);
struct action *step_hold(struct step *s, const char *question, const char *explain, const char *confirm);
/* Keeps a secret out of sight; returns the placeholder to put into SQL as a quoted literal, caller frees. */
char *plan_secret(struct plan *p, const char *key, const char *value);
const struct step *plan_find(const struct plan *p, const char *id);
/* Fills placeholders; snapshot may be NULL. Caller frees and wipes. */
char *plan_fill(const struct plan *p, const char *text, const char *snapshot);

/* One action as a person reads it, one line or several: "$ pg_dump ...", "source: SELECT ...". Caller frees. */
char *action_show(const struct action *a);
char *step_show(const struct step *st); /* all of its actions; caller frees */
const char *where_name(enum where w); /* "source" "target" "here" */
char *plan_text(const struct plan *p);  /* all steps, for reading; caller frees */
json_t *plan_json(const struct plan *p); /* new reference */
/* Whether a script can do all of it: not where pgusher copies the rows itself (streaming). */
bool plan_scriptable(const struct plan *p);
/* A POSIX shell script with the same commands that a person could run by hand (dump and tunnel with a file). Caller frees. */
char *plan_shell(const struct plan *p, const struct migration *m);

#endif
