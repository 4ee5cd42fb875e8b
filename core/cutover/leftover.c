#include "cutover/leftover.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cutover/abandon.h"
#include "cutover/found.h"
#include "host/place.h"
#include "method/keys.h"
#include "pg/foreign.h"
#include "pg/logical.h"

#define ASK_MS 10000
#define ENVIRON_MAX (256 * 1024)
#define END_MS 5000

static int position(const struct model *seen, const char *id)
{
	const struct model_item *it = model_find(&seen->left, id);

	return it && !it->removed ? (int)(it - seen->left.v) : -1;
}

static void add_about(struct leftover *l, int i, const char *text)
{
	char *all = xasprintf("%s%s%s", l->about.v[i], *l->about.v[i] ? ", " : "", text);

	free(l->about.v[i]);
	l->about.v[i] = all;
}

/* ---- on the servers ---- */

static const char on_side[] =
	"SELECT 'slot', slot_name::text, format('keeps %s of WAL, %s', coalesce(pg_size_pretty(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()"
	" THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)), 'nothing'),"
	" CASE WHEN active THEN 'read by pid ' || active_pid ELSE 'nobody reads it' END) FROM pg_replication_slots"
	" UNION ALL SELECT 'subscription', subname::text, CASE WHEN subenabled THEN 'enabled' ELSE 'disabled' END FROM pg_subscription"
	" WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
	" UNION ALL SELECT 'database', datname::text, pg_size_pretty(pg_database_size(oid)) FROM pg_database WHERE datname = $1"
	" UNION ALL SELECT CASE WHEN application_name = $3 THEN 'theirs' ELSE 'session' END, pid::text, format('pid %s in %s, %s for %s s: %s', pid, datname, coalesce(state, '?'),"
	" extract(epoch FROM clock_timestamp() - coalesce(state_change, backend_start))::bigint, left(regexp_replace(query, '\\s+', ' ', 'g'), 60))"
	" FROM pg_stat_activity WHERE left(application_name, length($2)) = $2 AND application_name <> $4 AND pid <> pg_backend_pid()";

static void take_row(struct leftover *l, const struct model *seen, enum side side, const PGresult *res, int row)
{
	static const struct { const char *kind; const char *prefix[2][3]; } kinds[] = { /* by side */
		{"slot", {{"slot:"}, {"back-slot:"}}},
		{"subscription", {{"back-subscription:"}, {"subscription:"}}},
		{"database", {{NULL}, {"database:", "content:", ABANDON_COPY}}},
	};

	l->running += str_eq(cell(res, row, 0), "theirs");
	if (str_eq(cell(res, row, 0), "theirs"))
		strv_addf(&l->beside, "a session on the %s, which is ended: %s", side_name(side), cell(res, row, 2));
	else if (str_eq(cell(res, row, 0), "session"))
		strv_addf(&l->beside, "a session on the %s of a run that is not written down here; SELECT pg_terminate_backend(%s) ends it: %s", side_name(side), cell(res, row, 1),
			  cell(res, row, 2));
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		for (size_t p = 0; p < 3 && str_eq(cell(res, row, 0), kinds[k].kind); p++) {
			char *id = kinds[k].prefix[side][p] ? xasprintf("%s%s", kinds[k].prefix[side][p], cell(res, row, 1)) : NULL;
			int i = id ? position(seen, id) : -1;
			if (i >= 0)
				add_about(l, i, cell(res, row, 2));
			free(id);
		}
}

static void look_at_side(struct run *r, const struct model *seen, enum side side, const char *theirs, struct leftover *l)
{
	const struct endpoint *ep = &r->m->end[side];
	char *ours = xasprintf("pgusher %.32s ", r->m->name);
	const char *params[] = {ep->dbname, ours, theirs ? theirs : "", r->app};
	struct session *s;
	PGresult *res = NULL;
	struct err err = {0};
	enum err_code rc = run_session(r, side, NULL, &s, &err);

	if (rc == ERR_SQL && strcmp(err.sqlstate, "3D000") == 0)
		rc = run_session(r, side, ep->maintenance_db, &s, &err);
	if (rc == ERR_OK)
		rc = session_exec(s, on_side, 4, params, ASK_MS, &res, &err);
	if (rc != ERR_OK)
		strv_addf(&l->beside, "the %s cannot be asked, and what is there stays until it can: %s", side_name(side), err.msg);
	for (int i = 0; res && i < PQntuples(res); i++)
		take_row(l, seen, side, res, i);
	PQclear(res);
	free(ours);
}

