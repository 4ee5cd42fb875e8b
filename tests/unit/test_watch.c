/* Lag, rates and alarms of a running replication, from made-up readings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/waldisk.h"
#include "watch/failing.h"
#include "watch/flow.h"
#include "watch/stays.h"
#include "watch/guard.h"
#include "watch/crossing.h"
#include "watch/logformat.h"
#include "watch/ready.h"
#include "watch/serverlog.h"
#include "watch/watch.h"

#define S INT64_C(1000000)

static struct watch_sample healthy(void)
{
	struct watch_sample s = {.source_ok = 1, .target_ok = 1, .source_seen_us = 1, .target_seen_us = 1, .sub_exists = 1, .enabled = 1, .worker = 7, .tables = 3, .ready = 3, .slot_exists = 1,
				 .slot_active = 1, .timeline = 1, .failover = "the new leader lacks the last 3 kB", .safe_bytes = -1, .apply_errors = -1, .conflicts = -1, .full_s = -1, .disk_bytes = -1, .disk_full_s = -1, .level_s = -1};
	return s;
}

static void lag_is_the_age_of_what_is_confirmed(void **state)
{
	struct watch_pace *p = calloc(1, sizeof *p);
	struct watch_sample s = healthy();

	(void)state;
	for (int i = 0; i <= 20; i++) /* 1000 bytes a second; the target is 5.5 s behind */
		watch_pace_add(p, i * S, i * 1000, i * 1000 - 5500, 0, i * 10);
	s.lag_bytes = 5500;
	watch_pace_tell(p, &s);
	assert_true(s.lag_s > 5.4 && s.lag_s < 5.6);
	assert_true(s.wal_rate > 999 && s.wal_rate < 1001);
	assert_true(s.commits > 9.9 && s.commits < 10.1);
	assert_true(s.level_s < 0); /* as fast as the source: never level */
	watch_pace_add(p, 21 * S, 20000, 20000, 0, 210);
	s.lag_bytes = 0;
	watch_pace_tell(p, &s);
	assert_true(s.lag_s == 0 && s.level_s == 0);
	free(p);
}

static void little_is_known_at_first(void **state)
{
	struct watch_pace *p = calloc(1, sizeof *p);
	struct watch_sample s = healthy();

	(void)state;
	watch_pace_tell(p, &s);
	assert_true(s.lag_s == -1 && s.full_s == -1);
	watch_pace_add(p, S, 1000, 500, 0, 0);
	s.lag_bytes = 500;
	watch_pace_tell(p, &s);
	assert_true(s.lag_s == -1 && s.wal_rate == -1 && s.apply_rate == -1);
	watch_pace_add(p, 3 * S, 1000, 500, 0, 0); /* nothing moves: at least two seconds */
	watch_pace_tell(p, &s);
	assert_true(s.lag_s == 2);
	free(p);
}

static void catching_up_and_filling_up_have_an_end(void **state)
{
	struct watch_pace *p = calloc(1, sizeof *p);
	struct watch_sample s = healthy();

	(void)state;
	for (int i = 0; i < 700; i++) /* more than the ring holds */
		watch_pace_add(p, i * S, i * 1000, i * 1500, i * 2000, 0);
	s.lag_bytes = 10000;
	s.safe_bytes = 20000;
	watch_pace_tell(p, &s);
	assert_true(s.level_s > 19.9 && s.level_s < 20.1);
	assert_true(s.full_s > 9.9 && s.full_s < 10.1);
	free(p);
}

/* A slot's restart_lsn moves every 15 s: what keeps up fills nothing, and what does not is seen, the target away or not. */
static void a_disk_fills_only_when_more_is_kept(void **state)
{
	struct watch_pace *p = calloc(1, sizeof *p);
	struct watch_sample s = healthy();

	(void)state;
	s.disk_bytes = 60000;
	for (int i = 0; i < 19; i++)
		watch_pace_add(p, i * S, i * 1000, i * 1000, i % 15 * 1000, 0);
	watch_pace_tell(p, &s);
	assert_true(s.disk_full_s == -1);
	for (int i = 19; i < 76; i++) /* 4 leaps and one second more */
		watch_pace_add(p, i * S, i * 1000, i * 1000, i % 15 * 1000, 0);
	watch_pace_tell(p, &s);
	assert_true(s.disk_full_s == -1 || s.disk_full_s > 3600);
	for (int i = 76; i < 176; i++)
		watch_pace_add(p, i * S, i * 1000, 76000, (i - 75) * 1000, 0);
	watch_pace_tell(p, &s);
	assert_true(s.disk_full_s > 59 && s.disk_full_s < 61);
	s.disk_bytes = -1;
	watch_pace_tell(p, &s);
	assert_true(s.disk_full_s == -1);
	free(p);
}

