#!/usr/bin/env bash
# Only some tables follow: by name, by schema, through their root; what hangs on the others is said before, and nothing else is on the target.
METHOD=subscription
shopt -s extglob
. "$(dirname "$0")/common.sh"
up a "${1:-15}"
up b "${2:-17}"
lab psql a postgres -q -c 'CREATE DATABASE shop TEMPLATE template0'
lab psql a shop -q -o /dev/null <<'SQL'
CREATE SCHEMA crm; CREATE SCHEMA "Склад";
CREATE TABLE customer (id serial PRIMARY KEY, name text);
CREATE TABLE crm.orders (id serial PRIMARY KEY, customer int REFERENCES customer, at date);
CREATE TABLE "Склад"."we""ird, таблица" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text);
CREATE TABLE log (t text);
CREATE VIEW loud AS SELECT upper(t) FROM log;
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE TABLE days (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE SEQUENCE lonely;
INSERT INTO customer (name) SELECT 'c' || g FROM generate_series(1, 100) g;
INSERT INTO crm.orders (customer, at) SELECT g, '2024-01-01' FROM generate_series(1, 100) g;
INSERT INTO "Склад"."we""ird, таблица" (t) SELECT 'x' FROM generate_series(1, 50);
INSERT INTO log SELECT 'x' FROM generate_series(1, 10);
INSERT INTO days SELECT g, '2024-01-01'::date + g FROM generate_series(0, 55) g;
SELECT nextval('lonely');
SQL
rows() { lab psql "$1" shop -At -c "SELECT string_agg(x, ' ') FROM (SELECT c.oid::regclass || '=' || (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || c.oid::regclass, false, true, '')))[1]::text AS x
	FROM pg_class c WHERE relkind = 'r' AND relnamespace >= 2200 AND relnamespace::regnamespace::text NOT IN ('information_schema') ORDER BY relname) y"; }
change() { lab psql a shop -q -o /dev/null -c "INSERT INTO customer (name) VALUES ('new')" -c "INSERT INTO crm.orders (customer, at) VALUES (1, '2024-02-02')" -c "UPDATE days SET at = '2024-02-20' WHERE id = 3" \
	-c "INSERT INTO \"Склад\".\"we\"\"ird, таблица\" (t) VALUES ('new')" -c "INSERT INTO log VALUES ('new')" -c "SELECT nextval('lonely')"; }
drained() {
	local mark
	mark=$(lab psql a shop -At -c "SELECT pg_logical_emit_message(true, 'test', 'end')")
	until_true 30 arrived "$mark"
}
arrived() { [ "$(lab psql a shop -At -c "SELECT confirmed_flush_lsn >= '$1' FROM pg_replication_slots WHERE database = 'shop'")" = t ]; }
again() { lab psql b postgres -q -c 'DROP DATABASE IF EXISTS shop' 2>/dev/null; }
is() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
published() { lab psql a shop -At -c "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) FROM (SELECT schemaname, tablename FROM pg_publication_tables ORDER BY 1, 2) p"; }

ini case a shop b shop '[subscription]' 'tables = crm.order, nope' 'schemas = cram'
ok 'unknown names: blocked' exits 3 pgusher check case
ok 'unknown names: the nearest table' says case 'table crm.order (did you mean crm.orders?)'
ok 'unknown names: the nearest schema' says case 'schema cram (did you mean crm?)'
ini case a shop b shop '[subscription]' 'tables = crm.orders, days'
ok 'a key to a table that stays: warned of' exits 0 pgusher check case
ok 'a key to a table that stays: named' says case 'orders_customer_fkey on crm.orders (public.customer)'
ok 'log needs no identity when it stays' bash -c "! grep -q 'no replica identity' '$WORK/case.out'"
ok 'what stays is counted' says case '3 tables not chosen'

for copy in snapshot native dump; do
	ini case a shop b shop '[subscription]' "copy = $copy" 'tables = customer, crm.orders' 'tables = days, "Склад"."we""ird, таблица"'
	ok "$copy: runs" exits 0 pgusher run case --yes
	change
	ok "$copy: drains" drained
	all=$(rows a)
	ok "$copy: the target has these and no others, with all rows" is "$(rows b)" "${all/ log=+([0-9])/}"
	ok "$copy: watched" exits 0 pgusher watch case --once
	if [ $copy = snapshot ]; then
		ok "$copy: compared" exits 0 pgusher verify case
		ok "$copy: cut over" exits 0 pgusher cutover case --confirm shop
		ok "$copy: sequences stand where they stood, and those of other tables are not there" is "$(lab psql b shop -At -c 'SELECT sequencename, last_value FROM pg_sequences ORDER BY 1' | tr '\n' ' ')" \
			"$(lab psql a shop -At -c 'SELECT sequencename, last_value FROM pg_sequences ORDER BY 1' | tr '\n' ' ')"
	fi
	ok "$copy: clean-up" exits 0 pgusher cleanup case --yes --confirm shop
	lab psql a postgres -q -c 'ALTER DATABASE shop RESET default_transaction_read_only'
	again
done

# whole schemas: from 15 on the schema itself is published
ini case a shop b shop '[subscription]' 'schemas = crm'
ok 'a schema: warned of its key' exits 0 pgusher check case
ini case a shop b shop '[subscription]' 'schemas = crm' 'tables = customer'
ok 'a schema and a table: runs' exits 0 pgusher run case --yes
ok 'a schema and a table: these are published' is "$(published)" 'crm.orders public.customer'
[ "$(get a MAJOR)" -lt 15 ] || ok 'a schema: published as such' is "$(lab psql a shop -At -c 'SELECT nspname FROM pg_publication_namespace JOIN pg_namespace n ON n.oid = pnnspid')" crm
ok 'a schema and a table: clean-up' exits 0 pgusher cleanup case --yes --confirm shop
again
# partitions as their root
ini case a shop b shop '[subscription]' 'tables = days' 'via_root = yes'
ok 'via the root: runs' exits 0 pgusher run case --yes
ok 'via the root: no sequence of other tables is there' is "$(lab psql b shop -At -c 'SELECT sequencename FROM pg_sequences')" lonely
ok 'via the root: published so' is "$(published)" 'public.days'
lab psql a shop -q -c "INSERT INTO days VALUES (1000, '2024-01-09')" -c 'UPDATE days SET id = id + 1 WHERE id = 1000'
ok 'via the root: drains' drained
ok 'via the root: the row is in its partition' is "$(lab psql b shop -At -c 'SELECT tableoid::regclass, count(*) FROM days WHERE id > 1000 GROUP BY 1')" 'days_1|1'
ok 'via the root: cut over' exits 0 pgusher cutover case --confirm shop
ok 'via the root: clean-up' exits 0 pgusher cleanup case --yes --confirm shop
lab psql a postgres -q -c 'ALTER DATABASE shop RESET default_transaction_read_only'
again
# all tables
lab psql a shop -q -c 'ALTER TABLE log REPLICA IDENTITY FULL'
ini case a shop b shop '[subscription]' 'all_tables = yes'
ok 'all tables: runs' exits 0 pgusher run case --yes
ok 'all tables: published so' is "$(lab psql a shop -At -c 'SELECT puballtables FROM pg_publication')" t
ok 'all tables: clean-up' exits 0 pgusher cleanup case --yes --confirm shop
exit $bad
