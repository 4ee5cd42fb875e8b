#include "verify/expr.h"

#include <stdlib.h>

#define MAX_CHAINED 200 /* nested deeper, the parser's stack and the planner's time become a matter */

/*
 * How one type is hashed. $C is the column, $V the value to hash (never NULL), $S the seed, $K a constant of
 * this column. NULL entries take the default.
 */
struct rule {
	const char *type;
	const char *value;   /* default $C; may turn special values into NULL */
	const char *dummy;   /* hashed in place of NULL */
	const char *special; /* further WHEN branches for the seed: they tell apart what value made NULL */
	const char *hash;
	const char *in_row;  /* inside ROW(...)::text; default $C */
	const char *old_row; /* the same when a side is older than 12 */
};

#define HASH_TEXT "hashtextextended($V COLLATE \"C\", $S)"
#define HASH_BYTES "hash_array_extended(ARRAY[$V], $S)"
#define BYTES(send) .value = send "($C)", .dummy = "''::bytea", .hash = HASH_BYTES
/* Binary is exact where the text of a server before 12 is rounded. */
#define SENT(send) "encode(" send "($C), 'hex')"
/* The hash functions take 0 and -0 for equal and give the bare seed; NaN has several bit patterns. */
#define FLOAT(size) \
	.value = "nullif(nullif($C, 'NaN'), 0)", .dummy = "1::float" size, \
	.special = " WHEN $C = 'NaN' THEN $K + 1 WHEN $C = 0 THEN hashtextextended($C::text COLLATE \"C\", $K)", \
	.hash = "hashfloat" size "extended($V, $S)", \
	.old_row = "CASE WHEN $C = 'NaN' THEN 'NaN' ELSE " SENT("float" size "send") " END"

static const struct rule rules[] = {
	{.type = "int2", .dummy = "0::int2", .hash = "hashint2extended($V, $S)"},
	{.type = "int4", .dummy = "0", .hash = "hashint4extended($V, $S)"},
	/* the function folds the halves of the value: 4294967297 is 0 to it. The seed takes all 64 bits. */
	{.type = "int8", .dummy = "0::int8", .hash = "hashint8extended($V, int8xor($S, $V))"},
	{.type = "oid", .dummy = "0::oid", .hash = "hashoidextended($V, $S)"},
	{.type = "bool", .value = "$C::int4", .dummy = "0", .hash = "hashint4extended($V, $S)"},
	{.type = "float4", FLOAT("4")},
	{.type = "float8", FLOAT("8")},
	{.type = "text", .dummy = "''", .hash = HASH_TEXT},
	{.type = "varchar", .dummy = "''", .hash = HASH_TEXT},
	/* trailing blanks are nothing to the function, and a cast to text drops them */
	{.type = "bpchar", .dummy = "''::bpchar",
	 .hash = "hashbpcharextended($V COLLATE \"C\", int8xor($S, octet_length($V)))"},
	{.type = "name", .dummy = "''::name", .hash = "hashnameextended($V, $S)"},
	/* bytes above 127 are written in another way since 15 */
	{.type = "char", .value = "$C::int4", .dummy = "0", .hash = "hashint4extended($V, $S)", .in_row = "$C::int4"},
	{.type = "uuid", .dummy = "'00000000-0000-0000-0000-000000000000'::uuid", .hash = "uuid_hash_extended($V, $S)"},
	{.type = "inet", .dummy = "'0.0.0.0'::inet", .hash = "hashinetextended($V, $S)"},
	{.type = "cidr", .value = "$C::inet", .dummy = "'0.0.0.0'::inet", .hash = "hashinetextended($V, $S)"},
	{.type = "macaddr", .dummy = "'00:00:00:00:00:00'::macaddr", .hash = "hashmacaddrextended($V, $S)"},
	{.type = "macaddr8", .dummy = "'00:00:00:00:00:00:00:00'::macaddr8", .hash = "hashmacaddr8extended($V, $S)"},
	{.type = "date", .dummy = "0", .hash = "hashint4extended($V, $S)",
	 .value = "CASE WHEN $C = 'infinity' THEN 2147483647 WHEN $C = '-infinity' THEN -2147483648 ELSE $C - '2000-01-01'::date END"},
	{.type = "timestamp", BYTES("timestamp_send")},
	{.type = "timestamptz", BYTES("timestamptz_send")},
	{.type = "time", BYTES("time_send")},
	{.type = "timetz", BYTES("timetz_send")},
	/* its own hash takes 30 days for a month */
	{.type = "interval", BYTES("interval_send")},
	{.type = "money", BYTES("cash_send"), .in_row = SENT("cash_send")},
	{.type = "pg_lsn", BYTES("pg_lsn_send")},
	{.type = "bytea", .dummy = "''::bytea", .hash = HASH_BYTES},
	/* what the server writes, without the encoding that the document declares */
	{.type = "xml", .value = "concat($C)", .hash = HASH_TEXT},
};

