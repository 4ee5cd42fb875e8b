#!/usr/bin/env bash
# A cutover and a rollback with the operator's fence, and with what replication does not carry: unlogged tables and large objects go over
# and come back with what was done to them meanwhile; the commands are told which way it goes.
METHOD=subscription
. "$(dirname "$0")/common.sh"
up a "${1:-14}"
up b "${2:-16}"
lab psql a postgres -qc 'CREATE DATABASE shop'
lab psql a shop -q -o /dev/null <<'SQL'
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g;
CREATE UNLOGGED TABLE "Кэш" (id int PRIMARY KEY, v text);
INSERT INTO "Кэш" SELECT g, 'old' FROM generate_series(1, 100) g;
SELECT lo_from_bytea(70001, 'old'), lo_from_bytea(70002, 'goes'), lo_from_bytea(70003, 'stays');
CREATE TABLE exact (id int PRIMARY KEY, f float8, r real, d date, at timestamp, i interval);
ALTER DATABASE shop SET extra_float_digits = -3;
ALTER DATABASE shop SET datestyle = 'SQL, DMY';
ALTER DATABASE shop SET intervalstyle = 'sql_standard';
SQL
cat >"$WORK/told" <<SH
#!/bin/sh
echo "\$PGUSHER_MOMENT \$PGUSHER_OLD_PORT \$PGUSHER_PORT" >>$WORK/calls
[ ! -f $WORK/fails.\$PGUSHER_MOMENT ]
SH
chmod 755 "$WORK/told"
ini both a shop b moved '[cutover]' 'fence = hook' '[hooks]' "before_fence = $WORK/told" "fence = $WORK/told" "unfence = $WORK/told" "hand_over = $WORK/told" \
	"after_hand_over = $WORK/told" "after_rollback = $WORK/told"
database() { if [ "$1" = a ]; then echo shop; else echo moved; fi; } # the two have different names; the target's is the word for all that is confirmed
A=$(get a PORT) B=$(get b PORT)
calls() { tr '\n' ';' <"$WORK/calls"; : >"$WORK/calls"; }
beside() { # SERVER: what replication does not carry
	lab psql "$1" "$(database "$1")" -At -c "SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (SELECT id || v AS x FROM \"Кэш\" UNION ALL SELECT oid || encode(lo_get(oid), 'hex') FROM pg_largeobject_metadata) q"
}
writes() { lab psql "$1" "$(database "$1")" -qc "INSERT INTO t VALUES ($2, 'w')"; }
# How a database writes values for its own clients must not reach what is replicated.
exact_row() { lab psql "$1" "$(database "$1")" -qc "INSERT INTO exact VALUES ($2, 1 / 3e0 + $2, 1 / 7e0, '2021-02-03', '2021-02-03 04:05:06.789', '-1 day -02:03:04')"; }
exact() {
	lab psql "$1" "$(database "$1")" -At -c "SELECT string_agg(concat(encode(float8send(f), 'hex'), encode(float4send(r), 'hex'), d - date '2000-01-01', extract(epoch FROM at), extract(epoch FROM i)), ',' ORDER BY id) FROM exact"
}
lacks_abort() {
	pgusher status both
	says both 'pgusher rollback' && ! says both 'abort'
}
refuses() { ! writes "$1" 0; }
ok 'the target follows' exits 0 pgusher run both --yes
lab psql a shop -q -o /dev/null -c "UPDATE \"Кэш\" SET v = 'newer' WHERE id < 10" -c "SELECT lo_put(70001, 0, 'new'), lo_unlink(70002), lo_from_bytea(70004, 'more')"
exact_row a 1
was=$(beside a) was_exact=$(exact a)
ok 'a cutover: not by the name of the source' exits 3 pgusher cutover both --confirm shop
ok 'a cutover: what to type instead' says both "pgusher cutover -c $WORK/both.ini --confirm moved"
ok 'cut over' exits 0 pgusher cutover both --confirm moved
ok 'cut over: unlogged tables and large objects are the same' test "$(beside b)" = "$was"
ok 'cut over: floats, dates and intervals are the same to the last digit' test "$(exact b)" = "$was_exact"
ok 'cut over: each command, with the way it goes' test "$(calls)" = "before_fence $A $B;fence $A $B;hand_over $A $B;after_hand_over $A $B;"
lab psql b moved -q -o /dev/null -c 'DELETE FROM "Кэш" WHERE id > 50' -c "INSERT INTO \"Кэш\" VALUES (1000, 'made on the target')" \
	-c "SELECT lo_put(70003, 0, 'STAYS'), lo_unlink(70004), lo_from_bytea(70005, repeat('big', 500000)::bytea)"
