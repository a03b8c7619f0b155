/* SPDX-License-Identifier: MIT */
/* Tests of util/uri, with the examples of RFC 3986 §1.1.2 and §3. */
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuse),
	};

	return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
