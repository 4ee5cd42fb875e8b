#!/usr/bin/env bash
# Sessions that somebody ends while a subscription begins: it is said at once or done again, and goes on to the end; nothing is left.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop 12
lab proxy slow a 0 >/dev/null
source_sql() { lab psql a shop -At -c "$1"; }
ini case a shop b shop 'jobs = 2' '[subscription]' "source_port = $(get a PORT)"
sed -i "/^\[source\]/,/^dbname/s/^port = .*/port = $(cat "$PGUSHER_LAB/slow/port")/" "$WORK/case.ini"
sessions() { source_sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgusher%' AND $1"; }
there() { [ "$(sessions "$1")" -gt 0 ]; }
end() { source_sql "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'pgusher%' AND $1" >/dev/null; }
nothing_left() {
	local left
	left=$(
		source_sql "SELECT 'slot ' || slot_name FROM pg_replication_slots UNION ALL SELECT 'publication ' || pubname FROM pg_publication UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"
		lab psql b postgres -At -c "SELECT 'subscription ' || subname FROM pg_subscription UNION ALL SELECT 'origin ' || roname FROM pg_replication_origin UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname = 'shop'"
	)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}
begin() {
	rm -rf "$XDG_STATE_HOME/pgusher/case"
	lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop'
	"$PGUSHER" run -c "$WORK/case.ini" --yes >"$WORK/case.out" 2>&1 </dev/null &
	pid=$!
}
ended() { rc=0; wait $pid || rc=$?; }
done_with() { # NAME
	ok "$1: clean-up" exits 0 pgusher cleanup case --yes --confirm shop
	lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop'
	ok "$1: nothing is left" nothing_left
}

# the slot waits for a writer, and its session is ended
(lab psql a shop -q -c 'BEGIN; CREATE TABLE writing (id int); SELECT pg_sleep(120)' >/dev/null 2>&1 &)
writing() { [ "$(source_sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)' AND state = 'active' AND pid <> pg_backend_pid()")" = 1 ]; }
until_true 20 writing
begin
waits="backend_type = 'walsender'"
ok 'walsender: the slot waits' until_true 60 there "$waits"
end "$waits"
ended
ok 'walsender: the run ends, and says which' test $rc -ne 0 -a -n "$(grep 'the slot pgusher_case: ' "$WORK/case.out")"
source_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(120)' AND pid <> pg_backend_pid()" >/dev/null
ok 'walsender: goes on' exits 0 pgusher run case --yes
done_with walsender

# a session that copies
lab tell slow rate 3000000
begin
copies="query LIKE 'COPY%' AND state = 'active'"
ok 'copy: rows travel' until_true 60 there "$copies"
end "$copies"
lab tell slow rate 0
ended
ok "copy: done again, to the end ($rc)" test $rc = 0
ok 'copy: and it is said' says case 'connections broke'
ok 'copy: the rows are the same' tests/lab/compare --skip database,schema,sequences,roles a/shop b/shop
done_with copy

# the one that holds the snapshot
lab tell slow rate 3000000
begin
ok 'snapshot: rows travel' until_true 60 there "$copies"
holds="state = 'idle in transaction' AND query LIKE 'SET LOCAL lock_timeout%'"
ok 'snapshot: somebody holds it' there "$holds"
end "$holds"
lab tell slow rate 0
ended
ok "snapshot: the run ends, and says so ($rc)" test $rc -ne 0 -a -n "$(grep -i 'terminating connection\|connection' "$WORK/case.out" | grep -i 'failed\|pgusher:')"
ok 'snapshot: begins again, to the end' exits 0 pgusher run case --yes
ok 'snapshot: the rows are the same' tests/lab/compare --skip database,schema,sequences,roles a/shop b/shop
done_with snapshot
exit $bad
