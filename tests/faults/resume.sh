#!/usr/bin/env bash
# kill -9 in the middle of a copy: the next start keeps the tables that nobody has changed since, copies the others again, and ends equal.
. "$(dirname "$0")/../flows/common.sh"
up a 14 max_prepared_transactions=5 wal_level=logical
up b 16

journal() { echo "$XDG_STATE_HOME/pgusher/$1/$2"; }
wait_for() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}
a() { lab psql a shop -X -q -v ON_ERROR_STOP=1 "$@"; }
b() { lab psql b shop -X -q "$@"; }
b_admin() { lab psql b postgres -X -q "$@"; }

# Three places where a copy waits as long as a role is on the target: in a table's rows, in an index, in the last things of all.
source_db() {
	lab empty a shop
	a <<-'SQL'
		CREATE FUNCTION waits(role text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
			WHILE current_setting('server_version_num')::int >= 150000 AND EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = role) LOOP
				PERFORM pg_catalog.pg_sleep(0.05);
			END LOOP; RETURN true; END $$;
		CREATE FUNCTION waits_index(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM public.waits('hold_index'); RETURN i; END $$;
		CREATE TABLE stuck (i int CHECK (waits('hold_rows')), v text); -- large enough to travel alone
		INSERT INTO stuck SELECT g, repeat('x', 300) FROM generate_series(1, 5000) g;
		CREATE TABLE split AS SELECT g AS id, repeat(md5(g::text), 35) AS v FROM generate_series(1, 66000) g;
		ALTER TABLE split ADD PRIMARY KEY (id);
		CREATE TABLE indexed AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 30000) g;
		ALTER TABLE indexed ADD PRIMARY KEY (id);
		CREATE INDEX indexed_v ON indexed (v);
		CREATE INDEX indexed_waits ON indexed (waits_index(id));
		CREATE TABLE parent (id int PRIMARY KEY, n int UNIQUE);
		INSERT INTO parent SELECT g, -g FROM generate_series(1, 20000) g;
		CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent, v text);
		INSERT INTO child SELECT g, g, repeat('x', 100) FROM generate_series(1, 20000) g;
		CREATE VIEW by_key AS SELECT p.id, p.n, count(c.id) FROM parent p JOIN child c ON c.p = p.id GROUP BY p.id;
		CREATE TABLE parts (k int, v text, PRIMARY KEY (k)) PARTITION BY RANGE (k);
		CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
		CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
		CREATE INDEX parts_v ON parts (v);
		INSERT INTO parts SELECT g, g FROM generate_series(0, 199) g;
		CREATE TABLE of_parts (k int REFERENCES parts);
		INSERT INTO of_parts SELECT g FROM generate_series(0, 199) g;
		CREATE TABLE animal (id int, name text);
		CREATE TABLE dog (tail int) INHERITS (animal);
		INSERT INTO animal VALUES (1, 'cat');
		INSERT INTO dog VALUES (2, 'rex', 1);
		CREATE TABLE noted (at timestamptz, what text);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.noted VALUES (now(), TG_TABLE_NAME); RETURN NEW; END $$;
		CREATE TABLE watched (id int);
		INSERT INTO watched SELECT generate_series(1, 50);
		CREATE TRIGGER watched_note BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();
		ALTER TABLE watched ENABLE ALWAYS TRIGGER watched_note;
		ALTER TABLE watched ENABLE ROW LEVEL SECURITY;
		CREATE POLICY mine ON watched USING (id > 0);
		CREATE STATISTICS of_split (dependencies) ON id, v FROM split;
		CREATE UNLOGGED TABLE unlogged AS SELECT generate_series(1, 10) AS i;
		CREATE SEQUENCE counted;
		CREATE TYPE pair AS (l int, r text);
		CREATE TABLE pairs AS SELECT ROW(g, 'pair')::pair AS p FROM generate_series(1, 10) g;
		GRANT SELECT ON pairs TO PUBLIC;
		CREATE TABLE named (id int NOT NULL);
		CREATE UNIQUE INDEX named_id ON named (id);
		ALTER TABLE named REPLICA IDENTITY USING INDEX named_id;
		DO $$ BEGIN PERFORM lo_from_bytea(4711, 'one'), lo_from_bytea(4712, 'two'); END $$;
		CREATE MATERIALIZED VIEW last AS SELECT waits('hold_late') AS w;
	SQL
	for t in same1 same2 none ins upd del trn refill late sub prep swap_a swap_b; do
		a -c "CREATE TABLE $t (id int, v text); INSERT INTO $t SELECT g, '$t ' || g FROM generate_series(1, 100) g WHERE '$t' <> 'none'; CREATE INDEX ON $t (id)"
	done
}
copied() { # NAME TABLE...: all these stand there as complete
	local name=$1 t
	shift
	for t in "$@"; do grep -q "\"id\":\"public.$t\"" "$(journal "$name" copied.jsonl)" || return 1; done
}
running() { # a statement of the copy that waits
	[ -n "$(b_admin -At -c "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'pgusher%' AND state = 'active' AND query LIKE '%$1%'")" ]
}
# killed NAME ROLE COMMAND...: starts, and kills once the command holds true while the copy waits for the role
killed() {
	local name=$1 role=$2 pid rc=0
	shift 2
	b_admin -c "CREATE ROLE $role" >/dev/null
	"$PGUSHER" run -c "$WORK/$name.ini" --yes >"$WORK/$name.first.out" 2>&1 </dev/null &
	pid=$!
	wait_for 120 "$@" || { rc=1; tail -n 5 "$WORK/$name.first.out"; }
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	b_admin -c "DROP ROLE $role"
	return $rc
}
kept() { # NAME TABLE...
	local name=$1 t
	shift
	for t in "$@"; do
		grep -E 'note +kept, not copied again: ' "$WORK/$name.out" | grep -qE "public\.$t(,|\$)" || { echo "$t was not kept"; grep note "$WORK/$name.out"; return 1; }
		[ "$(file_of "$t")" = "$(cat "$WORK/file.$t")" ] || { echo "$t was written again"; return 1; }
	done
}
again() { # NAME TABLE...
	local name=$1 t
	shift
	for t in "$@"; do
		! grep -E 'note +kept, not copied again: ' "$WORK/$name.out" | grep -qE "public\.$t(,|\$)" || { echo "$t was kept"; return 1; }
		[ "$(file_of "$t")" != "$(cat "$WORK/file.$t")" ] || { echo "$t was not written again"; return 1; }
	done
}
file_of() { b -At -c "SELECT pg_relation_filenode('public.$1')"; }
files() { # where the tables of the target lie
	local t
	rm -f "$WORK"/file.*
	for t in $(b -At -c "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"); do file_of "$t" >"$WORK/file.$t"; done
}
anew() { # NAME [line of ini...]
	rm -rf "${XDG_STATE_HOME:?}/pgusher"
	b_admin -c 'DROP DATABASE IF EXISTS shop'
	ini "$1" a shop b shop 'jobs = 3' 'split_mb = 64' "${@:2}"
}
goes_on() { # NAME TEXT
	ok "$2: goes on to a good end" exits 0 pgusher run "$1" --yes
	ok "$2: both sides are equal" tests/lab/compare a/shop b/shop
	ok "$2: nothing of it is left" test ! -e "$(journal "$1" copied.jsonl)"
}
small='same1 same2 none ins upd del trn refill late sub prep swap_a swap_b animal dog parts1 parts2 of_parts watched'

