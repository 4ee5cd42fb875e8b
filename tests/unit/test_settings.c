/* The ini file: every key reads, is bounded, is written and read back; all that is wrong is told at once; no secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pg/address.h"
#include "settings.h"
#include "settings_in.h"

#define PASSWORD "correct-horse-battery"

static char folder[] = "/tmp/pgusher-settings.XXXXXX";
static char path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/a.ini", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static char *rest_of(FILE *f)
{
	struct str s = {0};
	char buf[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof buf, f)) > 0)
		str_addn(&s, buf, n);
	return str_take(&s);
}

static char *slurp(const char *name)
{
	FILE *f = fopen(name, "re");
	char *text = rest_of(f);

	assert_int_equal(fclose(f), 0);
	return text;
}

static void spill(const char *name, const char *text, size_t n)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* "" when all of it is taken, else the messages, one per line; caller frees. */
static char *parse(struct migration *m, const char *text)
{
	struct strv wrong = {0};
	enum err_code rc = settings_parse(m, text, "f", &wrong);
	char *all = strv_join(&wrong, "\n");

	assert_int_equal(rc, wrong.n ? ERR_USAGE : ERR_OK);
	strv_fini(&wrong);
	return all;
}

static char *line_of(const struct setting *k, const char *value)
{
	return xasprintf("[%s]\n%s = %s\n", k->section, k->name, value);
}

/* What a value is in memory, as text; NULL: not set. */
static char *held(const struct migration *m, const struct setting *k)
{
	const void *at = (const char *)m + k->at;

	switch (k->type) {
	case T_TEXT:
	case T_PLAIN:
	case T_PORT:
	case T_NAME:
	case T_COMPRESS:
	case T_SLOT:
	case T_STREAMING:
	case T_SYNC:
	case T_CUT_VERIFY:
		return xstrdup(*(char *const *)at);
	case T_INT:
		return xasprintf("%d", *(const int *)at);
	case T_BYTES:
		return xasprintf("%lld", (long long)*(const int64_t *)at);
	case T_BOOL:
		return xstrdup(*(const bool *)at ? "yes" : "no");
	case T_LIST:
	case T_TABLES:
	case T_ARGV:
		return strv_join(at, "|");
	case T_METHOD:
		return xstrdup(method_name(*(const enum method *)at));
	case T_TRANSFER:
		return xstrdup(transfer_name(*(const enum transfer *)at));
	case T_FORMAT:
		return xstrdup(dump_format_name(*(const enum dump_format *)at));
	case T_VERIFY:
		return xstrdup(verify_mode_name(*(const enum verify_mode *)at));
	case T_FENCE:
		return xstrdup(fence_name(*(const enum fence *)at));
	case T_COPY:
		return xstrdup(sub_copy_name(*(const enum sub_copy *)at));
	}
	return NULL;
}

struct words { const char *in[12], *out[12]; }; /* out: NULL is the same as in */

static const struct words good[] = {
	[T_TEXT] = {{"x", "a;b", "a = b", "\"q\" 'q'", "\xd0\xb1\xd0\xb0\xd0\xb7\xd0\xb0", "/a b/c"}, {0}},
	[T_PLAIN] = {{"x", "a;b", "a#b", "#a", "a:b", "10.0.0.1,10.0.0.2"}, {0}},
	[T_PORT] = {{"5432", "1", "65535", "5432,5433", "5432, 5433"}, {0}},
	[T_BOOL] = {{"yes", "true", "on", "1", "no", "false", "off", "0"}, {"yes", "yes", "yes", "yes", "no", "no", "no", "no"}},
	[T_LIST] = {{"a", "a, b ,c", "a b, \"c\"", ","}, {"a", "a|b|c", "a b|\"c\"", ""}},
	[T_TABLES] = {{"a.b", "t", "a.b, c.d", "\"a,b\".\"c.\"\"d\""}, {"a.b", "t", "a.b|c.d", "\"a,b\".\"c.\"\"d\""}},
	[T_ARGV] = {{"ssh db", "sh -c 'a b'"}, {"ssh|db", "sh|-c|a b"}},
	[T_METHOD] = {{"dump", "tunnel", "subscription"}, {0}},
	[T_TRANSFER] = {{"stream", "file"}, {0}},
	[T_FORMAT] = {{"directory", "custom"}, {0}},
	[T_VERIFY] = {{"checksum", "count", "off"}, {0}},
	[T_NAME] = {{"a", "A-b_9"}, {0}},
	[T_COPY] = {{"snapshot", "native", "dump"}, {0}},
	[T_SLOT] = {{"a", "pgusher_9"}, {0}},
	[T_STREAMING] = {{"on", "off", "parallel"}, {0}},
	[T_SYNC] = {{"off", "local", "on", "remote_write", "remote_apply"}, {0}},
	[T_BYTES] = {{"0", "1", "1kB", "16MB", "16 MB", "3GB", "1TB", "1048577"},
		     {"0", "1", "1024", "16777216", "16777216", "3221225472", "1099511627776", "1048577"}},
	[T_FENCE] = {{"own", "hook"}, {0}},
	[T_CUT_VERIFY] = {{"off", "count", "checksum"}, {0}},
	[T_COMPRESS] = {{"none", "gzip", "gzip:0", "gzip:9", "lz4", "lz4:12", "zstd", "zstd:1", "zstd:22"}, {0}},
};

