#ifndef PGUSHER_TUI_ARGS_H
#define PGUSHER_TUI_ARGS_H
/* args - the command line. */
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

enum verb { VERB_WIZARD, VERB_CHECK, VERB_PLAN, VERB_RUN, VERB_VERIFY, VERB_WATCH, VERB_STATUS, VERB_REPORT, VERB_CUTOVER, VERB_ROLLBACK, VERB_FINALIZE, VERB_CLEANUP };

struct args {
	enum verb verb;
	const char *config, *theme, *confirm, *also_drop, *max_outage; /* seconds; NULL: as the settings say */
	bool thaw, drop_copy, once, abort, rehearse, yes, json, shell, ascii, check_config, help, version, sample;
};

/* Points into argv. ERR_USAGE. */
enum err_code args_parse(struct args *a, int argc, char **argv, struct err *err);
/* The same command line with this, so that it can be typed again; not for the wizard. Caller frees. */
char *args_again(const struct args *a, const char *more);
void args_help(FILE *f);

#endif
