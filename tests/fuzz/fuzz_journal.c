/* A journal of any bytes: read or refused with its line, and every fold over what was read holds together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "journal/model.h"
#include "journal/report.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int fd = -1;
static char path[64];

static void put(const unsigned char *data, size_t size)
{
	if (fd < 0) {
		fd = memfd_create("journal", MFD_CLOEXEC);
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
}

static void counts(const struct model *m)
{
	int by_verdict = 0;

	for (int v = 0; v < 4; v++)
		by_verdict += m->n_verdict[v];
	if (by_verdict != (int)m->findings.n || m->n_unacked < 0 || m->n_unacked > m->n_verdict[VERDICT_WARN])
		abort();
}

/* Each id once, and found by it. */
static void ids(const struct model_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].last || (l->v[i].last->id && model_find(l, l->v[i].last->id) != &l->v[i]))
			abort();
}

/* An event that was read is written, and read again, as the same. */
static void round_trip(const struct event *e)
{
	json_t *a = event_to_json(e);
	struct event *back = event_from_json(a);
	json_t *b = back ? event_to_json(back) : NULL;

	if (!b || !json_equal(a, b))
		abort();
	json_decref(a);
	json_decref(b);
	event_free(back);
}

static void look_at(const struct model *m)
{
	const struct model_list *by_id[] = {&m->findings, &m->steps, &m->left, &m->proofs};
	const struct model_list *all[] = {&m->findings, &m->steps, &m->actions, &m->left, &m->issues, &m->proofs, &m->notes, &m->fixes};

	counts(m);
	for (size_t i = 0; i < sizeof by_id / sizeof *by_id; i++)
		ids(by_id[i]);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		for (size_t k = 0; k < all[i]->n; k++)
			round_trip(all[i]->v[k].last);
	if (model_unfinished(m) && !m->begin)
		abort();
	char *text = report_markdown(m);
	json_t *j = report_json(m);
	char *dumped = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (!text || !dumped)
		abort();
	free(text);
	free(dumped);
	json_decref(j);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct model m;
	struct err err = {0};

	put(data, size);
	model_init(&m);
	enum err_code rc = model_load(&m, path, &err);
	if (rc != ERR_OK && (rc != ERR_IO || !strstr(err.msg, " is not a journal line")))
		abort();
	look_at(&m);
	model_forget_findings(&m);
	look_at(&m);
	model_fini(&m);
	return 0;
}
