/* SPDX-License-Identifier: MIT */
/* Tests of jose/key, with the PEM files of tests/vectors/pem.json. */
#include "support.h"
#include "jose/key.h"

#include <limits.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

static const char *kty_name(enum jose_kty kty)
{
	static const char *const names[] = { "", "RSA", "EC", "OKP", "oct" };

	return names[kty];
}

static void test_read(void **state)
{
	json_t *vectors = support_vectors("pem.json");
	json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		const char *name = support_member(vector, "name").p;
		enum reason wanted = support_reason(support_member(vector, "reason"));
		EVP_PKEY *pkey = (EVP_PKEY *)(uintptr_t)1;

		CHECK_REASON(key_read_pem(support_member(vector, "pem"), &pkey), wanted, name);
		CHECK((pkey != NULL) == (wanted == REASON_NONE), name);
		CHECK_NUMBER(ERR_peek_error(), 0, name);
		if (pkey)
			CHECK_TEXT(str_of(kty_name(alg_key_type(pkey))),
				support_member(vector, "kty"), name);
		if (wanted == REASON_NONE)
			EVP_PKEY_free(pkey);
	}
	json_decref(vectors);
	check_end();
}

/* The text is only borrowed: nothing behind it may be read. */
static void test_read_stays_inside(void **state)
{
	json_t *vectors = support_vectors("pem.json");
	struct str pem = support_member(json_array_get(vectors, 0), "pem");
	EVP_PKEY *pkey;

	(void)state;
	for (size_t n = 0; n + 2 < pem.n; n += 97) {
		char *copy = malloc(n + 1);

		assert_non_null(copy);
		memcpy(copy, pem.p, n);
		CHECK_REASON(key_read_pem((struct str){ copy, n }, &pkey), REASON_KEY_SYNTAX,
			"cut off");
		free(copy);
	}
	json_decref(vectors);
	check_end();
}

/* More than OpenSSL can be told the length of is not looked at. */
static void test_read_too_long(void **state)
{
	EVP_PKEY *pkey = (EVP_PKEY *)(uintptr_t)1;

	(void)state;
	CHECK_REASON(key_read_pem((struct str){ "", (size_t)INT_MAX + 1 }, &pkey),
		REASON_KEY_SYNTAX, "2 GiB");
	CHECK(pkey == NULL, "2 GiB");
	check_end();
}

/* A public key of these numbers; no check is made, they are freed. */
static EVP_PKEY *make_public(BIGNUM *n, BIGNUM *e)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params;
	EVP_PKEY *pkey = NULL;

	assert_true(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n));
	assert_true(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e));
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
	assert_int_equal(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(context);
	BN_free(n);
	BN_free(e);
	return pkey;
}

static EVP_PKEY *make_rsa(unsigned bits, uint64_t exponent)
{
	BIGNUM *n = BN_new();
	BIGNUM *e = BN_new();

	assert_non_null(n);
	assert_non_null(e);
	assert_true(BN_set_bit(n, (int)bits - 1));
	assert_true(BN_add_word(n, 1));
	assert_true(BN_set_word(e, exponent));
	return make_public(n, e);
}

/*
 * A number as CVE-2017-15361 makes moduli: k * M + (65537^a mod M), M being the product of the
 * primes up to `last`.  It is no product of two primes, which nobody can see.
 */
static EVP_PKEY *make_roca(int bits, unsigned last, unsigned seed)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *n = BN_new(), *e = BN_new(), *product = BN_new(), *power = BN_new();

	assert_non_null(power);
	assert_true(BN_set_word(product, 2));
	for (unsigned prime = 3; prime <= last; prime += 2) {
		bool is_prime = true;

		for (unsigned divisor = 3; divisor < prime; divisor += 2)
			is_prime = is_prime && prime % divisor != 0;
		if (is_prime)
			assert_true(BN_mul_word(product, prime));
	}
	assert_true(BN_set_word(e, 65537));
	assert_true(BN_set_word(n, 1000003 + seed));
	assert_true(BN_mod_exp(power, e, n, product, ctx));
	/* The last multiple of the product below 2^bits, less some */
	BN_zero(n);
	assert_true(BN_set_bit(n, bits));
	assert_true(BN_div(n, NULL, n, product, ctx));
	assert_true(BN_sub_word(n, 2 + seed));
	assert_true(BN_mul(n, n, product, ctx));
	assert_true(BN_add(n, n, power));
	assert_int_equal(BN_num_bits(n), bits);
	BN_free(product);
	BN_free(power);
	BN_CTX_free(ctx);
	return make_public(n, e);
}

