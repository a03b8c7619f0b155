/* SPDX-License-Identifier: MIT */
/*
 * Private keys: our own quick reader against OpenSSL's, and what is written against what was
 * read.
 *
 * Input: a byte; then PEM, or the DER of a PKCS#8 structure, which the target wraps in PEM.
 */
#include "fuzz.h"

#include "jose/key.h"
#include "jose/pkcs8.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#define PEM_SIZE 16384

static EVP_PKEY *read_by_openssl(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *pkey = NULL;

	REQUIRE(bio != NULL);
	PEM_read_bio_PrivateKey(bio, &pkey, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

/* In PEM, for free(). */
static char *wrap(struct str der, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;

	REQUIRE(bio != NULL);
	PEM_write_bio(bio, "PRIVATE KEY", "", (const unsigned char *)der.p, (long)der.n);
	ERR_clear_error();
	*len = (size_t)BIO_get_mem_data(bio, &p);
	char *pem = fuzz_copy((struct str){ p, *len });

	BIO_free(bio);
	return pem;
}

static void check_same(EVP_PKEY *a, EVP_PKEY *b)
{
	unsigned char *der_a = NULL, *der_b = NULL;
	int n_a = i2d_PrivateKey(a, &der_a), n_b = i2d_PrivateKey(b, &der_b);

	REQUIRE(n_a > 0 && n_a == n_b && memcmp(der_a, der_b, (size_t)n_a) == 0);
	REQUIRE(EVP_PKEY_eq(a, b) == 1);
	OPENSSL_free(der_a);
	OPENSSL_free(der_b);
}

static void check_quick(struct str pem)
{
	EVP_PKEY *quick = pkcs8_read_pem(pem), *other;

	if (quick == NULL)
		return;
	other = read_by_openssl(pem);
	REQUIRE(other != NULL);
	check_same(quick, other);
	EVP_PKEY_free(quick);
	EVP_PKEY_free(other);
}

static void check_written(EVP_PKEY *pkey)
{
	static char room[PEM_SIZE];
	struct buf pem = buf_init(room, sizeof(room));
	EVP_PKEY *again;

	REQUIRE(key_write_pem(pkey, &pem) == REASON_NONE);
	REQUIRE(key_read_pem(buf_view(&pem), &again) == REASON_NONE);
	check_same(pkey, again);
	EVP_PKEY_free(again);
}

static void check(struct str pem)
{
	unsigned char derived[SECRET_DIGEST_SIZE];
	EVP_PKEY *pkey;

	check_quick(pem);
	if (key_read_pem(pem, &pkey) != REASON_NONE) {
		REQUIRE(pkey == NULL);
		return;
	}
	enum jose_alg alg = alg_default(pkey);

	REQUIRE(key_check_strength(pkey) == REASON_NONE && alg_fits(alg, pkey));
	REQUIRE(alg != JOSE_ALG_RS256 || EVP_PKEY_get_bits(pkey) >= 2048);
	REQUIRE(key_primes(pkey) <= key_primes_most(8192));
	REQUIRE(key_derive(pkey, STR("fuzz"), derived) == REASON_NONE);
	check_written(pkey);
	EVP_PKEY_free(pkey);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = fuzz_input(data, size);
	bool is_der = fuzz_byte(&rest) % 2 != 0;
	size_t len = rest.n;
	char *pem = is_der ? wrap(rest, &len) : fuzz_copy(rest);

	check((struct str){ pem, len });
	REQUIRE(ERR_peek_error() == 0);
	free(pem);
	return 0;
}
