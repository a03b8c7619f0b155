/* SPDX-License-Identifier: MIT */
/* The token endpoint (RFC 6749 §3.2, §4.4). */
#ifndef OAUTH_TOKEN_H
#define OAUTH_TOKEN_H

#include "http/response.h"
#include "oauth/audit.h"
#include "oauth/call.h"

/*
 * token_endpoint - answer a token request.
 *
 * response  gets status, headers and body of a success; untouched on refusal
 * audit     gets what became known, also on refusal
 *
 * Returns REASON_NONE, or why the request is refused.
 */
NODISCARD enum reason token_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit);

#endif
