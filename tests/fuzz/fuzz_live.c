/* live.json of any bytes, as another process may have left it: read whole, or not at all. */
#include "as_file.h"
#include "journal/live.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct live l;

	as_file("live.json", data, size);
	if (!live_read(folder, &l) && (l.step || l.text || l.n || l.of))
		abort();
	live_fini(&l);
	return 0;
}
