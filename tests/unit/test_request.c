/* SPDX-License-Identifier: MIT */
/* Tests of http/request. */
#include "support.h"
#include "http/request.h"

#define VARIABLE_MAX 8

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new(4096, 65536);
	return arena ? 0 : 1;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void test_variables(void **state)
{
	static const char *const variables[] = { "A=1", "AB=2", "B=", "A=3", "C", "D=x=y",
		"=odd", "A=4", NULL };
	struct http_request request = { .variables = variables };
	static const char *const none[] = { NULL };
	struct http_request empty = { .variables = none };

	(void)state;
	CHECK_TEXT(http_variable(&request, "A"), STR("1"), "the first of three");
	CHECK_TEXT(http_variable(&request, "AB"), STR("2"), "a longer name");
	CHECK_TEXT(http_variable(&request, "B"), STR(""), "empty");
	CHECK_TEXT(http_variable(&request, "C"), STR(""), "no value");
	CHECK_TEXT(http_variable(&request, "D"), STR("x=y"), "an equals sign in the value");
	CHECK_TEXT(http_variable(&request, "a"), STR(""), "names are exact");
	CHECK_TEXT(http_variable(&request, "X"), STR(""), "not there");
	CHECK_TEXT(http_variable(&empty, "A"), STR(""), "no variables");
	CHECK_NUMBER(http_variable_count(&request, "A"), 3, "A");
	CHECK_NUMBER(http_variable_count(&request, "B"), 1, "B");
	CHECK_NUMBER(http_variable_count(&request, "X"), 0, "X");
	CHECK_NUMBER(http_variable_count(&empty, "A"), 0, "no variables");
	CHECK_TEXT(http_variable_at(&request, "A", 0), STR("1"), "A 0");
	CHECK_TEXT(http_variable_at(&request, "A", 1), STR("3"), "A 1");
	CHECK_TEXT(http_variable_at(&request, "A", 2), STR("4"), "A 2");
	CHECK_TEXT(http_variable_at(&request, "A", 3), STR(""), "A 3");
	check_end();
}

