#!/usr/bin/env bash
# The operator's part of a cutover: pgbouncer is paused in place of our locks, pointed to the target and resumed, so that no client sees an error.
METHOD=subscription
. "$(dirname "$0")/common.sh"
command -v pgbouncer >/dev/null || { echo "skip no pgbouncer here"; exit 0; }
up a 14
up b 16
lab rows a shop "${ROWS_MB:-8}"
lab psql a shop -q -o /dev/null <<'SQL'
CREATE ROLE web LOGIN PASSWORD 'web-secret';
CREATE TABLE basket (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text);
INSERT INTO basket (t) SELECT 'x' FROM generate_series(1, 41);
CREATE UNLOGGED TABLE "Кэш" (id int PRIMARY KEY, t text);
INSERT INTO "Кэш" SELECT g, 'old' FROM generate_series(1, 100) g;
SELECT lo_from_bytea(70001, 'old'), lo_from_bytea(70002, 'goes'), lo_from_bytea(70003, 'stays');
CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM basket;
CREATE VIEW over AS SELECT n + 1 AS n FROM sums;
CREATE MATERIALIZED VIEW "a before sums" AS SELECT n FROM over;
CREATE UNIQUE INDEX ON sums (n);
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO web;
ALTER DATABASE shop SET work_mem = '7MB';
SQL
# one password for both: whoever is connected to the pooler stays so
lab psql b postgres -qc "ALTER ROLE postgres PASSWORD '$(get a PASSWORD)'"
cat "$(get a PASSFILE)" >"$(get b PASSFILE)"

