/* visible: what of a server's text may reach a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/visible.h"

static const struct { const char *in, *out; } cases[] = {
	{"", ""}, {"plain text\nand\ttabs", "plain text\nand\ttabs"},
	{"\033[2Jgone \033]0;title\007", "?[2Jgone ?]0;title?"}, {"over\rwritten \b\b\177", "over?written ???"},
	{"\xc2\x9b" "31m C1 \xc2\x85", "?31m C1 ?"}, {"\xc2\xa0\xc2\xb5 stay", "\xc2\xa0\xc2\xb5 stay"},
	{"Таблица 表 ěščř €", "Таблица 表 ěščř €"},
	{"txt.\xe2\x80\xae" "cod \xe2\x81\xa6 \xe2\x80\xa8", "txt.?cod ? ?"}, {"“…” \xe2\x80\x8d", "“…” \xe2\x80\x8d"},
	{"torn \xe2\x80", "torn \xe2\x80"}, {"torn \xe2\x80\033[m", "torn \xe2\x80?[m"}, {"\xc2\xc2\x9bx", "\xc2?x"}, {"\xe2\033x", "\xe2?x"}, {"\xe2\xe2\x80\xaex", "\xe2?x"},
};

static void test_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = visible_text(cases[i].in);
		assert_string_equal(text, cases[i].out);
		free(text);
	}
}

/* The same, byte by byte. */
static void test_torn(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct visible v = {0};
		struct str s = {0};
		for (const char *p = cases[i].in; *p; p++)
			visible_add(&v, &s, p, 1);
		str_addn(&s, (const char *)v.held, v.n);
		assert_string_equal(str_text(&s), cases[i].out);
		str_fini(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_torn)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
