-- Every awkward thing that a database may hold and a migration must carry. For PostgreSQL 10 to 18;
-- run by `lab torture` as a superuser in a new database, with :hard on or off. Everything but the
-- last section restores without an error through pg_dump and pg_restore.
\set QUIET on
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SELECT :SERVER_VERSION_NUM >= 110000 AS v11, :SERVER_VERSION_NUM >= 120000 AS v12, :SERVER_VERSION_NUM >= 130000 AS v13,
	:SERVER_VERSION_NUM >= 140000 AS v14, :SERVER_VERSION_NUM >= 150000 AS v15, :SERVER_VERSION_NUM >= 160000 AS v16,
	:SERVER_VERSION_NUM >= 170000 AS v17, :SERVER_VERSION_NUM >= 180000 AS v18, current_database() AS db,
	EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') AS icu \gset

-- ---- roles: the cluster's, made when missing ----
SELECT format('CREATE ROLE %I %s', r, a) FROM (VALUES
	('we"ird Владелец', 'LOGIN CREATEDB PASSWORD ''o''''wner\ ; "pw"'''), ('читатель', 'LOGIN CONNECTION LIMIT 5'),
	('torture_group', 'NOLOGIN NOINHERIT'), ('torture_admin', 'LOGIN CREATEROLE VALID UNTIL ''2040-01-01 UTC'''),
	('torture_idle', 'NOLOGIN')) v (r, a) WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) \gexec
GRANT torture_group TO "we""ird Владелец" WITH ADMIN OPTION;
GRANT torture_group TO "читатель";
GRANT "we""ird Владелец" TO torture_admin;
ALTER ROLE "читатель" SET work_mem = '7MB';
ALTER ROLE "читатель" SET search_path = "$user", 'Схема "s"', public;
ALTER ROLE "we""ird Владелец" IN DATABASE :"db" SET statement_timeout = '11min';
COMMENT ON ROLE torture_group IS 'a role''s comment';

-- ---- the database ----
ALTER DATABASE :"db" SET DateStyle = 'SQL, DMY';
ALTER DATABASE :"db" SET extra_float_digits = 0;
ALTER DATABASE :"db" SET search_path = "Схема ""s""", public, pg_catalog;
ALTER DATABASE :"db" CONNECTION LIMIT 50;
COMMENT ON DATABASE :"db" IS E'quotes '' and " and \\ and\na second line';
REVOKE TEMPORARY ON DATABASE :"db" FROM PUBLIC;
GRANT CREATE, TEMPORARY ON DATABASE :"db" TO "we""ird Владелец" WITH GRANT OPTION;
GRANT CONNECT ON DATABASE :"db" TO "читатель";

-- ---- extensions: those that are here ----
CREATE SCHEMA ext;
SELECT format('CREATE EXTENSION %I SCHEMA ext', name) FROM pg_available_extensions
	WHERE name IN ('pg_trgm', 'citext', 'hstore', 'btree_gist', 'ltree', 'postgres_fdw', 'unaccent') ORDER BY name \gexec
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') AS has_trgm,
	EXISTS (SELECT FROM pg_extension WHERE extname = 'citext') AS has_citext,
	EXISTS (SELECT FROM pg_extension WHERE extname = 'hstore') AS has_hstore,
	EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist') AS has_gist,
	EXISTS (SELECT FROM pg_extension WHERE extname = 'postgres_fdw') AS has_fdw \gset

-- ---- schemas, default privileges, names ----
CREATE SCHEMA "Схема ""s""" AUTHORIZATION "we""ird Владелец";
CREATE SCHEMA "select" AUTHORIZATION app;
CREATE SCHEMA empty_schema;
CREATE SCHEMA t;
COMMENT ON SCHEMA t IS 'the torture';
ALTER DEFAULT PRIVILEGES FOR ROLE "we""ird Владелец" IN SCHEMA "Схема ""s""" GRANT SELECT ON TABLES TO "читатель" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE app REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT USAGE ON SEQUENCES TO torture_group;
GRANT USAGE ON SCHEMA t, "Схема ""s""" TO "читатель";
SET search_path = t, ext, public;

SET ROLE "we""ird Владелец";
CREATE TABLE "Схема ""s"""."we""ird Таблица" ("ID" serial PRIMARY KEY, "a b" text DEFAULT E'it''s \\ "x"', "select" int, "имя%s" text,
	"tab	in" int, "Very Long Column Name That Has Exactly The Limit Of Sixty Three" text CONSTRAINT "check ""it""" CHECK ("имя%s" <> ''));
