#!/usr/bin/env bash
# What a look at a running subscription of 1,000 tables costs each server: the time of its statements, by the servers' own clocks.
. "$(dirname "$0")/common.sh"
lab up a 14 >/dev/null
lab up b 16 >/dev/null
lab tables a shop "${TABLES:-1000}"
{
	printf '[migration]\nname = cost\nmethod = subscription\n'
	for s in a b; do
		printf '[%s]\nhost = 127.0.0.1\nport = %s\nuser = postgres\ndbname = shop\npassfile = %s\n' "$([ $s = a ] && echo source || echo target)" "$(get $s PORT)" "$(get $s PASSFILE)"
	done
} >"$WORK/cost.ini"
"$PGUSHER" run -c "$WORK/cost.ini" --yes >"$WORK/cost.out" 2>&1 || { tail -n 20 "$WORK/cost.out"; exit 1; }
for s in a b; do lab psql $s postgres -q -c 'ALTER SYSTEM SET log_min_duration_statement = 0' -c 'SELECT pg_reload_conf()' >/dev/null; done
timeout "${SECONDS_WATCHED:-15}" "$PGUSHER" watch -c "$WORK/cost.ini" --json >"$WORK/watch.out" || true # ended from outside
# the comparison, at the start and each minute, goes on beside the samples
figure "the longest time between two samples, in ${SECONDS_WATCHED:-15} s with ${TABLES:-1000} tables" "$(perl -ne '/"at_us":(\d+)/ or next; if (defined $l && ($1 - $l) / 1e6 > $m) { $m = ($1 - $l) / 1e6 } $l = $1; END { printf "%.2f", $m }' "$WORK/watch.out")" s '< 1.5' "$(grep -o '"drift_ms":[0-9]*' "$WORK/watch.out" | sort -u | tr '\n' ' ')"
for s in a b; do
	side=$([ $s = a ] && echo source || echo target)
	# each look begins with the same statement; the first one connects and compares all columns, as is done once a minute
	read -r middle worst looks minute < <(grep -oE 'duration: [0-9.]+ ms.*' "$(get $s LOG)" | perl -ne '
		next unless /^duration: ([0-9.]+) ms  (\w+)[^:]*: (.{40})/; my ($ms, $what, $sql) = ($1, $2, $3);
		$first //= $sql if $sql =~ /^SELECT (c\.lsn|s\.subenabled)/;
		push @look, 0 if defined $first && $sql eq $first && $what eq "parse";
		$look[-1] += $ms if @look;
		END { my $all = shift @look; @look = sort { $a <=> $b } @look;
		printf "%.1f %.1f %d %.0f\n", $look[$#look / 2], $look[-1], scalar @look, $all if @look }')
	figure "a look at ${TABLES:-1000} followed tables costs the $side" "$middle" ms '< 20' "worst of $looks: $worst; the comparison each minute: $minute"
done
