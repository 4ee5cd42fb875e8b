#ifndef PGUSHER_COPY_ESTIMATE_H
#define PGUSHER_COPY_ESTIMATE_H
/*
 * estimate - how long a copy will still take. Everything that is left has a price: the seconds that one session needs for it on
 * servers that have been measured (PostgreSQL 15, two processors for both). What has been done tells how much slower these ones
 * are at each kind of work; a kind that nobody has seen yet is thought to be like those that resemble it. Pure; any thread.
 */

enum work {
	WORK_MAKE,    /* objects that are made before the rows */
	WORK_SMALL,   /* small tables: their rows; what is built on them */
	WORK_ROWS,    /* of large tables */
	WORK_INDEX,   /* theirs */
	WORK_ANALYZE, /* statistics of large tables */
	WORK_KEY,     /* foreign keys that are checked */
	WORK_REST,    /* other objects, one after the other */
	WORK_TEND,    /* vacuum, statistics at the end */
	WORK_KINDS
};

struct estimate {
	struct {
		double of, done; /* prices, seconds */
		double busy_s;   /* what one session took for what is done */
	} kind[WORK_KINDS];
	int sessions;
	/* the longest of what cannot be done side by side, seconds: a table's rows, then its indexes; a foreign key; a VACUUM */
	double chain_s, key_chain_s, tend_chain_s;
};

/* Seconds. bytes: as the source's catalogue says; of a foreign key the rows of both tables. objects: how many; of ANALYZE: how much of a full sample. */
double estimate_price(enum work kind, double bytes, double objects);
/* How many times its price a kind of work takes here. */
double estimate_factor(const struct estimate *e, enum work kind);
/* Seconds; < 0: not known yet. */
double estimate_left(const struct estimate *e);

#endif
