#ifndef PGUSHER_METHOD_SAME_H
#define PGUSHER_METHOD_SAME_H
/*
 * same - the proof that source and target have the same objects (pg/objects.h), both as they are now; what the operator left out does not
 * count. Engine thread.
 */
#include "method/run.h"
#include "pg/objects.h"

struct same {
	enum side from; /* the side as which the other one is to be: the source, but for a rollback */
	struct objects o;
};

/* ERR_CONNECT and others: they could not be compared. out->o is objects_fini's in any case. */
enum err_code same_look(struct run *r, enum side from, struct same *out, struct err *err);
/* In a few words, for one line. Appends. */
void same_words(struct str *s, const struct run *r, const struct same *c);
/* How many there are that the operator must look at. */
size_t same_differ(const struct run *r, const struct same *c);
/* Looks and says what was found: a proof for each object that differs, one for all that do not. What cannot be compared is not proven. ERR_CANCELLED only. */
enum err_code same_prove(struct run *r, struct err *err);
/* Says what was found. */
void same_say(struct run *r, const struct same *c);

#endif
