#!/usr/bin/env bash
# The stream's copy against what a user would take instead, in one run on one pair of servers:
#   tests/bench/copy.sh [CASES] [ROUNDS] [MAJOR] [JOBS]    "big small toast keys netbox", 3 rounds, PostgreSQL 15, 2 jobs by default
# Wall seconds (median of the rounds, which are interleaved) and CPU seconds (client and both servers). Ours has statistics of all tables
# at its end; for the others that is a second figure, with vacuumdb --analyze-only. Nobody proves anything here. Targets look at the best
# round of each way: whatever else the machine does only adds.
. "$(dirname "$0")/common.sh"

CASES=${1:-big small toast keys netbox} ROUNDS=${2:-3} MAJOR=${3:-15} JOBS=${4:-2} MB=${BENCH_MB:-600} TABLES=${BENCH_TABLES:-2000}
BIN=$(client_bindir "$MAJOR")
for s in s t; do
	tests/lab/lab up $s "$MAJOR" shared_buffers=512MB max_wal_size=4GB max_connections=60 max_locks_per_transaction=256 wal_level=logical "fsync=${BENCH_FSYNC:-on}" >/dev/null
done
uri() { echo "postgres://postgres:$(get "$1" PASSWORD)@127.0.0.1:$(get "$1" PORT)/$2"; }

# ---- the databases ----
fill_big() {
	sql s "$1" >/dev/null <<-SQL
		CREATE TABLE big (id bigint, customer int, amount numeric(12,2), at timestamptz, note text, pad text);
		INSERT INTO big SELECT g, g % 99991, (g % 100000) / 7.0, timestamptz '2020-01-01 UTC' + g * interval '1 second', md5(g::text), repeat('x', 40)
			FROM generate_series(1, $MB * 7000) g;
		ALTER TABLE big ADD PRIMARY KEY (id); CREATE INDEX ON big (customer, at); CREATE INDEX ON big (note);
	SQL
}
fill_small() {
	local from
	for ((from = 1; from <= TABLES; from += 100)); do
		echo "DO \$\$ BEGIN FOR i IN $from..$((from + 99)) LOOP
			EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, name text, at timestamptz DEFAULT now(), n numeric)', i);
			EXECUTE format('INSERT INTO t%s SELECT g, ''row '' || g, now(), g / 7.0 FROM generate_series(1, 100) g', i);
			EXECUTE format('CREATE INDEX ON t%s (name)', i); END LOOP; END \$\$;"
	done | sql s "$1" >/dev/null
}
fill_toast() {
	sql s "$1" >/dev/null <<-SQL
		CREATE TABLE wide (id int PRIMARY KEY, body text, doc jsonb, raw bytea);
		ALTER TABLE wide ALTER raw SET STORAGE EXTERNAL;
		INSERT INTO wide SELECT g, (SELECT string_agg(md5((g * 1000 + i)::text), '') FROM generate_series(1, 300) i),
			(SELECT jsonb_agg(md5((g * 77 + i)::text)) FROM generate_series(1, 100) i),
			(SELECT string_agg(decode(md5((g * 7 + i)::text), 'hex'), '') FROM generate_series(1, 1000) i) FROM generate_series(1, $MB * 25) g;
	SQL
}
fill_keys() {
	{
		echo 'CREATE TABLE hub (id int PRIMARY KEY, name text); INSERT INTO hub SELECT g, md5(g::text) FROM generate_series(1, 50000) g;'
		local i
		for i in $(seq 1 20); do
			echo "CREATE TABLE f$i (id bigint PRIMARY KEY, hub int REFERENCES hub, prev int $( ((i > 1)) && echo "REFERENCES f$((i - 1))"), v numeric, at timestamptz, note text);
				INSERT INTO f$i SELECT g, 1 + g % 50000, $( ((i > 1)) && echo '1 + g % 1000' || echo NULL), g / 3.0, now(), md5(g::text) FROM generate_series(1, $MB * 7000 / 20 / (1 + $i % 4)) g;
				CREATE INDEX ON f$i (hub); CREATE INDEX ON f$i (at);"
		done
	} | sed 's/prev int REFERENCES f\([0-9]*\)/prev bigint REFERENCES f\1/' | sql s "$1" >/dev/null
}

fill_netbox() { sql s postgres -c "DROP DATABASE $1" >/dev/null && lab netbox s "$1" >/dev/null; }

