# Shared by the scripts of the lab; to be sourced.  Where things are, and who runs them.
# shellcheck shell=bash

LAB_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
PROJECT=$(cd "$LAB_SCRIPTS/../.." && pwd)
LAB=${PGUSHER_LAB:-/tmp/pgusher-lab.$UID}
# Server binaries are kept outside the checkout. As root in a place that the postgres user may enter.
if [ "$UID" = 0 ]; then
	CACHE=${PGUSHER_CACHE:-/var/cache/pgusher}
else
	CACHE=${PGUSHER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pgusher}
fi
LAB_USER=${PGUSHER_LAB_USER:-postgres} # runs the servers when we are root

say() { printf 'lab: %s\n' "$*" >&2; }
die() {
	say "$*"
	exit 1
}
# 77 is "skipped" to the tests
skip() {
	say "skipped: $*"
	exit 77
}

# PostgreSQL refuses to run as root.
as_lab() {
	if [ "$UID" = 0 ]; then
		runuser -u "$LAB_USER" -- "$@"
	else
		"$@"
	fi
}

lab_owner() { if [ "$UID" = 0 ]; then echo "$LAB_USER"; else id -un; fi; }

# The directory with postgres, initdb and pg_ctl of a major; false when there is none.
server_bindir() {
	local d
	for d in "/usr/lib/postgresql/$1/bin" "$CACHE/server/$1/bin"; do
		if [ -x "$d/postgres" ] && [ -x "$d/initdb" ]; then
			echo "$d"
			return
		fi
	done
	return 1
}

# Majors that can be started here, ascending.
server_majors() {
	local m
	for m in 10 11 12 13 14 15 16 17 18; do
		if server_bindir "$m" >/dev/null; then echo "$m"; fi
	done
}

# The directory with pg_dump of the lowest major that is at least $1; false when there is none.
client_bindir() {
	local m d
	for m in $(seq "$1" 25); do
		for d in "/usr/lib/postgresql/$m/bin" "$CACHE/client/$m/bin"; do
			if [ -x "$d/pg_dump" ]; then
				echo "$d"
				return
			fi
		done
	done
	return 1
}

# The lab's folder: ours, and open to the user that runs the servers.
lab_root() {
	mkdir -p "$LAB"
	[ -O "$LAB" ] || die "$LAB belongs to somebody else; set PGUSHER_LAB to a folder of your own"
	chmod go+x,go-w "$LAB"
	if [ "$UID" = 0 ]; then
		id "$LAB_USER" >/dev/null 2>&1 || die "no user $LAB_USER to run servers as; run tests/lab/install demo"
		as_lab test -x "$LAB" || die "user $LAB_USER cannot enter $LAB; set PGUSHER_LAB to a folder that it can"
	fi
	cd "$LAB" || exit 1
}

lab_name() {
	[[ "$1" =~ ^[A-Za-z0-9_-]+$ ]] || die "a name is letters, digits, - and _, not '$1'"
}

# A port that the kernel says is free, below the range that it gives to outgoing connections: a
# server that is restarted wants its port back.
free_port() {
	perl -MIO::Socket::INET -e 'for (1 .. 200) {
		my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1",
			LocalPort => 15000 + int(rand(17000)), ReuseAddr => 1) or next;
		print $s->sockport, "\n"; exit 0;
	} exit 1' || die "no free port found"
}

secret_word() { printf '%s-%s' "$1" "$(od -An -N9 -tx1 /dev/urandom | tr -d ' \n')"; }

# until_true SECONDS COMMAND...: polls every 50 ms; false when the time is over.
until_true() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# Processes that work inside a folder: servers run in their data directory, our tools in theirs.
pids_in() {
	find /proc/[0-9]* -maxdepth 1 -name cwd \( -lname "$1" -o -lname "$1/*" -o -lname "$1 (deleted)" \) \
		-printf '%h\n' 2>/dev/null | sed 's,/proc/,,' | grep -vx "$$" || true
}

# All processes under one, deepest first.
children_of() {
	local p
	for p in $(pgrep -P "$1"); do
		children_of "$p"
		echo "$p"
	done
}

no_pids_in() { [ -z "$(pids_in "$1")" ]; }
# A dead process that nobody has reaped yet counts as gone.
gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# Ends every process of a folder at once, as a power cut would: stopped first, as a worker that outlives its postmaster by a moment waits
# for no synchronous standby any more, and confirms what only the dead server has.
kill_in() {
	local pids
	pids=$(pids_in "$1")
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -STOP $pids 2>/dev/null || true
	# shellcheck disable=SC2086
	[ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
	until_true 10 no_pids_in "$1" || die "processes in $1 do not end: $(pids_in "$1" | tr '\n' ' ')"
}

# A C tool of the lab, built when it is missing or old; prints where it is.
lab_tool() {
	local out=$LAB/bin/$1 src=$LAB_SCRIPTS/$1.c
	if [ ! -x "$out" ] || [ "$src" -nt "$out" ]; then
		mkdir -p "$LAB/bin"
		"${CC:-gcc}" -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Werror -Wstrict-prototypes -Wmissing-prototypes \
			-D_GNU_SOURCE -isystem "$(pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)" \
			-o "$out.$$" "$src" -pthread -lpq >&2 || die "$src does not compile"
		mv "$out.$$" "$out"
	fi
	echo "$out"
}
