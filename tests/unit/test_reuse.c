/* SPDX-License-Identifier: MIT */
/* Tests of oauth/reuse: which requests get the same token, and that none gets another's. */
#include "ask.h"
#include "oauth/reuse.h"
#include "state/revocation.h"

#define REUSE_S 60
#define WINDOW_S INT64_C(1640588820) /* the window that NOW_S is in: 8 seconds before it */
#define X5T "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
#define JKT "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
#define CACHE_MOST 4096 /* tokens */
#define LARGE_MOST 256  /* of more than 2 KB */
#define SET_MOST 8      /* tokens that share a place */

static unsigned signatures;

int __real_EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *signature, size_t *signature_len,
	const unsigned char *text, size_t text_len);
int __wrap_EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *signature, size_t *signature_len,
	const unsigned char *text, size_t text_len);

int __wrap_EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *signature, size_t *signature_len,
	const unsigned char *text, size_t text_len)
{
	signatures++;
	return __real_EVP_DigestSign(ctx, signature, signature_len, text, text_len);
}

static void open_with(enum jose_alg alg, int64_t reuse_s)
{
	fixture_open(&fixture);
	fixture_use_key(&fixture, alg);
	fixture.snapshot->access_token.reuse_s = reuse_s;
	fixture_use_state(&fixture);
	fixture_add(&fixture, "TENANT_CLIENT_ID")->may_introspect = true;
	fixture_add(&fixture, "OTHER");
	fixture_seal(&fixture);
	fixture.services.reuse = reuse_cache_new();
	assert_non_null(fixture.services.reuse);
	ask_now_s = NOW_S;
	signatures = 0;
}

static void close_all(void)
{
	reuse_cache_free(fixture.services.reuse);
	fixture_close(&fixture);
}

/* The usual grant; the tests change it. */
static struct grant make_grant(void)
{
	return (struct grant){
		.client = fixture_client(&fixture, "TENANT_CLIENT_ID"),
		.scopes = { fixture_default_scopes, 1 },
		.audience = { &fixture_client(&fixture, "TENANT_CLIENT_ID")->id, 1 },
		.lifetime_s = 300,
		.reuse_s = fixture.snapshot->access_token.reuse_s,
	};
}

/* The response for a grant, and in *jti, which may be NULL, the token's; both for free(). */
static char *get(struct grant grant, char **jti)
{
	const struct call call = { .snapshot = fixture.snapshot,
		.services = &fixture.services,
		.arena = fixture.arena,
		.now_s = ask_now_s };
	struct audit audit_of_it = { 0 };
	struct token token;

	arena_reset(fixture.arena);
	assert_int_equal(reuse_token(&call, &grant, &token, &audit_of_it), REASON_NONE);
	if (jti)
		*jti = strndup(token.jti.p, token.jti.n);
	return strndup(token.response.p, token.response.n);
}

/* A member of the claims of the token that was just issued, as a number. */
static int64_t claim(const char *token, const char *name)
{
	struct jws_parts parts;
	int64_t value;

	assert_int_equal(jwt_split(str_of(token), fixture.arena, &parts), REASON_NONE);
	value = json_integer_value(json_object_get(parts.payload, name));
	jws_parts_clear(&parts);
	return value;
}

static int64_t expires_in(const char *name)
{
	json_t *json = ask_json(name);
	int64_t value = json_integer_value(json_object_get(json, "expires_in"));

	json_decref(json);
	return value;
}

static char *ask_for(const char *body)
{
	const struct ask ask = { .body = str_of(body) };

	ask_send(&ask);
	CHECK_NUMBER(response.status, 200, body);
	CHECK_TEXT(str_of(audit.event), STR("token.issued"), body);
	return ask_token(body);
}

