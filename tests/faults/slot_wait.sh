#!/usr/bin/env bash
# The slot has to wait for transactions that write: the run says for whom and the statement that ends them, which, once run, does let it go on.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a "${1:-14}" max_prepared_transactions=4
up b "${2:-16}"
lab psql a postgres -q -c 'CREATE DATABASE shop'
lab psql a shop -q -c 'CREATE TABLE kept (id int PRIMARY KEY)' -c 'INSERT INTO kept SELECT generate_series(1, 1000)' -c 'CREATE TABLE other (id int PRIMARY KEY)'
ini case a shop b shop
mkfifo "$WORK/in"
PGAPPNAME=billing lab psql a shop -q <"$WORK/in" >"$WORK/writer.out" 2>&1 &
writer=$!
exec 7>"$WORK/in"
# what the last such line tells to run on the source
advice() { grep 'note.*the slot waits' "$WORK/case.out" | tail -n 1 | sed 's/.*on the source: //'; }
tells() { [[ "$(advice)" == *"$1"* ]]; }
writes() { [ "$(lab psql a shop -At -c "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL")" = 1 ]; }

echo 'BEGIN; INSERT INTO other VALUES (1);' >&7
ok 'a transaction writes' until_true 20 writes
pgusher run case --yes &
run=$!
ok 'a session that sleeps in its transaction: told to be terminated, by its pid' until_true 60 tells 'SELECT pg_terminate_backend('
ok 'with the application and what it does' grep -q 'note.*the slot waits: for pid [0-9]* (postgres in shop, billing), idle in transaction, for' "$WORK/case.out"
ok 'it is that very one' test "$(advice)" = "SELECT pg_terminate_backend($(lab psql a shop -At -c "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL"))"
printf '%s\n' '\set ON_ERROR_STOP 0' 'SAVEPOINT s;' 'SELECT pg_sleep(600);' >&7 # what is cancelled ends back to there, not the transaction
ok 'a statement that runs: told to be cancelled' until_true 60 tells 'SELECT pg_cancel_backend('
cancelled=$(advice)
ok 'what it says, run as it stands' lab psql a shop -q -c "$cancelled"
until_true 20 grep -q 'canceling statement' "$WORK/writer.out"
echo 'ROLLBACK TO s;' >&7
echo "PREPARE TRANSACTION 'it''s forgotten';" >&7
ok 'a prepared transaction: told by its name' until_true 60 tells "ROLLBACK PREPARED 'it''s forgotten'"
ok 'nothing else ends the wait' kill -0 "$run"
statement=$(advice)
ok 'what it says, run as it stands' lab psql a shop -q -c "${statement%%, or *}"
wait "$run"
ok "the run goes on to its end" test $? = 0
ok 'all rows are there' test "$(lab psql b shop -At -c 'SELECT count(*) FROM kept')" = 1000
ok 'what was rolled back is not' test "$(lab psql b shop -At -c 'SELECT count(*) FROM other')" = 0
exec 7>&-
wait "$writer"
exit $bad
