#include "migration.h"

#include <stdlib.h>
#include <string.h>

static const char *const method_names[] = {"dump", "tunnel", "subscription"};
static const char *const side_names[] = {"source", "target"};
static const char *const transfer_names[] = {"stream", "file"};
static const char *const format_names[] = {"directory", "custom"};
static const char *const verify_names[] = {"checksum", "count", "off"};
static const char *const sub_copy_names[] = {"snapshot", "native", "dump"};

static const char *const fence_names[] = {"own", "hook"};
static const char *const hook_names[] = {"before_fence", "fence", "unfence", "hand_over", "after_hand_over", "after_rollback", "alarm"};

static int name_index(const char *const *names, int n, const char *s)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], s) == 0)
			return i;
	return -1;
}

#define ENUM_NAMES(type, fn, table)                                                  \
	const char *fn##_name(enum type v)                                           \
	{                                                                            \
		return (table)[v];                                                   \
	}                                                                            \
	bool fn##_from_name(const char *s, enum type *out)                           \
	{                                                                            \
		int i = name_index(table, (int)(sizeof(table) / sizeof *(table)), s); \
		if (i >= 0)                                                          \
			*out = (enum type)i;                                         \
		return i >= 0;                                                       \
	}

ENUM_NAMES(method, method, method_names)
ENUM_NAMES(transfer, transfer, transfer_names)
ENUM_NAMES(dump_format, dump_format, format_names)
ENUM_NAMES(verify_mode, verify_mode, verify_names)
ENUM_NAMES(sub_copy, sub_copy, sub_copy_names)
ENUM_NAMES(fence, fence, fence_names)
ENUM_NAMES(hook_moment, hook_moment, hook_names)

const char *side_name(enum side v)
{
	return side_names[v];
}

void migration_init(struct migration *m)
{
	*m = (struct migration){0};
	m->name = xstrdup(MIGRATION_NAME);
	m->method = METHOD_DUMP;
	m->dump.transfer = TRANSFER_STREAM;
	m->dump.format = FORMAT_DIRECTORY;
	m->dump.jobs = 4;
	m->dump.split_mb = 1024;
	m->dump.verify = VERIFY_CHECKSUM;
	m->cut = (struct cutover_options){.max_lag_bytes = 16 << 20, .max_outage_s = 60, .reverse = true, .large_objects = true, .unlogged = true,
					  .refresh_matviews = true, .analyze = true};
	m->hooks.timeout_s = 30;
	m->refresh_ms = 1000;
	for (int i = 0; i < 2; i++)
		m->end[i].maintenance_db = xstrdup("postgres");
}

static void endpoint_copy(struct endpoint *to, const struct endpoint *from)
{
	*to = *from;
	char **slots[] = {&to->host, &to->port, &to->dbname, &to->user, &to->sslmode, &to->sslrootcert,
			  &to->sslcert, &to->sslkey, &to->passfile, &to->password_command, &to->service,
			  &to->ssh, &to->local_port, &to->forward, &to->ssh_config, &to->maintenance_db};
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
		*slots[i] = xstrdup(*slots[i]);
	to->password = (struct secret){0};
	secret_copy(&to->password, &from->password);
}

void endpoint_fini(struct endpoint *e)
{
	char *all[] = {e->host, e->port, e->dbname, e->user, e->sslmode, e->sslrootcert, e->sslcert,
		       e->sslkey, e->passfile, e->password_command, e->service, e->ssh, e->local_port, e->forward,
		       e->ssh_config, e->maintenance_db};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	secret_fini(&e->password);
}

