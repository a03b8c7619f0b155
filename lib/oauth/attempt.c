/* SPDX-License-Identifier: MIT */
/* One try of somebody to authenticate as a client: throttle and rights. */
#include "oauth/attempt.h"
#include "state/throttle.h"

static struct throttle_limits limits(const struct snapshot *snapshot)
{
	return (struct throttle_limits){
		.failures = snapshot->throttle.failures,
		.address_failures = snapshot->throttle.address_failures,
		.window_s = snapshot->throttle.window_s,
	};
}

static bool is_limited(const struct call *call)
{
	const struct throttle_policy *policy = &call->snapshot->throttle;

	return call->services->store != NULL &&
	       (policy->failures > 0 || policy->address_failures > 0);
}

static enum reason check_throttle(const struct call *call, struct audit *audit)
{
	const struct throttle_limits limit = limits(call->snapshot);
	const struct throttle_subject subject = { audit->client_id, call->client_address };

	if (!is_limited(call))
		return REASON_NONE;
	return throttle_check(
		call->services->store, &limit, &subject, call->now_s, &audit->retry_after_s);
}

static enum reason check_rights(
	const struct call *call, const struct client *client, enum auth_method method)
{
	if (client == NULL)
		return REASON_CLIENT_UNKNOWN;
	if (!client->enabled)
		return REASON_CLIENT_DISABLED;
	if ((client->auth_methods & AUTH_BIT(method)) == 0)
		return REASON_AUTH_METHOD;
	if (!client_allows_address(client, &call->client_address))
		return REASON_AUTH_ADDRESS;
	return REASON_NONE;
}

/*
 * A certificate proves who the client is, if it may; beside another method that makes two (RFC
 * 6749 §2.3).  It may come along to bind the tokens of a client that has both.
 */
static bool has_two_methods(
	const struct call *call, const struct client *client, enum auth_method method)
{
	const unsigned registered = client == NULL ? 0 : client->auth_methods;
	bool is_for_binding = (registered & AUTH_BIT(method)) != 0 && client->certificate_bound;

	return (AUTH_BIT(method) & AUTH_BY_CERTIFICATE) == 0 &&
	       (registered & AUTH_BY_CERTIFICATE) != 0 && !is_for_binding &&
	       attempt_has_certificate(call->request);
}

bool attempt_has_certificate(const struct http_request *request)
{
	struct str verify = http_variable(request, ATTEMPT_VERIFY);

	return http_variable(request, ATTEMPT_CERTIFICATE).n > 0 && verify.n > 0 &&
	       !str_eq(verify, STR("NONE"));
}

enum reason attempt_begin(const struct call *call, struct str client_id,
	enum auth_method method, struct attempt *attempt, struct audit *audit)
{
	const struct client *stand_in;
	const struct client *client = lookup_find(
		&call->snapshot->lookup, client_id, &stand_in);

	*attempt = (struct attempt){ 0 };
	audit->client_id = client_id;
	audit->method = method;
	enum reason reason = check_throttle(call, audit);

	if (reason != REASON_NONE)
		return reason;
	if (has_two_methods(call, stand_in, method) && client != NULL)
		return REASON_AUTH_CERTIFICATE;
	*attempt = (struct attempt){
		.client = client,
		.rights = check_rights(call, stand_in, method),
		.stand_in = stand_in,
	};
	if (client == NULL)
		attempt->rights = REASON_CLIENT_UNKNOWN;
	return REASON_NONE;
}

enum reason attempt_count_failure(
	const struct call *call, struct audit *audit, enum reason failure)
{
	const struct throttle_limits limit = limits(call->snapshot);
	const struct throttle_subject subject = { audit->client_id, call->client_address };

	if (!is_limited(call))
		return failure;
	enum reason reason = throttle_count(
		call->services->store, &limit, &subject, call->now_s, &audit->retry_after_s);

	return reason == REASON_NONE ? failure : reason;
}
