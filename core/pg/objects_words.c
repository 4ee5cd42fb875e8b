/*
 * What differs in its words only: the target's server makes a view (or function, or rule) of its own of either side's words, and what it
 * then says of them is compared. One statement for all of them, in a transaction that is rolled back. Declared in objects.h.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "pg/objects.h"

/* In: [[about, words], ...]; out: an array of text, null where the server could not make it. A rule is made on a table like its own. */
static const char ask_sql[] =
	"DO $ask$ DECLARE q json; a text; w text; said text; out json[] := '{}'; BEGIN"
	"  BEGIN PERFORM set_config('session_replication_role', 'replica', true); EXCEPTION WHEN OTHERS THEN NULL; END;" /* event triggers are for others */
	"  FOR q IN SELECT json_array_elements(current_setting('pgusher.words')::json) LOOP"
	"    a := q ->> 0; w := q ->> 1; said := NULL;"
	"    BEGIN"
	"      IF a LIKE 'FUNCTION %' THEN"
	"        EXECUTE 'CREATE ' || replace(substr(a, 10), E'\\x1f', ' pg_temp.') || w;"
	"        SELECT pg_get_function_sqlbody(p.oid) INTO said FROM pg_proc p WHERE p.pronamespace = pg_my_temp_schema();"
	"      ELSIF a LIKE 'RULE %' THEN"
	"        EXECUTE 'CREATE TEMP TABLE pgusher_words AS SELECT * FROM ' || substr(a, 6) || ' WITH NO DATA';"
	"        EXECUTE replace(w, ' TO ' || substr(a, 6), ' TO pg_temp.pgusher_words');"
	"        SELECT pg_get_ruledef(r.oid) INTO said FROM pg_rewrite r WHERE r.ev_class = 'pg_temp.pgusher_words'::regclass;"
	"      ELSE"
	"        EXECUTE 'CREATE TEMP VIEW pgusher_words AS ' || CASE a WHEN 'VIEW' THEN w WHEN '' THEN 'SELECT (' || w || ') AS x' ELSE 'SELECT (' || w || ') AS x FROM ' || a END;"
	"        said := pg_get_viewdef('pg_temp.pgusher_words'::regclass);"
	"      END IF;"
	"      RAISE EXCEPTION USING ERRCODE = 'PGU00';"
	"    EXCEPTION WHEN OTHERS THEN"
	"      IF SQLSTATE <> 'PGU00' THEN said := NULL; END IF;" /* made, read, and undone: variables keep what they have */
	"    END;"
	"    out := out || to_json(said);"
	"  END LOOP;"
	"  PERFORM set_config('pgusher.words', array_to_json(out)::text, true);"
	" END $ask$";

/* One pair's expressions by side. */
struct split { struct strv exprs[2]; };

/* A definition with other expressions in the places of its own, which stand in it in their order. NULL: they do not. */
static char *with_words(const char *def, const struct strv *own, char *const *other)
{
	struct str s = {0};
	const char *p = def;

	for (size_t i = 0; i < own->n; i++) {
		const char *at = strstr(p, own->v[i]);
		if (!at) {
			str_fini(&s);
			return NULL;
		}
		str_addn(&s, p, (size_t)(at - p));
		str_add(&s, other[i]);
		p = at + strlen(own->v[i]);
	}
	str_add(&s, p);
	return str_take(&s);
}

/* Whether there is something to ask: as many expressions on both sides. */
static bool comparable(const struct object_words *w, struct split *s)
{
	if (!w->about)
		return false;
	for (int i = 0; i < 2; i++)
		strv_split(&s->exprs[i], w->exprs[i], "\x1f");
	return s->exprs[0].n > 0 && s->exprs[0].n == s->exprs[1].n;
}

static void put(json_t *all, const char *about, const char *words)
{
	size_t len = strlen(words);

	len -= len > 0 && words[len - 1] == ';'; /* of a view */
	json_t *pair = json_array();
	(void)json_array_append_new(pair, json_string(about));
	(void)json_array_append_new(pair, json_stringn(words, len));
	(void)json_array_append_new(all, pair);
}

static enum err_code run(struct session *dst, const char *questions, int timeout_ms, json_t **answers, struct err *err)
{
	const char *params[] = {questions};
	struct err ignored;
	PGresult *res = NULL;
	enum err_code rc = session_run(dst, "BEGIN", err);

	if (rc == ERR_OK)
		rc = session_exec(dst, "SELECT set_config('pgusher.words', $1, true)", 1, params, timeout_ms, NULL, err);
	if (rc == ERR_OK)
		rc = session_exec(dst, ask_sql, 0, NULL, timeout_ms, NULL, err);
	if (rc == ERR_OK)
		rc = session_exec(dst, "SELECT current_setting('pgusher.words')", 0, NULL, timeout_ms, &res, err);
	if (rc == ERR_OK)
		*answers = json_loads(cell(res, 0, 0), 0, NULL);
	PQclear(res);
	if (session_alive(dst) && session_run(dst, "ROLLBACK", &ignored) != ERR_OK && rc == ERR_OK)
		rc = (*err = ignored).code;
	return rc == ERR_SQL ? ERR_OK : rc; /* no plpgsql, no TEMP, a standby: it cannot say */
}

/* answers: from first on those of the source's n words, then of the target's; NULL: nobody was asked. What means the same is said in the source's words. */
static void judge(struct object_words *w, const struct split *s, const json_t *answers, size_t first)
{
	size_t n = s->exprs[0].n;
	char **said = xcalloc(n, sizeof *said);
	bool unsure = false;

	for (size_t i = 0; i < n; i++) {
		const char *a = json_string_value(json_array_get(answers, first + i)), *b = json_string_value(json_array_get(answers, first + n + i));
		bool words = strcmp(s->exprs[0].v[i], s->exprs[1].v[i]) == 0, known = words || (a && b);
		unsure |= !known;
		said[i] = !known || words || strcmp(a, b) == 0 ? s->exprs[0].v[i] : s->exprs[1].v[i];
	}
	w->worded = with_words(w->def[1], &s->exprs[1], said);
	if (w->worded && strcmp(w->def[0], w->worded) == 0)
		w->same = unsure ? OBJECT_UNSURE : OBJECT_SAME;
	free(said);
}

enum err_code objects_ask(struct session *dst, struct object_words *w, size_t n, bool may_ask, int timeout_ms, struct err *err)
{
	struct split *s = xcalloc(n + 1, sizeof *s);
	json_t *questions = json_array(), *answers = NULL;
	enum err_code rc = ERR_OK;
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		for (int side = 0, asked = comparable(&w[i], &s[i]); side < 2 && asked; side++)
			for (size_t k = 0; k < s[i].exprs[side].n; k++)
				put(questions, w[i].about, s[i].exprs[side].v[k]);
	if (may_ask && json_array_size(questions) > 0) {
		char *text = json_dumps(questions, JSON_COMPACT);
		rc = run(dst, text, timeout_ms, &answers, err);
		free(text);
	}
	for (size_t i = 0; i < n; i++) {
		if (s[i].exprs[0].n > 0 && s[i].exprs[0].n == s[i].exprs[1].n) {
			judge(&w[i], &s[i], answers, at);
			at += 2 * s[i].exprs[0].n;
		}
		strv_fini(&s[i].exprs[0]);
		strv_fini(&s[i].exprs[1]);
	}
	json_decref(questions);
	json_decref(answers);
	free(s);
	return rc;
}
