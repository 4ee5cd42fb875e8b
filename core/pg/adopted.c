#include "pg/adopted.h"

#include <stdlib.h>
#include <string.h>

#include "pg/facts_in.h"

#define LINE "\nof " /* then an array: subscription, slot, publications */

void adopted_is(struct migration *m, const struct strv *words)
{
	if (words->n > 0 && !str_empty(words->v[0]))
		xreplace(&m->sub.slot, words->v[0]);
	strv_fini(&m->sub.publications);
	for (size_t i = 1; i < words->n; i++)
		strv_add(&m->sub.publications, words->v[i]);
	if (words->n > 1)
		xreplace(&m->sub.publication, words->v[1]);
}

/* The words of a comment of ours that is about the subscription `adopt`. */
static bool comment_words(const char *comment, const char *adopt, struct strv *words)
{
	const char *line = comment && str_starts(comment, "pgusher") ? strstr(comment, LINE) : NULL;
	struct strv all = {0};

	if (line)
		facts_array(&all, line + strlen(LINE));
	bool found = all.n > 2 && str_eq(all.v[0], adopt);
	for (size_t i = 1; found && i < all.n; i++)
		strv_add(words, all.v[i]);
	strv_fini(&all);
	return found;
}

static bool object_words(const struct fact_object *o, const char *adopt, bool subscription, struct strv *words)
{
	if (!subscription)
		return str_eq(o->kind, "publication here") && comment_words(o->detail, adopt, words);
	if (!str_eq(o->kind, "subscription here") || !str_eq(o->name, adopt))
		return false;
	facts_array(words, o->detail);
	return true;
}

bool adopted_names(struct migration *m, const struct facts *src, const struct facts *dst)
{
	const struct facts *f[] = {dst, src, dst}; /* the subscription itself; then what the comments say */
	struct strv words = {0};
	bool found = false;

	for (size_t k = 0; m->sub.adopt && k < 3 && !found; k++)
		for (size_t i = 0; f[k] && i < f[k]->n_objects && !found; i++)
			found = object_words(&f[k]->objects[i], m->sub.adopt, k == 0, &words);
	if (found)
		adopted_is(m, &words);
	strv_fini(&words);
	return found;
}

static char *line_of(const struct strv *words)
{
	char *list = sql_array(words), *line = xasprintf(LINE "%s", list);

	free(list);
	return line;
}

char *adopted_mark(const struct migration *m)
{
	struct strv one = {0};

	if (!m->sub.adopt)
		return xstrdup("");
	strv_add(&one, m->sub.adopt);
	char *line = line_of(&one);
	line[strlen(line) - 1] = ','; /* more follows */
	strv_fini(&one);
	return line;
}

void adopted_note(const struct migration *m, struct str *comment)
{
	struct strv words = {0};

	if (!m->sub.adopt || m->sub.publications.n == 0)
		return;
	strv_add(&words, m->sub.adopt);
	strv_add(&words, m->sub.slot);
	strv_copy(&words, &m->sub.publications);
	char *line = line_of(&words);
	str_add(comment, line);
	free(line);
	strv_fini(&words);
}

enum err_code adopted_read(struct facts **out, struct session *s, struct err *err)
{
	struct facts *f = xcalloc(1, sizeof *f);

	f->version_num = session_version(s);
	f->db_exists = true;
	enum err_code rc = facts_read_links(f, s, err);
	if (rc == ERR_OK) {
		*out = f;
	} else {
		*out = NULL;
		facts_free(f);
	}
	return rc;
}
