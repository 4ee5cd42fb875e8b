#!/usr/bin/env bash
# Our own copy between majors far apart: everything awkward that a source of that age can hold, and types whose binary form differs.
. "$(dirname "$0")/common.sh"

# pair SOURCE TARGET: majors
pair() {
	local a=s$1 b=t$2 bin name=$1-$2
	if ! server_bindir "$1" >/dev/null || ! server_bindir "$2" >/dev/null || ! bin=$(client_bindir "$2"); then
		echo "skip $1 to $2: these servers and clients are not all here (tests/lab/install pg $1 $2, client $2)"
		return
	fi
	up "$a" "$1"
	up "$b" "$2"
	lab torture "$a" torture
	lab psql "$a" torture -At -c 'SELECT format($$DROP PUBLICATION %I$$, pubname) FROM pg_publication' | while read -r drop; do
		lab psql "$a" torture -c "$drop" </dev/null # they are left out on purpose, and said so
	done
	ini "$name" "$a" torture "$b" torture 'jobs = 3' '[tools]' "bindir = $bin"
	# the OIDs of a table WITH OIDS cannot come along, and somebody has to know
	ok "$1 to $2: runs" exits "$(($1 < 12))" pgusher run "$name" --yes
	[ "$1" -ge 12 ] || ok "$1 to $2: says that the OIDs of a table are lost" says "$name" 'WITH OIDS is not supported anymore (table "with_oids")'
	ok "$1 to $2: every object is the same, whatever words their servers have for it" same_objects "$name"
	ok "$1 to $2: same by pg_dump and psql" tests/lab/compare "$a/torture" "$b/torture"
	ok "$1 to $2: types" types "$a" "$b"
	lab down "$a" >/dev/null
	lab down "$b" >/dev/null
}
conninfo() { echo "host=127.0.0.1 port=$(get "$1" PORT) user=postgres password=$(get "$1" PASSWORD) dbname=postgres"; }
types() {
	local only # broken connections are tried between the two majors of the unit tests
	make -s build/release/unit/test_copy_pg || return
	for only in test_types test_high_char test_shapes test_enum_hash test_violations; do
		PGUSHER_TEST_A=$(conninfo "$1") PGUSHER_TEST_B=$(conninfo "$2") ONLY=$only build/release/unit/test_copy_pg || return
	done
}

if [ $# = 2 ]; then
	pair "$@"
else
	pair 10 18
	pair 13 17
	pair 11 16
fi
exit $bad
