/* tunnel: the command, what ssh's words mean, a ~/.ssh/config that forwards by itself; peer: who holds the other end. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/peer.h"
#include "host/tunnel.h"
#include "pg/session.h"

static const char config[] =
	"user me\nhostname 10.0.0.5\nport 2222\nlocalforward 5433 [localhost]:5432\nremoteforward 9000 [localhost]:9000\ndynamicforward 1080\n"
	"exitonforwardfailure no\nidentityfile /home/me/my keys/id\nproxyjump a@jump1:22,jump2\ncompression no\nhost db\n";
static const char plain[] = "user root\nhostname db\nport 22\ncompression no\nidentityfile ~/.ssh/id_rsa\n";

static void test_own_config(void **state)
{
	(void)state;
	char *own = tunnel_own_config(config, plain);

	assert_string_equal(own, "user me\nhostname 10.0.0.5\nport 2222\nidentityfile /home/me/my keys/id\nproxyjump a@jump1:22,jump2\n");
	free(own);
	own = tunnel_own_config("", "");
	assert_string_equal(own, "");
	free(own);
}

static char *command(const struct endpoint *ep, const char *ports)
{
	struct strv words = {0};

	tunnel_words(&words, ep, ports);
	char *text = strv_join(&words, "|");
	strv_fini(&words);
	return text;
}

static void test_words(void **state)
{
	(void)state;
	struct endpoint ep = {.host = "db1,::1,/run/postgresql", .port = "5432,5433,5434", .ssh = "me@jump"};
	char *text = command(&ep, "40001,40002,40003");

	assert_non_null(strstr(text, "|-L|127.0.0.1:40001:db1:5432|-L|127.0.0.1:40002:[::1]:5433|-L|127.0.0.1:40003:/run/postgresql/.s.PGSQL.5434|--|me@jump"));
	assert_null(strstr(text, "|-F|"));
	free(text);
	ep = (struct endpoint){.host = "db1", .ssh = "db", .ssh_config = tunnel_own_config(config, plain)};
	text = command(&ep, "40001");
	assert_non_null(strstr(text, "|-F|none|-o|user=me|-o|hostname=10.0.0.5|-o|port=2222|-o|identityfile=\"/home/me/my keys/id\"|"));
	assert_non_null(strstr(text, "|-o|ProxyCommand=ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10 -J a@jump1:22 -W '[%h]:%p' -- ssh://jump2|"));
	assert_null(strstr(text, "5433"));
	free(text);
	free(ep.ssh_config);
}

static void test_explain(void **state)
{
	(void)state;
	static const struct { const char *said; enum err_code code; } all[] = {
		{"", ERR_OK},
		{"Warning: Permanently added 'db' (ED25519) to the list of known hosts.\r\n", ERR_OK},
		{"root@db: Permission denied (publickey).\r\n", ERR_AUTH},
		{"@@@\nREMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.\r\n", ERR_AUTH}, /* not merely unknown */
		{"Host key verification failed.\r\n", ERR_HOSTKEY},
		{"ssh: connect to host db port 22: Connection refused\r\n", ERR_CONNECT},
		{"channel 2: open failed: connect failed: Connection refused\r\n", ERR_CONNECT},
		{"channel 2: open failed: administratively prohibited: open failed\r\n", ERR_CONNECT},
		{"Timeout, server db not responding.\r\n", ERR_LOST},
	};
	const struct endpoint ep = {.ssh = "db"};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct err err = {0};
		assert_int_equal(tunnel_explain(all[i].said, &ep, &err), all[i].code);
		assert_int_equal(err.hint[0] != '\0', all[i].code != ERR_OK);
	}
}

/* ---- who holds the other end ---- */

struct impostor { pid_t pid; int port; int *heard; }; /* heard: bytes after the question for a password; shared with the child */

/* Listens, takes one connection, asks for a clear password as a server of PostgreSQL does, and counts what it is told. */
static _Noreturn void listen_in(int fd, int *heard)
{
	static const char ask[] = {'R', 0, 0, 0, 8, 0, 0, 0, 3};
	char buf[512];
	int c = accept(fd, NULL, NULL);

	if (c < 0 || read(c, buf, sizeof buf) <= 0 || write(c, ask, sizeof ask) != (ssize_t)sizeof ask)
		_exit(1);
	ssize_t n = read(c, buf, sizeof buf);
	*heard = n > 0 ? (int)n : -1;
	_exit(0);
}

