#!/usr/bin/env bash
# A subscription that somebody made by hand: its mistakes are named, it is taken over, compared, cut over, rolled back and finalized like one
# of ours, with its journal and without it; also when it has several publications.
#   tests/flows/adopt.sh [SOURCE TARGET]    majors; 14 and 16 by default
METHOD=subscription
. "$(dirname "$0")/common.sh"
up a "${1:-14}"
up b "${2:-16}"
tools=$(client_bindir "${2:-16}")
lab rows a shop 2
lab psql a shop -q -c 'CREATE TABLE forgotten (id int PRIMARY KEY)' -c 'CREATE TABLE "we""ird Таблица" (id serial PRIMARY KEY, t text)' -c "INSERT INTO \"we\"\"ird Таблица\" (t) SELECT 'x' FROM generate_series(1, 30)"
schema_to_b() { # [pg_dump arguments]
	"$tools/pg_dump" -Oxs "$@" --no-publications "host=127.0.0.1 port=$(get a PORT) user=postgres dbname=shop passfile=$(get a PASSFILE)" 2>/dev/null |
		grep -v transaction_timeout | lab psql b shop -q -o /dev/null
}
subscribe() { # PUBLICATIONS
	lab psql b shop -q -c "CREATE SUBSCRIPTION \"hand made\" CONNECTION 'host=127.0.0.1 port=$(get a PORT) dbname=shop user=postgres password=$(get a PASSWORD)' PUBLICATION $1 WITH (slot_name = by_hand)" 2>/dev/null
}
ready() { [ "$(lab psql b shop -At -c "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")" = t ]; }
left() { # of anybody's, on both
	for s in a b; do
		lab psql $s shop -At -c "SELECT slot_name::text FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT subname FROM pg_subscription
			UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE '%\_back' UNION ALL SELECT roname FROM pg_replication_origin"
	done
}
nothing_left() { local l && l=$(left) && { [ -z "$l" ] || { echo "$l"; return 1; }; }; }
n=0
elsewhere() { # as on another host: nothing is written down here
	n=$((n + 1))
	XDG_STATE_HOME=$WORK/state.$n "$@"
}
refuses() { ! lab psql "$1" shop -qc 'INSERT INTO "we""ird Таблица" (t) VALUES (1)'; }
same_rows() { tests/lab/compare --skip database,roles,schema a/shop b/shop; }
lab psql b postgres -q -c 'CREATE DATABASE shop' -c 'CREATE DATABASE beside'
# of the same name, in another database of the target: never taken for it
lab psql b beside -q -c "CREATE SUBSCRIPTION \"hand made\" CONNECTION 'host=nowhere' PUBLICATION \"of others\" WITH (connect = false)" 2>/dev/null
schema_to_b
lab psql a shop -q -c 'CREATE PUBLICATION "by hand" FOR TABLE big_narrow, "we""ird Таблица"'
subscribe '"by hand"'
tests/lab/load start w a shop --clients 2 --rate 100
lab psql a shop -q -c 'ALTER PUBLICATION "by hand" ADD TABLE lab_load.ledger, lab_load.progress' 2>/dev/null
more=$(lab psql a shop -At -c "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = 'lab_load' AND (schemaname, tablename) NOT IN (SELECT schemaname, tablename FROM pg_publication_tables)")
[ -z "$more" ] || lab psql a shop -q -c "ALTER PUBLICATION \"by hand\" ADD TABLE $more"
schema_to_b -n lab_load
lab psql b shop -q -c 'ALTER SUBSCRIPTION "hand made" REFRESH PUBLICATION' 2>/dev/null
until_true 60 ready
ini offer a shop b shop
ok 'without the setting: blocked, the target is not empty' exits 3 pgusher check offer
ok 'without the setting: it is offered' says offer 'the subscription hand made reads from this source already'
ok 'without the setting: and how' says offer '[subscription] adopt = hand made'
ini hand a shop b shop '[subscription]' 'adopt = hand made'
lab psql b shop -q -c 'ALTER SUBSCRIPTION "hand made" DISABLE'
ok 'disabled: said' exits 0 pgusher check hand
ok 'disabled: named' says hand 'DISABLED'
lab psql b shop -q -c 'ALTER SUBSCRIPTION "hand made" ENABLE'
ok 'a table that it does not have' says hand 'public.forgotten'
lab psql a shop -q -c 'ALTER TABLE big_narrow REPLICA IDENTITY NOTHING'
ok 'no replica identity: blocked' exits 3 pgusher check hand
ok 'no replica identity: named' says hand '"public"."big_narrow"'
lab psql a shop -q -c 'ALTER TABLE big_narrow REPLICA IDENTITY DEFAULT'
ok 'taken over' exits 0 pgusher run hand --yes
ok 'watched' exits 0 pgusher watch hand --once
ok 'its tables are seen' says hand 'tables ready'
cp "$WORK/hand.ini" "$WORK/off.ini"
printf '[cutover]\nverify = off\n' >>"$WORK/off.ini"
ok 'no cutover without comparing' exits 3 pgusher cutover off --confirm shop
lab psql a shop -q -c $'COMMENT ON PUBLICATION "by hand" IS \'of the team\'\'s;\nhands off\''
own() { lab psql a shop -At -c "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = 'by hand'"; }
lab psql b shop -q -c 'DELETE FROM "we""ird Таблица" WHERE id = 7' # as if it had never been there: copy_data = false
ok 'a row that was lost before: no cutover' exits 1 pgusher cutover hand --confirm shop
ok 'a row that was lost before: named' says hand 'we"ird Таблица'
ok 'a row that was lost before: the source goes on' lab psql a shop -qc 'INSERT INTO "we""ird Таблица" (t) VALUES (1)'
ok 'a row that was lost before: the comment of the publication is the one that it had' test "$(own)" = $'of the team\'s;\nhands off'
lab psql b shop -q -c 'SET session_replication_role = replica' -c "INSERT INTO \"we\"\"ird Таблица\" VALUES (7, 'x')"
# a second publication, added by hand after it was taken over
lab psql a shop -q -c 'CREATE TABLE late (id int PRIMARY KEY, t text)' -c "INSERT INTO late VALUES (1, 'x')" -c 'CREATE PUBLICATION "second, ""one" FOR TABLE late, big_narrow, big_wide'
# before 18 a worker that comes to changes from before a publication was made finds none of that name, and never gets past them
made=$(lab psql a shop -At -c 'SELECT pg_current_wal_lsn()')
past_it() { [ "$(lab psql a shop -At -c "SELECT confirmed_flush_lsn > '$made' FROM pg_replication_slots WHERE slot_name = 'by_hand'")" = t ]; }
until_true 60 past_it
lab psql b shop -q -c 'CREATE TABLE late (id int PRIMARY KEY, t text)' -c 'ALTER SUBSCRIPTION "hand made" SET PUBLICATION "by hand", "second, ""one" WITH (refresh = false)' 2>/dev/null
lab psql b shop -q -c 'ALTER SUBSCRIPTION "hand made" SET PUBLICATION "by hand", nowhere WITH (refresh = false)' 2>/dev/null
ok 'a publication that is not there: no cutover' exits 3 pgusher cutover hand --confirm shop
ok 'a publication that is not there: said' says hand 'reads a publication that is not on the source: nowhere'
lab psql b shop -q -c 'ALTER SUBSCRIPTION "hand made" SET PUBLICATION "by hand", "second, ""one" WITH (refresh = false)' 2>/dev/null
ok 'a publication that came later: its table is missed' exits 3 pgusher cutover hand --confirm shop
ok 'a publication that came later: said' says hand 'publishes public.big_wide, but the target does not follow it'
"$PGUSHER" watch -c "$WORK/hand.ini" --once >"$WORK/hand.out" 2>&1 </dev/null
ok 'a publication that came later: the watch says it, too' says hand 'public.late (only published)'
lab psql b shop -q -c 'ALTER SUBSCRIPTION "hand made" REFRESH PUBLICATION' 2>/dev/null
until_true 60 ready
ok 'cut over' exits 0 pgusher cutover hand --confirm shop
ok 'one of the same name in another database stays' lab psql b beside -q -c 'ALTER SUBSCRIPTION "hand made" SET (slot_name = NONE)' -c 'DROP SUBSCRIPTION "hand made"'
ok 'the source refuses writes' bash -c "! tests/lab/lab psql a shop -qc 'INSERT INTO forgotten VALUES (1)' 2>/dev/null"
ok 'the next number follows' test "$(lab psql b shop -At -c "SELECT last_value FROM \"we\"\"ird Таблица_id_seq\"")" = "$(lab psql a shop -At -c "SELECT last_value FROM \"we\"\"ird Таблица_id_seq\"")"
"$PGUSHER" watch -c "$WORK/hand.ini" --once >"$WORK/hand.out" 2>&1 </dev/null # exit status 1 while the load still talks to the old one
ok 'the watch sees that it was cut over' says hand 'the target is the primary'
tests/lab/load point w b shop
wrote() { [ -n "$(lab psql b shop -At -c "SELECT 1 FROM pg_stat_activity WHERE datname = 'shop' AND application_name LIKE '%load%' LIMIT 1")" ]; }
until_true 10 wrote
lab psql b shop -q -c "INSERT INTO late VALUES (2, 'written on the new primary')" -c "INSERT INTO \"we\"\"ird Таблица\" (t) VALUES ('there, too')" -c 'DELETE FROM big_narrow WHERE id % 100 = 3'
pgusher verify hand # what is written meanwhile may differ
ok 'both sides are compared, and not in nothing' grep -qE '^[1-9][0-9]* equal, ' "$WORK/hand.out"
# another publication with our word on it is somebody else's
past_fence=(-c 'SET default_transaction_read_only = off')
lab psql a shop -q "${past_fence[@]}" -c 'CREATE PUBLICATION zzz' -c "COMMENT ON PUBLICATION zzz IS 'pgusher rolled back to this database; before: '"
"$PGUSHER" watch -c "$WORK/hand.ini" --once >"$WORK/hand.out" 2>&1 </dev/null
ok 'the watch takes the word of the right one' says hand 'the target is the primary'
XDG_STATE_HOME=$WORK/none "$PGUSHER" watch -c "$WORK/hand.ini" --once >"$WORK/hand.out" 2>&1 </dev/null
ok 'the watch takes the word of the right one, without the journal' says hand 'the target is the primary'
lab psql a shop -q "${past_fence[@]}" -c 'DROP PUBLICATION zzz'
ok 'cutover again: nothing more to do' exits 0 pgusher cutover hand --confirm shop
ok 'rolled back, without the journal' elsewhere exits 0 pgusher rollback hand --confirm shop
ok 'rolled back: the target refuses writes' refuses b
ok 'rolled back: every row and every number is the same' same_rows
ok 'rolled back: what was written on the target is there' test "$(lab psql a shop -At -c 'SELECT count(*) FROM late' -c "SELECT count(*) FROM \"we\"\"ird Таблица\" WHERE t = 'there, too'" -c 'SELECT count(*) FROM big_narrow WHERE id % 100 = 3' | paste -sd' ')" = '2 1 0'
tests/lab/load point w a shop
writes() { ! refuses a; }
ok 'rolled back: the source takes writes' until_true 15 writes
tests/lab/load stop w >/dev/null
ok 'every acknowledged write is there, once' tests/lab/load check w a shop
# others read there: who reads one of these publications, as far as the server says it
lab psql a shop -q -c "SELECT pg_create_logical_replication_slot('asleep', 'pgoutput')" -c 'CREATE PUBLICATION "of others" FOR TABLE forgotten' -o /dev/null
lab psql b postgres -q -c 'CREATE DATABASE third'
schema_to() { "$tools/pg_dump" -Oxs --no-publications --no-subscriptions "host=127.0.0.1 port=$(get a PORT) user=postgres dbname=shop passfile=$(get a PASSFILE)" 2>/dev/null | grep -v transaction_timeout | lab psql b "$1" -q -o /dev/null; }
schema_to third
also() { lab psql b third -q -c "CREATE SUBSCRIPTION $1 CONNECTION 'host=127.0.0.1 port=$(get a PORT) dbname=shop user=postgres password=$(get a PASSWORD)' PUBLICATION $2 WITH (copy_data = false)" 2>/dev/null; }
also also_there '"second, ""one"' && also elsewhere '"of others"'
runs() { [ "$(lab psql a shop -At -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'START_REPLICATION%' AND backend_type = 'walsender'")" -ge 2 ]; }
until_true 20 runs
ok 'finalize: asks, and names what was made by hand' exits 3 pgusher finalize hand
ok 'finalize: and who else reads it' says hand 'the slot also_there (reads second, "one now)'
ok 'finalize: and of whom that is not known' says hand 'the slot asleep (whether it reads one of them cannot be seen)'
ok 'finalize: not who reads another one' bash -c "! grep -q 'the slot elsewhere' $WORK/hand.out"
lab psql b third -q -c 'DROP SUBSCRIPTION also_there' -c 'DROP SUBSCRIPTION elsewhere' 2>/dev/null
lab psql a shop -q -c "SELECT pg_drop_replication_slot('asleep')" -c 'DROP PUBLICATION "of others"' -o /dev/null
ok 'finalize: all of it' says hand 'the slot by_hand and the publications by hand, second, "one.'
ok 'finalized' exits 0 pgusher finalize hand --confirm shop
ok 'finalized: nothing is left, nor the publications' nothing_left
ok 'finalized a second time: nothing to do' exits 0 pgusher finalize hand --confirm shop
ok 'nothing is followed: a comparison of nothing is refused' exits 3 pgusher verify hand
ok 'nothing is followed: said' says hand 'nothing would be compared'

# PUBLICATIONS: made by hand anew, taken over and cut over
again() {
	lab psql b postgres -q -c 'DROP DATABASE shop WITH (FORCE)' -c 'CREATE DATABASE shop'
	schema_to_b
	subscribe "$1"
	until_true 60 ready
	pgusher run hand --yes && pgusher cutover hand --confirm shop || { tail -n 30 "$WORK/hand.out"; return 1; }
}
lab psql a shop -q -c 'CREATE PUBLICATION everything FOR ALL TABLES' 2>/dev/null
ok 'anew, all tables: cut over' again everything
# as an older pgusher wrote it: only the journal knows the names
lab psql a shop -q "${past_fence[@]}" -c "COMMENT ON PUBLICATION everything IS 'pgusher cut over: another server is the primary; before: '"
lab psql b shop -q -c 'COMMENT ON PUBLICATION everything_back IS NULL'
lab psql b shop -q -c "INSERT INTO late VALUES (3, 'x')"
ok 'nothing names it: refused without the journal' elsewhere exits 3 pgusher rollback hand --confirm shop
ok 'nothing names it: says how to see' says hand "when one says 'cut over'"
ok 'rolled back, by the journal alone' exits 0 pgusher rollback hand --confirm shop
ok 'rolled back by the journal: every row and every number is the same' same_rows
ok 'rolled back by the journal: what was written is there' test "$(lab psql a shop -At -c 'SELECT count(*) FROM late')" = 3
ok 'finalized, without the journal' elsewhere exits 0 pgusher finalize hand --confirm shop
ok 'finalized, without the journal: nothing is left' nothing_left

lab psql a shop -q -c 'CREATE PUBLICATION one FOR TABLE big_narrow' -c 'CREATE PUBLICATION two FOR ALL TABLES'
printf '[cutover]\nreverse = no\n' >>"$WORK/hand.ini"
ok 'two publications, no way back: cut over' again 'one, two'
ok 'two publications: no rollback' exits 3 pgusher rollback hand --confirm shop
ok 'two publications: finalized without the journal, the old server opened' elsewhere exits 0 pgusher finalize hand --confirm shop --thaw
ok 'two publications: nothing is left' nothing_left
ok 'two publications: the old server takes writes' writes
sed -i '/reverse = no/d' "$WORK/hand.ini"

lab psql a shop -q -c 'CREATE PUBLICATION one FOR TABLE big_narrow' -c 'CREATE PUBLICATION two FOR ALL TABLES'
ok 'and with a way back: cut over' again 'one, two'
XDG_STATE_HOME=$WORK/lost
lab stop a immediate >/dev/null 2>&1
ok 'the old source is away, no journal: the way back is not given up unasked' exits 3 pgusher cleanup hand --yes
ok 'the old source is away: said' says hand 'This is the way back'
ok 'the old source is away: its slot is there' test "$(lab psql b shop -At -c 'SELECT slot_name FROM pg_replication_slots')" = by_hand_back
rm -rf "$WORK/lost"
ok 'the old source is away: given up' exits 5 pgusher cleanup hand --yes --confirm shop
lab start a >/dev/null 2>&1
ok 'the old source is back: the rest' exits 0 pgusher cleanup hand --yes --confirm shop
ok 'clean-up: nothing is left' nothing_left
exit $bad
