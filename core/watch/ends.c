#include "watch/ends.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define LEAST_MS 50  /* for an answer that is there already */
#define ADMIT_MS 150 /* who answers at all admits a cancel at once */
#define AGAIN_S 8    /* the longest wait between two tries to connect */
#define REFUSED_S 60 /* and after a refusal: somebody may put that right meanwhile */

void ends_init(struct ends *e, const struct migration *m, const char *app, struct cancel *cancel)
{
	*e = (struct ends){.m = m, .app = app, .cancel = cancel};
	for (int i = 0; i < 2; i++)
		ends_anew(e, (enum side)i);
}

void ends_close(struct ends *e)
{
	for (int i = 0; i < 2; i++) {
		session_close(e->session[i]);
		e->session[i] = NULL;
	}
}

void ends_anew(struct ends *e, enum side side)
{
	const char *host = e->m->end[side].host;

	e->away[side] = (struct err){0};
	e->patience[side] = (struct patience){.most_s = AGAIN_S, .refused_s = REFUSED_S, .several = host && strchr(host, ',')};
}

enum err_code ends_connect(struct ends *e, enum side side, struct err *err)
{
	struct session_options opt = {.application_name = e->app, .read_write = side == SIDE_TARGET, .timeout_ms = ENDS_MS, .admit_ms = ADMIT_MS};
	struct patience *p = &e->patience[side];

	if (e->session[side] && !session_alive(e->session[side])) {
		session_close(e->session[side]);
		e->session[side] = NULL;
	}
	if (e->session[side])
		return ERR_OK;
	if (e->no_way[side].code != ERR_OK)
		return (*err = e->no_way[side]).code;
	if (e->away[side].code != ERR_OK && (p->over || patience_left_s(p) > 0))
		return (*err = e->away[side]).code;
	enum err_code rc = session_open(&e->session[side], &e->m->end[side], &opt, e->cancel, err);
	if (rc == ERR_OK || rc == ERR_CANCELLED) {
		ends_anew(e, side);
	} else {
		e->away[side] = *err;
		(void)patience_more(p, err);
	}
	return rc;
}

enum err_code ends_begin(struct ends *e, enum side side, const char *sql, const char *param, struct err *err)
{
	const char *params[] = {param};
	enum err_code rc = ends_connect(e, side, err);

	if (rc == ERR_OK)
		rc = session_start(e->session[side], sql, 1, params, err);
	e->due_us[side] = clock_deadline(ENDS_ASK_MS);
	return rc;
}

enum err_code ends_answer(struct ends *e, enum side side, PGresult **res, struct err *err)
{
	int64_t ms = (e->due_us[side] - clock_mono_us()) / 1000;
	PGresult *end = NULL;
	enum err_code rc = session_next(e->session[side], ms > LEAST_MS ? ms : LEAST_MS, res, err);

	if (rc == ERR_OK && *res && (rc = session_next(e->session[side], ENDS_ASK_MS, &end, err)) != ERR_OK) {
		PQclear(*res);
		*res = NULL;
	}
	PQclear(end);
	return rc == ERR_OK && !*res ? err_set(err, ERR_LOST, "the connection broke") : rc;
}

enum watch_away ends_kind(const struct ends *e, enum side side, const struct err *why)
{
	if (e->no_way[side].code != ERR_OK)
		return AWAY_SILENT;
	return patience_password(why) ? AWAY_PASSWORD : why->sqlstate[0] && !patience_may_pass(why) ? AWAY_REFUSED : AWAY_SILENT;
}

void ends_say(const struct ends *e, enum side side, const struct err *why, char *to, size_t size)
{
	const struct err *away = &e->away[side];
	const struct patience *p = &e->patience[side];

	if (away->code == ERR_OK || p->over)
		(void)snprintf(to, size, "%.*s", (int)size - 1, why->msg);
	else
		(void)snprintf(to, size, "again in %d s (try %d): %s", patience_left_s(p), p->tries + 1, away->msg);
}