static void test_windows(void **state)
{
	static const struct {
		const char *name;
		int64_t now_s;
		bool is_new;
	} cases[] = {
		{ "first", NOW_S, true },
		{ "the same second", NOW_S, false },
		{ "the last second", WINDOW_S + REUSE_S - 1, false },
		{ "the next window's first", WINDOW_S + REUSE_S, true },
		{ "and again", WINDOW_S + REUSE_S + 59, false },
		{ "the clock is set back by one", WINDOW_S + REUSE_S - 1, true },
		{ "the window's start", WINDOW_S, false },
		{ "a second before it", WINDOW_S - 1, true },
		{ "years ahead", WINDOW_S + INT64_C(3155760000), true },
		{ "years back", WINDOW_S, true },
		{ "1970", 61, true },
	};
	char *last = strdup("");

	(void)state;
	open_with(JOSE_ALG_RS256, REUSE_S);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = cases[i].name;
		int64_t start_s = cases[i].now_s - cases[i].now_s % REUSE_S;
		unsigned before = signatures;

		ask_now_s = cases[i].now_s;
		char *token = ask_for(GOOD);

		CHECK_NUMBER(expires_in(name), start_s + 300 - cases[i].now_s, name);
		CHECK_NUMBER(claim(token, "iat"), start_s, name);
		CHECK_NUMBER(claim(token, "nbf"), start_s, name);
		CHECK_NUMBER(claim(token, "exp"), start_s + 300, name);
		CHECK((strcmp(token, last) != 0) == cases[i].is_new, name);
		CHECK_NUMBER(signatures - before, cases[i].is_new, name);
		free(last);
		last = token;
	}
	free(last);
	close_all();
	check_end();
}

