/* SPDX-License-Identifier: MIT */
/* Tests of domain/scope. */
#include "support.h"
#include "domain/scope.h"

static const struct scope scopes[] = {
	{ TEXT("!"), TEXT(""), TEXT("") },
	{ TEXT("Orders"), TEXT(""), TEXT("") },
	{ TEXT("a"), TEXT(""), TEXT("") },
	{ TEXT("aa"), TEXT(""), TEXT("") },
	{ TEXT("orders"), TEXT(""), TEXT("") },
	{ TEXT("orders:read"), TEXT(""), TEXT("") },
	{ TEXT("orders:write"), TEXT(""), TEXT("") },
};

static void test_token_is_valid(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool ok = c == 0x21 || (c >= 0x23 && c <= 0x5b) || (c >= 0x5d && c <= 0x7e);
		char text[3] = { 'a', (char)c, 'z' };
		char name[16];

		snprintf(name, sizeof(name), "byte 0x%02x", c);
		CHECK(scope_token_is_valid((struct str){ text, 3 }) == ok, name);
		CHECK(scope_token_is_valid((struct str){ text + 1, 1 }) == ok, name);
	}
	CHECK(!scope_token_is_valid(STR("")), "empty");
	check_end();
}

static void test_find(void **state)
{
	static const struct scope_table table = { scopes, COUNT(scopes) };
	static const struct str others[] = { TEXT(""), TEXT("aaa"), TEXT("A"), TEXT("order"),
		TEXT("orders:"), TEXT("orders:rea"), TEXT("orders:readx"), TEXT("zebra"),
		TEXT(" "), TEXT("a\0"), TEXT("ORDERS") };

	(void)state;
	for (size_t n = 0; n <= COUNT(scopes); n++) {
		for (size_t i = 0; i < COUNT(scopes); i++)
			CHECK(scope_find(&(struct scope_table){ scopes, n }, scopes[i].token) ==
					(i < n ? &scopes[i] : NULL),
				scopes[i].token.p);
	}
	for (size_t i = 0; i < COUNT(others); i++)
		CHECK(!scope_find(&table, others[i]), others[i].p);
	CHECK(!scope_find(&(struct scope_table){ NULL, 0 }, STR("a")), "no scopes");
	check_end();
}

static void test_list(void **state)
{
	static const struct scope *const items[] = { &scopes[5], &scopes[2], &scopes[4] };
	static const struct scope twin = { TEXT("a"), TEXT(""), TEXT("") };
	struct scope_list list = { items, COUNT(items) };
	char space[64];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	CHECK(scope_list_has(list, &scopes[2]), "there");
	CHECK(scope_list_has(list, &scopes[4]), "last");
	CHECK(!scope_list_has(list, &scopes[3]), "not there");
	CHECK(!scope_list_has(list, &twin), "by identity");
	CHECK(!scope_list_has((struct scope_list){ NULL, 0 }, &scopes[2]), "empty list");

	scope_list_write(&buf, list);
	CHECK_TEXT(buf_view(&buf), STR("orders:read a orders"), "in the order of the list");
	buf = buf_init(space, sizeof(space));
	scope_list_write(&buf, (struct scope_list){ items, 1 });
	CHECK_TEXT(buf_view(&buf), STR("orders:read"), "one");
	buf = buf_init(space, sizeof(space));
	scope_list_write(&buf, (struct scope_list){ NULL, 0 });
	CHECK_TEXT(buf_view(&buf), STR(""), "none");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token_is_valid),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests_name("scope", tests, NULL, NULL);
}
