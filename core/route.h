#ifndef PGUSHER_ROUTE_H
#define PGUSHER_ROUTE_H
/*
 * route - the way from here to the two servers: straight, or through a tunnel that is opened when it is first needed and
 * again when it broke. Engine thread.
 */
#include "host/tunnel.h"
#include "sink.h"

struct route {
	struct migration *m;   /* its endpoints learn the local ports (endpoint.forward) */
	struct sink *sink;
	struct cancel *cancel;
	struct tunnel *t[2];   /* by side; NULL: not open, or straight */
	bool no_password[2];   /* the operator was asked for it, and gave none: not asked again by this command */
};

/*
 * Makes sure that a side can be connected to; at once when it is straight. An ssh host that is not known is shown with its
 * fingerprint, and the operator asked. Errors as tunnel_open; ERR_BLOCKED: its key was not accepted.
 */
enum err_code route_open(struct route *r, enum side side, struct err *err);
/* The same, again and again while it may pass (pg/patience.h); each second EV_AGAIN says when the next try is. */
enum err_code route_open_patiently(struct route *r, enum side side, struct err *err);
/*
 * A login failed with *why: when that is for a password that is missing or wrong, the operator is asked for it (LOGIN_GATE), and the
 * migration has it from then on, in memory only. True: there is another one to try. Nothing of it is journaled.
 */
bool route_login(struct route *r, enum side side, const struct err *why);
/* The same for what was told without being asked; false: nothing was. */
bool route_told_password(struct route *r, enum side side);
/* A connection to a side failed with *err: says what the tunnel knows of it instead. Returns err->code. */
enum err_code route_blame(struct route *r, enum side side, struct err *err);
/* Whether a tunnel that was open has ended. */
bool route_broken(struct route *r, enum side side);
/* The endpoints changed to those of `next`: tunnels that no longer fit are closed, the others' ports move into next. */
void route_adopt(struct route *r, struct migration *next);
void route_close(struct route *r);

#endif
