/* SPDX-License-Identifier: MIT */
/* Introspection and revocation, whole requests (interface §4.4, §4.5, RFC 7662, RFC 7009). */
#include "ask.h"
#include "makers.h"

#define AS(id) "client_id=" id "&client_secret=" FIXTURE_SECRET
#define INACTIVE "{\"active\":false}"

static struct str resources[] = { TEXT("urn:example:a"), TEXT("urn:example:b") };

static int open_fixture(void **state)
{
	struct client *client;

	(void)state;
	ask_now_s = NOW_S;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_ES256);
	fixture_use_state(&fixture);
	fixture.services.random = &random_system;
	fixture_add(&fixture, "API")->may_introspect = true;
	client = fixture_add(&fixture, "TENANT_CLIENT_ID");
	client->resources = (struct str_list){ resources, COUNT(resources) };
	client->claims = STR(",\"tenant\":\"acme\",\"active\":false,\"username\":\"x\"");
	fixture_add(&fixture, "SECOND");
	client = fixture_add(&fixture, "NO_SCOPE");
	client->default_scopes = (struct scope_list){ NULL, 0 };
	client = fixture_add(&fixture, "RFC9068");
	client->has_profile = true;
	client->profile = PROFILE_RFC9068;
	client->claims = STR(",\"tenant\":\"acme\"");
	fixture_seal(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

/* A token of this client, for free(). */
static char *token_of(const char *credentials, const char *more, const char *variable)
{
	static char body[1024];
	struct ask ask = { .more = { variable } };

	snprintf(body, sizeof(body), "%s&%s%s", GRANT, credentials, more);
	ask.body = str_of(body);
	ask_send(&ask);
	CHECK_NUMBER(response.status, 200, credentials);
	return ask_token(credentials);
}

static void ask_at(const char *path, const char *credentials, const char *token)
{
	static char body[2 * MAKE_MAX];
	struct buf buf = buf_init(body, sizeof(body));
	struct ask ask = { .path = path };

	buf_text(&buf, credentials);
	buf_text(&buf, "&token=");
	make_encoded(&buf, str_of(token));
	assert_false(buf.overflow);
	ask.body = buf_view(&buf);
	ask_send(&ask);
}

/* ask_check_headers wants the fixed X-Request-Id, which random ids are not. */
static void check_head(const char *name)
{
	CHECK_NUMBER(response.status, 200, name);
	CHECK_TEXT(ask_header("Content-Type"), STR("application/json;charset=UTF-8"), name);
	CHECK_TEXT(ask_header("Cache-Control"), STR("no-store"), name);
	CHECK_TEXT(ask_header("Pragma"), STR("no-cache"), name);
	CHECK_TEXT(ask_header("X-Request-Id"), audit.request_id, name);
	CHECK(ask_header("WWW-Authenticate").n == 0, name);
	CHECK_REASON(audit.reason, REASON_NONE, name);
	CHECK_NUMBER(audit.status, 200, name);
}

static void check_inactive(const char *token, const char *name)
{
	ask_at("/introspect", AS("API"), token);
	check_head(name);
	CHECK_TEXT(response.body, STR(INACTIVE), name);
	CHECK_TEXT(str_of(audit.event), STR("introspection"), name);
}

static bool is_active(const char *token)
{
	json_t *json;
	bool active;

	ask_at("/introspect", AS("API"), token);
	json = ask_json("introspection");
	active = json_is_true(json_object_get(json, "active"));
	json_decref(json);
	return active;
}

static void revoke(const char *credentials, const char *token, const char *name)
{
	ask_at("/revoke", credentials, token);
	check_head(name);
	CHECK_NUMBER(response.body.n, 0, name);
	CHECK_TEXT(str_of(audit.event), STR("revocation"), name);
}

/* An error of either endpoint; the description is that of the table of reasons. */
static void check_refused(enum reason wanted, const char *name)
{
	const struct reason_info *info = reason_info(wanted);
	json_t *json = ask_json(name);

	CHECK_REASON(audit.reason, wanted, name);
	CHECK_NUMBER(response.status, info->status, name);
	CHECK_TEXT(support_member(json, "error"), str_of(info->error), name);
	CHECK_TEXT(ask_header("Cache-Control"), STR("no-store"), name);
	CHECK((ask_header("WWW-Authenticate").n > 0) == (info->status == 401), name);
	CHECK((ask_header("Retry-After").n > 0) == (info->status == 503), name);
	CHECK(!json_object_get(json, "active"), name);
	json_decref(json);
}

/* The proof of the EC key, as a variable, in static memory. */
static const char *proof_variable(EVP_PKEY *pkey)
{
	static char variable[4096];
	const struct maker maker = { pkey, JOSE_ALG_ES256, STR("") };
	char *jwt = make_jws(&maker,
		"{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{" JWK_EC_MEMBERS "}}",
		"{\"jti\":\"1\",\"htm\":\"POST\",\"htu\":\"" FIXTURE_ISSUER
		"/oauth2/token\",\"iat\":1640588828}");

	snprintf(variable, sizeof(variable), "HTTP_DPOP=%s", jwt);
	free(jwt);
	return variable;
}

/* Exactly these members; the jti is that of the token. */
static void test_members(void **state)
{
	EVP_PKEY *pkey = support_key(KEY_EC);
	const struct {
		const char *name;
		const char *credentials, *more, *variable;
		const char *wanted; /* without jti */
	} rows[] = {
		{ "ciam", AS("TENANT_CLIENT_ID"), "&scope=orders:read+identity_proofing", NULL,
			"{\"active\":true,\"scope\":\"orders:read "
			"identity_proofing\",\"client_id\":\"TENANT_CLIENT_ID\",\"token_type\":"
			"\"Bearer\",\"exp\":1640589128,\"iat\":1640588828,\"nbf\":1640588828,"
			"\"sub\":\"TENANT_CLIENT_ID\",\"aud\":\"" FIXTURE_ORDERS
			"\",\"iss\":\"" FIXTURE_ISSUER "\"}" },
		{ "two audiences", AS("TENANT_CLIENT_ID"),
			"&resource=urn:example:a&resource=urn:example:b", NULL,
			"{\"active\":true,\"scope\":\"identity_proofing\",\"client_id\":"
			"\"TENANT_CLIENT_ID\",\"token_type\":\"Bearer\",\"exp\":1640589128,"
			"\"iat\":1640588828,\"nbf\":1640588828,\"sub\":\"TENANT_CLIENT_ID\","
			"\"aud\":[\"urn:example:a\",\"urn:example:b\"],\"iss\":"
			"\"" FIXTURE_ISSUER "\"}" },
		{ "RFC 9068", AS("RFC9068"), "&scope=orders:write+orders:read", NULL,
			"{\"active\":true,\"scope\":\"orders:write "
			"orders:read\",\"client_id\":\"RFC9068\",\"token_type\":\"Bearer\","
			"\"exp\":1640589128,\"iat\":1640588828,\"sub\":\"RFC9068\",\"aud\":"
			"\"" FIXTURE_ORDERS "\",\"iss\":\"" FIXTURE_ISSUER "\"}" },
		{ "no scope", AS("NO_SCOPE"), "", NULL,
			"{\"active\":true,\"client_id\":\"NO_SCOPE\",\"token_type\":\"Bearer\","
			"\"exp\":1640589128,\"iat\":1640588828,\"nbf\":1640588828,\"sub\":\"NO_"
			"SCOPE\",\"aud\":\"NO_SCOPE\",\"iss\":\"" FIXTURE_ISSUER "\"}" },
		{ "DPoP", AS("SECOND"), "", proof_variable(pkey),
			"{\"active\":true,\"scope\":\"identity_proofing\",\"client_id\":"
			"\"SECOND\",\"token_type\":\"DPoP\",\"exp\":1640589128,\"iat\":"
			"1640588828,\"nbf\":1640588828,\"sub\":\"SECOND\",\"aud\":\"SECOND\","
			"\"iss\":\"" FIXTURE_ISSUER
			"\",\"cnf\":{\"jkt\":\"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-"
			"U\"}}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *token = token_of(rows[i].credentials, rows[i].more, rows[i].variable);
		char jti[64];
		json_t *wanted = json_loads(rows[i].wanted, JSON_REJECT_DUPLICATES, NULL);
		json_t *json;

		assert_non_null(wanted);
		snprintf(jti, sizeof(jti), "%.*s", (int)audit.jti.n, audit.jti.p);
		json_object_set_new(wanted, "jti", json_string(jti));
		ask_at("/introspect", AS("API"), token);
		check_head(rows[i].name);
		json = ask_json(rows[i].name);
		if (!json_equal(json, wanted)) {
			check_report(__FILE__, __LINE__, rows[i].name);
			fprintf(stderr, "got %.*s\n", (int)response.body.n, response.body.p);
		}
		CHECK_TEXT(str_of(audit.event), STR("introspection"), rows[i].name);
		CHECK_TEXT(audit.client_id, STR("API"), rows[i].name);
		CHECK_TEXT(audit.jti, str_of(jti), rows[i].name);
		json_decref(json);
		json_decref(wanted);
		free(token);
	}
	EVP_PKEY_free(pkey);
	check_end();
}

/* Whatever is wrong with a token: inactive, and nothing else is told. */
static void test_inactive(void **state)
{
	static const struct {
		const char *name;
		const char *head;   /* changes to the header of our own tokens */
		const char *claims; /* changes to the claims */
		bool good;
	} rows[] = {
		{ "ours", NULL, NULL, true },
		{ "at+jwt", "{\"typ\":\"at+jwt\"}", NULL, true },
		{ "no nbf", NULL, "{\"nbf\":null}", true },
		{ "unknown kid", "{\"kid\":\"x\"}", NULL, false },
		{ "no kid", "{\"kid\":null}", NULL, false },
		{ "another alg", "{\"alg\":\"RS256\"}", NULL, false },
		{ "no alg", "{\"alg\":null}", NULL, false },
		{ "none", "{\"alg\":\"none\"}", NULL, false },
		{ "no typ", "{\"typ\":null}", NULL, false },
		{ "a proof", "{\"typ\":\"dpop+jwt\"}", NULL, false },
		{ "crit", "{\"crit\":[\"exp\"]}", NULL, false },
		{ "another issuer", NULL, "{\"iss\":\"https://evil.example.com\"}", false },
		{ "issuer and a slash", NULL, "{\"iss\":\"" FIXTURE_ISSUER "/\"}", false },
		{ "no issuer", NULL, "{\"iss\":null}", false },
		{ "no exp", NULL, "{\"exp\":null}", false },
		{ "exp now", NULL, "{\"exp\":1640588828}", false },
		{ "exp in a second", NULL, "{\"exp\":1640588829}", true },
		{ "exp is a text", NULL, "{\"exp\":\"1640589128\"}", false },
		{ "nbf in 10 seconds, the leeway", NULL, "{\"nbf\":1640588838}", true },
		{ "nbf in 11 seconds", NULL, "{\"nbf\":1640588839}", false },
		{ "nbf is a text", NULL, "{\"nbf\":\"x\"}", false },
		{ "no jti", NULL, "{\"jti\":null}", false },
		{ "no sub", NULL, "{\"sub\":null}", false },
	};
	const struct maker ours = { fixture.snapshot->keyring.active->pkey, JOSE_ALG_ES256,
		STR("") };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *head = make_json(
			"{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"ES256\"}",
			rows[i].head);
		char *claims = make_json(
			"{\"sub\":\"SECOND\",\"aud\":\"SECOND\",\"nbf\":1640588828,\"iss\":"
			"\"" FIXTURE_ISSUER
			"\",\"exp\":1640589128,\"iat\":1640588828,\"jti\":\"j\"}",
			rows[i].claims);
		char *token = make_jws(&ours, head, claims);

		if (rows[i].good)
			CHECK(is_active(token), rows[i].name);
		else
			check_inactive(token, rows[i].name);
		free(head);
		free(claims);
		free(token);
	}
	check_end();
}

static void test_garbage(void **state)
{
	static const char *const texts[] = { "x", ".", "..", "a.b.c", "e30.e30.", "\xc3\xa4",
		"eyJhbGciOiJub25lIn0.e30.", "{}", " ", "%00x", "null" };
	static char large[60000];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		check_inactive(texts[i], texts[i]);
	memset(large, 'A', sizeof(large) - 1);
	check_inactive(large, "60,000 characters");
	memset(large, '.', 19000);
	large[19000] = '\0';
	check_inactive(large, "dots");
	check_end();
}

/* Forged, but with the jti of a token that holds. */
static void test_forged(void **state)
{
	EVP_PKEY *stranger = make_key();
	const struct maker forger = { stranger, JOSE_ALG_ES256, STR("") };
	char *token = token_of(AS("SECOND"), "", NULL);
	char head[256], claims[1024];
	struct jws_parts parts;
	char *forged;

	(void)state;
	assert_int_equal(jwt_split(str_of(token), fixture.arena, &parts), REASON_NONE);
	snprintf(claims, sizeof(claims), "%.*s", (int)parts.payload_text.n,
		parts.payload_text.p);
	jws_parts_clear(&parts);
	snprintf(head, sizeof(head), "{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"ES256\"}");
	forged = make_jws(&forger, head, claims);
	check_inactive(forged, "by another key");
	revoke(AS("SECOND"), forged, "a forgery revokes nothing");
	CHECK_NUMBER(fixture.store->record_count, 0, "a forgery revokes nothing");
	CHECK(is_active(token), "a forgery revokes nothing");
	free(forged);
	forged = make_resigned(token, "", 0);
	check_inactive(forged, "without its signature");
	free(forged);
	token[strlen(token) / 2] ^= 1;
	check_inactive(token, "a bit is another");
	free(token);
	EVP_PKEY_free(stranger);
	check_end();
}

static void test_expiry(void **state)
{
	char *token = token_of(AS("SECOND"), "", NULL);

	(void)state;
	ask_now_s = NOW_S + 299;
	CHECK(is_active(token), "its last second");
	ask_now_s = NOW_S + 300;
	check_inactive(token, "expired");
	revoke(AS("SECOND"), token, "an expired one needs no revocation");
	CHECK_NUMBER(fixture.store->record_count, 0, "an expired one needs no revocation");
	free(token);
	check_end();
}

static void test_revocation(void **state)
{
	char *token = token_of(AS("SECOND"), "", NULL),
	     *other = token_of(AS("SECOND"), "", NULL);
	char *rfc9068 = token_of(AS("RFC9068"), "", NULL);

	(void)state;
	revoke(AS("RFC9068"), token, "of another client");
	revoke(AS("API"), token, "of another client, by one that may introspect");
	CHECK_NUMBER(fixture.store->record_count, 0, "left as it is");
	CHECK(is_active(token), "left as it is");
	revoke(AS("SECOND"), "garbage", "garbage");
	revoke(AS("SECOND"), token, "its own");
	check_inactive(token, "revoked");
	CHECK(is_active(other), "another token of the client");
	revoke(AS("SECOND"), token, "again");
	check_inactive(token, "revoked");
	revoke(AS("RFC9068"), rfc9068, "RFC 9068");
	check_inactive(rfc9068, "RFC 9068");
	for (ask_now_s = NOW_S; ask_now_s < NOW_S + 310; ask_now_s += 7) {
		int64_t removed;

		assert_int_equal(
			store_prune(fixture.services.store, ask_now_s, &removed), REASON_NONE);
		check_inactive(token, "until it has expired, and then");
	}
	CHECK_NUMBER(fixture.store->record_count, 0, "nothing is remembered for ever");
	free(token);
	free(other);
	free(rfc9068);
	check_end();
}

/* A token of SECOND, or of another client of ours, with changes to its claims; for free(). */
static char *token_with(const char *patch)
{
	const struct maker ours = { fixture.snapshot->keyring.active->pkey, JOSE_ALG_ES256,
		STR("") };
	char *claims = make_json(
		"{\"sub\":\"SECOND\",\"aud\":\"SECOND\",\"nbf\":1640588828,\"iss\":"
		"\"" FIXTURE_ISSUER "\",\"exp\":1640592428,\"iat\":1640588828,\"jti\":\"j\"}",
		patch);
	char *token = make_jws(
		&ours, "{\"kid\":\"2026-11\",\"typ\":\"JWT\",\"alg\":\"ES256\"}", claims);

	free(claims);
	return token;
}

static void check_flaw(const char *token, enum reason cause, const char *name)
{
	check_inactive(token, name);
	CHECK_REASON(audit.cause, cause, name);
	CHECK_TEXT(audit.jti, STR("j"), name);
}

/* One that is not valid yet is inactive until the leeway before its nbf, and can be revoked. */
static void test_early(void **state)
{
	char *token = token_with("{\"nbf\":1640589828}"); /* in 1,000 s */
	char *no_time = token_with("{\"nbf\":\"1640588828\"}");

	(void)state;
	check_flaw(token, REASON_JWT_EARLY, "in 1,000 seconds");
	check_flaw(no_time, REASON_JWT_EARLY, "nbf is a text");
	ask_now_s = NOW_S + 989;
	check_flaw(token, REASON_JWT_EARLY, "in 11 seconds");
	ask_now_s = NOW_S + 990;
	CHECK(is_active(token), "in 10 seconds, the leeway");
	fixture.snapshot->assertions.leeway_s = 0;
	ask_now_s = NOW_S + 999;
	check_flaw(token, REASON_JWT_EARLY, "no leeway");
	ask_now_s = NOW_S + 1000;
	CHECK(is_active(token), "no leeway");
	ask_now_s = NOW_S;
	revoke(AS("SECOND"), token, "before it is valid");
	CHECK_REASON(audit.cause, REASON_NONE, "before it is valid");
	CHECK_TEXT(audit.jti, STR("j"), "before it is valid");
	CHECK_NUMBER(fixture.store->record_count, 1, "before it is valid");
	check_flaw(token, REASON_TOKEN_REVOKED, "at once");
	ask_now_s = NOW_S + 1000;
	check_flaw(token, REASON_TOKEN_REVOKED, "when it would be valid");
	ask_now_s = NOW_S + 3599;
	check_flaw(token, REASON_TOKEN_REVOKED, "until it expires");
	free(token);
	free(no_time);
	check_end();
}

/* A client that was disabled or taken away: its tokens are good for nothing. */
static void test_client_gone(void **state)
{
	char *token = token_with(NULL);
	char *gone = token_with("{\"sub\":\"GONE\"}");
	char *rfc9068 = token_with("{\"sub\":\"x\",\"client_id\":\"GONE\"}");

	(void)state;
	CHECK(is_active(token), "before");
	fixture_client(&fixture, "SECOND")->enabled = false;
	check_flaw(token, REASON_CLIENT_DISABLED, "disabled");
	fixture_client(&fixture, "SECOND")->enabled = true;
	CHECK(is_active(token), "enabled again");
	check_flaw(gone, REASON_CLIENT_UNKNOWN, "taken away");
	check_flaw(rfc9068, REASON_CLIENT_UNKNOWN, "taken away, RFC 9068");
	revoke(AS("SECOND"), token, "revoked");
	fixture_client(&fixture, "SECOND")->enabled = false;
	check_flaw(token, REASON_TOKEN_REVOKED, "revoked, then disabled");
	fixture.store->failure = REASON_STORE;
	ask_at("/introspect", AS("API"), gone);
	check_refused(REASON_STORE, "the store fails");
	free(token);
	free(gone);
	free(rfc9068);
	check_end();
}

/* A disabled client's answer, other methods, other errors. */
static void test_refusals(void **state)
{
	static const struct {
		const char *name;
		struct ask ask;
		enum reason wanted; /* at introspection */
		enum reason wanted_at_revocation;
	} rows[] = {
		{ "no credentials", { .body = TEXT("token=x") }, REASON_NO_CREDENTIALS,
			REASON_NO_CREDENTIALS },
		{ "wrong secret", { .body = TEXT("token=x&client_id=API&client_secret=x") },
			REASON_SECRET_WRONG, REASON_SECRET_WRONG },
		{ "unknown client", { .body = TEXT("token=x&client_id=X&client_secret=x") },
			REASON_CLIENT_UNKNOWN, REASON_CLIENT_UNKNOWN },
		{ "not allowed", { .body = TEXT("token=x&" AS("SECOND")) },
			REASON_INTROSPECT_DENIED, REASON_NONE },
		{ "no token", { .body = TEXT(AS("API")) }, REASON_TOKEN_MISSING,
			REASON_TOKEN_MISSING },
		{ "an empty token", { .body = TEXT(AS("API") "&token=") }, REASON_TOKEN_MISSING,
			REASON_TOKEN_MISSING },
		{ "token in the query",
			{ .body = TEXT(AS("API")), .more = { "QUERY_STRING=token=x" } },
			REASON_TOKEN_MISSING, REASON_TOKEN_MISSING },
		{ "two tokens", { .body = TEXT(AS("API") "&token=x&token=x") },
			REASON_FORM_REPEATED, REASON_FORM_REPEATED },
		{ "two hints",
			{ .body = TEXT(AS("API") "&token=x&token_type_hint=a&token_type_"
						 "hint=a") },
			REASON_FORM_REPEATED, REASON_FORM_REPEATED },
		{ "any hint", { .body = TEXT(AS("API") "&token=x&token_type_hint=foo") },
			REASON_NONE, REASON_NONE },
		{ "no grant_type is needed", { .body = TEXT(AS("API") "&token=x") },
			REASON_NONE, REASON_NONE },
		{ "GET", { .method = "GET" }, REASON_METHOD, REASON_METHOD },
		{ "plain HTTP", { .body = TEXT(AS("API") "&token=x"), .more = { "HTTPS" } },
			REASON_PLAIN_HTTP, REASON_PLAIN_HTTP },
		{ "JSON", { .body = TEXT("{}"), .more = { "CONTENT_TYPE=application/json" } },
			REASON_MEDIA_TYPE, REASON_MEDIA_TYPE },
		{ "secret in the query",
			{ .body = TEXT("token=x"), .more = { "QUERY_STRING=" AS("API") } },
			REASON_QUERY_CREDENTIALS, REASON_QUERY_CREDENTIALS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (unsigned at = 0; at < 2; at++) {
			struct ask ask = rows[i].ask;
			enum reason wanted = at == 0 ? rows[i].wanted
						     : rows[i].wanted_at_revocation;

			ask.path = at == 0 ? "/introspect" : "/revoke";
			ask_send(&ask);
			if (wanted != REASON_NONE)
				check_refused(wanted, rows[i].name);
			else
				check_head(rows[i].name);
			CHECK_TEXT(str_of(audit.event),
				at == 0 ? STR("introspection") : STR("revocation"),
				rows[i].name);
		}
	}
	check_end();
}

static void test_not_offered(void **state)
{
	static const char *const paths[] = { "/introspect", "/revoke" };
	bool *const switches[] = { &fixture.snapshot->introspection,
		&fixture.snapshot->revocation };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		*switches[i] = false;
		ask_at(paths[i], AS("API"), "x");
		check_refused(REASON_NOT_FOUND, paths[i]);
		*switches[i] = true;
		ask_at(paths[i], AS("API"), "x");
		check_head(paths[i]);
	}
	check_end();
}

/* A failing store is a 503, never a 200. */
static void test_store_fails(void **state)
{
	char *token = token_of(AS("SECOND"), "", NULL);

	(void)state;
	for (enum reason failure = REASON_STORE; failure <= REASON_STORE_NETWORK; failure++) {
		fixture.store->failure = failure;
		ask_at("/introspect", AS("API"), token);
		check_refused(failure, "introspection");
		ask_at("/revoke", AS("SECOND"), token);
		check_refused(failure, "revocation");
		check_inactive("garbage", "no store is needed for garbage");
	}
	fixture.store->failure = REASON_NONE;
	CHECK(is_active(token), "it was not revoked");
	revoke(AS("SECOND"), token, "and when the store is back");
	check_inactive(token, "and when the store is back");
	free(token);
	check_end();
}

/* The token itself is in no text of the log. */
static void test_audit(void **state)
{
	char *token = token_of(AS("SECOND"), "", NULL);
	char jti[64];

	(void)state;
	snprintf(jti, sizeof(jti), "%.*s", (int)audit.jti.n, audit.jti.p);
	ask_at("/revoke", AS("API"), token);
	CHECK_REASON(audit.cause, REASON_REVOKE_FOREIGN, "foreign");
	CHECK_NUMBER(audit.jti.n, 0, "foreign");
	ask_at("/introspect", AS("API"), "garbage");
	CHECK_REASON(audit.cause, REASON_JWS_SYNTAX, "garbage");
	ask_at("/revoke", AS("SECOND"), token);
	CHECK_TEXT(audit.jti, str_of(jti), "revoked");
	CHECK_TEXT(audit.client_id, STR("SECOND"), "revoked");
	CHECK_NUMBER(audit.method, AUTH_SECRET_POST, "revoked");
	ask_at("/introspect", AS("API"), token);
	CHECK_TEXT(audit.jti, str_of(jti), "one of ours");
	CHECK_REASON(audit.cause, REASON_TOKEN_REVOKED, "not active");
	free(token);
	check_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_members),
		TEST(test_inactive),
		TEST(test_garbage),
		TEST(test_forged),
		TEST(test_expiry),
		TEST(test_revocation),
		TEST(test_early),
		TEST(test_client_gone),
		TEST(test_refusals),
		TEST(test_not_offered),
		TEST(test_store_fails),
		TEST(test_audit),
	};

	return cmocka_run_group_tests_name("introspection", tests, NULL, NULL);
}
