#!/usr/bin/env bash
# What must never be believed: a stale dump, an error that an earlier process saw, somebody else's database, names that are statements.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop "${ROWS_MB:-12}"

journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
running() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$(journal "$1")"; }
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' -c 'DROP ROLE IF EXISTS app' >/dev/null; }
# kill_at NAME ACTION: starts, and kills when that action has begun in this attempt
kill_at() {
	local pid before=0
	[ ! -e "$(journal "$1")" ] || before=$(wc -l <"$(journal "$1")")
	"$PGUSHER" run -c "$WORK/$1.ini" --yes >"$WORK/$1.first.out" 2>&1 </dev/null &
	pid=$!
	begun() { tail -n "+$((before + 1))" "$(journal "$1")" 2>/dev/null | grep -q "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\""; }
	until_true 120 begun "$1" "$2" || { echo "not ok $1: $2 was never begun"; bad=1; }
	kill -9 $pid
	wait $pid 2>/dev/null
}
value() { lab psql "$1" "$2" -At -c "$3"; }
is() { [ "$1" = "$2" ] || { echo "'$1', not '$2'"; return 1; }; }

# a dump that was kept is the operator's: a later attempt neither restores it nor removes it
ini keep a shop b shop 'transfer = file' 'keep = yes' 'jobs = 2'
ok 'keep: first attempt' exits 0 pgusher run keep --yes
kept=$(find "$XDG_STATE_HOME/pgusher/keep" -mindepth 1 -maxdepth 1 -name 'keep-*' ! -name '*.json')
lab psql a shop -c 'CREATE TABLE later AS SELECT 1 AS i' >/dev/null
drop_target
second=$(date +%s)
later() { [ "$(date +%s)" -gt $((second + 1)) ]; } # attempts are named by the second
until_true 20 later
kill_at keep restore/2
ok 'keep: second attempt goes on' exits 0 pgusher run keep --yes
ok 'keep: the second attempt restored its own dump' is "$(value b shop "SELECT to_regclass('later') IS NOT NULL")" t
ok 'keep: the first dump is still there' test -e "$kept/toc.dat"

# a database that the attempt made itself, and somebody's table in it: not only ours any more
drop_target
ini guest a shop b shop
kill_at guest copy/3
made() { lab psql b shop -c 'CREATE TABLE IF NOT EXISTS guest AS SELECT 42 AS i' >/dev/null 2>&1; }
until_true 60 made
ok 'guest: taken up again, it asks first' exits 3 pgusher run guest --yes
ok 'guest: the preflight names the table' sh -c 'grep -A 1 "holds more than the interrupted attempt restored" "$1" | grep -qF "\"public\".\"guest\""' sh "$WORK/guest.out"
ok 'guest: so does the question' says guest 'It holds 1 that the source does not have, which no restore of ours made: "public"."guest"'
ok 'guest: the table is there' is "$(value b shop 'SELECT i FROM guest')" 42
ok 'guest: another name is no answer' exits 3 pgusher run guest --yes --confirm guest
ok 'guest: the table is still there' is "$(value b shop 'SELECT i FROM guest')" 42
ok 'guest: the name alone is no answer, it may have been given before anybody knew' exits 3 pgusher run guest --yes --confirm shop
ok 'guest: the command for it' says guest "pgusher run -c $WORK/guest.ini --yes --confirm shop --also-drop 1"
ok 'guest: another number is none' exits 3 pgusher run guest --yes --confirm shop --also-drop 2
ok 'guest: nothing was dropped' is "$(value b shop 'SELECT i FROM guest')" 42
ok 'guest: with both words it is made anew' exits 0 pgusher run guest --yes --confirm shop --also-drop 1
ok 'done: run again, it is not begun anew' exits 3 pgusher run guest --yes
ok 'done: first of all it says that it is done' sh -c 'grep "BLOCK" "$1" | head -n 1 | grep -q "this migration is done: the target database shop may be in use"' sh "$WORK/guest.out"
ok 'done: when, and that it was proven' sh -c 'grep -qE "found +20..-.*: done, and proven equal" "$1"' sh "$WORK/guest.out"
ok 'done: what compares again' says guest 'pgusher verify compares both sides again'
ok 'guest: and holds what the source has' is "$(value b shop "SELECT to_regclass('guest') IS NULL")" t

