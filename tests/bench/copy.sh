#!/usr/bin/env bash
# The stream's copy against what a user would take instead, in one run on one pair of servers:
#   tests/bench/copy.sh [CASES] [ROUNDS] [MAJOR] [JOBS]    "big small toast keys netbox eta", 3 rounds, PostgreSQL 15, 2 jobs by default
#   BENCH_MB=400 of rows and BENCH_TABLES=2000 small tables change the sizes; BENCH_ONCE=60: a way that took longer is not done again;
#   BENCH_WAYS="pipe pgusher": only these
# Cases: one big table with three indexes; many small tables; wide rows with TOAST; mixed, with foreign keys; the NetBox demo database;
# eta: mixed and four times as large, ours alone, for what it says after the first tenth about the rest.
# Ways: pg_dump -Fd -j and pg_restore -j; pg_dump | pg_restore; pgcopydb, and its binary mode, when they are here; the server's own
# tablesync (not with the small tables, for which it takes minutes); our own transfer = file.
# Wall seconds are medians of the rounds, which are interleaved; processor seconds are all that the servers and the client used. Ours has
# statistics of all tables at its end; for those who have none, vacuumdb --analyze-only is a second figure. Nobody proves anything here.
# A way that fails is said, and left out. Targets look at the best round of each way: whatever else the machine does only adds.
. "$(dirname "$0")/common.sh"

CASES=${1:-big small toast keys netbox eta} ROUNDS=${2:-3} MAJOR=${3:-15} JOBS=${4:-2} MB=${BENCH_MB:-400} TABLES=${BENCH_TABLES:-2000} ONCE=${BENCH_ONCE:-60}
BIN=$(client_bindir "$MAJOR")
for s in s t; do
	lab up $s "$MAJOR" shared_buffers=512MB max_wal_size=4GB max_connections=60 max_locks_per_transaction=256 wal_level=logical "fsync=${BENCH_FSYNC:-on}" >/dev/null
done
for role in app netbox; do sql t postgres -c "CREATE ROLE $role" >/dev/null 2>&1 || true; done # roles are not what is measured
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
# some N: small tables s1 .. sN
some() {
	local from to
	for ((from = 1; from <= $1; from += 100)); do
		to=$((from + 99 < $1 ? from + 99 : $1))
		echo "DO \$\$ BEGIN FOR i IN $from..$to LOOP
			EXECUTE format('CREATE TABLE s%s (id int PRIMARY KEY, name text, at timestamptz DEFAULT now(), n numeric)', i);
			EXECUTE format('INSERT INTO s%s SELECT g, ''row '' || g, now(), g / 7.0 FROM generate_series(1, 100) g', i);
			EXECUTE format('CREATE INDEX ON s%s (name)', i); END LOOP; END \$\$;"
	done
}
fill_small() { some "$TABLES" | sql s "$1" >/dev/null; }
# wide ROWS
wide() {
	cat <<-SQL
		CREATE TABLE wide (id int PRIMARY KEY, body text, doc jsonb, raw bytea);
		ALTER TABLE wide ALTER raw SET STORAGE EXTERNAL;
		INSERT INTO wide SELECT g, (SELECT string_agg(md5((g * 1000 + i)::text), '') FROM generate_series(1, 300) i),
			(SELECT jsonb_agg(md5((g * 77 + i)::text)) FROM generate_series(1, 100) i),
			(SELECT string_agg(decode(md5((g * 7 + i)::text), 'hex'), '') FROM generate_series(1, 1000) i) FROM generate_series(1, $1) g;
	SQL
}
fill_toast() { wide $((MB * 25)) | sql s "$1" >/dev/null; }
# Everything at once: tables of all sizes that point to one and to each other, small ones, wide ones.
fill_keys() {
	{
		echo 'CREATE TABLE hub (id int PRIMARY KEY, name text); INSERT INTO hub SELECT g, md5(g::text) FROM generate_series(1, 50000) g;'
		local i
		for i in $(seq 1 20); do
			echo "CREATE TABLE f$i (id bigint PRIMARY KEY, hub int REFERENCES hub, prev bigint $( ((i > 1)) && echo "REFERENCES f$((i - 1))"), v numeric, at timestamptz, note text);
				INSERT INTO f$i SELECT g, 1 + g % 50000, $( ((i > 1)) && echo '1 + g % 1000' || echo NULL), g / 3.0, now(), md5(g::text) FROM generate_series(1, $MB * 7000 / 20 / (1 + $i % 4)) g;
				CREATE INDEX ON f$i (hub); CREATE INDEX ON f$i (at);"
		done
		some $((TABLES / 20))
		wide $((MB * 3))
		echo 'ALTER TABLE wide ADD FOREIGN KEY (id) REFERENCES hub;'
	} | sql s "$1" >/dev/null
}
fill_eta() { MB=$((MB * 4)) fill_keys "$1"; }
fill_netbox() { sql s postgres -c "DROP DATABASE $1" >/dev/null && lab netbox s "$1" >/dev/null; }

