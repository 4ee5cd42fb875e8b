#!/usr/bin/env bash
# The tunnel method: it works through a real sshd, says which hop fails and why, and leaves no ssh behind.
. "$(dirname "$0")/../flows/common.sh"
command -v ssh >/dev/null || { echo 'skip no ssh here'; exit 0; }
up a 14
up b 16
lab rows a shop "${ROWS_MB:-24}"
tests/lab/sshd up s1 >/dev/null 2>"$WORK/up.err" || { echo "skip $(cat "$WORK/up.err")"; exit 0; }
ssh_of() { (eval "$(tests/lab/sshd env "$1" | sed 's/^\s*//')" && eval "echo \$$2"); }
PLAIN_PATH=$PATH
through() { PATH=$(ssh_of "$1" BIN):$PLAIN_PATH; } # whose ssh_config `ssh` has from here on
through s1

# tunnel_ini NAME SSHHOST [line...]: the source through ssh
tunnel_ini() {
	local name=$1 host=$2
	shift 2
	ini "$name" a shop b shop "$@"
	sed -i "s/^method = dump/method = tunnel/; s/^\[source\]/[source]\nssh = $host/" "$WORK/$name.ini"
}
drop_target() { lab psql b postgres -c 'DROP DATABASE IF EXISTS shop WITH (FORCE)' -c 'DROP ROLE IF EXISTS app' >/dev/null; }
OURS="[s]sh -F $PGUSHER_LAB/s[12]/ssh_config .*-L 127\\.0\\.0\\.1:"
no_ssh() { ! pgrep -af "$OURS"; }
soon() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { "$@"; return 1; }
		sleep 0.05
	done
}
journal() { echo "$XDG_STATE_HOME/pgusher/$1/journal.jsonl"; }
running() { grep -qs "\"kind\":\"action\",\"state\":\"running\",\"id\":\"$2\"" "$(journal "$1")"; }

# ---- it works
tunnel_ini through lab-s1
ok 'through ssh: the plan is made' exits 0 pgusher plan through
ok 'through ssh: the plan shows the command' says through '-o ExitOnForwardFailure=yes -L 127.0.0.1:'
ok 'through ssh: done and proven' exits 0 pgusher run through --yes
ok 'through ssh: an independent comparison' tests/lab/compare a/shop b/shop
ok 'through ssh: no ssh is left' no_ssh
drop_target
tunnel_ini both lab-s1
sed -i "s/^\[target\]/[target]\nssh = lab-s1/" "$WORK/both.ini"
ok 'both sides through ssh: done and proven' exits 0 pgusher run both --yes
ok 'both sides through ssh: an independent comparison' tests/lab/compare a/shop b/shop
drop_target
# a host behind another, and a ~/.ssh/config that forwards by itself: on a port that is taken, and out to the host
{
	sed '1s/.*/Host lab-behind lab-forwards/; $a ProxyJump lab-s1' "$(ssh_of s1 SSH_CONFIG)" # what lab-s1 has
	printf 'Host lab-forwards\n\tLocalForward %s localhost:1\n\tRemoteForward %s localhost:1\n\tRemoteCommand false\n' "$(get b PORT)" "$(get b PORT)"
} >"$WORK/behind"
cat "$WORK/behind" >>"$(ssh_of s1 SSH_CONFIG)"
for host in lab-behind lab-forwards; do
	tunnel_ini $host $host
	ok "$host: done and proven" exits 0 pgusher run $host --yes
	ok "$host: no ssh is left" no_ssh
	drop_target
done
ok 'lab-forwards: the command has what the configuration says, but not what it forwards' exits 0 pgusher plan lab-forwards
ok 'lab-forwards: the way there' says lab-forwards '-F none -o hostname=127.0.0.1 -o port='
ok 'lab-forwards: the hop before it' says lab-forwards "-- ssh://lab-s1"
ok 'lab-forwards: only one forwarding' test "$(grep -o ' -L ' "$WORK/lab-forwards.out" | sort | uniq -c | tr -dc '0-9')" = 1
# the source's socket folder, as only the ssh host sees it
tunnel_ini socket lab-s1
sed -i "0,/^host = .*/s,^host = .*,host = $PGUSHER_LAB/a," "$WORK/socket.ini"
ok "through ssh to the server's socket: done and proven" exits 0 pgusher run socket --yes
drop_target
# the certificate names the host, not the end of the tunnel
tls_on() { [ "$(lab psql a postgres -At -c 'SHOW ssl')" = on ]; }
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
	-keyout "$PGUSHER_LAB/a/data/server.key" -out "$PGUSHER_LAB/a/data/server.crt" 2>/dev/null
