/* SPDX-License-Identifier: MIT */
/* Tests of jose/jwk, with the keys of tests/vectors/jwk.json. */
#include "support.h"
#include "jose/jwk.h"
#include "util/b64url.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

static bool is_clear(const struct jwk *jwk)
{
	return !jwk->pkey && !jwk->kid && !jwk->has_certificate && jwk->alg == JOSE_ALG_NONE;
}

/* Is it the digest that the vector has, in base64url, if it has one? */
static void check_digest(const struct jwk *jwk, struct str wanted, const char *name)
{
	char space[64];
	struct buf text = buf_init(space, sizeof(space));

	if (jwk->has_certificate)
		b64url_encode(&text, jwk->certificate_digest, sizeof(jwk->certificate_digest));
	CHECK_TEXT(buf_view(&text), wanted, name);
}

static void check_parsed(const json_t *vector, const struct jwk *jwk, const char *name)
{
	char thumbprint[JWK_THUMBPRINT_LEN + 1];

	CHECK_NUMBER(jwk->alg, alg_find(support_member(vector, "alg")), name);
	CHECK_TEXT(str_of(jwk->kid), support_member(vector, "kid"), name);
	check_digest(jwk, support_member(vector, "certificate"), name);
	CHECK_REASON(jwk_thumbprint(jwk->pkey, thumbprint), REASON_NONE, name);
	CHECK_TEXT(str_of(thumbprint), support_member(vector, "thumbprint"), name);
}

static void test_parse(void **state)
{
	json_t *vectors = support_vectors("jwk.json");
	json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		const char *name = support_member(vector, "name").p;
		enum reason wanted = support_reason(support_member(vector, "reason"));
		struct jwk jwk;

		memset(&jwk, 0xff, sizeof(jwk));
		CHECK_REASON(jwk_parse(json_object_get(vector, "jwk"), &jwk), wanted, name);
		CHECK_NUMBER(ERR_peek_error(), 0, name);
		if (wanted == REASON_NONE && jwk.pkey) {
			check_parsed(vector, &jwk, name);
			jwk_clear(&jwk);
		}
		CHECK(is_clear(&jwk), name);
	}
	json_decref(vectors);
	check_end();
}

/* What was written is read again as the same key, and has exactly these members. */
static void test_write(void **state)
{
	static const struct {
		const char *key;
		enum jose_alg alg;
		const char *members; /* of the key itself, in the order of RFC 7638 */
	} cases[] = {
		{ KEY_RSA, JOSE_ALG_RS256, "e kty n " },
		{ KEY_RSA, JOSE_ALG_PS256, "e kty n " },
		{ KEY_EC, JOSE_ALG_ES256, "crv kty x y " },
		{ KEY_OKP, JOSE_ALG_EDDSA, "crv kty x " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *pkey = support_key(cases[i].key);
		char space[1024], members[64];
		struct buf buf = buf_init(space, sizeof(space));
		struct buf list = buf_init(members, sizeof(members));
		json_t *json, *value;
		struct jwk jwk;
		const char *key;

		CHECK_REASON(jwk_write(&buf, pkey, cases[i].alg, STR("k\"1")), REASON_NONE,
			cases[i].key);
		json = json_loadb(buf.p, buf.n, JSON_REJECT_DUPLICATES, NULL);
		CHECK_REASON(jwk_parse(json, &jwk), REASON_NONE, cases[i].key);
		CHECK(jwk.pkey && EVP_PKEY_eq(pkey, jwk.pkey) == 1, cases[i].key);
		CHECK_NUMBER(jwk.alg, cases[i].alg, cases[i].key);
		CHECK_TEXT(str_of(jwk.kid), STR("k\"1"), cases[i].key);
		CHECK_TEXT(support_member(json, "use"), STR("sig"), cases[i].key);
		jwk_clear(&jwk);
		json_object_del(json, "kid");
		json_object_del(json, "alg");
		json_object_del(json, "use");
		CHECK_NUMBER(json_object_size(json), cases[i].alg == JOSE_ALG_ES256 ? 4 : 3,
			cases[i].key);
		json_decref(json);

		/* RFC 7638 §3.3: no spaces, in lexicographic order */
		buf = buf_init(space, sizeof(space));
		CHECK_REASON(jwk_write(&buf, pkey, cases[i].alg, STR("")), REASON_NONE,
			cases[i].key);
		CHECK(!str_has(buf_view(&buf), ' '), cases[i].key);
		json = json_loadb(buf.p, buf.n, JSON_REJECT_DUPLICATES, NULL);
		json_object_foreach(json, key, value)
		{
			buf_text(&list, key);
			buf_char(&list, ' ');
		}
		CHECK_TEXT(buf_view(&list), str_of(cases[i].members), cases[i].key);
		json_decref(json);

		buf = buf_init(space, 20);
		CHECK(jwk_write(&buf, pkey, cases[i].alg, STR("1")) == REASON_INTERNAL ||
				buf.overflow,
			"no room");
		EVP_PKEY_free(pkey);
	}
	check_end();
}

/* RFC 7518 §6.2.1.2: coordinates have their full length, also with zeros in front. */
static void test_write_full_length(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 600; round++) {
		EVP_PKEY *pkey = EVP_EC_gen("P-256");
		char space[256];
		struct buf buf = buf_init(space, sizeof(space));
		json_t *json;

		assert_non_null(pkey);
		CHECK_REASON(
			jwk_write(&buf, pkey, JOSE_ALG_ES256, STR("")), REASON_NONE, "P-256");
		json = json_loadb(buf.p, buf.n, 0, NULL);
		CHECK_NUMBER(support_member(json, "x").n, 43, "x");
		CHECK_NUMBER(support_member(json, "y").n, 43, "y");
		json_decref(json);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

static void test_private_stays_inside(void **state)
{
	static const char *const keys[] = { KEY_RSA, KEY_EC, KEY_OKP };
	static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "k", "oth" };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		EVP_PKEY *pkey = support_key(keys[i]);
		char space[1024];
		struct buf buf = buf_init(space, sizeof(space));
		json_t *json;

		CHECK_REASON(jwk_write(&buf, pkey, alg_default(pkey), STR("1")), REASON_NONE,
			keys[i]);
		json = json_loadb(buf.p, buf.n, 0, NULL);
		assert_non_null(json);
		for (size_t j = 0; j < COUNT(members); j++)
			CHECK(!json_object_get(json, members[j]), members[j]);
		json_decref(json);
		EVP_PKEY_free(pkey);
	}
	check_end();
}

