#!/usr/bin/env bash
# The preflight, check by check: break a server, see the finding with its verdict and its fix, do what the fix says, see
# it gone. What a lab cannot provoke is named at the end, with the reason; tests/unit/test_checks has those.
. "$(dirname "$0")/../flows/common.sh"
up a 14 max_prepared_transactions=4 max_wal_size=1GB
up b 16 max_wal_size=1GB
declare -A shown provoked # by id: came up in any run; was seen as something other than OK
a=$(get a PORT) b=$(get b PORT)
source_sql() { lab psql a "${2:-shop}" -At -c "$1"; }
target_sql() { lab psql b "${2:-postgres}" -At -c "$1"; }
rights="NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE CONNECTION LIMIT -1 VALID UNTIL 'infinity'"
for s in a b; do lab psql $s postgres -q -c "CREATE ROLE walker LOGIN PASSWORD 'walker'"; done
printf '127.0.0.1:*:*:walker:walker\n' >"$WORK/walker"
chmod 600 "$WORK/walker"
change() { # SECTION KEY VALUE: sets a key of $WORK/case.ini
	awk -v s="[$1]" -v k="$2" -v v="$3" '$0 ~ /^\[/ { in_s = ($0 == s) } in_s && $1 == k { next } { print } $0 == s { print k " = " v }' \
		"$WORK/case.ini" >"$WORK/x" && mv "$WORK/x" "$WORK/case.ini"
}
unset_key() { sed -i "/^$1 = /d" "$WORK/case.ini"; }
as_walker() { # SECTION...
	local s
	for s in "$@"; do
		change "$s" user walker
		change "$s" passfile "$WORK/walker"
	done
}
# Both servers as they were, a source of one table, no target database.
fresh() {
	ini case a shop b shop
	{
		printf '%s;\n' 'DROP DATABASE IF EXISTS shop WITH (FORCE)' "ALTER ROLE walker $rights" 'REVOKE pg_read_all_data FROM walker'
		echo 'CREATE DATABASE shop TEMPLATE template0;'
		printf '%s\n' '\connect shop' 'CREATE TABLE kept (id int PRIMARY KEY);' 'INSERT INTO kept VALUES (1);' "$@"
	} | lab psql a postgres -q >/dev/null 2>"$WORK/fresh.err" &&
		printf '%s;\n' 'DROP DATABASE IF EXISTS shop WITH (FORCE)' "ALTER ROLE walker $rights" | lab psql b postgres -q && return
	echo "not ok the servers are set up"
	cat "$WORK/fresh.err"
	bad=1
}
# All findings of one run: id, verdict, fix, fix's SQL, title with what was found; in $WORK/case.tsv
check() {
	"$PGUSHER" check --config "$WORK/case.ini" --json >"$WORK/case.out" 2>&1 </dev/null
	perl -MJSON::PP -ne 'next unless /^\{/; my $e = decode_json($_); next unless $e->{kind} eq "finding";
		my @f = map { my $t = $_ // ""; $t =~ s/\s+/ /g; utf8::encode($t); $t } @$e{qw(id verdict hint sql)}, "$e->{title}: " . ($e->{text} // "");
		print join("\t", @f), "\n"' "$WORK/case.out" >"$WORK/case.tsv"
	local id verdict others=
	! grep -q '^method = subscription' "$WORK/case.ini" || others=1 # subscription_checks.sh provokes the subscription's own
	while IFS=$'\t' read -r id verdict _; do
		[ -n "$others" ] || shown[$id]=1
		[ "$verdict" = OK ] || provoked[$id]=$verdict
	done <"$WORK/case.tsv"
}
field() { awk -F'\t' -v id="$1" -v n="$2" '$1 == id { print $n }' "$WORK/case.tsv"; }
is() { # ID VERDICT [FIX or FOUND says...]
	local id=$1 want=$2 got s
	shift 2
	got=$(field "$id" 2)
	[ "$got" = "$want" ] || { echo "$id is '$got', not $want"; field "$id" 5; tail -n 3 "$WORK/case.out"; return 1; }
	for s in "$@"; do
		[[ "$(field "$id" 3) $(field "$id" 5)" == *"$s"* ]] || { echo "$id does not say '$s' but: $(field "$id" 3) $(field "$id" 5)"; return 1; }
	done
}
caught() { # ID VERDICT SAYS...
	check
	ok "$1: $2: ${3:-}" is "$@"
}
# The fix has been done: nothing of it is left. Some end as a smaller finding.
mended() { # ID [VERDICT]
	check
	ok "$1: mended: ${2:-OK}" is "$1" "${2:-OK}"
}

# ---- connections -----------------------------------------------------------------------------
fresh
check
quiet=$(awk -F'\t' '$2 != "OK" && $1 != "target.roles" { print $1 }' "$WORK/case.tsv")
ok 'nothing is found where nothing is wrong' test -z "$quiet"
for side in source target; do
	fresh
	if [ $side = source ]; then server=a port=$a; else server=b port=$b; fi
	change $side port 1
	caught $side.connect BLOCK 'check that the server runs' 'cannot be reached'
	change $side port "$port"
	mended $side.connect
	as_walker $side
	lab psql "$server" postgres -q -c 'ALTER ROLE walker CONNECTION LIMIT 2'
	caught $side.slots BLOCK "CONNECTION LIMIT" 'about 2 free'
	lab psql "$server" postgres -q -c 'ALTER ROLE walker CONNECTION LIMIT 5'
	caught $side.slots WARN "CONNECTION LIMIT"
	lab psql "$server" postgres -q -c 'ALTER ROLE walker CONNECTION LIMIT -1'
	mended $side.slots
	change dump jobs 64
	caught $side.slots WARN 'fewer jobs'
	change dump jobs 2
	mended $side.slots
	lab psql "$server" postgres -q -c "ALTER ROLE walker VALID UNTIL '2100-01-01'"
	caught $side.expiry INFO 'VALID UNTIL' '2100-01-01'
	lab psql "$server" postgres -q -c "ALTER ROLE walker VALID UNTIL 'infinity'"
	mended $side.expiry
done
fresh
change target port "$a"; change target passfile "$(get a PASSFILE)"
caught same.cluster BLOCK "correct the target's host" 'the same database'
ok 'the source itself: said where it is not empty, too' is target.empty BLOCK 'the source itself'
ok 'the source itself: no key drops it' sh -c "! grep '^target.empty' '$WORK/case.tsv' | grep -q 'DROP DATABASE'"
change target dbname shop_copy
caught same.cluster WARN 'accept it'
fresh
mended same.cluster
change source port "$b"; change source passfile "$(get b PASSFILE)"; change source dbname postgres
change target port "$a"; change target passfile "$(get a PASSFILE)"; change target dbname copy
caught version.direction WARN 'major version 16'
fresh
mended version.direction
between() { # NAME MODE SERVER...
	local name=$1 mode=$2 to=() s
	shift 2
	for s in "$@"; do to+=("127.0.0.1:$(get "$s" PORT)"); done
	setsid tests/lab/between "$PGUSHER_LAB/$name" "$mode" "${to[@]}" </dev/null >"$WORK/between.log" 2>&1 &
	disown
	until_true 10 test -s "$PGUSHER_LAB/$name/port" || { echo "not ok $mode starts"; cat "$WORK/between.log"; bad=1; }
}
between both balancer a b
between pool.a pooler a
between pool.b pooler b
as_walker target
change target dbname postgres
change target port "$(cat "$PGUSHER_LAB/both/port")"
caught target.route WARN "port for the primary" "127.0.0.1:$a" "127.0.0.1:$b"
change target port "$b"
mended target.route
fresh
change source port "$(cat "$PGUSHER_LAB/pool.a/port")"
change target port "$(cat "$PGUSHER_LAB/pool.b/port")"
caught source.pooler BLOCK "not to the pooler's port"
caught target.pooler WARN "not to the pooler's port"
change source port "$a"; change target port "$b"
mended source.pooler
mended target.pooler
fresh
as_walker source
source_sql 'REVOKE SELECT ON pg_publication FROM PUBLIC'
caught source.unseen INFO 'superuser' 'publication: permission denied'
change source user postgres; change source passfile "$(get a PASSFILE)"
mended source.unseen

# ---- tools -----------------------------------------------------------------------------------
fake_tools() { # FOLDER VERSION
	local t
	mkdir -p "$WORK/$1"
	for t in pg_dump pg_restore vacuumdb; do printf '#!/bin/sh\necho "%s (PostgreSQL) %s"\n' $t "$2" >"$WORK/$1/$t"; done
	chmod 755 "$WORK/$1"/*
}
fake_tools old 13.4
fake_tools fit 15.2
fake_tools new 17.1
fresh
printf '[tools]\n' >>"$WORK/case.ini"
change tools bindir "$WORK/old"
caught tools BLOCK 'postgresql-client-16' 'must not be older than the source'
change tools bindir "$WORK/fit"
mended tools
change tools bindir "$WORK/new"
caught tools.newer INFO 'postgresql-client-16' '17.1 for 16'
change tools bindir "$WORK/fit"
mended tools.newer
# where this host's 127.0.0.1 is nothing
if unshare -rn true 2>/dev/null; then
	change tools prefix 'unshare -rn'
	change tools bindir "$(client_bindir 14)" # real ones
	caught source.tools BLOCK 'from where they run' 'both this host and the tools reach'
	caught target.tools BLOCK 'from where they run' 'both this host and the tools reach'
	change tools prefix 'env'
	mended source.tools
	mended target.tools
	sed -i '/^prefix = /d' "$WORK/case.ini"
	change tools bindir "$WORK/fit"
else
	echo 'skip source.tools, target.tools: no network of its own can be made here'
	provoked[source.tools]=skipped provoked[target.tools]=skipped
fi
change dump compress zstd:3
caught compress BLOCK 'choose gzip' 'pg_dump 15.2'
change dump compress gzip:3
mended compress

# ---- the target ------------------------------------------------------------------------------
fresh
target_sql 'CREATE DATABASE shop'
target_sql 'CREATE TABLE precious (id int)' shop
caught target.empty BLOCK 'asks for its name' precious
ok 'target.empty: the fix is SQL' test -n "$(field target.empty 4)"
ok 'target.empty: the fix runs as it is' target_sql "$(field target.empty 4)"
mended target.empty
target_sql 'CREATE DATABASE shop'
target_sql 'CREATE EXTENSION citext' shop
mended target.empty # what belongs to an extension is no content
fresh
as_walker target
caught target.createdb BLOCK CREATEDB walker
target_sql 'ALTER ROLE walker CREATEDB'
mended target.createdb
fresh 'CREATE ROLE keeper LOGIN;' 'ALTER TABLE kept OWNER TO keeper;'
as_walker target
target_sql 'ALTER ROLE walker CREATEDB'
caught target.roles BLOCK CREATEROLE keeper
target_sql 'ALTER ROLE walker CREATEROLE'
mended target.roles INFO
as_walker source # and without pg_read_all_data, which reads pg_authid too
source_sql 'GRANT SELECT ON kept TO walker'
caught target.roles WARN 'as a superuser' 'may not read password hashes'
change source user postgres; change source passfile "$(get a PASSFILE)"
mended target.roles INFO
target_sql 'CREATE ROLE keeper'
mended target.roles
fresh 'DROP ROLE keeper;' && target_sql 'DROP ROLE keeper'
caught target.roles OK
target_sql "CREATE DATABASE shop TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
caught target.locale BLOCK 'drop the empty target database' 'UTF8 and LATIN1'
target_sql 'DROP DATABASE shop'
mended target.locale
target_sql "CREATE DATABASE shop TEMPLATE template0 LOCALE 'POSIX'"
caught target.locale WARN 'drop the empty target database' 'locales differ: C.UTF-8/C.UTF-8 and C/C'
target_sql 'DROP DATABASE shop'
target_sql 'CREATE DATABASE shop'
mended target.locale
target_sql 'DROP DATABASE shop'
if target_sql "CREATE DATABASE shop TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'" 2>/dev/null; then
	caught target.locale WARN 'drop the empty target database' 'icu de'
	target_sql 'DROP DATABASE shop'
	mended target.locale
fi
source_sql 'DROP DATABASE shop' postgres
source_sql "CREATE DATABASE shop TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'" postgres
target_sql "CREATE DATABASE shop TEMPLATE template0 LOCALE 'C'"
caught target.locale WARN 'drop the empty target database' 'LATIN1 and UTF8'
target_sql 'DROP DATABASE shop'
mended target.locale
fresh 'CREATE EXTENSION citext;' "UPDATE pg_extension SET extname = 'nowhere' WHERE extname = 'citext';"
caught target.extensions BLOCK 'install their packages on the target' 'nowhere 1.6'
source_sql "UPDATE pg_extension SET extname = 'citext' WHERE extname = 'nowhere'"
mended target.extensions
fresh 'CREATE EXTENSION pageinspect;'
as_walker target
caught target.extensions BLOCK 'in the target database beforehand' 'pageinspect'
target_sql 'CREATE DATABASE shop OWNER walker'
target_sql 'CREATE EXTENSION pageinspect' shop
mended target.extensions
fresh "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';" \
	'CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION watch();'
as_walker target
caught target.languages WARN 'as a superuser' 'watcher (ddl_command_end)'
target_sql 'ALTER ROLE walker SUPERUSER'
mended target.languages
tablespace() { # SERVER
	local dir=$PGUSHER_LAB/space.$1
	mkdir "$dir"
	[ "$UID" != 0 ] || chown "$(lab_owner)" "$dir"
	lab psql "$1" postgres -q -c "CREATE TABLESPACE \"Fast Disk\" LOCATION '$dir'"
}
tablespace a
fresh 'CREATE TABLE quick (id int) TABLESPACE "Fast Disk";'
caught target.tablespaces WARN 'CREATE TABLESPACE' 'Fast Disk (1 objects)'
tablespace b
mended target.tablespaces
target_sql 'DROP TABLESPACE "Fast Disk"'
fresh
source_sql 'ALTER DATABASE shop SET TABLESPACE "Fast Disk"' postgres
caught target.tablespaces WARN 'CREATE TABLESPACE' 'Fast Disk (the database itself)'
fresh
source_sql 'DROP TABLESPACE "Fast Disk"'
mended target.tablespaces
wal() { # VALUE MB: tells when the server has it
	target_sql "ALTER SYSTEM SET max_wal_size = '$1'" && target_sql 'SELECT pg_reload_conf()' >/dev/null
	until_true 10 sh -c "[ \"\$(tests/lab/lab psql b postgres -Atc \"SELECT setting FROM pg_settings WHERE name = 'max_wal_size'\")\" = $2 ]"
}
wal 256MB 256
caught target.settings INFO "ALTER SYSTEM SET max_wal_size = '4GB'" '256 MB'
wal 4GB 4096
mended target.settings

# ---- the source ------------------------------------------------------------------------------
fresh 'CREATE TABLE "Odd one" (id serial);'
as_walker source
caught source.readable BLOCK 'GRANT pg_read_all_data' '"public"."Odd one"'
source_sql 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO walker'
caught source.readable BLOCK 'sequence public."Odd one_id_seq"' # pg_dump reads sequences too
source_sql 'GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO walker'
mended source.readable
source_sql 'REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM walker'
change dump schemas other # not asked for: not minded
source_sql 'CREATE SCHEMA other'
mended source.readable
unset_key schemas
source_sql 'GRANT pg_read_all_data TO walker'
mended source.readable
source_sql 'SELECT lo_create(4711)' >/dev/null
caught source.readable BLOCK 'large object'
source_sql 'GRANT SELECT ON LARGE OBJECT 4711 TO walker'
mended source.readable
fresh 'ALTER TABLE kept ENABLE ROW LEVEL SECURITY;'
as_walker source
source_sql 'GRANT pg_read_all_data TO walker'
caught source.rowsecurity BLOCK BYPASSRLS '"public"."kept"'
source_sql 'ALTER ROLE walker BYPASSRLS'
mended source.rowsecurity
source_sql 'ALTER ROLE walker NOBYPASSRLS'
source_sql 'ALTER TABLE kept OWNER TO walker'
mended source.rowsecurity # policies are not for the owner
source_sql 'ALTER TABLE kept FORCE ROW LEVEL SECURITY'
caught source.rowsecurity BLOCK BYPASSRLS
source_sql 'ALTER TABLE kept NO FORCE ROW LEVEL SECURITY'
mended source.rowsecurity
fresh 'CREATE TABLE twice (id int);' 'INSERT INTO twice VALUES (1), (1);'
source_sql 'CREATE UNIQUE INDEX CONCURRENTLY half ON twice (id)' 2>/dev/null
source_sql 'ALTER TABLE twice ADD CONSTRAINT positive CHECK (id > 0) NOT VALID'
caught source.invalid INFO 'VALIDATE CONSTRAINT' 'public.half (public.twice)' 'positive on public.twice'
source_sql 'DROP INDEX half'
source_sql 'ALTER TABLE twice VALIDATE CONSTRAINT positive'
mended source.invalid
fresh
source_sql "BEGIN; INSERT INTO kept VALUES (2); PREPARE TRANSACTION 'left over'"
caught source.prepared WARN 'ROLLBACK PREPARED' 'left over'
source_sql "ROLLBACK PREPARED 'left over'"
mended source.prepared
fresh 'CREATE FOREIGN DATA WRAPPER away;' 'CREATE SERVER far FOREIGN DATA WRAPPER away;' 'CREATE FOREIGN TABLE gone (id int) SERVER far;'
caught source.foreign INFO 'reaches the foreign servers' 'public.gone (far)'
source_sql 'DROP FOREIGN TABLE gone'
mended source.foreign
fresh 'CREATE PUBLICATION pub FOR TABLE kept;' "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);"
caught source.replication WARN 'when the applications have moved' pub sub
source_sql 'DROP SUBSCRIPTION sub' && source_sql 'DROP PUBLICATION pub'
mended source.replication
if locale -a | grep -qix 'en_US.utf-\?8'; then
	fresh "CREATE COLLATION english (locale = 'en_US.utf8');" 'CREATE TABLE words (w text COLLATE english PRIMARY KEY);' \
		"UPDATE pg_collation SET collversion = '1.0' WHERE collname = 'english';"
	caught source.collations WARN 'REFRESH VERSION' 'recorded 1.0'
	source_sql 'REINDEX TABLE words; ALTER COLLATION english REFRESH VERSION' >/dev/null 2>&1
	mended source.collations
else
	echo 'skip source.collations: there is no en_US.UTF-8 here'
	provoked[source.collations]=skipped
fi
fresh 'CREATE MATERIALIZED VIEW sums AS SELECT count(*) FROM kept;'
caught source.matviews INFO '' '"public"."sums"'
source_sql 'DROP MATERIALIZED VIEW sums'
mended source.matviews
fresh
change dump schemas publik
caught schemas BLOCK 'names are exact' publik
change dump schemas public
change dump exclude_schemas nope
caught schemas BLOCK 'names are exact' nope
unset_key exclude_schemas
mended schemas
rc=0
tests/lab/smalldisk up small 32 >/dev/null 2>"$WORK/small.err" || rc=$?
if [ $rc = 0 ]; then
	disk=$PGUSHER_LAB/small
	fresh "INSERT INTO kept SELECT generate_series(2, 300000);"
	change dump transfer file; change dump dir "$disk/dumps/of/shop"
	mended dump.disk
	tests/lab/smalldisk fill small 5000
	caught dump.disk WARN 'transfer = stream' '4.9 MB free'
	tests/lab/smalldisk free small
	tests/lab/smalldisk fill small 200
	caught dump.disk BLOCK 'transfer = stream'
	tests/lab/smalldisk free small
	mended dump.disk
	mount -o remount,ro "$disk"
	caught dump.disk BLOCK 'choose another folder' "$disk/dumps"
	mount -o remount,rw "$disk"
	mended dump.disk
else
	echo "skip dump.disk: $(cat "$WORK/small.err")"
	provoked[dump.disk]=skipped
fi

# ---- through ssh -----------------------------------------------------------------------------
rc=0
tests/lab/sshd up hop >/dev/null 2>"$WORK/ssh.err" || rc=$?
if [ $rc = 0 ]; then
	plain_path=$PATH
	PATH=$(tests/lab/sshd env hop | sed -n 's/^[[:space:]]*BIN=//p'):$plain_path # whose ssh knows lab-hop
	fresh
	change migration method tunnel
	for side in source target; do
		change $side ssh lab-hop
		tests/lab/sshd stop hop >/dev/null
		caught $side.ssh BLOCK 'ssh' 'does not come up'
		tests/lab/sshd start hop >/dev/null
		mended $side.ssh
		ok "$side.connect: through the tunnel" is $side.connect OK
		ok "$side.open: the server asks for a password" is $side.open OK
		if [ $side = source ]; then server=a; else server=b; fi
		change $side host "$PGUSHER_LAB/$server" # its socket trusts who comes
		caught $side.open WARN 'scram-sha-256' 'every user of this host'
		change $side host 127.0.0.1
		mended $side.open
		unset_key ssh
	done
	PATH=$plain_path
else
	echo "skip source.ssh, target.ssh: $(cat "$WORK/ssh.err")"
	provoked[source.ssh]=skipped provoked[target.ssh]=skipped provoked[source.open]=skipped provoked[target.open]=skipped
fi

# ---- a lock on every table -------------------------------------------------------------------
method() { sed -i "s/^method = .*/method = $1/" "$WORK/case.ini"; }
tables() { for ((i = 1; i <= $1; i++)); do echo "CREATE TABLE t$i (id int PRIMARY KEY);"; done; }
locks() { lab psql "$1" postgres -q -c "ALTER SYSTEM SET max_locks_per_transaction = $2" && lab restart "$1" >/dev/null 2>&1; }
fresh "$(tables 2200)"
method subscription
locks a 10 && locks b 10
caught source.locks BLOCK 'cannot lock every table' '640 locks at once' 'restart the source'
ok 'target.locks: BLOCK, too' is target.locks BLOCK 'restart the target'
all=$(for ((i = 1; i <= 2200; i++)); do printf 't%d, ' $i; done)
ok 'it is so: the source cannot' bash -c '! tests/lab/lab psql a shop -qc "BEGIN; LOCK TABLE $1 IN SHARE MODE" 2>"$2"' - "${all%, }" "$WORK/locks.err"
ok 'it is so: in its own words' grep -q 'out of shared memory' "$WORK/locks.err"
locks a 30
caught source.locks WARN 'may not be able to'
for side in source target; do
	if [ $side = source ]; then server=a; else server=b; fi
	lab psql $server postgres -qAt -o /dev/null -c "$(field $side.locks 4)" -c 'SELECT pg_reload_conf()'
	pending() { [ "$(lab psql $server postgres -At -c "SELECT pending_restart FROM pg_settings WHERE name = 'max_locks_per_transaction'")" = t ]; }
	until_true 10 pending
	check
	ok "$side.locks: a restart is missing" is $side.locks "$([ $side = source ] && echo WARN || echo BLOCK)" "restart the $side, then check again"
	lab restart $server >/dev/null 2>&1
	mended $side.locks
done

# ---- a standby -------------------------------------------------------------------------------
touch "$(get b PGDATA)/standby.signal"
lab restart b >/dev/null 2>&1
ini case a shop b shop
caught target.leader BLOCK "leader's address"
change source port "$b"; change source passfile "$(get b PASSFILE)"; change source dbname postgres
change target port "$a"; change target passfile "$(get a PASSFILE)"; change target dbname copy
caught source.standby WARN 'use the primary'
lab psql b postgres -q -c 'SELECT pg_promote()' >/dev/null
mended source.standby
ini case a shop b shop
mended target.leader

# ---- all of them -----------------------------------------------------------------------------
not_here() { # ID REASON
	provoked[$1]="$2"
	echo "ok $1: not provoked here, but in test_checks: $2"
}
not_here clock.skew 'both servers of the lab read the same clock'
not_here source.removed 'needs a source of 13 or 11 and older; the tests install 14 and 16'
missing=
for id in "${!shown[@]}"; do [ -n "${provoked[$id]:-}" ] || missing+=" $id"; done
ok "each of ${#shown[@]} checks was provoked${missing:+, but not:$missing}" test -z "$missing"
exit $bad
