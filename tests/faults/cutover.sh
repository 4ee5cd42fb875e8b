#!/usr/bin/env bash
# A cutover under a write load is broken off, cut off, filled up and hung up, one thing after the other: each time the source is open again
# or the hand-over is done, nothing stays frozen, the words say what is next, and in the end every acknowledged write is there, once.
#   tests/faults/cutover.sh all    aborts at every action instead of some
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab psql a postgres -qc 'CREATE DATABASE shop'
lab psql a shop -q -c 'CREATE TABLE ident (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text)' \
	-c "INSERT INTO ident (t) SELECT 'x' FROM generate_series(1, 41)"
lab psql a shop -qc "DO 'BEGIN FOR i IN 1..40 LOOP EXECUTE format(''CREATE TABLE few_%s (id int PRIMARY KEY)'', i); END LOOP; END'" # a proof has many lines
for line in "pb b" "ra a"; do lab proxy $line >/dev/null; done # the way to the target, and the target's to the source
ini cut a shop b shop '[subscription]' "source_port = $(cat "$PGUSHER_LAB/ra/port")"
sed -i "s/^port = $(get b PORT)$/port = $(cat "$PGUSHER_LAB/pb/port")/" "$WORK/cut.ini"
writes() { lab psql "$1" shop -qAt -c "INSERT INTO ident (t) VALUES ('w') RETURNING id" >"$WORK/id"; }
refuses() { ! writes "$1"; }
frozen() { lab psql a shop -At -c "SELECT setconfig FROM pg_db_role_setting WHERE setconfig::text LIKE '%read_only%' UNION ALL SELECT ARRAY[obj_description(oid, 'pg_publication')] FROM pg_publication WHERE obj_description(oid, 'pg_publication') IS NOT NULL"; }
arrived() { [ "$(lab psql b shop -At -c "SELECT 1 FROM ident WHERE id = $(cat "$WORK/id")")" = 1 ]; }
back_left() { # what a way back has on both sides
	lab psql b shop -At -c "SELECT slot_name::text FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"
	lab psql a shop -At -c 'SELECT subname FROM pg_subscription'
}
is_over() { [ -n "$(lab psql a shop -At -c "SELECT 1 FROM pg_publication WHERE obj_description(oid, 'pg_publication') LIKE 'pgusher cut over%'")" ]; }
journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
comes_to() { tail -n +$((before + 1)) "$(journal cut)" | grep -q "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$1\""; }
# begin ACTION [argument...]: a cutover that has come there; $pid. Its words: cut.out
begin() {
	local at=$1
	shift
	before=$(grep -c . "$(journal cut)")
	"$PGUSHER" cutover -c "$WORK/cut.ini" --confirm shop "$@" >"$WORK/cut.out" 2>&1 </dev/null &
	pid=$!
	until_true 40 comes_to "$at" || { echo "not ok it comes to $at"; tail -n 15 "$WORK/cut.out"; bad=1; }
}
ended() { local rc=0; wait "$pid" || rc=$?; [ $rc = "$1" ] || { echo "exit status $rc, not $1"; tail -n 20 "$WORK/cut.out"; return 1; }; } # the status it must have
open_again() { # TEXT
	ok "$1: the source is written to" until_true 15 writes a
	ok "$1: nothing is frozen" test -z "$(frozen)"
	ok "$1: the target follows" until_true 20 arrived
	ok "$1: nothing of the way back is left" test -z "$(back_left)"
	ok "$1: nobody misses a write" grep -q '^lost=0' "$PGUSHER_LAB/w/status"
}
has_ended() { tail -n 1 "$(journal cut)" | grep -q '"kind":"end"'; }
handed_us() { grep '"state":"running","id":"hand-over/1"' "$(journal cut)" | tail -n 1 | grep -o '"at_us":[0-9]*' | cut -d: -f2; }
# What keeps a cutover where it is: a transaction on the source for the soft fence; a lock on the target for the proof, when everything is
# closed (taken only then: it would hinder what comes before).
hold() { # SERVER STATEMENT
	PGOPTIONS='-c default_transaction_read_only=off' lab psql "$1" shop -q -c "BEGIN; $2" -c 'SELECT pg_sleep(611)' >/dev/null 2>&1 &
	until_true 15 holds "$1"
}
holds() { [ -n "$(lab psql "$1" shop -At -c "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(611)'")" ]; }
let_go() { # SERVER
	lab psql "$1" postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(611)'"
}
begin_waiting() {
	hold a "UPDATE ident SET t = 'held' WHERE id = 1"
	begin soft-fence/1 "$@"
}
proof_waits() { [ -n "$(lab psql b shop -At -c "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'ident'::regclass")" ]; }
begin_fenced() {
	begin_waiting "$@"
	hold b 'LOCK TABLE ident IN ACCESS EXCLUSIVE MODE'
	let_go a
	until_true 30 proof_waits || { echo 'not ok the proof waits'; tail -n 15 "$WORK/cut.out"; bad=1; }
}

tests/lab/load start w a shop --clients 4 --rate 200
tests/lab/load start s a shop --clients 1 --rate 0.7 --stubborn --schema lab_super # a superuser who minds no setting
ok 'the target follows' exits 0 pgusher run cut --yes

# ---- the operator: Ctrl-C ----
# Whatever comes of the moment, it cannot come to its hand-over: before the fence a writer is in its way, behind it the proof waits.
before_fence="reverse/4" behind="tripwire/1"
if [ "${1:-}" = all ]; then
	before_fence="ready/1 reverse/1 reverse/2 reverse/3 reverse/4 prime/1 soft-fence/1"
	behind="drain/1 hard-fence/1 tripwire/1 sequences/1 cut-proof/1"
fi
for at in $before_fence $behind; do
	hold a "UPDATE ident SET t = 'held' WHERE id = 1"
	if [[ " $behind " = *" $at "* ]]; then
		begin soft-fence/1
		hold b 'LOCK TABLE ident IN ACCESS EXCLUSIVE MODE'
		let_go a
		until_true 30 comes_to "$at" || { echo "not ok it comes to $at"; bad=1; }
	else
		begin "$at"
	fi
	kill -INT $pid
	let_go a
	let_go b
	ok "aborted at $at: ends as stopped" ended 5
	ok "aborted at $at: says how it stands" says cut 'everything is as before'
	open_again "aborted at $at"
done

# ---- the source restarts while it is fenced ----
begin_fenced
lab restart a immediate >/dev/null 2>&1
let_go b
ok 'source restarted: ends as stopped' ended 5
ok 'source restarted: says how it stands' says cut 'everything is as before'
open_again 'source restarted'

# ---- the target does not answer any more ----
begin_waiting --max-outage 3
for line in pb ra; do lab tell $line freeze; done
let_go a
ok 'target frozen: the source is opened when the time is over' until_true 20 writes a
ok 'target frozen: says what goes on' until_true 20 says cut 'it is tried again'
for line in pb ra; do lab tell $line thaw; done
ok 'target frozen: ends as failed' ended 1
ok 'target frozen: says why' says cut 'the write outage would have exceeded 3 s'
ok 'target frozen: says how it stands' says cut 'everything is as before'
open_again 'target frozen'
begin_waiting
for line in pb ra; do lab tell $line cut; done
let_go a
ok 'target cut off: ends as stopped, or failed' ended 5
ok 'target cut off: says how it stands' says cut 'everything is as before'
open_again 'target cut off'

# ---- no room: for the journal, for the target's rows ----
if small=$(tests/lab/smalldisk up small 4 2>/dev/null); then
	cp -r "$XDG_STATE_HOME" "$small/state"
	kept=$XDG_STATE_HOME XDG_STATE_HOME=$small/state
	begin_fenced
	tests/lab/smalldisk fill small
	let_go b
	ok 'journal full: ends as failed' ended 1
	ok 'journal full: says why' says cut 'No space left'
	ok 'journal full: says how it stands' says cut 'everything is as before'
	open_again 'journal full'
	ok 'journal full: another one does not begin' exits 1 pgusher cutover cut --confirm shop
	tests/lab/smalldisk free small
	ok 'journal full, and free again: an abort finds nothing more' exits 0 pgusher cutover cut --abort
	rm -rf "$kept"
	cp -r "$small/state" "$kept"
	XDG_STATE_HOME=$kept
	tests/lab/smalldisk down small
	tests/lab/smalldisk up rows 4 "$(lab_owner)" >/dev/null
	lab psql b shop -q -c "CREATE TABLESPACE rows LOCATION '$PGUSHER_LAB/rows'" -c 'ALTER TABLE ident SET TABLESPACE rows'
	tests/lab/smalldisk fill rows
	# what a transaction of the last moment wrote finds no room any more
	mkfifo "$WORK/last"
	lab psql a shop -q <"$WORK/last" &
	last=$!
	exec 5>"$WORK/last"
	echo "BEGIN; INSERT INTO ident (t) SELECT repeat(md5(g::text), 30) FROM generate_series(1, 3000) g; \\! touch $WORK/written" >&5
	until_true 15 test -f "$WORK/written"
	begin soft-fence/1 --max-outage 4
	echo 'COMMIT;' >&5
	exec 5>&-
	wait $last
	ok 'target full: lets go when the time is over' ended 1
	ok 'target full: says how it stands' says cut 'everything is as before'
	ok 'target full: the source is written to' until_true 15 writes a
	tests/lab/smalldisk free rows
	open_again 'target full, and free again'
	lab psql b shop -q -c 'ALTER TABLE ident SET TABLESPACE pg_default' -c 'DROP TABLESPACE rows'
	tests/lab/smalldisk down rows
else
	echo 'skip full disks: only root can mount a small one'
fi

# ---- the terminal is lost: it goes on, to the hand-over ----
hold a "UPDATE ident SET t = 'held' WHERE id = 1"
before=$(grep -c . "$(journal cut)")
script -qfc "exec $PGUSHER cutover -c $WORK/cut.ini --confirm shop" /dev/null >"$WORK/cut.out" 2>&1 </dev/null &
pid=$!
until_true 40 comes_to soft-fence/1 || { echo 'not ok it comes to its soft fence'; bad=1; }
kill -KILL $pid # with it goes the terminal
wait $pid 2>/dev/null
ok 'terminal lost: it runs on' exits 0 pgusher status cut
ok 'terminal lost: and another terminal sees that' says cut 'runs: process'
let_go a
ok 'terminal lost: it comes to its end' until_true 60 has_ended
ok 'terminal lost: it was cut over' is_over
ok 'terminal lost: the source refuses' refuses a
tests/lab/load point w b shop
more() { [ "$(lab psql b shop -At -c 'SELECT sum(seq) FROM lab_load.progress')" -gt "$sum" ]; }
sum=$(lab psql b shop -At -c 'SELECT sum(seq) FROM lab_load.progress')
ok 'writing goes on, on the target' until_true 30 more
tests/lab/load stop w >/dev/null
tests/lab/load stop s >/dev/null
ok 'every acknowledged write is there, once' tests/lab/load check w b shop
ok 'what the superuser wrote before the hand-over, too' tests/lab/load check s b shop --schema lab_super --prefix --since "$(handed_us)"
ok 'no session left' until_true 10 no_leftovers a
exit $bad
