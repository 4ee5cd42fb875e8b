/*
 * The catalogue queries of objects.h: for each kind a SELECT of (name, definition, expressions, about). Lines of a definition stand for
 * themselves; the first line of a column is its type. In the text [[12+ ...]] is for servers from 12 on, [[12- ...]] for older ones,
 * [[b18+ ...]] for two sides that are both 18 or newer, [[w ...]] when the whole database counts and [[n ...]] when not, [[f ...]] with
 * OBJECTS_FILLED, [[o ...]] without OBJECTS_NO_OWNERS and [[x ...]] with it, [[src ...]] for the source, [[tables]] is the scope's condition.
 * about: "VIEW": the expression is a query; "FUNCTION ...", the head of a function whose body it is; "RULE ..."; else what stands behind
 * FROM where it is valid, "" for nothing. NULL: words are compared as they are.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pg/objects.h"

/* Not quote_ident: what it quotes depends on the major's keywords. */
#define Q(x) "(CASE WHEN " x " ~ '^[a-z_][a-z0-9_$]*$' THEN " x "::text ELSE '\"' || replace(" x "::text, '\"', '\"\"') || '\"' END)"
#define U(x) "pg_get_userbyid(" x ")::text"
#define OWNER(x) "CASE WHEN [[o true]][[x false]] THEN " U(x) " ELSE '' END"
#define LIST(x) "(SELECT string_agg(o, ', ' ORDER BY o COLLATE \"C\") FROM unnest(" x ") o)"
#define OPTIONS(x) "(SELECT string_agg(option_name || ' ' || quote_literal(option_value), ', ' ORDER BY option_name) FROM pg_options_to_table(" x "))"
#define OURS(class, oid) "NOT EXISTS (SELECT 1 FROM ext WHERE ext.classid = '" class "'::regclass AND ext.objid = " oid ")"
#define ROLES(x) "(SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE " U("r") " END, ', ' ORDER BY CASE r WHEN 0 THEN 'PUBLIC' ELSE " U("r") " END) FROM unnest(" x ") r)"
/* MAINTAIN is new in 17; our own role of a subscription goes with it */
#define ACL(acl, owner, cut)                                                                                                                  \
	"(SELECT coalesce(string_agg(w || ': ' || p, E'\\n' ORDER BY w COLLATE \"C\"), 'nobody may') FROM (SELECT w, string_agg(p, ', ' ORDER BY p COLLATE \"C\") AS p FROM"    \
	" (SELECT CASE grantee WHEN 0 THEN 'PUBLIC' WHEN " owner " THEN '(owner)' ELSE " U("grantee") " END AS w,"                               \
	" privilege_type || CASE WHEN bool_or(is_grantable) THEN ' with grant option' ELSE '' END AS p FROM aclexplode(" acl ")"                 \
	" WHERE (privilege_type <> 'MAINTAIN' OR [[b17+ true]][[b17- false]]) AND (grantee = 0 OR " U("grantee") " !~ '^pgusher_') GROUP BY grantee, privilege_type) a WHERE NOT (" cut " AND w = 'PUBLIC' AND p LIKE 'CREATE%') GROUP BY w) b)"

static const char scope_sql[] =
	"WITH ns AS (SELECT oid, nspname, nspowner, nspacl, " Q("nspname") " AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
	"  AND (cardinality($1::text[]) = 0 OR nspname = ANY ($1::text[])) AND nspname <> ALL ($2::text[])),"
	" ext AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),"
	" rel AS (SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.reloptions, c.relpersistence, c.reltoastrelid, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,"
	"   c.relispartition, c.relispopulated, c.reloftype, c.relam, c.relpartbound, c.reltype, ns.name || '.' || " Q("c.relname") " AS name"
	"  FROM pg_class c JOIN ns ON ns.oid = c.relnamespace WHERE c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')"
	"  AND " OURS("pg_class", "c.oid") " AND ($4::text IS NULL OR [[tables]])"
	"  AND NOT EXISTS (SELECT 1 FROM unnest($3::text[]) u(n) WHERE u.n = ns.name || '.' || " Q("c.relname") "))";

