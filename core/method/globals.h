#ifndef PGUSHER_METHOD_GLOBALS_H
#define PGUSHER_METHOD_GLOBALS_H
/*
 * globals - what lies outside a database's dump: roles with memberships and settings, the database itself with settings,
 * grants and comment, extensions. Each adds one step to the plan; pure, from the facts of both sides.
 */
#include "pg/facts.h"
#include "plan/plan.h"

/* Roles that the source's database needs and the target lacks; missing memberships among needed roles. */
void globals_roles(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst);
/* The database, made when missing, else only brought to what the source's has. src may be NULL (restoring a file). */
void globals_database(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst);
/*
 * Extensions of the source, so that what needs a superuser or is not available is seen before the restore. Those in schemas
 * other than public and pg_catalog are left to the dump, which creates their schema first.
 */
void globals_extensions(struct plan *p, const struct migration *m, const struct facts *src, const struct facts *dst);

#endif
