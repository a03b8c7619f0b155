/* SPDX-License-Identifier: MIT */
/* Tests of http/header. */
#include "support.h"
#include "http/header.h"

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new(4096, 262144);
	return arena ? 0 : 1;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void test_is_form(void **state)
{
	static const struct {
		struct str value;
		bool ok;
	} cases[] = {
		{ TEXT("application/x-www-form-urlencoded"), true },
		{ TEXT("application/x-www-form-urlencoded;charset=UTF-8"), true },
		{ TEXT("application/x-www-form-urlencoded; charset=utf-8"), true },
		{ TEXT("application/x-www-form-urlencoded ; charset=utf-8"), true },
		{ TEXT("Application/X-WWW-Form-URLencoded; CHARSET=UTF-8"), true },
		{ TEXT(" application/x-www-form-urlencoded "), true },
		{ TEXT(""), false },
		{ TEXT("application/json"), false },
		{ TEXT("multipart/form-data; boundary=x"), false },
		{ TEXT("text/plain"), false },
		{ TEXT("application/x-www-form-urlencode"), false },
		{ TEXT("application/x-www-form-urlencodedx"), false },
		{ TEXT("application/x-www-form-urlencoded, text/plain"), false },
		{ TEXT("a/b, application/x-www-form-urlencoded"), false },
		{ TEXT("text/plain; application/x-www-form-urlencoded"), false },
		{ TEXT("application/x-www-form-urlencoded\0"), false },
		{ TEXT("application/ x-www-form-urlencoded"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(header_is_form(cases[i].value) == cases[i].ok, cases[i].value.p);
	check_end();
}

static void test_scheme(void **state)
{
	static const struct {
		struct str value;
		bool ok;
	} cases[] = {
		{ TEXT("Basic YTpi"), true },
		{ TEXT("basic YTpi"), true },
		{ TEXT("bAsIc YTpi"), true },
		{ TEXT("BASIC YTpi"), true },
		{ TEXT("Basic  YTpi"), true },
		{ TEXT("Bearer YTpi"), false },
		{ TEXT("BasicYTpi"), false },
		{ TEXT("Basi YTpi"), false },
		{ TEXT("Basic2 YTpi"), false },
		{ TEXT("X Basic YTpi"), false },
		{ TEXT(""), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(header_scheme_is(cases[i].value, STR("Basic")) == cases[i].ok,
			cases[i].value.p);
	check_end();
}

static void test_repeated(void **state)
{
	static const struct {
		struct str value;
		bool repeated;
	} cases[] = {
		{ TEXT("Basic YTpi"), false },
		{ TEXT("Basic YTpi=="), false },
		{ TEXT(""), false },
		{ TEXT("Basic YTpi, Basic YTpi"), true },
		{ TEXT("Basic YTpi,Basic YTpi"), true },
		{ TEXT("Basic YTpi, Bearer x"), true },
		{ TEXT("Bearer x, Basic YTpi"), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(header_is_repeated(cases[i].value) == cases[i].repeated,
			cases[i].value.p);
	check_end();
}

static void test_basic(void **state)
{
	static const struct {
		const char *name;
		struct str value;
		bool ok;
		struct str user;
		struct str password;
	} cases[] = {
		{ "RFC 7617", TEXT("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), true, TEXT("Aladdin"),
			TEXT("open sesame") },
		{ "RFC 7617, UTF-8", TEXT("Basic dGVzdDoxMjPCow=="), true, TEXT("test"),
			TEXT("123\xc2\xa3") },
		{ "RFC 6749", TEXT("Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"), true,
			TEXT("s6BhdRkqt3"), TEXT("gX1fBat3bV") },
		{ "other case", TEXT("bASIC YTpi"), true, TEXT("a"), TEXT("b") },
		{ "two spaces", TEXT("Basic  YTpi"), true, TEXT("a"), TEXT("b") },
		{ "the first colon divides", TEXT("Basic YTpiOmM6"), true, TEXT("a"),
			TEXT("b:c:") },
		{ "no user", TEXT("Basic OmI="), true, TEXT(""), TEXT("b") },
		{ "no password", TEXT("Basic YTo="), true, TEXT("a"), TEXT("") },
		{ "colon alone", TEXT("Basic Og=="), true, TEXT(""), TEXT("") },
		{ "nothing is form-decoded", TEXT("Basic YSUzQWI6YytkJTI1"), true,
			TEXT("a%3Ab"), TEXT("c+d%25") },
		{ "no colon", TEXT("Basic YWI="), false, TEXT(""), TEXT("") },
		{ "nothing", TEXT("Basic "), false, TEXT(""), TEXT("") },
		{ "scheme alone", TEXT("Basic"), false, TEXT(""), TEXT("") },
		{ "no padding", TEXT("Basic YTo"), false, TEXT(""), TEXT("") },
		{ "padding inside", TEXT("Basic YT=pi"), false, TEXT(""), TEXT("") },
		{ "too much padding", TEXT("Basic YTo=="), false, TEXT(""), TEXT("") },
		{ "base64url", TEXT("Basic YTo_-w=="), false, TEXT(""), TEXT("") },
		{ "space inside", TEXT("Basic YT pi"), false, TEXT(""), TEXT("") },
		{ "more behind it", TEXT("Basic YTpi x"), false, TEXT(""), TEXT("") },
		{ "bits behind the last byte", TEXT("Basic YTp="), false, TEXT(""), TEXT("") },
		{ "plain text", TEXT("Basic a:b"), false, TEXT(""), TEXT("") },
		{ "bytes beyond ASCII", TEXT("Basic \xc3\xa4\xc3\xa4"), false, TEXT(""),
			TEXT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str user = STR("unset");
		struct str password = STR("unset");

		CHECK_REASON(header_basic(cases[i].value, arena, &user, &password),
			cases[i].ok ? REASON_NONE : REASON_BASIC_SYNTAX, cases[i].name);
		CHECK_TEXT(user, cases[i].user, cases[i].name);
		CHECK_TEXT(password, cases[i].password, cases[i].name);
	}
	check_end();
}

static void test_basic_no_memory(void **state)
{
	struct arena *small = arena_new(16, 16);
	struct str user = STR("unset");
	struct str password = STR("unset");

	(void)state;
	assert_non_null(small);
	CHECK_REASON(header_basic(STR("Basic "
				      "QWxhZGRpbjpvcGVuIHNlc2FtZSwgYW5kIHNvbWUgbW9yZSB0ZXh0"),
			     small, &user, &password),
		REASON_MEMORY, "no room");
	CHECK_NUMBER(user.n + password.n, 0, "empty on failure");
	arena_free(small);
	check_end();
}

static void test_etag(void **state)
{
	static const struct {
		struct str if_none_match;
		bool matches;
	} cases[] = {
		{ TEXT("\"abc\""), true },
		{ TEXT("W/\"abc\""), true },
		{ TEXT("*"), true },
		{ TEXT("\"x\", \"abc\""), true },
		{ TEXT("\"x\",\"abc\",\"y\""), true },
		{ TEXT("\"x\" , W/\"abc\""), true },
		{ TEXT("  \"abc\"  "), true },
		{ TEXT(", ,\"abc\""), true },
		{ TEXT("\"x,y\", \"abc\""), true },
		{ TEXT(""), false },
		{ TEXT("abc"), false },
		{ TEXT("\"ABC\""), false },
		{ TEXT("\"abcd\""), false },
		{ TEXT("\"ab\""), false },
		{ TEXT("\"abc"), false },
		{ TEXT("w/\"abc\""), false },
		{ TEXT("\"x\", \"y\""), false },
		{ TEXT("\"\""), false },
		{ TEXT("\"*\""), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK(header_etag_matches(cases[i].if_none_match, STR("\"abc\"")) ==
				cases[i].matches,
			cases[i].if_none_match.p);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_form),
		cmocka_unit_test(test_scheme),
		cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_basic),
		cmocka_unit_test(test_basic_no_memory),
		cmocka_unit_test(test_etag),
	};

	return cmocka_run_group_tests_name("header", tests, make_arena, free_arena);
}
