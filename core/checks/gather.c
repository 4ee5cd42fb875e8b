#include "checks/gather.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "checks/former.h"
#include "checks/probes.h"
#include "host/place.h"
#include "host/process.h"
#include "pg/choice.h"
#include "pg/patience.h"
#include "pg/session.h"

#define ROUTE_TRIES 3
#define REACH_MS 25000

/* One thread's work; results are handed over by `done` under the mutex. */
struct reader {
	pthread_t thread;
	bool started, done, taken;
	const struct migration *m;
	enum side side;
	const char *app;
	struct cancel *cancel;
	struct facts *facts;
	struct wal_place wal;   /* of the source; dir "": not read */
	struct secret password; /* that libpq used, for tools that run elsewhere */
	bool exists;
	struct err err;
	struct strv addrs;
	bool unstable;
	pthread_mutex_t *mu;
	int wake;
	/* the engine's: the thread has ended, and is started again later */
	bool waiting;
	struct patience patience;
	int told_s;
};

unsigned migration_sides(const struct migration *m)
{
	const struct endpoint *s = &m->end[SIDE_SOURCE];
	bool source = !m->dump.use_file || !str_empty(s->host) || !str_empty(s->service);

	return (source ? 1u << SIDE_SOURCE : 0) | (m->dump.dump_only ? 0 : 1u << SIDE_TARGET);
}

enum err_code gather_connect(const struct endpoint *ep, enum side side, const char *app, struct cancel *cancel,
			     struct session **out, bool *exists, struct err *err)
{
	struct session_options opt = {.application_name = app, .read_write = side == SIDE_TARGET};
	enum err_code rc = session_open(out, ep, &opt, cancel, err);

	*exists = true;
	if (rc == ERR_SQL && strcmp(err->sqlstate, "3D000") == 0 && side == SIDE_TARGET) {
		*exists = false;
		opt.dbname = ep->maintenance_db;
		rc = session_open(out, ep, &opt, cancel, err);
	}
	return rc;
}

/* A name that leads to another server at every connect (round robin, a balancer that knows no leader) must not be used. */
static void try_route(struct reader *r)
{
	const struct endpoint *ep = &r->m->end[r->side];
	struct session *s;
	struct err err;
	bool exists;

	for (int i = 0; i < ROUTE_TRIES && !cancel_raised(r->cancel); i++) {
		PGresult *res;
		if (gather_connect(ep, r->side, r->app, r->cancel, &s, &exists, &err) != ERR_OK)
			return;
		if (session_exec(s, "SELECT coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'socket'), pg_is_in_recovery()",
				 0, NULL, 5000, &res, &err) == ERR_OK) {
			if (r->addrs.n > 0 && !strv_has(&r->addrs, cell(res, 0, 0)))
				r->unstable = true;
			if (!strv_has(&r->addrs, cell(res, 0, 0)))
				strv_add(&r->addrs, cell(res, 0, 0));
			r->unstable |= cell_bool(res, 0, 1);
			PQclear(res);
		}
		session_close(s);
	}
}

/* What is moved, and what hangs on the rest. */
static enum err_code choose(struct reader *r, struct session *s)
{
	if (r->m->sub.adopt) /* the target knows, or both: see gather */
		return facts_read_published(r->facts, s, &r->err);
	choice_mark(r->m, r->facts, NULL);
	char *left_out = choice_left_out(r->facts);
	enum err_code rc = str_eq(left_out, "{}") ? ERR_OK : facts_read_left_out(r->facts, s, left_out, &r->err);
	free(left_out);
	return rc;
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	const struct endpoint *ep = &r->m->end[r->side];
	struct session *s = NULL;
	struct err ignored;

