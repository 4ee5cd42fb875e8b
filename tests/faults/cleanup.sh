#!/usr/bin/env bash
# What is left is listed with its age and size and removed: with a side down, without a journal, with things gone already.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop 8
lab proxy sb b >/dev/null
value() { lab psql "$1" "$2" -At -c "$3"; }
is() { [ "$1" = "$2" ] || { echo "'$1', not '$2'"; tail -n 30 "$WORK/case.out"; return 1; }; }
left() { # everything of ours on both servers, in one line
	{
		lab psql a shop -At -c "SELECT 'slot' FROM pg_replication_slots UNION ALL SELECT 'publication' FROM pg_publication UNION ALL SELECT 'role' FROM pg_roles WHERE rolname LIKE 'pgusher%'" 2>/dev/null
		lab psql b shop -At -c "SELECT 'subscription' FROM pg_subscription" 2>/dev/null
	} | sort | paste -sd' ' -
}
no_word() { ! grep -q "$1" "$WORK/case.out" || { tail -n 30 "$WORK/case.out"; return 1; }; }
ALL='publication role slot subscription'
state=$XDG_STATE_HOME/pgusher/case
fresh() { # a subscription that runs, and its journal
	lab start a >/dev/null 2>&1
	lab start b >/dev/null 2>&1
	"$PGUSHER" cleanup -c "$WORK/case.ini" --yes --confirm shop >/dev/null 2>&1 </dev/null
	lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' >/dev/null
	rm -rf "$state"
	"$PGUSHER" run -c "$WORK/case.ini" --yes >"$WORK/case.out" 2>&1 </dev/null || { tail -n 20 "$WORK/case.out"; echo 'not ok a subscription runs'; bad=1; }
}
ini case a shop b shop
printf '[cutover]\nreverse = no\n' >>"$WORK/case.ini"

fresh
# rows on their way are no loss, and not to be taken for one
value b shop 'ALTER SUBSCRIPTION pgusher_case DISABLE' >/dev/null
value a shop 'DELETE FROM big_wide WHERE id = (SELECT min(id) FROM big_wide)' >/dev/null
ok 'a row on its way: verify differs' exits 1 pgusher verify case
ok 'a row on its way: by nature' says case 'the target follows the source: what was written meanwhile is on its way, and differs by nature'
ok 'a row on its way: what compares' says case 'pgusher cutover compares behind its fence'
value b shop 'ALTER SUBSCRIPTION pgusher_case ENABLE' >/dev/null
ok 'it asks first' exits 3 pgusher cleanup case
ok 'the list: the slot with its age and what it keeps' sh -c 'grep -qE "slot.*\([0-9.]+ (ms|s) old, keeps .* of WAL, read by pid [0-9]+\): SELECT pg_drop_replication_slot" "$1"' sh "$WORK/case.out"
ok 'the list: the subscription' sh -c 'grep -qE "subscription.* old, enabled\): " "$1"' sh "$WORK/case.out"
ok 'not confirmed: all is there' is "$(left)" "$ALL"
ok 'with its journal' exits 0 pgusher cleanup case --yes --confirm shop
ok 'with its journal: nothing is left' is "$(left)" ''

fresh
rm -rf "$state"
ok 'no journal: asks first' exits 3 pgusher cleanup case
ok 'no journal: the list' says case 'slot:pgusher_case (keeps'
rm -rf "$state"
ok 'no journal' exits 0 pgusher cleanup case --yes --confirm shop
ok 'no journal: nothing is left' is "$(left)" ''
ok 'a second time: there is nothing' exits 0 pgusher cleanup case --yes --confirm shop
ok 'a second time: says where it looked' says case 'on both servers'

for how in journal none; do
	fresh
	[ $how = journal ] || rm -rf "$state"
	lab stop b immediate >/dev/null 2>&1
	ok "target down, $how: stopped midway" exits 5 pgusher cleanup case --yes --confirm shop
	ok "target down, $how: what holds the source's disk is gone" is "$(left)" ''
	ok "target down, $how: how to go on" says case 'start pgusher cleanup again'
	ok "target down, $how: by hand" says case 'DROP SUBSCRIPTION'
	lab start b >/dev/null 2>&1
	ok "target back, $how: the rest" exits 0 pgusher cleanup case --yes --confirm shop
	ok "target back, $how: nothing is left" is "$(left)" ''
	fresh
	[ $how = journal ] || rm -rf "$state"
	lab stop a immediate >/dev/null 2>&1
	ok "source down, $how: stopped midway" exits 5 pgusher cleanup case --yes --confirm shop
	ok "source down, $how: the subscription is gone" is "$(left)" ''
	ok "source down, $how: by hand" says case 'pg_drop_replication_slot'
	ok "source down, $how: its last word" says case 'interrupted while being given up; left: '
	ok "source down, $how: nobody follows" no_word 'the target follows'
	ok "source down, $how: status" exits 5 pgusher status case
	ok "source down, $how: status says so" says case 'case: interrupted while being given up; left: '
	ok "source down, $how: status, what is next" says case "next       pgusher cleanup -c $WORK/case.ini removes what is left"
	ok "source down, $how: nobody follows, says status" no_word 'the target follows'
	lab start a >/dev/null 2>&1
	ok "source back, $how: it is not run" exits 3 pgusher run case --yes
	[ $how = none ] || ok "source back, $how: why not" says case 'pgusher cleanup removes what is left'
	ok "source back, $how: the rest" exits 0 pgusher cleanup case --yes --confirm shop
	ok "source back, $how: nothing is left" is "$(left)" ''
