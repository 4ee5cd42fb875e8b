#ifndef PGUSHER_CHECKS_PROBES_H
#define PGUSHER_CHECKS_PROBES_H
/*
 * probes - what only a try tells of a subscription: whether a walsender can be had, and whether each server reaches the other. They
 * change nothing, or take it back (a subscription that is rolled back leaves nothing, 10 to 18), so that they are asked again when a
 * server does not answer (pg/patience.h). Engine thread.
 */
#include "checks/gather.h"

struct probing {
	const struct migration *m;
	const struct facts *facts[2];      /* both are there */
	const struct secret *password[2];  /* that libpq used */
	bool target_exists;
	const char *app;
	struct cancel *cancel;
	const struct gather_hooks *hooks;
};

/* Fills walsender, from_target and from_source of the survey, which are empty before. */
void probes_ask(const struct probing *p, struct survey *s);

/* The error is one of our own session for the probe: of what was to be tried it says nothing. (The server's answer is ERR_SQL.) */
bool probe_cut(const struct err *why);

#endif