# ---- what the source did meanwhile ----
source_db
anew rows
# transactions that had written before the copy began, and end behind it: one plain, one in a savepoint, one prepared
mkfifo "$WORK/late" "$WORK/sub"
lab psql a shop -X -q <"$WORK/late" >/dev/null &
lab psql a shop -X -q <"$WORK/sub" >/dev/null &
exec 7>"$WORK/late" 8>"$WORK/sub"
echo "BEGIN; INSERT INTO late VALUES (101, 'late'); DELETE FROM late WHERE id = 1;" >&7
echo "BEGIN; SELECT txid_current(); SAVEPOINT s; INSERT INTO sub VALUES (101, 'sub'); DELETE FROM sub WHERE id = 1; RELEASE s;" >&8
a -c "BEGIN" -c "INSERT INTO prep VALUES (101, 'prep')" -c "DELETE FROM prep WHERE id = 1" -c "PREPARE TRANSACTION 'p'"
in_progress() { [ "$(a -At -c "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL")" = 2 ]; }
ok 'transactions are under way' wait_for 20 in_progress
# shellcheck disable=SC2086
ok 'killed while one table waits' killed rows hold_rows copied rows split indexed parent child $small
ok 'the table that waited is not called complete' test -z "$(grep '"public.stuck"' "$(journal rows copied.jsonl)")"
ok 'an unlogged one neither' test -z "$(grep '"public.unlogged"' "$(journal rows copied.jsonl)")"
files
echo 'COMMIT;' >&7
echo 'COMMIT;' >&8
exec 7>&- 8>&-
a -c "COMMIT PREPARED 'p'"
a -c "INSERT INTO ins VALUES (101, 'new')" -c "UPDATE upd SET v = 'other' WHERE id = 7" -c 'DELETE FROM del WHERE id = 7' -c 'TRUNCATE trn' \
	-c "BEGIN; TRUNCATE refill; INSERT INTO refill SELECT g, 'other ' || g FROM generate_series(1, 100) g; COMMIT" \
	-c 'ALTER TABLE swap_a RENAME TO swap; ALTER TABLE swap_b RENAME TO swap_a; ALTER TABLE swap RENAME TO swap_b' \
	-c 'ALTER INDEX swap_a_id_idx RENAME TO swap_i; ALTER INDEX swap_b_id_idx RENAME TO swap_a_id_idx; ALTER INDEX swap_i RENAME TO swap_b_id_idx' \
	-c "UPDATE parts SET v = 'other' WHERE k = 150" -c 'VACUUM FREEZE same1' -c 'VACUUM FULL same2'
