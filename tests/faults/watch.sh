#!/usr/bin/env bash
# What goes wrong with a running replication is named by the watch within seconds, and is over when it is put right.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16 logging_collector=on max_prepared_transactions=2
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0'
lab psql a shop -q -c 'CREATE TABLE t (id int PRIMARY KEY, v text)' -c "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g" -c 'CREATE TABLE u (id int PRIMARY KEY)'
source_sql() { lab psql a shop -At -c "$1"; }
target_sql() { lab psql b shop -At -c "$1"; }
printf '#!/bin/sh\nprintf "%%s\\n" "$PGUSHER_REASON" >>%s/rung\n' "$WORK" >"$WORK/alarm.sh"
chmod +x "$WORK/alarm.sh"
for line in link:a ps:a pt:b; do lab proxy "${line%:*}" "${line#*:}" >/dev/null; done
ini case a shop b shop '[subscription]' "source_port = $(cat "$PGUSHER_LAB/link/port")" '[ui]' 'refresh = 200' '[hooks]' "alarm = $WORK/alarm.sh"
ok 'runs' exits 0 pgusher run case --yes
ok 'one look alone: two readings, and rates that are known' exits 0 pgusher watch case --once
ok 'one look alone: the rates' grep -qE 'applies [0-9.]+ [kM]?B/s, source writes' "$WORK/case.out"
# by way of what can be frozen
sed "s/^port = $(get a PORT)\$/port = $(cat "$PGUSHER_LAB/ps/port")/; s/^port = $(get b PORT)\$/port = $(cat "$PGUSHER_LAB/pt/port")/" "$WORK/case.ini" >"$WORK/lines.ini"

"$PGUSHER" watch -c "$WORK/lines.ini" --json >"$WORK/watch.out" 2>&1 </dev/null &
watcher=$!
samples() { cat "$WORK/watch.out" 2>/dev/null | wc -l; }
# a complete line after line $from that matches
seen() { grep -qE -- "$1" < <(tail -n +"$((from + 1))" "$WORK/watch.out"); } # no pipe: one that is not read to its end fails
within() { # SECONDS TEXT REGEX: a sample from now on says so
	from=$(samples)
	if until_true "$1" seen "$3"; then
		echo "ok $2"
	else
		echo "not ok $2: no sample says $3 in $1 s"
		tail -n 1 "$WORK/watch.out"
		bad=1
	fi
}
well() { within "${1:-10}" "${2:-all is well again}" '"word":"streaming".*"lag_bytes":0,.*"alarms":\[\]'; }
well 10 'all is well'

target_sql 'INSERT INTO t VALUES (2000, $$mine$$)'
source_sql "INSERT INTO t VALUES (2000, 'theirs')"
within 4 'a row that is in the way: the worker' '"alarms":\[\{"verdict":"BLOCK","text":"no apply worker'
within 12 'a row that is in the way: counted' '"apply_errors":[1-9]'
ok 'a row that is in the way: the command rang once, not with each sample' test "$(grep -c 'no apply worker' "$WORK/rung")" = 1
within 15 "a row that is in the way: the server's own words, and the key" 'it fails on public.t: duplicate key value violates unique constraint .*Key \(id\)=\(2000\) already exists'
remove=$(tail -n 1 "$WORK/watch.out" | grep -o '"said_remove":"[^}]*' | sed 's/^"said_remove":"//; s/","log_where.*//; s/\\"/"/g')
ok 'a row that is in the way: what removes it, run as it stands' target_sql "$remove"
ok 'a row that is in the way: it was that one' test "$(target_sql "SELECT count(*) FROM t WHERE t::text LIKE '%mine%'")" = 0 # the worker's own comes by itself
well 45
target_sql 'INSERT INTO t VALUES (2001, $$mine$$)'
source_sql "INSERT INTO t VALUES (2001, 'theirs')"
within 15 'a transaction to be passed over: by its end' "SKIP .lsn = '[0-9A-F]+/[0-9A-F]+'"
skip=$(tail -n 1 "$WORK/watch.out" | grep -o "ALTER SUBSCRIPTION pgusher_case SKIP (lsn = '[0-9A-F/]*')")
ok 'a transaction to be passed over: what it says, run as it stands' target_sql "$skip"
well 45
target_sql 'DELETE FROM t WHERE id = 2001'
source_sql 'DELETE FROM t WHERE id = 2001'
well 45

