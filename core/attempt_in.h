#ifndef PGUSHER_ATTEMPT_IN_H
#define PGUSHER_ATTEMPT_IN_H
/* attempt_in - shared by attempt.c, attempt_move.c, attempt_cleanup.c and attempt_watch.c; for nobody else. */
#include "attempt.h"
#include "method/run.h"

/* What an action of the plan gets to know. seen: the story so far, or NULL; id: of the run. */
void attempt_init_run(struct run *r, struct attempt *a, const struct plan *p, const struct model *seen, const char *id);

/* The journal's story; left_too: one that ended well counts while something of it stands. NULL: none; attempt_forget frees it. */
struct model *attempt_load(const struct migration *m, bool left_too);
/* Reads it again, now that nobody else can write. seen: NULL for a new attempt. */
enum err_code attempt_take_story(struct attempt *a, const struct model *seen, struct err *err);
/* application_name of all that an attempt starts. Caller frees. */
char *attempt_app_name(const struct migration *m, const char *id);
/* Caller frees. */
char *attempt_new_id(void);
/* Begins, or goes on with `seen`. Caller frees *id. */
enum err_code attempt_begin(struct attempt *a, const struct model *seen, char **id, struct err *err);
/* What was seen and accepted before the attempt was opened belongs to its story. */
enum err_code attempt_journal_preflight(struct attempt *a, const struct model *before, struct err *err);
void attempt_write_report(struct attempt *a, const struct model *live);
/* Every step of the plan. */
enum err_code attempt_announce(struct attempt *a, const struct plan *p, struct err *err);
void attempt_close(struct attempt *a);

#endif
