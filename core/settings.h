#ifndef PGUSHER_SETTINGS_H
#define PGUSHER_SETTINGS_H
/*
 * settings - an ini file <-> a migration. One table says every key; reading, writing, sample.ini and the manual
 * follow it. Passwords are neither read from nor written to it. Any thread.
 */
#include "base/err.h"
#include "migration.h"

#define SETTINGS_ERRORS 20

/*
 * Reads path into m (migration_init'ed or older contents, which stay where the file says nothing). Everything that is wrong goes
 * to *wrong as "path:line:column: what, and what would be right", at most SETTINGS_ERRORS. ERR_USAGE when there is any; ERR_IO
 * when it cannot be read. m->ini_path is set.
 */
enum err_code settings_read(struct migration *m, const char *path, struct strv *wrong, struct err *err);
/* The same from memory; name stands in the messages. */
enum err_code settings_parse(struct migration *m, const char *text, const char *name, struct strv *wrong);
/* NULL: the file may say this; else what would be right. Caller frees. */
char *settings_wrong(const char *section, const char *name, const char *value);
/* What a run needs and the migration does not say yet: "[source] dbname is missing". true: complete. */
bool settings_complete(const struct migration *m, struct strv *wrong);
/*
 * Writes what differs from the defaults, with a comment each; 0600, replaced atomically, synced. Of a settings file that is there already only
 * the values that differ are changed: order, comments and spelling stay.
 * ERR_USAGE: a value that would not be read back as it is; nothing is written then.
 */
enum err_code settings_write(const struct migration *m, const char *path, struct err *err);
/* The text of sample.ini: every key, explained, with its default. Caller frees. */
char *settings_sample(void);

#endif