static void a_disk_is_read_from_what_df_prints(void **state)
{
	static const struct { const char *said; int64_t free_bytes; size_t rows; } cases[] = {
		{"Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/sda1         41152736 10263208  28766764      27% /\n", INT64_C(28766764) * 1024, 1},
		{"df: '/d/pg_wal/0001': Permission denied\nFilesystem 1024-blocks Used Available Capacity Mounted on\n/dev/mapper/a b 100 40 60 40% /with a blank 1 2 3 4%\n", 60 * 1024, 1},
		{"Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 100 40 60 40% /wal\n/dev/sda1 200 1 199 1% /\n", 60 * 1024, 2},
		{"Filesystem 512-blocks Used Available Capacity Mounted on\nzroot/pg 100 40 60 40% /pg\n", 60 * 512, 1},
		{"Filesystem 1M-blocks Used Available Use% Mounted on\n/dev/sda1 100 40 60 40% /\n", INT64_C(60) << 20, 1},
		{"Filesystem 1048576M-blocks Used Available Use% Mounted on\npool 9000000000000 1 8999999999999 1% /\n", INT64_C(1) << 60, 1}, /* no overflow */
		{"Filesystem 1024-blocks Used Available Use% Mounted on\npool 999999999999999 1 999999999999999 1% /\n", INT64_C(999999999999999) * 1024, 1},
		{"/dev/sda1 100 100 0 100% /\n", 0, 1}, {"ssh: connect to host db port 22: Connection refused\n", -1, 0}, {"", -1, 0}, {"-blocks", -1, 0},
		{"This account is currently not available.\n", -1, 0}, {"/dev/sda1 99999999999999999999 1 99999999999999999999 1% /\n", -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t rows;
		assert_int_equal(waldisk_parse(cases[i].said, &rows), cases[i].free_bytes);
		assert_int_equal(rows, cases[i].rows);
	}
}

static void expect(const struct watch_sample *s, enum verdict v, const char *says)
{
	struct watch_alarm a[WATCH_ALARMS];
	size_t n = watch_alarms(s, a);

	for (size_t i = 0; i < n; i++)
		if (a[i].verdict == v && strstr(a[i].text, says)) {
			assert_true(a[i].todo[0] != '\0');
			return;
		}
	fail_msg("no alarm says '%s' (%zu alarms, first: %s)", says, n, n ? a[0].text : "");
}

static void alarms(void **state)
{
	static const struct { size_t at; int64_t value; enum verdict v; const char *says; } cases[] = {
#define AT(f) offsetof(struct watch_sample, f)
		{AT(source_ok), 0, VERDICT_BLOCK, "source does not answer"}, {AT(target_ok), 0, VERDICT_BLOCK, "target does not answer"},
		{AT(sub_exists), 0, VERDICT_BLOCK, "is not on the target"},  {AT(enabled), 0, VERDICT_BLOCK, "is disabled"},
		{AT(worker), 0, VERDICT_BLOCK, "no apply worker"},           {AT(slot_exists), 0, VERDICT_BLOCK, "is gone from the source"},
		{AT(slot_active), 0, VERDICT_WARN, "no connection to the source"}, {AT(failed_over), GUARD_LOST, VERDICT_BLOCK, "lacks the last"},
		{AT(failed_over), GUARD_UNPROVEN, VERDICT_WARN, "lacks the last"}, {AT(failed_over), GUARD_OTHER, VERDICT_BLOCK, "lacks the last"},
		{AT(held_bytes), INT64_C(30) << 30, VERDICT_WARN, "keeps 30"}, {AT(restarts), 5, VERDICT_WARN, "started 5 times"},
		{AT(conflicts), 2, VERDICT_WARN, "2 conflicts"},
	};
	struct watch_alarm a[WATCH_ALARMS];
	struct watch_sample s = healthy();

	(void)state;
	assert_int_equal(watch_alarms(&s, a), 0);
	assert_string_equal(watch_word(&s), "streaming");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		s = healthy();
		memcpy((char *)&s + cases[i].at, &cases[i].value, sizeof cases[i].value);
		expect(&s, cases[i].v, cases[i].says);
	}
	s = healthy();
	strcpy(s.wal_status, "lost");
	expect(&s, VERDICT_BLOCK, "thrown away WAL");
	strcpy(s.wal_status, "unreserved");
	expect(&s, VERDICT_BLOCK, "next checkpoint");
	s = healthy();
	s.full_s = 600;
	expect(&s, VERDICT_BLOCK, "lost in 0:10:00");
	s.full_s = 7200;
	expect(&s, VERDICT_WARN, "lost in 2:00:00");
	assert_false(watch_is_filling(&s));
	s = healthy();
	s.disk_bytes = 5 << 20;
	s.disk_full_s = 590;
	expect(&s, VERDICT_BLOCK, "disk is full in 0:09:50: 5.0 MB free");
	assert_true(watch_is_filling(&s));
	s.disk_full_s = 3000;
	expect(&s, VERDICT_WARN, "disk is full in 0:50:00");
	s.disk_full_s = 4000;
	assert_int_equal(watch_alarms(&s, a), 0);
	strcpy(s.intruder, "pid 7 of app");
	expect(&s, VERDICT_WARN, "somebody writes on the target: pid 7 of app");
	s.intruder[0] = '\0';
	assert_false(watch_is_filling(&s));
	s = healthy();
	strcpy(s.drift, "public.t (columns differ)");
	expect(&s, VERDICT_BLOCK, "public.t");
	assert_string_equal(watch_word(&s), "trouble");
	s = healthy();
	s.drift_ms = -1;
	strcpy(s.drift_not, "10.0.0.1 did not answer in time");
	expect(&s, VERDICT_WARN, "could not be compared: 10.0.0.1");
	s.target_ok = 0; /* then that is what is wrong */
	assert_int_equal(watch_alarms(&s, a), 1);
	assert_string_equal(a[0].id, "target");
	s = healthy();
	s.ready = 1;
	assert_string_equal(watch_word(&s), "copying");
	s = healthy();
	s.handed_over = 1; /* it sleeps on purpose */
	s.enabled = s.worker = 0;
	assert_int_equal(watch_alarms(&s, a), 0);
	assert_string_equal(watch_word(&s), "cut over");
	s.talkers = 2;
	strcpy(s.who_talks, "2 of app from 10.0.0.7");
	expect(&s, VERDICT_WARN, "2 sessions are still on the old server: 2 of app");
	s.talkers = 0; /* the way back: a worker that is missing for a moment, for longer, and parts that are gone */
	s.way_back = s.back_down = 1;
	expect(&s, VERDICT_WARN, "no worker of the reverse link is connected");
	s.back_down = 5;
	expect(&s, VERDICT_BLOCK, "no worker of the reverse link is connected");
	strcpy(s.drift, "public.t (columns differ)"); /* the reverse link's: a column was added on the new primary */
	strcpy(s.drift_lines, "public.t: column v integer is on the target only\npublic.t: column w integer is on the target only");
	expect(&s, VERDICT_BLOCK, "the old server does not follow: tables differ between the new primary and the old source: public.t (columns differ): public.t: column v integer is on the target only; public.t: column w");
	s.back_down = 0;
	expect(&s, VERDICT_BLOCK, "the way back is about to break");
	s.drift[0] = s.drift_lines[0] = '\0';
	s.back_down = 5;
	s.back_lacks = BACK_DISABLED;
	expect(&s, VERDICT_BLOCK, "its subscription is disabled");
	s.back_fenced = 1; /* by a rollback that was killed: waking the subscription by hand would not end the outage */
	expect(&s, VERDICT_BLOCK, "THE TARGET, WHICH IS THE PRIMARY, IS CLOSED TO WRITERS");
	assert_int_equal(watch_alarms(&s, a), 1);
	assert_non_null(strstr(a[0].todo, "pgusher rollback --abort"));
	s.back_fenced = 0;
	s.back_lacks = BACK_NO_SLOT;
	expect(&s, VERDICT_BLOCK, "the slot on the new primary is gone");
	s.handed_over = 0;
	s.rolled_back = 1; /* nothing follows, on purpose */
	assert_int_equal(watch_alarms(&s, a), 0);
	assert_string_equal(watch_word(&s), "rolled back");
	s.finalized = 1;
	assert_string_equal(watch_word(&s), "finalized");
}