ok 'status says that it is unfinished' exits 5 pgusher status rows
ok 'the plan is shown' exits 0 pgusher plan rows
ok 'the plan says what is there' says rows 'are on the target already; those that have not changed on the source since are kept'
ok 'the plan drops nothing' test -z "$(grep 'DROP DATABASE' "$WORK/rows.out")"
goes_on rows 'changed meanwhile'
ok 'changed meanwhile: what is as it was is kept' kept rows split indexed parent child same1 same2 none animal dog parts1 of_parts watched
ok 'changed meanwhile: what was changed comes again' again rows ins upd del trn refill late sub prep swap_a swap_b parts2
ok 'changed meanwhile: the report says it' grep -q 'kept, not copied again.*public.split' "$(journal rows report.md)"

# ---- in an index; then the target loses its power, and the source is restarted ----
anew index
ok 'killed while an index waits' killed index hold_index eval 'running indexed_waits && copied index split indexed parent child'
files
lab kill b
lab start b >/dev/null
lab restart a >/dev/null
a -c "UPDATE split SET v = 'other' WHERE id = 60000"
b -c "UPDATE child SET v = 'somebody else' WHERE id = 9"
goes_on index 'power lost'
ok 'power lost: what is as it was is kept' kept index indexed parent
ok 'power lost: a row changed on the source, in a table that came in ranges' again index split
ok 'power lost: a row changed on the target' again index child

# ---- when all but the last is there; and once more on the way ----
anew late
ok 'killed in the last things' killed late hold_late eval 'running "MATERIALIZED VIEW" && copied late split parts2 stuck'
files
a -c "UPDATE parent SET n = n - 1000000 WHERE id = 5" -c "INSERT INTO watched VALUES (51)" -c "UPDATE parts SET v = 'third' WHERE k = 1" -c 'INSERT INTO stuck VALUES (0)' \
	-c "SELECT lo_unlink(4711), lo_from_bytea(4713, 'three'), lo_put(4712, 0, 'TWO')" -c 'DROP INDEX indexed_v' -c 'CREATE INDEX same1_new ON same1 (v)' >/dev/null
