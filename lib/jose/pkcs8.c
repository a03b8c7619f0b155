/* SPDX-License-Identifier: MIT */
/* Private keys of the usual kinds, without OpenSSL's search for a decoder. */
#include "jose/pkcs8.h"
#include "util/secret.h"

#include <limits.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define RSA_BYTES_MAX 1024 /* 8192 bits */
#define RSA_NUMBERS 8 /* behind the version, which is 0 for two primes (RFC 8017 §A.1.2) */
#define ED25519_SIZE 32
#define P256_SIZE 32
#define P256_POINT_SIZE 65

/* What stands in DER before the bytes that vary. */
#define RSA_HEAD STR("\x30") /* d2i_ASN1_SEQUENCE_ANY takes other tags, too */
#define ED25519_HEAD STR("\x04\x20")
#define P256_HEAD STR("\x30\x6b\x02\x01\x01\x04\x20")
#define P256_HEAD_WITH_CURVE STR("\x30\x77\x02\x01\x01\x04\x20")
#define P256_CURVE STR("\xa0\x0a\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")
#define P256_PUBLIC_HEAD STR("\xa1\x44\x03\x42\x00")

/* In the order in which they stand in the key. */
static const char *const rsa_names[RSA_NUMBERS] = {
	OSSL_PKEY_PARAM_RSA_N,
	OSSL_PKEY_PARAM_RSA_E,
	OSSL_PKEY_PARAM_RSA_D,
	OSSL_PKEY_PARAM_RSA_FACTOR1,
	OSSL_PKEY_PARAM_RSA_FACTOR2,
	OSSL_PKEY_PARAM_RSA_EXPONENT1,
	OSSL_PKEY_PARAM_RSA_EXPONENT2,
	OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

/* The numbers of an RSA key, as OpenSSL wants them. */
struct rsa_numbers {
	OSSL_PARAM params[RSA_NUMBERS + 1];
	unsigned char bytes[RSA_NUMBERS][RSA_BYTES_MAX];
};

struct kind {
	int nid;
	int parameter_type;
	int parameter; /* a curve; NID_undef: any value of the type */
	EVP_PKEY *(*read)(struct str der);
};

/* Cut bytes off, if these come next. */
static bool take_bytes(struct str *rest, struct str bytes)
{
	bool found = rest->n >= bytes.n && secret_equal(rest->p, bytes.p, bytes.n);

	if (found)
		*rest = str_from(*rest, bytes.n);
	return found;
}

/* Cut the next `n` bytes off. */
static bool take(struct str *rest, size_t n, struct str *bytes)
{
	*bytes = str_upto(*rest, n);
	*rest = str_from(*rest, n);
	return bytes->n == n;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static bool is_integer(const ASN1_TYPE *item)
{
	return ASN1_TYPE_get(item) == V_ASN1_INTEGER;
}

static bool is_zero(const ASN1_TYPE *item)
{
	int64_t value = 1;

	return is_integer(item) && ASN1_INTEGER_get_int64(&value, item->value.integer) == 1 &&
	       value == 0;
}

/* A number greater than zero of at most RSA_BYTES_MAX bytes. */
static bool take_number(
	const ASN1_TYPE *item, const char *name, unsigned char *bytes, OSSL_PARAM *param)
{
	BIGNUM *number = is_integer(item) ? ASN1_INTEGER_to_BN(item->value.integer, NULL)
					  : NULL;
	int size = number == NULL || BN_is_negative(number) ? 0 : BN_num_bytes(number);
	bool good = size > 0 && size <= RSA_BYTES_MAX &&
		    BN_bn2nativepad(number, bytes, size) == size;

	BN_clear_free(number);
	if (good)
		*param = OSSL_PARAM_construct_BN(name, bytes, (size_t)size);
	return good;
}

static bool take_numbers(const ASN1_SEQUENCE_ANY *items, struct rsa_numbers *numbers)
{
	if (sk_ASN1_TYPE_num(items) != RSA_NUMBERS + 1 ||
		!is_zero(sk_ASN1_TYPE_value(items, 0)))
		return false;
	for (int i = 0; i < RSA_NUMBERS; i++) {
		if (!take_number(sk_ASN1_TYPE_value(items, i + 1), rsa_names[i],
			    numbers->bytes[i], &numbers->params[i]))
			return false;
	}
	numbers->params[RSA_NUMBERS] = OSSL_PARAM_construct_end();
	return true;
}

static void free_items(ASN1_SEQUENCE_ANY *items)
{
	sk_ASN1_TYPE_pop_free(items, ASN1_TYPE_free);
}

/* RSAPrivateKey (RFC 8017 §A.1.2). */
static EVP_PKEY *read_rsa(struct str der)
{
	if (!str_starts(der, RSA_HEAD))
		return NULL;
	struct rsa_numbers numbers = { 0 };
	const unsigned char *start = (const unsigned char *)der.p, *p = start;
	ASN1_SEQUENCE_ANY *items = d2i_ASN1_SEQUENCE_ANY(NULL, &p, (long)der.n);
	EVP_PKEY *pkey = NULL;

	if (items != NULL && p == start + der.n && take_numbers(items, &numbers))
		pkey = make_key("RSA", numbers.params);

	free_items(items);
	secret_wipe(&numbers, sizeof(numbers));
	return pkey;
}

static EVP_PKEY *make_p256(const unsigned char *number, const unsigned char *point)
{
	char group[] = "prime256v1";
	unsigned char native[P256_SIZE], public[P256_POINT_SIZE];
	BIGNUM *bn = BN_bin2bn(number, P256_SIZE, NULL);
	EVP_PKEY *pkey = NULL;

	memcpy(public, point, sizeof(public));
	if (bn != NULL && BN_bn2nativepad(bn, native, sizeof(native)) == sizeof(native)) {
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
			OSSL_PARAM_construct_BN(
				OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof(native)),
			OSSL_PARAM_construct_octet_string(
				OSSL_PKEY_PARAM_PUB_KEY, public, sizeof(public)),
			OSSL_PARAM_construct_end(),
		};

		pkey = make_key("EC", params);
	}
	BN_clear_free(bn);
	secret_wipe(native, sizeof(native));
	return pkey;
}

/*
 * ECPrivateKey (RFC 5915 §3) as everybody writes it: the private key, perhaps the curve once
 * more, the public key, uncompressed.
 */
static EVP_PKEY *read_p256(struct str der)
{
	struct str number, point;
	bool has_curve = take_bytes(&der, P256_HEAD_WITH_CURVE);

	if (!has_curve && !take_bytes(&der, P256_HEAD))
		return NULL;
	if (!take(&der, P256_SIZE, &number) || (has_curve && !take_bytes(&der, P256_CURVE)))
		return NULL;
	if (!take_bytes(&der, P256_PUBLIC_HEAD) || !take(&der, P256_POINT_SIZE, &point) ||
		der.n > 0)
		return NULL;
	return make_p256((const unsigned char *)number.p, (const unsigned char *)point.p);
}

/* CurvePrivateKey (RFC 8410 §7). */
static EVP_PKEY *read_ed25519(struct str der)
{
	if (!take_bytes(&der, ED25519_HEAD) || der.n != ED25519_SIZE)
		return NULL;
	return EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, (const unsigned char *)der.p, der.n);
}