static void test_thumbprint_of_others(void **state)
{
	char thumbprint[JWK_THUMBPRINT_LEN + 1] = "unset";
	EVP_PKEY *pkey = EVP_EC_gen("P-384");

	(void)state;
	CHECK(jwk_thumbprint(pkey, thumbprint) != REASON_NONE, "unsupported key");
	CHECK_TEXT(str_of(thumbprint), STR(""), "empty on failure");
	EVP_PKEY_free(pkey);
	check_end();
}

static void test_accepts(void **state)
{
	static const struct {
		const char *key;
		enum jose_alg alg; /* that the key names */
		unsigned wanted;
	} cases[] = {
		{ KEY_RSA, JOSE_ALG_NONE,
			JOSE_ALG_BIT(JOSE_ALG_RS256) | JOSE_ALG_BIT(JOSE_ALG_PS256) },
		{ KEY_EC, JOSE_ALG_NONE, JOSE_ALG_BIT(JOSE_ALG_ES256) },
		{ KEY_OKP, JOSE_ALG_NONE, JOSE_ALG_BIT(JOSE_ALG_EDDSA) },
		{ KEY_RSA, JOSE_ALG_RS256, JOSE_ALG_BIT(JOSE_ALG_RS256) },
		{ KEY_RSA, JOSE_ALG_RS384, JOSE_ALG_BIT(JOSE_ALG_RS384) },
		{ KEY_RSA, JOSE_ALG_RS512, JOSE_ALG_BIT(JOSE_ALG_RS512) },
		{ KEY_RSA, JOSE_ALG_PS256, JOSE_ALG_BIT(JOSE_ALG_PS256) },
		{ KEY_EC, JOSE_ALG_ES256, JOSE_ALG_BIT(JOSE_ALG_ES256) },
		{ KEY_OKP, JOSE_ALG_EDDSA, JOSE_ALG_BIT(JOSE_ALG_EDDSA) },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct jwk jwk = { .pkey = support_key(cases[i].key), .alg = cases[i].alg };

		for (enum jose_alg alg = JOSE_ALG_NONE; alg < JOSE_ALG__MAX; alg++)
			CHECK(jwk_accepts(&jwk, alg) ==
					(alg != JOSE_ALG_NONE &&
						(cases[i].wanted & JOSE_ALG_BIT(alg)) != 0),
				cases[i].key);
		jwk_clear(&jwk);
	}
	check_end();
}

/* A configuration can have a NUL in a text: what stands before it is not the text. */
static void test_kid(void **state)
{
	static const struct {
		const char *kid; /* JSON */
		enum reason wanted;
	} cases[] = {
		{ "\"1\"", REASON_NONE },
		{ "\"\"", REASON_JWK_SYNTAX },
		{ "\"\\u0000\"", REASON_JWK_SYNTAX },
		{ "\"1\\u00002\"", REASON_JWK_SYNTAX },
		{ "1", REASON_JWK_SYNTAX },
	};
	EVP_PKEY *pkey = support_key(KEY_OKP);
	char space[256];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	CHECK_REASON(jwk_write(&buf, pkey, JOSE_ALG_NONE, STR("")), REASON_NONE, "OKP");
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *json = json_loadb(buf.p, buf.n, 0, NULL);
		struct jwk jwk;

		assert_int_equal(json_object_set_new(json, "kid",
					 json_loads(cases[i].kid,
						 JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)),
			0);
		CHECK_REASON(jwk_parse(json, &jwk), cases[i].wanted, cases[i].kid);
		jwk_clear(&jwk);
		json_decref(json);
	}
	EVP_PKEY_free(pkey);
	check_end();
}