	if (r->err.code == ERR_OK && gather_connect(ep, r->side, r->app, r->cancel, &s, &r->exists, &r->err) == ERR_OK) {
		secret_set(&r->password, session_password(s));
		if (facts_read(&r->facts, s, r->side, ep->dbname ? ep->dbname : PQdb(session_conn(s)), &r->err) == ERR_OK && r->exists &&
		    facts_read_columns(r->facts, s, &r->err) != ERR_OK) {
			facts_free(r->facts);
			r->facts = NULL;
		}
		if (r->facts && r->side == SIDE_SOURCE && choose(r, s) != ERR_OK) {
			facts_free(r->facts);
			r->facts = NULL;
		}
		if (r->facts && r->side == SIDE_SOURCE && r->m->method == METHOD_SUBSCRIPTION)
			(void)walplace_ask(s, 5000, &r->wal, &ignored);
		session_close(s);
	}
	if (r->facts && r->side == SIDE_TARGET)
		try_route(r);
	(void)pthread_mutex_lock(r->mu);
	r->done = true;
	uint64_t one = 1;
	ssize_t n = write(r->wake, &one, sizeof one);
	(void)n;
	(void)pthread_mutex_unlock(r->mu);
	return NULL;
}

void survey_box_init(struct survey_box *b, const struct migration *m)
{
	*b = (struct survey_box){0};
	b->s.m = m;
	b->s.dump_dir_free = b->s.wal_disk.free_bytes = -1;
	b->s.wal_rate = -1;
}

void survey_box_fini(struct survey_box *b)
{
	for (int i = 0; i < 2; i++)
		facts_free((struct facts *)b->s.facts[i]);
	tools_fini(&b->tools);
	free(b->reason);
	free(b->s.dump_dir);
	free(b->s.done);
	free(b->s.hop_where[0]);
	free(b->s.hop_where[1]);
	strv_fini(&b->s.target_addrs);
	*b = (struct survey_box){0};
}

/* free kB of `df -Pk`: the fourth word of its second line */
static int64_t df_free(const char *out)
{
	const char *line = strchr(out, '\n');
	long long kb;

	return line && sscanf(line + 1, "%*s %*s %*s %lld", &kb) == 1 ? (int64_t)kb * 1024 : -1;
}

static void look_at_disk_there(struct survey *s, struct cancel *cancel)
{
	const struct strv *prefix = &s->m->tools_prefix;
	char *out = NULL;
	struct err err;

	if (place_output(prefix, (const char *const[]){"df", "-Pk", "--", s->dump_dir, NULL}, cancel, &out, &err) == ERR_OK)
		s->dump_dir_free = df_free(out);
	free(out);
	s->dump_dir_writable = place_output(prefix, (const char *const[]){"test", "-w", s->dump_dir, NULL}, cancel, &out, &err) == ERR_OK;
	free(out);
}

/*
 * pg_dump, run where it will run, logs in and finds nothing to dump: that it says so proves the way. A server that it is too
 * old for was reached as well.
 */
static void try_reach(struct survey *s, struct reader *r, struct cancel *cancel)
{
	struct endpoint ep = s->m->end[r->side];
	struct strv words = {0}, argv = {0}, env = {0};
	struct process_result res = {0};
	struct err err;
	char *conninfo = endpoint_conninfo(&ep, r->exists ? NULL : ep.maintenance_db, r->side == SIDE_TARGET);
	char *line = secret_known(&r->password) ? xasprintf("%s\n", secret_text(&r->password)) : NULL;
	const struct process_spec spec = {.argv = &argv, .input = line};

	strv_add(&words, s->tool->pg_dump);
	strv_add(&words, "--schema-only");
	strv_add(&words, "--schema=pgusher_looks_whether_this_is_reached");
	strv_addf(&words, "--dbname=%s", conninfo);
	strv_add(&env, "PGCONNECT_TIMEOUT=10");
	strv_add(&env, "LC_MESSAGES=C");
	place_words(&argv, &s->m->tools_prefix, &env, &words, line != NULL);
	enum err_code rc = process_run(&spec, 1, NULL, REACH_MS, cancel, &res, &err);
	const char *said = res.n && res.last[0] ? res.last[0] : "";
	if (rc != ERR_OK && rc != ERR_CANCELLED && !strstr(said, "no matching schemas") && !strstr(said, "server version mismatch"))
		err_set(&s->reach[r->side], ERR_CONNECT, "%s", *said ? said : err.msg);
	if (line)
		explicit_bzero(line, strlen(line));
	free(line);
	free(conninfo);
	process_result_fini(&res);
	strv_fini(&words);
	strv_fini(&argv);
	strv_fini(&env);
}