/* Computed by another implementation: what one version gives, all others must give. */
static void test_known_jti(void **state)
{
	static const struct {
		enum jose_alg alg;
		const char *jti[PROFILE__MAX];
		bool is_deterministic;
	} cases[] = {
		{ JOSE_ALG_RS256,
			{ "a180753c-5ef1-8dd3-b8b8-cd5abde9abb1",
				"5f138b9e-e597-8b6e-a541-83416150ac7f" },
			true },
		{ JOSE_ALG_RS384,
			{ "5098b8ef-9804-8e45-8ebc-d26b1a4d3a5e",
				"62279408-03e3-8693-a2a0-2e143294b942" },
			true },
		{ JOSE_ALG_RS512,
			{ "cf291de3-47ae-8f9e-8c83-3b27c386fac0",
				"ef723bc9-d0f2-868b-8a1d-ed6a04cba5c4" },
			true },
		{ JOSE_ALG_PS256,
			{ "9f5c1e30-c2ef-87a9-a2ed-3f96b3e28786",
				"5925fbc9-4ef3-82f8-861c-8dd8b6d32527" },
			false },
		{ JOSE_ALG_ES256,
			{ "a13ac2fe-c6d8-8538-96bc-03c08268b3e1",
				"2273d245-d70b-8380-8a5c-fbdbf65e349d" },
			false },
		{ JOSE_ALG_EDDSA,
			{ "0647612a-5dc8-89cd-85b9-f38301a0e7d4",
				"6c732628-f926-890e-a76b-22c087ec3a14" },
			true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *name = alg_info(cases[i].alg)->name;

		open_with(cases[i].alg, REUSE_S);
		for (enum token_profile profile = 0; profile < PROFILE__MAX; profile++) {
			struct grant grant = make_grant();
			char *responses[3], *jtis[3];

			grant.profile = profile;
			for (size_t j = 0; j < 3; j++) {
				/* The second from what is kept, the third by another process.
				 */
				if (j == 2)
					reuse_forget(fixture.services.reuse);
				responses[j] = get(grant, &jtis[j]);
				CHECK_TEXT(
					str_of(jtis[j]), str_of(cases[i].jti[profile]), name);
			}
			CHECK_NUMBER(signatures, 2 * (profile + 1), name);
			CHECK(strcmp(responses[0], responses[1]) == 0, name);
			CHECK((strcmp(responses[0], responses[2]) == 0) ==
					cases[i].is_deterministic,
				name);
			for (size_t j = 0; j < 3; j++) {
				free(responses[j]);
				free(jtis[j]);
			}
		}
		close_all();
	}
	check_end();
}

/* Each of these is a token of its own, and keeps being that one. */
static void test_what_differs(void **state)
{
	static const struct str other_audience[] = { TEXT("OTHER") };
	static const struct str two_audiences[] = { TEXT("TENANT_CLIENT_ID"), TEXT("OTHER") };
	/* Without the lengths in the key these two would look alike. */
	static const struct str joined_audience[] = { TEXT("a5:b") };
	static const struct str split_audience[] = { TEXT("a"), TEXT("b") };
	static const struct scope *const two_scopes[] = { &fixture_scopes[SCOPE_ORDERS_READ],
		&fixture_scopes[SCOPE_ORDERS_WRITE] };
	struct grant grants[14];
	char *responses[COUNT(grants)], *jtis[COUNT(grants)];
	size_t count = 0;

	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	for (size_t i = 0; i < COUNT(grants); i++)
		grants[i] = make_grant();
	count++; /* the usual one */
	grants[count++].client = fixture_client(&fixture, "OTHER");
	grants[count++].audience = (struct str_list){ other_audience, 1 };
	grants[count++].audience = (struct str_list){ two_audiences, 2 };
	grants[count++].audience = (struct str_list){ joined_audience, 1 };
	grants[count++].audience = (struct str_list){ split_audience, 2 };
	grants[count++].scopes = (struct scope_list){ 0 };
	grants[count++].scopes = (struct scope_list){ two_scopes, 2 };
	grants[count++].lifetime_s = 301;
	grants[count++].profile = PROFILE_RFC9068;
	grants[count++].x5t = STR(X5T);
	grants[count++].jkt = STR(JKT);
	grants[count++].jkt = STR(X5T);
	grants[count].x5t = STR(X5T);
	grants[count++].jkt = STR(JKT);
	assert_int_equal(count, COUNT(grants));

	for (size_t i = 0; i < count; i++) {
		responses[i] = get(grants[i], &jtis[i]);
		for (size_t j = 0; j < i; j++) {
			CHECK(strcmp(responses[i], responses[j]) != 0, "two tokens");
			CHECK(strcmp(jtis[i], jtis[j]) != 0, "two ids");
		}
	}
	CHECK_NUMBER(signatures, count, "each is signed once");
	for (size_t i = 0; i < count; i++) {
		char *again = get(grants[i], NULL);

		CHECK_TEXT(str_of(again), str_of(responses[i]), "the same again");
		free(again);
		free(responses[i]);
		free(jtis[i]);
	}
	CHECK_NUMBER(signatures, count, "and not once more");
	close_all();
	check_end();
}

/* The response says in the order of the request what the token says in one order. */
static void test_any_order(void **state)
{
	static const struct str audiences[] = { TEXT("b"), TEXT("a"), TEXT("c") };
	static const struct str turned_audiences[] = { TEXT("c"), TEXT("b"), TEXT("a") };
	static const struct {
		const char *scope;
		bool is_same;
	} cases[] = {
		{ "stock", false },
		{ "orders:write identity_proofing orders:read", false },
		{ "identity_proofing orders:read orders:write", true },
		{ "orders:read identity_proofing orders:write", true },
		{ "orders:read identity_proofing orders:read orders:write", true },
		{ "orders:read identity_proofing", false },
		{ "identity_proofing orders:read", true },
	};
	char body[512], *last = strdup(""), *jtis[2];

	(void)state;
	open_with(JOSE_ALG_ES256, REUSE_S);
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned before = signatures;

		snprintf(body, sizeof(body), GOOD "&scope=%s", cases[i].scope);
		for (char *p = body; *p; p++)
			*p = *p == ' ' ? '+' : *p;
		char *token = ask_for(body);

		CHECK((strcmp(token, last) == 0) == cases[i].is_same, cases[i].scope);
		CHECK_NUMBER(signatures - before, !cases[i].is_same, cases[i].scope);
		CHECK(i == 4 || str_contains(response.body, str_of(cases[i].scope)),
			"as asked");
		free(last);
		last = token;
	}
	free(last);
	struct grant grant = make_grant();

	signatures = 0;
	grant.audience = (struct str_list){ audiences, 3 };
	free(get(grant, &jtis[0]));
	grant.audience = (struct str_list){ turned_audiences, 3 };
	free(get(grant, &jtis[1]));
	CHECK_TEXT(str_of(jtis[0]), str_of(jtis[1]), "resources");
	CHECK_NUMBER(signatures, 1, "resources");
	CHECK(grant.audience.items == turned_audiences, "the grant stays");
	free(jtis[1]);
	grant.audience_from = GRANT_FROM_CLIENT;
	free(get(grant, &jtis[1]));
	CHECK(strcmp(jtis[0], jtis[1]) != 0, "a configured audience keeps its order");
	free(jtis[0]);
	free(jtis[1]);
	close_all();
	check_end();
}

