#!/usr/bin/env bash
# A server that does not answer is asked again, later and later, and the next try is seen coming; what cannot pass is said at once.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop 2
lab psql b postgres -q -c "CREATE ROLE nobody LOGIN PASSWORD 'nobody'"
lab proxy line a >/dev/null
lab proxy line2 b >/dev/null
tell() { lab tell line $1; }
over_line() {
	sed -i "s/^port = $(get a PORT)\$/port = $(cat "$PGUSHER_LAB/line/port")/; s/^port = $(get b PORT)\$/port = $(cat "$PGUSHER_LAB/line2/port")/" "$WORK/$1.ini"
}
# start NAME COMMAND [args]: in the background; $pid
start() {
	local name=$1 cmd=$2
	shift 2
	"$PGUSHER" "$cmd" -c "$WORK/$name.ini" "$@" >"$WORK/$name.out" 2>&1 </dev/null &
	pid=$!
}
ended() { status=0; wait "$pid" || status=$?; } # $status
is() { [ "$1" = "$2" ] || { echo "$1, not $2"; tail -n 20 "$WORK/$3.out"; return 1; }; }
silent() { ! grep -q 'again in' "$WORK/$1.out" || { cat "$WORK/$1.out"; return 1; }; } # it was not tried again
seen() { grep -qs -- "$2" "$WORK/$1.out"; }
# a port that is closed is open again only when the proxy says so
closed() { ! (exec 3<>"/dev/tcp/127.0.0.1/$(cat "$PGUSHER_LAB/$1/port")") 2>/dev/null; }
refuse() { lab tell "$1" refuse; until_true 30 closed "$1"; }

ini case a shop b shop
over_line case

# ---- the preflight's reading
refuse line
start case check
ok 'source away: says when it asks again' until_true 60 seen case 'source   does not answer: again in'
ok 'source away: says which try that is' until_true 60 seen case '(3/5): connection to server'
tell accept
ended
ok 'source back: the preflight goes on by itself' is $status 0 case
ok 'source back: nothing blocks' says case 'nothing blocks, '

refuse line2
start case check --json
ok 'target away, JSON: an object for it' until_true 60 seen case '"kind":"again","id":"target"'
lab tell line2 accept
ended
ok 'target back, JSON: goes on' is $status 0 case
ok 'target back, JSON: each line is one object' perl -MJSON::PP -ne 'decode_json($_)' "$WORK/case.out"

# both ends are away for good: said in the end, as ever
refuse line
refuse line2
start case check
ended
ok 'both away for good: blocks' is $status 3 case
ok 'both away for good: each was tried to the end' test "$(grep -c '(5/5)' "$WORK/case.out")" = 2
ok 'both away for good: says what to do' says case 'check that the server runs'

# stopped while it waits
start case check
until_true 60 seen case '(4/5)'
kill -INT $pid
ended
ok 'stopped while it waits: ends' is $status 5 case
ok 'stopped while it waits: not one try more' test "$(grep -c '(5/5)' "$WORK/case.out")" = 0
tell accept
lab tell line2 accept

# broken in the middle: the catalogue is read from its beginning
lab tell line cut-after 20000
start case check
ended
ok 'broken while it reads: reads again' is $status 0 case
ok 'broken while it reads: says so' says case 'source   does not answer: again in 1 s (2/5)'
ok 'broken while it reads: the source is told of once' test "$(grep -c '^..:..:.. source .*PostgreSQL 14' "$WORK/case.out")" = 1

# ---- what will not pass by itself
printf '*:*:*:*:wrong\n' >"$WORK/wrong"
chmod 600 "$WORK/wrong"
ini word a shop b shop
sed -i "0,/^passfile = .*/s,,passfile = $WORK/wrong," "$WORK/word.ini"
ok 'wrong password: blocks' exits 3 pgusher check word
ok 'wrong password: is not tried again' silent word
ini none a nothere b shop
ok 'no such database: blocks' exits 3 pgusher check none
ok 'no such database: is not tried again' silent none
ini name a shop b shop
sed -i '0,/^host = .*/s//host = no.such.host.invalid/' "$WORK/name.ini"
ok 'no such host: blocks' exits 3 pgusher check name
hba=$(get b PGDATA)/pg_hba.conf
sed -i '/^host  all/s/all 127/postgres 127/' "$hba"
lab psql b postgres -q -c 'SELECT pg_reload_conf()' >/dev/null
refused() { ! PGPASSWORD=nobody psql -h 127.0.0.1 -p "$(get b PORT)" -U nobody postgres -c '' 2>/dev/null; }
until_true 30 refused
printf '*:*:*:*:nobody\n' >"$WORK/nobody"
chmod 600 "$WORK/nobody"
ini hba a shop b shop
sed -i "/^\[target\]/,/^\[dump\]/s,^user = .*,user = nobody,; /^\[target\]/,/^\[dump\]/s,^passfile = .*,passfile = $WORK/nobody," "$WORK/hba.ini"
ok 'no pg_hba.conf line: blocks' exits 3 pgusher check hba
ok 'no pg_hba.conf line: is not tried again' silent hba
ok 'no pg_hba.conf line: says which' says hba 'add to pg_hba.conf'
sed -i '/^host  all/s/postgres 127/all 127/' "$hba"
lab psql b postgres -q -c 'SELECT pg_reload_conf()' >/dev/null

