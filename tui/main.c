#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "args.h"
#include "plain.h"
#include "settings.h"
#include "signals.h"
#include "wizard.h"

enum { EXIT_USAGE = 2 };

/* A core dump would hold passwords. */
static void no_cores(void)
{
	struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* the leak checker looks at us from outside */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int complain(const struct err *err)
{
	(void)fprintf(stderr, "pgusher: %s\n         %s\n", err->msg, err_next(err));
	return EXIT_USAGE;
}

static int no_file(struct err *err)
{
	if (!err->hint[0])
		(void)err_hint(err, "is the path right? pgusher -c FILE is the wizard, which writes such a file; pgusher --sample prints one");
	return complain(err);
}

static int complain_all(const struct strv *wrong)
{
	for (size_t i = 0; i < wrong->n; i++)
		(void)fprintf(stderr, "%s\n", wrong->v[i]);
	return EXIT_USAGE;
}

static int load(struct migration *m, const struct args *a, bool *loaded)
{
	struct strv wrong = {0};
	struct err err;
	int rc = 0;

	*loaded = false;
	if (!a->config)
		return 0;
	if (a->verb == VERB_WIZARD && !a->check_config && access(a->config, F_OK) < 0 && errno == ENOENT) {
		xreplace(&m->ini_path, a->config); /* the wizard will write it */
		return 0;
	}
	enum err_code code = settings_read(m, a->config, &wrong, &err);
	if (code == ERR_USAGE)
		rc = complain_all(&wrong);
	else if (code != ERR_OK)
		rc = no_file(&err);
	else if ((a->verb != VERB_WIZARD || a->check_config) && !settings_complete(m, &wrong))
		rc = complain_all(&wrong);
	*loaded = rc == 0;
	strv_fini(&wrong);
	return rc;
}

static int run(const struct args *a)
{
	struct migration m;
	bool loaded;

	migration_init(&m);
	int rc = load(&m, a, &loaded);
	if (rc == 0 && a->check_config) {
		(void)printf("%s is right\n", a->config ? a->config : "nothing to check");
	} else if (rc == 0 && a->verb != VERB_WIZARD) {
		rc = plain_main(a, &m);
	} else if (rc == 0) {
		if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
			rc = wizard_run(&m, loaded, a->theme, a->ascii);
		} else {
			(void)fprintf(stderr, "pgusher: the wizard needs a terminal\n         pgusher run -c FILE does the same in plain lines\n");
			rc = EXIT_USAGE;
		}
	}
	migration_fini(&m);
	return rc;
}

int main(int argc, char **argv)
{
	struct args a;
	struct err err;

	(void)setlocale(LC_ALL, "");
	(void)setlocale(LC_MESSAGES, "C"); /* words of libraries stand among ours, and some are told apart by them */
	no_cores();
	/* a dead name server must not hang a connect for long; only for us, before any thread starts */
	(void)setenv("RES_OPTIONS", "timeout:2 attempts:2", 0);
	if (!signals_init()) {
		(void)fprintf(stderr, "pgusher: no pipe for signals: %s\n", strerror(errno));
		return 1;
	}
	if (args_parse(&a, argc, argv, &err) != ERR_OK)
		return complain(&err);
	if (a.help) {
		args_help(stdout);
		return 0;
	}
	if (a.version) {
		(void)printf("pgusher %s\n", PGUSHER_VERSION);
		return 0;
	}
	if (a.sample) {
		char *text = settings_sample();
		(void)fputs(text, stdout);
		free(text);
		return 0;
	}
	return run(&a);
}
