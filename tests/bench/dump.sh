#!/usr/bin/env bash
# The dump method against pg_dump and pg_restore typed by hand, in one run on one pair of servers, interleaved:
#   tests/bench/dump.sh [MB] [ROUNDS]     600 (or BENCH_MB) and 3 by default; the NetBox demo database, too, where its dump is
# A way is everything from nothing to a database with statistics: CREATE DATABASE, the copy, vacuumdb --analyze-in-stages; pgusher also
# looks at both servers, keeps its journal and, with verify=checksum, proves. Its own commands are also run by hand (plan --shell): what
# is between them and the steps of a run is the engine; what a run does outside its steps takes a fixed time, which is a figure of its own.
# Targets look at the best round of each way: whatever else the machine does only adds.
. "$(dirname "$0")/common.sh"
MB=${1:-${BENCH_MB:-600}} ROUNDS=${2:-3} JOBS=2 MAJOR=16
! server_bindir 15 >/dev/null || MAJOR=15
export PGPASSFILE=$WORK/passfile

for s in s t; do lab up "$s" "$MAJOR" max_wal_size=4GB shared_buffers=256MB >/dev/null; done
for s in s t; do echo "$(get $s HOST):$(get $s PORT):*:postgres:$(get $s PASSWORD)"; done >"$PGPASSFILE"
chmod 600 "$PGPASSFILE"
to() { echo "host=$(get "$1" HOST) port=$(get "$1" PORT) user=postgres dbname=$2"; }

# ---- the ways: DB on s becomes DB on t ----
analyze() { "$BIN/vacuumdb" -q --analyze-in-stages -j $JOBS -d "$(to t "$1")" >/dev/null; }
make_db() { sql t postgres -c "CREATE DATABASE \"$1\" TEMPLATE template0" >/dev/null; }
way_directory() {
	make_db "$1"
	"$BIN/pg_dump" -Fd -j $JOBS -f "$WORK/dump" -d "$(to s "$1")"
	"$BIN/pg_restore" -j $JOBS -d "$(to t "$1")" "$WORK/dump"
	analyze "$1"
	rm -rf "$WORK/dump"
}
way_pipe() {
	make_db "$1"
	"$BIN/pg_dump" -Fc -Z0 -d "$(to s "$1")" | "$BIN/pg_restore" -d "$(to t "$1")"
	analyze "$1"
}
ini() { # DB LINE...
	printf '[migration]\nname = bench\nmethod = dump\n'
	local side
	for side in s t; do
		printf '[%s]\nhost = %s\nport = %s\nuser = postgres\ndbname = %s\npassfile = %s\n' "$([ $side = s ] && echo source || echo target)" \
			"$(get $side HOST)" "$(get $side PORT)" "$1" "$PGPASSFILE"
	done
	printf '[dump]\njobs = %s\n' $JOBS
	shift
	printf '%s\n' "$@"
}
run_pgusher() { # DB LINE...
	rm -rf "$XDG_STATE_HOME/pgusher/bench"
	ini "$@" >"$WORK/bench.ini"
	"$PGUSHER" run -c "$WORK/bench.ini" --yes >"$WORK/pgusher.log" 2>&1 </dev/null || { tail -n 15 "$WORK/pgusher.log"; return 1; }
	steps_s >>"$WORK/steps"
}
# Seconds of the last run's steps.
steps_s() {
	awk 'match($0, /"kind":"step","state":"done".*"ms":[0-9]+/) { n = $0; sub(/.*"ms":/, "", n); ms += n + 0 } END { printf "%.2f\n", ms / 1000 }' \
		"$XDG_STATE_HOME/pgusher/bench/journal.jsonl"
}
way_file() { run_pgusher "$1" 'transfer = file' 'verify = off'; }
way_stream() { run_pgusher "$1" 'transfer = stream' 'verify = off'; }
way_proven_file() { run_pgusher "$1" 'transfer = file' 'verify = checksum'; }
way_proven_stream() { run_pgusher "$1" 'transfer = stream' 'verify = checksum'; }
# What pgusher would run, by hand
way_same_file() {
	ini "$1" 'transfer = file' 'verify = off' >"$WORK/bench.ini"
	"$PGUSHER" plan --shell -c "$WORK/bench.ini" >"$WORK/plan.sh"
	mkdir -p "$XDG_STATE_HOME/pgusher/bench"
	sh "$WORK/plan.sh" >"$WORK/plan.log" 2>&1 || { tail -n 15 "$WORK/plan.log"; return 1; }
	rm -rf "$XDG_STATE_HOME/pgusher/bench"
}

