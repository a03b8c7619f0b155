/* SPDX-License-Identifier: MIT */
/* Signed tokens and certificates, good and broken ones, as clients and web servers send them.
 */
#ifndef TESTS_UNIT_MAKERS_H
#define TESTS_UNIT_MAKERS_H

#include "support.h"

#include "jose/jws.h"
#include "util/b64url.h"

#include <ctype.h>

#include <openssl/bn.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define MAKE_MAX 65536 /* bytes of a text */

/* JSON of the RFC 7515 and RFC 8037 keys that support_key knows, public members only. */
#define JWK_EC_MEMBERS                                                                      \
	"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvR" \
	"VEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define JWK_EC_PRIVATE ",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\""
#define JWK_OKP_MEMBERS                                                                      \
	"\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaP" \
	"cHURo\""
#define JWK_OKP_PRIVATE ",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\""
#define JWK_RSA_MEMBERS                                                                      \
	"\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTb" \
	"ji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRP"  \
	"EwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"  \
	"UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmo"  \
	"udF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\""

/* Who signs, and how; the header may claim something else. */
struct maker {
	EVP_PKEY *pkey;
	enum jose_alg alg; /* JOSE_ALG_NONE: no signature */
	struct str secret; /* for JOSE_ALG_HS256 */
};

/* The members of the base and of the patch, where null takes a member away; as JSON, for
 * free().
 */
static inline char *make_json(const char *base, const char *patch)
{
	json_t *object = json_loads(base, JSON_REJECT_DUPLICATES, NULL);
	json_t *changes = json_loads(patch ? patch : "{}", 0, NULL);
	const char *name;
	json_t *value;
	char *text;

	if (!object || !changes)
		fail_msg("not JSON: %s or %s", base, patch ? patch : "");
	json_object_foreach(changes, name, value)
	{
		if (json_is_null(value))
			json_object_del(object, name);
		else
			assert_int_equal(json_object_set(object, name, value), 0);
	}
	text = json_dumps(object, JSON_COMPACT);
	assert_non_null(text);
	json_decref(object);
	json_decref(changes);
	return text;
}

static inline void make_mac(struct str secret, struct str input, struct buf *jws)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	assert_non_null(HMAC(EVP_sha256(), secret.n > 0 ? secret.p : "", (int)secret.n,
		(const unsigned char *)input.p, input.n, mac, &len));
	b64url_encode(jws, mac, len);
}

/* A compact JWS of these texts, for free(). */
static inline char *make_jws(const struct maker *maker, const char *header, const char *payload)
{
	char *text = malloc(MAKE_MAX);
	struct buf jws = buf_init(text, MAKE_MAX - 1);

	assert_non_null(text);
	if (maker->alg == JOSE_ALG_NONE || maker->alg == JOSE_ALG_HS256) {
		b64url_encode(&jws, header, strlen(header));
		buf_char(&jws, '.');
		b64url_encode(&jws, payload, strlen(payload));
		struct str input = buf_view(&jws);

		buf_char(&jws, '.');
		if (maker->alg == JOSE_ALG_HS256)
			make_mac(maker->secret, input, &jws);
	} else {
		struct jws_signer *signer = jws_signer_new(maker->pkey, maker->alg);

		assert_non_null(signer);
		assert_int_equal(
			jws_sign(signer, str_of(header), str_of(payload), &jws), REASON_NONE);
		jws_signer_free(signer);
	}
	assert_false(jws.overflow);
	text[jws.n] = '\0';
	return text;
}

/* The same JWS with another signature, for free(). */
static inline char *make_resigned(const char *jws, const void *signature, size_t len)
{
	const char *dot = strrchr(jws, '.');
	char *text = malloc(MAKE_MAX);
	struct buf buf = buf_init(text, MAKE_MAX - 1);

	assert_true(text && dot);
	buf_str(&buf, (struct str){ jws, (size_t)(dot - jws) + 1 });
	b64url_encode(&buf, signature, len);
	assert_false(buf.overflow);
	text[buf.n] = '\0';
	return text;
}

