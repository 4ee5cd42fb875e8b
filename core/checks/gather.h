#ifndef PGUSHER_CHECKS_GATHER_H
#define PGUSHER_CHECKS_GATHER_H
/*
 * gather - fills a survey: both servers are read by threads of their own while the tools are looked for here; checks
 * run as soon as what they need has landed. Engine thread.
 */
#include "checks/checks.h"
#include "pg/patience.h"

struct gather_hooks {
	void (*facts)(void *arg, enum side side, const struct facts *f);
	void (*finding)(void *arg, struct finding *f); /* may keep it: it is emptied by moving, then freed by gather */
	/* Both sides were read, or could not be (NULL), and nothing that needs both was judged yet: names may be filled in. May be NULL. */
	void (*both)(void *arg, const struct facts *src, const struct facts *dst);
	/* A connection to a side failed: may say better why. May be NULL. */
	void (*blame)(void *arg, enum side side, struct err *err);
	/* A side does not answer, and is asked again in left_s seconds; 0: now, or no more. Each second. May be NULL. */
	void (*again)(void *arg, enum side side, const struct patience *p, int left_s, const struct err *why);
	/* Before it is asked again: the way there (a tunnel that broke). May be NULL. */
	enum err_code (*reach)(void *arg, enum side side, struct err *err);
	/* A side wants a password, or another one: true when it may be asked again with what was typed. May be NULL. */
	bool (*login)(void *arg, enum side side, const struct err *why);
	void *arg;
};

/* A survey that owns its parts. */
struct survey_box {
	struct survey s;
	struct tools tools;
	char *reason;
};

void survey_box_init(struct survey_box *b, const struct migration *m); /* m must outlive it */
void survey_box_fini(struct survey_box *b);

/*
 * Reads everything and runs every check of the migration's method. ERR_CANCELLED; an endpoint that cannot be reached is
 * not an error here but a finding. app: application_name.
 */
enum err_code gather(struct survey_box *b, const char *app, struct cancel *cancel, const struct gather_hooks *hooks, struct err *err);

/* Which sides take part: a bit per enum side (restoring a file may need no source, dumping no target). */
unsigned migration_sides(const struct migration *m);

/* Opens the endpoint's database, or, when it does not exist, the maintenance database (*exists tells). */
enum err_code gather_connect(const struct endpoint *ep, enum side side, const char *app, struct cancel *cancel,
			     struct session **out, bool *exists, struct err *err);

#endif
