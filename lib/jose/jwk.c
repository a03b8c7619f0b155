/* SPDX-License-Identifier: MIT */
/* Keys: JSON Web Keys (RFC 7517) and their thumbprints. */
#include "jose/jwk.h"
#include "jose/certificate.h"
#include "jose/failure.h"
#include "jose/json.h"
#include "util/b64url.h"
#include "util/secret.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#define NUMBER_SIZE 1024   /* bytes of the largest RSA modulus that is read */
#define COORDINATE_SIZE 32 /* bytes of a coordinate on P-256, and of an Ed25519 key */

static bool write_bytes(struct buf *buf, const char *name, const void *data, size_t data_len)
{
	buf_char(buf, '"');
	buf_text(buf, name);
	buf_text(buf, "\":\"");
	b64url_encode(buf, data, data_len);
	buf_char(buf, '"');
	return !buf->overflow;
}

/* Append "name":"base64url" of one number of the key, at least `size` bytes long. */
static bool write_number(struct buf *buf, const EVP_PKEY *pkey, const char *parameter,
	const char *name, size_t size)
{
	unsigned char bytes[NUMBER_SIZE];
	BIGNUM *number = NULL;
	bool written = false;

	if (EVP_PKEY_get_bn_param(pkey, parameter, &number) != 1)
		return false;
	size_t number_len = (size_t)BN_num_bytes(number);
	size_t len = number_len > size ? number_len : size;

	if (len <= sizeof(bytes) && BN_bn2binpad(number, bytes, (int)len) == (int)len)
		written = write_bytes(buf, name, bytes, len);
	BN_free(number);
	return written;
}

static bool write_rsa(struct buf *buf, const EVP_PKEY *pkey)
{
	if (!write_number(buf, pkey, OSSL_PKEY_PARAM_RSA_E, "e", 0))
		return false;
	buf_text(buf, ",\"kty\":\"RSA\",");
	return write_number(buf, pkey, OSSL_PKEY_PARAM_RSA_N, "n", 0);
}

static bool write_ec(struct buf *buf, const EVP_PKEY *pkey)
{
	buf_text(buf, "\"crv\":\"P-256\",\"kty\":\"EC\",");
	if (!write_number(buf, pkey, OSSL_PKEY_PARAM_EC_PUB_X, "x", COORDINATE_SIZE))
		return false;
	buf_char(buf, ',');
	return write_number(buf, pkey, OSSL_PKEY_PARAM_EC_PUB_Y, "y", COORDINATE_SIZE);
}

static bool write_okp(struct buf *buf, const EVP_PKEY *pkey)
{
	unsigned char bytes[COORDINATE_SIZE];
	size_t len = sizeof(bytes);

	buf_text(buf, "\"crv\":\"Ed25519\",\"kty\":\"OKP\",");
	return EVP_PKEY_get_raw_public_key(pkey, bytes, &len) == 1 &&
	       write_bytes(buf, "x", bytes, len);
}

/* The members that RFC 7638 §3.2 counts, in its order. */
static bool write_required(struct buf *buf, const EVP_PKEY *pkey)
{
	switch (alg_key_type(pkey)) {
	case JOSE_KTY_RSA:
		return write_rsa(buf, pkey);
	case JOSE_KTY_EC:
		return write_ec(buf, pkey);
	case JOSE_KTY_OKP:
		return write_okp(buf, pkey);
	case JOSE_KTY_NONE:
	case JOSE_KTY_OCT:
	default:
		return false;
	}
}

/* The bytes of a member; false if it is no string of strict base64url. */
static bool read_bytes(
	const json_t *json, const char *member, unsigned char *bytes, size_t size, size_t *len)
{
	struct str text = json_text(json, member);

	return b64url_decode(text, bytes, size, len) && *len > 0;
}

