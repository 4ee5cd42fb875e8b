#include "verify/cut.h"

#include <stdlib.h>

#define BATCH_TABLES 32            /* small tables go together: a round trip is dearer than reading them */
#define BATCH_BYTES (4 << 20)
#define RANGE_MIN_BYTES (32 << 20)
#define RANGE_MAX_BYTES (256 << 20)
#define RANGES_PER_JOB 8           /* so that the last range is a small part of the whole */

static int64_t size_bytes(const struct read_size *s)
{
	return s->blocks * s->block_bytes;
}

int64_t cut_range_bytes(const struct verify_set *v, const struct read_size *sizes, int jobs)
{
	int64_t all = 0;

	for (size_t i = 0; i < v->n_tables; i++)
		all += size_bytes(&sizes[i]);
	int64_t want = all / ((int64_t)jobs * RANGES_PER_JOB);
	return want < RANGE_MIN_BYTES ? RANGE_MIN_BYTES : want > RANGE_MAX_BYTES ? RANGE_MAX_BYTES : want;
}

static struct item *add(struct item_list *l, struct item it)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = xrealloc(l->v, l->cap * sizeof *l->v);
	}
	l->v[l->n] = it;
	return &l->v[l->n++];
}

/*
 * Equal ranges. The last one has no end: rows that came while we looked belong to it (none of them is in our snapshot).
 * Progress counts the source's bytes, whatever the table measures on this side.
 */
static size_t add_ranges(struct item_list *l, size_t table, const struct read_size *size, int64_t range_bytes, int64_t bytes)
{
	int64_t step = range_bytes / size->block_bytes > 0 ? range_bytes / size->block_bytes : 1;
	int64_t n = (size->blocks + step - 1) / step, given = 0;
	size_t parts = 0;

	for (int64_t k = 0; k < n; k++) {
		bool last = k == n - 1;
		int64_t share = last ? bytes - given : bytes / n;
		(void)add(l, (struct item){.kind = ITEM_RANGE, .first = table, .n = 1, .from = size->blocks * k / n, .bytes = share, .filenode = size->filenode,
					   .to = last ? READ_TO_END : size->blocks * (k + 1) / n});
		given += share;
		parts++;
	}
	return parts;
}

void cut_items(struct item_list *out, const struct verify_set *v, const struct read_size *sizes, int64_t range_bytes, size_t *parts)
{
	bool open = false; /* the last item is a batch that takes more */
	int64_t batch_bytes = 0;

	if (v->has_large_objects)
		(void)add(out, (struct item){.kind = ITEM_LARGE_OBJECTS, .bytes = v->lo_bytes});
	for (size_t i = 0; i < v->n_tables; i++) {
		int64_t bytes = size_bytes(&sizes[i]);
		parts[i] = sizes[i].exists;
		if (!sizes[i].exists) {
			open = false;
			continue;
		}
		if (range_bytes > 0 && bytes > range_bytes && !v->tables[i].where) {
			parts[i] = add_ranges(out, i, &sizes[i], range_bytes, v->tables[i].bytes);
			open = false;
			continue;
		}
		struct item *batch = open ? &out->v[out->n - 1] : NULL;
		if (!batch || batch->n == BATCH_TABLES || batch_bytes + bytes > BATCH_BYTES) {
			batch = add(out, (struct item){.kind = ITEM_TABLES, .first = i});
			batch_bytes = 0;
			open = true;
		}
		batch->n++;
		batch->bytes += v->tables[i].bytes;
		batch_bytes += bytes;
	}
}

void cut_sum_add(__int128 *sum, const char *text)
{
	bool minus = *text == '-';
	__int128 n = 0;

	for (const char *p = text + minus; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (*p - '0');
	*sum += minus ? -n : n;
}

char *cut_sum_text(__int128 sum)
{
	char buf[48], *p = buf + sizeof buf - 1;
	unsigned __int128 u = sum < 0 ? -(unsigned __int128)sum : (unsigned __int128)sum;

	*p = '\0';
	do
		*--p = (char)('0' + (int)(u % 10));
	while ((u /= 10) > 0);
	if (sum < 0)
		*--p = '-';
	return xstrdup(p);
}
