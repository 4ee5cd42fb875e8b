#ifndef PGUSHER_PG_ADOPTED_H
#define PGUSHER_PG_ADOPTED_H
/*
 * adopted - what a subscription that somebody made by hand consists of: its slot and its publications, which may be several. The target
 * knows while the subscription is there; the cutover drops that. From then on it stands, in a line of its own, in the comments that
 * pgusher gives to a link's publication (phase.h): on the source with the word, on the target for the way back. Pure functions, but the last.
 */
#include "pg/facts.h"

/*
 * Fills in m->sub.slot, .publication (the first: it carries the word) and .publications, by what was read of both sides; src, dst: NULL
 * for one that was not. false: neither knows, and all of it is as it was.
 */
bool adopted_names(struct migration *m, const struct facts *src, const struct facts *dst);
/* By another's word: slot, publications. */
void adopted_is(struct migration *m, const struct strv *words);
/* The line for a comment, with the line break before it; nothing when nothing was taken over, or is not known. */
void adopted_note(const struct migration *m, struct str *comment);
/* How that line begins, whatever the slot and the publications are. Caller frees; "": nothing was taken over. */
char *adopted_mark(const struct migration *m);
/*
 * Only what adopted_names looks at, for those who need no more of a side. A session to the database itself. Caller frees with facts_free.
 */
enum err_code adopted_read(struct facts **out, struct session *s, struct err *err);

#endif