/* What the configuration adds is in the id too: one id never names two tokens. */
static void test_configurations(void **state)
{
	char *jtis[5];
	size_t count = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT(jtis); i++) {
		open_with(JOSE_ALG_EDDSA, i == 4 ? 30 : REUSE_S);
		if (i == 1)
			fixture_client(&fixture, "TENANT_CLIENT_ID")->claims = STR(",\"a\":1");
		if (i == 2)
			fixture.snapshot->issuer = STR("https://other.example.com");
		if (i == 3)
			fixture.snapshot->keyring.keys[0].kid = STR("2026-12");
		if (i == 4)
			ask_now_s = WINDOW_S + 30;
		free(get(make_grant(), &jtis[count++]));
		close_all();
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++)
			CHECK(strcmp(jtis[i], jtis[j]) != 0, "two ids");
	}
	for (size_t i = 0; i < count; i++)
		free(jtis[i]);
	check_end();
}

/* Nobody but who has the private key can tell the id of a token. */
static void test_key(void **state)
{
	static const unsigned char zeros[SECRET_DIGEST_SIZE] = { 0 };

	(void)state;
	open_with(JOSE_ALG_EDDSA, 0);
	CHECK(secret_equal(fixture.snapshot->reuse_key, zeros, sizeof(zeros)), "turned off");
	close_all();
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	CHECK(!secret_equal(fixture.snapshot->reuse_key, zeros, sizeof(zeros)), "turned on");
	close_all();
	check_end();
}

static void test_off(void **state)
{
	(void)state;
	open_with(JOSE_ALG_EDDSA, 0);
	fixture.services.random = &random_system;
	char *first = ask_for(GOOD);
	char *second = ask_for(GOOD);

	CHECK(strcmp(first, second) != 0, "two tokens");
	CHECK_NUMBER(claim(first, "iat"), NOW_S, "of now");
	CHECK_NUMBER(signatures, 2, "two signatures");
	CHECK_NUMBER(fixture.store->calls[STORE_MEM_HAS], 0, "nobody is asked");
	free(first);
	free(second);
	close_all();
	check_end();
}

static void test_without_cache(void **state)
{
	(void)state;
	open_with(JOSE_ALG_RS256, REUSE_S);
	struct reuse_cache *cache = fixture.services.reuse;
	char *kept = ask_for(GOOD);

	fixture.services.reuse = NULL;
	char *made = ask_for(GOOD);

	CHECK_TEXT(str_of(made), str_of(kept), "the same");
	CHECK_NUMBER(signatures, 2, "signed by both");
	free(kept);
	free(made);
	fixture.services.reuse = cache;
	close_all();
	check_end();
}

/* Whoever is not let in gets nothing from what is kept; the log has the id each time. */
static void test_refused(void **state)
{
	const struct ask wrong = { .body = STR(GRANT "&" ID "&client_secret=wrong") };
	const struct ask good = { .body = STR(GOOD) };

	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	free(ask_for(GOOD));
	struct str first;

	assert_true(arena_copy(fixture.snapshot->arena, audit.jti, &first));
	ask_send(&wrong);
	CHECK_NUMBER(response.status, 401, "wrong secret");
	CHECK(!str_contains(response.body, STR("access_token")), "wrong secret");
	ask_send(&good);
	CHECK_TEXT(audit.jti, first, "logged again");
	CHECK_NUMBER(audit.jti.n, 36, "logged");
	fixture_client(&fixture, "TENANT_CLIENT_ID")->enabled = false;
	ask_send(&good);
	CHECK_NUMBER(response.status, 401, "disabled");
	CHECK_NUMBER(signatures, 1, "one signature");
	close_all();
	check_end();
}

static struct str version_of(const char *jti)
{
	return str_upto(str_from(str_of(jti), 14), 1);
}

