#!/usr/bin/env bash
# The target's leader dies in the middle: of the first copy, of a cutover that has closed the source, once with standbys that had everything
# and once with standbys that had not. Patroni, HAProxy, a write load.
#   tests/long/failover.sh; make soak T=long/failover
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
cluster() { tests/lab/patroni "$@"; }
up a 14
rc=0
cluster up c 16 'ignore_slots=[{plugin: pgoutput}]' >/dev/null 2>"$WORK/up.err" || rc=$?
[ $rc != 77 ] || { echo "skip $(cat "$WORK/up.err")"; exit 0; }
[ $rc = 0 ] || { cat "$WORK/up.err"; echo 'not ok the cluster starts'; exit 1; }
lab rows a shop 24
lab psql a shop -qc 'CREATE TABLE ident (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text)'
lab proxy pa a >/dev/null
writes() { lab psql a shop -qAt -c "INSERT INTO ident (t) VALUES ('w') RETURNING id" >"$WORK/id"; }
arrived() { [ "$(lab psql c shop -At -c "SELECT 1 FROM ident WHERE id = $(cat "$WORK/id")" 2>/dev/null)" = 1 ]; }
frozen() { lab psql a shop -At -c "SELECT setconfig FROM pg_db_role_setting WHERE setconfig::text LIKE '%read_only%' UNION ALL SELECT ARRAY[obj_description(oid, 'pg_publication')] FROM pg_publication WHERE obj_description(oid, 'pg_publication') IS NOT NULL"; }
left() { lab psql "$1" "$2" -At -c "SELECT slot_name::text FROM pg_replication_slots WHERE slot_name LIKE 'pgusher%' UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT subname FROM pg_subscription UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'"; }
journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
comes_to() { tail -n +$((before + 1)) "$(journal "$1")" 2>/dev/null | grep -q "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\""; }
# begin NAME COMMAND ACTION [argument...]: has come there; $pid, NAME.out
begin() {
	local name=$1 cmd=$2 at=$3
	shift 3
	before=$(cat "$(journal "$name")" 2>/dev/null | grep -c .)
	"$PGUSHER" "$cmd" -c "$WORK/$name.ini" "$@" >"$WORK/$name.out" 2>&1 </dev/null &
	pid=$!
	until_true 60 comes_to "$name" "$at" || { echo "not ok $name comes to $at"; tail -n 15 "$WORK/$name.out"; bad=1; }
}
ended() { local rc=0; wait "$pid" || rc=$?; [ $rc = "$2" ] || { echo "exit status $rc, not $2"; tail -n 25 "$WORK/$1.out"; return 1; }; }
leads() { [ "$(cluster leader c)" != "$1" ]; }
dies() { # the leader, with its Patroni, as a power cut
	was=$(cluster leader c)
	cluster kill c "$was"
}
whole_again() {
	until_true 60 leads "$was"
	cluster node c "$was"
	cluster whole c
}
session() { [ -n "$(lab psql "$1" shop -At -c "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(611)'")" ]; }
hold() { # SERVER STATEMENT
	lab psql "$1" shop -q -c "BEGIN; $2" -c 'SELECT pg_sleep(611)' >/dev/null 2>&1 &
	until_true 15 session "$1"
}
let_go() { lab psql a postgres -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(611)'"; }
proof_waits() { [ -n "$(lab psql c shop -At -c "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'ident'::regclass")" ]; }
begin_fenced() { # NAME: its cutover has closed the source, and its proof waits for a lock on the target
	hold a 'LOCK TABLE ident IN ROW EXCLUSIVE MODE'
	begin "$1" cutover soft-fence/1 --confirm shop --max-outage 60
	hold c 'LOCK TABLE ident IN ACCESS EXCLUSIVE MODE'
	let_go
	ok "$1: the proof waits, the source is closed" until_true 30 proof_waits
}

# ---- in the middle of the first copy ----
ini copy a shop c shop 'jobs = 1'
sed -i "0,/^port = $(get a PORT)$/s//port = $(cat "$PGUSHER_LAB/pa/port")/" "$WORK/copy.ini"
printf '[subscription]\nsource_port = %s\n' "$(get a PORT)" >>"$WORK/copy.ini"
tests/lab/load start w a shop --clients 4 --rate 100
lab tell pa rate 1500000
begin copy run copy/1 --yes
rows_travel() { [ -n "$(lab psql c postgres -At -c "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%' AND datname = 'shop'")" ]; }
until_true 60 rows_travel
dies
ok 'leader dies while rows travel: ends as stopped' ended copy 5
grep -E '^pgusher|failed|^ {9}' "$WORK/copy.out" | tail -n 4 | sed 's/^/# /'
lab tell pa rate 0
whole_again
ok 'leader dies while rows travel: what is there is said' exits 5 pgusher status copy
ok 'leader dies while rows travel: the slot is named' says copy 'replication slot on the source'
ok 'leader dies while rows travel: goes on, from the beginning of the copy' exits 0 pgusher run copy --yes --confirm shop
tests/lab/load stop w >/dev/null
writes
ok 'leader dies while rows travel: follows then' until_true 30 arrived
ok 'leader dies while rows travel: both sides are equal' exits 0 pgusher verify copy
ok 'leader dies while rows travel: every acknowledged write is there, once' tests/lab/load check w c shop
ok 'leader dies while rows travel: cleaned up' exits 0 pgusher cleanup copy --yes --confirm shop
ok 'leader dies while rows travel: nothing is left on the source' test -z "$(left a shop)"
ok 'leader dies while rows travel: nothing is left on the target' test -z "$(left c postgres)"
lab psql c postgres -q -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)'

# ---- the source is closed, the target's leader dies: one standby has all (synchronous) ----
cluster set c synchronous_mode=true 2>/dev/null
sync_there() { [ "$(lab psql c postgres -At -c "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")" = 1 ]; }
until_true 30 sync_there
ini safe a shop c shop
tests/lab/load start w a shop --clients 4 --rate 100
ok 'safe: the target follows' exits 0 pgusher run safe --yes
begin_fenced safe
dies
before_us=$(date +%s%N)
ok 'safe: the source is opened at once' until_true 20 writes
echo "# opened $((($(date +%s%N) - before_us) / 1000000)) ms after the leader's death"
ok 'safe: ends as stopped' ended safe 5
ok 'safe: says how it stands' says safe 'everything is as before'
ok 'safe: nothing is frozen' test -z "$(frozen)"
whole_again
ok 'safe: the new leader follows' until_true 30 arrived
until_true 30 sync_there
ok 'safe: cut over then' exits 0 pgusher cutover safe --confirm shop --max-outage 60
tests/lab/load point w c shop
sum=$(lab psql c shop -At -c 'SELECT sum(seq) FROM lab_load.progress')
more() { [ "$(lab psql c shop -At -c 'SELECT sum(seq) FROM lab_load.progress')" -gt "$sum" ]; }
ok 'safe: writing goes on, on the target' until_true 30 more
tests/lab/load stop w >/dev/null
ok 'safe: every acknowledged write is there, once' tests/lab/load check w c shop
ok 'safe: finalized' exits 0 pgusher finalize safe --confirm shop --thaw
lab psql c postgres -q -c 'DROP DATABASE shop WITH (FORCE)'

# ---- the same with standbys that lack what the source was told is there ----
cluster set c synchronous_mode=false 2>/dev/null
cluster whole c
tests/lab/load start v a shop --clients 4 --rate 100
ini lost a shop c shop
ok 'lost: the target follows' exits 0 pgusher run lost --yes
cluster freeze c "$(cluster leader c)"
confirmed() { lab psql a shop -At -c "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'pgusher_lost'"; }
first=$(confirmed)
moved_on() { [ "$(lab psql a shop -At -c "SELECT confirmed_flush_lsn - '$first' > 100000 FROM pg_replication_slots WHERE slot_name = 'pgusher_lost'")" = t ]; }
ok 'lost: confirmed is what only the leader has' until_true 60 moved_on
begin_fenced lost
dies
ok 'lost: the source is opened at once' until_true 20 writes
ok 'lost: ends as stopped' ended lost 5
ok 'lost: nothing is frozen' test -z "$(frozen)"
whole_again
follows() { [ "$(lab psql a shop -At -c "SELECT active FROM pg_replication_slots WHERE slot_name = 'pgusher_lost'")" = t ]; }
until_true 30 follows
ok 'lost: another cutover finds it, and hands nothing over' exits 1 pgusher cutover lost --confirm shop
ok 'lost: says that the leader is another' says lost 'the target failed over to timeline'
ok 'lost: says which rows are not there' says lost 'only on source'
ok 'lost: nothing is frozen, again' test -z "$(frozen)"
sed -i '$ a [cutover]\nverify = count' "$WORK/lost.ini"
ok 'lost: without that comparison none begins' exits 3 pgusher cutover lost --confirm shop
tests/lab/load stop v >/dev/null
ok 'lost: the source has every acknowledged write' tests/lab/load check v a shop
ok 'lost: cleaned up' exits 0 pgusher cleanup lost --yes --confirm shop
ok 'lost: nothing is left on the source' test -z "$(left a shop)"
ok 'no session left' until_true 10 no_leftovers a
exit $bad