# ---- the ways ----
way_pipe() { "$BIN/pg_dump" -Fc -Z0 -d "$(uri s "$1")" | "$BIN/pg_restore" -d "$(uri t "$2")"; }
way_directory() {
	rm -rf "$WORK/dump"
	"$BIN/pg_dump" -Fd -j "$JOBS" -f "$WORK/dump" -d "$(uri s "$1")" && "$BIN/pg_restore" -j "$JOBS" -d "$(uri t "$2")" "$WORK/dump"
	rm -rf "$WORK/dump"
}
way_pgcopydb() {
	rm -rf "$WORK/pgcopydb"
	PATH=$BIN:$PATH pgcopydb clone --dir "$WORK/pgcopydb" --no-owner --no-acl ${BINARY:-} --table-jobs "$JOBS" --index-jobs "$JOBS" \
		--source "$(uri s "$1")" --target "$(uri t "$2")" >"$WORK/pgcopydb.log" 2>&1 || { tail -n 5 "$WORK/pgcopydb.log"; return 1; }
}
way_binary() { BINARY=--use-copy-binary way_pgcopydb "$@"; }
# the server's own: indexes in place, until every table is ready
way_native() {
	"$BIN/pg_dump" -s --no-publications -d "$(uri s "$1")" | { psql -q -d "$(uri t "$2")" >/dev/null 2>&1 || true; }
	sql s "$1" -c 'CREATE PUBLICATION bench FOR ALL TABLES' >/dev/null
	sql t "$2" -c "CREATE SUBSCRIPTION bench CONNECTION '$(uri s "$1")' PUBLICATION bench" >/dev/null
	until_true 300 native_ready "$2"
}
native_ready() { [ "$(sql t "$1" -At -c "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'")" = 0 ]; }
native_end() {
	sql t "$2" -c 'DROP SUBSCRIPTION bench' >/dev/null
	sql s "$1" -c 'DROP PUBLICATION bench' >/dev/null
}
way_file() { TRANSFER=file way_pgusher "$@"; }
way_pgusher() {
	cat >"$WORK/x.ini" <<-INI
		[migration]
		name = x
		method = dump
		[source]
		host = 127.0.0.1
		port = $(get s PORT)
		user = postgres
		dbname = $1
		passfile = $(get s PASSFILE)
		[target]
		host = 127.0.0.1
		port = $(get t PORT)
		user = postgres
		dbname = $2
		passfile = $(get t PASSFILE)
		[dump]
		transfer = ${TRANSFER:-stream}
		jobs = $JOBS
		verify = off
	INI
	rm -rf "$XDG_STATE_HOME/pgusher/x"
	"$PGUSHER" run --json -c "$WORK/x.ini" --yes >"$WORK/pgusher.log" 2>&1 </dev/null || { tail -n 5 "$WORK/pgusher.log"; return 1; }
}

# CPU seconds of a server's sessions that have ended
server_cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($14 + $15) / hz }' "/proc/$(head -n 1 "$(get "$1" PGDATA)/postmaster.pid")/stat"; }
calc() { awk "BEGIN { printf \"%.2f\", $* }"; }
best() { sort -n | head -n 1; }

# Databases are dropped in the end: ext4 looks long for an inode that was not freed a minute ago, and the next way would pay.
# measure CASE WAY ROUND: appends "wall cpu wall_with_statistics" to its file
measure() {
	local db=$1 way=$2 to=$1_$2_$3 t0 c0 wall client stats
	sql t postgres -c "CREATE DATABASE $to TEMPLATE template0" -c CHECKPOINT >/dev/null
	c0=$(calc "$(server_cpu s) + $(server_cpu t)")
	t0=$(now)
	TIMEFORMAT='%U %S'
	client=$({ time "way_$way" "$db" "$to" >&2; } 2>&1 >/dev/null | tail -n 1)
	wall=$(calc "$(now) - $t0")
	stats=$wall
	if [ "$way" = pgusher ]; then # what it does around the copy, the others do not do: the step alone
		wall=$(sed -n 's/.*"kind":"step","state":"done","id":"copy".*"ms":\([0-9]*\).*/\1/p' "$XDG_STATE_HOME/pgusher/x/journal.jsonl")
		wall=$(calc "$wall / 1000") stats=$wall
		eta >>"$WORK/$db.eta"
	elif [ "$way" = native ]; then
		native_end "$db" "$to"
	elif [ "$way" != pgcopydb ] && [ "$way" != binary ] && [ "$way" != file ]; then
		"$BIN/vacuumdb" -q --analyze-only -j "$JOBS" -d "$(uri t "$to")"
		stats=$(calc "$(now) - $t0")
	fi
	sleep 0.2
	echo "$wall $(calc "$(server_cpu s) + $(server_cpu t) - $c0 + ${client/ / + }") $stats $(calc "${client/ / + }")" >>"$WORK/$db.$way"
	[ "$(rows_of s "$db")" = "$(rows_of t "$to")" ] || echo "WRONG: $way has not all rows of $db"
}
rows_of() { sql "$1" "$2" -At -c "SELECT sum((xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || oid::regclass, false, true, '')))[1]::text::bigint) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"; }

# Percent that the estimate after the first tenth of the copy was off.
eta() {
	perl -MJSON::PP -MTime::Local -ne 'next unless /^\{/; my $e = eval { decode_json($_) } or next; next unless ($e->{id} // "") eq "copy";
		$e->{at} =~ /(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z/ or next; my $at = timegm(int $6, $5, $4, $3, $2 - 1, $1) + $6 - int $6;
		$begin = $at if $e->{kind} eq "step" && $e->{state} eq "running"; $end = $at if $e->{kind} eq "step" && $e->{state} eq "done";
		push @p, [$at, ($e->{ms} // 0) / 1000] if $e->{kind} eq "progress" && $e->{ms};
		END { for (@p) { next if $_->[0] < $begin + ($end - $begin) / 10; printf "%.0f\n", abs($_->[0] + $_->[1] - $end) / ($end - $_->[0]) * 100; last } }' "$WORK/pgusher.log"
}
# Largest memory of a run with 8 sessions, kB.
rss() {
	local pid kb=0 now
	sql t postgres -c "CREATE DATABASE rss_$1 TEMPLATE template0" >/dev/null
	JOBS=8 way_pgusher "$1" "rss_$1" &
	while kill -0 $! 2>/dev/null; do
		pid=$(pgrep -f "^$PGUSHER run --json -c $WORK/x.ini" | head -n 1) || true
		now=$(awk '/^VmHWM/ { print $2 }' "/proc/${pid:-none}/status" 2>/dev/null) || true
		[ "${now:-0}" -le "$kb" ] || kb=$now
		sleep 0.05
	done
	sql t postgres -c "DROP DATABASE rss_$1" >/dev/null
	echo "$kb"
}

ways='pipe directory'
[ -n "${BENCH_NO_PGCOPYDB:-}" ] || ! command -v pgcopydb >/dev/null || ways="$ways pgcopydb"
! pgcopydb clone --help 2>&1 | grep -q -- --use-copy-binary || ways="$ways binary"
common="$ways file pgusher"
best_of() { column_of "$c.$1" "${2:-1}" best; }
# over WAY TARGET: how many times as long
over() { [[ " $ways " != *" $1 "* ]] || figure "copy, $c: $1 over ours" "$(calc "$(best_of "$1") / $(best_of pgusher)")" x "$2" "best $(best_of "$1") s to $(best_of pgusher) s"; }
targets() {
	local w peer='' cpu client
	for w in $ways; do
		[ "$w" = pgusher ] || [ "$w" = file ] || peer=$(printf '%s %s\n' "$(best_of "$w")" "$w" "$peer" | awk 'NF == 2 { print $1, $2 }' | sort -n | sed -n 1p)
	done
	over "${peer#* }" "> $([ "$c" = small ] && echo 1.3 || echo 1)"
	case $c in
	big) over pipe '> 1.3'; over pgcopydb '> 1.3'; over binary '> 1.1' ;;
	small) over pgcopydb '> 3' ;;
	netbox) over native '> 5' ;;
	keys) figure "copy, $c: estimate after the first tenth, off by" "$(median <"$WORK/$c.eta")" % '< 20' "all rounds: $(paste -sd' ' "$WORK/$c.eta")" ;;
	esac
	cpu=$(best_of pgusher 2) client=$(best_of pgusher 4)
	[ "$c" != big ] || figure "copy, $c: wall over (processor seconds / processors)" "$(calc "$(best_of pgusher) / ($cpu / $(nproc))")" x '< 1.5' "$cpu processor seconds"
	figure "copy, $c: our own processor time, of the servers'" "$(calc "$client / ($cpu - $client) * 100")" % "$([ "$c" = big ] && echo '< 10' || echo -)"
	[ "$c" != big ] || figure "copy, $c: memory with 8 sessions" "$(calc "$(rss "$c") / 1024")" MB '< 64'
}
column_of() { awk -v c="$2" '{ print $c }' "$WORK/$1" | "${3:-median}"; }
for c in $CASES; do
	ways=$common
	[ "$c" != netbox ] || ways="native $ways"
	sql s postgres -c "CREATE DATABASE $c TEMPLATE template0" >/dev/null
	"fill_$c" "$c" || { echo "$c is left out"; continue; }
	sql s "$c" -c 'VACUUM ANALYZE' -c CHECKPOINT >/dev/null
	for ((r = 1; r <= ROUNDS; r++)); do
		for w in $ways; do measure "$c" "$w" "$r"; done
	done
	ours=$(column_of "$c.pgusher" 1)
	echo "$c ($(sql s "$c" -At -c 'SELECT pg_size_pretty(pg_database_size(current_database()))')), $JOBS jobs, PostgreSQL $MAJOR, fsync ${BENCH_FSYNC:-on}, median of $ROUNDS"
	for w in $ways; do
		wall=$(column_of "$c.$w" 1) cpu=$(column_of "$c.$w" 2) stats=$(column_of "$c.$w" 3)
		printf '  %-10s %7s s  %7s CPU s   with statistics %7s s   pgusher is %5.2f x as fast, best rounds %5.2f x, with statistics %5.2f x   rounds: %s\n' \
			"$w" "$wall" "$cpu" "$stats" "$(calc "$wall / $ours")" "$(calc "$(column_of "$c.$w" 1 best) / $(column_of "$c.pgusher" 1 best)")" \
			"$(calc "$stats / $ours")" "$(awk '{ printf "%s ", $1 }' "$WORK/$c.$w")"
	done
	targets
	sql s postgres -c "DROP DATABASE $c" >/dev/null
	for ((r = 1; r <= ROUNDS; r++)); do for w in $ways; do sql t postgres -c "DROP DATABASE IF EXISTS ${c}_${w}_$r" >/dev/null; done; done
done