static void test_revoked(void **state)
{
	char body[4096], *jti;

	(void)state;
	for (unsigned by_another = 0; by_another < 2; by_another++) {
		open_with(JOSE_ALG_EDDSA, REUSE_S);
		fixture.services.random = &random_system;
		char *first = ask_for(GOOD);

		if (by_another)
			reuse_forget(fixture.services.reuse);
		snprintf(body, sizeof(body), CREDENTIALS "&token=%s", first);
		const struct ask revoke = { .path = "/revoke", .body = str_of(body) };

		ask_send(&revoke);
		CHECK_NUMBER(response.status, 200, "revoked");
		for (unsigned i = 0; i < 2; i++) {
			char *other = ask_for(GOOD);

			CHECK(strcmp(other, first) != 0, "not the revoked one");
			CHECK_NUMBER(claim(other, "iat"), NOW_S, "a new one");
			CHECK_NUMBER(expires_in("new"), 300, "of a whole life");
			CHECK_REASON(audit.cause, REASON_NONE, "all is well");
			snprintf(body, sizeof(body), CREDENTIALS "&token=%s", other);
			const struct ask inspect = { .path = "/introspect",
				.body = str_of(body) };

			ask_send(&inspect);
			CHECK(str_contains(response.body, STR("\"active\":true")), "active");
			free(other);
		}
		CHECK_NUMBER(signatures, 3, "new ones are not kept");
		struct grant grant = make_grant();

		grant.client = fixture_client(&fixture, "OTHER");
		free(get(grant, &jti));
		CHECK_TEXT(version_of(jti), STR("8"), "others go on as before");
		free(jti);
		ask_now_s = WINDOW_S + REUSE_S;
		free(get(make_grant(), &jti));
		CHECK_TEXT(version_of(jti), STR("8"), "and so it does in the next window");
		free(jti);
		free(first);
		close_all();
	}
	check_end();
}

/* Nobody knows whether it was revoked: a new token, whose id nobody can have revoked. */
static void test_store_fails(void **state)
{
	(void)state;
	for (unsigned kept = 0; kept < 2; kept++) {
		open_with(JOSE_ALG_EDDSA, REUSE_S);
		fixture.services.random = &random_system;
		if (kept)
			free(ask_for(GOOD));
		fixture.store->failure = REASON_STORE_UNREACHABLE;
		char *token = ask_for(GOOD);

		CHECK_REASON(audit.cause, REASON_STORE_UNREACHABLE, "the log tells");
		CHECK_TEXT(str_upto(str_from(audit.jti, 14), 1), STR("4"), "a new one");
		CHECK_NUMBER(claim(token, "iat"), NOW_S, "of now");
		fixture.store->failure = REASON_NONE;
		free(token);
		free(ask_for(GOOD));
		CHECK_TEXT(str_upto(str_from(audit.jti, 14), 1), STR("8"), "it is back");
		CHECK_REASON(audit.cause, REASON_NONE, "and well");
		close_all();
	}
	check_end();
}

static struct grant grant_for_key(unsigned n, char text[static 32])
{
	struct grant grant = make_grant();

	snprintf(text, 32, "key-%u", n);
	grant.jkt = str_of(text);
	return grant;
}

/* More tokens than are kept: the others are signed each time, and each is its client's own. */
static void test_full(void **state)
{
	static char *tokens[3 * CACHE_MOST];
	char text[32], wanted[64];

	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	for (unsigned i = 0; i < COUNT(tokens); i++)
		tokens[i] = get(grant_for_key(i, text), NULL);
	CHECK_NUMBER(signatures, COUNT(tokens), "each is signed");
	signatures = 0;
	for (unsigned i = 0; i < COUNT(tokens); i++) {
		char *again = get(grant_for_key(i, text), NULL);

		CHECK_TEXT(str_of(again), str_of(tokens[i]), "the same");
		free(again);
	}
	CHECK(signatures >= 2 * CACHE_MOST, "no more is kept than may be");
	CHECK(signatures < 2 * CACHE_MOST + CACHE_MOST / 4, "and not much less");
	for (unsigned i = 0; i < COUNT(tokens); i += 97) {
		json_t *json = json_loads(tokens[i], 0, NULL);
		struct jws_parts parts;

		arena_reset(fixture.arena);
		assert_int_equal(
			jwt_split(support_member(json, "access_token"), fixture.arena, &parts),
			REASON_NONE);
		snprintf(wanted, sizeof(wanted), "key-%u", i);
		CHECK_TEXT(support_member(json_object_get(parts.payload, "cnf"), "jkt"),
			str_of(wanted), "its own");
		jws_parts_clear(&parts);
		json_decref(json);
	}
	/* The memory is used again, and nothing lies upon anything else. */
	reuse_forget(fixture.services.reuse);
	signatures = 0;
	for (unsigned i = 0; i < 2 * CACHE_MOST; i++) {
		char *again = get(grant_for_key(i % (CACHE_MOST / 4), text), NULL);

		CHECK_TEXT(str_of(again), str_of(tokens[i % (CACHE_MOST / 4)]), "the same");
		free(again);
	}
	CHECK(signatures >= CACHE_MOST / 4 && signatures < CACHE_MOST / 2, "kept again");
	for (unsigned i = 0; i < COUNT(tokens); i++)
		free(tokens[i]);
	close_all();
	check_end();
}

