#!/usr/bin/env bash
# The preflight of the subscription method, check by check: break a server, see the finding and its fix, do what it says, see it gone.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a 14 max_prepared_transactions=4 max_replication_slots=3 max_wal_senders=6 max_wal_size=1GB
up b 16 max_wal_size=1GB
lab psql a postgres -q -c "CREATE ROLE walker LOGIN PASSWORD 'walker'" -c 'CREATE DATABASE other'
lab psql b postgres -q -c "CREATE ROLE walker LOGIN CREATEDB PASSWORD 'walker'"
printf '127.0.0.1:*:*:walker:walker\n127.0.0.1:*:*:postgres:%s\n' "$(get a PASSWORD)" >"$WORK/walker"
chmod 600 "$WORK/walker"
source_sql() { lab psql a "${2:-shop}" -At -c "$1"; }
target_sql() { lab psql b "${2:-postgres}" -At -c "$1"; }
change() { # SECTION KEY VALUE
	grep -qxF "[$1]" "$WORK/case.ini" || printf '[%s]\n' "$1" >>"$WORK/case.ini"
	awk -v s="[$1]" -v k="$2" -v v="$3" '$0 ~ /^\[/ { in_s = ($0 == s) } in_s && $1 == k { next } { print } $0 == s { print k " = " v }' \
		"$WORK/case.ini" >"$WORK/x" && mv "$WORK/x" "$WORK/case.ini"
}
fresh() { # statements in the source's new database
	ini case a shop b shop
	{
		echo "DROP DATABASE IF EXISTS shop ${FORCE-WITH (FORCE)}; CREATE DATABASE shop TEMPLATE template0;"
		printf '%s\n' '\connect shop' 'CREATE TABLE kept (id int PRIMARY KEY);' 'INSERT INTO kept VALUES (1);' "$@"
	} | lab psql a postgres -q >/dev/null
}
check() { # id, verdict, fix, fix's SQL, title with what was found; in $WORK/case.tsv
	"$PGUSHER" check --config "$WORK/case.ini" --json >"$WORK/case.out" 2>&1 </dev/null
	perl -MJSON::PP -ne 'next unless /^\{/; my $e = decode_json($_); next unless $e->{kind} eq "finding";
		my @f = map { my $t = $_ // ""; $t =~ s/\s+/ /g; utf8::encode($t); $t } @$e{qw(id verdict hint sql)}, "$e->{title}: " . ($e->{text} // "");
		print join("\t", @f), "\n"' "$WORK/case.out" >"$WORK/case.tsv"
}
field() { awk -F'\t' -v id="$1" -v n="$2" '$1 == id { print $n }' "$WORK/case.tsv"; }
is() { # ID VERDICT SAYS...
	local id=$1 want=$2 got s
	shift 2
	got=$(field "$id" 2)
	[ "$got" = "$want" ] || { echo "$id is '$got', not $want"; field "$id" 5; tail -n 3 "$WORK/case.out"; return 1; }
	for s in "$@"; do
		[[ "$(field "$id" 3) $(field "$id" 5)" == *"$s"* ]] || { echo "$id does not say '$s' but: $(field "$id" 3) $(field "$id" 5)"; return 1; }
	done
}
caught() { check; ok "$1: $2: ${3:-}" is "$@"; }
mended() { check; ok "$1: mended: ${2:-OK}" is "$1" "${2:-OK}"; }
apply_fix() { # ID SERVER DB: what the finding says, as it says it
	local sql
	sql=$(field "$1" 4)
	ok "$1: its fix runs" lab psql "$2" "$3" -c "${sql:-no fix}"
}
restart_with() { # SERVER SETTING VALUE
	lab psql "$1" postgres -q -c "ALTER SYSTEM SET $2 = $3"
	lab restart "$1" 2>/dev/null
}

fresh
check
quiet=$(awk -F'\t' '$2 != "OK" { print $1 }' "$WORK/case.tsv")
ok "nothing is found where nothing is wrong: $quiet" test -z "$quiet"

# ---- identity: what would break the application
fresh 'CREATE TABLE nokey (a int NOT NULL, b text);' 'CREATE TABLE late (id int, PRIMARY KEY (id) DEFERRABLE);' 'CREATE TABLE uniq (a int NOT NULL UNIQUE);' \
	'CREATE UNLOGGED TABLE scratch (a int);'
caught source.identity BLOCK '3 tables have' '"nokey"' '"late"' '"uniq"' 'FULL'
ok 'source.identity: the unique index is taken' grep -q 'uniq" REPLICA IDENTITY USING INDEX uniq_a_key' <(field source.identity 4)
apply_fix source.identity a shop
mended source.identity
ok 'source.uncarried: the unlogged table is named' is source.uncarried INFO '1 unlogged table'
fresh 'CREATE TABLE bag (a int, doc json);' 'ALTER TABLE bag REPLICA IDENTITY FULL;' 'CREATE TABLE fine (a int, v varchar(5), t text[], j jsonb);' 'ALTER TABLE fine REPLICA IDENTITY FULL;'
caught source.equality BLOCK 'bag (doc json)' 'jsonb'
ok 'source.equality: only that one' test -z "$(field source.equality 5 | grep fine)"
source_sql 'ALTER TABLE bag ALTER doc TYPE jsonb USING doc::jsonb'
mended source.equality
fresh "SELECT lo_create(0);" 'CREATE SEQUENCE s;' 'CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;' \
	'CREATE TRIGGER t BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION f();' 'ALTER TABLE kept ENABLE ALWAYS TRIGGER t;'
caught source.uncarried WARN '1 large object' '1 sequence'
ok 'source.triggers' is source.triggers WARN 't on public.kept' 'disable'
source_sql 'ALTER TABLE kept ENABLE TRIGGER t'
mended source.triggers

# ---- who writes
fresh
lab psql a other -q -c "CREATE TABLE p (a int)" -c "BEGIN; INSERT INTO p VALUES (1); PREPARE TRANSACTION 'forgotten'"
caught slot.prepared BLOCK "'forgotten'" 'in other' 'ROLLBACK PREPARED'
lab psql a other -q -c "ROLLBACK PREPARED 'forgotten'"
mended slot.prepared
(lab psql a other -q -c "BEGIN; INSERT INTO p VALUES (2); SELECT pg_sleep(60)" >/dev/null 2>&1 &)
old_writer() { [ -n "$(source_sql "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND now() - xact_start > interval '11 s'")" ]; }
until_true 30 old_writer
caught source.writers WARN 'in other' 'waits, and says for whom'
source_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()" >/dev/null
mended source.writers

# ---- room
for i in 1 2 3; do source_sql "SELECT pg_create_physical_replication_slot('p$i')" >/dev/null; done
caught source.replslots BLOCK 'max_replication_slots' '3 of 3'
source_sql "SELECT pg_drop_replication_slot('p1')" >/dev/null
mended source.replslots
change subscription copy native
caught source.replslots BLOCK 'max_replication_slots'
change subscription copy snapshot
for i in 2 3; do source_sql "SELECT pg_drop_replication_slot('p$i')" >/dev/null; done
restart_with a max_wal_senders 1
caught source.senders BLOCK 'max_wal_senders'
restart_with a max_wal_senders 6
mended source.senders
restart_with b max_logical_replication_workers 0
caught target.workers BLOCK 'max_logical_replication_workers'
restart_with b max_logical_replication_workers 4
mended target.workers
restart_with b max_replication_slots 0
caught target.workers BLOCK 'origins'
restart_with b max_replication_slots 10
mended target.workers
restart_with a wal_level replica
caught source.wal_level BLOCK 'restart the source'
apply_fix source.wal_level a postgres
lab psql a postgres -q -o /dev/null -c 'SELECT pg_reload_conf()' # pgusher does it with the fix
caught source.wal_level BLOCK 'restart the source' 'waits for a restart'
lab restart a 2>/dev/null
mended source.wal_level
source_sql "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'"
source_sql 'SELECT pg_reload_conf()' >/dev/null
caught slot.kept WARN '64 MB'
source_sql 'ALTER SYSTEM RESET max_slot_wal_keep_size'
source_sql "ALTER SYSTEM SET synchronous_standby_names = '*'"
source_sql 'SELECT pg_reload_conf()' >/dev/null
caught source.syncnames BLOCK 'name the standbys'
PGOPTIONS='-c synchronous_commit=local' source_sql 'ALTER SYSTEM RESET synchronous_standby_names'
source_sql 'SELECT pg_reload_conf()' >/dev/null
mended source.syncnames
ok 'slot.kept: mended' is slot.kept OK
fresh "SELECT pg_logical_emit_message(false, 'x', repeat('y', 4000000));" # the source writes something
change source wal_disk 'echo /dev/x 9000 8990 100 99% /wal'
caught slot.disk WARN 'has room for' '100 kB free (by the command in [source] wal_disk)' 'make room there'
change source wal_disk 'echo /dev/x 9000000000 90 8999999910 1% /wal'
mended slot.disk
change source wal_disk false
caught slot.disk INFO 'is not known' 'the command in [source] wal_disk says nothing of a disk (status 1)'

# ---- rights
fresh
change source user walker
change source passfile "$WORK/walker"
caught source.walsender BLOCK 'REPLICATION'
ok 'source.subrole' is source.subrole BLOCK '[subscription] role'
ok 'source.publish' is source.publish BLOCK 'GRANT CREATE ON DATABASE'
source_sql 'ALTER ROLE walker REPLICATION'
source_sql 'GRANT CREATE ON DATABASE shop TO walker'
mended source.walsender
ok 'source.publish: somebody else owns the table' is source.publish BLOCK 'public.kept'
source_sql 'ALTER TABLE kept OWNER TO walker'
change subscription role walker
mended source.publish
ok 'source.subrole: mended' is source.subrole OK
source_sql 'ALTER ROLE walker NOREPLICATION'
fresh
change source passfile "$WORK/walker"
change subscription role walker
caught source.subrole BLOCK 'give it both' 'walker cannot replicate'
apply_fix source.subrole a postgres
mended source.subrole
change subscription role nobody_here
caught source.subrole BLOCK 'no role nobody_here'
fresh
change target user walker
change target passfile "$WORK/walker"
caught target.subscribe BLOCK 'pg_create_subscription'
target_sql 'GRANT pg_create_subscription TO walker'
mended target.subscribe
fresh
change subscription source_port 1
caught target.reaches BLOCK 'source_host'
lab proxy silent a 0 >/dev/null # where nothing answers the probe waits, and is hit
lab tell silent freeze
change subscription source_port "$(cat "$PGUSHER_LAB/silent/port")"
while sleep 0.1; do target_sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pgusher_probe%' AND pid <> pg_backend_pid()" >/dev/null 2>&1; done &
ender=$!
caught target.reaches BLOCK 'could not be tried' 'the probe itself was cut' 'ask again'
kill $ender
change subscription source_port "$(get a PORT)"
mended target.reaches
ok 'the probe leaves nothing' test -z "$(target_sql "SELECT subname FROM pg_subscription")"

# ---- the way back: a cutover without a reverse link is to be accepted before the copy
fresh
restart_with b wal_level replica
caught target.wayback WARN 'wal_level of the target is replica' 'reverse = no'
change cutover reverse no
mended target.wayback
change cutover reverse yes
restart_with b wal_level logical
mended target.wayback
restart_with b max_wal_senders 0
caught target.wayback WARN 'max_wal_senders'
restart_with b max_wal_senders 10
change subscription target_port 1
caught target.wayback WARN 'the source does not reach the target' 'target_host'
change subscription target_port "$(get b PORT)"
mended target.wayback
change target user walker
change target passfile "$WORK/walker"
caught target.wayback WARN 'may not make one with REPLICATION'
ok 'the probe leaves nothing on the source' test -z "$(source_sql "SELECT subname FROM pg_subscription")"
fresh

# ---- what would stop it later
fresh 'CREATE UNLOGGED TABLE child (id int PRIMARY KEY, kept int REFERENCES kept);'
caught source.truncate WARN 'child_kept_fkey on public.child (public.kept)' 'TRUNCATE'
fresh
mended source.truncate
target_sql 'CREATE DATABASE shop TEMPLATE template0'
(lab psql b shop -q -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &)
sleeper() { target_sql "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()"; }
somebody() { [ -n "$(sleeper)" ]; }
until_true 20 somebody
caught target.others WARN '1 other session is' "pid $(sleeper)" 'REVOKE CONNECT'
target_sql "SELECT pg_terminate_backend($(sleeper))" >/dev/null
nobody() { [ -z "$(sleeper)" ]; }
until_true 20 nobody
mended target.others
target_sql 'DROP DATABASE shop'

# ---- names
source_sql "SELECT pg_create_logical_replication_slot('pgusher_case', 'pgoutput')" >/dev/null
source_sql 'CREATE PUBLICATION pgusher_case'
caught names BLOCK 'slot pgusher_case' 'publication pgusher_case'
source_sql "SELECT pg_drop_replication_slot('pgusher_case')" >/dev/null
source_sql 'DROP PUBLICATION pgusher_case'
mended names

# ---- servers of other majors, where they are here: each in a shell of its own, because a missing server ends it
other() ( # MAJOR COMMAND: with the source at that major
	lab down a >/dev/null 2>&1
	up a "$1"
	[ "$1" -le 16 ] || { lab down b >/dev/null 2>&1; up b "$1"; }
	FORCE='' fresh
	"$2"
	trap - EXIT
	exit $bad
)
idle_slots() { # a slot is dropped when nobody reads from it for a while: the time of the copy
	source_sql "ALTER SYSTEM SET idle_replication_slot_timeout = '1h'"
	source_sql 'SELECT pg_reload_conf()' >/dev/null
	caught slot.kept BLOCK 'drops slots that are idle' 'idle_replication_slot_timeout = 3600 s'
	apply_fix slot.kept a postgres
	source_sql 'SELECT pg_reload_conf()' >/dev/null # pgusher does it with the fix
	mended slot.kept
}
no_plugin() { # the newest minors know the setting
	[ -n "$(source_sql "SELECT 1 FROM pg_settings WHERE name = 'output_plugin_libraries'")" ] || { echo "skip source.plugin: this minor of 15 has no such setting"; return; }
	source_sql "ALTER SYSTEM SET output_plugin_libraries = 'test_decoding, pgoutput'" # one name, and no library
	source_sql 'SELECT pg_reload_conf()' >/dev/null
	caught source.plugin BLOCK 'output_plugin_libraries = "test_decoding, pgoutput"' 'quotes of its own'
	source_sql "ALTER SYSTEM SET output_plugin_libraries = 'test_decoding'"
	source_sql 'SELECT pg_reload_conf()' >/dev/null
	caught source.plugin BLOCK 'output_plugin_libraries = test_decoding'
	apply_fix source.plugin a postgres
	source_sql 'SELECT pg_reload_conf()' >/dev/null
	mended source.plugin
	ok 'source.plugin: and a slot can be made' source_sql "SELECT pg_create_logical_replication_slot('x', 'pgoutput')"
}
no_truncate() { caught source.truncate WARN 'PostgreSQL 10 does not replicate TRUNCATE'; }
other 10 no_truncate || bad=1
other 15 no_plugin || bad=1
other 18 idle_slots || bad=1
exit $bad
