#!/usr/bin/env bash
# The subscription from beginning to end between real servers of different majors, under a write load on the database's own tables: preflight,
# run, rehearsal, cutover with proof, writes on the new server, then rollback and finalize (or finalize there). What stands on both servers is
# compared by psql alone, each time nobody may write; nothing of ours is left at the end, and pg_dump writes the same for both.
#   tests/long/majors.sh [SOURCE TARGET netbox|torture|shop COPY...]; make soak T=long/majors
# One line for each cell; what the program said is in $KEEP, when that names a folder. A figure with # is no judgement.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
RATE=${RATE:-250} # transactions per second that four clients try; what they reach is in the line
SLOW=900          # seconds: it is no question of time
PINNED='-c extra_float_digits=0 -c DateStyle=ISO,YMD -c IntervalStyle=postgres -c TimeZone=UTC -c search_path=pg_catalog'

#   source target database copy way; the last of a source stays on the target
MATRIX='14 16 netbox snapshot back
14 16 netbox native back
14 16 netbox dump stay
14 16 torture snapshot back
14 16 torture native back
14 16 torture dump stay
13 17 netbox snapshot back
13 17 torture native back
13 17 shop dump stay
15 18 netbox native back
15 18 torture snapshot back
15 18 shop dump stay
12 17 shop snapshot back
12 17 torture dump back
12 17 shop native stay
11 16 shop snapshot back
11 16 shop native back
11 16 shop dump stay
10 18 shop snapshot back
10 18 shop native back
10 18 shop dump stay'