static void test_strength(void **state)
{
	static const struct {
		const char *name;
		unsigned bits;
		uint64_t exponent;
		enum reason wanted;
	} cases[] = {
		{ "1024 bits", 1024, 65537, REASON_KEY_WEAK },
		{ "2047 bits", 2047, 65537, REASON_KEY_WEAK },
		{ "2048 bits", 2048, 65537, REASON_NONE },
		{ "8192 bits", 8192, 65537, REASON_NONE },
		{ "8193 bits", 8193, 65537, REASON_KEY_LARGE },
		{ "exponent 1", 2048, 1, REASON_KEY_WEAK },
		{ "exponent 2", 2048, 2, REASON_KEY_WEAK },
		{ "exponent 3", 2048, 3, REASON_NONE },
		{ "exponent 65536", 2048, 65536, REASON_KEY_WEAK },
		{ "exponent 2^64-1", 2048, UINT64_MAX, REASON_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *pkey = make_rsa(cases[i].bits, cases[i].exponent);

		CHECK_REASON(key_check_strength(pkey), cases[i].wanted, cases[i].name);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

/* The product has 126 primes in keys below 3968 bits, 225 in larger ones. */
static void test_roca(void **state)
{
	static const struct {
		const char *name;
		int bits;
		unsigned last; /* prime of the product */
		enum reason wanted;
	} cases[] = {
		{ "2048 bits", 2048, 701, REASON_KEY_ROCA },
		{ "3072 bits", 3072, 701, REASON_KEY_ROCA },
		{ "4096 bits", 4096, 1427, REASON_KEY_ROCA },
		{ "8192 bits", 8192, 1427, REASON_KEY_ROCA },
		{ "1024 bits are weak first", 1024, 353, REASON_KEY_WEAK },
		{ "powers modulo the primes up to 11 only", 2048, 11, REASON_NONE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned seed = 0; seed < 8; seed++) {
			EVP_PKEY *pkey = make_roca(cases[i].bits, cases[i].last, seed);

			CHECK_REASON(key_check_strength(pkey), cases[i].wanted, cases[i].name);
			EVP_PKEY_free(pkey);
		}
	}
	check_end();
}

static void test_strength_of_others(void **state)
{
	EVP_PKEY *ec = support_key(KEY_EC);
	EVP_PKEY *okp = support_key(KEY_OKP);
	EVP_PKEY *p384 = EVP_EC_gen("P-384");

	(void)state;
	CHECK_REASON(key_check_strength(ec), REASON_NONE, "P-256");
	CHECK_REASON(key_check_strength(okp), REASON_NONE, "Ed25519");
	CHECK_REASON(key_check_strength(p384), REASON_KEY_TYPE, "P-384");
	EVP_PKEY_free(ec);
	EVP_PKEY_free(okp);
	EVP_PKEY_free(p384);
	check_end();
}

static void test_generate(void **state)
{
	static const struct {
		enum jose_alg alg;
		unsigned bits;
		enum reason wanted;
		int size; /* bits of the key */
	} cases[] = {
		{ JOSE_ALG_RS256, 2048, REASON_NONE, 2048 },
		{ JOSE_ALG_PS256, 2056, REASON_NONE, 2056 },
		{ JOSE_ALG_RS512, 2047, REASON_KEY_WEAK, 0 },
		{ JOSE_ALG_RS256, 0, REASON_KEY_WEAK, 0 },
		{ JOSE_ALG_RS384, 8193, REASON_KEY_LARGE, 0 },
		{ JOSE_ALG_RS256, UINT32_MAX, REASON_KEY_LARGE, 0 },
		{ JOSE_ALG_ES256, 0, REASON_NONE, 256 },
		{ JOSE_ALG_ES256, 99999, REASON_NONE, 256 },
		{ JOSE_ALG_EDDSA, 0, REASON_NONE, 256 },
		{ JOSE_ALG_NONE, 2048, REASON_KEY_TYPE, 0 },
		{ JOSE_ALG_HS256, 2048, REASON_KEY_TYPE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].alg ? alg_info(cases[i].alg)->name : "none";
		EVP_PKEY *pkey = (EVP_PKEY *)(uintptr_t)1;

		CHECK_REASON(key_generate(cases[i].alg, cases[i].bits, &pkey), cases[i].wanted,
			name);
		CHECK((pkey != NULL) == (cases[i].wanted == REASON_NONE), name);
		if (cases[i].wanted != REASON_NONE || !pkey)
			continue;
		CHECK(alg_fits(cases[i].alg, pkey), name);
		CHECK_REASON(key_check_strength(pkey), REASON_NONE, name);
		CHECK_REASON(key_check_pair(pkey), REASON_NONE, name);
		/* OpenSSL counts 253 bits for Ed25519. */
		CHECK(abs(EVP_PKEY_get_bits(pkey) - cases[i].size) <= 3, name);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

static void test_generate_differs(void **state)
{
	EVP_PKEY *a, *b;

	(void)state;
	assert_int_equal(key_generate(JOSE_ALG_EDDSA, 0, &a), REASON_NONE);
	assert_int_equal(key_generate(JOSE_ALG_EDDSA, 0, &b), REASON_NONE);
	CHECK(EVP_PKEY_eq(a, b) != 1, "two keys");
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	check_end();
}

static void test_generate_rsa(void **state)
{
	static const struct {
		unsigned bits;
		unsigned primes;
		enum reason wanted;
	} cases[] = {
		{ 2048, 2, REASON_NONE },
		{ 2048, 3, REASON_NONE },
		{ 4096, 4, REASON_NONE },
		{ 2048, 4, REASON_KEY_PRIMES },
		{ 4095, 4, REASON_KEY_PRIMES },
		{ 4096, 5, REASON_KEY_PRIMES },
		{ 8192, 6, REASON_KEY_PRIMES },
		{ 2048, 1, REASON_KEY_PRIMES },
		{ 2048, 0, REASON_KEY_PRIMES },
		{ 2048, UINT32_MAX, REASON_KEY_PRIMES },
		{ 2047, 3, REASON_KEY_WEAK },
		{ 8193, 3, REASON_KEY_LARGE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char name[32], space[8192];
		struct buf pem = buf_init(space, sizeof(space));
		EVP_PKEY *pkey = (EVP_PKEY *)(uintptr_t)1, *again = NULL;

		snprintf(name, sizeof(name), "%u/%u", cases[i].bits, cases[i].primes);
		CHECK_REASON(key_generate_rsa(cases[i].bits, cases[i].primes, &pkey),
			cases[i].wanted, name);
		CHECK((pkey != NULL) == (cases[i].wanted == REASON_NONE), name);
		CHECK_NUMBER(ERR_peek_error(), 0, name);
		if (cases[i].wanted != REASON_NONE || !pkey)
			continue;
		CHECK_NUMBER(key_primes(pkey), cases[i].primes, name);
		CHECK_NUMBER(EVP_PKEY_get_bits(pkey), cases[i].bits, name);
		CHECK_REASON(key_check_strength(pkey), REASON_NONE, name);
		CHECK_REASON(key_check_pair(pkey), REASON_NONE, name);
		CHECK_REASON(key_write_pem(pkey, &pem), REASON_NONE, name);
		CHECK_REASON(key_read_pem(buf_view(&pem), &again), REASON_NONE, name);
		CHECK_NUMBER(key_primes(again), cases[i].primes, name);
		CHECK(EVP_PKEY_eq(pkey, again) == 1, name);
		EVP_PKEY_free(pkey);
		EVP_PKEY_free(again);
	}
	check_end();
}

static void test_primes(void **state)
{
	static const struct {
		unsigned bits;
		unsigned most;
	} cases[] = { { 2048, 3 }, { 3072, 3 }, { 4095, 3 }, { 4096, 4 }, { 8191, 4 },
		{ 8192, 5 } };
	EVP_PKEY *ec = support_key(KEY_EC);
	EVP_PKEY *public = make_rsa(2048, 65537);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		CHECK_NUMBER(key_primes_most(cases[i].bits), cases[i].most, "most");
	CHECK_NUMBER(key_primes(ec), 0, "no RSA");
	CHECK_NUMBER(key_primes(public), 0, "a public key");
	CHECK_NUMBER(ERR_peek_error(), 0, "errors");
	EVP_PKEY_free(ec);
	EVP_PKEY_free(public);
	check_end();
}

/* A key pair of these numbers, the modulus and what else is given; they are freed. */
static EVP_PKEY *make_pair(const char *const *names, BIGNUM *const *numbers, size_t count)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;

	for (size_t i = 0; i < count; i++)
		assert_true(OSSL_PARAM_BLD_push_BN(build, names[i], numbers[i]));
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);

	assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
	assert_int_equal(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(context);
	for (size_t i = 0; i < count; i++)
		BN_free(numbers[i]);
	return pkey;
}

static BIGNUM *number(BN_ULONG value, int shift)
{
	BIGNUM *bn = BN_new();

	assert_true(bn && BN_set_word(bn, value) && BN_lshift(bn, bn, shift));
	return bn;
}

/* As many as OpenSSL knows names for.  Small numbers do: only their count matters. */
static void test_five_primes(void **state)
{
	static const BN_ULONG primes[] = { 11, 17, 23, 29, 41 };
	const char *names[3 + 5 + 5 + 4] = { OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_D };
	BIGNUM *numbers[COUNT(names)] = { number(11 * 17 * 23 * 29 * 41, 0), number(3, 0),
		number(7, 0) };
	char texts[COUNT(names)][24];
	size_t count = 3;

	(void)state;
	for (unsigned i = 0; i < 5 + 5 + 4; i++, count++) {
		static const char *const kinds[] = { "factor", "exponent", "coefficient" };

		snprintf(texts[count], sizeof(texts[0]), "rsa-%s%u", kinds[i / 5], i % 5 + 1);
		names[count] = texts[count];
		numbers[count] = number(i < 5 ? primes[i] : 3, 0);
	}
	EVP_PKEY *pkey = make_pair(names, numbers, count);

	CHECK_NUMBER(key_primes(pkey), 5, "primes");
	CHECK_NUMBER(ERR_peek_error(), 0, "errors");
	EVP_PKEY_free(pkey);
	check_end();
}

/* The same key in another file. */
static EVP_PKEY *make_traditional(EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *again;

	assert_true(bio &&
		    PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL));
	again = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	assert_non_null(again);
	BIO_free(bio);
	return again;
}

static void test_derive(void **state)
{
	static const char *const keys[] = { KEY_RSA, KEY_EC, KEY_OKP };
	static const unsigned char zeros[SECRET_DIGEST_SIZE] = { 0 };
	unsigned char derived[COUNT(keys)][SECRET_DIGEST_SIZE], other[SECRET_DIGEST_SIZE];
	EVP_PKEY *public = make_rsa(2048, 65537);

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		EVP_PKEY *pkey = support_key(keys[i]);

		CHECK_REASON(key_derive(pkey, STR("a"), derived[i]), REASON_NONE, keys[i]);
		CHECK_REASON(key_derive(pkey, STR("b"), other), REASON_NONE, keys[i]);
		CHECK(memcmp(derived[i], other, sizeof(other)) != 0, "another label");
		for (size_t j = 0; j < i; j++)
			CHECK(memcmp(derived[i], derived[j], sizeof(other)) != 0,
				"another key");
		if (i < 2) {
			EVP_PKEY *again = make_traditional(pkey);

			CHECK_REASON(key_derive(again, STR("a"), other), REASON_NONE, keys[i]);
			CHECK(memcmp(derived[i], other, sizeof(other)) == 0, "another form");
			EVP_PKEY_free(again);
		}
		EVP_PKEY_free(pkey);
	}
	memset(other, 0xff, sizeof(other));
	CHECK(key_derive(public, STR("a"), other) != REASON_NONE, "a public key");
	CHECK(memcmp(other, zeros, sizeof(zeros)) == 0, "cleared");
	CHECK_NUMBER(ERR_peek_error(), 0, "errors");
	EVP_PKEY_free(public);
	check_end();
}

/* What has no room is not cut off: two keys must not get the same secret. */
static void test_derive_no_room(void **state)
{
	static const unsigned char zeros[SECRET_DIGEST_SIZE] = { 0 };
	static const char *const names[] = { OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_D };
	BIGNUM *const numbers[] = { number(3, 9000), number(3, 0), number(3, 8999) };
	EVP_PKEY *large = make_pair(names, numbers, COUNT(names));
	EVP_PKEY *rsa = support_key(KEY_RSA);
	char label[1000];
	unsigned char derived[SECRET_DIGEST_SIZE] = { 1 };

	(void)state;
	CHECK_REASON(key_derive(large, STR("a"), derived), REASON_INTERNAL, "9000 bits");
	CHECK(memcmp(derived, zeros, sizeof(zeros)) == 0, "cleared");
	memset(label, 'a', sizeof(label));
	derived[0] = 1;
	CHECK_REASON(key_derive(rsa, (struct str){ label, sizeof(label) }, derived),
		REASON_INTERNAL, "a long label");
	CHECK(memcmp(derived, zeros, sizeof(zeros)) == 0, "cleared");
	EVP_PKEY_free(large);
	EVP_PKEY_free(rsa);
	check_end();
}

/* A key of two halves: the private one of A and the public one of B. */
static EVP_PKEY *make_mixed_ec(void)
{
	EVP_PKEY *a = support_key(KEY_EC);
	EVP_PKEY *b = EVP_EC_gen("P-256");
	BIGNUM *d = NULL;
	unsigned char point[65];
	size_t point_len;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params;
	EVP_PKEY *mixed = NULL;

	assert_true(EVP_PKEY_get_bn_param(a, OSSL_PKEY_PARAM_PRIV_KEY, &d));
	assert_true(EVP_PKEY_get_octet_string_param(
		b, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point), &point_len));
	assert_true(
		OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0));
	assert_true(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d));
	assert_true(OSSL_PARAM_BLD_push_octet_string(
		build, OSSL_PKEY_PARAM_PUB_KEY, point, point_len));
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
	assert_int_equal(EVP_PKEY_fromdata(context, &mixed, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(context);
	BN_clear_free(d);
	EVP_PKEY_free(a);
	EVP_PKEY_free(b);
	return mixed;
}

static void test_pair(void **state)
{
	static const char *const keys[] = { KEY_RSA, KEY_EC, KEY_OKP };
	EVP_PKEY *mixed = make_mixed_ec();

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		EVP_PKEY *pkey = support_key(keys[i]);

		CHECK_REASON(key_check_pair(pkey), REASON_NONE, keys[i]);
		EVP_PKEY_free(pkey);
	}
	CHECK_REASON(key_check_pair(mixed), REASON_KEY_INCONSISTENT, "halves of two keys");
	EVP_PKEY_free(mixed);
	check_end();
}

static void test_write(void **state)
{
	static const char *const keys[] = { KEY_RSA, KEY_EC, KEY_OKP };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		EVP_PKEY *pkey = support_key(keys[i]);
		EVP_PKEY *again;
		char space[4096];
		struct buf buf = buf_init(space, sizeof(space));
		BIO *bio;

		CHECK_REASON(key_write_pem(pkey, &buf), REASON_NONE, keys[i]);
		CHECK(str_starts(buf_view(&buf), STR("-----BEGIN PRIVATE KEY-----\n")),
			keys[i]);
		CHECK(str_ends(buf_view(&buf), STR("-----END PRIVATE KEY-----\n")), keys[i]);
		bio = BIO_new_mem_buf(buf.p, (int)buf.n);
		again = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		CHECK(again && EVP_PKEY_eq(pkey, again) == 1, keys[i]);
		EVP_PKEY_free(again);
		BIO_free(bio);

		buf = buf_init(space, 40);
		CHECK(key_write_pem(pkey, &buf) == REASON_INTERNAL || buf.overflow, "no room");
		EVP_PKEY_free(pkey);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_stays_inside),
		cmocka_unit_test(test_read_too_long),
		cmocka_unit_test(test_strength),
		cmocka_unit_test(test_roca),
		cmocka_unit_test(test_strength_of_others),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_generate_differs),
		cmocka_unit_test(test_generate_rsa),
		cmocka_unit_test(test_primes),
		cmocka_unit_test(test_five_primes),
		cmocka_unit_test(test_derive),
		cmocka_unit_test(test_derive_no_room),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_write),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
