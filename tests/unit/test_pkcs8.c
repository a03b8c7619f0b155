/* SPDX-License-Identifier: MIT */
/* The quick reader of private keys against OpenSSL's own; and OpenSSL as oauth2.fcgi starts it.
 */
#include "support.h"

#include "jose/key.h"
#include "jose/pkcs8.h"
#include "util/openssl.h"

#include <limits.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

static EVP_PKEY *read_by_openssl(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

/* Both halves, as they would be written. */
static struct str written(EVP_PKEY *pkey, char *memory, size_t size)
{
	struct buf pem = buf_init(memory, size);

	assert_int_equal(key_write_pem(pkey, &pem), REASON_NONE);
	return buf_view(&pem);
}

static void check_same(EVP_PKEY *a, EVP_PKEY *b, const char *name)
{
	char memory_a[6144], memory_b[6144];

	CHECK(EVP_PKEY_eq(a, b) == 1, name);
	CHECK(str_eq(written(a, memory_a, sizeof(memory_a)),
		      written(b, memory_b, sizeof(memory_b))),
		name);
	CHECK_REASON(key_check_pair(a), REASON_NONE, name);
}

/* What it reads is what OpenSSL reads; with what is no key it agrees that it is none. */
static void test_vectors(void **state)
{
	json_t *vectors = support_vectors("pem.json");
	json_t *vector;
	size_t i, read_count = 0;

	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		struct str pem = support_member(vector, "pem");
		const char *name = support_member(vector, "name").p;
		enum reason wanted = support_reason(support_member(vector, "reason"));
		EVP_PKEY *quick = pkcs8_read_pem(pem), *any;

		CHECK_NUMBER(ERR_peek_error(), 0, name);
		CHECK_REASON(key_read_pem(pem, &any), wanted, name);
		EVP_PKEY_free(any);
		if (quick == NULL)
			continue;
		EVP_PKEY *other = read_by_openssl(pem);

		read_count++;
		CHECK(other != NULL, name);
		if (other != NULL && key_check_pair(other) == REASON_NONE)
			check_same(quick, other, name);
		EVP_PKEY_free(quick);
		EVP_PKEY_free(other);
	}
	json_decref(vectors);
	CHECK(read_count > 0, "some are read");
	check_end();
}

static struct str pem_of(EVP_PKEY *pkey, bool traditional, BIO *bio)
{
	char *text;

	BIO_reset(bio);
	if (traditional)
		assert_int_equal(PEM_write_bio_PrivateKey_traditional(
					 bio, pkey, NULL, NULL, 0, NULL, NULL),
			1);
	else
		assert_int_equal(
			PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	long n = BIO_get_mem_data(bio, &text);

	return (struct str){ text, (size_t)n };
}

/* Each kind, in each form: the usual ones are read quickly, the others all the same. */
static void test_forms(void **state)
{
	static const enum jose_alg algs[] = { JOSE_ALG_RS256, JOSE_ALG_ES256, JOSE_ALG_EDDSA };
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		const char *name = alg_info(algs[i])->name;
		EVP_PKEY *pkey, *read, *quick;

		assert_int_equal(key_generate(algs[i], 2048, &pkey), REASON_NONE);
		quick = pkcs8_read_pem(pem_of(pkey, false, bio));
		CHECK(quick != NULL, name);
		if (quick != NULL)
			check_same(quick, pkey, name);
		EVP_PKEY_free(quick);
		if (algs[i] == JOSE_ALG_EDDSA) {
			EVP_PKEY_free(pkey);
			continue;
		}
		CHECK(pkcs8_read_pem(pem_of(pkey, true, bio)) == NULL, name);
		CHECK_REASON(key_read_pem(pem_of(pkey, true, bio), &read), REASON_NONE, name);
		check_same(read, pkey, name);
		EVP_PKEY_free(read);
		EVP_PKEY_free(pkey);
	}
	BIO_free(bio);
	check_end();
}

