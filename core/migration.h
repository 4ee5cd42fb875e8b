#ifndef PGUSHER_MIGRATION_H
#define PGUSHER_MIGRATION_H
/*
 * migration - everything the operator chose: two endpoints, a method, options.
 * A plain value: the wizard owns one and edits it, the engine gets a copy (migration_copy).
 * settings.h reads and writes it as an ini file; secrets are never written.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"
#include "base/str.h"

enum method { METHOD_DUMP, METHOD_TUNNEL, METHOD_SUBSCRIPTION };
enum side { SIDE_SOURCE, SIDE_TARGET };
enum transfer { TRANSFER_STREAM, TRANSFER_FILE };
enum dump_format { FORMAT_DIRECTORY, FORMAT_CUSTOM };
enum verify_mode { VERIFY_CHECKSUM, VERIFY_COUNT, VERIFY_OFF };
enum sub_copy { COPY_SNAPSHOT, COPY_NATIVE, COPY_DUMP }; /* where the subscription's initial rows come from */
enum fence { FENCE_OWN, FENCE_HOOK };    /* who holds the writers back during a cutover */
enum hook_moment { HOOK_BEFORE_FENCE, HOOK_FENCE, HOOK_UNFENCE, HOOK_HAND_OVER, HOOK_AFTER_HAND_OVER, HOOK_AFTER_ROLLBACK, HOOK_ALARM, HOOK_N };

/* Every string may be NULL (not set); libpq's own default then applies, unless it is said otherwise. */
struct endpoint {
	char *host;             /* libpq style: a name, several separated by commas, or a socket directory */
	char *port;             /* one, or as many as hosts */
	char *dbname;           /* the database that moves */
	char *user;
	char *sslmode, *sslrootcert, *sslcert, *sslkey;
	char *passfile;
	char *password_command; /* argv text, run without a shell; its first line is the password */
	char *service;
	char *ssh;              /* login@host or a Host of ssh_config; NULL: direct */
	char *local_port;       /* of the tunnel, one per host; NULL: free ones */
	char *forward;          /* engine: the local ports of the open tunnel; NULL: straight. Never written */
	pid_t forward_group;    /* engine: the process group that listens on them */
	char *ssh_config;       /* engine: what stands in for ~/.ssh/config, because that forwards ports of its own; NULL: ssh reads it */
	char *maintenance_db;   /* where to connect while dbname does not exist; default postgres */
	struct secret password; /* typed, or by_command; never written anywhere */
	bool by_command;        /* engine: the password is what password_command said */
};

struct dump_options {
	enum transfer transfer;
	enum dump_format format;
	int jobs;              /* parallel jobs of pg_dump and pg_restore, 1..64 */
	int split_mb;          /* of the stream: tables of so many MB may be copied by several sessions at once; 0: none */
	char *compress;        /* none, gzip:0..9, lz4[:n], zstd[:n]; NULL: the tool's default */
	char *dir;             /* where the dump lies; NULL: the state directory */
	char *use_file;        /* restore only: an existing dump; NULL: make one */
	bool keep;             /* keep the dump after a good end */
	bool dump_only;
	struct strv schemas, exclude_schemas; /* exact names; empty: all */
	enum verify_mode verify;
	char *maintenance_work_mem; /* of the restoring sessions; NULL: chosen from jobs */
};

/* What of dump_options fits holds for the subscription's first copy too: jobs, schemas, verify, dir, compress ... */
struct subscription_options {
	char *name, *publication, *slot; /* NULL until migration_settle: pgusher_<name of the migration> */
	enum sub_copy copy;
	char *role;                      /* what the subscription logs in to the source as; NULL: one of our own, generated password */
	char *source_host, *source_port; /* the source as the *target* reaches it; NULL: as [source] says */
	char *target_host, *target_port; /* the target as the *source* reaches it, for the way back; NULL: as [target] says */
	char *streaming;                 /* on, off, parallel; NULL: the best that the target can */
	char *synchronous_commit;        /* of the apply worker; NULL: off */
	struct strv tables, schemas;     /* what is followed: these tables (choice.h) and all of these schemas; both empty: everything */
	bool all_tables;                 /* the publication is FOR ALL TABLES, those that are made later too */
	bool via_root;                   /* partitions' rows are sent as their parent's */
	char *adopt;                     /* a subscription that somebody made by hand; NULL: ours is made */
	struct strv publications;        /* engine: all that it has, .publication first (pg/adopted.h); empty: not known. Never written */
};

struct cutover_options {
	int64_t max_lag_bytes;
	int max_outage_s;
	bool hold;                     /* the operator confirms at the hand-over that the application points to the new address */
	enum fence fence;
	char *verify;                  /* NULL: as dump.verify; see migration_cut_verify */
	int verify_budget_s;           /* 0: none of its own */
	bool reverse, large_objects, unlogged, refresh_matviews, analyze;
	struct endpoint app;           /* the application's address and role, for the smoke query; host NULL: none. See migration_app */
	char *smoke;                   /* SQL; NULL: our own */
};

struct hooks {
	struct strv argv[HOOK_N];      /* empty: nothing at that moment */
	int timeout_s;
};

struct migration {
	char *name; /* names the state directory; letters, digits, - and _ */
	enum method method;
	struct endpoint end[2]; /* by enum side */
	struct strv wal_disk;     /* [source]: argv of a command that prints df -P of its pg_wal; empty: looked for (host/waldisk.h) */
	struct strv tools_prefix; /* argv put before pg_dump and friends; empty: run here */
	char *tools_bindir;
	char *state_dir;        /* NULL: $XDG_STATE_HOME/pgusher, ~/.local/state/pgusher */
	struct dump_options dump;
	struct subscription_options sub;
	struct cutover_options cut;
	struct hooks hooks;
	char *theme;            /* [ui] */
	bool ascii;
	int refresh_ms;
	char *ini_path;         /* where it was read from; NULL: nowhere yet */
};

/* Of a migration that was given none. */
#define MIGRATION_NAME "migration"
void migration_init(struct migration *m); /* the defaults of sample.ini */
void migration_copy(struct migration *to, const struct migration *from); /* to: initialised or zeroed */
void migration_fini(struct migration *m);
/* Fills in what follows from other choices: names of the subscription's objects, how its first copy travels. Twice is the same as once. */
void migration_settle(struct migration *m);

/* How the two sides are compared while nobody writes. */
enum verify_mode migration_cut_verify(const struct migration *m);
/* The application's endpoint, with the target's values where it says nothing of its own. Initialises *app; free it with endpoint_fini. */
void migration_app(const struct migration *m, struct endpoint *app);
void endpoint_fini(struct endpoint *e);

const char *method_name(enum method v);
const char *side_name(enum side v); /* "source", "target" */
const char *transfer_name(enum transfer v);
const char *dump_format_name(enum dump_format v);
const char *verify_mode_name(enum verify_mode v);
const char *sub_copy_name(enum sub_copy v);
const char *fence_name(enum fence v);
const char *hook_moment_name(enum hook_moment v); /* as in [hooks]: "hand_over" */
/* false: no such word */
bool method_from_name(const char *s, enum method *out);
bool transfer_from_name(const char *s, enum transfer *out);
bool dump_format_from_name(const char *s, enum dump_format *out);
bool verify_mode_from_name(const char *s, enum verify_mode *out);
bool sub_copy_from_name(const char *s, enum sub_copy *out);
bool fence_from_name(const char *s, enum fence *out);
bool hook_moment_from_name(const char *s, enum hook_moment *out);

/* The directory for journal, live state and dumps of this migration; caller frees. */
char *migration_state_dir(const struct migration *m);

#endif
