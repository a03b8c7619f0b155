/* SPDX-License-Identifier: MIT */
/* The revocation endpoint (RFC 7009). */
#ifndef OAUTH_REVOKE_H
#define OAUTH_REVOKE_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/*
 * revoke_endpoint - revoke one of the caller's own tokens.
 *
 * Any other token is left as it is, and answered alike (RFC 7009 §2.2).
 *
 * audit  gets the caller's client_id, and the jti of a token that is revoked now
 *
 * Returns REASON_NONE; what client_authenticate returns; REASON_TOKEN_MISSING; REASON_MEMORY;
 * one of reason.def's STORE rows.
 */
NODISCARD enum reason revoke_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit);

#endif
