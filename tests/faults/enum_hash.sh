#!/usr/bin/env bash
# Partitioned by the hash of an enum, rows lie in other leaves on the target: compared by the root, and equal.
METHOD=subscription
. "$(dirname "$0")/../flows/common.sh"
up a "${1:-14}"
up b "${2:-16}"
lab psql a postgres -q -c 'CREATE DATABASE shop'
lab psql b postgres -q -c "CREATE TYPE early AS ENUM ('x', 'y', 'z')" -c 'CREATE TABLE early_t (a early)' # other numbers for what comes
lab psql a shop -q -o /dev/null <<'SQL'
CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
CREATE TABLE moods (m mood, id int, t text, PRIMARY KEY (m, id)) PARTITION BY HASH (m);
CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE moods_2 PARTITION OF moods FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE TABLE plain (id int PRIMARY KEY);
INSERT INTO plain SELECT generate_series(1, 10);
INSERT INTO moods SELECT (enum_range(NULL::mood))[1 + g % 8], g, 'x' || g FROM generate_series(1, 1000) g;
SQL
sums() { lab psql "$1" shop -At -c "SELECT count(*), md5(string_agg(x::text, ',' ORDER BY id)) FROM moods x"; }
same() { [ "$(sums a)" = "$(sums b)" ]; }
leaves() { lab psql "$1" shop -At -c "SELECT tableoid::regclass, m, count(*) FROM moods GROUP BY 1, 2 ORDER BY 1, 2"; }
ini case a shop b shop
ok 'copied and followed' exits 0 pgusher run case --yes
ok 'the rows lie in other leaves there' test "$(leaves a)" != "$(leaves b)"
lab psql a shop -q -c "UPDATE moods SET t = 'new' WHERE id < 100" -c "INSERT INTO moods VALUES ('a', 2000, 'late')" -c "DELETE FROM moods WHERE id = 500" -c "UPDATE moods SET m = 'h' WHERE id = 8"
ok 'changes arrive, whichever leaf they are for' until_true 30 same
ok 'verify: equal' exits 0 pgusher verify case
lab psql b shop -q -c "UPDATE moods SET t = 'other' WHERE id = 700"
ok 'one row that differs: seen' exits 1 pgusher verify case
ok 'it is named, in the root' grep -qE 'rows that differ: public\.moods,.*700' "$WORK/case.out"
lab psql b shop -q -c "UPDATE moods SET t = 'x700' WHERE id = 700"
ok 'cut over' exits 0 pgusher cutover case --yes --confirm shop
ok 'the same rows after it' same
exit $bad
