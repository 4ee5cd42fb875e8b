/* What an ssh host is called and which key it shows; declared in tunnel.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/process.h"
#include "host/tunnel.h"

#define ASK_MS 15000

/* Value of one line of `ssh -G`; caller frees; NULL: not there. */
static char *config_value(const char *config, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = config; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return xstrndup(p + len + 1, strcspn(p + len + 1, "\n"));
	return NULL;
}

static char *config_of(const struct endpoint *ep, bool plain, struct cancel *cancel)
{
	struct strv argv = {0};
	struct err err;
	char *out = NULL;

	strv_add(&argv, "ssh");
	if (plain) {
		strv_add(&argv, "-F");
		strv_add(&argv, "none");
	}
	strv_add(&argv, "-G");
	strv_add(&argv, "--");
	strv_add(&argv, ep->ssh);
	(void)process_output(&argv, ASK_MS, cancel, &out, &err);
	strv_fini(&argv);
	return out;
}

static bool is_forward(const char *line)
{
	static const char *const keys[] = {"localforward ", "remoteforward ", "dynamicforward ", "clearallforwardings ", "exitonforwardfailure ",
					   "gatewayports ", "host "};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (str_starts(line, keys[i]))
			return true;
	return false;
}

/* ssh -G writes "keyword value", the keyword in small letters; anything else is no option. */
static bool is_option(const char *line)
{
	size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789");

	return n > 0 && line[n] == ' ';
}

char *tunnel_own_config(const char *config, const char *plain)
{
	struct strv own = {0}, usual = {0};
	struct str s = {0};

	strv_split(&own, config, "\n");
	strv_split(&usual, plain, "\n");
	for (size_t i = 0; i < own.n; i++)
		if (is_option(own.v[i]) && !is_forward(own.v[i]) && !strv_has(&usual, own.v[i]))
			str_addf(&s, "%s\n", own.v[i]);
	strv_fini(&own);
	strv_fini(&usual);
	return str_take(&s);
}

void tunnel_configure(struct endpoint *ep, struct cancel *cancel)
{
	static const char *const keys[] = {"localforward", "remoteforward", "dynamicforward"};
	char *config = config_of(ep, false, cancel), *plain = NULL, *value = NULL;

	for (size_t i = 0; i < sizeof keys / sizeof *keys && config && !value; i++)
		value = config_value(config, keys[i]);
	if (value)
		plain = config_of(ep, true, cancel);
	free(ep->ssh_config);
	ep->ssh_config = plain ? tunnel_own_config(config, plain) : NULL;
	free(value);
	free(plain);
	free(config);
}

char *tunnel_resolve(const struct endpoint *ep, struct cancel *cancel)
{
	char *config = config_of(ep, false, cancel);
	char *user = config_value(config, "user"), *host = config_value(config, "hostname"), *port = config_value(config, "port");
	char *jump = config_value(config, "proxyjump");
	char *text = user && host && port ? xasprintf("%s@%s port %s%s%s", user, host, port, jump && !str_eq(jump, "none") ? " through " : "",
						      jump && !str_eq(jump, "none") ? jump : "") : NULL;

	free(user);
	free(host);
	free(port);
	free(jump);
	free(config);
	return text;
}

/* "~/x" as ssh means it; caller frees. */
static char *expand(const char *path)
{
	const char *home = getenv("HOME");

	return path[0] == '~' && path[1] == '/' && home ? xasprintf("%s%s", home, path + 1) : xstrdup(path);
}

static char *known_hosts_file(const struct endpoint *ep, struct cancel *cancel)
{
	char *config = config_of(ep, false, cancel), *all = config_value(config, "userknownhostsfile");
	char *first = all ? xstrndup(all, strcspn(all, " ")) : NULL, *path = NULL;

	if (first && !str_eq(first, "/dev/null") && !str_eq(first, "none"))
		path = expand(first);
	free(first);
	free(all);
	free(config);
	return path;
}

