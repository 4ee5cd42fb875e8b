#include "watch/word.h"

#include <stdlib.h>

#include "pg/adopted.h"
#include "pg/logical.h"

/* Of one that was taken over the name may not have been known when the watch began: the comment says whose it is (pg/adopted.h). */
static const char sql[] = "SELECT c FROM (SELECT pubname, obj_description(oid, 'pg_publication') AS c FROM pg_publication) p"
	" WHERE c ~ '^pgusher (cut over:|fenced|rolled back)' AND (pubname = $1 OR ($2 <> '' AND strpos(c, $2) > 0)) ORDER BY pubname = $1 DESC LIMIT 1";

enum err_code word_ask(struct session *s, const struct migration *m, enum side side, int64_t timeout_ms, enum phase *out, struct err *err)
{
	bool named = side == SIDE_TARGET || !m->sub.adopt || m->sub.publications.n > 0;
	char *mark = adopted_mark(m);
	struct link back;
	PGresult *r;

	link_back(&back, m);
	const char *params[] = {side == SIDE_TARGET ? back.publication : named ? m->sub.publication : "", mark};
	enum err_code rc = session_exec(s, sql, 2, params, timeout_ms, &r, err);
	free(mark);
	if (rc != ERR_OK)
		return rc;
	*out = PQntuples(r) > 0 ? phase_of_comment(cell(r, 0, 0)) : PHASE_NONE;
	PQclear(r);
	return ERR_OK;
}
