# Shared by the flows; to be sourced. Prints "ok ..." / "not ok ..." / "skip ..." lines.
# shellcheck shell=bash
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../lab/common.sh
. tests/lab/common.sh
PGUSHER=${PGUSHER_BIN:-$PWD/pgusher}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/pgusher-flow.XXXXXX")
chmod 755 "$WORK"
export PGUSHER_LAB=$WORK/lab XDG_STATE_HOME=$WORK/state
unset PGPASSWORD PGUSER PGHOST PGPORT PGDATABASE PGSERVICE
bad=0
finish() {
	tests/lab/lab sweep >/dev/null 2>&1
	if [ $bad = 0 ] && [ -z "${KEEP:-}" ]; then rm -rf "$WORK"; else echo "kept: $WORK"; fi
}
trap finish EXIT

lab() { tests/lab/lab "$@"; }
up() { # NAME MAJOR ...: a server, or the whole flow is skipped
	local rc=0
	lab up "$@" >/dev/null 2>"$WORK/up.err" || rc=$?
	[ $rc != 77 ] || { echo "skip $(cat "$WORK/up.err")"; exit 0; }
	[ $rc = 0 ] || { cat "$WORK/up.err"; echo "not ok server $1 starts"; exit 1; }
}
get() { (. "$PGUSHER_LAB/$1/env" && eval "echo \$$2"); } # SERVER VARIABLE

# ini NAME SRC SRCDB DST DSTDB [line...]: writes $WORK/NAME.ini; lines like "dump.transfer=file"
ini() {
	local name=$1 src=$2 srcdb=$3 dst=$4 dstdb=$5 line
	shift 5
	{
		printf '[migration]\nname = %s\nmethod = %s\n' "$name" "${METHOD:-dump}"
		printf '[source]\nhost = 127.0.0.1\nport = %s\nuser = postgres\ndbname = %s\npassfile = %s\n' "$(get "$src" PORT)" "$srcdb" "$(get "$src" PASSFILE)"
		printf '[target]\nhost = 127.0.0.1\nport = %s\nuser = postgres\ndbname = %s\npassfile = %s\n' "$(get "$dst" PORT)" "$dstdb" "$(get "$dst" PASSFILE)"
		printf '[dump]\n'
		for line in "$@"; do printf '%s\n' "$line"; done
	} >"$WORK/$name.ini"
}
# pgusher COMMAND NAME [args]: output in $WORK/NAME.out
pgusher() {
	local cmd=$1 name=$2
	shift 2
	"$PGUSHER" "$cmd" --config "$WORK/$name.ini" "$@" >"$WORK/$name.out" 2>&1 </dev/null
}
# ok TEXT COMMAND...
ok() {
	local text=$1
	shift
	if "$@" >"$WORK/ok.out" 2>&1; then
		echo "ok $text"
	else
		echo "not ok $text"
		tail -n 25 "$WORK/ok.out"
		bad=1
	fi
}
# exits N COMMAND...: the command's exit status is N
exits() {
	local want=$1 rc=0
	shift
	"$@" || rc=$?
	[ $rc = "$want" ] && return 0
	echo "exit status $rc, not $want"
	local f
	f=$(find "$WORK" -maxdepth 1 -name '*.out' ! -name ok.out -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
	[ -z "$f" ] || { echo "--- $f"; tail -n 20 "$f"; }
	return 1
}
says() { grep -qF -- "$2" "$WORK/$1.out" || { echo "nothing says '$2' in:"; tail -n 25 "$WORK/$1.out"; return 1; }; }
same_objects() { says "$1" 'equal    objects: ' && ! grep -A3 'DIFFERS\|unproven' "$WORK/$1.out"; }
no_leftovers() { # SERVER: no session of ours is on it
	local n
	n=$(lab psql "$1" postgres -At -c "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgusher%'")
	[ "$n" = 0 ] || { echo "$n sessions are left on $1"; return 1; }
}
