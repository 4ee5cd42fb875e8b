#ifndef PGUSHER_COMPARED_H
#define PGUSHER_COMPARED_H
/*
 * compared - a comparison made after an attempt is a part of its story: status and report tell of the newest. Engine thread.
 */
#include "journal/model.h"

#define COMPARED_NOTE "compared again" /* title of its EV_NOTE */

/* Adds it to the journal and the report. Where there is no attempt, or another pgusher is at work on it, nothing is written. */
void compared_write(const struct migration *m, const struct model_list *proofs);

#endif
