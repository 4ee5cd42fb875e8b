/*
 * From an unequal table to the keys that differ: both sides are summed up in buckets of the key's hash, in one pass, and
 * the rows of differing buckets are fetched as (key, row hash) and merged. Not more than what `limit` keys need is fetched.
 */
#include <stdlib.h>
#include <string.h>

#include "verify/read.h"

#define ROWS_PER_BUCKET 256
#define MAX_BUCKETS 65536

static const char *const only_on[] = {"only on source", "only on target"};

static int64_t bucket_count(const struct verify_table *t)
{
	int64_t rows = t->rows[0] > t->rows[1] ? t->rows[0] : t->rows[1], n = 1;

	while (n < MAX_BUCKETS && n * ROWS_PER_BUCKET < rows)
		n *= 2;
	return n;
}

static enum err_code read_buckets(const struct verify_table *t, struct session *s, int64_t buckets, PGresult **r, struct err *err)
{
	struct str sql = {0};

	str_addf(&sql, "SELECT (%s) & %lld, count(*), sum(%s) FROM ", t->key_expr, (long long)(buckets - 1), t->expr);
	read_rows_of(&sql, t);
	str_add(&sql, " GROUP BY 1 ORDER BY 1");
	enum err_code rc = session_exec(s, str_text(&sql), 0, NULL, 0, r, err);
	str_fini(&sql);
	return rc;
}

static bool same_figures(const PGresult *a, int i, const PGresult *b, int j)
{
	return strcmp(cell(a, i, 1), cell(b, j, 1)) == 0 && strcmp(cell(a, i, 2), cell(b, j, 2)) == 0;
}

/* Buckets that differ, at most `limit`, as "3, 17, 200"; each holds at least one key to name. */
static void differing_buckets(struct str *out, const PGresult *a, const PGresult *b, size_t limit)
{
	int i = 0, j = 0, na = PQntuples(a), nb = PQntuples(b);

	for (size_t found = 0; (i < na || j < nb) && found < limit;) {
		int64_t x = i < na ? cell_i64(a, i, 0) : INT64_MAX, y = j < nb ? cell_i64(b, j, 0) : INT64_MAX;
		if (x != y || !same_figures(a, i, b, j))
			str_addf(out, "%s%lld", found++ ? ", " : "", (long long)(x < y ? x : y));
		i += x <= y;
		j += y <= x;
	}
}

static enum err_code read_rows(const struct verify_table *t, struct session *s, int64_t buckets, const char *which,
			       PGresult **r, struct err *err)
{
	struct str sql = {0};

	str_addf(&sql, "SELECT %s COLLATE \"C\", %s FROM ", t->key_text, t->expr);
	read_rows_of(&sql, t);
	str_addf(&sql, " WHERE (%s) & %lld IN (%s) ORDER BY 1, 2", t->key_expr, (long long)(buckets - 1), which);
	enum err_code rc = session_exec(s, str_text(&sql), 0, NULL, 0, r, err);
	str_fini(&sql);
	return rc;
}

static void name_row(struct strv *out, const char *what, const struct verify_table *t, const char *key)
{
	char *columns = strv_join(&t->key, ", ");

	strv_addf(out, "%s (%s)=%s", what, columns, key);
	free(columns);
}

static void merge_rows(const struct verify_table *t, const PGresult *a, const PGresult *b, size_t limit, struct strv *out)
{
	int i = 0, j = 0, na = PQntuples(a), nb = PQntuples(b);
	size_t before = out->n;

	while ((i < na || j < nb) && out->n - before < limit) {
		int c = i == na ? 1 : j == nb ? -1 : strcmp(cell(a, i, 0), cell(b, j, 0));
		if (c != 0)
			name_row(out, only_on[c > 0], t, c < 0 ? cell(a, i, 0) : cell(b, j, 0));
		else if (strcmp(cell(a, i, 1), cell(b, j, 1)) != 0)
			name_row(out, "differs", t, cell(a, i, 0));
		i += c <= 0;
		j += c >= 0;
	}
}

static enum err_code narrow(const struct verify_table *t, struct session *const s[2], size_t limit, struct strv *out, struct err *err)
{
	PGresult *sums[2] = {0}, *rows[2] = {0};
	int64_t buckets = bucket_count(t);
	struct str which = {0};
	enum err_code rc = ERR_OK;

	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		rc = read_buckets(t, s[i], buckets, &sums[i], err);
		if (rc != ERR_OK)
			err_prefix(err, "%s", side_name((enum side)i));
	}
	if (rc == ERR_OK)
		differing_buckets(&which, sums[0], sums[1], limit);
	for (int i = 0; i < 2 && rc == ERR_OK && which.len; i++) {
		rc = read_rows(t, s[i], buckets, str_text(&which), &rows[i], err);
		if (rc != ERR_OK)
			err_prefix(err, "%s", side_name((enum side)i));
	}
	if (rc == ERR_OK && which.len)
		merge_rows(t, rows[0], rows[1], limit, out);
	for (int i = 0; i < 2; i++) {
		PQclear(sums[i]);
		PQclear(rows[i]);
	}
	str_fini(&which);
	return rc;
}

enum err_code verify_narrow(const struct verify_table *t, struct session *src, const char *src_snapshot_or_null,
			    struct session *dst, size_t limit, struct strv *out, struct err *err)
{
	struct session *const s[2] = {src, dst};
	struct err ignored;

	if (!t->expr || !t->key_expr || !t->key_text)
		return err_set(err, ERR_USAGE, "table %s has no primary key that tells its rows apart", t->id);
	enum err_code rc = read_begin(src, src_snapshot_or_null, t->old_floats, err);
	if (rc == ERR_OK)
		rc = read_begin(dst, NULL, t->old_floats, err);
	if (rc == ERR_OK)
		rc = narrow(t, s, limit, out, err);
	/* a session that is lost has no transaction to end */
	for (int i = 0; i < 2; i++)
		if (session_alive(s[i]))
			(void)session_run(s[i], "ROLLBACK", &ignored);
	return rc;
}