static const char *const bad[][12] = {
	[T_BOOL] = {"maybe", "", "2", "yes no"},
	[T_METHOD] = {"subscriptions", "", "dumps"},
	[T_TRANSFER] = {"", "streams", "File"},
	[T_FORMAT] = {"", "plain", "tar"},
	[T_VERIFY] = {"", "yes", "sum"},
	[T_NAME] = {"", "a b", "a/b", "..", "\xd0\xb1", "0123456789012345678901234567890123456789012345678"},
	[T_COMPRESS] = {"", "gzip:10", "gzip:-1", "none:1", "zstd:0", "zstd:23", "lz4:13", "bzip2", "gzip:", "gzip: 1", "gzip:+1"},
	[T_ARGV] = {"'open"},
	[T_COPY] = {"", "copy", "Dump"},
	[T_SLOT] = {"A", "a-b", "a b", "0123456789012345678901234567890123456789012345678901234567890123"},
	[T_TABLES] = {"a.b.c", "a.", ".b", "\"a", "a..b"},
	[T_STREAMING] = {"yes", "on off"},
	[T_SYNC] = {"yes"},
	[T_BYTES] = {"", "x", "-1", "MB", "1.5MB", "1 PB", "16mb", "1048577GB", "9223372036854775807TB", "+1kB"},
	[T_FENCE] = {"", "ours", "Hook"},
	[T_CUT_VERIFY] = {"yes", "checksum off"},
	[T_CUT_VERIFY + 1] = {0},
};

static void reads(const struct setting *k, const char *in, const char *out)
{
	struct migration m;

	migration_init(&m);
	char *text = line_of(k, in), *wrong = parse(&m, text), *now = held(&m, k);
	if (*wrong || !str_eq(now, out))
		fail_msg("[%s] %s = %s gives '%s': %s", k->section, k->name, in, now ? now : "nothing", wrong);
	free(now);
	free(wrong);
	free(text);
	migration_fini(&m);
}

static void refuses(const struct setting *k, const char *in)
{
	struct migration m, def;

	migration_init(&m);
	migration_init(&def);
	char *text = line_of(k, in), *wrong = parse(&m, text), *want = xasprintf("'%s' is not a value of [%s] %s: ", in, k->section, k->name);
	char *now = held(&m, k), *before = held(&def, k);
	if (!str_starts(wrong, "f:2:") || !strstr(wrong, want) || !str_eq(now, before))
		fail_msg("[%s] %s = %s is not refused: %s", k->section, k->name, in, wrong);
	free(now);
	free(before);
	free(want);
	free(wrong);
	free(text);
	migration_fini(&m);
	migration_fini(&def);
}

