#include "copy/estimate.h"

#include <math.h>
#include <stdbool.h>

#define TRUST 0.1    /* of a kind's work, done: its own factor counts as much as that of all such kinds */
#define WEIGHT_S 0.1 /* of work as expected, before any was seen */
#define MOST 4.0     /* times: a slow network says little of indexes, fast disks little of keys */
#define ENOUGH_S 0.3 /* of one session's work, before anything is said */

double estimate_price(enum work kind, double bytes, double objects)
{
	static const struct { double byte, object; } price[WORK_KINDS] = {
		[WORK_MAKE] = {0, 1e-3},         [WORK_SMALL] = {1e-8, 0.6e-3}, [WORK_ROWS] = {1e-8, 5e-3}, [WORK_INDEX] = {1.3e-8, 2e-3},
		[WORK_ANALYZE] = {5e-10, 45e-3}, [WORK_KEY] = {9e-10, 0.5e-3}, [WORK_REST] = {0, 0.3e-3},      [WORK_TEND] = {6e-10, 1e-3},
	};

	return price[kind].byte * bytes + price[kind].object * objects;
}

/* What is made of many files and catalogue rows, against what is made of bytes. */
static bool of_objects(enum work kind)
{
	return kind == WORK_MAKE || kind == WORK_SMALL || kind == WORK_REST;
}

/* At all that was done so far of that sort, which took `before` times its price until something was seen. */
static double slowness(const struct estimate *e, bool objects, double before)
{
	double busy = WEIGHT_S * before, price = WEIGHT_S;

	for (int k = 0; k < WORK_KINDS; k++) {
		if (of_objects((enum work)k) != objects)
			continue;
		busy += e->kind[k].busy_s;
		price += e->kind[k].done;
	}
	double slow = busy / price;
	return slow < 1 / MOST ? 1 / MOST : slow > MOST ? MOST : slow;
}

/*
 * The one sort tells something of the other, but other things are slow in it: hence the root. The same among objects: where files are
 * slow to be made (tables: five times) rows and small indexes were less so (twice).
 */
double estimate_factor(const struct estimate *e, enum work kind)
{
	bool objects = of_objects(kind);
	double slow = slowness(e, objects, sqrt(slowness(e, !objects, 1))), before = TRUST * e->kind[kind].of;

	slow = objects ? sqrt(slow) : slow;
	return before > 0 ? (e->kind[kind].busy_s + before * slow) / (e->kind[kind].done + before) : slow;
}

static double seconds(const struct estimate *e, enum work kind)
{
	double left = e->kind[kind].of - e->kind[kind].done;

	return left > 0 ? left * estimate_factor(e, kind) : 0;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

double estimate_left(const struct estimate *e)
{
	double seen = 0, n = e->sessions > 0 ? e->sessions : 1;

	for (int k = 0; k < WORK_KINDS; k++)
		seen += e->kind[k].busy_s;
	if (seen < ENOUGH_S)
		return -1;
	double beside = seconds(e, WORK_SMALL) + seconds(e, WORK_ROWS) + seconds(e, WORK_INDEX) + seconds(e, WORK_ANALYZE);
	return seconds(e, WORK_MAKE) / n + larger(beside / n, e->chain_s) + seconds(e, WORK_REST) +
	       larger(seconds(e, WORK_KEY) / n, e->key_chain_s) + larger(seconds(e, WORK_TEND) / n, e->tend_chain_s);
}
