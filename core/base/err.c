#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
	[ERR_OK] = "ok",           [ERR_USAGE] = "usage",     [ERR_CONNECT] = "connect",
	[ERR_AUTH] = "auth",       [ERR_LOST] = "lost",       [ERR_SQL] = "sql",
	[ERR_TIMEOUT] = "timeout", [ERR_CANCELLED] = "cancelled", [ERR_IO] = "io",
	[ERR_NOSPACE] = "no space", [ERR_CHILD] = "child",    [ERR_BLOCKED] = "blocked",
	[ERR_DIFFERS] = "differs", [ERR_BUSY] = "busy", [ERR_HOSTKEY] = "host key",
};

const char *err_code_name(enum err_code code)
{
	return code_names[code];
}

static const char *const code_hints[] = {
	[ERR_OK] = "",
	[ERR_USAGE] = "correct the settings file or the command line; pgusher --sample explains every setting",
	[ERR_CONNECT] = "check that the server runs and can be reached from here, then do the same again",
	[ERR_AUTH] = "check the role, its password and its rights on that server, then do the same again",
	[ERR_LOST] = "check that the server runs and that the network holds, then do the same again: it goes on where it stood",
	[ERR_SQL] = "the server's log has the whole statement and its reason; put that right, then do the same again",
	[ERR_TIMEOUT] = "see what it waits for (pg_stat_activity on that server), then do the same again",
	[ERR_CANCELLED] = "what was made until then stays; pgusher status says where it stands, and how to go on or clean up",
	[ERR_IO] = "check that the folder is there, that it is yours and that its disk has room; then do the same again",
	[ERR_NOSPACE] = "free disk space, then do the same again: what was done is written down",
	[ERR_CHILD] = "run the command by hand to see more; its words are above and in the log",
	[ERR_BLOCKED] = "pgusher status says where the migration stands, pgusher check what must be put right",
	[ERR_DIFFERS] = "do not use the target before the tables named are understood; pgusher report has rows and checksums",
	[ERR_BUSY] = "watch it with pgusher status; come back when it has ended",
	[ERR_HOSTKEY] = "compare the fingerprint with the administrator's, then accept it in the wizard or with --confirm",
};

const char *err_next(const struct err *err)
{
	return err->hint[0] ? err->hint : code_hints[err->code];
}

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	memset(err, 0, sizeof *err);
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	return code;
}

enum err_code err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return ERR_OK;
	va_start(ap, fmt);
	(void)vsnprintf(err->hint, sizeof err->hint, fmt, ap);
	va_end(ap);
	return err->code;
}

enum err_code err_suffix(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return ERR_OK;
	size_t n = strlen(err->msg);
	va_start(ap, fmt);
	(void)vsnprintf(err->msg + n, sizeof err->msg - n, fmt, ap);
	va_end(ap);
	return err->code;
}

enum err_code err_prefix(struct err *err, const char *fmt, ...)
{
	struct err old;
	va_list ap;

	if (err == NULL)
		return ERR_OK;
	old = *err;
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->msg), room = sizeof err->msg - n - 1;
	(void)strncat(err->msg, ": ", room);
	(void)strncat(err->msg, old.msg, room > 2 ? room - 2 : 0);
	return err->code;
}

enum err_code err_errno(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t n;

	if (err == NULL)
		return saved == ENOSPC || saved == EDQUOT ? ERR_NOSPACE : ERR_IO;
	memset(err, 0, sizeof *err);
	err->code = saved == ENOSPC || saved == EDQUOT ? ERR_NOSPACE : ERR_IO;
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof err->msg, fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	(void)snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror(saved));
	if (err->code == ERR_NOSPACE)
		(void)snprintf(err->hint, sizeof err->hint,
			       "Free space on that file system, or choose another directory.");
	return err->code;
}
