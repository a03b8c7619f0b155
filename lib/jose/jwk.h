/* SPDX-License-Identifier: MIT */
/* JSON Web Keys (RFC 7517) and their thumbprints (RFC 7638). */
#ifndef JOSE_JWK_H
#define JOSE_JWK_H

#include "jose/alg.h"
#include "jose/key.h"
#include "util/buf.h"
#include "util/reason.h"
#include "util/secret.h"

#include <jansson.h>

#define JWK_THUMBPRINT_LEN 43 /* characters of a SHA-256 thumbprint */

/* A public key that a client registered. */
struct jwk {
	EVP_PKEY *pkey;    /* owned; public half only */
	enum jose_alg alg; /* JOSE_ALG_NONE: the key names none */
	char *kid;         /* owned; NULL: none */
	/* SHA-256 of the first certificate in x5c, if there is one. */
	unsigned char certificate_digest[SECRET_DIGEST_SIZE];
	bool has_certificate;
	int64_t certificate_end_s; /* its notAfter, since the epoch; 0: none, or unreadable */
};

/*
 * jwk_write - append the public key as a JWK object (RFC 7518 §6, RFC 8037 §2).
 *
 * kid  empty: no kid, alg and use members, as the thumbprint wants it
 *
 * Returns REASON_NONE or REASON_INTERNAL.
 */
NODISCARD enum reason jwk_write(
	struct buf *buf, const EVP_PKEY *pkey, enum jose_alg alg, struct str kid);

/* jwk_thumbprint - SHA-256 thumbprint (RFC 7638), base64url, NUL-terminated; "" on failure. */
NODISCARD enum reason jwk_thumbprint(
	const EVP_PKEY *pkey, char thumbprint[static JWK_THUMBPRINT_LEN + 1]);

/*
 * jwk_parse - read one public JWK for verifying signatures.
 *
 * json  borrowed
 * jwk   [out] its members are owned by the caller (jwk_clear); cleared on failure
 *
 * Members that RFC 7517 does not define are ignored.  Returns REASON_NONE;
 * REASON_JWK_SYNTAX, _KTY, _USE, _PRIVATE, _POINT, _CERTIFICATE;
 * REASON_KEY_WEAK, _LARGE, _ROCA, _ALG; REASON_MEMORY.
 */
NODISCARD enum reason jwk_parse(const json_t *json, struct jwk *jwk);

/*
 * jwk_accepts - may a signature by this key use the algorithm?
 *
 * A key that names an alg accepts that one only; others RS256 and PS256 (RSA),
 * ES256 or EdDSA.  When it says no, failure_memory() tells whether it was for lack of memory.
 */
bool jwk_accepts(const struct jwk *jwk, enum jose_alg alg);

/* jwk_clear - free what jwk_parse made. */
void jwk_clear(struct jwk *jwk);

#endif
