#include "copy/estimate.h"

#include <math.h>

#define TRUST 0.1     /* of a kind's work, done: its own cost counts as much as the guess */
#define LITTLE_S 0.02 /* too little to say how fast the servers are */
#define SLOWEST 3.0
#define ENOUGH_S 0.4  /* of one session's work, before anything is said */

/* What a unit costs as long as nobody has seen one: as many bytes of rows, or seconds of its own. */
static const struct { double rows, seconds; } guess[WORK_KINDS] = {
	[WORK_MAKE] = {0, 0.001}, [WORK_SMALL] = {0, 0.002}, [WORK_ROWS] = {1, 1e-8},
	[WORK_INDEX] = {3, 0},     [WORK_KEY] = {0.4, 0},     [WORK_TEND] = {0.1, 0}, [WORK_ANALYZE] = {3, 0},
};

/*
 * How much slower than guessed these servers are, by what is guessed in seconds a piece. That is also a matter of their disks and of
 * the way to them, which tell less of the rows: hence the root.
 */
static double slowness(const struct estimate *e)
{
	double busy = 0, guessed = 0;

	for (int k = 0; k < WORK_KINDS; k++) {
		if (k == WORK_ROWS || guess[k].rows > 0)
			continue;
		busy += e->kind[k].busy_s;
		guessed += e->kind[k].done * guess[k].seconds;
	}
	double slow = guessed > LITTLE_S ? sqrt(busy / guessed) : 1;
	return slow < 1 / SLOWEST ? 1 / SLOWEST : slow > SLOWEST ? SLOWEST : slow;
}

double estimate_cost(const struct estimate *e, enum work kind)
{
	double before = guess[kind].seconds, done = e->kind[kind].done;

	if (kind == WORK_ROWS)
		before *= slowness(e);
	else if (guess[kind].rows > 0)
		before = guess[kind].rows * estimate_cost(e, WORK_ROWS);
	if (done <= 0)
		return before;
	double sure = done / (done + TRUST * e->kind[kind].of);
	return sure * e->kind[kind].busy_s / done + (1 - sure) * before;
}

static double seconds(const struct estimate *e, enum work kind)
{
	double left = e->kind[kind].of - e->kind[kind].done;

	return left > 0 ? left * estimate_cost(e, kind) / (e->jobs > 0 ? e->jobs : 1) : 0;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

double estimate_left(const struct estimate *e)
{
	double seen = 0;

	for (int k = 0; k < WORK_KINDS; k++)
		seen += e->kind[k].busy_s;
	if (seen < ENOUGH_S)
		return -1;
	double beside = seconds(e, WORK_SMALL) + seconds(e, WORK_ROWS) + seconds(e, WORK_INDEX) + seconds(e, WORK_ANALYZE);
	return seconds(e, WORK_MAKE) + larger(beside, e->chain_s) + larger(seconds(e, WORK_KEY), e->key_chain_s) + seconds(e, WORK_TEND);
}
