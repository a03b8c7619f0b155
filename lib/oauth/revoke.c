/* SPDX-License-Identifier: MIT */
/* The revocation endpoint (RFC 7009 §2). */
#include "oauth/revoke.h"
#include "oauth/answer.h"
#include "oauth/client_auth.h"
#include "oauth/issued.h"
#include "oauth/params.h"
#include "state/revocation.h"

static enum reason revoke_own(const struct call *call, const struct client *client,
	const struct issued *issued, struct audit *audit)
{
	if (!str_eq(issued->client_id, client->id)) {
		audit->cause = REASON_REVOKE_FOREIGN;
		return REASON_NONE;
	}
	enum reason reason = revocation_add(
		call->services->store, issued->jti, issued->expires_s, call->now_s);

	if (reason == REASON_NONE && !arena_copy(call->arena, issued->jti, &audit->jti))
		reason = REASON_MEMORY;
	return reason;
}

static enum reason revoke(const struct call *call, const struct client *client,
	struct str token, struct audit *audit)
{
	struct issued issued;
	enum reason reason = issued_verify(
		call->snapshot, token, call->now_s, call->arena, &issued);

	if (reason == REASON_MEMORY)
		return reason;
	if (reason != REASON_NONE) {
		audit->cause = reason;
		return REASON_NONE;
	}
	reason = revoke_own(call, client, &issued, audit);
	issued_clear(&issued);
	return reason;
}

enum reason revoke_endpoint(
	const struct call *call, struct http_response *response, struct audit *audit)
{
	struct str token = form_value(call->form, PARAM_TOKEN);
	struct caller caller;
	enum reason reason = client_authenticate(call, &caller, audit);

	if (reason == REASON_NONE && token.n == 0)
		reason = REASON_TOKEN_MISSING;
	if (reason == REASON_NONE)
		reason = revoke(call, caller.client, token, audit);
	if (reason == REASON_NONE)
		answer_private(response, 200, STR(""));
	return reason;
}
