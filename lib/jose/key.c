/* SPDX-License-Identifier: MIT */
/* Private keys: PEM files, strength, generation. */
#include "jose/key.h"
#include "jose/failure.h"
#include "jose/pkcs8.h"

#include <limits.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define ED25519_SIZE 32    /* bytes of a private key */
#define LABEL_MAX 64       /* bytes of what a derived secret is for */
#define ROCA_PRIME_MAX 701 /* of its keys of 1984 bits; larger keys only have more of them */

/* OpenSSL asks for a passphrase: there is none, and the file was an encrypted key. */
static int refuse_passphrase(char *out, int size, int is_writing, void *asked)
{
	(void)out;
	(void)size;
	(void)is_writing;
	*(bool *)asked = true;
	return 0;
}

static bool is_prime(unsigned n)
{
	for (unsigned divisor = 2; divisor * divisor <= n; divisor++) {
		if (n % divisor == 0)
			return false;
	}
	return true;
}

/* Is it a power of 65537, modulo a prime? */
static bool is_power(BN_ULONG residue, unsigned prime)
{
	unsigned power = 1;

	do {
		if (residue == power)
			return true;
		power = power * (65537 % prime) % prime;
	} while (power != 1);
	return false;
}

/*
 * The fingerprint of CVE-2017-15361: that generator's primes, so their products too, are powers
 * of 65537 modulo each small prime.  One in 2^167 of all others is such a number; they fail for
 * the first four or five primes, so that it costs nothing to speak of.
 */
static bool is_roca(const BIGNUM *modulus)
{
	for (unsigned prime = 3; prime <= ROCA_PRIME_MAX; prime += 2) {
		if (is_prime(prime) && !is_power(BN_mod_word(modulus, prime), prime))
			return false;
	}
	return true;
}

static enum reason check_exponent(const EVP_PKEY *pkey)
{
	BIGNUM *e = NULL;

	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return failure_memory(REASON_KEY_TYPE);
	bool is_good = BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= 64;

	BN_free(e);
	return is_good ? REASON_NONE : REASON_KEY_WEAK;
}

static enum reason check_modulus(const EVP_PKEY *pkey)
{
	BIGNUM *n = NULL;

	if (EVP_PKEY_get_bits(pkey) < RSA_BITS_MIN)
		return REASON_KEY_WEAK;
	if (EVP_PKEY_get_bits(pkey) > RSA_BITS_MAX)
		return REASON_KEY_LARGE;
	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1)
		return failure_memory(REASON_KEY_TYPE);
	enum reason reason = is_roca(n) ? REASON_KEY_ROCA : REASON_NONE;

	BN_free(n);
	return reason;
}

static enum reason check_rsa(const EVP_PKEY *pkey)
{
	enum reason reason = check_modulus(pkey);

	return reason == REASON_NONE ? check_exponent(pkey) : reason;
}

static const EVP_MD *trial_digest(const EVP_PKEY *pkey)
{
	return alg_key_type(pkey) == JOSE_KTY_OKP ? NULL : EVP_sha256();
}

static EVP_PKEY *make_rsa(unsigned bits, unsigned primes)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
		EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) != 1 ||
		EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, (int)primes) != 1 ||
		EVP_PKEY_generate(ctx, &pkey) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* A number of the key that is as secret as the whole of it, as bytes. */
static bool write_secret_number(const EVP_PKEY *pkey, const char *parameter, struct buf *buf)
{
	unsigned char bytes[RSA_BITS_MAX / 8];
	BIGNUM *number = NULL;

	if (EVP_PKEY_get_bn_param(pkey, parameter, &number) != 1)
		return false;
	int len = BN_num_bytes(number);
	bool fits = (size_t)len <= sizeof(bytes) && BN_bn2binpad(number, bytes, len) == len;

	BN_clear_free(number);
	if (fits)
		buf_str(buf, (struct str){ (const char *)bytes, (size_t)len });
	secret_wipe(bytes, sizeof(bytes));
	return fits;
}

static bool write_ed25519(const EVP_PKEY *pkey, struct buf *buf)
{
	unsigned char bytes[ED25519_SIZE];
	size_t len = sizeof(bytes);
	bool done = EVP_PKEY_get_raw_private_key(pkey, bytes, &len) == 1;

	if (done)
		buf_str(buf, (struct str){ (const char *)bytes, len });
	secret_wipe(bytes, sizeof(bytes));
	return done;
}

/* The number and not an encoding of the key, of which there are several. */
static bool write_secret(const EVP_PKEY *pkey, struct buf *buf)
{
	switch (alg_key_type(pkey)) {
	case JOSE_KTY_RSA:
		return write_secret_number(pkey, OSSL_PKEY_PARAM_RSA_D, buf);
	case JOSE_KTY_EC:
		return write_secret_number(pkey, OSSL_PKEY_PARAM_PRIV_KEY, buf);
	case JOSE_KTY_OKP:
		return write_ed25519(pkey, buf);
	case JOSE_KTY_NONE:
	case JOSE_KTY_OCT:
	default:
		return false;
	}
}

/* All that OpenSSL can read, and what is wrong with the rest. */
static EVP_PKEY *read_any(struct str pem, bool *asked)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *pkey = bio == NULL
				 ? NULL
				 : PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, asked);

	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

enum reason key_read_pem(struct str pem, EVP_PKEY **pkey)
{
	bool asked = false;

	*pkey = NULL;
	if (pem.n > INT_MAX)
		return REASON_KEY_SYNTAX;
	EVP_PKEY *read = pkcs8_read_pem(pem);