INSERT INTO "Схема ""s"""."we""ird Таблица" ("select", "имя%s", "tab	in") SELECT g, 'строка ' || g, -g FROM generate_series(1, 50) g;
CREATE INDEX "we""ird индекс" ON "Схема ""s"""."we""ird Таблица" (lower("имя%s") DESC NULLS LAST, "select") WHERE "select" > 3;
COMMENT ON TABLE "Схема ""s"""."we""ird Таблица" IS 'таблица; -- not a comment /* nor this */ $$ nor this $$';
COMMENT ON COLUMN "Схема ""s"""."we""ird Таблица"."a b" IS E'column\ncomment';
GRANT SELECT ("ID", "a b"), UPDATE ("a b") ON "Схема ""s"""."we""ird Таблица" TO "читатель";
GRANT ALL ON "Схема ""s"""."we""ird Таблица" TO torture_group WITH GRANT OPTION;
RESET ROLE;
CREATE TABLE "select"."from" ("where" int PRIMARY KEY, "$dollar$" text, "back\slash" text);
INSERT INTO "select"."from" VALUES (1, '$$', E'\\'), (2, '$1', '\N');
CREATE TABLE "select"."pg_class" (x int);
CREATE TABLE "select"." leading and trailing " (" " int, "a.b" text, "a""""b" int);
INSERT INTO "select"." leading and trailing " VALUES (1, 'dot', 2);
CREATE TABLE t."with; semicolon -- and dashes" (a int, "new
line" text);
INSERT INTO t."with; semicolon -- and dashes" VALUES (1, E'a\nb');

-- ---- types ----
CREATE TYPE t.mood AS ENUM ('sad', 'ok', 'it''s "odd"', 'счастье');
ALTER TYPE t.mood ADD VALUE 'between' BEFORE 'ok';
CREATE TYPE t.pair AS (n int, "Txt" text, inner_range int4range);
CREATE TYPE t.nested AS (p t.pair, ps t.pair[], m t.mood);
CREATE DOMAIN t.positive AS int DEFAULT 1 CONSTRAINT is_positive CHECK (VALUE > 0);
CREATE DOMAIN t.short_text AS varchar(20) COLLATE "C" NOT NULL CHECK (VALUE !~ '^\s');
CREATE DOMAIN t.positive2 AS t.positive CHECK (VALUE < 1000000);
CREATE TYPE t.float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
COMMENT ON TYPE t.mood IS 'an enum';
ALTER TYPE t.mood OWNER TO "we""ird Владелец";
REVOKE USAGE ON TYPE t.pair FROM PUBLIC;

CREATE TABLE t.kinds (id int PRIMARY KEY, m t.mood, ms t.mood[], p t.pair, n t.nested, d t.positive, d2 t.positive2, s t.short_text DEFAULT 'x',
	r int4range, nr numrange, tr tstzrange, fr t.float_range, a int[], aa text[][], j json, jb jsonb, b bytea, bit5 bit(5), vb varbit,
	u uuid, i inet, c cidr, ma macaddr, m8 macaddr8, pt point, ln line, ls lseg, bx box, pa path, po polygon, ci circle,
	tv tsvector, tq tsquery, mon money, ch "char", bc char(7), nm name, iv interval, ti time, tt timetz, da date, ts timestamp, tz timestamptz,
	f4 float4, f8 float8, nu numeric, nu2 numeric(20,5), lsn pg_lsn, bo boolean, o oid, x xid, td tid, si smallint, bi bigint,
	rc regclass, rt regtype, rp regprocedure, rn regnamespace, rr regrole, rg regconfig);
INSERT INTO t.kinds VALUES (1, 'sad', '{sad,"it''s \"odd\"",NULL}', (1, 'a,"b"(c)\', '[1,5)'), ((2, NULL, 'empty'), ARRAY[(3, '', NULL)::t.pair, NULL], 'between'),
	5, 6, '', '[1,10)', '(,5.5]', '[2020-01-01,)', '[1.5,2.5)', '{1,NULL,3}', '{{a,NULL},{"c,d","e\"f"}}', '{"dup": 1, "dup": 2,  "sp" :  [1.0,1.00]}',
	'{"ключ": ["\u2028", 1.0, 1e400, null, {"": {}}], "a\"b\\": "\t"}', '\x00ff5c27', B'10101', B'', '00000000-0000-0000-0000-000000000000',
	'::ffff:1.2.3.4/96', '2001:db8::/32', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '(1e-300,-0)', '{1,2,3}', '[(0,0),(1,1)]', '(2,2),(0,0)',
	'[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),5>', '''a'':1A ''b''\'':2', '''fat'' & !( ''c'' | ''d'':*B )', '-1234.56', 'x', 'ab  ', 'nm',
	'1 year -2 months 3 days -04:05:06.789', '24:00', '23:59:59.5-15:59', 'infinity', '4713-01-01 00:00:00 BC', '-infinity',
	'NaN', '-0', 'NaN', 0.00000, '16/B374D848', true, 4294967295, '4294967295', '(4294967295,65535)', -32768, -9223372036854775808,
	'pg_class', 'integer', 'abs(integer)', 'pg_catalog', 'postgres', 'pg_catalog.russian');
INSERT INTO t.kinds (id) VALUES (2);
UPDATE t.kinds SET d = NULL WHERE id = 2;
INSERT INTO t.kinds (id, s, f4, f8, nu, da, ts, tz, b, si, bi, iv, mon, a) VALUES
	(3, 'y', 'Infinity', '-Infinity', 1e1000, '4713-01-01 BC', 'infinity', '0044-03-15 12:00:00.123456 BC', '', 32767, 9223372036854775807, '-178000000 years', 0, '[-2:0]={1,2,3}'),
	(4, 'z', 1.1754944e-38, 2.2250738585072014e-308, 1e-1000, '5874897-12-31', '294276-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999+00', decode(repeat('00ff', 1000), 'hex'), 0, 0, 'P0Y', 92233720368547758.07, '{}'),
	(5, 'w', 0.1, 0.1::float8 + 0.2::float8, 12345678901234567890.1234567890, '0001-01-01', 'epoch', '2024-03-31 02:30:00 Europe/Berlin', '\x5c6e', 1, 1, '0.000001 s', 1, '{{{1}}}'),
	(6, 'v', -0.0, 123456789.123456789, -0.0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE t.own_refs (id int PRIMARY KEY, c regclass, ty regtype, f regprocedure);
\if :v12
CREATE TABLE t.jsonpaths (id int, p jsonpath);
INSERT INTO t.jsonpaths VALUES (1, '$.a[*] ? (@ > 1)'), (2, NULL);
CREATE TABLE t.generated (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text GENERATED ALWAYS AS ('v' || a::text) STORED UNIQUE, d text);
INSERT INTO t.generated (a, d) SELECT g, repeat('d', g) FROM generate_series(1, 30) g;
CREATE TABLE t.generated_first (b int GENERATED ALWAYS AS (-a) STORED, a int PRIMARY KEY);
INSERT INTO t.generated_first (a) VALUES (1), (2);
\endif
\if :v14
CREATE TABLE t.multiranges (id int, m int4multirange, dm datemultirange, n numeric, c text COMPRESSION pglz);
INSERT INTO t.multiranges VALUES (1, '{[1,3),[5,7)}', '{}', 'Infinity', repeat('z', 5000)), (2, '{}', '{(,)}', '-Infinity', NULL);
\endif
\if :v18
CREATE TABLE t.generated_virtual (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL);
INSERT INTO t.generated_virtual VALUES (1), (NULL);
\endif
\if :has_citext
CREATE TABLE t.ext_types (id int PRIMARY KEY, c ext.citext UNIQUE);
INSERT INTO t.ext_types VALUES (1, 'MiXed'), (2, 'Ёлка');
\endif
\if :has_hstore
CREATE TABLE t.ext_hstore (h ext.hstore);
INSERT INTO t.ext_hstore VALUES ('a=>1, "b c"=>NULL, "q\""=>"\\"');
\endif

-- ---- text that looks like something else ----
CREATE TABLE t.nasty_text (id int PRIMARY KEY, v text);
INSERT INTO t.nasty_text VALUES (1, ''), (2, NULL), (3, '\N'), (4, 'NULL'), (5, '\.'), (6, E'\t'), (7, E'\n'), (8, E'\r\n'), (9, E'\\.\n'), (10, E'\x01\x02\x7f'),
	(11, '\000'), (12, '"quoted"'), (13, 'a''b'), (14, E'\\'), (15, E'\u0001a' || 'b' || E'\u200b\ufeff') , (16, '😀 é' || U&'e\0301'), (17, '--'), (18, '$$'),
	(19, E' lead and trail \t'), (20, '{}'), (21, '(,)'), (22, 'COPY t FROM stdin;'), (23, '\connect'), (24, E'\b\f\v');
CREATE TABLE t.big_values (id int PRIMARY KEY, plain text, packed text, raw bytea);
ALTER TABLE t.big_values ALTER plain SET STORAGE EXTERNAL;
INSERT INTO t.big_values SELECT g, (SELECT string_agg(md5((g * 100000 + i)::text), '') FROM generate_series(1, 32768) i), repeat('packed ' || g, 150000),
	(SELECT string_agg(decode(md5((g * 7 + i)::text), 'hex'), '') FROM generate_series(1, 65536) i) FROM generate_series(1, 3) g;

-- ---- tables of odd shapes ----
CREATE TABLE t.no_columns ();
INSERT INTO t.no_columns SELECT FROM generate_series(1, 7);
CREATE TABLE t.no_key (a int, b text);
INSERT INTO t.no_key SELECT g % 5, 'same' FROM generate_series(1, 100) g;
CREATE TABLE t.no_rows (id int PRIMARY KEY, v text NOT NULL);
CREATE TABLE t.all_null (a int, b text, c jsonb);
INSERT INTO t.all_null SELECT FROM generate_series(1, 20);
CREATE TABLE t.dropped_columns (a int, gone1 text, b text, gone2 int, c int DEFAULT 7);
INSERT INTO t.dropped_columns SELECT g, 'gone', 'b' || g, g FROM generate_series(1, 20) g;
ALTER TABLE t.dropped_columns DROP gone1, DROP gone2, ADD added_later text DEFAULT 'later', ADD added_null int;
SELECT format('CREATE TABLE t.wide (%s)', string_agg(format('c%s int', g), ', ' ORDER BY g)) FROM generate_series(1, 1600) g \gexec
INSERT INTO t.wide (c1, c800, c1600) VALUES (1, 2, 3), (NULL, NULL, NULL), (4, NULL, 5);
CREATE TABLE t.wide300 AS SELECT g AS c0 FROM generate_series(1, 20) g;
SELECT format('ALTER TABLE t.wide300 %s', string_agg(format('ADD c%s text DEFAULT %L', g, 'v' || g), ', ' ORDER BY g)) FROM generate_series(1, 299) g \gexec
CREATE UNLOGGED TABLE t.unlogged (id int PRIMARY KEY, v text) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off);
INSERT INTO t.unlogged SELECT g, 'u' || g FROM generate_series(1, 40) g;
CREATE TABLE t.of_type OF t.pair (n WITH OPTIONS PRIMARY KEY);
INSERT INTO t.of_type VALUES (1, 'of', '[1,2)');
ALTER TABLE t.no_key ALTER b SET STATISTICS 500, ALTER b SET (n_distinct = 1), REPLICA IDENTITY FULL;

-- ---- sequences ----
CREATE SEQUENCE t.seq_never_called START 100 MINVALUE 5;
CREATE SEQUENCE t.seq_down INCREMENT -3 MINVALUE -1000 MAXVALUE 10 START 7;
SELECT nextval('t.seq_down'), nextval('t.seq_down');
CREATE SEQUENCE t.seq_not_called;
SELECT setval('t.seq_not_called', 500, false);
CREATE SEQUENCE t.seq_gap CACHE 50 CYCLE MAXVALUE 1000;
SELECT setval('t.seq_gap', 1000);
CREATE SEQUENCE t.seq_small AS smallint;
SELECT setval('t.seq_small', 32767);
CREATE SEQUENCE t.seq_huge;
SELECT setval('t.seq_huge', 9223372036854775807);
CREATE SEQUENCE "Схема ""s"""."Seq ""q""";
SELECT nextval('"Схема ""s"""."Seq ""q"""') FROM generate_series(1, 9);
ALTER SEQUENCE "Схема ""s"""."Seq ""q""" OWNER TO "we""ird Владелец";
ALTER SEQUENCE "Схема ""s"""."Seq ""q""" OWNED BY "Схема ""s"""."we""ird Таблица"."select";
GRANT USAGE ON SEQUENCE t.seq_gap TO "читатель";
COMMENT ON SEQUENCE t.seq_down IS 'downwards';
CREATE TABLE t.identities (a int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 10), b bigint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME t."Ident Seq"), c smallserial, v text);
INSERT INTO t.identities (v) SELECT 'i' || g FROM generate_series(1, 12) g;
DELETE FROM t.identities WHERE a > 100;
CREATE TABLE t.shared_default (a int DEFAULT nextval('t.seq_huge'), b int DEFAULT nextval('t.seq_never_called'));