/* The network stands still only when both ends rest and what was sent a second ago is not there. */
static void where_changes_stand(void **state)
{
	static const struct { const char *worker, *sender; int64_t received; double heard_s, silent_s; } cases[] = {
		{"Activity/LogicalApplyMain", "Client/WalSenderWaitForWAL", 900, 2.5, 2.5}, {"Activity/LogicalApplyMain", "Client/WalSenderWriteData", 900, 2.5, 2.5},
		{"Activity/LogicalApplyMain", "Activity/WalSenderMain", 999, 2.5, 2.5}, {"Activity/LogicalApplyMain", "Client/WalSenderWaitForWAL", 1000, 2.5, 0},
		{"", "Client/WalSenderWaitForWAL", 900, 2.5, 0}, {"IO/DataFileRead", "Client/WalSenderWriteData", 900, 2.5, 0}, /* a large transaction is being applied */
		{"Activity/LogicalApplyMain", "", 900, 2.5, 0}, {"Activity/LogicalApplyMain", "IO/WALRead", 900, 2.5, 0}, /* it is being read, or passed over */
		{"Activity/LogicalApplyMain", "Client/WalSenderWaitForWAL", 900, -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct flow f = {0};
		struct flow_reading now = {.sent = 1000, .received = 900, .heard_s = 0.1, .worker = "Activity/LogicalApplyMain", .sender = "Client/WalSenderWaitForWAL"};
		assert_true(flow_silent_s(&f, &now, S) == 0); /* on its way */
		now = (struct flow_reading){.sent = 5000, .received = cases[i].received, .heard_s = cases[i].heard_s, .worker = cases[i].worker, .sender = cases[i].sender};
		assert_true(flow_silent_s(&f, &now, S + S / 2) == 0);
		assert_true(flow_silent_s(&f, &now, 2 * S) == cases[i].silent_s);
	}
	struct flow f = {0};
	for (int i = 1; i < 100; i++) { /* behind, and never level, but what was sent comes */
		struct flow_reading now = {.sent = i * 1000, .received = i * 1000 - 500, .heard_s = 0.4, .worker = "Activity/LogicalApplyMain", .sender = "Client/WalSenderWriteData"};
		assert_true(flow_silent_s(&f, &now, i * S) == 0);
	}
	f = (struct flow){0};
	for (int i = 4; i < 100; i++) { /* 10 to 12: what another database wrote was passed over, and nothing is said of it until the next comes */
		bool passed = i % 4;
		struct flow_reading now = {.sent = i / 4 * 1000 + passed * 1000, .received = i / 4 * 1000, .heard_s = 2.5, .worker = "Activity/LogicalApplyMain", .sender = passed ? "Activity/WalSenderMain" : "Client/WalSenderWaitForWAL"};
		assert_true(flow_silent_s(&f, &now, i * S) == 0);
	}
}

static void why_nothing_is_confirmed(void **state)
{
	static const struct { const char *worker, *sender, *says; } cases[] = {
		{"", "Client/WalSenderWriteData", "at work on a transaction"}, {"IO/DataFileRead", "", "the target's disk (IO/DataFileRead)"}, {"IPC/SyncRep", "", "synchronous standby"},
		{"Activity/LogicalApplyMain", "", "walsender is at work"}, {"Activity/LogicalApplyMain", "Client/WalSenderWriteData", "the network takes no more"}, {"LWLock/WALWrite", "", "the target's disk"},
		{"IPC/LogicalParallelApplyStateChange", "", "another process"}, {"Activity/LogicalApplyMain", "Client/WalSenderWaitForWAL", "both wait"},
	};
	struct watch_sample s = healthy();

	(void)state;
	s.lag_bytes = 2 << 20;
	s.still_s = 3;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		strcpy(s.worker_wait, cases[i].worker);
		strcpy(s.sender_wait, cases[i].sender);
		expect(&s, VERDICT_WARN, cases[i].says);
	}
	s.silent_s = 2;
	expect(&s, VERDICT_WARN, "nothing comes through the network from the source to the target, for 2.0 s");
	s.silent_s = 31;
	expect(&s, VERDICT_BLOCK, "nothing comes through the network");
	s = healthy();
	s.replaced = 1;
	expect(&s, VERDICT_WARN, "ended and was started anew");
	char todo[700];
	s = healthy();
	s.target_version = 160000;
	strcpy(s.said_lsn, "0/5");
	strcpy(s.said, "could not connect to the publisher: connection refused");
	failing_todo(&s, todo, sizeof todo);
	assert_non_null(strstr(todo, "from the target's host"));
	assert_null(strstr(todo, "SKIP"));
	strcpy(s.said, "something else");
	failing_todo(&s, todo, sizeof todo);
	assert_non_null(strstr(todo, "SKIP (lsn = '0/5')"));
}

