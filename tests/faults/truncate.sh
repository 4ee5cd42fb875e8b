#!/usr/bin/env bash
# Somebody truncates a table while it waits to be copied: nobody waits for ever, the run says what happened, and the next one goes through.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop 12
lab psql a shop -q -c 'CREATE TABLE last (id int PRIMARY KEY)' -c 'INSERT INTO last SELECT generate_series(1, 100)'
lab proxy slow a 1500000 >/dev/null
ini case a shop b shop 'transfer = stream' 'jobs = 1'
sed -i "/^\[source\]/,/^dbname/s/^port = .*/port = $(cat "$PGUSHER_LAB/slow/port")/" "$WORK/case.ini"
"$PGUSHER" run -c "$WORK/case.ini" --yes >"$WORK/case.out" 2>&1 </dev/null &
pid=$!
copying() { [ "$(lab psql a postgres -At -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active' AND application_name LIKE 'pgusher%'")" -gt 0 ]; }
ok 'it copies' until_true 30 copying
# the small table comes last; the lock of the copy holds the TRUNCATE up
timeout 60 tests/lab/lab psql a shop -q -c 'TRUNCATE last' &
truncating=$!
rc=0
wait $pid || rc=$?
ok 'the run ends, and not well' test $rc -ne 0
ok 'and says why' says case 'wants to truncate or alter'
ok 'the TRUNCATE goes through' wait $truncating
ok 'no session of ours is left' until_true 10 no_leftovers a
lab tell slow rate 0
ok 'started again it goes through' exits 0 pgusher run case --yes
ok 'the table is empty on both sides' test "$(lab psql b shop -At -c 'SELECT count(*) FROM last')" = 0
exit $bad