chmod 600 "$PGUSHER_LAB/a/data/server.key"
[ "$UID" != 0 ] || chown postgres "$PGUSHER_LAB/a/data/server.key" "$PGUSHER_LAB/a/data/server.crt"
cp "$PGUSHER_LAB/a/data/server.crt" "$WORK/ca.crt"
if lab psql a postgres -c 'ALTER SYSTEM SET ssl = on' -c 'SELECT pg_reload_conf()' >/dev/null && until_true 20 tls_on; then
	tunnel_ini tls lab-s1
	sed -i "0,/^host = .*/s,^host = .*,host = localhost\nsslmode = verify-full\nsslrootcert = $WORK/ca.crt," "$WORK/tls.ini"
	ok 'verify-full through ssh: the name is checked, and right' exits 0 pgusher check tls
	sed -i 's/^host = localhost/host = 127.0.0.1/' "$WORK/tls.ini"
	ok 'verify-full through ssh: a name that is not in the certificate is refused' exits 3 pgusher check tls
	lab psql a postgres -c 'ALTER SYSTEM RESET ssl' -c 'SELECT pg_reload_conf()' >/dev/null
else
	echo 'skip verify-full through ssh: this server has no TLS'
fi
tunnel_ini script lab-s1 'transfer = file'
"$PGUSHER" plan -c "$WORK/script.ini" --shell >"$WORK/script.sh" 2>&1
ok 'the script brings its tunnel' grep -q 'until pg_isready' "$WORK/script.sh"
ok 'the script is one' bash -n "$WORK/script.sh"

# ---- an ssh host that is not there at first
tunnel_ini early lab-s1
tests/lab/sshd stop s1
"$PGUSHER" check -c "$WORK/early.ini" >"$WORK/early.out" 2>&1 </dev/null &
pid=$!
ok 'ssh host away at first: it is waited for' until_true 60 grep -q 'source   does not answer: again in .*does not take ssh connections' "$WORK/early.out"
tests/lab/sshd start s1 >/dev/null
ok 'ssh host back: the preflight goes on by itself' wait $pid
ok 'ssh host back: no ssh is left' no_ssh

# ---- it says what is wrong. wrong TEXT SSHHOST WORDS...
wrong() {
	local text=$1 host=$2 rc=0 word
	shift 2
	tunnel_ini case "$host"
	"$PGUSHER" check -c "$WORK/case.ini" >"$WORK/case.out" 2>&1 </dev/null || rc=$?
	ok "$text: blocks" test $rc = 3
	for word in "$@"; do ok "$text: says '$word'" says case "$word"; done
	ok "$text: no ssh is left" no_ssh
}
wrong 'a host with no address' nowhere.invalid 'has no address' 'HostName in ~/.ssh/config'
wrong 'a login that is refused' "nobody-here@127.0.0.1" 'refused the login' 'ssh-copy-id'
ok 'a wrong setting: a login that is an option' exits 3 pgusher check case
sed -i 's/^ssh = .*/ssh = -oProxyCommand=touch/' "$WORK/case.ini"
pgusher check case
ok 'a login that is an option is refused' says case 'ssh takes login@host'

mv "$(ssh_of s1 KNOWN_HOSTS)" "$WORK/known"
wrong 'an unknown host' lab-s1 'is not known here' 'SHA256:'
mark=$(ssh-keygen -lf "$PGUSHER_LAB/s1/hostkey.pub" | cut -d' ' -f2)
ok 'an unknown host: the fingerprint is right' says case "$mark"
ok 'an unknown host: --yes does not accept it' exits 3 pgusher check case --yes
ok 'an unknown host: another fingerprint does not' exits 3 pgusher check case --confirm SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
ok 'an unknown host: its fingerprint does' exits 0 pgusher check case --confirm "$mark"
ok 'an unknown host: it is known from then on' exits 0 pgusher check case
tests/lab/sshd rekey s1
wrong 'a changed host key' lab-s1 'has changed' 'ssh-keygen -R'
ok 'a changed host key: nothing accepts it' exits 3 pgusher check case --yes --confirm "$(ssh-keygen -lf "$PGUSHER_LAB/s1/hostkey.pub" | cut -d' ' -f2)"
echo "[127.0.0.1]:$(ssh_of s1 PORT) $(awk '{ print $1, $2 }' "$PGUSHER_LAB/s1/hostkey.pub")" >"$(ssh_of s1 KNOWN_HOSTS)"
sed -i 's/^Host lab-behind lab-forwards/&\nHostName nowhere.invalid/' "$(ssh_of s1 SSH_CONFIG)"
wrong 'a host that the one before it does not know' lab-behind 'does not reach lab-behind' 'as that host sees it'
tests/lab/sshd stop s1
wrong 'no sshd' lab-s1 'does not take ssh connections' 'that sshd runs'
tests/lab/sshd start s1

