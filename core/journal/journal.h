#ifndef PGUSHER_JOURNAL_JOURNAL_H
#define PGUSHER_JOURNAL_JOURNAL_H
/*
 * journal - events on disk: one JSON object per line in <dir>/journal.jsonl, each synced before it is acted on. What nothing is
 * acted on for (a proof, an issue, a remark) may be synced together with a later line, at the latest with the step's end.
 * Whoever writes holds <dir>/lock (a lock of the kernel: gone with the process), which names the holder. Engine thread.
 */
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "event.h"

struct journal;

/*
 * Makes dir (0700, with parents) and takes the lock. A line torn by a crash is cut off.
 * ERR_BUSY: another pgusher holds it; the message names it. ERR_IO, ERR_NOSPACE.
 */
enum err_code journal_open(struct journal **out, const char *dir, struct err *err);
/* Appends and syncs, see above. After an error the half line is cut off again, and the event must not be acted on. */
enum err_code journal_write(struct journal *j, const struct event *e, struct err *err);
void journal_close(struct journal *j); /* NULL is fine */

struct journal_holder { pid_t pid; char user[64], host[128], since[40]; };
/* Who holds the lock; false: nobody. Takes nothing. */
bool journal_held(const char *dir, struct journal_holder *h);

char *journal_path(const char *dir); /* caller frees */
/* mkdir -p with 0700. */
enum err_code journal_make_dir(const char *dir, struct err *err);

#endif
