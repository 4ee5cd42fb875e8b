#!/usr/bin/env bash
# kill -9 at every action of the reverse link's making, of a rollback and of a finalize: the servers say what holds, and --abort or the
# same command again puts it right. Then a clean-up that knows nothing but what stands on the servers.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a "${1:-14}"
up b "${2:-16}"
lab psql a postgres -qc 'CREATE DATABASE shop'
lab psql a shop -q -c "CREATE TABLE ident (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text)" \
	-c "INSERT INTO ident (t) SELECT 'x' FROM generate_series(1, 41)"
ini back a shop b shop
sed 's/^name = .*/&\nstate_dir = '"${WORK//\//\\/}"'\/elsewhere/' "$WORK/back.ini" >"$WORK/blind.ini"
journal=$XDG_STATE_HOME/pgusher/back/journal.jsonl
writes() { lab psql "$1" shop -qc 'INSERT INTO ident (t) VALUES (1)'; }
refuses() { ! writes "$1"; }
readonly_of() { lab psql "$1" shop -At -c "SHOW default_transaction_read_only"; }
left() { # SERVER: names of ours on it
	lab psql "$1" shop -At -c "SELECT slot_name::text FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT subname FROM pg_subscription
		UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgusher%' UNION ALL SELECT roname FROM pg_replication_origin"
}
back_left() { # what the reverse link has on both sides
	lab psql b shop -At -c "SELECT slot_name::text FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"
	lab psql a shop -At -c 'SELECT subname FROM pg_subscription'
}
alike() { [ "$(lab psql b shop -At -c 'SELECT count(*), max(id) FROM ident')" = "$(lab psql a shop -At -c 'SELECT count(*), max(id) FROM ident')" ]; }
# killed ACTION COMMAND [seconds later]: kill -9 as soon as the journal says that the action runs
killed() {
	local before pid
	before=$(grep -c . "$journal")
	"$PGUSHER" "$2" -c "$WORK/back.ini" --confirm shop >"$WORK/killed.out" 2>&1 </dev/null &
	pid=$!
	timeout 30 tail -n +$((before + 1)) -s 0.01 -f --pid=$pid "$journal" | grep -m1 "\"state\":\"running\",\"id\":\"$1\"" >/dev/null
	[ -z "${3:-}" ] || sleep "$3"
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	grep -q "\"state\":\"running\",\"id\":\"$1\"" <(tail -n +$((before + 1)) "$journal") || { echo "not ok killed at $1: it came there"; tail -5 "$WORK/killed.out"; bad=1; }
}
watched() { "$PGUSHER" watch -c "$WORK/blind.ini" --once >"$WORK/watched.out" 2>&1 </dev/null; }
ok 'the target follows' exits 0 pgusher run back --yes

# ---- until the hand-over a killed cutover is taken back, the way back with it
for at in reverse/1 reverse/2 reverse/3 reverse/4 prime/1 hard-fence/1 tripwire/1; do
	killed $at cutover
	ok "cutover killed at $at: what is there is said" exits 5 pgusher status back
	ok "cutover killed at $at: taken back" exits 0 pgusher cutover back --abort
	ok "cutover killed at $at: the source is written to" until_true 15 writes a
	ok "cutover killed at $at: nothing of the way back is left" test -z "$(back_left)"
	ok "cutover killed at $at: the target follows" until_true 15 alike
done
# ---- from the hand-over on it is done to its end
killed hand-over/1 cutover
ok 'cutover killed at its hand-over: again' exits 0 pgusher cutover back --confirm shop
ok 'the source refuses' refuses a
ok 'the target is written to' until_true 15 writes b
ok 'the old source follows' until_true 15 alike

lab psql b shop -q -c 'CREATE TABLE new_one (id int PRIMARY KEY)' -c 'CREATE TABLE "new Two" (id int PRIMARY KEY)'
ok 'tables that are on the target alone: no rollback' exits 3 pgusher rollback back --confirm shop
ok 'tables that are on the target alone: all of them are named' says back '2 tables on the target alone, made after the cutover: public.new Two, public.new_one'
lab psql b shop -q -c 'DROP TABLE new_one, "new Two"'

lab psql b shop -q -c 'CREATE INDEX made_later ON ident (t)' -c 'CREATE VIEW made_later_too AS SELECT 1 AS n'
ok 'objects that the source lacks: not confirmed' exits 3 pgusher rollback back
ok 'objects that the source lacks: named before anybody is asked' says back 'the same objects'
ok 'objects that the source lacks: which' grep -q ', 2 not: index public.ident: made_later, view public.made_later_too' "$WORK/back.out"
ok 'objects that the source lacks: where to make them' says back 'make the source as the target is'
lab psql b shop -q -c 'DROP INDEX made_later' -c 'DROP VIEW made_later_too'

