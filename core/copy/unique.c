/*
 * Primary keys and unique constraints of large tables: ADD CONSTRAINT locks its table against every other build while it sorts.
 * The index is built like any other, beside the others, and made the constraint afterwards, which reads nothing.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "copy/copy_in.h"

/* Behind the quote that closes the one at p. */
static const char *skip_quoted(const char *p)
{
	char q = *p++;

	for (; *p; p++) {
		if (p[0] == q && p[1] == q)
			p++;
		else if (*p == q)
			return p + 1;
	}
	return p;
}

/*
 * What pg_dump writes between the kind and the ';' of a constraint whose index is one by default: columns, INCLUDE, WITH. In
 * parentheses no keyword (WITHOUT OVERLAPS): names are in lower case or quoted.
 */
static bool usual(const char *p)
{
	int depth = 0;

	while (*p) {
		if (*p == '"' || *p == '\'') {
			p = skip_quoted(p);
			continue;
		}
		if (depth == 0 && (str_starts(p, " INCLUDE (") || str_starts(p, " WITH ("))) {
			p = strchr(p, '(');
			continue;
		}
		if (*p == ';' && depth == 0)
			return p[1] == '\0';
		if (isupper((unsigned char)*p) || (depth == 0 && *p != '('))
			return false;
		depth += (*p == '(') - (*p == ')');
		p++;
	}
	return false;
}

bool copy_split_key(const char *sql, const char *constraint, char **index, char **attach)
{
	static const char begins[] = "ALTER TABLE ONLY ", *const kinds[] = {"PRIMARY KEY", "UNIQUE"};
	struct str middle = {0}, name = {0};
	bool done = false;

	sql_ident(&name, constraint);
	for (int quoted = 0; quoted < 2 && !done; quoted++) { /* libpq quotes every name, pg_dump those that need it */
		str_clear(&middle);
		str_addf(&middle, "\n    ADD CONSTRAINT %s ", quoted ? str_text(&name) : constraint);
		const char *at = str_starts(sql, begins) ? strstr(sql, str_text(&middle)) : NULL;
		for (size_t k = 0; at && k < sizeof kinds / sizeof *kinds && !done; k++) {
			const char *what = at + strlen(str_text(&middle)), *cols = what + strlen(kinds[k]) + 1;
			if (!str_starts(what, kinds[k]) || cols[-1] != ' ' || *cols != '(' || !usual(cols))
				continue;
			int n = (int)(at - sql - (long)strlen(begins));
			const char *table = sql + strlen(begins);
			*index = xasprintf("CREATE UNIQUE INDEX %s ON %.*s USING btree %s", str_text(&name), n, table, cols);
			*attach = xasprintf("ALTER TABLE ONLY %.*s ADD CONSTRAINT %s %s USING INDEX %s;", n, table, str_text(&name), kinds[k], str_text(&name));
			done = true;
		}
	}
	str_fini(&middle);
	str_fini(&name);
	return done;
}

void copy_plan_unique(struct copy_job *j)
{
	for (size_t g = 0; g < j->n_groups && j->o.jobs > 1; g++) {
		const struct group *of = &j->groups[g];
		for (size_t k = 0; !of->small && of->n_entries > 1 && k < of->n_entries; k++) {
			struct post_entry *p = &j->post.v[of->entries[k]];
			if (p->kind == POST_CONSTRAINT && p->constraint)
				(void)copy_split_key(p->sql, p->constraint, &p->index_sql, &p->attach_sql);
		}
	}
}

static void set_state(struct copy_job *j, size_t e, enum entry_state state)
{
	(void)pthread_mutex_lock(&j->lock);
	j->state[e] = (unsigned char)state;
	(void)pthread_mutex_unlock(&j->lock);
}

enum err_code copy_build_unique(struct worker *w, size_t e, struct err *err)
{
	const struct post_entry *p = &w->job->post.v[e];
	enum err_code rc = copy_run_entry(w, p, p->index_sql, err);

	if (rc == ERR_OK)
		set_state(w->job, e, ENTRY_BUILT);
	return rc == ERR_SQL ? ERR_OK : rc; /* later, as pg_dump wrote it */
}

/* The answer to the statement may have been lost, and it is done. */
static bool is_key(struct worker *w, const struct post_entry *p)
{
	static const char sql[] = "SELECT 1 FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2 AND contype IN ('p', 'u')";
	struct str table = {0};
	struct err ignored;
	PGresult *res;
	bool yes = false;

	sql_qualified(&table, p->schema, p->table);
	const char *params[] = {str_text(&table), p->constraint};
	if (copy_ask(w, sql, 2, params, &res, &ignored) == ERR_OK) {
		yes = PQntuples(res) > 0;
		PQclear(res);
	}
	str_fini(&table);
	return yes;
}

enum err_code copy_clear_key(struct worker *w, const struct post_entry *p, struct err *err)
{
	struct str sql = {0};

	str_add(&sql, "DROP INDEX IF EXISTS ");
	sql_qualified(&sql, p->schema, p->constraint);
	enum err_code rc = copy_run(w, str_text(&sql), err);
	str_fini(&sql);
	return rc == ERR_SQL ? ERR_OK : rc;
}

/* One that cannot be is made later as pg_dump wrote it, which will say what is wrong. */
static enum err_code attach_one(struct worker *w, size_t e, struct err *err)
{
	const struct post_entry *p = &w->job->post.v[e];
	enum err_code rc = copy_run(w, p->attach_sql, err);

	if (rc == ERR_OK || (rc == ERR_SQL && is_key(w, p))) {
		copy_set_done(w->job, e);
		return ERR_OK;
	}
	if (rc == ERR_SQL)
		set_state(w->job, e, ENTRY_WAITS);
	return rc == ERR_SQL ? ERR_OK : rc;
}

enum err_code copy_attach_keys(struct worker *w, const struct group *g, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t k = 0; k < g->n_entries && rc == ERR_OK; k++)
		if (w->job->state[g->entries[k]] == ENTRY_BUILT)
			rc = attach_one(w, (size_t)g->entries[k], err);
	return rc;
}
