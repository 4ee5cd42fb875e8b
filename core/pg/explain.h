#ifndef PGUSHER_PG_EXPLAIN_H
#define PGUSHER_PG_EXPLAIN_H
/*
 * explain - turns what libpq and the server say into a struct err with a code and a next step.
 * Decided by SQLSTATE, never by words, because servers and libpq speak the operator's language.
 */
#include <libpq-fe.h>

#include "base/err.h"
#include "migration.h"

/* A refused or failed connection; conn had PQERRORS_VERBOSE. ERR_CONNECT, ERR_AUTH, ERR_SQL (3D000). */
enum err_code explain_connect(PGconn *conn, struct err *err);
/*
 * A login that was refused for its password (ERR_AUTH): who wanted to log in where, and where the password came from, which was sent.
 * port: as the operator named it, since behind a tunnel conn has another one; NULL: libpq's own.
 */
enum err_code explain_password(PGconn *conn, const struct endpoint *ep, const char *port, struct err *err);
/* A failed statement; res may be NULL. ERR_SQL, ERR_LOST, ERR_NOSPACE, ERR_CANCELLED (57014 not asked for by us). */
enum err_code explain_result(PGconn *conn, const PGresult *res, struct err *err);
/* The next step for a failed statement by its SQLSTATE; "" when there is none to name. */
const char *explain_hint(const char *sqlstate);

#endif
