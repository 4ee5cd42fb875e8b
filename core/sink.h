#ifndef PGUSHER_SINK_H
#define PGUSHER_SINK_H
/*
 * sink - the one way an event takes: journal (durable ones, synced, when an attempt is open), then the engine's own
 * fold, then the front end. Engine thread.
 */
#include "journal/journal.h"
#include "journal/model.h"
#include "queue.h"

struct sink {
	struct queue *q;
	struct model live;
	struct journal *j;   /* NULL: no attempt is open */
	char *dir;           /* of the open attempt */
	int64_t live_us;     /* when live.json was last written, monotonic */
	struct err broken;   /* why the journal could not be written; code ERR_OK while it can */
};

void sink_init(struct sink *s, struct queue *q);
void sink_fini(struct sink *s);
/* Takes ownership. After the journal failed once, durable events are refused with the same error (screens still get them). */
enum err_code sink_emit(struct sink *s, struct event *e, struct err *err);
/* Only into the journal: what happened before the attempt was opened. */
enum err_code sink_journal(struct sink *s, const struct event *e, struct err *err);

/*
 * Asks the operator and waits: ERR_OK confirmed (`confirm` was typed, when there is one; also: who did not see the question names this, too; NULL: nothing), ERR_BLOCKED refused, ERR_CANCELLED. Question
 * and answer are journaled when an attempt is open.
 */
enum err_code sink_ask(struct sink *s, struct cancel *cancel, const char *id, const char *title, const char *text, const char *confirm, const char *also,
		       struct err *err);
/* user@host of this process; caller frees. */
char *sink_who(void);

#endif
