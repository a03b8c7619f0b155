/* SPDX-License-Identifier: MIT */
/* Tests of oauth/issued: which tokens are ours, by each key of the ring and each algorithm. */
#include "fixture.h"
#include "makers.h"
#include "oauth/issued.h"
#include "oauth/mint.h"

static struct fixture fixture;

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture);
	fixture_add(&fixture, "CLIENT");
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static struct str mint(enum token_profile profile)
{
	static const struct str audience[] = { TEXT("a"), TEXT("b") };
	const struct grant grant = {
		.client = &fixture.clients[0],
		.audience = { audience, COUNT(audience) },
		.lifetime_s = 300,
		.profile = profile,
	};
	struct token token;

	assert_int_equal(mint_token(fixture.snapshot, &grant, NOW_S, &support_random,
				 fixture.arena, &token),
		REASON_NONE);
	return token.jwt;
}

static bool is_cleared(const struct issued *issued)
{
	return !issued->parts.header && !issued->parts.payload && !issued->client_id.n &&
	       !issued->jti.n && issued->expires_s == 0;
}

static enum reason verify(struct str token, int64_t now_s, const char *name)
{
	struct issued issued;
	enum reason reason;

	memset(&issued, 0xff, sizeof(issued));
	reason = issued_verify(fixture.snapshot, token, now_s, fixture.arena, &issued);
	if (reason != REASON_NONE) {
		CHECK(is_cleared(&issued), name);
		return reason;
	}
	CHECK_TEXT(issued.client_id, STR("CLIENT"), name);
	CHECK_TEXT(issued.jti, STR("00010203-0405-4607-8809-0a0b0c0d0e0f"), name);
	CHECK_NUMBER(issued.expires_s, NOW_S + 300, name);
	issued_clear(&issued);
	CHECK(is_cleared(&issued), name);
	return reason;
}

/* What mint makes is ours, whatever the algorithm and the profile. */
static void test_round_trip(void **state)
{
	(void)state;
	fixture_use_key(&fixture, JOSE_ALG_RS256);
	fixture_seal(&fixture);
	for (int alg = JOSE_ALG_RS256; alg < JOSE_ALG_PAIRS__MAX; alg++) {
		const char *name = alg_info((enum jose_alg)alg)->name;

		keyring_clear(&fixture.snapshot->keyring);
		fixture_use_key(&fixture, (enum jose_alg)alg);
		for (int profile = 0; profile < PROFILE__MAX; profile++) {
			struct str token = mint((enum token_profile)profile);

			CHECK_REASON(verify(token, NOW_S, name), REASON_NONE, name);
			CHECK_REASON(verify(token, NOW_S + 299, name), REASON_NONE, name);
			CHECK_REASON(
				verify(token, NOW_S + 300, name), REASON_JWT_EXPIRED, name);
		}
	}
	check_end();
}

/* Ours is also what is not valid yet; whether it is, is a question of its own. */
static void test_early(void **state)
{
	static const struct {
		const char *nbf; /* as JSON; NULL: none */
		bool early;
	} rows[] = {
		{ NULL, false },
		{ "1640588828", false },
		{ "1640588829", true },
		{ "1640588828.5", false },
		{ "1640589127", true },
		{ "1740589127", true },
		{ "-1", true },
		{ "0", false },
		{ "1e300", true },
		{ "\"1640588828\"", true },
		{ "\"\"", true },
		{ "[]", true },
		{ "true", true },
	};
	struct maker maker;

	(void)state;
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_seal(&fixture);
	maker = (struct maker){ fixture.snapshot->keyring.active->pkey, JOSE_ALG_ES256,
		STR("") };
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *name = rows[i].nbf ? rows[i].nbf : "none";
		char claims[512];
		struct issued issued;
		char *token;

		snprintf(claims, sizeof(claims),
			"{%s%s%s\"iss\":\"" FIXTURE_ISSUER
			"\",\"sub\":\"CLIENT\",\"jti\":\"j\",\"exp\":1640589128}",
			rows[i].nbf ? "\"nbf\":" : "", rows[i].nbf ? rows[i].nbf : "",
			rows[i].nbf ? "," : "");
		token = make_jws(&maker,
			"{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"2026-11\"}", claims);
		CHECK_REASON(issued_verify(fixture.snapshot, str_of(token), NOW_S,
				     fixture.arena, &issued),
			REASON_NONE, name);
		CHECK_NUMBER(issued_is_early(&issued, NOW_S), rows[i].early, name);
		issued_clear(&issued);
		free(token);
	}
	check_end();
}

