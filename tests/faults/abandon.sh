#!/usr/bin/env bash
# A replication is given up while one side is down: what can go goes, the rest is said with its command, and goes later.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0'
lab psql a shop -q -c 'CREATE TABLE t (id int PRIMARY KEY, v text)' -c "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g"
ini case a shop b shop
on_source() { lab psql a shop -At -c "SELECT 'slot' FROM pg_replication_slots UNION ALL SELECT 'publication' FROM pg_publication UNION ALL SELECT 'role' FROM pg_roles WHERE rolname LIKE 'pgusher%'"; }
on_target() { lab psql b postgres -At -c "SELECT 'subscription' FROM pg_subscription UNION ALL SELECT 'origin' FROM pg_replication_origin"; }
for down in b a; do
	ok "without $down: it runs before" exits 0 pgusher run case --yes
	lab stop $down immediate
	ok "without $down: given up as far as it goes: 5" exits 5 pgusher cleanup case --yes --confirm shop
	if [ $down = b ]; then
		ok 'without the target: nothing is left on the source' test -z "$(on_source)"
		ok 'without the target: the command is there' says case 'on the target: ALTER SUBSCRIPTION "pgusher_case" DISABLE; ALTER SUBSCRIPTION "pgusher_case" SET (slot_name = NONE); DROP SUBSCRIPTION "pgusher_case"'
	else
		ok 'without the source: nothing is left on the target' test -z "$(on_target)"
		ok 'without the source: the command is there' says case "on the source: SELECT pg_drop_replication_slot('pgusher_case')"
		ok 'without the source: the publication, too' says case 'on the source: DROP PUBLICATION "pgusher_case"'
	fi
	ok "without $down: it is in the journal" grep -q '"title":"still there"' "$XDG_STATE_HOME/pgusher/case/journal.jsonl"
	lab start $down
	ok "without $down: the rest goes later" exits 0 pgusher cleanup case --yes --confirm shop
	ok "without $down: nothing is left" test -z "$(on_source)$(on_target)"
	lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop'
done
exit $bad