/* Which publications somebody reads stands in no catalogue; from 14 on in the command of the walsender, while it runs. */
void leftover_readers(struct run *r, struct str *out)
{
	static const char sql[] =
		"SELECT slot_name, how FROM (SELECT s.slot_name, CASE WHEN a.query LIKE 'START\\_REPLICATION%publication\\_names%' THEN (SELECT 'reads ' || string_agg(p, ', ') || ' now'"
		"  FROM unnest($1::text[]) p WHERE strpos(a.query, '\"' || replace(replace(p, '\"', '\"\"'), chr(39), chr(39) || chr(39)) || '\"') > 0)"
		"  ELSE 'whether it reads one of them cannot be seen' END AS how FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid"
		"  WHERE s.slot_type = 'logical' AND s.database = current_database() AND s.slot_name <> $2) t WHERE how IS NOT NULL ORDER BY how DESC, 1";
	struct link f;
	struct session *s;
	PGresult *res = NULL;
	struct err err = {0};

	if (!r->m->sub.adopt)
		return;
	link_forward(&f, r->m);
	char *publications = link_publications_array(r->m, &f);
	const char *params[] = {publications, f.slot};
	if (run_glance(r, SIDE_SOURCE, &s, &err) != ERR_OK || session_exec(s, sql, 2, params, ASK_MS, &res, &err) != ERR_OK)
		str_addf(out, "who else reads the publications that were made by hand is not known: %s", err.msg);
	for (int i = 0; res && i < PQntuples(res); i++)
		str_addf(out, "%sthe slot %s (%s)", i ? ", " : "who else reads from there: ", cell(res, i, 0), cell(res, i, 1));
	PQclear(res);
	free(publications);
}

/* ---- on the disk ---- */

static bool size_here(const char *path, int64_t *bytes)
{
	char *const roots[] = {(char *)path, NULL};
	struct stat st;

	*bytes = 0;
	if (lstat(path, &st) < 0)
		return false;
	FTS *f = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	for (FTSENT *e; f && (e = fts_read(f)) != NULL;)
		if (e->fts_info == FTS_F)
			*bytes += (int64_t)e->fts_statp->st_size;
	if (f)
		(void)fts_close(f);
	return true;
}

static bool size_there(struct run *r, const char *path, int64_t *bytes)
{
	char *out = NULL;
	struct err err;
	long long kb = -1;

	if (place_output(&r->m->tools_prefix, (const char *const[]){"du", "-sk", "--", path, NULL}, r->cancel, &out, &err) == ERR_OK)
		(void)sscanf(out, "%lld", &kb);
	free(out);
	*bytes = kb * 1024;
	return kb >= 0;
}

static void look_at_dump(struct run *r, int i, const char *path, struct leftover *l)
{
	char b[32];
	int64_t bytes;
	bool there = r->m->tools_prefix.n ? size_there(r, path, &bytes) : size_here(path, &bytes);

	add_about(l, i, there ? fmt_bytes(b, sizeof b, (double)bytes) : "not there");
}

/* ---- on this host ---- */

/* What we started has its application's name in its environment; only our own user's can be read. */
static bool is_ours(long pid, const char *mark)
{
	char path[64];
	bool found = false;

	(void)snprintf(path, sizeof path, "/proc/%ld/environ", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *env = fd >= 0 ? xcalloc(1, ENVIRON_MAX + 1) : NULL;
	ssize_t n = 0;
	for (ssize_t k; env && n < ENVIRON_MAX && (k = read(fd, env + n, (size_t)(ENVIRON_MAX - n))) > 0;)
		n += k;
	for (const char *p = env; p && p < env + n && !found; p += strlen(p) + 1)
		found = mark[strlen(mark) - 1] == ' ' ? str_starts(p, mark) : str_eq(p, mark); /* of any attempt; of this one */
	free(env);
	if (fd >= 0)
		(void)close(fd);
	return found;
}

static void name_of(long pid, char *name, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%ld/comm", pid);
	FILE *f = fopen(path, "re");
	if (!f || !fgets(name, (int)size, f))
		(void)snprintf(name, size, "?");
	name[strcspn(name, "\n")] = '\0';
	if (f)
		(void)fclose(f);
}

static size_t each_process(const char *mark, void (*fn)(void *arg, long pid), void *arg)
{
	DIR *d = opendir("/proc");
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		int64_t pid;
		if (!str_to_i64(e->d_name, 2, INT32_MAX, &pid) || pid == getpid() || !is_ours((long)pid, mark))
			continue;
		n++;
		if (fn)
			fn(arg, (long)pid);
	}
	if (d)
		(void)closedir(d);
	return n;
}

