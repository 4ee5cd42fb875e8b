#ifndef PGUSHER_METHOD_LEFTOVER_H
#define PGUSHER_METHOD_LEFTOVER_H
/*
 * leftover - what an attempt left, as the operator wants to see it before it is removed: how old, how large, who uses it; and what
 * is in no journal: sessions on the servers, processes on this host. A side that does not answer is said, and asked no further.
 * Engine thread.
 */
#include "journal/model.h"
#include "method/run.h"

struct leftover {
	struct strv about;  /* by item of seen->left: "3 h old, keeps 12 MB of WAL, nobody reads it"; "": nothing is known */
	struct strv beside; /* sessions, processes, sides that were not asked: a line each */
};

/* theirs: application_name of the attempt whose rest this is; NULL: nothing is written down of it, and what runs is only told of. */
void leftover_look(struct run *r, const struct model *seen, const char *theirs, struct leftover *out);
void leftover_fini(struct leftover *l);
/* Processes of this host that the attempt started, and that outlived it, are ended; nobody else works on it. ERR_CHILD: one does not end. */
enum err_code leftover_end_processes(const char *theirs, struct err *err);

#endif
