/* SPDX-License-Identifier: MIT */
/* Tests of jose/jwt, with the tokens of tests/vectors/jws.json. */
#include "support.h"
#include "jose/json.h"
#include "jose/jwt.h"

static struct arena *arena;

static int make_arena(void **state)
{
	(void)state;
	arena = arena_new(16384, 262144);
	return arena ? 0 : 1;
}

static int free_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static bool is_clear(const struct jws_parts *parts)
{
	return !parts->header && !parts->payload && !parts->signature.n &&
	       !parts->signing_input.n && !parts->payload_text.n;
}

static void test_split(void **state)
{
	json_t *vectors = support_vectors("jws.json");
	unsigned without_claims = 0;
	json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(vectors, i, vector)
	{
		const char *name = support_member(vector, "name").p;
		bool has_claims = !json_object_get(vector, "claims");
		enum reason wanted = support_reason(
			support_member(vector, has_claims ? "split" : "claims"));
		struct jws_parts parts;

		without_claims += !has_claims;
		arena_reset(arena);
		memset(&parts, 0xff, sizeof(parts));
		CHECK_REASON(
			jwt_split(support_member(vector, "jws"), arena, &parts), wanted, name);
		CHECK((wanted == REASON_NONE) ==
				(json_is_object(parts.header) && json_is_object(parts.payload)),
			name);
		if (wanted == REASON_NONE)
			jws_parts_clear(&parts);
		CHECK(is_clear(&parts), name);
	}
	CHECK(without_claims > 0, "payloads that are no claims");
	json_decref(vectors);
	check_end();
}

static void test_split_parts(void **state)
{
	struct jws_parts parts;

	(void)state;
	CHECK_REASON(
		jwt_split(STR("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.AAEC_w"), arena, &parts),
		REASON_NONE, "split");
	CHECK_TEXT(parts.payload_text, STR("{\"sub\":\"a\"}"), "text");
	CHECK_TEXT(json_text(parts.payload, "sub"), STR("a"), "claim");
	CHECK_TEXT(json_text(parts.header, "alg"), STR("RS256"), "header");
	jws_parts_clear(&parts);
	CHECK(is_clear(&parts), "clear");
	check_end();
}

static json_t *parse(struct str text)
{
	json_t *json;

	if (json_parse_object(text, REASON_JWS_PAYLOAD, &json) != REASON_NONE)
		fail_msg("no JSON object: %s", text.p);
	return json;
}

