/* SPDX-License-Identifier: MIT */
/* JSON Web Signature, compact form (RFC 7515 §7.1): sign, take apart, verify. */
#include "jose/jws.h"
#include "jose/failure.h"
#include "jose/json.h"
#include "util/b64url.h"
#include "util/secret.h"

#include <stdlib.h>

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#define SIGNATURE_MAX 1024 /* bytes: RSA with 8192 bits */
#define ES256_HALF 32      /* bytes of r and of s (RFC 7518 §3.4) */
#define ES256_DER_MAX 72

struct jws_signer {
	EVP_PKEY *pkey;
	EVP_MD_CTX *prepared; /* copied for each signature, so that the key is set up once */
	enum jose_alg alg;
	/*
	 * OpenSSL 3.0 keeps RSA's blinding with the key and may leave it half renewed when it
	 * runs out of memory; then it signs wrongly and reports success.  A copy of the key has
	 * none.
	 */
	bool is_suspect;
};

/* RFC 7518 §3.5: the salt is as long as the digest. */
static bool set_padding(EVP_PKEY_CTX *ctx, enum jose_alg alg)
{
	return !alg_info(alg)->is_pss ||
	       (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* OpenSSL's DER form of an ECDSA signature to r || s. */
static bool der_to_raw(unsigned char *signature, size_t *len)
{
	const unsigned char *p = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &p, (long)*len);

	if (pair == NULL)
		return false;
	bool done = BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, ES256_HALF) == ES256_HALF &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + ES256_HALF, ES256_HALF) ==
			    ES256_HALF;

	ECDSA_SIG_free(pair);
	*len = 2 * ES256_HALF;
	return done;
}

/* r || s, which has 64 bytes, to DER; false: out of memory. */
static bool raw_to_der(struct str raw, unsigned char der[static ES256_DER_MAX], size_t *len)
{
	const unsigned char *bytes = (const unsigned char *)raw.p;
	unsigned char *p = der;
	int der_len = 0;

	*len = 0;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(bytes, ES256_HALF, NULL);
	BIGNUM *s = BN_bin2bn(bytes + ES256_HALF, ES256_HALF, NULL);

	if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
		der_len = i2d_ECDSA_SIG(pair, &p);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(pair);
	*len = der_len > 0 ? (size_t)der_len : 0;
	return der_len > 0;
}

static EVP_MD_CTX *prepare(EVP_PKEY *pkey, enum jose_alg alg)
{
	EVP_PKEY_CTX *key_ctx = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx != NULL &&
		EVP_DigestSignInit_ex(
			ctx, &key_ctx, alg_info(alg)->digest, NULL, NULL, pkey, NULL) == 1 &&
		set_padding(key_ctx, alg))
		return ctx;
	EVP_MD_CTX_free(ctx);
	return NULL;
}

/* Go on with a copy of the key.  False, and as suspect as before, if there is no memory for it.
 */
static bool renew(struct jws_signer *signer)
{
	EVP_PKEY *pkey = EVP_PKEY_dup(signer->pkey);
	EVP_MD_CTX *prepared = pkey == NULL ? NULL : prepare(pkey, signer->alg);

	ERR_clear_error();
	if (prepared == NULL) {
		EVP_PKEY_free(pkey);
		return false;
	}
	EVP_MD_CTX_free(signer->prepared);
	EVP_PKEY_free(signer->pkey);
	signer->prepared = prepared;
	signer->pkey = pkey;
	signer->is_suspect = false;
	return true;
}

static bool sign_bytes(
	struct jws_signer *signer, struct str input, unsigned char *signature, size_t *len)
{
	if (signer->is_suspect && !renew(signer))
		return false;
	ERR_clear_error();
	const size_t size = *len;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx != NULL && EVP_MD_CTX_copy_ex(ctx, signer->prepared) == 1 &&
		    EVP_DigestSign(
			    ctx, signature, len, (const unsigned char *)input.p, input.n) == 1;

	/* Out of memory, OpenSSL 3.0 may report success and a length of -1. */
	done = done && *len <= size;
	if (done && signer->alg == JOSE_ALG_ES256)
		done = der_to_raw(signature, len);
	done = done && ERR_peek_error() == 0;
	signer->is_suspect = !done;
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	return done;
}

static enum reason verify_bytes(
	EVP_PKEY *pkey, enum jose_alg alg, struct str input, struct str signature)
{
	EVP_PKEY_CTX *key_ctx = NULL;

	enum reason reason = REASON_MEMORY;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	ERR_clear_error();
	if (ctx == NULL ||
		EVP_DigestVerifyInit_ex(
			ctx, &key_ctx, alg_info(alg)->digest, NULL, NULL, pkey, NULL) != 1 ||
		!set_padding(key_ctx, alg))
		goto out;
	/* It is used once: no copy is needed, whose failure looks like a wrong signature. */
	EVP_MD_CTX_set_flags(ctx, EVP_MD_CTX_FLAG_FINALISE);
	int result = EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
		(const unsigned char *)input.p, input.n);

	/* 0: the signature is wrong, or something failed; less: something failed. */
	if (result == 0)
		reason = failure_reason(REASON_JWS_SIGNATURE);
	else if (result == 1)
		reason = REASON_NONE;
out:
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	return reason;
}

static enum reason check_mac(const struct jws_parts *parts, struct str secret)
{
	const struct str input = parts->signing_input;
	unsigned char mac[SECRET_DIGEST_SIZE];
	size_t mac_len = 0;