void migration_copy(struct migration *to, const struct migration *from)
{
	struct migration m = *from;

	m.name = xstrdup(from->name);
	for (int i = 0; i < 2; i++)
		endpoint_copy(&m.end[i], &from->end[i]);
	m.tools_prefix = (struct strv){0};
	strv_copy(&m.tools_prefix, &from->tools_prefix);
	m.wal_disk = (struct strv){0};
	strv_copy(&m.wal_disk, &from->wal_disk);
	m.dump.schemas = m.dump.exclude_schemas = (struct strv){0};
	strv_copy(&m.dump.schemas, &from->dump.schemas);
	strv_copy(&m.dump.exclude_schemas, &from->dump.exclude_schemas);
	endpoint_copy(&m.cut.app, &from->cut.app);
	for (int i = 0; i < HOOK_N; i++) {
		m.hooks.argv[i] = (struct strv){0};
		strv_copy(&m.hooks.argv[i], &from->hooks.argv[i]);
	}
	m.sub.tables = m.sub.schemas = m.sub.publications = (struct strv){0};
	strv_copy(&m.sub.tables, &from->sub.tables);
	strv_copy(&m.sub.schemas, &from->sub.schemas);
	strv_copy(&m.sub.publications, &from->sub.publications);
	char **slots[] = {&m.tools_bindir, &m.state_dir, &m.dump.compress, &m.dump.dir, &m.dump.use_file,
			  &m.dump.maintenance_work_mem, &m.theme, &m.ini_path, &m.sub.name, &m.sub.publication, &m.sub.slot,
			  &m.sub.role, &m.sub.source_host, &m.sub.source_port, &m.sub.target_host, &m.sub.target_port, &m.sub.streaming, &m.sub.synchronous_commit, &m.sub.adopt,
			  &m.cut.verify, &m.cut.smoke};
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
		*slots[i] = xstrdup(*slots[i]);
	migration_fini(to);
	*to = m;
}

void migration_fini(struct migration *m)
{
	char *all[] = {m->name, m->tools_bindir, m->state_dir, m->dump.compress, m->dump.dir,
		       m->dump.use_file, m->dump.maintenance_work_mem, m->theme, m->ini_path, m->sub.name, m->sub.publication,
		       m->sub.slot, m->sub.role, m->sub.source_host, m->sub.source_port, m->sub.target_host, m->sub.target_port, m->sub.streaming, m->sub.synchronous_commit, m->sub.adopt,
		       m->cut.verify, m->cut.smoke};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	for (int i = 0; i < 2; i++)
		endpoint_fini(&m->end[i]);
	endpoint_fini(&m->cut.app);
	for (int i = 0; i < HOOK_N; i++)
		strv_fini(&m->hooks.argv[i]);
	strv_fini(&m->tools_prefix);
	strv_fini(&m->wal_disk);
	strv_fini(&m->dump.schemas);
	strv_fini(&m->dump.exclude_schemas);
	strv_fini(&m->sub.tables);
	strv_fini(&m->sub.schemas);
	strv_fini(&m->sub.publications);
	*m = (struct migration){0};
}

/* Slots allow lower-case letters, digits and _ only; the others follow suit. */
static char *object_name(const char *migration)
{
	char *name = xasprintf("pgusher_%.48s", migration);

	for (char *p = name; *p; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p == '-' ? '_' : *p);
	return name;
}

void migration_settle(struct migration *m)
{
	struct subscription_options *o = &m->sub;

	if (m->method != METHOD_SUBSCRIPTION)
		return;
	if (o->adopt)
		xreplace(&o->name, o->adopt);
	char *name = object_name(m->name), **slots[] = {&o->name, &o->publication, &o->slot};
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
		if (str_empty(*slots[i]))
			xreplace(slots[i], name);
	free(name);
	m->dump.transfer = o->copy == COPY_DUMP ? TRANSFER_FILE : TRANSFER_STREAM;
	m->dump.keep |= o->copy == COPY_DUMP; /* it is a backup as well */
	m->dump.dump_only = false;
	if (o->tables.n == 0 && m->dump.schemas.n == 0 && !o->adopt) /* then it is the schemas that are moved, with all that is in them */
		strv_copy(&m->dump.schemas, &o->schemas);
}

enum verify_mode migration_cut_verify(const struct migration *m)
{
	enum verify_mode v = m->dump.verify;

	if (m->cut.verify)
		(void)verify_mode_from_name(m->cut.verify, &v);
	return v;
}

void migration_app(const struct migration *m, struct endpoint *app)
{
	const struct endpoint *t = &m->end[SIDE_TARGET];

	endpoint_copy(app, &m->cut.app);
	char **mine[] = {&app->dbname, &app->user, &app->sslmode, &app->sslrootcert};
	const char *theirs[] = {t->dbname, t->user, t->sslmode, t->sslrootcert};
	for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
		if (!*mine[i])
			xreplace(mine[i], theirs[i]);
}

char *migration_state_dir(const struct migration *m)
{
	const char *base = m->state_dir, *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (!str_empty(base))
		return xasprintf("%s/%s", base, m->name);
	if (!str_empty(xdg))
		return xasprintf("%s/pgusher/%s", xdg, m->name);
	return xasprintf("%s/.local/state/pgusher/%s", str_empty(home) ? "/tmp" : home, m->name);
}
