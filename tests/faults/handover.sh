#!/usr/bin/env bash
# After the hand-over: what the application would have run into is said, and nothing is taken back. The hold, and a proof with a budget.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14 max_prepared_transactions=2 max_replication_slots=20 max_wal_senders=20
up b 16 max_replication_slots=20 max_logical_replication_workers=20 max_worker_processes=30
for db in one two three four five six seven eight nine ten eleven twelve thirteen; do
	lab psql a postgres -qc "CREATE DATABASE $db"
	lab psql a $db -qc "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW v AS SELECT 1 / (1 - count(*) + 1) AS n FROM t"
done
lab psql a postgres -q <<'SQL'
CREATE ROLE web LOGIN PASSWORD 'web-secret';
CREATE ROLE reader LOGIN PASSWORD 'web-secret';
SQL
lab psql a one -qc 'GRANT SELECT ON t TO web' # so that it is made on the target
printf '*:*:*:*:web-secret\n' >"$WORK/web"
chmod 600 "$WORK/web"
# closed NAME: the role may not come in over the network to the target
closed() { sed -i "1i host all $1 127.0.0.1/32 reject" "$(get b PGDATA)/pg_hba.conf" && lab psql b postgres -qAt -o /dev/null -c 'SELECT pg_reload_conf()'; }
open_again() { sed -i '/ reject$/d' "$(get b PGDATA)/pg_hba.conf" && lab psql b postgres -qAt -o /dev/null -c 'SELECT pg_reload_conf()'; }
app() { printf '%s\n' '[cutover]' 'reverse = no' 'app_host = 127.0.0.1' "app_port = $1" "app_user = $2" "app_passfile = $WORK/web"; }
mapfile -t at_b < <(app "$(get b PORT)" web)
mapfile -t at_a < <(app "$(get a PORT)" web)

# not in pg_hba.conf of the target: known before anybody waits
ini one a one b one "${at_b[@]}" 'hold = yes'
ok 'one follows' exits 0 pgusher run one --yes
closed web
ok 'not in pg_hba.conf' exits 3 pgusher cutover one --confirm one
ok 'not in pg_hba.conf: says who and what' says one 'as web through'
ok 'not in pg_hba.conf: what to do' says one 'pg_hba.conf'
ok 'not in pg_hba.conf: the source goes on' lab psql a one -qc 'INSERT INTO t VALUES (2)'
open_again

# the hold: refused, the target stays the primary all the same
ok 'hold refused' exits 3 pgusher cutover one --confirm one
ok 'hold refused: it says what is so' says one 'the hand-over is done, but what follows failed'
ok 'hold refused: with the new address' says one "port=$(get b PORT)"
ok 'hold refused: the source stays closed' bash -c "! tests/lab/lab psql a one -qc 'INSERT INTO t VALUES (3)'"

# the address leads to the old server: said, exit 1; a view that cannot be refreshed, too
ini two a two b two "${at_a[@]}" 'hold = yes' 'verify_budget = 1'
ok 'two follows' exits 0 pgusher run two --yes
lab psql a two -qc 'INSERT INTO t VALUES (2)'
ok 'the address leads elsewhere' exits 1 pgusher cutover two --confirm two --yes
ok 'the address leads elsewhere: says so' says two "the application's address leads to another server than the new primary"
ok 'the address leads elsewhere: and what to do' says two 'nothing was taken back'
ok 'a view that fails: says which' says two 'public.v: division by zero'
ok 'a view that fails: the target is the primary' lab psql b two -qc 'INSERT INTO t VALUES (3)'

