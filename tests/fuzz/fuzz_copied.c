/* copied.jsonl of any bytes: what is read of it can be looked up and written again. */
#include "as_file.h"
#include "copy/copied.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct err err;

	as_file("copied.jsonl", data, size);
	struct copied *c = copied_read(folder);
	for (size_t i = 0; c && i < c->n; i++)
		if (copied_find(c, c->tables[i].oid, c->tables[i].id) != &c->tables[i])
			abort();
	if (c)
		free(copied_why_not(c, c->at));
	if (c && copied_write(c, folder, &err) != ERR_OK)
		abort();
	copied_free(c);
	return 0;
}
