#ifndef PGUSHER_PG_CHOICE_H
#define PGUSHER_PG_CHOICE_H
/*
 * choice - which tables of the source the operator chose to follow ([subscription] tables and schemas; adopt: what the subscription
 * has). It is decided once, where facts are read; everything else looks at fact_table.left_out. Pure.
 */
#include "migration.h"
#include "pg/facts.h"

/* A table as [subscription] tables names it: schema.table; in double quotes where a part holds anything but letters, digits, _ and $. Caller frees. */
char *choice_text(const char *schema, const char *name);
/* The other way round; a name without a schema is in public. false: not such a name. Caller frees both. */
bool choice_split(const char *text, char **schema, char **name);
/* Tables, separated by commas that are not in quotes; appended to out. */
void choice_list(struct strv *out, const char *text);

/* Whether there is a choice at all. */
bool choice_made(const struct migration *m);
/*
 * Sets left_out of every table of the source. A partitioned table stands for its partitions; the parents of a chosen partition are
 * kept, without rows of their own. dst: for a subscription that is taken over, which tables it has; else not looked at. When that is gone,
 * what goes the way back on the source, or what its publications send there ("published") stands for it: m->sub.publications are known.
 */
void choice_mark(const struct migration *m, struct facts *src, const struct facts *dst);
/* Their numbers as an array for a query on the source, "{}" when none is left out. Caller frees. */
char *choice_left_out(const struct facts *src);
/* Names of [subscription] tables and schemas that the source does not have, each with the nearest that it has. */
void choice_unknown(const struct migration *m, const struct facts *src, struct strv *out);

#endif