static enum reason key_from_parameters(
	const char *type, OSSL_PARAM_BLD *builder, enum reason refusal, EVP_PKEY **pkey)
{
	enum reason reason = REASON_MEMORY;

	ERR_clear_error();
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

	if (parameters == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		goto out;
	reason = EVP_PKEY_fromdata(ctx, pkey, EVP_PKEY_PUBLIC_KEY, parameters) == 1
			 ? REASON_NONE
			 : failure_memory(refusal);
out:
	ERR_clear_error();
	OSSL_PARAM_free(parameters);
	EVP_PKEY_CTX_free(ctx);
	return reason;
}

static enum reason read_rsa(const json_t *json, EVP_PKEY **pkey)
{
	enum reason reason = REASON_MEMORY;
	unsigned char n_bytes[NUMBER_SIZE], e_bytes[NUMBER_SIZE];
	size_t n_len, e_len;

	if (json_text(json, "n").n > B64URL_LEN(sizeof(n_bytes)))
		return REASON_KEY_LARGE;
	if (json_text(json, "e").n > B64URL_LEN(sizeof(e_bytes)))
		return REASON_KEY_WEAK;
	if (!read_bytes(json, "n", n_bytes, sizeof(n_bytes), &n_len) ||
		!read_bytes(json, "e", e_bytes, sizeof(e_bytes), &e_len))
		return REASON_JWK_SYNTAX;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(n_bytes, (int)n_len, NULL);
	BIGNUM *e = BN_bin2bn(e_bytes, (int)e_len, NULL);

	if (builder == NULL || n == NULL || e == NULL ||
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
		OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		goto out;
	reason = key_from_parameters("RSA", builder, REASON_JWK_SYNTAX, pkey);
out:
	OSSL_PARAM_BLD_free(builder);
	BN_free(n);
	BN_free(e);
	return reason;
}

static enum reason read_ec(const json_t *json, EVP_PKEY **pkey)
{
	enum reason reason = REASON_MEMORY;
	unsigned char point[1 + 2 * COORDINATE_SIZE] = { POINT_CONVERSION_UNCOMPRESSED };
	size_t x_len, y_len;

	if (!str_eq(json_text(json, "crv"), STR("P-256")))
		return REASON_JWK_KTY;
	if (!read_bytes(json, "x", point + 1, COORDINATE_SIZE, &x_len) ||
		!read_bytes(json, "y", point + 1 + COORDINATE_SIZE, COORDINATE_SIZE, &y_len) ||
		x_len != COORDINATE_SIZE || y_len != COORDINATE_SIZE)
		return REASON_JWK_SYNTAX;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();

	if (builder == NULL ||
		OSSL_PARAM_BLD_push_utf8_string(
			builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
		OSSL_PARAM_BLD_push_octet_string(
			builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) != 1)
		goto out;
	reason = key_from_parameters("EC", builder, REASON_JWK_POINT, pkey);
out:
	OSSL_PARAM_BLD_free(builder);
	return reason;
}

static enum reason read_okp(const json_t *json, EVP_PKEY **pkey)
{
	unsigned char bytes[COORDINATE_SIZE];
	size_t len;

	if (!str_eq(json_text(json, "crv"), STR("Ed25519")))
		return REASON_JWK_KTY;
	if (!read_bytes(json, "x", bytes, sizeof(bytes), &len) || len != sizeof(bytes))
		return REASON_JWK_SYNTAX;
	ERR_clear_error();
	*pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, len);
	return *pkey == NULL ? failure_memory(REASON_JWK_POINT) : REASON_NONE;
}

static enum reason read_key(const json_t *json, EVP_PKEY **pkey)
{
	static const struct {
		struct str kty;
		enum reason (*read)(const json_t *, EVP_PKEY **);
	} table[] = {
		{ STR_CONST("RSA"), read_rsa },
		{ STR_CONST("EC"), read_ec },
		{ STR_CONST("OKP"), read_okp },
	};
	struct str kty = json_text(json, "kty");

	if (kty.n == 0)
		return REASON_JWK_SYNTAX;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (str_eq(kty, table[i].kty))
			return table[i].read(json, pkey);
	}
	return REASON_JWK_KTY;
}

/* RFC 7517 §4.2, §4.3: a key that says what it is for must say: verifying signatures. */
static enum reason check_use(const json_t *json)
{
	const json_t *use = json_object_get(json, "use");
	const json_t *operations = json_object_get(json, "key_ops");
	bool may_verify = operations == NULL;

	if (use != NULL && !str_eq(json_text(json, "use"), STR("sig")))
		return REASON_JWK_USE;
	for (size_t i = 0; i < json_array_size(operations); i++) {
		const json_t *operation = json_array_get(operations, i);

		if (json_is_string(operation) &&
			str_eq((struct str){ json_string_value(operation),
				       json_string_length(operation) },
				STR("verify")))
			may_verify = true;
	}
	return may_verify ? REASON_NONE : REASON_JWK_USE;
}

static enum reason check_no_private_member(const json_t *json)
{
	static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (json_object_get(json, members[i]) != NULL)
			return REASON_JWK_PRIVATE;
	}
	return REASON_NONE;
}

static enum reason read_alg(const json_t *json, struct jwk *jwk)
{
	if (json_object_get(json, "alg") == NULL)
		return REASON_NONE;
	jwk->alg = alg_find(json_text(json, "alg"));
	ERR_clear_error();
	return alg_fits(jwk->alg, jwk->pkey) ? REASON_NONE : failure_memory(REASON_KEY_ALG);
}

/* A member that is optional, but a string of at least one character where it is. */
static enum reason read_text(const json_t *value, char **text)
{
	if (value == NULL)
		return REASON_NONE;
	struct str whole = { json_string_value(value), json_string_length(value) };

	if (!json_is_string(value) || whole.n == 0 || str_has(whole, '\0'))
		return REASON_JWK_SYNTAX;
	*text = strdup(whole.p);
	return *text == NULL ? REASON_MEMORY : REASON_NONE;
}

/* RFC 7517 §4.7: the first certificate has the key itself.  Its dates and issuer mean nothing.
 */