# what an earlier process saw still counts, and what is done is nobody's leftover
drop_target
lab psql a shop -c 'CREATE TABLE par (i int PRIMARY KEY); CREATE TABLE chi (i int REFERENCES par); ALTER TABLE chi DISABLE TRIGGER ALL; INSERT INTO chi VALUES (1)' >/dev/null
ini story a shop b shop
kill_at story proof/1
ok 'story: a foreign key could not be made, a later process goes on: not a clean end' exits 1 pgusher run story --yes
ok 'story: and the report says which' grep -q 'chi_i_fkey' "$XDG_STATE_HOME/pgusher/story/report.md"
left() { python3 - "$(journal "$1")" <<'PY'
import json, sys
left = {}
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e['kind'] == 'left': left[e['id']] = 1
    if e['kind'] == 'removed': left.pop(e['id'], None)
print(' '.join(left))
PY
}
ok 'story: nothing is held to be left' is "$(left story)" ''
lab psql a shop -c 'DROP TABLE chi, par' >/dev/null

# an object that could not be made is never harmless by what somebody else's words in the message say, nor passed over
for how in 'must be owner of extension' 'canceling statement due to the moon'; do
	lab psql a shop -c "CREATE FUNCTION odd(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \$\$ BEGIN
		IF current_setting('server_version_num')::int >= 160000 THEN RAISE EXCEPTION 'not here' USING DETAIL = '$how', ERRCODE = 'P0001'; END IF; RETURN i; END \$\$" \
		-c 'CREATE TABLE odd AS SELECT 1 AS i; CREATE INDEX odd_i ON odd (odd(i))' >/dev/null
	for transfer in stream file; do
		drop_target
		rm -rf "$XDG_STATE_HOME/pgusher/odd"
		ini odd a shop b shop "transfer = $transfer"
		ok "index missing, $transfer, '$how': not a clean end" test ! "$(pgusher run odd --yes; echo $?)" = 0
	done
	lab psql a shop -c 'DROP TABLE odd; DROP FUNCTION odd' >/dev/null
done

# a clean-up says what it does not remove
drop_target
lab psql b postgres -c 'CREATE DATABASE shop TEMPLATE template0' >/dev/null
ini before a shop b shop 'transfer = file'
kill_at before restore/2
until_true 120 sh -c "[ -n \"\$(tests/lab/lab psql b shop -At -c \"SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1\")\" ] || ! pgrep -f 'pg_restore.*port=$(get b PORT) ' >/dev/null"
ok 'clean-up of a database that was there before: not all is gone' exits 1 pgusher cleanup before --yes --confirm shop
ok 'clean-up of a database that was there before: says so' says before 'except for role:app, content:shop'

# a journal that cannot be read hides an attempt
sed -i '3s/.*/{"torn/' "$(journal before)"
lines=$(wc -l <"$(journal before)")
ok 'damaged journal: refused' exits 1 pgusher run before --yes
ok 'damaged journal: says so' says before 'is not a journal line'
ok 'damaged journal: left alone' is "$(wc -l <"$(journal before)")" "$lines"

# nobody asked for a proof: the source need not keep old rows for the restore all the same
drop_target
ini off a shop b shop 'transfer = file' 'verify = off'
"$PGUSHER" run -c "$WORK/off.ini" --yes >"$WORK/off.out" 2>&1 </dev/null &
runner=$!
until_true 120 running off restore/2
ok 'verify off: no snapshot is held while it restores' is "$(value a postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgusher%' AND state = 'idle in transaction'")" 0
wait $runner
lab psql b shop -c 'DELETE FROM later' >/dev/null
ok 'verify off: that is about a run; pgusher verify compares' exits 1 pgusher verify off