/* The decoded signature of a JWS; its length. */
static inline size_t make_signature(const char *jws, unsigned char *bytes, size_t size)
{
	size_t len = 0;

	assert_true(b64url_decode(str_of(strrchr(jws, '.') + 1), bytes, size, &len));
	return len;
}

/* ES256: (r, n - s) verifies wherever (r, s) does. */
static inline char *make_malleated(const char *jws)
{
	unsigned char bytes[65];
	BIGNUM *order = NULL;
	BIGNUM *s = BN_new();

	assert_int_equal(make_signature(jws, bytes, sizeof(bytes)), 64);
	assert_true(BN_hex2bn(&order, "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84"
				      "F3B9CAC2FC632551") > 0);
	assert_true(s && BN_bin2bn(bytes + 32, 32, s) && BN_sub(s, order, s));
	assert_int_equal(BN_bn2binpad(s, bytes + 32, 32), 32);
	BN_free(order);
	BN_free(s);
	return make_resigned(jws, bytes, 64);
}

/* A new EC key, for EVP_PKEY_free(). */
static inline EVP_PKEY *make_key(void)
{
	EVP_PKEY *pkey;

	assert_int_equal(key_generate(JOSE_ALG_ES256, 0, &pkey), REASON_NONE);
	return pkey;
}

/* Appends the text as a form's value. */
static inline void make_encoded(struct buf *buf, struct str text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (isalnum(c) || strchr("-._", c)) {
			buf_char(buf, (char)c);
			continue;
		}
		buf_char(buf, '%');
		buf_char(buf, digits[c >> 4]);
		buf_char(buf, digits[c & 15]);
	}
}

/* What a certificate says. */
struct certificate_plan {
	const char *names[8]; /* "CN=client", in the order of the certificate; ended by NULL */
	const char *alternatives; /* OpenSSL's text: "DNS:a,URI:b"; NULL: none */
	EVP_PKEY *pkey;
	int64_t not_before_s;
	int64_t not_after_s;
};

static inline void make_names(X509_NAME *name, const char *const *names)
{
	for (size_t i = 0; names[i]; i++) {
		const char *value = strchr(names[i], '=') + 1;
		char type[32];

		snprintf(type, sizeof(type), "%.*s", (int)(value - names[i] - 1), names[i]);
		assert_int_equal(X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
					 (const unsigned char *)value, -1, -1, 0),
			1);
	}
}

/* For X509_free(); signed by its own key, which is all that this side of the wire can see. */
static inline X509 *make_certificate(const struct certificate_plan *plan)
{
	X509 *x509 = X509_new();

	assert_non_null(x509);
	assert_true(X509_set_version(x509, 2) && X509_set_pubkey(x509, plan->pkey));
	assert_true(ASN1_INTEGER_set(X509_get_serialNumber(x509), 1));
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x509), plan->not_before_s));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x509), plan->not_after_s));
	make_names(X509_get_subject_name(x509), plan->names);
	make_names(X509_get_issuer_name(x509), plan->names);
	if (plan->alternatives) {
		X509_EXTENSION *extension = X509V3_EXT_conf_nid(
			NULL, NULL, NID_subject_alt_name, plan->alternatives);

		assert_non_null(extension);
		assert_int_equal(X509_add_ext(x509, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(x509, plan->pkey, EVP_sha256()) > 0);
	return x509;
}

/* In PEM, for free(). */
static inline char *make_pem(X509 *x509)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *p;
	char *text;
	long n;

	assert_true(bio && PEM_write_bio_X509(bio, x509));
	n = BIO_get_mem_data(bio, &p);
	assert_true(n > 0);
	text = strndup(p, (size_t)n);
	assert_non_null(text);
	BIO_free(bio);
	return text;
}

/* x5t#S256 (RFC 8705 §3.1), by OpenSSL alone. */
static inline void make_thumbprint(X509 *x509, char text[static 45])
{
	unsigned char digest[32];

	assert_int_equal(X509_digest(x509, EVP_sha256(), digest, NULL), 1);
	assert_int_equal(EVP_EncodeBlock((unsigned char *)text, digest, 32), 44);
	for (char *p = text; *p; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	text[43] = '\0';
}

#endif