/* Where the dump would lie need not exist yet: its nearest existing parent has the disk. */
/* pg_restore would say it only when the database has been made. */
static const char *look_at_dump(const char *path)
{
	struct stat st;
	char head[5] = "", *toc = xasprintf("%s/toc.dat", path);
	const char *wrong = NULL;
	FILE *f;

	if (stat(path, &st) < 0)
		wrong = "it is not there";
	else if (S_ISDIR(st.st_mode) && access(toc, R_OK) < 0)
		wrong = "there is no toc.dat in the folder";
	else if (!S_ISDIR(st.st_mode)) {
		f = fopen(path, "re");
		if (!f || fread(head, 1, sizeof head, f) != sizeof head || memcmp(head, "PGDMP", sizeof head) != 0)
			wrong = f ? "it is no dump in custom format (plain SQL is for psql)" : "it cannot be read";
		if (f)
			(void)fclose(f);
	}
	free(toc);
	return wrong;
}

static void look_at_disk(struct survey *s, struct cancel *cancel)
{
	const struct dump_options *o = &s->m->dump;

	if (o->use_file && s->m->tools_prefix.n == 0)
		s->use_file_wrong = look_at_dump(o->use_file);

	if ((o->transfer != TRANSFER_FILE && !o->dump_only) || o->use_file)
		return;
	if (s->m->tools_prefix.n) {
		s->dump_dir = xstrdup(o->dir ? o->dir : "/tmp");
		look_at_disk_there(s, cancel);
		return;
	}
	s->dump_dir = o->dir ? xstrdup(o->dir) : migration_state_dir(s->m);
	char *p = xstrdup(s->dump_dir);
	struct statvfs v;
	while (statvfs(p, &v) < 0 && errno == ENOENT) {
		char *slash = strrchr(p, '/');
		if (!slash || slash == p)
			break;
		*slash = '\0';
	}
	if (statvfs(*p ? p : "/", &v) == 0)
		s->dump_dir_free = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
	s->dump_dir_writable = access(*p ? p : "/", W_OK | X_OK) == 0;
	free(p);
}

static void look_at_wal_disk(struct survey *s, const struct reader *source)
{
	if (s->m->method != METHOD_SUBSCRIPTION || !source->facts)
		return;
	s->wal_rate = source->wal.wal_rate;
	waldisk_wait(s->m, &source->wal, source->cancel, &s->wal_disk);
}

static void probe(struct survey_box *b, const struct reader r[2], const struct gather_hooks *hooks)
{
	const struct migration *m = b->s.m;

	b->s.walsender = b->s.from_target = b->s.from_source = (struct err){0};
	b->s.probed = m->method == METHOD_SUBSCRIPTION && !m->sub.adopt && r[SIDE_SOURCE].facts && r[SIDE_TARGET].facts;
	if (!b->s.probed)
		return;
	const struct probing p = {.m = m, .facts = {r[SIDE_SOURCE].facts, r[SIDE_TARGET].facts}, .target_exists = r[SIDE_TARGET].exists, .app = r->app,
				  .password = {&r[SIDE_SOURCE].password, &r[SIDE_TARGET].password}, .cancel = r->cancel, .hooks = hooks};
	probes_ask(&p, &b->s);
}

/* A side that could not be read says nothing: only the checks that tell why run, the others are not "OK". */
static bool can_tell(const struct survey_box *b, const struct check *c)
{
	static const struct { unsigned need; enum side side; } parts[] = {{NEEDS_SOURCE, SIDE_SOURCE}, {NEEDS_TARGET, SIDE_TARGET}, {NEEDS_ROUTE, SIDE_TARGET}};
	size_t len = strlen(c->id);

	if ((len > 8 && strcmp(c->id + len - 8, ".connect") == 0) || (len > 4 && strcmp(c->id + len - 4, ".ssh") == 0))
		return true;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if ((c->needs & parts[i].need) && !b->s.facts[parts[i].side] && (migration_sides(b->s.m) & (1u << parts[i].side)))
			return false;
	return true;
}