static const char *const kind_sql[OBJ_KINDS] = {
	[OBJ_SCHEMA] =
		"SELECT name, CASE WHEN nspname = 'public' AND (nspowner = 10 OR " U("nspowner") " = 'pg_database_owner') THEN 'owner as in a new database' ELSE 'owner ' || " OWNER("nspowner") " END,"
		" NULL, NULL FROM ns WHERE " OURS("pg_namespace", "ns.oid"),
	[OBJ_EXTENSION] =
		"SELECT " Q("extname") ", 'in schema ' || nspname, NULL, NULL FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname <> 'plpgsql' AND [[w true]][[n false]]",
	[OBJ_TYPE] =
		"SELECT ns.name || '.' || " Q("t.typname") ", CASE t.typtype WHEN 'e' THEN 'enum ' || (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)"
		"  WHEN 'd' THEN concat_ws(E'\\n', 'domain over ' || format_type(t.typbasetype, t.typtypmod), 'collate ' || (SELECT " Q("collname") " FROM pg_collation l, pg_type b WHERE l.oid = t.typcollation AND b.oid = t.typbasetype AND b.typcollation <> l.oid),"
		"   CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault, (SELECT string_agg(conname || ' ' || pg_get_constraintdef(k.oid), E'\\n' ORDER BY conname::text COLLATE \"C\") FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))"
		"  WHEN 'c' THEN 'composite' || coalesce((SELECT string_agg(E'\\n' || " Q("attname") " || ' ' || format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM pg_attribute a WHERE a.attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped), '')"
		"  WHEN 'r' THEN (SELECT concat_ws(E'\\n', 'range of ' || format_type(rngsubtype, NULL), 'operator class ' || (SELECT opcname FROM pg_opclass o WHERE o.oid = rngsubopc), 'canonical ' || nullif(rngcanonical, 0)::regproc,"
		"   'difference ' || nullif(rngsubdiff, 0)::regproc) FROM pg_range WHERE rngtypid = t.oid)"
		"  ELSE concat_ws(' ', 'base type', t.typlen, t.typinput, t.typoutput) END || E'\\nowner ' || " OWNER("t.typowner") ","
		" (SELECT string_agg(pg_get_expr(conbin, 0), E'\\x1f' ORDER BY conname::text COLLATE \"C\") FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'),"
		" CASE t.typtype WHEN 'd' THEN '(SELECT NULL::' || format_type(t.typbasetype, t.typtypmod) || ' AS value) v' END"
		" FROM pg_type t JOIN ns ON ns.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE " OURS("pg_type", "t.oid")
		" AND t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typrelid = 0 OR c.relkind = 'c') AND NOT EXISTS (SELECT 1 FROM pg_type e WHERE e.typarray = t.oid)",
	[OBJ_TABLE] =
		"SELECT rel.name, concat_ws(E'\\n', CASE relkind WHEN 'p' THEN 'partitioned table' WHEN 'f' THEN 'foreign table' ELSE 'table' END || CASE relpersistence WHEN 'u' THEN ', unlogged' ELSE '' END,"
		"  'owner ' || " OWNER("relowner") ", 'of type ' || format_type(nullif(reloftype, 0), NULL), CASE WHEN relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(rel.oid) END,"
		"  (SELECT string_agg(CASE WHEN rel.relispartition THEN 'partition of ' ELSE 'inherits ' END || pn.nspname || '.' || p.relname, E'\\n' ORDER BY i.inhseqno) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent"
		"   JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = rel.oid), pg_get_expr(relpartbound, rel.oid), 'with ' || " LIST("reloptions") ", 'toast with ' || (SELECT " LIST("x.reloptions") " FROM pg_class x WHERE x.oid = rel.reltoastrelid),"
		"  CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'row security for its owner too' END,"
		"  CASE relreplident WHEN 'f' THEN 'replica identity full' WHEN 'n' THEN 'replica identity nothing' WHEN 'i' THEN 'replica identity ' || (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = rel.oid AND i.indisreplident) END,"
		"  'clustered on ' || (SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = rel.oid AND i.indisclustered),"
		"[[12+   CASE WHEN relkind = 'r' THEN 'access method ' || (SELECT amname FROM pg_am WHERE pg_am.oid = relam AND amname <> 'heap') END,]]"
		"  (SELECT 'on server ' || srvname || coalesce(' ' || " OPTIONS("ftoptions") ", '') FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = rel.oid)), NULL, NULL"
		" FROM rel WHERE relkind IN ('r', 'p', 'f')",
	[OBJ_COLUMN] =
		"SELECT rel.name || '.' || " Q("a.attname") ", concat_ws(E'\\n', CASE WHEN relkind <> 'v' THEN format_type(atttypid, atttypmod) END, CASE WHEN attcollation <> t.typcollation THEN 'collate ' || (SELECT " Q("collname") " FROM pg_collation l WHERE l.oid = attcollation) END,"
		"  CASE WHEN attnotnull THEN 'not null' END, CASE attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,"
		"  [[12+ CASE attgenerated WHEN 's' THEN 'generated always stored as ' WHEN 'v' THEN 'generated always virtual as ' ELSE 'default ' END]][[12- 'default ']] || pg_get_expr(adbin, adrelid),"
		"  CASE WHEN attstorage <> typstorage THEN 'storage ' || attstorage::text END, [[b14+ CASE attcompression WHEN 'p' THEN 'compression pglz' WHEN 'l' THEN 'compression lz4' END,]]"
		"  'statistics ' || nullif(attstattarget, -1), 'with ' || " LIST("attoptions") ", 'options ' || " OPTIONS("attfdwoptions") "),"
		" pg_get_expr(adbin, adrelid), CASE WHEN [[12+ attgenerated <> '']][[12- false]] THEN 'ONLY ' || a.attrelid::regclass::text ELSE '' END"
		" FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid AND attnum > 0 AND NOT attisdropped JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = rel.oid AND d.adnum = a.attnum"
		" WHERE relkind IN ('r', 'p', 'f') OR relkind = 'v' AND d.oid IS NOT NULL",
	[OBJ_CONSTRAINT] = /* what comes with the parent's is not said again; a key to a table that was left out cannot be there */
		"SELECT rel.name || '.' || " Q("conname") ", pg_get_constraintdef(k.oid) || CASE WHEN contype IN ('p', 'u', 'x') AND NOT convalidated THEN ' (not valid)' ELSE '' END, CASE contype WHEN 'c' THEN pg_get_expr(conbin, conrelid) END, 'ONLY ' || conrelid::regclass::text"
		" FROM rel JOIN pg_constraint k ON k.conrelid = rel.oid WHERE contype IN ('c', 'f', 'p', 'u', 'x'[[b18+ , 'n']]) AND (contype NOT IN ('c', 'n') OR coninhcount = 0) AND (contype <> 'f' OR $4::text IS NOT NULL OR confrelid IN (SELECT oid FROM rel))[[11+  AND conparentid = 0]]",
	[OBJ_INDEX] = /* of a constraint: it is that. An invalid one is in no dump (a partitioned one may be, as long as a partition lacks it) */
		"SELECT rel.name || ': ' || " Q("x.relname") ", pg_get_indexdef(x.oid) || CASE WHEN NOT indisvalid THEN ' (invalid)' ELSE '' END || coalesce((SELECT E'\\nstatistics ' || string_agg(attnum || ': ' || attstattarget, ', ' ORDER BY attnum) FROM pg_attribute a WHERE a.attrelid = x.oid AND attstattarget > 0), ''),"
		" CASE WHEN indexprs IS NOT NULL OR indpred IS NOT NULL THEN concat_ws(E'\\x1f', (SELECT string_agg(pg_get_indexdef(x.oid, i::int, false), E'\\x1f' ORDER BY i) FROM unnest(indkey::int2[]) WITH ORDINALITY u(col, i) WHERE col = 0), pg_get_expr(indpred, indrelid)) END, 'ONLY ' || indrelid::regclass::text"
		" FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = rel.oid AND k.conindid = x.oid AND k.contype IN ('p', 'u', 'x'))[[src  AND (indisvalid OR x.relkind = 'I')]]",
	[OBJ_STATISTICS] =
		"SELECT ns.name || '.' || " Q("stxname") ", pg_get_statisticsobjdef(s.oid) || E'\\nowner ' || " OWNER("stxowner") "[[b13+  || coalesce(E'\\ntarget ' || nullif(stxstattarget, -1), '')]], NULL, NULL"
		" FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace JOIN rel ON rel.oid = s.stxrelid WHERE " OURS("pg_statistic_ext", "s.oid"),
	[OBJ_SEQUENCE] =
		"SELECT rel.name, concat_ws(E'\\n', format_type(seqtypid, NULL) || CASE relpersistence WHEN 'u' THEN ', unlogged' ELSE '' END, 'start ' || seqstart || ', increment ' || seqincrement || ', from ' || seqmin || ' to ' || seqmax || ', cache ' || seqcache || CASE WHEN seqcycle THEN ', cycle' ELSE '' END,"
		"  'owner ' || " OWNER("relowner") ", (SELECT CASE d.deptype WHEN 'i' THEN 'identity of ' ELSE 'owned by ' END || n.nspname || '.' || c.relname || '.' || a.attname FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace"
		"   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1)), NULL, NULL"
		" FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid WHERE NOT EXISTS (SELECT 1 FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN unnest($3::text[]) u(n) ON u.n = " Q("n.nspname") " || '.' || " Q("c.relname")
		"  WHERE d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))",
	[OBJ_VIEW] =
		"SELECT name, concat_ws(E'\\n', pg_get_viewdef(oid), 'with ' || " LIST("reloptions") ", 'owner ' || " OWNER("relowner") "), pg_get_viewdef(oid), 'VIEW' FROM rel WHERE relkind = 'v'",
	[OBJ_MATVIEW] =
		"SELECT name, concat_ws(E'\\n', pg_get_viewdef(oid), 'with ' || " LIST("reloptions") ", 'owner ' || " OWNER("relowner") "[[f , CASE WHEN NOT relispopulated THEN 'not filled' END]]), pg_get_viewdef(oid), 'VIEW' FROM rel WHERE relkind = 'm'",
	[OBJ_FUNCTION] =
		"SELECT ns.name || '.' || " Q("proname") " || '(' || coalesce((SELECT string_agg(format_type(y, NULL), ', ' ORDER BY i) FROM unnest(proargtypes::oid[]) WITH ORDINALITY u(y, i)), '') || ')',"
		" concat_ws(E'\\n', [[11+ CASE prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window function' ELSE 'function' END]][[11- CASE WHEN proisagg THEN 'aggregate' WHEN proiswindow THEN 'window function' ELSE 'function' END]],"
		"  'arguments ' || array_to_string(proargnames, ',', '-'), 'modes ' || array_to_string(proargmodes, ','), 'all types ' || (SELECT string_agg(format_type(y, NULL), ', ' ORDER BY i) FROM unnest(proallargtypes) WITH ORDINALITY u(y, i)),"
		"  'defaults ' || pg_get_expr(proargdefaults, 0), CASE WHEN [[11+ prokind <> 'p']][[11- true]] THEN 'returns ' || CASE WHEN proretset THEN 'set of ' ELSE '' END || format_type(prorettype, NULL) END,"
		"  'language ' || l.lanname, CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END, CASE WHEN proisstrict THEN 'strict' END, CASE WHEN prosecdef THEN 'security definer' END, CASE WHEN proleakproof THEN 'leakproof' END,"
		"  CASE proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' END, 'cost ' || procost, 'rows ' || nullif(prorows, 0), 'set ' || array_to_string(proconfig, ', '), 'transform ' || array_to_string(protrftypes::regtype[], ', '),"
		"  [[12+ 'support ' || nullif(prosupport, 0)::regproc,]] 'owner ' || " OWNER("proowner") ", 'file ' || probin,"
		"  (SELECT concat_ws(' ', 'kind', aggkind, 'state', format_type(aggtranstype, NULL), aggtransfn, 'final', aggfinalfn, aggfinalextra[[b11+ , aggfinalmodify]], 'combine', aggcombinefn, aggserialfn, aggdeserialfn, 'moving', aggmtransfn, aggminvtransfn, aggmfinalfn,"
		"   'sort', nullif(aggsortop, 0)::regoperator, 'initial', quote_nullable(agginitval)) FROM pg_aggregate g WHERE g.aggfnoid = p.oid), 'body ' || CASE WHEN [[14+ p.prosqlbody IS NULL]][[14- true]] THEN prosrc END[[14+ , pg_get_function_sqlbody(p.oid)]]),"
		" [[14+ pg_get_function_sqlbody(p.oid), CASE WHEN p.prosqlbody IS NOT NULL THEN 'FUNCTION ' || CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END || E'\\x1f' || quote_ident(proname) || '(' || pg_get_function_arguments(p.oid) || ')' || CASE prokind WHEN 'p' THEN '' ELSE ' RETURNS ' || pg_get_function_result(p.oid) END || ' LANGUAGE sql ' END]][[14- NULL, NULL]]"
		" FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang WHERE " OURS("pg_proc", "p.oid")
		/* what a range makes for itself */
		" AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')",
	[OBJ_TRIGGER] = /* of a partition: it is the parent's; internal before 15, too */
		"SELECT rel.name || '.' || " Q("tgname") ", replace(pg_get_triggerdef(g.oid), ' EXECUTE PROCEDURE ', ' EXECUTE FUNCTION ') || CASE tgenabled WHEN 'D' THEN E'\\ndisabled' WHEN 'R' THEN E'\\nenabled for replicas only' WHEN 'A' THEN E'\\nenabled always' ELSE '' END,"
		" CASE WHEN tgqual IS NOT NULL THEN substring(pg_get_triggerdef(g.oid) FROM ' WHEN \\((.*)\\) EXECUTE (?:FUNCTION|PROCEDURE) ') END, tgrelid::regclass::text || ' AS old, ' || tgrelid::regclass::text || ' AS new'"
		" FROM rel JOIN pg_trigger g ON g.tgrelid = rel.oid WHERE NOT tgisinternal[[13+  AND tgparentid = 0]]",
	[OBJ_RULE] =
		"SELECT rel.name || '.' || " Q("rulename") ", pg_get_ruledef(r.oid) || CASE ev_enabled WHEN 'D' THEN E'\\ndisabled' WHEN 'R' THEN E'\\nenabled for replicas only' WHEN 'A' THEN E'\\nenabled always' ELSE '' END,"
		" pg_get_ruledef(r.oid), 'RULE ' || ev_class::regclass::text FROM rel JOIN pg_rewrite r ON r.ev_class = rel.oid WHERE rulename <> '_RETURN'",
	[OBJ_POLICY] =
		"SELECT rel.name || '.' || " Q("polname") ", concat_ws(E'\\n', CASE WHEN polpermissive THEN 'permissive' ELSE 'restrictive' END || CASE polcmd WHEN 'r' THEN ' for select' WHEN 'a' THEN ' for insert' WHEN 'w' THEN ' for update' WHEN 'd' THEN ' for delete' ELSE '' END,"
		"  'to ' || " ROLES("polroles") ", 'using ' || pg_get_expr(polqual, polrelid), 'with check ' || pg_get_expr(polwithcheck, polrelid)), concat_ws(E'\\x1f', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), 'ONLY ' || polrelid::regclass::text"
		" FROM rel JOIN pg_policy p ON p.polrelid = rel.oid",
	[OBJ_EVENT_TRIGGER] =
		"SELECT " Q("evtname") ", concat_ws(E'\\n', 'on ' || evtevent, 'tags ' || " LIST("evttags") ", 'calls ' || evtfoid::regproc, 'owner ' || " OWNER("evtowner") ", CASE evtenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'enabled for replicas only' WHEN 'A' THEN 'enabled always' END), NULL, NULL"
		" FROM pg_event_trigger e WHERE [[w true]][[n false]] AND " OURS("pg_event_trigger", "e.oid"),
	[OBJ_OTHER] =
		"SELECT 'operator ' || ns.name || '.' || oprname || '(' || coalesce(format_type(nullif(oprleft, 0), NULL), 'none') || ', ' || coalesce(format_type(nullif(oprright, 0), NULL), 'none') || ')', concat_ws(' ', 'calls', oprcode, 'owner', " OWNER("oprowner") "), NULL::text, NULL::text"
		"  FROM pg_operator o JOIN ns ON ns.oid = o.oprnamespace WHERE oprcode <> 0 AND " OURS("pg_operator", "o.oid")
		" UNION ALL SELECT 'operator class ' || ns.name || '.' || " Q("opcname") " || ' of ' || amname, 'for ' || format_type(opcintype, NULL) || CASE WHEN opcdefault THEN ' by default' ELSE '' END || ', owner ' || " OWNER("opcowner") ", NULL, NULL"
		"  FROM pg_opclass o JOIN ns ON ns.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod WHERE " OURS("pg_opclass", "o.oid")
		" UNION ALL SELECT 'operator family ' || ns.name || '.' || " Q("opfname") " || ' of ' || amname, 'owner ' || " OWNER("opfowner") ", NULL, NULL FROM pg_opfamily o JOIN ns ON ns.oid = o.opfnamespace JOIN pg_am m ON m.oid = o.opfmethod WHERE " OURS("pg_opfamily", "o.oid")
		" UNION ALL SELECT 'collation ' || ns.name || '.' || " Q("collname") ", concat_ws(' ', 'provider', collprovider[[12+ , CASE WHEN NOT collisdeterministic THEN 'not deterministic' END]], 'owner', " OWNER("collowner") "), NULL, NULL FROM pg_collation c JOIN ns ON ns.oid = c.collnamespace WHERE " OURS("pg_collation", "c.oid")
		" UNION ALL SELECT 'conversion ' || ns.name || '.' || " Q("conname") ", concat_ws(' ', 'from', pg_encoding_to_char(conforencoding), 'to', pg_encoding_to_char(contoencoding), 'calls', conproc, 'owner', " OWNER("conowner") "), NULL, NULL FROM pg_conversion c JOIN ns ON ns.oid = c.connamespace WHERE " OURS("pg_conversion", "c.oid")
		" UNION ALL SELECT 'text search dictionary ' || ns.name || '.' || " Q("dictname") ", concat_ws(' ', 'template', t.tmplname, 'options', dictinitoption, 'owner', " OWNER("dictowner") "), NULL, NULL FROM pg_ts_dict d JOIN ns ON ns.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate WHERE " OURS("pg_ts_dict", "d.oid")
		" UNION ALL SELECT 'text search configuration ' || ns.name || '.' || " Q("cfgname") ", concat_ws(' ', 'parser', p.prsname, 'maps', (SELECT string_agg(maptokentype || '/' || mapseqno || ' ' || mapdict::regdictionary, ', ' ORDER BY maptokentype, mapseqno) FROM pg_ts_config_map WHERE mapcfg = c.oid), 'owner', " OWNER("cfgowner") "), NULL, NULL"
		"  FROM pg_ts_config c JOIN ns ON ns.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser WHERE " OURS("pg_ts_config", "c.oid")
		"[[w  UNION ALL SELECT 'cast from ' || format_type(castsource, NULL) || ' to ' || format_type(casttarget, NULL), concat_ws(' ', 'context', castcontext, 'method', castmethod, nullif(castfunc, 0)::regprocedure), NULL, NULL FROM pg_cast c WHERE oid >= 16384 AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'i') AND " OURS("pg_cast", "c.oid")
		" UNION ALL SELECT 'foreign data wrapper ' || " Q("fdwname") ", concat_ws(' ', 'handler', nullif(fdwhandler, 0)::regproc, 'validator', nullif(fdwvalidator, 0)::regproc, " OPTIONS("fdwoptions") ", 'owner', " OWNER("fdwowner") "), NULL, NULL FROM pg_foreign_data_wrapper f WHERE " OURS("pg_foreign_data_wrapper", "f.oid")
		" UNION ALL SELECT 'server ' || " Q("srvname") ", concat_ws(' ', 'wrapper', fdwname, 'type', srvtype, 'version', srvversion, " OPTIONS("srvoptions") ", 'owner', " OWNER("srvowner") "), NULL, NULL FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw WHERE " OURS("pg_foreign_server", "s.oid")
		" UNION ALL SELECT 'user mapping of ' || usename || ' on ' || srvname, 'mapped', NULL, NULL FROM pg_user_mappings"
		" UNION ALL SELECT 'language ' || " Q("lanname") ", concat_ws(' ', 'handler', nullif(lanplcallfoid, 0)::regproc, CASE WHEN lanpltrusted THEN 'trusted' END, 'owner', " OWNER("lanowner") "), NULL, NULL FROM pg_language l WHERE oid >= 16384 AND " OURS("pg_language", "l.oid")
		" UNION ALL SELECT 'access method ' || " Q("amname") ", concat_ws(' ', amtype, 'handler', amhandler), NULL, NULL FROM pg_am a WHERE oid >= 16384 AND " OURS("pg_am", "a.oid") "]]",
	[OBJ_GRANT] = /* what is as it would be without a word is not there; the owner has other names in other places */
		"SELECT what, now, NULL, NULL FROM (SELECT CASE relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'table ' END || name AS what, relacl AS acl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END AS t, relowner AS owner, false AS cut FROM rel WHERE relacl IS NOT NULL"
		"  UNION ALL SELECT 'column ' || name || '.' || " Q("attname") ", attacl, 'c', relowner, false FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid WHERE attacl IS NOT NULL AND attnum > 0 AND NOT attisdropped"
		"  UNION ALL SELECT 'schema ' || name, nspacl, 'n', nspowner, nspname = 'public' AND [[b15+ false]][[b15- true]] FROM ns WHERE nspacl IS NOT NULL"
		"  UNION ALL SELECT 'function ' || ns.name || '.' || " Q("proname") " || '(' || coalesce((SELECT string_agg(format_type(y, NULL), ', ' ORDER BY i) FROM unnest(proargtypes::oid[]) WITH ORDINALITY u(y, i)), '') || ')', proacl, 'f', proowner, false FROM pg_proc p JOIN ns ON ns.oid = pronamespace WHERE proacl IS NOT NULL AND " OURS("pg_proc", "p.oid")
		"  UNION ALL SELECT 'type ' || ns.name || '.' || " Q("typname") ", typacl, 'T', typowner, false FROM pg_type t JOIN ns ON ns.oid = typnamespace WHERE typacl IS NOT NULL AND " OURS("pg_type", "t.oid")
		"[[w   UNION ALL SELECT 'server ' || " Q("srvname") ", srvacl, 'S', srvowner, false FROM pg_foreign_server s WHERE srvacl IS NOT NULL"
		"  UNION ALL SELECT 'foreign data wrapper ' || " Q("fdwname") ", fdwacl, 'F', fdwowner, false FROM pg_foreign_data_wrapper f WHERE fdwacl IS NOT NULL AND " OURS("pg_foreign_data_wrapper", "f.oid")
		"  UNION ALL SELECT 'language ' || " Q("lanname") ", lanacl, 'l', lanowner, false FROM pg_language WHERE lanacl IS NOT NULL]]) g,"
		" LATERAL (SELECT " ACL("acl", "owner", "cut") " AS now, " ACL("acldefault(t::\"char\", owner)", "owner", "cut") " AS usual) l WHERE now IS DISTINCT FROM usual"
		" UNION ALL SELECT 'default of ' || " U("defaclrole") " || coalesce(' in schema ' || (SELECT name FROM ns WHERE ns.oid = defaclnamespace), '') || ' for ' || CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END,"
		" " ACL("defaclacl", "defaclrole", "false") ", NULL, NULL FROM pg_default_acl WHERE defaclnamespace IN (SELECT oid FROM ns) OR defaclnamespace = 0 AND [[w true]][[n false]]",
	[OBJ_COMMENT] =
		"SELECT i.type || ' ' || i.identity, description, NULL, NULL FROM pg_description d, LATERAL pg_identify_object(classoid, objoid, objsubid) i WHERE objoid >= 16384 AND NOT EXISTS (SELECT 1 FROM ext WHERE ext.classid = d.classoid AND ext.objid = d.objoid)"
		" AND coalesce(i.schema, '') !~ '^pg_' AND classoid NOT IN ('pg_publication'::regclass, 'pg_subscription'::regclass, 'pg_largeobject'::regclass, 'pg_extension'::regclass)"
		" [[n AND (classoid = 'pg_class'::regclass AND objoid IN (SELECT oid FROM rel) OR classoid = 'pg_proc'::regclass AND objoid IN (SELECT p.oid FROM pg_proc p JOIN ns ON ns.oid = pronamespace) OR classoid = 'pg_namespace'::regclass AND objoid IN (SELECT oid FROM ns))]]",
};

