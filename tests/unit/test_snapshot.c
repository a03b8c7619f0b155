/* SPDX-License-Identifier: MIT */
/* Tests of domain/snapshot. */
#include "fixture.h"

#include "util/b64url.h"

static struct fixture fixture;

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture);
	fixture_use_key(&fixture, JOSE_ALG_RS256);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static void test_paths(void **state)
{
	static const struct {
		const char *url;
		const char *path;
	} cases[] = {
		{ "https://auth.example.com", "" },
		{ "https://auth.example.com/", "" },
		{ "https://auth.example.com/oauth2", "/oauth2" },
		{ "https://auth.example.com/oauth2/", "/oauth2" },
		{ "https://auth.example.com/a/b", "/a/b" },
		{ "https://auth.example.com:8443/a", "/a" },
		{ "http://127.0.0.1:8080", "" },
		{ "http://[::1]:8080/a", "/a" },
		{ "no URL", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t j = 0; j < COUNT(cases); j++) {
			fixture.snapshot->issuer = str_of(cases[i].url);
			fixture.snapshot->base_url = str_of(cases[j].url);
			CHECK_REASON(
				snapshot_seal(fixture.snapshot), REASON_NONE, cases[i].url);
			CHECK_TEXT(fixture.snapshot->issuer_path, str_of(cases[i].path),
				cases[i].url);
			CHECK_TEXT(fixture.snapshot->base_path, str_of(cases[j].path),
				cases[j].url);
		}
	}
	check_end();
}

