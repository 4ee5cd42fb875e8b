#!/usr/bin/env bash
# One subscription under a write load, and everything that may happen to it, one after the other: how long until the watch names it, whether
# it recovers, and whether every acknowledged write is there once at the end. Figures, no limit: the words are what is tested.
#   tests/long/named.sh [SOURCE TARGET [CUT_S]]    14 and 16, 60 s; make soak T=long/named
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
cut_s=${3:-60}
up a "${1:-14}"
up b "${2:-16}" logging_collector=on
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0'
lab psql a shop -q -c 'CREATE TABLE t (id int PRIMARY KEY, v text)' -c "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g"
source_sql() { lab psql a shop -At -c "$1"; }
target_sql() { lab psql b shop -At -c "$1"; }
port() { cat "$PGUSHER_LAB/$1/port"; }
for p in link:a ps:a pt:b; do lab proxy "${p%:*}" "${p#*:}" >/dev/null; done
tests/lab/load start w a shop --clients 3 --rate 60
ini case a shop b shop '[subscription]' "source_port = $(port link)"
sed "s/^port = $(get a PORT)\$/port = $(port ps)/; s/^port = $(get b PORT)\$/port = $(port pt)/" "$WORK/case.ini" >"$WORK/watched.ini"
ok 'runs' exits 0 pgusher run case --yes
"$PGUSHER" watch -c "$WORK/watched.ini" --json >"$WORK/watch.out" 2>&1 </dev/null &
watcher=$!

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
samples() { cat "$WORK/watch.out" | wc -l; }
lines() { tail -n +"$((from + 1))" "$WORK/watch.out"; }
says_so() { grep -qE -- "\"text\":\"([^\"\\]|\\\\.)*($1)" < <(lines); } # no pipe: a long one that is not read to its end fails
well() { grep -qE '"word":"streaming".*"alarms":\[\]' < <(lines | tail -n 1); }
# fault NAME REGEX SECONDS COMMAND...: what the first alarm says that is about it, and after how long
fault() {
	local name=$1 regex=$2 most=$3 text
	shift 3
	from=$(samples) began=$(now_ms)
	"$@" >/dev/null
	if until_true "$most" says_so "$regex"; then
		text=$(lines | grep -oE "\"text\":\"([^\"\\]|\\\\.)*($regex)[^}]*" | head -n 1 | sed 's/^"text":"//; s/","id".*//; s/","todo":"/ -> /')
		printf '# %s: named after %d.%d s: "%s"\n' "$name" $((($(now_ms) - began) / 1000)) $((($(now_ms) - began) % 1000 / 100)) "$text"
		echo "ok $name is named"
	else
		echo "not ok $name: no alarm says $regex in $most s"
		lines | grep -o '"alarms":.*' | sort | uniq -c
		bad=1
	fi
}
# recovers SECONDS NAME COMMAND...: what puts it right; then all is well, and stays so
recovers() {
	local most=$1 name=$2
	shift 2
	from=$(samples)
	began=$(now_ms)
	"$@" >/dev/null
	until_true 10 lines_come
	ok "$name: recovers" until_true "$most" well
	echo "# $name: well after $(($(now_ms) - began)) ms; said meanwhile: $(lines | grep -oE '"id":"[a-z_ ]*"' | sort | uniq -c | tr -s ' \n' ' ')"
}
lines_come() { [ "$(samples)" -gt "$from" ]; }
stop_proxy() { kill -STOP "$(cat "$PGUSHER_LAB/$1/pid")"; }
go_on() { kill -CONT "$(cat "$PGUSHER_LAB/$1/pid")"; }
cut() { lab tell "$1" refuse; lab tell "$1" cut; }
accept() { lab tell "$1" accept; }
no_false() { # what was said while all was well
	local said
	said=$(lines | grep -o '"alarms":\[{.*' | grep -oE '"text":"[^"]*' | sort | uniq -c)
	[ -z "$said" ] || { echo "$said"; return 1; }
}
end_session() { target_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep($1)%' AND pid <> pg_backend_pid()" >/dev/null; }

from=$(samples)
until_true 20 well
from=$(samples)
sleep "${QUIET_S:-20}"
ok 'all is well, and nothing is said' no_false

# ---- servers ----
fault 'source stopped' 'source does not answer' 10 lab stop a
recovers 60 'source stopped' lab start a
fault 'source restarted' 'source does not answer|no connection to the source|no apply worker' 10 lab restart a
recovers 60 'source restarted' true
fault 'source killed' 'source does not answer' 10 lab kill a
recovers 60 'source killed' lab start a
fault 'target stopped' 'target does not answer' 10 lab stop b
recovers 60 'target stopped' lab start b
fault 'target restarted' 'target does not answer|no apply worker|no connection to the source' 10 lab restart b
recovers 60 'target restarted' true

# ---- the network ----
fault "link cut for $cut_s s" 'no apply worker|no connection to the source' 15 cut link
sleep "$cut_s"
ok 'link cut: it is still named' says_so 'no apply worker|no connection to the source'
recovers 60 "link cut for $cut_s s" accept link
fault 'link frozen' 'nothing comes through the network' 30 stop_proxy link
recovers 60 'link frozen' go_on link
fault "link frozen for $((cut_s + 10)) s" 'nothing comes through the network' 30 stop_proxy link
sleep $((cut_s + 10))
from=$(samples)
until_true 10 lines_come
ok 'link frozen for longer than the servers wait: still named' until_true 10 says_so 'nothing comes through the network|no connection to the source|no apply worker'
lines | tail -n 1 | grep -oE '"text":"[^"]*' | sed 's/^/# then: /'
recovers 120 "link frozen for $((cut_s + 10)) s" go_on link
fault 'pgusher and source: frozen' 'source does not answer' 15 stop_proxy ps
recovers 60 'pgusher and source: frozen' go_on ps
fault 'pgusher and target: frozen' 'target does not answer' 15 stop_proxy pt
recovers 60 'pgusher and target: frozen' go_on pt
fault 'pgusher and source: cut' 'source does not answer' 15 cut ps
recovers 60 'pgusher and source: cut' accept ps
fault 'pgusher and target: cut' 'target does not answer' 15 cut pt
recovers 60 'pgusher and target: cut' accept pt
both() { "$1" ps; "$1" pt; }
fault 'pgusher and both: frozen' 'source does not answer.*text.*target does not answer|target does not answer.*"text".*source does not answer' 15 both stop_proxy
recovers 60 'pgusher and both: frozen' both go_on

# ---- what is applied ----
conflict() { target_sql 'INSERT INTO t VALUES (2000, $$mine$$)' && source_sql "INSERT INTO t VALUES (2000, 'theirs')"; }
fault 'duplicate key' 'no apply worker|duplicate key' 20 conflict
fault 'duplicate key: the words' 'duplicate key value|conflict=insert_exists' 30 true
recovers 60 'duplicate key' target_sql 'DELETE FROM t WHERE id = 2000'
column() { target_sql 'ALTER TABLE t DROP COLUMN v' && source_sql "INSERT INTO t VALUES (3000, 'n')"; }
fault 'missing column' 'no apply worker|missing replicated column' 20 column
fault 'missing column: the words' 'missing replicated column' 30 true
recovers 90 'missing column' target_sql 'ALTER TABLE t ADD COLUMN v text'
target_sql "UPDATE t SET v = 'x' WHERE id <= 1000" # the column came back empty
target_sql "UPDATE t SET v = 'theirs' WHERE id = 2000" >/dev/null
lock() { (lab psql b shop -q -c 'BEGIN; LOCK TABLE lab_load.item' -c 'SELECT pg_sleep(611)' >/dev/null 2>&1 &); }
fault 'lock on the target' 'waits for a lock' 20 lock
recovers 60 'lock on the target' end_session 611
big() { source_sql "INSERT INTO t SELECT g, repeat('y', 200) FROM generate_series(100000, 300000) g"; }
from=$(samples)
big
ok 'a large transaction: nothing is said of the network' test -z "$(lines | grep -o 'nothing comes through[^"]*')"
recovers 300 'a large transaction' source_sql 'DELETE FROM t WHERE id >= 100000'
ok 'a large transaction: nothing is said of the network' test -z "$(lines | grep -o 'nothing comes through[^"]*')"

