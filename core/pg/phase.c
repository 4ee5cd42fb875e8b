#include "pg/phase.h"

#include <stdlib.h>
#include <string.h>

/* Each begins a comment; what was set before follows. */
static const char *const words[] = {
	[PHASE_OPENED] = "pgusher opens this database again; before: ",
	[PHASE_FENCED] = "pgusher fenced this database for a moment; before: ",
	[PHASE_CUT_OVER] = "pgusher cut over: another server is the primary; before: ",
	[PHASE_ROLLED_BACK] = "pgusher rolled back to this database; before: ",
};
static const char way_back[] = "pgusher: the way back of a cutover"; /* no word */
#define PHASES (sizeof words / sizeof *words)

enum phase phase_of_comment(const char *text)
{
	for (size_t i = PHASE_OPENED; i < PHASES; i++)
		if (text && str_starts(text, words[i]))
			return (enum phase)i;
	return PHASE_NONE;
}

enum phase phase_in(const struct facts *f, const char *publication)
{
	for (size_t i = 0; f && i < f->n_objects; i++)
		if (str_eq(f->objects[i].kind, "publication here") && str_eq(f->objects[i].name, publication))
			return phase_of_comment(f->objects[i].detail);
	return PHASE_NONE;
}

/* The line below it says what was taken over. */
static char *before_of(const char *text)
{
	return xstrndup(text, strcspn(text, "\n"));
}

enum err_code phase_read(struct session *s, const char *publication, struct phase_note *out, struct err *err)
{
	const char *params[] = {publication};
	PGresult *res;
	enum err_code rc = session_exec(s, "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = $1", 1, params, 0, &res, err);

	*out = (struct phase_note){.phase = PHASE_NONE};
	if (rc != ERR_OK)
		return rc;
	const char *text = PQntuples(res) ? cell(res, 0, 0) : "";
	enum phase phase = phase_of_comment(text);
	if (phase != PHASE_NONE)
		*out = (struct phase_note){.phase = phase, .before = before_of(text + strlen(words[phase]))};
	PQclear(res);
	return ERR_OK;
}

void phase_fini(struct phase_note *n)
{
	free(n->before);
	*n = (struct phase_note){0};
}

void phase_setting_sql(struct str *sql, const char *db, const char *value)
{
	str_add(sql, "ALTER DATABASE ");
	sql_ident(sql, db);
	if (!str_empty(value)) {
		str_add(sql, " SET default_transaction_read_only = ");
		sql_literal(sql, value);
	} else {
		str_add(sql, " RESET default_transaction_read_only");
	}
}

#define WAS "\nwas " /* a comment that somebody else had given it: it is given back */

/* Of one that somebody made by hand; NULL: none. Caller frees. */
static enum err_code own_comment(struct session *s, const struct migration *m, const struct link *l, char **own, struct err *err)
{
	const char *params[] = {l->publication};
	PGresult *res;

	*own = NULL;
	if (!m->sub.adopt || l->back)
		return ERR_OK;
	enum err_code rc = session_exec(s, "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = $1", 1, params, 0, &res, err);
	if (rc != ERR_OK)
		return rc;
	const char *text = PQntuples(res) ? cell(res, 0, 0) : "", *was = strstr(text, WAS);
	if (phase_of_comment(text) == PHASE_NONE)
		*own = *text ? xstrdup(text) : NULL;
	else
		*own = was ? xstrdup(was + strlen(WAS)) : NULL;
	PQclear(res);
	return ERR_OK;
}

/* text empty: none */
static void comment_sql(struct str *sql, const struct link *l, const char *text)
{
	str_add(sql, "COMMENT ON PUBLICATION ");
	sql_ident(sql, l->publication);
	str_add(sql, " IS ");
	if (*text)
		sql_literal(sql, text);
	else
		str_add(sql, "NULL");
}

static char *comment_text(const struct migration *m, const struct link *l, enum phase phase, const char *before, const char *own)
{
	struct str note = {0}, text = {0};

	adopted_note(m, &note);
	if (phase != PHASE_NONE)
		str_addf(&text, "%s%s%s%s%s", words[phase], before, str_text(&note), own ? WAS : "", own ? own : "");
	else if (l->back && note.len > 0) /* it goes on to say what it belongs to */
		str_addf(&text, "%s%s", way_back, str_text(&note));
	else if (own)
		str_add(&text, own);
	str_fini(&note);
	return str_take(&text);
}

void phase_way_back_sql(struct str *sql, const struct migration *m, const struct link *back)
{
	char *text = comment_text(m, back, PHASE_NONE, "", NULL);

	if (*text) {
		str_add(sql, "; ");
		comment_sql(sql, back, text);
	}
	free(text);
}

enum err_code phase_write(struct session *s, const struct migration *m, const struct link *l, enum phase phase, const char *before, struct err *err)
{
	char *own, *text;
	struct str sql = {0};
	struct err ignored;
	enum err_code rc = own_comment(s, m, l, &own, err);

	if (rc != ERR_OK)
		return rc;
	text = comment_text(m, l, phase, before, own);
	free(own);
	str_add(&sql, "BEGIN; ");
	phase_setting_sql(&sql, m->end[l->from].dbname, phase == PHASE_FENCED || phase == PHASE_CUT_OVER ? "on" : before);
	str_add(&sql, "; ");
	comment_sql(&sql, l, text);
	str_add(&sql, "; COMMIT");
	rc = session_run(s, str_text(&sql), err);
	if (rc != ERR_OK)
		(void)session_run(s, "ROLLBACK", &ignored);
	str_fini(&sql);
	free(text);
	return rc;
}

enum err_code phase_setting(struct session *s, char **value, struct err *err)
{
	enum err_code rc = session_value(s, "SELECT substr(c, strpos(c, '=') + 1) FROM pg_db_role_setting, unnest(setconfig) c WHERE setrole = 0"
		" AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c LIKE 'default_transaction_read_only=%'", value, err);

	if (rc == ERR_OK && !*value)
		*value = xstrdup("");
	return rc;
}
