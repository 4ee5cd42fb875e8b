#!/usr/bin/env bash
# A publication made by hand that sends a part only, by a row filter, a list of columns, or without some statements: the preflight says
# what that means, and a cutover or its rehearsal is refused before anybody waits, where rows or columns would be left behind.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 16
up b 17
lab psql a postgres -qc 'CREATE DATABASE shop'
lab psql b postgres -qc 'CREATE DATABASE shop'
for s in a b; do
	lab psql $s shop -qc 'CREATE TABLE filtered (id int PRIMARY KEY, v text)' -c 'CREATE TABLE narrow (id int PRIMARY KEY, v text)' -c 'CREATE TABLE whole (id int PRIMARY KEY)'
done
lab psql a shop -q -c 'INSERT INTO filtered SELECT g, 1 FROM generate_series(1, 20) g' -c 'CREATE PUBLICATION p FOR TABLE filtered WHERE (id > 10), narrow (id), whole'
lab psql b shop -q -c "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=$(get a PORT) dbname=shop user=postgres password=$(get a PASSWORD)' PUBLICATION p" 2>/dev/null
ready() { [ "$(lab psql b shop -At -c "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")" = t ]; }
until_true 30 ready
ini part a shop b shop '[subscription]' 'adopt = s'
ok 'a filter and a list: named' exits 0 pgusher check part
ok 'a filter: which table' says part 'public.filtered (a row filter)'
ok 'a list: which table' says part 'public.narrow (a list of columns)'
ok 'taken over' exits 0 pgusher run part --yes
ok 'a rehearsal is refused' exits 3 pgusher cutover part --rehearse
ok 'a rehearsal says why' says part 'public.filtered (a row filter)'
ok 'a cutover is refused' exits 3 pgusher cutover part --confirm shop
ok 'a cutover says why' says part 'every row and column is sent: '
ok 'a cutover: nobody was made to wait' says part 'nobody was made to wait: everything is as before'
lab psql a shop -q -c "ALTER PUBLICATION p SET TABLE filtered, narrow, whole" -c "ALTER PUBLICATION p SET (publish = 'insert, update')"
ok 'statements that are not sent: named' exits 0 pgusher check part
ok 'statements that are not sent: which' says part 'no DELETE, no TRUNCATE'
lab psql a shop -q -c 'DELETE FROM filtered WHERE id <= 10' -c "ALTER PUBLICATION p SET (publish = 'insert, update, delete, truncate')"
ok 'whole again: cut over' exits 0 pgusher cutover part --confirm shop
exit $bad