static void test_patience(void **state)
{
	static const struct {
		int64_t total_us, patience_us;
	} cases[] = {
		{ 0, 1000000 },
		{ 1, 1000000 },
		{ 500000, 1000000 },
		{ 500001, 1000002 },
		{ 1228800, 2457600 },
		{ 2500000, 5000000 },
		{ 2500001, 5000000 },
		{ INT64_C(3600000000), 5000000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		fixture.snapshot->failure_price.total_us = cases[i].total_us;
		CHECK_NUMBER(snapshot_patience_us(fixture.snapshot), cases[i].patience_us,
			"patience");
	}
	check_end();
}

static void test_token_url(void **state)
{
	(void)state;
	fixture_seal(&fixture);
	CHECK_TEXT(fixture.snapshot->token_url, STR(FIXTURE_ISSUER "/oauth2/token"), "default");
	fixture.snapshot->base_url = STR("http://[::1]:8080");
	fixture_seal(&fixture);
	CHECK_TEXT(fixture.snapshot->token_url, STR("http://[::1]:8080/token"), "no path");
	check_end();
}

static void test_auth_methods(void **state)
{
	unsigned basic = AUTH_BIT(AUTH_SECRET_BASIC);
	unsigned post = AUTH_BIT(AUTH_SECRET_POST);
	struct client *a = fixture_add(&fixture, "a");
	struct client *b = fixture_add(&fixture, "b");
	const struct {
		const char *name;
		unsigned a;
		unsigned b;
		bool b_enabled;
		unsigned wanted;
	} cases[] = {
		{ "together", basic, post, true, basic | post },
		{ "one is disabled", basic, post, false, basic },
		{ "the same", post, post, true, post },
		{ "by key and certificate", AUTH_BIT(AUTH_PRIVATE_KEY_JWT), AUTH_BIT(AUTH_TLS),
			true, AUTH_BIT(AUTH_PRIVATE_KEY_JWT) | AUTH_BIT(AUTH_TLS) },
		{ "all", AUTH_BIT(AUTH__MAX) - 1, 0, true, AUTH_BIT(AUTH__MAX) - 1 },
		{ "none", 0, 0, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		a->auth_methods = cases[i].a;
		b->auth_methods = cases[i].b;
		b->enabled = cases[i].b_enabled;
		fixture.snapshot->auth_methods = 0;
		fixture_seal(&fixture);
		CHECK_NUMBER(fixture.snapshot->auth_methods, cases[i].wanted, cases[i].name);
	}
	check_end();
}

#define RSA (JOSE_ALG_BIT(JOSE_ALG_RS256) | JOSE_ALG_BIT(JOSE_ALG_PS256))
#define ES256 JOSE_ALG_BIT(JOSE_ALG_ES256)
#define RS384 JOSE_ALG_BIT(JOSE_ALG_RS384)
#define HS256 JOSE_ALG_BIT(JOSE_ALG_HS256)

static void test_assertion_algs(void **state)
{
	const unsigned by_key = AUTH_BIT(AUTH_PRIVATE_KEY_JWT);
	const unsigned by_secret = AUTH_BIT(AUTH_SECRET_JWT);
	EVP_PKEY *rsa = support_key(KEY_RSA), *ec = support_key(KEY_EC);
	struct jwk any[] = { { .pkey = rsa }, { .pkey = ec } };
	struct jwk pinned[] = { { .pkey = rsa, .alg = JOSE_ALG_RS384 } };
	const struct {
		const char *name;
		struct jwk *keys;
		size_t key_count;
		unsigned methods;
		bool enabled;
		unsigned wanted;
	} cases[] = {
		{ "any of the keys", any, 2, by_key, true, RSA | ES256 },
		{ "the one that the key names", pinned, 1, by_key, true, RS384 },
		{ "a secret", NULL, 0, by_secret, true, HS256 },
		{ "both", pinned, 1, by_key | by_secret, true, RS384 | HS256 },
		{ "a secret, and keys for certificates", any, 2,
			by_secret | AUTH_BIT(AUTH_SELF_SIGNED_TLS), true, HS256 },
		{ "disabled", any, 2, by_key | by_secret, false, 0 },
		{ "keys without a method", any, 2, AUTH_BIT(AUTH_SECRET_BASIC), true, 0 },
	};
	struct client *client = fixture_add(&fixture, "a");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		client->keys = cases[i].keys;
		client->key_count = cases[i].key_count;
		client->auth_methods = cases[i].methods;
		client->enabled = cases[i].enabled;
		fixture.snapshot->assertion_algs = RS384 << 8;
		fixture_seal(&fixture);
		CHECK_NUMBER(fixture.snapshot->assertion_algs, cases[i].wanted, cases[i].name);
	}
	client->key_count = 0;
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	check_end();
}

static void test_takes_certificates(void **state)
{
	const struct {
		const char *name;
		unsigned methods;
		bool bound;
		bool enabled;
		bool wanted;
	} cases[] = {
		{ "a secret", AUTH_BIT(AUTH_SECRET_BASIC), false, true, false },
		{ "an assertion", AUTH_BY_ASSERTION, false, true, false },
		{ "a certificate", AUTH_BIT(AUTH_TLS), false, true, true },
		{ "its own certificate", AUTH_BIT(AUTH_SELF_SIGNED_TLS), false, true, true },
		{ "bound tokens", AUTH_BIT(AUTH_SECRET_BASIC), true, true, true },
		{ "disabled", AUTH_BY_CERTIFICATE, true, false, false },
	};
	struct client *client = fixture_add(&fixture, "a");

	(void)state;
	fixture_add(&fixture, "b");
	for (size_t i = 0; i < COUNT(cases); i++) {
		client->auth_methods = cases[i].methods;
		client->certificate_bound = cases[i].bound;
		client->enabled = cases[i].enabled;
		fixture.snapshot->takes_certificates = !cases[i].wanted;
		fixture_seal(&fixture);
		CHECK(fixture.snapshot->takes_certificates == cases[i].wanted, cases[i].name);
	}
	check_end();
}

static void test_no_clients(void **state)
{
	(void)state;
	fixture_seal(&fixture);
	CHECK_NUMBER(fixture.snapshot->auth_methods, 0, "no clients");
	CHECK_NUMBER(fixture.snapshot->assertion_algs, 0, "no clients");
	CHECK(!fixture.snapshot->takes_certificates, "no clients");
	CHECK_NUMBER(fixture.snapshot->failure_price.hash.n, 0, "no clients");
	check_end();
}

static void test_dummy_hash(void **state)
{
	struct client *a = fixture_add(&fixture, "a");
	struct client *b = fixture_add(&fixture, "b");

	(void)state;
	(void)a;
	fixture_seal(&fixture);
	CHECK_NUMBER(fixture.snapshot->failure_price.hash.n, 0, "fast secrets only");
	*fixture_secrets(&fixture, b, 1) = fixture_slow_secret();
	fixture_seal(&fixture);
	CHECK(credential_hash_is_supported(fixture.snapshot->failure_price.hash),
		"a slow hash");
	CHECK(str_starts(fixture.snapshot->failure_price.hash, STR("$2y$05$")),
		"of the kind in use");
	check_end();
}

static void test_jwks(void **state)
{
	char space[4096];
	struct buf buf = buf_init(space, sizeof(space));

	(void)state;
	fixture_seal(&fixture);
	assert_int_equal(keyring_write_jwks(&fixture.snapshot->keyring, &buf), REASON_NONE);
	CHECK_TEXT(fixture.snapshot->jwks.body, buf_view(&buf), "body");
	CHECK_NUMBER(fixture.snapshot->jwks.etag.n, SNAPSHOT_ETAG_LEN, "ETag");
	check_end();
}

static void test_document(void **state)
{
	static const struct str bodies[] = { TEXT("abc"), TEXT("abd"), TEXT(""), TEXT("a\0b") };
	struct str etags[COUNT(bodies)];

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		char text[4];
		struct document document;
		unsigned char digest[32];
		char space[64];
		struct buf buf = buf_init(space, sizeof(space));

		memcpy(text, bodies[i].p, bodies[i].n);
		CHECK_REASON(document_make(fixture.arena, (struct str){ text, bodies[i].n },
				     &document),
			REASON_NONE, bodies[i].p);
		memset(text, 'x', sizeof(text));
		CHECK_TEXT(document.body, bodies[i], "copied");

		/* A quoted base64url SHA-256, as the header says: not by the library's digest.
		 */
		assert_int_equal(
			EVP_Digest(bodies[i].p, bodies[i].n, digest, NULL, EVP_sha256(), NULL),
			1);
		buf_char(&buf, '"');
		b64url_encode(&buf, digest, sizeof(digest));
		buf_char(&buf, '"');
		CHECK_TEXT(document.etag, buf_view(&buf), bodies[i].p);
		etags[i] = document.etag;
		for (size_t j = 0; j < i; j++)
			CHECK(!str_eq(etags[i], etags[j]), bodies[i].p);
	}
	check_end();
}

static void test_document_no_memory(void **state)
{
	struct arena *small = arena_new(16, 16);
	struct document document = { STR("unset"), STR("unset") };

	(void)state;
	assert_non_null(small);
	CHECK_REASON(document_make(small, STR("01234567890123456789"), &document),
		REASON_MEMORY, "no room");
	arena_free(small);
	check_end();
}

static void test_free_nothing(void **state)
{
	(void)state;
	snapshot_free(NULL);
	snapshot_free(snapshot_new());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_paths, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_patience, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_token_url, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_auth_methods, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_assertion_algs, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_takes_certificates, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_no_clients, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_dummy_hash, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_jwks, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(test_document, open_fixture, close_fixture),
		cmocka_unit_test_setup_teardown(
			test_document_no_memory, open_fixture, close_fixture),
		cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
