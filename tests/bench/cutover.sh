#!/usr/bin/env bash
# How long writers wait at a cutover and at a rollback, under a load of 200 transactions/s, without and with a proof behind the fence;
# then what 10,000 sequences cost in it.
#   tests/bench/cutover.sh [ROUNDS] [SOURCE TARGET]    10 rounds, majors 14 and 16 by default
. "$(dirname "$0")/common.sh"
ROUNDS=${1:-10}
lab up a "${2:-14}" >/dev/null
lab up b "${3:-16}" >/dev/null
ini() { # NAME DB VERIFY
	printf '[migration]\nname = %s\nmethod = subscription\n' "$1"
	for s in a b; do
		printf '[%s]\nhost = 127.0.0.1\nport = %s\nuser = postgres\ndbname = %s\npassfile = %s\n' "$([ $s = a ] && echo source || echo target)" "$(get $s PORT)" "$2" "$(get $s PASSFILE)"
	done
	printf '[cutover]\nverify = %s\n' "$3"
}
# run COMMAND NAME [args]: its output in $WORK/NAME.out; ends the benchmark when it fails
run() { "$PGUSHER" "$1" -c "$WORK/$2.ini" "${@:3}" >"$WORK/$2.out" 2>&1 </dev/null || { echo "pgusher $1 failed:"; tail -n 20 "$WORK/$2.out"; exit 1; }; }
# outage NAME: "milliseconds<TAB>parts" of what was run last, as pgusher counts them: from the first lock to the hand-over
outage() { perl -ne 'print "$1\t$2\n" and exit if /refused for (\d+) ms.*\(([^)]*)\)/' "$WORK/$1.out"; }
middle() { sort -n "$1" | awk '{ v[NR] = $0 } END { print v[int((NR + 1) / 2)] }'; } # line of the median, with its parts
say() { # WHAT FILE TARGET
	local ms parts
	IFS=$'\t' read -r ms parts < <(middle "$2")
	figure "$1: writers wait" "$ms" ms "$3" "median of $(grep -c . "$2"), worst $(sort -n "$2" | tail -n 1 | cut -f1); $parts"
}

lab rows a shop "${ROWS_MB:-8}" >/dev/null
for verify in off on; do
	word=$([ $verify = on ] && echo checksum || echo off)
	ini cut shop "$word" >"$WORK/cut.ini"
	: >"$WORK/over" && : >"$WORK/back"
	tests/lab/load start w a shop --clients 4 --rate 200 >/dev/null
	for ((i = 0; i < ROUNDS; i++)); do
		sql b postgres -q -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)'
		run run cut --yes
		run cutover cut --confirm shop
		outage cut >>"$WORK/over"
		tests/lab/load point w b shop
		run rollback cut --confirm shop
		outage cut >>"$WORK/back"
		tests/lab/load point w a shop
		run finalize cut --confirm shop
	done
	tests/lab/load stop w >/dev/null
	target=$([ $verify = on ] && echo '< 500' || echo '< 100')
	say "a cutover at 200 tx/s, verify $verify" "$WORK/over" "$target"
	say "a rollback at 200 tx/s, verify $verify" "$WORK/back" "$target"
done

sql a postgres -q -c 'CREATE DATABASE many'
sql a many -q -c 'CREATE TABLE kept (id int PRIMARY KEY)'
for ((i = 0; i < 10; i++)); do # never called, half of them: these must be asked one by one
	sql a many -q -c "DO \$\$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE SEQUENCE s%s', $i * 1000 + i);
		IF i % 2 = 0 THEN PERFORM nextval(format('s%s', $i * 1000 + i)); END IF; END LOOP; END \$\$"
done
ini many many off >"$WORK/many.ini"
run run many --yes
run cutover many --confirm many
figure '10,000 sequences behind the fence' "$(outage many | grep -o 'sequences [0-9]*' | cut -d' ' -f2)" ms '< 500' "of $(outage many | tr '\t' ' ')"
