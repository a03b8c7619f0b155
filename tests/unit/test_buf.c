/* SPDX-License-Identifier: MIT */
/* Tests of util/buf; what buf_json writes is read by another JSON implementation. */
#include "support.h"
#include "util/buf.h"

#include <jansson.h>

static void test_append(void **state)
{
	char space[64];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	CHECK_NUMBER(buf_view(&buf).n, 0, "new");
	buf_char(&buf, 'a');
	buf_str(&buf, STR("b\0c"));
	buf_text(&buf, "de");
	buf_str(&buf, STR(""));
	buf_text(&buf, "");
	buf_char(&buf, '\0');
	CHECK_TEXT(buf_view(&buf), STR("ab\0cde\0"), "all");
	CHECK(!buf.overflow, "fits");
	check_end();
}

static void test_numbers(void **state)
{
	static const struct {
		int64_t number;
		unsigned digits; /* 0: buf_number */
		struct str wanted;
	} cases[] = {
		{ 0, 0, TEXT("0") },
		{ 7, 0, TEXT("7") },
		{ -7, 0, TEXT("-7") },
		{ 1640588828, 0, TEXT("1640588828") },
		{ INT64_MAX, 0, TEXT("9223372036854775807") },
		{ INT64_MIN, 0, TEXT("-9223372036854775808") },
		{ 0, 2, TEXT("00") },
		{ 7, 2, TEXT("07") },
		{ 42, 2, TEXT("42") },
		{ 123, 2, TEXT("123") },
		{ 5, 3, TEXT("005") },
		{ 0, 1, TEXT("0") },
		{ INT64_MAX, 4, TEXT("9223372036854775807") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char space[32];
		struct buf buf = buf_init(space, sizeof(space));

		if (cases[i].digits)
			buf_padded(&buf, cases[i].number, cases[i].digits);
		else
			buf_number(&buf, cases[i].number);
		CHECK_TEXT(buf_view(&buf), cases[i].wanted, cases[i].wanted.p);
	}
	check_end();
}

static void append_char(struct buf *buf)
{
	buf_char(buf, 'x');
}

static void append_str(struct buf *buf)
{
	buf_str(buf, STR("xxxxxx"));
}

static void append_text(struct buf *buf)
{
	buf_text(buf, "xxxxxx");
}

static void append_number(struct buf *buf)
{
	buf_number(buf, INT64_MIN);
}

static void append_padded(struct buf *buf)
{
	buf_padded(buf, 1, 9);
}

static void append_json(struct buf *buf)
{
	buf_json(buf, STR("\x01\x01"));
}

static void test_overflow(void **state)
{
	static const struct {
		const char *name;
		void (*append)(struct buf *);
		size_t needs;
	} cases[] = {
		{ "char", append_char, 1 },
		{ "str", append_str, 6 },
		{ "text", append_text, 6 },
		{ "number", append_number, 20 },
		{ "padded", append_padded, 9 },
		{ "json", append_json, 14 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t size = 0; size <= cases[i].needs; size++) {
			char space[32];
			struct buf buf;

			memset(space, '#', sizeof(space));
			buf = buf_init(space, size);
			cases[i].append(&buf);
			CHECK(buf.overflow == (size < cases[i].needs), cases[i].name);
			CHECK(buf.n <= size, cases[i].name);
			CHECK(space[size] == '#', cases[i].name);
		}
	}
	check_end();
}

static void test_overflow_sticks(void **state)
{
	char space[4];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	buf_text(&buf, "ab");
	CHECK(!buf.overflow, "fits");
	buf_text(&buf, "cde");
	CHECK(buf.overflow, "does not fit");
	CHECK_TEXT(str_upto(buf_view(&buf), 2), STR("ab"), "what was there is kept");
	buf_text(&buf, "");
	buf_char(&buf, 'c');
	CHECK(buf.overflow, "stays");
	check_end();
}

/* Reads what buf_json writes of `s`; NULL if that is no JSON string. */
static json_t *through_json(struct str s, struct str *written, char *space, size_t size)
{
	struct buf buf = buf_init(space, size);

	buf_json(&buf, s);
	assert_false(buf.overflow);
	*written = buf_view(&buf);
	return json_loadb(written->p, written->n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static void test_json(void **state)
{
	static const struct {
		const char *name;
		struct str s;
		struct str wanted;
	} cases[] = {
		{ "empty", TEXT(""), TEXT("") },
		{ "plain", TEXT("abc"), TEXT("abc") },
		{ "quote and backslash", TEXT("\"\\/"), TEXT("\"\\/") },
		{ "control", TEXT("\b\f\n\r\t\x01\x1f"), TEXT("\b\f\n\r\t\x01\x1f") },
		{ "DEL", TEXT("\x7f"), TEXT("\x7f") },
		{ "NUL", TEXT("a\0b"), TEXT("a\0b") },
		{ "two bytes", TEXT("\xc3\xa4"), TEXT("\xc3\xa4") },
		{ "three bytes", TEXT("\xe2\x82\xac"), TEXT("\xe2\x82\xac") },
		{ "four bytes", TEXT("\xf0\x9f\x98\x80"), TEXT("\xf0\x9f\x98\x80") },
		{ "not UTF-8",
			TEXT("a\xff"
			     "b"),
			TEXT("a\xef\xbf\xbd"
			     "b") },
		{ "lone continuation", TEXT("\x80"), TEXT("\xef\xbf\xbd") },
		{ "cut off", TEXT("\xc3"), TEXT("\xef\xbf\xbd") },
		{ "cut off before ASCII", TEXT("\xc3z"), TEXT("\xef\xbf\xbdz") },
		{ "C1 control", TEXT("\xc2\x9b"), TEXT("\xc2\x9b") },
		{ "line separator", TEXT("\xe2\x80\xa8z"), TEXT("\xe2\x80\xa8z") },
		{ "right to left", TEXT("\xe2\x80\xae"), TEXT("\xe2\x80\xae") },
		{ "isolate", TEXT("\xe2\x81\xa7"), TEXT("\xe2\x81\xa7") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char space[64];
		struct str written;
		json_t *json = through_json(cases[i].s, &written, space, sizeof(space));

		CHECK(json_is_string(json), cases[i].name);
		CHECK_TEXT(((struct str){ json_string_value(json), json_string_length(json) }),
			cases[i].wanted, cases[i].name);
		json_decref(json);
	}
	check_end();
}

/* Each byte at each place among others, in texts of all lengths up to some words. */
static void test_json_places(void **state)
{
	char text[21], wanted[24], space[64], name[48];

	(void)state;
	for (size_t i = 0; i < sizeof(text) * sizeof(text) * 256; i++) {
		const size_t n = i / 256 / sizeof(text) + 1, at = i / 256 % sizeof(text);
		const unsigned char c = i % 256;
		struct buf good = buf_init(wanted, sizeof(wanted));
		struct str written;

		if (at >= n)
			continue;
		memset(text, 'a', n);
		text[at] = (char)c;
		buf_str(&good, (struct str){ text, at });
		buf_str(&good, c < 0x80 ? (struct str){ &text[at], 1 } : STR("\xef\xbf\xbd"));
		buf_str(&good, (struct str){ &text[at + 1], n - at - 1 });
		json_t *json = through_json(
			(struct str){ text, n }, &written, space, sizeof(space));

		snprintf(name, sizeof(name), "%02x, byte %zu of %zu", c, at, n);
		CHECK(json_is_string(json) && !str_has(written, '\x7f'), name);
		CHECK_TEXT(((struct str){ json_string_value(json), json_string_length(json) }),
			buf_view(&good), name);
		json_decref(json);
	}
	check_end();
}

static void test_json_is_printable(void **state)
{
	(void)state;
	for (unsigned c = 0; c <= 0x9f; c++) {
		char name[24];
		char text[2] = { (char)c, 0 };
		struct str s = { text, 1 };
		char space[16];
		struct str written;

		if (c >= 0x80) {
			text[0] = '\xc2';
			text[1] = (char)c;
			s.n = 2;
		}
		snprintf(name, sizeof(name), "U+%04X", c);
		json_decref(through_json(s, &written, space, sizeof(space)));
		for (size_t i = 0; i < written.n; i++) {
			unsigned char byte = (unsigned char)written.p[i];

			CHECK(byte >= 0x20 && byte != 0x7f, name);
		}
		CHECK(c < 0x80 || !str_contains(written, s), name);
	}
	check_end();
}

/* Every pair of bytes gives valid JSON and valid UTF-8. */
/* What ends a line for some readers, or turns its direction; and what stands beside these. */
static void test_json_deceives_nobody(void **state)
{
	static const struct {
		unsigned first, last;
		bool escaped;
	} ranges[] = {
		{ 0x2000, 0x2027, false },
		{ 0x2028, 0x202e, true },
		{ 0x202f, 0x2065, false },
		{ 0x2066, 0x2069, true },
		{ 0x206a, 0x20ff, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ranges); i++) {
		for (unsigned c = ranges[i].first; c <= ranges[i].last; c++) {
			const char text[] = { '\xe2', (char)(0x80 | (c >> 6 & 0x3f)),
				(char)(0x80 | (c & 0x3f)) };
			char wanted[12], name[12], space[16];
			struct str s = { text, sizeof(text) }, written;

			snprintf(name, sizeof(name), "U+%04X", c);
			snprintf(wanted, sizeof(wanted), "\"\\u%04x\"", c);
			json_decref(through_json(s, &written, space, sizeof(space)));
			CHECK(str_contains(written, s) != ranges[i].escaped, name);
			if (ranges[i].escaped)
				CHECK_TEXT(written, str_of(wanted), name);
		}
	}
	check_end();
}

static void test_json_of_any_bytes(void **state)
{
	(void)state;
	for (unsigned pair = 0; pair < 0x10000; pair++) {
		char text[4] = { '\xe2', (char)(pair >> 8), (char)pair, 'z' };
		char space[64];
		struct str written;
		json_t *json = through_json(
			(struct str){ text, 4 }, &written, space, sizeof(space));

		CHECK(json_is_string(json), "any bytes");
		CHECK(str_is_utf8(written), "any bytes");
		CHECK(str_ends(written, STR("z\"")), "any bytes");
		json_decref(json);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_overflow_sticks),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_places),
		cmocka_unit_test(test_json_is_printable),
		cmocka_unit_test(test_json_deceives_nobody),
		cmocka_unit_test(test_json_of_any_bytes),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
