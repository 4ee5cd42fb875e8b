#ifndef PGUSHER_COPY_ESTIMATE_H
#define PGUSHER_COPY_ESTIMATE_H
/*
 * estimate - how long a copy will still take: from what is left of each kind of work, and what such work has cost so far. As
 * long as a kind has not been seen, its cost is guessed from that of the rows; that of the rows from how fast these servers have made
 * tables. Pure; any thread.
 */

/* Units are what the source's catalogue says: bytes, or objects. */
enum work {
	WORK_MAKE,  /* objects that are made before the rows */
	WORK_SMALL, /* small tables: twice each, rows and what is built on them */
	WORK_ROWS,  /* bytes of large tables */
	WORK_INDEX, /* bytes of their indexes */
	WORK_ANALYZE, /* bytes of large tables as far as they matter for a sample */
	WORK_KEY,   /* bytes of tables whose foreign keys are checked */
	WORK_TEND,  /* bytes of tables that are vacuumed */
	WORK_KINDS
};

struct estimate {
	struct {
		double of, done;
		double busy_s;   /* seconds that one session worked for what is done */
	} kind[WORK_KINDS];
	int jobs;
	double chain_s;          /* the longest of what cannot be done side by side: a table's rows, then its indexes */
	double key_chain_s;      /* the same among the foreign keys */
};

/* Seconds that one session needs for a unit; 0: nothing is known yet. */
double estimate_cost(const struct estimate *e, enum work kind);
/* Seconds; < 0: not known yet. */
double estimate_left(const struct estimate *e);

#endif