done
# an interrupted cutover closed the source, which is down: when it is back, it is opened before its word goes
fresh
value a shop "COMMENT ON PUBLICATION pgusher_case IS 'pgusher fenced this database for a moment; before: '" >/dev/null
value a postgres 'ALTER DATABASE shop SET default_transaction_read_only = on' >/dev/null
rm -rf "$state"
lab stop a immediate >/dev/null 2>&1
ok 'closed and down, no journal: stopped midway' exits 5 pgusher cleanup case --yes --confirm shop
lab start a >/dev/null 2>&1
ok 'closed and back: the rest' exits 0 pgusher cleanup case --yes --confirm shop
ok 'closed and back: nothing is left' is "$(left)" ''
ok 'closed and back: it takes writes' is "$(value a shop 'SHOW default_transaction_read_only')" off

fresh
lab stop a immediate >/dev/null 2>&1
lab stop b immediate >/dev/null 2>&1
rm -rf "$state"
ok 'both down, no journal: says so' exits 1 pgusher cleanup case --yes --confirm shop
ok 'both down, no journal: what to do' says case 'check that the server runs'
lab start a >/dev/null 2>&1
lab start b >/dev/null 2>&1

# somebody was quicker
fresh
value b shop 'ALTER SUBSCRIPTION pgusher_case DISABLE' >/dev/null
value b shop 'ALTER SUBSCRIPTION pgusher_case SET (slot_name = NONE)' >/dev/null
value b shop 'DROP SUBSCRIPTION pgusher_case' >/dev/null
ok 'the subscription was dropped by hand' exits 0 pgusher cleanup case --yes --confirm shop
ok 'the subscription was dropped by hand: nothing is left' is "$(left)" ''
fresh
value b shop 'ALTER SUBSCRIPTION pgusher_case DISABLE' >/dev/null
renamed() { value b postgres 'ALTER DATABASE shop RENAME TO elsewhere' >/dev/null 2>&1; }
until_true 60 renamed
ok 'the target database was renamed: not all is gone' exits 1 pgusher cleanup case --yes --confirm shop
ok 'the target database was renamed: says where it is' says case 'but pgusher_case is in the database elsewhere'
ok 'the target database was renamed: no slot, no publication' is "$(left)" ''
value b elsewhere 'ALTER SUBSCRIPTION pgusher_case DISABLE' >/dev/null
value b elsewhere 'ALTER SUBSCRIPTION pgusher_case SET (slot_name = NONE)' >/dev/null
value b elsewhere 'DROP SUBSCRIPTION pgusher_case' >/dev/null
value b postgres 'DROP DATABASE elsewhere WITH (FORCE)' >/dev/null
for how in journal none; do
	fresh
	value b shop 'ALTER SUBSCRIPTION pgusher_case DISABLE' >/dev/null
	renamed() { value a postgres 'ALTER DATABASE shop RENAME TO elsewhere' >/dev/null 2>&1; }
	until_true 60 renamed
	[ $how = journal ] || rm -rf "$state"
	ok "the source database was renamed, $how: not all is gone" exits 1 pgusher cleanup case --yes --confirm shop
	ok "the source database was renamed, $how: by hand" says case 'if the database shop was renamed (one of elsewhere), in it'
	value a postgres 'ALTER DATABASE elsewhere RENAME TO shop' >/dev/null
	ok "the source database has its name again, $how: the rest" exits 0 pgusher cleanup case --yes --confirm shop
	ok "the source database has its name again, $how: nothing is left" is "$(left)" ''
done

# cut over, and the old source is away: the way back is not given up without a word
fresh
sed -i 's/reverse = no/reverse = yes/' "$WORK/case.ini"
ok 'cut over' exits 0 pgusher cutover case --confirm shop
rm -rf "$state"
lab stop a immediate >/dev/null 2>&1
ok 'the old source is away, no journal: no word, no clean-up' exits 3 pgusher cleanup case --yes
ok 'the old source is away, no journal: why' says case 'This is the way back'
ok 'the old source is away, no journal: the slot is there' is "$(value b shop 'SELECT slot_name FROM pg_replication_slots')" pgusher_case_back
lab start a >/dev/null 2>&1
ok 'the old source is back: finalized' exits 0 pgusher finalize case --confirm shop --thaw
sed -i 's/reverse = yes/reverse = no/' "$WORK/case.ini"