/* What mint makes holds from its moment on. */
static void test_clock(void **state)
{
	(void)state;
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_seal(&fixture);
	for (int profile = 0; profile < PROFILE__MAX; profile++) {
		struct str token = mint((enum token_profile)profile);
		struct issued issued;

		CHECK_REASON(issued_verify(fixture.snapshot, token, NOW_S - 1000, fixture.arena,
				     &issued),
			REASON_NONE, "long before");
		CHECK_NUMBER(issued_is_early(&issued, NOW_S - 1), profile == PROFILE_CIAM,
			"RFC 9068 has no nbf");
		CHECK(!issued_is_early(&issued, NOW_S), "now");
		issued_clear(&issued);
	}
	check_end();
}

/* A key that signs no more still verifies; the kid says which, and its alg is its own. */
static void test_keys(void **state)
{
	static const enum key_state states[] = { KEY_RETIRED, KEY_NEXT };
	static const char *const kids[] = { "2026-10", "2026-12" };
	static const char claims[] = "{\"iss\":\"" FIXTURE_ISSUER
				     "\",\"sub\":\"CLIENT\",\"jti\":\"00010203-0405-4607-8809-"
				     "0a0b0c0d0e0f\",\"exp\":"
				     "1640589128}";
	struct keyring *keyring = &fixture.snapshot->keyring;
	struct signing_key *keys;
	struct maker makers[] = { { support_key(KEY_RSA), JOSE_ALG_RS256, STR("") },
		{ support_key(KEY_OKP), JOSE_ALG_EDDSA, STR("") } };

	(void)state;
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	keys = arena_alloc_array(fixture.snapshot->arena, 3, sizeof(*keys));
	assert_non_null(keys);
	keys[0] = keyring->keys[0];
	for (size_t i = 0; i < COUNT(makers); i++)
		keys[i + 1] = (struct signing_key){ makers[i].pkey, makers[i].alg, states[i],
			str_of(kids[i]), .signer = NULL };
	*keyring = (struct keyring){ keys, 3, keys };
	fixture_seal(&fixture);
	for (size_t i = 0; i < COUNT(makers); i++) {
		for (size_t j = 0; j < COUNT(kids); j++) {
			char head[128];
			char *token;

			snprintf(head, sizeof(head),
				"{\"typ\":\"JWT\",\"alg\":\"%s\",\"kid\":\"%s\"}",
				alg_info(makers[i].alg)->name, kids[j]);
			token = make_jws(&makers[i], head, claims);
			CHECK_REASON(verify(str_of(token), NOW_S, kids[j]),
				i == j ? REASON_NONE : REASON_JWS_ALG, kids[j]);
			free(token);
		}
	}
	/* RSA keys take two algorithms, but this one is for RS256. */
	makers[0].alg = JOSE_ALG_PS256;
	char *token = make_jws(
		&makers[0], "{\"typ\":\"JWT\",\"alg\":\"PS256\",\"kid\":\"2026-10\"}", claims);

	CHECK_REASON(verify(str_of(token), NOW_S, "PS256"), REASON_JWS_ALG, "PS256");
	free(token);
	check_end();
}