sed "0,/^port = .*/s//port = 1/" -i "$WORK/through.ini"
ok 'nothing on the far port' exits 3 pgusher check through
ok 'nothing on the far port: says so' says through 'nothing answers on that port'
tests/lab/sshd up s2 AllowTcpForwarding no >/dev/null
through s2
wrong 'forwarding is forbidden' lab-s2 'forbids forwarding' 'AllowTcpForwarding yes'
through s1

tunnel_ini taken lab-s1
port=$(get b PORT)
sed -i "s/^ssh = lab-s1/ssh = lab-s1\nlocal_port = $port/" "$WORK/taken.ini"
ok 'the local port is taken' exits 3 pgusher check taken
ok 'the local port is taken: says so' says taken 'leave local_port out'
tunnel_ini plain lab-s1
sed -i 's/^method = tunnel/method = dump/' "$WORK/plain.ini"
ok 'ssh with method dump is an error' exits 2 pgusher check plain
sed -i 's/^method = dump/method = tunnel/; /^ssh = /d' "$WORK/plain.ini"
ok 'method tunnel without ssh is an error' exits 2 pgusher check plain

# ---- it breaks, over a slow line, so that it is not over before. breaks_at NAME ACTION HOW...: the tunnel is hit while an action runs
breaks_at() {
	local name=$1 action=$2 pid t0
	shift 2
	rm -rf "$XDG_STATE_HOME/pgusher/$name"
	drop_target
	lab tell line rate 2000000
	"$PGUSHER" run -c "$WORK/$name.ini" --yes >"$WORK/$name.out" 2>&1 </dev/null &
	pid=$!
	soon 120 running "$name" "$action" || return 1
	sleep 0.1
	"$@"
	lab tell line rate 0
	t0=$SECONDS
	wait $pid
	rc=$? took=$((SECONDS - t0))
}
lab proxy line a >/dev/null
over_line() { sed -i "s/^port = $(get a PORT)\$/port = $(cat "$PGUSHER_LAB/line/port")/" "$WORK/$1.ini"; }
kill_ssh() { pkill -KILL -f "$OURS"; }
tunnel_ini stream lab-s1
over_line stream
for how in kill_ssh 'tests/lab/sshd cut s1'; do
	# shellcheck disable=SC2086
	breaks_at stream copy/2 $how
	ok "lost while it copies ($how): exit 5, soon" test "$rc" = 5 -a "$took" -lt 90
	ok "lost while it copies ($how): says so" says stream 'the ssh tunnel broke'
	ok "lost while it copies ($how): nothing goes on" soon 60 no_leftovers a
	ok "lost while it copies ($how): no ssh is left" no_ssh
	ok "lost while it copies ($how): goes on" exits 0 pgusher run stream --yes
	ok "lost while it copies ($how): the end is the same" tests/lab/compare a/shop b/shop
done
tunnel_ini file lab-s1 'transfer = file' 'jobs = 2'
over_line file
breaks_at file restore/2 kill_ssh
ok 'lost while it restores from the file: that does not need it' test "$rc" = 0
ok 'lost while it restores from the file: the end is the same' tests/lab/compare a/shop b/shop
breaks_at file dump/2 kill_ssh
ok 'lost while it dumps: exit 5' test "$rc" = 5
ok 'lost while it dumps: goes on' exits 0 pgusher run file --yes
ok 'lost while it dumps: the end is the same' tests/lab/compare a/shop b/shop

# ---- whatever ends pgusher, ssh ends too
for sig in KILL TERM; do
	rm -rf "$XDG_STATE_HOME/pgusher/stream"
	drop_target
	lab tell line rate 2000000
	"$PGUSHER" run -c "$WORK/stream.ini" --yes >"$WORK/stream.out" 2>&1 </dev/null &
	pid=$!
	soon 120 running stream copy/2
	kill -$sig $pid
	wait $pid 2>/dev/null
	lab tell line rate 0
	ok "pgusher gets SIG$sig: no ssh is left" soon 60 no_ssh
	ok "pgusher gets SIG$sig: goes on" exits 0 pgusher run stream --yes
done
exit $bad