static void test_init(void **state)
{
	static const struct {
		const char *name;
		const char *variables[VARIABLE_MAX];
		enum http_method method;
		struct str path;
		struct str path_info;
	} cases[] = {
		{ "usual", { "REQUEST_METHOD=POST", "SCRIPT_NAME=/oauth2", "PATH_INFO=/token" },
			HTTP_POST, TEXT("/oauth2/token"), TEXT("/token") },
		{ "no PATH_INFO", { "REQUEST_METHOD=GET", "SCRIPT_NAME=/oauth2/jwks" },
			HTTP_GET, TEXT("/oauth2/jwks"), TEXT("") },
		{ "empty SCRIPT_NAME",
			{ "REQUEST_METHOD=HEAD", "SCRIPT_NAME=", "PATH_INFO=/jwks" }, HTTP_HEAD,
			TEXT("/jwks"), TEXT("/jwks") },
		{ "no variables", { NULL }, HTTP_OTHER, TEXT(""), TEXT("") },
		{ "the URI does not count",
			{ "REQUEST_METHOD=OPTIONS", "REQUEST_URI=/x?y", "PATH_INFO=/token" },
			HTTP_OPTIONS, TEXT("/token"), TEXT("/token") },
		{ "methods have a case", { "REQUEST_METHOD=post", "PATH_INFO=/token" },
			HTTP_OTHER, TEXT("/token"), TEXT("/token") },
		{ "unknown method", { "REQUEST_METHOD=PUT", "PATH_INFO=/token" }, HTTP_OTHER,
			TEXT("/token"), TEXT("/token") },
		{ "longer method", { "REQUEST_METHOD=POSTS", "PATH_INFO=/token" }, HTTP_OTHER,
			TEXT("/token"), TEXT("/token") },
		{ "nothing is decoded", { "REQUEST_METHOD=POST", "PATH_INFO=/to%6ben/../x" },
			HTTP_POST, TEXT("/to%6ben/../x"), TEXT("/to%6ben/../x") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request request = { .variables = cases[i].variables };

		CHECK_REASON(http_request_init(&request, arena), REASON_NONE, cases[i].name);
		CHECK_NUMBER(request.method, cases[i].method, cases[i].name);
		CHECK_TEXT(request.path, cases[i].path, cases[i].name);
		CHECK_TEXT(request.path_info, cases[i].path_info, cases[i].name);
		CHECK(!request.path_info.n || request.path_info.p + request.path_info.n ==
						      request.path.p + request.path.n,
			cases[i].name);
	}
	check_end();
}

static void test_init_no_memory(void **state)
{
	static const char *const variables[] = { "REQUEST_METHOD=POST",
		"SCRIPT_NAME=/a/rather/long/path/to/the/script", "PATH_INFO=/token", NULL };
	struct http_request request = { .variables = variables };
	struct arena *small = arena_new(16, 16);

	(void)state;
	assert_non_null(small);
	CHECK_REASON(http_request_init(&request, small), REASON_MEMORY, "no room");
	arena_free(small);
	check_end();
}

static void test_content_length(void **state)
{
	static const struct {
		const char *variable;
		enum reason wanted;
		size_t length;
	} cases[] = {
		{ "CONTENT_LENGTH=0", REASON_NONE, 0 },
		{ "CONTENT_LENGTH=1", REASON_NONE, 1 },
		{ "CONTENT_LENGTH=65536", REASON_NONE, 65536 },
		{ "CONTENT_LENGTH=65537", REASON_BODY_TOO_LARGE, 0 },
		{ "CONTENT_LENGTH=4294967296", REASON_BODY_TOO_LARGE, 0 },
		{ "CONTENT_LENGTH=9223372036854775807", REASON_BODY_TOO_LARGE, 0 },
		{ "CONTENT_LENGTH=9223372036854775808", REASON_BODY_TOO_LARGE, 0 },
		{ "CONTENT_LENGTH=99999999999999999999999999999999", REASON_BODY_TOO_LARGE, 0 },
		{ "CONTENT_LENGTH=18446744073709551617", REASON_BODY_TOO_LARGE, 0 },
		{ "CONTENT_LENGTH=", REASON_LENGTH_MISSING, 0 },
		{ "OTHER=1", REASON_LENGTH_MISSING, 0 },
		{ "CONTENT_LENGTH=-1", REASON_LENGTH_INVALID, 0 },
		{ "CONTENT_LENGTH=+3", REASON_LENGTH_INVALID, 0 },
		{ "CONTENT_LENGTH= 3", REASON_LENGTH_INVALID, 0 },
		{ "CONTENT_LENGTH=3 ", REASON_LENGTH_INVALID, 0 },
		{ "CONTENT_LENGTH=3, 3", REASON_LENGTH_INVALID, 0 },
		{ "CONTENT_LENGTH=0x3", REASON_LENGTH_INVALID, 0 },
		{ "CONTENT_LENGTH=3.0", REASON_LENGTH_INVALID, 0 },
		{ "CONTENT_LENGTH=abc", REASON_LENGTH_INVALID, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *const variables[] = { cases[i].variable, NULL };
		struct http_request request = { .variables = variables };
		size_t length = 4711;

		CHECK_REASON(http_content_length(&request, &length), cases[i].wanted,
			cases[i].variable);
		CHECK_NUMBER(length, cases[i].length, cases[i].variable);
	}
	check_end();
}

static struct netmask proxies[2];

static struct netmask_list trusted(void)
{
	assert_true(netmask_parse(STR("10.0.0.0/8"), &proxies[0]));
	assert_true(netmask_parse(STR("::1"), &proxies[1]));
	return (struct netmask_list){ proxies, 2 };
}

static void test_is_tls(void **state)
{
	static const struct {
		const char *name;
		const char *variables[VARIABLE_MAX];
		bool tls;
	} cases[] = {
		{ "nothing", { "REMOTE_ADDR=10.0.0.1" }, false },
		{ "HTTPS=on", { "HTTPS=on" }, true },
		{ "HTTPS=off", { "HTTPS=off" }, false },
		{ "HTTPS empty", { "HTTPS=" }, false },
		{ "scheme https", { "REQUEST_SCHEME=https" }, true },
		{ "scheme http", { "REQUEST_SCHEME=http" }, false },
		{ "header HTTPS", { "HTTP_HTTPS=on", "HTTP_REQUEST_SCHEME=https" }, false },
		{ "proxy says https",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_PROTO=https" }, true },
		{ "proxy says http", { "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_PROTO=http" },
			false },
		{ "proxy on IPv6", { "REMOTE_ADDR=::1", "HTTP_X_FORWARDED_PROTO=https" },
			true },
		{ "somebody says https",
			{ "REMOTE_ADDR=11.0.0.1", "HTTP_X_FORWARDED_PROTO=https" }, false },
		{ "nobody says https", { "HTTP_X_FORWARDED_PROTO=https" }, false },
		{ "a name says https",
			{ "REMOTE_ADDR=localhost", "HTTP_X_FORWARDED_PROTO=https" }, false },
		{ "X-Forwarded-Ssl is not asked",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_SSL=on" }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request request = { .variables = cases[i].variables };

		CHECK(http_is_tls(&request, trusted()) == cases[i].tls, cases[i].name);
	}
	check_end();
}

static void test_client_address(void **state)
{
	static const struct {
		const char *name;
		const char *variables[VARIABLE_MAX];
		const char *address; /* empty: unknown */
		bool from_proxy;
	} cases[] = {
		{ "direct", { "REMOTE_ADDR=203.0.113.9" }, "203.0.113.9", false },
		{ "direct, IPv6", { "REMOTE_ADDR=2001:db8::1" }, "2001:db8::1", false },
		{ "none", { "REMOTE_HOST=x" }, "", false },
		{ "a name", { "REMOTE_ADDR=client.example" }, "", false },
		{ "proxy without a header", { "REMOTE_ADDR=10.0.0.1" }, "10.0.0.1", true },
		{ "proxy", { "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=203.0.113.9" },
			"203.0.113.9", true },
		{ "proxy on IPv6", { "REMOTE_ADDR=::1", "HTTP_X_FORWARDED_FOR=2001:db8::1" },
			"2001:db8::1", true },
		{ "a comma at the end",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=203.0.113.9, " },
			"203.0.113.9", true },
		{ "empty elements",
			{ "REMOTE_ADDR=10.0.0.1",
				"HTTP_X_FORWARDED_FOR=,203.0.113.9 , ,10.0.0.2," },
			"203.0.113.9", true },
		{ "nothing but empty elements",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR= , ," }, "10.0.0.1",
			true },
		{ "the last counts",
			{ "REMOTE_ADDR=10.0.0.1",
				"HTTP_X_FORWARDED_FOR=198.51.100.1, 203.0.113.9" },
			"203.0.113.9", true },
		{ "the last but proxies",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=198.51.100.1,203.0.113."
						  "9 , 10.1.1.1,::1" },
			"203.0.113.9", true },
		{ "two headers",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=198.51.100.1",
				"HTTP_X_FORWARDED_FOR=203.0.113.9" },
			"203.0.113.9", true },
		{ "two headers, the second all proxies",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=203.0.113.9",
				"HTTP_X_FORWARDED_FOR=10.0.0.2, 10.0.0.3" },
			"203.0.113.9", true },
		{ "the last is garbage",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=203.0.113.9, unknown" },
			"", true },
		{ "garbage before it",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=unknown, 203.0.113.9" },
			"203.0.113.9", true },
		{ "with a port",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_X_FORWARDED_FOR=203.0.113.9:80" }, "",
			true },
		{ "somebody's header",
			{ "REMOTE_ADDR=203.0.113.8", "HTTP_X_FORWARDED_FOR=203.0.113.9" },
			"203.0.113.8", false },
		{ "Forwarded is not asked",
			{ "REMOTE_ADDR=10.0.0.1", "HTTP_FORWARDED=for=203.0.113.9" },
			"10.0.0.1", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request request = { .variables = cases[i].variables };
		struct netaddr wanted, address;
		struct str text = STR("unset");
		bool known = netaddr_parse(str_of(cases[i].address), &wanted);

		address = http_client_address(&request, trusted(), &text);
		CHECK(address.known == known, cases[i].name);
		if (known) {
			CHECK_TEXT(((struct str){ (const char *)address.bytes, 16 }),
				((struct str){ (const char *)wanted.bytes, 16 }),
				cases[i].name);
			CHECK_TEXT(text, str_of(cases[i].address), cases[i].name);
		}
		CHECK(http_from_trusted_proxy(&request, trusted()) == cases[i].from_proxy,
			cases[i].name);
		CHECK(!http_from_trusted_proxy(&request, (struct netmask_list){ NULL, 0 }),
			cases[i].name);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variables),
		cmocka_unit_test_setup_teardown(test_init, make_arena, free_arena),
		cmocka_unit_test(test_init_no_memory),
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_is_tls),
		cmocka_unit_test(test_client_address),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
