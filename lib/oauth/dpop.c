/* SPDX-License-Identifier: MIT */
/* DPoP proofs of token requests (RFC 9449 §4.3, §5). */
#include "oauth/dpop.h"
#include "jose/failure.h"
#include "jose/json.h"
#include "jose/jwt.h"
#include "state/replay.h"
#include "util/uri.h"

#define PROOF_MAX 8192 /* bytes */
#define AGE_MAX_S 60
#define AHEAD_MAX_S 10

static const struct str types[] = { STR_CONST("dpop+jwt") };

/* Several headers come as several variables, or joined by a comma (RFC 9110 §5.3). */
static enum reason find_proof(const struct http_request *request, struct str *proof)
{
	*proof = http_variable(request, "HTTP_DPOP");
	if (http_variable_count(request, "HTTP_DPOP") > 1 || str_has(*proof, ',') ||
		str_has(*proof, ' ') || str_has(*proof, '\t'))
		return REASON_DPOP_HEADER;
	return proof->n > PROOF_MAX ? REASON_JWT_SIZE : REASON_NONE;
}

/* The key of the header is believed to be the sender's because it has signed this. */
static enum reason check_signature(
	const struct jws_parts *parts, char jkt[static JWK_THUMBPRINT_LEN + 1])
{
	const enum jose_alg alg = alg_find(json_text(parts->header, "alg"));
	const json_t *json = json_object_get(parts->header, "jwk");
	struct jwk jwk;

	if (!jwt_type_is(parts->header, (struct str_list){ types, 1 }, false))
		return REASON_JWT_TYPE;
	if ((JOSE_ALG_BIT(alg) & DPOP_ALGS) == 0)
		return REASON_DPOP_ALG;
	if (json == NULL)
		return REASON_DPOP_KEY;
	enum reason reason = jwk_parse(json, &jwk);

	if (reason != REASON_NONE)
		return reason;
	reason = jwk_accepts(&jwk, alg) ? jws_verify(parts, jwk.pkey, alg)
					: failure_memory(REASON_JWS_ALG);
	if (reason == REASON_NONE)
		reason = jwk_thumbprint(jwk.pkey, jkt);
	jwk_clear(&jwk);
	return reason;
}

/* RFC 9449 §4.3: compared after normalisation, without query and fragment. */
static enum reason check_url(const struct call *call, struct str htu)
{
	struct str wanted, given;
	enum reason reason = uri_normalize(call->snapshot->token_url, call->arena, &wanted);

	if (reason == REASON_NONE)
		reason = uri_normalize(htu, call->arena, &given);
	if (reason == REASON_URI_SYNTAX || (reason == REASON_NONE && !str_eq(given, wanted)))
		reason = REASON_DPOP_HTU;
	return reason;
}

static enum reason check_claims(
	const struct call *call, const json_t *claims, int64_t *issued_s)
{
	*issued_s = 0;
	if (!str_eq(json_text(claims, "htm"), STR("POST")))
		return REASON_DPOP_HTM;
	enum reason reason = check_url(call, json_text(claims, "htu"));

	if (reason != REASON_NONE)
		return reason;
	if (!jwt_time(claims, "iat", issued_s) || *issued_s < call->now_s - AGE_MAX_S ||
		*issued_s > call->now_s + AHEAD_MAX_S)
		return REASON_JWT_AGE;
	return json_text(claims, "jti").n == 0 ? REASON_JWT_ID : REASON_NONE;
}

static enum reason use_up(
	const struct call *call, const json_t *claims, struct str jkt, int64_t issued_s)
{
	const struct replay_token token = { REPLAY_DPOP, jkt, json_text(claims, "jti"),
		issued_s + AGE_MAX_S + 1 };
	bool is_fresh;
	enum reason reason = replay_remember(
		call->services->store, &token, call->now_s, &is_fresh);

	return reason == REASON_NONE && !is_fresh ? REASON_JWT_REPLAYED : reason;
}

static enum reason check(const struct call *call, const struct jws_parts *parts,
	char jkt[static JWK_THUMBPRINT_LEN + 1])
{
	int64_t issued_s;
	enum reason reason = check_signature(parts, jkt);

	if (reason == REASON_NONE)
		reason = check_claims(call, parts->payload, &issued_s);
	if (reason == REASON_NONE)
		reason = use_up(call, parts->payload, str_of(jkt), issued_s);
	if (reason != REASON_NONE)
		jkt[0] = '\0';
	return reason;
}

bool dpop_is_offered(const struct snapshot *snapshot)
{
	return snapshot->state.n > 0;
}

enum reason dpop_verify(
	const struct call *call, char jkt[static JWK_THUMBPRINT_LEN + 1], struct audit *audit)
{
	struct str proof;
	struct jws_parts parts;

	jkt[0] = '\0';
	enum reason reason = find_proof(call->request, &proof);

	/* Some web servers hand on an empty variable for a header that was not sent. */
	if (!dpop_is_offered(call->snapshot) || (reason == REASON_NONE && proof.n == 0))
		return REASON_NONE;
	if (reason == REASON_NONE)
		reason = jwt_split(proof, call->arena, &parts);
	if (reason == REASON_NONE) {
		reason = check(call, &parts, jkt);
		jws_parts_clear(&parts);
	}
	return audit_refuse(audit, reason, REASON_DPOP);
}