lab psql b shop -q -c 'BEGIN' -c 'LOCK TABLE t' -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
locks() { [ "$(target_sql "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessExclusiveLock' AND granted")" = 1 ]; }
until_true 10 locks
source_sql "UPDATE t SET v = 'z' WHERE id = 1"
within 15 'somebody on the target holds a lock: who, and on what' 'waits for a lock, for [^"]*public.t is held by pid [0-9]+ \(postgres with psql'
ok 'a rehearsal says so, too' exits 1 pgusher cutover case --rehearse
ok 'and names who it is' says case 'its worker waits for a lock: public.t is held by pid'
holder=$(grep -oE 'pg_terminate_backend\([0-9]+\)' "$WORK/case.out" | tail -n 1)
"$PGUSHER" cutover -c "$WORK/case.ini" >"$WORK/held.out" 2>&1 </dev/null &
cutting=$!
ok 'a cutover waits before it holds anybody back, and says for whom' until_true 60 says held 'its worker waits: public.t is held by pid'
ok 'what ends it, run as it stands' target_sql "SELECT $holder"
wait $cutting
ok 'then it goes on to its question' says held 'Cut over now?'
well 45
target_sql "BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'nobody''s'" >/dev/null # has no process
source_sql "UPDATE t SET v = 'y' WHERE id = 1"
within 15 'a prepared transaction on the target holds a lock' "public.t is held by the prepared transaction 'nobody''s' \\(postgres, for .*COMMIT PREPARED or ROLLBACK PREPARED"
target_sql "ROLLBACK PREPARED 'nobody''s'"
well 45

lab tell link freeze
source_sql "INSERT INTO t SELECT g, repeat('y', 100) FROM generate_series(10000, 50000) g"
within 8 'the network between the servers stands still, much is sent' 'nothing comes through the network'
lab tell link thaw
well 45
lab tell link freeze
source_sql "UPDATE t SET v = 'little' WHERE id = 1"
within 8 'the network between the servers stands still, little is sent' 'nothing comes through the network'
lab tell link thaw
well 45
lab tell link refuse
lab tell link cut
within 6 'the network between the servers is cut' 'could not connect to the publisher.*from the target.s host: is the source running|has no connection to the source|no apply worker'
source_sql "UPDATE t SET v = 'cut' WHERE id = 1"
since=$SECONDS
eight_seconds() { [ $SECONDS -ge $((since + 8)) ]; }
until_true 60 eight_seconds
within 6 'still cut: why' 'fails: could not connect to the publisher'
lab tell link accept
well 45 'the network is there again: all is well'
ok 'what was written meanwhile is there' test "$(target_sql 'SELECT v FROM t WHERE id = 1')" = cut
for end in source:ps target:pt; do
	lab tell "${end#*:}" freeze
	within 10 "the network between pgusher and the ${end%:*} stands still" "the ${end%:*} does not answer: .*only pgusher does not reach the ${end%:*}"
	lab tell "${end#*:}" thaw
	well 45
done

target_sql 'ALTER SUBSCRIPTION pgusher_case DISABLE'
within 3 'disabled by hand' 'is disabled'
ok 'one look says so too, by its exit status' exits 1 pgusher watch case --once
target_sql 'ALTER SUBSCRIPTION pgusher_case ENABLE'
well 45

lab stop a
within 4 'the source is away' 'the source does not answer'
lab start a
well 45
lab stop b immediate
within 4 'the target is away' 'the target does not answer'
lab start b
well 45

(lab psql a shop -q -c "BEGIN; INSERT INTO u VALUES (1); SELECT pg_sleep(60)" >/dev/null 2>&1 &)
within 15 'who has been writing for long' '"writer":"pid [0-9]+ .postgres in shop, active'
source_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()" >/dev/null

source_sql 'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots' >/dev/null
within 4 'a walsender that somebody ended' '"slot_active":0|"restarts":[1-9]|"worker":0'
well 45

kill $watcher
wait $watcher 2>/dev/null
ok 'ended by a signal, without ado' test $? = 0

"$PGUSHER" watch -c "$WORK/case.ini" --json >"$WORK/watch.out" 2>&1 </dev/null &
watcher=$!
well 45 'another watch'
lab psql a postgres -q -c 'ALTER DATABASE shop ALLOW_CONNECTIONS false'
lab psql a postgres -q -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgusher watch%'" >/dev/null
within 10 'a refusal: it is asked again, and when is seen' '"source_away":2.*the source refuses pgusher: again in [0-9]+ s'
ok 'a refusal: of what was not seen nothing is said' exits 1 pgusher watch case --once
ok 'a refusal: not even of the slot' says case 'how far it is behind is not known; 2 of 2 tables ready; slot not known'
lab psql a postgres -q -c 'ALTER DATABASE shop ALLOW_CONNECTIONS true'
kill $watcher
wait $watcher 2>/dev/null

lab psql b shop -q -c 'BEGIN; LOCK TABLE pg_constraint IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(300)' >/dev/null 2>&1 &
locked() { [ -n "$(target_sql "SELECT 1 FROM pg_locks WHERE relation = 'pg_constraint'::regclass AND mode = 'AccessExclusiveLock' AND granted")" ]; }
until_true 60 locked
ok 'what cannot be compared stops nothing' exits 0 pgusher watch case --once
ok 'and is said, with the reason' says case 'they could not be compared: the objects of the target: 127.0.0.1 port'
target_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)' AND pid <> pg_backend_pid()" >/dev/null
# the comparison of both sides takes long, here because it has to wait: samples go on, and one look alone waits for it
(lab psql a shop -q -c "BEGIN; LOCK TABLE pg_constraint IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)" >/dev/null 2>&1 &)
held() { [ "$(source_sql "SELECT count(*) FROM pg_locks WHERE relation = 'pg_constraint'::regclass AND mode = 'AccessExclusiveLock' AND granted")" = 1 ]; }
ok 'a catalogue is locked' until_true 20 held
"$PGUSHER" watch -c "$WORK/case.ini" --json >"$WORK/watch.out" 2>&1 </dev/null &
watcher=$!
compared() { [ "$(grep -c "\"drift_ms\":$1" "$WORK/watch.out")" -ge "$2" ]; }
ok 'it is compared beside the samples, which go on' until_true 20 compared -1 5
"$PGUSHER" watch -c "$WORK/case.ini" --once --json >"$WORK/once.out" 2>&1 </dev/null &
once=$!
waits() { [ "$(source_sql "SELECT count(*) FROM pg_locks WHERE relation = 'pg_constraint'::regclass AND NOT granted")" = 2 ]; }
ok 'one look waits for it' until_true 20 waits
source_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()" >/dev/null
ok 'it is compared at last' until_true 20 compared '[0-9]' 1
kill $watcher
wait $watcher 2>/dev/null
wait $once
ok 'one look: one sample, and that has it' test "$(grep -c '"drift_ms":[0-9]' "$WORK/once.out") $(wc -l <"$WORK/once.out")" = '1 1'
source_sql 'ALTER TABLE t ADD COLUMN w int'
ok 'a column that the target lacks' exits 1 pgusher watch case --once
ok 'is named' says case 'public.t (columns differ)'
ok 'and what differs' says case 'public.t: column w integer is not on the target'
target_sql 'ALTER TABLE t ADD COLUMN w int'
ok 'and is well when both have it' exits 0 pgusher watch case --once
source_sql 'CREATE INDEX t_v_idx ON t (v)'
ok 'an index that the target lacks stops nothing' exits 0 pgusher watch case --once
ok 'and is named' says case 'public.t: index t_v_idx btree (v) is not on the target'
source_sql 'DROP INDEX t_v_idx'
lab psql a shop -q -c 'CREATE TABLE late (id int PRIMARY KEY)' -c 'ALTER PUBLICATION pgusher_case ADD TABLE late'
ok 'a table that is published, and the subscription does not know' exits 1 pgusher watch case --once
ok 'is named' says case 'public.late (only published)'
lab psql a shop -q -c 'ALTER PUBLICATION pgusher_case DROP TABLE late'
# made after the start: what is written to it would be lost, and no position shows it
source_sql 'INSERT INTO late VALUES (7)'
ok 'a table that is new on the source, and not published' exits 1 pgusher watch case --once
ok 'is named' says case 'public.late (not published)'
ok 'no cutover without it' exits 3 pgusher cutover case --confirm shop
ok 'and it says why' says case 'same tables and columns: public.late (not published)'
pgusher watch case --once
said() { grep -oE "$1> .*;" "$WORK/case.out" | sed "s/^$1> //; s/; target> .*/;/"; }
target_sql 'CREATE TABLE late (id int PRIMARY KEY)'
ok 'what has it followed: on the source, as it stands' source_sql "$(said source)"
ok 'and on the target' target_sql "$(said target)"
followed() { [ "$(target_sql 'SELECT id FROM late')" = 7 ]; }
ok 'then its rows are there' until_true 30 followed
all_well() { exits 0 pgusher watch case --once; }
ok 'and all is well' until_true 30 all_well

# an application that was pointed to the target too early
(lab psql b shop -q -c "SET application_name = 'billing'" -c 'BEGIN; INSERT INTO u VALUES (77); SELECT pg_sleep(601)' >/dev/null 2>&1 &)
somebody_writes() { exits 0 pgusher watch case --once && says case 'somebody writes on the target: pid '; }
ok 'somebody writes on the target' until_true 30 somebody_writes
ok 'and it is said who' grep -qE 'somebody writes on the target: pid [0-9]+ of postgres .billing. from ' "$WORK/case.out"
target_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(601)' AND pid <> pg_backend_pid()" >/dev/null
(lab psql b shop -q -c 'BEGIN; SELECT count(*) FROM t; SELECT pg_sleep(602)' >/dev/null 2>&1 &)
reads() { [ "$(target_sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(602)' AND pid <> pg_backend_pid()")" = 1 ]; }
until_true 30 reads
nobody_writes() { exits 0 pgusher watch case --once && ! grep -q 'somebody writes' "$WORK/case.out"; }
ok 'who only reads is not meant' until_true 30 nobody_writes
target_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(602)' AND pid <> pg_backend_pid()" >/dev/null

# the source throws away WAL that the slot needs: the target was asleep for too long
target_sql 'ALTER SUBSCRIPTION pgusher_case DISABLE'
until_true 10 test "$(source_sql 'SELECT active FROM pg_replication_slots')" = f
source_sql "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'" && source_sql 'SELECT pg_reload_conf()' >/dev/null
thrown_away() {
	source_sql "SELECT pg_logical_emit_message(false, 'x', repeat('y', 8000000)), pg_switch_wal()" >/dev/null && source_sql CHECKPOINT
	[ "$(source_sql 'SELECT wal_status FROM pg_replication_slots')" = lost ]
}
ok 'WAL is thrown away' until_true 30 thrown_away
ok 'a slot that is lost' exits 1 pgusher watch case --once
ok 'is named, and what to do' says case 'thrown away WAL'
source_sql 'ALTER SYSTEM RESET max_slot_wal_keep_size' && source_sql 'SELECT pg_reload_conf()' >/dev/null
dropped() { source_sql "SELECT pg_drop_replication_slot('pgusher_case')"; }
until_true 10 dropped
ok 'a slot that somebody dropped' exits 1 pgusher watch case --once
ok 'is named' says case 'is gone from the source'
ok 'clean-up' exits 0 pgusher cleanup case --yes --confirm shop
ok 'no subscription is left' test -z "$(target_sql 'SELECT subname FROM pg_subscription')"
ok 'no publication is left' test -z "$(source_sql 'SELECT pubname FROM pg_publication')"
exit $bad
