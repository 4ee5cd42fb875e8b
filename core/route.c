#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "pg/patience.h"
#include "pg/session.h"

/* The operator sees whose key it is, and compares; nothing else tells an impostor apart. */
static enum err_code learn_key(struct route *r, enum side side, struct err *err)
{
	const struct endpoint *ep = &r->m->end[side];
	struct host_key k;
	enum err_code rc = tunnel_key_ask(&k, ep, r->cancel, err);

	if (rc != ERR_OK)
		return rc;
	char *where = tunnel_resolve(ep, r->cancel);
	char *title = xasprintf("The ssh host %s is not known here. Accept its key?", ep->ssh);
	char *text = xasprintf("%s\n%s\nAsk its administrator for the fingerprint and compare. Accepted, it is added to %s.",
			       where ? where : ep->ssh, k.fingerprint, k.file);
	char *id = xasprintf("hostkey %s %s", ep->ssh, k.fingerprint);
	rc = sink_ask(r->sink, r->cancel, id, title, text, NULL, NULL, err);
	if (rc == ERR_BLOCKED) {
		err_set(err, ERR_HOSTKEY, "the host key of %s is not known here, and was not accepted: %s", ep->ssh, k.fingerprint);
		(void)err_hint(err, "compare the fingerprint with the administrator's; then accept it in the wizard, or log in once by hand: ssh %s", ep->ssh);
		rc = ERR_HOSTKEY;
	} else if (rc == ERR_OK) {
		rc = tunnel_key_accept(&k, err);
	}
	host_key_fini(&k);
	free(where);
	free(title);
	free(text);
	free(id);
	return rc;
}

enum err_code route_open(struct route *r, enum side side, struct err *err)
{
	struct endpoint *ep = &r->m->end[side];

	if (str_empty(ep->ssh))
		return ERR_OK;
	if (r->t[side] && tunnel_alive(r->t[side]))
		return ERR_OK;
	tunnel_close(r->t[side]);
	r->t[side] = NULL;
	/* the same ports again: plans and sessions name them */
	const char *ports = ep->forward ? ep->forward : ep->local_port;
	tunnel_configure(ep, r->cancel);
	enum err_code rc = tunnel_open(&r->t[side], ep, ports, r->cancel, err);
	if (rc == ERR_HOSTKEY && (rc = learn_key(r, side, err)) == ERR_OK)
		rc = tunnel_open(&r->t[side], ep, ports, r->cancel, err);
	if (rc == ERR_OK) {
		xreplace(&ep->forward, tunnel_ports(r->t[side]));
		ep->forward_group = tunnel_group(r->t[side]);
	}
	return rc;
}

struct asking { struct route *r; enum side side; const struct err *why; };

static void tell(void *arg, const struct patience *p, int left_s)
{
	const struct asking *a = arg;
	struct err ignored; /* not durable */

	(void)sink_emit(a->r->sink, event_again(side_name(a->side), a->why->msg, left_s, p->tries + 1, p->of), &ignored);
}

enum err_code route_open_patiently(struct route *r, enum side side, struct err *err)
{
	struct asking a = {.r = r, .side = side, .why = err};
	struct patience p = PATIENCE;
	enum err_code rc;

	while ((rc = route_open(r, side, err)) != ERR_OK && patience_more(&p, err))
		if (!patience_wait(&p, r->cancel, tell, &a))
			return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : rc;
	return rc;
}

/* Only for the front end: what was asked for here is no part of the story. */
static void show(struct route *r, struct event *e)
{
	queue_post(r->sink->q, e);
}

static bool take_password(struct route *r, enum side side, struct command *c)
{
	bool given = c->yes && !str_empty(c->text);

	if (given) {
		secret_set(&r->m->end[side].password, c->text);
		r->m->end[side].by_command = false;
	}
	command_fini(c);
	return given;
}

bool route_login(struct route *r, enum side side, const struct err *why)
{
	struct command c = {0};

	if (!patience_password(why) || strstr(why->msg, "ssh says") || r->no_password[side])
		return false;
	char *id = xasprintf(LOGIN_GATE "%s", side_name(side));
	struct event *e = event_new(EV_GATE, id);
	event_text(&e->title, "The %s wants a password", side_name(side));
	xreplace(&e->text, why->msg); /* names role, address and database */
	show(r, e);
	bool given = queue_answer(r->sink->q, id, r->cancel, &c) && take_password(r, side, &c);
	e = event_new(EV_ANSWER, id);
	e->state = given ? ST_DONE : ST_FAILED;
	show(r, e);
	r->no_password[side] = !given;
	free(id);
	return given;
}

bool route_told_password(struct route *r, enum side side)
{
	char *id = xasprintf(LOGIN_GATE "%s", side_name(side));
	struct command c = {0};
	bool given = queue_told(r->sink->q, id, &c) && take_password(r, side, &c);

	free(id);
	return given;
}

enum err_code route_blame(struct route *r, enum side side, struct err *err)
{
	return r->t[side] && err->code != ERR_CANCELLED ? tunnel_blame(r->t[side], err) : err->code;
}

bool route_broken(struct route *r, enum side side)
{
	return r->t[side] && !tunnel_alive(r->t[side]);
}

void route_adopt(struct route *r, struct migration *next)
{
	for (int i = 0; i < 2; i++) {
		const struct endpoint *a = &r->m->end[i];
		struct endpoint *b = &next->end[i];
		if (str_eq(a->ssh, b->ssh) && str_eq(a->host, b->host) && str_eq(a->port, b->port) && str_eq(a->local_port, b->local_port)) {
			xreplace(&b->forward, a->forward);
			xreplace(&b->ssh_config, a->ssh_config);
			b->forward_group = a->forward_group;
			continue;
		}
		xreplace(&b->forward, NULL);
		xreplace(&b->ssh_config, NULL);
		tunnel_close(r->t[i]);
		r->t[i] = NULL;
	}
}

void route_close(struct route *r)
{
	for (int i = 0; i < 2; i++) {
		tunnel_close(r->t[i]);
		r->t[i] = NULL;
	}
}
