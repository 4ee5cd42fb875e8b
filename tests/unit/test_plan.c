/* Plans: placeholders, what a person reads, JSON, and the script, which a shell has to read as it was meant. */
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

#include "base/argv.h"
#include "plan/plan.h"

#define HASH "SCRAM-SHA-256$4096:c2FsdA==$stored:server"

static void filled(const struct plan *p, const char *text, const char *snapshot, const char *want)
{
	char *s = plan_fill(p, text, snapshot);

	assert_string_equal(s, want);
	free(s);
}

static void placeholders(void **state)
{
	struct plan *p = plan_new("t");
	char *a = plan_secret(p, "role app", HASH), *b = plan_secret(p, "role o'hara", "it's"), *c = plan_secret(p, "role a}b", "x");

	(void)state;
	assert_string_equal(a, "${secret:role app}");
	filled(p, "PASSWORD ${secret:role app};", NULL, "PASSWORD '" HASH "';");
	filled(p, "", NULL, "");
	filled(p, "--snapshot=${snapshot}", "0003-1B-1", "--snapshot=0003-1B-1");
	filled(p, "${snapshot}${snapshot}", "x", "xx");
	filled(p, "${snapshot}", NULL, "${snapshot}");
	filled(p, "${snapshot", "x", "${snapshot");
	filled(p, "${other} ${ } $ {snapshot} ${", "x", "${other} ${ } $ {snapshot} ${");
	filled(p, "${secret:nobody} ${secret:role app", NULL, "${secret:nobody} ${secret:role app");
	filled(p, "${secret:role ap}", NULL, "${secret:role ap}");
	filled(p, "${${secret:role app}", NULL, "${'" HASH "'");
	filled(p, b, NULL, "'it''s'"); /* a value's quote is doubled; a key with a quote gets another name */
	filled(p, c, NULL, "'x'");
	assert_null(strpbrk(b + 2, "'"));
	free(a);
	free(b);
	free(c);
	plan_free(p);
}

/* What is filled is not filled again: a snapshot or hash that looks like a placeholder stays what it is. */
static void filled_once(void **state)
{
	struct plan *p = plan_new("t");
	char *a = plan_secret(p, "k", "${snapshot}");

	(void)state;
	filled(p, "${secret:k} ${snapshot}", "${secret:k}", "'${snapshot}' ${secret:k}");
	free(a);
	plan_free(p);
}

static enum err_code nothing(struct run *r, const void *arg, struct err *err)
{
	(void)r;
	(void)arg;
	(void)err;
	return ERR_OK;
}

static void shown(const struct action *a, const char *want)
{
	char *s = action_show(a);

	assert_string_equal(s, want);
	free(s);
}

static void actions_as_people_read_them(void **state)
{
	struct plan *p = plan_new("t");
	struct step *st = plan_step(p, "s", "step", "why");

	(void)state;
	shown(step_sql(st, ON_TARGET, "db", "SELECT 1"), "SELECT 1");
	struct action *a = step_command(st, (const char *const[]){"pg_dump", "--dbname=host=a dbname='x y'", "", NULL});
	shown(a, "pg_dump '--dbname=host=a dbname='\\''x y'\\''' ''");
	strv_add(&a->pipe_to, "pg_restore");
	strv_add(&a->pipe_env, "PGOPTIONS=-c a=b -c c=d");
	strv_add(&a->env, "X=1");
	shown(a, "X=1 pg_dump '--dbname=host=a dbname='\\''x y'\\''' '' | PGOPTIONS='-c a=b -c c=d' pg_restore");
	shown(step_work(st, HERE, "look", nothing, NULL, "-- looks"), "-- looks");
	shown(step_hold(st, "Drop it?", "it was there", "shop"), "wait for the operator: Drop it? (type shop)");
	shown(step_hold(st, "Go on?", "now", NULL), "wait for the operator: Go on?");
	assert_ptr_equal(plan_find(p, "s"), &p->steps[0]);
	assert_null(plan_find(p, "t"));
	plan_free(p);
}

static struct plan *awkward_plan(void)
{
	struct plan *p = plan_new("a: it's \"b\" to\nrm -rf /");
	struct step *st = plan_step(p, "roles", "roles", "Why not?\nBecause.");
	char *hold = plan_secret(p, "role app", HASH), *sql = xasprintf("CREATE ROLE app PASSWORD %s", hold);

