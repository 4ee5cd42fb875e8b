#include "args.h"

#include <getopt.h>
#include <string.h>

#include "base/argv.h"
#include "base/str.h"

static const struct { const char *name; enum verb verb; } verbs[] = {
	{"check", VERB_CHECK}, {"plan", VERB_PLAN}, {"run", VERB_RUN}, {"verify", VERB_VERIFY}, {"watch", VERB_WATCH},
	{"status", VERB_STATUS}, {"report", VERB_REPORT}, {"cutover", VERB_CUTOVER}, {"rollback", VERB_ROLLBACK}, {"finalize", VERB_FINALIZE}, {"cleanup", VERB_CLEANUP},
};

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'}, {"yes", no_argument, NULL, 'y'},     {"json", no_argument, NULL, 'j'},
	{"shell", no_argument, NULL, 's'},        {"theme", required_argument, NULL, 't'}, {"ascii", no_argument, NULL, 'a'},
	{"confirm", required_argument, NULL, 'C'}, {"also-drop", required_argument, NULL, 'A'}, {"once", no_argument, NULL, 'o'}, {"check-config", no_argument, NULL, 'k'}, {"sample", no_argument, NULL, 'S'},
	{"max-outage", required_argument, NULL, 'm'}, {"abort", no_argument, NULL, 'b'}, {"thaw", no_argument, NULL, 'T'}, {"drop-copy", no_argument, NULL, 'D'}, {"rehearse", no_argument, NULL, 'r'},
	{"help", no_argument, NULL, 'h'},         {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0},
};

static enum err_code option(struct args *a, int c, char **argv, struct err *err)
{
	switch (c) {
	case 'c': a->config = optarg; return ERR_OK;
	case 't': a->theme = optarg; return ERR_OK;
	case 'C': a->confirm = optarg; return ERR_OK;
	case 'A': a->also_drop = optarg; return ERR_OK;
	case 'o': a->once = true; return ERR_OK;
	case 'm': a->max_outage = optarg; return ERR_OK;
	case 'T': a->thaw = true; return ERR_OK;
	case 'D': a->drop_copy = true; return ERR_OK;
	case 'b': a->abort = true; return ERR_OK;
	case 'r': a->rehearse = true; return ERR_OK;
	case 'y': a->yes = true; return ERR_OK;
	case 'j': a->json = true; return ERR_OK;
	case 's': a->shell = true; return ERR_OK;
	case 'a': a->ascii = true; return ERR_OK;
	case 'k': a->check_config = true; return ERR_OK;
	case 'S': a->sample = true; return ERR_OK;
	case 'h': a->help = true; return ERR_OK;
	case 'V': a->version = true; return ERR_OK;
	case ':': err_set(err, ERR_USAGE, "%s wants a value", argv[optind - 1]); break;
	default: err_set(err, ERR_USAGE, "there is no option %s", argv[optind - 1]); break;
	}
	return err_hint(err, "pgusher --help lists them");
}

static enum err_code verb(struct args *a, const char *word, struct err *err)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(verbs[i].name, word) == 0) {
			a->verb = verbs[i].verb;
			return ERR_OK;
		}
	err_set(err, ERR_USAGE, "there is no command %s", word);
	return err_hint(err, "pgusher --help lists them");
}

/* What would mean something else, or nothing. */
static enum err_code sensible(const struct args *a, struct err *err)
{
	bool moves = a->verb == VERB_CUTOVER || a->verb == VERB_ROLLBACK;
	int64_t seconds;
	const struct { bool given, fits; const char *name, *where; } only[] = {
		{a->abort, moves, "--abort", "cutover and rollback"}, {a->max_outage != NULL, moves, "--max-outage", "cutover and rollback"},
		{a->rehearse, a->verb == VERB_CUTOVER, "--rehearse", "cutover"}, {a->thaw, a->verb == VERB_FINALIZE, "--thaw", "finalize"},
		{a->drop_copy, a->verb == VERB_CLEANUP, "--drop-copy", "cleanup"}, {a->also_drop != NULL, a->verb == VERB_CLEANUP || a->verb == VERB_RUN, "--also-drop", "cleanup and run"},
		{a->shell, a->verb == VERB_PLAN, "--shell", "plan"}, {a->once, a->verb == VERB_WATCH, "--once", "watch"},
	};

