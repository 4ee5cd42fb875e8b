#!/usr/bin/env bash
# A subscription that somebody made by hand: its mistakes are named, it is taken over, compared, and cut over like one of ours.
METHOD=subscription
. "$(dirname "$0")/common.sh"
up a 14
up b 16
lab rows a shop 2
lab psql a shop -q -c 'CREATE TABLE forgotten (id int PRIMARY KEY)' -c 'CREATE TABLE "we""ird Таблица" (id serial PRIMARY KEY, t text)' -c "INSERT INTO \"we\"\"ird Таблица\" (t) SELECT 'x' FROM generate_series(1, 30)"
lab psql b postgres -q -c 'CREATE DATABASE shop'
"$(client_bindir 16)/pg_dump" -Oxs --no-publications "host=127.0.0.1 port=$(get a PORT) user=postgres dbname=shop passfile=$(get a PASSFILE)" 2>/dev/null | grep -v transaction_timeout | lab psql b shop -q -o /dev/null
lab psql a shop -q -c 'CREATE PUBLICATION "by hand" FOR TABLE big_narrow, "we""ird Таблица"'
lab psql b shop -q -c "CREATE SUBSCRIPTION \"hand made\" CONNECTION 'host=127.0.0.1 port=$(get a PORT) dbname=shop user=postgres password=$(get a PASSWORD)'
	PUBLICATION \"by hand\" WITH (slot_name = by_hand)" 2>/dev/null
tests/lab/load start w a shop --clients 2 --rate 100
lab psql a shop -q -c 'ALTER PUBLICATION "by hand" ADD TABLE lab_load.ledger, lab_load.progress' 2>/dev/null
more=$(lab psql a shop -At -c "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = 'lab_load' AND (schemaname, tablename) NOT IN (SELECT schemaname, tablename FROM pg_publication_tables)")
[ -z "$more" ] || lab psql a shop -q -c "ALTER PUBLICATION \"by hand\" ADD TABLE $more"
"$(client_bindir 16)/pg_dump" -Oxs -n lab_load --no-publications "host=127.0.0.1 port=$(get a PORT) user=postgres dbname=shop passfile=$(get a PASSFILE)" 2>/dev/null | grep -v transaction_timeout | lab psql b shop -q -o /dev/null
lab psql b shop -q -c 'ALTER SUBSCRIPTION "hand made" REFRESH PUBLICATION' 2>/dev/null
ready() { [ "$(lab psql b shop -At -c "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")" = t ]; }
until_true 30 ready
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
lab psql b shop -q -c 'DELETE FROM "we""ird Таблица" WHERE id = 7' # as if it had never been there: copy_data = false
ok 'a row that was lost before: no cutover' exits 1 pgusher cutover hand --confirm shop
ok 'a row that was lost before: named' says hand 'we"ird Таблица'
ok 'a row that was lost before: the source goes on' lab psql a shop -qc 'INSERT INTO "we""ird Таблица" (t) VALUES (1)'
lab psql b shop -q -c 'SET session_replication_role = replica' -c "INSERT INTO \"we\"\"ird Таблица\" VALUES (7, 'x')"
ok 'cut over' exits 0 pgusher cutover hand --confirm shop
ok 'the source refuses writes' bash -c "! tests/lab/lab psql a shop -qc 'INSERT INTO forgotten VALUES (1)' 2>/dev/null"
ok 'the next number follows' test "$(lab psql b shop -At -c "SELECT last_value FROM \"we\"\"ird Таблица_id_seq\"")" = "$(lab psql a shop -At -c "SELECT last_value FROM \"we\"\"ird Таблица_id_seq\"")"
"$PGUSHER" watch -c "$WORK/hand.ini" --once >"$WORK/hand.out" 2>&1 </dev/null # exit status 1 while the load still talks to the old one
ok 'the watch sees that it was cut over' says hand 'the target is the primary'
tests/lab/load point w b shop
wrote() { [ -n "$(lab psql b shop -At -c "SELECT 1 FROM pg_stat_activity WHERE datname = 'shop' AND application_name LIKE '%load%' LIMIT 1")" ]; }
until_true 10 wrote
tests/lab/load stop w >/dev/null
ok 'every acknowledged write is there, once' tests/lab/load check w b shop
ok 'clean-up' exits 0 pgusher cleanup hand --yes --confirm shop
ok 'clean-up: nothing is left' test -z "$(lab psql a shop -At -c 'SELECT slot_name FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication'; lab psql b shop -At -c 'SELECT subname FROM pg_subscription')"
exit $bad
