#!/usr/bin/env bash
# Taking back when it is not easy: pooled sessions that do not know that a side is open again, sessions that do not end, a connection
# that goes away in the hand-over; and what is said when there is nothing to take back, to cut over, to roll back or to finalize.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14 max_prepared_transactions=5
up b 16
lab psql a postgres -qc 'CREATE DATABASE shop'
lab psql a shop -q -c 'CREATE TABLE t (id int PRIMARY KEY)' -c 'INSERT INTO t SELECT generate_series(1, 100)'
# the fence is a command that may be told to wait: everything is open and asked by then
printf '#!/bin/sh\n[ -f %s/wait ] || exit 0\ntouch %s/waits\nuntil [ ! -f %s/wait ]; do sleep 0.05; done\n' "$WORK" "$WORK" "$WORK" >"$WORK/fence"
chmod 755 "$WORK/fence"
ini undo a shop b shop
ini held a shop b shop '[cutover]' 'fence = hook' '[hooks]' "fence = $WORK/fence" 'unfence = true' 'hand_over = true'
sed -i "s/^name = .*/name = undo/" "$WORK/held.ini"
config=undo
journal=$XDG_STATE_HOME/pgusher/undo/journal.jsonl
next=1000
writes() { next=$((next + 1)); lab psql "$1" shop -qc "INSERT INTO t VALUES ($next)"; }
refuses() { ! writes "$1"; }
alike() { [ "$(lab psql b shop -At -c 'SELECT count(*), max(id) FROM t')" = "$(lab psql a shop -At -c 'SELECT count(*), max(id) FROM t')" ]; }
word() { lab psql a shop -At -c "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = 'pgusher_undo'"; }
runs() { tail -n +"$before" "$journal" | grep "\"state\":\"running\",\"id\":\"$1\"" >/dev/null; }
begin() { before=$(($(grep -c . "$journal") + 1)); "$PGUSHER" "$1" -c "$WORK/$config.ini" --confirm shop >"$WORK/undo.out" 2>&1 </dev/null & pid=$!; }
# killed_closed: a cutover killed in its proof, when the source is closed. A writer is in its way until a lock on the target holds the
# proof: so it cannot come to its hand-over, however fast.
killed_closed() {
	lab psql a shop -qc 'BEGIN; UPDATE t SET id = id WHERE id = 1' -c 'SELECT pg_sleep(602)' >/dev/null 2>&1 &
	writer=$!
	until_true 15 writing
	begin cutover
	ok 'a cutover comes to its fence' until_true 60 runs soft-fence/1
	hold
	lab psql a postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend($writing)"
	wait $writer 2>/dev/null
	ok 'a cutover comes to its proof' until_true 60 proves
	kill -KILL $pid
	wait $pid 2>/dev/null
	let_go
}
writing() { writing=$(lab psql a shop -At -c "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(602)'"); [ -n "$writing" ]; }
proves() { runs cut-proof/1 && waits; }
# a lock on the target holds the proof
hold() {
	lab psql b shop -qc 'BEGIN; LOCK TABLE t' -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
	holder=$!
	until_true 15 held
}
held() { test -n "$(lab psql b shop -At -c "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)'")"; }
waits() { test -n "$(lab psql b shop -At -c "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 't'::regclass")"; }
let_go() { lab psql b postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)'"; wait $holder 2>/dev/null; }
# pool SERVER: a session that stays, as a pool's does; its process in $backend
pool() {
	PGAPPNAME=pool lab psql "$1" shop -qAt -c 'SELECT 1' -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
	client=$!
	until_true 15 pooled "$1"
}
pooled() { backend=$(lab psql "$1" shop -At -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'pool' AND query LIKE '%sleep%'"); [ -n "$backend" ]; }
not_pooled() { ! pooled "$1"; }

# ---- nothing was begun
lines() { cat "$journal" 2>/dev/null | grep -c .; }
for v in 'cutover --abort' 'rollback --abort' 'cutover --confirm shop' 'cutover --rehearse' 'rollback --confirm shop'; do
	# shellcheck disable=SC2086
	ok "nothing was begun: $v is refused" exits 3 pgusher ${v%% *} undo ${v#* }
done
ok 'the target follows' exits 0 pgusher run undo --yes
was=$(lines)
ok 'nothing was cut over: no rollback to take back' exits 3 pgusher rollback undo --abort
ok 'nothing was cut over: it is said' says undo 'there is no rollback to take back: it was not cut over'
ok 'nothing was cut over: nothing to finalize, and nobody is asked' exits 3 pgusher finalize undo
ok 'nothing was cut over: no rollback' exits 3 pgusher rollback undo --confirm shop
ok 'what was refused leaves no trace in the journal' test "$(lines)" = "$was"

# ---- a prepared transaction holds a table: it is named before anybody waits
lab psql a shop -q -c 'BEGIN; INSERT INTO t VALUES (500)' -c "PREPARE TRANSACTION 'it''s mine'"
ok 'prepared: the cutover is refused' exits 3 pgusher cutover undo --confirm shop
ok 'prepared: the transaction is named' says undo "'it''s mine'"
ok 'prepared: nobody was closed out' says undo 'everything is as before'
lab psql a shop -q -c "ROLLBACK PREPARED 'it''s mine'"
ok 'prepared: the source goes on' writes a

# ---- sessions that began while the source was closed
killed_closed
ok 'closed: the source refuses' refuses a
ok 'closed: status says so, first' exits 5 pgusher status undo
ok 'closed: status names the way out' says undo 'A CUTOVER WAS INTERRUPTED'
ok 'closed: a rollback is refused' exits 3 pgusher rollback undo --confirm shop
ok 'closed: and says what is so' says undo 'a cutover was interrupted, and the source refuses writes'
ok 'closed: a finalize, too' exits 3 pgusher finalize undo --confirm shop
ok 'closed: a rehearsal, too' exits 3 pgusher cutover undo --rehearse
ok 'closed: status still says so' exits 5 pgusher status undo
ok 'closed: status still names the way out' says undo 'A CUTOVER WAS INTERRUPTED'
pool a
kill -STOP "$backend" # as one that hangs in its disk
ok 'one session does not end: the abort says so' exits 1 pgusher cutover undo --abort
ok 'one session does not end: which' says undo "pid $backend"
ok 'one session does not end: not that everything is as before' bash -c "! grep -q 'everything is as before' '$WORK/undo.out'"
ok 'one session does not end: the source is written to all the same' writes a
ok 'one session does not end: the target follows all the same' until_true 20 alike
ok 'one session does not end: the source says so' grep -q 'opens this database again' <(word)
ok 'one session does not end: status, too' exits 5 pgusher status undo
ok 'one session does not end: status says what' says undo 'can only read'
kill -CONT "$backend"
wait $client 2>/dev/null
ok 'the session ended: the abort is done' exits 0 pgusher cutover undo --abort
ok 'the session ended: no word is left' test -z "$(word)"

# killed between opening the source and ending sessions: the servers stand as they would
killed_closed
pool a
PGOPTIONS='-c default_transaction_read_only=off' lab psql a shop -q <<SQL
BEGIN; ALTER DATABASE shop RESET default_transaction_read_only; COMMENT ON PUBLICATION pgusher_undo IS 'pgusher opens this database again; before: '; COMMIT;
SQL
ok 'killed while it opened: the abort ends pooled sessions' exits 0 pgusher cutover undo --abort
ok 'killed while it opened: none is left' until_true 15 not_pooled a
ok 'killed while it opened: no word is left' test -z "$(word)"
ok 'killed while it opened: the source is written to' writes a
ok 'killed while it opened: the target follows' until_true 20 alike
wait $client 2>/dev/null
pgusher report undo
ok 'the report says that the killed one was taken back' says undo 'did not end; it was taken back'

# ---- the connection goes away in the hand-over; the proof is held until the source is ready for it
at_word() { backend=$(lab psql a shop -At -c "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgusher%' AND query LIKE '%pgusher cut over%' AND wait_event IS NOT NULL AND state = 'active'"); [ -n "$backend" ]; }
end_it() { lab psql a postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend($backend)"; }
to_proof() { # a cutover that waits in its proof
	rm -f "$WORK/waits"
	touch "$WORK/wait"
	config=held
	begin cutover
	until_true 60 test -f "$WORK/waits"
	hold
	rm "$WORK/wait"
	until_true 60 proves
}
ok 'lost before it was written: it comes to the proof' to_proof
lab psql a shop -qc 'BEGIN; LOCK TABLE pg_db_role_setting IN SHARE MODE' -c 'SELECT pg_sleep(601)' >/dev/null 2>&1 &
locker=$!
locked() { locker_pid=$(lab psql a shop -At -c "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(601)'"); [ -n "$locker_pid" ]; }
until_true 15 locked
let_go
ok 'lost before it was written: it waits' until_true 30 at_word
end_it
lab psql a postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend($locker_pid)"
wait $locker 2>/dev/null
wait $pid
ok 'lost before it was written: stopped midway' test $? = 5
ok 'lost before it was written: the server was asked' says undo 'the source says that it did not happen'
ok 'lost before it was written: taken back' says undo 'it was taken back: everything is as before'
ok 'lost before it was written: the source is written to' until_true 15 writes a
ok 'lost before it was written: the target follows' until_true 20 alike

# the COMMIT waits for a standby that there is not; whoever ends such a session finds it committed
ok 'lost in its COMMIT: it comes to the proof' to_proof
lab psql a postgres -qAt -o /dev/null -c "ALTER SYSTEM SET synchronous_standby_names = 'nobody'" -c 'SELECT pg_reload_conf()'
reloaded() { test "$(lab psql a postgres -At -c 'SHOW synchronous_standby_names')" = nobody; }
until_true 15 reloaded
let_go
ok 'lost in its COMMIT: it waits' until_true 30 at_word
end_it
PGOPTIONS='-c synchronous_commit=local' lab psql a postgres -qAt -o /dev/null -c 'ALTER SYSTEM RESET synchronous_standby_names' -c 'SELECT pg_reload_conf()'
wait $pid
ok 'lost in its COMMIT: cut over' test $? = 0
ok 'lost in its COMMIT: the server was asked' says undo 'the source says that it happened'
ok 'lost in its COMMIT: the source refuses' refuses a
ok 'lost in its COMMIT: the target is written to' writes b

# ---- it is over: what is said now
ok 'cut over: again, and nobody is asked' exits 0 pgusher cutover undo
ok 'cut over: again says so' says undo 'already cut over'
ok 'cut over: an abort comes too late' exits 3 pgusher cutover undo --abort
ok 'cut over: nothing to rehearse, at once' exits 3 pgusher cutover undo --rehearse
ok 'cut over: rehearsal says why' says undo 'it was cut over already'
ok 'cut over: status' exits 0 pgusher status undo
ok 'cut over: status says that the old server is closed, on purpose' says undo 'the old source refuses writes, on purpose'
ok 'cut over: another run is refused' exits 3 pgusher run undo --yes
ok 'cut over: a run says why' says undo 'the target is the primary'
ok 'cut over: a run offers to drop nothing' bash -c "! grep -q 'DROP DATABASE' '$WORK/undo.out'"
ok 'cut over: the watch says how far the old server is' exits 0 pgusher watch undo --once
ok 'cut over: in bytes' says undo 'sessions on the old server; it is '
open_for_us() { PGOPTIONS='-c default_transaction_read_only=off' lab psql a shop -qc "$1"; }
open_for_us 'ALTER SUBSCRIPTION pgusher_undo_back DISABLE'
ok 'the way back is disabled: an alarm' exits 1 pgusher watch undo --once
ok 'the way back is disabled: says so' says undo 'the old server does not follow: its subscription is disabled'
open_for_us 'ALTER SUBSCRIPTION pgusher_undo_back ENABLE'
ok 'the way back is enabled again' exits 0 pgusher watch undo --once

# ---- a deploy on the new primary: a column that the old source does not have
lab psql b shop -qc 'ALTER TABLE t ADD COLUMN note text, ADD COLUMN kind int'
ok 'a new column: an alarm before anything is written to it' exits 1 pgusher watch undo --once
ok 'a new column: the alarm names it' grep -q 'ALARM.*column note text is on the target only' "$WORK/undo.out"
ok 'a new column: the alarm says what to do' says undo 'SET default_transaction_read_only = off'
begin rollback # in the background: one that waits for ever fails here
over() { ! kill -0 $pid 2>/dev/null; }
ok 'a new column: the rollback does not wait' until_true 40 over
kill -KILL $pid 2>/dev/null
wait $pid
ok 'a new column: the rollback is refused' test $? = 3
ok 'a new column: the rollback names one' grep -q 'column note text is on the target only' "$WORK/undo.out"
ok 'a new column: and the other' grep -q 'column kind integer is on the target only' "$WORK/undo.out"
ok 'a new column: nobody was closed out' writes b
open_for_us 'ALTER TABLE t ADD COLUMN note text, ADD COLUMN kind int'
ok 'a new column: on the old source, too: it follows again' until_true 30 alike
ok 'a new column: no alarm' exits 0 pgusher watch undo --once
ok 'rolled back' exits 0 pgusher rollback undo --confirm shop
ok 'rolled back: again, and nobody is asked' exits 0 pgusher rollback undo
ok 'rolled back: again says so' says undo 'already rolled back'
ok 'rolled back: an abort comes too late' exits 3 pgusher rollback undo --abort
ok 'rolled back: nothing to rehearse, at once' exits 3 pgusher cutover undo --rehearse
ok 'rolled back: no cutover' exits 3 pgusher cutover undo --confirm shop
ok 'rolled back: the watch says so' exits 0 pgusher watch undo --once
ok 'rolled back: the watch says who is the primary' says undo 'the source is the primary again'
pgusher report undo
ok 'rolled back: the report says that the target is closed' says undo 'the target refuses writes, on purpose'
ok 'finalized: asked about the right server' exits 3 pgusher finalize undo
ok 'finalized: it is the target that stays closed' says undo 'leave the target closed'
ok 'finalized' exits 0 pgusher finalize undo --confirm shop --thaw
ok 'finalized: it is said that nothing is left' says undo 'finalized: nothing of the migration is left'
ok 'finalized: the target is open' until_true 15 writes b
ok 'finalized: again, and nobody is asked' exits 0 pgusher finalize undo
ok 'finalized: the watch says so' exits 0 pgusher watch undo --once
ok 'finalized: the watch says what' says undo 'it was finalized'
pgusher report undo
ok 'finalized: nothing remains' bash -c "! grep -q 'What remains' '$WORK/undo.out'"
ok 'no session left' no_leftovers a
ok 'no session left there' no_leftovers b
exit $bad
