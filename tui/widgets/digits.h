#ifndef PGUSHER_WIDGETS_DIGITS_H
#define PGUSHER_WIDGETS_DIGITS_H
/* digits - a number so large that it is read from across the room: five rows of blocks, or of # signs. Main thread. */
#include "term.h"

#define DIGITS_ROWS 5

/* "0:12.4": digits, colon, point. Returns the columns used. */
int put_digits(int y, int x, enum role role, const char *text);

#endif
