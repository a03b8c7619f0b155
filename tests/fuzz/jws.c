/* SPDX-License-Identifier: MIT */
/*
 * JSON web signatures: taken apart, verified, changed.
 *
 * Input: a byte; then either a compact JWS, or two bytes, a header, a line feed and a payload,
 * which the target signs.
 */
#include "keys.h"

#include "jose/json.h"
#include "jose/jwt.h"

#define RAW 4U /* a bit of the first byte */

static enum reason verify(const struct jws_parts *parts, enum sign_key key)
{
	return key == SIGN_SHARED ? jws_verify_secret(parts, STR(KEY_SHARED_TEXT))
				  : jws_verify(parts, key_of(key), key_algs[key]);
}

/* What can be taken apart can be put together. */
static void check_parts(struct str jws, const struct jws_parts *parts)
{
	char *p = malloc(jws.n + 8);
	struct buf text = buf_init(p, jws.n + 8);

	REQUIRE(p != NULL && json_is_object(parts->header));
	buf_str(&text, parts->signing_input);
	buf_char(&text, '.');
	b64url_encode(&text, parts->signature.p, parts->signature.n);
	REQUIRE(str_eq(buf_view(&text), jws));
	REQUIRE(json_object_get(parts->header, "crit") == NULL);
	free(p);
}

static void check_claims(const struct jws_parts *parts)
{
	static const struct str types[] = { STR_CONST("JWT") };
	int64_t time_s;

	if (jwt_time(parts->payload, "exp", &time_s))
		REQUIRE(time_s >= 0 && time_s <= JWT_TIME_MAX);
	else
		REQUIRE(time_s == 0);
	if (jwt_audience_is(parts->payload, STR("a")))
		REQUIRE(json_object_get(parts->payload, "aud") != NULL);
	if (jwt_type_is(parts->header, (struct str_list){ types, 1 }, false))
		REQUIRE(str_eq(json_text(parts->header, "typ"), types[0]));
}

/* A key with which nobody has signed anything. */
static EVP_PKEY *unused_key(void)
{
	static const unsigned char private_key[32] = "a key that has never been used";
	static EVP_PKEY *pkey;

	if (pkey == NULL)
		pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
	REQUIRE(pkey != NULL);
	return pkey;
}

/* Nobody can guess a signature; those of the RFCs' examples are by the other keys. */
static void check_raw(struct str jws)
{
	struct arena *arena = fuzz_arena();
	struct jws_parts parts;

	if (jws_split(jws, arena, &parts) == REASON_NONE) {
		check_parts(jws, &parts);
		REQUIRE(parts.payload == NULL);
		REQUIRE(jws_verify(&parts, unused_key(), JOSE_ALG_EDDSA) != REASON_NONE);
		REQUIRE(verify(&parts, SIGN_SHARED) != REASON_NONE);
		(void)!verify(&parts, SIGN_OKP);
		(void)!verify(&parts, SIGN_EC);
	}
	jws_parts_clear(&parts);
	if (jwt_split(jws, arena, &parts) == REASON_NONE)
		check_claims(&parts);
	else
		REQUIRE(parts.header == NULL && parts.payload == NULL);
	jws_parts_clear(&parts);
}

/* One bit of a good JWS is another one. */
static void check_changed(struct str jws, size_t at, enum sign_key key, struct arena *arena)
{
	char *copy = fuzz_copy(jws);
	struct str changed = { copy, jws.n };
	struct jws_parts parts;

	copy[at / 8 % jws.n] ^= (char)(1 << at % 8);
	if (jws_split(changed, arena, &parts) == REASON_NONE)
		REQUIRE(verify(&parts, key) != REASON_NONE);
	jws_parts_clear(&parts);
	free(copy);
}

static void check_signed(struct str rest, enum sign_key key)
{
	struct arena *arena = fuzz_arena();
	size_t at = fuzz_byte(&rest) << 8;
	struct jws_parts parts;

	at |= fuzz_byte(&rest);
	struct str header = fuzz_line(&rest);
	struct str jws = key_sign(key, header, rest, arena);

	if (jws.n == 0)
		return;
	enum reason reason = jws_split(jws, arena, &parts);

	if (reason == REASON_NONE) {
		bool named = str_eq(
			json_text(parts.header, "alg"), str_of(alg_info(key_algs[key])->name));

		check_parts(jws, &parts);
		REQUIRE(str_eq(parts.payload_text, rest));
		REQUIRE((verify(&parts, key) == REASON_NONE) == named);
		for (enum sign_key other = 0; other < SIGN__MAX; other++)
			REQUIRE(other == key || verify(&parts, other) != REASON_NONE);
		check_changed(jws, at, key, arena);
	}
	jws_parts_clear(&parts);
	if (jwt_split(jws, arena, &parts) == REASON_NONE)
		check_claims(&parts);
	jws_parts_clear(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(fuzz_input(data, size));
	struct str rest = { copy, size };
	unsigned flags = fuzz_byte(&rest);

	if (size < 20000) {
		if ((flags & RAW) != 0)
			check_raw(rest);
		else
			check_signed(rest, (flags & 3) % SIGN__MAX);
	}
	free(copy);
	return 0;
}
