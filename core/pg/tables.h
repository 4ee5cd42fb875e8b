#ifndef PGUSHER_PG_TABLES_H
#define PGUSHER_PG_TABLES_H
/*
 * tables - lists of tables for screens: the source's, to choose from; a subscription's on the target, with how far each is. One query
 * for all of them. As text: fields end with TABLES_FIELD, rows with TABLES_ROW, so that any name passes. One thread.
 */
#include "base/err.h"

struct session;

#define TABLES_FIELD "\x1f"
#define TABLES_ROW "\x1e"

/*
 * Schema, name, bytes, rows (about; -1: never analysed). Partitions are in their root's row; tables of extensions and those that are not
 * logged are not there. Caller frees *text.
 */
enum err_code tables_of_source(struct session *s, char **text, struct err *err);
/*
 * Name (quoted where it must be), state (waits, copying, catching up, ready), rows, bytes copied so far (-1: no copy of the server's own
 * runs, or before 14), bytes on the target. What is not ready comes first, the larger before the smaller. Caller frees *text.
 */
enum err_code tables_of_subscription(struct session *s, const char *subscription, char **text, struct err *err);

#endif
