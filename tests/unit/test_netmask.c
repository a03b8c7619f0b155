/* SPDX-License-Identifier: MIT */
/* Tests of util/netmask. */
#include "support.h"
#include "util/netmask.h"

static void test_address(void **state)
{
	static const struct {
		struct str s;
		struct str bytes; /* empty: no address */
	} cases[] = {
		{ TEXT("127.0.0.1"), TEXT("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1") },
		{ TEXT("::ffff:127.0.0.1"), TEXT("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1") },
		{ TEXT("255.255.255.255"),
			TEXT("\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff") },
		{ TEXT("0.0.0.0"), TEXT("\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0") },
		{ TEXT("::"), TEXT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ TEXT("::1"), TEXT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1") },
		{ TEXT("2001:DB8::a:1"), TEXT("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\xa\0\1") },
		{ TEXT("1:2:3:4:5:6:7:8"), TEXT("\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\10") },
		{ TEXT("1:2:3:4:5:6:1.2.3.4"), TEXT("\0\1\0\2\0\3\0\4\0\5\0\6\1\2\3\4") },
		{ TEXT(""), TEXT("") },
		{ TEXT("1.2.3"), TEXT("") },
		{ TEXT("1.2.3.4.5"), TEXT("") },
		{ TEXT("1.2.3.256"), TEXT("") },
		{ TEXT("1.2.3.04"), TEXT("") },
		{ TEXT("1.2.3.-4"), TEXT("") },
		{ TEXT("1.2.3.4 "), TEXT("") },
		{ TEXT(" 1.2.3.4"), TEXT("") },
		{ TEXT("1.2.3.4\0"), TEXT("") },
		{ TEXT("1.2.3.4\0.5"), TEXT("") },
		{ TEXT("1.2.3.4:80"), TEXT("") },
		{ TEXT("0x7f000001"), TEXT("") },
		{ TEXT("2130706433"), TEXT("") },
		{ TEXT("[::1]"), TEXT("") },
		{ TEXT("::1%lo"), TEXT("") },
		{ TEXT(":::"), TEXT("") },
		{ TEXT("1::2::3"), TEXT("") },
		{ TEXT("1:2:3:4:5:6:7"), TEXT("") },
		{ TEXT("1:2:3:4:5:6:7:8:9"), TEXT("") },
		{ TEXT("::12345"), TEXT("") },
		{ TEXT("::g"), TEXT("") },
		{ TEXT("localhost"), TEXT("") },
		{ TEXT("10.0.0.0/8"), TEXT("") },
		{ TEXT("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"),
			TEXT("") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr address = { { 1, 2, 3 }, true };
		bool ok = cases[i].bytes.n == 16;

		CHECK(netaddr_parse(cases[i].s, &address) == ok, cases[i].s.p);
		CHECK(address.known == ok, cases[i].s.p);
		if (ok)
			CHECK_TEXT(((struct str){ (const char *)address.bytes, 16 }),
				cases[i].bytes, cases[i].s.p);
	}
	check_end();
}

static void test_mask(void **state)
{
	static const struct {
		struct str s;
		int bits; /* -1: no mask */
	} cases[] = {
		{ TEXT("203.0.113.0/24"), 120 },
		{ TEXT("203.0.113.7"), 128 },
		{ TEXT("203.0.113.7/32"), 128 },
		{ TEXT("0.0.0.0/0"), 96 },
		{ TEXT("128.0.0.0/1"), 97 },
		{ TEXT("203.0.113.254/31"), 127 },
		{ TEXT("::1"), 128 },
		{ TEXT("::1/128"), 128 },
		{ TEXT("::/0"), 0 },
		{ TEXT("2001:db8::/32"), 32 },
		{ TEXT("2001:db8:8000::/33"), 33 },
		{ TEXT("fe80::/10"), 10 },
		{ TEXT("203.0.113.1/24"), -1 },
		{ TEXT("203.0.113.255/31"), -1 },
		{ TEXT("1.0.0.0/0"), -1 },
		{ TEXT("2001:db8::1/32"), -1 },
		{ TEXT("2001:db8:8000::/32"), -1 },
		{ TEXT("::1/0"), -1 },
		{ TEXT("203.0.113.0/33"), -1 },
		{ TEXT("203.0.113.0/128"), -1 },
		{ TEXT("::/129"), -1 },
		{ TEXT("::/256"), -1 },
		{ TEXT("10.0.0.0/-8"), -1 },
		{ TEXT("10.0.0.0/+8"), -1 },
		{ TEXT("10.0.0.0/"), -1 },
		{ TEXT("10.0.0.0/ 8"), -1 },
		{ TEXT("10.0.0.0/8 "), -1 },
		{ TEXT("10.0.0.0/8/8"), -1 },
		{ TEXT("10.0.0.0/255.0.0.0"), -1 },
		{ TEXT("10.0.0/8"), -1 },
		{ TEXT("10/8"), -1 },
		{ TEXT("/8"), -1 },
		{ TEXT("/"), -1 },
		{ TEXT(""), -1 },
		{ TEXT("*"), -1 },
		{ TEXT("example.com"), -1 },
	};
	static const struct netaddr zero = { { 0 }, true };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netmask mask = { { { 0 }, true }, 0 };
		bool ok = netmask_parse(cases[i].s, &mask);

		CHECK(ok == (cases[i].bits >= 0), cases[i].s.p);
		if (ok)
			CHECK_NUMBER(mask.bits, cases[i].bits, cases[i].s.p);
		else
			CHECK(!netmask_list_has((struct netmask_list){ &mask, 1 }, &zero),
				cases[i].s.p);
	}
	check_end();
}

static void test_list(void **state)
{
	static const struct {
		const char *block;
		const char *address;
		bool inside;
	} cases[] = {
		{ "203.0.113.0/24", "203.0.113.0", true },
		{ "203.0.113.0/24", "203.0.113.255", true },
		{ "203.0.113.0/24", "::ffff:203.0.113.9", true },
		{ "203.0.113.0/24", "203.0.112.255", false },
		{ "203.0.113.0/24", "203.0.114.0", false },
		{ "203.0.113.0/24", "::203.0.113.9", false },
		{ "203.0.113.128/25", "203.0.113.127", false },
		{ "203.0.113.128/25", "203.0.113.128", true },
		{ "203.0.113.8/29", "203.0.113.15", true },
		{ "203.0.113.8/29", "203.0.113.16", false },
		{ "203.0.113.7", "203.0.113.7", true },
		{ "203.0.113.7", "203.0.113.6", false },
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "2001:db8:8000::/33", "2001:db8:ffff::1", true },
		{ "2001:db8:8000::/33", "2001:db8:7fff::1", false },
		{ "::1", "::1", true },
		{ "::1", "::2", false },
		{ "::/0", "2001:db8::1", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netmask masks[2];
		struct netaddr address;

		assert_true(netmask_parse(STR("192.0.2.1"), &masks[0]));
		assert_true(netmask_parse(str_of(cases[i].block), &masks[1]));
		assert_true(netaddr_parse(str_of(cases[i].address), &address));
		CHECK(netmask_list_has((struct netmask_list){ masks, 2 }, &address) ==
				cases[i].inside,
			cases[i].address);
		CHECK(!netmask_list_has((struct netmask_list){ masks, 1 }, &address),
			"only the first block");
		CHECK(!netmask_list_has((struct netmask_list){ NULL, 0 }, &address),
			"no block");
	}
	check_end();
}

static void test_unknown(void **state)
{
	struct netmask masks[2];
	struct netaddr address = { { 0 }, true };

	(void)state;
	assert_true(netmask_parse(STR("::/0"), &masks[0]));
	assert_true(netmask_parse(STR("0.0.0.0/0"), &masks[1]));
	assert_false(netaddr_parse(STR("unknown"), &address));
	CHECK(!netmask_list_has((struct netmask_list){ masks, 2 }, &address),
		"matches nothing");
	CHECK(!netaddr_is_loopback(&address), "is not loopback");
	check_end();
}

static void test_loopback(void **state)
{
	static const struct {
		const char *address;
		bool loopback;
	} cases[] = {
		{ "127.0.0.0", true },
		{ "127.0.0.1", true },
		{ "127.255.255.255", true },
		{ "::ffff:127.0.0.1", true },
		{ "::1", true },
		{ "126.255.255.255", false },
		{ "128.0.0.0", false },
		{ "0.0.0.0", false },
		{ "::", false },
		{ "::2", false },
		{ "1::1", false },
		{ "::127.0.0.1", false },
		{ "7f00:1::", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct netaddr address;

		assert_true(netaddr_parse(str_of(cases[i].address), &address));
		CHECK(netaddr_is_loopback(&address) == cases[i].loopback, cases[i].address);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests_name("netmask", tests, NULL, NULL);
}