static void run_ready(struct survey_box *b, unsigned have, bool *ran, const struct gather_hooks *hooks)
{
	size_t n;
	const struct check *all = checks_all(&n);

	for (size_t i = 0; i < n; i++) {
		if (ran[i] || (all[i].needs & ~have) || !(all[i].methods & checks_bit(b->s.m)))
			continue;
		struct finding f;
		ran[i] = true;
		if (!can_tell(b, &all[i]))
			continue;
		check_run(&all[i], &b->s, &f);
		hooks->finding(hooks->arg, &f);
		finding_fini(&f);
	}
}

static void take_result(struct survey_box *b, struct reader *r, unsigned *have, const struct gather_hooks *hooks)
{
	static const unsigned part[] = {[SIDE_SOURCE] = NEEDS_SOURCE, [SIDE_TARGET] = NEEDS_TARGET | NEEDS_ROUTE};

	r->taken = true;
	b->s.facts[r->side] = r->facts;
	if (!r->facts && hooks->blame)
		hooks->blame(hooks->arg, r->side, &r->err);
	b->s.connect[r->side] = r->facts ? (struct err){0} : r->err;
	if (r->side == SIDE_TARGET) {
		strv_fini(&b->s.target_addrs);
		b->s.target_addrs = r->addrs;
		b->s.target_unstable = r->unstable;
	}
	*have |= part[r->side];
	if (r->facts && hooks->facts)
		hooks->facts(hooks->arg, r->side, r->facts);
}

static void choose_tools(struct survey_box *b)
{
	const struct facts *src = b->s.facts[SIDE_SOURCE], *dst = b->s.facts[SIDE_TARGET];

	free(b->reason);
	b->reason = NULL;
	/* a dump that is there already only wants a pg_restore; that it understands the file, it says itself */
	int from = src ? src->version_num : 0;
	int to = dst ? dst->version_num : from;
	b->s.tool = src || dst ? tools_choose(&b->tools, from, to, &b->reason) : NULL;
	b->s.tool_reason = b->reason;
}

static bool start_reader(struct reader *r)
{
	r->done = r->waiting = false;
	r->started = pthread_create(&r->thread, NULL, reader_main, r) == 0;
	return r->started;
}

/* It did not answer, and may a moment later. */
static bool ask_later(struct survey_box *b, struct reader *r, const struct gather_hooks *hooks)
{
	if (r->facts || b->s.hop[r->side].code != ERR_OK || cancel_raised(r->cancel))
		return false;
	struct err why = r->err;
	if (!patience_more(&r->patience, &why))
		return false;
	if (hooks->blame)
		hooks->blame(hooks->arg, r->side, &r->err); /* ssh may know more */
	r->waiting = true;
	r->told_s = -1;
	return true;
}

/* It wants a password, and somebody has typed one. */
static bool with_password(const struct survey_box *b, struct reader *r, const struct gather_hooks *hooks)
{
	if (r->facts || b->s.hop[r->side].code != ERR_OK || cancel_raised(r->cancel) || !hooks->login || !hooks->login(hooks->arg, r->side, &r->err))
		return false;
	r->err = (struct err){0};
	return start_reader(r);
}

/* Those that wait: how long still, or is it time? Returns ms until this must be looked at again; -1: none waits. */
static int tend(struct reader r[2], const struct gather_hooks *hooks)
{
	int ms = -1;

	for (int i = 0; i < 2; i++) {
		if (!r[i].waiting)
			continue;
		int left_s = cancel_raised(r[i].cancel) ? 0 : patience_left_s(&r[i].patience);
		if (left_s != r[i].told_s && hooks->again)
			hooks->again(hooks->arg, r[i].side, &r[i].patience, left_s, &r[i].err);
		r[i].told_s = left_s;
		ms = 200;
		if (left_s > 0)
			continue;
		struct err why = {0};
		if (!cancel_raised(r[i].cancel) && (!hooks->reach || hooks->reach(hooks->arg, r[i].side, &why) == ERR_OK)) {
			r[i].err = (struct err){0};
			if (start_reader(&r[i]))
				continue;
			(void)err_set(&why, ERR_IO, "cannot start a thread");
		}
		r[i].err = why.code ? why : r[i].err;
		r[i].waiting = why.code && patience_more(&r[i].patience, &why);
		r[i].done = !r[i].waiting; /* as if the thread had come back with it */
	}
	return ms;
}

