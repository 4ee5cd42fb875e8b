#include "copy/post.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- words of SQL ---- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Behind the quote that closes the one at p, or the end of the text. */
static const char *skip_quoted(const char *p, bool backslash)
{
	char q = *p++;

	for (; *p; p++) {
		if ((backslash && *p == '\\' && p[1]) || (*p == q && p[1] == q))
			p++;
		else if (*p == q)
			return p + 1;
	}
	return p;
}

/* $tag$ ... $tag$: behind it; p itself when this is no such thing. */
static const char *skip_dollar(const char *p)
{
	const char *end = p + 1;

	while (*end && *end != '$' && is_word(*end))
		end++;
	if (*end != '$' || isdigit((unsigned char)p[1]))
		return p;
	size_t n = (size_t)(end + 1 - p);
	char *tag = xstrndup(p, n);
	const char *close = strstr(end + 1, tag);
	free(tag);
	return close ? close + n : end + 1 + strlen(end + 1);
}

static bool word_at(const char *p, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(p, word, n) == 0;
}

/*
 * A word of a statement, from p, n long: how much deeper we are behind it. Only a function's BEGIN ATOMIC opens a body;
 * in it every CASE has an END, too.
 */
static int word_depth(const char *p, size_t n, bool in_body)
{
	if (word_at(p, n, "BEGIN")) {
		const char *q = p + n + strspn(p + n, " \t\r\n");
		return strncasecmp(q, "ATOMIC", 6) == 0 && !is_word(q[6]);
	}
	return in_body ? word_at(p, n, "CASE") - word_at(p, n, "END") : 0;
}

/* Behind the ';' that ends the statement at p. A rule's actions have ';' of their own, in parentheses. *whole: it was there. */
static const char *statement_end(const char *start, bool *whole)
{
	int depth = 0, body = 0;

	*whole = true;
	for (const char *p = start; *p;) {
		bool inside = p > start && is_word(p[-1]);
		if (*p == '\'' || *p == '"') {
			p = skip_quoted(p, false);
		} else if (*p == '$' && !inside && skip_dollar(p) != p) {
			p = skip_dollar(p);
		} else if (p[0] == '-' && p[1] == '-') {
			p += strcspn(p, "\n");
		} else if (!inside && is_word(*p)) {
			size_t n = 1;
			while (is_word(p[n]))
				n++;
			body += word_depth(p, n, body > 0);
			p += n;
			if (*p == '\'' && n == 1 && (p[-1] == 'E' || p[-1] == 'e'))
				p = skip_quoted(p, true);
		} else {
			depth += (*p == '(') - (*p == ')');
			if (*p++ == ';' && depth <= 0 && body <= 0)
				return p;
		}
	}
	*whole = false;
	return start + strlen(start);
}

/* The next word, identifier (unquoted) or single character; *p moves behind it. Caller frees; "" at the end. */
static char *next_token(const char **p)
{
	struct str s = {0};

	while (isspace((unsigned char)**p))
		(*p)++;
	if (**p == '"') {
		const char *end = skip_quoted(*p, false);
		for (const char *c = *p + 1; c < end - 1; c++) {
			str_addc(&s, *c);
			c += *c == '"';
		}
		*p = end;
	} else if (is_word(**p)) {
		while (is_word(**p))
			str_addc(&s, *(*p)++);
	} else if (**p) {
		str_addc(&s, *(*p)++);
	}
	return str_take(&s);
}

/* The token is this word? Then *p moves behind it. */
static bool take_word(const char **p, const char *word)
{
	const char *q = *p;
	char *t = next_token(&q);
	bool same = str_eq(t, word);

	free(t);
	if (same)
		*p = q;
	return same;
}

/* schema.name */
static bool take_qualified(const char **p, char **schema, char **name)
{
	*schema = next_token(p);
	if (take_word(p, ".")) {
		*name = next_token(p);
		return true;
	}
	free(*schema);
	*schema = NULL;
	return false;
}

/* ---- entries ---- */

struct reader {
	struct post_list *out;
	struct post_entry *open; /* statements go there; NULL: none yet */
	struct str sql;
	char *tablespace, *method; /* the SET in force; NULL: never set */
	int statements;
};

/* "-- Name: N; Type: T; Schema: S; Owner: O": from behind, because names may hold anything. */
static char *header_part(const char *line, size_t n, const char *from, const char *to)
{
	char *text = xstrndup(line, n), *a = NULL, *part = NULL;

	for (char *p = text; (p = strstr(p, from)) != NULL; p++)
		a = p;
	if (a) {
		a += strlen(from);
		char *b = strstr(a, to);
		part = b ? xstrndup(a, (size_t)(b - a)) : NULL;
	}
	free(text);
	return part;
}

