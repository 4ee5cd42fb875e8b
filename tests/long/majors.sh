#!/usr/bin/env bash
# A database of 130 MB with partitions, an enum, a domain, large rows and a materialized view, followed between majors far apart under a write
# load, with each kind of initial data; and the torture database from 14 to 16. Then every table is compared by psql alone: rows and md5.
#   tests/long/majors.sh [dump 15 18]; make soak T=long/majors
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
SLOW=900 # seconds: it is no question of time
DB=shop
shop() { # SERVER MAJOR
	up "$1" "$2" max_wal_size=2GB
	lab psql "$1" postgres -q -c 'CREATE ROLE app LOGIN' -c 'CREATE DATABASE shop TEMPLATE template0' -c 'GRANT ALL ON DATABASE shop TO app'
	lab psql "$1" shop -q -o /dev/null <tests/lab/shop.sql
	# its partitions have no key
	lab psql "$1" shop -At <<<"SELECT format('ALTER TABLE %s REPLICA IDENTITY FULL;', oid::regclass) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'visit_%'" | lab psql "$1" shop -q
}
rows_of() { # SERVER: a line for each table
	lab psql "$1" $DB -At <<-'SQL' | lab psql "$1" $DB -At
		SELECT format('SELECT %L, count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")) FROM ONLY %I.%I t;', n.nspname || '.' || c.relname, n.nspname, c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1
	SQL
}
drained() { # SERVER MARK
	[ "$(lab psql "$1" $DB -At -c "SELECT confirmed_flush_lsn >= '$2' FROM pg_replication_slots WHERE database = '$DB'")" = t ]
}
# What the preflight blocks is done as it says; what has no equality at all stays out, and so do triggers that would fire twice.
prepare() { # INI SERVER
	lab psql "$2" $DB -q -c 'DROP TABLE IF EXISTS t.jsonpaths, t.bookings CASCADE' -c 'ALTER TABLE t.triggered ENABLE TRIGGER c_replica, ENABLE TRIGGER "d ""always"""'
	pgusher check "$1" --json
	perl -MJSON::PP -ne 'next unless /^\{/; my $e = decode_json($_); print "$e->{sql};\n" if $e->{kind} eq "finding" && $e->{verdict} eq "BLOCK" && $e->{sql}' "$WORK/$1.out" | lab psql "$2" $DB -q
}
follow() { # COPY SOURCE TARGET
	local name=$1-$2-$3 mark
	ini "$name" "$2" $DB "$3" $DB 'jobs = 2' '[subscription]' "copy = $1"
	lab psql "$3" postgres -q -c "DROP DATABASE IF EXISTS $DB" -c 'DROP ROLE IF EXISTS app'
	[ $DB = shop ] || prepare "$name" "$2"
	tests/lab/load start "load-$name" "$2" $DB --clients 4 --rate 200
	ok "$name: runs under load" exits 0 pgusher run "$name" --yes
	ok "$name: no commit was lost by the load itself" tests/lab/load stop "load-$name"
	mark=$(lab psql "$2" $DB -At -c "SELECT pg_logical_emit_message(true, 'test', 'end')")
	ok "$name: drains" until_true $SLOW drained "$2" "$mark"
	ok "$name: every acknowledged row is there, once" tests/lab/load check "load-$name" "$3" $DB
	rows_of "$2" >"$WORK/$name.source"
	rows_of "$3" >"$WORK/$name.target"
	ok "$name: there are tables to compare" test "$(wc -l <"$WORK/$name.source")" -ge 19
	ok "$name: the same rows by psql: $(awk -F'|' '{ n += $2 } END { print NR " tables, " n " rows" }' "$WORK/$name.source")" cmp "$WORK/$name.source" "$WORK/$name.target"
	ok "$name: clean-up" exits 0 pgusher cleanup "$name" --yes --confirm $DB
	lab psql "$2" $DB -q -c 'DROP SCHEMA lab_load CASCADE'
}
pair() { # SOURCE'S MAJOR TARGET'S COPY...
	local a=s$1 b=t$2 copy
	if ! server_bindir "$1" >/dev/null || ! server_bindir "$2" >/dev/null; then
		echo "skip $1 to $2: these servers are not both here"
		return
	fi
	shop "$a" "$1"
	up "$b" "$2" max_wal_size=2GB
	shift 2
	for copy in "$@"; do follow "$copy" "$a" "$b"; done
	lab down "$a" >/dev/null
	lab down "$b" >/dev/null
}
if [ $# = 3 ]; then
	pair "$2" "$3" "$1"
else
	pair 15 18 dump
	pair 12 17 dump native snapshot
	DB=torture
	up old 14
	up new 16
	lab torture old torture
	for copy in snapshot dump native; do follow "$copy" old new; done
fi
exit $bad