-- ---- partitions three levels deep, inheritance ----
CREATE TABLE t.parted (region text NOT NULL, at date NOT NULL, n int NOT NULL DEFAULT 5, v text) PARTITION BY LIST (region);
CREATE TABLE t.parted_eu PARTITION OF t.parted FOR VALUES IN ('de', 'fr') PARTITION BY RANGE (at);
CREATE TABLE t.parted_eu_20 PARTITION OF t.parted_eu FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY RANGE (n, at);
CREATE TABLE t.parted_eu_20_a PARTITION OF t.parted_eu_20 FOR VALUES FROM (MINVALUE, MINVALUE) TO (50, MAXVALUE);
CREATE TABLE t.parted_eu_20_b PARTITION OF t.parted_eu_20 FOR VALUES FROM (50, MAXVALUE) TO (MAXVALUE, MAXVALUE);
CREATE TABLE t.parted_eu_21 (v text, n int NOT NULL, gone int, at date NOT NULL, region text NOT NULL);
ALTER TABLE t.parted_eu_21 DROP gone;
ALTER TABLE t.parted_eu ATTACH PARTITION t.parted_eu_21 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
ALTER TABLE t.parted_eu_21 ALTER n SET DEFAULT 21;
CREATE TABLE "select"."parted_us" PARTITION OF t.parted (v DEFAULT 'us') FOR VALUES IN ('us', NULL);
INSERT INTO t.parted SELECT (ARRAY['de', 'fr', 'us'])[1 + g % 3], date '2020-01-01' + g % 700, g, 'p' || g FROM generate_series(1, 300) g;
\if :v11
CREATE TABLE t.hashed (id bigint PRIMARY KEY, v text) PARTITION BY HASH (id);
SELECT format('CREATE TABLE t.hashed_%s PARTITION OF t.hashed FOR VALUES WITH (MODULUS 4, REMAINDER %s)', g, g) FROM generate_series(0, 3) g \gexec
INSERT INTO t.hashed SELECT g, 'h' || g FROM generate_series(1, 200) g;
CREATE TABLE t.enum_hashed (m t.mood, n int) PARTITION BY LIST (m);
CREATE TABLE t.enum_hashed_default PARTITION OF t.enum_hashed DEFAULT;
INSERT INTO t.enum_hashed VALUES ('sad', 1), (NULL, 2);
CREATE INDEX ON t.parted (at) INCLUDE (v);
CREATE INDEX parted_only ON ONLY t.parted (n);
ALTER TABLE t.parted ADD CONSTRAINT parted_check CHECK (n >= 0);
\endif
CREATE TABLE t.animal (id int PRIMARY KEY, name text, CONSTRAINT no_inherit CHECK (id > 0) NO INHERIT);
CREATE TABLE t.dog (breed text, CHECK (breed <> '')) INHERITS (t.animal);
CREATE TABLE t.robot (volts int);
CREATE TABLE t.robot_dog (extra text) INHERITS (t.dog, t.robot);
INSERT INTO t.animal VALUES (1, 'cat');
INSERT INTO t.dog VALUES (1, 'same id as the cat', 'x'), (2, 'rex', 'pug');
INSERT INTO t.robot_dog VALUES (3, 'aibo', 'metal', 12, 'e');

