/* SPDX-License-Identifier: MIT */
/* JSON Web Tokens (RFC 7519): a JWS with claims, and the claims that are checked everywhere. */
#ifndef JOSE_JWT_H
#define JOSE_JWT_H

#include "jose/jws.h"

#define JWT_TIME_MAX ((int64_t)1 << 53) /* above it, JSON numbers are not exact */

/*
 * jwt_split - take a JWT apart: jws_split, and its payload as claims.
 *
 * parts  [out] for jws_parts_clear, with payload set; cleared on failure
 *
 * Returns what jws_split returns; REASON_JWS_PAYLOAD: the payload is not a JSON
 * object, has repeated members, or is nested too deeply.
 */
NODISCARD enum reason jwt_split(struct str jwt, struct arena *arena, struct jws_parts *parts);

/*
 * jwt_type_is - is the header's typ one of these (RFC 8725 §3.11)?
 *
 * types          compared as they are, with their case
 * may_be_absent  no typ at all will do as well
 */
bool jwt_type_is(const json_t *header, struct str_list types, bool may_be_absent);

/*
 * jwt_time - a NumericDate (RFC 7519 §2), fractions of a second cut off.
 *
 * time_s  [out] seconds since the epoch; 0 on failure
 *
 * Returns false if the claim is absent, no number, negative, or above JWT_TIME_MAX.
 */
NODISCARD bool jwt_time(const json_t *claims, const char *name, int64_t *time_s);

/* jwt_audience_is - is aud this text, or an array of it alone (RFC 7519 §4.1.3)? */
bool jwt_audience_is(const json_t *claims, struct str audience);

#endif