# a setting of the source is a list of names, whatever is in it
drop_target
lab psql a shop -c "SELECT set_config('search_path', 'public;DROP/**/ROLE/**/bystander', false); ALTER DATABASE shop SET search_path FROM CURRENT" >/dev/null
lab psql b postgres -c 'CREATE ROLE bystander' >/dev/null
ini inject a shop b shop
ok 'injection: runs' exits 0 pgusher run inject --yes
ok 'injection: the bystander is still there' is "$(value b postgres "SELECT count(*) FROM pg_roles WHERE rolname = 'bystander'")" 1
ok 'injection: it is one name there' is "$(value b shop 'SHOW search_path')" '"public;DROP/**/ROLE/**/bystander"'
lab psql a shop -c 'ALTER DATABASE shop RESET search_path' >/dev/null

# done is done: a target that loses its memory afterwards has everything on disk
lab psql b postgres -c "ALTER SYSTEM SET wal_writer_delay = '10s'" -c 'SELECT pg_reload_conf()' >/dev/null
lab psql a shop -c 'CREATE TABLE p (i int PRIMARY KEY); CREATE TABLE c (i int REFERENCES p); CREATE INDEX ON c (i)' >/dev/null
for transfer in stream file; do
	drop_target
	ini crash a shop b shop "transfer = $transfer"
	rm -rf "$XDG_STATE_HOME/pgusher/crash"
	"$PGUSHER" run -c "$WORK/crash.ini" --yes >"$WORK/crash.first.out" 2>&1 </dev/null &
	runner=$!
	[ $transfer = stream ] && at='"kind":"step","state":"done","id":"copy"' || at='"kind":"step","state":"done","id":"restore"'
	until_true 120 grep -qs "$at" "$(journal crash)"
	lab kill b
	kill -9 $runner 2>/dev/null
	wait $runner 2>/dev/null
	lab start b >/dev/null 2>&1
	rc=0
	pgusher status crash || rc=$? # it may have come to its end before
	[ $rc != 5 ] || ok "target crashed after $transfer: goes on" exits 0 pgusher run crash --yes
	ok "target crashed after $transfer: nothing is missing" tests/lab/compare a/shop b/shop
done
lab psql a shop -c 'DROP TABLE c, p' >/dev/null
lab psql b postgres -c 'ALTER SYSTEM RESET wal_writer_delay' -c 'SELECT pg_reload_conf()' >/dev/null

conf_proven() {
	pgusher run conf --yes
	grep '"kind":"proof","state":"done"' "$(journal conf)" | grep -q 'public.conf' || { tail -n 20 "$WORK/conf.out"; return 1; }
}
# rows in an extension's table may be the user's: they are moved, and so they are proven
drop_target
for server in a b; do
	[ $server = a ] || lab psql b postgres -c 'CREATE DATABASE shop TEMPLATE template0' >/dev/null
	lab psql $server shop -c 'CREATE EXTENSION hstore; CREATE TABLE conf (i int, own bool); ALTER EXTENSION hstore ADD TABLE conf' \
		-c "UPDATE pg_extension SET extconfig = ARRAY['conf'::regclass::oid], extcondition = ARRAY['WHERE own'] WHERE extname = 'hstore'" \
		-c 'INSERT INTO conf VALUES (0, false)' >/dev/null
done
lab psql a shop -c 'INSERT INTO conf VALUES (1, true), (2, true)' >/dev/null
for transfer in stream file; do
	lab psql b shop -c 'DELETE FROM conf WHERE own' -c 'DROP TABLE IF EXISTS big_narrow, big_wide, later CASCADE' >/dev/null
	rm -rf "$XDG_STATE_HOME/pgusher/conf"
	ini conf a shop b shop "transfer = $transfer"
	ok "extension, $transfer: its rows are compared" conf_proven
