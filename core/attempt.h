#ifndef PGUSHER_ATTEMPT_H
#define PGUSHER_ATTEMPT_H
/*
 * attempt - one run of a plan, from EV_BEGIN or EV_RESUME to EV_END and the report; and what can be done with an
 * attempt that did not end: resume, clean up. Engine thread.
 */
#include "checks/checks.h"
#include "plan/plan.h"
#include "route.h"
#include "sink.h"

struct attempt {
	const struct migration *m;
	const struct survey *survey;
	struct sink *sink;
	struct route *route;
	struct cancel *cancel;
	bool listing;     /* somebody looks at the list of tables */
	const char *what; /* stands in EV_BEGIN in place of the method; NULL */
};

/* The journal of an attempt that did not end, folded; NULL when there is none. Caller frees with attempt_forget. */
struct model *attempt_unfinished(const struct migration *m);
void attempt_forget(struct model *m);
/* ERR_IO when there is a journal that cannot be read, so that nobody knows whether an attempt is unfinished. */
enum err_code attempt_readable(const struct migration *m, struct err *err);

/*
 * Statements of the process that was killed may still run in the servers, a CREATE DATABASE say: they are ended before anybody
 * looks at what is there. The caller has made sure that no other pgusher holds the attempt.
 */
void attempt_quiet(struct route *route, const struct model *seen);
/* The plan for what is to be done now. */
enum err_code attempt_plan(struct plan **out, const struct attempt *a, const struct model *seen, struct err *err);
/*
 * Runs it. The returned error is that of the attempt: ERR_DIFFERS when the proof failed, ERR_BUSY when another pgusher works
 * on it. ERR_OK with remarks left: EV_END has n = 1.
 */
enum err_code attempt_run(struct attempt *a, const struct plan *p, const struct model *seen, struct err *err);
/* Both sides as they are now, without an attempt. */
enum err_code attempt_verify(struct attempt *a, struct err *err);
/* Looks at a replication each m.refresh_ms until the cancel is raised: EV_SAMPLE. Nothing of the replication ends with it. */
enum err_code attempt_watch(struct attempt *a, struct err *err);
/*
 * The source's last moment (cutover.h); max_outage_s 0: only takes back what an interrupted cutover left. ERR_BLOCKED: nothing follows
 * the source, or something is not ready; ERR_TIMEOUT: it let go by itself.
 */
enum err_code attempt_cutover(struct attempt *a, int max_outage_s, struct err *err);
/* The way back (max_outage_s 0: takes an interrupted one back, as above), and the end of it all; open_old: the server not in use takes writes. */
enum err_code attempt_rollback(struct attempt *a, int max_outage_s, struct err *err);
enum err_code attempt_finalize(struct attempt *a, bool open_old, struct err *err);
/* The same without its fences (rehearse.h): nothing is journaled, no attempt begins. ERR_BLOCKED: not ready; ERR_TIMEOUT: it would take too long. */
enum err_code attempt_rehearse(struct attempt *a, int max_outage_s, struct err *err);
/* Removes what an unfinished attempt left,
 * or what makes a target follow its source; drop_copy: the target's database, too (cutover/abandon.h). Destructive parts ask. */
enum err_code attempt_cleanup(struct attempt *a, bool drop_copy, struct err *err);

#endif
