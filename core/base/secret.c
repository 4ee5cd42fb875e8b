#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void secret_fini(struct secret *s)
{
	if (s->text)
		explicit_bzero(s->text, s->cap);
	free(s->text);
	*s = (struct secret){0};
}

void secret_set(struct secret *s, const char *text)
{
	struct secret next = {0};

	if (text) {
		next.cap = strlen(text) + 1;
		next.text = xstrdup(text);
	}
	secret_fini(s); /* after the copy: text may point into s */
	*s = next;
}

void secret_copy(struct secret *to, const struct secret *from)
{
	secret_set(to, from->text);
}

bool secret_known(const struct secret *s)
{
	return s->text != NULL;
}

const char *secret_text(const struct secret *s)
{
	return s->text ? s->text : "";
}
