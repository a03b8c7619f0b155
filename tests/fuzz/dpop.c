/* SPDX-License-Identifier: MIT */
/*
 * DPoP proofs: what stands behind a good signature.
 *
 * Input: a byte, the header and a line feed, the claims.  In the header, @ stands for the
 * public key as JSON, so that what the target signs can be verified.
 */
#include "served.h"

#include "../unit/makers.h"

#define BODY "grant_type=client_credentials&client_id=proof&client_secret=" FIXTURE_SECRET

static const char *const members[] = { JWK_OKP_MEMBERS, JWK_EC_MEMBERS };

/* The header with the key in the place of the first @. */
static struct str expand(struct str header, enum sign_key key, struct arena *arena)
{
	struct str rest = header, before;
	size_t size = header.n + 512;
	char *p = arena_alloc(arena, size);
	struct buf text = buf_init(p, size);

	REQUIRE(p != NULL);
	bool found = str_cut(&rest, '@', &before);

	buf_str(&text, before);
	if (found) {
		buf_char(&text, '{');
		buf_text(&text, members[key]);
		buf_char(&text, '}');
	}
	buf_str(&text, rest);
	return buf_view(&text);
}

static bool is_text(const json_t *object, const char *name, const char *text)
{
	return json_is_string(json_object_get(object, name)) &&
	       str_eq(support_member(object, name), str_of(text));
}

/* Only what must hold: how URLs may differ is the business of uri_normalize. */
static bool may_be_good(struct str header_text, struct str claims_text, enum sign_key key)
{
	json_t *header = json_loadb(header_text.p, header_text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *claims = json_loadb(claims_text.p, claims_text.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *jwk = json_object_get(header, "jwk");
	double iat = json_number_value(json_object_get(claims, "iat"));
	bool good = is_text(header, "typ", "dpop+jwt") &&
		    is_text(header, "alg", alg_info(key_algs[key])->name) &&
		    json_is_object(jwk) && json_object_get(jwk, "d") == NULL &&
		    json_object_get(header, "crit") == NULL && is_text(claims, "htm", "POST") &&
		    str_contains(support_member(claims, "htu"), STR("oken")) &&
		    json_is_number(json_object_get(claims, "iat")) &&
		    iat >= (double)NOW_S - 60 && iat < (double)NOW_S + 11 &&
		    support_member(claims, "jti").n > 0;

	json_decref(header);
	json_decref(claims);
	return good;
}

/* The form in which nothing is left to interpretation. */
static bool is_plain(struct str header_text, struct str claims_text, enum sign_key key)
{
	json_t *header = json_loadb(header_text.p, header_text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *claims = json_loadb(claims_text.p, claims_text.n, JSON_REJECT_DUPLICATES, NULL);
	char text[512];

	snprintf(text, sizeof(text), "{%s}", members[key]);
	json_t *jwk = json_loads(text, 0, NULL);
	bool plain = may_be_good(header_text, claims_text, key) &&
		     is_text(claims, "htu", SERVED_TOKEN_URL) &&
		     json_object_size(header) == 3 &&
		     json_equal(json_object_get(header, "jwk"), jwk) &&
		     json_object_size(claims) == 4;

	json_decref(jwk);
	json_decref(header);
	json_decref(claims);
	return plain;
}

/* The token must be bound to the key that signed. */
static void check_token(enum sign_key key)
{
	static const char *const thumbprints[] = {
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
		"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
	};
	json_t *json = served_json();
	json_t *claims = served_verify(support_member(json, "access_token"));

	REQUIRE(str_eq(support_member(json, "token_type"), STR("DPoP")));
	REQUIRE(str_eq(support_member(json_object_get(claims, "cnf"), "jkt"),
		str_of(thumbprints[key])));
	json_decref(json);
	json_decref(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str claims = fuzz_input(data, size);
	enum sign_key key = fuzz_byte(&claims) % 2 == 0 ? SIGN_OKP : SIGN_EC;
	struct str line = fuzz_line(&claims);

	if (size > 6000)
		return 0;
	served_forget();
	struct str header = expand(line, key, served.arena);
	struct str proof = key_sign(key, header, claims, served.arena);
	char *variable = arena_alloc(served.arena, proof.n + 16);

	REQUIRE(variable != NULL);
	snprintf(variable, proof.n + 16, "HTTP_DPOP=%.*s", (int)proof.n, proof.p);
	served_post("/token", STR(BODY), variable);
	REQUIRE(response.status != 200 || may_be_good(header, claims, key));
	REQUIRE(response.status == 200 || proof.n > 8192 || !is_plain(header, claims, key));
	if (response.status != 200)
		return 0;
	check_token(key);
	served_post("/token", STR(BODY), variable);
	REQUIRE(response.status == 400 && audit.cause == REASON_JWT_REPLAYED);
	return 0;
}