static void test_type(void **state)
{
	static const struct str items[] = { TEXT("JWT"), TEXT("client-authentication+jwt") };
	static const struct str_list types = { items, COUNT(items) };
	static const struct {
		struct str header;
		bool is, is_or_absent;
	} cases[] = {
		{ TEXT("{\"typ\":\"JWT\"}"), true, true },
		{ TEXT("{\"typ\":\"client-authentication+jwt\"}"), true, true },
		{ TEXT("{\"typ\":\"\\u004aWT\"}"), true, true },
		{ TEXT("{}"), false, true },
		{ TEXT("{\"Typ\":\"JWT\"}"), false, true },
		{ TEXT("{\"typ\":\"\"}"), false, false },
		{ TEXT("{\"typ\":\"jwt\"}"), false, false },
		{ TEXT("{\"typ\":\"Jwt\"}"), false, false },
		{ TEXT("{\"typ\":\" JWT\"}"), false, false },
		{ TEXT("{\"typ\":\"JWT \"}"), false, false },
		{ TEXT("{\"typ\":\"JWTS\"}"), false, false },
		{ TEXT("{\"typ\":\"application/JWT\"}"), false, false },
		{ TEXT("{\"typ\":\"dpop+jwt\"}"), false, false },
		{ TEXT("{\"typ\":\"at+jwt\"}"), false, false },
		{ TEXT("{\"typ\":\"logout+jwt\"}"), false, false },
		{ TEXT("{\"typ\":null}"), false, false },
		{ TEXT("{\"typ\":1}"), false, false },
		{ TEXT("{\"typ\":[\"JWT\"]}"), false, false },
		{ TEXT("{\"typ\":{\"JWT\":1}}"), false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *header = parse(cases[i].header);

		CHECK(jwt_type_is(header, types, false) == cases[i].is, cases[i].header.p);
		CHECK(jwt_type_is(header, types, true) == cases[i].is_or_absent,
			cases[i].header.p);
		CHECK(!jwt_type_is(header, (struct str_list){ 0 }, false), cases[i].header.p);
		json_decref(header);
	}
	check_end();
}

static void test_time(void **state)
{
	static const struct {
		struct str claims;
		bool ok;
		int64_t wanted;
	} cases[] = {
		{ TEXT("{\"exp\":1640588828}"), true, 1640588828 },
		{ TEXT("{\"exp\":0}"), true, 0 },
		{ TEXT("{\"exp\":-0}"), true, 0 },
		{ TEXT("{\"exp\":0.0}"), true, 0 },
		{ TEXT("{\"exp\":-0.0}"), true, 0 },
		{ TEXT("{\"exp\":1.5}"), true, 1 },
		{ TEXT("{\"exp\":0.999}"), true, 0 },
		{ TEXT("{\"exp\":1640588828.999}"), true, 1640588828 },
		{ TEXT("{\"exp\":1.640588828e9}"), true, 1640588828 },
		{ TEXT("{\"exp\":1640588828e0}"), true, 1640588828 },
		{ TEXT("{\"exp\":2147483648}"), true, INT64_C(2147483648) },
		{ TEXT("{\"exp\":4294967296.25}"), true, INT64_C(4294967296) },
		{ TEXT("{\"exp\":9007199254740991}"), true, INT64_C(9007199254740991) },
		{ TEXT("{\"exp\":9007199254740992}"), true, INT64_C(9007199254740992) },
		{ TEXT("{\"exp\":9007199254740992.0}"), true, INT64_C(9007199254740992) },
		{ TEXT("{\"exp\":9007199254740993}"), false, 0 },
		{ TEXT("{\"exp\":9007199254740994.0}"), false, 0 },
		{ TEXT("{\"exp\":9223372036854775807}"), false, 0 },
		{ TEXT("{\"exp\":1e18}"), false, 0 },
		{ TEXT("{\"exp\":9223372036854775808.0}"), false, 0 },
		{ TEXT("{\"exp\":18446744073709551616.0}"), false, 0 },
		{ TEXT("{\"exp\":1e300}"), false, 0 },
		{ TEXT("{\"exp\":1.7976931348623157e308}"), false, 0 },
		{ TEXT("{\"exp\":-1}"), false, 0 },
		{ TEXT("{\"exp\":-0.5}"), false, 0 },
		{ TEXT("{\"exp\":-1e-300}"), false, 0 },
		{ TEXT("{\"exp\":-1e300}"), false, 0 },
		{ TEXT("{\"exp\":-9223372036854775808}"), false, 0 },
		{ TEXT("{\"exp\":\"1640588828\"}"), false, 0 },
		{ TEXT("{\"exp\":\"\"}"), false, 0 },
		{ TEXT("{\"exp\":null}"), false, 0 },
		{ TEXT("{\"exp\":true}"), false, 0 },
		{ TEXT("{\"exp\":[1640588828]}"), false, 0 },
		{ TEXT("{\"exp\":{\"exp\":1}}"), false, 0 },
		{ TEXT("{\"Exp\":1640588828}"), false, 0 },
		{ TEXT("{}"), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *claims = parse(cases[i].claims);
		int64_t time_s = 77;

		CHECK(jwt_time(claims, "exp", &time_s) == cases[i].ok, cases[i].claims.p);
		CHECK_NUMBER(time_s, cases[i].wanted, cases[i].claims.p);
		json_decref(claims);
	}
	check_end();
}

/* Numbers that are no JSON here never come so far. */
static void test_time_syntax(void **state)
{
	static const struct str texts[] = { TEXT("{\"exp\":1e400}"),
		TEXT("{\"exp\":9223372036854775808}"), TEXT("{\"exp\":NaN}"),
		TEXT("{\"exp\":Infinity}"), TEXT("{\"exp\":0x10}"), TEXT("{\"exp\":+1}"),
		TEXT("{\"exp\":1.}"), TEXT("{\"exp\":.5}"), TEXT("{\"exp\":1,\"exp\":2}") };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		json_t *json;

		CHECK_REASON(json_parse_object(texts[i], REASON_JWS_PAYLOAD, &json),
			REASON_JWS_PAYLOAD, texts[i].p);
		CHECK(!json, texts[i].p);
	}
	check_end();
}

static void test_audience(void **state)
{
	static const struct {
		struct str claims;
		bool is;
	} cases[] = {
		{ TEXT("{\"aud\":\"https://a.example\"}"), true },
		{ TEXT("{\"aud\":[\"https://a.example\"]}"), true },
		{ TEXT("{\"aud\":\"https:\\/\\/a.example\"}"), true },
		{ TEXT("{}"), false },
		{ TEXT("{\"aud\":\"\"}"), false },
		{ TEXT("{\"aud\":[]}"), false },
		{ TEXT("{\"aud\":[\"https://a.example\",\"https://a.example\"]}"), false },
		{ TEXT("{\"aud\":[\"https://a.example\",\"https://b.example\"]}"), false },
		{ TEXT("{\"aud\":[\"https://b.example\",\"https://a.example\"]}"), false },
		{ TEXT("{\"aud\":[\"https://a.example\",1]}"), false },
		{ TEXT("{\"aud\":[[\"https://a.example\"]]}"), false },
		{ TEXT("{\"aud\":[1]}"), false },
		{ TEXT("{\"aud\":{\"0\":\"https://a.example\"}}"), false },
		{ TEXT("{\"aud\":null}"), false },
		{ TEXT("{\"aud\":1}"), false },
		{ TEXT("{\"aud\":\"https://a.example/\"}"), false },
		{ TEXT("{\"aud\":\"https://A.example\"}"), false },
		{ TEXT("{\"aud\":\"HTTPS://a.example\"}"), false },
		{ TEXT("{\"aud\":\"https://a.example:443\"}"), false },
		{ TEXT("{\"aud\":\"https://a.example \"}"), false },
		{ TEXT("{\"aud\":\"https://a.example https://b.example\"}"), false },
		{ TEXT("{\"aud\":\"https://a.exampl\"}"), false },
		{ TEXT("{\"aud\":\"https://a.example/token\"}"), false },
		{ TEXT("{\"AUD\":\"https://a.example\"}"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *claims = parse(cases[i].claims);

		CHECK(jwt_audience_is(claims, STR("https://a.example")) == cases[i].is,
			cases[i].claims.p);
		json_decref(claims);
	}
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_split_parts),
		cmocka_unit_test(test_type),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_time_syntax),
		cmocka_unit_test(test_audience),
	};

	return cmocka_run_group_tests_name("jwt", tests, make_arena, free_arena);
}
