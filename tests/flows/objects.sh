#!/usr/bin/env bash
# The proof that both sides have the same objects: whatever a major words in its own way is the same, and each thing that is not is named.
. "$(dirname "$0")/common.sh"
up a 14
up b 16
lab psql a postgres -qc 'CREATE ROLE reader' -c 'CREATE DATABASE shop'
# words that the target changes when it reads them: casts of arrays, names with and without their table, EXTRACT, AT TIME ZONE
lab psql a shop -q >/dev/null <<'SQL'
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE DOMAIN short AS varchar(5) CHECK (VALUE IN ('q', 'w'));
CREATE TABLE item (id int PRIMARY KEY, kind varchar(10) NOT NULL DEFAULT 'a' CHECK (kind IN ('a', 'b')), at timestamptz DEFAULT (now() AT TIME ZONE 'utc'), c colour, n int);
CREATE TABLE line (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item int, twice int GENERATED ALWAYS AS (item * 2) STORED, amount numeric(10, 2));
ALTER TABLE line ADD CONSTRAINT line_item FOREIGN KEY (item) REFERENCES item;
CREATE INDEX item_kind ON item (lower(kind), n DESC) WHERE kind IN ('a', 'b');
CREATE INDEX line_item_ix ON line (item);
CREATE SEQUENCE free;
CREATE VIEW years AS SELECT item.id, extract(year FROM at) AS y, trim(kind) AS k FROM item WHERE kind IN ('a', 'b');
CREATE MATERIALIZED VIEW counted AS SELECT kind, count(*) FROM item GROUP BY kind;
CREATE RULE to_item AS ON INSERT TO years DO INSTEAD INSERT INTO item (id) SELECT NEW.id WHERE NEW.y > 1;
CREATE FUNCTION add_up(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1';
CREATE FUNCTION how_many(k varchar) RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM item WHERE item.kind = k; END;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON item FOR EACH ROW WHEN (NEW.kind IN ('a', 'b')) EXECUTE FUNCTION touch();
CREATE POLICY mine ON item USING (kind IN ('a', current_user::varchar));
CREATE STATISTICS item_stat ON kind, n FROM item;
GRANT SELECT ON item TO reader;
GRANT USAGE ON SCHEMA public TO reader;
GRANT UPDATE (n) ON item TO reader;
COMMENT ON TABLE item IS 'what is sold';
INSERT INTO item (id) SELECT generate_series(1, 20);
INSERT INTO line (item) SELECT generate_series(1, 20);
SQL
ini shop a shop b shop
ok 'words that majors change: runs' exits 0 pgusher run shop --yes
ok 'words that majors change: every object is the same' says shop 'equal    objects: '
ok 'the report says so' grep -q '^Objects: .*2 tables, 9 columns' "$XDG_STATE_HOME/pgusher/shop/report.md"

# differs TEXT NAME STATEMENT UNDO: what the statement makes of the target is found by name, and nothing else is
differs() {
	local text=$1 name=$2
	lab psql b shop -qAt -v ON_ERROR_STOP=1 -o /dev/null -c "$3" || { echo "not ok $text: can be done"; bad=1; }
	ok "$text: is found" exits 1 pgusher verify shop
	ok "$text: by its name" says shop "DIFFERS  $name"
	ok "$text: and nothing else" test "$(grep -c 'DIFFERS' "$WORK/shop.out")" = "$(echo "$name" | grep -c .)"
	lab psql b shop -qAt -v ON_ERROR_STOP=1 -o /dev/null -c "$4" || { echo "not ok $text: can be undone"; bad=1; }
}
differs 'a missing index' 'index public.line: line_item_ix: not on the target: CREATE INDEX line_item_ix ON public.line' \
	'DROP INDEX line_item_ix' 'CREATE INDEX line_item_ix ON line (item)'
differs 'another index' 'index public.item: item_kind: on the source CREATE INDEX item_kind' \
	'DROP INDEX item_kind; CREATE INDEX item_kind ON item (lower(kind), n DESC) WHERE kind IN ('"'a', 'c')" "DROP INDEX item_kind; CREATE INDEX item_kind ON item (lower(kind), n DESC) WHERE kind IN ('a', 'b')"
differs 'a disabled trigger' 'trigger public.item.touched: ' 'ALTER TABLE item DISABLE TRIGGER touched' 'SELECT'
ok 'a disabled trigger: says what to do' says shop 'ALTER TABLE public.item ENABLE TRIGGER touched;'
lab psql b shop -qc 'ALTER TABLE item ENABLE TRIGGER touched'
differs 'a constraint that is not valid' 'constraint public.line.line_item: ' \
	'ALTER TABLE line DROP CONSTRAINT line_item, ADD CONSTRAINT line_item FOREIGN KEY (item) REFERENCES item NOT VALID' 'SELECT'
ok 'a constraint that is not valid: says what to do' says shop 'ALTER TABLE public.line VALIDATE CONSTRAINT line_item;'
lab psql b shop -qc 'ALTER TABLE line VALIDATE CONSTRAINT line_item'
differs 'another check' 'constraint public.item.item_kind_check: ' \
	"ALTER TABLE item DROP CONSTRAINT item_kind_check, ADD CONSTRAINT item_kind_check CHECK (kind IN ('a', 'b', 'c'))" "ALTER TABLE item DROP CONSTRAINT item_kind_check, ADD CONSTRAINT item_kind_check CHECK (kind IN ('a', 'b'))"
differs 'a changed default' "column public.item.kind: on the source default 'a'" "ALTER TABLE item ALTER kind SET DEFAULT 'b'" 'SELECT'
ok 'a changed default: says what to do' says shop "ALTER TABLE public.item ALTER kind SET DEFAULT 'a'::character varying;"
lab psql b shop -qc "ALTER TABLE item ALTER kind SET DEFAULT 'a'"
differs 'a column that may be empty' 'column public.item.kind: ' 'ALTER TABLE item ALTER kind DROP NOT NULL' 'ALTER TABLE item ALTER kind SET NOT NULL'
differs 'a missing grant' 'grants on table public.item: ' 'REVOKE SELECT ON item FROM reader' 'GRANT SELECT ON item TO reader'
differs 'a missing grant on a column' 'grants on column public.item.n: ' 'REVOKE UPDATE (n) ON item FROM reader' 'GRANT UPDATE (n) ON item TO reader'
differs 'another function body' 'function public.add_up(integer): on the source body SELECT a + 1; on the target body SELECT a + 2' \
	"CREATE OR REPLACE FUNCTION add_up(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 2'" "CREATE OR REPLACE FUNCTION add_up(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1'"
differs 'another body in SQL' 'function public.how_many(character varying): ' \
	'CREATE OR REPLACE FUNCTION how_many(k varchar) RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) + 1 FROM item WHERE item.kind = k; END' 'CREATE OR REPLACE FUNCTION how_many(k varchar) RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM item WHERE item.kind = k; END'
differs 'another view' 'view public.years: ' \
	"CREATE OR REPLACE VIEW years AS SELECT item.id, extract(year FROM at) AS y, trim(kind) AS k FROM item WHERE kind IN ('a')" "CREATE OR REPLACE VIEW years AS SELECT item.id, extract(year FROM at) AS y, trim(kind) AS k FROM item WHERE kind IN ('a', 'b')"
differs 'another rule' 'rule public.years.to_item: ' \
	'CREATE OR REPLACE RULE to_item AS ON INSERT TO years DO INSTEAD INSERT INTO item (id) SELECT NEW.id WHERE NEW.y > 2' 'CREATE OR REPLACE RULE to_item AS ON INSERT TO years DO INSTEAD INSERT INTO item (id) SELECT NEW.id WHERE NEW.y > 1'
differs 'another sequence' 'sequence public.free: ' 'ALTER SEQUENCE free INCREMENT 2' 'ALTER SEQUENCE free INCREMENT 1'
differs 'another policy' 'policy public.item.mine: ' "ALTER POLICY mine ON item USING (kind = 'a')" "ALTER POLICY mine ON item USING (kind IN ('a', current_user::varchar))"
differs 'another enum' 'type public.colour: ' "ALTER TYPE colour RENAME VALUE 'green' TO 'blue'" "ALTER TYPE colour RENAME VALUE 'blue' TO 'green'"
differs 'another owner' 'type public.short: on the source owner postgres; on the target owner reader' 'ALTER DOMAIN short OWNER TO reader' 'ALTER DOMAIN short OWNER TO postgres'
differs 'another comment' 'comment on table public.item: ' "COMMENT ON TABLE item IS 'what was sold'" "COMMENT ON TABLE item IS 'what is sold'"
differs 'an empty materialized view' 'materialized view public.counted: ' 'REFRESH MATERIALIZED VIEW counted WITH NO DATA' 'REFRESH MATERIALIZED VIEW counted'
differs 'one of the target alone' 'function public.more(): on the target only' "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'" 'DROP FUNCTION more()'
lab psql b shop -qc 'DROP TABLE line'
ok 'a missing table: is found' exits 1 pgusher verify shop
ok 'a missing table: by its name' says shop 'DIFFERS  table public.line: not on the target'
ok 'a missing table: what belongs to it is not listed' test "$(grep -c 'DIFFERS .*line' "$WORK/shop.out")" -le 4 # it and its sequence, as rows and as objects
lab psql b postgres -qc 'DROP DATABASE shop'
ok 'a missing table: again' exits 0 pgusher run shop --yes
ok 'and all is well again' exits 0 pgusher verify shop
ok 'the target has nothing of the question' test -z "$(lab psql b shop -At -c "SELECT relname FROM pg_class WHERE relname LIKE 'pgusher%'")"

# a schema that was not chosen is no difference
lab psql a shop -qc 'CREATE SCHEMA other' -c 'CREATE TABLE other.t (id int PRIMARY KEY)' -c "COMMENT ON TABLE other.t IS 'another'" -c 'GRANT SELECT ON other.t TO reader'
lab psql b postgres -qc 'DROP DATABASE shop'
ini part a shop b shop 'exclude_schemas = other'
ok 'a schema left out: runs' exits 0 pgusher run part --yes
ok 'a schema left out: no difference' says part 'equal    objects: '
exit $bad