# the programs that pgusher chooses: the same for all
programs() {
	ini postgres 'transfer = file' >"$WORK/bench.ini"
	sed -i '/^\[target\]/,$ s/^dbname = .*/dbname = nothing_yet/' "$WORK/bench.ini"
	"$PGUSHER" plan --shell -c "$WORK/bench.ini" | grep -o '/[^ ]*/pg_dump' | head -n 1 | xargs dirname
}

# measure DB WAY: appends its seconds to DB.WAY, those of a processor here (not in the servers) to DB.WAY.cpu
measure() {
	sql t postgres -c "DROP DATABASE IF EXISTS \"$1\"" -c CHECKPOINT >/dev/null
	sql s postgres -c CHECKPOINT >/dev/null
	rm -f "$WORK/steps"
	TIMEFORMAT='%R %U %S'
	{ time "way_$2" "$1" >&3 2>&3; } 3>&2 2>"$WORK/time"
	awk -v to="$WORK/$1.$2" '{ print $1 >> to; print $2 + $3 >> (to ".cpu") }' "$WORK/time"
	[ ! -f "$WORK/steps" ] || cat "$WORK/steps" >>"$WORK/$1.$2.steps"
	[ "$(counts s "$1")" = "$(counts t "$1")" ] || { echo "WRONG: $2 has not all of $1"; exit 1; }
}
counts() { sql "$1" "$2" -At -c "SELECT count(*), sum((xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || oid::regclass, false, true, '')))[1]::text::bigint) FROM pg_class WHERE relkind = 'r' AND relnamespace > 16000 OR relkind = 'r' AND relnamespace = 'public'::regnamespace"; }
of() { median <"$WORK/$1.$2"; }
best() { sort -n "$WORK/$1.$2" | head -n 1; }
# ratio DB A B TARGET TEXT: percent of A over B, and A as so many times B
ratio() {
	figure "$1: $5" "$(awk "BEGIN { printf \"%.1f\", ($(best "$1" "$2") / $(best "$1" "$3") - 1) * 100 }")" % "$4" \
		"$(awk "BEGIN { printf \"%.3f\", $(best "$1" "$2") / $(best "$1" "$3") }") x: best $(best "$1" "$2") s to $(best "$1" "$3") s, median $(of "$1" "$2") s to $(of "$1" "$3") s"
}

# compare DB TITLE TARGET WAY...
compare() {
	local db=$1 title=$2 target=$3 r w
	shift 3
	for ((r = 1; r <= ROUNDS; r++)); do
		for w; do measure "$db" "$w"; done
	done
	echo "$title: PostgreSQL $MAJOR, $("$BIN/pg_dump" --version), $JOBS jobs, $ROUNDS interleaved rounds"
	for w; do printf '  %-16s median %8.2f s   rounds: %s\n' "$w" "$(of "$db" "$w")" "$(paste -sd' ' "$WORK/$db.$w")"; done
	[ ! -f "$WORK/$db.same_file" ] || ratio "$db" file.steps same_file "$target" 'file, unproven: steps over its own commands by hand'
	ratio "$db" file.steps directory "$target" 'file, unproven: steps over pg_dump -Fd, pg_restore'
	ratio "$db" stream.steps pipe "$target" 'stream, unproven: steps over pg_dump | pg_restore'
	ratio "$db" file.cpu directory.cpu - 'file, unproven: processor over pg_dump -Fd, pg_restore'
	ratio "$db" stream.steps directory - 'stream, unproven: steps over pg_dump -Fd, pg_restore'
	paste "$WORK/$db.stream" "$WORK/$db.stream.steps" | awk '{ print $1 - $2 }' >"$WORK/$db.outside"
	figure "$db: outside its steps: facts, preflight, plan, report" "$(of "$db" outside)" s - 'of a whole run'
	[ ! -f "$WORK/$db.proven_file" ] || ratio "$db" proven_file file - 'file, whole run: what the proof costs'
	ratio "$db" proven_stream stream - 'stream, whole run: what the proof costs'
}

BIN=$(programs)
# roles are not what is measured
for role in app netbox; do sql t postgres -c "CREATE ROLE $role" >/dev/null; done
lab rows s rows "$MB"
compare rows "Rows, $MB MB" "< 3" directory same_file file proven_file pipe stream proven_stream
if lab netbox s netbox 2>"$WORK/netbox.err"; then
	compare netbox NetBox - directory file pipe stream proven_stream
else
	echo "NetBox left out: $(cat "$WORK/netbox.err")"
fi
