/* SPDX-License-Identifier: MIT */
/*
 * Access tokens that come back, for introspection and revocation.
 *
 * Input: header, line feed, claims; the target signs them by the issuer's own key, and has an
 * opinion of its own on whether such a token is active.
 */
#include "served.h"

#define CREDENTIALS "client_id=few&client_secret=" FIXTURE_SECRET
#define OTHERS "client_id=both&client_secret=" FIXTURE_SECRET

static struct str sign(struct str header, struct str claims)
{
	char *p = arena_alloc(served.arena, KEY_JWS_MAX);
	struct buf jws = buf_init(p, KEY_JWS_MAX);

	REQUIRE(p != NULL);
	REQUIRE(jws_sign(served.snapshot->keyring.active->signer, header, claims, &jws) ==
		REASON_NONE);
	return buf_view(&jws);
}

static bool is_client(struct str id)
{
	static const char *const enabled[] = { "both", "basic", "post", "other/grants", "proof",
		"office", "resources", "few", "expired", "keys", "shared" };

	for (size_t i = 0; i < COUNT(enabled); i++) {
		if (str_eq(id, str_of(enabled[i])))
			return true;
	}
	return false;
}

static bool is_header_good(const json_t *header)
{
	return str_eq(support_member(header, "kid"), STR(SERVED_KID)) &&
	       str_eq(support_member(header, "alg"), STR("EdDSA")) &&
	       (str_eq(support_member(header, "typ"), STR("JWT")) ||
		       str_eq(support_member(header, "typ"), STR("at+jwt"))) &&
	       json_object_get(header, "crit") == NULL;
}

static bool are_times_good(const json_t *claims)
{
	const json_t *exp = json_object_get(claims, "exp");
	const json_t *nbf = json_object_get(claims, "nbf");
	double nbf_s = json_number_value(nbf);

	if (!json_is_number(exp) || json_number_value(exp) < (double)NOW_S + 1)
		return false;
	return nbf == NULL || (json_is_number(nbf) && nbf_s >= 0 && nbf_s < (double)NOW_S + 11);
}

/* May it be active? */
static bool is_good(struct str header_text, struct str claims_text, struct str *client)
{
	json_t *header = json_loadb(header_text.p, header_text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *claims = json_loadb(claims_text.p, claims_text.n, JSON_REJECT_DUPLICATES, NULL);

	REQUIRE(arena_copy(served.arena, support_member(claims, "sub"), client));
	bool good = is_header_good(header) && are_times_good(claims) && is_client(*client) &&
		    str_eq(support_member(claims, "iss"), STR(FIXTURE_ISSUER)) &&
		    support_member(claims, "jti").n > 0;

	json_decref(header);
	json_decref(claims);
	return good;
}

static void post(const char *path, const char *credentials, struct str token)
{
	static char room[3 * KEY_JWS_MAX + 256];
	struct buf body = buf_init(room, sizeof(room));

	buf_text(&body, credentials);
	served_parameter(&body, "token", token);
	REQUIRE(!body.overflow);
	arena_reset(served.arena);
	served_post(path, buf_view(&body), NULL);
}

static bool is_active(struct str token, struct str client)
{
	post("/introspect", CREDENTIALS, token);
	if (response.status == 413)
		return false;
	REQUIRE(response.status == 200);
	json_t *json = served_json();
	bool active = json_is_true(json_object_get(json, "active"));

	REQUIRE(active || json_object_size(json) == 1);
	REQUIRE(!active || str_eq(support_member(json, "client_id"), client));
	json_decref(json);
	return active;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str claims = fuzz_input(data, size), header = fuzz_line(&claims), client;

	if (size > 8000)
		return 0;
	served_forget();
	struct str signed_token = sign(header, claims);
	char *token_copy = fuzz_copy(signed_token), client_text[256] = "";
	struct str token = { token_copy, signed_token.n };
	bool good = is_good(header, claims, &client);

	if (good)
		memcpy(client_text, client.p, client.n);
	bool active = is_active(token, str_of(client_text));

	REQUIRE(good || !active);
	/* Nobody revokes what belongs to somebody else. */
	post("/revoke", OTHERS, token);
	REQUIRE(response.status == 200 || response.status == 413);
	bool still = is_active(token, str_of(client_text));
	bool own = str_eq(str_of(client_text), STR("both"));

	REQUIRE(still == (active && !own));
	free(token_copy);
	return 0;
}