/* Give the client a claim that makes its tokens as long as that, and longer. */
static void use_long_claims(struct client *client, char *claims, size_t len)
{
	memset(claims, 'a', len);
	memcpy(claims, ",\"long\":\"", 9);
	claims[len - 1] = '"';
	client->claims = (struct str){ claims, len };
}

/* Large tokens have less room, and too large ones none. */
static void test_large(void **state)
{
	static char claims[60000];
	static const struct {
		size_t claims_len;
		unsigned least, most; /* of them that are kept */
	} cases[] = {
		{ 900, 1900, 2000 },
		{ 2000, LARGE_MOST * 3 / 4, LARGE_MOST },
		{ 5000, LARGE_MOST * 3 / 4, LARGE_MOST },
		{ 6500, 0, 0 },
		{ sizeof(claims), 0, 0 },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		open_with(JOSE_ALG_EDDSA, REUSE_S);
		use_long_claims(fixture_client(&fixture, "TENANT_CLIENT_ID"), claims,
			cases[i].claims_len);
		for (unsigned j = 0; j < 2000; j++)
			free(get(grant_for_key(j, text), NULL));
		CHECK_NUMBER(signatures, 2000, "each is signed");
		for (unsigned j = 0; j < 2000; j++)
			free(get(grant_for_key(j, text), NULL));
		unsigned kept = 4000 - signatures;

		CHECK(kept >= cases[i].least && kept <= cases[i].most, "kept");
		close_all();
	}
	check_end();
}

/* The tokens of a client, one for each of its keys; for free(). */
static void get_some(const char *client_id, char **tokens, unsigned count)
{
	char text[32];

	for (unsigned i = 0; i < count; i++) {
		struct grant grant = grant_for_key(i, text);

		grant.client = fixture_client(&fixture, client_id);
		tokens[i] = get(grant, NULL);
	}
}

/* How many of them a client gets again; frees them. */
static unsigned count_same(const char *client_id, char **tokens, unsigned count)
{
	static char *again[CACHE_MOST];
	unsigned same = 0;

	get_some(client_id, again, count);
	for (unsigned i = 0; i < count; i++) {
		same += strcmp(again[i], tokens[i]) == 0;
		free(again[i]);
		free(tokens[i]);
	}
	return same;
}

/* Whatever one client asks for, before, between and after: another has its share. */
static void test_share(void **state)
{
	static char *flood[3 * CACHE_MOST], *few[16], *many[CACHE_MOST], claims[4000];

	(void)state;
	for (unsigned large = 0; large < 2; large++) {
		const unsigned most = large ? LARGE_MOST : CACHE_MOST;
		const unsigned flood_count = 3 * most;
		const unsigned few_count = large ? 4 : COUNT(few);

		open_with(JOSE_ALG_ES256, REUSE_S);
		if (large) {
			use_long_claims(fixture_client(&fixture, "TENANT_CLIENT_ID"), claims,
				sizeof(claims));
			use_long_claims(
				fixture_client(&fixture, "OTHER"), claims, sizeof(claims));
		}
		get_some("TENANT_CLIENT_ID", flood, flood_count);
		get_some("OTHER", few, few_count);
		for (unsigned i = 0; i < flood_count; i++)
			free(flood[i]);
		get_some("TENANT_CLIENT_ID", flood, flood_count);
		CHECK_NUMBER(count_same("OTHER", few, few_count), few_count, "the same");
		for (unsigned i = 0; i < flood_count; i++)
			free(flood[i]);
		get_some("TENANT_CLIENT_ID", flood, most);
		unsigned same = count_same("TENANT_CLIENT_ID", flood, most);

		CHECK(same > most / 4, "what is kept does not change all the time");
		get_some("OTHER", many, most);
		same = count_same("OTHER", many, most);
		CHECK(same > most / 4 && same < most * 3 / 4, "a share, not all");
		close_all();
	}
	check_end();
}

