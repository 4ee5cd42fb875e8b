#!/usr/bin/env bash
# Somebody truncates a table while it waits to be copied: nobody waits for ever, the run says what happened, and the next one goes through.
# And the constraints that are set aside for the server's own copy, for the sake of a TRUNCATE: none is forgotten when the run is stopped before they are back.
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

METHOD=subscription
lab psql a postgres -q -c 'CREATE DATABASE keys'
lab psql b postgres -q -c 'CREATE DATABASE keys'
lab psql a keys -q -c 'CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 100)' \
	-c 'CREATE TABLE child (id int PRIMARY KEY, parent int CONSTRAINT to_parent REFERENCES parent); INSERT INTO child SELECT i, i FROM generate_series(1, 100) i'
ini keys a keys b keys '[subscription]' 'copy = native' '[cutover]' 'reverse = no' 'verify = off'
key() { lab psql b keys -At -c "SELECT convalidated FROM pg_constraint WHERE conname = 'to_parent'"; }
is() { [ "$1" = "$2" ] || { echo "'$1', not '$2'"; return 1; }; }
sessions() { [ "$(lab psql b keys -At -c "SELECT count(*) FROM pg_stat_activity WHERE datname = 'keys' AND query LIKE '$1' AND $2 AND pid <> pg_backend_pid()")" = 1 ]; }
# somebody holds a table from when the subscription is there: it does not hinder the copy, but the keys
lab psql b keys -q -c 'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_subscription_rel) LOOP PERFORM pg_sleep(0.01); END LOOP;
	LOCK TABLE parent IN SHARE UPDATE EXCLUSIVE MODE; PERFORM pg_sleep(600); END $$' >/dev/null 2>&1 &
holding=$!
until_true 20 sessions 'DO %' "state = 'active'"
"$PGUSHER" run -c "$WORK/keys.ini" --yes >"$WORK/keys.out" 2>&1 </dev/null &
pid=$!
ok 'keys: wait for a lock' until_true 120 sessions '%ADD CONSTRAINT%' "wait_event_type = 'Lock'"
kill -TERM $pid
wait $pid 2>/dev/null
ok 'keys: stopped before they are back' is "$(key)" ''
ok 'keys: a rehearsal says so' exits 0 pgusher cutover keys --rehearse
ok 'keys: and which' says keys 'public.child to_parent: not on the target'
lab psql b postgres -q -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %' AND pid <> pg_backend_pid()" >/dev/null
wait $holding 2>/dev/null
ok 'keys: the cutover asks first' exits 3 pgusher cutover keys
ok 'keys: but brought them back before' is "$(key)" t
# stopped between the two statements of one
lab psql b keys -q -c 'ALTER TABLE child DROP CONSTRAINT to_parent, ADD CONSTRAINT to_parent FOREIGN KEY (parent) REFERENCES parent NOT VALID'
ok 'keys: the cutover goes through' exits 0 pgusher cutover keys --yes --confirm keys
ok 'keys: they were looked at' is "$(key)" t

# rewritten in its place while another table is copied: its rows are in no snapshot and in no stream
lab psql a postgres -q -c 'CREATE DATABASE rw'
lab psql a rw -q -c "CREATE TABLE big (id int PRIMARY KEY, t text); INSERT INTO big SELECT i, repeat('x', 60) FROM generate_series(1, 100000) i" \
	-c "CREATE TABLE small (id int PRIMARY KEY, v text); INSERT INTO small SELECT i, 'v' FROM generate_series(1, 500) i"
