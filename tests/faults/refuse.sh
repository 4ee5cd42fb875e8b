#!/usr/bin/env bash
# What cannot work is refused before anything is done, and says what to do.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab rows a shop 2
lab psql a shop -q -c "CREATE ROLE nobody LOGIN PASSWORD 'nobody'" -c 'CREATE TABLE guarded (id int)' -c 'ALTER TABLE guarded ENABLE ROW LEVEL SECURITY'
lab psql b postgres -q -c "CREATE ROLE nobody LOGIN PASSWORD 'nobody'"
change() { # NAME SECTION KEY VALUE: sets a key of one section
	awk -v s="[$2]" -v k="$3" -v v="$4" '$0 ~ /^\[/ { in_s = ($0 == s) } in_s && $1 == k { next } { print } $0 == s { print k " = " v }' \
		"$WORK/$1.ini" >"$WORK/x" && mv "$WORK/x" "$WORK/$1.ini"
}
# refused TEXT STATUS SAYS...: with the settings of $WORK/case.ini
refused() {
	local text=$1 want=$2 s
	shift 2
	ok "$text: refused" exits "$want" pgusher run case --yes
	for s in "$@"; do ok "$text: says '$s'" says case "$s"; done
	ok "$text: nothing was made" test -z "$(lab psql b postgres -At -c "SELECT 1 FROM pg_database WHERE datname = 'shop'")"
}
fresh() {
	rm -rf "$XDG_STATE_HOME"
	ini case a shop b shop
}
fresh; printf '*:*:*:*:wrong\n' >"$WORK/wrong"; chmod 600 "$WORK/wrong"; change case source passfile "$WORK/wrong"
refused 'wrong password' 3 'password authentication failed' 'check the role and its password'
refused 'wrong password: who, where, and from where' 3 "postgres\" (127.0.0.1:$(get a PORT), database shop); the password is from the file $WORK/wrong"
fresh; export PGPASSWORD=wrong
refused 'wrong password that goes before the right file' 3 "database shop); the password is from PGPASSWORD" "PGPASSWORD goes before $(get a PASSFILE)"
unset PGPASSWORD
fresh; change case source passfile ''; echo 'password_command = echo wrong' >"$WORK/command"; sed -i "/^\[source\]/r $WORK/command" "$WORK/case.ini"
refused 'wrong password of a command' 3 'the password is what password_command said' 'see what password_command prints'
fresh; change case source passfile /dev/null
refused 'no password' 3 'wants a password' 'password file'
fresh; change case source passfile "$WORK/no-such-file"
refused 'no password file' 3 "cannot read $WORK/no-such-file"
fresh; cp "$(get a PASSFILE)" "$WORK/open"; chmod 644 "$WORK/open"; change case source passfile "$WORK/open"
refused 'a password file that others may read' 3 "chmod 600 $WORK/open"
fresh; change case target port 18584x
refused 'a port that is no number' 2 'is not a value of [target] port'
fresh; change case target host no.such.host.invalid
refused 'unknown host' 3 'no.such.host.invalid' 'check'
fresh; change case target port 1
refused 'dead port' 3 'refused' 'check that the server runs'
fresh; change case source dbname nothere
refused 'unknown database' 3 'nothere' 'psql -l'
fresh; change case source user ghost; printf '*:*:*:*:x\n' >"$WORK/wrong"; change case source passfile "$WORK/wrong"
refused 'unknown role' 3 'ghost' 'check the role'
fresh; sed -i '/^host  all/s/all 127/postgres 127/' "$(get b PGDATA)/pg_hba.conf"; lab psql b postgres -q -c 'SELECT pg_reload_conf()' >/dev/null
change case target user nobody
until_true 60 sh -c "! PGPASSWORD=nobody psql -h 127.0.0.1 -p $(get b PORT) -U nobody postgres -c '' 2>/dev/null" || true
refused 'no pg_hba line' 3 'pg_hba' 'add to pg_hba.conf' '127.0.0.1/32'
sed -i '/^host  all/s/postgres 127/all 127/' "$(get b PGDATA)/pg_hba.conf"; lab psql b postgres -q -c 'SELECT pg_reload_conf()' >/dev/null
fresh; change case target port "$(get a PORT)"; change case target passfile "$(get a PASSFILE)"
refused 'source is target' 3 'are the same database'
fresh; printf '127.0.0.1:*:*:nobody:nobody\n' >"$WORK/nobody"; chmod 600 "$WORK/nobody"
change case source user nobody; change case source passfile "$WORK/nobody"
refused 'role without rights on the source' 3 'may not read' 'GRANT pg_read_all_data'
lab psql a shop -q -c 'GRANT pg_read_all_data TO nobody'
refused 'row security' 3 'row security' 'BYPASSRLS'
lab psql a shop -q -c 'REVOKE pg_read_all_data FROM nobody'
fresh; change case target user nobody; change case target passfile "$WORK/nobody"
refused 'role without rights on the target' 3 'may not create the target database' 'CREATEDB'
fresh; mkdir -p "$WORK/old"
for t in pg_dump pg_restore vacuumdb; do printf '#!/bin/sh\necho "%s (PostgreSQL) 13.4"\n' $t >"$WORK/old/$t"; chmod 755 "$WORK/old/$t"; done
printf '[tools]\nbindir = %s\n' "$WORK/old" >>"$WORK/case.ini"
refused 'old tools' 3 'must not be older than the source' 'postgresql-client-16'
fresh; printf 'schemas = publik\n' >>"$WORK/case.ini"
refused 'no such schema' 3 'publik' 'names are exact'
fresh; printf 'jbos = 3\n' >>"$WORK/case.ini"
refused 'a mistyped key' 2 "did you mean 'jobs'"
fresh; lab psql b postgres -q -c 'CREATE DATABASE shop'; lab psql b shop -q -c 'CREATE TABLE precious (id int)'
ok 'target not empty: refused' exits 3 pgusher run case --yes
ok 'target not empty: says what is there' says case public.precious
ok 'target not empty: untouched' lab psql b shop -c 'TABLE precious'
lab psql b postgres -q -c 'DROP DATABASE shop'
fresh; lab psql b postgres -q -c 'ALTER SYSTEM SET default_transaction_read_only = on' -c 'SELECT pg_reload_conf()' >/dev/null
until_true 60 sh -c "[ \"\$(tests/lab/lab psql b postgres -At -c 'SHOW default_transaction_read_only')\" = on ]"
ok 'target read-only by setting: pgusher overrides it for itself' exits 0 pgusher check case
lab psql b postgres -q -c 'ALTER SYSTEM RESET default_transaction_read_only' -c 'SELECT pg_reload_conf()' >/dev/null
touch "$(get b PGDATA)/standby.signal"; lab restart b >/dev/null 2>&1
fresh
ok 'target is a standby: refused' exits 3 pgusher run case --yes
ok 'target is a standby: says so' says case 'is a standby'
rm -f "$(get b PGDATA)/standby.signal"; lab restart b >/dev/null 2>&1
lab psql b postgres -q -c 'SELECT pg_promote()' >/dev/null 2>&1
# what does work without a superuser on either side
fresh
lab psql a shop -q -c 'GRANT pg_read_all_data TO nobody' -c 'ALTER ROLE nobody BYPASSRLS'
lab psql b postgres -q -c 'ALTER ROLE nobody CREATEDB CREATEROLE'
change case source user nobody; change case source passfile "$WORK/nobody"
change case target user nobody; change case target passfile "$WORK/nobody"
# what belongs to postgres cannot be given to postgres by another: listed, and exit 1
ok 'without superusers: runs, and says what is left to look at' exits 1 pgusher run case --yes
ok 'without superusers: names what it could not give away' says case 'ALTER TABLE public.guarded OWNER TO postgres'
ok 'without superusers: the rows are the same' tests/lab/compare --skip database,roles,schema a/shop b/shop

