#ifndef PGUSHER_PG_ADDRESS_H
#define PGUSHER_PG_ADDRESS_H
/*
 * address - a whole address that somebody pastes where a host is asked for, taken apart: "postgresql://me:secret@db1:5433/shop?sslmode=require",
 * or "host=db1 dbname=shop". libpq's own rules (PQconninfoParse, 10 to 18). Any thread; reads no file and asks no server.
 */
#include <stdbool.h>

#include "base/err.h"
#include "migration.h"

/* It is meant as one; a plain name, a list of names or a folder is not. Blanks around it are no part of it. */
bool address_given(const char *text);
/* Blanks around the host, which came with a paste, go. */
void address_tidy(struct endpoint *ep);
/*
 * What it names is put into ep, the rest of ep stays. left_out: words that pgusher does not use ("options, connect_timeout"), NULL: none;
 * caller frees. ERR_USAGE: it is none (not in libpq's words, which quote it); ep is as before, but for host, where it stood with its
 * password: that is wiped in both cases. text may be ep->host itself.
 */
enum err_code address_take(struct endpoint *ep, const char *text, char **left_out, struct err *err);

#endif