	strv_add(&p->notes, "a note\ntouch pwned");
	(void)step_sql(st, ON_TARGET, "post gres", sql);
	(void)step_sql(st, ON_TARGET, NULL, "COMMENT ON ROLE app IS 'a\nEND_OF_SQL_OF_PGUSHER\ntouch pwned\n$(touch pwned) `touch pwned` \\'");
	(void)step_sql(st, ON_TARGET, NULL, "ANALYZE a;\nANALYZE \"\xff\";\n");
	struct step *dump = plan_step(p, "dump", "dump", "why");
	struct action *a = step_command(dump, (const char *const[]){"pg_dump", "--snapshot=${snapshot}", "--file=/a b/$(touch pwned)'", NULL});
	strv_add(&a->pipe_to, "pg_restore");
	strv_add(&a->pipe_to, "`touch pwned`");
	strv_add(&a->pipe_env, "PGOPTIONS=-c x='$(touch pwned)'");
	(void)step_work(dump, HERE, "title\ntouch pwned", nothing, NULL, "SELECT 1;\ntouch pwned");
	struct step *none = plan_step(p, "none", "none", "why");
	none->skip = xstrdup("all there");
	(void)step_command(plan_step(p, "end", "end", "why"), (const char *const[]){"vacuumdb", NULL});
	free(hold);
	free(sql);
	return p;
}

static void json_of_a_plan(void **state)
{
	struct plan *p = awkward_plan();
	json_t *j = plan_json(p);
	char *text = json_dumps(j, JSON_COMPACT);

	(void)state;
	p->bytes = 1;
	assert_non_null(text);
	assert_null(strstr(text, "SCRAM"));
	assert_int_equal(json_array_size(json_object_get(j, "steps")), p->n);
	for (size_t i = 0; i < p->n; i++) {
		json_t *st = json_array_get(json_object_get(j, "steps"), i);
		assert_string_equal(json_string_value(json_object_get(st, "id")), p->steps[i].id);
		assert_int_equal(json_array_size(json_object_get(st, "actions")), p->steps[i].n);
		for (size_t k = 0; k < p->steps[i].n; k++) {
			const struct action *a = &p->steps[i].actions[k];
			json_t *o = json_array_get(json_object_get(st, "actions"), k);
			const char *says = json_string_value(json_object_get(o, a->kind == ACT_COMMAND ? "command" : "sql"));
			char *want = action_show(a);
			assert_non_null(says); /* of any bytes: "?" for those that are no UTF-8 */
			if (!strchr(want, '\xff'))
				assert_string_equal(says, want);
			free(want);
		}
	}
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(j, "steps"), 2), "nothing_to_do")), "all there");
	json_decref(j);
	free(text);
	text = plan_text(p);
	assert_null(strstr(text, "SCRAM"));
	assert_non_null(strstr(text, "nothing to do: all there"));
	free(text);
	plan_free(p);
}

/* ---- the script ---- */

static char folder[] = "/tmp/pgusher-plan.XXXXXX";

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static void put(const char *name, const char *text, mode_t mode)
{
	char *path = in_folder(name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

static char *output(const char *command)
{
	struct str s = {0};
	char buf[4096];
	size_t n;
	FILE *f = popen(command, "re");

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof buf, f)) > 0)
		str_addn(&s, buf, n);
	if (pclose(f) != 0)
		fail_msg("%s: %s", command, str_text(&s));
	return str_take(&s);
}

static int setup(void **state)
{
	/* each tool says its words, and psql what it is told to run */
	static const char tool[] = "#!/bin/sh\nprintf '%s' \"${0##*/}\"; printf '<%s>' \"$@\"; echo \"[${PGOPTIONS-}]\"\n";

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	put("pg_dump", tool, 0755);
	put("pg_restore", "#!/bin/sh\ncat\nprintf 'pg_restore'; printf '<%s>' \"$@\"; echo \"[${PGOPTIONS-}]\"\n", 0755);
	put("vacuumdb", tool, 0755);
	put("ssh", "#!/bin/sh\nexec sleep 60\n", 0755);
	put("pg_isready", "#!/bin/sh\nexit 0\n", 0755);
	put("psql", "#!/bin/sh\nprintf psql; printf '<%s>' \"$@\"; echo; cat\n", 0755);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {"pg_dump", "pg_restore", "vacuumdb", "psql", "ssh", "pg_isready", "script"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = in_folder(names[i]);
		(void)unlink(path);
		free(path);
	}
	return rmdir(folder);
}

/* What the tools were told when the script ran; "pwned" would be a file that only an escape makes. */
static char *script_runs(const struct plan *p, const struct migration *m)
{
	char *text = plan_shell(p, m), *command = xasprintf("cd %s && bash -n script && sh -n script && PATH=%s:$PATH sh script 2>&1", folder, folder);

	assert_null(strstr(text, "SCRAM"));
	put("script", text, 0644);
	char *out = output(command), *pwned = in_folder("pwned");
	assert_int_equal(access(pwned, F_OK), -1);
	free(pwned);
	free(command);
	free(text);
	return out;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in: %s", part, text);
}

