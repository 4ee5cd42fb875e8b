#ifndef PGUSHER_HOST_PLACE_H
#define PGUSHER_HOST_PLACE_H
/*
 * place - where the client tools run: on this host, or behind a prefix such as `docker exec -i patroni`, `kubectl exec -i pod --`
 * or `ssh host docker exec -i name`. There the environment goes as words of `env`, and a password as the first line of
 * standard input, read by a shell of that place: it is in no argument list on either side. Engine thread.
 */
#include "base/cancel.h"
#include "base/err.h"
#include "base/str.h"

/* What a person would type: prefix, environment, command. env may be NULL. Appends. */
void place_show(struct strv *out, const struct strv *prefix, const struct strv *env, const struct strv *words);
/* What runs: the same, and with `password` the reading of it. Appends. */
void place_words(struct strv *out, const struct strv *prefix, const struct strv *env, const struct strv *words, bool password);
/* Runs a few words there and returns what they print; caller frees. Errors as process_output. */
enum err_code place_output(const struct strv *prefix, const char *const *words, struct cancel *cancel, char **out, struct err *err);

#endif
