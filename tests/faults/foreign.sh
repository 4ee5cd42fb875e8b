#!/usr/bin/env bash
# A clean-up that drops the target database names what the source does not have before it asks; who did not see that list agrees to it by a
# second word. What cannot be known is not dropped by the first word either.
METHOD=dump
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0'
lab psql a shop -q -c 'CREATE TABLE t (id int PRIMARY KEY, v text)' -c "INSERT INTO t SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 60000) g"
lab proxy sb b >/dev/null
ini big a shop b big
sed -i "s/^port = $(get b PORT)\$/port = $(cat "$PGUSHER_LAB/sb/port")/" "$WORK/big.ini"
there() { [ -n "$(lab psql b postgres -At -c "SELECT 1 FROM pg_database WHERE datname = '$1'")" ]; }
gone() { ! there "$1"; }
precious() { lab psql b big -At -c 'TABLE precious'; }
half() { # a run that is killed in the copy
	lab tell sb rate 200000
	"$PGUSHER" run -c "$WORK/big.ini" --yes >"$WORK/big.out" 2>&1 </dev/null &
	local pid=$!
	copying() { [ -n "$(lab psql b big -At -c "SELECT 1 FROM pg_class WHERE relname = 't'" 2>/dev/null)" ]; }
	until_true 120 copying || { tail -n 20 "$WORK/big.out"; echo 'not ok it copies'; bad=1; }
	kill -KILL $pid
	wait $pid 2>/dev/null
	lab tell sb rate 0
}
LOSS='THE DATABASE HOLDS WHAT THE SOURCE DOES NOT HAVE, and that is nowhere else: "public"."precious"'
UNKNOWN='WHETHER THE DATABASE HOLDS WHAT THE SOURCE DOES NOT HAVE IS NOT KNOWN'
half
lab psql b big -q -c 'CREATE TABLE precious (id int)'
ok 'half: asks first' exits 3 pgusher cleanup big
ok 'half: what is nowhere else is named' says big "$LOSS"
ok 'half: and the words for it' says big '--confirm big --also-drop 1'
ok 'half: the first word is not enough' exits 3 pgusher cleanup big --yes --confirm big
ok 'half: what is nowhere else is named again' says big "$LOSS"
ok 'half: why it does not go' says big "is not dropped by the database's name alone"
ok 'half: it is there' precious
lab psql b big -q -c 'CREATE VIEW late AS SELECT 1 AS i'
ok 'half: more than was named' exits 3 pgusher cleanup big --confirm big --also-drop 1
ok 'half: now it is named, too' says big '"public"."late", "public"."precious"'
lab stop a immediate
ok 'half, the source away: the first word is not enough' exits 3 pgusher cleanup big --confirm big
ok 'half, the source away: it is not known' says big "$UNKNOWN"
ok 'half, the source away: a number is not enough' exits 3 pgusher cleanup big --confirm big --also-drop 2
ok 'half, the source away: it is there' precious
lab start a
ok 'half: both words' exits 0 pgusher cleanup big --confirm big --also-drop 2
ok 'half: it is gone' gone big
half
ok 'half, only ours: the name is enough' exits 0 pgusher cleanup big --yes --confirm big
ok 'half, only ours: it is gone' gone big
half
lab stop a immediate
ok 'half, the source away: both words' exits 0 pgusher cleanup big --confirm big --also-drop unknown
ok 'half, the source away: it is gone' gone big
lab start a

METHOD=subscription
ini case a shop b shop
ok 'copy: it runs' exits 0 pgusher run case --yes
lab psql b shop -q -c 'CREATE TABLE precious (id int)'
ok 'copy: the first word is not enough' exits 3 pgusher cleanup case --drop-copy --confirm shop
ok 'copy: what is nowhere else is named' says case "$LOSS"
ok 'copy: the command for it' says case "pgusher cleanup -c $WORK/case.ini --drop-copy --confirm shop --also-drop 1"
ok 'copy: it is there' lab psql b shop -At -c 'TABLE precious'
ok 'copy: kept' exits 0 pgusher cleanup case --yes
ok 'copy: kept: nothing else is' says case "the target's database shop stays, with its copy"
ok 'copy: kept: how it is dropped' sh -c 'grep -q "next .*DROP DATABASE \"shop\"" "$1"' sh "$WORK/case.out"
ok 'copy: later it is told to go: it does not' exits 3 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'copy: later: why' says case "the target's database shop is there, and is not dropped"
ok 'copy: later: how it is dropped' says case 'DROP DATABASE "shop"'
ok 'copy: it is there' there shop
lab psql b postgres -q -c 'DROP DATABASE shop'
ok 'copy: dropped by hand: then nothing is left' exits 0 pgusher cleanup case --yes --drop-copy --confirm shop
ok 'copy: runs again' exits 0 pgusher run case --yes
lab psql b shop -q -c 'CREATE TABLE precious (id int)'
ok 'copy: both words' exits 0 pgusher cleanup case --drop-copy --confirm shop --also-drop 1
ok 'copy: it is gone' gone shop
exit $bad
