/* SPDX-License-Identifier: MIT */
/* Tests of util/uri, with the examples of RFC 3986 §1.1.2, §3 and §6. */
#include "support.h"
#include "util/uri.h"

static void test_parse(void **state)
{
	static const struct {
		struct str text;
		const char *scheme, *authority, *host, *port, *path, *query;
		bool has_query, has_fragment;
	} cases[] = {
		{ TEXT("foo://example.com:8042/over/there?name=ferret#nose"), "foo",
			"example.com:8042", "example.com", "8042", "/over/there", "name=ferret",
			true, true },
		{ TEXT("urn:example:animal:ferret:nose"), "urn", "", "", "",
			"example:animal:ferret:nose", "", false, false },
		{ TEXT("https://auth.example.com"), "https", "auth.example.com",
			"auth.example.com", "", "", "", false, false },
		{ TEXT("https://auth.example.com/"), "https", "auth.example.com",
			"auth.example.com", "", "/", "", false, false },
		{ TEXT("https://a.example/b?"), "https", "a.example", "a.example", "", "/b", "",
			true, false },
		{ TEXT("https://a.example#"), "https", "a.example", "a.example", "", "", "",
			false, true },
		{ TEXT("https://a.example?b/c"), "https", "a.example", "a.example", "", "",
			"b/c", true, false },
		{ TEXT("http://[::1]:8080/a"), "http", "[::1]:8080", "::1", "8080", "/a", "",
			false, false },
		{ TEXT("ldap://[2001:db8::7]/c=GB?objectClass?one"), "ldap", "[2001:db8::7]",
			"2001:db8::7", "", "/c=GB", "objectClass?one", true, false },
		{ TEXT("mailto:John.Doe@example.com"), "mailto", "", "", "",
			"John.Doe@example.com", "", false, false },
		{ TEXT("tel:+1-816-555-1212"), "tel", "", "", "", "+1-816-555-1212", "", false,
			false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct uri uri;

		memset(&uri, 0xff, sizeof(uri));
		CHECK(uri_parse(cases[i].text, &uri), cases[i].text.p);
		CHECK_TEXT(uri.scheme, str_of(cases[i].scheme), cases[i].text.p);
		CHECK_TEXT(uri.authority, str_of(cases[i].authority), cases[i].text.p);
		CHECK_TEXT(uri.host, str_of(cases[i].host), cases[i].text.p);
		CHECK_TEXT(uri.port, str_of(cases[i].port), cases[i].text.p);
		CHECK_TEXT(uri.path, str_of(cases[i].path), cases[i].text.p);
		CHECK_TEXT(uri.query, str_of(cases[i].query), cases[i].text.p);
		CHECK(uri.has_query == cases[i].has_query, cases[i].text.p);
		CHECK(uri.has_fragment == cases[i].has_fragment, cases[i].text.p);
		CHECK(uri_is_absolute(cases[i].text) == !cases[i].has_fragment,
			cases[i].text.p);
	}
	check_end();
}

static void test_refuse(void **state)
{
	static const struct str texts[] = {
		TEXT(""),
		TEXT(":"),
		TEXT("https:"),
		TEXT("/path"),
		TEXT("//example.com"),
		TEXT("example.com"),
		TEXT("example"),
		TEXT("1https://a"),
		TEXT("-x://a"),
		TEXT("ht tp://a"),
		TEXT("ht_tp://a"),
		TEXT(" https://a"),
		TEXT("https://a "),
		TEXT("https://a/b c"),
		TEXT("https://a/\xc3\xa4"),
		TEXT("https://a/\n"),
		TEXT("https://a/\0"),
		TEXT("https://a/<b>"),
		TEXT("https://a/\"b\""),
		TEXT("https://a/b\\c"),
		TEXT("https://a/{b}"),
		TEXT("https://a/b|c"),
		TEXT("https://a/b^c"),
		TEXT("https://a/`"),
		TEXT("?a:b"),
		TEXT("#a:b"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct uri uri;

		memset(&uri, 0xff, sizeof(uri));
		CHECK(!uri_parse(texts[i], &uri), texts[i].p);
		CHECK(!uri.scheme.n && !uri.path.n && !uri.host.n && !uri.has_query &&
				!uri.has_fragment,
			texts[i].p);
		CHECK(!uri_is_absolute(texts[i]), texts[i].p);
	}
	check_end();
}

/* RFC 3986 §6.2.2 and §6.2.3, and the examples of §5.2.4 and §6.2.2. */
static void test_normalize(void **state)
{
	static const struct {
		struct str text;
		const char *normal;
	} cases[] = {
		{ TEXT("https://a.example/b"), "https://a.example/b" },
		{ TEXT("HTTPS://A.Example/B"), "https://a.example/B" },
		{ TEXT("https://a.example"), "https://a.example/" },
		{ TEXT("https://a.example?b"), "https://a.example/" },
		{ TEXT("https://a.example#b"), "https://a.example/" },
		{ TEXT("https://a.example/b?c#d"), "https://a.example/b" },
		{ TEXT("https://a.example/b?c/../d"), "https://a.example/b" },
		{ TEXT("https://a.example:443/b"), "https://a.example/b" },
		{ TEXT("https://a.example:/b"), "https://a.example/b" },
		{ TEXT("https://a.example:80/b"), "https://a.example:80/b" },
		{ TEXT("https://a.example:8443/b"), "https://a.example:8443/b" },
		{ TEXT("http://a.example:80/b"), "http://a.example/b" },
		{ TEXT("HTTP://a.example:80"), "http://a.example/" },
		{ TEXT("http://a.example:443/b"), "http://a.example:443/b" },
		{ TEXT("foo://a.example:443/b"), "foo://a.example:443/b" },
		{ TEXT("https://[2001:DB8::7]:443/b"), "https://[2001:db8::7]/b" },
		{ TEXT("https://[2001:DB8::7]:8443/b"), "https://[2001:db8::7]:8443/b" },
		{ TEXT("https://[::1]"), "https://[::1]/" },
		{ TEXT("https://a.example/%7euser/%41"), "https://a.example/~user/A" },
		{ TEXT("https://a.example/%2d%2E%5f%30"), "https://a.example/-._0" },
		{ TEXT("https://a.example/%c3%a4%2f"), "https://a.example/%C3%A4%2F" },
		{ TEXT("https://a.example/%2525"), "https://a.example/%2525" },
		{ TEXT("https://a.example/a/b/c/./../../g"), "https://a.example/a/g" },
		{ TEXT("https://a.example/./b/"), "https://a.example/b/" },
		{ TEXT("https://a.example/../../b"), "https://a.example/b" },
		{ TEXT("https://a.example/b/.."), "https://a.example/" },
		{ TEXT("https://a.example/b/."), "https://a.example/b/" },
		{ TEXT("https://a.example/b/c/.."), "https://a.example/b/" },
		{ TEXT("https://a.example/b/%2e%2E/c"), "https://a.example/c" },
		{ TEXT("https://a.example/b/%2e"), "https://a.example/b/" },
		{ TEXT("https://a.example/.../b"), "https://a.example/.../b" },
		{ TEXT("https://a.example/.b/..c"), "https://a.example/.b/..c" },
		{ TEXT("https://a.example//b"), "https://a.example//b" },
		{ TEXT("https://a.example//../b"), "https://a.example/b" },
		{ TEXT("https://a.example/b//../c"), "https://a.example/b/c" },
		{ TEXT("eXAMPLE://a/./b/../b/%63/%7bfoo%7d"), "example://a/b/c/%7Bfoo%7D" },
		{ TEXT("https://%61.Ex%41mple/b"), "https://a.example/b" },
	};
	struct arena *arena = arena_new(4096, 65536);

	(void)state;
	assert_non_null(arena);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str normal = STR("unset"), again;

		CHECK_REASON(uri_normalize(cases[i].text, arena, &normal), REASON_NONE,
			cases[i].text.p);
		CHECK_TEXT(normal, str_of(cases[i].normal), cases[i].text.p);
		CHECK_REASON(
			uri_normalize(normal, arena, &again), REASON_NONE, cases[i].text.p);
		CHECK_TEXT(again, normal, "a normal form is its own");
	}
	arena_free(arena);
	check_end();
}

static void test_no_normal_form(void **state)
{
	static const struct str texts[] = {
		TEXT(""),
		TEXT("/a"),
		TEXT("//a.example/b"),
		TEXT("urn:example:a"),
		TEXT("https:/a.example"),
		TEXT("https:a.example"),
		TEXT("https://"),
		TEXT("https:///b"),
		TEXT("https://?b"),
		TEXT("https://a.example/%"),
		TEXT("https://a.example/%4"),
		TEXT("https://a.example/%zz"),
		TEXT("https://a.example/ b"),
		TEXT("https://a.example/\0"),
		TEXT("https://a.example/\xc3\xa4"),
	};
	struct arena *arena = arena_new(4096, 65536);

	(void)state;
	assert_non_null(arena);
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct str normal = STR("unset");

		CHECK_REASON(
			uri_normalize(texts[i], arena, &normal), REASON_URI_SYNTAX, texts[i].p);
		CHECK_NUMBER(normal.n, 0, texts[i].p);
	}
	arena_free(arena);
	check_end();
}