# whatever is refused, there is a next step
hinted() { # TEXT STATUS SAYS WORDS...
	local text=$1 want=$2 says=$3 rc=0
	shift 3
	"$PGUSHER" "$@" >"$WORK/hint.out" 2>&1 </dev/null || rc=$?
	ok "$text: refused" test $rc = "$want"
	ok "$text: says what to do" sh -c 'grep -A 1 "^pgusher: " "$1" | grep -q "^         [a-z]"' sh "$WORK/hint.out"
	ok "$text: says '$says'" says hint "$says"
}
fresh
ini none a shop b nowhere
hinted 'no file named' 2 'writes such a file' status
hinted 'a file that is not there' 2 'is the path right' status -c "$WORK/nosuch.ini"
hinted 'a folder in place of a file' 2 'is the path right' check -c "$WORK"
hinted 'two commands' 2 'pgusher --help' status report
hinted 'an option without its value' 2 'pgusher --help' cutover -c "$WORK/case.ini" --max-outage
hinted 'no report yet' 1 'pgusher run begins one' report -c "$WORK/none.ini"
hinted 'nothing to clean up' 3 "looked in $XDG_STATE_HOME/pgusher/none" cleanup -c "$WORK/none.ini"
sed 's/^method = .*/method = subscription/' "$WORK/none.ini" >"$WORK/nosub.ini"
ok 'nothing to clean up of a subscription: done' exits 0 pgusher cleanup nosub
ok 'nothing to clean up of a subscription: says so' says nosub 'nothing is left'
ok 'nothing to clean up of a subscription: nothing is begun' test ! -e "$XDG_STATE_HOME/pgusher/none/journal.jsonl"
hinted 'verify without a target' 3 'pgusher run makes and fills it' verify -c "$WORK/none.ini"
for verb in watch cutover rollback finalize; do
	hinted "$verb of a dump" 2 'only a subscription' $verb -c "$WORK/none.ini" --confirm shop
done
mkdir -p "$XDG_STATE_HOME/pgusher/none" && printf '{"torn\n' >"$XDG_STATE_HOME/pgusher/none/journal.jsonl"
hinted 'a damaged journal, status' 1 'is not a journal line' status -c "$WORK/none.ini"
hinted 'a damaged journal, report' 1 'is not a journal line' report -c "$WORK/none.ini"
hinted 'a damaged journal, cleanup' 1 'is not a journal line' cleanup -c "$WORK/none.ini"
exit $bad
