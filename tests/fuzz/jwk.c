/* SPDX-License-Identifier: MIT */
/* One public key, or a set of them, in JSON: read, written, read again. */
#include "fuzz.h"

#include "jose/jwk.h"

#define JSON_SIZE 8192

static void check_same(const struct jwk *a, const struct jwk *b)
{
	char first[JWK_THUMBPRINT_LEN + 1], second[JWK_THUMBPRINT_LEN + 1];

	REQUIRE(EVP_PKEY_eq(a->pkey, b->pkey) == 1);
	REQUIRE(jwk_thumbprint(a->pkey, first) == REASON_NONE);
	REQUIRE(jwk_thumbprint(b->pkey, second) == REASON_NONE);
	REQUIRE(strlen(first) == JWK_THUMBPRINT_LEN && strcmp(first, second) == 0);
	REQUIRE(a->kid == NULL || strcmp(a->kid, b->kid) == 0);
}

static void check_written(const struct jwk *jwk)
{
	static char room[JSON_SIZE];
	struct buf text = buf_init(room, sizeof(room));
	enum jose_alg alg = jwk->alg != JOSE_ALG_NONE ? jwk->alg : alg_default(jwk->pkey);
	struct jwk again;

	REQUIRE(jwk_accepts(jwk, alg) && alg_fits(alg, jwk->pkey));
	if (jwk_write(&text, jwk->pkey, alg, str_of(jwk->kid)) != REASON_NONE) {
		REQUIRE(text.overflow);
		return;
	}
	json_t *json = json_loadb(room, text.n, JSON_REJECT_DUPLICATES, NULL);

	REQUIRE(json != NULL && jwk_parse(json, &again) == REASON_NONE);
	REQUIRE(json_object_get(json, "d") == NULL);
	check_same(jwk, &again);
	jwk_clear(&again);
	json_decref(json);
}

static void check_key(const json_t *json)
{
	struct jwk jwk;

	if (jwk_parse(json, &jwk) != REASON_NONE) {
		REQUIRE(jwk.pkey == NULL && jwk.kid == NULL && !jwk.has_certificate);
		return;
	}
	REQUIRE(json_is_object(json) && json_object_get(json, "d") == NULL);
	REQUIRE(key_check_strength(jwk.pkey) == REASON_NONE);
	check_written(&jwk);
	jwk_clear(&jwk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
	const json_t *keys = json_object_get(json, "keys");

	check_key(json);
	for (size_t i = 0; i < json_array_size(keys) && i < 8; i++)
		check_key(json_array_get(keys, i));
	json_decref(json);
	return 0;
}