static void a_worker_that_does_not_stay(void **state)
{
	const int64_t second = 1000000;
	struct stays k = {0}, well = {0}, slow = {0};
	bool on = true;
	int64_t t = second;

	(void)state;
	for (int i = 0; i < 60 && on; i++, t += second) /* started every five seconds, and dead before the next look */
		on = stays_look(&k, t, i % 5 == 0 ? 100 + i : 0, 8000);
	assert_true(on);
	for (int i = 0; i < 5; i++, t += second)
		on = stays_look(&k, t, 0, 8000);
	assert_false(on);
	for (int i = 0; i < 300; i++) /* a large transaction: the same one, and nothing is confirmed */
		assert_true(stays_look(&well, second + i * second, 4711, 8000));
	for (int i = 0; i < 300; i++) /* no worker seen, but less is left each time */
		assert_true(stays_look(&slow, second + i * second, 0, 8000 - i));
}

static void there_and_back_as_text(void **state)
{
	struct watch_sample s = healthy(), t;

	(void)state;
	s.lag_s = 1.5;
	strcpy(s.busy, "public.\"a\\b\" copying");
	strcpy(s.source_error, "no \xff utf-8");
	json_t *j = watch_sample_json(&s);
	char *text = json_dumps(j, JSON_COMPACT);
	assert_true(watch_sample_from_text(&t, text));
	assert_string_equal(t.busy, s.busy);
	assert_string_equal(t.source_error, "no ? utf-8");
	assert_true(t.lag_s == 1.5 && t.worker == 7);
	assert_false(watch_sample_from_text(&t, "{}"));
	assert_false(watch_sample_from_text(&t, NULL));
	assert_false(watch_sample_from_text(&t, "["));
	free(text);
	json_decref(j);
}

static const struct ready_condition *condition(const struct watch_sample *s, const struct migration *m, const char *id)
{
	static struct ready_condition c[READY_MAX];
	size_t n = ready_list(s, m, c);

	assert_true(n > 0 && n <= READY_MAX);
	for (size_t i = 0; i < n; i++) {
		assert_true(c[i].value[0] && c[i].title[0]);
		assert_true((c[i].verdict == VERDICT_OK) == (c[i].todo[0] == '\0'));
		if (strcmp(c[i].id, id) == 0)
			return &c[i];
	}
	fail_msg("no condition is called %s", id);
	return NULL;
}

