#!/usr/bin/env bash
# kill -9 while a table travels in several ranges: the next start brings all of it, once. Its keys are -1 and NULL, too, and its rows were
# moved about by updates.
. "$(dirname "$0")/../flows/common.sh"
up a 14
up b 16
lab proxy p b 32000000 >/dev/null # slow enough to be met in the middle
lab empty a shop
lab psql a shop >/dev/null <<'SQL'
CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(0.5); RETURN n; END';
CREATE TABLE big (id int, n int, t text);
INSERT INTO big SELECT CASE g % 4 WHEN 0 THEN -1 WHEN 1 THEN NULL ELSE g END, g, repeat(md5(g::text), 31) FROM generate_series(1, 72000) g;
UPDATE big SET t = 'moved ' || t WHERE n % 9 = 0;
DELETE FROM big WHERE n < 25000; -- one range is through before the others
CREATE INDEX big_id ON big (id);
CREATE INDEX big_slow ON big (slow(n)) WHERE n > 71998;
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other SELECT generate_series(1, 1000);
SQL
rows=$(lab psql a shop -At -c 'SELECT count(*) FROM big')

target() { [ "$(lab psql b shop -At -c "$1" 2>/dev/null)" = t ]; }
gone() { no_leftovers a && no_leftovers b; }
# all of it again, or with the other table kept, should that have been written down as complete before
says_why() { says split 'the snapshot of the source ended with that attempt' || says split 'the rest was kept'; }
# killed_when TEXT CONDITION
killed_when() {
	local pid
	rm -rf "$XDG_STATE_HOME/pgusher/split"
	lab psql b postgres -c 'DROP DATABASE IF EXISTS shop' >/dev/null
	"$PGUSHER" run -c "$WORK/split.ini" --yes >"$WORK/split.out" 2>&1 </dev/null &
	pid=$!
	ok "$1: comes to that" until_true 60 target "$2"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	ok "$1: nothing of the killed one goes on" until_true 30 gone
	ok "$1: the next start goes on" exits 0 pgusher run split --yes
	ok "$1: and says what becomes of what is there" says_why
	ok "$1: every row is there once" target "SELECT count(*) = $rows AND count(DISTINCT n) = $rows FROM big"
	ok "$1: the end is the same" tests/lab/compare a/shop b/shop
}
ini split a shop b shop 'jobs = 3' 'split_mb = 64'
sed -i "s/^port = $(get b PORT)/port = $(cat "$PGUSHER_LAB/p/port")/" "$WORK/split.ini"
killed_when 'ranges are under way' 'SELECT count(*) > 1 FROM pg_stat_progress_copy WHERE tuples_processed > 0'
killed_when 'one range is there' "SELECT EXISTS (SELECT FROM big) AND EXISTS (SELECT FROM pg_stat_progress_copy WHERE relid = 'big'::regclass)"
killed_when 'an index is being built' 'SELECT count(*) > 0 FROM pg_stat_progress_create_index'
exit $bad
