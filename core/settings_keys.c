/* The table of keys. Declared in settings_in.h. */
#include "settings_in.h"

#include "migration.h"

#define M(f) offsetof(struct migration, f)
#define END(side, word, example)                                                                                                 \
	{word, "host", T_PLAIN, M(end[side].host), 0, 0, example,                                                                \
	 "a name, several separated by commas (the one that takes writes is found), or a socket's folder"},                     \
	{word, "port", T_PORT, M(end[side].port), 0, 0, "5432", "one, or as many as hosts"},                                      \
	{word, "dbname", T_PLAIN, M(end[side].dbname), 0, 0, "netbox", "the database that moves"},                                \
	{word, "user", T_TEXT, M(end[side].user), 0, 0, "postgres", "the role to log in as; a superuser or the owner"},          \
	{word, "sslmode", T_TEXT, M(end[side].sslmode), 0, 0, NULL, "as libpq: disable, prefer, require, verify-ca, verify-full"}, \
	{word, "sslrootcert", T_TEXT, M(end[side].sslrootcert), 0, 0, NULL, "file of the certificate authority"},               \
	{word, "sslcert", T_TEXT, M(end[side].sslcert), 0, 0, NULL, "file of our certificate"},                                  \
	{word, "sslkey", T_TEXT, M(end[side].sslkey), 0, 0, NULL, "file of its key"},                                            \
	{word, "passfile", T_TEXT, M(end[side].passfile), 0, 0, NULL, "password file; else ~/.pgpass, or typed. PGPASSWORD goes before both"},   \
	{word, "password_command", T_TEXT, M(end[side].password_command), 0, 0, NULL,                                            \
	 "a command (no shell) whose first line of output is the password"},                                                    \
	{word, "service", T_TEXT, M(end[side].service), 0, 0, NULL, "an entry of pg_service.conf"},                              \
	{word, "ssh", T_TEXT, M(end[side].ssh), 0, 0, NULL, "method tunnel: login@host, or a Host of ~/.ssh/config, from where host and port are reached"}, \
	{word, "local_port", T_PORT, M(end[side].local_port), 0, 0, NULL, "of the tunnel, one for each host; default: free ones"}, \
	{word, "maintenance_db", T_TEXT, M(end[side].maintenance_db), 0, 0, NULL, "where to connect while dbname does not exist; default postgres"}

