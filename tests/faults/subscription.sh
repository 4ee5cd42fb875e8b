#!/usr/bin/env bash
# kill -9 of the subscription method while each action runs: it goes on to the same end, or is cleaned up with nothing left.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop "${ROWS_MB:-8}"

journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
running() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$(journal "$1")"; }
wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.01
	done
}
nothing_left() {
	local left
	left=$(
		lab psql a shop -At -c "SELECT 'slot ' || slot_name FROM pg_replication_slots UNION ALL SELECT 'publication ' || pubname FROM pg_publication
			UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"
		lab psql b postgres -At -c "SELECT 'subscription ' || subname FROM pg_subscription UNION ALL SELECT 'origin ' || roname FROM pg_replication_origin
			UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"
	)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}
drained() {
	local mark
	mark=$(lab psql a shop -At -c "SELECT pg_logical_emit_message(true, 'test', 'end')")
	caught_up() { [ "$(lab psql a shop -At -c "SELECT confirmed_flush_lsn >= '$mark' FROM pg_replication_slots WHERE database = 'shop'")" = t ]; }
	wait_for 30 caught_up
}
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop' -c 'DROP ROLE IF EXISTS app'; }
clear_all() { # NAME: as if nothing had been
	rm -rf "$XDG_STATE_HOME/pgusher/$1"
	drop_target
}
kill_at() { # NAME ACTION DELAY
	local pid rc=0
	"$PGUSHER" run -c "$WORK/$1.ini" --yes >"$WORK/$1.first.out" 2>&1 </dev/null &
	pid=$!
	wait_for 30 running "$1" "$2" || rc=1
	sleep "$3"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	return $rc
}
changes() { lab psql a shop -c "UPDATE big_narrow SET note = note || 'x' WHERE id % 100 = $1" -c "DELETE FROM big_wide WHERE id % 997 = $1"; }

each() { # NAME lines of ini...
	local name=$1 action actions n=0 delay
	shift
	ini "$name" a shop b shop "$@"
	drop_target
	ok "$name: undisturbed" exits 0 pgusher run "$name" --yes
	ok "$name: undisturbed: clean-up" exits 0 pgusher cleanup "$name" --yes --confirm shop
	ok "$name: undisturbed: nothing is left" nothing_left
	actions=$(sed -n 's/.*"kind":"action","state":"running","id":"\([^"]*\)".*/\1/p' "$(journal "$name")" | grep -v '^cleanup/')
	for action in $actions; do
		delay=0
		case $action in copy/[23] | subscribe/* | slot/*) delay=0.05 ;; esac
		clear_all "$name"
		n=$((n + 1))
		if ! kill_at "$name" "$action" "$delay"; then
			echo "not ok $name: $action was never begun"
			bad=1
			continue
		fi
		changes $n
		if [ $((n % 2)) = 0 ]; then # every other one is cleaned up at once
			ok "$name, killed at $action: clean-up" exits 0 pgusher cleanup "$name" --yes --confirm shop
			ok "$name, killed at $action: nothing is left" nothing_left
			continue
		fi
		ok "$name, killed at $action: goes on" exits 0 pgusher run "$name" --yes
		changes $((n + 50))
		ok "$name, killed at $action: drains" drained
		ok "$name, killed at $action: the rows are the same" tests/lab/compare --skip database,schema,sequences,roles a/shop b/shop
		ok "$name, killed at $action: clean-up" exits 0 pgusher cleanup "$name" --yes --confirm shop
		ok "$name, killed at $action: nothing is left" nothing_left
	done
	[ $n -gt 8 ] || { echo "not ok $name: only $n kills"; bad=1; }
}
each snapshot
each native '[subscription]' 'copy = native'
exit $bad
