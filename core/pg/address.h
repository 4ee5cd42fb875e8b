#ifndef PGUSHER_PG_ADDRESS_H
#define PGUSHER_PG_ADDRESS_H
/*
 * address - a whole address that somebody pastes where a host is asked for, taken apart: "postgresql://me:secret@db1:5433/shop?sslmode=require",
 * or "host=db1 dbname=shop". libpq's own rules (PQconninfoParse, 10 to 18). Any thread; reads no file and asks no server.
 */
#include <stdbool.h>

#include "base/err.h"
#include "migration.h"

/* It is meant as one; a plain name, a list of names or a folder is not. */
bool address_given(const char *text);
/*
 * What it names is put into ep, the rest of ep stays. left_out: words that pgusher does not use ("options, connect_timeout"), NULL: none;
 * caller frees. ERR_USAGE: it is none, in libpq's words; ep is as before.
 */
enum err_code address_take(struct endpoint *ep, const char *text, char **left_out, struct err *err);

#endif
