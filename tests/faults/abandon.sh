#!/usr/bin/env bash
# A replication is given up: while one side is down what can go goes, the rest is said with its command, and goes later; the target's copy stays
# unless it is told to go, by the database's name, and never when the target has become the primary.
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

# ---- the copy ----
rows() { [ "$(lab psql b shop -At -c 'SELECT count(*) FROM t')" = "$1" ]; }
there() { [ -n "$(lab psql b postgres -At -c "SELECT 1 FROM pg_database WHERE datname = 'shop'")" ]; }
gone() { ! there; }
ok 'copy: it runs before' exits 0 pgusher run case --yes
ok 'copy: it stays' exits 0 pgusher cleanup case --yes --confirm shop
ok 'copy: it is said that it stays, and how it would go' says case "database stays, with the copy that it has, and follows no longer; to have it dropped with the rest, say No and start pgusher cleanup --drop-copy"
ok 'copy: it has its rows' rows 1000
lab psql b postgres -q -c 'DROP DATABASE shop'
ok 'copy: it runs again' exits 0 pgusher run case --yes
ok 'copy: told to go, it is asked for by name' exits 3 pgusher cleanup case --yes --drop-copy
ok 'copy: another name is none' exits 3 pgusher cleanup case --yes --drop-copy --confirm sho
ok 'copy: nothing was done' test "$(on_source | wc -l) $(on_target | wc -l)" = '3 2'
ok 'copy: nothing of it is written down' test -z "$(grep '"id":"copy:' "$XDG_STATE_HOME/pgusher/case/journal.jsonl" | grep '"left"')"
ok 'copy: it has its rows' rows 1000
lab stop a immediate
ok 'copy: a source that cannot say who leads: it does not go' exits 1 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'copy: and it is said why' says case 'whether the target has become the primary is not known'
lab start a
ok 'copy: nothing was done' test "$(on_source | wc -l) $(on_target | wc -l)" = '3 2'
lab psql b shop -q -c 'CREATE TABLE mine (id int)'
lab psql b shop -q -c 'SELECT pg_sleep(613)' >/dev/null 2>&1 &
in_it() { [ -n "$(lab psql b postgres -At -c "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(613)'")" ]; }
until_true 20 in_it
ok 'copy: while somebody is in it' exits 1 pgusher cleanup case --yes --drop-copy --confirm shop --also-drop 1
ok 'copy: what is nowhere else is named' says case 'WHAT THE SOURCE DOES NOT HAVE, and that is nowhere else: "public"."mine"'
ok 'copy: that somebody is in it' says case '1 session(s) of others are in the database'
ok 'copy: the rest is gone' test -z "$(on_source)$(on_target)"
ok 'copy: what is still there, and how it goes' says case 'copy:shop. By hand, on the target: DROP DATABASE IF EXISTS "shop"'
ok 'copy: it has its rows' rows 1000
lab psql b postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(613)'"
ok 'copy: then it goes' exits 0 pgusher cleanup case --yes --confirm shop --also-drop 1
ok 'copy: it is gone' gone
ok 'copy: it runs anew' exits 0 pgusher run case --yes
ok 'copy: all at once' exits 0 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'copy: nothing is left' test -z "$(on_source)$(on_target)"
ok 'copy: it is gone' gone
ok 'copy: no session' until_true 20 no_leftovers b
ok 'primary: it runs' exits 0 pgusher run case --yes
ok 'primary: cut over' exits 0 pgusher cutover case --confirm shop
ok 'primary: its database never goes' exits 3 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'primary: and it is said why' says case 'the target is the primary: its database is not dropped'
ok 'primary: it has its rows' rows 1000
lab psql b postgres -q -c 'CREATE DATABASE theirs OWNER pgusher_case_back' # so that a part of the way back stays, when all that says who leads is gone
ok 'primary: the way back is given up, as far as it goes' exits 1 pgusher cleanup case --yes --confirm shop
ok 'primary: its database never goes, then either' exits 3 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'primary: and it is said why, then' says case 'no replication is there to be given up: the target may be the primary, and its database is not dropped'
ok 'primary: it has its rows' rows 1000
lab psql a shop -q -c 'SET default_transaction_read_only = off' -c 'CREATE PUBLICATION pgusher_case'
mv "$XDG_STATE_HOME/pgusher/case" "$XDG_STATE_HOME/pgusher/away"
ok 'primary: nor where nothing is written down, and a publication is there' exits 3 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'primary: and it is said why, there' says case 'the source refuses writes: the target may be the primary, and its database is not dropped'
ok 'primary: it has its rows' rows 1000
lab psql a shop -q -c 'SET default_transaction_read_only = off' -c 'DROP PUBLICATION pgusher_case'
mv "$XDG_STATE_HOME/pgusher/away" "$XDG_STATE_HOME/pgusher/case"
lab psql b postgres -q -c 'DROP DATABASE theirs'
ok 'primary: the rest goes' exits 0 pgusher cleanup case --yes --confirm shop

# ---- a copy that was told to go, and another one that came in its place ----
lab psql a postgres -q -c 'ALTER DATABASE shop RESET default_transaction_read_only'
lab psql b postgres -q -c 'DROP DATABASE shop'
ok 'anew: it runs' exits 0 pgusher run case --yes
lab psql b shop -q -c 'SELECT pg_sleep(613)' >/dev/null 2>&1 &
until_true 20 in_it
ok 'anew: told to go while somebody is in it' exits 1 pgusher cleanup case --yes --drop-copy --confirm shop
lab psql b postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(613)'"
lab psql b postgres -q -c 'DROP DATABASE shop WITH (FORCE)'
ok 'anew: not before the clean-up is at its end' exits 3 pgusher run case --yes
ok 'anew: which has nothing to drop any more' exits 0 pgusher cleanup case --yes --confirm shop
ok 'anew: it runs again' exits 0 pgusher run case --yes
ok 'anew: cut over' exits 0 pgusher cutover case --confirm shop
ok 'anew: finalized' exits 0 pgusher finalize case --confirm shop --yes
lab psql a postgres -q -c 'ALTER DATABASE shop RESET default_transaction_read_only'
ok 'anew: a clean-up has nothing to drop' exits 0 pgusher cleanup case --yes --confirm shop
ok 'anew: the primary has its rows' rows 1000

# ---- somebody cuts over from another host while the name is typed: here a process of the attempt, which is ended first, takes the time for it ----
lab psql b postgres -q -c 'DROP DATABASE shop'
ok 'late: it runs' exits 0 pgusher run case --yes
id=$(grep '"kind":"begin"' "$XDG_STATE_HOME/pgusher/case/journal.jsonl" | tail -n 1 | sed 's/.*"id":"\([^"]*\)".*/\1/')
word="COMMENT ON PUBLICATION pgusher_case IS 'pgusher cut over: another server is the primary; before: '"
# shellcheck disable=SC2016
PGAPPNAME="pgusher case $id" bash -c 'trap "PGAPPNAME=psql tests/lab/lab psql a shop -q -c \"$1\"; exit" TERM; while :; do read -rt 1 <> <(:); done' - "$word" &
ok 'late: its database does not go' exits 3 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'late: and it is said why' says case 'the target is the primary: its database is not dropped'
ok 'late: the primary has its rows' rows 1000
ok 'late: nothing was removed' test "$(on_source | wc -l) $(on_target | wc -l)" = '3 2'
exit $bad
