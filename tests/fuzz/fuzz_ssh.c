/* What ssh says, and what ssh -G prints, against any bytes: nothing that forwards gets into the command. */
#include <stdlib.h>
#include <string.h>

#include "host/tunnel.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct endpoint ep = {.host = "db1", .ssh = "jump"};
	struct strv words = {0};
	struct err err = {0};
	char *text = xstrndup((const char *)data, size);

	if (tunnel_explain(text, &ep, &err) != ERR_OK && (!err.msg[0] || !err.hint[0]))
		abort();
	ep.ssh_config = tunnel_own_config(text, "port 22\nuser root\n");
	tunnel_words(&words, &ep, "40001");
	if (words.n < 2 || strcmp(words.v[words.n - 1], "jump") != 0 || strcmp(words.v[words.n - 2], "--") != 0)
		abort();
	for (size_t i = 0; i < words.n; i++)
		if (str_starts(words.v[i], "localforward=") || str_starts(words.v[i], "remoteforward=") || str_starts(words.v[i], "dynamicforward="))
			abort();
	strv_fini(&words);
	free(ep.ssh_config);
	free(text);
	return 0;
}
