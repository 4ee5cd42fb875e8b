#!/usr/bin/env bash
# A slot that nobody reads from fills the source's disk: how much is free is seen on this host, by ssh and by a command, or it is said why not;
# in time there is an alarm, and giving up sets the WAL free.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up b 16
small=$(tests/lab/smalldisk up wal 700 postgres 2>"$WORK/small.err") || small=
up a 14 ${small:+--waldir=$small/pg_wal} max_wal_size=64MB min_wal_size=32MB
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0' -c "CREATE ROLE looker LOGIN PASSWORD 'looker'"
lab psql a shop -q -c 'CREATE TABLE t (id int PRIMARY KEY)' -c 'INSERT INTO t VALUES (1)'
value() { # KEY: of the newest sample
	tail -n 1 "$out" | perl -MJSON::PP -ne 'BEGIN { $k = shift } my $v = decode_json($_)->{$k}; $v = JSON::PP->new->encode($v) if ref $v; utf8::encode($v); print $v' "$1"
}
setup() { # NAME [line for source]...
	local name=$1 line
	shift
	ini "$name" a shop b shop '[ui]' 'refresh = 200'
	sed -i 's/^name = .*/name = case/' "$WORK/$name.ini"
	for line in "$@"; do sed -i "s|^\[source\]|[source]\n$line|" "$WORK/$name.ini"; done
}
watching() { # NAME: a watch that goes on; value and shows look at the one begun last
	out=$WORK/$1.watch
	: >"$out"
	"$PGUSHER" watch -c "$WORK/$1.ini" --json >"$out" 2>&1 </dev/null &
	watcher=$!
}
watched() { kill "$watcher"; wait "$watcher" 2>/dev/null; }
sample_has() { tail -n 1 "$out" | grep -qE -- "$1"; }
shows() { # SECONDS REGEX: the newest sample comes to match
	until_true "$1" sample_has "$2" || { echo "no sample says $2"; tail -n 1 "$out"; return 1; }
}
near() { # what df says of a folder, give and take 5 MB
	local avail
	avail=$(df -P -k "$1" | awk 'NR == 2 { print $4 }')
	perl -e 'exit !(abs($ARGV[0] / 1024 - $ARGV[1]) < 5120)' "$(value disk_bytes)" "$avail" || { echo "df: $avail kB, the sample: $(value disk_bytes) bytes"; return 1; }
}
data=$(get a PGDATA)

setup here
ok 'preflight: passes' exits 0 pgusher check here --json
ok 'preflight: it knows the disk' grep -qE '"verdict":"OK","id":"slot.disk".* free .*/pg_wal, on this host' "$WORK/here.out"
ok 'runs' exits 0 pgusher run here --yes
watching here
ok 'on this host: it is known' shows 20 '"disk_bytes":[0-9]'
ok 'on this host: as much as df says' near "$data/pg_wal"
ok 'on this host: whose disk' test "$(value disk_where)" = "$data/pg_wal, on this host"
watched
sed "s/^user = postgres/user = looker/; s/^passfile = .*/passfile = \/nonexistent/" "$WORK/here.ini" >"$WORK/blind.ini"
PGPASSWORD=looker watching blind
ok 'a role that may not see the folder: it is said, and how to make it known' shows 20 'may not see the source.s data_directory .*To make it known, name a command: .source. wal_disk = ssh'
watched

# ---- by a command: what it prints is believed, what it says otherwise is shown
disk_of() { printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 9000000 10 %s 50%% /wal\n' "$1" >"$WORK/df"; }
disk_of 1999990
setup told "wal_disk = cat $WORK/df"
watching told
ok 'by a command: what it prints' shows 20 '"disk_bytes":2047[0-9]{6},'
watched
setup mute 'wal_disk = sh -c "echo no such disk; exit 3"'
watching mute
ok 'by a command: that it failed, and with what' shows 20 'the command in .source. wal_disk says nothing of a disk .status 3.: no such disk'
watched

# ---- by our ssh, which leads to the source's own host; and to another one
if tests/lab/sshd up s1 >/dev/null 2>"$WORK/up.err"; then
	PATH=$( (eval "$(tests/lab/sshd env s1)" && echo "$BIN")):$PATH
	setup hop 'ssh = lab-s1'
	watching hop
	ok 'by ssh: it is known' shows 30 '"disk_bytes":[0-9]'
	ok 'by ssh: as much as df says' near "$data/pg_wal"
	ok 'by ssh: whose disk' test "$(value disk_where)" = "$data/pg_wal, by ssh lab-s1"
	watched
	ok 'by ssh: nothing of it is left' test -z "$(pgrep -af "[s]sh .*$PGUSHER_LAB.* df ")"
else
	echo "skip by ssh: $(cat "$WORK/up.err")"
fi

# ---- nobody reads, and the source writes: first within the hour, then at once
write_kb() { lab psql a shop -Atqc "SELECT count(pg_logical_emit_message(false, 'x', repeat('y', 1000))) FROM generate_series(1, $1)" >/dev/null; }
writing() { # until the file goes
	while [ -e "$WORK/write" ]; do write_kb 600; sleep 0.2; done
}
alarmed() { # NAME: which of the two depends on how fast this machine writes (test_watch has the bounds)
	ok "$1: alarm" shows 90 "\"verdict\":\"(WARN|BLOCK)\",\"text\":\"at this rate the source.s disk is full in [0-9:]+: [0-9.]+ [MG]B free, the slot keeps"
	ok "$1: what to do" sample_has 'gives the replication up and sets the WAL free'
	watched
}
disk_of 500000
lab stop b immediate # that is when it fills
: >"$WORK/write"
writing &
writer=$!
watching told
told=$watcher
if [ -n "$small" ]; then
	watching here
	alarmed here
else
	echo "skip a disk that is real: $(cat "$WORK/small.err")"
fi
watcher=$told out=$WORK/told.watch
alarmed told
rm -f "$WORK/write"
wait $writer
lab start b

# ---- giving up
write_kb 300000
held() { du -sm "$data/pg_wal/" | cut -f1; }
before=$(held)
ok 'given up' exits 0 pgusher cleanup here --yes --confirm shop
released() { lab psql a postgres -qc CHECKPOINT && [ "$(held)" -lt $((before - 150)) ]; }
ok "the WAL goes: it was $before MB" until_true 60 released
ok 'the copy stays' test "$(lab psql b shop -At -c 'SELECT count(*) FROM t')" = 1
[ -z "$small" ] || { lab down a >/dev/null; tests/lab/smalldisk down wal; }
exit $bad
