/* SPDX-License-Identifier: MIT */
/* Client authentication by a shared secret: client_secret_basic and client_secret_post. */
#ifndef OAUTH_AUTH_SECRET_H
#define OAUTH_AUTH_SECRET_H

#include "oauth/client_auth.h"

/*
 * auth_secret_basic - check the credentials of an Authorization header (RFC 6749 §2.3.1).
 *
 * Clients should form-encode both halves, but many do not: if the decoded
 * halves do not match, they are tried as they are.  Slow hashes are made
 * only if neither form is right without them.
 *
 * Returns REASON_NONE; REASON_BASIC_SYNTAX; REASON_AUTH_CLIENT_ID; or what
 * auth_secret_post returns.
 */
NODISCARD enum reason auth_secret_basic(const struct call *call, struct str authorization,
	struct caller *caller, struct audit *audit);

/*
 * auth_secret_post - check client_id and client_secret of the body.
 *
 * Returns REASON_NONE; what attempt_begin returns; REASON_CLIENT_UNKNOWN, _SECRET_WRONG,
 * _SECRET_EXPIRED, _SECRET_EARLY, _CLIENT_DISABLED, _AUTH_METHOD, _AUTH_ADDRESS, all the same
 * to the client; REASON_HASH_BUSY, _HASH_AWAITED, which count as no failure; REASON_HASHING,
 * REASON_MEMORY.
 */
NODISCARD enum reason auth_secret_post(
	const struct call *call, struct caller *caller, struct audit *audit);

#endif
