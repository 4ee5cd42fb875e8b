#!/usr/bin/env bash
# The terminal goes, the run stays; others see it, are refused while it lasts, and may take it up when it has ended.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop "${ROWS_MB:-60}"
lab proxy sb b >/dev/null
line() { lab tell sb rate "$1"; } # what is looked at while it runs must not be over before
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' -c 'DROP ROLE IF EXISTS app' >/dev/null; }
running() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
ended() { ! kill -0 "$1" 2>/dev/null; }

# in a terminal of its own that is then taken away: the kernel sends SIGHUP, and writing to it fails
ini gone a shop b shop
sed -i "s/^port = $(get b PORT)\$/port = $(cat "$PGUSHER_LAB/sb/port")/" "$WORK/gone.ini"
line 1000000
script -qec "$PGUSHER run -c $WORK/gone.ini --yes" /dev/null >"$WORK/gone.tty" 2>&1 </dev/null &
terminal=$!
until_true 120 running gone copy/2
pid=$(pgrep -f "^$PGUSHER run -c $WORK/gone.ini")
kill -KILL $terminal
wait $terminal 2>/dev/null
ok 'the terminal is gone: the run is not' kill -0 "$pid"

ok 'status from elsewhere: it runs' exits 0 pgusher status gone
ok 'status says who, and since when' says gone "process $pid of $(id -un)"
ok 'status says who is the primary' says gone 'primary: the source (from the journal of'
ok 'status says what it made so far' says gone 'made so far '
ok 'and does not call that left' bash -c '! grep -q "^  left " "$1"' sh "$WORK/gone.out"
ok 'status says what is next' says gone "next       pgusher -c $WORK/gone.ini in a terminal follows it"
ok 'a second start is refused' exits 1 pgusher run gone --yes
ok 'a second start is told who' says gone "process $pid of $(id -un)"
ok 'cleaning up is refused' exits 1 pgusher cleanup gone --yes --confirm shop
line 0
until_true 180 ended "$pid"
ok 'it came to its end without a terminal' exits 0 pgusher status gone
ok 'it says so' says gone 'done, and proven'
ok 'and what is next' says gone '  next       '
ok 'the end is right' tests/lab/compare a/shop b/shop

# SIGHUP itself, and a terminal that stays
drop_target
rm -rf "$XDG_STATE_HOME/pgusher/gone"
"$PGUSHER" run -c "$WORK/gone.ini" --yes >"$WORK/gone.out" 2>&1 </dev/null &
pid=$!
until_true 120 running gone copy/2
kill -HUP $pid
wait $pid
ok 'SIGHUP: goes on to a good end' test $? = 0
ok 'SIGHUP: the end is right' tests/lab/compare a/shop b/shop

# a colleague with another login, in a folder that belongs to the team
if [ "$UID" != 0 ] || ! command -v setpriv >/dev/null; then
	echo 'skip a colleague: this needs root'
	exit $bad
fi
team=$WORK/team
mkdir "$team"
chgrp 60000 "$team" && chmod 2770 "$team"
as_member() { # UID COMMAND...
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid 60000 --clear-groups env HOME=/nonexistent "$@"
}
for uid in 60001 60002; do
	for server in a b; do
		install -m 600 -o $uid "$(get $server PASSFILE)" "$WORK/pass.$server.$uid"
	done
	sed "s,^name = gone,name = team\nstate_dir = $team,; s,^passfile = .*/\([ab]\)/passfile,passfile = $WORK/pass.\1.$uid," "$WORK/gone.ini" >"$WORK/team.$uid.ini"
	chmod 644 "$WORK/team.$uid.ini"
done
cp "$PGUSHER" "$WORK/pgusher"
chmod 755 "$WORK/pgusher"
drop_target
line 1000000
as_member 60001 "$WORK/pgusher" run -c "$WORK/team.60001.ini" --yes >"$WORK/team.out" 2>&1 </dev/null &
until_true 120 grep -qs '"state":"running","id":"copy/2"' "$team/team/journal.jsonl"
ok 'a colleague sees it' as_member 60002 "$WORK/pgusher" status -c "$WORK/team.60002.ini"
ok 'a colleague cannot start it as well' exits 1 as_member 60002 "$WORK/pgusher" run -c "$WORK/team.60002.ini" --yes
pkill -KILL -f "^$WORK/pgusher run"
wait
line 0
ok 'a colleague takes it up' exits 0 as_member 60002 "$WORK/pgusher" run -c "$WORK/team.60002.ini" --yes
ok 'a colleague takes it up: the end is right' tests/lab/compare a/shop b/shop
ok 'others see nothing' test -z "$(find "$team/team" -perm /007)"
exit $bad