# a role that may only read there, SQL of the operator that fails or writes
mapfile -t reads < <(app "$(get b PORT)" reader)
ini three a three b three "${reads[@]}" 'smoke = INSERT INTO t VALUES (99); SELECT 1 FROM nowhere'
lab psql a three -qc 'GRANT ALL ON t TO reader'
ok 'three follows' exits 0 pgusher run three --yes
ok 'a smoke query that fails' exits 1 pgusher cutover three --confirm three
line() { grep -n "$1" "$WORK/three.out" | head -n 1 | cut -d: -f1; }
ok 'a view that is refreshed: named' says three 'refreshed: public.v in '
ok 'before that the applications can be pointed to the target: said' test "$(line 'NOW: point the applications to')" -lt "$(line 'refreshed: ')"
ok 'a smoke query that fails: says why' says three 'relation "nowhere" does not exist'
ok 'a smoke query leaves nothing' test -z "$(lab psql b three -At -c 'SELECT 1 FROM t WHERE id = 99')"
pgusher report three
ok 'and the report has it' says three 'smoke query: relation "nowhere" does not exist'
ok 'no session left' no_leftovers b
# somebody who minds no setting writes while the proof waits: held by the locks until the hand-over is done; or, where there were none (the
# operator's own fence, a session that was ended), found in the slot. Never is it on the old server alone and nobody knows.
past=(env PGOPTIONS='-c default_transaction_read_only=off' tests/lab/lab psql)
slept() { test -n "$(lab psql b "$1" -At -c "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)' AND datname = '$1'")"; }
waits() { test -n "$(lab psql "$1" "$2" -At -c "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass")"; }
# in_proof NAME [lines]: a cutover whose proof waits; $pid
in_proof() {
	local name=$1
	shift
	printf '#!/bin/sh\ntouch %s/%s.go\nuntil [ -f %s/%s.locked ]; do sleep 0.05; done\n' "$WORK" "$name" "$WORK" "$name" >"$WORK/$name.before"
	chmod 755 "$WORK/$name.before"
	ini "$name" a "$name" b "$name" '[cutover]' 'reverse = no' 'verify = count' "${@:1:1}" '[hooks]' "before_fence = $WORK/$name.before" "${@:2}"
	ok "$name follows" exits 0 pgusher run "$name" --yes
	"$PGUSHER" cutover -c "$WORK/$name.ini" --confirm "$name" >"$WORK/$name.out" 2>&1 </dev/null &
	pid=$!
	until_true 20 test -f "$WORK/$name.go"
	lab psql b "$name" -qc 'BEGIN; LOCK TABLE t' -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
	until_true 10 slept "$name" 2>/dev/null
	touch "$WORK/$name.locked"
	ok "$name: the proof waits" until_true 30 waits b "$name" 2>/dev/null
}
go_on() { lab psql b postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)'"; }
caught() { # NAME
	go_on
	wait $pid
	ok "$1: no hand-over" test $? = 3
	ok "$1: says so" grep -q 'somebody wrote on the source after the tripwire: 1 change ' "$WORK/$1.out"
	ok "$1: the source goes on" lab psql a "$1" -qc 'INSERT INTO t VALUES (52)'
	ok "$1: it arrives" until_true 20 arrived "$1"
}
arrived() { test "$(lab psql b "$1" -At -c 'SELECT count(*) FROM t WHERE id IN (51, 52)')" = 2; }

# while the application is pointed to the target, nothing else is done: who waits for the locks still does
cat >"$WORK/four.point" <<SH
#!/bin/sh
PGPASSFILE=$(get a PASSFILE) psql -XqAth 127.0.0.1 -p $(get a PORT) -U postgres -d four -c "SELECT mode FROM pg_locks WHERE relation = 't'::regclass ORDER BY granted, 1" >$WORK/four.locks
SH
chmod 755 "$WORK/four.point"
in_proof four 'max_lag = 16MB' "hand_over = $WORK/four.point"
"${past[@]}" a four -qc 'UPDATE t SET id = 51 WHERE id = 1' >"$WORK/late" 2>&1 &
late=$!
ok 'held: a superuser past the fence waits' until_true 20 waits a four
go_on
wait $pid
ok 'held: handed over' test $? = 0
wait $late
ok 'held: its write was refused, and it knows' test $? -ne 0
ok 'held: it is nowhere' test "$(lab psql a four -At -c 'SELECT sum(id) FROM t')$(lab psql b four -At -c 'SELECT sum(id) FROM t')" = 11
ok 'held: and is said' says four 'writers held: '
ok 'held: until the application had been pointed to the target' test "$(tr '\n' ' ' <"$WORK/four.locks")" = 'RowExclusiveLock ShareLock '
# the hand-over was: what comes after it is on the old server alone, and that is said
ok 'after it: somebody opens the old server for himself' "${past[@]}" a four -qc 'INSERT INTO t VALUES (77)'
ok 'after it: the end tells of it' exits 1 pgusher finalize four --confirm four
ok 'after it: how many' says four 'late writers: 1 change on the source since it was closed'

