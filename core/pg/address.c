#include "pg/address.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *blanks_skipped(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

bool address_given(const char *text)
{
	text = text ? blanks_skipped(text) : NULL;
	return text && (str_starts(text, "postgres://") || str_starts(text, "postgresql://") || strchr(text, '='));
}

static char **slot(struct endpoint *ep, const char *word)
{
	const struct { const char *word; char **to; } all[] = {
		{"host", &ep->host}, {"port", &ep->port}, {"dbname", &ep->dbname}, {"user", &ep->user}, {"sslmode", &ep->sslmode},
		{"sslrootcert", &ep->sslrootcert}, {"sslcert", &ep->sslcert}, {"sslkey", &ep->sslkey}, {"passfile", &ep->passfile}, {"service", &ep->service}};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (str_eq(all[i].word, word))
			return all[i].to;
	return NULL;
}

static const char *value_of(const PQconninfoOption *all, const char *word)
{
	for (const PQconninfoOption *o = all; o->keyword; o++)
		if (str_eq(o->keyword, word))
			return o->val;
	return NULL;
}

/* There it was pasted, with its password. */
static void wipe(struct endpoint *ep)
{
	if (ep->host)
		explicit_bzero(ep->host, strlen(ep->host));
	xreplace(&ep->host, NULL);
}

/* libpq takes blanks around an address for a part of it. Caller wipes and frees. */
static char *trimmed(const char *text)
{
	text = blanks_skipped(text);
	size_t n = strlen(text);

	while (n > 0 && strchr(" \t\r\n", text[n - 1]))
		n--;
	return xstrndup(text, n);
}

void address_tidy(struct endpoint *ep)
{
	char *own = ep->host ? trimmed(ep->host) : NULL;

	wipe(ep);
	ep->host = own;
}

static void take(struct endpoint *ep, const PQconninfoOption *all, struct str *rest)
{
	const char *host = value_of(all, "host"), *address = value_of(all, "hostaddr");

	wipe(ep);
	xreplace(&ep->host, str_empty(host) ? address : host);
	for (const PQconninfoOption *o = all; o->keyword; o++) {
		char **to = slot(ep, o->keyword);
		if (str_empty(o->val) || str_eq(o->keyword, "host"))
			continue;
		if (str_eq(o->keyword, "password"))
			secret_set(&ep->password, o->val);
		else if (to)
			xreplace(to, o->val);
		else if (!str_eq(o->keyword, "hostaddr") || !str_empty(host))
			str_addf(rest, "%s%s", rest->len ? ", " : "", o->keyword);
	}
}

static void forget(PQconninfoOption *all)
{
	for (PQconninfoOption *o = all; o && o->keyword; o++)
		if (o->val)
			explicit_bzero(o->val, strlen(o->val));
	PQconninfoFree(all);
}

enum err_code address_take(struct endpoint *ep, const char *text, char **left_out, struct err *err)
{
	char *said = NULL, *own = trimmed(text);
	PQconninfoOption *all = PQconninfoParse(own, &said);
	struct str rest = {0};

	explicit_bzero(own, strlen(own));
	free(own);
	*left_out = NULL;
	if (!all) {
		wipe(ep);
		if (said) { /* it quotes the address, password and all */
			explicit_bzero(said, strlen(said));
			PQfreemem(said);
		}
		err_set(err, ERR_USAGE, "this address cannot be read, and is not kept: it may hold a password");
		return err_hint(err, "postgresql://user@host:port/dbname, or host=... port=... dbname=... user=...");
	}
	take(ep, all, &rest);
	forget(all);
	if (rest.len)
		*left_out = xstrdup(str_text(&rest));
	str_fini(&rest);
	return ERR_OK;
}