static void every_key_reads(void **state)
{
	size_t n;
	const struct setting *keys = settings_keys(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct setting *k = &keys[i];
		for (size_t w = 0; k->type != T_INT && w < 12 && good[k->type].in[w]; w++)
			reads(k, good[k->type].in[w], good[k->type].out[w] ? good[k->type].out[w] : good[k->type].in[w]);
		for (size_t w = 0; w < 12 && bad[k->type][w]; w++)
			refuses(k, bad[k->type][w]);
		assert_true(k->type == T_INT || good[k->type].in[0]);
		assert_true(k->help && *k->help && settings_section_help("source"));
	}
}

static void numbers_have_bounds(void **state)
{
	static const char *const no[] = {"", "x", "4x", "0x10", "1e3", "1.5", "4 4", "+4", "99999999999999999999"};
	size_t n, seen = 0;
	const struct setting *keys = settings_keys(&n);
	char text[32];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (keys[i].type != T_INT)
			continue;
		seen++;
		for (int64_t v = keys[i].lo; ; v = keys[i].hi) {
			(void)snprintf(text, sizeof text, "%lld", (long long)v);
			reads(&keys[i], text, text);
			if (v == keys[i].hi)
				break;
		}
		(void)snprintf(text, sizeof text, "%lld", (long long)keys[i].lo - 1);
		refuses(&keys[i], text);
		(void)snprintf(text, sizeof text, "%lld", (long long)keys[i].hi + 1);
		refuses(&keys[i], text);
		for (size_t w = 0; w < sizeof no / sizeof *no; w++)
			refuses(&keys[i], no[w]);
	}
	assert_true(seen >= 2);
}

static void put(struct migration *m, const struct setting *k, const char *value)
{
	if (k->type == T_LIST)
		strv_add((struct strv *)((char *)m + k->at), value);
	else
		xreplace((char **)((char *)m + k->at), value);
}

/* Written or refused: never read back as something else, and nothing is left of a refused one. */
static bool round_trip(const struct setting *k, const char *value)
{
	struct migration m, back;
	struct strv wrong = {0};
	struct err err = {0};

	migration_init(&m);
	migration_init(&back);
	(void)unlink(path);
	put(&m, k, value);
	enum err_code rc = settings_write(&m, path, &err);
	if (rc == ERR_OK) {
		assert_int_equal(settings_read(&back, path, &wrong, &err), ERR_OK);
		char *a = held(&m, k), *b = held(&back, k);
		if (!str_eq(a, b))
			fail_msg("[%s] %s = '%s' comes back as '%s'", k->section, k->name, a, b ? b : "nothing");
		free(a);
		free(b);
	} else {
		assert_int_equal(rc, ERR_USAGE);
		assert_non_null(strstr(err.msg, k->name));
		assert_int_equal(access(path, F_OK), -1);
	}
	strv_fini(&wrong);
	migration_fini(&m);
	migration_fini(&back);
	return rc == ERR_OK;
}

static void awkward_values_come_back(void **state)
{
	static const struct { const char *value; bool text, list; } t[] = {
		{"plain", true, true},	{"a;b", true, true},	   {"a#b", true, true},	    {"#a", true, true},	      {"a=b", true, true},
		{"= a", true, true},	{"a:b", true, true},	   {"[a]", true, true},	    {"\"a\"", true, true},    {"'a b'", true, true},
		{"a\\", true, true},	{"$HOME", true, true},	   {"a, b", true, false},   {"a ;b", false, false},   {";a", false, false},
		{"a\t;b", false, false}, {" a", false, false},	   {"a ", false, false},    {"a\nb", false, false},   {"a\rb", true, true},
		{"\xd0\xb1\xd0\xb0\xd0\xb7\xd0\xb0 \xd0\xb4\xd0\xb0\xd0\xbd\xd0\xbd\xd1\x8b\xd1\x85", true, true},
		{"\xff\xfe", true, true}, {"a\r", false, false},   {"\ta", false, false},
	};
	size_t n;
	const struct setting *keys = settings_keys(&n);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t w = 0; w < sizeof t / sizeof *t && (keys[i].type == T_TEXT || keys[i].type == T_PLAIN || keys[i].type == T_LIST); w++)
			if (round_trip(&keys[i], t[w].value) != (keys[i].type == T_LIST ? t[w].list : t[w].text))
				fail_msg("[%s] %s = '%s' is %s", keys[i].section, keys[i].name, t[w].value, t[w].text ? "not written" : "written");
}

