/* SPDX-License-Identifier: MIT */
/* Tests of domain/client. */
#include "support.h"
#include "domain/client.h"

#include <time.h>

#define MANY 100000

static void test_find(void **state)
{
	static const char *const ids[] = { "012", "10", "A", "AB", "a", "a b", "ab", "b", "~" };
	static const struct str others[] = { TEXT(""), TEXT("01"), TEXT("0120"), TEXT("aa"),
		TEXT("B"), TEXT("a\0"), TEXT("ab\0"), TEXT("a  b"), TEXT("\xff") };
	struct client clients[COUNT(ids)] = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++)
		clients[i].id = str_of(ids[i]);
	for (size_t n = 0; n <= COUNT(ids); n++) {
		struct client_table table = { clients, n };

		for (size_t i = 0; i < COUNT(ids); i++)
			CHECK(client_find(&table, clients[i].id) ==
					(i < n ? &clients[i] : NULL),
				ids[i]);
		for (size_t i = 0; i < COUNT(others); i++)
			CHECK(!client_find(&table, others[i]), others[i].p);
	}
	check_end();
}

/* A linear search would take 10^10 comparisons here. */
static void test_find_among_many(void **state)
{
	static struct client clients[MANY];
	static char ids[MANY][8];
	struct client_table table = { clients, MANY };
	struct timespec start, end;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(ids[i], sizeof(ids[i]), "c%06zu", i);
		clients[i].id = str_of(ids[i]);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (size_t i = 0; i < MANY; i++)
		CHECK(client_find(&table, clients[i].id) == &clients[i], ids[i]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	CHECK(end.tv_sec - start.tv_sec < 5, "not linear");
	check_end();
}

static void test_names(void **state)
{
	static const char *const methods[] = { "client_secret_basic", "client_secret_post",
		"client_secret_jwt", "private_key_jwt", "tls_client_auth",
		"self_signed_tls_client_auth", "" };

	(void)state;
	assert_int_equal(COUNT(methods), AUTH__MAX + 1);
	for (size_t i = 0; i < COUNT(methods); i++)
		CHECK_TEXT(str_of(auth_method_name((enum auth_method)i)), str_of(methods[i]),
			methods[i]);
	CHECK_TEXT(str_of(profile_name(PROFILE_CIAM)), STR("ciam"), "ciam");
	CHECK_TEXT(str_of(profile_name(PROFILE_RFC9068)), STR("rfc9068"), "rfc9068");
	check_end();
}

static void test_addresses(void **state)
{
	static const struct {
		const char *address; /* empty: unknown */
		bool limited;        /* is it allowed where there is a list? */
	} cases[] = {
		{ "203.0.113.7", true },
		{ "::ffff:203.0.113.7", true },
		{ "203.0.114.7", false },
		{ "2001:db8::1", true },
		{ "2001:db9::1", false },
		{ "", false },
	};
	struct netmask masks[2];
	struct client open = { 0 };
	struct client limited = { .allowed_ips = { masks, 2 } };

	(void)state;
	assert_true(netmask_parse(STR("203.0.113.0/24"), &masks[0]));
	assert_true(netmask_parse(STR("2001:db8::/32"), &masks[1]));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr address;
		bool known = netaddr_parse(str_of(cases[i].address), &address);

		assert_true(known == (cases[i].address[0] != '\0'));
		CHECK(client_allows_address(&open, &address), cases[i].address);
		CHECK(client_allows_address(&limited, &address) == cases[i].limited,
			cases[i].address);
	}
	check_end();
}

static void test_secret_is_live(void **state)
{
	static const struct {
		const char *name;
		int64_t not_before_s;
		int64_t expires_s;
		int64_t now_s;
		bool live;
	} cases[] = {
		{ "no limits", 0, 0, NOW_S, true },
		{ "just before it begins", NOW_S, 0, NOW_S - 1, false },
		{ "when it begins", NOW_S, 0, NOW_S, true },
		{ "the last second", 0, NOW_S, NOW_S - 1, true },
		{ "when it expires", 0, NOW_S, NOW_S, false },
		{ "after it", 0, NOW_S, NOW_S + 1, false },
		{ "between", NOW_S - 10, NOW_S + 10, NOW_S, true },
		{ "an empty time", NOW_S, NOW_S, NOW_S, false },
		{ "beyond 2038", 0, INT64_C(4102444800), INT64_C(4102444799), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct secret secret = { .not_before_s = cases[i].not_before_s,
			.expires_s = cases[i].expires_s };

		CHECK(secret_is_live(&secret, cases[i].now_s) == cases[i].live, cases[i].name);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_among_many),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_secret_is_live),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