static enum reason read_certificate_der(struct str der, struct jwk *jwk)
{
	struct certificate certificate;
	enum reason reason = certificate_parse(der, &certificate);

	if (reason == REASON_CERTIFICATE_SYNTAX)
		return REASON_JWK_CERTIFICATE;
	if (reason != REASON_NONE)
		return reason;
	if (!certificate_has_key(&certificate, jwk)) {
		reason = failure_memory(REASON_JWK_CERTIFICATE);
	} else {
		memcpy(jwk->certificate_digest, certificate.digest, sizeof(certificate.digest));
		jwk->has_certificate = true;
		jwk->certificate_end_s = certificate_end_s(&certificate);
	}
	certificate_clear(&certificate);
	return reason;
}

static enum reason read_certificate(const json_t *json, struct jwk *jwk)
{
	const json_t *chain = json_object_get(json, "x5c");
	const json_t *first = json_array_get(chain, 0);
	struct str text = { json_string_value(first), json_string_length(first) };

	if (chain == NULL)
		return REASON_NONE;
	if (!json_is_string(first))
		return REASON_JWK_SYNTAX;
	if (text.n > CERTIFICATE_TEXT_MAX)
		return REASON_JWK_CERTIFICATE;
	size_t size = text.n / 4 * 3 + 2;
	size_t der_len;
	char *der = malloc(size);

	if (der == NULL)
		return REASON_MEMORY;
	enum reason reason = REASON_JWK_CERTIFICATE;

	if (b64_decode(text, der, size, &der_len))
		reason = read_certificate_der((struct str){ der, der_len }, jwk);
	free(der);
	return reason;
}

static enum reason parse(const json_t *json, struct jwk *jwk)
{
	enum reason reason = json_is_object(json) ? REASON_NONE : REASON_JWK_SYNTAX;

	if (reason == REASON_NONE)
		reason = read_key(json, &jwk->pkey);
	if (reason == REASON_NONE)
		reason = check_no_private_member(json);
	if (reason == REASON_NONE)
		reason = check_use(json);
	if (reason == REASON_NONE)
		reason = key_check_strength(jwk->pkey);
	if (reason == REASON_NONE)
		reason = read_alg(json, jwk);
	if (reason == REASON_NONE)
		reason = read_text(json_object_get(json, "kid"), &jwk->kid);
	if (reason == REASON_NONE)
		reason = read_certificate(json, jwk);
	return reason;
}

enum reason jwk_write(struct buf *buf, const EVP_PKEY *pkey, enum jose_alg alg, struct str kid)
{
	buf_char(buf, '{');
	if (!write_required(buf, pkey)) {
		ERR_clear_error();
		return REASON_INTERNAL;
	}
	if (kid.n > 0) {
		buf_text(buf, ",\"alg\":");
		buf_json(buf, str_of(alg_info(alg)->name));
		buf_text(buf, ",\"kid\":");
		buf_json(buf, kid);
		buf_text(buf, ",\"use\":\"sig\"");
	}
	buf_char(buf, '}');
	return buf->overflow ? REASON_INTERNAL : REASON_NONE;
}

enum reason jwk_thumbprint(const EVP_PKEY *pkey, char thumbprint[static JWK_THUMBPRINT_LEN + 1])
{
	char memory[2 * NUMBER_SIZE];
	unsigned char digest[SECRET_DIGEST_SIZE];
	struct buf json = buf_init(memory, sizeof(memory));
	struct buf text = buf_init(thumbprint, JWK_THUMBPRINT_LEN);
	enum reason reason = jwk_write(&json, pkey, JOSE_ALG_NONE, STR(""));

	thumbprint[0] = '\0';
	if (reason != REASON_NONE)
		return reason;
	if (!secret_digest(buf_view(&json), digest))
		return REASON_INTERNAL;
	b64url_encode(&text, digest, sizeof(digest));
	thumbprint[JWK_THUMBPRINT_LEN] = '\0';
	return REASON_NONE;
}

enum reason jwk_parse(const json_t *json, struct jwk *jwk)
{
	*jwk = (struct jwk){ 0 };
	enum reason reason = parse(json, jwk);

	if (reason != REASON_NONE)
		jwk_clear(jwk);
	return reason;
}

bool jwk_accepts(const struct jwk *jwk, enum jose_alg alg)
{
	static const unsigned unnamed = JOSE_ALG_BIT(JOSE_ALG_RS256) |
					JOSE_ALG_BIT(JOSE_ALG_PS256) |
					JOSE_ALG_BIT(JOSE_ALG_ES256) |
					JOSE_ALG_BIT(JOSE_ALG_EDDSA);

	ERR_clear_error();
	if (jwk->alg != JOSE_ALG_NONE)
		return jwk->alg == alg;
	return (unnamed & JOSE_ALG_BIT(alg)) != 0 && alg_fits(alg, jwk->pkey);
}

void jwk_clear(struct jwk *jwk)
{
	EVP_PKEY_free(jwk->pkey);
	free(jwk->kid);
	*jwk = (struct jwk){ 0 };
}
