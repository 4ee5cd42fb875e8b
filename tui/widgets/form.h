#ifndef PGUSHER_WIDGETS_FORM_H
#define PGUSHER_WIDGETS_FORM_H
/*
 * form - labelled fields, one per row, with the help of the focused one below. Values are read from and stored to slots of the
 * caller's. Main thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"
#include "base/str.h"

enum field_kind { F_TEXT, F_PASSWORD, F_NUMBER, F_CHOICE, F_BOOL };

struct field {
	const char *label, *help;
	enum field_kind kind;
	char **text;                  /* F_TEXT: NULL when left empty */
	struct secret *secret;        /* F_PASSWORD */
	int *number, lo, hi;          /* F_NUMBER; F_CHOICE: index */
	const char *const *choices;   /* F_CHOICE: NULL-terminated */
	bool *flag;                   /* F_BOOL */
	const char *placeholder;      /* F_TEXT: what an empty one means, shown in it; must outlive the form */
};

struct form;

enum form_said { FORM_IGNORED, FORM_TAKEN, FORM_NEXT, FORM_BACK };

/* fields are copied; the slots must outlive the form. */
struct form *form_new(const struct field *fields, size_t n, int y, int x, int w);
void form_free(struct form *f);
enum form_said form_key(struct form *f, int key, bool special);
/* The terminal has another width: what was typed, and where, stays. */
void form_resize(struct form *f, int w);
void form_draw(struct form *f);
void form_cursor(struct form *f);
/* Values into the slots. false: a number is none, *wrong says so. */
bool form_store(struct form *f, const char **wrong);
bool form_takes_text(const struct form *fm); /* a character typed now is a part of the text */
void form_focus(struct form *fm, const char *label); /* the field with this label, when there is one */
int form_rows(const struct form *f);
void form_explain(const struct form *fm, struct str *s); /* an empty line, then each field and its help */

#endif