/* Those who have one token where there is no room for more keep it. */
static void test_crowd(void **state)
{
	static struct client crowd[2 * SET_MOST];
	static char *few[16];
	char text[32], ids[COUNT(crowd)][16];

	(void)state;
	open_with(JOSE_ALG_ES256, REUSE_S);
	get_some("OTHER", few, COUNT(few));
	for (size_t i = 0; i < COUNT(crowd); i++) {
		crowd[i] = *fixture_client(&fixture, "TENANT_CLIENT_ID");
		snprintf(ids[i], sizeof(ids[i]), "crowd-%zu", i);
		crowd[i].id = str_of(ids[i]);
		for (unsigned j = 0; j < 2 * CACHE_MOST / SET_MOST; j++) {
			struct grant grant = grant_for_key(j, text);

			grant.client = &crowd[i];
			free(get(grant, NULL));
		}
	}
	CHECK_NUMBER(count_same("OTHER", few, COUNT(few)), COUNT(few), "the same");
	close_all();
	check_end();
}

/* Also while nobody asks for a token. */
static void test_tidy(void **state)
{
	static const struct {
		const char *name;
		int64_t now_s;
		bool is_forgotten;
	} cases[] = {
		{ "the same second", NOW_S, false },
		{ "the window's start", WINDOW_S, false },
		{ "the last second", WINDOW_S + REUSE_S - 1, false },
		{ "the next window", WINDOW_S + REUSE_S, true },
		{ "years ahead", WINDOW_S + INT64_C(3155760000), true },
		{ "a second before the window", WINDOW_S - 1, true },
	};

	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	reuse_tidy(fixture.services.reuse, NOW_S); /* nothing is kept */
	for (size_t i = 0; i < COUNT(cases); i++) {
		free(ask_for(GOOD));
		signatures = 0;
		reuse_tidy(fixture.services.reuse, cases[i].now_s);
		free(ask_for(GOOD));
		CHECK_NUMBER(signatures, cases[i].is_forgotten, cases[i].name);
	}
	close_all();
	check_end();
}

/* A reload with other windows, of which one begins when that of before did: not its tokens. */
static void test_other_length(void **state)
{
	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	free(ask_for(GOOD));
	fixture.snapshot->access_token.reuse_s = REUSE_S / 3;
	free(ask_for(GOOD));
	CHECK_NUMBER(signatures, 2, "not kept");
	free(ask_for(GOOD));
	CHECK_NUMBER(signatures, 2, "kept");
	close_all();
	check_end();
}

static void test_forget(void **state)
{
	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	reuse_forget(fixture.services.reuse);
	free(ask_for(GOOD));
	free(ask_for(GOOD));
	CHECK_NUMBER(signatures, 1, "kept");
	reuse_forget(fixture.services.reuse);
	free(ask_for(GOOD));
	CHECK_NUMBER(signatures, 2, "forgotten");
	reuse_cache_free(NULL);
	close_all();
	check_end();
}

/* What is shown beforehand is what is issued then, new or reused, but for a random jti. */
static void test_claims(void **state)
{
	static const int64_t lengths[] = { 0, REUSE_S };

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		open_with(JOSE_ALG_EDDSA, lengths[i]);
		const struct call call = { .snapshot = fixture.snapshot,
			.services = &fixture.services,
			.arena = fixture.arena,
			.now_s = NOW_S };
		struct grant grant = make_grant(), same = make_grant();
		struct audit audit_of_it = { 0 };
		struct token shown, issued;

		grant.scopes = (struct scope_list){ fixture_all_scopes, 3 };
		same.scopes = grant.scopes;
		CHECK_REASON(reuse_claims(&call, &grant, &shown, &audit_of_it), REASON_NONE,
			"shown");
		CHECK_NUMBER(signatures, 0, "not signed");
		CHECK_NUMBER(shown.jwt.n + shown.response.n, 0, "not signed");
		CHECK_REASON(reuse_token(&call, &same, &issued, &audit_of_it), REASON_NONE,
			"issued");
		CHECK_NUMBER(signatures, 1, "signed");
		CHECK_TEXT(shown.header, issued.header, "header");
		CHECK_TEXT(shown.claims, issued.claims, "claims");
		CHECK_NUMBER(grant.reuse_s, lengths[i], "the grant is as it was");
		CHECK(grant.scopes.items == fixture_all_scopes, "the grant is as it was");
		close_all();
	}
	check_end();
}