	if (read == NULL)
		read = read_any(pem, &asked);
	/* In the old form OpenSSL may not know the cipher, and then asks for nothing. */
	if (read == NULL && (asked || str_contains(pem, STR("4,ENCRYPTED"))))
		return REASON_KEY_ENCRYPTED;
	if (read == NULL)
		return str_contains(pem, STR("PUBLIC KEY-----")) ? REASON_KEY_PUBLIC
								 : REASON_KEY_SYNTAX;
	enum reason reason = key_check_strength(read);

	if (reason != REASON_NONE)
		EVP_PKEY_free(read);
	else
		*pkey = read;
	return reason;
}

enum reason key_check_strength(const EVP_PKEY *pkey)
{
	ERR_clear_error();
	switch (alg_key_type(pkey)) {
	case JOSE_KTY_RSA:
		return check_rsa(pkey);
	case JOSE_KTY_EC:
	case JOSE_KTY_OKP:
		return REASON_NONE;
	case JOSE_KTY_NONE:
	case JOSE_KTY_OCT:
	default:
		return failure_memory(REASON_KEY_TYPE);
	}
}

enum reason key_check_pair(EVP_PKEY *pkey)
{
	static const unsigned char text[] = "a trial signature";
	unsigned char signature[RSA_BITS_MAX / 8];
	size_t signature_len = sizeof(signature);
	enum reason reason = REASON_KEY_INCONSISTENT;
	EVP_MD_CTX *sign = EVP_MD_CTX_new();
	EVP_MD_CTX *verify = EVP_MD_CTX_new();

	if (sign == NULL || verify == NULL)
		goto out;
	if (EVP_DigestSignInit(sign, NULL, trial_digest(pkey), NULL, pkey) != 1 ||
		EVP_DigestSign(sign, signature, &signature_len, text, sizeof(text)) != 1)
		goto out;
	if (EVP_DigestVerifyInit(verify, NULL, trial_digest(pkey), NULL, pkey) != 1 ||
		EVP_DigestVerify(verify, signature, signature_len, text, sizeof(text)) != 1)
		goto out;
	reason = REASON_NONE;
out:
	ERR_clear_error();
	EVP_MD_CTX_free(sign);
	EVP_MD_CTX_free(verify);
	return reason;
}

enum reason key_generate(enum jose_alg alg, unsigned bits, EVP_PKEY **pkey)
{
	*pkey = NULL;
	switch (alg_info(alg)->kty) {
	case JOSE_KTY_RSA:
		return key_generate_rsa(bits, 2, pkey);
	case JOSE_KTY_EC:
		*pkey = EVP_EC_gen("P-256");
		break;
	case JOSE_KTY_OKP:
		*pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	case JOSE_KTY_NONE:
	case JOSE_KTY_OCT:
	default:
		return REASON_KEY_TYPE;
	}
	ERR_clear_error();
	return *pkey == NULL ? REASON_RANDOM : REASON_NONE;
}

enum reason key_generate_rsa(unsigned bits, unsigned primes, EVP_PKEY **pkey)
{
	*pkey = NULL;
	if (bits < RSA_BITS_MIN)
		return REASON_KEY_WEAK;
	if (bits > RSA_BITS_MAX)
		return REASON_KEY_LARGE;
	if (primes < 2 || primes > key_primes_most(bits))
		return REASON_KEY_PRIMES;
	*pkey = make_rsa(bits, primes);
	ERR_clear_error();
	return *pkey == NULL ? REASON_RANDOM : REASON_NONE;
}

unsigned key_primes_most(unsigned bits)
{
	if (bits < 4096)
		return 3;
	return bits < 8192 ? 4 : 5;
}

unsigned key_primes(const EVP_PKEY *pkey)
{
	static const char *const names[] = {
		OSSL_PKEY_PARAM_RSA_FACTOR1,
		OSSL_PKEY_PARAM_RSA_FACTOR2,
		OSSL_PKEY_PARAM_RSA_FACTOR3,
		OSSL_PKEY_PARAM_RSA_FACTOR4,
		OSSL_PKEY_PARAM_RSA_FACTOR5,
	};
	unsigned count = 0;

	while (count < sizeof(names) / sizeof(names[0])) {
		BIGNUM *prime = NULL;

		if (EVP_PKEY_get_bn_param(pkey, names[count], &prime) != 1)
			break;
		BN_clear_free(prime);
		count++;
	}
	ERR_clear_error();
	return count;
}

enum reason key_derive(const EVP_PKEY *pkey, struct str label,
	unsigned char derived[static SECRET_DIGEST_SIZE])
{
	char memory[LABEL_MAX + 1 + RSA_BITS_MAX / 8];
	struct buf buf = buf_init(memory, sizeof(memory));

	ERR_clear_error();
	buf_str(&buf, label);
	buf_char(&buf, '\0');
	bool done = write_secret(pkey, &buf) && !buf.overflow &&
		    secret_digest(buf_view(&buf), derived);

	secret_wipe(memory, sizeof(memory));
	if (done)
		return REASON_NONE;
	secret_wipe(derived, SECRET_DIGEST_SIZE);
	return failure_reason(REASON_INTERNAL);
}

enum reason key_write_pem(EVP_PKEY *pkey, struct buf *buf)
{
	enum reason reason = REASON_INTERNAL;
	char *text = NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio == NULL ||
		PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
		goto out;
	long text_len = BIO_get_mem_data(bio, &text);

	if (text_len <= 0)
		goto out;
	buf_str(buf, (struct str){ text, (size_t)text_len });
	reason = buf->overflow ? REASON_INTERNAL : REASON_NONE;
out:
	ERR_clear_error();
	BIO_free(bio);
	return reason;
}