enum err_code gather(struct survey_box *b, const char *app, struct cancel *cancel, const struct gather_hooks *hooks, struct err *err)
{
	pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
	struct reader r[2] = {{0}, {0}};
	unsigned have = 0, sides = migration_sides(b->s.m);
	size_t n_checks;
	enum err_code rc = ERR_OK;
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), left = 0;

	if (wake < 0)
		return err_errno(err, "eventfd");
	(void)checks_all(&n_checks);
	bool *ran = xcalloc(n_checks, sizeof *ran);
	for (int i = 0; i < 2; i++) {
		r[i] = (struct reader){.m = b->s.m, .side = (enum side)i, .app = app, .cancel = cancel, .mu = &mu, .wake = wake,
				     .err = b->s.hop[i], .patience = PATIENCE};
		if (!(sides & (1u << i)))
			have |= i == SIDE_SOURCE ? NEEDS_SOURCE : NEEDS_TARGET | NEEDS_ROUTE;
		else if (start_reader(&r[i]))
			left++;
		else
			rc = err_set(err, ERR_IO, "cannot start a thread");
	}
	b->s.done = former_done(b->s.m);
	tools_find(&b->tools, b->s.m, cancel);
	b->s.tools = &b->tools;
	look_at_disk(&b->s, cancel);
	have |= NEEDS_DISK;
	while (left > 0) {
		int wait_ms = tend(r, hooks);
		/* the threads watch the cancel, and always come back; who waits for the next try does so here */
		struct pollfd p[2] = {{.fd = wake, .events = POLLIN}, {.fd = wait_ms < 0 ? -1 : cancel->fd, .events = POLLIN}};
		uint64_t v;
		(void)poll(p, 2, wait_ms);
		ssize_t got = read(wake, &v, sizeof v);
		(void)got;
		for (int i = 0; i < 2; i++) {
			(void)pthread_mutex_lock(&mu);
			bool done = r[i].done && !r[i].taken && !r[i].waiting;
			(void)pthread_mutex_unlock(&mu);
			if (!done)
				continue;
			if (r[i].started)
				(void)pthread_join(r[i].thread, NULL);
			r[i].started = false;
			if (ask_later(b, &r[i], hooks) || with_password(b, &r[i], hooks))
				continue;
			left--;
			take_result(b, &r[i], &have, hooks);
			if (left == 0) {
				if (hooks->both)
					hooks->both(hooks->arg, r[SIDE_SOURCE].facts, r[SIDE_TARGET].facts);
				if (b->s.m->sub.adopt && r[SIDE_SOURCE].facts && r[SIDE_TARGET].facts)
					choice_mark(b->s.m, r[SIDE_SOURCE].facts, r[SIDE_TARGET].facts);
				choose_tools(b);
				probe(b, r, hooks);
				look_at_wal_disk(&b->s, &r[SIDE_SOURCE]);
				for (int k = 0; k < 2 && b->s.tool && b->s.m->tools_prefix.n; k++)
					if (b->s.facts[k])
						try_reach(&b->s, &r[k], cancel);
				have |= NEEDS_TOOLS;
			}
			if (!cancel_raised(cancel))
				run_ready(b, have, ran, hooks);
		}
	}
	free(ran);
	for (int i = 0; i < 2; i++)
		secret_fini(&r[i].password);
	(void)close(wake);
	if (cancel_raised(cancel))
		return err_set(err, ERR_CANCELLED, "cancelled");
	return rc;
}
