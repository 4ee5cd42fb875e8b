#!/usr/bin/env bash
# The tools in a container named patroni, by `docker exec -i patroni`: dumps lie there, passwords show nowhere, nothing goes on.
. "$(dirname "$0")/common.sh"
rc=0
said=$(tests/lab/container up patroni 2>&1) || rc=$?
[ $rc = 0 ] || { echo "skip $said"; exit 0; }
trap 'tests/lab/container down patroni; finish' EXIT
PATH=$(sed -n 's/^BIN=//p' <<<"$said"):$PATH
up a 14
up b 16
lab rows a shop "${ROWS_MB:-24}"

# there NAME SRCDB [line...]: as ini, with the prefix
there() {
	local name=$1
	shift
	ini "$name" a shop b shop "$@"
	printf '[tools]\nprefix = docker exec -i patroni\n' >>"$WORK/$name.ini"
}
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' -c 'DROP ROLE IF EXISTS app' >/dev/null; }
dumps() { docker exec -i patroni sh -c 'ls -d /tmp/file-* 2>/dev/null; :'; }
tools_running() { pgrep -af "bin/pg_(dump|restore) .*port=($(get a PORT)|$(get b PORT)) "; }
watch_words() { # whether a password ever stands in anybody's argument list; grep reads them from a file, or it would find itself
	for s in a b; do get $s PASSWORD; done >"$WORK/secrets"
	while :; do
		for f in /proc/[0-9]*/cmdline; do tr '\0' '\n' <"$f"; done | grep -F -f "$WORK/secrets"
		sleep 0.02
	done >>"$WORK/words" 2>/dev/null
}

there stream
watch_words &
watcher=$!
perl -e 'sleep 60' "$(get a PASSWORD)" & # the watcher must see one
ok 'the watcher sees a password in an argument list' until_true 120 test -s "$WORK/words"
kill $!
wait $! 2>/dev/null
sleep 1
: >"$WORK/words"
ok 'streamed by tools in a container: done and proven' exits 0 pgusher run stream --yes
kill $watcher
wait $watcher 2>/dev/null
ok 'streamed: there are passwords to look for' test -s "$WORK/secrets"
ok 'streamed: no password in any argument list' test ! -s "$WORK/words"
ok 'streamed: an independent comparison' tests/lab/compare a/shop b/shop
drop_target
ok 'the plan shows the prefix' exits 0 pgusher plan stream
ok 'the plan shows the prefix' says stream 'docker exec -i patroni /usr/lib/postgresql/'
there file 'transfer = file' 'jobs = 2' 'keep = yes'
ok 'through a file there: done and proven' exits 0 pgusher run file --yes
ok 'through a file there: an independent comparison' tests/lab/compare a/shop b/shop
ok 'through a file there: it lies there' test -n "$(dumps)"
ok 'through a file there: and not here' test -z "$(find "$XDG_STATE_HOME/pgusher/file" -name 'toc.dat')"
docker exec -i patroni sh -c 'rm -rf /tmp/file-*'
rm -rf "$XDG_STATE_HOME/pgusher/file"

# stopped: the client of the container ends, and so do the tools in it and their statements
for sig in TERM KILL; do
	drop_target
	rm -rf "$XDG_STATE_HOME/pgusher/file"
	there file 'transfer = file'
	"$PGUSHER" run -c "$WORK/file.ini" --yes >"$WORK/file.out" 2>&1 </dev/null &
	pid=$!
	until_true 120 grep -qs '"state":"running","id":"dump/2"' "$XDG_STATE_HOME/pgusher/file/journal.jsonl"
	sleep 0.2
	kill -$sig $pid
	wait $pid 2>/dev/null
	[ $sig = KILL ] || ok "SIG$sig: no session goes on" until_true 90 no_leftovers a
	ok "SIG$sig: goes on" exits 0 pgusher run file --yes
	ok "SIG$sig: the end is the same" tests/lab/compare a/shop b/shop
	ok "SIG$sig: no tool is left there" test -z "$(tools_running)"
	ok "SIG$sig: no dump is left there" test -z "$(dumps)"
done
drop_target
rm -rf "$XDG_STATE_HOME/pgusher/file"
"$PGUSHER" run -c "$WORK/file.ini" --yes >"$WORK/file.out" 2>&1 </dev/null &
pid=$!
until_true 120 grep -qs '"state":"running","id":"restore/2"' "$XDG_STATE_HOME/pgusher/file/journal.jsonl"
kill -KILL $pid
wait $pid 2>/dev/null
ok 'cleanup removes the dump that lies there' exits 0 pgusher cleanup file --yes --confirm shop
ok 'cleanup: no dump is left there' test -z "$(dumps)"

# what is wrong is said
there wrong
sed -i "s/patroni$/nosuch/" "$WORK/wrong.ini"
ok 'no such container: blocks' exits 3 pgusher check wrong
ok 'no such container: says so' says wrong 'the prefix does not work'
# a socket's folder here is nothing there: the tools must be asked, not only we
there socket
sed -i "0,/^host = .*/s,^host = .*,host = $PGUSHER_LAB/a," "$WORK/socket.ini"
ok 'an address that means something else there: blocks' exits 3 pgusher check socket
ok 'an address that means something else there: says so' says socket 'cannot reach the source from where they run'
exit $bad
