#ifndef PGUSHER_SETTINGS_IN_H
#define PGUSHER_SETTINGS_IN_H
/* settings_in - the table of keys, for settings_keys.c (which holds it), settings.c (which reads by it) and settings_write.c only. */
#include "base/err.h"
#include "migration.h"
#include <stddef.h>
#include <stdint.h>

#define SETTINGS_KEYS_MAX 160

enum setting_type {
	T_TEXT, T_PLAIN, T_PORT, T_INT, T_BYTES, T_BOOL, T_LIST, T_TABLES, T_ARGV, T_METHOD, T_TRANSFER, T_FORMAT, T_VERIFY, T_NAME, T_COMPRESS, T_COPY, T_SLOT,
	T_STREAMING, T_SYNC, T_FENCE, T_CUT_VERIFY
};

struct setting {
	const char *section, *name;
	enum setting_type type;
	size_t at;           /* offset in struct migration */
	int64_t lo, hi;      /* T_INT, T_BYTES */
	const char *sample;  /* shown in sample.ini; NULL: the key is commented out there */
	const char *help;
};

const struct setting *settings_keys(size_t *n);
/* What a section is about; NULL: nothing to say. */
const char *settings_section_help(const char *section);

/* The value as text, or NULL when it is the default's. Caller frees. */
char *setting_text(const struct migration *m, const struct migration *def, const struct setting *k);
/* An older file's text with what differs in m changed, and all else as it was. NULL: it was no settings file. Caller frees. */
char *settings_keep(const char *old, const struct migration *m, const struct migration *def);
/* The whole file; caller frees. */
enum err_code settings_file(const char *path, char **text, struct err *err);

#endif
