/* SPDX-License-Identifier: MIT */
/* The JWK Set endpoint. */
#include "oauth/jwks.h"
#include "oauth/answer.h"

enum reason jwks_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit)
{
	(void)audit;
	answer_public(call, &call->snapshot->jwks, "application/jwk-set+json", response);
	return REASON_NONE;
}
