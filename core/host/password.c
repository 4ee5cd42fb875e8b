#include "host/password.h"

#include <stdlib.h>
#include <string.h>

#include "base/argv.h"
#include "host/process.h"

#define PASSWORD_COMMAND_MS 15000

enum err_code password_ask(struct endpoint *ep, enum side side, struct cancel *cancel, struct err *err)
{
	struct strv argv = {0};
	char *out = NULL;

	if (!ep->password_command || secret_known(&ep->password))
		return ERR_OK;
	enum err_code rc = argv_split(&argv, ep->password_command, err);
	if (rc == ERR_OK && argv.n == 0)
		rc = err_set(err, ERR_USAGE, "password_command is empty");
	if (rc == ERR_OK)
		rc = process_output(&argv, PASSWORD_COMMAND_MS, cancel, &out, err);
	if (rc == ERR_OK) {
		out[strcspn(out, "\r\n")] = '\0';
		secret_set(&ep->password, out);
		ep->by_command = true;
		explicit_bzero(out, strlen(out));
	} else {
		(void)err_prefix(err, "password_command of the %s", side_name(side));
	}
	free(out);
	strv_fini(&argv);
	return rc;
}