for setting in 'extra_float_digits = -3' "datestyle = 'SQL, DMY'" "intervalstyle = 'sql_standard'"; do lab psql b postgres -qc "ALTER DATABASE moved SET $setting"; done
exact_row b 2
now=$(beside b) now_exact=$(exact b)
ok 'something was done on the target' test "$now" != "$was"

# refused in its first step: nothing was closed, and the source must not be said to be open
lab psql b moved -qc 'CREATE TABLE alone (id int PRIMARY KEY)'
ok 'a table that is on the target alone: no rollback' exits 3 pgusher rollback both --confirm moved
ok 'refused: no --abort is offered' lacks_abort
ok 'refused: an abort has nothing to do' exits 3 pgusher rollback both --abort
ok 'refused: and says so' says both 'nothing to take back: the target is the primary, the source stays closed'
ok 'refused: the source refuses' refuses a
lab psql b moved -qc 'DROP TABLE alone'
: >"$WORK/calls"
# the fence's command fails: taken back, and let go
touch "$WORK/fails.fence"
ok 'the fence of a rollback fails' exits 1 pgusher rollback both --confirm moved
ok 'the fence of a rollback fails: let go again' test "$(calls)" = "before_fence $B $A;fence $B $A;unfence $A $B;"
ok 'the fence of a rollback fails: the target is written to' writes b 201
ok 'the fence of a rollback fails: the source refuses' refuses a
rm "$WORK/fails.fence"
# killed when the target is closed: the abort opens it, and lets go
begun=$(grep -c . "$XDG_STATE_HOME/pgusher/both/journal.jsonl")
"$PGUSHER" rollback -c "$WORK/both.ini" --confirm moved >"$WORK/both.out" 2>&1 </dev/null &
pid=$!
closed() { tail -n +"$((begun + 1))" "$XDG_STATE_HOME/pgusher/both/journal.jsonl" | grep '"state":"running","id":"sequences/1"' >/dev/null; }
ok 'a rollback is killed, fenced' until_true 60 closed
kill -KILL $pid
wait $pid 2>/dev/null
: >"$WORK/calls"
ok 'killed: status says that the target is closed' exits 5 pgusher status both
ok 'killed: and what opens it' says both 'pgusher rollback --abort opens it again'
ok 'killed: taken back' exits 0 pgusher rollback both --abort
ok 'killed: it says which side it opened' says both 'the target is the primary and is written to again; the old source stays closed'
opened() { tail -n +"$((begun + 1))" "$XDG_STATE_HOME/pgusher/both/journal.jsonl" | grep "$@" >/dev/null; }
ok 'killed: side and statement are written down' opened 'on the target: ALTER DATABASE \\"moved\\" RESET default_transaction_read_only'
ok 'killed: and in the report' grep -rq 'on the target: ALTER DATABASE' "$XDG_STATE_HOME/pgusher/both" --include='*.html' --include='*.md' --include='*report*'
ok 'killed: the plan says whose database it is' grep -q 'ALTER DATABASE "moved" RESET default_transaction_read_only;  -- on the target' "$WORK/both.out"
ok 'killed: let go' test "$(calls)" = "unfence $A $B;"
ok 'killed: the target is written to' until_true 15 writes b 202

ok 'a rollback: not by the name of the source' exits 3 pgusher rollback both --max-outage 30 --confirm shop
ok 'a rollback: what to type instead' says both "pgusher rollback -c $WORK/both.ini --max-outage 30 --confirm moved"
ok 'rolled back' exits 0 pgusher rollback both --confirm moved
ok 'rolled back: unlogged tables and large objects came back' test "$(beside a)" = "$now"
ok 'rolled back: floats, dates and intervals are the same to the last digit' test "$(exact a)" = "$now_exact"
ok 'rolled back: each command, with the way it goes' test "$(calls)" = "before_fence $B $A;fence $B $A;hand_over $B $A;after_rollback $B $A;"
ok 'rolled back: all rows' test "$(lab psql a shop -At -c 'SELECT count(*) FROM t')" = 102
ok 'rolled back: the source is written to' writes a 203
ok 'rolled back: the target refuses' refuses b
ok 'finalize: --yes is not enough' exits 3 pgusher finalize both --yes
ok 'finalize: what to type' says both "pgusher finalize -c $WORK/both.ini --yes --confirm moved"
ok 'finalized' exits 0 pgusher finalize both --confirm moved
ok 'no session left' no_leftovers a
ok 'no session left there' no_leftovers b
exit $bad