# a server that is full now may have room in a moment
lab psql a postgres -q -c "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 0" -c 'GRANT pg_read_all_data TO few' -c 'ALTER ROLE few BYPASSRLS'
printf '*:*:*:*:few\n' >"$WORK/few"
chmod 600 "$WORK/few"
ini few a shop b shop
sed -i "0,/^user = .*/s//user = few/; 0,/^passfile = .*/s,,passfile = $WORK/few," "$WORK/few.ini"
start few check
ok 'no free connection: is tried again' until_true 60 seen few 'again in'
lab psql a postgres -q -c 'ALTER ROLE few CONNECTION LIMIT -1'
ended
ok 'a connection is free: goes on' is $status 0 few

# ---- pgusher verify
ok 'runs' exits 0 pgusher run case --yes
refuse line
start case verify
ok 'verify, source away: is tried again' until_true 60 seen case 'again in'
tell accept
ended
ok 'verify, source back: equal' is $status 0 case

# ---- a run's own sessions: the target goes away while the source is read, and is back when it is needed
lab psql b postgres -q -c 'DROP DATABASE shop WITH (FORCE)'
ini filed a shop b shop 'transfer = file' 'jobs = 1'
over_line filed
tell 'rate 300000'
start filed run --yes
ok 'run: the dump is on' until_true 120 grep -qs '"kind":"action","state":"running","id":"dump/2"' "$XDG_STATE_HOME/pgusher/filed/journal.jsonl"
refuse line2
lab tell line2 cut
tell 'rate 0'
ok 'run, target away when it is needed: it is waited for' until_true 120 seen filed 'target   does not answer: again in'
lab tell line2 accept
ended
ok 'run, target back: done and proven' is $status 0 filed
ok 'run, target back: nothing was done twice' tests/lab/compare a/shop b/shop

# ---- the watcher, for as long as it takes
lab psql b postgres -q -c 'DROP DATABASE shop WITH (FORCE)'
METHOD=subscription
ini follow a shop b shop '[ui]' 'refresh = 200'
printf '[subscription]\nsource_host = 127.0.0.1\nsource_port = %s\n[cutover]\nreverse = no\n' "$(get a PORT)" >>"$WORK/follow.ini"
over_line follow
sed -i "s/^source_port = .*/source_port = $(get a PORT)/" "$WORK/follow.ini"
ok 'subscription: runs' exits 0 pgusher run follow --yes
start follow watch
until_true 60 seen follow 'streaming'
refuse line
lab tell line cut
ok 'watch, source away: says when it asks again' until_true 60 seen follow 'the source does not answer: again in [0-9]* s (try 3)'
tell accept
back() { tail -n 1 "$WORK/follow.out" | grep -q 'streaming'; }
ok 'watch, source back: goes on by itself' until_true 60 back
lab psql a postgres -q -c "ALTER ROLE postgres PASSWORD 'another'"
refusals() { grep -c 'password authentication failed for user "postgres"' "$(get a LOG)"; }
before=$(refusals) lines=$(wc -l <"$WORK/follow.out")
lab tell line cut
ok 'watch, the password is another: said' until_true 60 seen follow 'no login to the source: password authentication failed'
more() { [ "$(wc -l <"$WORK/follow.out")" -gt $((lines + 40)) ]; } # samples later
until_true 60 more
ok 'watch, the password is another: not tried a second time' test $(($(refusals) - before)) = 1
kill -INT $pid
ended
ok 'watch: ends when told, its exit status tells of the alarm' is $status 1 follow
lab psql a postgres -q -c "ALTER ROLE postgres PASSWORD '$(get a PASSWORD)'"
ok 'clean-up' exits 0 pgusher cleanup follow --yes --confirm shop
exit $bad
