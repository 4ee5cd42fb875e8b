#ifndef PGUSHER_WATCH_READY_H
#define PGUSHER_WATCH_READY_H
/*
 * ready - whether a cutover may begin: conditions, each with its value. Pure, over one sample and the operator's choices: the monitor
 * shows them all the time, the rehearsal and the cutover itself begin with them. Any thread.
 */
#include "migration.h"
#include "watch/sample.h"

#define READY_MAX 12

struct ready_condition {
	const char *id;       /* stable: "lag" */
	const char *title;    /* a few words: "all tables ready" */
	enum verdict verdict; /* OK; INFO: good to know; WARN: it goes on all the same; BLOCK: no cutover now */
	char value[400];      /* what it is */
	char todo[320];       /* "" when OK */
};

/* In the order of the sample's reading; the same ones each time, so that rows on a screen stay where they are. Returns how many. */
size_t ready_list(const struct watch_sample *s, const struct migration *m, struct ready_condition out[READY_MAX]);
/* The worst of them. */
enum verdict ready_verdict(const struct ready_condition *c, size_t n);

#endif