/* Three primes: their numbers stand elsewhere, so OpenSSL reads the key. */
static void test_three_primes(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *pkey = NULL, *read;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);

	(void)state;
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, 3), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &pkey), 1);
	struct str pem = pem_of(pkey, false, bio);

	CHECK(pkcs8_read_pem(pem) == NULL, "not quickly");
	CHECK_REASON(key_read_pem(pem, &read), REASON_NONE, "read");
	check_same(read, pkey, "same");
	EVP_PKEY_free(read);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
	BIO_free(bio);
	check_end();
}

/* Each byte of a key changed: the quick reader takes nothing that OpenSSL refuses. */
static void test_damaged(void **state)
{
	static const enum jose_alg algs[] = { JOSE_ALG_ES256, JOSE_ALG_EDDSA, JOSE_ALG_RS256 };
	size_t refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		EVP_PKEY *pkey;
		PKCS8_PRIV_KEY_INFO *info;
		unsigned char *der = NULL;

		assert_int_equal(key_generate(algs[i], 2048, &pkey), REASON_NONE);
		info = EVP_PKEY2PKCS8(pkey);
		int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

		for (int at = 0; at < len; at += algs[i] == JOSE_ALG_RS256 ? 7 : 1) {
			BIO *bio = BIO_new(BIO_s_mem());
			char *text;

			der[at] ^= 1;
			PEM_write_bio(bio, PEM_STRING_PKCS8INF, "", der, len);
			struct str pem = { NULL, 0 };
			long n = BIO_get_mem_data(bio, &text);

			pem = (struct str){ text, (size_t)n };
			EVP_PKEY *quick = pkcs8_read_pem(pem);
			EVP_PKEY *other = read_by_openssl(pem);

			if (quick != NULL && other == NULL)
				fail_msg("%s: byte %d", alg_info(algs[i])->name, at);
			refused += quick == NULL;
			EVP_PKEY_free(quick);
			EVP_PKEY_free(other);
			BIO_free(bio);
			der[at] ^= 1;
		}
		OPENSSL_free(der);
		PKCS8_PRIV_KEY_INFO_free(info);
		EVP_PKEY_free(pkey);
	}
	assert_true(refused > 50);
}

/* The sequence of an RSA key's numbers, with a tag that says it is a plain value. */
static void test_sequence(void **state)
{
	EVP_PKEY *pkey;
	unsigned char *der = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	const unsigned char *inner;
	char *text;
	int inner_len;

	(void)state;
	assert_int_equal(key_generate(JOSE_ALG_RS256, 2048, &pkey), REASON_NONE);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

	assert_int_equal(PKCS8_pkey_get0(NULL, &inner, &inner_len, NULL, info), 1);
	assert_int_equal(der[len - inner_len], 0x30);
	der[len - inner_len] = 0x10;
	PEM_write_bio(bio, PEM_STRING_PKCS8INF, "", der, len);
	long n = BIO_get_mem_data(bio, &text);
	const struct str pem = { text, (size_t)n };

	CHECK(read_by_openssl(pem) == NULL, "OpenSSL");
	CHECK(pkcs8_read_pem(pem) == NULL, "the quick reader");
	BIO_free(bio);
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(pkey);
	check_end();
}

