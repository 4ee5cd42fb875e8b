#ifndef PGUSHER_PG_FACTS_H
#define PGUSHER_PG_FACTS_H
/*
 * facts - what one server says about itself and about one database, read once by set-based catalogue
 * queries (never one per table), then const and passed by pointer. Checks and plan builders are pure
 * functions over the facts of both sides. Works on PostgreSQL 10 to 18; a query that the role may not
 * run leaves its part empty and its name in `unseen`.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "pg/session.h"

struct fact_role {
	char *name;
	bool super, inherit, createrole, createdb, login, replication, bypassrls;
	int connlimit;
	char *valid_until;     /* NULL: for ever */
	char *hash;            /* rolpassword; NULL: none or not readable (facts.hashes_readable tells) */
	struct strv settings;  /* rolconfig: "name=value" */
	struct strv db_settings; /* of this role in this database */
	char *comment;
	bool needed;           /* source: owns something in the database, is granted something, is mentioned by a
	                          policy, default privilege or user mapping, or is a member of / has as member a needed role's group */
};

struct fact_membership {
	char *role, *member, *grantor;
	bool admin;
	bool inherit_option, set_option; /* 16+; else true */
};

struct fact_extension {
	char *name, *version, *schema; /* version: installed on the source / default version available on the target */
	bool installed, available, trusted;
	struct strv versions;          /* versions this server offers */
};

struct fact_setting {
	char *name, *value, *unit, *context;
	bool pending_restart;
};

struct fact_acl { /* one grant on the database */
	char *grantee; /* "" is PUBLIC */
	char *privilege;
	char *grantor;
	bool grantable;
};

struct fact_column {
	char *name;
	char *type;        /* format_type */
	char *base_type;   /* pg_type.typname after domains are resolved, in schema pg_catalog; NULL for user types */
	char kind;         /* typtype of the resolved type: b e c r m ... */
	bool nullable;
	bool generated;    /* stored generated column */
	bool identity;
};

struct fact_table {
	uint32_t oid, parent; /* parent: of a partition; 0 */
	char *schema, *name;
	bool left_out;     /* the operator did not choose it (choice.h) */
	bool scattered;    /* its partition is found by a hash that is another on every server: an enum's */
	char kind;         /* relkind: r p m f S v ; only r, p and m are listed here */
	char persistence;  /* p u t */
	bool is_partition, rowsecurity, has_pk, populated; /* rowsecurity: policies hold for this role; populated: matviews */
	char *extension;   /* table of an extension; NULL: none */
	bool config;       /* the extension says that its rows are the user's: those of condition ("WHERE ..."), NULL or "" all */
	char *condition;
	int64_t heap_bytes;/* with TOAST, without indexes and maps */
	double rows;       /* reltuples; -1 never analysed */
	int64_t changed;   /* n_tup_ins + upd + del when read */
	char *owner;
	bool selectable;   /* this role may SELECT all of it */
	int n_columns;
	const struct fact_column *columns; /* filled by facts_read_columns */
	struct strv key;   /* columns of the primary key, in order */
};

struct fact_object { /* something that needs to be named: a sequence, a foreign table, an invalid index ... */
	char *kind;   /* "foreign table", "invalid index", "not valid constraint", "unlogged table", "event trigger",
	                 "publication", "subscription", "prepared transaction", "no replica identity", "writing transaction", "slot", "standby", "tablespace", "untrusted language", "removed type", ... */
	char *name;   /* quoted and qualified as SQL wants it; tablespaces as they are */
	char *detail;
	int64_t bytes;
	uint32_t oid; /* of the table that it is, or is about; 0: none */
};