static void long_values(void **state)
{
	size_t n;
	const struct setting *keys = settings_keys(&n);
	char value[600];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (keys[i].type != T_TEXT && keys[i].type != T_LIST)
			continue;
		for (size_t len = 150; len < sizeof value; len += len < 210 ? 1 : 77) {
			memset(value, 'v', len);
			value[len] = '\0';
			bool written = round_trip(&keys[i], value);
			assert_true(written || len > 150); /* what the hint promises */
			assert_false(written && len > 198);
		}
	}
}

static void all_at_once_are_written(void **state)
{
	struct migration m, back;
	struct strv wrong = {0};
	struct err err = {0};
	size_t n;
	const struct setting *keys = settings_keys(&n);

	(void)state;
	migration_init(&m);
	migration_init(&back);
	for (size_t i = 0; i < n; i++) {
		const struct words *w = &good[keys[i].type];
		size_t last = 0;
		while (last + 1 < 12 && w->in[last + 1])
			last++;
		char *text = keys[i].type == T_INT ? xasprintf("[%s]\n%s = %lld\n", keys[i].section, keys[i].name, (long long)keys[i].hi)
						   : line_of(&keys[i], keys[i].type == T_LIST ? "a, b" : w->in[last]);
		char *said = parse(&m, text);
		assert_string_equal(said, "");
		free(said);
		free(text);
	}
	assert_int_equal(settings_write(&m, path, &err), ERR_OK);
	assert_int_equal(settings_read(&back, path, &wrong, &err), ERR_OK);
	assert_string_equal(back.ini_path, path);
	for (size_t i = 0; i < n; i++) {
		char *a = held(&m, &keys[i]), *b = held(&back, &keys[i]);
		if (!str_eq(a, b))
			fail_msg("[%s] %s: '%s', not '%s'", keys[i].section, keys[i].name, b ? b : "nothing", a ? a : "nothing");
		free(a);
		free(b);
	}
	migration_fini(&m);
	migration_fini(&back);
	strv_fini(&wrong);
}

