/* SPDX-License-Identifier: MIT */
/*
 * Client assertions: what stands behind a good signature.
 *
 * Input: a byte, the header and a line feed, the claims.  The target signs them by a registered
 * key, sends them to the token endpoint, and has an opinion of its own on what must come of it.
 */
#include "served.h"

/* The bits of the first byte. */
#define KEY_BITS 3U
#define WITH_CLIENT_ID 4U
#define FOREIGN 8U /* another client's name in the body */

enum opinion {
	MUST_FAIL,
	MUST_DO,
	MAY_FAIL,
};

static bool is_text(const json_t *object, const char *name, const char *text)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) && json_string_length(value) == strlen(text) &&
	       strcmp(json_string_value(value), text) == 0;
}

static bool is_header_good(const json_t *header, enum sign_key key)
{
	const json_t *typ = json_object_get(header, "typ");
	const json_t *kid = json_object_get(header, "kid");

	if (!is_text(header, "alg", alg_info(key_algs[key])->name))
		return false;
	if (typ != NULL && !is_text(header, "typ", "JWT") &&
		!is_text(header, "typ", "client-authentication+jwt"))
		return false;
	if (kid != NULL && (key != SIGN_OKP || !is_text(header, "kid", "okp")))
		return false;
	return json_object_get(header, "crit") == NULL;
}

static bool is_time(const json_t *claims, const char *name, double least, double most)
{
	const json_t *value = json_object_get(claims, name);
	double time_s = json_number_value(value);

	return json_is_number(value) && time_s >= 0 && time_s >= least && time_s < most + 1;
}

static bool is_audience_good(const json_t *claims)
{
	const json_t *aud = json_object_get(claims, "aud"), *item = json_array_get(aud, 0);

	if (json_is_array(aud))
		return json_array_size(aud) == 1 && json_is_string(item) &&
		       str_eq((struct str){ json_string_value(item), json_string_length(item) },
			       STR(FIXTURE_ISSUER));
	return is_text(claims, "aud", FIXTURE_ISSUER);
}

static bool are_claims_good(const json_t *claims, const char *client)
{
	const double now_s = (double)NOW_S;

	return is_text(claims, "iss", client) && is_text(claims, "sub", client) &&
	       is_audience_good(claims) && is_time(claims, "exp", now_s - 10, now_s + 3600) &&
	       (json_object_get(claims, "nbf") == NULL ||
		       is_time(claims, "nbf", 0, now_s + 10)) &&
	       (json_object_get(claims, "iat") == NULL ||
		       is_time(claims, "iat", 0, now_s + 10)) &&
	       support_member(claims, "jti").n > 0;
}

/* Nesting has a limit of ours, and who names b64 may mean something that we do not support. */
static bool is_usual(struct str text, const json_t *header)
{
	size_t depth = 0;

	for (size_t i = 0; i < text.n; i++)
		depth += text.p[i] == '[' || text.p[i] == '{';
	return depth < 30 && json_object_get(header, "b64") == NULL && text.n < 5000;
}

static enum opinion judge(
	struct str header_text, struct str claims_text, enum sign_key key, unsigned flags)
{
	const char *client = key == SIGN_SHARED ? "shared" : "keys";
	json_t *header = json_loadb(header_text.p, header_text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *claims = json_loadb(claims_text.p, claims_text.n, JSON_REJECT_DUPLICATES, NULL);
	enum opinion opinion = MUST_FAIL;

	if (json_is_object(header) && json_is_object(claims) && is_header_good(header, key) &&
		are_claims_good(claims, client) && (flags & FOREIGN) == 0)
		opinion = is_usual(header_text, header) && is_usual(claims_text, header)
				  ? MUST_DO
				  : MAY_FAIL;
	json_decref(header);
	json_decref(claims);
	return opinion;
}

static void send(struct str assertion, enum sign_key key, unsigned flags)
{
	static char room[3 * KEY_JWS_MAX];
	struct buf body = buf_init(room, sizeof(room));

	buf_text(&body, "grant_type=client_credentials&client_assertion_type="
			"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer");
	buf_text(&body, "&client_assertion=");
	buf_str(&body, assertion);
	if ((flags & FOREIGN) != 0)
		served_parameter(&body, "client_id", STR("both"));
	else if ((flags & WITH_CLIENT_ID) != 0)
		served_parameter(
			&body, "client_id", key == SIGN_SHARED ? STR("shared") : STR("keys"));
	REQUIRE(!body.overflow);
	served_post("/token", buf_view(&body), NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str claims = fuzz_input(data, size);
	unsigned flags = fuzz_byte(&claims);
	enum sign_key key = (flags & KEY_BITS) % SIGN__MAX;
	struct str header = fuzz_line(&claims);

	if (size > 12000)
		return 0;
	served_forget();
	enum opinion opinion = judge(header, claims, key, flags);
	struct str assertion = key_sign(key, header, claims, served.arena);

	send(assertion, key, flags);
	REQUIRE(opinion != MUST_FAIL || response.status != 200);
	REQUIRE(opinion != MUST_DO || response.status == 200);
	if (response.status == 200) {
		send(assertion, key, flags);
		REQUIRE(response.status == 401 && audit.cause == REASON_JWT_REPLAYED);
	}
	return 0;
}