# ---- the ways ----
way_pipe() { "$BIN/pg_dump" -Fc -Z0 -d "$(uri s "$1")" | "$BIN/pg_restore" -d "$(uri t "$2")"; }
way_directory() {
	"$BIN/pg_dump" -Fd -j "$JOBS" -f "$WORK/dump" -d "$(uri s "$1")" && "$BIN/pg_restore" -j "$JOBS" -d "$(uri t "$2")" "$WORK/dump"
}
way_pgcopydb() {
	PATH=$BIN:$PATH pgcopydb clone --dir "$WORK/pgcopydb" --no-owner --no-acl ${BINARY:-} --table-jobs "$JOBS" --index-jobs "$JOBS" \
		--source "$(uri s "$1")" --target "$(uri t "$2")"
}
way_binary() { BINARY=--use-copy-binary way_pgcopydb "$@"; }
# the server's own: indexes in place, until every table is ready
way_native() {
	"$BIN/pg_dump" -s --no-publications -d "$(uri s "$1")" | "$BIN/psql" -q -d "$(uri t "$2")" &&
		sql s "$1" -c 'CREATE PUBLICATION bench FOR ALL TABLES' &&
		sql t "$2" -c "CREATE SUBSCRIPTION bench CONNECTION '$(uri s "$1")' PUBLICATION bench" && until_true 300 native_ready "$2"
}
native_ready() { [ "$(sql t "$1" -At -c "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'")" = 0 ]; }
native_end() {
	sql t "$2" -c 'DROP SUBSCRIPTION IF EXISTS bench'
	sql s "$1" -c 'DROP PUBLICATION IF EXISTS bench'
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
		jobs = ${RUN_JOBS:-$JOBS}
		verify = off
	INI
	"$PGUSHER" run --json -c "$WORK/x.ini" --yes </dev/null
}
tidy() { rm -rf "$WORK/dump" "$WORK/pgcopydb" "$XDG_STATE_HOME/pgusher/x"; }

# ---- one measurement ----
# Processor seconds of a server: of the sessions that have ended, and of all processes that run.
server_cpu() {
	perl -e 'my ($p, $hz) = @ARGV; sub st { open my $f, "<", "/proc/$_[0]/stat" or return; local $_ = <$f>; s/.*\) //; return split }
		my @s = st($p); my $t = @s ? $s[11] + $s[12] + $s[13] + $s[14] : 0;
		for (glob "/proc/[0-9]*") { my $q = substr $_, 6; my @c = st($q); $t += $c[11] + $c[12] if @c && $c[1] == $p } printf "%.2f", $t / $hz' \
		"$(head -n 1 "$(get "$1" PGDATA)/postmaster.pid")" "$(getconf CLK_TCK)"
}
servers_cpu() { calc "$(server_cpu s) + $(server_cpu t)"; }
calc() { awk "BEGIN { printf \"%.2f\", $* }"; }
per() { awk "BEGIN { if (($2) > 0) printf \"%.${3:-2}f\", ($1) / ($2); else printf \"-\" }"; }
best() { sort -n | head -n 1; }
# column CASE.WAY N [best]
column() { awk -v c="$2" '{ print $c }' "$WORK/$1" | "${3:-median}"; }

# measure CASE WAY ROUND: appends "wall servers_cpu client_cpu wall_with_statistics" to its file
measure() {
	local db=$1 way=$2 to=$1_$2_$3 t0 c0 cpu wall client stats failed=
	tidy
	sql t postgres -c "CREATE DATABASE $to TEMPLATE template0" -c CHECKPOINT >/dev/null
	c0=$(servers_cpu)
	t0=$(now)
	TIMEFORMAT='%U + %S'
	{ time "way_$way" "$db" "$to" >"$WORK/out" 2>&1; } 2>"$WORK/time" || failed=1
	wall=$(calc "$(now) - $t0")
	sleep 0.2 # until the last sessions are gone
	cpu=$(calc "$(servers_cpu) - $c0") client=$(calc "$(tail -n 1 "$WORK/time")") stats=$wall
	if [ -z "$failed" ] && [ "$(rows_of s "$db")" != "$(rows_of t "$to")" ]; then
		failed=1
		echo 'not all rows are there' >>"$WORK/out"
	fi
	[ "$way" != native ] || native_end "$db" "$to" >/dev/null 2>&1 || true
	if [ -n "$failed" ]; then
		echo "FAILED: $way with $db: $(tail -n 3 "$WORK/out")"
		touch "$WORK/$db.$way.failed"
		return
	fi
	case $way in
	pgusher) # what it does around the copy, the others do not do: the step alone
		wall=$(calc "$(sed -n 's/.*"kind":"step","state":"done","id":"copy".*"ms":\([0-9]*\).*/\1/p' "$XDG_STATE_HOME/pgusher/x/journal.jsonl") / 1000") stats=$wall
		eta >>"$WORK/$db.eta"
		;;
	pipe | directory | native)
		t0=$(now)
		"$BIN/vacuumdb" -q --analyze-only -j "$JOBS" -d "$(uri t "$to")"
		stats=$(calc "$wall + $(now) - $t0")
		;;
	esac
	echo "$wall $cpu $client $stats" >>"$WORK/$db.$way"
	[ "${wall%.*}" -lt "$ONCE" ] || touch "$WORK/$db.$way.once"
}
rows_of() { sql "$1" "$2" -At -c "SELECT sum((xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || oid::regclass, false, true, '')))[1]::text::bigint) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"; }

