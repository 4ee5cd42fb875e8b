#!/usr/bin/env bash
# Cutover, writes on the target, rollback, under a write load: every acknowledged write is on the old source, once; then finalize.
#   tests/flows/rollback.sh [SOURCE TARGET]    majors; 14 and 16 by default
METHOD=subscription
. "$(dirname "$0")/common.sh"
up a "${1:-14}"
up b "${2:-16}"
lab rows a shop "${ROWS_MB:-4}"
lab psql a shop -q -o /dev/null <<'SQL'
CREATE SCHEMA "Счёт"; CREATE SEQUENCE "Счёт"."we""ird" START 7; SELECT setval('"Счёт"."we""ird"', 99, false);
CREATE SEQUENCE down INCREMENT -3 MAXVALUE -1 MINVALUE -1000 START -1; SELECT setval('down', -4); CREATE SEQUENCE never;
CREATE TABLE ident (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text); INSERT INTO ident (t) SELECT 'x' FROM generate_series(1, 41);
SQL
ini back a shop b shop
writes() { lab psql "$1" shop -qc 'INSERT INTO ident (t) VALUES (1)'; }
refuses() { ! writes "$1"; }
left() { # SERVER: names of ours on it
	lab psql "$1" shop -At -c "SELECT slot_name::text FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT subname FROM pg_subscription
		UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgusher%' UNION ALL SELECT roname FROM pg_replication_origin"
}
seqs() { lab psql "$1" shop -At -c "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"; }
ms() { grep -o 'refused for [0-9]* ms[^(]*([^)]*)' "$WORK/back.out"; }
flowing() { [ "$(lab psql b shop -At -c "SELECT count(*) FROM ident")" = "$(lab psql a shop -At -c "SELECT count(*) FROM ident")" ]; }

tests/lab/load start w a shop --clients 4 --rate 200
ok 'the target follows' exits 0 pgusher run back --yes
ok 'nothing to roll back yet' exits 3 pgusher rollback back --confirm shop
ok 'nothing to finalize yet' exits 3 pgusher finalize back --confirm shop
ok 'cut over' exits 0 pgusher cutover back --confirm shop
echo "# cutover: $(ms)"
ok 'cut over: the source refuses writes' refuses a
tests/lab/load point w b shop
ok 'cut over: the target takes writes' until_true 15 writes b
ok 'the old source follows' until_true 20 flowing
ok 'cutover again: nothing more to do' exits 0 pgusher cutover back --confirm shop
ok 'an abort is refused' exits 3 pgusher cutover back --abort
ok 'still the target is the primary' writes b
sleep 1
ok 'rolled back' exits 0 pgusher rollback back --confirm shop
echo "# rollback: $(ms)"
ok 'rolled back: the target refuses writes' refuses b
tests/lab/load point w a shop
ok 'rolled back: the source takes writes' until_true 15 writes a
sleep 1
tests/lab/load stop w >/dev/null
ok 'every acknowledged write is there, once' tests/lab/load check w a shop
ok 'the source has no setting of ours' test -z "$(lab psql a shop -At -c "SELECT setconfig FROM pg_db_role_setting WHERE setconfig::text LIKE '%read_only%'")"
ok 'is_called' test "$(lab psql a shop -At -c 'SELECT is_called FROM "Счёт"."we""ird" UNION ALL SELECT is_called FROM never')" = $'f\nf'
ok 'finalized' exits 0 pgusher finalize back --confirm shop
ok 'nothing is left on the source' test -z "$(left a)"
ok 'nothing is left on the target' test -z "$(left b)"
ok 'the target stays closed' refuses b
ok 'no session left' no_leftovers a
ok 'no session left there' no_leftovers b
exit $bad
