#include "watch/minute.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pg/logical.h"
#include "watch/unfollowed.h"

#define ASK_MS 2500
#define DRIFT_MS 10000 /* ten thousand tables take a second or two */

static void not_compared(struct minute_found *out, const struct err *why)
{
	*out = (struct minute_found){.drift_ms = -1, .sequences_behind = -1};
	(void)snprintf(out->drift_not, sizeof out->drift_not, "%.*s", (int)sizeof out->drift_not - 1, why->msg);
}

/* Tables as one side publishes them against those that the other's subscription knows. */
static void look_for_drift(struct session *const end[2], const struct migration *m, bool filling, bool back, struct minute_found *out)
{
	static const char sql[] = "SELECT subpublications FROM pg_subscription WHERE subname = $1"
		" AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
	struct link l;
	PGresult *pub = NULL;
	struct err err = {.msg = "the subscription is not there any more"};
	int64_t began = clock_mono_us();

	if (back)
		link_back(&l, m);
	else
		link_forward(&l, m);
	const char *name[] = {l.subscription};
	if (session_exec(end[l.to], sql, 1, name, ASK_MS, &pub, &err) == ERR_OK && PQntuples(pub) > 0 &&
	    drift_look(end[SIDE_SOURCE], end[SIDE_TARGET], l.from, cell(pub, 0, 0), l.subscription, filling, DRIFT_MS, &out->drift, &err) == ERR_OK &&
	    (back || unfollowed_look(end[SIDE_SOURCE], m, cell(pub, 0, 0), DRIFT_MS, &out->drift, &err) == ERR_OK))
		out->drift_ms = (clock_mono_us() - began) / 1000;
	else
		not_compared(out, &err);
	PQclear(pub);
}

static void look_at_sequences(struct session *const end[2], struct minute_found *out)
{
	static const char sql[] = "SELECT (quote_ident(schemaname) || '.' || quote_ident(sequencename))::text COLLATE \"C\" AS name, coalesce(last_value::text, '')"
		" FROM pg_sequences WHERE schemaname !~ '^pg_' ORDER BY 1";
	PGresult *a = NULL, *b = NULL;
	struct err err;

	if (session_exec(end[SIDE_SOURCE], sql, 0, NULL, DRIFT_MS, &a, &err) == ERR_OK && session_exec(end[SIDE_TARGET], sql, 0, NULL, DRIFT_MS, &b, &err) == ERR_OK) {
		out->sequences_behind = 0;
		for (int i = 0, k = 0; i < PQntuples(a); i++) {
			while (k < PQntuples(b) && strcmp(cell(b, k, 0), cell(a, i, 0)) < 0)
				k++;
			if (k < PQntuples(b) && str_eq(cell(a, i, 0), cell(b, k, 0)))
				out->sequences_behind += !str_eq(cell(a, i, 1), cell(b, k, 1));
		}
	}
	PQclear(a);
	PQclear(b);
}

/* What a reverse link needs of the target; the way from the source to it is tried by the preflight. */
static void look_for_way_back(struct session *target, const struct migration *m, struct minute_found *out)
{
	static const char sql[] =
		"SELECT CASE WHEN current_setting('wal_level') <> 'logical' THEN format('wal_level is %s on the target, logical is needed (after a restart)', current_setting('wal_level'))"
		" WHEN EXISTS (SELECT 1 FROM pg_replication_slots WHERE slot_name = $1) THEN ''" /* it is made already */
		" WHEN current_setting('max_replication_slots')::int <= (SELECT count(*) FROM pg_replication_slots) THEN 'no free replication slot on the target: raise max_replication_slots'"
		" WHEN current_setting('max_wal_senders')::int <= (SELECT count(*) FROM pg_stat_replication) THEN 'no free walsender on the target: raise max_wal_senders' ELSE '' END";
	struct link back;
	struct err err;
	PGresult *r;

	link_back(&back, m);
	const char *slot[] = {back.slot};
	if (!m->cut.reverse || session_exec(target, sql, 1, slot, ASK_MS, &r, &err) != ERR_OK)
		return;
	(void)snprintf(out->reverse_not, sizeof out->reverse_not, "%.*s", (int)sizeof out->reverse_not - 1, cell(r, 0, 0));
	PQclear(r);
}

void minute_look(struct session *const end[2], const struct migration *m, bool filling, bool back, struct minute_found *out)
{
	*out = (struct minute_found){.drift_ms = -1, .sequences_behind = -1};
	look_for_drift(end, m, filling, back, out);
	if (back)
		return;
	look_at_sequences(end, out);
	look_for_way_back(end[SIDE_TARGET], m, out);
}

/* ---- beside the samples ---- */

struct minute {
	pthread_t thread;
	struct migration m;   /* a copy: the way to an endpoint may change meanwhile, and strings with it */
	char *app;
	bool filling, back;
	struct cancel cancel; /* not the operator's: it is raised when the owner wants no more of it */
	atomic_bool ended;
	struct minute_found found;
};

static void *look_main(void *arg)
{
	struct minute *k = arg;
	struct session *end[2] = {NULL, NULL};
	struct err err;
	enum err_code rc = ERR_OK;

	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		struct session_options opt = {.application_name = k->app, .read_write = i == SIDE_TARGET, .timeout_ms = ASK_MS};
		rc = session_open(&end[i], &k->m.end[i], &opt, &k->cancel, &err);
	}
	if (rc == ERR_OK)
		minute_look(end, &k->m, k->filling, k->back, &k->found);
	else
		not_compared(&k->found, &err);
	for (int i = 0; i < 2; i++)
		session_close(end[i]);
	k->ended = true;
	return NULL;
}

static void release(struct minute *k)
{
	cancel_fini(&k->cancel);
	migration_fini(&k->m);
	free(k->app);
	free(k);
}

struct minute *minute_begin(const struct migration *m, const char *app, bool filling, bool back)
{
	struct minute *k = xcalloc(1, sizeof *k);

	if (!cancel_init(&k->cancel)) {
		free(k);
		return NULL;
	}
	k->app = xstrdup(app);
	k->filling = filling;
	k->back = back;
	migration_copy(&k->m, m);
	if (pthread_create(&k->thread, NULL, look_main, k) != 0) {
		release(k);
		return NULL;
	}
	return k;
}

bool minute_ended(struct minute *k)
{
	return k->ended;
}

void minute_end(struct minute *k, struct minute_found *out)
{
	if (!k)
		return;
	if (!out)
		cancel_raise(&k->cancel);
	(void)pthread_join(k->thread, NULL);
	if (out)
		*out = k->found;
	release(k);
}