done
lab psql b shop -c 'UPDATE conf SET i = 3 WHERE i = 2' >/dev/null
ok 'extension: one that differs is found' exits 1 pgusher verify conf
ok 'extension: one that differs is named' says conf public.conf
lab psql a shop -c 'DROP EXTENSION hstore' >/dev/null

# while the run waits for somebody's role, somebody makes a database and the source changes
hold_role() { # END (COMMIT or ROLLBACK): holds the role app until $WORK/go is there
	rm -f "$WORK/go"
	{
		printf 'BEGIN; CREATE ROLE app;\n'
		until [ -e "$WORK/go" ]; do sleep 0.05; done
		printf '%s;\n' "$1"
	} | lab psql b postgres >/dev/null 2>&1 &
	holder=$!
	until_true 60 role_held
}
role_held() { [ "$(value b postgres "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")" = 1 ]; }
start() { "$PGUSHER" run -c "$WORK/$1.ini" --yes >"$WORK/$1.out" 2>&1 </dev/null & runner=$!; until_true 120 running "$1" roles/1; until_true 60 waits_for_role; }
waits_for_role() { [ "$(value b postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgusher%' AND wait_event_type = 'Lock'")" -gt 0 ]; }
let_go() { touch "$WORK/go"; wait $holder; status=0; wait $runner || status=$?; }

drop_target
ini late a shop b shop
hold_role ROLLBACK
start late
lab psql a shop -c 'CREATE TABLE newcomer AS SELECT 1 AS i' -c 'ALTER TABLE later ADD COLUMN extra int DEFAULT 7' >/dev/null
let_go
ok 'late: done' is $status 0
ok 'late: a table that came after the preflight is compared, too' grep -q '"kind":"proof".*public.newcomer' "$(journal late)"
drop_target
rm -rf "$XDG_STATE_HOME/pgusher/late"
ini late a shop b shop 'transfer = file' 'keep = yes'
hold_role ROLLBACK
start late
lab psql a shop -c 'ALTER TABLE newcomer ADD COLUMN extra int DEFAULT 7' >/dev/null
let_go
ok 'late: a column that came after the preflight is compared, too' sh -c 'tr -d "\n " <"$1" | grep -q "\"name\":\"newcomer\",\"expr\":\"[^}]*extra"' sh "$(ls "$XDG_STATE_HOME"/pgusher/late/*.proof.json)"

drop_target
ini blob a shop b shop 'verify = off'
hold_role ROLLBACK
start blob
lab psql a shop -c "SELECT lo_from_bytea(0, 'x')" >/dev/null
let_go
ok 'late: the first large object is not forgotten' is $status 3
ok 'late: the first large object comes along' exits 0 pgusher run blob --yes
ok 'late: the first large object is there' is "$(value b shop 'SELECT count(*) FROM pg_largeobject_metadata')" 1

for end in COMMIT ROLLBACK; do
	drop_target
	ini other a shop b shop
	rm -rf "$XDG_STATE_HOME/pgusher/other"
	hold_role $end
	start other
	lab psql b postgres -c 'CREATE DATABASE shop' >/dev/null
	lab psql b shop -c 'CREATE TABLE precious AS SELECT 1 AS i' >/dev/null
	let_go
	ok "other, $end: does not touch it" exits 1 test $status = 0
	"$PGUSHER" cleanup -c "$WORK/other.ini" --yes --confirm shop >"$WORK/other.out" 2>&1
	ok "other, $end: a clean-up leaves somebody else's database" is "$(value b shop 'SELECT count(*) FROM precious')" 1
	[ $end = ROLLBACK ] || ok "other, $end: and somebody else's role" is "$(value b postgres "SELECT count(*) FROM pg_roles WHERE rolname = 'app'")" 1
done
exit $bad