static void test_claims(void **state)
{
	static const struct {
		const char *name;
		const char *head, *claims;
		enum reason wanted;
	} rows[] = {
		{ "good", NULL, NULL, REASON_NONE },
		{ "unknown kid", "{\"kid\":\"x\"}", NULL, REASON_JWS_KID },
		{ "no kid", "{\"kid\":null}", NULL, REASON_JWS_KID },
		{ "kid is a list", "{\"kid\":[\"2026-11\"]}", NULL, REASON_JWS_KID },
		{ "none", "{\"alg\":\"none\"}", NULL, REASON_JWS_ALG },
		{ "another alg", "{\"alg\":\"RS256\"}", NULL, REASON_JWS_ALG },
		{ "crit", "{\"crit\":[]}", NULL, REASON_JWS_CRIT },
		{ "no typ", "{\"typ\":null}", NULL, REASON_JWT_TYPE },
		{ "an assertion", "{\"typ\":\"client-authentication+jwt\"}", NULL,
			REASON_JWT_TYPE },
		{ "another issuer", NULL, "{\"iss\":\"https://x.example.com\"}",
			REASON_JWT_FOREIGN },
		{ "no issuer", NULL, "{\"iss\":null}", REASON_JWT_FOREIGN },
		{ "no sub", NULL, "{\"sub\":null}", REASON_JWT_ISSUER },
		{ "no jti", NULL, "{\"jti\":null}", REASON_JWT_ID },
		{ "no exp", NULL, "{\"exp\":null}", REASON_JWT_EXPIRY },
		{ "exp is 1e300", NULL, "{\"exp\":1e300}", REASON_JWT_EXPIRY },
		{ "expired", NULL, "{\"exp\":1640588828}", REASON_JWT_EXPIRED },
		{ "early", NULL, "{\"nbf\":1640588839}", REASON_NONE },
		{ "nbf is no time", NULL, "{\"nbf\":\"x\"}", REASON_NONE },
	};
	struct maker maker;

	(void)state;
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_seal(&fixture);
	maker = (struct maker){ fixture.snapshot->keyring.active->pkey, JOSE_ALG_ES256,
		STR("") };
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *head = make_json(
			"{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"2026-11\"}",
			rows[i].head);
		char *claims = make_json(
			"{\"iss\":\"" FIXTURE_ISSUER
			"\",\"sub\":\"CLIENT\",\"jti\":\"00010203-0405-4607-8809-"
			"0a0b0c0d0e0f\",\"exp\":1640589128}",
			rows[i].claims);
		char *token = make_jws(&maker, head, claims);

		CHECK_REASON(verify(str_of(token), NOW_S, rows[i].name), rows[i].wanted,
			rows[i].name);
		free(head);
		free(claims);
		free(token);
	}
	check_end();
}

/* Each bit of a token counts. */
static void test_bits(void **state)
{
	struct str token;
	char text[2048];

	(void)state;
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_seal(&fixture);
	token = mint(PROFILE_CIAM);
	assert_true(token.n < sizeof(text));
	for (size_t i = 0; i < token.n; i++) {
		memcpy(text, token.p, token.n);
		text[i] ^= 1;
		CHECK(verify((struct str){ text, token.n }, NOW_S, "a bit") != REASON_NONE,
			"a bit is another");
		CHECK(verify(str_upto(token, i), NOW_S, "cut off") != REASON_NONE, "cut off");
	}
	CHECK_REASON(verify(token, NOW_S, "whole"), REASON_NONE, "whole");
	check_end();
}

static void test_memory(void **state)
{
	struct arena *large = fixture.arena;
	char text[2048];
	struct str token;
	bool done = false;

	(void)state;
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_seal(&fixture);
	token = mint(PROFILE_CIAM);
	memcpy(text, token.p, token.n);
	token.p = text;
	for (size_t limit = 16; limit < 8192 && !done; limit += 64) {
		fixture.arena = arena_new(limit, limit);
		assert_non_null(fixture.arena);
		enum reason reason = verify(token, NOW_S, "small");

		CHECK(reason == REASON_NONE || reason == REASON_MEMORY, "small");
		done = reason == REASON_NONE;
		arena_free(fixture.arena);
	}
	fixture.arena = large;
	CHECK(done, "8 KiB suffice");
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_early),
		TEST(test_clock),
		TEST(test_keys),
		TEST(test_claims),
		TEST(test_bits),
		TEST(test_memory),
	};

	return cmocka_run_group_tests_name("issued", tests, NULL, NULL);
}