/* Made of floats; their text is exact since 12, and does not tell bit patterns of NaN apart. */
static const struct rule old_rules[] = {
	{.type = "point", BYTES("point_send"), .old_row = SENT("point_send")},
	{.type = "lseg", BYTES("lseg_send"), .old_row = SENT("lseg_send")},
	{.type = "box", BYTES("box_send"), .old_row = SENT("box_send")},
	{.type = "path", BYTES("path_send"), .old_row = SENT("path_send")},
	{.type = "polygon", BYTES("poly_send"), .old_row = SENT("poly_send")},
	{.type = "line", BYTES("line_send"), .old_row = SENT("line_send")},
	{.type = "circle", BYTES("circle_send"), .old_row = SENT("circle_send")},
	{.type = "_float4", BYTES("array_send"), .old_row = SENT("array_send")},
	{.type = "_float8", BYTES("array_send"), .old_row = SENT("array_send")},
	{.type = "_point", BYTES("array_send"), .old_row = SENT("array_send")},
};

/* Exact text: numeric (its hash knows neither sign nor scale), json, arrays, ranges, reg* (names, not numbers). */
static const struct rule by_text = {.value = "$C::text", .hash = HASH_TEXT};
/* concat() calls the type's output function; a cast to text may be somebody's own and lose something. */
static const struct rule user_type = {.value = "concat($C)", .hash = HASH_TEXT};

static const struct rule *rule_in(const struct rule *r, size_t n, const char *type)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(r[i].type, type))
			return &r[i];
	return NULL;
}

static const struct rule *rule_of(const struct fact_column *c, struct expr_sides sides)
{
	if (!c->base_type)
		return &user_type;
	const struct rule *r = rule_in(rules, sizeof rules / sizeof *rules, c->base_type);
	if (!r && sides.old_floats)
		r = rule_in(old_rules, sizeof old_rules / sizeof *old_rules, c->base_type);
	return r ? r : &by_text;
}

/* A constant of its own for every column: splitmix64, kept small enough that one can be added. */
static int64_t column_constant(size_t i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)((z ^ (z >> 31)) >> 2);
}

struct subst { const char *column, *value, *seed; int64_t k; };

static void expand(struct str *out, const char *template, const struct subst *s)
{
	for (const char *p = template; *p; p++) {
		if (*p != '$') {
			str_addc(out, *p);
			continue;
		}
		switch (*++p) {
		case 'C': str_add(out, s->column); break;
		case 'V': str_add(out, s->value); break;
		case 'S': str_add(out, s->seed); break;
		default: str_addf(out, "%lld", (long long)s->k); break;
		}
	}
}

static char *column_ref(const struct fact_column *c)
{
	struct str s = {0};

	str_add(&s, "t.");
	sql_ident(&s, c->name);
	return str_take(&s);
}