ini rw a rw b rw 'jobs = 1' 'verify = off' '[cutover]' 'reverse = no' 'verify = off' '[subscription]' "source_port = $(get a PORT)"
sed -i "/^\[source\]/,/^dbname/s/^port = .*/port = $(cat "$PGUSHER_LAB/slow/port")/" "$WORK/rw.ini"
lab tell slow rate 1500000
"$PGUSHER" run -c "$WORK/rw.ini" --yes >"$WORK/rw.out" 2>&1 </dev/null &
pid=$!
ok 'rewritten: it copies' until_true 60 copying
lab psql a rw -q -c 'ALTER TABLE small ALTER v TYPE text USING upper(v)'
lab tell slow rate 0
wait $pid
ok 'rewritten: it is said' says rw 'public.small: emptied or rewritten'
ok 'rewritten: no cutover unproven' exits 3 pgusher cutover rw --yes --confirm rw
ok 'rewritten: and why' says rw 'tables rewritten during the copy'

# several tables are compared in one statement, and somebody's transaction holds one of them and then wants the others, and their sequence: it
# must not be failed as a deadlock. The large table is read before them.
METHOD=dump
for s in a b; do
	lab psql $s postgres -q -c 'CREATE DATABASE few'
	lab psql $s few -q -c 'CREATE TABLE one (id serial); CREATE TABLE two (id int); CREATE TABLE three (id int); INSERT INTO one VALUES (1); INSERT INTO three VALUES (1)' \
		-c "CREATE TABLE big AS SELECT g, repeat(md5(g::text), 60) AS t FROM generate_series(1, 40000) g"
done
ini few a few b few 'jobs = 1'
until_sql() { echo "DO \$\$ BEGIN WHILE NOT EXISTS ($1) LOOP PERFORM pg_sleep(0.005), pg_stat_clear_snapshot(); END LOOP; END \$\$"; }
lab psql a few -q -c "$(until_sql "SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%count(*)%\"big\"%' AND state = 'active'")" -c 'BEGIN; LOCK TABLE two' \
	-c "$(until_sql "SELECT FROM pg_locks WHERE NOT granted AND relation = 'two'::regclass")" -c 'SELECT pg_sleep(1.5)' -c 'TRUNCATE one, three RESTART IDENTITY' -c COMMIT >"$WORK/x.out" 2>&1 &
truncating=$!
pgusher verify few # what is read before the TRUNCATE is equal, or not, after it
ok 'several: their transaction goes through' wait $truncating
ok 'several: all of them were read' says few ', 0 not proven'

# the fence holds one table and waits for another, whose holder waits for the first already: that must not be failed as a deadlock either
METHOD=subscription
lab psql a postgres -q -c 'CREATE DATABASE dl'
lab psql a dl -q -c 'CREATE TABLE aa (id int PRIMARY KEY); CREATE TABLE mm (id int PRIMARY KEY); CREATE TABLE zz (id int PRIMARY KEY)'
ini dl a dl b dl '[cutover]' 'reverse = no'
ok 'crossing: the target follows' exits 0 pgusher run dl --yes
waits_for() { until_sql "SELECT FROM pg_locks WHERE NOT granted AND relation = '$1'::regclass"; }
lab psql a dl -q -c BEGIN -c 'INSERT INTO zz VALUES (1)' -c "$(waits_for mm)" -c 'INSERT INTO aa VALUES (1)' -c COMMIT >"$WORK/x.out" 2>&1 &
writing=$!
lab psql a dl -q -c BEGIN -c 'INSERT INTO mm VALUES (1)' -c "$(waits_for aa)" -c 'SELECT pg_sleep(0.3)' -c COMMIT >"$WORK/y.out" 2>&1 &
also=$!
held() { [ "$(lab psql a dl -At -c "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND relation IN ('zz'::regclass, 'mm'::regclass)")" = 2 ]; }
ok 'crossing: both hold theirs' until_true 20 held
ok 'crossing: cut over' exits 0 pgusher cutover dl --yes --confirm dl
ok 'crossing: their transactions went through' eval 'wait $writing && wait $also'
ok 'crossing: and came along' test "$(lab psql b dl -At -c 'SELECT (SELECT count(*) FROM aa) + (SELECT count(*) FROM mm) + (SELECT count(*) FROM zz)')" = 3
exit $bad
