/* SPDX-License-Identifier: MIT */
/* Tests of domain/keyring. */
#include "support.h"
#include "domain/keyring.h"

static struct signing_key keys[3];
static struct keyring keyring;

static int make_keyring(void **state)
{
	(void)state;
	keys[0] = (struct signing_key){ support_key(KEY_RSA), JOSE_ALG_RS256, KEY_ACTIVE,
		STR("a"), .signer = NULL };
	keys[1] = (struct signing_key){ support_key(KEY_EC), JOSE_ALG_ES256, KEY_NEXT, STR("b"),
		.signer = NULL };
	keys[2] = (struct signing_key){ support_key(KEY_OKP), JOSE_ALG_EDDSA, KEY_RETIRED,
		STR("c"), .signer = NULL };
	keys[0].signer = jws_signer_new(keys[0].pkey, JOSE_ALG_RS256);
	keyring = (struct keyring){ keys, COUNT(keys), &keys[0] };
	return keys[0].signer ? 0 : 1;
}

static int clear_keyring(void **state)
{
	(void)state;
	keyring_clear(&keyring);
	/* Twice does no harm. */
	keyring_clear(&keyring);
	return keyring.active || keyring.count ? 1 : 0;
}

static void test_state_names(void **state)
{
	(void)state;
	CHECK_TEXT(str_of(key_state_name(KEY_ACTIVE)), STR("active"), "active");
	CHECK_TEXT(str_of(key_state_name(KEY_NEXT)), STR("next"), "next");
	CHECK_TEXT(str_of(key_state_name(KEY_RETIRED)), STR("retired"), "retired");
	check_end();
}

static void test_find(void **state)
{
	(void)state;
	CHECK(keyring_find(&keyring, STR("a")) == &keys[0], "first");
	CHECK(keyring_find(&keyring, STR("c")) == &keys[2], "last");
	CHECK(!keyring_find(&keyring, STR("d")), "unknown");
	CHECK(!keyring_find(&keyring, STR("A")), "case");
	CHECK(!keyring_find(&keyring, STR("")), "empty");
	CHECK(!keyring_find(&keyring, STR("a\0")), "NUL");
	check_end();
}

static void test_jwks(void **state)
{
	static const struct {
		const char *kid;
		const char *alg;
		const char *kty;
		size_t members;
	} wanted[] = {
		{ "a", "RS256", "RSA", 6 },
		{ "b", "ES256", "EC", 7 },
		{ "c", "EdDSA", "OKP", 6 },
	};
	static const char *const private_members[] = { "d", "p", "q", "dp", "dq", "qi", "k",
		"oth" };
	char space[4096];
	struct buf buf = buf_init(space, sizeof(space));
	json_t *jwks, *list;

	(void)state;
	CHECK_REASON(keyring_write_jwks(&keyring, &buf), REASON_NONE, "JWKS");
	jwks = json_loadb(buf.p, buf.n, JSON_REJECT_DUPLICATES, NULL);
	list = json_object_get(jwks, "keys");
	CHECK_NUMBER(json_object_size(jwks), 1, "keys alone");
	CHECK_NUMBER(json_array_size(list), COUNT(wanted), "all states are published");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *key = json_array_get(list, i);

		CHECK_TEXT(support_member(key, "kid"), str_of(wanted[i].kid), wanted[i].kid);
		CHECK_TEXT(support_member(key, "alg"), str_of(wanted[i].alg), wanted[i].kid);
		CHECK_TEXT(support_member(key, "kty"), str_of(wanted[i].kty), wanted[i].kid);
		CHECK_TEXT(support_member(key, "use"), STR("sig"), wanted[i].kid);
		CHECK_NUMBER(json_object_size(key), wanted[i].members, wanted[i].kid);
		for (size_t j = 0; j < COUNT(private_members); j++)
			CHECK(!json_object_get(key, private_members[j]), private_members[j]);
	}
	json_decref(jwks);

	buf = buf_init(space, 100);
	CHECK_REASON(keyring_write_jwks(&keyring, &buf), REASON_INTERNAL, "no room");
	check_end();
}

/* However little is missing, and be it the last bracket: no list that is cut off. */
static void test_jwks_no_room(void **state)
{
	char space[4096];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	CHECK_REASON(keyring_write_jwks(&keyring, &buf), REASON_NONE, "room");
	const size_t size = buf.n;

	buf = buf_init(space, size);
	CHECK_REASON(keyring_write_jwks(&keyring, &buf), REASON_NONE, "just enough");
	for (size_t missing = 1; missing <= size; missing++) {
		buf = buf_init(space, size - missing);
		CHECK_REASON(keyring_write_jwks(&keyring, &buf), REASON_INTERNAL, "too little");
	}
	check_end();
}

/* RFC 7515 A.2's key, as it must be published. */
static void test_jwks_values(void **state)
{
	json_t *vectors = support_vectors("jwk.json");
	char space[4096];
	struct buf buf = buf_init(space, sizeof(space));
	json_t *jwks;
	json_t *vector;
	size_t i;

	(void)state;
	CHECK_REASON(keyring_write_jwks(&keyring, &buf), REASON_NONE, "JWKS");
	jwks = json_loadb(buf.p, buf.n, 0, NULL);
	json_array_foreach(vectors, i, vector)
	{
		const json_t *jwk = json_object_get(vector, "jwk");

		if (str_eq(support_member(vector, "name"), STR("RFC 7515 A.2")))
			CHECK_TEXT(
				support_member(
					json_array_get(json_object_get(jwks, "keys"), 0), "n"),
				support_member(jwk, "n"), "n");
		if (str_eq(support_member(vector, "name"), STR("RFC 7515 A.3")))
			CHECK_TEXT(
				support_member(
					json_array_get(json_object_get(jwks, "keys"), 1), "y"),
				support_member(jwk, "y"), "y");
	}
	json_decref(jwks);
	json_decref(vectors);
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_names),
		cmocka_unit_test_setup_teardown(test_find, make_keyring, clear_keyring),
		cmocka_unit_test_setup_teardown(test_jwks, make_keyring, clear_keyring),
		cmocka_unit_test_setup_teardown(test_jwks_no_room, make_keyring, clear_keyring),
		cmocka_unit_test_setup_teardown(test_jwks_values, make_keyring, clear_keyring),
	};

	return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}
