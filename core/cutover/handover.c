/* Behind the fence: what slipped through, sequences, the proof, and the hand-over. Declared in cutover_in.h. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cutover/cutover_in.h"
#include "cutover/hook.h"
#include "method/work.h"
#include "pg/choice.h"
#include "watch/unfollowed.h"

#define QUIET_MS 10000 /* for a walsender to end whose subscription sleeps */
#define PROBE_MS 60000 /* for the source to answer again when it went away under the hand-over */
#define TRIPS 3        /* how often somebody may slip through before we give up */

/* ---- tripwire ---- */

static enum err_code slot_idle(struct run *r, struct session *s, struct err *err)
{
	const char *slot = r->cutover->link.slot, *params[] = {slot};
	int64_t deadline = clock_deadline(QUIET_MS);

	for (;;) {
		PGresult *res;
		enum err_code rc = session_exec(s, "SELECT active FROM pg_replication_slots WHERE slot_name = $1", 1, params, 0, &res, err);
		if (rc != ERR_OK)
			return rc;
		bool active = PQntuples(res) > 0 && cell_bool(res, 0, 0);
		PQclear(res);
		if (!active)
			return ERR_OK;
		if (clock_mono_us() > deadline)
			return err_set(err, ERR_TIMEOUT, "the slot %s is still in use although its subscription is disabled", slot);
		rc = cutover_pause(r, 2, err);
		if (rc != ERR_OK)
			return rc;
	}
}

/* What stands in the slot behind the mark: insert, update, delete and truncate messages begin with these letters. */
static enum err_code peek(struct run *r, struct session *s, int64_t *changes, struct err *err)
{
	char *names = link_publications_sql(r->m, &r->cutover->link);
	const char *params[] = {r->cutover->link.slot, names};
	PGresult *res = NULL;
	enum err_code rc = cutover_flush(s, err);
	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT count(*) FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)"
			" WHERE chr(get_byte(data, 0)) IN ('I', 'U', 'D', 'T')", 2, params, 0, &res, err);
	if (rc == ERR_OK) {
		*changes = cell_i64(res, 0, 0);
		PQclear(res);
	}
	free(names);
	return rc;
}

enum err_code work_tripwire(struct run *r, const void *arg, struct err *err)
{
	const struct link *l = &r->cutover->link;
	struct session *from = NULL;
	enum err_code rc = r->handed ? ERR_OK : cutover_on(r, l->from, &from, err);

	(void)arg;
	if (r->handed)
		return ERR_OK;
	while (rc == ERR_OK) {
		int64_t changes = 0;
		char n[48];
		r->cutover->asleep = true;
		rc = cutover_subscription(r, l, "DISABLE", err);
		if (rc == ERR_OK) /* before 16 a worker looks once a second, or when something comes */
			rc = session_run(from, "SELECT pg_logical_emit_message(true, 'pgusher', 'look up')", err);
		if (rc == ERR_OK)
			rc = slot_idle(r, from, err);
		if (rc == ERR_OK)
			rc = peek(r, from, &changes, err);
		if (rc != ERR_OK || changes == 0)
			break;
		run_note(r, "somebody wrote", "%s after the fence, past default_transaction_read_only: brought over now", fmt_things(n, sizeof n, changes, "change"));
		if (++r->cutover->trips == TRIPS) {
			err_set(err, ERR_BLOCKED, "somebody goes on writing on the %s in spite of the fence", side_name(l->from));
			rc = err_hint(err, "find who sets default_transaction_read_only off for itself (a role's setting, PGOPTIONS), stop it, then start again");
			break;
		}
		rc = cutover_subscription(r, l, "ENABLE", err);
		if (rc == ERR_OK)
			rc = cutover_end_sessions(r, l->from, err);
		if (rc == ERR_OK)
			rc = work_drain(r, NULL, err);
	}
	if (rc == ERR_OK && !l->back) /* nothing more comes from the source: where the target stands now is where the reverse link begins */
		rc = back_advance_begin(r, err);
	cutover_part(r, "tripwire");
	if (rc == ERR_OK)
		run_note(r, "tripwire", "the subscription sleeps, and no change stands in the slot %s behind the mark", l->slot);
	return rc;
}

/* ---- proof and hand-over ---- */

/* Within the operator's budget, or the whole outage's: what the budget did not reach is named, what the outage did not is too late. */
enum err_code work_cut_proof(struct run *r, const void *arg, struct err *err)
{
	const struct cutover *c = r->cutover;
	if (r->handed)
		return ERR_OK;
	int64_t end = c->began_us + c->max_us, budget = r->m->cut.verify_budget_s ? clock_deadline(r->m->cut.verify_budget_s * INT64_C(1000)) : end;
	bool late;
	enum err_code rc = work_read_both(r, migration_cut_verify(r->m), budget < end ? budget : end, &late, NULL, err);

