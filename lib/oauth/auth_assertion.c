/* SPDX-License-Identifier: MIT */
/* Client authentication by a signed assertion: private_key_jwt and client_secret_jwt. */
#include "oauth/auth_assertion.h"
#include "jose/failure.h"
#include "jose/json.h"
#include "jose/jwt.h"
#include "oauth/attempt.h"
#include "oauth/params.h"
#include "state/replay.h"

#define ASSERTION_MAX 8192 /* bytes */
#define KEYS_TRIED_MAX 5   /* for an assertion without a kid */

/* RFC 7523 §3 asks for none; the draft that updates it names the second. */
static const struct str types[] = { STR_CONST("JWT"), STR_CONST("client-authentication+jwt") };

static enum jose_alg header_alg(const struct jws_parts *parts)
{
	return alg_find(json_text(parts->header, "alg"));
}

static bool has_kid(const struct jws_parts *parts)
{
	return json_object_get(parts->header, "kid") != NULL;
}

/* The algorithm is pinned by the key: the header can only agree. */
static enum reason verify_by_keys(const struct client *client, const struct jws_parts *parts)
{
	const enum jose_alg alg = header_alg(parts);
	struct str kid = json_text(parts->header, "kid");
	enum reason reason = has_kid(parts) ? REASON_JWS_KID : REASON_JWS_ALG;
	unsigned tried = 0;

	for (size_t i = 0; i < client->key_count && tried < KEYS_TRIED_MAX; i++) {
		const struct jwk *key = &client->keys[i];

		if (has_kid(parts) && (kid.n == 0 || !str_eq(kid, str_of(key->kid))))
			continue;
		if (!jwk_accepts(key, alg)) {
			reason = failure_memory(tried == 0 ? REASON_JWS_ALG : reason);
			if (reason == REASON_MEMORY)
				return reason;
			continue;
		}
		reason = jws_verify(parts, key->pkey, alg);
		if (reason == REASON_NONE || reason == REASON_MEMORY)
			return reason;
		tried++;
	}
	return reason;
}

/* Secrets have no kid, so an assertion that names one is by none of them. */
static enum reason verify_by_secrets(const struct client *client, const struct jws_parts *parts,
	int64_t now_s, struct audit *audit)
{
	enum reason reason = REASON_JWS_SIGNATURE;

	if (has_kid(parts))
		return REASON_JWS_KID;
	for (size_t i = 0; i < client->secret_count; i++) {
		const struct secret *secret = &client->secrets[i];

		if (secret->kind != SECRET_PLAIN || !secret_is_live(secret, now_s))
			continue;
		reason = jws_verify_secret(parts, secret->text);
		if (reason == REASON_NONE) {
			audit->secret_label = secret->label;
			return reason;
		}
	}
	return reason;
}

/* exp must be there, the others may; expires_s: when no leeway helps any more. */
static enum reason check_times(const struct assertion_policy *policy, const json_t *claims,
	int64_t now_s, int64_t *expires_s)
{
	static const char *const starts[] = { "nbf", "iat" };
	int64_t time_s;

	*expires_s = 0;
	if (!jwt_time(claims, "exp", &time_s))
		return REASON_JWT_EXPIRY;
	if (time_s + policy->leeway_s < now_s)
		return REASON_JWT_EXPIRED;
	if (time_s > now_s + policy->max_lifetime_s)
		return REASON_JWT_LIFETIME;
	/* Also if a new configuration allows more. */
	*expires_s = time_s + ASSERTION_LEEWAY_MAX + 1;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (json_object_get(claims, starts[i]) != NULL &&
			(!jwt_time(claims, starts[i], &time_s) ||
				time_s > now_s + policy->leeway_s))
			return REASON_JWT_EARLY;
	}
	return REASON_NONE;
}

static bool is_for_us(const struct snapshot *snapshot, const json_t *claims)
{
	return jwt_audience_is(claims, snapshot->issuer) ||
	       (snapshot->assertions.token_endpoint_audience &&
		       jwt_audience_is(claims, snapshot->token_url));
}

/* client_id: sub, by which the client was found. */
static enum reason check_names(
	const struct call *call, const struct jws_parts *parts, struct str client_id)
{
	struct str body_id = form_value(call->form, PARAM_CLIENT_ID);

	if (!jwt_type_is(parts->header, (struct str_list){ types, 2 }, true))
		return REASON_JWT_TYPE;
	if (!str_eq(json_text(parts->payload, "iss"), client_id) ||
		(body_id.n > 0 && !str_eq(body_id, client_id)))
		return REASON_JWT_ISSUER;
	return is_for_us(call->snapshot, parts->payload) ? REASON_NONE : REASON_JWT_AUDIENCE;
}

static enum reason use_up(const struct call *call, const struct client *client,
	const json_t *claims, int64_t expires_s)
{
	const struct replay_token token = { REPLAY_ASSERTION, client->id,
		json_text(claims, "jti"), expires_s };
	bool is_fresh;

	if (token.jti.n == 0)
		return REASON_JWT_ID;
	enum reason reason = replay_remember(
		call->services->store, &token, call->now_s, &is_fresh);

	if (reason == REASON_NONE && !is_fresh)
		reason = REASON_JWT_REPLAYED;
	return reason;
}

static enum reason check(const struct call *call, const struct client *client,
	const struct jws_parts *parts, struct audit *audit)
{
	int64_t expires_s;
	enum reason reason = audit->method == AUTH_SECRET_JWT
				     ? verify_by_secrets(client, parts, call->now_s, audit)
				     : verify_by_keys(client, parts);

	if (reason == REASON_NONE)
		reason = check_names(call, parts, client->id);
	if (reason == REASON_NONE)
		reason = check_times(
			&call->snapshot->assertions, parts->payload, call->now_s, &expires_s);
	if (reason == REASON_NONE)
		reason = use_up(call, client, parts->payload, expires_s);
	return reason;
}

static enum reason judge(const struct call *call, const struct jws_parts *parts,
	struct caller *caller, struct audit *audit)
{
	const enum auth_method method = header_alg(parts) == JOSE_ALG_HS256
						? AUTH_SECRET_JWT
						: AUTH_PRIVATE_KEY_JWT;
	struct attempt attempt;
	struct str client_id;

	/* The log line is written when the assertion is gone. */
	if (!arena_copy(call->arena, json_text(parts->payload, "sub"), &client_id))
		return REASON_MEMORY;
	enum reason reason = attempt_begin(call, client_id, method, &attempt, audit);

	if (reason == REASON_NONE)
		reason = attempt.rights;
	if (reason == REASON_NONE)
		reason = check(call, attempt.client, parts, audit);
	if (reason == REASON_NONE)
		*caller = (struct caller){ .client = attempt.client, .method = method };
	return reason;
}

enum reason auth_assertion(const struct call *call, struct caller *caller, struct audit *audit)
{
	struct str assertion = form_value(call->form, PARAM_CLIENT_ASSERTION);
	struct jws_parts parts;
	enum reason reason = REASON_JWT_SIZE;

	audit->method = AUTH_PRIVATE_KEY_JWT;
	if (assertion.n <= ASSERTION_MAX)
		reason = jwt_split(assertion, call->arena, &parts);
	if (reason == REASON_NONE) {
		reason = judge(call, &parts, caller, audit);
		jws_parts_clear(&parts);
	}
	return audit_refuse(audit, reason, REASON_ASSERTION);
}