static void ready_or_not(void **state)
{
	static const struct { size_t at; int64_t value; const char *id; enum verdict v; const char *says; } cases[] = {
		{AT(source_ok), 0, "ends", VERDICT_BLOCK, "the source does not"}, {AT(worker), 0, "follows", VERDICT_BLOCK, "no apply worker"},
		{AT(enabled), 0, "follows", VERDICT_BLOCK, "disabled"}, {AT(slot_active), 0, "follows", VERDICT_BLOCK, "no connection"},
		{AT(failed_over), GUARD_LOST, "leader", VERDICT_BLOCK, "lacks the last"}, {AT(failed_over), GUARD_UNPROVEN, "leader", VERDICT_WARN, "lacks the last"}, {AT(timeline), 0, "leader", VERDICT_INFO, "not readable"},
		{AT(slot_exists), 0, "slot", VERDICT_BLOCK, "gone"}, {AT(ready), 2, "tables", VERDICT_BLOCK, "2 of 3"}, {AT(tables), 0, "tables", VERDICT_BLOCK, "3 of 0"},
		{AT(lag_bytes), (16 << 20) + 1, "lag", VERDICT_BLOCK, "more than 16.0 MB"}, {AT(lag_bytes), 16 << 20, "lag", VERDICT_OK, "within 16.0 MB for 7.0 s"},
		{AT(restarts), 3, "errors", VERDICT_BLOCK, "3 times"}, {AT(apply_errors), 4, "errors", VERDICT_WARN, "4 counted"}, {AT(conflicts), 4, "errors", VERDICT_WARN, "4 conflicts"},
		{AT(sequences_behind), -1, "sequences", VERDICT_INFO, "not looked"}, {AT(sequences_behind), -1, "reverse", VERDICT_INFO, "not looked"},
		{AT(drift_ms), -1, "same", VERDICT_BLOCK, "could not be compared"},
		{AT(sequences_behind), 2, "sequences", VERDICT_OK, "2 behind"},
	};
	struct ready_condition c[READY_MAX];
	struct watch_sample s = healthy();
	struct migration m;

	(void)state;
	migration_init(&m);
	assert_int_equal(ready_verdict(c, ready_list(&s, &m, c)), VERDICT_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		s = healthy();
		s.within_s = 7;
		memcpy((char *)&s + cases[i].at, &cases[i].value, sizeof cases[i].value);
		const struct ready_condition *one = condition(&s, &m, cases[i].id);
		if (one->verdict != cases[i].v || !strstr(one->value, cases[i].says))
			fail_msg("%s: %s, %s", one->id, verdict_name(one->verdict), one->value);
		assert_true(ready_verdict(c, ready_list(&s, &m, c)) >= cases[i].v);
	}
	s = healthy();
	strcpy(s.writer, "pid 7");
	assert_int_equal(condition(&s, &m, "writers")->verdict, VERDICT_WARN);
	s.silent_s = 2;
	assert_int_equal(condition(&s, &m, "follows")->verdict, VERDICT_BLOCK);
	strcpy(s.drift, "public.t (columns differ)");
	assert_int_equal(condition(&s, &m, "same")->verdict, VERDICT_BLOCK);
	strcpy(s.reverse_not, "wal_level is replica on the target");
	assert_int_equal(condition(&s, &m, "reverse")->verdict, VERDICT_BLOCK);
	m.cut.reverse = false; /* said so: known, and no hindrance */
	assert_int_equal(condition(&s, &m, "reverse")->verdict, VERDICT_WARN);
	migration_fini(&m);
}

/* Of what was not read nothing is said, neither good nor bad. */
static void what_was_not_seen_is_not_known(void **state)
{
	static const char *const of_source[] = {"follows", "slot", "lag", "writers"}, *const of_target[] = {"leader", "follows", "tables", "errors"};
	struct ready_condition c[READY_MAX];
	struct watch_alarm a[WATCH_ALARMS];
	struct watch_sample s = {.safe_bytes = -1, .apply_errors = -1, .conflicts = -1, .full_s = -1, .disk_bytes = -1, .disk_full_s = -1, .level_s = -1, .drift_ms = -1,
				 .sequences_behind = -1, .source_away = AWAY_PASSWORD, .target_away = AWAY_REFUSED};
	struct migration m;

	(void)state;
	migration_init(&m);
	for (int both = 0; both < 2; both++, s.target_seen_us = s.target_ok = s.sub_exists = s.enabled = s.worker = 1) {
		for (size_t i = 0; i < 4; i++)
			assert_string_equal(condition(&s, &m, of_source[i])->value, "not known");
		for (size_t i = 0; i < 4 && !both; i++)
			assert_string_equal(condition(&s, &m, of_target[i])->value, "not known");
		assert_int_equal(ready_verdict(c, ready_list(&s, &m, c)), VERDICT_BLOCK); /* both must answer */
		assert_int_equal(watch_alarms(&s, a), both ? 1 : 2);
		expect(&s, VERDICT_BLOCK, "no login to the source: ");
		if (!both)
			expect(&s, VERDICT_BLOCK, "the target refuses pgusher");
	}
	migration_fini(&m);
}

static void how_long_it_was_near(void **state)
{
	struct watch_pace *p = calloc(1, sizeof *p);

	(void)state;
	assert_true(watch_pace_within(p, 100) == 0);
	for (int i = 0; i < 10; i++)
		watch_pace_add(p, i * S, 1000, i < 4 ? 0 : 950, 0, 0);
	assert_true(watch_pace_within(p, 100) == 5); /* from the fifth reading on */
	assert_true(watch_pace_within(p, 10) == 0);
	assert_true(watch_pace_within(p, 1000) == 9);
	free(p);
}

/* A commit counts once the slot has confirmed it. */
static void what_was_confirmed(void **state)
{
	struct guard g = {0};
	struct guard_reading r = {.timeline = 1, .system = "77", .local = 5000, .remote = 100, .confirmed = 90, .fork = -1};

	(void)state;
	guard_look(&g, &r);
	assert_int_equal(g.local, 0);
	r = (struct guard_reading){.timeline = 1, .system = "77", .local = 9000, .remote = 200, .confirmed = 150, .fork = -1};
	guard_look(&g, &r);
	assert_int_equal(g.local, 5000); /* 200 is not confirmed yet */
	r.confirmed = 200;
	guard_look(&g, &r);
	assert_int_equal(g.local, 9000);
	assert_int_equal(g.word, GUARD_KEPT);
	assert_string_equal(g.say, "");
}

