/* SPDX-License-Identifier: MIT */
/* The checks of selftest that get a token and verify it as an API would. */
#include "duration.h"
#include "jose/json.h"
#include "jose/jwk.h"
#include "jose/jwt.h"
#include "selftest.h"

static struct str access_token(const struct answer *answer)
{
	return json_text(answer->json, "access_token");
}

static bool is_granted(const struct answer *answer)
{
	return answer->web.trouble == WEB_ANSWERED && answer->web.status == 200 &&
	       access_token(answer).n > 0;
}

void check_token(struct selftest *run, struct finding *finding)
{
	if (run->client_id.n == 0) {
		selftest_skip(finding, "no --client was given");
		return;
	}
	const struct answer *answer = selftest_ask(run, PROBE_TOKEN);
	struct finding *no_store = &run->findings[CHECK_NO_STORE];

	if (!is_granted(answer)) {
		selftest_fail_answer(run, finding, answer, ADVICE_NONE);
		return;
	}
	if (str_eq_nocase(json_text(answer->json, "token_type"), STR("Bearer")))
		selftest_pass(finding, "200, an access token");
	else
		selftest_fail(finding, ADVICE_NONE, "the token_type is not \"Bearer\"");
	/* Only now, as its request is the last one. */
	if (no_store->result == RESULT_OK)
		(void)selftest_is_uncached(run, no_store, PROBE_TOKEN);
}

/* The key of the JWKS that the token names. */
static enum reason find_key(const json_t *keys, struct str kid, struct jwk *jwk)
{
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *key = json_array_get(keys, i);

		if (kid.n > 0 && str_eq(json_text(key, "kid"), kid))
			return jwk_parse(key, jwk);
	}
	return REASON_JWS_KID;
}

static enum reason verify(const struct jws_parts *parts, const json_t *keys)
{
	struct jwk jwk = { 0 };
	enum jose_alg alg = alg_find(json_text(parts->header, "alg"));
	enum reason reason = find_key(keys, json_text(parts->header, "kid"), &jwk);

	if (reason != REASON_NONE)
		return reason;
	reason = jwk_accepts(&jwk, alg) ? jws_verify(parts, jwk.pkey, alg) : REASON_JWS_ALG;
	jwk_clear(&jwk);
	return reason;
}

static void judge_claims(struct selftest *run, struct finding *finding, const json_t *claims)
{
	struct str issuer = json_text(claims, "iss"), subject = json_text(claims, "sub");
	char text[DURATION_SENTENCE_SIZE];
	struct buf left = buf_init(text, sizeof(text));
	int64_t expires_s, now_s = selftest_ask(run, PROBE_TOKEN)->web.received_ms / 1000;

	if (!str_eq(issuer, selftest_issuer(run))) {
		selftest_fail(finding, ADVICE_NONE, "iss is not the issuer of the metadata");
	} else if (!str_eq(subject, run->client_id)) {
		selftest_fail(finding, ADVICE_NONE, "sub is not the client");
	} else if (!jwt_time(claims, "exp", &expires_s) || expires_s <= now_s) {
		selftest_fail(finding, ADVICE_NONE,
			"exp does not lie ahead, by this machine's clock");
	} else {
		duration_write(&left, expires_s - now_s);
		selftest_pass(finding, "a published key verifies it; it expires in %.*s",
			(int)left.n, text);
	}
}

void check_signature(struct selftest *run, struct finding *finding)
{
	struct jws_parts parts;

	if (run->client_id.n == 0 || !is_granted(selftest_ask(run, PROBE_TOKEN))) {
		selftest_skip(finding,
			run->client_id.n == 0 ? "no --client was given" : "there is no token");
		return;
	}
	const json_t *keys = json_object_get(selftest_ask(run, PROBE_JWKS)->json, "keys");
	enum reason reason = jwt_split(
		access_token(selftest_ask(run, PROBE_TOKEN)), run->arena, &parts);

	if (reason == REASON_NONE)
		reason = verify(&parts, keys);
	if (reason != REASON_NONE)
		selftest_fail(finding, ADVICE_NONE, "the published keys do not verify it: %s",
			reason_info(reason)->name);
	else
		judge_claims(run, finding, parts.payload);
	jws_parts_clear(&parts);
}
