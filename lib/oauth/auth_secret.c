/* SPDX-License-Identifier: MIT */
/* Client authentication by a shared secret: client_secret_basic and client_secret_post. */
#include "oauth/auth_secret.h"
#include "http/header.h"
#include "oauth/attempt.h"
#include "oauth/params.h"

struct credentials {
	struct str id;
	struct str secret;
};

static enum reason check(const struct call *call, const struct credentials *credentials,
	enum auth_method method, struct caller *caller, struct audit *audit)
{
	struct attempt attempt;
	const struct secret *matched;
	enum reason reason = attempt_begin(call, credentials->id, method, &attempt, audit);

	if (reason != REASON_NONE)
		return reason;
	const struct credential_claim claim = {
		.client = attempt.client,
		.secret = credentials->secret,
		.now_s = call->now_s,
		.is_refused = attempt.rights != REASON_NONE,
	};

	reason = credential_check(
		call->services->credentials, &call->snapshot->failure_price, &claim, &matched);
	if (matched != NULL)
		audit->secret_label = matched->label;
	if (reason == REASON_NONE)
		reason = attempt.rights;
	if (reason == REASON_NONE)
		*caller = (struct caller){ .client = attempt.client, .method = method };
	return reason;
}

/* Both halves form-decoded; false if they cannot be, or if that changes nothing. */
static bool decode_halves(
	const struct call *call, const struct credentials *raw, struct credentials *decoded)
{
	return form_decode(raw->id, call->arena, &decoded->id) == REASON_NONE &&
	       form_decode(raw->secret, call->arena, &decoded->secret) == REASON_NONE &&
	       (!str_eq(raw->id, decoded->id) || !str_eq(raw->secret, decoded->secret));
}

/* RFC 6749 §2.3: a client_id in the body must be the one that authenticates. */
static bool body_agrees(const struct call *call, struct str id)
{
	struct str body_id = form_value(call->form, PARAM_CLIENT_ID);

	return body_id.n == 0 || str_eq(body_id, id);
}

/* Nothing was tried yet, or it failed for what the other form of the credentials may mend. */
static bool is_worth_another_try(enum reason reason)
{
	return reason == REASON_AUTH_CLIENT_ID || reason == REASON_CLIENT_UNKNOWN ||
	       reason == REASON_SECRET_WRONG;
}

enum reason auth_secret_basic(const struct call *call, struct str authorization,
	struct caller *caller, struct audit *audit)
{
	struct credentials raw, decoded;
	enum reason reason = REASON_AUTH_CLIENT_ID;

	if (!header_basic(authorization, call->arena, &raw.id, &raw.secret))
		return REASON_BASIC_SYNTAX;
	if (decode_halves(call, &raw, &decoded) && body_agrees(call, decoded.id))
		reason = check(call, &decoded, AUTH_SECRET_BASIC, caller, audit);
	if (!is_worth_another_try(reason) || !body_agrees(call, raw.id))
		return reason;
	struct audit first = *audit;
	enum reason second = check(call, &raw, AUTH_SECRET_BASIC, caller, audit);

	/* What was checked and wrong is what counts, whatever is said of the other name. */
	if (reason == REASON_SECRET_WRONG && second != REASON_NONE &&
		reason_info(second)->status != 503) {
		*audit = first;
		return reason;
	}
	return second;
}

enum reason auth_secret_post(
	const struct call *call, struct caller *caller, struct audit *audit)
{
	struct credentials credentials = {
		.id = form_value(call->form, PARAM_CLIENT_ID),
		.secret = form_value(call->form, PARAM_CLIENT_SECRET),
	};

	return check(call, &credentials, AUTH_SECRET_POST, caller, audit);
}
