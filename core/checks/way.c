/* Checks of the ways: through ssh, and from where the tools run. */
#include "checks/groups.h"

static void ssh_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct endpoint *ep = &s->m->end[side];
	const struct err *err = &s->hop[side];

	if (str_empty(ep->ssh)) {
		finding_is(f, VERDICT_OK, "the %s is reached straight", side_name(side));
	} else if (err->code == ERR_OK) {
		finding_is(f, VERDICT_OK, "the tunnel to the %s stands", side_name(side));
		finding_print(&f->found, "%s%s", s->hop_where[side] ? s->hop_where[side] : ep->ssh,
			      ep->ssh_config ? "; what ~/.ssh/config forwards for it is left out" : "");
	} else {
		finding_is(f, VERDICT_BLOCK, "the tunnel to the %s does not come up", side_name(side));
		finding_print(&f->found, "%s", err->msg);
		finding_print(&f->needed, "a login by key as %s that asks nothing", s->hop_where[side] ? s->hop_where[side] : ep->ssh);
		finding_print(&f->fix, "%s", err->hint);
	}
}

void check_source_ssh(const struct survey *s, struct finding *f)
{
	ssh_check(s, SIDE_SOURCE, f);
}

void check_target_ssh(const struct survey *s, struct finding *f)
{
	ssh_check(s, SIDE_TARGET, f);
}

/* A port on 127.0.0.1 is everybody's: only the server's question for a password keeps the others of this host out. */
static void open_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct endpoint *ep = &s->m->end[side];
	const struct facts *facts = s->facts[side];

	finding_is(f, VERDICT_OK, "no door is opened to the %s", side_name(side));
	if (str_empty(ep->ssh) || !facts || facts->password_asked || ep->sslcert)
		return;
	finding_is(f, VERDICT_WARN, "while the tunnel stands, every user of this host can log in to the %s as %s", side_name(side), facts->role);
	finding_print(&f->found, "the server asks no password of who comes from the ssh host (trust or peer in its pg_hba.conf), and the tunnel's port "
				 "on 127.0.0.1 takes everybody");
	finding_print(&f->needed, "a password, or no other users on this host");
	finding_print(&f->fix, "a pg_hba.conf line with scram-sha-256 for %s, and a password; or run pgusher on a host that is yours alone", facts->role);
}

void check_source_open(const struct survey *s, struct finding *f)
{
	open_check(s, SIDE_SOURCE, f);
}

void check_target_open(const struct survey *s, struct finding *f)
{
	open_check(s, SIDE_TARGET, f);
}

static void reach_check(const struct survey *s, enum side side, struct finding *f)
{
	const struct err *err = &s->reach[side];

	finding_is(f, VERDICT_OK, s->m->tools_prefix.n ? "the tools reach the %s from where they run" : "the tools run here", side_name(side));
	if (err->code == ERR_OK)
		return;
	finding_is(f, VERDICT_BLOCK, "the tools cannot reach the %s from where they run", side_name(side));
	finding_print(&f->found, "%s", err->msg);
	finding_print(&f->needed, "a login to the %s from behind the prefix, with the same address and role as from here", side_name(side));
	finding_print(&f->why, s->m->end[side].forward ? "the tunnel listens on 127.0.0.1 of this host; behind the prefix that is another host or container"
						       : "host names, 127.0.0.1 and sockets mean something else behind the prefix");
	finding_print(&f->fix, s->m->end[side].forward ? "run the tools here (no prefix), or give an address that both this host and the tools reach without ssh"
						       : "give an address that both this host and the tools reach, and a pg_hba.conf line for it; or run the tools here");
}

void check_source_reach(const struct survey *s, struct finding *f)
{
	reach_check(s, SIDE_SOURCE, f);
}

void check_target_reach(const struct survey *s, struct finding *f)
{
	reach_check(s, SIDE_TARGET, f);
}