/* Out of memory at each of its steps: no normal form, and none that is cut off. */
static void test_normalize_memory(void **state)
{
	const struct str text = STR("https://a.example/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p");
	bool done = false;

	(void)state;
	for (size_t limit = 16; limit <= 4096 && !done; limit += 16) {
		struct arena *arena = arena_new(limit, limit);
		struct str normal = STR("unset");

		assert_non_null(arena);
		enum reason reason = uri_normalize(text, arena, &normal);

		done = reason == REASON_NONE;
		CHECK(done || reason == REASON_MEMORY, "memory");
		CHECK_TEXT(normal, done ? text : STR(""), "memory");
		arena_free(arena);
	}
	CHECK(done, "4 KiB suffice");
	check_end();
}

/* A URL under which a server is known, and what is said of any other. */
static void test_server(void **state)
{
	static const struct {
		const char *text, *part; /* of the problem; NULL: there is none */
	} cases[] = {
		{ "https://auth.example.com", NULL },
		{ "https://auth.example.com:8443/tenant/oauth2", NULL },
		{ "https://[2001:db8::7]:443", NULL },
		{ "http://localhost:8080/oauth2", NULL },
		{ "http://127.8.9.10", NULL },
		{ "http://[::1]:1", NULL },
		{ "http://auth.example.com", "loopback" },
		{ "http://localhost.example.com", "loopback" },
		{ "http://127.0.0.1.example.com", "loopback" },
		{ "http://127.0.0.1@auth.example.com", "must be a URL" },
		{ "https://auth.example.com:0", "must be a URL" },
		{ "https://auth.example.com:65536", "must be a URL" },
		{ "https://auth.example.com:", "must be a URL" },
		{ "https://[auth]", "must be a URL" },
		{ "https:///oauth2", "must be a URL" },
		{ "auth.example.com", "must be a URL" },
		{ "", "must be a URL" },
		{ "ftp://127.0.0.1", "https" },
		{ "https://auth.example.com?a", "query" },
		{ "https://auth.example.com#a", "fragment" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *problem = uri_server_problem(str_of(cases[i].text));

		if (cases[i].part == NULL)
			CHECK(problem == NULL, cases[i].text);
		else
			CHECK(str_contains(str_of(problem), str_of(cases[i].part)),
				cases[i].text);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_normalize),
		cmocka_unit_test(test_no_normal_form),
		cmocka_unit_test(test_normalize_memory),
		cmocka_unit_test(test_server),
	};

	return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