# ---- a pooler between the clients and the servers ----
B=$PGUSHER_LAB/bouncer
mkdir -p "$B"
bport=$(free_port)
cat >"$B/pgbouncer.ini" <<INI
[databases]
shop = host=127.0.0.1 port=$(get a PORT) dbname=shop
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $bport
unix_socket_dir = $B
auth_type = scram-sha-256
auth_file = $B/users
admin_users = postgres
pool_mode = transaction
logfile = $B/log
pidfile = $B/pid
server_login_retry = 1
INI
printf '"postgres" "%s"\n"web" "web-secret"\n' "$(get a PASSWORD)" >"$B/users"
cat "$(get a PASSFILE)" >"$B/passfile"
printf '*:*:*:web:web-secret\n' >>"$B/passfile"
printf '*:*:*:web:wrong\n' >"$B/wrongfile"
printf 'NAME=bouncer\nMAJOR=0\nHOST=127.0.0.1\nPORT=%s\nSOCKETDIR=%s\nPASSFILE=%s\nPASSWORD=%s\n' "$bport" "$B" "$B/passfile" "$(get a PASSWORD)" >"$B/env"
chmod 600 "$B"/passfile "$B"/wrongfile
[ "$UID" != 0 ] || chown -R "$LAB_USER": "$B"
[ "$UID" != 0 ] || chown 0 "$B"/passfile "$B"/wrongfile
as_lab pgbouncer -q -d "$B/pgbouncer.ini"
admin() { PGPASSFILE=$B/passfile psql -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$bport" -U postgres -d pgbouncer -c "$1"; }
until_true 10 admin 'SHOW VERSION' >/dev/null 2>&1 || { echo "not ok pgbouncer starts"; cat "$B/log"; exit 1; }

# ---- the operator's commands; a flag makes one fail or hang ----
cat >"$WORK/admin" <<SH
#!/bin/sh
PGPASSFILE=$B/passfile exec psql -X -q -At -v ON_ERROR_STOP=1 -h 127.0.0.1 -p $bport -U postgres -d pgbouncer -c "\$1"
SH
cat >"$WORK/fence" <<SH
#!/bin/sh
env | grep '^PGUSHER_\|^PGPASSWORD' >$WORK/fence.env
echo "pausing \$PGUSHER_DBNAME"
$WORK/admin 'PAUSE shop'
[ ! -f $WORK/fence.fails ] || { echo "the pooler says no" >&2; exit 3; }
[ ! -f $WORK/fence.hangs ] || exec sleep 611
SH
cat >"$WORK/unfence" <<SH
#!/bin/sh
$WORK/admin 'RESUME shop' || true
SH
cat >"$WORK/point" <<SH
#!/bin/sh
set -e
[ ! -f $WORK/point.fails ] || exit 4
[ ! -f $WORK/point.hangs ] || exec sleep 611
sed -i "s/^shop = .*/shop = host=\$PGUSHER_HOST port=\$PGUSHER_PORT dbname=shop/" $B/pgbouncer.ini
$WORK/admin RELOAD
$WORK/admin 'RESUME shop'
SH
printf '#!/bin/sh\necho "$PGUSHER_MOMENT $PGUSHER_PORT${PGUSHER_REASON:+ $PGUSHER_REASON}" >>%s/after\n' "$WORK" >"$WORK/after.sh"
chmod 755 "$WORK"/admin "$WORK"/fence "$WORK"/unfence "$WORK"/point "$WORK/after.sh"

# settings NAME PASSFILE [line...]
settings() {
	local name=$1 passfile=$2
	shift 2
	ini "$name" a shop b shop '[cutover]' 'fence = hook' 'max_outage = 20' 'reverse = no' 'app_host = 127.0.0.1' "app_port = $bport" 'app_user = web' \
		"app_passfile = $passfile" "$@" '[hooks]' 'timeout = 3' "fence = $WORK/fence" "unfence = $WORK/unfence" "hand_over = $WORK/point" \
		"before_fence = $WORK/after.sh" "after_hand_over = $WORK/after.sh" "alarm = $WORK/after.sh"
	sed -i 's/^name = .*/name = cut/' "$WORK/$name.ini"
}
settings cut "$B/passfile"
settings wrong "$B/wrongfile"
through() { PGPASSFILE=$B/passfile PGCONNECT_TIMEOUT=5 timeout 10 psql -X -q -At -h 127.0.0.1 -p "$bport" -U web -d shop -c "$1"; }
writes() { through "UPDATE basket SET t = 'w' WHERE id = 2"; }
journal=$XDG_STATE_HOME/pgusher/cut/journal.jsonl
value() { tests/lab/load status w | sed -n "s/^$1=//p"; }

lab load start w a shop --clients 4 --rate 200
lab load point w bouncer shop
lab psql a shop -qAt -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = 'shop'"
ok 'the clients go through the pooler' until_true 10 test -n "$(admin 'SHOW CLIENTS' | grep shop)"
ok 'the target follows' exits 0 pgusher run cut --yes
ok 'a role through the pooler' writes
lab psql a shop -q -o /dev/null <<'SQL'
UPDATE "Кэш" SET t = 'new'; DELETE FROM "Кэш" WHERE id > 60; INSERT INTO "Кэш" VALUES (1000, 'more');
SELECT lo_put(70001, 0, 'NEW and longer'), lo_unlink(70002), lo_from_bytea(70004, decode(repeat('ab', 1500000), 'hex'));
GRANT SELECT ON LARGE OBJECT 70004 TO web;
DELETE FROM basket WHERE id > 40;
SQL

before=$(value errors)
ok 'rehearsal' exits 0 pgusher cutover cut --rehearse
ok 'rehearsal: says how long' says cut 'writes would wait or be refused for about'
ok 'rehearsal: of what' grep -qE 'mark [0-9]+, sequences [0-9]+, large objects [0-9]+, unlogged tables .*, proof [0-9]+, the fences about' "$WORK/cut.out"
ok 'rehearsal: what it would carry' says cut '3 differ now'
ok 'rehearsal: nothing was fenced' writes

# the application could not log in afterwards: nobody is made to wait for that
ok 'wrong password of the application: not begun' exits 3 pgusher cutover wrong --confirm shop
ok 'wrong password of the application: says whose' says wrong 'as web through 127.0.0.1'
ok 'wrong password of the application: what to do' says wrong 'app_passfile'
ok 'wrong password of the application: no fence' test ! -e "$WORK/fence.env"

touch "$WORK/fence.fails"
ok 'fence fails' exits 1 pgusher cutover cut --confirm shop
ok 'fence fails: says what it said' says cut 'fence ended with status 3; last words: the pooler says no'
ok 'fence fails: let go' writes
mv "$WORK/fence.fails" "$WORK/fence.hangs"
ok 'fence hangs' exits 1 pgusher cutover cut --confirm shop
ok 'fence hangs: says so' says cut 'did not end within 3 s'
ok 'fence hangs: let go' writes
no_child() { ! pgrep -x -f 'sleep 611' >/dev/null; }
a_child() { ! no_child; }
ok 'fence hangs: no child is left' no_child
ok 'no password in its environment' test "$(grep -c PGPASSWORD=. "$WORK/fence.env")" = 0
ok 'it is told where to' grep -q "PGUSHER_PORT=$(get b PORT)" "$WORK/fence.env"

# killed while the fence command holds the writers: what is left is said, and let go by the next start
lines=$(grep -c . "$journal")
"$PGUSHER" cutover -c "$WORK/cut.ini" --confirm shop >"$WORK/killed.out" 2>&1 </dev/null &
pid=$!
ok 'killed in the fence: it runs' until_true 30 a_child
ok 'killed in the fence: that was written down before' bash -c "tail -n +$((lines + 1)) '$journal' | grep -q '\"kind\":\"left\".*fence:command'"
kill -KILL $pid
wait $pid 2>/dev/null
ok 'killed in the fence: its command ends too' until_true 10 no_child
pgusher status cut
ok 'killed in the fence: status names what is held' says cut 'fence:command'
ok 'killed in the fence: let go' exits 0 pgusher cutover cut --abort
ok 'killed in the fence: writers go on' writes
rm -f "$WORK/fence.hangs"

touch "$WORK/point.fails"
ok 'hand_over fails' exits 1 pgusher cutover cut --confirm shop
ok 'hand_over fails: taken back' says cut 'all was taken back'
ok 'hand_over fails: writers go on' writes
ok 'hand_over fails: the target follows again' test "$(lab psql b shop -At -c 'SELECT subenabled FROM pg_subscription')" = t
rm -f "$WORK/point.fails"

# an alarm of the watcher has its command, too
lab psql b shop -qc 'ALTER SUBSCRIPTION pgusher_cut DISABLE'
: >"$WORK/after"
ok 'an alarm rings' exits 1 pgusher watch cut --once
ok 'an alarm rings: its command is told why' grep -q '^alarm .*disabled' "$WORK/after"
lab psql b shop -qc 'ALTER SUBSCRIPTION pgusher_cut ENABLE'

: >"$WORK/after"
ok 'cut over' exits 0 pgusher cutover cut --confirm shop
echo "# $(grep -o 'writers waited.*' "$WORK/cut.out")"
echo "# $(grep -o 'the application was pointed.*' "$WORK/cut.out")"
ok 'smoke query' says cut "the application's role reaches the new primary through its address"
ok 'smoke query: it may write' says cut 'and may write: INSERT INTO'
ok 'the commands beside it ran' test "$(cat "$WORK/after")" = "before_fence $(get b PORT)
after_hand_over $(get b PORT)"
ok 'unlogged rows are there' diff <(lab psql a shop -At -c 'SELECT * FROM "Кэш" ORDER BY 1') <(lab psql b shop -At -c 'SELECT * FROM "Кэш" ORDER BY 1')
objects='SELECT oid, md5(lo_get(oid)), pg_get_userbyid(lomowner), lomacl FROM pg_largeobject_metadata ORDER BY 1'
ok 'large objects are equal' diff <(lab psql a shop -At -c "$objects") <(lab psql b shop -At -c "$objects")
ok 'materialized views are fresh, in order' test "$(lab psql b shop -At -c 'SELECT n FROM sums UNION ALL SELECT n FROM "a before sums"')" = $'40\n41'
sleep 1
lab load stop w >/dev/null
ok 'no client saw an error in the cutover' test "$(value errors)" = "$before"
echo "# longest wait of a client: $(value longest_gap_ms) ms, all trials counted"
ok 'every acknowledged write is there, once' lab load check w b shop
# who did not notice: seen until they leave
PGAPPNAME=billing lab psql a shop -qAt -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
sleeper=$!
late() { lab psql a postgres -At -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'billing'"; }
is_late() { [ -n "$(late)" ]; }
until_true 10 is_late
"$PGUSHER" watch -c "$WORK/cut.ini" >"$WORK/left.out" 2>&1 </dev/null &
watcher=$!
ok 'who still talks to the old server' until_true 20 grep -q 'session.* still on the old server: 1 of postgres (billing) from' "$WORK/left.out"
lab psql a postgres -qAt -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billing'" >/dev/null
ok 'until nobody does' until_true 20 gone $watcher
wait $watcher; rc=$?
ok 'and all is well then' test $rc = 0
wait $sleeper 2>/dev/null
pgusher report cut
ok 'report: the outage with its parts' grep -qE '^## Write outage: [0-9]+ ms' "$WORK/cut.out"
ok 'report: the mark and where the target stood' grep -qE 'proof of drain: the mark at [0-9A-F]+/[0-9A-F]+ of the source; the target has flushed all up to [0-9A-F]+/[0-9A-F]+' "$WORK/cut.out"
ok 'report: checksums of both sides' grep -qE '^\| public.basket \| equal \| 40 \| 40 \| (-?[0-9]+) \| \1 \|' "$WORK/cut.out"
ok 'report: what was tried before' grep -q 'cutover .* failed: .*hand_over' "$WORK/cut.out"
ok 'report: who said yes' says cut 'Cut over now? confirmed by'
ok 'report: what remains' says cut 'replication slot on the source'
cp "$WORK/cut.out" "$WORK/report.kept"
pgusher report cut --json
ok 'report: as JSON' perl -MJSON::PP -e 'local $/; my $j = decode_json(<>); exit !($j->{outage}{ms} > 0 && $j->{outage}{parts}{"fence command"} > 0 && $j->{summary}{different} == 0 && @{$j->{earlier_attempts}} > 3)' "$WORK/cut.out"
ok 'clean-up' exits 0 pgusher cleanup cut --yes --confirm shop
ok 'no session left' no_leftovers a

# killed while the application is pointed to the target: it may be there already, so that nothing may be taken back
lab psql a postgres -qc 'CREATE DATABASE other'
lab psql a other -qc 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)'
printf '#!/bin/sh\n[ -f %s/pointed ] || exec sleep 611\n' "$WORK" >"$WORK/point2"
chmod 755 "$WORK/point2"
ini two a other b other '[cutover]' 'fence = hook' 'reverse = no' '[hooks]' 'fence = true' 'unfence = false' "hand_over = $WORK/point2"
ok 'another one follows' exits 0 pgusher run two --yes
"$PGUSHER" cutover -c "$WORK/two.ini" --confirm other >"$WORK/killed.out" 2>&1 </dev/null &
pid=$!
ok 'killed in the hand-over: it runs' until_true 30 a_child
kill -KILL $pid
wait $pid 2>/dev/null
until_true 10 no_child
ok 'killed in the hand-over: nothing is taken back' exits 3 pgusher cutover two --abort
ok 'killed in the hand-over: the source stays closed' bash -c "! tests/lab/lab psql a other -qc 'INSERT INTO t VALUES (2)'"
ok 'killed in the hand-over: not a second time' exits 3 pgusher cutover two --confirm other
ok 'killed in the hand-over: what to run' says two "$WORK/point2"
touch "$WORK/pointed"
ok 'killed in the hand-over: clean-up goes forward' exits 0 pgusher cleanup two --yes --confirm other
ok 'killed in the hand-over: the target is written to' lab psql b other -qc 'INSERT INTO t VALUES (3)'
exit $bad
