/* SPDX-License-Identifier: MIT */
/* Tests of oauth/mint: header and claims compared as whole JSON (interface §4). */
#include "fixture.h"
#include "oauth/mint.h"

#define JTI "00010203-0405-4607-8809-0a0b0c0d0e0f"

static struct fixture fixture;

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_RS256);
	fixture_add(&fixture, "TENANT_CLIENT_ID");
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

/* Compare as JSON, with repeated members refused. */
static void check_json(struct str got, const char *wanted, const char *name)
{
	json_t *a = json_loadb(got.p, got.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *b = json_loads(wanted, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(b);
	if (!json_equal(a, b)) {
		check_report(__FILE__, __LINE__, name);
		fprintf(stderr, "got %.*s, wanted %s\n", (int)got.n, got.p, wanted);
	}
	json_decref(a);
	json_decref(b);
}

static const struct scope *const two_scopes[] = { &fixture_scopes[SCOPE_ORDERS_WRITE],
	&fixture_scopes[SCOPE_IDENTITY_PROOFING] };
static const struct str one_audience[] = { TEXT("TENANT_CLIENT_ID") };
static const struct str two_audiences[] = { TEXT(FIXTURE_ORDERS), TEXT("urn:\"x\"") };

static struct grant make_grant(enum token_profile profile, size_t scope_count, bool two)
{
	return (struct grant){
		.client = &fixture.clients[0],
		.scopes = { scope_count == 1 ? fixture_all_scopes : two_scopes, scope_count },
		.audience = { two ? two_audiences : one_audience, two ? 2 : 1 },
		.lifetime_s = 300,
		.profile = profile,
	};
}

static void test_claims(void **state)
{
	static const struct {
		const char *name;
		enum token_profile profile;
		size_t scope_count;
		bool two_audiences;
		const char *members; /* of the client's own */
		const char *header;
		const char *claims;
	} cases[] = {
		{ "the reference token", PROFILE_CIAM, 1, false, "",
			"{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"RS256\"}",
			"{\"sub\":\"TENANT_CLIENT_ID\",\"aud\":\"TENANT_CLIENT_ID\",\"nbf\":"
			"1640588828,"
			"\"scope\":[\"identity_proofing\"],\"iss\":\"" FIXTURE_ISSUER
			"\",\"exp\":1640589128,"
			"\"iat\":1640588828,\"jti\":\"" JTI "\"}" },
		{ "ciam, two of each", PROFILE_CIAM, 2, true,
			",\"tenant\":\"acme\",\"levels\":[1,{\"a\":null}]",
			"{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"RS256\"}",
			"{\"sub\":\"TENANT_CLIENT_ID\",\"aud\":[\"" FIXTURE_ORDERS
			"\",\"urn:\\\"x\\\"\"],"
			"\"nbf\":1640588828,\"scope\":[\"orders:write\",\"identity_proofing\"],"
			"\"iss\":\"" FIXTURE_ISSUER
			"\",\"exp\":1640589128,\"iat\":1640588828,\"jti\":\"" JTI "\","
			"\"tenant\":\"acme\",\"levels\":[1,{\"a\":null}]}" },
		{ "RFC 9068", PROFILE_RFC9068, 1, false, "",
			"{\"kid\":\"2026-11\",\"typ\":\"at+jwt\",\"alg\":\"RS256\"}",
			"{\"iss\":\"" FIXTURE_ISSUER
			"\",\"exp\":1640589128,\"aud\":\"TENANT_CLIENT_ID\","
			"\"sub\":\"TENANT_CLIENT_ID\",\"client_id\":\"TENANT_CLIENT_ID\","
			"\"iat\":1640588828,"
			"\"jti\":\"" JTI "\",\"scope\":\"identity_proofing\"}" },
		{ "RFC 9068, two of each", PROFILE_RFC9068, 2, true, ",\"tenant\":\"acme\"",
			"{\"kid\":\"2026-11\",\"typ\":\"at+jwt\",\"alg\":\"RS256\"}",
			"{\"iss\":\"" FIXTURE_ISSUER "\",\"exp\":1640589128,"
			"\"aud\":[\"" FIXTURE_ORDERS
			"\",\"urn:\\\"x\\\"\"],\"sub\":\"TENANT_CLIENT_ID\","
			"\"client_id\":\"TENANT_CLIENT_ID\",\"iat\":1640588828,\"jti\":\"" JTI
			"\","
			"\"scope\":\"orders:write identity_proofing\",\"tenant\":\"acme\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct grant grant = make_grant(
			cases[i].profile, cases[i].scope_count, cases[i].two_audiences);
		struct token token;

		fixture.clients[0].claims = str_of(cases[i].members);
		CHECK_REASON(mint_claims(fixture.snapshot, &grant, NOW_S, &support_random,
				     fixture.arena, &token),
			REASON_NONE, cases[i].name);
		check_json(token.header, cases[i].header, cases[i].name);
		check_json(token.claims, cases[i].claims, cases[i].name);
		CHECK_TEXT(token.jti, STR(JTI), cases[i].name);
		CHECK_NUMBER(token.issued_s, NOW_S, cases[i].name);
		CHECK_NUMBER(token.expires_s, NOW_S + 300, cases[i].name);
		CHECK_NUMBER(token.jwt.n, 0, cases[i].name);
	}
	check_end();
}

#define X5T "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
#define JKT "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

/* RFC 8705 §3.1, RFC 9449 §6.1: in both profiles, one of them or both. */
static void test_confirmation(void **state)
{
	static const struct {
		const char *x5t, *jkt;
		const char *cnf; /* NULL: none */
		const char *type;
	} cases[] = {
		{ "", "", NULL, "Bearer" },
		{ X5T, "", "{\"x5t#S256\":\"" X5T "\"}", "Bearer" },
		{ "", JKT, "{\"jkt\":\"" JKT "\"}", "DPoP" },
		{ X5T, JKT, "{\"x5t#S256\":\"" X5T "\",\"jkt\":\"" JKT "\"}", "DPoP" },
	};

	(void)state;
	fixture.clients[0].claims = STR(",\"tenant\":\"acme\"");
	for (size_t i = 0; i < COUNT(cases) * PROFILE__MAX; i++) {
		const char *name = cases[i / PROFILE__MAX].cnf;
		struct grant grant = make_grant(
			(enum token_profile)(i % PROFILE__MAX), 1, false);
		struct token token;
		json_t *claims, *cnf;
		struct str body;

		name = name ? name : "none";
		grant.x5t = str_of(cases[i / PROFILE__MAX].x5t);
		grant.jkt = str_of(cases[i / PROFILE__MAX].jkt);
		CHECK_REASON(mint_claims(fixture.snapshot, &grant, NOW_S, &support_random,
				     fixture.arena, &token),
			REASON_NONE, name);
		claims = json_loadb(
			token.claims.p, token.claims.n, JSON_REJECT_DUPLICATES, NULL);
		CHECK(json_is_object(claims), name);
		cnf = json_object_get(claims, "cnf");
		if (cases[i / PROFILE__MAX].cnf) {
			json_t *wanted = json_loads(name, JSON_REJECT_DUPLICATES, NULL);

			CHECK(json_equal(cnf, wanted), name);
			json_decref(wanted);
		} else {
			CHECK(!cnf, name);
		}
		CHECK_TEXT(support_member(claims, "tenant"), STR("acme"), name);
		json_decref(claims);
		token.jwt = STR("a.b.c");
		CHECK_REASON(mint_response(&grant, &token, NOW_S, fixture.arena, &body),
			REASON_NONE, name);
		claims = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
		CHECK_TEXT(support_member(claims, "token_type"),
			str_of(cases[i / PROFILE__MAX].type), name);
		json_decref(claims);
	}
	check_end();
}

/* A client_id is any VSCHAR: what JSON escapes must come back as it was. */
static void test_client_id_with_quotes(void **state)
{
	struct grant grant = make_grant(PROFILE_RFC9068, 1, false);
	struct token token;
	json_t *claims;

	(void)state;
	fixture.clients[0].id = STR("a\"b\\c");
	CHECK_REASON(mint_claims(fixture.snapshot, &grant, NOW_S, &support_random,
			     fixture.arena, &token),
		REASON_NONE, "quotes");
	claims = json_loadb(token.claims.p, token.claims.n, JSON_REJECT_DUPLICATES, NULL);
	CHECK_TEXT(support_member(claims, "sub"), STR("a\"b\\c"), "sub");
	CHECK_TEXT(support_member(claims, "client_id"), STR("a\"b\\c"), "client_id");
	json_decref(claims);
	check_end();
}

static void test_large_times(void **state)
{
	struct grant grant = make_grant(PROFILE_CIAM, 1, false);
	struct token token;
	json_t *claims;

	(void)state;
	grant.lifetime_s = 86400;
	CHECK_REASON(mint_claims(fixture.snapshot, &grant, INT64_C(4294967296), &support_random,
			     fixture.arena, &token),
		REASON_NONE, "beyond 2106");
	claims = json_loadb(token.claims.p, token.claims.n, 0, NULL);
	CHECK_NUMBER(
		json_integer_value(json_object_get(claims, "exp")), INT64_C(4295053696), "exp");
	CHECK_NUMBER(
		json_integer_value(json_object_get(claims, "iat")), INT64_C(4294967296), "iat");
	json_decref(claims);
	check_end();
}

static void test_sign(void **state)
{
	static const enum jose_alg algs[] = { JOSE_ALG_RS256, JOSE_ALG_RS384, JOSE_ALG_RS512,
		JOSE_ALG_PS256, JOSE_ALG_ES256, JOSE_ALG_EDDSA };

	(void)state;
	for (size_t i = 0; i < COUNT(algs); i++) {
		const char *name = alg_info(algs[i])->name;
		struct grant grant = make_grant(PROFILE_CIAM, 1, false);
		struct token token;
		struct jws_parts parts;
		struct str header, claims;

		keyring_clear(&fixture.snapshot->keyring);
		fixture_use_key(&fixture, algs[i]);
		arena_reset(fixture.arena);
		CHECK_REASON(mint_claims(fixture.snapshot, &grant, NOW_S, &support_random,
				     fixture.arena, &token),
			REASON_NONE, name);
		header = token.header;
		claims = token.claims;
		CHECK_REASON(
			mint_sign(fixture.snapshot, fixture.arena, &token), REASON_NONE, name);
		CHECK_REASON(jws_split(token.jwt, fixture.arena, &parts), REASON_NONE, name);
		CHECK_REASON(
			jws_verify(&parts, fixture.snapshot->keyring.keys[0].pkey, algs[i]),
			REASON_NONE, name);
		CHECK_TEXT(support_member(parts.header, "alg"), str_of(name), name);
		CHECK_TEXT(parts.payload_text, claims, name);
		CHECK_TEXT(token.header, header, name);
		jws_parts_clear(&parts);
	}
	check_end();
}

static void test_failures(void **state)
{
	struct grant grant = make_grant(PROFILE_CIAM, 2, true);
	struct token token;
	bool done = false;

	(void)state;
	memset(&token, 0xff, sizeof(token));
	CHECK_REASON(mint_claims(fixture.snapshot, &grant, NOW_S, &support_no_random,
			     fixture.arena, &token),
		REASON_RANDOM, "no randomness");
	CHECK(!token.claims.n && !token.header.n && !token.jti.n && !token.jwt.n, "cleared");
	for (size_t limit = 16; limit < 8192 && !done; limit += 16) {
		struct arena *small = arena_new(limit, limit);
		enum reason reason;

		assert_non_null(small);
		memset(&token, 0xff, sizeof(token));
		reason = mint_claims(
			fixture.snapshot, &grant, NOW_S, &support_random, small, &token);
		if (reason == REASON_NONE) {
			reason = mint_sign(fixture.snapshot, small, &token);
			CHECK((token.jwt.n > 0) == (reason == REASON_NONE),
				"no token on a failure");
			done = reason == REASON_NONE;
		} else {
			CHECK(!token.claims.n && !token.header.n && !token.jti.n &&
					!token.jwt.n,
				"cleared");
		}
		CHECK(done || reason == REASON_MEMORY, "no room");
		arena_free(small);
	}
	CHECK(done, "8 KiB suffice");
	check_end();
}

static void test_response(void **state)
{
	static const struct {
		const char *name;
		size_t scope_count;
		int64_t now_s;
		const char *wanted;
	} cases[] = {
		{ "one scope", 1, NOW_S,
			"{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":"
			"300,"
			"\"scope\":\"identity_proofing\"}" },
		{ "two scopes, a second later", 2, NOW_S + 1,
			"{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":"
			"299,"
			"\"scope\":\"orders:write identity_proofing\"}" },
		{ "no scope", 0, NOW_S,
			"{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":"
			"300}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct grant grant = make_grant(PROFILE_CIAM, cases[i].scope_count, false);
		struct token token = {
			.jwt = STR("a.b.c"), .issued_s = NOW_S, .expires_s = NOW_S + 300
		};
		struct arena *small = arena_new(16, 16);
		struct str body = STR("unset");

		assert_non_null(small);
		CHECK_REASON(
			mint_response(&grant, &token, cases[i].now_s, fixture.arena, &body),
			REASON_NONE, cases[i].name);
		check_json(body, cases[i].wanted, cases[i].name);
		CHECK_REASON(mint_response(&grant, &token, cases[i].now_s, small, &body),
			REASON_MEMORY, cases[i].name);
		CHECK_NUMBER(body.n, 0, cases[i].name);
		arena_free(small);
	}
	check_end();
}

/* As it stands in the header (RFC 7519 §5.1, RFC 9068 §2.1). */
static void test_type(void **state)
{
	(void)state;
	CHECK_TEXT(str_of(mint_type(PROFILE_CIAM)), STR("JWT"), "ciam");
	CHECK_TEXT(str_of(mint_type(PROFILE_RFC9068)), STR("at+jwt"), "rfc9068");
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_claims, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_confirmation, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_client_id_with_quotes, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_large_times, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_sign, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_failures, open_fixture, close_fixture),
		cmocka_unit_test(test_type),
		cmocka_unit_test_setup_teardown(test_response, open_fixture, close_fixture),
	};

	return cmocka_run_group_tests_name("mint", tests, NULL, NULL);
}