/* ---- putting it together ---- */

struct making { int version, both; bool source, whole, filled, owners; const char *tables; };

/* [[12+ text]]: whether the text is for this statement. */
static bool is_for(const struct making *m, const char *mark, size_t len)
{
	size_t digits = *mark == 'b';
	int major = 0;

	if (strncmp(mark, "src", len) == 0 && len == 3)
		return m->source;
	if (len == 1)
		return *mark == 'w' ? m->whole : *mark == 'n' ? !m->whole : *mark == 'o' ? m->owners : *mark == 'x' ? !m->owners : *mark == 'f' && m->filled;
	for (size_t i = digits; i < len && isdigit((unsigned char)mark[i]); i++)
		major = major * 10 + mark[i] - '0';
	return ((*mark == 'b' ? m->both : m->version) / 10000 >= major) == (mark[len - 1] == '+');
}

/* Marks do not stand in each other, but for those of "w": a text that is kept is looked through again. */
static void expand(struct str *out, const char *sql, const struct making *m)
{
	const char *p = sql, *from;

	while ((from = strstr(p, "[[")) != NULL) {
		const char *end = from + 2;
		for (int depth = 1; *end && depth > 0; end++)
			if (strncmp(end, "[[", 2) == 0 || strncmp(end, "]]", 2) == 0)
				depth += *end++ == '[' ? 1 : -1;
		size_t mark = strcspn(from + 2, " ]");
		str_addn(out, p, (size_t)(from - p));
		if (strncmp(from, "[[tables", 8) == 0) {
			str_add(out, m->tables ? m->tables : "true");
		} else if (is_for(m, from + 2, mark)) {
			char *inner = xstrndup(from + 3 + mark, (size_t)(end - from) - 5 - mark);
			expand(out, inner, m);
			free(inner);
		}
		p = end;
	}
	str_add(out, p);
}