-- ---- keys and constraints ----
CREATE TABLE t.egg (id int PRIMARY KEY, hen_id int);
CREATE TABLE t.hen (id int PRIMARY KEY, egg_id int REFERENCES t.egg DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE t.egg ADD CONSTRAINT egg_hen FOREIGN KEY (hen_id) REFERENCES t.hen ON UPDATE CASCADE ON DELETE SET NULL;
BEGIN;
INSERT INTO t.hen VALUES (1, 1), (2, 2);
INSERT INTO t.egg VALUES (1, 2), (2, 1);
COMMIT;
CREATE TABLE t.tree (id int PRIMARY KEY, parent int REFERENCES t.tree, UNIQUE (id, parent) DEFERRABLE);
INSERT INTO t.tree VALUES (1, NULL), (2, 1), (3, 3), (4, 2);
CREATE TABLE t.deferrable_key (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
INSERT INTO t.deferrable_key VALUES (1, 'a'), (2, 'b');
CREATE TABLE t.not_valid (id int, v int);
INSERT INTO t.not_valid VALUES (1, -5), (99, 5);
ALTER TABLE t.not_valid ADD CONSTRAINT v_positive CHECK (v > 0) NOT VALID,
	ADD CONSTRAINT points_nowhere FOREIGN KEY (id) REFERENCES t.hen NOT VALID;
CREATE TABLE t.bookings (room int4range, during tstzrange, c circle, EXCLUDE USING gist (room WITH &&, during WITH &&) WHERE (NOT isempty(room)),
	EXCLUDE USING gist (c WITH &&) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t.bookings VALUES ('[1,2)', '[2020-01-01,2020-01-02)', '<(0,0),1>'), ('[1,2)', '[2020-01-02,2020-01-03)', '<(9,9),1>');
CREATE TABLE t.collated (a text COLLATE "C", b text COLLATE "POSIX", UNIQUE (a, b));
INSERT INTO t.collated VALUES ('b', 'a'), ('B', 'a'), ('ä', 'ö');
\if :icu
CREATE COLLATION t.natural_sort (provider = icu, locale = 'und-u-kn-true');
CREATE TABLE t.icu_sorted (a text COLLATE t.natural_sort PRIMARY KEY);
INSERT INTO t.icu_sorted SELECT 'item ' || g FROM generate_series(1, 30) g;
CREATE INDEX ON t.icu_sorted (a COLLATE "C" text_pattern_ops);
\if :v12
CREATE COLLATION t.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t.icu_nocase (a text COLLATE t.nocase UNIQUE);
INSERT INTO t.icu_nocase VALUES ('Abc'), ('def');
\endif
\endif
CREATE TABLE t.identity_index (a int NOT NULL, b text NOT NULL, c int);
CREATE UNIQUE INDEX identity_ix ON t.identity_index (a, b);
ALTER TABLE t.identity_index REPLICA IDENTITY USING INDEX identity_ix, CLUSTER ON identity_ix;
INSERT INTO t.identity_index VALUES (1, 'x', 1);
CREATE INDEX brin_ix ON t.identity_index USING brin (c) WITH (pages_per_range = 4);
CREATE INDEX hash_ix ON t.identity_index USING hash (b);
CREATE INDEX gin_ix ON t.kinds USING gin (jb jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX expr_ix ON t.kinds (((p).n), (jb -> 'a'), (id + 1)) WHERE b IS NOT NULL;
CREATE STATISTICS t.stats_xy (ndistinct, dependencies) ON a, b FROM t.identity_index;
\if :has_trgm
CREATE INDEX trgm_ix ON t.nasty_text USING gin (v ext.gin_trgm_ops);
\endif
\if :has_gist
CREATE TABLE t.rooms (room int, during daterange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO t.rooms VALUES (1, '[2020-01-01,2020-02-01)'), (2, '[2020-01-01,2020-02-01)');
\endif
\if :v15
CREATE TABLE t.nulls_same (a int, b int, UNIQUE NULLS NOT DISTINCT (a, b), c int REFERENCES t.hen);
\endif

-- ---- functions and what hangs on them ----
CREATE FUNCTION t.add_three(a int, b int DEFAULT 2, VARIADIC c int[] DEFAULT '{}') RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 7
	AS $f$ SELECT a + b + coalesce((SELECT sum(x)::int FROM unnest(c) x), 0) $f$;
CREATE FUNCTION t."odd ""name""(int)"(INOUT "a b" int, OUT c text, tbl t.kinds) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = t, pg_temp SET work_mem = '3MB'
	AS $$ BEGIN c := $q$it's$q$ || "a b"; END $$;
CREATE FUNCTION t.set_returning(n int) RETURNS TABLE (x int, y text) LANGUAGE plpgsql ROWS 5 AS 'BEGIN RETURN QUERY SELECT g, ''y'' || g FROM generate_series(1, n) g; END';
CREATE FUNCTION t.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := coalesce(NEW.v, '') || '!'; RETURN NEW; END $$;
-- bodies that only work with a search_path: fine as long as nobody calls them during the restore
CREATE FUNCTION t.needs_path() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM kinds); END $$;
CREATE FUNCTION t.needs_path_sql() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM no_key';
COMMENT ON FUNCTION t.add_three(int, int, int[]) IS 'adds';
REVOKE EXECUTE ON FUNCTION t.touch() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION t.touch() TO app;
ALTER FUNCTION t.set_returning(int) OWNER TO "we""ird Владелец";
\if :v11
CREATE PROCEDURE t.proc(a int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO no_key VALUES (a, 'proc'); COMMIT; END $$;
GRANT EXECUTE ON PROCEDURE t.proc(int) TO "читатель";
CREATE DOMAIN t.pair_domain AS t.pair CHECK ((VALUE).n > 0);
\endif
\if :v14
CREATE FUNCTION t.standard_body(k int) RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) + k FROM kinds; END;
CREATE PROCEDURE t.proc_out(OUT a int) LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
CREATE STATISTICS t.stats_expr (mcv) ON (a % 10), lower(b) FROM t.identity_index;
\endif
CREATE AGGREGATE t.product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1', PARALLEL = SAFE);
CREATE FUNCTION t.pair_lt(t.pair, t.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT ($1).n < ($2).n';
CREATE OPERATOR t.<<< (PROCEDURE = t.pair_lt, LEFTARG = t.pair, RIGHTARG = t.pair, COMMUTATOR = OPERATOR(t.>>>));
CREATE OPERATOR FAMILY t.odd_family USING btree;
CREATE FUNCTION t.cmp_back(int, int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT btint4cmp($2, $1)';
CREATE OPERATOR CLASS t.int_backwards FOR TYPE int USING btree AS
	OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 t.cmp_back(int, int);
CREATE INDEX backwards_ix ON t.no_key (a t.int_backwards);
CREATE CAST (t.pair AS text) WITH INOUT AS ASSIGNMENT;
CREATE CONVERSION t.odd_conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE TEXT SEARCH DICTIONARY t.plain_dict (TEMPLATE = simple, STOPWORDS = 'english', ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION t.odd_search (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION t.odd_search ALTER MAPPING FOR asciiword, word WITH t.plain_dict, english_stem;
COMMENT ON TEXT SEARCH CONFIGURATION t.odd_search IS 'search';
CREATE TABLE t.searched (id int, body text);
INSERT INTO t.searched VALUES (1, 'the quick brown fox'), (2, 'лиса');
CREATE INDEX search_ix ON t.searched USING gin (to_tsvector('t.odd_search', body));
INSERT INTO t.own_refs VALUES (1, 't.kinds', 't.mood', 't.add_three(int, int, int[])'), (2, 't.seq_down', 't.mood[]', NULL),
	(3, '"Схема ""s"""."we""ird Таблица"', 't.pair', 't.touch()');

-- ---- views, rules, triggers, row security ----
CREATE VIEW t.v_simple WITH (security_barrier) AS SELECT id, v FROM t.nasty_text WHERE id < 10 WITH LOCAL CHECK OPTION;
CREATE VIEW t.v_on_view AS SELECT count(*) AS n, (array_agg(v ORDER BY id))[1:3] AS firsts FROM t.v_simple;
ALTER VIEW t.v_simple ALTER COLUMN v SET DEFAULT 'from view';
CREATE RECURSIVE VIEW t.v_recursive (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM v_recursive WHERE n < 10;
CREATE VIEW t.v_group_by_key AS SELECT id, v, count(*) FROM t.nasty_text GROUP BY id;
GRANT SELECT ON t.v_simple TO "читатель";
CREATE MATERIALIZED VIEW t.zz_matview_first AS SELECT a, count(*) AS n FROM t.no_key GROUP BY a;
CREATE UNIQUE INDEX ON t.zz_matview_first (a);
CREATE MATERIALIZED VIEW t.aa_matview_on_matview AS SELECT sum(n) AS n FROM t.zz_matview_first;
CREATE MATERIALIZED VIEW t.mm_matview_third AS SELECT n FROM t.aa_matview_on_matview;
CREATE MATERIALIZED VIEW t.matview_empty AS SELECT * FROM t.no_key WITH NO DATA;
ALTER MATERIALIZED VIEW t.matview_empty OWNER TO app;
CREATE RULE "rule ""r""" AS ON INSERT TO t.v_on_view DO INSTEAD INSERT INTO t.no_rows VALUES (1, 'x');
CREATE RULE notify_rule AS ON DELETE TO t.no_rows DO ALSO NOTIFY "Weird channel";
CREATE RULE off_rule AS ON UPDATE TO t.no_rows DO INSTEAD NOTHING;
ALTER TABLE t.no_rows DISABLE RULE off_rule;
CREATE TABLE t.triggered (id int PRIMARY KEY, v text);
INSERT INTO t.triggered SELECT g, 'untouched' FROM generate_series(1, 10) g;
CREATE TRIGGER a_enabled BEFORE INSERT OR UPDATE OF v ON t.triggered FOR EACH ROW WHEN (NEW.id > 0) EXECUTE PROCEDURE t.touch('arg''1', 'b\c');
CREATE TRIGGER b_disabled BEFORE INSERT ON t.triggered FOR EACH ROW EXECUTE PROCEDURE t.touch();
CREATE TRIGGER c_replica BEFORE INSERT ON t.triggered FOR EACH ROW EXECUTE PROCEDURE t.touch();
CREATE TRIGGER "d ""always""" BEFORE INSERT ON t.triggered FOR EACH ROW EXECUTE PROCEDURE t.touch();
CREATE CONSTRAINT TRIGGER e_constraint AFTER INSERT ON t.triggered DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE PROCEDURE t.touch();
CREATE TRIGGER f_transition AFTER UPDATE ON t.triggered REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE PROCEDURE t.touch();
ALTER TABLE t.triggered DISABLE TRIGGER b_disabled;
ALTER TABLE t.triggered ENABLE REPLICA TRIGGER c_replica;
ALTER TABLE t.triggered ENABLE ALWAYS TRIGGER "d ""always""";
CREATE TABLE t.secured (id int PRIMARY KEY, who text);
ALTER TABLE t.secured OWNER TO app;
INSERT INTO t.secured VALUES (1, 'app'), (2, 'читатель'), (3, 'nobody');
ALTER TABLE t.secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON t.secured USING (who = current_user) WITH CHECK (who = current_user);
CREATE POLICY "restr ""p""" ON t.secured AS RESTRICTIVE FOR SELECT TO "читатель", torture_group USING (id < 100);

-- ---- foreign data: nothing answers there, so nobody may read it ----
\if :has_fdw
CREATE SERVER nowhere TYPE 'odd' VERSION '1' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'no "such"');
CREATE USER MAPPING FOR app SERVER nowhere OPTIONS (user 'u', password 'p''w');
CREATE USER MAPPING FOR PUBLIC SERVER nowhere;
CREATE FOREIGN TABLE t.faraway (id int OPTIONS (column_name 'ID'), v text) SERVER nowhere OPTIONS (schema_name 'x', table_name 'y');
GRANT USAGE ON FOREIGN SERVER nowhere TO "читатель";
\endif
CREATE FOREIGN DATA WRAPPER no_handler OPTIONS (debug 'true');

-- ---- large objects ----
SELECT lo_from_bytea(7700001, decode(repeat('00ff10', 100000), 'hex')), lo_from_bytea(7700002, ''), lo_from_bytea(7700003, 'three'), lo_from_bytea(4000000000, 'high oid');
ALTER LARGE OBJECT 7700003 OWNER TO "we""ird Владелец";
GRANT SELECT, UPDATE ON LARGE OBJECT 7700003 TO "читатель";
COMMENT ON LARGE OBJECT 7700001 IS 'a large object';
CREATE TABLE t.holds_lo (id int, lo oid);
INSERT INTO t.holds_lo VALUES (1, 7700001), (2, 7700003);

-- ---- the old and the new ----
\if :v12
CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE t.other_method (a int) USING heap_too;
INSERT INTO t.other_method VALUES (1);
\else
CREATE TABLE t.with_oids (a int) WITH OIDS;
INSERT INTO t.with_oids VALUES (1);
\endif
\if :v15
CREATE VIEW t.v_invoker WITH (security_invoker) AS SELECT * FROM t.secured;
\endif
\if :v18
CREATE TABLE t.not_enforced (id int CHECK (id > 0) NOT ENFORCED, v int);
INSERT INTO t.not_enforced VALUES (-1, NULL);
ALTER TABLE t.not_enforced ADD CONSTRAINT v_there NOT NULL v NOT VALID;
\endif

-- ---- publications, event triggers: last, so that they do not meddle with the above ----
CREATE PUBLICATION "pub ""all""" FOR ALL TABLES WITH (publish = 'insert, update');
CREATE PUBLICATION pub_some FOR TABLE t.hen, t.animal;
\if :v15
CREATE PUBLICATION pub_filter FOR TABLE t.tree (id) WHERE (id > 2);
CREATE PUBLICATION pub_schema FOR TABLES IN SCHEMA empty_schema;
\endif
CREATE TABLE t.ddl_log (n serial, tag text);
CREATE FUNCTION t.log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t.ddl_log (tag) VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER "log ""ddl""" ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE INDEX') EXECUTE PROCEDURE t.log_ddl();
CREATE EVENT TRIGGER quiet ON sql_drop EXECUTE PROCEDURE t.log_ddl();
ALTER EVENT TRIGGER quiet DISABLE;

-- ---- hard: what pg_restore fails on, or what a plain restore loses ----
\if :hard
CREATE SCHEMA hard;
CREATE TABLE hard.rates (code text PRIMARY KEY, rate numeric);
INSERT INTO hard.rates VALUES ('a', 1), ('b', 2);
-- the restore runs with an empty search_path: this finds no table rates
CREATE FUNCTION hard.rate(text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN (SELECT rate FROM rates WHERE code = $1); END $$;
SET search_path = hard, public;
CREATE TABLE hard.prices (code text, CHECK (rate(code) > 0));
INSERT INTO hard.prices VALUES ('a'), ('b');
CREATE MATERIALIZED VIEW hard.priced AS SELECT code, rate(code) FROM prices;
-- a key that its rows violate, as a broken index or a disabled trigger leaves it
CREATE TABLE hard.parent (id int PRIMARY KEY);
CREATE TABLE hard.child (id int REFERENCES hard.parent);
SET session_replication_role = replica;
INSERT INTO hard.child VALUES (1);
SET session_replication_role = origin;
-- text of a regclass that is an index: indexes come after the rows
CREATE TABLE hard.index_ref (c regclass);
INSERT INTO hard.index_ref VALUES ('t.expr_ix');
-- a byte above 127 in "char": 14 and before write it raw, and text of it does not load
CREATE TABLE hard.high_char (c "char");
INSERT INTO hard.high_char VALUES ((-56)::int::"char");
\if :v12
\else
CREATE TABLE hard.old_types (a abstime, r reltime);
INSERT INTO hard.old_types VALUES ('2001-01-01', '1 day');
\endif
RESET search_path;
\endif