# Percent that the estimate after the first tenth of the copy was off.
eta() {
	perl -MJSON::PP -MTime::Local -ne 'next unless /^\{/; my $e = eval { decode_json($_) } or next; next unless ($e->{id} // "") eq "copy";
		$e->{at} =~ /(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z/ or next; my $at = timegm(int $6, $5, $4, $3, $2 - 1, $1) + $6 - int $6;
		$begin = $at if $e->{kind} eq "step" && $e->{state} eq "running"; $end = $at if $e->{kind} eq "step" && $e->{state} eq "done";
		push @p, [$at, ($e->{ms} // 0) / 1000] if $e->{kind} eq "progress" && $e->{ms};
		END { for (@p) { next if $_->[0] < $begin + ($end - $begin) / 10; printf "%.0f\n", abs($_->[0] + $_->[1] - $end) / ($end - $_->[0]) * 100; last } }' "$WORK/out"
}

# The program of a way that runs in the background: the shell's child, or what the shell has become.
program() { { pgrep -P "$1" -f "run --json -c $WORK/x.ini" || echo "$1"; } | head -n 1; }
# Largest memory of a run with 8 sessions, kB; how long a cancel takes until the last session is gone, seconds.
rss() {
	local pid kb=0 seen
	tidy
	sql t postgres -c "CREATE DATABASE rss TEMPLATE template0" >/dev/null
	RUN_JOBS=8 way_pgusher "$1" rss >"$WORK/out" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		seen=$(awk '/^VmHWM/ { print $2 }' "/proc/$(program $pid)/status" 2>/dev/null) || true
		[ "${seen:-0}" -le "$kb" ] || kb=$seen
		sleep 0.05
	done
	wait $pid || echo "FAILED: $(tail -n 3 "$WORK/out")" >&2
	sql t postgres -c "DROP DATABASE rss" >/dev/null
	echo "$kb"
}
sessions() { sql s postgres -At -c "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgusher x%'"; }
copying() { [ "$(sql t postgres -At -c "SELECT count(*) FROM pg_stat_progress_copy WHERE tuples_processed > 0")" != 0 ]; }
no_sessions() { [ "$(sessions)" = 0 ]; }
cancel() {
	local pid t0
	tidy
	sql t postgres -c "CREATE DATABASE cancelled TEMPLATE template0" >/dev/null
	way_pgusher "$1" cancelled >"$WORK/out" 2>&1 &
	pid=$!
	until_true 60 copying || echo 'nothing was copied' >&2
	t0=$(now)
	kill -TERM "$(program $pid)"
	until_true 60 no_sessions || true
	calc "$(now) - $t0"
	wait $pid || true
	sql t postgres -c "DROP DATABASE cancelled" >/dev/null
}

# ---- what comes out ----
# over CASE WAY TARGET: how many times as long
over() {
	[ -s "$WORK/$1.$2" ] || return 0
	figure "copy, $1: $2 over ours" "$(per "$(column "$1.$2" 1 best)" "$(column "$1.pgusher" 1 best)")" x "$3" \
		"best $(column "$1.$2" 1 best) s to $(column "$1.pgusher" 1 best) s"
}
fastest() {
	local w
	for w in $ways; do
		[ "$w" = pgusher ] || [ "$w" = file ] || [ ! -s "$WORK/$1.$w" ] || echo "$(column "$1.$w" 1 best) $w"
	done | sort -n | awk 'NR == 1 { print $2 }'
}
targets() {
	local c=$1 cpu client wall
	[ ! -s "$WORK/$c.eta" ] || figure "copy, $c: estimate after the first tenth, off by" "$(median <"$WORK/$c.eta")" % "$([ "$c" = eta ] && echo '< 20' || echo -)" "all rounds: $(paste -sd' ' "$WORK/$c.eta")"
	[ "$c" != eta ] || return 0
	over "$c" "$(fastest "$c")" "> $([ "$c" = small ] && echo 1.3 || echo 1)"
	case $c in
	big) over big pipe '> 1.3'; over big pgcopydb '> 1.3'; over big binary '> 1.1' ;;
	small) over small pgcopydb '> 3' ;;
	netbox) over netbox native '> 5' ;;
	esac
	wall=$(column "$c.pgusher" 1 best) cpu=$(column "$c.pgusher" 2 best) client=$(column "$c.pgusher" 3 best)
	figure "copy, $c: wall over (servers' processor seconds / processors)" "$(per "$wall" "$cpu / $(nproc)")" x "$([ "$c" = big ] && echo '< 1.5' || echo -)" "$wall s, $cpu processor seconds"
	figure "copy, $c: our own processor time, of the servers'" "$(per "$client * 100" "$cpu" 1)" % "$([ "$c" = big ] && echo '< 10' || echo -)" "$client s, pg_dump's and the preflight's among them"
	[ "$c" != big ] || figure "copy, $c: memory with 8 sessions" "$(calc "$(rss "$c") / 1024")" MB '< 64'
	[ "$c" != big ] || figure "copy, $c: from a cancel until the last session is gone" "$(cancel "$c")" s '< 1'
}
table() {
	local c=$1 w wall stats
	echo "$c ($(sql s "$c" -At -c 'SELECT pg_size_pretty(pg_database_size(current_database()))')), $JOBS jobs, PostgreSQL $MAJOR, fsync ${BENCH_FSYNC:-on}, medians of $ROUNDS interleaved rounds"
	printf '  %-10s %8s %8s %8s   %10s %8s   %10s %10s   %s\n' way wall 'to ours' 'best' 'and stats' 'to ours' 'servers cpu' 'client cpu' rounds
	for w in $ways; do
		[ -s "$WORK/$c.$w" ] || continue
		wall=$(column "$c.$w" 1) stats=$(column "$c.$w" 4)
		printf '  %-10s %8s %7sx %7sx   %10s %7sx   %10s %10s   %s\n' "$w" "$wall" "$(per "$wall" "$(column "$c.pgusher" 1)")" \
			"$(per "$(column "$c.$w" 1 best)" "$(column "$c.pgusher" 1 best)")" "$stats" "$(per "$stats" "$(column "$c.pgusher" 4)")" \
			"$(column "$c.$w" 2)" "$(column "$c.$w" 3)" "$(awk '{ printf "%s ", $1 }' "$WORK/$c.$w")"
	done
}
drop_targets() { # CASE ROUND
	local w
	for w in $ways; do sql t postgres -c "DROP DATABASE IF EXISTS ${1}_${w}_$2" >/dev/null 2>&1 || true; done
}

