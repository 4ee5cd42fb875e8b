#ifndef PGUSHER_HOST_TUNNEL_H
#define PGUSHER_HOST_TUNNEL_H
/*
 * tunnel - one ssh process that forwards local ports to the servers of an endpoint. pgusher owns it: it asks nothing
 * (BatchMode), notices a dead peer in seconds, listens on 127.0.0.1 only, and ends with the engine thread however that ends.
 * libpq then connects to hostaddr 127.0.0.1 with host the real name, so that verify-full and the password file work as ever.
 * Engine thread. Needs OpenSSH 7.6 or newer (2017).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/err.h"
#include "migration.h"

struct tunnel;

/*
 * Starts ssh and waits until its forwardings listen, which is after the login. `ports`: local ports to take, separated by
 * commas, one per host; NULL: free ones. ERR_USAGE (bad setting), ERR_HOSTKEY (the key is not known: tunnel_key_*), ERR_AUTH,
 * ERR_CONNECT, ERR_TIMEOUT, ERR_CANCELLED.
 */
enum err_code tunnel_open(struct tunnel **out, const struct endpoint *ep, const char *ports, struct cancel *cancel, struct err *err);
/*
 * A ~/.ssh/config that forwards ports of its own for this host would open them a second time, or fail on them: then ssh is told
 * by options what else stands there, in ep->ssh_config. To be called before tunnel_open; a failing ssh -G is left to that.
 */
void tunnel_configure(struct endpoint *ep, struct cancel *cancel);
/* The lines of `ssh -G host` that those of `ssh -F none -G host` do not have, without forwardings. Caller frees. Pure. */
char *tunnel_own_config(const char *config, const char *plain);
pid_t tunnel_group(const struct tunnel *t); /* the process group of its ssh */
const char *tunnel_ports(const struct tunnel *t);
bool tunnel_alive(struct tunnel *t);
/* A connection through it failed: when ssh knows why, *err says that instead. Returns err->code. */
enum err_code tunnel_blame(struct tunnel *t, struct err *err);
void tunnel_close(struct tunnel *t); /* NULL is fine */

/* The command, for people and scripts. Appends. */
void tunnel_words(struct strv *argv, const struct endpoint *ep, const char *ports);
/* Words that run on the ssh host itself, by a login of their own that opens no port. Appends. */
void tunnel_command(struct strv *argv, const struct endpoint *ep, const struct strv *words);
/* What ssh makes of the name: "login@address port 22"; NULL: ssh -G failed. Caller frees. */
char *tunnel_resolve(const struct endpoint *ep, struct cancel *cancel);

/*
 * The key that an unknown host shows, and its place. fingerprint: "SHA256:... (ED25519)"; line: for known_hosts; file: where
 * it would be added. All owned. Logs in nowhere.
 */
struct host_key { char *fingerprint, *line, *file; };
enum err_code tunnel_key_ask(struct host_key *k, const struct endpoint *ep, struct cancel *cancel, struct err *err);
enum err_code tunnel_key_accept(const struct host_key *k, struct err *err); /* ERR_IO */
void host_key_fini(struct host_key *k);

/* Judges what ssh said; ERR_OK: nothing that explains a failure. Pure. */
enum err_code tunnel_explain(const char *said, const struct endpoint *ep, struct err *err);

#endif
