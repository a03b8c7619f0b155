/* SPDX-License-Identifier: MIT */
/* The keys that fuzz targets sign with, so that what stands behind a signature is reached. */
#ifndef TESTS_FUZZ_KEYS_H
#define TESTS_FUZZ_KEYS_H

#include "fuzz.h"

#include "jose/jws.h"
#include "jose/key.h"
#include "util/b64url.h"

#include <openssl/hmac.h>

enum sign_key {
	SIGN_OKP, /* RFC 8037 A.1 */
	SIGN_EC,  /* RFC 7515 A.3 */
	SIGN_SHARED,
	SIGN__MAX,
};

/* 32 bytes, the shortest that HS256 may have. */
#define KEY_SHARED_TEXT "0123456789abcdef0123456789ABCDEF"
#define KEY_JWS_MAX 65536

static const enum jose_alg key_algs[SIGN__MAX] = {
	[SIGN_OKP] = JOSE_ALG_EDDSA,
	[SIGN_EC] = JOSE_ALG_ES256,
	[SIGN_SHARED] = JOSE_ALG_HS256,
};

/* A private key, borrowed for ever; NULL for SIGN_SHARED. */
static inline EVP_PKEY *key_of(enum sign_key name)
{
	static const char *const pems[SIGN__MAX] = {
		[SIGN_OKP] =
			"-----BEGIN PRIVATE KEY-----\n"
			"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
			"-----END PRIVATE KEY-----\n",
		[SIGN_EC] = "-----BEGIN PRIVATE KEY-----\n"
			    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
			    "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
			    "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
			    "-----END PRIVATE KEY-----\n",
	};
	static EVP_PKEY *keys[SIGN__MAX];

	if (keys[name] == NULL && pems[name] != NULL)
		REQUIRE(key_read_pem(str_of(pems[name]), &keys[name]) == REASON_NONE);
	return keys[name];
}

static inline void key_append_mac(struct buf *jws)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	REQUIRE(HMAC(EVP_sha256(), KEY_SHARED_TEXT, sizeof(KEY_SHARED_TEXT) - 1,
			(const unsigned char *)jws->p, jws->n, mac, &len) != NULL);
	buf_char(jws, '.');
	b64url_encode(jws, mac, len);
}

/* The compact JWS of header and payload, whatever they are; borrowed from the arena. */
static inline struct str key_sign(
	enum sign_key name, struct str header, struct str payload, struct arena *arena)
{
	static struct jws_signer *signers[SIGN__MAX];
	char *p = arena_alloc(arena, KEY_JWS_MAX);
	struct buf jws = buf_init(p, KEY_JWS_MAX);

	REQUIRE(p != NULL);
	if (name == SIGN_SHARED) {
		b64url_encode(&jws, header.p, header.n);
		buf_char(&jws, '.');
		b64url_encode(&jws, payload.p, payload.n);
		key_append_mac(&jws);
		return jws.overflow ? STR("") : buf_view(&jws);
	}
	if (signers[name] == NULL)
		signers[name] = jws_signer_new(key_of(name), key_algs[name]);
	REQUIRE(signers[name] != NULL);
	return jws_sign(signers[name], header, payload, &jws) == REASON_NONE ? buf_view(&jws)
									     : STR("");
}

#endif