static const struct setting keys[] = {
	{"migration", "name", T_NAME, M(name), 0, 0, "netbox", "names the folder of the journal: letters, digits, - and _"},
	{"migration", "method", T_METHOD, M(method), 0, 0, "dump", "dump: a copy; tunnel: the same through ssh; subscription: a copy that then follows the source"},
	{"migration", "state_dir", T_TEXT, M(state_dir), 0, 0, NULL, "folder of the journals; default $XDG_STATE_HOME/pgusher, else ~/.local/state/pgusher"},
	END(SIDE_SOURCE, "source", "db-old.example.org"),
	{"source", "wal_disk", T_ARGV, M(wal_disk), 0, 0, NULL,
	 "a command (no shell) that prints df -P of the source's pg_wal, as ssh login@db-old df -P /path/pg_wal; default: looked for here, or by our ssh"},
	END(SIDE_TARGET, "target", "db-new.example.org"),
	{"tools", "bindir", T_TEXT, M(tools_bindir), 0, 0, NULL, "folder of pg_dump, pg_restore and vacuumdb; default: the best of those installed"},
	{"tools", "prefix", T_ARGV, M(tools_prefix), 0, 0, NULL,
	 "what is put before them when they run elsewhere: docker exec -i patroni, kubectl exec -i pod --, ssh host podman exec -i name"},
	{"dump", "transfer", T_TRANSFER, M(dump.transfer), 0, 0, "stream", "stream: straight into the target; file: through a dump file"},
	{"dump", "format", T_FORMAT, M(dump.format), 0, 0, "directory", "of the file: directory (parallel) or custom (one file)"},
	{"dump", "jobs", T_INT, M(dump.jobs), 1, 64, "4", "parallel jobs, 1 to 64"},
	{"dump", "split_mb", T_INT, M(dump.split_mb), 0, 1 << 20, "1024", "of the stream: a table of so many MB that is more than a session's share is copied by several at once; 0: none is"},
	{"dump", "compress", T_COMPRESS, M(dump.compress), 0, 0, NULL, "none, gzip:0..9, lz4, zstd:1..22; default: what pg_dump does"},
	{"dump", "dir", T_TEXT, M(dump.dir), 0, 0, NULL, "folder of the dump file; default: the migration's state folder"},
	{"dump", "use_file", T_TEXT, M(dump.use_file), 0, 0, NULL, "restore this existing dump; none is made"},
	{"dump", "keep", T_BOOL, M(dump.keep), 0, 0, "no", "keep the dump file after a good end"},
	{"dump", "dump_only", T_BOOL, M(dump.dump_only), 0, 0, "no", "make the dump file, restore nothing"},
	{"dump", "schemas", T_LIST, M(dump.schemas), 0, 0, NULL, "only these schemas, separated by commas"},
	{"dump", "exclude_schemas", T_LIST, M(dump.exclude_schemas), 0, 0, NULL, "all but these schemas"},
	{"dump", "verify", T_VERIFY, M(dump.verify), 0, 0, "checksum", "checksum, count or off: how the copy is proven"},
	{"dump", "maintenance_work_mem", T_TEXT, M(dump.maintenance_work_mem), 0, 0, NULL, "of the restoring sessions; default: the server's, at least 256MB when a table is larger than 8 GB"},
	{"subscription", "copy", T_COPY, M(sub.copy), 0, 0, "snapshot",
	 "snapshot: copied and proven, then followed from there; dump: the same through a kept file; native: the server's own copy. [dump] holds for it too"},
	{"subscription", "name", T_TEXT, M(sub.name), 0, 0, NULL, "of the subscription; default pgusher_ and the migration's name"},
	{"subscription", "publication", T_TEXT, M(sub.publication), 0, 0, NULL, "default: the same"},
	{"subscription", "slot", T_SLOT, M(sub.slot), 0, 0, NULL, "default: the same"},
	{"subscription", "role", T_TEXT, M(sub.role), 0, 0, NULL, "logs in to the source for the subscription; default: one made for it, with a password nobody sees"},
	{"subscription", "source_host", T_PLAIN, M(sub.source_host), 0, 0, NULL, "the source as the target reaches it, when that is another address"},
	{"subscription", "source_port", T_PORT, M(sub.source_port), 0, 0, NULL, "and its port there"},
	{"subscription", "target_host", T_PLAIN, M(sub.target_host), 0, 0, NULL, "the target as the source reaches it (for the way back), when that is another address"},
	{"subscription", "target_port", T_PORT, M(sub.target_port), 0, 0, NULL, "and its port there"},
	{"subscription", "streaming", T_STREAMING, M(sub.streaming), 0, 0, NULL, "on, off or parallel; default: the best that the target can"},
	{"subscription", "synchronous_commit", T_SYNC, M(sub.synchronous_commit), 0, 0, NULL, "of the apply worker: off, local, on, remote_write, remote_apply; default: off, and on once level where the target has a synchronous standby"},
	{"subscription", "tables", T_TABLES, M(sub.tables), 0, 0, NULL,
	 "follow only these (schema.table, separated by commas; the line may come again), and what of schemas is chosen; default: all"},
	{"subscription", "schemas", T_LIST, M(sub.schemas), 0, 0, NULL, "follow all tables of these schemas"},
	{"subscription", "all_tables", T_BOOL, M(sub.all_tables), 0, 0, "no",
	 "publish FOR ALL TABLES, those made later too (needs a superuser; a new one must be made on the target first)"},
	{"subscription", "via_root", T_BOOL, M(sub.via_root), 0, 0, "no", "send the rows of partitions as their parent's (13 and newer)"},
	{"subscription", "adopt", T_TEXT, M(sub.adopt), 0, 0, NULL, "take over this subscription of the target, which somebody made by hand: check it, watch it, cut it over"},
	{"cutover", "max_lag", T_BYTES, M(cut.max_lag_bytes), 0, INT64_C(1) << 50, "16MB", "a cutover begins when the target is no further behind: a number with kB, MB or GB"},
	{"cutover", "max_outage", T_INT, M(cut.max_outage_s), 1, 86400, "60", "seconds for which writers may wait or be refused, then all is taken back; hold and hand_over do not count"},
	{"cutover", "hold", T_BOOL, M(cut.hold), 0, 0, "no", "after the hand-over, wait until the operator says that the application points to the new address"},
	{"cutover", "fence", T_FENCE, M(cut.fence), 0, 0, "own", "own: locks let the writers wait; hook: the commands fence and unfence of [hooks] do (pgbouncer PAUSE)"},
	{"cutover", "verify", T_CUT_VERIFY, M(cut.verify), 0, 0, NULL, "checksum, count or off: how both sides are compared while nobody writes; default: as [dump] verify"},
	{"cutover", "verify_budget", T_INT, M(cut.verify_budget_s), 0, 86400, "0", "seconds for that comparison; tables not reached are named as not verified. 0: as long as max_outage lets it"},
	{"cutover", "reverse", T_BOOL, M(cut.reverse), 0, 0, "yes", "a reverse link keeps the old source current, so that a rollback loses nothing"},
	{"cutover", "large_objects", T_BOOL, M(cut.large_objects), 0, 0, "yes", "large objects, which replication does not carry, are brought over while nobody writes"},
	{"cutover", "unlogged", T_BOOL, M(cut.unlogged), 0, 0, "yes", "and so are the rows of unlogged tables"},
	{"cutover", "refresh_matviews", T_BOOL, M(cut.refresh_matviews), 0, 0, "yes", "refresh the target's materialized views after the hand-over"},
	{"cutover", "analyze", T_BOOL, M(cut.analyze), 0, 0, "yes", "ANALYZE the target after the hand-over"},
	{"cutover", "app_host", T_PLAIN, M(cut.app.host), 0, 0, NULL, "the address that the application will use (HAProxy, pgbouncer); a smoke query goes there after the hand-over"},
	{"cutover", "app_port", T_PORT, M(cut.app.port), 0, 0, NULL, "its port"},
	{"cutover", "app_user", T_TEXT, M(cut.app.user), 0, 0, NULL, "the application's role; default: the user of [target]"},
	{"cutover", "app_dbname", T_PLAIN, M(cut.app.dbname), 0, 0, NULL, "the database's name there; default: that of [target]"},
	{"cutover", "app_sslmode", T_TEXT, M(cut.app.sslmode), 0, 0, NULL, "as libpq; default: that of [target]"},
	{"cutover", "app_passfile", T_TEXT, M(cut.app.passfile), 0, 0, NULL, "password file of the application's role; else ~/.pgpass"},
	{"cutover", "app_password_command", T_TEXT, M(cut.app.password_command), 0, 0, NULL, "a command (no shell) whose first line of output is its password"},
	{"cutover", "smoke", T_TEXT, M(cut.smoke), 0, 0, NULL, "SQL of the smoke query, run in a transaction that is rolled back; default: SELECT 1, and a look whether the role may write"},
#define HOOK(name, moment, help) {"hooks", name, T_ARGV, M(hooks.argv[moment]), 0, 0, NULL, help}
	HOOK("before_fence", HOOK_BEFORE_FENCE, "all is ready, writers still write; a failure ends the cutover"),
	HOOK("fence", HOOK_FENCE, "with [cutover] fence = hook: stop the application's writes; done when it returns 0"),
	HOOK("unfence", HOOK_UNFENCE, "the way back of fence, when the cutover is taken back: the source is written to again"),
	HOOK("hand_over", HOOK_HAND_OVER, "point the application to the target (edit and RELOAD pgbouncer, then RESUME); a status other than 0 takes all back, unless the target has taken writes by then"),
	HOOK("after_hand_over", HOOK_AFTER_HAND_OVER, "the target is the primary and answers"),
	HOOK("after_rollback", HOOK_AFTER_ROLLBACK, "the old source is the primary again; point the application to it"),
	HOOK("alarm", HOOK_ALARM, "something went wrong while it was watched, once for each: PGUSHER_REASON says what (ALARM: ..., or warn: ...)"),
	{"hooks", "timeout", T_INT, M(hooks.timeout_s), 1, 3600, "30", "seconds that a command may take; then it is stopped, and that is a failure"},
	{"ui", "theme", T_TEXT, M(theme), 0, 0, NULL, "a name of the themes folder"},
	{"ui", "ascii", T_BOOL, M(ascii), 0, 0, "no", "no line-drawing characters"},
	{"ui", "refresh", T_INT, M(refresh_ms), 100, 60000, "1000", "milliseconds between looks at the servers while it runs"},
};
_Static_assert(sizeof keys / sizeof *keys <= SETTINGS_KEYS_MAX, "seen[] of a reading holds one for each");

static const char *const section_help[][2] = {
	{"source", "where the database is now"}, {"target", "where it goes"}, {"tools", "the client programs"},
	{"dump", "the dump method"}, {"subscription", "the subscription method"}, {"cutover", "the subscription's end: pgusher cutover"},
	{"hooks", "commands at named moments; words as a shell splits them, no shell. They are told of it by PGUSHER_MOMENT, PGUSHER_HOST ..."}, {"ui", "the screen"},
};

const struct setting *settings_keys(size_t *n)
{
	*n = sizeof keys / sizeof *keys;
	return keys;
}

const char *settings_section_help(const char *section)
{
	for (size_t i = 0; i < sizeof section_help / sizeof *section_help; i++)
		if (str_eq(section_help[i][0], section))
			return section_help[i][1];
	return NULL;
}