for at in ready/1 prime/1 soft-fence/1 drain/1 hard-fence/1 tripwire/1 sequences/1 cut-proof/1; do
	killed $at rollback
	ok "rollback killed at $at: what is there is said" exits 5 pgusher status back
	if [ "$(readonly_of b)" != off ]; then
		ok "rollback killed at $at: that the target is closed is said" says back 'the target refuses writes'
		ok "rollback killed at $at: the watch raises an alarm, without a journal" exits 1 watched
		ok "rollback killed at $at: first of all, that the target is closed" grep -q 'ALARM.*THE TARGET.*IS CLOSED TO WRITERS' <(grep -m1 ALARM "$WORK/watched.out")
		ok "rollback killed at $at: and what opens it" grep -q 'pgusher rollback --abort' "$WORK/watched.out"
		ok "rollback killed at $at: not to wake the subscription by hand" bash -c "! grep -q 'ALTER SUBSCRIPTION' '$WORK/watched.out'"
	fi
	if [ "$at" = ready/1 ]; then # it had only looked
		ok "rollback killed at $at: nothing to take back" exits 3 pgusher rollback back --abort
		ok "rollback killed at $at: who is what" says back 'nothing to take back: the target is the primary, the source stays closed'
	else
		ok "rollback killed at $at: taken back" exits 0 pgusher rollback back --abort
	fi
	ok "rollback killed at $at: the target is written to" until_true 15 writes b
	ok "rollback killed at $at: the source refuses" refuses a
	ok "rollback killed at $at: the old source follows" until_true 15 alike
done
killed hand-over/1 rollback
ok 'rollback killed at its hand-over: an abort or again' exits 0 pgusher rollback back --confirm shop
ok 'the source is written to' until_true 15 writes a
ok 'the target refuses' refuses b
ok 'the target says that it is closed for good' grep -q 'cut over' <(lab psql b shop -At -c "SELECT obj_description(oid, 'pg_publication') FROM pg_publication")
killed unlink/1 rollback
ok 'rollback killed at its end: again' exits 0 pgusher rollback back --confirm shop
ok 'no slot is left' test -z "$(for s in a b; do lab psql $s shop -At -c 'SELECT slot_name FROM pg_replication_slots'; done)"
for later in 0 0.02 0.05; do
	grep -q . <(left a) || break
	killed finalize/1 finalize $later
done
ok 'finalize killed: again' exits 0 pgusher finalize back --confirm shop
ok 'nothing is left on the source' test -z "$(left a)"
ok 'nothing is left on the target' test -z "$(left b)"
ok 'the source goes on' writes a
ok 'the target stays closed' refuses b

# ---- another machine: a clean-up that has no journal finds what stands on the servers, and what is closed
blind() { "$PGUSHER" cleanup -c "$WORK/blind.ini" --yes --confirm shop >"$WORK/blind.out" 2>&1 </dev/null; }
fresh() { # the target is empty again, and follows
	lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)'
	rm -rf "$WORK/elsewhere"
	pgusher run back --yes
}
ok 'nothing on the servers: clean-up says so' exits 0 blind
ok 'again: the target follows' exits 0 fresh
killed tripwire/1 cutover
ok 'without a journal, cutover killed: the source is closed' refuses a
ok 'without a journal, cutover killed: cleaned up' exits 0 blind
ok 'without a journal, cutover killed: the source is written to' until_true 15 writes a
ok 'without a journal, cutover killed: nothing is left on the source' test -z "$(left a)"
ok 'without a journal, cutover killed: nothing is left on the target' test -z "$(left b)"
rm -rf "$XDG_STATE_HOME/pgusher/back"
ok 'once more: the target follows' exits 0 fresh
ok 'cut over' exits 0 pgusher cutover back --confirm shop
ok 'without a journal, cut over: cleaned up' exits 0 blind
ok 'without a journal, cut over: says who is closed' says blind 'the source was closed for good'
ok 'without a journal, cut over: the source stays closed' refuses a
ok 'without a journal, cut over: the target goes on' writes b
ok 'without a journal, cut over: nothing is left on the source' test -z "$(left a)"
ok 'without a journal, cut over: nothing is left on the target' test -z "$(left b)"
ok 'no session left' no_leftovers a
ok 'no session left there' no_leftovers b
exit $bad