static char *read_file(const char *path)
{
	char buf[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, sizeof buf - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	return n > 0 ? xstrndup(buf, (size_t)n) : NULL;
}

/*
 * ssh itself is sent there with an empty known_hosts of our own, which it fills before it tries to log in: so the way is the
 * same (Port, ProxyJump, HostKeyAlias) as the tunnel's. The login may fail, it is not wanted.
 */
static enum err_code fetch(const char *file, const struct endpoint *ep, struct cancel *cancel, struct err *err)
{
	struct strv argv = {0};
	struct process_result res = {0};
	static const char *const words[] = {"ssh", "-T", "-N", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new", "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "HashKnownHosts=no", "-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=10", "-o", "PreferredAuthentications=none",
		"-o", "UpdateHostKeys=no", "-o", "RemoteCommand=none", "-o", "ClearAllForwardings=yes"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		strv_add(&argv, words[i]);
	strv_add(&argv, "-o");
	strv_addf(&argv, "UserKnownHostsFile=%s", file);
	strv_add(&argv, "--");
	strv_add(&argv, ep->ssh);
	const struct process_spec spec = {.argv = &argv};
	enum err_code rc = process_run(&spec, 1, NULL, ASK_MS, cancel, &res, err);
	struct err why = {0};
	const char *said = res.n && res.last[0] ? res.last[0] : "";
	if (rc == ERR_CHILD && strstr(said, "Permission denied"))
		rc = ERR_OK;
	else if (rc == ERR_CHILD && tunnel_explain(said, ep, &why) != ERR_OK)
		rc = (*err = why).code;
	process_result_fini(&res);
	strv_fini(&argv);
	return rc;
}

/* "256 SHA256:abc host (ED25519)" becomes "SHA256:abc (ED25519)". */
static char *short_fingerprint(const char *out)
{
	const char *sha = strstr(out, "SHA256:"), *kind = strrchr(out, '(');

	if (!sha || !kind)
		return NULL;
	return xasprintf("%.*s %.*s", (int)strcspn(sha, " \n"), sha, (int)strcspn(kind, "\n"), kind);
}

enum err_code tunnel_key_ask(struct host_key *k, const struct endpoint *ep, struct cancel *cancel, struct err *err)
{
	char dir[] = "/tmp/pgusher-key.XXXXXX";

	*k = (struct host_key){0};
	if (!mkdtemp(dir))
		return err_errno(err, "cannot make a folder in /tmp");
	char *file = xasprintf("%s/known_hosts", dir), *out = NULL;
	enum err_code rc = fetch(file, ep, cancel, err);
	if (rc == ERR_OK && !(k->line = read_file(file)))
		rc = err_set(err, ERR_CONNECT, "%s showed no host key", ep->ssh);
	if (rc == ERR_OK) {
		struct strv argv = {0};
		strv_add(&argv, "ssh-keygen");
		strv_add(&argv, "-lf");
		strv_add(&argv, file);
		rc = process_output(&argv, ASK_MS, cancel, &out, err);
		strv_fini(&argv);
	}
	if (rc == ERR_OK && !(k->fingerprint = short_fingerprint(out)))
		rc = err_set(err, ERR_CHILD, "ssh-keygen did not show a fingerprint");
	if (rc == ERR_OK && !(k->file = known_hosts_file(ep, cancel)))
		rc = err_set(err, ERR_USAGE, "the ssh configuration names no known_hosts file to add the key to");
	(void)unlink(file);
	(void)rmdir(dir);
	free(file);
	free(out);
	if (rc != ERR_OK)
		host_key_fini(k);
	return rc;
}

enum err_code tunnel_key_accept(const struct host_key *k, struct err *err)
{
	char *slash = strrchr(k->file, '/');

	if (slash && slash != k->file) {
		char *dir = xstrndup(k->file, (size_t)(slash - k->file));
		(void)mkdir(dir, 0700); /* it is there already, or the open says why not */
		free(dir);
	}
	int fd = open(k->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "cannot add the key to %s", k->file);
	/* an editor may have left the last line without an end: both keys would be lost */
	struct str s = {0};
	char last = '\n';
	off_t size = lseek(fd, 0, SEEK_END);
	if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n')
		str_addc(&s, '\n');
	str_add(&s, k->line);
	bool ok = write(fd, s.data, s.len) == (ssize_t)s.len;
	enum err_code rc = ok ? ERR_OK : err_errno(err, "cannot add the key to %s", k->file);
	(void)close(fd);
	str_fini(&s);
	return rc;
}

void host_key_fini(struct host_key *k)
{
	free(k->fingerprint);
	free(k->line);
	free(k->file);
	*k = (struct host_key){0};
}
