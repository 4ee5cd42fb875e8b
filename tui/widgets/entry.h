#ifndef PGUSHER_WIDGETS_ENTRY_H
#define PGUSHER_WIDGETS_ENTRY_H
/* entry - one line of text to be edited, on CDK's ENTRY. Text is UTF-8. Main thread. */
#include <stdbool.h>

struct entry;

/* hidden: a password, shown as stars, wiped at the end. NULL: no room on the screen. */
struct entry *entry_new(int y, int x, int w, const char *text, bool hidden);
void entry_free(struct entry *e);
/*
 * The key was for it: true. Text that cannot be shown here as it is (other characters than the terminal's, very long) stays as it
 * is: it can be cleared with Ctrl-U, not edited. A character that cannot be shown is not taken.
 */
bool entry_key(struct entry *e, int key, bool special);
/* hint: shown while it is empty, what that means; NULL: nothing. */
void entry_draw(struct entry *e, bool focused, const char *hint);
/* After everything is drawn: puts the terminal's cursor into it. */
void entry_cursor(struct entry *e);
char *entry_text(const struct entry *e); /* caller frees (and wipes) */

#endif