# into a database that was there before, killed as it copies: what came into it is not removed, and is not said to be gone
lab psql b postgres -q -c 'CREATE DATABASE two'
ini two a shop b two
kill_copying() {
	"$PGUSHER" run -c "$WORK/two.ini" --yes >"$WORK/two.out" 2>&1 </dev/null &
	local pid=$!
	copying() { grep -qs '"kind":"left","id":"content:two"' "$XDG_STATE_HOME/pgusher/two/journal.jsonl" && [ -n "$(value b two "SELECT 1 FROM pg_class WHERE relname = 'orders' OR relnamespace = 'public'::regnamespace LIMIT 1")" ]; }
	until_true 120 copying || { tail -n 20 "$WORK/two.out"; echo 'not ok there before: it copies'; bad=1; }
	kill -KILL $pid
	wait $pid 2>/dev/null
}
kill_copying
ok 'there before: status says that it was interrupted' exits 5 pgusher status two
ok 'there before: and the two commands' says two "pgusher run -c $WORK/two.ini goes on; pgusher cleanup -c $WORK/two.ini removes what it left"
ok 'there before: asks first' exits 3 pgusher cleanup two
ok 'there before: what is not removed, and how it is' sh -c 'grep -q "NOT removed: unfinished content of the target database two .*By hand, when nothing in it is needed: DROP DATABASE \"two\"" "$1"' sh "$WORK/two.out"
ok 'there before: not all is gone' exits 1 pgusher cleanup two --yes --confirm two
ok 'there before: says what stays, with its SQL' sh -c 'grep -q "cleaned up, except for .*content:two" "$1" && grep -q "next .*DROP DATABASE \"two\"" "$1"' sh "$WORK/two.out"
ok 'there before: nothing on the source' is "$(value a shop 'SELECT count(*) FROM pg_replication_slots')" 0
ok 'there before: a second time, it is there still' exits 1 pgusher cleanup two --yes --confirm two
ok 'there before: a second time, says so' says two 'what was copied into the target database two is still there'
ok 'there before: a second time, how' says two 'DROP DATABASE "two"'
lab psql b postgres -q -c 'DROP DATABASE two'
ok 'there before: it was dropped' exits 0 pgusher cleanup two --yes --confirm two
ok 'there before: then nothing is left' says two 'nothing is left: looked in'

# a dump: its file, its sessions, its processes
METHOD=dump
lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' >/dev/null
ini file a shop b shop 'transfer = file'
sed -i "s/^port = $(get b PORT)\$/port = $(cat "$PGUSHER_LAB/sb/port")/" "$WORK/file.ini"
running() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
lab tell sb rate 300000
"$PGUSHER" run -c "$WORK/file.ini" --yes >"$WORK/file.out" 2>&1 </dev/null &
pid=$!
until_true 120 running file restore/2
started() { # one of ours: others may run here, too
	local tool
	tool=$(pgrep -f "pg_restore .*port=$(cat "$PGUSHER_LAB/sb/port") " | head -n 1)
	[ -n "$tool" ] && app=$(tr '\0' '\n' <"/proc/$tool/environ" | sed -n 's/^PGAPPNAME=//p') && [ -n "$app" ]
}
ok 'a tool runs' until_true 60 started
kill -KILL $pid
wait $pid 2>/dev/null
lab tell sb rate 0
# one that outlives its pgusher, as a tool behind sudo does: only its environment tells whose it is
PGAPPNAME=$app sleep 600 &
stray=$!
PGAPPNAME="pgusher file 19990101-000000-0000" sleep 600 &
other=$!
named() { tr '\0' '\n' <"/proc/$stray/environ" 2>/dev/null | grep -q "^PGAPPNAME=pgusher file"; }
until_true 20 named
ok 'killed while it restores: asks first' exits 3 pgusher cleanup file --yes
ok 'the list: the dump with its age and size' sh -c 'grep -qE "dump file \(.* old, [0-9.]+ (kB|MB)\): " "$1"' sh "$WORK/file.out"
ok 'the list: a process' says file "a process here, which is ended: $stray sleep"
ok 'not agreed to: that process runs' kill -0 $stray
ok 'killed while it restores: cleaned up' exits 0 pgusher cleanup file --yes --confirm shop
ok 'agreed to: that process has ended' gone $stray
ok 'somebody else'"'"'s has not' kill -0 $other
kill $other
ok 'killed while it restores: no dump' test -z "$(find "$XDG_STATE_HOME/pgusher/file" -name 'toc.dat')"
# the dump, and no journal
mkdir -p "$XDG_STATE_HOME/pgusher/lone/lone-20260101-120000" "$XDG_STATE_HOME/pgusher/lone/lone-other"
printf 'x' >"$XDG_STATE_HOME/pgusher/lone/lone-20260101-120000/toc.dat"
ini lone a shop b shop 'transfer = file'
ok 'a dump, and no journal: asks first' exits 3 pgusher cleanup lone
ok 'a dump, and no journal: is there' test -e "$XDG_STATE_HOME/pgusher/lone/lone-20260101-120000/toc.dat"
ok 'a dump, and no journal: removed' exits 0 pgusher cleanup lone --yes
ok 'a dump, and no journal: only the dump' sh -c 'cd "$1" && ! test -e lone-20260101-120000 && test -d lone-other' sh "$XDG_STATE_HOME/pgusher/lone"
exit $bad