/* FOREIGN KEY (...) REFERENCES schema.table */
static void find_referenced(struct post_entry *e, const char *p)
{
	while (*p) {
		if (take_word(&p, "REFERENCES")) {
			(void)take_qualified(&p, &e->to_schema, &e->to_table);
			return;
		}
		free(next_token(&p));
	}
}

/* What kind an entry is, from its type and its first statement; fills table and constraint. */
static void classify_table_entry(struct post_entry *e, int statements)
{
	const char *p = e->sql;
	bool index = str_eq(e->type, "INDEX");

	e->kind = POST_SERIAL;
	if (index) {
		if (!take_word(&p, "CREATE"))
			return;
		(void)take_word(&p, "UNIQUE");
		if (!take_word(&p, "INDEX"))
			return;
		free(next_token(&p));
		if (!take_word(&p, "ON") || take_word(&p, "ONLY")) /* ONLY: of a partitioned table, costs nothing */
			return;
	} else {
		if (!take_word(&p, "ALTER") || !take_word(&p, "TABLE"))
			return;
		(void)take_word(&p, "ONLY");
	}
	if (!take_qualified(&p, &e->schema, &e->table))
		return;
	if (!index) {
		if (!take_word(&p, "ADD") || !take_word(&p, "CONSTRAINT"))
			return;
		e->constraint = next_token(&p);
	}
	if (str_eq(e->type, "FK CONSTRAINT")) {
		e->kind = POST_FK;
		find_referenced(e, p);
		e->as_is = str_ends(e->sql, "NOT VALID;") || strstr(e->sql, "NOT ENFORCED") != NULL || statements > 1;
	} else {
		/* two builds that both want to alter the table afterwards would wait for each other */
		e->kind = index && statements == 1 ? POST_INDEX : POST_CONSTRAINT;
	}
}

/* The sections themselves are not in plain SQL, but everything of the one stands before everything of the other. */
static bool behind_rows(const char *type)
{
	static const char *const types[] = {"INDEX", "INDEX ATTACH", "CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "STATISTICS", "RULE",
					    "TRIGGER", "EVENT TRIGGER", "POLICY", "ROW SECURITY", "DEFAULT ACL", "PUBLICATION",
					    "SUBSCRIPTION", "MATERIALIZED VIEW DATA", "NOT NULL CONSTRAINT", "STATISTICS DATA", NULL};

	for (size_t i = 0; types[i]; i++)
		if (str_eq(types[i], type))
			return true;
	return false;
}

/* Tables that inherit lock their parents: those are made in the dump's order. */
static bool beside_others(const struct post_entry *e)
{
	if (str_eq(e->type, "TABLE"))
		return !strstr(e->sql, "\nINHERITS (");
	return str_eq(e->type, "COMMENT") || str_eq(e->type, "SEQUENCE") || str_eq(e->type, "SEQUENCE OWNED BY") || str_eq(e->type, "DEFAULT");
}

static void entry_close(struct reader *r)
{
	struct post_entry *e = r->open;

	if (!e)
		return;
	r->open = NULL;
	if (r->statements == 0) {
		free(e->type);
		free(e->name);
		r->out->n--;
		str_clear(&r->sql);
		return;
	}
	e->sql = str_take(&r->sql);
	if (r->out->n - 1 < r->out->rows)
		e->kind = beside_others(e) ? POST_TABLE : POST_SERIAL;
	else if (str_eq(e->type, "INDEX") || str_eq(e->type, "CONSTRAINT") || str_eq(e->type, "FK CONSTRAINT"))
		classify_table_entry(e, r->statements);
	else if (str_eq(e->type, "MATERIALIZED VIEW DATA") || str_eq(e->type, "EVENT TRIGGER") ||
		 str_starts(e->name, "EVENT TRIGGER "))
		e->kind = POST_LAST;
}

static void entry_open(struct reader *r, char *type, char *name)
{
	struct post_list *l = r->out;

	entry_close(r);
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = xrealloc(l->v, l->cap * sizeof *l->v);
	}
	if (l->rows > l->n && behind_rows(type))
		l->rows = l->n;
	r->open = &l->v[l->n++];
	*r->open = (struct post_entry){.kind = POST_SERIAL, .type = type, .name = name};
	r->statements = 0;
}

static void take_comment(struct reader *r, const char *line, size_t n)
{
	if (n < 9 || memcmp(line, "-- Name: ", 9) != 0)
		return;
	char *type = header_part(line, n, "; Type: ", "; Schema: ");
	char *name = header_part(line, n, "-- Name: ", "; Type: ");
	if (type && name) {
		entry_open(r, type, name);
		return;
	}
	free(type);
	free(name);
}

