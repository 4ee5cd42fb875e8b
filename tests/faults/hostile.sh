#!/usr/bin/env bash
# A server may name its objects what it likes, and say what it likes: none of it commands the terminal, none of it is lost.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0' >/dev/null
esc=$'\e' bel=$'\a'
evil="t${esc}[2J${esc}]0;owned${bel}"$'\r'"x"
turned=$'rows\u202egnp.\u009b31m'
lab psql a shop -q <<EOS
CREATE TABLE "$evil" (id int PRIMARY KEY, "c${esc}[31m" text);
INSERT INTO "$evil" SELECT g, g FROM generate_series(1, 100) g;
CREATE TABLE "$turned" (i int);
COMMENT ON TABLE "$evil" IS '${esc}]52;c;cm0gLXJmIC8K${bel}';
CREATE FUNCTION odd(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS \$\$ BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN RAISE EXCEPTION '${esc}[8mhidden' USING DETAIL = '${esc}[1;1Hmoved'; END IF; RETURN i; END \$\$;
CREATE TABLE odd AS SELECT 1 AS i;
CREATE INDEX odd_i ON odd (odd(i));
ALTER TABLE "$evil" REPLICA IDENTITY NOTHING;
EOS
# what a terminal would take for a command: all but line ends, tabs and letters
commands() { LC_ALL=C grep -naP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]' "$@"; }
clean() { # FILE...
	test -s "$1" || { echo "$1 is empty"; return 1; }
	! commands "$@"
}
ok 'the search finds one' commands <(printf 'x\e[m')
ini case a shop b shop
pgusher check case || true
ok 'check: nothing commands the terminal' clean "$WORK/case.out"
ok 'plan: is made' exits 0 pgusher plan case
ok 'plan: nothing commands the terminal' clean "$WORK/case.out"
ok 'run: an index could not be made' exits 1 pgusher run case --yes
ok 'run: nothing commands the terminal' clean "$WORK/case.out"
ok 'run: the words of the error are there' says case '?[8mhidden'
ok 'run: the rows came' test "$(lab psql b shop -At -c "SELECT count(*) FROM \"$evil\"")" = 100
pgusher status case || true
ok 'status: nothing commands the terminal' clean "$WORK/case.out"
ok 'report: printed' exits 0 pgusher report case
ok 'report: nothing commands the terminal' clean "$WORK/case.out"
ok 'the report on disk: nothing commands the terminal' clean "$XDG_STATE_HOME/pgusher/case/report.md"
ok 'the journal: no control character' test -z "$(LC_ALL=C tr -dc '\000-\010\013-\037' <"$XDG_STATE_HOME/pgusher/case/journal.jsonl")"
ok 'the journal: but the name is whole' perl -MJSON::PP -0777 -ne 'my $n = shift; exit !grep { ($_->{id} // "") eq "public.t\e[2J\e]0;owned\a\rx" } map { decode_json($_) } split /\n/' "$XDG_STATE_HOME/pgusher/case/journal.jsonl"
pgusher verify case || true
ok 'verify: nothing commands the terminal' clean "$WORK/case.out"
ok 'verify, JSON: a program gets the name as it is' sh -c '"$1" verify -c "$2" --json </dev/null 2>/dev/null | grep -qiF "public.t\\u001b[2J"' sh "$PGUSHER" "$WORK/case.ini"

# what a program reads
ini file a shop b shop 'transfer = file'
"$PGUSHER" plan -c "$WORK/file.ini" --json >"$WORK/json.out" 2>/dev/null </dev/null
ok 'plan --json: is JSON' perl -MJSON::PP -0777 -ne 'decode_json($_)' "$WORK/json.out"

# on a terminal
lab psql b postgres -q -c 'DROP DATABASE shop WITH (FORCE)'
rm -rf "$XDG_STATE_HOME/pgusher/case"
if command -v script >/dev/null; then
	script -qec "$PGUSHER run -c $WORK/case.ini --yes" "$WORK/tty.out" >/dev/null 2>&1 </dev/null
	tr -d '\r' <"$WORK/tty.out" >"$WORK/tty"
	ok 'on a terminal: nothing commands it' clean "$WORK/tty"
else
	echo 'skip on a terminal: no script(1)'
fi

# a server that greets with an escape: what libpq quotes of it
perl -MIO::Socket::INET -e '
	my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 0) or exit 1;
	open my $f, ">", $ARGV[0]; print $f $s->sockport; close $f;
	$SIG{ALRM} = sub { exit }; alarm 120;
	while (my $c = $s->accept) { sysread $c, my $x, 4096;
		if (length $x == 8) { print $c "N"; sysread $c, $x, 4096 } # no TLS
		my $m = "SFATAL\0VFATAL\0C28P01\0M\e]0;owned\a\e[2Jpassword\0\0"; print $c "E" . pack("N", 4 + length $m) . $m; close $c }' "$WORK/port" &
impostor=$!
until_true 20 test -s "$WORK/port"
ini greets a shop b shop
sed -i "0,/^port = .*/s//port = $(cat "$WORK/port")/" "$WORK/greets.ini"
ok 'a server that greets with an escape: blocks' exits 3 pgusher check greets
ok 'a server that greets with an escape: nothing commands the terminal' clean "$WORK/greets.out"
ok 'a server that greets with an escape: its words are there' says greets '?[2Jpassword'
kill $impostor
wait $impostor 2>/dev/null
exit $bad
