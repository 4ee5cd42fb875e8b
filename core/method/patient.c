#include "method/patient.h"

struct asking { struct run *r; enum side side; const struct err *why; };

static void tell(void *arg, const struct patience *p, int left_s)
{
	const struct asking *a = arg;

	run_emit(a->r, event_again(side_name(a->side), a->why->msg, left_s, p->tries + 1, p->of));
}

static bool wait_for(struct run *r, enum side side, struct patience *p, struct err *err)
{
	struct asking a = {.r = r, .side = side, .why = err};

	if (patience_wait(p, r->cancel, tell, &a))
		return true;
	if (cancel_raised(r->cancel))
		(void)err_set(err, ERR_CANCELLED, "cancelled");
	return false;
}

bool patient_again(struct run *r, enum side side, struct patience *p, const char *what, struct err *err)
{
	if (!patience_more(p, err))
		return false;
	(void)r->blame(r->arg, side, err);
	run_note(r, "read again", "%s is read again: %s", what, err->msg);
	return wait_for(r, side, p, err);
}

static bool may_wait(const struct run *r, enum side side)
{
	return r->facts[side] && !r->in_vain[side] && !r->glancing && !r->undoing && !r->cutover;
}

/* ep, out NULL: only the way there. */
static enum err_code once(struct run *r, enum side side, const struct endpoint *ep, const struct session_options *opt, struct session **out, struct err *err)
{
	enum err_code rc = r->reach(r->arg, side, err);

	return rc == ERR_OK && ep && out ? session_open(out, ep, opt, r->cancel, err) : rc;
}

static enum err_code insist(struct run *r, enum side side, const struct endpoint *ep, const struct session_options *opt, struct session **out, struct err *err)
{
	struct patience p = PATIENCE;
	enum err_code rc = once(r, side, ep, opt, out, err);

	while (rc == ERR_AUTH && ep == &r->m->end[side] && !r->undoing && !r->cutover && !r->glancing && r->login(r->arg, side, err))
		rc = once(r, side, ep, opt, out, err);
	while (rc != ERR_OK && may_wait(r, side)) {
		if (!patience_more(&p, err)) {
			r->in_vain[side] = patience_may_pass(err);
			break;
		}
		(void)r->blame(r->arg, side, err); /* ssh may know more */
		if (!wait_for(r, side, &p, err)) {
			rc = err->code;
			break;
		}
		*err = (struct err){0};
		rc = once(r, side, ep, opt, out, err);
	}
	if (rc == ERR_OK)
		r->in_vain[side] = false;
	return rc;
}

enum err_code patient_reach(struct run *r, enum side side, struct err *err)
{
	return insist(r, side, NULL, NULL, NULL, err);
}

enum err_code patient_open(struct run *r, enum side side, const struct endpoint *ep, const struct session_options *opt, struct session **out, struct err *err)
{
	return insist(r, side, ep, opt, out, err);
}
