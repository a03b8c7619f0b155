/* SPDX-License-Identifier: MIT */
/* Tests of util/random; linked with --wrap=RAND_bytes. */
#include "support.h"
#include "util/random.h"

int __real_RAND_bytes(unsigned char *p, int n);
int __wrap_RAND_bytes(unsigned char *p, int n);

static bool generator_fails;

int __wrap_RAND_bytes(unsigned char *p, int n)
{
	if (!generator_fails)
		return __real_RAND_bytes(p, n);
	memset(p, 0x5a, (size_t)n);
	return 0;
}

static void test_fills(void **state)
{
	unsigned char seen[64] = { 0 };
	unsigned char bytes[66];

	(void)state;
	/* In 64 rounds each byte inside changes, and those around it never. */
	for (unsigned round = 0; round < 64; round++) {
		memset(bytes, 0, sizeof(bytes));
		CHECK_REASON(random_bytes(bytes + 1, 64), REASON_NONE, "works");
		CHECK(bytes[0] == 0 && bytes[65] == 0, "just these");
		for (size_t i = 0; i < 64; i++)
			seen[i] |= bytes[i + 1];
	}
	for (size_t i = 0; i < 64; i++)
		CHECK(seen[i] != 0, "all of them");
	check_end();
}

static void test_differ(void **state)
{
	unsigned char a[16], b[16];

	(void)state;
	CHECK_REASON(random_bytes(a, sizeof(a)), REASON_NONE, "first");
	CHECK_REASON(random_bytes(b, sizeof(b)), REASON_NONE, "second");
	CHECK(!str_eq((struct str){ (char *)a, 16 }, (struct str){ (char *)b, 16 }), "differ");
	check_end();
}

static void test_failure(void **state)
{
	unsigned char bytes[16];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	generator_fails = true;
	CHECK_REASON(random_bytes(bytes, sizeof(bytes)), REASON_RANDOM, "generator fails");
	generator_fails = false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		CHECK_NUMBER(bytes[i], 0, "zeroed");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fills),
		cmocka_unit_test(test_differ),
		cmocka_unit_test(test_failure),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
