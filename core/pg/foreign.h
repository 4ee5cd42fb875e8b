#ifndef PGUSHER_PG_FOREIGN_H
#define PGUSHER_PG_FOREIGN_H
/*
 * foreign - what somebody else made in the target database: tables, views, sequences that the source does not have by schema and
 * name. A half-restored database that holds such is not only ours. Functions and types are not looked at. Engine thread or a probe's.
 */
#include "pg/facts.h"

/*
 * Fills f->relations: one query, whatever the number (relkinds r p v m S f; no temporary ones, none of an extension, none of
 * PostgreSQL 11 to 18's own). What may not be read is unseen, and f->relations_unread set.
 */
enum err_code foreign_read(struct facts *f, struct session *s, struct err *err);
/*
 * Appends the names as SQL wants them, in order. Of a source that could not be listed everything is foreign; so is, in words, a
 * target that could not. Nothing when either is NULL: a dump file does not say what it holds. Pure.
 */
void foreign_names(const struct facts *src, const struct facts *dst, struct strv *out);
/* Appends "a, b and 3 more", for a sentence. Pure. */
void foreign_list(const struct strv *names, struct str *out);

#endif