# ---- by hand ----
fault 'disabled by hand' 'is disabled' 10 target_sql 'ALTER SUBSCRIPTION pgusher_case DISABLE'
recovers 60 'disabled by hand' target_sql 'ALTER SUBSCRIPTION pgusher_case ENABLE'
fault 'walsender ended' 'no connection to the source|no apply worker|was started' 10 source_sql 'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots'
recovers 60 'walsender ended' true
fault 'worker ended' 'no connection to the source|no apply worker|was started' 10 target_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL"
recovers 60 'worker ended' true

# ---- every acknowledged write ----
level() { [ "$(source_sql "SELECT confirmed_flush_lsn >= '$mark' FROM pg_replication_slots WHERE database = 'shop'")" = t ]; }
same() { # TEXT
	tests/lab/load stop w >"$WORK/load"
	mark=$(source_sql "SELECT pg_logical_emit_message(true, 'test', 'end')")
	ok "$1: drains" until_true 60 level
	ok "$1: the rows are the same" tests/lab/compare --skip database,schema,sequences,roles a/shop b/shop
	ok "$1: every acknowledged write is there, once" tests/lab/load check w b shop
	grep -E '^(commits|errors)=' "$WORK/load" | sed 's/^/# load /'
}
same 'after all of that'

# ---- what no slot made later brings back: cleaned up, and copied again ----
again() { # TEXT
	kill $watcher
	wait $watcher 2>/dev/null
	ok "$1: clean-up" exits 0 pgusher cleanup case --yes --confirm shop
	left=$(source_sql "SELECT 'slot' FROM pg_replication_slots UNION ALL SELECT 'publication' FROM pg_publication UNION ALL SELECT 'role' FROM pg_roles WHERE rolname LIKE 'pgusher%'")
	left+=$(target_sql "SELECT 'subscription' FROM pg_subscription UNION ALL SELECT 'origin' FROM pg_replication_origin")
	ok "$1: nothing is left" test -z "$left"
	lab psql b postgres -q -c 'DROP DATABASE shop'
	ok "$1: runs again" exits 0 pgusher run case --yes
	"$PGUSHER" watch -c "$WORK/watched.ini" --json >"$WORK/watch.out" 2>&1 </dev/null &
	watcher=$!
	from=0
	ok "$1: well again" until_true 60 well
}
tests/lab/load start w a shop --clients 3 --rate 60
dropped() { source_sql "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active; SELECT pg_drop_replication_slot('pgusher_case')" 2>/dev/null; }
drop_slot() { until_true 20 dropped; }
fault 'slot dropped by hand' 'is gone from the source' 15 drop_slot
again 'slot dropped by hand'
lose() {
	source_sql "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'" && source_sql 'SELECT pg_reload_conf()'
	cut link
	until_true 30 thrown_away
	began=$(now_ms)
}
thrown_away() {
	source_sql "SELECT pg_logical_emit_message(false, 'x', repeat('y', 8000000)), pg_switch_wal()" >/dev/null && source_sql CHECKPOINT
	[ "$(source_sql 'SELECT wal_status FROM pg_replication_slots')" = lost ]
}
fault 'slot lost by max_slot_wal_keep_size' 'thrown away WAL' 15 lose
accept link
source_sql 'ALTER SYSTEM RESET max_slot_wal_keep_size' && source_sql 'SELECT pg_reload_conf()' >/dev/null
again 'slot lost'
same 'at the end'
kill $watcher
wait $watcher 2>/dev/null
exit $bad
