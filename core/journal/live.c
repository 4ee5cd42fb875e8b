#include "journal/live.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/share.h"

static const struct model_item *running(const struct model *m)
{
	for (size_t i = m->steps.n; i-- > 0;)
		if (m->steps.v[i].last->state == ST_RUNNING)
			return &m->steps.v[i];
	return NULL;
}

static json_t *live_json(const struct model *m)
{
	const struct model_item *it = running(m);
	const struct event *p = it ? it->progress : NULL;
	json_t *j = json_object();
	const struct { const char *name; int64_t n; } numbers[] = {
		{"at_us", clock_wall_us()}, {"n", p ? p->n : 0}, {"of", p ? p->of : 0}, {"a", p ? p->a : 0}, {"b", p ? p->b : 0}};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		(void)json_object_set_new(j, numbers[i].name, json_integer(numbers[i].n));
	if (it && it->last->id)
		(void)json_object_set_new(j, "step", event_string(it->last->id));
	if (p && p->text)
		(void)json_object_set_new(j, "text", event_string(p->text));
	return j;
}

enum err_code live_write(const char *dir, const struct model *m, struct err *err)
{
	json_t *j = live_json(m);
	char *path = xasprintf("%s/live.json", dir), *tmp = xasprintf("%s/live.json.new", dir);
	int fd = share_open(tmp, O_WRONLY | O_CREAT | O_TRUNC);
	bool ok = fd >= 0 && json_dumpfd(j, fd, JSON_COMPACT) == 0;

	if (fd >= 0 && close(fd) < 0)
		ok = false;
	ok = ok && rename(tmp, path) == 0;
	enum err_code rc = ok ? ERR_OK : err_errno(err, "cannot write %s", path);
	json_decref(j);
	free(path);
	free(tmp);
	return rc;
}

bool live_read(const char *dir, struct live *l)
{
	char *path = xasprintf("%s/live.json", dir);
	json_t *j = json_load_file(path, 0, NULL);

	*l = (struct live){0};
	free(path);
	if (!json_is_object(j)) {
		json_decref(j);
		return false;
	}
	l->at_us = json_integer_value(json_object_get(j, "at_us"));
	l->step = xstrdup(json_string_value(json_object_get(j, "step")));
	l->n = json_integer_value(json_object_get(j, "n"));
	l->of = json_integer_value(json_object_get(j, "of"));
	l->a = json_integer_value(json_object_get(j, "a"));
	l->b = json_integer_value(json_object_get(j, "b"));
	l->text = xstrdup(json_string_value(json_object_get(j, "text")));
	json_decref(j);
	return true;
}

void live_fini(struct live *l)
{
	free(l->step);
	free(l->text);
	*l = (struct live){0};
}