/* hash(value of c, seed): the seed of the next column. Takes seed over. */
static char *chain(char *seed, const struct fact_column *c, size_t i, bool nullable, struct expr_sides sides)
{
	const struct rule *r = rule_of(c, sides);
	char *column = column_ref(c);
	struct subst s = {.column = column, .k = column_constant(i)};
	struct str value = {0}, seeded = {0}, out = {0};

	nullable = nullable || r->special;
	if (nullable)
		str_add(&value, "coalesce(");
	expand(&value, r->value ? r->value : "$C", &s);
	if (nullable) {
		str_addf(&value, ", %s)", r->dummy ? r->dummy : "''");
		str_addf(&seeded, "int8xor(%s, CASE WHEN %s IS NULL THEN %lld", seed, column, (long long)s.k);
		expand(&seeded, r->special ? r->special : "", &s);
		str_add(&seeded, " ELSE 0 END)");
	}
	s.value = str_text(&value);
	s.seed = nullable ? str_text(&seeded) : seed;
	expand(&out, r->hash, &s);
	str_fini(&value);
	str_fini(&seeded);
	free(column);
	free(seed);
	return str_take(&out);
}

/* ROW(...)::text: NULL, '' and the columns' borders are told apart by its quoting. */
static char *row_text(const struct fact_column *const *c, size_t n, struct expr_sides sides)
{
	struct str out = {0};

	str_add(&out, "ROW(");
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = rule_of(c[i], sides);
		const char *form = sides.old_floats && r->old_row ? r->old_row : r->in_row ? r->in_row : "$C";
		char *column = column_ref(c[i]);
		struct subst s = {.column = column};
		str_add(&out, i ? ", " : "");
		expand(&out, form, &s);
		free(column);
	}
	str_add(&out, ")::text");
	return str_take(&out);
}

static bool in_key(const struct fact_table *t, const struct fact_column *c)
{
	return strv_has(&t->key, c->name);
}

static char *hash_of(const struct fact_table *t, const struct fact_column *const *c, size_t n, struct expr_sides sides)
{
	if (n == 0)
		return xstrdup("0::bigint");
	if (sides.md5 || n > MAX_CHAINED) {
		char *row = row_text(c, n, sides);
		char *out = sides.md5 ? xasprintf("('x' || substr(md5(%s), 1, 16))::bit(64)::bigint", row)
				      : xasprintf("hashtextextended(%s COLLATE \"C\", 1)", row);
		free(row);
		return out;
	}
	char *h = xstrdup("1");
	for (size_t i = 0; i < n; i++)
		h = chain(h, c[i], i, c[i]->nullable || (sides.any_null && !in_key(t, c[i])), sides);
	return h;
}

struct expr_sides expr_sides(int version_a, int version_b)
{
	int lo = version_a < version_b ? version_a : version_b;
	int hi = version_a < version_b ? version_b : version_a;

	return (struct expr_sides){.md5 = lo < 110000, .old_floats = lo < 120000, .any_null = hi >= 180000};
}

char *expr_row(const struct fact_table *t, struct expr_sides sides)
{
	size_t n = (size_t)t->n_columns;
	const struct fact_column **c = xcalloc(n + 1, sizeof *c);

	for (size_t i = 0; i < n; i++)
		c[i] = &t->columns[i];
	char *out = hash_of(t, c, n, sides);
	free(c);
	return out;
}

/* The key's columns in the key's order; NULL when there is no key, or the columns were not read. */
static const struct fact_column **key_columns(const struct fact_table *t)
{
	const struct fact_column **c = xcalloc(t->key.n + 1, sizeof *c);

	for (size_t k = 0; k < t->key.n; k++)
		for (int i = 0; i < t->n_columns; i++)
			if (str_eq(t->columns[i].name, t->key.v[k]))
				c[k] = &t->columns[i];
	for (size_t k = 0; k < t->key.n; k++)
		if (!c[k]) {
			free(c);
			return NULL;
		}
	return c;
}

char *expr_key(const struct fact_table *t, struct expr_sides sides)
{
	const struct fact_column **c = t->key.n ? key_columns(t) : NULL;
	char *out = c ? hash_of(t, c, t->key.n, sides) : NULL;

	free(c);
	return out;
}

char *expr_key_text(const struct fact_table *t, struct expr_sides sides)
{
	const struct fact_column **c = t->key.n ? key_columns(t) : NULL;
	char *out = c ? row_text(c, t->key.n, sides) : NULL;

	free(c);
	return out;
}