/* The token that it would be was revoked: then it is a new one, and is shown as such. */
static void test_claims_of_revoked(void **state)
{
	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	const struct call call = { .snapshot = fixture.snapshot,
		.services = &fixture.services,
		.arena = fixture.arena,
		.now_s = NOW_S };
	struct grant grant = make_grant();
	struct audit audit_of_it = { 0 };
	struct token token;

	CHECK_REASON(reuse_claims(&call, &grant, &token, &audit_of_it), REASON_NONE, "before");
	CHECK(!str_eq(token.jti, STR(JTI)), "derived");
	CHECK_REASON(revocation_add(fixture.services.store, token.jti, token.expires_s, NOW_S),
		REASON_NONE, "revoked");
	CHECK_REASON(reuse_claims(&call, &grant, &token, &audit_of_it), REASON_NONE, "after");
	CHECK_TEXT(token.jti, STR(JTI), "random");
	CHECK_NUMBER(grant.reuse_s, 0, "not reused");
	CHECK_NUMBER(token.issued_s, NOW_S, "of now");
	close_all();
	check_end();
}

/* The tokens' grants in the test of failures: with much and with little to put in order. */
static struct grant make_cramped_grant(size_t kind)
{
	static const struct str audience[] = { TEXT("b"), TEXT("a") };
	struct grant grant = make_grant();

	grant.scopes = (struct scope_list){ fixture_all_scopes, kind == 0 ? 0 : 3 };
	if (kind == 2) {
		grant.audience = (struct str_list){ audience, COUNT(audience) };
		grant.audience_from = GRANT_FROM_REQUEST;
	}
	return grant;
}

static void test_claims_fail(void **state)
{
	unsigned failed = 0;

	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	for (size_t limit = 16; limit < 4096; limit += 8) {
		struct arena *small = arena_new(limit, limit);
		const struct call cramped = { .snapshot = fixture.snapshot,
			.services = &fixture.services,
			.arena = small,
			.now_s = NOW_S };
		struct grant grant = make_cramped_grant(limit / 8 % 3);
		struct audit audit_of_it = { 0 };
		struct token token;

		assert_non_null(small);
		memset(&token, 0xff, sizeof(token));
		enum reason reason = reuse_claims(&cramped, &grant, &token, &audit_of_it);

		CHECK(reason == REASON_NONE || reason == REASON_MEMORY, "no room");
		CHECK(reason == REASON_NONE || (!token.claims.n && !token.jti.n), "cleared");
		failed += reason != REASON_NONE;
		arena_free(small);
	}
	CHECK(failed > 10, "some have failed");
	close_all();
	check_end();
}

static void test_failures(void **state)
{
	(void)state;
	open_with(JOSE_ALG_EDDSA, REUSE_S);
	for (size_t limit = 16; limit < 16384; limit += 16) {
		struct arena *small = arena_new(limit, limit);
		struct grant grant = make_cramped_grant(limit / 16 % 3);
		struct audit audit_of_it = { 0 };
		struct token token;
		const struct call cramped = { .snapshot = fixture.snapshot,
			.services = &fixture.services,
			.arena = small,
			.now_s = NOW_S };

		assert_non_null(small);
		memset(&token, 0xff, sizeof(token));
		enum reason reason = reuse_token(&cramped, &grant, &token, &audit_of_it);

		CHECK(reason == REASON_NONE || reason == REASON_MEMORY, "no room");
		CHECK((token.response.n > 0 && token.jti.n == 36) == (reason == REASON_NONE),
			"whole or cleared");
		CHECK(reason == REASON_NONE || (!token.jwt.n && !token.jti.n), "cleared");
		arena_free(small);
	}
	close_all();
	check_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_known_jti),
		cmocka_unit_test(test_what_differs),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_without_cache),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_store_fails),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_tidy),
		cmocka_unit_test(test_other_length),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_claims_of_revoked),
		cmocka_unit_test(test_claims_fail),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests_name("reuse", tests, NULL, NULL);
}
