#!/usr/bin/env bash
# Into a Patroni cluster behind HAProxy, under a write load: leaders change, and it is said whether that lost anything.
METHOD=subscription
. "$(dirname "$0")/common.sh"
cluster() { tests/lab/patroni "$@"; }
up a 14
rc=0
cluster up c 16 'ignore_slots=[{plugin: pgoutput}]' >/dev/null 2>"$WORK/up.err" || rc=$?
[ $rc != 77 ] || { echo "skip $(cat "$WORK/up.err")"; exit 0; }
[ $rc = 0 ] || { cat "$WORK/up.err"; echo 'not ok the cluster starts'; exit 1; }
lab rows a shop 4
all_nodes() { # INI: the target by all its nodes instead of HAProxy
	sed -i "/^\[target\]/,/^dbname/{s/^host = .*/host = 127.0.0.1,127.0.0.1,127.0.0.1/;s/^port = .*/port = $(get c PORT1),$(get c PORT2),$(get c PORT3)/}" "$WORK/$1.ini"
}
watch() { "$PGUSHER" watch -c "$WORK/$1.ini" --json >"$WORK/watch.out" 2>&1 </dev/null & watcher=$!; from=0; }
unwatch() { kill $watcher; wait $watcher 2>/dev/null; }
mark() { from=$(wc -l <"$WORK/watch.out"); }
seen() { tail -n +"$((from + 1))" "$WORK/watch.out" | grep -E -- "$1" >/dev/null; }
within() { # SECONDS TEXT REGEX
	if until_true "$1" seen "$3"; then echo "ok $2"; else echo "not ok $2: no sample says $3"; tail -n 1 "$WORK/watch.out"; bad=1; fi
}
follows='"worker":[1-9][0-9]*,.*"slot_active":1,'
leads() { [ "$(cluster leader c)" != "$1" ]; } # another one than this
change() { # HOW: another node leads; the cluster is whole again
	local was
	was=$(cluster leader c)
	case $1 in switchover) cluster switchover c 2>/dev/null ;; *) cluster "$1" c "$was" ;; esac
	until_true 60 leads "$was"
	[ "$1" != kill ] || cluster node c "$was"
}

ini first a shop c shop '[ui]' 'refresh = 200'
tests/lab/load start w a shop --clients 4 --rate 200
ok 'runs, through HAProxy' exits 0 pgusher run first --yes
watch first
within 20 'the target follows' "$follows"
change switchover
within 30 'switchover: another timeline, and it goes on' '"worker":[1-9][0-9]*,.*"timeline":2,.*"slot_active":1,'
within 10 'switchover: nothing is called lost' '"failed_over":[01],"failover":"the target failed over to timeline 2'
cluster whole c
mark
change crash
within 60 'killed leader: it goes on' "\"timeline\":3,"
within 30 'killed leader: nothing is called lost' '"failed_over":[01],"failover":"the target failed over to timeline [23]'
within 30 'killed leader: follows again' "$follows"
cluster whole c
unwatch
# the first trial ends here; what was applied is what the source has
ok 'ends' exits 0 pgusher cleanup first --yes --confirm shop
lab psql c postgres -q -c 'DROP DATABASE shop WITH (FORCE)'

ini lost a shop c shop '[ui]' 'refresh = 200'
ok 'runs again' exits 0 pgusher run lost --yes
watch lost
within 20 'nothing was lost yet' '"failed_over":0,"failover":"",'
was=$(cluster leader c)
confirmed() { lab psql a shop -At -c "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'pgusher_lost'"; }
cluster freeze c "$was" # its standbys get nothing any more, while the source's slot moves on
mark
before=$(confirmed)
moved_on() { [ "$(lab psql a shop -At -c "SELECT confirmed_flush_lsn - '$before' > 200000 FROM pg_replication_slots WHERE slot_name = 'pgusher_lost'")" = t ]; }
until_true 30 moved_on
mark
within 10 'confirmed on a leader whose standbys get nothing' "$follows"
change crash
within 60 'rows were lost: the watch is red' '"failed_over":2,'
ok 'and says so' grep -q 'lacks the last' "$WORK/watch.out"
unwatch
ok 'a cutover is refused' exits 3 pgusher cutover lost --confirm shop
ok 'and says why' says lost 'lacks the last'
tests/lab/load stop w >/dev/null
until_true 30 bash -c "[ \"\$(tests/lab/lab psql a shop -At -c \"SELECT pg_current_wal_lsn() - confirmed_flush_lsn < 2000 FROM pg_replication_slots WHERE slot_name = 'pgusher_lost'\")\" = t ]"
ok 'a comparison finds them' exits 1 pgusher verify lost
ok 'ends' exits 0 pgusher cleanup lost --yes --confirm shop
lab psql c postgres -q -c 'DROP DATABASE shop WITH (FORCE)'

# a synchronous standby, and all nodes by name: the same accident loses nothing
cluster whole c
cluster set c synchronous_mode=true 2>/dev/null
sync_there() { [ "$(lab psql c postgres -At -c "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")" = 1 ]; }
until_true 30 sync_there
ini safe a shop c shop '[ui]' 'refresh = 200'
all_nodes safe
tests/lab/load start v a shop --clients 4 --rate 200
ok 'runs, with a synchronous standby, all nodes named' exits 0 pgusher run safe --yes
ok 'lands safely' test "$(lab psql c shop -At -c 'SELECT subsynccommit FROM pg_subscription')" = on
watch safe
within 20 'the target follows' "$follows"
was=$(cluster leader c)
cluster freeze c "$was"
sleep 1 # what is not confirmed now never was
change crash
within 60 'with a synchronous standby nothing is lost' '"failed_over":0,"failover":"the target failed over'
within 40 'and it goes on' "$follows"
cluster whole c
unwatch
ok 'cut over' exits 0 pgusher cutover safe --confirm shop --max-outage 60
tests/lab/load point v c shop
more() { [ "$(lab psql c shop -At -c 'SELECT sum(seq) FROM lab_load.progress')" -gt "$sum" ]; }
sum=$(lab psql c shop -At -c 'SELECT sum(seq) FROM lab_load.progress')
until_true 30 more
tests/lab/load stop v >/dev/null
ok 'every acknowledged write is there, once, and writing goes on' tests/lab/load check v c shop
exit $bad
