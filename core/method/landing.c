/* Landing safely: once the target is level, what it confirms is on a synchronous standby, too. Declared in replication.h. */
#include "method/replication.h"
#include "watch/watch.h"

enum err_code work_remember(struct run *r, const void *arg, struct err *err)
{
	struct watch *w = watch_new(r->m, r->state_dir, r->app, r->cancel);
	struct watch_sample s;

	(void)arg;
	(void)err;
	for (int i = 0; i < 2; i++) /* what is seen first counts once it is seen to be confirmed */
		watch_take(w, &s);
	watch_free(w);
	return ERR_OK;
}

enum err_code work_land(struct run *r, const void *arg, struct err *err)
{
	struct session *s;
	enum err_code rc = run_session(r, SIDE_TARGET, NULL, &s, err);

	if (rc == ERR_OK)
		rc = session_run(s, arg, err);
	/* WAL is one sequence: once a synchronous standby has a commit of ours, it has all that was applied before it */
	if (rc == ERR_OK)
		rc = session_run(s, "BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'pgusher', 'landed'); COMMIT", err);
	return rc;
}
