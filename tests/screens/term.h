#ifndef PGUSHER_TEST_TERM_H
#define PGUSHER_TEST_TERM_H
/*
 * term - a program on a pseudo-terminal, its screen kept by libvterm and read cell by cell. Nothing here sleeps: waiting is for
 * what stands on the screen. What a test expects and does not get ends the test, with the screen printed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TERM_MS 15000 /* a wait that only a broken program or a stopped machine exceeds */

struct term;

/* Keys as a terminal sends them. */
#define K_ENTER "\r"
#define K_ESC "\033"
#define K_TAB "\t"
#define K_BTAB "\033[Z"
#define K_UP "\033OA"
#define K_DOWN "\033OB"
#define K_RIGHT "\033OC"
#define K_LEFT "\033OD"
#define K_END "\033OF"
#define K_PGDN "\033[6~"
#define K_F1 "\033OP"
#define K_F2 "\033OQ"
#define K_F3 "\033OR"
#define K_F10 "\033[21~"
#define K_CTRL_C "\003"
#define K_CTRL_U "\025"

/* argv and env ("NAME=value", or "NAME" to unset it) end with NULL; env may be NULL. TERM is xterm-256color, LC_ALL C.UTF-8. */
struct term *term_start(int rows, int cols, const char *const *argv, const char *const *env);
void term_key(struct term *t, const char *key);
void term_type(struct term *t, const char *text);
/* Text within one row. false: it did not come. */
bool term_wait_text(struct term *t, const char *text, int ms);
bool term_wait_gone(struct term *t, const char *text, int ms);
/* The same within TERM_MS, or the test has failed. */
void term_expect(struct term *t, const char *text);
void term_expect_gone(struct term *t, const char *text);
/* Now, without waiting. */
bool term_has(struct term *t, const char *text);
int term_find(struct term *t, const char *text, int *col); /* the row, -1: nowhere */
const char *term_row(struct term *t, int row);             /* UTF-8, blanks at the end cut; good for the next eight calls */
/* Takes what the program has written until now. false: it has closed the terminal. */
bool term_read(struct term *t, int ms);
void term_resize(struct term *t, int rows, int cols);
void term_signal(struct term *t, int sig);
pid_t term_pid(const struct term *t);
int term_cols(const struct term *t);
int term_rows(const struct term *t);

struct cell { uint32_t ch; bool bold, underline, reverse; bool fg_default, bg_default; uint8_t fg[3], bg[3]; };
struct cell term_cell(struct term *t, int row, int col);
/* The bytes the program has written since the start. */
const char *term_bytes(const struct term *t, size_t *n);
bool term_alternate(const struct term *t); /* the alternate screen is on */
bool term_cursor_shown(const struct term *t);
bool term_cooked(const struct term *t); /* lines and echo, as a shell leaves it */

/* The terminal goes away, as when ssh is cut. The program may live on: term_end waits for it. */
void term_hang_up(struct term *t);
/* Waits for the end. The exit status, 128 + the signal, or -1: it had to be killed. The screen can still be read. */
int term_wait_end(struct term *t);
int term_end(struct term *t); /* the same, and frees t */
void term_dump(struct term *t, const char *why);
/* Kills whatever a failed test left running. */
void term_sweep(void);

#endif