peers='pipe directory'
[ -n "${BENCH_NO_PGCOPYDB:-}" ] || ! command -v pgcopydb >/dev/null || peers="$peers pgcopydb"
! pgcopydb clone --help 2>&1 | grep -q -- --use-copy-binary || peers="$peers binary"
for c in $CASES; do
	ways="$peers native file pgusher"
	[ "$c" != small ] || ways="$peers file pgusher"
	ways=${BENCH_WAYS:-$ways}
	[ "$c" != eta ] || ways=pgusher
	sql s postgres -c "CREATE DATABASE $c TEMPLATE template0" >/dev/null
	"fill_$c" "$c" || { echo "$c is left out"; continue; }
	sql s "$c" -c 'VACUUM ANALYZE' -c CHECKPOINT >/dev/null
	for ((r = 1; r <= ROUNDS; r++)); do
		for w in $ways; do
			[ -e "$WORK/$c.$w.failed" ] || [ -e "$WORK/$c.$w.once" ] || measure "$c" "$w" "$r"
			# every way finds free buffers; but many files: ext4 looks long for an inode that was not freed a minute ago, and the next way would pay
			[[ $c == small || $c == netbox ]] || drop_targets "$c" "$r"
		done
	done
	if [ -s "$WORK/$c.pgusher" ]; then
		table "$c"
		targets "$c"
	fi
	for ((r = 1; r <= ROUNDS; r++)); do drop_targets "$c" "$r"; done
	sql s postgres -c "DROP DATABASE $c" >/dev/null
done
