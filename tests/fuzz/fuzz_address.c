/* An address of any bytes: taken apart, or refused with libpq's words and the endpoint left as it was. */
#include <stdlib.h>
#include <string.h>

#include "migration.h"
#include "pg/address.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct migration m;
	struct err err = {0};
	char *text = xstrndup((const char *)data, size), *rest = NULL;

	migration_init(&m);
	struct endpoint *ep = &m.end[SIDE_SOURCE];
	xreplace(&ep->user, "before");
	(void)address_given(text);
	enum err_code rc = address_take(ep, text, &rest, &err);
	if (rc != ERR_OK && (!err.msg[0] || !err.hint[0] || rest || !str_eq(ep->user, "before") || ep->host))
		abort();
	if (rc == ERR_OK && (!ep->user || !*ep->user || (rest && strstr(rest, "password"))))
		abort();
	free(rest);
	free(text);
	migration_fini(&m);
	return 0;
}
