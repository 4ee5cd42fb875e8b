#ifndef PGUSHER_VERIFY_CUT_H
#define PGUSHER_VERIFY_CUT_H
/*
 * cut - the work of reading one side, cut into items for several threads; and the sums that come back in parts.
 * Pure: any thread, no server.
 */
#include "verify/read.h"

enum item_kind { ITEM_LARGE_OBJECTS, ITEM_TABLES, ITEM_RANGE };

struct item {
	enum item_kind kind;
	size_t first, n;      /* tables of the set, by index */
	int64_t from, to;     /* blocks of a range, see read_table_sql */
	int64_t filenode;     /* a range: where the table's rows were when it was cut */
	int64_t bytes;        /* of progress */
};

struct item_list { struct item *v; size_t n, cap; };

/* Tables larger than this are worth several ranges, each about as large. */
int64_t cut_range_bytes(const struct verify_set *v, const struct read_size *sizes, int jobs);
/*
 * Large objects first, then tables, largest first. Tables larger than
 * range_bytes in ranges (0: none), small ones in batches. parts[i]: how many items table i is in; 0: not on this side.
 */
void cut_items(struct item_list *out, const struct verify_set *v, const struct read_size *sizes, int64_t range_bytes, size_t *parts);

/* Adds a whole number as text to a sum: 2^64 row hashes fit into 128 bits. */
void cut_sum_add(__int128 *sum, const char *text);
char *cut_sum_text(__int128 sum); /* caller frees */

#endif