static const struct kind kinds[] = {
	{ NID_rsaEncryption, V_ASN1_NULL, NID_undef, read_rsa },
	{ NID_X9_62_id_ecPublicKey, V_ASN1_OBJECT, NID_X9_62_prime256v1, read_p256 },
	{ NID_ED25519, V_ASN1_UNDEF, NID_undef, read_ed25519 },
};

/* Whose parameters say what the kind of key wants: the curve, nothing, or that there is none.
 */
static bool has_parameter(const X509_ALGOR *algorithm, int type, int nid)
{
	const void *value;
	const ASN1_OBJECT *name;
	int found;

	X509_ALGOR_get0(&name, &found, &value, algorithm);
	return found == type && (nid == NID_undef || OBJ_obj2nid(value) == nid);
}

static EVP_PKEY *read_info(const PKCS8_PRIV_KEY_INFO *info)
{
	const ASN1_OBJECT *name;
	const X509_ALGOR *algorithm;
	const unsigned char *p;
	int len;

	if (PKCS8_pkey_get0(&name, &p, &len, &algorithm, info) != 1 || len < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *kind = &kinds[i];

		if (OBJ_obj2nid(name) == kind->nid &&
			has_parameter(algorithm, kind->parameter_type, kind->parameter))
			return kind->read((struct str){ (const char *)p, (size_t)len });
	}
	return NULL;
}

static EVP_PKEY *read_der(const unsigned char *der, long len)
{
	const unsigned char *p = der;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, len);
	EVP_PKEY *pkey = info != NULL && p == der + len ? read_info(info) : NULL;

	PKCS8_PRIV_KEY_INFO_free(info);
	return pkey;
}

EVP_PKEY *pkcs8_read_pem(struct str pem)
{
	BIO *bio = pem.n > INT_MAX ? NULL : BIO_new_mem_buf(pem.p, (int)pem.n);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;
	EVP_PKEY *pkey = NULL;

	if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &len) == 1 &&
		str_eq(str_of(name), STR(PEM_STRING_PKCS8INF)) && header[0] == '\0')
		pkey = read_der(der, len);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}