static void what_is_wrong_is_told_where(void **state)
{
	static const struct { const char *text, *says; } t[] = {
		{"[dump]\njobs = 99\n", "f:2:8: '99' is not a value of [dump] jobs: a number from 1 to 64"},
		{"[dump]\njobs=99\n", "f:2:6: "},
		{"[dump]\njbos = 3\n", "f:2:1: [dump] has no key 'jbos'; did you mean 'jobs'?"},
		{"[source]\njobs = 3\n", "f:2:1: [source] has no key 'jobs'; it belongs to [dump]"},
		{"[source]\nport = 18584x\n", "f:2:8: '18584x' is not a value of [source] port: a number from 1 to 65535"},
		{"[target]\nport = 5432, 99999\n", "f:2:8: '5432, 99999' is not a value of [target] port"},
		{"[target]\nport = 5432,,5433\n", "f:2:8: "},
		{"[dump]\nsomething = 3\n", "f:2:1: [dump] has no key 'something'"},
		{"[dump]\njobs = 3\n; c\n\njobs = 4\n", "f:5:1: [dump] jobs is there twice"},
		{"[dumb]\njobs = 3\n", "f:1:2: there is no section [dumb]; did you mean [dump]?"},
		{"[else]\nx = 3\n", "f:1:2: there is no section [else]; there are migration, source, target, tools, dump, subscription, cutover, hooks, ui"},
		{"[subscription]\nslut = x\n", "f:2:1: [subscription] has no key 'slut'; did you mean 'slot'?"},
		{"[cutover]\nmax_lag = 1.5GB\n", "f:2:11: '1.5GB' is not a value of [cutover] max_lag: a number of bytes, or one with kB, MB, GB or TB"},
		{"[cutover]\nfense = hook\n", "f:2:1: [cutover] has no key 'fense'; did you mean 'fence'?"},
		{"[hooks]\nhandover = x\n", "f:2:1: [hooks] has no key 'handover'; did you mean 'hand_over'?"},
		{"[cutover]\napp_password = " PASSWORD "\n", "f:2:1: passwords do not belong here"},
		{"[tools]\nprefix = ssh 'x\n", "f:2:10: 'ssh 'x' is not a value of [tools] prefix: words as a shell would split them"},
		{"[source]\npassword = " PASSWORD "\n", "f:2:1: passwords do not belong here"},
		{"[source]\nhost = postgresql://u:" PASSWORD "@h/d\n", "f:2:8: [source] host takes no whole address"},
		{"[source]\ndbname = postgres://u:" PASSWORD "@h/d\n", "f:2:10: [source] dbname takes no whole address"},
		{"[source]\nhost = host=db1 password=" PASSWORD "\n", "f:2:8: [source] host takes no whole address"},
		{"host = x\n", "f:1:1: 'host' stands before the first [section]"},
		{"[source]\nhost\n", "f:2:1: neither [section] nor key = value"},
		{"[source\nhost = x\n", "f:1:1: the ] of the section is missing"},
		{"[source]\nhost = x\n  user = y\n", "f:3:1: a line must not begin with a blank"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct migration m;
		migration_init(&m);
		char *said = parse(&m, t[i].text);
		if (!str_starts(said, t[i].says))
			fail_msg("%s says: %s", t[i].text, said);
		if (strstr(said, PASSWORD))
			fail_msg("a password is repeated: %s", said);
		free(said);
		migration_fini(&m);
	}
}

static void all_that_is_wrong_at_once(void **state)
{
	struct migration m;
	struct strv wrong = {0};
	struct err err = {0};
	struct str text = {0};

	(void)state;
	migration_init(&m);
	str_add(&text, "[dump]\njobs = 0\nformat = tar\nnonsense\nverify = perhaps\n[source]\nport = 5433\n[ui]\nrefresh = 5\n");
	assert_int_equal(settings_parse(&m, str_text(&text), "f", &wrong), ERR_USAGE);
	assert_int_equal(wrong.n, 5);
	const int lines[] = {2, 3, 4, 5, 9};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(atoi(wrong.v[i] + 2), lines[i]);
	assert_string_equal(m.end[SIDE_SOURCE].port, "5433"); /* the right lines between them count */
	strv_fini(&wrong);
	str_clear(&text);
	str_add(&text, "[dump]\n");
	for (int i = 0; i < 100; i++)
		str_addf(&text, "key%d = 1\n", i);
	assert_int_equal(settings_parse(&m, str_text(&text), "f", &wrong), ERR_USAGE);
	assert_int_equal(wrong.n, SETTINGS_ERRORS);
	strv_fini(&wrong);
	spill(path, str_text(&text), text.len);
	assert_int_equal(settings_read(&m, path, &wrong, &err), ERR_USAGE);
	assert_true(str_starts(wrong.v[0], path));
	assert_string_equal(err.msg, wrong.v[0]);
	strv_fini(&wrong);
	str_fini(&text);
	migration_fini(&m);
}

static void other_editors(void **state)
{
	static const char *const texts[] = {
		"\xEF\xBB\xBF[source]\nhost = x\n", "[source]\r\nhost = x\r\n", "[source]\nhost = x", "[source]  ; where\nhost = x  ; old\n",
		"# c\n; c\n[source]\n# c\nhost=x\n", "[source]\nhost: x\n", "\n\n[source]\n \t\nhost = x\n\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct migration m;
		migration_init(&m);
		char *said = parse(&m, texts[i]);
		if (*said || !str_eq(m.end[SIDE_SOURCE].host, "x"))
			fail_msg("text %zu gives '%s': %s", i, m.end[SIDE_SOURCE].host ? m.end[SIDE_SOURCE].host : "nothing", said);
		free(said);
		migration_fini(&m);
	}
}

static void files_that_are_none(void **state)
{
	struct migration m;
	struct strv wrong = {0};
	struct err err = {0};
	char *big = xcalloc(1, (1 << 20) + 10);

	(void)state;
	migration_init(&m);
	assert_int_equal(settings_read(&m, "/nonexistent/x.ini", &wrong, &err), ERR_IO);
	assert_int_equal(settings_read(&m, folder, &wrong, &err), ERR_IO);
	spill(path, "[source]\nhost = \0x\n", 19);
	assert_int_equal(settings_read(&m, path, &wrong, &err), ERR_IO);
	memset(big, '\n', (1 << 20) + 9);
	spill(path, big, (1 << 20) + 9);
	assert_int_equal(settings_read(&m, path, &wrong, &err), ERR_IO);
	spill(path, "", 0);
	assert_int_equal(settings_read(&m, path, &wrong, &err), ERR_OK);
	assert_int_equal(wrong.n, 0);
	assert_int_equal(settings_write(&m, "/nonexistent/x.ini", &err), ERR_IO);
	free(big);
	migration_fini(&m);
}

static void secrets_stay_out(void **state)
{
	struct migration m;
	struct err err = {0};
	struct stat st;

	(void)state;
	migration_init(&m);
	for (int i = 0; i < 2; i++) {
		secret_set(&m.end[i].password, PASSWORD);
		xreplace(&m.end[i].host, "h");
		xreplace(&m.end[i].user, "u");
	}
	spill(path, "old", 3);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(settings_write(&m, path, &err), ERR_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	char *text = slurp(path);
	assert_null(strstr(text, PASSWORD));
	assert_non_null(strstr(text, "host = h"));
	free(text);
	char *beside = xasprintf("%s.new", path);
	assert_int_equal(access(beside, F_OK), -1);
	spill(beside, "left by a crash", 15);
	assert_int_equal(settings_write(&m, path, &err), ERR_OK);
	assert_int_equal(access(beside, F_OK), -1);
	free(beside);
	migration_fini(&m);
}

/* Only what changed changes; what is new stands in its section, before the comments of the next. */
static void what_somebody_wrote_stays(void **state)
{
	static const char old[] =
		"# mine\n[migration]\nname=x   ; the shop\n\n; both are in the cellar\n[source]\nhost =a ; by name\nuser = u\n; port = 1\n\n"
		"; the new one\n[target]\nhost: b\ndbname = d\n\n[dump]\njobs = 3 ; cores\n";
	static const char want[] =
		"# mine\n[migration]\nname=x   ; the shop\n\n; both are in the cellar\n[source]\nhost = c ; by name\nuser = u\ndbname = e\n; port = 1\n\n"
		"; the new one\n[target]\nhost: b\n\n[dump]\n\n[cutover]\nhold = yes\n";
	struct migration m;
	struct strv wrong = {0};
	struct err err = {0};

	(void)state;
	migration_init(&m);
	spill(path, old, sizeof old - 1);
	assert_int_equal(settings_read(&m, path, &wrong, &err), ERR_OK);
	assert_int_equal(settings_write(&m, path, &err), ERR_OK);
	char *text = slurp(path);
	assert_string_equal(text, old);
	free(text);
	xreplace(&m.end[SIDE_SOURCE].host, "c");
	xreplace(&m.end[SIDE_SOURCE].dbname, "e");
	xreplace(&m.end[SIDE_TARGET].dbname, NULL);
	struct migration def;
	migration_init(&def);
	m.dump.jobs = def.dump.jobs;
	m.cut.hold = true;
	migration_fini(&def);
	assert_int_equal(settings_write(&m, path, &err), ERR_OK);
	text = slurp(path);
	assert_string_equal(text, want);
	free(text);
	migration_fini(&m);
	strv_fini(&wrong);
}

static void a_refused_value_leaves_the_old_file(void **state)
{
	struct migration m;
	struct err err = {0};

	(void)state;
	migration_init(&m);
	spill(path, "[ui]\nascii = yes\n", 17);
	xreplace(&m.end[SIDE_TARGET].dbname, "two\nlines");
	assert_int_equal(settings_write(&m, path, &err), ERR_USAGE);
	assert_string_equal(err.msg, "[target] dbname cannot be written to a settings file as it is");
	char *text = slurp(path);
	assert_string_equal(text, "[ui]\nascii = yes\n");
	free(text);
	migration_fini(&m);
}

static void what_is_missing(void **state)
{
	struct migration m;
	struct strv wrong = {0};

	(void)state;
	migration_init(&m);
	assert_false(settings_complete(&m, &wrong));
	assert_int_equal(wrong.n, 6);
	strv_fini(&wrong);
	m.dump.dump_only = true; /* the target takes no part */
	assert_false(settings_complete(&m, &wrong));
	assert_int_equal(wrong.n, 3);
	strv_fini(&wrong);
	m.dump.dump_only = false;
	for (int i = 0; i < 2; i++) {
		xreplace(&m.end[i].host, "a,b");
		xreplace(&m.end[i].user, "u");
		xreplace(&m.end[i].dbname, "d");
	}
	xreplace(&m.end[SIDE_TARGET].port, "1,2");
	assert_true(settings_complete(&m, &wrong));
	xreplace(&m.end[SIDE_TARGET].port, "1,2,3");
	assert_false(settings_complete(&m, &wrong));
	assert_string_equal(wrong.v[0], "[target] port: 3 ports for 2 hosts; give one, or one for each");
	strv_fini(&wrong);
	xreplace(&m.end[SIDE_TARGET].port, NULL);
	m.method = METHOD_TUNNEL; /* through ssh on one side at least, and nothing through ssh without it */
	assert_false(settings_complete(&m, &wrong));
	xreplace(&m.end[SIDE_TARGET].ssh, "jump");
	strv_fini(&wrong);
	assert_true(settings_complete(&m, &wrong));
	m.method = METHOD_DUMP;
	assert_false(settings_complete(&m, &wrong));
	assert_int_equal(wrong.n, 1);
	strv_fini(&wrong);
	xreplace(&m.end[SIDE_TARGET].ssh, NULL);
	m.cut.fence = FENCE_HOOK; /* and who fences by a command says how to let go */
	strv_add(&m.hooks.argv[HOOK_FENCE], "pause");
	xreplace(&m.cut.smoke, "SELECT 1");
	assert_false(settings_complete(&m, &wrong));
	assert_int_equal(wrong.n, 3);
	assert_true(str_starts(wrong.v[0], "[hooks] unfence is missing"));
	assert_true(str_starts(wrong.v[1], "[hooks] hand_over is missing"));
	assert_true(str_starts(wrong.v[2], "[cutover] app_host is missing"));
	strv_fini(&wrong);
	migration_fini(&m);
}

/* The file in the checkout, what the program prints and what the table says are one text, and it is valid. */
static void the_sample(void **state)
{
	struct migration m;
	struct strv wrong = {0};
	struct err err = {0};
	char *sample = settings_sample(), *file = slurp("sample.ini");
	FILE *out = popen("./pgusher --sample", "re");
	char *printed = rest_of(out);

	(void)state;
	assert_int_equal(pclose(out), 0);
	assert_string_equal(file, sample);
	assert_string_equal(printed, sample);
	migration_init(&m);
	assert_int_equal(settings_read(&m, "sample.ini", &wrong, &err), ERR_OK);
	assert_true(settings_complete(&m, &wrong));
	assert_int_equal(wrong.n, 0);
	size_t n;
	const struct setting *keys = settings_keys(&n);
	for (size_t i = 0; i < n; i++)
		assert_non_null(strstr(sample, keys[i].help));
	free(sample);
	free(file);
	free(printed);
	migration_fini(&m);
}

/* With every line of the sample turned on, all keys are known. */
static void the_sample_s_hidden_keys(void **state)
{
	struct migration m;
	char *sample = settings_sample(), *next = sample;
	struct str text = {0};

	(void)state;
	migration_init(&m);
	for (char *line; (line = strsep(&next, "\n"));) {
		size_t n = strlen(line);
		bool hidden = str_starts(line, "; ") && str_ends(line, " =") && strcspn(line + 2, " ") == n - 4;
		str_addf(&text, "%s%s\n", hidden ? line + 2 : line, hidden && strstr(line, "compress") ? " none" : "");
	}
	char *said = parse(&m, str_text(&text));
	assert_string_equal(said, "");
	free(said);
	free(sample);
	str_fini(&text);
	migration_fini(&m);
}

/* As it is pasted, with what stands around it; one that cannot be read is not kept, because it may hold a password. */
static void an_address_is_taken_apart(void **state)
{
	static const char *const unreadable[] = {"  postgresql://me:" PASSWORD "@h/d?colour=red", "host=h pasword=" PASSWORD, "\tpostgres://[h:" PASSWORD};
	struct migration m;
	struct err err;
	char *rest = NULL;

	(void)state;
	migration_init(&m);
	struct endpoint *ep = &m.end[SIDE_SOURCE];
	xreplace(&ep->host, " \t postgresql://me:" PASSWORD "@db1:5433/shop \n");
	assert_true(address_given(ep->host));
	assert_int_equal(address_take(ep, ep->host, &rest, &err), ERR_OK);
	assert_string_equal(ep->host, "db1");
	assert_string_equal(ep->port, "5433");
	assert_string_equal(ep->dbname, "shop");
	assert_string_equal(secret_text(&ep->password), PASSWORD);
	assert_null(rest);
	for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++) {
		xreplace(&ep->host, unreadable[i]);
		assert_true(address_given(ep->host));
		assert_int_equal(address_take(ep, ep->host, &rest, &err), ERR_USAGE);
		assert_null(ep->host);
		assert_null(strstr(err.msg, PASSWORD));
		assert_string_equal(ep->dbname, "shop");
	}
	xreplace(&ep->host, " db1,db2\t");
	address_tidy(ep);
	assert_string_equal(ep->host, "db1,db2");
	assert_false(address_given(" db1, db2") || address_given("/var/run/postgresql") || address_given("") || address_given(NULL));
	migration_fini(&m);
}

/* The application's address is the target's where it says nothing else; a copy of the migration owns its own. */
static void the_cutover_s_choices(void **state)
{
	struct migration m, copy = {0};
	struct endpoint app;

	(void)state;
	migration_init(&m);
	char *said = parse(&m, "[target]\nuser = postgres\ndbname = d\nport = 5433\n[dump]\nverify = count\n"
			       "[cutover]\napp_host = ha\napp_user = app\n[hooks]\nfence = psql -c 'PAUSE d'\n");
	assert_string_equal(said, "");
	free(said);
	migration_copy(&copy, &m);
	migration_fini(&m);
	assert_int_equal(migration_cut_verify(&copy), VERIFY_COUNT);
	xreplace(&copy.cut.verify, "off");
	assert_int_equal(migration_cut_verify(&copy), VERIFY_OFF);
	assert_int_equal(copy.hooks.argv[HOOK_FENCE].n, 3);
	assert_string_equal(copy.hooks.argv[HOOK_FENCE].v[2], "PAUSE d");
	migration_app(&copy, &app);
	assert_string_equal(app.host, "ha");
	assert_null(app.port); /* another address has its own port */
	assert_string_equal(app.user, "app");
	assert_string_equal(app.dbname, "d");
	endpoint_fini(&app);
	migration_fini(&copy);
}

/* And a link stays a link. */
static void a_team_s_file_stays_so(void **state)
{
	char *link = xasprintf("%s.link", path);
	struct migration m;
	struct err err = {0};
	struct stat st;

	(void)state;
	migration_init(&m);
	xreplace(&m.name, "x");
	(void)unlink(path);
	assert_int_equal(settings_write(&m, path, &err), ERR_OK);
	assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(symlink(path, link), 0);
	xreplace(&m.name, "y");
	assert_int_equal(settings_write(&m, link, &err), ERR_OK);
	assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
	assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	char *text = slurp(path);
	assert_non_null(strstr(text, "name = y"));
	free(text);
	assert_int_equal(unlink(link), 0);
	free(link);
	migration_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_reads),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(awkward_values_come_back),
		cmocka_unit_test(long_values),
		cmocka_unit_test(all_at_once_are_written),
		cmocka_unit_test(what_is_wrong_is_told_where),
		cmocka_unit_test(all_that_is_wrong_at_once),
		cmocka_unit_test(other_editors),
		cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(secrets_stay_out),
		cmocka_unit_test(a_refused_value_leaves_the_old_file),
		cmocka_unit_test(what_somebody_wrote_stays),
		cmocka_unit_test(a_team_s_file_stays_so),
		cmocka_unit_test(what_is_missing),
		cmocka_unit_test(the_cutover_s_choices),
		cmocka_unit_test(an_address_is_taken_apart),
		cmocka_unit_test(the_sample),
		cmocka_unit_test(the_sample_s_hidden_keys),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
