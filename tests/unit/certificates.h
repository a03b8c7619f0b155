/* SPDX-License-Identifier: MIT */
/* X.509 certificates made for the tests, by OpenSSL alone. */
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include "support.h"

#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define CERTIFICATE_BEGIN_S (NOW_S - 86400)
#define CERTIFICATE_END_S (NOW_S + 86400)

/* One entry of a name; rdn is 0 if it begins an RDN, -1 if it belongs to the one before. */
struct test_entry {
	const char *type; /* as OBJ_txt2obj reads it */
	int asn1_type;    /* V_ASN1_…, or MBSTRING_UTF8 to let OpenSSL choose */
	struct str value;
	int rdn;
};

static inline X509_NAME *support_name(const struct test_entry *entries, size_t count)
{
	X509_NAME *name = X509_NAME_new();

	assert_non_null(name);
	for (size_t i = 0; i < count; i++) {
		ASN1_OBJECT *type = OBJ_txt2obj(entries[i].type, 0);

		assert_non_null(type);
		assert_int_equal(X509_NAME_add_entry_by_OBJ(name, type, entries[i].asn1_type,
					 (const unsigned char *)entries[i].value.p,
					 (int)entries[i].value.n, -1, entries[i].rdn),
			1);
		ASN1_OBJECT_free(type);
	}
	return name;
}

/* The same as it is read from a certificate; for X509_NAME_free(). */
static inline X509_NAME *support_read_name(const struct test_entry *entries, size_t count)
{
	X509_NAME *made = support_name(entries, count), *read;
	unsigned char *der = NULL;
	int len = i2d_X509_NAME(made, &der);
	const unsigned char *p = der;

	assert_true(len > 0);
	read = d2i_X509_NAME(NULL, &p, len);
	assert_non_null(read);
	OPENSSL_free(der);
	X509_NAME_free(made);
	return read;
}

/* One subject alternative name: GEN_DNS, GEN_URI, GEN_EMAIL or GEN_IPADD, and its bytes. */
struct test_alternative {
	int type;
	struct str value;
};

static inline void support_add_alternatives(
	X509 *x509, const struct test_alternative *alternatives, size_t count)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	assert_non_null(names);
	for (size_t i = 0; i < count; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_STRING *value = ASN1_STRING_type_new(alternatives[i].type == GEN_IPADD
								  ? V_ASN1_OCTET_STRING
								  : V_ASN1_IA5STRING);

		assert_true(name && value);
		assert_int_equal(ASN1_STRING_set(value, alternatives[i].value.p,
					 (int)alternatives[i].value.n),
			1);
		GENERAL_NAME_set0_value(name, alternatives[i].type, value);
		assert_true(sk_GENERAL_NAME_push(names, name) > 0);
	}
	if (count > 0)
		assert_int_equal(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0,
					 X509V3_ADD_APPEND),
			1);
	GENERAL_NAMES_free(names);
}

static inline void support_sign(X509 *x509, EVP_PKEY *pkey)
{
	const EVP_MD *digest = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519 ? NULL
									      : EVP_sha256();

	assert_true(X509_sign(x509, pkey, digest) > 0);
}

/* A certificate of this key, self-signed and valid at NOW_S; for X509_free(). */
static inline X509 *support_certificate(EVP_PKEY *pkey, const char *common_name,
	const struct test_alternative *alternatives, size_t count)
{
	struct test_entry entry = { "CN", MBSTRING_UTF8, str_of(common_name), 0 };
	X509_NAME *name = support_name(&entry, 1);
	X509 *x509 = X509_new();

	assert_non_null(x509);
	assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 1), 1);
	assert_int_equal(X509_set_subject_name(x509, name), 1);
	assert_int_equal(X509_set_issuer_name(x509, name), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x509), CERTIFICATE_BEGIN_S));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x509), CERTIFICATE_END_S));
	assert_int_equal(X509_set_pubkey(x509, pkey), 1);
	support_add_alternatives(x509, alternatives, count);
	support_sign(x509, pkey);
	X509_NAME_free(name);
	return x509;
}

/* PEM as `openssl x509` writes it; for free(). */
static inline char *support_pem(X509 *x509)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *pem;
	long len;

	assert_int_equal(PEM_write_bio_X509(bio, x509), 1);
	len = BIO_get_mem_data(bio, &bytes);
	pem = malloc((size_t)len + 1);
	assert_non_null(pem);
	memcpy(pem, bytes, (size_t)len);
	pem[len] = '\0';
	BIO_free(bio);
	return pem;
}

#endif
