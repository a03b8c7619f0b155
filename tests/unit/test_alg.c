/* SPDX-License-Identifier: MIT */
/* Tests of jose/alg. */
#include "support.h"
#include "jose/alg.h"

#include <openssl/ec.h>

static const struct {
	enum jose_alg alg;
	const char *name;
	enum jose_kty kty;
	const char *digest; /* NULL: none */
	bool is_pss;
} algs[] = {
	{ JOSE_ALG_RS256, "RS256", JOSE_KTY_RSA, "SHA256", false },
	{ JOSE_ALG_RS384, "RS384", JOSE_KTY_RSA, "SHA384", false },
	{ JOSE_ALG_RS512, "RS512", JOSE_KTY_RSA, "SHA512", false },
	{ JOSE_ALG_PS256, "PS256", JOSE_KTY_RSA, "SHA256", true },
	{ JOSE_ALG_ES256, "ES256", JOSE_KTY_EC, "SHA256", false },
	{ JOSE_ALG_EDDSA, "EdDSA", JOSE_KTY_OKP, NULL, false },
	{ JOSE_ALG_HS256, "HS256", JOSE_KTY_OCT, "SHA256", false },
};

static void test_table(void **state)
{
	(void)state;
	CHECK_NUMBER(COUNT(algs) + 1, JOSE_ALG__MAX, "all of them");
	for (size_t i = 0; i < COUNT(algs); i++) {
		const struct jose_alg_info *info = alg_info(algs[i].alg);

		CHECK_TEXT(str_of(info->name), str_of(algs[i].name), algs[i].name);
		CHECK_NUMBER(info->kty, algs[i].kty, algs[i].name);
		CHECK(info->is_pss == algs[i].is_pss, algs[i].name);
		CHECK((info->digest == NULL) == (algs[i].digest == NULL), algs[i].name);
		if (info->digest && algs[i].digest)
			CHECK(EVP_get_digestbyname(info->digest) ==
					EVP_get_digestbyname(algs[i].digest),
				algs[i].name);
		CHECK_NUMBER(alg_find(str_of(algs[i].name)), algs[i].alg, algs[i].name);
	}
	check_end();
}

static void test_find_others(void **state)
{
	static const struct str names[] = { TEXT(""), TEXT("none"), TEXT("None"), TEXT("rs256"),
		TEXT("RS256 "), TEXT(" RS256"), TEXT("RS256\0"), TEXT("RS25"), TEXT("HS384"),
		TEXT("HS512"), TEXT("hs256"), TEXT("ES384"), TEXT("EDDSA"), TEXT("PS384"),
		TEXT("Ed448"), TEXT("RSA-OAEP") };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		CHECK_NUMBER(alg_find(names[i]), JOSE_ALG_NONE, names[i].p);
	check_end();
}

static void test_keys(void **state)
{
	static const struct {
		const char *key;
		enum jose_kty kty;
		enum jose_alg standard;
	} cases[] = {
		{ KEY_RSA, JOSE_KTY_RSA, JOSE_ALG_RS256 },
		{ KEY_EC, JOSE_KTY_EC, JOSE_ALG_ES256 },
		{ KEY_OKP, JOSE_KTY_OKP, JOSE_ALG_EDDSA },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *pkey = support_key(cases[i].key);

		CHECK_NUMBER(alg_key_type(pkey), cases[i].kty, cases[i].key);
		CHECK_NUMBER(alg_default(pkey), cases[i].standard, cases[i].key);
		CHECK(!alg_fits(JOSE_ALG_NONE, pkey), cases[i].key);
		for (size_t j = 0; j < COUNT(algs); j++)
			CHECK(alg_fits(algs[j].alg, pkey) == (algs[j].kty == cases[i].kty),
				algs[j].name);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

static void test_other_keys(void **state)
{
	EVP_PKEY *pkeys[] = { EVP_EC_gen("P-384"), EVP_EC_gen("secp256k1"),
		EVP_PKEY_Q_keygen(NULL, NULL, "X25519"),
		EVP_PKEY_Q_keygen(NULL, NULL, "ED448") };

	(void)state;
	for (size_t i = 0; i < COUNT(pkeys); i++) {
		assert_non_null(pkeys[i]);
		CHECK_NUMBER(alg_key_type(pkeys[i]), JOSE_KTY_NONE, "unsupported key");
		CHECK_NUMBER(alg_default(pkeys[i]), JOSE_ALG_NONE, "unsupported key");
		for (size_t j = 0; j < COUNT(algs); j++)
			CHECK(!alg_fits(algs[j].alg, pkeys[i]), algs[j].name);
		EVP_PKEY_free(pkeys[i]);
	}
	check_end();
}

/* A shared secret is no key pair, not even as an EVP_PKEY; HS256 is behind all that are. */
static void test_secrets_are_no_keys(void **state)
{
	static const unsigned char secret[32] = { 1 };
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_HMAC, NULL, secret, sizeof(secret));

	(void)state;
	assert_non_null(pkey);
	CHECK_NUMBER(alg_key_type(pkey), JOSE_KTY_NONE, "HMAC");
	CHECK_NUMBER(alg_default(pkey), JOSE_ALG_NONE, "HMAC");
	for (size_t i = 0; i < COUNT(algs); i++) {
		CHECK(!alg_fits(algs[i].alg, pkey), algs[i].name);
		CHECK((algs[i].alg < JOSE_ALG_PAIRS__MAX) == (algs[i].kty != JOSE_KTY_OCT),
			algs[i].name);
	}
	EVP_PKEY_free(pkey);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_find_others),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_secrets_are_no_keys),
	};

	return cmocka_run_group_tests_name("alg", tests, NULL, NULL);
}