static void after_a_failover(void **state)
{
	static const struct { int64_t fork; bool safe; const char *system; enum guard_word word; } cases[] = {
		{8999, false, "77", GUARD_LOST}, {8999, true, "77", GUARD_LOST}, {9000, false, "77", GUARD_UNPROVEN}, {9000, true, "77", GUARD_KEPT},
		{-1, false, "77", GUARD_UNPROVEN}, {-1, true, "77", GUARD_KEPT}, {9999, true, "78", GUARD_OTHER}, {9999, true, "", GUARD_KEPT},
	};
	char path[] = "/tmp/guard.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct guard g = {.timeline = 1, .system = "77", .local = 9000, .remote = 200, .safe = cases[i].safe};
		struct guard_reading r = {.timeline = 2, .system = cases[i].system, .local = 9500, .remote = 300, .confirmed = 300, .safe = true, .fork = cases[i].fork};
		assert_true(guard_save(&g, path)); /* as another process would find it */
		guard_load(&g, path);
		guard_look(&g, &r);
		assert_int_equal(g.word, cases[i].word);
		assert_true(g.say[0] != '\0');
		/* and then a second one, which loses nothing: what was lost stays lost */
		r.timeline = 3;
		r.fork = 20000;
		guard_look(&g, &r);
		assert_true(g.word >= cases[i].word);
	}
	(void)close(fd);
	(void)unlink(path);
}

static void falling_back(void **state)
{
	struct guard g = {.timeline = 1, .system = "77", .local = 9000, .remote = 200};
	struct guard_reading r = {.timeline = 1, .system = "77", .local = 9000, .remote = 199, .confirmed = 300, .fork = -1};

	(void)state;
	guard_look(&g, &r);
	assert_int_equal(g.word, GUARD_LOST);
}

static void where_a_timeline_ends(void **state)
{
	static const char history[] = "1\t0/3000060\tno recovery target specified\n\n2\t1/A0\tno recovery target specified\n";

	(void)state;
	assert_int_equal(guard_fork(history, 1), 0x3000060);
	assert_int_equal(guard_fork(history, 2), INT64_C(0x1000000A0));
	assert_int_equal(guard_fork(history, 3), -1);
	assert_int_equal(guard_fork("", 1), -1);
	assert_int_equal(guard_fork("1\t0/zz\tx\n1 0/5 x", 1), -1);
}

/* As 14, 16 and 18 wrote them; what is another subscription's, or over, is not taken. */
static void what_the_log_says(void **state)
{
	static const char v16[] =
		"26-11 18:04 UTC [11] LOG:  logical replication apply worker for subscription \"mine\" has started\n"
		"26-11 18:05 UTC [11] ERROR:  duplicate key value violates unique constraint \"we\"ird T_pkey\"\n"
		"26-11 18:05 UTC [11] DETAIL:  Key (\"A b\")=(it's (x)) already exists.\n"
		"26-11 18:05 UTC [11] CONTEXT:  processing remote data for replication origin \"pg_16393\" during message type \"INSERT\" for replication target relation"
		" \"public.we\"ird T\" in transaction 757, finished at 0/1793020\n"
		"26-11 18:05 UTC [9] LOG:  background worker \"logical replication worker\" (PID 11) exited with exit code 1\n";
	static const char v14[] =
		"t [21] LOG:  logical replication apply worker for subscription \"mine\" has started\n"
		"t [21] ERROR:  could not start WAL streaming: ERROR:  replication slot \"x\" does not exist\n"
		"t [9] LOG:  background worker \"logical replication worker\" (PID 21) exited with exit code 1\n"
		"t [22] LOG:  logical replication apply worker for subscription \"other\" has started\n"
		"t [22] ERROR:  of the other one\n"
		"t [9] LOG:  background worker \"logical replication worker\" (PID 22) exited with exit code 1\n";
	static const char v18[] =
		"t [31] ERROR:  conflict detected on relation \"public.t\": conflict=insert_exists\n"
		"t [31] DETAIL:  Key already exists in unique index \"t_pkey\", modified in transaction 763.\n"
		"\tKey (id)=(7); existing local row (1, 7); remote row (2, 7).\n"
		"t [31] CONTEXT:  processing remote data for replication origin \"pg_16393\" during message type \"INSERT\" for replication target relation \"public.t\""
		" in transaction 771, finished at 0/17E7038\n";
	struct server_words w = {0};
	char sql[200];

	(void)state;
	assert_true(serverlog_find(v16, "pg_16393", "mine", &w));
	assert_string_equal(w.relation, "public.we\"ird T");
	assert_string_equal(w.lsn, "0/1793020");
	serverlog_row(&w, "SELECT * FROM", sql, sizeof sql);
	assert_string_equal(sql, "SELECT * FROM \"public\".\"we\"\"ird T\" WHERE \"A b\" = 'it''s (x)'");
	assert_false(serverlog_find(v16, "pg_1", "not mine", &w));
	w = (struct server_words){0};
	assert_true(serverlog_find(v14, "pg_16393", "mine", &w));
	assert_string_equal(w.message, "could not start WAL streaming: ERROR:  replication slot \"x\" does not exist");
	serverlog_row(&w, "DELETE FROM", sql, sizeof sql);
	assert_string_equal(sql, "");
	assert_true(serverlog_find(v18, "pg_16393", "mine", &w));
	serverlog_row(&w, "DELETE FROM", sql, sizeof sql);
	assert_string_equal(sql, "DELETE FROM \"public\".\"t\" WHERE id = '7'");
	char *later = xasprintf("%st [41] LOG:  logical replication apply worker for subscription \"mine\" has started\nt [42] LOG:  logical replication apply worker for subscription"
				" \"mine\" has started\n", v18);
	assert_false(serverlog_find(later, "pg_16393", "mine", &w)); /* it was over when the one before began */
	free(later);
	assert_false(serverlog_find("", "pg_16393", "mine", &w));
	assert_false(serverlog_find("t CONTEXT:  processing remote data", "pg_16393", "mine", &w));
}

