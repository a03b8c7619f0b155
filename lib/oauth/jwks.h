/* SPDX-License-Identifier: MIT */
/* The JWK Set endpoint (RFC 7517 §5, RFC 8414 §2 jwks_uri). */
#ifndef OAUTH_JWKS_H
#define OAUTH_JWKS_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/* jwks_endpoint - answer with the public keys.  Returns REASON_NONE. */
NODISCARD enum reason jwks_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit);

#endif
