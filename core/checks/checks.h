#ifndef PGUSHER_CHECKS_CHECKS_H
#define PGUSHER_CHECKS_CHECKS_H
/*
 * checks - the preflight catalogue. Each check is a pure function over what was read from both sides, so that
 * it runs in microseconds, is testable without a server, and can be run again after a fix. One file per group;
 * checks.c holds the table.
 *
 * A fix that is safe carries SQL and the side it runs on; the operator sees it before it runs.
 */
#include "host/tools.h"
#include "host/waldisk.h"
#include "migration.h"
#include "event.h"
#include "journal/model.h"
#include "pg/facts.h"

#define ADOPT_SETTING "[subscription] adopt = "

struct finding {
	char id[48];          /* "target.empty": stable, used for acknowledgement */
	enum verdict verdict;
	char *title;          /* "target database netbox is not empty" */
	char *found, *needed, *why, *fix; /* plain words; NULL when there is nothing to say */
	char *fix_sql;        /* NULL: nothing that pgusher may run; with ADOPT_SETTING in front: a setting, for the operator to make */
	char *fix_undo;       /* SQL that makes it as it was; NULL: not known */
	enum side fix_side;
	bool fix_maintenance; /* run it in the maintenance database (DROP DATABASE ...) */
	char *fix_confirm;    /* word to be typed before the fix may run (the database's name); NULL: a yes is enough */
	struct strv names;    /* the objects concerned, all of them */
};

/* What checks look at. Anything may be NULL: not read yet, or the connection failed (then err tells). */
struct survey {
	const struct migration *m;
	const struct facts *facts[2];
	struct err connect[2];      /* by side: why there are no facts; code ERR_OK when not tried */
	struct err hop[2];          /* by side: why there is no tunnel; code ERR_OK when there is, or none is wanted */
	char *hop_where[2];         /* what ssh makes of the name; NULL: no tunnel wanted, or not known */
	const struct tools *tools;
	const struct tool_set *tool;/* chosen, or NULL */
	const char *tool_reason;
	char *dump_dir;             /* where a dump would lie, NULL in stream transfer */
	int64_t dump_dir_free;      /* bytes; -1 unknown */
	bool dump_dir_writable;
	const char *use_file_wrong; /* static: why use_file cannot be a dump; NULL: it may be one, or lies elsewhere */
	struct err reach[2];        /* by side: why the tools behind the prefix cannot log in; code ERR_OK when they can, or run here */
	bool probed;                /* subscription: the three below were tried */
	struct err walsender;       /* a replication connection from here; code ERR_OK: it can be had */
	struct err from_target;     /* the target's own connection to the source, as a subscription makes it */
	struct err from_source;     /* the source's own connection to the target, as a reverse link makes it */
	double wal_rate;            /* bytes/s that the source writes; -1: not known */
	struct waldisk_reading wal_disk; /* subscription: free where it keeps its WAL; free_bytes -1: not known, where says why */
	const struct model *unfinished; /* the attempt that did not end, or NULL: what it left is ours */
	char *done;                 /* when and how this migration came to its good end before (former.h), or NULL */
	struct strv target_addrs;   /* addresses seen by several connects to the target (stable route?) */
	bool target_unstable;       /* they differed, or one was in recovery */
};

enum check_needs { NEEDS_SOURCE = 1, NEEDS_TARGET = 2, NEEDS_TOOLS = 4, NEEDS_DISK = 8, NEEDS_ROUTE = 16 };

struct check {
	const char *id;
	unsigned needs;   /* run as soon as these parts of the survey are there */
	unsigned methods; /* bit per enum method */
	void (*run)(const struct survey *s, struct finding *f); /* f->id is set; verdict starts as OK; fill the rest */
};

/* Which of the table hold for a migration: a bit of `methods`. */
unsigned checks_bit(const struct migration *m);
/* The table. */
const struct check *checks_all(size_t *n);
/* Runs one check; the caller frees with finding_fini. */
void check_run(const struct check *c, const struct survey *s, struct finding *out);
void finding_fini(struct finding *f);
/* The finding as an event (EV_FINDING); names are appended to found, at most a screenful, with the rest counted. */
struct event *finding_event(const struct finding *f);
void finding_print(char **slot, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