/* What a reader makes of a key's PKCS#8 form with other bytes for the key itself. */
static EVP_PKEY *read_inner_by(EVP_PKEY *(*read)(struct str), const EVP_PKEY *pkey,
	const unsigned char *inner, size_t len)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	BIO *bio = BIO_new(BIO_s_mem());
	const X509_ALGOR *algorithm;
	const ASN1_OBJECT *name;
	const void *value;
	unsigned char *der = NULL;
	char *text;
	int type;

	assert_true(info && bio && PKCS8_pkey_get0(NULL, NULL, NULL, &algorithm, info) == 1);
	X509_ALGOR_get0(&name, &type, &value, algorithm);
	ASN1_OBJECT *curve = type == V_ASN1_OBJECT ? OBJ_dup(value) : NULL;

	unsigned char *copy = OPENSSL_zalloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, inner, len);
	assert_int_equal(
		PKCS8_pkey_set0(info, OBJ_dup(name), 0, type, curve, copy, (int)len), 1);
	int der_len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

	assert_true(PEM_write_bio(bio, PEM_STRING_PKCS8INF, "", der, der_len) > 0);
	long n = BIO_get_mem_data(bio, &text);
	EVP_PKEY *made = read((struct str){ text, (size_t)n });

	OPENSSL_free(der);
	BIO_free(bio);
	PKCS8_PRIV_KEY_INFO_free(info);
	return made;
}

static EVP_PKEY *read_inner(const EVP_PKEY *pkey, const unsigned char *inner, size_t len)
{
	return read_inner_by(pkcs8_read_pem, pkey, inner, len);
}

/* The bytes of the key itself, for OPENSSL_free(). */
static unsigned char *take_inner(const EVP_PKEY *pkey, size_t *len)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	const unsigned char *inner;
	int inner_len = 0;

	assert_non_null(info);
	assert_int_equal(PKCS8_pkey_get0(NULL, &inner, &inner_len, NULL, info), 1);
	*len = (size_t)inner_len;
	/* With room for one byte more. */
	unsigned char *copy = OPENSSL_zalloc(*len + 1);

	assert_non_null(copy);
	memcpy(copy, inner, *len);
	PKCS8_PRIV_KEY_INFO_free(info);
	return copy;
}

