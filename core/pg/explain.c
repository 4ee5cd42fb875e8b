#include "pg/explain.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

struct advice {
	const char *state; /* whole SQLSTATE or its class */
	enum err_code code;
	const char *hint;
};

static const struct advice connect_advice[] = {
	{"28P01", ERR_AUTH, "check the role and its password; type it again, or put it into the password file"},
	{"28000", ERR_AUTH, "ask for a pg_hba.conf line for this host, role and database; on the server, then reload: SELECT pg_reload_conf()"},
	{"3D000", ERR_SQL, "check the database name; psql -l on the server lists them"},
	{"42501", ERR_AUTH, "grant it on the server: GRANT CONNECT ON DATABASE ... TO this role"},
	{"53300", ERR_CONNECT, "all connection slots of the server are taken; close some, or raise max_connections"},
	{"57P03", ERR_CONNECT, "the server is starting or shutting down; wait a moment and try again"},
	{"55000", ERR_CONNECT, "the database takes no connections: ALTER DATABASE ... ALLOW_CONNECTIONS true"},
	{"0A000", ERR_CONNECT, "something between (a pooler, a proxy) does not speak all of the protocol; go to the server itself"},
	{"08P01", ERR_CONNECT, "a pooler or proxy refused; check its configuration, or go to the server itself"},
};

static const struct advice result_advice[] = {
	{"57P01", ERR_LOST, "the server ends sessions (restart, or somebody terminated it); go on when it is back"},
	{"57P02", ERR_LOST, "the server crashed and restarts; look at its log, go on when it is back"},
	{"57P03", ERR_LOST, "the server is starting or shutting down; go on when it is back"},
	{"57P05", ERR_LOST, "the server closed an idle session; go on"},
	{"57014", ERR_CANCELLED, "the statement was cancelled on the server (by somebody, or by a timeout there)"},
	{"53100", ERR_NOSPACE, "free disk space on the server, then go on"},
	{"53200", ERR_SQL, "the server is out of memory or lock table slots: raise max_locks_per_transaction, or free memory"},
	{"53300", ERR_SQL, "all connection slots of the server are taken; use fewer jobs"},
	{"42501", ERR_SQL, "this role lacks the right: grant it, or connect as a role that has it"},
	{"55P03", ERR_SQL, "another session holds a lock on it: see pg_stat_activity and pg_locks"},
	{"55006", ERR_SQL, "the object is in use by another session: close it, then try again"},
	{"25006", ERR_SQL, "the server or database is read-only: a standby, or default_transaction_read_only"},
	{"08", ERR_LOST, "check that the server runs and that the network holds, then go on"},
};

static const struct advice *advice_for(const struct advice *t, size_t n, const char *state)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(state, t[i].state, strlen(t[i].state)) == 0)
			return &t[i];
	return NULL;
}

#define ADVICE(table, state) advice_for(table, sizeof(table) / sizeof *(table), state)

/* The verbose form is "SEVERITY:  28P01: text" and a LOCATION line; SEVERITY may be in any language. */
static bool find_state(const char *msg, char state[6], const char **text)
{
	for (const char *p = msg; (p = strstr(p, ":  ")) != NULL; p++) {
		const char *q = p + 3;
		size_t i = 0;
		while (i < 5 && (isdigit((unsigned char)q[i]) || (q[i] >= 'A' && q[i] <= 'Z')))
			i++;
		if (i == 5 && q[5] == ':' && q[6] == ' ') {
			memcpy(state, q, 5);
			state[5] = '\0';
			*text = q + 7;
			return true;
		}
	}
	return false;
}

/* One line, without the LOCATION part, DETAIL kept. */
static char *one_line(const char *msg)
{
	struct str s = {0};
	struct strv lines = {0};

	strv_split(&lines, msg, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		if (i > 0 && strstr(lines.v[i], ".c:") != NULL)
			continue; /* the source file of the server */
		if (s.len > 0)
			str_add(&s, "; ");
		str_add(&s, lines.v[i]);
	}
	strv_fini(&lines);
	return str_take(&s);
}