struct facts {
	enum side side;
	/* server */
	int version_num;
	char *version;             /* "14.23" */
	bool in_recovery, read_only;
	char *system_identifier;   /* NULL: not readable by this role */
	char *server_addr;         /* as the server sees itself; NULL over a socket */
	int server_port;
	char *client_addr;         /* this host as the server sees it; NULL over a socket */
	bool ssl;
	char *ssl_version;
	bool password_asked; /* by the server, when we logged in */
	char *postmaster_start;
	int backend_pid;
	bool pooler;               /* something like pgbouncer answers in between */
	struct fact_setting *settings; /* all of pg_settings that facts_setting() is asked for */
	size_t n_settings;
	int connections, max_connections, reserved_connections; /* whole server */
	int slots, walsenders, logical_workers, origins;       /* in use now, whole server */
	int64_t clock_skew_us;     /* server clock minus ours, about */
	/* this role */
	char *role;
	bool super, createrole, createdb, replication, bypassrls, monitor, signal_backend, read_all_data;
	int role_connlimit;
	char *role_valid_until;
	bool may_subscribe;        /* superuser, or 16+ member of pg_create_subscription */
	bool hashes_readable;      /* pg_authid could be read */
	/* the database */
	bool db_exists;
	char *db_owner, *encoding, *collate, *ctype, *locale_provider /* "c" libc, "i" icu, "b" builtin */, *icu_locale,
		*icu_rules, *collversion, *collversion_actual, *db_comment, *db_tablespace;
	int db_connlimit;
	bool db_allow_conn, db_may_create; /* this role has CREATE on it */
	int64_t db_bytes;
	struct strv db_settings;   /* ALTER DATABASE ... SET */
	struct fact_acl *db_acl;   /* only when datacl is not NULL */
	size_t n_db_acl;
	bool db_has_acl;
	struct strv databases;     /* names of all databases of the server */
	struct strv tablespaces;   /* names, without pg_default and pg_global */
	struct fact_role *roles;   /* all roles of the server, without pg_* */
	size_t n_roles;
	struct fact_membership *members;
	size_t n_members;
	struct fact_extension *extensions; /* source: installed; target: everything available */
	size_t n_extensions;
	struct strv schemas;       /* user schemas */
	struct strv relations;     /* "schema"."name" of all user tables, views and sequences, sorted (pg/foreign.h) */
	bool relations_unread;     /* they could not be read: there may be any */
	struct fact_table *tables; /* user tables, partitioned tables, matviews; largest first */
	size_t n_tables;
	struct fact_table **by_oid; /* the same, for facts_table */
	int64_t n_user_objects;    /* relations, types, functions outside the system schemas and extensions: 0 is empty */
	int64_t n_sequences, n_large_objects, n_foreign, n_indexes;
	int64_t tables_bytes, large_object_bytes;
	bool columns_unread;       /* facts_read_columns could not: a table without columns is then not one */
	struct fact_object *objects;
	size_t n_objects;
	char *sample_object;       /* one user object's name, to show that the database is not empty */
	/* what could not be read, and why: "large objects: permission denied for ..." */
	struct strv unseen;
};

/*
 * Reads everything through an open session. `s` is connected to the database itself, or to the
 * maintenance database when db_exists is false (pass dbname in both cases).
 */
enum err_code facts_read(struct facts **out, struct session *s, enum side side, const char *dbname, struct err *err);
/* Fills columns and keys of all tables in two queries (verify and copy need them; preflight does not). */
enum err_code facts_read_columns(struct facts *f, struct session *s, struct err *err);
/*
 * Only what the copy and its proof are about: tables with columns and keys, large objects, foreign tables. As an exported
 * snapshot of the database shows them: what came after the preflight is in, too. ERR_SQL when a part of it cannot be read.
 */
enum err_code facts_read_content(struct facts **out, struct session *s, const char *snapshot, struct err *err);
/* What is about tables that the operator left out (their numbers as an array): keys that point to them, views that read them. */
enum err_code facts_read_left_out(struct facts *f, struct session *s, const char *left_out, struct err *err);
/* Which tables each publication of the database sends: objects "published" (detail: the publication). Only for a subscription that is taken over. */
enum err_code facts_read_published(struct facts *f, struct session *s, struct err *err);
/* A text array in its output form, {a,"b c"}, appended element by element. */
void facts_array(struct strv *out, const char *text);
void facts_free(struct facts *f);
const struct fact_table *facts_table(const struct facts *f, uint32_t oid); /* NULL: none */
const struct fact_setting *facts_setting(const struct facts *f, const char *name); /* NULL: this server has none */
const struct fact_role *facts_role(const struct facts *f, const char *name);
const struct fact_extension *facts_extension(const struct facts *f, const char *name);
int facts_major(const struct facts *f); /* 14; 9.6 is not supported */

#endif
