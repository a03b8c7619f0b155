/* SPDX-License-Identifier: MIT */
/* The introspection endpoint (RFC 7662). */
#ifndef OAUTH_INTROSPECT_H
#define OAUTH_INTROSPECT_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/*
 * introspect_endpoint - say whether a token holds, and what it says.
 *
 * audit  gets the caller's client_id, the token's jti if it is one of ours, and the cause why
 * it is not active
 *
 * Returns REASON_NONE, also for a token that is not active; what client_authenticate returns;
 * REASON_INTROSPECT_DENIED; REASON_TOKEN_MISSING; REASON_MEMORY; one of reason.def's STORE
 * rows.
 */
NODISCARD enum reason introspect_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit);

#endif
