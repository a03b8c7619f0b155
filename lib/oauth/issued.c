/* SPDX-License-Identifier: MIT */
/* Access tokens that came from here, verified when they come back. */
#include "oauth/issued.h"
#include "jose/json.h"

static const struct str types[] = { STR_CONST("JWT"), STR_CONST("at+jwt") };

/* The key is pinned by kid, the algorithm by the key. */
static enum reason check_signature(const struct keyring *keyring, const struct jws_parts *parts)
{
	const struct signing_key *key = keyring_find(keyring, json_text(parts->header, "kid"));

	return key == NULL ? REASON_JWS_KID : jws_verify(parts, key->pkey, key->alg);
}

static enum reason check_expiry(const json_t *claims, int64_t now_s, int64_t *expires_s)
{
	if (!jwt_time(claims, "exp", expires_s))
		return REASON_JWT_EXPIRY;
	return *expires_s <= now_s ? REASON_JWT_EXPIRED : REASON_NONE;
}

static enum reason check_claims(
	const struct snapshot *snapshot, int64_t now_s, struct issued *issued)
{
	const json_t *claims = issued->parts.payload;

	if (!jwt_type_is(issued->parts.header, (struct str_list){ types, 2 }, false))
		return REASON_JWT_TYPE;
	if (!str_eq(json_text(claims, "iss"), snapshot->issuer))
		return REASON_JWT_FOREIGN;
	issued->client_id = json_text(claims, "sub");
	issued->jti = json_text(claims, "jti");
	if (issued->client_id.n == 0)
		return REASON_JWT_ISSUER;
	if (issued->jti.n == 0)
		return REASON_JWT_ID;
	return check_expiry(claims, now_s, &issued->expires_s);
}

enum reason issued_verify(const struct snapshot *snapshot, struct str token, int64_t now_s,
	struct arena *arena, struct issued *issued)
{
	*issued = (struct issued){ 0 };
	enum reason reason = jwt_split(token, arena, &issued->parts);

	if (reason == REASON_NONE)
		reason = check_signature(&snapshot->keyring, &issued->parts);
	if (reason == REASON_NONE)
		reason = check_claims(snapshot, now_s, issued);
	if (reason != REASON_NONE)
		issued_clear(issued);
	return reason;
}

bool issued_is_early(const struct issued *issued, int64_t now_s)
{
	const json_t *claims = issued->parts.payload;
	int64_t not_before_s;

	return json_object_get(claims, "nbf") != NULL &&
	       (!jwt_time(claims, "nbf", &not_before_s) || not_before_s > now_s);
}

void issued_clear(struct issued *issued)
{
	jws_parts_clear(&issued->parts);
	*issued = (struct issued){ 0 };
}
