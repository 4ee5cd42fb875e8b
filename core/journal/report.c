#include "journal/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/share.h"
#include "journal/report_md.h"

static json_t *list_json(const struct model_list *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++) {
		json_t *o = event_to_json(l->v[i].last);
		if (l->v[i].acked)
			(void)json_object_set_new(o, "accepted", json_true());
		if (l->v[i].who)
			(void)json_object_set_new(o, "accepted_by", event_string(l->v[i].who));
		if (l->v[i].began_us)
			(void)json_object_set_new(o, "began_us", json_integer(l->v[i].began_us));
		if (l->v[i].ended_us)
			(void)json_object_set_new(o, "ended_us", json_integer(l->v[i].ended_us));
		if (l->v[i].removed)
			(void)json_object_set_new(o, "removed", json_true());
		(void)json_array_append_new(a, o);
	}
	return a;
}

/* {"ms": 78, "parts": {"locks": 4.1, ...}}; null: there was none, or it was taken back. */
static json_t *outage_json(const struct model *m)
{
	const struct event *e = report_note(m, "outage");
	json_t *parts = e && e->sql ? json_loads(e->sql, 0, NULL) : NULL;

	return parts ? json_pack("{s:I,s:o}", "ms", (json_int_t)e->n, "parts", parts) : json_null();
}

json_t *report_json(const struct model *m)
{
	size_t n[3];
	int64_t rows;
	json_t *j = json_object();
	const struct { const char *name; const struct event *e; } one[] = {
		{"begin", m->begin}, {"end", m->end}, {"source", m->facts[SIDE_SOURCE]}, {"target", m->facts[SIDE_TARGET]}};
	const struct { const char *name; const struct model_list *l; } lists[] = {
		{"steps", &m->steps}, {"proof", &m->proofs}, {"issues", &m->issues}, {"notes", &m->notes}, {"left", &m->left}, {"findings", &m->findings},
		{"fixes", &m->fixes}, {"actions", &m->actions}, {"answers", &m->answers}, {"earlier_attempts", &m->attempts}};

	report_count(m, n, &rows);
	for (size_t i = 0; i < sizeof one / sizeof *one; i++)
		(void)json_object_set_new(j, one[i].name, one[i].e ? event_to_json(one[i].e) : json_null());
	(void)json_object_set_new(j, "summary", json_pack("{s:I,s:I,s:I,s:I}", "equal", (json_int_t)n[0], "different", (json_int_t)n[1],
							   "not_proven", (json_int_t)n[2], "rows", (json_int_t)rows));
	bool objects = report_count_objects(m, n);
	(void)json_object_set_new(j, "objects", objects ? json_pack("{s:I,s:I,s:I}", "same", (json_int_t)n[0], "different", (json_int_t)n[1], "not_proven", (json_int_t)n[2]) : json_null());
	(void)json_object_set_new(j, "outage", outage_json(m));
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		(void)json_object_set_new(j, lists[i].name, list_json(lists[i].l));
	return j;
}

static enum err_code put(const char *dir, const char *name, const char *text, struct err *err)
{
	char *path = xasprintf("%s/%s", dir, name), *tmp = xasprintf("%s/%s.new", dir, name);
	enum err_code rc = ERR_OK;

	(void)remove(tmp); /* one left by a crash may have another mode */
	int fd = share_open(tmp, O_WRONLY | O_CREAT | O_EXCL); /* object names and statements are not for everybody */
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f || fputs(text, f) == EOF)
		rc = err_errno(err, "cannot write %s", path);
	if (f && fclose(f) == EOF && rc == ERR_OK)
		rc = err_errno(err, "cannot write %s", path);
	if (rc == ERR_OK && rename(tmp, path) < 0)
		rc = err_errno(err, "cannot write %s", path);
	if (rc != ERR_OK)
		(void)remove(tmp);
	free(path);
	free(tmp);
	return rc;
}

enum err_code report_write(const struct model *m, const char *dir, struct err *err)
{
	char *md = report_markdown(m);
	json_t *j = report_json(m);
	char *json = json_dumps(j, JSON_INDENT(1));
	enum err_code rc = put(dir, "report.md", md, err);

	if (rc == ERR_OK && json)
		rc = put(dir, "report.json", json, err);
	if (rc == ERR_OK && m->begin && m->begin->id) { /* the evidence of a cutover outlives what is done after it */
		char *name = xasprintf("report-%s.md", m->begin->id);
		rc = put(dir, name, md, err);
		free(name);
	}
	free(md);
	free(json);
	json_decref(j);
	return rc;
}
