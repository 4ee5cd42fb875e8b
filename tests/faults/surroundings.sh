#!/usr/bin/env bash
# What a run stands on goes away: names are no longer resolved, the clock is set. Nothing here is faked inside pgusher.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop "${ROWS_MB:-24}"
lab proxy sa a >/dev/null
lab proxy sb b >/dev/null
lines() { for line in sa sb; do lab tell $line rate "$1"; done; }
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' -c 'DROP ROLE IF EXISTS app' >/dev/null; }
journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
begun() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$(journal "$1")"; }
is() { [ "$1" = "$2" ] || { echo "$1, not $2"; tail -n 15 "$WORK/$3.out"; return 1; }; }
# start NAME COMMAND...: runs it behind those words, over slow lines; $pid
start() {
	local name=$1
	shift
	rm -rf "$XDG_STATE_HOME/pgusher/$name"
	drop_target
	lines 3000000
	"$@" "$PGUSHER" run -c "$WORK/$name.ini" --yes >"$WORK/$name.out" 2>&1 </dev/null &
	pid=$!
}
ended() { lines 0; wait "$pid"; status=$?; } # $status

# ---- names -----------------------------------------------------------------------------------
# a mount namespace of its own has its own hosts file and a resolver that does not answer
with_names() { unshare -m sh -c 'for f in hosts resolv.conf nsswitch.conf; do mount --bind "$0/$f" /etc/$f || exit 9; done; exec "$@"' "$WORK" "$@"; }
known() { printf '127.0.0.1 localhost old.pgusher.test new.pgusher.test\n' >"$WORK/hosts"; } # written in place: it is mounted
unknown() { printf '127.0.0.1 localhost\n' >"$WORK/hosts"; }
deaf() { perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Proto => "udp", LocalAddr => "127.7.7.7", LocalPort => 53) or exit 1; sleep 600'; }
known
printf 'nameserver 127.7.7.7\n' >"$WORK/resolv.conf"
printf 'hosts: files dns\n' >"$WORK/nsswitch.conf"
if [ "$UID" = 0 ] && with_names true 2>/dev/null; then
	deaf &
	dns=$!
	trap 'kill $dns 2>/dev/null; finish' EXIT
	ini names a shop b shop 'jobs = 1' # one worker has both its sessions once rows travel
	sed -i "s/^port = $(get a PORT)$/port = $(cat "$PGUSHER_LAB/sa/port")/; s/^port = $(get b PORT)$/port = $(cat "$PGUSHER_LAB/sb/port")/
		0,/^host = .*/s//host = old.pgusher.test/; s/^host = 127.*/host = new.pgusher.test/" "$WORK/names.ini"
	ok 'names known: all is well' exits 0 with_names "$PGUSHER" check -c "$WORK/names.ini"
	unknown
	before=$SECONDS
	ok 'names unknown, the resolver is deaf: blocks' exits 3 with_names "$PGUSHER" check -c "$WORK/names.ini"
	ok 'names unknown, the resolver is deaf: within 90 s' test $((SECONDS - before)) -lt 90
	known
	travelling() { [ "$(lab psql b postgres -At -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'")" -gt 0 ]; }
	# gone while rows travel: what is connected stays so; the proof's new connections are tried again
	start names with_names
	until_true 120 travelling
	unknown
	ok 'names gone while it copies: the proof is read again, and says when' until_true 120 grep -qs 'again in' "$WORK/names.out"
	known
	ended
	ok 'names gone while it copies, and back: goes on by itself to a good end' is $status 0 names
	ok 'names gone while it copies, and back: says what was wrong' says names 'could not translate host name'
	ok 'names gone while it copies, and back: an independent comparison' tests/lab/compare a/shop b/shop
	# gone before the copy has its connections
	start names with_names
	until_true 120 begun names database/1
	unknown
	ended
	ok 'names gone before it copies: stopped midway, to be gone on with' is $status 5 names
	ok 'names gone before it copies: says so' says names 'could not translate host name'
	ok 'names gone before it copies: no session left on the source' until_true 90 no_leftovers a
	known
	ok 'names gone before it copies, and back: goes on' exits 0 with_names "$PGUSHER" run -c "$WORK/names.ini" --yes
	ok 'names gone before it copies, and back: an independent comparison' tests/lab/compare a/shop b/shop
	kill $dns 2>/dev/null
else
	echo 'skip names that go away: no mount namespace can be made here'
fi

# ---- the clock -------------------------------------------------------------------------------
# Durations and deadlines are the monotonic clock's; what is written down has the times that the clock showed.
if "${CC:-gcc}" -std=gnu11 -O1 -Wall -Wextra -Werror -D_GNU_SOURCE -shared -fPIC -o "$WORK/wallclock.so" tests/lab/wallclock.c 2>"$WORK/cc.err"; then
	by_clock() { env WALLCLOCK="$WORK/seconds" LD_PRELOAD="$WORK/wallclock.so" "$@"; }
	ini clock a shop b shop
	sed -i "s/^port = $(get a PORT)$/port = $(cat "$PGUSHER_LAB/sa/port")/; s/^port = $(get b PORT)$/port = $(cat "$PGUSHER_LAB/sb/port")/" "$WORK/clock.ini"
	longest() { # the longest step that the journal knows, in ms
		perl -MJSON::PP -ne 'my $e = decode_json($_); $m = $e->{ms} if ($e->{ms} // 0) > ($m // 0); END { print int($m // -1) }' "$(journal clock)"
	}
	for jump in 86400 -86400; do
		echo 0 >"$WORK/seconds"
		ok "clock set by $jump s: the shim sees it" test "$(echo 86400 >"$WORK/seconds.try"; WALLCLOCK=$WORK/seconds.try LD_PRELOAD=$WORK/wallclock.so date +%F)" != "$(date +%F)"
		start clock by_clock
		until_true 120 begun clock copy/4
		echo $jump >"$WORK/seconds"
		ended
		ok "clock set by $jump s while it copies: a good end" is $status 0 clock
		ok "clock set by $jump s: no step takes a day, nor less than nothing" test "$(longest)" -gt 0 -a "$(longest)" -lt 120000
		ok "clock set by $jump s: status and report can be read" exits 0 by_clock "$PGUSHER" status -c "$WORK/clock.ini"
		ok "clock set by $jump s: an independent comparison" tests/lab/compare a/shop b/shop
	done
	# and stopped in the middle of it
	echo 0 >"$WORK/seconds"
	start clock by_clock
	until_true 120 begun clock copy/4
	echo -3600 >"$WORK/seconds"
	pkill -KILL -f "^$PGUSHER run -c $WORK/clock.ini"
	ended 2>/dev/null
	ok 'killed after the clock was set back: goes on' exits 0 by_clock "$PGUSHER" run -c "$WORK/clock.ini" --yes
	ok 'killed after the clock was set back: an independent comparison' tests/lab/compare a/shop b/shop
else
	echo "skip the clock: $(head -n 1 "$WORK/cc.err")"
fi
exit $bad
