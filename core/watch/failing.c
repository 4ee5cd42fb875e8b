#include "watch/failing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "watch/ends.h"
#include "watch/logformat.h"
#include "watch/serverlog.h"

#define RESTARTS_US INT64_C(20000000)
#define REPLACED_US INT64_C(5000000) /* long enough to be read */
#define LOG_US INT64_C(5000000) /* between looks into its log */

static void keep(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%.*s", (int)size - 1, text);
}

void failing_count(struct failing *f, struct watch_sample *s)
{
	int64_t now = clock_mono_us();

	if (s->worker != 0 && f->worker != 0 && s->worker != f->worker)
		f->started[f->n_started++ % FAILING_STARTS] = now;
	if (s->worker != 0 && f->before != 0 && s->worker != f->before)
		f->replaced_us = now;
	f->before = s->worker;
	s->replaced = f->replaced_us != 0 && now - f->replaced_us < REPLACED_US;
	f->worker = s->worker ? s->worker : f->worker;
	s->restarts = 0;
	for (size_t i = 0; i < FAILING_STARTS; i++)
		s->restarts += f->started[i] != 0 && now - f->started[i] < RESTARTS_US;
}

/* Before 15 the server does not say which table it was; the constraint's name leads to it, when it is the only one of that name. */
static void look_for_table(struct session *target, const char *origin, struct server_words *words)
{
	static const char sql[] = "SELECT n.nspname || '.' || t.relname FROM pg_subscription_rel r JOIN pg_index i ON i.indrelid = r.srrelid JOIN pg_class c ON c.oid = i.indexrelid"
		" JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace WHERE 'pg_' || r.srsubid = $1"
		" AND position(' \"' || c.relname || '\"' IN $2) > 0";
	char *plain = logformat_plain_quotes(words->message);
	const char *params[] = {origin, plain};
	struct err err;
	PGresult *r;

	enum err_code rc = words->detail[0] ? session_exec(target, sql, 2, params, ENDS_ASK_MS, &r, &err) : ERR_SQL;
	free(plain);
	if (rc != ERR_OK)
		return;
	if (PQntuples(r) == 1)
		keep(words->relation, sizeof words->relation, cell(r, 0, 0));
	PQclear(r);
}

static uint64_t lsn_of(const char *text)
{
	unsigned high, low;

	return sscanf(text, "%X/%X", &high, &low) == 2 ? (uint64_t)high << 32 | low : 0;
}

void failing_look(struct failing *f, struct session *target, const char *origin, struct watch_sample *s)
{
	struct server_words words;
	struct err err;
	bool fails = s->sub_exists && (s->restarts > 0 || !s->worker || (s->sync_errors > 0 && s->ready < s->tables));

	bool over = s->said_lsn[0] && lsn_of(s->said_lsn) <= lsn_of(s->origin_lsn); /* what was read before: it went past that since */
	if (!fails || over)
		s->said[0] = s->said_detail[0] = s->said_relation[0] = s->said_lsn[0] = s->said_look[0] = s->said_remove[0] = s->log_where[0] = '\0';
	bool known = s->log_where[0] && clock_mono_us() - f->log_us < LOG_US && f->log_worker == f->worker;
	if (!fails || known || serverlog_look(target, origin, s->subscription, &words, &err) != ERR_OK)
		return;
	f->log_us = clock_mono_us();
	f->log_worker = f->worker;
	if (lsn_of(words.lsn) > 0 && lsn_of(words.lsn) <= lsn_of(s->origin_lsn)) /* that one is over */
		words.message[0] = words.detail[0] = words.relation[0] = words.lsn[0] = '\0';
	if (!words.relation[0])
		look_for_table(target, origin, &words);
	keep(s->said, sizeof s->said, words.message);
	keep(s->said_detail, sizeof s->said_detail, words.detail);
	keep(s->said_relation, sizeof s->said_relation, words.relation);
	keep(s->said_lsn, sizeof s->said_lsn, words.lsn);
	keep(s->log_where, sizeof s->log_where, words.where);
	serverlog_row(&words, "SELECT * FROM", s->said_look, sizeof s->said_look);
	serverlog_row(&words, "DELETE FROM", s->said_remove, sizeof s->said_remove);
}

/* What nothing on the target's tables mends, or only one thing does; by the server's words, which are in English unless lc_messages says otherwise. */
static const char *special(const char *said)
{
	static const struct { const char *part, *todo; } known[] = {
		{"could not connect to the publisher", "from the target's host: is the source running, is the network and its firewall open, does the source's pg_hba.conf let the role in? It tries again by itself every few seconds, "
		 "and loses nothing meanwhile: the slot keeps it, on the source's disk"},
		{"could not receive data from WAL stream", "the connection to the source broke: it tries again by itself. When that lasts, look at the source, and at the network between the two"},
		{"worker due to timeout", "the source was silent for longer than wal_receiver_timeout: it tries again by itself. When that lasts, look at the network between the two"},
		{"missing replicated column", "add that column to the target's table, with the source's type, and it goes on by itself; what both sides' tables lack is compared each minute"},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strstr(said, known[i].part))
			return known[i].todo;
	return NULL;
}

void failing_todo(const struct watch_sample *s, char *out, size_t cap)
{
	char skip[160] = "", enable[120] = "";
	const char *other = special(s->said);

	if (s->said_lsn[0] && s->target_version >= 150000)
		(void)snprintf(skip, sizeof skip, "; or pass over its whole transaction: ALTER SUBSCRIPTION %.60s SKIP (lsn = '%s')", s->subscription, s->said_lsn);
	if (!s->enabled)
		(void)snprintf(enable, sizeof enable, "; then ALTER SUBSCRIPTION %.60s ENABLE", s->subscription);
	if (other)
		(void)snprintf(out, cap, "%s%s", other, enable);
	else if (s->said_look[0])
		(void)snprintf(out, cap, "look at that row on both sides: %.180s; when the source's is right, on the target: %.180s%s%s", s->said_look, s->said_remove, skip, enable);
	else if (s->said[0])
		(void)snprintf(out, cap, "put that right on the target, and it goes on by itself%s%s", skip, enable);
	else
		(void)snprintf(out, cap, "the server's words (table, key, reason) are in %s. Put it right on the target%s", s->log_where[0] ? s->log_where : "the target's log",
			       s->enabled ? ", and it goes on by itself" : enable);
}
