#!/usr/bin/env bash
# The subscription method under a write load: what the source has in the end, the target has; and nothing of it stays behind.
METHOD=subscription
. "$(dirname "$0")/common.sh"

# nothing_left A B: neither slot, publication nor role on the source, nor a subscription on the target
nothing_left() {
	local left
	left=$(
		lab psql "$1" shop -At -c "SELECT 'slot ' || slot_name FROM pg_replication_slots UNION ALL SELECT 'publication ' || pubname FROM pg_publication
			UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"
		lab psql "$2" postgres -At -c "SELECT 'subscription ' || subname FROM pg_subscription UNION ALL SELECT 'origin ' || roname FROM pg_replication_origin
			UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"
	)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}
drained() { # A B: the target has all that the source wrote
	local mark end=$((SECONDS + 60))
	mark=$(lab psql "$1" shop -At -c "SELECT pg_logical_emit_message(true, 'test', 'end')")
	until [ "$(lab psql "$1" shop -At -c "SELECT confirmed_flush_lsn >= '$mark' FROM pg_replication_slots WHERE database = 'shop'")" = t ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# What was truncated while it was copied is not proven then, and the stream brings it; anything else has to be 0.
ends_well() {
	local rc=0
	pgusher run "$1" --yes || rc=$?
	[ $rc = 0 ] || { [ $rc = 1 ] && says "$1" 'truncated or rewritten since the snapshot'; }
}
# Some transactions more.
follows() {
	local n
	commits() { lab psql "$1" shop -At -c "SELECT sum(seq) FROM lab_load.progress"; }
	n=$(commits "$1")
	moved_on() { [ "$(commits "$1")" -gt $((n + 50)) ]; }
	until_true 60 moved_on "$1"
}
# follow NAME A B [lines of [dump]... -- lines of [subscription]...]
follow() {
	local name=$1 a=$2 b=$3
	shift 3
	ini "$name" "$a" shop "$b" shop "$@"
	lab psql "$b" postgres -c 'DROP DATABASE IF EXISTS shop' -c 'DROP ROLE IF EXISTS app'
	tests/lab/load start "load-$a" "$a" shop --clients 4 --rate 200
	[ -z "${WILD:-}" ] || tests/lab/wild start "wild-$name" "$a" shop
	ok "$name: runs under load" ends_well "$name"
	ok "$name: the target follows" follows "$b"
	[ $bad = 0 ] || grep -E 'ERROR|CONTEXT' "$PGUSHER_LAB/$b/log" | tail -n 6
	[ -z "${WILD:-}" ] || ok "$name: the writers end" tests/lab/wild stop "wild-$name"
	ok "$name: no commit was lost by the load itself" tests/lab/load stop "load-$a"
	ok "$name: drains" drained "$a" "$b"
	ok "$name: every acknowledged row is there, once" tests/lab/load check "load-$a" "$b" shop
	ok "$name: no session left" no_leftovers "$b"
	ok "$name: clean-up" exits 0 pgusher cleanup "$name" --yes --confirm shop
	ok "$name: nothing is left on either side" nothing_left "$a" "$b"
	ok "$name: same by pg_dump and psql" tests/lab/compare --skip "sequences${SKIP:-}" "$a/shop" "$b/shop"
}

start() { # NAME MAJOR: a source with something in it
	up "$1" "$2"
	lab rows "$1" shop 8
}

start a 14
up b 16
all='small small many big truncate old'
export WILD=$all
follow snapshot a b
[ "${1:-}" != quick ] || exit $bad
WILD='' follow dump a b 'jobs = 2' '[subscription]' 'copy = dump'
follow native a b '[subscription]' 'copy = native'
# one that somebody made by hand
lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop' -c 'CREATE DATABASE shop'
lab psql a shop -q -c 'CREATE PUBLICATION handmade FOR TABLE big_narrow'
lab psql b shop -q -c 'CREATE TABLE big_narrow (id bigint PRIMARY KEY, customer int, amount numeric(12,2), at timestamptz, note text)'
ini adopted a shop b shop '[subscription]' 'adopt = other'
ok 'adopt: another name is refused' exits 3 pgusher run adopted --yes
lab psql b shop -q -c "CREATE SUBSCRIPTION handmade CONNECTION 'host=127.0.0.1 port=$(get a PORT) dbname=shop user=postgres password=$(get a PASSWORD)'
	PUBLICATION handmade WITH (slot_name = by_hand)"
ini adopted a shop b shop '[subscription]' 'adopt = handmade'
ok 'adopt: it is not taken over without a word' exits 3 pgusher run adopted
ok 'adopt: taken over' exits 0 pgusher run adopted --yes
ok 'adopt: it is said what cannot be known' says adopted 'compare with pgusher verify'
ok 'adopt: watched' exits 0 pgusher watch adopted --once
ok 'adopt: its tables are seen' says adopted 'of 1 table ready'
ok 'adopt: ended' exits 0 pgusher cleanup adopted --yes --confirm shop
ok 'adopt: nothing is left on either side' nothing_left a b
# pairs of other majors, where they are installed (their pg_dump may not be: no schema is compared); each in a shell of its own, because a missing server ends it
pair() (
	SKIP=,schema
	[ "$1" -ge 11 ] || all='small many big old' # 10 does not replicate TRUNCATE
	start "s$1" "$1"
	up "t$2" "$2"
	WILD='' follow "snapshot-$1-$2" "s$1" "t$2"
	[ -z "${3:-}" ] || WILD=$all follow "native-$1-$2" "s$1" "t$2" '[subscription]' 'copy = native'
	trap - EXIT
	exit $bad
)
pair 10 18 native || bad=1
pair 15 17 || bad=1
exit $bad