	ERR_clear_error();
	if (EVP_Q_mac(NULL, "HMAC", NULL, alg_info(JOSE_ALG_HS256)->digest, NULL, secret.p,
		    secret.n, (const unsigned char *)input.p, input.n, mac, sizeof(mac),
		    &mac_len) == NULL)
		return failure_reason(REASON_MEMORY);
	return mac_len == sizeof(mac) && parts->signature.n == sizeof(mac) &&
			       secret_equal(parts->signature.p, mac, sizeof(mac))
		       ? REASON_NONE
		       : REASON_JWS_SIGNATURE;
}

static enum reason decode_part(struct str part, struct arena *arena, struct str *bytes)
{
	size_t size = part.n / 4 * 3 + 2;
	size_t len = 0;
	char *p = arena_alloc(arena, size);

	if (p == NULL)
		return REASON_MEMORY;
	if (!b64url_decode(part, p, size, &len))
		return REASON_JWS_SYNTAX;
	*bytes = (struct str){ p, len };
	return REASON_NONE;
}

/* RFC 7515 §4.1.11; and RFC 7797 §3, which some forget to call critical. */
static bool has_extension(const json_t *header)
{
	const json_t *b64 = json_object_get(header, "b64");

	return json_object_get(header, "crit") != NULL || (b64 != NULL && !json_is_true(b64));
}

static enum reason split(struct str jws, struct arena *arena, struct jws_parts *parts)
{
	struct str rest = jws, header, payload, header_text;
	enum reason reason;

	if (!str_cut(&rest, '.', &header) || !str_cut(&rest, '.', &payload) ||
		str_has(rest, '.'))
		return REASON_JWS_SYNTAX;
	parts->signing_input = str_upto(jws, header.n + 1 + payload.n);
	if ((reason = decode_part(header, arena, &header_text)) != REASON_NONE ||
		(reason = decode_part(payload, arena, &parts->payload_text)) != REASON_NONE ||
		(reason = decode_part(rest, arena, &parts->signature)) != REASON_NONE)
		return reason;
	reason = json_parse_object(header_text, REASON_JWS_HEADER, &parts->header);
	if (reason != REASON_NONE)
		return reason;
	return has_extension(parts->header) ? REASON_JWS_CRIT : REASON_NONE;
}

struct jws_signer *jws_signer_new(EVP_PKEY *pkey, enum jose_alg alg)
{
	struct jws_signer *signer = alg_fits(alg, pkey) ? calloc(1, sizeof(*signer)) : NULL;

	if (signer == NULL)
		return NULL;
	signer->alg = alg;
	signer->prepared = prepare(pkey, alg);
	ERR_clear_error();
	if (signer->prepared == NULL || EVP_PKEY_up_ref(pkey) != 1) {
		jws_signer_free(signer);
		return NULL;
	}
	signer->pkey = pkey;
	return signer;
}

void jws_signer_free(struct jws_signer *signer)
{
	if (signer == NULL)
		return;
	EVP_MD_CTX_free(signer->prepared);
	EVP_PKEY_free(signer->pkey);
	free(signer);
}

enum reason jws_sign(
	struct jws_signer *signer, struct str header, struct str payload, struct buf *jws)
{
	unsigned char signature[SIGNATURE_MAX];
	size_t signature_len = sizeof(signature);
	size_t start = jws->n;

	b64url_encode(jws, header.p, header.n);
	buf_char(jws, '.');
	b64url_encode(jws, payload.p, payload.n);
	if (jws->overflow ||
		!sign_bytes(signer, str_from(buf_view(jws), start), signature, &signature_len))
		return REASON_SIGNING;
	buf_char(jws, '.');
	b64url_encode(jws, signature, signature_len);
	return jws->overflow ? REASON_SIGNING : REASON_NONE;
}

enum reason jws_split(struct str jws, struct arena *arena, struct jws_parts *parts)
{
	*parts = (struct jws_parts){ 0 };
	enum reason reason = split(jws, arena, parts);

	if (reason != REASON_NONE)
		jws_parts_clear(parts);
	return reason;
}

void jws_parts_clear(struct jws_parts *parts)
{
	json_decref(parts->header);
	json_decref(parts->payload);
	*parts = (struct jws_parts){ 0 };
}

enum reason jws_verify(const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg)
{
	unsigned char der[ES256_DER_MAX];
	struct str signature = parts->signature;

	ERR_clear_error();
	if (!alg_fits(alg, pkey))
		return failure_reason(REASON_KEY_ALG);
	if (alg_find(json_text(parts->header, "alg")) != alg)
		return REASON_JWS_ALG;
	if (alg == JOSE_ALG_ES256) {
		size_t der_len;

		if (signature.n != 2 * ES256_HALF)
			return REASON_JWS_SIGNATURE;
		if (!raw_to_der(signature, der, &der_len))
			return failure_reason(REASON_MEMORY);
		signature = (struct str){ (const char *)der, der_len };
	}
	return verify_bytes(pkey, alg, parts->signing_input, signature);
}

enum reason jws_verify_secret(const struct jws_parts *parts, struct str secret)
{
	if (alg_find(json_text(parts->header, "alg")) != JOSE_ALG_HS256)
		return REASON_JWS_ALG;
	if (secret.n < JWS_SECRET_LEN_MIN)
		return REASON_KEY_WEAK;
	return check_mac(parts, secret);
}