static void the_script(void **state)
{
	struct plan *p = awkward_plan();
	struct migration m;

	(void)state;
	migration_init(&m);
	xreplace(&m.end[SIDE_TARGET].host, "db new,db2");
	xreplace(&m.end[SIDE_TARGET].dbname, "it's \\ $(touch pwned)");
	char *out = script_runs(p, &m);
	has(out, "psql<-X><-q><-v><ON_ERROR_STOP=1><-d><host='db new,db2' dbname='post gres' target_session_attrs=read-write>\n"
		 "CREATE ROLE app PASSWORD NULL;\n");
	has(out, "dbname='it\\'s \\\\ $(touch pwned)'");
	has(out, "'a\nEND_OF_SQL_OF_PGUSHER\ntouch pwned\n$(touch pwned) `touch pwned` \\';\n");
	has(out, "ANALYZE a;\nANALYZE \"\xff\";\n");
	has(out, "pg_dump<--file=/a b/$(touch pwned)'>[]\n");
	has(out, "pg_restore<`touch pwned`>[-c x='$(touch pwned)']\n");
	has(out, "vacuumdb<>[]\n");
	assert_null(strstr(out, "snapshot"));
	free(out);
	migration_fini(&m);
	plan_free(p);
}

static void a_question_in_the_script(void **state)
{
	struct plan *p = plan_new("t");
	struct step *st = plan_step(p, "s", "s", "w");
	struct migration m;

	(void)state;
	migration_init(&m);
	(void)step_hold(st, "Drop it's \"db\"?", "it was\nthere", "my db");
	(void)step_command(st, (const char *const[]){"vacuumdb", "after", NULL});
	char *text = plan_shell(p, &m), *command = xasprintf("cd %s && echo 'my db' | PATH=%s:$PATH sh script", folder, folder);
	put("script", text, 0644);
	char *out = output(command);
	assert_string_equal(out, "Drop it's \"db\"? vacuumdb<after>[]\n");
	free(out);
	free(command);
	command = xasprintf("cd %s && if echo no | PATH=%s:$PATH sh script; then exit 1; fi", folder, folder);
	out = output(command);
	assert_null(strstr(out, "vacuumdb"));
	free(out);
	free(command);
	free(text);
	migration_fini(&m);
	plan_free(p);
}

/* The tunnels are up before the first command and gone with the script; its exit status is that of the commands. */
static void tunnels_of_the_script(void **state)
{
	struct plan *p = plan_new("t");
	struct migration m;

	(void)state;
	migration_init(&m);
	xreplace(&m.end[SIDE_SOURCE].host, "inner");
	(void)step_sql(plan_step(p, "s", "s", "w"), ON_SOURCE, "db", "SELECT 1");
	strv_add(&p->tunnels, "ssh -N -L 127.0.0.1:5433:inner:5432 jump");
	p->forward[SIDE_SOURCE] = xstrdup("5433");
	char *text = plan_shell(p, &m);
	char *command = xasprintf("cd %s && PATH=%s:$PATH timeout 20 sh script </dev/null && echo done", folder, folder);
	put("script", text, 0644);
	char *out = output(command);
	assert_string_equal(out, "psql<-X><-q><-v><ON_ERROR_STOP=1><-d><host=inner hostaddr=127.0.0.1 port=5433 dbname=db>\nSELECT 1;\ndone\n");
	free(out);
	free(command);
	free(text);
	migration_fini(&m);
	plan_free(p);
}

/* Every byte but NUL, as a word: quoted and split again it is the same, for us and for a shell. */
static void words_for_a_shell(void **state)
{
	char all[256], one[2] = "";
	struct strv back = {0};
	struct err err;

	(void)state;
	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	struct strv words = {0};
	strv_add(&words, all);
	strv_add(&words, "");
	for (int i = 1; i < 256; i++) {
		one[0] = (char)i;
		strv_add(&words, one);
	}
	char *text = argv_show(&words);
	assert_int_equal(argv_split(&back, text, &err), ERR_OK);
	assert_int_equal(back.n, words.n);
	for (size_t i = 0; i < words.n; i++)
		assert_string_equal(back.v[i], words.v[i]);
	char *script = xasprintf("LC_ALL=C; printf '%%s|' %s\n", text);
	put("script", script, 0644);
	char *command = xasprintf("sh %s/script", folder), *out = output(command);
	char *want = strv_join(&words, "|");
	assert_memory_equal(out, want, strlen(want));
	free(want);
	free(out);
	free(command);
	free(script);
	free(text);
	strv_fini(&words);
	strv_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placeholders),
		cmocka_unit_test(filled_once),
		cmocka_unit_test(actions_as_people_read_them),
		cmocka_unit_test(json_of_a_plan),
		cmocka_unit_test(the_script),
		cmocka_unit_test(a_question_in_the_script),
		cmocka_unit_test(tunnels_of_the_script),
		cmocka_unit_test(words_for_a_shell),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
