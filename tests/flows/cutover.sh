#!/usr/bin/env bash
# The cutover of a subscription under a write load: every acknowledged write is on the target, once; what fails is taken back.
METHOD=subscription
. "$(dirname "$0")/common.sh"
up a 14
up b 16
lab rows a shop "${ROWS_MB:-8}"
lab psql a shop -q -o /dev/null <<'SQL'
CREATE SCHEMA "Счёт"; CREATE SEQUENCE "Счёт"."we""ird" START 7;
CREATE SEQUENCE down INCREMENT -3 MAXVALUE -1 MINVALUE -1000 START -1; SELECT setval('down', -4);
CREATE SEQUENCE never; CREATE SEQUENCE cached CACHE 50; SELECT nextval('cached');
SELECT setval('"Счёт"."we""ird"', 99, false);
CREATE TABLE ident (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text); INSERT INTO ident (t) SELECT 'x' FROM generate_series(1, 41);
SQL
ini cut a shop b shop
writes() { lab psql "$1" shop -qc 'INSERT INTO ident (t) VALUES (1)'; } # a plain session
refuses() { ! writes "$1"; }
note() { grep -o 'refused for [0-9]* ms' "$WORK/cut.out" | grep -o '[0-9]*'; }
journal=$XDG_STATE_HOME/pgusher/cut/journal.jsonl

tests/lab/load start w a shop --clients 4 --rate 200
ok 'a cutover wants a subscription' exits 3 pgusher cutover cut --confirm shop
ok 'the target follows' exits 0 pgusher run cut --yes
ok 'a cutover wants the name' exits 3 pgusher cutover cut --yes
ok 'not confirmed: the source goes on' writes a

# lets go by itself: somebody holds a table in a long transaction, then the time is too short for the proof
lab psql a shop -qc "BEGIN; UPDATE ident SET t = 'held' WHERE id = 1; SELECT pg_sleep(30)" >/dev/null 2>&1 &
holder=$!
until_true 10 test -n "$(lab psql a shop -At -c "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'BEGIN; UPDATE ident%' AND pid <> pg_backend_pid()")"
ok 'a long transaction: fails' exits 1 pgusher cutover cut --confirm shop
ok 'a long transaction: says who' says cut 'who writes'
ok 'a long transaction: the source goes on' writes a
lab psql a postgres -qAt -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; UPDATE ident%'" >/dev/null
wait $holder 2>/dev/null

# a wrong table on the target: the proof fails, and everything is taken back
lab psql b shop -qc "DELETE FROM ident WHERE id = 5"
ok 'the sides differ: fails' exits 1 pgusher cutover cut --confirm shop
ok 'the sides differ: says where' says cut 'public.ident'
ok 'the sides differ: the source goes on' writes a
ok 'the sides differ: the target follows again' test "$(lab psql b shop -At -c 'SELECT subenabled FROM pg_subscription')" = t
lab psql b shop -qc "SET session_replication_role = replica" -c "INSERT INTO ident OVERRIDING SYSTEM VALUE VALUES (5, 'x')"

# killed at every action: what is left is said, and taken back or done again
for at in soft-fence/1 drain/1 hard-fence/1 tripwire/1 sequences/1 cut-proof/1; do
	before=$(grep -c . "$journal")
	"$PGUSHER" cutover -c "$WORK/cut.ini" --confirm shop >"$WORK/killed.out" 2>&1 </dev/null &
	pid=$!
	until_true 30 bash -c "tail -n +$((before + 1)) '$journal' | grep -q '\"state\":\"running\",\"id\":\"$at\"'"
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	ok "killed at $at: a run is refused" exits 3 pgusher run cut --yes
	ok "killed at $at: taken back" exits 0 pgusher cutover cut --abort
	ok "killed at $at: the source is written to" until_true 15 writes a
	ok "killed at $at: the target follows" until_true 15 test "$(lab psql b shop -At -c 'SELECT subenabled FROM pg_subscription')" = t
done

ok 'cut over' exits 0 pgusher cutover cut --confirm shop --max-outage 30
echo "# outage under load: $(note) ms"
ok 'the outage is said' test -n "$(note)"
ok 'the source refuses writes' refuses a
# the numbers next: the target goes on exactly where the source stood
ok 'sequences are exact' diff <(lab psql a shop -At -c "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2") \
	<(lab psql b shop -At -c "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2")
ok 'and is_called' test "$(lab psql b shop -At -c 'SELECT is_called FROM "Счёт"."we""ird" UNION ALL SELECT is_called FROM never')" = $'f\nf'
tests/lab/load point w b shop
sleep 2
tests/lab/load stop w >/dev/null
ok 'every acknowledged write is there, once, and writing goes on' tests/lab/load check w b shop
ok 'clean-up' exits 0 pgusher cleanup cut --yes --confirm shop
ok 'clean-up: nothing is left on the source' test -z "$(lab psql a shop -At -c "SELECT slot_name FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'")"
ok 'clean-up: nothing is left on the target' test -z "$(lab psql b postgres -At -c "SELECT subname FROM pg_subscription UNION ALL SELECT roname FROM pg_replication_origin")"
ok 'clean-up: the source still refuses writes' refuses a
ok 'no session left' no_leftovers a
exit $bad