	(void)arg;
	if (rc == ERR_OK && late && budget >= end)
		rc = cutover_in_time(r, err);
	if (rc == ERR_OK && late)
		run_note(r, "proof", "%d s were not enough to compare everything ([cutover] verify_budget); what was not is named", r->m->cut.verify_budget_s);
	if (rc == ERR_OK)
		rc = work_say_both(r, err);
	cutover_part(r, "proof");
	return rc;
}

/* "locks 4, drain 3, ..." in milliseconds */
static void parts_text(const struct cutover *c, struct str *s)
{
	for (size_t i = 0; i < c->n_parts; i++)
		str_addf(s, "%s%s %.0f", i ? ", " : "", c->parts[i].name, (double)c->parts[i].us / 1000);
}

static void say_outage(struct run *r)
{
	const struct cutover *c = r->cutover;
	struct event *e = event_new(EV_NOTE, NULL);
	struct str parts = {0};
	json_t *each = json_object();

	parts_text(c, &parts);
	for (size_t i = 0; i < c->n_parts; i++)
		(void)json_object_set_new(each, c->parts[i].name, json_real((double)c->parts[i].us / 1000));
	e->n = (c->mark_us - c->began_us) / 1000;
	e->sql = json_dumps(each, JSON_COMPACT | JSON_REAL_PRECISION(6));
	xreplace(&e->title, "outage");
	event_text(&e->text, "writers waited or were refused for %lld ms, until the %s was the primary (%s)", (long long)e->n, side_name(c->link.to), str_text(&parts));
	run_emit(r, e);
	json_decref(each);
	str_fini(&parts);
}

/* A session of ours that the server may still have ends first: it could go on to its COMMIT behind our back. */
static enum err_code read_the_word(struct run *r, int pid, enum phase *found, bool *definite, struct err *err)
{
	char text[16];
	const char *params[] = {text, r->app};
	struct session *s;
	struct phase_note note;
	struct link f;
	PGresult *res;
	enum err_code rc = cutover_on(r, SIDE_SOURCE, &s, err);

	link_forward(&f, r->m);
	(void)snprintf(text, sizeof text, "%d", pid);
	if (rc == ERR_OK)
		rc = session_exec(s, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::int AND pid <> pg_backend_pid() AND application_name = left($2, 63)",
				  2, params, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	*definite = PQntuples(res) == 0;
	PQclear(res);
	if (!*definite)
		return ERR_OK;
	rc = phase_read(s, f.publication, &note, err);
	*found = note.phase;
	phase_fini(&note);
	return rc;
}

/* The answer to the COMMIT of the word was lost: whether it stands is for the server to say, as soon as it answers again. */
static enum err_code ask_for_the_word(struct run *r, int pid, enum phase wanted, struct err *err)
{
	struct pollfd cancel = {.fd = r->cancel->fd, .events = POLLIN};
	int64_t deadline = clock_deadline(PROBE_MS);
	struct err why = {0}, first = *err;
	enum phase found = PHASE_NONE;
	bool definite = false;

	cancel_end_at(r->cancel, 0); /* whatever it takes: nobody else can say it */
	run_note(r, "hand-over", "the source's answer was lost in it: the source is asked whether it happened");
	while (!definite || why.code != ERR_OK) {
		why = (struct err){0};
		(void)read_the_word(r, pid, &found, &definite, &why);
		if (definite && why.code == ERR_OK)
			break;
		if (cancel_raised(r->cancel) || clock_mono_us() > deadline) {
			(void)err_hint(err, "whether the hand-over happened is not known, since the source does not answer; pgusher %s again, when it does, goes on from what is so",
				       r->cutover->link.back ? "rollback" : "cutover");
			return err->code;
		}
		(void)poll(&cancel, 1, 100);
	}
	run_note(r, "hand-over", found == wanted ? "the source says that it happened" : "the source says that it did not happen");
	*err = found == wanted ? (struct err){0} : first;
	return err->code;
}

/* The word that counts stands on the source, whichever way it goes. */
static enum err_code say_the_word(struct run *r, struct err *err)
{
	struct cutover *c = r->cutover;
	const char *before = c->link.back ? c->source_before : c->before;
	enum phase word = c->link.back ? PHASE_ROLLED_BACK : PHASE_CUT_OVER;
	struct session *s;
	struct link f;
	enum err_code rc = cutover_on(r, SIDE_SOURCE, &s, err);

