#!/usr/bin/env bash
# The apply worker's own words from a target that logs in csvlog or jsonlog; the ordinary form is seen by watch.sh. And from one that speaks German.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16 wal_retrieve_retry_interval=500 logging_collector=on 'log_line_prefix=%m '
up c 14 wal_retrieve_retry_interval=500 logging_collector=on log_destination=csvlog
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0'
lab psql a shop -q -c 'CREATE TABLE t (id int PRIMARY KEY, v text)' -c "INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g"
source_sql() { lab psql a shop -At -c "$1"; }
on() { lab psql "$1" shop -At -c "$2"; }
watching() {
	"$PGUSHER" watch -c "$WORK/$1.ini" --json >"$WORK/$1.watch" 2>&1 </dev/null &
	watcher=$!
}
watched() { kill "$watcher"; wait "$watcher" 2>/dev/null; }
now() { tail -n 1 "$WORK/$1.watch" | grep -qE -- "$2"; }
shows() { until_true "$2" now "$1" "$3" || { echo "no sample says $3"; tail -n 1 "$WORK/$1.watch"; return 1; }; }
for name in b c; do
	ini $name a shop $name shop '[ui]' 'refresh = 200' # a subscription of its own for each
	sed -i "s/^name = .*/name = to_$name/" "$WORK/$name.ini"
	ok "$name: runs" exits 0 pgusher run $name --yes
done

key=2000
goes_on() { ok "$1, $2: it goes on" shows "$1" 45 '"worker":[1-9].*"slot_active":1.*"lag_bytes":0,'; }
in_the_way() { # SERVER FORM FILE: a row that is there already; before 15 the words do not say of which table
	key=$((key + 1))
	on "$1" "INSERT INTO t VALUES ($key, 'mine, \"quoted\"')"
	source_sql "INSERT INTO t VALUES ($key, 'theirs')"
	ok "$1, $2: its words, the table and the key" shows "$1" 30 "\"log_where\":\"/[^\"]*$3 on the target.*it fails on public.t: duplicate key value violates unique constraint .*Key \(id\)=\($key\) already exists"
	on "$1" "DELETE FROM t WHERE id = $key"
	goes_on "$1" "$2"
}
not_there() { # SERVER FORM FILE: no word of what was processed, only of the process
	on "$1" "ALTER SUBSCRIPTION pgusher_to_$1 SET PUBLICATION nowhere WITH (refresh = false)"
	source_sql "INSERT INTO t VALUES ($((key += 1)), 'there')"
	ok "$1, $2: of a worker that fails without a row" shows "$1" 30 "\"said\":\"[^\"]*publication [^ ]*nowhere[^ ]* does not exist.*\"log_where\":\"/[^\"]*$3 on the target"
	on "$1" "ALTER SUBSCRIPTION pgusher_to_$1 SET PUBLICATION pgusher_to_$1 WITH (refresh = false)"
	goes_on "$1" "$2"
}

watching c
in_the_way c csvlog '\.csv'
watched
watching b
for form in csv json; do
	on b "ALTER SYSTEM SET log_destination = ${form}log" && on b 'SELECT pg_reload_conf()' >/dev/null
	in_the_way b ${form}log "\\.$form"
	not_there b ${form}log "\\.$form"
done
watched

# ---- in another language: Debian's server has its messages, the others have English alone
if ! { [ "$(server_bindir 15)" = /usr/lib/postgresql/15/bin ] && [ -e /usr/share/locale/de/LC_MESSAGES/postgres-15.mo ] &&
	localedef -i de_DE -f UTF-8 "$WORK/de_DE.UTF-8" 2>"$WORK/up.err"; }; then
	echo "skip another language: no German PostgreSQL 15 or locale here: $(head -n 1 "$WORK/up.err")"
	exit $bad
fi
LOCPATH=$WORK up d 15 wal_retrieve_retry_interval=500 lc_messages=de_DE.UTF-8 logging_collector=on log_destination=csvlog
ini d a shop d shop '[ui]' 'refresh = 200'
sed -i "s/^name = .*/name = to_d/" "$WORK/d.ini"
ok 'd: runs' exits 0 pgusher run d --yes
watching d
for form in csv json; do
	on d "ALTER SYSTEM SET log_destination = ${form}log" && on d 'SELECT pg_reload_conf()' >/dev/null
	key=$((key + 1))
	on d "INSERT INTO t VALUES ($key, 'mine')"
	source_sql "INSERT INTO t VALUES ($key, 'theirs')"
	ok "d, ${form}log: its words, the table" shows d 30 "\"log_where\":\"/[^\"]*\\.$form on the target.*it fails on public.t: doppelter Schlüsselwert.*Schlüssel »\(id\)=\($key\)« existiert bereits"
	ok "d, ${form}log: the row" now d "\"said_remove\":\"DELETE FROM \\\\\"public\\\\\".\\\\\"t\\\\\" WHERE id = '$key'"
	ok "d, ${form}log: the position to skip" now d '"said_lsn":"[0-9A-F]+/[0-9A-F]+"'
	on d "DELETE FROM t WHERE id = $key"
	goes_on d ${form}log
	not_there d ${form}log "\\.$form"
done
on d "ALTER SYSTEM SET log_destination = stderr" && on d 'SELECT pg_reload_conf()' >/dev/null
key=$((key + 1))
on d "INSERT INTO t VALUES ($key, 'mine')"
source_sql "INSERT INTO t VALUES ($key, 'theirs')"
ok 'd, stderr: it is said that it is not understood' shows d 30 'no apply worker.*not in English, lc_messages is de_DE.UTF-8: pgusher understands that in csvlog'
watched
exit $bad
