/* SPDX-License-Identifier: MIT */
/* Tests of util/siphash: its authors' vectors, and OpenSSL's own SipHash beside it. */
#include "support.h"
#include "util/siphash.h"

#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#define LONGEST 300

static unsigned char key[SIPHASH_KEY_SIZE];
static unsigned char text[LONGEST];

static int count_up(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)i;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)i;
	return 0;
}

static void bytes_of(struct siphash digest, unsigned char bytes[static 16])
{
	const uint64_t halves[] = { htole64(digest.first), htole64(digest.second) };

	memcpy(bytes, halves, sizeof(halves));
}

/* vectors_sip128 of the reference implementation: key 00 01 … 0f, text 00 01 …. */
static void test_vectors(void **state)
{
	static const unsigned char wanted[][16] = {
		{ 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7,
			0x55, 0x02, 0x93 },
		{ 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b,
			0x22, 0xfc, 0x45 },
	};
	unsigned char bytes[16];

	(void)state;
	for (size_t n = 0; n < COUNT(wanted); n++) {
		bytes_of(siphash(key, (struct str){ (const char *)text, n }), bytes);
		assert_memory_equal(bytes, wanted[n], sizeof(bytes));
	}
}

static void openssl_siphash(size_t n, unsigned char bytes[static 16])
{
	size_t size = 16, len = 0;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};

	assert_non_null(EVP_Q_mac(NULL, "SIPHASH", NULL, NULL, params, key, sizeof(key), text,
		n, bytes, 16, &len));
	assert_int_equal(len, 16);
}

static void test_beside_openssl(void **state)
{
	unsigned char bytes[16], wanted[16];

	(void)state;
	for (size_t n = 0; n <= LONGEST; n++) {
		key[n % sizeof(key)] ^= (unsigned char)(n + 1);
		bytes_of(siphash(key, (struct str){ (const char *)text, n }), bytes);
		openssl_siphash(n, wanted);
		assert_memory_equal(bytes, wanted, sizeof(bytes));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_vectors, count_up),
		cmocka_unit_test_setup(test_beside_openssl, count_up),
	};

	return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
