# Shared by the benchmarks; to be sourced. Figures go to the screen, and as lines "figure<TAB>value<TAB>unit<TAB>target<TAB>remark" to
# BENCH_FIGURES, when that is set. Nothing is asserted.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../lab/common.sh
. tests/lab/common.sh
PGUSHER=${PGUSHER_BIN:-$PWD/pgusher}
WORK=$(mktemp -d /tmp/pgusher-bench.XXXXXX)
chmod 755 "$WORK"
export PGUSHER_LAB=$WORK/lab XDG_STATE_HOME=$WORK/state
unset PGPASSWORD PGUSER PGHOST PGPORT PGDATABASE PGSERVICE
trap 'tests/lab/lab sweep >/dev/null 2>&1; rm -rf "$WORK"' EXIT

lab() { tests/lab/lab "$@"; }
get() { (. "$PGUSHER_LAB/$1/env" && eval "echo \$$2"); } # SERVER VARIABLE
sql() { lab psql "$1" "$2" "${@:3}"; }
now() { date +%s.%N; }
calc() { awk "BEGIN { printf \"%.4f\", $* }"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# figure NAME VALUE UNIT TARGET [REMARK]; a target is "< N", "> N" or -
figure() {
	printf '  %-60s %9s %-5s  %s\n' "$1" "$2" "$3" "${5:-}"
	[ -z "${BENCH_FIGURES:-}" ] || printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "${5:-}" >>"$BENCH_FIGURES"
}
