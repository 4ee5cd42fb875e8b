#ifndef PGUSHER_BASE_ARGV_H
#define PGUSHER_BASE_ARGV_H
/*
 * argv - words of a command: built, split from a setting, shown for a shell. No shell is
 * ever run on this host; the quoted form is for people to read and paste.
 * A struct strv is the word list. Any thread.
 */
#include "base/err.h"
#include "base/str.h"

/*
 * Splits text as a POSIX shell would split words: blanks separate; '...', "..." and backslash
 * quote; no expansion of any kind. Appends to *out. ERR_USAGE for an open quote.
 */
enum err_code argv_split(struct strv *out, const char *text, struct err *err);
/* One word quoted for a POSIX shell; bare when no character needs it. Appends to *s. */
void argv_quote(struct str *s, const char *word);
/* All words, quoted, separated by blanks; caller frees. */
char *argv_show(const struct strv *argv);
/*
 * prefix + words as an argument vector. When prefix[0] is ssh (its basename), every following word
 * of `words` is quoted, because ssh joins them and the remote shell splits them again.
 */
void argv_prefixed(struct strv *out, const struct strv *prefix, const struct strv *words);

#endif
