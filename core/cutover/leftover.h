#ifndef PGUSHER_CUTOVER_LEFTOVER_H
#define PGUSHER_CUTOVER_LEFTOVER_H
/*
 * leftover - what an attempt left, as the operator wants to see it before it is removed: how old, how large, who uses it; and what
 * is in no journal: sessions on the servers, processes on this host. A side that does not answer is said, and asked no further.
 * Engine thread.
 */
#include "journal/model.h"
#include "method/run.h"

#define LOSS_UNKNOWN "unknown"

struct leftover {
	struct strv about;  /* by item of seen->left: "3 h old, keeps 12 MB of WAL, nobody reads it"; "": nothing is known */
	struct strv beside; /* sessions, processes, sides that were not asked: a line each */
	char *loss;         /* the target's database goes, and this is what the source does not have of it, or why that is not known; NULL: nothing */
	char *loss_word;    /* with loss: how many these are, or LOSS_UNKNOWN: agreed to apart from the database's name */
	size_t running;     /* how many of these lines are about what is ended, sessions and processes of the attempt */
};

/* theirs: application_name of the attempt whose rest this is; NULL: nothing is written down of it, and what runs is only told of. */
void leftover_look(struct run *r, const struct model *seen, const char *theirs, struct leftover *out);
void leftover_fini(struct leftover *l);
/* Of a subscription that was made by hand: whose replication may end with its publications, as far as that can be seen. Appends; nothing: nobody's. */
void leftover_readers(struct run *r, struct str *out);
/*
 * Work, for when the operator has agreed: ends the sessions and the processes of this host that the attempt started, and that outlived it;
 * nobody else works on it. theirs: as above. ERR_CHILD: a process does not end.
 */
enum err_code leftover_end(struct run *r, const void *theirs, struct err *err);

#endif