char *objects_sql(enum object_phase phase, enum side side, const int version[2], const struct object_scope *scope, unsigned kinds, unsigned flags)
{
	struct making m = {.version = version[side], .both = version[0] < version[1] ? version[0] : version[1], .source = side == SIDE_SOURCE,
			   .whole = !scope->tables && str_eq(scope->schemas, "{}") && str_eq(scope->without, "{}"), .filled = (flags & OBJECTS_FILLED) != 0, .owners = !(flags & OBJECTS_NO_OWNERS), .tables = scope->tables};
	struct str s = {0};
	bool first = true;

	expand(&s, scope_sql, &m);
	str_add(&s, ", o(kind, name, def, exprs, about) AS (");
	for (int k = 0; k < OBJ_KINDS; k++) {
		if (!(kinds & 1U << k))
			continue;
		str_addf(&s, "%sSELECT %d, x.* FROM (", first ? "" : " UNION ALL ", k);
		expand(&s, kind_sql[k], &m);
		str_add(&s, ") x(name, def, exprs, about)");
		first = false;
	}
	str_add(&s, ") ");
	if (phase == OBJ_SUMS)
		str_add(&s, "SELECT kind, count(*), sum(('x' || substr(md5(concat(name, E'\\x1f', def)), 1, 16))::bit(64)::int8) FROM o GROUP BY kind ORDER BY kind");
	else if (phase == OBJ_HASHES)
		str_add(&s, "SELECT kind, name, md5(def) FROM o ORDER BY kind, name COLLATE \"C\"");
	else
		str_add(&s, "SELECT kind, name, def, exprs, about FROM o WHERE kind || ' ' || name = ANY ($5::text[]) ORDER BY kind, name COLLATE \"C\"");
	return str_take(&s);
}
