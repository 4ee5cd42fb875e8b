#!/usr/bin/env bash
# kill -9 of the subscription method while each action runs: it goes on to the same end, or is cleaned up with nothing left.
#   tests/faults/subscription.sh [all [WAY]]    all: every way of the first copy, over slow lines and under a write load, each action killed at its
#                                         beginning and, when it takes long, in its middle, and both gone on with and cleaned up (tests/long/killed.sh)
METHOD=subscription
all=${1:-} only=${2:-}
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
# what stands on both servers when it is through, but rows
state() { both_sides | LC_ALL=C sort; }
both_sides() {
	lab psql a shop -At <<-'SQL'
		SELECT 'publication', pubname, string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) FROM pg_publication_tables GROUP BY pubname;
		SELECT 'slot', slot_name, plugin, slot_type, temporary FROM pg_replication_slots;
		SELECT 'role', rolname, rolreplication, rolcanlogin, rolsuper FROM pg_roles WHERE rolname LIKE 'pgusher%' OR rolname = 'app';
		SELECT 'comment', obj_description(oid, 'pg_publication') FROM pg_publication;
	SQL
	lab psql b shop -At <<-'SQL'
		SELECT 'subscription', subname, subenabled, subslotname, subsynccommit, subpublications FROM pg_subscription;
		SELECT 'tables', srsubstate, count(*) FROM pg_subscription_rel GROUP BY 2;
		SELECT 'origins', count(*) FROM pg_replication_origin;
		SELECT 'slot', slot_name FROM pg_replication_slots;
		SELECT 'role', rolname, rolreplication, rolcanlogin, rolsuper FROM pg_roles WHERE rolname LIKE 'pgusher%' OR rolname = 'app';
		SELECT 'class', c.relkind, c.relnamespace::regnamespace, c.relname, c.relowner::regrole FROM pg_class c WHERE relnamespace >= 16384 OR relnamespace = 'public'::regnamespace;
		SELECT 'index', indexrelid::regclass, indisvalid, indisunique, indisreplident FROM pg_index WHERE indrelid >= 16384 AND indrelid::regclass::text NOT LIKE 'pg_toast%';
		SELECT 'constraint', conrelid::regclass, conname, convalidated FROM pg_constraint WHERE conrelid >= 16384;
		SELECT 'trigger', tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal;
		SELECT 'database', datname, datdba::regrole, datacl FROM pg_database;
	SQL
}
every_table_ready() { [ "$(lab psql b shop -At -c "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'")" = 0 ]; }
same_state() {
	wait_for 60 every_table_ready
	state >"$WORK/state.now"
	diff "$WORK/state.as" "$WORK/state.now"
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

through() { # TEXT NAME: what stands is what an undisturbed run leaves, and the rows of both sides are the same
	ok "$1: what stands is the same" same_state
	ok "$1: drains" drained
	ok "$1: the rows are the same" tests/lab/compare --skip database,schema,sequences,roles a/shop b/shop
	ok "$1: clean-up" exits 0 pgusher cleanup "$2" --yes --confirm shop
	ok "$1: nothing is left" nothing_left
}
over_slow_lines() { # NAME: its sessions, and the subscription's, too
	local s
	for s in a b; do sed -i "s/^port = $(get $s PORT)\$/port = $(cat "$PGUSHER_LAB/s$s/port")/" "$WORK/$1.ini"; done
}
writes() { while lab psql a shop -c "UPDATE big_narrow SET note = 'w' || id WHERE id % 1000 = $((RANDOM % 1000))"; do sleep 0.1; done >/dev/null 2>&1; }
# kills NAME ACTION DELAY GOES_ON: one of them
kills() {
	local name=$1 action=$2 delay=$3 text="$1, killed at $2 +$3"
	clear_all "$name"
	n=$((n + 1))
	if ! kill_at "$name" "$action" "$delay"; then
		echo "not ok $name: $action was never begun"
		bad=1
		return
	fi
	changes $((n % 45))
	if [ "$4" = no ]; then
		ok "$text: clean-up" exits 0 pgusher cleanup "$name" --yes --confirm shop
		ok "$text: nothing is left" nothing_left
		return
	fi
	[ -z "$all" ] || { writes & writer=$!; }
	ok "$text: goes on" exits 0 pgusher run "$name" --yes
	[ -z "$all" ] || { kill $writer; wait $writer 2>/dev/null; }
	changes $((n % 45 + 50))
	through "$text" "$name"
}

each() { # NAME lines of ini...
	local name=$1 action actions n=0 delay middle
	shift
	ini "$name" a shop b shop "$@"
	[ -z "$all" ] || over_slow_lines "$name"
	clear_all "$name"
	ok "$name: undisturbed" exits 0 pgusher run "$name" --yes
	wait_for 60 every_table_ready
	state >"$WORK/state.as"
	if [ -z "$all" ]; then # whoever only looks leaves nothing, however it ends
		"$PGUSHER" watch -c "$WORK/$name.ini" --json >"$WORK/watching" 2>&1 </dev/null &
		wait_for 20 grep -q streaming "$WORK/watching"
		kill -9 $!
		wait $! 2>/dev/null
		ok "$name: a watch is killed: no session is left" wait_for 20 no_leftovers b
		ok "$name: a watch is killed: what stands is the same" same_state
	fi
	ok "$name: undisturbed: clean-up" exits 0 pgusher cleanup "$name" --yes --confirm shop
	ok "$name: undisturbed: nothing is left" nothing_left
	actions=$(sed -n 's/.*"kind":"action","state":"running","id":"\([^"]*\)".*/\1/p' "$(journal "$name")" | grep -v '^cleanup/')
	cp "$(journal "$name")" "$WORK/undisturbed.jsonl"
	for action in $actions; do
		delay=0
		case $action in copy/[23] | subscribe/* | slot/*) delay=0.05 ;; esac
		if [ -z "$all" ]; then # every other one is cleaned up at once
			kills "$name" "$action" "$delay" "$([ $((n % 2)) = 0 ] && echo yes || echo no)"
			continue
		fi
		kills "$name" "$action" 0 yes
		kills "$name" "$action" 0 no
		middle=$(grep "\"kind\":\"action\",\"state\":\"done\",\"id\":\"$action\"" "$WORK/undisturbed.jsonl" | tail -n 1 | sed -n 's/.*"ms":\([0-9]*\).*/\1/p')
		[ "${middle:-0}" -gt 200 ] || continue
		kills "$name" "$action" "$((middle / 2000)).$(printf %03d $((middle / 2 % 1000)))" yes
		kills "$name" "$action" "$((middle / 2000)).$(printf %03d $((middle / 2 % 1000)))" no
	done
	echo "# $name: killed $n times"
	[ $n -gt 8 ] || { echo "not ok $name: only $n kills"; bad=1; }
}
for s in a b; do [ -z "$all" ] || lab proxy s$s $s "${RATE:-3000000}" >/dev/null; done
wanted() { [ -z "$only" ] || [ "$only" = "$1" ]; }
wanted snapshot && each snapshot
wanted native && each native '[subscription]' 'copy = native'
[ -n "$all" ] && wanted dump && each dump '[subscription]' 'copy = dump'
exit $bad