	link_forward(&f, r->m);
	if (rc != ERR_OK)
		return rc;
	int pid = session_backend_pid(s);
	rc = phase_write(s, r->m, &f, word, before, err);
	return rc == ERR_LOST || rc == ERR_TIMEOUT ? ask_for_the_word(r, pid, word, err) : rc;
}

/* The source is open again: sessions that began while it was closed would not know, and the target is closed for good. */
void rollback_settle(struct run *r)
{
	struct cutover *c = r->cutover;
	struct session *s;
	struct err why = {0};

	if (cutover_end_sessions(r, SIDE_SOURCE, &why) != ERR_OK)
		run_note(r, "sessions", "some on the source may still only read: %s", why.msg);
	if (cutover_on(r, SIDE_TARGET, &s, &why) != ERR_OK || phase_write(s, r->m, &c->link, PHASE_CUT_OVER, c->before, &why) != ERR_OK)
		run_note(r, "the target", "is closed, but could not be marked so: %s", why.msg);
}

/*
 * Locks that were lost, or that an operator's fence stood in for: then somebody may have written to a table after the proof had read it. With them
 * nothing comes between this look and the word. What is prepared stands in no slot until it is committed.
 */
static enum err_code last_look(struct run *r, struct err *err)
{
	const struct link *l = &r->cutover->link;
	struct session *s, *to;
	int64_t changes = 0;
	char n[48], *prepared = NULL;
	enum err_code rc = cutover_hold_still(r, err);

	if (rc == ERR_OK)
		rc = cutover_on(r, l->from, &s, err);
	if (rc == ERR_OK)
		rc = session_value(s, PREPARED_SQL, &prepared, err);
	if (rc == ERR_OK && prepared) {
		err_set(err, ERR_BLOCKED, "transactions are prepared on the %s: %s", side_name(l->from), prepared);
		rc = err_hint(err, "what they wrote is not on the %s: COMMIT PREPARED or ROLLBACK PREPARED, then start again", side_name(l->to));
	}
	free(prepared);
	if (rc == ERR_OK)
		rc = unfollowed_none(s, r->m, l, 0, err);
	if (rc == ERR_OK)
		rc = peek(r, s, &changes, err);
	if (rc == ERR_OK) /* a leader that died since the proof takes this session with it: another one may lack what was proven */
		rc = cutover_on(r, l->to, &to, err);
	if (rc == ERR_OK)
		rc = session_run(to, "SELECT 1", err);
	if (rc == ERR_OK && changes > 0) {
		err_set(err, ERR_BLOCKED, "somebody wrote on the %s after the tripwire: %s that the %s does not have", side_name(l->from), fmt_things(n, sizeof n, changes, "change"), side_name(l->to));
		rc = err_hint(err, "find who sets default_transaction_read_only off for itself (a role's setting, PGOPTIONS), stop it, then start again");
	}
	cutover_part(r, "tripwire");
	return rc;
}

enum err_code work_hand_over(struct run *r, const void *arg, struct err *err)
{
	struct cutover *c = r->cutover;
	const struct link *l = &c->link;
	struct str thawing = {0};
	char n[48];

	(void)arg;
	if (r->handed)
		return ERR_OK;
	enum err_code rc = cutover_in_time(r, err);
	if (rc == ERR_OK)
		rc = back_advance_end(r, err);
	cutover_part(r, "reverse link");
	if (rc == ERR_OK)
		rc = last_look(r, err);
	if (rc == ERR_OK)
		rc = say_the_word(r, err);
	if (rc != ERR_OK)
		return rc;
	char *label = endpoint_label(&r->m->end[l->to]);
	r->handed = true;
	cancel_end_at(r->cancel, 0);
	cutover_part(r, "hand-over");
	cutover_say_thawed(r, l); /* the freeze is no leftover of an interrupted one any more: it stays on purpose */
	cutover_say_stays_closed(r, l->from, false);
	cutover_say_open(r, l->to);
	phase_setting_sql(&thawing, r->m->end[l->from].dbname, "");
	if (l->back) { /* who kept a session to the source through all this could not write there yet */
		rollback_settle(r);
		cutover_part(r, "old sessions");
	}
	say_outage(r);
	if (!hook_there(r->m, HOOK_HAND_OVER))
		run_note(r, "NOW", "point the applications to %s: what follows here holds nobody up", label);
	run_note(r, "hand-over", c->sequences == 1 ? "the primary is %s; %s stands where the %s's stood" : "the primary is %s; %s stand where the %s's stood", label,
		 fmt_things(n, sizeof n, (int64_t)c->sequences, "sequence"), side_name(l->from));
	run_note(r, l->back ? "the target" : "the old source", "refuses writes from now on. Never write to it again while the other is in use; to open it all the same: %s", str_text(&thawing));
	str_fini(&thawing);
	free(label);
	return rc;
}

enum err_code work_let_go(struct run *r, const void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	cutover_let_go(r);
	return ERR_OK;
}