/* As a server of 14 and one of 16 wrote them, cut off before and after. */
static void what_other_logs_say(void **state)
{
	static const char csv[] =
		"in the midst of \"\"one\"\"\n2026-11-26 22:36:01.000 UTC,\"of it\n2026-11-26 22:36:02.000 UTC\",,\n"
		"2026-11-26 22:36:21.122 UTC,,,11,,6b08b465.3b81,1,,2026-11-26 22:36:21 UTC,4/57,0,LOG,00000,\"logical replication apply worker for subscription \"\"mine\"\" has started\",,,,,,,,,\"\"\n"
		"2026-11-26 22:36:21.162 UTC,\"us,er\",,11,,6b08b465.3b81,2,,2026-11-26 22:36:21 UTC,4/0,0,ERROR,23505,\"duplicate key value violates unique constraint \"\"we,\"\"ird_pkey\"\"\",\"Key (id)=(a,\n"
		"2026-11-26 22:36:21.162 UTC,b) already exists.\",,,,\"processing remote data for replication origin \"\"pg_16393\"\" during message type \"\"INSERT\"\" for replication target relation \"\"public.t\"\""
		" in transaction 757, finished at 0/1793020\",,,,\"\",\"logical replication worker\",,0\n"
		"2026-11-26 22:36:21.169 UTC,,,9,,6b08b454.2949,12,,2026-11-26 22:36:04 UTC,,0,LOG,00000,\"background worker \"\"logical replication worker\"\" (PID 11) exited with exit code 1\",,,,,,,,,\"\"\n"
		"2026-11-26 22:36:22.000 UTC,,,9,,6b08b454.2949,13,,2026-11-26 22:36:04 UTC,,0,LOG,00000,\"half of";
	static const char json[] =
		"\"pid\":5}\n{\"timestamp\":\"2026-11-26 22:36:28.949 UTC\",\"pid\":31,\"error_severity\":\"LOG\",\"message\":\"logical replication apply worker for subscription \\\"mine\\\" has started\"}\n"
		"{\"pid\":31,\"error_severity\":\"ERROR\",\"state_code\":\"23505\",\"message\":\"conflict detected on relation \\\"public.t\\\": conflict=insert_exists\",\"detail\":\"Key already exists in unique index"
		" \\\"t_pkey\\\".\\nKey (id)=(f\xfcr); existing local row (1, 7); remote row (2, 7).\",\"context\":\"processing remote data for replication origin \\\"pg_16393\\\" during message type \\\"INSERT\\\" for"
		" replication target relation \\\"public.t\\\" in transaction 771, finished at 0/17E7038\"}\n{\"pid\":9,\"error_severity\":\"LOG\",\"message\":\"half";
	struct server_words w = {0};

	(void)state;
	char *lines = logformat_from_csv(csv, LOGFORMAT_ENGLISH);
	assert_true(serverlog_find(lines, "pg_16393", "mine", &w));
	assert_string_equal(w.message, "duplicate key value violates unique constraint \"we,\"ird_pkey\"");
	assert_string_equal(w.detail, "Key (id)=(a, 2026-11-26 22:36:21.162 UTC,b) already exists.");
	assert_string_equal(w.relation, "public.t");
	assert_string_equal(w.lsn, "0/1793020");
	assert_null(strstr(lines, "half of"));
	free(lines);
	w = (struct server_words){0};
	lines = logformat_from_json(json, LOGFORMAT_ENGLISH);
	assert_true(serverlog_find(lines, "pg_16393", "mine", &w));
	assert_string_equal(w.message, "conflict detected on relation \"public.t\": conflict=insert_exists");
	assert_string_equal(w.lsn, "0/17E7038");
	assert_non_null(strstr(w.detail, "Key (id)=(f?r); existing"));
	assert_null(strstr(lines, "half"));
	free(lines);
	lines = logformat_from_csv("", LOGFORMAT_ENGLISH);
	assert_string_equal(lines, "");
	free(lines);
}

