/* Quoting for SQL and for connection strings; declared in session.h. */
#include <stdlib.h>
#include <string.h>

#include "pg/session.h"

static void quoted(struct str *out, const char *text, char q)
{
	str_addc(out, q);
	for (const char *p = text; *p; p++) {
		if (*p == q)
			str_addc(out, q);
		str_addc(out, *p);
	}
	str_addc(out, q);
}

void sql_ident(struct str *out, const char *name)
{
	quoted(out, name, '"');
}

/* standard_conforming_strings is pinned on, so that a backslash is a backslash. */
void sql_literal(struct str *out, const char *text)
{
	quoted(out, text, '\'');
}

void sql_qualified(struct str *out, const char *schema, const char *name)
{
	sql_ident(out, schema);
	str_addc(out, '.');
	sql_ident(out, name);
}

static void conninfo_word(struct str *out, const char *key, const char *value)
{
	if (str_empty(value))
		return;
	if (out->len > 0)
		str_addc(out, ' ');
	bool plain = strpbrk(value, " '\\=\t\n\r\v\f") == NULL;
	str_addf(out, plain ? "%s=" : "%s='", key);
	for (const char *p = value; *p; p++) {
		if (*p == '\'' || *p == '\\')
			str_addc(out, '\\');
		str_addc(out, *p);
	}
	if (!plain)
		str_addc(out, '\'');
}

char *endpoint_conninfo(const struct endpoint *ep, const char *dbname, bool read_write)
{
	struct str s = {0};

	conninfo_word(&s, "service", ep->service);
	conninfo_word(&s, "host", ep->host);
	if (ep->forward) { /* one loopback address for each host, whose name stays for verify-full and the password file */
		struct str addrs = {0};
		str_add(&addrs, "127.0.0.1");
		for (const char *p = ep->forward; (p = strchr(p, ',')) != NULL; p++)
			str_add(&addrs, ",127.0.0.1");
		conninfo_word(&s, "hostaddr", str_text(&addrs));
		str_fini(&addrs);
	}
	conninfo_word(&s, "port", ep->forward ? ep->forward : ep->port);
	conninfo_word(&s, "user", ep->user);
	conninfo_word(&s, "dbname", dbname ? dbname : ep->dbname);
	conninfo_word(&s, "sslmode", ep->sslmode);
	conninfo_word(&s, "sslrootcert", ep->sslrootcert);
	conninfo_word(&s, "sslcert", ep->sslcert);
	conninfo_word(&s, "sslkey", ep->sslkey);
	if (read_write && ep->host && strchr(ep->host, ','))
		conninfo_word(&s, "target_session_attrs", "read-write");
	return str_take(&s);
}

char *sql_array(const struct strv *v)
{
	struct str s = {0};

	str_addc(&s, '{');
	for (size_t i = 0; i < v->n; i++) {
		str_add(&s, i ? ",\"" : "\"");
		for (const char *p = v->v[i]; *p; p++) {
			if (*p == '"' || *p == '\\')
				str_addc(&s, '\\');
			str_addc(&s, *p);
		}
		str_addc(&s, '"');
	}
	str_addc(&s, '}');
	return str_take(&s);
}

char *endpoint_label(const struct endpoint *ep)
{
	const char *host = !str_empty(ep->host) ? ep->host : !str_empty(ep->service) ? ep->service : "local socket";
	const char *db = ep->dbname ? ep->dbname : ep->user ? ep->user : "";

	if (str_empty(ep->port))
		return xasprintf("%s/%s", host, db);
	return xasprintf("%s:%s/%s", host, ep->port, db);
}
