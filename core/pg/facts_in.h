#ifndef PGUSHER_PG_FACTS_IN_H
#define PGUSHER_PG_FACTS_IN_H
/* Shared by the files that read facts; not for others. */
#include "pg/facts.h"

#define FACTS_MS 30000 /* one catalogue query; a lock held by somebody must not hang the preflight */

/*
 * One query of a part. A part that may not be read (42501) or takes too long is named in f->unseen, and *res is NULL with
 * ERR_OK; a lost connection or cancel is an error.
 */
enum err_code facts_ask(struct facts *f, struct session *s, const char *what, const char *sql, int n, const char *const *params,
			PGresult **res, struct err *err);

enum err_code facts_read_server(struct facts *f, struct session *s, const char *dbname, struct err *err);
enum err_code facts_read_roles(struct facts *f, struct session *s, const char *dbname, struct err *err);
enum err_code facts_read_tables(struct facts *f, struct session *s, struct err *err);
enum err_code facts_read_replication(struct facts *f, struct session *s, struct err *err);
/* Subscriptions and publications, without their tables. */
enum err_code facts_read_links(struct facts *f, struct session *s, struct err *err);
enum err_code facts_read_objects(struct facts *f, struct session *s, struct err *err);

#endif