/* As a German server of 15 wrote them: no word is English but the kind of process. */
static void what_a_foreign_log_says(void **state)
{
	static const char csv[] =
		"2026-11-27 03:12:11.000 CET,,,11,,6b08b465.3b81,2,,2026-11-27 03:12:10 CET,4/0,0,FEHLER,23505,\"doppelter Schlüsselwert verletzt Unique-Constraint »t_pkey«\",\"Schlüssel »(id)=(2006)« existiert bereits.\",,,,"
		"\"Verarbeiten empfangener Daten für Replication-Origin »pg_16393« bei Nachrichtentyp »INSERT« für Replikationszielrelation »public.t« in Transaktion 757, beendet bei 0/1793020\",,,,\"\",\"logical replication worker\",,0\n"
		"2026-11-27 03:12:12.000 CET,,,9,,6b08b454.2949,12,,2026-11-27 03:12:04 CET,,0,LOG,00000,\"Background-Worker »logical replication worker« (PID 11) beendete mit Status 1\",,,,,,,,,\"\",\"postmaster\",,0\n",
		bare[] = "2026-11-27 03:12:11.000 CET,,,12,,6b08b465.3b81,2,,2026-11-27 03:12:10 CET,4/0,0,FEHLER,08006,\"konnte nicht mit dem Publikationsserver verbinden\",,,,,,,,,\"\",\"logical replication worker\",,0\n",
		other[] = "2026-11-27 03:12:11.000 CET,\"app\",\"shop\",13,,6b08b465.3b81,2,,2026-11-27 03:12:10 CET,4/0,0,FEHLER,23505,\"doppelter Schlüsselwert\",,,,,,,,,\"\",\"client backend\",,0\n";
	struct server_words w = {0};
	char sql[200];

	(void)state;
	char *lines = logformat_from_csv(csv, LOGFORMAT_FOREIGN);
	assert_true(serverlog_find(lines, "pg_16393", "mine", &w));
	assert_string_equal(w.message, "doppelter Schlüsselwert verletzt Unique-Constraint »t_pkey«");
	assert_string_equal(w.relation, "public.t");
	assert_string_equal(w.lsn, "0/1793020");
	serverlog_row(&w, "DELETE FROM", sql, sizeof sql);
	assert_string_equal(sql, "DELETE FROM \"public\".\"t\" WHERE id = '2006'");
	assert_false(serverlog_find(lines, "pg_1639", "other", &w));
	free(lines);
	for (int one = 0; one < 2; one++) { /* whose it is says nobody, unless there is but one */
		lines = logformat_from_csv(bare, one ? LOGFORMAT_FOREIGN_ONE : LOGFORMAT_FOREIGN);
		assert_int_equal(serverlog_find(lines, "pg_16393", "mine", &w), one);
		free(lines);
	}
	lines = logformat_from_csv(other, LOGFORMAT_FOREIGN_ONE);
	assert_false(serverlog_find(lines, "pg_16393", "mine", &w));
	free(lines);
	lines = logformat_plain_quotes("a « t » b »u« „v“ \"w\"");
	assert_string_equal(lines, "a \"t\" b \"u\" \"v\" \"w\"");
	free(lines);
	w = (struct server_words){.relation = "public.t", .detail = "Schlüssel »(id)=(1)«; lokale Zeile (1, x)"};
	serverlog_row(&w, "SELECT", sql, sizeof sql);
	assert_string_equal(sql, ""); /* it could be read in two ways */
}

/* Once when it begins; again only after it was quiet for a while; a worse one is news. */
static void rings_once(void **state)
{
	struct watch_alarm a[2] = {{.id = "one", .verdict = VERDICT_WARN}, {.id = "two", .verdict = VERDICT_BLOCK}};
	struct crossing c = {0};
	int64_t t = 1000000, quiet = CROSSING_QUIET_US;

	(void)state;
	assert_int_equal(crossing_take(&c, a, 1, t), 1);
	for (int i = 1; i <= 100; i++)
		assert_int_equal(crossing_take(&c, a, 1, t += 1000000), 0);
	assert_int_equal(crossing_take(&c, a, 2, t), 1);
	assert_string_equal(a[0].id, "two"); /* the new one comes first */
	assert_int_equal(crossing_take(&c, a, 2, t + quiet - 1), 0);
	t += quiet - 1;
	assert_int_equal(crossing_take(&c, a, 0, t + quiet), 0);
	assert_int_equal(crossing_take(&c, a, 2, t + quiet), 2);
	for (int i = 0; i < 2; i++)
		a[i].verdict = VERDICT_BLOCK;
	assert_int_equal(crossing_take(&c, a, 2, t + quiet + 1), 1);
	a[0].verdict = VERDICT_WARN; /* better, and as bad again a moment later: no news */
	assert_int_equal(crossing_take(&c, a, 2, t + quiet + 2), 0);
	a[0].verdict = VERDICT_BLOCK;
	assert_int_equal(crossing_take(&c, a, 2, t + quiet + 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rings_once), cmocka_unit_test(what_the_log_says), cmocka_unit_test(what_other_logs_say), cmocka_unit_test(what_a_foreign_log_says), cmocka_unit_test(ready_or_not),
		cmocka_unit_test(how_long_it_was_near), cmocka_unit_test(what_was_confirmed), cmocka_unit_test(after_a_failover), cmocka_unit_test(falling_back),
		cmocka_unit_test(where_a_timeline_ends),
		cmocka_unit_test(lag_is_the_age_of_what_is_confirmed), cmocka_unit_test(little_is_known_at_first),
		cmocka_unit_test(catching_up_and_filling_up_have_an_end), cmocka_unit_test(a_disk_fills_only_when_more_is_kept), cmocka_unit_test(a_disk_is_read_from_what_df_prints), cmocka_unit_test(alarms), cmocka_unit_test(what_was_not_seen_is_not_known), cmocka_unit_test(where_changes_stand), cmocka_unit_test(why_nothing_is_confirmed), cmocka_unit_test(a_worker_that_does_not_stay), cmocka_unit_test(there_and_back_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
