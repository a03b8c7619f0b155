/* SPDX-License-Identifier: MIT */
/* Tests of util/uuid, with the examples of RFC 9562 appendix A and B. */
#include "support.h"
#include "util/uuid.h"

static void test_format(void **state)
{
	static const struct {
		const char *bytes;
		unsigned version;
		const char *text;
	} cases[] = {
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 4,
			"00000000-0000-4000-8000-000000000000" },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 4,
			"ffffffff-ffff-4fff-bfff-ffffffffffff" },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 8,
			"ffffffff-ffff-8fff-bfff-ffffffffffff" },
		{ "\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf", 4,
			"00010203-0405-4607-8809-0a0b0c0d0e0f" },
		/* A.3 */
		{ "\x91\x91\x08\xf7\x52\xd1\x43\x20\x9b\xac\xf8\x47\xdb\x41\x48\xa8", 4,
			"919108f7-52d1-4320-9bac-f847db4148a8" },
		/* B.1 */
		{ "\x24\x89\xe9\xad\x2e\xe2\x8e\x00\x8e\xc9\x32\xd5\xf6\x91\x81\xc0", 8,
			"2489e9ad-2ee2-8e00-8ec9-32d5f69181c0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char bytes[UUID_BYTES];
		char text[UUID_LEN + 2];

		memcpy(bytes, cases[i].bytes, sizeof(bytes));
		memset(text, '#', sizeof(text));
		uuid_format(bytes, cases[i].version, text);
		CHECK(text[UUID_LEN] == '\0' && text[UUID_LEN + 1] == '#', cases[i].text);
		CHECK_TEXT(
			((struct str){ text, UUID_LEN }), str_of(cases[i].text), cases[i].text);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
