/* SPDX-License-Identifier: MIT */
/* Access tokens that came from here, verified when they come back. */
#ifndef OAUTH_ISSUED_H
#define OAUTH_ISSUED_H

#include "domain/snapshot.h"
#include "jose/jwt.h"

/* The texts are borrowed from the claims. */
struct issued {
	struct jws_parts parts; /* its payload: the claims */
	struct str client_id;   /* to whom it was issued */
	struct str jti;
	int64_t expires_s;
};

/*
 * issued_verify - is this a token that we issued, and that has not expired?
 *
 * Whether it was revoked, and whether it is early, is not looked at.
 *
 * token   any content; borrowed
 * arena   for the work
 * issued  [out] for issued_clear; cleared on failure
 *
 * Returns REASON_NONE; REASON_MEMORY; what jwt_split and jws_verify return;
 * REASON_JWS_KID; REASON_JWT_TYPE, _FOREIGN, _EXPIRY, _EXPIRED, _ID, _ISSUER
 * (it names no client).
 */
NODISCARD enum reason issued_verify(const struct snapshot *snapshot, struct str token,
	int64_t now_s, struct arena *arena, struct issued *issued);
void issued_clear(struct issued *issued);

/* issued_is_early - is it not valid yet (nbf)?  Another machine of ours may be ahead. */
bool issued_is_early(const struct issued *issued, int64_t now_s);

#endif