/* RFC 7517 §4.3: among what it is for must be to verify. */
static void test_key_ops(void **state)
{
	static const struct {
		const char *operations; /* JSON */
		enum reason wanted;
	} cases[] = {
		{ "[\"verify\"]", REASON_NONE },
		{ "[\"sign\",\"verify\"]", REASON_NONE },
		{ "[1,null,[\"verify\"],\"verify\"]", REASON_NONE },
		{ "[\"sign\"]", REASON_JWK_USE },
		{ "[\"Verify\",\"verifyAll\"]", REASON_JWK_USE },
		{ "[\"verify\\u0000\"]", REASON_JWK_USE },
		{ "[1,null,true,{\"verify\":1}]", REASON_JWK_USE },
		{ "[]", REASON_JWK_USE },
		{ "\"verify\"", REASON_JWK_USE },
		{ "null", REASON_JWK_USE },
	};
	EVP_PKEY *pkey = support_key(KEY_OKP);
	char space[256];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	CHECK_REASON(jwk_write(&buf, pkey, JOSE_ALG_NONE, STR("")), REASON_NONE, "OKP");
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *json = json_loadb(buf.p, buf.n, 0, NULL);
		struct jwk jwk;

		assert_int_equal(json_object_set_new(json, "key_ops",
					 json_loads(cases[i].operations,
						 JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)),
			0);
		CHECK_REASON(jwk_parse(json, &jwk), cases[i].wanted, cases[i].operations);
		CHECK((jwk.pkey != NULL) == (cases[i].wanted == REASON_NONE),
			cases[i].operations);
		jwk_clear(&jwk);
		json_decref(json);
	}
	EVP_PKEY_free(pkey);
	check_end();
}

/* A modulus above all that is ever loaded is not written, and not cut off. */
static void test_write_too_large(void **state)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *n = BN_new(), *e = BN_new();
	char space[4096], thumbprint[JWK_THUMBPRINT_LEN + 1] = "unset";
	struct buf buf = buf_init(space, sizeof(space));
	EVP_PKEY *pkey = NULL;

	(void)state;
	assert_true(n && e && BN_set_bit(n, 8192) && BN_add_word(n, 1) && BN_set_word(e, 3));
	assert_true(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
		    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e));
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);

	assert_true(EVP_PKEY_fromdata_init(ctx) == 1 &&
		    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1);
	CHECK_REASON(
		jwk_write(&buf, pkey, JOSE_ALG_RS256, STR("1")), REASON_INTERNAL, "8193 bits");
	CHECK_REASON(jwk_thumbprint(pkey, thumbprint), REASON_INTERNAL, "8193 bits");
	CHECK_TEXT(str_of(thumbprint), STR(""), "empty on failure");
	EVP_PKEY_free(pkey);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(e);
	check_end();
}

/* More than is ever read as a certificate. */
static void test_large_certificate(void **state)
{
	EVP_PKEY *pkey = support_key(KEY_OKP);
	char space[256];
	struct buf buf = buf_init(space, sizeof(space));
	const size_t size = 1000000;
	char *text = malloc(size);
	struct jwk jwk;
	json_t *json;

	(void)state;
	assert_non_null(text);
	memset(text, 'A', size);
	CHECK_REASON(jwk_write(&buf, pkey, JOSE_ALG_NONE, STR("")), REASON_NONE, "large");
	json = json_loadb(buf.p, buf.n, 0, NULL);
	assert_int_equal(json_object_set_new(json, "x5c", json_pack("[s%]", text, size)), 0);
	CHECK_REASON(jwk_parse(json, &jwk), REASON_JWK_CERTIFICATE, "large");
	CHECK(is_clear(&jwk), "large");
	json_decref(json);
	free(text);
	EVP_PKEY_free(pkey);
	check_end();
}

static void test_clear(void **state)
{
	struct jwk jwk = { 0 };

	(void)state;
	jwk_clear(&jwk);
	jwk_clear(&jwk);
	CHECK(is_clear(&jwk), "nothing to free");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_full_length),
		cmocka_unit_test(test_private_stays_inside),
		cmocka_unit_test(test_thumbprint_of_others),
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_kid),
		cmocka_unit_test(test_key_ops),
		cmocka_unit_test(test_write_too_large),
		cmocka_unit_test(test_large_certificate),
		cmocka_unit_test(test_clear),
	};

	return cmocka_run_group_tests_name("jwk", tests, NULL, NULL);
}
