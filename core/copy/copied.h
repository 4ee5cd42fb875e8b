#ifndef PGUSHER_COPY_COPIED_H
#define PGUSHER_COPY_COPIED_H
/*
 * copied - which tables a copy has brought over completely, in a file beside the journal, so that an attempt that was interrupted need
 * not copy them again. One line of JSON for the moment the copy was made at (the snapshot's), one for each table that is complete.
 *
 * When is a table as it was? Let S1 be the snapshot it was copied in, S2 a later one of the same server. Every transaction below S1's xmin
 * had ended when S1 was taken, subtransactions and prepared ones too. So if no row that S2 sees was written by a transaction at or above it, each
 * was there in S1: it had been committed then, and who deletes a row before S1 deletes it for S2 as well. S2's rows are then some of
 * S1's; as many as were copied are all of them. What a transaction wrote that was under way at S1, or ended a moment before while an older one
 * was still running, counts as changed: the error is on the safe side. A row keeps the number of its transaction when it is frozen (9.4 and newer).
 * It also keeps it when a column is added, whose value then stands in the catalog: such a one is told by pg_dump's words, or else by `columns`.
 *
 * The file proves nothing by itself: every table is looked at on both sides before it is kept (look.c). Any thread; one writer, who holds the
 * journal's lock.
 */
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* One server and database at one moment. */
struct copied_place {
	char *system;      /* the cluster's identifier; NULL: unknown */
	char *timeline;    /* "00000001"; NULL: a standby, or unknown */
	int64_t database;  /* its number */
	int64_t xid;       /* source: the snapshot's xmin; target: the next transaction's. With the epoch */
	int64_t lsn;       /* source: where WAL was inserted once the snapshot was there, as bytes */
};

struct copied_table {
	uint32_t oid;      /* on the source */
	char *id;          /* schema.name */
	int64_t rows, bytes;
	int64_t xid;       /* the target's next transaction when it was complete: whoever writes later has this one, or a higher one */
};

struct copied {
	char *run;         /* of the attempt */
	char *never;       /* why nothing of this copy can be kept; NULL: it may be */
	struct copied_place at[2]; /* by side */
	int64_t before_rows, behind_rows; /* fingerprints of the objects (post.h) */
	int64_t columns;   /* of the source's tables and composite types, dropped ones too: one that was dropped and made anew is another, and no row is written for it */
	size_t of_tables;  /* there were */
	struct copied_table *tables; /* by oid, each once */
	size_t n;
	int64_t bytes;     /* of them */
};

/* NULL: there is no such file, or it says nothing that can be read. A torn last line is none. Caller frees. */
struct copied *copied_read(const char *dir);
void copied_free(struct copied *c); /* NULL is fine */
void copied_place_fini(struct copied_place *p);
const struct copied_table *copied_find(const struct copied *c, uint32_t oid, const char *id); /* NULL: not complete */
void copied_add(struct copied *c, uint32_t oid, const char *id, int64_t rows, int64_t bytes, int64_t xid);

/* Puts c, with its tables, in place of what the file said; synced. */
enum err_code copied_write(const struct copied *c, const char *dir, struct err *err);
/* Appends the tables of c from `from` on; not synced: a table whose line is lost is copied again. */
enum err_code copied_append(const struct copied *c, size_t from, const char *dir, struct err *err);
void copied_remove(const char *dir);

/*
 * Why nothing of `then` can be kept, with the servers as they are now; NULL: it may be. Places whose `timeline` is not known yet are compared by
 * what is. Pure. Caller frees.
 */
char *copied_why_not(const struct copied *then, const struct copied_place now[2]);

#endif
