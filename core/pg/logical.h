#ifndef PGUSHER_PG_LOGICAL_H
#define PGUSHER_PG_LOGICAL_H
/* logical - what the preflight and the method say alike about a subscription: role, connection, which tables. Any thread. */
#include "pg/facts.h"

/*
 * One way that changes travel: the forward link of the migration, or the reverse link that keeps the old source current after a
 * cutover. What works on a link works on both; a rollback is the cutover of the other one. A plain value.
 */
struct link {
	enum side from, to;                        /* who is written to, who follows */
	char publication[64], slot[64], role[64];  /* on `from`; the publication carries the word (phase.h), and may be the first of several */
	char subscription[64];                     /* on `to` */
	bool back;                                 /* the reverse link */
	bool own_role;                             /* ours to make and to drop */
};

/* The migration is settled. */
void link_forward(struct link *l, const struct migration *m);
void link_back(struct link *l, const struct migration *m);
/* All publications of a link: of one that was taken over there may be several (pg/adopted.h). Appended. */
void link_publications(const struct migration *m, const struct link *l, struct strv *out);
/* The same as a text[] and, for pgoutput, as identifiers with commas between them. Caller frees. */
char *link_publications_array(const struct migration *m, const struct link *l);
char *link_publications_sql(const struct migration *m, const struct link *l);
/* As `to` reaches `from`. password NULL: a placeholder for people. Caller wipes and frees. */
char *link_conninfo(const struct migration *m, const struct link *l, const char *password);

/* The statements that remove one part by hand; kind: "subscription", "slot", "publication" or "role". */
void link_undo_sql(struct str *sql, const char *kind, const char *name);

/* The role the subscription logs in as; caller frees. The migration is settled. */
char *subscription_role(const struct migration *m);
/* Whether a table travels by replication; leaf partitions do, their parents need not. */
bool subscription_carries(const struct migration *m, const struct fact_table *t);
/*
 * Whether the publication sends partitions' rows as their parent's: asked for, or because the same row belongs into another partition
 * on the target.
 */
bool subscription_via_root(const struct migration *m, const struct facts *src);
/* Whether whole schemas can be published: chosen so, from 15 on, by a superuser, and without tables of extensions in them. */
bool subscription_by_schema(const struct migration *m, const struct facts *src);
/* As the target reaches the source. password NULL: a placeholder for people. Caller wipes and frees. */
char *subscription_conninfo(const struct migration *m, const char *role, const char *password);
/* Keeps the statements of this session out of the server's log and statistics, where the role may. */
void subscription_hush(struct session *s);

#endif
