/* SPDX-License-Identifier: MIT */
/* Tests of util/str. */
#include "support.h"

#include <ctype.h>

static void test_of(void **state)
{
	(void)state;
	CHECK_TEXT(str_of("abc"), STR("abc"), "text");
	CHECK_NUMBER(str_of("").n, 0, "empty");
	CHECK_NUMBER(str_of(NULL).n, 0, "NULL");
	CHECK_NUMBER(STR("a\0b").n, 3, "literal with NUL");
	check_end();
}

static void test_compare(void **state)
{
	static const struct {
		const char *name;
		struct str a;
		struct str b;
		int order; /* of a to b */
		bool same_but_case;
	} cases[] = {
		{ "equal", TEXT("abc"), TEXT("abc"), 0, true },
		{ "both empty", TEXT(""), TEXT(""), 0, true },
		{ "empty first", TEXT(""), TEXT("a"), -1, false },
		{ "prefix first", TEXT("ab"), TEXT("abc"), -1, false },
		{ "bytes before length", TEXT("b"), TEXT("abc"), 1, false },
		{ "bytes are unsigned", TEXT("\x80"), TEXT("a"), 1, false },
		{ "case", TEXT("ABCxyz"), TEXT("abcXYZ"), -1, true },
		{ "at and grave", TEXT("@"), TEXT("`"), -1, false },
		{ "bracket and brace", TEXT("["), TEXT("{"), -1, false },
		{ "latin letters", TEXT("\xc4"), TEXT("\xe4"), -1, false },
		{ "behind a NUL", TEXT("a\0b"), TEXT("a\0c"), -1, false },
		{ "NUL and nothing", TEXT("a\0"), TEXT("a"), 1, false },
		{ "NUL and space", TEXT("\0"), TEXT(" "), -1, false },
		{ "zero and DLE", TEXT("0"), TEXT("\x10"), 1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int order = str_compare(cases[i].a, cases[i].b);
		int back = str_compare(cases[i].b, cases[i].a);

		CHECK_NUMBER((order > 0) - (order < 0), cases[i].order, cases[i].name);
		CHECK_NUMBER((back > 0) - (back < 0), -cases[i].order, cases[i].name);
		CHECK(str_eq(cases[i].a, cases[i].b) == (cases[i].order == 0), cases[i].name);
		CHECK(str_eq_nocase(cases[i].a, cases[i].b) == cases[i].same_but_case,
			cases[i].name);
	}
	check_end();
}

static void test_parts(void **state)
{
	static const struct {
		const char *name;
		struct str s;
		struct str part;
		bool starts;
		bool ends;
		bool contains;
	} cases[] = {
		{ "same", TEXT("abc"), TEXT("abc"), true, true, true },
		{ "start", TEXT("abc"), TEXT("ab"), true, false, true },
		{ "end", TEXT("abc"), TEXT("bc"), false, true, true },
		{ "middle", TEXT("abcd"), TEXT("bc"), false, false, true },
		{ "nothing in something", TEXT("abc"), TEXT(""), true, true, true },
		{ "nothing in nothing", TEXT(""), TEXT(""), true, true, true },
		{ "something in nothing", TEXT(""), TEXT("a"), false, false, false },
		{ "longer than the text", TEXT("abc"), TEXT("abcd"), false, false, false },
		{ "case counts", TEXT("abc"), TEXT("A"), false, false, false },
		{ "cut off at the end", TEXT("xab"), TEXT("abc"), false, false, false },
		{ "second try", TEXT("aab"), TEXT("ab"), false, true, true },
		{ "behind a NUL", TEXT("a\0bc"), TEXT("bc"), false, true, true },
		{ "with a NUL", TEXT("a\0bc"), TEXT("a\0c"), false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		CHECK(str_starts(cases[i].s, cases[i].part) == cases[i].starts, cases[i].name);
		CHECK(str_ends(cases[i].s, cases[i].part) == cases[i].ends, cases[i].name);
		CHECK(str_contains(cases[i].s, cases[i].part) == cases[i].contains,
			cases[i].name);
	}
	check_end();
}

static void test_has(void **state)
{
	(void)state;
	CHECK(str_has(STR("abc"), 'c'), "last");
	CHECK(str_has(STR("a\0c"), '\0'), "NUL");
	CHECK(str_has(STR("a\0c"), 'c'), "behind a NUL");
	CHECK(!str_has(STR("abc"), '\0'), "no NUL though the literal ends with one");
	CHECK(!str_has(STR(""), 'a'), "in nothing");
	CHECK(str_has(STR("\xff"), (char)0xff), "a high byte");
	check_end();
}

static void test_from_upto(void **state)
{
	(void)state;
	CHECK_TEXT(str_from(STR("abc"), 0), STR("abc"), "from 0");
	CHECK_TEXT(str_from(STR("abc"), 2), STR("c"), "from 2");
	CHECK_TEXT(str_from(STR("abc"), 3), STR(""), "from the end");
	CHECK_TEXT(str_from(STR("abc"), SIZE_MAX), STR(""), "from behind the end");
	CHECK_TEXT(str_upto(STR("abc"), 0), STR(""), "up to 0");
	CHECK_TEXT(str_upto(STR("abc"), 2), STR("ab"), "up to 2");
	CHECK_TEXT(str_upto(STR("abc"), 3), STR("abc"), "up to the end");
	CHECK_TEXT(str_upto(STR("abc"), SIZE_MAX), STR("abc"), "up to more");
	check_end();
}

static void test_cut(void **state)
{
	static const struct {
		const char *name;
		struct str s;
		struct str head;
		struct str rest;
		bool found;
	} cases[] = {
		{ "two", TEXT("a&b"), TEXT("a"), TEXT("b"), true },
		{ "three", TEXT("a&b&c"), TEXT("a"), TEXT("b&c"), true },
		{ "at the start", TEXT("&b"), TEXT(""), TEXT("b"), true },
		{ "at the end", TEXT("a&"), TEXT("a"), TEXT(""), true },
		{ "alone", TEXT("&"), TEXT(""), TEXT(""), true },
		{ "none", TEXT("ab"), TEXT("ab"), TEXT(""), false },
		{ "nothing", TEXT(""), TEXT(""), TEXT(""), false },
		{ "behind a NUL", TEXT("a\0b&c"), TEXT("a\0b"), TEXT("c"), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str rest = cases[i].s;
		struct str head = STR("unset");

		CHECK(str_cut(&rest, '&', &head) == cases[i].found, cases[i].name);
		CHECK_TEXT(head, cases[i].head, cases[i].name);
		CHECK_TEXT(rest, cases[i].rest, cases[i].name);
	}
	check_end();
}

static void test_trim(void **state)
{
	static const struct {
		struct str s;
		struct str wanted;
	} cases[] = {
		{ TEXT("a"), TEXT("a") },
		{ TEXT(" \t a b \t"), TEXT("a b") },
		{ TEXT(" \t"), TEXT("") },
		{ TEXT(""), TEXT("") },
		{ TEXT("\r\na\v"), TEXT("\r\na\v") },
		{ TEXT(" \0 "), TEXT("\0") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_TEXT(str_trim(cases[i].s), cases[i].wanted, cases[i].wanted.p);
	check_end();
}

static void test_to_number(void **state)
{
	static const struct {
		struct str s;
		int64_t max;
		bool ok;
		int64_t value;
	} cases[] = {
		{ TEXT("0"), 10, true, 0 },
		{ TEXT("0"), 0, true, 0 },
		{ TEXT("10"), 10, true, 10 },
		{ TEXT("11"), 10, false, 0 },
		{ TEXT("007"), 10, true, 7 },
		{ TEXT("4"), 4, true, 4 },
		{ TEXT("5"), 4, false, 0 },
		{ TEXT("9"), 4, false, 0 },
		{ TEXT("14"), 4, false, 0 },
		{ TEXT("1"), 0, false, 0 },
		{ TEXT("0"), 0, true, 0 },
		{ TEXT("65536"), 65536, true, 65536 },
		{ TEXT("65537"), 65536, false, 0 },
		{ TEXT("9223372036854775807"), INT64_MAX, true, INT64_MAX },
		{ TEXT("9223372036854775808"), INT64_MAX, false, 0 },
		{ TEXT("9999999999999999999"), INT64_MAX, false, 0 },
		{ TEXT("0000000000000000001"), INT64_MAX, true, 1 },
		{ TEXT("00000000000000000001"), INT64_MAX, false, 0 },
		{ TEXT("18446744073709551617"), INT64_MAX, false, 0 },
		{ TEXT("99999999999999999999999999999999999"), INT64_MAX, false, 0 },
		{ TEXT(""), 10, false, 0 },
		{ TEXT("-1"), 10, false, 0 },
		{ TEXT("+1"), 10, false, 0 },
		{ TEXT(" 1"), 10, false, 0 },
		{ TEXT("1 "), 10, false, 0 },
		{ TEXT("1\0"), 10, false, 0 },
		{ TEXT("0x1"), 10, false, 0 },
		{ TEXT("1e1"), 10, false, 0 },
		{ TEXT("1.0"), 10, false, 0 },
		{ TEXT("1,2"), 100, false, 0 },
		{ TEXT("1:"), 100, false, 0 },
		{ TEXT("/1"), 100, false, 0 },
		{ TEXT("\xd9\xa1"), 100, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t value = 4711;

		CHECK(str_to_number(cases[i].s, cases[i].max, &value) == cases[i].ok,
			cases[i].s.p);
		CHECK_NUMBER(value, cases[i].value, cases[i].s.p);
	}
	check_end();
}

static void test_is_utf8(void **state)
{
	static const struct {
		const char *name;
		struct str s;
		bool ok;
	} cases[] = {
		{ "empty", TEXT(""), true },
		{ "ASCII", TEXT("a\x7f\0"), true },
		{ "U+0080", TEXT("\xc2\x80"), true },
		{ "U+07FF", TEXT("\xdf\xbf"), true },
		{ "U+0800", TEXT("\xe0\xa0\x80"), true },
		{ "U+D7FF", TEXT("\xed\x9f\xbf"), true },
		{ "U+E000", TEXT("\xee\x80\x80"), true },
		{ "U+FFFF", TEXT("\xef\xbf\xbf"), true },
		{ "U+10000", TEXT("\xf0\x90\x80\x80"), true },
		{ "U+10FFFF", TEXT("\xf4\x8f\xbf\xbf"), true },
		{ "mixed", TEXT("\xc3\xa4-\xe2\x82\xac-\xf0\x9f\x98\x80"), true },
		{ "lone continuation", TEXT("\x80"), false },
		{ "lone continuation, last", TEXT("a\xbf"), false },
		{ "overlong slash, 2", TEXT("\xc0\xaf"), false },
		{ "overlong NUL", TEXT("\xc0\x80"), false },
		{ "overlong C1", TEXT("\xc1\xbf"), false },
		{ "overlong slash, 3", TEXT("\xe0\x80\xaf"), false },
		{ "overlong U+07FF", TEXT("\xe0\x9f\xbf"), false },
		{ "overlong slash, 4", TEXT("\xf0\x80\x80\xaf"), false },
		{ "overlong U+FFFF", TEXT("\xf0\x8f\xbf\xbf"), false },
		{ "surrogate U+D800", TEXT("\xed\xa0\x80"), false },
		{ "surrogate U+DFFF", TEXT("\xed\xbf\xbf"), false },
		{ "U+110000", TEXT("\xf4\x90\x80\x80"), false },
		{ "F5", TEXT("\xf5\x80\x80\x80"), false },
		{ "F8, five bytes", TEXT("\xf8\x88\x80\x80\x80"), false },
		{ "FE", TEXT("\xfe"), false },
		{ "FF", TEXT("\xff"), false },
		{ "cut off, 2", TEXT("\xc3"), false },
		{ "cut off, 3", TEXT("\xe2\x82"), false },
		{ "cut off, 4", TEXT("\xf0\x9f\x98"), false },
		{ "cut off in the middle", TEXT("\xe2\x82z"), false },
		{ "lead after lead", TEXT("\xc3\xc3\xa4"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(str_is_utf8(cases[i].s) == cases[i].ok, cases[i].name);
	check_end();
}

/* A sequence that is valid only with the byte behind the view must not be looked at. */
static void test_is_utf8_stays_inside(void **state)
{
	(void)state;
	CHECK(!str_is_utf8(str_upto(STR("\xe2\x82\xac"), 2)), "euro without its last byte");
	CHECK(str_is_utf8(str_upto(STR("a\xff"), 1)), "bad byte behind the view");
	check_end();
}

static void test_is_visible(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		char name[16];

		snprintf(name, sizeof(name), "byte 0x%02x", (unsigned)c);
		CHECK(str_is_visible((struct str){ &byte, 1 }) == (c >= 0x20 && c <= 0x7e),
			name);
	}
	CHECK(!str_is_visible(STR("a\0b")), "NUL in the middle");
	CHECK(!str_is_visible(STR("abc\n")), "last byte");
	check_end();
}

static void test_list_has(void **state)
{
	static const struct str items[] = { TEXT("a"), TEXT("bc"), TEXT("") };
	struct str_list list = { items, COUNT(items) };

	(void)state;
	CHECK(str_list_has(list, STR("bc")), "there");
	CHECK(str_list_has(list, STR("")), "the empty one");
	CHECK(!str_list_has(list, STR("b")), "a prefix");
	CHECK(!str_list_has(list, STR("A")), "another case");
	CHECK(!str_list_has((struct str_list){ NULL, 0 }, STR("")), "no list");
	check_end();
}

static void test_hex_value(void **state)
{
	static const char digits[] = "0123456789abcdef";

	(void)state;
	for (int c = 0; c < 256; c++) {
		const char *at = c == 0 ? NULL : strchr(digits, tolower(c));
		unsigned wanted = at == NULL ? STR_NOT_HEX : (unsigned)(at - digits);

		assert_int_equal(str_hex_value((char)c), wanted);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex_value),
		cmocka_unit_test(test_of),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_from_upto),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_to_number),
		cmocka_unit_test(test_is_utf8),
		cmocka_unit_test(test_is_utf8_stays_inside),
		cmocka_unit_test(test_is_visible),
		cmocka_unit_test(test_list_has),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