struct telling { struct leftover *l; bool theirs; };

static void tell(void *arg, long pid)
{
	const struct telling *t = arg;
	char name[64], path[64], age[32];
	struct stat st;

	t->l->running += t->theirs;
	name_of(pid, name, sizeof name);
	(void)snprintf(path, sizeof path, "/proc/%ld", pid);
	double s = stat(path, &st) == 0 ? (double)clock_wall_us() / 1e6 - (double)st.st_mtime : 0;
	strv_addf(&t->l->beside, "a process here%s: %ld %s, %s old", t->theirs ? ", which is ended" : " of a run that is not written down here; kill ends it", pid, name,
		  fmt_secs(age, sizeof age, s > 0 ? s : 0));
}

static void end_one(void *arg, long pid)
{
	(void)kill((pid_t)pid, *(int *)arg);
}

static enum err_code end_processes(const char *theirs, struct err *err)
{
	int sig = SIGTERM;
	int64_t end = clock_deadline(2 * END_MS);
	char *mark = xasprintf("PGAPPNAME=%s", theirs);
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && each_process(mark, end_one, &sig) > 0) {
		int64_t left = end - clock_mono_us();
		if (left < 0) {
			err_set(err, ERR_CHILD, "a process of the attempt does not end");
			rc = err_hint(err, "it waits in the kernel, for a disk or a network file system: see ps -o pid,stat,wchan,cmd");
		}
		sig = left < END_MS * INT64_C(1000) ? SIGKILL : SIGTERM;
		(void)poll(NULL, 0, 50);
	}
	free(mark);
	return rc;
}

/* ---- what is missing ---- */

/* Set aside for the server's own copy, and not back yet; a database that goes needs none. */
static void look_for_keys(struct run *r, const struct model *seen, struct leftover *l)
{
	struct str names = {0}, unproven = {0};
	struct err ignored;
	bool goes = false;

	for (size_t i = 0; i < seen->left.n; i++)
		goes |= !seen->left.v[i].removed && (str_starts(seen->left.v[i].last->id, "database:") || str_starts(seen->left.v[i].last->id, "content:") || str_starts(seen->left.v[i].last->id, ABANDON_COPY));
	if (r->m->method != METHOD_SUBSCRIPTION || r->m->sub.copy != COPY_NATIVE || r->m->sub.adopt || goes)
		return;
	if (keys_absent(r, &names, &unproven, &ignored) == ERR_OK && names.len + unproven.len > 0)
		strv_addf(&l->beside, "the target lacks constraints of the source, or has them NOT VALID; pgusher cutover brings them back as long as this is not removed: %s%s%s", str_text(&names),
			  names.len && unproven.len ? ", " : "", str_text(&unproven));
	str_fini(&names);
	str_fini(&unproven);
}

/* ---- what is nowhere else ---- */

static bool database_goes(const struct model *seen)
{
	for (size_t i = 0; i < seen->left.n; i++)
		if (!seen->left.v[i].removed && (str_starts(seen->left.v[i].last->id, "database:") || str_starts(seen->left.v[i].last->id, ABANDON_COPY)))
			return true;
	return false;
}