ok 'killed again' killed late hold_rows copied late parent watched parts1
goes_on late 'killed twice'
ok 'killed twice: what is as it was is kept' kept late split child same1 parts2

# ---- killed while it takes away what is in the way ----
a <<-'SQL'
	CREATE FUNCTION positive(i int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RETURN i > 0 OR current_setting('server_version_num')::int < 150000; END $$;
	CREATE TABLE checked (id int CONSTRAINT checked_id CHECK (positive(id)));
	INSERT INTO checked VALUES (1), (-1);
SQL
anew clearing
ok 'killed in the last things, with an index that is not wanted later' killed clearing hold_late eval 'running "MATERIALIZED VIEW" && copied clearing same1 named watched checked'
b -c 'CREATE FUNCTION theirs() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$' -c 'CREATE EVENT TRIGGER theirs ON table_rewrite EXECUTE FUNCTION theirs()'
files
a -c 'DROP INDEX same1_new' -c 'ALTER TABLE named REPLICA IDENTITY DEFAULT' -c 'DELETE FROM checked WHERE id < 0'
mkfifo "$WORK/lock"
lab psql b shop -X -q <"$WORK/lock" >/dev/null &
exec 7>"$WORK/lock"
echo 'BEGIN; LOCK TABLE watched IN ACCESS SHARE MODE;' >&7
locked() { [ -n "$(b -At -c "SELECT 1 FROM pg_locks WHERE relation = 'watched'::regclass AND mode = 'AccessShareLock'")" ]; }
ok 'somebody reads the target' wait_for 20 locked
too_early() { wait_for 2 grep 'large object.*does not exist' "$WORK/clearing.first.out"; }
ok 'killed while it clears; large objects wait for that' killed clearing hold_rows eval 'running "DROP TRIGGER" && ! too_early'
echo 'COMMIT;' >&7
exec 7>&-
ok "somebody else's event trigger is there still" test "$(b -At -c 'SELECT evtname FROM pg_event_trigger')" = theirs
b -c 'DROP EVENT TRIGGER theirs' -c 'DROP FUNCTION theirs'
goes_on clearing 'killed while it clears'
ok 'killed while it clears: what is as it was is kept' kept clearing same1 named watched
ok 'killed while it clears: the replica identity is as on the source' test "$(b -At -c "SELECT relreplident FROM pg_class WHERE relname = 'named'")" = d

# ---- why it starts over ----
a -c 'DELETE FROM split WHERE id > 1000' -c 'VACUUM FULL split' # all has been said about large ones
anew ddl
# shellcheck disable=SC2086
ok 'killed before the schema is altered' killed ddl hold_rows copied ddl split $small
a -c 'ALTER TABLE same1 ADD COLUMN added int DEFAULT 5'
goes_on ddl 'schema altered'
ok 'schema altered: it says why it starts over' says ddl "cannot be kept, and is removed first: the source's tables, types, functions or grants have been altered since"

# no row is written for these, and pg_dump prints the same as before
again_from_the_start() { # TEXT WHY COMMAND...
	anew columns 'verify = count'
	# shellcheck disable=SC2086
	ok "$1: killed before" killed columns hold_rows copied columns split $small pairs
	a "${@:3}"
	goes_on columns "$1"
	ok "$1: it says why it starts over" says columns "cannot be kept, and is removed first: $2"
}
again_from_the_start 'a column made anew' 'columns of the source have been dropped and made anew since' -c 'ALTER TABLE same2 DROP COLUMN v' \
	-c "ALTER TABLE same2 ADD COLUMN v text DEFAULT 'another'" -c 'ALTER TABLE same2 ALTER v DROP DEFAULT'
again_from_the_start "a type's attribute made anew" 'columns of the source have been dropped and made anew since' -c 'ALTER TYPE pair DROP ATTRIBUTE r' -c 'ALTER TYPE pair ADD ATTRIBUTE r text'
again_from_the_start 'a grant taken back' "the source's tables, types, functions or grants have been altered since" -c 'REVOKE SELECT ON pairs FROM PUBLIC'

anew made
lab psql b postgres -X -q -c 'CREATE DATABASE shop TEMPLATE template0'
ok 'killed in a database that was there before' killed made hold_rows copied made split parent
files
goes_on made 'no name to be typed'
ok 'no name to be typed: it is kept' kept made split parent

anew gone
ok 'killed before the database is made anew' killed gone hold_rows copied gone split parent
b_admin -c 'DROP DATABASE shop WITH (FORCE)' -c 'CREATE DATABASE shop TEMPLATE template0'
b -c 'CREATE TABLE same1 (id int)'
ok 'made anew: what is in it is not ours, and is not dropped without its name' exits 3 pgusher run gone --yes
ok 'made anew: it says why it starts over' says gone "the target's database was dropped and made anew since"
ok 'made anew: with the name typed it goes on' exits 0 pgusher run gone --yes --confirm shop
ok 'made anew: both sides are equal' tests/lab/compare a/shop b/shop

anew elsewhere
ok 'killed before the settings name another database' killed elsewhere hold_rows copied elsewhere split parent
b_admin -c 'CREATE DATABASE other'
lab psql b other -X -q -c "CREATE TABLE same1 AS SELECT 'precious' AS v"
ini elsewhere a shop b other 'jobs = 3'
ok 'another database: it is not empty' exits 3 pgusher run elsewhere --yes
ok 'another database: nothing of it is dropped' test "$(lab psql b other -X -At -c 'SELECT v FROM same1')" = precious
b_admin -c 'DROP DATABASE IF EXISTS other'
up c 16
lab psql c postgres -X -q -c 'CREATE DATABASE shop'
lab psql c shop -X -q -c "CREATE TABLE same1 AS SELECT 'precious' AS v"
ini elsewhere a shop c shop 'jobs = 3'
ok 'another server: it is not empty' exits 3 pgusher run elsewhere --yes
ok 'another server: nothing of it is dropped' test "$(lab psql c shop -X -At -c 'SELECT v FROM same1')" = precious
lab down c >/dev/null

# ---- the copy of a subscription, in the snapshot of a new slot ----
a -c "DO \$\$ DECLARE t regclass; BEGIN FOR t IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
	EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', t); END LOOP; END \$\$"
anew follow
METHOD=subscription ini follow a shop b shop 'jobs = 3' 'split_mb = 64' '[subscription]' "source_port = $(get a PORT)" 'publication = moved'
ok 'subscription: killed while it copies' killed follow hold_rows copied follow split parent child
files
a -c "UPDATE child SET v = 'meanwhile' WHERE id = 3" -c 'DELETE FROM parent WHERE id = 20000 AND id NOT IN (SELECT p FROM child)' -c 'INSERT INTO ins VALUES (102)'
ok 'subscription: goes on' exits 0 pgusher run follow --yes
ok 'subscription: what is as it was is kept' kept follow split parent indexed
ok 'subscription: what was changed comes again' again follow child ins
a -c "INSERT INTO parent VALUES (30000, 30000)" -c "UPDATE split SET v = 'followed' WHERE id = 5"
arrived() { [ "$(b -At -c 'SELECT (SELECT count(*) FROM parent WHERE id = 30000) || (SELECT v FROM split WHERE id = 5)')" = 1followed ]; }
ok 'subscription: what comes then is followed' wait_for 60 arrived
ok 'subscription: both sides are equal' tests/lab/compare --skip database,schema,sequences,roles,large_objects a/shop b/shop
ok 'subscription: ended' exits 0 pgusher cleanup follow --yes --confirm shop
exit $bad
