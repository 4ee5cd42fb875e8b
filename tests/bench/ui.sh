#!/usr/bin/env bash
# The wizard on a pseudo-terminal: start, keys while a run delivers its log, doing nothing, memory, the preflight of many tables:
#   tests/bench/ui.sh [TABLES] [IDLE_SECONDS] [KEY_SECONDS]     10000, 20 and 20 by default
. "$(dirname "$0")/common.sh"
TABLES=${1:-10000} IDLE=${2:-20} KEYS=${3:-20}

make -s build/release/bench/ui
conninfo() { echo "host=$(get "$1" HOST) port=$(get "$1" PORT) user=postgres password=$(get "$1" PASSWORD) dbname=postgres"; }
lab up a 14 max_wal_size=2GB >/dev/null
lab up b 16 max_wal_size=2GB >/dev/null
lab rows a small 2
lab tables a many "$TABLES"
sql a many -c 'ANALYZE'
PGUSHER_TEST_A=$(conninfo a) PGUSHER_TEST_B=$(conninfo b)
export PGUSHER_TEST_A PGUSHER_TEST_B
echo "The wizard; $TABLES tables, PostgreSQL 14 to 16"
build/release/bench/ui many small "$IDLE" "$KEYS" >"$WORK/figures" || { cat "$WORK/figures"; exit 1; }
while IFS=$'\t' read -r name value unit target remark; do figure "$name" "$value" "$unit" "$target" "$remark"; done <"$WORK/figures"