/* The values in "..." of the server's pg_hba message are host, user, database, in every language. */
static void hint_hba(const char *text, struct err *err)
{
	char part[3][128] = {{0}};
	const char *p = text;
	int n = 0;

	for (; n < 3 && (p = strchr(p, '"')) != NULL; n++) {
		const char *end = strchr(++p, '"');
		if (!end)
			break;
		size_t len = (size_t)(end - p);
		memcpy(part[n], p, len < sizeof part[n] ? len : sizeof part[n] - 1);
		p = end + 1;
	}
	if (n == 3 && strchr(part[0], '['))
		(void)err_hint(err, "add to pg_hba.conf on the server, then SELECT pg_reload_conf(): local %s %s scram-sha-256", part[2], part[1]);
	else if (n == 3)
		(void)err_hint(err, "add to pg_hba.conf on the server, then SELECT pg_reload_conf(): host %s %s %s/%d scram-sha-256",
			       part[2], part[1], part[0], strchr(part[0], ':') ? 128 : 32);
}

/* pgbouncer's words come with a SQLSTATE that says nothing (08P01). */
static bool pooler_refuses(const char *line)
{
	static const char *const words[] = {"SASL authentication failed", "password authentication failed", "no such user", "auth failed"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/* libpq says nothing of a file that it cannot read, nor of one that it leaves aside as others may read it. */
static void hint_passfile(PGconn *conn, struct err *err)
{
	PQconninfoOption *all = PQconninfo(conn);
	const char *path = NULL;
	struct stat st;

	for (PQconninfoOption *o = all; o && o->keyword; o++)
		if (strcmp(o->keyword, "passfile") == 0)
			path = o->val;
	if (!path || !*path) {
		(void)err_hint(err, "type it on the wizard's server screens, or give it in PGPASSWORD or a password file");
	} else if (stat(path, &st) < 0 || access(path, R_OK) < 0) {
		if (errno == ENOENT && str_ends(path, "/.pgpass")) /* nobody named it */
			(void)err_hint(err, "type it on the wizard's server screens, or give it in PGPASSWORD or in %s", path);
		else
			(void)err_hint(err, "cannot read %s, the password file: %s", path, strerror(errno));
	} else if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO))) {
		(void)err_hint(err, "the password file %s is passed over, as others may read it: chmod 600 %s", path, path);
	} else {
		(void)err_hint(err, "type it on the wizard's server screens, or give it in PGPASSWORD; the password file %s has none for this server, database and role", path);
	}
	PQconninfoFree(all);
}

static const char *option(const PQconninfoOption *all, const char *name)
{
	for (const PQconninfoOption *o = all; o && o->keyword; o++)
		if (strcmp(o->keyword, name) == 0)
			return o->val ? o->val : "";
	return "";
}

/* libpq takes the first that it finds: what it is given, the service file, PGPASSWORD, the password file. */
static enum err_code from_where(PGconn *conn, const struct endpoint *ep, struct err *err)
{
	static const char check[] = "check the role and its password";
	const char *pooler = strcmp(err->sqlstate, "08P01") == 0 || strstr(err->msg, "SASL") ? "; behind a pooler it must know both, too (auth_file, auth_query)" : "";
	PQconninfoOption *all = PQconninfo(conn);
	const char *env = getenv("PGPASSWORD"), *file = option(all, "passfile"), *found = option(all, "password");

