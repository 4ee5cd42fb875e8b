/* Whether a server can hold a lock on every table at once: with thousands of tables its lock table is full before. */
#include <stdlib.h>

#include "checks/groups.h"

#define AT_ONCE 128  /* tables that are compared in one transaction, whose indexes are locked with them: at most about so many */

static int64_t setting(const struct facts *f, const char *name, int64_t otherwise)
{
	const struct fact_setting *s = facts_setting(f, name);

	return s ? atoll(s->value) : otherwise;
}

static int64_t tables(const struct facts *src)
{
	int64_t n = 0;

	for (size_t i = 0; i < src->n_tables; i++)
		n += src->tables[i].kind != 'm' && !src->tables[i].left_out;
	return n;
}

/*
 * Sure are max_locks_per_transaction * (max_connections + max_prepared_transactions), as the documentation says. The server reserves as much
 * for each of its other processes (lock.c, NLOCKENTS), and one holder alone can use what is meant for others to hold the same: on 14 and 16
 * no more than 1.62 times that and about 380 were had.
 */
static void locks_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct facts *t = s->facts[side], *src = s->facts[SIDE_SOURCE];
	const struct fact_setting *each = t ? facts_setting(t, "max_locks_per_transaction") : NULL;

	finding_is(f, VERDICT_OK, "the %s has room for a lock on every table", side_name(side));
	if (!each || !src)
		return;
	int64_t n = tables(src), need = n + 2 * (n < AT_ONCE ? n : AT_ONCE), locks = atoll(each->value);
	int64_t who = setting(t, "max_connections", 100) + setting(t, "max_prepared_transactions", 0);
	int64_t others = setting(t, "autovacuum_worker_slots", setting(t, "autovacuum_max_workers", 3)) + 1 + setting(t, "max_worker_processes", 8) + setting(t, "max_wal_senders", 10);
	int64_t sure = locks * who, most = locks * (who + others) * 165 / 100 + 400;

	finding_print(&f->found, "%lld locks at once, perhaps up to %lld: max_locks_per_transaction = %lld%s", (long long)sure, (long long)most, (long long)locks,
		      each->pending_restart ? "; another value waits for a restart" : "");
	if (need <= sure)
		return;
	finding_is(f, need > most ? VERDICT_BLOCK : VERDICT_WARN, need > most ? "the %s cannot lock every table" : "the %s may not be able to lock every table", side_name(side));
	finding_print(&f->needed, "about %lld, for %lld tables", (long long)need, (long long)n);
	finding_print(&f->why, side == SIDE_SOURCE ? "pg_dump, the copy and the fence of a cutover lock every table in one transaction, and would end with \"out of shared memory\"" :
		      "the subscription and the way back are made of every table in one transaction, and a rollback locks them: they would end with \"out of shared memory\"");
	if (each->pending_restart) {
		finding_print(&f->fix, "restart the %s, then check again", side_name(side));
		return;
	}
	finding_print(&f->fix, "set it, on its standbys first, then restart the %s, which interrupts its sessions (Patroni: patronictl edit-config, then restart); and check again", side_name(side));
	int64_t enough = (need / who + 64) / 64 * 64;
	f->fix_sql = xasprintf("ALTER SYSTEM SET max_locks_per_transaction = %lld", (long long)enough);
	f->fix_side = side;
}

void check_source_locks(const struct survey *s, struct finding *f)
{
	locks_check(s, SIDE_SOURCE, f);
}

void check_target_locks(const struct survey *s, struct finding *f)
{
	locks_check(s, SIDE_TARGET, f);
}
