#!/usr/bin/env bash
# The proof's speed against count(*), hashtextextended(t::text) and md5(t::text), in one run on one database:
#   tests/bench/verify.sh [MB] [MAJOR] [JOBS]     600 MB of pgbench-like rows on PostgreSQL 14, 2 jobs by default
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/lab/common.sh

MB=${1:-600} MAJOR=${2:-14} JOBS=${3:-2} BUILD=${BUILD:-build/release}
PGUSHER_LAB=$(mktemp -d /tmp/pgusher-bench.XXXXXX)
export PGUSHER_LAB
chmod 755 "$PGUSHER_LAB"
trap 'tests/lab/lab sweep >/dev/null 2>&1; rm -rf "$PGUSHER_LAB"' EXIT

make -s BUILD="$BUILD" "$BUILD/libcore.a"
"${CC:-gcc}" -std=gnu11 -O2 -g -Wall -Wextra -Werror -Icore -isystem "$(pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)" \
	-D_GNU_SOURCE -o "$PGUSHER_LAB/verify" tests/bench/verify.c "$BUILD/libcore.a" -pthread -lpq -ljansson -linih -lm
tests/lab/lab up s "$MAJOR" shared_buffers=512MB >/dev/null
tests/lab/lab rows s bench "$MB"
conninfo=$(. "$PGUSHER_LAB/s/env" && echo "host=$HOST port=$PORT user=postgres password=$PASSWORD dbname=bench")
"$PGUSHER_LAB/verify" "$conninfo" "$conninfo" "$JOBS" | tee "$PGUSHER_LAB/out"
[ -z "${BENCH_FIGURES:-}" ] || awk -v mb="$MB" '
	/^count/ { printf "proof: our checksum against count(*)\t%.2f\tx time\t-\t%d MB of rows\n", 1 / $(NF - 2), mb }
	/^(hash|md5)/ { printf "proof: %s against our checksum\t%.2f\tx time\t> 1\t\n", $1, $(NF - 2) }' "$PGUSHER_LAB/out" >>"$BENCH_FIGURES"
