#ifndef PGUSHER_VERIFY_EXPR_H
#define PGUSHER_VERIFY_EXPR_H
/*
 * expr - the SQL expressions that verify reads tables with. Pure text building: any thread, no server.
 *
 * The row hash is a bigint over the columns of alias t, the same text for both servers. Its parts are hash
 * functions whose results are the same from PostgreSQL 11 to 18 on little-endian machines (EXPR_PROBE tells),
 * fed with values that tell apart what text tells apart: -0 from 0, 1.0 from 1.00, NULL from ''.
 * Each column's hash is the seed of the next, so that swapped columns differ. All 64 bits of a value count:
 * where a type's own hash folds them (bigint, timestamp, time, interval) its binary form is hashed instead.
 *
 * With PostgreSQL 10 on either side, which has no 64-bit hash functions, half of the row's md5 is used: slower, and
 * it compares text, so that a column of another type with the same text counts as equal.
 * Stored and virtual generated columns are hashed as any other: a target that computes them
 * differently is a difference worth knowing.
 */
#include <stdbool.h>

#include "pg/facts.h"

struct expr_sides {
	bool md5;        /* one side is PostgreSQL 10 */
	bool old_floats; /* one side is older than 12: floats inside other values are written with 15 digits */
	bool any_null;   /* one side is 18 or newer: a NOT NULL that is not validated proves nothing */
};

struct expr_sides expr_sides(int version_a, int version_b);
/* Row hash of all columns of t; caller frees. Needs the columns. */
char *expr_row(const struct fact_table *t, struct expr_sides sides);
/* Hash of the primary key's columns only; NULL when there is no key. Caller frees. */
char *expr_key(const struct fact_table *t, struct expr_sides sides);
/* The key as people read it, text: (7,abc); NULL when there is no key. Caller frees. */
char *expr_key_text(const struct fact_table *t, struct expr_sides sides);

/* Gives EXPR_PROBE_VALUE on every server whose hash functions can be compared (11 and newer). */
#define EXPR_PROBE "SELECT hash_array_extended(ARRAY['\\x00ff5c'::bytea], hashtextextended('pgusher' COLLATE \"C\", " \
	"hashint8extended(-12345678901, hashfloat8extended(0.1, hashint4extended(-7, 20260131)))))"
#define EXPR_PROBE_VALUE "517837661264142590"

#endif
