/* SPDX-License-Identifier: MIT */
/* JSON Web Signature, compact form (RFC 7515 §7.1): sign, take apart, verify. */
#ifndef JOSE_JWS_H
#define JOSE_JWS_H

#include "jose/alg.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/reason.h"

#include <jansson.h>

/* Signs with one key and one algorithm; made once, used for every token. */
struct jws_signer;

/*
 * jws_signer_new - prepare signing.
 *
 * pkey  private key that fits alg; the signer keeps a reference of its own
 *
 * Returns new (jws_signer_free), or NULL: out of memory, or they do not fit.
 */
NODISCARD struct jws_signer *jws_signer_new(EVP_PKEY *pkey, enum jose_alg alg);
void jws_signer_free(struct jws_signer *signer);

/*
 * jws_sign - append the compact JWS of header and payload.
 *
 * signer           changed only after a failure
 * header, payload  JSON texts; borrowed
 * jws              appended to; left with a part of it on failure
 *
 * Returns REASON_NONE; REASON_SIGNING, OpenSSL failed or `jws` is full.
 */
NODISCARD enum reason jws_sign(
	struct jws_signer *signer, struct str header, struct str payload, struct buf *jws);

/* A JWS taken apart but not verified: nothing in it may be believed. */
struct jws_parts {
	struct str signing_input; /* borrowed from the text */
	struct str signature;     /* decoded bytes; in the arena */
	struct str payload_text;  /* decoded bytes; in the arena */
	json_t *header;           /* new; an object */
	json_t *payload;          /* NULL after jws_split; new, an object, after jwt_split */
};

/*
 * jws_split - take a compact JWS apart (RFC 7515 §5.2, steps 1 to 5).
 *
 * parts  [out] for jws_parts_clear; cleared on failure
 *
 * Returns REASON_NONE; REASON_JWS_SYNTAX, not three parts of strict base64url;
 * REASON_JWS_HEADER, not a JSON object, repeated members, or nested too deeply;
 * REASON_JWS_CRIT (RFC 7515 §4.1.11, RFC 7797); REASON_MEMORY.
 */
NODISCARD enum reason jws_split(struct str jws, struct arena *arena, struct jws_parts *parts);
void jws_parts_clear(struct jws_parts *parts);

/*
 * jws_verify - verify the signature with a key and the algorithm pinned to it.
 *
 * Returns REASON_NONE; REASON_JWS_ALG, the header names another algorithm;
 * REASON_KEY_ALG; REASON_JWS_SIGNATURE; REASON_MEMORY.
 */
NODISCARD enum reason jws_verify(
	const struct jws_parts *parts, EVP_PKEY *pkey, enum jose_alg alg);

#define JWS_SECRET_LEN_MIN 32 /* bytes; RFC 7518 §3.2, for HS256 */

/*
 * jws_verify_secret - verify the HMAC of HS256 with a shared secret.
 *
 * secret  borrowed
 *
 * Returns REASON_NONE; REASON_JWS_ALG, the header names another algorithm;
 * REASON_KEY_WEAK, fewer than JWS_SECRET_LEN_MIN bytes; REASON_JWS_SIGNATURE;
 * REASON_MEMORY.
 */
NODISCARD enum reason jws_verify_secret(const struct jws_parts *parts, struct str secret);

#endif