static void take_statement(struct reader *r, const char *sql, size_t n)
{
	char *text = xstrndup(sql, n);

	/* of the settings only these two belong to single objects; the sessions that run the entries have the others */
	if (str_starts(text, "SET default_tablespace"))
		xreplace(&r->tablespace, text);
	else if (str_starts(text, "SET default_table_access_method"))
		xreplace(&r->method, text);
	else if (!str_starts(text, "SET ") && !str_starts(text, "SELECT pg_catalog.set_config(")) {
		if (!r->open)
			entry_open(r, xstrdup("statement"), xstrdup(""));
		if (r->statements++ == 0) {
			str_clear(&r->sql);
			r->open->sets = xasprintf("%s\n%s%s", r->tablespace, r->method ? r->method : "", r->method ? "\n" : "");
		} else {
			str_addc(&r->sql, '\n');
		}
		str_add(&r->sql, text);
	}
	free(text);
}

enum err_code post_parse(struct post_list *out, const char *text, struct err *err)
{
	struct reader r = {.out = out, .tablespace = xstrdup("SET default_tablespace = '';")}; /* sessions are used for many */
	enum err_code rc = ERR_OK;
	const char *p = text;
	bool whole = true;

	out->rows = SIZE_MAX;

	while (*p && whole) {
		if (isspace((unsigned char)*p)) {
			p++;
		} else if ((p[0] == '-' && p[1] == '-') || *p == '\\') { /* \restrict is for psql */
			size_t n = strcspn(p, "\n");
			take_comment(&r, p, n);
			p += n;
		} else {
			const char *end = statement_end(p, &whole);
			if (whole)
				take_statement(&r, p, (size_t)(end - p));
			else
				rc = err_set(err, ERR_USAGE, "the dump of the objects ends within a statement: %.60s", p);
			p = end;
		}
	}
	if (rc == ERR_OK && !strstr(text, "PostgreSQL database dump complete"))
		rc = err_set(err, ERR_USAGE, "the dump of the objects is not whole: its last line is missing");
	entry_close(&r);
	out->rows = out->rows > out->n ? out->n : out->rows;
	str_fini(&r.sql);
	free(r.tablespace);
	free(r.method);
	return rc;
}

/* FNV-1a, with the end of each text. */
static uint64_t mix(uint64_t h, const char *s)
{
	for (const char *p = s ? s : "";; p++) {
		h = (h ^ (unsigned char)*p) * 1099511628211u;
		if (!*p)
			return h;
	}
}

bool post_is_large_object(const struct post_entry *e)
{
	return str_starts(e->type, "BLOB") || str_starts(e->name, "LARGE OBJECT ");
}

/* What is taken away and made anew when anything behind the rows has changed (look.c); other things would stay as they were. */
static bool made_anew(const struct post_entry *e)
{
	static const char *const types[] = {"INDEX", "INDEX ATTACH", "CONSTRAINT", "FK CONSTRAINT", "STATISTICS", "RULE", "TRIGGER", "POLICY", NULL};
	bool comment = str_eq(e->type, "COMMENT");

	for (size_t i = 0; types[i]; i++)
		if (comment ? str_starts(e->name, types[i]) && e->name[strlen(types[i])] == ' ' : str_eq(e->type, types[i]))
			return true;
	return false;
}

enum err_code post_fingerprint(const char *text, int64_t *stands, int64_t *made, struct err *err)
{
	struct post_list l = {0};
	uint64_t h[2] = {14695981039346656037u, 14695981039346656037u};
	enum err_code rc = post_parse(&l, text, err);

	for (size_t i = 0; i < l.n; i++) {
		const char *all[] = {l.v[i].type, l.v[i].name, l.v[i].sets, l.v[i].sql};
		bool made_again = i >= l.rows && made_anew(&l.v[i]);
		for (size_t k = 0; k < sizeof all / sizeof *all && !post_is_large_object(&l.v[i]); k++)
			h[made_again] = mix(h[made_again], all[k]);
	}
	*stands = (int64_t)h[0];
	*made = (int64_t)h[1];
	post_fini(&l);
	return rc;
}

void post_fini(struct post_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct post_entry *e = &l->v[i];
		free(e->type);
		free(e->name);
		free(e->schema);
		free(e->table);
		free(e->constraint);
		free(e->to_schema);
		free(e->to_table);
		free(e->sql);
		free(e->index_sql);
		free(e->attach_sql);
		free(e->sets);
	}
	free(l->v);
	*l = (struct post_list){0};
}
