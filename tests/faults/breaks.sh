#!/usr/bin/env bash
# Things that break while it runs: cancelled, servers killed, connections cut or frozen, disks full.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop 50
# what is to be hit while it runs must not be over before: both servers are reached over slow lines meanwhile
lab proxy sa a >/dev/null
lab proxy sb b >/dev/null
lab proxy px b >/dev/null
lines() { for line in sa sb px; do lab tell $line rate "$1"; done; }
slowly() { # NAME: its settings go over the lines
	for s in a b; do sed -i "s/^port = $(get $s PORT)\$/port = $(cat "$PGUSHER_LAB/s$s/port")/" "$WORK/$1.ini"; done
}

journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
running() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$(journal "$1")"; }
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)'; }
# during NAME ACTION DELAY COMMAND...: runs the command while the action runs; $status and $took (seconds after it)
during() {
	local name=$1 action=$2 delay=$3 pid begun
	shift 3
	rm -rf "$XDG_STATE_HOME/pgusher/$name"
	drop_target
	lines 6000000
	"$PGUSHER" run -c "$WORK/$name.ini" --yes >"$WORK/$name.out" 2>&1 </dev/null &
	pid=$!
	PGUSHER_PID=$pid
	until_true 120 running "$name" "$action" || { echo "not ok $name: $action was never begun"; bad=1; }
	sleep "$delay"
	"$@" >/dev/null 2>&1
	begun=$(date +%s%N)
	lines 0
	status=0
	wait $pid || status=$?
	took=$((($(date +%s%N) - begun) / 1000000))
}
is() { [ "$1" = "$2" ] || { echo "$1, not $2"; tail -n 12 "$WORK"/*.out; return 1; }; }
under() { [ "$1" -lt "$2" ] || { echo "$1 ms"; return 1; }; }
again() { # TEXT NAME: the servers are well again, and it goes on to a good end
	ok "$1: no session left on the source" until_true 90 no_leftovers a
	ok "$1: no session left on the target" until_true 90 no_leftovers b
	ok "$1: goes on" exits 0 pgusher run "$2" --yes
	ok "$1: the end is the same" tests/lab/compare a/shop b/shop
}

ini stream a shop b shop
ini file a shop b shop 'transfer = file' 'jobs = 2'
slowly stream
slowly file
stop_it() { kill -"$1" "$PGUSHER_PID"; }
for at in 'stream copy/2 0.1 INT' 'stream copy/3 0.1 TERM' 'stream copy/4 0.4 TERM' 'stream copy/4 0.1 INT' 'file dump/2 0.2 TERM' 'file restore/2 0.4 INT' 'file analyze/1 0.1 TERM'; do
	read -r name action delay sig <<<"$at"
	during "$name" "$action" "$delay" stop_it "$sig"
	ok "SIG$sig at $action: stopped midway" is $status 5
	ok "SIG$sig at $action: soon" under $took 60000
	ok "SIG$sig at $action: no child" test -z "$(pgrep -f "passfile.*pg_(dump|restore)|$WORK.*(pg_dump|pg_restore)" || true)"
	again "SIG$sig at $action" "$name"
done

kill_server() { lab kill "$1"; }
during stream copy/4 0.3 kill_server a
ok 'source killed: stopped with a word' is "$((status == 5 && took < 120000))" 1
ok 'source killed: says what to do' says stream 'start pgusher again'
lab start a >/dev/null 2>&1
again 'source killed' stream
during file restore/2 0.4 kill_server b
ok 'target killed: stopped with a word' is "$((status == 5 && took < 120000))" 1
lab start b >/dev/null 2>&1
again 'target killed' file

# a full disk under the dump, then under the journal
small() { tests/lab/smalldisk "$@" 2>/dev/null; }
if dir=$(small up sd 20); then
	ini small a shop b shop 'transfer = file' 'compress = none' "dir = $dir"
	drop_target
	small fill sd 1000 >/dev/null
	ok 'disk much too small: the preflight sees it' exits 3 pgusher run small --yes
	small free sd >/dev/null
	ok 'disk full while dumping: fails' exits 1 pgusher run small --yes
	ok 'disk full while dumping: says so' says small 'free disk space'
	ok 'disk full while dumping: cleans up' exits 0 pgusher cleanup small --yes --confirm shop
	ok 'disk full while dumping: nothing left there' test -z "$(find "$dir" -mindepth 1)"
	ini state a shop b shop
	sed -i "s,^name = state,&\nstate_dir = $dir," "$WORK/state.ini"
	drop_target
	small fill sd 0 >/dev/null
	ok 'no room for the journal: nothing is begun' exits 1 pgusher run state --yes
	ok 'no room for the journal: says so' says state 'No space left'
	ok 'no room for the journal: nothing was made' test -z "$(lab psql b postgres -At -c "SELECT 1 FROM pg_database WHERE datname = 'shop'")"
	small free sd >/dev/null
	small fill sd 24 >/dev/null
	rc=0
	pgusher run state --yes || rc=$?
	ok 'journal full midway: stops, or had room enough' test $rc = 0 -o $rc = 1
	small free sd >/dev/null
	if [ $rc = 1 ]; then ok 'journal full midway: says so' says state 'No space left'; ok 'journal full midway: goes on' exits 0 pgusher run state --yes; fi
	ok 'journal full midway: the end is the same' tests/lab/compare a/shop b/shop
	small down sd >/dev/null
	# the target's disk: a database that lies on a small one
	dir=$(small up td "${TARGET_MB:-28}")
	mkdir "$dir/ts"
	[ "$UID" != 0 ] || chown "$LAB_USER" "$dir" "$dir/ts"
	ini full a shop b shop
	drop_target >/dev/null
	lab psql b postgres -q -c "CREATE TABLESPACE tiny LOCATION '$dir/ts'" -c 'CREATE DATABASE shop TABLESPACE tiny TEMPLATE template0'
	ok 'disk full on the target: fails' exits 1 pgusher run full --yes
	ok 'disk full on the target: says so' says full 'free disk space'
	ok 'disk full on the target: nothing goes on' until_true 90 no_leftovers b
	lab psql b postgres -q -c 'DROP DATABASE shop WITH (FORCE)' -c 'DROP TABLESPACE tiny'
	small down td >/dev/null
	ok 'disk full on the target: goes on when there is room' exits 0 pgusher run full --yes
	ok 'disk full on the target: the end is the same' tests/lab/compare a/shop b/shop
else
	echo 'skip full disks: no tmpfs can be mounted here'
fi

# between us and the servers
ini cut a shop b shop
sed -i "s/^port = $(get b PORT)/port = $(cat "$PGUSHER_LAB/px/port")/" "$WORK/cut.ini"
cut_it() { lab tell px cut; }
during cut copy/4 0.3 cut_it
ok 'connections cut: goes on by itself' is $status 0
ok 'connections cut: says so' says cut 'connections broke'
ok 'connections cut: no session left on the target' until_true 90 no_leftovers b
ok 'connections cut: the end is the same' tests/lab/compare a/shop b/shop

# frozen: nothing is refused, nothing comes; the way back is thawed before it is taken up again
freeze_it() { lab tell px freeze; }
during cut copy/4 0.2 freeze_it
lab tell px thaw >/dev/null
ok 'connections frozen: stopped with a word' is "$((status == 5 && took < 300000))" 1
# the watch over the copy says it, or TCP does (tcp_user_timeout), whichever is first
ok 'connections frozen: says so' grep -qE 'has answered nothing for|no answer from' "$WORK/cut.out"
again 'connections frozen' cut

# reading the proof is tried again, for it changes nothing
lab psql b postgres -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' >/dev/null
during cut proof/1 0 cut_it
ok 'cut while it proves: reads again, and is proven' is $status 0
if grep -q 'read again' "$WORK/cut.out"; then ok 'cut while it proves: says so' says cut 'the target'; else echo 'skip cut while it proves: it was through already'; fi
exit $bad
