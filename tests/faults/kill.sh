#!/usr/bin/env bash
# kill -9 while each action runs: the next start goes on, and ends where an undisturbed run would have.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop "${ROWS_MB:-24}"
lab psql a shop -c 'ALTER DATABASE shop SET work_mem = 8192' -c "COMMENT ON DATABASE shop IS 'the shop'"

journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
# wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.01
	done
}
running() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$(journal "$1")"; }

# kill_at NAME ACTION DELAY: starts, kills when the action was begun DELAY seconds ago
kill_at() {
	local pid rc=0
	"$PGUSHER" run -c "$WORK/$1.ini" --yes >"$WORK/$1.first.out" 2>&1 </dev/null &
	pid=$!
	wait_for 120 running "$1" "$2" || rc=1
	sleep "$3"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	return $rc
}
no_tool() { ! pgrep -f "$WORK/lab.*pg_dump"; }
gone() { # no process and no session of the killed one
	wait_for 90 no_leftovers a && wait_for 90 no_leftovers b && wait_for 90 no_tool
}
# what must not be over before it is killed goes over slow lines
lab proxy sa a >/dev/null
lab proxy sb b >/dev/null
lines() { for line in sa sb; do lab tell $line rate "$1"; done; }
slowly() { # NAME
	for s in a b; do sed -i "s/^port = $(get $s PORT)\$/port = $(cat "$PGUSHER_LAB/s$s/port")/" "$WORK/$1.ini"; done
}
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop' -c 'DROP ROLE IF EXISTS app'; }

each() { # NAME, lines of ini...
	local name=$1 actions action n
	shift
	ini "$name" a shop b shop "$@"
	drop_target
	ok "$name: undisturbed" exits 0 pgusher run "$name" --yes
	actions=$(sed -n 's/.*"kind":"action","state":"running","id":"\([^"]*\)".*/\1/p' "$(journal "$name")")
	n=0
	for action in $actions; do
		case $action in copy/2 | copy/3 | copy/4 | dump/2 | restore/2) delays='0 0.15' ;; proof/1) delays='0 0.05' ;; *) delays=0 ;; esac
		for delay in $delays; do
			rm -rf "$XDG_STATE_HOME/pgusher/$name"
			drop_target
			if ! kill_at "$name" "$action" "$delay"; then
				echo "not ok $name: $action was never begun"
				bad=1
				continue
			fi
			n=$((n + 1))
			ok "$name, killed at $action +$delay: nothing of it goes on" gone
			rc=0
			"$PGUSHER" status -c "$WORK/$name.ini" >"$WORK/status.out" 2>&1 || rc=$?
			if [ $rc = 5 ]; then # 0: it was through already
				echo "ok $name, killed at $action +$delay: status says so"
				ok "$name, killed at $action +$delay: goes on" exits 0 pgusher run "$name" --yes
			fi
			ok "$name, killed at $action +$delay: the end is the same" tests/lab/compare a/shop b/shop
			ok "$name, killed at $action +$delay: nothing left in the folder" no_dump "$name"
		done
	done
	[ $n -gt 5 ] || { echo "not ok $name: only $n kills"; bad=1; }
}
no_dump() {
	local left
	left=$(find "$XDG_STATE_HOME/pgusher/$1" -mindepth 1 -maxdepth 1 ! -name 'journal.jsonl' ! -name lock ! -name 'report*' ! -name 'live.json*' ! -name proof.json) # live.json.new: replaced by whoever writes it next
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}
each stream
each file 'transfer = file' 'jobs = 2'

# cleaning up instead of going on
slowly file
slowly stream
for at in database/1 restore/2; do
	rm -rf "$XDG_STATE_HOME/pgusher/file"
	drop_target
	lines 3000000
	kill_at file $at 0.1
	lines 0
	ok "killed at $at: clean-up wants the name" exits 3 pgusher cleanup file --yes
	ok "killed at $at: clean-up" exits 0 pgusher cleanup file --yes --confirm shop
	ok "killed at $at: the database is gone" test -z "$(lab psql b postgres -At -c "SELECT 1 FROM pg_database WHERE datname = 'shop'")"
	ok "killed at $at: nothing left in the folder" no_dump file
	ok "killed at $at: status is clean" exits 0 pgusher status file
done

# a database that was there before is not dropped without its name
rm -rf "$XDG_STATE_HOME/pgusher/stream"
drop_target
lab psql b postgres -c 'CREATE DATABASE shop TEMPLATE template0'
has_table() { [ -n "$(lab psql b shop -At -c "SELECT to_regclass('public.big_narrow')")" ]; }
lines 3000000
"$PGUSHER" run -c "$WORK/stream.ini" --yes >"$WORK/stream.first.out" 2>&1 </dev/null &
pid=$!
wait_for 120 has_table
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
lines 0
ok 'target was there before: going on without the name is refused' exits 3 pgusher run stream --yes
ok 'target was there before: with the name it goes on' exits 0 pgusher run stream --yes --confirm shop
ok 'target was there before: the end is the same' tests/lab/compare a/shop b/shop
exit $bad
