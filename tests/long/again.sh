#!/usr/bin/env bash
# Cutovers in a row, each under a write load and compared key by key with what was acknowledged; every second one is rolled back after
# writes on the target. One writer is a superuser who minds no read-only setting: where he slips in, the cutover refuses and is begun again.
#   tests/long/again.sh [ROUNDS [SOURCE TARGET]]    2 rounds, 14 and 16 by default; make soak T=long/again
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a "${2:-14}"
up b "${3:-16}"
sum_acked=0 sum_wrong=0 sum_first=0 sum_late=0 sum_refused=0 outages=
journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
at_us() { grep "\"state\":\"running\",\"id\":\"$2\"" "$(journal "$1")" | tail -n 1 | grep -o '"at_us":[0-9]*' | cut -d: -f2; } # NAME ACTION
acked() { cat "$@" | awk '$3 == "A" || $3 == "R" { n++ } END { print n + 0 }'; }
progress() { lab psql "$1" "$db" -At -c "SELECT sum(seq) FROM lab_load.progress"; }
more() { [ "$(progress "$1")" -gt "$((was + 100))" ]; }
goes_on() { was=$(progress "$1") && until_true 30 more "$1"; }
level() { tests/lab/compare --skip database,roles,schema,sequences,large_objects "a/$db" "b/$db"; }
# checked TEXT LOAD SERVER [option...]: every key; what is wrong is counted
checked() {
	local text=$1 load=$2 server=$3
	shift 3
	tests/lab/load check "$load" "$server" "$db" "$@" >"$WORK/check" 2>&1
	sum_wrong=$((sum_wrong + $(sed -n 's/.*, \([0-9]*\) wrong$/\1/p' "$WORK/check")))
	ok "$text" grep -q '^right' "$WORK/check"
	grep -q '^right' "$WORK/check" || head -n 20 "$WORK/check"
}
# move COMMAND: cutover or rollback; again while somebody slips in
move() {
	local rc=3 try
	for ((try = 0; try < 8; try++)); do
		rc=0
		pgusher "$1" "$db" --confirm "$db" || rc=$?
		{ [ $rc = 3 ] && grep -qE 'somebody (goes on writing|wrote)' "$WORK/$db.out"; } || break
		sum_refused=$((sum_refused + 1))
	done
	ok "$db: $1" test $rc = 0
	[ $rc = 0 ] || tail -n 20 "$WORK/$db.out"
	outages="$outages $(grep -o 'refused for [0-9]* ms' "$WORK/$db.out" | grep -o '[0-9]*')"
}

for ((round = 1; round <= ${1:-2}; round++)); do
	db=shop$round
	lab rows a $db 2
	ini $db a $db b $db
	tests/lab/load start w$db a $db --clients 4 --rate 200
	tests/lab/load start s$db a $db --clients 1 --rate 0.5 --stubborn --schema lab_super
	ok "$db: the target follows" exits 0 pgusher run $db --yes
	goes_on a
	move cutover
	first=$(awk -v from="$(at_us $db soft-fence/1)" -v to="$(at_us $db hard-fence/1)" '$1 >= from && $1 < to' "$PGUSHER_LAB/w$db/errors" | wc -l)
	sum_first=$((sum_first + first))
	handed=$(at_us $db hand-over/1)
	tests/lab/load point w$db b $db
	tests/lab/load stop s$db >/dev/null
	late=$(awk -v t="$handed" '$3 == "A" && $4 > t' "$PGUSHER_LAB/s$db/acks" | wc -l)
	sum_late=$((sum_late + late))
	ok "$db: writing goes on, on the target" goes_on b
	checked "$db: what the superuser wrote before the hand-over is there" s$db b --schema lab_super --prefix --since "$handed"
	if ((round % 2 == 0 && late)); then # past every fence, on the server that is no more: named, and not rolled back over
		ok "$db: a rollback finds what the superuser wrote to the old source too late" exits 1 pgusher rollback $db --confirm $db
		ok "$db: names the rows" says $db 'only on source'
		checked "$db: they are on the old source" s$db a --schema lab_super
	fi
	if ((round % 2 || late)); then
		tests/lab/load stop w$db >/dev/null
		checked "$db: every acknowledged write is on the target, once" w$db b
		[ $late != 0 ] || ok "$db: the old source has followed, equal to the target" until_true 30 level
	else
		move rollback
		tests/lab/load point w$db a $db
		ok "$db: writing goes on, on the old source" goes_on a
		tests/lab/load stop w$db >/dev/null
		checked "$db: every acknowledged write is on the old source, once" w$db a
		checked "$db: all that the superuser ever wrote is there" s$db a --schema lab_super
	fi
	sum_acked=$((sum_acked + $(acked "$PGUSHER_LAB/w$db/acks" "$PGUSHER_LAB/s$db/acks")))
	ok "$db: finalized" exits 0 pgusher finalize $db --confirm $db
	for s in a b; do
		ok "$db: nothing is left on $s" test -z "$(lab psql $s $db -At -c "SELECT slot_name::text FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT subname FROM pg_subscription UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgusher%'")"
		lab psql $s postgres -qc "DROP DATABASE $db" 2>/dev/null
	done
done
echo "# $((round - 1)) rounds: $sum_acked acknowledged writes, $sum_wrong keys lost or doubled, $sum_first client errors while writers only wait, $sum_refused cutovers or rollbacks refused and begun again, $sum_late writes of the superuser on the old source after the hand-over; outages in ms:$outages"
ok 'no session left' no_leftovers a
exit $bad