/* Somebody else's work goes with the database. What cannot be asked, or a dump file in the source's place, says nothing of it. */
static void look_for_loss(struct run *r, unsigned sides, struct leftover *l)
{
	static const enum side order[] = {SIDE_TARGET, SIDE_SOURCE};
	struct facts *f[2] = {xcalloc(1, sizeof **f), xcalloc(1, sizeof **f)};
	struct strv names = {0};
	struct str list = {0};
	struct err err = {0};
	enum err_code rc = ERR_OK;

	for (int i = 0; i < 2 && rc == ERR_OK; i++) {
		struct session *s;
		if (!(sides & (1u << order[i]))) {
			rc = err_set(&err, ERR_CONNECT, "the %s is a dump file, which is not read for it", side_name(order[i]));
			break;
		}
		rc = run_session(r, order[i], NULL, &s, &err);
		if (rc == ERR_SQL && order[i] == SIDE_TARGET && str_eq(err.sqlstate, "3D000")) { /* no such database: nothing goes */
			rc = ERR_OK;
			break;
		}
		if (rc == ERR_OK)
			rc = foreign_read(f[order[i]], s, &err);
		if (rc == ERR_OK && f[order[i]]->relations_unread)
			rc = err_set(&err, ERR_SQL, "the %s does not list them: %s", side_name(order[i]), f[order[i]]->unseen.n ? f[order[i]]->unseen.v[0] : "no reason given");
		if (rc == ERR_OK && order[i] == SIDE_TARGET && f[SIDE_TARGET]->relations.n == 0)
			break; /* empty: whatever the source has */
	}
	if (rc == ERR_OK)
		foreign_names(f[SIDE_SOURCE], f[SIDE_TARGET], &names);
	foreign_list(&names, &list);
	if (names.n > 0) {
		l->loss = xasprintf("THE DATABASE HOLDS WHAT THE SOURCE DOES NOT HAVE, and that is nowhere else: %s; save it first (pg_dump --table), or move it to another database", str_text(&list));
		l->loss_word = xasprintf("%zu", names.n);
	} else if (rc != ERR_OK) {
		l->loss = xasprintf("WHETHER THE DATABASE HOLDS WHAT THE SOURCE DOES NOT HAVE IS NOT KNOWN, and it would go with it: %s", err.msg);
		l->loss_word = xstrdup(LOSS_UNKNOWN);
	}
	str_fini(&list);
	strv_fini(&names);
	facts_free(f[0]);
	facts_free(f[1]);
}

/* ---- all of it ---- */

static unsigned sides_of(const struct migration *m)
{
	if (m->dump.dump_only)
		return 1u << SIDE_SOURCE;
	if (m->dump.use_file && str_empty(m->end[SIDE_SOURCE].host) && str_empty(m->end[SIDE_SOURCE].service))
		return 1u << SIDE_TARGET;
	return 1u << SIDE_TARGET | 1u << SIDE_SOURCE;
}

void leftover_look(struct run *r, const struct model *seen, const char *theirs, struct leftover *out)
{
	unsigned sides = sides_of(r->m);
	struct telling t = {.l = out, .theirs = theirs != NULL};
	char *mark = theirs ? xasprintf("PGAPPNAME=%s", theirs) : xasprintf("PGAPPNAME=pgusher %.32s ", r->m->name);

	*out = (struct leftover){0};
	for (size_t i = 0; i < seen->left.n; i++) {
		const struct model_item *it = &seen->left.v[i];
		char age[32];
		double s = (double)(clock_wall_us() - it->last->at_us) / 1e6;
		bool written = !str_eq(it->last->title, LEFT_FOUND) && !str_eq(it->last->title, LEFT_MAYBE) && !str_starts(it->last->id, ABANDON_COPY); /* when it was found says nothing of its age */
		strv_take(&out->about, written ? xasprintf("%s old", fmt_secs(age, sizeof age, s > 0 ? s : 0)) : xstrdup(""));
		if (!it->removed && str_starts(it->last->id, "dump:"))
			look_at_dump(r, (int)i, it->last->id + strlen("dump:"), out);
	}
	for (int i = 0; i < 2; i++)
		if (sides & (1u << i))
			look_at_side(r, seen, (enum side)i, theirs, out);
	look_for_keys(r, seen, out);
	if (database_goes(seen))
		look_for_loss(r, sides, out);
	struct str readers = {0};
	leftover_readers(r, &readers);
	if (readers.len)
		strv_add(&out->beside, str_text(&readers));
	str_fini(&readers);
	(void)each_process(mark, tell, &t);
	free(mark);
}

enum err_code leftover_end(struct run *r, const void *theirs, struct err *err)
{
	struct err ignored;

	for (int i = 0; i < 2; i++) {
		session_close(r->control[i]); /* of the same name */
		r->control[i] = NULL;
		if ((sides_of(r->m) & (1u << i)) && r->reach(r->arg, (enum side)i, &ignored) == ERR_OK) /* one that is away is found so by whoever needs it */
			(void)run_sweep(&r->m->end[i], (enum side)i, theirs, &ignored);
	}
	return cancel_raised(r->cancel) ? err_set(err, ERR_CANCELLED, "cancelled") : end_processes(theirs, err);
}

void leftover_fini(struct leftover *l)
{
	strv_fini(&l->about);
	strv_fini(&l->beside);
	free(l->loss);
	free(l->loss_word);
}