create() { # SERVER: the database of this cell
	case $DB in
	netbox) lab netbox "$1" netbox ;;
	torture) lab torture "$1" torture && lab psql "$1" torture -q -c 'DROP TABLE IF EXISTS t.jsonpaths, t.bookings CASCADE' \
		-c 'ALTER TABLE t.triggered ENABLE TRIGGER c_replica, ENABLE TRIGGER "d ""always"""' -c 'ALTER EVENT TRIGGER "log ""ddl""" DISABLE' ;;
		# no equality at all; what would fire twice; and what takes a number of a sequence for an index of the target alone
	shop)
		lab psql "$1" postgres -q -c 'CREATE ROLE app LOGIN' -c 'CREATE DATABASE shop TEMPLATE template0' -c 'GRANT ALL ON DATABASE shop TO app'
		lab psql "$1" shop -q -o /dev/null <tests/lab/shop.sql
		lab psql "$1" shop -q -c 'CREATE TABLE shop.basket (id serial PRIMARY KEY, body text)'
		;;
	esac
}
# What the preflight blocks is done as it says.
prepare() { # INI SERVER
	local rc=0
	pgusher check "$1" --json || rc=$?
	[ $rc = 0 ] || perl -MJSON::PP -ne 'next unless /^\{/; my $e = decode_json($_); print "$e->{sql};\n" if $e->{kind} eq "finding" && $e->{verdict} eq "BLOCK" && $e->{sql}' "$WORK/$1.out" | lab psql "$2" "$DB" -q
}
# SERVER: a line for each table with its rows' md5, for each sequence with its numbers, for all large objects
contents() {
	local -x PGOPTIONS=$PINNED
	lab psql "$1" "$DB" -At <<-'SQL' | lab psql "$1" "$DB" -At
		SELECT format('SELECT %L, count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")) FROM ONLY %I.%I t;', 'table ' || n.nspname || '.' || c.relname, n.nspname, c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence IN ('p', 'u') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1;
		SELECT format('SELECT %L, last_value, is_called FROM %I.%I;', 'sequence ' || n.nspname || '.' || c.relname, n.nspname, c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' ORDER BY 1;
		SELECT 'SELECT ''large objects'', count(*), md5(string_agg(oid || md5(lo_get(oid)), '','' ORDER BY oid)) FROM pg_largeobject_metadata';
	SQL
}
equal() { # A B: both hold the same, and it is not nothing
	contents "$1" >"$WORK/contents.a" && contents "$2" >"$WORK/contents.b" || return 1
	tables=$(grep -c '^table' "$WORK/contents.a")
	rows=$(awk -F'|' '/^table/ { n += $2 } END { print n }' "$WORK/contents.a")
	[ "$tables" -ge 19 ] && [ "$rows" -gt 1000 ] && diff "$WORK/contents.a" "$WORK/contents.b"
}
left() { # SERVER: names of ours, and of those that may belong to nobody else
	lab psql "$1" "$DB" -At <<-'SQL'
		SELECT 'slot ' || slot_name FROM pg_replication_slots UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname LIKE 'pgusher%'
		UNION ALL SELECT 'comment of publication ' || pubname FROM pg_publication WHERE obj_description(oid, 'pg_publication') IS NOT NULL
		UNION ALL SELECT 'subscription ' || subname FROM pg_subscription UNION ALL SELECT 'origin ' || roname FROM pg_replication_origin
		UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'
		UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relname LIKE '%pgusher%' UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE '%pgusher%'
		UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE proname LIKE '%pgusher%' UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgname LIKE '%pgusher%'
		UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname LIKE '%pgusher%'
		UNION ALL SELECT 'session ' || application_name FROM pg_stat_activity WHERE application_name LIKE 'pgusher%'
	SQL
}
nothing_left() { local l && l=$(left "$1") && { [ -z "$l" ] || { echo "left on $1:" && echo "$l" && return 1; }; }; }
commits() { sed -n 's/^commits=//p' "$PGUSHER_LAB/$LOAD/status"; }
all_kinds() { [ "$(commits)" -gt 2500 ]; } # each client more than 602, the rarest line
written_more() { [ "$(commits)" -gt $((had + $1)) ]; }
writes_on() { # SERVER: the load goes there, and writes
	tests/lab/load point "$LOAD" "$1" "$DB"
	had=$(commits)
	until_true 60 written_more "${2:-300}" || { tests/lab/load status "$LOAD"; return 1; }
}
# What the load was told beside a refusal at the change from one server to the other.
no_client_error() {
	cut -d' ' -f2- "$PGUSHER_LAB/$LOAD/errors" | grep -vE 'read-only transaction|terminating connection due to administrator|server closed the connection|the database has [0-9]' | sort | uniq -c >"$WORK/client.errors"
	[ ! -s "$WORK/client.errors" ] || { cat "$WORK/client.errors"; return 1; }
}
near() { [ "$(lab psql "$1" "$DB" -At -c "SELECT pg_current_wal_lsn() - confirmed_flush_lsn < 4000000 FROM pg_replication_slots WHERE database = '$DB' AND plugin = 'pgoutput'")" = t ]; }
same_schema() { # what pg_dump writes; the publications of the source do not come along, on purpose
	COMPARE_LINES=2000 tests/lab/compare --skip database,data,sequences,large_objects "$1/$DB" "$2/$DB" >"$WORK/schema.diff"
	! grep '^[-+]' "$WORK/schema.diff" | grep -vE '^-(CREATE|ALTER) PUBLICATION '
}

# must TEXT COMMAND...: one step of a cell; the first that fails ends it
must() {
	local text=$1
	shift
	"$@" >"$WORK/step.log" 2>&1 && return
	bad=1
	echo "not ok $title: $text"
	tail -n 25 "$WORK/step.log"
	return 1
}
# A table that was truncated while it was copied is not proven by the run, and its exit status says so: the cutover compares it.
only_truncated() {
	grep -qE ' end +done, with [0-9]+ things? to look at' "$WORK/$ini.out" && ! grep -E ' (unproven|DIFFERS) ' "$WORK/$ini.out" | grep -v 'truncated or rewritten since'
}
asks() { # COMMAND [argument...]: the program does it, and what it says is kept
	local rc=0
	exits 0 pgusher "$1" "$ini" "${@:2}" || { [ "$1" = run ] && only_truncated; } || rc=$?
	outages+=$(sed -n "s/.* refused for \([0-9]* ms\), until.*/${outages:+, }\1 ($1)/p" "$WORK/$ini.out")
	[ -z "${KEEP:-}" ] || cp "$WORK/$ini.out" "$KEEP/$ini-$((++said))-$1${2:+$2}.txt"
	return $rc
}
there_and_back() { # WAY
	local other=new
	must 'the preflight blocks nothing' asks check && must 'the plan can be shown' asks plan || return
	must 'runs' asks run --yes && must 'catches up' until_true $SLOW near old || return
	must 'every kind of transaction was written' until_true $SLOW all_kinds && must 'catches up again' until_true $SLOW near old || return
	must 'looked at' asks watch --once && must 'rehearsed' asks cutover --rehearse && must 'is near again' until_true $SLOW near old || return
	must 'cut over' asks cutover --confirm "$DB" --max-outage 300 || return
	must 'the same on both sides after the cutover, by psql' equal old new || return
	must 'writes go on, on the new server' writes_on new || return
	if [ "$1" = back ]; then
		must 'the old server follows' asks watch --once
		must 'rolled back' asks rollback --confirm "$DB" --max-outage 300 || return
		must 'the same on both sides after the rollback, by psql' equal new old || return
		must 'writes go on, on the old server' writes_on old 100 || return
		other=old
	fi
	tests/lab/load stop "$LOAD" >/dev/null
	must 'every acknowledged write is there, once' tests/lab/load check "$LOAD" $other "$DB" || return
	must 'no client saw an error' no_client_error
	must 'finalized' asks finalize --confirm "$DB" || return
	must 'nothing is left on the source' nothing_left old
	must 'nothing is left on the target' nothing_left new
	must 'pg_dump writes the same for both' same_schema old new
}
cell() { # SOURCE TARGET DATABASE COPY WAY
	local start=$SECONDS was=$bad began title="$1->$2 $3 $4" ini="$1-$2-$3-$4" LOAD="load-$1-$2-$3-$4" tables=0 rows=0 said=0 outages='' rate settings=() n s
	DB=$3
	for n in "$1" "$2"; do
		server_bindir "$n" >/dev/null || { echo "skip $title: no PostgreSQL $n server here; 'tests/lab/install pg $n' fetches one"; return; }
	done
	[ "$DB" != netbox ] || [ -f "${PGUSHER_DATA:-$PROJECT/../shared/data}/netbox-demo-v4.2.sql.xz" ] || { echo "skip $title: no NetBox dump here"; return; }
	[ "$1" -lt 13 ] || settings=(logical_decoding_work_mem=1MB) # large transactions are spilled, or streamed
	up old "$1" max_wal_size=2GB "${settings[@]}"
	up new "$2" max_wal_size=2GB
	bad=0
	if must 'the database is made' create old; then
		sed "$([ "$1" -ge 11 ] || echo '/ TRUNCATE /d')" "tests/lab/loads/$DB" >"$WORK/also" # 10 does not replicate it
		ini "$ini" old "$DB" new "$DB" 'jobs = 2' '[subscription]' "copy = $4" '[cutover]' 'max_lag = 64MB' # a large transaction may be under way
		prepare "$ini" old
		tests/lab/load start "$LOAD" old "$DB" --clients 4 --rate "$RATE" --also "$WORK/also"
		began=$SECONDS
		there_and_back "$5"
		rate=$((SECONDS > began ? $(commits) / (SECONDS - began) : 0))
		[ $bad != 0 ] || echo "ok $title: $(commits) transactions at $rate/s, $tables tables equal by psql, $((SECONDS - start)) s"
		echo "# $title: $rows rows; writers waited or were refused for ${outages:-no time}"
	fi
	[ -z "${KEEP:-}" ] || for s in old new; do cp "$PGUSHER_LAB/$s/log" "$KEEP/$ini-$s.log"; done
	[ $bad = 0 ] || tests/lab/load stop "$LOAD" >/dev/null 2>&1
	lab down old >/dev/null
	lab down new >/dev/null
	bad=$((bad | was))
}
if [ $# -ge 4 ]; then
	for c in "${@:4}"; do cell "$1" "$2" "$3" "$c" "${WAY:-back}"; done
else
	while read -r line; do
		# shellcheck disable=SC2086
		cell $line </dev/null
	done <<<"$MATRIX"
fi
exit $bad