	if (secret_known(&ep->password) && ep->by_command) {
		(void)err_suffix(err, "; the password is what password_command said");
		(void)err_hint(err, "%s: see what password_command prints%s", check, pooler);
	} else if (secret_known(&ep->password)) {
		(void)err_suffix(err, "; the password is the one that was typed");
		(void)err_hint(err, "%s: type it again%s", check, pooler);
	} else if (env && *env && strcmp(found, env) == 0) {
		(void)err_suffix(err, "; the password is from PGPASSWORD");
		(void)err_hint(err, "%s: PGPASSWORD goes before %s; put it right, or unset it%s", check, *file ? file : "a password file", pooler);
	} else if (*found) {
		(void)err_suffix(err, "; the password is from the service file");
		(void)err_hint(err, "%s%s", check, pooler);
	} else if (*file) {
		(void)err_suffix(err, "; the password is from the file %s", file);
		(void)err_hint(err, "%s: put its line in %s right%s", check, file, pooler);
	} else {
		(void)err_hint(err, "%s%s", check, pooler);
	}
	PQconninfoFree(all);
	return err->code;
}

enum err_code explain_password(PGconn *conn, const struct endpoint *ep, const char *port, struct err *err)
{
	const char *at = PQhost(conn), *on = !str_empty(port) ? port : PQport(conn);
	char *twice = strstr(err->msg, "; password retrieved from file");

	if (err->code != ERR_AUTH || (err->sqlstate[0] && strcmp(err->sqlstate, "28P01") != 0 && strcmp(err->sqlstate, "08P01") != 0))
		return err->code;
	if (twice) /* libpq's word on that, which it has for files only */
		*twice = '\0';
	bool named = strstr(err->msg, PQuser(conn)) != NULL;
	(void)err_suffix(err, " (%s%s%s:%s, database %s)", named ? "" : PQuser(conn), named ? "" : " at ", at ? at : "?", on ? on : "?", PQdb(conn));
	return err->sqlstate[0] ? from_where(conn, ep, err) : err->code;
}

enum err_code explain_connect(PGconn *conn, struct err *err)
{
	const char *msg = PQerrorMessage(conn), *text = msg;
	char state[6] = "";
	bool has = find_state(msg, state, &text);
	char *line = one_line(text);
	const struct advice *a = has ? ADVICE(connect_advice, state) : NULL;

	err_set(err, a ? a->code : ERR_CONNECT, "%s", line);
	memcpy(err->sqlstate, state, sizeof state);
	if (a)
		(void)err_hint(err, "%s", a->hint);
	if (has && strcmp(state, "28000") == 0 && strstr(line, "pg_hba"))
		hint_hba(line, err);
	if (!has && PQconnectionNeedsPassword(conn)) {
		err_set(err, ERR_AUTH, "the server wants a password for this role");
		hint_passfile(conn, err);
	} else if (pooler_refuses(line)) {
		err->code = ERR_AUTH;
	} else if (!has && strstr(line, "could not translate host name")) {
		(void)err_hint(err, "check how the host's name is spelt, and that this host can look it up; an address works, too");
	} else if (!has) {
		(void)err_hint(err, "check that the server runs, that it listens on this address and port, and TLS settings");
	}
	free(line);
	return err->code;
}

enum err_code explain_result(PGconn *conn, const PGresult *res, struct err *err)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	const char *detail = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *hint = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_HINT) : NULL;

	if (!state) {
		char *line = one_line(primary ? primary : PQerrorMessage(conn));
		err_set(err, PQstatus(conn) == CONNECTION_BAD ? ERR_LOST : ERR_SQL, "%s", line);
		free(line);
		if (err->code == ERR_LOST)
			(void)err_hint(err, "check that the server runs and that the network holds, then go on");
		return err->code;
	}
	const struct advice *a = ADVICE(result_advice, state);
	err_set(err, a ? a->code : ERR_SQL, "%s%s%s", primary ? primary : "error", detail ? "; " : "", detail ? detail : "");
	if (PQstatus(conn) == CONNECTION_BAD)
		err->code = ERR_LOST;
	snprintf(err->sqlstate, sizeof err->sqlstate, "%s", state);
	if (a || hint)
		(void)err_hint(err, "%s", a ? a->hint : hint);
	return err->code;
}

const char *explain_hint(const char *sqlstate)
{
	const struct advice *a = ADVICE(result_advice, sqlstate);

	return a ? a->hint : "";
}
