#include "pg/patience.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"

#define SECOND_US INT64_C(1000000)

/* These have no SQLSTATE: libpq's, the C library's and our own words. In another language they are merely tried again. */
static bool final_words(const char *msg)
{
	static const char *const words[] = {"Name or service not known", "No address associated", "certificate", "does not support SSL", "is held by another process",
					    "root.crt", "private key",
					    /* ssh's, as host/tunnel.c words them */
					    "has no address", "forbids forwarding", "there is no such file", "could not listen on", "of the tunnel is taken", "ended with status"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(msg, words[i]))
			return true;
	return false;
}

/* A server that starts, stops, has no free slot or memory; a pooler whose server fails over says 08P01 (a password it refuses is ERR_AUTH). */
static bool passing_state(const char *state)
{
	static const char *const states[] = {"57P03", "57P01", "57P02", "53300", "53200", "08P01"};

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(state, states[i]) == 0)
			return true;
	return false;
}

bool patience_may_pass(const struct err *why)
{
	switch (why->code) {
	case ERR_TIMEOUT: case ERR_LOST:
		return true;
	case ERR_CONNECT:
		if (why->sqlstate[0])
			return passing_state(why->sqlstate);
		return !final_words(why->msg);
	case ERR_OK: case ERR_USAGE: case ERR_AUTH: case ERR_SQL: case ERR_CANCELLED: case ERR_IO: case ERR_NOSPACE: case ERR_CHILD:
	case ERR_BLOCKED: case ERR_DIFFERS: case ERR_BUSY: case ERR_HOSTKEY:
		return false;
	}
	return false;
}

bool patience_password(const struct err *why)
{
	return why->code == ERR_AUTH && (!why->sqlstate[0] || strcmp(why->sqlstate, "28P01") == 0 || strcmp(why->sqlstate, "08P01") == 0);
}

/* Somebody may put it right meanwhile. */
static bool may_be_mended(const struct err *why)
{
	return why->code == ERR_CONNECT || why->code == ERR_AUTH || why->code == ERR_SQL || why->code == ERR_IO || why->code == ERR_CHILD || why->code == ERR_NOSPACE;
}

bool patience_more(struct patience *p, const struct err *why)
{
	int64_t now = clock_mono_us();
	bool passes = patience_may_pass(why);
	int wait_s = passes ? p->most_s : p->refused_s;

	p->over = !passes && (p->refused_s == 0 || !may_be_mended(why) || (patience_password(why) && !p->several));
	if (p->over)
		return false;
	p->began_us = p->tries == 0 ? now : p->began_us;
	p->tries++;
	if (passes && p->tries < 16 && 1 << (p->tries - 1) < wait_s)
		wait_s = 1 << (p->tries - 1);
	p->next_us = now + wait_s * SECOND_US;
	p->over = (p->of != 0 && p->tries >= p->of) || (p->for_ms != 0 && p->next_us - p->began_us > p->for_ms * 1000);
	return !p->over;
}

int patience_left_s(const struct patience *p)
{
	int64_t left = p->next_us - clock_mono_us();

	return left > 0 ? (int)((left + SECOND_US - 1) / SECOND_US) : 0;
}

bool patience_wait(const struct patience *p, struct cancel *cancel, void (*tell)(void *arg, const struct patience *p, int left_s), void *arg)
{
	struct pollfd fd = {.fd = cancel ? cancel->fd : -1, .events = POLLIN};

	for (int left; (left = patience_left_s(p)) > 0 && !cancel_raised(cancel);) {
		if (tell)
			tell(arg, p, left);
		if (cancel_sooner(cancel, p->next_us) < p->next_us) /* nothing may be begun any more by then */
			return false;
		/* to where one second less is left */
		(void)poll(&fd, 1, clock_poll_ms(p->next_us - (left - 1) * SECOND_US));
	}
	if (tell)
		tell(arg, p, 0);
	return !cancel_raised(cancel);
}