/* Cut off anywhere, or with something behind it, a key is none. */
static void test_length(void **state)
{
	static const enum jose_alg algs[] = { JOSE_ALG_ES256, JOSE_ALG_EDDSA, JOSE_ALG_RS256 };

	(void)state;
	for (size_t i = 0; i < COUNT(algs); i++) {
		const char *name = alg_info(algs[i])->name;
		EVP_PKEY *pkey, *quick;
		size_t len;

		assert_int_equal(key_generate(algs[i], 2048, &pkey), REASON_NONE);
		unsigned char *inner = take_inner(pkey, &len);

		quick = read_inner(pkey, inner, len);
		CHECK(quick != NULL && EVP_PKEY_eq(quick, pkey) == 1, name);
		EVP_PKEY_free(quick);
		CHECK(read_inner(pkey, inner, len + 1) == NULL, name);
		for (size_t n = 0; n < len; n += algs[i] == JOSE_ALG_RS256 ? 11 : 1)
			CHECK(read_inner(pkey, inner, n) == NULL, name);
		OPENSSL_free(inner);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

/* With the curve once more in the key itself, as some write it (RFC 5915 §3). */
static void test_curve_twice(void **state)
{
	static const struct str curve = TEXT(
		"\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
	const size_t head = 7 + 32; /* with the private key */
	EVP_PKEY *pkey = support_key(KEY_EC), *quick;
	unsigned char longer[256];
	size_t len;
	unsigned char *inner = take_inner(pkey, &len);

	(void)state;
	assert_true(len + curve.n < sizeof(longer));
	memcpy(longer, inner, head);
	memcpy(longer + head, curve.p, curve.n);
	memcpy(longer + head + curve.n, inner + head, len - head);
	CHECK(read_inner_by(read_by_openssl, pkey, longer, len + curve.n) == NULL, "OpenSSL");
	CHECK(read_inner(pkey, longer, len + curve.n) == NULL, "too short a length");
	longer[1] = (unsigned char)(longer[1] + curve.n);
	quick = read_inner(pkey, longer, len + curve.n);
	CHECK(quick != NULL && EVP_PKEY_eq(quick, pkey) == 1, "the same key");
	EVP_PKEY_free(quick);
	longer[head + curve.n - 1] ^= 1;
	CHECK(read_inner(pkey, longer, len + curve.n) == NULL, "another curve");
	inner[1] = (unsigned char)(inner[1] + curve.n);
	CHECK(read_inner(pkey, inner, len) == NULL, "too long a length");
	OPENSSL_free(inner);
	EVP_PKEY_free(pkey);
	check_end();
}

/* An integer of so many bytes, all of them the same. */
static ASN1_INTEGER *make_integer(unsigned char byte, int len, bool is_negative)
{
	unsigned char bytes[2000];
	ASN1_INTEGER *integer = ASN1_INTEGER_new();

	assert_non_null(integer);
	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(ASN1_STRING_set(integer, bytes, len), 1);
	integer->type = is_negative ? V_ASN1_NEG_INTEGER : V_ASN1_INTEGER;
	return integer;
}

/* One number of an RSA key replaced: the quick reader leaves what is odd to OpenSSL. */
static void test_numbers(void **state)
{
	static const struct {
		const char *name;
		unsigned char byte;
		int len;
		bool is_negative;
		bool is_text; /* no number at all */
	} cases[] = {
		{ "zero", 0, 1, false, false },
		{ "negative", 3, 1, true, false },
		{ "more than 8192 bits", 0x7f, 1025, false, false },
		{ "text", 'a', 4, false, true },
	};
	EVP_PKEY *pkey;
	size_t len;

	(void)state;
	assert_int_equal(key_generate(JOSE_ALG_RS256, 2048, &pkey), REASON_NONE);
	unsigned char *inner = take_inner(pkey, &len);

	/* The version is zero. */
	for (size_t i = 0; i < 9 * COUNT(cases); i++) {
		const unsigned char *p = inner;
		ASN1_SEQUENCE_ANY *items = d2i_ASN1_SEQUENCE_ANY(NULL, &p, (long)len);
		unsigned char *der = NULL;
		const size_t at = i / COUNT(cases), k = i % COUNT(cases);
		EVP_PKEY *quick;

		assert_int_equal(sk_ASN1_TYPE_num(items), 9);
		ASN1_TYPE_set(sk_ASN1_TYPE_value(items, (int)at),
			cases[k].is_text ? V_ASN1_OCTET_STRING : V_ASN1_INTEGER,
			make_integer(cases[k].byte, cases[k].len, cases[k].is_negative));
		int der_len = i2d_ASN1_SEQUENCE_ANY(items, &der);

		quick = read_inner(pkey, der, (size_t)der_len);
		CHECK((quick != NULL) == (at == 0 && k == 0), cases[k].name);
		EVP_PKEY_free(quick);
		OPENSSL_free(der);
		sk_ASN1_TYPE_pop_free(items, ASN1_TYPE_free);
	}
	OPENSSL_free(inner);
	EVP_PKEY_free(pkey);
	check_end();
}

/* A header says that the rest is not what it seems; and nobody has 2 GiB of PEM. */
static void test_pem(void **state)
{
	EVP_PKEY *pkey = support_key(KEY_EC), *quick;
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	static const char *const headers[] = { "", "Comment: a\n" };
	unsigned char *der = NULL;
	int der_len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		BIO *bio = BIO_new(BIO_s_mem());
		char *text;

		assert_true(PEM_write_bio(bio, PEM_STRING_PKCS8INF, headers[i], der, der_len));
		long n = BIO_get_mem_data(bio, &text);

		quick = pkcs8_read_pem((struct str){ text, (size_t)n });
		CHECK((quick != NULL) == (i == 0), headers[i]);
		EVP_PKEY_free(quick);
		BIO_free(bio);
	}
	CHECK(pkcs8_read_pem((struct str){ "", (size_t)INT_MAX + 1 }) == NULL, "2 GiB");
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(pkey);
	check_end();
}

static int start(void **state)
{
	(void)state;
	assert_int_equal(openssl_start(OPENSSL_ONE_ANSWER), REASON_NONE);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_three_primes),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_curve_twice),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_pem),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
