/* Whether the source's disk has room for what the slot keeps while the copy runs. */
#include "checks/groups.h"

#define COPY_RATE (20.0 * (1 << 20)) /* bytes/s: slow, so that it is rather too early than too late */
#define HOUR_S 3600.0               /* indexes, catching up, and somebody who looks at it */

void check_wal_disk(const struct survey *s, struct finding *f)
{
	const struct facts *a = s->facts[SIDE_SOURCE];
	const struct waldisk_reading *d = &s->wal_disk;
	char room[32], rate[32], full[32], copy[32], size[32];

	finding_is(f, VERDICT_OK, "there is room for the WAL that the slot keeps");
	if (!a)
		return;
	if (d->free_bytes < 0) {
		finding_is(f, VERDICT_INFO, "how much is free where the source keeps its WAL is not known");
		finding_print(&f->found, "%s", d->where);
		finding_print(&f->why, "the slot keeps WAL from now on until the target has it all; the watch can only say when the disk will be full if it knows how much is free");
		return;
	}
	(void)fmt_bytes(room, sizeof room, (double)d->free_bytes);
	if (s->wal_rate <= 0) {
		finding_print(&f->found, "%s free (%s)", room, d->where);
		return;
	}
	double full_s = (double)d->free_bytes / s->wal_rate, copy_s = (double)a->tables_bytes / COPY_RATE;
	finding_print(&f->found, "%s free (%s); the source writes %s/s: full in %s", room, d->where, fmt_bytes(rate, sizeof rate, s->wal_rate), fmt_secs(full, sizeof full, full_s));
	if (full_s > HOUR_S + copy_s)
		return;
	finding_is(f, VERDICT_WARN, "the source's disk has room for %s of its WAL", full);
	finding_print(&f->needed, "room for about %s: %s to copy, and an hour", fmt_secs(copy, sizeof copy, copy_s + HOUR_S), fmt_bytes(size, sizeof size, (double)a->tables_bytes));
	finding_print(&f->why, "from the slot's creation until the target has caught up nothing of it is removed, and a full disk stops the source's server");
	finding_print(&f->fix, "make room there, or begin when less is written; max_slot_wal_keep_size lets the slot go before the server");
}