in_proof five 'fence = hook' 'fence = true' 'unfence = true' 'hand_over = true'
ok 'behind a fence of the operator: somebody writes' "${past[@]}" a five -qc 'UPDATE t SET id = 51 WHERE id = 1'
caught five

in_proof six 'max_lag = 16MB'
lab psql a six -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE mode = 'ShareLock' AND locktype = 'relation' AND relation = 't'::regclass"
ok 'the locks were lost: somebody writes' "${past[@]}" a six -qc 'UPDATE t SET id = 51 WHERE id = 1'
caught six
wait

# what is prepared would end the cutover at its hand-over: it is said before anybody waits
ini seven a seven b seven '[cutover]' 'reverse = no'
ok 'seven follows' exits 0 pgusher run seven --yes
lab psql a seven -qAt -o /dev/null -c "BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'left there'" # no lock is in its way
ok 'a prepared transaction: no cutover' exits 3 pgusher cutover seven --confirm seven
ok 'a prepared transaction: which' says seven "not ready: no prepared transactions: 'left there'"
lab psql a seven -qc "ROLLBACK PREPARED 'left there'"

# the session that closes the source breaks in it: nothing was closed, and nothing says that it is
lab psql a seven -q <<'SQL'
CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF tg_tag = 'COMMENT' THEN PERFORM pg_sleep(60); END IF; END $$;
CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow();
SQL
"$PGUSHER" cutover -c "$WORK/seven.ini" --confirm seven >"$WORK/seven.out" 2>&1 </dev/null &
pid=$!
closes() { test -n "$(lab psql a seven -At -c "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%COMMENT ON PUBLICATION%' AND wait_event = 'PgSleep'")"; }
until_true 60 closes
lab psql a seven -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COMMENT ON PUBLICATION%' AND pid <> pg_backend_pid()"
wait $pid
ok 'broken while it closed: said' says seven 'it was taken back: everything is as before'
ok 'broken while it closed: the source goes on' lab psql a seven -qc 'INSERT INTO t VALUES (3)'
pgusher status seven
ok 'broken while it closed: and nobody says that it is closed' bash -c "! grep -q 'refuses writes' $WORK/seven.out"
"$PGUSHER" cutover -c "$WORK/seven.ini" --confirm seven >"$WORK/seven.out" 2>&1 </dev/null &
pid=$!
until_true 60 closes
kill -KILL $pid
wait $pid 2>/dev/null
lab psql a seven -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%COMMENT ON PUBLICATION%' AND pid <> pg_backend_pid()"
ok 'killed while it closed: taken back' exits 0 pgusher cutover seven --abort
pgusher status seven
ok 'killed while it closed: and nobody says that it is closed' bash -c "! grep -q 'refuses writes' $WORK/seven.out"

# the operator's command fails: taken back, as long as nobody can be on the target yet
point() { printf '#!/bin/sh\n%s\n' "$1" >"$WORK/point.new" && chmod 755 "$WORK/point.new" && mv "$WORK/point.new" "$WORK/point"; }
point 'exit 1'
for db in eight nine thirteen; do
	lab psql a $db -qc 'DROP MATERIALIZED VIEW v'
	ini $db a $db b $db '[cutover]' 'fence = hook' '[hooks]' 'fence = true' 'unfence = true' "hand_over = $WORK/point"
	ok "$db follows" exits 0 pgusher run $db --yes
done
ok 'it fails: no hand-over' exits 1 pgusher cutover eight --confirm eight
ok 'it fails: the source goes on' lab psql a eight -qc 'UPDATE t SET id = 2'
pgusher status eight
ok 'it fails: and nobody says that it is closed' bash -c "! grep -q 'refuses writes' $WORK/eight.out"
point 'exit 0'
ok 'it is well: handed over' exits 0 pgusher cutover eight --confirm eight
point 'exit 1'
ok 'it fails when it is run again: said' exits 1 pgusher cutover eight --confirm eight
ok 'it fails when it is run again: nothing is taken back' says eight 'nothing was taken back: the other side refuses writes'
cut_over() { [ "$(lab psql a "$1" -At -c "SELECT 1 FROM pg_publication WHERE obj_description(oid, 'pg_publication') LIKE 'pgusher cut over%'")" = 1 ]; }
ok 'it fails when it is run again: the target stays the primary' cut_over eight
point "PGPASSFILE=$(get b PASSFILE) psql -Xqh 127.0.0.1 -p $(get b PORT) -U postgres -d nine -c 'INSERT INTO t VALUES (9)' && exit 1"
ok 'it fails midway, and somebody writes on the target' exits 1 pgusher cutover nine --confirm nine
ok 'it fails midway: said' says nine 'the target has taken 1 change since the hand-over, so that nothing was taken back'
ok 'it fails midway: the source stays closed' cut_over nine
on_b() { echo "PGPASSFILE=$(get b PASSFILE) psql -Xqh 127.0.0.1 -p $(get b PORT) -U postgres -d $1 -c \"$2\""; }
point "$(on_b thirteen 'INSERT INTO t VALUES (9)'); $(on_b thirteen "SELECT pg_drop_replication_slot('pgusher_thirteen_back')"); exit 1"
ok 'it fails midway, and the slot cannot be read' exits 1 pgusher cutover thirteen --confirm thirteen
ok 'the slot cannot be read: said' says thirteen 'whether the target was written to since the hand-over could not be seen (replication slot'
ok 'the slot cannot be read: the source stays closed' cut_over thirteen
# without a reverse link only that nobody wrote at all can be proven
point 'exit 1'
ini twelve a twelve b twelve '[cutover]' 'reverse = no' '[hooks]' "hand_over = $WORK/point"
ok 'twelve follows' exits 0 pgusher run twelve --yes
ok 'no way back, it fails at once: taken back' exits 1 pgusher cutover twelve --confirm twelve
ok 'no way back, it fails at once: the source goes on' lab psql a twelve -qc 'INSERT INTO t VALUES (10)'
point "$(on_b twelve 'INSERT INTO t VALUES (9)'); exit 1"
ok 'no way back, somebody writes on the target' exits 1 pgusher cutover twelve --confirm twelve
ok 'no way back: says what is known' says twelve "1 transaction wrote on the target's server since the hand-over"
ok 'no way back: and what to do' says twelve 'see that all of the application points to the target; there is no way back'
ok 'no way back: no word of a command that would refuse' bash -c "! grep -q 'again does what is missing' $WORK/twelve.out"
ok 'no way back: the source stays closed' cut_over twelve
ok 'no way back: what was written stays' test "$(lab psql b twelve -At -c 'SELECT count(*) FROM t WHERE id IN (9, 10)')" = 2
# made while the operator is asked, or past the fence: no condition has seen it, and no publication has it
printf '#!/bin/sh\nPGUSHER_LAB=%s exec %s/tests/lab/lab psql a ten -qc "CREATE TABLE late (id int PRIMARY KEY)"\n' "$PGUSHER_LAB" "$PWD" >"$WORK/make"
chmod 755 "$WORK/make"
ini ten a ten b ten '[cutover]' 'reverse = no' '[hooks]' "before_fence = $WORK/make"
ok 'ten follows' exits 0 pgusher run ten --yes
ok 'made after the question: no cutover' exits 3 pgusher cutover ten --confirm ten
ok 'made after the question: named' says ten 'on the source there is a table that the target does not follow: public.late'
ok 'made after the question: nobody was made to wait' says ten 'nobody was made to wait'
in_proof eleven 'max_lag = 16MB'
ok 'made in the proof' "${past[@]}" a eleven -qc 'CREATE TABLE late (id int PRIMARY KEY)'
go_on
wait $pid
ok 'made in the proof: no hand-over' test $? = 3
ok 'made in the proof: named' says eleven 'on the source there is a table that the target does not follow: public.late'
ok 'made in the proof: the source goes on' lab psql a eleven -qc 'INSERT INTO t VALUES (52)'
exit $bad