static struct impostor impostor_start(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	struct impostor im = {.heard = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(im.heard != MAP_FAILED && fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	im.port = ntohs(a.sin_port);
	im.pid = fork();
	assert_true(im.pid >= 0);
	if (im.pid == 0) {
		(void)setpgid(0, 0);
		listen_in(fd, im.heard);
	}
	(void)setpgid(im.pid, im.pid);
	(void)close(fd);
	return im;
}

static void impostor_end(struct impostor *im)
{
	(void)kill(im->pid, SIGKILL);
	(void)waitpid(im->pid, NULL, 0);
	(void)munmap(im->heard, sizeof(int));
}

static void test_listens(void **state)
{
	(void)state;
	struct impostor im = impostor_start();

	assert_true(peer_listens(im.port, im.pid));
	assert_false(peer_listens(im.port, getpgrp()));
	impostor_end(&im);
	assert_false(peer_listens(im.port, im.pid));
}

/* The password goes to our own ssh alone. */
static enum err_code log_in(const struct impostor *im, pid_t group, struct err *err)
{
	char *port = xasprintf("%d", im->port);
	struct endpoint ep = {.host = "db1", .dbname = "x", .user = "u", .sslmode = "disable", .forward = port, .forward_group = group};
	struct session_options opt = {.timeout_ms = 5000};
	struct session *s = NULL;

	secret_set(&ep.password, "open sesame");
	enum err_code rc = session_open(&s, &ep, &opt, NULL, err);
	session_close(s);
	secret_fini(&ep.password);
	free(port);
	return rc;
}

static void test_impostor(void **state)
{
	(void)state;
	struct err err = {0};
	struct impostor im = impostor_start();

	assert_int_equal(log_in(&im, getpgrp(), &err), ERR_CONNECT);
	assert_non_null(strstr(err.msg, "is held by another process than our ssh"));
	(void)waitpid(im.pid, NULL, 0);
	assert_int_equal(*im.heard, -1); /* the connection closed, nothing was said */
	impostor_end(&im);

	im = impostor_start();
	assert_int_not_equal(log_in(&im, im.pid, &err), ERR_OK); /* no server, but ours */
	assert_null(strstr(err.msg, "is held by another process"));
	(void)waitpid(im.pid, NULL, 0);
	assert_true(*im.heard > 0);
	impostor_end(&im);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* known_hosts as an editor may leave it: both keys must be lines of their own. */
static void test_key_is_a_line_of_its_own(void **state)
{
	static const struct { const char *before, *after; } cases[] = {
		{"a ssh-ed25519 AAA", "a ssh-ed25519 AAA\nb ssh-ed25519 BBB\n"}, {"a ssh-ed25519 AAA\n", "a ssh-ed25519 AAA\nb ssh-ed25519 BBB\n"},
		{"", "b ssh-ed25519 BBB\n"}, {NULL, "b ssh-ed25519 BBB\n"},
	};
	char dir[] = "/tmp/pgusher-unit.XXXXXX", buf[256];

	(void)state;
	assert_non_null(mkdtemp(dir));
	char *file = xasprintf("%s/ssh/known_hosts", dir), *folder = xasprintf("%s/ssh", dir);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct host_key k = {.line = (char *)"b ssh-ed25519 BBB\n", .file = file};
		struct err err = {0};
		(void)unlink(file);
		if (cases[i].before && i < 3) {
			(void)mkdir(folder, 0700);
			write_text(file, cases[i].before);
		}
		assert_int_equal(tunnel_key_accept(&k, &err), ERR_OK);
		FILE *f = fopen(file, "re");
		assert_non_null(f);
		buf[fread(buf, 1, sizeof buf - 1, f)] = '\0';
		(void)fclose(f);
		assert_string_equal(buf, cases[i].after);
	}
	(void)unlink(file);
	(void)rmdir(folder);
	(void)rmdir(dir);
	free(file);
	free(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_config), cmocka_unit_test(test_words),    cmocka_unit_test(test_explain),
		cmocka_unit_test(test_listens),    cmocka_unit_test(test_impostor), cmocka_unit_test(test_key_is_a_line_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