	for (size_t i = 0; i < sizeof only / sizeof *only; i++)
		if (only[i].given && !only[i].fits) {
			err_set(err, ERR_USAGE, "%s belongs to %s", only[i].name, only[i].where);
			return err_hint(err, "pgusher --help lists the options");
		}
	if (a->max_outage && !str_to_i64(a->max_outage, 1, 86400, &seconds))
		return err_set(err, ERR_USAGE, "--max-outage is 1 to 86400 seconds");
	if (a->abort && (a->rehearse || a->max_outage))
		return err_set(err, ERR_USAGE, "--abort stands alone: it takes an interrupted one back");
	return ERR_OK;
}

enum err_code args_parse(struct args *a, int argc, char **argv, struct err *err)
{
	int c;
	enum err_code rc = ERR_OK;

	*a = (struct args){0};
	opterr = 0;
	while (rc == ERR_OK && (c = getopt_long(argc, argv, ":c:yh", options, NULL)) != -1)
		rc = option(a, c, argv, err);
	if (rc == ERR_OK && optind < argc)
		rc = verb(a, argv[optind++], err);
	if (rc == ERR_OK && optind < argc)
		rc = err_set(err, ERR_USAGE, "one command at a time: what is %s?", argv[optind]);
	if (rc == ERR_OK && a->verb != VERB_WIZARD && !a->config && !a->help && !a->version && !a->sample) {
		err_set(err, ERR_USAGE, "which migration? --config FILE is missing");
		rc = err_hint(err, "pgusher without a command is the wizard, which writes such a file; pgusher --sample prints one");
	}
	if (rc == ERR_OK && !a->help)
		rc = sensible(a, err);
	if (rc != ERR_OK && !err->hint[0])
		(void)err_hint(err, "pgusher --help lists commands and options");
	return rc;
}

char *args_again(const struct args *a, const char *more)
{
	struct str s = {0};

	str_addf(&s, "pgusher %s -c ", verbs[a->verb - VERB_CHECK].name);
	argv_quote(&s, a->config);
	str_addf(&s, "%s%s%s%s%s%s%s", a->drop_copy ? " --drop-copy" : "", a->thaw ? " --thaw" : "", a->rehearse ? " --rehearse" : "", a->abort ? " --abort" : "", a->max_outage ? " --max-outage " : "",
		 a->max_outage ? a->max_outage : "", a->yes && !str_starts(more, "--yes") ? " --yes" : "");
	str_addf(&s, " %s", more);
	return str_take(&s);
}

void args_help(FILE *f)
{
	(void)fputs(
		"pgusher moves a PostgreSQL database to another server and proves that nothing was lost.\n"
		"\n"
		"  pgusher [-c FILE]            the wizard; goes on with an unfinished migration\n"
		"  pgusher check   -c FILE      preflight only\n"
		"  pgusher plan    -c FILE      every action, nothing is run; --json, or --shell for a script\n"
		"  pgusher run     -c FILE      the migration in plain lines\n"
		"  pgusher verify  -c FILE      compare both sides as they are now\n"
		"  pgusher watch   -c FILE      how a subscription goes, each second; --once: one look; --json\n"
		"  pgusher status  -c FILE      what runs, or is unfinished\n"
		"  pgusher report  -c FILE      the report of the last attempt\n"
		"  pgusher cutover -c FILE      subscription: make the target the primary; --rehearse first; --max-outage SECONDS, --abort\n"
		"  pgusher rollback -c FILE     and back again: the old source becomes the primary, nothing is lost; --max-outage, --abort\n"
		"  pgusher finalize -c FILE     remove all that the migration made; --thaw: open the old server to writers\n"
		"  pgusher cleanup -c FILE      list what an unfinished attempt left, and remove it; or give a subscription up: --drop-copy: with its copy\n"
		"\n"
		"  -c, --config FILE   settings (pgusher --sample prints a commented one)\n"
		"  -y, --yes           accept warnings of the preflight (which is written down)\n"
		"      --confirm DB    confirm a cutover, a rollback or what removes something: DB is the target's database, whatever the command\n"
		"      --also-drop N       cleanup, run: the N tables, views and sequences that were named, which the source does not have, go with the database\n"
		"      --json          one JSON object per line\n"
		"      --check-config  only look whether FILE is right\n"
		"      --theme NAME, --ascii   for the wizard\n"
		"      --help, --version\n"
		"\n"
		"Exit status: 0 done and proven; 1 failed, or something is left to look at; 2 usage or settings;\n"
		"3 the preflight blocks, or not confirmed; 4 quit by the operator; 5 stopped midway, can be taken up again.\n", f);
}
